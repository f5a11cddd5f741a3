//! What one command has open: both sides and the ledger.

use std::io;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use migrate_core::ledger::{Change, LedgerError, StageState};
use migrate_core::{
    Event, LastRun, Ledger, Observer, Run, RunEnd, RunError, RunOptions, RunState, SqliteLedger,
    Verification, Verified,
};
use serde_json::json;

use crate::config::Config;
use crate::connect::{Destination, StartError};
use crate::fields::FieldMapping;
use crate::preflight::{Finding, Preflight};
use crate::sink::{AgentSink, ContactSink, ConversationSink, SchemaSink, TeamSink};
use crate::source::{Chatbot, Findings};
use crate::stages::{LeadDesk, Sinks, Stages};
use crate::state::StateDir;
use crate::verify::Verifier;

use super::analytics;
use super::cutover::Cutover;
use super::finish::{Finished, Unfinished};
use super::inventory::{self, Inventory, Met};
use super::meter::CallMeter;
use super::plan::PlanFile;
use super::reporting::{KEPT, Kept, kept, write_report};
use super::scratch::Scratch;
use super::{Runner, begin_run, mapping, one_tag};

/// Both sides and the ledger, open.
pub(super) struct Session {
    pub(super) destination: Destination,
    pub(super) leaddesk: LeadDesk,
    /// The chatbot's export, where there is one.
    pub(super) chatbot: Option<Chatbot>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) findings: Findings,
    /// Where custom fields go; `None` where nobody has been asked yet.
    pub(super) mapping: Option<FieldMapping>,
    /// The same, as stages take it.
    pub(super) fields: Arc<FieldMapping>,
    /// What the checks before a run found and did not refuse.
    pub(super) preflight: Preflight,
    /// Stages that a redrive does not read, and of which not all has been read yet.
    pub(super) unread: Vec<&'static str>,
    /// How what a run has read differs from what its plan has counted.
    pub(super) changes: Vec<String>,
    started_at: DateTime<Utc>,
    calls: Arc<CallMeter>,
}

impl Session {
    /// Opens everything: the configuration's secrets, the destination, the source, the ledger.
    /// Nothing is written to either side.
    pub(super) async fn open(runner: &Runner) -> Result<Self, Unfinished> {
        let (config, secrets) = (&runner.config, &runner.secrets);
        let findings = Findings::default();
        // A folder can be looked at without a network, so its errors come first.
        let leaddesk = Stages::open(config, secrets, &findings).await?;
        let chatbot = open_chatbot(config).await?;
        let destination = Destination::connect(config, secrets).await?;
        let state = StateDir::create(runner.state.path())
            .map_err(|error| Unfinished::state("the state directory cannot be made", &error))?;
        let ledger = open_ledger(&state, &destination, config).await?;
        Scratch::sweep(&state)?;
        let calls = Arc::new(CallMeter::new(destination.client.clone()));
        let started_at = Utc::now();
        let preflight = Preflight::default();
        let mapping = mapping::load(&state, &config.names)?;
        let fields = Arc::new(mapping.clone().unwrap_or_default());
        Ok(Self {
            destination,
            leaddesk,
            chatbot,
            ledger,
            findings,
            mapping,
            fields,
            preflight,
            unread: Vec::new(),
            changes: Vec::new(),
            started_at,
            calls,
        })
    }

    pub(super) fn stages<'a>(&'a self, runner: &'a Runner) -> Stages<'a> {
        Stages {
            config: &runner.config,
            leaddesk: &self.leaddesk,
            chatbot: self.chatbot.as_ref(),
            findings: self.findings.clone(),
            has_fallback: self.destination.has_fallback,
            fields: self.fields.clone(),
            watch: None,
            reach: None,
            reading: None,
            pilot: None,
            changed_since: None,
            custom: runner.custom.clone(),
            writes: false,
        }
    }

    pub(super) fn sinks(&self, config: &Config) -> Sinks {
        let workspace = self.destination.workspace(config, &self.ledger);
        Sinks {
            schema: Arc::new(SchemaSink::new(workspace.clone())),
            agents: Arc::new(AgentSink::new(self.destination.client.clone())),
            teams: Arc::new(TeamSink::new(self.destination.client.clone())),
            contacts: Arc::new(ContactSink::new(workspace.clone())),
            leads: Arc::new(
                ContactSink::new(workspace.clone())
                    .for_leads(config.contacts.dedupe, &config.names),
            ),
            calls: Arc::new(ConversationSink::new(workspace.clone())),
            chats: Arc::new(ConversationSink::new(workspace)),
        }
    }

