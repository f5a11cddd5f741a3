//! The thread that writes, many commits to a transaction.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::acknowledged::Lock;
use super::file::{trouble, unreachable};
use super::row::{Result as FileResult, Trouble};
use super::store::{Store, Tx};
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
    pub(super) fn new(path: PathBuf, db: Connection, lock: Lock) -> Result<Self, LedgerError> {
        let (commits, queue) = mpsc::channel();
        let store = Store::read(&db).map_err(|error| trouble(&path, "open", error))?;
        let mut work = Work { path: path.clone(), db, store, lock, failed: None };
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
    store: Store,
    // Let go when the connection is closed.
    lock: Lock,
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
            None => match write(&mut self.db, &mut self.store, &group) {
                Ok(()) => self.note(),
                Err(error) => {
                    let refused = is_refusal(&error);
                    let forgotten = self.forget();
                    if refused && forgotten.is_ok() && group.len() > 1 {
                        return group.into_iter().for_each(|commit| self.take(vec![commit]));
                    }
                    let error = trouble(&self.path, "write", error);
                    let lost = !refused || forgotten.is_err();
                    self.failed = lost.then(|| error.clone());
                    Err(error)
                }
            },
        };
        for commit in group {
            // Nobody may be waiting any more.
            let _ = commit.done.send(result.clone());
        }
    }

    /// Notes a commit outside of the file, before it is acknowledged.
    fn note(&mut self) -> Result<(), LedgerError> {
        self.lock.note(self.store.state.commits).map_err(|error| {
            let error = unreachable(&self.path, error);
            self.failed = Some(error.clone());
            error
        })
    }

    /// Forgets what a transaction that failed has changed in memory alone.
    fn forget(&mut self) -> FileResult<()> {
        self.store = Store::read(&self.db)?;
        Ok(())
    }
}

fn write(db: &mut Connection, store: &mut Store, group: &[Commit]) -> FileResult<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut tx = Tx { db: &transaction, store };
    for change in group.iter().flat_map(|commit| &commit.changes) {
        tx.apply(change)?;
    }
    tx.write()?;
    Ok(transaction.commit()?)
}

/// Was this one commit at fault, and not the disk?
fn is_refusal(error: &Trouble) -> bool {
    let Trouble::Sqlite(error) = error else { return false };
    match error.sqlite_error_code() {
        Some(code) => matches!(code, ErrorCode::ConstraintViolation | ErrorCode::TooBig),
        None => matches!(error, rusqlite::Error::ToSqlConversionFailure(_)),
    }
}
