//! What can go wrong, and what the caller can make of it.

use std::error::Error as StdError;
use std::fmt;

use desk_client_core::{ErrorKind, Executed, Retry};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::code::Code;
use crate::id::ContactId;

/// Why a call failed.
///
/// `Display` names the call, the kind, the status and Intercom's code, never a URL, a body or a
/// value. Intercom's own sentence may name a person, and is only in [`Error::body`].
///
/// | kind | tried again by the client |
/// |---|---|
/// | `Settings` | never: nothing was sent |
/// | `Connect` | every call: it was surely not sent |
/// | `Throttled` (429) | every call, after the window's reset |
/// | `Timeout`, `Interrupted`, `Server` (5xx) | only calls that may be repeated |
/// | `NotFound` | only opening a conversation: a contact made seconds ago may not be found yet |
/// | all others | never |
pub struct Error(desk_client_core::Error);

/// The contact that stands in the way of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConflictingContact {
    /// Its id.
    pub id: ContactId,
    /// Whether it is archived. An archived contact can be neither read nor found, only brought
    /// back or deleted by its id.
    pub archived: bool,
}

impl Error {
    /// An argument that Intercom would refuse; nothing was sent.
    pub(crate) fn argument(detail: impl Into<String>) -> Self {
        Self(desk_client_core::Error::settings(detail))
    }

    /// The mechanism's error, to pass through its paging.
    pub(crate) fn into_core(self) -> desk_client_core::Error {
        self.0
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// The status of the reply, where there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status()
    }

    /// Intercom's code, where the reply held one.
    pub fn code(&self) -> Option<Code> {
        self.0.code().map(Code::from)
    }

    /// The id under which Intercom's support finds the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id()
    }

    /// The beginning of the reply's body, at most 2 KiB, JSON or not. It may hold people's data.
    pub fn body(&self) -> Option<&str> {
        self.0.body()
    }

    /// Whether trying again can help, and whether the client did so already.
    pub fn retry(&self) -> Retry {
        self.0.retry()
    }

    /// Whether Intercom carried the request out: surely not, perhaps, or yes but the reply could
    /// not be used. Before a write is sent again after a `Maybe`, look.
    pub fn executed(&self) -> Executed {
        self.0.executed()
    }

    /// How often the call was sent; 0 where nothing was.
    pub fn attempts(&self) -> u32 {
        self.0.attempts()
    }

    /// The token is not accepted (401).
    pub fn is_auth(&self) -> bool {
        self.kind() == ErrorKind::Unauthorized
    }

    /// The plan of the workspace does not include this (`api_plan_restricted`).
    pub fn is_plan(&self) -> bool {
        self.kind() == ErrorKind::Plan
    }

    /// Every further call would fail in the same way: token, permission, plan, version, settings.
    pub fn is_fatal(&self) -> bool {
        self.0.is_fatal()
    }

    /// There is no such object (404). Archived contacts answer so too.
    pub fn is_not_found(&self) -> bool {
        self.kind() == ErrorKind::NotFound
    }

    /// The object clashes with another (409).
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }

    /// The quota was used up and stayed so (429).
    pub fn is_rate_limited(&self) -> bool {
        self.kind() == ErrorKind::Throttled
    }

    /// Intercom could not be reached, or its reply did not arrive.
    pub fn is_unreachable(&self) -> bool {
        use ErrorKind::{Connect, Interrupted, Timeout};
        matches!(self.kind(), Connect | Timeout | Interrupted)
    }

    /// Intercom could not be reached, did not reply, or failed (5xx).
    pub fn is_unavailable(&self) -> bool {
        self.0.is_unavailable()
    }

    /// The contact that a new or changed one clashes with, as the message of a 409 names it.
    ///
    /// Not in Intercom's description of the API, but seen in public threads: "A contact matching
    /// those details already exists with id=…", and "An archived contact …".
    pub fn conflicting_contact(&self) -> Option<ConflictingContact> {
        if !self.is_conflict() {
            return None;
        }
        let message = message(self.body()?)?;
        let id = contact_id(&message)?;
        Some(ConflictingContact { id, archived: message.to_lowercase().contains("archived") })
    }

    /// The contact that the one asked for was merged into, as the `Link` header of a 410 names it.
    pub fn contact_merged_into(&self) -> Option<ContactId> {
        let cause = self.0.source()?.downcast_ref::<Merged>()?;
        Some(cause.into.clone())
    }
}

