//! Bytes to text: which encoding a whole file is in, and a reader that gives it as UTF-8.

use std::fmt;
use std::io::{self, Read};

use crate::export::windows_1252;

/// How a file writes characters, as found by reading all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, with or without a mark at its start.
    Utf8,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Windows-1252: no UTF-8, and no byte that Windows-1252 leaves open.
    Windows1252,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Windows1252 => "Windows-1252",
        })
    }
}

/// Reads all of `input`; gives the encoding and the number of bytes. A sample would not do: the first `ä` may come late.
/// `None` if the bytes are no text in any encoding that is known here.
pub(super) fn detect(mut input: impl Read) -> io::Result<(Option<Encoding>, u64)> {
    let mut clues = Clues::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok((clues.encoding(), clues.length)),
            Ok(read) => clues.add(&buffer[..read]),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
}

/// What the bytes seen so far tell.
#[derive(Debug, Default)]
struct Clues {
    length: u64,
    start: Vec<u8>,
    not_utf8: bool,
    /// The bytes of a character that the last buffer cut.
    cut: Vec<u8>,
    not_windows_1252: bool,
    /// NUL bytes at even and at odd places.
    nuls: [u64; 2],
}

impl Clues {
    fn add(&mut self, bytes: &[u8]) {
        let missing = 3_usize.saturating_sub(self.start.len());
        self.start.extend(bytes.iter().take(missing));
        for (index, &byte) in bytes.iter().enumerate() {
            if byte == 0 {
                self.nuls[((self.length + index as u64) % 2) as usize] += 1;
            }
            self.not_windows_1252 |= windows_1252(byte).is_none();
        }
        self.length += bytes.len() as u64;
        if !self.not_utf8 {
            self.check_utf8(bytes);
        }
    }

    fn check_utf8(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        // Ends the character that was cut; at most three bytes are missing.
        while !self.cut.is_empty() {
            let Some((&next, after)) = rest.split_first() else { return };
            self.cut.push(next);
            rest = after;
            match std::str::from_utf8(&self.cut) {
                Ok(_) => self.cut.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => {
                    self.not_utf8 = true;
                    return;
                }
            }
        }
        if let Err(error) = std::str::from_utf8(rest) {
            self.not_utf8 = error.error_len().is_some();
            self.cut = rest[error.valid_up_to()..].to_vec();
        }
    }

    fn encoding(&self) -> Option<Encoding> {
        let [even, odd] = self.nuls;
        match self.start.as_slice() {
            [0xFF, 0xFE, ..] => Some(Encoding::Utf16Le),
            [0xFE, 0xFF, ..] => Some(Encoding::Utf16Be),
            _ if even + odd > 0 => {
                // Western text in UTF-16 has a NUL in nearly every other byte, and none in the bytes between.
                let many = |nuls: u64| nuls >= self.length / 4;
                match () {
                    () if even == 0 && many(odd) => Some(Encoding::Utf16Le),
                    () if odd == 0 && many(even) => Some(Encoding::Utf16Be),
                    () => None,
                }
            }
            _ if !self.not_utf8 && self.cut.is_empty() => Some(Encoding::Utf8),
            [0xEF, 0xBB, 0xBF, ..] => None,
            _ if !self.not_windows_1252 => Some(Encoding::Windows1252),
            _ => None,
        }
    }
}

/// A reader that gives the text in UTF-8, without a mark at its start. What is no text in the encoding is an error; no
/// character is ever replaced.
#[derive(Debug)]
pub(super) struct Utf8Reader<R> {
    inner: R,
    encoding: Encoding,
    /// Bytes of `inner` that are not decoded yet.
    raw: Vec<u8>,
    /// Text that is not handed out yet.
    text: Vec<u8>,
    given: usize,
    started: bool,
    ended: bool,
}

const CHUNK: usize = 16 * 1024;

