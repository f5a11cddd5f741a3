//! `delta`, `redrive` and `rollback` as commands: exit status, files, and what they print.

use migrate_sandbox::Sandbox;

use crate::world::{World, plain};

#[tokio::test]
async fn commands_that_come_after_a_run() {
    let world = World::of(Sandbox::builder(plain())).await;
    for command in ["rollback", "verify", "redrive"] {
        world.refuses(&[command], &["There is no ledger", "--state"]).await;
    }
    world.refuses(&["redrive", "--queue", "shared_mail"], &["shared_mail", "shared_email"]).await;
    let before = world.sandbox.workspace();
    world.succeeds(&["run"]).await;
    // What a run took as it was has to be confirmed for what comes after.
    let mapping = std::fs::read_to_string(world.state("mapping.toml")).unwrap();
    let mapping = mapping.replace("confirmed = false", "confirmed = true");
    std::fs::write(world.state("mapping.toml"), mapping).unwrap();
    let writes = world.counters().writes();
    assert_eq!(world.succeeds(&["delta"]).await.json()["state"], "complete");
    assert_eq!(world.succeeds(&["redrive"]).await.json()["state"], "complete");
    assert_eq!(world.counters().writes(), writes);

    let dry = world.run(&["rollback", "--dry-run"]).await;
    assert_eq!(world.counters().writes(), writes);
    assert!(!world.state("rollback.json").exists());
    let real = world.run(&["rollback"]).await;
    assert_eq!((dry.code, real.code), (Some(0), Some(0)), "{}", real.stderr);
    let (dry, real) = (dry.json(), real.json());
    assert_eq!(real["schema"], 1);
    assert_eq!(dry["rollback"]["stages"], real["rollback"]["stages"]);
    let text = std::fs::read_to_string(world.state("rollback.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(saved["stages"], real["rollback"]["stages"]);
    for person in world.sandbox.account().contacts.iter().filter_map(|it| it.email.as_ref()) {
        assert!(!text.contains(person.as_str()), "a person is named");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(world.state("rollback.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let read = |report: &serde_json::Value| {
        let stages = report["stages"].as_array().unwrap().clone();
        stages.iter().map(|it| it["created"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(read(&world.report()), 0, "the report tells of what is gone");
    let after = world.sandbox.workspace();
    assert_eq!(after.contacts.len(), before.contacts.len());
    assert_eq!((after.conversations.len(), after.tags.len()), (0, before.tags.len()));
}

/// A stage or a record by itself, and what cannot be meant.
#[tokio::test]
async fn a_selection_by_stage_and_by_key() {
    let world = World::of(Sandbox::builder(plain())).await;
    world.succeeds(&["run"]).await;
    let whole = world.sandbox.workspace();
    for (arguments, parts) in [
        (&["--key", "contact:424242"][..], &["no record contact:424242", "queues/"][..]),
        (&["--key", "person:1"], &["\"person\"", "contact, chat-visitor, call"]),
        (&["--key", "6a0b1c"], &["no key", "contact:42"]),
        (&["--key", "call:1/note"], &["a part of call:1", "--key call:1"]),
        (&["--stage", "schema"], &["stage contacts", "--stage contacts --stage leads"]),
        (&["--dry-run", "--stage", "schema", "--stage", "calls"], &["stage schema", "everything"]),
    ] {
        world.refuses(&[&["rollback"], arguments].concat(), parts).await;
    }
    let agent = world.sandbox.account().agents[0].id;
    let agent = format!("agent:{agent}");
    world.refuses(&["rollback", "--key", &agent], &["stage agents", "nothing to take back"]).await;

    let call = format!("call:{}", world.sandbox.account().calls[0].id);
    let dry = world.succeeds(&["rollback", "--dry-run", "--key", &call]).await.json();
    assert!(world.sandbox.workspace() == whole);
    let real = world.succeeds(&["rollback", "--key", &call]).await.json();
    assert_eq!(dry["rollback"]["stages"], real["rollback"]["stages"]);
    assert_eq!(world.sandbox.workspace().conversations.len(), whole.conversations.len() - 1);
    let saved = std::fs::read_to_string(world.state("rollback.json")).unwrap();
    let saved: serde_json::Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(saved["scope"], serde_json::json!({"keys": [call]}));

    let ended = world.succeeds(&["rollback", "--stage", "calls"]).await.json();
    assert_eq!(ended["rollback"]["stages"].as_array().unwrap().len(), 1);
    assert_eq!(world.sandbox.workspace().conversations.len(), 0);
    assert_eq!(world.sandbox.workspace().contacts.len(), whole.contacts.len());
    world.succeeds(&["run"]).await;
    assert_eq!(world.sandbox.workspace().digest(), whole.digest());
}

/// People see counts and names, and nothing of a person.
#[tokio::test]
async fn what_people_see() {
    let world = World::of(Sandbox::builder(plain())).await;
    world.succeeds(&["run"]).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_leaddesk-to-intercom"));
    let command = command.current_dir(world.dir.path()).args(["rollback", "--dry-run"]);
    let variables = world.variables.iter().map(|(name, value)| (*name, value.as_str()));
    let output = command.arg("--state").arg("state").env_clear().envs(variables).output();
    let text = String::from_utf8(output.await.unwrap().stdout).unwrap();
    assert!(text.starts_with("\nA rollback would do this (nothing has been written)"), "{text}");
    assert!(text.contains("Intercom's API cannot remove:"), "{text}");
    assert!(!text.contains('@'), "{text}");
}
