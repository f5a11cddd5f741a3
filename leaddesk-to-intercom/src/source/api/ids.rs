//! Feeds of call ids: those met on the way, those of a file, those of a range.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use migrate_core::{Cursor, Key, Ledger, SourceError, Unreadable};

use crate::config::IdRange;
use crate::source::stamp::stamp;

/// Where ids of calls come from.
#[derive(Clone)]
#[non_exhaustive]
pub enum Ids {
    /// A list of discoveries in the ledger: the last call of each contact that was read.
    Discovered(Arc<dyn Ledger>, &'static str),
    /// A file with one id a line. Empty lines and those that begin with `#` are passed over.
    Listed(PathBuf),
    /// A range, where ids that are not found are holes.
    Range(IdRange),
}

/// Some ids, or what stands in the place of one, and the place of the next.
pub(super) struct Batch {
    pub(super) ids: Vec<Result<u64, Unreadable>>,
    pub(super) next: Option<u64>,
}

/// A feed that has been opened at a place.
pub(super) enum Feed {
    Discovered { ledger: Arc<dyn Ledger>, list: &'static str, after: u64 },
    Listed { file: Lines, name: String, stamp: String },
    Range { next: u64, last: u64 },
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Ids {
    /// The ids of a file.
    ///
    /// # Errors
    /// Refused when the file cannot be read.
    pub fn listed(path: PathBuf) -> Result<Self, SourceError> {
        Lines::open(&path, 0)?;
        Ok(Self::Listed(path))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Discovered(..) => "last calls",
            Self::Listed(_) => "a file",
            Self::Range(_) => "a range",
        }
    }

    /// What an id without a call is.
    pub(super) fn missing(&self) -> &'static str {
        match self {
            Self::Discovered(..) => "contacts name a last call that LeadDesk does not know",
            Self::Listed(_) => "call ids of source.calls.ids_file are unknown to LeadDesk",
            Self::Range(_) => "ids of source.calls.id_range are holes",
        }
    }

    /// The place that a cursor names. A file that has changed since begins anew.
    pub(super) fn place(&self, cursor: &Cursor) -> Option<u64> {
        match self {
            Self::Listed(path) => {
                let (at, was) = cursor.as_str().split_once('@')?;
                at.parse().ok().filter(|_| was == stamp(path))
            }
            Self::Discovered(..) | Self::Range(_) => cursor.as_str().parse().ok(),
        }
    }

    /// Opens the feed at the place that a batch gave out, or at its beginning.
    pub(super) fn open(&self, at: Option<u64>) -> Result<Feed, SourceError> {
        Ok(match self {
            Self::Discovered(ledger, list) => {
                Feed::Discovered { ledger: ledger.clone(), list, after: at.unwrap_or(0) }
            }
            Self::Listed(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let stamp = stamp(path);
                Feed::Listed { file: Lines::open(path, at.unwrap_or(0))?, name, stamp }
            }
            Self::Range(range) => Feed::Range { next: at.unwrap_or(range.first), last: range.last },
        })
    }
}

impl Feed {
    /// The state of the file that the ids come from, if they come from one.
    pub(super) fn stamp(&self) -> Option<&str> {
        match self {
            Self::Listed { stamp, .. } => Some(stamp),
            Self::Discovered { .. } | Self::Range { .. } => None,
        }
    }

    /// The next ids, at most `limit`.
    pub(super) async fn batch(&mut self, limit: usize) -> Result<Batch, SourceError> {
        match self {
            Self::Discovered { ledger, list, after } => {
                let found = ledger.discovered(list, *after, limit).await.map_err(|error| {
                    SourceError::unavailable("the ledger could not be read").because(error)
                })?;
                *after = found.last().map_or(*after, |(row, _)| *row);
                let next = (found.len() == limit).then_some(*after);
                let ids = found.into_iter().map(|(row, id)| {
                    id.parse().map_err(|_| {
                        let key = Key::new(*list, format_args!("met:{row}"));
                        let reason = "a contact names a last call whose id is no number";
                        Unreadable::new(key, reason)
                    })
                });
                Ok(Batch { ids: ids.collect(), next })
            }
            Self::Listed { file, name, .. } => {
                let mut ids = Vec::new();
                while ids.len() < limit
                    && let Some((line, text)) = file.next()?
                {
                    let text = String::from_utf8_lossy(&text);
                    let text = text.trim().trim_start_matches('\u{feff}');
                    if !text.is_empty() && !text.starts_with('#') {
                        ids.push(text.parse().map_err(|_| {
                            let key = Key::from(format!("{name}:{line}"));
                            let reason = "the line is no call id; write one whole number a line";
                            Unreadable::new(key, reason)
                        }));
                    }
                }
                let next = (ids.len() == limit).then_some(file.line);
                Ok(Batch { ids, next })
            }
            Self::Range { next, last } => {
                let end = last.saturating_add(1).min(next.saturating_add(limit as u64));
                let ids = (*next..end).map(Ok).collect();
                *next = end.max(*next);
                Ok(Batch { ids, next: (*next <= *last).then_some(*next) })
            }
        }
    }
}

/// The lines of a file, counted from one.
pub(super) struct Lines {
    reader: BufReader<File>,
    path: PathBuf,
    line: u64,
}

impl Lines {
    fn open(path: &Path, after: u64) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|error| unreadable(path).because(error))?;
        let mut lines = Self { reader: BufReader::new(file), path: path.to_owned(), line: 0 };
        while lines.line < after && lines.next()?.is_some() {}
        Ok(lines)
    }

    /// A page of lines is read in microseconds, so this does not wait for a thread of its own.
    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, SourceError> {
        let mut text = Vec::new();
        let read = self.reader.read_until(b'\n', &mut text);
        let read = read.map_err(|error| unreadable(&self.path).because(error))?;
        self.line += u64::from(read > 0);
        Ok((read > 0).then_some((self.line, text)))
    }
}

fn unreadable(path: &Path) -> SourceError {
    SourceError::refused(format!(
        "the file of call ids {} cannot be read: mend source.calls.ids_file",
        path.display()
    ))
}
