//! Contacts.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::paging::Paging;
use super::store::is_there;
use super::{Call, Failure, Outcome, Store, attributes, render};
use crate::workspace::{Contact, CreatedBy};

pub(super) fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let now = Store::now();
    let mut contact = Contact {
        created_at: now,
        updated_at: now,
        created_by: CreatedBy::Api,
        role: "user".into(),
        ..Contact::default()
    };
    if !["email", "external_id", "role"]
        .iter()
        .any(|name| body.get(*name).is_some_and(|value| !value.is_null()))
    {
        return Err(Failure::new(
            400,
            "missing_parameter",
            "one of email, external_id and role is required",
        ));
    }
    apply(store, &mut contact, &body)?;
    refuse_twin(store, &contact)?;
    contact.id = store.next_contact_id();
    store.made_contact(&contact.id);
    let shown = render::contact(&contact, store, call.version);
    store.put_contact(contact);
    Ok(shown)
}

pub(super) fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let mut contact = existing(store, call)?;
    apply(store, &mut contact, &body)?;
    refuse_twin(store, &contact)?;
    contact.updated_at = Store::now();
    let shown = render::contact(&contact, store, call.version);
    store.put_contact(contact);
    Ok(shown)
}

pub(super) fn get(store: &mut Store, call: &Call<'_>) -> Outcome {
    let id = call.segment(1);
    let contact = store.contact(id).ok_or_else(|| missing(store, id))?;
    Ok(render::contact(contact, store, call.version))
}

/// Users only: leads are not found this way.
pub(super) fn find_by_external_id(store: &mut Store, call: &Call<'_>) -> Outcome {
    let found = store.user_by_external_id(call.segment(2)).filter(|contact| !contact.archived);
    let contact = found.ok_or_else(Failure::no_contact)?;
    Ok(render::contact(contact, store, call.version))
}

pub(super) fn list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let paging = Paging::from_query(call.query("per_page"), call.query("starting_after"), 50)?;
    let all = store.contacts.iter().filter(|(_, contact)| is_there(contact));
    let all: Vec<_> = all.map(|(id, contact)| ((0, id.clone()), Arc::clone(contact))).collect();
    let (page, pages) = paging.cut(&all, false);
    let data: Vec<Value> =
        page.into_iter().map(|contact| render::contact(contact, store, call.version)).collect();
    Ok(json!({"type": "list", "data": data, "total_count": all.len(), "pages": pages}))
}

/// For good, archived contacts too.
pub(super) fn delete(store: &mut Store, call: &Call<'_>) -> Outcome {
    let contact = store.remove_contact(call.segment(1)).ok_or_else(Failure::no_contact)?;
    Ok(render::contact_flag(&contact, "deleted", true))
}

pub(super) fn archive(store: &mut Store, call: &Call<'_>) -> Outcome {
    set_archived(store, call, true)
}

pub(super) fn unarchive(store: &mut Store, call: &Call<'_>) -> Outcome {
    set_archived(store, call, false)
}

/// By a remembered id: archived contacts cannot be read in any other way.
fn set_archived(store: &mut Store, call: &Call<'_>, archived: bool) -> Outcome {
    let found = store.contacts.get(call.segment(1)).ok_or_else(Failure::no_contact)?;
    let mut contact = Contact::clone(found);
    contact.archived = archived;
    contact.updated_at = Store::now();
    let shown = render::contact_flag(&contact, "archived", archived);
    store.put_contact(contact);
    Ok(shown)
}

/// The contact named in the path, to be changed.
pub(super) fn existing(store: &Store, call: &Call<'_>) -> Result<Contact, Failure> {
    let id = call.segment(1);
    store.contact(id).map(|contact| Contact::clone(contact)).ok_or_else(|| missing(store, id))
}

/// Why a contact cannot be read: one that was merged names its heir.
fn missing(store: &Store, id: &str) -> Failure {
    let heir = store.contacts.get(id).and_then(|contact| contact.merged_into.as_deref());
    heir.map_or_else(Failure::no_contact, Failure::merged)
}

