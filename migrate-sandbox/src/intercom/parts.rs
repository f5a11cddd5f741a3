//! Replies, notes, and the events that change a conversation's state.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::conversations::{created_at, existing, is_plain, required_text};
use super::notes::admin_id;
use super::{Call, Failure, Outcome, Store, render};
use crate::workspace::{Author, Contact, Conversation, Part};

/// `POST /conversations/{id}/reply`: the answer is the whole conversation, its newest part last.
pub(super) fn reply(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut conversation = match call.segment(1) {
        "last" => last(store, &body)?,
        _ => existing(store, call)?,
    };
    let text = required_text(&body)?;
    let now = Store::now();
    let created_at = created_at(&body)?.unwrap_or(now);
    let (author, part_type) = match text_of(&body, "type") {
        "user" => {
            let contact = replying(store, &body)?;
            if text_of(&body, "message_type") != "comment" {
                return Err(Failure::invalid("message_type of a contact's reply must be comment"));
            }
            let reopens = conversation.state != "open";
            conversation.state = "open".into();
            conversation.snoozed_until = None;
            conversation.read = false;
            conversation.waiting_since.get_or_insert(created_at);
            if !conversation.contacts.contains(&contact.id) {
                conversation.contacts.push(contact.id.clone());
            }
            let author = Author { kind: contact.role.clone(), id: contact.id.clone() };
            (author, if reopens { "open" } else { "comment" })
        }
        "admin" => {
            let id = admin(store, &body)?;
            let part_type = match text_of(&body, "message_type") {
                "comment" => "comment",
                "note" => "note",
                "quick_reply" => "quick_reply",
                _ => {
                    return Err(Failure::invalid(
                        "message_type must be comment, note or quick_reply",
                    ));
                }
            };
            if part_type != "note" {
                conversation.read = false;
                conversation.waiting_since = None;
            }
            (Author { kind: "admin".into(), id }, part_type)
        }
        _ => return Err(Failure::invalid("type must be user or admin")),
    };
    conversation.parts.push(Part {
        id: store.next_id().to_string(),
        part_type: part_type.to_owned(),
        body: Some(text),
        created_at,
        author,
        skip_notifications: body
            .get("skip_notifications")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        ..Part::default()
    });
    finish(store, call, conversation, now)
}

/// `POST /conversations/{id}/parts`: always stamped now.
pub(super) fn manage(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut conversation = existing(store, call)?;
    let admin = admin(store, &body)?;
    let now = Store::now();
    let part_type = match text_of(&body, "message_type") {
        "close" => {
            conversation.state = "closed".into();
            conversation.waiting_since = None;
            conversation.snoozed_until = None;
            "close"
        }
        "open" => {
            conversation.state = "open".into();
            conversation.snoozed_until = None;
            "open"
        }
        "snoozed" => {
            let until = body.get("snoozed_until").and_then(Value::as_i64);
            let missing = || Failure::new(400, "missing_parameter", "snoozed_until is required");
            conversation.snoozed_until = Some(until.ok_or_else(missing)?);
            conversation.state = "snoozed".into();
            "snoozed"
        }
        "assignment" => {
            assign(store, &mut conversation, &body)?;
            "assignment"
        }
        _ => {
            return Err(Failure::invalid(
                "message_type must be close, open, snoozed or assignment",
            ));
        }
    };
    let text =
        body.get("body").and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    conversation.parts.push(Part {
        id: store.next_id().to_string(),
        part_type: part_type.to_owned(),
        body: text,
        created_at: now,
        author: Author { kind: "admin".into(), id: admin },
        ..Part::default()
    });
    finish(store, call, conversation, now)
}

fn finish(store: &mut Store, call: &Call<'_>, mut conversation: Conversation, now: i64) -> Outcome {
    conversation.updated_at = now;
    let shown = render::conversation_with_parts(&conversation, store, call.version, is_plain(call));
    store.put_conversation(conversation);
    Ok(shown)
}

/// `assignee_id` "0" means nobody.
fn assign(
    store: &Store,
    conversation: &mut Conversation,
    body: &Map<String, Value>,
) -> Result<(), Failure> {
    let id = match body.get("assignee_id") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    let id: u64 =
        id.ok_or_else(|| Failure::new(400, "missing_parameter", "assignee_id is required"))?;
    let none = || Failure::new(404, "assignee_not_found", "Assignee not found");
    let assigned = match text_of(body, "type") {
        "team" if id == 0 || store.teams.iter().any(|team| team.id == id) => {
            &mut conversation.team_assignee_id
        }
        "admin" if id == 0 || store.admin(&id.to_string()).is_some() => {
            &mut conversation.admin_assignee_id
        }
        "team" | "admin" => return Err(none()),
        _ => return Err(Failure::invalid("type must be admin or team")),
    };
    if *assigned == id && id != 0 {
        let message = "The conversation is already assigned to this assignee";
        return Err(Failure::new(422, "conversation_already_assigned_to_assignee", message));
    }
    *assigned = id;
    Ok(())
}

/// The latest conversation of the contact named in the body.
fn last(store: &Store, body: &Map<String, Value>) -> Result<Conversation, Failure> {
    let contact = replying(store, body)?;
    let mut latest = store.conversations.values().rev();
    let found = latest.find(|it| it.contacts.contains(&contact.id));
    found.map(|it| Conversation::clone(it)).ok_or_else(Failure::no_resource)
}

/// The contact who replies: exactly one of three ways to name it.
fn replying(store: &Store, body: &Map<String, Value>) -> Result<Arc<Contact>, Failure> {
    let named: Vec<(&str, &str)> = ["intercom_user_id", "user_id", "email"]
        .into_iter()
        .filter_map(|name| Some((name, body.get(name)?.as_str()?)))
        .collect();
    let found = match named.as_slice() {
        [("intercom_user_id", id)] => store.contact(id),
        [("user_id", id)] => store.user_by_external_id(id),
        [(_, email)] => store.user_by_email(email),
        _ => {
            return Err(Failure::invalid(
                "exactly one of intercom_user_id, user_id and email is required",
            ));
        }
    };
    found.filter(|contact| !contact.archived).cloned().ok_or_else(Failure::no_contact)
}

fn admin(store: &Store, body: &Map<String, Value>) -> Result<String, Failure> {
    let id = body
        .get("admin_id")
        .ok_or_else(|| Failure::new(400, "missing_parameter", "admin_id is required"))?;
    admin_id(store, id).ok_or_else(|| Failure::new(404, "admin_not_found", "Admin not found"))
}

fn text_of<'a>(body: &'a Map<String, Value>, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}
