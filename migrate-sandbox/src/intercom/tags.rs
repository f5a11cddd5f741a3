//! Tags, and tags on contacts and conversations.

use serde_json::{Map, Value, json};

use super::notes::admin_id;
use super::{Call, Failure, Outcome, Store, contacts, render};
use crate::workspace::{AppliedTag, Contact, Conversation, CreatedBy, Tag};

pub(super) fn list(store: &mut Store, _: &Call<'_>) -> Outcome {
    Ok(json!({"type": "list", "data": store.tags.values().map(render::tag).collect::<Vec<_>>()}))
}

pub(super) fn get(store: &mut Store, call: &Call<'_>) -> Outcome {
    store
        .tag(call.segment(1))
        .map(render::tag)
        .ok_or_else(Failure::no_resource)
}

/// Gets or creates by name, renames by id, and tags or untags users in bulk.
pub(super) fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let wrong = || Failure::invalid("invalid tag parameters");
    let name = body
        .get("name")
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let name = name.ok_or_else(wrong)?;
    let users = match body.get("users") {
        None | Some(Value::Null) => None,
        Some(Value::Array(users)) => Some(users),
        Some(_) => return Err(wrong()),
    };
    // Everyone is looked up before anyone is tagged.
    let people: Vec<(Contact, bool)> = users
        .into_iter()
        .flatten()
        .map(|user| {
            let id = user.get("id").and_then(Value::as_str).ok_or_else(wrong)?;
            let contact = store.contact(id).ok_or_else(Failure::no_contact)?;
            Ok((
                Contact::clone(contact),
                user.get("untag").and_then(Value::as_bool).unwrap_or(false),
            ))
        })
        .collect::<Result<_, Failure>>()?;
    let tag = match (store.tag_by_name(name), text_id(&body, "id")) {
        (_, Some(id)) => {
            let mut tag = store.tag(&id).cloned().ok_or_else(Failure::no_resource)?;
            store.remove_tag(&id);
            tag.name = name.to_owned();
            tag
        }
        (Some(tag), None) => tag.clone(),
        (None, None) => Tag {
            id: store.next_id().to_string(),
            name: name.to_owned(),
            created_by: CreatedBy::Api,
        },
    };
    store.put_tag(tag.clone());
    let applied = apply_now(store, &tag.id, None);
    let shown: Vec<Value> = people
        .into_iter()
        .map(|(mut contact, untag)| {
            let shown = json!({"type": "contact", "id": contact.id, "tagged": !untag});
            let changed = if untag {
                take_off(&mut contact.tags, &tag.id)
            } else {
                put_on(&mut contact.tags, &applied)
            };
            if changed {
                contact.updated_at = applied.applied_at;
                store.put_contact(contact);
            }
            shown
        })
        .collect();
    let mut reply = render::tag(&tag);
    if let (Some(_), Value::Object(fields)) = (users, &mut reply) {
        fields.insert("users".into(), Value::Array(shown));
    }
    Ok(reply)
}

pub(super) fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let id = store
        .tag(call.segment(1))
        .map(|tag| tag.id.clone())
        .ok_or_else(Failure::no_resource)?;
    store.remove_tag(&id);
    let has = |tags: &[AppliedTag]| tags.iter().any(|tag| tag.id == id);
    let contacts: Vec<Contact> = store
        .contacts
        .values()
        .filter(|contact| has(&contact.tags))
        .map(|contact| Contact::clone(contact))
        .collect();
    for mut contact in contacts {
        take_off(&mut contact.tags, &id);
        store.put_contact(contact);
    }
    let conversations: Vec<Conversation> = store
        .conversations
        .values()
        .filter(|it| has(&it.tags))
        .map(|it| Conversation::clone(it))
        .collect();
    for mut conversation in conversations {
        take_off(&mut conversation.tags, &id);
        store.put_conversation(conversation);
    }
    Ok(Value::Null)
}

