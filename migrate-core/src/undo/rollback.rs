//! [`Rollback`]: everything that a migration wrote, taken back from the ledger alone.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::future;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde_json::Value;
use tracing::Instrument as _;

use crate::Key;
use crate::engine::RunError;
use crate::fate::Fate;
use crate::ledger::{Change, Entry, Ledger, LedgerError, Scan, StageState};
use crate::run::Run;
use crate::sink::TargetId;

use super::record::Undoing;
use super::report::{Remainder, RollbackReport, StageUndone};
use super::work::{WINDOW, Work, chosen, entries, hidden, shares};
use super::{Met, Undo};

/// The ledger's list of what was put out of use, since nothing else tells of it afterwards.
pub(super) const ARCHIVED: &str = "rollback_archived";

/// The name under which a ledger keeps that a rollback is under way.
const UNDER_WAY: &str = "rollback";

/// Takes back what a migration wrote: the last stage first, in a stage the newest record first.
///
/// It goes by the ledger alone, and touches nothing but what the ledger says this migration
/// created or changed:
///
/// - an object that it created is removed whole; of an object that was there before, the parts
///   are taken back in reverse and then what stood there before is put back;
/// - what somebody has changed since, or added to, is left and reported;
/// - what is gone already counts as undone;
/// - a record with a write in doubt, or that was under way when its run was cut off, is left: the
///   run is to be resumed first, so that the doubt is settled.
///
/// Whatever is taken back is looked at afterwards. Keys of which nothing is left count as never
/// written, with their history kept, and a later run reads their stages anew. A rollback that was
/// stopped or killed is simply started again.
///
/// ```
/// # use migrate_core::*;
/// # use std::sync::Arc;
/// # async fn undo(run: &Run, people: Arc<dyn Undo>, threads: Arc<dyn Undo>) -> Result<(), RunError> {
/// let rollback = Rollback::new().stage("people", people).stage("threads", threads);
/// let would = rollback.run(run, &RollbackOptions::dry()).await?;
/// for stage in &would.stages {
///     println!("{}: {} to be removed, {} to be left", stage.name, stage.removed, stage.kept);
/// }
/// let report = rollback.run(run, &RollbackOptions::default()).await?;
/// # let _ = report;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Rollback {
    stages: Vec<(String, Box<dyn Undo>)>,
    observer: Option<Observer>,
}

type Observer = Arc<dyn Fn(&UndoEvent<'_>) + Send + Sync>;

/// What is to be undone, and whether it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RollbackOptions {
    /// What is to be undone.
    pub scope: Scope,
    /// Only look what would be done: no write, neither to the destination nor to the ledger.
    pub dry_run: bool,
}

impl RollbackOptions {
    /// Looks what undoing everything would do.
    pub fn dry() -> Self {
        Self { dry_run: true, ..Self::default() }
    }

    /// Undoes this only.
    pub fn only(scope: Scope) -> Self {
        Self { scope, dry_run: false }
    }
}

/// What is to be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// All of it.
    #[default]
    Everything,
    /// These stages. What depends on them and is in place goes only if it is named as well: its
    /// objects hang on theirs, which [`Undo::inspect`] may see and leave them for.
    Stages(BTreeSet<String>),
    /// These records, each with the duplicates that share its object.
    Keys(BTreeSet<Key>),
}

impl Scope {
    /// What the ledger keeps while it is being undone.
    fn mark(&self) -> Value {
        match self {
            Self::Everything => Value::Bool(true),
            Self::Stages(names) => serde_json::json!({ "stages": names }),
            Self::Keys(keys) => serde_json::json!({ "keys": keys }),
        }
    }

    /// The scope of which that is kept.
    fn of_mark(mark: &Value) -> Self {
        let names =
            |name: &str| mark[name].as_array().map(|it| it.iter().filter_map(Value::as_str));
        match (names("stages"), names("keys")) {
            (Some(stages), _) => Self::Stages(stages.map(str::to_owned).collect()),
            (_, Some(keys)) => Self::Keys(keys.map(Key::from).collect()),
            _ => Self::Everything,
        }
    }
}

