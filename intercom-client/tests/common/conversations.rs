//! Conversations.

use chrono::DateTime;
use intercom_client::*;
use serde_json::{Value, json};

use super::{Example, Exchange, conversation, example};

const ANNA: &str = "6762f0dd1bb69f9f2193bb83";

pub(super) fn examples() -> Vec<Example> {
    let mut examples = writing();
    examples.extend(reading());
    examples.extend(events());
    examples.extend(changes());
    examples
}

fn time(seconds: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn writing() -> Vec<Example> {
    let message = json!({ "type": "user_message", "id": "403918330", "created_at": 1_600_000_000,
                          "body": "Hello", "message_type": "inapp", "conversation_id": "499" });
    vec![
        example(
            "conversations().create",
            "POST /conversations",
            json!({ "from": { "type": "user", "id": ANNA }, "body": "Hello",
                    "created_at": 1_600_000_000, "attachment_urls": ["https://example.com/a.png"] }),
            message.clone(),
            |client| {
                Box::pin(async move {
                    let new = NewConversation::from_user(ANNA, "Hello")
                        .created_at(time(1_600_000_000))
                        .attachment_urls(["https://example.com/a.png"]);
                    let opened = client.conversations().create(&new).await.unwrap();
                    assert_eq!(opened.conversation_id, ConversationId::new("499"));
                    assert_eq!(opened.message_id, Some(MessageId::new("403918330")));
                    assert!(!format!("{new:?}{opened:?}").contains("Hello"));
                })
            },
        ),
        example(
            "conversations().create by a lead",
            "POST /conversations",
            json!({ "from": { "type": "lead", "id": ANNA }, "body": "Hello" }),
            message.clone(),
            |client| {
                Box::pin(async move {
                    let new = NewConversation::from_lead(ANNA, "Hello");
                    client.conversations().create(&new).await.unwrap();
                })
            },
        ),
        example(
            "conversations().create by a contact",
            "POST /conversations",
            json!({ "from": { "type": "contact", "id": ANNA }, "body": "Hello" }),
            message,
            |client| {
                Box::pin(async move {
                    let new = NewConversation::from_contact(ANNA, "Hello");
                    client.conversations().create(&new).await.unwrap();
                })
            },
        ),
        example(
            "conversations().reply by a contact",
            "POST /conversations/499/reply",
            json!({ "message_type": "comment", "type": "user", "intercom_user_id": ANNA,
                    "body": "Thanks", "created_at": 1_600_000_000 }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let reply = Reply::contact(ANNA, "Thanks").created_at(time(1_600_000_000));
                    let all = client.conversations().reply(&"499".into(), reply).await.unwrap();
                    assert_eq!(all.parts().len(), 2);
                })
            },
        ),
        example(
            "conversations().reply by an admin",
            "POST /conversations/499/reply",
            json!({ "message_type": "comment", "type": "admin", "admin_id": "991", "body": "Yes",
                    "created_at": 1_600_000_000, "skip_notifications": true,
                    "attachment_urls": ["https://example.com/a.png"] }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let reply = Reply::admin("991", "Yes")
                        .created_at(time(1_600_000_000))
                        .attachment_urls(["https://example.com/a.png"])
                        .skip_notifications(true);
                    client.conversations().reply(&"499".into(), reply).await.unwrap();
                })
            },
        ),
        example(
            "conversations().reply with a note",
            "POST /conversations/499/reply",
            json!({ "message_type": "note", "type": "admin", "admin_id": "991", "body": "Yes" }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let note = Reply::note("991", "Yes");
                    client.conversations().reply(&"499".into(), note).await.unwrap();
                })
            },
        ),
    ]
}