/// Writes the fields of a create or update request into a contact.
fn apply(store: &Store, contact: &mut Contact, body: &Map<String, Value>) -> Result<(), Failure> {
    for (name, value) in body {
        match name.as_str() {
            "role" => {
                let role = value.as_str().filter(|role| matches!(*role, "user" | "lead"));
                contact.role =
                    role.ok_or_else(|| Failure::invalid("role must be user or lead"))?.to_owned();
            }
            "external_id" => contact.external_id = text(name, value)?,
            "email" => contact.email = email(text(name, value)?)?,
            "phone" => contact.phone = text(name, value)?,
            "name" => contact.name = text(name, value)?,
            "owner_id" => contact.owner_id = owner(store, value)?,
            "unsubscribed_from_emails" => {
                let wrong = || Failure::invalid("unsubscribed_from_emails must be a boolean");
                contact.unsubscribed_from_emails = value.as_bool().ok_or_else(wrong)?;
            }
            "signed_up_at" => contact.signed_up_at = seconds(name, value)?,
            "last_seen_at" => contact.last_seen_at = seconds(name, value)?,
            "custom_attributes" => {
                let Value::Object(values) = value else {
                    return Err(Failure::invalid("custom_attributes must be an object"));
                };
                attributes::set(store, &mut contact.custom_attributes, values)?;
            }
            "email_verified" if !value.is_null() && !body.contains_key("email") => {
                return Err(Failure::invalid("email_verified needs an email in the same request"));
            }
            // Known but of no consequence here, or unknown and therefore ignored.
            _ => {}
        }
    }
    if contact.role == "user" && contact.email.is_none() && contact.external_id.is_none() {
        return Err(Failure::invalid("a user needs an email or an external_id"));
    }
    Ok(())
}

/// Users are unique by external id and by e-mail, archived ones included; leads never conflict.
fn refuse_twin(store: &Store, contact: &Contact) -> Result<(), Failure> {
    if contact.role != "user" {
        return Ok(());
    }
    let by_external_id = contact.external_id.as_ref().and_then(|id| store.user_by_external_id(id));
    let by_email = || contact.email.as_ref().and_then(|email| store.user_by_email(email));
    let other = |found: &&Arc<Contact>| found.id != contact.id;
    match by_external_id.filter(other).or_else(|| by_email().filter(other)) {
        None => Ok(()),
        Some(twin) => {
            let who = if twin.archived { "An archived contact" } else { "A contact" };
            let message =
                format!("{who} matching those details already exists with id={}", twin.id);
            Err(Failure::new(409, "conflict", message))
        }
    }
}

/// Text or nothing; an empty text counts as nothing.
fn text(name: &str, value: &Value) -> Result<Option<String>, Failure> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        _ => Err(Failure::invalid(format!("{name} must be a string"))),
    }
}

fn email(value: Option<String>) -> Result<Option<String>, Failure> {
    let plausible = |email: &String| {
        email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !email.contains(char::is_whitespace)
        })
    };
    match value {
        Some(email) if !plausible(&email) => Err(Failure::invalid("email is invalid")),
        other => Ok(other),
    }
}

fn owner(store: &Store, value: &Value) -> Result<Option<String>, Failure> {
    let id = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(Failure::invalid("owner_id must be a string")),
    };
    match store.admin(&id) {
        Some(_) => Ok(Some(id)),
        None => Err(Failure::new(404, "admin_not_found", "Admin not found")),
    }
}

/// UNIX seconds or nothing. Milliseconds, a common mistake, are refused as a time out of all reason.
pub(super) fn seconds(name: &str, value: &Value) -> Result<Option<i64>, Failure> {
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => match number.as_i64() {
            Some(seconds) if (0..100_000_000_000).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(Failure::invalid(format!("{name} must be UNIX seconds"))),
        },
        _ => Err(Failure::invalid(format!("{name} must be UNIX seconds"))),
    }
}
