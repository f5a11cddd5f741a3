//! The attempt loop: from a [`Call`] to a [`Reply`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures::FutureExt;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use tracing::Instrument;
use url::Url;

use crate::auth::{Anonymous, Authorize};
use crate::call::{Call, Reply};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Executed, Retry};
use crate::limiter::{Limiter, Outcome, RateHeaders};
use crate::retry::{Class, Decision, RetryPolicy};
use crate::transport::Transport;

/// Says what a reply means.
pub trait Classify: Send + Sync {
    /// `None` if the reply is a success; else the error it stands for, with kind and code. Status, request id, body and
    /// the name of the call are added by the caller.
    fn classify(&self, call: &Call, reply: &Reply) -> Option<Error>;
}

impl<F: Fn(&Call, &Reply) -> Option<Error> + Send + Sync> Classify for F {
    fn classify(&self, call: &Call, reply: &Reply) -> Option<Error> {
        self(call, reply)
    }
}

/// Judges a reply by its status alone: 2xx is a success.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByStatus;

impl Classify for ByStatus {
    fn classify(&self, _call: &Call, reply: &Reply) -> Option<Error> {
        (!reply.status().is_success()).then(|| Error::new(ErrorKind::of_status(reply.status())))
    }
}

/// Builds an [`Http`].
pub struct HttpBuilder {
    transport: Arc<dyn Transport>,
    base_url: Url,
    retry: RetryPolicy,
    limiter: Option<Limiter>,
    timeout: Duration,
    authorize: Arc<dyn Authorize>,
    classify: Arc<dyn Classify>,
    clock: Arc<dyn Clock>,
    headers: HeaderMap,
}

impl fmt::Debug for HttpBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBuilder").finish_non_exhaustive()
    }
}

impl HttpBuilder {
    /// Sets how failed attempts are repeated.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the limiter; without one, there is a limiter of this client alone with the default settings.
    #[must_use]
    pub fn limiter(mut self, limiter: Limiter) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// Sets how long one attempt may take, from the permit to the end of the reply (default one minute).
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the credential.
    #[must_use]
    pub fn authorize(mut self, authorize: impl Authorize + 'static) -> Self {
        self.authorize = Arc::new(authorize);
        self
    }

    /// Sets what replies mean.
    #[must_use]
    pub fn classify(mut self, classify: impl Classify + 'static) -> Self {
        self.classify = Arc::new(classify);
        self
    }

    /// Sets the clock; the limiter should have the same one.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The client.
    #[must_use]
    pub fn build(self) -> Http {
        let limiter = self.limiter.unwrap_or_else(|| {
            Limiter::with_clock(crate::LimiterSettings::default(), Arc::clone(&self.clock))
        });
        Http {
            inner: Arc::new(Inner {
                transport: self.transport,
                base_url: self.base_url,
                retry: self.retry,
                limiter,
                timeout: self.timeout,
                authorize: self.authorize,
                classify: self.classify,
                clock: self.clock,
                headers: self.headers,
            }),
        }
    }
}

/// An HTTP client with retries, pacing, credentials and classification. Cheap to clone; clones share everything.
///
/// From outside in: span → attempt loop → limiter permit → time-out → credential → transport. Permit and time-out are
/// taken per attempt, because a retry costs quota too.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Arc<dyn Transport>,
    base_url: Url,
    retry: RetryPolicy,
    limiter: Limiter,
    timeout: Duration,
    authorize: Arc<dyn Authorize>,
    classify: Arc<dyn Classify>,
    clock: Arc<dyn Clock>,
    headers: HeaderMap,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limiter", &self.inner.limiter).finish_non_exhaustive()
    }
}

impl Http {
    /// Begins a client for the service at `base_url`.
    pub fn builder(transport: impl Transport + 'static, base_url: Url) -> HttpBuilder {
        HttpBuilder {
            transport: Arc::new(transport),
            base_url,
            retry: RetryPolicy::default(),
            limiter: None,
            timeout: Duration::from_secs(60),
            authorize: Arc::new(Anonymous),
            classify: Arc::new(ByStatus),
            clock: Arc::new(SystemClock::new()),
            headers: HeaderMap::new(),
        }
    }

