//! What must not pass for a good end: a source that breaks off, a record that writes two things
//! under one key, a clock that was ahead, and a run that is gone on with in the same process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use migrate_core::ledger::{Change, Parking};
use migrate_core::testkit::ScriptedSource;
use migrate_core::{
    Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, FailureKind, Fate, Found, Key, Ledger,
    Limits, MemoryLedger, Page, Patience, Pipeline, Plan, Record, Repeat, Run, RunError,
    RunOptions, Sink, Source, SourceError, StopSignal, TargetId, Write, async_trait, map_fn,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::shelf::{Book, Library, Shelf, as_they_are, books, run, with_fate};

/// A shelf whose reading breaks off after some pages, without an error.
struct CutOff(Shelf, usize);

impl Source for CutOff {
    type Record = Book;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Book>, SourceError>> {
        self.0.read(from).take(self.1).boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_breaks_off_is_not_taken_as_read() {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    let options = RunOptions::default();
    for pages in [2, 0, 1] {
        let source = CutOff(shelf.clone(), pages);
        let stage = Pipeline::new("books", source, as_they_are(), library.clone());
        let ended = run(stage, &ledger, &options).await.unwrap_err();
        assert!(matches!(&ended, RunError::Source { stage, .. } if stage == "books"), "{ended:?}");
        assert!(!ledger.stage("books").await.unwrap().read);
    }
    assert_eq!(library.lock().writes, 9, "what came was taken, and not twice");
    run(books(&shelf, &library), &ledger, &options).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Created).await, 10);
    assert_eq!(library.lock().writes, 10);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_writes_two_things_under_one_key_is_refused() {
    let (library, ledger) = (Library::default(), Arc::<MemoryLedger>::default());
    let mapper = map_fn(|record: Record<Book>, out: &mut Emit<Book>| {
        if record.key.id() == "2" {
            out.part("sequel", record.body.clone());
            out.part("sequel", record.body.clone());
        }
        out.push(record.body.clone());
        if record.key.id() == "3" {
            out.push(record.body);
        }
    });
    let stage = Pipeline::new("books", Shelf::of(4), mapper, library.clone());
    run(stage, &ledger, &RunOptions::default()).await.unwrap();
    let entries = ledger.entries(&[2, 3].map(|n| Key::new("book", n))).await.unwrap();
    for (entry, what) in entries.into_iter().zip(["two parts named `sequel`", "two writes"]) {
        let entry = entry.unwrap();
        let reason = entry.reason.unwrap();
        assert_eq!((entry.fate, &*reason.code), (Fate::Dead, "part_twice"));
        assert!(reason.message.contains(what), "{}", reason.message);
    }
    assert_eq!(library.lock().books.len(), 2, "the others are written");
}

/// Something that must be written once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Once(u64);

impl Draft for Once {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }
}

/// A destination of which, while it is `down`, the replies are lost after `slow`, and the effects
/// come `late` after that.
#[derive(Clone)]
struct Slow {
    down: Arc<AtomicBool>,
    slow: Duration,
    late: Duration,
    /// When each object comes about.
    objects: Arc<Mutex<Vec<(Key, Instant)>>>,
}

impl Slow {
    fn down(slow: u64, late: u64) -> Self {
        let [slow, late] = [slow, late].map(Duration::from_secs);
        Self { down: Arc::new(AtomicBool::new(true)), slow, late, objects: Arc::default() }
    }

    fn come_up(&self) {
        self.down.store(false, Ordering::Relaxed);
    }

    /// How often each is there.
    fn counts(&self) -> BTreeMap<Key, usize> {
        let mut counts = BTreeMap::new();
        for (key, _) in self.objects.lock().unwrap().iter() {
            *counts.entry(key.clone()).or_default() += 1;
        }
        counts
    }
}

#[async_trait]
impl Sink<Once> for Slow {
    async fn write(&self, batch: Vec<Write<Once>>) {
        for write in batch {
            let is_down = self.down.load(Ordering::Relaxed);
            let mut at = Instant::now();
            if is_down {
                sleep(self.slow).await;
                at = Instant::now() + self.late;
            }
            self.objects.lock().unwrap().push((write.key.clone(), at));
            match is_down {
                true => write.failed(Failure::new(FailureKind::InDoubt, "no reply")),
                false => write.created(TargetId::new("it")),
            }
        }
    }

    async fn find(&self, doubt: &Doubt<Once>) -> Result<Found, Failure> {
        let objects = self.objects.lock().unwrap();
        let is_there = |(key, at): &(Key, Instant)| *key == doubt.key && *at <= Instant::now();
        Ok(match objects.iter().any(is_there) {
            true => Found::Yes(TargetId::new("it")),
            false => Found::No(Evidence::Read),
        })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(50)
    }
}

fn once(count: u64, sink: &Slow) -> Plan {
    let source = ScriptedSource::new((1..=count).map(|n| (Key::new("thing", n), n)));
    let mapper = map_fn(|record: Record<u64>, out: &mut Emit<Once>| out.push(Once(record.body)));
    Plan::new().stage(Pipeline::new("things", source, mapper, sink.clone()), &[])
}

async fn begin(ledger: &Arc<MemoryLedger>) -> Run {
    let patience = Patience::new(Duration::from_secs(60), Duration::from_secs(300));
    Run::on(ledger.clone()).patience(patience).begin().await.unwrap()
}

/// The write that showed that the destination is gone was sent long after its intent, and takes
/// effect later still. Whoever goes on with the same run must not believe a "no" too early.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_gone_on_with_believes_nothing_too_early() {
    let sink = Slow::down(50, 40);
    let plan = once(40, &sink);
    let run = begin(&Arc::default()).await;
    let gone = plan.run(&run, &RunOptions::default()).await.unwrap_err();
    assert!(matches!(gone, RunError::Gone(_)), "{gone:?}");
    sink.come_up();
    sleep(Duration::from_secs(15)).await;
    plan.run(&run, &RunOptions::default()).await.unwrap();
    let counts = sink.counts();
    assert_eq!(counts.len(), 40);
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

/// One failure is no outage, however many a run before it met.
#[tokio::test(start_paused = true)]
async fn failures_of_before_do_not_count_again() {
    let sink = Slow::down(1, 0);
    let run = begin(&Arc::default()).await;
    once(40, &sink).run(&run, &RunOptions::default()).await.unwrap_err();
    let other = Slow::down(1, 0);
    once(1, &other).run(&run, &RunOptions::default().no_wait()).await.unwrap();
}

/// What a process parked whose clock was a year ahead is settled all the same, in time.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_stops_nobody() {
    let (sink, ledger) = (Slow::down(1, 40), Arc::<MemoryLedger>::default());
    let plan = once(3, &sink);
    plan.run(&begin(&ledger).await, &RunOptions::default().no_wait()).await.unwrap();
    let parked = ledger.parked("things", Parking::Doubt, 0, 10).await.unwrap();
    assert_eq!(parked.len(), 3);
    for (_, mut parked) in parked {
        parked.since += TimeDelta::days(365);
        parked.not_before += TimeDelta::days(365);
        ledger.commit(vec![Change::Park(Box::new(parked))]).await.unwrap();
    }
    sink.come_up();
    let begun = Instant::now();
    plan.run(&begin(&ledger).await, &RunOptions::default()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(600), "{:?}", begun.elapsed());
    assert!(sink.counts().values().all(|count| *count == 1), "{:?}", sink.counts());
    assert_eq!(ledger.tally("things").await.unwrap().of(Fate::Created), 3);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_does_not_know_since_when_is_refused() {
    let ledger = Arc::new(MemoryLedger::new());
    let value = Some(serde_json::json!("the day before yesterday"));
    let name = "migration_since".to_owned();
    ledger.commit(vec![Change::Meta { name, value }]).await.unwrap();
    let refused = Run::on(ledger).begin().await.err().unwrap();
    assert_eq!(refused.kind(), migrate_core::ledger::LedgerErrorKind::Corrupt);
    assert!(refused.to_string().contains("migration_since"), "{refused}");
}

/// A stop lets go of a page that is being read, and of what it holds: writes under way may need it.
#[tokio::test(start_paused = true)]
async fn a_stop_lets_go_of_what_is_being_read() {
    struct Holding(Arc<tokio::sync::Mutex<()>>);
    impl Source for Holding {
        type Record = u64;

        fn read(&self, _: Option<Cursor>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
            let record = Record::new(Key::new("thing", 1), 1);
            let first = Page::new([Ok(record)], Some(Cursor::new("2")));
            let connection = Arc::clone(&self.0);
            let second = stream::once(async move {
                let _held = connection.lock().await;
                std::future::pending().await
            });
            stream::iter([Ok(first)]).chain(second).boxed()
        }

        fn estimate(&self) -> Estimate {
            Estimate::Unknown
        }
    }
    struct Sharing(Arc<tokio::sync::Mutex<()>>);
    #[async_trait]
    impl Sink<Once> for Sharing {
        async fn write(&self, batch: Vec<Write<Once>>) {
            sleep(Duration::from_secs(1)).await;
            let _held = self.0.lock().await;
            batch.into_iter().for_each(|write| write.created(TargetId::new("it")));
        }

        async fn find(&self, _: &Doubt<Once>) -> Result<Found, Failure> {
            Ok(Found::CannotTell)
        }

        fn limits(&self) -> Limits {
            Limits::one_by_one(1)
        }
    }
    let connection = Arc::<tokio::sync::Mutex<()>>::default();
    let mapper = map_fn(|record: Record<u64>, out: &mut Emit<Once>| out.push(Once(record.body)));
    let (source, sink) = (Holding(Arc::clone(&connection)), Sharing(connection));
    let plan = Plan::new().stage(Pipeline::new("things", source, mapper, sink), &[]);
    let (ledger, stop) = (Arc::new(MemoryLedger::new()), StopSignal::new());
    let run = Run::on(ledger.clone()).stopped_by(stop.clone()).begin().await.unwrap();
    tokio::spawn(async move {
        sleep(Duration::from_secs(5)).await;
        stop.stop();
    });
    let options = RunOptions::default();
    let ended = timeout(Duration::from_secs(60), plan.run(&run, &options)).await;
    assert!(matches!(ended, Ok(Err(RunError::Interrupted))), "{ended:?}");
    assert_eq!(ledger.tally("things").await.unwrap().of(Fate::Created), 1);
}
