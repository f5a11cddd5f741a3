//! One customer's migration from the first run to a rollback and the run after it, in the order in which
//! things happen.

use std::collections::BTreeSet;

use leaddesk_to_intercom::runner::{Exit, Finished};
use migrate_core::{RollbackOptions, RunOptions, RunState, Scope};
use migrate_sandbox::workspace::Admin;
use migrate_sandbox::{Account, AccountSpec, SourceAgent, SourceCall};
use serde_json::Value;

use crate::bench::{Bench, by_api};
use crate::mended::written;

/// An account with an agent who is no teammate yet, and a contact whose only address is none. Three of its
/// calls come later: they are handed out apart.
fn account() -> (Account, Vec<SourceCall>, u64) {
    let spec = AccountSpec::plain(30, 6).with_calls_per_contact(2.0);
    let mut account = Account::generate(&spec.with(|spec| spec.agents_without_teammate = 0.3));
    for agent in &mut account.agents {
        agent.primary_email = Some(format!("{}@example.com", agent.username));
    }
    let bad = &mut account.contacts[11];
    bad.email = Some("anna(at)example".into());
    bad.phonenumbers.clear();
    let bad = bad.id;
    // None of them is the last of its contact, which would change with it, or at an end of the ids.
    let last: BTreeSet<u64> = account.contacts.iter().filter_map(|it| it.last_call_id).collect();
    let is_free = |it: &&SourceCall| !last.contains(&it.id) && it.contact_id != Some(bad);
    let later: Vec<u64> =
        account.calls[1..].iter().filter(is_free).take(3).map(|it| it.id).collect();
    let (later, now) = account.calls.drain(..).partition(|it| later.contains(&it.id));
    account.calls = now;
    (account, later, bad)
}

fn made(bench: &Bench) -> (usize, usize) {
    let workspace = bench.sandbox.workspace();
    (workspace.contacts.len(), workspace.conversations.len())
}

fn handover(bench: &Bench) -> String {
    std::fs::read_to_string(bench.path("state/inventory/handover.md")).unwrap()
}

/// Checks that what these agents wrote of their calls is by the teammates who were invited, and says how many
/// wrote something.
fn speak_for_themselves(bench: &Bench, invited: &[SourceAgent]) -> usize {
    let (workspace, account) = (bench.sandbox.workspace(), bench.sandbox.account());
    let mut spoken = 0;
    for call in account
        .calls
        .iter()
        .filter(|it| it.comment.as_ref().is_some_and(|it| !it.trim().is_empty()))
    {
        let Some(agent) = invited.iter().find(|it| Some(it.id) == call.agent_id) else { continue };
        let key = Value::from(format!("leaddesk:call:{}", call.id));
        let mut conversations = workspace.conversations.iter();
        // Those of a contact that waits are not there.
        let Some(conversation) =
            conversations.find(|it| it.custom_attributes.get("ld_source_key__c") == Some(&key))
        else {
            continue;
        };
        let notes = conversation.parts.iter().filter(|it| it.part_type == "note");
        let authors: BTreeSet<String> = notes.map(|it| it.author.id.to_string()).collect();
        assert_eq!(authors, BTreeSet::from([(800_000 + agent.id).to_string()]), "{key}");
        spoken += 1;
    }
    spoken
}

