//! A clock that was set back between two processes.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use migrate_core::testkit::{
    CrashLedger, Fuse, MemoryTarget, Moment, Piece, ScriptedSource, Uniqueness, Unsynced,
};
use migrate_core::{
    Emit, Key, MemoryLedger, Pipeline, Plan, Record, Run, RunOptions, Sink, StopSignal, map_fn,
};

async fn run<K: Sink<Piece> + 'static>(
    source: &ScriptedSource<&'static str>,
    sink: K,
    ledger: &CrashLedger<MemoryLedger>,
) {
    let mapper = map_fn(|record: Record<&str>, out: &mut Emit<Piece>| {
        out.push(Piece::object(Uniqueness::ById, "a thread"));
        out.part("text", Piece::Corrected(record.body.to_owned()));
        out.part("close", Piece::Close);
    });
    let plan = Plan::new().stage(Pipeline::new("threads", source.clone(), mapper, sink), &[]);
    let (ledger, stop) = (Arc::new(ledger.clone()), StopSignal::new());
    let run = Run::on(ledger).stopped_by(stop).begin().await;
    // The paused clock of the runs before is not carried on: each run begins at the wall's time,
    // which is earlier than what they have written into the ledger.
    plan.run(&run.expect("a run"), &RunOptions::default()).await.expect("it ends well");
}

#[tokio::test(start_paused = true)]
async fn a_thread_opened_again_is_closed_again_though_the_clock_was_set_back() {
    let source = ScriptedSource::new([("thread:1", "hello")]);
    let target = MemoryTarget::new().answering_in(Duration::from_secs(60));
    let first = CrashLedger::new(MemoryLedger::new(), 1);
    run(&source, target.clone(), &first).await;

    source.put("thread:1", "hello, all");
    // The correction is written, which opens the thread; the process dies before the close.
    let fuse = Fuse::at(2, Moment::Before);
    let killed = fuse.burn(run(&source, fuse.guard(target.clone()), &first)).await;
    let thread = |target: &MemoryTarget| target.of(&Key::new("thread", 1)).remove(0);
    assert!(killed.is_none() && !thread(&target).closed, "{:?}", thread(&target));

    let next = first.recover(Unsynced::Vanish).await;
    run(&source, target.clone(), &next).await;
    assert!(thread(&target).closed, "{:?}", thread(&target));
}
