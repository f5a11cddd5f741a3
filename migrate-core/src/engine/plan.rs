//! [`Plan`]: stages in the order in which they depend on each other.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::fate::Fate;
use crate::observe::Event;
use crate::redrive::Selection;
use crate::run::{Run, Stuck};
use crate::undo::Rollback;

use super::RunError;
use super::rounds::{Next, after_round};

/// One stage of a migration, whatever it moves: a [`Pipeline`](crate::Pipeline). It cannot be
/// implemented elsewhere, since what it does between the calls is the engine's own affair.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stage of a plan",
    note = "put a source, a mapper and a sink together in a `migrate_core::Pipeline`"
)]
pub trait Stage: sealed::Sealed + Send + Sync {
    /// Its name, which is for ever: the ledger knows it by that.
    fn name(&self) -> &str;

    /// Reads its source to the end and settles what can be settled without waiting.
    async fn run(&self, run: &Run, options: &RunOptions) -> Result<(), RunError>;

    /// Tries the selected records again that are dead or queued, and settles what can be settled
    /// without waiting.
    async fn redrive(&self, run: &Run, selection: &Selection) -> Result<(), RunError>;

    /// Looks once more at what waits and is due.
    async fn settle(&self, run: &Run) -> Result<Waiting, RunError>;

    /// Looks for twins of everything that was in doubt on the way and is settled.
    async fn last_look(&self, run: &Run) -> Result<(), RunError>;

    /// Proves that every key that was read has its fate, and ends the pass.
    async fn finish(&self, run: &Run) -> Result<(), RunError>;
}

impl<S: sealed::Sealed + ?Sized> sealed::Sealed for Box<S> {}

#[async_trait]
impl<S: Stage + ?Sized> Stage for Box<S> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn run(&self, run: &Run, options: &RunOptions) -> Result<(), RunError> {
        (**self).run(run, options).await
    }

    async fn redrive(&self, run: &Run, selection: &Selection) -> Result<(), RunError> {
        (**self).redrive(run, selection).await
    }

    async fn settle(&self, run: &Run) -> Result<Waiting, RunError> {
        (**self).settle(run).await
    }

    async fn last_look(&self, run: &Run) -> Result<(), RunError> {
        (**self).last_look(run).await
    }

    async fn finish(&self, run: &Run) -> Result<(), RunError> {
        (**self).finish(run).await
    }
}

pub(super) mod sealed {
    /// Keeps [`Stage`](super::Stage) to this crate.
    pub trait Sealed {}
}

/// What waits in a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiting {
    /// How many records.
    pub records: u64,
    /// How many of them wait for another record.
    pub dependents: u64,
    /// When the first of the others is due; `None` when there are none.
    pub due: Option<DateTime<Utc>>,
}

impl Waiting {
    /// What waits in two stages together.
    fn and(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            dependents: self.dependents + other.dependents,
            due: match (self.due, other.due) {
                (Some(first), Some(second)) => Some(first.min(second)),
                (first, second) => first.or(second),
            },
        }
    }
}

/// Stages in dependency order.
///
/// ```
/// use migrate_core::Plan;
///
/// let problem = Plan::new().check().err();
/// assert!(problem.is_none(), "a plan without stages has nothing wrong with it");
/// ```
#[derive(Default)]
pub struct Plan {
    stages: Vec<Planned>,
}

struct Planned {
    stage: Box<dyn Stage>,
    after: Vec<String>,
    held_by: Vec<String>,
    barrier: bool,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages.iter().map(|planned| planned.stage.name())).finish()
    }
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Two stages have one name.
    #[error("two stages are named `{0}`")]
    Twice(String),
    /// A stage comes after one that there is not.
    #[error("stage `{stage}` comes after `{after}`, which is no stage")]
    Unknown {
        /// The stage.
        stage: String,
        /// What it comes after.
        after: String,
    },
    /// Stages wait for each other in a circle.
    #[error("stages wait for each other in a circle: {0}")]
    Circle(String),
}

/// How a run of a plan ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunEnd {
    /// Stages that were held back, each with the stage that has to be put in order first.
    pub held: Vec<(String, String)>,
    /// Records that still wait, since the run was not to wait for them.
    pub waiting: u64,
}

/// How to run a plan.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunOptions {
    /// Only this stage.
    pub only: Option<String>,
    /// Do not wait for what is in doubt.
    pub no_wait: bool,
    /// Where a source can tell what has changed since the last finished pass, read only that.
    pub changes_only: bool,
}

impl RunOptions {
    /// The same for one stage only.
    #[must_use]
    pub fn only(mut self, stage: impl Into<String>) -> Self {
        self.only = Some(stage.into());
        self
    }

