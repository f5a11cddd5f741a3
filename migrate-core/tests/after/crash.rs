//! A rollback that is killed at each of its calls, to the destination or to the ledger.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use migrate_core::ledger::{
    Change, Entry, Ledger, LedgerError, LedgerErrorKind, Parked, Parking, Past, Proof, Scan,
    StageState,
};
use migrate_core::testkit::{CrashLedger, CrashPoint, Process, crash_points};
use migrate_core::{
    Alias, Key, MemoryLedger, Patience, Rollback, RollbackOptions, Run, Tally, async_trait,
};
use serde_json::Value;

use crate::desk::{Content, Desk};
use crate::migration::{Account, migrate, roll_back, without_ids};
use crate::rollback::{ledger, remnants};

/// Counts the calls of a process, which dies at one of them.
#[derive(Clone)]
pub(crate) struct Life(Arc<(AtomicU64, u64)>);

impl Life {
    pub(crate) fn until(dies_at: u64) -> Self {
        Self(Arc::new((AtomicU64::new(0), dies_at)))
    }

    /// One more moment at which it can die; it stays dead.
    fn goes_on(&self) -> bool {
        self.0.0.fetch_add(1, Ordering::Relaxed) + 1 < self.0.1
    }
}

/// A ledger of a process that dies: before a call, or after a commit of which it does not hear.
pub(crate) struct Mortal(pub(crate) Arc<dyn Ledger>, pub(crate) Life);

impl Mortal {
    fn alive(&self) -> Result<(), LedgerError> {
        let dead = || LedgerError::new(LedgerErrorKind::Storage, "the process is dead");
        self.1.goes_on().then_some(()).ok_or_else(dead)
    }
}

#[async_trait]
impl Ledger for Mortal {
    async fn commit(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        self.alive()?;
        self.0.commit(changes).await?;
        self.alive()
    }

    async fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LedgerError> {
        self.alive()?;
        self.0.entries(keys).await
    }

