//! Which records a rollback deals with, and in what order the ledger gives them.

use std::collections::{BTreeSet, HashMap};

use futures::future;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::Key;
use crate::fate::Fate;
use crate::ledger::{Entry, Ledger, LedgerError, LedgerErrorKind, Scan};
use crate::sink::TargetId;

/// Entries that are read from the ledger at once.
pub(super) const WINDOW: usize = 200;

/// One record to be dealt with.
pub(super) enum Work {
    /// One that may have written something, with the duplicates that go with it.
    Record { entry: Entry, sharing: Vec<Key> },
    /// A duplicate with nothing of its own.
    Merged { entry: Entry, is_left: bool },
}

/// Is it a duplicate that has nothing of its own in the destination?
pub(super) fn shares(entry: &Entry) -> bool {
    entry.fate == Fate::Merged && entry.parts.is_empty()
}

/// The entries of a scan, with their parts, window by window.
pub(super) fn entries(
    ledger: &dyn Ledger,
    scan: Scan,
) -> BoxStream<'_, Result<Entry, LedgerError>> {
    stream::try_unfold(scan, move |mut scan| async move {
        let rows = ledger.scan(&scan).await?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        scan.after = Some(*last);
        let keys: Vec<Key> = rows.into_iter().map(|(_, entry)| entry.key).collect();
        let window = ledger.entries(&keys).await?.into_iter().flatten().map(Ok);
        Ok(Some((stream::iter(window), scan)))
    })
    .try_flatten()
    .boxed()
}

/// The records of a stage under these keys, the newest first, each with the duplicates that share
/// its object: those go in the same commit, since nothing would lead to them afterwards.
pub(super) async fn chosen(
    ledger: &dyn Ledger,
    stage: &str,
    keys: &BTreeSet<Key>,
) -> Result<Vec<Work>, LedgerError> {
    let roots: BTreeSet<Key> = keys.iter().map(Key::root).collect();
    let roots: Vec<Key> = roots.into_iter().collect();
    let mut found: Vec<Entry> = Vec::new();
    for window in roots.chunks(WINDOW) {
        let window = ledger.entries(window).await?.into_iter().flatten();
        found.extend(window.filter(|entry| entry.stage == stage));
    }
    found.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    let (duplicates, owners): (Vec<Entry>, Vec<Entry>) = found.into_iter().partition(shares);
    let mut sharing: HashMap<TargetId, Vec<Key>> =
        owners.iter().filter_map(|entry| Some((entry.target.clone()?, Vec::new()))).collect();
    if !sharing.is_empty() {
        let merged = Scan::of(stage).with(Fate::Merged).limit(WINDOW);
        let mut merged = entries(ledger, merged).try_filter(|entry| future::ready(shares(entry)));
        while let Some(entry) = merged.try_next().await? {
            let with = entry.target.as_ref().and_then(|target| sharing.get_mut(target));
            with.into_iter().for_each(|with| with.push(entry.key.clone()));
        }
    }
    let is_theirs = |entry: &Entry| !entry.target.iter().any(|it| sharing.contains_key(it));
    let left = duplicates.into_iter().filter(is_theirs);
    let left: Vec<Work> = left.map(|entry| Work::Merged { entry, is_left: true }).collect();
    let owners = owners.into_iter().map(|entry| {
        let with = entry.target.as_ref().and_then(|target| sharing.remove(target));
        Work::Record { entry, sharing: with.unwrap_or_default() }
    });
    Ok(owners.chain(left).collect())
}

/// A list of records that shows fewer than there are: nobody knows which are missing.
pub(super) fn hidden(stage: &str, met: u64, known: u64) -> LedgerError {
    let message = format!(
        "the ledger shows {met} records of stage `{stage}`, of which it has {known}: it is damaged; \
         restore it from a copy"
    );
    LedgerError::new(LedgerErrorKind::Corrupt, message)
}
