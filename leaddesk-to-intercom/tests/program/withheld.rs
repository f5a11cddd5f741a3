//! Secrets and people's data stay where they belong, however much is logged, whatever is done and however
//! it fails.

use std::path::Path;

use migrate_sandbox::{Account, ChatbotExport, Faults, Sandbox, ServiceFaults};

use super::world::{Ended, World, closed_port, files, plain};

/// What is of a person and stands nowhere but in the account and the workspace.
const PEOPLE: [&str; 9] = [
    "Canarina",
    "Testperson",
    "canarina",
    "7654321",
    "765 4321",
    "canary-comment",
    "canary-call",
    "canary-chat",
    "Kanarialintu",
];

/// An account with one of everything that is of a person.
fn with_canaries() -> Account {
    let mut account = plain();
    let canary = &mut account.contacts[3];
    canary.fname = Some("Canarina".into());
    canary.lname = Some("Testperson".into());
    canary.email = Some("canarina.testperson@example.com".into());
    canary.phonenumbers = vec!["+358 40 765 4321".into()];
    canary.comment = Some("canary-comment".into());
    canary.city = Some("Kanarialintu".into());
    // Two share an address, and one has none that can be used: both wait.
    account.contacts[4].email = Some("canarina.testperson@example.com".into());
    account.contacts[4].fname = Some("Canarina".into());
    account.contacts[5].email = Some("canarina(at)example".into());
    account.contacts[5].phonenumbers.clear();
    account.calls[2].comment = Some("canary-call".into());
    let chats = migrate_sandbox::AccountSpec::plain(30, 5).with_chats_per_contact(0.5);
    account.chats = Account::generate(&chats).chats;
    for chat in &mut account.chats {
        chat.email = Some("canarina.testperson@example.com".into());
        for turn in &mut chat.turns {
            turn.question = Some("canary-chat".into());
        }
    }
    account
}

/// What the program has said and what it has left behind, which hold neither a secret nor a person. The
/// ledger alone may know people, and only as long as something of them waits.
fn assert_withheld(world: &World, outputs: &[Ended]) {
    for ended in outputs {
        for canary in PEOPLE {
            let is_said = ended.stdout.contains(canary) || ended.stderr.contains(canary);
            assert!(!is_said, "{canary} was said: {}{}", ended.stdout, ended.stderr);
        }
    }
    for path in files(&world.path("state")).into_iter().filter(|path| path.is_file()) {
        let bytes = std::fs::read(&path).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        for secret in world.secrets() {
            assert!(!holds(secret), "a secret is in {}", path.display());
        }
        let is_ledger = path.to_string_lossy().contains("ledger.sqlite");
        for person in PEOPLE.iter().filter(|_| !is_ledger) {
            assert!(!holds(person), "{person} is in {}", path.display());
        }
    }
    #[cfg(unix)]
    for (path, mode) in super::world::modes(&world.path("state")) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}", path.display());
    }
}

fn loud(world: &mut World) {
    world.variable("RUST_BACKTRACE", Some("full"));
    world.variable("LEADDESK_TO_INTERCOM_LOG", Some("trace"));
}

/// The configuration with the chatbot's export, which lies beside it.
fn with_chatbot(world: &World, account: &Account) -> String {
    let zip = world.path("chatbot.zip");
    account.export_chatbot(&zip, &ChatbotExport::new()).unwrap();
    format!("{}[source.chatbot]\nzip = \"{}\"\n", world.by_api(), zip.display())
}

fn some_faults() -> Faults {
    let some = ServiceFaults {
        error_before: 0.02,
        error_after: 0.02,
        lost_reply: 0.02,
        truncated: 0.02,
        ..ServiceFaults::default()
    };
    Faults { seed: 5, leaddesk: some.clone(), intercom: some, ..Faults::default() }
}

