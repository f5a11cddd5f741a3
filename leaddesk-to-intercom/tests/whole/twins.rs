//! A twin that is made behind the migration's back, while a write is in doubt: it is named, and
//! nothing is written once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use migrate_core::{Event, Observer};
use migrate_sandbox::{
    Account, AccountSpec, FaultKind, Faults, Sandbox, ServiceFaults, Strike, Workspace,
};

use crate::bench::{Bench, assert_same};

/// When the twin comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    /// Before the destination is asked about the doubtful write.
    BeforeTheLook,
    /// When that is settled already, so that only the last look can find it.
    AfterTheLook,
}

/// What can be made twice: the request, the stage, and how to double all of its kind.
const KINDS: [(&str, &str, Doubler); 3] = [
    ("POST /contacts/{id}/notes", "contacts", double_notes),
    ("POST /conversations", "calls", double_conversations),
    ("POST /conversations/{id}/reply", "calls", double_remarks),
];

type Doubler = fn(&mut Workspace);

fn double_notes(workspace: &mut Workspace) {
    for contact in &mut workspace.contacts {
        double(&mut contact.notes, |note| note.id.push_str(TWIN));
    }
}

fn double_conversations(workspace: &mut Workspace) {
    double(&mut workspace.conversations, |it| {
        it.id.insert_str(0, FAR);
        it.source.subject = TWIN.to_owned();
    });
}

fn double_remarks(workspace: &mut Workspace) {
    for conversation in &mut workspace.conversations {
        double(&mut conversation.parts, |part| part.id.push_str(TWIN));
    }
}

fn double<T: Clone>(all: &mut Vec<T>, mark: impl Fn(&mut T)) {
    let mut twins = all.clone();
    twins.iter_mut().for_each(mark);
    all.append(&mut twins);
}

/// What marks a twin: its id, where that may be any text, or its subject.
const TWIN: &str = "-twin";

/// What stands before the id of a conversation's twin: it has to be a number.
const FAR: &str = "7000";

fn are_twins(one: &str, other: &str) -> bool {
    other == format!("{one}{TWIN}") || other == format!("{FAR}{one}")
}

fn without_twins(mut workspace: Workspace) -> Workspace {
    workspace.conversations.retain(|it| it.source.subject != TWIN);
    for conversation in &mut workspace.conversations {
        conversation.parts.retain(|part| !part.id.ends_with(TWIN));
    }
    for contact in &mut workspace.contacts {
        contact.notes.retain(|note| !note.id.ends_with(TWIN));
    }
    workspace
}

async fn bench(strike: Option<Strike>) -> Arc<Bench> {
    let intercom =
        ServiceFaults { strikes: strike.into_iter().collect(), ..ServiceFaults::default() };
    let faults = Faults { intercom, ..Faults::default() };
    let account = Account::generate(&AccountSpec::new(12, 5));
    Arc::new(Bench::with(Sandbox::builder(account).faults(faults)).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_from_elsewhere_is_named_and_nothing_is_written_twice() {
    let calm = bench(None).await;
    let report = calm.run().await.report;
    assert!(twins_in(&report.notes).is_empty(), "{:?}", report.notes);
    for (call, stage, double_all) in KINDS {
        for comes in [Comes::BeforeTheLook, Comes::AfterTheLook] {
            let named = format!("{call}, {comes:?}");
            let bench = bench(Some(Strike::new(call, FaultKind::LostReply, 1))).await;
            let observer = injector(bench.clone(), stage, comes, double_all);
            let report = bench.run_with(bench.runner().observer(observer)).await.report;
            assert_eq!(bench.sandbox.counters().faults[&FaultKind::LostReply], 1, "{named}");

            // All were doubled, and only the one that was in doubt was looked at.
            let found = twins_in(&report.notes);
            let [twins] = &*found else { panic!("{named}: {:?}", report.notes) };
            // Notes of a contact are listed newest first, so either can be the first.
            let (one, other) = twins.split_once(' ').unwrap();
            assert!(are_twins(one, other) || are_twins(other, one), "{named}: {twins}");
            let file = std::fs::read(bench.path("state/report.json")).unwrap();
            let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
            assert_eq!(file["notes"], serde_json::json!(report.notes), "{named}");

            assert_eq!(bench.writes(), calm.writes(), "{named}: writes");
            let rest = without_twins(bench.sandbox.workspace());
            assert_same(&calm.sandbox.workspace(), &rest, &named);
            let again = bench.run().await.report;
            assert_eq!(again.last_run.writes, 0, "{named}: a second run");
            assert_eq!(twins_in(&again.notes), found, "{named}: a second run");
        }
    }
}

/// The ids in the notes about twins.
fn twins_in(notes: &[String]) -> Vec<String> {
    let ids = |note: &String| {
        let ids = note.strip_prefix("twin: ")?.strip_suffix(", 1 times")?;
        Some(ids.to_owned())
    };
    notes.iter().filter_map(ids).collect()
}

/// Doubles everything of a kind once, after a reply was lost. While others of the stage are settled
/// the doubtful write is still to be looked for; when the stage ends it has been found.
fn injector(
    bench: Arc<Bench>,
    stage: &'static str,
    comes: Comes,
    double_all: Doubler,
) -> Arc<dyn Observer> {
    let done = AtomicBool::new(false);
    Arc::new(move |event: &Event<'_>| {
        let now = match (comes, event) {
            (Comes::BeforeTheLook, Event::Settled { stage: this, .. })
            | (Comes::AfterTheLook, Event::StageEnded { stage: this }) => *this == stage,
            _ => false,
        };
        let is_struck = || !bench.sandbox.counters().faults.is_empty();
        if now && is_struck() && !done.swap(true, Ordering::Relaxed) {
            bench.sandbox.edit(double_all);
        }
    })
}
