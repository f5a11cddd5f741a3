//! [`Pipeline`]: a source, a mapper and a sink, as one stage.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::pin;
use std::sync::Mutex;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use tracing::Instrument as _;

use crate::Key;
use crate::draft::{Draft, Grouping};
use crate::fate::Fate;
use crate::ledger::{Change, Entry, Parking, Scan, StageState};
use crate::mapper::Mapper;
use crate::observe::Event;
use crate::record::Page;
use crate::redrive::Selection;
use crate::run::Run;
use crate::sink::Sink;
use crate::source::{Estimate, Lookup, Source, SourceError};

use super::RunError;
use super::flow::Flow;
use super::groups::Groups;
use super::intake::Intake;
use super::lanes::Hold;
use super::parked::{Due, ORDER};
use super::plan::{RunOptions, Stage, Waiting, sealed};
use super::resolve::ToCome;

/// Records that are looked up at once.
const LOOKED_UP: usize = 200;

/// A source, a mapper and a sink, which together are a stage.
pub struct Pipeline<S: Source, M, K, D> {
    name: String,
    source: S,
    mapper: M,
    sink: K,
    grouping: Option<Box<dyn Grouping<D>>>,
    lookup: Option<Box<dyn Lookup<Record = S::Record>>>,
    kinds: BTreeSet<String>,
}

