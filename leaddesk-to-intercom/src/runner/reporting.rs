//! The report, told from the ledger and from what that keeps of the last run.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use chrono::{DateTime, Utc};
use migrate_core::ledger::{Change, Entry, StageState};
use migrate_core::{
    Fate, Key, LastRun, Ledger, Quota, Report, Run, RunState, Scope, SqliteLedger, Standing,
    Verified, vanished,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::queue;
use crate::stages::Stages;
use crate::state::{StateDir, private};

use super::finish::{Finished, Unfinished};
use super::html::{self, Causes};
use super::session::{opened, run_id};
use super::since::Since;

/// What the ledger keeps of the last run, for a report from the ledger alone.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    pub(super) run_id: String,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    pub(super) state: Option<RunState>,
    pub(super) quota: Quota,
    pub(super) verify: Option<Verified>,
    pub(super) last_run: LastRun,
    pub(super) notes: Vec<String>,
    /// Calls of each stage over the whole migration.
    pub(super) calls: BTreeMap<String, u64>,
    /// Was it a pilot, and of how many contacts?
    pub(super) pilot: Option<u64>,
    /// How much of the source was begun with so far, by any run.
    pub(super) reach: Reach,
    /// Since when everything was read.
    pub(super) since: Since,
    /// Stages that the last run held back, each with the stage whose queues hold it.
    pub(super) held: Vec<(String, String)>,
    /// Was it a rollback?
    pub(super) rolled_back: bool,
}

/// How much of the source a migration has begun with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Reach {
    /// Everything?
    whole: bool,
    /// The largest of the pilots.
    pilot: Option<u64>,
    /// Of each stage the last pass of a pilot, which meets only a part of what is there.
    passes: BTreeMap<String, u32>,
}

impl Reach {
    /// A run begins, of everything or of a pilot, where the stages stand so.
    pub(super) fn extend(&mut self, pilot: Option<u64>, stages: &[(&str, StageState)]) {
        let Some(pilot) = pilot else {
            self.whole = true;
            // A stage that the last pilot did not come to is none of its own.
            let pass = |name: &str| stages.iter().find(|(it, _)| *it == name).map(|it| it.1.pass);
            self.passes.retain(|name, last| pass(name).is_some_and(|pass| *last <= pass));
            return;
        };
        self.pilot = self.pilot.max(Some(pilot));
        for (name, state) in stages {
            let goes_on = state.pass > 0 && !state.finished;
            let pass = if goes_on { state.pass } else { state.pass + 1 };
            self.passes.insert((*name).to_owned(), pass);
        }
    }

    /// The pilot beyond which nothing was begun with, if it is so.
    fn pilot(&self) -> Option<u64> {
        self.pilot.filter(|_| !self.whole)
    }

    /// Was this the pass of a pilot?
    fn is_pilot(&self, stage: &str, pass: u32) -> bool {
        self.passes.get(stage) == Some(&pass)
    }
}

impl Kept {
    /// The pilot within which what is dead or queued is to be tried again: what a pilot has left out is
    /// not what it was refused.
    pub(super) fn widest_pilot(&self) -> Option<u64> {
        match self.reach.pilot() {
            // Kept by a version that did not know how far it had come.
            None if !self.reach.whole => self.pilot,
            pilot => pilot,
        }
    }
}

pub(super) const KEPT: &str = "last_run";

/// Keeps in the ledger that the last command was a rollback, and writes the report anew. A pilot that
/// was taken back whole is none any more.
pub(super) async fn report_rollback(
    state: &StateDir,
    run: &Run,
    started_at: DateTime<Utc>,
    rate: &intercom_client::RateStats,
    scope: &Scope,
    ended: Result<Vec<String>, String>,
) -> Result<Report, Unfinished> {
    let ledger = &**run.ledger();
    let before = kept(ledger).await?;
    let is_whole = ended.is_ok() && *scope == Scope::Everything;
    let (state_now, notes) = match ended {
        Ok(notes) if is_whole => (RunState::Complete, notes),
        // What was taken back of it is to be written again by a run.
        Ok(notes) => match before.state {
            Some(state) if state != RunState::Complete => (state, notes),
            _ => (RunState::Interrupted, notes),
        },
        Err(why) => (RunState::Interrupted, vec![format!("rollback: {why}")]),
    };
    let mut last_run = LastRun::of(run, &Stages::NAMES, &BTreeMap::new());
    (last_run.reads, last_run.writes) = (rate.reads, rate.writes);
    let kept = Kept {
        run_id: run_id(started_at),
        started_at: Some(started_at),
        finished_at: Some(Utc::now()),
        state: Some(state_now),
        last_run,
        notes,
        calls: before.calls,
        pilot: before.pilot.filter(|_| !is_whole),
        reach: if is_whole { Default::default() } else { before.reach },
        rolled_back: true,
        ..Kept::default()
    };
    let keep = Change::Meta { name: KEPT.into(), value: Some(json!(kept)) };
    ledger.commit(vec![keep]).await.map_err(Unfinished::ledger)?;
    write_report(state, ledger, kept).await
}

