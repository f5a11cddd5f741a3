//! Taking back one record: its writes in the order of [`approach`], each committed as it is done.

use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::engine::{Look, RunError};
use crate::fate::{Fate, Reason};
use crate::ledger::{
    Change, Entry, How, LedgerError, Parking, Part, PartState, StageState, Written,
};
use crate::run::Run;
use crate::sink::{Failure, FailureKind, TargetId};
use crate::{Fingerprint, Key};

use super::decide::{Act, Approach, Attempt, End, Heard, Traced, approach, traced};
use super::report::Ended;
use super::rollback::{ARCHIVED, Undone};
use super::work::{Work, shares};
use super::{Leftover, Made, Met, OwnWrite, Undo, removes};

/// What the records of one stage are taken back with.
pub(super) struct Undoing<'a> {
    pub(super) stage: &'a str,
    pub(super) run: &'a Run,
    pub(super) undo: &'a dyn Undo,
    pub(super) dry: bool,
    /// Was the stage cut off while it was read for the first time? Then nobody was written who was to
    /// be brought together with others.
    only_read: bool,
    met: Met,
    begun: OnceCell<()>,
}

impl<'a> Undoing<'a> {
    /// `state` is that of the stage before anything of it is taken back, and `met` what the rollback
    /// has met so far, in all stages.
    pub(super) fn new(
        stage: &'a str,
        run: &'a Run,
        undo: &'a dyn Undo,
        dry: bool,
        state: &StageState,
        met: Met,
    ) -> Self {
        let only_read = state.pass == 1 && !state.read;
        Self { stage, run, undo, dry, only_read, met, begun: OnceCell::new() }
    }

    /// This record is looked at again: it may go after all.
    pub(super) fn let_go(&self, entry: &Entry) {
        self.met.let_go(&entry.key, entry.target.as_ref());
    }

    /// Deals with one record. Says which of its objects are left.
    pub(super) async fn work(
        &self,
        work: Result<Work, LedgerError>,
    ) -> Result<(Ended, Vec<TargetId>), RunError> {
        let (mut entry, sharing) = match work? {
            Work::Merged { entry, is_left } => {
                return Ok((self.merged(&entry, is_left).await?, Vec::new()));
            }
            Work::Record { entry, sharing } => (entry, sharing),
        };
        let approach = match self.approach(&mut entry).await? {
            Approach::Lost => self.trace(&mut entry).await?,
            approach => approach,
        };
        let ended = self.take_record(&entry, approach, &sharing).await?;
        let root = root_of(&entry).map(|root| root.target.clone());
        if !ended.counted.contains(&Undone::Kept) {
            if self.dry {
                root.iter().for_each(|object| self.met.would_go(object));
            }
            return Ok((ended, Vec::new()));
        }
        let leftover = Leftover {
            key: entry.key.clone(),
            stage: self.stage.to_owned(),
            object: object_of(&entry).cloned(),
            own: ended.own,
        };
        let objects: Vec<TargetId> = root.into_iter().chain(entry.target).collect();
        self.met.leave(leftover, &objects);
        Ok((ended, objects))
    }

    /// How a record is to be taken back, by what the ledger has of it.
    async fn approach(&self, entry: &mut Entry) -> Result<Approach, LedgerError> {
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
        let parked = match entry.fate.is_final() {
            true => None,
            false => {
                let key = std::slice::from_ref(&entry.key);
                self.run.ledger.parked_among(key).await?.into_iter().next()
            }
        };
        let parked = parked.map(|parked| parked.why);
        Ok(match self.may_have_changed(entry).await? {
            true => Approach::Doubt(vec![entry.key.clone()]),
            false => match approach(entry, parked) {
                Approach::Lost if parked == Some(Parking::Group) && self.only_read => {
                    Approach::Nothing
                }
                approach => approach,
            },
        })
    }

