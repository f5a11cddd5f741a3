//! The engine: a [`Pipeline`] moves the records of one stage, a [`Plan`] runs stages in order.
//!
//! What decides is pure, and told what happened and when: a [`unit`] is a record with its writes,
//! and its [`saga`] goes from one to the next; [`doubt`] judges what a look has found; the
//! [`scheduler`], with its [`lanes`], [`window`] and [`batches`], says which records are under way
//! and when the cursor moves; [`rounds`] says what comes when only waiting records are left.
//! What does it is asynchronous and thin: [`intake`] turns a page of the source into units,
//! [`groups`] and [`parked`] turn what waited into units again, and [`flow`] does what the others
//! say.

mod batches;
mod doubt;
mod ending;
mod flow;
mod groups;
mod intake;
mod lanes;
mod last_look;
mod looking;
mod parked;
mod parts;
mod pipeline;
mod plan;
mod resolve;
mod rounds;
mod saga;
mod scheduler;
mod unit;
mod window;

pub(crate) use doubt::{Judgement, Look};
pub use pipeline::Pipeline;
pub use plan::{Plan, PlanError, RunEnd, RunOptions, Stage, Waiting};
pub(crate) use resolve::{entries_of, sole};
pub(crate) use saga::Times;

use crate::ledger::{LedgerError, LedgerErrorKind};
use crate::source::{SourceError, SourceErrorKind};

/// The queue of records whose parent waits or was refused.
pub const WAITING_FOR_PARENT: &str = "waiting_for_parent";

/// Why a run ended before its end. What was done is in the ledger, and the next run goes on.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It was asked to stop.
    #[error("the run was interrupted")]
    Interrupted,
    /// The destination cannot be reached.
    #[error("the destination is out of reach: {0}")]
    Gone(String),
    /// The destination refuses everything: access, plan or region.
    #[error("the destination refuses the run: {0}")]
    Refused(String),
    /// The source cannot be read.
    #[error("the source of stage `{stage}` cannot be read")]
    Source {
        /// The stage.
        stage: String,
        /// Why.
        #[source]
        cause: SourceError,
    },
    /// The ledger cannot be written or read.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    /// The sums do not add up: a record was lost or counted twice.
    #[error("stage `{stage}` does not add up: {message}")]
    Unaccounted {
        /// The stage.
        stage: String,
        /// What does not add up.
        message: String,
    },
    /// The drafts of a record cannot be told apart, written as JSON or read back.
    #[error("the drafts of `{key}` cannot be used: {message}")]
    Draft {
        /// The record.
        key: crate::Key,
        /// What is wrong, without its data.
        message: String,
    },
    /// The plan cannot be run.
    #[error("the plan cannot be run")]
    Plan(#[from] PlanError),
    /// A rollback of this migration was begun and has not come to its end: something may be gone
    /// that the ledger counts as in place.
    #[error("a rollback is under way: end it first, then run again")]
    RollbackUnderWay,
    /// A stage of the plan is not known by that name.
    #[error("there is no stage `{0}`")]
    NoStage(String),
}

impl RunError {
    /// Can the next run simply go on, without somebody acting first?
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Interrupted | Self::Gone(_) => true,
            Self::Ledger(error) => error.kind() == LedgerErrorKind::Storage,
            Self::Source { cause, .. } => cause.kind() == SourceErrorKind::Unavailable,
            _ => false,
        }
    }
}
