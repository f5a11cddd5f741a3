//! Verification: the source is mapped again, and what each record should have become is compared
//! with what Intercom gives back, field by field.
//!
//! The mapping runs through the same stages as a migration, on a scratch ledger; in the place of
//! the sinks stand those of this module, which read instead of writing. So merged contacts are
//! compared with what the merge should have given, not with one of its parts.

mod contacts;
mod conversations;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use intercom_client::{AdminId, Contact, Conversation, IntercomClient, text};
use migrate_core::ledger::{Entry, Ledger, LedgerError, Scan};
use migrate_core::{Failure, Fate, Fingerprint, Key, Mismatch, TargetId, Verified, Write};
use serde_json::Value;

/// What is read back, and what was found. Clones share it.
#[derive(Clone)]
pub struct Verifier {
    client: IntercomClient,
    /// Who speaks for agents without a teammate.
    admin: AdminId,
    /// The ledger of the migration.
    ledger: Arc<dyn Ledger>,
    chosen: Arc<Option<BTreeSet<Key>>>,
    state: Arc<Mutex<Progress>>,
}

#[derive(Default)]
struct Progress {
    checked: BTreeSet<Key>,
    mismatches: Vec<(Key, Mismatch)>,
    contacts: HashMap<Key, Option<Arc<FetchedContact>>>,
    conversations: HashMap<Key, Option<Arc<Conversation>>>,
}

struct FetchedContact {
    contact: Contact,
    tags: BTreeSet<String>,
    notes: Vec<String>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// Records that are read back at once.
const IN_FLIGHT: usize = 32;

/// Objects that are kept at hand while the writes of their records are compared.
const KEPT: usize = 512;

impl Verifier {
    /// A verifier of everything, or of `sample` records of each of these stages, chosen by seed.
    /// `admin` is who speaks for agents without a teammate.
    pub async fn new(
        client: IntercomClient,
        admin: AdminId,
        ledger: Arc<dyn Ledger>,
        stages: &[&str],
        sample: Option<usize>,
        seed: u64,
    ) -> Result<Self, LedgerError> {
        let chosen = match sample {
            None => None,
            Some(sample) => Some(choose(&*ledger, stages, sample, seed).await?),
        };
        Ok(Self { client, admin, ledger, chosen: Arc::new(chosen), state: Arc::default() })
    }

    /// What was found.
    pub fn verified(&self) -> Verified {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong: BTreeSet<&Key> = state.mismatches.iter().map(|(key, _)| key).collect();
        let mut verified = Verified::default();
        verified.checked = state.checked.len() as u64;
        verified.matched = verified.checked - wrong.len() as u64;
        let mut mismatches = state.mismatches.clone();
        mismatches.sort_by(|(a, x), (b, y)| (a, &x.field).cmp(&(b, &y.field)));
        verified.mismatches = mismatches.into_iter().map(|(_, mismatch)| mismatch).collect();
        verified
    }

    fn wants(&self, root: &Key) -> bool {
        self.chosen.as_ref().as_ref().is_none_or(|chosen| chosen.contains(root))
    }

    fn checked(&self, root: &Key) {
        self.lock().checked.insert(root.clone());
    }

    fn mismatch(&self, root: &Key, field: &str, class: &str) {
        let mismatch =
            Mismatch { key: root.to_string(), field: field.to_owned(), class: class.to_owned() };
        self.lock().mismatches.push((root.clone(), mismatch));
    }

    /// A value that is not as it should be: gone, or another one.
    fn differs(&self, root: &Key, field: &str, there: bool) {
        self.mismatch(root, field, if there { "altered" } else { "lost" });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn entry(&self, root: &Key) -> Result<Option<Entry>, LedgerError> {
        let entries = self.ledger.entries(std::slice::from_ref(root)).await?;
        Ok(entries.into_iter().flatten().next().filter(|entry| entry.fate.is_in_place()))
    }
}

/// Are two values the same, whatever form Intercom gives numbers and times in?
fn same_value(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => {
            found.trim() == wanted.trim() || text::same(found, wanted)
        }
        (Value::Number(found), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        (Value::String(found), Value::Number(wanted)) => {
            found.parse::<f64>().ok() == wanted.as_f64()
        }
        (found, wanted) => found == wanted,
    }
}

/// Those records of each stage whose hash under the seed is lowest: a random choice that can be
/// repeated, in memory bounded by the sample.
async fn choose(
    ledger: &dyn Ledger,
    stages: &[&str],
    sample: usize,
    seed: u64,
) -> Result<BTreeSet<Key>, LedgerError> {
    let mut chosen = BTreeSet::new();
    for stage in stages {
        let mut lowest: BTreeMap<[u8; 16], Key> = BTreeMap::new();
        let mut scan = Scan::of(*stage);
        loop {
            let rows = ledger.scan(&scan).await?;
            let Some((last, _)) = rows.last() else { break };
            scan.after = Some(*last);
            for (_, entry) in rows {
                if !entry.fate.is_in_place() || entry.fate == Fate::Merged {
                    continue;
                }
                let hash = Fingerprint::of(format!("{seed}/{}", entry.key).as_bytes());
                lowest.insert(*hash.as_bytes(), entry.key);
                if lowest.len() > sample {
                    lowest.pop_last();
                }
            }
        }
        chosen.extend(lowest.into_values());
    }
    Ok(chosen)
}

fn ledger_failed(error: &LedgerError) -> Failure {
    let message = format!("the ledger cannot be read: {error}");
    Failure::new(migrate_core::FailureKind::Stop, message)
}

/// In the scratch ledger an object is named by the key of its record.
fn answer<D>(write: Write<D>, compared: Result<TargetId, Failure>) {
    match compared {
        Ok(_) => {
            let scratch = TargetId::new(write.key.root().as_str());
            write.created(scratch);
        }
        Err(failure) => write.failed(failure),
    }
}
