//! What waits for what: rounds, circles, and writes that go in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use migrate_core::testkit::ScriptedSource;
use migrate_core::{
    Doubt, Draft, Emit, Failure, Fate, Found, Key, Ledger as _, Limits, MemoryLedger, Missing,
    Name, Pipeline, Reason, Record, Reference, Repeat, RunOptions, Sink, TargetId, Write,
    async_trait, map_fn,
};

use crate::shelf::{Library, Shelf, books, run, with_fate};

/// A chain in the wrong order: each is ready only when the one after it is in place.
#[tokio::test(start_paused = true)]
async fn what_a_round_made_ready_is_settled_in_the_next_without_waiting() {
    let (shelf, library, ledger) = (Shelf::default(), Library::default(), Arc::default());
    for n in 1..=9 {
        shelf.put(n, "sequel", Some(n + 1));
    }
    shelf.put(10, "first part", None);
    let begun = tokio::time::Instant::now();
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Created).await, 10);
    assert!(begun.elapsed().as_millis() < 1_000, "only the writes took time, on a paused clock");
}

#[tokio::test(start_paused = true)]
async fn records_that_wait_for_each_other_end_in_a_queue() {
    let (shelf, library, ledger) =
        (Shelf::of(2), Library::default(), Arc::<MemoryLedger>::default());
    shelf.put(3, "sequel", Some(4));
    shelf.put(4, "sequel", Some(3));
    shelf.put(5, "sequel", Some(4));
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Queued).await, 3);
    let entries = ledger.entries(&[migrate_core::Key::new("book", 3)]).await.unwrap();
    let reason = entries[0].clone().unwrap().reason.unwrap();
    assert_eq!(reason.code, migrate_core::WAITING_FOR_PARENT);
    assert!(reason.message.contains("book:4"), "{}", reason.message);
    // Once the circle is broken, all of them follow.
    shelf.put(4, "first part", None);
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Created).await, 5);
}

