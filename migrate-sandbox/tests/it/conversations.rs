use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, code, plain};

const THEN: i64 = 1_600_000_000;

async fn opened() -> (Desk, String, String) {
    let desk = Desk::start(plain()).await;
    let contact = desk.new_user("a", "a@example.com").await;
    let conversation = desk
        .new_conversation(&contact, "hello & <b>you</b>", THEN)
        .await;
    (desk, contact, format!("/conversations/{conversation}"))
}

#[tokio::test]
async fn creating_answers_a_message_and_the_conversation_is_backdated() {
    let desk = Desk::start(plain()).await;
    let contact = desk.new_user("a", "a@example.com").await;
    let from = json!({"type": "user", "id": contact});
    let body = json!({"from": from, "body": "hello & <b>you</b>", "created_at": THEN});
    let (_, message) = desk.post("/conversations", body).await;
    assert_eq!(message["type"], "user_message");
    assert_ne!(message["id"], message["conversation_id"]);
    assert_eq!(message["created_at"], THEN);
    let path = format!(
        "/conversations/{}",
        message["conversation_id"].as_str().unwrap()
    );
    let (_, got) = desk.get(&path).await;
    assert_eq!(got["created_at"], THEN);
    assert_eq!(got["state"], "open");
    assert_eq!(
        got["source"]["body"],
        "<p>hello &amp; &lt;b&gt;you&lt;/b&gt;</p>"
    );
    assert_eq!(got["source"]["author"]["id"], json!(contact));
    assert_eq!(got["contacts"]["contacts"][0]["external_id"], "a");
    let (_, plain) = desk.get(&format!("{path}?display_as=plaintext")).await;
    assert_eq!(plain["source"]["body"], "hello & <b>you</b>");
}

#[tokio::test]
async fn creating_needs_a_known_contact_a_body_and_seconds() {
    let desk = Desk::start(plain()).await;
    let contact = desk.new_user("a", "a@example.com").await;
    let from = |kind: &str, id: &str| json!({"type": kind, "id": id});
    let cases = [
        (
            json!({"from": from("user", "6762f0dd1bb69f9f2193bb83"), "body": "x"}),
            404,
        ),
        (json!({"from": from("lead", &contact), "body": "x"}), 404),
        (json!({"from": from("admin", &contact), "body": "x"}), 400),
        (json!({"from": from("user", &contact)}), 400),
        (json!({"from": from("user", &contact), "body": " "}), 400),
        (json!({"body": "x"}), 400),
        (
            json!({"from": from("user", &contact), "body": "x", "created_at": THEN * 1000}),
            400,
        ),
    ];
    for (body, expected) in cases {
        let (status, reply) = desk.post("/conversations", body.clone()).await;
        assert_eq!(status, expected, "{body} → {reply}");
    }
    assert!(desk.sandbox.workspace().conversations.is_empty());
}

