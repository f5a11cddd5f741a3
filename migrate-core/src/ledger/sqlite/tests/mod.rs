mod agreement;
mod damage;
mod full;
mod killed;
mod purge;
mod size;
mod upgrade;

use std::error::Error as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::DateTime;
use futures::FutureExt as _;
use futures::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::Fate;
use crate::ledger::{Scan, contract};

fn binding() -> Binding {
    Binding::new("desk:acme", "workspace:w1", "desk")
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    (folder, path)
}

/// How often something is tried: more often where an environment variable says so.
fn longer<N: std::str::FromStr>(variable: &str, otherwise: N) -> N {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn key(n: impl fmt::Display) -> Key {
    Key::new("contact", n)
}

fn settle(key: Key) -> Change {
    Change::Settle {
        key,
        stage: "contacts".into(),
        fate: Fate::Created,
        fingerprint: None,
        target: None,
        reason: None,
        notes: Vec::new(),
        attempts: 0,
        at: DateTime::UNIX_EPOCH,
    }
}

/// A loss of power takes no commit that was acknowledged: that is what these are for. Nothing here can
/// cut the power, so it is the settings that are looked at.
#[test]
fn commits_are_synced_and_readers_do_not_wait_for_them() {
    let (_folder, path) = folder();
    let lock = Lock::take(&path).unwrap();
    let db = file::open_writer(&path, &binding(), &lock, file::For::Run).unwrap();
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, String>(0));
    assert_eq!(pragma("journal_mode").unwrap(), "wal");
    let number =
        |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((number("synchronous"), number("secure_delete")), (2, 1), "2 is FULL");
}

async fn is_there(ledger: &SqliteLedger, key: Key) -> bool {
    ledger.entries(&[key]).await.unwrap()[0].is_some()
}

/// Opening must fail so, with a message that names the file.
#[track_caller]
fn refused(path: &Path, kind: LedgerErrorKind, words: &str) {
    for error in [
        SqliteLedger::open(path, &binding()).unwrap_err(),
        SqliteLedger::open_read_only(path).unwrap_err(),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        let message = error.to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let opened = AtomicUsize::new(0);
    let fresh = || -> Arc<dyn Ledger> {
        let n = opened.fetch_add(1, Ordering::Relaxed);
        let path = folder.path().join(format!("{n}.sqlite"));
        Arc::new(SqliteLedger::open(path, &binding()).unwrap())
    };
    contract::check(fresh).await;
}

#[tokio::test]
async fn what_was_committed_is_there_when_it_is_opened_again() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    ledger.commit(vec![settle(key(1))]).await.unwrap();
    // Handed over, and then no longer awaited.
    let _ = ledger.commit(vec![settle(key(2))]).now_or_never();
    drop(ledger);
    assert!(!path.with_extension("sqlite-wal").exists(), "all is in the one file");

    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    assert!(is_there(&ledger, key(1)).await);
    assert!(is_there(&ledger, key(2)).await);
}

#[tokio::test]
async fn only_one_run_has_it_open() {
    let (_folder, path) = folder();
    let first = SqliteLedger::open(&path, &binding()).unwrap();
    let error = SqliteLedger::open(&path, &binding()).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Locked);
    assert!(error.to_string().contains("wait for it to end"), "{error}");
    first.commit(vec![settle(key(1))]).await.unwrap();
    drop(first);
    SqliteLedger::open(&path, &binding()).unwrap();
}

#[tokio::test]
async fn others_may_read_during_a_run_and_after() {
    let (_folder, path) = folder();
    assert_eq!(
        SqliteLedger::open_read_only(&path).unwrap_err().kind(),
        LedgerErrorKind::Corrupt,
        "there is none yet"
    );
    assert!(!path.exists());
    let run = SqliteLedger::open(&path, &binding()).unwrap();
    let onlooker = SqliteLedger::open_read_only(&path).unwrap();
    run.commit(vec![settle(key(1))]).await.unwrap();
    assert!(is_there(&onlooker, key(1)).await);
    let error = onlooker.commit(vec![settle(key(2))]).await.unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Locked);
    drop(run);
    assert!(is_there(&onlooker, key(1)).await);
    drop(onlooker);
    let onlooker = SqliteLedger::open_read_only(&path).unwrap();
    assert!(is_there(&onlooker, key(1)).await);
    drop(onlooker);
    SqliteLedger::open(&path, &binding()).unwrap();
}

