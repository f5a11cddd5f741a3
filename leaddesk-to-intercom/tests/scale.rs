//! Whole migrations by the built program, of contacts, leads, calls and chats, against stand-ins with every sort of
//! fault, audited object by object and field by field.
//!
//! A short form runs with the other tests, and a tenth of the long form in CI. The long form:
//! `WHOLE_RUNS=10000 cargo test -p leaddesk-to-intercom --release --features cli --test scale -- --nocapture`.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of a test may fail it as well")]
#![allow(clippy::print_stdout, reason = "the long form is run for its figures")]

mod audit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use audit::{Lead, Terms};
use migrate_sandbox::{
    Account, AccountSpec, ChatbotExport, Endpoints, Faults, Sandbox, ServiceFaults,
};
use tempfile::TempDir;

/// Contacts, in the short form. Unoptimised, a thousand take more than a minute a run.
const CONTACTS: usize = if cfg!(debug_assertions) { 250 } else { 1_000 };

#[test]
fn an_account_by_api_arrives_whole() {
    let account = account(1);
    let terms = Terms { chats: true, leads: open(&account), histories: true, ..Terms::default() };
    migrate("api", &account, &terms, |run| {
        let (first, last) = run.endpoints().call_ids;
        run.by_api(&format!("last_call = true\nid_range = [{first}, {last}]"))
    });
}

#[test]
fn an_export_folder_arrives_whole() {
    let account = account(2);
    let leads = some(&account);
    let terms = Terms { chats: true, leads, call_log: true, ..Terms::default() };
    migrate("export folder", &account, &terms, |run| {
        let dir = run.path("export");
        export(&account, &terms.leads, &dir);
        format!("kind = 'export'\n{}\n[source.export]\ndir = 'export'", run.zone())
    });
}

#[test]
fn an_account_with_its_calls_from_a_log_arrives_whole() {
    let account = account(3);
    let (leads, histories) = (open(&account), true);
    let terms = Terms { chats: true, leads, histories, call_log: true, ..Terms::default() };
    migrate("mixed", &account, &terms, |run| {
        account.export(&run.path("export")).expect("an export");
        run.by_api("last_call = true\ncsv = 'export/calls.csv'")
    });
}

/// Three calls a contact and a chat for every fifth, with all ugly cases.
fn account(seed: u64) -> Account {
    let spec = AccountSpec::new(contacts(), seed).with_calls_per_contact(3.0);
    Account::generate(&spec.with_chats_per_contact(0.2))
}

