//! A record that the mapper lets write nothing any more, while nobody knows whether it was written
//! by a process that died.

use std::sync::Arc;

use migrate_core::ledger::Ledger as _;
use migrate_core::testkit::{
    CrashLedger, Fuse, MemoryTarget, Moment, Piece, ScriptedSource, Uniqueness, Unsynced,
};
use migrate_core::{
    Emit, Fate, Key, MemoryLedger, Pipeline, Plan, Reason, Record, Run, RunOptions, Sink, map_fn,
};

async fn run<K: Sink<Piece> + 'static>(
    source: &ScriptedSource<&'static str>,
    sink: K,
    ledger: &CrashLedger<MemoryLedger>,
) {
    let mapper = map_fn(|record: Record<&str>, out: &mut Emit<Piece>| match record.body {
        "secret" => out.skip(Reason::new("secret", "it is not to be migrated")),
        text => out.push(Piece::object(Uniqueness::Listed, text)),
    });
    let stage = Pipeline::new("threads", source.clone(), mapper, sink);
    let run = Run::on(Arc::new(ledger.clone())).begin().await.unwrap();
    ledger.follow(&run);
    Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_found_out_first_whether_it_was_written() {
    for (moment, fate) in [
        (Moment::Before, Fate::Skipped),
        (Moment::Answer, Fate::Created),
        (Moment::OnItsWay, Fate::Created),
    ] {
        let source = ScriptedSource::new([("thread:1", "hello")]);
        let (target, first) = (MemoryTarget::new(), CrashLedger::new(MemoryLedger::new(), 1));
        let fuse = Fuse::at(1, moment);
        assert!(fuse.burn(run(&source, fuse.guard(target.clone()), &first)).await.is_none());
        source.put("thread:1", "secret");

        let next = first.recover(Unsynced::Vanish).await;
        for _ in 0..2 {
            run(&source, target.clone(), &next).await;
            let entry = next.entries(&[Key::new("thread", 1)]).await.unwrap().remove(0).unwrap();
            assert_eq!(entry.fate, fate, "{moment:?}");
            let there = target.of(&Key::new("thread", 1)).len();
            assert_eq!(there, usize::from(fate == Fate::Created), "{moment:?}");
            assert_eq!(entry.target.is_some(), there == 1, "{moment:?}: the ledger knows it");
        }
    }
}
