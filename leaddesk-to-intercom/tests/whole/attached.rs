//! What people attach to a contact or a conversation beside its fields: it is left with that.

use migrate_core::LeftBehind;
use migrate_sandbox::Workspace;
use migrate_sandbox::workspace::{Author, Conversation, Part};
use serde_json::json;

use crate::bench::{Bench, ugly};
use crate::held::as_told;
use crate::rollback::left;

/// An event or remark of a teammate, without a text.
fn part(id: u32, part_type: &str) -> Part {
    let author = Author { kind: "admin".into(), id: "991267001".into() };
    Part { id: id.to_string(), part_type: part_type.into(), author, ..Part::default() }
}

fn fill(conversation: &mut Conversation, by: &str) {
    let mut event = part(990_002, &format!("conversation_attribute_updated_by_{by}"));
    event.changed_attribute = Some("Product".into());
    conversation.parts.push(event);
    conversation.custom_attributes.insert("Product".into(), json!("Broadband"));
}

/// Attaches something to each of these, and hands out what it did by the ids.
fn attach(workspace: &mut Workspace, known: &[String]) -> Vec<(String, &'static str)> {
    let mut attached = Vec::new();
    let on_calls: Vec<String> =
        workspace.conversations.iter().flat_map(|it| it.contacts.clone()).collect();
    let alone = |id: &String| !known.contains(id) && !on_calls.contains(id);
    let contact = workspace.contacts.iter_mut().find(|it| alone(&it.id)).unwrap();
    contact.companies = vec!["company-1".into()];
    attached.push((contact.id.clone(), "companies"));
    let mut conversations = workspace.conversations.iter_mut();
    for what in ["links", "replies or notes", "values by admin", "values by user", "workflow"] {
        let conversation = conversations.next().unwrap();
        match what {
            "links" => conversation.linked_tickets = vec!["ticket-1".into()],
            "replies or notes" => {
                let attachments = vec!["offer.pdf".into()];
                let file = Part { attachments, ..part(990_001, "comment") };
                conversation.parts.push(file);
            }
            "values by admin" => fill(conversation, "admin"),
            "values by user" => fill(conversation, "user"),
            _ => fill(conversation, "workflow"),
        }
        attached.push((conversation.id.clone(), what.trim_end_matches(" by user")));
    }
    attached
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_have_attached_keeps_what_it_is_on() {
    let bench = Bench::new(ugly(21)).await;
    let known: Vec<String> =
        bench.sandbox.workspace().contacts.iter().map(|it| it.id.clone()).collect();
    bench.run().await;
    let mut attached = Vec::new();
    bench.sandbox.edit(|workspace| attached = attach(workspace, &known));
    let report = as_told(&bench).await.rollback.unwrap();
    let after = bench.sandbox.workspace();
    let all = || report.stages.iter().flat_map(|stage| &stage.left);
    for (id, what) in attached {
        let is_there = after.contact(&id).is_some()
            || after.conversations.iter().any(|conversation| conversation.id == id);
        let own = |it: &&LeftBehind| {
            it.object.as_deref() == Some(&id) && it.reason.code != "shares_object"
        };
        let told = all().find(own).map(|it| &it.reason);
        assert_eq!(told.is_some(), is_there, "{what}");
        assert_eq!(is_there, what != "workflow", "{what}: {:?}", left(&report));
        if let Some(reason) = told {
            assert_eq!(reason.code, "added_since", "{what}");
            let word = what.split(' ').next().unwrap();
            assert!(reason.message.contains(word), "{what}: {}", reason.message);
        }
    }
}
