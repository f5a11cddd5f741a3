//! Custom fields: what a contact has beside the fields that every account has – Other info by its labels,
//! and columns of an export that nobody knows – and where each is to go.
//!
//! `plan` [profiles](Profile) the fields and writes a [mapping](FieldMapping) as it is
//! [proposed](FieldProposer) into `mapping.toml`; a person edits it and sets `confirmed = true`; `run`
//! goes by it, value by value. A value that does not fit its type is never cut: it goes into the note on
//! the contact, and that is noted.
//!
//! An Other-info slot may mean another thing in each project, so a field is known by the label that came
//! with the value, and by its slot only where there is none.

mod mapping;
mod profile;
mod propose;
mod value;

pub use mapping::{FieldMapping, FieldRule, MappingError, Place};
pub use profile::{FieldProfile, Inferred, Profile};
pub(crate) use propose::MOST_ATTRIBUTES;
pub use propose::{DefaultProposer, FieldProposer, propose};

pub(crate) use value::{boolean, choices, date, decimal, integer};

use std::collections::BTreeSet;

use leaddesk_client::{Contact, OTHER_INFO_SLOTS, other_info_key};
use serde_json::Value;

/// The value of a custom field.
pub(crate) enum Custom {
    /// A text, trimmed and not empty; several values of one field are joined by commas.
    Text(String),
    /// An object, or a list of such: nothing in Intercom can hold it.
    Nested,
}

/// The custom fields of a contact that are filled, by name, in a steady order.
pub(crate) fn custom_fields(contact: &Contact) -> Vec<(String, Custom)> {
    let mut fields: Vec<(String, Custom)> = Vec::new();
    let extra = contact.extra.reveal();
    let mut slots = BTreeSet::new();
    for slot in 1..=OTHER_INFO_SLOTS {
        let Some(key) = other_info_key(slot) else { continue };
        let value = extra.get(&key).and_then(custom);
        slots.extend([key, format!("other_i_name_{slot}")]);
        let Some(value) = value else { continue };
        let label = contact.other_info_label(slot).unwrap_or_default();
        let own = format!("other_info_{slot}");
        let label = crate::value::tag::one_line(&label);
        // Two slots with one label are two fields.
        let name = match label {
            label if label.is_empty() => own,
            label if fields.iter().any(|(name, _)| *name == label) => format!("{label} ({own})"),
            label => label,
        };
        fields.push((name, value));
    }
    for (heading, value) in extra {
        if slots.contains(heading) || crate::map::HAS_A_PLACE.contains(&heading.as_str()) {
            continue;
        }
        let Some(value) = custom(value) else { continue };
        // A column of an export may have the name of a label.
        let taken = fields.iter().any(|(name, _)| name == heading);
        let name = if taken { format!("{heading} (column)") } else { heading.clone() };
        fields.push((name, value));
    }
    fields
}

fn custom(value: &Value) -> Option<Custom> {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => crate::value::text::clean(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(values) => {
            let mut texts = Vec::with_capacity(values.len());
            for value in values {
                match custom(value) {
                    Some(Custom::Text(text)) => texts.push(text),
                    Some(Custom::Nested) => return Some(Custom::Nested),
                    None => {}
                }
            }
            texts.join(", ")
        }
        Value::Object(fields) if fields.is_empty() => String::new(),
        Value::Object(_) => return Some(Custom::Nested),
    };
    (!text.is_empty()).then_some(Custom::Text(text))
}

#[cfg(test)]
mod tests;