pub(super) fn of_contact(store: &mut Store, call: &Call<'_>) -> Outcome {
    let contact = store
        .contact(call.segment(1))
        .ok_or_else(Failure::no_contact)?;
    Ok(json!({"type": "list", "data": render::applied_tags(&contact.tags, store)}))
}

pub(super) fn add_to_contact(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut contact = contacts::existing(store, call)?;
    let tag = text_id(&body, "id")
        .and_then(|id| store.tag(&id).cloned())
        .ok_or_else(Failure::no_resource)?;
    let applied = apply_now(store, &tag.id, None);
    if put_on(&mut contact.tags, &applied) {
        contact.updated_at = applied.applied_at;
        store.put_contact(contact);
    }
    Ok(render::applied_tag(&tag, &applied))
}

pub(super) fn remove_from_contact(store: &mut Store, call: &Call<'_>) -> Outcome {
    let mut contact = contacts::existing(store, call)?;
    let tag = store
        .tag(call.segment(3))
        .cloned()
        .ok_or_else(Failure::no_resource)?;
    if take_off(&mut contact.tags, &tag.id) {
        contact.updated_at = Store::now();
        store.put_contact(contact);
    }
    Ok(render::tag(&tag))
}

pub(super) fn add_to_conversation(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut conversation = conversation(store, call)?;
    let admin = admin(store, &body)?;
    let no_tag = || Failure::new(404, "tag_not_found", "Tag not found");
    let tag = text_id(&body, "id")
        .and_then(|id| store.tag(&id).cloned())
        .ok_or_else(no_tag)?;
    let applied = apply_now(store, &tag.id, Some(admin));
    if put_on(&mut conversation.tags, &applied) {
        conversation.updated_at = applied.applied_at;
        store.put_conversation(conversation);
    }
    Ok(render::applied_tag(&tag, &applied))
}

/// Needs `admin_id` in the body of the DELETE.
pub(super) fn remove_from_conversation(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut conversation = conversation(store, call)?;
    admin(store, &body)?;
    let no_tag = || Failure::new(404, "tag_not_found", "Tag not found");
    let tag = store.tag(call.segment(3)).cloned().ok_or_else(no_tag)?;
    if !take_off(&mut conversation.tags, &tag.id) {
        return Err(no_tag());
    }
    conversation.updated_at = Store::now();
    store.put_conversation(conversation);
    Ok(render::tag(&tag))
}

fn conversation(store: &Store, call: &Call<'_>) -> Result<Conversation, Failure> {
    let found = store
        .conversation(call.segment(1))
        .map(|conversation| Conversation::clone(conversation));
    found.ok_or_else(|| Failure::new(404, "not_found", "Conversation not found"))
}

fn admin(store: &Store, body: &Map<String, Value>) -> Result<String, Failure> {
    let id = body
        .get("admin_id")
        .ok_or_else(|| Failure::new(400, "missing_parameter", "admin_id is required"))?;
    admin_id(store, id).ok_or_else(|| Failure::new(404, "admin_not_found", "Admin not found"))
}

/// An id given as text or as number.
fn text_id(body: &Map<String, Value>, name: &str) -> Option<String> {
    match body.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn apply_now(store: &Store, tag: &str, admin: Option<String>) -> AppliedTag {
    let applied_by = admin.unwrap_or_else(|| store.own_admin());
    AppliedTag {
        id: tag.to_owned(),
        applied_at: Store::now(),
        applied_by,
    }
}

/// `false` if the tag was there already.
fn put_on(tags: &mut Vec<AppliedTag>, applied: &AppliedTag) -> bool {
    let new = !tags.iter().any(|tag| tag.id == applied.id);
    if new {
        tags.push(applied.clone());
    }
    new
}

/// `false` if the tag was not there.
fn take_off(tags: &mut Vec<AppliedTag>, id: &str) -> bool {
    let before = tags.len();
    tags.retain(|tag| tag.id != id);
    tags.len() < before
}
