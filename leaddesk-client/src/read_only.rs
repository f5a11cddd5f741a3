//! The layer below everything else that lets nothing through which could write.

use async_trait::async_trait;
use bytes::Bytes;
use desk_client_core::{ErrorKind, Transport, TransportError};
use http::Method;

/// What a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// GET with a `mod` and `cmd` of the read list.
    OriginalReads,
    /// GET, and the POST that fetches a token.
    RestReads,
}

/// The commands of the Original API that only read, by `mod` and `cmd`. Arguments by GET are accepted by commands that
/// write as well (`contact delete` is a GET), so the method alone protects nothing.
pub(crate) const READS: &[(&str, &str)] = &[
    ("agent", "find"),
    ("call", "get"),
    ("calling_list", "export"),
    ("calling_list", "list"),
    ("contact", "exists"),
    ("contact", "find"),
    ("contact", "get"),
    ("widget", "list"),
];

pub(crate) const TOKEN_PATH: &str = "/oauth/access-token";

/// A transport that refuses what `allowed` does not name.
#[derive(Debug, Clone)]
pub(crate) struct ReadOnly<T> {
    inner: T,
    allowed: Allowed,
}

impl<T> ReadOnly<T> {
    pub(crate) fn new(inner: T, allowed: Allowed) -> Self {
        Self { inner, allowed }
    }
}

impl Allowed {
    fn lets_through(self, request: &http::Request<Bytes>) -> bool {
        let is_get = request.method() == Method::GET;
        match self {
            Self::OriginalReads => {
                is_get
                    && request.body().is_empty()
                    && reads(request.uri().query().unwrap_or_default())
            }
            Self::RestReads => {
                (is_get && request.body().is_empty())
                    || (request.method() == Method::POST
                        && request.uri().query().is_none()
                        && request.uri().path().ends_with(TOKEN_PATH))
            }
        }
    }
}

/// Whether the query names one command, and that command only reads. A name that comes twice is refused: nobody knows
/// which of the two LeadDesk would take.
fn reads(query: &str) -> bool {
    let one = |name: &str| {
        let mut values = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| {
            // PHP, which LeadDesk speaks, reads `mod[]`, ` mod` and `mod%00` as `mod` or close to it.
            key.trim_matches(|c: char| c.is_whitespace() || c == '\0')
                .split(['[', '.'])
                .next()
                == Some(name)
        });
        match (values.next(), values.next()) {
            (Some((key, value)), None) if key == name => Some(value.into_owned()),
            _ => None,
        }
    };
    match (one("mod"), one("cmd")) {
        (Some(module), Some(command)) => READS.contains(&(module.as_str(), command.as_str())),
        _ => false,
    }
}

#[async_trait]
impl<T: Transport> Transport for ReadOnly<T> {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        // A header can make some servers take a GET for another method.
        let overridden = request
            .headers()
            .keys()
            .any(|name| name.as_str().contains("method"));
        if overridden || !self.allowed.lets_through(&request) {
            return Err(TransportError::refused(ErrorKind::ReadOnly));
        }
        self.inner.send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: Allowed, method: &str, uri: &str) -> bool {
        let request = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(Bytes::new())
            .unwrap();
        allowed.lets_through(&request)
    }

    #[test]
    fn only_reads_of_the_original_api_pass() {
        let base = "https://api.leaddesk.com/?auth=k";
        for (module, command) in READS {
            assert!(allows(
                Allowed::OriginalReads,
                "GET",
                &format!("{base}&mod={module}&cmd={command}")
            ));
            assert!(!allows(
                Allowed::OriginalReads,
                "POST",
                &format!("{base}&mod={module}&cmd={command}")
            ));
        }
        for query in [
            "&mod=contact&cmd=delete",
            "&mod=contact&cmd=add",
            "&mod=contact&cmd=modify",
            "&mod=call&cmd=create_callback",
            "&mod=agent&cmd=modify_campaign_access",
            "&mod=contact",
            "&cmd=get",
            "",
            "&mod=contact&cmd=get&cmd=delete",
            "&mod=contact&cmd=delete&cmd=get",
            "&mod=contact&cmd=get&cmd[]=delete",
            "&mod=contact&cmd=get&%20cmd=delete",
            "&mod=contact&cmd=Delete",
        ] {
            assert!(
                !allows(Allowed::OriginalReads, "GET", &format!("{base}{query}")),
                "{query}"
            );
        }
    }

    #[test]
    fn only_reads_of_the_rest_api_pass() {
        let path = "https://rest.example.com/stable/gdpr/contact?phone=1";
        assert!(allows(Allowed::RestReads, "GET", path));
        for method in ["DELETE", "POST", "PATCH", "PUT", "OPTIONS"] {
            assert!(!allows(Allowed::RestReads, method, path), "{method}");
        }
        assert!(allows(
            Allowed::RestReads,
            "POST",
            "https://rest.example.com/stable/oauth/access-token"
        ));
        assert!(!allows(
            Allowed::RestReads,
            "DELETE",
            "https://rest.example.com/stable/oauth/access-token"
        ));
    }
}
