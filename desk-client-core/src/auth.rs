//! How a request is given its credential.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::error::Error;

/// Puts a credential on every attempt.
///
/// It is called while the attempt holds a permit, so an implementation that asks a service for a token does so through
/// a limiter of its own: through the same one, calls that hold every permit would wait for a token that waits for a permit.
#[async_trait]
pub trait Authorize: Send + Sync {
    /// Adds headers or query pairs to the request.
    async fn authorize(&self, request: &mut http::Request<Bytes>) -> Result<(), Error>;

    /// Told that a request with these headers was answered 401. Returns whether there is a new credential to try; the
    /// attempt loop asks at most once a call. Several calls can fail at once, so an implementation compares the refused
    /// credential with its present one before it asks for another.
    async fn renew(&self, refused: &HeaderMap) -> Result<bool, Error> {
        let _ = refused;
        Ok(false)
    }
}

/// No credential.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

#[async_trait]
impl Authorize for Anonymous {
    async fn authorize(&self, _request: &mut http::Request<Bytes>) -> Result<(), Error> {
        Ok(())
    }
}

/// A fixed bearer token in the `Authorization` header.
#[derive(Clone)]
pub struct Bearer(HeaderValue);

impl Bearer {
    /// Takes the token, without surrounding white space.
    ///
    /// # Errors
    /// `Settings` if it is empty or cannot stand in a header.
    pub fn new(token: &SecretString) -> Result<Self, Error> {
        Ok(Self(bearer(token)?))
    }
}

#[async_trait]
impl Authorize for Bearer {
    async fn authorize(&self, request: &mut http::Request<Bytes>) -> Result<(), Error> {
        request.headers_mut().insert(AUTHORIZATION, self.0.clone());
        Ok(())
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer([secret])")
    }
}

/// A key in the query. It makes the whole URL a secret, which is why no URL appears in an error, a span or a log.
#[derive(Clone)]
pub struct QueryKey {
    name: &'static str,
    key: SecretString,
}

impl QueryKey {
    /// Sends `key` as the query parameter `name`.
    #[must_use]
    pub fn new(name: &'static str, key: SecretString) -> Self {
        Self { name, key }
    }
}

#[async_trait]
impl Authorize for QueryKey {
    async fn authorize(&self, request: &mut http::Request<Bytes>) -> Result<(), Error> {
        let failed = || Error::settings("the key cannot stand in a URL");
        let mut url = url::Url::parse(&request.uri().to_string()).map_err(|_| failed())?;
        url.query_pairs_mut()
            .append_pair(self.name, self.key.expose_secret());
        *request.uri_mut() = url.as_str().parse().map_err(|_| failed())?;
        Ok(())
    }
}

impl fmt::Debug for QueryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueryKey({}=[secret])", self.name)
    }
}

/// The `Authorization` value for a bearer token, marked as sensitive.
///
/// # Errors
/// `Settings` if the token is empty or cannot stand in a header.
pub fn bearer(token: &SecretString) -> Result<HeaderValue, Error> {
    let token = token.expose_secret().trim();
    if token.is_empty() {
        return Err(Error::settings("the token is empty"));
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Error::settings("the token holds characters that cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
