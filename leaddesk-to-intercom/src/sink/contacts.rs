//! Contacts: created, or, where Intercom has them already, filled where they are empty.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use intercom_client::{
    Attributes, Contact, ContactId, Error, NewContact, Query, Role, UpdateContact, text,
};
use migrate_core::ledger::{How, Written};
use migrate_core::{
    Doubt, Evidence, Failure, Fingerprint, Found, Limits, Outcome, Sink, TargetId, Write,
};
use serde_json::{Value, json};

use crate::draft::{ContactDraft, ContactFields};
use crate::queue;

use super::failure::{deleted_since, failure_of, is_tag_gone, not_yet, outcome_of};
use super::left::{self, image, is_empty};
use super::schema::tag_failed;
use super::{Workspace, body_of, not_kept, or_gone};

/// How far Intercom's clock may be behind ours when it is decided whether a contact was there
/// before the migration began.
pub(crate) const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// The digest of what a write left, once it is known.
type Left = Option<Fingerprint>;

/// Writes contacts with their tags and notes.
#[derive(Clone, Debug)]
pub struct ContactSink {
    workspace: Workspace,
}

impl ContactSink {
    /// A sink of a workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self { workspace }
    }

    pub(super) async fn contact<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        left: &mut Left,
    ) -> Outcome {
        if let Some(known) = &write.known_as {
            return self.update(write, fields, known, left).await;
        }
        if let Some(waiting) = self.still_archived(write).await {
            return waiting;
        }
        match self.workspace.client.contacts().create(&new_contact(fields)).await {
            Ok(made) => {
                *left = Some(Fingerprint::of(&left::created(&made)));
                Outcome::Created(TargetId::new(made.id.as_str()))
            }
            Err(error) => match error.conflicting_contact() {
                Some(other) if other.archived && self.workspace.unarchive => {
                    self.take_back(write, fields, &other.id, left).await
                }
                Some(other) if other.archived => {
                    Outcome::Queued(queue::archived_in_intercom().object(other.id.as_str()))
                }
                Some(other) => self.adopt(write, fields, &other.id, left).await,
                None => outcome_of(&error),
            },
        }
    }

    /// A record that waits for an archived contact goes on waiting while that cannot be read,
    /// which costs no write call.
    async fn still_archived<D>(&self, write: &Write<D>) -> Option<Outcome> {
        let reason = write.waited_for.clone().filter(|_| !self.workspace.unarchive)?;
        let archived = reason.code == queue::archived_in_intercom().code;
        let id = ContactId::new(reason.object.as_deref().filter(|_| archived)?);
        match self.workspace.client.contacts().get(&id).await {
            Err(error) if error.is_not_found() => Some(Outcome::Queued(reason)),
            Err(error) => Some(Outcome::Failed(failure_of(&error))),
            Ok(_) => None,
        }
    }

    /// Takes an archived contact back and goes on as with any other that was there before. One that Intercom does not give
    /// back, such as a blocked one, is waited for. A killed run may leave it taken back and not yet filled: the next run
    /// fills it.
    async fn take_back<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        id: &ContactId,
        left: &mut Left,
    ) -> Outcome {
        match self.workspace.client.contacts().unarchive(id).await {
            Ok(_) => {}
            Err(error) => {
                return match outcome_of(&error) {
                    Outcome::Refused(_) => {
                        Outcome::Queued(queue::archived_in_intercom().object(id.as_str()))
                    }
                    other => other,
                };
            }
        }
        self.adopt(write, fields, id, left).await
    }

    /// Takes a contact that is there already: our own of which the reply was lost, or somebody
    /// else's, which is filled where it is empty.
    async fn adopt<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        id: &ContactId,
        left: &mut Left,
    ) -> Outcome {
        let found = match self.workspace.client.contacts().get(id).await {
            Ok(found) => found,
            Err(error) => return Outcome::Failed(failure_of(&error)),
        };
        let external_id = found.external_id.as_ref().map(|id| id.reveal().as_str());
        let ours = external_id == Some(fields.external_id.as_str());
        if ours && is_new(found.created_at, write.since) {
            return self.complete(fields, &found, left).await;
        }
        let is_ours = external_id.is_some_and(|id| is_of_migration(id, &fields.external_id));
        if is_ours && !ours {
            // Another LeadDesk contact became this one: it has the same address.
            return Outcome::Queued(queue::address_taken().object(found.id.as_str()));
        }
        self.fill(write, fields, &found, left).await
    }

    /// Our own contact of which the reply was lost: what differs is written, since the record may
    /// have changed between the two tries. It stays one that this migration created.
    async fn complete(&self, fields: &ContactFields, found: &Contact, left: &mut Left) -> Outcome {
        let created = Outcome::Created(TargetId::new(found.id.as_str()));
        let change = filling(fields, found, &Value::Null);
        if change.is_empty() {
            *left = Some(Fingerprint::of(&left::created(found)));
            return created;
        }
        match self.workspace.client.contacts().update(&found.id, &change).await {
            Ok(now) => {
                *left = Some(Fingerprint::of(&left::created(&now)));
                created
            }
            Err(error) => outcome_of(&error),
        }
    }

    async fn update<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        known: &Written,
        left: &mut Left,
    ) -> Outcome {
        let id = ContactId::new(known.target.as_str());
        let change = match known.how {
            How::Created => whole_update(fields),
            _ => match self.workspace.client.contacts().get(&id).await {
                Ok(found) => return self.fill(write, fields, &found, left).await,
                Err(error) if error.contact_merged_into().is_some() => {
                    return self.follow(write, fields, &error, left).await;
                }
                Err(error) if error.is_not_found() => return Outcome::Refused(deleted_since()),
                Err(error) => return Outcome::Failed(failure_of(&error)),
            },
        };
        match self.workspace.client.contacts().update(&id, &change).await {
            Ok(now) => {
                *left = Some(Fingerprint::of(&left::created(&now)));
                Outcome::Updated(known.target.clone())
            }
            Err(error) if error.contact_merged_into().is_some() => {
                self.follow(write, fields, &error, left).await
            }
            Err(error) if error.is_not_found() => Outcome::Refused(deleted_since()),
            Err(error) => outcome_of(&error),
        }
    }

    /// Goes on with the contact that somebody has merged ours into: it is theirs, so it is filled.
    async fn follow<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        error: &Error,
        left: &mut Left,
    ) -> Outcome {
        let Some(into) = error.contact_merged_into() else { return outcome_of(error) };
        match self.workspace.client.contacts().get(&into).await {
            Ok(found) => self.fill(write, fields, &found, left).await,
            Err(error) if error.is_not_found() => Outcome::Refused(deleted_since()),
            Err(error) => Outcome::Failed(failure_of(&error)),
        }
    }

    /// Fills what is empty and brings up to date what was filled before, or overwrites where the
    /// configuration says so. What stood there is kept first: by that it can be put back, and later
    /// runs tell what was the customer's from what was filled.
    async fn fill<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        found: &Contact,
        left: &mut Left,
    ) -> Outcome {
        let id = TargetId::new(found.id.as_str());
        let before = match self.workspace.ledger.before(&write.key).await {
            Ok(before) => before,
            Err(error) => return not_kept(&error),
        };
        let now = image(found);
        let theirs = match &before {
            _ if self.workspace.overwrite => &Value::Null,
            // The image of a contact that was merged into this one says nothing about this one.
            Some(before) if before["id"] == now["id"] => before,
            _ => &now,
        };
        let stands = |found: &Contact| match self.workspace.overwrite {
            true => Fingerprint::of(&left::overwritten(found)),
            false => Fingerprint::of(&left::filled(found, theirs)),
        };
        let change = filling(fields, found, theirs);
        if change.is_empty() {
            *left = Some(stands(found));
            // An image is kept right before a change: so it was changed, and the reply lost.
            let is_changed = before.is_some();
            return if is_changed { Outcome::Updated(id) } else { Outcome::Unchanged(id) };
        }
        if let Err(error) = write.remember(now.clone()).await {
            return not_kept(&error);
        }
        match self.workspace.client.contacts().update(&found.id, &change).await {
            Ok(changed) => {
                *left = Some(stands(&changed));
                Outcome::Updated(id)
            }
            Err(error) => outcome_of(&error),
        }
    }

    async fn tag(&self, write: &Write<ContactDraft>, name: &str) -> Outcome {
        let Some(contact) = write.resolved.root() else { return Outcome::Refused(no_root()) };
        let contact = ContactId::new(contact.as_str());
        let tag = match self.workspace.tags.get_or_create(name).await {
            Ok((tag, _)) => tag,
            Err(error) => return tag_failed(&error),
        };
        let target = TargetId::new(tag.as_str());
        if !write.resolved.root_is_ours() {
            // Somebody may have put it there: then rollback must leave it there.
            match self.workspace.client.contacts().tags(&contact).await {
                Ok(tags) if tags.iter().any(|known| known.id == tag) => {
                    return self.workspace.is_there(write, target).await;
                }
                Ok(_) => {}
                Err(error) => return Outcome::Failed(failure_of(&error)),
            }
            if let Err(outcome) = self.workspace.note_absence(write).await {
                return outcome;
            }
        }
        match self.workspace.client.contacts().add_tag(&contact, &tag).await {
            Ok(_) => Outcome::Created(target),
            Err(error) if is_tag_gone(&error) => {
                self.workspace.tags.forget(name).await;
                not_yet(&error)
            }
            Err(error) => outcome_of(&error),
        }
    }

    async fn note(&self, write: &Write<ContactDraft>, body: &str) -> Outcome {
        let Some(contact) = write.resolved.root() else { return Outcome::Refused(no_root()) };
        let contact = ContactId::new(contact.as_str());
        let (body, admin) = (body_of(body), Some(&self.workspace.admin));
        match self.workspace.client.contacts().add_note(&contact, &body, admin).await {
            Ok(note) => Outcome::Created(TargetId::new(note.id.as_str())),
            Err(error) => outcome_of(&error),
        }
    }

    /// Looks for a lead by the attribute that holds its key, through search, which lags. Intercom
    /// finds users by their external id, and no leads.
    pub(super) async fn find_lead(&self, fields: &ContactFields) -> Result<Found, Error> {
        let key = fields.external_id.as_str();
        let Some(name) = source_key(fields) else { return Ok(Found::CannotTell) };
        let query = Query::eq(format!("custom_attributes.{name}"), key);
        let mut found = self.workspace.client.contacts().search(query).items();
        let mut ids = Vec::new();
        while let Some(contact) = found.next().await {
            let id = contact?.id;
            if or_gone(self.workspace.client.contacts().get(&id).await)?.is_some() {
                ids.push(TargetId::new(id.as_str()));
            }
        }
        Ok(answer(ids, Evidence::Search))
    }

    /// Looks for a note by its marker line, among the contact's notes, which are current.
    async fn find_note(&self, doubt: &Doubt<ContactDraft>, wanted: &str) -> Result<Found, Error> {
        let Some(contact) = doubt.resolved.root() else { return Ok(Found::CannotTell) };
        let contact = ContactId::new(contact.as_str());
        let mut notes = self.workspace.client.contacts().notes(&contact).items();
        let mut ids = Vec::new();
        while let Some(note) = notes.next().await {
            let note = note?;
            let id = TargetId::new(note.id.as_str());
            let is_it = note.body.is_some_and(|body| text::same(body.reveal(), wanted));
            if is_it && !doubt.taken.contains(&id) {
                ids.push(id);
            }
        }
        Ok(answer(ids, Evidence::Read))
    }
}

