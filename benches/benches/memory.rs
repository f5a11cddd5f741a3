//! How much memory does a migration take, and how fast is it, at ten thousand and at a million
//! records? Each size runs in a process of its own: a source that makes records up, a mapper, a
//! sink that does nothing, and a durable ledger (WAL, `synchronous = FULL`, commits grouped by the
//! writer's thread while the one before is made durable).
//!
//! `cargo bench -p migration-benches --bench memory`
//!
//! `STATE=DIR` names the folder of the ledger, and so the disk; `SIZES=10000,1000000` the sizes.

#![allow(missing_docs, reason = "a program, not a library")]
#![allow(clippy::expect_used, reason = "a bench has nobody to report an error to")]
#![allow(clippy::print_stdout, reason = "its figures are for a person to read")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use migrate_core::ledger::Binding;
use migrate_core::{
    Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, Found, Key, Limits, Page, Patience,
    Pipeline, Plan, Record, Repeat, Run, RunOptions, Sink, Source, SourceError, SqliteLedger,
    StopSignal, TargetId, Unobserved, Write, async_trait, map_fn,
};
use serde::{Deserialize, Serialize};

const PAGE: usize = 500;
/// Writes under way at once: more than any client would allow.
const IN_FLIGHT: usize = 512;

struct Numbers(u64);

impl Source for Numbers {
    type Record = u64;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
        let start: u64 = from.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        let all = self.0;
        stream::iter((start..all).step_by(PAGE))
            .map(move |at| {
                let end = all.min(at + PAGE as u64);
                let items = (at..end).map(|n| Ok(Record::new(Key::new("contact", n), n)));
                Ok(Page::new(items, (end < all).then(|| Cursor::new(end.to_string()))))
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.0)
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Row {
    name: String,
    email: String,
}

impl Draft for Row {
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

struct Nowhere;

#[async_trait]
impl Sink<Row> for Nowhere {
    async fn write(&self, batch: Vec<Write<Row>>) {
        for write in batch {
            let id = TargetId::new(format!("65f0a1b2c3d4e5f6{:08x}", write.key.id().len()));
            write.created(id);
        }
    }

    async fn find(&self, _: &Doubt<Row>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(IN_FLIGHT)
    }
}

async fn migrate(records: u64, path: &Path) {
    let mapper = map_fn(|record: Record<u64>, out: &mut Emit<Row>| {
        let n = record.body;
        out.push(Row { name: format!("Person {n}"), email: format!("p{n}@example.com") });
    });
    let stage = Pipeline::new("contacts", Numbers(records), mapper, Nowhere);
    let plan = Plan::new().stage(stage, &[]);
    let binding = Binding::new("numbers", "nowhere", "bench");
    let ledger = Arc::new(SqliteLedger::open(path, &binding).expect("a ledger"));
    let (stop, patience) = (StopSignal::new(), Patience::default());
    let run = Run::begin(ledger, Arc::new(Unobserved), stop, patience).await.expect("a run");
    plan.run(&run, &RunOptions::default()).await.expect("an end");
}

/// One size, in this process.
fn measure(records: u64) {
    let folder = match std::env::var_os("STATE") {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
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
    println!("{IN_FLIGHT} writes under way at most, pages of {PAGE}, synchronous = FULL");
    let sizes = std::env::var("SIZES").unwrap_or_else(|_| "10000,1000000".to_owned());
    for size in sizes.split(',') {
        let program = std::env::current_exe().expect("this program");
        let ended = Command::new(program).env("MEASURE", size).status().expect("a process");
        assert!(ended.success(), "{size} records");
    }
}
