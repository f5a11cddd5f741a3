//! What must hold between and inside the values, beyond their types.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::near::nearest;
use super::{Config, ConfigErrorKind as Kind, IdRange, Preflight, Problem, SourceKind, Vehicle};

/// A setting, and whether its value needs a feature that comes later.
type Later = (&'static str, fn(&Config) -> bool);

/// Settings whose feature comes later. When a feature arrives, its row goes.
const LATER: [Later; 2] = [
    ("calls.vehicle", |config| {
        config.calls.vehicle != Vehicle::Conversation || config.calls.ticket_type.is_some()
    }),
    ("destination.preview", |config| config.destination.preview),
];

/// Longer waits than this are slips of the pen.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Attribute names longer than this are refused here; Intercom documents no limit.
const LONGEST_NAME: usize = 190;

pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    source(config, &mut found);
    routes(config, &mut found);
    names(config, &mut found);
    destination(config, &mut found);
    environment(config, &mut found);
    urls(config, &mut found);
    preflight(config, &mut found);
    found.unless(
        config.verify.sample >= 1,
        "verify.sample",
        "must be at least 1.",
        "The default is 50.",
    );
    for (key, is_needed) in LATER {
        if is_needed(config) {
            let what = format!("{key}: what this asks for is not available yet.");
            found.0.push(Problem::new(Kind::NotAvailable, key, what, "Leave it out."));
        }
    }
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    fn invalid(&mut self, key: &str, what: &str, remedy: &str) {
        self.0.push(Problem::new(Kind::InvalidValue, key, format!("{key} {what}"), remedy));
    }

    fn missing(&mut self, key: &str, why: &str, remedy: &str) {
        self.0.push(Problem::new(
            Kind::MissingKey,
            key,
            format!("{key} is missing: {why}"),
            remedy,
        ));
    }

    fn unless(&mut self, holds: bool, key: &str, what: &str, remedy: &str) {
        if !holds {
            self.invalid(key, what, remedy);
        }
    }
}

fn source(config: &Config, found: &mut Found) {
    let source = &config.source;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    found.unless(
        !source.key_prefix.is_empty() && source.key_prefix.chars().all(plain),
        "source.key_prefix",
        "may hold lower-case letters, digits, _ and - only, and at least one of them.",
        "External ids are built on it, e.g. key_prefix = \"leaddesk\".",
    );
    found.unless(
        source.requests_per_second.is_finite() && source.requests_per_second > 0.0,
        "source.requests_per_second",
        "must be more than 0.",
        "The default is 5.0.",
    );
    found.unless(
        source.concurrency >= 1,
        "source.concurrency",
        "must be at least 1.",
        "The default is 8.",
    );
    if let Some(rest) = &source.rest {
        let remedy = "Set it to the account's id, e.g. account_id = \"123\".";
        found.unless(
            !rest.account_id.trim().is_empty(),
            "source.rest.account_id",
            "is empty.",
            remedy,
        );
    }
    if let Some(chatbot) = &source.chatbot {
        let upside_down = matches!((chatbot.from, chatbot.to), (Some(from), Some(to)) if from > to);
        found.unless(
            !upside_down,
            "source.chatbot.from",
            "lies after source.chatbot.to.",
            "Swap the two days.",
        );
    }
}

fn routes(config: &Config, found: &mut Found) {
    let source = &config.source;
    if let Some(range) = source.calls.id_range {
        let key = "source.calls.id_range";
        if range.first > range.last {
            found.invalid(key, "ends before it begins.", "Write [first, last].");
        } else if range.count() > IdRange::MAX_IDS {
            let what = format!(
                "holds {} ids, and each costs a request; {} is the most.",
                range.count(),
                IdRange::MAX_IDS
            );
            found.invalid(key, &what, "Narrow it to the ids that exist.");
        }
    }
    if source.kind != SourceKind::Export {
        if source.calls.gdpr_history == Some(true) && source.rest.is_none() {
            let remedy = "Add the section [source.rest], or leave gdpr_history out.";
            let why = "the history by number is read by the REST API.";
            found.missing("source.rest.base_url", why, remedy);
        }
        return;
    }
    if source.export.is_none() {
        let remedy = "Add the section [source.export], e.g. with dir = \"export/\".";
        found.missing(
            "source.export.dir",
            "source.kind = \"export\" reads a folder of files.",
            remedy,
        );
    }
    let calls = &source.calls;
    for (is_set, key) in [
        (calls.ids_file.is_some(), "source.calls.ids_file"),
        (calls.id_range.is_some(), "source.calls.id_range"),
        (calls.gdpr_history == Some(true), "source.calls.gdpr_history"),
    ] {
        let remedy = "Remove it, or set source.kind = \"api\".";
        found.unless(
            !is_set,
            key,
            "asks LeadDesk's API for calls, but source.kind = \"export\" reads files only.",
            remedy,
        );
    }
}

/// What keeps a name from being that of an attribute, if anything does. Intercom's documentation
/// takes letters, digits, currency symbols and hyphens; its examples have underscores and spaces.
pub(crate) fn unfit_for_attribute(name: &str) -> Option<String> {
    let taken =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '$' | '€' | '£' | '¥');
    if !is_line(name) || name.is_empty() || name.trim() != name {
        return Some(format!(
            "must be one line of 1 to {LONGEST_NAME} characters without spaces around it"
        ));
    }
    (!name.chars().all(taken)).then(|| {
        "may hold letters, digits, spaces, hyphens, underscores and currency symbols only: \
         Intercom takes no others"
            .to_owned()
    })
}

