//! The parts of a conversation and who wrote them.

use chrono::{DateTime, Utc};
use desk_client_core::Personal;
use serde::Deserialize;

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
    /// The app that wrote it through the API; none for parts written elsewhere.
    #[serde(default, deserialize_with = "lenient::text")]
    pub app_package_code: Option<String>,
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
