//! How much memory does a migration take, and how fast is it, at ten thousand and at a million
//! records? Each size runs in a process of its own: a source that makes records up, a mapper, a
//! sink that does nothing, and a durable ledger (WAL, `synchronous = FULL`, commits grouped by the
//! writer's thread while the one before is made durable). Then the same with records of which two
//! share an object.
//!
//! `cargo bench -p migration-benches --bench memory`
//!
//! `STATE=DIR` names the folder of the ledger, and so the disk; by default it is the one that the
//! bench is run in. `SIZES=10000,1000000` are the sizes.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::expect_used, reason = "a bench has nobody to report an error to")]
#![allow(clippy::print_stdout, reason = "its figures are for a person to read")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use migrate_core::SqliteLedger;
use migrate_core::ledger::Binding;
use migration_benches::numbers::{self, PAGE};

/// Writes under way at once: more than any client would allow.
const IN_FLIGHT: usize = 512;

async fn migrate(records: u64, path: &Path) {
    let binding = Binding::new("numbers", "nowhere", "bench");
    let ledger = Arc::new(SqliteLedger::open(path, &binding).expect("a ledger"));
    match std::env::var_os("PAIRS") {
        Some(_) => numbers::migrate_pairs(records, IN_FLIGHT, ledger).await,
        None => numbers::migrate(records, IN_FLIGHT, ledger).await,
    }
}

/// One size, in this process.
fn measure(records: u64) {
    let folder = match std::env::var_os("STATE") {
        Some(folder) => tempfile::tempdir_in(folder),
        // The system's own folder for such things may be in memory.
        None => tempfile::tempdir_in("."),
    };
    let folder = folder.expect("a folder");
    let path = folder.path().join("ledger.sqlite");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let begun = Instant::now();
    runtime.expect("a runtime").block_on(migrate(records, &path));
    let took = begun.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&path).expect("a ledger").len();
    println!(
        "{records:>9} records  {:>8.0} records/s  {:>5.1} MB at most  {:>4} bytes of ledger a record",
        records as f64 / took,
        peak_memory().map_or(f64::NAN, |bytes| bytes as f64 / 1e6),
        bytes / records.max(1),
    );
}

/// The largest resident size of this process so far, where the system tells it.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

fn main() {
    if let Some(records) = std::env::var("MEASURE").ok().and_then(|text| text.parse().ok()) {
        return measure(records);
    }
    let state = std::env::var("STATE").unwrap_or_else(|_| {
        std::env::current_dir().map(|folder| folder.display().to_string()).unwrap_or_default()
    });
    println!("{IN_FLIGHT} writes under way at most, pages of {PAGE}; ledger in {state}, WAL with");
    println!("synchronous = FULL, commits grouped while the one before is made durable");
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "10000,1000000".to_owned());
    for pairs in [false, true] {
        if pairs {
            println!("the same in pairs that are read half the account apart:");
        }
        for size in sizes.split(',') {
            let program = std::env::current_exe().expect("this program");
            let mut process = Command::new(program);
            process.env("MEASURE", size);
            if pairs {
                process.env("PAIRS", "1");
            }
            assert!(process.status().expect("a process").success(), "{size} records");
        }
    }
}
