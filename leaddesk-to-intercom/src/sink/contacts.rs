//! Contacts: created, or, where Intercom has them already, filled where they are empty.

mod known;

pub(crate) use known::is_of_migration;
pub(super) use known::{filling, has_address};

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

use crate::draft::{ContactDraft, ContactFields};
use crate::queue;

use super::failure::{deleted_since, failure_of, is_tag_gone, not_yet, outcome_of};
use super::left;
use super::same_person::Alike;
use super::schema::tag_failed;
use super::{Workspace, body_of, or_gone};

/// How far Intercom's clock may be behind ours when it is decided whether a contact was there
/// before the migration began.
pub(crate) const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// The digest of what a write left, once it is known.
type Left = Option<Fingerprint>;

/// Writes contacts with their tags and notes.
#[derive(Clone, Debug)]
pub struct ContactSink {
    pub(super) workspace: Workspace,
    /// Of leads: what makes one of the contacts of them.
    pub(super) leads: Option<Alike>,
}

impl ContactSink {
    /// A sink of a workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self { workspace, leads: None }
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
        if let Some(one) = self.one_of_the_contacts(write, fields, left).await {
            return one;
        }
        if let Some(waiting) = self.still_waits(write, fields).await {
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

    async fn update<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        known: &Written,
        left: &mut Left,
    ) -> Outcome {
        let id = ContactId::new(known.target.as_str());
        let found = match self.workspace.client.contacts().get(&id).await {
            Ok(found) => found,
            Err(error) if error.contact_merged_into().is_some() => {
                return self.follow(write, fields, &error, left).await;
            }
            Err(error) if error.is_not_found() => return Outcome::Refused(deleted_since()),
            Err(error) => return Outcome::Failed(failure_of(&error)),
        };
        if known.how != How::Created {
            return self.fill(write, fields, &found, left).await;
        }
        let stands = Fingerprint::of(&left::created(&found));
        let is_edited = known.state.is_some_and(|state| state != stands);
        let change = match is_edited && !self.workspace.overwrite {
            true => update_beside_people(fields, &found),
            false => whole_update(fields),
        };
        match self.workspace.client.contacts().update(&id, &change).await {
            Ok(now) => {
                // What people have changed must go on to show, or a rollback would delete it.
                *left = match is_edited {
                    true => known.state,
                    false => Some(Fingerprint::of(&left::created(&now))),
                };
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
        let (mut ids, mut is_ours) = (Vec::new(), true);
        while let Some(contact) = found.next().await {
            let id = contact?.id;
            let read = self.workspace.client.contacts().get(&id).await;
            if let Some(contact) = or_gone(read)? {
                let external_id = contact.external_id.as_ref().map(|id| id.reveal().as_str());
                // One that bears another id was there before, and was filled.
                is_ours &= external_id.is_none_or(|id| id == key);
                ids.push(TargetId::new(id.as_str()));
            }
        }
        Ok(match answer(ids, Evidence::Search) {
            Found::Yes(id) if !is_ours => Found::Updated(id),
            found => found,
        })
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
            ContactDraft::Contact(fields) => match self.find_filled(doubt, fields).await? {
                Some(found) => Ok(found),
                None => self.find_lead(fields).await,
            },
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

/// What is sent of a contact that people have changed since: the attributes, which are this migration's
/// own, and of what contacts have anyway only what is empty.
fn update_beside_people(fields: &ContactFields, found: &Contact) -> UpdateContact {
    let mut free = fields.clone();
    let is_there = |known: Option<&String>| known.is_some_and(|known| !known.is_empty());
    if is_there(found.email.as_ref().map(|it| it.reveal())) {
        free.email = None;
    }
    if is_there(found.phone.as_ref().map(|it| it.reveal())) {
        free.phone = None;
    }
    if is_there(found.name.as_ref().map(|it| it.reveal())) {
        free.name = None;
    }
    if found.signed_up_at.is_some() {
        free.signed_up_at = None;
    }
    whole_update(&free)
}

#[cfg(test)]
mod tests;