fn reading() -> Vec<Example> {
    vec![
        example(
            "conversations().get",
            "GET /conversations/499",
            Value::Null,
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let read = client.conversations().get(&"499".into()).await.unwrap();
                    assert_eq!(read.state, Some(State::Closed));
                    assert!(read.admin_assignee_id.is_none());
                    assert_eq!(read.team_assignee_id, Some(TeamId::new("5017691")));
                    assert_eq!(read.contacts[0].id, ContactId::new("66f"));
                    assert_eq!(read.tags[0].id, TagId::new("93"));
                    assert_eq!(read.custom_attributes["Direction"], "in");
                    let source = read.source.as_ref().unwrap();
                    assert!(source.author.as_ref().unwrap().kind.as_ref().unwrap().is_contact());
                    let [comment, event] = read.parts() else { panic!("two parts") };
                    assert_eq!(comment.part_type, Some(PartType::Comment));
                    assert!(text::same(comment.body.as_ref().unwrap().reveal(), "Fine & good"));
                    assert_eq!(comment.author.as_ref().unwrap().id.as_deref(), Some("991"));
                    let new = PartType::Other("brand_new_event".to_owned());
                    assert_eq!(event.part_type, Some(new));
                    assert_eq!(event.id, PartId::new("2"));
                    assert_eq!(read.part_count(), Some(2));
                    assert!(!read.parts_are_cut());
                    let shown = format!("{read:?}");
                    assert!(!shown.contains("Hello") && !shown.contains("Fine"), "{shown}");
                    assert!(!shown.contains("Anna") && !shown.contains("ops@"), "{shown}");
                })
            },
        ),
        example(
            "conversations().get_plain",
            "GET /conversations/499?display_as=plaintext",
            Value::Null,
            conversation("499"),
            |client| {
                Box::pin(async move {
                    client.conversations().get_plain(&499.into()).await.unwrap();
                })
            },
        ),
        example(
            "conversations().list",
            "GET /conversations?per_page=150",
            Value::Null,
            json!({ "type": "conversation.list", "total_count": 1, "pages": { "next": null },
                    "conversations": [conversation("499")] }),
            |client| {
                Box::pin(async move {
                    assert_eq!(
                        client.conversations().list(Some(150)).all().await.unwrap().len(),
                        1
                    );
                })
            },
        ),
        example(
            "conversations().search",
            "POST /conversations/search",
            json!({ "query": { "operator": "AND", "value": [
                { "field": "contact_ids", "operator": "=", "value": ANNA },
                { "field": "created_at", "operator": ">", "value": 1_600_000_000 }] },
                "pagination": { "per_page": 150 } }),
            json!({ "type": "conversation.list", "total_count": 1, "pages": { "type": "pages" },
                    "conversations": [conversation("499")] }),
            |client| {
                Box::pin(async move {
                    let query = Query::and([
                        Query::eq("contact_ids", ANNA),
                        Query::gt("created_at", 1_600_000_000),
                    ]);
                    let search = Search::new(query).per_page(150);
                    assert_eq!(client.conversations().search(search).all().await.unwrap().len(), 1);
                })
            },
        ),
        Example {
            name: "conversations().deleted",
            exchanges: vec![
                Exchange {
                    request: "GET /conversations/deleted?per_page=60&page=1",
                    body: Value::Null,
                    reply: json!({ "type": "conversation.list", "total_count": 2,
                        "pages": { "type": "pages", "page": 1, "total_pages": 2,
                                   "next": "https://api.intercom.io/conversations/deleted?page=2" },
                        "conversations": [{ "type": "conversation", "id": "1",
                            "metrics_retained": true, "deleted_at": 1_734_537_756 }] }),
                },
                Exchange {
                    request: "GET /conversations/deleted?per_page=60&page=2",
                    body: Value::Null,
                    reply: json!({ "pages": { "page": 2, "total_pages": 2, "next": null },
                                   "conversations": [{ "id": 2 }] }),
                },
            ],
            call: |client| {
                Box::pin(async move {
                    let deleted = client.conversations().deleted().all().await.unwrap();
                    assert_eq!(deleted.len(), 2);
                    assert_eq!(deleted[0].metrics_retained, Some(true));
                })
            },
        },
    ]
}