    /// The limiter that this client and its clones go through.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.inner.limiter
    }

    /// The clock of this client.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Makes a call and reads its reply as JSON.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `Decode` if the reply is not the JSON expected.
    pub async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.send(call).await?.json()
    }

    /// Makes a call, with retries, and returns its reply if that is a success.
    ///
    /// # Errors
    /// Any kind but `Paging` and `Decode`. [`Error::executed`] says whether a write may have taken effect, all attempts
    /// together; [`Error::retry`] whether retries were tried.
    pub async fn send(&self, call: Call) -> Result<Reply, Error> {
        let span =
            tracing::debug_span!("call", method = %call.method(), path = call.path_template());
        self.attempts(&call).instrument(span).await
    }

    async fn attempts(&self, call: &Call) -> Result<Reply, Error> {
        let Inner { retry, clock, authorize, .. } = &*self.inner;
        let started = clock.elapsed();
        let mut delays = retry.delays.series();
        let mut attempt = 0;
        let mut renewed = false;
        let mut executed = Executed::No;
        loop {
            attempt += 1;
            let Failure { error, class, hint, refused } = match self.attempt(call).await {
                Ok(reply) => {
                    retry.budget.put();
                    return Ok(reply);
                }
                Err(failure) => *failure,
            };
            executed = executed.max(error.executed());
            let error = error.with_attempts(attempt);
            // The error of fetching a token keeps the name of that call.
            let error = match error.path() {
                Some(_) => error,
                None => error.with_call(call.method(), call.path_template()),
            };
            if let Some(refused) = refused.filter(|_| !renewed) {
                renewed = true;
                if authorize.renew(&refused).await.map_err(|cause| cause.with_executed(executed))? {
                    tracing::debug!("the credential was refused and renewed");
                    continue;
                }
            }
            let elapsed = clock.elapsed().saturating_sub(started);
            let decision =
                retry.decide(attempt, elapsed, class, call.is_repeatable(), hint, delays.next());
            match decision {
                Decision::After(delay) if class == Class::Throttled || retry.budget.take() => {
                    tracing::debug!(attempt, kind = ?error.kind(), delay_ms = delay.as_millis() as u64, "trying again");
                    clock.sleep(delay).await;
                }
                _ => {
                    let verdict = match class {
                        Class::Permanent => Retry::Never,
                        Class::Ambiguous if !call.is_repeatable() => Retry::MayHelp,
                        _ => Retry::Exhausted,
                    };
                    // A token that could not be fetched in several attempts stays given up.
                    let verdict = match error.retry() {
                        Retry::Exhausted => Retry::Exhausted,
                        _ => verdict,
                    };
                    return Err(error.with_executed(executed).with_retry(verdict));
                }
            }
        }
    }

    /// One attempt: permit, time-out, credential, transport, classification.
    async fn attempt(&self, call: &Call) -> Result<Reply, Box<Failure>> {
        let Inner {
            transport,
            base_url,
            limiter,
            timeout,
            authorize,
            classify,
            clock,
            headers,
            ..
        } = &*self.inner;
        let mut request = call.request(base_url, headers).map_err(Failure::permanent)?;
        let permit = limiter.acquire().await;
        // Minting a token is a call of its own and must not use up the time of this one.
        authorize
            .authorize(&mut request)
            .await
            .map_err(|cause| Failure::permanent(cause.with_executed(Executed::No)))?;
        let sent_headers = request.headers().clone();
        let permit = permit.sent();
        let answer = futures::select_biased! {
            answer = transport.send(request).fuse() => answer,
            () = clock.sleep(*timeout).fuse() => Err(crate::TransportError::timeout()),
        };
        let response = match answer {
            Ok(response) => response,
            Err(failure) => {
                permit.settle(
                    if failure.not_sent() { Outcome::NotSent } else { Outcome::Lost },
                    None,
                );
                return Err(Failure::of_transport(failure));
            }
        };
        let reply = Reply::new(call, response);
        let rate = RateHeaders::read(reply.headers());
        let Some(error) = classify.classify(call, &reply) else {
            permit.settle(Outcome::Success, rate);
            return Ok(reply);
        };
        let hint = wait_hint(reply.headers(), &error, rate.as_ref(), &**clock);
        permit.settle(
            match error.kind() {
                ErrorKind::Throttled => Outcome::Throttled { retry_after: hint },
                ErrorKind::Server => Outcome::Failed,
                _ => Outcome::Success,
            },
            rate,
        );
        let class = match error.kind() {
            ErrorKind::Throttled => Class::Throttled,
            ErrorKind::Server | ErrorKind::Timeout | ErrorKind::Interrupted => Class::Ambiguous,
            _ => Class::Permanent,
        };
        let mut error = reply.describe(error);
        let class = if call.is_passing(&error) {
            error = error.with_executed(Executed::No);
            Class::NotExecuted
        } else {
            class
        };
        let refused = (error.kind() == ErrorKind::Unauthorized).then_some(sent_headers);
        Err(Box::new(Failure { error, class, hint, refused }))
    }
}

/// A failed attempt, and what is known about repeating it.
struct Failure {
    error: Error,
    class: Class,
    hint: Option<Duration>,
    /// The headers that were sent, where the credential was refused.
    refused: Option<HeaderMap>,
}

impl Failure {
    fn permanent(error: Error) -> Box<Self> {
        Box::new(Self { error, class: Class::Permanent, hint: None, refused: None })
    }

    fn of_transport(failure: crate::TransportError) -> Box<Self> {
        let kind = failure.kind();
        let not_sent = failure.not_sent();
        let class = match (kind, not_sent) {
            (ErrorKind::Connect, _) => Class::NotExecuted,
            (ErrorKind::TooLarge, _) | (_, true) => Class::Permanent,
            _ => Class::Ambiguous,
        };
        let mut error =
            Error::new(kind).with_executed(if not_sent { Executed::No } else { Executed::Maybe });
        if let Some(source) = failure.into_source() {
            error = error.with_source(source);
        }
        Box::new(Self { error, class, hint: None, refused: None })
    }
}

/// How long the service asks to wait: `Retry-After` in seconds or as a date, else, for a 429 of a window that is used up,
/// the reset of that window. A 429 while the window has room comes from another limit, of which nothing is told.
fn wait_hint(
    headers: &HeaderMap,
    error: &Error,
    rate: Option<&RateHeaders>,
    clock: &dyn Clock,
) -> Option<Duration> {
    // The service's own date is the better "now": it and the reset are read off the same clock.
    let now = headers.get(DATE).and_then(http_date).unwrap_or_else(|| clock.now().timestamp());
    let until = |moment: i64| Duration::from_secs(u64::try_from(moment - now).unwrap_or(0));
    let asked = headers.get(RETRY_AFTER).and_then(|value| {
        let text = value.to_str().ok()?.trim();
        let seconds = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
        seconds.or_else(|| http_date(value).map(until))
    });
    asked.or_else(|| {
        let reset = rate.filter(|rate| rate.remaining == 0)?.reset?;
        (error.kind() == ErrorKind::Throttled).then(|| until(reset))
    })
}

/// Seconds since 1970 of an HTTP date.
pub(crate) fn http_date(value: &HeaderValue) -> Option<i64> {
    DateTime::parse_from_rfc2822(value.to_str().ok()?).ok().map(|date| date.timestamp())
}
