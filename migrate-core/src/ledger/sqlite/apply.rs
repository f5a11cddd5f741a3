//! Writing: what each [`Change`] does to the file.

use chrono::{DateTime, Utc};

use super::code::micros;
use super::names::Name;
use super::row::{Result, run};
use super::store::Tx;
use super::tables::{write_discovery, write_image, write_meta, write_parked, write_past};
use crate::Key;
use crate::ledger::{Change, Entry, Parked, Past, Written, rules};

impl Tx<'_> {
    /// Makes one change.
    pub(super) fn apply(&mut self, change: &Change) -> Result<()> {
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
                let record = self.change_or_make(key, stage, *at)?;
                let entry = &mut record.entry;
                let former = std::mem::replace(&mut entry.fate, *fate);
                entry.fingerprint = fingerprint.or(entry.fingerprint);
                entry.target = target.clone().or(entry.target.take());
                entry.reason.clone_from(reason);
                entry.notes.clone_from(notes);
                (entry.attempts, entry.at) = (*attempts, *at);
                let stage = record.stage;
                self.recount(stage, former, *fate);
            }
            Change::Intent { key, stage, draft, at } => {
                let record = self.change_or_make(&key.root(), stage, *at)?;
                rules::intend(&mut record.entry, key, draft.clone(), *at);
            }
            Change::Done { key, stage, target, fingerprint, how, state, at } => {
                let (target, fingerprint) = (target.clone(), *fingerprint);
                let written = Written { target, fingerprint, how: *how, state: *state, at: *at };
                let record = self.change_or_make(&key.root(), stage, *at)?;
                rules::done(&mut record.entry, key, written);
            }
            Change::Void { key } => {
                if let Some(record) = self.change(&key.root())? {
                    rules::void(&mut record.entry, key);
                }
            }
            Change::Aliases { key, stage, aliases } => self.rename(key, stage, aliases)?,
            Change::Discover { list, item } => {
                if let (row, true) = self.row_of(&Name::discovery(list, item))? {
                    write_discovery(self.db, row, list, item)?;
                }
            }
            Change::Park(parked) => self.park(parked)?,
            Change::Unpark { key } => self.unpark(key)?,
            Change::Before { key, image } => {
                if let (row, true) = self.row_of(&Name::before(key))? {
                    write_image(self.db, row, key, image)?;
                }
            }
            Change::VoidBefore { key } => self.drop_image(key)?,
            Change::Page { stage, pass, keys, next, mark } => {
                for key in keys {
                    let is_seen = |entry: &Entry| entry.seen == *pass && entry.stage == *stage;
                    if self.record(key)?.is_some_and(|record| !is_seen(&record.entry)) {
                        let at = DateTime::UNIX_EPOCH;
                        self.change_or_make(key, stage, at)?.entry.seen = *pass;
                    }
                }
                self.stage(stage)?.progress.page(keys, next.clone(), mark.clone());
            }
            Change::Begin { stage, pass, since, at } => {
                let stage = self.stage(stage)?;
                stage.progress.begin(*pass, since.clone());
                (stage.begun_at, stage.finished_at) = (Some(micros(*at)), None);
            }
            Change::Read { stage } => self.stage(stage)?.progress.state.read = true,
            Change::Finish { stage, at } => self.finish(stage, *at)?,
            Change::Undone { key, at } => self.undone(key, *at)?,
            Change::Forget { key, at } => self.forget(key, *at)?,
            Change::Meta { name, value: Some(value) } => {
                let (row, _) = self.row_of(&Name::meta(name))?;
                write_meta(self.db, row, name, value)?;
            }
            Change::Meta { name, value: None } => {
                let known = Name::meta(name);
                if let Some(row) = self.store.chain.find(self.db, &known)? {
                    self.store.chain.remove(self.db, &known, row)?;
                    run(self.db, "DELETE FROM meta WHERE id = ?1", [row])?;
                }
            }
        }
        Ok(())
    }

    fn park(&mut self, parked: &Parked) -> Result<()> {
        let known = self.change_or_make(&parked.key, &parked.stage, DateTime::UNIX_EPOCH)?.parked;
        let row = known.unwrap_or_else(|| self.new_row());
        let stage = self.stage(&parked.stage)?.id;
        if let Some(record) = self.change(&parked.key)? {
            record.parked = Some(row);
        }
        write_parked(self.db, row, stage, parked)
    }

    fn finish(&mut self, name: &str, at: DateTime<Utc>) -> Result<()> {
        let stage = self.stage(name)?;
        stage.progress.finish();
        stage.finished_at = Some(micros(at));
        let (id, state) = (stage.id, stage.progress.state.clone());
        if state.partial {
            return Ok(());
        }
        // What the table does not show yet would be missed.
        self.write_entries()?;
        let mended: Vec<String> = self
            .db
            .prepare_cached(
                "SELECT key FROM entry
                 WHERE stage = ?1 AND seen < ?2 AND reason ->> 'code' = 'unreadable'",
            )?
            .query_map([id, i64::from(state.pass)], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        mended.into_iter().try_for_each(|key| self.drop_entry(&Key::from(key)))
    }

    fn undone(&mut self, key: &Key, at: DateTime<Utc>) -> Result<()> {
        let Some(record) = self.change(&key.root())? else { return Ok(()) };
        let Some(written) = rules::undone(&mut record.entry, key) else { return Ok(()) };
        let (stage, name) = (record.stage, record.entry.stage.clone());
        let past = Past { key: key.clone(), stage: name, written, undone_at: at };
        write_past(self.db, self.new_row(), stage, &past)?;
        self.drop_image(key)
    }

    fn drop_image(&mut self, key: &Key) -> Result<()> {
        let image = Name::before(key);
        if let Some(row) = self.store.chain.find(self.db, &image)? {
            self.store.chain.remove(self.db, &image, row)?;
            run(self.db, "DELETE FROM before_image WHERE id = ?1", [row])?;
        }
        Ok(())
    }

    fn forget(&mut self, key: &Key, at: DateTime<Utc>) -> Result<()> {
        let Some(record) = self.record(key)? else { return Ok(()) };
        let parts: Vec<Key> = record.entry.parts.iter().map(|part| part.key.clone()).collect();
        parts.iter().try_for_each(|part| self.undone(part, at))?;
        self.drop_entry(key)
    }
}
