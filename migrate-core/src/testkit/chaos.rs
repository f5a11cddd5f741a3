//! [`Chaos`]: puts faults in front of a source, a sink or a ledger, by seed.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;

use super::gate::ledger_in_front;
use super::offer::intercept;
use super::{Rng, lock};
use crate::fate::Tally;
use crate::ledger::{
    Change, Entry, Ledger, LedgerError, LedgerErrorKind, Parked, Parking, Past, Proof, Scan,
    StageState,
};
use crate::sink::{Doubt, Failure, FailureKind, Found, Limits, Outcome, Receipt, Sink, Write};
use crate::source::{Estimate, Lookup, Source, SourceError};
use crate::{Alias, Cursor, Key, Page, async_trait};

/// What goes wrong, each in so many of a thousand calls.
///
/// ```
/// use migrate_core::testkit::Faults;
///
/// let lossy = Faults { lost_reply: 100, ..Faults::none() };
/// assert_eq!(lossy.not_done, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// A write is not executed, and the sink says so, as after a 429.
    pub not_done: u32,
    /// A write takes effect, and its reply is lost.
    pub lost_reply: u32,
    /// A write is in doubt and takes effect later, beyond its connection.
    pub late_effect: u32,
    /// How much later, at most.
    pub late_by: Duration,
    /// A write takes effect, and its receipt is dropped.
    pub dropped_receipt: u32,
    /// A write is in doubt, and never takes effect.
    pub lost_request: u32,
    /// A look at the destination fails.
    pub failed_look: u32,
    /// A look at the destination cannot tell.
    pub blind_look: u32,
    /// Reading of a source breaks off.
    pub source_error: u32,
    /// A commit fails and is not made.
    pub commit_lost: u32,
    /// A commit fails and is made all the same.
    pub commit_unknown: u32,
    /// A read of a ledger fails.
    pub ledger_read: u32,
    /// How long a call is held up before it is made, at most.
    pub delay: Duration,
    /// The other side is away altogether.
    pub outage: Option<Outage>,
}

/// How a destination that is away behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It refuses every call for now, and executes none.
    Busy,
    /// It executes writes and answers nothing.
    Silent,
    /// It cannot be reached.
    Gone,
}

impl Default for Faults {
    fn default() -> Self {
        Self::none()
    }
}

impl Faults {
    /// Nothing goes wrong.
    pub const fn none() -> Self {
        Self {
            not_done: 0,
            lost_reply: 0,
            late_effect: 0,
            late_by: Duration::from_secs(15),
            dropped_receipt: 0,
            lost_request: 0,
            failed_look: 0,
            blind_look: 0,
            source_error: 0,
            commit_lost: 0,
            commit_unknown: 0,
            ledger_read: 0,
            delay: Duration::ZERO,
            outage: None,
        }
    }

    /// Everything goes wrong now and then: three in ten of the writes, a fifth of the looks, and a
    /// few reads and commits, since each of those ends a run.
    pub const fn all() -> Self {
        Self {
            not_done: 60,
            lost_reply: 80,
            late_effect: 80,
            dropped_receipt: 40,
            lost_request: 40,
            failed_look: 150,
            blind_look: 50,
            source_error: 30,
            commit_lost: 4,
            commit_unknown: 4,
            ledger_read: 2,
            delay: Duration::from_millis(40),
            ..Self::none()
        }
    }

    /// The other side is away.
    pub const fn outage(outage: Outage) -> Self {
        Self { outage: Some(outage), ..Self::none() }
    }
}

/// A source, a sink or a ledger with faults in front of it. Clones share them.
///
/// ```
/// # use migrate_core::testkit::{Chaos, Faults, MemoryTarget, Piece, Sample, Uniqueness};
/// # use migrate_core::{FailureKind, Key, Outcome};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let target = MemoryTarget::new();
/// let lossy = Faults { lost_reply: 1000, ..Faults::none() };
/// let sink = Chaos::new(target.clone(), lossy, 7);
///
/// let anna = Sample::new(Key::new("person", 1), Piece::object(Uniqueness::Indexed, "Anna"));
/// let Some(Outcome::Failed(failure)) = anna.written_to(&sink).await else { panic!("no reply") };
/// assert_eq!(failure.kind, FailureKind::InDoubt);
/// assert_eq!(target.objects().len(), 1);
/// # }
/// ```
pub struct Chaos<T> {
    inner: Arc<T>,
    dice: Arc<Mutex<Dice>>,
}