    /// The same without waiting, at the end, for what is in doubt.
    #[must_use]
    pub fn no_wait(mut self) -> Self {
        self.no_wait = true;
        self
    }

    /// The same, reading only what has changed since the last finished pass where a source can
    /// tell ([`Page::mark`](crate::Page::mark)). Other stages read everything and know unchanged
    /// records by their fingerprints. What has vanished from a source shows only when everything
    /// is read.
    #[must_use]
    pub fn changes_only(mut self) -> Self {
        self.changes_only = true;
        self
    }
}

impl Plan {
    /// A plan without stages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stage that comes after others.
    #[must_use]
    pub fn stage(mut self, stage: impl Stage + 'static, after: &[&str]) -> Self {
        let after = after.iter().map(|&name| name.to_owned()).collect();
        self.stages.push(Planned {
            stage: Box::new(stage),
            after,
            held_by: Vec::new(),
            barrier: false,
        });
        self
    }

    /// Holds the last added stage back while a record of the stage `by` waits in a queue.
    #[must_use]
    pub fn held_by(mut self, by: &str) -> Self {
        if let Some(planned) = self.stages.last_mut() {
            planned.held_by.push(by.to_owned());
        }
        self
    }

    /// Makes the last added stage a barrier: what comes after it needs all of it, so it begins only
    /// when every record of it is settled, and is held back while one is refused or waits for
    /// somebody.
    #[must_use]
    pub fn barrier(mut self) -> Self {
        if let Some(planned) = self.stages.last_mut() {
            planned.barrier = true;
        }
        self
    }

    /// Checks names and order; gives the names in the order they run.
    ///
    /// # Errors
    ///
    /// A [`PlanError`] for two stages of one name, an unknown one, or a circle.
    pub fn check(&self) -> Result<Vec<&str>, PlanError> {
        Ok(self.order()?.into_iter().map(|planned| planned.stage.name()).collect())
    }

    fn order(&self) -> Result<Vec<&Planned>, PlanError> {
        let mut by_name = BTreeMap::new();
        for planned in &self.stages {
            let name = planned.stage.name();
            if by_name.insert(name, planned).is_some() {
                return Err(PlanError::Twice(name.to_owned()));
            }
        }
        for planned in &self.stages {
            for after in planned.after.iter().chain(&planned.held_by) {
                if !by_name.contains_key(after.as_str()) {
                    let stage = planned.stage.name().to_owned();
                    return Err(PlanError::Unknown { stage, after: after.clone() });
                }
            }
        }
        let mut order: Vec<&Planned> = Vec::new();
        while order.len() < self.stages.len() {
            let done = |name: &str| order.iter().any(|planned| planned.stage.name() == name);
            let next = self.stages.iter().find(|planned| {
                let mut before = planned.after.iter().chain(&planned.held_by);
                !done(planned.stage.name()) && before.all(|name| done(name))
            });
            let Some(next) = next else {
                let left = self.stages.iter().map(|planned| planned.stage.name());
                let left: Vec<&str> = left.filter(|name| !done(name)).collect();
                return Err(PlanError::Circle(left.join(", ")));
            };
            order.push(next);
        }
        Ok(order)
    }

    /// Runs the stages: each reads and writes what it can, then all wait together for what is in
    /// doubt. What a former run began is gone on with.
    ///
    /// # Errors
    ///
    /// A [`RunError`] when the run ended before its end. What was done is in the ledger, and a later
    /// run goes on, or this one when it is called again; [`RunError::is_passing`] says whether
    /// somebody has to act first.
    pub async fn run(&self, run: &Run, options: &RunOptions) -> Result<RunEnd, RunError> {
        self.go(run, options, What::Run).await
    }

