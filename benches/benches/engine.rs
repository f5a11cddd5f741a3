//! How fast is the engine when nothing else is slow? Records through mapper and pipeline into a
//! sink that does nothing, on a ledger in memory and on a durable one.
//!
//! `cargo bench -p migration-benches --bench engine`

#![allow(missing_docs, reason = "criterion's macros make items that cannot be documented")]
#![allow(clippy::expect_used, reason = "a bench has nobody to report an error to")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use migrate_core::ledger::Binding;
use migrate_core::{
    Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, Found, Key, Ledger, Limits,
    MemoryLedger, Page, Patience, Pipeline, Plan, Record, Repeat, Run, RunOptions, Sink, Source,
    SourceError, SqliteLedger, StopSignal, TargetId, Unobserved, Write, async_trait, map_fn,
};
use serde::{Deserialize, Serialize};

const RECORDS: u64 = 20_000;
const PAGE: u64 = 500;

struct Numbers;

impl Source for Numbers {
    type Record = u64;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
        let start: u64 = from.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        stream::iter((start..RECORDS).step_by(PAGE as usize))
            .map(|at| {
                let end = RECORDS.min(at + PAGE);
                let items = (at..end).map(|n| Ok(Record::new(Key::new("number", n), n)));
                let next = (end < RECORDS).then(|| Cursor::new(end.to_string()));
                Ok(Page::new(items, next))
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(RECORDS)
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

#[derive(Clone)]
struct Nowhere;

#[async_trait]
impl Sink<Row> for Nowhere {
    async fn write(&self, batch: Vec<Write<Row>>) {
        for write in batch {
            let id = TargetId::new(write.key.id());
            write.created(id);
        }
    }

    async fn find(&self, _: &Doubt<Row>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(256)
    }
}

async fn migrate(ledger: Arc<dyn Ledger>) {
    let mapper = map_fn(|record: Record<u64>, out: &mut Emit<Row>| {
        let n = record.body;
        out.push(Row { name: format!("Person {n}"), email: format!("p{n}@example.com") });
    });
    let plan = Plan::new().stage(Pipeline::new("numbers", Numbers, mapper, Nowhere), &[]);
    let (stop, patience) = (StopSignal::new(), Patience::default());
    let run = Run::begin(ledger, Arc::new(Unobserved), stop, patience).await.expect("a run");
    plan.run(&run, &RunOptions::default()).await.expect("an end");
}

fn engine(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("records");
    group.throughput(Throughput::Elements(RECORDS)).sample_size(10);
    group.bench_function("memory", |bencher| {
        let ledger = || Arc::new(MemoryLedger::default());
        bencher.iter_batched(ledger, |it| runtime.block_on(migrate(it)), BatchSize::PerIteration);
    });
    group.bench_function("sqlite", |bencher| {
        let ledger = || {
            let dir = tempfile::tempdir().expect("a folder");
            let binding = Binding::new("numbers", "nowhere", "bench");
            let ledger = SqliteLedger::open(dir.path().join("ledger.sqlite"), &binding);
            (dir, Arc::new(ledger.expect("a ledger")))
        };
        bencher.iter_batched(
            ledger,
            |(_dir, ledger)| runtime.block_on(migrate(ledger)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, engine);
criterion_main!(benches);
