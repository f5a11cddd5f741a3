//! [`Sample`]: a draft as the engine would offer it to a sink, and [`Answer`]: what comes back.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use crate::draft::{Draft, Name, fingerprint};
use crate::ledger::{How, MemoryLedger, Written};
use crate::sink::{Doubt, Outcome, Receipt, Resolved, Sink, TargetId, Write};
use crate::{Fingerprint, Key};

/// A draft with what the engine would know about it, to try a sink without an engine.
///
/// ```
/// # use migrate_core::testkit::{MemoryTarget, Piece, Sample, Uniqueness};
/// # use migrate_core::{Key, Outcome, Sink};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let sink = MemoryTarget::new();
/// let anna = Sample::new(Key::new("person", 1), Piece::object(Uniqueness::ById, "Anna"));
/// let answer = anna.written_to(&sink).await;
/// assert!(matches!(answer, Some(Outcome::Created(_))));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sample<D> {
    /// The key of the write.
    pub key: Key,
    /// What is to be written.
    pub draft: D,
    /// The objects it refers to.
    pub resolved: Resolved,
    /// What it became before.
    pub known_as: Option<Written>,
}

impl<D: Draft> Sample<D> {
    /// A draft that refers to nothing and was never written.
    pub fn new(key: Key, draft: D) -> Self {
        Self { key, draft, resolved: Resolved::default(), known_as: None }
    }

    /// The same, with a reference that leads to this object.
    #[must_use]
    pub fn leading_to(mut self, name: Name, object: TargetId) -> Self {
        self.resolved.insert(name, object);
        self
    }

    /// The same, as a part of a record that this migration created as this object.
    #[must_use]
    pub fn part_of(mut self, object: TargetId) -> Self {
        self.resolved.root = Some(written_as(object, Fingerprint::of(b"root")));
        self
    }

    /// The same, already written in an earlier run: it is to be brought up to date.
    #[must_use]
    pub fn known_as(mut self, object: TargetId) -> Self {
        self.known_as = Some(written_as(object, Fingerprint::of(b"earlier")));
        self
    }

    /// The write, and the answer that its receipt will give.
    pub fn offer(&self) -> (Write<D>, Answer) {
        let (key, draft) = (self.key.clone(), self.draft.clone());
        let ledger = Arc::new(MemoryLedger::new());
        let (mut write, answer) = Write::new(key, draft, self.resolved.clone(), Utc::now(), ledger);
        write.known_as = self.known_as.clone();
        (write, Answer(answer))
    }

    /// Writes it, alone; `None` where the receipt was dropped.
    pub async fn written_to(&self, sink: &(impl Sink<D> + ?Sized)) -> Option<Outcome> {
        let (write, answer) = self.offer();
        sink.write(vec![write]).await;
        answer.outcome().await
    }

    /// The doubt about it, as if its reply had been lost. `taken` are the objects of the record's
    /// other writes.
    pub fn doubt(&self, intended_at: DateTime<Utc>, taken: Vec<TargetId>) -> Doubt<D> {
        Doubt {
            key: self.key.clone(),
            draft: self.draft.clone(),
            resolved: self.resolved.clone(),
            intended_at,
            taken,
        }
    }

    /// The fingerprint of the draft, by which the engine knows it again.
    pub fn fingerprint(&self) -> Result<Fingerprint, serde_json::Error> {
        fingerprint(&self.draft)
    }
}

fn written_as(target: TargetId, fingerprint: Fingerprint) -> Written {
    Written { target, fingerprint, how: How::Created, state: None, at: DateTime::UNIX_EPOCH }
}

/// What a sink will say of one write.
#[derive(Debug)]
pub struct Answer(oneshot::Receiver<Receipt>);

impl Answer {
    /// Waits for the answer; `None` when the receipt was dropped.
    pub async fn outcome(self) -> Option<Outcome> {
        self.0.await.ok().map(|receipt| receipt.outcome)
    }
}

/// Takes the receipt out of a write and puts another in: what the sink says is heard by whoever
/// holds the answer, and the engine hears what is sent to the receipt that was taken out.
pub(super) fn intercept<D>(write: &mut Write<D>) -> (Option<oneshot::Sender<Receipt>>, Answer) {
    let (receipt, answer) = oneshot::channel();
    (write.receipt.replace(receipt), Answer(answer))
}
