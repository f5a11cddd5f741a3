//! The Original API: one host for all customers, commands by `mod` and `cmd`, the key in the query.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use desk_client_core::{
    Call as HttpCall, Http, Limiter, LimiterSettings, QueryKey, Reply, ReqwestTransport,
    RetryPolicy, Transport, TransportSettings, lenient,
};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::error::{Error, ErrorKind, OriginalReplies};
use crate::export::ListExport;
use crate::model::{
    AgentId, Call, CallId, CallingList, CallingListId, Contact, ContactId, ListRow, Personal,
};
use crate::read_only::{Allowed, ReadOnly};
use crate::unreadable::Unreadable;

/// Settings that both clients share. LeadDesk publishes no limits, so the defaults are careful.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Calls a second; lowered by refusals and failures, and raised again up to this.
    pub requests_per_second: f64,
    /// The most calls in flight at once.
    pub concurrency: usize,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How failed attempts are repeated.
    pub retry: RetryPolicy,
    /// Allows plain `http` to hosts other than loopback. The key travels in the clear then.
    pub allow_http: bool,
    /// Elements asked for in a page, where there are pages (REST only; the largest that is accepted is unverified).
    pub per_page: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            requests_per_second: 5.0,
            concurrency: 8,
            timeout: Duration::from_secs(60),
            retry: RetryPolicy::default(),
            allow_http: false,
            per_page: 100,
        }
    }
}

impl Settings {
    /// Refuses a pace at which nothing would ever be sent, or everything at once.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let pace = self.requests_per_second;
        if !pace.is_finite() || pace <= 0.0 || self.concurrency == 0 {
            return Err(Error::new(
                ErrorKind::Settings,
                "requests per second and concurrency must be more than 0",
            ));
        }
        Ok(())
    }

    pub(crate) fn limiter(&self) -> Limiter {
        let mut limits = LimiterSettings::default();
        limits.requests_per_second = Some(self.requests_per_second);
        limits.max_concurrency = self.concurrency;
        Limiter::new(limits)
    }

    pub(crate) fn transport(&self, base_url: &Url) -> Result<ReqwestTransport, Error> {
        let mut settings = TransportSettings::default();
        settings.allow_http = self.allow_http;
        settings.user_agent = concat!("leaddesk-client/", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(ReqwestTransport::new(base_url, &settings)?)
    }
}

/// Where the Original API lives unless told otherwise. The vendor's samples name this host with `http`; the key travels
/// in the query, so it is `https` here.
pub const DEFAULT_BASE_URL: &str = "https://api.leaddesk.com";

/// Builds an [`OriginalClient`].
#[derive(Debug)]
pub struct OriginalClientBuilder {
    key: SecretString,
    base_url: String,
    settings: Settings,
}

impl OriginalClientBuilder {
    /// Sets the base URL (default [`DEFAULT_BASE_URL`]).
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets pace, time-outs and retries.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// `Settings` if the pace is 0, or if the URL is unusable or plain `http` to another machine.
    pub fn build(self) -> Result<OriginalClient, Error> {
        self.settings.check()?;
        let base = parse_url(&self.base_url)?;
        let transport = self.settings.transport(&base)?;
        Ok(self.build_on(base, transport))
    }

    /// The client on another transport, for tests. It is read-only all the same.
    ///
    /// # Errors
    /// `Settings` if the URL is unusable.
    pub fn build_with(self, transport: impl Transport + 'static) -> Result<OriginalClient, Error> {
        self.settings.check()?;
        let base = parse_url(&self.base_url)?;
        Ok(self.build_on(base, transport))
    }

    fn build_on(self, base: Url, transport: impl Transport + 'static) -> OriginalClient {
        let http = Http::builder(ReadOnly::new(transport, Allowed::OriginalReads), base)
            .authorize(QueryKey::new("auth", self.key))
            .classify(OriginalReplies)
            .limiter(self.settings.limiter())
            .retry(self.settings.retry)
            .attempt_timeout(self.settings.timeout)
            .build();
        OriginalClient { http }
    }
}

pub(crate) fn parse_url(text: &str) -> Result<Url, Error> {
    Url::parse(text.trim())
        .map_err(|_| Error::new(ErrorKind::Settings, "the base URL is not a URL"))
}

/// Whom to look for. At least one field must be set.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ContactFilter {
    /// Contacts of one calling list.
    pub calling_list_id: Option<CallingListId>,
    /// Contacts with this number.
    pub phone: Option<Personal<String>>,
    /// Contacts with this first name.
    pub fname: Option<Personal<String>>,
    /// Contacts with this last name.
    pub lname: Option<Personal<String>>,
}

