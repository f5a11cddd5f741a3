//! A ledger in memory, for dry runs and tests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::rules::{self, Progress};
use super::{
    Change, Entry, Ledger, LedgerError, Parked, Parking, Past, Proof, Scan, StageState, UNREADABLE,
    Written,
};
use crate::{Alias, Key, Tally};

/// A ledger in memory, for dry runs and tests: all is gone when it is dropped.
///
/// It follows the same contract as every other ledger, save that nothing survives the process
/// and nothing is locked, since nobody else can open it.
#[derive(Default)]
pub struct MemoryLedger {
    state: Mutex<State>,
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy that later changes of this ledger do not reach: what a crash leaves behind.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn copy(&self) -> Self {
        Self { state: Mutex::new(self.state().clone()) }
    }

    /// Is all that it holds the same, shown or not?
    #[cfg(test)]
    pub(crate) fn holds_the_same(&self, other: &Self) -> bool {
        *self.state() == *other.state()
    }

    // A poisoned lock is taken all the same: no change is made in steps that could panic halfway.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").finish_non_exhaustive()
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn commit(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        let mut state = self.state();
        changes.into_iter().for_each(|change| state.apply(change));
        Ok(())
    }

    async fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LedgerError> {
        let state = self.state();
        Ok(keys.iter().map(|key| Some(state.entries[*state.rows.get(key)?].clone())).collect())
    }

