//! Records that come back to what they were, or leave the way they were on: what was settled of them
//! then must not pass for what they are now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use migrate_core::ledger::{Change, How, Parking, PartState};
use migrate_core::testkit::{MemoryTarget, Piece, ScriptedSource, Uniqueness};
use migrate_core::{
    Alias, Doubt, Emit, Failure, FailureKind, Fate, Fingerprint, Found, Group, Grouping, Key,
    Ledger, Limits, Mapper, Member, MemoryLedger, Outcome, Pipeline, Plan, Reason, Record, Run,
    RunOptions, Selection, Sink, Write, async_trait, map_fn,
};
use serde_json::json;

use crate::shelf::{Book, Library, Shelf, run, with_fate};

/// Books that are skipped while they are called so.
const WITHDRAWN: &str = "withdrawn";

fn unless_withdrawn() -> impl Mapper<Book, Out = Book> {
    map_fn(|record: Record<Book>, out: &mut Emit<Book>| {
        if record.body.title == WITHDRAWN {
            return out.skip(Reason::new("withdrawn", "it was withdrawn"));
        }
        out.push(record.body);
    })
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_and_left_out_since_is_tried_when_it_is_back() {
    let (shelf, library, ledger) = (Shelf::of(3), Library::default(), Arc::default());
    let go = async || {
        let stage = Pipeline::new("books", shelf.clone(), unless_withdrawn(), library.clone());
        run(stage, &ledger, &RunOptions::default()).await.unwrap();
    };
    library.lock().refused.insert(2);
    go().await;
    assert_eq!(with_fate(&ledger, Fate::Dead).await, 1);
    shelf.put(2, WITHDRAWN, None);
    go().await;
    assert_eq!(with_fate(&ledger, Fate::Skipped).await, 1);
    shelf.put(2, "first edition", None);
    library.lock().refused.clear();
    go().await;
    assert_eq!(with_fate(&ledger, Fate::Created).await, 3);
    assert_eq!(library.lock().books.len(), 3);
}

/// A process was stopped between two writes of an update, and the source has taken the change back.
#[tokio::test(start_paused = true)]
async fn a_half_made_update_that_is_taken_back_is_made_undone() {
    let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
    let source = ScriptedSource::new([("thing:1", "old")]);
    let go = async || {
        let mapper = map_fn(|record: Record<&'static str>, out: &mut Emit<Piece>| {
            out.push(Piece::object(Uniqueness::ById, record.body));
            out.part("text", Piece::Text("and more".into()));
        });
        let stage = Pipeline::new("things", source.clone(), mapper, target.clone());
        let run = Run::on(ledger.clone()).begin().await.unwrap();
        Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await.unwrap();
        ledger.entries(&[Key::from("thing:1")]).await.unwrap().remove(0).unwrap()
    };
    let made = go().await;
    let (key, stage) = (made.key.clone(), made.stage.clone());
    target.edit(&key, |object| object.text = "new".into());
    let half = Change::Done {
        key: key.clone(),
        stage: stage.clone(),
        target: made.target.clone().unwrap(),
        fingerprint: Fingerprint::of(b"new"),
        how: How::Updated,
        state: None,
        at: made.at,
    };
    ledger.commit(vec![half]).await.unwrap();
    go().await;
    assert_eq!(target.of(&key)[0].text, "old");

    // The same in the middle of a write that must not be repeated.
    let draft = serde_json::to_value(Piece::Text("another".into())).unwrap();
    let intent = Change::Intent { key: key.part("text:2"), stage, draft: Some(draft), at: made.at };
    ledger.commit(vec![intent]).await.unwrap();
    let settled = go().await;
    let in_doubt = |it: &migrate_core::ledger::Part| matches!(it.state, PartState::Intended { .. });
    assert!(!settled.parts.iter().any(in_doubt), "{:?}", settled.parts);
    let writes = target.writes();
    go().await;
    assert_eq!(target.writes(), writes);
    assert!(target.looks() > 0, "it was looked for");
}

/// Drafts that were parked before the mapper let go of the record are not written any more.
#[tokio::test(start_paused = true)]
async fn what_was_parked_of_a_record_that_is_left_out_is_not_written() {
    for why in [Parking::Retry, Parking::Parent, Parking::Group] {
        let (shelf, library, ledger) = (Shelf::default(), Library::default(), Arc::default());
        shelf.put(1, WITHDRAWN, None);
        let key = Key::new("book", 1);
        let at = chrono::DateTime::UNIX_EPOCH;
        let mut parked = migrate_core::ledger::Parked::new(key.clone(), "books", why, at);
        parked.drafts = json!({ "drafts": [[null, { "title": "old", "sequel_of": null }]] });
        MemoryLedger::commit(&ledger, vec![Change::Park(Box::new(parked))]).await.unwrap();
        let stage = Pipeline::new("books", shelf, unless_withdrawn(), library.clone());
        let (_, run) = run(stage, &ledger, &RunOptions::default()).await.unwrap();
        assert_eq!(library.lock().writes, 0, "{why:?}");
        assert_eq!(run.tally("books").total(), 1, "it is counted once");
        assert_eq!(ledger.parked_among(&[key]).await.unwrap(), []);
    }
}

