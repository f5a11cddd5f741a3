//! A small migration of all features – groups, references, lanes, parts, closes, dead and queued
//! records, batches, marks of a source that tells what has changed, images of what was there before –
//! killed at each call to its ledger, its sources and its destination in turn, and gone on
//! with: the same destination each time, and a further run writes nothing.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of a test may fail it as well")]

#[allow(unreachable_pub, missing_docs, dead_code, reason = "a module of tests")]
mod world;

use std::sync::Arc;
use std::time::Duration;

use migrate_core::testkit::{CrashLedger, CrashPoint, Fuse, MemoryTarget, Process, crash_points};
use migrate_core::{
    Fate, Key, Ledger, MemoryLedger, Run, RunError, RunOptions, Selection, StopSignal,
};
use serde_json::json;
use world::{Data, STAGES};

struct World {
    data: Data,
    target: MemoryTarget,
}

impl World {
    /// Nothing is migrated yet.
    async fn fresh() -> (Self, CrashLedger<MemoryLedger>) {
        let world = Self { data: Data::small(), target: world::target() };
        world.target.insert(known(), WAS_THERE);
        (world, CrashLedger::new(MemoryLedger::new(), 0))
    }

    /// The same, before a destination that takes several writes at once.
    async fn fresh_for_batches() -> (Self, CrashLedger<MemoryLedger>) {
        let (world, ledger) = Self::fresh().await;
        (Self { target: world.target.taking(3, 2), ..world }, ledger)
    }

    /// All is migrated, and the source has gone on since.
    async fn gone_on() -> (Self, CrashLedger<MemoryLedger>) {
        let (world, ledger) = Self::fresh().await;
        world.undisturbed(&ledger).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        world.data.goes_on();
        (world, ledger)
    }

    /// All is migrated, and what the destination refused was mended there since.
    async fn mended() -> (Self, CrashLedger<MemoryLedger>) {
        let (world, ledger) = Self::fresh().await;
        world.undisturbed(&ledger).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        world.target.answer(Key::new("lead", 7), None);
        (world, ledger)
    }

    /// Tries again what is dead or queued. The leads can be looked up, the others are read whole.
    async fn redrive(&self, process: Process) -> Result<(), RunError> {
        self.redrive_on(process.ledger.clone(), &process.fuse, |run| process.follow(run)).await
    }

    async fn redrive_on(
        &self,
        ledger: Arc<dyn Ledger>,
        fuse: &Fuse,
        begun: impl FnOnce(&Run),
    ) -> Result<(), RunError> {
        let plan = world::fused_plan(&self.data, &self.target, fuse);
        let run = Run::on(ledger).patience(world::patience()).begin().await?;
        begun(&run);
        plan.redrive(&run, &Selection::all(), &RunOptions::default()).await.map(drop)
    }

    /// What the destination holds when it was driven again without a kill.
    async fn redriven() -> Vec<String> {
        let (world, ledger) = Self::mended().await;
        let (shared, fuse) = (Arc::new(ledger.clone()), Fuse::never());
        let run = world.redrive_on(shared, &fuse, |run| ledger.follow(run));
        run.await.expect("a run");
        assert!(!world.target.of(&Key::new("lead", 7)).is_empty(), "what was mended is written");
        world.target.contents()
    }

    /// What the destination holds after a run without a kill.
    async fn migrated(fresh: impl AsyncFn() -> (Self, CrashLedger<MemoryLedger>)) -> Vec<String> {
        let (world, ledger) = fresh().await;
        world.undisturbed(&ledger).await;
        assert_eq!(world.data.not_as_it_should_be(&world.target), [""; 0]);
        world.target.contents()
    }

    async fn process(&self, process: Process) -> Result<(), RunError> {
        self.process_with(process, &RunOptions::default()).await
    }

    /// Reads what the sources say has changed, and nothing else.
    async fn process_changes(&self, process: Process) -> Result<(), RunError> {
        self.process_with(process, &RunOptions::default().changes_only()).await
    }

