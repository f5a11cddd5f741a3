//! The moving part: many units under way at once, while pages are read and settled pages committed.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};

use crate::Key;
use crate::draft::Draft;
use crate::ledger::{Change, Entry, Parking};
use crate::record::Cursor;
use crate::run::Run;
use crate::sink::Sink;

use super::RunError;
use super::lanes::{Lanes, Turn};
use super::unit::Unit;
use super::window::{ClosedPage, Window};

/// Moves the units of one stage.
pub(super) struct Flow<'a, D: Draft> {
    pub(super) stage: &'a str,
    pub(super) run: &'a Run,
    pub(super) sink: &'a dyn Sink<D>,
    /// Set when a failure stops the run: units under way end at the next step.
    halted: AtomicBool,
    held_lanes: Mutex<Vec<String>>,
    /// Keys of pages that are not committed whole: what the ledger does not know as seen yet.
    open_keys: Mutex<HashSet<Key>>,
}

/// Units to move, and the page they came from, if they came from one.
pub(super) struct Load<D> {
    pub(super) page: Option<OpenedPage>,
    pub(super) units: Vec<(Unit<D>, Option<Entry>)>,
}

/// A page as it was read: its keys that are new in this pass, and where reading goes on.
pub(super) struct OpenedPage {
    pub(super) pass: u32,
    pub(super) keys: Vec<Key>,
    pub(super) next: Option<Cursor>,
    pub(super) mark: Option<Cursor>,
}

/// How a unit's drive ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ended {
    Settled,
    Parked,
    /// The run was stopped between two steps.
    Interrupted,
}

enum Job {
    Driven { page: Option<u64>, lane: Option<String>, ended: Result<Ended, RunError> },
    Closed(Result<(), RunError>),
}

struct Item<D> {
    page: Option<u64>,
    unit: Unit<D>,
    entry: Option<Entry>,
}

/// Records that are open at once, for each write that may be under way.
const OPEN_PER_WRITE: usize = 16;

impl<'a, D: Draft> Flow<'a, D> {
    pub(super) fn new(stage: &'a str, run: &'a Run, sink: &'a dyn Sink<D>) -> Self {
        let (halted, held_lanes, open_keys) = Default::default();
        Self { stage, run, sink, halted, held_lanes, open_keys }
    }

    /// Lets everything of a lane wait, since a record of it waits.
    pub(super) fn hold_lane(&self, lane: String) {
        self.held_lanes.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
    }

    /// Those of these keys that are in pages not committed whole. To be asked before the ledger is:
    /// a page leaves this set only after the ledger knows its keys as seen.
    pub(super) fn open_among(&self, keys: &[Key]) -> HashSet<Key> {
        let open = self.open_keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|key| open.contains(key)).cloned().collect()
    }

    /// Moves everything the stream brings. Returns when all of it is settled or parked and every
    /// page's cursor is committed; on an error, when what was under way has ended.
    pub(super) async fn pump(
        &self,
        loads: impl Stream<Item = Result<Load<D>, RunError>> + Send,
    ) -> Result<(), RunError> {
        let in_flight = self.sink.limits().in_flight.max(1);
        let mut loads = pin!(loads);
        let mut loads_done = false;
        let mut failure = None;
        let mut lanes: Lanes<Item<D>> = Lanes::default();
        let mut window = Window::default();
        let mut pass = 0;
        let mut driving = 0;
        let mut open_units = 0;
        let mut closing = false;
        let mut jobs: FuturesUnordered<BoxFuture<'_, Job>> = FuturesUnordered::new();
        loop {
            self.take_held_lanes(&mut lanes);
            while failure.is_none() && driving < in_flight {
                let Some(turn) = lanes.pop() else { break };
                driving += 1;
                jobs.push(self.start(turn));
            }
            if !closing {
                let pages: Vec<_> = std::iter::from_fn(|| window.close()).collect();
                if !pages.is_empty() {
                    closing = true;
                    jobs.push(self.close(pages, pass).boxed());
                }
            }
            if jobs.is_empty() && (loads_done || failure.is_some()) {
                break;
            }
            let room = open_units < in_flight.saturating_mul(OPEN_PER_WRITE)
                && window.open_pages() < in_flight.saturating_mul(OPEN_PER_WRITE);
            tokio::select! {
                biased;
                () = self.run.stop.stopped(), if failure.is_none() => {
                    failure = Some(RunError::Interrupted);
                }
                load = loads.next(), if failure.is_none() && !loads_done && room => match load {
                    None => loads_done = true,
                    Some(Err(error)) => failure = Some(error),
                    Some(Ok(load)) => {
                        if let Some(page) = &load.page {
                            pass = page.pass;
                        }
                        open_units += load.units.len();
                        self.admit(load, &mut window, &mut lanes);
                    }
                },
                Some(job) = jobs.next() => match job {
                    Job::Closed(result) => {
                        closing = false;
                        if let Err(error) = result {
                            failure.get_or_insert(error);
                        }
                    }
                    Job::Driven { page, lane, ended } => {
                        driving -= 1;
                        open_units -= 1;
                        if let (Ok(Ended::Settled | Ended::Parked), Some(page)) = (&ended, page) {
                            window.settle(page);
                        }
                        lanes.ended(lane, !matches!(ended, Ok(Ended::Settled)));
                        if let Err(error) = ended {
                            failure.get_or_insert(error);
                        }
                    }
                },
            }
            if failure.is_some() {
                self.halted.store(true, Ordering::Relaxed);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn take_held_lanes(&self, lanes: &mut Lanes<Item<D>>) {
        let mut held = self.held_lanes.lock().unwrap_or_else(PoisonError::into_inner);
        held.drain(..).for_each(|lane| lanes.hold(lane));
    }

    fn start(&self, turn: Turn<Item<D>>) -> BoxFuture<'_, Job> {
        match turn {
            Turn::Go(lane, Item { page, unit, entry }) => async move {
                let ended = self.drive(unit, entry).await;
                Job::Driven { page, lane, ended }
            }
            .boxed(),
            // Its lane goes on being held, so it is not named again.
            Turn::Held(Item { page, unit, entry }) => async move {
                let entry = entry.unwrap_or_else(|| Entry::pending(unit.root.clone(), self.stage));
                let now = self.run.clock.now();
                let ended = self.park(&unit, &entry, Vec::new(), Parking::Lane, now, now, 0).await;
                Job::Driven { page, lane: None, ended }
            }
            .boxed(),
        }
    }

    async fn close(&self, pages: Vec<ClosedPage>, pass: u32) -> Job {
        let keys: Vec<Key> = pages.iter().flat_map(|page| page.keys.iter().cloned()).collect();
        let stage = self.stage;
        let changes = pages.into_iter().map(|page| Change::Page {
            stage: stage.to_owned(),
            pass,
            keys: page.keys,
            next: page.next,
            mark: page.mark,
        });
        let result = self.run.ledger.commit(changes.collect()).await;
        let mut open = self.open_keys.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &keys {
            open.remove(key);
        }
        Job::Closed(result.map_err(RunError::from))
    }

    /// Puts what has come in line.
    fn admit(&self, load: Load<D>, window: &mut Window, lanes: &mut Lanes<Item<D>>) {
        let page = load.page.map(|OpenedPage { keys, next, mark, .. }| {
            let mut open = self.open_keys.lock().unwrap_or_else(PoisonError::into_inner);
            open.extend(keys.iter().cloned());
            window.open(keys, next, mark, load.units.len())
        });
        for (unit, entry) in load.units {
            lanes.push(unit.lane.clone(), Item { page, unit, entry });
        }
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || self.run.stop.is_stopped()
    }
}
