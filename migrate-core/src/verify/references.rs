//! Where a draft's references led when it was written, by the migration's ledger.

use crate::draft::Draft;
use crate::engine::{entries_of, sole};
use crate::ledger::{Ledger, LedgerError, Written};
use crate::sink::Resolved;

/// The objects that the references of a draft lead to. As when it was written, a record that
/// exists decides, and a name that several share leads to none of them. What the names behind the
/// deciding one lead to is given as well: when it was written, one of these may have decided.
pub(super) async fn resolve<D: Draft>(
    ledger: &dyn Ledger,
    draft: &D,
    root: Option<Written>,
) -> Result<Resolved, LedgerError> {
    let mut resolved = Resolved::of_root(root);
    for reference in draft.references() {
        for name in reference.names {
            let Some(entry) = sole(entries_of(ledger, &name).await?) else { continue };
            match entry.target {
                Some(target) => resolved.insert(name, target),
                None => break,
            }
        }
    }
    Ok(resolved)
}