    /// Begins a run on the ledger; calls are counted for the stage that makes them.
    pub(super) async fn begin(
        &self,
        runner: &Runner,
        observer: Arc<dyn Observer>,
    ) -> Result<Run, Unfinished> {
        let calls = self.calls.clone();
        let both = Arc::new(move |event: &Event<'_>| {
            if let Some(share) = calls.observe(event) {
                observer.observe(&Event::Quota { share });
            }
            observer.observe(event);
        });
        begin_run(runner, self.ledger.clone(), both).await
    }

    /// Says in the ledger that a run is under way: if it is killed, that is what a report tells.
    /// `print` is what it reads under, and `whole` says whether its end is that of everything.
    pub(super) async fn mark_begun(
        &self,
        pilot: Option<u64>,
        print: Option<&str>,
        whole: bool,
    ) -> Result<(), Unfinished> {
        let mut kept = self.kept().await?;
        let mut stages = Vec::new();
        for stage in Stages::NAMES {
            stages.push((stage, self.ledger.stage(stage).await.map_err(Unfinished::ledger)?));
        }
        kept.reach.extend(pilot, &stages);
        let goes_on = stages.iter().any(|(name, state)| {
            [crate::stage::CONTACTS, crate::stage::LEADS].contains(name) && is_under_way(state)
        });
        kept.since.begin(self.started_at, print, whole, goes_on);
        kept.pilot = pilot;
        kept.run_id = run_id(self.started_at);
        kept.started_at = Some(self.started_at);
        kept.finished_at = None;
        kept.state = Some(RunState::Interrupted);
        let keep = Change::Meta { name: KEPT.into(), value: Some(json!(kept)) };
        self.ledger.commit(vec![keep]).await.map_err(Unfinished::ledger)
    }

    /// Writes what LeadDesk has and Intercom cannot take. It says what the source delivers now, so it
    /// is written however the run ended.
    pub(super) async fn write_inventory(
        &self,
        runner: &Runner,
        cutover: Cutover,
    ) -> Result<(), Unfinished> {
        let refused = |error| Unfinished::start(crate::stages::source_refused(&error));
        let stages = self.stages(runner);
        let (documented, _) = stages.inventory().await.map_err(refused)?;
        let agents: Vec<_> = stages.agents().await.map_err(refused)?.bodies().cloned().collect();
        let agents =
            inventory::with_teammates(&*self.ledger, agents).await.map_err(Unfinished::ledger)?;
        let teams = self.destination.client.teams().list().await.map_err(|error| {
            Unfinished::start(StartError::new(
                format!("The workspace's teams cannot be read: {error}."),
                "The token needs to read them: see its permissions in Intercom.",
            ))
        })?;
        let teams =
            teams.into_iter().map(|team| (team.id.to_string(), team.name.unwrap_or_default()));
        let teams = teams.collect();
        let met = Met::in_ledger(&*self.ledger).await.map_err(Unfinished::ledger)?;
        let inventory = Inventory { documented, agents, teams, met, cutover };
        let written = inventory.write(&runner.state, &runner.config);
        let unwritten =
            |error: io::Error| Unfinished::state("the inventory cannot be written", &error);
        written.map_err(unwritten)?;
        let Some(chatbot) = self.chatbot.clone() else { return Ok(()) };
        let state = runner.state.clone();
        let written = tokio::task::spawn_blocking(move || analytics::write(&state, &chatbot)).await;
        written.map_err(io::Error::other).and_then(|written| written).map_err(unwritten)
    }

    /// Maps everything again on a scratch ledger, with verifiers in the place of the sinks.
    pub(super) async fn map_again(
        &self,
        runner: &Runner,
        ledger: &Arc<dyn Ledger>,
        verification: &Verification,
    ) -> Result<RunEnd, RunError> {
        let stages = Stages { has_fallback: true, ..self.stages(runner) };
        let (client, admin) = (self.destination.client.clone(), self.destination.admin.clone());
        let workspace = self.destination.workspace(&runner.config, ledger);
        let verifier = Verifier::new(client, admin)
            .bot(self.destination.bot.clone())
            .conversation_attributes(workspace.conversation_attributes);
        let verifying = Arc::new(verification.sink(verifier));
        let passing = Arc::new(verification.passing());
        let sinks = Sinks {
            schema: passing.clone(),
            agents: passing.clone(),
            teams: passing,
            contacts: verifying.clone(),
            leads: verifying.clone(),
            calls: verifying.clone(),
            chats: verifying,
        };
        let plan = stages
            .plan(ledger, &[], sinks)
            .await
            .map_err(|cause| RunError::Source { stage: crate::stage::AGENTS.to_owned(), cause })?;
        let (stop, patience) = (runner.stop.clone(), runner.patience());
        let run = Run::on(ledger.clone())
            .observed_by(runner.observer.clone())
            .stopped_by(stop)
            .patience(patience)
            .begin()
            .await?;
        plan.run(&run, &RunOptions::default()).await
    }

    /// Writes queues and report, and says how the command ended.
    pub(super) async fn finish(
        &self,
        runner: &Runner,
        run: &Run,
        result: Result<RunEnd, RunError>,
        verified: Option<Verified>,
    ) -> Result<Finished, Unfinished> {
        let rate = self.destination.client.rate();
        let before = self.kept().await?;
        let only_verified = verified.is_some();
        let mut kept = Kept {
            run_id: run_id(self.started_at),
            started_at: Some(self.started_at),
            finished_at: Some(Utc::now()),
            state: match before.state.filter(|_| only_verified) {
                // A verification says nothing new about how the run ended.
                Some(before) => Some(before),
                None => Some(self.state_of(&result)),
            },
            // What was not read back to its end proves nothing.
            verify: verified.filter(|_| result.is_ok()).or(before.verify),
            notes: match only_verified {
                true => before.notes,
                false => self.notes(runner, &result),
            },
            held: match &result {
                Ok(end) if !only_verified => end.held.clone(),
                _ => before.held,
            },
            calls: before.calls,
            pilot: before.pilot,
            reach: before.reach,
            since: before.since,
            ..Kept::default()
        };
        if !only_verified && kept.state == Some(RunState::Complete) {
            kept.since.end();
        }
        if !only_verified {
            // A full disk is told below.
            let shared = one_tag::shared(&*self.ledger, &runner.config).await;
            kept.notes.extend(shared.unwrap_or_default());
        }
        kept.quota.calls = rate.calls;
        kept.quota.limit_per_window = rate.limit_per_window.map(u64::from);
        kept.quota.utilisation = rate.utilisation;
        kept.quota.throttled = rate.throttled;
        let calls = self.calls.by_stage();
        for (stage, calls) in &calls {
            *kept.calls.entry(stage.clone()).or_default() += calls;
        }
        kept.last_run = LastRun::of(run, &Stages::NAMES, &calls);
        (kept.last_run.reads, kept.last_run.writes) = (rate.reads, rate.writes);
        let keep = Change::Meta { name: KEPT.into(), value: Some(json!(kept)) };
        let error = result.err();
        let wrote = rate.writes > 0;
        if let Err(unkept) = self.ledger.commit(vec![keep]).await {
            // The disk is gone: then there is no report to be had either.
            let error = error.unwrap_or(RunError::Ledger(unkept));
            return Err(Unfinished::run(&error, wrote, only_verified));
        }
        let report = write_report(&runner.state, &*self.ledger, kept).await;
        match (report, error) {
            (Ok(report), error) => {
                let error = error.as_ref().map(|error| (error, wrote));
                Ok(Finished::new(report, error, only_verified))
            }
            (Err(_), Some(error)) => Err(Unfinished::run(&error, wrote, only_verified)),
            (Err(unwritten), None) => Err(unwritten),
        }
    }

    /// The size of the pilot that was the last run, if it was one and has not come to its end.
    pub(super) async fn unfinished_pilot(&self) -> Result<Option<u64>, Unfinished> {
        let Some(pilot) = self.kept().await?.pilot else { return Ok(None) };
        for stage in Stages::NAMES {
            let state = self.ledger.stage(stage).await.map_err(Unfinished::ledger)?;
            if state.pass > 0 && !state.finished {
                return Ok(Some(pilot));
            }
        }
        Ok(None)
    }

    /// Since when everything was read and brought to its end under `print`, if it was.
    pub(super) async fn complete_since(
        &self,
        print: Option<&str>,
    ) -> Result<Option<DateTime<Utc>>, Unfinished> {
        Ok(self.kept().await?.since.complete(print))
    }

    /// The size of the largest pilot, if no run has begun with more.
    pub(super) async fn widest_pilot(&self) -> Result<Option<u64>, Unfinished> {
        Ok(self.kept().await?.widest_pilot())
    }

    /// The stages of which a redrive leaves something unread, since no run has come to their end.
    pub(super) async fn not_read_to_the_end(&self) -> Result<Vec<&'static str>, Unfinished> {
        let mut unread = Vec::new();
        for stage in Stages::NAMES {
            let state = self.ledger.stage(stage).await.map_err(Unfinished::ledger)?;
            if state.pass == 0 || !state.finished {
                unread.push(stage);
            }
        }
        Ok(unread)
    }

    /// What LeadDesk has in number that it had not when the plan was made, or the other way round. It
    /// makes no plan stale, since the account goes on being used.
    pub(super) async fn changes_since(&self, plan: &PlanFile) -> Result<Vec<String>, Unfinished> {
        use crate::stage::{CALLS, CHATS, CONTACTS, LEADS};
        let mut changes = Vec::new();
        for stage in &plan.stages {
            let (name, planned) = (stage.counts.name.as_str(), stage.counts.read);
            // A stage that the plan held back was not counted.
            if planned == 0 || ![CONTACTS, LEADS, CALLS, CHATS].contains(&name) {
                continue;
            }
            let read = self.ledger.tally(name).await.map_err(Unfinished::ledger)?.total();
            if read != planned {
                changes.push(format!(
                    "{name}: the saved plan has counted {planned} records, and {read} were read so far: the source has changed since, and `plan` counts anew"
                ));
            }
        }
        Ok(changes)
    }

    fn state_of(&self, result: &Result<RunEnd, RunError>) -> RunState {
        match result {
            Ok(end) if !end.held.is_empty() => RunState::Blocked,
            Ok(end) if end.waiting > 0 || !self.unread.is_empty() => RunState::Interrupted,
            Ok(_) => RunState::Complete,
            Err(error) if error.is_passing() => RunState::Interrupted,
            Err(_) => RunState::Failed,
        }
    }

    async fn kept(&self) -> Result<Kept, Unfinished> {
        kept(&*self.ledger).await
    }

    fn notes(&self, runner: &Runner, result: &Result<RunEnd, RunError>) -> Vec<String> {
        let mut notes = self.stages(runner).absent();
        notes.extend(self.preflight.findings().iter().map(Finding::to_string));
        notes.extend(self.findings.notes());
        notes.extend(self.changes.iter().cloned());
        if let Ok(end) = result {
            notes.extend(end.held.iter().map(|(stage, by)| {
                format!("stage {stage} is held back until the queues of stage {by} are empty")
            }));
            if end.held.is_empty() && !self.unread.is_empty() {
                notes.push(format!(
                    "not all was read yet of {}: run again to go on, since a redrive tries again only what is dead or queued",
                    self.unread.join(", ")
                ));
            }
            if end.waiting > 0 {
                notes.push(format!("{} records still wait; run again to settle them", end.waiting));
            }
        }
        if !self.destination.has_fallback {
            notes.push(
                "no destination.fallback_admin is set: the token's own admin tags and closes"
                    .to_owned(),
            );
        }
        if runner.config.destination.acknowledge_region {
            let region = self.destination.region.as_deref().unwrap_or("an unknown region");
            notes.push(format!(
                "destination.acknowledge_region is set: the workspace is hosted in {region}"
            ));
        }
        notes
    }
}

