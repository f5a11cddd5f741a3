//! References within one stage: the order in which records are read or written must not matter,
//! and records that wait for each other must not keep a run from its end.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use migrate_core::testkit::{CrashLedger, MemoryTarget, Piece, ScriptedSource, Uniqueness};
use migrate_core::{
    Alias, Emit, Fate, Key, Ledger, MemoryLedger, Pipeline, Plan, Record, Run, RunOptions,
    StopSignal, Tally, map_fn,
};

fn key(n: u64) -> Key {
    Key::new("record", n)
}

/// A record that may belong to another.
type Of = Option<u64>;

struct Migration {
    source: ScriptedSource<Of>,
    aliases: bool,
    target: MemoryTarget,
    ledger: CrashLedger<MemoryLedger>,
}

impl Migration {
    fn new(source: ScriptedSource<Of>, aliases: bool) -> Self {
        let (target, ledger) = (MemoryTarget::new(), CrashLedger::new(MemoryLedger::new(), 1));
        Self { source, aliases, target, ledger }
    }

    /// One run, within a day.
    async fn run(&self) -> Tally {
        let aliases = self.aliases;
        let mapper = map_fn(move |record: Record<Of>, out: &mut Emit<Piece>| {
            if aliases {
                out.alias(Alias::new("name", record.key.as_str()));
            }
            let (unique, text) = (Uniqueness::Listed, record.key.as_str());
            out.push(match record.body {
                None => Piece::object(unique, text),
                Some(parent) => Piece::object_of(unique, text, key(parent)),
            });
        });
        let stage = Pipeline::new("records", self.source.clone(), mapper, self.target.clone());
        let plan = Plan::new().stage(stage, &[]);
        let (ledger, stop) = (Arc::new(self.ledger.clone()), StopSignal::new());
        let run = Run::on(ledger).stopped_by(stop).begin().await;
        let run = run.expect("a run");
        self.ledger.follow(&run);
        let options = RunOptions::default();
        let ended = plan.run(&run, &options);
        let ended = tokio::time::timeout(Duration::from_secs(86_400), ended).await;
        ended.expect("it ends within a day").expect("it ends well");
        self.ledger.tally("records").await.expect("a tally")
    }
}

fn records(of: impl IntoIterator<Item = (u64, Of)>) -> ScriptedSource<Of> {
    ScriptedSource::new(of.into_iter().map(|(n, of)| (key(n), of)))
}

#[tokio::test(start_paused = true)]
async fn a_child_waits_for_its_parent_that_is_being_written() {
    let migration = Migration::new(records([(1, None), (2, Some(1))]), false);
    assert_eq!(migration.run().await.of(Fate::Created), 2);
}

#[tokio::test(start_paused = true)]
async fn a_child_waits_for_its_parent_that_is_read_later() {
    let migration = Migration::new(records([(1, Some(2)), (2, None)]).pages_of(1), false);
    assert_eq!(migration.run().await.of(Fate::Created), 2, "as if they were read the other way");
    let writes = migration.target.writes();
    migration.run().await;
    assert_eq!(migration.target.writes(), writes, "a second run wrote");
}

#[tokio::test(start_paused = true)]
async fn a_parent_behind_its_child_in_one_lane_ends() {
    let rows = [(1, Some(2)), (2, None)];
    let rows = rows.map(|(n, of)| Ok(Record::new(key(n), of).in_lane("a")));
    let migration = Migration::new(ScriptedSource::of(rows), true);
    let tally = migration.run().await;
    assert_eq!(tally.of(Fate::Pending) + tally.of(Fate::InDoubt), 0, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn a_circle_of_references_ends() {
    let migration = Migration::new(records([(1, Some(2)), (2, Some(1)), (3, None)]), true);
    let tally = migration.run().await;
    assert_eq!(tally.of(Fate::Created), 1, "{tally:?}");
    assert_eq!(tally.of(Fate::Pending) + tally.of(Fate::InDoubt), 0, "{tally:?}");
}
