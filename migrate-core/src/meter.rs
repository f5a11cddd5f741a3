//! [`Meter`]: how far a run is, how fast it goes, and how long it will take.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::fate::{Fate, Tally};
use crate::observe::{Event, Observer};
use crate::source::Estimate;

/// Over how much of the past the pace is taken.
const WINDOW: Duration = Duration::from_secs(30);

/// Measures the progress of a run from its [`Event`]s. It has no clock: it is told how long the run
/// has lasted when something happened.
///
/// ```
/// use std::time::Duration;
///
/// use migrate_core::{Estimate, Event, Fate, Meter};
///
/// let mut meter = Meter::new();
/// let at = Duration::from_secs;
/// meter.on(&Event::StageBegun { stage: "contacts", estimate: Estimate::Exactly(1_000), done: 0 }, at(0));
/// for second in 1..=10 {
///     for _ in 0..20 {
///         meter.on(&Event::Settled { stage: "contacts", fate: Fate::Created }, at(second));
///     }
/// }
/// let progress = meter.progress(at(10));
/// assert_eq!(progress.records_per_second, 20.0);
/// assert_eq!(progress.left, Some(at(40))); // 800 records at 20 a second
/// ```
#[derive(Clone, Debug, Default)]
pub struct Meter {
    stages: Vec<StageProgress>,
    /// Records settled in each second of the window: the second of the run, and how many.
    recent: VecDeque<(u64, u64)>,
    waiting: u64,
    quota_share: Option<f64>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The stages that have begun, in that order; the last is usually the one under way.
    pub stages: Vec<StageProgress>,
    /// Records settled a second, over the last half minute.
    pub records_per_second: f64,
    /// How long the stages under way will take at this pace; `None` where nobody knows how much
    /// there is, or nothing moves.
    pub left: Option<Duration>,
    /// The share of the destination's quota that is used, from 0 to 1, as it was last told.
    pub quota_share: Option<f64>,
    /// Records that wait, when nothing else is left.
    pub waiting: u64,
}

/// How far one stage is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StageProgress {
    /// Its name.
    pub name: String,
    /// How much there is.
    pub estimate: Estimate,
    /// Records that were dealt with before this run, or read in it.
    pub read: u64,
    /// Records settled in this run, by fate.
    pub settled: Tally,
    /// Records dealt with before this run.
    pub done_before: u64,
    /// Has everything been done that can be done now?
    pub ended: bool,
    /// The stage that holds it back, if one does.
    pub held_by: Option<String>,
}

impl Progress {
    /// Records of all stages that were dealt with before this run, or read in it.
    pub fn read(&self) -> u64 {
        self.stages.iter().map(|stage| stage.read).sum()
    }

    /// Records of all stages settled in this run, by fate.
    pub fn settled(&self) -> Tally {
        let mut all = Tally::default();
        let counts = self
            .stages
            .iter()
            .flat_map(|stage| Fate::ALL.iter().copied().map(|fate| (fate, stage.settled.of(fate))));
        counts.for_each(|(fate, count)| all.add(fate, count));
        all
    }
}

impl StageProgress {
    /// Records that are dealt with, in this run or before.
    pub fn done(&self) -> u64 {
        self.done_before + self.settled.total()
    }

    /// Records that are left, as far as the source knows.
    pub fn left(&self) -> Option<u64> {
        match self.estimate {
            Estimate::Exactly(all) | Estimate::About(all) => Some(all.saturating_sub(self.done())),
            Estimate::Unknown => None,
        }
    }
}

impl Meter {
    /// A meter of a run that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of an event, `at` so long after the start of the run.
    pub fn on(&mut self, event: &Event<'_>, at: Duration) {
        match *event {
            Event::StageBegun { stage, estimate, done } => {
                let known = self.stage(stage);
                (known.estimate, known.ended, known.held_by) = (estimate, false, None);
                // A stage that is gone on with has some of its records behind it already.
                known.done_before = done;
                known.read = known.read.max(done);
            }
            Event::Read { stage, records } => self.stage(stage).read += records,
            Event::Settled { stage, fate } => {
                self.waiting = 0;
                self.stage(stage).settled.add(fate, 1);
                if fate != Fate::Pending {
                    self.count(at);
                }
            }
            Event::StageHeld { stage, by } => self.stage(stage).held_by = Some(by.to_owned()),
            Event::StageEnded { stage } => self.stage(stage).ended = true,
            Event::Quota { share } => self.quota_share = Some(share),
            Event::Waiting { records, .. } => self.waiting = records,
        }
    }

