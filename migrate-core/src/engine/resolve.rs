//! References: from source keys to objects of the destination, by the ledger.

use std::collections::BTreeSet;

use crate::draft::{Draft, Missing, Name};
use crate::fate::{Fate, Reason};
use crate::ledger::{Entry, Ledger, Written};
use crate::sink::{Resolved, TargetId};

use super::{RunError, WAITING_FOR_PARENT};

/// Where the references of a draft lead.
#[derive(Debug)]
pub(super) enum References {
    /// To objects that are known.
    Ready(Resolved),
    /// Nowhere, or to a record that waits for somebody: the record waits in this queue.
    Queue(Reason),
    /// To a record that is not settled yet: look again later.
    Wait,
}

/// Looks up what a draft refers to. `root` is the object of the record it is a part of.
pub(super) async fn resolve<D: Draft>(
    ledger: &dyn Ledger,
    draft: &D,
    root: Option<Written>,
) -> Result<References, RunError> {
    let mut resolved = Resolved { root, ..Resolved::default() };
    for reference in draft.references() {
        let mut parent = None;
        let mut found = false;
        for name in &reference.names {
            let entries = entries_of(ledger, name).await?;
            let targets: BTreeSet<&TargetId> = in_place(&entries).collect();
            // A name that several objects share points at none of them.
            if targets.len() == 1
                && let Some(target) = targets.first()
            {
                let target = (*target).clone();
                match name {
                    Name::Key(key) => resolved.keys.insert(key.clone(), target),
                    Name::Alias(alias) => resolved.aliases.insert(*alias, target),
                };
                found = true;
                break;
            }
            if targets.is_empty() && parent.is_none() {
                parent = entries.into_iter().next();
            }
        }
        if found {
            continue;
        }
        match (reference.missing, parent) {
            (Missing::Without, _) => {}
            (Missing::Queue(reason), None) => return Ok(References::Queue(reason)),
            (Missing::Queue(_), Some(parent)) => {
                return Ok(match parent.fate {
                    Fate::InDoubt | Fate::Pending => References::Wait,
                    _ => References::Queue(waiting_for(&parent)),
                });
            }
        }
    }
    Ok(References::Ready(resolved))
}

async fn entries_of(ledger: &dyn Ledger, name: &Name) -> Result<Vec<Entry>, RunError> {
    Ok(match name {
        Name::Key(key) => {
            ledger.entries(std::slice::from_ref(key)).await?.into_iter().flatten().collect()
        }
        Name::Alias(alias) => {
            ledger.known_as(std::slice::from_ref(alias)).await?.into_iter().flatten().collect()
        }
    })
}

fn in_place(entries: &[Entry]) -> impl Iterator<Item = &TargetId> {
    entries
        .iter()
        .filter(|entry| entry.fate.is_in_place())
        .filter_map(|entry| entry.target.as_ref())
}

fn waiting_for(parent: &Entry) -> Reason {
    let why = parent.reason.as_ref().map_or("", |reason| reason.code.as_str());
    Reason::new(
        WAITING_FOR_PARENT,
        format!("waits for {}, which is {} ({why})", parent.key, parent.fate.name()),
    )
    .remedy("see the parent's queue", "mend the parent, then run again")
}
