//! The default ledger: one SQLite file.

mod acknowledged;
mod apply;
mod chain;
mod check;
mod code;
mod file;
mod names;
mod parts;
mod purge;
mod query;
mod reader;
mod row;
mod schema;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use async_trait::async_trait;
use rusqlite::Connection;
use serde_json::Value;

use self::acknowledged::Lock;
use self::reader::Readers;
use self::writer::Writer;
use super::{
    Binding, Change, Entry, Ledger, LedgerError, LedgerErrorKind, Parked, Parking, Past, Proof,
    Scan, StageState,
};
use crate::{Alias, Key, Tally};

pub use self::check::{CheckReport, Problem};

/// The default ledger: one SQLite file. What stands in it is read with [`export`](super::export), or
/// with any SQLite tool, save that the writes of an entry are packed into its row.
///
/// Commits made at the same time share a transaction and so a sync of the disk; each returns when
/// it is durable. Reads have connections of their own. All of it happens on threads of the
/// ledger's, so it can be used with any async runtime, and dropping the ledger waits until what
/// was handed over is written.
///
/// The file and its companions (`-wal`, `-shm`, `.lock`) are readable by their owner only. They
/// belong on a local disk and are copied together. Times are kept to the microsecond.
///
/// Damage is told, and never taken for a ledger that knows less: every row has a checksum, that
/// something is not known is proven by its neighbours, and a file that ends before the last commit
/// that was acknowledged – its number stands in `.lock` – is refused. All of that is
/// [`LedgerErrorKind::Corrupt`]: put back a copy of all the files together.
///
/// When storage fails, as when the disk is full, the commit that met it and all later ones are
/// refused with [`LedgerErrorKind::Storage`]; nothing that was acknowledged is lost. Open the
/// ledger anew to go on.
pub struct SqliteLedger {
    // Readers end first, so that the last connection is the writer's, which tidies up. With it goes
    // the lock.
    readers: Readers,
    writer: Option<Writer>,
    path: PathBuf,
}

