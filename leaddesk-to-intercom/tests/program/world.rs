//! Both services on this machine, a configuration for them, and the program run against them.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use migrate_sandbox::{Account, AccountSpec, Builder, Counters, Endpoints, Sandbox, Workspace};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Long enough for any test here on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sandbox, a folder with a configuration for it, and the variables that open it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) endpoints: Endpoints,
    pub(crate) dir: TempDir,
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// How the program ended and what it said.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A small account with a teammate for every agent, and nothing odd about its records.
pub(crate) fn plain() -> Account {
    Account::generate(&AccountSpec::plain(30, 5).with_calls_per_contact(1.5))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::of(Sandbox::builder(plain())).await
    }

    /// A world whose search lags, as Intercom's does, and whose quota lets tests be quick.
    pub(crate) async fn of(builder: Builder) -> Self {
        Self::lagging(builder, Duration::from_millis(500)).await
    }

    /// A world whose search lags by as much as that.
    pub(crate) async fn lagging(builder: Builder, lag: Duration) -> Self {
        let sandbox = builder.quota(600_000).search_lag(lag).start().await.unwrap();
        let endpoints = sandbox.endpoints().clone();
        let variables = vec![
            ("LEADDESK_API_KEY", endpoints.leaddesk_key.clone()),
            ("LEADDESK_CLIENT_ID", endpoints.leaddesk_client_id.clone()),
            ("LEADDESK_CLIENT_SECRET", endpoints.leaddesk_client_secret.clone()),
            ("INTERCOM_TOKEN", endpoints.intercom_token.clone()),
        ];
        let dir = tempfile::tempdir().unwrap();
        let world = Self { sandbox, endpoints, dir, variables };
        world.configure(&world.by_api());
        world
    }

    /// The account by its APIs. The last section is `[destination]`.
    pub(crate) fn by_api(&self) -> String {
        let Endpoints { leaddesk_original, leaddesk_rest, leaddesk_account_id, .. } =
            &self.endpoints;
        let (first, last) = self.endpoints.call_ids;
        format!(
            "[source]\nkind = \"api\"\n{}requests_per_second = 10000.0\n\
             [source.original]\nbase_url = \"{leaddesk_original}\"\n\
             [source.rest]\nbase_url = \"{leaddesk_rest}\"\naccount_id = \"{leaddesk_account_id}\"\n\
             [source.calls]\nid_range = [{first}, {last}]\n{}",
            self.time_zone(),
            self.destination(),
        )
    }

    /// The account by the files in `export/`. The last section is `[destination]`.
    pub(crate) fn by_export(&self) -> String {
        format!(
            "[source]\nkind = \"export\"\n{}[source.export]\ndir = \"export\"\n{}",
            self.time_zone(),
            self.destination(),
        )
    }

    pub(crate) fn time_zone(&self) -> String {
        format!("time_zone = \"{}\"\n", self.endpoints.time_zone)
    }

    fn destination(&self) -> String {
        format!(
            "[destination]\nbase_url = \"{}\"\nfallback_admin = \"{}\"\nworkspace_limit = 600000\n\
             settle_after = \"1s\"\nsearch_lag_horizon = \"2s\"\n",
            self.endpoints.intercom, self.endpoints.fallback_admin
        )
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::write(self.path("migration.toml"), text).unwrap();
    }

    /// Sets a variable of the program's environment, or takes it away.
    pub(crate) fn variable(&mut self, name: &'static str, value: Option<&str>) {
        self.variables.retain(|(known, _)| *known != name);
        self.variables.extend(value.map(|value| (name, value.to_owned())));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.path("state").join(name)
    }

    pub(crate) fn counters(&self) -> Counters {
        self.sandbox.counters()
    }

    /// The report, as the program left it in the state directory.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.state("report.json")).unwrap()).unwrap()
    }

    /// The program, with this world's configuration and state directory unless `arguments` name
    /// others, and an environment that holds nothing but the variables.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leaddesk-to-intercom"));
        command.current_dir(self.dir.path()).args(arguments).arg("--json");
        let takes_proposal = matches!(arguments.first(), Some(&"run" | &"delta" | &"redrive"));
        if takes_proposal && !arguments.contains(&"--accept-proposal") {
            command.arg("--accept-proposal");
        }
        for (option, file) in [("--config", "migration.toml"), ("--state", "state")] {
            if !arguments.contains(&option) {
                command.arg(option).arg(self.path(file));
            }
        }
        let variables = self.variables.iter().map(|(name, value)| (*name, value));
        command.env_clear().envs(variables).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.end(self.program(arguments).spawn().unwrap()).await
    }

    /// Waits for the end of the program, and sees to it that it gave no secret away.
    pub(crate) async fn end(&self, child: Child) -> Ended {
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        assert!(output.is_ok(), "the program does not end");
        let ended = Ended::of(output.unwrap().unwrap());
        for secret in self.secrets() {
            assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret));
        }
        ended
    }

    /// What nobody may find anywhere.
    pub(crate) fn secrets(&self) -> [&str; 3] {
        let it = &self.endpoints;
        [&it.leaddesk_key, &it.leaddesk_client_secret, &it.intercom_token]
    }

    /// Runs the program, which must refuse: exit 1, one message that holds all the `parts`, the
    /// same as JSON, and no write call. Returns the message.
    pub(crate) async fn refuses(&self, arguments: &[&str], parts: &[&str]) -> String {
        let before = self.counters().writes();
        let message = self.run(arguments).await.failed(1);
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
        assert_eq!(self.counters().writes(), before, "something was written: {message}");
        message
    }

    /// Runs the program, which must end with 0.
    pub(crate) async fn succeeds(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments).await;
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
        ended
    }

    /// Waits until the destination has seen this many write calls.
    pub(crate) async fn writes_reach(&self, count: u64) {
        let begun = Instant::now();
        while self.counters().intercom_writes < count {
            assert!(begun.elapsed() < PATIENCE, "nothing is written");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops the sandbox and gives what another one needs to go on in its place.
    pub(crate) async fn shutdown(self) -> Closed {
        let Self { sandbox, endpoints, dir, variables } = self;
        let (account, address) = (sandbox.account(), address(&endpoints));
        let workspace = sandbox.shutdown().await;
        Closed { builder: Sandbox::builder(account).listen(address), workspace, dir, variables }
    }

    /// Sees to it that everything has arrived, and once.
    pub(crate) fn all_is_there_once(&self) {
        let (workspace, account) = (self.sandbox.workspace(), self.sandbox.account());
        let mut people: Vec<_> =
            workspace.contacts.iter().filter_map(|it| it.external_id.clone()).collect();
        let mut calls: Vec<_> = workspace
            .conversations
            .iter()
            .filter_map(|it| {
                Some(it.custom_attributes.get("ld_source_key__c")?.as_str()?.to_owned())
            })
            .collect();
        assert_eq!(people.len(), account.contacts.len());
        assert_eq!(workspace.conversations.len(), account.calls.len());
        assert_eq!(calls.len(), account.calls.len());
        people.sort();
        people.dedup();
        calls.sort();
        calls.dedup();
        assert_eq!((people.len(), calls.len()), (account.contacts.len(), account.calls.len()));
        assert!(workspace.conversations.iter().all(|it| it.state == "closed"));
    }
}

/// A world whose services are gone.
pub(crate) struct Closed {
    builder: Builder,
    workspace: Workspace,
    dir: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Closed {
    /// Starts the services again, where they were and with what they held.
    pub(crate) async fn reopen(self) -> World {
        let Self { builder, workspace, dir, variables } = self;
        let fresh = World::of(builder.prepare(|it| *it = workspace)).await;
        World { dir, variables, ..fresh }
    }
}

fn address(endpoints: &Endpoints) -> std::net::SocketAddr {
    endpoints.intercom.trim_start_matches("http://").parse().unwrap()
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code();
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The one line on stdout.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// It ended with this status, and said why in one line on stderr and the same in JSON.
    pub(crate) fn failed(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stderr, self.stdout);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        let message = self.stderr.trim_end().strip_prefix("error: ").unwrap();
        let expected = serde_json::json!({"schema": 1, "state": "failed", "error": message});
        assert_eq!(self.json(), expected);
        message.to_owned()
    }
}

/// A port of loopback on which nobody listens.
pub(crate) fn closed_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Names and modes of all that is in a folder.
#[cfg(unix)]
pub(crate) fn modes(dir: &Path) -> Vec<(PathBuf, u32)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    for path in files(dir) {
        found.push((path.clone(), path.metadata().unwrap().permissions().mode() & 0o777));
    }
    found
}

/// A folder and all that is in it.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
