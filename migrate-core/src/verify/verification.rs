//! [`Verification`]: the migration mapped again, with verifiers in the place of its sinks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::future;
use serde_json::{Value, json};
use tracing::Instrument as _;

use crate::draft::{Draft, fingerprint, knows_all, lacking};
use crate::fate::Fate;
use crate::ledger::{Change, Entry, How, Ledger, LedgerError, LedgerErrorKind, Written};
use crate::report::{Mismatch, Verified};
use crate::sink::{Doubt, Failure, FailureKind, Found, Limits, Resolved, Sink, TargetId, Write};
use crate::{Fingerprint, Key};

use super::class::{Class, Evidence, classify};
use super::references::resolve;
use super::sample::{Chosen, Sampling};
use super::{Check, Normal, ReadBack, Verify};

/// Compares what a migration should have led to with what the destination gives back.
///
/// The very plan of the migration is run again, on a scratch ledger, with [`Verifying`] sinks in
/// the place of its own: so sources, mappers and groupings are those that were run, and merged
/// records are compared with what the merge should have given. What was found is kept in the
/// scratch ledger: a verification that was cut off goes on when it is begun again on it.
///
/// A record that is not in place by the migration's ledger is left out, as is everything that was
/// not chosen by the [`Sampling`]. References lead where the migration's ledger says they led.
///
/// ```
/// # use migrate_core::*;
/// # use std::sync::Arc;
/// # #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// # struct Person(String);
/// # impl Draft for Person { fn repeat(&self) -> Repeat { Repeat::Safe } }
/// # async fn verify(
/// #     ledger: Arc<dyn Ledger>,
/// #     book: Arc<dyn Verify<Person>>,
/// #     plan: impl Fn(Arc<dyn Sink<Person>>) -> Plan,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// // `ledger` is that of the migration, `book` reads back, `plan` makes the plan over a sink.
/// let scratch: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
/// let sample = Sampling::some(["people"], 50, 1);
/// let verification = Verification::begin(ledger, scratch.clone(), sample).await?;
/// let plan = plan(Arc::new(verification.sink(book)));
/// let run = Run::on(scratch).begin().await?;
/// plan.run(&run, &RunOptions::default()).await?;
/// let verified = verification.verified().await?;
/// println!("{} of {} as they should be", verified.matched, verified.checked);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Verification {
    ledger: Arc<dyn Ledger>,
    scratch: Arc<dyn Ledger>,
    chosen: Arc<Option<Chosen>>,
    rules: Arc<BTreeMap<String, Normal>>,
    skew: TimeDelta,
    read: Arc<AtomicU64>,
    /// The stages that are not read back, as far as their records were met.
    passed: Arc<Mutex<BTreeSet<String>>>,
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").finish_non_exhaustive()
    }
}

/// The name under which a scratch ledger keeps which verification it belongs to.
const OF: &str = "verification";
/// The lists of a scratch ledger: records that were read back, those that are not as they should
/// be, and what is wrong with them.
const CHECKED: &str = "verify_checked";
const WRONG: &str = "verify_wrong";
const MISMATCHES: &str = "verify_mismatches";
/// The list of the stages that are not read back.
const PASSED: &str = "verify_passed";

/// Items that are read from the scratch ledger at once.
const WINDOW: usize = 500;
/// Mismatches that are listed, at most; all are counted.
const LISTED: usize = 10_000;

impl Verification {
    /// Begins a verification of what the ledger of a migration says is in place, or goes on with
    /// the one that the scratch ledger holds.
    ///
    /// # Errors
    ///
    /// [`Foreign`](LedgerErrorKind::Foreign) when the scratch ledger holds another verification:
    /// of another sample, or of the migration as it stood before a later run. Begin on an empty
    /// one then.
    pub async fn begin(
        ledger: Arc<dyn Ledger>,
        scratch: Arc<dyn Ledger>,
        sampling: Sampling,
    ) -> Result<Self, LedgerError> {
        let of = identity(&*ledger, &sampling).await?;
        match scratch.meta(OF).await? {
            Some(known) if known == of => {}
            Some(_) => {
                let message = "the scratch ledger holds another verification";
                return Err(LedgerError::new(LedgerErrorKind::Foreign, message));
            }
            None => {
                let mark = Change::Meta { name: OF.to_owned(), value: Some(of) };
                scratch.commit(vec![mark]).await?;
            }
        }
        let chosen = Arc::new(sampling.choose(&*ledger).await?);
        let (rules, skew) = (Arc::default(), TimeDelta::seconds(60));
        let (read, passed) = Default::default();
        Ok(Self { ledger, scratch, chosen, rules, skew, read, passed })
    }

