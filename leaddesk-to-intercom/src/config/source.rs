//! `[source]`: where the data comes from.

use std::path::PathBuf;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::value::{Country, Email, Zone};

/// `[source]`: the LeadDesk account, or a folder of its exports.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Source {
    /// `kind`, required: the API, or exported files.
    pub kind: SourceKind,
    /// `time_zone`, required: the account's zone, since LeadDesk's Original API sends times without one.
    pub time_zone: Zone,
    /// `default_country`: for phone numbers without a prefix. Default `FI`.
    #[serde(default = "default_country")]
    pub default_country: Country,
    /// `key_prefix`: external ids become `<key_prefix>:contact:42`. Default `leaddesk`.
    #[serde(default = "key_prefix")]
    pub key_prefix: String,
    /// `allow_http`: also takes plain `http` base URLs that do not lead to this machine, for source and destination.
    /// Default false; `http` to loopback is always allowed.
    #[serde(default)]
    pub allow_http: bool,
    /// `requests_per_second` at the start; raised and lowered by LeadDesk's answers. Default 5.
    /// LeadDesk publishes no limit.
    #[serde(default = "requests_per_second")]
    pub requests_per_second: f64,
    /// `concurrency`: requests to LeadDesk in flight at once. Default 8.
    #[serde(default = "concurrency")]
    pub concurrency: usize,
    /// `[source.original]`: the Original API.
    #[serde(default)]
    pub original: Original,
    /// `[source.rest]`: the REST API. Without it, users and campaigns come from the records that name them.
    pub rest: Option<Rest>,
    /// `[source.calls]`: the routes to call history.
    #[serde(default)]
    pub calls: CallRoutes,
    /// `[source.export]`: the folder of exported files, needed where `kind = "export"`.
    pub export: Option<Export>,
    /// `[source.chatbot]`: the export of the chatbot.
    pub chatbot: Option<Chatbot>,
}

impl Source {
    /// Is the history of each number read? It takes the API, a `[source.rest]`, and nobody who says otherwise.
    #[must_use]
    pub fn reads_history(&self) -> bool {
        let api = self.kind == SourceKind::Api && self.rest.is_some();
        api && self.calls.gdpr_history != Some(false)
    }
}

/// Where the data comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SourceKind {
    /// LeadDesk's API, which needs its Advanced tier.
    Api,
    /// A folder of exported files.
    Export,
}

/// `[source.original]`: the Original API, where contacts and calls come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Original {
    /// `base_url`. Default `https://api.leaddesk.com`, the same host for every customer.
    pub base_url: Url,
    /// `key_env`: the environment variable that holds the API key. Default `LEADDESK_API_KEY`.
    pub key_env: String,
}

/// `[source.rest]`: the REST API, where users and campaigns come from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rest {
    /// `base_url`, required here: LeadDesk's hosts differ by environment, so there is no default.
    pub base_url: Url,
    /// `account_id`, required here.
    pub account_id: String,
    /// `client_id_env`: the environment variable that holds the client id. Default `LEADDESK_CLIENT_ID`.
    #[serde(default = "client_id_env")]
    pub client_id_env: String,
    /// `client_secret_env`: the one that holds the client secret. Default `LEADDESK_CLIENT_SECRET`.
    #[serde(default = "client_secret_env")]
    pub client_secret_env: String,
}

/// `[source.calls]`: routes to call history, any mix; calls found by several are one call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CallRoutes {
    /// `last_call`: the last call of each contact, by the API. Default true.
    pub last_call: bool,
    /// `gdpr_history`: the history of each number, by the REST API. Left out, it is true where `[source.rest]` is set.
    /// Each number of the contacts costs a request. It holds agents' calls without ids: one that another route knows by
    /// its id is taken for the same where number and `created_at` are equal, to the second.
    pub gdpr_history: Option<bool>,
    /// `gdpr_duration`: what the history's `duration` is. Default `seconds`, which is unverified.
    pub gdpr_duration: GdprDuration,
    /// `csv`: a call log export. It also says which campaigns have called a contact.
    pub csv: Option<PathBuf>,
    /// `encoding` of `csv`. Default: that of `[source.export]` where there is one, else `utf-8`.
    pub encoding: Option<Encoding>,
    /// `separator` between its columns. Default: that of `[source.export]` where there is one, else `auto`.
    pub separator: Option<Separator>,
    /// `columns`: a file with further aliases of its headers. Default: that of `[source.export]`, if any.
    pub columns: Option<PathBuf>,
    /// `ids_file`: a file with one call id a line, for the API.
    pub ids_file: Option<PathBuf>,
    /// `id_range`: first and last call id to ask the API for. Ids that are not found are holes, and counted.
    pub id_range: Option<IdRange>,
}

