//! A bound on the length of a row.

use std::io::{self, Read, Seek, SeekFrom};

/// A reader that gives out no more than `longest` bytes between two calls of [`refill`](Self::refill). A quote that is
/// never closed would otherwise pull the rest of a file into one row, whatever its size.
#[derive(Debug)]
pub(crate) struct Guarded<R> {
    inner: R,
    longest: usize,
    left: usize,
}

impl<R> Guarded<R> {
    pub(crate) fn new(inner: R, longest: usize) -> Self {
        Self { inner, longest, left: longest }
    }

    /// A new row begins.
    pub(crate) fn refill(&mut self) {
        self.left = self.longest;
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.left);
        if length == 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a row is longer than {} bytes; is a quote never closed?", self.longest),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_row_ends_at_the_limit() {
        let endless = b"a,b\n1,\"".chain(io::repeat(b'x'));
        let mut reader = csv::Reader::from_reader(Guarded::new(endless, 1 << 20));
        let error = reader.records().next().unwrap().unwrap_err();
        assert!(error.to_string().contains("a row is longer than 1048576 bytes"), "{error}");
    }
}
