//! Everything over real HTTP, by a client that knows nothing of the sandbox.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not take for tests"
)]

mod account;
mod attributes;
mod contacts;
mod conversations;
mod faults;
mod leaddesk;
mod limits;
mod program;
mod search;
mod workspace;

use migrate_sandbox::{Account, AccountSpec, Builder, Sandbox};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

/// A sandbox and a client of it.
struct Desk {
    sandbox: Sandbox,
    http: Client,
}

/// An empty workspace beside a small account without oddities.
fn plain() -> Builder {
    Sandbox::builder(Account::generate(&AccountSpec::plain(20, 1)))
}

impl Desk {
    async fn start(builder: Builder) -> Self {
        Self {
            sandbox: builder.start().await.unwrap(),
            http: Client::new(),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let endpoints = self.sandbox.endpoints();
        self.http
            .request(method, format!("{}{path}", endpoints.intercom))
            .bearer_auth(&endpoints.intercom_token)
            .header("Intercom-Version", "2.16")
    }

    /// Status and body; `null` for an empty body.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> (u16, Value) {
        self.call(Method::DELETE, path, None).await
    }

    async fn new_user(&self, external_id: &str, email: &str) -> String {
        let body = json!({"role": "user", "external_id": external_id, "email": email});
        let (status, contact) = self.post("/contacts", body).await;
        assert_eq!(status, 200, "{contact}");
        contact["id"].as_str().unwrap().to_owned()
    }

    async fn new_conversation(&self, contact: &str, text: &str, created_at: i64) -> String {
        let body = json!({"from": {"type": "user", "id": contact}, "body": text, "created_at": created_at});
        let (status, message) = self.post("/conversations", body).await;
        assert_eq!(status, 200, "{message}");
        message["conversation_id"].as_str().unwrap().to_owned()
    }

    fn admin(&self) -> String {
        self.sandbox.workspace().admins[0].id.to_string()
    }
}

fn code(body: &Value) -> &str {
    assert_eq!(body["type"], "error.list", "{body}");
    assert!(body["request_id"].is_string(), "{body}");
    body["errors"][0]["code"].as_str().unwrap()
}
