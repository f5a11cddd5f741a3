//! Sinks made of others.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::Tee;
use crate::sink::{Doubt, Failure, Found, Limits, Sink, Write};

/// What every sink can do besides being written to.
pub trait SinkExt<D: Send + Sync + 'static>: Sink<D> + Sized {
    /// Copies every draft to an archive before it is written: see [`Tee`].
    fn tee<A: Sink<D>>(self, archive: A) -> Tee<Self, A>
    where
        D: Clone,
    {
        Tee::new(self, archive)
    }

    /// Lets through at most `per_second` writes and looks a second, evenly spread. For services
    /// without a client that paces itself; a client that reads its quota from the replies does
    /// better.
    ///
    /// It sleeps by tokio's clock. A rate that is no positive number counts as one a second.
    fn rate_limited(self, per_second: f64) -> RateLimited<Self> {
        RateLimited::new(self, per_second)
    }

    /// Shows a closure every write before it is made.
    fn inspect<L>(self, look: L) -> InspectedSink<Self, L>
    where
        L: Fn(&Write<D>) + Send + Sync,
    {
        InspectedSink { inner: self, look }
    }

    /// The same sink behind a pointer, so that different ones have one type.
    fn boxed(self) -> Arc<dyn Sink<D>>
    where
        Self: 'static,
    {
        Arc::new(self)
    }
}

impl<D: Send + Sync + 'static, S: Sink<D>> SinkExt<D> for S {}

/// See [`SinkExt::rate_limited`].
#[derive(Debug)]
pub struct RateLimited<S> {
    inner: S,
    interval: Duration,
    /// When the next one may go.
    next: Mutex<Option<Instant>>,
}

impl<S> RateLimited<S> {
    fn new(inner: S, per_second: f64) -> Self {
        let seconds = if per_second > 0.0 { 1.0 / per_second } else { 1.0 };
        // A rate below one in a day is none.
        let interval = Duration::from_secs_f64(seconds.min(86_400.0));
        Self { inner, interval, next: Mutex::new(None) }
    }

    async fn turn(&self, calls: usize) {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let at = next.map_or(now, |next| next.max(now));
            *next = Some(at + self.interval * u32::try_from(calls).unwrap_or(u32::MAX));
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D: Send + Sync + 'static, S: Sink<D>> Sink<D> for RateLimited<S> {
    async fn write(&self, batch: Vec<Write<D>>) {
        self.turn(batch.len()).await;
        self.inner.write(batch).await;
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        self.turn(1).await;
        self.inner.find(doubt).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}

/// See [`SinkExt::inspect`].
pub struct InspectedSink<S, L> {
    inner: S,
    look: L,
}

impl<S, L> fmt::Debug for InspectedSink<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectedSink").finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D, S, L> Sink<D> for InspectedSink<S, L>
where
    D: Send + Sync + 'static,
    S: Sink<D>,
    L: Fn(&Write<D>) + Send + Sync,
{
    async fn write(&self, batch: Vec<Write<D>>) {
        batch.iter().for_each(|write| (self.look)(write));
        self.inner.write(batch).await;
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        self.inner.find(doubt).await
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}