/// The attribute that holds the key of a lead, by which it is found again.
pub(crate) fn source_key(fields: &ContactFields) -> Option<&str> {
    let key = fields.external_id.as_str();
    let mut attributes = fields.attributes.iter();
    let (name, _) = attributes.find(|(_, value)| value.as_str() == Some(key))?;
    Some(name)
}

#[async_trait]
impl Sink<ContactDraft> for ContactSink {
    async fn write(&self, batch: Vec<Write<ContactDraft>>) {
        for mut write in batch {
            let mut left = None;
            let outcome = match &write.draft {
                ContactDraft::Contact(fields) => self.contact(&write, fields, &mut left).await,
                ContactDraft::Tag(name) => self.tag(&write, name).await,
                ContactDraft::Note { body, .. } => self.note(&write, body).await,
            };
            if let Some(left) = left {
                write.leaves(left);
            }
            write.spend(outcome);
        }
    }

    async fn find(&self, doubt: &Doubt<ContactDraft>) -> Result<Found, Failure> {
        let found = match &doubt.draft {
            ContactDraft::Contact(fields) => self.find_lead(fields).await,
            ContactDraft::Note { body, .. } => self.find_note(doubt, body).await,
            ContactDraft::Tag(_) => Ok(Found::CannotTell),
        };
        found.map_err(|error| failure_of(&error))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(self.workspace.in_flight)
    }
}

