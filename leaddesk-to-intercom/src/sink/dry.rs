//! The sink of a dry run: it writes nothing and counts the calls that a run would make.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use intercom_client::{IntercomClient, Query, Role, Search};
use migrate_core::{Doubt, Draft, Failure, Found, Limits, Sink, TargetId, Write};

use crate::draft::{AgentDraft, ContactDraft, ConversationDraft, SchemaDraft};

/// How many calls a draft costs at the destination.
pub trait CallCost {
    /// Calls for this draft alone.
    fn calls(&self) -> u64;

    /// The tag it puts on something; the tag itself is made once.
    fn tag(&self) -> Option<&str> {
        None
    }
}

impl CallCost for ContactDraft {
    fn calls(&self) -> u64 {
        1
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(name) => Some(name),
            _ => None,
        }
    }
}

impl CallCost for ConversationDraft {
    fn calls(&self) -> u64 {
        u64::from(!matches!(self, Self::Speaker { .. } | Self::Teammate { .. }))
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(name) => Some(name),
            _ => None,
        }
    }
}

impl CallCost for SchemaDraft {
    fn calls(&self) -> u64 {
        match self {
            // Counted by its name.
            Self::Tag(_) => 0,
            _ => 1,
        }
    }

    fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(name) => Some(name),
            _ => None,
        }
    }
}

impl CallCost for AgentDraft {
    fn calls(&self) -> u64 {
        0
    }
}

/// The calls that were counted. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CallCount(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    calls: u64,
    tags: BTreeSet<String>,
    unasked: u64,
}

impl CallCount {
    /// Calls for all drafts so far, without those that make tags.
    pub fn calls(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    /// The names of the tags that were put on something.
    pub fn tags(&self) -> Vec<String> {
        let counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.tags.iter().cloned().collect()
    }

    /// Contacts of which nobody could say whether Intercom has them.
    pub fn unasked(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unasked
    }

    /// Counts a draft, and the calls that it takes because of what is there already.
    fn count(&self, draft: &impl CallCost, more: u64) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.calls += draft.calls() + more;
        if let Some(name) = draft.tag() {
            counted.tags.insert(name.to_owned());
        }
    }
}

/// Counts instead of writing.
#[derive(Clone, Debug, Default)]
pub struct DrySink {
    count: CallCount,
}

impl DrySink {
    /// A sink that counts here.
    pub fn new(count: CallCount) -> Self {
        Self { count }
    }
}

#[async_trait]
impl<D: Draft + CallCost> Sink<D> for DrySink {
    async fn write(&self, batch: Vec<Write<D>>) {
        for write in batch {
            self.count.count(&write.draft, 0);
            let id = TargetId::new(write.key.as_str());
            write.created(id);
        }
    }

    async fn find(&self, _: &Doubt<D>) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(64)
    }
}

/// Counts contacts instead of writing them. Whom Intercom knows takes more calls than who is new, so it
/// is asked, which writes nothing.
#[derive(Clone, Debug)]
pub struct DryContactSink {
    count: CallCount,
    client: IntercomClient,
}

/// Addresses that are asked for at once.
const ASKED: usize = 50;

/// Searches under way at once.
const SEARCHES: usize = 4;

impl DryContactSink {
    /// A sink that counts here and asks there.
    pub fn new(count: CallCount, client: IntercomClient) -> Self {
        Self { count, client }
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
                let mut counted = self.count.0.lock().unwrap_or_else(PoisonError::into_inner);
                counted.unasked += users.len() as u64;
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