/// How a record of a rollback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undone {
    /// Its object was removed, or put out of use.
    Removed,
    /// What was changed was put back.
    Restored,
    /// Nothing was there to be taken back any more.
    AlreadyGone,
    /// Nothing had been written for it.
    Untouched,
    /// A duplicate that went with the record whose object it shared.
    Merged,
    /// Something of it is left.
    Kept,
}

/// What happened in a rollback.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum UndoEvent<'a> {
    /// A stage is being undone.
    StageBegun {
        /// Its name.
        stage: &'a str,
        /// Records of it in the ledger.
        records: u64,
    },
    /// A record is done with.
    Record {
        /// The stage.
        stage: &'a str,
        /// How it ended.
        ended: Undone,
    },
    /// All of a stage is done with.
    StageEnded {
        /// Its name.
        stage: &'a str,
    },
}

impl fmt::Debug for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.stages.iter().map(|(name, _)| name)).finish()
    }
}

impl Rollback {
    /// A rollback of no stage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stage, in the order in which stages were *run*: they are undone in reverse.
    #[must_use]
    pub fn stage(mut self, name: impl Into<String>, undo: impl Undo + 'static) -> Self {
        self.stages.push((name.into(), Box::new(undo)));
        self
    }

    /// Shows its progress to somebody, who must not block.
    #[must_use]
    pub fn observed_by(
        mut self,
        observer: impl Fn(&UndoEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Is a rollback of this ledger under way that did not come to its end? Then a run must not
    /// go on, since something may be gone that the ledger counts as in place: end it first.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn is_under_way(ledger: &dyn Ledger) -> Result<bool, LedgerError> {
        Ok(ledger.meta(UNDER_WAY).await?.is_some())
    }

    /// What was to be undone by the rollback that has begun and not come to its end, if there is one.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn under_way(ledger: &dyn Ledger) -> Result<Option<Scope>, LedgerError> {
        Ok(ledger.meta(UNDER_WAY).await?.as_ref().map(Scope::of_mark))
    }

