//! People whom Intercom knew before.

use migrate_sandbox::workspace::Workspace;
use serde_json::json;

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, text_attribute, ugly};

/// Of a contact who is there already, only what is empty is filled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_contact_keeps_what_it_has() {
    let bench = Bench::new(ugly(21)).await;
    let account = bench.sandbox.account();
    let known = account.existing.iter().find(|known| known.external_id.is_some()).unwrap();
    let has_number = |it: &&migrate_sandbox::SourceContact| it.email.as_ref() == Some(&known.email);
    let source = account.contacts.iter().find(has_number).unwrap();
    assert!(source.city.is_some() && !source.phonenumbers.is_empty(), "choose another seed");
    bench.sandbox.edit(|workspace| {
        workspace.data_attributes.push(text_attribute("ld_city"));
        let contact =
            workspace.contacts.iter_mut().find(|it| it.email.as_ref() == Some(&known.email));
        let contact = contact.unwrap();
        contact.phone = Some("+358409999999".into());
        contact.signed_up_at = Some(1_500_000_000);
        contact.custom_attributes.insert("ld_city".into(), json!("Elsewhere"));
    });
    bench.run().await;

    let mut workspace = bench.sandbox.workspace();
    let contact = workspace.contacts.iter_mut().find(|it| it.email.as_ref() == Some(&known.email));
    let contact = contact.unwrap();
    assert_eq!(contact.external_id, known.external_id);
    assert_eq!(contact.name, known.name);
    assert_eq!(contact.phone.as_deref(), Some("+358409999999"));
    assert_eq!(contact.signed_up_at, Some(1_500_000_000));
    assert_eq!(contact.custom_attributes["ld_city"], "Elsewhere");

    // All else is as for a contact of whom these were not known.
    let like = |it: &Workspace| {
        let others = audit(&account, it);
        others.into_iter().filter(|it| it.contains(&format!("contact:{}:", source.id))).collect()
    };
    let expected: Vec<String> = like(&workspace);
    assert_eq!(expected.len(), 3, "{expected:?}");
    assert_eq!(audit(&account, &workspace).len(), 3);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// What the migration has filled follows the source; what was there before it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_filled_is_brought_up_to_date() {
    let bench = Bench::new(ugly(21)).await;
    let account = bench.sandbox.account();
    let known = account.existing.iter().find(|known| known.external_id.is_some()).unwrap();
    let is_it = |it: &migrate_sandbox::SourceContact| it.email.as_ref() == Some(&known.email);
    let at = account.contacts.iter().position(is_it).unwrap();
    assert!(account.contacts[at].city.is_some() && known.name.is_some(), "choose another seed");
    bench.run().await;
    bench.sandbox.edit_account(|account| {
        let contact = &mut account.contacts[at];
        contact.last_reason = Some("Reconsidered".into());
        contact.city = Some("Rovaniemi".into());
        contact.fname = Some("Somebody".into());
        contact.updated_at = Some("2026-10-31 12:00:00".into());
    });
    bench.run().await;

    let workspace = bench.sandbox.workspace();
    let found = workspace.contacts.iter().find(|it| it.email.as_ref() == Some(&known.email));
    let found = found.unwrap();
    assert_eq!(found.custom_attributes["ld_outcome__c"], "Reconsidered");
    assert_eq!(found.custom_attributes["ld_city"], "Rovaniemi");
    assert_eq!((&found.name, &found.external_id), (&known.name, &known.external_id));
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// Who matches an archived contact waits, without a write, until that is brought back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archived_contact_is_waited_for() {
    let bench = Bench::new(ugly(22)).await;
    let archived = |account: &migrate_sandbox::Account| {
        account.existing.iter().position(|known| known.archived).unwrap()
    };
    let email = {
        let account = bench.sandbox.account();
        account.existing[archived(&account)].email.clone()
    };
    let first = bench.run().await;
    assert_eq!(first.report.queues["archived_in_intercom"], 1);
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));

    let second = bench.run().await;
    assert_eq!(second.report.last_run.writes, 0);
    assert_eq!(second.report.queues, first.report.queues);
    assert_eq!(second.exit, first.exit);

    bench.sandbox.edit(|workspace| {
        let contact = workspace.contacts.iter_mut().find(|it| it.email.as_ref() == Some(&email));
        contact.unwrap().archived = false;
    });
    bench.sandbox.edit_account(|account| {
        let at = archived(account);
        account.existing[at].archived = false;
    });
    let third = bench.run().await;
    assert_eq!(third.report.queues.get("archived_in_intercom"), None);
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// Where the configuration says so, an archived contact is taken back, and filled where it is empty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archived_contact_is_taken_back_where_that_is_wanted() {
    let mut bench = Bench::new(ugly(22)).await;
    let waiting = bench.run().await.report.queues["archived_in_intercom"];
    assert_eq!(waiting, 1);
    bench.settings.further = "[contacts]\nunarchive = true".into();
    std::fs::remove_file(bench.path("state/plan.json")).unwrap();
    let second = bench.run().await;
    assert_eq!(second.report.queues.get("archived_in_intercom"), None);
    bench.sandbox.edit_account(|account| {
        account.existing.iter_mut().for_each(|known| known.archived = false);
    });
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}
