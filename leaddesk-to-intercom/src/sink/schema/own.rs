//! The attributes that are this migration's own.

use std::collections::HashSet;

use migrate_core::ledger::{How, LedgerError, Scan};
use migrate_core::{Key, Ledger, Rollback, TargetId};

use crate::stage;

/// The attributes that this migration has made and those that a rollback of it has archived, by id.
#[derive(Clone, Debug, Default)]
pub struct OwnAttributes {
    made: HashSet<TargetId>,
    put_away: HashSet<TargetId>,
}

impl OwnAttributes {
    /// Those that a ledger knows of.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn of(ledger: &dyn Ledger) -> Result<Self, LedgerError> {
        Ok(Self { made: made(ledger).await?, put_away: put_away(ledger).await? })
    }

    /// Has this migration made it? Then it may be given further choices.
    pub fn has_made(&self, id: &TargetId) -> bool {
        self.made.contains(id)
    }

    /// Has a rollback archived it? A later run takes it back into use.
    pub fn is_put_away(&self, id: &TargetId) -> bool {
        self.put_away.contains(id)
    }
}

async fn made(ledger: &dyn Ledger) -> Result<HashSet<TargetId>, LedgerError> {
    let (mut made, mut after) = (HashSet::new(), 0);
    loop {
        let rows = ledger.scan(&Scan::of(stage::SCHEMA).after(after)).await?;
        let Some((last, _)) = rows.last() else { return Ok(made) };
        after = *last;
        let keys: Vec<Key> = rows.into_iter().map(|(_, entry)| entry.key).collect();
        for entry in ledger.entries(&keys).await?.into_iter().flatten() {
            let written = entry.written(&entry.key).filter(|it| it.how == How::Created);
            made.extend(written.map(|written| written.target.clone()));
        }
    }
}

pub(super) async fn put_away(ledger: &dyn Ledger) -> Result<HashSet<TargetId>, LedgerError> {
    let archived = Rollback::archived(ledger, stage::SCHEMA).await?;
    Ok(archived.into_iter().map(|it| TargetId::new(it.object)).collect())
}
