//! The one error type of the mechanism.

use std::error::Error as StdError;
use std::fmt;

use http::{Method, StatusCode};

use crate::redact::{BoundedBody, safe_code};

/// A boxed cause, as [`std::error::Error::source`] hands it out.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong.
///
/// | kind | tried again by the attempt loop |
/// |---|---|
/// | `Settings`, `ReadOnly` | never: nothing was sent |
/// | `Connect` | every call: it was surely not sent |
/// | `Timeout`, `Interrupted`, `Server` | only calls that may be repeated |
/// | `Throttled` | every call, after the pause the service asks for |
/// | `Unauthorized` | once, if the credential could be renewed |
/// | the other refusals | only those that the call lists as passing |
/// | `Decode`, `TooLarge`, `Paging` | never |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or an argument is unusable; nothing was sent.
    Settings,
    /// A read-only client was asked for something that could write; nothing was sent.
    ReadOnly,
    /// The connection could not be made; nothing was sent.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection broke, or the reply was cut off.
    Interrupted,
    /// The reply was longer than the limit in the settings.
    TooLarge,
    /// The credential was refused (401, or the service's own code for it).
    Unauthorized,
    /// The credential is good but may not do this.
    Forbidden,
    /// The customer's plan does not include this.
    Plan,
    /// The account lives in another region or environment than the one asked.
    Region,
    /// The request was refused as malformed or unacceptable.
    Invalid,
    /// There is no such object.
    NotFound,
    /// The object clashes with another one.
    Conflict,
    /// The object existed once, and is gone or merged.
    Gone,
    /// Too many requests.
    Throttled,
    /// The service failed.
    Server,
    /// The reply was not what the service is known to send.
    Decode,
    /// A list went round in circles or contradicted itself.
    Paging,
    /// Refused with a status that has no kind of its own.
    Other,
}

impl ErrorKind {
    /// The kind that a status has where nothing more is known.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 | 405 | 406 | 411 | 413..=417 | 422 => Self::Invalid,
            401 => Self::Unauthorized,
            402 => Self::Plan,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 => Self::Timeout,
            409 | 412 | 423 => Self::Conflict,
            410 => Self::Gone,
            429 => Self::Throttled,
            500..=599 => Self::Server,
            _ => Self::Other,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Settings => "unusable setting",
            Self::ReadOnly => "refused by the read-only client",
            Self::Connect => "could not connect",
            Self::Timeout => "no answer in time",
            Self::Interrupted => "the connection broke before the reply was complete",
            Self::TooLarge => "the reply is longer than allowed",
            Self::Unauthorized => "the credential was refused",
            Self::Forbidden => "not permitted",
            Self::Plan => "not included in the plan",
            Self::Region => "wrong region",
            Self::Invalid => "the request was refused as invalid",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::Throttled => "too many requests",
            Self::Server => "the service failed",
            Self::Decode => "the reply is not as expected",
            Self::Paging => "the list contradicts itself",
            Self::Other => "refused",
        }
    }
}

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It will fail again.
    Never,
    /// It may succeed later; the attempt loop did not try because the call must not be repeated blindly.
    MayHelp,
    /// The attempt loop tried and gave up: do not retry on top of it.
    Exhausted,
}

/// Whether the service carried the request out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Executed {
    /// Surely not: even a write may be sent again.
    No,
    /// It cannot be told from here: look before writing again.
    Maybe,
    /// It was, but the reply could not be used.
    Yes,
}

/// An error of the mechanism or a refusal of the service.
///
/// `Display` names the method, the path template, the kind, the status and the service's code. It never prints the
/// URL, the query, the body or the cause; those who must see the body ask [`body`](Self::body), and the cause is
/// [`source`](StdError::source).
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    method: Option<Method>,
    path: Option<String>,
    status: Option<StatusCode>,
    code: Option<String>,
    request_id: Option<String>,
    body: Option<BoundedBody>,
    detail: Option<String>,
    retry: Retry,
    executed: Executed,
    attempts: u32,
    source: Option<BoxError>,
}

