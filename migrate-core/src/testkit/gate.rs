//! What ledgers of the test kit have in common: they stand in front of another ledger.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::Alias;
use crate::fate::Tally;
use crate::ledger::{Change, Entry, Parked, PartState, Past, Proof, StageState, Written};

/// Implements [`Ledger`](crate::Ledger) for a type with three methods of its own: `behind` gives
/// the ledger behind it, `read` awaits a read of that, `write` makes a commit.
macro_rules! ledger_in_front {
    ([$($generics:tt)*] $type:ty) => {
        #[async_trait::async_trait]
        impl<$($generics)*> $crate::Ledger for $type {
            async fn commit(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
                self.write(changes).await
            }

            async fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LedgerError> {
                self.read(self.behind().entries(keys)).await
            }

            async fn known_as(&self, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>, LedgerError> {
                self.read(self.behind().known_as(aliases)).await
            }

            async fn aliases(&self, keys: &[Key]) -> Result<Vec<Vec<Alias>>, LedgerError> {
                self.read(self.behind().aliases(keys)).await
            }

            async fn stage(&self, stage: &str) -> Result<StageState, LedgerError> {
                self.read(self.behind().stage(stage)).await
            }

            async fn stages(&self) -> Result<Vec<String>, LedgerError> {
                self.read(self.behind().stages()).await
            }

            async fn tally(&self, stage: &str) -> Result<Tally, LedgerError> {
                self.read(self.behind().tally(stage)).await
            }

            async fn proof(&self, stage: &str, pass: u32) -> Result<Proof, LedgerError> {
                self.read(self.behind().proof(stage, pass)).await
            }

            async fn scan(&self, scan: &Scan) -> Result<Vec<(u64, Entry)>, LedgerError> {
                self.read(self.behind().scan(scan)).await
            }

            async fn parked(
                &self,
                stage: &str,
                why: Parking,
                after: u64,
                limit: usize,
            ) -> Result<Vec<(u64, Parked)>, LedgerError> {
                self.read(self.behind().parked(stage, why, after, limit)).await
            }

            async fn parked_among(&self, keys: &[Key]) -> Result<Vec<Parked>, LedgerError> {
                self.read(self.behind().parked_among(keys)).await
            }

            async fn discovered(
                &self,
                list: &str,
                after: u64,
                limit: usize,
            ) -> Result<Vec<(u64, String)>, LedgerError> {
                self.read(self.behind().discovered(list, after, limit)).await
            }

            async fn before(&self, key: &Key) -> Result<Option<Value>, LedgerError> {
                self.read(self.behind().before(key)).await
            }

            async fn history(
                &self,
                after: u64,
                limit: usize,
            ) -> Result<Vec<(u64, Past)>, LedgerError> {
                self.read(self.behind().history(after, limit)).await
            }

            async fn meta(&self, name: &str) -> Result<Option<Value>, LedgerError> {
                self.read(self.behind().meta(name)).await
            }
        }
    };
}
pub(super) use ledger_in_front;

/// What may hold moments of a run's clock.
pub(super) trait Timed {
    /// Calls `change` with each moment.
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        let _ = change;
    }

    /// The same, later by `by`.
    fn later(mut self, by: TimeDelta) -> Self
    where
        Self: Sized,
    {
        self.moments(&mut |moment| *moment += by);
        self
    }
}

impl Timed for Change {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        match self {
            Self::Settle { at, .. }
            | Self::Intent { at, .. }
            | Self::Done { at, .. }
            | Self::Begin { at, .. }
            | Self::Finish { at, .. }
            | Self::Undone { at, .. }
            | Self::Forget { at, .. } => change(at),
            Self::Park(parked) => parked.moments(change),
            _ => {}
        }
    }
}

impl Timed for Entry {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        change(&mut self.at);
        for part in &mut self.parts {
            match &mut part.state {
                PartState::Intended { at, known, .. } => {
                    change(at);
                    known.iter_mut().for_each(|known| known.moments(change));
                }
                PartState::Done(written) => written.moments(change),
            }
        }
    }
}

impl Timed for Written {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        change(&mut self.at);
    }
}

impl Timed for Parked {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        change(&mut self.since);
        change(&mut self.not_before);
    }
}

impl Timed for Past {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        self.written.moments(change);
        change(&mut self.undone_at);
    }
}

impl<T: Timed> Timed for Vec<T> {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        self.iter_mut().for_each(|one| one.moments(change));
    }
}

impl<T: Timed> Timed for Option<T> {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        self.iter_mut().for_each(|one| one.moments(change));
    }
}

impl<T: Timed> Timed for (u64, T) {
    fn moments(&mut self, change: &mut dyn FnMut(&mut DateTime<Utc>)) {
        self.1.moments(change);
    }
}

impl Timed for Alias {}

impl Timed for String {}
impl Timed for Value {}
impl Timed for Tally {}
impl Timed for Proof {}
impl Timed for StageState {}
