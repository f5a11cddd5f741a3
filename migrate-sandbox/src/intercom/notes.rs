//! Notes on contacts. They cannot be dated, changed or deleted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::paging::Paging;
use super::{Call, Failure, Outcome, Store, contacts, render};
use crate::workspace::Note;

pub(super) fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut contact = contacts::existing(store, call)?;
    let text = body
        .get("body")
        .and_then(Value::as_str)
        .filter(|text| !text.trim().is_empty());
    let text = text
        .ok_or_else(|| Failure::invalid("body can't be blank"))?
        .to_owned();
    let author = match body.get("admin_id") {
        None | Some(Value::Null) => store.own_admin(),
        Some(id) => admin_id(store, id).ok_or_else(Failure::no_resource)?,
    };
    let now = Store::now();
    let note = Note {
        id: store.next_id().to_string(),
        body: text,
        author,
        created_at: now,
    };
    let shown = render::note(&note, &contact.id, store);
    contact.notes.push(note);
    contact.updated_at = now;
    store.put_contact(contact);
    Ok(shown)
}

/// Newest first.
pub(super) fn list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let contact = Arc::clone(
        store
            .contact(call.segment(1))
            .ok_or_else(Failure::no_contact)?,
    );
    let paging = Paging::from_query(call.query("per_page"), call.query("starting_after"), 50)?
        .at_page(call.query("page"))?;
    let mut notes: Vec<_> = contact
        .notes
        .iter()
        .map(|note| ((0, format!("{:0>20}", note.id)), note))
        .collect();
    notes.reverse();
    let (page, pages) = paging.cut(&notes, true);
    let data: Vec<Value> = page
        .into_iter()
        .map(|note| render::note(note, &contact.id, store))
        .collect();
    Ok(json!({"type": "list", "data": data, "total_count": notes.len(), "pages": pages}))
}

pub(super) fn get(store: &mut Store, call: &Call<'_>) -> Outcome {
    let id = call.segment(1);
    let found = store.contacts.values().find_map(|contact| {
        contact
            .notes
            .iter()
            .find(|note| note.id == id)
            .map(|note| render::note(note, &contact.id, store))
    });
    found.ok_or_else(Failure::no_resource)
}

/// The id of an existing teammate, given as text or number.
pub(super) fn admin_id(store: &Store, value: &Value) -> Option<String> {
    let id = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    store.admin(&id).map(|_| id)
}
