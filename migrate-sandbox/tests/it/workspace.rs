use migrate_sandbox::workspace::{Contact, CreatedBy, DataAttribute};
use migrate_sandbox::{Account, AccountSpec, Sandbox, Workspace};
use serde_json::json;

use super::{Desk, plain};

/// The same two people with a conversation each, written forwards or backwards.
async fn written(backwards: bool) -> Workspace {
    let desk = Desk::start(plain()).await;
    if backwards {
        // Other ids from here on.
        desk.new_user("waste", "waste@example.com").await;
        let id = desk.get("/contacts/find_by_external_id/waste").await.1["id"]
            .as_str()
            .unwrap()
            .to_owned();
        desk.delete(&format!("/contacts/{id}")).await;
    }
    let mut people = vec!["a", "b"];
    if backwards {
        people.reverse();
    }
    for person in people {
        let contact = desk.new_user(person, &format!("{person}@example.com")).await;
        let conversation = desk.new_conversation(&contact, "hello", 1_600_000_000).await;
        let (_, tag) = desk.post("/tags", json!({"name": format!("tag-{person}")})).await;
        desk.post(&format!("/contacts/{contact}/tags"), json!({"id": tag["id"]})).await;
        let note = json!({"message_type": "note", "type": "admin", "admin_id": desk.admin(), "body": "n", "created_at": 1_600_000_001});
        desk.post(&format!("/conversations/{conversation}/reply"), note).await;
        let close = json!({"message_type": "close", "type": "admin", "admin_id": desk.admin()});
        for _ in 0..(1 + usize::from(backwards)) {
            desk.post(&format!("/conversations/{conversation}/parts"), close.clone()).await;
        }
    }
    desk.sandbox.workspace()
}

#[tokio::test]
async fn the_digest_depends_neither_on_ids_nor_on_order() {
    let (forwards, backwards) = (written(false).await, written(true).await);
    assert_eq!(forwards.canonical(), backwards.canonical());
    assert_eq!(forwards.digest(), backwards.digest());
}

#[tokio::test]
async fn the_digest_shows_twins_losses_and_changes() {
    let workspace = written(false).await;
    let changed = |change: fn(&mut Workspace)| {
        let mut other = workspace.clone();
        change(&mut other);
        other.digest()
    };
    let original = workspace.digest();
    assert_ne!(original, changed(|it| it.conversations.push(it.conversations[0].clone())));
    assert_ne!(original, changed(|it| it.conversations[0].state = "open".into()));
    assert_ne!(original, changed(|it| it.conversations[0].parts[0].created_at += 1));
    assert_ne!(
        original,
        changed(|it| {
            let twin = it.conversations[0].parts[0].clone();
            it.conversations[0].parts.insert(0, twin);
        })
    );
    assert_ne!(original, changed(|it| it.contacts[0].name = Some("x".into())));
    assert_ne!(original, changed(|it| it.contacts[1].tags.clear()));
    assert_eq!(original, changed(|it| it.contacts[1].updated_at += 5));
}

#[tokio::test]
async fn both_sides_can_be_changed_behind_the_migrations_back() {
    let desk = Desk::start(plain()).await;
    let mine = desk.new_user("a", "a@example.com").await;
    let conversation = desk.new_conversation(&mine, "hello", 1_600_000_000).await;
    desk.sandbox.edit(|workspace| {
        workspace.conversations.clear();
        workspace.contacts.push(Contact {
            role: "user".into(),
            email: Some("known@example.com".into()),
            ..Contact::default()
        });
        workspace.data_attributes.push(DataAttribute {
            model: "contact".into(),
            name: "ld_city".into(),
            data_type: "string".into(),
            ..DataAttribute::default()
        });
    });
    assert_eq!(desk.get(&format!("/conversations/{conversation}")).await.0, 404);
    let query = json!({"query": {"field": "contact_ids", "operator": "=", "value": mine}});
    assert_eq!(desk.post("/conversations/search", query).await.1["total_count"], 0);
    let (status, _) = desk.post("/contacts", json!({"email": "known@example.com"})).await;
    assert_eq!(status, 409);
    let workspace = desk.sandbox.workspace();
    assert_eq!(workspace.contact(&mine).unwrap().created_by, CreatedBy::Api);
    let known = workspace.contacts_by_email("KNOWN@example.com").next().unwrap();
    assert_eq!((known.created_by, known.id.len()), (CreatedBy::Customer, 24));
    assert!(workspace.data_attributes[0].id > 0);

    desk.sandbox.edit_account(|account| account.contacts[0].fname = Some("Changed".into()));
    let endpoints = desk.sandbox.endpoints();
    let id = desk.sandbox.account().contacts[0].id;
    let url = format!(
        "{}/?mod=contact&cmd=get&contact_id={id}&auth={}",
        endpoints.leaddesk_original, endpoints.leaddesk_key
    );
    assert!(desk.http.get(url).send().await.unwrap().text().await.unwrap().contains("\"Changed\""));
}

