//! Conversation attributes, new in 2.16. Names need not be unique, but twins spoil every write of attributes.

use serde_json::{Map, Value, json};

use super::{Call, Failure, Outcome, Store, render};
use crate::workspace::{AttributeOption, ConversationAttribute, CreatedBy};

const TYPES: &[&str] = &[
    "string",
    "integer",
    "list",
    "decimal",
    "boolean",
    "datetime",
    "relationship",
    "files",
];
const FEWEST_OPTIONS: usize = 2;

/// Writes values into a conversation's attributes, all or none; `null` clears one.
pub(super) fn set(
    store: &Store,
    into: &mut Map<String, Value>,
    values: &Map<String, Value>,
) -> Result<(), Failure> {
    let mut checked = Vec::with_capacity(values.len());
    for (name, value) in values {
        let mut of_name = store
            .conversation_attributes
            .iter()
            .filter(|own| !own.archived && own.name == *name);
        let attribute = of_name.next();
        let attribute = attribute
            .ok_or_else(|| Failure::invalid(format!("Custom attribute '{name}' does not exist")))?;
        if of_name.next().is_some() {
            return Err(Failure::invalid(format!(
                "More than one conversation attribute is named '{name}'"
            )));
        }
        checked.push((name, accepted(attribute, value)?));
    }
    for (name, value) in checked {
        match value {
            Value::Null => into.remove(name),
            other => into.insert(name.clone(), other),
        };
    }
    Ok(())
}

/// The value as it is stored: a choice may be given by label or by id.
fn accepted(attribute: &ConversationAttribute, value: &Value) -> Result<Value, Failure> {
    let wrong = || {
        let message = format!(
            "Custom attribute '{}' must be of type {}",
            attribute.name, attribute.data_type
        );
        Failure::new(400, "type_mismatch", message)
    };
    if value.is_null() {
        return Ok(Value::Null);
    }
    let fits = match attribute.data_type.as_str() {
        "integer" | "datetime" => value.is_i64() || value.is_u64(),
        "decimal" => value.is_number(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "list" => {
            let text = value.as_str().ok_or_else(wrong)?;
            let mut active = attribute.options.iter().filter(|option| !option.archived);
            let chosen = active.find(|option| option.label == text || option.id == text);
            let unknown = || {
                Failure::invalid(format!(
                    "Custom attribute '{}' has no such option",
                    attribute.name
                ))
            };
            return chosen.map(|option| json!(option.label)).ok_or_else(unknown);
        }
        _ => value.is_array(),
    };
    if fits {
        Ok(value.clone())
    } else {
        Err(wrong())
    }
}

pub(super) fn list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let archived_too = call.query("include_archived") == Some("true");
    let shown = store
        .conversation_attributes
        .iter()
        .filter(|own| archived_too || !own.archived);
    let data: Vec<Value> = shown
        .map(|own| render::conversation_attribute(own, store))
        .collect();
    Ok(json!({"type": "list", "data": data}))
}

pub(super) fn get(store: &mut Store, call: &Call<'_>) -> Outcome {
    let at = position(store, call)?;
    Ok(render::conversation_attribute(
        &store.conversation_attributes[at],
        store,
    ))
}

pub(super) fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (name, data_type) = (text("name"), text("data_type"));
    if !TYPES.contains(&data_type) {
        let message = format!(
            "data_type '{data_type}' is not valid. Allowed types: {}",
            TYPES.join(", ")
        );
        return Err(unprocessable(message));
    }
    if name.trim().is_empty() {
        return Err(unprocessable("name is required"));
    }
    let labels: Vec<String> = match body.get("options").and_then(Value::as_array) {
        None => Vec::new(),
        Some(options) => {
            let label = |option: &Value| {
                option
                    .get("label")
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            };
            let read: Option<Vec<String>> = options.iter().map(label).collect();
            read.ok_or_else(|| unprocessable("label is required"))?
        }
    };
    if data_type == "list" && labels.len() < FEWEST_OPTIONS {
        return Err(unprocessable(
            "A list attribute must have at least 2 active options",
        ));
    }
    if data_type == "relationship" && !body.contains_key("reference") {
        return Err(unprocessable("reference is required"));
    }
    let now = Store::now();
    let flag = |value: Option<&Value>| {
        matches!(value, Some(Value::Bool(true))) || value == Some(&json!("true"))
    };
    let teams = body.get("visible_to_team_ids").and_then(Value::as_array);
    let attribute = ConversationAttribute {
        id: store.next_id(),
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        description: text("description").to_owned(),
        required: flag(body.get("required")),
        visible_to_team_ids: teams
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        multiline: flag(body.get("multiline")),
        options: labels
            .into_iter()
            .map(|label| option(store, label))
            .collect(),
        reference: body.get("reference").cloned(),
        archived: false,
        created_at: now,
        updated_at: now,
        created_by: CreatedBy::Api,
    };
    let shown = render::conversation_attribute(&attribute, store);
    store.conversation_attributes.push(attribute);
    Ok(shown)
}

