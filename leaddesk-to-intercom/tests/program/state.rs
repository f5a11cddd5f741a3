//! State directories that cannot be used, and what stands in one that can.

use std::fs;
use std::time::Duration;

use migrate_sandbox::{Account, AccountSpec, Faults, Sandbox, ServiceFaults, Struck};

use super::world::World;

/// Every write of Intercom takes this long.
pub(crate) fn slow(by: Duration) -> Faults {
    let intercom = ServiceFaults {
        requests: Struck::Writes,
        slow: 1.0,
        slow_by: by,
        ..ServiceFaults::default()
    };
    Faults { intercom, ..Faults::default() }
}

#[tokio::test]
async fn in_use_by_another_run() {
    let world = World::new().await;
    world.sandbox.set_faults(slow(Duration::from_secs(1)));
    let first = world.program(&["run"]).spawn().unwrap();
    world.writes_reach(1).await;
    let calls = world.counters().intercom.get("POST /contacts").copied();
    let ended = world.run(&["run"]).await;
    let message = ended.failed(1);
    let ledger = world.state("ledger.sqlite");
    for part in ["another run uses", ledger.to_str().unwrap(), "wait for it to end"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(world.counters().intercom.get("POST /contacts").copied(), calls);

    // Looking on is allowed.
    let status = world.run(&["status"]).await;
    assert_eq!(status.json()["schema"], 1, "{}", status.stderr);

    world.sandbox.set_faults(Faults::default());
    assert_eq!(world.end(first).await.code, Some(0), "the first run was not disturbed");
    world.all_is_there_once();
}

#[tokio::test]
async fn bound_to_another_migration() {
    let world = World::new().await;
    world.succeeds(&["run"]).await;

    let prefixed = world.by_api().replace("[source]\n", "[source]\nkey_prefix = \"other\"\n");
    world.configure(&prefixed);
    let remedy = "use another state directory";
    world.refuses(&["run"], &["key_prefix", "\"leaddesk\"", "\"other\"", remedy, "--state"]).await;

    world.configure(&world.by_api());
    world.sandbox.edit(|workspace| workspace.id_code = "other1".into());
    for command in ["plan", "run", "verify"] {
        world.refuses(&[command], &["destination", "\"sandbox1\"", "\"other1\"", remedy]).await;
    }
}

#[tokio::test]
async fn nowhere_to_write() {
    let world = World::new().await;
    fs::write(world.path("file"), "").unwrap();
    let state = world.path("file/state");
    let state = state.to_str().unwrap();
    for command in ["plan", "run"] {
        world
            .refuses(&[command, "--state", state], &["state directory", state, "--state DIR"])
            .await;
    }
    assert_eq!(world.counters().intercom_calls(), 0);
}

#[tokio::test]
async fn status_and_report_of_nothing() {
    let world = World::new().await;
    for command in ["status", "report"] {
        world.refuses(&[command], &["there is no ledger", "no run has begun", "--state"]).await;
    }
    assert!(!world.path("state").exists(), "looking makes nothing");
}

#[tokio::test]
async fn a_ledger_that_is_none() {
    let world = World::new().await;
    let ledger = world.state("ledger.sqlite");
    fs::create_dir(world.path("state")).unwrap();
    fs::write(&ledger, "this is no database, and long enough not to be taken for an empty one")
        .unwrap();
    let name = ledger.to_str().unwrap();
    for command in ["plan", "run", "verify", "status", "report"] {
        let parts = [name, "is not a ledger, or a damaged one", "put back a copy"];
        world.refuses(&[command], &parts).await;
    }
}

#[tokio::test]
async fn a_plan_that_is_none() {
    let world = World::new().await;
    world.succeeds(&["plan"]).await;
    assert_eq!(world.counters().writes(), 0);
    let plan = world.state("plan.json");
    for text in ["{\"schema\": 1, \"made_at\"", "{}", ""] {
        fs::write(&plan, text).unwrap();
        world.refuses(&["run"], &[plan.to_str().unwrap(), "Run `plan` again"]).await;
    }
    world.succeeds(&["plan"]).await;
    world.succeeds(&["run"]).await;
}

#[tokio::test]
async fn a_plan_that_has_gone_stale() {
    let world = World::new().await;
    world.succeeds(&["plan"]).await;

    // What changes nothing about the writes does no harm.
    world.configure(&world.by_api().replace("10000.0", "9000.0"));
    let changed = format!("{}[calls]\ncomment = \"reply\"\n", world.by_api());
    world.configure(&changed);
    let parts =
        ["plan is stale", "calls.comment was \"note\" and is \"reply\"", "Run `plan` again"];
    world.refuses(&["run"], &parts).await;

    world.configure(&world.by_api());
    world.sandbox.edit(|workspace| {
        let made = migrate_sandbox::workspace::ConversationAttribute {
            name: "Mood".into(),
            data_type: "string".into(),
            ..Default::default()
        };
        workspace.conversation_attributes.push(made);
    });
    let parts = ["plan is stale", "attribute conversation.Mood", "is new", "Run `plan` again"];
    world.refuses(&["run"], &parts).await;

    world.succeeds(&["plan"]).await;
    world.succeeds(&["run"]).await;
    // What the run made itself makes no plan stale.
    let writes = world.counters().writes();
    world.succeeds(&["run"]).await;
    assert_eq!(world.counters().writes(), writes);
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let spec = AccountSpec::plain(30, 5).with(|spec| spec.no_identifier = 0.1);
    let world = World::of(Sandbox::builder(Account::generate(&spec))).await;
    for command in ["plan", "run", "report"] {
        world.succeeds(&[command]).await;
    }
    let modes = super::world::modes(&world.path("state"));
    for name in [
        "ledger.sqlite",
        "plan.json",
        "report.json",
        "log.jsonl",
        "contacts_without_identifier.jsonl",
    ] {
        assert!(modes.iter().any(|(path, _)| path.ends_with(name)), "{name} is not there");
    }
    for (path, mode) in modes {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}: {mode:o}", path.display());
    }
}
