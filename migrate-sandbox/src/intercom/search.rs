//! Searching contacts and conversations, in the state the index knows.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::index::Narrow;
use super::paging::{Paging, Position};
use super::query::{Kind, Query};
use super::{Call, Failure, Outcome, Store, render, text};
use crate::workspace::{AppliedTag, Contact, Conversation};

pub(super) fn contacts(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let query = Query::parse(&body)?;
    let paging = Paging::from_body(&body, 50)?;
    let kind_of = |field: &str| contact_kind(field, store);
    for filter in query.filters() {
        filter.check(kind_of(&filter.field)?, true)?;
    }
    let kinds: Vec<(String, Kind)> = query
        .filters()
        .iter()
        .filter_map(|filter| Some((filter.field.clone(), kind_of(&filter.field).ok()?)))
        .collect();
    let (sort, descending) = sorting(&body)?;
    let indexed = |field: &str| {
        matches!(field, "id" | "email" | "phone" | "external_id")
            || field.starts_with("custom_attributes.")
    };
    // Times of contacts are compared by day, in which the seconds of a range may stand anywhere.
    let narrow = Narrow { terms: query.terms(&indexed), created_at: None };
    let zone = store.time_zone;
    let day = |seconds: i64| day_of(seconds, zone);
    let found = store.contact_index.candidates(&narrow).into_iter().filter(|(_, contact)| {
        query.holds(&|filter| {
            let kind = kinds
                .iter()
                .find(|(field, _)| *field == filter.field)
                .map_or(Kind::Text, |(_, kind)| *kind);
            filter.matches(kind, &contact_values(contact, &filter.field), false, &day)
        })
    });
    let mut found: Vec<(Position, Arc<Contact>)> =
        found.map(|(id, contact)| ((sort_value(&contact, &sort), id), contact)).collect();
    order(&mut found, descending);
    let (page, pages) = paging.cut(&found, descending);
    let data: Vec<Value> =
        page.into_iter().map(|contact| render::contact(contact, store, call.version)).collect();
    Ok(json!({"type": "list", "data": data, "total_count": found.len(), "pages": pages}))
}

pub(super) fn conversations(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let query = Query::parse(&body)?;
    let paging = Paging::from_body(&body, 20)?;
    for filter in query.filters() {
        filter.check(conversation_kind(&filter.field)?, false)?;
    }
    let indexed = |field: &str| matches!(field, "id" | "contact_ids" | "source.author.id");
    let (from, to) = query.range("created_at");
    let is_narrow = from != i64::MIN || to != i64::MAX;
    let narrow =
        Narrow { terms: query.terms(&indexed), created_at: is_narrow.then_some((from, to)) };
    let found =
        store.conversation_index.candidates(&narrow).into_iter().filter(|(_, conversation)| {
            query.holds(&|filter| {
                let kind = conversation_kind(&filter.field).unwrap_or(Kind::Text);
                let values = conversation_values(conversation, &filter.field, store);
                filter.matches(kind, &values, true, &|seconds| seconds)
            })
        });
    // Twenty digits, so that text sorts as the number does.
    let mut found: Vec<(Position, Arc<Conversation>)> =
        found.map(|(id, conversation)| ((0, format!("{id:020}")), conversation)).collect();
    order(&mut found, false);
    let (page, pages) = paging.cut(&found, false);
    let shown = page
        .into_iter()
        .map(|conversation| render::conversation(conversation, store, call.version, false));
    let conversations: Vec<Value> = shown.collect();
    Ok(json!({
        "type": "conversation.list",
        "conversations": conversations,
        "total_count": found.len(),
        "pages": pages,
    }))
}

fn order<T>(found: &mut [(Position, T)], descending: bool) {
    found.sort_by(|(a, _), (b, _)| if descending { b.cmp(a) } else { a.cmp(b) });
}

/// `sort` of a contact search: the field and whether it descends.
fn sorting(body: &Map<String, Value>) -> Result<(String, bool), Failure> {
    let Some(Value::Object(sort)) = body.get("sort") else {
        return Ok(("id".into(), false));
    };
    let text = |name: &str| sort.get(name).and_then(Value::as_str);
    let descending = match text("order") {
        None | Some("ascending") => false,
        Some("descending") => true,
        Some(other) => {
            let message =
                format!("Invalid sort order '{other}'. Must be one of: ascending, descending");
            return Err(Failure::new(400, "invalid_sort_order", message));
        }
    };
    Ok((text("field").unwrap_or("id").to_owned(), descending))
}

fn sort_value(contact: &Contact, field: &str) -> i64 {
    match field {
        "created_at" => contact.created_at,
        "updated_at" => contact.updated_at,
        "signed_up_at" => contact.signed_up_at.unwrap_or(0),
        "last_seen_at" => contact.last_seen_at.unwrap_or(0),
        _ => 0,
    }
}

/// The number of the day in the workspace's zone.
fn day_of(seconds: i64, zone: Tz) -> i64 {
    use chrono::Datelike;
    let utc = DateTime::<Utc>::from_timestamp(seconds, 0).unwrap_or_default();
    i64::from(utc.with_timezone(&zone).num_days_from_ce())
}

