//! The way of one record through its writes, as a state machine: `(event, now) → action`.
//!
//! A [`Saga`] looks at nothing and does nothing: it is told what happened and says what is to be
//! done next. [`flow`](super::flow) does it. What one write became is made durable together with
//! the intent of the next, always before the next is sent.

use chrono::{DateTime, Utc};

use crate::draft::{Draft, Reference, knows_all, lacking};
use crate::fate::{Fate, Reason};
use crate::ledger::{Change, Entry, How, Parking, PartState, Written};
use crate::mapper::Note;
use crate::run::Patience;
use crate::sink::{Doubt, Failure, FailureKind, Found, Outcome, Receipt, Resolved, TargetId};
use crate::{Fingerprint, Key};

use super::RunError;
use super::doubt::Look;
use super::ending::{End, Ended, Ending};
use super::parts::{after_all, intend, set_part, void};
use super::resolve::References;
use super::unit::{Next, Unit};

/// The moments that a saga reckons by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Intents found without an outcome were surely sent before this.
    pub(crate) run_begun: DateTime<Utc>,
    /// What is older in the destination was there before.
    pub(crate) migration_since: DateTime<Utc>,
    pub(crate) patience: Patience,
}

/// One record on its way.
pub(super) struct Saga<'a, D> {
    pub(super) stage: &'a str,
    pub(super) times: Times,
    pub(super) unit: Unit<D>,
    /// What the ledger knows of the record, kept in step with what is to be committed.
    pub(super) entry: Entry,
    /// Did the ledger know the record before?
    pub(super) known: bool,
    /// Do records of a lane come in its order, as when the source is read? Then what is parked of
    /// them gets rows in that order; elsewhere it keeps the rows it has.
    pub(super) in_order: bool,
    /// Was it in place whole once, before it had to wait?
    pub(super) was_in_place: bool,
    /// What has become known and is not durable yet.
    pub(super) pending: Vec<Change>,
    /// Has this saga written anything?
    pub(super) wrote: bool,
    waited_for: Option<Reason>,
    /// Tries the record again although nothing about it has changed.
    forced: bool,
    /// Steps before this one are done with, whatever the ledger says.
    from: usize,
    halted: bool,
    pub(super) awaiting: Awaiting,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The record's turn has come.
    Begin,
    /// The references that were asked for lead here.
    Resolved(References),
    /// The sink has spent a receipt. `gone` says that the destination counts as gone.
    Receipt { receipt: Receipt, gone: bool },
    /// The destination was asked at `asked_at` and gave this answer.
    Looked { found: Result<Found, Failure>, asked_at: DateTime<Utc>, gone: bool },
    /// What the ledger knows of the records that share the object.
    Others(Vec<Option<Entry>>),
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Action<D> {
    /// Find out where references lead.
    Resolve(Vec<Reference>),
    /// Make the changes durable, then send the write.
    Write(Vec<Change>, Box<Sending<D>>),
    /// Look whether a write took effect.
    Look(Box<Doubt<D>>),
    /// Find out what the ledger knows of these records.
    Others(Vec<Key>),
    /// Make the changes durable; that is all.
    End(Box<End>),
}

/// A write to be sent.
#[derive(Clone, Debug)]
pub(super) struct Sending<D> {
    pub(super) key: Key,
    pub(super) draft: D,
    pub(super) resolved: Resolved,
    pub(super) known_as: Option<Written>,
    pub(super) since: DateTime<Utc>,
    pub(super) waited_for: Option<Reason>,
}

/// What a saga waits for.
#[derive(Debug)]
pub(super) enum Awaiting {
    Turn,
    References(Next),
    Receipt { step: usize, key: Key, fingerprint: Fingerprint, guarded: bool },
    Answer { key: Key, fingerprint: Fingerprint, since: DateTime<Utc> },
    Others(Ending),
    Nothing,
}

impl<'a, D: Draft> Saga<'a, D> {
    /// A saga of a unit, given what the ledger knows of it. `forced` tries it again although it
    /// has not changed.
    pub(super) fn new(
        stage: &'a str,
        times: Times,
        unit: Unit<D>,
        entry: Option<Entry>,
        forced: bool,
    ) -> Self {
        let known = entry.is_some();
        let entry = entry.unwrap_or_else(|| Entry::pending(unit.root.clone(), stage));
        let had_object = entry.target.is_some() && entry.fate != Fate::Dead;
        let was_in_place = had_object && entry.fingerprint.is_some();
        Self {
            stage,
            times,
            unit,
            entry,
            known,
            in_order: false,
            was_in_place,
            pending: Vec::new(),
            wrote: false,
            waited_for: None,
            forced,
            from: 0,
            halted: false,
            awaiting: Awaiting::Turn,
        }
    }