impl SqliteLedger {
    /// Opens the ledger of a migration for a run, and makes it if there is none. The folder must
    /// be there.
    ///
    /// It is locked until it is dropped or the process ends, however that ends.
    ///
    /// # Errors
    ///
    /// [`Locked`](LedgerErrorKind::Locked) while another run has it open,
    /// [`Foreign`](LedgerErrorKind::Foreign) when it is bound to another migration,
    /// [`Newer`](LedgerErrorKind::Newer) when a newer version of this crate wrote it,
    /// [`Purged`](LedgerErrorKind::Purged) when people's data was erased from it,
    /// [`Corrupt`](LedgerErrorKind::Corrupt) when the file is no ledger or a damaged one, and
    /// [`Storage`](LedgerErrorKind::Storage) when it cannot be made or opened.
    ///
    /// ```
    /// use migrate_core::SqliteLedger;
    /// use migrate_core::ledger::{Binding, LedgerErrorKind};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("ledger.sqlite");
    /// let binding = Binding::new("desk:acme", "workspace:w1", "desk");
    /// let ledger = SqliteLedger::open(&path, &binding)?;
    ///
    /// let second = SqliteLedger::open(&path, &binding).unwrap_err();
    /// assert_eq!(second.kind(), LedgerErrorKind::Locked);
    /// # drop(ledger);
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: impl AsRef<Path>, binding: &Binding) -> Result<Self, LedgerError> {
        let path = path.as_ref();
        let lock = Lock::take(path)?;
        let writer = file::open_writer(path, binding, &lock, file::For::Run)?;
        Self::assemble(path, writer, lock)
    }

    /// Opens a ledger for reading only, as for a report, whether or not a run is under way. It
    /// needs no lock, and its `commit` is refused with [`Locked`](LedgerErrorKind::Locked).
    ///
    /// # Errors
    ///
    /// [`Newer`](LedgerErrorKind::Newer), [`Corrupt`](LedgerErrorKind::Corrupt) (also when there
    /// is no file) and [`Storage`](LedgerErrorKind::Storage), as for [`open`](Self::open).
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, LedgerError> {
        let path = path.as_ref();
        let readers = Readers::new(path.to_owned(), vec![file::open_onlooker(path)?])?;
        Ok(Self { readers, writer: None, path: path.to_owned() })
    }

    /// Looks at all of a ledger, whether or not a run is under way: SQLite's own check of pages and
    /// indices, the checksum of every row, that each can be read, that every name leads to what is
    /// named so and what is not named is proven not to be there, what belongs together, and counts
    /// and digests of stages. It blocks, for some tens of
    /// seconds where there are a million records.
    ///
    /// A ledger of two MiB at most is looked at so whenever it is opened.
    ///
    /// # Errors
    ///
    /// As for [`open_read_only`](Self::open_read_only), where there is nothing that could be looked
    /// at; what is wrong with the rest is in the report.
    ///
    /// ```
    /// use migrate_core::SqliteLedger;
    /// # use migrate_core::ledger::Binding;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("ledger.sqlite");
    /// # drop(SqliteLedger::open(&path, &Binding::new("desk:acme", "workspace:w1", "desk"))?);
    /// let report = SqliteLedger::check(&path)?;
    /// assert!(report.is_sound(), "{:?}", report.problems);
    /// # Ok(())
    /// # }
    /// ```
    pub fn check(path: impl AsRef<Path>) -> Result<CheckReport, LedgerError> {
        let path = path.as_ref();
        let (db, noted) = file::open_unchecked(path)?;
        let report =
            check::everything(&db, true).map_err(|error| file::trouble(path, "read", error))?;
        file::is_latest(&db, path, noted)?;
        Ok(report)
    }

    /// Erases people's data from a ledger for good, and keeps the proof.
    ///
    /// Keys, stages, fates, codes of reasons, times, passes, counts and digests stay, so that stages,
    /// tallies and proofs are as they were; so do the named values in `keep`. What is parked,
    /// before-images, other names, notes, targets, fingerprints, writes and their history, texts of
    /// reasons, discoveries, cursors and marks go, and the file is made anew without them. The
    /// migration can then be neither resumed nor undone: the ledger can only be read.
    ///
    /// It waits for nobody, and blocks for some ten seconds where there are a million records. If it
    /// is interrupted, the ledger is as it was or erased; then call it again, which makes the file
    /// anew.
    ///
    /// # Errors
    ///
    /// [`Unfinished`](LedgerErrorKind::Unfinished) while records are pending, in doubt or parked,
    /// unless `force` is given: nobody could settle them afterwards. Otherwise as for
    /// [`open`](Self::open).
    pub fn purge(
        path: impl AsRef<Path>,
        binding: &Binding,
        keep: &[&str],
        force: bool,
    ) -> Result<(), LedgerError> {
        let path = path.as_ref();
        let mut lock = Lock::take(path)?;
        let mut db = file::open_writer(path, binding, &lock, file::For::Purge)?;
        let trouble = |error| file::trouble(path, "purge", error);
        let open = purge::open_records(&db).map_err(trouble)?;
        if open > 0 && !force {
            let message = format!(
                "{open} records of the ledger {} are not settled, and could not be any more: end \
                 its run first",
                path.display()
            );
            return Err(LedgerError::new(LedgerErrorKind::Unfinished, message));
        }
        let commits = purge::purge(&mut db, keep).map_err(trouble)?;
        lock.note(commits).map_err(|error| file::unreachable(path, error))
    }

    fn assemble(path: &Path, writer: Connection, lock: Lock) -> Result<Self, LedgerError> {
        // Two, so that counting a whole stage keeps nobody waiting.
        let connections = vec![file::open_reader(path)?, file::open_reader(path)?];
        Ok(Self {
            readers: Readers::new(path.to_owned(), connections)?,
            writer: Some(Writer::new(path.to_owned(), writer, lock)?),
            path: path.to_owned(),
        })
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLedger").field("path", &self.path).finish_non_exhaustive()
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn commit(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        match &self.writer {
            Some(writer) => writer.commit(changes).await,
            None => Err(LedgerError::new(
                LedgerErrorKind::Locked,
                format!("the ledger {} was opened for reading only", self.path.display()),
            )),
        }
    }

    async fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LedgerError> {
        let keys = keys.to_owned();
        self.readers.ask(move |db| query::entries(db, &keys)).await
    }

    async fn known_as(&self, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>, LedgerError> {
        let aliases = aliases.to_owned();
        self.readers.ask(move |db| query::known_as(db, &aliases)).await
    }

    async fn aliases(&self, keys: &[Key]) -> Result<Vec<Vec<Alias>>, LedgerError> {
        let keys = keys.to_owned();
        self.readers.ask(move |db| query::aliases(db, &keys)).await
    }

    async fn stage(&self, stage: &str) -> Result<StageState, LedgerError> {
        let stage = stage.to_owned();
        self.readers.ask(move |db| query::stage(db, &stage)).await
    }

    async fn stages(&self) -> Result<Vec<String>, LedgerError> {
        self.readers.ask(query::stages).await
    }

    async fn tally(&self, stage: &str) -> Result<Tally, LedgerError> {
        let stage = stage.to_owned();
        self.readers.ask(move |db| query::tally(db, &stage)).await
    }

    async fn proof(&self, stage: &str, pass: u32) -> Result<Proof, LedgerError> {
        let stage = stage.to_owned();
        self.readers.ask(move |db| query::proof(db, &stage, pass)).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let scan = scan.clone();
        self.readers.ask(move |db| query::scan(db, &scan)).await
    }

    async fn parked(
        &self,
        stage: &str,
        why: Parking,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Parked)>, LedgerError> {
        let stage = stage.to_owned();
        self.readers.ask(move |db| query::parked(db, &stage, why, after, limit)).await
    }

    async fn parked_among(&self, keys: &[Key]) -> Result<Vec<Parked>, LedgerError> {
        let keys = keys.to_owned();
        self.readers.ask(move |db| query::parked_among(db, &keys)).await
    }

    async fn discovered(
        &self,
        list: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, LedgerError> {
        let list = list.to_owned();
        self.readers.ask(move |db| query::discovered(db, &list, after, limit)).await
    }

    async fn before(&self, key: &Key) -> Result<Option<Value>, LedgerError> {
        let key = key.clone();
        self.readers.ask(move |db| query::before(db, &key)).await
    }

    async fn history(&self, after: u64, limit: usize) -> Result<Vec<(u64, Past)>, LedgerError> {
        self.readers.ask(move |db| query::history(db, after, limit)).await
    }

    async fn meta(&self, name: &str) -> Result<Option<Value>, LedgerError> {
        let name = name.to_owned();
        self.readers.ask(move |db| query::meta(db, &name)).await
    }
}

fn start(
    path: &Path,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LedgerError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
        let message = format!("could not start a thread for the ledger {}", path.display());
        LedgerError::new(LedgerErrorKind::Storage, message).because(error)
    })
}

fn stopped(path: &Path) -> LedgerError {
    let message = format!("a thread of the ledger {} has stopped: open it anew", path.display());
    LedgerError::new(LedgerErrorKind::Storage, message)
}
