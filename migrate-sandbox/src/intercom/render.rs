//! Objects as the API shows them.

use serde_json::{Map, Value, json};

use super::{Store, Version, text};
use crate::workspace::{
    Admin, AppliedTag, Author, Contact, Conversation, ConversationAttribute, DataAttribute, Note,
    Part, Tag, Team,
};

/// How many tags or notes are shown within a contact.
const EMBEDDED: usize = 10;
/// How many parts are shown within a conversation: the most recent ones.
const PARTS: usize = 500;

pub(super) fn admin(admin: &Admin, store: &Store) -> Value {
    let teams =
        store.teams.iter().filter(|team| team.admin_ids.contains(&admin.id)).map(|team| team.id);
    json!({
        "type": "admin",
        "id": admin.id.to_string(),
        "name": admin.name,
        "email": admin.email,
        "away_mode_enabled": false,
        "away_mode_reassign": false,
        "has_inbox_seat": true,
        "team_ids": teams.collect::<Vec<_>>(),
    })
}

pub(super) fn team(team: &Team) -> Value {
    json!({"type": "team", "id": team.id.to_string(), "name": team.name, "admin_ids": team.admin_ids})
}

pub(super) fn contact(contact: &Contact, store: &Store, version: Version) -> Value {
    let id = &contact.id;
    let list = |name: &str, data: Vec<Value>, total: usize| {
        json!({
            "type": "list",
            "data": data,
            "url": format!("/contacts/{id}/{name}"),
            "total_count": total,
            "has_more": total > EMBEDDED,
        })
    };
    let reference =
        |kind: &str, id: &str| json!({"type": kind, "id": id, "url": format!("/{kind}s/{id}")});
    let tags = contact.tags.iter().take(EMBEDDED).map(|tag| reference("tag", &tag.id)).collect();
    let notes =
        contact.notes.iter().take(EMBEDDED).map(|note| reference("note", &note.id)).collect();
    let companies = contact.companies.iter().take(EMBEDDED);
    let companies =
        companies.map(|id| json!({"type": "company", "id": id, "url": format!("/companies/{id}")}));
    let companies = companies.collect();
    let owner = match &contact.owner_id {
        // The owner's id became text in 2.16.
        Some(owner) if version < (2, 16) => json!(owner.parse::<u64>().ok()),
        other => json!(other),
    };
    let mut shown = json!({
        "type": "contact",
        "id": id,
        "workspace_id": store.id_code,
        "external_id": contact.external_id,
        "role": contact.role,
        "email": contact.email,
        "phone": contact.phone,
        "name": contact.name,
        "avatar": null,
        "owner_id": owner,
        "social_profiles": {"type": "list", "data": []},
        "has_hard_bounced": false,
        "marked_email_as_spam": false,
        "unsubscribed_from_emails": contact.unsubscribed_from_emails,
        "created_at": contact.created_at,
        "updated_at": contact.updated_at,
        "signed_up_at": contact.signed_up_at,
        "last_seen_at": contact.last_seen_at,
        "last_replied_at": null,
        "last_contacted_at": null,
        "last_email_opened_at": null,
        "last_email_clicked_at": null,
        "language_override": null,
        "location": {"type": "location", "country": null, "region": null, "city": null},
        "custom_attributes": contact.custom_attributes,
        "tags": list("tags", tags, contact.tags.len()),
        "notes": list("notes", notes, contact.notes.len()),
        "companies": list("companies", companies, contact.companies.len()),
        "opted_out_subscription_types": list("subscriptions", Vec::new(), 0),
        "opted_in_subscription_types": list("subscriptions", Vec::new(), 0),
    });
    if let Some(domain) = contact.email.as_ref().and_then(|email| email.rsplit_once('@')) {
        insert(&mut shown, "email_domain", json!(domain.1));
    }
    shown
}

