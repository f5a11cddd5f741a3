//! Configurations that are refused.

use super::world::World;

/// The smallest change that makes a good configuration bad, and what the message must hold.
#[tokio::test]
async fn mistakes_are_named_with_their_remedy() {
    let world = World::new().await;
    let good = world.by_api();
    let zone = world.time_zone();
    for (bad, parts) in [
        (
            format!("{good}reigon = \"eu\"\n"),
            vec!["unknown key destination.reigon", "Did you mean destination.region?"],
        ),
        (good.replace("kind = \"api\"\n", ""), vec!["source.kind is missing", "\"api\""]),
        (
            good.replace(&zone, ""),
            vec![
                "source.time_zone is missing",
                "Set it to the account's zone, e.g. time_zone = \"Europe/Helsinki\".",
            ],
        ),
        (
            good.replace("kind = \"api\"", "kind = api"),
            vec!["migration.toml:2: this is not TOML: "],
        ),
        (
            format!("{good}region = \"eu\"\n"),
            vec!["destination.base_url is set beside destination.region", "Remove one of the two."],
        ),
        (
            good.replace("account_id = \"4217\"", "account_id = \"\""),
            vec!["source.rest.account_id is empty", "account_id = \"123\""],
        ),
        (format!("{good}reserve = 2\n"), vec!["destination.reserve", "0.9"]),
        (
            format!("{good}token_env = \"\"\n"),
            vec!["destination.token_env is not the name of an environment variable"],
        ),
        (format!("{good}preview = true\n"), vec!["destination.preview", "not available yet"]),
        (
            format!("{good}[calls]\nvehicle = \"ticket\"\n"),
            vec!["calls.vehicle", "not available yet", "Leave it out."],
        ),
        (String::new(), vec!["source.kind is missing"]),
    ] {
        world.configure(&bad);
        let ended = world.run(&["run"]).await;
        let message = match bad.is_empty() {
            // One line for each of the keys that are missing.
            true => ended.stderr.clone(),
            false => ended.failed(1),
        };
        assert_eq!(ended.code, Some(1));
        let file = world.path("migration.toml");
        assert!(message.contains(file.to_str().unwrap()), "the file is not named: {message}");
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    }
    assert_eq!(world.counters(), migrate_sandbox::Counters::default(), "nobody was asked");
    assert!(!world.path("state").exists(), "nothing was begun");
}

#[tokio::test]
async fn a_configuration_that_is_not_there() {
    let world = World::new().await;
    let parts = ["absent.toml: the configuration cannot be read", "--config FILE"];
    for command in ["plan", "run", "verify"] {
        world.refuses(&[command, "--config", "absent.toml"], &parts).await;
    }
    assert!(!world.path("state").exists());
}

#[tokio::test]
async fn variables_that_are_missing_or_empty() {
    let mut world = World::new().await;
    for (name, setting) in [
        ("LEADDESK_API_KEY", "source.original.key_env"),
        ("LEADDESK_CLIENT_ID", "source.rest.client_id_env"),
        ("LEADDESK_CLIENT_SECRET", "source.rest.client_secret_env"),
        ("INTERCOM_TOKEN", "destination.token_env"),
    ] {
        let (_, good) = world.variables.iter().find(|(known, _)| *known == name).unwrap().clone();
        for (value, state) in [(None, "not set"), (Some(" "), "empty")] {
            world.variable(name, value);
            let is = format!("{setting} names the environment variable {name}, which is {state}.");
            world.refuses(&["run"], &[&is, &format!("into {name}.")]).await;
        }
        world.variable(name, Some(&good));
    }
    assert_eq!(world.counters().intercom_calls(), 0);
}
