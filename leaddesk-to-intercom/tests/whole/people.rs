//! What people do in Intercom while the migration goes on stays theirs.

use leaddesk_to_intercom::runner::{Exit, VerifyOptions};
use migrate_core::{Ledger as _, RollbackOptions};
use migrate_sandbox::{Account, AccountSpec};
use serde_json::json;

use crate::bench::Bench;

fn plain(contacts: usize, seed: u64) -> AccountSpec {
    AccountSpec::plain(contacts, seed)
}

/// A contact that the migration has made, renamed by a teammate: it is brought up to date beside that, and
/// a rollback leaves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_that_somebody_has_renamed_is_updated_beside_that() {
    let bench = Bench::new(Account::generate(&plain(20, 91))).await;
    bench.run().await;
    let key = format!("leaddesk:contact:{}", bench.sandbox.account().contacts[4].id);
    bench.sandbox.edit(|workspace| {
        let mut all = workspace.contacts.iter_mut();
        let contact = all.find(|it| it.external_id.as_ref() == Some(&key)).unwrap();
        contact.name = Some("Known Better Here".into());
        contact.updated_at += 90;
    });
    bench.sandbox.edit_account(|account| {
        account.contacts[4].city = Some("Rovaniemi".into());
        let now = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S");
        account.contacts[4].updated_at = Some(now.to_string());
    });
    bench.runner().delta().await.unwrap();
    let contact = bench.sandbox.workspace().contact_by_external_id(&key).unwrap().clone();
    assert_eq!(contact.custom_attributes["ld_city"], "Rovaniemi");
    assert_eq!(contact.name.as_deref(), Some("Known Better Here"));
    let found = bench.verify().await.report.verify.unwrap().mismatches;
    assert_eq!(found.iter().map(|it| it.field.as_str()).collect::<Vec<_>>(), ["name"]);

    let ended = bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    assert_eq!(ended.exit, Exit::Attention);
    let left = bench.sandbox.workspace();
    let there = left.contact_by_external_id(&key).unwrap();
    assert_eq!(there.name.as_deref(), Some("Known Better Here"));
}

/// A contact that was there before, of which a teammate has changed one of the fields that were filled:
/// the others go, and this one stays and is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_somebody_has_changed_since_it_was_filled_is_left_alone() {
    let account = Account::generate(&plain(20, 92).with(|spec| spec.existing = 0.5));
    let bench = Bench::new(account).await;
    let before = bench.sandbox.workspace();
    bench.run().await;
    let mut touched = String::new();
    bench.sandbox.edit(|workspace| {
        let known = |id: &str| before.contact(id).is_some_and(|it| !it.archived);
        let mut all = workspace.contacts.iter_mut();
        let is_it = |it: &&mut migrate_sandbox::workspace::Contact| {
            known(&it.id) && it.custom_attributes.contains_key("ld_batch")
        };
        let contact = all.find(is_it).unwrap();
        contact.custom_attributes.insert("ld_batch".into(), json!("chosen by hand"));
        contact.updated_at += 90;
        touched.clone_from(&contact.id);
    });
    let ended = bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    let report = ended.rollback.unwrap();
    let left = report.stages.iter().flat_map(|stage| &stage.left);
    let left: Vec<_> = left.filter(|it| it.object.as_deref() == Some(touched.as_str())).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let contact = bench.sandbox.workspace().contact(&touched).unwrap().clone();
    assert_eq!(contact.custom_attributes["ld_batch"], "chosen by hand");
    let others = contact.custom_attributes.keys().filter(|name| name.starts_with("ld_"));
    assert_eq!(others.collect::<Vec<_>>(), ["ld_batch"], "what nobody has changed is gone");
}

