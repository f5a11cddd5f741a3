//! The audit by which other tests say that all is well: it names each kind of damage, field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use migrate_sandbox::workspace::{
    AppliedTag, Author, Contact, Conversation, ConversationAttribute, CreatedBy, DataAttribute,
    Note, Part, Source, Tag,
};
use migrate_sandbox::{Account, AccountSpec, ChatbotExport, Workspace};
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{Lead, Terms, audit_by, audit_of_state};
use crate::bench::{Bench, assert_clean, by_api};

/// What is done to an object, and what the finding says of it.
type Damages<T> = Vec<(&'static str, &'static str, fn(&mut T))>;

/// Fields that nothing can be expected of.
const UNKNOWN: [&str; 5] = ["id", "created_at", "updated_at", "applied_at", "description"];

/// An account with leads and chats, in the workspace as it should be.
async fn migrated() -> (Bench, Account, Terms) {
    let spec = AccountSpec::new(80, 81).with_chats_per_contact(0.5);
    let account = Account::generate(&spec.with(|it| {
        (it.existing, it.in_two_lists, it.shared_address) = (0.05, 0.1, 0.1);
        (it.no_identifier, it.calls_without_time, it.calls_by_strangers) = (0.05, 0.03, 0.03);
    }));
    let mut bench = Bench::new(account.clone()).await;
    let zip = bench.path("chatbot.zip");
    account.export_chatbot(&zip, &ChatbotExport::new()).unwrap();
    let (first, last) = bench.endpoints.call_ids;
    let calls = format!(
        "last_call = true\nid_range = [{first}, {last}]\n[contacts]\nlead_rule = 'unfinalised'"
    );
    bench.settings.source = by_api(&bench.endpoints, &calls);
    bench.settings.further = format!("[source.chatbot]\nzip = '{}'", zip.display());
    bench.run().await;
    let open = account.contacts.iter().filter(|contact| {
        let is_deal = contact.last_reason.as_deref() == Some("Deal");
        !contact.finalised && !contact.phonenumbers.is_empty() && !is_deal
    });
    let leads: BTreeMap<u64, Lead> = open.map(|it| (it.id, Lead::default())).collect();
    let terms = Terms { chats: true, leads, histories: true, ..Terms::default() };
    (bench, account, terms)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_damage_is_a_finding() {
    let (bench, account, terms) = migrated().await;
    let whole = bench.sandbox.workspace();
    assert_clean(&audit_by(&terms, &account, &whole));
    let mut empty = whole.clone();
    (empty.contacts, empty.conversations) = (Vec::new(), Vec::new());
    assert!(audit_by(&terms, &account, &empty).len() > 50);

    let says = |case: &str, expected: &str, damage: &dyn Fn(&mut Workspace)| {
        let mut damaged = whole.clone();
        damage(&mut damaged);
        let findings = audit_by(&terms, &account, &damaged);
        let is_it = |finding: &String| expected.split('|').any(|word| finding.contains(word));
        let found = findings.iter().any(is_it);
        assert!(found, "{case}: nothing says {expected:?}: {findings:?}");
    };
    let place = |is_it: &dyn Fn(&Contact) -> bool| whole.contacts.iter().position(is_it).unwrap();
    let is_visitor = |it: &Contact| it.external_id.as_deref().unwrap_or("").contains("visitor");
    let full = |it: &Contact| !it.tags.is_empty() && !it.notes.is_empty();
    for (kind, at) in [
        ("contact", place(&|it| it.role == "user" && full(it))),
        ("lead", place(&|it| it.role == "lead" && full(it))),
        ("visitor", place(&|it| is_visitor(it))),
    ] {
        each_field(&whole.contacts[at], &contact(), &[]);
        for (field, expected, damage) in contact() {
            // There is nothing of these to be lost.
            if kind == "visitor" && field.contains(" of ") {
                continue;
            }
            says(&format!("{kind}, {field}"), expected, &|it| damage(&mut it.contacts[at]));
        }
        let missing = if kind == "visitor" { "is there 0 times" } else { "is missing" };
        says(kind, missing, &|it| drop(it.contacts.remove(at)));
        let twice = if kind == "visitor" { "is there 2 times" } else { "times" };
        says(kind, twice, &|it| {
            let mut twin = it.contacts[at].clone();
            twin.id = "ffffffffffffffffffffffff".into();
            it.contacts.push(twin);
        });
    }
    says("contact", "should not be there", &|it| it.contacts.push(Contact::default()));
    let archived = whole.contacts.iter().position(|it| it.archived).unwrap();
    for (field, damage) in [
        ("archived is", (|it| it.archived = false) as fn(&mut Contact)),
        ("name is", |it| it.name = Some("Else".into())),
        ("tags is", |it| it.tags.push(AppliedTag::default())),
    ] {
        says("archived", field, &|it| damage(&mut it.contacts[archived]));
    }

    let spoken = |it: &Conversation| it.parts.iter().any(|part| part.body.is_some());
    let place = |word: &str, by: &str| {
        let mut all = whole.conversations.iter();
        let is_it = |it: &Conversation| {
            it.source.body.contains(word) && it.source.author.kind == by && spoken(it)
        };
        all.position(|it| is_it(it) && !it.tags.is_empty()).unwrap()
    };
    for (kind, at) in [
        ("call", place("LeadDesk call ", "user")),
        ("call", place("LeadDesk call ", "lead")),
        ("chat", place("LeadDesk chat ", "user")),
        ("chat", place("LeadDesk chat ", "lead")),
    ] {
        each_field(&whole.conversations[at], &conversation(), &["source"]);
        each_field(&whole.conversations[at].source, &Damages::<Source>::new(), &SOURCE);
        for (field, expected, damage) in conversation() {
            says(&format!("{kind}, {field}"), expected, &|it| damage(&mut it.conversations[at]));
        }
        let said = whole.conversations[at].parts.iter().position(|it| it.body.is_some()).unwrap();
        each_field(&whole.conversations[at].parts[said], &part(), &[]);
        for (field, expected, damage) in part() {
            says(&format!("{kind}, part, {field}"), expected, &|it| {
                damage(&mut it.conversations[at].parts[said]);
            });
        }
        says(kind, "has no conversation", &|it| drop(it.conversations.remove(at)));
        says(kind, "has 2 conversations", &|it| {
            let twin = it.conversations[at].clone();
            it.conversations.push(twin);
        });
    }
    // Of a thread of several messages, the order.
    let at = whole.conversations.iter().position(|it| it.parts.len() > 5).unwrap();
    says("thread", "its thread", &|it| it.conversations[at].parts.swap(0, 2));
    says("names nothing", "names no call", &|it| it.conversations.push(Default::default()));
    each_field(&Tag::default(), &tag(), &[]);
    each_field(&DataAttribute::default(), &attribute(), &["created_by"]);
    each_field(&ConversationAttribute::default(), &of_conversations(), &OTHERS);
    for (field, expected, damage) in tag() {
        says(&format!("tag, {field}"), expected, &|it| damage(&mut it.tags[0]));
    }
    let typed = |it: &DataAttribute| it.name == "ld_created_at";
    let typed = whole.data_attributes.iter().position(typed).unwrap();
    for (field, expected, damage) in attribute() {
        let case = format!("attribute, {field}");
        says(&case, expected, &|it| damage(&mut it.data_attributes[typed]));
    }
    for (field, expected, damage) in of_conversations() {
        let case = format!("attribute of conversations, {field}");
        says(&case, expected, &|it| damage(&mut it.conversation_attributes[0]));
    }
    let of_workspace: Damages<Workspace> = vec![
        ("tags", "is there twice", |it| it.tags.extend(it.tags.first().cloned())),
        ("attributes", "is there twice", |it| {
            it.conversation_attributes.extend(it.conversation_attributes.first().cloned());
        }),
        ("deleted", "deleted is 1", |it| it.deleted_conversations.push(Default::default())),
        ("admins", "teammates is", |it| drop(it.admins.pop())),
        ("teams", "teams is", |it| drop(it.teams.pop())),
    ];
    for (field, expected, damage) in of_workspace {
        says(field, expected, &damage);
    }
}

/// Each field of an object is damaged, or is one of those of which nothing can be expected.
#[track_caller]
fn each_field<T: Serialize>(object: &T, damages: &Damages<T>, others: &[&str]) {
    let Value::Object(fields) = json!(object) else { panic!("no object") };
    let damaged: BTreeSet<&str> =
        damages.iter().filter_map(|(field, ..)| field.split(' ').next()).collect();
    for field in fields.keys().map(String::as_str) {
        let is_known =
            damaged.contains(field) || UNKNOWN.contains(&field) || others.contains(&field);
        assert!(is_known, "nobody damages the field {field}");
    }
}

fn contact() -> Damages<Contact> {
    vec![
        ("role", "role is", |it| it.role = "x".into()),
        ("external_id", ": ", |it| it.external_id = Some("leaddesk:contact:0".into())),
        ("email", "mail", |it| it.email = Some("else@example.com".into())),
        ("phone", "phone", |it| it.phone = Some("+358401111111".into())),
        ("name", "name is", |it| it.name = Some("Somebody Else".into())),
        ("owner_id", "owner is", |it| it.owner_id = Some("1".into())),
        ("companies", "companies is", |it| it.companies.push("x".into())),
        ("merged_into", "heir is", |it| it.merged_into = Some("x".into())),
        ("unsubscribed_from_emails", "unsubscribed is", |it| it.unsubscribed_from_emails = true),
        ("signed_up_at", "signed_up_at is", |it| it.signed_up_at = Some(7)),
        ("last_seen_at", "last_seen_at is", |it| it.last_seen_at = Some(7)),
        ("custom_attributes", "ld_", |it| it.custom_attributes.clear()),
        ("custom_attributes", "further attributes is", |it| {
            it.custom_attributes.insert("x".into(), 1.into());
        }),
        ("tags", "tags is", |it| it.tags.push(AppliedTag::default())),
        ("tags of it", "tags is", |it| it.tags.clear()),
        ("tags of others", "tags by somebody else", |it| it.tags[0].applied_by = "0".into()),
        ("notes", "notes is", |it| it.notes.push(Note::default())),
        ("notes of it", "notes is", |it| it.notes[0].body += "x"),
        ("notes of others", "notes by somebody else", |it| it.notes[0].author = "0".into()),
        ("archived", "archived is", |it| it.archived = true),
        ("created_by", "maker is", |it| {
            it.created_by = match it.created_by {
                CreatedBy::Api => CreatedBy::Customer,
                CreatedBy::Customer => CreatedBy::Api,
            };
        }),
    ]
}

/// Of the opening, which [`conversation`] damages.
const SOURCE: [&str; 3] = ["author", "subject", "body"];

fn conversation() -> Damages<Conversation> {
    vec![
        ("title", "title is", |it| it.title = Some("x".into())),
        ("created_at", "created_at is", |it| it.created_at += 3600),
        ("state", "state is", |it| it.state = "open".into()),
        ("read", "read is", |it| it.read = true),
        ("waiting_since", "waiting_since is", |it| it.waiting_since = Some(7)),
        ("snoozed_until", "snoozed_until is", |it| it.snoozed_until = Some(7)),
        ("source's body", "opening", |it| it.source.body.insert(0, 'x')),
        ("source's end", "names no call", |it| it.source.body.push_str("\nx")),
        ("source's subject", "subject is", |it| it.source.subject = "x".into()),
        ("source's author", "author is", |it| it.source.author.id = "x".into()),
        ("source's author", "author's kind is", |it| it.source.author.kind = "admin".into()),
        ("linked_tickets", "linked tickets is", |it| it.linked_tickets.push("x".into())),
        ("contacts", "contacts is", |it| it.contacts.push("x".into())),
        ("parts", "instead of", |it| it.parts.clear()),
        ("parts", "its thread|remarks instead of", |it| {
            it.parts.insert(0, it.parts[0].clone());
        }),
        ("parts", "its end is", |it| it.parts.retain(|part| part.part_type != "close")),
        ("parts", "closes by somebody else", |it| {
            it.parts.last_mut().unwrap().author = Author::default();
        }),
        ("parts", "silent parts is", |it| it.parts.insert(0, Part::default())),
        ("tags", "tags is", |it| it.tags.clear()),
        ("tags", "tags by somebody else", |it| it.tags[0].applied_by = "0".into()),
        ("custom_attributes", "ld_source_key__c is", |it| it.custom_attributes.clear()),
        ("custom_attributes", "further attributes is", |it| {
            it.custom_attributes.insert("x".into(), 1.into());
        }),
        ("admin_assignee_id", "assignee is", |it| it.admin_assignee_id = 7),
        ("team_assignee_id", "assignee is", |it| it.team_assignee_id = 7),
        ("created_by", "maker is", |it| it.created_by = CreatedBy::Customer),
    ]
}

fn part() -> Damages<Part> {
    vec![
        ("part_type", "kind is|a reply is", |it| it.part_type = "snoozed".into()),
        ("body", "remark is|its thread|details is", |it| it.body = Some("<p>else</p>".into())),
        ("created_at", "time is", |it| it.created_at += 1),
        ("author", "author is", |it| it.author.id = "0".into()),
        ("attachments", "attachments is", |it| it.attachments.push("x".into())),
        ("changed_attribute", "changed attribute is", |it| it.changed_attribute = Some("x".into())),
        ("skip_notifications", "silence is", |it| it.skip_notifications ^= true),
    ]
}

fn tag() -> Damages<Tag> {
    vec![
        ("name", "should not be there", |it| it.name = "ld_campaign_else".into()),
        ("created_by", "maker is", |it| it.created_by = CreatedBy::Customer),
    ]
}

fn attribute() -> Damages<DataAttribute> {
    vec![
        ("model", "model is", |it| it.model = "company".into()),
        ("name", "type is", |it| it.name = "ld_created".into()),
        ("data_type", "type is", |it| it.data_type = "string".into()),
        ("options", "choices is", |it| it.options.push("x".into())),
        ("messenger_writable", "messenger is", |it| it.messenger_writable = true),
        ("archived", "archived is", |it| it.archived = true),
    ]
}

const OTHERS: [&str; 3] = ["multiline", "reference", "created_by"];

fn of_conversations() -> Damages<ConversationAttribute> {
    vec![
        ("name", "type is", |it| it.name = "ld_talk_time__c".into()),
        ("data_type", "type is", |it| it.data_type = "decimal".into()),
        ("options", "choices is", |it| it.options.push(Default::default())),
        ("required", "required is", |it| it.required = true),
        ("visible_to_team_ids", "teams is", |it| it.visible_to_team_ids.push("1".into())),
        ("archived", "archived is", |it| it.archived = true),
    ]
}

/// What the state directory says is looked at likewise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_wrong_count_and_line_is_a_finding() {
    let (bench, account, terms) = migrated().await;
    let (workspace, state) = (bench.sandbox.workspace(), bench.path("state"));
    let audit = || audit_of_state(&terms, &account, &workspace, &state);
    assert_clean(&audit());
    let says = |file: &str, expected: &str, damage: &dyn Fn(&mut String)| {
        let path = state.join(file);
        let before = fs::read_to_string(&path).unwrap();
        let mut text = before.clone();
        damage(&mut text);
        assert!(text != before, "{file}: there is nothing to damage for {expected:?}");
        fs::write(&path, text).unwrap();
        let findings = audit();
        assert!(findings.iter().any(|it| it.contains(expected)), "{file}: {findings:?}");
        fs::write(&path, before).unwrap();
    };
    for queue in [
        "agents_without_teammate",
        "archived_in_intercom",
        "calls_without_contact",
        "calls_without_time",
        "contacts_without_identifier",
        "shared_email",
    ] {
        let file = format!("queues/{queue}.jsonl");
        says(&file, "is missing", &|text| drop(text.drain(..=text.find('\n').unwrap())));
        says(&file, "should not be there", &|text| {
            text.push_str("{\"key\":\"contact:1\",\"remedy\":\"x\"}\n");
        });
        says(&file, "has no remedy", &|text| *text = text.replace("\"remedy\"", "\"x\""));
        says(&file, "is there twice", &|text| *text = text.repeat(2));
    }
    let stages = |report: &Value| report["stages"].as_array().unwrap().clone();
    let report: Value = read(&state.join("report.json"));
    for (at, stage) in stages(&report).iter().enumerate() {
        let name = stage["name"].as_str().unwrap();
        for field in ["read", "created", "merged", "queued", "dead", "in_doubt", "pending"] {
            says("report.json", name, &|text| {
                let mut report: Value = serde_json::from_str(text).unwrap();
                let count = &mut report["stages"][at][field];
                *count = json!(count.as_u64().unwrap() + 1);
                *text = report.to_string();
            });
        }
    }
    for (file, expected, from, to) in [
        ("report.json", "state is", "\"complete\"", "\"blocked\""),
        ("report.json", "accounted is", "\"accounted\": true", "\"accounted\": false"),
        ("inventory/campaigns.json", "names is", "Renewals", "Renewal"),
        ("inventory/taxonomy.json", "outcomes in use", "Busy", "Bus"),
        ("inventory/taxonomy.json", "campaigns in use", "Renewals", "Renewal"),
        ("inventory/teammates_to_invite.json", "names is", "username", "user"),
        ("inventory/teams_to_create.json", "teams is", "[]", "[1]"),
        ("inventory/handover.md", "does not say", "| campaigns | 10 |", "| campaigns | 9 |"),
    ] {
        says(file, expected, &|text| *text = text.replace(from, to));
    }
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