    /// Compares a field of that name so, whatever the verifier says.
    #[must_use]
    pub fn rule(mut self, field: impl Into<String>, normal: Normal) -> Self {
        Arc::make_mut(&mut self.rules).insert(field.into(), normal);
        self
    }

    /// How far the destination's clock may be from this one: a change that is no further than
    /// this behind the last write counts as ours. A minute, if it is not set.
    #[must_use]
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.skew = TimeDelta::from_std(skew).unwrap_or(TimeDelta::MAX);
        self
    }

    /// A sink that reads back instead of writing.
    pub fn sink<V>(&self, verifier: V) -> Verifying<V> {
        Verifying { verification: self.clone(), verifier: Arc::new(verifier) }
    }

    /// A sink that neither writes nor reads, for stages that are not read back: it answers with
    /// the objects that the migration's ledger knows.
    pub fn passing(&self) -> Passing {
        Passing { verification: self.clone() }
    }

    /// Drafts that were read back since this was begun, for progress.
    pub fn drafts_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// What was found so far. Mismatches are in the order of their keys; if there are more than
    /// ten thousand, the first that were found are listed and the others only counted.
    ///
    /// # Errors
    ///
    /// When the scratch ledger cannot be read.
    pub async fn verified(&self) -> Result<Verified, LedgerError> {
        let mut verified = Verified::default();
        let scratch = &*self.scratch;
        each(scratch, CHECKED, |_| verified.checked += 1).await?;
        let to_read = match &*self.chosen {
            Some(chosen) => chosen.len(),
            None => self.in_place().await?,
        };
        verified.unread = to_read.saturating_sub(verified.checked);
        let mut wrong = 0;
        each(scratch, WRONG, |_| wrong += 1).await?;
        verified.matched = verified.checked.saturating_sub(wrong);
        each(scratch, MISMATCHES, |item| {
            let Ok(mismatch) = serde_json::from_str::<Mismatch>(item) else { return };
            *verified.classes.entry(mismatch.class.clone()).or_default() += 1;
            if verified.mismatches.len() < LISTED {
                verified.mismatches.push(mismatch);
            } else {
                verified.unlisted += 1;
            }
        })
        .await?;
        let order = |it: &Mismatch| (it.key.clone(), it.field.clone());
        verified.mismatches.sort_by_cached_key(order);
        Ok(verified)
    }

    /// Notes, durably, that a stage is not read back.
    async fn pass(&self, stage: &str) -> Result<(), LedgerError> {
        let passed = || self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed().contains(stage) {
            return Ok(());
        }
        let (list, item) = (PASSED.to_owned(), stage.to_owned());
        self.scratch.commit(vec![Change::Discover { list, item }]).await?;
        passed().insert(stage.to_owned());
        Ok(())
    }

    /// Records with an object of their own, in all stages that are to be read back: also in those of
    /// which the source has nothing any more.
    async fn in_place(&self) -> Result<u64, LedgerError> {
        let mut passed = BTreeSet::new();
        each(&*self.scratch, PASSED, |stage| {
            passed.insert(stage.to_owned());
        })
        .await?;
        let mut records = 0;
        for stage in self.ledger.stages().await? {
            if passed.contains(&stage) {
                continue;
            }
            let tally = self.ledger.tally(&stage).await?;
            let own = [Fate::Created, Fate::Updated, Fate::Unchanged];
            records += own.into_iter().map(|fate| tally.of(fate)).sum::<u64>();
        }
        Ok(records)
    }

    /// Reads back one draft and keeps what is wrong with it. Gives the object that the write
    /// became.
    async fn check<D: Draft>(
        &self,
        verifier: &dyn Verify<D>,
        key: &Key,
        draft: &D,
    ) -> Result<TargetId, Failure> {
        let known = self.known(key).await.map_err(|error| ledger_failed(&error))?;
        let Some((entry, object)) = known else { return Ok(TargetId::new(key.as_str())) };
        let written = entry.written(key).cloned();
        let target = written.as_ref().map_or(&object, |written| &written.target).clone();
        if (*self.chosen).as_ref().is_some_and(|chosen| !chosen.contains(&entry)) {
            return Ok(target);
        }
        let (at, state) = (last_written(&entry), written.as_ref().and_then(|it| it.state));
        let was = written.as_ref().map(|it| it.fingerprint);
        let check = self.gather(&entry, object, key, draft, written).await;
        let check = check.map_err(|error| ledger_failed(&error))?;
        let outdated = was.is_some_and(|was| is_outdated(was, draft, &check.resolved));
        let span = tracing::debug_span!("migrate.read_back", %key);
        let read = verifier.read_back(&check).instrument(span).await.map_err(read_failed)?;
        self.read.fetch_add(1, Ordering::Relaxed);
        let wrong = match read {
            ReadBack::Missing(what) => vec![(what, Class::Missing)],
            ReadBack::Twins(what, twins) => {
                tracing::warn!(%key, ?twins, "it is there several times");
                vec![(what, Class::Twin)]
            }
            ReadBack::Stands(snapshot) => {
                let (states, changed_at) = ((state, snapshot.state), snapshot.changed_at);
                let evidence = Evidence { states, outdated, written_at: at, changed_at };
                let fields = snapshot.fields.into_iter().filter_map(|mut field| {
                    if let Some(rule) = self.rules.get(&field.name) {
                        field.by = rule.clone();
                    }
                    let class = classify(&field, &evidence, self.skew)?;
                    Some((field.name, class))
                });
                fields.collect()
            }
        };
        self.keep(&entry.key, wrong).await.map_err(|error| ledger_failed(&error))?;
        Ok(target)
    }

    /// The record of a write, if it is in place, and its object.
    async fn known(&self, key: &Key) -> Result<Option<(Entry, TargetId)>, LedgerError> {
        let entries = self.ledger.entries(&[key.root()]).await?;
        let entry = entries.into_iter().flatten().next();
        let entry = entry.filter(|entry| entry.fate.is_in_place());
        Ok(entry.and_then(|entry| entry.target.clone().map(|target| (entry, target))))
    }

    async fn gather<D: Draft>(
        &self,
        entry: &Entry,
        object: TargetId,
        key: &Key,
        draft: &D,
        written: Option<Written>,
    ) -> Result<Check<D>, LedgerError> {
        // What stands for a duplicate is the object it shares, which is another record's own.
        let root = entry.written(&entry.key).filter(|_| entry.fate != Fate::Merged).cloned();
        let resolved = resolve(&*self.ledger, draft, root).await?;
        let before = match &written {
            Some(written) if written.how == How::Updated => self.ledger.before(key).await?,
            _ => None,
        };
        let others = entry.parts.iter().filter(|part| part.key != *key);
        let taken = others.filter_map(|part| part.state.written()).map(|it| it.target.clone());
        let taken = taken.collect();
        let (key, draft) = (key.clone(), draft.clone());
        Ok(Check { key, draft, object, resolved, written, taken, before })
    }

    /// Keeps, durably and once, that a record was read back and what is wrong with it.
    async fn keep(&self, root: &Key, wrong: Vec<(String, Class)>) -> Result<(), LedgerError> {
        let discover = |list: &str, item: String| Change::Discover { list: list.to_owned(), item };
        let mut changes = vec![discover(CHECKED, root.to_string())];
        if !wrong.is_empty() {
            changes.push(discover(WRONG, root.to_string()));
        }
        for (field, class) in wrong {
            let (key, class) = (root.to_string(), class.name().to_owned());
            let mismatch = json!(Mismatch { key, field, class });
            changes.push(discover(MISMATCHES, mismatch.to_string()));
        }
        self.scratch.commit(changes).await
    }

    /// The object that a write became, for references of the plan that is run again. Its stage is
    /// not read back.
    async fn target(&self, key: &Key) -> Result<TargetId, Failure> {
        let known = self.known(key).await.map_err(|error| ledger_failed(&error))?;
        if let Some((entry, _)) = &known {
            self.pass(&entry.stage).await.map_err(|error| ledger_failed(&error))?;
        }
        let target = known.map(|(entry, object)| {
            entry.written(key).map_or(object, |written| written.target.clone())
        });
        Ok(target.unwrap_or_else(|| TargetId::new(key.as_str())))
    }
}

