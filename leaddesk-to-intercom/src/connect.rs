//! Connecting both sides: clients from the configuration, and proof that they may be used.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use intercom_client::{Admin, AdminId, IntercomClient, Me};
use leaddesk_client::{ErrorKind, OriginalClient, RestClient, Settings};
use migrate_core::Ledger;
use migrate_core::ledger::Binding;
use secrecy::SecretString;

use crate::config::{Config, ConfigError, Region, Rest, Secret, SourceKind};
use crate::sink::Workspace;
use crate::value::Email;

/// Where secrets come from: the name of a variable in, its value out.
pub type Secrets = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Secrets from the environment.
pub fn environment() -> Secrets {
    Arc::new(|name| std::env::var(name).ok())
}

/// Why a migration cannot start. Each says what is wrong and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something else is.
    #[error("{what} {remedy}")]
    Other {
        /// What is wrong: a sentence.
        what: String,
        /// What to do: a sentence.
        remedy: String,
    },
}

impl StartError {
    /// What is wrong, and what to do, each a sentence.
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Other { what: what.into(), remedy: remedy.into() }
    }
}

/// The Intercom workspace, as it was found.
#[derive(Clone)]
#[non_exhaustive]
pub struct Destination {
    /// The client.
    pub client: IntercomClient,
    /// The workspace's id, by which a state directory is bound to it.
    pub id_code: String,
    /// Where it is hosted, as it says itself.
    pub region: Option<String>,
    /// The admin who closes and tags, and speaks for agents without a teammate.
    pub admin: AdminId,
    /// The admin who stands for the chatbot: the one whom `source.chatbot.bot_admin` names, else the same.
    pub bot: AdminId,
    /// Was that admin named in the configuration? The token's own stands in otherwise.
    pub has_fallback: bool,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("id_code", &self.id_code).finish_non_exhaustive()
    }
}

/// The LeadDesk side of an account that is read by API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Account {
    /// The Original API.
    pub original: OriginalClient,
    /// The REST API, where it is configured.
    pub rest: Option<RestClient>,
}

/// The most calls to Intercom at once. The limiter paces below that; at a slow 300 ms a reply and
/// the highest documented quota, about fifty are under way.
const MAX_IN_FLIGHT: usize = 64;

impl Destination {
    /// Builds the client and asks the workspace who it is: proves token, workspace and region.
    pub async fn connect(config: &Config, secrets: &Secrets) -> Result<Self, StartError> {
        let client = client(config, secrets)?;
        let me = client.me().await.map_err(|error| unusable(config, &error))?;
        check_region(config, &me)?;
        let app = me.app.as_ref();
        let id_code = app.and_then(|app| app.id_code.clone()).unwrap_or_default();
        if id_code.trim().is_empty() {
            return Err(StartError::new(
                "Intercom does not say which workspace the token belongs to (no app.id_code in the reply of /me), so the state directory cannot be bound to it.",
                "Use an access token of an app in the workspace (destination.token_env), and check destination.base_url.",
            ));
        }
        let admins = client.admins().list().await.map_err(|error| unusable(config, &error))?;
        let fallback = fallback(config, &admins)?;
        let has_fallback = fallback.is_some();
        let admin = fallback.unwrap_or(me.admin.id);
        let bot = bot(config, &admins)?.unwrap_or_else(|| admin.clone());
        Ok(Self {
            client,
            id_code,
            region: app.and_then(|app| app.region.clone()),
            has_fallback,
            admin,
            bot,
        })
    }

    /// What the sinks share.
    pub fn workspace(&self, config: &Config, ledger: &Arc<dyn Ledger>) -> Workspace {
        let mut workspace = Workspace::new(self.client.clone(), self.admin.clone(), ledger.clone());
        workspace.bot = self.bot.clone();
        workspace.in_flight = MAX_IN_FLIGHT;
        workspace.overwrite = config.contacts.overwrite;
        workspace.unarchive = config.contacts.unarchive;
        let names = config.names.conversation_attributes().into_iter();
        workspace.conversation_attributes =
            Arc::new(names.map(|(_, name)| name.to_owned()).collect());
        workspace
    }

