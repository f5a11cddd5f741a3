//! Whether a failed attempt is followed by another one, and when.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::BackoffBuilder;

/// What a failed attempt means for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// It would fail again.
    Permanent,
    /// It may pass, and it was surely not carried out.
    NotExecuted,
    /// Refused for its rate; surely not carried out.
    Throttled,
    /// It may pass, but nobody knows whether it was carried out.
    Ambiguous,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Hand the error to the caller.
    Stop,
    /// Try again after this delay.
    After(Duration),
}

/// How often, how long and how fast failed attempts are repeated.
///
/// Every bound holds by itself: the number of attempts, the time since the first one, and a budget that all calls of
/// the clients which share this policy draw on, so that an outage is not answered by a multiple of the load.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Attempts in all, the first one included.
    pub max_attempts: u32,
    /// Time from the first attempt to the start of the last one.
    pub max_elapsed: Duration,
    /// The longest wait that a `Retry-After` or a rate-limit reset can ask for; a longer one is cut to this.
    pub max_hint: Duration,
    /// Where delays come from when the service names none.
    pub delays: Delays,
    /// The store that retries are paid from, shared by clones.
    pub budget: Budget,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            max_elapsed: Duration::from_secs(120),
            max_hint: Duration::from_secs(60),
            delays: Delays::exponential(Duration::from_millis(250), Duration::from_secs(20)),
            budget: Budget::default(),
        }
    }
}

impl RetryPolicy {
    /// A policy that never repeats anything.
    #[must_use]
    pub fn none() -> Self {
        Self {
            max_attempts: 1,
            ..Self::default()
        }
    }

    /// Decides what follows attempt number `attempt` (from 1), begun at most `elapsed` ago, which failed as `class`.
    /// `hint` is the wait the service asked for, `delay` the one that the policy's own series offers (`None`: it ended).
    ///
    /// A pure function of its arguments and the policy's numbers; the budget is asked by the caller.
    #[must_use]
    pub fn decide(
        &self,
        attempt: u32,
        elapsed: Duration,
        class: Class,
        repeatable: bool,
        hint: Option<Duration>,
        delay: Option<Duration>,
    ) -> Decision {
        let allowed = match class {
            Class::Permanent => false,
            Class::NotExecuted | Class::Throttled => true,
            Class::Ambiguous => repeatable,
        };
        if !allowed || attempt >= self.max_attempts {
            return Decision::Stop;
        }
        // A hint is a floor: the service knows when it will be ready, and the series knows how often we have failed.
        let wait = match (hint, delay) {
            (_, None) => return Decision::Stop,
            (None, Some(delay)) => delay,
            (Some(hint), Some(delay)) if class == Class::Throttled => {
                hint.min(self.max_hint) + delay / 10
            }
            (Some(hint), Some(delay)) => hint.min(self.max_hint).max(delay),
        };
        if elapsed.saturating_add(wait) > self.max_elapsed {
            Decision::Stop
        } else {
            Decision::After(wait)
        }
    }
}

/// A source of delays: makes one series per call.
#[derive(Clone)]
pub struct Delays {
    make: Arc<dyn Fn() -> Series + Send + Sync>,
}

/// The delays of one call, shortest first.
pub(crate) type Series = Box<dyn Iterator<Item = Duration> + Send>;

impl Delays {
    /// Doubles from `first` up to `longest`. Each delay is then drawn between half of it and all of it, so that calls
    /// which failed together do not come back together.
    #[must_use]
    pub fn exponential(first: Duration, longest: Duration) -> Self {
        Self::exponential_seeded(first, longest, entropy())
    }

    /// Like [`exponential`](Self::exponential), with the random numbers fixed by `seed`.
    #[must_use]
    pub fn exponential_seeded(first: Duration, longest: Duration, seed: u64) -> Self {
        let random = Arc::new(Random::new(seed));
        Self::from_fn(move || {
            let random = Arc::clone(&random);
            backon::ExponentialBuilder::new()
                .with_factor(2.0)
                .with_min_delay(first)
                .with_max_delay(longest)
                .without_max_times()
                .build()
                .map(move |delay| delay.mul_f64(0.5 + 0.5 * random.unit()))
        })
    }

