//! A bound on the length of a row.

use std::io::{self, Read, Seek, SeekFrom};

/// The longest row, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;

/// A reader that gives out no more than [`LONGEST`] bytes between two calls of [`refill`](Self::refill). A quote that is
/// never closed would otherwise pull the rest of a file into one row, whatever its size.
#[derive(Debug)]
pub(super) struct Guarded<R> {
    inner: R,
    left: usize,
}

impl<R> Guarded<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            left: LONGEST,
        }
    }

    /// A new row begins.
    pub(super) fn refill(&mut self) {
        self.left = LONGEST;
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.left);
        if length == 0 && !buffer.is_empty() {
            return Err(io::Error::other(
                "a row is longer than 16 MiB; is a quote never closed?",
            ));
        }
        let read = self.inner.read(&mut buffer[..length])?;
        self.left -= read;
        Ok(read)
    }
}

impl<R: Seek> Seek for Guarded<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}
