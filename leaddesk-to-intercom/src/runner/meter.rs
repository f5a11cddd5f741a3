//! Calls, counted for the stage that makes them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use intercom_client::IntercomClient;
use migrate_core::Event;

/// Reads a counter whenever another stage begins.
pub(super) struct StageMeter {
    count: Box<dyn Fn() -> u64 + Send + Sync>,
    state: Mutex<Metered>,
}

#[derive(Default)]
struct Metered {
    stage: Option<String>,
    since: u64,
    calls: BTreeMap<String, u64>,
}

impl StageMeter {
    /// A meter of a counter. What that has counted by now belongs to no stage.
    pub(super) fn new(count: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let state = Metered { since: count(), ..Metered::default() };
        Self { count: Box::new(count), state: Mutex::new(state) }
    }

    /// Takes note of where a run is.
    pub(super) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::StageBegun { stage, .. } => self.turn_to(Some(stage)),
            Event::StageEnded { .. } => self.turn_to(None),
            _ => {}
        }
    }

    /// From now on a stage counts. While there is none, the last one does: what is settled after it has
    /// ended is settled for it, mostly.
    pub(super) fn turn_to(&self, stage: Option<&str>) {
        let now = (self.count)();
        let mut state = self.state();
        let spent = now.saturating_sub(state.since);
        if let Some(last) = state.stage.clone() {
            *state.calls.entry(last).or_default() += spent;
        }
        state.since = now;
        if let Some(stage) = stage {
            state.stage = Some(stage.to_owned());
        }
    }

    /// The calls of each stage so far.
    pub(super) fn by_stage(&self) -> BTreeMap<String, u64> {
        self.turn_to(None);
        self.state().calls.clone()
    }

    fn state(&self) -> MutexGuard<'_, Metered> {
        // A panic elsewhere leaves the counts as they were.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the destination's calls, and says now and then how much of its quota is used.
pub(super) struct CallMeter {
    client: IntercomClient,
    stages: StageMeter,
    /// When the use of the quota was last told.
    told: Mutex<Option<Instant>>,
}

impl CallMeter {
    pub(super) fn new(client: IntercomClient) -> Self {
        let counter = client.clone();
        let stages = StageMeter::new(move || counter.rate().calls);
        Self { client, stages, told: Mutex::default() }
    }

    /// Takes note of an event; says now and then how much of the quota is used.
    pub(super) fn observe(&self, event: &Event<'_>) -> Option<f64> {
        self.stages.observe(event);
        match event {
            Event::Settled { .. } => self.quota_share(),
            _ => None,
        }
    }

    /// The calls of each stage so far.
    pub(super) fn by_stage(&self) -> BTreeMap<String, u64> {
        self.stages.by_stage()
    }

    /// The share of the quota that was used so far, at most once a second.
    fn quota_share(&self) -> Option<f64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| told.elapsed().as_secs() == 0) {
            return None;
        }
        *told = Some(Instant::now());
        drop(told);
        self.client.rate().utilisation
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn calls_count_for_the_stage_under_way_and_then_for_the_last() {
        let counter = Arc::new(AtomicU64::new(7));
        let count = counter.clone();
        let meter = StageMeter::new(move || count.load(Ordering::Relaxed));
        let spend = |calls| counter.fetch_add(calls, Ordering::Relaxed);
        spend(1);
        meter.turn_to(Some("contacts"));
        spend(10);
        meter.observe(&Event::StageEnded { stage: "contacts" });
        spend(100);
        meter.turn_to(Some("calls"));
        spend(1000);
        let counted = meter.by_stage();
        assert_eq!(counted, BTreeMap::from([("calls".into(), 1000), ("contacts".into(), 110)]));
        assert_eq!(meter.by_stage(), counted);
    }
}
