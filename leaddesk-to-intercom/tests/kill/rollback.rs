//! A rollback is killed with SIGKILL at random moments, again and again, against a destination with
//! every sort of fault, and started again until it ends: the workspace must be as before the run, but
//! for what Intercom's API cannot remove, which is named. A run after it gives what the first one did.

use std::time::{Duration, Instant};

use migrate_core::{Ledger, RollbackReport, SqliteLedger};
use migrate_sandbox::{Account, AccountSpec, ChatbotExport, Endpoints, Faults, Sandbox, Workspace};

use super::{Rng, alone, faults, number, run_to_the_end, start};

/// What a migration does by setting only: contacts taken back from the archive and overwritten, leads
/// made of numbers.
const FURTHER: &str =
    "[contacts]\nunarchive = true\noverwrite = true\n[calls]\nwithout_contact = \"lead\"\n";

#[test]
fn a_rollback_killed_at_any_moment_ends_as_if_nothing_had_happened() {
    let _alone = alone();
    let kills = number("KILLS", 4);
    let seed = number("KILL_SEED", 1);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let size = usize::try_from(kills * 6).expect("a size").max(40);
    let spec = AccountSpec::new(size, seed).with(|spec| {
        spec.existing = 0.1;
        spec.calls_by_strangers = spec.calls_by_strangers.max(0.05);
    });
    let account = Account::generate(&spec);
    // The quota is low enough that the kills are spread over the whole of it.
    let builder = Sandbox::builder(account.clone()).quota(12_000);
    let sandbox =
        runtime.block_on(builder.search_lag(Duration::from_secs(1)).start()).expect("a sandbox");
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("further.toml"), FURTHER).expect("a file");
    let zip = dir.path().join("chatbot.zip");
    account.export_chatbot(&zip, &ChatbotExport::new()).expect("an export");

    let before = sandbox.workspace();
    assert!(before.contacts.iter().any(|it| it.archived), "choose another seed");
    run_to_the_end(dir.path(), sandbox.endpoints());
    let whole = sandbox.workspace();
    assert!(whole.contacts.iter().all(|it| !it.archived));
    assert!(whole.conversations.len() > before.conversations.len());
    // One write takes back each object that was made; the kills are spread over most of them.
    let made = |it: &Workspace| it.contacts.len() + it.conversations.len() + it.tags.len();
    let writes = u64::try_from(made(&whole) - made(&before)).expect("a number");
    let between = (writes * 10 / (8 * kills)).max(1);

    sandbox.set_faults(faults(seed));
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut killed, mut on_the_way, mut last) = (0, 0, None);
    let began = Instant::now();
    while killed < kills {
        let mut child = start(dir.path(), sandbox.endpoints(), &["rollback"]);
        let until = sandbox.counters().writes() + rng.below(between);
        while sandbox.counters().writes() < until && child.try_wait().expect("a process").is_none()
        {
            std::thread::sleep(Duration::from_millis(3));
        }
        std::thread::sleep(Duration::from_millis(rng.below(40)));
        if let Some(status) = child.try_wait().expect("a process") {
            if status.code() != Some(3) {
                last = Some(status);
                break;
            }
            continue;
        }
        child.kill().expect("a kill");
        child.wait().expect("an exit status");
        killed += 1;
        let ledger = SqliteLedger::open_read_only(dir.path().join("state/ledger.sqlite"));
        let mark = ledger.expect("a ledger");
        let mark = runtime.block_on(mark.meta("rollback")).expect("a value");
        on_the_way += u64::from(mark.is_some());
    }
    println!(
        "{killed} kills of a rollback in {:.0?}, {on_the_way} of them while something was taken back, \
         of {writes} objects",
        began.elapsed()
    );
    assert_eq!(killed, kills, "the rollback ended before it was killed so often: {last:?}");
    assert!(on_the_way * 2 >= killed, "only {on_the_way} kills met a rollback on the way");
    roll_back_to_the_end(dir.path(), sandbox.endpoints());

    // What is late must have arrived before the destination is looked at.
    std::thread::sleep(Duration::from_secs(2));
    let report = report(dir.path());
    let after = sandbox.workspace();
    assert_same(&removable(&before), &removable(&after), "after the rollback");
    let named = |name: &str| {
        report.stages.iter().flat_map(|stage| &stage.impossible).any(|it| it.name == name)
    };
    let archived = after.data_attributes.iter().filter(|it| it.archived).map(|it| &it.name);
    let more = after.conversation_attributes.iter().filter(|it| it.archived).map(|it| &it.name);
    for name in archived.chain(more) {
        assert!(named(name), "{name} is not named");
    }

    sandbox.set_faults(Faults::default());
    run_to_the_end(dir.path(), sandbox.endpoints());
    assert_same(&anew(whole), &anew(sandbox.workspace()), "run again");
    let writes = sandbox.counters().writes();
    run_to_the_end(dir.path(), sandbox.endpoints());
    assert_eq!(sandbox.counters().writes(), writes, "a second run makes no write call");
}

/// Rolls back until the program says that it is done and nothing was left for a fault.
fn roll_back_to_the_end(dir: &std::path::Path, endpoints: &Endpoints) {
    for _ in 0..20 {
        let output =
            start(dir, endpoints, &["rollback"]).wait_with_output().expect("an exit status");
        let code = output.status.code();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(code, Some(0 | 2 | 3)), "exit {code:?}: {errors}");
        if code != Some(3) && report(dir).stages.iter().all(|stage| stage.left.is_empty()) {
            return;
        }
    }
    let left: Vec<_> = report(dir).stages.into_iter().flat_map(|stage| stage.left).collect();
    panic!("the rollback leaves {left:#?}");
}

fn report(dir: &std::path::Path) -> RollbackReport {
    let text = std::fs::read_to_string(dir.join("state/rollback.json")).expect("the report");
    serde_json::from_str(&text).expect("a report")
}

/// A workspace without what the API cannot remove.
fn removable(workspace: &Workspace) -> Workspace {
    let mut left = anew(workspace.clone());
    left.data_attributes.retain(|it| !it.archived);
    left.contacts.iter_mut().for_each(|contact| contact.notes.clear());
    left
}

/// Archived attributes of conversations cannot be brought back: they are made anew.
fn anew(mut workspace: Workspace) -> Workspace {
    workspace.conversation_attributes.retain(|it| !it.archived);
    workspace
}

#[track_caller]
fn assert_same(one: &Workspace, other: &Workspace, case: &str) {
    let (lines, others) = (one.canonical(), other.canonical());
    let missing: Vec<_> = lines.iter().filter(|line| !others.contains(line)).collect();
    let extra: Vec<_> = others.iter().filter(|line| !lines.contains(line)).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "{case}: missing {missing:#?}\nextra {extra:#?}"
    );
    assert_eq!(one.digest(), other.digest(), "{case}");
}