fn contacts() -> usize {
    let asked = std::env::var("WHOLE_RUNS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(CONTACTS)
}

fn is_long() -> bool {
    contacts() > 1_000
}

/// The leads that calling lists tell: whom a list names, and is not done with, and has made no deal with.
fn open(account: &Account) -> BTreeMap<u64, Lead> {
    let open = account.contacts.iter().filter(|contact| {
        let is_deal = contact.last_reason.as_deref() == Some("Deal");
        !contact.finalised && !contact.phonenumbers.is_empty() && !is_deal
    });
    open.map(|contact| (contact.id, Lead::default())).collect()
}

/// Every seventh contact, some of them with an office or a sponsor.
fn some(account: &Account) -> BTreeMap<u64, Lead> {
    let leads = account.contacts.iter().step_by(7).zip(0_usize..);
    leads
        .map(|(contact, n)| {
            let text = |texts: [&str; 4]| texts[n % 4].to_owned();
            let lead = Lead {
                status: text(["New", "Contacted", "", "Hot"]),
                office: text(["", "", "", "Turku"]),
                sponsor: if n % 9 == 5 { "Oy Sponsor Ab".to_owned() } else { String::new() },
            };
            (contact.id, lead)
        })
        .collect()
}

/// Writes an export in which the leads are in a file of their own.
fn export(account: &Account, leads: &BTreeMap<u64, Lead>, dir: &Path) {
    account.export(dir).expect("an export");
    let text = fs::read_to_string(dir.join("contacts.csv")).expect("a file");
    let mut rows = rows(&text).into_iter();
    let heading = rows.next().expect("a heading");
    let mut contacts = format!("{heading}\n");
    let mut listed = format!("{heading};Lead status;Toimisto;Sponsor\n");
    for row in rows {
        let id = row.split(';').next().and_then(|id| id.trim_matches('"').parse().ok());
        match id.and_then(|id: u64| leads.get(&id)) {
            Some(Lead { status, office, sponsor }) => {
                listed += &format!("{row};{status};{office};{sponsor}\n");
            }
            None => contacts += &format!("{row}\n"),
        }
    }
    fs::write(dir.join("contacts.csv"), contacts).expect("a file");
    fs::write(dir.join("leads.csv"), listed).expect("a file");
}

/// The rows of a file, line breaks within quotes left alone.
fn rows(text: &str) -> Vec<String> {
    let (mut rows, mut quoted) = (vec![String::new()], false);
    for letter in text.chars() {
        quoted ^= letter == '"';
        match (letter, rows.last_mut()) {
            ('\n', _) if !quoted => rows.push(String::new()),
            (letter, Some(row)) => row.push(letter),
            (_, None) => {}
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

fn faults(seed: u64) -> Faults {
    let intercom = ServiceFaults {
        error_before: 0.01,
        error_after: 0.01,
        lost_reply: 0.01,
        late_effect: 0.01,
        late_by: Duration::from_millis(900),
        // Each of these lets everything pause.
        refused: 0.0005,
        truncated: 0.01,
        slow: 0.01,
        slow_by: Duration::from_millis(300),
        ..ServiceFaults::default()
    };
    let leaddesk = ServiceFaults {
        error_before: 0.005,
        lost_reply: 0.005,
        refused: 0.0005,
        truncated: 0.005,
        ..ServiceFaults::default()
    };
    let new_contact_unknown_for = Duration::from_millis(100);
    Faults { seed, intercom, leaddesk, new_contact_unknown_for }
}

/// Runs to the end while things go wrong, and audits what has become of it. A second run, when all is well, writes
/// nothing.
fn migrate(what: &str, account: &Account, terms: &Terms, source: impl Fn(&Run) -> String) {
    // One after the other: each has two processes that are busy all the time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut run = Run::start(account, faults(7));
    run.source = source(&run);
    run.command(&["plan"]);
    let began = Instant::now();
    let runs = run.finish();
    let took = began.elapsed();
    // What is late must have arrived before the destination is looked at.
    std::thread::sleep(Duration::from_secs(1));

    let workspace = run.sandbox.workspace();
    let looked = Instant::now();
    let mut findings = audit::audit_by(terms, account, &workspace);
    findings.extend(audit::audit_of_state(terms, account, &workspace, &run.path("state")));
    let counters = run.sandbox.counters();
    println!(
        "{what}: {} contacts, {} leads among them, {} calls, {} chats; {runs} runs in {took:.1?}; \
         {} calls to LeadDesk, {} to Intercom, {} of them writes; at most {} MB; {} contacts and {} \
         conversations, audited in {:.1?}: {} findings; struck: {:?}",
        account.contacts.len(),
        terms.leads.len(),
        account.calls.len(),
        account.chats.len(),
        counters.leaddesk_calls(),
        counters.intercom_calls(),
        counters.writes(),
        run.peak / 1024,
        workspace.contacts.len(),
        workspace.conversations.len(),
        looked.elapsed(),
        findings.len(),
        counters.faults,
    );
    let first: Vec<&str> = findings.iter().take(40).map(String::as_str).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), first.join("\n"));
    assert_eq!(counters.leaddesk_writes, 0, "LeadDesk was written to");

    run.sandbox.set_faults(Faults::default());
    let writes = run.sandbox.counters().writes();
    if is_long() {
        run.command(&["verify", "--all"]);
    }
    run.finish();
    assert_eq!(run.sandbox.counters().writes(), writes, "a second run makes no write call");
}

/// A sandbox, and a folder with configuration and state.
struct Run {
    sandbox: Sandbox,
    dir: TempDir,
    /// `[source]` without its heading.
    source: String,
    /// The most memory that the program has taken, in KiB; as far as the system tells.
    peak: u64,
    /// Serves the sandbox.
    _runtime: tokio::runtime::Runtime,
}

impl Run {
    fn start(account: &Account, faults: Faults) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let builder = Sandbox::builder(account.clone()).quota(2_000_000).faults(faults);
        let sandbox = builder.search_lag(Duration::from_secs(1)).start();
        let sandbox = runtime.block_on(sandbox).expect("a sandbox");
        let dir = tempfile::tempdir().expect("a folder");
        let zip = dir.path().join("chatbot.zip");
        account.export_chatbot(&zip, &ChatbotExport::new()).expect("an export");
        Self { sandbox, dir, source: String::new(), peak: 0, _runtime: runtime }
    }

    fn endpoints(&self) -> &Endpoints {
        self.sandbox.endpoints()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn zone(&self) -> String {
        let Endpoints { time_zone, default_country, .. } = self.endpoints();
        format!("time_zone = '{time_zone}'\ndefault_country = '{default_country}'")
    }

    /// By the API, with these routes to calls. Who is a lead, calling lists say.
    fn by_api(&self, calls: &str) -> String {
        let endpoints = self.endpoints();
        format!(
            "kind = 'api'\n{}\nrequests_per_second = 10000.0\nconcurrency = 32\n\
             [source.original]\nbase_url = '{}'\n\
             [source.rest]\nbase_url = '{}'\naccount_id = '{}'\n\
             [source.calls]\n{calls}\n\
             [contacts]\nlead_rule = 'unfinalised'",
            self.zone(),
            endpoints.leaddesk_original,
            endpoints.leaddesk_rest,
            endpoints.leaddesk_account_id,
        )
    }

    /// Runs until the program says that it is done, and says how often it was started; what stopped it in between must
    /// be resumable.
    fn finish(&mut self) -> usize {
        for n in 1..20 {
            match self.exit(&["run", "--accept-proposal"]) {
                (Some(0), _) => return n,
                (Some(3), _) => {}
                (code, errors) => {
                    let dead = fs::read_to_string(self.path("state/queues/dead.jsonl"));
                    panic!("exit {code:?}: {errors}\n{}", dead.unwrap_or_default());
                }
            }
        }
        panic!("the run does not end");
    }

    fn command(&mut self, command: &[&str]) {
        let (code, errors) = self.exit(command);
        assert_eq!(code, Some(0), "{command:?}: {errors}");
    }

    fn exit(&mut self, command: &[&str]) -> (Option<i32>, String) {
        let mut child = self.spawn(command);
        while child.try_wait().expect("a process").is_none() {
            self.peak = self.peak.max(peak_of(&child));
            std::thread::sleep(Duration::from_millis(50));
        }
        let status = child.wait().expect("an exit status");
        (status.code(), fs::read_to_string(self.path("errors.txt")).unwrap_or_default())
    }

    fn spawn(&self, command: &[&str]) -> Child {
        let (endpoints, config) = (self.endpoints(), self.path("migration.toml"));
        let text = format!(
            "[source]\n{}\n[source.chatbot]\nzip = 'chatbot.zip'\n\
             [destination]\nbase_url = '{}'\nfallback_admin = '{}'\nworkspace_limit = 2000000\n\
             search_lag_horizon = '2s'\nsettle_after = '2s'\n",
            self.source, endpoints.intercom, endpoints.fallback_admin,
        );
        fs::write(&config, text).expect("the configuration");
        Command::new(env!("CARGO_BIN_EXE_leaddesk-to-intercom"))
            .args(command)
            .args(["--json", "--no-progress", "--config"])
            .arg(&config)
            .arg("--state")
            .arg(self.path("state"))
            .env("LEADDESK_API_KEY", &endpoints.leaddesk_key)
            .env("LEADDESK_CLIENT_ID", &endpoints.leaddesk_client_id)
            .env("LEADDESK_CLIENT_SECRET", &endpoints.leaddesk_client_secret)
            .env("INTERCOM_TOKEN", &endpoints.intercom_token)
            .stdout(Stdio::null())
            .stderr(Stdio::from(fs::File::create(self.path("errors.txt")).expect("a file")))
            .spawn()
            .expect("the program")
    }
}

/// The most memory a process has taken so far, in KiB, as Linux tells it.
fn peak_of(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
