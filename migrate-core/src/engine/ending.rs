//! How a record's saga ends: settled, queued, refused, given up or parked, each in one commit.

use chrono::{DateTime, Utc};

use crate::Fingerprint;
use crate::Key;
use crate::draft::Draft;
use crate::fate::{Fate, Reason};
use crate::ledger::{Change, Entry, How, Parked, Parking, PartState, Written};
use crate::sink::TargetId;

use super::saga::{Action, Saga};
use super::{RunError, WAITING_FOR_PARENT};

/// The end of a saga: what is to be made durable, and what it comes to.
#[derive(Debug)]
pub(super) struct End {
    pub(super) changes: Vec<Change>,
    /// The fates to count, once the changes are durable.
    pub(super) counts: Vec<Fate>,
    pub(super) ended: Result<Ended, RunError>,
}

/// How a saga ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ended {
    Settled,
    /// Settled as well, but waiting for somebody: what comes after it in its lane must not
    /// overtake it.
    Queued,
    Parked,
    /// The run was stopped between two steps.
    Interrupted,
}

/// What a record comes to as soon as the entries are known of those that are merged into it.
#[derive(Debug)]
pub(super) enum Ending {
    /// All its writes are done.
    Settled,
    /// It is not in place, for this reason.
    As { fate: Fate, reason: Reason, fingerprint: Option<Fingerprint> },
}

