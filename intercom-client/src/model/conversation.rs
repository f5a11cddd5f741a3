//! Conversations.

use chrono::{DateTime, Utc};
use desk_client_core::Personal;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::id::{AdminId, ContactId, ConversationId, MessageId, TeamId};
use crate::lenient;
use crate::model::contact::is_empty;
use crate::model::part::{Author, Part};
use crate::model::tag::Tag;
use crate::open_enum::open_enum;

open_enum! {
    /// Where a conversation stands.
    State {
        /// Waiting for somebody.
        Open = "open",
        /// Done.
        Closed = "closed",
        /// Put off until a time.
        Snoozed = "snoozed",
    }
}

/// A conversation. Lists and searches give it without parts.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Conversation {
    /// The id.
    pub id: ConversationId,
    /// The title.
    #[serde(default, deserialize_with = "lenient::text")]
    pub title: Option<Personal<String>>,
    /// When it began; what was given when it was created, for imported ones.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed; the time of the import, for imported ones.
    #[serde(default, deserialize_with = "lenient::time")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Whether it is open.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub open: Option<bool>,
    /// Where it stands.
    #[serde(default)]
    pub state: Option<State>,
    /// Whether it was read.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub read: Option<bool>,
    /// `none` to `urgent` since version 2.16, `priority` or `not_priority` before.
    #[serde(default, deserialize_with = "lenient::text")]
    pub priority: Option<String>,
    /// The admin it is assigned to; none where Intercom says `0` or null.
    #[serde(default, deserialize_with = "lenient::id")]
    pub admin_assignee_id: Option<AdminId>,
    /// The team it is assigned to; none where Intercom says `0` or null.
    #[serde(default, deserialize_with = "lenient::id")]
    pub team_assignee_id: Option<TeamId>,
    /// The opening message.
    #[serde(default)]
    pub source: Option<ConversationSource>,
    /// The contacts that take part.
    #[serde(default, deserialize_with = "lenient::list")]
    pub contacts: Vec<ContactReference>,
    /// The tags.
    #[serde(default, deserialize_with = "lenient::list")]
    pub tags: Vec<Tag>,
    /// Custom attributes, by name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub custom_attributes: Attributes,
    /// How many tickets and other conversations it is linked with.
    #[serde(default, rename = "linked_objects", deserialize_with = "lenient::count")]
    pub linked_count: Option<u64>,
    /// The parts after the opening, the 500 most recent at most. See [`Conversation::parts`].
    #[serde(default, deserialize_with = "lenient::or_default")]
    conversation_parts: PartList,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PartList {
    #[serde(default, deserialize_with = "lenient::or_default")]
    conversation_parts: Vec<Part>,
    #[serde(default, deserialize_with = "lenient::integer")]
    total_count: Option<i64>,
}

impl Conversation {
    /// The parts after the opening, in Intercom's order: replies, notes, and events such as a
    /// close.
    ///
    /// Intercom shows at most the 500 most recent; see [`Conversation::parts_are_cut`]. Conversations
    /// from lists and searches have none.
    pub fn parts(&self) -> &[Part] {
        &self.conversation_parts.conversation_parts
    }

    /// How many parts there are, shown or not, where Intercom says so.
    pub fn part_count(&self) -> Option<u64> {
        self.conversation_parts.total_count.and_then(|count| count.try_into().ok())
    }

    /// Whether older parts are missing from [`Conversation::parts`]: more are counted than shown,
    /// or as many are shown as Intercom ever shows.
    pub fn parts_are_cut(&self) -> bool {
        let shown = self.parts().len();
        let counted = self.part_count().unwrap_or_default();
        shown >= 500 || (shown > 0 && counted > shown as u64)
    }
}

/// The opening message of a conversation.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ConversationSource {
    /// Where it came from; an open list of values since version 2.16.
    #[serde(default, rename = "type", deserialize_with = "lenient::text")]
    pub kind: Option<String>,
    /// How it was begun, for example `customer_initiated`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub delivered_as: Option<String>,
    /// The subject, of e-mails.
    #[serde(default, deserialize_with = "lenient::text")]
    pub subject: Option<Personal<String>>,
    /// The body, as HTML unless plain text was asked for.
    #[serde(default, deserialize_with = "lenient::text")]
    pub body: Option<Personal<String>>,
    /// Who wrote it.
    #[serde(default)]
    pub author: Option<Author>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// A contact that takes part in a conversation.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ContactReference {
    /// The contact.
    pub id: ContactId,
    /// The id in another system.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_id: Option<Personal<String>>,
}

