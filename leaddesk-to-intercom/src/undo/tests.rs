//! Contacts that were there before, taken back from what is recorded of them.

use std::sync::Arc;
use std::time::Duration;

use intercom_client::{
    ContactId, DataType, IntercomClient, Model, NewContact, NewDataAttribute, UpdateContact,
};
use migrate_core::ledger::{self, Change, Entry, Ledger, Parked, Parking};
use migrate_core::{
    Emit, Event, Fate, Fingerprint, Key, MemoryLedger, Patience, Pipeline, Plan, Record, Rollback,
    RollbackOptions, Run, RunOptions, StageUndone, TargetId, map_fn,
};
use migrate_sandbox::{Account, AccountSpec, Sandbox};
use serde_json::json;

use crate::draft::{ContactDraft, ContactFields};
use crate::sink::{ContactSink, Workspace};
use crate::source::Fixed;

use super::{ContactUndo, SchemaUndo};

/// A workspace with one contact in it, and what is to be written to that.
struct World {
    sandbox: Sandbox,
    client: IntercomClient,
    ledger: Arc<dyn Ledger>,
    id: ContactId,
    fields: ContactFields,
    note: bool,
}

/// How a contact that is known already is dealt with.
#[derive(Clone, Copy, Default)]
struct How {
    overwrite: bool,
    unarchive: bool,
}

const UNARCHIVE: How = How { overwrite: false, unarchive: true };
const OVERWRITE: How = How { overwrite: true, unarchive: false };
const FILL: How = How { overwrite: false, unarchive: false };

impl World {
    /// Somebody's contact with a name and without a number.
    async fn new(external_id: &str) -> Self {
        let account = Account::generate(&AccountSpec::plain(1, 1));
        let sandbox = Sandbox::builder(account).start().await.unwrap();
        let endpoints = sandbox.endpoints();
        let client = IntercomClient::builder(endpoints.intercom_token.clone().into())
            .base_url(endpoints.intercom.parse().unwrap())
            .build()
            .unwrap();
        let mut new = NewContact::user(external_id);
        new.email = Some("anna@example.com".to_owned().into());
        new.name = Some("Anna Theirs".to_owned().into());
        let id = client.contacts().create(&new).await.unwrap().id;
        let fields = ContactFields {
            external_id: "leaddesk:contact:1".into(),
            role: "user".into(),
            email: Some("anna@example.com".into()),
            name: Some("Anna Ours".into()),
            phone: Some("+358401234567".into()),
            ..ContactFields::default()
        };
        let ledger = Arc::new(MemoryLedger::new());
        Self { sandbox, client, ledger, id, fields, note: false }
    }

    async fn archived(external_id: &str) -> Self {
        let world = Self::new(external_id).await;
        world.client.contacts().archive(&world.id).await.unwrap();
        world
    }

    async fn workspace(&self, how: How) -> Workspace {
        let admin = self.client.me().await.unwrap().admin.id;
        let mut workspace = Workspace::new(self.client.clone(), admin, self.ledger.clone());
        (workspace.overwrite, workspace.unarchive) = (how.overwrite, how.unarchive);
        workspace
    }

