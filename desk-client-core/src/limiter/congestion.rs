//! How many calls the service can take at once, found out by trying.

/// Additive increase, multiplicative decrease, with a doubling start as in TCP.
///
/// A failure or a marked rise of latency lowers the cap, at most once a round trip; successes raise it while it is the
/// cap that holds calls back.
#[derive(Debug)]
pub(super) struct Congestion {
    cap: f64,
    most: f64,
    starting: bool,
    /// Recent latency, and the usual one.
    recent: f64,
    usual: f64,
    last_cut: f64,
}

impl Congestion {
    pub(super) fn new(start: usize, most: usize) -> Self {
        let most = most.max(1) as f64;
        Self {
            cap: (start.max(1) as f64).min(most),
            most,
            starting: true,
            recent: 0.0,
            usual: 0.0,
            last_cut: f64::NEG_INFINITY,
        }
    }

    pub(super) fn cap(&self) -> usize {
        self.cap as usize
    }

    /// The usual latency in seconds; 0 before the first reply.
    pub(super) fn latency(&self) -> f64 {
        self.usual
    }

    pub(super) fn succeeded(&mut self, now: f64, latency: f64, still_in_flight: usize) {
        if self.usual == 0.0 {
            (self.recent, self.usual) = (latency, latency);
        }
        self.recent += 0.1 * (latency - self.recent);
        // The usual latency follows downwards at once and upwards slowly, so that a queue building up is seen as one,
        // and a service that has become slower for good is believed in the end.
        let weight = if latency < self.usual { 0.1 } else { 0.005 };
        self.usual += weight * (latency - self.usual);
        if self.recent > 3.0 * self.usual + 0.05 {
            self.cut(now, 0.9);
        } else if (still_in_flight + 1) as f64 >= 0.8 * self.cap.floor() {
            self.cap = (self.cap + if self.starting { 1.0 } else { 1.0 / self.cap }).min(self.most);
        }
    }

    pub(super) fn failed(&mut self, now: f64) {
        self.cut(now, 0.7);
    }

    fn cut(&mut self, now: f64, factor: f64) {
        if now - self.last_cut < self.recent.max(0.1) {
            return;
        }
        self.last_cut = now;
        self.starting = false;
        self.cap = (self.cap * factor).max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_raises_and_failure_lowers() {
        let mut congestion = Congestion::new(4, 64);
        for step in 0..200 {
            let now = f64::from(step) * 0.1;
            congestion.succeeded(now, 0.1, congestion.cap() - 1);
        }
        assert_eq!(congestion.cap(), 64);
        congestion.failed(30.0);
        congestion.failed(30.01);
        assert_eq!(
            congestion.cap(),
            44,
            "two failures of one round trip count once"
        );
        for step in 0..200 {
            congestion.failed(31.0 + f64::from(step));
        }
        assert_eq!(congestion.cap(), 1, "it never comes to a stand");
    }

    #[test]
    fn a_growing_queue_lowers() {
        let mut congestion = Congestion::new(32, 64);
        for step in 0..100 {
            congestion.succeeded(f64::from(step) * 0.01, 0.05, 0);
        }
        for step in 0..100 {
            congestion.succeeded(1.0 + f64::from(step) * 0.02, 0.8, 31);
        }
        assert!(congestion.cap() < 32);
    }

    #[test]
    fn an_idle_client_does_not_raise() {
        let mut congestion = Congestion::new(4, 64);
        for step in 0..100 {
            congestion.succeeded(f64::from(step), 0.1, 0);
        }
        assert_eq!(congestion.cap(), 4);
    }
}
