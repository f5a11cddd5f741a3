//! Files that may have no heading.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use csv::{ByteRecord, Reader};

use super::{Encoding, ExportSettings, Guarded, Position, Row, opened, reader, seek};
use crate::error::{Error, ErrorKind};
use crate::unreadable::Unreadable;

/// The rows of a file that may have no heading, such as `blacklist.csv`: each as its fields, and the heading, where there
/// is one, as the first of them. [`Kind::field`](super::Kind::field) tells a heading.
///
/// # Errors
/// `Settings`, naming the file, if it cannot be opened or is UTF-16.
pub fn bare(file: impl AsRef<Path>, settings: &ExportSettings) -> Result<BareRows<File>, Error> {
    let (file, name) = opened(file.as_ref())?;
    BareRows::new(file, name, settings)
}

/// The rows of [`bare`], read one at a time. As with [`Rows`](super::Rows), an `Err` means that the file can no longer be
/// read, and a bad row is `Ok` with its reason.
pub struct BareRows<R> {
    reader: Reader<Guarded<BufReader<R>>>,
    name: String,
    encoding: Encoding,
    record: ByteRecord,
    count: u64,
    failed: bool,
}

impl<R> std::fmt::Debug for BareRows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BareRows").field("file", &self.name).finish_non_exhaustive()
    }
}

impl<R: Read + Seek> BareRows<R> {
    /// The rows of `input`; `name` is what errors call the file.
    ///
    /// # Errors
    /// `Settings` as in [`bare`].
    pub fn new(
        input: R,
        name: impl Into<String>,
        settings: &ExportSettings,
    ) -> Result<Self, Error> {
        let name = name.into();
        let reader = reader(input, &name, settings)?;
        let encoding = settings.encoding;
        Ok(Self { reader, name, encoding, record: ByteRecord::new(), count: 0, failed: false })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Goes on at a position that an earlier pass over the same file gave.
    ///
    /// # Errors
    /// `Settings` if the file cannot be moved in.
    pub fn resume_at(&mut self, position: Position) -> Result<(), Error> {
        seek(&mut self.reader, &self.name, position)?;
        self.count = position.record.saturating_sub(1);
        self.failed = false;
        Ok(())
    }

    fn body(&self, number: u64) -> Result<Vec<String>, Unreadable> {
        let decoded = self.record.iter().enumerate().map(|(index, field)| {
            self.encoding.decode(field).ok_or_else(|| {
                let reason = format!("field {} is not {}", index + 1, self.encoding);
                Unreadable::new(&self.name, number, reason)
            })
        });
        let mut fields = decoded.collect::<Result<Vec<_>, _>>()?;
        if let Some(first) = fields.first_mut().filter(|_| number == 1) {
            // Where the reader has not taken the mark away.
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        Ok(fields)
    }
}

impl<R: Read + Seek> Iterator for BareRows<R> {
    type Item = Result<Row<Vec<String>>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        self.reader.get_mut().refill();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => None,
            Ok(true) => {
                self.count += 1;
                let next = Position::new(self.reader.position().byte(), self.count + 1);
                let byte = self.record.position().map_or(0, csv::Position::byte);
                Some(Ok(Row { record: self.count, byte, next, body: self.body(self.count) }))
            }
            Err(cause) => {
                self.failed = true;
                let what = format!("{} can no longer be read", self.name);
                Some(Err(Error::new(ErrorKind::Interrupted, what).with_source(cause)))
            }
        }
    }
}
