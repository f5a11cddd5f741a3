//! A first run: everything arrives, and the audit that says so would notice if it had not.

use migrate_sandbox::Workspace;

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, ugly};

/// Every contact and call of an account with all ugly cases is where it belongs, once, and nothing
/// else is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_arrives_whole() {
    for seed in [3, 4] {
        let bench = Bench::new(ugly(seed)).await;
        let finished = bench.run().await;
        assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
        for queue in ["contacts_without_identifier", "shared_email", "calls_without_time"] {
            let waiting = finished.report.queues.get(queue).copied().unwrap_or_default();
            assert!(waiting > 0, "seed {seed} has no case for the queue {queue}");
        }
    }
}

/// Each kind of damage is a finding of the audit, and says what is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_finds_damage() {
    let bench = Bench::new(ugly(3)).await;
    let before = audit(&bench.sandbox.account(), &bench.sandbox.workspace());
    assert!(before.len() > 50, "an empty workspace has {} findings", before.len());
    bench.run().await;
    let (account, whole) = (bench.sandbox.account(), bench.sandbox.workspace());

    type Damage = fn(&mut Workspace);
    let damages: [(&str, Damage); 12] = [
        ("is missing", |it| drop(it.contacts.pop())),
        ("should not be there", |it| it.contacts.push(Default::default())),
        ("name is", |it| last_contact(it).name = None),
        ("phone is", |it| last_contact(it).phone = Some("+358401111111".into())),
        ("ld_city is", |it| {
            drop(last_contact(it).custom_attributes.insert("ld_city".into(), 1.into()))
        }),
        ("further attributes", |it| {
            drop(last_contact(it).custom_attributes.insert("x".into(), 1.into()))
        }),
        ("notes is", |it| last_contact(it).notes.push(Default::default())),
        ("has no conversation", |it| drop(it.conversations.pop())),
        ("has 2 conversations", |it| it.conversations.extend(it.conversations.last().cloned())),
        ("created_at is", |it| it.conversations[5].created_at += 3600),
        ("state is", |it| it.conversations[5].state = "open".into()),
        ("remarks instead of", |it| it.conversations.iter_mut().for_each(|it| it.parts.clear())),
    ];
    for (expected, damage) in damages {
        let mut damaged = whole.clone();
        damage(&mut damaged);
        let findings = audit(&account, &damaged);
        assert!(findings.iter().any(|it| it.contains(expected)), "{expected}: {findings:?}");
    }
}

fn last_contact(workspace: &mut Workspace) -> &mut migrate_sandbox::workspace::Contact {
    workspace.contacts.last_mut().unwrap()
}
