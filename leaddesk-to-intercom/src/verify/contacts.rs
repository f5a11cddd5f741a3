//! Contacts: what one should have become against what Intercom gives back.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use intercom_client::{Contact, ContactId, Error, text};
use migrate_core::ledger::{Entry, How, PartState};
use migrate_core::{Doubt, Evidence, Failure, Found, Key, Limits, Sink, TargetId, Write};
use serde_json::Value;

use crate::draft::{ContactDraft, ContactFields};
use crate::sink::read_failure;

use super::{FetchedContact, IN_FLIGHT, KEPT, Verifier, answer, ledger_failed, same_value};

impl Verifier {
    /// The contact of a record, read once; `None` if it is gone.
    async fn contact(
        &self,
        root: &Key,
        target: &TargetId,
    ) -> Result<Option<Arc<FetchedContact>>, Error> {
        if let Some(found) = self.lock().contacts.get(root) {
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
                    notes.extend(note?.body.map(|body| body.reveal().clone()));
                }
                let tags = tags.map(|name| name.to_lowercase()).collect();
                Some(Arc::new(FetchedContact { contact, tags, notes }))
            }
        };
        let mut state = self.lock();
        if state.contacts.len() >= KEPT {
            state.contacts.clear();
        }
        state.contacts.insert(root.clone(), fetched.clone());
        Ok(fetched)
    }

    async fn compare_contact(&self, write: &Write<ContactDraft>) -> Result<TargetId, Failure> {
        let root = write.key.root();
        let unknown = TargetId::new(write.key.as_str());
        let Some(entry) = self.entry(&root).await.map_err(|error| ledger_failed(&error))? else {
            return Ok(unknown);
        };
        let Some(target) = entry.target.clone().filter(|_| self.wants(&root)) else {
            return Ok(unknown);
        };
        self.checked(&root);
        let read = self.contact(&root, &target).await;
        let Some(found) = read.map_err(|error| read_failure(&error))? else {
            if write.key == root {
                self.mismatch(&root, "contact", "missing");
            }
            return Ok(target);
        };
        match &write.draft {
            ContactDraft::Contact(fields) => {
                let before = match how(&entry, &root) {
                    Some(How::Created) | None => Before::Nothing,
                    Some(How::Updated) => {
                        let image = self.ledger.before(&root).await;
                        Before::Image(image.map_err(|error| ledger_failed(&error))?)
                    }
                    _ => Before::Everything,
                };
                self.compare_fields(&root, fields, &found.contact, &before);
            }
            ContactDraft::Tag(name) => {
                if !found.tags.contains(&name.to_lowercase()) {
                    self.mismatch(&root, &format!("tag {name}"), "lost");
                }
            }
            ContactDraft::Note { body, .. } => {
                if !found.notes.iter().any(|note| text::same(note, body)) {
                    self.mismatch(&root, "note", "lost");
                }
            }
        }
        Ok(target)
    }

    fn compare_fields(&self, root: &Key, fields: &ContactFields, found: &Contact, was: &Before) {
        let reveal = |field: &Option<intercom_client::Personal<String>>| {
            field.as_ref().map(|value| value.reveal().clone())
        };
        let texts = [
            ("external_id", Some(fields.external_id.clone()), reveal(&found.external_id)),
            ("email", fields.email.clone(), reveal(&found.email)),
            ("phone", fields.phone.clone(), reveal(&found.phone)),
            ("name", fields.name.clone(), reveal(&found.name)),
        ];
        for (field, wanted, found) in texts {
            let Some(wanted) = wanted.filter(|_| !was.had(field)) else { continue };
            let same = found.as_deref().is_some_and(|found| match field {
                "email" => found.eq_ignore_ascii_case(&wanted),
                _ => found.trim() == wanted.trim(),
            });
            if !same {
                self.differs(root, field, found.is_some());
            }
        }
        let signed_up_at = found.signed_up_at.map(|time| time.timestamp());
        if fields.signed_up_at.is_some()
            && !was.had("signed_up_at")
            && signed_up_at != fields.signed_up_at
        {
            self.differs(root, "signed_up_at", signed_up_at.is_some());
        }
        for (name, wanted) in &fields.attributes {
            if was.had_attribute(name) {
                continue;
            }
            let found = found.custom_attributes.get(name.as_str()).filter(|value| !value.is_null());
            if !found.is_some_and(|found| same_value(found, wanted)) {
                self.differs(root, name, found.is_some());
            }
        }
    }
}

/// What a contact had before the migration met it: that is not ours to compare.
enum Before {
    Nothing,
    Image(Option<Value>),
    Everything,
}

impl Before {
    fn had(&self, field: &str) -> bool {
        self.value(|image| &image[field])
    }

    fn had_attribute(&self, name: &str) -> bool {
        self.value(|image| &image["custom_attributes"][name])
    }

    fn value(&self, get: impl Fn(&Value) -> &Value) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Image(image) => {
                let value = image.as_ref().map(get);
                value.is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
            }
        }
    }
}

fn how(entry: &Entry, key: &Key) -> Option<How> {
    match entry.part(key).map(|part| &part.state) {
        Some(PartState::Done(written)) => Some(written.how),
        Some(PartState::Intended { known, .. }) => known.as_ref().map(|written| written.how),
        _ => None,
    }
}

#[async_trait]
impl Sink<ContactDraft> for Verifier {
    async fn write(&self, batch: Vec<Write<ContactDraft>>) {
        for write in batch {
            let compared = self.compare_contact(&write).await;
            answer(write, compared);
        }
    }

    async fn find(&self, _: &Doubt<ContactDraft>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(IN_FLIGHT)
    }
}
