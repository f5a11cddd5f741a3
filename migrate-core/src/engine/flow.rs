//! The moving part: many records under way at once, while pages are read and settled pages are
//! committed. It does what [`Scheduler`] and [`Saga`] say, and decides nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, Stream, StreamExt};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::Key;
use crate::draft::Draft;
use crate::ledger::{Change, Entry, Parking};
use crate::record::Cursor;
use crate::redrive::Selection;
use crate::run::Run;
use crate::sink::{Failure, FailureKind, Outcome, Receipt, Sink, Write};

use super::RunError;
use super::batches::Batches;
use super::ending::{End, Ended, place_in_lane};
use super::lanes::Hold;
use super::resolve::{ToCome, resolve};
use super::saga::{self, Saga, Sending};
use super::scheduler::{self, Scheduler, Ticket};
use super::unit::Unit;
use super::window::ClosedPage;

/// Moves the records of one stage.
pub(super) struct Flow<'a, D: Draft> {
    pub(super) stage: &'a str,
    pub(super) run: &'a Run,
    pub(super) sink: &'a dyn Sink<D>,
    /// Records that are tried again although they have not changed.
    forced: Option<&'a Selection>,
    /// What the source may bring yet, while it is being read.
    to_come: Option<ToCome>,
    /// Do records of a lane come in its order, as when the source is read?
    in_order: bool,
    /// Set when the run is to end: records under way end at the next step.
    halted: AtomicBool,
    held_lanes: Mutex<Vec<(String, Hold)>>,
    /// Keys of pages that are not committed whole: what the ledger does not know as seen yet.
    open_keys: Mutex<BTreeSet<Key>>,
}

/// Records to move, and the page they came from, if they came from one.
pub(super) struct Load<D> {
    pub(super) page: Option<OpenedPage>,
    pub(super) units: Vec<Item<D>>,
}

/// A record on its way.
#[allow(clippy::large_enum_variant, reason = "nearly all of them are units")]
pub(super) enum Item<D> {
    /// One to be brought further, and what the ledger knows of it.
    Unit(Unit<D>, Option<Entry>),
    /// One that waits for somebody and is not tried now. It stands for its place in this lane,
    /// which others must not overtake.
    Queued(Key, String),
}

impl<D> Item<D> {
    fn lane(&self) -> Option<String> {
        match self {
            Self::Unit(unit, _) => unit.lane.clone(),
            Self::Queued(_, lane) => Some(lane.clone()),
        }
    }
}

/// A page as it was read: its keys that are new in this pass, and where reading goes on.
#[derive(Debug)]
pub(super) struct OpenedPage {
    pub(super) pass: u32,
    pub(super) keys: Vec<Key>,
    pub(super) next: Option<Cursor>,
    pub(super) mark: Option<Cursor>,
}

enum Job {
    Ended(Ticket, Result<Ended, RunError>),
    Committed(Result<(), RunError>),
    Sent,
}

impl<'a, D: Draft> Flow<'a, D> {
    pub(super) fn new(stage: &'a str, run: &'a Run, sink: &'a dyn Sink<D>) -> Self {
        let (halted, held_lanes, open_keys) = Default::default();
        let (forced, to_come, in_order) = (None, None, false);
        Self { stage, run, sink, forced, to_come, in_order, halted, held_lanes, open_keys }
    }

    /// The same flow, which tries these records again although they have not changed.
    pub(super) fn forcing(mut self, selection: Option<&'a Selection>) -> Self {
        self.forced = selection;
        self
    }

    /// The same flow while the source is being read: what refers to a record that may come yet
    /// waits until all is read.
    pub(super) fn reading(self, to_come: ToCome) -> Self {
        Self { in_order: true, ..self.accompanied(to_come) }
    }

    /// The same flow of single records, of which some come along with those that refer to them.
    pub(super) fn accompanied(mut self, to_come: ToCome) -> Self {
        self.to_come = Some(to_come);
        self
    }

    /// Lets everything of a lane wait, since a record of it waits.
    pub(super) fn hold_lane(&self, lane: String, hold: Hold) {
        self.held_lanes.lock().unwrap_or_else(PoisonError::into_inner).push((lane, hold));
    }