/// A verifier in the place of a sink. Made by [`Verification::sink`].
pub struct Verifying<V> {
    verification: Verification,
    verifier: Arc<V>,
}

impl<V> Clone for Verifying<V> {
    fn clone(&self) -> Self {
        let (verification, verifier) = (self.verification.clone(), self.verifier.clone());
        Self { verification, verifier }
    }
}

impl<V> fmt::Debug for Verifying<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifying").finish_non_exhaustive()
    }
}

#[async_trait]
impl<D: Draft, V: Verify<D>> Sink<D> for Verifying<V> {
    async fn write(&self, batch: Vec<Write<D>>) {
        let checks = batch.into_iter().map(|write| async move {
            let checked = self.verification.check(&*self.verifier, &write.key, &write.draft).await;
            answer(write, checked);
        });
        future::join_all(checks).await;
    }

    /// Reading back again is the surest way to know whether it was done.
    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        let checked = self.verification.check(&*self.verifier, &doubt.key, &doubt.draft).await;
        checked.map(Found::Yes)
    }

    fn limits(&self) -> Limits {
        self.verifier.limits()
    }
}

/// A sink that only answers with the objects that are known. Made by [`Verification::passing`].
#[derive(Clone, Debug)]
pub struct Passing {
    verification: Verification,
}

