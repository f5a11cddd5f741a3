//! Where drafts are written: Intercom. Nothing here knows LeadDesk.

mod agents;
mod contacts;
mod conversations;
mod dry;
mod failure;
mod schema;
mod tags;

pub use agents::AgentSink;
pub use contacts::ContactSink;
pub use conversations::ConversationSink;
pub use dry::{CallCost, CallCount, DrySink};
pub use schema::SchemaSink;
pub use tags::TagBook;

pub(crate) use failure::failure_of as read_failure;

use std::sync::Arc;

use intercom_client::{AdminId, IntercomClient};

/// What all sinks of a migration share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The client.
    pub client: IntercomClient,
    /// The admin who closes and tags, and who speaks for agents without a teammate.
    pub admin: AdminId,
    /// The tags, by name.
    pub tags: Arc<TagBook>,
    /// Writes that may be under way at once; the client's limiter paces them below that.
    pub in_flight: usize,
    /// Are fields of contacts that were there before overwritten, instead of filled where empty?
    pub overwrite: bool,
}
