//! The REST API: a host per environment, a bearer token from client credentials, JSON.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use desk_client_core::{
    Authorize, Call as HttpCall, EmptyPage, Error as CoreError, ErrorKind, Http, Page, Repeat,
    Transport, bearer, lenient, pages,
};
use futures::TryStreamExt;
use futures::stream::{BoxStream, StreamExt};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use crate::error::Error;
use crate::model::{Campaign, Extra, LocalTime, PersonalText, User, personal};
use crate::original::{Settings, parse_url};
use crate::read_only::{Allowed, ReadOnly, TOKEN_PATH};
use crate::unreadable::Unreadable;

/// One page of a list: elements, each readable or not.
pub type Elements<T> = Vec<Result<T, Unreadable>>;

/// Builds a [`RestClient`].
#[derive(Debug)]
pub struct RestClientBuilder {
    base_url: String,
    account_id: String,
    client_id: SecretString,
    client_secret: SecretString,
    settings: Settings,
}

impl RestClientBuilder {
    /// Sets pace, time-outs, retries and the size of pages.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The client. Nothing is sent yet: the token is fetched for the first call.
    ///
    /// # Errors
    /// `Settings` if the pace is 0, or if the URL is unusable or plain `http` to another machine.
    pub fn build(self) -> Result<RestClient, Error> {
        self.settings.check()?;
        let base = parse_url(&self.base_url)?;
        let transport = self.settings.transport(&base)?;
        Ok(self.build_on(base, transport))
    }

    /// The client on another transport, for tests. It is read-only all the same.
    ///
    /// # Errors
    /// `Settings` if the URL is unusable.
    pub fn build_with(
        self,
        transport: impl Transport + Clone + 'static,
    ) -> Result<RestClient, Error> {
        self.settings.check()?;
        let base = parse_url(&self.base_url)?;
        Ok(self.build_on(base, transport))
    }

    fn build_on(self, base: Url, transport: impl Transport + Clone + 'static) -> RestClient {
        let transport = ReadOnly::new(transport, Allowed::RestReads);
        // Tokens have a limiter of their own: calls that hold every permit must not wait for one of theirs.
        let token_http = Http::builder(transport.clone(), base.clone())
            .limiter(self.settings.limiter())
            .retry(self.settings.retry.clone())
            .attempt_timeout(self.settings.timeout)
            .build();
        let token = Token {
            http: token_http,
            account_id: self.account_id,
            client_id: self.client_id,
            client_secret: self.client_secret,
            current: Mutex::new(None),
        };
        let http = Http::builder(transport, base)
            .authorize(token)
            .limiter(self.settings.limiter())
            .retry(self.settings.retry)
            .attempt_timeout(self.settings.timeout)
            .build();
        RestClient {
            http,
            per_page: self.settings.per_page.max(1),
        }
    }
}

/// A read-only client of the REST API. Cheap to clone; clones share token and pace.
#[derive(Clone)]
pub struct RestClient {
    http: Http,
    per_page: u32,
}

impl fmt::Debug for RestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestClient")
    }
}

impl RestClient {
    /// Begins a client. The base URL has no default: its host names the customer's environment, and the only sample seen
    /// has the form `https://restapi-<environment>.leaddesk.com/stable`. Client id and secret come from the admin
    /// screens (General settings, API); the account id is LeadDesk's number of the customer.
    pub fn builder(
        base_url: impl Into<String>,
        account_id: impl Into<String>,
        client_id: SecretString,
        client_secret: SecretString,
    ) -> RestClientBuilder {
        RestClientBuilder {
            base_url: base_url.into(),
            account_id: account_id.into(),
            client_id,
            client_secret,
            settings: Settings::default(),
        }
    }

