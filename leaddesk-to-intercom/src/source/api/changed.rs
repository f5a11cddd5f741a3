//! Contacts of which the ledger and the exports of calling lists say, without a call for each, that
//! they are as they were.
//!
//! A delta reads, in this order:
//!
//! 1. whoever may have changed, and whoever is not in place with an object of their own,
//! 2. with each page of these, whoever shares an identity with one of them – by the names that it
//!    has now or those that the ledger has of it –, and so on until nobody new appears,
//! 3. nobody else: the others are named as [unchanged](Page::unchanged).
//!
//! So whoever is not read shares an identity with nobody who is, neither now nor when everything was
//! read, and what the engine brings together is what it would bring together of all. A page is
//! closed in itself, and nobody is named as unchanged before everybody else was read: so a reading
//! that broke off goes on with whatever the ledger has not seen in its pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use leaddesk_client::ListRow;
use migrate_core::ledger::{Entry, Parking, PartState, Scan};
use migrate_core::{Alias, Cursor, Emit, Fate, Key, Ledger, Mapper, Page, Record, SourceError};

use super::contacts::{Contacts, Index};
use crate::source::{ListedContact, PAGE, keys};
use crate::value::time::Local;
use crate::value::{Zone, time};

/// How much earlier than the last reading a change must lie that was surely read: clocks differ, and
/// the times have no zone but the one that the configuration names.
const MARGIN: TimeDelta = TimeDelta::days(1);

/// Contacts that are named at once, without a call.
const NAMED: usize = 500;

/// What the cursors of the two phases begin with.
const CHANGED: &str = "changed:";
const UNCHANGED: &str = "unchanged:";

/// The names by which a mapper knows a record.
#[derive(Default)]
struct Named {
    /// Those that bring records together.
    identities: Vec<Alias>,
    /// The others.
    others: Vec<Alias>,
}

/// Tells the names of a record.
type NamedBy = Arc<dyn Fn(Record<ListedContact>) -> Named + Send + Sync>;

/// What a reading knows of earlier ones.
#[derive(Clone)]
pub struct Known {
    ledger: Arc<dyn Ledger>,
    stage: &'static str,
    names: NamedBy,
    zone: Zone,
    since: Option<DateTime<Utc>>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("since", &self.since).finish_non_exhaustive()
    }
}

impl Known {
    /// What this ledger has of a stage, whose records get their names from this mapper. It leaves
    /// nothing out of its own, but goes on with a reading that did.
    pub fn new<M: Mapper<ListedContact> + 'static>(
        ledger: Arc<dyn Ledger>,
        stage: &'static str,
        mapper: M,
        zone: Zone,
    ) -> Self {
        let names: NamedBy = Arc::new(move |record| {
            let mut emit = Emit::default();
            mapper.map(record, &mut emit);
            let (identities, others) = (emit.identities(), emit.aliases().iter());
            let others = others.filter(|name| !identities.contains(name)).copied().collect();
            Named { identities: identities.to_vec(), others }
        });
        Self { ledger, stage, names, zone, since: None }
    }

    /// The same, where everything was read since then and brought to its end: who has not changed
    /// since is not read.
    #[must_use]
    pub fn since(mut self, since: Option<DateTime<Utc>>) -> Self {
        self.since = since;
        self
    }

    /// Does a reading that goes on from here leave anything out?
    pub(super) fn leaves_out(&self, from: Option<&Cursor>) -> bool {
        let phase = |from: &Cursor| {
            let from = from.as_str();
            from.starts_with(CHANGED) || from.starts_with(UNCHANGED)
        };
        self.since.is_some() || from.is_some_and(phase)
    }

    /// May a change stand behind this row that was not read yet?
    pub(super) fn may_have_changed(&self, row: &ListRow) -> bool {
        self.since.is_none_or(|since| !is_older(row, since, self.zone))
    }

    /// Those of the ids that are in the ledger under these names, as records of this stage.
    async fn known_as(&self, names: &[Alias]) -> Result<BTreeSet<u64>, SourceError> {
        let known = self.ledger.known_as(names).await.map_err(unread)?;
        let of_stage = known.into_iter().flatten().filter(|entry| entry.stage == self.stage);
        Ok(of_stage.filter_map(|entry| id_of(&entry.key)).collect())
    }

    /// The names of records by which others may belong to them: the identities that they have now,
    /// and the names that the ledger has of them, save what is no identity now either.
    async fn names_of(
        &self,
        ids: &[u64],
        items: &[migrate_core::Item<ListedContact>],
    ) -> Result<BTreeSet<Alias>, SourceError> {
        let mut now: BTreeMap<Key, Named> = BTreeMap::new();
        for record in items.iter().flatten() {
            now.insert(record.key.clone(), (self.names)(record.clone()));
        }
        let keys: Vec<Key> = ids.iter().map(keys::contact).collect();
        let before = self.ledger.aliases(&keys).await.map_err(unread)?;
        let mut names = BTreeSet::new();
        for (key, before) in keys.iter().zip(before) {
            let now = now.remove(key).unwrap_or_default();
            let is_other = |name: &Alias| now.others.contains(name);
            names.extend(before.into_iter().filter(|name| !is_other(name)));
            names.extend(now.identities);
        }
        Ok(names)
    }
}

