//! The exports of calling lists, which have no heading.

use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::path::Path;

use bytes::Bytes;

use super::{BareRows, ExportSettings, Position, Row, bare};
use crate::error::Error;
use crate::model::{LIST_COLUMNS, ListRow};
use crate::unreadable::Unreadable;

/// The text of a calling list's export, as the API gives it: in UTF-8, with semicolons. Its rows, which take several
/// times the room of their text, are read one by one.
#[derive(Clone)]
pub struct ListExport {
    file: String,
    text: Bytes,
}

impl fmt::Debug for ListExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListExport").field("file", &self.file).finish_non_exhaustive()
    }
}

impl ListExport {
    /// An export. `file` is what unreadable rows are named by.
    pub fn new(file: impl Into<String>, text: impl Into<Bytes>) -> Self {
        Self { file: file.into(), text: text.into() }
    }

    /// The rows: one for each number of each contact.
    pub fn rows(&self) -> impl Iterator<Item = Result<ListRow, Unreadable>> + '_ {
        rows(&self.file, &self.text)
    }
}

/// The rows of a calling list's export, as the API gives it: in UTF-8, with semicolons.
pub fn list_rows(file: &str, text: &[u8]) -> Vec<Result<ListRow, Unreadable>> {
    rows(file, text).collect()
}

fn rows<'a>(
    file: &'a str,
    text: &'a [u8],
) -> impl Iterator<Item = Result<ListRow, Unreadable>> + 'a {
    let settings = ExportSettings { separator: Some(b';'), ..ExportSettings::default() };
    let unread = move |number| Unreadable::new(file, number, "the rest of the list cannot be read");
    let (rows, failed) = match BareRows::new(Cursor::new(text), file, &settings) {
        Ok(rows) => (Some(ListRows { rows }), None),
        Err(_) => (None, Some(Err(unread(1)))),
    };
    let mut last = 0;
    let rows = rows.into_iter().flatten().map(move |row| match row {
        Ok(row) => {
            last = row.record;
            row.body
        }
        Err(_) => Err(unread(last + 1)),
    });
    rows.chain(failed)
}

/// The rows of a file of such an export. It is written as the settings say; aliases of headings have no meaning here.
///
/// # Errors
/// As [`bare`].
pub fn calling_list(
    file: impl AsRef<Path>,
    settings: &ExportSettings,
) -> Result<ListRows<File>, Error> {
    Ok(ListRows { rows: bare(file, settings)? })
}

/// The rows of [`calling_list`], read one at a time. As with [`Rows`](super::Rows), an `Err` means that the file can no
/// longer be read, and a bad row is `Ok` with its reason.
#[derive(Debug)]
pub struct ListRows<R> {
    rows: BareRows<R>,
}

impl<R: Read + Seek> ListRows<R> {
    /// Goes on at a position that an earlier pass over the same file gave.
    ///
    /// # Errors
    /// `Settings` if the file cannot be moved in.
    pub fn resume_at(&mut self, position: Position) -> Result<(), Error> {
        self.rows.resume_at(position)
    }
}

impl<R: Read + Seek> Iterator for ListRows<R> {
    type Item = Result<Row<ListRow>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let (name, record) = (self.rows.name(), row.record);
        let bad = |reason: String| Unreadable::new(name, record, reason);
        Some(Ok(row.and_then(|fields| match fields.len() {
            LIST_COLUMNS => ListRow::from_fields(&fields)
                .ok_or_else(|| bad("the row has no contact id".to_owned())),
            n => Err(bad(format!("the row has {n} fields instead of {LIST_COLUMNS}"))),
        })))
    }
}
