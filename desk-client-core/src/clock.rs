//! Time as the mechanism sees it: a wall clock, a monotonic clock and a way to sleep.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// A source of time.
///
/// The wall clock answers "what time is it" (rate-limit resets and `Retry-After` dates are wall times); the monotonic
/// clock answers "how long did it take" and never jumps. An implementation keeps [`elapsed`](Self::elapsed) and
/// [`sleep`](Self::sleep) on one timeline: after `sleep(d)`, `elapsed` has grown by at least `d`.
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall time in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Monotonic time since a fixed moment in the past.
    fn elapsed(&self) -> Duration;

    /// Returns once `duration` has passed on the monotonic clock.
    async fn sleep(&self, duration: Duration);
}

/// The clock of the system: `chrono` for wall time, tokio's timer for the rest.
///
/// Because durations come from tokio, `tokio::time::pause` works on everything built on this clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: tokio::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
