//! The lowest layer: one request out, one reply in.

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{BoxError, ErrorKind};

/// Sends one request and returns its complete reply, whatever its status.
///
/// # Contract
/// - Any status is `Ok`; `Err` means that no complete reply was had.
/// - [`TransportError::not_sent`] is true only when no byte of the request can have reached the service.
/// - Nothing is repeated, no redirect is followed, and no error holds the URL.
/// - Dropping the future gives up waiting; the request may still take effect.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` and reads its reply to the end.
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for std::sync::Arc<T> {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        (**self).send(request).await
    }
}

/// Why there is no complete reply.
///
/// `Display` never holds the URL.
#[derive(Debug)]
pub struct TransportError {
    kind: ErrorKind,
    not_sent: bool,
    source: Option<BoxError>,
}

impl TransportError {
    /// The connection could not be made (name, network, TLS handshake): surely not sent.
    #[must_use]
    pub fn connect() -> Self {
        Self {
            kind: ErrorKind::Connect,
            not_sent: true,
            source: None,
        }
    }

    /// Refused before anything was sent, for the reason that `kind` gives.
    #[must_use]
    pub fn refused(kind: ErrorKind) -> Self {
        Self {
            kind,
            not_sent: true,
            source: None,
        }
    }

    /// No reply in time: the request may have been carried out.
    #[must_use]
    pub fn timeout() -> Self {
        Self {
            kind: ErrorKind::Timeout,
            not_sent: false,
            source: None,
        }
    }

    /// The connection broke, or the reply was cut off: the request may have been carried out.
    #[must_use]
    pub fn interrupted() -> Self {
        Self {
            kind: ErrorKind::Interrupted,
            not_sent: false,
            source: None,
        }
    }

    /// The reply is longer than allowed: the request may have been carried out.
    #[must_use]
    pub fn too_large() -> Self {
        Self {
            kind: ErrorKind::TooLarge,
            not_sent: false,
            source: None,
        }
    }

    /// Sets the cause, whose text must hold no URL.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether it is sure that the service saw nothing of the request.
    #[must_use]
    pub fn not_sent(&self) -> bool {
        self.not_sent
    }

    pub(crate) fn into_source(self) -> Option<BoxError> {
        self.source
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.kind, self.not_sent) {
            (_, true) => "the request was not sent",
            (ErrorKind::Timeout, _) => "no reply in time",
            (ErrorKind::TooLarge, _) => "the reply is longer than allowed",
            _ => "the connection broke",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}