#[tokio::test]
async fn replies_and_notes_keep_their_times_and_authors() {
    let (desk, contact, path) = opened().await;
    let reply = json!({"message_type": "comment", "type": "user", "intercom_user_id": contact, "body": "one", "created_at": THEN + 1});
    let (status, whole) = desk.post(&format!("{path}/reply"), reply).await;
    assert_eq!(status, 200);
    assert_eq!(whole["conversation_parts"]["total_count"], 1);
    let note = json!({"message_type": "note", "type": "admin", "admin_id": desk.admin(), "body": "two",
                      "created_at": THEN + 2, "skip_notifications": true});
    let (_, whole) = desk.post(&format!("{path}/reply"), note).await;
    let parts = whole["conversation_parts"]["conversation_parts"]
        .as_array()
        .unwrap();
    let shown: Vec<Value> = parts
        .iter()
        .map(|it| {
            json!([
                it["part_type"],
                it["body"],
                it["created_at"],
                it["author"]["type"]
            ])
        })
        .collect();
    let expected = [
        json!(["comment", "<p>one</p>", THEN + 1, "user"]),
        json!(["note", "<p>two</p>", THEN + 2, "admin"]),
    ];
    assert_eq!(shown, expected);
    assert!(desk.sandbox.workspace().conversations[0].parts[1].skip_notifications);

    let wrong = [
        (
            json!({"message_type": "comment", "type": "admin", "body": "x"}),
            400,
        ),
        (
            json!({"message_type": "comment", "type": "admin", "admin_id": "5", "body": "x"}),
            404,
        ),
        (
            json!({"message_type": "note", "type": "user", "intercom_user_id": contact, "body": "x"}),
            400,
        ),
        (
            json!({"message_type": "comment", "type": "user", "body": "x"}),
            400,
        ),
        (
            json!({"message_type": "comment", "type": "user", "intercom_user_id": "0", "body": "x"}),
            404,
        ),
    ];
    for (body, expected) in wrong {
        assert_eq!(
            desk.post(&format!("{path}/reply"), body.clone()).await.0,
            expected,
            "{body}"
        );
    }
    let (status, missing) = desk
        .post("/conversations/1/reply", json!({"body": "x"}))
        .await;
    assert_eq!((status, code(&missing)), (404, "not_found"));
}

#[tokio::test]
async fn a_reply_of_the_contact_reopens_and_a_note_does_not() {
    let (desk, contact, path) = opened().await;
    let admin = desk.admin();
    let close = json!({"message_type": "close", "type": "admin", "admin_id": admin});
    let (_, closed) = desk.post(&format!("{path}/parts"), close.clone()).await;
    assert_eq!(
        (&closed["state"], &closed["open"]),
        (&json!("closed"), &json!(false))
    );
    let note = json!({"message_type": "note", "type": "admin", "admin_id": admin, "body": "n"});
    let (_, noted) = desk.post(&format!("{path}/reply"), note).await;
    assert_eq!(noted["state"], "closed");
    let reply = json!({"message_type": "comment", "type": "user", "user_id": "a", "body": "again"});
    let (_, reopened) = desk.post(&format!("{path}/reply"), reply).await;
    assert_eq!(reopened["state"], "open");
    assert!(contact.len() == 24 && reopened["waiting_since"].is_i64());

    let snooze = json!({"message_type": "snoozed", "admin_id": admin, "snoozed_until": THEN * 2});
    assert_eq!(
        desk.post(&format!("{path}/parts"), snooze).await.1["state"],
        "snoozed"
    );
    let open = json!({"message_type": "open", "admin_id": admin});
    assert_eq!(
        desk.post(&format!("{path}/parts"), open).await.1["state"],
        "open"
    );
    let wrong = json!({"message_type": "close", "type": "admin", "admin_id": "7"});
    assert_eq!(desk.post(&format!("{path}/parts"), wrong).await.0, 404);
}

#[tokio::test]
async fn assigning_twice_is_refused() {
    let (desk, _, path) = opened().await;
    let admin = desk.admin();
    let assign = |id: &str| json!({"message_type": "assignment", "type": "admin", "admin_id": admin, "assignee_id": id});
    let path = format!("{path}/parts");
    let (_, assigned) = desk.post(&path, assign(&admin)).await;
    assert_eq!(assigned["admin_assignee_id"].to_string(), admin);
    let (status, body) = desk.post(&path, assign(&admin)).await;
    assert_eq!(
        (status, code(&body)),
        (422, "conversation_already_assigned_to_assignee")
    );
    assert_eq!(
        desk.post(&path, assign("0")).await.1["admin_assignee_id"],
        0
    );
    assert_eq!(desk.post(&path, assign("12")).await.0, 404);
}