impl<R: Read> Utf8Reader<R> {
    pub(super) fn new(inner: R, encoding: Encoding) -> Self {
        Self {
            inner,
            encoding,
            raw: Vec::new(),
            text: Vec::new(),
            given: 0,
            started: false,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; CHUNK];
        let mut read = self.inner.read(&mut buffer)?;
        // The mark at the start can only be told when all of it is there.
        while !self.started && read < 3 {
            match self.inner.read(&mut buffer[read..])? {
                0 => break,
                more => read += more,
            }
        }
        self.ended = read == 0;
        let mut bytes = &buffer[..read];
        if !self.started {
            self.started = true;
            let mark: &[u8] = match self.encoding {
                Encoding::Utf8 => &[0xEF, 0xBB, 0xBF],
                Encoding::Utf16Le => &[0xFF, 0xFE],
                Encoding::Utf16Be => &[0xFE, 0xFF],
                Encoding::Windows1252 => &[],
            };
            bytes = bytes.strip_prefix(mark).unwrap_or(bytes);
        }
        self.text.clear();
        self.given = 0;
        match self.encoding {
            Encoding::Utf8 => self.text.extend_from_slice(bytes),
            Encoding::Windows1252 => {
                let mut text = String::with_capacity(bytes.len() * 2);
                for &byte in bytes {
                    text.push(windows_1252(byte).ok_or_else(|| self.undecodable())?);
                }
                self.text = text.into_bytes();
            }
            Encoding::Utf16Le | Encoding::Utf16Be => {
                self.raw.extend(bytes);
                self.decode_utf16()?;
            }
        }
        Ok(())
    }

    fn decode_utf16(&mut self) -> io::Result<()> {
        let unit = |pair: &[u8]| match self.encoding {
            Encoding::Utf16Be => u16::from_be_bytes([pair[0], pair[1]]),
            _ => u16::from_le_bytes([pair[0], pair[1]]),
        };
        let mut units: Vec<u16> = self.raw.chunks_exact(2).map(unit).collect();
        // The second half of a pair may still come.
        if !self.ended {
            units.pop_if(|last| (0xD800..0xDC00).contains(last));
        }
        self.raw.drain(..units.len() * 2);
        if self.ended && !self.raw.is_empty() {
            return Err(self.undecodable());
        }
        let text: Result<String, _> = char::decode_utf16(units).collect();
        self.text = text.map_err(|_| self.undecodable())?.into_bytes();
        Ok(())
    }

    fn undecodable(&self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("it is not {}", self.encoding))
    }
}

impl<R: Read> Read for Utf8Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            self.fill()?;
        }
        let rest = &self.text[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Option<Encoding>, String) {
        let (encoding, length) = detect(bytes).unwrap();
        assert_eq!(length, bytes.len() as u64);
        let mut text = String::new();
        if let Some(encoding) = encoding {
            let read = Utf8Reader::new(bytes, encoding).read_to_string(&mut text);
            if let Err(cause) = read {
                text = cause.to_string();
            }
        }
        (encoding, text)
    }

    fn utf16(text: &str, mark: bool) -> Vec<u8> {
        let mark = if mark { "\u{feff}" } else { "" };
        mark.encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn every_encoding_is_found_and_read() {
        let text = "id;text\n1;Pää 😀 – €\n";
        assert_eq!(read(text.as_bytes()), (Some(Encoding::Utf8), text.to_owned()));
        let marked = format!("\u{feff}{text}");
        assert_eq!(read(marked.as_bytes()), (Some(Encoding::Utf8), text.to_owned()));
        assert_eq!(read(&utf16(text, true)), (Some(Encoding::Utf16Le), text.to_owned()));
        assert_eq!(read(&utf16("id;x\n", false)).0, Some(Encoding::Utf16Le));
        assert_eq!(read(b"P\xE4\xE4 \x80"), (Some(Encoding::Windows1252), "Pää €".to_owned()));
        assert_eq!(read(b""), (Some(Encoding::Utf8), String::new()));
    }

    #[test]
    fn a_late_letter_decides() {
        let mut bytes = vec![b'a'; 70_000];
        bytes.push(0xE4);
        assert_eq!(read(&bytes).0, Some(Encoding::Windows1252));
        // A character that a buffer cuts is no reason to doubt.
        let cut = format!("{}ä{}", "a".repeat(64 * 1024 - 1), "b".repeat(10));
        assert_eq!(read(cut.as_bytes()).0, Some(Encoding::Utf8));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(read(b"a\0b\0\0c\xE4").0, None);
        assert_eq!(read(b"\x81\xE4").0, None);
        assert_eq!(read(b"\xEF\xBB\xBFa\xE4").0, None);
        assert_eq!(read(&[0xFF, 0xFE, 0x00, 0xD8]).1, "it is not UTF-16LE");
        assert_eq!(read(&[0xFF, 0xFE, 0x41]).1, "it is not UTF-16LE");
    }
}
