//! Contacts that are there already: filled where they are empty, taken back where they are archived.

use chrono::{DateTime, Utc};
use intercom_client::{Contact, ContactId, Error, Role, UpdateContact};
use migrate_core::ledger::{Change, LedgerError};
use migrate_core::{Fingerprint, Outcome, TargetId, Write};
use serde_json::{Value, json};

use super::{CLOCK_SKEW, ContactSink, time};
use crate::draft::ContactFields;
use crate::queue;
use crate::sink::failure::{failure_of, failure_of_write, outcome_of};
use crate::sink::left::{self, field, image};
use crate::sink::ours::{self, Left};
use crate::sink::same_person::owner;
use crate::sink::{before, not_kept, note_change};

impl ContactSink {
    /// A record that waits for a contact goes on waiting while that is as it was, which costs no write
    /// call: one that is archived cannot be read, and one that another record became has the address yet.
    pub(super) async fn still_waits<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
    ) -> Option<Outcome> {
        let reason = write.waited_for.clone()?;
        let id = ContactId::new(reason.object.as_deref()?);
        let of_archived = queue::address_of_archived().object(id.as_str()) == reason;
        let is_archived = reason.code == queue::archived_in_intercom().code;
        if is_archived && self.workspace.unarchive {
            return None;
        }
        match self.workspace.client.contacts().get(&id).await {
            Err(error) if error.is_not_found() => {
                (is_archived || of_archived).then_some(Outcome::Queued(reason))
            }
            Err(error) => Some(Outcome::Failed(failure_of(&error))),
            Ok(found) => {
                // One that is in place, or to be filled, cannot become another, whoever that is.
                let in_use = queue::address_in_use().object(id.as_str()) == reason;
                let is_taken = match in_use || write.known_as.is_some() {
                    true => found.role == Some(Role::User) && has_address(&found, fields),
                    false => has_taken(&found, fields),
                };
                (!is_archived && is_taken).then_some(Outcome::Queued(reason))
            }
        }
    }

    /// Takes an archived contact back and goes on as with any other that was there before. That it was
    /// archived is kept first, so that a rollback archives it again. One that Intercom does not give
    /// back, such as a blocked one, is waited for. A killed run may leave it taken back and not yet
    /// filled: the next run fills it.
    pub(super) async fn take_back<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        id: &ContactId,
        left: &mut Left,
    ) -> Outcome {
        let kept = match self.workspace.ledger.before(&write.key).await {
            Ok(kept) => kept,
            Err(error) => return not_kept(&error),
        };
        // Not by the write itself: a failure after this says nothing about whether it was taken back.
        if let Err(error) = self.replace(write, Some(before::archived(id))).await {
            return not_kept(&error);
        }
        if let Err(error) = self.workspace.client.contacts().unarchive(id).await {
            let Outcome::Refused(_) = outcome_of(&error) else { return outcome_of(&error) };
            // It is still archived, whatever an earlier try set out to do.
            let kept = kept.filter(|kept| !before::is_bare(kept));
            return match self.replace(write, kept).await {
                Ok(()) => Outcome::Queued(queue::archived_in_intercom().object(id.as_str())),
                Err(error) => not_kept(&error),
            };
        }
        self.adopt(write, fields, id, left).await
    }

    /// Takes a contact that is there already: our own of which the reply was lost, or somebody
    /// else's, which is filled where it is empty. One that was archived and is not taken after all is
    /// archived again.
    pub(super) async fn adopt<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        id: &ContactId,
        left: &mut Left,
    ) -> Outcome {
        match self.meet(write, fields, id, left).await {
            outcome @ (Outcome::Refused(_) | Outcome::Queued(_)) => {
                self.leave(write, id, outcome).await
            }
            outcome => outcome,
        }
    }

    async fn meet<D>(
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
            return match self.former(write, &found).await {
                Ok(Some(former)) => self.take_over(fields, &found, former, left).await,
                Ok(None) => Outcome::Queued(queue::address_taken().object(found.id.as_str())),
                Err(error) => not_kept(&error),
            };
        }
        self.fill(write, fields, &found, &mut left.state).await
    }

    /// Archives a contact again to which nothing was written, if it was archived.
    async fn leave<D>(&self, write: &Write<D>, id: &ContactId, outcome: Outcome) -> Outcome {
        let kept = match self.workspace.ledger.before(&write.key).await {
            Ok(kept) => kept,
            Err(error) => return not_kept(&error),
        };
        let as_it_was = |kept: &Value| {
            let is_written = kept["written"].as_object().is_some_and(|names| !names.is_empty());
            before::was_archived(kept) && kept["id"] == json!(id) && !is_written
        };
        if !kept.as_ref().is_some_and(as_it_was) {
            return outcome;
        }
        if let Err(error) = self.workspace.client.contacts().archive(id).await {
            return Outcome::Failed(failure_of_write(&error));
        }
        match (self.replace(write, None).await, outcome) {
            (Err(error), _) => not_kept(&error),
            // By that it is told from one whose contact can be read.
            (Ok(()), Outcome::Queued(reason)) if reason.object.as_deref() == Some(id.as_str()) => {
                Outcome::Queued(queue::address_of_archived().object(id.as_str()))
            }
            (Ok(()), outcome) => outcome,
        }
    }

    /// Our own contact of which the reply was lost: what differs is written, since the record may
    /// have changed between the two tries. It stays one that this migration created.
    async fn complete(&self, fields: &ContactFields, found: &Contact, left: &mut Left) -> Outcome {
        let created = Outcome::Created(TargetId::new(found.id.as_str()));
        let change = filling(fields, found, &Value::Null);
        if change.is_empty() {
            *left = Left::whole(&left::created(found), &left::values(found));
            return created;
        }
        match self.workspace.client.contacts().update(&found.id, &change).await {
            Ok(now) => {
                *left = Left::whole(&left::created(&now), &left::values(&now));
                created
            }
            Err(error) => self.not_changed(&error, fields).await,
        }
    }

    /// What it means that a contact that is in place was not changed. Where another one stands in the
    /// way, the record waits until somebody has told the two apart.
    pub(super) async fn not_changed(&self, error: &Error, fields: &ContactFields) -> Outcome {
        let Some(other) = error.conflicting_contact() else { return outcome_of(error) };
        let reason = match self.workspace.client.contacts().get(&other.id).await {
            _ if other.archived => queue::address_of_archived(),
            Ok(found) => {
                let id = found.external_id.as_ref().map_or("", |id| id.reveal().as_str());
                match is_of_migration(id, &fields.external_id) {
                    true => queue::address_taken(),
                    false => queue::address_in_use(),
                }
            }
            Err(error) => return Outcome::Failed(failure_of(&error)),
        };
        Outcome::Queued(reason.object(other.id.as_str()))
    }

    /// Fills what is empty and brings up to date what was filled before, or overwrites where the
    /// configuration says so. What stood there is kept first, with the names of what is written: by
    /// that it can be put back, and later runs tell what was the customer's from what was filled.
    pub(in crate::sink) async fn fill<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        found: &Contact,
        left: &mut Option<Fingerprint>,
    ) -> Outcome {
        let id = TargetId::new(found.id.as_str());
        let kept = match self.kept(write, found).await {
            Ok(kept) => kept,
            Err(outcome) => return outcome,
        };
        let now = image(found);
        let external_id = found.external_id.as_ref().map(|id| id.reveal().as_str());
        // What another record has become is never overwritten by this one.
        let is_anothers = external_id
            .is_some_and(|id| id != fields.external_id && is_of_migration(id, &fields.external_id));
        // The image of a contact that was merged into this one says nothing about this one.
        let is_it = |kept: &&Value| kept["id"] == now["id"];
        let theirs = match kept.as_ref().filter(is_it) {
            _ if self.workspace.overwrite && !is_anothers => &Value::Null,
            Some(before) => before,
            None => &now,
        };
        let change = filling(fields, found, theirs);
        let before = match &kept {
            Some(other) if !is_it(&other) => other.clone(),
            kept => before::writing(kept.as_ref(), &now, &change),
        };
        let stands = |found: &Contact| {
            Fingerprint::of(&left::filled(found, &before::written(&before, &image(found))))
        };
        if change.is_empty() {
            *left = Some(stands(found));
            // An image is kept right before a change: so it was changed, and the reply lost.
            return match kept {
                Some(_) => Outcome::Updated(id),
                None => Outcome::Unchanged(id),
            };
        }
        let remembered = match &kept {
            None => write.remember(before.clone()).await.map(drop),
            Some(kept) if *kept == before => Ok(()),
            Some(_) => self.replace(write, Some(before.clone())).await,
        };
        if let Err(error) = remembered {
            return not_kept(&error);
        }
        match self.workspace.client.contacts().update(&found.id, &change).await {
            Ok(changed) => {
                *left = Some(stands(&changed));
                let settled = before::settled(before.clone(), &image(&changed), &change);
                if settled != before
                    && is_it(&&before)
                    && let Err(error) = self.replace(write, Some(settled)).await
                {
                    return not_kept(&error);
                }
                if is_anothers
                    && let Err(error) = self.note_anothers(write, found, &changed, &change).await
                {
                    return not_kept(&error);
                }
                Outcome::Updated(id)
            }
            Err(error) => {
                let outcome = self.not_changed(&error, fields).await;
                // What was surely not written is not among what was.
                if let (Outcome::Refused(_) | Outcome::Queued(_), Some(kept)) = (&outcome, kept)
                    && let Err(error) = self.replace(write, Some(kept)).await
                {
                    return not_kept(&error);
                }
                outcome
            }
        }
    }

    /// What is kept of a contact that is to be filled. Of one that was archived, all of it is kept once
    /// it can be read.
    async fn kept<D>(&self, write: &Write<D>, found: &Contact) -> Result<Option<Value>, Outcome> {
        let kept = self.workspace.ledger.before(&write.key).await;
        let kept = kept.map_err(|error| not_kept(&error))?;
        let is_bare = |kept: &Value| before::is_bare(kept) && kept["id"] == json!(found.id);
        if !kept.as_ref().is_some_and(is_bare) {
            return Ok(kept);
        }
        let tags = self.workspace.client.contacts().tags(&found.id).await;
        let tags = tags.map_err(|error| Outcome::Failed(failure_of(&error)))?;
        let whole = Some(before::taken_back(found, &tags));
        self.replace(write, whole.clone()).await.map_err(|error| not_kept(&error))?;
        Ok(whole)
    }

    /// Keeps with the record that has become this contact that it stands otherwise by this change, and
    /// that no person has made it.
    async fn note_anothers<D>(
        &self,
        write: &Write<D>,
        was: &Contact,
        now: &Contact,
        change: &UpdateContact,
    ) -> Result<(), LedgerError> {
        let ledger = &*self.workspace.ledger;
        note_change(ledger, &write.key, was, now).await?;
        let Some((entry, _)) = owner(ledger, &write.key, was).await? else { return Ok(()) };
        let kept = ledger.before(&entry.key).await?.filter(ours::is_kept_of);
        let Some(kept) = kept else { return Ok(()) };
        let image = ours::after(Some(&kept), &left::values(now), &before::values(change));
        let void = Change::VoidBefore { key: entry.key.clone() };
        ledger.commit(vec![void, Change::Before { key: entry.key, image }]).await
    }

    /// Drops what is kept of a contact that this migration created.
    pub(super) async fn forget_ours<D>(&self, write: &Write<D>) -> Result<(), LedgerError> {
        match self.workspace.ledger.before(&write.key).await? {
            Some(kept) if ours::is_kept_of(&kept) => self.replace(write, None).await,
            _ => Ok(()),
        }
    }

    /// Keeps this image in the place of what was kept before.
    async fn replace<D>(&self, write: &Write<D>, image: Option<Value>) -> Result<(), LedgerError> {
        let key = &write.key;
        let mut changes = vec![Change::VoidBefore { key: key.clone() }];
        changes.extend(image.map(|image| Change::Before { key: key.clone(), image }));
        self.workspace.ledger.commit(changes).await
    }
}