fn is_line(name: &str) -> bool {
    !name.chars().any(char::is_control) && name.chars().count() <= LONGEST_NAME
}

fn names(config: &Config, found: &mut Found) {
    let names = &config.names;
    let contact = names.contact_attributes();
    let conversation = names.conversation_attributes();
    for attributes in [&contact, &conversation] {
        let mut first_key = BTreeMap::new();
        for &(key, name) in attributes {
            if let Some(first) = first_key.insert(name.to_lowercase(), key) {
                let what = format!("is the same name as names.{first}.");
                found.invalid(
                    &format!("names.{key}"),
                    &what,
                    "Each attribute needs a name of its own.",
                );
            }
        }
    }
    // Names that contacts and conversations share are in both lists.
    let attributes: BTreeMap<_, _> = contact.into_iter().chain(conversation).collect();
    for (key, name) in attributes {
        let unfit = unfit_for_attribute(name);
        let what = format!("{}.", unfit.as_deref().unwrap_or_default());
        found.unless(
            unfit.is_none(),
            &format!("names.{key}"),
            &what,
            "Leave it out for the default.",
        );
    }
    for (key, prefix) in names.tag_prefixes() {
        let fits = is_line(prefix) && prefix.chars().count() <= 100;
        found.unless(
            fits,
            &format!("names.{key}"),
            "must be one line of at most 100 characters.",
            "Leave it out for the default.",
        );
    }
}

fn destination(config: &Config, found: &mut Found) {
    let destination = &config.destination;
    match (&destination.region, &destination.base_url) {
        (None, None) => found.missing(
            "destination.region",
            "a workspace lives in one region, and its data must not go to another.",
            "Set it to \"us\", \"eu\" or \"au\", as Intercom's settings show, or set destination.base_url.",
        ),
        (Some(_), Some(_)) => {
            found.invalid("destination.base_url", "is set beside destination.region.", "Remove one of the two.");
        }
        _ => {}
    }
    found.unless(
        (0.0..=0.9).contains(&destination.reserve),
        "destination.reserve",
        "must lie between 0 and 0.9.",
        "The default is 0.2.",
    );
    found.unless(
        destination.workspace_limit >= 1,
        "destination.workspace_limit",
        "must be at least 1.",
        "The default is 25000.",
    );
    for (key, wait) in [
        ("destination.search_lag_horizon", destination.search_lag_horizon),
        ("destination.settle_after", destination.settle_after),
    ] {
        found.unless(
            wait <= LONGEST_WAIT,
            key,
            "is longer than a day.",
            "Minutes are usual, e.g. \"5m\".",
        );
    }
}

fn environment(config: &Config, found: &mut Found) {
    let mut names = vec![
        ("source.original.key_env", &config.source.original.key_env),
        ("destination.token_env", &config.destination.token_env),
    ];
    if let Some(rest) = &config.source.rest {
        names.push(("source.rest.client_id_env", &rest.client_id_env));
        names.push(("source.rest.client_secret_env", &rest.client_secret_env));
    }
    for (key, name) in names {
        let body = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_name = name.chars().all(body) && name.starts_with(|c: char| !c.is_ascii_digit());
        // What stands there is not shown: it may be the secret itself.
        let remedy = "Put the secret into a variable and its name here; secrets never stand in the configuration.";
        found.unless(is_name, key, "is not the name of an environment variable.", remedy);
    }
}

fn urls(config: &Config, found: &mut Found) {
    let rest = config.source.rest.as_ref().map(|rest| &rest.base_url);
    for (key, url) in [
        ("source.original.base_url", Some(&config.source.original.base_url)),
        ("source.rest.base_url", rest),
        ("destination.base_url", config.destination.base_url.as_ref()),
    ] {
        let Some(url) = url else { continue };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            found.invalid(
                key,
                "is not an http or https address.",
                "It looks like \"https://api.example.com\".",
            );
        } else if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            let remedy = "Keep scheme, host, port and path only.";
            found.invalid(
                key,
                "holds more than an address: a user, password, query or fragment.",
                remedy,
            );
        } else if url.scheme() == "http" && !is_loopback(url) && !config.source.allow_http {
            let remedy = "Use https, or set source.allow_http = true if the way there is safe.";
            found.invalid(key, "sends secrets and people's data unencrypted.", remedy);
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

fn preflight(config: &Config, found: &mut Found) {
    for (check, reason) in &config.preflight.waive {
        let key = format!("preflight.waive.{check}");
        if !Preflight::WAIVABLE.contains(&check.as_str()) {
            let remedy = match nearest(check, Preflight::WAIVABLE) {
                Some(near) => format!("Did you mean preflight.waive.{near}?"),
                None => format!("These can be: {}.", Preflight::WAIVABLE.join(", ")),
            };
            found.invalid(&key, "is no check that can be waived.", &remedy);
        } else if reason.trim().is_empty() {
            found.invalid(
                &key,
                "needs a reason.",
                "It goes into the report, for those who ask later.",
            );
        }
    }
}