impl From<desk_client_core::Error> for Error {
    fn from(error: desk_client_core::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// The error for a reply that is no success. The body need not be JSON: proxies answer HTML.
pub(crate) fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> desk_client_core::Error {
    let envelope: Value = serde_json::from_slice(body).unwrap_or_default();
    let first = &envelope["errors"][0];
    // Some replies carry the code under `type`.
    let code = first["code"].as_str().or_else(|| first["type"].as_str());
    let mut error = desk_client_core::Error::new(kind(status, code))
        .with_request_id(envelope["request_id"].as_str());
    if let Some(code) = code {
        error = error.with_code(code);
    }
    match merged_into(headers) {
        Some(into) if status == StatusCode::GONE => error.with_source(Merged { into }),
        _ => error,
    }
}

fn kind(status: StatusCode, code: Option<&str>) -> ErrorKind {
    match code.map(Code::from) {
        Some(Code::ApiPlanRestricted) => ErrorKind::Plan,
        Some(Code::IntercomVersionInvalid) => ErrorKind::Settings,
        Some(Code::RateLimitExceeded) => ErrorKind::Throttled,
        Some(
            Code::Unauthorized | Code::TokenNotFound | Code::TokenRevoked | Code::TokenSuspended,
        ) => ErrorKind::Unauthorized,
        _ => ErrorKind::of_status(status),
    }
}

/// The cause of a 410.
#[derive(Debug)]
struct Merged {
    into: ContactId,
}

impl fmt::Display for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the contact was merged into {}", self.into)
    }
}

impl StdError for Merged {}

/// Reads `Link: </contacts/{id}>; rel="canonical"`.
fn merged_into(headers: &HeaderMap) -> Option<ContactId> {
    let links = headers.get_all(http::header::LINK).iter().filter_map(|link| link.to_str().ok());
    links.flat_map(|link| link.split(',')).filter(|link| link.contains("canonical")).find_map(
        |link| {
            let (_, target) = link.split_once("/contacts/")?;
            let id = target.split(['>', '/', '?', '#']).next()?;
            (!id.is_empty()).then(|| ContactId::new(id))
        },
    )
}

/// Intercom's sentence: `errors[0].message`, or the whole body where it is no envelope.
fn message(body: &str) -> Option<String> {
    match serde_json::from_str::<Value>(body) {
        Ok(envelope) => {
            envelope["errors"].as_array()?.first()?["message"].as_str().map(str::to_owned)
        }
        Err(_) => Some(body.to_owned()),
    }
}

/// The 24 hexadecimal digits after `id=`, whatever surrounds them.
fn contact_id(message: &str) -> Option<ContactId> {
    message.split("id=").skip(1).find_map(|rest| {
        let digits = rest.trim_start_matches(['"', '\'', ' ']);
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        (end == 24).then(|| ContactId::new(&digits[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        let error = refusal(status, &HeaderMap::new(), body.as_bytes());
        Error::from(error.with_status(status).with_body(body.as_bytes()))
    }

    #[test]
    fn the_code_decides_where_the_status_is_vague() {
        let plan = error(403, r#"{"errors":[{"code":"api_plan_restricted"}]}"#);
        assert!(plan.is_plan() && plan.is_fatal());
        let auth =
            error(401, r#"{"errors":[{"code":"unauthorized","message":"Access Token Invalid"}]}"#);
        assert!(auth.is_auth() && auth.is_fatal());
        let version = error(400, r#"{"errors":[{"code":"intercom_version_invalid"}]}"#);
        assert!(version.is_fatal());
        let old = error(404, r#"{"errors":[{"type":"not_found","message":"User Not Found"}]}"#);
        assert!(old.is_not_found());
        assert_eq!(old.code(), Some(Code::NotFound));
        let other = error(422, r#"{"errors":[{"code":"brand_new"}]}"#);
        assert_eq!(other.code(), Some(Code::Other("brand_new".to_owned())));
    }

    #[test]
    fn bodies_that_are_no_envelope_keep_their_status() {
        for body in ["", "<html>Bad gateway</html>", "[]", "null", r#"{"errors":{}}"#] {
            let error = error(502, body);
            assert_eq!(error.kind(), ErrorKind::Server, "{body}");
            assert_eq!(error.executed(), Executed::Maybe, "{body}");
            assert_eq!(error.code(), None, "{body}");
            assert!(error.conflicting_contact().is_none());
        }
    }

    #[test]
    fn a_conflict_names_the_contact() {
        let id = "6762f0dd1bb69f9f2193bb83";
        for (message, archived) in [
            (format!("A contact matching those details already exists with id={id}"), false),
            (
                format!("An archived contact matching those details already exists with id={id}"),
                true,
            ),
            (format!("ARCHIVED user, id={id}."), true),
            (format!("with company_id=7, id='{id}'"), false),
        ] {
            let body = format!(r#"{{"errors":[{{"code":"conflict","message":"{message}"}}]}}"#);
            let found = error(409, &body).conflicting_contact().unwrap();
            assert_eq!((found.id.as_str(), found.archived), (id, archived), "{message}");
        }
        let vague = error(409, r#"{"errors":[{"code":"conflict","message":"id=12 exists"}]}"#);
        assert!(vague.is_conflict() && vague.conflicting_contact().is_none());
    }

    #[test]
    fn a_merged_contact_names_its_heir() {
        let mut headers = HeaderMap::new();
        let link = r#"</contacts/6762f0df1bb69f9f2193bb84>; rel="canonical""#;
        headers.insert(http::header::LINK, link.parse().unwrap());
        let error = Error::from(refusal(StatusCode::GONE, &headers, b"{}"));
        assert_eq!(error.contact_merged_into().unwrap().as_str(), "6762f0df1bb69f9f2193bb84");
        assert!(
            Error::from(refusal(StatusCode::GONE, &HeaderMap::new(), b""))
                .contact_merged_into()
                .is_none()
        );
    }
}
