//! What is refused, and how that reads.

use super::*;

/// The problems of the smallest configuration with `more` behind it, as `line key kind`.
fn problems(more: &str) -> Vec<(Option<usize>, String, ConfigErrorKind)> {
    let error = Config::parse(&format!("{MINIMAL}{more}"), "test.toml").unwrap_err();
    assert_eq!(error.to_string().lines().count(), error.problems().len());
    error.problems().iter().map(|it| (it.line, it.key.clone(), it.kind)).collect()
}

/// The only problem of `more`, which stands in its last line: its key, and the message without the place.
fn problem(more: &str) -> (String, ConfigErrorKind, String) {
    let error = Config::parse(&format!("{MINIMAL}{more}"), "test.toml").unwrap_err();
    assert_eq!(error.problems().len(), 1, "{more:?}: {error}");
    let line = MINIMAL.lines().count() + more.trim_end().lines().count();
    let text = error.to_string();
    let message = text
        .strip_prefix(&format!("test.toml:{line}: "))
        .unwrap_or_else(|| panic!("{more:?}: {text}"));
    (error.key().to_owned(), error.kind(), message.to_owned())
}

#[test]
fn missing_time_zone_reads_as_promised() {
    let error =
        Config::parse("[source]\nkind = \"api\"\n[destination]\nregion = \"eu\"", "migration.toml")
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "migration.toml: source.time_zone is missing: LeadDesk's Original API sends times without a zone. \
         Set it to the account's zone, e.g. time_zone = \"Europe/Helsinki\"."
    );
    assert_eq!(
        (error.kind(), error.key(), error.file()),
        (ConfigErrorKind::MissingKey, "source.time_zone", "migration.toml")
    );
}

