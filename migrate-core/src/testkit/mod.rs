//! What it takes to test sources, mappers, sinks and ledgers, and whole migrations with faults:
//! the kit this crate is tested with.
//!
//! | to test | there is |
//! |---|---|
//! | a source | [`source::check`], [`source::check_lookup`] |
//! | a mapper | [`mapper::check`] |
//! | a sink | [`sink::check`]; [`Sample`] offers it single drafts |
//! | a ledger | [`ledger::check`] |
//! | a migration | [`ScriptedSource`], [`MemoryTarget`] and [`CrashLedger`] in place of the real ones; [`Chaos`] in front of any of them; [`crash_points`] to kill it at each call |
//!
//! Everything that takes time takes it from tokio's clock, which tests should pause
//! (`#[tokio::test(start_paused = true)]`), and everything left to chance comes from a seed.

mod chaos;
mod crash;
mod fuse;
mod gate;
pub mod mapper;
mod offer;
mod piece;
mod rng;
mod scripted;
pub mod sink;
pub mod source;
mod strict;
mod target;

pub use crate::ledger::contract as ledger;
pub use chaos::{Chaos, Faults, Mishap, Outage};
pub use crash::{CrashLedger, Snapshot, Unsynced};
pub use fuse::{CrashPoint, Fuse, Fused, Moment, Process, crash_points};
pub use offer::{Answer, Sample};
pub use piece::{Piece, Uniqueness};
pub use rng::Rng;
pub use scripted::ScriptedSource;
pub use strict::Strict;
pub use target::{MemoryTarget, Object};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a panic elsewhere left behind is looked at all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
