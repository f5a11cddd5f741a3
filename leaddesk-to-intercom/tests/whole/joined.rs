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
    bench.sandbox.edit(|workspace| workspace.admins.push(admin));
    bench.run().await;
    let theirs = account.calls.iter().filter(|call| call.agent_id == Some(agent.id));
    let (said, assigned) = of(&bench, 7001);
    let calls: BTreeMap<String, bool> = theirs
        .map(|call| (format!("LeadDesk call {}", call.id), spoke(call)))
        .filter(|(marker, _)| assigned.contains(marker))
        .collect();
    assert!(calls.len() > 3 && calls.len() == assigned.len(), "{assigned:?}");
    let spoken: Vec<&String> =
        calls.iter().filter(|(_, spoke)| **spoke).map(|(it, _)| it).collect();
    assert!(!spoken.is_empty() && spoken.len() == said.len(), "{said:?} {spoken:?}");
    for conversation in bench.sandbox.workspace().conversations {
        assert_eq!(conversation.state, "closed");
        assert_eq!(conversation.parts.last().unwrap().part_type, "close", "the close comes last");
    }
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);

    let ended = bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    let left = ended.rollback.unwrap().stages.into_iter().flat_map(|stage| stage.left);
    assert_eq!(left.map(|it| it.key.to_string()).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(bench.sandbox.workspace().conversations.len(), before.conversations.len());
}