async fn run(bench: &Bench) -> Finished {
    bench.runner().run(&RunOptions::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_from_its_first_run_to_its_last() {
    let (account, later, bad) = account();
    assert_eq!(later.len(), 3, "choose another seed");
    let absent: Vec<_> =
        account.agents.iter().filter(|agent| !agent.has_teammate).cloned().collect();
    let (people, calls) = (account.contacts.len(), account.calls.len());
    let of_bad = account.calls.iter().filter(|it| it.contact_id == Some(bad)).count();
    assert!(!absent.is_empty() && of_bad > 0, "choose another seed");
    let mut bench = Bench::new(account).await;
    bench.settings.without_fallback = true;
    let (first, last) = bench.endpoints.call_ids;
    let routes = format!("last_call = true\ngdpr_history = false\nid_range = [{first}, {last}]");
    bench.settings.source = by_api(&bench.endpoints, &routes);

    // Agents are missing: the stage that needs them is held back, and a checklist says whom to invite.
    let blocked = run(&bench).await;
    assert_eq!((blocked.exit, blocked.report.state), (Exit::Attention, RunState::Blocked));
    assert_eq!(blocked.report.queues["agents_without_teammate"], absent.len() as u64);
    assert_eq!(made(&bench), (people - 1, 0), "all but the one without an address");
    let invited = std::fs::read(bench.path("state/inventory/teammates_to_invite.json")).unwrap();
    let invited: Value = serde_json::from_slice(&invited).unwrap();
    let invited: BTreeSet<&str> =
        invited.as_array().unwrap().iter().map(|it| it["email"].as_str().unwrap()).collect();
    let expected = absent.iter().map(|agent| agent.primary_email.as_deref().unwrap());
    assert_eq!(invited, expected.collect());
    assert!(handover(&bench).contains("stage calls is held back"), "{}", handover(&bench));

    // The admin invites them: the next run goes on.
    bench.sandbox.edit(|workspace| {
        workspace.admins.extend(absent.iter().map(|agent| Admin {
            id: 800_000 + agent.id,
            name: agent.name.clone(),
            email: agent.primary_email.clone().unwrap(),
        }));
    });
    // A redrive finds them, and does not pass for a run: the calls are still to be read.
    let redriven = bench.runner().redrive(None).await.unwrap();
    assert_eq!((redriven.exit, redriven.report.state), (Exit::Stopped, RunState::Interrupted));
    let said = redriven.report.notes.iter().any(|it| it.contains("not all was read yet of calls"));
    assert!(said && made(&bench).1 == 0, "{:?}", redriven.report.notes);
    let whole = run(&bench).await;
    assert_eq!((whole.exit, whole.report.state), (Exit::Done, RunState::Complete));
    assert!(speak_for_themselves(&bench, &absent) > 0, "choose another seed");
    assert!(whole.report.accounted && !handover(&bench).contains("held back"));
    assert_eq!(whole.report.queues.get("agents_without_teammate"), None);
    assert_eq!(made(&bench), (people - 1, calls - of_bad));
    assert_eq!(whole.report.queues["contacts_without_identifier"], 1);
    assert_eq!(run(&bench).await.report.last_run.writes, 0);

    // Meanwhile a teammate renames a contact, and three calls are made: a delta brings the calls.
    let mut renamed = String::new();
    bench.sandbox.edit(|workspace| {
        let contact = &mut workspace.contacts[4];
        contact.name = Some("Known Better Here".into());
        contact.updated_at += 90;
        renamed.clone_from(&contact.id);
    });
    bench.sandbox.edit_account(|account| account.calls.extend(later));
    let before = bench.sandbox.counters().intercom;
    let delta = bench.runner().delta().await.unwrap();
    assert_eq!((delta.exit, delta.report.state), (Exit::Done, RunState::Complete));
    let writes = written(&bench, &before);
    assert_eq!(writes["POST /conversations"], 3, "{writes:?}");
    assert!(!writes.keys().any(|name| name.contains("/contacts")), "{writes:?}");
    let name = |bench: &Bench| bench.sandbox.workspace().contact(&renamed).unwrap().name.clone();
    assert_eq!(name(&bench).as_deref(), Some("Known Better Here"), "it is not overwritten");
    let found = bench.verify().await.report.verify.unwrap().mismatches;
    let found: Vec<_> = found.iter().map(|it| (it.field.as_str(), it.class.as_str())).collect();
    assert_eq!(found, [("name", "edited")], "and a verification says what it is");

    // Somebody mends the address in LeadDesk: a redrive brings the contact with its calls.
    bench.sandbox.edit_account(|account| {
        let mended = account.contacts.iter_mut().find(|it| it.id == bad).unwrap();
        mended.email = Some("anna@example.com".into());
        mended.updated_at = Some("2026-10-31 12:00:00".into());
    });
    let redriven = bench.runner().redrive(None).await.unwrap();
    assert_eq!(redriven.exit, Exit::Done);
    assert_eq!(redriven.report.queues.get("contacts_without_identifier"), None);
    assert_eq!(redriven.report.queues.get("waiting_for_parent"), None);
    assert_eq!(made(&bench), (people, calls + 3));
    assert_eq!(name(&bench).as_deref(), Some("Known Better Here"));
    assert_eq!(run(&bench).await.report.last_run.writes, 0);

    // The calls are taken back and run again: the same are there, and nobody else was touched.
    let calls_only = Scope::Stages(BTreeSet::from(["calls".to_owned()]));
    let contacts = bench.sandbox.workspace().contacts;
    let undone = bench.runner().rollback(&RollbackOptions::only(calls_only)).await.unwrap();
    assert_eq!(undone.error, None);
    assert_eq!(made(&bench), (people, 0));
    assert!(bench.sandbox.workspace().contacts == contacts, "only calls are taken back");
    let again = run(&bench).await;
    assert_eq!((again.exit, again.report.state), (Exit::Done, RunState::Complete));
    assert!(again.report.accounted);
    assert_eq!(made(&bench), (people, calls + 3));
    assert_eq!(name(&bench).as_deref(), Some("Known Better Here"));
    assert_eq!(run(&bench).await.report.last_run.writes, 0);
    let found = bench.verify().await.report.verify.unwrap();
    assert_eq!(found.mismatches.len(), 1, "the one that a teammate has renamed");
    assert!(found.checked >= (people + calls + 3) as u64);
}