/// Has its pass met something already, and not come to its end?
fn is_under_way(state: &StageState) -> bool {
    let has_met = state.keys > 0 || state.cursor.is_some() || state.read;
    state.pass > 0 && !state.finished && has_met
}

/// Opens the chatbot's export, which is read through at once.
async fn open_chatbot(config: &Config) -> Result<Option<Chatbot>, Unfinished> {
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || Chatbot::open(&config)).await;
    let opened = opened.map_err(|error| {
        Unfinished::start(StartError::new(
            format!("The chatbot's export cannot be read: {error}."),
            "Run again; if that happens again, leave [source.chatbot] out.",
        ))
    })?;
    opened.map_err(|error| Unfinished::start(crate::stages::source_refused(&error)))
}

/// Opens the ledger of a state directory, which it locks.
pub(super) async fn open_ledger(
    state: &StateDir,
    destination: &Destination,
    config: &Config,
) -> Result<Arc<dyn Ledger>, Unfinished> {
    let (path, binding) = (state.ledger(), destination.binding(config));
    Ok(Arc::new(opened(move || SqliteLedger::open(path, &binding)).await?))
}

/// Opens a ledger on a thread that may wait for the disk.
pub(super) async fn opened(
    open: impl FnOnce() -> Result<SqliteLedger, LedgerError> + Send + 'static,
) -> Result<SqliteLedger, Unfinished> {
    let unopened =
        |error| Unfinished::state("the ledger cannot be opened", &io::Error::other(error));
    tokio::task::spawn_blocking(open).await.map_err(unopened)?.map_err(Unfinished::ledger)
}

pub(super) fn run_id(started_at: DateTime<Utc>) -> String {
    format!("{}-{}", started_at.format("%Y%m%dT%H%M%S%3fZ"), std::process::id())
}
