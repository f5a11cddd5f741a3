//! How fast is the engine when nothing else is slow? Records through mapper and pipeline into a
//! sink that does nothing, on a ledger in memory and on a durable one.
//!
//! `cargo bench -p migration-benches --bench engine`

#![allow(missing_docs, reason = "criterion's macros make items that cannot be documented")]
#![allow(clippy::expect_used, reason = "a bench has nobody to report an error to")]

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use migrate_core::ledger::Binding;
use migrate_core::{Ledger, MemoryLedger, SqliteLedger};
use migration_benches::numbers;

const RECORDS: u64 = 20_000;
/// Writes under way at once.
const IN_FLIGHT: usize = 512;

async fn migrate(ledger: Arc<dyn Ledger>) {
    numbers::migrate(RECORDS, IN_FLIGHT, ledger).await;
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
