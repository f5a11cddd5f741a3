//! Where dead letters can go: a file of JSON lines, a channel.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt, unfold};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::sink::{Doubt, Evidence, Failure, FailureKind, Found, Limits, Sink, TargetId, Write};

/// A sink that writes drafts as lines of JSON. The file is there whole, after
/// [`finish`](Self::finish), or as it was before; only its owner can read it. One that has lost a
/// line cannot be finished, and one that is dropped before leaves nothing behind.
///
/// It begins anew in each process, so it is whole only if the run that fills it begins anew as well:
/// on a [`MemoryLedger`](crate::MemoryLedger), or another that is made for it.
///
/// Clones write to the same file.
#[derive(Clone)]
pub struct JsonLines(Arc<Mutex<Lines>>);

struct Lines {
    path: PathBuf,
    beside: PathBuf,
    file: Option<BufWriter<File>>,
    count: u64,
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

impl JsonLines {
    /// Begins a file beside the path, with `.new` behind its name.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = Some(BufWriter::new(options.open(&beside)?));
        Ok(Self(Arc::new(Mutex::new(Lines { path, beside, file, count: 0 }))))
    }

    /// Puts the file in its place, when it is whole and on the disk; says how many lines it has.
    /// What is written afterwards is refused.
    ///
    /// # Errors
    ///
    /// When the file cannot be written or moved, was finished before, or has lost a line because
    /// an earlier write failed. The path is then as it was.
    pub fn finish(&self) -> io::Result<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = lines.file.take().ok_or_else(closed)?;
        let whole = || {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&lines.beside, &lines.path)
        };
        whole().inspect_err(|_| lines.discard())?;
        Ok(lines.count)
    }

    fn add(&self, draft: &impl Serialize) -> io::Result<TargetId> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = serde_json::to_vec(draft)?;
        line.push(b'\n');
        let written = lines.file.as_mut().ok_or_else(closed)?.write_all(&line);
        // Nobody knows how much of the line is there, or of those before that were still on
        // their way: such a file never becomes whole again.
        written.inspect_err(|_| lines.discard())?;
        lines.count += 1;
        Ok(TargetId::new(lines.count.to_string()))
    }
}

impl Lines {
    /// Gives the unfinished file up. What was written to it may be people's data.
    fn discard(&mut self) {
        self.file = None;
        // If it cannot be removed now, the next file of this name removes it.
        let _ = std::fs::remove_file(&self.beside);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.file.is_some() {
            self.discard();
        }
    }
}

fn closed() -> io::Error {
    io::Error::other("the file was finished before, or has lost a line")
}

#[async_trait]
impl<D: Serialize + Send + Sync + 'static> Sink<D> for JsonLines {
    async fn write(&self, batch: Vec<Write<D>>) {
        for write in batch {
            match self.add(&write.draft) {
                Ok(line) => write.created(line),
                Err(error) => {
                    let message = format!("the file cannot be written: {}", error.kind());
                    write.failed(Failure::new(FailureKind::Gone, message));
                }
            }
        }
    }

    async fn find(&self, _: &Doubt<D>) -> Result<Found, Failure> {
        // What a former process wrote went into a file that was never put in its place.
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::batches(256, 1)
    }
}

/// A channel as a sink, and the drafts that come through it. At most `capacity` of them wait to be
/// taken; then writing waits. When the stream is dropped the run ends, resumable.
pub fn channel<D: Send + 'static>(capacity: usize) -> (ChannelSink<D>, BoxStream<'static, D>) {
    let (send, receive) = mpsc::channel(capacity.max(1));
    let drafts = unfold(receive, |mut receive| async move {
        let draft = receive.recv().await?;
        Some((draft, receive))
    });
    (ChannelSink(send), drafts.boxed())
}

/// See [`channel`]. The stream ends when all clones are dropped.
pub struct ChannelSink<D>(mpsc::Sender<D>);

impl<D> Clone for ChannelSink<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D> fmt::Debug for ChannelSink<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSink").finish_non_exhaustive()
    }
}

#[async_trait]
impl<D: Clone + Send + Sync + 'static> Sink<D> for ChannelSink<D> {
    async fn write(&self, batch: Vec<Write<D>>) {
        for write in batch {
            match self.0.send(write.draft.clone()).await {
                Ok(()) => {
                    let id = TargetId::new(write.key.as_str());
                    write.created(id);
                }
                Err(_) => {
                    let message = "nobody takes from the channel any more";
                    write.failed(Failure::new(FailureKind::Gone, message));
                }
            }
        }
    }

    async fn find(&self, _: &Doubt<D>) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = JsonLines::create(folder.path().join("dead.jsonl")).unwrap();
        file.add(&"Anna Example").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A disk that is full, so that what is written gets lost.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_lost_a_line_is_never_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead.jsonl");
        let file = JsonLines::create(&path).unwrap();
        {
            let mut lines = file.0.lock().unwrap();
            let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
            lines.file = Some(BufWriter::with_capacity(8, full));
        }
        assert!(file.add(&"longer than the buffer").is_err());
        {
            // There is room again.
            let mut lines = file.0.lock().unwrap();
            if let Some(file) = &mut lines.file {
                *file = BufWriter::new(File::create(folder.path().join("room")).unwrap());
            }
        }
        assert!(file.finish().is_err());
        assert!(!path.exists());
    }
}