pub(super) fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    change(store, call, |attribute| {
        if let Some(name) = body.get("name").and_then(Value::as_str) {
            attribute.name = name.to_owned();
        }
        if let Some(description) = body.get("description").and_then(Value::as_str) {
            attribute.description = description.to_owned();
        }
        if let Some(required) = body.get("required").and_then(Value::as_bool) {
            attribute.required = required;
        }
        if let Some(archived) = body.get("archived").and_then(Value::as_bool) {
            attribute.archived = archived;
        }
        Ok(())
    })
}

/// DELETE archives.
pub(super) fn archive(store: &mut Store, call: &Call<'_>) -> Outcome {
    change(store, call, |attribute| {
        attribute.archived = true;
        Ok(())
    })
}

pub(super) fn add_option(store: &mut Store, call: &Call<'_>) -> Outcome {
    let label = label(&call.body()?);
    let new = option(store, String::new());
    change(store, call, |attribute| {
        must_be_list(attribute)?;
        attribute.options.push(AttributeOption {
            label: label?,
            ..new
        });
        Ok(())
    })
}

pub(super) fn rename_option(store: &mut Store, call: &Call<'_>) -> Outcome {
    let label = label(&call.body()?);
    change(store, call, |attribute| {
        must_be_list(attribute)?;
        let label = label?;
        find_option(attribute, call)?.label = label;
        Ok(())
    })
}

pub(super) fn archive_option(store: &mut Store, call: &Call<'_>) -> Outcome {
    change(store, call, |attribute| {
        must_be_list(attribute)?;
        let active = attribute
            .options
            .iter()
            .filter(|option| !option.archived)
            .count();
        let option = find_option(attribute, call)?;
        if !option.archived && active <= FEWEST_OPTIONS {
            return Err(unprocessable(
                "A list attribute must have at least 2 active options",
            ));
        }
        option.archived = true;
        Ok(())
    })
}

fn change(
    store: &mut Store,
    call: &Call<'_>,
    change: impl FnOnce(&mut ConversationAttribute) -> Result<(), Failure>,
) -> Outcome {
    let at = position(store, call)?;
    change(&mut store.conversation_attributes[at])?;
    store.conversation_attributes[at].updated_at = Store::now();
    Ok(render::conversation_attribute(
        &store.conversation_attributes[at],
        store,
    ))
}

fn position(store: &Store, call: &Call<'_>) -> Result<usize, Failure> {
    let found = store
        .conversation_attributes
        .iter()
        .position(|own| own.id.to_string() == call.segment(2));
    found.ok_or_else(|| {
        Failure::new(
            404,
            "conversation_attribute_not_found",
            "Conversation attribute not found",
        )
    })
}

fn find_option<'a>(
    attribute: &'a mut ConversationAttribute,
    call: &Call<'_>,
) -> Result<&'a mut AttributeOption, Failure> {
    let found = attribute
        .options
        .iter_mut()
        .find(|option| option.id == call.segment(4));
    found.ok_or_else(|| {
        Failure::new(
            404,
            "conversation_attribute_not_found",
            "List option not found",
        )
    })
}

fn must_be_list(attribute: &ConversationAttribute) -> Result<(), Failure> {
    match attribute.data_type.as_str() {
        "list" => Ok(()),
        _ => Err(unprocessable(
            "Options can only be managed on list attributes",
        )),
    }
}

fn label(body: &Map<String, Value>) -> Result<String, Failure> {
    match body.get("label") {
        None => Err(unprocessable("label is required")),
        Some(_) if body.len() > 1 => Err(unprocessable("only 'label' is accepted")),
        Some(Value::String(label)) => Ok(label.clone()),
        Some(_) => Err(unprocessable("label must be a string")),
    }
}

/// A choice with a fresh id in the form of a UUID.
fn option(store: &mut Store, label: String) -> AttributeOption {
    let id = format!("0f0e0d0c-5eed-4000-8000-{:012x}", store.next_id());
    AttributeOption {
        id,
        label,
        archived: false,
    }
}

fn unprocessable(message: impl Into<String>) -> Failure {
    Failure::new(422, "parameter_invalid", message)
}