#[test]
fn all_that_is_missing_is_named() {
    let keys = |text: &str| {
        let error = Config::parse(text, "test.toml").unwrap_err();
        assert!(
            error.problems().iter().all(|it| it.kind == ConfigErrorKind::MissingKey),
            "{error}"
        );
        error.problems().iter().map(|it| it.key.clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(""), ["source.kind", "source.time_zone", "destination.region"]);
    let text = "[source]\nkind = \"export\"\ntime_zone = \"UTC\"\n[source.rest]\n";
    assert_eq!(
        keys(text),
        [
            "source.rest.base_url",
            "source.rest.account_id",
            "source.export.dir",
            "destination.region"
        ]
    );
    let text = "[source]\nkind = \"export\"\ntime_zone = \"UTC\"\n[source.export]\nencoding = \"utf-8\"\n[destination]\nregion = \"us\"";
    assert_eq!(keys(text), ["source.export.dir"]);
}

#[test]
fn unknown_keys_get_the_nearest_name() {
    for (more, key, remedy) in [
        ("reigon = \"eu\"", "destination.reigon", "Did you mean destination.region?"),
        ("[contact]\nx = 1", "contact", "Did you mean contacts?"),
        ("[names]\nld_outcome__c = \"x\"", "names.ld_outcome__c", "Did you mean names.outcome?"),
        ("[calls]\ncomments = \"note\"", "calls.comments", "Did you mean calls.comment?"),
        ("[verify]\nkey_prefix = \"x\"", "verify.key_prefix", "Did you mean source.key_prefix?"),
        ("[map.agent]\n", "map.agent", "Did you mean map.agents?"),
        ("[source.orginal]\nkey_env = \"X\"", "source.orginal", "Did you mean source.original?"),
    ] {
        let error = Config::parse(&format!("{MINIMAL}{more}"), "test.toml").unwrap_err();
        assert_eq!((error.kind(), error.key()), (ConfigErrorKind::UnknownKey, key), "{error}");
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(error.to_string().contains(&format!(": unknown key {key}. {remedy}")), "{error}");
        let line =
            more.lines().position(|line| line.contains(key.rsplit('.').next().unwrap())).unwrap();
        assert_eq!(error.problems()[0].line, Some(6 + line), "{error}");
    }
}

#[test]
fn a_misspelt_required_key_is_one_problem() {
    let text = "[source]\nkind = \"api\"\ntiem_zone = \"UTC\"\n[destination]\nregion = \"eu\"";
    let error = Config::parse(text, "m.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "m.toml:3: unknown key source.tiem_zone. Did you mean source.time_zone?"
    );
}

#[test]
fn everything_wrong_is_shown_at_once() {
    let text = "[source]\nkind = \"apii\"\ntime_zone = \"Helsinki\"\nconcurrency = \"8\"\nfoo = 1\n\
                [contacts]\noverwrite = 1\n[calls]\nvehicle = \"ticket\"\n[destination]\nreserve = 2.0\nsettle_after = \"5\"\n";
    let error = Config::parse(text, "m.toml").unwrap_err();
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            "m.toml:5: unknown key source.foo. Known here: kind, time_zone, default_country, key_prefix, allow_http, \
             requests_per_second, concurrency, original, rest, calls, export, chatbot.",
            "m.toml: destination.region is missing: a workspace lives in one region, and its data must not go to another. \
             Set it to \"us\", \"eu\" or \"au\", as Intercom's settings show, or set destination.base_url.",
            "m.toml:2: source.kind: unknown variant `apii`, expected `api` or `export`. Set it to \"api\" or \"export\".",
            "m.toml:3: source.time_zone: \"Helsinki\" is no time zone of the tz database. \
             Set it to the account's zone, e.g. time_zone = \"Europe/Helsinki\".",
            "m.toml:4: source.concurrency: invalid type: string \"8\", expected a whole number, 0 or more. \
             Change it, or leave it out for the default.",
            "m.toml:7: contacts.overwrite: invalid type: integer `1`, expected true or false. \
             Change it, or leave it out for the default.",
            "m.toml:11: destination.reserve must lie between 0 and 0.9. The default is 0.2.",
            "m.toml:12: destination.settle_after: not a duration such as \"5m\", \"60s\", \"500ms\" or \"1h30m\". \
             Change it, or leave it out for the default.",
            "m.toml:9: calls.vehicle: what this asks for is not available yet. Leave it out.",
        ]
    );
}

#[test]
fn values_of_a_wrong_kind() {
    for (more, key, message) in [
        (
            "[contacts]\ndedupe = \"phone\"",
            "contacts.dedupe",
            "expected one of `email`, `email+name`, `email_or_phone`, `none`",
        ),
        (
            "[contacts]\nlead_rule = \"some\"",
            "contacts.lead_rule",
            "expected one of `listed`, `unfinalised`, `all`",
        ),
        ("[calls]\ncomment = \"mail\"", "calls.comment", "expected `note` or `reply`"),
        (
            "[calls]\ntags = [\"campaign\", \"agent\"]",
            "calls.tags",
            "expected one of `campaign`, `disposition`, `outcome`",
        ),
        ("[calls]\ntags = \"campaign\"", "calls.tags", "expected a sequence"),
        (
            "[source.calls]\nid_range = [1]",
            "source.calls.id_range",
            "expected two numbers: [first, last]",
        ),
        (
            "[source.calls]\nid_range = [-1, 5]",
            "source.calls.id_range",
            "expected a whole number, 0 or more",
        ),
        ("[source.calls]\nlast_call = \"yes\"", "source.calls.last_call", "expected true or false"),
        (
            "[source.original]\nbase_url = \"api.leaddesk.com\"",
            "source.original.base_url",
            "relative URL without a base",
        ),
        ("[source.export]\ndir = 5", "source.export.dir", "expected a text in quotes"),
        ("fallback_admin = \"ops\"", "destination.fallback_admin", "not an e-mail address"),
        (
            "[map.agents]\n\"anna.agent\" = \"anna\"",
            "map.agents.anna.agent",
            "not an e-mail address",
        ),
        ("[map]\nagents = 5", "map.agents", "expected a map"),
        (
            "workspace_limit = 1e9",
            "destination.workspace_limit",
            "expected a whole number, 0 or more",
        ),
    ] {
        let (found, kind, text) = problem(more);
        assert_eq!((&*found, kind), (key, ConfigErrorKind::InvalidValue), "{text}");
        assert!(text.contains(message), "{text}");
    }
    let error = Config::parse("[source]\nkind = \"api\"\ntime_zone = \"UTC\"\ndefault_country = \"Finland\"\n[destination]\nregion = \"fi\"", "m").unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("source.default_country: \"Finland\" is no two-letter country code"),
        "{text}"
    );
    assert!(
        text.contains("destination.region: unknown variant `fi`, expected one of `us`, `eu`, `au`"),
        "{text}"
    );
    assert_eq!(error.problems().len(), 2, "{text}");
}

