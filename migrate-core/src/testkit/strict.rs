//! [`Strict`]: complains about what no engine should do to a sink.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::sink::{Doubt, Failure, Found, Limits, Sink, Write};
use crate::{Key, async_trait};

/// Stands in front of a sink and notes what no engine should do to it: more batches at once than
/// it takes, or larger ones, or two writes of one record at once. Clones share the notes.
///
/// ```
/// # use migrate_core::testkit::{MemoryTarget, Piece, Sample, Strict, Uniqueness};
/// # use migrate_core::{Key, Sink};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let sink = Strict::new(MemoryTarget::new());
/// let anna = Sample::new(Key::new("person", 1), Piece::object(Uniqueness::ById, "Anna"));
/// let (once, _answer) = anna.offer();
/// let (again, _answer) = anna.offer();
/// sink.write(vec![once, again]).await;
/// assert_eq!(sink.complaints(), ["a batch of 2", "two writes of person:1 at once"]);
/// # }
/// ```
#[derive(Clone)]
pub struct Strict<S> {
    inner: S,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    at_once: usize,
    largest: usize,
    under_way: BTreeSet<Key>,
    complaints: Vec<String>,
}

impl<S> fmt::Debug for Strict<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strict").field("complaints", &self.complaints()).finish_non_exhaustive()
    }
}

impl<S> Strict<S> {
    /// Stands in front of a sink.
    pub fn new(inner: S) -> Self {
        Self { inner, seen: Arc::default() }
    }

    /// What was done to it that should not be.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.seen).complaints.clone()
    }

    /// The most drafts that came in one batch.
    pub fn largest_batch(&self) -> usize {
        lock(&self.seen).largest
    }
}

/// Ends a batch, also when whoever sent it is gone.
struct UnderWay<'a>(&'a Mutex<Seen>, Vec<Key>);

impl<'a> UnderWay<'a> {
    fn begin(seen: &'a Mutex<Seen>, keys: Vec<Key>, limits: Limits) -> Self {
        let mut state = lock(seen);
        state.at_once += 1;
        state.largest = state.largest.max(keys.len());
        if state.at_once > limits.in_flight {
            let complaint = format!("{} batches at once", state.at_once);
            state.complaints.push(complaint);
        }
        if keys.len() > limits.batch {
            state.complaints.push(format!("a batch of {}", keys.len()));
        }
        for key in &keys {
            if !state.under_way.insert(key.clone()) {
                state.complaints.push(format!("two writes of {key} at once"));
            }
        }
        Self(seen, keys)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut state = lock(self.0);
        state.at_once -= 1;
        for key in &self.1 {
            state.under_way.remove(key);
        }
    }
}

#[async_trait]
impl<D: Send + Sync + 'static, S: Sink<D>> Sink<D> for Strict<S> {
    async fn write(&self, batch: Vec<Write<D>>) {
        let keys = batch.iter().map(|write| write.key.root()).collect();
        let _under_way = UnderWay::begin(&self.seen, keys, self.inner.limits());
        self.inner.write(batch).await;
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        self.inner.find(doubt).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}
