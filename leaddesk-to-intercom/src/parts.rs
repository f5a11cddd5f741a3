//! [`Parts`]: what a program may replace of the migration, and add to it.

use std::fmt;
use std::sync::Arc;

use leaddesk_client::Call;
use migrate_core::{Mapper, Sink, Source, Stage};

use crate::draft::{AttributeDefinition, ContactDraft, ConversationDraft};
use crate::source::ListedContact;

/// Changes the parts of a migration before it is planned, run or verified. It is asked each time, and
/// must do the same each time, or a plan would promise what a run does not do.
pub type Custom = Arc<dyn Fn(Parts) -> Parts + Send + Sync>;

/// What a program may replace of the migration, and add to it. Everything else stays as it is.
///
/// Mappers can be wrapped as well as replaced: see [`MapperExt`](migrate_core::MapperExt), and
/// [`SourceExt`](migrate_core::SourceExt) for sources.
///
/// Recordings are not copied. A program that stores them somewhere gives each call the address there,
/// and the conversation shows that:
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Arc;
///
/// use leaddesk_to_intercom::Parts;
/// use migrate_core::SourceExt as _;
///
/// /// `stored` has the addresses of recordings by the ids of their calls.
/// fn with_recordings(mut parts: Parts, stored: Arc<HashMap<String, String>>) -> Parts {
///     let calls = parts.call_source.map_body(move |mut call| {
///         if let Some(address) = stored.get(call.id.as_str()) {
///             call.record_file = Some(address.clone().into());
///         }
///         call
///     });
///     parts.call_source = Arc::new(calls);
///     parts
/// }
/// ```
#[non_exhaustive]
pub struct Parts {
    /// What contacts become.
    pub contacts: Arc<dyn Mapper<ListedContact, Out = ContactDraft>>,
    /// What leads become.
    pub leads: Arc<dyn Mapper<ListedContact, Out = ContactDraft>>,
    /// What calls become.
    pub calls: Arc<dyn Mapper<Call, Out = ConversationDraft>>,
    /// Where calls come from: all routes together.
    pub call_source: Arc<dyn Source<Record = Call>>,
    /// Where calls go.
    pub call_sink: Arc<dyn Sink<ConversationDraft>>,
    /// Further attributes that contacts are given; stage `schema` sees to it that they are there.
    pub attributes: Vec<AttributeDefinition>,
    /// Does this write? In a plan and in a verification, sinks of a program's own must not.
    pub writes: bool,
    pub(crate) stages: Vec<(Box<dyn Stage>, Vec<String>)>,
}

impl Parts {
    /// Adds a stage of the program's own, which comes after others.
    #[must_use]
    pub fn stage(mut self, stage: impl Stage + 'static, after: &[&str]) -> Self {
        let after = after.iter().map(|&name| name.to_owned()).collect();
        self.stages.push((Box::new(stage), after));
        self
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("writes", &self.writes).finish_non_exhaustive()
    }
}
