//! One tour through every operation: what goes well first, then each refusal that is described.

use std::sync::Mutex;

use migrate_sandbox::{Account, AccountSpec, Sandbox};
use reqwest::{Client, Method};
use serde_json::{Value, json};

const NOBODY: &str = "000000000000000000000000";

/// A reply and what it answers.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

/// A sandbox, and a client that keeps every reply.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) sandbox: Sandbox,
    http: Client,
    seen: Mutex<Vec<Seen>>,
}

impl Desk {
    pub(crate) async fn start() -> Self {
        let account = Account::generate(&AccountSpec::plain(20, 1));
        let sandbox = Sandbox::builder(account).quota(600_000).start().await.unwrap();
        Self { sandbox, http: Client::new(), seen: Mutex::default() }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn note(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }

    /// The reply to somebody without a valid token, not kept.
    pub(crate) async fn strange(&self, method: &Method, path: &str) -> Seen {
        self.send(method, path, None, "2.16", "wrong").await
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<Value>,
        version: &str,
        token: &str,
    ) -> Seen {
        let url = format!("{}{path}", self.sandbox.endpoints().intercom);
        let request = self.http.request(method.clone(), url).bearer_auth(token);
        let request = request.header("Intercom-Version", version);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let reply = request.send().await.unwrap();
        let status = reply.status().as_u16();
        let text = reply.text().await.unwrap();
        let body = (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap());
        Seen { method: method.clone(), path: path.to_owned(), status, body }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>, status: u16) -> Value {
        let token = &self.sandbox.endpoints().intercom_token;
        let seen = self.send(&method, path, body, "2.16", token).await;
        assert_eq!(seen.status, status, "{seen:?}");
        let body = seen.body.clone().unwrap_or_default();
        self.note(seen);
        body
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None, 200).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, Some(body), 200).await
    }

    async fn put(&self, path: &str, body: Value) -> Value {
        self.call(Method::PUT, path, Some(body), 200).await
    }

    async fn delete(&self, path: &str) -> Value {
        self.call(Method::DELETE, path, None, 200).await
    }

    async fn refused(&self, status: u16, method: Method, path: &str, body: Value) {
        let body = (!body.is_null()).then_some(body);
        self.call(method, path, body, status).await;
    }
}

/// Asks for everything.
pub(crate) async fn play(desk: &Desk) {
    let admin = people(desk).await;
    contact_attributes(desk).await;
    let contact = contacts(desk, &admin).await;
    let tag = tags(desk, &contact).await;
    notes(desk, &contact, &admin).await;
    conversation_attributes(desk).await;
    conversations(desk, &contact, &admin, &tag).await;
    deletions(desk, &contact, &tag).await;
    quota(desk).await;
}

fn id(of: &Value) -> String {
    match &of["id"] {
        Value::String(id) => id.clone(),
        id => id.to_string(),
    }
}

async fn people(desk: &Desk) -> String {
    let admin = id(&desk.get("/me").await);
    desk.get("/admins").await;
    desk.get(&format!("/admins/{admin}")).await;
    let teams = desk.get("/teams").await;
    desk.get(&format!("/teams/{}", id(&teams["teams"][0]))).await;
    desk.refused(404, Method::GET, "/admins/1", Value::Null).await;
    desk.refused(404, Method::GET, "/teams/1", Value::Null).await;
    admin
}

async fn contact_attributes(desk: &Desk) {
    for kind in ["string", "integer", "float", "boolean", "datetime", "date"] {
        let body = json!({"name": format!("ld_{kind}"), "model": "contact", "data_type": kind});
        desk.post("/data_attributes", body).await;
    }
    let options = json!([{"value": "a"}, {"value": "b"}]);
    let body =
        json!({"name": "ld_list", "model": "company", "data_type": "options", "options": options});
    let list = desk.post("/data_attributes", body.clone()).await;
    let path = format!("/data_attributes/{}", list["id"]);
    let change = json!({"archived": true, "description": "x", "options": options});
    desk.put(&path, change).await;
    desk.get("/data_attributes").await;
    desk.get("/data_attributes?model=contact&include_archived=true").await;

    desk.refused(400, Method::POST, "/data_attributes", body).await;
    desk.refused(400, Method::PUT, &path, json!({"options": [{"value": "a"}]})).await;
    desk.refused(404, Method::PUT, "/data_attributes/1", json!({"archived": true})).await;
    desk.refused(422, Method::GET, "/data_attributes?model=conversation", Value::Null).await;
}

