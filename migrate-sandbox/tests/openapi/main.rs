//! Checks every reply of the sandbox's Intercom against the vendor's description of the API.
//!
//! Set `INTERCOM_OPENAPI` to the description of version 2.16 as JSON; a path to its YAML form is taken to mean the
//! JSON beside it. Without the variable the test says that it is skipped.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../../../intercom-client/tests/description/mod.rs"]
mod description;
mod exceptions;
mod replies;
mod scenario;

use std::collections::BTreeSet;

use description::{Description, Problem, is_hole};
use exceptions::{EXCEPTIONS, NOT_PLAYED};
use migrate_sandbox::Sandbox;
use reqwest::Method;
use scenario::Desk;
use serde_json::json;

#[tokio::test]
async fn every_reply_is_as_described() {
    let Some(description) = Description::from_env() else {
        return;
    };
    let desk = Desk::start().await;
    let served = served(&description, &desk).await;
    scenario::play(&desk).await;

    let mut problems: Vec<Problem> = Vec::new();
    let mut answered: BTreeSet<(String, u16)> = BTreeSet::new();
    let seen = desk.seen();
    for reply in &seen {
        let path = reply.path.split('?').next().unwrap_or_default();
        let (operation, found) =
            description.check_reply(&reply.method, path, reply.status, reply.body.as_ref());
        answered.insert((operation, reply.status));
        problems.extend(found);
    }
    println!("{} replies of {} operations checked", seen.len(), served.len());

    let unknown: Vec<&Problem> =
        problems.iter().filter(|it| !EXCEPTIONS.iter().any(|(key, _)| it.key() == *key)).collect();
    let keys: BTreeSet<String> = unknown.iter().map(|it| it.key()).collect();
    assert!(unknown.is_empty(), "{keys:#?}\n{unknown:#?}");
    for (key, _) in EXCEPTIONS {
        let needed = problems.iter().any(|problem| problem.key() == *key);
        assert!(needed, "the exception for {key} is not needed any more");
    }

    let expected: BTreeSet<(String, u16)> = served
        .iter()
        .flat_map(|name| description.statuses(name).into_iter().map(|it| (name.clone(), it)))
        .collect();
    let missing: Vec<_> = expected.difference(&answered).collect();
    let excused = |(name, status): &(String, u16)| {
        NOT_PLAYED.iter().any(|(of, code, _)| of == name && code == status)
    };
    let unplayed: Vec<_> = missing.iter().filter(|it| !excused(it)).collect();
    assert!(unplayed.is_empty(), "described, served and never answered here: {unplayed:#?}");
    for (name, status, _) in NOT_PLAYED {
        let needed = missing.contains(&&((*name).to_owned(), *status));
        assert!(needed, "{name} {status} is answered or not described, so it needs no excuse");
    }
}

/// The described operations that the sandbox knows. Each is asked for once without a valid token on the way.
async fn served(description: &Description, desk: &Desk) -> Vec<String> {
    let others = |sandbox: &Sandbox| -> u64 {
        let counters = sandbox.counters();
        counters.intercom.iter().filter(|(name, _)| name.ends_with(" other")).map(|(_, n)| n).sum()
    };
    let mut served = Vec::new();
    for (method, template) in description.operations() {
        let filled = template.split('/').map(|part| if is_hole(part) { "0" } else { part });
        let path = filled.collect::<Vec<_>>().join("/");
        let before = others(&desk.sandbox);
        let reply = desk.strange(&method, &path).await;
        assert_eq!(reply.status, 401, "{method} {template}");
        if others(&desk.sandbox) == before {
            desk.note(reply);
            served.push(format!("{method} {template}"));
        }
    }
    served
}

/// The checker is strict enough to refuse what the sandbox must not answer.
#[test]
fn what_is_not_described_is_found() {
    let Some(description) = Description::from_env() else {
        return;
    };
    let contact = |change: serde_json::Value| {
        let mut contact = json!({"type": "contact", "id": "a", "owner_id": "1"});
        contact.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        contact
    };
    let conversation = json!({"type": "conversation", "priority": "not_priority"});
    let list = json!({"type": "list", "data": [contact(json!({"role": 1}))]});
    for (path, status, body, at) in [
        ("/contacts/a", 200, contact(json!({"owner_id": 1})), "contact.owner_id"),
        ("/contacts/a", 200, contact(json!({"id": null})), "contact.id"),
        ("/contacts/a", 200, contact(json!({"tags": {"has_more": 1}})), "contact_tags.has_more"),
        ("/contacts/a", 200, contact(json!({"nick": 1})), "contact.nick"),
        ("/contacts", 200, list, "contact.role"),
        ("/conversations/1", 200, conversation, "conversation.priority"),
        ("/contacts/a", 401, json!({"type": "error.list"}), "error"),
        ("/tags/1", 404, json!({"type": "error.list", "errors": [{}]}), "error.errors.*"),
        ("/contacts/a", 418, json!({}), "GET /contacts/{contact_id} 418"),
    ] {
        let (_, problems) = description.check_reply(&Method::GET, path, status, Some(&body));
        assert!(problems.iter().any(|it| it.key() == at), "{path} {body} {problems:?}");
    }
    let (_, problems) = description.check_reply(&Method::DELETE, "/tags/1", 200, None);
    assert!(problems.is_empty(), "{problems:?}");
}