/// An attribute of a conversation that a teammate has corrected stays, and is told; the others follow LeadDesk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attribute_that_somebody_has_corrected_stays() {
    let bench = Bench::new(Account::generate(&plain(12, 94).with_calls_per_contact(1.5))).await;
    bench.run().await;
    let call = bench.sandbox.account().calls[3].id;
    let marker = format!("LeadDesk call {call}");
    bench.sandbox.edit(|workspace| {
        let mut all = workspace.conversations.iter_mut();
        let found = all.find(|it| it.source.body.ends_with(&marker)).unwrap();
        found.custom_attributes.insert("ld_outcome__c".into(), json!("By hand"));
        found.updated_at += 90;
    });
    bench.sandbox.edit_account(|account| {
        account.calls[3].call_ending_reason_name = Some("Reconsidered".into());
        account.calls[3].campaign_name = Some("Another one".into());
    });
    bench.run().await;
    let workspace = bench.sandbox.workspace();
    let mut all = workspace.conversations.iter();
    let found = all.find(|it| it.source.body.ends_with(&marker)).unwrap();
    assert_eq!(found.custom_attributes["ld_outcome__c"], "By hand");
    assert_eq!(found.custom_attributes["ld_campaign_tag__c"], "ld_campaign_Another one");
    let losses = std::fs::read_to_string(bench.path("state/losses.jsonl")).unwrap();
    let told = losses.lines().filter(|line| line.contains("changed_in_intercom"));
    let told: Vec<&str> = told.collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&format!("call:{call}")) && told[0].contains("ld_outcome__c"));
    assert!(!told[0].contains("By hand"), "{told:?}");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// Contacts that people have merged or archived have new calls: these go to whom they were merged into, or
/// wait until the contact is restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_calls_of_a_contact_that_is_gone_go_to_its_heir_or_wait() {
    let mut account = Account::generate(&plain(12, 95).with_calls_per_contact(2.0));
    let ids: Vec<u64> = account.contacts.iter().map(|it| it.id).collect();
    // Not the last of its contact, which would change with it, or at an end of the ids.
    let last: Vec<u64> = account.contacts.iter().filter_map(|it| it.last_call_id).collect();
    let calls = &account.calls[1..account.calls.len() - 1];
    let of = |contact: u64| {
        let mut own = calls.iter().filter(move |it| it.contact_id == Some(contact));
        own.find(|it| !last.contains(&it.id)).map(|it| it.id)
    };
    let mut with_calls = ids.iter().filter_map(|id| Some((*id, of(*id)?)));
    let ((merged, of_merged), (archived, of_archived)) =
        (with_calls.next().unwrap(), with_calls.next().unwrap());
    let heir = *ids.iter().find(|id| ![merged, archived].contains(*id)).unwrap();
    let later = [of_merged, of_archived];
    let (later, now): (Vec<_>, Vec<_>) =
        account.calls.drain(..).partition(|it| later.contains(&it.id));
    account.calls = now;
    let bench = Bench::new(account).await;
    bench.run().await;

    let external_id = |id: u64| format!("leaddesk:contact:{id}");
    let heir =
        bench.sandbox.workspace().contact_by_external_id(&external_id(heir)).unwrap().id.clone();
    let archive = |archived_now: bool| {
        bench.sandbox.edit(|workspace| {
            let id = external_id(archived);
            let mut all = workspace.contacts.iter_mut();
            let contact = all.find(|it| it.external_id.as_ref() == Some(&id)).unwrap();
            contact.archived = archived_now;
        });
    };
    archive(true);
    bench.sandbox.edit(|workspace| {
        let id = external_id(merged);
        let mut all = workspace.contacts.iter_mut();
        let contact = all.find(|it| it.external_id.as_ref() == Some(&id)).unwrap();
        contact.merged_into = Some(heir.clone());
    });
    bench.sandbox.edit_account(|account| account.calls.extend(later));
    let author = |call: u64| {
        let marker = format!("LeadDesk call {call}");
        let workspace = bench.sandbox.workspace();
        let mut all = workspace.conversations.iter();
        all.find(|it| it.source.body.ends_with(&marker)).map(|it| it.source.author.id.clone())
    };
    let report = bench.run().await.report;
    assert_eq!(author(of_merged), Some(heir));
    assert_eq!(author(of_archived), None);
    assert_eq!(report.queues["calls_without_contact"], 1);
    let again = bench.run().await.report;
    assert_eq!((again.last_run.writes, again.queues), (0, report.queues));

    archive(false);
    let report = bench.run().await.report;
    assert!(author(of_archived).is_some());
    assert_eq!(report.queues.get("calls_without_contact"), None);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// One of two contacts in place gets the other's address, and both have one name: nobody is dead, the one