    /// The same saga of a record that comes in the order of its lane.
    pub(super) fn in_order(mut self, in_order: bool) -> Self {
        self.in_order = in_order;
        self
    }

    /// Lets the saga end before it begins anything more.
    pub(super) fn halt(&mut self) {
        self.halted = true;
    }

    /// Says what is to be done, now that this has happened.
    pub(super) fn on(&mut self, event: Event, now: DateTime<Utc>) -> Action<D> {
        match (std::mem::replace(&mut self.awaiting, Awaiting::Nothing), event) {
            (Awaiting::Turn, Event::Begin) => self.begin(now),
            (Awaiting::References(next), Event::Resolved(references)) => {
                self.resolved(next, references, now)
            }
            (
                Awaiting::Receipt { step, key, fingerprint, guarded },
                Event::Receipt { receipt, gone },
            ) => self.receipt(step, (key, fingerprint), guarded, receipt, gone, now),
            (
                Awaiting::Answer { key, fingerprint, since },
                Event::Looked { found, asked_at, gone },
            ) => {
                let looks = self.unit.looks(Parking::Doubt);
                let look = Look { since, asked_at, looks, gone };
                let judgement = look.judge(found, now, &self.times.patience);
                self.judged(key, fingerprint, since, judgement, now)
            }
            (Awaiting::Others(ending), Event::Others(others)) => self.ended(ending, others, now),
            // Nothing else was asked for; what is known is kept, and the next run goes on.
            (_, _) => self.interrupted(),
        }
    }

    fn begin(&mut self, now: DateTime<Utc>) -> Action<D> {
        let settled = self.known && self.unit.is_settled(&self.entry) && !self.forced;
        if settled && self.unit.merged.is_empty() {
            return self.as_before(now);
        }
        if self.entry.fate == Fate::Queued {
            self.waited_for = self.entry.reason.take();
        }
        self.step(now)
    }

    /// Begins the next step, if there is one.
    pub(super) fn step(&mut self, now: DateTime<Utc>) -> Action<D> {
        loop {
            let next = self.unit.next(self.from, &self.entry, self.wrote);
            let references = match &next {
                Next::Nothing if self.is_as_it_was() => return self.as_before(now),
                Next::Nothing => return self.settle(now),
                _ if self.halted => return self.interrupted(),
                Next::Corrected { step, known } => {
                    let (key, fingerprint) = self.unit.steps[*step].named();
                    let known = Written { fingerprint, ..known.clone() };
                    self.done(key, known, now);
                    continue;
                }
                Next::Write { step, correction, .. } => {
                    self.draft(*step, correction.is_some()).references()
                }
                Next::Complete { step, .. } => self.unit.steps[*step].draft.references(),
                Next::Doubt { key, .. } => {
                    let intended = self.unit.intended(&self.entry, key);
                    intended.map(|(draft, _)| draft.references()).unwrap_or_default()
                }
            };
            if references.is_empty() {
                let root = self.entry.written(&self.entry.key).cloned();
                return self.resolved(next, References::Ready(Resolved::of_root(root)), now);
            }
            self.awaiting = Awaiting::References(next);
            return Action::Resolve(references);
        }
    }

    fn resolved(&mut self, next: Next, references: References, now: DateTime<Utc>) -> Action<D> {
        match (next, references) {
            (Next::Write { step, known, correction }, References::Ready(resolved)) => {
                let draft = self.draft(step, correction.is_some());
                self.write(step, draft, known, correction, resolved, now)
            }
            (Next::Complete { step, known, more }, references) => {
                self.complete(step, known, more, references, now)
            }
            (Next::Write { .. }, References::Queue(reason)) => self.queue(reason, now),
            (Next::Write { .. }, References::Wait) if self.waits_for_its_parent() => {
                self.end(Vec::new(), Ok(Ended::Parked))
            }
            (Next::Write { .. }, References::Wait) => {
                let looks = self.unit.looks(Parking::Parent) + 1;
                // It is due as soon as anything has been settled that it may have waited for.
                self.park(Parking::Parent, now, now, looks, now)
            }
            (Next::Doubt { key, intended_at }, References::Ready(resolved)) => {
                self.look(key, intended_at, resolved, now)
            }
            (Next::Doubt { key, intended_at }, _) => {
                let since = self.unit.doubt_since(intended_at, self.times.run_begun, now);
                let looks = self.unit.looks(Parking::Doubt);
                let look = Look { since, asked_at: now, looks, gone: false };
                let judgement =
                    look.in_vain("its parent is not in place", now, &self.times.patience);
                // It is parked or given up; there is nothing to be noted as found.
                self.judged(key, Fingerprint::of(b"not looked at"), since, judgement, now)
            }
            (Next::Nothing | Next::Corrected { .. }, _) => self.interrupted(),
        }
    }

