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
    written(client, ledger, fields()).await
}

async fn written(client: &IntercomClient, ledger: Arc<dyn Ledger>, fields: ContactFields) -> Entry {
    let admin = client.me().await.unwrap().admin.id;
    let key = Key::new("contact", 1);
    let source = Fixed::new(vec![Record::new(key.clone(), fields)], 10);
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

/// A contact that was created, with an attribute, and then touched by people.
async fn touched(by_people: impl FnOnce(&mut migrate_sandbox::workspace::Contact)) -> Touched {
    let (sandbox, client) = workspace().await;
    sandbox.edit(|workspace| {
        let text = migrate_sandbox::workspace::DataAttribute {
            name: "ld_status".into(),
            model: "contact".into(),
            data_type: "string".into(),
            ..Default::default()
        };
        workspace.data_attributes.push(text);
    });
    let ledger = Arc::new(MemoryLedger::default());
    let mut fields = fields();
    fields.phone = Some("+358401111111".into());
    fields.attributes.insert("ld_status".into(), json!("new"));
    let entry = written(&client, ledger.clone(), fields.clone()).await;
    assert_eq!(entry.fate, Fate::Created);
    let id = entry.target.unwrap().as_str().to_owned();
    sandbox.edit(|workspace| {
        by_people(workspace.contacts.iter_mut().find(|it| it.id == id).unwrap());
    });
    Touched { sandbox, client, ledger, fields, id }
}

struct Touched {
    sandbox: Sandbox,
    client: IntercomClient,
    ledger: Arc<MemoryLedger>,
    fields: ContactFields,
    id: String,
}

impl Touched {
    /// Writes the contact as LeadDesk has it by now: how it stands, and what is told of it.
    async fn again(&self) -> (migrate_sandbox::workspace::Contact, Vec<String>) {
        let entry = written(&self.client, self.ledger.clone(), self.fields.clone()).await;
        let told = entry.notes.iter().map(|note| format!("{} {}", note.code, note.field));
        (self.sandbox.workspace().contact(&self.id).unwrap().clone(), told.collect())
    }
}

/// An owner whom somebody has set, or an attribute of the customer's own, is no reason to lose a change.
#[tokio::test]
async fn a_change_arrives_whatever_people_have_changed_beside_it() {
    let mut world = touched(|contact| {
        contact.unsubscribed_from_emails = true;
        contact.custom_attributes.insert("plan".into(), json!("pro"));
    })
    .await;
    for phone in ["+358402222222", "+358403333333"] {
        world.fields.phone = Some(phone.into());
        world.fields.email = Some(format!("anna{phone}@example.com"));
        world.fields.attributes.insert("ld_status".into(), json!(phone));
        let (now, told) = world.again().await;
        assert_eq!((now.phone.as_deref(), &now.email), (Some(phone), &world.fields.email));
        assert_eq!(now.custom_attributes["ld_status"], phone);
        assert_eq!(now.custom_attributes["plan"], "pro");
        assert!(told.is_empty(), "{told:?}");
    }
}

/// What people have changed stays, is told, and keeps nothing else from being brought.
#[tokio::test]
async fn a_field_that_people_have_changed_is_held_back_alone() {
    let mut world = touched(|contact| {
        contact.custom_attributes.insert("ld_status".into(), json!("by hand"));
        contact.name = Some("Anna By Hand".into());
    })
    .await;
    for phone in ["+358402222222", "+358403333333"] {
        world.fields.phone = Some(phone.into());
        world.fields.attributes.insert("ld_status".into(), json!(phone));
        let (now, told) = world.again().await;
        assert_eq!(now.phone.as_deref(), Some(phone));
        assert_eq!(now.custom_attributes["ld_status"], "by hand");
        assert_eq!(now.name.as_deref(), Some("Anna By Hand"));
        assert_eq!(told, ["changed_in_intercom ld_status", "changed_in_intercom name"]);
    }
    // Nothing but that has changed: there is nothing to be sent.
    world.fields.attributes.insert("ld_status".into(), json!("lost"));
    let writes = world.sandbox.counters().writes();
    let (now, told) = world.again().await;
    assert_eq!(world.sandbox.counters().writes(), writes);
    assert_eq!(now.custom_attributes["ld_status"], "by hand");
    assert_eq!(told.len(), 2);
}

/// The address that a contact is to get from now on is another one's by now: both stay as they are, and no
/// later run asks again as long as that is so.
#[tokio::test]
async fn a_contact_in_place_waits_for_an_address_that_another_has() {
    let mut world = touched(|_| {}).await;
    let mut other = NewContact::user("leaddesk:contact:2");
    other.email = Some("other@example.com".to_owned().into());
    let other = world.client.contacts().create(&other).await.unwrap().id;
    world.fields.email = Some("other@example.com".into());
    for writes in [1, 0] {
        let before = world.sandbox.counters().writes();
        let entry = written(&world.client, world.ledger.clone(), world.fields.clone()).await;
        let reason = entry.reason.unwrap();
        assert_eq!((entry.fate, reason.code.as_str()), (Fate::Queued, "shared_email"));
        assert_eq!(reason.object.as_deref(), Some(other.as_str()));
        assert_eq!(world.sandbox.counters().writes() - before, writes);
    }
    world.sandbox.edit(|workspace| workspace.contacts.retain(|it| it.id != other.as_str()));
    let (now, _) = world.again().await;
    assert_eq!(now.email.as_deref(), Some("other@example.com"));
}