/// The report, from the ledger alone: another run may be under way on it.
pub(super) async fn from_ledger_alone(state: &StateDir) -> Result<Finished, Unfinished> {
    let path = state.ledger();
    let ledger = opened(move || SqliteLedger::open_read_only(path)).await?;
    let kept = kept(&ledger).await?;
    let report = write_report(state, &ledger, kept).await?;
    // Told from the ledger, the last verification counts.
    Ok(Finished::new(report, None, true))
}

/// Writes the report again with changes that the ledger does not know of.
#[cfg(feature = "cli")]
pub(crate) async fn amended(
    state: &StateDir,
    amend: impl FnOnce(&mut Report),
) -> Result<Report, Unfinished> {
    let path = state.ledger();
    let ledger = opened(move || SqliteLedger::open_read_only(path)).await?;
    let kept = kept(&ledger).await?;
    write_amended(state, &ledger, kept, amend).await
}

/// The report as it stands, from a ledger that is open.
pub(super) async fn current(state: &StateDir, ledger: &dyn Ledger) -> Result<Report, Unfinished> {
    let kept = kept(ledger).await?;
    write_report(state, ledger, kept).await
}

pub(super) async fn kept(ledger: &dyn Ledger) -> Result<Kept, Unfinished> {
    let kept = ledger.meta(KEPT).await.map_err(Unfinished::ledger)?;
    Ok(kept.and_then(|kept| serde_json::from_value(kept).ok()).unwrap_or_default())
}