    /// Completes what was written without something, if all of that is known by now.
    fn complete(
        &mut self,
        step: usize,
        known: Written,
        more: Option<Key>,
        references: References,
        now: DateTime<Utc>,
    ) -> Action<D> {
        let draft = &self.unit.steps[step].draft;
        match (references, draft.completion()) {
            (References::Ready(resolved), Some(completion)) if knows_all(draft, &resolved) => {
                let known = more.is_none().then_some(known);
                self.write(step, completion, known, more, resolved, now)
            }
            // It stays as it is for this run.
            _ => {
                self.from = step + 1;
                self.step(now)
            }
        }
    }

    /// Is the record in the ledger as this would leave it? Nothing was written, nor found out.
    fn is_as_it_was(&self) -> bool {
        let own = matches!(self.entry.fate, Fate::Created | Fate::Updated | Fate::Unchanged);
        own && self.known
            && !self.wrote
            && self.pending.is_empty()
            && self.unit.merged.is_empty()
            && self.entry.fingerprint == Some(self.unit.fingerprint())
    }

    /// Is it parked just as it would be parked now?
    fn waits_for_its_parent(&self) -> bool {
        let waited = self.unit.waited.is_some_and(|waited| waited.why == Parking::Parent);
        waited && self.pending.is_empty() && !self.wrote
    }

    /// Writes a draft for a step: its own, or what is added to it under the key `more`.
    fn write(
        &mut self,
        step: usize,
        draft: D,
        known: Option<Written>,
        more: Option<Key>,
        resolved: Resolved,
        now: DateTime<Utc>,
    ) -> Action<D> {
        let own = &self.unit.steps[step];
        let guarded = own.is_guarded() || more.is_some();
        let fingerprint = match (&more, &known) {
            (Some(_), _) => own.fingerprint,
            // It has changed, and what completes it is added next.
            (None, Some(known)) if own.is_completed_after(known) => lacking(own.fingerprint),
            (None, _) => own.written_with(&resolved),
        };
        let key = more.unwrap_or_else(|| own.key.clone());
        if guarded {
            // A draft that cannot be kept is looked for as the record has it then.
            let kept = serde_json::to_value(&draft).ok();
            intend(&mut self.entry, &mut self.pending, &key, self.stage, kept, now);
        }
        let sending = Sending {
            key: key.clone(),
            draft,
            resolved,
            known_as: known,
            since: if guarded { now } else { self.times.migration_since },
            waited_for: self.waited_for.clone(),
        };
        self.awaiting = Awaiting::Receipt { step, key, fingerprint, guarded };
        Action::Write(std::mem::take(&mut self.pending), Box::new(sending))
    }

    fn receipt(
        &mut self,
        step: usize,
        (key, fingerprint): (Key, Fingerprint),
        guarded: bool,
        receipt: Receipt,
        gone: bool,
        now: DateTime<Utc>,
    ) -> Action<D> {
        let Receipt { outcome, state, image, notes, kept } = receipt;
        if kept && changed_nothing(&outcome) {
            self.pending.push(Change::VoidBefore { key: key.clone() });
        }
        for note in notes {
            self.unit.note(note);
        }
        let (target, how) = match outcome {
            Outcome::Created(target) => (target, How::Created),
            Outcome::Updated(target) => (target, How::Updated),
            Outcome::Unchanged(target) => (target, How::Unchanged),
            Outcome::Refused(reason) => {
                self.void(&key, guarded);
                return self.refuse(reason, now);
            }
            Outcome::Queued(reason) => {
                self.void(&key, guarded);
                return self.queue(reason, now);
            }
            Outcome::Failed(failure) => return self.failed(&key, guarded, failure, gone, now),
        };
        self.wrote |= how != How::Unchanged;
        if let Some(image) = image {
            self.pending.push(Change::VoidBefore { key: key.clone() });
            self.pending.push(Change::Before { key: key.clone(), image });
        }
        self.done(key, Written { target, fingerprint, how, state, at: now }, now);
        if self.unit.steps[step].draft.repeats_after_others() {
            // It is done for this saga: it must not ask for itself again.
            self.from = step + 1;
        }
        self.step(now)
    }

