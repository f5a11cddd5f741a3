//! Contacts (users and leads) and their notes.

use chrono::{DateTime, Utc};
use desk_client_core::Personal;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::id::{AdminId, ContactId, NoteId};
use crate::lenient;
use crate::model::admin::Admin;
use crate::model::tag::Tag;
use crate::open_enum::open_enum;
use crate::patch::Patch;

open_enum! {
    /// What kind of contact it is.
    Role {
        /// Known by an external id or an e-mail address, each unique.
        User = "user",
        /// Anybody else. Several leads may share an e-mail address.
        Lead = "lead",
    }
}

/// A contact as Intercom shows it.
///
/// Every field may be absent or null in practice, also those the description calls required.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Contact {
    /// The id.
    pub id: ContactId,
    /// User or lead.
    #[serde(default)]
    pub role: Option<Role>,
    /// The id in another system.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_id: Option<Personal<String>>,
    /// The workspace.
    #[serde(default, deserialize_with = "lenient::text")]
    pub workspace_id: Option<String>,
    /// The e-mail address; none for those known by phone only.
    #[serde(default, deserialize_with = "lenient::text")]
    pub email: Option<Personal<String>>,
    /// The phone number.
    #[serde(default, deserialize_with = "lenient::text")]
    pub phone: Option<Personal<String>>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::text")]
    pub name: Option<Personal<String>>,
    /// The teammate who owns the contact. A number up to version 2.15, a text since.
    #[serde(default, deserialize_with = "lenient::id")]
    pub owner_id: Option<AdminId>,
    /// Whether the contact wants no e-mail.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub unsubscribed_from_emails: Option<bool>,
    /// When it was made in Intercom. It cannot be set.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "lenient::time")]
    pub updated_at: Option<DateTime<Utc>>,
    /// When the person signed up, as set by the owner of the data.
    #[serde(default, deserialize_with = "lenient::time")]
    pub signed_up_at: Option<DateTime<Utc>>,
    /// When the person was last seen.
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Custom attributes. Lists of custom objects appear here too.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub custom_attributes: Attributes,
    /// At most ten tags, without names; `contacts().tags()` gives all.
    #[serde(default, deserialize_with = "lenient::list")]
    pub tags: Vec<Tag>,
    /// How many companies it is attached to.
    #[serde(default, rename = "companies", deserialize_with = "lenient::count")]
    pub company_count: Option<u64>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}

/// A contact to create. One of role, external id and e-mail address must be set; a user needs an
/// external id or an e-mail address.
///
/// Intercom sets the time of creation; where the original time matters, use `signed_up_at` or a
/// custom attribute. Custom attributes must exist before they are written.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct NewContact {
    /// User or lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The id in another system; unique among users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Personal<String>>,
    /// The e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<String>>,
    /// The phone number, best in E.164; how Intercom checks it is not documented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Personal<String>>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<String>>,
    /// When the person signed up; sent as UNIX seconds.
    #[serde(skip_serializing_if = "Option::is_none", with = "chrono::serde::ts_seconds_option")]
    pub signed_up_at: Option<DateTime<Utc>>,
    /// When the person was last seen; sent as UNIX seconds.
    #[serde(skip_serializing_if = "Option::is_none", with = "chrono::serde::ts_seconds_option")]
    pub last_seen_at: Option<DateTime<Utc>>,
    /// The teammate who owns the contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<AdminId>,
    /// Whether the contact wants no e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribed_from_emails: Option<bool>,
    /// Custom attributes.
    #[serde(skip_serializing_if = "is_empty")]
    pub custom_attributes: Attributes,
}

impl NewContact {
    /// A user with an external id.
    pub fn user(external_id: impl Into<String>) -> Self {
        let external_id = Some(external_id.into().into());
        Self { role: Some(Role::User), external_id, ..Self::default() }
    }

    /// A user known by e-mail address alone.
    pub fn user_with_email(email: impl Into<String>) -> Self {
        Self { role: Some(Role::User), email: Some(email.into().into()), ..Self::default() }
    }

    /// A lead.
    pub fn lead() -> Self {
        Self { role: Some(Role::Lead), ..Self::default() }
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into().into());
        self
    }

    /// Sets the phone number.
    #[must_use]
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = Some(phone.into().into());
        self
    }

    /// Sets the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into());
        self
    }

    /// Sets when the person signed up.
    #[must_use]
    pub fn signed_up_at(mut self, time: DateTime<Utc>) -> Self {
        self.signed_up_at = Some(time);
        self
    }

    /// Sets when the person was last seen.
    #[must_use]
    pub fn last_seen_at(mut self, time: DateTime<Utc>) -> Self {
        self.last_seen_at = Some(time);
        self
    }

    /// Sets the owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<AdminId>) -> Self {
        self.owner_id = Some(owner.into());
        self
    }

    /// Sets whether the contact wants no e-mail.
    #[must_use]
    pub fn unsubscribed_from_emails(mut self, unsubscribed: bool) -> Self {
        self.unsubscribed_from_emails = Some(unsubscribed);
        self
    }

    /// Sets the custom attributes.
    #[must_use]
    pub fn custom_attributes(mut self, attributes: Attributes) -> Self {
        self.custom_attributes = attributes;
        self
    }
}

