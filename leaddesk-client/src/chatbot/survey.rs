//! Reads a file once to its end: that it can be read at all, and what it holds.

use std::collections::HashSet;
use std::io::Read;
use std::sync::Arc;

use csv::StringRecord;

use super::archive::FileInfo;
use super::column_facts::Facts;
use super::columns::Column;
use super::container::shown;
use super::dialect::{Dialect, dialect};
use super::entry::{Entry, explain};
use super::join::hash;
use super::kind::{FileKind, Shape};
use super::layout::{Added, Layout, settle, shape};
use super::rows::{Plan, Records, WithoutContent, without_content};
use super::text::{Encoding, Utf8Reader};
use super::{Limits, Settings};
use crate::error::{Error, ErrorKind};

/// How much of a file is looked at to find its delimiter.
const BEGINNING: u64 = 256 * 1024;

/// How many ids are kept to see whether one repeats. Where none of so many does, none is expected to.
const IDS: usize = 1_000_000;

/// What became of a file.
#[derive(Debug)]
pub(super) enum Surveyed {
    File(Box<(FileInfo, Plan)>),
    /// It is none of the four; the note says why.
    NotOurs(String),
}

/// A file as far as its heading.
struct Opened<'a> {
    entry: &'a Entry,
    encoding: Encoding,
    bytes: u64,
    dialect: Dialect,
    headings: Vec<String>,
    notes: Vec<String>,
}

/// Reads the file. `left` is how many bytes all files may still have.
pub(super) fn survey(
    entry: &Entry,
    settings: &Settings,
    added: &Added,
    left: u64,
) -> Result<Surveyed, Error> {
    let name = &entry.name;
    let chosen = settings.kinds.iter().find(|(file, _)| file == name).map(|(_, kind)| *kind);
    let by_name = chosen.map_or_else(|| FileKind::of_name(name), |kind| vec![kind]);
    let limits = Limits { entry: settings.limits.entry.min(left), ..settings.limits.clone() };
    let Some(mut opened) = open(entry, &limits, added, !by_name.is_empty())? else {
        return Ok(Surveyed::NotOurs(format!("{name} is no text, and not read")));
    };
    match kind(chosen, &by_name, &mut opened) {
        Some(kind) => opened.read(kind, &settings.limits, added),
        None => Ok(Surveyed::NotOurs(format!(
            "{name} is none of the four files by its name and headings, and not read; if it is one, name it in the settings"
        ))),
    }
}

/// `None` if the file is no text, and its name does not say that it is ours.
fn open<'a>(
    entry: &'a Entry,
    limits: &Limits,
    added: &Added,
    ours: bool,
) -> Result<Option<Opened<'a>>, Error> {
    let name = &entry.name;
    let failed = |cause| explain(name, cause);
    let bytes = entry.open(limits).map_err(failed)?;
    let (encoding, bytes) = super::text::detect(bytes).map_err(failed)?;
    let Some(encoding) = encoding else {
        let what = format!("{name} is neither UTF-8, UTF-16 nor Windows-1252; save it as UTF-8");
        return if ours { Err(Error::new(ErrorKind::Settings, what)) } else { Ok(None) };
    };
    let mut text = Utf8Reader::new(entry.open(limits).map_err(failed)?, encoding).take(BEGINNING);
    let mut beginning = Vec::new();
    text.read_to_end(&mut beginning).map_err(failed)?;
    // The end may cut a character.
    let beginning = String::from_utf8_lossy(&beginning);
    let dialect = dialect(&beginning, text.limit() == 0, added);
    let mut heading = StringRecord::new();
    Records::open(entry, encoding, dialect, limits)?.read(&mut heading)?;
    if heading.len() > limits.columns {
        let what = format!(
            "{name} has {} columns, more than {}; if that is right, raise the limit in the settings",
            heading.len(),
            limits.columns
        );
        return Err(Error::new(ErrorKind::TooLarge, what));
    }
    let headings = heading.iter().map(clean).collect();
    Ok(Some(Opened { entry, encoding, bytes, dialect, headings, notes: Vec::new() }))
}

/// A heading without marks and spaces around it.
fn clean(heading: &str) -> String {
    let invisible =
        |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200d}');
    heading.trim_matches(invisible).to_owned()
}

/// The caller's word counts most, then a name that headings do not contradict, then headings.
fn kind(
    chosen: Option<FileKind>,
    by_name: &[FileKind],
    opened: &mut Opened<'_>,
) -> Option<FileKind> {
    let by_headings = FileKind::of_headings(&opened.headings);
    match (chosen, by_name, by_headings) {
        (Some(kind), ..) => Some(kind),
        (_, [named], Some((told, count)))
            if told != *named && count >= 2 && named.told_by(&opened.headings) == 0 =>
        {
            opened.notes.push(format!(
                "its name says {named} and its headings {told}, so it counts as {told}"
            ));
            Some(told)
        }
        (_, [named], _) => Some(*named),
        (_, [], Some((told, count))) => (count >= 2).then_some(told),
        (_, _, told) => told.map(|(kind, _)| kind),
    }
}

