//! What a migration refuses before its first write, against the stand-ins of both services.

#![allow(clippy::unwrap_used, reason = "a test may fail at any step")]

mod preflight;

use std::path::Path;
use std::sync::Arc;

use intercom_client::{DataType, IntercomClient, NewDataAttribute};
use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::runner::{Exit, Runner, Unfinished};
use leaddesk_to_intercom::state::StateDir;
use migrate_core::RunOptions;
use migrate_sandbox::{Account, AccountSpec, Builder, ChatbotExport, Sandbox};

/// A small account between two stand-ins.
struct Stage {
    sandbox: Sandbox,
    dir: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|sandbox| sandbox).await
    }

    async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let account = Account::generate(&AccountSpec::new(12, 3).with_chats_per_contact(3.0));
        let sandbox = settings(Sandbox::builder(account)).start().await.unwrap();
        Self { sandbox, dir: tempfile::tempdir().unwrap() }
    }

    fn intercom(&self) -> IntercomClient {
        let endpoints = self.sandbox.endpoints();
        let token = endpoints.intercom_token.clone().into();
        IntercomClient::builder(token)
            .base_url(endpoints.intercom.parse().unwrap())
            .build()
            .unwrap()
    }

    fn runner(&self, lines: &str) -> Runner {
        let endpoints = self.sandbox.endpoints();
        let text = format!(
            "[source]\nkind = 'api'\ntime_zone = '{}'\nrequests_per_second = 10000.0\n\
             [source.original]\nbase_url = '{}'\n[destination]\nbase_url = '{}'\n\
             settle_after = '1s'\nsearch_lag_horizon = '1s'\n{lines}",
            endpoints.time_zone, endpoints.leaddesk_original, endpoints.intercom
        );
        let config = Config::parse(&text, "test.toml").unwrap();
        let state = StateDir::create(self.dir.path().join("state")).unwrap();
        let (key, token) = (endpoints.leaddesk_key.clone(), endpoints.intercom_token.clone());
        let secrets = Arc::new(move |name: &str| match name {
            "LEADDESK_API_KEY" => Some(key.clone()),
            "INTERCOM_TOKEN" => Some(token.clone()),
            _ => None,
        });
        Runner::new(config, state).secrets(secrets).accept_proposal(true)
    }

    fn state(&self) -> std::path::PathBuf {
        self.dir.path().join("state")
    }
}

fn refused(end: Result<impl std::fmt::Debug, Unfinished>) -> String {
    let end = end.unwrap_err();
    assert_eq!(end.exit, Exit::Failed);
    end.message
}

fn is_there(dir: &Path, name: &str) -> bool {
    dir.join(name).exists()
}

#[tokio::test]
async fn an_attribute_of_another_type_stops_the_run_before_its_first_write() {
    let stage = Stage::new().await;
    let attribute = NewDataAttribute::contact("ld_created_at", DataType::from("boolean"));
    stage.intercom().data_attributes().create(&attribute).await.unwrap();

    let before = stage.sandbox.workspace().contacts.len();

    let message = refused(stage.runner("").run(&RunOptions::default()).await);
    for part in ["`ld_created_at`", "names.created_at", "boolean", "then run again"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert_eq!(stage.sandbox.workspace().contacts.len(), before);
    assert!(!is_there(&stage.state(), "report.json"));

    let plan = stage.runner("").plan().await.unwrap();
    let found = plan.preflight.findings();
    assert!(found.iter().any(|it| it.found.contains("names.created_at")), "{found:?}");

    let renamed = stage.runner("[names]\ncreated_at = 'ld_made_at'\n");
    std::fs::remove_file(stage.state().join("plan.json")).unwrap();
    renamed.run(&RunOptions::default()).await.unwrap();
    assert!(stage.sandbox.workspace().contacts.len() > before);
}

#[tokio::test]
async fn a_plan_reckons_with_our_own_attributes_only_and_says_what_it_counts() {
    let stage = Stage::new().await;
    let calls = |plan: &leaddesk_to_intercom::runner::PlanFile| plan.stages[0].counts.calls;
    let first = stage.runner("").plan().await.unwrap();
    for name in ["of_others", "more_of_others"] {
        let attribute = NewDataAttribute::contact(name, DataType::from("string"));
        stage.intercom().data_attributes().create(&attribute).await.unwrap();
    }
    let second = stage.runner("").plan().await.unwrap();
    assert_eq!(calls(&second), calls(&first), "attributes of others save no call");
    let ours = NewDataAttribute::contact("ld_city", DataType::from("string"));
    stage.intercom().data_attributes().create(&ours).await.unwrap();
    let third = stage.runner("").plan().await.unwrap();
    assert_eq!(calls(&third), calls(&first) - 1);

    let counts_all = |note: &String| note.contains("as if nothing had been migrated yet");
    assert!(!third.notes.iter().any(counts_all));
    stage.runner("").run(&RunOptions::default()).await.unwrap();
    let after = stage.runner("").plan().await.unwrap();
    assert!(after.notes.iter().any(counts_all), "{:?}", after.notes);
    assert!(!is_there(&stage.state(), "scratch"));
}

/// Nobody speaks for agents here who are no teammates: chats wait as calls do, where there are any.
#[tokio::test]
async fn chats_are_held_back_like_calls() {
    let stage = Stage::new().await;
    let zip = stage.dir.path().join("chatbot.zip");
    stage.sandbox.account().export_chatbot(&zip, &ChatbotExport::new()).unwrap();
    let chats = format!("[source.chatbot]\nzip = '{}'\n", zip.display());
    let held = |lines: String| {
        let runner = stage.runner(&format!("[map.agents]\nghost = 'ghost@example.com'\n{lines}"));
        async move {
            let notes = runner.run(&RunOptions::default()).await.unwrap().report.notes;
            let held = notes.iter().filter_map(|note| note.strip_prefix("stage "));
            let held = held.filter_map(|note| note.split_once(" is held back until"));
            held.map(|(stage, _)| stage.to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(held(String::new()).await, ["calls"]);
    std::fs::remove_file(stage.state().join("plan.json")).unwrap();
    assert_eq!(held(chats).await, ["calls", "chats"]);
    assert!(stage.sandbox.workspace().conversations.is_empty());
}

/// Nobody speaks for agents without a teammate here: nothing of such a call is begun.
#[tokio::test]
async fn without_a_fallback_admin_a_call_with_a_comment_waits_for_its_agent() {
    let stage = Stage::new().await;
    stage.runner("").run(&RunOptions::default()).await.unwrap();
    let file = stage.state().join("queues/agents_without_teammate.jsonl");
    let waiting = std::fs::read_to_string(file).unwrap();
    assert!(waiting.lines().count() > 0);
    for conversation in &stage.sandbox.workspace().conversations {
        assert_eq!(conversation.state, "closed", "none is left half written");
    }

    let admin = stage.sandbox.endpoints().fallback_admin.clone();
    std::fs::remove_file(stage.state().join("plan.json")).unwrap();
    let spoken = format!("fallback_admin = '{admin}'\n");
    let end = stage.runner(&spoken).run(&RunOptions::default()).await.unwrap();
    assert!(!end.report.queues.contains_key("agents_without_teammate"), "{:?}", end.report.queues);
    let end = stage.runner(&spoken).verify(Default::default()).await.unwrap();
    let found = end.report.verify.unwrap();
    assert!(found.checked > 0 && found.mismatches.is_empty(), "{:?}", found.mismatches);
}
