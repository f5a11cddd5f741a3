//! [`Run`]: what all stages of one run share: ledger, clock, observer, the signal to stop.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::engine::Times;
use crate::fate::{Fate, Tally};
use crate::ledger::{Change, Ledger, LedgerError, LedgerErrorKind};
use crate::observe::{Event, Observer, Unobserved};

/// What all stages of one run share. Cheap to clone.
#[derive(Clone)]
pub struct Run {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) stop: StopSignal,
    pub(crate) clock: Clock,
    pub(crate) patience: Patience,
    /// When this run began: intents found without an outcome were surely sent before it.
    pub(crate) begun_at: DateTime<Utc>,
    /// When the migration first began. What is older in the destination was there before.
    pub(crate) migration_since: DateTime<Utc>,
    tallies: Arc<Mutex<BTreeMap<String, Tally>>>,
    failures_in_row: Arc<AtomicU32>,
    active: Arc<Mutex<BTreeSet<String>>>,
    /// Records that were settled in this run.
    settled: Arc<AtomicU64>,
    /// A [`Stuck`].
    stuck: Arc<AtomicU8>,
}

/// So many failures in a row, with no answer of the destination in between, mean that it is gone.
/// Each of them has been tried several times by the client, if it could be.
const OUTAGE: u32 = 40;

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("begun_at", &self.begun_at).finish_non_exhaustive()
    }
}

/// The name under which a ledger keeps the moment its migration first began.
const SINCE: &str = "migration_since";

/// A run that is about to begin: see [`Run::on`].
pub struct RunBuilder {
    ledger: Arc<dyn Ledger>,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
    patience: Patience,
}

impl fmt::Debug for RunBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunBuilder").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl RunBuilder {
    /// Tells an observer of its progress.
    #[must_use]
    pub fn observed_by(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Lets it be stopped by this signal.
    #[must_use]
    pub fn stopped_by(mut self, stop: StopSignal) -> Self {
        self.stop = stop;
        self
    }

    /// How long doubt must last before a negative answer is believed, and how often a record is
    /// tried.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Begins it.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or written.
    pub async fn begin(self) -> Result<Run, LedgerError> {
        Run::begin(self.ledger, self.observer, self.stop, self.patience).await
    }
}

impl Run {
    /// A run on a ledger: unobserved, without a signal to stop it, and with the default patience,
    /// until that is said otherwise.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), migrate_core::ledger::LedgerError> {
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use migrate_core::{Event, MemoryLedger, Patience, Run};
    ///
    /// let minutes = |n: u64| Duration::from_secs(60 * n);
    /// let run = Run::on(Arc::new(MemoryLedger::new()))
    ///     .patience(Patience::new(minutes(1), minutes(5)))
    ///     .observed_by(|event: &Event<'_>| println!("{event:?}"))
    ///     .begin()
    ///     .await?;
    /// # let _ = run;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(ledger: Arc<dyn Ledger>) -> RunBuilder {
        RunBuilder {
            ledger,
            observer: Arc::new(Unobserved),
            stop: StopSignal::new(),
            patience: Patience::default(),
        }
    }

    async fn begin(
        ledger: Arc<dyn Ledger>,
        observer: Arc<dyn Observer>,
        stop: StopSignal,
        patience: Patience,
    ) -> Result<Self, LedgerError> {
        let clock = Clock::start();
        let begun_at = clock.now();
        let known = ledger.meta(SINCE).await?;
        let migration_since = match known {
            Some(since) => serde_json::from_value(since).map_err(|_| {
                let message = format!("`{SINCE}` of the ledger is no time; restore the ledger");
                LedgerError::new(LedgerErrorKind::Corrupt, message)
            })?,
            None => {
                let value = Some(serde_json::Value::String(begun_at.to_rfc3339()));
                ledger.commit(vec![Change::Meta { name: SINCE.into(), value }]).await?;
                begun_at
            }
        };
        Ok(Self {
            ledger,
            observer,
            stop,
            clock,
            patience,
            begun_at,
            migration_since,
            tallies: Arc::default(),
            failures_in_row: Arc::default(),
            active: Arc::default(),
            settled: Arc::default(),
            stuck: Arc::default(),
        })
    }

    /// The same run, as it goes on now: whatever it sent before was sent before this moment, and
    /// failures from before do not count any more.
    pub(crate) fn begun_again(&self) -> Self {
        let (begun_at, failures_in_row) = (self.clock.now(), Arc::default());
        Self { begun_at, failures_in_row, ..self.clone() }
    }

    /// The ledger of this run.
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.ledger
    }

    /// The signal that stops it.
    pub fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    /// When the migration, of which this may be a later run, first began.
    pub fn migration_since(&self) -> DateTime<Utc> {
        self.migration_since
    }

    /// What became of the records of a stage in this run alone; a record that was already in
    /// place counts as unchanged.
    pub fn tally(&self, stage: &str) -> Tally {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.get(stage).cloned().unwrap_or_default()
    }

    /// The destination has answered.
    pub(crate) fn answered(&self) {
        self.failures_in_row.store(0, Ordering::Relaxed);
    }

    /// The destination has failed once more; says whether it is gone. A call that takes a `batch` of
    /// writes fails for all of them at once.
    pub(crate) fn failed_again(&self, batch: usize) -> bool {
        let batch = u32::try_from(batch).unwrap_or(u32::MAX);
        let failures = self.failures_in_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        failures >= OUTAGE.saturating_mul(batch)
    }

    /// The moments that a record's saga reckons by.
    pub(crate) fn times(&self) -> Times {
        Times {
            run_begun: self.begun_at,
            migration_since: self.migration_since,
            patience: self.patience,
        }
    }

    /// Records that were settled in this run so far.
    pub(crate) fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Says whether what waits for another record waits in vain.
    pub(crate) fn set_stuck(&self, stuck: Stuck) {
        self.stuck.store(stuck as u8, Ordering::Relaxed);
    }

    pub(crate) fn stuck(&self) -> Stuck {
        match self.stuck.load(Ordering::Relaxed) {
            0 => Stuck::No,
            1 => Stuck::GoWithout,
            _ => Stuck::Queue,
        }
    }

    /// A stage takes part in this run: what waits in it may be settled yet.
    pub(crate) fn takes_part(&self, stage: &str) {
        let mut active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.insert(stage.to_owned());
    }

    /// Does this stage take part in this run?
    pub(crate) fn is_active(&self, stage: &str) -> bool {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).contains(stage)
    }

    pub(crate) fn count(&self, stage: &str, fate: Fate) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.entry(stage.to_owned()).or_default().add(fate, 1);
        drop(tallies);
        self.settled.fetch_add(1, Ordering::Relaxed);
        self.observer.observe(&Event::Settled { stage, fate });
    }
}