    /// To what a state directory is bound: see [`source_account`], the workspace and the prefix.
    pub fn binding(&self, config: &Config) -> Binding {
        Binding::new(source_account(config), &self.id_code, &config.source.key_prefix)
    }
}

/// The source account, by the steadiest name it has: a folder by its path; an API account by the
/// account id of `[source.rest]`, else by the base URL.
///
/// The Original API does not say whose account it is, and its key is rotated, so a key is no name:
/// two accounts on one base URL are told apart only where `[source.rest]` names them.
pub fn source_account(config: &Config) -> String {
    match (config.source.kind, &config.source.rest) {
        (SourceKind::Export, _) => {
            let dir = config.source.export.as_ref().map(|export| config.resolve(&export.dir));
            let dir = dir.unwrap_or_default();
            let dir = dir.canonicalize().unwrap_or(dir);
            format!("folder {}", dir.display())
        }
        (_, Some(rest)) => format!("account {}", rest.account_id.trim()),
        (_, None) => format!("account at {}", config.source.original.base_url),
    }
}

fn client(config: &Config, secrets: &Secrets) -> Result<IntercomClient, StartError> {
    let token = secret(config, secrets, Secret::IntercomToken)?;
    let destination = &config.destination;
    let mut builder = IntercomClient::builder(token)
        .allow_http(config.source.allow_http)
        .reserve(destination.reserve)
        .workspace_limit(Some(destination.workspace_limit))
        .max_concurrency(MAX_IN_FLIGHT)
        .user_agent(concat!("leaddesk-to-intercom/", env!("CARGO_PKG_VERSION")));
    builder = match (&destination.base_url, destination.region) {
        (Some(url), _) => builder.base_url(url.clone()),
        (None, Some(Region::Us)) => builder.region(intercom_client::Region::Us),
        (None, Some(Region::Au)) => builder.region(intercom_client::Region::Au),
        (None, _) => builder.region(intercom_client::Region::Eu),
    };
    builder.build().map_err(|error| {
        StartError::new(
            format!("The client for Intercom cannot be built: {}.", chain(&error)),
            "See destination.base_url and the TLS certificates of this machine.",
        )
    })
}

fn secret(config: &Config, secrets: &Secrets, which: Secret) -> Result<SecretString, ConfigError> {
    config.secret_from(which, |name| secrets(name))
}

fn unusable(config: &Config, error: &intercom_client::Error) -> StartError {
    let token = &config.destination.token_env;
    if error.is_auth() {
        return StartError::new(
            format!("Intercom does not accept the token ({error})."),
            format!(
                "Put an access token of this workspace and region into {token} (destination.token_env); a token of another region is refused just so, see destination.region."
            ),
        );
    }
    if error.is_plan() {
        return StartError::new(
            format!("The workspace's plan does not allow the API ({error})."),
            "Ask the workspace's owner for a trial or a subscription that includes it.",
        );
    }
    let server = match &config.destination.base_url {
        Some(url) => format!("destination.base_url ({url})"),
        None => "destination.region".to_owned(),
    };
    if error.is_unreachable() {
        return StartError::new(
            format!("Intercom cannot be reached: {}.", chain(error)),
            format!("Check {server} and the network, then run again."),
        );
    }
    StartError::new(
        format!("Intercom refused the first call: {}.", chain(error)),
        format!("Check {server} and {token} (destination.token_env)."),
    )
}

/// Countries whose people's data EU law protects: those of the EU and the EEA.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS",
    "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

fn check_region(config: &Config, me: &Me) -> Result<(), StartError> {
    let Some(found) = me.app.as_ref().and_then(|app| app.region.as_deref()) else { return Ok(()) };
    let wanted = match config.destination.region {
        Some(Region::Us) => Some("us"),
        Some(Region::Eu) => Some("eu"),
        Some(Region::Au) => Some("au"),
        _ => None,
    };
    if let Some(wanted) = wanted.filter(|wanted| !found.eq_ignore_ascii_case(wanted)) {
        return Err(StartError::new(
            format!("destination.region is {wanted:?}, but the workspace is hosted in {found}."),
            format!(
                "Set destination.region = {:?}, or use a token of the right workspace.",
                found.to_lowercase()
            ),
        ));
    }
    let country = config.source.default_country.to_string();
    let european = EEA.contains(&country.as_str());
    if european && !found.eq_ignore_ascii_case("eu") && !config.destination.acknowledge_region {
        return Err(StartError::new(
            format!("People of {country} would go into a workspace that is hosted in {found}."),
            "Use a workspace in the EU, or set destination.acknowledge_region = true once whoever is responsible for data protection has agreed.",
        ));
    }
    Ok(())
}

