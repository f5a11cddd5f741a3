//! Reading back what a run wrote.

use std::sync::Arc;

use migrate_core::ledger::{Ledger, LedgerErrorKind};
use migrate_core::{
    Check, Failure, FailureKind, Field, Fingerprint, Limits, Name, Normal, ReadBack, RunEnd,
    RunError, RunOptions, Sampling, Snapshot, StopSignal, TargetId, Verification, Verified, Verify,
    async_trait,
};
use serde_json::Value;

use crate::crash::{Life, Mortal};
use crate::desk::{Content, Desk};
use crate::migration::{Account, Item, begin, migrate};
use crate::rollback::ledger;

#[async_trait]
impl Verify<Item> for Desk {
    async fn read_back(&self, check: &Check<Item>) -> Result<ReadBack, Failure> {
        let stop = self.lock().stop_reading.clone();
        let read = self.read(|content| read_back(content, check))?;
        if let Some((signal, at)) = stop
            && self.lock().reads >= at
        {
            signal.stop();
        }
        Ok(read)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(2)
    }
}

fn read_back(content: &Content, check: &Check<Item>) -> ReadBack {
    let object = check.object.as_str();
    let (person, thread) = (content.people.get(object), content.threads.get(object));
    let there = |name: &str, there: bool| {
        Snapshot::of([Field::new(name, true, if there { Value::from(true) } else { Value::Null })])
    };
    let snapshot = match &check.draft {
        Item::Attribute(name) => there(name, content.attributes.get(name) == Some(&false)),
        Item::Person { name, .. } => {
            let Some(person) = person else { return ReadBack::missing("person") };
            let field = Field::new("name", name.as_str(), person.name.as_str());
            let mark = Field::new("mark", check.key.as_str(), person.mark.clone());
            // What was there before bears no mark of ours.
            let ours = check.resolved.root_is_ours();
            Snapshot::of([field.by(Normal::trim())].into_iter().chain(ours.then_some(mark)))
        }
        Item::Tag(name) => {
            let Some(person) = person else { return ReadBack::missing("person") };
            there(&format!("tag {name}"), person.tags.contains(name))
        }
        Item::Note(text) => {
            let Some(person) = person else { return ReadBack::missing("person") };
            there("note", person.notes.contains(text))
        }
        Item::Opening { person, text } => {
            let Some(thread) = thread else { return ReadBack::missing("thread") };
            let same = content.threads.iter().filter(|(_, it)| it.mark == thread.mark);
            let ids: Vec<TargetId> = same.map(|(id, _)| TargetId::new(id.as_str())).collect();
            if ids.len() > 1 {
                return ReadBack::Twins("thread".to_owned(), ids);
            }
            let author = check.resolved.get(&Name::Key(person.clone())).map(TargetId::as_str);
            Snapshot::of([
                Field::new("text", text.as_str(), thread.text.as_str()),
                Field::new("author", author, thread.person.as_str()),
            ])
            .state(Fingerprint::of(thread.text.as_bytes()))
        }
        Item::Reply(text) => {
            let Some(thread) = thread else { return ReadBack::missing("thread") };
            let name = check.key.part_name().unwrap_or_default();
            there(name, thread.replies.iter().any(|(_, it)| it == text))
        }
    };
    snapshot.into()
}

async fn map_again(
    desk: &Desk,
    verification: &Verification,
    scratch: &Arc<dyn Ledger>,
    stop: StopSignal,
) -> Result<RunEnd, RunError> {
    let run = begin(scratch, stop).await?;
    let plan = Account::sample().plan(verification.sink(desk.clone()));
    plan.run(&run, &RunOptions::default()).await
}

async fn verify(desk: &Desk, ledger: &Arc<dyn Ledger>, sampling: Sampling) -> Verified {
    let scratch = self::ledger();
    let verification =
        Verification::begin(ledger.clone(), scratch.clone(), sampling).await.expect("a beginning");
    map_again(desk, &verification, &scratch, StopSignal::new()).await.expect("an end");
    verification.verified().await.expect("a result")
}

async fn migrated() -> (Desk, Arc<dyn Ledger>) {
    let (desk, ledger) = (Account::desk(), ledger());
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    desk.lock().reads = 0;
    (desk, ledger)
}

