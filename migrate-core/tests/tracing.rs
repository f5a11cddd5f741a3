//! What a run tells `tracing`: spans and events of stable names, with keys and counts and nothing
//! of a person.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers of a test may fail it as well"
)]

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use migrate_core::{
    Alias, Check, Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, FailureKind,
    Field as Compared, Found, Key, Ledger, Limits, Made, MemoryLedger, Page, Patience, Pipeline,
    Plan, ReadBack, Reason, Record, Repeat, Rollback, RollbackOptions, Run, RunOptions, Sampling,
    Selection, Sink, Snapshot, Source, SourceError, Stands, TakenBack, TargetId, Undo,
    Verification, Verify, Write, async_trait, map_fn,
};
use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

const CANARY: &str = "canary-anna@example.com";

struct People;

impl Source for People {
    type Record = String;

    fn read(&self, _: Option<Cursor>) -> BoxStream<'static, Result<Page<String>, SourceError>> {
        let person = |n: u32| Ok(Record::new(Key::new("person", n), format!("{CANARY} {n}")));
        stream::iter([Ok(Page::new((1..=3).map(person), None))]).boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(3)
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Person(String);

impl Draft for Person {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }
}

/// The reply to the first write is lost, and it did not take effect.
#[derive(Default)]
struct Lossy(AtomicUsize);

#[async_trait]
impl Sink<Person> for Lossy {
    async fn write(&self, batch: Vec<Write<Person>>) {
        for write in batch {
            let n = self.0.fetch_add(1, Ordering::Relaxed);
            match n {
                0 => write.failed(Failure::new(FailureKind::InDoubt, "connection reset")),
                n => write.created(TargetId::new(n.to_string())),
            }
        }
    }

    async fn find(&self, _: &Doubt<Person>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(2)
    }
}

/// Everything that is told, as text, and the names of spans.
#[derive(Clone, Default)]
struct Told {
    spans: Arc<Mutex<BTreeSet<&'static str>>>,
    text: Arc<Mutex<String>>,
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        *self.text.lock().unwrap() += &format!("{}={value:?}\n", field.name());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Told {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.spans.lock().unwrap().insert(span.metadata().name());
        span.record(&mut self.clone());
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn spans_have_stable_names_and_nothing_of_a_person() {
    let told = Told::default();
    let subscriber = tracing_subscriber::registry().with(told.clone());
    let _guard = tracing::subscriber::set_default(subscriber);

    let mapper = map_fn(|record: Record<String>, out: &mut Emit<Person>| {
        out.alias(Alias::new("email", &record.body));
        out.push(Person(record.body));
    });
    let plan = Plan::new().stage(Pipeline::new("people", People, mapper, Lossy::default()), &[]);
    let patience = Patience::new(Duration::from_secs(5), Duration::from_secs(5));
    let run = Run::on(Arc::new(MemoryLedger::new())).patience(patience).begin().await.unwrap();
    plan.run(&run, &RunOptions::default()).await.unwrap();

    // They are for ever: people filter and count by them.
    let names = [
        "migrate.commit",
        "migrate.find",
        "migrate.page",
        "migrate.record",
        "migrate.stage",
        "migrate.write",
    ];
    assert_eq!(*told.spans.lock().unwrap(), BTreeSet::from(names));
    let text = told.text.lock().unwrap();
    assert!(text.contains("person:1") && text.contains("stage=people"), "{text}");
    assert!(!text.contains("canary") && !text.contains("example.com"), "{text}");
}

/// A destination that refuses the first person once, and lets everything be read and taken back.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<BTreeSet<String>>>, Arc<AtomicUsize>);

#[async_trait]
impl Sink<Person> for Desk {
    async fn write(&self, batch: Vec<Write<Person>>) {
        for write in batch {
            if write.key.id() == "1" && self.1.fetch_add(1, Ordering::Relaxed) == 0 {
                write.refused(Reason::new("refused", "not now"));
                continue;
            }
            let id = TargetId::new(write.key.id());
            self.0.lock().unwrap().insert(id.to_string());
            write.created(id);
        }
    }

    async fn find(&self, _: &Doubt<Person>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(2)
    }
}

#[async_trait]
impl Verify<Person> for Desk {
    async fn read_back(&self, check: &Check<Person>) -> Result<ReadBack, Failure> {
        let altered = format!("{} altered", check.draft.0);
        Ok(Snapshot::of([Compared::new("name", check.draft.0.as_str(), altered)]).into())
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(2)
    }
}

#[async_trait]
impl Undo for Desk {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        let is_there = self.0.lock().unwrap().contains(made.written.target.as_str());
        Ok(if is_there { Stands::AsLeft } else { Stands::Gone })
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        self.0.lock().unwrap().remove(made.written.target.as_str());
        Ok(TakenBack::Done)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(2)
    }
}

#[tokio::test(start_paused = true)]
async fn so_have_those_of_what_comes_after_a_run() {
    let told = Told::default();
    let subscriber = tracing_subscriber::registry().with(told.clone());
    let _guard = tracing::subscriber::set_default(subscriber);

    let (desk, options) = (Desk::default(), RunOptions::default());
    let plan = |sink: Arc<dyn Sink<Person>>| {
        let mapper = map_fn(|record: Record<String>, out: &mut Emit<Person>| {
            out.push(Person(record.body));
        });
        Plan::new().stage(Pipeline::new("people", People, mapper, sink), &[])
    };
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let run = Run::on(ledger.clone()).begin().await.unwrap();
    plan(Arc::new(desk.clone())).run(&run, &options).await.unwrap();
    let again = plan(Arc::new(desk.clone()));
    again.redrive(&run, &Selection::all(), &options).await.unwrap();

    let scratch: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let verification = Verification::begin(ledger, scratch.clone(), Sampling::All).await.unwrap();
    let reading = Run::on(scratch).begin().await.unwrap();
    let sink = verification.sink(desk.clone());
    plan(Arc::new(sink)).run(&reading, &options).await.unwrap();
    assert_eq!(verification.verified().await.unwrap().mismatches.len(), 3);

    let rollback = Rollback::new().stage("people", desk.clone());
    let report = rollback.run(&run, &RollbackOptions::default()).await.unwrap();
    assert!(report.is_clean() && desk.0.lock().unwrap().is_empty());

    let spans = told.spans.lock().unwrap();
    for name in ["migrate.redrive", "migrate.read_back", "migrate.undo", "migrate.take_back"] {
        assert!(spans.contains(name), "{name} is not among {spans:?}");
    }
    let text = told.text.lock().unwrap();
    assert!(!text.contains("canary") && !text.contains("example.com"), "{text}");
}
