//! The parts of a conversation and who wrote them.

use chrono::{DateTime, Utc};
use desk_client_core::Personal;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::attributes::Attributes;
use crate::id::PartId;
use crate::lenient;
use crate::open_enum::open_enum;

open_enum! {
    /// What a part is. Intercom writes many more kinds, mostly events.
    PartType {
        /// A reply.
        Comment = "comment",
        /// A note, seen by teammates only.
        Note = "note",
        /// A close.
        Close = "close",
        /// A reopening.
        Open = "open",
        /// A snooze.
        Snoozed = "snoozed",
        /// An assignment.
        Assignment = "assignment",
        /// A teammate has changed an attribute of the conversation.
        AttributeByAdmin = "conversation_attribute_updated_by_admin",
        /// A contact has changed an attribute of the conversation.
        AttributeByUser = "conversation_attribute_updated_by_user",
        /// A workflow has changed an attribute of the conversation.
        AttributeByWorkflow = "conversation_attribute_updated_by_workflow",
    }
}

open_enum! {
    /// Who can write.
    AuthorType {
        /// A user.
        User = "user",
        /// A lead.
        Lead = "lead",
        /// A contact, user or lead.
        Contact = "contact",
        /// A teammate.
        Admin = "admin",
        /// A team.
        Team = "team",
        /// A bot.
        Bot = "bot",
    }
}

impl AuthorType {
    /// Whether the author is a contact, under any of its three names.
    pub fn is_contact(&self) -> bool {
        matches!(self, Self::User | Self::Lead | Self::Contact)
    }
}

/// One part of a conversation.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Part {
    /// The id.
    pub id: PartId,
    /// What it is.
    #[serde(default)]
    pub part_type: Option<PartType>,
    /// The body, as HTML unless plain text was asked for. Events have none. Compare it by
    /// [`text::same`](crate::text::same).
    #[serde(default, deserialize_with = "lenient::text")]
    pub body: Option<Personal<String>>,
    /// When it was written; what was given for imported replies and notes.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// Who wrote it.
    #[serde(default)]
    pub author: Option<Author>,
    /// The files attached to it.
    #[serde(default, deserialize_with = "lenient::list")]
    pub attachments: Vec<Attachment>,
    #[serde(default, rename = "event_details", deserialize_with = "attribute_of_event")]
    changed_attribute: Option<String>,
    /// The app that wrote it through the API; none for parts written elsewhere.
    #[serde(default, deserialize_with = "lenient::text")]
    pub app_package_code: Option<String>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

impl Part {
    /// The name of the attribute that an event has changed.
    pub fn changed_attribute(&self) -> Option<&str> {
        self.changed_attribute.as_deref()
    }
}

/// The name of the attribute among the details of an event. Its value is nobody's business here.
fn attribute_of_event<'de, D>(deserializer: D) -> Result<Option<String>, D::Error>
where
    D: Deserializer<'de>,
{
    let details: Option<Value> = Option::deserialize(deserializer)?;
    let name = details.as_ref().and_then(|details| details.pointer("/attribute/name"));
    Ok(name.and_then(Value::as_str).map(str::to_owned))
}

/// A file that is attached to a part.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Attachment {
    /// Its name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<Personal<String>>,
    /// Its type, such as `image/png`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub content_type: Option<String>,
    /// Where it can be fetched from.
    #[serde(default, deserialize_with = "lenient::text")]
    pub url: Option<Personal<String>>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// Who wrote a part or an opening.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Author {
    /// Contact, admin or bot.
    #[serde(default, rename = "type")]
    pub kind: Option<AuthorType>,
    /// The id, among those of its kind.
    #[serde(default, deserialize_with = "lenient::id")]
    pub id: Option<String>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<Personal<String>>,
    /// The e-mail address.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<Personal<String>>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}
