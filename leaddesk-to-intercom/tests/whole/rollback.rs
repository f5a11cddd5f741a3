//! Rollback: the workspace is as it was before, but for what Intercom cannot remove, which is named.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leaddesk_to_intercom::runner::{Exit, RolledBack};
use migrate_core::{Event, RollbackOptions, RollbackReport};
use migrate_sandbox::workspace::{AppliedTag, Tag};
use migrate_sandbox::{Account, AccountSpec, Faults, Sandbox, Workspace};
use serde_json::{Value, json};

use crate::bench::{Bench, assert_same, text_attribute, ugly};

pub(crate) async fn roll_back(bench: &Bench) -> RolledBack {
    let ended = bench.runner().rollback(&RollbackOptions::default()).await;
    ended.unwrap_or_else(|error| panic!("the rollback failed: {error}"))
}

/// A workspace without what the API cannot remove.
pub(crate) fn removable(workspace: &Workspace) -> Workspace {
    let mut left = workspace.clone();
    left.data_attributes.retain(|it| !it.archived);
    left.conversation_attributes.retain(|it| !it.archived);
    left.contacts.iter_mut().for_each(|contact| contact.notes.clear());
    left
}

fn names(report: &RollbackReport) -> BTreeSet<&str> {
    let remain = report.stages.iter().flat_map(|stage| &stage.impossible);
    remain.map(|it| it.name.as_str()).collect()
}

pub(crate) fn left(report: &RollbackReport) -> Vec<(&str, &str)> {
    let left = report.stages.iter().flat_map(|stage| &stage.left);
    left.map(|it| (it.key.as_str(), it.reason.code.as_str())).collect()
}

