//! The rate-limit headers of a reply.

use http::HeaderMap;
use http::header::DATE;

/// `X-RateLimit-Limit`, `-Remaining`, `-Reset` and `Date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RateHeaders {
    /// Calls in a window.
    pub limit: u32,
    /// Calls left in this window.
    pub remaining: u32,
    /// When the window ends, in seconds since 1970.
    pub reset: Option<i64>,
    /// The service's own time, in seconds since 1970.
    pub date: Option<i64>,
}

impl RateHeaders {
    /// Reads the headers; `None` unless limit and remaining are there and numbers.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        let limit = u32::try_from(number("x-ratelimit-limit")?)
            .ok()
            .filter(|limit| *limit > 0)?;
        let remaining = u32::try_from(number("x-ratelimit-remaining")?.max(0)).ok()?;
        Some(Self {
            limit,
            remaining,
            reset: number("x-ratelimit-reset"),
            date: headers.get(DATE).and_then(crate::http_client::http_date),
        })
    }
}
