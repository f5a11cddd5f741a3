//! What was written without something it refers to is completed once that is known.

use std::sync::{Arc, Mutex};

use migrate_core::testkit::ScriptedSource;
use migrate_core::{
    Doubt, Draft, Emit, Failure, Fate, Found, Key, Ledger as _, Limits, MemoryLedger, Missing,
    Name, Pipeline, Plan, Record, Reference, Repeat, Run, RunOptions, Sink, TargetId, Write,
    async_trait, map_fn,
};

/// What is written of a work.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Part {
    /// The work itself.
    Work,
    /// Whom it belongs to, which can be written again.
    Owner(u64),
    /// What somebody said of it, which cannot.
    Said(u64, String),
    /// Whom somebody else speaks for, of which nothing is to be seen, until they can say so.
    Silent(u64, String),
    /// A mark that whoever it names does not change.
    Mark(u64),
}

impl Draft for Part {
    fn references(&self) -> Vec<Reference> {
        let who = match self {
            Self::Work => return Vec::new(),
            Self::Owner(who) | Self::Mark(who) => *who,
            Self::Said(who, _) | Self::Silent(who, _) => *who,
        };
        vec![Reference::new([Name::Key(Key::new("person", who))], Missing::Without)]
    }

    fn repeat(&self) -> Repeat {
        match self {
            Self::Said(..) => Repeat::Never,
            _ => Repeat::Safe,
        }
    }

    fn correction(&self) -> Option<Self> {
        match self {
            Self::Said(who, text) => Some(Self::Said(*who, format!("it reads: {text}"))),
            _ => None,
        }
    }

    fn completion(&self) -> Option<Self> {
        match self {
            Self::Owner(_) => Some(self.clone()),
            Self::Said(who, _) => Some(Self::Said(*who, "it was me".to_owned())),
            Self::Silent(who, text) => Some(Self::Said(*who, format!("I: {text}"))),
            Self::Work | Self::Mark(_) => None,
        }
    }
}

/// What was written, in order: the part, whether it was an update, and who was known.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl Written {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl Sink<Part> for Written {
    async fn write(&self, batch: Vec<Write<Part>>) {
        for write in batch {
            let references = write.draft.references();
            let names: Vec<Name> = references.into_iter().flat_map(|it| it.names).collect();
            let who = write.resolved.first(&names).map_or("nobody", TargetId::as_str);
            let how = if write.known_as.is_some() { "again " } else { "" };
            let line = format!("{how}{:?} by {who}", write.draft);
            self.0.lock().unwrap().push(line);
            let id = TargetId::new(write.key.as_str());
            if write.known_as.is_some() { write.updated(id) } else { write.created(id) }
        }
    }

    async fn find(&self, _: &Doubt<Part>) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(1)
    }
}

/// A work with what was said of it, and the people who are there.
async fn migrate(ledger: &Arc<MemoryLedger>, people: &[u64], said: &str, sink: &Written) {
    let people = people.iter().map(|n| (Key::new("person", n), *n));
    let person = map_fn(|_: Record<u64>, out: &mut Emit<Part>| out.push(Part::Work));
    let people = Pipeline::new("people", ScriptedSource::new(people), person, Written::default());
    let work = map_fn(|record: Record<String>, out: &mut Emit<Part>| {
        out.push(Part::Work);
        out.part("said", Part::Said(7, record.body.clone()));
        out.part("silent", Part::Silent(7, record.body));
        out.part("owner", Part::Owner(7));
        out.part("mark", Part::Mark(7));
    });
    let works = ScriptedSource::new([(Key::new("work", 1), said.to_owned())]);
    let works = Pipeline::new("works", works, work, sink.clone());
    let plan = Plan::new().stage(people, &[]).stage(works, &["people"]);
    let run = Run::on(ledger.clone()).begin().await.unwrap();
    plan.run(&run, &RunOptions::default()).await.unwrap();
    let tally = ledger.tally("works").await.unwrap();
    assert_eq!(tally.of(Fate::Created), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_is_named_then_and_only_once() {
    let (ledger, sink) = (Arc::<MemoryLedger>::default(), Written::default());
    migrate(&ledger, &[], "good", &sink).await;
    let first = [
        "Work by nobody",
        "Said(7, \"good\") by nobody",
        "Silent(7, \"good\") by nobody",
        "Owner(7) by nobody",
        "Mark(7) by nobody",
    ];
    assert_eq!(sink.take(), first);
    migrate(&ledger, &[8], "good", &sink).await;
    assert_eq!(sink.take(), [""; 0], "nobody new is known of it");
    migrate(&ledger, &[7, 8], "good", &sink).await;
    let then = [
        "Said(7, \"it was me\") by person:7",
        "Said(7, \"I: good\") by person:7",
        "again Owner(7) by person:7",
    ];
    assert_eq!(sink.take(), then);
    migrate(&ledger, &[7, 8], "good", &sink).await;
    assert_eq!(sink.take(), [""; 0]);
    // What has changed then is corrected, as ever.
    migrate(&ledger, &[7, 8], "better", &sink).await;
    let changed =
        ["Said(7, \"it reads: better\") by person:7", "again Silent(7, \"better\") by person:7"];
    assert_eq!(sink.take(), changed);
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_meanwhile_is_corrected_and_what_stayed_is_completed() {
    let (ledger, sink) = (Arc::<MemoryLedger>::default(), Written::default());
    migrate(&ledger, &[], "good", &sink).await;
    sink.take();
    migrate(&ledger, &[], "better", &sink).await;
    let changed =
        ["Said(7, \"it reads: better\") by nobody", "again Silent(7, \"better\") by nobody"];
    assert_eq!(sink.take(), changed);
    migrate(&ledger, &[7], "better", &sink).await;
    let then = ["Said(7, \"I: better\") by person:7", "again Owner(7) by person:7"];
    assert_eq!(sink.take(), then, "the correction stands for itself");
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_when_they_come_is_written_and_completed() {
    let (ledger, sink) = (Arc::<MemoryLedger>::default(), Written::default());
    migrate(&ledger, &[], "good", &sink).await;
    sink.take();
    migrate(&ledger, &[7], "better", &sink).await;
    let then = [
        "Said(7, \"it reads: better\") by person:7",
        "again Silent(7, \"better\") by person:7",
        "Said(7, \"I: better\") by person:7",
        "again Owner(7) by person:7",
    ];
    assert_eq!(sink.take(), then);
    migrate(&ledger, &[7], "better", &sink).await;
    assert_eq!(sink.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_is_known_at_once_is_named_at_once() {
    let (ledger, sink) = (Arc::<MemoryLedger>::default(), Written::default());
    migrate(&ledger, &[7], "good", &sink).await;
    assert_eq!(sink.take().len(), 5);
    migrate(&ledger, &[7], "good", &sink).await;
    assert_eq!(sink.take(), [""; 0]);
}
