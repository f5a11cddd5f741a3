//! One example per operation: what is called, what must be sent, what is answered. The scripted
//! tests and the contract test both run these.

// Each test program uses its own part of this.
#![allow(dead_code)]

use desk_client_core::testing::ScriptedTransport;
use futures::future::BoxFuture;
use intercom_client::{IntercomClient, Region};
use serde_json::Value;

mod attributes;
mod conversations;
mod people;

/// One request that must be sent, and the reply to it.
pub(crate) struct Exchange {
    /// Method, path and query.
    pub(crate) request: &'static str,
    /// The body; `Null` for none.
    pub(crate) body: Value,
    /// The reply.
    pub(crate) reply: Value,
}

/// One operation of the client.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    pub(crate) exchanges: Vec<Exchange>,
    /// Makes the call and checks what came back.
    pub(crate) call: fn(IntercomClient) -> BoxFuture<'static, ()>,
}

/// An operation of a single request.
pub(crate) fn example(
    name: &'static str,
    request: &'static str,
    body: Value,
    reply: Value,
    call: fn(IntercomClient) -> BoxFuture<'static, ()>,
) -> Example {
    Example { name, exchanges: vec![Exchange { request, body, reply }], call }
}

/// Every operation.
pub(crate) fn examples() -> Vec<Example> {
    [people::examples(), conversations::examples(), attributes::examples()]
        .into_iter()
        .flatten()
        .collect()
}

/// A client whose requests go to the script.
pub(crate) fn scripted(transport: &ScriptedTransport) -> IntercomClient {
    IntercomClient::builder("secret-token".into())
        .region(Region::Eu)
        .transport(transport.clone())
        .build()
        .unwrap()
}

/// The fields of a contact as the service shows them: nulls, numbers as texts, unknown keys.
pub(crate) fn contact(id: &str) -> Value {
    serde_json::json!({
        "type": "contact", "id": id, "workspace_id": "abc123", "external_id": "desk:contact:42",
        "role": "user", "email": "anna@example.com", "phone": null, "name": "Anna Example",
        "owner_id": 127, "has_hard_bounced": false, "unsubscribed_from_emails": false,
        "created_at": 1_719_492_696, "updated_at": "1719492697", "signed_up_at": null,
        "last_seen_at": 0, "custom_attributes": { "paid": true, "level": null },
        "avatar": { "type": "avatar", "image_url": null },
        "tags": { "type": "list", "data": [{ "id": "93", "type": "tag", "url": "/tags/93" }],
                  "url": "/contacts/x/tags", "total_count": 1, "has_more": false },
        "location": { "type": "location", "country": null }, "brand_new_key": [1, 2]
    })
}

/// A conversation as the service shows it.
pub(crate) fn conversation(id: &str) -> Value {
    serde_json::json!({
        "type": "conversation", "id": id, "title": null, "created_at": 1_719_492_000,
        "updated_at": 1_719_493_000, "waiting_since": null, "open": false, "state": "closed",
        "read": true, "priority": "none", "admin_assignee_id": 0, "team_assignee_id": 5_017_691,
        "source": { "type": "conversation", "id": "403", "delivered_as": "customer_initiated",
                    "subject": "", "body": "<p>Hello</p>", "url": null, "redacted": false,
                    "author": { "type": "user", "id": "66f", "name": "Anna", "email": null } },
        "contacts": { "type": "contact.list",
                      "contacts": [{ "type": "contact", "id": "66f", "external_id": null }] },
        "tags": { "type": "tag.list", "tags": [{ "type": "tag", "id": 93, "name": "Call" }] },
        "custom_attributes": { "Direction": "in" }, "statistics": null,
        "conversation_parts": { "type": "conversation_part.list", "total_count": 2,
            "conversation_parts": [
                { "type": "conversation_part", "id": 1, "part_type": "comment",
                  "body": "<p>Fine &amp; good</p>", "created_at": 1_719_492_100,
                  "author": { "type": "admin", "id": "991", "name": "Ops", "email": "ops@example.com" },
                  "app_package_code": null },
                { "type": "conversation_part", "id": "2", "part_type": "brand_new_event",
                  "body": null, "created_at": 1_719_493_000,
                  "author": { "type": "bot", "id": null, "name": null } }
            ] }
    })
}
