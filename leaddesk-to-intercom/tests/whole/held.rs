//! What a rollback leaves keeps its values and tags: their attributes are not archived under them.

use std::time::Duration;

use leaddesk_to_intercom::runner::RolledBack;
use migrate_core::RollbackOptions;
use migrate_sandbox::Workspace;
use migrate_sandbox::workspace::{Contact, CreatedBy};
use serde_json::{Map, Value, json};

use crate::bench::{Bench, ugly};
use crate::rollback::{answer, assert_undone, left, roll_back};

/// Rolls back, and checks that the dry run has told the same.
pub(crate) async fn as_told(bench: &Bench) -> RolledBack {
    let dry = bench.runner().rollback(&RollbackOptions::dry()).await.unwrap();
    let ended = roll_back(bench).await;
    let (dry, real) = (dry.rollback.unwrap(), ended.rollback.as_ref().unwrap());
    assert_eq!(dry.stages, real.stages, "the dry run tells something else");
    ended
}

/// A rollback that is stopped when the workspace is so far.
pub(crate) async fn stop_when(
    bench: &Bench,
    options: &RollbackOptions,
    is_time: impl Fn(&Workspace) -> bool,
) {
    let runner = bench.runner();
    let stop = runner.stop_signal();
    let watch = async {
        while !is_time(&bench.sandbox.workspace()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.stop();
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = runner.rollback(options) => ended.unwrap(),
        () = watch => unreachable!(),
    };
    assert!(ended.error.is_some(), "it was not stopped");
}

/// When the conversations and some of the contacts have gone.
async fn stop_among_contacts(bench: &Bench) {
    let all = bench.sandbox.workspace().contacts.len();
    stop_when(bench, &RollbackOptions::default(), |now| now.contacts.len() + 20 <= all).await;
}

/// Which of this migration's attributes and tags are held, and which are out of use: the names of
/// each.
fn in_use(workspace: &Workspace) -> [Vec<String>; 2] {
    let holds = |values: &Map<String, Value>, name: &str| {
        values.get(name).is_some_and(|value| !value.is_null() && value != "")
    };
    let mut found = [Vec::new(), Vec::new()];
    let mut add = |name: &str, is_held: bool, is_there: bool| {
        assert_eq!(is_held, is_there, "{name}: it is held, it is in use");
        found[usize::from(!is_held)].push(name.to_owned());
    };
    for it in workspace.data_attributes.iter().filter(|it| it.created_by == CreatedBy::Api) {
        let mut contacts = workspace.contacts.iter().filter(|contact| !contact.archived);
        add(&it.name, contacts.any(|who| holds(&who.custom_attributes, &it.name)), !it.archived);
    }
    for it in workspace.conversation_attributes.iter().filter(|it| it.created_by == CreatedBy::Api)
    {
        let mut conversations = workspace.conversations.iter();
        let is_held = conversations.any(|call| holds(&call.custom_attributes, &it.name));
        add(&it.name, is_held, !it.archived);
    }
    found
}

fn ours<'a>(workspace: &'a mut Workspace, known: &[String], nth: usize) -> &'a mut Contact {
    let mut ours = workspace.contacts.iter_mut().filter(|it| !known.contains(&it.id));
    ours.nth(nth).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_keeps_its_values() {
    let bench = Bench::new(ugly(21)).await;
    let before = bench.sandbox.workspace();
    let known: Vec<String> = before.contacts.iter().map(|it| it.id.clone()).collect();
    bench.run().await;
    let whole = bench.sandbox.workspace();
    let (mut renamed, mut answered) = (String::new(), String::new());
    bench.sandbox.edit(|workspace| {
        let contact = ours(workspace, &known, 0);
        contact.name = Some("Somebody Else".into());
        renamed = contact.id.clone();
        answered = answer(workspace);
    });
    let edited = bench.sandbox.workspace();
    // Stopped when most has gone, it knows of the rest when it is gone on with.
    stop_among_contacts(&bench).await;
    let ended = as_told(&bench).await;
    let report = ended.rollback.unwrap();
    let after = bench.sandbox.workspace();
    let [held, free] = in_use(&after);
    assert!(held.len() > 5 && !free.is_empty(), "{held:?} {free:?}");
    for (key, code) in left(&report) {
        let is_held = held.iter().any(|name| key.ends_with(&format!(".{name}")));
        assert_eq!(code == "in_use_yet", is_held || key.starts_with("tag:"), "{key} {code}");
    }
    assert_eq!(after.contact(&renamed), edited.contact(&renamed), "it is as it was");
    for tag in &whole.contact(&renamed).unwrap().tags {
        assert!(after.tags.iter().any(|it| it.id == tag.id), "its tags are there");
    }

    // When they may go, so may what they held.
    bench.sandbox.edit(|workspace| {
        let name = whole.contact(&renamed).unwrap().name.clone();
        workspace.contacts.iter_mut().find(|it| it.id == renamed).unwrap().name = name;
        let conversation = workspace.conversations.iter_mut().find(|it| it.id == answered);
        conversation.unwrap().parts.retain(|part| part.id != "990001");
    });
    let ended = as_told(&bench).await;
    assert_undone(&bench, &before, &ended, "all of it");
}

/// Of somebody who was there before, what is put back is held no more, and what people have changed is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_put_back_is_not_held() {
    let bench = Bench::new(ugly(21)).await;
    let before = bench.sandbox.workspace();
    let known: Vec<String> = before.contacts.iter().map(|it| it.id.clone()).collect();
    bench.run().await;
    let mut filled = String::new();
    bench.sandbox.edit(|workspace| {
        let theirs = workspace.contacts.iter_mut().find(|it| {
            let filled = it.custom_attributes.contains_key("ld_created_at");
            known.contains(&it.id) && filled && !it.archived
        });
        let theirs = theirs.unwrap();
        assert!(theirs.custom_attributes.contains_key("ld_updated_at"), "more than that is filled");
        theirs.custom_attributes.insert("ld_created_at".into(), json!(1));
        filled = theirs.id.clone();
    });
    let report = as_told(&bench).await.rollback.unwrap();
    let [held, free] = in_use(&bench.sandbox.workspace());
    assert_eq!(held, ["ld_created_at"]);
    assert!(free.len() > 5, "{free:?}");
    let keys: Vec<&str> = left(&report).iter().map(|(key, _)| *key).collect();
    assert!(keys.contains(&"attribute:contact.ld_created_at"), "{keys:?}");
    let rest = keys.iter().filter(|key| key.starts_with("attribute:") || key.starts_with("tag:"));
    assert_eq!(rest.count(), 1, "{keys:?}");
}
