//! Taking back one record: its writes in the order of [`approach`], each committed as it is done.

use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::engine::RunError;
use crate::fate::{Fate, Reason};
use crate::ledger::{Change, Entry, How, LedgerError, PartState, Written};
use crate::run::Run;
use crate::sink::{FailureKind, TargetId};
use crate::{Fingerprint, Key};

use super::decide::{Act, Approach, Attempt, End, Heard, approach};
use super::report::Ended;
use super::rollback::{ARCHIVED, Undone};
use super::work::Work;
use super::{Made, Met, Undo, removes};

/// What the records of one stage are taken back with.
pub(super) struct Undoing<'a> {
    pub(super) stage: &'a str,
    pub(super) run: &'a Run,
    pub(super) undo: &'a dyn Undo,
    pub(super) dry: bool,
    met: Met,
    begun: OnceCell<()>,
}

impl<'a> Undoing<'a> {
    /// `met` is what the rollback has met so far, in all stages.
    pub(super) fn new(
        stage: &'a str,
        run: &'a Run,
        undo: &'a dyn Undo,
        dry: bool,
        met: Met,
    ) -> Self {
        Self { stage, run, undo, dry, met, begun: OnceCell::new() }
    }

    /// These objects are looked at again: they may go after all.
    pub(super) fn let_go(&self, objects: impl Iterator<Item = TargetId>) {
        objects.for_each(|object| self.met.let_go(&object));
    }

    /// Deals with one record. Says which of its objects are left.
    pub(super) async fn work(
        &self,
        work: Result<Work, LedgerError>,
    ) -> Result<(Ended, Vec<TargetId>), RunError> {
        let (entry, sharing) = match work? {
            Work::Merged { entry, is_left } => {
                return Ok((self.merged(&entry, is_left).await?, Vec::new()));
            }
            Work::Record { entry, sharing } => (entry, sharing),
        };
        let ended = self.record(&entry, &sharing).await?;
        let root = root_of(&entry).map(|root| root.target.clone());
        if !ended.counted.contains(&Undone::Kept) {
            if self.dry {
                root.iter().for_each(|object| self.met.would_go(object));
            }
            return Ok((ended, Vec::new()));
        }
        let objects: Vec<TargetId> = root.into_iter().chain(entry.target).collect();
        self.met.leave(&objects);
        Ok((ended, objects))
    }

    /// Takes a record back. `sharing` are the duplicates that go with it in the same commit.
    async fn record(&self, entry: &Entry, sharing: &[Key]) -> Result<Ended, RunError> {
        let mut entry = entry.clone();
        for part in &mut entry.parts {
            // What was found as it should be at first may have been changed by a later run: then
            // there is an image of what stood there before.
            if let PartState::Done(written) = &mut part.state
                && written.how == How::Unchanged
                && self.run.ledger.before(&part.key).await?.is_some()
            {
                written.how = How::Updated;
            }
        }
        self.take_record(&entry, sharing).await
    }

    async fn take_record(&self, entry: &Entry, sharing: &[Key]) -> Result<Ended, RunError> {
        let parked = match entry.fate.is_final() {
            true => None,
            false => {
                let key = std::slice::from_ref(&entry.key);
                self.run.ledger.parked_among(key).await?.into_iter().next()
            }
        };
        let approach = match self.may_have_changed(entry).await? {
            true => Approach::Doubt(vec![entry.key.clone()]),
            false => approach(entry, parked.map(|parked| parked.why)),
        };
        let mut ended = match approach {
            Approach::Nothing => {
                self.forget(entry, sharing).await?;
                Ended::of(Undone::Untouched)
            }
            Approach::Doubt(keys) => {
                let mut ended = Ended::of(Undone::Kept);
                for key in keys {
                    let state = entry.written(&key);
                    let object = state.or(root_of(entry)).map(|known| known.target.to_string());
                    ended.leave(&key, object, in_doubt());
                }
                ended
            }
            Approach::Whole(root) => self.whole(entry, root, sharing).await?,
            Approach::Steps(steps) => self.steps(entry, steps, sharing).await?,
        };
        let follow = if ended.counted == [Undone::Kept] { Undone::Kept } else { Undone::Merged };
        ended.counted.extend(sharing.iter().map(|_| follow));
        if follow == Undone::Kept {
            sharing.iter().for_each(|key| ended.leave(key, target_of(entry), shares_object()));
        }
        Ok(ended)
    }