    async fn known_as(&self, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>, LedgerError> {
        let state = self.state();
        let known = |alias| match state.known_as.get(alias) {
            Some(rows) => rows.iter().map(|row| without_parts(&state.entries[*row])).collect(),
            None => Vec::new(),
        };
        Ok(aliases.iter().map(known).collect())
    }

    async fn aliases(&self, keys: &[Key]) -> Result<Vec<Vec<Alias>>, LedgerError> {
        let state = self.state();
        let of = |key| state.rows.get(key).and_then(|row| state.aliases.get(row));
        Ok(keys.iter().map(|key| of(key).cloned().unwrap_or_default()).collect())
    }

    async fn stage(&self, stage: &str) -> Result<StageState, LedgerError> {
        Ok(self.state().stages.get(stage).map(|it| it.state.clone()).unwrap_or_default())
    }

    async fn stages(&self) -> Result<Vec<String>, LedgerError> {
        Ok(self.state().stage_names.clone())
    }

    async fn tally(&self, stage: &str) -> Result<Tally, LedgerError> {
        let mut tally = Tally::default();
        for entry in self.state().entries.iter().filter(|entry| entry.stage == stage) {
            tally.add(entry.fate, 1);
        }
        Ok(tally)
    }

    async fn proof(&self, stage: &str, pass: u32) -> Result<Proof, LedgerError> {
        let mut proof = Proof::default();
        let state = self.state();
        let of_stage = state.entries.iter().filter(|entry| entry.stage == stage);
        for entry in of_stage.filter(|entry| entry.seen == pass && entry.fate.is_final()) {
            proof.add(&entry.key);
        }
        Ok(proof)
    }

    async fn scan(&self, scan: &Scan) -> Result<Vec<(u64, Entry)>, LedgerError> {
        let state = self.state();
        let rows = (1..).zip(&state.entries);
        let wanted = |(row, entry): &(u64, &Entry)| {
            entry.stage == scan.stage
                && scan.wants(entry)
                && scan.after.is_none_or(|after| match scan.newest_first {
                    true => *row < after,
                    false => *row > after,
                })
        };
        let mut rows: Vec<(u64, &Entry)> = rows.filter(wanted).collect();
        if scan.newest_first {
            rows.reverse();
        }
        Ok(rows.into_iter().take(scan.limit).map(|(row, it)| (row, without_parts(it))).collect())
    }

    async fn parked(
        &self,
        stage: &str,
        why: Parking,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Parked)>, LedgerError> {
        let state = self.state();
        let rows = state.parked.range(after.saturating_add(1)..);
        let rows = rows.filter(|(_, it)| it.stage == stage && it.why == why).take(limit);
        Ok(rows.map(|(row, it)| (*row, it.clone())).collect())
    }

    async fn parked_among(&self, keys: &[Key]) -> Result<Vec<Parked>, LedgerError> {
        let state = self.state();
        let parked = |key| state.parked.get(state.parked_rows.get(key)?).cloned();
        Ok(keys.iter().filter_map(parked).collect())
    }

    async fn discovered(
        &self,
        list: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, LedgerError> {
        let state = self.state();
        let Some(list) = state.discovered.get(list) else { return Ok(Vec::new()) };
        let rows = (1..).zip(&list.items).skip(index(after)).take(limit);
        Ok(rows.map(|(row, item)| (row, item.clone())).collect())
    }

    async fn before(&self, key: &Key) -> Result<Option<Value>, LedgerError> {
        Ok(self.state().before.get(key).cloned())
    }

    async fn history(&self, after: u64, limit: usize) -> Result<Vec<(u64, Past)>, LedgerError> {
        let state = self.state();
        let rows = (1..).zip(&state.history).skip(index(after)).take(limit);
        Ok(rows.map(|(row, past)| (row, past.clone())).collect())
    }

    async fn meta(&self, name: &str) -> Result<Option<Value>, LedgerError> {
        Ok(self.state().meta.get(name).cloned())
    }
}

/// Entries stand in the order of their first sight and are never removed, so that an entry's row
/// is its index and one.
#[derive(Clone, Default, PartialEq)]
struct State {
    entries: Vec<Entry>,
    rows: HashMap<Key, usize>,
    known_as: HashMap<Alias, BTreeSet<usize>>,
    aliases: HashMap<usize, Vec<Alias>>,
    stages: HashMap<String, Progress>,
    parked: BTreeMap<u64, Parked>,
    parked_rows: HashMap<Key, u64>,
    last_parked: u64,
    discovered: HashMap<String, List>,
    before: HashMap<Key, Value>,
    history: Vec<Past>,
    meta: HashMap<String, Value>,
    /// In the order they were first heard of.
    stage_names: Vec<String>,
}

#[derive(Clone, Default, PartialEq)]
struct List {
    items: Vec<String>,
    known: HashSet<String>,
}

impl State {
    fn apply(&mut self, change: Change) {
        match change {
            Change::Settle {
                key,
                stage,
                fate,
                fingerprint,
                target,
                reason,
                notes,
                attempts,
                at,
            } => {
                let row = self.row(&key, &stage, at);
                let entry = &mut self.entries[row];
                entry.fate = fate;
                entry.fingerprint = fingerprint.or(entry.fingerprint);
                entry.target = target.or(entry.target.take());
                entry.reason = reason;
                entry.notes = notes;
                entry.attempts = attempts;
                entry.at = at;
            }
            Change::Intent { key, stage, draft, at } => {
                let row = self.row(&key.root(), &stage, at);
                rules::intend(&mut self.entries[row], &key, draft, at);
            }
            Change::Done { key, stage, target, fingerprint, how, state, at } => {
                let row = self.row(&key.root(), &stage, at);
                let written = Written { target, fingerprint, how, state, at };
                rules::done(&mut self.entries[row], &key, written);
            }
            Change::Void { key } => {
                if let Some(row) = self.rows.get(&key.root()) {
                    rules::void(&mut self.entries[*row], &key);
                }
            }
            Change::Aliases { key, stage, aliases } => self.rename(&key, &stage, aliases),
            Change::Discover { list, item } => {
                let list = self.discovered.entry(list).or_default();
                if list.known.insert(item.clone()) {
                    list.items.push(item);
                }
            }
            Change::Park(parked) => self.park(*parked),
            Change::Unpark { key } => {
                if let Some(row) = self.parked_rows.remove(&key) {
                    self.parked.remove(&row);
                }
            }
            Change::Before { key, image } => {
                self.before.entry(key).or_insert(image);
            }
            Change::VoidBefore { key } => {
                self.before.remove(&key);
            }
            Change::Page { stage, pass, keys, next, mark } => {
                for key in &keys {
                    if let Some(row) = self.rows.get(key).copied() {
                        self.adopt(row, &stage);
                        self.entries[row].seen = pass;
                    }
                }
                self.stage_mut(&stage).page(&keys, next, mark);
            }
            Change::Begin { stage, pass, since, at: _ } => {
                self.stage_mut(&stage).begin(pass, since);
            }
            Change::Read { stage } => self.stage_mut(&stage).state.read = true,
            Change::Undone { key, at } => self.undone(&key, at),
            Change::Forget { key, at } => self.forget(&key, at),
            Change::Finish { stage, at: _ } => self.finish(stage),
            Change::Meta { name, value: Some(value) } => {
                self.meta.insert(name, value);
            }
            Change::Meta { name, value: None } => {
                self.meta.remove(&name);
            }
        }
    }

    /// The row of a record's entry, which is made, as pending, if there is none, and moved to this
    /// stage, if another had it.
    fn row(&mut self, key: &Key, stage: &str, at: DateTime<Utc>) -> usize {
        if let Some(row) = self.rows.get(key).copied() {
            self.adopt(row, stage);
            return row;
        }
        self.stage_mut(stage);
        let row = self.entries.len();
        self.entries.push(Entry { at, ..Entry::pending(key.clone(), stage) });
        self.rows.insert(key.clone(), row);
        row
    }

    fn adopt(&mut self, row: usize, stage: &str) {
        if self.entries[row].stage != stage {
            let key = self.entries[row].key.clone();
            let (former, seen) = (self.entries[row].stage.clone(), self.entries[row].seen);
            self.stage_mut(&former).leave(&key, seen);
            self.apply(Change::Unpark { key });
            self.stage_mut(stage);
            stage.clone_into(&mut self.entries[row].stage);
            // Passes are those of a stage.
            self.entries[row].seen = 0;
        }
    }

    fn stage_mut(&mut self, name: &str) -> &mut Progress {
        if !self.stages.contains_key(name) {
            self.stage_names.push(name.to_owned());
        }
        self.stages.entry(name.to_owned()).or_default()
    }

    fn finish(&mut self, name: String) {
        let stage = self.stage_mut(&name);
        stage.finish();
        let (pass, whole) = (stage.state.pass, !stage.state.partial);
        let mended = |entry: &&Entry| {
            let code = entry.reason.as_ref().map(|reason| reason.code.as_str());
            whole && entry.stage == name && entry.seen < pass && code == Some(UNREADABLE)
        };
        let mended = self.entries.iter().filter(mended).map(|entry| entry.key.clone());
        mended.collect::<Vec<Key>>().iter().for_each(|key| self.drop_entry(key));
    }

    fn undone(&mut self, key: &Key, at: DateTime<Utc>) {
        let Some(row) = self.rows.get(&key.root()) else { return };
        let entry = &mut self.entries[*row];
        let Some(written) = rules::undone(entry, key) else { return };
        let stage = entry.stage.clone();
        self.history.push(Past { key: key.clone(), stage, written, undone_at: at });
        self.before.remove(key);
    }

    fn forget(&mut self, key: &Key, at: DateTime<Utc>) {
        let Some(row) = self.rows.get(key).copied() else { return };
        let parts: Vec<Key> = self.entries[row].parts.iter().map(|it| it.key.clone()).collect();
        parts.iter().for_each(|part| self.undone(part, at));
        self.drop_entry(key);
    }

    /// Drops an entry with its aliases and what is parked of it.
    fn drop_entry(&mut self, key: &Key) {
        let Some(row) = self.rows.get(key).copied() else { return };
        let stage = self.entries[row].stage.clone();
        self.rename(key, &stage, Vec::new());
        self.apply(Change::Unpark { key: key.clone() });
        // Rows keep their numbers; one of no stage is nowhere shown.
        self.rows.remove(key);
        self.entries[row].stage.clear();
        self.entries[row].parts.clear();
    }

    fn rename(&mut self, key: &Key, stage: &str, mut aliases: Vec<Alias>) {
        let row = self.row(key, stage, DateTime::UNIX_EPOCH);
        for old in self.aliases.remove(&row).unwrap_or_default() {
            if let Some(rows) = self.known_as.get_mut(&old) {
                rows.remove(&row);
            }
        }
        aliases.sort_unstable();
        aliases.dedup();
        for alias in &aliases {
            self.known_as.entry(*alias).or_default().insert(row);
        }
        self.aliases.insert(row, aliases);
    }

    fn park(&mut self, parked: Parked) {
        self.row(&parked.key, &parked.stage, DateTime::UNIX_EPOCH);
        self.stage_mut(&parked.stage);
        let row = *self.parked_rows.entry(parked.key.clone()).or_insert_with(|| {
            self.last_parked += 1;
            self.last_parked
        });
        self.parked.insert(row, parked);
    }
}

fn without_parts(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    entry.parts.clear();
    entry
}

fn index(row: u64) -> usize {
    usize::try_from(row).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ledger::contract;

    #[tokio::test(flavor = "multi_thread")]
    async fn keeps_the_contract() {
        contract::check(|| Arc::new(MemoryLedger::new())).await;
    }

    #[test]
    fn debug_shows_no_data() {
        let text = format!("{:?}", MemoryLedger::new());
        assert_eq!(text, "MemoryLedger { .. }");
    }
}
