//! The rate limit: windows of ten seconds, told by headers.

use chrono::{TimeDelta, Utc};

const WINDOW_SECONDS: u64 = 10;

#[derive(Debug)]
pub(crate) struct RateLimit {
    per_window: u64,
    window: u64,
    used: u64,
    /// How far the service's clock is ahead of the machine's.
    ahead: TimeDelta,
}

impl RateLimit {
    pub(crate) fn new(calls_per_minute: u64, ahead: TimeDelta) -> Self {
        let per_window = (calls_per_minute * WINDOW_SECONDS / 60).max(1);
        Self { per_window, window: 0, used: 0, ahead }
    }

    /// Takes one call from the window; `false` beyond the limit.
    pub(crate) fn take(&mut self) -> bool {
        self.roll();
        let free = self.used < self.per_window;
        self.used += u64::from(free);
        free
    }

    pub(crate) fn headers(&mut self) -> [(&'static str, String); 4] {
        self.roll();
        [
            ("date", (Utc::now() + self.ahead).format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            ("x-ratelimit-limit", self.per_window.to_string()),
            ("x-ratelimit-remaining", (self.per_window - self.used).to_string()),
            ("x-ratelimit-reset", ((self.window + 1) * WINDOW_SECONDS).to_string()),
        ]
    }

    pub(crate) fn message(&self) -> String {
        format!("Exceeded rate limit of {} in {WINDOW_SECONDS}_seconds", self.per_window)
    }

    fn roll(&mut self) {
        let seconds = u64::try_from((Utc::now() + self.ahead).timestamp()).unwrap_or_default();
        if seconds / WINDOW_SECONDS != self.window {
            self.window = seconds / WINDOW_SECONDS;
            self.used = 0;
        }
    }
}
