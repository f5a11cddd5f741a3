//! Exports of calling lists, which have no heading.

use std::fmt;

use bytes::Bytes;
use csv::{ByteRecord, ReaderBuilder};

use super::{Encoding, ExportSettings, separator_of};
use crate::model::{LIST_COLUMNS, ListRow};
use crate::unreadable::Unreadable;

/// The text of a calling list's export. Its rows, which take several times the room of their text, are read one by one.
#[derive(Clone)]
pub struct ListExport {
    file: String,
    text: Bytes,
    settings: ExportSettings,
}

impl fmt::Debug for ListExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListExport").field("file", &self.file).finish_non_exhaustive()
    }
}

impl ListExport {
    /// An export as the API gives it: in UTF-8, with semicolons. `file` is what unreadable rows are named by.
    pub fn new(file: impl Into<String>, text: impl Into<Bytes>) -> Self {
        Self::saved(file, text, &as_sent())
    }

    /// One that was saved otherwise. Aliases of headings have no meaning here.
    pub fn saved(
        file: impl Into<String>,
        text: impl Into<Bytes>,
        settings: &ExportSettings,
    ) -> Self {
        Self { file: file.into(), text: text.into(), settings: settings.clone() }
    }

    /// The rows: one for each number of each contact.
    pub fn rows(&self) -> impl Iterator<Item = Result<ListRow, Unreadable>> + '_ {
        rows(&self.file, &self.text, &self.settings)
    }
}

/// The rows of a calling list's export, which has no heading, as the API gives it: in UTF-8, with
/// semicolons.
pub fn list_rows(file: &str, text: &[u8]) -> Vec<Result<ListRow, Unreadable>> {
    list_rows_by(file, text, &as_sent())
}

/// The same of a file that was saved otherwise. Aliases of headings have no meaning here.
pub fn list_rows_by(
    file: &str,
    text: &[u8],
    settings: &ExportSettings,
) -> Vec<Result<ListRow, Unreadable>> {
    rows(file, text, settings).collect()
}

fn as_sent() -> ExportSettings {
    ExportSettings { separator: Some(b';'), ..ExportSettings::default() }
}

fn rows<'a>(
    file: &'a str,
    text: &'a [u8],
    settings: &ExportSettings,
) -> impl Iterator<Item = Result<ListRow, Unreadable>> + use<'a> {
    let separator = settings.separator.unwrap_or_else(|| separator_of(text));
    let encoding = settings.encoding;
    let mut builder = ReaderBuilder::new();
    let reader = builder.delimiter(separator).flexible(true).has_headers(false).from_reader(text);
    reader.into_byte_records().zip(1..).map(move |(record, number)| {
        record
            .map_err(|_| Unreadable::new(file, number, "the row cannot be read"))
            .and_then(|record| row(file, number, &record, encoding))
    })
}

fn row(
    file: &str,
    number: u64,
    record: &ByteRecord,
    encoding: Encoding,
) -> Result<ListRow, Unreadable> {
    let fields: Option<Vec<String>> = record.iter().map(|field| encoding.decode(field)).collect();
    let fields = fields
        .ok_or_else(|| Unreadable::new(file, number, format!("the row is not {encoding}")))?;
    if fields.len() != LIST_COLUMNS {
        let reason = format!("the row has {} fields instead of {LIST_COLUMNS}", fields.len());
        return Err(Unreadable::new(file, number, reason));
    }
    ListRow::from_fields(&fields)
        .ok_or_else(|| Unreadable::new(file, number, "the row has no contact id"))
}
