//! Contacts: what one should have become against what Intercom gives back.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use intercom_client::{Contact, ContactId, Error, text};
use migrate_core::ledger::How;
use migrate_core::{
    Check, Failure, Field, Fingerprint, Limits, Normal, ReadBack, Snapshot, TargetId, Verify,
};
use serde_json::Value;

use crate::draft::{ContactDraft, ContactFields};
use crate::sink::{before, is_of_migration, left, read_failure};

use super::{FetchedContact, IN_FLIGHT, KEPT, Verifier, attribute, is_there};

impl Verifier {
    /// The contact of a record, read once; `None` if it is gone.
    pub(super) async fn contact(
        &self,
        target: &TargetId,
    ) -> Result<Option<Arc<FetchedContact>>, Error> {
        if let Some(found) = self.lock().contacts.get(target) {
            return Ok(found.clone());
        }
        let id = ContactId::new(target.as_str());
        let contacts = self.client.contacts();
        let fetched = match contacts.get(&id).await {
            Err(error) if error.is_not_found() || error.status().is_some_and(|s| s == 410) => None,
            Err(error) => return Err(error),
            Ok(contact) => {
                let tags = contacts.tags(&id).await?;
                let tags = tags.into_iter().filter_map(|tag| tag.name);
                let mut notes = Vec::new();
                let mut listed = contacts.notes(&id).items();
                while let Some(note) = listed.next().await {
                    let note = note?;
                    let id = TargetId::new(note.id.as_str());
                    notes.extend(note.body.map(|body| (id, body.reveal().clone())));
                }
                let tags = tags.map(|name| name.to_lowercase()).collect();
                Some(Arc::new(FetchedContact { contact, tags, notes }))
            }
        };
        let mut state = self.lock();
        if state.contacts.len() >= KEPT {
            state.contacts.clear();
        }
        state.contacts.insert(target.clone(), fetched.clone());
        Ok(fetched)
    }
}

/// What stands where a draft was written.
fn stands(check: &Check<ContactDraft>, found: &FetchedContact) -> ReadBack {
    let snapshot = match &check.draft {
        ContactDraft::Contact(fields) => return own_fields(check, fields, found).into(),
        ContactDraft::Tag(name) => Snapshot::of([is_there(
            format!("tag {name}"),
            found.tags.contains(&name.to_lowercase()),
        )]),
        ContactDraft::Note { body, .. } => {
            let notes = found.notes.iter().filter(|(_, note)| text::same(note, body));
            let notes: Vec<TargetId> = notes.map(|(id, _)| id.clone()).collect();
            if notes.len() > 1 {
                return ReadBack::Twins("note".to_owned(), notes);
            }
            Snapshot::of([is_there("note", !notes.is_empty())])
        }
    };
    snapshot.changed_at(found.contact.updated_at).into()
}

/// The contact's own fields, but for those that it had before.
pub(super) fn own_fields<D>(
    check: &Check<D>,
    fields: &ContactFields,
    found: &FetchedContact,
) -> Snapshot {
    let before = match check.how() {
        Some(How::Created) | None => Before::Nothing,
        // Another record has become it, which brings its own values over time.
        Some(How::Updated) if is_anothers(fields, &found.contact) => Before::Whatever,
        Some(How::Updated) => Before::Image(check.before.clone()),
        _ => Before::Everything,
    };
    let snapshot = Snapshot::of(contact_fields(fields, &found.contact, &before));
    let snapshot = snapshot.changed_at(found.contact.updated_at);
    match state(check, &found.contact) {
        Some(state) => snapshot.state(state),
        None => snapshot,
    }
}

/// Is this contact another record of the migration, as that of a lead may be?
fn is_anothers(fields: &ContactFields, found: &Contact) -> bool {
    let external_id = found.external_id.as_ref().map(|id| id.reveal().as_str());
    external_id
        .is_some_and(|id| id != fields.external_id && is_of_migration(id, &fields.external_id))
}

/// The digest of how a contact stands, taken as the sink did when it had written it.
fn state<D>(check: &Check<D>, found: &Contact) -> Option<Fingerprint> {
    let written = check.written.as_ref()?;
    let digest = |bytes: Vec<u8>| Fingerprint::of(&bytes);
    if written.how == How::Created {
        return Some(digest(left::created(found)));
    }
    let before = check.before.as_ref()?;
    Some(digest(left::filled(found, &before::written(before, &left::image(found)))))
}

fn contact_fields(fields: &ContactFields, found: &Contact, was: &Before) -> Vec<Field> {
    let reveal = |field: &Option<intercom_client::Personal<String>>| {
        field.as_ref().map(|value| value.reveal().clone())
    };
    let texts = [
        ("external_id", Some(&fields.external_id), reveal(&found.external_id), Normal::trim()),
        ("email", fields.email.as_ref(), reveal(&found.email), Normal::lowercase()),
        ("phone", fields.phone.as_ref(), reveal(&found.phone), Normal::trim()),
        ("name", fields.name.as_ref(), reveal(&found.name), Normal::trim()),
    ];
    let mut compared = Vec::new();
    for (name, wanted, found, normal) in texts {
        if let Some(wanted) = wanted.filter(|_| !was.theirs(name, found.is_some())) {
            compared.push(Field::new(name, wanted.as_str(), found).by(normal));
        }
    }
    let is_there = found.signed_up_at.is_some();
    if let Some(wanted) = fields.signed_up_at.filter(|_| !was.theirs("signed_up_at", is_there)) {
        let found = found.signed_up_at.map(|time| time.timestamp());
        compared.push(Field::new("signed_up_at", wanted, found));
    }
    for (name, wanted) in &fields.attributes {
        let found = found.custom_attributes.get(name.as_str());
        if !was.theirs(&format!(".{name}"), found.is_some_and(|it| !left::is_empty(it))) {
            compared.push(attribute(name, wanted, found));
        }
    }
    compared
}

/// What a contact had before the migration met it: that is not ours to compare.
enum Before {
    Nothing,
    Image(Option<Value>),
    /// Whatever stands there now.
    Whatever,
    Everything,
}

impl Before {
    /// Is what stands in a field theirs who had the contact before? That of an attribute has a dot in
    /// front of its name. What the migration has never written is, whenever somebody has filled it.
    fn theirs(&self, name: &str, is_there: bool) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Whatever => is_there,
            Self::Image(None) => false,
            Self::Image(Some(image)) => match before::wrote(image, name) {
                Some(wrote) => is_there && !wrote,
                None => !left::is_empty(&left::field(image, name)),
            },
        }
    }
}

#[async_trait]
impl Verify<ContactDraft> for Verifier {
    async fn read_back(&self, check: &Check<ContactDraft>) -> Result<ReadBack, Failure> {
        let found = self.contact(&check.object).await.map_err(|error| read_failure(&error))?;
        Ok(match found {
            None => ReadBack::missing("contact"),
            Some(found) => match &check.draft {
                ContactDraft::Contact(fields) => {
                    let twins = self.twins_of_lead(check, fields).await;
                    let twins = twins.map_err(|error| read_failure(&error))?;
                    twins.unwrap_or_else(|| stands(check, &found))
                }
                _ => stands(check, &found),
            },
        })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(IN_FLIGHT)
    }
}