/// Every command, as it should be and with both services failing in between.
#[tokio::test]
async fn no_command_tells_secrets_or_people() {
    let account = with_canaries();
    let mut world = World::of(Sandbox::builder(account.clone())).await;
    loud(&mut world);
    let configuration = with_chatbot(&world, &account);
    world.configure(&configuration);
    let mut outputs = Vec::new();
    for arguments in COMMANDS {
        world.sandbox.set_faults(some_faults());
        outputs.push(world.run(arguments).await);
        world.sandbox.set_faults(Faults::default());
        outputs.push(world.run(arguments).await);
        assert_withheld(&world, &outputs);
        let _ = std::fs::remove_file(world.state("report.html"));
    }
    outputs.push(world.succeeds(&["report"]).await);
    let page = std::fs::read_to_string(world.state("report.html")).unwrap();
    assert!(page.contains("<h2>Stages by fate</h2>") && page.ends_with("</html>\n"), "{page}");
    assert_withheld(&world, &outputs);
    assert!(world.state("log.jsonl").metadata().unwrap().len() > 4_000, "little was logged");
    assert!(outputs.iter().any(|it| it.code == Some(0)));
}

const COMMANDS: [&[&str]; 12] = [
    &["plan"],
    &["run", "--sample", "5"],
    &["run"],
    &["verify", "--all"],
    &["delta"],
    &["redrive"],
    &["status"],
    &["status", "--check"],
    &["report"],
    &["rollback", "--dry-run"],
    &["rollback"],
    &["report"],
];

/// Every failure that a command may meet: a wrong token or key, a service that is gone or answers with
/// nonsense, a ledger that cannot be opened, a place where nothing can be written.
#[tokio::test]
async fn no_failure_tells_secrets_or_people() {
    let account = with_canaries();
    let mut world = World::of(Sandbox::builder(account.clone())).await;
    loud(&mut world);
    let configuration = with_chatbot(&world, &account);
    world.configure(&configuration);
    let mut outputs = vec![world.run(&["run"]).await];
    let commands: [&[&str]; 6] =
        [&["plan"], &["run"], &["delta"], &["redrive"], &["verify"], &["rollback", "--dry-run"]];
    let both: [(&str, &str); 2] =
        [("INTERCOM_TOKEN", "canary-secret-1"), ("LEADDESK_API_KEY", "canary-secret-2")];
    let mut wrong_secrets = Vec::new();
    for (name, wrong) in both {
        let right = world.variables.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        world.variable(name, Some(wrong));
        for arguments in commands {
            outputs.push(world.run(arguments).await);
        }
        world.variable(name, Some(&right));
        wrong_secrets.push(wrong);
    }
    for gone in [world.endpoints.intercom.clone(), world.endpoints.leaddesk_original.clone()] {
        world.configure(&configuration.replace(&gone, &closed_port()));
        for arguments in commands {
            outputs.push(world.run(arguments).await);
        }
    }
    world.configure(&configuration);
    let always = ServiceFaults { truncated: 1.0, ..ServiceFaults::default() };
    for (leaddesk, intercom) in
        [(always.clone(), ServiceFaults::default()), (ServiceFaults::default(), always)]
    {
        world.sandbox.set_faults(Faults { leaddesk, intercom, ..Faults::default() });
        outputs.push(world.run(&["run"]).await);
    }
    world.sandbox.set_faults(Faults::default());
    assert!(outputs[1..].iter().any(|it| it.code == Some(1)), "nothing has failed");
    assert_withheld(&world, &outputs);
    for wrong in wrong_secrets {
        assert_no_trace(&world.path("state"), wrong);
        assert!(outputs.iter().all(|it| !it.stdout.contains(wrong) && !it.stderr.contains(wrong)));
    }

    // A file that is no ledger, and a disk on which nothing can be written.
    std::fs::write(world.state("ledger.sqlite"), "canarina.testperson@example.com").unwrap();
    let mut outputs = Vec::new();
    for arguments in commands.into_iter().chain([&["status"][..], &["report"]]) {
        outputs.push(world.run(arguments).await);
    }
    #[cfg(target_os = "linux")]
    for arguments in [&["run", "--state", "/dev/full"][..], &["report", "--state", "/dev/full"]] {
        outputs.push(world.run(arguments).await);
    }
    for ended in &outputs {
        assert_ne!(ended.code, Some(0), "{}", ended.stderr);
        for canary in PEOPLE {
            assert!(!ended.stdout.contains(canary) && !ended.stderr.contains(canary), "{canary}");
        }
    }
}

fn assert_no_trace(dir: &Path, text: &str) {
    for path in files(dir).into_iter().filter(|path| path.is_file()) {
        let bytes = std::fs::read(&path).unwrap();
        let holds = bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!holds, "{text} is in {}", path.display());
    }
}

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
