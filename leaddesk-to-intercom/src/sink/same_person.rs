//! A lead who is one of the contacts: the two stages bring their records together by themselves, and
//! here what they do not see of each other.

use std::collections::BTreeSet;

use intercom_client::{Contact, ContactId};
use migrate_core::ledger::{Change, Entry, How, LedgerError, Written};
use migrate_core::{
    Alias, Doubt, Evidence, Failure, FailureKind, Fate, Fingerprint, Found, Key, Ledger, Outcome,
    TargetId, Write,
};

use crate::config::{Dedupe, Names};
use crate::draft::{ContactDraft, ContactFields};
use crate::queue;
use crate::source::keys;
use crate::stage;
use crate::value::name::clearly_different;

use super::contacts::{ContactSink, filling, has_address};
use super::failure::failure_of;
use super::{before, left, not_kept, or_gone};

impl ContactSink {
    /// The same for leads. One who has the address of a contact of this migration, or by `dedupe` no address and
    /// one of its numbers, and no clearly different name, is that contact: it is filled where it is empty, and
    /// gets the lead's tags. With a clearly different name the lead waits, as strangers with one address
    /// do among contacts, or stands for itself where `dedupe` goes by names as well.
    #[must_use]
    pub fn for_leads(mut self, dedupe: Dedupe, names: &Names) -> Self {
        self.leads = Some(Alike { dedupe, phones: names.phones().collect() });
        self
    }

    /// Fills the contact that a lead is, if it is one.
    pub(super) async fn one_of_the_contacts<D>(
        &self,
        write: &Write<D>,
        fields: &ContactFields,
        left: &mut Option<Fingerprint>,
    ) -> Option<Outcome> {
        let alike = self.leads.as_ref().filter(|alike| alike.dedupe != Dedupe::None)?;
        let (email, numbers) = alike.names(fields);
        for (names, by_address) in [(email, true), (numbers, false)] {
            let mut contacts = match self.contacts_of(write, &names).await {
                Ok(contacts) => contacts,
                Err(outcome) => return Some(outcome),
            };
            // Somebody may have given one of them another address since.
            contacts.retain(|found| !by_address || has_address(found, fields));
            let differs = |found: &&Contact| {
                let names = found.name.as_ref().zip(fields.name.as_ref());
                names.is_some_and(|(one, other)| clearly_different(one.reveal(), other))
            };
            let same: Vec<&Contact> = contacts.iter().filter(|it| !differs(it)).collect();
            match (&same[..], contacts.first()) {
                ([only], _) => return Some(self.fill(write, fields, only, left).await),
                // Of several nobody can say which the lead is.
                (_, Some(one)) if by_address && alike.dedupe != Dedupe::EmailAndName => {
                    let reason = queue::address_taken().object(one.id.as_str());
                    return Some(Outcome::Queued(reason));
                }
                _ => {}
            }
        }
        None
    }

    /// The contacts of this migration that have one of these names, as they are now.
    async fn contacts_of<D>(
        &self,
        write: &Write<D>,
        names: &[Alias],
    ) -> Result<Vec<Contact>, Outcome> {
        let known = self.workspace.ledger.known_as(names).await;
        let known = known.map_err(|error| not_kept(&error))?.into_iter().flatten();
        let own = write.key.root();
        let others = known.filter(|it| it.stage == stage::CONTACTS && it.key != own);
        let mut ids = BTreeSet::new();
        for entry in others {
            match entry.target {
                Some(target) => drop(ids.insert(target)),
                None if matches!(entry.fate, Fate::Pending | Fate::InDoubt) => {
                    let waits = "a contact with the same address is not in place yet";
                    return Err(Outcome::Failed(Failure::new(FailureKind::NotDone, waits)));
                }
                None => {}
            }
        }
        let mut contacts = Vec::with_capacity(ids.len());
        for id in ids {
            let id = ContactId::new(id.as_str());
            match or_gone(self.workspace.client.contacts().get(&id).await) {
                Ok(found) => contacts.extend(found),
                // Somebody has merged it into another, which is theirs.
                Err(error) if error.contact_merged_into().is_some() => {}
                Err(error) => return Err(Outcome::Failed(failure_of(&error))),
            }
        }
        Ok(contacts)
    }

