//! [`Sink`]: where drafts are written, and the receipts it spends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::draft::Name;
use crate::fate::Reason;
use crate::ledger::{Change, How, Ledger, LedgerError, MemoryLedger, Written};
use crate::mapper::Note;
use crate::{Alias, Fingerprint, Key};

/// The destination of one kind of draft.
///
/// `write` spends the receipt of each [`Write`] it is given. A receipt that is dropped unspent
/// counts as *in doubt*, never as done.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no sink for `{D}`",
    note = "implement `migrate_core::Sink<{D}>` for it, with `#[async_trait]`"
)]
pub trait Sink<D: Send + Sync + 'static>: Send + Sync {
    /// Writes drafts. One failing must not keep the others of the batch from being tried.
    async fn write(&self, batch: Vec<Write<D>>);

    /// Looks whether a write of which the outcome is unknown took effect.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when it could not look: it looks again later, or the run stops.
    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure>;

    /// How much it takes at once.
    fn limits(&self) -> Limits;
}

#[async_trait]
impl<D: Send + Sync + 'static, S: Sink<D> + ?Sized> Sink<D> for Arc<S> {
    async fn write(&self, batch: Vec<Write<D>>) {
        (**self).write(batch).await;
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        (**self).find(doubt).await
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }
}

#[async_trait]
impl<D: Send + Sync + 'static, S: Sink<D> + ?Sized> Sink<D> for Box<S> {
    async fn write(&self, batch: Vec<Write<D>>) {
        (**self).write(batch).await;
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        (**self).find(doubt).await
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }
}

/// How much a sink takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Writes in one batch, at most.
    pub batch: usize,
    /// Batches under way at once, at most.
    pub in_flight: usize,
}

impl Limits {
    /// One write at a time in each batch, `in_flight` batches at once.
    pub fn one_by_one(in_flight: usize) -> Self {
        Self::batches(1, in_flight)
    }

    /// Up to `batch` writes at a time, and up to `in_flight` such batches at once. Writes of one
    /// record, and of records in one lane, are never in one batch.
    pub fn batches(batch: usize, in_flight: usize) -> Self {
        Self { batch: batch.max(1), in_flight: in_flight.max(1) }
    }
}

/// The name of an object in the destination. It names one object in all of it: where ids are given
/// out kind by kind, the kind goes into the name (`tag:7`), or objects of two kinds pass for one.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(String);

impl TargetId {
    /// A destination's id.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The objects that a draft's references led to.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub(crate) keys: BTreeMap<Key, TargetId>,
    pub(crate) aliases: BTreeMap<Alias, TargetId>,
    pub(crate) root: Option<Written>,
}

impl Resolved {
    /// Nothing but the record's own object.
    pub(crate) fn of_root(root: Option<Written>) -> Self {
        Self { root, ..Self::default() }
    }

    /// A name leads to this object.
    pub(crate) fn insert(&mut self, name: Name, object: TargetId) {
        match name {
            Name::Key(key) => drop(self.keys.insert(key, object)),
            Name::Alias(alias) => drop(self.aliases.insert(alias, object)),
        }
    }

    /// The object behind a name, if it is known.
    pub fn get(&self, name: &Name) -> Option<&TargetId> {
        match name {
            Name::Key(key) => self.keys.get(key),
            Name::Alias(alias) => self.aliases.get(alias),
        }
    }

    /// The object behind the first of several names that leads anywhere.
    pub fn first(&self, names: &[Name]) -> Option<&TargetId> {
        names.iter().find_map(|name| self.get(name))
    }

    /// The object of the record that this draft is a part of.
    pub fn root(&self) -> Option<&TargetId> {
        self.root.as_ref().map(|written| &written.target)
    }

    /// Did this migration create the object that this draft is a part of?
    pub fn root_is_ours(&self) -> bool {
        self.root.as_ref().is_some_and(|written| written.how == How::Created)
    }
}

/// One draft to write, with what is known about it and the receipt to spend.
pub struct Write<D> {
    /// Its key, a part key for what is not the record's own object.
    pub key: Key,
    /// What to write.
    pub draft: D,
    /// The objects it refers to.
    pub resolved: Resolved,
    /// What it became in an earlier run, if it did: then this is an update of that object, which
    /// is this migration's own only if it was [created](crate::ledger::How::Created) by it.
    pub known_as: Option<Written>,
    /// When the migration first set out to write it. What is older in the destination was there
    /// before.
    pub since: DateTime<Utc>,
    /// What the record waited for when it was last tried, if it was queued.
    pub waited_for: Option<Reason>,
    pub(crate) state: Option<Fingerprint>,
    image: Option<Value>,
    notes: Vec<Note>,
    /// Was an image kept for this write, where none stood before?
    pub(crate) kept: AtomicBool,
    pub(crate) receipt: Option<oneshot::Sender<Receipt>>,
    pub(crate) ledger: Arc<dyn Ledger>,
}