impl<D: Draft> Saga<'_, D> {
    /// The record is in the ledger as it is here.
    pub(super) fn as_before(&mut self, now: DateTime<Utc>) -> Action<D> {
        if self.unit.waited.is_some() {
            self.unpark_or_look_again(now);
        }
        let fate = counted_again(Some(&self.entry));
        self.end(vec![fate], Ok(Ended::Settled))
    }

    /// All writes are done. Those merged into it are settled with it.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) -> Action<D> {
        if self.unit.merged.is_empty() {
            return self.settled_with(Vec::new(), now);
        }
        self.await_others(Ending::Settled)
    }

    /// Ends it, given the entries of those that are merged into it.
    pub(super) fn ended(
        &mut self,
        ending: Ending,
        others: Vec<Option<Entry>>,
        now: DateTime<Utc>,
    ) -> Action<D> {
        match ending {
            Ending::Settled => self.settled_with(others, now),
            Ending::As { fate, reason, fingerprint } => {
                self.ended_as(fate, reason, fingerprint, others, now)
            }
        }
    }

    /// As [`settle`](Self::settle), given the entries of those that are merged into it.
    fn settled_with(&mut self, others: Vec<Option<Entry>>, now: DateTime<Utc>) -> Action<D> {
        let target = root_target(&self.entry);
        let root = self.entry.written(&self.entry.key).cloned();
        if let (None, Some((fate, reason))) = (&root, self.unit.verdict.clone()) {
            return self.ended_as(fate, reason, None, others, now);
        }
        let (fate, counted) = self.final_fate(root.as_ref());
        let mut counts = vec![counted];
        let stage = self.stage;
        let settled = |key: &Key, fate, fingerprint, notes| Change::Settle {
            key: key.clone(),
            stage: stage.to_owned(),
            fate,
            fingerprint,
            target: target.clone(),
            reason: None,
            notes,
            attempts: 0,
            at: now,
        };
        let fingerprint = Some(self.unit.fingerprint());
        let notes = self.unit.notes.clone();
        self.pending.push(settled(&self.unit.root, fate, fingerprint, notes));
        self.unpark_or_look_again(now);
        for (key, other) in self.unit.merged.iter().zip(others) {
            let notes = other.as_ref().map(|other| other.notes.clone()).unwrap_or_default();
            let was = other.is_some_and(|other| {
                other.fate == Fate::Merged && other.target.as_ref() == target.as_ref()
            });
            counts.push(if was { Fate::Unchanged } else { Fate::Merged });
            let shares = Some(Fingerprint::of(b"shares another's object"));
            self.pending.push(settled(key, Fate::Merged, shares, notes));
            self.pending.push(Change::Unpark { key: key.clone() });
        }
        self.end(counts, Ok(Ended::Settled))
    }

    /// The fate of the record, all of whose writes are done, and how this run counts it.
    fn final_fate(&self, root: Option<&Written>) -> (Fate, Fate) {
        let counted = if self.wrote { Fate::Updated } else { Fate::Unchanged };
        let fate = self.entry.fate;
        if fate.is_in_place() && fate != Fate::Merged {
            // It keeps the fate that put it in place.
            return (fate, counted);
        }
        let fate = match root.map(|written| written.how) {
            Some(How::Created) => Fate::Created,
            Some(How::Updated) => Fate::Updated,
            Some(How::Unchanged) if self.wrote => Fate::Updated,
            Some(How::Unchanged) => Fate::Unchanged,
            None if self.wrote => Fate::Created,
            None => Fate::Unchanged,
        };
        (fate, if self.was_in_place { counted } else { fate })
    }

    /// What was in doubt on the way is looked at once more at the end of the run, for twins.
    fn unpark_or_look_again(&mut self, now: DateTime<Utc>) {
        if !self.unit.doubted.is_empty()
            && let Ok(parked) = self.unit.park(self.stage, Parking::LastLook, now, now, 0)
        {
            self.pending.push(Change::Park(Box::new(parked)));
        } else if self.known || self.unit.waited.is_some() {
            // Also what an earlier process parked of it, and did not come to take back.
            self.pending.push(Change::Unpark { key: self.unit.root.clone() });
        }
    }

    /// Lets the record wait for somebody. It is looked at again in the next run, so its fingerprint
    /// is not kept: that costs no call where a reference lets it wait, and where the sink did, what
    /// the sink needs to find out whether somebody has acted.
    pub(super) fn queue(&mut self, reason: Reason, now: DateTime<Utc>) -> Action<D> {
        self.end_as(Fate::Queued, reason, None, now)
    }

    /// Lets the record wait behind one of its lane that waits for somebody.
    pub(super) fn queue_behind(&mut self, now: DateTime<Utc>) -> Action<D> {
        let message = "a record before it in its lane waits for somebody";
        let reason = Reason::new(WAITING_FOR_PARENT, message)
            .remedy("see the record before it", "mend that, then run again");
        self.queue(reason, now)
    }

    /// Ends a record that has been tried often enough. The next run tries it again.
    pub(super) fn give_up(&mut self, reason: Reason, now: DateTime<Utc>) -> Action<D> {
        self.end_as(Fate::Dead, reason, None, now)
    }

    /// Ends a record as the destination's answer says. Unchanged, it is not tried again.
    pub(super) fn refuse(&mut self, reason: Reason, now: DateTime<Utc>) -> Action<D> {
        let fingerprint = self.unit.fingerprint();
        self.end_as(Fate::Dead, reason, Some(fingerprint), now)
    }

    fn end_as(
        &mut self,
        fate: Fate,
        reason: Reason,
        fingerprint: Option<Fingerprint>,
        now: DateTime<Utc>,
    ) -> Action<D> {
        if self.unit.merged.is_empty() {
            return self.ended_as(fate, reason, fingerprint, Vec::new(), now);
        }
        self.await_others(Ending::As { fate, reason, fingerprint })
    }

    /// As [`end_as`](Self::end_as), given the entries of those that are merged into it. Of them, one
    /// that has an object of its own is in place as before.
    fn ended_as(
        &mut self,
        fate: Fate,
        reason: Reason,
        fingerprint: Option<Fingerprint>,
        others: Vec<Option<Entry>>,
        now: DateTime<Utc>,
    ) -> Action<D> {
        let object = root_target(&self.entry);
        let has_its_own = |other: &Entry| {
            let is_in_place = other.fate.is_in_place() && other.fate != Fate::Merged;
            is_in_place && other.target.is_some() && other.target != object
        };
        let (mut counts, mut ended) = (vec![fate], vec![self.unit.root.clone()]);
        for (key, other) in self.unit.merged.iter().zip(others) {
            if other.is_some_and(|other| has_its_own(&other)) {
                counts.push(Fate::Unchanged);
                self.pending.push(Change::Unpark { key: key.clone() });
            } else {
                counts.push(fate);
                ended.push(key.clone());
            }
        }
        let looks = self.unit.waited.map_or(0, |waited| waited.looks) + 1;
        let attempts = self.in_vain_before() + looks.max(self.unit.tries);
        for key in &ended {
            self.pending.push(Change::Settle {
                key: key.clone(),
                stage: self.stage.to_owned(),
                fate,
                fingerprint,
                target: None,
                reason: Some(reason.clone()),
                notes: self.unit.notes.clone(),
                attempts,
                at: now,
            });
            let keeps_its_place = fate == Fate::Queued && *key == self.unit.root;
            if !keeps_its_place || self.unit.lane.is_none() || self.takes_a_new_row() {
                self.pending.push(Change::Unpark { key: key.clone() });
            }
        }
        if fate != Fate::Queued {
            // One that is refused stops nobody.
            return self.end(counts, Ok(Ended::Settled));
        }
        let (key, lane) = (&self.unit.root, self.unit.lane.as_deref());
        self.pending.extend(place_in_lane(key, self.stage, lane, now));
        self.end(counts, Ok(Ended::Queued))
    }

    /// How often the record was tried in vain before it began to wait, in whichever run that was.
    fn in_vain_before(&self) -> u32 {
        self.entry.attempts.saturating_sub(self.unit.waited.map_or(0, |waited| waited.looks))
    }

    /// Records of one lane are taken up in the order of their rows. One that comes in the order of
    /// its lane takes a new row, since one that is there from before may be too early; one that was
    /// parked, or is tried again by itself, has its place already.
    fn takes_a_new_row(&self) -> bool {
        self.in_order && self.unit.waited.is_none() && self.unit.lane.is_some()
    }

    /// Lets the record wait with its drafts, until `not_before` at least.
    pub(super) fn park(
        &mut self,
        why: Parking,
        since: DateTime<Utc>,
        not_before: DateTime<Utc>,
        looks: u32,
        now: DateTime<Utc>,
    ) -> Action<D> {
        let parked = match self.unit.park(self.stage, why, since, not_before, looks) {
            Ok(parked) => parked,
            Err(error) => return self.end(Vec::new(), Err(error)),
        };
        let key = &self.unit.root;
        tracing::debug!(%key, why = why.name(), %not_before, "parked");
        if self.takes_a_new_row() {
            self.pending.push(Change::Unpark { key: key.clone() });
        }
        self.pending.push(Change::Park(Box::new(parked)));
        self.pending.push(Change::Settle {
            key: key.clone(),
            stage: self.stage.to_owned(),
            fate: if why == Parking::Doubt { Fate::InDoubt } else { Fate::Pending },
            fingerprint: None,
            target: None,
            reason: None,
            notes: self.unit.notes.clone(),
            attempts: self.in_vain_before() + looks,
            at: now,
        });
        // Their drafts are in those of the unit now; parked apart they would go their own way.
        for key in self.unit.merged.iter().cloned() {
            self.pending.push(Change::Unpark { key });
        }
        self.end(Vec::new(), Ok(Ended::Parked))
    }
}