/// `{type, id, external_id}` and one flag, as archiving and deleting answer.
pub(super) fn contact_flag(contact: &Contact, flag: &str, value: bool) -> Value {
    let mut shown =
        json!({"type": "contact", "id": contact.id, "external_id": contact.external_id});
    insert(&mut shown, flag, json!(value));
    shown
}

pub(super) fn tag(tag: &Tag) -> Value {
    json!({"type": "tag", "id": tag.id, "name": tag.name})
}

pub(super) fn applied_tag(tag: &Tag, applied: &AppliedTag) -> Value {
    json!({
        "type": "tag",
        "id": tag.id,
        "name": tag.name,
        "applied_at": applied.applied_at,
        "applied_by": {"type": "admin", "id": applied.applied_by},
    })
}

pub(super) fn applied_tags(applied: &[AppliedTag], store: &Store) -> Vec<Value> {
    applied.iter().filter_map(|own| Some(applied_tag(store.tag(&own.id)?, own))).collect()
}

pub(super) fn note(note: &Note, contact: &str, store: &Store) -> Value {
    let author = store.admin(&note.author);
    json!({
        "type": "note",
        "id": note.id,
        "created_at": note.created_at,
        "contact": {"type": "contact", "id": contact},
        "author": author.map(|author| admin(author, store)),
        "body": text::html(&note.body, true),
    })
}

pub(super) fn data_attribute(attribute: &DataAttribute) -> Value {
    let options = &attribute.options;
    let data_type = match attribute.data_type.as_str() {
        // Up to 2.16 an attribute created as `datetime` is told as a `date`.
        "datetime" => "date",
        other => other,
    };
    let mut shown = json!({
        "type": "data_attribute",
        "id": attribute.id,
        "model": attribute.model,
        "name": attribute.name,
        "full_name": format!("custom_attributes.{}", attribute.name),
        "label": attribute.name,
        "description": attribute.description,
        "data_type": data_type,
        "api_writable": true,
        "ui_writable": false,
        "messenger_writable": attribute.messenger_writable,
        "custom": true,
        "archived": attribute.archived,
        "created_at": attribute.created_at,
        "updated_at": attribute.updated_at,
    });
    if !options.is_empty() {
        insert(&mut shown, "options", json!(options));
    }
    shown
}

pub(super) fn conversation_attribute(attribute: &ConversationAttribute, store: &Store) -> Value {
    let mut shown = json!({
        "type": "conversation_attribute",
        "id": attribute.id,
        "name": attribute.name,
        "description": attribute.description,
        "data_type": attribute.data_type,
        "required": attribute.required,
        "visible_to_team_ids": attribute.visible_to_team_ids,
        "archived": attribute.archived,
        "created_at": attribute.created_at,
        "updated_at": attribute.updated_at,
        "admin_id": store.own_admin(),
    });
    match attribute.data_type.as_str() {
        "string" => insert(&mut shown, "multiline", json!(attribute.multiline)),
        "list" => insert(&mut shown, "options", json!(attribute.options)),
        "relationship" => insert(&mut shown, "reference", json!(attribute.reference)),
        _ => {}
    }
    shown
}