fn events() -> Vec<Example> {
    let admin = "991";
    vec![
        example(
            "conversations().close",
            "POST /conversations/499/parts",
            json!({ "message_type": "close", "type": "admin", "admin_id": admin }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    client.conversations().close(&499.into(), &"991".into()).await.unwrap();
                })
            },
        ),
        example(
            "conversations().open",
            "POST /conversations/499/parts",
            json!({ "message_type": "open", "admin_id": admin }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    client.conversations().open(&499.into(), &"991".into()).await.unwrap();
                })
            },
        ),
        example(
            "conversations().snooze",
            "POST /conversations/499/parts",
            json!({ "message_type": "snoozed", "admin_id": admin, "snoozed_until": 1_900_000_000 }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let until = time(1_900_000_000);
                    client.conversations().snooze(&499.into(), &"991".into(), until).await.unwrap();
                })
            },
        ),
        example(
            "conversations().assign to an admin",
            "POST /conversations/499/parts",
            json!({ "message_type": "assignment", "type": "admin", "admin_id": admin,
                    "assignee_id": "992" }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let done = client
                        .conversations()
                        .assign(&499.into(), &"991".into(), AdminId::new("992"))
                        .await;
                    assert!(done.unwrap().is_some());
                })
            },
        ),
        example(
            "conversations().assign to a team",
            "POST /conversations/499/parts",
            json!({ "message_type": "assignment", "type": "team", "admin_id": admin,
                    "assignee_id": "5" }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let team = TeamId::new("5");
                    client.conversations().assign(&499.into(), &"991".into(), team).await.unwrap();
                })
            },
        ),
        example(
            "conversations().assign to nobody",
            "POST /conversations/499/parts",
            json!({ "message_type": "assignment", "type": "admin", "admin_id": admin,
                    "assignee_id": "0" }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let nobody = Assignee::Nobody;
                    client
                        .conversations()
                        .assign(&499.into(), &"991".into(), nobody)
                        .await
                        .unwrap();
                })
            },
        ),
    ]
}

fn changes() -> Vec<Example> {
    let tag = json!({ "type": "tag", "id": "93", "name": "Call" });
    vec![
        example(
            "conversations().update",
            "PUT /conversations/499",
            json!({ "title": "Call", "read": true, "custom_attributes": {
                    "Direction": "in", "Seconds": 12, "Deal": true, "Score": 0.5, "Old": null } }),
            conversation("499"),
            |client| {
                Box::pin(async move {
                    let attributes = Attributes::new()
                        .with("Direction", "in")
                        .with("Seconds", 12)
                        .with("Deal", true)
                        .with("Score", 0.5)
                        .with("Old", Value::Null);
                    let change = UpdateConversation::new()
                        .title("Call")
                        .read(true)
                        .custom_attributes(attributes);
                    client.conversations().update(&499.into(), &change).await.unwrap();
                })
            },
        ),
        example(
            "conversations().add_tag",
            "POST /conversations/499/tags",
            json!({ "id": "93", "admin_id": "991" }),
            tag.clone(),
            |client| {
                Box::pin(async move {
                    let (id, tag, admin) = (499.into(), 93.into(), 991.into());
                    client.conversations().add_tag(&id, &tag, &admin).await.unwrap();
                })
            },
        ),
        example(
            "conversations().remove_tag",
            "DELETE /conversations/499/tags/93",
            json!({ "admin_id": "991" }),
            tag,
            |client| {
                Box::pin(async move {
                    let (id, tag, admin) = (499.into(), 93.into(), 991.into());
                    client.conversations().remove_tag(&id, &tag, &admin).await.unwrap();
                })
            },
        ),
        example(
            "conversations().delete",
            "DELETE /conversations/499",
            Value::Null,
            json!({ "id": "499", "object": "conversation", "deleted": true }),
            |client| {
                Box::pin(async move {
                    let fate = client.conversations().delete(&499.into()).await.unwrap();
                    assert_eq!(fate.deleted, Some(true));
                })
            },
        ),
    ]
}