#[test]
fn it_belongs_to_one_migration() {
    let (_folder, path) = folder();
    drop(SqliteLedger::open(&path, &binding()).unwrap());
    for (other, name) in [
        (Binding { source: "desk:other".into(), ..binding() }, "source"),
        (Binding { destination: "workspace:w2".into(), ..binding() }, "destination"),
        (Binding { key_prefix: "d".into(), ..binding() }, "key_prefix"),
    ] {
        let error = SqliteLedger::open(&path, &other).unwrap_err();
        assert_eq!(error.kind(), LedgerErrorKind::Foreign);
        assert!(error.to_string().contains(name), "{error}");
    }
    SqliteLedger::open(&path, &binding()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, path) = folder();
    let check = || {
        let mut names = Vec::new();
        for file in fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.file_name());
            names.push(file.file_name().into_string().unwrap());
        }
        names.sort();
        names
    };
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    ledger.commit(vec![settle(key(1))]).await.unwrap();
    let files = ["ledger.sqlite", "ledger.sqlite-shm", "ledger.sqlite-wal", "ledger.sqlite.lock"];
    assert_eq!(check(), files);
    drop(ledger);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    ledger.commit(vec![settle(key(2))]).await.unwrap();
    assert_eq!(check(), files);
}

#[test]
fn what_is_no_ledger_is_refused() {
    for garbage in ["?!", "a list of things, not a database\n", &"garbage ".repeat(4000)] {
        let (_folder, path) = folder();
        fs::write(&path, garbage).unwrap();
        refused(&path, LedgerErrorKind::Corrupt, "is not a ledger");
        assert_eq!(fs::read_to_string(&path).unwrap(), garbage, "it is left as it was");
    }
    for setup in ["PRAGMA application_id = 7", "CREATE TABLE theirs (id INTEGER)"] {
        let (_folder, path) = folder();
        Connection::open(&path).unwrap().execute_batch(setup).unwrap();
        let theirs = fs::read(&path).unwrap();
        refused(&path, LedgerErrorKind::Corrupt, "another program");
        assert_eq!(fs::read(&path).unwrap(), theirs, "it is left as it was");
    }
    let error = SqliteLedger::open("/no/such/folder/ledger.sqlite", &binding()).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Storage);
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_damaged_ledger_is_refused() {
    let made = |entries| async move {
        let (folder, path) = folder();
        let ledger = SqliteLedger::open(&path, &binding()).unwrap();
        ledger.commit((0..entries).map(key).map(settle).collect()).await.unwrap();
        (folder, path)
    };
    let (_folder, cut) = made(5000).await;
    let bytes = fs::metadata(&cut).unwrap().len();
    fs::File::options().write(true).open(&cut).unwrap().set_len(bytes / 2).unwrap();
    refused(&cut, LedgerErrorKind::Corrupt, "put back a copy");

    let spoil = |path: &Path, sql: &str| {
        Connection::open(path).unwrap().execute_batch(sql).unwrap();
    };
    let (_folder, emptied) = made(10).await;
    spoil(&emptied, "DROP TABLE binding");
    refused(&emptied, LedgerErrorKind::Corrupt, "its tables are not those of its version");

    let (_folder, unbound) = made(10).await;
    spoil(&unbound, "DELETE FROM binding WHERE name = 'source'");
    let error = SqliteLedger::open(&unbound, &binding()).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Corrupt);
    assert!(error.to_string().contains("key source: it is missing"), "{error}");

    // A small one is looked at whole when it is opened.
    let (_folder, small) = made(10).await;
    spoil(&small, "UPDATE entry SET fate = 3 WHERE key = 'contact:7'");
    refused(&small, LedgerErrorKind::Corrupt, "table entry, row 8: its checksum does not fit");

    // Of a large one, what is damaged is told by the read or the write that meets it.
    let (_folder, large) = made(40_000).await;
    spoil(&large, "UPDATE entry SET fate = 3 WHERE key = 'contact:7'");
    let ledger = SqliteLedger::open(&large, &binding()).unwrap();
    let read = ledger.entries(&[key(7)]).await.unwrap_err();
    assert!(is_there(&ledger, key(8)).await);
    let write = ledger.commit(vec![settle(key(7))]).await.unwrap_err();
    for error in [read, write] {
        assert_eq!(error.kind(), LedgerErrorKind::Corrupt);
        assert!(error.to_string().contains("table entry, key contact:7: "), "{error}");
    }
    let later = ledger.commit(vec![settle(key(8))]).await.unwrap_err();
    assert_eq!(later.kind(), LedgerErrorKind::Corrupt, "what follows may depend on it");
}