impl Opened<'_> {
    /// Reads all records.
    fn read(mut self, kind: FileKind, limits: &Limits, added: &Added) -> Result<Surveyed, Error> {
        let mut records = Records::open(self.entry, self.encoding, self.dialect, limits)?;
        let columns = self.headings.len();
        let mut counts = Counts::default();
        let mut facts = vec![Facts::default(); columns];
        // Which column is the id is decided by what the cells hold, so every column that may be one is watched.
        let (first, _) = settle(kind, &self.headings, added, &[]);
        let id = first.place(Column::ConversationId);
        let mut ids = Ids::default();
        let mut record = StringRecord::new();
        records.read(&mut record)?;
        while records.read(&mut record)? {
            match without_content(&record, id) {
                Some(WithoutContent::Blank) => counts.blank += 1,
                Some(WithoutContent::Totals) => counts.totals += 1,
                None if record.len() > columns => counts.long += 1,
                None => {
                    counts.rows += 1;
                    counts.short += u64::from(record.len() < columns);
                    facts.iter_mut().zip(&record).for_each(|(facts, cell)| facts.add(cell));
                    ids.add(id.and_then(|id| record.get(id)).unwrap_or("").trim());
                }
            }
        }
        let (layout, notes) = settle(kind, &self.headings, added, &facts);
        self.notes.extend(notes);
        counts.describe(&mut self.notes);
        if columns == 0 {
            self.notes.push("it is empty, without even a heading".to_owned());
        }
        let repeated = ids.repeated && layout.place(Column::ConversationId) == id;
        let shape = shape(&layout, &facts, repeated);
        Ok(self.done(kind, shape, (layout, id), &facts, counts))
    }

    fn done(
        self,
        kind: FileKind,
        shape: Shape,
        (layout, id): (Layout, Option<usize>),
        facts: &[Facts],
        counts: Counts,
    ) -> Surveyed {
        let places = || layout.columns.iter().zip(&self.headings);
        let spans: Vec<_> = layout
            .columns
            .iter()
            .zip(facts)
            .filter(|(column, _)| column.is_some_and(Column::is_time))
            .filter_map(|(_, facts)| facts.span())
            .collect();
        let info = FileInfo {
            kind,
            name: self.entry.name.clone(),
            encoding: self.encoding,
            delimiter: self.dialect.delimiter.map(char::from),
            shape,
            bytes: self.bytes,
            rows: counts.rows,
            unreadable: counts.long,
            columns: places()
                .filter_map(|(column, heading)| column.map(|column| (column, shown(heading))))
                .collect(),
            unrecognised: places()
                .filter(|(column, _)| column.is_none())
                .map(|(_, heading)| shown(heading))
                .collect(),
            first: spans.iter().map(|(first, _)| *first).min_by_key(|time| time.naive()),
            last: spans.iter().map(|(_, last)| *last).max_by_key(|time| time.naive()),
            notes: self.notes,
        };
        let plan = Plan {
            entry: self.entry.clone(),
            encoding: self.encoding,
            dialect: self.dialect,
            layout: Arc::new(layout),
            id,
        };
        Surveyed::File(Box::new((info, plan)))
    }
}

#[derive(Debug, Default)]
struct Counts {
    rows: u64,
    short: u64,
    long: u64,
    blank: u64,
    totals: u64,
}

impl Counts {
    fn describe(&self, notes: &mut Vec<String>) {
        let told = [
            (self.short, "shorter than the heading; what is missing is taken as empty"),
            (self.long, "longer than the heading, and cannot be read"),
            (self.blank, "blank, and left out"),
            (self.totals, "of totals, and left out"),
        ];
        for (count, what) in told.into_iter().filter(|(count, _)| *count > 0) {
            let rows = if count == 1 { "row is" } else { "rows are" };
            notes.push(format!("{count} {rows} {what}"));
        }
    }
}

/// Whether an id repeats.
#[derive(Debug, Default)]
struct Ids {
    seen: HashSet<u64>,
    repeated: bool,
}

impl Ids {
    fn add(&mut self, id: &str) {
        if id.is_empty() || self.repeated || self.seen.len() >= IDS {
            return;
        }
        self.repeated = !self.seen.insert(hash(id));
        if self.repeated {
            self.seen = HashSet::new();
        }
    }
}