impl Error {
    /// An error of `kind` about which nothing else is known yet.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        let executed = match kind {
            ErrorKind::Timeout | ErrorKind::Interrupted | ErrorKind::Server => Executed::Maybe,
            ErrorKind::Decode | ErrorKind::TooLarge | ErrorKind::Paging => Executed::Yes,
            _ => Executed::No,
        };
        let retry = match kind {
            ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::Interrupted
            | ErrorKind::Throttled
            | ErrorKind::Server => Retry::MayHelp,
            _ => Retry::Never,
        };
        Self {
            inner: Box::new(Inner {
                kind,
                method: None,
                path: None,
                status: None,
                code: None,
                request_id: None,
                body: None,
                detail: None,
                retry,
                executed,
                attempts: 0,
                source: None,
            }),
        }
    }

    /// An error about a setting or an argument. `detail` is shown, so it must hold no secret and nobody's data.
    #[must_use]
    pub fn settings(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Settings).with_detail(detail)
    }

    /// A reply that is not as expected. `detail` is shown, so it names the place, never the value.
    #[must_use]
    pub fn decode(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Decode).with_detail(detail)
    }

    /// Adds a sentence that `Display` shows; it must hold no secret and nobody's data.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.inner.detail = Some(detail.into());
        self
    }

    /// Names the call by method and path template.
    #[must_use]
    pub fn with_call(mut self, method: &Method, path: impl Into<String>) -> Self {
        self.inner.method = Some(method.clone());
        self.inner.path = Some(path.into());
        self
    }

    /// Sets the status of the reply.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.inner.status = Some(status);
        self
    }

    /// Sets the service's own code. Anything but letters, digits and `_ - . :` is dropped, since it is shown.
    #[must_use]
    pub fn with_code(mut self, code: &str) -> Self {
        self.inner.code = safe_code(code);
        self
    }

    /// Sets the id under which the service's support can find the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<&str>) -> Self {
        self.inner.request_id = id.and_then(safe_code);
        self
    }

    /// Keeps the beginning of the reply's body, whatever its format.
    #[must_use]
    pub fn with_body(mut self, body: &[u8]) -> Self {
        self.inner.body = Some(BoundedBody::new(body));
        self
    }

    /// Sets whether the service carried the request out.
    #[must_use]
    pub fn with_executed(mut self, executed: Executed) -> Self {
        self.inner.executed = executed;
        self
    }

    /// Sets whether trying again can help.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.inner.retry = retry;
        self
    }

    /// Sets how often the call was attempted.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.inner.attempts = attempts;
        self
    }

    /// Sets the cause. Its text may be printed by whoever walks the chain, so it must hold no URL.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The status of the reply, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// The service's own code, such as `not_found` or `ERR_ARGUMENT_MISSING`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.inner.code.as_deref()
    }

    /// The id under which the service's support can find the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.inner.request_id.as_deref()
    }

    /// The beginning of the reply's body (at most 2 KiB), whatever its format. It may hold people's data.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.inner.body.as_ref().map(BoundedBody::reveal)
    }

    /// Method of the call.
    #[must_use]
    pub fn method(&self) -> Option<&Method> {
        self.inner.method.as_ref()
    }

    /// Path template of the call, without the values that were put into it.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.inner.path.as_deref()
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.inner.retry
    }

    /// Whether the service carried the request out.
    #[must_use]
    pub fn executed(&self) -> Executed {
        self.inner.executed
    }

    /// How often the call was attempted; 0 where nothing was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    /// No such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// Clashes with another object.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }

    /// Existed once, and is gone or merged.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.kind() == ErrorKind::Gone
    }

    /// Too many requests.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.kind() == ErrorKind::Throttled
    }

    /// The credential was refused.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.kind() == ErrorKind::Unauthorized
    }

    /// Every further call of this client would fail in the same way: credential, permission, plan, region, settings.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unauthorized
                | ErrorKind::Forbidden
                | ErrorKind::Plan
                | ErrorKind::Region
                | ErrorKind::Settings
        )
    }

    /// The service could not be reached, or did not answer, or failed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Interrupted | ErrorKind::Server
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(method), Some(path)) = (&self.inner.method, &self.inner.path) {
            write!(f, "{method} {path}: ")?;
        }
        f.write_str(self.inner.kind.text())?;
        if let Some(detail) = &self.inner.detail {
            write!(f, ": {detail}")?;
        }
        match (self.inner.status, &self.inner.code) {
            (Some(status), Some(code)) => write!(f, " ({}, {code})", status.as_u16())?,
            (Some(status), None) => write!(f, " ({})", status.as_u16())?,
            (None, Some(code)) => write!(f, " ({code})")?,
            (None, None) => {}
        }
        if self.inner.retry == Retry::Exhausted {
            write!(f, ", given up after {} attempts", self.inner.attempts)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("method", &self.inner.method)
            .field("path", &self.inner.path)
            .field("status", &self.inner.status)
            .field("code", &self.inner.code)
            .field("request_id", &self.inner.request_id)
            .field("detail", &self.inner.detail)
            .field("retry", &self.inner.retry)
            .field("executed", &self.inner.executed)
            .field("attempts", &self.inner.attempts)
            .field("source", &self.inner.source)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_shows_template_status_and_code_only() {
        let error = Error::new(ErrorKind::NotFound)
            .with_call(&Method::GET, "/contacts/{id}")
            .with_status(StatusCode::NOT_FOUND)
            .with_code("not_found\r\nSet-Cookie: x")
            .with_body(b"{\"email\":\"ada@example.com\"}")
            .with_source(std::io::Error::other("because"));
        assert_eq!(
            error.to_string(),
            "GET /contacts/{id}: not found (404, not_foundSet-Cookie:x)"
        );
        assert!(!format!("{error:?}").contains("ada@"));
        assert_eq!(error.body(), Some("{\"email\":\"ada@example.com\"}"));
        assert_eq!(error.executed(), Executed::No);
    }

    #[test]
    fn a_lost_reply_is_ambiguous() {
        assert_eq!(Error::new(ErrorKind::Timeout).executed(), Executed::Maybe);
        assert_eq!(Error::new(ErrorKind::Server).retry(), Retry::MayHelp);
        assert_eq!(Error::new(ErrorKind::Connect).executed(), Executed::No);
        assert_eq!(Error::new(ErrorKind::Decode).executed(), Executed::Yes);
    }
}
