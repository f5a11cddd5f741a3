//! One record met by two ways, under two keys: by its number here, by its name there. It is written
//! once, whichever comes first, and however far apart.

use std::sync::Arc;

use migrate_core::testkit::{MemoryTarget, Piece, ScriptedSource, Uniqueness};
use migrate_core::{
    Alias, Emit, Fate, Ledger as _, MemoryLedger, Pipeline, Plan, Record, Run, RunOptions, map_fn,
};

/// A text, and the name by which the same record is known to other ways.
type Body = (&'static str, &'static str);

async fn run(
    source: &ScriptedSource<Body>,
    target: &MemoryTarget,
    ledger: &Arc<MemoryLedger>,
) -> Run {
    let mapper = map_fn(|record: Record<Body>, out: &mut Emit<Piece>| {
        let (name, text) = record.body;
        let alias = Alias::new("name", name);
        out.alias(alias);
        out.same_as(alias);
        out.push(Piece::object(Uniqueness::Listed, text));
    });
    let run = Run::on(ledger.clone()).begin().await.unwrap();
    let stage = Pipeline::new("calls", source.clone(), mapper, target.clone());
    Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await.unwrap();
    run
}

async fn fates(ledger: &MemoryLedger, keys: &[&str]) -> Vec<(Fate, bool)> {
    let keys: Vec<_> = keys.iter().map(|key| (*key).into()).collect();
    let entries = ledger.entries(&keys).await.unwrap().into_iter().flatten();
    entries.map(|entry| (entry.fate, entry.target.is_some())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_record_met_by_two_ways_is_written_once() {
    for page in [1, 2, 10] {
        let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
        let calls =
            [("call:1", ("a", "one")), ("call:at/a", ("a", "one")), ("call:2", ("b", "two"))].map(
                |(key, body)| (migrate_core::Key::from(key.replace('/', "%2F").as_str()), body),
            );
        let source = ScriptedSource::new(calls).pages_of(page);
        run(&source, &target, &ledger).await;
        assert_eq!((target.objects().len(), target.twins()), (2, vec![]), "pages of {page}");
        let merged = fates(&ledger, &["call:at%2Fa"]).await;
        assert_eq!(merged[0].0, Fate::Merged, "pages of {page}");

        let again = run(&source, &target, &ledger).await;
        let tally = again.tally("calls");
        assert_eq!((target.objects().len(), tally.of(Fate::Unchanged)), (2, 3), "pages of {page}");
        let merged = fates(&ledger, &["call:at%2Fa"]).await;
        assert_eq!(merged, [(Fate::Merged, true)], "its object is known by now");
    }
}

/// The way by which it was met first stays the one it is written by.
#[tokio::test(start_paused = true)]
async fn a_way_that_comes_later_leads_to_what_is_there() {
    let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
    let source = ScriptedSource::new([("call:at-a", ("a", "one"))]);
    run(&source, &target, &ledger).await;
    source.put("call:1", ("a", "one"));
    source.put("call:2", ("b", "two"));
    for _ in 0..2 {
        run(&source, &target, &ledger).await;
        assert_eq!(target.objects().len(), 2);
        let found = fates(&ledger, &["call:at-a", "call:1", "call:2"]).await;
        let (made, merged) = ((Fate::Created, true), (Fate::Merged, true));
        assert_eq!(found, [made, merged, made]);
    }
}

/// Each way has a name of its own: two records of one way that share it stay two, and what both ways
/// have written as two before they came to share it does so as well.
#[tokio::test(start_paused = true)]
async fn two_records_of_one_way_are_never_one() {
    let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
    let mapper = || {
        map_fn(|record: Record<Body>, out: &mut Emit<Piece>| {
            let (by_number, by_id) =
                (Alias::new("by-number", record.body.0), Alias::new("by-id", record.body.0));
            let is_number = record.key.id().starts_with("at-");
            let (own, other) = if is_number { (by_number, by_id) } else { (by_id, by_number) };
            out.alias(own);
            out.same_as(other);
            out.push(Piece::object(Uniqueness::Listed, record.body.1));
        })
    };
    let source = ScriptedSource::new([
        ("call:1", ("a", "one")),
        ("call:2", ("a", "two")),
        ("call:at-a", ("a", "one")),
        ("call:3", ("b", "three")),
        ("call:at-c", ("c", "four")),
    ]);
    for round in 0..3 {
        if round == 1 {
            // The time of one is corrected, by which it becomes the other.
            source.put("call:3", ("c", "three"));
        }
        let run = Run::on(ledger.clone()).begin().await.unwrap();
        let stage = Pipeline::new("calls", source.clone(), mapper(), target.clone());
        Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await.unwrap();
        assert_eq!(target.objects().len(), 4, "round {round}");
        let found = fates(&ledger, &["call:1", "call:2", "call:at-a", "call:3", "call:at-c"]).await;
        let found: Vec<Fate> = found.into_iter().map(|(fate, _)| fate).collect();
        let made = Fate::Created;
        assert_eq!(found, [made, made, Fate::Merged, made, made], "round {round}");
    }
}