#[test]
fn a_newer_ledger_is_refused() {
    let (_folder, path) = folder();
    drop(SqliteLedger::open(&path, &binding()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refused(&path, LedgerErrorKind::Newer, "version 99");
}

/// A ledger whose writing connection has been tampered with.
fn tampered(path: &Path, sql: &str) -> SqliteLedger {
    let lock = Lock::take(path).unwrap();
    let writer = file::open_writer(path, &binding(), &lock, file::For::Run).unwrap();
    writer.execute_batch(sql).unwrap();
    SqliteLedger::assemble(path, writer, lock).unwrap()
}

/// Each transaction waits for the disk, so what is asked for while one is made durable shares the
/// next.
#[tokio::test]
async fn commits_that_come_together_share_transactions() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    let made = || {
        let db = Connection::open(&path).unwrap();
        db.query_row("SELECT commits FROM state", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = made();
    let commits = (0..500).map(|n| ledger.commit(vec![settle(key(n))]));
    assert!(join_all(commits).await.iter().all(Result::is_ok));
    let transactions = made() - before;
    assert!((1..=100).contains(&transactions), "{transactions} transactions for 500 commits");
}

#[tokio::test]
async fn one_bad_commit_does_not_spoil_its_neighbours() {
    let (_folder, path) = folder();
    let ledger = tampered(
        &path,
        "CREATE TRIGGER bad BEFORE INSERT ON entry WHEN new.key = 'contact:bad'
         BEGIN SELECT raise(ABORT, 'bad'); END",
    );
    // All are handed over before the first is awaited, so that they share transactions.
    let commits = (0..300).map(|n| {
        let second = if n % 100 == 50 { key("bad") } else { key(format!("{n}b")) };
        ledger.commit(vec![settle(key(n)), settle(second)])
    });
    let results = join_all(commits).await;
    for (n, result) in results.iter().enumerate() {
        let bad = n % 100 == 50;
        assert_eq!(result.is_err(), bad, "{n}");
        assert_eq!(is_there(&ledger, key(n)).await, !bad, "{n}");
    }
    ledger.commit(vec![settle(key("later"))]).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_stops_it_and_loses_nothing() {
    let (_folder, path) = folder();
    let ledger = tampered(&path, "PRAGMA max_page_count = 60");
    let commits = (0..2000).map(|n| {
        let wordy = Change::Discover { list: "l".into(), item: format!("{n}{}", "x".repeat(500)) };
        ledger.commit(vec![settle(key(n)), wordy, settle(key(format!("{n}b")))])
    });
    let results = join_all(commits).await;
    let written = results.iter().take_while(|result| result.is_ok()).count();
    assert!(written < 2000);
    for result in &results[written..] {
        let error = result.as_ref().unwrap_err();
        assert_eq!(error.kind(), LedgerErrorKind::Storage);
        assert!(error.to_string().contains("make room"), "{error}");
    }
    // It stays so, even for what would fit.
    let small = vec![Change::Meta { name: "a".into(), value: None }];
    assert_eq!(ledger.commit(small).await.unwrap_err().kind(), LedgerErrorKind::Storage);
    assert_eq!(ledger.scan(&Scan::of("contacts").limit(9000)).await.unwrap().len(), 2 * written);
    drop(ledger);

    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    let rows = ledger.scan(&Scan::of("contacts").limit(9000)).await.unwrap();
    let expected: Vec<_> = (0..written).flat_map(|n| [key(n), key(format!("{n}b"))]).collect();
    assert_eq!(rows.into_iter().map(|(_, entry)| entry.key).collect::<Vec<_>>(), expected);
    ledger.commit(vec![settle(key("later"))]).await.unwrap();
}

#[tokio::test]
async fn what_is_unparked_is_overwritten() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    let secret = "anna@example.com ".repeat(500);
    let parked = Parked {
        key: key(1),
        stage: "contacts".into(),
        lane: None,
        why: Parking::Group,
        since: DateTime::UNIX_EPOCH,
        not_before: DateTime::UNIX_EPOCH,
        looks: 0,
        drafts: Value::from(secret),
        notes: Vec::new(),
    };
    let holds =
        |path: &Path| fs::read(path).unwrap().windows(16).any(|bytes| bytes == b"anna@example.com");
    ledger.commit(vec![Change::Park(Box::new(parked))]).await.unwrap();
    drop(ledger);
    assert!(holds(&path));
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    ledger.commit(vec![Change::Unpark { key: key(1) }]).await.unwrap();
    drop(ledger);
    assert!(!holds(&path));
}