/// What a sink says of one write.
#[derive(Debug)]
pub(crate) struct Receipt {
    pub(crate) outcome: Outcome,
    pub(crate) state: Option<Fingerprint>,
    /// What is kept of the write from now on in the place of an earlier image, if it is done.
    pub(crate) image: Option<Value>,
    /// What was left behind of it.
    pub(crate) notes: Vec<Note>,
    /// Was an image kept for this write, where none stood before?
    pub(crate) kept: bool,
}

impl Receipt {
    /// A receipt that was dropped unspent: in doubt.
    pub(crate) fn dropped() -> Self {
        let message = "the sink dropped the receipt";
        let outcome = Outcome::Failed(Failure::new(FailureKind::InDoubt, message));
        // An image that is kept in doubt stays, whoever kept it.
        Self { outcome, state: None, image: None, notes: Vec::new(), kept: false }
    }
}

impl<D> fmt::Debug for Write<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write")
            .field("key", &self.key)
            .field("known_as", &self.known_as)
            .finish_non_exhaustive()
    }
}

impl<D> Write<D> {
    /// A write of which nothing is known yet, and where its receipt will come. What it remembers is
    /// kept in the ledger.
    pub(crate) fn new(
        key: Key,
        draft: D,
        resolved: Resolved,
        since: DateTime<Utc>,
        ledger: Arc<dyn Ledger>,
    ) -> (Self, oneshot::Receiver<Receipt>) {
        let (spend, receipt) = oneshot::channel();
        let (known_as, waited_for, state, kept) = (None, None, None, AtomicBool::new(false));
        let receipt_to = Some(spend);
        let write = Self {
            key,
            draft,
            resolved,
            known_as,
            since,
            waited_for,
            state,
            image: None,
            notes: Vec::new(),
            kept,
            receipt: receipt_to,
            ledger,
        };
        (write, receipt)
    }

    /// It was created.
    pub fn created(self, id: TargetId) {
        self.spend(Outcome::Created(id));
    }

    /// What was there was changed.
    pub fn updated(self, id: TargetId) {
        self.spend(Outcome::Updated(id));
    }

    /// It was there as it should be; no part of this write changed anything.
    pub fn unchanged(self, id: TargetId) {
        self.spend(Outcome::Unchanged(id));
    }

    /// The destination refused it for good, and no part of this write changed anything: what is
    /// half done is [in doubt](FailureKind::InDoubt).
    pub fn refused(self, reason: Reason) {
        self.spend(Outcome::Refused(reason));
    }

    /// Somebody has to act before it can be written, and no part of this write changed anything.
    /// Every later run tries again, so the sink
    /// should find out by reading whether somebody has; [`Write::waited_for`] says what for.
    pub fn queued(self, reason: Reason) {
        self.spend(Outcome::Queued(reason));
    }

    /// It was not written, or nobody knows; the failure says which.
    pub fn failed(self, failure: Failure) {
        self.spend(Outcome::Failed(failure));
    }

