//! What every test here needs: a sandbox, a configuration for it, a state directory, a runner.

use std::path::Path;
use std::sync::Arc;

use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::fields::{
    DefaultProposer, FieldProfile, FieldProposer, FieldRule, Place,
};
use leaddesk_to_intercom::runner::{Exit, Finished, Runner, VerifyOptions};
use leaddesk_to_intercom::state::StateDir;
use migrate_core::{RunOptions, SqliteLedger};
use migrate_sandbox::workspace::DataAttribute;
use migrate_sandbox::{Account, AccountSpec, Endpoints, Sandbox};
use tempfile::TempDir;

/// A sandbox and a state directory, with the configuration that leads from one side to the other.
pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) endpoints: Endpoints,
    pub(crate) dir: TempDir,
    pub(crate) settings: Settings,
}

/// The settings in which tests differ.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// `[source]` and its tables; by API, with all calls by their ids, if it is empty.
    pub(crate) source: String,
    /// How long doubt lasts, `settle_after` and `search_lag_horizon`; a second each by default.
    pub(crate) patience: Option<(&'static str, &'static str)>,
    /// Further lines of `[destination]`, and tables after it.
    pub(crate) further: String,
    /// Does nobody stand in for agents who are no teammates?
    pub(crate) without_fallback: bool,
}

/// A person who knows what is a field of several choices however few contacts have it, and what other
/// servers say beside everything else.
struct Operator;

impl FieldProposer for Operator {
    fn propose(&self, name: &str, field: &FieldProfile) -> (FieldRule, String) {
        match name {
            "Interests" => {
                let rule = FieldRule::new(Place::Joined).attribute("ld_interests").with_tags();
                (rule, "it is known".into())
            }
            "zz_new" => (FieldRule::new(Place::Skip), "nobody has heard of it".into()),
            _ => DefaultProposer.propose(name, field),
        }
    }
}

/// An account with each of the ugly cases, large enough that none is missing.
pub(crate) fn ugly(seed: u64) -> Account {
    Account::generate(&AccountSpec::new(80, seed).with(|spec| {
        for share in [
            &mut spec.no_identifier,
            &mut spec.invalid_email,
            &mut spec.untidy_email,
            &mut spec.odd_name,
            &mut spec.odd_comment,
            &mut spec.long_comment,
            &mut spec.zero_date,
            &mut spec.no_last_call,
            &mut spec.calls_without_time,
            &mut spec.calls_in_gap,
            &mut spec.calls_in_overlap,
            &mut spec.calls_by_number,
            &mut spec.calls_by_strangers,
        ] {
            *share = share.max(0.025);
        }
        spec.shared_address = 0.08;
        spec.in_two_lists = 0.08;
        spec.existing = 0.05;
    }))
}

impl Bench {
    /// A sandbox of this account, read by API.
    pub(crate) async fn new(account: Account) -> Self {
        Self::with(Sandbox::builder(account)).await
    }

    /// A sandbox with further settings, read by API.
    pub(crate) async fn with(builder: migrate_sandbox::Builder) -> Self {
        let sandbox = builder.quota(600_000).start().await.unwrap();
        Self {
            endpoints: sandbox.endpoints().clone(),
            sandbox,
            dir: tempfile::tempdir().unwrap(),
            settings: Settings::default(),
        }
    }

