//! The engine: a [`Pipeline`] moves the records of one stage, a [`Plan`] runs stages in order.
//!
//! A record becomes a [`unit`]: its drafts in order, driven one write after the other. [`flow`]
//! keeps many units under way at once and moves the cursor past pages that are settled whole.
//! [`intake`] turns a page of the source into units, and [`parked`] turns what waited into units
//! again.

mod drive;
mod flow;
mod groups;
mod intake;
mod lanes;
mod parked;
mod parts;
mod pipeline;
mod plan;
mod resolve;
mod settle;
mod unit;
mod window;

pub use pipeline::Pipeline;
pub use plan::{Plan, PlanError, RunEnd, RunOptions, Stage, Waiting};

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
    /// A draft cannot be written as JSON or read back.
    #[error("a draft of `{key}` is not usable as JSON: {message}")]
    Draft {
        /// The record.
        key: crate::Key,
        /// What is wrong, without its data.
        message: String,
    },
    /// The plan cannot be run.
    #[error("the plan cannot be run")]
    Plan(#[from] PlanError),
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