    /// A copy to be written elsewhere as well, with a receipt of its own, and what becomes of it.
    /// A receipt that is dropped counts as in doubt.
    ///
    /// It is for wrappers such as [`Tee`](crate::Tee); the copy's outcome means nothing to the
    /// engine. What is known of the destination stays with the original: the copy is
    /// [known as](Self::known_as) nothing, since the id would be that of an object elsewhere, and
    /// what it [remembers](Self::remember) is not kept, or undo would put back what never stood in
    /// the destination. What it refers to is [resolved](Self::resolved) to objects of the
    /// destination.
    pub fn copy(&self) -> (Self, BoxFuture<'static, Outcome>)
    where
        D: Clone,
    {
        let (key, draft) = (self.key.clone(), self.draft.clone());
        let nowhere = Arc::new(MemoryLedger::new());
        let (mut copy, receipt) = Self::new(key, draft, self.resolved.clone(), self.since, nowhere);
        copy.waited_for = self.waited_for.clone();
        let outcome = async { receipt.await.unwrap_or_else(|_| Receipt::dropped()).outcome };
        (copy, Box::pin(outcome))
    }

    /// Notes, before the receipt is spent, a digest of what stands in the destination after this
    /// write, in the fields that were written, as the destination's answer shows them. By it undo
    /// and verification know whether somebody has changed the object since.
    pub fn leaves(&mut self, state: Fingerprint) {
        self.state = Some(state);
    }

    /// Notes, before the receipt is spent, what the ledger is to keep of this write from now on, in
    /// the place of what it [remembers](Self::remember) of it. It is durable together with the
    /// outcome, and only if the write is done: by it a later write of the same object knows more than
    /// whether its [state](Self::leaves) is another one.
    pub fn keeps(&mut self, image: Value) {
        self.image = Some(image);
    }

    /// Notes, before the receipt is spent, a loss that is no error: this happened to that field of the
    /// record. It stands in the ledger beside what the mapper has noted.
    pub fn notes(&mut self, code: impl Into<String>, field: impl Into<String>) {
        self.notes.push(Note { code: code.into(), field: field.into() });
    }

    /// Spends the receipt.
    pub fn spend(mut self, outcome: Outcome) {
        if let Some(receipt) = self.receipt.take() {
            // The engine waits for every receipt; when it is gone the run is over, and the
            // durable intent keeps the doubt.
            let Self { state, image, notes, kept, .. } = self;
            let kept = kept.into_inner();
            let _ = receipt.send(Receipt { outcome, state, image, notes, kept });
        }
    }

    /// Keeps what stood in the destination before it is changed, durably, so that it can be put
    /// back. The first image of a key is kept; later ones are ignored. Says whether this is the
    /// first.
    ///
    /// An image that stood already when this write began means that an earlier try may have taken
    /// effect, or that an earlier run changed the object. One kept by this write is dropped again
    /// when its receipt says that it surely changed nothing.
    ///
    /// # Errors
    ///
    /// When the ledger fails: then nothing may be changed, and the receipt is spent with a
    /// [failure](Self::failed) of the kind [`NotDone`](FailureKind::NotDone).
    pub async fn remember(&self, before: Value) -> Result<bool, LedgerError> {
        if self.ledger.before(&self.key).await?.is_some() {
            return Ok(self.kept.load(Ordering::Relaxed));
        }
        let change = Change::Before { key: self.key.clone(), image: before };
        self.ledger.commit(vec![change]).await?;
        self.kept.store(true, Ordering::Relaxed);
        Ok(true)
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Created as this object.
    Created(TargetId),
    /// This object was there and was changed.
    Updated(TargetId),
    /// This object was there as it should be.
    Unchanged(TargetId),
    /// Refused for good.
    Refused(Reason),
    /// Waits for somebody.
    Queued(Reason),
    /// Not written, or nobody knows.
    Failed(Failure),
}

/// Why a write was not made, or why nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct Failure {
    /// What sort of failure.
    pub kind: FailureKind,
    /// What happened, without secrets and without a person's data.
    pub message: String,
}

/// What sort of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// Surely not executed, no part of it, and worth another try later; the client has tried long
    /// enough.
    NotDone,
    /// It may have been executed, now or in a moment.
    InDoubt,
    /// Surely not executed, no part of it, since the destination cannot be reached at all: the run stops and can be
    /// resumed.
    Gone,
    /// Surely not executed, no part of it, and the run must stop: access, plan or region is wrong.
    Stop,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// A write of which the outcome is unknown.
#[derive(Clone)]
#[non_exhaustive]
pub struct Doubt<D> {
    /// Its key.
    pub key: Key,
    /// What was to be written.
    pub draft: D,
    /// The objects it refers to.
    pub resolved: Resolved,
    /// When the intent to write it was made durable.
    pub intended_at: DateTime<Utc>,
    /// What the record's other writes became: a match among these is not this one.
    pub taken: Vec<TargetId>,
}

impl<D> fmt::Debug for Doubt<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doubt")
            .field("key", &self.key)
            .field("intended_at", &self.intended_at)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

/// What a look into the destination gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// It took effect, as this object.
    Yes(TargetId),
    /// It took effect on this object, which was there before and is not this migration's own.
    Updated(TargetId),
    /// It took effect, as this object, but with an older state of what is to be written.
    Older(TargetId),
    /// It took effect more than once: a twin for somebody to look at. The first is kept.
    Twins(Vec<TargetId>),
    /// It is not there, as far as this evidence goes.
    No(Evidence),
    /// The destination cannot tell now.
    CannotTell,
}

/// How good a negative answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Evidence {
    /// A read that is surely current. It counts once no request can still be on its way.
    Read,
    /// A search index, which lags. It counts after the lag horizon only.
    Search,
}
