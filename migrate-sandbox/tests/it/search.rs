use std::time::Duration;

use serde_json::{Value, json};

use super::{Desk, code, plain};

const DAY: i64 = 86_400;

impl Desk {
    async fn found(&self, kind: &str, query: Value) -> Vec<String> {
        let (status, body) = self
            .post(&format!("/{kind}/search"), json!({"query": query}))
            .await;
        assert_eq!(status, 200, "{query} → {body}");
        let list = if kind == "contacts" {
            &body["data"]
        } else {
            &body["conversations"]
        };
        list.as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn leaf(field: &str, operator: &str, value: Value) -> Value {
    json!({"field": field, "operator": operator, "value": value})
}

#[tokio::test]
async fn contacts_are_found_by_field_attribute_and_group() {
    let desk = Desk::start(plain()).await;
    let attribute = json!({"name": "ld_source_key", "model": "contact", "data_type": "string"});
    desk.post("/data_attributes", attribute).await;
    let ada = desk.new_user("a:1", "Ada@example.com").await;
    let bob = desk.new_user("a:2", "bob@example.org").await;
    let lead = json!({"role": "lead", "phone": "+358401234567", "custom_attributes": {"ld_source_key": "contact:9"}});
    let lead = desk.post("/contacts", lead).await.1["id"]
        .as_str()
        .unwrap()
        .to_owned();

    let by = async |query: Value| desk.found("contacts", query).await;
    assert_eq!(
        by(leaf("email", "=", json!("ada@example.com"))).await,
        [ada.as_str()]
    );
    assert_eq!(
        by(leaf("external_id", "IN", json!(["a:2", "x"]))).await,
        [bob.as_str()]
    );
    assert_eq!(
        by(leaf("phone", "=", json!("+358401234567"))).await,
        [lead.as_str()]
    );
    assert_eq!(
        by(leaf(
            "custom_attributes.ld_source_key",
            "=",
            json!("contact:9")
        ))
        .await,
        [lead.as_str()]
    );
    assert_eq!(
        by(leaf("email", "~", json!("example.org"))).await,
        [bob.as_str()]
    );
    assert_eq!(by(leaf("email", "=", Value::Null)).await, [lead.as_str()]);
    let either = json!({"operator": "OR", "value": [leaf("role", "=", json!("lead")), leaf("email", "^", json!("ada"))]});
    assert_eq!(by(either).await, [ada.clone(), lead]);
    let both = json!({"operator": "AND", "value": [leaf("role", "=", json!("user")), leaf("email", "!=", json!("bob@example.org"))]});
    assert_eq!(by(both.clone()).await, [ada.as_str()]);
    let nested = json!({"operator": "AND", "value": [both, {"operator": "OR", "value": [leaf("external_id", "=", json!("a:1"))]}]});
    assert_eq!(by(nested).await, [ada.as_str()]);
}

#[tokio::test]
async fn dates_of_contacts_are_compared_by_day_and_those_of_conversations_by_second() {
    let desk = Desk::start(plain()).await;
    let noon = 1_600_000_000 / DAY * DAY + DAY / 2;
    let body = json!({"external_id": "a", "signed_up_at": noon});
    let contact = desk.post("/contacts", body).await.1["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let days = async |operator: &str, at: i64| {
        desk.found("contacts", leaf("signed_up_at", operator, json!(at)))
            .await
            .len()
    };
    assert_eq!(days("=", noon + 3600).await, 1);
    assert_eq!(days(">", noon - 3600).await, 0, "the same day");
    assert_eq!(days(">", noon - DAY).await, 1);
    assert_eq!(days("<", noon + DAY).await, 1);
    let (status, _) = desk
        .post(
            "/contacts/search",
            json!({"query": leaf("created_at", "!=", json!(1))}),
        )
        .await;
    assert_eq!(status, 400);

    let conversation = desk.new_conversation(&contact, "hello there", noon).await;
    let found = async |query: Value| desk.found("conversations", query).await;
    let between = |from: i64, to: i64| {
        json!({"operator": "AND", "value": [
            leaf("contact_ids", "=", json!(contact)),
            leaf("created_at", ">", json!(from)),
            leaf("created_at", "<", json!(to)),
        ]})
    };
    assert_eq!(
        found(between(noon, noon)).await,
        [conversation.as_str()],
        "or equal"
    );
    assert!(found(between(noon + 1, noon + 2)).await.is_empty());
    assert_eq!(
        found(leaf("source.body", "=", json!("there"))).await,
        [conversation.as_str()]
    );
    assert!(
        found(leaf("source.body", "=", json!("hello there")))
            .await
            .is_empty(),
        "single words only"
    );
    assert_eq!(
        found(leaf("source.author.id", "=", json!(contact))).await,
        [conversation.as_str()]
    );
    assert_eq!(
        found(leaf("state", "=", json!("open"))).await,
        [conversation.as_str()]
    );
}

#[tokio::test]
async fn the_limits_of_the_grammar_are_kept() {
    let desk = Desk::start(plain()).await;
    let filter = leaf("email", "=", json!("x"));
    let group = |inner: Vec<Value>| json!({"operator": "AND", "value": inner});
    let wrong = [
        group(vec![filter.clone(); 16]),
        group(vec![]),
        group(vec![group(vec![group(vec![filter.clone()])])]),
        group(vec![filter.clone(), group(vec![filter.clone()])]),
        leaf("email", "LIKE", json!("x")),
        leaf("email", "IN", json!("x")),
        leaf("email", "=", json!(5)),
        leaf("shoe_size", "=", json!("x")),
        leaf("custom_attributes.unknown", "=", json!("x")),
        leaf("created_at", "=", json!("yesterday")),
    ];
    for query in wrong {
        assert_eq!(
            desk.post("/contacts/search", json!({"query": query}))
                .await
                .0,
            400,
            "{query}"
        );
    }
    let sort = json!({"query": filter, "sort": {"field": "created_at", "order": "desc"}});
    assert_eq!(
        code(&desk.post("/contacts/search", sort).await.1),
        "invalid_sort_order"
    );
}

#[tokio::test]
async fn results_are_paged_in_the_order_asked_for() {
    let desk = Desk::start(plain()).await;
    for n in 0..7 {
        desk.post(
            "/contacts",
            json!({"external_id": format!("a:{n}"), "signed_up_at": 1_600_000_000 + n * DAY}),
        )
        .await;
    }
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let body = json!({
            "query": leaf("role", "=", json!("user")),
            "sort": {"field": "signed_up_at", "order": "descending"},
            "pagination": {"per_page": 3, "starting_after": cursor},
        });
        let (_, page) = desk.post("/contacts/search", body).await;
        assert_eq!(page["total_count"], 7);
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["external_id"].clone()),
        );
        cursor = page["pages"]["next"]["starting_after"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, ["a:6", "a:5", "a:4", "a:3", "a:2", "a:1", "a:0"]);
}

