//! One stage, several destinations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::Semaphore;

use crate::fate::Reason;
use crate::sink::{Doubt, Failure, FailureKind, Found, Limits, Sink, Write};

/// Sends each draft to one of several sinks, by a rule.
///
/// The rule must give the same draft the same route for ever, since doubt about a write is settled
/// where it was sent. A draft whose route leads to no sink is refused with the code `no_route`. For
/// two real copies of everything use [`Tee`](crate::Tee), or two stages with a ledger each.
///
/// ```
/// use migrate_core::FanOut;
/// # use migrate_core::{Doubt, Failure, Found, Evidence, Limits, Sink, Write, async_trait};
/// # struct Nowhere;
/// # #[async_trait]
/// # impl Sink<String> for Nowhere {
/// #     async fn write(&self, _: Vec<Write<String>>) {}
/// #     async fn find(&self, _: &Doubt<String>) -> Result<Found, Failure> { Ok(Found::No(Evidence::Read)) }
/// #     fn limits(&self) -> Limits { Limits::one_by_one(1) }
/// # }
/// # let (campaign, all_else) = (Nowhere, Nowhere);
/// let sink = FanOut::by(|draft: &String| if draft.starts_with("spring") { "spring" } else { "" })
///     .to("spring", campaign)
///     .to("", all_else);
/// # let _ = sink;
/// ```
pub struct FanOut<D> {
    rule: Box<dyn Fn(&D) -> &str + Send + Sync>,
    routes: BTreeMap<String, Route<D>>,
}

struct Route<D> {
    sink: Arc<dyn Sink<D>>,
    /// So that a sink is never given more batches at once than it takes.
    permits: Semaphore,
}

impl<D> fmt::Debug for FanOut<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes: Vec<&String> = self.routes.keys().collect();
        f.debug_struct("FanOut").field("routes", &routes).finish_non_exhaustive()
    }
}

impl<D: Send + Sync + 'static> FanOut<D> {
    /// Routes drafts by a rule, which names the route of each.
    pub fn by(rule: impl Fn(&D) -> &str + Send + Sync + 'static) -> Self {
        Self { rule: Box::new(rule), routes: BTreeMap::new() }
    }

    /// Lets a route lead to a sink.
    #[must_use]
    pub fn to(mut self, route: impl Into<String>, sink: impl Sink<D> + 'static) -> Self {
        let permits = Semaphore::new(sink.limits().in_flight.clamp(1, Semaphore::MAX_PERMITS));
        self.routes.insert(route.into(), Route { sink: Arc::new(sink), permits });
        self
    }

    async fn send(&self, route: &str, batch: Vec<Write<D>>) {
        let Some(Route { sink, permits }) = self.routes.get(route) else {
            for write in batch {
                let message = format!("there is no sink for the route `{route}`");
                write.refused(Reason::new("no_route", message));
            }
            return;
        };
        let size = sink.limits().batch.max(1);
        let mut left = batch;
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(size));
            let _permit = permits.acquire().await;
            sink.write(std::mem::replace(&mut left, rest)).await;
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D: Send + Sync + 'static> Sink<D> for FanOut<D> {
    async fn write(&self, batch: Vec<Write<D>>) {
        let mut by_route: BTreeMap<String, Vec<Write<D>>> = BTreeMap::new();
        for write in batch {
            let route = (self.rule)(&write.draft).to_owned();
            by_route.entry(route).or_default().push(write);
        }
        let sent =
            by_route.iter_mut().map(|(route, writes)| self.send(route, std::mem::take(writes)));
        join_all(sent).await;
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        let route = (self.rule)(&doubt.draft);
        match self.routes.get(route) {
            Some(known) => known.sink.find(doubt).await,
            None => {
                let message = format!("there is no sink any more for the route `{route}`");
                Err(Failure::new(FailureKind::Stop, message))
            }
        }
    }

    fn limits(&self) -> Limits {
        let limits = self.routes.values().map(|route| route.sink.limits());
        limits.fold(Limits::one_by_one(1), |all, one| {
            Limits::batches(all.batch.max(one.batch), all.in_flight.saturating_add(one.in_flight))
        })
    }
}