    /// Tries again what is dead or queued and selected. A stage whose source can
    /// [look records up](crate::Lookup) and that does not group them reads only those, and touches
    /// nothing else. Others have to be read whole: that is a pass like any other, which brings what
    /// is new or has changed as well. What depends on the selected records is not tried again by itself: it is
    /// selected too, or follows in the next run.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn redrive(
        &self,
        run: &Run,
        selection: &Selection,
        options: &RunOptions,
    ) -> Result<RunEnd, RunError> {
        self.go(run, options, What::Redrive(selection)).await
    }

    async fn go(
        &self,
        run: &Run,
        options: &RunOptions,
        what: What<'_>,
    ) -> Result<RunEnd, RunError> {
        let order = self.order()?;
        // What an earlier call left behind was surely sent before this one began.
        let run = &run.begun_again();
        if let What::Redrive(Selection { stage: Some(stage), .. }) = what
            && !order.iter().any(|planned| planned.stage.name() == stage)
        {
            return Err(RunError::NoStage(stage.clone()));
        }
        if Rollback::is_under_way(&*run.ledger).await? {
            return Err(RunError::RollbackUnderWay);
        }
        let mut end = RunEnd::default();
        let mut active = Vec::new();
        for planned in order {
            let name = planned.stage.name();
            let other = |only: &String| only != name;
            if options.only.as_ref().is_some_and(other) || what.leaves_out(name) {
                continue;
            }
            if let Some(by) = self.holder(run, planned, &end).await? {
                run.observer.observe(&Event::StageHeld { stage: name, by: &by });
                end.held.push((name.to_owned(), by));
                continue;
            }
            match what {
                What::Run => planned.stage.run(run, options).await?,
                What::Redrive(selection) => planned.stage.redrive(run, selection).await?,
            }
            active.push(&*planned.stage);
            if planned.barrier {
                end.waiting = settle(&[&*planned.stage], run, options).await?;
                if end.waiting > 0 {
                    return Ok(end);
                }
            }
        }
        if let Some(only) = &options.only
            && active.is_empty()
            && end.held.is_empty()
        {
            return Err(RunError::NoStage(only.clone()));
        }
        end.waiting = settle(&active, run, options).await?;
        if end.waiting > 0 {
            return Ok(end);
        }
        for stage in &active {
            stage.last_look(run).await?;
            stage.finish(run).await?;
        }
        Ok(end)
    }

    /// The stage that holds this one back, if one does.
    async fn holder(
        &self,
        run: &Run,
        planned: &Planned,
        end: &RunEnd,
    ) -> Result<Option<String>, RunError> {
        for by in &planned.held_by {
            if run.ledger.tally(by).await?.of(Fate::Queued) > 0 {
                return Ok(Some(by.clone()));
            }
        }
        for before in &planned.after {
            let is_barrier = |other: &Planned| other.barrier && other.stage.name() == before;
            if self.stages.iter().any(is_barrier) {
                let tally = run.ledger.tally(before).await?;
                if tally.of(Fate::Queued) + tally.of(Fate::Dead) > 0 {
                    return Ok(Some(before.clone()));
                }
            }
        }
        let held = |name: &String| end.held.iter().any(|(held, _)| held == name);
        Ok(planned.after.iter().find(|name| held(name)).cloned())
    }
}

/// What a plan is gone through for.
#[derive(Clone, Copy)]
enum What<'a> {
    Run,
    Redrive(&'a Selection),
}

impl What<'_> {
    fn leaves_out(&self, stage: &str) -> bool {
        match self {
            Self::Run => false,
            Self::Redrive(selection) => {
                selection.stage.as_ref().is_some_and(|selected| selected != stage)
            }
        }
    }
}

/// Looks at what waits in these stages until nothing does. Says how many records still wait, if
/// the run is not to wait for them.
async fn settle(stages: &[&dyn Stage], run: &Run, options: &RunOptions) -> Result<u64, RunError> {
    let ended = settle_in_rounds(stages, run, options).await;
    run.set_stuck(Stuck::No);
    ended
}

async fn settle_in_rounds(
    stages: &[&dyn Stage],
    run: &Run,
    options: &RunOptions,
) -> Result<u64, RunError> {
    loop {
        let settled = run.settled();
        let mut waiting = Waiting::default();
        for stage in stages {
            waiting = waiting.and(stage.settle(run).await?);
        }
        match after_round(&waiting, run.settled() > settled, options.no_wait) {
            Next::Done => return Ok(0),
            Next::Leave(records) => return Ok(records),
            Next::Again => {}
            // Those that can do without the other go first: what waits for them can follow then.
            Next::Stuck if run.stuck() == Stuck::No => run.set_stuck(Stuck::GoWithout),
            Next::Stuck if run.stuck() == Stuck::GoWithout => run.set_stuck(Stuck::Queue),
            Next::Stuck => {
                let stage = stages.iter().map(|stage| stage.name()).collect::<Vec<_>>().join(", ");
                let message = format!("{} records wait, and for nothing", waiting.records);
                return Err(RunError::Unaccounted { stage, message });
            }
            Next::Sleep(due) => {
                run.observer.observe(&Event::Waiting { records: waiting.records, until: due });
                tokio::select! {
                    () = run.clock.sleep_until(due) => {}
                    () = run.stop.stopped() => return Err(RunError::Interrupted),
                }
            }
        }
    }
}