    /// How far the run is, so long after its start.
    pub fn progress(&self, at: Duration) -> Progress {
        // What is counted by the second is measured over whole seconds and the one under way.
        let since = at.saturating_sub(WINDOW).as_secs();
        let recent = self.recent.iter().filter(|(second, _)| *second >= since);
        let settled: u64 = recent.map(|(_, count)| count).sum();
        let span = at.saturating_sub(Duration::from_secs(since)).as_secs_f64();
        let pace = if span > 0.0 { settled as f64 / span } else { 0.0 };
        let under_way = self.stages.iter().filter(|stage| !stage.ended && stage.held_by.is_none());
        let left: Option<u64> = under_way.map(StageProgress::left).sum();
        let left = left.filter(|_| pace > 0.0).map(|left| left as f64 / pace);
        Progress {
            stages: self.stages.clone(),
            records_per_second: pace,
            left: left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            quota_share: self.quota_share,
            waiting: self.waiting,
        }
    }

    fn stage(&mut self, name: &str) -> &mut StageProgress {
        let at = match self.stages.iter().position(|stage| stage.name == name) {
            Some(at) => at,
            None => {
                self.stages.push(StageProgress {
                    name: name.to_owned(),
                    estimate: Estimate::Unknown,
                    read: 0,
                    settled: Tally::default(),
                    done_before: 0,
                    ended: false,
                    held_by: None,
                });
                self.stages.len() - 1
            }
        };
        &mut self.stages[at]
    }

    fn count(&mut self, at: Duration) {
        let second = at.as_secs();
        match self.recent.back_mut() {
            Some((last, count)) if *last >= second => *count += 1,
            _ => self.recent.push_back((second, 1)),
        }
        let since = second.saturating_sub(WINDOW.as_secs());
        while self.recent.front().is_some_and(|(second, _)| *second < since) {
            self.recent.pop_front();
        }
    }
}

/// A [`Meter`] as an observer, by tokio's clock from when it was made.
///
/// ```
/// use std::sync::Arc;
///
/// use migrate_core::{Event, MemoryLedger, Metered, Observer, Run};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), migrate_core::ledger::LedgerError> {
/// let meter = Arc::new(Metered::new());
/// let run = Run::on(Arc::new(MemoryLedger::new())).observed_by(meter.clone()).begin().await?;
/// // … run a plan, and meanwhile, in a task of its own:
/// meter.observe(&Event::Quota { share: 0.42 }); // as the destination's client says
/// assert_eq!(meter.progress().quota_share, Some(0.42));
/// # let _ = run;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Metered {
    meter: Mutex<Meter>,
    begun: Instant,
}

impl Default for Metered {
    fn default() -> Self {
        Self::new()
    }
}

impl Metered {
    /// A meter of a run that begins now.
    pub fn new() -> Self {
        Self { meter: Mutex::default(), begun: Instant::now() }
    }

    /// How far the run is now.
    pub fn progress(&self) -> Progress {
        let meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        meter.progress(self.begun.elapsed())
    }
}

impl Observer for Metered {
    fn observe(&self, event: &Event<'_>) {
        let at = self.begun.elapsed();
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).on(event, at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn begun(estimate: Estimate, done: u64) -> Event<'static> {
        Event::StageBegun { stage: "contacts", estimate, done }
    }

    const SETTLED: Event<'_> = Event::Settled { stage: "contacts", fate: Fate::Created };

    #[test]
    fn nobody_knows_how_long_it_takes_before_anything_moves_or_where_nothing_is_known() {
        for (estimate, settled, known) in [
            (Estimate::Exactly(10), 0, false),
            (Estimate::Exactly(10), 1, true),
            (Estimate::About(10), 1, true),
            (Estimate::Unknown, 1, false),
        ] {
            let mut meter = Meter::new();
            meter.on(&begun(estimate, 0), at(0));
            (0..settled).for_each(|_| meter.on(&SETTLED, at(500)));
            assert_eq!(meter.progress(at(1_000)).left.is_some(), known, "{estimate:?} {settled}");
        }
        assert_eq!(Meter::new().progress(at(0)), Progress::default());
    }

