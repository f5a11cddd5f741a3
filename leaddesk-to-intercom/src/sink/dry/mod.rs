//! The sinks of a dry run: they write nothing and count what a run would do.

mod contacts;
mod sample;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use migrate_core::{Doubt, Draft, Failure, Found, Limits, Sink, TargetId, Write};

use crate::config::Names;
use crate::draft::{
    AgentDraft, Attributes, ContactDraft, ConversationDraft, SchemaDraft, TeamDraft,
};
use crate::value::TagName;

pub use contacts::DryContactSink;
pub use sample::{Action, Looked, Sampler};

/// A draft that can be counted.
pub trait CallCost {
    /// Counts this draft alone: the calls that it takes, and what it makes.
    fn count(&self, counted: &mut Counted);
}

/// What was counted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Counted {
    /// Calls for all drafts, without those that make tags.
    pub calls: u64,
    /// The names of the tags that were put on something; a tag itself is made once.
    pub tags: BTreeSet<String>,
    /// How often one was put on something.
    pub tagged: u64,
    /// How often one could be put on a call, whatever the configuration says, and the names of these.
    pub taggable: u64,
    /// The names of the tags that could be put on calls.
    pub taggable_tags: BTreeSet<String>,
    /// The attributes that have to be there.
    pub attributes: Vec<SchemaDraft>,
    /// Conversations that are opened.
    pub conversations: u64,
    /// Replies of customers in these.
    pub replies: u64,
    /// What agents say in these.
    pub remarks: u64,
    /// Contacts of which nobody could say whether Intercom has them.
    pub unasked: u64,
}

impl Counted {
    fn tag(&mut self, name: &str) {
        self.tags.insert(name.to_owned());
        self.tagged += 1;
    }

    fn could_tag(&mut self, tag: Option<TagName>) {
        let Some(tag) = tag else { return };
        self.taggable += 1;
        self.taggable_tags.insert(tag.as_str().to_owned());
    }
}

impl CallCost for ContactDraft {
    fn count(&self, counted: &mut Counted) {
        counted.calls += 1;
        if let Self::Tag(name) = self {
            counted.tag(name);
        }
    }
}

impl CallCost for ConversationDraft {
    fn count(&self, counted: &mut Counted) {
        counted.calls += u64::from(!matches!(self, Self::Speaker { .. } | Self::Teammate { .. }));
        match self {
            Self::Tag(name) => counted.tag(name),
            Self::Opening { .. } => counted.conversations += 1,
            Self::Message { .. } => counted.replies += 1,
            Self::Remark { .. } => counted.remarks += 1,
            _ => {}
        }
    }
}

impl CallCost for SchemaDraft {
    fn count(&self, counted: &mut Counted) {
        match self {
            // What makes a tag is counted by its name.
            Self::Tag(name) => drop(counted.tags.insert(name.clone())),
            definition => {
                counted.calls += 1;
                counted.attributes.push(definition.clone());
            }
        }
    }
}

impl CallCost for AgentDraft {
    fn count(&self, _: &mut Counted) {}
}

impl CallCost for TeamDraft {
    fn count(&self, _: &mut Counted) {}
}

/// Counts. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct CallCount(Arc<Mutex<Counted>>);

impl CallCount {
    /// What was counted so far.
    pub fn counted(&self) -> Counted {
        self.lock().clone()
    }

    /// Counts a draft, and the calls that it takes because of what is there already.
    fn count(&self, draft: &impl CallCost, more: u64) {
        let mut counted = self.lock();
        draft.count(&mut counted);
        counted.calls += more;
    }

    /// Counts contacts of which nobody could say whether Intercom has them.
    fn unasked(&self, contacts: u64) {
        self.lock().unasked += contacts;
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Counts the conversations of calls instead of writing them, and beside the tags that they are given
/// those that they could be given.
#[derive(Clone, Debug)]
pub struct DryCallSink {
    count: CallCount,
    names: Names,
}

impl DryCallSink {
    /// A sink that counts here. Attributes tell which tags a call could be given: they are written
    /// whatever the configuration says of tags.
    pub fn new(count: CallCount, names: &Names) -> Self {
        Self { count, names: names.clone() }
    }

    fn could_tag(&self, attributes: &Attributes) {
        let names = &self.names;
        let mut counted = self.count.lock();
        for (attribute, prefix) in [
            // This one holds the tag itself.
            (&names.campaign_tag, ""),
            (&names.disposition, names.disposition_prefix.as_str()),
            (&names.outcome, names.outcome_prefix.as_str()),
        ] {
            let value = attributes.get(attribute).and_then(|value| value.as_str());
            counted.could_tag(value.and_then(|value| TagName::new(prefix, value)));
        }
    }
}

#[async_trait]
impl Sink<ConversationDraft> for DryCallSink {
    async fn write(&self, batch: Vec<Write<ConversationDraft>>) {
        for write in &batch {
            if let ConversationDraft::Attributes(attributes) = &write.draft {
                self.could_tag(attributes);
            }
        }
        DrySink::new(self.count.clone()).write(batch).await;
    }

    async fn find(&self, _: &Doubt<ConversationDraft>) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(64)
    }
}