impl ContactFilter {
    /// All contacts of a calling list.
    #[must_use]
    pub fn in_list(id: CallingListId) -> Self {
        Self { calling_list_id: Some(id), ..Self::default() }
    }

    /// All contacts with a number.
    #[must_use]
    pub fn with_phone(phone: &str) -> Self {
        Self { phone: Some(phone.into()), ..Self::default() }
    }
}

/// An agent as `agent find` gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct FoundAgent {
    /// Id of the agent.
    pub id: AgentId,
    /// Name of the agent.
    #[serde(default)]
    pub name: Option<Personal<String>>,
}

/// A read-only client of the Original API. Cheap to clone; clones share their pace.
#[derive(Clone)]
pub struct OriginalClient {
    http: Http,
}

impl fmt::Debug for OriginalClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OriginalClient")
    }
}

impl OriginalClient {
    /// Begins a client with the account's key.
    pub fn builder(key: SecretString) -> OriginalClientBuilder {
        OriginalClientBuilder {
            key,
            base_url: DEFAULT_BASE_URL.to_owned(),
            settings: Settings::default(),
        }
    }

    /// All calling lists (`calling_list list`). Seen in third-party code.
    ///
    /// # Errors
    /// As [`raw`](Self::raw), and `Decode`. An element that is not as expected is an error in its place.
    pub async fn calling_lists(&self) -> Result<Vec<Result<CallingList, Unreadable>>, Error> {
        let reply = self.get("calling_list", "list", &[]).await?;
        let values: Vec<Value> = reply.json()?;
        Ok(crate::unreadable::elements("calling_list list", values))
    }

    /// The rows of a calling list (`calling_list export`): one for each number of each contact. Seen in third-party
    /// code: 14 columns without a header. A row of another length is an error in its place.
    ///
    /// # Errors
    /// As [`raw`](Self::raw).
    pub async fn export_calling_list(
        &self,
        id: &CallingListId,
    ) -> Result<Vec<Result<ListRow, Unreadable>>, Error> {
        Ok(self.calling_list_export(id).await?.rows().collect())
    }

    /// The same as it was sent, to be read row by row: a list may have a row for everybody in the account, and rows take
    /// several times the room of their text.
    ///
    /// # Errors
    /// As [`raw`](Self::raw).
    pub async fn calling_list_export(&self, id: &CallingListId) -> Result<ListExport, Error> {
        let reply = self.get("calling_list", "export", &[("id", id.as_str())]).await?;
        let name = desk_client_core::safe_code(id.as_str()).unwrap_or_default();
        Ok(ListExport::new(format!("calling_list {name}"), reply.body().clone()))
    }

