//! Contact and company attributes.

use serde_json::{Map, Value, json};

use super::{Call, Failure, Outcome, Store, render};
use crate::workspace::{CreatedBy, DataAttribute};

const MOST_CHARACTERS: usize = 255;
const MOST_ATTRIBUTES: usize = 250;

impl Store {
    /// The contact attribute of this name that accepts values.
    pub(super) fn contact_attribute(&self, name: &str) -> Option<&DataAttribute> {
        let fits =
            |own: &&DataAttribute| own.model == "contact" && !own.archived && own.name == name;
        self.data_attributes.iter().find(fits)
    }
}

/// Writes values into a contact's attributes, all or none; `null` clears one.
pub(super) fn set(
    store: &Store,
    into: &mut Map<String, Value>,
    values: &Map<String, Value>,
) -> Result<(), Failure> {
    for (name, value) in values {
        let attribute = store.contact_attribute(name);
        let attribute = attribute
            .ok_or_else(|| Failure::invalid(format!("Custom attribute '{name}' does not exist")))?;
        check(attribute, value)?;
    }
    for (name, value) in values {
        match value {
            Value::Null => into.remove(name),
            other => into.insert(name.clone(), other.clone()),
        };
    }
    Ok(())
}

fn check(attribute: &DataAttribute, value: &Value) -> Result<(), Failure> {
    let name = &attribute.name;
    if value.is_null() {
        return Ok(());
    }
    let fits = match attribute.data_type.as_str() {
        "integer" => value.is_i64() || value.is_u64(),
        "date" | "datetime" => value.is_i64() || value.is_u64(),
        "float" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_string(),
    };
    if !fits {
        let message = format!(
            "Custom attribute '{name}' must be of type {}",
            attribute.data_type
        );
        return Err(Failure::new(400, "type_mismatch", message));
    }
    match value.as_str() {
        Some(text) if text.chars().count() > MOST_CHARACTERS => Err(Failure::invalid(format!(
            "Custom attribute '{name}' is longer than {MOST_CHARACTERS} characters"
        ))),
        Some(text)
            if !attribute.options.is_empty()
                && !attribute.options.iter().any(|option| option == text) =>
        {
            Err(Failure::invalid(format!(
                "Custom attribute '{name}' has no such option"
            )))
        }
        _ => Ok(()),
    }
}

pub(super) fn list(store: &mut Store, call: &Call<'_>) -> Outcome {
    let model = call.query("model");
    if model == Some("conversation") && call.version >= (2, 16) {
        let message =
            "model=conversation is no longer supported. Use GET /conversations/attributes instead";
        return Err(Failure::new(422, "parameter_invalid", message));
    }
    let archived_too = call.query("include_archived") == Some("true");
    let own = store.data_attributes.iter().filter(|attribute| {
        model.is_none_or(|model| attribute.model == model) && (archived_too || !attribute.archived)
    });
    let standard = STANDARD
        .iter()
        .filter(|(of, ..)| model.is_none_or(|model| *of == model));
    let data: Vec<Value> = standard
        .map(standard_attribute)
        .chain(own.map(render::data_attribute))
        .collect();
    Ok(json!({"type": "list", "data": data}))
}

/// Some of the attributes every workspace has; they have no id.
const STANDARD: &[(&str, &str, &str, &str)] = &[
    ("company", "name", "Company name", "string"),
    ("company", "company_id", "Company ID", "string"),
    ("contact", "name", "Name", "string"),
    ("contact", "email", "Email", "string"),
    ("contact", "phone", "Phone", "string"),
    ("contact", "signed_up_at", "Signed up", "date"),
];

fn standard_attribute((model, name, label, data_type): &(&str, &str, &str, &str)) -> Value {
    json!({
        "type": "data_attribute",
        "model": model,
        "name": name,
        "full_name": name,
        "label": label,
        "description": "",
        "data_type": data_type,
        "api_writable": true,
        "ui_writable": false,
        "messenger_writable": true,
        "custom": false,
        "archived": false,
    })
}

