//! Secrets and people's data stay where they belong, however much is logged.

use migrate_sandbox::{Faults, Sandbox, ServiceFaults};

use super::world::{World, files, plain};

#[tokio::test]
async fn neither_secrets_nor_people_are_told() {
    let mut account = plain();
    let canary = &mut account.contacts[3];
    canary.fname = Some("Canarina".into());
    canary.lname = Some("Testperson".into());
    canary.email = Some("canarina.testperson@example.com".into());
    canary.phonenumbers = vec!["+358 40 765 4321".into()];
    canary.comment = Some("canary-comment".into());
    let people = ["Canarina", "Testperson", "canarina", "7654321", "765 4321", "canary-comment"];

    let mut world = World::of(Sandbox::builder(account)).await;
    world.variable("RUST_BACKTRACE", Some("full"));
    world.variable("LEADDESK_TO_INTERCOM_LOG", Some("trace"));
    let some = ServiceFaults {
        error_before: 0.02,
        error_after: 0.02,
        lost_reply: 0.02,
        truncated: 0.02,
        ..ServiceFaults::default()
    };
    let faults = Faults { seed: 5, leaddesk: some.clone(), intercom: some, ..Faults::default() };
    let mut outputs = Vec::new();
    outputs.push(world.succeeds(&["plan"]).await);
    world.sandbox.set_faults(faults);
    outputs.push(world.run(&["run"]).await);
    world.sandbox.set_faults(Faults::default());
    outputs.push(world.succeeds(&["run"]).await);
    for arguments in [&["verify", "--all"][..], &["status"], &["report"]] {
        outputs.push(world.succeeds(arguments).await);
    }
    world.variable("INTERCOM_TOKEN", Some("wrong"));
    outputs.push(world.run(&["run"]).await);

    for person in people {
        assert!(
            outputs.iter().all(|it| !it.stdout.contains(person) && !it.stderr.contains(person))
        );
    }
    assert!(world.state("log.jsonl").metadata().unwrap().len() > 4_000, "little was logged");
    for path in files(&world.path("state")).into_iter().filter(|path| path.is_file()) {
        let bytes = std::fs::read(&path).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        for secret in world.secrets() {
            assert!(!holds(secret), "a secret is in {}", path.display());
        }
        // The ledger alone may know people, and only as long as something of them waits.
        for person in people {
            assert!(!holds(person), "{person} is in {}", path.display());
        }
    }
}
