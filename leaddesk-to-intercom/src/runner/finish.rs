//! How a command ends: its exit status, its report, its error.

use std::fmt;

use migrate_core::ledger::{LedgerError, LedgerErrorKind};
use migrate_core::{Report, RunError, RunState};

use crate::connect::{StartError, chain};

/// The exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// Every record has a final fate and none is dead.
    Done,
    /// It could not start or must not go on.
    Failed,
    /// It finished, but something needs a person.
    Attention,
    /// It stopped and can be resumed.
    Stopped,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Attention => 2,
            Self::Stopped => 3,
        }
    }
}

/// A command that came to an end, good or not, with a report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finished {
    /// The report, as it was saved.
    pub report: Report,
    /// The exit status.
    pub exit: Exit,
    /// Why it stopped early, if it did.
    pub error: Option<String>,
}

impl Finished {
    /// `verified` says that this command has read back: what an earlier one found then is told in
    /// the report, but does not decide how this one ended.
    pub(super) fn new(report: Report, error: Option<(&RunError, bool)>, verified: bool) -> Self {
        let (exit, error) = match error {
            Some((error, wrote)) => (exit_of(error, wrote), Some(describe(error, verified))),
            None => (exit_of_report(&report, verified), None),
        };
        Self { report, exit, error }
    }
}

/// A command that ended without a report.
#[derive(Clone, Debug)]
pub struct Unfinished {
    /// The exit status.
    pub exit: Exit,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Unfinished {}

impl Unfinished {
    /// It could not start.
    pub fn start(error: StartError) -> Self {
        Self { exit: Exit::Failed, message: error.to_string() }
    }

    pub(super) fn ledger(error: LedgerError) -> Self {
        Self { exit: Exit::Failed, message: ledger_message(&error) }
    }

    pub(super) fn state(what: &str, error: &std::io::Error) -> Self {
        let message = format!(
            "{what}: {error}. Check the state directory (--state): it must be writable and have room."
        );
        Self { exit: Exit::Failed, message }
    }

    pub(super) fn run(error: &RunError, wrote: bool, verified: bool) -> Self {
        Self { exit: exit_of(error, wrote), message: describe(error, verified) }
    }
}

fn ledger_message(error: &LedgerError) -> String {
    let text = chain(error);
    match error.kind() {
        LedgerErrorKind::Storage => text,
        LedgerErrorKind::Foreign => format!(
            "{text}. If it is the same account after all: an export folder must keep its path, and \
             [source.rest] must stay as it was, since these are what the account is known by. \
             Another state directory is named with --state DIR."
        ),
        _ => format!("{text}. The state directory is named with --state DIR."),
    }
}

fn exit_of(error: &RunError, wrote: bool) -> Exit {
    match error {
        RunError::Interrupted => Exit::Stopped,
        error if error.is_passing() && wrote => Exit::Stopped,
        _ => Exit::Failed,
    }
}

fn exit_of_report(report: &Report, verified: bool) -> Exit {
    let dead = report.stages.iter().any(|stage| stage.dead > 0);
    let differs =
        verified && report.verify.as_ref().is_some_and(|found| !found.mismatches.is_empty());
    match report.state {
        RunState::Interrupted => Exit::Stopped,
        RunState::Failed => Exit::Failed,
        RunState::Blocked => Exit::Attention,
        _ if dead || differs => Exit::Attention,
        _ => Exit::Done,
    }
}

/// What went wrong and what to do. A run would make a verification that was cut off begin anew.
fn describe(error: &RunError, verified: bool) -> String {
    let text = chain(error);
    let again = if verified { "verify again" } else { "run again" };
    match error {
        RunError::Interrupted => format!("interrupted; {again} to go on"),
        RunError::Gone(_) => {
            format!(
                "{text}. Check the network and destination.base_url or destination.region, then {again}: it goes on where it stopped."
            )
        }
        RunError::Refused(_) => {
            format!(
                "{text}. See destination.token_env and the token's permissions in Intercom, then {again}: it goes on where it stopped."
            )
        }
        RunError::Ledger(error) if error.kind() != LedgerErrorKind::Storage => {
            ledger_message(error)
        }
        RunError::Ledger(_) => {
            format!(
                "{text}. Make room on the disk of the state directory (--state), then run again: it goes on where it stopped."
            )
        }
        RunError::Source { .. } => {
            format!("{text}. When that is mended, run again: it goes on where it stopped.")
        }
        _ => text,
    }
}