#[tokio::test]
async fn the_workspace_fits_the_account() {
    let account = Account::generate(&AccountSpec::new(400, 1));
    let desk = Desk::start(Sandbox::builder(account.clone())).await;
    let workspace = desk.sandbox.workspace();
    assert_eq!(workspace.contacts.len(), account.existing.len());
    for agent in &account.agents {
        let email = agent.primary_email.clone().unwrap_or_default();
        assert_eq!(workspace.admins.iter().any(|admin| admin.email == email), agent.has_teammate);
    }
    let endpoints = serde_json::to_value(desk.sandbox.endpoints()).unwrap();
    assert_eq!(endpoints["call_ids"], json!([account.call_ids().0, account.call_ids().1]));
    assert_eq!(endpoints["fallback_admin"], "ops@example.com");
    assert_eq!(endpoints.as_object().unwrap().len(), 13);
}

#[tokio::test]
async fn after_the_shutdown_nobody_answers() {
    let desk = Desk::start(plain()).await;
    assert_eq!(desk.get("/me").await.0, 200);
    let url = format!("{}/me", desk.sandbox.endpoints().intercom);
    desk.sandbox.shutdown().await;
    assert!(reqwest::get(url).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn another_sandbox_goes_on_with_what_one_held() {
    let desk = Desk::start(plain()).await;
    let first = desk.new_user("leaddesk:contact:1", "first@example.com").await;
    desk.new_conversation(&first, "kept", 1_600_000_000).await;
    let listened = desk.sandbox.endpoints().intercom.trim_start_matches("http://").parse().unwrap();
    let kept = desk.sandbox.shutdown().await;
    assert_eq!((kept.contacts.len(), kept.conversations.len()), (1, 1));

    let before = kept.clone();
    let desk = Desk::start(plain().listen(listened).prepare(|workspace| *workspace = kept)).await;
    assert!(desk.sandbox.workspace() == before);
    let second = desk.new_user("leaddesk:contact:2", "second@example.com").await;
    desk.new_conversation(&second, "new", 1_600_000_001).await;
    let now = desk.sandbox.workspace();
    assert_eq!((now.contacts.len(), now.conversations.len()), (2, 2), "no id is given twice");
}

#[tokio::test]
async fn debug_shows_no_value_of_anybody() {
    let desk = Desk::start(plain()).await;
    let contact = desk.new_user("leaddesk:contact:77", "ada.secret@example.com").await;
    desk.post(&format!("/contacts/{contact}/notes"), json!({"body": "private words"})).await;
    desk.new_conversation(&contact, "private words", 1_600_000_000).await;
    let workspace = desk.sandbox.workspace();
    let account = desk.sandbox.account();
    let shown = format!(
        "{workspace:?} {:?} {:?} {account:?} {:?} {:?} {:?} {:?}",
        workspace.contacts,
        workspace.conversations,
        account.contacts,
        account.calls,
        account.agents,
        desk.sandbox,
    );
    let contacts = account.contacts.iter().flat_map(|it| it.phonenumbers.iter().chain(&it.email));
    for value in contacts.map(String::as_str).chain(["ada.secret", "contact:77", "private words"]) {
        assert!(!shown.contains(value), "a value is shown");
    }
    assert!(shown.contains("contacts: 20"), "counts are shown");
}