fn fallback(config: &Config, admins: &[Admin]) -> Result<Option<AdminId>, StartError> {
    named(config.destination.fallback_admin.as_ref(), "destination.fallback_admin", admins)
}

fn bot(config: &Config, admins: &[Admin]) -> Result<Option<AdminId>, StartError> {
    let chatbot = config.source.chatbot.as_ref();
    named(chatbot.and_then(|it| it.bot_admin.as_ref()), "source.chatbot.bot_admin", admins)
}

fn named(
    wanted: Option<&Email>,
    setting: &str,
    admins: &[Admin],
) -> Result<Option<AdminId>, StartError> {
    let Some(wanted) = wanted else { return Ok(None) };
    let is_it = |admin: &&Admin| {
        let email = admin.email.as_ref();
        email.is_some_and(|email| email.reveal().trim().to_lowercase() == wanted.key())
    };
    match admins.iter().find(is_it) {
        Some(admin) => Ok(Some(admin.id.clone())),
        None => Err(StartError::new(
            format!("{setting} is no teammate of the workspace."),
            "Invite that person in Intercom, or name the e-mail address of somebody who is there.",
        )),
    }
}

impl Account {
    /// Builds the clients and proves by one cheap call of each that its credentials are accepted.
    pub async fn connect(config: &Config, secrets: &Secrets) -> Result<Self, StartError> {
        let mut settings = Settings::default();
        settings.requests_per_second = config.source.requests_per_second;
        settings.concurrency = config.source.concurrency;
        settings.allow_http = config.source.allow_http;
        settings.timeout = Duration::from_secs(60);
        let key = secret(config, secrets, Secret::LeadDeskKey)?;
        let original = OriginalClient::builder(key)
            .base_url(config.source.original.base_url.as_str())
            .settings(settings.clone())
            .build()
            .map_err(|error| no_client("source.original.base_url", &error))?;
        let rest = match &config.source.rest {
            None => None,
            Some(rest) => {
                let id = secret(config, secrets, Secret::LeadDeskClientId)?;
                let secret = secret(config, secrets, Secret::LeadDeskClientSecret)?;
                let client =
                    RestClient::builder(rest.base_url.as_str(), &rest.account_id, id, secret)
                        .settings(settings)
                        .build()
                        .map_err(|error| no_client("source.rest.base_url", &error))?;
                Some(client)
            }
        };
        original.calling_lists().await.map_err(|error| refused(config, &error))?;
        if let (Some(client), Some(rest)) = (&rest, &config.source.rest) {
            let first = client.users().try_next().await;
            first.map_err(|error| refused_by_rest(rest, &error))?;
        }
        Ok(Self { original, rest })
    }

    /// How many calls were sent to both APIs so far, each attempt counted.
    pub fn calls_sent(&self) -> u64 {
        self.original.calls_sent() + self.rest.as_ref().map_or(0, RestClient::calls_sent)
    }
}

fn no_client(setting: &str, error: &leaddesk_client::Error) -> StartError {
    StartError::new(
        format!("The client for LeadDesk cannot be built: {}.", chain(error)),
        format!("See {setting} and the TLS certificates of this machine."),
    )
}

