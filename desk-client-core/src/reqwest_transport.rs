//! The transport used in earnest.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use url::{Host, Url};

use crate::error::Error;
use crate::transport::{Transport, TransportError};

/// Settings of [`ReqwestTransport`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TransportSettings {
    /// How long a connection may take to be made. Keep it below the time-out of an attempt, so that a connection that
    /// was never made is known not to have carried the request.
    pub connect_timeout: Duration,
    /// The longest reply that is read, in bytes.
    pub max_body: usize,
    /// Allows plain `http` to hosts other than loopback.
    pub allow_http: bool,
    /// What the client calls itself.
    pub user_agent: String,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            max_body: 64 * 1024 * 1024,
            allow_http: false,
            user_agent: concat!("desk-client-core/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// A [`Transport`] over a pooled HTTP client.
///
/// It follows no redirect, repeats nothing, and speaks TLS unless the base URL is plain `http` to loopback (or that was
/// allowed). Cheap to clone.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    max_body: usize,
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransport")
            .field("max_body", &self.max_body)
            .finish_non_exhaustive()
    }
}

impl ReqwestTransport {
    /// A transport for the service at `base_url`.
    ///
    /// # Errors
    /// `Settings` if the URL is neither `https` nor an allowed `http`, or if the TLS library cannot be set up.
    pub fn new(base_url: &Url, settings: &TransportSettings) -> Result<Self, Error> {
        let plain = match base_url.scheme() {
            "https" => false,
            "http" if settings.allow_http || is_loopback(base_url) => true,
            "http" => {
                return Err(Error::settings(
                    "the base URL is plain http, which is allowed to loopback only; use https or allow http",
                ));
            }
            _ => return Err(Error::settings("the base URL is neither https nor http")),
        };
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(settings.connect_timeout)
            .user_agent(settings.user_agent.as_str())
            .https_only(!plain);
        if plain {
            // A proxy would see the plain text, and loopback is not for proxies.
            builder = without_certificates(builder).no_proxy();
        } else if !TLS {
            return Err(Error::settings(
                "the base URL is https, and this program was built without a TLS feature",
            ));
        }
        let client = builder.build().map_err(|cause| {
            Error::settings("the HTTP client cannot be set up").with_source(cause.without_url())
        })?;
        Ok(Self {
            client,
            max_body: settings.max_body,
        })
    }
}

const TLS: bool = cfg!(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
));

/// Without a store of root certificates building fails even where TLS is never spoken, so none is asked for.
#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
fn without_certificates(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.tls_certs_only([])
}

#[cfg(not(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
)))]
fn without_certificates(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder
}

/// Whether the URL names this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[async_trait]
impl Transport for ReqwestTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(|cause| {
            TransportError::refused(crate::ErrorKind::Settings).with_source(cause.without_url())
        })?;
        let mut response = self.client.execute(request).await.map_err(failure)?;
        if response
            .content_length()
            .is_some_and(|length| length > self.max_body as u64)
        {
            return Err(TransportError::too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > self.max_body {
                return Err(TransportError::too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut reply = http::Response::new(body.freeze());
        *reply.status_mut() = response.status();
        *reply.headers_mut() = std::mem::take(response.headers_mut());
        Ok(reply)
    }
}

fn failure(cause: reqwest::Error) -> TransportError {
    let error = if cause.is_connect() {
        TransportError::connect()
    } else if cause.is_builder() {
        TransportError::refused(crate::ErrorKind::Settings)
    } else if cause.is_timeout() {
        TransportError::timeout()
    } else {
        TransportError::interrupted()
    };
    error.with_source(cause.without_url())
}
