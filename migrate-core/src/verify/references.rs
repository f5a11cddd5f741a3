//! Where a draft's references led when it was written, by the migration's ledger.

use std::collections::BTreeSet;

use crate::draft::{Draft, Name};
use crate::ledger::{Entry, Ledger, LedgerError, Written};
use crate::sink::{Resolved, TargetId};

/// The objects that the references of a draft lead to. As when it was written, a record that
/// exists decides, and a name that several share leads to none of them.
pub(super) async fn resolve<D: Draft>(
    ledger: &dyn Ledger,
    draft: &D,
    root: Option<Written>,
) -> Result<Resolved, LedgerError> {
    let mut resolved = Resolved { root, ..Resolved::default() };
    for reference in draft.references() {
        for name in reference.names {
            let entries = entries_of(ledger, &name).await?;
            let targets: BTreeSet<&TargetId> =
                entries.iter().filter_map(|entry| entry.target.as_ref()).collect();
            let without = entries.iter().filter(|entry| entry.target.is_none()).count();
            if targets.len() + without != 1 {
                continue;
            }
            if let Some(target) = targets.first().map(|target| (*target).clone()) {
                match name {
                    Name::Key(key) => drop(resolved.keys.insert(key, target)),
                    Name::Alias(alias) => drop(resolved.aliases.insert(alias, target)),
                }
            }
            break;
        }
    }
    Ok(resolved)
}

async fn entries_of(ledger: &dyn Ledger, name: &Name) -> Result<Vec<Entry>, LedgerError> {
    Ok(match name {
        Name::Key(key) => {
            ledger.entries(std::slice::from_ref(key)).await?.into_iter().flatten().collect()
        }
        Name::Alias(alias) => {
            ledger.known_as(std::slice::from_ref(alias)).await?.into_iter().flatten().collect()
        }
    })
}
