//! [`Pipeline`]: a source, a mapper and a sink, as one stage.

use std::fmt;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};

use crate::Key;
use crate::draft::{Draft, Grouping};
use crate::fate::Fate;
use crate::ledger::{Change, Parking, StageState};
use crate::mapper::Mapper;
use crate::observe::Event;
use crate::run::Run;
use crate::sink::Sink;
use crate::source::Source;

use super::RunError;
use super::flow::Flow;
use super::groups::Groups;
use super::intake::Intake;
use super::parked::Due;
use super::plan::{Stage, Waiting};

/// A source, a mapper and a sink, which together are a stage.
pub struct Pipeline<S, M, K, D> {
    name: String,
    source: S,
    mapper: M,
    sink: K,
    grouping: Option<Box<dyn Grouping<D>>>,
}

impl<S, M, K, D> fmt::Debug for Pipeline<S, M, K, D> {
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
        Self { name: name.into(), source, mapper, sink, grouping: None }
    }

    /// Brings records that share an identity together, once all of them are read.
    #[must_use]
    pub fn grouped_by(mut self, grouping: impl Grouping<D> + 'static) -> Self {
        self.grouping = Some(Box::new(grouping));
        self
    }

    /// Begins a pass over the source, or goes on with the one that is under way.
    async fn begin(&self, run: &Run) -> Result<StageState, RunError> {
        let state = run.ledger.stage(&self.name).await?;
        if state.pass > 0 && !state.finished {
            return Ok(state);
        }
        let pass = state.pass + 1;
        let begin =
            Change::Begin { stage: self.name.clone(), pass, since: None, at: run.clock.now() };
        run.ledger.commit(vec![begin]).await?;
        Ok(run.ledger.stage(&self.name).await?)
    }

    async fn read(&self, run: &Run, state: &StageState) -> Result<(), RunError> {
        let flow = Flow::new(&self.name, run, &self.sink);
        self.hold_waiting_lanes(run, &flow).await?;
        let intake = Intake {
            stage: &self.name,
            run,
            mapper: &self.mapper,
            pass: state.pass,
            groups: self.grouping.is_some(),
        };
        let pages = self
            .source
            .read(state.cursor.clone())
            .map_err(|cause| RunError::Source { stage: self.name.clone(), cause });
        let (intake, flow) = (&intake, &flow);
        let open_among = |keys: &[Key]| flow.open_among(keys);
        let loads = pages.and_then(move |page| async move { intake.page(page, open_among).await });
        flow.pump(loads).await?;
        run.ledger.commit(vec![Change::Read { stage: self.name.clone() }]).await?;
        Ok(())
    }

    async fn hold_waiting_lanes(&self, run: &Run, flow: &Flow<'_, D>) -> Result<(), RunError> {
        for why in [Parking::Doubt, Parking::Retry, Parking::Parent, Parking::Lane] {
            let mut after = 0;
            loop {
                let rows = run.ledger.parked(&self.name, why, after, 200).await?;
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                rows.into_iter()
                    .filter_map(|(_, row)| row.lane)
                    .for_each(|lane| flow.hold_lane(lane));
            }
        }
        Ok(())
    }
}

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

    async fn run(&self, run: &Run) -> Result<(), RunError> {
        let state = self.begin(run).await?;
        run.takes_part(&self.name);
        let (stage, estimate) = (self.name.as_str(), self.source.estimate());
        run.observer.observe(&Event::StageBegun { stage, estimate, done: state.keys });
        if !state.read {
            self.read(run, &state).await?;
        }
        if let Some(grouping) = &self.grouping {
            let groups = Groups { stage, run, grouping: &**grouping };
            Flow::new(stage, run, &self.sink).pump(groups.stream().boxed()).await?;
        }
        self.settle(run).await?;
        run.observer.observe(&Event::StageEnded { stage });
        Ok(())
    }

    async fn settle(&self, run: &Run) -> Result<Waiting, RunError> {
        let flow = Flow::new(&self.name, run, &self.sink);
        let due = Due { run, flow: &flow };
        flow.pump(due.stream().boxed()).await?;
        due.still_waiting().await
    }

    async fn finish(&self, run: &Run) -> Result<(), RunError> {
        let state = run.ledger.stage(&self.name).await?;
        if state.finished || !state.read {
            return Ok(());
        }
        let tally = run.ledger.tally(&self.name).await?;
        let unsettled = tally.of(Fate::InDoubt) + tally.of(Fate::Pending);
        if unsettled > 0 {
            return Err(self.unaccounted(format!("{unsettled} records have no final fate")));
        }
        let proof = run.ledger.proof(&self.name, state.pass).await?;
        if proof.digest != state.digest || proof.keys != state.keys {
            let message = format!(
                "the keys that were read ({}, digest {:?}) are not those that have a fate ({}, digest {:?})",
                state.keys, state.digest, proof.keys, proof.digest
            );
            return Err(self.unaccounted(message));
        }
        let finish = Change::Finish { stage: self.name.clone(), at: run.clock.now() };
        run.ledger.commit(vec![finish]).await?;
        Ok(())
    }
}

impl<S, M, K, D> Pipeline<S, M, K, D> {
    fn unaccounted(&self, message: String) -> RunError {
        RunError::Unaccounted { stage: self.name.clone(), message }
    }
}
