//! The client and how it is built.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use desk_client_core::{
    Bearer, Call, Clock, Executed, Http, Limiter, LimiterSettings, ReqwestTransport, RetryPolicy,
    SystemClock, Transport, TransportSettings,
};
use http::header::ACCEPT;
use http::{HeaderName, HeaderValue, Method};
use secrecy::SecretString;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use url::Url;

use crate::api::{
    Admins, Contacts, ConversationAttributes, Conversations, DataAttributes, Tags, Teams,
};
use crate::count::{Counting, Counts};
use crate::error::{Error, refusal};
use crate::model::admin::Me;
use crate::region::Region;

/// The version of the API this crate is written for, sent with every request.
pub const API_VERSION: &str = "2.16";

/// Calls per minute that all private apps of a workspace share (vendor documentation).
const WORKSPACE_PER_MINUTE: u32 = 25_000;

/// A client of one Intercom workspace.
///
/// Cheap to clone; clones share connections, the limiter and the retry budget.
#[derive(Clone)]
pub struct IntercomClient {
    http: Http,
    counts: Arc<Counts>,
}

impl IntercomClient {
    /// A client with the default settings.
    ///
    /// # Errors
    /// If the token cannot be sent as a header, or TLS cannot be set up.
    pub fn new(token: SecretString, region: Region) -> Result<Self, Error> {
        Self::builder(token).region(region).build()
    }

    /// A client to be set up, by default for [`Region::Us`].
    pub fn builder(token: SecretString) -> IntercomClientBuilder {
        IntercomClientBuilder::new(token)
    }

    /// The admin and the workspace behind the token. This one call proves token, region and
    /// workspace, and is the first to make.
    pub async fn me(&self) -> Result<Me, Error> {
        self.json(Call::get("/me")).await
    }

    /// Teammates.
    pub fn admins(&self) -> Admins<'_> {
        Admins(self)
    }

    /// Teams.
    pub fn teams(&self) -> Teams<'_> {
        Teams(self)
    }

    /// Contacts, their tags and notes.
    pub fn contacts(&self) -> Contacts<'_> {
        Contacts(self)
    }

    /// Tags.
    pub fn tags(&self) -> Tags<'_> {
        Tags(self)
    }

    /// Attributes of contacts and companies.
    pub fn data_attributes(&self) -> DataAttributes<'_> {
        DataAttributes(self)
    }

    /// Attributes of conversations.
    pub fn conversation_attributes(&self) -> ConversationAttributes<'_> {
        ConversationAttributes(self)
    }

    /// Conversations.
    pub fn conversations(&self) -> Conversations<'_> {
        Conversations(self)
    }

    /// Any call this crate has no name for, with the same token, version, pace and error type.
    ///
    /// The path is split at `/` and every part percent-encoded, so it is given plain. Only its
    /// first part appears in errors and logs, since the others may be people's data. GET, PUT and
    /// DELETE are repeated after a lost reply, POST is not. An empty reply is [`Value::Null`].
    ///
    /// Some calls reach customers (`/messages`, `/phone_call_redirects`). They have no typed form
    /// here on purpose.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let mut parts = path.trim_start_matches('/').split('/');
        let mut template = format!("/{}", parts.next().unwrap_or_default());
        let parts: Vec<&str> = parts.collect();
        template.extend(parts.iter().map(|_| "/{}"));
        let mut call = Call::new(method, template);
        for part in parts {
            call = call.segment(part);
        }
        for (name, value) in query {
            call = call.query(name, value);
        }
        if let Some(body) = body {
            call = call.json(body);
        }
        let reply = self.http.send(call).await?;
        if reply.body().is_empty() { Ok(Value::Null) } else { Ok(reply.json()?) }
    }

    /// What the rate limit was and how it was used, over all clones of this client.
    pub fn rate(&self) -> RateStats {
        let stats = self.http.limiter().stats();
        RateStats {
            calls: stats.calls,
            reads: self.counts.reads(),
            writes: self.counts.writes(),
            throttled: stats.throttled,
            limit_per_window: stats.limit_per_window,
            utilisation: stats.utilisation(),
            clock_ahead: stats.clock_ahead.and_then(seconds),
        }
    }

    /// Makes a call and reads its reply.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        let reply = self.send(call).await?;
        reply.json().map_err(|error| {
            // A page of a proxy under status 200 says nothing about what Intercom did.
            let is_json = serde_json::from_slice::<IgnoredAny>(reply.body()).is_ok();
            Error::from(if is_json { error } else { error.with_executed(Executed::Maybe) })
        })
    }

    /// Makes a call whose reply says nothing.
    pub(crate) async fn send(&self, call: Call) -> Result<desk_client_core::Reply, Error> {
        Ok(self.http.send(call).await?)
    }
}

impl fmt::Debug for IntercomClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntercomClient").field("rate", &self.rate()).finish_non_exhaustive()
    }
}

/// How the rate limit was used since the client was built.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RateStats {
    /// Calls sent, repeats included.
    pub calls: u64,
    /// Those of them that only read: GET and searches.
    pub reads: u64,
    /// Those of them that may change something.
    pub writes: u64,
    /// Calls that were refused for the rate limit (429).
    pub throttled: u64,
    /// Calls that a window allows, as Intercom last said. Windows are ten seconds long.
    pub limit_per_window: Option<u32>,
    /// Calls over the sum of limits, in the windows touched after the first; between 0 and 1.
    pub utilisation: Option<f64>,
    /// How far this machine's clock is ahead of Intercom's (behind, where it is negative), as the
    /// `Date` of the replies shows: to about a second. `None` before the first reply.
    pub clock_ahead: Option<TimeDelta>,
}