    /// Looks for a record of which the ledger holds no write. What is found is made known to it, as
    /// what this migration has created.
    async fn trace(&self, entry: &mut Entry) -> Result<Approach, RunError> {
        let Run { begun_at, migration_since, clock, .. } = self.run;
        // What was sent was sent before this rollback began.
        let mut look = Look { since: *begun_at, asked_at: *begun_at, looks: 0, gone: false };
        loop {
            look.asked_at = clock.now();
            let found = self.undo.find(&entry.key, *migration_since).await;
            look.gone = match &found {
                Ok(_) => {
                    self.run.answered();
                    false
                }
                Err(_) => self.run.failed_again(1),
            };
            match traced(&mut look, found, clock.now(), &self.run.patience) {
                Traced::Made(target) => {
                    let (how, fingerprint) = (How::Created, Fingerprint::of(b"found by its key"));
                    let written = Written::new(target, fingerprint, how, *migration_since);
                    self.commit(vec![self.done(&entry.key, written.clone())]).await?;
                    entry.target = Some(written.target.clone());
                    let state = PartState::Done(written.clone());
                    entry.parts.push(Part::new(entry.key.clone(), state));
                    return Ok(Approach::Whole(written));
                }
                Traced::Nothing => return Ok(Approach::Nothing),
                Traced::Doubt => return Ok(Approach::Doubt(vec![entry.key.clone()])),
                Traced::Again(not_before) => self.wait(not_before).await?,
                Traced::Stop(failure) => return Err(stopped(failure)),
            }
        }
    }

    fn done(&self, key: &Key, written: Written) -> Change {
        let Written { target, fingerprint, how, state, at } = written;
        let (key, stage) = (key.clone(), self.stage.to_owned());
        Change::Done { key, stage, target, fingerprint, how, state, at }
    }

    /// Takes a record back. `sharing` are the duplicates that go with it in the same commit.
    async fn take_record(
        &self,
        entry: &Entry,
        approach: Approach,
        sharing: &[Key],
    ) -> Result<Ended, RunError> {
        let mut ended = match approach {
            Approach::Nothing | Approach::Lost => {
                self.forget(entry, sharing).await?;
                Ended::of(OwnWrite::TakenBack, Undone::Untouched)
            }
            Approach::Doubt(keys) => {
                let mut ended = Ended::of(OwnWrite::Untouched, Undone::Kept);
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
            let mut ended = Ended::of(OwnWrite::Left, Undone::Kept);
            ended.leave(&entry.key, target_of(entry), shares_object());
            return Ok(ended);
        }
        self.forget(entry, &[]).await?;
        Ok(Ended::of(OwnWrite::TakenBack, Undone::Merged))
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
        let own = match counted {
            Undone::Kept => OwnWrite::Left,
            _ => OwnWrite::TakenBack,
        };
        let mut ended = Ended::of(own, counted);
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
        let mut ended = Ended::with(OwnWrite::TakenBack);
        let (mut all, mut any) = (true, false);
        let last = steps.len() - 1;
        for (at, (key, written)) in steps.into_iter().enumerate() {
            let made = self.made(entry, &key, written).await?;
            let end = self.take(&made).await?;
            ended.tell(&key, made.written.target.as_str(), &end);
            if key == entry.key {
                ended.own = end.own();
            }
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
                Act::Stop(failure) => return Err(stopped(failure)),
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

    /// Nothing of the record is left: it counts as never met. What has shared its object goes with it
    /// into the history, by which its key is known afterwards.
    async fn forget(&self, entry: &Entry, sharing: &[Key]) -> Result<(), RunError> {
        let at = self.run.clock.now();
        let mut changes = Vec::new();
        for part in &entry.parts {
            // What a write under an open intent became before belongs to the history too.
            changes.push(Change::Void { key: part.key.clone() });
        }
        let own = shares(entry).then_some(&entry.key);
        if let Some(object) = object_of(entry) {
            let (how, fingerprint) = (How::Unchanged, Fingerprint::of(b"it shared an object"));
            let shared = Written::new(object.clone(), fingerprint, how, at);
            let shared = own.into_iter().chain(sharing).map(|key| self.done(key, shared.clone()));
            changes.extend(shared);
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

/// The destination does not let the rollback go on.
fn stopped(failure: Failure) -> RunError {
    match failure.kind {
        FailureKind::Gone => RunError::Gone(failure.message),
        _ => RunError::Refused(failure.message),
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
