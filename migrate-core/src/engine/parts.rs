//! The writes of one entry, changed in step with what is about to be committed.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::Key;
use crate::ledger::{Change, Entry, Part, PartState};
use crate::sink::TargetId;

/// What the other writes of a record became.
pub(super) fn targets_but(entry: &Entry, key: &Key) -> Vec<TargetId> {
    let others = entry.parts.iter().filter(|part| &part.key != key);
    others.filter_map(|part| part.state.written()).map(|written| written.target.clone()).collect()
}

/// A time for one more write of a record that is later than those of all others: which came last
/// must show even where the clock was set back, or is too coarse to tell.
pub(super) fn after_all(entry: &Entry, now: DateTime<Utc>) -> DateTime<Utc> {
    let times = entry.parts.iter().filter_map(|part| part.state.written());
    match times.map(|written| written.at).max() {
        Some(last) => now.max(last + TimeDelta::microseconds(1)),
        None => now,
    }
}

pub(super) fn set_part(entry: &mut Entry, key: &Key, state: PartState) {
    match entry.parts.iter_mut().find(|part| &part.key == key) {
        Some(part) => part.state = state,
        None => entry.parts.push(Part { key: key.clone(), state }),
    }
}

pub(super) fn intend(
    entry: &mut Entry,
    pending: &mut Vec<Change>,
    key: &Key,
    stage: &str,
    draft: Option<Value>,
    at: DateTime<Utc>,
) {
    let known = entry.written(key).cloned();
    set_part(entry, key, PartState::Intended { at, known, draft: draft.clone() });
    pending.push(Change::Intent { key: key.clone(), stage: stage.to_owned(), draft, at });
}

/// Takes back an intent, if there was one: its write surely did not take effect.
pub(super) fn void(entry: &mut Entry, pending: &mut Vec<Change>, key: &Key) {
    match entry.written(key).cloned() {
        Some(written) => set_part(entry, key, PartState::Done(written)),
        None => entry.parts.retain(|part| &part.key != key),
    }
    pending.push(Change::Void { key: key.clone() });
}
