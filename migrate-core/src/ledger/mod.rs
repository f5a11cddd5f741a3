//! [`Ledger`]: the durable memory of a migration.
//!
//! A ledger keeps one [`Entry`] per source key with its [`Fate`], an intent before every write
//! that must not be repeated, the records that wait with their drafts, the other names records
//! are known by, and the cursor of each stage. Everything is changed through
//! [`Ledger::commit`], which takes effect whole or not at all.

#[cfg(any(test, feature = "testkit"))]
pub mod contract;
mod export;
mod memory;
mod rules;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::error::Error as StdError;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fate::{Fate, Reason, Tally};
use crate::mapper::Note;
use crate::record::Cursor;
use crate::sink::TargetId;
use crate::{Alias, Fingerprint, Key, KeyDigest};

pub use export::{ExportOptions, export, export_with};
pub use memory::MemoryLedger;
#[cfg(feature = "sqlite")]
pub use sqlite::{CheckReport, Problem, SqliteLedger};

/// The durable memory of a migration.
///
/// When `commit` has returned, its changes survive a crash, all of them or none. Reads see every
/// commit that has returned. A ledger is locked for one run at a time where it is opened.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Makes changes durable, atomically and in order.
    async fn commit(&self, changes: Vec<Change>) -> Result<(), LedgerError>;

    /// The entries of keys, with their parts, in the order asked for.
    async fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LedgerError>;

    /// The entries known under each alias (several may share one), without their parts.
    async fn known_as(&self, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>, LedgerError>;

    /// What is known of a stage; a stage never heard of is as new.
    async fn stage(&self, stage: &str) -> Result<StageState, LedgerError>;

    /// The names of all stages ever heard of, in that order. A stage is heard of by the first entry
    /// that is made in it, the first record parked in it, and the first change of the stage itself
    /// ([`Page`](Change::Page), [`Begin`](Change::Begin), [`Read`](Change::Read),
    /// [`Finish`](Change::Finish)).
    async fn stages(&self) -> Result<Vec<String>, LedgerError>;

    /// Counts of fates over all entries of a stage. Cheap, however many there are.
    async fn tally(&self, stage: &str) -> Result<Tally, LedgerError>;

    /// The number and the digest of the keys of a stage that were seen in `pass` and have a final
    /// fate, from a look at each of them: the proof that none was lost.
    async fn proof(&self, stage: &str, pass: u32) -> Result<Proof, LedgerError>;

    /// Entries of a stage without their parts, each with its row. Rows are in the order of first
    /// sight.
    async fn scan(&self, scan: &Scan) -> Result<Vec<(u64, Entry)>, LedgerError>;

    /// Parked records of a stage that wait for `why`, in the order they were first parked: those
    /// after row `after`, at most `limit`. Each comes with its row.
    async fn parked(
        &self,
        stage: &str,
        why: Parking,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Parked)>, LedgerError>;

    /// The parked records among these keys.
    async fn parked_among(&self, keys: &[Key]) -> Result<Vec<Parked>, LedgerError>;

    /// Items of a list of discoveries, in the order they were first made: those after row
    /// `after`, at most `limit`. Each comes with its row.
    async fn discovered(
        &self,
        list: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, LedgerError>;

    /// What stood in the destination before a key was first changed.
    async fn before(&self, key: &Key) -> Result<Option<Value>, LedgerError>;

    /// Writes that were undone, in that order: those after row `after`, at most `limit`. Each
    /// comes with its row.
    async fn history(&self, after: u64, limit: usize) -> Result<Vec<(u64, Past)>, LedgerError>;

    /// A named value of the migration as a whole.
    async fn meta(&self, name: &str) -> Result<Option<Value>, LedgerError>;
}

/// The migration that a durable ledger belongs to, settled when the ledger is made: it is refused
/// to any other, which would mistake foreign objects for its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// The account that is read.
    pub source: String,
    /// The account that is written to.
    pub destination: String,
    /// What external ids in the destination begin with.
    pub key_prefix: String,
}

impl Binding {
    /// A binding of a source account to a destination account, under a prefix for external ids.
    pub fn new(
        source: impl Into<String>,
        destination: impl Into<String>,
        key_prefix: impl Into<String>,
    ) -> Self {
        Self {
            source: source.into(),
            destination: destination.into(),
            key_prefix: key_prefix.into(),
        }
    }

