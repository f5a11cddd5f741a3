use std::time::Duration;

use migrate_sandbox::{Account, AccountSpec, Sandbox};
use serde_json::{Value, json};

use super::{Desk, plain};

impl Desk {
    async fn original(&self, query: &[(&str, &str)]) -> (u16, String) {
        let endpoints = self.sandbox.endpoints();
        let request = self
            .http
            .get(&endpoints.leaddesk_original)
            .query(&[("auth", endpoints.leaddesk_key.as_str())])
            .query(query);
        let reply = request.send().await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    async fn original_json(&self, query: &[(&str, &str)]) -> Value {
        let (status, text) = self.original(query).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn rest_token(&self) -> String {
        let endpoints = self.sandbox.endpoints();
        let body = json!({
            "grant_type": "leaddesk_client_id",
            "leaddesk_client_id": endpoints.leaddesk_account_id,
            "client_id": endpoints.leaddesk_client_id,
            "client_secret": endpoints.leaddesk_client_secret,
        });
        let url = format!("{}/oauth/access-token", endpoints.leaddesk_rest);
        let reply = self.http.post(&url).json(&body).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        let of_json: Value = reply.json().await.unwrap();
        let reply = self.http.post(&url).form(&body).send().await.unwrap();
        assert_eq!(reply.status(), 200, "a form is accepted as well");
        of_json["access_token"].as_str().unwrap().to_owned()
    }

    async fn rest(&self, path: &str, token: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.sandbox.endpoints().leaddesk_rest);
        let reply = self.http.get(url).bearer_auth(token).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }
}

#[tokio::test]
async fn every_contact_is_found_through_its_list() {
    let account = Account::generate(&AccountSpec::new(120, 4));
    let desk = Desk::start(Sandbox::builder(account.clone())).await;
    let lists = desk.original_json(&[("mod", "calling_list"), ("cmd", "list")]).await;
    let mut seen = 0;
    for list in lists.as_array().unwrap() {
        let id = list["id"].as_str().unwrap();
        let found = desk
            .original_json(&[("mod", "contact"), ("cmd", "find"), ("contact_list_id", id)])
            .await;
        let ids = found["contact_ids"].as_array().unwrap();
        assert_eq!(found["total_count"], ids.len());
        seen += ids.len();
        let (status, csv) =
            desk.original(&[("mod", "calling_list"), ("cmd", "export"), ("id", id)]).await;
        assert_eq!(status, 200);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(b';')
            .has_headers(false)
            .from_reader(csv.as_bytes());
        for row in reader.records() {
            let row = row.unwrap();
            assert_eq!(row.len(), 14);
            assert!(ids.contains(&json!(row[0].parse::<u64>().unwrap())));
        }
    }
    assert_eq!(seen, account.contacts.len());

    let contact = &account.contacts[7];
    let id = contact.id.to_string();
    let got = desk.original_json(&[("mod", "contact"), ("cmd", "get"), ("contact_id", &id)]).await;
    assert_eq!(got["contact_id"], contact.id, "a number outside");
    assert_eq!(got["data"]["id"], json!(id), "a string inside");
    assert_eq!(got["data"]["fname"], json!(contact.fname));
    assert_eq!(got["data"]["phonenumbers"], json!(contact.phonenumbers));
    assert_eq!(got["data"]["other_i_name_1"], "Segment");

    let phone =
        &account.contacts.iter().find(|it| !it.phonenumbers.is_empty()).unwrap().phonenumbers[0];
    let found = desk.original_json(&[("mod", "contact"), ("cmd", "find"), ("phone", phone)]).await;
    assert!(found["total_count"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn calls_and_agents_are_looked_up_one_by_one() {
    let account = Account::generate(&AccountSpec::new(120, 4));
    let desk = Desk::start(Sandbox::builder(account.clone())).await;
    let call = &account.calls[10];
    let id = call.id.to_string();
    let got = desk.original_json(&[("mod", "call"), ("cmd", "get"), ("call_ref_id", &id)]).await;
    assert_eq!(got["id"], json!(id));
    assert_eq!(got["talk_time"], json!(call.talk_time.to_string()));
    assert_eq!(got["comment"], json!(call.comment));
    assert!(got["order_ids"].is_array());

    let hole = (call.id..).find(|id| !account.calls.iter().any(|call| call.id == *id)).unwrap();
    let hole = hole.to_string();
    let (status, text) =
        desk.original(&[("mod", "call"), ("cmd", "get"), ("call_ref_id", &hole)]).await;
    assert_eq!((status, text.as_str()), (400, "ERR_NOT_FOUND:call"));

    let agent = &account.agents[0];
    let found = desk
        .original_json(&[("mod", "agent"), ("cmd", "find"), ("username", &agent.username)])
        .await;
    assert_eq!(found, json!({"id": agent.id, "name": agent.name}));
}

#[tokio::test]
async fn errors_are_plain_text() {
    let desk = Desk::start(plain()).await;
    let cases = [
        (vec![("mod", "contact"), ("cmd", "get")], "ERR_ARGUMENT_MISSING:contact_id"),
        (
            vec![("mod", "contact"), ("cmd", "get"), ("contact_id", "x")],
            "ERR_ARGUMENT_INVALID:contact_id",
        ),
        (vec![("mod", "contact"), ("cmd", "get"), ("contact_id", "1")], "ERR_NOT_FOUND:contact"),
        (vec![("mod", "agent"), ("cmd", "find"), ("username", "*")], "ERR_NOT_FOUND:agent"),
    ];
    for (query, expected) in cases {
        assert_eq!(desk.original(&query).await, (400, expected.to_owned()));
    }
    let url =
        format!("{}/?mod=call&cmd=get&auth=wrong", desk.sandbox.endpoints().leaddesk_original);
    let reply = desk.http.get(url).send().await.unwrap();
    assert_eq!(reply.status(), 400);
    assert_eq!(reply.text().await.unwrap(), "ERR_AUTHENTICATION");
}

#[tokio::test]
async fn whatever_would_write_or_erase_is_refused_and_counted() {
    let desk = Desk::start(plain()).await;
    let before = desk.sandbox.account();
    let id = before.contacts[0].id.to_string();
    let (status, _) =
        desk.original(&[("mod", "contact"), ("cmd", "delete"), ("contact_id", &id)]).await;
    assert_eq!(status, 400);
    let token = desk.rest_token().await;
    let url = format!("{}/gdpr/contact?phone=1", desk.sandbox.endpoints().leaddesk_rest);
    let reply = desk.http.delete(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(reply.status(), 403);
    assert_eq!(desk.sandbox.counters().leaddesk_writes, 2);
    assert_eq!(desk.sandbox.account(), before);
}

#[tokio::test]
async fn rest_lists_users_and_campaigns_page_by_page() {
    let account = Account::generate(&AccountSpec::new(1000, 4));
    let desk = Desk::start(Sandbox::builder(account.clone())).await;
    let token = desk.rest_token().await;
    let (_, first) = desk.rest("/users?per_page=15&page=1", &token).await;
    let (_, second) = desk.rest("/users?per_page=15&page=2", &token).await;
    assert_eq!(first["_meta"]["count"], account.agents.len());
    assert_eq!(first["collection"].as_array().unwrap().len(), 15);
    assert_eq!(second["collection"][0]["id"], account.agents[15].id);
    let (_, campaigns) = desk.rest("/campaigns", &token).await;
    assert_eq!(campaigns["collection"][0]["name"], json!(account.campaigns[0].name));
}

#[tokio::test]
async fn the_history_of_a_number_has_no_ids() {
    let account = Account::generate(&AccountSpec::new(50, 4));
    let number = account.calls[0].number.clone().unwrap();
    let desk = Desk::start(Sandbox::builder(account.clone())).await;
    let token = desk.rest_token().await;
    let path = format!("/gdpr/contact?phone={}", number.replace('+', "%2B"));
    let (status, history) = desk.rest(&path, &token).await;
    let calls = history["calls"]["agent"].as_array().unwrap();
    assert_eq!(status, 200);
    let digits = |number: &str| number.chars().filter(char::is_ascii_digit).collect::<String>();
    let national = digits(&number)[3..].to_owned();
    let people = account
        .contacts
        .iter()
        .filter(|it| it.phonenumbers.iter().any(|number| digits(number).ends_with(&national)));
    let people: Vec<u64> = people.map(|it| it.id).collect();
    let expected = account.calls.iter().filter(|it| {
        it.number.as_ref() == Some(&number) || it.contact_id.is_some_and(|id| people.contains(&id))
    });
    assert_eq!(calls.len(), expected.count());
    assert!(calls[0].get("id").is_none());
    assert!(calls[0]["duration"].is_string());
}

#[tokio::test]
async fn rest_tokens_expire() {
    let desk = Desk::start(plain().token_lifetime(Duration::from_millis(300))).await;
    assert_eq!(desk.rest("/users", "made-up").await.0, 401);
    let token = desk.rest_token().await;
    assert_eq!(desk.rest("/users", &token).await.0, 200);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(desk.rest("/users", &token).await.0, 401);
}
