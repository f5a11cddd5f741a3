//! The runner: a configuration and a state directory in, a migration and its report out.
//!
//! Each command is a method of [`Runner`]. It holds what all of them need; the program adds
//! arguments, progress bars and signals.

mod analytics;
mod check;
mod checks;
mod cutover;
mod finish;
mod html;
mod inventory;
mod mapping;
mod meter;
mod one_tag;
mod plan;
mod redrive;
mod reporting;
mod rollback;
mod scope;
mod scratch;
mod session;
mod since;

pub use check::check;
pub use finish::{Exit, Finished, Unfinished};
pub use plan::{
    CallHistory, LeadDeskCalls, PlanFile, PlannedAttribute, PlannedStage, RouteHistory, Sampled,
    Share, ToAskFor, ToCreate, Way,
};
pub use redrive::{DEAD, QUEUES};
pub use rollback::RolledBack;

#[cfg(feature = "cli")]
pub(crate) use reporting::amended;

use std::fmt;
use std::sync::Arc;

use migrate_core::ledger::{Change, LedgerErrorKind};
use migrate_core::{
    Event, Observer, Patience, Run, RunEnd, RunOptions, Sampling, Selection, StopSignal,
    Verification,
};
use serde_json::json;

use crate::config::Config;
use crate::connect::{Secrets, StartError, environment};
use crate::fields::{DefaultProposer, FieldProposer};
use crate::parts::{Custom, Parts};
use crate::stages::Stages;
use crate::state::StateDir;

use cutover::Cutover;
use reporting::kept;
use scratch::Scratch;
use session::Session;

/// Runs the commands of a migration.
#[derive(Clone)]
pub struct Runner {
    config: Config,
    state: StateDir,
    secrets: Secrets,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
    proposer: Arc<dyn FieldProposer>,
    accept_proposal: bool,
    custom: Option<Custom>,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("state", &self.state).finish_non_exhaustive()
    }
}

/// How a verification chooses what it reads back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Everything, instead of a sample.
    pub all: bool,
    /// Records of each kind; by default as the configuration says.
    pub sample: Option<usize>,
    /// The seed of the choice; by default as the configuration says.
    pub seed: Option<u64>,
    /// Begins again where an earlier one was cut off, instead of going on with what that has read and found.
    pub anew: bool,
}