/// Was everything that this row tells of changed so long before `since` that it was surely read?
///
/// The contact's own time must be there; one of the number or of a call need not. What cannot be
/// read as a time says nothing, so the contact is read. Of a time that clocks showed twice the later
/// one counts.
pub(super) fn is_older(row: &ListRow, since: DateTime<Utc>, zone: Zone) -> bool {
    let before = since - MARGIN;
    let older = |text: &str| match time::parse(text, zone) {
        Ok(Some(Local::Overlap { later, .. })) => Some(later < before),
        Ok(Some(at)) => Some(at.utc() < before),
        Ok(None) => None,
        Err(_) => Some(false),
    };
    older(row.contact_updated_at.text()) == Some(true)
        && [&row.phone_updated_at, &row.last_call_at]
            .iter()
            .all(|at| older(at.text()).unwrap_or(true))
}

/// A reading that leaves out whoever has not changed.
pub(super) struct Reading {
    contacts: Contacts,
    known: Known,
    index: Index,
    /// Who is to be read, in the order of the ids, and how many of them were.
    read: Vec<u64>,
    at: usize,
    /// Who need not be read, in that order, and how many of them were named.
    kept: Vec<u64>,
    named: usize,
    /// Those of `kept` that were read all the same, since they belong to somebody who was.
    moved: BTreeSet<u64>,
    is_over: bool,
}

impl Reading {
    /// Goes on from a cursor: what the pass has not seen yet is sifted anew.
    pub(super) async fn open(
        contacts: Contacts,
        known: Known,
        from: Option<Cursor>,
    ) -> Result<Self, SourceError> {
        let index = contacts.index().await?;
        let (read, kept) = (Vec::new(), Vec::new());
        let (at, named, moved, is_over) = (0, 0, BTreeSet::new(), false);
        let mut it = Self { contacts, known, index, read, at, kept, named, moved, is_over };
        // Others were named as unchanged already, and may belong to one that has come since.
        let is_ending = from.is_some_and(|from| from.as_str().starts_with(UNCHANGED));
        it.sift(is_ending).await?;
        if !is_ending {
            it.read_mates_of_vanished().await?;
        }
        Ok(it)
    }

    /// Divides the contacts that the pass has not seen. While the last phase is gone on with, nobody
    /// is read any more: what has changed meanwhile is later than the begin of the pass, so the next
    /// delta reads it.
    async fn sift(&mut self, is_ending: bool) -> Result<(), SourceError> {
        let ledger = self.known.ledger.clone();
        let pass = ledger.stage(self.known.stage).await.map_err(unread)?.pass;
        let mut left = 0;
        for ids in self.index.ids.chunks(PAGE) {
            let keys: Vec<Key> = ids.iter().map(keys::contact).collect();
            let entries = ledger.entries(&keys).await.map_err(unread)?;
            let parked = ledger.parked_among(&keys).await.map_err(unread)?;
            let parked = parked.into_iter().filter(|it| it.why != Parking::LastLook);
            let parked: BTreeSet<Key> = parked.map(|it| it.key).collect();
            for (id, entry) in ids.iter().zip(entries) {
                let of_stage = entry.as_ref().filter(|entry| entry.stage == self.known.stage);
                if of_stage.is_some_and(|entry| entry.seen == pass) {
                    continue;
                }
                let stands =
                    of_stage.is_some_and(|entry| is_own(entry) && !parked.contains(&entry.key));
                match (stands, is_ending) {
                    (true, true) => self.kept.push(*id),
                    (true, false) if !self.index.may_have_changed(*id) => self.kept.push(*id),
                    (false, true) => left += u64::from(entry.is_none()),
                    (_, false) => self.read.push(*id),
                }
            }
        }
        let what = "contacts came while a delta was interrupted; the next one reads them";
        self.contacts.findings().add(what, left);
        Ok(())
    }

