//! Contacts: created, or, where Intercom has them already, filled where they are empty.

mod heir;
mod known;

pub(super) use known::{filling, has_address};
pub(crate) use known::{is_new, is_of_migration};

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
use serde_json::Value;

use crate::draft::{ContactDraft, ContactFields};
use crate::queue;

use super::failure::{deleted_since, failure_of, is_tag_gone, not_yet, outcome_of};
use super::ours::{self, Left};
use super::same_person::Alike;
use super::schema::tag_failed;
use super::{Workspace, before, body_of, left, not_kept, or_gone};

/// How far Intercom's clock may be behind ours when it is decided whether a contact was there
/// before the migration began.
pub(crate) const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

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
        if let Some(one) = self.one_of_the_contacts(write, fields, &mut left.state).await {
            return one;
        }
        if let Some(waiting) = self.still_waits(write, fields).await {
            return waiting;
        }
        match self.workspace.client.contacts().create(&new_contact(fields)).await {
            Ok(made) => {
                *left = Left::whole(&left::created(&made), &left::values(&made));
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
        if let Some(waiting) = self.still_waits(write, fields).await {
            return waiting;
        }
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
            return self.fill(write, fields, &found, &mut left.state).await;
        }
        let kept = match self.workspace.ledger.before(&write.key).await {
            Ok(kept) => kept,
            Err(error) => return not_kept(&error),
        };
        let stands = Fingerprint::of(&left::created(&found));
        let is_edited = known.state.map_or(kept.is_some(), |state| state != stands);
        let is_beside = is_edited && !self.workspace.overwrite;
        let (change, held_back) = match is_beside {
            true => update_beside_people(fields, &found, kept.as_ref()),
            false => (whole_update(fields), Vec::new()),
        };
        if change.is_empty() {
            *left = Left { state: known.state, ours: None, held_back };
            return Outcome::Unchanged(known.target.clone());
        }
        match self.workspace.client.contacts().update(&id, &change).await {
            Ok(now) => {
                *left = Left::whole(&left::created(&now), &left::values(&now));
                if is_edited {
                    // What people have changed must go on to show, or a rollback would delete it.
                    left.state = known.state;
                }
                if is_beside {
                    let sent = before::values(&change);
                    left.ours = Some(ours::after(kept.as_ref(), &left::values(&now), &sent));
                    left.held_back = held_back;
                }
                Outcome::Updated(known.target.clone())
            }
            Err(error) if error.contact_merged_into().is_some() => {
                self.follow(write, fields, &error, left).await
            }
            Err(error) if error.is_not_found() => Outcome::Refused(deleted_since()),
            Err(error) => self.not_changed(&error, fields).await,
        }
    }

    /// Goes on with the contact that somebody has merged ours into: it is theirs, so it is filled. What
    /// was kept of ours says nothing about it.
    async fn follow<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        error: &Error,
        left: &mut Left,
    ) -> Outcome {
        let Some(into) = error.contact_merged_into() else { return outcome_of(error) };
        if let Err(error) = self.forget_ours(write).await {
            return not_kept(&error);
        }
        match self.workspace.client.contacts().get(&into).await {
            Ok(found) => self.fill(write, fields, &found, &mut left.state).await,
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
        match self.note_of_former(write, &contact, body).await {
            Ok(Some(note)) => return Outcome::Unchanged(note),
            Ok(None) => {}
            Err(outcome) => return outcome,
        }
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
        let mut ids = self.notes_saying(&ContactId::new(contact.as_str()), wanted).await?;
        ids.retain(|id| !doubt.taken.contains(id));
        Ok(answer(ids, Evidence::Read))
    }

    /// The notes on a contact that say this.
    pub(super) async fn notes_saying(
        &self,
        contact: &ContactId,
        wanted: &str,
    ) -> Result<Vec<TargetId>, Error> {
        let mut notes = self.workspace.client.contacts().notes(contact).items();
        let mut ids = Vec::new();
        while let Some(note) = notes.next().await {
            let note = note?;
            if note.body.is_some_and(|body| text::same(body.reveal(), wanted)) {
                ids.push(TargetId::new(note.id.as_str()));
            }
        }
        Ok(ids)
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
            let mut left = Left::default();
            let outcome = match &write.draft {
                ContactDraft::Contact(fields) => self.contact(&write, fields, &mut left).await,
                ContactDraft::Tag(name) => self.tag(&write, name).await,
                ContactDraft::Note { body, .. } => self.note(&write, body).await,
            };
            left.note(&mut write);
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

/// What is sent of a contact that people have changed since: the fields that they have not, by what is kept
/// of the last write; and the names of those that are held back.
fn update_beside_people(
    fields: &ContactFields,
    found: &Contact,
    kept: Option<&Value>,
) -> (UpdateContact, Vec<String>) {
    let wanted = before::values(&whole_update(fields));
    let (free, held_back) = ours::beside_people(kept, &left::values(found), wanted);
    let is_free = |name: &str| free.contains_key(name);
    let mut change = fields.clone();
    change.email = change.email.filter(|_| is_free("email"));
    change.phone = change.phone.filter(|_| is_free("phone"));
    change.name = change.name.filter(|_| is_free("name"));
    change.signed_up_at = change.signed_up_at.filter(|_| is_free("signed_up_at"));
    change.attributes.retain(|name, _| is_free(&format!(".{name}")));
    let mut change = whole_update(&change);
    change.role = change.role.filter(|role| found.role.as_ref() != Some(role));
    (change, held_back)
}

#[cfg(test)]
mod tests;