/// Is this the user that another record of the migration became, with the address of this one?
fn has_taken(found: &Contact, fields: &ContactFields) -> bool {
    let id = found.external_id.as_ref().map_or("", |id| id.reveal().as_str());
    let is_others = id != fields.external_id && is_of_migration(id, &fields.external_id);
    found.role == Some(Role::User) && is_others && has_address(found, fields)
}

/// Has a contact the address of a record yet?
pub(in crate::sink) fn has_address(found: &Contact, fields: &ContactFields) -> bool {
    let email = found.email.as_ref().map(|email| email.reveal().to_lowercase());
    email.is_some() && email == fields.email.as_ref().map(|own| own.to_lowercase())
}

/// Was an external id made by a migration with the same prefix as this one, whatever its kind?
pub(crate) fn is_of_migration(external_id: &str, one_of_ours: &str) -> bool {
    let prefix = one_of_ours.split_once(':').map_or("", |(prefix, _)| prefix);
    external_id.split_once(':').is_some_and(|(known, _)| known == prefix)
}

/// Was a contact made since then, as far as clocks agree?
pub(crate) fn is_new(created_at: Option<DateTime<Utc>>, since: DateTime<Utc>) -> bool {
    created_at.is_some_and(|created_at| created_at + CLOCK_SKEW >= since)
}

/// What of a contact is to be changed: what is empty, and what differs, unless it was theirs, who
/// had the contact before. `theirs` is its [image] from then. A foreign external id is never
/// overwritten.
pub(in crate::sink) fn filling(
    fields: &ContactFields,
    found: &Contact,
    theirs: &Value,
) -> UpdateContact {
    let now = image(found);
    let may_change =
        |name: &str, wanted: &Value| before::may_change(theirs, name, &field(&now, name), wanted);
    let wanted = |name: &str, ours: &Option<String>| {
        let ours = ours.clone()?;
        may_change(name, &json!(ours)).then_some(ours)
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
        && may_change("signed_up_at", &json!(time.timestamp()))
    {
        change = change.signed_up_at(time);
    }
    let differing = fields.attributes.iter();
    let differing = differing.filter(|(name, it)| may_change(&format!(".{name}"), it));
    change.custom_attributes =
        differing.map(|(name, value)| (name.clone(), value.clone())).collect();
    change
}
