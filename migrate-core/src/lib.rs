#![doc = include_str!("../README.md")]

mod draft;
mod engine;
mod fate;
mod key;
pub mod ledger;
mod mapper;
mod observe;
mod record;
mod report;
mod run;
mod sink;
mod source;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use async_trait::async_trait;

pub use draft::{Draft, Group, Grouping, Member, Missing, Name, Reference, Repeat};
pub use engine::{
    Pipeline, Plan, PlanError, RunEnd, RunError, RunOptions, Stage, WAITING_FOR_PARENT, Waiting,
};
pub use fate::{Fate, Reason, Tally};
pub use key::{Alias, Fingerprint, Key, KeyDigest};
#[cfg(feature = "sqlite")]
pub use ledger::SqliteLedger;
pub use ledger::{Ledger, MemoryLedger};
pub use mapper::{Discovery, Emit, MapFn, Mapper, Note, Verdict, map_fn};
pub use observe::{Event, Observer, Unobserved};
pub use record::{Cursor, Item, Page, Record, Unreadable};
pub use report::{
    LastRun, Mismatch, QueueLine, Quota, Report, RunState, StageCounts, Standing, Verified,
};
pub use run::{Patience, Run, StopSignal};
pub use sink::{
    Doubt, Evidence, Failure, FailureKind, Found, Limits, Outcome, Resolved, Sink, TargetId, Write,
};
pub use source::{Estimate, Lookup, Source, SourceError, SourceErrorKind};
