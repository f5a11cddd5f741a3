//! The rows of one file, read one at a time.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use csv::{Reader, ReaderBuilder, StringRecord};

use super::Limits;
use super::columns::{Column, fold};
use super::dialect::Dialect;
use super::entry::{Bytes, Entry, explain};
use super::layout::Layout;
use super::text::{Encoding, Utf8Reader};
use super::time::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::export::Guarded;
use crate::unreadable::Unreadable;

/// A record of a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// Number of the record, from 1; the heading does not count, rows without content do.
    pub number: u64,
    /// The row, or why it cannot be read.
    pub body: Result<Row, Unreadable>,
}

/// One row. `Debug` shows which columns are filled, and no content.
#[derive(Clone)]
pub struct Row {
    number: u64,
    fields: StringRecord,
    layout: Arc<Layout>,
}

impl Row {
    /// Number of the record, from 1; the heading does not count.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What the column holds, without surrounding white space; `""` if it holds nothing, or the file has no such column.
    #[must_use]
    pub fn get(&self, column: Column) -> &str {
        let field = self.layout.place(column).and_then(|place| self.fields.get(place));
        field.unwrap_or("").trim()
    }

    /// The time in the column; `None` if there is none, or it cannot be read for certain. Where day and month could be
    /// taken for one another, the order that the whole column proves is used.
    #[must_use]
    pub fn time(&self, column: Column) -> Option<Timestamp> {
        Timestamp::parse_with(self.get(column), self.layout.day_order(column))
    }

    /// The recognised columns that hold something.
    pub fn columns(&self) -> impl Iterator<Item = (Column, &str)> {
        let columns = self.layout.columns.iter().flatten();
        columns.map(|column| (*column, self.get(*column))).filter(|(_, field)| !field.is_empty())
    }

    /// The columns that nobody recognises and that hold something, by their headings.
    pub fn extra(&self) -> impl Iterator<Item = (&str, &str)> {
        let unknown = self.layout.columns.iter().zip(&self.layout.headings).enumerate();
        unknown
            .filter(|(_, (column, _))| column.is_none())
            .map(|(place, (_, heading))| {
                (heading.as_str(), self.fields.get(place).unwrap_or("").trim())
            })
            .filter(|(_, field)| !field.is_empty())
    }

    /// Bytes that the row takes in memory, roughly.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.fields.as_slice().len()
            + self.fields.len() * size_of::<usize>()
            + 64
    }

    /// Whether it holds the same as another row.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.fields == other.fields
    }

    pub(super) fn has_column(&self, column: Column) -> bool {
        self.layout.has(column)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.columns().map(|(column, _)| column.name()).collect();
        f.debug_struct("Row")
            .field("number", &self.number)
            .field("columns", &columns)
            .finish_non_exhaustive()
    }
}

/// How one file is read: all that the survey found out about it.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) entry: Entry,
    pub(super) encoding: Encoding,
    pub(super) dialect: Dialect,
    pub(super) layout: Arc<Layout>,
    /// The column by which rows of totals are told from rows about a conversation.
    pub(super) id: Option<usize>,
}

/// The records of a file. Memory is bounded by the limit for one record.
///
/// An `Err` means that the file can no longer be read, as when it was changed after the archive was opened; nothing
/// follows it. A row that is longer than the heading is `Ok`, with its reason in [`body`](Record::body). Rows without
/// content and rows of totals are left out.
#[must_use]
pub struct Rows {
    records: Records,
    layout: Arc<Layout>,
    id: Option<usize>,
    /// The record read last. Its buffer is as long as the longest one was, so a row is no clone of it.
    read: StringRecord,
    ended: bool,
}

impl Rows {
    pub(super) fn open(plan: &Plan, limits: &Limits) -> Result<Self, Error> {
        let mut records = Records::open(&plan.entry, plan.encoding, plan.dialect, limits)?;
        let mut read = StringRecord::new();
        records.read(&mut read)?;
        Ok(Self { records, layout: Arc::clone(&plan.layout), id: plan.id, read, ended: false })
    }
}

