//! Taking back what a run wrote.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use migrate_core::ledger::Ledger;
use migrate_core::{
    Fate, Key, MemoryLedger, Rollback, RollbackOptions, RollbackReport, RunError, RunOptions,
    Scope, StopSignal, UndoEvent, Undone,
};

use crate::desk::{Content, Desk, Fault};
use crate::migration::{Account, Item, begin, migrate, roll_back, rollback, without_ids};

pub(crate) fn ledger() -> Arc<dyn Ledger> {
    Arc::new(MemoryLedger::new())
}

/// A destination after a run, with what stood there before it.
async fn migrated() -> (Desk, Arc<dyn Ledger>, Content) {
    let (desk, ledger) = (Account::desk(), ledger());
    let before = desk.content();
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    (desk, ledger, before)
}

/// What was left or cannot be taken back, as stage, key and code.
pub(crate) fn remnants(report: &RollbackReport) -> Vec<String> {
    let mut remnants = Vec::new();
    for stage in &report.stages {
        let left = stage.left.iter().map(|it| (&it.key, &it.reason.code));
        let impossible = stage.impossible.iter().map(|it| (&it.key, &it.reason.code));
        remnants.extend(left.chain(impossible).map(|(key, code)| format!("{key} {code}")));
    }
    remnants
}

/// What the destination cannot remove: attributes and a note on somebody who was there.
const REMAINS: [&str; 3] = [
    "person:6/note permanent",
    "attribute:ld_batch archive_only",
    "attribute:ld_owner archive_only",
];

/// The destination as before the run, save for what it cannot remove.
fn restored(before: &Content) -> Content {
    let mut expected = before.clone();
    expected.attributes = [("ld_batch".into(), true), ("ld_owner".into(), true)].into();
    let noted = expected.people.get_mut("old3").expect("the person");
    noted.notes.push("about six".into());
    expected
}

#[tokio::test(start_paused = true)]
async fn after_a_run_and_a_rollback_the_destination_is_as_before() {
    let (desk, ledger, before) = migrated().await;
    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    assert_eq!(desk.content(), restored(&before));
    assert_eq!(remnants(&report), REMAINS);
    assert!(!report.is_clean());
    let names: Vec<&str> = report.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["threads", "people", "attributes"]);
    let (threads, people) = (&report.stages[0], &report.stages[1]);
    assert_eq!((threads.records, threads.removed, threads.untouched), (4, 3, 1));
    assert_eq!((people.records, people.removed, people.restored), (7, 2, 1));
    assert_eq!((people.untouched, people.merged, people.kept), (2, 1, 1));
    let remains = &report.stages[2].impossible[0];
    assert_eq!((remains.name.as_str(), remains.object.as_str()), ("ld_batch", "ld_batch"));
    assert_eq!(report.stages[2].removed, 2);
    assert_eq!(people.impossible[0].name, "note on old3");

    // What is known as never written is in the history; what could not be removed is not.
    let keys = [Key::new("person", 1), Key::new("person", 3), Key::new("person", 6)];
    let entries = ledger.entries(&keys).await.expect("entries");
    assert!(entries[0].is_none() && entries[1].is_none());
    assert_eq!(entries[2].as_ref().expect("what is left").parts.len(), 2);
    let history = ledger.history(0, 100).await.expect("a history");
    let past: BTreeSet<String> = history.iter().map(|(_, past)| past.key.to_string()).collect();
    for key in [
        "thread:1",
        "thread:1/reply:2",
        "person:1/tag:lead",
        "person:3",
        "person:4",
        "person:4/tag:lead",
    ] {
        assert!(past.contains(key), "{key} in {past:?}");
    }
    assert!(!past.contains("person:6/note"));
    assert!(!Rollback::is_under_way(&*ledger).await.expect("a ledger"));
}

/// More than one window of the ledger, and the durable one.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_large_migration_is_undone_window_by_window() {
    use migrate_core::SqliteLedger;
    use migrate_core::ledger::Binding;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger.sqlite");
    let ledger = SqliteLedger::open(path, &Binding::new("a", "b", "c")).expect("a ledger");
    let (desk, ledger): (Desk, Arc<dyn Ledger>) = (Account::desk(), Arc::new(ledger));
    let before = desk.content();
    let account = Account::large(450);
    migrate(&account, &desk, &ledger).await.expect("a run");
    assert_eq!(desk.content().people.len(), before.people.len() + 450);
    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    assert!(report.is_clean());
    assert_eq!((report.stages[1].removed, report.stages[1].merged), (450, 450));
    assert_eq!(desk.content(), before);
    assert_eq!(ledger.tally("people").await.expect("a tally").total(), 0);
    migrate(&account, &desk, &ledger).await.expect("a run");
    assert_eq!(desk.content().people.len(), before.people.len() + 450);
}

