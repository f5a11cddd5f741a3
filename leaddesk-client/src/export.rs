//! Export folders: CSV files with the same objects as the APIs.
//!
//! The columns are those of the API (`contact get`, `call get`, users, campaigns), with `id` as the key, in any order and
//! spelling; other headings are recognised by [alias tables](Kind::aliases), to which a caller may add. The headings of
//! LeadDesk's own report files are not publicly documented, so the tables hold the common English and Finnish words.
//! Columns that nobody recognises are kept in `extra` under their own heading, and so is what a column of numbers holds
//! that is none: under its field's name and [`NOT_READ`].

mod bare;
mod columns;
mod encoding;
mod fields;
mod guarded;
mod list;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use bare::{BareRows, bare};
pub use columns::Kind;
pub use encoding::Encoding;
#[cfg(feature = "chatbot")]
pub(crate) use encoding::windows_1252;
pub use fields::NOT_READ;
pub(crate) use guarded::Guarded;
pub use list::{ListExport, ListRows, calling_list, list_rows};

use crate::error::{Error, ErrorKind};
use crate::model::{Call, Campaign, Contact, User};
use crate::unreadable::Unreadable;

/// How the files of an export are written.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExportSettings {
    /// How characters are written (default UTF-8).
    pub encoding: Encoding,
    /// What stands between fields; `None` finds out which of `;`, `,` and tab the heading uses.
    pub separator: Option<u8>,
    /// Further headings: heading as in the file, and the field it stands for.
    pub aliases: Vec<(String, String)>,
}

/// The longest row, in bytes.
const LONGEST_ROW: usize = 16 * 1024 * 1024;

/// Where a row begins, to go on there later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Offset in bytes from the start of the file.
    pub byte: u64,
    /// Number of the row, from 1.
    pub record: u64,
}

impl Position {
    /// A position that was kept.
    #[must_use]
    pub fn new(byte: u64, record: u64) -> Self {
        Self { byte, record }
    }
}

/// One row.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Row<T> {
    /// Number of the row, from 1; the heading does not count.
    pub record: u64,
    /// Where it begins, in bytes from the start of the file.
    pub byte: u64,
    /// Where the next row begins.
    pub next: Position,
    /// What the row holds, or why that cannot be said.
    pub body: Result<T, Unreadable>,
}

impl<T> Row<T> {
    /// The same row with what becomes of its body.
    #[must_use]
    pub fn and_then<U>(self, body: impl FnOnce(T) -> Result<U, Unreadable>) -> Row<U> {
        let Self { record, byte, next, body: found } = self;
        Row { record, byte, next, body: found.and_then(body) }
    }
}

/// The contacts of a `contacts.csv`.
///
/// # Errors
/// `Settings`, naming the file, if it cannot be opened, is empty, is UTF-16, or has no key column.
pub fn contacts(
    file: impl AsRef<Path>,
    settings: &ExportSettings,
) -> Result<Rows<Contact, File>, Error> {
    open(file.as_ref(), Kind::Contacts, settings)
}

/// The calls of a `calls.csv`.
///
/// # Errors
/// As [`contacts`].
pub fn calls(file: impl AsRef<Path>, settings: &ExportSettings) -> Result<Rows<Call, File>, Error> {
    open(file.as_ref(), Kind::Calls, settings)
}

/// The users of an `agents.csv`.
///
/// # Errors
/// As [`contacts`].
pub fn agents(
    file: impl AsRef<Path>,
    settings: &ExportSettings,
) -> Result<Rows<User, File>, Error> {
    open(file.as_ref(), Kind::Agents, settings)
}

/// The campaigns of a `campaigns.csv`.
///
/// # Errors
/// As [`contacts`].
pub fn campaigns(
    file: impl AsRef<Path>,
    settings: &ExportSettings,
) -> Result<Rows<Campaign, File>, Error> {
    open(file.as_ref(), Kind::Campaigns, settings)
}

/// The rows of a table of which LeadDesk documents no columns, such as `projects.csv`, `offices.csv` or `outcomes.csv`:
/// each as an object by its headings, with the key as `id` and, where it is known, the name as `name`.
///
/// # Errors
/// As [`contacts`].
pub fn table(
    file: impl AsRef<Path>,
    settings: &ExportSettings,
) -> Result<Rows<Map<String, Value>, File>, Error> {
    open(file.as_ref(), Kind::Tables, settings)
}

fn open<T: DeserializeOwned>(
    path: &Path,
    kind: Kind,
    settings: &ExportSettings,
) -> Result<Rows<T, File>, Error> {
    let (file, name) = opened(path)?;
    Rows::new(file, name, kind, settings)
}

/// A file, and what errors call it.
fn opened(path: &Path) -> Result<(File, String), Error> {
    let name = path
        .file_name()
        .map_or_else(|| "file".to_owned(), |name| name.to_string_lossy().into_owned());
    let file = File::open(path).map_err(|cause| {
        Error::new(ErrorKind::Settings, format!("{name} cannot be opened")).with_source(cause)
    })?;
    Ok((file, name))
}

/// A reader of all rows of `input`, a heading included.
fn reader<R: Read + Seek>(
    mut input: R,
    name: &str,
    settings: &ExportSettings,
) -> Result<Reader<Guarded<BufReader<R>>>, Error> {
    let unusable = |what: &str| Error::new(ErrorKind::Settings, format!("{name}: {what}"));
    let start =
        beginning(&mut input).map_err(|cause| unusable("cannot be read").with_source(cause))?;
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        return Err(unusable("is UTF-16; save it as UTF-8"));
    }
    let separator = settings.separator.unwrap_or_else(|| separator_of(&start));
    Ok(ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .has_headers(false)
        .from_reader(Guarded::new(BufReader::with_capacity(64 * 1024, input), LONGEST_ROW)))
}

