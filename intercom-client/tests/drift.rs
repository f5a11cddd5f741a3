//! The same objects as other versions and other servers write them.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

use intercom_client::*;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn an_id_is_all_an_object_needs() {
    for id in [json!("7"), json!(7)] {
        let object = json!({ "id": id });
        let contact: Contact = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(contact.id.as_str(), "7");
        let conversation: Conversation = serde_json::from_value(object.clone()).unwrap();
        assert!(conversation.parts().is_empty() && conversation.tags.is_empty());
        serde_json::from_value::<Part>(object.clone()).unwrap();
        serde_json::from_value::<Admin>(object.clone()).unwrap();
        serde_json::from_value::<Team>(object.clone()).unwrap();
        serde_json::from_value::<Tag>(object.clone()).unwrap();
        serde_json::from_value::<Note>(object.clone()).unwrap();
        serde_json::from_value::<ConversationAttribute>(object.clone()).unwrap();
        serde_json::from_value::<DataAttribute>(object).unwrap();
    }
}

#[test]
fn assignees_owners_and_priorities_of_all_versions_are_read() {
    for nobody in [json!(null), json!(0), json!("0"), json!("")] {
        let object = json!({ "id": "1", "admin_assignee_id": nobody, "team_assignee_id": nobody });
        let read: Conversation = serde_json::from_value(object).unwrap();
        assert!(read.admin_assignee_id.is_none() && read.team_assignee_id.is_none());
    }
    for somebody in [json!(5), json!("5")] {
        let object = json!({ "id": "1", "admin_assignee_id": somebody });
        let read: Conversation = serde_json::from_value(object).unwrap();
        assert_eq!(read.admin_assignee_id, Some(AdminId::new("5")));
        let object = json!({ "id": "1", "owner_id": somebody });
        let read: Contact = serde_json::from_value(object).unwrap();
        assert_eq!(read.owner_id, Some(AdminId::new("5")));
    }
    for priority in ["priority", "not_priority", "none", "urgent"] {
        let object = json!({ "id": "1", "priority": priority, "state": "brand_new",
                             "source": { "type": "brand_new", "id": null } });
        let read: Conversation = serde_json::from_value(object).unwrap();
        assert_eq!(read.priority.as_deref(), Some(priority));
        assert_eq!(read.state, Some(State::Other("brand_new".to_owned())));
    }
}

#[test]
fn lists_may_be_null_bare_or_wrapped() {
    let tag = json!({ "id": 93 });
    for (tags, count) in [
        (json!(null), 0),
        (json!([]), 0),
        (json!([tag]), 1),
        (json!({ "type": "tag.list", "tags": [tag] }), 1),
        (json!({ "type": "list", "data": [tag], "has_more": true }), 1),
    ] {
        let object = json!({ "id": "1", "tags": tags, "custom_attributes": null,
                             "contacts": null, "conversation_parts": null });
        let conversation: Conversation = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(conversation.tags.len(), count);
        let contact: Contact = serde_json::from_value(object).unwrap();
        assert_eq!(contact.tags.len(), count);
    }
}

#[test]
fn five_hundred_parts_may_not_be_all() {
    let conversation = |shown: u64, counted: Value| -> Conversation {
        let parts: Vec<Value> = (1..=shown).map(|id| json!({ "id": id })).collect();
        let parts = json!({ "conversation_parts": parts, "total_count": counted });
        serde_json::from_value(json!({ "id": "1", "conversation_parts": parts })).unwrap()
    };
    assert!(!conversation(2, json!(2)).parts_are_cut());
    assert!(!conversation(2, json!(null)).parts_are_cut());
    assert!(conversation(2, json!(3)).parts_are_cut());
    assert!(conversation(500, json!(null)).parts_are_cut());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::hash_map("data|tags|type|id", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const FIELDS: [&str; 12] = [
    "id",
    "name",
    "email",
    "tags",
    "created_at",
    "owner_id",
    "custom_attributes",
    "source",
    "admin_assignee_id",
    "conversation_parts",
    "contacts",
    "open",
];

proptest! {
    /// Whatever a server writes, reading it is an answer or an error, and shows nobody's data.
    #[test]
    fn any_reply_is_read_or_refused(
        values in prop::collection::vec((prop::sample::select(FIELDS.as_slice()), any_json()), 0..6),
    ) {
        let mut object = json!({ "id": "1", "phone": "secret-number" });
        for (field, value) in values {
            object[field] = value;
        }
        if let Ok(contact) = serde_json::from_value::<Contact>(object.clone()) {
            let shown = format!("{contact:?}");
            prop_assert!(!shown.contains("secret-number"));
        }
        if let Ok(conversation) = serde_json::from_value::<Conversation>(object) {
            let shown = format!("{conversation:?}");
            prop_assert!(!shown.contains("secret-number"));
        }
    }
}
