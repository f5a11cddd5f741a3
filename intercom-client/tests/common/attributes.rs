//! Attributes of contacts and of conversations.

use intercom_client::*;
use serde_json::{Value, json};

use super::{Example, example};

pub(super) fn examples() -> Vec<Example> {
    let mut examples = data_attributes();
    examples.extend(conversation_attributes());
    examples
}

fn data_attributes() -> Vec<Example> {
    let attribute = json!({ "type": "data_attribute", "id": 34, "model": "contact",
        "name": "ld_outcome", "full_name": "custom_attributes.ld_outcome", "data_type": "string",
        "options": ["Deal", "No deal"], "api_writable": true, "custom": true, "archived": false,
        "created_at": 1_734_537_756 });
    vec![
        example(
            "data_attributes().list",
            "GET /data_attributes?model=contact&include_archived=true",
            Value::Null,
            json!({ "type": "list", "data": [attribute,
                { "type": "data_attribute", "name": "email", "model": "contact", "custom": false,
                  "data_type": "string", "options": [{ "value": "x" }] }] }),
            |client| {
                Box::pin(async move {
                    let list = client.data_attributes().list(Model::Contact, true).await.unwrap();
                    assert_eq!(list[0].id, Some(DataAttributeId::new("34")));
                    assert_eq!(list[0].options, ["Deal", "No deal"]);
                    assert!(list[1].id.is_none());
                    assert_eq!(list[1].options, ["x"]);
                })
            },
        ),
        example(
            "data_attributes().create",
            "POST /data_attributes",
            json!({ "name": "ld_score", "model": "contact", "data_type": "integer",
                    "description": "Score" }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let new = NewDataAttribute::contact("ld_score", DataType::Integer)
                        .description("Score");
                    client.data_attributes().create(&new).await.unwrap();
                })
            },
        ),
        example(
            "data_attributes().create of a list",
            "POST /data_attributes",
            json!({ "name": "ld_outcome", "model": "contact", "data_type": "options",
                    "options": [{ "value": "Deal" }, { "value": "No deal" }] }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let new = NewDataAttribute::contact("ld_outcome", DataType::String)
                        .options(["Deal", "No deal"]);
                    client.data_attributes().create(&new).await.unwrap();
                })
            },
        ),
        example(
            "data_attributes().update",
            "PUT /data_attributes/34",
            json!({ "archived": true, "description": "Old" }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let change = UpdateDataAttribute::new().archived(true).description("Old");
                    client.data_attributes().update(&34.into(), &change).await.unwrap();
                })
            },
        ),
        example(
            "data_attributes().update of a list",
            "PUT /data_attributes/34",
            json!({ "options": [{ "value": "Deal" }, { "value": "Later" }] }),
            attribute,
            |client| {
                Box::pin(async move {
                    let change = UpdateDataAttribute::new().options(["Deal", "Later"]);
                    client.data_attributes().update(&34.into(), &change).await.unwrap();
                })
            },
        ),
    ]
}

fn conversation_attributes() -> Vec<Example> {
    let attribute = json!({ "type": "conversation_attribute", "id": 7, "name": "Direction",
        "data_type": "list", "required": false, "visible_to_team_ids": [], "archived": false,
        "created_at": 1_734_537_756, "options": [
            { "id": "5e8a", "label": "in", "archived": false },
            { "id": "5e8b", "label": "out", "archived": false }] });
    vec![
        example(
            "conversation_attributes().list",
            "GET /conversations/attributes?include_archived=true",
            Value::Null,
            json!({ "type": "list", "data": [attribute] }),
            |client| {
                Box::pin(async move {
                    let list = client.conversation_attributes().list(true).await.unwrap();
                    assert_eq!(list[0].id, ConversationAttributeId::new("7"));
                    assert_eq!(list[0].options[1].label.as_deref(), Some("out"));
                })
            },
        ),
        example(
            "conversation_attributes().get",
            "GET /conversations/attributes/7",
            Value::Null,
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let read = client.conversation_attributes().get(&7.into()).await.unwrap();
                    assert_eq!(read.data_type, Some(ConversationDataType::List));
                })
            },
        ),
        example(
            "conversation_attributes().create",
            "POST /conversations/attributes",
            json!({ "name": "Summary", "data_type": "string", "description": "What was said",
                    "multiline": true, "visible_to_team_ids": ["5"] }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let new =
                        NewConversationAttribute::new("Summary", ConversationDataType::String)
                            .description("What was said")
                            .multiline(true)
                            .visible_to([TeamId::new("5")]);
                    client.conversation_attributes().create(&new).await.unwrap();
                })
            },
        ),
        example(
            "conversation_attributes().create of a list",
            "POST /conversations/attributes",
            json!({ "name": "Direction", "data_type": "list",
                    "options": [{ "label": "in" }, { "label": "out" }] }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let new = NewConversationAttribute::list("Direction", ["in", "out"]);
                    client.conversation_attributes().create(&new).await.unwrap();
                })
            },
        ),
        example(
            "conversation_attributes().update",
            "PUT /conversations/attributes/7",
            json!({ "name": "Way", "description": "In or out", "required": false }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let change = UpdateConversationAttribute::new()
                        .name("Way")
                        .description("In or out")
                        .required(false);
                    client.conversation_attributes().update(&7.into(), &change).await.unwrap();
                })
            },
        ),
        example(
            "conversation_attributes().archive",
            "DELETE /conversations/attributes/7",
            Value::Null,
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    client.conversation_attributes().archive(&7.into()).await.unwrap();
                })
            },
        ),
        example(
            "conversation_attributes().add_option",
            "POST /conversations/attributes/7/options",
            json!({ "label": "both" }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    client.conversation_attributes().add_option(&7.into(), "both").await.unwrap();
                })
            },
        ),
        example(
            "conversation_attributes().rename_option",
            "PUT /conversations/attributes/7/options/5e8a",
            json!({ "label": "inbound" }),
            attribute.clone(),
            |client| {
                Box::pin(async move {
                    let (id, option) = (7.into(), "5e8a".into());
                    client
                        .conversation_attributes()
                        .rename_option(&id, &option, "inbound")
                        .await
                        .unwrap();
                })
            },
        ),
        example(
            "conversation_attributes().archive_option",
            "DELETE /conversations/attributes/7/options/5e8a",
            Value::Null,
            attribute,
            |client| {
                Box::pin(async move {
                    let (id, option) = (7.into(), "5e8a".into());
                    client.conversation_attributes().archive_option(&id, &option).await.unwrap();
                })
            },
        ),
    ]
}
