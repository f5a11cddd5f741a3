use serde_json::json;

use super::{Desk, code, plain};

#[tokio::test]
async fn contact_attributes_have_types_that_are_checked() {
    let desk = Desk::start(plain()).await;
    for (name, data_type) in [
        ("ld_text", "string"),
        ("ld_number", "integer"),
        ("ld_day", "date"),
        ("ld_yes", "boolean"),
    ] {
        let body = json!({"name": name, "model": "contact", "data_type": data_type});
        let (status, made) = desk.post("/data_attributes", body).await;
        assert_eq!((status, &made["data_type"]), (200, &json!(data_type)));
    }
    let options = json!([{"value": "A"}, {"value": "B"}]);
    let body = json!({"name": "ld_choice", "model": "contact", "data_type": "options", "options": options});
    let (_, made) = desk.post("/data_attributes", body).await;
    assert_eq!(
        (&made["data_type"], &made["options"]),
        (&json!("string"), &json!(["A", "B"]))
    );

    let good = json!({"ld_text": "x".repeat(255), "ld_number": 5, "ld_day": 1_500_000_000, "ld_yes": true, "ld_choice": "A"});
    let (status, contact) = desk
        .post(
            "/contacts",
            json!({"external_id": "a", "custom_attributes": good}),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(contact["custom_attributes"], good);
    let path = format!("/contacts/{}", contact["id"].as_str().unwrap());
    for bad in [
        json!({"ld_text": "x".repeat(256)}),
        json!({"ld_text": 5}),
        json!({"ld_number": "5"}),
        json!({"ld_day": "2020-01-01"}),
        json!({"ld_yes": "yes"}),
        json!({"ld_choice": "C"}),
    ] {
        assert_eq!(
            desk.put(&path, json!({"custom_attributes": bad})).await.0,
            400,
            "{bad}"
        );
    }
    let (_, cleared) = desk
        .put(&path, json!({"custom_attributes": {"ld_number": null}}))
        .await;
    assert!(cleared["custom_attributes"].get("ld_number").is_none());
}

#[tokio::test]
async fn names_of_contact_attributes_are_unique_and_archiving_closes_them() {
    let desk = Desk::start(plain()).await;
    let company = json!({"name": "ring", "model": "company", "data_type": "string"});
    let (_, made) = desk.post("/data_attributes", company).await;
    let twin = json!({"name": "ring", "model": "contact", "data_type": "string"});
    let (status, body) = desk.post("/data_attributes", twin).await;
    assert_eq!((status, code(&body)), (400, "parameter_invalid"));
    assert!(
        body["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("You already have 'ring'")
    );
    let wrong = json!({"name": "a.b", "model": "contact", "data_type": "string"});
    assert_eq!(desk.post("/data_attributes", wrong).await.0, 400);
    let path = format!("/data_attributes/{}", made["id"]);
    let (_, archived) = desk.put(&path, json!({"archived": true})).await;
    assert_eq!(archived["archived"], true);
    let count = async |query: &str| {
        let (_, list) = desk
            .get(&format!("/data_attributes?model=company{query}"))
            .await;
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["custom"] == true)
            .count()
    };
    assert_eq!(
        (count("").await, count("&include_archived=true").await),
        (0, 1)
    );
    assert_eq!(desk.get("/data_attributes?model=conversation").await.0, 422);
    assert_eq!(
        code(
            &desk
                .put("/data_attributes/1", json!({"archived": true}))
                .await
                .1
        ),
        "field_not_found"
    );
}

#[tokio::test]
async fn conversation_attributes_and_their_options() {
    let desk = Desk::start(plain()).await;
    let body = json!({"name": "ld_outcome__c", "data_type": "list", "options": [{"label": "Deal"}, {"label": "No deal"}]});
    let (status, made) = desk.post("/conversations/attributes", body).await;
    assert_eq!(status, 200);
    let path = format!("/conversations/attributes/{}", made["id"]);
    let (_, more) = desk
        .post(&format!("{path}/options"), json!({"label": "Callback"}))
        .await;
    assert_eq!(more["options"].as_array().unwrap().len(), 3);
    let option = more["options"][2]["id"].as_str().unwrap();
    assert_eq!(
        desk.delete(&format!("{path}/options/{option}")).await.0,
        200
    );
    let option = more["options"][1]["id"].as_str().unwrap();
    assert_eq!(
        desk.delete(&format!("{path}/options/{option}")).await.0,
        422
    );
    let (_, archived) = desk.delete(&path).await;
    assert_eq!(archived["archived"], true);
    let (_, list) = desk.get("/conversations/attributes").await;
    assert!(list["data"].as_array().unwrap().is_empty());
    let wrong = json!({"name": "x", "data_type": "invalid_type"});
    assert_eq!(
        code(&desk.post("/conversations/attributes", wrong).await.1),
        "parameter_invalid"
    );
    let missing = desk.get("/conversations/attributes/1").await.1;
    assert_eq!(code(&missing), "conversation_attribute_not_found");
}

#[tokio::test]
async fn twins_of_a_conversation_attribute_spoil_its_writes() {
    let desk = Desk::start(plain()).await;
    let contact = desk.new_user("a", "a@example.com").await;
    let conversation = desk
        .new_conversation(&contact, "hello", 1_600_000_000)
        .await;
    let path = format!("/conversations/{conversation}");
    let write = json!({"custom_attributes": {"ld_direction__c": "out"}});
    assert_eq!(
        desk.put(&path, write.clone()).await.0,
        400,
        "it does not exist"
    );
    let attribute = json!({"name": "ld_direction__c", "data_type": "string"});
    desk.post("/conversations/attributes", attribute.clone())
        .await;
    assert_eq!(desk.put(&path, write.clone()).await.0, 200);
    desk.post("/conversations/attributes", attribute).await;
    assert_eq!(desk.put(&path, write).await.0, 400);
}
