//! Pacing: as fast as the service allows, and no faster.

mod congestion;
mod headers;
mod pacer;
mod server_clock;
#[cfg(test)]
mod simulation;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as FairMutex, Notify};

pub use headers::RateHeaders;

use crate::clock::{Clock, SystemClock};
use pacer::{Pacer, Settled, Verdict};

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
    /// Seconds by which the caller's wall clock is ahead of the service's, as the `Date` of its replies shows: to about a
    /// second after one reply, and closer after more. `None` before the first dated reply.
    pub clock_ahead: Option<f64>,
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
///
/// While the service states limit, remaining count and reset, what is left of a window is spread evenly over the time
/// that is left of it, less the reserve. While it states none, `requests_per_second` holds. Underneath, the number of
/// calls in flight follows latency and failures.
#[derive(Clone)]
pub struct Limiter {
    token: Arc<Token>,
}

/// What belongs to one token.
struct Token {
    workspace: Arc<Workspace>,
    pacer: Mutex<Pacer>,
    /// Calls wait in line here; the first in line waits for its moment.
    line: FairMutex<()>,
    changed: Notify,
}

/// What the tokens of one workspace share.
struct Workspace {
    clock: Arc<dyn Clock>,
    settings: LimiterSettings,
    schedule: Mutex<Schedule>,
}

/// An even pace for the calls of a whole workspace, of which no reply tells the count.
struct Schedule {
    interval: f64,
    base: f64,
}

impl Schedule {
    const SLACK: f64 = 0.05;

    fn new(settings: &LimiterSettings) -> Self {
        let share = 1.0 - settings.reserve.clamp(0.0, 0.99);
        let interval = settings
            .workspace_per_minute
            .map_or(0.0, |calls| 60.0 / (f64::from(calls.max(1)) * share));
        Self { interval, base: f64::NEG_INFINITY }
    }

    fn due(&self) -> f64 {
        self.base + self.interval
    }

    fn take(&mut self, now: f64) {
        self.base = self.due().max(now - Self::SLACK);
    }
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
        let schedule = Mutex::new(Schedule::new(&settings));
        Self::of(Arc::new(Workspace { clock, settings, schedule }))
    }

    /// A limiter for another token of the same workspace: its own limit, and the workspace's shared with this one.
    #[must_use]
    pub fn for_another_token(&self) -> Self {
        Self::of(Arc::clone(&self.token.workspace))
    }

    fn of(workspace: Arc<Workspace>) -> Self {
        let pacer = Mutex::new(Pacer::new(workspace.settings.clone()));
        Self {
            token: Arc::new(Token {
                workspace,
                pacer,
                line: FairMutex::new(()),
                changed: Notify::new(),
            }),
        }
    }

    /// Waits until a call may be sent. Calls are let through in the order in which they asked; dropping the future
    /// leaves the line.
    pub async fn acquire(&self) -> Permit {
        let token = &*self.token;
        let _first = token.line.lock().await;
        loop {
            let changed = token.changed.notified();
            let now = self.now();
            let wait = match self.poll(now) {
                Verdict::Go => {
                    return Permit { limiter: self.clone(), sent: None, settled: false };
                }
                Verdict::OnReply => None,
                // A timer that fires a hair early must not spin.
                Verdict::At(moment) => {
                    Some(Duration::from_secs_f64((moment - now).clamp(0.0005, 3600.0)))
                }
            };
            match wait {
                None => changed.await,
                Some(wait) => {
                    let sleep = token.workspace.clock.sleep(wait);
                    futures::future::select(std::pin::pin!(changed), sleep).await;
                }
            }
        }
    }

    /// What this token's limiter has seen.
    #[must_use]
    pub fn stats(&self) -> LimiterStats {
        lock(&self.token.pacer).stats()
    }

    /// Asks both scopes, and takes from both only if both agree.
    fn poll(&self, now: f64) -> Verdict {
        let mut schedule = lock(&self.token.workspace.schedule);
        let mut pacer = lock(&self.token.pacer);
        let verdict = pacer.poll(now);
        if verdict != Verdict::Go {
            return verdict;
        }
        if now < schedule.due() {
            return Verdict::At(schedule.due());
        }
        schedule.take(now);
        pacer.granted(now);
        Verdict::Go
    }

    fn now(&self) -> f64 {
        self.token.workspace.clock.elapsed().as_secs_f64()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    sent: Option<f64>,
    settled: bool,
}

impl Permit {
    /// Notes that the call goes out now.
    pub fn sent(mut self) -> Self {
        self.sent = Some(self.limiter.now());
        self
    }

    /// Tells the limiter how the call ended.
    pub fn settle(mut self, outcome: Outcome, rate: Option<RateHeaders>) {
        self.finish(outcome, rate);
    }

    fn finish(&mut self, outcome: Outcome, rate: Option<RateHeaders>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let token = &self.limiter.token;
        let now = self.limiter.now();
        let wall = token.workspace.clock.now().timestamp_micros() as f64 / 1e6;
        let sent = self.sent.unwrap_or(now);
        lock(&token.pacer).settled(Settled { now, sent, wall, outcome, rate });
        token.changed.notify_one();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let outcome = if self.sent.is_some() { Outcome::Lost } else { Outcome::NotSent };
        self.finish(outcome, None);
    }
}