/// A conversation to open in a contact's name. Only contacts can open one through this call.
///
/// Intercom documents no way to keep it silent: workflows, Fin and notifications may fire as for
/// a new inbound message.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct NewConversation {
    from: Opener,
    /// The text of the opening. HTML is not supported here (vendor documentation).
    pub body: Personal<String>,
    /// When it began, sent as UNIX seconds; the time of the call otherwise. Meant for migrations
    /// (vendor documentation); bounds are not documented.
    #[serde(skip_serializing_if = "Option::is_none", with = "chrono::serde::ts_seconds_option")]
    pub created_at: Option<DateTime<Utc>>,
    /// Addresses of images that Intercom fetches, ten at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachment_urls: Vec<Personal<String>>,
}

#[derive(Clone, Debug, Serialize)]
struct Opener {
    #[serde(rename = "type")]
    kind: &'static str,
    id: ContactId,
}

impl NewConversation {
    /// A conversation that a user opens with this text.
    pub fn from_user(contact: impl Into<ContactId>, body: impl Into<String>) -> Self {
        Self::from("user", contact.into(), body.into())
    }

    /// A conversation that a lead opens with this text.
    pub fn from_lead(contact: impl Into<ContactId>, body: impl Into<String>) -> Self {
        Self::from("lead", contact.into(), body.into())
    }

    /// A conversation that a contact, user or lead, opens with this text.
    pub fn from_contact(contact: impl Into<ContactId>, body: impl Into<String>) -> Self {
        Self::from("contact", contact.into(), body.into())
    }

    fn from(kind: &'static str, id: ContactId, body: String) -> Self {
        let from = Opener { kind, id };
        Self { from, body: body.into(), created_at: None, attachment_urls: Vec::new() }
    }

    /// Sets when it began.
    #[must_use]
    pub fn created_at(mut self, time: DateTime<Utc>) -> Self {
        self.created_at = Some(time);
        self
    }

    /// Sets the addresses of images, ten at most.
    #[must_use]
    pub fn attachment_urls<S: Into<String>>(mut self, urls: impl IntoIterator<Item = S>) -> Self {
        self.attachment_urls = urls.into_iter().map(|url| url.into().into()).collect();
        self
    }
}

/// The answer to opening a conversation: a message, not a conversation.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct OpenedConversation {
    /// The conversation. This is the id to keep.
    pub conversation_id: ConversationId,
    /// The opening message, which is not the conversation.
    #[serde(rename = "id", default, deserialize_with = "lenient::id")]
    pub message_id: Option<MessageId>,
    /// When the conversation began.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// The text, as Intercom keeps it.
    #[serde(default, deserialize_with = "lenient::text")]
    pub body: Option<Personal<String>>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// A change of a conversation: what is not set stays as it is.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct UpdateConversation {
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Personal<String>>,
    /// Whether it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<bool>,
    /// Custom attributes to set, by name; null clears one.
    #[serde(skip_serializing_if = "is_empty")]
    pub custom_attributes: Attributes,
}

impl UpdateConversation {
    /// A change of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the title.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into().into());
        self
    }

    /// Sets whether it was read.
    #[must_use]
    pub fn read(mut self, read: bool) -> Self {
        self.read = Some(read);
        self
    }

    /// Sets custom attributes, or clears them with null.
    #[must_use]
    pub fn custom_attributes(mut self, attributes: Attributes) -> Self {
        self.custom_attributes = attributes;
        self
    }
}

/// What became of a conversation that was deleted.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ConversationFate {
    /// The conversation.
    pub id: ConversationId,
    /// Whether it is deleted now.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub deleted: Option<bool>,
}

/// An entry in the list of deleted conversations.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct DeletedConversation {
    /// The conversation.
    pub id: ConversationId,
    /// Whether reports still count it.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub metrics_retained: Option<bool>,
    /// When it was deleted.
    #[serde(default, deserialize_with = "lenient::time")]
    pub deleted_at: Option<DateTime<Utc>>,
}