    /// The ids of the contacts that match (`contact find`). Documented by the vendor. Whether finalised or archived
    /// contacts are among them is unverified.
    ///
    /// # Errors
    /// As [`raw`](Self::raw); `Settings` if the filter is empty; `Decode`; and `Paging` if the reply holds fewer ids
    /// than it says there are, since a list cut off in silence would lose people.
    pub async fn find_contacts(&self, filter: &ContactFilter) -> Result<Vec<ContactId>, Error> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default, deserialize_with = "lenient::optional_integer")]
            total_count: Option<i64>,
            #[serde(default)]
            contact_ids: Option<Vec<ContactId>>,
        }
        let list = filter.calling_list_id.as_ref().map(CallingListId::as_str);
        let text =
            |value: &'_ Option<Personal<String>>| value.as_ref().map(|text| text.reveal().clone());
        let (phone, fname, lname) = (text(&filter.phone), text(&filter.fname), text(&filter.lname));
        let args: Vec<(&str, &str)> = [
            ("contact_list_id", list),
            ("phone", phone.as_deref()),
            ("fname", fname.as_deref()),
            ("lname", lname.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        if args.is_empty() {
            return Err(Error::new(
                ErrorKind::Settings,
                "contact find needs at least one thing to look for",
            ));
        }
        let reply = self.get("contact", "find", &args).await?;
        let found: Found = reply.json()?;
        let Some(ids) = found.contact_ids else {
            if found.total_count == Some(0) {
                return Ok(Vec::new());
            }
            return Err(reply.unexpected("contact find gives no ids").into());
        };
        match found.total_count.map(usize::try_from) {
            Some(Ok(total)) if total > ids.len() => Err(Error::new(
                ErrorKind::Paging,
                format!(
                    "contact find says that there are {total} contacts and names {}",
                    ids.len()
                ),
            )),
            _ => Ok(ids),
        }
    }

    /// One contact (`contact get`). Seen in third-party code.
    ///
    /// # Errors
    /// As [`raw`](Self::raw), and `Decode`.
    pub async fn contact(&self, id: &ContactId) -> Result<Contact, Error> {
        let reply = self.get("contact", "get", &[("contact_id", id.as_str())]).await?;
        let mut value: Value = reply.json()?;
        let outer_id = value.get("contact_id").cloned();
        let mut data = match value.get_mut("data") {
            Some(data) => data.take(),
            None => value,
        };
        if let (Some(object), Some(outer_id)) = (data.as_object_mut(), outer_id) {
            object.entry("id").or_insert(outer_id);
        }
        let contact: Contact = typed(&reply, data)?;
        if contact.id != *id {
            return Err(reply.unexpected("the reply is about another contact").into());
        }
        Ok(contact)
    }

    /// One call (`call get` by `call_ref_id`). Seen in third-party code.
    ///
    /// # Errors
    /// As [`raw`](Self::raw), and `Decode`.
    pub async fn call(&self, id: &CallId) -> Result<Call, Error> {
        let reply = self.get("call", "get", &[("call_ref_id", id.as_str())]).await?;
        let mut calls = calls_in(&reply)?;
        match (calls.pop(), calls.is_empty()) {
            (Some(call), true) if call.id == *id => Ok(call),
            (Some(_), true) => Err(reply.unexpected("the reply is about another call").into()),
            _ => Err(reply.unexpected("the reply is not about one call").into()),
        }
    }

    /// What `call get` answers for a number. That it can be asked so is seen in third-party code; whether it answers
    /// the latest call or several is unverified, so both are read.
    ///
    /// # Errors
    /// As [`raw`](Self::raw), and `Decode`.
    pub async fn call_by_phone(&self, phone: &str) -> Result<Vec<Call>, Error> {
        let reply = self.get("call", "get", &[("phone", phone)]).await?;
        calls_in(&reply)
    }

    /// The agent with this login name (`agent find`). Documented by the vendor, as a look-up of one; there is no known
    /// way to list agents here.
    ///
    /// # Errors
    /// As [`raw`](Self::raw), and `Decode`.
    pub async fn find_agent(&self, username: &str) -> Result<FoundAgent, Error> {
        let reply = self.get("agent", "find", &[("username", username)]).await?;
        Ok(reply.json()?)
    }

    /// Any command that only reads, with its arguments; the reply's body as it came.
    ///
    /// # Errors
    /// `ReadOnly` for a command that is not known to be a reading one; `Unauthorized`, `NotFound`, `Invalid`, `Server`,
    /// `Other` by LeadDesk's code; `Connect`, `Timeout`, `Interrupted` from the network; `Decode` for an HTML page.
    pub async fn raw(
        &self,
        module: &str,
        command: &str,
        args: &[(&str, &str)],
    ) -> Result<Bytes, Error> {
        Ok(self.get(module, command, args).await?.body().clone())
    }

    /// How many calls this client and its clones have sent, each attempt counted.
    #[must_use]
    pub fn calls_sent(&self) -> u64 {
        self.http.limiter().stats().calls
    }

    async fn get(
        &self,
        module: &str,
        command: &str,
        args: &[(&str, &str)],
    ) -> Result<Reply, Error> {
        let clean = |word: &str| desk_client_core::safe_code(word).unwrap_or_default();
        let mut call = HttpCall::get("/")
            .named(format!("{} {}", clean(module), clean(command)))
            .query("mod", module)
            .query("cmd", command);
        for (name, value) in args {
            call = call.query(name, value);
        }
        Ok(self.http.send(call).await?)
    }
}

/// The call or calls of a reply: flat, in an array, or under `data`.
fn calls_in(reply: &Reply) -> Result<Vec<Call>, Error> {
    let mut value: Value = reply.json()?;
    let value = match value.get_mut("data") {
        Some(data) if data.is_object() || data.is_array() => data.take(),
        _ => value,
    };
    match value {
        Value::Array(values) => values.into_iter().map(|value| typed(reply, value)).collect(),
        one => Ok(vec![typed(reply, one)?]),
    }
}

fn typed<T: serde::de::DeserializeOwned>(reply: &Reply, value: Value) -> Result<T, Error> {
    let mut read = crate::unreadable::elements("reply", vec![value]);
    match read.pop() {
        Some(Ok(value)) => Ok(value),
        Some(Err(unreadable)) => Err(reply.unexpected(unreadable.reason).into()),
        None => Err(reply.unexpected("the reply is empty").into()),
    }
}