#[test]
fn values_out_of_range() {
    for (more, key) in [
        ("base_url = \"https://example.com\"", "destination.base_url"),
        ("reserve = -0.1", "destination.reserve"),
        ("reserve = 0.91", "destination.reserve"),
        ("reserve = nan", "destination.reserve"),
        ("workspace_limit = 0", "destination.workspace_limit"),
        ("search_lag_horizon = \"2d\"", "destination.search_lag_horizon"),
        ("token_env = \"dG9: rZW4=\"", "destination.token_env"),
        ("token_env = \"\"", "destination.token_env"),
        ("[source.original]\nkey_env = \"1KEY\"", "source.original.key_env"),
        ("[source.original]\nbase_url = \"http://api.leaddesk.com\"", "source.original.base_url"),
        ("[source.original]\nbase_url = \"ftp://api.leaddesk.com\"", "source.original.base_url"),
        (
            "[source.original]\nbase_url = \"https://u:p@api.leaddesk.com\"",
            "source.original.base_url",
        ),
        (
            "[source.original]\nbase_url = \"https://api.leaddesk.com?auth=x\"",
            "source.original.base_url",
        ),
        (
            "[source.original]\nbase_url = \"http://localhost.example.com\"",
            "source.original.base_url",
        ),
        (
            "[source.rest]\naccount_id = \"1\"\nbase_url = \"http://10.0.0.1\"",
            "source.rest.base_url",
        ),
        (
            "[source.rest]\nbase_url = \"https://rest.example.com\"\naccount_id = \" \"",
            "source.rest.account_id",
        ),
        ("[source.calls]\nid_range = [5, 4]", "source.calls.id_range"),
        ("[source.calls]\nid_range = [1, 10_000_001]", "source.calls.id_range"),
        ("[names]\noutcome = \"\"", "names.outcome"),
        ("[names]\noutcome = \"a\\nb\"", "names.outcome"),
        ("[names]\ncity = \"LD_COUNTRY\"", "names.country"),
        ("[preflight.waive]\nclock_skwe = \"x\"", "preflight.waive.clock_skwe"),
        ("[preflight.waive]\nclock_skew = \" \"", "preflight.waive.clock_skew"),
        ("[verify]\nsample = 0", "verify.sample"),
    ] {
        let error = Config::parse(&format!("{MINIMAL}{more}"), "test.toml").unwrap_err();
        assert_eq!((error.kind(), error.key()), (ConfigErrorKind::InvalidValue, key), "{error}");
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(!error.to_string().contains("dG9"), "what may be a secret is not shown");
    }
    for (line, key) in [
        ("requests_per_second = 0", "source.requests_per_second"),
        ("requests_per_second = inf", "source.requests_per_second"),
        ("concurrency = 0", "source.concurrency"),
        ("key_prefix = \"\"", "source.key_prefix"),
        ("key_prefix = \"a:b\"", "source.key_prefix"),
        ("key_prefix = \"Lead\"", "source.key_prefix"),
    ] {
        let text = MINIMAL.replace("[destination]", &format!("{line}\n[destination]"));
        let error = Config::parse(&text, "test.toml").unwrap_err();
        assert_eq!(
            (error.kind(), error.key(), error.problems().len()),
            (ConfigErrorKind::InvalidValue, key, 1),
            "{error}"
        );
    }
}

