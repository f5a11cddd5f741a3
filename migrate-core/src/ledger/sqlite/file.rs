//! The file: making it, locking it, knowing it for ours and bringing it up to date.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use crate::ledger::{Binding, LedgerError, LedgerErrorKind};

/// "MigL", by which the file is known for a ledger.
const APPLICATION_ID: i32 = 0x4D69_674C;

/// What brings a file from each version to the next; the number of steps is the newest version.
const STEPS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema2.sql")];

/// How long somebody else's transaction, such as that of an operator's tool, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the lock of the ledger at `path`, which lasts as long as the file that is returned and no
/// longer than the process. The lock file itself stays where it is: if it were deleted, two runs
/// could hold locks on two files of one name.
pub(super) fn lock(path: &Path) -> Result<File, LedgerError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = private().truncate(false).open(&name).map_err(|error| unreachable(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
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

/// Makes the file, for the owner's eyes only; SQLite gives its companions `-wal` and `-shm` the
/// same mode. One that is there already is closed to others as well. It is never opened and closed
/// here: that would drop the locks which SQLite holds on it elsewhere in this process.
pub(super) fn make(path: &Path) -> Result<(), LedgerError> {
    match private().create_new(true).open(path) {
        Ok(file) => file.sync_all().and_then(|()| sync_folder(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close_to_others(path),
        Err(error) => Err(error),
    }
    .map_err(|error| unreachable(path, error))
}

/// The connection that writes. A new file gets its tables and is bound; an older one is brought up
/// to date.
pub(super) fn open_writer(path: &Path, binding: &Binding) -> Result<Connection, LedgerError> {
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let version = version(&db, path)?;
    let opening = |error| trouble(path, "open", error);
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(opening)?;
    if mode != "wal" {
        let message = format!("the disk of the ledger {} cannot keep it: {LOCAL}", path.display());
        return Err(LedgerError::new(LedgerErrorKind::Storage, message));
    }
    db.pragma_update(None, "synchronous", "full").map_err(opening)?;
    db.pragma_update(None, "foreign_keys", true).map_err(opening)?;
    db.pragma_update(None, "temp_store", "memory").map_err(opening)?;
    // Drafts hold people's data: what is erased is overwritten, not only forgotten.
    db.pragma_update_and_check(None, "secure_delete", true, |_| Ok(())).map_err(opening)?;
    update(&mut db, version, binding).map_err(opening)?;
    check_binding(&db, path, binding)?;
    Ok(db)
}

/// A connection that reads beside the writer of the same process.
pub(super) fn open_reader(path: &Path) -> Result<Connection, LedgerError> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.pragma_update(None, "query_only", true).map_err(|error| trouble(path, "open", error))?;
    Ok(db)
}

/// A connection that reads a file which this process may not write.
pub(super) fn open_onlooker(path: &Path) -> Result<Connection, LedgerError> {
    if !path.exists() {
        let message = format!("there is no ledger {}: no run has begun there", path.display());
        return Err(LedgerError::new(LedgerErrorKind::Corrupt, message));
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if version(&db, path)? < STEPS.len() {
        let message = format!(
            "the ledger {} is empty or of an older version: begin or resume its run first",
            path.display()
        );
        return Err(LedgerError::new(LedgerErrorKind::Corrupt, message));
    }
    Ok(db)
}

/// What SQLite said, as what happened here and what to do about it.
pub(super) fn trouble(path: &Path, doing: &str, error: rusqlite::Error) -> LedgerError {
    let name = path.display();
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) | None => (
            LedgerErrorKind::Corrupt,
            format!(
                "{name} is not a ledger, or a damaged one: put back a copy of it, all of \
                 its files together"
            ),
        ),
        Some(ErrorCode::DiskFull) => (
            LedgerErrorKind::Storage,
            format!("could not {doing} the ledger {name}: make room on its disk, then resume"),
        ),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig) => (
            LedgerErrorKind::Storage,
            format!("the ledger {name} refused a change for what it holds, and made none of it"),
        ),
        Some(_) => (
            LedgerErrorKind::Storage,
            format!("could not {doing} the ledger {name}: see to its disk, then resume"),
        ),
    };
    LedgerError::new(kind, message).because(error)
}

const LOCAL: &str = "it needs a local disk, not one that is shared over a network";

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, LedgerError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opening = |error| trouble(path, "open", error);
    let db = Connection::open_with_flags(path, flags).map_err(opening)?;
    db.busy_timeout(PATIENCE).map_err(opening)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// The version of a file that is ours; 0 for one that is new.
fn version(db: &Connection, path: &Path) -> Result<usize, LedgerError> {
    let read = || {
        let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables: i64 =
            db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((application, version, tables))
    };
    let (application, version, tables) = read().map_err(|error| trouble(path, "open", error))?;
    if (application, version, tables) == (0, 0, 0) {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        let message = format!(
            "{} is the database of another program: name another file for the ledger",
            path.display()
        );
        return Err(LedgerError::new(LedgerErrorKind::Corrupt, message));
    }
    match usize::try_from(version) {
        Ok(version @ 1..=NEWEST) => Ok(version),
        Ok(version @ ABOVE..) => {
            let message = format!(
                "the ledger {} is of version {version}, and this program knows none above \
                 {NEWEST}: use the newer program that wrote it",
                path.display()
            );
            Err(LedgerError::new(LedgerErrorKind::Newer, message))
        }
        _ => {
            let message = format!("the ledger {} is damaged: put back a copy", path.display());
            Err(LedgerError::new(LedgerErrorKind::Corrupt, message))
        }
    }
}

const NEWEST: usize = STEPS.len();
const ABOVE: usize = NEWEST + 1;

/// Takes the steps that are missing, all of them or none.
fn update(db: &mut Connection, version: usize, binding: &Binding) -> rusqlite::Result<()> {
    if version == NEWEST {
        return Ok(());
    }
    let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for sql in &STEPS[version..] {
        step.execute_batch(sql)?;
    }
    if version == 0 {
        for (name, value) in binding.named() {
            let sql = "INSERT INTO binding (name, value) VALUES (?1, ?2)";
            step.execute(sql, params![name, value])?;
        }
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    step.pragma_update(None, "user_version", NEWEST as i64)?;
    step.commit()
}

fn check_binding(db: &Connection, path: &Path, binding: &Binding) -> Result<(), LedgerError> {
    for (name, value) in binding.named() {
        let bound: String = db
            .query_row("SELECT value FROM binding WHERE name = ?1", [name], |row| row.get(0))
            .map_err(|error| trouble(path, "open", error))?;
        if bound != value {
            let message = format!(
                "the ledger {} belongs to another migration: its {name} is {bound:?}, not \
                 {value:?}; use another state directory for this one",
                path.display()
            );
            return Err(LedgerError::new(LedgerErrorKind::Foreign, message));
        }
    }
    Ok(())
}

/// How files are opened that nobody but the owner may read.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn close_to_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a new file's name durable, which takes a sync of its folder on Unix.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn unreachable(path: &Path, error: io::Error) -> LedgerError {
    let message = format!(
        "could not open the ledger {}: see to its folder and its permissions; {LOCAL}",
        path.display()
    );
    LedgerError::new(LedgerErrorKind::Storage, message).because(error)
}
