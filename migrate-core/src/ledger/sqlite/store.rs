//! What the writer knows of the file: entries are read once, changed as often as a transaction
//! wants, and written once at its end. Those of the last transactions are remembered, since a
//! record's next write, and the page that it stands on, follow soon.

use std::collections::{BTreeSet, HashMap};
use std::mem;

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::chain::Chain;
use super::names::Name;
use super::row::{Result, Table, run};
use super::tables::{Record, Stage, StageNames, State};
use crate::ledger::Entry;
use crate::{Alias, Fate, Key};

/// Entries that are remembered: twice as many as are commonly open at once.
const REMEMBERED: usize = 2048;

/// The writer's knowledge. After a transaction that failed it is read anew.
#[derive(Default)]
pub(super) struct Store {
    pub(super) state: State,
    pub(super) chain: Chain,
    stages: Vec<Stage>,
    /// Stages whose row is to be written.
    changed_stages: BTreeSet<usize>,
    entries: HashMap<Key, Held>,
    /// Entries whose row is to be written, in the order in which they were first changed.
    changed: Vec<Key>,
}

struct Held {
    record: Record,
    /// Is there a row of it already?
    stored: bool,
    changed: bool,
}

/// A transaction.
pub(super) struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) store: &'a mut Store,
}

impl Store {
    pub(super) fn read(db: &Connection) -> Result<Self> {
        Ok(Self { state: State::read(db)?, stages: Stage::all(db)?, ..Self::default() })
    }
}