    /// Whoever belonged to somebody who is gone is read, since they may be others without them.
    async fn read_mates_of_vanished(&mut self) -> Result<(), SourceError> {
        let ledger = self.known.ledger.clone();
        let mut scan = Scan::of(self.known.stage);
        loop {
            let rows = ledger.scan(&scan).await.map_err(unread)?;
            let Some((last, _)) = rows.last() else { break };
            scan.after = Some(*last);
            let is_gone =
                |key: &Key| id_of(key).is_some_and(|id| self.index.ids.binary_search(&id).is_err());
            let gone: Vec<Key> =
                rows.into_iter().map(|(_, entry)| entry.key).filter(is_gone).collect();
            let names = ledger.aliases(&gone).await.map_err(unread)?.concat();
            let mates = self.mates(&names).await?;
            self.read.extend(mates);
        }
        self.read.sort_unstable();
        Ok(())
    }

    /// Those who were to be left out and have one of these names: they are read from now on.
    async fn mates(&mut self, names: &[Alias]) -> Result<Vec<u64>, SourceError> {
        let mut mates: Vec<u64> = self.known.known_as(names).await?.into_iter().collect();
        mates.retain(|id| self.kept.binary_search(id).is_ok() && self.moved.insert(*id));
        Ok(mates)
    }

    /// The next page; none after the last.
    pub(super) async fn next(mut self) -> Result<Option<(Page<ListedContact>, Self)>, SourceError> {
        if self.is_over {
            return Ok(None);
        }
        let page = match self.at < self.read.len() {
            true => self.changed().await?,
            false => self.unchanged(),
        };
        self.is_over = page.next.is_none();
        Ok(Some((page, self)))
    }

    /// A page of those who are read, with everybody who belongs to them.
    async fn changed(&mut self) -> Result<Page<ListedContact>, SourceError> {
        let end = self.read.len().min(self.at + PAGE);
        let mut ids = self.read[self.at..end].to_vec();
        let last = ids.last().copied().unwrap_or_default();
        self.at = end;
        let (mut items, mut asked) = (Vec::new(), BTreeSet::new());
        while !ids.is_empty() {
            let fetched = self.contacts.fetched(&self.index, &ids).await?;
            let names = self.known.names_of(&ids, &fetched).await?;
            let names: Vec<Alias> = names.into_iter().filter(|name| asked.insert(*name)).collect();
            items.extend(fetched);
            ids = self.mates(&names).await?;
        }
        let next = match self.at < self.read.len() {
            true => Some(format!("{CHANGED}{last}")),
            false => {
                let moved = &self.moved;
                self.kept.retain(|id| !moved.contains(id));
                (!self.kept.is_empty()).then(|| UNCHANGED.to_owned())
            }
        };
        Ok(Page::new(items, next.map(Cursor::new)))
    }

    /// A page of those who are as they were. All others were read before.
    fn unchanged(&mut self) -> Page<ListedContact> {
        let end = self.kept.len().min(self.named + NAMED);
        let ids = &self.kept[self.named..end];
        let last = ids.last().filter(|_| end < self.kept.len());
        let next = last.map(|last| Cursor::new(format!("{UNCHANGED}{last}")));
        let page = Page::new([], next).unchanged(ids.iter().map(keys::contact));
        self.named = end;
        page
    }
}

/// Is it in place with an object of its own, and nothing of it in doubt?
fn is_own(entry: &Entry) -> bool {
    let in_doubt = |state: &PartState| matches!(state, PartState::Intended { .. });
    matches!(entry.fate, Fate::Created | Fate::Updated | Fate::Unchanged)
        && entry.target.is_some()
        && !entry.parts.iter().any(|part| in_doubt(&part.state))
}

/// The id in the key of a contact.
fn id_of(key: &Key) -> Option<u64> {
    key.id().parse().ok().filter(|_| key.kind() == keys::CONTACT)
}

fn unread(error: migrate_core::ledger::LedgerError) -> SourceError {
    SourceError::unavailable("the ledger could not be read").because(error)
}

#[cfg(test)]
mod tests;
