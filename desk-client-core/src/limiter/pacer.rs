//! The limiter without time and tasks: a state machine fed with moments, in seconds on the caller's monotonic clock.

use super::congestion::Congestion;
use super::server_clock::ServerClock;
use super::{LimiterSettings, LimiterStats, Outcome, RateHeaders};

/// May a call be sent?
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// Yes; to be followed by [`Pacer::granted`].
    Go,
    /// Ask again at this moment, or when a call has ended.
    At(f64),
    /// Ask again when a call has ended.
    OnReply,
}

/// How a call ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    pub(crate) now: f64,
    pub(crate) sent: f64,
    /// The caller's wall clock at `now`, for services that send no `Date`.
    pub(crate) wall: f64,
    pub(crate) outcome: Outcome,
    pub(crate) rate: Option<RateHeaders>,
}

/// How far behind its schedule the pacer may fall and still catch up, to make good for timers that fire late.
const SLACK: f64 = 0.005;
/// Below this, the time left in a window is taken as this, so that the pace stays finite.
const SHORTEST: f64 = 0.02;
/// The fastest pace, as a multiple of the window's average.
const RUSH: f64 = 4.0;
/// The share of a window that is never spent, against miscounting; doubled by each window with a refusal.
const MARGIN: f64 = 0.003;

/// The rate-limit window of one token, as far as it is known.
#[derive(Debug, Clone, Copy)]
struct Window {
    limit: f64,
    remaining: f64,
    /// Our own calls in it.
    own: f64,
    /// End, on the service's clock.
    reset: f64,
    /// Rolled over by us and not yet confirmed by a reply; holds the moment of that.
    assumed: Option<f64>,
}

/// Paces the calls of one token.
#[derive(Debug)]
pub(crate) struct Pacer {
    settings: LimiterSettings,
    in_flight: usize,
    congestion: Congestion,
    clock: ServerClock,
    window: Option<Window>,
    length: f64,
    /// How much later than computed a window is taken to begin, learned from having been early.
    late: f64,
    margin: f64,
    /// The scheduled moment of the last grant.
    base: f64,
    paused_until: f64,
    /// Calls a second while no window is known.
    rate: Option<f64>,
    refusals_in_row: u32,
    first_reset: f64,
    last_reset: f64,
    stats: LimiterStats,
}

impl Pacer {
    pub(crate) fn new(settings: LimiterSettings) -> Self {
        Self {
            in_flight: 0,
            congestion: Congestion::new(settings.start_concurrency, settings.max_concurrency),
            clock: ServerClock::default(),
            window: None,
            length: settings.window.as_secs_f64().max(1.0),
            late: 0.0,
            margin: MARGIN,
            base: f64::NEG_INFINITY,
            paused_until: f64::NEG_INFINITY,
            rate: settings.requests_per_second.filter(|rate| *rate > 0.0),
            refusals_in_row: 0,
            first_reset: f64::NAN,
            last_reset: f64::NEG_INFINITY,
            stats: LimiterStats::default(),
            settings,
        }
    }

    pub(crate) fn stats(&self) -> LimiterStats {
        self.stats
    }

    /// Whether a call may go out at `now`.
    pub(crate) fn poll(&mut self, now: f64) -> Verdict {
        self.roll(now);
        if self.in_flight >= self.congestion.cap() {
            return Verdict::OnReply;
        }
        if now < self.paused_until {
            return Verdict::At(self.paused_until);
        }
        match self.interval(now) {
            Ok(interval) if now >= self.base + interval => Verdict::Go,
            Ok(interval) => Verdict::At(self.base + interval),
            Err(wait) => Verdict::At(now + wait),
        }
    }

    /// A call goes out at `now`.
    pub(crate) fn granted(&mut self, now: f64) {
        if let Ok(interval) = self.interval(now) {
            self.base = (self.base + interval).max(now - SLACK);
        }
        self.in_flight += 1;
        if let Some(window) = &mut self.window {
            window.own += 1.0;
        }
    }