/// Keeps the place of a record that waits for somebody in its lane, also for a later process. It is
/// to be made when the record's turn in its lane has come, so that rows are in the lane's order.
pub(super) fn place_in_lane(
    key: &Key,
    stage: &str,
    lane: Option<&str>,
    now: DateTime<Utc>,
) -> Option<Change> {
    let lane = Some(lane?.to_owned());
    Some(Change::Park(Box::new(Parked {
        key: key.clone(),
        stage: stage.to_owned(),
        lane,
        why: Parking::Queued,
        since: now,
        not_before: now,
        looks: 0,
        drafts: serde_json::Value::Null,
        notes: Vec::new(),
    })))
}

/// How a record that is in the ledger as it is here counts in this run.
pub(super) fn counted_again(entry: Option<&Entry>) -> Fate {
    match entry.map(|entry| entry.fate) {
        Some(fate) if !fate.is_in_place() => fate,
        _ => Fate::Unchanged,
    }
}

/// The object of a record, from the entry or from what its own write became.
fn root_target(entry: &Entry) -> Option<TargetId> {
    match entry.part(&entry.key).map(|part| &part.state) {
        Some(PartState::Done(written)) => Some(written.target.clone()),
        Some(PartState::Intended { known: Some(written), .. }) => Some(written.target.clone()),
        _ => entry.target.clone(),
    }
}
