//! `rollback`: what the migration wrote is taken back, from the ledger alone.

use std::sync::Arc;

use chrono::Utc;
use migrate_core::ledger::{Change, Scan};
use migrate_core::{
    Estimate, Event, Observer, Report, Rollback, RollbackOptions, RollbackReport, Run, RunError,
    Scope, StageUndone, UndoEvent,
};
use serde_json::json;

use crate::connect::{Destination, chain};
use crate::sink::{TagBook, Workspace};
use crate::stage;
use crate::stages::Stages;
use crate::undo::{CallUndo, ContactUndo, ConversationUndo, NothingUndo, SchemaUndo};

use super::finish::{Exit, Unfinished};
use super::reporting::{current, kept, report_rollback};
use super::session::open_ledger;
use super::{Runner, begin_run, scope};

/// The file of a rollback in the state directory, and that of a dry run.
const FILES: [&str; 2] = ["rollback.json", "rollback-plan.json"];

/// How a rollback ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RolledBack {
    /// What was taken back and what was left, as it was saved; none of a rollback that was cut off.
    pub rollback: Option<RollbackReport>,
    /// The report of the migration, as it is now.
    pub report: Report,
    /// The exit status.
    pub exit: Exit,
    /// Why it stopped early, if it did.
    pub error: Option<String>,
}

impl Runner {
    /// Takes back what the migration wrote, or goes on with that; a dry run says what it would do and
    /// writes nothing, to neither side nor to the ledger. LeadDesk is not asked for anything.
    ///
    /// What people have changed since, or added to, is left and reported, as is what Intercom's API
    /// cannot remove. Each object is read back before it counts as taken back.
    ///
    /// Of a selection of stages or records, contacts on whom conversations of this migration hang that
    /// are not selected are left and reported. Attributes go only with all who use them.
    pub async fn rollback(&self, options: &RollbackOptions) -> Result<RolledBack, Unfinished> {
        self.needs_ledger()?;
        let destination = Destination::connect(&self.config, &self.secrets).await?;
        let ledger = open_ledger(&self.state, &destination, &self.config).await?;
        let started_at = Utc::now();
        if !options.dry_run {
            scope::goes_on(&*ledger, &options.scope).await?;
        }
        if scope::check(&*ledger, &options.scope).await? {
            let last = kept(&*ledger).await?.finished_at.unwrap_or(started_at);
            let lag = self.config.destination.search_lag_horizon;
            scope::wait_for_search(last + lag, &self.observer, &self.stop).await?;
        }
        let workspace = destination.workspace(&self.config, &ledger);
        let rollback = rollback(workspace, &self.config.source.key_prefix, self.observer.clone());
        let run = begin_run(self, ledger, Arc::new(|_: &Event<'_>| {})).await?;
        let result = rollback.run(&run, options).await;
        let rate = destination.client.rate();
        if let Ok(report) = &result {
            self.save(report, &options.scope)?;
            if !report.dry_run {
                forget_tags(&run, report).await?;
            }
        }
        if options.dry_run {
            let report = current(&self.state, &**run.ledger()).await?;
            return Ok(match result {
                Ok(found) => finished(found, report),
                Err(error) => stopped(&error, rate.writes > 0, report),
            });
        }
        let ended = match &result {
            Ok(report) => Ok(report.stages.iter().map(note).collect()),
            Err(error) => Err(describe(error)),
        };
        let report =
            report_rollback(&self.state, &run, started_at, &rate, &options.scope, ended).await?;
        Ok(match result {
            Ok(undone) => finished(undone, report),
            Err(error) => stopped(&error, rate.writes > 0, report),
        })
    }

    fn save(&self, report: &RollbackReport, scope: &Scope) -> Result<(), Unfinished> {
        let mut file = json!(report);
        file["schema"] = json!(1);
        file["scope"] = match scope {
            Scope::Stages(names) => json!({ "stages": names }),
            Scope::Keys(keys) => json!({ "keys": keys }),
            _ => json!("everything"),
        };
        let name = FILES[usize::from(report.dry_run)];
        let written = self.state.write_json(name, &file);
        written.map_err(|error| Unfinished::state("the report cannot be written", &error))
    }
}

/// The rollback of all stages.
fn rollback(workspace: Workspace, key_prefix: &str, observer: Arc<dyn Observer>) -> Rollback {
    let conversations = ConversationUndo::new(workspace.clone());
    let contacts = ContactUndo::new(workspace.clone(), key_prefix);
    let schema = SchemaUndo::new(workspace, key_prefix);
    let mut rollback = Rollback::new();
    for name in Stages::NAMES {
        rollback = match name {
            stage::SCHEMA => rollback.stage(name, schema.clone()),
            stage::CONTACTS | stage::LEADS => rollback.stage(name, contacts.clone()),
            stage::AGENTS | stage::TEAMS | stage::INVENTORY => rollback.stage(name, NothingUndo),
            stage::CALLS => {
                rollback.stage(name, CallUndo::new(conversations.clone(), contacts.clone()))
            }
            _ => rollback.stage(name, conversations.clone()),
        };
    }
    rollback.observed_by(move |event| match event {
        UndoEvent::StageBegun { stage, records } => {
            let estimate = Estimate::Exactly(*records);
            observer.observe(&Event::StageBegun { stage, estimate, done: 0 });
        }
        UndoEvent::StageEnded { stage } => observer.observe(&Event::StageEnded { stage }),
        _ => {}
    })
}

/// Tags that are there when the next run begins were there before it, unless the ledger still counts
/// some as this migration's.
async fn forget_tags(run: &Run, report: &RollbackReport) -> Result<(), Unfinished> {
    let schema = report.stages.iter().any(|it| it.name == stage::SCHEMA);
    let known = run.ledger().scan(&Scan::of(stage::SCHEMA).limit(1)).await;
    if !schema || !known.map_err(Unfinished::ledger)?.is_empty() {
        return Ok(());
    }
    let forget = Change::Meta { name: TagBook::BEFORE.to_owned(), value: None };
    run.ledger().commit(vec![forget]).await.map_err(Unfinished::ledger)
}

fn finished(rollback: RollbackReport, report: Report) -> RolledBack {
    // An archived attribute is out of use and needs nobody, though it is listed.
    let is_left = rollback.stages.iter().any(|stage| stage.kept > 0);
    let is_left = is_left || !rollback.without_undo.is_empty() || !rollback.unfinished.is_empty();
    let exit = if is_left { Exit::Attention } else { Exit::Done };
    RolledBack { rollback: Some(rollback), report, exit, error: None }
}

fn stopped(error: &RunError, wrote: bool, report: Report) -> RolledBack {
    let exit = match error {
        RunError::Interrupted => Exit::Stopped,
        error if error.is_passing() && wrote => Exit::Stopped,
        _ => Exit::Failed,
    };
    RolledBack { rollback: None, report, exit, error: Some(describe(error)) }
}

fn describe(error: &RunError) -> String {
    match error {
        RunError::Interrupted => "interrupted; roll back again to go on".to_owned(),
        RunError::RollbackUnderWay => {
            "a rollback of other stages or records has not come to its end; roll back the same, or \
             everything"
                .to_owned()
        }
        error => format!("{}. When that is mended, roll back again: it goes on.", chain(error)),
    }
}

/// One line of the report's notes.
fn note(stage: &StageUndone) -> String {
    let StageUndone { name, removed, restored, kept, impossible, .. } = stage;
    format!(
        "rollback: {name}: {removed} removed, {restored} restored, {kept} left, {} that the API \
         cannot remove",
        impossible.len()
    )
}
