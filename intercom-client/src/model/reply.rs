//! What can be added to a conversation.

use chrono::{DateTime, Utc};
use desk_client_core::Personal;
use serde::Serialize;

use crate::id::{AdminId, ContactId, TeamId};

/// A reply or a note to add to a conversation.
///
/// A contact's reply reopens a conversation that was closed, and has no way to be silent. An
/// admin's reply and a note can leave out notifications.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Reply {
    message_type: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    intercom_user_id: Option<ContactId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_id: Option<AdminId>,
    /// The text. Notes take some HTML (vendor documentation).
    pub body: Personal<String>,
    /// When it was written, sent as UNIX seconds; the time of the call otherwise.
    #[serde(skip_serializing_if = "Option::is_none", with = "chrono::serde::ts_seconds_option")]
    pub created_at: Option<DateTime<Utc>>,
    /// Addresses of images that Intercom fetches, ten at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachment_urls: Vec<Personal<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_notifications: Option<bool>,
}

/// A [`Reply`] in an admin's name, which can be silent.
#[derive(Clone, Debug)]
pub struct AdminReply(Reply);

impl Reply {
    /// A comment by a contact.
    ///
    /// The contact is named by its Intercom id, the one of three ways that works reliably.
    pub fn contact(contact: impl Into<ContactId>, body: impl Into<String>) -> Self {
        Self { intercom_user_id: Some(contact.into()), ..Self::new("comment", "user", body.into()) }
    }

    /// A comment by an admin. Those who take part may be notified; see
    /// [`AdminReply::skip_notifications`].
    pub fn admin(admin: impl Into<AdminId>, body: impl Into<String>) -> AdminReply {
        let admin_id = Some(admin.into());
        AdminReply(Self { admin_id, ..Self::new("comment", "admin", body.into()) })
    }

    /// A note by an admin, seen by teammates only.
    pub fn note(admin: impl Into<AdminId>, body: impl Into<String>) -> AdminReply {
        let admin_id = Some(admin.into());
        AdminReply(Self { admin_id, ..Self::new("note", "admin", body.into()) })
    }

    fn new(message_type: &'static str, kind: &'static str, body: String) -> Self {
        Self {
            message_type,
            kind,
            intercom_user_id: None,
            admin_id: None,
            body: body.into(),
            created_at: None,
            attachment_urls: Vec::new(),
            skip_notifications: None,
        }
    }

    /// Sets when it was written.
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

impl AdminReply {
    /// Sets whether notifications are left out. In the description since version 2.15.
    #[must_use]
    pub fn skip_notifications(mut self, skip: bool) -> Self {
        self.0.skip_notifications = Some(skip);
        self
    }

    /// Sets when it was written.
    #[must_use]
    pub fn created_at(self, time: DateTime<Utc>) -> Self {
        Self(self.0.created_at(time))
    }

    /// Sets the addresses of images, ten at most.
    #[must_use]
    pub fn attachment_urls<S: Into<String>>(self, urls: impl IntoIterator<Item = S>) -> Self {
        Self(self.0.attachment_urls(urls))
    }
}

impl From<AdminReply> for Reply {
    fn from(reply: AdminReply) -> Self {
        reply.0
    }
}

/// Whom a conversation is given to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Assignee {
    /// An admin.
    Admin(AdminId),
    /// A team.
    Team(TeamId),
    /// Nobody.
    Nobody,
}

impl From<AdminId> for Assignee {
    fn from(admin: AdminId) -> Self {
        Self::Admin(admin)
    }
}

impl From<TeamId> for Assignee {
    fn from(team: TeamId) -> Self {
        Self::Team(team)
    }
}

/// An event added by `POST /conversations/{id}/parts`. It is stamped with the time of the call,
/// and carries no text, since a text would be sent to the contact.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Event<'a> {
    pub(crate) message_type: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    pub(crate) admin_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) assignee_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snoozed_until: Option<i64>,
}
