//! Files whose rows are records, and rows that are one record, however far apart they stand.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use leaddesk_client::export::{self, ExportSettings, Position, Row};
use leaddesk_client::{Call, Contact, Error, Unreadable};
use migrate_core::{Fingerprint, Key, SourceError};
use serde::de::DeserializeOwned;

use super::Written;
use crate::source::keys;

/// What a row holds.
pub(super) trait Body: Sized + Send + 'static {
    fn key(&self) -> Key;

    /// Takes in a later row of the same record.
    fn add(&mut self, other: Self);
}

impl Body for Contact {
    fn key(&self) -> Key {
        keys::contact(&self.id)
    }

    fn add(&mut self, other: Self) {
        Self::add(self, other);
    }
}

impl Body for Call {
    fn key(&self) -> Key {
        keys::call(&self.id)
    }

    fn add(&mut self, other: Self) {
        Self::add(self, other);
    }
}

/// The rows of a file, as long as they last.
pub(super) trait Rows<B>: Iterator<Item = Result<Row<B>, Error>> + Send {
    fn resume(&mut self, position: Position) -> Result<(), Error>;
}

impl<B: DeserializeOwned, R: Read + Seek + Send> Rows<B> for export::Rows<B, R> {
    fn resume(&mut self, position: Position) -> Result<(), Error> {
        self.resume_at(position)
    }
}

type Open<B> = dyn Fn() -> Result<Box<dyn Rows<B>>, Error> + Send + Sync;

/// A file that is opened whenever it is read.
pub(super) struct Table<B> {
    path: PathBuf,
    written: Written,
    open: Box<Open<B>>,
}

impl<B: 'static> Table<B> {
    pub(super) fn new<R: Rows<B> + 'static>(
        path: PathBuf,
        written: &Written,
        open: impl Fn(&PathBuf, &ExportSettings) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Self {
        let (file, settings) = (path.clone(), written.settings.clone());
        let open = move || Ok(Box::new(open(&file, &settings)?) as Box<dyn Rows<B>>);
        Self { path, written: written.clone(), open: Box::new(open) }
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    fn open(&self) -> Result<Box<dyn Rows<B>>, SourceError> {
        (self.open)().map_err(|error| self.unusable(error))
    }

    fn unusable(&self, error: Error) -> SourceError {
        self.written.unusable(&self.path, error)
    }

    /// Shows each row that can be read, and where it begins.
    pub(super) fn each(&self, mut see: impl FnMut(B, u64)) -> Result<(), SourceError> {
        for row in self.open()? {
            let Row { byte, body, .. } = row.map_err(|error| self.unusable(error))?;
            // What cannot be read is told when the records are.
            if let Ok(body) = body {
                see(body, byte);
            }
        }
        Ok(())
    }
}

impl Table<Contact> {
    /// A table of contacts.
    pub(super) fn of_contacts(path: PathBuf, written: &Written) -> Self {
        Self::new(path, written, |path, settings| export::contacts(path, settings))
    }
}

impl Table<Call> {
    /// A call log.
    pub(super) fn of_calls(path: PathBuf, written: &Written) -> Self {
        Self::new(path, written, |path, settings| export::calls(path, settings))
    }
}

/// Where a row stands: the place of its file among the tables, and its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    table: usize,
    byte: u64,
}

/// Files that are read together. Rows with one key are one record, which stands where the first of them does, in the order
/// of the files: it has all of theirs, and where they contradict one another, the first counts.
pub(super) struct Tables<B> {
    tables: Vec<Table<B>>,
    /// Of records with several rows, the digest of the key and the place of each, in order.
    places: Vec<(Fingerprint, Place)>,
}

impl<B: Body> Tables<B> {
    /// Finds out which records have several rows. Meanwhile eight bytes are remembered of each row.
    pub(super) fn new(tables: Vec<Table<B>>) -> Result<Self, SourceError> {
        let mut met = Vec::new();
        for table in &tables {
            table.each(|body, _| met.push(half(&digest(&body.key()))))?;
        }
        let several = twice(met);
        let mut places = Vec::new();
        for (at, table) in tables.iter().enumerate().filter(|_| !several.is_empty()) {
            table.each(|body, byte| {
                let digest = digest(&body.key());
                if several.binary_search(&half(&digest)).is_ok() {
                    places.push((digest, Place { table: at, byte }));
                }
            })?;
        }
        places.sort_unstable_by_key(|(digest, place)| (*digest.as_bytes(), *place));
        Ok(Self { tables, places })
    }

