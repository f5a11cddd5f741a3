//! What was asked for.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::faults::FaultKind;

/// Calls since the start, refused ones included. Calls are named by method and path, with ids left out:
/// `"POST /contacts/{id}/tags"`, and for LeadDesk's Original API `"GET mod=contact&cmd=get"`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counters {
    /// Calls of LeadDesk's Original API.
    pub leaddesk_original: BTreeMap<String, u64>,
    /// Calls of LeadDesk's REST API.
    pub leaddesk_rest: BTreeMap<String, u64>,
    /// Calls of Intercom.
    pub intercom: BTreeMap<String, u64>,
    /// Calls of LeadDesk that would write or erase. They were refused; a migration must never send one.
    pub leaddesk_writes: u64,
    /// Calls of Intercom but for GET and search.
    pub intercom_writes: u64,
    /// Calls of Intercom refused with 429, because the window was used up or as a fault.
    pub refused: u64,
    /// Faults that struck, both services together.
    pub faults: BTreeMap<FaultKind, u64>,
}

impl Counters {
    /// Write calls of both services.
    pub fn writes(&self) -> u64 {
        self.leaddesk_writes + self.intercom_writes
    }

    /// All calls of Intercom.
    pub fn intercom_calls(&self) -> u64 {
        self.intercom.values().sum()
    }

    /// All calls of both LeadDesk APIs.
    pub fn leaddesk_calls(&self) -> u64 {
        self.leaddesk_original
            .values()
            .chain(self.leaddesk_rest.values())
            .sum()
    }
}