    #[test]
    fn the_pace_is_that_of_the_last_half_minute() {
        let mut meter = Meter::new();
        meter.on(&begun(Estimate::Exactly(10_000), 0), at(0));
        (0..3_000).for_each(|_| meter.on(&SETTLED, at(1_000)));
        assert_eq!(meter.progress(at(10_000)).records_per_second, 300.0);
        assert_eq!(meter.progress(at(60_000)).records_per_second, 0.0, "it stands still");
        (0..300).for_each(|_| meter.on(&SETTLED, at(70_000)));
        let progress = meter.progress(at(70_000));
        assert_eq!(progress.records_per_second, 10.0);
        assert_eq!(progress.left, Some(Duration::from_secs(670)));
    }

    #[test]
    fn what_was_done_before_and_what_is_held_are_told_apart() {
        let mut meter = Meter::new();
        meter.on(&begun(Estimate::Exactly(100), 60), at(0));
        meter.on(&Event::Read { stage: "contacts", records: 40 }, at(0));
        (0..10).for_each(|_| meter.on(&SETTLED, at(1_000)));
        meter.on(&Event::StageHeld { stage: "calls", by: "agents" }, at(1_000));
        let progress = meter.progress(at(1_000));
        let contacts = &progress.stages[0];
        assert_eq!((contacts.read, contacts.done(), contacts.left()), (100, 70, Some(30)));
        assert_eq!(progress.stages[1].held_by.as_deref(), Some("agents"));
        let other = Event::Settled { stage: "calls", fate: Fate::Dead };
        let mut both = meter.clone();
        both.on(&Event::Read { stage: "calls", records: 2 }, at(1_000));
        both.on(&other, at(1_000));
        let whole = both.progress(at(1_000));
        assert_eq!((whole.read(), whole.settled().total()), (102, 11));
        assert_eq!((whole.settled().of(Fate::Created), whole.settled().of(Fate::Dead)), (10, 1));
        assert_eq!(progress.left, Some(Duration::from_secs(3)), "what is held is not counted");
        meter.on(&Event::StageEnded { stage: "contacts" }, at(2_000));
        let until = chrono::DateTime::UNIX_EPOCH;
        meter.on(&Event::Waiting { records: 3, until }, at(2_000));
        let progress = meter.progress(at(2_000));
        assert_eq!((progress.waiting, progress.left), (3, Some(Duration::ZERO)));
        meter.on(&SETTLED, at(3_000));
        assert_eq!(meter.progress(at(3_000)).waiting, 0);
    }

    proptest! {
        /// A pace that is kept is told as it is, at any moment and not only at whole seconds.
        #[test]
        fn a_steady_pace_is_told(gap in 5..100_u64, lasts in 35_000..200_000_u64) {
            let mut meter = Meter::new();
            (0..=lasts).step_by(gap as usize).for_each(|now| meter.on(&SETTLED, at(now)));
            let pace = meter.progress(at(lasts)).records_per_second;
            let kept = 1_000.0 / gap as f64;
            // One record more or less at either end of the window.
            prop_assert!((pace - kept).abs() <= 2.0 / 30.0, "{} told, {} kept", pace, kept);
        }

        /// Memory is bounded, and no number is ever absurd.
        #[test]
        fn it_stays_sane(times in proptest::collection::vec(0..200_000_u64, 1..400), all in 0..500_u64) {
            let mut meter = Meter::new();
            meter.on(&begun(Estimate::Exactly(all), 0), at(0));
            let mut now = 0;
            for time in &times {
                now = now.max(*time);
                meter.on(&SETTLED, at(now));
                prop_assert!(meter.recent.len() <= 32);
                let progress = meter.progress(at(now));
                prop_assert!(progress.records_per_second.is_finite());
                prop_assert!(progress.records_per_second >= 0.0);
            }
            let stage = &meter.progress(at(now)).stages[0];
            prop_assert_eq!(stage.done(), times.len() as u64);
        }
    }
}