    /// One of the files, from its first row on.
    pub(super) fn open(self: &Arc<Self>, table: usize) -> Result<Opened<B>, SourceError> {
        let rows = self.tables[table].open()?;
        Ok(Opened { tables: self.clone(), table, rows, again: BTreeMap::new() })
    }

    /// The later rows of the record that has a row here; `None` where an earlier row stands for it.
    fn rest(&self, key: &Key, at: Place) -> Option<&[(Fingerprint, Place)]> {
        if self.places.is_empty() {
            return Some(&[]);
        }
        let digest = digest(key);
        let order = |row: &(Fingerprint, Place)| row.0.as_bytes().cmp(digest.as_bytes());
        let start = self.places.partition_point(|row| order(row).is_lt());
        let end = self.places.partition_point(|row| order(row).is_le());
        let rows = &self.places[start..end];
        match rows.iter().position(|row| row.1 == at) {
            Some(0) => Some(&rows[1..]),
            Some(_) => None,
            // It is the only one, or the file has changed since.
            None => Some(&[]),
        }
    }
}

/// A file at a row.
pub(super) struct Opened<B> {
    tables: Arc<Tables<B>>,
    table: usize,
    rows: Box<dyn Rows<B>>,
    /// The files in which later rows are looked up.
    again: BTreeMap<usize, Box<dyn Rows<B>>>,
}

/// A row, as its record: `None` where an earlier row stands for it.
pub(super) type Found<B> = (Position, Result<Option<B>, Unreadable>);

impl<B: Body> Opened<B> {
    pub(super) fn resume(&mut self, position: Position) -> Result<(), SourceError> {
        self.rows.resume(position).map_err(|error| self.unusable(error))
    }

    /// The next row, and where the one behind it begins.
    pub(super) fn next(&mut self) -> Result<Option<Found<B>>, SourceError> {
        let row = self.rows.next().transpose().map_err(|error| self.unusable(error))?;
        let Some(Row { byte, next, body, .. }) = row else { return Ok(None) };
        let body = match body {
            Ok(body) => Ok(self.whole(body, byte)?),
            Err(unreadable) => Err(unreadable),
        };
        Ok(Some((next, body)))
    }

    fn whole(&mut self, mut body: B, byte: u64) -> Result<Option<B>, SourceError> {
        let (tables, key) = (self.tables.clone(), body.key());
        let Some(rest) = tables.rest(&key, Place { table: self.table, byte }) else {
            return Ok(None);
        };
        for (_, Place { table: at, byte }) in rest {
            let table = &tables.tables[*at];
            let rows = match self.again.entry(*at) {
                Entry::Occupied(open) => open.into_mut(),
                Entry::Vacant(place) => place.insert(table.open()?),
            };
            let unusable = |error| table.unusable(error);
            rows.resume(Position::new(*byte, 0)).map_err(unusable)?;
            let row = rows.next().transpose().map_err(unusable)?;
            // Another row stands there where the file has changed since.
            let other = row.and_then(|row| row.body.ok()).filter(|other| other.key() == key);
            other.into_iter().for_each(|other| body.add(other));
        }
        Ok(Some(body))
    }

    fn unusable(&self, error: Error) -> SourceError {
        self.tables.tables[self.table].unusable(error)
    }
}

/// What is kept of a key: a file may have a million of them.
fn digest(key: &Key) -> Fingerprint {
    Fingerprint::of(key.as_str().as_bytes())
}

/// Half of a digest, which two keys seldom share: then both are remembered, and nothing else comes of it.
fn half(digest: &Fingerprint) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// What is there more than once, in order.
fn twice(mut met: Vec<u64>) -> Vec<u64> {
    met.sort_unstable();
    let again = met.windows(2).filter(|two| two[0] == two[1]);
    let mut twice: Vec<u64> = again.map(|two| two[0]).collect();
    twice.dedup();
    twice
}
