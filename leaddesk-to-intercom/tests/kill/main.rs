//! The program is killed with SIGKILL at random moments, again and again, against a destination
//! with every sort of fault, and run again until it ends: the destination must be the one that a
//! run without faults gives.
//!
//! The short form runs with the other tests. The long form:
//! `KILLS=60 cargo test -p leaddesk-to-intercom --release --features cli --test kill -- --nocapture`.
//! `KILL_SEED=7` replays the moments of one seed, as far as the machine's own timing allows.
//! So it is done to a rollback in `rollback.rs`.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of a test may fail it as well")]

#[path = "../audit/mod.rs"]
mod audit;

mod rollback;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use migrate_core::ledger::{Parking, Scan};
use migrate_core::{Ledger, SqliteLedger};
use migrate_sandbox::{
    Account, AccountSpec, ChatbotExport, Endpoints, Faults, Sandbox, ServiceFaults,
};

/// The stages, in the order they run.
const STAGES: [&str; 6] = ["schema", "agents", "contacts", "leads", "calls", "chats"];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn faults(seed: u64) -> Faults {
    let intercom = ServiceFaults {
        error_before: 0.02,
        error_after: 0.03,
        lost_reply: 0.03,
        late_effect: 0.03,
        late_by: Duration::from_millis(900),
        refused: 0.02,
        truncated: 0.02,
        slow: 0.02,
        slow_by: Duration::from_millis(300),
        ..ServiceFaults::default()
    };
    let leaddesk =
        ServiceFaults { error_before: 0.005, truncated: 0.005, ..ServiceFaults::default() };
    Faults { seed, intercom, leaddesk, ..Faults::default() }
}

/// A configuration against these stand-ins. The search lags by one second.
fn configuration(endpoints: &Endpoints, further: &str) -> String {
    format!(
        r#"
[source]
kind = "api"
time_zone = "{zone}"
default_country = "{country}"
requests_per_second = 5000.0
[source.original]
base_url = "{original}"
[source.rest]
base_url = "{rest}"
account_id = "{account}"
[source.calls]
id_range = [{first}, {last}]
[source.chatbot]
zip = "chatbot.zip"
[destination]
base_url = "{intercom}"
fallback_admin = "{admin}"
workspace_limit = 1000000
search_lag_horizon = "2s"
settle_after = "2s"
{further}
"#,
        zone = endpoints.time_zone,
        country = endpoints.default_country,
        original = endpoints.leaddesk_original,
        rest = endpoints.leaddesk_rest,
        account = endpoints.leaddesk_account_id,
        first = endpoints.call_ids.0,
        last = endpoints.call_ids.1,
        intercom = endpoints.intercom,
        admin = endpoints.fallback_admin,
    )
}

/// The tests go one after the other: each is about when something happens.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

const RUN: &[&str] = &["run", "--accept-proposal"];

/// Starts the program; the file `further.toml` in the folder is added to its configuration.
fn start(dir: &Path, endpoints: &Endpoints, command: &[&str]) -> Child {
    let config = dir.join("migration.toml");
    let further = std::fs::read_to_string(dir.join("further.toml")).unwrap_or_default();
    std::fs::write(&config, configuration(endpoints, &further)).expect("the configuration");
    Command::new(env!("CARGO_BIN_EXE_leaddesk-to-intercom"))
        .args(command)
        .args(["--json", "--no-progress", "--config"])
        .arg(&config)
        .arg("--state")
        .arg(dir.join("state"))
        .env("LEADDESK_API_KEY", &endpoints.leaddesk_key)
        .env("LEADDESK_CLIENT_ID", &endpoints.leaddesk_client_id)
        .env("LEADDESK_CLIENT_SECRET", &endpoints.leaddesk_client_secret)
        .env("INTERCOM_TOKEN", &endpoints.intercom_token)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program")
}

/// Runs until the program says that it is done; what stopped it in between must be resumable.
fn run_to_the_end(dir: &Path, endpoints: &Endpoints) {
    for _ in 0..20 {
        let output = start(dir, endpoints, RUN).wait_with_output().expect("an exit status");
        match output.status.code() {
            Some(0) => return,
            Some(3) => {}
            code => {
                let dead = std::fs::read_to_string(dir.join("state/queues/dead.jsonl"));
                let errors = String::from_utf8_lossy(&output.stderr);
                panic!("exit {code:?}: {errors}\n{}", dead.unwrap_or_default());
            }
        }
    }
    panic!("the run does not end");
}