/// What the `duration` of a call is in the history by number. LeadDesk documents no unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GdprDuration {
    /// Seconds of talk, where it is a whole number; any other text stands in the opening as it was sent. Unverified.
    #[default]
    Seconds,
    /// Nobody knows: it stands in the opening as it was sent, and is no talk time.
    Unknown,
}

/// A range of call ids, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 2]", into = "[u64; 2]")]
#[non_exhaustive]
pub struct IdRange {
    /// The first id.
    pub first: u64,
    /// The last id.
    pub last: u64,
}

impl IdRange {
    /// The most ids a range may hold: each costs a request, and more than this is a slip of the pen.
    pub const MAX_IDS: u64 = 10_000_000;

    /// From `first` to `last`, both included.
    #[must_use]
    pub const fn new(first: u64, last: u64) -> Self {
        Self { first, last }
    }

    /// How many ids the range holds; none where it is upside down.
    #[must_use]
    pub const fn count(self) -> u64 {
        if self.first > self.last { 0 } else { (self.last - self.first).saturating_add(1) }
    }
}

impl From<[u64; 2]> for IdRange {
    fn from([first, last]: [u64; 2]) -> Self {
        Self::new(first, last)
    }
}

impl From<IdRange> for [u64; 2] {
    fn from(range: IdRange) -> Self {
        [range.first, range.last]
    }
}

/// `[source.export]`: a folder of exported files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Export {
    /// `dir`, required here: the folder. Whether it exists is seen when it is read.
    pub dir: PathBuf,
    /// `encoding` of the files. Default `utf-8`.
    #[serde(default)]
    pub encoding: Encoding,
    /// `separator` between the columns. Default `auto`.
    #[serde(default)]
    pub separator: Separator,
    /// `columns`: a file with further aliases of headers.
    pub columns: Option<PathBuf>,
}

/// How exported files write their characters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// Windows-1252, as older spreadsheets write it. Never guessed.
    #[serde(rename = "windows-1252")]
    Windows1252,
}

/// What separates the columns of exported files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Separator {
    /// Recognised from the header.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// `;`
    #[serde(rename = ";")]
    Semicolon,
    /// `,`
    #[serde(rename = ",")]
    Comma,
    /// The tab, also written `tab`.
    #[serde(rename = "\t", alias = "tab")]
    Tab,
}

/// `[source.chatbot]`: the export of the chatbot.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Chatbot {
    /// `zip`, required here: the exported file.
    pub zip: PathBuf,
    /// `from`: the first day asked for.
    pub from: Option<NaiveDate>,
    /// `to`: the last day asked for, included.
    pub to: Option<NaiveDate>,
    /// `time_zone` of the export. Default: that of the source.
    pub time_zone: Option<Zone>,
    /// `aliases`: a file with further aliases of headers.
    pub aliases: Option<PathBuf>,
    /// `bot_admin`: the teammate who stands for the bot. Default: the fallback admin.
    pub bot_admin: Option<Email>,
    /// `messages`: how messages are written. Default `replies`.
    #[serde(default)]
    pub messages: ChatMessages,
    /// `anonymous`: what becomes of visitors without a name. Default `lead`.
    #[serde(default)]
    pub anonymous: Anonymous,
}

/// How messages of a chat are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ChatMessages {
    /// As replies of those who wrote them.
    #[default]
    Replies,
    /// Those of visitors as notes, which cannot wake Fin or workflows.
    Notes,
}

/// What becomes of anonymous visitors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Anonymous {
    /// A lead per session.
    #[default]
    Lead,
    /// They wait in a queue.
    Queue,
}

impl Default for Original {
    fn default() -> Self {
        Self { base_url: original_base_url(), key_env: "LEADDESK_API_KEY".to_owned() }
    }
}

impl Default for CallRoutes {
    fn default() -> Self {
        Self {
            last_call: true,
            gdpr_history: None,
            gdpr_duration: GdprDuration::default(),
            csv: None,
            encoding: None,
            separator: None,
            columns: None,
            ids_file: None,
            id_range: None,
        }
    }
}

#[allow(clippy::expect_used, reason = "a constant, parsed in every test")]
fn original_base_url() -> Url {
    Url::parse("https://api.leaddesk.com").expect("a constant URL")
}

fn default_country() -> Country {
    Country::FINLAND
}

fn key_prefix() -> String {
    "leaddesk".to_owned()
}

fn requests_per_second() -> f64 {
    5.0
}

fn concurrency() -> usize {
    8
}

fn client_id_env() -> String {
    "LEADDESK_CLIENT_ID".to_owned()
}

fn client_secret_env() -> String {
    "LEADDESK_CLIENT_SECRET".to_owned()
}
