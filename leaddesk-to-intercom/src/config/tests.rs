use std::time::Duration;

use super::*;

mod refused;

const MINIMAL: &str =
    "[source]\nkind = \"api\"\ntime_zone = \"Europe/Helsinki\"\n[destination]\nregion = \"eu\"\n";

/// The smallest configuration with `more` behind it.
pub(super) fn config(more: &str) -> Config {
    Config::parse(&format!("{MINIMAL}{more}"), "test.toml").unwrap()
}

#[test]
fn defaults() {
    let config = config("");
    let source = &config.source;
    assert_eq!(source.kind, SourceKind::Api);
    assert_eq!(source.time_zone.name(), "Europe/Helsinki");
    assert_eq!(source.default_country.to_string(), "FI");
    assert_eq!(source.key_prefix, "leaddesk");
    assert!(!source.allow_http);
    assert!((source.requests_per_second - 5.0).abs() < f64::EPSILON);
    assert_eq!(source.concurrency, 8);
    assert_eq!(source.original.base_url.as_str(), "https://api.leaddesk.com/");
    assert_eq!(source.original.key_env, "LEADDESK_API_KEY");
    assert!(source.rest.is_none() && source.export.is_none() && source.chatbot.is_none());
    assert!(source.calls.last_call && source.calls.gdpr_history.is_none());
    assert!(
        source.calls.csv.is_none()
            && source.calls.ids_file.is_none()
            && source.calls.id_range.is_none()
    );
    let contacts = &config.contacts;
    assert_eq!(
        (contacts.dedupe, contacts.lead_rule, contacts.leads_as),
        (Dedupe::Email, LeadRule::Listed, LeadsAs::Lead)
    );
    assert!(!contacts.overwrite && !contacts.unarchive && !contacts.ssn);
    assert_eq!(contacts.deal_outcomes, ["Deal"]);
    let calls = &config.calls;
    assert_eq!(
        (calls.comment, calls.without_contact, calls.assign),
        (Comment::Note, WithoutContact::Queue, Assign::None)
    );
    assert_eq!((calls.vehicle, calls.ticket_type.as_deref()), (Vehicle::Conversation, None));
    assert!(calls.tags.iter().eq(&[CallTag::Campaign, CallTag::Disposition, CallTag::Outcome]));
    assert_eq!(config.names, Names::default());
    assert!(config.map.agents.is_empty() && config.map.teams.is_empty());
    let destination = &config.destination;
    assert_eq!((destination.region, &destination.base_url), (Some(Region::Eu), &None));
    assert_eq!(destination.token_env, "INTERCOM_TOKEN");
    assert!(destination.fallback_admin.is_none());
    assert!((destination.reserve - 0.2).abs() < f64::EPSILON);
    assert_eq!(destination.workspace_limit, 25_000);
    assert_eq!(destination.search_lag_horizon, Duration::from_secs(300));
    assert_eq!(destination.settle_after, Duration::from_secs(60));
    assert!(
        !destination.preview
            && !destination.acknowledge_live_automation
            && !destination.acknowledge_region
    );
    assert!(config.preflight.waive.is_empty());
    assert_eq!((config.verify.sample, config.verify.seed), (50, 1));
}

#[test]
fn the_example_is_the_defaults() {
    let example = Config::parse(Config::example(), "migration.example.toml").unwrap();
    assert_eq!(example.fingerprint(), config("").fingerprint());
    assert_eq!(serde_json::to_value(&example).unwrap(), serde_json::to_value(config("")).unwrap());
}

#[test]
fn the_example_shows_every_key() {
    let mut section = String::new();
    let mut shown = std::collections::BTreeSet::new();
    for line in Config::example().lines() {
        let line = line.trim_start_matches("# ");
        if let Some(header) = line.strip_prefix('[') {
            section = header.split(']').next().unwrap().to_owned();
            let parts: Vec<&str> = section.split('.').collect();
            shown.extend((1..=parts.len()).map(|n| parts[..n].join(".")));
        } else if let Some((key, _)) = line.split_once(" = ") {
            shown.insert(format!("{section}.{key}"));
        }
    }
    let hidden: Vec<String> =
        read::all_keys().into_iter().filter(|key| !shown.contains(key)).collect();
    assert_eq!(hidden, Vec::<String>::new());
}

#[test]
fn the_comments_of_the_example_are_settings() {
    // With every comment that is a setting switched on, only what is not available yet may be refused.
    let is_setting = |line: &str| {
        line.strip_prefix("# ").is_some_and(|it| it.starts_with('[') || it.contains(" = "))
    };
    let lines =
        Config::example().lines().map(|line| if is_setting(line) { &line[2..] } else { line });
    let all = lines
        .filter(|line| !line.starts_with("base_url = \"http://127"))
        .collect::<Vec<_>>()
        .join("\n");
    let error = Config::parse(&all, "all.toml").unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|it| &*it.key).collect();
    assert_eq!(keys, ["calls.vehicle"], "{error}");
    assert!(error.problems().iter().all(|it| it.kind == ConfigErrorKind::NotAvailable));
}

