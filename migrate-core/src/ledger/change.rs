//! [`Change`]: all that can happen to a ledger.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{How, Parked};
use crate::fate::{Fate, Reason};
use crate::mapper::Note;
use crate::record::Cursor;
use crate::sink::TargetId;
use crate::{Alias, Fingerprint, Key};

/// One change to a ledger.
///
/// A change that names a key and a stage moves the record's entry to that stage, if another stage
/// had it: its writes, its other names and its fate go along, since its object stays what it was.
/// What was parked of it for the other stage is dropped, the pass of that stage counts it out again,
/// if it was counted there, and it counts as seen in no pass of its new stage yet.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Sets what became of a source key.
    Settle {
        /// The key of the record.
        key: Key,
        /// The stage it belongs to.
        stage: String,
        /// Its fate.
        fate: Fate,
        /// The fingerprint of all its drafts together; `None` keeps the old one.
        fingerprint: Option<Fingerprint>,
        /// Its object in the destination; `None` keeps the old one.
        target: Option<TargetId>,
        /// Why; `None` erases the old reason.
        reason: Option<Reason>,
        /// What was left behind of it; replaces the old notes.
        notes: Vec<Note>,
        /// How often it has been tried in vain, in all runs since it was last in place.
        attempts: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// A write is about to be made that must not be repeated. The record's entry is made, as
    /// pending, if there is none. An intent that stands already keeps its time and its draft, since
    /// the write may have taken effect ever since.
    Intent {
        /// The key of the write, a part key or a record's.
        key: Key,
        /// The stage it belongs to.
        stage: String,
        /// What is about to be written, as JSON, so that it is looked for as it was sent even if the
        /// record has changed meanwhile. It is people's data, and is gone with the intent.
        draft: Option<Value>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A write is done. The record's entry is made, as pending, if there is none; when the key
    /// is the record's own, the entry's target is set as well.
    Done {
        /// The key of the write.
        key: Key,
        /// The stage it belongs to.
        stage: String,
        /// What it became.
        target: TargetId,
        /// The fingerprint of its draft.
        fingerprint: Fingerprint,
        /// Whether it was created, changed or found as it should be. What is done again is what it
        /// was [`then`](How::then): what was created by this migration stays its own, and what it
        /// changed stays changed.
        how: How,
        /// See [`Written::state`](super::Written::state).
        state: Option<Fingerprint>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The write of an intent surely did not take effect: the intent is void.
    Void {
        /// The key of the write.
        key: Key,
    },
    /// Replaces the aliases of a record, whose entry is made, as pending, if there is none.
    Aliases {
        /// The record.
        key: Key,
        /// The stage it belongs to.
        stage: String,
        /// All its aliases.
        aliases: Vec<Alias>,
    },
    /// Adds an item to a list of discoveries, once.
    Discover {
        /// The list.
        list: String,
        /// The item.
        item: String,
    },
    /// Lets a record wait, with its drafts; replaces what was parked under its key before. The
    /// record's entry is made, as pending, if there is none.
    Park(Box<Parked>),
    /// Erases what is parked of a record, drafts and all.
    Unpark {
        /// The record.
        key: Key,
    },
    /// Keeps what stood in the destination before a key was first changed; a later image of the
    /// same key is ignored.
    Before {
        /// The key of the write.
        key: Key,
        /// What stood there.
        image: Value,
    },
    /// The write for which an image was kept surely changed nothing: the image is dropped, since
    /// others may change what it shows before the next try.
    VoidBefore {
        /// The key of the write.
        key: Key,
    },
    /// A page of a stage is settled or parked whole: its keys are seen in `pass`, and reading
    /// goes on at `next`. Keys without an entry are ignored but counted.
    Page {
        /// The stage.
        stage: String,
        /// The pass.
        pass: u32,
        /// The keys of the page that were not seen before in this pass.
        keys: Vec<Key>,
        /// Where reading goes on.
        next: Option<Cursor>,
        /// Where a later reading of changes begins. The first of a pass counts, and it counts
        /// when the pass is finished.
        mark: Option<Cursor>,
    },
    /// Begins pass `pass` of a stage: cursor, count and digest start anew.
    Begin {
        /// The stage.
        stage: String,
        /// The pass, one more than the last.
        pass: u32,
        /// Where reading begins, when it is to bring only what has changed since an earlier pass:
        /// the [mark](super::StageState::mark) of that.
        since: Option<Cursor>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The source of a stage has been read to its end in this pass.
    Read {
        /// The stage.
        stage: String,
    },
    /// Everything that was read in this pass has been dealt with. If it read everything, entries
    /// whose reason has the code [`UNREADABLE`] and that were not seen in it are dropped: a row
    /// that could not be read is known by its place in a file only, and it has been mended or is
    /// gone.
    Finish {
        /// The stage.
        stage: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A write was undone: it goes into the history, and its before-image is dropped. Nothing
    /// happens if the write is not known as done.
    Undone {
        /// The key of the write.
        key: Key,
        /// When.
        at: DateTime<Utc>,
    },
    /// A record counts as never met: its entry, its aliases and what is parked of it are dropped,
    /// and writes of it that are known as done go into the history.
    Forget {
        /// The record.
        key: Key,
        /// When.
        at: DateTime<Utc>,
    },
    /// Sets or removes a named value of the migration as a whole.
    Meta {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<Value>,
    },
}

/// The code of the reason under which a row that cannot be read is dead.
pub const UNREADABLE: &str = "unreadable";
