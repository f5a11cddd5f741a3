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
    Alias, Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, FailureKind, Found, Key,
    Limits, MemoryLedger, Page, Patience, Pipeline, Plan, Record, Repeat, Run, RunOptions, Sink,
    Source, SourceError, TargetId, Write, async_trait, map_fn,
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
