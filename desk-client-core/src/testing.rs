//! A scripted transport and a manual clock, for tests of whatever is built on this crate.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::StatusCode;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::transport::{Transport, TransportError};

type Matcher = Box<dyn Fn(&http::Request<Bytes>) -> bool + Send + Sync>;
type Answer =
    Box<dyn FnMut(&http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> + Send>;

/// A transport that answers from a script and keeps what it was sent. Clones share the script.
///
/// Rules set with [`on`](Self::on) are asked first and stay; everything else takes the next answer in order. With
/// neither, the answer is a connection that could not be made, and [`unexpected`](Self::unexpected) counts it.
#[derive(Clone, Default)]
pub struct ScriptedTransport {
    script: Arc<Mutex<Script>>,
}

#[derive(Default)]
struct Script {
    rules: Vec<(Matcher, Answer)>,
    answers: VecDeque<Result<http::Response<Bytes>, TransportError>>,
    requests: Vec<http::Request<Bytes>>,
    unexpected: usize,
}

impl ScriptedTransport {
    /// A transport with an empty script.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next answer: a status and a body.
    pub fn reply(&self, status: u16, body: impl Into<Bytes>) -> &Self {
        self.respond(response(status, &[], body))
    }

    /// Adds the next answer: a status, headers and a body.
    pub fn reply_with(
        &self,
        status: u16,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> &Self {
        self.respond(response(status, headers, body))
    }

    /// Adds the next answer.
    pub fn respond(&self, response: http::Response<Bytes>) -> &Self {
        self.lock().answers.push_back(Ok(response));
        self
    }

    /// Adds a failure as the next answer.
    pub fn fail(&self, error: TransportError) -> &Self {
        self.lock().answers.push_back(Err(error));
        self
    }

    /// Answers every request that `matches` by `answer`, before the answers in order are looked at.
    pub fn on(
        &self,
        matches: impl Fn(&http::Request<Bytes>) -> bool + Send + Sync + 'static,
        answer: impl FnMut(&http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError>
        + Send
        + 'static,
    ) -> &Self {
        self.lock()
            .rules
            .push((Box::new(matches), Box::new(answer)));
        self
    }

    /// The requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<http::Request<Bytes>> {
        self.lock().requests.clone()
    }

    /// Answers that nobody has asked for yet.
    #[must_use]
    pub fn unused(&self) -> usize {
        self.lock().answers.len()
    }

    /// Requests for which the script had no answer.
    #[must_use]
    pub fn unexpected(&self) -> usize {
        self.lock().unexpected
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for ScriptedTransport {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        let mut script = self.lock();
        script.requests.push(request.clone());
        if let Some((_, answer)) = script
            .rules
            .iter_mut()
            .find(|(matches, _)| matches(&request))
        {
            return answer(&request);
        }
        match script.answers.pop_front() {
            Some(answer) => answer,
            None => {
                script.unexpected += 1;
                Err(TransportError::connect())
            }
        }
    }
}

impl fmt::Debug for ScriptedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.lock();
        f.debug_struct("ScriptedTransport")
            .field("requests", &script.requests.len())
            .field("unused", &script.answers.len())
            .finish_non_exhaustive()
    }
}

/// A reply from its parts. Headers that are not valid are left out.
pub fn response(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> http::Response<Bytes> {
    let mut response = http::Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(*name),
            http::HeaderValue::try_from(*value),
        ) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A clock that moves only when told to. Clones share its time.
#[derive(Clone)]
pub struct ManualClock {
    shared: Arc<Hands>,
}

struct Hands {
    start: DateTime<Utc>,
    elapsed: Mutex<Duration>,
    moved: Notify,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: DateTime<Utc>) -> Self {
        Self {
            shared: Arc::new(Hands {
                start,
                elapsed: Mutex::default(),
                moved: Notify::new(),
            }),
        }
    }

    /// Moves the clock on and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        *self
            .shared
            .elapsed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) += by;
        self.shared.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.shared.start + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        *self
            .shared
            .elapsed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, duration: Duration) {
        let end = self.elapsed() + duration;
        loop {
            let moved = self.shared.moved.notified();
            if self.elapsed() >= end {
                return;
            }
            moved.await;
        }
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}