/// A conversation as lists and searches show it: without its parts.
pub(super) fn conversation(
    it: &Conversation,
    store: &Store,
    version: Version,
    plain: bool,
) -> Value {
    let contacts = it.contacts.iter().map(|id| {
        let external_id = store.contacts.get(id).and_then(|contact| contact.external_id.clone());
        json!({"type": "contact", "id": id, "external_id": external_id})
    });
    let assignee = |id: u64| match id {
        // Nobody is 0 since 2.16, null before.
        0 if version < (2, 16) => Value::Null,
        id => json!(id),
    };
    let by_contact = |author: &Author| author.kind != "admin";
    let ticket = |id: &String| json!({"type": "ticket", "id": id, "category": "Customer"});
    let first_reply = by_contact(&it.source.author)
        .then(|| json!({"created_at": it.created_at, "type": "conversation", "url": null}));
    json!({
        "type": "conversation",
        "id": it.id,
        "created_at": it.created_at,
        "updated_at": it.updated_at,
        "waiting_since": it.waiting_since,
        "snoozed_until": it.snoozed_until,
        "source": {
            "type": "conversation",
            "id": it.source.id,
            "delivered_as": if by_contact(&it.source.author) { "customer_initiated" } else { "admin_initiated" },
            "subject": it.source.subject,
            "body": body(&it.source.body, &it.source.author, plain),
            "author": author(&it.source.author, store),
            "attachments": [],
            "url": null,
            "redacted": false,
        },
        "contacts": {"type": "contact.list", "contacts": contacts.collect::<Vec<_>>()},
        "first_contact_reply": first_reply,
        "admin_assignee_id": assignee(it.admin_assignee_id),
        "team_assignee_id": assignee(it.team_assignee_id),
        "open": it.state != "closed",
        "state": it.state,
        "read": it.read,
        "tags": {"type": "tag.list", "tags": applied_tags(&it.tags, store)},
        "priority": if version < (2, 16) { "not_priority" } else { "none" },
        "sla_applied": null,
        "statistics": null,
        "conversation_rating": null,
        "teammates": null,
        "title": it.title,
        "custom_attributes": it.custom_attributes,
        "topics": {},
        "ticket": null,
        "linked_objects": {
            "type": "list",
            "data": it.linked_tickets.iter().map(ticket).collect::<Vec<_>>(),
            "total_count": it.linked_tickets.len(),
            "has_more": false,
        },
        "ai_agent": null,
        "ai_agent_participated": false,
    })
}

pub(super) fn conversation_with_parts(
    it: &Conversation,
    store: &Store,
    version: Version,
    plain: bool,
) -> Value {
    let mut shown = conversation(it, store, version, plain);
    let skipped = it.parts.len().saturating_sub(PARTS);
    let parts: Vec<Value> =
        it.parts.iter().skip(skipped).map(|part| self::part(part, store, plain)).collect();
    let list = json!({
        "type": "conversation_part.list",
        "conversation_parts": parts,
        "total_count": it.parts.len(),
    });
    insert(&mut shown, "conversation_parts", list);
    shown
}

fn part(part: &Part, store: &Store, plain: bool) -> Value {
    let attachment =
        |name: &String| json!({"type": "upload", "name": name, "content_type": "application/pdf"});
    let changed = part.changed_attribute.as_ref();
    let event = changed
        .map(|name| json!({"attribute": {"name": name}, "value": {"name": "", "previous": null}}));
    json!({
        "type": "conversation_part",
        "id": part.id,
        "part_type": part.part_type,
        "body": part.body.as_ref().map(|text| body(text, &part.author, plain)),
        "created_at": part.created_at,
        "updated_at": part.created_at,
        "notified_at": part.created_at,
        "assigned_to": null,
        "author": author(&part.author, store),
        "attachments": part.attachments.iter().map(attachment).collect::<Vec<_>>(),
        "event_details": event,
        "external_id": null,
        "redacted": false,
        "metadata": {},
        "email_message_metadata": null,
        "app_package_code": null,
    })
}

fn body(body: &str, author: &Author, plain: bool) -> String {
    let may_be_html = author.kind == "admin";
    if plain { text::plain(body, may_be_html) } else { text::html(body, may_be_html) }
}

fn author(author: &Author, store: &Store) -> Value {
    let (name, email) = match author.kind.as_str() {
        "admin" => store
            .admin(&author.id)
            .map(|admin| (Some(admin.name.clone()), Some(admin.email.clone()))),
        _ => store
            .contacts
            .get(&author.id)
            .map(|contact| (contact.name.clone(), contact.email.clone())),
    }
    .unwrap_or_default();
    json!({"type": author.kind, "id": author.id, "name": name, "email": email})
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        let fields: &mut Map<String, Value> = fields;
        fields.insert(name.to_owned(), value);
    }
}
