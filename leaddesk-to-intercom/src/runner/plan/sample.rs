//! What a run would do with some contacts, by the ledger and by the workspace as it is now.

use std::collections::BTreeMap;

use migrate_core::ledger::Entry;
use migrate_core::{Fate, Key, Ledger};

use crate::runner::Runner;
use crate::runner::finish::Unfinished;
use crate::runner::session::Session;
use crate::sink::{Action, Sampler};

use super::file::Sampled;

/// Contacts and leads in a sample.
pub(super) const SIZE: usize = 25;

impl Session {
    /// Looks a sample up. `scratch` is the ledger of the dry run, which knows what each record is now.
    pub(super) async fn sampled(
        &self,
        runner: &Runner,
        sampler: &Sampler,
        scratch: &dyn Ledger,
    ) -> Result<Vec<Sampled>, Unfinished> {
        let keys = sampler.keys();
        let before = by_key(&*self.ledger, &keys).await?;
        let now = by_key(scratch, &keys).await?;
        let overwrite = runner.config.contacts.overwrite;
        let looked = sampler.look(&self.destination.client, overwrite).await.into_iter();
        let sampled = looked.map(|looked| {
            let reason = looked.reason.as_ref().map(|reason| reason.code.clone());
            let found = Sampled {
                key: looked.key.to_string(),
                action: looked.action,
                fields: looked.fields,
                queue: reason,
            };
            match before.get(&looked.key) {
                Some(before) => known(found, before, now.get(&looked.key)),
                None => found,
            }
        });
        Ok(sampled.collect())
    }
}

/// What would be done with a contact that the ledger has met: what is in place is not met again in the
/// workspace, and what waited goes on waiting until somebody has acted, which only a run finds out.
fn known(found: Sampled, before: &Entry, now: Option<&Entry>) -> Sampled {
    let fingerprint = now.and_then(|now| now.fingerprint);
    let (action, queue) = match before.fate {
        fate if fate.is_in_place() && before.target.is_some() => {
            let is_same = fingerprint.is_some() && before.fingerprint == fingerprint;
            (if is_same { Action::Leave } else { Action::Update }, None)
        }
        Fate::Queued => (Action::Wait, before.reason.as_ref().map(|reason| reason.code.clone())),
        _ => return found,
    };
    Sampled { action, queue, fields: Vec::new(), ..found }
}

async fn by_key(ledger: &dyn Ledger, keys: &[Key]) -> Result<BTreeMap<Key, Entry>, Unfinished> {
    let entries = ledger.entries(keys).await.map_err(Unfinished::ledger)?;
    Ok(entries.into_iter().flatten().map(|entry| (entry.key.clone(), entry)).collect())
}