    /// The same delay each time, without chance.
    #[must_use]
    pub fn constant(delay: Duration) -> Self {
        Self::from_fn(move || std::iter::repeat(delay))
    }

    /// Takes the delays of each call from a series of its own. Where the series ends, the retries end.
    pub fn from_fn<I>(make: impl Fn() -> I + Send + Sync + 'static) -> Self
    where
        I: Iterator<Item = Duration> + Send + 'static,
    {
        Self {
            make: Arc::new(move || Box::new(make())),
        }
    }

    /// Takes the delays from any policy of the `backoff` crate; `make` builds a fresh one for each call.
    ///
    /// Only the delays are taken. Attempts, elapsed time, budget, `Retry-After` and the question whether a call may be
    /// repeated at all stay with [`RetryPolicy`]. Note that `backoff` measures its own `max_elapsed_time` by the
    /// system's clock, which a paused tokio clock does not move.
    #[cfg(feature = "backoff")]
    pub fn backoff<B>(make: impl Fn() -> B + Send + Sync + 'static) -> Self
    where
        B: backoff::backoff::Backoff + Send + 'static,
    {
        Self::from_fn(move || {
            let mut policy = make();
            policy.reset();
            std::iter::from_fn(move || policy.next_backoff())
        })
    }

    pub(crate) fn series(&self) -> Series {
        (self.make)()
    }
}

impl fmt::Debug for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delays")
    }
}

/// A store of retries: a retry takes from it, a success puts a little back. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    state: Arc<Mutex<u32>>,
    capacity: u32,
    cost: u32,
}

impl Default for Budget {
    /// Fifty retries in a burst, and one more for every ten successes.
    fn default() -> Self {
        Self::new(500, 10)
    }
}

impl Budget {
    /// A store of `capacity` units, of which a retry costs `cost`; every success puts one unit back.
    #[must_use]
    pub fn new(capacity: u32, cost: u32) -> Self {
        Self {
            state: Arc::new(Mutex::new(capacity)),
            capacity,
            cost,
        }
    }

    /// Takes one retry, unless the store is empty.
    #[must_use]
    pub fn take(&self) -> bool {
        let mut left = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match left.checked_sub(self.cost) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }

    /// Puts back what one success is worth.
    pub fn put(&self) {
        let mut left = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_add(1).min(self.capacity);
    }
}

/// SplitMix64: enough chance for jitter, and the same for the same seed.
struct Random(AtomicU64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number in 0..1.
    fn unit(&self) -> f64 {
        const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self
            .0
            .fetch_add(GAMMA, Ordering::Relaxed)
            .wrapping_add(GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn entropy() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_are_jittered_and_repeat_with_their_seed() {
        let series = |seed| {
            let delays =
                Delays::exponential_seeded(Duration::from_secs(1), Duration::from_secs(8), seed);
            delays.series().take(40).collect::<Vec<_>>()
        };
        assert_eq!(series(1), series(1));
        assert_ne!(series(1), series(2));
        for (index, delay) in series(3).into_iter().enumerate() {
            let full = 2f64.powi(index.min(3) as i32);
            assert!(
                (full / 2.0..=full).contains(&delay.as_secs_f64()),
                "{index}: {delay:?}"
            );
        }
    }

    #[test]
    fn a_series_that_ends_ends_the_retries() {
        let delays = Delays::from_fn(|| [Duration::from_secs(3)].into_iter());
        assert_eq!(
            delays.series().collect::<Vec<_>>(),
            [Duration::from_secs(3)]
        );
        assert_eq!(
            Delays::constant(Duration::from_secs(2)).series().nth(9),
            Some(Duration::from_secs(2))
        );
    }
}