    /// Each value under its name.
    #[cfg(feature = "sqlite")]
    fn named(&self) -> [(&'static str, &str); 3] {
        [
            ("source", &self.source),
            ("destination", &self.destination),
            ("key_prefix", &self.key_prefix),
        ]
    }
}

/// Which entries of a stage are wanted, and in which order.
///
/// ```
/// use migrate_core::Fate;
/// use migrate_core::ledger::Scan;
///
/// let dead = Scan::of("contacts").with(Fate::Dead).limit(100);
/// let next = dead.clone().after(4711); // the last row that came
/// assert_eq!(next.after, Some(4711));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scan {
    /// The stage.
    pub stage: String,
    /// Only those with this fate.
    pub fate: Option<Fate>,
    /// Only those that were not seen in this pass.
    pub unseen_in: Option<u32>,
    /// Only those beyond this row, in the order asked for.
    pub after: Option<u64>,
    /// So many at most.
    pub limit: usize,
    /// The last row first.
    pub newest_first: bool,
}

impl Scan {
    /// The first 500 entries of a stage.
    pub fn of(stage: impl Into<String>) -> Self {
        Self {
            stage: stage.into(),
            fate: None,
            unseen_in: None,
            after: None,
            limit: 500,
            newest_first: false,
        }
    }

    /// Only entries with this fate.
    #[must_use]
    pub fn with(mut self, fate: Fate) -> Self {
        self.fate = Some(fate);
        self
    }

    /// Only entries that were not seen in this pass.
    #[must_use]
    pub fn unseen_in(mut self, pass: u32) -> Self {
        self.unseen_in = Some(pass);
        self
    }

    /// Only entries beyond this row.
    #[must_use]
    pub fn after(mut self, row: u64) -> Self {
        self.after = Some(row);
        self
    }

    /// So many at most.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The last row first.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Is this entry, of the stage, among those that are wanted?
    pub fn wants(&self, entry: &Entry) -> bool {
        self.fate.is_none_or(|fate| fate == entry.fate)
            && self.unseen_in.is_none_or(|pass| entry.seen != pass)
    }
}

/// The keys that have a final fate, counted and digested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// How many.
    pub keys: u64,
    /// Their digest, whatever their order.
    pub digest: KeyDigest,
}

impl Proof {
    /// Takes one more key into it.
    pub fn add(&mut self, key: &Key) {
        self.keys += 1;
        self.digest.add(key);
    }
}

/// A write that was undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The key of the write.
    pub key: Key,
    /// The stage it belonged to.
    pub stage: String,
    /// What it was.
    pub written: Written,
    /// When it was undone.
    pub undone_at: DateTime<Utc>,
}

/// One change to a ledger.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Sets what became of a source key. An entry that is new gets its stage; one that exists
    /// keeps it.
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
        /// How often it has been tried in vain.
        attempts: u32,
        /// When.
        at: DateTime<Utc>,
    },
    /// A write is about to be made that must not be repeated. The record's entry is made, as
    /// pending, if there is none. An intent that stands already keeps its time, since the write
    /// may have taken effect ever since.
    Intent {
        /// The key of the write, a part key or a record's.
        key: Key,
        /// The stage it belongs to.
        stage: String,
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
        /// Whether it was created, changed or found as it should be. A write that is done again
        /// keeps the first of these: what was created by this migration stays its own.
        how: How,
        /// See [`Written::state`].
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
        /// the [mark](StageState::mark) of that.
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

/// What is known of one source key.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The stage it belongs to.
    pub stage: String,
    /// Its fate.
    pub fate: Fate,
    /// The fingerprint of all its drafts together, when they were last settled.
    pub fingerprint: Option<Fingerprint>,
    /// Its object in the destination.
    pub target: Option<TargetId>,
    /// Why it has its fate.
    pub reason: Option<Reason>,
    /// What was left behind of it.
    pub notes: Vec<Note>,
    /// How often it has been tried in vain.
    pub attempts: u32,
    /// The last pass it was seen in; 0 before its first page is settled.
    pub seen: u32,
    /// When it was last settled or its own write was last done; before that, when it was made, or
    /// the epoch where the change that made it had no time.
    pub at: DateTime<Utc>,
    /// Its writes, in the order they were first made. Filled by [`Ledger::entries`] only.
    pub parts: Vec<Part>,
}

impl Entry {
    /// An entry of which nothing more is known than that it is pending.
    pub fn pending(key: Key, stage: impl Into<String>) -> Self {
        Self {
            key,
            stage: stage.into(),
            fate: Fate::Pending,
            fingerprint: None,
            target: None,
            reason: None,
            notes: Vec::new(),
            attempts: 0,
            seen: 0,
            at: DateTime::UNIX_EPOCH,
            parts: Vec::new(),
        }
    }

