//! What is in the file or folder that is opened. Nothing is ever extracted: names are labels, and never paths.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::Limits;
use super::entry::{Entry, Handle, Packed, Source};
use crate::error::{Error, ErrorKind};

/// The files that may be CSV, and what is to be said about the others.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) entries: Vec<Entry>,
    pub(super) notes: Vec<String>,
}

impl Contents {
    /// A folder's files, a ZIP's entries, or a single CSV file.
    pub(super) fn of_path(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let name = base_name(&path.to_string_lossy());
        if path.is_dir() {
            return Self::of_folder(path, &name, limits);
        }
        Self::of_source(Source::file(path, &name)?, name, limits)
    }

    /// A ZIP, or a single CSV file.
    pub(super) fn of_source(source: Source, name: String, limits: &Limits) -> Result<Self, Error> {
        check_length(&source, &name, limits)?;
        let mut start = Vec::new();
        let opened = source.open().and_then(|file| file.take(4).read_to_end(&mut start));
        opened.map_err(|cause| unusable(format!("{name} cannot be read")).with_source(cause))?;
        let is_zip = start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06");
        if !is_zip && is_table(&name) {
            let entries = vec![Entry { name, source, packed: None }];
            return Ok(Self { entries, notes: Vec::new() });
        }
        Self::of_zip(&source, &name, limits)
    }

    fn of_folder(path: &Path, name: &str, limits: &Limits) -> Result<Self, Error> {
        let failed =
            |cause: io::Error| unusable(format!("{name} cannot be listed")).with_source(cause);
        let mut found = Vec::new();
        for item in path.read_dir().map_err(failed)? {
            let item = item.map_err(failed)?;
            found.push((item.file_name(), item.file_type().map_err(failed)?));
            if found.len() > limits.entries {
                return Err(too_many(name, limits));
            }
        }
        found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut contents = Self::default();
        for (file, kind) in found {
            let name = base_name(&file.to_string_lossy());
            if kind.is_file() && contents.wants(&name) {
                let source = Source::file(&path.join(&file), &name)?;
                check_length(&source, &name, limits)?;
                contents.entries.push(Entry { name, source, packed: None });
            }
        }
        Ok(contents)
    }

    fn of_zip(source: &Source, name: &str, limits: &Limits) -> Result<Self, Error> {
        let no_zip = |cause: io::Error| {
            let what = format!(
                "{name} is no ZIP that can be read, or only part of one; export or copy it again"
            );
            Error::new(ErrorKind::Decode, what).with_source(cause)
        };
        let mut file = source.open().map_err(no_zip)?;
        if announced_entries(&mut file).map_err(no_zip)? > limits.entries as u64 {
            return Err(too_many(name, limits));
        }
        let mut archive =
            ZipArchive::new(BufReader::new(file)).map_err(|cause| no_zip(cause.into()))?;
        check_whole(&mut archive, name, limits)?;
        let mut contents = Self::default();
        let mut announced = 0_u64;
        for index in 0..archive.len() {
            let Some(entry) = contents.take(&mut archive, index, source, name)? else { continue };
            announced = announced.saturating_add(entry.packed.map_or(0, |packed| packed.size));
            contents.entries.push(entry);
        }
        if announced > limits.total {
            let limit = limits.total;
            let what = format!(
                "{name} says that it holds more than {limit} bytes of CSV files; if that is right, raise the limit in the settings"
            );
            return Err(Error::new(ErrorKind::TooLarge, what));
        }
        Ok(contents)
    }

    /// The entry, if it may be a CSV file.
    fn take(
        &mut self,
        archive: &mut ZipArchive<BufReader<Handle>>,
        index: usize,
        source: &Source,
        zip: &str,
    ) -> Result<Option<Entry>, Error> {
        let damaged = |cause: zip::result::ZipError| {
            let what = format!("entry {} of {zip} is damaged; export or copy it again", index + 1);
            Error::new(ErrorKind::Decode, what).with_source(io::Error::from(cause))
        };
        let entry = archive.by_index_data(index).map_err(damaged)?;
        let full = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        let in_resources = full.split(['/', '\\']).any(|folder| folder == "__MACOSX");
        if entry.is_dir() || in_resources {
            return Ok(None);
        }
        let name = base_name(&full);
        if entry.is_symlink() {
            self.notes.push(format!("{name} is a link, and not followed"));
            return Ok(None);
        }
        if !self.wants(&name) {
            return Ok(None);
        }
        let refused = |why: &str| Err(unusable(format!("{} in {zip} {why}", shown(&full))));
        if is_hostile(&full) {
            return refused("points outside of the ZIP, which no export does; the ZIP is not read");
        }
        if entry.encrypted() {
            return refused("is encrypted; export again without a password");
        }
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            _ => {
                return refused(
                    "is compressed in a way that is not read here; zip it with Deflate",
                );
            }
        };
        let (compressed, size, crc) = (entry.compressed_size(), entry.size(), entry.crc32());
        let start = archive.by_index_raw(index).map_err(damaged)?.data_start();
        let start = start.ok_or_else(|| damaged(zip::result::ZipError::FileNotFound))?;
        let packed = Packed { start, compressed, size, crc, deflated };
        Ok(Some(Entry { name, source: source.clone(), packed: Some(packed) }))
    }

    /// Whether a file of this name may be a CSV file; if not, it may be worth a note.
    fn wants(&mut self, name: &str) -> bool {
        let litter = [".ds_store", "thumbs.db", "desktop.ini"];
        if name.is_empty() || name.starts_with("._") || litter.contains(&&*name.to_lowercase()) {
            return false;
        }
        if is_table(name) {
            return true;
        }
        let what = if extension(name) == "zip" {
            "is a ZIP of its own, and not read; open it by itself"
        } else {
            "is no CSV file, and not read"
        };
        self.notes.push(format!("{name} {what}"));
        false
    }
}

