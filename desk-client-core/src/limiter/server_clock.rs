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
    /// The difference if our wall clock is right; used while there are no dates and nothing speaks against it.
    wall: Option<f64>,
}

/// Clocks drift; old bounds are loosened by this share of the time since.
const DRIFT: f64 = 1e-4;

impl Default for ServerClock {
    fn default() -> Self {
        Self {
            least: f64::NEG_INFINITY,
            most: f64::INFINITY,
            updated: 0.0,
            wall: None,
        }
    }
}

impl ServerClock {
    /// A reply to a request sent at `sent` and read at `received` was dated `date`.
    pub(super) fn dated(&mut self, sent: f64, received: f64, date: f64) {
        self.wall = None;
        self.within(sent, received, date, date + 1.0);
    }

    /// A reply without a date belongs to a window that runs from `start` to `end`; our wall clock showed `wall`.
    pub(super) fn undated(&mut self, sent: f64, received: f64, start: f64, end: f64, wall: f64) {
        self.wall = Some(wall - received);
        self.within(sent, received, start, end);
    }

    /// At some moment between `sent` and `received` the service's clock showed a time between `start` and `end`.
    fn within(&mut self, sent: f64, received: f64, start: f64, end: f64) {
        let (least, most) = (start - received, end - sent);
        let loose = (received - self.updated).max(0.0) * DRIFT;
        self.updated = received;
        self.least = least.max(self.least - loose);
        self.most = most.min(self.most + loose);
        if self.least > self.most {
            // One of the clocks was set.
            (self.least, self.most) = (least, most);
        }
    }

    fn bounds(&self) -> (f64, f64) {
        match self
            .wall
            .filter(|wall| (self.least..=self.most).contains(wall))
        {
            Some(wall) => (wall, wall),
            None => (self.least, self.most),
        }
    }

    /// The service's time at our moment `now`, the middle of what is possible. Not to be asked before the first reply.
    pub(super) fn time(&self, now: f64) -> f64 {
        let (least, most) = self.bounds();
        now + (least + most) / 2.0
    }

    /// The earliest of our moments at which the service's clock can show `time`.
    pub(super) fn earliest(&self, time: f64) -> f64 {
        time - self.bounds().1
    }

    /// The latest of our moments at which the service's clock can show `time`.
    pub(super) fn latest(&self, time: f64) -> f64 {
        time - self.bounds().0
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
