//! Conversations but for their parts.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::contacts::seconds;
use super::paging::Paging;
use super::{Call, Failure, Outcome, Store, conversation_attributes, render};
use crate::workspace::{Author, Conversation, CreatedBy, DeletedConversation, Source};

/// Opened by a contact, never by a teammate. The answer is a message: its `id` is not the conversation's.
pub(super) fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let missing =
        |name: &str| Failure::new(400, "missing_parameter", format!("{name} is required"));
    let Some(Value::Object(from)) = body.get("from") else {
        return Err(missing("from"));
    };
    let kind = from
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| missing("from.type"))?;
    let id = from
        .get("id")
        .and_then(Value::as_str)
        .ok_or_else(|| missing("from.id"))?;
    let text = required_text(&body)?;
    let contact = store.contact(id).cloned().ok_or_else(Failure::no_contact)?;
    if !(kind == "contact" || kind == contact.role) {
        return match kind {
            "user" | "lead" => Err(Failure::no_contact()),
            _ => Err(Failure::invalid("from.type must be lead, user or contact")),
        };
    }
    let now = Store::now();
    let created_at = created_at(&body)?.unwrap_or(now);
    let (message, id) = (store.next_id(), store.next_id());
    let subject = body
        .get("subject")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    store.put_conversation(Conversation {
        id: id.to_string(),
        created_at,
        updated_at: now,
        state: "open".into(),
        waiting_since: Some(created_at),
        source: Source {
            id: message.to_string(),
            author: Author {
                kind: contact.role.clone(),
                id: contact.id.clone(),
            },
            subject,
            body: text.clone(),
        },
        contacts: vec![contact.id.clone()],
        created_by: CreatedBy::Api,
        ..Conversation::default()
    });
    Ok(json!({
        "type": "user_message",
        "id": message.to_string(),
        "created_at": created_at,
        "body": text,
        "message_type": "inapp",
        "conversation_id": id.to_string(),
    }))
}

pub(super) fn get(store: &mut Store, call: &Call<'_>) -> Outcome {
    let conversation = store
        .conversation(call.segment(1))
        .ok_or_else(Failure::no_resource)?;
    Ok(render::conversation_with_parts(
        conversation,
        store,
        call.version,
        is_plain(call),
    ))
}

pub(super) fn list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let paging = Paging::from_query(call.query("per_page"), call.query("starting_after"), 20)?;
    let all = store
        .conversations
        .iter()
        .map(|(id, it)| ((0, format!("{id:020}")), Arc::clone(it)));
    let all: Vec<_> = all.collect();
    let (page, pages) = paging.cut(&all, false);
    let shown = page
        .into_iter()
        .map(|it| render::conversation(it, store, call.version, false));
    let conversations: Vec<Value> = shown.collect();
    Ok(json!({
        "type": "conversation.list",
        "conversations": conversations,
        "total_count": all.len(),
        "pages": pages,
    }))
}

pub(super) fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut conversation = existing(store, call)?;
    for (name, value) in &body {
        match (name.as_str(), value) {
            ("read", Value::Bool(read)) => conversation.read = *read,
            ("read", _) => return Err(Failure::invalid("read must be a boolean")),
            ("title", Value::String(title)) => conversation.title = Some(title.clone()),
            ("title", Value::Null) => conversation.title = None,
            ("title", _) => return Err(Failure::invalid("title must be a string")),
            ("custom_attributes", Value::Object(values)) => {
                conversation_attributes::set(store, &mut conversation.custom_attributes, values)?;
            }
            ("custom_attributes", _) => {
                return Err(Failure::invalid("custom_attributes must be an object"));
            }
            _ => {}
        }
    }
    conversation.updated_at = Store::now();
    let shown = render::conversation_with_parts(&conversation, store, call.version, is_plain(call));
    store.put_conversation(conversation);
    Ok(shown)
}

pub(super) fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let id: u64 = call
        .segment(1)
        .parse()
        .map_err(|_| Failure::no_resource())?;
    let conversation = store
        .conversations
        .remove(&id)
        .ok_or_else(Failure::no_resource)?;
    store.conversation_index.change(id, None);
    let metrics_retained = call.query("retain_metrics") != Some("false");
    let deleted_at = Store::now();
    store.deleted.push(DeletedConversation {
        id: conversation.id.clone(),
        deleted_at,
        metrics_retained,
    });
    Ok(json!({"id": conversation.id, "object": "conversation", "deleted": true}))
}

/// The latest first, by page number; `pages.next` is an address.
pub(super) fn deleted(store: &mut Store, call: &Call<'_>) -> Outcome {
    let number = |name: &str, default: usize| match call.query(name) {
        None => Ok(default),
        Some(text) => text
            .parse()
            .map_err(|_| Failure::invalid(format!("{name} is invalid"))),
    };
    let (page, per_page) = (
        number("page", 1)?.max(1),
        number("per_page", 20)?.clamp(1, super::paging::MOST_PER_PAGE),
    );
    let ascending = call.query("order") == Some("asc");
    let mut all: Vec<&DeletedConversation> = store.deleted.iter().collect();
    if !ascending {
        all.reverse();
    }
    let total_pages = all.len().div_ceil(per_page);
    let shown = all
        .iter()
        .skip((page - 1).saturating_mul(per_page))
        .take(per_page)
        .map(|it| {
            json!({
                "type": "conversation",
                "id": it.id,
                "metrics_retained": it.metrics_retained,
                "deleted_at": it.deleted_at,
            })
        });
    let conversations: Vec<Value> = shown.collect();
    let order = if ascending { "asc" } else { "desc" };
    let host = call.exchange.header("host").unwrap_or("localhost");
    let next = (page < total_pages).then(|| {
        format!(
            "http://{host}/conversations/deleted?per_page={per_page}&order={order}&page={}",
            page + 1
        )
    });
    Ok(json!({
        "type": "conversations.list",
        "total_count": all.len(),
        "pages": {"type": "pages", "next": next, "page": page, "per_page": per_page, "total_pages": total_pages},
        "conversations": conversations,
    }))
}

/// The conversation named in the path, to be changed.
pub(super) fn existing(store: &Store, call: &Call<'_>) -> Result<Conversation, Failure> {
    store
        .conversation(call.segment(1))
        .map(|it| Conversation::clone(it))
        .ok_or_else(Failure::no_resource)
}

pub(super) fn is_plain(call: &Call<'_>) -> bool {
    call.query("display_as") == Some("plaintext")
}

pub(super) fn required_text(body: &Map<String, Value>) -> Result<String, Failure> {
    match body.get("body") {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        None => Err(Failure::new(400, "missing_parameter", "body is required")),
        Some(_) => Err(Failure::invalid("body can't be blank")),
    }
}

/// The time asked for, if any.
pub(super) fn created_at(body: &Map<String, Value>) -> Result<Option<i64>, Failure> {
    match body.get("created_at") {
        None => Ok(None),
        Some(value) => seconds("created_at", value),
    }
}