/// waits, and the other stays what it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_over_the_address_of_another_contact_waits() {
    let bench = Bench::new(Account::generate(&plain(12, 96).with_calls_per_contact(0.0))).await;
    bench.run().await;
    let there = bench.sandbox.workspace();
    let mut ids = (0, 0);
    bench.sandbox.edit_account(|account| {
        // The one with the smaller id stands for both.
        let kept = account.contacts[9].clone();
        let taken = &mut account.contacts[4];
        assert!(taken.id < kept.id, "choose another seed");
        ids = (taken.id, kept.id);
        (taken.email, taken.fname, taken.lname) = (kept.email, kept.fname, kept.lname);
        taken.updated_at = Some(chrono::Utc::now().format("%Y-%m-%d %H:%M:%S").to_string());
    });
    let finished = bench.run().await;
    assert_eq!(finished.report.queues["shared_email"], 1);
    let keys = [ids.0, ids.1].map(|id| migrate_core::Key::new("contact", id));
    let entries = bench.ledger().entries(&keys).await.unwrap();
    let fates: Vec<_> = entries.into_iter().map(|entry| entry.unwrap().fate).collect();
    assert_eq!(fates, [migrate_core::Fate::Queued, migrate_core::Fate::Created]);
    assert_eq!(bench.sandbox.workspace().contacts.len(), there.contacts.len());
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// The record that stood for two is gone from LeadDesk: the other goes on with the contact as its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_merged_takes_the_contact_over_when_the_other_record_is_gone() {
    let spec = plain(30, 97).with_calls_per_contact(0.0).with(|spec| spec.in_two_lists = 0.2);
    let bench = Bench::new(Account::generate(&spec)).await;
    bench.run().await;
    let there = bench.sandbox.workspace();
    let account = bench.sandbox.account();
    let address = |at: usize| account.contacts[at].email.as_ref().map(|it| it.to_lowercase());
    let pairs = (0..account.contacts.len()).flat_map(|one| (0..one).map(move |other| (other, one)));
    let mut pairs = pairs.filter(|(one, other)| address(*one) == address(*other));
    let (first, second) = pairs.next().expect("choose another seed");
    let (gone, left) = (account.contacts[first].id, account.contacts[second].id);
    assert!(gone < left, "choose another seed");
    bench.sandbox.edit_account(|account| {
        account.contacts.remove(first);
        account.contacts[second - 1].city = Some("Rovaniemi".into());
    });
    let report = bench.run().await.report;
    assert_eq!(report.queues.get("shared_email"), None);
    let external_id = |id: u64| format!("leaddesk:contact:{id}");
    let now = bench.sandbox.workspace();
    assert!(now.contact_by_external_id(&external_id(gone)).is_none());
    let (was, is) = (
        there.contact_by_external_id(&external_id(gone)).unwrap(),
        now.contact_by_external_id(&external_id(left)).unwrap(),
    );
    assert_eq!((&is.id, is.notes.len()), (&was.id, was.notes.len()));
    assert_eq!(is.custom_attributes["ld_city"], "Rovaniemi");
    assert_eq!(now.contacts.len(), there.contacts.len());
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// A verification that was stopped goes on where it was, and says nothing of how the migration stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verification_that_was_stopped_is_gone_on_with() {
    let bench = Bench::new(Account::generate(&plain(60, 93))).await;
    bench.run().await;
    let reads =
        || bench.sandbox.counters().intercom.get("GET /conversations/{id}").copied().unwrap_or(0);
    let mut everything = VerifyOptions::default();
    everything.all = true;
    let (runner, begun) = (bench.runner(), reads());
    let stop = runner.stop_signal();
    let half = bench.sandbox.workspace().conversations.len() as u64 / 2;
    let watch = async {
        while reads() - begun < half {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        stop.stop();
        std::future::pending::<()>().await;
    };
    let stopped = tokio::select! {
        stopped = runner.verify(everything) => stopped.unwrap(),
        () = watch => unreachable!(),
    };
    assert_eq!(stopped.exit, Exit::Stopped, "{:?}", stopped.error);
    assert_eq!(stopped.report.state, migrate_core::RunState::Complete);
    assert_eq!(stopped.report.verify, None, "what was not read to its end proves nothing");
    let done = reads() - begun;
    let whole = bench.verify().await.report.verify.unwrap();
    assert_eq!((whole.mismatches.len(), whole.unread), (0, 0));
    let all = bench.sandbox.workspace().conversations.len() as u64;
    assert!(reads() - begun < all + done, "{} of {all} were read again", reads() - begun - all);
    assert!(!bench.path("state/verification").exists());
}