#[tokio::test]
async fn search_lags_and_reading_does_not() {
    let lag = Duration::from_millis(600);
    let desk = Desk::start(plain().search_lag(lag)).await;
    let ada = desk.new_user("a:1", "ada@example.com").await;
    let conversation = desk.new_conversation(&ada, "hello", 1_600_000_000).await;
    let contacts = async || {
        desk.found("contacts", leaf("email", "=", json!("ada@example.com")))
            .await
    };
    let conversations = async |state: &str| {
        desk.found("conversations", leaf("state", "=", json!(state)))
            .await
    };
    assert!(contacts().await.is_empty());
    assert!(conversations("open").await.is_empty());
    assert_eq!(desk.get("/contacts/find_by_external_id/a:1").await.0, 200);
    tokio::time::sleep(lag * 2).await;
    assert_eq!(contacts().await, [ada.as_str()]);
    assert_eq!(conversations("open").await, [conversation.as_str()]);

    let close = json!({"message_type": "close", "type": "admin", "admin_id": desk.admin()});
    desk.post(&format!("/conversations/{conversation}/parts"), close)
        .await;
    desk.delete(&format!("/contacts/{ada}")).await;
    assert_eq!(
        conversations("open").await,
        [conversation.as_str()],
        "the state of then"
    );
    assert_eq!(
        contacts().await,
        [ada.as_str()],
        "the index has not heard of the deletion"
    );
    tokio::time::sleep(lag * 2).await;
    assert!(conversations("open").await.is_empty());
    assert!(contacts().await.is_empty());
}