/// By e-mail address; the first is the one.
struct ByEmail;

impl Grouping<Piece> for ByEmail {
    fn group(&self, members: Vec<Member<Piece>>) -> Vec<Group<Piece>> {
        let mut members = members.into_iter();
        let Some(primary) = members.next() else { return Vec::new() };
        vec![Group::One { primary, merged: members.map(|member| member.key).collect() }]
    }
}

type Person = (&'static str, &'static str);

async fn group(
    people: &ScriptedSource<Person>,
    target: &MemoryTarget,
    ledger: &Arc<MemoryLedger>,
) -> Vec<Fate> {
    let mapper = map_fn(|record: Record<Person>, out: &mut Emit<Piece>| {
        let (name, email) = record.body;
        out.identity(Alias::new("email", email));
        out.push(Piece::object(Uniqueness::ById, name));
    });
    let stage = Pipeline::new("people", people.clone(), mapper, target.clone());
    let run = Run::on(ledger.clone()).begin().await.unwrap();
    let plan = Plan::new().stage(stage.grouped_by(ByEmail), &[]);
    plan.run(&run, &RunOptions::default()).await.unwrap();
    let entries = ledger.entries(&people.keys()).await.unwrap();
    entries.into_iter().flatten().map(|entry| entry.fate).collect()
}

#[tokio::test(start_paused = true)]
async fn who_shared_an_object_for_a_while_gets_one_of_their_own() {
    let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
    let (anna, bo) = (Key::from("person:1"), Key::from("person:2"));
    let people = ScriptedSource::new([
        (anna.clone(), ("Anna", "a@example.com")),
        (bo.clone(), ("Bo", "b@example.com")),
    ]);
    target.answer(bo.clone(), Some(Outcome::Refused(Reason::new("invalid", "no"))));
    assert_eq!(group(&people, &target, &ledger).await, [Fate::Created, Fate::Dead]);
    target.answer(bo.clone(), None);
    people.put(bo.clone(), ("Bo", "a@example.com"));
    assert_eq!(group(&people, &target, &ledger).await, [Fate::Created, Fate::Merged]);
    people.put(bo.clone(), ("Bo", "b@example.com"));
    assert_eq!(group(&people, &target, &ledger).await, [Fate::Created, Fate::Created]);
    assert_eq!((target.of(&anna).len(), target.of(&bo).len()), (1, 1));
    let writes = target.writes();
    group(&people, &target, &ledger).await;
    assert_eq!(target.writes(), writes);
}

/// Groups whose members are read far apart, more than are taken up at once.
#[tokio::test(start_paused = true)]
async fn members_that_are_read_far_apart_are_one_group_once() {
    let (target, ledger) = (MemoryTarget::new(), Arc::default());
    let emails: Vec<String> = (0..200).map(|n| format!("p{n}@example.com")).collect();
    let emails: &'static [String] = Vec::leak(emails);
    let twice = emails.iter().chain(emails).enumerate();
    let people = twice.map(|(n, email)| (Key::new("person", n), ("same name", email.as_str())));
    let people = ScriptedSource::new(people).pages_of(100);
    let fates = group(&people, &target, &ledger).await;
    let count = |fate| fates.iter().filter(|it| **it == fate).count();
    assert_eq!((count(Fate::Created), count(Fate::Merged)), (200, 200));
    assert_eq!((target.objects().len(), target.twins()), (200, vec![]));
    let writes = target.writes();
    assert_eq!(writes, 200, "each group is written once");
    group(&people, &target, &ledger).await;
    assert_eq!(target.writes(), writes, "and again");
}

