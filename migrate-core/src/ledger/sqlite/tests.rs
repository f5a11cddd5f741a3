use std::error::Error as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::DateTime;
use futures::FutureExt as _;
use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::{option, sample::select};
use tempfile::TempDir;

use super::*;
use crate::ledger::{How, contract};
use crate::{Cursor, Fate, Fingerprint, MemoryLedger, Reason, TargetId};

fn binding() -> Binding {
    Binding::new("desk:acme", "workspace:w1", "desk")
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    (folder, path)
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

#[test]
fn it_agrees_with_the_ledger_in_memory() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let commits = vec(vec(change(), 0..4), 0..40);
    proptest!(ProptestConfig::with_cases(40), |(commits in commits)| runtime.block_on(async {
        let (_folder, path) = folder();
        let (durable, memory) =
            (SqliteLedger::open(&path, &binding()).unwrap(), MemoryLedger::new());
        for changes in commits {
            durable.commit(changes.clone()).await.unwrap();
            memory.commit(changes).await.unwrap();
            assert_eq!(everything(&durable).await, everything(&memory).await);
        }
    }));
}

/// Any change, among so few names that they meet.
fn change() -> impl Strategy<Value = Change> {
    let stage = || select(vec!["a".to_owned(), "b".to_owned()]);
    let whole = || (0..3u8).prop_map(key);
    let write = || (whole(), 0..3u8).prop_map(|(key, n)| if n == 0 { key } else { key.part(n) });
    let at = || (0..1000i64).prop_map(|n| DateTime::from_timestamp_micros(n).unwrap());
    let target = || (0..9u8).prop_map(|n| TargetId::new(n.to_string()));
    let fingerprint = || (0..9u8).prop_map(|n| Fingerprint::of(&[n]));
    let how = select(vec![How::Created, How::Updated, How::Unchanged]);
    let alias = || (0..3u8).prop_map(|n| Alias::new("n", n.to_string()));
    let reason = || Reason::new("code", "message");
    let fate = select(Fate::ALL.to_vec());
    prop_oneof![
        (
            whole(),
            stage(),
            fate,
            option::of(fingerprint()),
            option::of(target()),
            any::<bool>(),
            at()
        )
            .prop_map(move |(key, stage, fate, fingerprint, target, explained, at)| {
                let reason = explained.then(reason);
                let (notes, attempts) = (Vec::new(), u32::from(explained));
                Change::Settle {
                    key,
                    stage,
                    fate,
                    fingerprint,
                    target,
                    reason,
                    notes,
                    attempts,
                    at,
                }
            }),
        (write(), stage(), at()).prop_map(|(key, stage, at)| Change::Intent { key, stage, at }),
        (write(), stage(), target(), fingerprint(), how, at()).prop_map(
            |(key, stage, target, fingerprint, how, at)| Change::Done {
                key,
                stage,
                target,
                fingerprint,
                how,
                at
            }
        ),
        write().prop_map(|key| Change::Void { key }),
        (whole(), stage(), vec(alias(), 0..3)).prop_map(|(key, stage, aliases)| Change::Aliases {
            key,
            stage,
            aliases
        }),
        (stage(), stage()).prop_map(|(list, item)| Change::Discover { list, item }),
        (whole(), stage(), select(Parking::ALL.to_vec()), at()).prop_map(
            |(key, stage, why, at)| Change::Park(Box::new(Parked {
                key,
                stage,
                lane: None,
                why,
                since: at,
                not_before: at,
                looks: 0,
                drafts: Value::Null,
                notes: Vec::new(),
            }))
        ),
        whole().prop_map(|key| Change::Unpark { key }),
        (write(), 0..9u8).prop_map(|(key, n)| Change::Before { key, image: Value::from(n) }),
        (stage(), 0..3u32, vec(whole(), 0..3), option::of(stage())).prop_map(
            |(stage, pass, keys, next)| {
                Change::Page { stage, pass, keys, next: next.map(Cursor::new) }
            }
        ),
        (stage(), 1..3u32, at()).prop_map(|(stage, pass, at)| Change::Begin { stage, pass, at }),
        stage().prop_map(|stage| Change::Read { stage }),
        (stage(), at()).prop_map(|(stage, at)| Change::Finish { stage, at }),
        (stage(), option::of(0..9u8))
            .prop_map(|(name, value)| { Change::Meta { name, value: value.map(Value::from) } }),
    ]
}