    /// What stood there before is kept right before it is changed. Where nothing is known of the write
    /// itself, the run was killed on the way, and it may have taken effect.
    async fn may_have_changed(&self, entry: &Entry) -> Result<bool, LedgerError> {
        Ok(root_of(entry).is_none() && self.run.ledger.before(&entry.key).await?.is_some())
    }

    /// A duplicate that has nothing of its own: it goes unless its object is left.
    async fn merged(&self, entry: &Entry, is_left: bool) -> Result<Ended, RunError> {
        if is_left {
            let mut ended = Ended::of(Undone::Kept);
            ended.leave(&entry.key, target_of(entry), shares_object());
            return Ok(ended);
        }
        self.forget(entry, &[]).await?;
        Ok(Ended::of(Undone::Merged))
    }

    async fn whole(
        &self,
        entry: &Entry,
        root: Written,
        sharing: &[Key],
    ) -> Result<Ended, RunError> {
        let made = self.made(entry, &entry.key, root).await?;
        let end = self.take(&made).await?;
        let counted = match &end {
            End::AlreadyGone => Undone::AlreadyGone,
            end if end.is_undone() => Undone::Removed,
            _ => Undone::Kept,
        };
        let mut ended = Ended::of(counted);
        ended.tell(&entry.key, made.written.target.as_str(), &end);
        if counted != Undone::Kept {
            self.keep_archived(&ended, &end).await?;
            self.forget(entry, sharing).await?;
        }
        Ok(ended)
    }

    async fn steps(
        &self,
        entry: &Entry,
        steps: Vec<(Key, Written)>,
        sharing: &[Key],
    ) -> Result<Ended, RunError> {
        let mut ended = Ended::default();
        let (mut all, mut any) = (true, false);
        let last = steps.len() - 1;
        for (at, (key, written)) in steps.into_iter().enumerate() {
            let made = self.made(entry, &key, written).await?;
            let end = self.take(&made).await?;
            ended.tell(&key, made.written.target.as_str(), &end);
            any |= end.is_undone() && end != End::AlreadyGone;
            all &= end.is_undone();
            self.keep_archived(&ended, &end).await?;
            if end.is_undone() && !(all && at == last) {
                self.undone(entry, &key).await?;
            }
        }
        if all {
            self.forget(entry, sharing).await?;
        }
        ended.counted.push(match (all, any) {
            (false, _) => Undone::Kept,
            (true, true) => Undone::Restored,
            (true, false) => Undone::AlreadyGone,
        });
        Ok(ended)
    }

    /// Looks at one write, takes it back and looks again, as [`Attempt`] says.
    async fn take(&self, made: &Made) -> Result<End, RunError> {
        let span = tracing::debug_span!("migrate.take_back", key = %made.key);
        self.attempt(made).instrument(span).await
    }

    async fn attempt(&self, made: &Made) -> Result<End, RunError> {
        let mut attempt = Attempt::new(self.dry);
        let mut act = Act::Look(self.run.clock.now());
        loop {
            let heard = match act {
                Act::End(end) => {
                    tracing::debug!(key = %made.key, stage = self.stage, ?end, "undone or left");
                    return Ok(end);
                }
                Act::Stop(failure) if failure.kind == FailureKind::Gone => {
                    return Err(RunError::Gone(failure.message));
                }
                Act::Stop(failure) => return Err(RunError::Refused(failure.message)),
                Act::Look(not_before) => {
                    self.wait(not_before).await?;
                    self.undo.inspect(made).await.map(Heard::Stands)
                }
                Act::TakeBack => {
                    self.begin().await?;
                    self.undo.take_back(made).await.map(Heard::TakenBack)
                }
            };
            let heard = match heard {
                Ok(heard) => {
                    self.run.answered();
                    heard
                }
                Err(failure) if self.run.failed_again(1) => {
                    return Err(RunError::Gone(failure.message));
                }
                Err(failure) => Heard::Failed(failure),
            };
            act = attempt.next(heard, self.run.clock.now(), &self.run.patience);
        }
    }

    async fn wait(&self, until: DateTime<Utc>) -> Result<(), RunError> {
        if until <= self.run.clock.now() {
            return Ok(());
        }
        tokio::select! {
            () = self.run.clock.sleep_until(until) => Ok(()),
            () = self.run.stop.stopped() => Err(RunError::Interrupted),
        }
    }