#[tokio::test(start_paused = true)]
async fn a_second_rollback_makes_no_write_call() {
    let (desk, ledger, _) = migrated().await;
    let first = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    let (writes, content) = (desk.writes(), desk.content());
    let second = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("another");
    assert_eq!((desk.writes(), desk.content()), (writes, content));
    assert_eq!(
        (remnants(&first), remnants(&second)),
        (remnants(&second), REMAINS.map(Into::into).into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_later_run_creates_everything_anew_once() {
    let (desk, ledger, _) = migrated().await;
    let made = without_ids(&desk.content());
    roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    assert_eq!(without_ids(&desk.content()), made, "the note that stayed is not written twice");
    let writes = desk.writes();
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    assert_eq!(desk.writes(), writes);
    let tally = ledger.tally("people").await.expect("a tally");
    assert_eq!((tally.of(Fate::Created), tally.of(Fate::Merged), tally.total()), (2, 1, 7));
    // And it can be undone again.
    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    assert_eq!(remnants(&report), REMAINS);
}

#[tokio::test(start_paused = true)]
async fn the_newest_goes_first_and_parts_go_before_their_object() {
    let (desk, ledger, _) = migrated().await;
    roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    let taken = desk.lock().taken.clone();
    let of = |kind: &str| -> Vec<String> {
        taken.iter().filter(|key| key.starts_with(kind)).cloned().collect()
    };
    assert_eq!(of("thread"), ["thread:3", "thread:2", "thread:1"]);
    assert_eq!(of("person:4"), ["person:4/tag:lead", "person:4"], "the tag vip was there before");
    assert_eq!(of("attribute"), ["attribute:ld_owner", "attribute:ld_batch"]);
    let place = |key: &str| taken.iter().position(|it| it == key).expect("taken back");
    assert!(place("thread:1") < place("person:2") && place("person:2") < place("person:1"));
    assert!(place("person:1") < place("attribute:ld_owner"));
}

#[tokio::test(start_paused = true)]
async fn what_a_later_run_changed_is_put_back_as_well() {
    let (desk, ledger, before) = migrated().await;
    let mut account = Account::sample();
    for (_, drafts) in &mut account.people {
        if let Item::Person { name, .. } = &mut drafts[0].1 {
            name.push_str(" Changed");
        }
    }
    migrate(&account, &desk, &ledger).await.expect("a run");
    assert_eq!(desk.content().people["old2"].name, "Same Changed");
    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    assert_eq!(remnants(&report), REMAINS);
    assert_eq!(desk.content(), restored(&before));
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_left_is_still_known_when_its_object_was_put_back() {
    let (desk, ledger) = (Account::desk(), ledger());
    let mut account = Account::sample();
    for (key, drafts) in &mut account.people {
        if *key == Key::new("person", 4) {
            drafts.push((Some("note".into()), Item::Note("about four".into())));
        }
    }
    migrate(&account, &desk, &ledger).await.expect("a run");
    let made = without_ids(&desk.content());
    for _ in 0..2 {
        let end = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("an end");
        assert_eq!(remnants(&end)[0], "person:4/note permanent");
        let known = &desk.content().people["old1"];
        assert_eq!((known.name.as_str(), known.notes.len()), ("Old Name", 1));
    }
    migrate(&account, &desk, &ledger).await.expect("a run");
    assert_eq!(without_ids(&desk.content()), made, "changed again, and the note not written twice");
    assert_eq!(ledger.tally("people").await.expect("a tally").of(Fate::Updated), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_cut_off_can_be_undone_and_begun_anew() {
    let account = Account::sample();
    for gone_at in 1..=14 {
        let (desk, ledger) = (Account::desk(), ledger());
        let before = desk.content();
        desk.lock().faults.insert(gone_at, Fault::Gone);
        let _ = migrate(&account, &desk, &ledger).await;
        roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
        let mut now = desk.content();
        now.attributes.clear();
        now.people.get_mut("old3").expect("the person").notes.clear();
        assert_eq!(now, before, "cut off at call {gone_at}");
        let end = migrate(&account, &desk, &ledger).await.expect("a run");
        assert_eq!(end.waiting, 0);
        let whole = Account::desk();
        migrate(&account, &whole, &self::ledger()).await.expect("a run");
        assert_eq!(without_ids(&desk.content()), without_ids(&whole.content()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_have_edited_survives_and_is_reported() {
    let (desk, ledger, before) = migrated().await;
    let id = |email: &str| {
        let content = desk.content();
        let found = content.people.iter().find(|(_, it)| it.email == email);
        found.map(|(id, _)| id.clone()).expect("the person")
    };
    let (one, two) = (id("one@new"), id("two@new"));
    desk.edit(|content| {
        let people = &mut content.people;
        people.get_mut("old1").expect("the person").name = "Newer Name".into();
        people.get_mut(&two).expect("the person").tags.insert("theirs".into());
        for thread in content.threads.values_mut().filter(|it| it.person == one) {
            thread.replies.push(("theirs".into(), "a customer's reply".into()));
        }
    });
    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    let mut expected: Vec<String> = vec![
        // The thread keeps the person it hangs on, and the object keeps both its records.
        "thread:1 added_since".into(),
        "person:1 added_since".into(),
        "person:2 added_since".into(),
        "person:3 shares_object".into(),
        "person:4 changed_since".into(),
    ];
    expected.extend(REMAINS.map(str::to_owned));
    assert_eq!(remnants(&report), expected);
    let changed = &report.stages[1].left[3];
    assert_eq!((&changed.fields, changed.object.as_deref()), (&vec!["name".into()], Some("old1")));
    assert_eq!(report.stages[1].kept, 5);

    let now = desk.content();
    assert_eq!(now.people["old1"].name, "Newer Name");
    assert_eq!(now.people["old1"].tags, before.people["old1"].tags, "what nobody touched goes");
    assert_eq!(now.people[&two].tags.len(), 1);
    assert!(now.people.contains_key(&one));
    let again = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("another");
    assert_eq!(remnants(&again), expected);
    assert_eq!(desk.content(), now);

    // Once the edits are gone, so is what was left.
    desk.edit(|content| {
        content.people.get_mut("old1").expect("the person").name = "New Name".into();
        content.people.get_mut(&two).expect("the person").tags.clear();
        content.threads.values_mut().for_each(|it| it.replies.retain(|(id, _)| id != "theirs"));
    });
    let last = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a third");
    assert_eq!(remnants(&last), REMAINS);
    assert_eq!(desk.content(), restored(&before));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_the_same_and_changes_nothing() {
    for edited in [false, true] {
        let (desk, ledger, _) = migrated().await;
        if edited {
            desk.edit(|content| {
                content.people.get_mut("old1").expect("the person").name = "Newer".into();
                let theirs = ("theirs".into(), "a reply".into());
                let thread = content.threads.values_mut().find(|it| it.text == "call 1");
                thread.expect("a thread").replies.push(theirs);
                let gone = content.threads.iter().find(|(_, it)| it.text == "call 2");
                let gone = gone.map(|(id, _)| id.clone()).expect("a thread");
                content.threads.remove(&gone);
            });
        }
        let (writes, content) = (desk.writes(), desk.content());
        let pass = ledger.stage("people").await.expect("a stage").pass;
        let mut dry = roll_back(&desk, &ledger, &RollbackOptions::dry()).await.expect("a look");
        assert_eq!((desk.writes(), desk.content()), (writes, content));
        assert_eq!(ledger.stage("people").await.expect("a stage").pass, pass);
        assert_eq!(ledger.history(0, 1).await.expect("a history"), []);
        assert!(dry.dry_run);
        let real =
            roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
        dry.dry_run = false;
        assert_eq!(dry, real);
        assert_eq!(real.stages[0].already_gone, u64::from(edited));
    }
}

#[tokio::test(start_paused = true)]
async fn faults_are_settled_by_looking() {
    let (whole, ledger, before) = migrated().await;
    let from = whole.writes();
    roll_back(&whole, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    let calls = whole.writes() - from;
    assert!(calls > 6, "{calls}");
    for fault in [Fault::LostReply, Fault::NotDone, Fault::Gone, Fault::Lags] {
        for call in 1..=calls {
            let (desk, ledger, _) = migrated().await;
            desk.lock().faults.insert(from + call, fault);
            let mut end = roll_back(&desk, &ledger, &RollbackOptions::default()).await;
            if fault == Fault::Gone {
                assert!(matches!(end, Err(RunError::Gone(_))), "{end:?}");
                assert!(Rollback::is_under_way(&*ledger).await.expect("a ledger"));
                end = roll_back(&desk, &ledger, &RollbackOptions::default()).await;
            }
            assert_eq!(remnants(&end.expect("a rollback")), REMAINS, "{fault:?} at call {call}");
            assert_eq!(desk.content(), restored(&before), "{fault:?} at call {call}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_doubt_is_left_until_the_run_was_resumed() {
    let account = Account::sample();
    let probe = Account::desk();
    let before = probe.content();
    migrate(&account, &probe, &self::ledger()).await.expect("a run");
    for call in 1..=probe.writes() {
        let (desk, ledger) = (Account::desk(), self::ledger());
        desk.lock().faults.insert(call, Fault::LostReply);
        let run = begin(&ledger, StopSignal::new()).await.expect("a run");
        let mut options = RunOptions::default();
        options.no_wait = true;
        account.plan(desk.clone()).run(&run, &options).await.expect("a run");
        let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("an end");
        let left: Vec<_> = report.stages.iter().flat_map(|stage| &stage.left).collect();
        if left.is_empty() {
            // The write may be repeated, or goes with the object it is a part of.
            assert_eq!(desk.content(), restored(&before), "call {call}");
            continue;
        }
        for left in left {
            assert!(["in_doubt", "added_since"].contains(&left.reason.code.as_str()), "{left:?}");
            assert!(left.reason.remedy.is_some());
        }
        migrate(&account, &desk, &ledger).await.expect("a run");
        let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("an end");
        assert_eq!(remnants(&report), REMAINS, "call {call}");
        assert_eq!(desk.content(), restored(&before), "call {call}");
    }
}

/// What stood there is kept right before it is changed, also where no intent is: a run that was killed
/// in between may have changed it, though the record waits as if nothing had been sent.
#[tokio::test(start_paused = true)]
async fn what_an_image_is_kept_of_without_a_write_is_in_doubt() {
    use migrate_core::ledger::{Change, Parked, Parking};

    let (desk, ledger, _) = migrated().await;
    let (key, at) = (Key::new("person", 99), chrono::DateTime::UNIX_EPOCH);
    let parked = Parked::new(key.clone(), "people", Parking::Group, at);
    let image = serde_json::json!({ "name": "Old Name" });
    let changes = vec![Change::Park(Box::new(parked)), Change::Before { key, image }];
    ledger.commit(changes).await.expect("a commit");
    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    assert!(remnants(&report).contains(&"person:99 in_doubt".to_owned()), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stage_or_a_record_can_be_undone_alone() {
    let (desk, ledger, _) = migrated().await;
    let made = without_ids(&desk.content());
    let stages = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        RollbackOptions::only(Scope::Stages(names))
    };
    let unknown = roll_back(&desk, &ledger, &stages(&["nobody"])).await;
    assert!(matches!(unknown, Err(RunError::NoStage(name)) if name == "nobody"));

    // A dry one tells what a real one does, also of what hangs on what is not undone.
    let alone = RollbackOptions::only(Scope::Keys([Key::new("person", 1)].into()));
    for mut scope in [stages(&["people"]), stages(&["threads", "people"]), alone] {
        let (twin, books, _) = migrated().await;
        scope.dry_run = true;
        let mut dry = roll_back(&twin, &books, &scope).await.expect("a dry rollback");
        scope.dry_run = false;
        let real = roll_back(&twin, &books, &scope).await.expect("a rollback");
        dry.dry_run = false;
        assert_eq!(dry, real, "{scope:?}");
    }

    // People on whom threads hang that are not undone are left.
    let report = roll_back(&desk, &ledger, &stages(&["people"])).await.expect("a rollback");
    assert_eq!(report.stages[0].removed, 0);
    assert_eq!(report.stages[0].restored, 1);
    let report = roll_back(&desk, &ledger, &stages(&["threads"])).await.expect("a rollback");
    assert_eq!((report.stages.len(), report.stages[0].removed), (1, 3));
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    assert_eq!(without_ids(&desk.content()), made);

    // A record goes with the duplicates that share its object, but not the other way round.
    let keys = |keys: &[Key]| RollbackOptions::only(Scope::Keys(keys.iter().cloned().collect()));
    let (person, duplicate) = (Key::new("person", 2), Key::new("person", 3));
    let both = [Key::new("thread", 2), duplicate.clone()];
    let report = roll_back(&desk, &ledger, &keys(&both)).await.expect("a rollback");
    assert_eq!(remnants(&report), ["person:3 shares_object"]);
    let report = roll_back(&desk, &ledger, &keys(&[person])).await.expect("a rollback");
    let people = report.stages.iter().find(|stage| stage.name == "people").expect("the stage");
    assert_eq!((people.records, people.removed, people.merged), (2, 1, 1));
    assert_eq!(ledger.entries(std::slice::from_ref(&duplicate)).await.expect("entries"), [None]);
    let history = ledger.history(0, 1000).await.expect("a history");
    assert!(history.iter().any(|(_, past)| past.key == duplicate), "it is known that it was there");
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    assert_eq!(without_ids(&desk.content()), made);
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_it_is_asked_to_and_goes_on() {
    let (desk, ledger, before) = migrated().await;
    let (stop, seen) = (StopSignal::new(), Arc::new(Mutex::new(Vec::new())));
    let run = begin(&ledger, stop.clone()).await.expect("a run");
    let (watched, signal) = (seen.clone(), stop.clone());
    let rollback = rollback(&desk).observed_by(move |event| {
        if let UndoEvent::Record { stage, ended } = event {
            watched.lock().expect("no panic").push((stage.to_string(), *ended));
            signal.stop();
        }
    });
    let end = rollback.run(&run, &RollbackOptions::default()).await;
    assert!(matches!(end, Err(RunError::Interrupted)), "{end:?}");
    let seen = seen.lock().expect("no panic").clone();
    assert!((1..=4).contains(&seen.len()), "what is in flight is ended: {seen:?}");
    assert!(seen.iter().all(|(stage, _)| stage == "threads"));
    let removed = seen.iter().filter(|(_, ended)| *ended == Undone::Removed).count();
    let threads = |content: &Content| content.threads.len();
    assert_eq!(threads(&desk.content()), threads(&before) + 3 - removed);

    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    assert_eq!(remnants(&report), REMAINS);
    assert_eq!(desk.content(), restored(&before));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_never_shows_it_is_not_believed() {
    let (desk, ledger, _) = migrated().await;
    let stale = (desk.content(), u32::MAX);
    desk.lock().stale = Some(stale);
    let report = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("an end");
    let left: Vec<&str> =
        report.stages[0].left.iter().map(|left| left.reason.code.as_str()).collect();
    assert_eq!(left, ["not_confirmed"; 3]);
    desk.lock().stale = None;
    roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("a rollback");
    assert_eq!(desk.content().threads.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn stages_that_nothing_undoes_are_named_and_nobody_is() {
    let (desk, ledger, _) = migrated().await;
    let run = begin(&ledger, StopSignal::new()).await.expect("a run");
    let report = Rollback::new()
        .stage("threads", desk.clone())
        .run(&run, &RollbackOptions::default())
        .await
        .expect("a rollback");
    assert_eq!(report.without_undo, ["attributes", "people"]);
    let whole = serde_json::to_string(&report).expect("JSON");
    for personal in ["one@new", "Old Name", "call 1"] {
        assert!(!whole.contains(personal), "{whole}");
    }
    let known: RollbackReport = serde_json::from_str(&whole).expect("a report");
    assert_eq!(known, report);
}

/// The mark under which a rollback stands is not taken away by one of another scope.
#[tokio::test(start_paused = true)]
async fn one_that_did_not_end_is_ended_by_the_same_or_by_one_of_everything() {
    use migrate_core::ledger::Change;
    use migrate_core::{Rollback, RollbackOptions, Run, RunError, Scope};

    let keys = |n: u32| Scope::Keys([Key::new("person", n)].into());
    let ledger = std::sync::Arc::new(migrate_core::MemoryLedger::new());
    let mark = serde_json::json!({ "keys": ["person:1"] });
    let change = Change::Meta { name: "rollback".into(), value: Some(mark) };
    ledger.commit(vec![change]).await.expect("a commit");
    let run = Run::on(ledger.clone()).begin().await.expect("a run");
    let rollback = Rollback::new();
    let other = rollback.run(&run, &RollbackOptions::only(keys(2))).await;
    assert!(matches!(other, Err(RunError::RollbackUnderWay)), "{other:?}");
    assert_eq!(Rollback::under_way(&*ledger).await.expect("a ledger"), Some(keys(1)));
    rollback.run(&run, &RollbackOptions::only(keys(1))).await.expect("the same");
    assert_eq!(Rollback::under_way(&*ledger).await.expect("a ledger"), None);
}
