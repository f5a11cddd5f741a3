//! A request before it is sent, and a reply after it was read.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::Error;

/// Whether a call may be sent again when it is not known what became of the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Repeat {
    /// Carrying it out twice does no more than once.
    Safe,
    /// It is sent again only when it was surely not carried out.
    Never,
}

/// A refusal that is known to pass, so that even a call that must not be repeated is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passing {
    status: StatusCode,
    code: Option<String>,
}

impl Passing {
    pub(crate) fn matches(&self, error: &Error) -> bool {
        error.status() == Some(self.status)
            && self
                .code
                .as_deref()
                .is_none_or(|code| error.code() == Some(code))
    }
}

/// One call of an API: method, path template and the values that go into it, query, body, and whether it may be repeated.
///
/// Only the template appears in logs and errors; the values never do.
///
/// ```
/// use desk_client_core::Call;
/// let call = Call::get("/contacts/{id}").segment("a/b").query("page", 2);
/// assert_eq!(call.path_template(), "/contacts/{id}");
/// ```
#[derive(Clone)]
pub struct Call {
    method: Method,
    template: String,
    label: Option<String>,
    segments: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Option<Result<Bytes, String>>,
    repeat: Repeat,
    passing: Vec<Passing>,
}

impl Call {
    /// A call of `method` on a path such as `/contacts/{id}/tags`. Each `{…}` is filled by one
    /// [`segment`](Self::segment), in order. GET, HEAD, PUT and DELETE may be repeated; the others may not, unless
    /// [`repeat`](Self::repeat) says so.
    #[must_use]
    pub fn new(method: Method, template: impl Into<String>) -> Self {
        let repeat = if method.is_idempotent() {
            Repeat::Safe
        } else {
            Repeat::Never
        };
        Self {
            method,
            template: template.into(),
            label: None,
            segments: Vec::new(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: None,
            repeat,
            passing: Vec::new(),
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(template: impl Into<String>) -> Self {
        Self::new(Method::GET, template)
    }

    /// A POST, not to be repeated.
    #[must_use]
    pub fn post(template: impl Into<String>) -> Self {
        Self::new(Method::POST, template)
    }

    /// A PUT.
    #[must_use]
    pub fn put(template: impl Into<String>) -> Self {
        Self::new(Method::PUT, template)
    }

    /// A DELETE.
    #[must_use]
    pub fn delete(template: impl Into<String>) -> Self {
        Self::new(Method::DELETE, template)
    }

    /// Fills the next `{…}` of the template; percent-encoded, so a slash inside stays inside.
    #[must_use]
    pub fn segment(mut self, value: impl fmt::Display) -> Self {
        self.segments.push(value.to_string());
        self
    }

    /// Sets the path template anew.
    #[must_use]
    pub fn at(mut self, template: impl Into<String>) -> Self {
        self.template = template.into();
        self
    }

    /// Names the call in logs and errors, where the path says too little. The name must hold no value.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.label = Some(name.into());
        self
    }

    /// Adds a query pair; encoded, with `+` as `%2B`.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a query pair if there is a value.
    #[must_use]
    pub fn query_opt(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// Sets the body to `value` as JSON. A value that cannot be written as JSON fails the call when it is sent.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        self.body = Some(
            serde_json::to_vec(value)
                .map(Bytes::from)
                .map_err(|cause| cause.to_string()),
        );
        self
    }

    /// Sets a body of another kind.
    #[must_use]
    pub fn body(mut self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        self.headers
            .insert(http::header::CONTENT_TYPE, content_type);
        self.body = Some(Ok(body.into()));
        self
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Says whether the call may be repeated.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Lists `status` as a refusal that is known to pass: the call is tried again even though it must not be repeated,
    /// since a refusal means that it was not carried out.
    #[must_use]
    pub fn passing(mut self, status: StatusCode) -> Self {
        self.passing.push(Passing { status, code: None });
        self
    }

    /// Like [`passing`](Self::passing), for one code of the service only.
    #[must_use]
    pub fn passing_code(mut self, status: StatusCode, code: &str) -> Self {
        self.passing.push(Passing {
            status,
            code: Some(code.to_owned()),
        });
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The name of the call, or else its path with its holes: fit for logs.
    #[must_use]
    pub fn path_template(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.template)
    }

    /// The values of the query pairs called `name`, for classifiers and transports that look at them.
    pub fn query_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the call may be repeated.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        self.repeat == Repeat::Safe
    }

    pub(crate) fn is_passing(&self, error: &Error) -> bool {
        self.passing.iter().any(|passing| passing.matches(error))
    }

    /// The request that this call makes against `base`, with nothing of the client's own added.
    pub(crate) fn request(
        &self,
        base: &Url,
        defaults: &HeaderMap,
    ) -> Result<http::Request<Bytes>, Error> {
        let fail =
            |detail: &str| Error::settings(detail).with_call(&self.method, self.path_template());
        let url = self.url(base).map_err(fail)?;
        let body = match &self.body {
            None => Bytes::new(),
            Some(Ok(body)) => body.clone(),
            Some(Err(_)) => return Err(fail("the body cannot be written as JSON")),
        };
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url
            .as_str()
            .parse()
            .map_err(|_| fail("the URL is not valid"))?;
        *request.headers_mut() = defaults.clone();
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }

    fn url(&self, base: &Url) -> Result<Url, &'static str> {
        let mut url = base.clone();
        url.set_query(None);
        url.set_fragment(None);
        {
            let mut path = url
                .path_segments_mut()
                .map_err(|()| "the base URL cannot have a path")?;
            path.pop_if_empty();
            let mut values = self.segments.iter();
            for part in self.template.trim_start_matches('/').split('/') {
                if part.starts_with('{') && part.ends_with('}') {
                    match values.next().map(String::as_str) {
                        None => return Err("a value for the path is missing"),
                        // The parser would take these as steps in the path, and an empty value names another resource.
                        Some("" | "." | "..") => {
                            return Err("a value for the path is empty or a dot");
                        }
                        Some(value) => path.push(value),
                    };
                } else {
                    path.push(part);
                }
            }
            if values.next().is_some() {
                return Err("there are more values than places in the path");
            }
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("path", &self.path_template())
            .field("repeat", &self.repeat)
            .finish_non_exhaustive()
    }
}

/// A complete reply. Its body may hold people's data, so `Debug` shows status and length only.
#[derive(Clone)]
pub struct Reply {
    method: Method,
    template: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    pub(crate) fn new(call: &Call, response: http::Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            method: call.method.clone(),
            template: call.path_template().to_owned(),
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// One header, if it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The id under which the service's support can find the request (`X-Request-Id`).
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.header("x-request-id")
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The body as text.
    ///
    /// # Errors
    /// `Decode` if it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body).map_err(|_| self.unexpected("the body is not UTF-8"))
    }

