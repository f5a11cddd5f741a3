//! The sink of a dry run: it writes nothing and counts the calls that a run would make.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
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
        u64::from(!matches!(self, Self::Speaker { .. }))
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

    fn count(&self, draft: &impl CallCost) {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counted.calls += draft.calls();
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
            self.count.count(&write.draft);
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
