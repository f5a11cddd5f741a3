//! Where drafts are written: Intercom. Nothing here knows LeadDesk.

mod agents;
mod authors;
pub(crate) mod before;
mod contacts;
mod conversations;
mod dry;
mod failure;
mod gone;
mod gone_on;
pub(crate) mod left;
mod ours;
mod same_person;
mod schema;
mod tags;
mod teams;

pub use agents::AgentSink;
pub use contacts::ContactSink;
pub use conversations::ConversationSink;
pub use dry::{
    Action, CallCost, CallCount, Counted, DryCallSink, DryContactSink, DrySink, Looked, Sampler,
};
pub use schema::{OwnAttributes, SchemaSink, schema_conflicts};
pub use tags::TagBook;
pub use teams::TeamSink;

pub(crate) use contacts::{CLOCK_SKEW, is_new, is_of_migration, source_key};
pub(crate) use conversations::ends_in;
pub(crate) use failure::{failure_of as read_failure, failure_of_write};
pub(crate) use gone::{or_gone, still_there};
pub(crate) use same_person::{note_change, owner};

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use intercom_client::{AdminId, IntercomClient};
use migrate_core::ledger::LedgerError;
use migrate_core::{Failure, FailureKind, Ledger, Outcome, TargetId, Write};
use serde_json::Value;

/// What all sinks of a migration share. Cheap to clone.
#[derive(Clone)]
#[non_exhaustive]
pub struct Workspace {
    /// The client.
    pub client: IntercomClient,
    /// The admin who closes and tags, and who speaks for agents without a teammate.
    pub admin: AdminId,
    /// The admin who stands for the chatbot.
    pub bot: AdminId,
    /// The ledger of the migration, where what stood in Intercom before is kept.
    pub ledger: Arc<dyn Ledger>,
    /// The tags, by name.
    pub tags: Arc<TagBook>,
    /// Writes that may be under way at once; the client's limiter paces them below that.
    pub in_flight: usize,
    /// Are fields of contacts that were there before overwritten, instead of filled where empty?
    pub overwrite: bool,
    /// Are archived contacts taken back that match one to be written?
    pub unarchive: bool,
    /// The attributes of conversations that this migration writes, by name.
    pub conversation_attributes: Arc<BTreeSet<String>>,
}

impl Workspace {
    /// A workspace, with the admin who acts in it and stands for the chatbot. Contacts that were there before are filled
    /// where they are empty, and writes go one after the other, until that is set otherwise.
    pub fn new(client: IntercomClient, admin: AdminId, ledger: Arc<dyn Ledger>) -> Self {
        let tags = Arc::new(TagBook::new(client.clone(), ledger.clone()));
        let (bot, conversation_attributes) = (admin.clone(), Arc::default());
        Self {
            client,
            admin,
            bot,
            ledger,
            tags,
            in_flight: 1,
            overwrite: false,
            unarchive: false,
            conversation_attributes,
        }
    }
}

impl Workspace {
    /// Keeps, right before something is added, that nothing of the kind was there: by that a later
    /// try, after a lost reply, knows it for this migration's own. Says whether this is the first
    /// try that may have added it.
    pub(crate) async fn note_absence<D>(&self, write: &Write<D>) -> Result<bool, Outcome> {
        write.remember(Value::Null).await.map_err(|error| not_kept(&error))
    }

    /// What it means that something to be added is there already: an earlier try of this migration
    /// added it, or it was there before.
    pub(crate) async fn is_there<D>(&self, write: &Write<D>, target: TargetId) -> Outcome {
        match self.ledger.before(&write.key).await {
            Ok(Some(_)) => Outcome::Created(target),
            Ok(None) => Outcome::Unchanged(target),
            Err(error) => not_kept(&error),
        }
    }
}

/// Plain text as the body of a teammate's note or reply, where Intercom takes HTML. The paragraph leaves
/// no doubt that it is HTML, so that a `<` in the text stays one.
fn body_of(text: &str) -> String {
    format!("<p>{}</p>", intercom_client::text::to_html(text))
}

/// What stood in Intercom cannot be kept or read, so nothing may be written now.
fn not_kept(error: &LedgerError) -> Outcome {
    let message = format!("what stood in Intercom is not known to the ledger: {error}");
    Outcome::Failed(Failure::new(FailureKind::NotDone, message))
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("admin", &self.admin).finish_non_exhaustive()
    }
}
