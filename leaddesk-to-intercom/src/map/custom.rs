//! Custom fields of contacts, by the confirmed mapping: value by value, and none is cut.

use leaddesk_client::Contact;
use migrate_core::Emit;
use serde_json::Value;

use super::{AttributeWriter, shown};
use crate::draft::ContactDraft;
use crate::fields::{
    Custom, FieldMapping, FieldRule, Place, boolean, choices, custom_fields, date, decimal, integer,
};
use crate::value::{TagName, Zone};

/// Puts each custom field where the mapping says, and returns the tags it makes.
///
/// What the mapping does not name, or leaves for review, stays in LeadDesk and is noted by name. A value
/// that does not fit its rule goes into the note, and that is noted as well.
pub(super) fn custom(
    contact: &Contact,
    mapping: &FieldMapping,
    zone: Zone,
    attributes: &mut AttributeWriter,
    out: &mut Emit<ContactDraft>,
) -> Vec<TagName> {
    let mut tags = Vec::new();
    let mut unknown = Vec::new();
    for (field, value) in custom_fields(contact) {
        let rule = mapping.fields.get(&field).filter(|rule| rule.place != Place::Review);
        match (rule, value) {
            (Some(rule), Custom::Text(text)) => {
                let fits = place(rule, &field, &text, zone, attributes, out);
                if fits && (rule.tags || rule.place == Place::Tags) {
                    let named = rule.tags_of(choices(&text));
                    let (cut, whole): (Vec<_>, Vec<_>) =
                        named.into_iter().partition(TagName::is_cut);
                    tags.extend(whole);
                    if !cut.is_empty() {
                        misfit(&field, &text, attributes, out);
                    }
                }
            }
            (Some(rule), Custom::Nested) if rule.place == Place::Skip => {}
            (_, _) => unknown.push(field),
        }
    }
    // In order of their names, so that the draft is the same in every run.
    unknown.sort_unstable();
    unknown.into_iter().for_each(|field| out.note("field_for_review", shown(&field)));
    tags
}

/// Puts one value where its rule says. Says whether it fits there.
fn place(
    rule: &FieldRule,
    field: &str,
    text: &str,
    zone: Zone,
    attributes: &mut AttributeWriter,
    out: &mut Emit<ContactDraft>,
) -> bool {
    let attribute = rule.attribute.as_deref().unwrap_or_default();
    let value = match rule.place {
        Place::Skip | Place::Tags | Place::Review => return true,
        Place::Note => {
            attributes.long.push((field.to_owned(), text.to_owned()));
            return true;
        }
        Place::String => {
            attributes.text(attribute, text, &shown(field), out);
            return true;
        }
        Place::Joined => {
            attributes.text(attribute, &choices(text).join(", "), &shown(field), out);
            return true;
        }
        Place::Booleans => return booleans(rule, field, text, attributes, out),
        Place::Integer => integer(text).map(Value::from),
        Place::Float => decimal(text).map(Value::from),
        Place::Date => date(text, zone).map(Value::from),
        Place::Boolean => boolean(text).map(Value::from),
        Place::Options => {
            let known =
                rule.choices.iter().find(|choice| choice.to_lowercase() == text.to_lowercase());
            known.map(|choice| Value::from(choice.as_str()))
        }
    };
    match value {
        Some(value) => {
            attributes.attributes.insert(attribute.to_owned(), value);
            true
        }
        None => misfit(field, text, attributes, out),
    }
}

/// One attribute for each choice. A choice that the rule does not know goes into the note, with the
/// whole value.
fn booleans(
    rule: &FieldRule,
    field: &str,
    text: &str,
    attributes: &mut AttributeWriter,
    out: &mut Emit<ContactDraft>,
) -> bool {
    let picked: Vec<String> = choices(text).iter().map(|choice| choice.to_lowercase()).collect();
    for (choice, name) in rule.choice_attributes() {
        let is_picked = picked.contains(&choice.to_lowercase());
        attributes.attributes.insert(name, Value::from(is_picked));
    }
    let known = |choice: &String| rule.choices.iter().any(|it| it.to_lowercase() == *choice);
    picked.iter().all(known) || misfit(field, text, attributes, out)
}

fn misfit(
    field: &str,
    text: &str,
    attributes: &mut AttributeWriter,
    out: &mut Emit<ContactDraft>,
) -> bool {
    out.note("does_not_fit", shown(field));
    attributes.long.push((field.to_owned(), text.to_owned()));
    false
}
