//! What time it is at the service.

/// Bounds on the difference between the service's clock and ours.
///
/// A `Date` header is cut to whole seconds, so one reply places the difference only within a second. But each reply
/// gives an interval, the truth lies in all of them, and their intersection soon is about one round trip wide.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerClock {
    least: f64,
    most: f64,
    updated: f64,
}

/// Clocks drift; old bounds are loosened by this share of the time since.
const DRIFT: f64 = 1e-4;

impl Default for ServerClock {
    fn default() -> Self {
        Self {
            least: f64::NEG_INFINITY,
            most: f64::INFINITY,
            updated: 0.0,
        }
    }
}

impl ServerClock {
    /// A reply to a request sent at `sent` and read at `received` was dated `date`.
    pub(super) fn dated(&mut self, sent: f64, received: f64, date: f64) {
        let (least, most) = (date - received, date + 1.0 - sent);
        let loose = (received - self.updated).max(0.0) * DRIFT;
        self.updated = received;
        self.least = least.max(self.least - loose);
        self.most = most.min(self.most + loose);
        if self.least > self.most {
            // One of the clocks was set.
            (self.least, self.most) = (least, most);
        }
    }

    /// There is no date: our own wall clock has to do.
    pub(super) fn local(&mut self, now: f64, wall: f64) {
        (self.least, self.most, self.updated) = (wall - now, wall - now, now);
    }

    /// The service's time at our moment `now`.
    pub(super) fn time(&self, now: f64) -> f64 {
        now + (self.least + self.most) / 2.0
    }

    /// The earliest of our moments at which the service's clock can show `time`.
    pub(super) fn earliest(&self, time: f64) -> f64 {
        time - self.most
    }

    /// The latest of our moments at which the service's clock can show `time`.
    pub(super) fn latest(&self, time: f64) -> f64 {
        time - self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_replies_narrow_the_difference_to_a_round_trip() {
        let mut clock = ServerClock::default();
        let offset = 1_000_000_000.37;
        for step in 0..200 {
            let sent = f64::from(step) * 0.0313;
            clock.dated(sent, sent + 0.04, (sent + 0.02 + offset).floor());
        }
        assert!(clock.least <= offset && offset <= clock.most);
        assert!(
            clock.most - clock.least < 0.08,
            "{}",
            clock.most - clock.least
        );
        assert!((clock.time(100.0) - 100.0 - offset).abs() < 0.05);
    }

    #[test]
    fn a_clock_that_was_set_is_believed() {
        let mut clock = ServerClock::default();
        clock.dated(0.0, 0.1, 1_000_000.0);
        clock.dated(1.0, 1.1, 2_000_000.0);
        assert!((clock.time(1.0) - 2_000_000.0).abs() < 1.1);
    }
}
