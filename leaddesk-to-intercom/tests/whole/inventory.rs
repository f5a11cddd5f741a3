//! What is documented and not migrated: all of it, nothing else, and for the right people.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use migrate_sandbox::{Account, AccountSpec};
use serde_json::{Value, json};

use crate::bench::{Bench, by_export};

fn account() -> Account {
    Account::generate(&AccountSpec::new(20, 41))
}

fn json_of(bench: &Bench, name: &str) -> Value {
    serde_json::from_slice(&fs::read(bench.path("state/inventory").join(name)).unwrap()).unwrap()
}

fn text_of(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path("state/inventory").join(name)).unwrap()
}

/// All files of the inventory with their contents.
fn files(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let dir = bench.path("state/inventory");
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// The agents of the account who are no teammates of the workspace, by user name.
fn strangers(bench: &Bench, account: &Account) -> BTreeSet<String> {
    let workspace = bench.sandbox.workspace();
    let is_teammate =
        |email: &str| workspace.admins.iter().any(|admin| admin.email.eq_ignore_ascii_case(email));
    let has_one = |email: &Option<String>| email.as_deref().is_some_and(is_teammate);
    let agents = account.agents.iter().filter(|agent| !has_one(&agent.primary_email));
    agents.map(|agent| agent.username.clone()).collect()
}

fn invited(bench: &Bench) -> BTreeSet<String> {
    let invited = json_of(bench, "teammates_to_invite.json");
    let names = invited.as_array().unwrap().iter().map(|it| it["username"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_is_documented_whole() {
    let mut account = account();
    account.agents[0].office = Some("TURKU".into());
    let mut bench = Bench::new(account.clone()).await;
    let team = bench.sandbox.workspace().teams[0].name.clone();
    let dir = bench.path("export");
    account.export(&dir).unwrap();
    write(&dir, &team);
    bench.settings.source = by_export(&bench.endpoints, &dir);
    let report = bench.run().await.report;
    let stage = report.stages.iter().find(|it| it.name == "inventory").unwrap();
    let count = account.campaigns.len() as u64 + 3 + 2 + 1 + 1 + 2 + 3;
    assert_eq!((stage.read, stage.inventoried, stage.calls), (count, count, 0));

    let campaigns = json_of(&bench, "campaigns.json");
    let names: Vec<&str> =
        campaigns.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let expected: Vec<&str> = account.campaigns.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, expected);
    assert_eq!(
        json_of(&bench, "projects.json"),
        json!([
            { "id": "1", "name": "Nordic", "Status": "open", "Sponsor": "Oy Sponsor Ab" },
            { "id": "2", "name": format!(" {} ", team.to_uppercase()) },
            { "id": "3", "name": "Old, and closed", "Status": "closed" },
        ])
    );
    assert_eq!(json_of(&bench, "offices.json")[1]["Time zone"], "Europe/Stockholm");
    let taxonomy = json_of(&bench, "taxonomy.json");
    assert_eq!(taxonomy["outcomes"], json!([{ "id": "17", "name": "Deal" }]));
    assert_in_use(&taxonomy, &account);
    let field = json!({ "id": "other_info_30", "name": "Hobby", "type": "text" });
    assert_eq!(json_of(&bench, "custom_fields.json"), json!([field]));
    assert_eq!(
        json_of(&bench, "dialer.json"),
        json!([{ "id": 5, "mode": "predictive", "ratio": 1.5 }, { "mode": "manual" }])
    );
    assert_eq!(json_of(&bench, "leadapps.json").as_array().unwrap().len(), 3);
    let apps = text_of(&bench, "leadapps.md");
    for part in ["## Quote", "- purpose: makes quotes", "## second", "see leadapps.json, `steps`"] {
        assert!(apps.contains(part), "{part} is not in:\n{apps}");
    }

    let teams = json_of(&bench, "teams_to_create.json");
    let teams: Vec<&str> =
        teams.as_array().unwrap().iter().map(|it| it["for"].as_str().unwrap()).collect();
    assert_eq!(
        teams,
        ["project:1", "project:3", "office:9", "office:8"],
        "one is there by another spelling"
    );
    let nordic = &json_of(&bench, "teams_to_create.json")[0];
    assert_eq!(nordic["details"], json!({ "Status": "open", "Sponsor": "Oy Sponsor Ab" }));
    let office = &json_of(&bench, "teams_to_create.json")[2];
    assert_eq!(office["details"], json!({ "Time zone": "Europe/Helsinki" }));
    let member = account.agents[0].primary_email.as_ref().unwrap();
    assert_eq!(office["members"], json!([member]));
    assert!(!strangers(&bench, &account).is_empty());
    assert_eq!(invited(&bench), strangers(&bench, &account));
    let handover = text_of(&bench, "handover.md");
    assert!(handover.contains("| dialer configurations | 2 | `dialer.json` |"), "{handover}");
    assert!(!handover.contains("## Questions"), "{handover}");
    #[cfg(unix)]
    for (path, _) in files(&bench) {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
    }

    let before = files(&bench);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert_eq!(files(&bench), before);

    // Nothing waits for teams: they are asked for, and found when they are there or named.
    let stage = report.stages.iter().find(|it| it.name == "teams").unwrap();
    assert_eq!((stage.read, stage.unchanged, stage.queued, stage.calls), (5, 1, 4, 1));
    assert_eq!(report.queues["teams_missing"], 4);
    assert!(report.notes.iter().any(|note| note.starts_with("[teams] 4 projects and offices")));
    let id = bench.sandbox.workspace().teams[1].id;
    bench.settings.further = format!(
        "[map.teams]\nnordic = '{}'\nTurku = '{id}'\nNight = 'Owls'\n",
        team.to_lowercase()
    );
    bench.sandbox.edit(|workspace| workspace.teams[1].name = "Umeå ".into());
    fs::remove_file(bench.path("state/plan.json")).unwrap();
    let report = bench.run().await.report;
    assert_eq!((report.queues["teams_missing"], report.last_run.writes), (2, 0));
    let teams = json_of(&bench, "teams_to_create.json");
    let closed = json!({
        "team": "Old, and closed", "for": "project:3", "name": "Old, and closed",
        "details": { "Status": "closed" }, "members": [],
    });
    let named = json!({ "team": "Owls", "for": "[map.teams]", "name": "Night" });
    assert_eq!(teams, json!([closed, named]));
}

/// What contacts, calls and chats name is there, whatever the source documents.
fn assert_in_use(taxonomy: &Value, account: &Account) {
    let of = |names: Vec<Option<&String>>| -> BTreeSet<String> {
        let names = names.into_iter().flatten().map(|name| name.trim().to_owned());
        names.filter(|name| !name.is_empty()).collect()
    };
    let mut outcomes =
        of(account.calls.iter().map(|it| it.call_ending_reason_name.as_ref()).collect());
    outcomes.extend(of(account.contacts.iter().map(|it| it.last_reason.as_ref()).collect()));
    let campaigns = of(account.calls.iter().map(|it| it.campaign_name.as_ref()).collect());
    let found = |list: &str| -> BTreeSet<String> {
        let names = taxonomy["in_use"][list].as_array().unwrap().iter();
        names.map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    assert!(!found("outcomes").is_empty() && found("outcomes").is_subset(&outcomes));
    assert!(!found("campaigns").is_empty() && found("campaigns").is_superset(&campaigns));
}

/// The files that the sandbox has none of.
fn write(dir: &Path, team: &str) {
    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write(
        "projects.csv",
        &format!(
            "Project ID;Projekti;Status;Sponsor\n1;Nordic;open;Oy Sponsor Ab\n2; {} ;;\n3;Old, and closed;closed;\n",
            team.to_uppercase()
        ),
    );
    write(
        "offices.csv",
        "id;Toimisto;Time zone\n9;Turku;Europe/Helsinki\n8;Umeå;Europe/Stockholm\n",
    );
    write("outcomes.csv", "outcome id;name\n17;Deal\n");
    write("custom_fields.csv", "field id;name;type\nother_info_30;Hobby;text\n");
    write("dialer.json", r#"[{"id": 5, "mode": "predictive", "ratio": 1.5}, {"mode": "manual"}]"#);
    fs::create_dir(dir.join("leadapps")).unwrap();
    write("leadapps/first.json", "\u{feff}{\"name\": \"Quote\", \"purpose\": \"makes\\nquotes\"}");
    write("leadapps/second.json", r#"[{"steps": [1, 2]}, {"id": "x"}]"#);
    write("leadapps/notes.txt", "not one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_api_there_are_campaigns_and_questions() {
    let account = account();
    let bench = Bench::new(account.clone()).await;
    let report = bench.run().await.report;
    let stage = report.stages.iter().find(|it| it.name == "inventory").unwrap();
    assert_eq!(stage.inventoried, account.campaigns.len() as u64);
    let ids: Vec<u64> = json_of(&bench, "campaigns.json")
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids, account.campaigns.iter().map(|it| it.id).collect::<Vec<_>>());
    let handover = text_of(&bench, "handover.md");
    for part in
        ["## Questions to LeadDesk", "- LeadApps: the source delivered none", "`dialer.json`"]
    {
        assert!(handover.contains(part), "{part} is not in:\n{handover}");
    }
    let taxonomy = json_of(&bench, "taxonomy.json");
    assert_in_use(&taxonomy, &account);
    let count = taxonomy["in_use"]["outcomes"].as_array().unwrap().len();
    assert_eq!(taxonomy["outcomes"], json!([]));
    assert!(
        handover.contains(&format!("- outcomes: contacts, calls and chats name {count}, ")),
        "{handover}"
    );
    assert!(!handover.contains("outcomes: the source delivered none"), "{handover}");
    assert_eq!(invited(&bench), strangers(&bench, &account));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_before_anything_is_written() {
    let account = account();
    let mut bench = Bench::new(account.clone()).await;
    let dir = bench.path("export");
    account.export(&dir).unwrap();
    bench.settings.source = by_export(&bench.endpoints, &dir);
    let refused = async |name: &str, text: &str| {
        fs::write(dir.join(name), text).unwrap();
        let error = bench.runner().run(&Default::default()).await.unwrap_err();
        fs::remove_file(dir.join(name)).unwrap();
        assert!(error.message.contains(name), "{}", error.message);
        error.message
    };
    let message = refused("dialer.json", "{\n  \"mode\": ,\n}").await;
    assert!(message.contains("no JSON at line 2, column 11"), "{message}");
    let message = refused("projects.csv", "name;status\nNordic;open\n").await;
    assert!(message.contains("has no key column `id`"), "{message}");
    assert_eq!(bench.writes(), 0);
    fs::write(dir.join("offices.csv"), "id;name\n9;Turku;ragged\n8;Umeå\n").unwrap();
    let report = bench.runner().run(&Default::default()).await.unwrap().report;
    let stage = report.stages.iter().find(|it| it.name == "inventory").unwrap();
    let others = account.campaigns.len() as u64 + 1;
    assert_eq!((stage.read, stage.inventoried, stage.dead), (others + 1, others, 1));
    let dead = fs::read_to_string(bench.path("state/queues/dead.jsonl")).unwrap();
    assert!(dead.contains("\"offices.csv:1\""), "{dead}");
}
