//! What a write left in Intercom, as bytes whose digest the ledger keeps. By it a rollback tells what
//! people have changed since; so both sides bring it to bytes here.

use std::collections::{BTreeMap, BTreeSet};

use intercom_client::{Attributes, Contact, Conversation, ConversationAttribute, DataAttribute};
use serde_json::{Value, json};

use super::before;

/// What stands in Intercom now, in the fields this migration may write, and whose it is.
pub(crate) fn image(found: &Contact) -> Value {
    json!({
        "id": found.id,
        "external_id": found.external_id,
        "email": found.email,
        "phone": found.phone,
        "name": found.name,
        "signed_up_at": found.signed_up_at.map(|time| time.timestamp()),
        "custom_attributes": &*found.custom_attributes,
    })
}

/// The fields of a contact beside its attributes.
pub(crate) const FIELDS: [&str; 5] = ["external_id", "email", "phone", "name", "signed_up_at"];

/// A contact that this migration created: all of it, since it is removed whole.
pub(crate) fn created(found: &Contact) -> Vec<u8> {
    bytes("created", &fields(&image(found), |_| true), &before::more(found))
}

/// A contact that was there before: of it the fields that the migration has written.
pub(crate) fn filled(found: &Contact, written: &BTreeSet<String>) -> Vec<u8> {
    bytes("filled", &fields(&image(found), |name| written.contains(name)), &Value::Null)
}

/// The attributes of a conversation, as far as the migration writes such.
pub(crate) fn attributes(found: &Attributes, ours: &BTreeSet<String>) -> Vec<u8> {
    bytes("attributes", &own_values(found, ours), &Value::Null)
}

/// The attributes of a conversation that have a value, of those that the migration writes.
pub(super) fn own_values(found: &Attributes, ours: &BTreeSet<String>) -> BTreeMap<String, Value> {
    let values = found.iter().filter(|(name, value)| ours.contains(*name) && !is_empty(value));
    values.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whom a conversation is assigned to, as a team or as a teammate.
pub(crate) fn assignee(found: &Conversation, team: bool) -> Vec<u8> {
    assigned_to(
        team,
        match team {
            true => found.team_assignee_id.as_ref().map(|id| id.as_str()),
            false => found.admin_assignee_id.as_ref().map(|id| id.as_str()),
        },
    )
}

/// Assigned to nobody.
pub(crate) fn unassigned(team: bool) -> Vec<u8> {
    assigned_to(team, None)
}

fn assigned_to(team: bool, id: Option<&str>) -> Vec<u8> {
    bytes("assignee", &BTreeMap::new(), &json!([team, id.filter(|id| *id != "0")]))
}

/// An attribute of contacts: what of it people can change.
pub(crate) fn contact_attribute(found: &DataAttribute) -> Vec<u8> {
    let DataAttribute { name, data_type, description, options, .. } = found;
    bytes("attribute", &BTreeMap::new(), &json!([name, data_type, description, options]))
}

/// An attribute of conversations: what of it people can change.
pub(crate) fn conversation_attribute(found: &ConversationAttribute) -> Vec<u8> {
    let ConversationAttribute { name, data_type, description, required, options, .. } = found;
    let options: Vec<_> = options.iter().map(|option| &option.label).collect();
    let more = json!([name, data_type, description, required, options]);
    bytes("conversation attribute", &BTreeMap::new(), &more)
}

/// A field of an image, by its name; those of attributes have a dot in front.
pub(crate) fn field(image: &Value, name: &str) -> Value {
    match name.strip_prefix('.') {
        Some(attribute) => image["custom_attributes"][attribute].clone(),
        None => image[name].clone(),
    }
}

/// The names of all fields that one of two images has a value for.
pub(crate) fn names(one: &Value, other: &Value) -> BTreeSet<String> {
    let attributes = [one, other].into_iter().filter_map(|it| it["custom_attributes"].as_object());
    let attributes = attributes.flat_map(|it| it.keys()).map(|name| format!(".{name}"));
    FIELDS.iter().map(|&name| name.to_owned()).chain(attributes).collect()
}

pub(crate) fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// The fields of a contact that have a value, as it stands now.
pub(super) fn values(found: &Contact) -> BTreeMap<String, Value> {
    fields(&image(found), |_| true)
}

/// The fields of an image that have a value and are wanted.
fn fields(image: &Value, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Value> {
    let names = names(image, image).into_iter().filter(|name| wanted(name));
    let values = names.map(|name| (field(image, &name), name));
    values.filter(|(value, _)| !is_empty(value)).map(|(value, name)| (name, value)).collect()
}

fn bytes(kind: &str, fields: &BTreeMap<String, Value>, more: &Value) -> Vec<u8> {
    json!([kind, fields, more]).to_string().into_bytes()
}
