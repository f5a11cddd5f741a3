//! Whose a tag on somebody or an attribute is: this migration's own, or the customer's.

use std::sync::Arc;

use leaddesk_to_intercom::draft::{AttributeDefinition, ContactDraft, SchemaDraft};
use leaddesk_to_intercom::sink::SchemaSink;
use leaddesk_to_intercom::source::Fixed;
use migrate_core::ledger::{How, Ledger, PartState, Scan, Written};
use migrate_core::{Emit, Fate, Key, Pipeline, Plan, Record, RunOptions, map_fn};
use migrate_sandbox::workspace::{AppliedTag, Contact, CreatedBy, DataAttribute, Tag};
use migrate_sandbox::{Account, AccountSpec, FaultKind, Faults, Sandbox, ServiceFaults, Strike};

use crate::bench::Bench;
use crate::driven;

/// Most contacts are in Intercom already, so their tags have to be looked at first.
fn account() -> Account {
    Account::generate(&AccountSpec::new(20, 5).with(|spec| spec.existing = 0.9))
}

/// A sandbox where the first replies to a call get lost.
async fn losing(call: &str) -> Bench {
    let strike = Strike::new(call, FaultKind::LostReply, 0).times(LOST);
    let intercom = ServiceFaults { strikes: vec![strike], ..ServiceFaults::default() };
    let faults = Faults { intercom, ..Faults::default() };
    Bench::with(Sandbox::builder(account()).faults(faults)).await
}

const LOST: u64 = 3;

/// The client sends tags again by itself; the test at the end shows what the sink makes of them.
const CALLS: [&str; 2] = ["POST /contacts/{id}/tags", "POST /data_attributes"];

/// What became of each tag on a contact and of each attribute and tag, by key.
async fn added(bench: &Bench) -> Vec<(Key, Written)> {
    let (ledger, mut added) = (bench.ledger(), Vec::new());
    for stage in ["schema", "contacts"] {
        let rows = ledger.scan(&Scan::of(stage)).await.unwrap();
        let keys: Vec<Key> = rows.into_iter().map(|(_, entry)| entry.key).collect();
        for entry in ledger.entries(&keys).await.unwrap().into_iter().flatten() {
            let is_tag = |key: &Key| key.part_name().is_some_and(|name| name.starts_with("tag:"));
            for part in entry.parts.iter().filter(|part| stage == "schema" || is_tag(&part.key)) {
                let PartState::Done(written) = &part.state else { panic!("{:?}", part.key) };
                added.push((part.key.clone(), written.clone()));
            }
        }
    }
    assert!(added.len() > 20, "{} tags and attributes are there", added.len());
    added
}

/// Those that count as the customer's.
async fn found_there(bench: &Bench) -> Vec<Key> {
    let added = added(bench).await.into_iter();
    added.filter(|(_, written)| written.how != How::Created).map(|(key, _)| key).collect()
}

/// A tag and an attribute whose replies got lost are this migration's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_added_is_ours_though_the_reply_was_lost() {
    for call in CALLS {
        let bench = losing(call).await;
        bench.run().await;
        assert_eq!(bench.sandbox.counters().faults[&FaultKind::LostReply], LOST, "{call}");
        assert_eq!(found_there(&bench).await, [] as [Key; 0], "{call}");
    }
}

/// What the customer had put there before is the customer's, whatever befalls the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_before_is_the_customers() {
    let calm = Bench::new(account()).await;
    calm.run().await;
    let calm = calm.sandbox.workspace();
    let known =
        |contact: &&Contact| contact.created_by == CreatedBy::Customer && !contact.tags.is_empty();
    let person = calm.contacts.iter().find(known).unwrap();
    let name = calm.tag_names(&person.tags)[0].to_owned();

    for call in CALLS {
        let bench = losing(call).await;
        bench.sandbox.edit(|workspace| {
            let id = "7001".to_owned();
            workspace.tags.push(Tag { id: id.clone(), name: name.clone(), ..Tag::default() });
            let mut contacts = workspace.contacts.iter_mut();
            let there = contacts.find(|contact| contact.email == person.email).unwrap();
            there.tags.push(AppliedTag { id, ..AppliedTag::default() });
            workspace.data_attributes.push(DataAttribute {
                model: "contact".into(),
                name: "ld_city".into(),
                data_type: "string".into(),
                ..DataAttribute::default()
            });
        });
        bench.run().await;
        assert_eq!(bench.sandbox.counters().faults[&FaultKind::LostReply], LOST, "{call}");
        let there = found_there(&bench).await;
        let tag = format!("tag:{name}").to_lowercase();
        let [attribute, itself, put_on] = &*there else { panic!("{call}: {there:?}") };
        assert_eq!(attribute.as_str(), "attribute:contact.ld_city", "{call}");
        assert_eq!(itself.as_str(), tag, "{call}");
        assert_eq!(put_on.part_name().map(str::to_lowercase), Some(tag), "{call}");
    }
}

/// Tags on people who were there before, by a client that does not send again itself: the sink finds
/// on its second try what the first one put there, and knows it from what was there before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_is_found_on_somebody_is_whose_it_was() {
    let bench = losing("POST /contacts/{id}/tags").await;
    people(&bench);
    let ledger = driven::ledger();
    driven::bring(&bench, &ledger, tagged(), &RunOptions::default()).await;
    assert_eq!(bench.sandbox.counters().faults[&FaultKind::LostReply], LOST);
    // Each was put there once, and those of which the reply was lost were found there.
    assert_eq!(bench.sandbox.counters().intercom["POST /contacts/{id}/tags"], PEOPLE as u64);
    assert_eq!(whose(&*ledger).await, [(How::Unchanged, How::Created); PEOPLE]);
}

