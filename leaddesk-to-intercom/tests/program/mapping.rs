//! Where custom fields go: proposed, looked at by a person, and obeyed.

use std::fs;

use super::world::World;

/// A run that nobody has allowed to take the proposal.
const RUN: &[&str] = &["--no-progress", "run"];

#[tokio::test]
async fn a_mapping_is_obeyed_when_somebody_has_confirmed_it() {
    let world = World::new().await;
    let message = world
        .refuses(
            RUN,
            &["Nobody has confirmed", "mapping.toml", "confirmed = true", "--accept-proposal"],
        )
        .await;
    assert!(message.ends_with("Nothing was written."), "{message}");
    let file = world.state("mapping.toml");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let proposed = fs::read_to_string(&file).unwrap();
    assert!(proposed.contains("[fields.Segment]") && proposed.contains("confirmed = false"));
    // It stays refused, and stays as it is, however often it is asked for.
    world.refuses(RUN, &["Nobody has confirmed"]).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), proposed);

    // A plan says so as well, also one that finds a mapping.
    for _ in 0..2 {
        let plan = world.succeeds(&["plan"]).await.stdout;
        assert!(plan.contains("field_mapping") && plan.contains("Nobody has confirmed"), "{plan}");
    }

    // To confirm it is no change, to edit it is one: the plan counts what it says.
    let confirmed = proposed.replace("confirmed = false", "confirmed = true");
    let edited = confirmed.replace("attribute = \"ld_newsletter\"", "attribute = \"wants_news\"");
    assert_ne!(edited, confirmed);
    fs::write(&file, &edited).unwrap();
    world
        .refuses(RUN, &["plan is stale", "mapping.Newsletter.attribute", "Run `plan` again"])
        .await;
    world.succeeds(&["plan"]).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), edited, "what a person wrote is never touched");
    let report = world.succeeds(RUN).await.json();
    assert_eq!(report["accounted"], true);
    let workspace = world.sandbox.workspace();
    assert!(workspace.contacts.iter().all(|it| it.custom_attributes.contains_key("wants_news")));
    assert!(
        workspace.contacts.iter().all(|it| !it.custom_attributes.contains_key("ld_newsletter"))
    );
    let found = world.succeeds(&["verify", "--all"]).await.json();
    assert_eq!(found["verify"]["mismatches"].as_array().unwrap().len(), 0);
}

/// What a delta and a redrive are told to do, they can be told.
#[tokio::test]
async fn a_delta_and_a_redrive_take_a_proposal_as_well() {
    let world = World::new().await;
    for command in ["delta", "redrive"] {
        let before = &["--no-progress", command];
        world.refuses(before, &["Nobody has confirmed", "--accept-proposal"]).await;
        let told = world.succeeds(&[command, "--accept-proposal", "--no-wait"]).await.json();
        assert_eq!(told["accounted"], true, "{command}");
    }
}

#[tokio::test]
async fn a_confirmed_plan_needs_no_other() {
    let world = World::new().await;
    world.succeeds(&["plan"]).await;
    let file = world.state("mapping.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("confirmed = false", "confirmed = true")).unwrap();
    assert_eq!(world.succeeds(RUN).await.json()["state"], "complete");
}

#[tokio::test]
async fn a_mapping_that_cannot_be_used_and_one_that_lacks_a_field() {
    let world = World::new().await;
    fs::create_dir(world.path("state")).unwrap();
    let file = world.state("mapping.toml");
    fs::write(&file, "confirmed = true\n[fields.Segment]\nas = 'string'\nattribut = 'x'\n")
        .unwrap();
    let nearest = "did you mean `attribute`";
    world.refuses(RUN, &["mapping.toml:4", "unknown field `attribut`", nearest, "`plan`"]).await;
    fs::write(&file, "confirmed = true\n[fields.Segment]\nas = 'string'\n").unwrap();
    world.refuses(RUN, &["fields.\"Segment\" needs an attribute"]).await;

    fs::write(&file, "confirmed = true\n[fields.Segment]\nas = 'skip'\n").unwrap();
    let plan = world.succeeds(&["plan"]).await.json();
    let said = plan["notes"].to_string();
    assert!(
        said.contains("have no rule in mapping.toml") && said.contains("mapping.proposed.toml"),
        "{said}"
    );
    let proposed = fs::read_to_string(world.state("mapping.proposed.toml")).unwrap();
    assert!(proposed.contains("[fields.Newsletter]") && !proposed.contains("[fields.Segment]"));
    let report = world.succeeds(RUN).await.json();
    assert!(report["queues"]["fields_for_review"].as_u64().unwrap() > 1);
    let waiting = fs::read_to_string(world.state("queues/fields_for_review.jsonl")).unwrap();
    let line = waiting.lines().find(|line| line.contains("\"field:Newsletter\"")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["kind"], &line["field"]), (&"field".into(), &"Newsletter".into()));
    assert!(line["remedy"].as_str().unwrap().contains("mapping.toml"));
    let workspace = world.sandbox.workspace();
    assert!(workspace.contacts.iter().all(|it| !it.custom_attributes.contains_key("ld_segment")));
}

/// A value that does not fit the type that its field is given names its record and its field, and is
/// kept whole in the note on the contact.
#[tokio::test]
async fn a_value_that_does_not_fit_is_named_and_kept() {
    let world = World::new().await;
    fs::create_dir(world.path("state")).unwrap();
    let rules = "confirmed = true\n[fields.Segment]\nas = 'integer'\nattribute = 'x_segment'\n";
    fs::write(world.state("mapping.toml"), rules).unwrap();
    let report = world.succeeds(RUN).await.json();
    let notes = report["notes"].to_string();
    assert!(notes.contains("does_not_fit: Segment, "), "{notes}");
    assert!(notes.contains("losses.jsonl names the record"), "{notes}");
    let losses = fs::read_to_string(world.state("losses.jsonl")).unwrap();
    let losses = losses.lines().map(|line| serde_json::from_str(line).unwrap());
    let lost: Vec<serde_json::Value> =
        losses.filter(|it: &serde_json::Value| it["code"] == "does_not_fit").collect();
    assert!(!lost.is_empty());
    let workspace = world.sandbox.workspace();
    for loss in lost {
        assert_eq!((&loss["field"], &loss["kind"]), (&"Segment".into(), &"contact".into()));
        let id = loss["key"].as_str().unwrap().strip_prefix("contact:").unwrap();
        let marker = format!("LeadDesk contact {id}");
        let mut notes = workspace.contacts.iter().flat_map(|contact| &contact.notes);
        let note = notes.find(|note| note.body.contains(&marker));
        assert!(note.is_some_and(|note| note.body.contains("Segment: ")), "{marker}");
    }
    let made = workspace.data_attributes.iter().find(|it| it.name == "x_segment");
    assert_eq!(made.map(|it| it.data_type.as_str()), Some("integer"));
}
