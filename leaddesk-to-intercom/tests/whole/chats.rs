//! Sessions of the chatbot, from its export to conversations.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use leaddesk_to_intercom::runner::Exit;
use migrate_core::RunOptions;
use migrate_sandbox::{
    Account, AccountSpec, ChatbotExport, FaultKind, Faults, Sandbox, ServiceFaults, Strike,
};
use serde_json::Value;

use crate::audit::{audit, audit_with_chats};
use crate::bench::{Bench, assert_clean, assert_same, by_export, ugly};
use crate::touched::without_call_log;

/// An account with sessions of every kind.
pub(crate) fn talkative(seed: u64) -> Account {
    let mut account = ugly(seed);
    let chats = AccountSpec::new(80, seed).with_chats_per_contact(0.9);
    account.chats = Account::generate(&chats).chats;
    // They are those of another account: their visitors become people of this one.
    let emails = account.contacts.iter().filter_map(|contact| contact.email.clone());
    let mut emails = emails.filter(|email| email.contains('@')).cycle();
    for chat in account.chats.iter_mut().filter(|chat| chat.email.is_some()) {
        if !chat.email.as_deref().unwrap_or("").starts_with("stranger") {
            chat.email = emails.next();
        }
    }
    let mut phones = account.contacts.iter().filter_map(|it| it.phonenumbers.first().cloned());
    for chat in account.chats.iter_mut().filter(|chat| chat.phone.is_some()) {
        chat.phone = phones.next();
    }
    account
}

/// An account of which nothing but chats is left to be said: few people, no calls, no comments.
fn chats_alone(seed: u64) -> Account {
    let spec = AccountSpec::plain(10, seed).with_calls_per_contact(0.0);
    let mut account = Account::generate(&spec.with_chats_per_contact(1.2));
    account.contacts.iter_mut().for_each(|contact| contact.comment = None);
    account
}

/// The lines of a configuration that ask for the export.
fn asked(bench: &Bench, export: &ChatbotExport, lines: &str) -> String {
    let zip = bench.path("chatbot.zip");
    bench.sandbox.account().export_chatbot(&zip, export).unwrap();
    format!("[source.chatbot]\nzip = '{}'\n{lines}", zip.display())
}

pub(crate) async fn bench(account: Account, lines: &str) -> Bench {
    faulty(account, Vec::new(), lines).await
}

async fn faulty(account: Account, strikes: Vec<Strike>, lines: &str) -> Bench {
    let intercom =
        ServiceFaults { late_by: Duration::from_millis(500), strikes, ..ServiceFaults::default() };
    let faults = Faults { intercom, ..Faults::default() };
    let mut bench = Bench::with(Sandbox::builder(account).faults(faults)).await;
    bench.settings.further = asked(&bench, &ChatbotExport::new(), lines);
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_arrive_whole_and_a_second_run_writes_nothing() {
    let account = talkative(61);
    let bench = bench(account.clone(), "").await;
    let planned = bench.runner().plan().await.unwrap();
    let before = bench.sandbox.counters().intercom_calls();
    let finished = bench.run().await;
    let made = bench.sandbox.counters().intercom_calls() - before;
    assert!(planned.calls.abs_diff(made) as f64 / made as f64 <= 0.05, "{} {made}", planned.calls);
    let whole = bench.sandbox.workspace();
    assert_clean(&audit_with_chats(&account, &whole));
    assert!(!audit(&account, &whole).is_empty());
    let chats = finished.report.stages.iter().find(|stage| stage.name == "chats").unwrap();
    assert_eq!(chats.read, account.chats.len() as u64);
    assert!(chats.created > 50 && chats.queued > 0, "{chats:?}");
    assert!(finished.report.queues["calls_without_contact"] > 0);

    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    let again = bench.run().await;
    assert_eq!(again.report.last_run.writes, 0);
    assert!(bench.sandbox.workspace() == whole, "the workspace has changed");

    let mut folder = Bench::new(account.clone()).await;
    account.export(&folder.path("export")).unwrap();
    folder.settings.source = by_export(&folder.endpoints, &folder.path("export"));
    folder.settings.further = asked(&folder, &ChatbotExport::new(), "");
    folder.run().await;
    let found = without_call_log(folder.sandbox.workspace(), &whole);
    assert_same(&whole, &found, "from a folder");
}

/// Whatever write loses its reply, or takes effect late, nothing is twice and nothing is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_a_session_leaves_no_twin() {
    let account = chats_alone(63);
    let calm = bench(account.clone(), "").await;
    calm.run().await;
    let people = account.contacts.len() as u64;
    let calls = [
        // Behind those of the people come the visitors.
        ("POST /contacts", people + 1),
        ("POST /conversations", 3),
        ("POST /conversations/{id}/reply", 4),
        ("POST /conversations/{id}/parts", 2),
    ];
    let faults = [FaultKind::LostReply, FaultKind::LateEffect];
    let rows = calls.into_iter().flat_map(|call| faults.map(|fault| (call, fault)));
    let calm = &calm.sandbox.workspace();
    let rows = rows.map(|((call, from), fault)| {
        let account = account.clone();
        async move {
            let strikes = vec![Strike::new(call, fault, from).times(2)];
            let mut bench = faulty(account.clone(), strikes, "").await;
            bench.settings.patience = Some(("2s", "3s"));
            bench.run().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let named = format!("{call}, {fault:?}");
            assert_eq!(bench.sandbox.counters().faults.get(&fault), Some(&2), "{named}");
            assert_clean(&audit_with_chats(&account, &bench.sandbox.workspace()));
            assert_same(calm, &bench.sandbox.workspace(), &named);
            assert_eq!(bench.run().await.report.last_run.writes, 0, "{named}");
        }
    });
    // They wait most of the time.
    stream::iter(rows).buffer_unordered(8).collect::<Vec<()>>().await;
}