/// What cannot be edited, as the destination of corrections.
async fn correct(
    source: &ScriptedSource<&'static str>,
    sink: impl Sink<Piece> + 'static,
    ledger: &Arc<MemoryLedger>,
) {
    let mapper = map_fn(|record: Record<&'static str>, out: &mut Emit<Piece>| {
        out.push(Piece::object(Uniqueness::ById, "thread"));
        out.part("text", Piece::Corrected(record.body.into()));
    });
    let run = Run::on(ledger.clone()).begin().await.unwrap();
    let plan = Plan::new().stage(Pipeline::new("threads", source.clone(), mapper, sink), &[]);
    plan.run(&run, &RunOptions::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_text_that_goes_back_and_forth_is_corrected_each_time() {
    let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
    let (source, key) = (ScriptedSource::new([("thread:1", "A")]), Key::from("thread:1"));
    for (n, text) in (1..).zip(["A", "B", "A", "B", "B", "A"]) {
        source.put(key.clone(), text);
        correct(&source, target.clone(), &ledger).await;
        let texts = target.of(&key).remove(0).texts;
        let newest = &texts.last().unwrap().1;
        assert!(newest.ends_with(text), "{n}: the newest says {newest}");
        assert_eq!(texts.len(), if n < 5 { n } else { n - 1 }, "and each change once");
    }
}

/// Loses the reply to the first correction; a twin of it comes about before the last look, which
/// fails the first time.
#[derive(Clone)]
struct Forgetful {
    target: MemoryTarget,
    looks: Arc<AtomicUsize>,
}

#[async_trait]
impl Sink<Piece> for Forgetful {
    async fn write(&self, batch: Vec<Write<Piece>>) {
        for write in batch {
            if write.key.as_str().contains('+') && self.looks.load(Ordering::Relaxed) == 0 {
                let (copy, _) = write.copy();
                self.target.write(vec![copy]).await;
                write.failed(Failure::new(FailureKind::InDoubt, "no reply"));
            } else {
                self.target.write(vec![write]).await;
            }
        }
    }

    async fn find(&self, doubt: &Doubt<Piece>) -> Result<Found, Failure> {
        match self.looks.fetch_add(1, Ordering::Relaxed) {
            1 => {
                self.target.edit(&doubt.key.root(), |object| {
                    let again = object.texts.last().cloned().unwrap();
                    object.texts.push(again);
                });
                Err(Failure::new(FailureKind::NotDone, "busy"))
            }
            _ => self.target.find(doubt).await,
        }
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(1)
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_look_that_failed_is_made_by_a_later_run_whatever_has_changed() {
    let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
    let sink = Forgetful { target, looks: Arc::default() };
    let (source, key) = (ScriptedSource::new([("thread:1", "A")]), Key::from("thread:1"));
    correct(&source, sink.clone(), &ledger).await;
    source.put(key.clone(), "B");
    correct(&source, sink.clone(), &ledger).await;
    assert_eq!(sink.looks.load(Ordering::Relaxed), 2, "one settled it, the last one failed");
    correct(&source, sink.clone(), &ledger).await;
    let entry = ledger.entries(&[key]).await.unwrap().remove(0).unwrap();
    assert!(entry.notes.iter().any(|note| note.code == "twin"), "{:?}", entry.notes);
    assert_eq!(ledger.parked("threads", Parking::LastLook, 0, 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_was_in_doubt_is_looked_at_by_a_later_run_too() {
    let (target, ledger) = (MemoryTarget::new(), Arc::<MemoryLedger>::default());
    let people = ScriptedSource::new([("person:1", ("Anna", "a@example.com"))]);
    group(&people, &target, &ledger).await;
    let (key, at) = (Key::from("person:1"), chrono::DateTime::UNIX_EPOCH);
    let mut parked =
        migrate_core::ledger::Parked::new(key.clone(), "people", Parking::LastLook, at);
    let draft = serde_json::to_value(Piece::object(Uniqueness::ById, "Anna")).unwrap();
    parked.drafts = json!({ "drafts": [[null, draft]], "doubted": [key] });
    ledger.commit(vec![Change::Park(Box::new(parked))]).await.unwrap();
    group(&people, &target, &ledger).await;
    // It asks for what may be repeated, which this destination notes.
    assert_eq!(target.looks(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_selection_finds_what_is_dead_again() {
    let (shelf, library, ledger) = (Shelf::of(1), Library::default(), Arc::default());
    library.lock().refused.insert(1);
    let stage = || Pipeline::new("books", shelf.clone(), unless_withdrawn(), library.clone());
    for title in ["first edition", WITHDRAWN, "first edition"] {
        shelf.put(1, title, None);
        run(stage(), &ledger, &RunOptions::default()).await.unwrap();
    }
    assert_eq!(with_fate(&ledger, Fate::Dead).await, 1);
    library.lock().refused.clear();
    crate::shelf::redrive(stage(), &ledger, &Selection::all()).await;
    assert_eq!(with_fate(&ledger, Fate::Created).await, 1);
}
