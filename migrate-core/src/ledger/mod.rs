//! [`Ledger`]: the durable memory of a migration.
//!
//! A ledger keeps one [`Entry`] per source key with its [`Fate`], an intent before every write
//! that must not be repeated, the records that wait with their drafts, the other names records
//! are known by, and the cursor of each stage. Everything is changed through
//! [`Ledger::commit`], which takes effect whole or not at all.

mod change;
#[cfg(any(test, feature = "testkit"))]
pub mod contract;
mod error;
mod export;
mod memory;
mod rules;
mod scan;
mod shown;
#[cfg(feature = "sqlite")]
mod sqlite;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fate::{Fate, Reason, Tally};
use crate::mapper::Note;
use crate::record::Cursor;
use crate::sink::TargetId;
use crate::{Alias, Fingerprint, Key, KeyDigest};

pub use change::{Change, UNREADABLE};
pub use error::{LedgerError, LedgerErrorKind};
pub use export::{ExportOptions, export, export_with};
pub use memory::MemoryLedger;
pub use scan::Scan;
#[cfg(feature = "sqlite")]
pub use sqlite::{CheckReport, Problem, SqliteLedger};

/// The durable memory of a migration.
///
/// When `commit` has returned, its changes survive a crash, all of them or none. Reads see every
/// commit that has returned. A ledger is locked for one run at a time where it is opened.
///
/// # Errors
///
/// Every call may fail, and the run stops: with [`Storage`](LedgerErrorKind::Storage) where a later
/// run can go on when the disk or server answers again, with [`Corrupt`](LedgerErrorKind::Corrupt)
/// where what was read is not what was written. After a failed `commit` nobody knows whether it was
/// made; it was made whole or not at all. A [`Change`] that a ledger does not know is an error too,
/// never passed over.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no ledger",
    note = "implement `migrate_core::Ledger` for it, with `#[async_trait]`, and hold it to `migrate_core::ledger::contract`"
)]
pub trait Ledger: Send + Sync + 'static {
    /// Makes changes durable, atomically and in order.
    async fn commit(&self, changes: Vec<Change>) -> Result<(), LedgerError>;

    /// The entries of keys, with their parts, in the order asked for.
    async fn entries(&self, keys: &[Key]) -> Result<Vec<Option<Entry>>, LedgerError>;

    /// The entries known under each alias (several may share one), without their parts.
    async fn known_as(&self, aliases: &[Alias]) -> Result<Vec<Vec<Entry>>, LedgerError>;

    /// The aliases of each key, as they were last given: none of a key that is not known.
    async fn aliases(&self, keys: &[Key]) -> Result<Vec<Vec<Alias>>, LedgerError>;

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

/// A write that was undone, or a duplicate that went with the object it shared, which it left
/// [unchanged](How::Unchanged).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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

impl Past {
    /// A write under a key, in a stage, as it was when it was undone.
    pub fn new(
        key: Key,
        stage: impl Into<String>,
        written: Written,
        undone_at: DateTime<Utc>,
    ) -> Self {
        Self { key, stage: stage.into(), written, undone_at }
    }
}

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

    /// What the write under a key became, whatever is going on with it now.
    pub fn written(&self, key: &Key) -> Option<&Written> {
        self.part(key)?.state.written()
    }
}

/// What is known of one write.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Part {
    /// Its key, a part key or the record's own.
    pub key: Key,
    /// How far it got.
    pub state: PartState,
}

impl Part {
    /// A write under a key that got so far.
    pub fn new(key: Key, state: PartState) -> Self {
        Self { key, state }
    }
}

/// How far a write got.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum PartState {
    /// It was about to be made; nobody knows whether it was. `known` is what a former write under
    /// this key became.
    Intended {
        /// When the intent was made durable.
        at: DateTime<Utc>,
        /// The target and fingerprint of a former write under this key.
        known: Option<Written>,
        /// What was to be written, as JSON.
        draft: Option<Value>,
    },
    /// It is done.
    Done(Written),
}

impl PartState {
    /// What the write became, or a former one under its key while this one is under way.
    pub fn written(&self) -> Option<&Written> {
        match self {
            Self::Done(written) => Some(written),
            Self::Intended { known, .. } => known.as_ref(),
        }
    }
}

/// A write that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
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

impl Written {
    /// A write that became this object in this way, at that time. The fingerprint is that of its
    /// draft.
    pub fn new(target: TargetId, fingerprint: Fingerprint, how: How, at: DateTime<Utc>) -> Self {
        Self { target, fingerprint, how, state: None, at }
    }

    /// The same, with a digest of what stood in the destination after it.
    #[must_use]
    pub fn state(mut self, state: Option<Fingerprint>) -> Self {
        self.state = state;
        self
    }
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

impl How {
    /// How an object came about that came about like this and was then written again like that:
    /// what this migration created stays its own, and what it changed stays changed.
    #[must_use]
    pub fn then(self, again: Self) -> Self {
        match (self, again) {
            (Self::Created, _) => Self::Created,
            (Self::Unchanged, Self::Unchanged) => Self::Unchanged,
            (Self::Updated | Self::Unchanged, _) => Self::Updated,
        }
    }
}

/// A record that waits.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
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

impl Parked {
    /// A record of a stage that waits for this since then, in no lane, and may be looked at again
    /// at once. Drafts, notes and the rest are added to it.
    pub fn new(key: Key, stage: impl Into<String>, why: Parking, since: DateTime<Utc>) -> Self {
        Self {
            key,
            stage: stage.into(),
            lane: None,
            why,
            since,
            not_before: since,
            looks: 0,
            drafts: Value::Null,
            notes: Vec::new(),
        }
    }
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
    /// Somebody has to act: the record is settled as queued, and stands for its place in its lane,
    /// which others must not overtake. Its drafts are not kept.
    Queued,
}

impl Parking {
    /// All of them.
    pub const ALL: &'static [Parking] = &[
        Parking::Group,
        Parking::Doubt,
        Parking::Parent,
        Parking::Retry,
        Parking::Lane,
        Parking::LastLook,
        Parking::Queued,
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
            Parking::Queued => "queued",
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