#[async_trait]
impl<D: Draft> Sink<D> for Passing {
    async fn write(&self, batch: Vec<Write<D>>) {
        for write in batch {
            let target = self.verification.target(&write.key).await;
            answer(write, target);
        }
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        self.verification.target(&doubt.key).await.map(Found::Yes)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(64)
    }
}

fn answer<D>(write: Write<D>, target: Result<TargetId, Failure>) {
    match target {
        Ok(target) => write.created(target),
        Err(failure) => write.failed(failure),
    }
}

/// When the migration last wrote any of a record.
/// Would a run write it anew that was written with this fingerprint?
fn is_outdated<D: Draft>(written: Fingerprint, draft: &D, resolved: &Resolved) -> bool {
    let Ok(now) = fingerprint(draft) else { return true };
    let still_lacks = written == lacking(now) && !knows_all(draft, resolved);
    written != now && !still_lacks
}

fn last_written(entry: &Entry) -> Option<chrono::DateTime<chrono::Utc>> {
    entry.parts.iter().filter_map(|part| part.state.written()).map(|it| it.at).max()
}

fn ledger_failed(error: &LedgerError) -> Failure {
    Failure::new(FailureKind::Stop, format!("the ledger cannot be read: {error}"))
}

/// A read is never in doubt: it is only to be made again.
fn read_failed(mut failure: Failure) -> Failure {
    if failure.kind == FailureKind::InDoubt {
        failure.kind = FailureKind::NotDone;
    }
    failure
}

async fn each(
    ledger: &dyn Ledger,
    list: &str,
    mut each: impl FnMut(&str),
) -> Result<(), LedgerError> {
    let mut after = 0;
    loop {
        let rows = ledger.discovered(list, after, WINDOW).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = *last;
        rows.iter().for_each(|(_, item)| each(item));
    }
}

/// What makes a verification another one: what is chosen, and how the migration stands.
async fn identity(ledger: &dyn Ledger, sampling: &Sampling) -> Result<Value, LedgerError> {
    let mut text = format!("{sampling:?}");
    for stage in ledger.stages().await? {
        let state = ledger.stage(&stage).await?;
        let tally = ledger.tally(&stage).await?;
        text += &format!("\n{stage} {} {:?} {:?}", state.pass, state.digest, tally);
    }
    Ok(json!(format!("{:?}", Fingerprint::of(text.as_bytes()))))
}
