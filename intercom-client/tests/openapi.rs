//! Checks every request this client can send against the vendor's description of the API.
//!
//! Set `INTERCOM_OPENAPI` to the description of version 2.16 as JSON; a path to its YAML form is
//! taken to mean the JSON beside it. Without the variable the test says that it is skipped.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;
mod description;

use std::path::PathBuf;

use common::{examples, scripted};
use description::{Description, Problem};
use desk_client_core::testing::ScriptedTransport;
use serde_json::{Value, json};

/// Where the description is known to be wrong: operation, place in the request, and why the
/// request is right all the same. An entry that is not needed any more fails the test.
const EXCEPTIONS: [(&str, &str, &str); 10] = [
    ("GET /contacts", "query.per_page", "works, and is not described"),
    ("GET /contacts", "query.starting_after", "works, and is not described"),
    ("POST /contacts/{contact_id}/notes", "path.contact_id", "ids of contacts are no integers"),
    ("POST /conversations", "body.from.id", "described as a UUID of 24 characters; it is 24 hex"),
    ("POST /tags", "body", "the form that tags users also matches the form that creates a tag"),
    ("POST /tags", "body.users", "`untag` is described for companies only; see tags().untag_users"),
    ("PUT /data_attributes/{data_attribute_id}", "body", "options match both forms"),
    (
        "PUT /conversations/{conversation_id}",
        "body.custom_attributes.Deal",
        "attributes of type boolean exist, booleans are not described",
    ),
    (
        "PUT /conversations/{conversation_id}",
        "body.custom_attributes.Score",
        "attributes of type decimal exist, decimals are not described",
    ),
    (
        "PUT /conversations/{conversation_id}",
        "body.custom_attributes.Old",
        "null clears an attribute, and is not described",
    ),
];

/// The description, or `None` and a word about it.
fn description() -> Option<Description> {
    let Some(path) = std::env::var_os("INTERCOM_OPENAPI").map(PathBuf::from) else {
        println!("skipped: INTERCOM_OPENAPI is not set");
        return None;
    };
    let path = if path.extension().is_some_and(|kind| kind == "json") {
        path
    } else {
        path.with_extension("json")
    };
    let text = std::fs::read_to_string(&path).expect("INTERCOM_OPENAPI names a readable file");
    Some(Description::new(serde_json::from_str(&text).expect("it is JSON")))
}

#[tokio::test]
async fn every_request_is_as_described() {
    let Some(description) = description() else {
        return;
    };
    let mut problems: Vec<Problem> = Vec::new();
    let mut checked = 0;
    for example in examples() {
        let transport = ScriptedTransport::new();
        for exchange in &example.exchanges {
            let empty = exchange.reply.is_null();
            let reply = if empty { String::new() } else { exchange.reply.to_string() };
            transport.reply(200, reply);
        }
        (example.call)(scripted(&transport)).await;
        for request in transport.requests() {
            let body: Option<Value> = match request.body().as_ref() {
                [] => None,
                body => Some(serde_json::from_slice(body).expect("bodies are JSON")),
            };
            problems.extend(description.check(request.method(), request.uri(), body.as_ref()));
            checked += 1;
        }
    }
    println!("{checked} requests checked");

    let unknown: Vec<&Problem> = problems
        .iter()
        .filter(|problem| !EXCEPTIONS.iter().any(|exception| problem.is(exception.0, exception.1)))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    for (operation, place, _) in EXCEPTIONS {
        let needed = problems.iter().any(|problem| problem.is(operation, place));
        assert!(needed, "the exception for {operation} {place} is not needed any more");
    }
}

/// The description is read deeply enough to refuse what the service does not know.
#[test]
fn what_is_not_described_is_found() {
    let Some(description) = description() else {
        return;
    };
    let reply = json!({ "message_type": "comment", "type": "user", "body": "x",
                        "intercom_user_id": "a", "skip_notifications": true });
    let close =
        json!({ "message_type": "close", "type": "admin", "admin_id": "1", "created_at": 1 });
    let leaf = json!({ "field": "email", "operator": "=", "value": "x" });
    let group = json!({ "operator": "OR", "value": [leaf] });
    let mixed = json!({ "query": { "operator": "AND", "value": [leaf, group] } });
    for (method, uri, body) in [
        ("POST", "/conversations/1/reply", reply),
        ("POST", "/conversations/1/parts", close),
        ("POST", "/contacts/search", mixed),
        ("POST", "/contacts", json!({ "name": "x" })),
        ("POST", "/contacts", json!({ "role": "user", "created_at": 1 })),
        ("PUT", "/contacts/1", json!({ "external_id": null })),
        ("POST", "/conversations/1/tags", json!({ "id": "1" })),
        ("GET", "/conversations?per_page=151", json!(null)),
    ] {
        let body = (!body.is_null()).then_some(&body);
        let problems = description.check(&method.parse().unwrap(), &uri.parse().unwrap(), body);
        assert!(!problems.is_empty(), "{method} {uri}");
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let description = Description::new(json!({
        "paths": {
            "/things/{id}": { "put": {
                "parameters": [
                    { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } },
                    { "name": "view", "in": "query", "schema": { "type": "string", "enum": ["a"] } }
                ],
                "requestBody": { "required": true, "content": { "application/json": { "schema": {
                    "allOf": [{ "$ref": "#/components/schemas/named" }],
                    "oneOf": [
                        { "required": ["size"], "properties": { "size": { "type": "integer" } } },
                        { "required": ["tags"], "properties": { "tags": {
                            "type": "array", "maxItems": 1, "items": { "type": "string" } } } }
                    ]
                } } } }
            } },
            "/things/all": { "get": {} }
        },
        "components": { "schemas": { "named": { "type": "object", "required": ["name"],
            "properties": { "name": { "type": "string", "nullable": true } } } } }
    }));
    let check = |method: &str, uri: &str, body: Option<Value>| {
        let problems =
            description.check(&method.parse().unwrap(), &uri.parse().unwrap(), body.as_ref());
        problems.iter().map(|problem| problem.place.clone()).collect::<Vec<_>>()
    };
    let put = |body: Value| check("PUT", "/things/1", Some(body));
    assert!(put(json!({ "name": null, "size": 1 })).is_empty());
    assert!(put(json!({ "name": "x", "tags": ["a"] })).is_empty());
    assert_eq!(put(json!({ "size": 1 })), ["body"]);
    assert_eq!(put(json!({ "name": "x" })), ["body"]);
    assert_eq!(put(json!({ "name": 1, "size": 1 })), ["body.name"]);
    assert_eq!(put(json!({ "name": "x", "size": "1" })), ["body"]);
    assert_eq!(put(json!({ "name": "x", "size": 1, "more": 1 })), ["body.more"]);
    assert_eq!(put(json!({ "name": "x", "tags": ["a", "b"] })), ["body"]);
    assert_eq!(put(json!({ "name": "x", "tags": [], "size": 1 })), ["body"]);
    let good = Some(json!({ "name": "x", "size": 1 }));
    assert_eq!(check("PUT", "/things/x", good.clone()), ["path.id"]);
    assert_eq!(check("PUT", "/things/1?view=b&page=1", good.clone()), ["query.view", "query.page"]);
    assert_eq!(check("PUT", "/things/1", None), ["body"]);
    assert_eq!(check("POST", "/things/1", good.clone()), ["method"]);
    assert_eq!(check("PUT", "/others/1", good.clone()), ["path"]);
    assert_eq!(check("GET", "/things/all", good), ["body"]);
    assert!(check("GET", "/things/all", None).is_empty());
}
