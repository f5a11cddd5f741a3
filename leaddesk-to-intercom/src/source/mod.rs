//! Where records come from: LeadDesk's API, or a folder of its exports.
//!
//! | stage | from the API | from a folder |
//! |---|---|---|
//! | agents | [`api::agents`] | [`export::Folder::agents`] |
//! | contacts, leads | [`api::Contacts`] | [`export::Folder::contacts`]; who is a lead says [`LeadFilter`] |
//! | inventory | campaigns, by the REST API | tables and files of JSON, see [`Sort::files`] |
//! | leads, beside those | visitors of the chatbot, from its export: [`Chatbot::visitors`] | likewise |
//! | chats | the chatbot's export: [`Chatbot::chats`] | likewise |
//! | calls | [`api::Calls`] by ids of three kinds, [`api::History`] by numbers | [`export::Folder::calls`], or any call log; all routes together: [`calls`] |
//!
//! Nothing here knows Intercom. Sources of one stage are put together by [`Chain`]; what is given
//! from the start, such as the attributes to be there, is [`Fixed`].

mod agent;
pub mod api;
mod callers;
pub(crate) mod chats;
mod error;
pub mod export;
mod findings;
mod fixed;
pub(crate) mod inventory;
pub mod keys;
mod leads;
mod lists;
mod outcomes;
mod pilot;
mod reach;
mod stamp;

pub use agent::Agent;
pub use callers::Callers;
pub use chats::{Chat, Chatbot, Chats};
pub use findings::Findings;
pub use fixed::Fixed;
pub use inventory::{Documented, Sort};
pub use leads::{LeadFilter, Share, Watch};
pub use outcomes::Outcomes;
pub use pilot::{Belonging, First, NamesOf};
pub use reach::{Reach, Reached};

use std::sync::Arc;

use leaddesk_client::{Call, Contact, OriginalClient, RestClient};
use migrate_core::{Chain, Ledger, Source, SourceError, SourceExt as _};

use crate::config::Config;

/// A contact, and what its calling lists and call logs know of it. Where it does not name the outcome of its last call
/// itself, its `last_reason` is what a call log says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ListedContact {
    /// The contact itself.
    pub contact: Contact,
    /// The campaigns that have called it: of the last calls to its numbers by calling lists, of all calls by call logs.
    pub campaigns: Vec<String>,
    /// Is it finalised in a calling list? `None` where no list names it.
    pub finalised: Option<bool>,
    /// The result of the last call to any of its numbers, by the dialler, as a calling list says, or else a call log.
    pub disposition: Option<String>,
    /// Does an export list it as a lead?
    pub is_listed_lead: bool,
}

impl ListedContact {
    /// A contact and the campaigns of its calls, which no list has finalised or listed as a lead.
    pub fn new(contact: Contact, campaigns: Vec<String>) -> Self {
        Self { contact, campaigns, finalised: None, disposition: None, is_listed_lead: false }
    }

    /// The same, finalised in a calling list or not.
    #[must_use]
    pub fn finalised(mut self, finalised: Option<bool>) -> Self {
        self.finalised = finalised;
        self
    }

    /// The same, with the dialler's result of the last call.
    #[must_use]
    pub fn disposition(mut self, result: Option<String>) -> Self {
        self.disposition = result;
        self
    }

    /// The same, as an export lists it among the leads.
    #[must_use]
    pub fn listed_as_lead(mut self) -> Self {
        self.is_listed_lead = true;
        self
    }
}

/// What stage `leads` reads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Lead {
    /// A lead of LeadDesk.
    Listed(Box<ListedContact>),
    /// The anonymous visitor of a session of the chatbot.
    Visitor(Box<Chat>),
}

/// Sources of one kind of record, by the names of the routes.
pub type Routes<T> = Chain<Arc<dyn Source<Record = T>>>;

/// All routes to calls that the configuration names, as one source: the folder's `calls.csv`, then
/// `csv`, then by the API the last calls of the contacts, `ids_file` and `id_range`, and at last the
/// history by number, which knows least of a call. The API's routes need a client each and are left out
/// without it.
///
/// # Errors
/// When a call log or the file of ids cannot be used.
pub fn calls(
    config: &Config,
    folder: Option<&export::Folder>,
    client: Option<&OriginalClient>,
    rest: Option<&RestClient>,
    ledger: Arc<dyn Ledger>,
    findings: &Findings,
) -> Result<Routes<Call>, SourceError> {
    let routes = call_routes(config, folder, client, rest, ledger, findings)?.into_iter();
    Ok(routes.fold(Routes::new(), |chain, (name, route)| chain.and(name, route)))
}

/// The name of a route to calls, and its source.
pub(crate) type Route = (&'static str, Arc<dyn Source<Record = Call>>);

/// The routes of [`calls`], each by its name, in the order in which they are read.
pub(crate) fn call_routes(
    config: &Config,
    folder: Option<&export::Folder>,
    client: Option<&OriginalClient>,
    rest: Option<&RestClient>,
    ledger: Arc<dyn Ledger>,
    findings: &Findings,
) -> Result<Vec<Route>, SourceError> {
    let routes = &config.source.calls;
    let mut found: Vec<Route> = Vec::new();
    if let Some(calls) = folder.and_then(export::Folder::calls) {
        found.push(("folder", calls.boxed()));
    }
    if let Some(calls) = export::calls(config)? {
        found.push(("csv", calls.boxed()));
    }
    let Some(client) = client else { return Ok(found) };
    let by_id = |ids| {
        api::Calls::new(client.clone(), config.source.concurrency, ids, findings.clone()).boxed()
    };
    if routes.last_call {
        found.push(("last_call", by_id(api::Ids::Discovered(ledger, crate::map::CALLS))));
    }
    if let Some(file) = &routes.ids_file {
        found.push(("ids_file", by_id(api::Ids::listed(config.resolve(file))?)));
    }
    if let Some(range) = routes.id_range {
        found.push(("id_range", by_id(api::Ids::Range(range))));
    }
    if let Some(rest) = rest.filter(|_| config.source.reads_history()) {
        let original = client.clone();
        let history = api::History::new(rest.clone(), original, config, findings.clone());
        found.push(("gdpr_history", history.boxed()));
    }
    Ok(found)
}

/// How many records a page holds.
pub(crate) const PAGE: usize = 100;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