/// What is done about records that wait for others when nothing moves any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// Something moves yet.
    No = 0,
    /// Those that can be written without the other are.
    GoWithout = 1,
    /// Nor did that help: the others are queued.
    Queue = 2,
}

/// How long doubt must last before a negative answer is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patience {
    /// How long after its last byte was sent a request may still take effect.
    pub settle_after: Duration,
    /// How far a search index may lag behind, on top of that.
    pub lag_horizon: Duration,
    /// How often a record is tried again, in vain, before it is dead.
    pub max_looks: u32,
}

/// What is tried again is tried so often, however long it has failed.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(60);

impl Default for Patience {
    /// A minute, five minutes, eight times.
    fn default() -> Self {
        Self {
            settle_after: Duration::from_secs(60),
            lag_horizon: Duration::from_secs(300),
            max_looks: 8,
        }
    }
}

impl Patience {
    /// Other times than the defaults.
    pub fn new(settle_after: Duration, lag_horizon: Duration) -> Self {
        Self { settle_after, lag_horizon, ..Self::default() }
    }

    /// How long anything waits at most before it is looked at again.
    pub(crate) fn longest(&self) -> TimeDelta {
        let longest = self.settle_after.saturating_add(self.lag_horizon).max(LOOK_AT_LEAST_EVERY);
        // A patience without bounds is bounded by the years that a time can tell.
        TimeDelta::from_std(longest).unwrap_or(TimeDelta::days(36_500))
    }

    /// When to look again at something that was looked at `looks` times in vain: after one
    /// second, two, four, and so on to a minute.
    pub(crate) fn next_look(&self, now: DateTime<Utc>, looks: u32) -> DateTime<Utc> {
        let pause = Duration::from_secs(1 << looks.min(6)).min(LOOK_AT_LEAST_EVERY);
        now + TimeDelta::from_std(pause).unwrap_or_default()
    }
}

/// A signal that lets a run end at the next good point. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct StopSignal(CancellationToken);

impl StopSignal {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal: reading stops, writes under way are finished and committed.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Has it been given?
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for it.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }
}

/// The time of a run: wall time at its start, carried on by the runtime's own clock, so that a
/// clock set back meanwhile does no harm and a paused clock in tests is obeyed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: DateTime<Utc>,
    start: tokio::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        // Ledgers keep microseconds; a finer time would not read back as it was written.
        let now = Utc::now();
        let wall = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        Self { wall, start: tokio::time::Instant::now() }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        let elapsed = i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.wall + TimeDelta::microseconds(elapsed)
    }

    pub(crate) async fn sleep_until(&self, then: DateTime<Utc>) {
        if let Ok(wait) = (then - self.now()).to_std() {
            tokio::time::sleep(wait).await;
        }
    }
}
