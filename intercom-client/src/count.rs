//! Counts of calls that read and calls that write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use desk_client_core::{Transport, TransportError};
use http::{Method, Request, Response};

/// What was sent, repeats included.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl Counts {
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
}

/// A transport that counts what goes through it.
pub(crate) struct Counting {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) counts: Arc<Counts>,
}

#[async_trait]
impl Transport for Counting {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let searches = request.uri().path().ends_with("/search");
        let reads = request.method() == Method::GET || searches;
        let count = if reads { &self.counts.reads } else { &self.counts.writes };
        count.fetch_add(1, Ordering::Relaxed);
        self.inner.send(request).await
    }
}
