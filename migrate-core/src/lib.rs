#![doc = include_str!("../README.md")]

#[cfg(any(test, doctest))]
mod asserts;
mod combine;
mod dead_letter;
mod draft;
mod engine;
mod fate;
mod key;
pub mod ledger;
mod mapper;
mod meter;
mod observe;
mod record;
mod redrive;
mod report;
mod run;
mod sink;
mod source;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod undo;
mod verify;

pub use async_trait::async_trait;

pub use combine::{
    Chain, FanOut, Filtered, InspectedMapper, InspectedSink, InspectedSource, MappedDrafts,
    MappedRecords, MapperExt, OnlySource, Prefetched, RateLimited, SinkExt, SourceExt, Tee, Then,
};
pub use dead_letter::{ChannelSink, DeadLetter, DeadLetters, JsonLines, channel};
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
pub use meter::{Meter, Metered, Progress, StageProgress};
pub use observe::{Event, Observer, Unobserved};
pub use record::{Cursor, Item, Page, Record, Unreadable};
pub use redrive::Selection;
pub use report::{
    LastRun, Mismatch, QueueLine, Quota, Report, RunState, StageCounts, Standing, Verified,
    vanished,
};
pub use run::{Patience, Run, RunBuilder, StopSignal};
pub use sink::{
    Doubt, Evidence, Failure, FailureKind, Found, Limits, Outcome, Resolved, Sink, TargetId, Write,
};
pub use source::{Estimate, Lookup, Source, SourceError, SourceErrorKind};
pub use undo::{
    LeftBehind, Leftover, Made, OwnWrite, Remainder, Remains, Rollback, RollbackOptions,
    RollbackReport, Scope, StageUndone, Stands, TakenBack, Undo, UndoEvent, Undone,
};
pub use verify::{
    Check, Class, Field, Normal, Passing, ReadBack, Sampling, Snapshot, Verification, Verify,
    Verifying,
};
