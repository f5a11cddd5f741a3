//! From a page of the source to units: mapped, looked up, and what needs no write settled at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::draft::Draft;
use crate::fate::{Fate, Reason};
use crate::ledger::{Change, Entry, Parked, Parking, Part, PartState, UNREADABLE};
use crate::mapper::{Emit, Mapper, Verdict};
use crate::observe::Event;
use crate::record::Page;
use crate::redrive::Selection;
use crate::run::Run;
use crate::sink::TargetId;
use crate::source::SourceError;
use crate::{Alias, Fingerprint, Key};

use super::RunError;
use super::ending::counted_again;
use super::flow::{Item, Load, OpenedPage};
use super::resolve::ToCome;
use super::unit::{Unit, doubted};

/// What the fingerprint is taken of where nothing of a record is to be written.
const NOTHING_WRITTEN: &[u8] = b"nothing is written";

/// Takes in the pages of one stage.
pub(super) struct Intake<'a, M> {
    pub(super) stage: &'a str,
    pub(super) run: &'a Run,
    pub(super) mapper: &'a M,
    pub(super) pass: u32,
    /// Are records with identities brought together when all are read?
    pub(super) groups: bool,
    /// Records that are tried again although they have not changed.
    pub(super) forced: Option<&'a Selection>,
    /// What the source may bring yet, which is told here as its records show it.
    pub(super) to_come: ToCome,
    /// Are all others that are known passed over? Then nothing is noted of the reading, which is no
    /// pass, but for what comes along with them: that counts as met in the last pass.
    pub(super) only_forced: bool,
    /// What was looked up already: a source may deliver a key again on a later page, and no page of
    /// a look-up is open or seen.
    pub(super) looked_up: Mutex<BTreeSet<Key>>,
}

/// A record of a page on its way in.
struct Incoming<D> {
    key: Key,
    lane: Option<String>,
    emit: Emit<D>,
    unreadable: Option<Reason>,
}

