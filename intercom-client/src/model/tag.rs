//! Tags.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::attributes::Attributes;
use crate::id::{ContactId, TagId};
use crate::lenient;

/// A tag, or its use on a contact or conversation.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Tag {
    /// The id.
    pub id: TagId,
    /// The name. Names are case-insensitive. References inside a contact carry none.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<String>,
    /// When it was put on the object; always the time of the call, it cannot be set.
    #[serde(default, deserialize_with = "lenient::time")]
    pub applied_at: Option<DateTime<Utc>>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// The answer to tagging or untagging several contacts.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct BulkTag {
    /// The tag.
    #[serde(flatten)]
    pub tag: Tag,
    /// What became of each contact.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub users: Vec<Tagged>,
}

/// What became of one contact of a bulk call.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Tagged {
    /// The contact.
    pub id: ContactId,
    /// Whether it was tagged (true) or untagged (false).
    #[serde(default, deserialize_with = "lenient::flag")]
    pub tagged: Option<bool>,
}