    async fn process_with(&self, process: Process, options: &RunOptions) -> Result<(), RunError> {
        let plan = world::fused_plan(&self.data, &self.target, &process.fuse);
        let (ledger, stop) = (process.ledger.clone(), StopSignal::new());
        world::run_with(&plan, ledger, stop, options, |run| process.follow(run)).await.map(drop)
    }

    async fn undisturbed(&self, ledger: &CrashLedger<MemoryLedger>) {
        let plan = world::fused_plan(&self.data, &self.target, &Fuse::never());
        let shared = Arc::new(ledger.clone());
        let run = world::run(&plan, shared, StopSignal::new(), |run| ledger.follow(run));
        run.await.expect("a run");
    }
}

/// Somebody who was in the destination before, and what stood there.
fn known() -> Key {
    world::person(4)
}

const WAS_THERE: &str = "Robert";

async fn is_whole(ledger: &dyn Ledger, at: &str) {
    let image = ledger.before(&known()).await.expect("an image");
    assert_eq!(image, Some(json!({ "text": WAS_THERE })), "{at}: what was there is kept");
    for stage in STAGES {
        let state = ledger.stage(stage).await.expect("a stage");
        let proof = ledger.proof(stage, state.pass).await.expect("a proof");
        assert!(state.finished, "{at}: {stage} is not finished");
        assert_eq!((proof.keys, proof.digest), (state.keys, state.digest), "{at}: {stage}");
        let tally = ledger.tally(stage).await.expect("a tally");
        let open = tally.of(Fate::InDoubt) + tally.of(Fate::Pending);
        assert_eq!(open, 0, "{at}: {stage} has records without a fate");
    }
}

async fn killed_anywhere(
    fresh: impl AsyncFn() -> (World, CrashLedger<MemoryLedger>),
    process: impl AsyncFn(&World, Process) -> Result<(), RunError>,
    expected: Vec<String>,
) -> u64 {
    let check =
        async |world: &World, ledger: &CrashLedger<MemoryLedger>, point: Option<CrashPoint>| {
            let at = point.map_or_else(|| "not killed".to_owned(), |point| point.to_string());
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(world.target.contents(), expected, "{at}");
            assert_eq!(world.target.twins(), [], "{at}");
            assert_eq!(world.target.complaints(), [""; 0], "{at}");
            is_whole(ledger, &at).await;

            let writes = world.target.writes();
            world.undisturbed(ledger).await;
            assert_eq!(world.target.writes(), writes, "{at}: a further run wrote");
        };
    crash_points(fresh, process, check).await
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_call_changes_nothing_in_the_end() {
    let calls =
        killed_anywhere(World::fresh, World::process, World::migrated(World::fresh).await).await;
    assert!(calls > 60, "the migration is too small to prove anything: {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_while_changes_are_brought_over() {
    let calls =
        killed_anywhere(World::gone_on, World::process, World::migrated(World::gone_on).await)
            .await;
    assert!(calls > 60, "the migration is too small to prove anything: {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_where_writes_go_in_batches() {
    let expected = World::migrated(World::fresh_for_batches).await;
    assert_eq!(expected, World::migrated(World::fresh).await, "as without batches");
    let calls = killed_anywhere(World::fresh_for_batches, World::process, expected).await;
    assert!(calls > 50, "the migration is too small to prove anything: {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_while_only_changes_are_read() {
    let expected = World::migrated(World::gone_on).await;
    let calls = killed_anywhere(World::gone_on, World::process_changes, expected).await;
    assert!(calls > 40, "the migration is too small to prove anything: {calls} calls");
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_while_the_dead_are_driven_again() {
    let calls = killed_anywhere(World::mended, World::redrive, World::redriven().await).await;
    assert!(calls > 20, "the migration is too small to prove anything: {calls} calls");
}
