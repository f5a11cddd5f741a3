//! What a pass has read, and what has become of it, held against each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;
use migrate_core::ledger::Change;
use migrate_core::testkit::{MemoryTarget, Piece, ScriptedSource, Uniqueness};
use migrate_core::{
    Emit, Fate, Key, Ledger as _, MemoryLedger, Pipeline, Plan, Record, Run, RunError, RunOptions,
    Standing, map_fn,
};

/// What was read and what has a fate are compared by their keys: one that is lost is missed, also where
/// another that nobody read makes up for it in number.
#[tokio::test(start_paused = true)]
async fn fates_are_proven_by_identity() {
    let key = |n: u64| Key::new("record", n);
    let page = |key| Change::Page {
        stage: "records".into(),
        pass: 1,
        keys: vec![key],
        next: None,
        mark: None,
    };
    for made_up_for in [false, true] {
        let ledger = Arc::new(MemoryLedger::new());
        if made_up_for {
            let settle = Change::Settle {
                key: key(98),
                stage: "records".into(),
                fate: Fate::Created,
                fingerprint: None,
                target: None,
                reason: None,
                notes: Vec::new(),
                attempts: 0,
                at: chrono::Utc::now(),
            };
            ledger.commit(vec![settle, page(key(98))]).await.expect("a commit");
        }
        let kept = ledger.clone();
        let mapper = map_fn(move |record: Record<()>, out: &mut Emit<Piece>| {
            if record.key.id() == "2" {
                // As a ledger would that has lost the fate of a record.
                kept.commit(vec![page(Key::new("record", 99))]).now_or_never();
            }
            out.push(Piece::object(Uniqueness::Indexed, "one"));
        });
        let source = ScriptedSource::new([(key(1), ()), (key(2), ())]);
        let stage = Pipeline::new("records", source, mapper, MemoryTarget::new());
        let run = Run::on(ledger.clone()).begin().await.expect("a run");
        let end = Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await;
        let error = end.expect_err("a key has no fate");
        assert!(matches!(error, RunError::Unaccounted { .. }), "{error:?}");
        let (state, proof) = (
            ledger.stage("records").await.expect("a stage"),
            ledger.proof("records", 1).await.expect("a proof"),
        );
        assert!(!state.finished);
        assert_eq!((state.keys, proof.keys), (3, if made_up_for { 3 } else { 2 }));
        let names = ["records"];
        let standing = Standing::of(&*ledger, &names, &BTreeMap::new(), |_| {}).await;
        assert!(!standing.expect("a standing").accounted, "{made_up_for}");
    }
}
