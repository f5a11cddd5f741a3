//! [`Report`]: where a migration stands, from its ledger, as `report.json` holds it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Run;
use crate::fate::{Fate, Tally};
use crate::ledger::{Entry, Ledger, LedgerError, LedgerErrorKind, Scan};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RunState {
    /// Every record has its final fate.
    Complete,
    /// A stage is held back until somebody has acted.
    Blocked,
    /// It stopped and can be resumed.
    Interrupted,
    /// It could not start or must not go on.
    Failed,
}

/// Counts of one stage. They count source records, never their parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageCounts {
    /// The stage.
    pub name: String,
    /// Records read; the sum of all that follow, calls excepted.
    pub read: u64,
    /// Created in the destination.
    pub created: u64,
    /// Found there and changed.
    pub updated: u64,
    /// Found there as they should be.
    pub unchanged: u64,
    /// Duplicates that share another record's object.
    pub merged: u64,
    /// Waiting in a queue.
    pub queued: u64,
    /// Left out by a rule.
    pub skipped: u64,
    /// Documented only.
    pub inventoried: u64,
    /// Refused for good.
    pub dead: u64,
    /// Nobody knows yet.
    pub in_doubt: u64,
    /// Not done yet.
    pub pending: u64,
    /// Calls to the destination.
    pub calls: u64,
}

impl StageCounts {
    /// The counts of a tally.
    pub fn new(name: &str, tally: &Tally, calls: u64) -> Self {
        Self {
            name: name.to_owned(),
            read: tally.total(),
            created: tally.of(Fate::Created),
            updated: tally.of(Fate::Updated),
            unchanged: tally.of(Fate::Unchanged),
            merged: tally.of(Fate::Merged),
            queued: tally.of(Fate::Queued),
            skipped: tally.of(Fate::Skipped),
            inventoried: tally.of(Fate::Inventoried),
            dead: tally.of(Fate::Dead),
            in_doubt: tally.of(Fate::InDoubt),
            pending: tally.of(Fate::Pending),
            calls,
        }
    }
}

/// How the destination's quota was used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quota {
    /// Calls, repeats included.
    pub calls: u64,
    /// Calls that one window allows, as the destination last said.
    pub limit_per_window: Option<u64>,
    /// Calls over the sum of limits of the windows touched after the first; between 0 and 1.
    pub utilisation: Option<f64>,
    /// Calls that were refused for the quota.
    pub throttled: u64,
}

/// What reading back found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Verified {
    /// Records read back.
    pub checked: u64,
    /// Records in which every field was as it should be.
    pub matched: u64,
    /// What was not.
    pub mismatches: Vec<Mismatch>,
    /// How often something was not, by class.
    pub classes: BTreeMap<String, u64>,
    /// Mismatches that are counted in `classes` and not listed, since there are too many.
    pub unlisted: u64,
    /// Records of the sample, or of all in the stages that were met, that were not read back: they
    /// are no longer in the source, the mapper leaves them out now, or the destination failed for
    /// them.
    pub unread: u64,
}

/// One field that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mismatch {
    /// The record.
    pub key: String,
    /// The field.
    pub field: String,
    /// The name of its [`Class`](crate::Class): `lost`, `altered`, `edited`, `outdated`, `missing`,
    /// `twin`.
    pub class: String,
}

/// What the last command did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LastRun {
    /// Its counts; a record that was already in place counts as unchanged.
    pub stages: Vec<StageCounts>,
    /// Calls that read.
    pub reads: u64,
    /// Calls that write: anything but GET, search and token requests.
    pub writes: u64,
}

/// Where a migration stands. Its JSON is a contract: fields are added, never renamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The version of this form.
    pub schema: u32,
    /// The last run.
    pub run_id: String,
    /// When the last run began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// How it ended.
    pub state: RunState,
    /// Counts over the whole migration so far.
    pub stages: Vec<StageCounts>,
    /// Is it proven that every key that was read has exactly one final fate?
    pub accounted: bool,
    /// The destination's quota, in the last run.
    pub quota: Quota,
    /// What the last reading back found.
    pub verify: Option<Verified>,
    /// Records in each queue.
    pub queues: BTreeMap<String, u64>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The last command alone.
    pub last_run: LastRun,
}

impl Report {
    /// A report of where the ledger stands.
    pub fn new(
        run_id: String,
        started_at: DateTime<Utc>,
        finished_at: DateTime<Utc>,
        state: RunState,
        standing: Standing,
        last_run: LastRun,
    ) -> Self {
        Self {
            schema: 1,
            run_id,
            started_at,
            finished_at,
            state,
            stages: standing.stages,
            accounted: standing.accounted,
            quota: Quota::default(),
            verify: None,
            queues: standing.queues,
            notes: Vec::new(),
            last_run,
        }
    }

    /// The same with what the ledger does not know of itself.
    #[must_use]
    pub fn with(mut self, quota: Quota, verify: Option<Verified>, notes: Vec<String>) -> Self {
        (self.quota, self.verify, self.notes) = (quota, verify, notes);
        self
    }
}