struct Dice {
    rng: Rng,
    faults: Faults,
    next: Vec<(Key, Mishap)>,
}

impl<T> Clone for Chaos<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), dice: self.dice.clone() }
    }
}

impl<T> fmt::Debug for Chaos<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults = self.faults();
        f.debug_struct("Chaos").field("faults", &faults).finish_non_exhaustive()
    }
}

/// What goes wrong with one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It is not executed, and the sink says so.
    NotDone,
    /// It takes effect, and its reply is lost.
    LostReply,
    /// It is in doubt at once, and takes effect so much later.
    Late(Duration),
    /// It is in doubt, and never takes effect.
    LostRequest,
    /// It takes effect, and its receipt is dropped.
    DroppedReceipt,
    /// The destination cannot be reached.
    Gone,
}

impl<T> Chaos<T> {
    /// Puts faults in front of it. The same seed and the same calls give the same faults.
    pub fn new(inner: T, faults: Faults, seed: u64) -> Self {
        Self {
            inner: Arc::new(inner),
            dice: Arc::new(Mutex::new(Dice { rng: Rng::new(seed), faults, next: Vec::new() })),
        }
    }

    /// What goes wrong now.
    pub fn faults(&self) -> Faults {
        lock(&self.dice).faults
    }

    /// Other faults from now on.
    pub fn set(&self, faults: Faults) {
        lock(&self.dice).faults = faults;
    }

    /// What the faults are in front of.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Lets this happen to the next write under this key, whatever the dice say. Several happen in
    /// turn.
    pub fn next(&self, key: &Key, mishap: Mishap) {
        lock(&self.dice).next.push((key.clone(), mishap));
    }

    /// Throws dice for the rates: the place of the one that was hit.
    fn throw(&self, rates: impl Fn(&Faults) -> Vec<u32>) -> Option<usize> {
        let mut dice = lock(&self.dice);
        let rates = rates(&dice.faults);
        let mut thrown = u32::try_from(dice.rng.below(1000)).unwrap_or(0);
        for (place, rate) in rates.into_iter().enumerate() {
            if thrown < rate {
                return Some(place);
            }
            thrown -= rate;
        }
        None
    }

    async fn held_up(&self) {
        let delay = {
            let mut dice = lock(&self.dice);
            let longest = dice.faults.delay;
            if longest.is_zero() { longest } else { dice.rng.time(longest) }
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    fn mishap(&self, key: &Key) -> Option<Mishap> {
        {
            let mut dice = lock(&self.dice);
            if let Some(at) = dice.next.iter().position(|(next, _)| next == key) {
                return Some(dice.next.remove(at).1);
            }
        }
        match self.faults().outage {
            Some(Outage::Busy) => return Some(Mishap::NotDone),
            Some(Outage::Silent) => return Some(Mishap::LostReply),
            Some(Outage::Gone) => return Some(Mishap::Gone),
            None => {}
        }
        let rates = |it: &Faults| {
            vec![
                it.not_done,
                it.lost_reply,
                it.late_effect,
                it.dropped_receipt,
                // Last, so that the dice of older seeds fall as they did.
                it.lost_request,
            ]
        };
        Some(match self.throw(rates)? {
            0 => Mishap::NotDone,
            1 => Mishap::LostReply,
            2 => {
                let mut dice = lock(&self.dice);
                let longest = dice.faults.late_by;
                Mishap::Late(dice.rng.time(longest))
            }
            3 => Mishap::DroppedReceipt,
            _ => Mishap::LostRequest,
        })
    }

    fn pages<R: Send + 'static>(
        &self,
        pages: BoxStream<'static, Result<Page<R>, SourceError>>,
    ) -> BoxStream<'static, Result<Page<R>, SourceError>>
    where
        T: Send + Sync + 'static,
    {
        futures::stream::unfold((pages, self.clone()), |(mut pages, chaos)| async move {
            chaos.held_up().await;
            let away = chaos.faults().outage.is_some();
            if away || chaos.throw(|it| vec![it.source_error]).is_some() {
                let error = SourceError::unavailable("the connection broke off");
                return Some((Err(error), (futures::stream::empty().boxed(), chaos)));
            }
            Some((pages.next().await?, (pages, chaos)))
        })
        .boxed()
    }
}

impl<S: Source + 'static> Source for Chaos<S> {
    type Record = S::Record;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<S::Record>, SourceError>> {
        self.pages(self.inner.read(from))
    }