/// What a list of matches says.
pub(super) fn answer(mut ids: Vec<TargetId>, evidence: Evidence) -> Found {
    match ids.len() {
        0 => Found::No(evidence),
        1 => Found::Yes(ids.remove(0)),
        _ => Found::Twins(ids),
    }
}

pub(super) fn no_root() -> migrate_core::Reason {
    migrate_core::Reason::new("no_object", "the object this belongs to is not known")
}

/// Was an external id made by a migration with the same prefix as this one, whatever its kind?
fn is_of_migration(external_id: &str, one_of_ours: &str) -> bool {
    let prefix = one_of_ours.split_once(':').map_or("", |(prefix, _)| prefix);
    external_id.split_once(':').is_some_and(|(known, _)| known == prefix)
}

fn is_new(created_at: Option<DateTime<Utc>>, since: DateTime<Utc>) -> bool {
    created_at.is_some_and(|created_at| created_at + CLOCK_SKEW >= since)
}

fn role(fields: &ContactFields) -> Role {
    Role::from(fields.role.as_str())
}

fn time(seconds: Option<i64>) -> Option<DateTime<Utc>> {
    seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0))
}

fn attributes(fields: &ContactFields) -> Attributes {
    fields.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn new_contact(fields: &ContactFields) -> NewContact {
    let mut new = NewContact::user(&fields.external_id).custom_attributes(attributes(fields));
    new.role = Some(role(fields));
    new.email = fields.email.clone().map(Into::into);
    new.phone = fields.phone.clone().map(Into::into);
    new.name = fields.name.clone().map(Into::into);
    new.signed_up_at = time(fields.signed_up_at);
    new
}

/// All fields that have a value. What the source has lost stays as it was in Intercom.
///
/// The role `user` is sent as well: a lead that has become a customer is to be one in Intercom, too.
/// The vendor lists it among the fields of an update; that it promotes a lead is unverified.
fn whole_update(fields: &ContactFields) -> UpdateContact {
    let mut change = UpdateContact::new().custom_attributes(attributes(fields));
    if fields.role == "user" {
        change = change.role(Role::User);
    }
    change.email = fields.email.clone().map(Into::into);
    if let Some(phone) = &fields.phone {
        change = change.phone(phone.clone());
    }
    if let Some(name) = &fields.name {
        change = change.name(name.clone());
    }
    if let Some(time) = time(fields.signed_up_at) {
        change = change.signed_up_at(time);
    }
    change
}

/// What of a contact is to be changed: what is empty, and what differs, unless it was theirs, who
/// had the contact before. `theirs` is its [image] from then. A foreign external id is never
/// overwritten.
fn filling(fields: &ContactFields, found: &Contact, theirs: &Value) -> UpdateContact {
    let now = image(found);
    let wanted = |name: &str, ours: &Option<String>| {
        let ours = ours.clone()?;
        may_change(&now[name], &json!(ours), &theirs[name]).then_some(ours)
    };
    let mut change = UpdateContact::new();
    if found.external_id.is_none() {
        change = change.external_id(&fields.external_id);
    }
    if let Some(email) = wanted("email", &fields.email)
        && found.email.as_ref().is_none_or(|known| !known.reveal().eq_ignore_ascii_case(&email))
    {
        change = change.email(email);
    }
    if let Some(phone) = wanted("phone", &fields.phone) {
        change = change.phone(phone);
    }
    if let Some(name) = wanted("name", &fields.name) {
        change = change.name(name);
    }
    if let Some(time) = time(fields.signed_up_at)
        && may_change(&now["signed_up_at"], &json!(time.timestamp()), &theirs["signed_up_at"])
    {
        change = change.signed_up_at(time);
    }
    let (now, theirs) = (&now["custom_attributes"], &theirs["custom_attributes"]);
    let differing = fields.attributes.iter();
    let differing = differing.filter(|(name, it)| may_change(&now[name], it, &theirs[name]));
    change.custom_attributes =
        differing.map(|(name, value)| (name.clone(), value.clone())).collect();
    change
}

/// Is a field to be written that stands so now, and stood so before the migration met the contact?
fn may_change(now: &Value, wanted: &Value, before: &Value) -> bool {
    is_empty(now) || (is_empty(before) && now != wanted)
}

#[cfg(test)]
mod tests;