/// The same where anything may go wrong at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_all_sorts_leave_no_twin() {
    let account = chats_alone(68);
    let calm = bench(account.clone(), "").await;
    calm.run().await;
    for seed in [1, 2] {
        let intercom = ServiceFaults {
            error_before: 0.03,
            error_after: 0.05,
            lost_reply: 0.05,
            late_effect: 0.05,
            late_by: Duration::from_millis(300),
            truncated: 0.03,
            ..ServiceFaults::default()
        };
        let faults = Faults { seed, intercom, ..Faults::default() };
        let calm_start = Faults::default();
        let mut bench = Bench::with(Sandbox::builder(account.clone()).faults(calm_start)).await;
        bench.settings.further = asked(&bench, &ChatbotExport::new(), "");
        bench.settings.patience = Some(("1s", "1s"));
        bench.runner().plan().await.unwrap();
        bench.sandbox.set_faults(faults);
        // What stopped it is resumable.
        for _ in 0..10 {
            if bench.runner().run(&RunOptions::default()).await.is_ok_and(|it| it.error.is_none()) {
                break;
            }
        }
        bench.sandbox.set_faults(Faults::default());
        bench.run().await;
        let found = bench.sandbox.workspace();
        assert_clean(&audit_with_chats(&account, &found));
        assert_same(&calm.sandbox.workspace(), &found, &format!("seed {seed}"));
    }
}

