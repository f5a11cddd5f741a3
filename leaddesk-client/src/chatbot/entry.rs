//! One CSV file as bytes, wherever it lies.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crc32fast::Hasher;
use flate2::bufread::DeflateDecoder;

use super::Limits;
use crate::error::{Error, ErrorKind};

/// Only what gives more than this is checked for its ratio: short repetitive files shrink a lot.
const RATIO_FROM: u64 = 10 << 20;

/// Where bytes lie. It can be opened as often as needed.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A file, as it was when it was first opened.
    File { path: PathBuf, length: u64, modified: Option<SystemTime> },
    /// Bytes in memory.
    Memory(Arc<[u8]>),
}

impl Source {
    /// A file on disk.
    pub(super) fn file(path: &Path, name: &str) -> Result<Self, Error> {
        let failed = |cause: io::Error| {
            Error::new(ErrorKind::Settings, format!("{name} cannot be opened")).with_source(cause)
        };
        // Opening something else than a file, such as a pipe, may wait for ever.
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Settings, format!("{name} is no file")));
        }
        let modified = metadata.modified().ok();
        Ok(Self::File { path: path.to_owned(), length: metadata.len(), modified })
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// A reader at the start. A file that has changed since it was checked is not read.
    pub(super) fn open(&self) -> io::Result<Handle> {
        match self {
            Self::Memory(bytes) => Ok(Handle::Memory(Cursor::new(Arc::clone(bytes)))),
            Self::File { path, length, modified } => {
                let file = File::open(path)?;
                let metadata = file.metadata()?;
                if metadata.len() != *length || metadata.modified().ok() != *modified {
                    return Err(io::Error::other("the file has changed since it was checked"));
                }
                Ok(Handle::File(file))
            }
        }
    }
}

/// An open [`Source`].
#[derive(Debug)]
pub(super) enum Handle {
    File(File),
    Memory(Cursor<Arc<[u8]>>),
}

impl Read for Handle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Handle {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(position),
            Self::Memory(bytes) => bytes.seek(position),
        }
    }
}

/// One CSV file.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The name without folders, fit to be shown.
    pub(super) name: String,
    pub(super) source: Source,
    /// Its place in a ZIP; `None` if the source is the file itself.
    pub(super) packed: Option<Packed>,
}

/// What the directory of a ZIP says about an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    pub(super) start: u64,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) crc: u32,
    pub(super) deflated: bool,
}

impl Entry {
    /// The bytes from the start, which fail at a limit, and at the end if the ZIP's directory promised other ones.
    pub(super) fn open(&self, limits: &Limits) -> io::Result<Bytes> {
        let mut handle = self.source.open()?;
        if let Some(packed) = self.packed {
            handle.seek(SeekFrom::Start(packed.start))?;
        }
        let length = self.packed.map_or(u64::MAX, |packed| packed.compressed);
        let input = BufReader::with_capacity(64 * 1024, handle.take(length));
        let body = match self.packed {
            Some(Packed { deflated: true, .. }) => Body::Deflated(DeflateDecoder::new(input)),
            _ => Body::Plain(input),
        };
        Ok(Bytes {
            body,
            packed: self.packed,
            limit: limits.entry,
            ratio: limits.ratio,
            given: 0,
            sum: Hasher::new(),
        })
    }
}

/// The bytes of an [`Entry`].
#[derive(Debug)]
pub(super) struct Bytes {
    body: Body,
    packed: Option<Packed>,
    limit: u64,
    ratio: u64,
    given: u64,
    sum: Hasher,
}

#[derive(Debug)]
enum Body {
    Plain(BufReader<io::Take<Handle>>),
    Deflated(DeflateDecoder<BufReader<io::Take<Handle>>>),
}

impl Bytes {
    fn check_limits(&self) -> io::Result<()> {
        if self.given > self.limit {
            return Err(refused(format!("it gives more than {} bytes", self.limit)));
        }
        let Some(packed) = self.packed else { return Ok(()) };
        if self.given > packed.size {
            return Err(broken("it is longer than the directory of the ZIP says"));
        }
        let allowed = packed.compressed.saturating_mul(self.ratio).max(RATIO_FROM);
        if self.given > allowed {
            return Err(refused(format!(
                "it grows more than {} times when decompressed, as a ZIP bomb does",
                self.ratio
            )));
        }
        Ok(())
    }

    fn check_end(&mut self) -> io::Result<()> {
        let Some(packed) = self.packed else { return Ok(()) };
        if self.given < packed.size {
            return Err(broken("it is shorter than the directory of the ZIP says"));
        }
        if self.sum.clone().finalize() != packed.crc {
            return Err(broken("its checksum is wrong"));
        }
        if let Body::Deflated(decoder) = &mut self.body
            && !decoder.get_mut().fill_buf()?.is_empty()
        {
            return Err(broken("something follows its compressed data"));
        }
        Ok(())
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.body {
            Body::Plain(input) => input.read(buffer),
            Body::Deflated(input) => input.read(buffer),
        }?;
        if read == 0 {
            self.check_end()?;
        }
        self.given += read as u64;
        self.check_limits()?;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, what)
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The error for a file whose bytes could not be read to their end: what is wrong, and what to do about it.
pub(super) fn explain(name: &str, cause: io::Error) -> Error {
    let why = cause.get_ref().map_or_else(|| "it ends too early".to_owned(), ToString::to_string);
    let (kind, what) = match cause.kind() {
        io::ErrorKind::FileTooLarge => (
            ErrorKind::TooLarge,
            format!("{name}: {why}. If that is right, raise the limit in the settings"),
        ),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Decode, format!("{name} is damaged: {why}; export or copy it again"))
        }
        _ => (ErrorKind::Settings, format!("{name} cannot be read")),
    };
    Error::new(kind, what).with_source(cause)
}
