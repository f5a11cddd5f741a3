//! The thread that writes, many commits to a transaction.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::apply::apply;
use super::file::trouble;
use super::{start, stopped};
use crate::ledger::{Change, LedgerError};

/// Commits that one transaction takes at most, so that nobody waits long for the others.
const GROUP: usize = 1024;

/// The one writer of a ledger. Dropping it writes what was handed over before, and waits for that.
pub(super) struct Writer {
    path: PathBuf,
    commits: Option<mpsc::Sender<Commit>>,
    thread: Option<JoinHandle<()>>,
}

struct Commit {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<(), LedgerError>>,
}

impl Writer {
    pub(super) fn new(path: PathBuf, db: Connection) -> Result<Self, LedgerError> {
        let (commits, queue) = mpsc::channel();
        let mut work = Work { path: path.clone(), db, failed: None };
        let thread = start(&path, "ledger-writer", move || work.take_all(&queue))?;
        Ok(Self { path, commits: Some(commits), thread: Some(thread) })
    }

    /// Returns when the changes are durable. A commit that is no longer awaited is made all the
    /// same.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        let (done, durable) = oneshot::channel();
        let stopped = || stopped(&self.path);
        let commits = self.commits.as_ref().ok_or_else(stopped)?;
        commits.send(Commit { changes, done }).map_err(|_| stopped())?;
        durable.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.commits.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Work {
    path: PathBuf,
    db: Connection,
    /// The error after which there is no going on: what follows may depend on what was lost.
    failed: Option<LedgerError>,
}

impl Work {
    /// While one transaction is being made durable the next commits gather, so that the more is
    /// asked for, the more each sync of the disk carries.
    fn take_all(&mut self, queue: &mpsc::Receiver<Commit>) {
        while let Ok(first) = queue.recv() {
            let mut group = vec![first];
            group.extend(queue.try_iter().take(GROUP - 1));
            self.take(group);
        }
    }

    /// Writes a group whole. If a commit of it is refused for what it holds, each is written on
    /// its own, so that none suffers for another.
    fn take(&mut self, group: Vec<Commit>) {
        let result = match &self.failed {
            Some(error) => Err(error.clone()),
            None => match write(&mut self.db, &group) {
                Ok(()) => Ok(()),
                Err(error) if is_refusal(&error) && group.len() > 1 => {
                    return group.into_iter().for_each(|commit| self.take(vec![commit]));
                }
                Err(error) => {
                    let refused = is_refusal(&error);
                    let error = trouble(&self.path, "write", error);
                    self.failed = (!refused).then(|| error.clone());
                    Err(error)
                }
            },
        };
        for commit in group {
            // Nobody may be waiting any more.
            let _ = commit.done.send(result.clone());
        }
    }
}

fn write(db: &mut Connection, group: &[Commit]) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for change in group.iter().flat_map(|commit| &commit.changes) {
        apply(&transaction, change)?;
    }
    transaction.commit()
}

/// Was this one commit at fault, and not the disk?
fn is_refusal(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TooBig),
        None => matches!(error, rusqlite::Error::ToSqlConversionFailure(_)),
    }
}