/// The rows of a file, read one at a time. Memory is bounded by the longest row, and a row by 16 MiB.
///
/// An `Err` means that the file itself can no longer be read (a quote that is never closed makes one row of all the
/// rest); a bad row is `Ok`, with its reason in [`body`](Row::body).
pub struct Rows<T, R> {
    reader: Reader<Guarded<BufReader<R>>>,
    name: String,
    encoding: Encoding,
    /// For each column the key its value is kept under.
    keys: Vec<String>,
    record: ByteRecord,
    failed: bool,
    kind: Kind,
    body: PhantomData<fn() -> T>,
}

impl<T, R> std::fmt::Debug for Rows<T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("file", &self.name)
            .field("columns", &self.keys)
            .finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned, R: Read + Seek> Rows<T, R> {
    /// Reads the heading of `input`; `name` is what errors call the file.
    ///
    /// # Errors
    /// `Settings` as in [`contacts`].
    pub fn new(
        input: R,
        name: impl Into<String>,
        kind: Kind,
        settings: &ExportSettings,
    ) -> Result<Self, Error> {
        let name = name.into();
        let unusable = |what: String| Error::new(ErrorKind::Settings, format!("{name}: {what}"));
        let mut reader = reader(input, &name, settings)?;
        let mut record = ByteRecord::new();
        let found = reader.read_byte_record(&mut record).map_err(|cause| {
            unusable("the heading cannot be read".to_owned()).with_source(cause)
        })?;
        if !found {
            return Err(unusable("is empty; a heading with the column `id` is needed".to_owned()));
        }
        let headings: Vec<String> = record
            .iter()
            .map(|heading| settings.encoding.decode(heading))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                unusable("the heading is not UTF-8; set the encoding to windows-1252".to_owned())
            })?;
        let keys = kind.keys(&headings, &settings.aliases);
        if !keys.iter().any(|key| key == "id") {
            return Err(unusable(format!(
                "has no key column `id` (nor {}); rename the column or add an alias for it",
                kind.aliases_of("id").join(", ")
            )));
        }
        let encoding = settings.encoding;
        Ok(Self { reader, name, encoding, keys, record, failed: false, kind, body: PhantomData })
    }

    /// Goes on at a position that an earlier pass over the same file gave.
    ///
    /// # Errors
    /// `Settings` if the file cannot be moved in.
    pub fn resume_at(&mut self, position: Position) -> Result<(), Error> {
        seek(&mut self.reader, &self.name, position)?;
        self.failed = false;
        Ok(())
    }

    fn read(&mut self) -> Option<Result<Row<T>, Error>> {
        self.reader.get_mut().refill();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(cause) => {
                self.failed = true;
                let error = Error::new(
                    ErrorKind::Interrupted,
                    format!("{} can no longer be read", self.name),
                );
                return Some(Err(error.with_source(cause)));
            }
        }
        let at = self.record.position();
        let (byte, number) = at.map_or((0, 0), |at| (at.byte(), at.record()));
        let next = Position { byte: self.reader.position().byte(), record: number + 1 };
        Some(Ok(Row { record: number, byte, next, body: self.body(number) }))
    }

    fn body(&self, number: u64) -> Result<T, Unreadable> {
        let bad = |reason: String| Unreadable::new(&self.name, number, reason);
        if self.record.len() != self.keys.len() {
            return Err(bad(format!(
                "the row has {} fields and the heading {}",
                self.record.len(),
                self.keys.len()
            )));
        }
        let mut object = Map::new();
        for (index, (key, field)) in self.keys.iter().zip(&self.record).enumerate() {
            let text = self
                .encoding
                .decode(field)
                .ok_or_else(|| bad(format!("field {} is not {}", index + 1, self.encoding)))?;
            if !text.is_empty() {
                object.insert(key.clone(), Value::String(text));
            }
        }
        if !object.contains_key("id") {
            return Err(bad("the row has no `id`".to_owned()));
        }
        fields::settle(self.kind, &mut object);
        let mut read = crate::unreadable::elements(&self.name, vec![Value::Object(object)]);
        match read.pop() {
            Some(Ok(body)) => Ok(body),
            Some(Err(error)) => Err(Unreadable { record: number, ..error }),
            None => Err(bad("the row is empty".to_owned())),
        }
    }
}

impl<T: DeserializeOwned, R: Read + Seek> Iterator for Rows<T, R> {
    type Item = Result<Row<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed { None } else { self.read() }
    }
}

/// Moves a reader to a row.
fn seek<R: Read + Seek>(
    reader: &mut Reader<Guarded<BufReader<R>>>,
    name: &str,
    position: Position,
) -> Result<(), Error> {
    let mut target = csv::Position::new();
    target.set_byte(position.byte).set_record(position.record);
    reader.get_mut().refill();
    reader.seek(target).map_err(|cause| {
        Error::new(ErrorKind::Settings, format!("{name}: cannot go on at a row")).with_source(cause)
    })
}

/// The first bytes of the input, which is left at its start.
fn beginning(input: &mut (impl Read + Seek)) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.by_ref().take(64 * 1024).read_to_end(&mut start)?;
    input.seek(SeekFrom::Start(0))?;
    Ok(start)
}

/// The separator that occurs most often in the heading, outside quotes; `;` if none does.
fn separator_of(start: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b';', 0), (b',', 0), (b'\t', 0)];
    for &byte in start {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && counts.iter().any(|(_, count)| *count > 0) => break,
            _ if !quoted => counts
                .iter_mut()
                .filter(|(known, _)| *known == byte)
                .for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    // The last of equals wins a `max_by_key`, so the likeliest stands last.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b';', |(byte, _)| *byte)
}
