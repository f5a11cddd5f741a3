//! The lock, and in it the number of the last commit that was acknowledged.
//!
//! SQLite takes a log that was cut, or a copy of the file put back without it, for a database that
//! was simply used less. The number stands outside of both, so that it tells.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::file::{private, unreachable};
use crate::ledger::{LedgerError, LedgerErrorKind};

const MAGIC: [u8; 4] = *b"MigA";

/// The name of the lock of the ledger at `path`.
pub(super) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// The lock of a ledger, held as long as this lives and no longer than the process.
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock. Its file stays where it is for ever: if it were deleted, two runs could hold
    /// locks on two files of one name.
    pub(super) fn take(path: &Path) -> Result<Self, LedgerError> {
        let mut options = private();
        let file = options.truncate(false).open(lock_path(path));
        let file = file.map_err(|error| unreachable(path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LedgerError::new(
                LedgerErrorKind::Locked,
                format!(
                    "another run uses the ledger {}: wait for it to end, or stop it, and try again",
                    path.display()
                ),
            )),
            Err(TryLockError::Error(error)) => Err(unreachable(path, error)),
        }
    }

    /// The last commit that was acknowledged, as far as that was noted.
    pub(super) fn noted(&self, path: &Path) -> Result<Option<i64>, LedgerError> {
        read(&self.0, path)
    }

    /// Notes that a commit is about to be acknowledged. The note is not synced: it is for a file
    /// that is damaged or replaced, and after a loss of power an older note only says less.
    pub(super) fn note(&mut self, commits: i64) -> io::Result<()> {
        let mut note = [0; 16];
        note[..4].copy_from_slice(&MAGIC);
        note[4..12].copy_from_slice(&commits.to_le_bytes());
        let sum = crc32fast::hash(&note[..12]);
        note[12..].copy_from_slice(&sum.to_le_bytes());
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(&note)
    }
}

/// The last commit that was acknowledged, as far as that was noted; for whoever has not the lock.
pub(super) fn acknowledged(path: &Path) -> Result<Option<i64>, LedgerError> {
    match File::open(lock_path(path)).map(|file| read(file, path)) {
        Ok(noted) => noted,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreachable(path, error)),
    }
}

fn read(file: impl io::Read, path: &Path) -> Result<Option<i64>, LedgerError> {
    let lock = lock_path(path);
    let mut note = Vec::new();
    match file.take(64).read_to_end(&mut note) {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        // There a lock keeps others from reading as well: a run is under way, and has looked.
        Err(_) if cfg!(windows) => return Ok(None),
        Err(error) => return Err(unreachable(path, error)),
    }
    let decode = || {
        let note: &[u8; 16] = note.as_slice().try_into().ok()?;
        let (note, sum) = note.split_first_chunk::<12>()?;
        let commits = i64::from_le_bytes(note[4..].try_into().ok()?);
        (note[..4] == MAGIC && crc32fast::hash(note).to_le_bytes() == sum).then_some(commits)
    };
    decode().map(Some).ok_or_else(|| {
        let message = format!(
            "{} is damaged, so it cannot be told whether the ledger {} is the latest: put back a \
             copy of all its files together, or, if you know that it is, delete {}",
            lock.display(),
            path.display(),
            lock.display()
        );
        LedgerError::new(LedgerErrorKind::Corrupt, message)
    })
}

/// A file whose last commit is this one, where another was acknowledged.
pub(super) fn older(path: &Path, commits: i64, acknowledged: i64) -> LedgerError {
    let (name, lock) = (path.display(), lock_path(path));
    let message = format!(
        "the ledger {name} ends with commit {commits}, but {acknowledged} was acknowledged: a part \
         of it was lost, or an old copy was put back; put back the latest copy, all of its files \
         together ({name}, {name}-wal, {name}.lock). To go on with it all the same, at the risk of \
         writing records twice, delete {}",
        lock.display()
    );
    LedgerError::new(LedgerErrorKind::Corrupt, message)
}
