//! Conversations that are assigned to the agent or to the agent's team.

use std::collections::BTreeMap;

use migrate_core::RollbackOptions;
use migrate_sandbox::workspace::Conversation;
use migrate_sandbox::{Account, AccountSpec, SourceCall};

use crate::bench::Bench;

/// Whom each call's conversation is assigned to, as admin and as team.
fn assignees(bench: &Bench) -> BTreeMap<u64, (u64, u64)> {
    let conversations = bench.sandbox.workspace().conversations;
    let assigned = conversations.iter().map(|it| {
        assert_eq!(it.state, "closed");
        assert_eq!(it.parts.last().unwrap().part_type, "close", "the close comes last");
        let marker = it.source.body.lines().last().unwrap();
        let id = marker.strip_prefix("LeadDesk call ").unwrap().parse().unwrap();
        (id, (it.admin_assignee_id, it.team_assignee_id))
    });
    assigned.collect()
}

async fn assigned(assign: &str, wanted: impl Fn(&Bench, &SourceCall) -> (u64, u64)) {
    let mut bench = Bench::new(Account::generate(&AccountSpec::plain(40, 81))).await;
    let team = bench.sandbox.workspace().teams[0].name.clone();
    bench.settings.further =
        format!("[calls]\nassign = '{assign}'\n[map.teams]\n'Team 2' = '{team}'");
    bench.run().await;
    let account = bench.sandbox.account();
    let wanted: BTreeMap<u64, (u64, u64)> =
        account.calls.iter().map(|call| (call.id, wanted(&bench, call))).collect();
    assert!(wanted.values().any(|it| *it != (0, 0)), "choose another seed");
    assert_eq!(assignees(&bench), wanted);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);

    // What we have assigned ourselves is nobody else's doing; a note of a teammate's is, also where
    // there was nobody to assign the conversation to.
    let nobodys = |it: &&Conversation| it.admin_assignee_id == 0 && it.team_assignee_id == 0;
    let all = bench.sandbox.workspace().conversations;
    let kept = all.iter().find(nobodys).unwrap_or(&all[0]).id.clone();
    note(&bench, &kept).await;
    let ended = bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    assert!(!ended.rollback.unwrap().is_clean());
    let left = bench.sandbox.workspace().conversations;
    assert_eq!(left.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [kept]);
}

/// A teammate adds a note.
async fn note(bench: &Bench, conversation: &str) {
    let admin = bench.sandbox.workspace().admins[0].id.to_string();
    let note = serde_json::json!({
        "message_type": "note", "type": "admin", "admin_id": admin, "body": "call her"
    });
    let url = format!("{}/conversations/{conversation}/reply", bench.endpoints.intercom);
    let request = reqwest::Client::new().post(url).bearer_auth(&bench.endpoints.intercom_token);
    let request = request.header("Intercom-Version", "2.16");
    let request = request.header("Content-Type", "application/json").body(note.to_string());
    assert!(request.send().await.unwrap().status().is_success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_the_agents_teammate() {
    assigned("admin", |bench, call| {
        let account = bench.sandbox.account();
        let agent = account.agents.iter().find(|it| Some(it.id) == call.agent_id).unwrap();
        let email = agent.primary_email.clone().filter(|_| agent.has_teammate);
        let admins = bench.sandbox.workspace().admins;
        let admin = admins.iter().find(|it| email.as_ref() == Some(&it.email));
        (admin.map_or(0, |it| it.id), 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_the_team_that_the_agents_group_is_matched_with() {
    assigned("team", |bench, call| {
        let team = bench.sandbox.workspace().teams[0].id;
        (0, if call.agent_group_name.as_deref() == Some("Team 2") { team } else { 0 })
    })
    .await;
}