impl<M> Intake<'_, M> {
    /// Takes in one page. What needs no write is settled when this returns, and all aliases of
    /// the page's records are in the ledger, so that the next page finds them. `open_among` says
    /// which keys are being dealt with in pages before this one.
    pub(super) async fn page<In, D>(
        &self,
        page: Page<In>,
        open_among: impl Fn(&[Key]) -> BTreeSet<Key>,
    ) -> Result<Load<D>, RunError>
    where
        D: Draft,
        M: Mapper<In, Out = D>,
    {
        let unchanged = match self.only_forced {
            // Whoever is looked up is to be read.
            true => Vec::new(),
            false => page.unchanged,
        };
        let count = (page.items.len() + unchanged.len()) as u64;
        self.run.observer.observe(&Event::Read { stage: self.stage, records: count });
        let incoming = self.map(page.items);
        let keys: Vec<Key> = incoming.iter().map(|record| record.key.clone()).collect();
        let mut met = open_among(&keys);
        let entries = self.run.ledger.entries(&keys).await?;
        let is_to_come = |entry: &Option<Entry>| !self.only_forced || entry.is_none();
        let come = keys.iter().zip(&entries).filter(|(_, entry)| is_to_come(entry));
        self.to_come.brings(&come.map(|(key, _)| key.clone()).collect::<Vec<Key>>());
        let mut new_keys = Vec::with_capacity(keys.len());
        let mut changes = Vec::new();
        let (mut units, mut grouped) = (Vec::new(), Vec::new());
        let mut counts = Vec::new();
        let mut named: BTreeMap<Alias, Key> = BTreeMap::new();
        for (mut record, entry) in incoming.into_iter().zip(entries) {
            let forced = self.is_forced(entry.as_ref());
            let again = entry.as_ref().is_some_and(|entry| self.was_met(entry));
            // What a wanted record refers to comes along with it, if nothing is known of it yet.
            let comes_along = entry.is_none() && record.unreadable.is_none();
            let passed_over = match self.only_forced {
                true => !(forced || comes_along) || !self.looks_up(&record.key),
                false => again,
            };
            if passed_over || !met.insert(record.key.clone()) {
                // Met by another way already in this pass, or not wanted.
                continue;
            }
            if !self.only_forced || comes_along {
                new_keys.push(record.key.clone());
            }
            if let Some(unit) = self.doubt_only(&mut record, entry.as_ref())? {
                units.push(Item::Unit(unit, entry));
                continue;
            }
            let discoveries = std::mem::take(&mut record.emit.discoveries);
            let discovered = discoveries
                .into_iter()
                .map(|found| Change::Discover { list: found.list, item: found.item });
            if let Some(fate) = self.decide(&record, entry.as_ref(), &named, &mut changes).await? {
                counts.push(fate);
                let waits = fate == Fate::Queued;
                if !waits && entry.as_ref().is_some_and(|entry| !entry.fate.is_in_place()) {
                    // What was parked of it is not wanted any more, nor its place in its lane.
                    changes.push(Change::Unpark { key: record.key.clone() });
                }
                if let Some(lane) = record.lane.filter(|_| waits) {
                    units.push(Item::Queued(record.key.clone(), lane));
                } else if waits && entry.as_ref().is_some_and(|it| it.fate != Fate::Queued) {
                    changes.push(Change::Unpark { key: record.key.clone() });
                }
                // What a record that waits has led to is read all the same.
                changes.extend(discovered);
                continue;
            }
            let Incoming { key, lane, emit, .. } = record;
            let groups = self.groups && !emit.identities.is_empty();
            let names = names_of(&emit.identities, &emit.aliases);
            named.extend(names.iter().map(|name| (*name, key.clone())));
            let mut unit = Unit::new(key, lane, emit.drafts, names, emit.notes)?;
            let settled = entry.as_ref().is_some_and(|entry| unit.is_settled(entry));
            if !groups && settled && !forced {
                counts.push(counted_again(entry.as_ref()));
                changes.extend(discovered);
                continue;
            }
            changes.extend(discovered);
            let aliases = std::mem::take(&mut unit.aliases);
            if !aliases.is_empty() {
                let (key, stage) = (unit.root.clone(), self.stage.to_owned());
                changes.push(Change::Aliases { key, stage, aliases: aliases.clone() });
            }
            unit.aliases = aliases;
            if groups {
                // Only identities bring records together, other names do not.
                unit.aliases = emit.identities;
                grouped.push((unit, entry.is_some()));
                continue;
            }
            units.push(Item::Unit(unit, entry));
        }
        // After the records: one that was read is not passed over because it was named as well.
        let passed = self.unchanged(unchanged, &open_among, &mut met).await?;
        counts.extend(passed.iter().map(|_| Fate::Unchanged));
        new_keys.extend(passed);
        let of_units = units.iter().filter_map(|item| match item {
            Item::Unit(unit, Some(_)) => Some(unit.root.clone()),
            _ => None,
        });
        let of_groups = grouped.iter().filter(|(_, known)| *known);
        let known = of_units.chain(of_groups.map(|(unit, _)| unit.root.clone())).collect();
        let parked = self.parked(known).await?;
        units.retain(|item| match item {
            Item::Unit(unit, _) => {
                let in_doubt = parked.get(&unit.root).is_some_and(|it| it.why == Parking::Doubt);
                unit.verdict.is_some() || !in_doubt
            }
            Item::Queued(..) => true,
        });
        let of_units = units.iter_mut().filter_map(|item| match item {
            Item::Unit(unit, _) => Some(unit),
            Item::Queued(..) => None,
        });
        for unit in of_units.chain(grouped.iter_mut().map(|(unit, _)| unit)) {
            // Whatever the record has become, what is to be looked at for twins still is.
            unit.doubted = parked.get(&unit.root).map(doubted).unwrap_or_default();
        }
        let now = self.run.clock.now();
        for (unit, _) in grouped {
            let parked = unit.park(self.stage, Parking::Group, now, now, 0)?;
            changes.push(Change::Park(Box::new(parked)));
        }
        if !changes.is_empty() {
            self.run.ledger.commit(changes).await?;
        }
        counts.into_iter().for_each(|fate| self.run.count(self.stage, fate));
        let (next, mark) = match self.only_forced {
            true => (None, None),
            false => (page.next, page.mark),
        };
        let is_noted = !self.only_forced || !new_keys.is_empty();
        let page = OpenedPage { pass: self.pass, keys: new_keys, next, mark };
        Ok(Load { page: is_noted.then_some(page), units })
    }

    /// Those of the keys that are met for the first time in this pass. The source says that they are
    /// as they were, so each must be in place.
    async fn unchanged(
        &self,
        keys: Vec<Key>,
        open_among: impl Fn(&[Key]) -> BTreeSet<Key>,
        met: &mut BTreeSet<Key>,
    ) -> Result<Vec<Key>, RunError> {
        if keys.is_empty() {
            return Ok(keys);
        }
        met.append(&mut open_among(&keys));
        let entries = self.run.ledger.entries(&keys).await?;
        self.to_come.brings(&keys);
        let mut new_keys = Vec::with_capacity(keys.len());
        for (key, entry) in keys.into_iter().zip(entries) {
            let again = entry.as_ref().is_some_and(|entry| self.was_met(entry));
            if again || !met.insert(key.clone()) {
                continue;
            }
            if !entry.is_some_and(|entry| self.is_as_it_was(&entry)) {
                let message = format!(
                    "the source says that {key} is as it was when it was last read, and the ledger \
                     has it neither in place nor without doubt in this stage: read it"
                );
                let (stage, cause) = (self.stage.to_owned(), SourceError::refused(message));
                return Err(RunError::Source { stage, cause });
            }
            new_keys.push(key);
        }
        Ok(new_keys)
    }

    fn was_met(&self, entry: &Entry) -> bool {
        entry.seen == self.pass && entry.stage == self.stage
    }

    /// Is the record of this entry in place in this stage, and nothing of it in doubt?
    fn is_as_it_was(&self, entry: &Entry) -> bool {
        let in_doubt = |part: &Part| matches!(part.state, PartState::Intended { .. });
        entry.stage == self.stage && entry.fate.is_in_place() && !entry.parts.iter().any(in_doubt)
    }

    /// Is this key looked up for the first time?
    fn looks_up(&self, key: &Key) -> bool {
        self.looked_up.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
    }

    fn is_forced(&self, entry: Option<&Entry>) -> bool {
        match (self.forced, entry) {
            (Some(selection), Some(entry)) => selection.wants(entry),
            _ => false,
        }
    }

    fn map<In, D>(&self, items: Vec<crate::Item<In>>) -> Vec<Incoming<D>>
    where
        M: Mapper<In, Out = D>,
    {
        items
            .into_iter()
            .map(|item| match item {
                Ok(record) if record.key.part_name().is_some() => {
                    let what = "the key is that of a part, with a slash, and no record's";
                    let remedy = "make keys by Key::new, which escapes slashes";
                    let reason =
                        Reason::new("part_key", what).remedy("author of the source", remedy);
                    let (key, emit) = (record.key, Emit::default());
                    Incoming { key, lane: None, emit, unreadable: Some(reason) }
                }
                Ok(record) => {
                    let (key, lane) = (record.key.clone(), record.lane.clone());
                    let mut emit = Emit::default();
                    self.mapper.map(record, &mut emit);
                    let unreadable = written_twice(&emit.drafts);
                    Incoming { key, lane, emit, unreadable }
                }
                Err(unreadable) => {
                    let reason = Reason::new(UNREADABLE, unreadable.reason).remedy(
                        "owner of the source",
                        "mend the record at its source, then run again",
                    );
                    Incoming {
                        key: unreadable.key,
                        lane: None,
                        emit: Emit::default(),
                        unreadable: Some(reason),
                    }
                }
            })
            .collect()
    }

    /// A record of which the mapper makes nothing any more, while it is not known whether an
    /// earlier state of it was written: that is found out first.
    fn doubt_only<D: Draft>(
        &self,
        record: &mut Incoming<D>,
        entry: Option<&Entry>,
    ) -> Result<Option<Unit<D>>, RunError> {
        let is_kept =
            |part: &Part| matches!(part.state, PartState::Intended { draft: Some(_), .. });
        let in_doubt = entry.is_some_and(|entry| entry.parts.iter().any(is_kept));
        let Some(verdict) = verdict_of(record).filter(|_| in_doubt) else { return Ok(None) };
        let (lane, notes) = (record.lane.take(), std::mem::take(&mut record.emit.notes));
        let mut unit = Unit::new(record.key.clone(), lane, Vec::new(), Vec::new(), notes)?;
        unit.verdict = Some(verdict);
        Ok(Some(unit))
    }

    /// The fate of a record that needs no write, with the changes that settle it.
    async fn decide<D>(
        &self,
        record: &Incoming<D>,
        entry: Option<&Entry>,
        named: &BTreeMap<Alias, Key>,
        changes: &mut Vec<Change>,
    ) -> Result<Option<Fate>, RunError> {
        let Some((fate, reason)) = verdict_of(record) else {
            return match self.same_as(record, entry, named).await? {
                Some((other, target)) => {
                    changes.push(self.merged(record, &other, target));
                    let was = entry.is_some_and(|entry| entry.fate == Fate::Merged);
                    Ok(Some(if was { Fate::Unchanged } else { Fate::Merged }))
                }
                None => Ok(None),
            };
        };
        let reason = Some(reason);
        if let Some(entry) = entry {
            if entry.fate.is_in_place() {
                // It is in the destination, as it was before the source took it back.
                return Ok(Some(Fate::Unchanged));
            }
            if entry.fate == fate && entry.reason == reason && entry.notes == record.emit.notes {
                return Ok(Some(fate));
            }
        }
        changes.push(Change::Settle {
            key: record.key.clone(),
            stage: self.stage.to_owned(),
            fate,
            // Whatever was settled of it before is another state of it.
            fingerprint: Some(Fingerprint::of(NOTHING_WRITTEN)),
            target: None,
            reason,
            notes: record.emit.notes.clone(),
            attempts: entry.map_or(0, |entry| entry.attempts),
            at: self.run.clock.now(),
        });
        Ok(Some(fate))
    }

    /// Another record of this stage that this one is, met by another way: before this page, or
    /// earlier in it, where it is `named`. Its object is told if it is known.
    async fn same_as<D>(
        &self,
        record: &Incoming<D>,
        entry: Option<&Entry>,
        named: &BTreeMap<Alias, Key>,
    ) -> Result<Option<(Key, Option<TargetId>)>, RunError> {
        let names = &record.emit.same_as;
        // What was begun as a record of its own stays one, whatever name it has got since.
        let is_begun =
            |it: &Entry| it.stage == self.stage && it.fate != Fate::Merged && !it.parts.is_empty();
        if names.is_empty() || entry.is_some_and(is_begun) {
            return Ok(None);
        }
        let known = self.run.ledger.known_as(names).await?.into_iter().flatten();
        // Of two that were written as two, each stays itself.
        let is_other = |it: &Entry| it.stage == self.stage && it.fate != Fate::Merged;
        let known: Vec<Entry> = known.filter(is_other).collect();
        if known.iter().any(|it| it.key == record.key) {
            return Ok(None);
        }
        let other = known.into_iter().next().map(|it| (it.key, it.target));
        let earlier = || names.iter().find_map(|name| named.get(name));
        Ok(other.or_else(|| earlier().map(|key| (key.clone(), None))))
    }

    fn merged<D>(&self, record: &Incoming<D>, other: &Key, target: Option<TargetId>) -> Change {
        Change::Settle {
            key: record.key.clone(),
            stage: self.stage.to_owned(),
            fate: Fate::Merged,
            fingerprint: Some(Fingerprint::of(NOTHING_WRITTEN)),
            target,
            reason: Some(Reason::new("same_record", format!("it is {other}"))),
            notes: record.emit.notes.clone(),
            attempts: 0,
            at: self.run.clock.now(),
        }
    }

    /// What is parked of these records: doubt, for one, which is settled as it was sent before a
    /// change that came since follows in the next run.
    async fn parked(&self, known: Vec<Key>) -> Result<BTreeMap<Key, Parked>, RunError> {
        if known.is_empty() {
            return Ok(BTreeMap::new());
        }
        let parked = self.run.ledger.parked_among(&known).await?;
        Ok(parked.into_iter().map(|parked| (parked.key.clone(), parked)).collect())
    }
}

