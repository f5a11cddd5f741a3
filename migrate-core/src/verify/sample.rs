//! [`Sampling`]: which records are read back.

use std::collections::{BTreeMap, BTreeSet};

use crate::fate::Fate;
use crate::ledger::{Entry, Ledger, LedgerError, Scan};
use crate::sink::TargetId;
use crate::{Fingerprint, Key};

/// Which records of a migration are read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sampling {
    /// All of them.
    #[default]
    All,
    /// A choice at random that can be repeated.
    Some {
        /// The stages that are chosen from.
        stages: BTreeSet<String>,
        /// So many records of each.
        each: usize,
        /// The same seed makes the same choice.
        seed: u64,
    },
}

impl Sampling {
    /// So many records of each of these stages, chosen by a seed.
    pub fn some<S: Into<String>>(
        stages: impl IntoIterator<Item = S>,
        each: usize,
        seed: u64,
    ) -> Self {
        Self::Some { stages: stages.into_iter().map(Into::into).collect(), each, seed }
    }

    /// The records that are chosen; `None` for all.
    pub(super) async fn choose(&self, ledger: &dyn Ledger) -> Result<Option<Chosen>, LedgerError> {
        let Self::Some { stages, each, seed } = self else { return Ok(None) };
        let mut chosen = Chosen::default();
        for stage in stages {
            // Those whose hash under the seed is lowest: memory is bounded by the sample.
            let mut lowest: BTreeMap<[u8; 16], Entry> = BTreeMap::new();
            let mut scan = Scan::of(stage);
            loop {
                let rows = ledger.scan(&scan).await?;
                let Some((last, _)) = rows.last() else { break };
                scan.after = Some(*last);
                for (_, entry) in rows {
                    if !entry.fate.is_in_place() || entry.fate == Fate::Merged {
                        continue;
                    }
                    let hash = Fingerprint::of(format!("{seed}/{}", entry.key).as_bytes());
                    lowest.insert(*hash.as_bytes(), entry);
                    if lowest.len() > *each {
                        lowest.pop_last();
                    }
                }
            }
            for entry in lowest.into_values() {
                chosen.objects.extend(entry.target.map(|target| (stage.clone(), target)));
                chosen.keys.insert(entry.key);
            }
        }
        Ok(Some(chosen))
    }
}

/// The records that are read back.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    keys: BTreeSet<Key>,
    /// Their objects, by stage: two stages may give different objects one id.
    objects: BTreeSet<(String, TargetId)>,
}

impl Chosen {
    pub(super) fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Is this record read back? A duplicate is for its object's sake: when the source is read
    /// again, another of those that share an object may come to stand for it.
    pub(super) fn contains(&self, entry: &Entry) -> bool {
        let shared = entry.target.clone().filter(|_| entry.fate == Fate::Merged);
        self.keys.contains(&entry.key)
            || shared.is_some_and(|it| self.objects.contains(&(entry.stage.clone(), it)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::MemoryLedger;
    use crate::ledger::Change;

    async fn ledger() -> MemoryLedger {
        let ledger = MemoryLedger::new();
        for n in 0..1000 {
            let fate = match n % 4 {
                0 => Fate::Created,
                1 => Fate::Merged,
                2 => Fate::Queued,
                _ => Fate::Updated,
            };
            let object = n - n % 4;
            let settle = Change::Settle {
                key: Key::new("person", n),
                stage: if n < 900 { "people" } else { "others" }.to_owned(),
                fate,
                fingerprint: None,
                target: fate.is_in_place().then(|| TargetId::new(format!("{object} {}", n % 2))),
                reason: None,
                notes: Vec::new(),
                attempts: 0,
                at: DateTime::UNIX_EPOCH,
            };
            ledger.commit(vec![settle]).await.unwrap();
        }
        ledger
    }

    #[tokio::test]
    async fn a_choice_can_be_repeated_and_takes_only_what_is_in_place() {
        let ledger = ledger().await;
        let choose = |each, seed| {
            let (ledger, sampling) = (&ledger, Sampling::some(["people", "others"], each, seed));
            async move { sampling.choose(ledger).await.unwrap().unwrap().keys }
        };
        let (first, again, other) = (choose(20, 1).await, choose(20, 1).await, choose(20, 2).await);
        assert_eq!((first.len(), &first), (40, &again));
        assert_ne!(first, other);
        let fewer = choose(5, 1).await;
        assert!(fewer.is_subset(&first), "a smaller sample is part of a larger one");
        let everything = choose(10_000, 1).await;
        assert_eq!(everything.len(), 500);
        let number = |key: &Key| key.id().parse::<u32>().unwrap() % 4;
        assert!(everything.iter().all(|key| [0, 3].contains(&number(key))));
        assert!(Sampling::All.choose(&ledger).await.unwrap().is_none());
    }
}