#[test]
fn all_that_is_available() {
    let config = Config::parse(
        r#"
        [source]
        kind = "export"
        time_zone = "Europe/Stockholm"
        default_country = "se"
        key_prefix = "ld-2"
        allow_http = true
        requests_per_second = 0.5
        concurrency = 1
        original = { base_url = "http://leaddesk.example.com/x", key_env = "KEY" }
        rest = { base_url = "http://[::1]:8080/stable", account_id = "7" }
        calls = { last_call = false, gdpr_history = false, csv = "calls.csv" }
        export = { dir = "out", encoding = "windows-1252", separator = "\t", columns = "c.toml" }
        [contacts]
        dedupe = "email_or_phone"
        overwrite = true
        [calls]
        comment = "reply"
        tags = ["outcome", "outcome"]
        [names]
        outcome = "Outcome"
        [map.agents]
        "anna.agent" = "Anna@example.com"
        17 = "bo@example.com"
        [destination]
        base_url = "http://127.0.0.2:9"
        token_env = "T"
        fallback_admin = "ops@example.com"
        reserve = 0
        workspace_limit = 1
        search_lag_horizon = "1h30m"
        settle_after = "500ms"
        acknowledge_live_automation = true
        acknowledge_region = true
        [verify]
        sample = 1
        seed = 0
        "#,
        "conf/migration.toml",
    )
    .unwrap();
    assert_eq!(config.source.default_country.to_string(), "SE");
    assert_eq!(config.source.export.as_ref().unwrap().separator, Separator::Tab);
    assert_eq!(config.source.export.as_ref().unwrap().encoding, Encoding::Windows1252);
    assert_eq!(config.source.calls.gdpr_history, Some(false));
    assert_eq!(config.calls.tags.len(), 1);
    assert_eq!(config.map.agents["17"].as_str(), "bo@example.com");
    assert_eq!(config.map.agents["anna.agent"].key(), "anna@example.com");
    assert_eq!(config.destination.search_lag_horizon, Duration::from_secs(5400));
    assert_eq!(config.names.outcome, "Outcome");
    assert_eq!(config.resolve(Path::new("calls.csv")), Path::new("conf/calls.csv"));
    assert_eq!(config.resolve(Path::new("/data/calls.csv")), Path::new("/data/calls.csv"));
    config.check().unwrap();
}

#[test]
fn the_history_by_number_may_be_asked_for_where_there_is_a_rest_api() {
    let rest = "[source.rest]\nbase_url = \"https://rest.example.com\"\naccount_id = \"1\"\n";
    for value in ["gdpr_history = true", "gdpr_history = false", ""] {
        config(&format!("{rest}[source.calls]\n{value}"));
    }
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("migration.toml");
    let error = Config::load(&path).unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Unreadable);
    assert!(error.to_string().contains("--config FILE"), "{error}");
    std::fs::write(&path, format!("\u{feff}{}", MINIMAL.replace('\n', "\r\n"))).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.resolve(Path::new("x")), dir.path().join("x"));
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert_eq!(Config::load(&path).unwrap_err().kind(), ConfigErrorKind::Unreadable);
}

#[test]
fn fingerprints_follow_the_meaning() {
    let plain = config("");
    let reordered = "[destination]\nregion = 'eu'\nsettle_after = \"1m\" # the default\n[source]\ntime_zone = \"Europe/Helsinki\"\nkind = \"api\"";
    assert_eq!(
        Config::parse(reordered, "elsewhere/other.toml").unwrap().fingerprint(),
        plain.fingerprint()
    );
    assert_eq!(plain.fingerprint().len(), 64);
    for more in [
        "reserve = 0.3",
        "[contacts]\noverwrite = true",
        "[map.agents]\na = \"a@example.com\"",
        "[names]\ncity = \"x\"",
    ] {
        assert_ne!(config(more).fingerprint(), plain.fingerprint(), "{more}");
    }
}

#[test]
fn debug_shows_no_address() {
    let config =
        config("fallback_admin = \"ops@example.com\"\n[map.agents]\nanna = \"anna@example.com\"");
    assert!(!format!("{config:?}").contains("example.com"));
}

#[test]
fn changed_configurations_can_be_checked() {
    let mut config = config("");
    config.verify.sample = 0;
    let error = config.check().unwrap_err();
    assert_eq!((error.key(), error.file()), ("verify.sample", "test.toml"));
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(\\[[a-z.]{0,12}\\]\n|[a-z_.]{1,12} = ([0-9.]{1,4}|\"[a-z]{0,4}\"|true|\\[\\]|\\{\\})\n|\\PC{0,8}\n){0,8}") {
        let _ = Config::parse(&text, "m.toml");
        let _ = Config::parse(&format!("{MINIMAL}{text}"), "m.toml");
    }
}