/// What was refused was not put there: if it is there on the next try, the customer has put it there
/// meanwhile, and a rollback must leave it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_the_customer_added_after_a_refusal_is_the_customers() {
    let strike = Strike::new("POST /contacts/{id}/tags", FaultKind::Refused, 0).times(LOST);
    let intercom = ServiceFaults { strikes: vec![strike], ..ServiceFaults::default() };
    let faults = Faults { intercom, ..Faults::default() };
    let bench = Bench::with(Sandbox::builder(account()).faults(faults)).await;
    people(&bench);
    let ledger = driven::ledger();
    let end = driven::bring(&bench, &ledger, tagged(), &RunOptions::default().no_wait()).await;
    assert_eq!(bench.sandbox.counters().faults[&FaultKind::Refused], LOST);
    assert_eq!(end.waiting, LOST, "the refused wait for another try");

    bench.sandbox.edit(|workspace| {
        let new = workspace.tags.iter().find(|tag| tag.name == NEW).unwrap().id.clone();
        for person in workspace.contacts.iter_mut() {
            let is_one = (1..=PEOPLE).any(|n| person.email.as_ref() == Some(&email(n)));
            if is_one && person.tags.iter().all(|tag| tag.id != new) {
                person.tags.push(AppliedTag { id: new.clone(), ..AppliedTag::default() });
            }
        }
    });
    driven::bring(&bench, &ledger, tagged(), &RunOptions::default()).await;
    let whose = whose(&*ledger).await;
    let theirs = whose.iter().filter(|(_, new)| *new == How::Unchanged).count();
    assert_eq!(theirs as u64, LOST, "{whose:?}");
}

/// An attribute that the customer makes after this migration has looked, and before it makes its own:
/// that is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attribute_that_the_customer_made_first_is_the_customers() {
    let bench = Bench::new(account()).await;
    let ledger = driven::ledger();
    let sink = Arc::new(SchemaSink::new(driven::workspace(&bench, &ledger)));
    for name in ["ld_ours", "ld_theirs"] {
        let attribute = AttributeDefinition::new(name, "string", "");
        let record = Record::new(Key::new("attribute", name), attribute);
        let mapper = map_fn(|record: Record<AttributeDefinition>, out: &mut Emit<SchemaDraft>| {
            out.push(SchemaDraft::ContactAttribute(record.body));
        });
        let stage = Pipeline::new(name, Fixed::new(vec![record], 1), mapper, sink.clone());
        let options = RunOptions::default();
        driven::run(&bench, &ledger, Plan::new().stage(stage, &[]), &options).await;
        bench.sandbox.edit(|workspace| {
            workspace.data_attributes.push(DataAttribute {
                model: "contact".into(),
                name: "ld_theirs".into(),
                data_type: "string".into(),
                ..DataAttribute::default()
            });
        });
    }
    let keys = ["ld_ours", "ld_theirs"].map(|name| Key::new("attribute", name));
    let entries = ledger.entries(&keys).await.unwrap();
    let fates: Vec<Fate> = entries.into_iter().map(|entry| entry.unwrap().fate).collect();
    assert_eq!(fates, [Fate::Created, Fate::Unchanged]);
}

const PEOPLE: usize = 6;

/// The tag that people have already, and one that is new to them.
const BEFORE: &str = "vip";
const NEW: &str = "new";

fn email(n: usize) -> String {
    format!("person{n}@example.com")
}

/// Puts people into Intercom, each with a tag.
fn people(bench: &Bench) {
    bench.sandbox.edit(|workspace| {
        let tag = Tag { id: "7001".to_owned(), name: BEFORE.to_owned(), ..Tag::default() };
        for n in 1..=PEOPLE {
            let applied = AppliedTag { id: tag.id.clone(), ..AppliedTag::default() };
            workspace.contacts.push(Contact {
                role: "user".into(),
                external_id: Some(format!("crm:{n}")),
                email: Some(email(n)),
                tags: vec![applied],
                ..Contact::default()
            });
        }
        workspace.tags.push(tag);
    });
}

/// The same people, to be given both tags.
fn tagged() -> Vec<driven::Drafts> {
    let people = (1..=PEOPLE).map(|n| {
        let mut person = driven::fields(&format!("leaddesk:contact:{n}"), "user");
        person.email = Some(email(n));
        let tags = [BEFORE, NEW].map(|tag| (tag.to_owned(), ContactDraft::Tag(tag.into())));
        (person, tags.to_vec())
    });
    people.collect()
}

/// Whose both tags are, by person.
async fn whose(ledger: &dyn Ledger) -> Vec<(How, How)> {
    let keys: Vec<Key> = (1..=PEOPLE).map(|n| Key::new("contact", n)).collect();
    let entries = ledger.entries(&keys).await.unwrap().into_iter().map(Option::unwrap);
    let both = entries.map(|entry| {
        let how = |name: &str| match &entry.part(&entry.key.part(name)).unwrap().state {
            PartState::Done(written) => written.how,
            other => panic!("{:?}: {other:?}", entry.key),
        };
        (how(BEFORE), how(NEW))
    });
    both.collect()
}