    async fn made(&self, entry: &Entry, key: &Key, written: Written) -> Result<Made, LedgerError> {
        let mut made = Made::new(key.clone(), self.stage, written);
        (made.dry_run, made.met) = (self.dry, self.met.clone());
        made.object = object_of(entry).cloned();
        if !removes(made.written.how) {
            made.before = self.run.ledger.before(key).await?;
        }
        let others = entry.parts.iter().filter(|part| part.key != *key);
        made.parts = others
            .filter_map(|part| Some((part.key.clone(), part.state.written()?.target.clone())))
            .collect();
        Ok(made)
    }

    async fn keep_archived(&self, ended: &Ended, end: &End) -> Result<(), RunError> {
        let (End::Archived(_), Some(last)) = (end, ended.impossible.last()) else { return Ok(()) };
        let Ok(item) = serde_json::to_string(&(self.stage, last)) else { return Ok(()) };
        self.commit(vec![Change::Discover { list: ARCHIVED.to_owned(), item }]).await
    }

    /// Nothing of the record is left: it counts as never met.
    async fn forget(&self, entry: &Entry, sharing: &[Key]) -> Result<(), RunError> {
        let at = self.run.clock.now();
        let mut changes = Vec::new();
        for part in &entry.parts {
            // What a write under an open intent became before belongs to the history too.
            changes.push(Change::Void { key: part.key.clone() });
        }
        for key in std::iter::once(&entry.key).chain(sharing) {
            changes.push(Change::Forget { key: key.clone(), at });
        }
        self.commit(changes).await
    }

    /// One write of a record was undone, of which something else is left. The record is no longer
    /// as its fingerprint says, so that a later run looks at it again.
    async fn undone(&self, entry: &Entry, key: &Key) -> Result<(), RunError> {
        let at = self.run.clock.now();
        let (fate, reason) = if *key == entry.key || !entry.fate.is_final() {
            let message = "it was undone, but for what is left of it";
            (Fate::Skipped, Some(Reason::new("undone", message)))
        } else {
            (entry.fate, entry.reason.clone())
        };
        let settle = Change::Settle {
            key: entry.key.clone(),
            stage: self.stage.to_owned(),
            fate,
            fingerprint: Some(Fingerprint::of(b"undone in part")),
            // What is left hangs on it.
            target: object_of(entry).cloned(),
            reason,
            notes: entry.notes.clone(),
            attempts: 0,
            at,
        };
        let unpark = Change::Unpark { key: entry.key.clone() };
        self.commit(vec![Change::Undone { key: key.clone(), at }, settle, unpark]).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), RunError> {
        if self.dry {
            return Ok(());
        }
        self.begin().await?;
        Ok(self.run.ledger.commit(changes).await?)
    }

    /// Before the first change: a later run must read everything of the stage anew, since what it
    /// has read counts as never met.
    async fn begin(&self) -> Result<(), LedgerError> {
        let begin = || async {
            let ledger = &self.run.ledger;
            let state = ledger.stage(self.stage).await?;
            let untouched = state.cursor.is_none() && state.keys == 0 && !state.read;
            if state.pass == 0 || (untouched && !state.finished && !state.partial) {
                return Ok(());
            }
            let (stage, pass) = (self.stage.to_owned(), state.pass + 1);
            let at = self.run.clock.now();
            ledger.commit(vec![Change::Begin { stage, pass, since: None, at }]).await
        };
        self.begun.get_or_try_init(begin).await.copied()
    }
}

fn root_of(entry: &Entry) -> Option<&Written> {
    entry.written(&entry.key)
}

/// The object of a record, also when its own write was undone and a part is left on it.
fn object_of(entry: &Entry) -> Option<&TargetId> {
    root_of(entry).map(|root| &root.target).or(entry.target.as_ref())
}

fn target_of(entry: &Entry) -> Option<String> {
    object_of(entry).map(TargetId::to_string)
}

fn in_doubt() -> Reason {
    Reason::new("in_doubt", "nobody knows whether this write took effect")
        .remedy("operator", "resume the run first, so that the doubt is settled, then undo again")
}

fn shares_object() -> Reason {
    Reason::new("shares_object", "it shares its object with a record that is left")
        .remedy("operator", "see that record")
}