#[test]
fn the_largest_range_is_allowed() {
    let config = config("[source.calls]\nid_range = [1, 10_000_000]");
    assert_eq!(config.source.calls.id_range.unwrap().count(), IdRange::MAX_IDS);
    assert_eq!(IdRange::new(0, u64::MAX).count(), u64::MAX);
    assert_eq!(IdRange::new(2, 1).count(), 0);
}

#[test]
fn an_export_has_no_api_to_ask_for_calls() {
    let text = MINIMAL.replace("\"api\"", "\"export\"")
        + "[source.export]\ndir = \"e\"\n[source.calls]\nids_file = \"i\"\nid_range = [1, 2]\n\
           gdpr_history = true";
    let error = Config::parse(&text, "m").unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|it| &*it.key).collect();
    let wanted = ["source.calls.ids_file", "source.calls.id_range", "source.calls.gdpr_history"];
    assert_eq!(keys, wanted);
}

#[test]
fn the_history_by_number_needs_the_rest_api() {
    let text = format!("{MINIMAL}[source.calls]\ngdpr_history = true\n");
    let error = Config::parse(&text, "m.toml").unwrap_err();
    assert_eq!((error.kind(), error.key()), (ConfigErrorKind::MissingKey, "source.rest.base_url"));
}

#[test]
fn what_comes_later_is_refused_not_ignored() {
    for (more, key) in [
        ("[calls]\nvehicle = \"ticket\"", "calls.vehicle"),
        ("[calls]\nticket_type = \"Call\"", "calls.vehicle"),
        ("preview = true", "destination.preview"),
    ] {
        let error = Config::parse(&format!("{MINIMAL}{more}"), "test.toml").unwrap_err();
        assert_eq!(
            (error.kind(), error.key(), error.problems().len()),
            (ConfigErrorKind::NotAvailable, key, 1),
            "{error}"
        );
        assert!(error.to_string().contains("not available yet"), "{error}");
    }
    let period =
        problems("[source.chatbot]\nzip = \"c.zip\"\nfrom = \"2024-02-01\"\nto = \"2024-01-01\"");
    assert_eq!(period[0].1, "source.chatbot.from");
    let date = problems("[source.chatbot]\nzip = \"c.zip\"\nfrom = \"1.2.2024\"");
    assert_eq!((date[0].0, &*date[0].1), (Some(8), "source.chatbot.from"));
}

#[test]
fn syntax_errors_name_the_line() {
    for (text, line) in [
        ("[source]\nkind = api\n", 2),
        ("[source]\nkind = \"api\"\nkind = \"api\"\n", 3),
        ("[source", 1),
    ] {
        let error = Config::parse(text, "m.toml").unwrap_err();
        assert_eq!(error.kind(), ConfigErrorKind::Syntax);
        assert!(
            error.to_string().starts_with(&format!("m.toml:{line}: this is not TOML: ")),
            "{error}"
        );
    }
}

#[test]
fn a_section_that_is_none() {
    for (text, key) in
        [("source = 5", "source"), ("[[source]]", "source"), ("calls = \"all\"", "calls")]
    {
        let error = Config::parse(text, "m.toml").unwrap_err();
        let problem = error.problems().iter().find(|it| it.key == key).unwrap();
        assert_eq!(problem.kind, ConfigErrorKind::InvalidValue);
        assert_eq!(problem.what, format!("{key} is not a section."));
        assert_eq!(problem.remedy, format!("Write [{key}]."));
        assert_eq!(problem.line, Some(1));
        assert!(!error.to_string().contains("missing field"), "{error}");
    }
}