    /// What became of a write in doubt that was to fill a contact which was there before: an image of
    /// that is kept right before it is changed. `None` where nothing was to be filled.
    pub(super) async fn find_filled(
        &self,
        doubt: &Doubt<ContactDraft>,
        fields: &ContactFields,
    ) -> Result<Option<Found>, Failure> {
        let kept = self.workspace.ledger.before(&doubt.key).await;
        let kept = kept.map_err(|error| {
            Failure::new(FailureKind::NotDone, format!("the ledger could not be read: {error}"))
        })?;
        let Some(kept) = kept.filter(|kept| kept["id"].is_string() && !before::is_bare(kept))
        else {
            return Ok(None);
        };
        let id = ContactId::new(kept["id"].as_str().unwrap_or_default());
        let found = or_gone(self.workspace.client.contacts().get(&id).await);
        let Some(found) = found.map_err(|error| failure_of(&error))? else { return Ok(None) };
        let is_filled = filling(fields, &found, &kept).is_empty();
        let id = TargetId::new(found.id.as_str());
        Ok(Some(if is_filled { Found::Updated(id) } else { Found::No(Evidence::Read) }))
    }
}

/// What makes a contact of a lead.
#[derive(Clone, Debug)]
pub(super) struct Alike {
    dedupe: Dedupe,
    /// The attributes of further numbers.
    phones: Vec<String>,
}

impl Alike {
    /// The names by which a person is known: by address, or without one by all numbers where `dedupe` says so.
    /// Whoever has an address of their own shares a number as a household does.
    fn names(&self, fields: &ContactFields) -> (Vec<Alias>, Vec<Alias>) {
        let email: Vec<Alias> = fields.email.as_deref().map(keys::email).into_iter().collect();
        if !email.is_empty() || self.dedupe != Dedupe::EmailOrPhone {
            return (email, Vec::new());
        }
        let further = self.phones.iter().filter_map(|name| fields.attributes.get(name)?.as_str());
        let numbers = fields.phone.as_deref().into_iter().chain(further);
        (email, numbers.flat_map(|numbers| numbers.split(", ")).map(keys::phone).collect())
    }
}

/// The record that has created this contact, if it is another one of this migration.
pub(crate) async fn owner(
    ledger: &dyn Ledger,
    own: &Key,
    contact: &Contact,
) -> Result<Option<(Entry, Written)>, LedgerError> {
    let external_id = contact.external_id.as_ref().map(|id| id.reveal().as_str());
    let Some((_, key)) = external_id.and_then(|id| id.split_once(':')) else { return Ok(None) };
    let key = Key::from(key);
    if key == own.root() {
        return Ok(None);
    }
    let entry = ledger.entries(std::slice::from_ref(&key)).await?.into_iter().flatten().next();
    Ok(entry.and_then(|entry| {
        let written = entry.written(&key).cloned()?;
        let is_it = written.how == How::Created && written.target.as_str() == contact.id.as_str();
        is_it.then_some((entry, written))
    }))
}

/// Keeps that a contact stands otherwise by a change to another record, so that its owner's rollback
/// does not take that for somebody else's doing. Nothing is kept where somebody has changed it before.
pub(crate) async fn note_change(
    ledger: &dyn Ledger,
    own: &Key,
    was: &Contact,
    now: &Contact,
) -> Result<(), LedgerError> {
    let Some((entry, written)) = owner(ledger, own, was).await? else { return Ok(()) };
    if written.state != Some(Fingerprint::of(&left::created(was))) {
        return Ok(());
    }
    let state = Some(Fingerprint::of(&left::created(now)));
    let Written { target, fingerprint, how, at, .. } = written;
    let (key, stage) = (entry.key, entry.stage);
    ledger.commit(vec![Change::Done { key, stage, target, fingerprint, how, state, at }]).await
}