/// A change of a contact: what is not set stays as it is.
///
/// A custom attribute is cleared by sending it as null; those not named are left alone.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct UpdateContact {
    /// User or lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The id in another system. The description does not allow null here, so it cannot be
    /// cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Personal<String>>,
    /// The e-mail address. The description does not allow null here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Personal<String>>,
    /// The phone number.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub phone: Patch<Personal<String>>,
    /// The name.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub name: Patch<Personal<String>>,
    /// When the person signed up, in UNIX seconds.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub signed_up_at: Patch<i64>,
    /// When the person was last seen, in UNIX seconds.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub last_seen_at: Patch<i64>,
    /// The teammate who owns the contact.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub owner_id: Patch<AdminId>,
    /// Whether the contact wants no e-mail.
    #[serde(skip_serializing_if = "Patch::is_keep")]
    pub unsubscribed_from_emails: Patch<bool>,
    /// Custom attributes to set, or to clear with null.
    #[serde(skip_serializing_if = "is_empty")]
    pub custom_attributes: Attributes,
}

impl UpdateContact {
    /// A change of nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing would be sent.
    pub fn is_empty(&self) -> bool {
        let Self { role, external_id, email, phone, name, signed_up_at, last_seen_at, .. } = self;
        let Self { owner_id, unsubscribed_from_emails, custom_attributes, .. } = self;
        role.is_none()
            && external_id.is_none()
            && email.is_none()
            && phone.is_keep()
            && name.is_keep()
            && signed_up_at.is_keep()
            && last_seen_at.is_keep()
            && owner_id.is_keep()
            && unsubscribed_from_emails.is_keep()
            && custom_attributes.is_empty()
    }

    /// Makes a user of a lead, or the reverse.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Sets the external id.
    #[must_use]
    pub fn external_id(mut self, external_id: impl Into<String>) -> Self {
        self.external_id = Some(external_id.into().into());
        self
    }

    /// Sets the e-mail address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into().into());
        self
    }

    /// Sets or clears the phone number.
    #[must_use]
    pub fn phone(mut self, phone: impl Into<Patch<String>>) -> Self {
        self.phone = phone.into().map(Personal::from);
        self
    }

    /// Sets or clears the name.
    #[must_use]
    pub fn name(mut self, name: impl Into<Patch<String>>) -> Self {
        self.name = name.into().map(Personal::from);
        self
    }

    /// Sets or clears when the person signed up.
    #[must_use]
    pub fn signed_up_at(mut self, time: impl Into<Patch<DateTime<Utc>>>) -> Self {
        self.signed_up_at = time.into().map(|time| time.timestamp());
        self
    }

    /// Sets or clears when the person was last seen.
    #[must_use]
    pub fn last_seen_at(mut self, time: impl Into<Patch<DateTime<Utc>>>) -> Self {
        self.last_seen_at = time.into().map(|time| time.timestamp());
        self
    }

    /// Sets or clears the owner.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<Patch<AdminId>>) -> Self {
        self.owner_id = owner.into();
        self
    }

    /// Sets or clears whether the contact wants no e-mail.
    #[must_use]
    pub fn unsubscribed_from_emails(mut self, unsubscribed: impl Into<Patch<bool>>) -> Self {
        self.unsubscribed_from_emails = unsubscribed.into();
        self
    }

    /// Sets custom attributes, or clears them with null.
    #[must_use]
    pub fn custom_attributes(mut self, attributes: Attributes) -> Self {
        self.custom_attributes = attributes;
        self
    }
}

pub(crate) fn is_empty(attributes: &Attributes) -> bool {
    attributes.is_empty()
}

/// What became of a contact that was deleted, archived or brought back.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct ContactFate {
    /// The contact.
    pub id: ContactId,
    /// The id in another system.
    #[serde(default, deserialize_with = "lenient::text")]
    pub external_id: Option<Personal<String>>,
    /// Whether it is archived now; set by archive and unarchive.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub archived: Option<bool>,
    /// Whether it is deleted now; set by delete.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub deleted: Option<bool>,
}

/// A note on a contact. The API can neither change nor delete it, nor set its time.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// The id.
    pub id: NoteId,
    /// When it was written.
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<DateTime<Utc>>,
    /// The text, as HTML.
    #[serde(default, deserialize_with = "lenient::text")]
    pub body: Option<Personal<String>>,
    /// Who wrote it.
    #[serde(default)]
    pub author: Option<Admin>,
    /// Keys this crate does not model.
    #[serde(flatten)]
    pub extra: Attributes,
}
