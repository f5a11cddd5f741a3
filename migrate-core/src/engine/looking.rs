//! How a record's saga finds out what became of a write in doubt, and goes on from there.

use chrono::{DateTime, Utc};

use crate::draft::Draft;
use crate::fate::Reason;
use crate::ledger::{Change, Parking, Written};
use crate::sink::{Doubt, FailureKind, Resolved};
use crate::{Fingerprint, Key};

use super::RunError;
use super::doubt::Judgement;
use super::parts::{targets_but, void};
use super::saga::{Action, Awaiting, Saga, twin_note};

impl<D: Draft> Saga<'_, D> {
    /// Asks the destination whether a write took effect.
    pub(super) fn look(
        &mut self,
        key: Key,
        intended_at: DateTime<Utc>,
        resolved: Resolved,
        now: DateTime<Utc>,
    ) -> Action<D> {
        let Some((draft, fingerprint)) = self.unit.intended(&self.entry, &key) else {
            return self.interrupted();
        };
        let own = self.unit.steps.iter().find(|step| step.key == key);
        let fingerprint = match own.filter(|step| step.fingerprint == fingerprint) {
            Some(step) => step.written_with(&resolved),
            None => fingerprint,
        };
        let since = self.unit.doubt_since(intended_at, self.times.run_begun, now);
        let taken = targets_but(&self.entry, &key);
        self.awaiting = Awaiting::Answer { key: key.clone(), fingerprint, since };
        Action::Look(Box::new(Doubt { key, draft, resolved, intended_at, taken }))
    }

    /// Goes on as the answer lets it.
    pub(super) fn judged(
        &mut self,
        key: Key,
        fingerprint: Fingerprint,
        since: DateTime<Utc>,
        judgement: Judgement,
        now: DateTime<Utc>,
    ) -> Action<D> {
        match judgement {
            Judgement::There { target, how, current, twins } => {
                self.wrote = true;
                self.unit.doubted(&key);
                if !twins.is_empty() {
                    self.unit.notes.push(twin_note(&key, &twins));
                }
                // What is older than the draft counts as another state of it, which is then updated
                // or corrected.
                let older = || Fingerprint::of(b"older than the draft");
                let fingerprint = if current { fingerprint } else { older() };
                self.done(key, Written { target, fingerprint, how, state: None, at: now }, now);
                self.step(now)
            }
            Judgement::NotThere => {
                self.unit.doubted(&key);
                self.unit.tries += 1;
                void(&mut self.entry, &mut self.pending, &key);
                if self.entry.written(&key).is_none() {
                    // Nor did it change anything that an image of is kept.
                    self.pending.push(Change::VoidBefore { key });
                }
                if self.unit.tries >= self.times.patience.max_looks {
                    let message = "it was sent again and again, and never came about";
                    let reason = Reason::new("in_doubt_for_good", message).remedy(
                        "operator",
                        "see why the destination does not answer, then run again",
                    );
                    return self.give_up(reason, now);
                }
                self.step(now)
            }
            Judgement::Later { not_before, looks } => {
                self.park(Parking::Doubt, since, not_before, looks, now)
            }
            Judgement::Never(reason) => self.give_up(reason, now),
            Judgement::Stop(failure) if failure.kind == FailureKind::Stop => {
                self.stop(RunError::Refused(failure.message))
            }
            Judgement::Stop(failure) => self.stop(RunError::Gone(failure.message)),
        }
    }
}
