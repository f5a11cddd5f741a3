//! The chain of names as the writer knows it: links are read and verified once, changed in memory,
//! and written once at the end of a transaction. A new name that falls between two known neighbours
//! then costs no look at the file, which is most of what a first sight of a record takes.

use std::collections::BTreeMap;
use std::mem;

use rusqlite::Connection;

use super::names::{self, Name, Place};
use super::row::{Result, run};

/// Links that are remembered between transactions.
const REMEMBERED: usize = 8192;

/// The part of the chain that is known. Whatever is not yet written is part of it, and so is the
/// link before it; what the file says of any other link is therefore true.
#[derive(Default)]
pub(super) struct Chain {
    links: BTreeMap<Place, Known>,
    changed: Vec<Place>,
}

struct Known {
    next: Option<Place>,
    stored: bool,
    changed: bool,
}

impl Chain {
    /// The row with a name, which no other has; `None` is proven.
    pub(super) fn find(&mut self, db: &Connection, name: &Name) -> Result<Option<i64>> {
        let (_, next) = self.around(db, name, 0)?;
        Ok(next.filter(|next| next.0 == *name).map(|next| next.1))
    }

    /// Gives a name to a row, once.
    pub(super) fn add(&mut self, db: &Connection, name: &Name, row: i64) -> Result<()> {
        let place = (name.clone(), row);
        let (before, next) = self.around(db, name, row)?;
        if next.as_ref() != Some(&place) {
            let new = Known { next, stored: false, changed: true };
            self.links.insert(place.clone(), new);
            self.changed.push(place.clone());
            self.lead(before, Some(place));
        }
        Ok(())
    }

    /// Takes a name from a row that has it.
    pub(super) fn remove(&mut self, db: &Connection, name: &Name, row: i64) -> Result<()> {
        let place = (name.clone(), row);
        let (before, next) = self.around(db, name, row)?;
        if next.as_ref() != Some(&place) {
            return Err(names::damaged(name));
        }
        let (_, after) = self.around(db, name, row + 1)?;
        if self.links.remove(&place).is_some_and(|known| known.stored) {
            let sql = "DELETE FROM name WHERE name = ?1 AND row = ?2";
            run(db, sql, (name.as_bytes(), row))?;
        }
        self.lead(before, after);
        Ok(())
    }

    /// Writes what was changed, in the order of names.
    pub(super) fn write(&mut self, db: &Connection) -> Result<()> {
        let mut changed = mem::take(&mut self.changed);
        changed.sort_unstable();
        for place in changed {
            // One that was removed is no longer there.
            let Some(known) = self.links.get_mut(&place).filter(|known| known.changed) else {
                continue;
            };
            let next = known.next.as_ref().map(|(name, row)| (name, *row));
            names::write(db, &place.0, place.1, next, !known.stored)?;
            (known.stored, known.changed) = (true, false);
        }
        if self.links.len() > REMEMBERED {
            self.links.clear();
        }
        Ok(())
    }

    /// The last link before a place, which becomes known, and the first at it or after it.
    fn around(&mut self, db: &Connection, name: &Name, row: i64) -> Result<(Place, Option<Place>)> {
        let place = (name.clone(), row);
        if let Some((before, known)) = self.links.range(..&place).next_back()
            && known.next.as_ref().is_none_or(|next| *next >= place)
        {
            return Ok((before.clone(), known.next.clone()));
        }
        let (before, next) = names::neighbours(db, name, row)?;
        let known = Known { next: next.clone(), stored: true, changed: false };
        self.links.insert(before.clone(), known);
        Ok((before, next))
    }

    fn lead(&mut self, from: Place, to: Option<Place>) {
        if let Some(known) = self.links.get_mut(&from) {
            known.next = to;
            if !mem::replace(&mut known.changed, true) {
                self.changed.push(from);
            }
        }
    }
}