/// All that can be read of a ledger, as text; rows differ from ledger to ledger.
async fn everything(ledger: &dyn Ledger) -> String {
    let keys: Vec<_> = (0..3).map(key).collect();
    let aliases: Vec<_> = (0..3).map(|n| Alias::new("n", n.to_string())).collect();
    let mut all = format!("{:?}\n", ledger.entries(&keys).await.unwrap());
    all += &format!("{:?}\n", ledger.known_as(&aliases).await.unwrap());
    all += &format!("{:?}\n", ledger.parked_among(&keys).await.unwrap());
    for key in keys.iter().flat_map(|key| [key.clone(), key.part(1), key.part(2)]) {
        all += &format!("{:?}\n", ledger.before(&key).await.unwrap());
    }
    for name in ["a", "b"] {
        all += &format!("{:?}\n", ledger.stage(name).await.unwrap());
        all += &format!("{:?}\n", ledger.meta(name).await.unwrap());
        for pass in 0..3 {
            all += &format!("{:?}\n", ledger.tally(name, pass).await.unwrap());
        }
        for (_, entry) in ledger.scan(name, 0, 9).await.unwrap() {
            all += &format!("{entry:?}\n");
        }
        for (_, item) in ledger.discovered(name, 0, 9).await.unwrap() {
            all += &format!("{item}\n");
        }
        for why in Parking::ALL {
            for (_, parked) in ledger.parked(name, why, 0, 9).await.unwrap() {
                all += &format!("{parked:?}\n");
            }
        }
    }
    all
}

#[tokio::test]
async fn what_was_committed_is_there_when_it_is_opened_again() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    ledger.commit(vec![settle(key(1))]).await.unwrap();
    // Handed over, and then no longer awaited.
    assert!(ledger.commit(vec![settle(key(2))]).now_or_never().is_none());
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
    let made = || async {
        let (folder, path) = folder();
        let ledger = SqliteLedger::open(&path, &binding()).unwrap();
        ledger.commit((0..5000).map(key).map(settle).collect()).await.unwrap();
        (folder, path)
    };
    let (_folder, cut) = made().await;
    let bytes = fs::metadata(&cut).unwrap().len();
    fs::File::options().write(true).open(&cut).unwrap().set_len(bytes / 2).unwrap();
    refused(&cut, LedgerErrorKind::Corrupt, "put back a copy");

    let (_folder, emptied) = made().await;
    Connection::open(&emptied).unwrap().execute_batch("DROP TABLE binding").unwrap();
    let error = SqliteLedger::open(&emptied, &binding()).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Corrupt);

    // What only shows later is told by the read that meets it.
    let (_folder, spoilt) = made().await;
    Connection::open(&spoilt).unwrap().execute_batch("UPDATE entry SET fate = 99").unwrap();
    let ledger = SqliteLedger::open(&spoilt, &binding()).unwrap();
    let error = ledger.entries(&[key(1)]).await.unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Corrupt);
    assert!(ledger.stage("contacts").await.is_ok());
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
    let lock = file::lock(path).unwrap();
    file::make(path).unwrap();
    let writer = file::open_writer(path, &binding()).unwrap();
    writer.execute_batch(sql).unwrap();
    SqliteLedger::assemble(path, writer, lock).unwrap()
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
    assert_eq!(ledger.scan("contacts", 0, 9000).await.unwrap().len(), 2 * written);
    drop(ledger);

    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    let rows = ledger.scan("contacts", 0, 9000).await.unwrap();
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

const CHILD: &str = "MIGRATE_CORE_TEST_LEDGER";

/// Run in a process of its own by the test below: commits pairs of entries until it is killed, and
/// prints the number of each pair once it is durable.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs in a process that another test starts and kills"]
async fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let ledger = Arc::new(SqliteLedger::open(path, &binding()).unwrap());
    let next = Arc::new(AtomicUsize::new(0));
    let tasks = (0..32).map(|_| {
        let (ledger, next) = (Arc::clone(&ledger), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let pair = vec![settle(key(n)), settle(key(format!("{n}b")))];
                ledger.commit(pair).await.unwrap();
                // Not captured, unlike what `println!` prints.
                std::io::stdout().write_all(format!("durable {n}\n").as_bytes()).unwrap();
            }
        })
    });
    join_all(tasks.collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_killed_process_leaves_all_it_acknowledged_and_no_lock() {
    let (_folder, path) = folder();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["ledger::sqlite::tests::child", "--exact", "--ignored", "--nocapture"])
        .env(CHILD, &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The first line may follow a word of the test runner's on the same line.
        if let Some((_, n)) = line.unwrap().split_once("durable ") {
            acknowledged.push(n.parse::<usize>().unwrap());
        }
        if acknowledged.len() >= 1000 && !killed {
            let error = SqliteLedger::open(&path, &binding()).unwrap_err();
            assert_eq!(error.kind(), LedgerErrorKind::Locked);
            let onlooker = SqliteLedger::open_read_only(&path).unwrap();
            assert!(is_there(&onlooker, key(acknowledged[999])).await);
            child.kill().unwrap();
            killed = true;
        }
    }
    child.wait().unwrap();
    assert!(killed);

    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    for n in acknowledged {
        assert!(is_there(&ledger, key(n)).await, "{n} was acknowledged");
    }
    let rows = ledger.scan("contacts", 0, usize::MAX).await.unwrap();
    for pair in rows.chunks(2) {
        let second = format!("{}b", pair[0].1.key);
        assert_eq!(pair[1].1.key.as_str(), second, "no commit is there by half");
    }
}
