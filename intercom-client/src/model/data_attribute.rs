//! Attributes of contacts and companies.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::attributes::Attributes;
use crate::id::DataAttributeId;
use crate::lenient;
use crate::open_enum::open_enum;

open_enum! {
    /// What an attribute belongs to.
    Model {
        /// Contacts: users and leads.
        Contact = "contact",
        /// Companies.
        Company = "company",
    }
}

open_enum! {
    /// The type of a contact's or company's attribute.
    DataType {
        /// Text; third parties say up to 255 characters.
        String = "string",
        /// Whole number.
        Integer = "integer",
        /// Number.
        Float = "float",
        /// Yes or no.
        Boolean = "boolean",
        /// A point in time, written as UNIX seconds.
        Datetime = "datetime",
        /// A day, written as UNIX seconds.
        Date = "date",
        /// One of a list of texts, at least two. Reads back as [`DataType::String`] with options.
        Options = "options",
    }
}

/// An attribute of contacts or companies, built in or custom.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct DataAttribute {
    /// The id; only custom attributes have one.
    #[serde(default, deserialize_with = "lenient::id")]
    pub id: Option<DataAttributeId>,
    /// The name, by which values are written.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// What it belongs to.
    #[serde(default)]
    pub model: Option<Model>,
    /// Its type.
    #[serde(default)]
    pub data_type: Option<DataType>,
    /// What it is for.
    #[serde(default, deserialize_with = "lenient::text")]
    pub description: Option<String>,
    /// The choices of a list.
    #[serde(default, deserialize_with = "options")]
    pub options: Vec<String>,
    /// Whether it is custom.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub custom: Option<bool>,
    /// Whether it is archived.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub archived: Option<bool>,
    /// Whether the API may write it.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub api_writable: Option<bool>,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// Options are written as objects and read back as texts; both are understood.
fn options<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let options: Vec<Value> = lenient::list(deserializer)?;
    Ok(options
        .into_iter()
        .filter_map(|option| match option {
            Value::String(text) => Some(text),
            other => other.get("value").and_then(Value::as_str).map(str::to_owned),
        })
        .collect())
}

/// An attribute to create. Names are unique across people and companies; type and name cannot be
/// changed later, and the API cannot delete it, only archive. A workspace has at most 250.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct NewDataAttribute {
    /// The name.
    pub name: String,
    /// What it belongs to.
    pub model: Model,
    /// Its type.
    pub data_type: DataType,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the Messenger may write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messenger_writable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Value>,
}

impl NewDataAttribute {
    /// An attribute of contacts.
    pub fn contact(name: impl Into<String>, data_type: DataType) -> Self {
        Self::new(name, Model::Contact, data_type)
    }

    /// An attribute.
    pub fn new(name: impl Into<String>, model: Model, data_type: DataType) -> Self {
        let (name, description, messenger_writable) = (name.into(), None, None);
        Self { name, model, data_type, description, messenger_writable, options: None }
    }

    /// The choices, at least two. This makes it an attribute of type [`DataType::Options`].
    #[must_use]
    pub fn options<S: Into<String>>(mut self, options: impl IntoIterator<Item = S>) -> Self {
        self.data_type = DataType::Options;
        self.options = Some(option_values(options));
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// A change of an attribute: what is not set stays as it is.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct UpdateDataAttribute {
    /// Archives the attribute, or brings it back. Archiving frees a slot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the Messenger may write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messenger_writable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Value>,
}

impl UpdateDataAttribute {
    /// A change of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Archives the attribute, or brings it back.
    #[must_use]
    pub fn archived(mut self, archived: bool) -> Self {
        self.archived = Some(archived);
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// All choices, those that were there included.
    #[must_use]
    pub fn options<S: Into<String>>(mut self, options: impl IntoIterator<Item = S>) -> Self {
        self.options = Some(option_values(options));
        self
    }
}

fn option_values<S: Into<String>>(options: impl IntoIterator<Item = S>) -> Value {
    options.into_iter().map(|option| json!({ "value": option.into() })).collect()
}
