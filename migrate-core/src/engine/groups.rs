//! Records that share an identity, brought together when all of them are known.

use std::collections::{BTreeMap, BTreeSet};

use futures::{Stream, TryStreamExt, stream};

use crate::draft::{Draft, Group, Grouping, Member};
use crate::fate::Fate;
use crate::ledger::{Change, Parked, Parking};
use crate::run::Run;
use crate::{Alias, Key};

use super::RunError;
use super::flow::{Item, Load};
use super::unit::Unit;

/// Parked records that are taken up at once.
const BATCH: usize = 200;

/// Brings the parked records of one stage together.
pub(super) struct Groups<'a, D> {
    pub(super) stage: &'a str,
    pub(super) run: &'a Run,
    pub(super) grouping: &'a dyn Grouping<D>,
}

impl<'a, D: Draft> Groups<'a, D> {
    /// All groups, as units. Memory is bounded by one batch and the groups that begin in it.
    pub(super) fn stream(&'a self) -> impl Stream<Item = Result<Load<D>, RunError>> + Send + 'a {
        let start = (0, BTreeSet::new());
        stream::try_unfold(start, move |(after, mut taken)| async move {
            let ledger = &self.run.ledger;
            let rows = ledger.parked(self.stage, Parking::Group, after, BATCH).await?;
            let Some(last) = rows.last().map(|(row, _)| *row) else { return Ok(None) };
            let mut units = Vec::new();
            for (_, parked) in rows {
                if taken.remove(&parked.key) {
                    continue;
                }
                let scanned = parked.key.clone();
                let members = self.members(parked).await?;
                taken.extend(members.keys().filter(|key| **key != scanned).cloned());
                units.append(&mut self.group(members).await?);
            }
            self.with_entries(units).await.map(|load| Some((load, (last, taken))))
        })
        .try_filter(|load: &Load<D>| std::future::ready(!load.units.is_empty()))
    }

    /// All parked records that are linked to this one by identities, directly or through others.
    async fn members(&self, first: Parked) -> Result<BTreeMap<Key, Unit<D>>, RunError> {
        let mut members = BTreeMap::new();
        let mut asked: BTreeSet<Alias> = BTreeSet::new();
        let mut found = vec![first];
        while !found.is_empty() {
            let mut names = Vec::new();
            for parked in found.drain(..) {
                let unit = Unit::unpark(parked)?;
                names.extend(unit.aliases.iter().copied().filter(|alias| asked.insert(*alias)));
                members.insert(unit.root.clone(), unit);
            }
            let known = self.run.ledger.known_as(&names).await?;
            let keys: Vec<Key> = known
                .into_iter()
                .flatten()
                .filter(|entry| entry.stage == self.stage && !members.contains_key(&entry.key))
                .map(|entry| entry.key)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect();
            if !keys.is_empty() {
                found = self.run.ledger.parked_among(&keys).await?;
                found.retain(|parked| parked.why == Parking::Group);
            }
        }
        Ok(members)
    }

    async fn group(&self, members: BTreeMap<Key, Unit<D>>) -> Result<Vec<Unit<D>>, RunError> {
        let keys: Vec<Key> = members.keys().cloned().collect();
        let entries = self.run.ledger.entries(&keys).await?;
        let mut notes = BTreeMap::new();
        let mut given = Vec::new();
        for ((key, unit), entry) in members.into_iter().zip(&entries) {
            notes.insert(key.clone(), (unit.waited, unit.notes, unit.aliases));
            let drafts = unit
                .steps
                .into_iter()
                .map(|step| (step.key.part_name().map(str::to_owned), step.draft))
                .collect();
            let in_place = entry
                .as_ref()
                .is_some_and(|entry| entry.target.is_some() && entry.fate != Fate::Merged);
            given.push(Member { key, in_place, drafts });
        }
        let mut units = Vec::new();
        let mut changes = Vec::new();
        let (mut queued, mut unchanged) = (0, 0);
        for group in self.grouping.group(given) {
            match group {
                Group::One { primary, merged } => {
                    let (waited, mut lost, aliases) =
                        notes.remove(&primary.key).unwrap_or_default();
                    // What was left behind of the others is told with it.
                    for key in &merged {
                        lost.extend(notes.remove(key).unwrap_or_default().1);
                    }
                    let mut unit = Unit::new(primary.key, None, primary.drafts, aliases, lost)?;
                    unit.waited = waited;
                    unit.merged = merged;
                    units.push(unit);
                }
                Group::Queue { keys, reason } => {
                    for key in keys {
                        changes.push(Change::Unpark { key: key.clone() });
                        let known = entries.iter().flatten().find(|entry| entry.key == key);
                        if known.is_some_and(|entry| entry.fate.is_in_place()) {
                            unchanged += 1;
                            continue;
                        }
                        queued += 1;
                        let (_, notes, _) = notes.remove(&key).unwrap_or_default();
                        let attempts = known.map_or(0, |entry| entry.attempts) + 1;
                        changes.push(Change::Settle {
                            key,
                            stage: self.stage.to_owned(),
                            fate: Fate::Queued,
                            fingerprint: None,
                            target: None,
                            reason: Some(reason.clone()),
                            notes,
                            attempts,
                            at: self.run.clock.now(),
                        });
                    }
                }
            }
        }
        if !changes.is_empty() {
            self.run.ledger.commit(changes).await?;
            (0..queued).for_each(|_| self.run.count(self.stage, Fate::Queued));
            (0..unchanged).for_each(|_| self.run.count(self.stage, Fate::Unchanged));
        }
        Ok(units)
    }

    async fn with_entries(&self, units: Vec<Unit<D>>) -> Result<Load<D>, RunError> {
        let keys: Vec<Key> = units.iter().map(|unit| unit.root.clone()).collect();
        let entries = self.run.ledger.entries(&keys).await?;
        let units = units.into_iter().zip(entries);
        Ok(Load { page: None, units: units.map(|(unit, entry)| Item::Unit(unit, entry)).collect() })
    }
}