#[tokio::test]
async fn attributes_title_and_tags_are_written() {
    let (desk, _, path) = opened().await;
    desk.post(
        "/conversations/attributes",
        json!({"name": "ld_talk_time__c", "data_type": "integer"}),
    )
    .await;
    let body = json!({"title": "Call", "read": true, "custom_attributes": {"ld_talk_time__c": 65}});
    let (_, updated) = desk.put(&path, body).await;
    assert_eq!(
        (&updated["title"], &updated["read"]),
        (&json!("Call"), &json!(true))
    );
    assert_eq!(updated["custom_attributes"], json!({"ld_talk_time__c": 65}));
    let wrong = json!({"title": "Lost", "custom_attributes": {"ld_talk_time__c": "65"}});
    assert_eq!(desk.put(&path, wrong).await.0, 400);
    assert_eq!(desk.get(&path).await.1["title"], "Call", "all or nothing");

    let (_, tag) = desk.post("/tags", json!({"name": "ld_outcome_Deal"})).await;
    let on = json!({"id": tag["id"], "admin_id": desk.admin()});
    assert_eq!(
        desk.post(&format!("{path}/tags"), json!({"id": tag["id"]}))
            .await
            .0,
        400
    );
    assert_eq!(desk.post(&format!("{path}/tags"), on.clone()).await.0, 200);
    assert_eq!(desk.post(&format!("{path}/tags"), on).await.0, 200);
    assert_eq!(
        desk.get(&path).await.1["tags"]["tags"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let off = format!("{path}/tags/{}", tag["id"].as_str().unwrap());
    assert_eq!(desk.delete(&off).await.0, 400, "the body names the admin");
    let admin = json!({"admin_id": desk.admin()});
    assert_eq!(desk.call(Method::DELETE, &off, Some(admin)).await.0, 200);
    assert!(
        desk.get(&path).await.1["tags"]["tags"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn only_the_500_most_recent_parts_are_shown() {
    let (desk, contact, path) = opened().await;
    let id = contact.clone();
    desk.sandbox.edit(move |workspace| {
        let author = migrate_sandbox::workspace::Author {
            kind: "user".into(),
            id,
        };
        for n in 0..600 {
            workspace.conversations[0]
                .parts
                .push(migrate_sandbox::workspace::Part {
                    id: format!("{}", 10_000 + n),
                    part_type: "comment".into(),
                    body: Some(n.to_string()),
                    created_at: THEN + n,
                    author: author.clone(),
                    ..Default::default()
                });
        }
    });
    let (_, whole) = desk.get(&path).await;
    let parts = &whole["conversation_parts"];
    assert_eq!(parts["total_count"], 600);
    assert_eq!(parts["conversation_parts"].as_array().unwrap().len(), 500);
    assert_eq!(parts["conversation_parts"][0]["body"], "<p>100</p>");
}

#[tokio::test]
async fn deleted_conversations_leave_a_tombstone() {
    let (desk, _, path) = opened().await;
    let (status, gone) = desk.delete(&path).await;
    assert_eq!((status, &gone["deleted"]), (200, &json!(true)));
    assert_eq!(desk.get(&path).await.0, 404);
    let (_, list) = desk.get("/conversations/deleted").await;
    assert_eq!(list["conversations"][0]["id"], gone["id"]);
    assert_eq!(list["total_count"], 1);
}

#[tokio::test]
async fn the_list_is_paged_and_carries_no_parts() {
    let (desk, contact, _) = opened().await;
    for n in 1..5 {
        desk.new_conversation(&contact, "more", THEN + n).await;
    }
    let (_, first) = desk.get("/conversations?per_page=3").await;
    let cursor = first["pages"]["next"]["starting_after"].as_str().unwrap();
    let (_, second) = desk
        .get(&format!(
            "/conversations?per_page=3&starting_after={cursor}"
        ))
        .await;
    assert_eq!(first["conversations"].as_array().unwrap().len(), 3);
    assert_eq!(second["conversations"].as_array().unwrap().len(), 2);
    assert!(second["pages"].get("next").is_none());
    assert!(
        first["conversations"][0]
            .get("conversation_parts")
            .is_none()
    );
    assert_eq!(desk.get("/conversations?per_page=151").await.0, 400);
}