    fn failed(
        &mut self,
        key: &Key,
        guarded: bool,
        failure: Failure,
        gone: bool,
        now: DateTime<Utc>,
    ) -> Action<D> {
        if guarded && failure.kind == FailureKind::InDoubt {
            if gone {
                // The intent is durable: the next run settles it.
                return self.stop(RunError::Gone(failure.message));
            }
            return self.park(Parking::Doubt, now, now, 0, now);
        }
        self.void(key, guarded);
        match failure.kind {
            FailureKind::Gone => self.stop(RunError::Gone(failure.message)),
            FailureKind::Stop => self.stop(RunError::Refused(failure.message)),
            // What may be repeated is never in doubt: it is only not known to be done.
            FailureKind::NotDone | FailureKind::InDoubt if gone => {
                self.stop(RunError::Gone(failure.message))
            }
            FailureKind::NotDone | FailureKind::InDoubt => {
                let looks = self.unit.looks(Parking::Retry) + 1;
                if looks >= self.times.patience.max_looks {
                    let reason = Reason::new("gave_up", failure.message)
                        .remedy("operator", "see whether the destination is well, then run again");
                    return self.give_up(reason, now);
                }
                let later = self.times.patience.next_look(now, looks);
                self.park(Parking::Retry, now, later, looks, now)
            }
        }
    }

    /// Takes back an intent, if there was one: its write surely did not take effect.
    pub(super) fn void(&mut self, key: &Key, guarded: bool) {
        if guarded {
            void(&mut self.entry, &mut self.pending, key);
        }
    }

    /// Notes what a write became.
    pub(super) fn done(&mut self, key: Key, written_now: Written, now: DateTime<Utc>) {
        let at = after_all(&self.entry, now);
        let Written { target, fingerprint, how, state, .. } = written_now;
        let former = self.entry.written(&key);
        // A record that has become another object is that only as far as this write has made it so.
        let former = former.filter(|former| key != self.entry.key || former.target == target);
        let how = former.map_or(how, |former| former.how.then(how));
        if key == self.entry.key {
            self.entry.target = Some(target.clone());
        }
        let done = Written { target: target.clone(), fingerprint, how, state, at };
        set_part(&mut self.entry, &key, PartState::Done(done));
        let stage = self.stage.to_owned();
        self.pending.push(Change::Done { key, stage, target, fingerprint, how, state, at });
    }

    fn draft(&self, step: usize, corrects: bool) -> D {
        let draft = &self.unit.steps[step].draft;
        let correction = if corrects { draft.correction() } else { None };
        correction.unwrap_or_else(|| draft.clone())
    }

    /// The run stops; the record stays as it is and is gone on with in the next.
    pub(super) fn stop(&mut self, error: RunError) -> Action<D> {
        self.end(Vec::new(), Err(error))
    }

    pub(super) fn interrupted(&mut self) -> Action<D> {
        self.end(Vec::new(), Ok(Ended::Interrupted))
    }

    pub(super) fn end(&mut self, counts: Vec<Fate>, ended: Result<Ended, RunError>) -> Action<D> {
        let changes = std::mem::take(&mut self.pending);
        Action::End(Box::new(End { changes, counts, ended }))
    }

    pub(super) fn await_others(&mut self, ending: Ending) -> Action<D> {
        self.awaiting = Awaiting::Others(ending);
        Action::Others(self.unit.merged.clone())
    }
}

/// Does an outcome say that the write surely left everything as it was?
fn changed_nothing(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Created(_) | Outcome::Updated(_) => false,
        Outcome::Unchanged(_) | Outcome::Refused(_) | Outcome::Queued(_) => true,
        Outcome::Failed(failure) => failure.kind != FailureKind::InDoubt,
    }
}

/// What is noted of a write that was made more than once.
pub(super) fn twin_note(key: &Key, twins: &[TargetId]) -> Note {
    tracing::warn!(%key, ?twins, "written more than once");
    let ids: Vec<&str> = twins.iter().map(TargetId::as_str).collect();
    Note { code: "twin".into(), field: ids.join(" ") }
}