/// Two that can do without each other, and one that cannot do without the first: whatever the order
/// they are looked at in, the two are written, and the third follows.
#[tokio::test(start_paused = true)]
async fn who_can_go_without_goes_first_and_others_follow() {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Friend {
        of: u64,
        needs: bool,
    }
    impl Draft for Friend {
        fn references(&self) -> Vec<Reference> {
            let missing = match self.needs {
                true => Missing::Queue(Reason::new("alone", "it is alone")),
                false => Missing::Without,
            };
            vec![Reference::new([Name::Key(Key::new("friend", self.of))], missing)]
        }

        fn repeat(&self) -> Repeat {
            Repeat::Safe
        }
    }
    struct Counting(Arc<AtomicU64>);
    #[async_trait]
    impl Sink<Friend> for Counting {
        async fn write(&self, batch: Vec<Write<Friend>>) {
            for write in batch {
                self.0.fetch_add(1, Ordering::Relaxed);
                let id = TargetId::new(write.key.as_str());
                write.created(id);
            }
        }

        async fn find(&self, _: &Doubt<Friend>) -> Result<Found, Failure> {
            Ok(Found::CannotTell)
        }

        fn limits(&self) -> Limits {
            Limits::one_by_one(1)
        }
    }
    let (ledger, writes) = (Arc::<MemoryLedger>::default(), Arc::<AtomicU64>::default());
    for _ in 0..2 {
        let friends = [(3, 1, true), (1, 2, false), (2, 1, false)];
        let friends = friends.map(|(n, of, needs)| (Key::new("friend", n), Friend { of, needs }));
        let mapper = map_fn(|it: Record<Friend>, out: &mut Emit<Friend>| out.push(it.body));
        let source = ScriptedSource::new(friends);
        let stage = Pipeline::new("friends", source, mapper, Counting(writes.clone()));
        run(stage, &ledger, &RunOptions::default()).await.unwrap();
        assert_eq!(ledger.tally("friends").await.unwrap().of(Fate::Created), 3);
        assert_eq!(writes.load(Ordering::Relaxed), 3, "and a second run writes nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_gather_in_batches_as_large_as_the_sink_takes() {
    let (shelf, library, ledger) = (Shelf::of(100), Library::default(), Arc::default());
    library.lock().limits = Some(Limits::batches(8, 2));
    library.lock().refused.insert(50);
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    let batches = std::mem::take(&mut library.lock().batches);
    assert_eq!(batches.iter().sum::<usize>(), 100);
    assert!(batches.iter().all(|size| *size <= 8), "{batches:?}");
    assert!(batches.len() <= 20, "they fill: {batches:?}");
    assert_eq!(with_fate(&ledger, Fate::Created).await, 99);
    assert_eq!(with_fate(&ledger, Fate::Dead).await, 1, "one does not spoil its batch");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_stops_nobody_in_its_lane() {
    let (shelf, library, ledger) = (Shelf::of(7), Library::default(), Arc::default());
    shelf.lock().one_lane = true;
    library.lock().refused.insert(4);
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Dead).await, 1);
    assert_eq!(with_fate(&ledger, Fate::Created).await, 6);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_somebody_holds_its_lane_until_it_is_settled() {
    let (shelf, library, ledger) = (Shelf::of(5), Library::default(), Arc::default());
    shelf.lock().one_lane = true;
    library.lock().queued.insert(2);
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(library.lock().books.len(), 1);
    assert_eq!(with_fate(&ledger, Fate::Queued).await, 4);
    library.lock().queued.clear();
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Created).await, 5);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_somebody_is_not_overtaken_by_a_run_that_goes_on() {
    let (shelf, library) = (Shelf::of(9), Library::default());
    let ledger = Arc::<MemoryLedger>::default();
    shelf.lock().one_lane = true;
    library.lock().queued.insert(2);
    // The first page, of three, is behind when the run is stopped.
    let stop = migrate_core::StopSignal::new();
    let (soon, read) = (stop.clone(), shelf.clone());
    tokio::spawn(async move {
        while read.lock().read.len() < 6 {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        soon.stop();
    });
    let held = library.clone();
    let first = migrate_core::Run::on(ledger.clone()).stopped_by(stop).begin().await.unwrap();
    let plan = migrate_core::Plan::new().stage(books(&shelf, &library), &[]);
    let _ = plan.run(&first, &RunOptions::default()).await;
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(held.lock().books.keys().collect::<Vec<_>>(), ["book:1"]);
}

/// A destination that takes every request and does nothing must not keep the run for ever.
#[tokio::test(start_paused = true)]
async fn what_never_comes_about_is_given_up() {
    use migrate_core::testkit::{MemoryTarget, Piece, ScriptedSource, Uniqueness};
    use migrate_core::{
        Doubt, Emit, Evidence, Failure, FailureKind, Found, Pipeline, Plan, Record, Run, Sink,
        Write, async_trait, map_fn,
    };

    struct Swallows(MemoryTarget);

    #[async_trait]
    impl Sink<Piece> for Swallows {
        async fn write(&self, batch: Vec<Write<Piece>>) {
            for write in batch {
                match write.key.id() {
                    "1" => write.failed(Failure::new(FailureKind::InDoubt, "timed out")),
                    _ => self.0.write(vec![write]).await,
                }
            }
        }

        async fn find(&self, _: &Doubt<Piece>) -> Result<Found, Failure> {
            Ok(Found::No(Evidence::Read))
        }

        fn limits(&self) -> Limits {
            Limits::one_by_one(2)
        }
    }

    let source = ScriptedSource::new([("thread:1", "swallowed"), ("thread:2", "taken")]);
    let mapper = map_fn(|record: Record<&str>, out: &mut Emit<Piece>| {
        out.push(Piece::object(Uniqueness::Listed, record.body));
    });
    let ledger = Arc::<MemoryLedger>::default();
    let run = Run::on(ledger.clone()).begin().await.unwrap();
    let stage = Pipeline::new("threads", source, mapper, Swallows(MemoryTarget::new()));
    Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await.unwrap();
    let tally = ledger.tally("threads").await.unwrap();
    assert_eq!((tally.of(Fate::Dead), tally.of(Fate::Created)), (1, 1));
    let entry = ledger.entries(&[migrate_core::Key::new("thread", 1)]).await.unwrap().remove(0);
    let entry = entry.unwrap();
    assert_eq!(entry.reason.unwrap().code, "in_doubt_for_good");
    assert_eq!(entry.attempts, 8, "all its tries are counted");
}
