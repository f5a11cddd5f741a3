//! What people do in Intercom while the migration goes on stays theirs.

use leaddesk_to_intercom::runner::{Exit, VerifyOptions};
use migrate_core::RollbackOptions;
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