fn unknown(field: &str) -> Failure {
    Failure::invalid(format!("{field} is not a searchable field"))
}

fn contact_kind(field: &str, store: &Store) -> Result<Kind, Failure> {
    if let Some(name) = field.strip_prefix("custom_attributes.") {
        let attribute = store.contact_attribute(name).ok_or_else(|| unknown(field))?;
        return Ok(match attribute.data_type.as_str() {
            "date" | "datetime" => Kind::Date,
            "integer" | "float" => Kind::Number,
            "boolean" => Kind::Flag,
            _ => Kind::Text,
        });
    }
    match field {
        "id" | "role" | "name" | "owner_id" | "email" | "email_domain" | "phone"
        | "formatted_phone" | "external_id" | "tag_id" => Ok(Kind::Text),
        "created_at" | "updated_at" | "signed_up_at" | "last_seen_at" => Ok(Kind::Date),
        "unsubscribed_from_emails" => Ok(Kind::Flag),
        other => Err(unknown(other)),
    }
}

fn contact_values(contact: &Contact, field: &str) -> Vec<Value> {
    if let Some(name) = field.strip_prefix("custom_attributes.") {
        return contact
            .custom_attributes
            .get(name)
            .filter(|value| !value.is_null())
            .cloned()
            .into_iter()
            .collect();
    }
    let text = |value: &Option<String>| value.iter().map(|value| json!(value)).collect();
    match field {
        "id" => vec![json!(contact.id)],
        "role" => vec![json!(contact.role)],
        "name" => text(&contact.name),
        "owner_id" => text(&contact.owner_id),
        "email" => text(&contact.email),
        "email_domain" => {
            let domain = contact.email.as_ref().and_then(|email| email.rsplit_once('@'));
            domain.map(|(_, domain)| json!(domain)).into_iter().collect()
        }
        "phone" | "formatted_phone" => text(&contact.phone),
        // Leads are not found by it.
        "external_id" if contact.role == "user" => text(&contact.external_id),
        "tag_id" => tags(&contact.tags),
        "created_at" => vec![json!(contact.created_at)],
        "updated_at" => vec![json!(contact.updated_at)],
        "signed_up_at" => contact.signed_up_at.iter().map(|at| json!(at)).collect(),
        "last_seen_at" => contact.last_seen_at.iter().map(|at| json!(at)).collect(),
        "unsubscribed_from_emails" => vec![json!(contact.unsubscribed_from_emails)],
        _ => Vec::new(),
    }
}

fn tags(applied: &[AppliedTag]) -> Vec<Value> {
    applied.iter().map(|tag| json!(tag.id)).collect()
}

fn conversation_kind(field: &str) -> Result<Kind, Failure> {
    match field {
        "id"
        | "contact_ids"
        | "state"
        | "source.id"
        | "source.type"
        | "source.delivered_as"
        | "source.subject"
        | "source.body"
        | "source.author.id"
        | "source.author.type"
        | "source.author.name"
        | "source.author.email"
        | "tag_ids"
        | "title" => Ok(Kind::Text),
        "created_at" | "updated_at" | "waiting_since" | "snoozed_until" => Ok(Kind::Date),
        "admin_assignee_id" | "team_assignee_id" => Ok(Kind::Number),
        "open" | "read" => Ok(Kind::Flag),
        other => Err(unknown(other)),
    }
}

fn conversation_values(it: &Conversation, field: &str, store: &Store) -> Vec<Value> {
    let author = || store.contacts.get(&it.source.author.id);
    match field {
        "id" => vec![json!(it.id)],
        "contact_ids" => it.contacts.iter().map(|id| json!(id)).collect(),
        "state" => vec![json!(it.state)],
        "source.id" => vec![json!(it.source.id)],
        "source.type" => vec![json!("conversation")],
        "source.delivered_as" => vec![json!("customer_initiated")],
        "source.subject" => vec![json!(it.source.subject)],
        // The body is searched word by word.
        "source.body" => {
            text::plain(&it.source.body, false).split_whitespace().map(|word| json!(word)).collect()
        }
        "source.author.id" => vec![json!(it.source.author.id)],
        "source.author.type" => vec![json!(it.source.author.kind)],
        "source.author.name" => {
            author().and_then(|contact| contact.name.clone()).map(Value::from).into_iter().collect()
        }
        "source.author.email" => author()
            .and_then(|contact| contact.email.clone())
            .map(Value::from)
            .into_iter()
            .collect(),
        "tag_ids" => tags(&it.tags),
        "title" => it.title.iter().map(|title| json!(title)).collect(),
        "created_at" => vec![json!(it.created_at)],
        "updated_at" => vec![json!(it.updated_at)],
        "waiting_since" => it.waiting_since.iter().map(|at| json!(at)).collect(),
        "snoozed_until" => it.snoozed_until.iter().map(|at| json!(at)).collect(),
        "admin_assignee_id" => vec![json!(it.admin_assignee_id)],
        "team_assignee_id" => vec![json!(it.team_assignee_id)],
        "open" => vec![json!(it.state != "closed")],
        "read" => vec![json!(it.read)],
        _ => Vec::new(),
    }
}
