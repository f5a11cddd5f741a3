//! A ledger in memory, for dry runs and tests.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    Change, Entry, Ledger, LedgerError, Parked, Parking, Part, PartState, Past, Proof, Scan,
    StageState, UNREADABLE, Written,
};
use crate::{Alias, Cursor, Key, Tally};

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

    async fn stage(&self, stage: &str) -> Result<StageState, LedgerError> {
        Ok(self.state().stages.get(stage).cloned().unwrap_or_default())
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
#[derive(Clone, Default)]
struct State {
    entries: Vec<Entry>,
    rows: HashMap<Key, usize>,
    known_as: HashMap<Alias, BTreeSet<usize>>,
    aliases: HashMap<usize, Vec<Alias>>,
    stages: HashMap<String, StageState>,
    parked: BTreeMap<u64, Parked>,
    parked_rows: HashMap<Key, u64>,
    last_parked: u64,
    discovered: HashMap<String, List>,
    before: HashMap<Key, Value>,
    history: Vec<Past>,
    meta: HashMap<String, Value>,
    /// In the order they were first heard of.
    stage_names: Vec<String>,
    /// Marks of passes that are not finished.
    next_marks: HashMap<String, Cursor>,
}

#[derive(Clone, Default)]
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
            Change::Intent { key, stage, at } => self.intend(key, &stage, at),
            Change::Done { key, stage, target, fingerprint, how, state, at } => {
                self.done(key, &stage, Written { target, fingerprint, how, state, at });
            }
            Change::Void { key } => self.void(&key),
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
            Change::Page { stage, pass, keys, next, mark } => {
                for key in &keys {
                    if let Some(row) = self.rows.get(key) {
                        self.entries[*row].seen = pass;
                    }
                }
                if let Some(mark) = mark {
                    self.next_marks.entry(stage.clone()).or_insert(mark);
                }
                let stage = self.stage_mut(&stage);
                stage.keys += keys.len() as u64;
                keys.iter().for_each(|key| stage.digest.add(key));
                stage.cursor = next;
            }
            Change::Begin { stage, pass, since, at: _ } => {
                self.next_marks.remove(&stage);
                let state = self.stage_mut(&stage);
                let (partial, mark) = (since.is_some(), state.mark.take());
                *state = StageState { pass, cursor: since, partial, mark, ..StageState::default() };
            }
            Change::Read { stage } => self.stage_mut(&stage).read = true,
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

    /// The row of a record's entry, which is made, as pending, if there is none.
    fn row(&mut self, key: &Key, stage: &str, at: DateTime<Utc>) -> usize {
        if let Some(row) = self.rows.get(key) {
            return *row;
        }
        self.stage_mut(stage);
        let row = self.entries.len();
        self.entries.push(Entry { at, ..Entry::pending(key.clone(), stage) });
        self.rows.insert(key.clone(), row);
        row
    }

    fn stage_mut(&mut self, name: &str) -> &mut StageState {
        if !self.stages.contains_key(name) {
            self.stage_names.push(name.to_owned());
        }
        self.stages.entry(name.to_owned()).or_default()
    }

    fn finish(&mut self, name: String) {
        let mark = self.next_marks.remove(&name);
        let stage = self.stage_mut(&name);
        stage.finished = true;
        stage.mark = mark.or(stage.mark.take());
        let (pass, whole) = (stage.pass, !stage.partial);
        let mended = |entry: &&mut Entry| {
            let code = entry.reason.as_ref().map(|reason| reason.code.as_str());
            whole && entry.stage == name && entry.seen < pass && code == Some(UNREADABLE)
        };
        for entry in self.entries.iter_mut().filter(mended) {
            // Rows keep their numbers; one of no stage is nowhere shown.
            self.rows.remove(&entry.key);
            entry.stage.clear();
        }
    }

    fn intend(&mut self, key: Key, stage: &str, at: DateTime<Utc>) {
        let row = self.row(&key.root(), stage, at);
        let parts = &mut self.entries[row].parts;
        match parts.iter_mut().find(|part| part.key == key) {
            None => parts.push(Part { key, state: PartState::Intended { at, known: None } }),
            Some(part) => {
                if let PartState::Done(known) = &part.state {
                    part.state = PartState::Intended { at, known: Some(known.clone()) };
                }
            }
        }
    }

    fn done(&mut self, key: Key, stage: &str, mut written: Written) {
        let root = key.root();
        let row = self.row(&root, stage, written.at);
        let entry = &mut self.entries[row];
        if key == root {
            entry.target = Some(written.target.clone());
            entry.at = written.at;
        }
        let Some(part) = entry.parts.iter_mut().find(|part| part.key == key) else {
            return entry.parts.push(Part { key, state: PartState::Done(written) });
        };
        if let PartState::Done(former) | PartState::Intended { known: Some(former), .. } =
            &part.state
        {
            written.how = former.how;
        }
        part.state = PartState::Done(written);
    }

    fn void(&mut self, key: &Key) {
        let Some(row) = self.rows.get(&key.root()) else { return };
        let parts = &mut self.entries[*row].parts;
        let Some(at) = parts.iter().position(|part| &part.key == key) else { return };
        match &parts[at].state {
            PartState::Intended { known: Some(known), .. } => {
                parts[at].state = PartState::Done(known.clone());
            }
            PartState::Intended { known: None, .. } => {
                parts.remove(at);
            }
            PartState::Done(_) => {}
        }
    }

    fn undone(&mut self, key: &Key, at: DateTime<Utc>) {
        let Some(row) = self.rows.get(&key.root()) else { return };
        let entry = &mut self.entries[*row];
        let Some(place) = entry.parts.iter().position(|part| &part.key == key) else { return };
        let PartState::Done(written) = entry.parts[place].state.clone() else { return };
        entry.parts.remove(place);
        if *key == entry.key {
            entry.target = None;
        }
        let stage = entry.stage.clone();
        self.history.push(Past { key: key.clone(), stage, written, undone_at: at });
        self.before.remove(key);
    }

    fn forget(&mut self, key: &Key, at: DateTime<Utc>) {
        let Some(row) = self.rows.get(key).copied() else { return };
        let parts: Vec<Key> = self.entries[row].parts.iter().map(|it| it.key.clone()).collect();
        parts.iter().for_each(|part| self.undone(part, at));
        let (key, stage) = (key.clone(), self.entries[row].stage.clone());
        self.rename(&key, &stage, Vec::new());
        self.apply(Change::Unpark { key: key.clone() });
        // Rows keep their numbers; one of no stage is nowhere shown.
        self.rows.remove(&key);
        self.entries[row].stage.clear();
        self.entries[row].parts.clear();
    }

    fn rename(&mut self, key: &Key, stage: &str, aliases: Vec<Alias>) {
        let row = self.row(key, stage, DateTime::UNIX_EPOCH);
        for old in self.aliases.remove(&row).unwrap_or_default() {
            if let Some(rows) = self.known_as.get_mut(&old) {
                rows.remove(&row);
            }
        }
        for alias in &aliases {
            self.known_as.entry(*alias).or_default().insert(row);
        }
        self.aliases.insert(row, aliases);
    }

    fn park(&mut self, parked: Parked) {
        self.row(&parked.key, &parked.stage, DateTime::UNIX_EPOCH);
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