async fn contacts(desk: &Desk, admin: &str) -> String {
    let values = json!({
        "ld_string": "x", "ld_integer": 1, "ld_float": 1.5, "ld_boolean": true,
        "ld_datetime": 1_600_000_000, "ld_date": 1_600_000_000,
    });
    let full = json!({
        "role": "user", "external_id": "leaddesk:contact:1", "email": "ada@example.com", "phone": "+358401234567",
        "name": "Ada", "owner_id": admin, "signed_up_at": 1_600_000_000, "last_seen_at": 1_600_000_001,
        "unsubscribed_from_emails": true, "custom_attributes": values,
    });
    let contact = id(&desk.post("/contacts", full.clone()).await);
    let bare = id(&desk.post("/contacts", json!({"role": "lead"})).await);
    let path = format!("/contacts/{contact}");
    desk.get(&path).await;
    desk.get("/contacts?per_page=1").await;
    desk.get("/contacts/find_by_external_id/leaddesk:contact:1").await;
    desk.put(&path, json!({"name": "Ada B", "custom_attributes": {"ld_float": null}})).await;
    let query = json!({"field": "role", "operator": "IN", "value": ["user", "lead"]});
    let body = json!({"query": query, "pagination": {"per_page": 1}});
    desk.post("/contacts/search", body.clone()).await;
    desk.post(&format!("/contacts/{bare}/archive"), json!({})).await;
    desk.post(&format!("/contacts/{bare}/unarchive"), json!({})).await;

    let mut sorted = body;
    sorted["sort"] = json!({"field": "created_at", "order": "up"});
    desk.refused(400, Method::POST, "/contacts/search", sorted).await;
    desk.refused(409, Method::POST, "/contacts", full).await;
    desk.refused(400, Method::POST, "/contacts", json!({"name": "x"})).await;
    desk.refused(404, Method::GET, &format!("/contacts/{NOBODY}"), Value::Null).await;
    contact
}

async fn tags(desk: &Desk, contact: &str) -> String {
    let tag = id(&desk.post("/tags", json!({"name": "Call"})).await);
    desk.post("/tags", json!({"name": "Bulk", "users": [{"id": contact}]})).await;
    desk.get("/tags").await;
    desk.get(&format!("/tags/{tag}")).await;
    let path = format!("/contacts/{contact}/tags");
    desk.post(&path, json!({"id": tag})).await;
    desk.get(&path).await;
    desk.get(&format!("/contacts/{contact}")).await;
    desk.delete(&format!("{path}/{tag}")).await;
    desk.post(&path, json!({"id": tag})).await;

    let nobody = format!("/contacts/{NOBODY}/tags");
    desk.refused(400, Method::POST, "/tags", json!({})).await;
    desk.refused(404, Method::GET, "/tags/1", Value::Null).await;
    desk.refused(404, Method::DELETE, "/tags/1", Value::Null).await;
    desk.refused(404, Method::GET, &nobody, Value::Null).await;
    desk.refused(404, Method::POST, &nobody, json!({"id": tag})).await;
    desk.refused(404, Method::POST, &path, json!({"id": "1"})).await;
    desk.refused(404, Method::DELETE, &format!("{nobody}/{tag}"), Value::Null).await;
    desk.refused(404, Method::DELETE, &format!("{path}/1"), Value::Null).await;
    tag
}

async fn notes(desk: &Desk, contact: &str, admin: &str) {
    let path = format!("/contacts/{contact}/notes");
    let note = desk.post(&path, json!({"body": "one", "admin_id": admin})).await;
    desk.post(&path, json!({"body": "<p>two</p>"})).await;
    desk.get(&format!("{path}?per_page=1")).await;
    desk.get(&format!("/notes/{}", id(&note))).await;
    desk.get(&format!("/contacts/{contact}")).await;

    let nobody = format!("/contacts/{NOBODY}/notes");
    desk.refused(404, Method::GET, &nobody, Value::Null).await;
    desk.refused(404, Method::POST, &nobody, json!({"body": "x"})).await;
    desk.refused(404, Method::POST, &path, json!({"body": "x", "admin_id": "1"})).await;
    desk.refused(404, Method::GET, "/notes/1", Value::Null).await;
}

async fn conversation_attributes(desk: &Desk) {
    let root = "/conversations/attributes";
    for kind in ["string", "integer", "decimal", "boolean", "datetime", "files"] {
        desk.post(root, json!({"name": format!("LD {kind}"), "data_type": kind})).await;
    }
    let reference = json!({"type": "many", "object_type_id": "1"});
    let related = json!({"name": "LD calls", "data_type": "relationship", "reference": reference});
    desk.post(root, related).await;
    let options = json!([{"label": "a"}, {"label": "b"}]);
    let list = json!({"name": "LD list", "data_type": "list", "options": options});
    let list = desk.post(root, list).await;
    let path = format!("{root}/{}", list["id"]);
    let more = desk.post(&format!("{path}/options"), json!({"label": "c"})).await;
    let option = format!("{path}/options/{}", id(&more["options"][2]));
    desk.put(&option, json!({"label": "d"})).await;
    desk.delete(&option).await;
    desk.put(&path, json!({"description": "x"})).await;
    desk.get(&path).await;
    desk.get(root).await;
    let spare = desk.post(root, json!({"name": "LD spare", "data_type": "string"})).await;
    desk.delete(&format!("{root}/{}", spare["id"])).await;
    desk.get(&format!("{root}?include_archived=true")).await;

    let (none, label) = (format!("{root}/1"), json!({"label": "x"}));
    desk.refused(422, Method::POST, root, json!({"name": "x", "data_type": "text"})).await;
    desk.refused(404, Method::GET, &none, Value::Null).await;
    desk.refused(404, Method::PUT, &none, json!({"description": "x"})).await;
    desk.refused(404, Method::DELETE, &none, Value::Null).await;
    desk.refused(404, Method::POST, &format!("{none}/options"), label.clone()).await;
    desk.refused(422, Method::POST, &format!("{path}/options"), json!({})).await;
    let no_option = format!("{path}/options/1");
    desk.refused(404, Method::PUT, &no_option, label).await;
    desk.refused(404, Method::DELETE, &no_option, Value::Null).await;
    desk.refused(422, Method::PUT, &option, json!({"label": 1})).await;
    let first = format!("{path}/options/{}", id(&more["options"][0]));
    desk.refused(422, Method::DELETE, &first, Value::Null).await;
}

