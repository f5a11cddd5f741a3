//! A last look for twins, at the end of a run, at every write that was in doubt on the way.

use futures::{StreamExt, TryStreamExt, stream};

use crate::draft::Draft;
use crate::ledger::{Change, Entry, Parked, Parking};
use crate::sink::{Doubt, Failure, FailureKind, Found};

use super::RunError;
use super::flow::Flow;
use super::parts::targets_but;
use super::resolve::{References, resolve};
use super::saga::twin_note;
use super::unit::Unit;

/// Records that are looked at together.
const BATCH: usize = 200;

impl<D: Draft> Flow<'_, D> {
    /// Looks once more at everything of the stage that was in doubt and is settled. What cannot
    /// be looked at now is left for the next run.
    pub(super) async fn last_look(&self) -> Result<(), RunError> {
        let mut after = 0;
        loop {
            let ledger = &self.run.ledger;
            let rows = ledger.parked(self.stage, Parking::LastLook, after, BATCH).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = *last;
            let looks = rows.into_iter().map(|(_, parked)| self.look_again(parked));
            let at_once = self.sink.limits().in_flight;
            stream::iter(looks).buffer_unordered(at_once).try_collect::<()>().await?;
        }
    }

    async fn look_again(&self, parked: Parked) -> Result<(), RunError> {
        if self.is_halted() {
            return Err(RunError::Interrupted);
        }
        let key = parked.key.clone();
        let ledger = &self.run.ledger;
        let entry = ledger.entries(std::slice::from_ref(&key)).await?.into_iter().flatten().next();
        let mut changes = vec![Change::Unpark { key }];
        if let Some(entry) = entry {
            let unit: Unit<D> = Unit::unpark(parked)?;
            let mut notes = entry.notes.clone();
            for key in &unit.doubted {
                let Some(doubt) = self.doubt_again(&unit, &entry, key).await? else { continue };
                let found = self.sink.find(&doubt).await;
                let gone = self.is_gone(found.as_ref().err());
                match found {
                    Ok(Found::Twins(twins)) if twins.len() > 1 => {
                        let note = twin_note(key, &twins);
                        if !notes.contains(&note) {
                            notes.push(note);
                        }
                    }
                    Ok(_) => {}
                    Err(Failure { kind, message }) if gone || kind == FailureKind::Gone => {
                        return Err(RunError::Gone(message));
                    }
                    Err(Failure { kind: FailureKind::Stop, message }) => {
                        return Err(RunError::Refused(message));
                    }
                    // The next run looks again.
                    Err(_) => return Ok(()),
                }
            }
            if notes != entry.notes {
                changes.push(with_notes(entry, notes));
            }
        }
        self.run.ledger.commit(changes).await?;
        Ok(())
    }

    /// The doubt there was about a write, to be asked about again.
    async fn doubt_again(
        &self,
        unit: &Unit<D>,
        entry: &Entry,
        key: &crate::Key,
    ) -> Result<Option<Doubt<D>>, RunError> {
        let Some((draft, _)) = unit.intended(entry, key) else { return Ok(None) };
        let root = entry.written(&entry.key).cloned();
        let References::Ready(resolved) = resolve(self.run, draft.references(), root, None).await?
        else {
            return Ok(None);
        };
        Ok(Some(Doubt {
            key: key.clone(),
            draft,
            resolved,
            // Nothing of this migration is older than that.
            intended_at: self.run.migration_since,
            taken: targets_but(entry, key),
        }))
    }
}

/// The entry as it is, with other notes.
fn with_notes(entry: Entry, notes: Vec<crate::Note>) -> Change {
    Change::Settle {
        key: entry.key,
        stage: entry.stage,
        fate: entry.fate,
        fingerprint: entry.fingerprint,
        target: entry.target,
        reason: entry.reason,
        notes,
        attempts: entry.attempts,
        at: entry.at,
    }
}
