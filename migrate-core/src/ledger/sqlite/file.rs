//! The file: making it, locking it, knowing it for ours and bringing it up to date.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::acknowledged::{Lock, acknowledged, older};
use super::row::{Damage, Table, Trouble};
use super::tables::{State, each};
use super::{check, schema};
use crate::ledger::{Binding, LedgerError, LedgerErrorKind};

/// How long somebody else's transaction, such as that of an operator's tool, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the file, for the owner's eyes only; SQLite gives its companions `-wal` and `-shm` the
/// same mode. One that is there already is closed to others as well. It is never opened and closed
/// here: that would drop the locks which SQLite holds on it elsewhere in this process.
fn make(path: &Path) -> Result<(), LedgerError> {
    match private().create_new(true).open(path) {
        Ok(file) => file.sync_all().and_then(|()| sync_folder(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close_to_others(path),
        Err(error) => Err(error),
    }
    .map_err(|error| unreachable(path, error))
}

/// The connection that writes. A new file gets its tables and is bound; an older one is brought up
/// to date.
pub(super) fn open_writer(
    path: &Path,
    binding: &Binding,
    lock: &Lock,
    use_for: For,
) -> Result<Connection, LedgerError> {
    let noted = lock.noted(path)?;
    if let Some(noted) = noted
        && std::fs::metadata(path).map_or(true, |file| file.len() == 0)
    {
        return Err(older(path, 0, noted));
    }
    make(path)?;
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let opening = |error: rusqlite::Error| trouble(path, "open", error.into());
    let version = schema::version(&db, path)?;
    let mode: String = db
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(opening)?;
    if mode != "wal" {
        let message = format!("the disk of the ledger {} cannot keep it: {LOCAL}", path.display());
        return Err(LedgerError::new(LedgerErrorKind::Storage, message));
    }
    db.pragma_update(None, "synchronous", "full").map_err(opening)?;
    // Only version 1 has references, and they would be in the way when its tables are replaced.
    db.pragma_update(None, "foreign_keys", false).map_err(opening)?;
    db.pragma_update(None, "temp_store", "memory").map_err(opening)?;
    // Drafts hold people's data: what is erased is overwritten, not only forgotten.
    db.pragma_update_and_check(None, "secure_delete", true, |_| Ok(())).map_err(opening)?;
    // Records of many pages are under way at once; the default is half of this.
    db.pragma_update(None, "cache_size", -4096).map_err(opening)?;
    // Pages that are written again and again are copied into the file less often.
    db.pragma_update(None, "wal_autocheckpoint", 4000).map_err(opening)?;
    schema::update(&mut db, version, binding).map_err(|error| trouble(path, "open", error))?;
    inspect(&db, path, noted)?;
    check_binding(&db, path, binding)?;
    let state = State::read(&db).map_err(|error| trouble(path, "open", error))?;
    if state.purged && use_for == For::Run {
        let message = format!(
            "people's data was erased from the ledger {}, so it can be read but no run can go on \
             with it: use another state directory for a new migration",
            path.display()
        );
        return Err(LedgerError::new(LedgerErrorKind::Purged, message));
    }
    Ok(db)
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    Run,
    /// Which may be repeated, since it may have been interrupted.
    Purge,
}

/// A connection that reads beside the writer of the same process.
pub(super) fn open_reader(path: &Path) -> Result<Connection, LedgerError> {
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let error = |error: rusqlite::Error| trouble(path, "open", error.into());
    db.pragma_update(None, "query_only", true).map_err(error)?;
    // Whatever is committed beside it empties its cache, so a large one is room for nothing.
    db.pragma_update(None, "cache_size", -512).map_err(error)?;
    Ok(db)
}

/// A connection that reads a file which this process may not write.
pub(super) fn open_onlooker(path: &Path) -> Result<Connection, LedgerError> {
    let (db, noted) = open_unchecked(path)?;
    inspect(&db, path, noted)?;
    Ok(db)
}

/// The same, of which no more is known than that it is a ledger of this version; with the last
/// commit that was acknowledged, as far as that was noted.
pub(super) fn open_unchecked(path: &Path) -> Result<(Connection, Option<i64>), LedgerError> {
    // Read first: a run may be under way, and go on between this and the look at the file.
    let noted = acknowledged(path)?;
    if !path.exists() {
        let message = format!("there is no ledger {}: no run has begun there", path.display());
        let error = noted.map(|noted| older(path, 0, noted));
        return Err(error.unwrap_or_else(|| LedgerError::new(LedgerErrorKind::Corrupt, message)));
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let version = schema::version(&db, path)?;
    if let Some(noted) = noted.filter(|_| version == 0) {
        return Err(older(path, 0, noted));
    }
    if version < schema::NEWEST {
        let message = format!(
            "the ledger {} is empty or of an older version: begin or resume its run first",
            path.display()
        );
        return Err(LedgerError::new(LedgerErrorKind::Corrupt, message));
    }
    Ok((db, noted))
}

/// What every opening looks at: that nothing acknowledged is missing at the end and, where it takes
/// only milliseconds, everything else as well.
fn inspect(db: &Connection, path: &Path, noted: Option<i64>) -> Result<(), LedgerError> {
    is_latest(db, path, noted)?;
    let opening = |error| trouble(path, "open", error);
    if check::is_small(db).map_err(opening)? {
        let report = check::everything(db, false).map_err(opening)?;
        if let Some(first) = report.problems.first() {
            let more = match report.problems.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            return Err(damaged(path, &format!("{first}{more}")));
        }
    }
    Ok(())
}

/// Does the file hold the last commit that was acknowledged?
pub(super) fn is_latest(
    db: &Connection,
    path: &Path,
    noted: Option<i64>,
) -> Result<(), LedgerError> {
    let state = State::read(db).map_err(|error| trouble(path, "open", error))?;
    match noted.filter(|noted| *noted > state.commits) {
        Some(noted) => Err(older(path, state.commits, noted)),
        None => Ok(()),
    }
}

fn damaged(path: &Path, what: &str) -> LedgerError {
    let message = format!(
        "the ledger {} is damaged ({what}): put back a copy of it, all of its files together",
        path.display()
    );
    LedgerError::new(LedgerErrorKind::Corrupt, message)
}

/// What went wrong, as what happened here and what to do about it.
pub(super) fn trouble(path: &Path, doing: &str, error: Trouble) -> LedgerError {
    let name = path.display();
    let error = match error {
        Trouble::Sqlite(error) => error,
        Trouble::Damaged(damage) => return damaged(path, &damage.to_string()),
    };
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
    let opening = |error: rusqlite::Error| trouble(path, "open", error.into());
    let db = Connection::open_with_flags(path, flags).map_err(opening)?;
    db.busy_timeout(PATIENCE).map_err(opening)?;
    db.pragma_update(None, "cell_size_check", true).map_err(opening)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// Is the ledger bound to this migration?
fn check_binding(db: &Connection, path: &Path, binding: &Binding) -> Result<(), LedgerError> {
    let mut bound: Vec<(String, String)> = Vec::new();
    each(db, Table::Binding, "SELECT * FROM binding", |row| {
        bound.push((row.get("name")?, row.get("value")?));
        Ok(())
    })
    .map_err(|error| trouble(path, "open", error))?;
    for (name, value) in binding.named() {
        let Some((_, bound)) = bound.iter().find(|(it, _)| it == name) else {
            let (table, place) = (Table::Binding, format!("key {name}"));
            let damage = Damage { table, place, what: "it is missing" };
            return Err(damaged(path, &damage.to_string()));
        };
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
pub(super) fn private() -> OpenOptions {
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

pub(super) fn unreachable(path: &Path, error: io::Error) -> LedgerError {
    let message = format!(
        "could not open the ledger {}: see to its folder and its permissions; {LOCAL}",
        path.display()
    );
    LedgerError::new(LedgerErrorKind::Storage, message).because(error)
}