/// Checks that all is as before, and that what remains is named.
#[track_caller]
pub(crate) fn assert_undone(bench: &Bench, before: &Workspace, ended: &RolledBack, case: &str) {
    assert_eq!(ended.error, None, "{case}");
    let report = ended.rollback.as_ref().unwrap();
    assert_eq!(left(report), [], "{case}");
    let after = bench.sandbox.workspace();
    assert_same(&removable(before), &removable(&after), case);
    let names = names(report);
    let attributes = after.data_attributes.iter().filter(|it| it.archived).map(|it| &it.name);
    let more = after.conversation_attributes.iter().filter(|it| it.archived).map(|it| &it.name);
    for name in attributes.chain(more) {
        assert!(names.contains(name.as_str()), "{case}: {name} is not named");
    }
    let notes = after.contacts.iter().map(|it| it.notes.len()).sum::<usize>();
    let old = before.contacts.iter().map(|it| it.notes.len()).sum::<usize>();
    let told = names.iter().filter(|name| name.starts_with("note of ")).count();
    assert!(notes - old >= told && (told > 0) == (notes > old), "{case}: {notes} {told}");
    let exit = if told > 0 { Exit::Attention } else { Exit::Done };
    assert_eq!(ended.exit, exit, "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_as_before() {
    let bench = Bench::new(ugly(21)).await;
    let other = Bench::new(ugly(21)).await;
    other.run().await;
    let used = other.sandbox.workspace();
    let on_calls = used.conversations.iter().flat_map(|it| &it.tags).next().cloned().unwrap();
    let used = used.tags.into_iter().find(|it| it.id == on_calls.id).unwrap().name;
    bench.sandbox.edit(|workspace| {
        workspace.data_attributes.push(text_attribute("ld_city"));
        // One of the tags that the migration needs, on somebody whom it may not know.
        let tag = Tag { id: "9001".into(), name: used, ..Tag::default() };
        workspace.tags.push(tag);
        let put_on = AppliedTag { id: "9001".into(), applied_at: 1, applied_by: "1".into() };
        workspace.contacts.iter_mut().find(|it| !it.archived).unwrap().tags.push(put_on);
    });
    let before = bench.sandbox.workspace();
    bench.run().await;
    let whole = bench.sandbox.workspace();
    let theirs = whole.tags.iter().find(|it| it.id == "9001").unwrap();
    let users = whole.conversations.iter().filter(|it| it.tags.iter().any(|it| it.id == "9001"));
    assert!(users.count() > 0, "nothing uses {}", theirs.name);

    // A dry run writes nothing and tells the same.
    let writes = bench.writes();
    let ledger = std::fs::read(bench.path("state/ledger.sqlite")).unwrap().len();
    let dry = bench.runner().rollback(&RollbackOptions::dry()).await.unwrap();
    assert_eq!(bench.writes(), writes);
    assert!(bench.sandbox.workspace() == whole);
    assert_eq!(std::fs::read(bench.path("state/ledger.sqlite")).unwrap().len(), ledger);

    let ended = roll_back(&bench).await;
    assert_undone(&bench, &before, &ended, "after a run");
    let (mut dry, real) = (dry.rollback.unwrap(), ended.rollback.unwrap());
    assert!(dry.dry_run && !real.dry_run);
    dry.dry_run = false;
    assert_eq!(dry, real, "the dry run has told something else");
    let saved = std::fs::read_to_string(bench.path("state/rollback.json")).unwrap();
    let saved: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!((&saved["schema"], &saved["dry_run"]), (&json!(1), &json!(false)));

    // Nothing is left to be done.
    let writes = bench.writes();
    let again = roll_back(&bench).await;
    assert_eq!(bench.writes(), writes);
    assert_eq!(names(&again.rollback.unwrap()), names(&real));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_after_it_gives_what_a_single_run_does() {
    let bench = Bench::new(ugly(22)).await;
    bench.run().await;
    let whole = bench.sandbox.workspace();
    roll_back(&bench).await;
    let again = bench.run().await;
    assert!(again.report.accounted);
    let (mut one, mut two) = (whole, bench.sandbox.workspace());
    for workspace in [&mut one, &mut two] {
        // Archived ones cannot be brought back by the API, so those of conversations are made anew.
        workspace.conversation_attributes.retain(|it| !it.archived);
    }
    assert_same(&one, &two, "run, rollback, run");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

/// Somebody answers in the last conversation, of which this is the id.
pub(crate) fn answer(workspace: &mut Workspace) -> String {
    let conversation = workspace.conversations.last_mut().unwrap();
    let mut part = conversation.parts.last().unwrap().clone();
    (part.id, part.part_type) = ("990001".into(), "comment".into());
    part.body = Some("<p>An answer</p>".into());
    conversation.parts.push(part);
    conversation.id.clone()
}

/// What people have changed or added since stays, and with it what that hangs on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_did_survives() {
    let bench = Bench::new(ugly(21)).await;
    let known: Vec<String> =
        bench.sandbox.workspace().contacts.iter().map(|it| it.id.clone()).collect();
    bench.run().await;
    let (mut renamed, mut answered, mut filled) = (String::new(), String::new(), String::new());
    bench.sandbox.edit(|workspace| {
        let ours = |it: &&mut migrate_sandbox::workspace::Contact| !known.contains(&it.id);
        let contact = workspace.contacts.iter_mut().find(ours).unwrap();
        contact.name = Some("Somebody Else".into());
        renamed = contact.id.clone();
        answered = answer(workspace);
        let theirs = workspace.contacts.iter_mut().find(|it| {
            let filled = it.custom_attributes.contains_key("ld_created_at");
            known.contains(&it.id) && filled && !it.archived
        });
        let theirs = theirs.unwrap();
        theirs.custom_attributes.insert("ld_created_at".into(), json!(1));
        filled = theirs.id.clone();
    });
    let dry = bench.runner().rollback(&RollbackOptions::dry()).await.unwrap();
    let ended = roll_back(&bench).await;
    assert_eq!(ended.exit, Exit::Attention);
    let report = ended.rollback.unwrap();
    let objects: Vec<&str> = report
        .stages
        .iter()
        .flat_map(|stage| &stage.left)
        .filter_map(|it| it.object.as_deref())
        .collect();
    for id in [&renamed, &answered, &filled] {
        assert!(objects.contains(&id.as_str()), "{id} is not named");
    }
    let after = bench.sandbox.workspace();
    assert_eq!(after.contact(&renamed).unwrap().name.as_deref(), Some("Somebody Else"));
    assert_eq!(after.contact(&filled).unwrap().custom_attributes["ld_created_at"], 1);
    let [conversation] = &after.conversations[..] else { panic!("only the answered one is left") };
    assert_eq!(conversation.id, answered);
    assert!(after.contact(&conversation.contacts[0]).is_some(), "its contact is there yet");
    let counts = |report: &RollbackReport| -> Vec<(String, u64, u64)> {
        report.stages.iter().map(|it| (it.name.clone(), it.removed, it.kept)).collect()
    };
    assert_eq!(counts(&dry.rollback.unwrap()), counts(&report));
}

/// The search does not show yet what a run has just made, and so not on whom the answered conversation hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_just_answered_is_left_with_the_conversation() {
    let account = Account::generate(&AccountSpec::plain(12, 5).with_calls_per_contact(1.0));
    let builder = Sandbox::builder(account).search_lag(Duration::from_secs(4));
    let mut bench = Bench::with(builder).await;
    bench.settings.patience = Some(("1s", "5s"));
    bench.run().await;
    let mut answered = String::new();
    bench.sandbox.edit(|workspace| answered = answer(workspace));
    let report = roll_back(&bench).await.rollback.unwrap();
    let after = bench.sandbox.workspace();
    let [conversation] = &after.conversations[..] else { panic!("only the answered one is left") };
    assert_eq!(conversation.id, answered);
    assert!(after.contact(&conversation.contacts[0]).is_some(), "{:?}", left(&report));
}

/// Replies are lost on the way, and it is stopped again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_gone_on_with() {
    let bench = Bench::new(ugly(21)).await;
    let before = bench.sandbox.workspace();
    bench.run().await;
    let mut faults = Faults { seed: 7, ..Faults::default() };
    (faults.intercom.lost_reply, faults.intercom.error_after) = (0.08, 0.04);
    faults.intercom.error_before = 0.04;
    bench.sandbox.set_faults(faults);
    let mut ended = None;
    for after in [1, 20, 40, 60, usize::MAX] {
        let runner = bench.runner();
        let stop = runner.stop_signal();
        let sandbox = &bench.sandbox;
        let start = sandbox.counters().writes();
        let watch = async {
            while (sandbox.counters().writes() - start) < after as u64 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
            stop.stop();
            std::future::pending::<()>().await;
        };
        let options = RollbackOptions::default();
        let one = tokio::select! {
            one = runner.rollback(&options) => one.unwrap(),
            () = watch => unreachable!(),
        };
        if one.error.is_some() {
            assert_eq!(one.exit, Exit::Stopped, "{:?}", one.error);
            // Until it has come to its end, no run goes on.
            let refused = bench.runner().run(&Default::default()).await.unwrap_err();
            assert_eq!(refused.exit, Exit::Failed);
            assert!(refused.message.contains("rollback"), "{refused}");
        }
        ended = Some(one);
    }
    assert_undone(&bench, &before, &ended.unwrap(), "stopped and gone on with");
}

/// A rollback asks LeadDesk for nothing: its account may be closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaddesk_is_not_needed() {
    let bench = Bench::new(ugly(22)).await;
    bench.run().await;
    let read = |bench: &Bench| {
        let counters = bench.sandbox.counters();
        (counters.leaddesk_original, counters.leaddesk_rest)
    };
    let before = read(&bench);
    let runner = bench.runner().observer(Arc::new(|_: &Event<'_>| {}));
    runner.rollback(&RollbackOptions::default()).await.unwrap();
    assert_eq!(read(&bench), before);
}
