//! Agents who become teammates after another has spoken for them.

use std::collections::BTreeMap;

use migrate_core::RollbackOptions;
use migrate_sandbox::workspace::{Admin, Conversation};
use migrate_sandbox::{Account, AccountSpec, SourceCall};

use crate::bench::Bench;

/// The conversations in which an admin says something, and those assigned to them.
fn of(bench: &Bench, admin: u64) -> (Vec<String>, Vec<String>) {
    let conversations = bench.sandbox.workspace().conversations;
    let by = |it: &&Conversation| {
        let mut said = it.parts.iter().filter(|part| part.body.is_some());
        said.any(|part| part.author.id == admin.to_string())
    };
    let markers = |of: &dyn Fn(&&Conversation) -> bool| {
        let chosen = conversations.iter().filter(|it| of(it));
        chosen.map(|it| it.source.body.lines().last().unwrap().to_owned()).collect()
    };
    (markers(&by), markers(&|it| it.admin_assignee_id == admin))
}

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

fn spoke(call: &SourceCall) -> bool {
    call.comment.as_ref().is_some_and(|comment| !comment.trim().is_empty())
}

/// What they were not there for is theirs from the next run on: assigned, and claimed once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_invited_later_gets_what_is_theirs() {
    let spec = AccountSpec::new(24, 82).with(|spec| spec.agents_without_teammate = 1.0);
    let mut bench = Bench::new(Account::generate(&spec)).await;
    let before = bench.sandbox.workspace();
    bench.settings.further = "[calls]\nassign = 'admin'".into();
    bench.run().await;
    assert!(bench.sandbox.workspace().conversations.iter().all(|it| it.admin_assignee_id == 0));
    let writes = bench.writes();
    assert_eq!(bench.run().await.report.last_run.writes, 0, "nobody new is there");
    assert_eq!(bench.writes(), writes);

    let account = bench.sandbox.account();
    let agent = account.agents.iter().find(|it| it.primary_email.is_some()).unwrap();
    let admin = Admin { id: 7001, email: agent.primary_email.clone().unwrap(), ..Admin::default() };
    // In one of their conversations the customer has answered since, and one was given to somebody.
    let of_agent =
        account.calls.iter().filter(|call| call.agent_id == Some(agent.id) && spoke(call));
    let markers: Vec<String> = of_agent.map(|call| format!("LeadDesk call {}", call.id)).collect();
    let mut touched = Vec::new();
    bench.sandbox.edit(|workspace| {
        workspace.admins.push(admin);
        let other = workspace.admins[0].id;
        let theirs = workspace.conversations.iter_mut();
        let mut theirs =
            theirs.filter(|it| markers.iter().any(|it2| it.source.body.ends_with(it2)));
        let answered = theirs.next().unwrap();
        let mut part = answered.parts.last().unwrap().clone();
        (part.id, part.part_type) = ("990001".into(), "comment".into());
        (part.body, part.created_at) = (Some("<p>Yes?</p>".into()), now());
        answered.parts.push(part);
        answered.state = "open".into();
        let given = theirs.next().unwrap();
        given.admin_assignee_id = other;
        touched = vec![answered.id.clone(), given.id.clone()];
    });
    bench.run().await;
    let theirs = account.calls.iter().filter(|call| call.agent_id == Some(agent.id));
    let (mut said, assigned) = of(&bench, 7001);
    said.retain(|marker| assigned.contains(marker));
    let calls: BTreeMap<String, bool> = theirs
        .map(|call| (format!("LeadDesk call {}", call.id), spoke(call)))
        .filter(|(marker, _)| assigned.contains(marker))
        .collect();
    assert!(calls.len() > 3 && calls.len() == assigned.len(), "{assigned:?}");
    let spoken: Vec<&String> =
        calls.iter().filter(|(_, spoke)| **spoke).map(|(it, _)| it).collect();
    assert!(!spoken.is_empty() && spoken.len() == said.len(), "{said:?} {spoken:?}");
    let conversation = |id: &str| {
        let mut all = bench.sandbox.workspace().conversations.into_iter();
        all.find(|it| it.id == id).unwrap()
    };
    assert_eq!(conversation(&touched[0]).state, "open", "whoever has answered is not cut off");
    assert_ne!(conversation(&touched[1]).admin_assignee_id, 7001, "who was chosen by hand stays");
    let others = bench.sandbox.workspace().conversations.into_iter();
    assert!(others.filter(|it| it.id != touched[0]).all(|it| it.state == "closed"));
    // What people have done is told as that.
    for mismatch in bench.verify().await.report.verify.unwrap().mismatches {
        assert!(["state", "assignee"].contains(&mismatch.field.as_str()), "{mismatch:?}");
    }
    assert_eq!(bench.run().await.report.last_run.writes, 0);

    let ended = bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    let left = ended.rollback.unwrap().stages.into_iter().flat_map(|stage| stage.left);
    let left: Vec<String> = left.filter_map(|it| it.object.map(|id| id.to_string())).collect();
    assert!(left.contains(&touched[0]), "{left:?}");
    let there = bench.sandbox.workspace().conversations.len();
    assert!((1..=2).contains(&(there - before.conversations.len())), "{there}");
}
