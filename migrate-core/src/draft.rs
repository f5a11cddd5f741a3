//! [`Draft`]: one write to the destination, with its references still as source keys.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fate::Reason;
use crate::sink::Resolved;
use crate::{Alias, Fingerprint, Key};

/// One write to the destination as the mapper left it: references to other objects are still
/// source keys, which the engine resolves from the ledger when their objects are known.
///
/// A draft is data: it is parked in the ledger as JSON when it has to wait, and its fingerprint is
/// taken over that JSON. So it must serialize the same content to the same bytes (no hash maps),
/// and what it serializes must be all that it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no draft",
    note = "derive `Serialize`, `Deserialize` and `Clone` for it and implement `migrate_core::Draft`"
)]
pub trait Draft: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The objects that must be known before this can be written.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// May the write be made again when it is not known whether the first took effect?
    fn repeat(&self) -> Repeat;

    /// Must it be written again whenever an earlier part of the same record was written?
    /// True of a close that any later message undoes.
    fn repeats_after_others(&self) -> bool {
        false
    }

    /// For what cannot be edited once it is written: the draft that is written in its stead when
    /// it has changed, such as a note that corrects it. `None` lets the sink update it in place.
    fn correction(&self) -> Option<Self> {
        None
    }

    /// For what may be written [without](Missing::Without) an object that it refers to: what is
    /// written once that object is known, in a later run. One that may be [repeated](Repeat::Safe)
    /// updates what was written in place; one that may not is added to it. `None`, the default,
    /// lets it be as it was written.
    fn completion(&self) -> Option<Self> {
        None
    }
}

/// Whether a write may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Repeat {
    /// A second one changes nothing.
    Safe,
    /// A second one would make a twin: a durable intent goes before it, and doubt is settled by
    /// [`Sink::find`](crate::Sink::find).
    Never,
}

/// A reference from a draft to another object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// The names it may be known by, tried in order.
    pub names: Vec<Name>,
    /// What to do when it is not known.
    pub missing: Missing,
}

impl Reference {
    /// A reference to the object behind the first of these names that leads anywhere, and what to
    /// do when none does.
    pub fn new(names: impl IntoIterator<Item = Name>, missing: Missing) -> Self {
        Self { names: names.into_iter().collect(), missing }
    }
}

/// A name by which a draft refers to another object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Name {
    /// Its key.
    Key(Key),
    /// Another name. One that several different objects share settles nothing.
    Alias(Alias),
}

/// What becomes of a draft whose reference leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// It is written without it.
    Without,
    /// The record waits in a queue.
    Queue(Reason),
}

/// The fingerprint of a draft: that of its JSON.
pub(crate) fn fingerprint<D: Draft>(draft: &D) -> Result<Fingerprint, serde_json::Error> {
    Ok(Fingerprint::of(&serde_json::to_vec(draft)?))
}

/// How the fingerprints of [`lacking`] begin. Of as many others as there are records in the world, none
/// does.
const LACKS: &[u8; 6] = b"lacks:";

/// The fingerprint that is noted of a draft which was written without something that it refers to. By
/// it the record is looked at again in every run, until that is known.
pub(crate) fn lacking(fingerprint: Fingerprint) -> Fingerprint {
    let mut bytes = *Fingerprint::of(fingerprint.as_bytes()).as_bytes();
    bytes[..LACKS.len()].copy_from_slice(LACKS);
    Fingerprint::from_bytes(bytes)
}

/// Is this the fingerprint of some draft that was written without something?
pub(crate) fn is_lacking(fingerprint: Fingerprint) -> bool {
    fingerprint.as_bytes().starts_with(LACKS)
}

/// Is every object known that a draft refers to?
pub(crate) fn knows_all<D: Draft>(draft: &D, resolved: &Resolved) -> bool {
    draft.references().iter().all(|reference| resolved.first(&reference.names).is_some())
}

/// Decides what becomes of records that share an identity. Pure, as a mapper is.
///
/// All members are known by then, whatever the order they were read in, so the result must not
/// depend on the order they are given in.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not group drafts of `{D}`",
    note = "implement `migrate_core::Grouping<{D}>` for it"
)]
pub trait Grouping<D>: Send + Sync {
    /// Divides the members into objects and those that have to wait.
    fn group(&self, members: Vec<Member<D>>) -> Vec<Group<D>>;
}

/// One record of a group, with the drafts its mapper made.
#[derive(Clone)]
#[non_exhaustive]
pub struct Member<D> {
    /// The record's key.
    pub key: Key,
    /// Does it have an object of its own in the destination already, from an earlier run? Then it
    /// should be the primary, so that its object is updated.
    pub in_place: bool,
    /// Its drafts: part name (`None` for the record itself) and draft.
    pub drafts: Vec<(Option<String>, D)>,
}

impl<D> Member<D> {
    /// A record that has no object in the destination yet, with its drafts.
    pub fn new(key: Key, drafts: impl IntoIterator<Item = (Option<String>, D)>) -> Self {
        Self { key, in_place: false, drafts: drafts.into_iter().collect() }
    }

    /// The same record, which has an object in the destination or not.
    #[must_use]
    pub fn in_place(mut self, in_place: bool) -> Self {
        self.in_place = in_place;
        self
    }
}

/// Drafts are people's data, so they are counted and not shown.
impl<D> fmt::Debug for Member<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, in_place, drafts } = self;
        let mut shown = f.debug_struct("Member");
        shown.field("key", key).field("in_place", in_place).field("drafts", &drafts.len()).finish()
    }
}

/// What a grouping makes of some members.
#[derive(Clone, Debug)]
pub enum Group<D> {
    /// They are one object.
    One {
        /// The member that becomes the object; the others are merged into it.
        primary: Member<D>,
        /// The keys of the others.
        merged: Vec<Key>,
    },
    /// They wait in a queue.
    Queue {
        /// Their keys.
        keys: Vec<Key>,
        /// The queue and the reason.
        reason: Reason,
    },
}
