//! The pacer against a simulated service: fixed windows, a clock of its own, latency, and other clients.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::pacer::{Pacer, Settled, Verdict};
use super::{LimiterSettings, Outcome, RateHeaders};

/// A service that counts calls in fixed windows on its own clock.
struct Service {
    limit: u32,
    length: f64,
    offset: f64,
    dated: bool,
    window: f64,
    used: u32,
    background: f64,
    background_done: f64,
    background_refused: u32,
    background_calls: u32,
}

impl Service {
    fn enter(&mut self, time: f64) {
        let window = (time / self.length).floor();
        if window != self.window {
            self.window = window;
            self.used = 0;
            self.background_done = window * self.length;
        }
    }

    /// Other clients call evenly, `background` a second.
    fn others(&mut self, time: f64) {
        if self.background == 0.0 {
            return;
        }
        let mut next = self.background_done + 1.0 / self.background;
        while next <= time {
            self.enter(next);
            self.background_calls += 1;
            if self.used < self.limit {
                self.used += 1;
            } else {
                self.background_refused += 1;
            }
            self.background_done = next;
            next += 1.0 / self.background;
        }
    }

    fn call(&mut self, local: f64) -> (bool, RateHeaders) {
        let time = local + self.offset;
        self.others(time);
        self.enter(time);
        let accepted = self.used < self.limit;
        if accepted {
            self.used += 1;
        }
        let headers = RateHeaders {
            limit: self.limit,
            remaining: self.limit - self.used,
            reset: Some(((self.window + 1.0) * self.length) as i64),
            date: self.dated.then_some(time as i64),
        };
        (accepted, headers)
    }
}

#[derive(Debug)]
struct Measured {
    calls: u64,
    refused: u64,
    utilisation: f64,
    background_refused: u32,
    background_calls: u32,
}

struct Setup {
    limit: u32,
    length: f64,
    latency: f64,
    jitter: f64,
    skew: f64,
    dated: bool,
    background: f64,
    reserve: f64,
    /// Timers fire up to this late.
    timer: f64,
    seconds: f64,
    seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limit: 1666,
            length: 10.0,
            latency: 0.12,
            jitter: 0.08,
            skew: 3.4,
            dated: true,
            background: 0.0,
            reserve: 0.2,
            timer: 0.001,
            seconds: 120.0,
            seed: 1,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Event {
    Arrives {
        sent: f64,
    },
    Answered {
        sent: f64,
        accepted: bool,
        rate: RateHeaders,
    },
    Wake,
}

/// Runs a client that always has work, event by event.
fn run(setup: &Setup) -> Measured {
    const EPOCH: f64 = 1_800_000_003.7;
    let mut random = setup.seed;
    let mut unit = move || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as f64 / (1u64 << 31) as f64
    };
    let mut service = Service {
        limit: setup.limit,
        length: setup.length,
        offset: EPOCH + setup.skew,
        dated: setup.dated,
        window: -1.0,
        used: 0,
        background: setup.background,
        background_done: EPOCH + setup.skew,
        background_refused: 0,
        background_calls: 0,
    };
    let settings = LimiterSettings {
        reserve: setup.reserve,
        max_concurrency: 512,
        ..LimiterSettings::default()
    };
    let mut pacer = Pacer::new(settings);
    let end = setup.seconds
        - (EPOCH + setup.skew + setup.seconds).rem_euclid(setup.length)
        - setup.latency / 2.0
        - setup.jitter;
    // Times are kept in nanoseconds in the heap, since floats have no order.
    let mut heap: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let mut events: Vec<Option<Event>> = Vec::new();
    let push = |heap: &mut BinaryHeap<_>, events: &mut Vec<_>, at: f64, event| {
        events.push(Some(event));
        heap.push(Reverse(((at * 1e9) as u64, events.len() - 1)));
    };
    push(&mut heap, &mut events, 0.0, Event::Wake);
    let mut refused = 0;
    // As in the limiter, one timer is pending at a time.
    let mut timer = 0.0;
    while let Some(Reverse((nanos, index))) = heap.pop() {
        let now = nanos as f64 / 1e9;
        match events[index].take() {
            Some(Event::Arrives { sent }) => {
                let (accepted, rate) = service.call(now);
                let back = setup.latency / 2.0 + unit() * setup.jitter;
                push(
                    &mut heap,
                    &mut events,
                    now + back,
                    Event::Answered {
                        sent,
                        accepted,
                        rate,
                    },
                );
                continue;
            }
            Some(Event::Answered {
                sent,
                accepted,
                rate,
            }) => {
                refused += u64::from(!accepted);
                let outcome = if accepted {
                    Outcome::Success
                } else {
                    Outcome::Throttled { retry_after: None }
                };
                pacer.settled(Settled {
                    now,
                    sent,
                    wall: now + EPOCH,
                    outcome,
                    rate: Some(rate),
                });
            }
            Some(Event::Wake) if now + 1e-9 < timer => continue,
            Some(Event::Wake) | None => timer = f64::INFINITY,
        }
        // The run ends with a window, so that the last one is not counted as half used, nor one more as touched.
        loop {
            if now >= end {
                break;
            }
            match pacer.poll(now) {
                Verdict::Go => {
                    pacer.granted(now);
                    let out = setup.latency / 2.0 + unit() * setup.jitter;
                    push(
                        &mut heap,
                        &mut events,
                        now + out,
                        Event::Arrives { sent: now },
                    );
                }
                Verdict::At(moment) => {
                    let at = moment.max(now) + unit() * setup.timer + 1e-6;
                    if at < timer || timer <= now {
                        timer = at;
                        push(&mut heap, &mut events, at, Event::Wake);
                    }
                    break;
                }
                Verdict::OnReply => break,
            }
        }
    }
    let stats = pacer.stats();
    Measured {
        calls: stats.calls,
        refused,
        utilisation: stats.utilisation().unwrap_or(0.0),
        background_refused: service.background_refused,
        background_calls: service.background_calls,
    }
}

