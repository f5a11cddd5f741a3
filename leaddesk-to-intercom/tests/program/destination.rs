//! An Intercom that refuses, is not there, or is not the right one.

use migrate_sandbox::Sandbox;

use super::world::{World, closed_port, plain};

#[tokio::test]
async fn a_token_that_is_not_accepted() {
    let mut world = World::new().await;
    world.variable("INTERCOM_TOKEN", Some("wrong-token-canary"));
    let parts =
        ["Intercom does not accept the token", "INTERCOM_TOKEN", "destination.token_env", "region"];
    for command in ["plan", "run", "delta"] {
        let message = world.refuses(&[command], &parts).await;
        assert!(!message.contains("canary"), "{message}");
    }
}

#[tokio::test]
async fn people_of_the_eu_into_another_region() {
    let world = World::of(Sandbox::builder(plain()).prepare(|it| it.region = "US".into())).await;
    let parts = ["People of FI", "hosted in US", "destination.acknowledge_region = true"];
    world.refuses(&["plan"], &parts).await;
    world.refuses(&["run"], &parts).await;

    world.configure(&format!("{}acknowledge_region = true\n", world.by_api()));
    let report = world.succeeds(&["run"]).await.json();
    let notes = report["notes"].to_string();
    assert!(notes.contains("destination.acknowledge_region is set"), "{notes}");
    world.all_is_there_once();
}

#[tokio::test]
async fn nobody_there() {
    let world = World::new().await;
    let nobody = closed_port();
    world.configure(&world.by_api().replace(
        &format!("base_url = \"{}\"\n", world.endpoints.intercom),
        &format!("base_url = \"{nobody}\"\n"),
    ));
    let parts = ["Intercom cannot be reached", "destination.base_url", &nobody, "run again"];
    world.refuses(&["run"], &parts).await;
}

#[tokio::test]
async fn somebody_else_there() {
    let world = World::new().await;
    let wrong = format!("{}/elsewhere", world.endpoints.intercom);
    world.configure(&world.by_api().replace(
        &format!("base_url = \"{}\"\n", world.endpoints.intercom),
        &format!("base_url = \"{wrong}\"\n"),
    ));
    world
        .refuses(&["run"], &["Intercom refused the first call", "destination.base_url", &wrong])
        .await;
}

#[tokio::test]
async fn a_fallback_admin_who_is_no_teammate() {
    let world = World::new().await;
    let named = world.endpoints.fallback_admin.clone();
    world.configure(&world.by_api().replace(&named, "nobody@example.com"));
    let message = world
        .refuses(&["run"], &["destination.fallback_admin is no teammate", "Invite that person"])
        .await;
    assert!(!message.contains("nobody@"), "{message}");
}