    /// All users, page by page (`GET /users`). Seen in third-party code.
    ///
    /// Paging by `page` and `per_page` is unverified. The list ends at an empty page. A service that ignores `page`
    /// answers the first page again: that ends the list if `_meta.count` says that nothing is missing, and is a `Paging`
    /// error otherwise.
    #[must_use]
    pub fn users(&self) -> BoxStream<'static, Result<Elements<User>, Error>> {
        self.list("/users")
    }

    /// All campaigns (projects), page by page (`GET /campaigns`). Seen in third-party code; paging as for
    /// [`users`](Self::users).
    #[must_use]
    pub fn campaigns(&self) -> BoxStream<'static, Result<Elements<Campaign>, Error>> {
        self.list("/campaigns")
    }

    /// The agents' calls with a number (`GET /gdpr/contact?phone=`). Seen in third-party code. The calls have no id; the
    /// unit of `duration` and the format of `created_at` are unverified.
    ///
    /// The same path erases the person when asked with DELETE, which this client cannot send.
    ///
    /// # Errors
    /// As [`raw`](Self::raw), and `Decode`.
    pub async fn gdpr_history(&self, phone: &str) -> Result<Elements<HistoryCall>, Error> {
        #[derive(Deserialize, Default)]
        struct Held {
            #[serde(default)]
            calls: Option<Calls>,
        }
        #[derive(Deserialize, Default)]
        struct Calls {
            #[serde(default)]
            agent: Option<Vec<Value>>,
        }
        let held: Held = self
            .http
            .json(HttpCall::get("/gdpr/contact").query("phone", phone))
            .await?;
        let calls = held.calls.and_then(|calls| calls.agent).unwrap_or_default();
        Ok(crate::unreadable::elements("gdpr/contact", calls))
    }

    /// A GET of any path below the base URL; the reply's body as it came.
    ///
    /// # Errors
    /// `Unauthorized`, `NotFound` and so on by status; `Connect`, `Timeout`, `Interrupted` from the network.
    pub async fn raw(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, Error> {
        let mut call = HttpCall::get("/").named("raw");
        let mut template = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            template.push_str("/{part}");
            call = call.segment(part);
        }
        call = call.at(template);
        for (name, value) in query {
            call = call.query(name, value);
        }
        Ok(self.http.send(call).await?.body().clone())
    }

    /// How many calls this client and its clones have sent, each attempt counted.
    #[must_use]
    pub fn calls_sent(&self) -> u64 {
        self.http.limiter().stats().calls
    }

    fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &'static str,
    ) -> BoxStream<'static, Result<Elements<T>, Error>> {
        let client = self.clone();
        pages(Place::default(), EmptyPage::Ends, move |place| {
            let client = client.clone();
            async move { client.page::<T>(path, place).await }
        })
        .map_ok(|page| page.items)
        .try_filter(|items| std::future::ready(!items.is_empty()))
        .map_err(Error::from)
        .boxed()
    }

    async fn page<T: DeserializeOwned>(
        &self,
        path: &'static str,
        place: Place,
    ) -> Result<Page<Result<T, Unreadable>, Place>, CoreError> {
        #[derive(Deserialize)]
        struct Envelope {
            collection: Vec<Value>,
            #[serde(default, rename = "_meta")]
            meta: Option<Meta>,
        }
        #[derive(Deserialize)]
        struct Meta {
            #[serde(default, deserialize_with = "lenient::optional_integer")]
            count: Option<i64>,
        }
        let call = HttpCall::get(path)
            .query("page", place.page)
            .query("per_page", self.per_page);
        let Envelope { collection, meta } = self.http.json(call).await?;
        let first = collection
            .first()
            .map(|first| first.get("id").unwrap_or(first).to_string());
        if first.is_some() && first == place.first {
            let count = meta
                .and_then(|meta| meta.count)
                .and_then(|count| u64::try_from(count).ok());
            if place.page == 2 && count == Some(place.seen) {
                return Ok(Page::new(Vec::new(), None));
            }
            return Err(CoreError::new(ErrorKind::Paging).with_detail(format!(
                "{path} answers page {} like the one before",
                place.page
            )));
        }
        let mut items = crate::unreadable::elements(path, collection);
        for bad in items
            .iter_mut()
            .filter_map(|item: &mut Result<T, Unreadable>| item.as_mut().err())
        {
            bad.record += place.seen;
        }
        let next = Place {
            page: place.page + 1,
            seen: place.seen + items.len() as u64,
            first,
        };
        Ok(Page::new(items, Some(next)))
    }
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    page: u32,
    /// Elements on the pages before.
    seen: u64,
    /// First id of the page before.
    first: Option<String>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            page: 1,
            seen: 0,
            first: None,
        }
    }
}

/// A call as the GDPR history of a number shows it. Seen in third-party code.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct HistoryCall {
    /// When; the format is unverified.
    #[serde(default)]
    pub created_at: LocalTime,
    /// File name or URL of the recording.
    #[serde(default, deserialize_with = "personal")]
    pub call_recording: PersonalText,
    /// The other side's number.
    #[serde(default, deserialize_with = "personal")]
    pub phone_number: PersonalText,
    /// Name of the result.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub result: Option<String>,
    /// The agent's note.
    #[serde(default, deserialize_with = "personal")]
    pub comment: PersonalText,
    /// `in` or `out`.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub direction: Option<String>,
    /// Status, as sent.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub status: Option<String>,
    /// Duration, as sent; the unit is unverified.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub duration: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Fetches a token when there is none, and another one when it was refused.
///
/// Seen in third-party code: `POST /oauth/access-token` with the account id and the client's credentials. How long a
/// token lives is unverified, hence the renewal on refusal.
struct Token {
    http: Http,
    account_id: String,
    client_id: SecretString,
    client_secret: SecretString,
    current: Mutex<Option<HeaderValue>>,
}

impl Token {
    async fn fetch(&self) -> Result<HeaderValue, CoreError> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: SecretString,
        }
        let body = serde_json::json!({
            "grant_type": "leaddesk_client_id",
            "leaddesk_client_id": self.account_id,
            "client_id": self.client_id.expose_secret(),
            "client_secret": self.client_secret.expose_secret(),
        });
        // A second token harms nobody, so a lost reply is simply asked for again.
        let call = HttpCall::post(TOKEN_PATH).json(&body).repeat(Repeat::Safe);
        let reply = self.http.send(call).await?;
        // The body of this reply is a secret and stays out of the error.
        let granted: Granted = serde_json::from_slice(reply.body()).map_err(|_| {
            CoreError::decode("the reply holds no `access_token`").with_status(reply.status())
        })?;
        bearer(&granted.access_token)
    }
}

#[async_trait]
impl Authorize for Token {
    async fn authorize(&self, request: &mut http::Request<Bytes>) -> Result<(), CoreError> {
        // Held while fetching, so that calls which start together share one token.
        let mut current = self.current.lock().await;
        let token = match &*current {
            Some(token) => token.clone(),
            None => current.insert(self.fetch().await?).clone(),
        };
        request.headers_mut().insert(AUTHORIZATION, token);
        Ok(())
    }

    async fn renew(&self, refused: &HeaderMap) -> Result<bool, CoreError> {
        let mut current = self.current.lock().await;
        if current.as_ref() == refused.get(AUTHORIZATION) {
            *current = None;
        }
        Ok(true)
    }
}