/// Intercom shows the latest five hundred parts: doubt about a later one is settled all the same, and one that
/// never took effect is written again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_deep_in_a_long_thread_is_settled() {
    for fault in [FaultKind::LostReply, FaultKind::ErrorBefore] {
        let mut account = chats_alone(64);
        account.chats.retain(|chat| chat.turns.iter().any(|turn| turn.question.is_some()));
        account.chats.truncate(1);
        let chat = &mut account.chats[0];
        let turn = chat.turns.iter().find(|turn| turn.question.is_some()).unwrap().clone();
        chat.turns = (0..280)
            .map(|n| {
                let mut turn = turn.clone();
                turn.index = n + 1;
                turn.at = format!("2024-05-02 {:02}:{:02}:00", 10 + n / 60, n % 60);
                turn
            })
            .collect();
        chat.email = None;
        let strikes = vec![Strike::new("POST /conversations/{id}/reply", fault, 540).times(1)];
        let bench = faulty(account.clone(), strikes, "").await;
        bench.run().await;
        assert_eq!(bench.sandbox.counters().faults.get(&fault), Some(&1));
        assert_clean(&audit_with_chats(&account, &bench.sandbox.workspace()));
        assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_become_no_conversations_and_are_kept_in_the_inventory() {
    let account = chats_alone(65);
    let mut bench = Bench::new(account.clone()).await;
    let export = ChatbotExport::new().with(|export| export.buckets = true);
    bench.settings.further = asked(&bench, &export, "");
    let finished = bench.run().await;
    assert_eq!(finished.exit, Exit::Done);
    assert!(bench.sandbox.workspace().conversations.is_empty());
    let counts = |name: &str| {
        let stage = finished.report.stages.iter().find(|stage| stage.name == name).unwrap();
        (stage.read, stage.inventoried)
    };
    assert_eq!(counts("chats"), (0, 0));
    let notes = &finished.report.notes;
    for file in ["conversations.csv", "outcomes.csv", "timing.csv", "agent.csv"] {
        let said = |note: &String| note.starts_with(&format!("chatbot: {file}"));
        assert!(notes.iter().any(|note| said(note) && note.contains("counts per period")));
    }
    let text = std::fs::read(bench.path("state/inventory/chatbot_analytics.json")).unwrap();
    let kept: Value = serde_json::from_slice(&text).unwrap();
    let total: u64 = kept["files"][0]["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["total conversations"].as_str().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(total, account.chats.len() as u64);
    let handover = std::fs::read_to_string(bench.path("state/inventory/handover.md")).unwrap();
    assert!(handover.contains("`chatbot_analytics.json`"));
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// Visitors who are to wait, messages as notes, and somebody of their own who stands for the bot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_say_who_speaks_and_how() {
    let account = chats_alone(66);
    let bench = bench(account.clone(), "").await;
    let admin = bench.sandbox.workspace().admins[1].clone();
    let lines = format!("anonymous = 'queue'\nmessages = 'notes'\nbot_admin = '{}'", admin.email);
    let mut bench = Bench::new(account.clone()).await;
    bench.settings.further = asked(&bench, &ChatbotExport::new(), &lines);
    let finished = bench.run().await;
    let workspace = bench.sandbox.workspace();
    assert!(workspace.contacts.iter().all(|contact| contact.role == "user"));
    let anonymous =
        |chat: &&migrate_sandbox::SourceChat| chat.email.is_none() && chat.phone.is_none();
    let waiting = account.chats.iter().filter(anonymous).count();
    assert!(finished.report.queues["calls_without_contact"] >= waiting as u64);
    assert!(!workspace.conversations.is_empty());
    for conversation in &workspace.conversations {
        assert!(conversation.source.body.starts_with("Chat with the bot"));
        for part in conversation.parts.iter().filter(|part| part.body.is_some()) {
            assert_eq!(part.author.kind, "admin");
            let visitor = part.body.as_deref().is_some_and(|body| body.starts_with("Visitor: "));
            assert_eq!(visitor, part.part_type == "note" && visitor);
        }
        let bot = admin.id.to_string();
        assert!(conversation.parts.iter().any(|part| part.author.id == bot));
    }
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

/// A later export in which a chat went on: what is new is added, and the conversation is closed again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_went_on_goes_on() {
    let account = chats_alone(67);
    let mut bench = bench(account.clone(), "").await;
    bench.run().await;
    let (before, old) = (bench.writes(), bench.sandbox.workspace());
    let at = account.chats.iter().position(|chat| !chat.turns.is_empty()).unwrap();
    let id = account.chats[at].id.clone();
    bench.sandbox.edit_account(|account| {
        one_more_thing(&mut account.chats[at]);
    });
    bench.settings.further = asked(&bench, &ChatbotExport::new(), "");
    bench.run().await;
    assert_eq!(bench.writes() - before, 2, "a reply and the close");
    let marker = format!("LeadDesk chat {id}");
    let find = |workspace: &migrate_sandbox::Workspace| {
        let mut all = workspace.conversations.iter();
        all.find(|it| it.source.body.ends_with(&marker)).unwrap().clone()
    };
    let (was, is) = (find(&old), find(&bench.sandbox.workspace()));
    assert_eq!(is.state, "closed");
    let new = &is.parts[was.parts.len()..];
    assert_eq!(new[0].body.as_deref(), Some("One more thing"));
    assert_eq!(new[1].part_type, "close");
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// The visitor says something after all that was said.
fn one_more_thing(chat: &mut migrate_sandbox::SourceChat) {
    let mut turn = chat.turns.last().unwrap().clone();
    turn.index += 1;
    (turn.question, turn.answer) = (Some("One more thing".into()), None);
    turn.state = String::new();
    chat.turns.push(turn);
}

/// The lead of a chat was merged into a user, and the chat goes on: the user says what comes then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_of_a_merged_lead_goes_on_with_the_user() {
    let account = chats_alone(67);
    let mut bench = bench(account.clone(), "").await;
    bench.run().await;
    let is_anonymous = |chat: &&migrate_sandbox::SourceChat| {
        chat.email.is_none() && chat.phone.is_none() && !chat.turns.is_empty()
    };
    let id = account.chats.iter().find(is_anonymous).unwrap().id.clone();
    let marker = format!("LeadDesk chat {id}");
    let mut heir = String::new();
    bench.sandbox.edit(|workspace| {
        heir = workspace.contacts.iter().find(|it| it.role == "user").unwrap().id.clone();
        let mut all = workspace.conversations.iter();
        let lead = all.find(|it| it.source.body.ends_with(&marker)).unwrap().contacts[0].clone();
        let mut all = workspace.contacts.iter_mut();
        all.find(|it| it.id == lead && it.role == "lead").unwrap().merged_into = Some(heir.clone());
    });
    bench.sandbox.edit_account(|account| {
        one_more_thing(account.chats.iter_mut().find(|chat| chat.id == id).unwrap());
    });
    bench.settings.further = asked(&bench, &ChatbotExport::new(), "");
    bench.run().await;
    let workspace = bench.sandbox.workspace();
    let mut all = workspace.conversations.iter();
    let found = all.find(|it| it.source.body.ends_with(&marker)).unwrap();
    let said = found.parts.iter().find(|it| it.body.as_deref() == Some("One more thing")).unwrap();
    assert_eq!(said.author.id, heir);
    assert_eq!(found.state, "closed");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}