    /// The body read as JSON.
    ///
    /// # Errors
    /// `Decode`, whose text names the place in the document and never the value there.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|cause| self.unexpected(json_failure::<T>(&self.body, &cause)))
    }

    /// An error that says that this reply is not as expected; `detail` is shown and names the place, never the value.
    #[must_use]
    pub fn unexpected(&self, detail: impl Into<String>) -> Error {
        self.describe(Error::decode(detail))
    }

    /// Adds call, status, request id and the beginning of the body to `error`.
    #[must_use]
    pub fn describe(&self, error: Error) -> Error {
        let id = error.request_id().map(str::to_owned);
        error
            .with_call(&self.method, self.template.as_str())
            .with_status(self.status)
            .with_request_id(id.as_deref().or(self.request_id()))
            .with_body(&self.body)
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("method", &self.method)
            .field("path", &self.template)
            .field("status", &self.status)
            .field("length", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Where in the document reading failed. The document is read again with path tracking only now, since that costs a
/// third of the speed. serde's own text is not used: it quotes the value.
pub(crate) fn json_failure<T: DeserializeOwned>(body: &[u8], cause: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match cause.classify() {
        Category::Data => "a value has another type than expected or is missing",
        Category::Eof => "the JSON ends too early",
        Category::Syntax | Category::Io => "the body is not JSON",
    };
    let mut reader = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) if cause.is_data() => format!("{what}, at `{}`", error.path()),
        _ => format!("{what}, at line {} column {}", cause.line(), cause.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(call: &Call) -> String {
        let base = Url::parse("https://api.example.com/stable/").unwrap();
        call.request(&base, &HeaderMap::new())
            .unwrap()
            .uri()
            .to_string()
    }

    #[test]
    fn segments_and_queries_are_encoded() {
        let call = Call::get("/contacts/{id}/tags")
            .segment("a/b ä?")
            .query("phone", "+358 1&2");
        assert_eq!(
            uri(&call),
            "https://api.example.com/stable/contacts/a%2Fb%20%C3%A4%3F/tags?phone=%2B358+1%262"
        );
        assert_eq!(uri(&Call::get("/")), "https://api.example.com/stable/");
    }

    #[test]
    fn holes_and_values_must_agree() {
        let base = Url::parse("https://api.example.com").unwrap();
        for call in [
            Call::get("/a/{id}"),
            Call::get("/a").segment(1),
            Call::get("/a/{id}").segment(""),
            Call::get("/a/{id}").segment(".."),
        ] {
            let error = call.request(&base, &HeaderMap::new()).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Settings);
        }
    }

    #[test]
    fn json_errors_name_the_path_and_not_the_value() {
        #[derive(Debug, serde::Deserialize)]
        struct Inner {
            #[allow(dead_code)]
            age: u32,
        }
        let body = br#"[{"age":"ada@example.com"}]"#;
        let cause = serde_json::from_slice::<Vec<Inner>>(body).unwrap_err();
        let text = json_failure::<Vec<Inner>>(body, &cause);
        assert_eq!(
            text,
            "a value has another type than expected or is missing, at `[0].age`"
        );
    }
}