/// Where the migration was when it was killed: the stage under way, and how many records were in
/// doubt, parked so or with an intent that has no outcome.
async fn at_death(state: &Path) -> (String, u64) {
    let Ok(ledger) = SqliteLedger::open_read_only(state.join("ledger.sqlite")) else {
        return ("start".to_owned(), 0);
    };
    let mut stage = "start".to_owned();
    let mut doubtful = 0;
    for name in STAGES {
        let known = ledger.stage(name).await.expect("a stage");
        if known.pass > 0 && !known.finished {
            stage = name.to_owned();
        }
        let mut scan = Scan::of(name);
        loop {
            let rows = ledger.scan(&scan).await.expect("entries");
            let Some((last, _)) = rows.last() else { break };
            scan.after = Some(*last);
            let keys: Vec<_> = rows.into_iter().map(|(_, entry)| entry.key).collect();
            let entries = ledger.entries(&keys).await.expect("entries");
            let intended =
                entries.into_iter().flatten().flat_map(|entry| entry.parts).filter(|part| {
                    matches!(part.state, migrate_core::ledger::PartState::Intended { .. })
                });
            doubtful += intended.count() as u64;
        }
        let parked = ledger.parked(name, Parking::Doubt, 0, 1000).await.expect("parked records");
        doubtful = doubtful.max(parked.len() as u64);
    }
    (stage, doubtful)
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn killed_at_any_moment_it_ends_as_if_nothing_had_happened() {
    let _alone = alone();
    let kills = number("KILLS", 8);
    let seed = number("KILL_SEED", 1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let size = usize::try_from(kills * 6).expect("a size").max(60);
    let account = Account::generate(&AccountSpec::new(size, seed));

    // The destination as it should be: the same program, nothing going wrong.
    let serve = |faults: Faults, quota| {
        let builder = Sandbox::builder(account.clone());
        runtime
            .block_on(
                builder.quota(quota).search_lag(Duration::from_secs(1)).faults(faults).start(),
            )
            .expect("a sandbox")
    };
    let calm = serve(Faults::default(), 1_000_000);
    let folder = || {
        let dir = tempfile::tempdir().expect("a folder");
        let zip = dir.path().join("chatbot.zip");
        account.export_chatbot(&zip, &ChatbotExport::new()).expect("an export");
        dir
    };
    let calm_dir = folder();
    run_to_the_end(calm_dir.path(), calm.endpoints());
    let expected = calm.workspace();
    // The kills are spread over most of the writes.
    let between = calm.counters().writes() * 10 / (7 * kills);

    // The quota is low enough that the kills are spread over the whole of it.
    let stormy = serve(faults(seed), 12_000);
    let dir = folder();
    // The plan is made first: it writes nothing, so there is nothing to be killed in.
    let planned = start(dir.path(), stormy.endpoints(), &["plan"]).wait().expect("an exit status");
    assert!(planned.success(), "{planned}");
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut killed_in: BTreeMap<String, u64> = BTreeMap::new();
    let mut with_doubt = 0;
    let mut killed = 0;
    let began = Instant::now();
    while killed < kills {
        let mut child = start(dir.path(), stormy.endpoints(), RUN);
        // After so many writes more, and some instructions: the same on a slow machine.
        let until = stormy.counters().writes() + rng.below(between);
        while stormy.counters().writes() < until && child.try_wait().expect("a process").is_none() {
            std::thread::sleep(Duration::from_millis(3));
        }
        std::thread::sleep(Duration::from_millis(rng.below(40)));
        if child.try_wait().expect("a process").is_some() {
            // It got to its end, or stopped for a fault, before its time.
            if runtime.block_on(finished(&dir.path().join("state"))) {
                break;
            }
            continue;
        }
        child.kill().expect("a kill");
        child.wait().expect("an exit status");
        killed += 1;
        let (stage, doubtful) = runtime.block_on(at_death(&dir.path().join("state")));
        *killed_in.entry(stage).or_default() += 1;
        with_doubt += u64::from(doubtful > 0);
    }
    run_to_the_end(dir.path(), stormy.endpoints());
    println!(
        "{killed} kills in {:.0?}, {with_doubt} of them with records in doubt, by stage: {killed_in:?}",
        began.elapsed()
    );
    println!("{:?}", stormy.counters());
    assert_eq!(killed, kills, "the run ended before it was killed so often");
    assert!(with_doubt * 5 >= killed, "only {with_doubt} kills met records in doubt");
    if kills >= 50 {
        let stages = ["schema", "contacts", "calls", "chats"];
        assert!(stages.iter().all(|stage| killed_in.contains_key(*stage)), "{killed_in:?}");
    }

    // What is late must have arrived before the destination is looked at.
    std::thread::sleep(Duration::from_secs(2));
    let found = stormy.workspace();
    assert_eq!(audit::audit_with_chats(&account, &found), Vec::<String>::new());
    let (expected_lines, found_lines) = (expected.canonical(), found.canonical());
    let missing: Vec<_> =
        expected_lines.iter().filter(|line| !found_lines.contains(line)).collect();
    let extra: Vec<_> = found_lines.iter().filter(|line| !expected_lines.contains(line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nextra {extra:#?}");
    assert_eq!(found.digest(), expected.digest());

    // And once more, when all is well: nothing is left to write.
    let writes = stormy.counters().writes();
    stormy.set_faults(Faults::default());
    run_to_the_end(dir.path(), stormy.endpoints());
    assert_eq!(stormy.counters().writes(), writes, "a second run makes no write call");
}

async fn finished(state: &Path) -> bool {
    let Ok(ledger) = SqliteLedger::open_read_only(state.join("ledger.sqlite")) else {
        return false;
    };
    ledger.stage("chats").await.is_ok_and(|stage| stage.finished)
}