pub(super) fn create(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (name, model, data_type) = (text("name"), text("model"), text("data_type"));
    if !matches!(model, "contact" | "company") {
        return Err(Failure::invalid(
            "The Data Attribute model field must be either contact or company",
        ));
    }
    if !valid_name(name) {
        let message = "Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens";
        return Err(Failure::invalid(message));
    }
    let options = options(&body)?;
    let data_type = match (data_type, &options) {
        ("string" | "integer" | "float" | "boolean" | "datetime" | "date", None) => data_type,
        // A list reads back as a string with options.
        ("options" | "string", Some(options)) if options.len() >= 2 => "string",
        ("options" | "string", _) => {
            return Err(Failure::invalid(
                "The Data Attribute options field must have at least two options",
            ));
        }
        _ => return Err(Failure::invalid("Data Type isn't an option")),
    };
    if let Some(twin) = store
        .data_attributes
        .iter()
        .find(|own| own.name.eq_ignore_ascii_case(name))
    {
        let (of, new) = (people(&twin.model), people(model));
        let message = format!(
            "You already have '{name}' in your {of} data. To save this as new {new} data, use a different name."
        );
        return Err(Failure::invalid(message));
    }
    if store
        .data_attributes
        .iter()
        .filter(|own| !own.archived)
        .count()
        >= MOST_ATTRIBUTES
    {
        let message =
            format!("You have reached the limit of {MOST_ATTRIBUTES} custom data attributes");
        return Err(Failure::new(400, "custom_data_limit_reached", message));
    }
    let now = Store::now();
    let attribute = DataAttribute {
        id: store.next_id(),
        model: model.to_owned(),
        name: name.to_owned(),
        data_type: data_type.to_owned(),
        options: options.unwrap_or_default(),
        description: text("description").to_owned(),
        messenger_writable: body
            .get("messenger_writable")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        archived: false,
        created_at: now,
        updated_at: now,
        created_by: CreatedBy::Api,
    };
    let shown = render::data_attribute(&attribute);
    store.data_attributes.push(attribute);
    Ok(shown)
}

/// Type and name stay as they are.
pub(super) fn update(store: &mut Store, call: &Call<'_>) -> Outcome {
    let body = call.body()?;
    let options = options(&body)?;
    let found = store
        .data_attributes
        .iter_mut()
        .find(|own| own.id.to_string() == call.segment(1));
    let none = || {
        Failure::new(
            404,
            "field_not_found",
            "We couldn't find that data attribute to update",
        )
    };
    let attribute = found.ok_or_else(none)?;
    if let Some(archived) = body.get("archived").and_then(Value::as_bool) {
        attribute.archived = archived;
    }
    if let Some(description) = body.get("description").and_then(Value::as_str) {
        attribute.description = description.to_owned();
    }
    if let Some(writable) = body.get("messenger_writable").and_then(Value::as_bool) {
        attribute.messenger_writable = writable;
    }
    if let Some(options) = options {
        attribute.options = options;
    }
    attribute.updated_at = Store::now();
    Ok(render::data_attribute(attribute))
}

/// `options:[{value}]`.
fn options(body: &Map<String, Value>) -> Result<Option<Vec<String>>, Failure> {
    let values = match body.get("options") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(Failure::invalid("Options isn't an array")),
    };
    let value = |option: &Value| {
        option
            .get("value")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let read: Option<Vec<String>> = values.iter().map(value).collect();
    read.map(Some)
        .ok_or_else(|| Failure::invalid("Each option needs a value"))
}

/// Letters, digits, currency symbols and hyphens; underscores and spaces appear in the vendor's examples.
fn valid_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_alphanumeric() || "-_ $€£¥".contains(letter);
    !name.is_empty() && name.chars().all(fits)
}

fn people(model: &str) -> &'static str {
    if model == "company" {
        "company"
    } else {
        "people"
    }
}
