//! What changes do to an entry and to a stage: the same in every ledger of this crate.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Entry, Part, PartState, StageState, Written};
use crate::{Cursor, Key};

/// A write of the entry's is about to be made.
pub(super) fn intend(entry: &mut Entry, key: &Key, draft: Option<Value>, at: DateTime<Utc>) {
    match entry.parts.iter_mut().find(|part| part.key == *key) {
        None => {
            let state = PartState::Intended { at, known: None, draft };
            add(entry, Part { key: key.clone(), state });
        }
        Some(part) => {
            if let PartState::Done(known) = &part.state {
                part.state = PartState::Intended { at, known: Some(known.clone()), draft };
            }
        }
    }
}

/// A write of the entry's is done.
pub(super) fn done(entry: &mut Entry, key: &Key, mut written: Written) {
    if *key == entry.key {
        entry.target = Some(written.target.clone());
        entry.at = written.at;
    }
    let Some(part) = entry.parts.iter_mut().find(|part| part.key == *key) else {
        return add(entry, Part { key: key.clone(), state: PartState::Done(written) });
    };
    if let PartState::Done(former) | PartState::Intended { known: Some(former), .. } = &part.state {
        written.how = former.how.then(written.how);
    }
    part.state = PartState::Done(written);
}

/// Most entries have one write, and thousands are remembered: so no room is kept for more.
fn add(entry: &mut Entry, part: Part) {
    entry.parts.reserve_exact(1);
    entry.parts.push(part);
}

/// An intent of the entry's is void.
pub(super) fn void(entry: &mut Entry, key: &Key) {
    let Some(at) = entry.parts.iter().position(|part| part.key == *key) else { return };
    match &entry.parts[at].state {
        PartState::Intended { known: Some(known), .. } => {
            entry.parts[at].state = PartState::Done(known.clone());
        }
        PartState::Intended { known: None, .. } => {
            entry.parts.remove(at);
        }
        PartState::Done(_) => {}
    }
}

/// Takes a write that is done out of the entry; `None` where it is not known as done.
pub(super) fn undone(entry: &mut Entry, key: &Key) -> Option<Written> {
    let place = entry.parts.iter().position(|part| part.key == *key)?;
    let PartState::Done(written) = &entry.parts[place].state else { return None };
    let written = written.clone();
    entry.parts.remove(place);
    if *key == entry.key {
        entry.target = None;
    }
    Some(written)
}

/// A stage with the mark of a pass that is not finished.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Progress {
    pub(super) state: StageState,
    pub(super) next_mark: Option<Cursor>,
}

impl Progress {
    pub(super) fn begin(&mut self, pass: u32, since: Option<Cursor>) {
        let (partial, mark) = (since.is_some(), self.state.mark.take());
        self.state = StageState { pass, cursor: since, partial, mark, ..StageState::default() };
        self.next_mark = None;
    }

    pub(super) fn page(&mut self, keys: &[Key], next: Option<Cursor>, mark: Option<Cursor>) {
        self.state.keys += keys.len() as u64;
        keys.iter().for_each(|key| self.state.digest.add(key));
        self.state.cursor = next;
        self.next_mark = self.next_mark.take().or(mark);
    }

    /// A record moves to another stage. If it was counted in this pass, the other stage answers for
    /// it now.
    pub(super) fn leave(&mut self, key: &Key, seen: u32) {
        if seen > 0 && seen == self.state.pass {
            self.state.keys = self.state.keys.saturating_sub(1);
            self.state.digest.remove(key);
        }
    }

    pub(super) fn finish(&mut self) {
        self.state.finished = true;
        self.state.mark = self.next_mark.take().or(self.state.mark.take());
    }
}
