//! An export as a whole.

use std::path::Path;
use std::sync::Arc;

use super::columns::Column;
use super::container::{Contents, shown};
use super::entry::Source;
use super::kind::{FileKind, Shape};
use super::layout::Added;
use super::rows::{Plan, Rows};
use super::survey::{Surveyed, survey};
use super::text::Encoding;
use super::time::Timestamp;
use super::{Limits, Settings};
use crate::error::{Error, ErrorKind};

/// What is known about one file of an export after reading all of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FileInfo {
    /// What it is about, by its name and headings.
    pub kind: FileKind,
    /// Its name without folders, with characters that do not show escaped.
    pub name: String,
    /// How it writes characters.
    pub encoding: Encoding,
    /// What stands between fields; `None` if it has one column.
    pub delimiter: Option<char>,
    /// What a row stands for.
    pub shape: Shape,
    /// Its bytes, decompressed.
    pub bytes: u64,
    /// Rows that can be read.
    pub rows: u64,
    /// Rows that cannot be read, as they are longer than the heading.
    pub unreadable: u64,
    /// The recognised columns, each with its heading.
    pub columns: Vec<(Column, String)>,
    /// The headings that nobody recognises; their columns are in [`Row::extra`](super::Row::extra).
    pub unrecognised: Vec<String>,
    /// The earliest time in any column of times. Times without a zone are compared as if they were UTC.
    pub first: Option<Timestamp>,
    /// The latest time in any column of times.
    pub last: Option<Timestamp>,
    /// What was decided about the file and might be wrong, or is left out.
    pub notes: Vec<String>,
}

/// An export that was read once to its end, so that all of it can be read again.
#[derive(Debug, Clone)]
pub struct Archive {
    name: String,
    files: Vec<FileInfo>,
    plans: Vec<Plan>,
    notes: Vec<String>,
    limits: Limits,
}

impl Archive {
    /// Opens a ZIP, a folder of CSV files, or a single CSV file, and reads every recognised file to its end.
    ///
    /// # Errors
    /// An error names the file, and what to do. `Settings`: it cannot be opened, or is nothing that is read here
    /// (encrypted, two entries of one name or two files of one kind, overlapping entries, names that point outside of the
    /// ZIP, no recognised file, an encoding that cannot be told). `TooLarge`: a [limit](Limits) was met. `Decode`: it is
    /// no ZIP, or damaged.
    pub fn open(path: impl AsRef<Path>, settings: Settings) -> Result<Self, Error> {
        let path = path.as_ref();
        let contents = Contents::of_path(path, &settings.limits)?;
        let name =
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self::read(shown(&name), contents, settings)
    }

    /// As [`open`](Self::open), from the bytes of a ZIP or CSV file; `name` is what errors call it, and tells a CSV file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(
        name: &str,
        bytes: impl Into<Arc<[u8]>>,
        settings: Settings,
    ) -> Result<Self, Error> {
        let source = Source::Memory(bytes.into());
        let contents = Contents::of_source(source, shown(name), &settings.limits)?;
        Self::read(shown(name), contents, settings)
    }

    fn read(name: String, contents: Contents, settings: Settings) -> Result<Self, Error> {
        let added = Added::new(&settings.aliases)?;
        let mut archive = Self {
            name,
            files: Vec::new(),
            plans: Vec::new(),
            notes: contents.notes,
            limits: settings.limits.clone(),
        };
        let mut left = settings.limits.total;
        for entry in &contents.entries {
            match survey(entry, &settings, &added, left)? {
                Surveyed::NotOurs(note) => archive.notes.push(note),
                Surveyed::File(file) => {
                    let (info, plan) = *file;
                    left = left.saturating_sub(info.bytes);
                    archive.add(info, plan)?;
                }
            }
        }
        if archive.files.is_empty() {
            let seen: Vec<&str> =
                contents.entries.iter().take(10).map(|entry| entry.name.as_str()).collect();
            let what = format!(
                "{} holds none of the four files (conversations, outcomes, timing, agent); seen: {}. If one of these is, name it in the settings",
                archive.name,
                if seen.is_empty() { "no CSV file".to_owned() } else { seen.join(", ") }
            );
            let why = archive.notes.iter().take(3).map(|note| format!(" ({note})"));
            let what = what + &why.collect::<String>();
            return Err(Error::new(ErrorKind::Settings, what));
        }
        Ok(archive)
    }

    fn add(&mut self, info: FileInfo, plan: Plan) -> Result<(), Error> {
        if let Some(other) = self.info(info.kind) {
            let what = format!(
                "{}: {} and {} are both {}; take one away, or say in the settings what they are",
                self.name, other.name, info.name, info.kind
            );
            return Err(Error::new(ErrorKind::Settings, what));
        }
        let place = self.files.partition_point(|file| file.kind < info.kind);
        self.files.insert(place, info);
        self.plans.insert(place, plan);
        Ok(())
    }

    /// The recognised files, at most one of each kind.
    #[must_use]
    pub fn files(&self) -> &[FileInfo] {
        &self.files
    }

    /// The file of this kind.
    #[must_use]
    pub fn info(&self, kind: FileKind) -> Option<&FileInfo> {
        self.files.iter().find(|file| file.kind == kind)
    }

    /// The kinds of which there is no file.
    #[must_use]
    pub fn missing(&self) -> Vec<FileKind> {
        FileKind::ALL.into_iter().filter(|kind| self.info(*kind).is_none()).collect()
    }

    /// What was left out of the archive, and why.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The rows of the file of this kind, whatever its shape. Rows of [buckets](Shape::Buckets) are for an inventory:
    /// there are no conversations in them.
    ///
    /// # Errors
    /// `NotFound` if there is no such file; `Settings` if it has changed since it was checked.
    pub fn rows(&self, kind: FileKind) -> Result<Rows, Error> {
        let place = self.files.iter().position(|file| file.kind == kind);
        match place.and_then(|place| self.plans.get(place)) {
            Some(plan) => Rows::open(plan, &self.limits),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("{} has no {kind} file; export it with all four files", self.name),
            )),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}
