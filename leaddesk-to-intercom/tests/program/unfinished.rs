//! Runs that end before everything is in place, and go on later.

use std::time::Duration;

use migrate_sandbox::workspace::Admin;
use migrate_sandbox::{Account, AccountSpec, Faults, Sandbox, ServiceFaults, Struck};

use super::state::slow;
use super::world::{World, plain};

#[tokio::test]
async fn a_destination_that_goes_away_and_comes_back() {
    let world = World::new().await;
    world.sandbox.set_faults(slow(Duration::from_millis(20)));
    let child = world.program(&["run"]).spawn().unwrap();
    world.writes_reach(100).await;
    let secrets = world.secrets().map(str::to_owned);
    let closed = world.shutdown().await;
    let ended = child.wait_with_output().await.unwrap();
    let (stdout, stderr) =
        (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    assert_eq!(ended.status.code(), Some(3), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for part in ["error: ", "reach", "destination.base_url", "run again"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    assert!(secrets.iter().all(|secret| !stderr.contains(secret) && !stdout.contains(secret)));
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["state"], &report["accounted"]), (&"interrupted".into(), &false.into()));

    let world = closed.reopen().await;
    let report = world.succeeds(&["run"]).await.json();
    assert_eq!((&report["state"], &report["accounted"]), (&"complete".into(), &true.into()));
    world.all_is_there_once();
    let writes = world.counters().writes();
    world.succeeds(&["run"]).await;
    assert_eq!(world.counters().writes(), writes, "a second run has nothing to write");
    world.succeeds(&["verify", "--all"]).await;
}

#[tokio::test]
async fn doubt_that_is_not_waited_for() {
    // The run ends before the search knows what it has written last.
    let lag = Duration::from_secs(4);
    let world = World::lagging(Sandbox::builder(plain()), lag).await;
    let horizon = "search_lag_horizon = \"2s\"";
    world.configure(&world.by_api().replace(horizon, "search_lag_horizon = \"5s\""));
    let intercom =
        ServiceFaults { requests: Struck::Writes, lost_reply: 0.2, ..ServiceFaults::default() };
    world.sandbox.set_faults(slow(Duration::from_millis(20)));
    let child = world.program(&["run", "--no-wait"]).spawn().unwrap();
    // Attributes and tags are written one by one, so trouble there would only take time.
    world.writes_reach(60).await;
    world.sandbox.set_faults(Faults { seed: 3, intercom, ..Faults::default() });
    let ended = world.end(child).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let report = ended.json();
    assert_eq!((&report["state"], &report["accounted"]), (&"interrupted".into(), &false.into()));
    assert!(report["notes"].to_string().contains("run again to settle them"), "{report}");
    let open: u64 = report["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["in_doubt"].as_u64().unwrap() + stage["pending"].as_u64().unwrap())
        .sum();
    assert!(open > 0, "{report}");

    world.sandbox.set_faults(Faults::default());
    let report = world.succeeds(&["run"]).await.json();
    assert_eq!((&report["state"], &report["accounted"]), (&"complete".into(), &true.into()));
    world.all_is_there_once();
}

#[tokio::test]
async fn agents_without_teammate_hold_the_calls_back() {
    let spec = AccountSpec::plain(30, 5).with(|spec| spec.agents_without_teammate = 0.3);
    let mut account = Account::generate(&spec);
    for agent in &mut account.agents {
        agent.primary_email = Some(format!("{}@example.com", agent.username));
    }
    let world = World::of(Sandbox::builder(account.clone())).await;
    let fallback = format!("fallback_admin = \"{}\"\n", world.endpoints.fallback_admin);
    world.configure(&world.by_api().replace(&fallback, ""));
    let absent: Vec<_> = account.agents.iter().filter(|agent| !agent.has_teammate).collect();
    assert!(!absent.is_empty());

    let ended = world.run(&["run"]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let report = ended.json();
    assert_eq!(report["state"], "blocked");
    assert_eq!(report["queues"]["agents_without_teammate"], absent.len());
    assert_eq!(world.sandbox.workspace().conversations.len(), 0);
    assert_eq!(world.sandbox.workspace().contacts.len(), account.contacts.len());
    let queue = world.state("queues/agents_without_teammate.jsonl");
    let queue = std::fs::read_to_string(queue).unwrap();
    assert_eq!(queue.lines().count(), absent.len());
    assert!(queue.contains("invite the agent as a teammate"), "{queue}");

    world.sandbox.edit(|workspace| {
        for agent in &absent {
            let (name, email) = (agent.name.clone(), agent.primary_email.clone().unwrap());
            workspace.admins.push(Admin { id: 800_000 + agent.id, name, email });
        }
    });
    let report = world.succeeds(&["run"]).await.json();
    assert_eq!((&report["state"], &report["accounted"]), (&"complete".into(), &true.into()));
    assert!(!world.state("queues/agents_without_teammate.jsonl").exists());
    world.all_is_there_once();
}