impl<S: Source, M, K, D> fmt::Debug for Pipeline<S, M, K, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<S, M, K, D> Pipeline<S, M, K, D>
where
    S: Source,
    M: Mapper<S::Record, Out = D>,
    K: Sink<D>,
    D: Draft,
{
    /// A stage of that name.
    pub fn new(name: impl Into<String>, source: S, mapper: M, sink: K) -> Self {
        let (grouping, lookup, kinds) = (None, None, BTreeSet::new());
        Self { name: name.into(), source, mapper, sink, grouping, lookup, kinds }
    }

    /// Names a kind of records that this stage brings. A record that refers to one of a kind that
    /// its own stage brings waits for it until all is read; the kinds that have been read so far
    /// are known without being named here.
    #[must_use]
    pub fn brings(mut self, kind: impl Into<String>) -> Self {
        self.kinds.insert(kind.into());
        self
    }

    /// Brings records that share an identity together, once all of them are read. Lanes do not
    /// apply to these: what several records become has no single place in the source's order.
    #[must_use]
    pub fn grouped_by(mut self, grouping: impl Grouping<D> + 'static) -> Self {
        self.grouping = Some(Box::new(grouping));
        self
    }

    /// Reads the records that are to be tried again by their keys, instead of reading everything
    /// to meet them; usually the source itself, once more. It helps where records are not grouped.
    #[must_use]
    pub fn looked_up_in(mut self, lookup: impl Lookup<Record = S::Record> + 'static) -> Self {
        self.lookup = Some(Box::new(lookup));
        self
    }

    /// Begins a pass over the source, or goes on with the one that is under way.
    async fn begin(&self, run: &Run, changes_only: bool) -> Result<StageState, RunError> {
        let state = run.ledger.stage(&self.name).await?;
        if state.pass > 0 && !state.finished {
            return Ok(state);
        }
        let begin = Change::Begin {
            stage: self.name.clone(),
            pass: state.pass + 1,
            since: state.mark.filter(|_| changes_only),
            at: run.clock.now(),
        };
        run.ledger.commit(vec![begin]).await?;
        Ok(run.ledger.stage(&self.name).await?)
    }

    /// Reads the source and brings everything as far as it goes without waiting.
    async fn pass(
        &self,
        run: &Run,
        state: &StageState,
        forced: Option<&Selection>,
    ) -> Result<(), RunError> {
        let (stage, estimate) = (self.name.as_str(), self.source.estimate());
        run.observer.observe(&Event::StageBegun { stage, estimate, done: state.keys });
        if !state.read {
            let pages = to_the_end(self.source.read(state.cursor.clone()), state.cursor.is_some());
            let intake = self.intake(run, state.pass, forced);
            let pages = pages.map_err(|cause| self.unreadable(cause));
            self.take(&intake, pages.boxed()).await?;
            run.ledger.commit(vec![Change::Read { stage: self.name.clone() }]).await?;
        }
        if let Some(grouping) = &self.grouping {
            let groups = Groups { stage, run, grouping: &**grouping };
            Flow::new(stage, run, &self.sink).forcing(forced).pump(groups.stream().boxed()).await?;
        }
        self.settle(run).await?;
        run.observer.observe(&Event::StageEnded { stage });
        Ok(())
    }

    fn intake<'a>(
        &'a self,
        run: &'a Run,
        pass: u32,
        forced: Option<&'a Selection>,
    ) -> Intake<'a, M> {
        Intake {
            stage: &self.name,
            run,
            mapper: &self.mapper,
            pass,
            groups: self.grouping.is_some(),
            forced,
            to_come: ToCome::of(&self.kinds),
            only_forced: false,
            looked_up: Mutex::default(),
        }
    }

    /// Takes in pages of the source, and brings their records as far as they go.
    async fn take(
        &self,
        intake: &Intake<'_, M>,
        pages: BoxStream<'_, Result<Page<S::Record>, RunError>>,
    ) -> Result<(), RunError> {
        let run = intake.run;
        let mut flow = Flow::new(&self.name, run, &self.sink).forcing(intake.forced);
        flow = match intake.only_forced {
            true => flow.accompanied(intake.to_come.clone()),
            false => flow.reading(intake.to_come.clone()),
        };
        self.hold_waiting_lanes(run, &flow).await?;
        match intake.forced.filter(|_| intake.only_forced) {
            // What is not tried again holds those that come after it.
            Some(selection) => {
                let wanted = |entry: &Entry| selection.wants(entry);
                let first = flow.first_rows(&[Parking::Queued], wanted).await?;
                flow.hold_queued_lanes(|entry| !selection.wants(entry), &first).await?;
            }
            // One whose page is behind; one that is still to be read again comes in its place.
            None => {
                let nothing = BTreeMap::new();
                flow.hold_queued_lanes(|entry| entry.seen == intake.pass, &nothing).await?;
            }
        }
        let flow = &flow;
        let open_among = |keys: &[Key]| flow.open_among(keys);
        let loads = pages.and_then(move |page| async move {
            let span = tracing::debug_span!("migrate.page", records = page.items.len());
            intake.page(page, open_among).instrument(span).await
        });
        flow.pump(loads).await
    }

    async fn redrive_selected(&self, run: &Run, selection: &Selection) -> Result<(), RunError> {
        let state = run.ledger.stage(&self.name).await?;
        // One of which nothing was read yet, as a rollback begins it, is the next run's affair.
        let is_begun_only = state.keys == 0 && !state.read && state.cursor.is_none();
        let unfinished = state.pass > 0 && !state.finished && !is_begun_only;
        let mut selected = pin!(selected(&self.name, run, selection));
        let first = selected.try_next().await?;
        if first.is_none() && !unfinished {
            return Ok(());
        }
        let lookup = self.lookup.as_ref().filter(|_| self.grouping.is_none() && !unfinished);
        let Some(lookup) = lookup else {
            // Records that share an identity must all be known, those that cannot be looked up must
            // be met, and a pass that was begun is gone on with: everything is read.
            let state = self.begin(run, false).await?;
            return self.pass(run, &state, Some(selection)).await;
        };
        let (stage, estimate) = (self.name.as_str(), Estimate::Unknown);
        run.observer.observe(&Event::StageBegun { stage, estimate, done: 0 });
        let intake = Intake {
            only_forced: true,
            // Nothing comes but what comes along.
            to_come: ToCome::default(),
            ..self.intake(run, state.pass, Some(selection))
        };
        let pages = stream::iter(first).map(Ok).chain(selected).map_ok(|keys| {
            let pages = lookup.lookup(keys);
            pages.map_err(|cause| self.unreadable(cause))
        });
        self.take(&intake, pages.try_flatten().boxed()).await?;
        self.settle(run).await?;
        run.observer.observe(&Event::StageEnded { stage });
        Ok(())
    }

    fn unreadable(&self, cause: SourceError) -> RunError {
        RunError::Source { stage: self.name.clone(), cause }
    }

    async fn hold_waiting_lanes(&self, run: &Run, flow: &Flow<'_, D>) -> Result<(), RunError> {
        for why in ORDER {
            let mut after = 0;
            loop {
                let rows = run.ledger.parked(&self.name, why, after, 200).await?;
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                rows.into_iter()
                    .filter_map(|(_, row)| row.lane)
                    .for_each(|lane| flow.hold_lane(lane, Hold::Waits));
            }
        }
        Ok(())
    }
}

impl<S: Source, M, K, D> sealed::Sealed for Pipeline<S, M, K, D> {}

