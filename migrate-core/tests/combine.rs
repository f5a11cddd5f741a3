//! Sources and sinks made of others, in use.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of a test may fail it as well"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use migrate_core::testkit::{ScriptedSource, source};
use migrate_core::{
    Chain, Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, FailureKind, FanOut, Fate,
    Found, Key, Ledger, Limits, Lookup, Mapper, MapperExt, MemoryLedger, Page, Pipeline, Plan,
    Reason, Record, Repeat, Run, RunError, RunOptions, Sink, SinkExt, Source, SourceError,
    SourceExt, TargetId, Tee, Unreadable, Write, async_trait, map_fn,
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Numbers, two to a page; every seventh row cannot be read.
#[derive(Clone, Default)]
struct Numbers {
    pages_read: Arc<AtomicUsize>,
}

const PAGES: usize = 5;

impl Source for Numbers {
    type Record = u64;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
        let start = from.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let read = self.pages_read.clone();
        stream::iter(start..PAGES)
            .map(move |page| {
                read.fetch_add(1, Ordering::Relaxed);
                let items = (2 * page..2 * page + 2).map(|n| match n {
                    6 => Err(Unreadable::new(Key::new("number", n), "ragged")),
                    n => Ok(Record::new(Key::new("number", n), n as u64)),
                });
                let next = (page + 1 < PAGES).then(|| Cursor::new((page + 1).to_string()));
                Ok(Page::new(items, next).marked(Cursor::new("mark")))
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(2 * PAGES as u64)
    }
}

impl Lookup for Numbers {
    fn lookup(&self, keys: Vec<Key>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
        let items =
            keys.into_iter().map(|key| Ok(Record::new(key.clone(), key.id().parse().unwrap())));
        stream::iter([Ok(Page::new(items, None))]).boxed()
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Line(String);

impl Draft for Line {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }
}

/// Keeps lines by key. It can be told to fail, and measures how many batches it has at once.
#[derive(Clone)]
struct Store {
    lines: Arc<Mutex<BTreeMap<String, String>>>,
    fails: Arc<Mutex<Option<FailureKind>>>,
    batches: Arc<Mutex<(usize, usize, usize)>>,
    limits: Limits,
}

impl Default for Store {
    fn default() -> Self {
        Self::taking(Limits::one_by_one(4))
    }
}

impl Store {
    fn taking(limits: Limits) -> Self {
        Self { lines: Arc::default(), fails: Arc::default(), batches: Arc::default(), limits }
    }

    fn keys(&self) -> Vec<String> {
        self.lines.lock().unwrap().keys().cloned().collect()
    }

    /// The most batches at once, and the largest one.
    fn most(&self) -> (usize, usize) {
        let batches = self.batches.lock().unwrap();
        (batches.1, batches.2)
    }
}

#[async_trait]
impl Sink<Line> for Store {
    async fn write(&self, batch: Vec<Write<Line>>) {
        {
            let mut batches = self.batches.lock().unwrap();
            batches.0 += 1;
            batches.1 = batches.1.max(batches.0);
            batches.2 = batches.2.max(batch.len());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        for write in batch {
            if let Some(kind) = *self.fails.lock().unwrap() {
                write.failed(Failure::new(kind, "told to fail"));
                continue;
            }
            let key = write.key.to_string();
            self.lines.lock().unwrap().insert(key.clone(), write.draft.0.clone());
            write.created(TargetId::new(key));
        }
        self.batches.lock().unwrap().0 -= 1;
    }

    async fn find(&self, doubt: &Doubt<Line>) -> Result<Found, Failure> {
        let key = doubt.key.to_string();
        let there = self.lines.lock().unwrap().contains_key(&key);
        Ok(if there { Found::Yes(TargetId::new(key)) } else { Found::No(Evidence::Read) })
    }

    fn limits(&self) -> Limits {
        self.limits
    }
}

fn lines() -> impl Mapper<u64, Out = Line> {
    map_fn(|record: Record<u64>, out: &mut Emit<Line>| out.push(Line(record.body.to_string())))
}

async fn run<S: Source + 'static>(
    source: S,
    mapper: impl Mapper<S::Record, Out = Line> + 'static,
    sink: impl Sink<Line> + 'static,
    ledger: &Arc<MemoryLedger>,
) -> Result<Run, RunError> {
    let run = Run::on(ledger.clone()).begin().await?;
    let plan = Plan::new().stage(Pipeline::new("lines", source, mapper, sink), &[]);
    plan.run(&run, &RunOptions::default()).await?;
    Ok(run)
}

#[tokio::test(start_paused = true)]
async fn wrapped_sources_keep_cursors_marks_and_what_cannot_be_read() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let source = Numbers::default()
        .map_body(|n| n * 10)
        .inspect(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .prefetch(2);
    let whole: Vec<_> = source.read(None).map(Result::unwrap).collect().await;
    let from_third: Vec<_> = source.read(whole[1].next.clone()).map(Result::unwrap).collect().await;
    assert_eq!((whole.len(), from_third.len()), (PAGES, PAGES - 2));
    assert!(whole.iter().all(|page| page.mark == Some(Cursor::new("mark"))));
    assert_eq!(from_third[0].items[0].as_ref().unwrap().body, 40);
    assert!(whole[3].items[0].is_err());
    assert_eq!(seen.load(Ordering::Relaxed), 2 * PAGES + 2 * (PAGES - 2));
    assert_eq!(source.estimate(), Estimate::Exactly(10));
    let looked_up: Vec<_> = source.lookup(vec![Key::new("number", 3)]).collect().await;
    assert_eq!(looked_up[0].as_ref().unwrap().items[0].as_ref().unwrap().body, 30);
    let records: Vec<_> = source.boxed().records().collect().await;
    assert_eq!(records.len(), 2 * PAGES);
}

#[tokio::test(start_paused = true)]
async fn two_stages_share_a_source_and_nobody_is_in_both() {
    let even = Numbers::default().only(|record| record.body % 2 == 0);
    let odd = Numbers::default().only(|record| record.body % 2 == 1);
    let mut met = Vec::new();
    for source in [even.boxed(), odd.boxed()] {
        assert_eq!(source.estimate(), Estimate::About(10));
        let records: Vec<_> = source.records().collect().await;
        met.extend(records.into_iter().filter_map(|item| Some(item.unwrap().ok()?.key)));
    }
    met.sort();
    let mut all: Vec<_> = Numbers::default().records().collect::<Vec<_>>().await;
    let mut all: Vec<_> = all.drain(..).filter_map(|item| Some(item.unwrap().ok()?.key)).collect();
    all.sort();
    assert_eq!(met, all);
}

#[tokio::test(start_paused = true)]
async fn wrapped_sources_keep_the_contract_of_those_they_wrap() {
    let rows = (0..7).map(|n| (Key::new("number", n), n));
    let scripted = ScriptedSource::new(rows).pages_of(2);
    let calls = scripted.clone();
    let some = scripted.only(|record| record.body != 3);
    let wrapped = some.map_body(|n| n * 10).inspect(|_| {}).prefetch(2);
    let chain = Chain::new().and("numbers", wrapped.clone()).and("none", wrapped);
    source::check(&chain, &source::Rules::new().repeating().counting(move || calls.polls())).await;
}

#[tokio::test(start_paused = true)]
async fn reading_ahead_is_lazy_bounded_and_ends_when_it_is_dropped() {
    for most in 1..=3 {
        let source = Numbers::default();
        let read = source.pages_read.clone();
        let pages_read = || read.load(Ordering::Relaxed);
        let mut pages = source.prefetch(most).read(None);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(pages_read(), 0, "nothing happens before the first poll");
        pages.next().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(pages_read(), 1 + most, "the page that was taken, and {most} ahead");
        drop(pages);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(pages_read(), 1 + most, "its task is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_rule_leaves_out_is_counted() {
    let (store, ledger) = (Store::default(), Arc::default());
    let even = lines().filter("odd", |record: &Record<u64>| record.body.is_multiple_of(2));
    let run = run(Numbers::default(), even.boxed(), store.clone().boxed(), &ledger).await.unwrap();
    assert_eq!(store.keys().len(), 4);
    assert_eq!(run.tally("lines").of(Fate::Skipped), 5);
}

#[tokio::test(start_paused = true)]
async fn a_copy_comes_first_and_nothing_is_written_without_it() {
    let (store, archive, ledger) = (Store::default(), Store::default(), Arc::default());
    for failure in [FailureKind::NotDone, FailureKind::InDoubt, FailureKind::Gone] {
        *archive.fails.lock().unwrap() = Some(failure);
        let tee = store.clone().tee(archive.clone());
        let ended = run(Numbers::default(), lines(), tee, &ledger).await;
        assert!(ended.is_err() || failure != FailureKind::Gone);
        assert_eq!(store.keys(), Vec::<String>::new(), "{failure:?}");
    }
    *archive.fails.lock().unwrap() = None;
    let tee = Tee::new(store.clone(), archive.clone());
    run(Numbers::default(), lines(), tee, &ledger).await.unwrap();
    assert_eq!((store.keys().len(), archive.keys()), (9, store.keys()));
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_behind_a_tee_is_settled_by_the_destination() {
    let (store, archive, ledger) = (Store::default(), Store::default(), Arc::default());
    *store.fails.lock().unwrap() = Some(FailureKind::InDoubt);
    let soon = store.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        *soon.fails.lock().unwrap() = None;
    });
    run(Numbers::default(), lines(), store.clone().tee(archive), &ledger).await.unwrap();
    assert_eq!(store.keys().len(), 9);
}

/// An archive that behaves as a destination does: it asks whether it knows the object, and keeps
/// what stood there before.
#[derive(Clone, Default)]
struct Archive {
    updates: Arc<AtomicUsize>,
    copies: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink<Line> for Archive {
    async fn write(&self, batch: Vec<Write<Line>>) {
        for write in batch {
            self.copies.fetch_add(1, Ordering::Relaxed);
            self.updates.fetch_add(usize::from(write.known_as.is_some()), Ordering::Relaxed);
            write.remember("what the archive held".into()).await.unwrap();
            write.created(TargetId::new("copy"));
        }
    }

    async fn find(&self, _: &Doubt<Line>) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(4)
    }
}

#[tokio::test(start_paused = true)]
async fn an_archive_does_not_take_the_objects_of_the_destination_for_its_own() {
    let (store, archive) = (Store::default(), Archive::default());
    let ledger = Arc::<MemoryLedger>::default();
    for text in ["first", "changed"] {
        let mapper = lines().map_drafts(move |line: Line| Line(format!("{text} {}", line.0)));
        run(Numbers::default(), mapper, store.clone().tee(archive.clone()), &ledger).await.unwrap();
    }
    assert_eq!(archive.copies.load(Ordering::Relaxed), 18);
    assert_eq!(archive.updates.load(Ordering::Relaxed), 0, "no id of the destination got there");
    let before = ledger.before(&Key::new("number", 1)).await.unwrap();
    assert_eq!(before, None, "undo would put back what never stood in the destination");
}

#[tokio::test(start_paused = true)]
async fn drafts_fan_out_and_no_sink_is_given_more_than_it_takes() {
    let (small, large) =
        (Store::taking(Limits::batches(2, 1)), Store::taking(Limits::batches(5, 2)));
    let sink = FanOut::by(|line: &Line| match line.0.len() {
        1 if line.0.as_str() < "3" => "small",
        1 if line.0 == "9" => "nowhere",
        _ => "large",
    });
    let sink = sink.to("small", small.clone()).to("large", large.clone());
    let ledger = Arc::<MemoryLedger>::default();
    let run = run(Numbers::default(), lines(), sink, &ledger).await.unwrap();
    assert_eq!(small.keys(), ["number:0", "number:1", "number:2"]);
    assert_eq!(large.keys().len(), 5);
    assert!(small.most() <= (1, 2) && large.most().0 <= 2 && large.most().1 <= 5);
    assert_eq!(run.tally("lines").of(Fate::Dead), 2, "the unreadable row and the one to nowhere");
    let entry = ledger.entries(&[Key::new("number", 9)]).await.unwrap()[0].clone().unwrap();
    assert_eq!(entry.reason.map(|reason: Reason| reason.code).as_deref(), Some("no_route"));
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_on_average_and_no_burst_gets_through() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = times.clone();
    let sink = SinkExt::<Line>::inspect(Store::default(), move |_| {
        seen.lock().unwrap().push(Instant::now());
    });
    let begun = Instant::now();
    let limited = SinkExt::<Line>::rate_limited(sink, 4.0);
    run(Numbers::default(), lines(), limited, &Arc::default()).await.unwrap();
    let times = times.lock().unwrap();
    for (n, time) in (0..).zip(times.iter()) {
        assert_eq!(time.duration_since(begun).as_millis() / 250, n, "one each quarter second");
    }
    assert_eq!(times.len(), 9);
}

/// A source that fails its reader in the middle.
struct Panics;

impl Source for Panics {
    type Record = u64;

    fn read(&self, _: Option<Cursor>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
        let pages = stream::iter(0..3).map(|page| match page {
            0 => Ok(Page::new([Ok(Record::new(Key::new("number", 0), 0))], Some(Cursor::new("1")))),
            _ => panic!("in the middle"),
        });
        pages.boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

#[tokio::test]
async fn a_reader_that_dies_is_no_end_of_the_source() {
    let (store, ledger) = (Store::default(), Arc::<MemoryLedger>::default());
    let books = ledger.clone();
    let task = tokio::spawn(async move {
        let ended = run(Panics.prefetch(2), lines(), store, &books).await;
        ended.map(drop)
    });
    assert!(task.await.is_err_and(|error| error.is_panic()), "the panic goes on");
    assert!(!ledger.stage("lines").await.unwrap().read, "nothing says that all was read");
}