    /// The write under a key, if one was begun.
    pub fn part(&self, key: &Key) -> Option<&Part> {
        self.parts.iter().find(|part| &part.key == key)
    }
}

/// What is known of one write.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its key, a part key or the record's own.
    pub key: Key,
    /// How far it got.
    pub state: PartState,
}

/// How far a write got.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PartState {
    /// It was about to be made; nobody knows whether it was. `known` is what a former write under
    /// this key became.
    Intended {
        /// When the intent was made durable.
        at: DateTime<Utc>,
        /// The target and fingerprint of a former write under this key.
        known: Option<Written>,
    },
    /// It is done.
    Done(Written),
}

/// A write that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// What it became.
    pub target: TargetId,
    /// The fingerprint of its draft.
    pub fingerprint: Fingerprint,
    /// How it came about at first.
    pub how: How,
    /// A digest of what stood in the destination after it, in the fields that were written, as
    /// far as the sink told: by it undo and verification know whether somebody has changed the
    /// object since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Fingerprint>,
    /// When it was last done.
    pub at: DateTime<Utc>,
}

/// How an object of the destination came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum How {
    /// This migration created it.
    Created,
    /// It was there, and this migration changed it.
    Updated,
    /// It was there as it should be.
    Unchanged,
}

/// A record that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The record.
    pub key: Key,
    /// Its stage.
    pub stage: String,
    /// Its lane.
    pub lane: Option<String>,
    /// What it waits for.
    pub why: Parking,
    /// Since when; for doubt, the moment after which the write was surely no longer being sent.
    pub since: DateTime<Utc>,
    /// It need not be looked at before this.
    pub not_before: DateTime<Utc>,
    /// How often it has been looked at in vain.
    pub looks: u32,
    /// Its drafts, as JSON.
    pub drafts: Value,
    /// What was left behind of it.
    pub notes: Vec<Note>,
}

/// What a parked record waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Parking {
    /// The end of reading, when all that share its identity are known.
    Group,
    /// To be found in the destination, or found missing.
    Doubt,
    /// The object it belongs to.
    Parent,
    /// Another try: it was surely not written.
    Retry,
    /// The record before it in its lane.
    Lane,
    /// A last look for twins at the end of the run. The record is settled: it was in doubt on the
    /// way.
    LastLook,
}

impl Parking {
    /// All of them.
    pub const ALL: [Parking; 6] = [
        Parking::Group,
        Parking::Doubt,
        Parking::Parent,
        Parking::Retry,
        Parking::Lane,
        Parking::LastLook,
    ];

    /// The name that ledgers use.
    pub fn name(self) -> &'static str {
        match self {
            Parking::Group => "group",
            Parking::Doubt => "doubt",
            Parking::Parent => "parent",
            Parking::Retry => "retry",
            Parking::Lane => "lane",
            Parking::LastLook => "last_look",
        }
    }
}

/// What is known of a stage.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct StageState {
    /// The pass that is under way or was the last; 0 before the first.
    pub pass: u32,
    /// Where reading goes on in this pass.
    pub cursor: Option<Cursor>,
    /// Was the source read to its end in this pass?
    pub read: bool,
    /// Has everything read in this pass been dealt with?
    pub finished: bool,
    /// Keys seen in this pass.
    pub keys: u64,
    /// Digest of the keys seen in this pass.
    pub digest: KeyDigest,
    /// Does this pass read only what has changed since an earlier one?
    pub partial: bool,
    /// Where a reading begins that brings only what has changed since the last finished pass;
    /// `None` where the source cannot tell.
    pub mark: Option<Cursor>,
}

/// Why a ledger could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct LedgerError {
    kind: LedgerErrorKind,
    message: String,
    #[source]
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What sort of trouble a ledger is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerErrorKind {
    /// Another run holds its lock.
    Locked,
    /// It is not a ledger, or a damaged one.
    Corrupt,
    /// It was written by a newer version of this crate.
    Newer,
    /// It belongs to another migration.
    Foreign,
    /// Some of its records are not settled.
    Unfinished,
    /// People's data was erased from it: it can be read, and no run can use it any more.
    Purged,
    /// The disk is full or does not answer: stop, and resume when it does.
    Storage,
}

impl LedgerError {
    /// An error of a kind.
    pub fn new(kind: LedgerErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// What sort of trouble it is.
    pub fn kind(&self) -> LedgerErrorKind {
        self.kind
    }
}