fn classes(verified: &Verified) -> Vec<String> {
    let line = |it: &migrate_core::Mismatch| format!("{} {} {}", it.key, it.field, it.class);
    verified.mismatches.iter().map(line).collect()
}

/// Drafts of records that are in place: two attributes, five people with five parts, three
/// threads with three replies.
const DRAFTS: u64 = 2 + 10 + 6;

#[tokio::test(start_paused = true)]
async fn what_was_migrated_matches_and_nothing_is_written() {
    let (desk, ledger) = migrated().await;
    let (writes, content) = (desk.writes(), desk.content());
    let verified = verify(&desk, &ledger, Sampling::All).await;
    assert_eq!(classes(&verified), [""; 0]);
    assert_eq!((verified.checked, verified.matched, verified.unread), (10, 10, 0));
    assert_eq!((desk.writes(), desk.content()), (writes, content));
    assert_eq!(desk.lock().reads, DRAFTS);
}

#[tokio::test(start_paused = true)]
async fn every_damage_is_named_with_its_class_and_nothing_else() {
    let (desk, ledger) = migrated().await;
    desk.edit(|content| {
        content.attributes.remove("ld_batch");
        for person in content.people.values_mut() {
            match person.email.as_str() {
                // The sink told no state by which to see that somebody edited it.
                "one@new" => person.mark = Some("another".into()),
                "two@new" => person.notes.clear(),
                "known@old" => drop(person.tags.remove("lead")),
                "noted@old" => person.name = format!(" {} ", person.name),
                _ => {}
            }
        }
        let id = |text: &str| {
            let thread = content.threads.iter().find(|(_, it)| it.text == text);
            thread.map(|(id, it)| (id.clone(), it.clone())).expect("a thread")
        };
        let ((_, first), (second, _), (third, _)) = (id("call 1"), id("call 2"), id("call 3"));
        content.threads.insert("twin".into(), first);
        content.threads.remove(&second);
        content.threads.get_mut(&third).expect("the thread").text = "rewritten".into();
    });
    let verified = verify(&desk, &ledger, Sampling::All).await;
    let expected = [
        "attribute:ld_batch ld_batch lost",
        "person:1 mark altered",
        "person:2 note lost",
        "person:4 tag lead lost",
        "thread:1 thread twin",
        "thread:2 thread missing",
        "thread:3 text edited",
    ];
    assert_eq!(classes(&verified), expected);
    assert_eq!((verified.checked, verified.matched), (10, 3));
    let counted: Vec<(&str, u64)> =
        verified.classes.iter().map(|(class, times)| (class.as_str(), *times)).collect();
    let counts = [("altered", 1), ("edited", 1), ("lost", 3), ("missing", 1), ("twin", 1)];
    assert_eq!(counted, counts);
    let report = serde_json::to_string(&verified).expect("JSON");
    for value in ["rewritten", "call 3", "about six", "another"] {
        assert!(!report.contains(value), "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_object_that_is_gone_is_told_once_for_all_its_parts() {
    let (desk, ledger) = migrated().await;
    desk.edit(|content| content.threads.retain(|_, it| it.text != "call 1"));
    let verified = verify(&desk, &ledger, Sampling::All).await;
    assert_eq!(classes(&verified), ["thread:1 thread missing"]);
}

#[tokio::test(start_paused = true)]
async fn only_the_sample_is_read() {
    let (desk, ledger) = migrated().await;
    let sample = |seed| Sampling::some(["threads"], 1, seed);
    let verified = verify(&desk, &ledger, sample(1)).await;
    assert_eq!((verified.checked, verified.matched), (1, 1));
    let reads = desk.lock().reads;
    assert!((1..=3).contains(&reads), "a thread has up to two replies: {reads}");
    desk.edit(|content| content.threads.clear());
    let mut found = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let (first, again) = (
            verify(&desk, &ledger, sample(seed)).await,
            verify(&desk, &ledger, sample(seed)).await,
        );
        assert_eq!(first, again);
        found.extend(classes(&first));
    }
    assert_eq!(found.len(), 3, "other seeds choose others");
    // More than there is.
    let all = verify(&desk, &ledger, Sampling::some(["people"], 50, 1)).await;
    assert_eq!((all.checked, all.matched, all.unread), (5, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_cut_off_goes_on_and_reads_nothing_twice() {
    let damaged = async || {
        let (desk, ledger) = migrated().await;
        desk.edit(|content| content.threads.retain(|_, it| it.text != "call 1"));
        (desk, ledger)
    };
    let (desk, ledger) = damaged().await;
    let expected = verify(&desk, &ledger, Sampling::All).await;
    for at in 1..=DRAFTS {
        let (desk, ledger) = damaged().await;
        let scratch = self::ledger();
        desk.lock().read_faults.insert(at, FailureKind::Gone);
        let first = Verification::begin(ledger.clone(), scratch.clone(), Sampling::All).await;
        let first = first.expect("a beginning");
        let end = map_again(&desk, &first, &scratch, StopSignal::new()).await;
        assert!(matches!(end, Err(RunError::Gone(_))), "{end:?}");
        let second = Verification::begin(ledger.clone(), scratch.clone(), Sampling::All).await;
        let second = second.expect("the same");
        map_again(&desk, &second, &scratch, StopSignal::new()).await.expect("an end");
        assert_eq!(second.verified().await.expect("a result"), expected, "cut off at {at}");
        assert_eq!(desk.lock().reads, DRAFTS + 1, "only what failed is read again");
        assert_eq!(first.drafts_read() + second.drafts_read(), DRAFTS);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_was_killed_at_any_call_to_its_ledger_goes_on_at_once() {
    let (desk, ledger) = migrated().await;
    desk.edit(|content| content.threads.retain(|_, it| it.text != "call 1"));
    let expected = verify(&desk, &ledger, Sampling::All).await;
    for dies_at in 3.. {
        desk.lock().reads = 0;
        let scratch = self::ledger();
        let mortal: Arc<dyn Ledger> = Arc::new(Mortal(scratch.clone(), Life::until(dies_at)));
        let first = Verification::begin(ledger.clone(), mortal.clone(), Sampling::All).await;
        let Ok(first) = first else { continue };
        if map_again(&desk, &first, &mortal, StopSignal::new()).await.is_ok() {
            assert!(dies_at > 100, "it was killed at {dies_at} moments only");
            break;
        }
        let begun = tokio::time::Instant::now();
        let second = Verification::begin(ledger.clone(), scratch.clone(), Sampling::All).await;
        let second = second.expect("the same");
        map_again(&desk, &second, &scratch, StopSignal::new()).await.expect("an end");
        assert_eq!(second.verified().await.expect("a result"), expected, "killed at {dies_at}");
        let again = desk.lock().reads - DRAFTS;
        assert!(again <= 2, "killed at {dies_at}, {again} were read again, more than in flight");
        // Nobody waits for a read to take effect.
        assert!(begun.elapsed() < std::time::Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_it_is_asked_to_and_goes_on() {
    let (desk, ledger) = migrated().await;
    let (scratch, stop) = (self::ledger(), StopSignal::new());
    desk.lock().stop_reading = Some((stop.clone(), 5));
    let verification =
        Verification::begin(ledger.clone(), scratch.clone(), Sampling::All).await.expect("one");
    let end = map_again(&desk, &verification, &scratch, stop).await;
    assert!(matches!(end, Err(RunError::Interrupted)), "{end:?}");
    desk.lock().stop_reading = None;
    assert!((5..8).contains(&desk.lock().reads));
    map_again(&desk, &verification, &scratch, StopSignal::new()).await.expect("an end");
    let verified = verification.verified().await.expect("a result");
    assert_eq!((verified.checked, verified.matched), (10, 10));
    assert_eq!(desk.lock().reads, DRAFTS);
}

#[tokio::test(start_paused = true)]
async fn a_scratch_ledger_of_another_verification_is_refused() {
    let (desk, ledger) = migrated().await;
    let scratch = self::ledger();
    let begin = |sampling| Verification::begin(ledger.clone(), scratch.clone(), sampling);
    let sample = |seed| Sampling::some(["people"], 2, seed);
    begin(sample(1)).await.expect("a beginning");
    begin(sample(1)).await.expect("the same again");
    for other in [sample(2), Sampling::some(["people"], 3, 1), Sampling::All] {
        let error = begin(other).await.expect_err("another");
        assert_eq!(error.kind(), LedgerErrorKind::Foreign);
    }
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    let error = begin(sample(1)).await.expect_err("the migration went on");
    assert_eq!(error.kind(), LedgerErrorKind::Foreign);
}

#[tokio::test(start_paused = true)]
async fn reads_that_fail_are_made_again() {
    let (desk, ledger) = migrated().await;
    let expected = verify(&desk, &ledger, Sampling::All).await;
    for read in 1..=DRAFTS {
        for kind in [FailureKind::NotDone, FailureKind::InDoubt] {
            desk.lock().reads = 0;
            desk.lock().read_faults.insert(read, kind);
            assert_eq!(verify(&desk, &ledger, Sampling::All).await, expected, "{kind:?} at {read}");
        }
    }
    desk.lock().reads = 0;
    desk.lock().read_faults.insert(3, FailureKind::Gone);
    let scratch = self::ledger();
    let verification =
        Verification::begin(ledger.clone(), scratch.clone(), Sampling::All).await.expect("one");
    let end = map_again(&desk, &verification, &scratch, StopSignal::new()).await;
    assert!(matches!(end, Err(RunError::Gone(_))), "{end:?}");
    map_again(&desk, &verification, &scratch, StopSignal::new()).await.expect("an end");
    assert_eq!(verification.verified().await.expect("a result"), expected);
}

#[tokio::test(start_paused = true)]
async fn the_caller_can_say_how_a_field_is_compared() {
    let (desk, ledger) = migrated().await;
    desk.edit(|content| {
        let people = content.people.values_mut();
        people.for_each(|person| person.name = person.name.to_uppercase());
    });
    let strict = verify(&desk, &ledger, Sampling::All).await;
    assert_eq!(strict.classes.get("altered"), Some(&5));
    let scratch = self::ledger();
    let lenient = Verification::begin(ledger.clone(), scratch.clone(), Sampling::All).await;
    let lenient = lenient.expect("one").rule("name", Normal::lowercase());
    map_again(&desk, &lenient, &scratch, StopSignal::new()).await.expect("an end");
    assert_eq!(classes(&lenient.verified().await.expect("a result")), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn stages_that_are_passed_over_lead_to_the_real_objects() {
    let (desk, ledger) = migrated().await;
    let scratch = self::ledger();
    let verification =
        Verification::begin(ledger.clone(), scratch.clone(), Sampling::All).await.expect("one");
    let run = begin(&scratch, StopSignal::new()).await.expect("a run");
    let plan = Account::sample().plan(verification.passing());
    plan.run(&run, &RunOptions::default()).await.expect("an end");
    assert_eq!(desk.lock().reads, 0);
    let known = ledger.entries(&[migrate_core::Key::new("person", 1)]).await.expect("entries");
    let passed = scratch.entries(&[migrate_core::Key::new("person", 1)]).await.expect("entries");
    let target = |entries: &[Option<migrate_core::ledger::Entry>]| {
        entries[0].as_ref().and_then(|entry| entry.target.clone()).expect("an object")
    };
    assert_eq!(target(&known), target(&passed));
    let again = Verification::begin(ledger.clone(), scratch, Sampling::All).await.expect("one");
    for verification in [verification, again] {
        let verified = verification.verified().await.expect("a result");
        assert_eq!((verified.checked, verified.unread), (0, 0), "they were not to be read");
    }
}

/// What the source has lost since cannot be mapped again, and is told instead of passed over.
#[tokio::test(start_paused = true)]
async fn what_is_not_mapped_any_more_counts_as_unread() {
    let (desk, ledger) = (Account::desk(), self::ledger());
    let mut account = Account::sample();
    migrate(&account, &desk, &ledger).await.expect("a run");
    // One of them, and then all.
    for left in [2, 0] {
        account.threads.truncate(left);
        let lost = 3 - u64::try_from(account.threads.len()).expect("few");
        let scratch = self::ledger();
        let begin_on = || Verification::begin(ledger.clone(), scratch.clone(), Sampling::All);
        let verification = begin_on().await.expect("a beginning");
        let run = begin(&scratch, StopSignal::new()).await.expect("a run");
        let plan = account.plan(verification.sink(desk.clone()));
        plan.run(&run, &RunOptions::default()).await.expect("an end");
        // Also to somebody who takes it up again.
        for verification in [verification, begin_on().await.expect("the same")] {
            let verified = verification.verified().await.expect("a result");
            assert_eq!((verified.unread, verified.mismatches.len()), (lost, 0));
        }
    }
}