    async fn known_as(&self, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>, LedgerError> {
        self.alive()?;
        self.0.known_as(aliases).await
    }

    async fn aliases(&self, keys: &[Key]) -> Result<Vec<Vec<Alias>>, LedgerError> {
        self.alive()?;
        self.0.aliases(keys).await
    }

    async fn stage(&self, stage: &str) -> Result<StageState, LedgerError> {
        self.alive()?;
        self.0.stage(stage).await
    }

    async fn stages(&self) -> Result<Vec<String>, LedgerError> {
        self.alive()?;
        self.0.stages().await
    }

    async fn tally(&self, stage: &str) -> Result<Tally, LedgerError> {
        self.alive()?;
        self.0.tally(stage).await
    }

    async fn proof(&self, stage: &str, pass: u32) -> Result<Proof, LedgerError> {
        self.alive()?;
        self.0.proof(stage, pass).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(u64, Entry)>, LedgerError> {
        self.alive()?;
        self.0.scan(scan).await
    }

    async fn parked(
        &self,
        stage: &str,
        why: Parking,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Parked)>, LedgerError> {
        self.alive()?;
        self.0.parked(stage, why, after, limit).await
    }

    async fn parked_among(&self, keys: &[Key]) -> Result<Vec<Parked>, LedgerError> {
        self.alive()?;
        self.0.parked_among(keys).await
    }

    async fn discovered(
        &self,
        list: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, LedgerError> {
        self.alive()?;
        self.0.discovered(list, after, limit).await
    }

    async fn before(&self, key: &Key) -> Result<Option<Value>, LedgerError> {
        self.alive()?;
        self.0.before(key).await
    }

    async fn history(&self, after: u64, limit: usize) -> Result<Vec<(u64, Past)>, LedgerError> {
        self.alive()?;
        self.0.history(after, limit).await
    }

    async fn meta(&self, name: &str) -> Result<Option<Value>, LedgerError> {
        self.alive()?;
        self.0.meta(name).await
    }
}

/// Everything that a rollback leads to: the destination, what is told, and the ledger.
#[derive(Debug, PartialEq)]
struct Aftermath {
    content: Content,
    remnants: Vec<String>,
    entries: Vec<(String, String, Vec<Key>)>,
    past: Vec<String>,
    passes: Vec<bool>,
}

async fn aftermath(desk: &Desk, ledger: &Arc<dyn Ledger>) -> Aftermath {
    let report = roll_back(desk, ledger, &RollbackOptions::default()).await.expect("a rollback");
    let (mut entries, mut passes) = (Vec::new(), Vec::new());
    for stage in ["attributes", "people", "threads"] {
        let rows = ledger.scan(&Scan::of(stage)).await.expect("rows");
        let keys: Vec<Key> = rows.into_iter().map(|(_, entry)| entry.key).collect();
        for entry in ledger.entries(&keys).await.expect("entries").into_iter().flatten() {
            let parts = entry.parts.iter().map(|part| part.key.clone()).collect();
            entries.push((entry.key.to_string(), entry.fate.name().to_owned(), parts));
        }
        let state = ledger.stage(stage).await.expect("a stage");
        passes.push(state.pass >= 2 && !state.finished && state.cursor.is_none());
    }
    let past = ledger.history(0, 1000).await.expect("a history");
    let mut past: Vec<String> = past.into_iter().map(|(_, past)| past.key.to_string()).collect();
    past.sort();
    Aftermath { content: desk.content(), remnants: remnants(&report), entries, past, passes }
}

/// The people somebody edited before the rollback, so that some of it is left.
async fn migrated() -> (Desk, Arc<dyn Ledger>) {
    let (desk, ledger) = (Account::desk(), ledger());
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    desk.edit(|content| {
        let two = content.people.values_mut().find(|it| it.email == "two@new");
        two.expect("a person").tags.insert("theirs".into());
    });
    (desk, ledger)
}

/// Killed for good, at each call and each moment of it: what was on its way may still arrive, and
/// commits that were under way are lost, torn or made.
#[tokio::test(start_paused = true)]
async fn a_process_that_is_gone_leaves_what_the_next_one_ends() {
    let fresh = async || {
        let (desk, ledger) = (Account::desk(), CrashLedger::new(MemoryLedger::new(), 0));
        let shared: Arc<dyn Ledger> = Arc::new(ledger.clone());
        migrate(&Account::sample(), &desk, &shared).await.expect("a run");
        (desk, ledger)
    };
    let process = async |desk: &Desk, process: Process| {
        let rollback = ["attributes", "people", "threads"]
            .into_iter()
            .fold(Rollback::new(), |rollback, name| {
                rollback.stage(name, process.fuse.guard(desk.clone()))
            });
        let patience = Patience::new(Duration::from_secs(5), Duration::ZERO);
        let run = Run::on(process.ledger.clone()).patience(patience).begin().await?;
        process.follow(&run);
        rollback.run(&run, &RollbackOptions::default()).await.map(drop)
    };
    let (desk, ledger) = fresh().await;
    let shared: Arc<dyn Ledger> = Arc::new(ledger);
    let expected = aftermath(&desk, &shared).await;
    let check = async |desk: &Desk, ledger: &CrashLedger<MemoryLedger>, at: Option<CrashPoint>| {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.clone());
        assert_eq!(aftermath(desk, &ledger).await, expected, "{at:?}");
    };
    let calls = crash_points(fresh, process, check).await;
    assert!(calls > 60, "it makes {calls} calls only");
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_call_and_started_again_it_ends_the_same() {
    let (desk, ledger) = migrated().await;
    let expected = aftermath(&desk, &ledger).await;
    assert!(expected.passes.iter().all(|anew| *anew), "{:?}", expected.passes);
    assert_eq!(expected.remnants.len(), 5);
    migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
    let anew = without_ids(&desk.content());

    let mut dies_at = 1;
    loop {
        let (desk, ledger) = migrated().await;
        let life = Life::until(dies_at);
        let (mortal, pulse) = (Mortal(ledger.clone(), life.clone()), life.clone());
        desk.lock().lifeline = Some(Arc::new(move || pulse.goes_on()));
        let mortal: Arc<dyn Ledger> = Arc::new(mortal);
        let end = roll_back(&desk, &mortal, &RollbackOptions::default()).await;
        desk.lock().lifeline = None;
        if end.is_ok() {
            break;
        }
        assert_eq!(aftermath(&desk, &ledger).await, expected, "killed at {dies_at}");
        migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
        assert_eq!(without_ids(&desk.content()), anew, "killed at {dies_at}");
        dies_at += 1;
    }
    assert!(dies_at > 80, "it was killed at {dies_at} moments only");
}

/// A run that is killed at any call, and rolled back without being resumed: what it has created is
/// found and taken back, or named.
#[tokio::test(start_paused = true)]
async fn what_a_killed_run_has_created_is_never_left_unnamed() {
    let (mut dies_at, mut found) = (1, 0);
    loop {
        let (desk, ledger) = (Account::desk(), ledger());
        let before = desk.content();
        let life = Life::until(dies_at);
        let (mortal, pulse) = (Mortal(ledger.clone(), life.clone()), life.clone());
        desk.lock().lifeline = Some(Arc::new(move || pulse.goes_on()));
        let mortal: Arc<dyn Ledger> = Arc::new(mortal);
        let end = migrate(&Account::sample(), &desk, &mortal).await;
        desk.lock().lifeline = None;
        if end.is_ok() {
            break;
        }
        let marks = |desk: &Desk| -> BTreeSet<String> {
            let content = desk.content();
            let people = content.people.into_values().filter_map(|it| it.mark);
            people.chain(content.threads.into_values().filter_map(|it| it.mark)).collect()
        };
        let mut known: BTreeSet<String> = BTreeSet::new();
        for stage in ["people", "threads"] {
            let rows = ledger.scan(&Scan::of(stage)).await.expect("rows");
            let written = rows.into_iter().filter(|(_, entry)| entry.target.is_some());
            known.extend(written.map(|(_, entry)| entry.key.to_string()));
        }
        let unknown = marks(&desk).difference(&known).count();

        let dry = roll_back(&desk, &ledger, &RollbackOptions::dry()).await.expect("a look");
        let real = roll_back(&desk, &ledger, &RollbackOptions::default()).await.expect("an end");
        assert_eq!(dry.stages, real.stages, "killed at {dies_at}");
        let left: BTreeSet<String> =
            real.stages.iter().flat_map(|stage| &stage.left).map(|it| it.key.clone()).collect();
        let there = marks(&desk);
        assert!(there.is_subset(&left), "killed at {dies_at}: {there:?} of {left:?}");
        found += unknown - there.len().min(unknown);
        if left.is_empty() {
            assert_eq!(desk.content().people.len(), before.people.len(), "killed at {dies_at}");
        }
        migrate(&Account::sample(), &desk, &ledger).await.expect("a run");
        dies_at += 1;
    }
    assert!(dies_at > 80 && found > 3, "{found} were found of {dies_at} runs");
}