#[test]
fn an_idle_window_is_used_up_without_a_refusal() {
    let measured = run(&Setup::default());
    println!("idle: {measured:?}");
    assert_eq!(measured.refused, 0);
    assert!(measured.utilisation >= 0.99, "{measured:?}");
}

#[test]
fn small_limits_are_used_too() {
    for limit in [10, 83, 166, 500] {
        let measured = run(&Setup {
            limit,
            ..Setup::default()
        });
        println!("limit {limit}: {measured:?}");
        assert_eq!(measured.refused, 0);
        assert!(
            measured.utilisation * f64::from(limit) >= 0.99 * f64::from(limit) - 1.0,
            "{limit}: {measured:?}"
        );
    }
}

#[test]
fn other_clients_are_not_pushed_out() {
    for (share, allowed) in [(0.12, 0.001), (0.36, 0.01)] {
        let setup = Setup {
            background: 166.6 * share,
            ..Setup::default()
        };
        let measured = run(&setup);
        let others = f64::from(measured.background_refused) / f64::from(measured.background_calls);
        println!("background {share}: {measured:?}, others refused {others:.5}");
        assert!(others <= allowed, "{measured:?}");
        assert!(measured.refused <= measured.calls / 5_000, "{measured:?}");
        assert!(measured.utilisation + share >= 0.98, "{measured:?}");
    }
}

#[test]
fn without_dates_the_own_clock_serves() {
    let measured = run(&Setup {
        dated: false,
        skew: 0.0,
        ..Setup::default()
    });
    println!("undated: {measured:?}");
    assert_eq!(measured.refused, 0);
    assert!(measured.utilisation >= 0.97, "{measured:?}");
}

#[test]
fn a_wrong_clock_without_dates_does_no_harm() {
    for skew in [-40.0, -4.0, 4.0, 40.0] {
        let measured = run(&Setup {
            dated: false,
            skew,
            ..Setup::default()
        });
        println!("undated, clock off by {skew}: {measured:?}");
        assert!(
            measured.refused <= measured.calls / 50,
            "{skew}: {measured:?}"
        );
        assert!(measured.utilisation >= 0.98, "{skew}: {measured:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn never_refused_and_never_idle(
        limit in 40u32..4000,
        length in prop::sample::select(vec![10.0, 30.0, 60.0]),
        latency in 0.002f64..0.6,
        skew in -40.0f64..40.0,
        seed in any::<u64>(),
    ) {
        let setup = Setup { limit, length, latency, jitter: latency / 2.0, skew, seconds: 12.0 * length, seed, ..Setup::default() };
        let measured = run(&setup);
        prop_assert_eq!(measured.refused, 0, "{:?}", measured);
        prop_assert!(measured.utilisation >= 0.9, "{:?}", measured);
    }
}