    /// Holds the lanes of records that wait for somebody, as far as they are `wanted` and do not
    /// come after what is to go in their lane: `first` says at which row that is.
    pub(super) async fn hold_queued_lanes(
        &self,
        wanted: impl Fn(&Entry) -> bool + Send,
        first: &BTreeMap<String, u64>,
    ) -> Result<(), RunError> {
        let (ledger, mut after) = (&self.run.ledger, 0);
        loop {
            let rows = ledger.parked(self.stage, Parking::Queued, after, 200).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = *last;
            let keys: Vec<Key> = rows.iter().map(|(_, parked)| parked.key.clone()).collect();
            let entries = ledger.entries(&keys).await?;
            for ((row, parked), entry) in rows.into_iter().zip(entries) {
                if let (Some(lane), Some(entry)) = (parked.lane, entry)
                    && first.get(&lane).is_none_or(|first| row < *first)
                    && wanted(&entry)
                {
                    self.hold_lane(lane, Hold::Queued);
                }
            }
        }
    }

    /// The row of the first record in each lane that is parked for one of these reasons and
    /// `wanted`.
    pub(super) async fn first_rows(
        &self,
        reasons: &[Parking],
        wanted: impl Fn(&Entry) -> bool + Send,
    ) -> Result<BTreeMap<String, u64>, RunError> {
        let (ledger, mut first) = (&self.run.ledger, BTreeMap::new());
        for why in reasons {
            let mut after = 0;
            loop {
                let rows = ledger.parked(self.stage, *why, after, 200).await?;
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                let keys: Vec<Key> = rows.iter().map(|(_, parked)| parked.key.clone()).collect();
                let entries = ledger.entries(&keys).await?;
                for ((row, parked), entry) in rows.into_iter().zip(entries) {
                    if let Some(lane) = parked.lane
                        && entry.is_some_and(|entry| wanted(&entry))
                    {
                        let first = first.entry(lane).or_insert(row);
                        *first = row.min(*first);
                    }
                }
            }
        }
        Ok(first)
    }

    /// Those of these keys that are in pages not committed whole. To be asked before the ledger is:
    /// a page leaves this set only after the ledger knows its keys as seen.
    pub(super) fn open_among(&self, keys: &[Key]) -> BTreeSet<Key> {
        let open = self.open_keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().filter(|key| open.contains(key)).cloned().collect()
    }

