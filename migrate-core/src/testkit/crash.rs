//! [`CrashLedger`]: a ledger whose process can die.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::time::Instant;

use super::gate::{Timed, ledger_in_front};
use super::{Rng, lock};
use crate::fate::Tally;
use crate::ledger::{
    Change, Entry, Ledger, LedgerError, LedgerErrorKind, MemoryLedger, Parked, Parking, Past,
    Proof, Scan, StageState,
};
use crate::{Alias, Key, Run};

/// A ledger of which a copy can be taken as it stands: what is on the disk when a process dies.
pub trait Snapshot: Ledger {
    /// A copy that later changes of this ledger do not reach.
    fn snapshot(&self) -> Self;
}

impl Snapshot for MemoryLedger {
    fn snapshot(&self) -> Self {
        self.copy()
    }
}

/// What becomes of the commits that were under way when the process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// None of them reached the disk.
    Vanish,
    /// All of them did, though nobody was told.
    Survive,
    /// Chance decides about each of them apart, so that a later one may survive an earlier.
    Tear,
}

/// A ledger that models a crash, over any ledger of which a copy can be taken.
///
/// A commit takes a moment until it is acknowledged. When the process dies meanwhile, it vanishes
/// or is there, whole in either case, and apart from what becomes of others. What was
/// acknowledged survives. After the crash the ledger refuses everything; [`recover`] gives the
/// one that the next process finds.
///
/// It also carries the time on from run to run, where it is told of each ([`follow`]): a run
/// takes its time from the wall, which stands still while a paused clock goes on.
///
/// ```
/// # use migrate_core::testkit::{CrashLedger, Unsynced};
/// # use migrate_core::ledger::Change;
/// # use migrate_core::{Ledger, MemoryLedger};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), migrate_core::ledger::LedgerError> {
/// let ledger = CrashLedger::new(MemoryLedger::new(), 7);
/// let change = Change::Meta { name: "kept".into(), value: Some(true.into()) };
/// ledger.commit(vec![change]).await?;
///
/// let found = ledger.recover(Unsynced::Vanish).await;
/// assert!(ledger.meta("kept").await.is_err());
/// assert_eq!(found.meta("kept").await?, Some(true.into()));
/// # Ok(())
/// # }
/// ```
///
/// [`recover`]: CrashLedger::recover
/// [`follow`]: CrashLedger::follow
pub struct CrashLedger<L>(Arc<Process<L>>);

impl<L> Clone for CrashLedger<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

struct Process<L> {
    disk: L,
    sync: Duration,
    state: Mutex<State>,
}

struct State {
    dead: bool,
    rng: Rng,
    /// Commits that are not acknowledged, in the order they were made.
    unsynced: BTreeMap<u64, Vec<Change>>,
    commits: u64,
    /// How far the ledger's time is ahead of that of the run.
    ahead: TimeDelta,
    /// The latest moment the ledger was told of, in its own time, and when that was.
    latest: Option<Latest>,
}

type Latest = (DateTime<Utc>, Instant);

impl<L> fmt::Debug for CrashLedger<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashLedger").finish_non_exhaustive()
    }
}

impl<L: Snapshot> CrashLedger<L> {
    /// A ledger whose commits take two milliseconds.
    pub fn new(disk: L, seed: u64) -> Self {
        Self::after(disk, Rng::new(seed), Duration::from_millis(2), None)
    }

    /// The same, with commits that take so long.
    #[must_use]
    pub fn syncing_in(self, sync: Duration) -> Self {
        let (rng, latest) = {
            let state = lock(&self.0.state);
            (state.rng.clone(), state.latest)
        };
        Self::after(self.0.disk.snapshot(), rng, sync, latest)
    }

    fn after(disk: L, rng: Rng, sync: Duration, latest: Option<Latest>) -> Self {
        let state = State {
            dead: false,
            rng,
            unsynced: BTreeMap::new(),
            commits: 0,
            ahead: TimeDelta::zero(),
            latest,
        };
        Self(Arc::new(Process { disk, sync, state: Mutex::new(state) }))
    }

    /// Lets another seed decide what survives from now on.
    pub fn reseed(&self, seed: u64) {
        lock(&self.0.state).rng = Rng::new(seed);
    }

    /// Lets the ledger's time go on in this run, which has just begun, from where it is after the
    /// runs before.
    pub fn follow(&self, run: &Run) {
        let mut state = lock(&self.0.state);
        if let Some((latest, when)) = state.latest {
            let since = TimeDelta::from_std(when.elapsed()).unwrap_or_default();
            state.ahead = latest + since - run.begun_at;
        }
    }

    /// The process dies, if it lives: everything is refused from now on.
    pub fn crash(&self) {
        lock(&self.0.state).dead = true;
    }

    /// The process dies, if it lives, and this is the ledger that the next one finds.
    pub async fn recover(&self, unsynced: Unsynced) -> Self {
        self.crash();
        let (mut rng, under_way, latest) = {
            let mut state = lock(&self.0.state);
            (state.rng.fork(), state.unsynced.clone(), state.latest)
        };
        let disk = self.0.disk.snapshot();
        for changes in under_way.into_values() {
            let survives = match unsynced {
                Unsynced::Vanish => false,
                Unsynced::Survive => true,
                Unsynced::Tear => rng.chance(500),
            };
            if survives {
                // It is a copy of which nobody else knows: what fails here has not survived.
                let _ = disk.commit(changes).await;
            }
        }
        Self::after(disk, rng, self.0.sync, latest)
    }

    fn behind(&self) -> &L {
        &self.0.disk
    }

    async fn read<T: Timed>(
        &self,
        read: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        let found = read.await?;
        let state = lock(&self.0.state);
        if state.dead { Err(dead()) } else { Ok(found.later(-state.ahead)) }
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        let number = {
            let mut state = lock(&self.0.state);
            if state.dead {
                return Err(dead());
            }
            let changes = changes.later(state.ahead);
            for change in &changes {
                let now = match change {
                    Change::Settle { at, .. } | Change::Done { at, .. } => Some(*at),
                    Change::Intent { at, .. } | Change::Begin { at, .. } => Some(*at),
                    _ => None,
                };
                let last = state.latest.map(|(last, _)| last);
                if let Some(now) = now
                    && last.is_none_or(|last| last < now)
                {
                    state.latest = Some((now, Instant::now()));
                }
            }
            state.commits += 1;
            let number = state.commits;
            state.unsynced.insert(number, changes);
            number
        };
        if self.0.sync.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(self.0.sync).await;
        }
        let changes = {
            let mut state = lock(&self.0.state);
            if state.dead {
                return Err(dead());
            }
            state.unsynced.remove(&number).unwrap_or_default()
        };
        self.0.disk.commit(changes).await
    }
}

fn dead() -> LedgerError {
    LedgerError::new(LedgerErrorKind::Storage, "the process is dead")
}

ledger_in_front!([L: Snapshot] CrashLedger<L>);
