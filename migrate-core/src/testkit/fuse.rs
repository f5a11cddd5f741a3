//! [`Fuse`]: kills a run at one call, and [`crash_points`]: at each of them in turn.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::gate::ledger_in_front;
use super::offer::intercept;
use super::{CrashLedger, Unsynced};
use crate::fate::Tally;
use crate::ledger::{
    Change, Entry, Ledger, LedgerError, MemoryLedger, Parked, Parking, Past, Proof, Scan,
    StageState,
};
use crate::sink::{Doubt, Failure, Found, Limits, Sink, Write};
use crate::source::{Estimate, Lookup, Source, SourceError};
use crate::undo::{Made, Stands, TakenBack, Undo};
use crate::{Alias, Cursor, Key, Page, RunError, async_trait};

/// At which moment of a call the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the call is made.
    Before,
    /// When it has had its effect, and before its answer.
    Answer,
    /// While a write, or what takes one back, is on its way: it takes effect some seconds after the process is gone. With
    /// any other call it is as [`Before`](Self::Before).
    OnItsWay,
}

/// How long a write that is on its way when its process dies takes to have its effect.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// Counts the calls of one process, and kills it at one of them.
///
/// ```
/// # use migrate_core::testkit::{Fuse, MemoryTarget, Moment, Piece, Sample, Uniqueness};
/// # use migrate_core::Key;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let (target, fuse) = (MemoryTarget::new(), Fuse::at(1, Moment::Answer));
/// let sink = fuse.guard(target.clone());
/// let anna = Sample::new(Key::new("person", 1), Piece::object(Uniqueness::Indexed, "Anna"));
/// assert_eq!(fuse.burn(anna.written_to(&sink)).await, None, "killed before it had the answer");
/// assert_eq!(target.objects().len(), 1);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Fuse(Arc<Wire>);

#[derive(Debug)]
struct Wire {
    at: u64,
    moment: Moment,
    calls: AtomicU64,
    blown: CancellationToken,
}

impl Fuse {
    /// One that only counts.
    pub fn never() -> Self {
        Self::at(0, Moment::Before)
    }

    /// One that kills its process at this call; the first is 1.
    pub fn at(call: u64, moment: Moment) -> Self {
        let (calls, blown) = (AtomicU64::new(0), CancellationToken::new());
        Self(Arc::new(Wire { at: call, moment, calls, blown }))
    }

    /// The calls so far.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Puts it into a source, a sink, a ledger or what takes back.
    pub fn guard<T>(&self, inner: T) -> Fused<T> {
        Fused { inner: Arc::new(inner), fuse: self.clone() }
    }

    /// Runs a process until it ends, or until it is killed: then `None`.
    pub async fn burn<T>(&self, process: impl Future<Output = T>) -> Option<T> {
        let mut process = pin!(process);
        tokio::select! {
            biased;
            () = self.0.blown.cancelled() => None,
            ended = &mut process => Some(ended),
        }
    }

    /// Begins a call: says whether this one kills. A process that is dead calls nobody.
    async fn begin(&self) -> bool {
        if self.0.blown.is_cancelled() {
            std::future::pending::<()>().await;
        }
        self.0.calls.fetch_add(1, Ordering::Relaxed) + 1 == self.0.at
    }

    async fn blow<T>(&self) -> T {
        self.0.blown.cancel();
        std::future::pending().await
    }

    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        let kills = self.begin().await;
        if kills && self.0.moment != Moment::Answer {
            return self.blow().await;
        }
        let answer = call.await;
        if kills {
            return self.blow().await;
        }
        answer
    }
}

/// A source, a sink, a ledger or an [`Undo`] whose calls are counted by a [`Fuse`].
#[derive(Debug)]
pub struct Fused<T> {
    inner: Arc<T>,
    fuse: Fuse,
}

impl<T> Clone for Fused<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), fuse: self.fuse.clone() }
    }
}

impl<T> Fused<T> {
    fn pages<R: Send + 'static>(
        &self,
        pages: BoxStream<'static, Result<Page<R>, SourceError>>,
    ) -> BoxStream<'static, Result<Page<R>, SourceError>> {
        futures::stream::unfold((pages, self.fuse.clone()), |(mut pages, fuse)| async move {
            let page = fuse.call(pages.next()).await?;
            Some((page, (pages, fuse)))
        })
        .boxed()
    }
}

impl<S: Source> Source for Fused<S> {
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

impl<S: Lookup> Lookup for Fused<S> {
    fn lookup(&self, keys: Vec<Key>) -> BoxStream<'static, Result<Page<S::Record>, SourceError>> {
        self.pages(self.inner.lookup(keys))
    }
}

#[async_trait]
impl<D: Send + Sync + 'static, S: Sink<D> + 'static> Sink<D> for Fused<S> {
    async fn write(&self, mut batch: Vec<Write<D>>) {
        if !self.fuse.begin().await {
            return self.inner.write(batch).await;
        }
        // The engine's receipts are kept, unspent, until the process is gone.
        let taken: Vec<_> = batch.iter_mut().map(intercept).collect();
        match self.fuse.0.moment {
            Moment::Before => {}
            Moment::Answer => self.inner.write(batch).await,
            Moment::OnItsWay => {
                let sink = self.inner.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(ON_ITS_WAY).await;
                    sink.write(batch).await;
                });
            }
        }
        self.fuse.blow::<()>().await;
        drop(taken);
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        self.fuse.call(self.inner.find(doubt)).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