    async fn begin(&self) -> Run {
        let observer = Arc::new(|_: &Event<'_>| {});
        let patience = Patience::new(Duration::ZERO, Duration::ZERO);
        let run = Run::on(self.ledger.clone()).observed_by(observer).patience(patience);
        run.begin().await.unwrap()
    }

    /// Writes the contact through the engine, and says what became of it.
    async fn run(&self, how: How) -> Entry {
        let key = Key::new("contact", 1);
        let source = Fixed::new(vec![Record::new(key.clone(), self.fields.clone())], 10);
        let noted = self.note;
        let mapper = map_fn(move |record: Record<ContactFields>, out: &mut Emit<ContactDraft>| {
            out.push(ContactDraft::Contact(record.body));
            if noted {
                let body = "LeadDesk contact 1".to_owned();
                out.part("note", ContactDraft::Note { marker: body.clone(), body });
            }
        });
        let sink = ContactSink::new(self.workspace(how).await);
        let plan = Plan::new().stage(Pipeline::new("contacts", source, mapper, sink), &[]);
        plan.run(&self.begin().await, &RunOptions::default()).await.unwrap();
        self.ledger.entries(&[key]).await.unwrap().remove(0).unwrap()
    }

    /// Takes it back, whatever the configuration says by then, first dry.
    async fn roll_back(&self) -> StageUndone {
        self.roll_back_all().await.remove(0)
    }

    /// The same with the attributes, which come after it.
    async fn roll_back_all(&self) -> Vec<StageUndone> {
        let workspace = self.workspace(FILL).await;
        let rollback = Rollback::new()
            .stage("schema", SchemaUndo::new(workspace.clone(), "leaddesk"))
            .stage("contacts", ContactUndo::new(workspace, "leaddesk"));
        let run = self.begin().await;
        let writes = self.writes();
        let dry = rollback.run(&run, &RollbackOptions::dry()).await.unwrap();
        assert_eq!(self.writes(), writes);
        let real = rollback.run(&run, &RollbackOptions::default()).await.unwrap();
        assert_eq!(dry.stages, real.stages, "the dry run tells something else");
        real.stages
    }

    /// An attribute of contacts that this migration has made, and fills.
    async fn with_attribute(&mut self, name: &str) {
        let new = NewDataAttribute::new(name, Model::Contact, DataType::String);
        let made = self.client.data_attributes().create(&new).await.unwrap();
        let done = Change::Done {
            key: Key::new("attribute", format!("contact.{name}")),
            stage: "schema".into(),
            target: TargetId::new(made.id.unwrap().as_str()),
            fingerprint: Fingerprint::of(b"attribute"),
            how: ledger::How::Created,
            state: None,
            at: chrono::Utc::now(),
        };
        self.ledger.commit(vec![done]).await.unwrap();
        self.fields.attributes.insert(name.to_owned(), json!("Oulu"));
    }

    fn writes(&self) -> u64 {
        self.sandbox.counters().writes()
    }

    fn contact(&self) -> migrate_sandbox::workspace::Contact {
        self.sandbox.workspace().contact(self.id.as_str()).unwrap().clone()
    }

    fn edit(&self, edit: impl FnOnce(&mut migrate_sandbox::workspace::Contact)) {
        self.sandbox.edit(|workspace| {
            let contact = workspace.contacts.iter_mut().find(|it| it.id == self.id.as_str());
            edit(contact.unwrap());
        });
    }

    async fn rename(&self, name: &str) {
        let change = UpdateContact::new().name(name);
        self.client.contacts().update(&self.id, &change).await.unwrap();
    }
}

fn codes(stage: &StageUndone) -> Vec<&str> {
    stage.left.iter().map(|it| it.reason.code.as_str()).collect()
}

#[tokio::test]
async fn a_contact_that_was_archived_is_archived_again() {
    let mut world = World::archived("crm-7").await;
    world.note = true;
    let before = world.contact();
    for _ in 0..2 {
        assert_eq!(world.run(UNARCHIVE).await.fate, Fate::Updated);
        let now = world.contact();
        assert!(!now.archived && now.phone.is_some() && now.notes.len() == 1);
        let undone = world.roll_back().await;
        assert_eq!(codes(&undone), [""; 0]);
        let now = world.contact();
        assert_eq!((now.archived, &now.name, &now.phone), (true, &before.name, &before.phone));
        // The note stays on it out of sight, and is named as long as it does.
        assert_eq!(undone.impossible.len(), 1);
        assert_eq!(world.roll_back().await.impossible.len(), 1);
    }
}

/// A kill after it was taken back, and before anything else of it is known.
#[tokio::test]
async fn a_kill_in_between_does_not_make_it_forget_that_it_was_archived() {
    let world = World::archived("crm-7").await;
    let key = Key::new("contact", 1);
    let image = crate::sink::before::archived(&world.id);
    let settle = Change::Settle {
        key: key.clone(),
        stage: "contacts".into(),
        fate: Fate::Pending,
        fingerprint: None,
        target: None,
        reason: None,
        notes: Vec::new(),
        attempts: 0,
        at: chrono::Utc::now(),
    };
    world.ledger.commit(vec![settle, Change::Before { key, image }]).await.unwrap();
    world.client.contacts().unarchive(&world.id).await.unwrap();
    assert_eq!(codes(&world.roll_back().await), ["in_doubt"]);
    assert_eq!(world.run(FILL).await.fate, Fate::Updated);
    assert_eq!(codes(&world.roll_back().await), [""; 0]);
    assert!(world.contact().archived && world.contact().phone.is_none());
}

/// Whoever has changed it or added to it since wants it.
#[tokio::test]
async fn one_that_people_use_since_stays_in_use() {
    for what in ["name", "phone", "owner", "company", "tag", "note", "conversation"] {
        let mut world = World::archived("crm-7").await;
        world.fields.signed_up_at = Some(1_600_000_000);
        world.run(UNARCHIVE).await;
        // Intercom's clock counts seconds.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let contacts = world.client.contacts();
        let admin = world.client.me().await.unwrap().admin.id;
        match what {
            "name" => world.rename("Anna Else").await,
            "phone" => {
                let change = UpdateContact::new().phone("+358409999999".to_owned());
                contacts.update(&world.id, &change).await.unwrap();
            }
            "owner" => world.edit(|contact| contact.owner_id = Some("1".into())),
            "company" => world.edit(|contact| contact.companies.push("c1".into())),
            "tag" => {
                let tag = world.client.tags().get_or_create("vip").await.unwrap();
                contacts.add_tag(&world.id, &tag.id).await.unwrap();
            }
            "note" => {
                contacts.add_note(&world.id, "<p>Call her</p>", Some(&admin)).await.unwrap();
            }
            _ => {
                let id = world.id.clone();
                let new = intercom_client::NewConversation::from_contact(id, "Hello");
                world.client.conversations().create(&new).await.unwrap();
            }
        }
        let undone = world.roll_back().await;
        assert_eq!(undone.left.len(), 1, "{what}");
        let now = world.contact();
        assert!(!now.archived && now.phone.is_some() && now.signed_up_at.is_some(), "{what}");
    }
}

/// It is another record's contact: then it is left as it was, and asking again costs no write.
#[tokio::test]
async fn the_archived_contact_of_another_record_stays_archived() {
    let world = World::archived("leaddesk:contact:2").await;
    let entry = world.run(UNARCHIVE).await;
    assert_eq!((entry.fate, &*entry.reason.unwrap().code), (Fate::Queued, "shared_email"));
    assert!(world.contact().archived);
    assert_eq!(world.ledger.before(&Key::new("contact", 1)).await.unwrap(), None);
    let writes = world.writes();
    assert_eq!(world.run(UNARCHIVE).await.fate, Fate::Queued);
    assert_eq!(world.writes(), writes);
    assert_eq!(codes(&world.roll_back().await), [""; 0]);
}

/// What Intercom refuses to fill is not left taken back.
#[tokio::test]
async fn an_archived_contact_that_cannot_be_filled_stays_archived() {
    let world = World::archived("crm-7").await;
    let other = NewContact::user("crm-8");
    world.client.contacts().create(&other).await.unwrap();
    world.sandbox.edit(|workspace| {
        let contact = workspace.contacts.iter_mut().find(|it| it.id == world.id.as_str()).unwrap();
        // It is found by its external id; its new address is that of somebody else.
        (contact.external_id, contact.email) = (Some("leaddesk:contact:1".into()), None);
        contact.created_at = 1_600_000_000;
        workspace.contacts.iter_mut().find(|it| it.id != world.id.as_str()).unwrap().email =
            Some("anna@example.com".into());
    });
    let entry = world.run(UNARCHIVE).await;
    assert_eq!(entry.fate, Fate::Queued, "{entry:?}");
    assert!(world.contact().archived);
    assert_eq!(world.ledger.before(&Key::new("contact", 1)).await.unwrap(), None);
    let writes = world.writes();
    assert_eq!(world.run(UNARCHIVE).await.fate, Fate::Queued);
    assert_eq!(world.writes(), writes);
    assert_eq!(codes(&world.roll_back().await), [""; 0]);
}

/// What was overwritten is put back by what is recorded, whatever later runs were told.
#[tokio::test]
async fn what_was_overwritten_is_put_back_after_a_run_that_fills_only() {
    let mut world = World::new("crm-7").await;
    let before = world.contact();
    world.run(OVERWRITE).await;
    assert_eq!(world.contact().name.as_deref(), Some("Anna Ours"));
    world.fields.phone = Some("+358407654321".into());
    world.run(FILL).await;
    let now = world.contact();
    assert_eq!(now.phone.as_deref(), Some("+358407654321"));
    let undone = world.roll_back().await;
    assert_eq!((undone.restored, codes(&undone).len()), (1, 0));
    let after = world.contact();
    assert_eq!((after.name, after.phone), (before.name, before.phone));
}

/// What people have set to another value in between is what stood there before.
#[tokio::test]
async fn what_was_overwritten_later_is_put_back_as_it_stood_then() {
    let mut world = World::new("crm-7").await;
    world.run(FILL).await;
    world.rename("Anna Wed").await;
    world.fields.name = Some("Anna Still Ours".into());
    world.run(OVERWRITE).await;
    assert_eq!(world.contact().name.as_deref(), Some("Anna Still Ours"));
    world.roll_back().await;
    let after = world.contact();
    assert_eq!((after.name.as_deref(), after.phone), (Some("Anna Wed"), None));
}

/// Nor does an edit hide what was overwritten; of what was never written nobody is told.
#[tokio::test]
async fn an_edit_is_told_where_it_is_of_what_was_written() {
    let mut world = World::new("crm-7").await;
    world.fields.phone = None;
    world.run(OVERWRITE).await;
    world.rename("Anna Else").await;
    let undone = world.roll_back().await;
    assert_eq!(undone.left[0].fields, ["name"]);

    let world = World::new("crm-7").await;
    world.run(FILL).await;
    world.rename("Anna Else").await;
    world.sandbox.edit(|workspace| {
        let contact = workspace.contacts.iter_mut().find(|it| it.id == world.id.as_str()).unwrap();
        contact.custom_attributes.insert("vip".into(), json!(true));
    });
    let undone = world.roll_back().await;
    assert_eq!((undone.restored, codes(&undone).len()), (1, 0));
    let after = world.contact();
    assert_eq!((after.name.as_deref(), after.phone), (Some("Anna Else"), None));
    assert_eq!(after.custom_attributes["vip"], true);
}

/// Of whom something is in doubt, nothing is put back: the values stay, and so does their attribute, until
/// that is settled.
#[tokio::test]
async fn an_attribute_stays_while_somebody_in_doubt_holds_it() {
    let mut world = World::new("crm-7").await;
    world.with_attribute("ld_city").await;
    world.run(FILL).await;
    let key = Key::new("contact", 1).part("note");
    let at = chrono::Utc::now();
    let intent = Change::Intent { key: key.clone(), stage: "contacts".into(), draft: None, at };
    world.ledger.commit(vec![intent]).await.unwrap();
    let undone = world.roll_back_all().await;
    assert_eq!(undone.iter().flat_map(codes).collect::<Vec<_>>(), ["in_doubt", "in_use_yet"]);
    assert_eq!(world.contact().custom_attributes["ld_city"], "Oulu");

    world.ledger.commit(vec![Change::Void { key }]).await.unwrap();
    let undone = world.roll_back_all().await;
    assert_eq!(undone.iter().flat_map(codes).count(), 0);
    assert_eq!((undone[0].restored, undone[1].removed), (1, 1));
}

/// One that was archived and is left holds its values, and one that is archived again holds none.
#[tokio::test]
async fn an_attribute_stays_while_somebody_holds_it_who_was_archived() {
    for is_left in [true, false] {
        let mut world = World::archived("crm-7").await;
        world.note = true;
        world.with_attribute("ld_city").await;
        world.run(UNARCHIVE).await;
        if is_left {
            world.edit(|contact| contact.owner_id = Some("1".into()));
        }
        let undone = world.roll_back_all().await;
        let expected: &[&str] = if is_left { &["changed_since", "in_use_yet"] } else { &[] };
        assert_eq!(undone.iter().flat_map(codes).collect::<Vec<_>>(), expected);
        assert_eq!(world.contact().archived, !is_left);
    }
}

/// A run was killed before it heard that a contact was created: that is its own, however long the run had
/// been going on by then. One that was there before the migration is not, whatever it is called.
#[tokio::test]
async fn one_that_was_created_unheard_is_found_if_it_is_new() {
    for is_new in [true, false] {
        let world = World::new("leaddesk:contact:1").await;
        let hours = chrono::TimeDelta::hours(if is_new { -1 } else { 1 });
        let began = chrono::Utc::now() + hours;
        let value = Some(json!(began.to_rfc3339()));
        let parked = Parked::new(Key::new("contact", 1), "contacts", Parking::Group, began);
        let since = Change::Meta { name: "migration_since".into(), value };
        world.ledger.commit(vec![since, Change::Park(Box::new(parked))]).await.unwrap();
        let undone = world.roll_back().await;
        let counts = (undone.removed, undone.untouched, undone.kept);
        assert_eq!(counts, if is_new { (1, 0, 0) } else { (0, 1, 0) });
        let is_there = world.sandbox.workspace().contact(world.id.as_str()).is_some();
        assert_eq!(is_there, !is_new);
    }
}
