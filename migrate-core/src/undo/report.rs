//! [`RollbackReport`]: what a rollback took back, and what it left.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Key;
use crate::fate::Reason;

use super::decide::End;
use super::rollback::Undone;
use super::{ADDED_SINCE, OwnWrite, Remains};

/// What a rollback took back, and what it left. It names records, objects and fields, and holds
/// no values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RollbackReport {
    /// Was it only looked at what would be done?
    pub dry_run: bool,
    /// The stages, in the order in which they were undone.
    pub stages: Vec<StageUndone>,
    /// Stages with records in the ledger that nothing was given to undo.
    pub without_undo: Vec<String>,
    /// Stages whose last run did not come to its end. A write that may be repeated is preceded by
    /// no intent, so one that was under way when the run was killed may be known to nobody:
    /// resume the run first to be sure.
    pub unfinished: Vec<String>,
}

impl RollbackReport {
    /// Is nothing left that the migration wrote?
    pub fn is_clean(&self) -> bool {
        let is_clean = |stage: &StageUndone| stage.left.is_empty() && stage.impossible.is_empty();
        self.without_undo.is_empty() && self.stages.iter().all(is_clean)
    }
}

/// What became of the records of one stage. Each is counted once, and by the start that dealt
/// with it: when a rollback is cut off and started again, only what is left is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageUndone {
    /// The stage.
    pub name: String,
    /// Records that were looked at; the sum of all counts that follow.
    pub records: u64,
    /// The object was removed, or put out of use.
    pub removed: u64,
    /// What was changed was put back.
    pub restored: u64,
    /// Nothing was there to be taken back any more, or it was as before already.
    pub already_gone: u64,
    /// Nothing had been written for them.
    pub untouched: u64,
    /// Duplicates that went with the record whose object they shared.
    pub merged: u64,
    /// Something of them is left.
    pub kept: u64,
    /// What was left, and why.
    pub left: Vec<LeftBehind>,
    /// What cannot be taken back, or was put out of use only, by this rollback or one before it.
    pub impossible: Vec<Remainder>,
}

/// A write that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeftBehind {
    /// Its key.
    pub key: String,
    /// Its object in the destination, if it is known.
    pub object: Option<String>,
    /// Why, and what somebody has to do.
    pub reason: Reason,
    /// The fields that somebody has changed.
    pub fields: Vec<String>,
}

/// A write that the destination cannot take back, or only put out of use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Remainder {
    /// Its key.
    pub key: String,
    /// Its object in the destination.
    pub object: String,
    /// The name by which people know it.
    pub name: String,
    /// Why.
    pub reason: Reason,
}

/// How one record ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) own: OwnWrite,
    pub(super) counted: Vec<Undone>,
    pub(super) left: Vec<LeftBehind>,
    pub(super) impossible: Vec<Remainder>,
}

impl Ended {
    /// Ended with nothing counted or told yet.
    pub(super) fn with(own: OwnWrite) -> Self {
        Self { own, counted: Vec::new(), left: Vec::new(), impossible: Vec::new() }
    }

    pub(super) fn of(own: OwnWrite, counted: Undone) -> Self {
        Self { counted: vec![counted], ..Self::with(own) }
    }

    pub(super) fn leave(&mut self, key: &Key, object: Option<String>, reason: Reason) {
        let (key, fields) = (key.to_string(), Vec::new());
        self.left.push(LeftBehind { key, object, reason, fields });
    }

    /// Lists what is to be told about one write.
    pub(super) fn tell(&mut self, key: &Key, object: &str, end: &End) {
        let object = object.to_owned();
        match end {
            End::Left(reason, fields) => {
                let (reason, fields) = (reason.clone(), fields.clone());
                self.left.push(LeftBehind {
                    key: key.to_string(),
                    object: Some(object),
                    reason,
                    fields,
                });
            }
            End::Archived(Remains { name, reason }) | End::Impossible(Remains { name, reason }) => {
                self.impossible.push(Remainder {
                    key: key.to_string(),
                    object,
                    name: name.clone(),
                    reason: reason.clone(),
                });
            }
            End::TakenBack | End::AlreadyGone => {}
        }
    }
}

impl StageUndone {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(super) fn add(&mut self, ended: Ended) {
        for counted in ended.counted {
            self.records += 1;
            *match counted {
                Undone::Removed => &mut self.removed,
                Undone::Restored => &mut self.restored,
                Undone::AlreadyGone => &mut self.already_gone,
                Undone::Untouched => &mut self.untouched,
                Undone::Merged => &mut self.merged,
                Undone::Kept => &mut self.kept,
            } += 1;
        }
        self.left.extend(ended.left);
        self.impossible.extend(ended.impossible);
    }

    /// Records that are taken back.
    pub(super) fn undone(&self) -> u64 {
        self.removed + self.restored
    }

    /// Takes the records out of the list of what was left that were left for what hangs on them.
    pub(super) fn take_held(&mut self) -> BTreeSet<Key> {
        let is_held = |it: &LeftBehind| it.reason.code == ADDED_SINCE;
        let held = self.left.iter().filter(|it| is_held(it)).map(|it| Key::from(&*it.key).root());
        let held: BTreeSet<Key> = held.collect();
        self.left.retain(|it| !held.contains(&Key::from(&*it.key).root()));
        self.impossible.retain(|it| !held.contains(&Key::from(&*it.key).root()));
        held
    }

    /// The same lists, whatever the order in which the records were done with.
    pub(super) fn sort(&mut self) {
        self.left.sort_by(|a, b| a.key.cmp(&b.key));
        self.impossible.sort_by(|a, b| a.key.cmp(&b.key));
    }
}