async fn conversations(desk: &Desk, contact: &str, admin: &str, tag: &str) {
    let opening = json!({"from": {"type": "user", "id": contact}, "body": "hello", "created_at": 1_600_000_000});
    let mut ids = Vec::new();
    for _ in 0..3 {
        let message = desk.post("/conversations", opening.clone()).await;
        ids.push(message["conversation_id"].as_str().unwrap().to_owned());
    }
    let path = format!("/conversations/{}", ids[0]);
    let (reply, parts) = (format!("{path}/reply"), format!("{path}/parts"));
    let theirs = json!({"message_type": "comment", "type": "user", "intercom_user_id": contact, "body": "x"});
    desk.post(&reply, theirs.clone()).await;
    for kind in ["comment", "note"] {
        let ours = json!({"message_type": kind, "type": "admin", "admin_id": admin, "body": "y"});
        desk.post(&reply, ours).await;
    }
    let team = desk.get("/teams").await["teams"][0]["id"].clone();
    let by = |kind: &str| json!({"message_type": kind, "type": "admin", "admin_id": admin});
    let mut snoozed = by("snoozed");
    snoozed["snoozed_until"] = json!(4_000_000_000_u32);
    let mut to_admin = by("assignment");
    to_admin["assignee_id"] = json!(admin);
    let to_team = json!({"message_type": "assignment", "type": "team", "admin_id": admin, "assignee_id": team});
    for event in [by("close"), by("open"), snoozed, to_admin, to_team] {
        desk.post(&parts, event).await;
    }
    let values = json!({
        "LD string": "x", "LD integer": 1, "LD decimal": 1.5, "LD boolean": true, "LD datetime": 1_600_000_000,
        "LD list": "a",
    });
    desk.put(&path, json!({"title": "Call", "read": true, "custom_attributes": values})).await;
    let tagging = json!({"id": tag, "admin_id": admin});
    desk.post(&format!("{path}/tags"), tagging.clone()).await;
    desk.get(&path).await;
    desk.get(&format!("{path}?display_as=plaintext")).await;
    desk.get("/conversations?per_page=1").await;
    let query = json!({"field": "contact_ids", "operator": "=", "value": contact});
    let body = json!({"query": query, "pagination": {"per_page": 1}});
    desk.post("/conversations/search", body).await;
    let untag = json!({"admin_id": admin});
    let tagged = format!("{path}/tags/{tag}");
    desk.call(Method::DELETE, &tagged, Some(untag.clone()), 200).await;
    for id in &ids[1..] {
        desk.delete(&format!("/conversations/{id}")).await;
    }
    desk.get("/conversations/deleted?per_page=1").await;
    let token = &desk.sandbox.endpoints().intercom_token;
    let old = desk.send(&Method::GET, "/conversations/deleted", None, "2.15", token).await;
    desk.note(old);

    let none = "/conversations/1";
    let from_nobody = json!({"from": {"type": "user", "id": NOBODY}, "body": "hello"});
    desk.refused(404, Method::POST, "/conversations", from_nobody).await;
    desk.refused(404, Method::GET, none, Value::Null).await;
    desk.refused(404, Method::PUT, none, json!({"read": true})).await;
    desk.refused(404, Method::DELETE, none, Value::Null).await;
    desk.refused(404, Method::POST, &format!("{none}/reply"), theirs).await;
    desk.refused(404, Method::POST, &format!("{none}/parts"), by("close")).await;
    desk.refused(404, Method::POST, &format!("{none}/tags"), tagging).await;
    desk.refused(404, Method::DELETE, &tagged, untag).await;
    let unknown = json!({"custom_attributes": {"No such": 1}});
    desk.refused(400, Method::PUT, &path, unknown).await;
    let mut again = by("assignment");
    again["assignee_id"] = json!(admin);
    desk.refused(422, Method::POST, &parts, again).await;
}

async fn deletions(desk: &Desk, contact: &str, tag: &str) {
    desk.delete(&format!("/tags/{tag}")).await;
    desk.delete(&format!("/contacts/{contact}")).await;
}

/// 429 is described for hardly any operation.
async fn quota(desk: &Desk) {
    let mut faults = migrate_sandbox::Faults::default();
    faults.intercom.refused = 1.0;
    desk.sandbox.set_faults(faults);
    desk.refused(429, Method::GET, "/contacts", Value::Null).await;
}