    /// The directory with this name in the test's own.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn runner(&self) -> Runner {
        let state = StateDir::create(self.path("state")).unwrap();
        let endpoints = self.endpoints.clone();
        let runner = Runner::new(self.config(), state).accept_proposal(true);
        let runner = runner.proposer(Arc::new(Operator));
        runner.secrets(Arc::new(move |name| secret(&endpoints, name)))
    }

    /// Runs to the end and hands out the report.
    pub(crate) async fn run(&self) -> Finished {
        self.run_with(self.runner()).await
    }

    /// The same with a runner that was prepared.
    pub(crate) async fn run_with(&self, runner: Runner) -> Finished {
        let finished = runner.run(&RunOptions::default()).await;
        let finished = finished.unwrap_or_else(|error| panic!("the run failed: {error}"));
        assert!(matches!(finished.exit, Exit::Done | Exit::Attention), "{:?}", finished.error);
        let dead =
            std::fs::read_to_string(self.path("state/queues/dead.jsonl")).unwrap_or_default();
        assert!(
            dead.is_empty(),
            "dead records:\n{}",
            dead.lines().take(5).collect::<Vec<_>>().join("\n")
        );
        assert!(finished.report.accounted, "records are not accounted for");
        assert_eq!(self.sandbox.counters().leaddesk_writes, 0, "LeadDesk was written to");
        finished
    }

    /// Reads everything back.
    pub(crate) async fn verify(&self) -> Finished {
        let mut everything = VerifyOptions::default();
        everything.all = true;
        let finished = self.runner().verify(everything).await;
        finished.unwrap_or_else(|error| panic!("the verification failed: {error}"))
    }

    /// Writes to either side so far.
    pub(crate) fn writes(&self) -> u64 {
        self.sandbox.counters().writes()
    }

    /// The ledger as the last run left it.
    pub(crate) fn ledger(&self) -> SqliteLedger {
        SqliteLedger::open_read_only(self.path("state/ledger.sqlite")).unwrap()
    }

    pub(crate) fn config(&self) -> Config {
        let source = match &self.settings.source {
            source if source.is_empty() => by_api(&self.endpoints, &all_calls(&self.endpoints)),
            source => source.clone(),
        };
        let (settle_after, lag_horizon) = self.settings.patience.unwrap_or(("1s", "1s"));
        let fallback = match self.settings.without_fallback {
            true => String::new(),
            false => format!("fallback_admin = '{}'\n", self.endpoints.fallback_admin),
        };
        let text = format!(
            "{source}\n[destination]\nbase_url = '{}'\n{fallback}\
             workspace_limit = 600000\nsearch_lag_horizon = '{lag_horizon}'\nsettle_after = '{settle_after}'\n{}\n",
            self.endpoints.intercom, self.settings.further
        );
        Config::parse(&text, "test.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
    }
}

/// An attribute of contacts that is there already.
pub(crate) fn text_attribute(name: &str) -> DataAttribute {
    DataAttribute {
        model: "contact".into(),
        name: name.into(),
        data_type: "string".into(),
        ..DataAttribute::default()
    }
}

/// `[source]` and its tables for an account by API, with these routes to calls.
pub(crate) fn by_api(endpoints: &Endpoints, calls: &str) -> String {
    format!(
        "[source]\nkind = 'api'\ntime_zone = '{}'\ndefault_country = '{}'\n\
         requests_per_second = 10000.0\nconcurrency = 16\n\
         [source.original]\nbase_url = '{}'\n[source.rest]\nbase_url = '{}'\naccount_id = '{}'\n\
         [source.calls]\n{calls}",
        endpoints.time_zone,
        endpoints.default_country,
        endpoints.leaddesk_original,
        endpoints.leaddesk_rest,
        endpoints.leaddesk_account_id,
    )
}

/// `[source]` and its tables for a folder of exports.
pub(crate) fn by_export(endpoints: &Endpoints, folder: &Path) -> String {
    format!(
        "[source]\nkind = 'export'\ntime_zone = '{}'\ndefault_country = '{}'\nallow_http = true\n\
         [source.export]\ndir = '{}'",
        endpoints.time_zone,
        endpoints.default_country,
        folder.display()
    )
}

fn all_calls(endpoints: &Endpoints) -> String {
    let (first, last) = endpoints.call_ids;
    format!("last_call = true\nid_range = [{first}, {last}]")
}

fn secret(endpoints: &Endpoints, name: &str) -> Option<String> {
    match name {
        "LEADDESK_API_KEY" => Some(endpoints.leaddesk_key.clone()),
        "LEADDESK_CLIENT_ID" => Some(endpoints.leaddesk_client_id.clone()),
        "LEADDESK_CLIENT_SECRET" => Some(endpoints.leaddesk_client_secret.clone()),
        "INTERCOM_TOKEN" => Some(endpoints.intercom_token.clone()),
        _ => None,
    }
}

/// Fails with the first findings of the audit, if there are any.
#[track_caller]
pub(crate) fn assert_clean(findings: &[String]) {
    let first: Vec<&str> = findings.iter().take(20).map(String::as_str).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), first.join("\n"));
}

/// Fails with the lines in which two workspaces differ, if they do.
#[track_caller]
pub(crate) fn assert_same(
    one: &migrate_sandbox::Workspace,
    other: &migrate_sandbox::Workspace,
    case: &str,
) {
    if one.digest() == other.digest() {
        return;
    }
    let (one, other) = (one.canonical(), other.canonical());
    let only = |these: &[String], those: &[String], mark: &str| {
        let only = these.iter().filter(|line| !those.contains(line)).take(10);
        only.map(|line| format!("{mark} {line}")).collect::<Vec<_>>().join("\n")
    };
    panic!("{case}: they differ\n{}\n{}", only(&one, &other, "-"), only(&other, &one, "+"));
}