#[allow(clippy::cast_possible_truncation, reason = "a cast from a float stays within bounds")]
fn seconds(seconds: f64) -> Option<TimeDelta> {
    TimeDelta::try_milliseconds((seconds * 1e3) as i64)
}

/// Settings of an [`IntercomClient`].
#[must_use = "call build()"]
pub struct IntercomClientBuilder {
    token: SecretString,
    base_url: Result<Url, Region>,
    retry: RetryPolicy,
    limits: LimiterSettings,
    limiter: Option<Limiter>,
    attempt_timeout: Duration,
    connection: TransportSettings,
    transport: Option<Arc<dyn Transport>>,
    clock: Arc<dyn Clock>,
}

impl IntercomClientBuilder {
    fn new(token: SecretString) -> Self {
        let mut limits = LimiterSettings::default();
        limits.workspace_per_minute = Some(WORKSPACE_PER_MINUTE);
        let mut connection = TransportSettings::default();
        connection.user_agent =
            concat!("intercom-client-rs/", env!("CARGO_PKG_VERSION")).to_owned();
        Self {
            token,
            base_url: Err(Region::Us),
            retry: RetryPolicy::default(),
            limits,
            limiter: None,
            attempt_timeout: Duration::from_secs(60),
            connection,
            transport: None,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Where the workspace is hosted.
    pub fn region(mut self, region: Region) -> Self {
        self.base_url = Err(region);
        self
    }

    /// Another server that speaks the API, instead of a region's. Plain http is for loopback only,
    /// unless [`allow_http`](Self::allow_http) says otherwise.
    pub fn base_url(mut self, base_url: Url) -> Self {
        self.base_url = Ok(base_url);
        self
    }

    /// Allows plain http to other hosts than loopback. The token then travels in the clear.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.connection.allow_http = allow;
        self
    }

    /// How failed attempts are repeated.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// The share of the rate limit, between 0 and 1, that is left to other programs; default 0.
    pub fn reserve(mut self, share: f64) -> Self {
        self.limits.reserve = share;
        self
    }

    /// Calls per minute that all private apps of the workspace share; default 25,000 (vendor
    /// documentation). `None` means no such limit.
    pub fn workspace_limit(mut self, per_minute: Option<u32>) -> Self {
        self.limits.workspace_per_minute = per_minute;
        self
    }

    /// The most calls in flight at once; default 256.
    pub fn max_concurrency(mut self, calls: usize) -> Self {
        self.limits.max_concurrency = calls;
        self
    }

    /// Shares the workspace's limit with a client that has another token of the same workspace.
    /// This replaces [`reserve`](Self::reserve), [`workspace_limit`](Self::workspace_limit) and
    /// [`max_concurrency`](Self::max_concurrency). For the same token, clone the client instead.
    pub fn share_workspace_with(mut self, other: &IntercomClient) -> Self {
        self.limiter = Some(other.http.limiter().for_another_token());
        self
    }

    /// How long one attempt may take, from its start to the end of the reply; default one minute.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How long a connection may take to be made; default ten seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connection.connect_timeout = timeout;
        self
    }

    /// What the client calls itself.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.connection.user_agent = name.into();
        self
    }

    /// Sends requests through this instead of the network, for tests. Time-outs of connections,
    /// the user agent and the check of the base URL belong to the network and are not applied.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Takes time from this clock, for tests.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// `Settings` if the token is empty or cannot be sent, if the base URL is not allowed, if the
    /// reserve is not a share, or if TLS cannot be set up.
    pub fn build(self) -> Result<IntercomClient, Error> {
        if !(0.0..1.0).contains(&self.limits.reserve) {
            return Err(Error::argument("the reserve is a share of at least 0 and less than 1"));
        }
        let base_url = match self.base_url {
            Ok(url) => url,
            Err(region) => Url::parse(region.base_url())
                .map_err(|_| Error::argument("the address of the region cannot be read"))?,
        };
        let transport: Arc<dyn Transport> = match self.transport {
            Some(transport) => transport,
            None => Arc::new(ReqwestTransport::new(&base_url, &self.connection)?),
        };
        let limiter = match self.limiter {
            Some(limiter) => limiter,
            None => Limiter::with_clock(self.limits, Arc::clone(&self.clock)),
        };
        let counts = Arc::new(Counts::default());
        let transport = Counting { inner: transport, counts: Arc::clone(&counts) };
        let http = Http::builder(transport, base_url)
            .authorize(Bearer::new(&self.token)?)
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(
                HeaderName::from_static("intercom-version"),
                HeaderValue::from_static(API_VERSION),
            )
            .retry(self.retry)
            .limiter(limiter)
            .attempt_timeout(self.attempt_timeout)
            .clock(self.clock)
            .classify(|_: &Call, reply: &desk_client_core::Reply| {
                let failed = !reply.status().is_success();
                failed.then(|| refusal(reply.status(), reply.headers(), reply.body()))
            })
            .build();
        Ok(IntercomClient { http, counts })
    }
}

impl fmt::Debug for IntercomClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntercomClientBuilder")
            .field("retry", &self.retry)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