    /// A grant came back unused.
    pub(crate) fn returned(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The time between two calls at the pace of now, or how long to wait until there is a pace again.
    fn interval(&self, now: f64) -> Result<f64, f64> {
        let Some(window) = self.window else {
            return Ok(self.rate.map_or(0.0, |rate| 1.0 / rate));
        };
        let left = (self.spend_by(&window) - now).max(SHORTEST);
        let fraction = (left / self.length).min(1.0);
        let kept_now = window.limit * self.settings.reserve.clamp(0.0, 0.99);
        let margin =
            window.limit * self.margin + self.others(&window, left) * self.congestion.latency();
        let keep = kept_now * fraction + margin.min(window.limit - 1.0);
        // Calls in flight may or may not be in the service's count yet: take them as not.
        let spend = window.remaining - self.in_flight as f64 - keep;
        if spend >= 1.0 {
            return Ok((left / spend).max(self.length / window.limit / RUSH));
        }
        let next = (self.begins_again(&window) - now).max(0.001);
        let released = (1.0 - spend) * self.length / kept_now.max(f64::MIN_POSITIVE);
        Err(next.min(released.max(0.001)))
    }

    /// The calls a second of other clients of the same token: what they use while ours are under way must stay free.
    fn others(&self, window: &Window, left: f64) -> f64 {
        let theirs = (window.limit - window.remaining - window.own).max(0.0);
        theirs / (self.length - left).max(0.1 * self.length)
    }

    /// The moment by which the window's calls should have left: those sent later would arrive in the next window.
    fn spend_by(&self, window: &Window) -> f64 {
        self.clock.earliest(window.reset) - self.congestion.latency() / 2.0
    }

    /// The moment from which on the next window has surely begun.
    fn begins_again(&self, window: &Window) -> f64 {
        self.clock.latest(window.reset) + self.late
    }

    /// Assumes a full window once the last one is surely over; the first reply will correct that.
    fn roll(&mut self, now: f64) {
        let Some(mut window) = self.window else {
            return;
        };
        let over = now - self.begins_again(&window);
        if over < 0.0 {
            return;
        }
        window.reset += self.length * ((over / self.length).floor() + 1.0);
        window.remaining = window.limit;
        window.own = self.in_flight as f64;
        window.assumed = Some(now);
        self.window = Some(window);
        self.margin = (self.margin * 0.8).max(MARGIN);
        self.base = self.base.min(now);
    }

    /// A call has ended.
    pub(crate) fn settled(&mut self, end: Settled) {
        self.returned();
        if end.outcome == Outcome::NotSent {
            return;
        }
        self.stats.calls += 1;
        match end.rate {
            Some(rate) => self.learn(&rate, &end),
            None => {
                if let Some(window) = &mut self.window {
                    window.remaining = (window.remaining - 1.0).max(0.0);
                }
            }
        }
        match end.outcome {
            Outcome::Success => {
                self.refusals_in_row = 0;
                self.congestion.succeeded(end.now, end.now - end.sent, self.in_flight);
                self.change_rate(1.02);
            }
            Outcome::Failed | Outcome::Lost => {
                self.congestion.failed(end.now);
                self.change_rate(0.8);
            }
            Outcome::Throttled { retry_after } => {
                self.refused(&end, retry_after.map(|wait| wait.as_secs_f64()))
            }
            Outcome::NotSent => {}
        }
    }

    /// The rate without a window: lowered by failures and refusals, raised again by successes up to the setting.
    fn change_rate(&mut self, factor: f64) {
        if let (Some(rate), Some(most)) = (&mut self.rate, self.settings.requests_per_second) {
            *rate = (*rate * factor).clamp(most / 32.0, most);
        }
    }

    fn refused(&mut self, end: &Settled, retry_after: Option<f64>) {
        self.stats.throttled += 1;
        // Calls that were under way when the first one was refused tell nothing new.
        let first = end.sent >= self.paused_until;
        let reset =
            self.window.filter(|_| end.rate.is_some()).map(|window| self.begins_again(&window));
        // A reset that seems to be over already comes from clocks that disagree, and is no help.
        // A window that has room was not what refused the call: a limit of which nothing is told
        // was, so the pause begins short and doubles.
        let has_room = end.rate.is_some_and(|rate| rate.remaining > 0);
        let doubling = f64::from(1u32 << self.refusals_in_row.min(6)) / 2.0;
        let asked = match (reset.filter(|reset| *reset > end.now), retry_after) {
            (Some(reset), _) if !has_room => reset,
            (_, Some(wait)) if wait > 0.0 => end.now + wait,
            (Some(reset), _) => reset.min(end.now + doubling),
            _ => end.now + 2.0 * doubling,
        };
        self.paused_until =
            self.paused_until.max(asked.min(end.now + self.settings.max_pause.as_secs_f64()));
        if let Some(window) = self.window.as_mut().filter(|_| !has_room) {
            window.remaining = 0.0;
        }
        if first {
            self.refusals_in_row += 1;
            self.margin = (self.margin * 2.0).min(0.05);
            if self.window.is_none() {
                self.change_rate(0.5);
                self.congestion.failed(end.now);
            }
        }
    }

    /// Takes in what the headers of a reply say.
    fn learn(&mut self, rate: &RateHeaders, end: &Settled) {
        let limit = f64::from(rate.limit);
        let remaining = f64::from(rate.remaining).min(limit);
        if let Some(date) = rate.date {
            self.clock.dated(end.sent, end.now, date as f64);
            self.stats.clock_ahead = Some(end.wall - self.clock.time(end.now));
        }
        let server_now = match rate.date {
            Some(_) => self.clock.time(end.now),
            None => end.wall,
        };
        let reset = self.reset_of(rate, server_now, remaining);
        if rate.date.is_none() {
            self.clock.undated(end.sent, end.now, reset - self.length, reset, end.wall);
        }
        self.count(reset, rate.limit, matches!(end.outcome, Outcome::Throttled { .. }));
        let own = self.in_flight as f64 + 1.0;
        let fresh = Window { own, limit, remaining, reset, assumed: None };
        let Some(window) = self.window else {
            self.length = self.length.max(reset - self.clock.time(end.now));
            self.window = Some(fresh);
            return;
        };
        if reset > window.reset {
            // A gap of one window tells its length; a longer one may be several.
            let gap = reset - window.reset;
            if window.assumed.is_none() {
                self.length = gap;
            }
            self.window = Some(fresh);
        } else if reset == window.reset {
            // Replies overtake one another: within a window the smallest count is the latest.
            let remaining = remaining.min(window.remaining);
            self.window = Some(Window { remaining, own: window.own, ..fresh });
        } else if window.assumed.is_some_and(|rolled| end.sent >= rolled) {
            // We were early: the service still counted this call in the window that we took to be over.
            if reset + self.length < window.reset {
                self.length = self.length.min((window.reset - reset).max(1.0));
            }
            self.late = (self.late + 0.1).min(2.0);
            self.window = Some(fresh);
        }
    }

    /// The end of the window that a reply belongs to, on the service's clock.
    fn reset_of(&self, rate: &RateHeaders, server_now: f64, remaining: f64) -> f64 {
        const EPOCH_SECONDS: i64 = 1_000_000_000;
        const FAR: f64 = 3600.0;
        let moment = rate.reset.map(|reset| match reset {
            // Some services count in milliseconds.
            100_000_000_000.. => reset / 1000,
            _ => reset,
        });
        let near = |moment: &i64| *moment as f64 <= server_now + FAR;
        let estimate = match moment.filter(near) {
            Some(moment) if moment >= EPOCH_SECONDS => return moment as f64,
            Some(seconds) => server_now + seconds.max(0) as f64,
            None => match self.window {
                Some(window) if remaining <= window.remaining => return window.reset,
                _ => server_now + self.length,
            },
        };
        // A reset in seconds from now wobbles with its rounding.
        match self.window {
            Some(window) if (window.reset - estimate).abs() <= 1.5 => window.reset,
            _ => estimate,
        }
    }

    fn count(&mut self, reset: f64, limit: u32, refused: bool) {
        self.stats.limit_per_window = Some(limit);
        if self.first_reset.is_nan() {
            self.first_reset = reset;
        }
        if reset > self.last_reset {
            self.last_reset = reset;
            self.stats.windows += 1;
            if self.stats.windows > 1 {
                self.stats.capacity_after_first += u64::from(limit);
            }
        }
        if reset > self.first_reset && !refused {
            self.stats.calls_after_first += 1;
        }
    }
}