    /// What earlier rollbacks have put out of use in a stage, in that order. It may have been made
    /// anew, or brought back, since.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn archived(ledger: &dyn Ledger, stage: &str) -> Result<Vec<Remainder>, LedgerError> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let rows = ledger.discovered(ARCHIVED, after, WINDOW).await?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            after = *last;
            let items = rows.iter().filter_map(|(_, item)| serde_json::from_str(item).ok());
            found.extend(
                items.filter(|(of, _): &(String, Remainder)| of == stage).map(|(_, it)| it),
            );
        }
    }

    /// Undoes what is selected, or goes on with it.
    ///
    /// # Errors
    ///
    /// [`RunError::NoStage`] for a selected stage that it does not have;
    /// [`RollbackUnderWay`](RunError::RollbackUnderWay) while one of another scope has not come to
    /// its end;
    /// [`Interrupted`](RunError::Interrupted) by the run's stop signal, when what was in flight is
    /// done; [`Gone`](RunError::Gone) and [`Refused`](RunError::Refused) when the destination does
    /// not let it go on; [`Ledger`](RunError::Ledger). In each case it can be started again and
    /// goes on.
    pub async fn run(
        &self,
        run: &Run,
        options: &RollbackOptions,
    ) -> Result<RollbackReport, RunError> {
        if let Scope::Stages(names) = &options.scope {
            let unknown = names.iter().find(|name| !self.stages.iter().any(|(it, _)| it == *name));
            unknown.map_or(Ok(()), |name| Err(RunError::NoStage(name.clone())))?;
        }
        self.check_scope(run, options).await?;
        self.mark(run, options, Some(options.scope.mark())).await?;
        let mut report = RollbackReport { dry_run: options.dry_run, ..RollbackReport::default() };
        let met = Met::new(&options.scope);
        for (name, undo) in self.stages.iter().rev() {
            if matches!(&options.scope, Scope::Stages(names) if !names.contains(name)) {
                continue;
            }
            let state = run.ledger.stage(name).await?;
            let undoing = Undoing::new(name, run, &**undo, options.dry_run, &state, met.clone());
            let records = run.ledger.tally(name).await?.total();
            if is_unfinished(&state) {
                report.unfinished.push(name.clone());
            }
            self.tell(&UndoEvent::StageBegun { stage: name, records });
            let span = tracing::info_span!("migrate.undo", stage = %name);
            let undone = self.undo_stage(&undoing, &options.scope).instrument(span);
            let mut stage = undone.await?;
            add_archived(&*run.ledger, &options.scope, &mut stage).await?;
            stage.sort();
            report.stages.push(stage);
            self.tell(&UndoEvent::StageEnded { stage: name });
        }
        if options.scope == Scope::Everything {
            for stage in run.ledger.stages().await? {
                let known = self.stages.iter().any(|(name, _)| *name == stage);
                if !known && run.ledger.tally(&stage).await?.total() > 0 {
                    report.without_undo.push(stage);
                }
            }
        }
        self.mark(run, options, None).await?;
        Ok(report)
    }

    /// A rollback that did not come to its end is ended by the same, or by one of everything:
    /// another would take the mark away under which it stands.
    async fn check_scope(&self, run: &Run, options: &RollbackOptions) -> Result<(), RunError> {
        let under_way = run.ledger.meta(UNDER_WAY).await?;
        let same = under_way.is_none_or(|scope| scope == options.scope.mark());
        if same || options.dry_run || options.scope == Scope::Everything {
            return Ok(());
        }
        Err(RunError::RollbackUnderWay)
    }

    /// Says in the ledger whether a rollback is under way.
    async fn mark(
        &self,
        run: &Run,
        options: &RollbackOptions,
        value: Option<Value>,
    ) -> Result<(), RunError> {
        if options.dry_run {
            return Ok(());
        }
        Ok(run.ledger.commit(vec![Change::Meta { name: UNDER_WAY.to_owned(), value }]).await?)
    }

    fn tell(&self, event: &UndoEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }

    async fn undo_stage(
        &self,
        undoing: &Undoing<'_>,
        scope: &Scope,
    ) -> Result<StageUndone, RunError> {
        let ledger = &*undoing.run.ledger;
        let (mut stage, mut left) = (StageUndone::new(undoing.stage), HashSet::new());
        if let Scope::Keys(keys) = scope {
            let chosen = chosen(ledger, undoing.stage, keys).await?;
            let work = stream::iter(chosen.into_iter().map(Ok)).boxed();
            self.each(undoing, work, &mut stage, &mut left).await?;
            return Ok(stage);
        }
        let all = Scan::of(undoing.stage).newest_first().limit(WINDOW);
        let (known, met) = (ledger.tally(undoing.stage).await?.total(), AtomicU64::new(0));
        let owners = entries(ledger, all.clone())
            .inspect_ok(|_| {
                met.fetch_add(1, Ordering::Relaxed);
            })
            .try_filter(|entry| future::ready(!shares(entry)))
            .map_ok(|entry| Work::Record { entry, sharing: Vec::new() });
        self.each(undoing, owners.boxed(), &mut stage, &mut left).await?;
        let met = met.into_inner();
        if met < known {
            return Err(hidden(undoing.stage, met, known).into());
        }
        self.each_again(undoing, &mut stage, &mut left).await?;
        // Duplicates come when it is known whether their object goes.
        let duplicates = entries(ledger, all.with(Fate::Merged))
            .try_filter(|entry| future::ready(shares(entry)))
            .map_ok(|entry| {
                let is_left = entry.target.as_ref().is_some_and(|target| left.contains(target));
                Work::Merged { entry, is_left }
            });
        self.each(undoing, duplicates.boxed(), &mut stage, &mut HashSet::new()).await?;
        Ok(stage)
    }

    /// What was left since something hung on it may have been held by another record of the stage that
    /// is gone by now: it is looked at once more, as long as that helps.
    async fn each_again(
        &self,
        undoing: &Undoing<'_>,
        stage: &mut StageUndone,
        left: &mut HashSet<TargetId>,
    ) -> Result<(), RunError> {
        let ledger = &*undoing.run.ledger;
        let mut undone = stage.undone();
        while undone > 0 && !undoing.dry {
            let held = stage.take_held();
            let held: Vec<Key> = held.into_iter().collect();
            let before = stage.undone();
            for window in held.chunks(WINDOW) {
                let entries: Vec<Entry> =
                    ledger.entries(window).await?.into_iter().flatten().collect();
                for entry in &entries {
                    undoing.let_go(entry);
                    if let Some(object) = &entry.target {
                        left.remove(object);
                    }
                }
                let work = entries.into_iter().map(|entry| {
                    stage.records -= 1;
                    stage.kept -= 1;
                    Ok(Work::Record { entry, sharing: Vec::new() })
                });
                let work: Vec<_> = work.collect();
                self.each(undoing, stream::iter(work).boxed(), stage, left).await?;
            }
            undone = stage.undone() - before;
        }
        Ok(())
    }

    /// Does this work, as much at once as the stage's limits allow. When something fails or the
    /// stop signal is given, what is in flight is ended first.
    async fn each(
        &self,
        undoing: &Undoing<'_>,
        work: BoxStream<'_, Result<Work, LedgerError>>,
        stage: &mut StageUndone,
        left: &mut HashSet<TargetId>,
    ) -> Result<(), RunError> {
        let halted = AtomicBool::new(false);
        let stop = undoing.run.stop_signal();
        let mut ends = work
            .take_while(|_| {
                let go_on = !halted.load(Ordering::Relaxed) && !stop.is_stopped();
                future::ready(go_on)
            })
            .map(|work| undoing.work(work))
            .buffer_unordered(undoing.undo.limits().in_flight.max(1));
        let mut failed = None;
        while let Some(end) = ends.next().await {
            match end {
                Ok((ended, objects)) => {
                    for counted in &ended.counted {
                        let (stage, ended) = (undoing.stage, *counted);
                        self.tell(&UndoEvent::Record { stage, ended });
                    }
                    left.extend(objects);
                    stage.add(ended);
                }
                Err(error) => {
                    halted.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
            }
        }
        if stop.is_stopped() {
            failed.get_or_insert(RunError::Interrupted);
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Adds what was put out of use by an earlier rollback, or an earlier start of this one, and was
/// not made anew since: it still stands there.
async fn add_archived(
    ledger: &dyn Ledger,
    scope: &Scope,
    stage: &mut StageUndone,
) -> Result<(), LedgerError> {
    let mut after = 0;
    loop {
        let rows = ledger.discovered(ARCHIVED, after, WINDOW).await?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        after = *last;
        for (_, item) in &rows {
            let Ok((name, it)) = serde_json::from_str::<(String, Remainder)>(item) else {
                continue;
            };
            let root = Key::from(it.key.as_str()).root();
            let selected = match scope {
                Scope::Keys(keys) => keys.iter().any(|key| key.root() == root),
                _ => true,
            };
            if name != stage.name || !selected || stage.impossible.contains(&it) {
                continue;
            }
            if ledger.entries(&[root]).await?.into_iter().flatten().next().is_none() {
                stage.impossible.push(it);
            }
        }
    }
}

/// Did the last run of a stage not come to its end?
fn is_unfinished(state: &StageState) -> bool {
    // An earlier rollback begins a pass for the next run to go on with.
    let begun_only = state.pass > 1 && state.keys == 0 && !state.read && state.cursor.is_none();
    state.pass > 0 && !state.finished && !begun_only
}
