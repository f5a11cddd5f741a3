//! Attributes of conversations, in the API since version 2.16.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::attributes::Attributes;
use crate::id::{ConversationAttributeId, OptionId, TeamId};
use crate::lenient;
use crate::open_enum::open_enum;

open_enum! {
    /// The type of a conversation's attribute.
    ConversationDataType {
        /// Text.
        String = "string",
        /// Whole number.
        Integer = "integer",
        /// One of a list.
        List = "list",
        /// Number.
        Decimal = "decimal",
        /// Yes or no.
        Boolean = "boolean",
        /// A point in time.
        Datetime = "datetime",
        /// References to custom objects.
        Relationship = "relationship",
        /// Files.
        Files = "files",
    }
}

/// An attribute of conversations.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ConversationAttribute {
    /// The id.
    pub id: ConversationAttributeId,
    /// The name, by which values are written. Not guaranteed to be unique: when two that are not
    /// archived share one, every write of values is refused.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// What it is for.
    #[serde(default, deserialize_with = "lenient::text")]
    pub description: Option<String>,
    /// Its type.
    #[serde(default)]
    pub data_type: Option<ConversationDataType>,
    /// Whether it is required.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub required: Option<bool>,
    /// Whether it is archived.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub archived: Option<bool>,
    /// The choices of a list, archived ones included.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub options: Vec<ListOption>,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// One choice of a list.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ListOption {
    /// The id, a UUID.
    pub id: OptionId,
    /// The label.
    #[serde(default, deserialize_with = "lenient::text")]
    pub label: Option<String>,
    /// Whether it is archived.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub archived: Option<bool>,
}

/// An attribute of conversations to create.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct NewConversationAttribute {
    /// The name.
    pub name: String,
    /// Its type.
    pub data_type: ConversationDataType,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Whether a text has several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiline: Option<bool>,
    /// The teams that see it; all, where it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible_to_team_ids: Option<Vec<TeamId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Value>,
}

impl NewConversationAttribute {
    /// An attribute of a type without settings of its own.
    pub fn new(name: impl Into<String>, data_type: ConversationDataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            description: None,
            required: None,
            multiline: None,
            visible_to_team_ids: None,
            options: None,
        }
    }

    /// A list, of which a conversation takes one. It keeps at least two choices.
    pub fn list<S: Into<String>>(
        name: impl Into<String>,
        labels: impl IntoIterator<Item = S>,
    ) -> Self {
        let options = labels.into_iter().map(|label| json!({ "label": label.into() })).collect();
        Self { options: Some(options), ..Self::new(name, ConversationDataType::List) }
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Whether a text has several lines.
    #[must_use]
    pub fn multiline(mut self, multiline: bool) -> Self {
        self.multiline = Some(multiline);
        self
    }

    /// The teams that see it.
    #[must_use]
    pub fn visible_to(mut self, teams: impl IntoIterator<Item = TeamId>) -> Self {
        self.visible_to_team_ids = Some(teams.into_iter().collect());
        self
    }
}

/// A change of an attribute of conversations: what is not set stays as it is. The type cannot be
/// changed.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct UpdateConversationAttribute {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// Whether a text has several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiline: Option<bool>,
    /// The teams that see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible_to_team_ids: Option<Vec<TeamId>>,
}

impl UpdateConversationAttribute {
    /// A change of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Whether it is required.
    #[must_use]
    pub fn required(mut self, required: bool) -> Self {
        self.required = Some(required);
        self
    }
}
