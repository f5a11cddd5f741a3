//! How a unit's drive ends: settled, queued, refused or parked, each in one commit.

use chrono::{DateTime, Utc};

use crate::draft::Draft;
use crate::fate::{Fate, Reason};
use crate::ledger::{Change, Entry, Parking};
use crate::{Fingerprint, Key};

use super::RunError;
use super::flow::{Ended, Flow};
use super::parts::written;
use super::unit::{Unit, final_fate, root_target};

impl<D: Draft> Flow<'_, D> {
    /// Commits a record all of whose writes are done, and those merged into it.
    pub(super) async fn settle(
        &self,
        unit: &Unit<D>,
        entry: &Entry,
        mut pending: Vec<Change>,
        wrote: bool,
    ) -> Result<Ended, RunError> {
        let target = root_target(entry);
        let root = written(entry, &entry.key);
        let (fate, counted) = final_fate(entry, root.as_ref(), wrote);
        let settled = |key: &Key, fate, fingerprint, notes| Change::Settle {
            key: key.clone(),
            stage: self.stage.to_owned(),
            fate,
            fingerprint,
            target: target.clone(),
            reason: None,
            notes,
            attempts: 0,
            at: self.run.clock.now(),
        };
        let fingerprint = Some(unit.fingerprint());
        pending.push(settled(&unit.root, fate, fingerprint, unit.notes.clone()));
        // Also what an earlier process parked of it, and did not come to take back.
        pending.push(Change::Unpark { key: unit.root.clone() });
        let mut counts = vec![counted];
        if !unit.merged.is_empty() {
            let others = self.run.ledger.entries(&unit.merged).await?;
            for (key, other) in unit.merged.iter().zip(others) {
                let notes = other.as_ref().map(|other| other.notes.clone()).unwrap_or_default();
                let was = other.is_some_and(|other| {
                    other.fate == Fate::Merged && other.target.as_ref() == target.as_ref()
                });
                counts.push(if was { Fate::Unchanged } else { Fate::Merged });
                pending.push(settled(key, Fate::Merged, None, notes));
                pending.push(Change::Unpark { key: key.clone() });
            }
        }
        self.run.ledger.commit(pending).await?;
        counts.into_iter().for_each(|fate| self.run.count(self.stage, fate));
        Ok(Ended::Settled)
    }

    /// Lets a record wait for somebody because of where it refers to. It is looked at again in
    /// the next run, which costs no call, so its fingerprint is not kept.
    pub(super) async fn queue(
        &self,
        unit: &Unit<D>,
        pending: Vec<Change>,
        reason: Reason,
    ) -> Result<Ended, RunError> {
        self.end(unit, pending, Fate::Queued, reason, None).await
    }

    /// Ends a record that has been tried often enough. The next run tries it again.
    pub(super) async fn give_up(
        &self,
        unit: &Unit<D>,
        pending: Vec<Change>,
        reason: Reason,
    ) -> Result<Ended, RunError> {
        self.end(unit, pending, Fate::Dead, reason, None).await
    }

    /// Ends a record as the destination's answer says. Unchanged, it is not tried again.
    pub(super) async fn settle_as(
        &self,
        unit: &Unit<D>,
        pending: Vec<Change>,
        fate: Fate,
        reason: Reason,
    ) -> Result<Ended, RunError> {
        self.end(unit, pending, fate, reason, Some(unit.fingerprint())).await
    }

    async fn end(
        &self,
        unit: &Unit<D>,
        mut pending: Vec<Change>,
        fate: Fate,
        reason: Reason,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Ended, RunError> {
        for key in std::iter::once(&unit.root).chain(&unit.merged) {
            pending.push(Change::Settle {
                key: key.clone(),
                stage: self.stage.to_owned(),
                fate,
                fingerprint,
                target: None,
                reason: Some(reason.clone()),
                notes: unit.notes.clone(),
                attempts: unit.waited.map_or(0, |waited| waited.looks) + 1,
                at: self.run.clock.now(),
            });
            pending.push(Change::Unpark { key: key.clone() });
        }
        self.run.ledger.commit(pending).await?;
        for _ in 0..=unit.merged.len() {
            self.run.count(self.stage, fate);
        }
        Ok(Ended::Settled)
    }

    #[allow(clippy::too_many_arguments, reason = "what waiting means is all of these")]
    pub(super) async fn park(
        &self,
        unit: &Unit<D>,
        entry: &Entry,
        mut pending: Vec<Change>,
        why: Parking,
        since: DateTime<Utc>,
        not_before: DateTime<Utc>,
        looks: u32,
    ) -> Result<Ended, RunError> {
        let fate = if why == Parking::Doubt { Fate::InDoubt } else { Fate::Pending };
        pending.push(Change::Park(Box::new(unit.park(self.stage, why, since, not_before, looks)?)));
        pending.push(Change::Settle {
            key: unit.root.clone(),
            stage: self.stage.to_owned(),
            fate,
            fingerprint: None,
            target: None,
            reason: None,
            notes: unit.notes.clone(),
            attempts: looks,
            at: self.run.clock.now(),
        });
        // Their drafts are in those of the unit now; parked apart they would go their own way.
        for key in unit.merged.iter().cloned() {
            pending.push(Change::Unpark { key });
        }
        tracing::debug!(key = %entry.key, why = why.name(), %not_before, "parked");
        self.run.ledger.commit(pending).await?;
        Ok(Ended::Parked)
    }
}