#[async_trait]
impl<S, M, K, D> Stage for Pipeline<S, M, K, D>
where
    S: Source,
    M: Mapper<S::Record, Out = D>,
    K: Sink<D>,
    D: Draft,
{
    fn name(&self) -> &str {
        &self.name
    }

    async fn run(&self, run: &Run, options: &RunOptions) -> Result<(), RunError> {
        let state = self.begin(run, options.changes_only).await?;
        run.takes_part(&self.name);
        let span = tracing::info_span!("migrate.stage", stage = %self.name);
        self.pass(run, &state, None).instrument(span).await
    }

    async fn redrive(&self, run: &Run, selection: &Selection) -> Result<(), RunError> {
        run.takes_part(&self.name);
        let span = tracing::info_span!("migrate.redrive", stage = %self.name);
        self.redrive_selected(run, selection).instrument(span).await
    }

    async fn settle(&self, run: &Run) -> Result<Waiting, RunError> {
        let flow = Flow::new(&self.name, run, &self.sink);
        let due = Due { run, flow: &flow };
        let pass = run.ledger.stage(&self.name).await?.pass;
        let first = flow.first_rows(&ORDER, |_| true).await?;
        flow.hold_queued_lanes(|entry| entry.seen == pass, &first).await?;
        flow.pump(due.stream().boxed()).await?;
        due.still_waiting().await
    }

    async fn last_look(&self, run: &Run) -> Result<(), RunError> {
        Flow::new(&self.name, run, &self.sink).last_look().await
    }

    async fn finish(&self, run: &Run) -> Result<(), RunError> {
        let state = run.ledger.stage(&self.name).await?;
        if !state.read {
            return Ok(());
        }
        let unaccounted =
            |message| Err(RunError::Unaccounted { stage: self.name.clone(), message });
        let tally = run.ledger.tally(&self.name).await?;
        let unsettled = tally.of(Fate::InDoubt) + tally.of(Fate::Pending);
        if unsettled > 0 {
            return unaccounted(format!("{unsettled} records have no final fate"));
        }
        let proof = run.ledger.proof(&self.name, state.pass).await?;
        if proof.digest != state.digest || proof.keys != state.keys {
            return unaccounted(format!(
                "the keys that were read ({}, digest {:?}) are not those that have a fate \
                 ({}, digest {:?})",
                state.keys, state.digest, proof.keys, proof.digest
            ));
        }
        if !state.finished {
            let finish = Change::Finish { stage: self.name.clone(), at: run.clock.now() };
            run.ledger.commit(vec![finish]).await?;
        }
        Ok(())
    }
}

/// The same pages, with an error after them if they break off before the last one. `unread` says
/// whether one must come: a source of nothing at all may bring no page.
fn to_the_end<T: Send + 'static>(
    pages: BoxStream<'static, Result<Page<T>, SourceError>>,
    unread: bool,
) -> BoxStream<'static, Result<Page<T>, SourceError>> {
    let start = (pages, unread);
    stream::unfold(start, |(mut pages, unread)| async move {
        match pages.next().await {
            Some(page) => {
                let unread = page.as_ref().map_or(unread, |page| page.next.is_some());
                Some((page, (pages, unread)))
            }
            None if unread => {
                let message = "the source ended before its last page, which is the one without \
                               a `next`: what follows is unknown";
                Some((Err(SourceError::unavailable(message)), (stream::empty().boxed(), false)))
            }
            None => None,
        }
    })
    .boxed()
}

/// The selected records of a stage, some at a time.
fn selected<'a>(
    stage: &str,
    run: &'a Run,
    selection: &'a Selection,
) -> impl Stream<Item = Result<Vec<Key>, RunError>> + Send + use<'a> {
    let scans = selection.fates().map(|fate| Scan::of(stage).with(fate).limit(LOOKED_UP));
    let scans: Vec<Scan> = scans.collect();
    stream::try_unfold(scans, move |mut scans| async move {
        loop {
            let Some(scan) = scans.last_mut() else { return Ok(None) };
            let rows = run.ledger.scan(scan).await?;
            let Some((last, _)) = rows.last() else {
                scans.pop();
                continue;
            };
            scan.after = Some(*last);
            let wanted = rows.into_iter().filter(|(_, entry)| selection.wants(entry));
            return Ok(Some((wanted.map(|(_, entry)| entry.key).collect(), scans)));
        }
    })
    .try_filter(|keys: &Vec<Key>| std::future::ready(!keys.is_empty()))
}