/// Writes `vanished.jsonl`: each record of these stages that is in place and was not delivered any more,
/// as `{key, kind, stage, object}`. Without any there is no such file.
async fn list_vanished(
    state: &StateDir,
    ledger: &dyn Ledger,
    stages: impl Iterator<Item = &String>,
) -> Result<(), Unfinished> {
    let unwritten =
        |error: io::Error| Unfinished::state("vanished.jsonl cannot be written", &error);
    let (new, path) = (state.file("vanished.jsonl.new"), state.file("vanished.jsonl"));
    let mut file = io::BufWriter::new(private(&new).map_err(unwritten)?);
    let (mut count, mut written) = (0, Ok(()));
    for stage in stages {
        let listed = vanished(ledger, stage, |entry| {
            let line = json!({
                "key": entry.key, "kind": entry.key.kind(), "stage": entry.stage,
                "object": entry.target,
            });
            if written.is_ok() {
                written = writeln!(file, "{line}");
            }
        });
        count += listed.await.map_err(Unfinished::ledger)?;
    }
    written.map_err(unwritten)?;
    let file = file.into_inner().map_err(|error| unwritten(error.into_error()))?;
    file.sync_all().map_err(unwritten)?;
    if count > 0 {
        return std::fs::rename(&new, &path).map_err(unwritten);
    }
    for path in [new, path] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritten(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Reads the ledger through, writes the queues' files, `report.json` and `report.html`.
pub(super) async fn write_report(
    state: &StateDir,
    ledger: &dyn Ledger,
    kept: Kept,
) -> Result<Report, Unfinished> {
    write_amended(state, ledger, kept, |_| {}).await
}

/// The same of what was amended in the report before it is written.
async fn write_amended(
    state: &StateDir,
    ledger: &dyn Ledger,
    kept: Kept,
    amend: impl FnOnce(&mut Report),
) -> Result<Report, Unfinished> {
    let unwritten = |error: io::Error| Unfinished::state("the report cannot be written", &error);
    let mut queues = state.queues().map_err(unwritten)?;
    let mut losses = state.losses().map_err(unwritten)?;
    let mut names: Vec<String> = Stages::NAMES.map(str::to_owned).into();
    // A program may have added stages of its own.
    for stage in ledger.stages().await.map_err(Unfinished::ledger)? {
        if !names.contains(&stage) {
            names.push(stage);
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut failed, mut causes) = (None, Causes::default());
    let mut standing = Standing::of(ledger, &names, &kept.calls, |entry| {
        let waits = matches!(entry.fate, Fate::Queued | Fate::Dead);
        let queued = if waits { queues.add(entry) } else { Ok(()) };
        if waits {
            causes.add(entry);
        }
        if let Err(error) = queued.and_then(|()| losses.add(entry)) {
            failed.get_or_insert(error);
        }
    })
    .await
    .map_err(Unfinished::ledger)?;
    failed.map_or(Ok(()), Err).map_err(unwritten)?;
    losses.finish().map_err(unwritten)?;
    for entry in for_review(&mut standing) {
        queues.add(&entry).map_err(unwritten)?;
        causes.add(&entry);
    }
    causes.losses.clone_from(&standing.losses);
    queues.finish().map_err(unwritten)?;
    let mut notes = kept.notes;
    notes.extend(
        standing
            .losses
            .iter()
            .map(|((code, field), times)| format!("{code}: {field}, {times} times")),
    );
    if !standing.losses.is_empty() {
        notes.push("losses.jsonl names the record of each of these".to_owned());
    }
    if let Some(pilot) = kept.pilot.filter(|_| !kept.rolled_back) {
        notes.push(format!(
            "this was a pilot of at most {pilot} contacts, {pilot} leads and {pilot} anonymous \
             visitors with their calls and chats; run without --sample for the rest"
        ));
    }
    if kept.rolled_back {
        // It has not looked for the others.
        standing.vanished.clear();
    }
    // Nor has a pilot, whatever came after it.
    for stage in standing.vanished.keys().cloned().collect::<Vec<_>>() {
        let pass = ledger.stage(&stage).await.map_err(Unfinished::ledger)?.pass;
        if kept.pilot.is_some() || kept.reach.is_pilot(&stage, pass) {
            standing.vanished.remove(&stage);
        }
    }
    // Attributes and tags are not LeadDesk's to keep.
    standing.vanished.remove(crate::stage::SCHEMA);
    list_vanished(state, ledger, standing.vanished.keys()).await?;
    notes.extend(standing.vanished.iter().map(|(stage, count)| {
        format!(
            "{stage}: {count} that were migrated were not delivered by LeadDesk any more; they stay \
             in Intercom, and vanished.jsonl names them"
        )
    }));
    let now = Utc::now();
    let unfinished = standing.stages.iter().any(|stage| stage.in_doubt + stage.pending > 0);
    let report = Report::new(
        kept.run_id,
        kept.started_at.unwrap_or(now),
        kept.finished_at.unwrap_or(now),
        match kept.state {
            // Whatever the last command did, records without a final fate are left.
            None | Some(RunState::Complete) if unfinished => RunState::Interrupted,
            state => state.unwrap_or(RunState::Interrupted),
        },
        standing,
        kept.last_run,
    );
    let mut report = report.with(kept.quota, kept.verify, notes);
    amend(&mut report);
    state.write_json("report.json", &report).map_err(unwritten)?;
    html::write(state, &report, &causes).map_err(unwritten)?;
    Ok(report)
}

/// Fields that somebody has to say something about. They are no records: they wait beside those.
pub(super) fn for_review(standing: &mut Standing) -> Vec<Entry> {
    let fields = standing.losses.keys().filter(|(code, _)| code == "field_for_review");
    let waiting: Vec<Entry> = fields
        .map(|(_, field)| {
            let mut entry = Entry::pending(Key::new("field", field), crate::stage::SCHEMA);
            entry.reason = Some(queue::field_for_review().field(field));
            entry
        })
        .collect();
    if !waiting.is_empty() {
        standing.queues.insert(queue::field_for_review().code, waiting.len() as u64);
    }
    waiting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pass: u32, finished: bool) -> Vec<(&'static str, StageState)> {
        let mut state = StageState::default();
        (state.pass, state.finished) = (pass, finished);
        vec![("contacts", state)]
    }

    #[test]
    fn a_redrive_goes_as_far_as_any_run_has_come() {
        let mut kept = Kept::default();
        assert_eq!(kept.widest_pilot(), None);
        kept.pilot = Some(7);
        assert_eq!(kept.widest_pilot(), Some(7), "kept by an older version");
        kept.reach.extend(Some(10), &at(0, false));
        kept.reach.extend(Some(3), &at(1, true));
        assert_eq!(kept.widest_pilot(), Some(10));
        kept.reach.extend(None, &at(2, true));
        kept.reach.extend(Some(3), &at(3, true));
        assert_eq!(kept.widest_pilot(), None, "everything was begun with before");
    }

    #[test]
    fn a_pass_of_a_pilot_is_known_until_another_comes() {
        let mut reach = Reach::default();
        reach.extend(Some(10), &at(1, true));
        assert!(reach.is_pilot("contacts", 2) && !reach.is_pilot("contacts", 1));
        reach.extend(None, &at(2, true));
        assert!(reach.is_pilot("contacts", 2) && !reach.is_pilot("contacts", 3));
        reach.extend(Some(10), &at(3, false));
        assert!(reach.is_pilot("contacts", 3), "it goes on with the pass");
        // One that has not come to this stage.
        reach.extend(Some(10), &at(4, true));
        reach.extend(None, &at(4, true));
        assert!(!reach.is_pilot("contacts", 5));
    }
}
