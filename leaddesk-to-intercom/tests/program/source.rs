//! A LeadDesk that refuses or is not there, and exports that cannot be used.

use std::fs;

use super::world::{World, closed_port};

#[tokio::test]
async fn a_key_that_is_not_accepted() {
    let mut world = World::new().await;
    world.variable("LEADDESK_API_KEY", Some("wrong-key-canary"));
    let parts = ["LeadDesk does not accept the API key", "LEADDESK_API_KEY", "ERR_AUTHENTICATION"];
    for command in ["plan", "run"] {
        let message = world.refuses(&[command], &parts).await;
        assert!(message.contains("source.original.key_env"), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
}

#[tokio::test]
async fn credentials_of_the_rest_api_that_are_not_accepted() {
    let mut world = World::new().await;
    world.variable("LEADDESK_CLIENT_SECRET", Some("wrong-secret-canary"));
    let parts = ["LeadDesk's REST API", "source.rest.client_secret_env", "LEADDESK_CLIENT_SECRET"];
    let message = world.refuses(&["run"], &parts).await;
    assert!(!message.contains("canary"), "{message}");
}

#[tokio::test]
async fn nobody_there() {
    let (world, other) = (World::new().await, World::new().await);
    let nobody = closed_port();
    world.configure(&world.by_api().replace(&world.endpoints.leaddesk_original, &nobody));
    other.configure(&other.by_api().replace(&other.endpoints.leaddesk_rest, &nobody));
    let parts = ["LeadDesk cannot be reached", "source.original.base_url", &nobody, "run again"];
    let rest = ["REST API cannot be reached", "source.rest.base_url", &nobody, "run again"];
    // Both are patient before they give up.
    tokio::join!(world.refuses(&["run"], &parts), other.refuses(&["run"], &rest));
}

#[tokio::test]
async fn somebody_else_there() {
    let world = World::new().await;
    let config =
        world.by_api().replace(&world.endpoints.leaddesk_original, &world.endpoints.intercom);
    world.configure(&config);
    world.refuses(&["run"], &["LeadDesk", "source.original.base_url"]).await;
}

#[tokio::test]
async fn an_export_that_cannot_be_used() {
    let world = World::new().await;
    world.configure(&world.by_export());
    let (folder, contacts) = (world.path("export"), world.path("export/contacts.csv"));
    let names = [folder.to_str().unwrap(), contacts.to_str().unwrap()];

    world.refuses(&["run"], &["no export folder", names[0], "source.export.dir"]).await;
    fs::create_dir(&folder).unwrap();
    world.refuses(&["run"], &["no contacts.csv", names[0], "source.export.dir"]).await;
    fs::write(&contacts, "").unwrap();
    world.refuses(&["run"], &[names[1], "is empty", "column `id`"]).await;
    fs::write(&contacts, "Etunimi;Sukunimi\nMatti;Meikäläinen\n").unwrap();
    world.refuses(&["run"], &[names[1], "no key column `id`", "rename the column"]).await;
    fs::write(&contacts, b"id;n\xe4me\n1;x\n").unwrap();
    world.refuses(&["run"], &[names[1], "not UTF-8", "windows-1252", "encoding"]).await;

    world.sandbox.account().export(&folder).unwrap();
    let calls = world.path("export/calls.csv");
    fs::write(&calls, "Numero\n+358401234567\n").unwrap();
    world.refuses(&["run"], &[calls.to_str().unwrap(), "no key column `id`"]).await;
    assert_eq!(
        world.counters().intercom_calls(),
        0,
        "a folder is looked at before anybody is asked"
    );

    world.sandbox.account().export(&folder).unwrap();
    world.succeeds(&["run"]).await;
    world.all_is_there_once();
}

#[tokio::test]
async fn routes_to_calls_that_cannot_be_used() {
    let world = World::new().await;
    let good = world.by_api();
    let with =
        |route: &str| good.replace("[source.calls]\n", &format!("[source.calls]\n{route}\n"));

    world.configure(&with("ids_file = \"ids.txt\""));
    let ids = world.path("ids.txt");
    world.refuses(&["run"], &[ids.to_str().unwrap(), "source.calls.ids_file"]).await;

    world.configure(&with("csv = \"log.csv\""));
    let log = world.path("log.csv");
    world.refuses(&["run"], &[log.to_str().unwrap(), "source.calls.csv"]).await;
    fs::write(&log, "Numero\n+358401234567\n").unwrap();
    let parts = [log.to_str().unwrap(), "no key column `id`", "source.calls.csv"];
    world.refuses(&["run"], &parts).await;
}