/// What is wrong with the archive as a whole.
fn check_whole(
    archive: &mut ZipArchive<BufReader<Handle>>,
    name: &str,
    limits: &Limits,
) -> Result<(), Error> {
    if archive.is_empty() {
        return Err(unusable(format!("{name} is an empty ZIP; export again")));
    }
    if archive.len() > limits.entries {
        return Err(too_many(name, limits));
    }
    if archive.has_duplicate_names() {
        return Err(unusable(format!(
            "{name} has two entries of the same name, so it is not clear which counts; export again"
        )));
    }
    if archive.has_overlapping_entries().unwrap_or(true) {
        return Err(unusable(format!(
            "{name} has entries that overlap, as a ZIP bomb has; export again"
        )));
    }
    archive.validate_header_consistency().map_err(|cause| {
        let what = format!("{name} contradicts itself about its entries; export or copy it again");
        Error::new(ErrorKind::Decode, what).with_source(io::Error::from(cause))
    })
}

/// How many entries the end of a ZIP announces, so that a huge directory need not be read to be refused. 0 if there is
/// no such end: whether this is a ZIP at all is decided elsewhere.
fn announced_entries(file: &mut Handle) -> io::Result<u64> {
    const END: usize = 22;
    const LOCATOR: usize = 20;
    let length = file.seek(SeekFrom::End(0))?;
    let tail_length = length.min((END + LOCATOR + usize::from(u16::MAX)) as u64);
    file.seek(SeekFrom::Start(length - tail_length))?;
    let mut tail = Vec::new();
    file.take(tail_length).read_to_end(&mut tail)?;
    let mut most = 0;
    // A comment may hold what looks like an end, so all that look like one count.
    for at in 0..tail.len().saturating_sub(END - 1) {
        if !tail[at..].starts_with(b"PK\x05\x06") {
            continue;
        }
        let entries = u64::from(u16::from_le_bytes([tail[at + 10], tail[at + 11]]));
        most = most.max(entries);
        let locator = at.checked_sub(LOCATOR).map(|start| &tail[start..at]);
        if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            let offset: [u8; 8] = locator[8..16].try_into().unwrap_or_default();
            most = most.max(announced_in_zip64(file, u64::from_le_bytes(offset))?.unwrap_or(0));
        }
    }
    Ok(most)
}

fn announced_in_zip64(file: &mut Handle, offset: u64) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut record = Vec::new();
    file.take(56).read_to_end(&mut record)?;
    let entries = record.get(32..40).and_then(|bytes| bytes.try_into().ok());
    let entries = entries.filter(|_| record.starts_with(b"PK\x06\x06"));
    Ok(entries.map(u64::from_le_bytes))
}

/// A name that is fit to be shown: no folders, no control or direction characters, at most 120 characters.
fn base_name(full: &str) -> String {
    shown(full.rsplit(['/', '\\']).next().unwrap_or(full))
}

/// Text of the files that is fit to be shown: names and headings.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut out = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            out.push('…');
            break;
        }
        let turns = matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        );
        if character.is_control() || turns {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// Whether the name is absolute, climbs out of a folder, or holds a NUL.
fn is_hostile(full: &str) -> bool {
    let drive = full.as_bytes().get(1) == Some(&b':');
    drive
        || full.contains('\0')
        || full.starts_with(['/', '\\'])
        || full.split(['/', '\\']).any(|part| part == "..")
}

fn is_table(name: &str) -> bool {
    matches!(extension(name).as_str(), "csv" | "tsv" | "txt")
}

fn extension(name: &str) -> String {
    name.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_lowercase())
}

fn check_length(source: &Source, name: &str, limits: &Limits) -> Result<(), Error> {
    if source.len() <= limits.file {
        return Ok(());
    }
    let limit = limits.file;
    let what = format!(
        "{name} has more than {limit} bytes; if that is right, raise the limit in the settings"
    );
    Err(Error::new(ErrorKind::TooLarge, what))
}

fn too_many(name: &str, limits: &Limits) -> Error {
    let limit = limits.entries;
    let what = format!(
        "{name} has more than {limit} files in it; if that is right, raise the limit in the settings"
    );
    Error::new(ErrorKind::TooLarge, what)
}

fn unusable(what: String) -> Error {
    Error::new(ErrorKind::Settings, what)
}
