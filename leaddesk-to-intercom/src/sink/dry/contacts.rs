//! Contacts in a dry run.

use std::collections::BTreeSet;

use async_trait::async_trait;
use futures::StreamExt as _;
use intercom_client::{IntercomClient, Query, Role, Search};
use migrate_core::{Doubt, Failure, Found, Limits, Sink, TargetId, Write};

use crate::draft::ContactDraft;

use super::{CallCount, Sampler};

/// Counts contacts instead of writing them. Whom Intercom knows takes more calls than who is new, so it
/// is asked, which writes nothing.
#[derive(Clone, Debug)]
pub struct DryContactSink {
    count: CallCount,
    client: IntercomClient,
    sample: Option<Sampler>,
}

/// Addresses that are asked for at once.
const ASKED: usize = 50;

/// Searches under way at once.
const SEARCHES: usize = 4;

impl DryContactSink {
    /// A sink that counts here and asks there.
    pub fn new(count: CallCount, client: IntercomClient) -> Self {
        Self { count, client, sample: None }
    }

    /// The same, which lets a sample be taken of its contacts.
    #[must_use]
    pub fn sampled(mut self, sample: Sampler) -> Self {
        self.sample = Some(sample);
        self
    }

    /// The addresses among these that belong to users who were not made by a migration of these
    /// records: what is made by one stands in its ledger, and is not met again.
    async fn known(&self, batch: &[Write<ContactDraft>]) -> BTreeSet<String> {
        let users: Vec<(&str, &str)> = batch.iter().filter_map(|it| user(&it.draft)).collect();
        if users.is_empty() {
            return BTreeSet::new();
        }
        let query = Query::one_of("email", users.iter().map(|(email, _)| *email));
        let search = Search::new(query).per_page(150);
        let mut found = self.client.contacts().search(search).items();
        let mut known = BTreeSet::new();
        while let Some(contact) = found.next().await {
            let Ok(contact) = contact else {
                self.count.unasked(users.len() as u64);
                break;
            };
            let email = contact.email.as_ref().map(|email| email.reveal().to_lowercase());
            let external_id = contact.external_id.as_ref().map(|id| id.reveal().as_str());
            let is_ours = users.iter().any(|(_, ours)| external_id == Some(*ours));
            if contact.role == Some(Role::User) && !is_ours {
                known.extend(email);
            }
        }
        known
    }
}

/// The address and the external id of a draft that makes a user.
fn user(draft: &ContactDraft) -> Option<(&str, &str)> {
    match draft {
        ContactDraft::Contact(fields) if fields.role == "user" => {
            Some((fields.email.as_deref()?, &fields.external_id))
        }
        _ => None,
    }
}

#[async_trait]
impl Sink<ContactDraft> for DryContactSink {
    async fn write(&self, batch: Vec<Write<ContactDraft>>) {
        let known = self.known(&batch).await;
        for write in batch {
            let is_known = user(&write.draft).is_some_and(|(email, _)| known.contains(email));
            let more = match &write.draft {
                // The create is refused; then the contact is read and filled.
                ContactDraft::Contact(_) if is_known => 2,
                // The contact's tags are read first.
                ContactDraft::Tag(_) if !write.resolved.root_is_ours() => 1,
                _ => 0,
            };
            self.count.count(&write.draft, more);
            if let (Some(sample), ContactDraft::Contact(fields)) = (&self.sample, &write.draft) {
                sample.offer(&write.key, fields);
            }
            let id = TargetId::new(write.key.as_str());
            if is_known { write.updated(id) } else { write.created(id) }
        }
    }

    async fn find(&self, _: &Doubt<ContactDraft>) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::batches(ASKED, SEARCHES)
    }
}