fn refused(config: &Config, error: &leaddesk_client::Error) -> StartError {
    let key = &config.source.original.key_env;
    let url = &config.source.original.base_url;
    // A bare 401 may come from another server than LeadDesk's.
    let code = error.code().unwrap_or_default();
    if code.starts_with(leaddesk_client::codes::AUTHENTICATION) {
        return StartError::new(
            format!("LeadDesk does not accept the API key ({error})."),
            format!(
                "Put the key that LeadDesk's support issued into {key} (source.original.key_env). API access needs LeadDesk's Advanced tier; without it, set source.kind = \"export\" and read exported files."
            ),
        );
    }
    if error.is_unavailable() {
        return StartError::new(
            format!("LeadDesk cannot be reached: {}.", chain(error)),
            format!("Check source.original.base_url ({url}) and the network, then run again."),
        );
    }
    if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Plan) {
        return StartError::new(
            format!("LeadDesk does not let this key read ({error})."),
            format!(
                "API access needs LeadDesk's Advanced tier: have LeadDesk's support open it for the key in {key} (source.original.key_env); without it, set source.kind = \"export\" and read exported files."
            ),
        );
    }
    StartError::new(
        format!("LeadDesk refused the first call: {}.", chain(error)),
        format!("Check source.original.base_url ({url}) and {key} (source.original.key_env)."),
    )
}

fn refused_by_rest(rest: &Rest, error: &leaddesk_client::Error) -> StartError {
    let url = &rest.base_url;
    if error.is_unavailable() {
        return StartError::new(
            format!("LeadDesk's REST API cannot be reached: {}.", chain(error)),
            format!("Check source.rest.base_url ({url}) and the network, then run again."),
        );
    }
    StartError::new(
        format!("LeadDesk's REST API refused the first call: {}.", chain(error)),
        format!(
            "Check {} (source.rest.client_id_env), {} (source.rest.client_secret_env), source.rest.account_id and source.rest.base_url ({url}), or leave [source.rest] out.",
            rest.client_id_env, rest.client_secret_env
        ),
    )
}

/// An error with its causes, in one line. The clients' errors hold neither URLs nor secrets.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(settings: &str, region: &str) -> Result<(), String> {
        let text =
            format!("[source]\nkind = \"api\"\ntime_zone = \"UTC\"\n[destination]\n{settings}\n");
        let config = Config::parse(&text, "test.toml").unwrap();
        let me = serde_json::json!({"id": "1", "app": {"id_code": "w1", "region": region}});
        let me: Me = serde_json::from_value(me).unwrap();
        check_region(&config, &me).map_err(|error| error.to_string())
    }

    #[test]
    fn a_workspace_of_another_region_is_refused() {
        assert_eq!(checked("region = \"eu\"", "EU"), Ok(()));
        assert_eq!(
            checked("region = \"eu\"", "US").unwrap_err(),
            "destination.region is \"eu\", but the workspace is hosted in US. \
             Set destination.region = \"us\", or use a token of the right workspace."
        );
    }

    #[test]
    fn people_of_the_eu_stay_there_unless_somebody_has_agreed() {
        let refused = checked("region = \"us\"", "US").unwrap_err();
        assert!(refused.contains("People of FI would go into a workspace that is hosted in US"));
        assert!(refused.contains("destination.acknowledge_region = true"));
        assert_eq!(checked("region = \"us\"\nacknowledge_region = true", "US"), Ok(()));
    }

    #[test]
    fn a_source_account_is_named_by_its_folder_its_id_or_its_address() {
        let dir = tempfile::tempdir().unwrap();
        let named = |kind: &str, lines: String| {
            let text = format!(
                "[source]\nkind = '{kind}'\ntime_zone = 'UTC'\n[destination]\nregion = 'eu'\n{lines}"
            );
            source_account(&Config::parse(&text, "test.toml").unwrap())
        };
        for name in ["a", "b"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let folder = |name: &str| {
            named("export", format!("[source.export]\ndir = '{}/{name}'", dir.path().display()))
        };
        assert_ne!(folder("a"), folder("b"));
        assert_eq!(folder("a"), folder("b/../a"), "the same folder by another path");
        let rest = |id: &str| {
            let lines = "[source.rest]\nbase_url = 'https://rest.example.com'\naccount_id =";
            named("api", format!("{lines} '{id}'\n"))
        };
        assert_ne!(rest("1"), rest("2"));
        assert_eq!(named("api", String::new()), "account at https://api.leaddesk.com/");
    }
}
