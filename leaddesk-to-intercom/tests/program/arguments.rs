//! What the command line says before anything is read.

use super::world::World;

#[tokio::test]
async fn help_and_version_end_with_0() {
    let world = World::new().await;
    for (arguments, expected) in [
        (vec!["--help"], "rehearse"),
        (vec!["run", "--help"], "--no-wait"),
        (vec!["--version"], "0.1"),
    ] {
        let ended = world.succeeds(&arguments).await;
        assert!(ended.stdout.contains(expected), "{}", ended.stdout);
        assert_eq!(ended.stderr, "");
    }
}

/// The parser explains wrong arguments in several lines; the first is the message.
#[tokio::test]
async fn wrong_arguments_end_with_1() {
    let world = World::new().await;
    for (arguments, expected) in [
        (vec!["migrate"], "unrecognized subcommand 'migrate'"),
        (vec!["run", "--no-weit"], "unexpected argument '--no-weit'"),
        (vec!["run", "--only", "everything"], "invalid value 'everything' for '--only <STAGE>'"),
        (vec!["verify", "--all", "--sample", "5"], "cannot be used with"),
    ] {
        let ended = world.run(&arguments).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}");
        let line = ended.stderr.lines().next().unwrap();
        let message = line.strip_prefix("error: ").unwrap();
        assert!(message.contains(expected), "{message}");
        let json = serde_json::json!({"schema": 1, "state": "failed", "error": message});
        assert_eq!(ended.json(), json);
    }
    assert_eq!(world.counters(), migrate_sandbox::Counters::default());
}

#[tokio::test]
async fn what_comes_later_says_so_and_does_nothing() {
    let world = World::new().await;
    for (arguments, what) in [(vec!["verify", "--repair"], "verify --repair")] {
        world.refuses(&arguments, &[&format!("`{what}` is not available yet"), "--help"]).await;
    }
    assert_eq!(world.counters(), migrate_sandbox::Counters::default());
    assert!(!world.path("state").exists(), "nothing was begun");
}

/// Without `--json`, people get the message and programs that read stdout get nothing.
#[tokio::test]
async fn messages_are_on_stderr_alone() {
    let world = World::new().await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_leaddesk-to-intercom"));
    let output = command.current_dir(world.dir.path()).args(["run", "--config", "none.toml"]);
    let output = output.env_clear().output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: none.toml: "));
}