    /// Moves everything the stream brings. Returns when all of it is settled or parked and every
    /// page's cursor is committed; on an error, when what was under way has ended.
    pub(super) async fn pump(
        &self,
        loads: impl Stream<Item = Result<Load<D>, RunError>> + Send,
    ) -> Result<(), RunError> {
        let mut loads = Some(loads.boxed());
        let limits = self.sink.limits();
        let mut stopped = pin!(self.run.stop.stopped());
        let mut failure = None;
        let mut scheduler: Scheduler<Item<D>> = Scheduler::new(limits);
        let mut batches = Batches::new(limits);
        let (outbox, mut gathered) = mpsc::unbounded_channel();
        let mut jobs: FuturesUnordered<BoxFuture<'_, Job>> = FuturesUnordered::new();
        loop {
            self.held_lanes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .drain(..)
                .for_each(|(lane, hold)| scheduler.on(scheduler::Event::Hold(lane, hold)));
            while let Some(action) = scheduler.next() {
                // One by one, a write needs no batch to gather in.
                jobs.push(self.start(action, (limits.batch > 1).then(|| outbox.clone())));
            }
            while let Some(batch) = batches.take() {
                let sending = self.sink.write(batch).map(|()| Job::Sent);
                jobs.push(sending.boxed());
            }
            if scheduler.is_done() && jobs.is_empty() {
                break;
            }
            let halted = scheduler.is_halted();
            tokio::select! {
                biased;
                () = &mut stopped, if !halted => {
                    failure.get_or_insert(RunError::Interrupted);
                    scheduler.on(scheduler::Event::Halt);
                }
                Some(write) = gathered.recv() => {
                    batches.put(write);
                    while let Ok(write) = gathered.try_recv() {
                        batches.put(write);
                    }
                }
                load = next_of(&mut loads), if scheduler.wants_more() => match load {
                    None => scheduler.on(scheduler::Event::ReadToEnd),
                    Some(Ok(load)) => scheduler.on(self.loaded(load)),
                    Some(Err(error)) => {
                        // What was read before a source went out of reach is brought to its end,
                        // or one that often does would never get anywhere.
                        let event = match &error {
                            RunError::Source { .. } if error.is_passing() => {
                                scheduler::Event::ReadToEnd
                            }
                            _ => scheduler::Event::Halt,
                        };
                        failure.get_or_insert(error);
                        scheduler.on(event);
                    }
                },
                Some(job) = jobs.next() => {
                    let (event, error) = match job {
                        Job::Sent => {
                            batches.ended();
                            continue;
                        }
                        Job::Committed(Ok(())) => (scheduler::Event::Committed, None),
                        Job::Committed(Err(error)) => {
                            (scheduler::Event::NotCommitted, Some(error))
                        }
                        Job::Ended(ticket, Ok(ended)) => {
                            let stopped = ended == Ended::Interrupted;
                            let error = stopped.then_some(RunError::Interrupted);
                            (scheduler::Event::Ended { ticket, ended }, error)
                        }
                        Job::Ended(ticket, Err(error)) => {
                            (scheduler::Event::Failed(ticket), Some(error))
                        }
                    };
                    scheduler.on(event);
                    if let Some(error) = error {
                        failure.get_or_insert(error);
                        scheduler.on(scheduler::Event::Halt);
                    }
                }
            }
            if scheduler.is_halted() {
                self.halted.store(true, Ordering::Relaxed);
                // What is being read is let go of, with all that it holds.
                loads = None;
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn start(
        &self,
        action: scheduler::Action<Item<D>>,
        outbox: Option<mpsc::UnboundedSender<Write<D>>>,
    ) -> BoxFuture<'_, Job> {
        match action {
            scheduler::Action::Begin(ticket, Item::Queued(key, lane))
            | scheduler::Action::Behind(_, ticket, Item::Queued(key, lane)) => {
                async move { Job::Ended(ticket, self.keep_place(&key, &lane).await) }.boxed()
            }
            scheduler::Action::Begin(ticket, Item::Unit(unit, entry)) => {
                let span = tracing::debug_span!("migrate.record", key = %unit.root);
                let drive =
                    async move { Job::Ended(ticket, self.drive(unit, entry, outbox).await) };
                drive.instrument(span).boxed()
            }
            scheduler::Action::Behind(hold, ticket, Item::Unit(unit, entry)) => {
                async move { Job::Ended(ticket, self.behind(hold, unit, entry).await) }.boxed()
            }
            scheduler::Action::Commit(pages) => self.commit_pages(pages).boxed(),
        }
    }

    /// Does what a record's saga says, until it ends.
    async fn drive(
        &self,
        unit: Unit<D>,
        entry: Option<Entry>,
        outbox: Option<mpsc::UnboundedSender<Write<D>>>,
    ) -> Result<Ended, RunError> {
        let (run, clock) = (self.run, self.run.clock);
        let mut saga = self.saga(unit, entry);
        let mut event = saga::Event::Begin;
        loop {
            if self.is_halted() {
                saga.halt();
            }
            event = match saga.on(event, clock.now()) {
                saga::Action::Resolve(references) => {
                    let root = saga.entry.written(&saga.entry.key).cloned();
                    saga::Event::Resolved(
                        resolve(run, references, root, self.to_come.as_ref()).await?,
                    )
                }
                saga::Action::Write(changes, sending) => {
                    self.commit(changes).await?;
                    self.send(*sending, outbox.as_ref()).await
                }
                saga::Action::Look(doubt) => {
                    let asked_at = clock.now();
                    let span = tracing::debug_span!("migrate.find", key = %doubt.key);
                    let found = self.sink.find(&doubt).instrument(span).await;
                    let gone = self.is_gone(found.as_ref().err());
                    saga::Event::Looked { found, asked_at, gone }
                }
                saga::Action::Others(keys) => saga::Event::Others(run.ledger.entries(&keys).await?),
                saga::Action::End(end) => return self.end(*end).await,
            }
        }
    }

    /// Keeps the place of a record that the mapper lets wait, now that its turn has come.
    async fn keep_place(&self, key: &Key, lane: &str) -> Result<Ended, RunError> {
        let place = place_in_lane(key, self.stage, Some(lane), self.run.clock.now());
        let mut changes = Vec::new();
        if self.in_order {
            changes.push(Change::Unpark { key: key.clone() });
        }
        changes.extend(place);
        self.commit(changes).await?;
        Ok(Ended::Queued)
    }

    /// Lets a record wait as another does that comes before it in its lane.
    async fn behind(
        &self,
        hold: Hold,
        unit: Unit<D>,
        entry: Option<Entry>,
    ) -> Result<Ended, RunError> {
        let now = self.run.clock.now();
        let mut saga = self.saga(unit, entry);
        let action = match hold {
            Hold::Waits => saga.park(Parking::Lane, now, now, 0, now),
            Hold::Queued => saga.queue_behind(now),
        };
        match action {
            saga::Action::End(end) => self.end(*end).await,
            _ => Ok(Ended::Interrupted),
        }
    }

    fn saga(&self, unit: Unit<D>, entry: Option<Entry>) -> Saga<'_, D> {
        let forced = match (self.forced, &entry) {
            (Some(selection), Some(entry)) => selection.wants(entry),
            _ => false,
        };
        let saga = Saga::new(self.stage, self.run.times(), unit, entry, forced);
        saga.in_order(self.in_order)
    }

    /// Sends one write. A receipt that is dropped counts as in doubt.
    async fn send(
        &self,
        sending: Sending<D>,
        outbox: Option<&mpsc::UnboundedSender<Write<D>>>,
    ) -> saga::Event {
        let Sending { key, draft, resolved, known_as, since, waited_for } = sending;
        let span = tracing::debug_span!("migrate.write", %key);
        let ledger = Arc::clone(&self.run.ledger);
        let (mut write, receipt) = Write::new(key, draft, resolved, since, ledger);
        (write.known_as, write.waited_for) = (known_as, waited_for);
        match outbox {
            // Whoever cannot be handed to the outbox any more is dropped, receipt and all.
            Some(outbox) => drop(outbox.send(write)),
            None => self.sink.write(vec![write]).instrument(span.clone()).await,
        }
        let receipt = receipt.instrument(span).await.unwrap_or_else(|_| Receipt::dropped());
        let gone = match &receipt.outcome {
            Outcome::Failed(failure) => self.is_gone(Some(failure)),
            _ => self.is_gone(None),
        };
        saga::Event::Receipt { receipt, gone }
    }

    /// Counts failures in a row; says whether they mean that the destination is gone.
    pub(super) fn is_gone(&self, failure: Option<&Failure>) -> bool {
        match failure.map(|failure| failure.kind) {
            Some(FailureKind::NotDone | FailureKind::InDoubt) => {
                self.run.failed_again(self.sink.limits().batch)
            }
            Some(FailureKind::Gone | FailureKind::Stop) => false,
            None => {
                self.run.answered();
                false
            }
        }
    }

    async fn end(&self, end: End) -> Result<Ended, RunError> {
        self.commit(end.changes).await?;
        end.counts.into_iter().for_each(|fate| self.run.count(self.stage, fate));
        end.ended
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), RunError> {
        if !changes.is_empty() {
            let span = tracing::trace_span!("migrate.commit", changes = changes.len());
            self.run.ledger.commit(changes).instrument(span).await?;
        }
        Ok(())
    }

    async fn commit_pages(&self, pages: Vec<ClosedPage>) -> Job {
        let keys: Vec<Key> = pages.iter().flat_map(|page| page.keys.iter().cloned()).collect();
        let changes = pages.into_iter().map(|page| Change::Page {
            stage: self.stage.to_owned(),
            pass: page.pass,
            keys: page.keys,
            next: page.next,
            mark: page.mark,
        });
        let result = self.commit(changes.collect()).await;
        let mut open = self.open_keys.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &keys {
            open.remove(key);
        }
        Job::Committed(result)
    }

    fn loaded(&self, load: Load<D>) -> scheduler::Event<Item<D>> {
        if let Some(page) = &load.page {
            let mut open = self.open_keys.lock().unwrap_or_else(PoisonError::into_inner);
            open.extend(page.keys.iter().cloned());
        }
        let records = load.units.into_iter().map(|item| (item.lane(), item));
        scheduler::Event::Loaded { page: load.page, records: records.collect() }
    }

    pub(super) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || self.run.stop.is_stopped()
    }
}

/// The next of a stream, if it was not let go of.
async fn next_of<T>(stream: &mut Option<BoxStream<'_, T>>) -> Option<T> {
    stream.as_mut()?.next().await
}
