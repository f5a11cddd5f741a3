use std::sync::Arc;
use std::time::Duration;

use intercom_client::{Contact, IntercomClient};
use migrate_core::ledger::{Change, Entry, Ledger};
use migrate_core::{
    Emit, Event, Fate, Key, MemoryLedger, Patience, Pipeline, Plan, Record, Run, RunOptions, map_fn,
};
use migrate_sandbox::{Account, AccountSpec, Sandbox};
use serde_json::{Value, json};

use super::known::{filling, is_of_migration};
use super::left::image;
use super::*;
use crate::source::Fixed;

fn fields() -> ContactFields {
    ContactFields {
        external_id: "leaddesk:contact:1".into(),
        role: "user".into(),
        email: Some("anna@example.com".into()),
        name: Some("Anna New".into()),
        ..ContactFields::default()
    }
}

#[test]
fn a_prefix_makes_an_external_id_ours_whatever_its_kind() {
    for (known, ours) in [
        ("leaddesk:contact:2", true),
        ("leaddesk:visitor:2", true),
        ("leaddesk2:contact:2", false),
        ("leaddesk", false),
        ("crm-7", false),
    ] {
        assert_eq!(is_of_migration(known, &fields().external_id), ours, "{known}");
    }
}

/// A lost reply may have been that of an earlier text of the record.
#[test]
fn what_differs_in_our_own_contact_is_written() {
    let found = |name: &str| -> Contact {
        let text = json!({
            "type": "contact", "id": "c1", "external_id": "leaddesk:contact:1", "name": name,
            "email": "anna@example.com",
        });
        serde_json::from_value(text).unwrap()
    };
    assert!(filling(&fields(), &found("Anna New"), &Value::Null).is_empty());
    assert!(!filling(&fields(), &found("Anna Old"), &Value::Null).is_empty());
    let theirs = image(&found("Anna Old"));
    assert!(filling(&fields(), &found("Anna Old"), &theirs).is_empty());
}

/// Writes the contact through the engine, and says what became of it.
async fn fate_of(client: &IntercomClient, ledger: Arc<dyn Ledger>) -> Fate {
    entry_of(client, ledger).await.fate
}

async fn entry_of(client: &IntercomClient, ledger: Arc<dyn Ledger>) -> Entry {
    let admin = client.me().await.unwrap().admin.id;
    let key = Key::new("contact", 1);
    let source = Fixed::new(vec![Record::new(key.clone(), fields())], 10);
    let mapper = map_fn(|record: Record<ContactFields>, out: &mut Emit<ContactDraft>| {
        out.push(ContactDraft::Contact(record.body));
    });
    let sink = ContactSink::new(Workspace::new(client.clone(), admin, ledger.clone()));
    let plan = Plan::new().stage(Pipeline::new("contacts", source, mapper, sink), &[]);
    let patience = Patience::new(Duration::ZERO, Duration::ZERO);
    let observer = Arc::new(|_: &Event<'_>| {});
    let run =
        Run::on(ledger.clone()).observed_by(observer).patience(patience).begin().await.unwrap();
    plan.run(&run, &RunOptions::default()).await.unwrap();
    ledger.entries(&[key]).await.unwrap().remove(0).unwrap()
}

async fn workspace() -> (Sandbox, IntercomClient) {
    let account = Account::generate(&AccountSpec::new(1, 1));
    let sandbox = Sandbox::builder(account).start().await.unwrap();
    let endpoints = sandbox.endpoints();
    let client = IntercomClient::builder(endpoints.intercom_token.clone().into())
        .base_url(endpoints.intercom.parse().unwrap())
        .build()
        .unwrap();
    (sandbox, client)
}

async fn there(client: &IntercomClient, name: &str) -> ContactId {
    let mut new = NewContact::user("leaddesk:contact:1");
    new.name = Some(name.to_owned().into());
    client.contacts().create(&new).await.unwrap().id
}

async fn name_of(client: &IntercomClient, id: &ContactId) -> String {
    client.contacts().get(id).await.unwrap().name.unwrap().reveal().clone()
}

/// Nothing is known here of the other's name, so nothing is said of it.
#[tokio::test]
async fn an_address_that_another_record_has_is_told_as_that() {
    let (_sandbox, client) = workspace().await;
    let mut other = NewContact::user("leaddesk:contact:2");
    other.email = Some("anna@example.com".to_owned().into());
    client.contacts().create(&other).await.unwrap();
    let entry = entry_of(&client, Arc::new(MemoryLedger::default())).await;
    let reason = entry.reason.unwrap();
    assert_eq!((entry.fate, reason.code.as_str()), (Fate::Queued, "shared_email"));
    assert!(reason.message.contains("only once among users"), "{}", reason.message);
    assert!(!reason.message.contains("names"), "{}", reason.message);
}

#[tokio::test]
async fn our_own_contact_of_a_lost_reply_is_brought_up_to_date() {
    let (_sandbox, client) = workspace().await;
    let id = there(&client, "Anna Old").await;
    assert_eq!(fate_of(&client, Arc::new(MemoryLedger::default())).await, Fate::Created);
    assert_eq!(name_of(&client, &id).await, "Anna New");
}

/// What is there as it should be was changed by us, if we kept what stood there before.
#[tokio::test]
async fn an_update_whose_reply_was_lost_counts_as_updated() {
    for (remembered, expected) in [(true, Fate::Updated), (false, Fate::Unchanged)] {
        let (_sandbox, client) = workspace().await;
        let mut new = NewContact::user("crm-7");
        new.email = Some("anna@example.com".to_owned().into());
        new.name = Some("Anna New".to_owned().into());
        client.contacts().create(&new).await.unwrap();
        let ledger = Arc::new(MemoryLedger::default());
        if remembered {
            let image = json!({"name": null});
            let change = Change::Before { key: Key::new("contact", 1), image };
            ledger.commit(vec![change]).await.unwrap();
        }
        assert_eq!(fate_of(&client, ledger).await, expected);
    }
}
