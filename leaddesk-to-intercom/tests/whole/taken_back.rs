//! Rollback of what a migration does by setting only, of chats, and of a selection; and the run after it.

use std::collections::{BTreeMap, BTreeSet};

use leaddesk_to_intercom::runner::{Exit, RolledBack};
use migrate_core::ledger::Scan;
use migrate_core::{Key, Ledger, Reason, RollbackOptions, RunOptions, Scope};
use migrate_sandbox::Workspace;

use crate::bench::{Bench, assert_same, ugly};
use crate::callers::{LEADS, strangers};
use crate::chats;
use crate::held::stop_when;
use crate::rollback::{assert_undone, left, roll_back};

/// What stands in the workspace beside attributes of conversations that the API cannot bring back: those
/// are made anew.
fn anew(mut workspace: Workspace) -> Workspace {
    workspace.conversation_attributes.retain(|it| !it.archived);
    workspace
}

/// Takes back what a run has written, by when the configuration is another: all is as before, and after
/// another run as after the first.
async fn there_and_back(bench: &mut Bench, further: &str, by_then: &str) {
    let before = bench.sandbox.workspace();
    bench.settings.further = further.into();
    bench.run().await;
    let whole = bench.sandbox.workspace();
    bench.settings.further = by_then.into();
    let ended = roll_back(bench).await;
    assert_undone(bench, &before, &ended, "taken back");
    bench.settings.further = further.into();
    bench.run().await;
    assert_same(&anew(whole), &anew(bench.sandbox.workspace()), "run again");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_contacts_are_archived_again() {
    let mut bench = Bench::new(ugly(22)).await;
    let archived =
        |bench: &Bench| bench.sandbox.workspace().contacts.iter().filter(|it| it.archived).count();
    assert!(archived(&bench) > 0, "choose another seed");
    there_and_back(&mut bench, "[contacts]\nunarchive = true", "").await;
    assert_eq!(archived(&bench), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_overwritten_is_put_back() {
    let mut bench = Bench::new(ugly(21)).await;
    let names = |bench: &Bench| -> BTreeSet<_> {
        let contacts = bench.sandbox.workspace().contacts;
        contacts.into_iter().filter_map(|it| it.name).collect()
    };
    let theirs = names(&bench);
    there_and_back(&mut bench, "[contacts]\noverwrite = true", "").await;
    assert!(!theirs.is_subset(&names(&bench)), "nothing was overwritten: choose another seed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_that_were_made_of_numbers_go_after_their_calls() {
    let mut bench = Bench::new(strangers(71)).await;
    there_and_back(&mut bench, LEADS, LEADS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chats_go_before_their_visitors() {
    let account = chats::talkative(61);
    let mut bench = chats::bench(account, "").await;
    let further = bench.settings.further.clone();
    there_and_back(&mut bench, &further, &further).await;
}

async fn take_back(bench: &Bench, scope: Scope) -> RolledBack {
    let mut options = RollbackOptions::only(scope);
    options.dry_run = true;
    let dry = bench.runner().rollback(&options).await.unwrap().rollback.unwrap();
    options.dry_run = false;
    let real = bench.runner().rollback(&options).await.unwrap();
    let told = real.rollback.as_ref().unwrap();
    assert_eq!(dry.stages, told.stages, "the dry run tells something else");
    real
}

/// Stages that are taken back and run again end as if that had not been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_taken_back_and_run_again_ends_as_a_single_run() {
    let account = chats::talkative(64);
    let bench = chats::bench(account, "").await;
    bench.run().await;
    let whole = bench.sandbox.workspace();
    for (stages, all_goes) in [
        (&["calls"][..], true),
        (&["chats"], true),
        (&["calls", "chats", "contacts", "leads"], true),
        // Those with calls or chats in place are left.
        (&["contacts", "leads"], false),
    ] {
        let names = stages.iter().map(|&name| name.to_owned()).collect();
        let report = take_back(&bench, Scope::Stages(names)).await.rollback.unwrap();
        assert_eq!(report.stages.len(), stages.len(), "{stages:?}");
        assert_eq!(left(&report).is_empty(), all_goes, "{stages:?}: {:?}", left(&report));
        let mut left = report.stages.iter().flat_map(|stage| &stage.left).map(|it| &it.reason);
        let is_held = |it: &Reason| it.message.contains("in place") || it.code == "shares_object";
        assert!(left.all(is_held), "{stages:?}");
        let now = bench.sandbox.workspace();
        assert!(now.tags.len() == whole.tags.len(), "{stages:?}: tags stay");
        bench.run().await;
        assert_same(&whole, &bench.sandbox.workspace(), &format!("{stages:?}"));
        assert_eq!(bench.run().await.report.last_run.writes, 0, "{stages:?}");
    }
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

/// Whoever goes on with the rollback of a selection and leaves that out does not take back everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_a_selection_is_ended_by_the_same() {
    let bench = Bench::new(ugly(25)).await;
    bench.run().await;
    let whole = bench.sandbox.workspace();
    let calls = RollbackOptions::only(Scope::Stages(["calls".to_owned()].into()));
    let is_time = |now: &Workspace| now.conversations.len() + 20 <= whole.conversations.len();
    stop_when(&bench, &calls, is_time).await;
    let everything = RollbackOptions::default();
    let refused = bench.runner().rollback(&everything).await.unwrap_err();
    assert!(refused.message.contains("rollback --stage calls"), "{refused}");
    let refused = bench.runner().run(&RunOptions::default()).await.unwrap_err();
    assert!(refused.message.contains("rollback --stage calls"), "{refused}");
    assert_eq!(bench.sandbox.workspace().contacts.len(), whole.contacts.len());

    assert_eq!(bench.runner().rollback(&calls).await.unwrap().exit, Exit::Done);
    assert_eq!(bench.runner().rollback(&everything).await.unwrap().error, None);
    assert!(bench.sandbox.workspace().conversations.is_empty());
}

/// The contacts with calls on them: their objects, and the keys of all records that share them.
async fn called(bench: &Bench, whole: &Workspace) -> BTreeMap<String, BTreeSet<Key>> {
    let rows = bench.ledger().scan(&Scan::of("contacts")).await.unwrap();
    let mut sharing: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
    for (_, entry) in rows {
        if let Some(object) = entry.target {
            sharing.entry(object.to_string()).or_default().insert(entry.key);
        }
    }
    sharing.retain(|object, _| whole.conversations.iter().any(|it| it.contacts[0] == *object));
    sharing
}

/// Single records go with what is named beside them, and come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_taken_back_and_run_again_ends_as_a_single_run() {
    let bench = Bench::new(ugly(23)).await;
    let there: BTreeSet<String> =
        bench.sandbox.workspace().contacts.into_iter().map(|it| it.id).collect();
    bench.run().await;
    let whole = bench.sandbox.workspace();
    let mut called = called(&bench, &whole).await;
    called.retain(|object, _| !there.contains(object));
    for of_several in [false, true] {
        let mut objects = called.iter().filter(|(_, keys)| (keys.len() > 1) == of_several);
        let (object, sharing) = objects.next().expect("choose another seed");
        alone_and_with_its_calls(&bench, &whole, object, sharing).await;
    }
}

async fn alone_and_with_its_calls(
    bench: &Bench,
    whole: &Workspace,
    object: &str,
    sharing: &BTreeSet<Key>,
) {
    let on_it = whole.conversations.iter().filter(|it| it.contacts[0] == object);
    let calls: BTreeSet<Key> = on_it
        .map(|it| {
            let key = it.custom_attributes["ld_source_key__c"].as_str().unwrap();
            Key::from(key.strip_prefix("leaddesk:").unwrap())
        })
        .collect();

    // With calls on it, it is held, with all who share it.
    let ended = take_back(bench, Scope::Keys(sharing.clone())).await;
    assert_eq!(ended.exit, Exit::Attention);
    let report = ended.rollback.unwrap();
    let left: BTreeMap<_, _> = left(&report).into_iter().collect();
    assert!(left.keys().copied().eq(sharing.iter().map(Key::as_str)), "{left:?}");
    let (held, others): (Vec<&str>, Vec<_>) = left.values().partition(|&&why| why == "added_since");
    assert_eq!(held.len(), 1, "{left:?}");
    assert!(others.iter().all(|&why| why == "shares_object"), "{left:?}");
    assert_same(whole, &bench.sandbox.workspace(), "nothing has gone");

    let keys: BTreeSet<Key> = calls.iter().chain(sharing).cloned().collect();
    let ended = take_back(bench, Scope::Keys(keys.clone())).await;
    assert_eq!(ended.exit, Exit::Done);
    let now = bench.sandbox.workspace();
    assert!(now.contact(object).is_none());
    assert_eq!(whole.conversations.len() - now.conversations.len(), calls.len());
    // Once more, there is nothing to be done, and it is no mistake.
    let writes = bench.writes();
    assert_eq!(take_back(bench, Scope::Keys(keys)).await.exit, Exit::Done);
    assert_eq!(bench.writes(), writes);
    bench.run().await;
    assert_same(whole, &bench.sandbox.workspace(), "run again");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// What would leave something that no run could mend is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_go_with_all_who_use_them_only() {
    let bench = Bench::new(ugly(24)).await;
    bench.run().await;
    let whole = bench.sandbox.workspace();
    let attribute = Key::from("attribute:contact.ld_created_at");
    for scope in [Scope::Stages(["schema".to_owned()].into()), Scope::Keys([attribute].into())] {
        let refused = bench.runner().rollback(&RollbackOptions::only(scope)).await.unwrap_err();
        assert_eq!(refused.exit, Exit::Failed);
        assert!(refused.message.contains("--stage contacts"), "{refused}");
    }
    assert!(bench.sandbox.workspace() == whole);
    let all = ["schema", "contacts", "leads", "calls", "chats"].map(str::to_owned);
    let ended = take_back(&bench, Scope::Stages(all.into())).await;
    assert_eq!(left(ended.rollback.as_ref().unwrap()), []);
    bench.run().await;
    assert_same(&anew(whole), &anew(bench.sandbox.workspace()), "run again");
}

/// The last run was a pilot, whatever of it was taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pilot_of_which_a_part_was_taken_back_is_one_yet() {
    let bench = Bench::new(ugly(25)).await;
    bench.runner().pilot(10, &RunOptions::default()).await.unwrap();
    let pilot = bench.sandbox.workspace();
    let ended = take_back(&bench, Scope::Stages(["calls".to_owned()].into())).await;
    assert_eq!(ended.error, None);
    assert_eq!(bench.sandbox.workspace().conversations.len(), 0);
    // What is tried again is of the pilot's records, not of all.
    let report = bench.runner().redrive(None).await.unwrap().report;
    assert!(report.notes.iter().any(|note| note.contains("a pilot of")), "{:?}", report.notes);
    let now = bench.sandbox.workspace();
    assert_eq!(now.contacts.len(), pilot.contacts.len());
    bench.runner().pilot(10, &RunOptions::default()).await.unwrap();
    assert_same(&pilot, &bench.sandbox.workspace(), "the pilot again");
}
