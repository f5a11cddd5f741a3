//! What an error of LeadDesk's means for reading on.

use leaddesk_client::{Error, ErrorKind};
use migrate_core::SourceError;

/// What went wrong with one record.
#[derive(Debug, PartialEq)]
pub(super) enum Trouble {
    /// LeadDesk does not know it.
    Missing,
    /// This record alone cannot be read.
    Record,
    /// LeadDesk failed, perhaps at this record alone.
    Fault,
    /// Nothing more can be read now.
    All,
}

pub(super) fn trouble(error: &Error) -> Trouble {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Gone => Trouble::Missing,
        ErrorKind::Decode
        | ErrorKind::TooLarge
        | ErrorKind::Invalid
        | ErrorKind::Conflict
        | ErrorKind::Other => Trouble::Record,
        ErrorKind::Server => Trouble::Fault,
        _ => Trouble::All,
    }
}

/// The error that stops reading, with the setting to mend.
pub(super) fn stop(error: Error) -> SourceError {
    let refused = |what: &str| SourceError::refused(what);
    let stopped = match error.kind() {
        ErrorKind::Unauthorized => refused(
            "LeadDesk refused the key: mend the variable that source.original.key_env names, or \
             those of [source.rest]. API access needs LeadDesk's Advanced tier; without it, set \
             source.kind = \"export\"",
        ),
        ErrorKind::Forbidden | ErrorKind::Plan | ErrorKind::Region => refused(
            "LeadDesk does not let this key read: give it the right to, or set source.kind = \
             \"export\", which needs no API access; without the right to read the history by number, \
             set source.calls.gdpr_history = false",
        ),
        ErrorKind::Settings | ErrorKind::ReadOnly => {
            refused("LeadDesk's client cannot be used: check [source]")
        }
        ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Interrupted
        | ErrorKind::Throttled
        | ErrorKind::Server => SourceError::unavailable(
            "LeadDesk cannot be reached: check the base_url of [source.original] or [source.rest], \
             then run again",
        ),
        ErrorKind::Paging => refused(
            "LeadDesk names fewer records than it says there are: a migration from this answer \
             would lose the others. Ask LeadDesk, or set source.kind = \"export\"",
        ),
        _ => refused(
            "LeadDesk's answer is not what its API is known to send: check the base_url of \
             [source.original] or [source.rest]",
        ),
    };
    stopped.because(error)
}
