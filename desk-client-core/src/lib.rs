#![doc = include_str!("../README.md")]

mod auth;
mod call;
mod clock;
mod element;
mod error;
mod http_client;
pub mod lenient;
mod limiter;
mod paging;
mod redact;
mod reqwest_transport;
mod retry;
mod transport;

#[cfg(feature = "testing")]
pub mod testing;

pub use auth::{Anonymous, Authorize, Bearer, QueryKey, bearer};
pub use call::{Call, Repeat, Reply};
pub use clock::{Clock, SystemClock};
pub use element::{Unreadable, elements};
pub use error::{BoxError, Error, ErrorKind, Executed, Retry};
pub use http_client::{ByStatus, Classify, Http, HttpBuilder};
pub use limiter::{Limiter, LimiterSettings, LimiterStats, Outcome, Permit, RateHeaders};
pub use paging::{EmptyPage, Page, items, pages};
pub use redact::{BODY_LIMIT, Personal, safe_code};
pub use reqwest_transport::{ReqwestTransport, TransportSettings, is_loopback};
pub use retry::{Budget, Class, Decision, Delays, RetryPolicy};
pub use transport::{Transport, TransportError};

/// Handles cross threads and tasks; checked at compile time.
const _: () = {
    const fn handle<T: Send + Sync + Clone + 'static>() {}
    const fn object<T: ?Sized>() {}
    handle::<Http>();
    handle::<Limiter>();
    handle::<ReqwestTransport>();
    object::<dyn Transport>();
    object::<dyn Clock>();
    object::<dyn Authorize>();
    object::<dyn Classify>();
};