#[async_trait]
impl<U: Undo + 'static> Undo for Fused<U> {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        self.fuse.call(self.inner.inspect(made)).await
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        if !self.fuse.begin().await {
            return self.inner.take_back(made).await;
        }
        match self.fuse.0.moment {
            Moment::Before => {}
            Moment::Answer => drop(self.inner.take_back(made).await),
            Moment::OnItsWay => {
                let (undo, made) = (self.inner.clone(), made.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(ON_ITS_WAY).await;
                    undo.take_back(&made).await
                });
            }
        }
        self.fuse.blow().await
    }

    async fn find(&self, key: &Key, since: DateTime<Utc>) -> Result<Found, Failure> {
        self.fuse.call(self.inner.find(key, since)).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

impl<L: Ledger> Fused<L> {
    fn behind(&self) -> &L {
        &self.inner
    }

    async fn read<T>(
        &self,
        read: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        self.fuse.call(read).await
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), LedgerError> {
        self.fuse.call(self.inner.commit(changes)).await
    }
}

ledger_in_front!([L: Ledger] Fused<L>);

/// What one process of a migration under test is given.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its ledger, which counts its calls.
    pub ledger: Arc<Fused<CrashLedger<MemoryLedger>>>,
    /// To be put into its sources and sinks.
    pub fuse: Fuse,
}

impl Process {
    fn new(ledger: &CrashLedger<MemoryLedger>, fuse: Fuse) -> Self {
        Self { ledger: Arc::new(fuse.guard(ledger.clone())), fuse }
    }

    /// Lets the ledger's time follow that of the run, which has just begun.
    pub fn follow(&self, run: &crate::Run) {
        self.ledger.inner.follow(run);
    }
}

/// Where a process was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashPoint {
    /// At which call.
    pub call: u64,
    /// Of how many in a run that is not killed.
    pub of: u64,
    /// At which moment of it.
    pub moment: Moment,
    /// What became of the commits that were under way.
    pub unsynced: Unsynced,
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, of, moment, unsynced } = self;
        write!(f, "killed at call {call} of {of} ({moment:?}, {unsynced:?})")
    }
}

/// Kills a migration at every call to the ledger, the source and the sink in turn, lets it go on
/// to its end, and hands the result to a check. Returns how many calls there are.
///
/// `fresh` makes a world and the ledger that the first process finds, the same each time.
/// `process` is one process of the migration: it puts [`Process::fuse`] into its sources and sinks, and ends when it must be started again
/// or has come to its end; it is started again after an error that is passing. `check` sees the
/// world after each of these.
///
/// ```
/// # use std::sync::Arc;
/// use migrate_core::testkit::{
///     CrashLedger, CrashPoint, MemoryTarget, Piece, Process, ScriptedSource, Uniqueness,
///     crash_points,
/// };
/// use migrate_core::*;
///
/// async fn process(target: &MemoryTarget, process: Process) -> Result<(), RunError> {
///     let people = ScriptedSource::new([("person:1", "Anna"), ("person:2", "Bo")]);
///     let mapper = map_fn(|record: Record<&str>, out: &mut Emit<Piece>| {
///         out.push(Piece::object(Uniqueness::Indexed, record.body));
///     });
///     let (people, sink) = (process.fuse.guard(people), process.fuse.guard(target.clone()));
///     let plan = Plan::new().stage(Pipeline::new("people", people, mapper, sink), &[]);
///
///     let run = Run::on(process.ledger.clone()).begin().await?;
///     process.follow(&run);
///     plan.run(&run, &RunOptions::default()).await.map(drop)
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let fresh = async || (MemoryTarget::new(), CrashLedger::new(MemoryLedger::new(), 1));
/// let check = async |target: &MemoryTarget,
///                    _: &CrashLedger<MemoryLedger>,
///                    at: Option<CrashPoint>| {
///     assert_eq!(target.objects().len(), 2, "{at:?}");
/// };
/// let calls = crash_points(fresh, process, check).await;
/// assert!(calls > 10);
/// # }
/// ```
///
/// # Panics
///
/// When a run fails with what does not pass, or does not end after a hundred processes.
#[allow(clippy::panic, reason = "it is a test, wherever it is compiled")]
pub async fn crash_points<W>(
    fresh: impl AsyncFn() -> (W, CrashLedger<MemoryLedger>),
    process: impl AsyncFn(&W, Process) -> Result<(), RunError>,
    check: impl AsyncFn(&W, &CrashLedger<MemoryLedger>, Option<CrashPoint>),
) -> u64 {
    let to_the_end = async |world: &W, ledger: &CrashLedger<MemoryLedger>, at: &dyn fmt::Debug| {
        for _ in 0..100 {
            match process(world, Process::new(ledger, Fuse::never())).await {
                Ok(()) => return,
                Err(error) if error.is_passing() => {}
                Err(error) => panic!("{at:?}: {error:?}"),
            }
        }
        panic!("{at:?}: it does not end");
    };
    let (world, whole) = fresh().await;
    let fuse = Fuse::never();
    if let Err(error) = process(&world, Process::new(&whole, fuse.clone())).await {
        panic!("it fails without being killed: {error:?}");
    }
    check(&world, &whole, None).await;
    let of = fuse.calls();
    let variants = [
        (Moment::Before, Unsynced::Vanish),
        (Moment::Answer, Unsynced::Tear),
        (Moment::OnItsWay, Unsynced::Survive),
    ];
    for call in 1..=of {
        for (moment, unsynced) in variants {
            let point = CrashPoint { call, of, moment, unsynced };
            let (world, first) = fresh().await;
            first.reseed(call);
            let fuse = Fuse::at(call, moment);
            let ended = fuse.burn(process(&world, Process::new(&first, fuse.clone()))).await;
            assert!(ended.is_none(), "{point}: a run is not the same twice: {ended:?}");
            let ledger = first.recover(unsynced).await;
            to_the_end(&world, &ledger, &point).await;
            check(&world, &ledger, Some(point)).await;
        }
    }
    of
}
