//! The error type of this crate.

use std::fmt;

use desk_client_core::{Call, Classify, Error as CoreError, Reply};
pub use desk_client_core::{ErrorKind, Executed, Retry};
use http::StatusCode;

/// Why a call or a file could not be read.
///
/// `Display` names the command or path, the kind, the status and LeadDesk's own code. It never prints the URL (which
/// holds the key of the Original API), the query, the body or the cause.
#[derive(Debug)]
pub struct Error(CoreError);

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self(CoreError::new(kind).with_detail(detail))
    }

    pub(crate) fn with_source(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self(self.0.with_source(source))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// The status of the reply, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status()
    }

    /// LeadDesk's code with its detail, such as `ERR_NOT_FOUND:agent`; the codes known are on [`codes`](crate::codes).
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code()
    }

    /// The beginning of the reply's body (at most 2 KiB), whatever its format. It may hold people's data.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        self.0.body()
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.retry()
    }

    /// Whether LeadDesk carried the request out. Nothing that this client sends changes anything.
    #[must_use]
    pub fn executed(&self) -> Executed {
        self.0.executed()
    }

    /// No such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.0.is_not_found()
    }

    /// The key or the client credentials were refused.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        self.0.is_unauthorized()
    }

    /// Every further call would fail in the same way.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.0.is_fatal()
    }

    /// The service could not be reached, or did not answer, or failed.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.0.is_unavailable()
    }
}

impl From<CoreError> for Error {
    fn from(error: CoreError) -> Self {
        Self(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Error codes of the Original API that the vendor documents. The vendor's list is longer than what could be seen of
/// it, so any other text is kept as a code as well.
pub mod codes {
    /// The key was refused.
    pub const AUTHENTICATION: &str = "ERR_AUTHENTICATION";
    /// There is no such object.
    pub const NOT_FOUND: &str = "ERR_NOT_FOUND";
    /// An argument is missing.
    pub const ARGUMENT_MISSING: &str = "ERR_ARGUMENT_MISSING";
    /// An argument is not acceptable.
    pub const ARGUMENT_INVALID: &str = "ERR_ARGUMENT_INVALID";
    /// Anything else.
    pub const UNDEFINED: &str = "ERR_UNDEFINED";
}

/// What replies of the Original API mean.
///
/// Documented: a failure is 400 or 500 with a short plain text, `ERR_X` or `ERR_X:detail`. Not documented, and treated
/// as failures as well: a 2xx with `"success": false`, a 2xx with such a text, and a 2xx with an HTML page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginalReplies;

impl Classify for OriginalReplies {
    fn classify(&self, _call: &Call, reply: &Reply) -> Option<CoreError> {
        let body = reply.body();
        let code = error_code(body);
        if !reply.status().is_success() {
            let kind = code
                .and_then(kind_of_code)
                .unwrap_or_else(|| ErrorKind::of_status(reply.status()));
            return Some(with_code(CoreError::new(kind), code));
        }
        if let Some(code) = code {
            let kind = kind_of_code(code).unwrap_or(ErrorKind::Other);
            return Some(with_code(CoreError::new(kind), Some(code)));
        }
        if is_html(body) {
            return Some(CoreError::decode(
                "an HTML page came instead of data; is the base URL right?",
            ));
        }
        failed_envelope(body)
    }
}

fn with_code(error: CoreError, code: Option<&str>) -> CoreError {
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// `ERR_X[:detail]`, if the body is such a text.
fn error_code(body: &[u8]) -> Option<&str> {
    let start = &body[..body.len().min(512)];
    let text = std::str::from_utf8(start).ok()?.trim().trim_matches('"');
    let first_line = text.lines().next()?;
    first_line.starts_with("ERR_").then_some(first_line)
}

/// Only what stands before the colon says what went wrong.
fn kind_of_code(code: &str) -> Option<ErrorKind> {
    match code.split(':').next().unwrap_or(code).trim() {
        codes::AUTHENTICATION => Some(ErrorKind::Unauthorized),
        codes::NOT_FOUND => Some(ErrorKind::NotFound),
        codes::ARGUMENT_MISSING | codes::ARGUMENT_INVALID => Some(ErrorKind::Invalid),
        _ => None,
    }
}

fn is_html(body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(256)])
        .trim_start()
        .to_ascii_lowercase();
    start.starts_with("<!doctype") || start.starts_with("<html")
}

/// A JSON object with `"success": false`.
fn failed_envelope(body: &[u8]) -> Option<CoreError> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        #[serde(default, deserialize_with = "desk_client_core::lenient::optional_flag")]
        success: Option<bool>,
        #[serde(default, alias = "error", alias = "message")]
        code: Option<serde_json::Value>,
    }
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return None;
    }
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    if envelope.success != Some(false) {
        return None;
    }
    let code = envelope
        .code
        .as_ref()
        .and_then(|code| code.as_str())
        .filter(|code| code.starts_with("ERR_"));
    let kind = code.and_then(kind_of_code).unwrap_or(ErrorKind::Other);
    Some(with_code(
        CoreError::new(kind).with_detail("the reply says that it failed"),
        code,
    ))
}
