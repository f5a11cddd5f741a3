//! One unit's drive: its writes one after the other, each committed before the next is sent.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::draft::Draft;
use crate::fate::{Fate, Reason};
use crate::ledger::{Change, Entry, How, Parking, PartState, Written};
use crate::mapper::Note;
use crate::sink::{Doubt, Failure, FailureKind, Found, Outcome, Receipt, TargetId, Write};
use crate::{Fingerprint, Key};

use super::RunError;
use super::flow::{Ended, Flow};
use super::parts::{intend, set_part, targets_but, void, written};
use super::resolve::{References, resolve};
use super::unit::{Next, Unit, believable_at, believed};

impl<D: Draft> Flow<'_, D> {
    /// Makes the writes of a unit, one after the other. What one write became is committed
    /// together with the intent of the next, always before the next is sent.
    pub(super) async fn drive(
        &self,
        mut unit: Unit<D>,
        entry: Option<Entry>,
    ) -> Result<Ended, RunError> {
        if unit.is_settled(entry.as_ref()) && unit.merged.is_empty() {
            if unit.waited.is_some() {
                self.run.ledger.commit(vec![Change::Unpark { key: unit.root.clone() }]).await?;
            }
            self.run.count(self.stage, counted_again(entry.as_ref()));
            return Ok(Ended::Settled);
        }
        let mut entry = entry.unwrap_or_else(|| Entry::pending(unit.root.clone(), self.stage));
        let waited_for = if entry.fate == Fate::Queued { entry.reason.take() } else { None };
        let mut pending = Vec::new();
        let mut wrote = false;
        let mut from = 0;
        loop {
            if self.is_halted() {
                self.run.ledger.commit(pending).await?;
                return Ok(Ended::Interrupted);
            }
            match unit.next(from, &entry, wrote) {
                Next::Nothing => break,
                Next::Corrected { step, known } => {
                    let fingerprint = unit.steps[step].fingerprint;
                    let key = unit.steps[step].key.clone();
                    self.done(
                        &mut entry,
                        &mut pending,
                        key,
                        known.target,
                        fingerprint,
                        known.how,
                        known.state,
                    );
                }
                Next::Doubt { step, intended_at, correction } => {
                    let key = correction.clone().unwrap_or_else(|| unit.steps[step].key.clone());
                    let looked = self.look(&unit, &entry, step, correction, intended_at).await?;
                    if let Looked::Yes { twins, .. } = &looked
                        && !twins.is_empty()
                    {
                        tracing::warn!(%key, ?twins, "written more than once");
                        unit.notes.push(Note { code: "twin".into(), field: twins.join(" ") });
                    }
                    match looked {
                        Looked::Yes { target, current, .. } => {
                            // What is older than the draft counts as another state of it, which
                            // is then updated or corrected.
                            let fingerprint = if current {
                                unit.steps[step].fingerprint
                            } else {
                                Fingerprint::of(b"older than the draft")
                            };
                            wrote = true;
                            self.done(
                                &mut entry,
                                &mut pending,
                                key,
                                target,
                                fingerprint,
                                How::Created,
                                None,
                            );
                        }
                        Looked::No => void(&mut entry, &mut pending, &key, true),
                        Looked::Later { since, not_before, looks } => {
                            return self
                                .park(
                                    &unit,
                                    &entry,
                                    pending,
                                    Parking::Doubt,
                                    since,
                                    not_before,
                                    looks,
                                )
                                .await;
                        }
                        Looked::Never(reason) => {
                            return self.give_up(&unit, pending, reason).await;
                        }
                    }
                }
                Next::Write { step, known, correction } => {
                    let key = correction.clone().unwrap_or_else(|| unit.steps[step].key.clone());
                    let draft = self.draft_of(&unit, step, correction.is_some());
                    let root = written(&entry, &entry.key);
                    let resolved = match resolve(self.run, &draft, root).await? {
                        References::Ready(resolved) => resolved,
                        References::Queue(reason) => {
                            return self.queue(&unit, pending, reason).await;
                        }
                        References::Wait => {
                            let now = self.run.clock.now();
                            let looks = unit.looks(Parking::Parent) + 1;
                            let later = self.run.patience.next_look(now, looks);
                            return self
                                .park(&unit, &entry, pending, Parking::Parent, now, later, looks)
                                .await;
                        }
                    };
                    let guarded = unit.steps[step].needs_intent() || correction.is_some();
                    let now = self.run.clock.now();
                    if guarded {
                        intend(&mut entry, &mut pending, &key, self.stage, now);
                    }
                    if !pending.is_empty() {
                        self.run.ledger.commit(std::mem::take(&mut pending)).await?;
                    }
                    let since = if guarded { now } else { self.run.migration_since };
                    let write = Write {
                        key: key.clone(),
                        draft,
                        resolved,
                        known_as: known,
                        since,
                        waited_for: waited_for.clone(),
                        state: None,
                        receipt: None,
                        ledger: Arc::clone(&self.run.ledger),
                    };
                    let Receipt { outcome, state } = self.write(write, guarded).await;
                    let fingerprint = unit.steps[step].fingerprint;
                    match outcome {
                        Outcome::Created(target) => {
                            wrote = true;
                            self.done(
                                &mut entry,
                                &mut pending,
                                key,
                                target,
                                fingerprint,
                                How::Created,
                                state,
                            );
                        }
                        Outcome::Updated(target) => {
                            wrote = true;
                            self.done(
                                &mut entry,
                                &mut pending,
                                key,
                                target,
                                fingerprint,
                                How::Updated,
                                state,
                            );
                        }
                        Outcome::Unchanged(target) => {
                            self.done(
                                &mut entry,
                                &mut pending,
                                key,
                                target,
                                fingerprint,
                                How::Unchanged,
                                state,
                            );
                        }
                        other => {
                            return self
                                .not_written(&unit, entry, pending, &key, guarded, other)
                                .await;
                        }
                    }
                    if unit.steps[step].draft.repeats_after_others() {
                        // It is done for this drive: it must not ask for itself again.
                        from = step + 1;
                    }
                }
            }
        }
        self.settle(&unit, &entry, pending, wrote).await
    }

    fn draft_of(&self, unit: &Unit<D>, step: usize, corrected: bool) -> D {
        let draft = &unit.steps[step].draft;
        let correction = if corrected { draft.correction() } else { None };
        correction.unwrap_or_else(|| draft.clone())
    }

    /// Sends one write. A receipt that is dropped counts as in doubt.
    async fn write(&self, mut write: Write<D>, guarded: bool) -> Receipt {
        let (receipt, outcome) = oneshot::channel();
        write.receipt = Some(receipt);
        self.sink.write(vec![write]).await;

        let Receipt { outcome, state } = outcome.await.unwrap_or_else(|_| {
            let message = "the sink dropped the receipt";
            let outcome = Outcome::Failed(Failure::new(FailureKind::InDoubt, message));
            Receipt { outcome, state: None }
        });
        if !matches!(outcome, Outcome::Failed(_)) {
            self.run.answered();
        }
        let outcome = match outcome {
            // What may be repeated is never in doubt: it is only not known to be done.
            Outcome::Failed(failure) if failure.kind == FailureKind::InDoubt && !guarded => {
                Outcome::Failed(Failure::new(FailureKind::NotDone, failure.message))
            }
            outcome => outcome,
        };
        Receipt { outcome, state }
    }

    /// What to do about a write that was not made, or of which nobody knows.
    async fn not_written(
        &self,
        unit: &Unit<D>,
        mut entry: Entry,
        mut pending: Vec<Change>,
        key: &Key,
        guarded: bool,
        outcome: Outcome,
    ) -> Result<Ended, RunError> {
        let now = self.run.clock.now();
        let failure = match outcome {
            Outcome::Failed(failure) => failure,
            Outcome::Queued(reason) => {
                void(&mut entry, &mut pending, key, guarded);
                return self.queue(unit, pending, reason).await;
            }
            Outcome::Refused(reason) => {
                void(&mut entry, &mut pending, key, guarded);
                return self.settle_as(unit, pending, Fate::Dead, reason).await;
            }
            // What succeeded is no business of this function.
            Outcome::Created(_) | Outcome::Updated(_) | Outcome::Unchanged(_) => {
                return Ok(Ended::Interrupted);
            }
        };
        if failure.kind == FailureKind::InDoubt {
            if self.run.failed_again() {
                // The intent is durable: the next run settles it.
                self.run.ledger.commit(pending).await?;
                return Err(RunError::Gone(failure.message));
            }
            return self.park(unit, &entry, pending, Parking::Doubt, now, now, 0).await;
        }
        void(&mut entry, &mut pending, key, guarded);
        match failure.kind {
            FailureKind::NotDone if self.run.failed_again() => {
                self.run.ledger.commit(pending).await?;
                Err(RunError::Gone(failure.message))
            }
            FailureKind::NotDone
                if unit.looks(Parking::Retry) + 1 >= self.run.patience.max_looks =>
            {
                let reason = Reason::new("gave_up", failure.message)
                    .remedy("operator", "see whether the destination is well, then run again");
                self.give_up(unit, pending, reason).await
            }
            FailureKind::NotDone => {
                let looks = unit.looks(Parking::Retry) + 1;
                let later = self.run.patience.next_look(now, looks);
                self.park(unit, &entry, pending, Parking::Retry, now, later, looks).await
            }
            FailureKind::Gone => {
                self.run.ledger.commit(pending).await?;
                Err(RunError::Gone(failure.message))
            }
            _ => {
                self.run.ledger.commit(pending).await?;
                Err(RunError::Refused(failure.message))
            }
        }
    }

    /// Looks for a write of which nobody knows whether it was made.
    async fn look(
        &self,
        unit: &Unit<D>,
        entry: &Entry,
        step: usize,
        correction: Option<Key>,
        intended_at: DateTime<Utc>,
    ) -> Result<Looked, RunError> {
        let patience = &self.run.patience;
        let since = unit.doubt_since(intended_at, self.run.begun_at);
        let looks = unit.looks(Parking::Doubt);
        let draft = self.draft_of(unit, step, correction.is_some());
        let key = correction.unwrap_or_else(|| unit.steps[step].key.clone());
        let in_vain = |now: DateTime<Utc>, message: String| {
            if looks + 1 >= patience.max_looks {
                let reason = Reason::new("in_doubt_for_good", message).remedy(
                    "admin of the destination",
                    "see by hand whether the object is there; the next run looks again",
                );
                return Looked::Never(reason);
            }
            let not_before = patience.next_look(now, looks + 1);
            Looked::Later { since, not_before, looks: looks + 1 }
        };
        let References::Ready(resolved) =
            resolve(self.run, &draft, written(entry, &entry.key)).await?
        else {
            return Ok(in_vain(self.run.clock.now(), "its parent is not in place".into()));
        };
        let asked_at = self.run.clock.now();
        let taken = targets_but(entry, &key);
        let doubt = Doubt { key, draft, resolved, intended_at, taken };
        let found = self.sink.find(&doubt).await;
        if found.is_ok() {
            self.run.answered();
        }
        let now = self.run.clock.now();
        Ok(match found {
            Ok(Found::Yes(target)) => Looked::Yes { target, current: true, twins: Vec::new() },
            Ok(Found::Older(target)) => Looked::Yes { target, current: false, twins: Vec::new() },
            Ok(Found::Twins(targets)) => match targets.first().cloned() {
                Some(target) => {
                    let twins = targets.iter().map(TargetId::to_string).collect();
                    Looked::Yes { target, current: true, twins }
                }
                None => in_vain(now, "the destination gave no id".into()),
            },
            // The answer is as old as the question.
            Ok(Found::No(evidence)) if believed(evidence, since, asked_at, patience) => Looked::No,
            Ok(Found::No(evidence)) => {
                Looked::Later { since, not_before: believable_at(evidence, since, patience), looks }
            }
            Ok(Found::CannotTell) => in_vain(now, "the destination cannot tell".into()),
            Err(failure) => match failure.kind {
                FailureKind::Gone => return Err(RunError::Gone(failure.message)),
                FailureKind::Stop => return Err(RunError::Refused(failure.message)),
                _ if self.run.failed_again() => return Err(RunError::Gone(failure.message)),
                // It did not look, so it is no look in vain.
                _ => {
                    let not_before = patience.next_look(now, looks.max(1));
                    return Ok(Looked::Later { since, not_before, looks });
                }
            },
        })
    }

    fn done(
        &self,
        entry: &mut Entry,
        pending: &mut Vec<Change>,
        key: Key,
        target: TargetId,
        fingerprint: Fingerprint,
        how: How,
        state: Option<Fingerprint>,
    ) {
        let at = self.run.clock.now();
        let how = match written(entry, &key) {
            Some(written) => written.how,
            None => how,
        };
        let written = Written { target: target.clone(), fingerprint, how, state, at };
        set_part(entry, &key, PartState::Done(written));
        if key == entry.key {
            entry.target = Some(target.clone());
        }
        pending.push(Change::Done {
            key,
            stage: self.stage.to_owned(),
            target,
            fingerprint,
            how,
            state,
            at,
        });
    }
}

/// How a record that is in the ledger as it is here counts in this run.
pub(super) fn counted_again(entry: Option<&Entry>) -> Fate {
    match entry.map(|entry| entry.fate) {
        Some(fate) if !fate.is_in_place() => fate,
        _ => Fate::Unchanged,
    }
}

/// What looking for a doubtful write led to.
enum Looked {
    Yes { target: TargetId, current: bool, twins: Vec<String> },
    No,
    Later { since: DateTime<Utc>, not_before: DateTime<Utc>, looks: u32 },
    Never(Reason),
}