    fn estimate(&self) -> Estimate {
        self.inner.estimate()
    }
}

impl<S: Lookup + 'static> Lookup for Chaos<S> {
    fn lookup(&self, keys: Vec<Key>) -> BoxStream<'static, Result<Page<S::Record>, SourceError>> {
        self.pages(self.inner.lookup(keys))
    }
}

fn answer(receipt: Option<tokio::sync::oneshot::Sender<Receipt>>, failure: Failure) {
    if let Some(receipt) = receipt {
        // Whoever no longer listens has been told that the run is over.
        let _ = receipt.send(Receipt { outcome: Outcome::Failed(failure), ..Receipt::dropped() });
    }
}

#[async_trait]
impl<D: Send + Sync + 'static, S: Sink<D> + 'static> Sink<D> for Chaos<S> {
    async fn write(&self, batch: Vec<Write<D>>) {
        self.held_up().await;
        let (mut sent, mut lost) = (Vec::new(), Vec::new());
        for mut write in batch {
            match self.mishap(&write.key) {
                None => sent.push(write),
                Some(Mishap::NotDone) => {
                    write.failed(Failure::new(FailureKind::NotDone, "too many calls"));
                }
                Some(Mishap::LostRequest) => {
                    write.failed(Failure::new(FailureKind::InDoubt, "timed out"));
                }
                Some(Mishap::Gone) => {
                    write.failed(Failure::new(FailureKind::Gone, "connection refused"));
                }
                Some(Mishap::LostReply) => {
                    lost.push(intercept(&mut write));
                    sent.push(write);
                }
                Some(Mishap::DroppedReceipt) => {
                    let (receipt, unheard) = intercept(&mut write);
                    lost.push((None, unheard));
                    sent.push(write);
                    drop(receipt);
                }
                Some(Mishap::Late(by)) => {
                    let (receipt, unheard) = intercept(&mut write);
                    let sink = self.inner.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(by).await;
                        sink.write(vec![write]).await;
                        drop(unheard);
                    });
                    answer(receipt, Failure::new(FailureKind::InDoubt, "timed out"));
                }
            }
        }
        if !sent.is_empty() {
            self.inner.write(sent).await;
        }
        for (receipt, _) in lost {
            answer(receipt, Failure::new(FailureKind::InDoubt, "connection reset"));
        }
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        self.held_up().await;
        match self.faults().outage {
            Some(Outage::Gone) => {
                return Err(Failure::new(FailureKind::Gone, "connection refused"));
            }
            Some(_) => return Err(Failure::new(FailureKind::NotDone, "no answer")),
            None => {}
        }
        match self.throw(|it| vec![it.failed_look, it.blind_look]) {
            Some(0) => Err(Failure::new(FailureKind::NotDone, "no answer")),
            Some(_) => Ok(Found::CannotTell),
            None => self.inner.find(doubt).await,
        }
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

impl<L: Ledger> Chaos<L> {
    fn behind(&self) -> &L {
        &self.inner
    }

    async fn read<T>(
        &self,
        read: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        match self.throw(|it| vec![it.ledger_read]) {
            Some(_) => Err(LedgerError::new(LedgerErrorKind::Storage, "the disk does not answer")),
            None => read.await,
        }
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        let full = || LedgerError::new(LedgerErrorKind::Storage, "the disk is full");
        match self.throw(|it| vec![it.commit_lost, it.commit_unknown]) {
            Some(0) => Err(full()),
            Some(_) => self.inner.commit(changes).await.and(Err(full())),
            None => self.inner.commit(changes).await,
        }
    }
}

ledger_in_front!([L: Ledger] Chaos<L>);