impl Iterator for Rows {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let number = match self.records.read(&mut self.read) {
                Ok(true) => self.records.number - 1,
                Ok(false) => break,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            };
            if without_content(&self.read, self.id).is_some() {
                continue;
            }
            let columns = self.layout.headings.len();
            let body = if self.read.len() > columns {
                let reason = too_long(self.read.len(), columns);
                Err(Unreadable::new(&self.records.name, number, reason))
            } else {
                Ok(Row { number, fields: copy(&self.read), layout: Arc::clone(&self.layout) })
            };
            return Some(Ok(Record { number, body }));
        }
        self.ended = true;
        None
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("file", &self.records.name)
            .field("columns", &self.layout.columns)
            .finish_non_exhaustive()
    }
}

/// The record, in no more memory than it needs.
fn copy(record: &StringRecord) -> StringRecord {
    let mut copy = StringRecord::with_capacity(record.as_slice().len(), record.len());
    copy.extend(record);
    copy
}

fn too_long(fields: usize, columns: usize) -> String {
    format!(
        "the row has {fields} fields and the heading {columns}; a delimiter in unquoted text shifts columns, so correct the row"
    )
}

/// Why a row is no data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WithoutContent {
    Blank,
    Totals,
}

/// Whether the row is blank, or one of totals: its first cell with content says so, and it belongs to no conversation.
pub(super) fn without_content(fields: &StringRecord, id: Option<usize>) -> Option<WithoutContent> {
    let Some(first) = fields.iter().position(|field| !field.trim().is_empty()) else {
        return Some(WithoutContent::Blank);
    };
    let id = id.filter(|id| fields.get(*id).is_some_and(|field| !field.trim().is_empty()));
    let words = ["total", "totals", "grandtotal", "yhteensa", "summa", "sum", "totalt", "ialt"];
    let says = fields[first].len() < 24 && words.contains(&fold(&fields[first]).as_str());
    (says && id.is_none_or(|id| id == first)).then_some(WithoutContent::Totals)
}

/// The records of a file as they stand, with the heading as the first.
pub(super) struct Records {
    reader: Reader<Guarded<Utf8Reader<Bytes>>>,
    pub(super) name: String,
    /// Records read.
    pub(super) number: u64,
}

impl Records {
    pub(super) fn open(
        entry: &Entry,
        encoding: Encoding,
        dialect: Dialect,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let failed = |cause: io::Error| explain(&entry.name, cause);
        let mut text = Utf8Reader::new(entry.open(limits).map_err(failed)?, encoding);
        let skip = dialect.skip as u64;
        io::copy(&mut text.by_ref().take(skip), &mut io::sink()).map_err(failed)?;
        let reader = ReaderBuilder::new()
            .delimiter(dialect.byte())
            .flexible(true)
            .has_headers(false)
            .from_reader(Guarded::new(text, limits.record));
        Ok(Self { reader, name: entry.name.clone(), number: 0 })
    }

    /// Reads the next record; `false` at the end.
    pub(super) fn read(&mut self, record: &mut StringRecord) -> Result<bool, Error> {
        self.reader.get_mut().refill();
        match self.reader.read_record(record) {
            Ok(found) => {
                self.number += u64::from(found);
                Ok(found)
            }
            Err(cause) => Err(self.explain(cause)),
        }
    }

    fn explain(&self, cause: csv::Error) -> Error {
        let name = &self.name;
        match cause.into_kind() {
            csv::ErrorKind::Io(cause) => {
                let place = match self.number {
                    0 => format!("the heading of {name}"),
                    number => format!("{name}:{number}"),
                };
                explain(&place, cause)
            }
            _ => Error::new(ErrorKind::Decode, format!("{name}:{}: is no text", self.number)),
        }
    }
}
