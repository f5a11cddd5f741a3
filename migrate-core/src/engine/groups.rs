//! Records that share an identity, brought together when all of them are known.

use std::collections::{BTreeMap, BTreeSet};

use futures::{Stream, TryStreamExt, stream};

use crate::draft::{Draft, Group, Grouping, Member};
use crate::fate::Fate;
use crate::ledger::{Change, Parked, Parking};
use crate::mapper::Note;
use crate::run::Run;
use crate::{Alias, Key};

use super::RunError;
use super::flow::{Item, Load};
use super::unit::{Unit, Waited};

/// Parked records that are taken up at once.
const BATCH: usize = 200;

/// What a member of a group brings beside its drafts.
#[derive(Default)]
struct Kept {
    notes: Vec<Note>,
    aliases: Vec<Alias>,
    doubted: Vec<Key>,
}

/// Brings the parked records of one stage together.
pub(super) struct Groups<'a, D> {
    pub(super) stage: &'a str,
    pub(super) run: &'a Run,
    pub(super) grouping: &'a dyn Grouping<D>,
}

impl<'a, D: Draft> Groups<'a, D> {
    /// All groups, as units. Memory is bounded by one batch and the groups that begin in it, however
    /// large the account is: what a group takes from behind the batch is parked with it at once, and
    /// is not met again.
    pub(super) fn stream(&'a self) -> impl Stream<Item = Result<Load<D>, RunError>> + Send + 'a {
        stream::try_unfold(0, move |after| async move {
            let ledger = &self.run.ledger;
            let rows = ledger.parked(self.stage, Parking::Group, after, BATCH).await?;
            let Some(last) = rows.last().map(|(row, _)| *row) else { return Ok(None) };
            let (mut taken, mut units) = (BTreeSet::new(), Vec::new());
            for (_, parked) in rows {
                if taken.contains(&parked.key) {
                    continue;
                }
                let members = self.members(parked, &taken).await?;
                taken.extend(members.keys().cloned());
                units.append(&mut self.group(members).await?);
            }
            self.park_together(&units).await?;
            self.with_entries(units).await.map(|load| Some((load, last)))
        })
        .try_filter(|load: &Load<D>| std::future::ready(!load.units.is_empty()))
    }

    /// Parks what came of several records as it is to be written, with the drafts of all that are
    /// merged: none of them is scanned for itself any more, in this process or a later one.
    async fn park_together(&self, units: &[Unit<D>]) -> Result<(), RunError> {
        let now = self.run.clock.now();
        let mut changes = Vec::new();
        let came_of_several =
            |unit: &&Unit<D>| unit.waited.is_some_and(|it| it.why == Parking::Retry);
        for unit in units.iter().filter(came_of_several) {
            let parked = unit.park(self.stage, Parking::Retry, now, now, 0)?;
            changes.push(Change::Park(Box::new(parked)));
            changes.extend(unit.merged.iter().map(|key| Change::Unpark { key: key.clone() }));
        }
        if !changes.is_empty() {
            self.run.ledger.commit(changes).await?;
        }
        Ok(())
    }

    /// All parked records that are linked to this one by identities, directly or through others.
    /// None of them is among the `taken`: those have their group.
    async fn members(
        &self,
        first: Parked,
        taken: &BTreeSet<Key>,
    ) -> Result<BTreeMap<Key, Unit<D>>, RunError> {
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
                .filter(|key| !taken.contains(key))
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
        // What came of several is parked apart from them.
        let why = if members.len() > 1 { Parking::Retry } else { Parking::Group };
        let mut kept_of: BTreeMap<Key, Kept> = BTreeMap::new();
        let mut given = Vec::new();
        for ((key, unit), entry) in members.into_iter().zip(&entries) {
            let kept = Kept { notes: unit.notes, aliases: unit.aliases, doubted: unit.doubted };
            kept_of.insert(key.clone(), kept);
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
                    let Kept { mut notes, aliases, doubted } =
                        kept_of.remove(&primary.key).unwrap_or_default();
                    // What was left behind of the others is told with it.
                    for key in &merged {
                        notes.extend(kept_of.remove(key).unwrap_or_default().notes);
                    }
                    let mut unit = Unit::new(primary.key, None, primary.drafts, aliases, notes)?;
                    let now = self.run.clock.now();
                    unit.waited = Some(Waited { why, since: now, looks: 0 });
                    (unit.merged, unit.doubted) = (merged, doubted);
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
                        let notes = kept_of.remove(&key).unwrap_or_default().notes;
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
