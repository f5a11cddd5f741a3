//! Pacing: as fast as the service allows, and no faster.

mod headers;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub use headers::RateHeaders;

use crate::clock::{Clock, SystemClock};

/// Settings of a [`Limiter`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LimiterSettings {
    /// Calls a second while the service states no limit of its own; `None` leaves it to the concurrency.
    pub requests_per_second: Option<f64>,
    /// The most calls in flight at once.
    pub max_concurrency: usize,
    /// Calls in flight before the first reply.
    pub start_concurrency: usize,
    /// The share of every window left to others, between 0 and 1; released as the window ends.
    pub reserve: f64,
    /// Calls a minute that all tokens which share this limiter may make together; `None` for no such limit.
    pub workspace_per_minute: Option<u32>,
    /// The length of a rate-limit window until the service's replies show the true one.
    pub window: Duration,
    /// The longest pause that a refusal can cause.
    pub max_pause: Duration,
}

impl Default for LimiterSettings {
    fn default() -> Self {
        Self {
            requests_per_second: None,
            max_concurrency: 256,
            start_concurrency: 4,
            reserve: 0.0,
            workspace_per_minute: None,
            window: Duration::from_secs(10),
            max_pause: Duration::from_secs(120),
        }
    }
}

/// What became of an attempt, as far as the limiter needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Answered; a refusal that has nothing to do with load counts as well.
    Success,
    /// Answered with a failure of the service.
    Failed,
    /// Refused for its rate.
    Throttled {
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// Sent, and no reply came.
    Lost,
    /// Surely not sent: it cost no quota.
    NotSent,
}

/// What a limiter has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct LimiterStats {
    /// Calls sent.
    pub calls: u64,
    /// Calls refused for their rate.
    pub throttled: u64,
    /// The limit of a window, as last stated by the service.
    pub limit_per_window: Option<u32>,
    /// Windows in which at least one call was answered.
    pub windows: u64,
    /// Calls answered in the windows after the first.
    pub calls_after_first: u64,
    /// The limits of the windows after the first, added up.
    pub capacity_after_first: u64,
}

impl LimiterStats {
    /// The share of the quota that was used: calls over limits, in the windows touched after the first.
    #[must_use]
    pub fn utilisation(&self) -> Option<f64> {
        (self.capacity_after_first > 0)
            .then(|| self.calls_after_first as f64 / self.capacity_after_first as f64)
    }
}

/// Paces the calls of one token, and of all tokens of its workspace together. Clones share everything.
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    settings: LimiterSettings,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    in_flight: usize,
    stats: LimiterStats,
}

impl Limiter {
    /// A limiter on the system's clock.
    #[must_use]
    pub fn new(settings: LimiterSettings) -> Self {
        Self::with_clock(settings, Arc::new(SystemClock::new()))
    }

    /// A limiter on another clock.
    #[must_use]
    pub fn with_clock(settings: LimiterSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                settings,
                state: Mutex::default(),
                changed: Notify::new(),
            }),
        }
    }

    /// A limiter for another token of the same workspace: its own limit, and the workspace's shared with this one.
    #[must_use]
    pub fn for_another_token(&self) -> Self {
        self.clone()
    }

    /// Waits until a call may be sent. Calls are let through in the order in which they asked.
    pub async fn acquire(&self) -> Permit {
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut state = self.lock();
                if state.in_flight < self.shared.settings.max_concurrency {
                    state.in_flight += 1;
                    return Permit { limiter: self.clone(), sent: None, settled: false };
                }
            }
            changed.await;
        }
    }

    /// What this limiter has seen.
    #[must_use]
    pub fn stats(&self) -> LimiterStats {
        self.lock().stats
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The right to send one call. Dropped before it was sent it costs nothing; dropped after, it counts as lost.
#[derive(Debug)]
#[must_use = "a permit that is dropped gives its place away"]
pub struct Permit {
    limiter: Limiter,
    sent: Option<Duration>,
    settled: bool,
}

impl Permit {
    /// Notes that the call goes out now.
    pub fn sent(mut self) -> Self {
        self.sent = Some(self.limiter.shared.clock.elapsed());
        self
    }

    /// Tells the limiter how the call ended.
    pub fn settle(mut self, outcome: Outcome, rate: Option<RateHeaders>) {
        self.finish(outcome, rate);
    }

    fn finish(&mut self, outcome: Outcome, _rate: Option<RateHeaders>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let mut state = self.limiter.lock();
        state.in_flight -= 1;
        if outcome != Outcome::NotSent {
            state.stats.calls += 1;
        }
        drop(state);
        self.limiter.shared.changed.notify_one();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let outcome = if self.sent.is_some() { Outcome::Lost } else { Outcome::NotSent };
        self.finish(outcome, None);
    }
}