/// What the ledger says of the stages of a migration.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// Counts over the whole migration so far.
    pub stages: Vec<StageCounts>,
    /// Has every stage proven that each key it read has exactly one final fate?
    pub accounted: bool,
    /// Records in each queue.
    pub queues: BTreeMap<String, u64>,
    /// Losses that are no errors: how often, by code and field.
    pub losses: BTreeMap<(String, String), u64>,
    /// Records of each stage that are in place and have vanished from the source since.
    pub vanished: BTreeMap<String, u64>,
}

impl Standing {
    /// Reads it from a ledger. `calls` are the calls of each stage so far; `each` is shown every
    /// entry, without its parts.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn of(
        ledger: &dyn Ledger,
        stages: &[&str],
        calls: &BTreeMap<String, u64>,
        mut each: impl FnMut(&Entry) + Send,
    ) -> Result<Self, LedgerError> {
        let mut standing = Self { accounted: true, ..Self::default() };
        for stage in stages {
            let state = ledger.stage(stage).await?;
            let tally = ledger.tally(stage).await?;
            let proof = ledger.proof(stage, state.pass).await?;
            let proven = state.finished && proof.digest == state.digest;
            standing.accounted &= proven || (state.pass == 0 && tally.total() == 0);
            let calls = calls.get(*stage).copied().unwrap_or(0);
            standing.stages.push(StageCounts::new(stage, &tally, calls));
            let vanished = vanished(ledger, stage, |_| {}).await?;
            if vanished > 0 {
                standing.vanished.insert((*stage).to_owned(), vanished);
            }
            let (mut scan, mut met) = (Scan::of(*stage), 0);
            loop {
                let rows = ledger.scan(&scan).await?;
                let Some((last, _)) = rows.last() else { break };
                scan.after = Some(*last);
                met += rows.len() as u64;
                rows.iter().for_each(|(_, entry)| standing.take(entry, &mut each));
            }
            // Another process may be at work meanwhile.
            let known = tally.total().min(ledger.tally(stage).await?.total());
            if met < known {
                let message = format!(
                    "the ledger shows {met} records of stage `{stage}`, of which it has {known}: \
                     it is damaged; restore it from a copy"
                );
                return Err(LedgerError::new(LedgerErrorKind::Corrupt, message));
            }
        }
        Ok(standing)
    }

    fn take(&mut self, entry: &Entry, each: &mut impl FnMut(&Entry)) {
        for note in &entry.notes {
            *self.losses.entry((note.code.clone(), note.field.clone())).or_default() += 1;
        }
        each(entry);
        if entry.fate == Fate::Queued
            && let Some(reason) = &entry.reason
        {
            *self.queues.entry(reason.code.clone()).or_default() += 1;
        }
    }
}

/// Counts the records of a stage that are in place in the destination but were not in the source
/// any more when it was last read whole, and shows each. They are reported, and never deleted.
///
/// While a pass is under way, or when the last one read only what had changed, nobody knows, and
/// none is shown.
///
/// # Errors
///
/// When the ledger cannot be read.
pub async fn vanished(
    ledger: &dyn Ledger,
    stage: &str,
    mut each: impl FnMut(&Entry) + Send,
) -> Result<u64, LedgerError> {
    let state = ledger.stage(stage).await?;
    if !state.finished || state.partial {
        return Ok(0);
    }
    let mut scan = Scan::of(stage).unseen_in(state.pass);
    let mut count = 0;
    loop {
        let rows = ledger.scan(&scan).await?;
        let Some((last, _)) = rows.last() else { return Ok(count) };
        scan.after = Some(*last);
        for (_, entry) in rows.iter().filter(|(_, entry)| entry.fate.is_in_place()) {
            count += 1;
            each(entry);
        }
    }
}

/// One line of a queue's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueLine {
    /// The record.
    pub key: String,
    /// Its kind.
    pub kind: String,
    /// Its stage.
    pub stage: String,
    /// What is wrong.
    pub reason: String,
    /// The field it is about.
    pub field: Option<String>,
    /// Who has to act.
    pub owner: Option<String>,
    /// What that person has to do.
    pub remedy: Option<String>,
    /// How often it has been tried in vain.
    pub attempts: u32,
}

impl QueueLine {
    /// The line of an entry that waits or was refused.
    pub fn new(entry: &Entry) -> Self {
        let reason = entry.reason.clone();
        Self {
            key: entry.key.to_string(),
            kind: entry.key.kind().to_owned(),
            stage: entry.stage.clone(),
            reason: reason.as_ref().map(|reason| reason.message.clone()).unwrap_or_default(),
            field: reason.as_ref().and_then(|reason| reason.field.clone()),
            owner: reason.as_ref().and_then(|reason| reason.owner.clone()),
            remedy: reason.and_then(|reason| reason.remedy),
            attempts: entry.attempts,
        }
    }
}

impl LastRun {
    /// What this run did to these stages.
    pub fn of(run: &Run, stages: &[&str], calls: &BTreeMap<String, u64>) -> Self {
        let stages = stages.iter().map(|stage| {
            let calls = calls.get(*stage).copied().unwrap_or(0);
            StageCounts::new(stage, &run.tally(stage), calls)
        });
        Self { stages: stages.collect(), ..Self::default() }
    }
}
