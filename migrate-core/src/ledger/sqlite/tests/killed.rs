//! A process that is killed while it commits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;

use super::{binding, folder, is_there, key, settle};
use crate::SqliteLedger;
use crate::ledger::{Ledger as _, LedgerErrorKind, Scan};

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
        .args(["ledger::sqlite::tests::killed::child", "--exact", "--ignored", "--nocapture"])
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
    let rows = ledger.scan(&Scan::of("contacts").limit(usize::MAX)).await.unwrap();
    for pair in rows.chunks(2) {
        let second = format!("{}b", pair[0].1.key);
        assert_eq!(pair[1].1.key.as_str(), second, "no commit is there by half");
    }
}