/// A record whose mapper makes two writes under one name is refused: one would pass for the other.
fn written_twice<D>(drafts: &[(Option<String>, D)]) -> Option<Reason> {
    let mut names = BTreeSet::new();
    let (twice, _) = drafts.iter().find(|(name, _)| !names.insert(name.as_deref()))?;
    let what = match twice {
        Some(name) => format!("the mapper made two parts named `{name}` of it"),
        None => "the mapper made two writes of it that are no part".to_owned(),
    };
    Some(Reason::new("part_twice", what).remedy("author of the mapper", "name each part apart"))
}

/// The fate of a record that needs no write, and why.
fn verdict_of<D>(record: &Incoming<D>) -> Option<(Fate, Reason)> {
    if let Some(reason) = &record.unreadable {
        return Some((Fate::Dead, reason.clone()));
    }
    Some(match &record.emit.verdict {
        Some(Verdict::Queued(reason)) => (Fate::Queued, reason.clone()),
        Some(Verdict::Skipped(reason)) => (Fate::Skipped, reason.clone()),
        Some(Verdict::Inventoried(reason)) => (Fate::Inventoried, reason.clone()),
        Some(Verdict::Dead(reason)) => (Fate::Dead, reason.clone()),
        None if record.emit.drafts.is_empty() => {
            (Fate::Skipped, Reason::new("nothing_to_write", "the mapper made nothing of it"))
        }
        None => return None,
    })
}

fn names_of(identities: &[Alias], aliases: &[Alias]) -> Vec<Alias> {
    let mut names: Vec<Alias> = identities.iter().chain(aliases).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
}