impl Tx<'_> {
    /// The record of a key, if there is one.
    pub(super) fn record(&mut self, key: &Key) -> Result<Option<&Record>> {
        self.load(key)?;
        Ok(self.store.entries.get(key).map(|held| &held.record))
    }

    /// The record of a key, to be changed, if there is one.
    pub(super) fn change(&mut self, key: &Key) -> Result<Option<&mut Record>> {
        self.load(key)?;
        let Some(held) = self.store.entries.get_mut(key) else { return Ok(None) };
        if !mem::replace(&mut held.changed, true) {
            self.store.changed.push(key.clone());
        }
        Ok(Some(&mut held.record))
    }

    /// The record of a key, to be changed; it is made, as pending, if there is none, and moved to
    /// this stage, if another had it.
    pub(super) fn change_or_make(
        &mut self,
        key: &Key,
        stage: &str,
        at: DateTime<Utc>,
    ) -> Result<&mut Record> {
        if !self.store.entries.contains_key(key) {
            match self.store.chain.find(self.db, &Name::key(key))? {
                Some(id) => self.hold(id, key)?,
                None => self.make(key, stage, at)?,
            }
        }
        self.adopt(key, stage)?;
        match self.change(key)? {
            Some(_) => {}
            None => return Err(Table::Entry.damaged(format_args!("key {key}"), "it is missing")),
        }
        // Asked for twice, because a borrow that is returned from a branch lasts too long.
        match self.store.entries.get_mut(key) {
            Some(held) => Ok(&mut held.record),
            None => Err(Table::Entry.damaged(format_args!("key {key}"), "it is missing")),
        }
    }

    fn load(&mut self, key: &Key) -> Result<()> {
        if self.store.entries.contains_key(key) {
            return Ok(());
        }
        match self.store.chain.find(self.db, &Name::key(key))? {
            Some(id) => self.hold(id, key),
            None => Ok(()),
        }
    }

    fn hold(&mut self, id: i64, key: &Key) -> Result<()> {
        let record = Record::of_key(self.db, id, key, &mut StageNames::default())?;
        let held = Held { record, stored: true, changed: false };
        self.store.entries.insert(key.clone(), held);
        Ok(())
    }

    fn make(&mut self, key: &Key, stage: &str, at: DateTime<Utc>) -> Result<()> {
        self.store.state.entries += 1;
        let id = self.store.state.entries;
        self.store.chain.add(self.db, &Name::key(key), id)?;
        let stage_row = self.stage(stage)?;
        stage_row.count(Fate::Pending, true);
        let stage_id = stage_row.id;
        let entry = Entry { at, ..Entry::pending(key.clone(), stage) };
        let record = Record { id, stage: stage_id, entry, aliases: Vec::new(), parked: None };
        let held = Held { record, stored: false, changed: false };
        self.store.entries.insert(key.clone(), held);
        Ok(())
    }

    /// Moves an entry to a stage, unless it is there already.
    fn adopt(&mut self, key: &Key, stage: &str) -> Result<()> {
        let elsewhere = |held: &&Held| held.record.entry.stage != stage;
        let Some(held) = self.store.entries.get(key).filter(elsewhere) else { return Ok(()) };
        let (id, former, stored) = (held.record.id, held.record.stage, held.stored);
        let (fate, seen) = (held.record.entry.fate, held.record.entry.seen);
        if let Some(place) = self.store.stages.iter().position(|it| it.id == former) {
            self.store.stages[place].progress.leave(key, seen);
            self.store.changed_stages.insert(place);
        }
        self.unpark(key)?;
        let now = self.stage(stage)?.id;
        self.count(former, fate, false);
        self.count(now, fate, true);
        if stored {
            run(self.db, "UPDATE entry SET stage = ?2 WHERE id = ?1", [id, now])?;
        }
        if let Some(Held { record, .. }) = self.store.entries.get_mut(key) {
            record.stage = now;
            stage.clone_into(&mut record.entry.stage);
            // Passes are those of a stage.
            record.entry.seen = 0;
        }
        Ok(())
    }

    /// Gives an entry another fate, which its stage counts.
    pub(super) fn recount(&mut self, stage: i64, from: Fate, to: Fate) {
        if from != to {
            self.count(stage, from, false);
            self.count(stage, to, true);
        }
    }

    fn count(&mut self, stage: i64, fate: Fate, more: bool) {
        if let Some(place) = self.store.stages.iter().position(|it| it.id == stage) {
            self.store.stages[place].count(fate, more);
            self.store.changed_stages.insert(place);
        }
    }

    /// Replaces the other names of an entry.
    pub(super) fn rename(&mut self, key: &Key, stage: &str, aliases: &[Alias]) -> Result<()> {
        let record = self.change_or_make(key, stage, DateTime::UNIX_EPOCH)?;
        let mut wanted: Vec<[u8; 16]> = Vec::with_capacity(aliases.len());
        for alias in aliases {
            if !wanted.contains(alias.as_bytes()) {
                wanted.push(*alias.as_bytes());
            }
        }
        let (id, old) = (record.id, mem::replace(&mut record.aliases, wanted.clone()));
        for alias in old.iter().filter(|alias| !wanted.contains(alias)) {
            self.store.chain.remove(self.db, &Name::alias(alias), id)?;
        }
        for alias in wanted.iter().filter(|alias| !old.contains(alias)) {
            self.store.chain.add(self.db, &Name::alias(alias), id)?;
        }
        Ok(())
    }

    /// Erases what is parked of a record.
    pub(super) fn unpark(&mut self, key: &Key) -> Result<()> {
        if self.record(key)?.is_none_or(|record| record.parked.is_none()) {
            return Ok(());
        }
        let parked = self.change(key)?.and_then(|record| record.parked.take());
        run(self.db, "DELETE FROM parked WHERE id = ?1", [parked])
    }

    /// Drops an entry with its names and what is parked of it.
    pub(super) fn drop_entry(&mut self, key: &Key) -> Result<()> {
        self.unpark(key)?;
        self.load(key)?;
        let Some(Held { record, stored, .. }) = self.store.entries.remove(key) else {
            return Ok(());
        };
        for alias in &record.aliases {
            self.store.chain.remove(self.db, &Name::alias(alias), record.id)?;
        }
        self.store.chain.remove(self.db, &Name::key(key), record.id)?;
        self.count(record.stage, record.entry.fate, false);
        if stored {
            run(self.db, "DELETE FROM entry WHERE id = ?1", [record.id])?;
        }
        Ok(())
    }

    /// The row of a stage, to be changed; it is made if there is none.
    pub(super) fn stage(&mut self, name: &str) -> Result<&mut Stage> {
        let known = self.store.stages.iter().position(|it| it.name == name);
        let place = match known {
            Some(place) => place,
            None => {
                let (id, _) = self.row_of(&Name::stage(name))?;
                self.store.stages.push(Stage { id, name: name.to_owned(), ..Stage::default() });
                self.store.stages.len() - 1
            }
        };
        self.store.changed_stages.insert(place);
        Ok(&mut self.store.stages[place])
    }

    /// The row that a name leads to, other than an entry's; it is given one if it is new. Returns
    /// whether it is.
    pub(super) fn row_of(&mut self, name: &Name) -> Result<(i64, bool)> {
        if let Some(row) = self.store.chain.find(self.db, name)? {
            return Ok((row, false));
        }
        let row = self.new_row();
        self.store.chain.add(self.db, name, row)?;
        Ok((row, true))
    }

    /// A row for something that has no name.
    pub(super) fn new_row(&mut self) -> i64 {
        self.store.state.others += 1;
        self.store.state.others
    }

    /// Writes the rows of all entries that were changed.
    pub(super) fn write_entries(&mut self) -> Result<()> {
        for key in mem::take(&mut self.store.changed) {
            // One that was dropped is no longer there.
            if let Some(held) = self.store.entries.get_mut(&key).filter(|held| held.changed) {
                held.record.write(self.db, !held.stored)?;
                (held.stored, held.changed) = (true, false);
            }
        }
        Ok(())
    }

    /// Writes what was changed where it is much, and forgets it: for transactions without a bound.
    pub(super) fn write_some(&mut self) -> Result<()> {
        if self.store.entries.len() > REMEMBERED {
            self.write_entries()?;
            self.store.entries.clear();
            self.store.chain.write(self.db)?;
        }
        Ok(())
    }

    /// Writes all that was changed, and counts the transaction.
    pub(super) fn write(mut self) -> Result<()> {
        self.write_entries()?;
        self.store.chain.write(self.db)?;
        for place in mem::take(&mut self.store.changed_stages) {
            self.store.stages[place].write(self.db)?;
        }
        self.store.state.commits += 1;
        self.store.state.write(self.db)?;
        if self.store.entries.len() > REMEMBERED {
            self.store.entries.clear();
        }
        Ok(())
    }
}