impl Runner {
    /// A runner with secrets from the environment, that nobody watches.
    pub fn new(config: Config, state: StateDir) -> Self {
        let observer: Arc<dyn Observer> = Arc::new(|_: &Event<'_>| {});
        Self {
            config,
            state,
            secrets: environment(),
            observer,
            stop: StopSignal::new(),
            proposer: Arc::new(DefaultProposer),
            accept_proposal: false,
            custom: None,
        }
    }

    /// The same with other parts: mappers replaced or wrapped, attributes and stages added. A plan, a
    /// run and a verification are all made of what this gives.
    #[must_use]
    pub fn customized(mut self, change: impl Fn(Parts) -> Parts + Send + Sync + 'static) -> Self {
        self.custom = Some(Arc::new(change));
        self
    }

    /// The same, which proposes by other rules where custom fields go.
    #[must_use]
    pub fn proposer(mut self, proposer: Arc<dyn FieldProposer>) -> Self {
        self.proposer = proposer;
        self
    }

    /// The same, which takes a mapping of custom fields that nobody has confirmed.
    #[must_use]
    pub fn accept_proposal(mut self, accept: bool) -> Self {
        self.accept_proposal = accept;
        self
    }

    /// The same with secrets from elsewhere.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// The same, watched.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The signal that stops what it runs, at the next good point.
    pub fn stop_signal(&self) -> StopSignal {
        self.stop.clone()
    }

    /// The state directory.
    pub fn state(&self) -> &StateDir {
        &self.state
    }

    /// Says what a run would do, without a write, and saves that as `plan.json`.
    pub async fn plan(&self) -> Result<PlanFile, Unfinished> {
        let mut session = Session::open(self).await?;
        session.make_plan(self).await
    }

    /// Migrates, or goes on where the last run stopped.
    pub async fn run(&self, options: &RunOptions) -> Result<Finished, Unfinished> {
        self.migrate(What::Run(None), options).await
    }

    /// Migrates a pilot: the first `contacts` contacts, as many leads, and as many anonymous visitors of
    /// the chatbot, with the calls and chats of these. A later [`run`](Self::run) goes on from there.
    ///
    /// Of the histories by number only those of the pilot's own contacts are read, and none of a number
    /// that others have as well. Left to the run are routes that read every call by its id – and, since
    /// they know more of a call, the histories where there is such a route – and calls with numbers that
    /// are no contact's, which hang on nobody. An address that several contacts share shows only when all
    /// are read.
    pub async fn pilot(&self, contacts: u64, options: &RunOptions) -> Result<Finished, Unfinished> {
        self.migrate(What::Run(Some(contacts)), options).await
    }

    async fn migrate(&self, what: What<'_>, options: &RunOptions) -> Result<Finished, Unfinished> {
        let mut session = Session::open(self).await?;
        session.refuse_if_rolling_back().await?;
        let pilot = match what {
            What::Run(pilot) => pilot,
            // What a pilot has left out is not what it was refused.
            What::Redrive(_) => session.widest_pilot().await?,
        };
        // What needs no plan comes first: a plan of a large account takes its time.
        let before = session.preflight(self).await?;
        checks::allow(&before)?;
        let saved = session.saved_plan(self).await?;
        let (plan, before) = match saved {
            Some(plan) => (plan, before),
            // A plan may propose attributes, which are looked at as well.
            None => {
                let plan = session.make_plan(self).await?;
                (plan, session.preflight(self).await?)
            }
        };
        let preflight = before.and(session.preflight_of_plan(self, &plan));
        checks::allow(&preflight)?;
        session.preflight = preflight;
        let run = session.begin(self, self.observer.clone()).await?;
        let print = session.print(self);
        let is_run = matches!(what, What::Run(_));
        let complete = match is_run && options.changes_only {
            true => session.complete_since(print.as_deref()).await?,
            false => None,
        };
        let mut result = Ok(RunEnd::default());
        // A pilot that was cut off is ended first, or its end would pass for that of everything.
        let before = session.unfinished_pilot().await?.filter(|before| pilot != Some(*before));
        for pilot in before.map(Some).into_iter().chain([pilot]) {
            let changed_since = complete.filter(|_| pilot.is_none());
            let stages = Stages { pilot, changed_since, writes: true, ..session.stages(self) };
            let core_plan = stages
                .plan(&session.ledger, &plan.tags, session.sinks(&self.config))
                .await
                .map_err(|error| Unfinished::start(crate::stages::source_refused(&error)))?;
            let whole = is_run && pilot.is_none() && options.only.is_none();
            session.mark_begun(pilot, print.as_deref(), whole).await?;
            result = match what {
                What::Run(_) => core_plan.run(&run, options).await,
                What::Redrive(selection) => core_plan.redrive(&run, selection, options).await,
            };
            if !matches!(&result, Ok(end) if end.waiting == 0) {
                break;
            }
        }
        if result.is_ok() && !is_run {
            session.unread = session.not_read_to_the_end().await?;
        } else if result.is_ok() && pilot.is_none() && options.only.is_none() {
            session.changes = session.changes_since(&plan).await?;
        }
        let held = result.as_ref().map(|end| end.held.clone()).unwrap_or_default();
        let finished = session.finish(self, &run, result, None).await?;
        let cutover = Cutover::of(&finished.report, held);
        // It reads what the run has read, so what it meets on the way is in the report already.
        match session.write_inventory(self, cutover).await {
            Err(error) if finished.error.is_none() => Err(error),
            // Why a run stopped goes before what that kept from being written.
            _ => Ok(finished),
        }
    }

    /// Reads back and compares field by field. One that was cut off is gone on with, unless the configuration is
    /// another by now, something was migrated since, or the options say otherwise.
    pub async fn verify(&self, options: VerifyOptions) -> Result<Finished, Unfinished> {
        self.needs_ledger()?;
        let session = Session::open(self).await?;
        let seed = options.seed.unwrap_or(self.config.verify.seed);
        let sample = options.sample.unwrap_or(self.config.verify.sample);
        let sample = (!options.all).then_some(sample);
        let sampling = match sample {
            Some(sample) => {
                use crate::stage::{CALLS, CHATS, CONTACTS, LEADS};
                Sampling::some([CONTACTS, LEADS, CALLS, CHATS], sample, seed)
            }
            None => Sampling::All,
        };
        let (scratch, verification) = self.verification(&session, sampling, options.anew).await?;
        let result = session.map_again(self, &scratch.ledger, &verification).await;
        let verified = verification.verified().await.map_err(Unfinished::ledger)?;
        // It is closed before its folder goes; one that was cut off is gone on with.
        drop(verification);
        if result.is_ok() {
            scratch.done();
        }
        let run = session.begin(self, Arc::new(|_: &Event<'_>| {})).await?;
        let finished = session.finish(self, &run, result, Some(verified)).await?;
        if finished.error.is_some() {
            return Ok(finished);
        }
        // The checklist says what reading back has found.
        let held = kept(&*session.ledger).await?.held;
        match session.write_inventory(self, Cutover::of(&finished.report, held)).await {
            Err(error) if finished.exit == Exit::Done => Err(error),
            // What differs goes before what kept a file from being written.
            _ => Ok(finished),
        }
    }

    /// A verification, or the same that was cut off. One of another sample, of another configuration, or
    /// of the migration as it stood before a later run, is forgotten.
    async fn verification(
        &self,
        session: &Session,
        sampling: Sampling,
        anew: bool,
    ) -> Result<(Scratch, Verification), Unfinished> {
        let print = json!(session.print(self));
        let mut scratch = Scratch::of_verification(&self.state, anew).await?;
        let known = scratch.ledger.meta(PRINT).await.map_err(Unfinished::ledger)?;
        if known.is_some_and(|known| known != print) {
            drop(scratch);
            scratch = Scratch::of_verification(&self.state, true).await?;
        }
        let begin = |scratch: &Scratch, sampling| {
            Verification::begin(session.ledger.clone(), scratch.ledger.clone(), sampling)
        };
        let mut begun = begin(&scratch, sampling.clone()).await;
        if begun.as_ref().is_err_and(|error| error.kind() == LedgerErrorKind::Foreign) {
            drop(scratch);
            scratch = Scratch::of_verification(&self.state, true).await?;
            begun = begin(&scratch, sampling).await;
        }
        let keep = Change::Meta { name: PRINT.to_owned(), value: Some(print) };
        scratch.ledger.commit(vec![keep]).await.map_err(Unfinished::ledger)?;
        Ok((scratch, begun.map_err(Unfinished::ledger)?))
    }

    /// Refuses what is about a migration where there is none: a state directory whose name was mistyped
    /// would be made, and be found in order.
    fn needs_ledger(&self) -> Result<(), Unfinished> {
        match self.state.ledger().exists() {
            true => Ok(()),
            false => Err(Unfinished::start(StartError::new(
                format!("There is no ledger in {}.", self.state.path().display()),
                "Name the state directory of the migration with --state DIR.",
            ))),
        }
    }

    fn patience(&self) -> Patience {
        let destination = &self.config.destination;
        Patience::new(destination.settle_after, destination.search_lag_horizon)
    }
}

/// Where a verification keeps under which configuration it was begun.
const PRINT: &str = "verified_under";

/// What a plan is gone through for.
#[derive(Clone, Copy)]
enum What<'a> {
    /// Everything, or a pilot of so many contacts.
    Run(Option<u64>),
    /// What is dead or queued and selected.
    Redrive(&'a Selection),
}

/// The report of a state directory, from its ledger alone. A run may be under way on it.
pub async fn report(state: &StateDir) -> Result<Finished, Unfinished> {
    reporting::from_ledger_alone(state).await
}

impl From<StartError> for Unfinished {
    fn from(error: StartError) -> Self {
        Self::start(error)
    }
}

async fn begin_run(
    runner: &Runner,
    ledger: Arc<dyn migrate_core::Ledger>,
    observer: Arc<dyn Observer>,
) -> Result<Run, Unfinished> {
    let (stop, patience) = (runner.stop.clone(), runner.patience());
    Run::on(ledger)
        .observed_by(observer)
        .stopped_by(stop)
        .patience(patience)
        .begin()
        .await
        .map_err(Unfinished::ledger)
}
