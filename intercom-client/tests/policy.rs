//! What is repeated and what is not, what errors say, and what guards lists.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{contact, examples, scripted};
use desk_client_core::TransportError;
use desk_client_core::testing::ScriptedTransport;
use futures::StreamExt;
use intercom_client::*;
use serde_json::{Value, json};

/// Operations that could make a twin, and are therefore sent once.
const NEVER_REPEATED: [&str; 15] = [
    "contacts().create",
    "contacts().create of a lead",
    "contacts().create of a user by e-mail",
    "contacts().add_note",
    "data_attributes().create",
    "data_attributes().create of a list",
    "conversations().create",
    "conversations().create by a lead",
    "conversations().create by a contact",
    "conversations().reply by a contact",
    "conversations().reply by an admin",
    "conversations().reply with a note",
    "conversation_attributes().create",
    "conversation_attributes().create of a list",
    "conversation_attributes().add_option",
];

/// Runs every operation with `failure` before its first reply, and gives the names of those that
/// were sent a second time.
async fn repeated_after(failure: impl Fn(&ScriptedTransport)) -> Vec<&'static str> {
    let mut repeated = Vec::new();
    for example in examples() {
        let transport = ScriptedTransport::new();
        failure(&transport);
        for exchange in &example.exchanges {
            let empty = exchange.reply.is_null();
            let reply = if empty { String::new() } else { exchange.reply.to_string() };
            transport.reply(200, reply);
        }
        // An operation that is not repeated fails, and its example with it.
        let outcome = tokio::spawn((example.call)(scripted(&transport))).await;
        assert_eq!(outcome.is_ok(), transport.requests().len() > 1, "{}", example.name);
        if outcome.is_ok() {
            repeated.push(example.name);
        }
    }
    repeated
}

fn all_but(never: &[&str]) -> Vec<&'static str> {
    examples().iter().map(|example| example.name).filter(|name| !never.contains(name)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_surely_not_carried_out_is_always_sent_again() {
    let throttled = repeated_after(|script| {
        let headers = [("x-ratelimit-limit", "166"), ("x-ratelimit-remaining", "0")];
        let body = r#"{"type":"error.list","errors":[{"code":"rate_limit_exceeded"}]}"#;
        script.reply_with(429, &headers, body);
    });
    assert_eq!(throttled.await, all_but(&[]));
    let refused = repeated_after(|script| {
        script.fail(TransportError::connect());
    });
    assert_eq!(refused.await, all_but(&[]));
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_reply_only_what_makes_no_twin_is_sent_again() {
    for failure in [TransportError::timeout, TransportError::interrupted] {
        let repeated = repeated_after(|script| {
            script.fail(failure());
        });
        assert_eq!(repeated.await, all_but(&NEVER_REPEATED));
    }
    for status in [500, 502, 503, 504] {
        let repeated = repeated_after(|script| {
            script.reply(status, "<html>Bad gateway</html>");
        });
        assert_eq!(repeated.await, all_but(&NEVER_REPEATED));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_sent_again() {
    for (status, code) in [(400, "parameter_invalid"), (401, "unauthorized"), (422, "data_invalid")]
    {
        let repeated = repeated_after(|script| {
            script.reply(status, json!({ "errors": [{ "code": code }] }).to_string());
        });
        assert!(repeated.await.is_empty(), "{status}");
    }
}

fn refusal(code: &str, message: &str) -> String {
    json!({ "type": "error.list", "request_id": "req-1",
            "errors": [{ "code": code, "message": message }] })
    .to_string()
}

const ANNA: &str = "6762f0dd1bb69f9f2193bb83";

#[tokio::test(start_paused = true)]
async fn an_opening_whose_reply_is_lost_is_in_doubt() {
    let script = ScriptedTransport::new();
    let client = scripted(&script);
    let opening = NewConversation::from_user(ANNA, "Hello");

    script.fail(TransportError::interrupted());
    let error = client.conversations().create(&opening).await.unwrap_err();
    assert_eq!((error.executed(), error.retry()), (Executed::Maybe, Retry::MayHelp));
    assert!(error.is_unreachable() && error.attempts() == 1);

    script.reply(500, "oops");
    let error = client.conversations().create(&opening).await.unwrap_err();
    assert_eq!((error.executed(), error.retry()), (Executed::Maybe, Retry::MayHelp));
    assert!(error.is_unavailable() && !error.is_unreachable());

    // A page of a proxy under status 200, or a reply cut short, proves nothing either way.
    for body in ["<html>Sign in to the network</html>", r#"{"conversation_id":"#] {
        script.reply(200, body);
        let error = client.conversations().create(&opening).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Decode, Executed::Maybe));
    }
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_contact_made_seconds_ago_may_not_be_found_yet() {
    let script = ScriptedTransport::new();
    let client = scripted(&script);
    let opening = NewConversation::from_user(ANNA, "Hello");

    script.reply(404, refusal("not_found", "User Not Found"));
    script.reply(404, refusal("not_found", "User Not Found"));
    script.reply(200, r#"{"type":"user_message","id":"1","conversation_id":"499"}"#);
    let opened = client.conversations().create(&opening).await.unwrap();
    assert_eq!(opened.conversation_id, ConversationId::new("499"));
    assert_eq!(script.requests().len(), 3);

    for _ in 0..20 {
        script.reply(404, refusal("not_found", "User Not Found"));
    }
    let error = client.conversations().create(&opening).await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!((error.executed(), error.retry()), (Executed::No, Retry::Exhausted));
}

#[tokio::test]
async fn assigned_so_already_is_a_success() {
    let script = ScriptedTransport::new();
    let client = scripted(&script);
    let (id, admin) = (ConversationId::new("499"), AdminId::new("991"));

    script.reply(422, refusal("conversation_already_assigned_to_assignee", "Already"));
    let assigned = client.conversations().assign(&id, &admin, admin.clone()).await.unwrap();
    assert!(assigned.is_none());

    script.reply(422, refusal("parameter_invalid", "No"));
    let error = client.conversations().assign(&id, &admin, admin.clone()).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::ParameterInvalid));
    assert_eq!(error.request_id(), Some("req-1"));
}

#[tokio::test]
async fn errors_name_the_other_contact_and_hide_people() {
    let script = ScriptedTransport::new();
    let client = scripted(&script);

    script.reply(404, refusal("not_found", "User Not Found"));
    assert!(client.contacts().find_by_external_id("x").await.unwrap().is_none());

    script.reply(404, "<html>Not here</html>");
    assert!(client.contacts().find_by_external_id("x").await.unwrap_err().is_not_found());

    let link = format!("</contacts/{ANNA}>; rel=\"canonical\"");
    script.reply_with(410, &[("link", &link)], refusal("contact_merged", "Merged"));
    let error = client.contacts().find_by_external_id("anna@example.com").await.unwrap_err();
    assert_eq!(error.contact_merged_into(), Some(ContactId::new(ANNA)));
    assert!(!format!("{error} {error:?}").contains("anna@"), "{error:?}");

    let message =
        format!("An archived contact matching those details already exists with id={ANNA}");
    script.reply(409, refusal("conflict", &message));
    let new = NewContact::user("42").email("anna@example.com");
    let error = client.contacts().create(&new).await.unwrap_err();
    let other = error.conflicting_contact().unwrap();
    assert!(other.archived && other.id == ContactId::new(ANNA));
    assert_eq!(error.executed(), Executed::No);
    assert_eq!(error.to_string(), "POST /contacts: conflict (409, conflict)");
}

#[tokio::test]
async fn a_list_that_goes_in_circles_ends_in_an_error() {
    let script = ScriptedTransport::new();
    let page = json!({ "data": [contact("a")], "pages": { "next": { "starting_after": "x" } } });
    for _ in 0..3 {
        script.reply(200, page.to_string());
    }
    let pages: Vec<_> = scripted(&script).contacts().list(None).collect().await;
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[1].as_ref().unwrap_err().kind(), ErrorKind::Paging);
}

#[tokio::test]
async fn a_list_by_number_that_stands_still_ends_in_an_error() {
    let script = ScriptedTransport::new();
    let page = json!({ "conversations": [{ "id": "1" }], "pages": { "total_pages": 9 } });
    script.reply(200, page.to_string()).reply(200, page.to_string());
    let error = scripted(&script).conversations().deleted().all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Paging);
}

#[tokio::test]
async fn a_list_not_known_to_be_paged_is_read_to_its_end() {
    let script = ScriptedTransport::new();
    let next = json!({ "next": { "starting_after": "x" } });
    let page = json!({ "teams": [{ "id": 1 }], "pages": next });
    script.reply(200, page.to_string()).reply(200, r#"{"teams":[{"id":2}]}"#);
    assert_eq!(scripted(&script).teams().list().await.unwrap().len(), 2);
    assert_eq!(script.requests()[1].uri().query(), Some("starting_after=x"));
}

#[tokio::test]
async fn an_empty_page_goes_on_and_a_missing_list_is_an_error() {
    let script = ScriptedTransport::new();
    let client = scripted(&script);
    let empty = json!({ "data": [], "pages": { "next": { "starting_after": "x" } } });
    script.reply(200, empty.to_string()).reply(200, json!({ "data": [contact("a")] }).to_string());
    assert_eq!(client.contacts().list(None).all().await.unwrap().len(), 1);

    script.reply(200, r#"{"type":"list"}"#);
    let error = client.contacts().list(None).all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn one_bad_element_leaves_its_page_alone() {
    let script = ScriptedTransport::new();
    let bad = json!({ "id": "b", "name": { "first": "Anna" } });
    let page = json!({ "data": [contact("a"), bad, contact("c")] });
    script.reply(200, page.to_string());
    let items: Vec<_> = scripted(&script).contacts().list(None).items().collect().await;
    let read: Vec<bool> = items.iter().map(Result::is_ok).collect();
    assert_eq!(read, [true, false, true]);
    let error = items[1].as_ref().unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("element 1 of `data`, id `b`: "), "{shown}");
    assert!(shown.contains("at `name`"), "{shown}");
    assert!(!format!("{shown} {error:?}").contains("Anna"));
}

#[tokio::test]
async fn what_intercom_would_refuse_is_not_sent() {
    let script = ScriptedTransport::new();
    let client = scripted(&script);
    let deep = Query::and([Query::or([Query::and([Query::eq("email", "a")])])]);
    let error = client.contacts().search(deep).all().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("2 deep"), "{error}");
    let many = NewConversation::from_user(ANNA, "Hello").attachment_urls(["https://x.test"; 11]);
    let error = client.conversations().create(&many).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Settings, Executed::No));
    assert!(client.contacts().get(&"".into()).await.is_err());
    assert!(script.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn raw_calls_share_the_rest_and_hide_their_path() {
    let script = ScriptedTransport::new();
    let client = scripted(&script);
    script.reply(200, r#"{"type":"list"}"#);
    let query = [("email", "anna@example.com")];
    let reply = client.raw(http::Method::GET, "/visitors", &query, None).await.unwrap();
    assert_eq!(reply["type"], "list");
    script.reply(202, "");
    let body = json!({ "event_name": "called" });
    let reply = client.raw(http::Method::POST, "events", &[], Some(&body)).await.unwrap();
    assert_eq!(reply, Value::Null);
    script.reply(500, "");
    let path = "/contacts/anna@example.com/x/y";
    let error = client.raw(http::Method::POST, path, &[], None).await.unwrap_err();
    assert_eq!(error.to_string(), "POST /contacts/{}/{}/{}: the service failed (500)");

    let sent = script.requests();
    assert_eq!(sent[0].uri().query(), Some("email=anna%40example.com"));
    assert_eq!(sent[1].body().as_ref(), body.to_string().as_bytes());
    assert_eq!(sent[2].uri().path(), "/contacts/anna@example.com/x/y");
    assert_eq!(sent.len(), 3);
}

#[tokio::test]
async fn settings_are_checked_and_secrets_hidden() {
    let plain = "http://api.example.com".parse().unwrap();
    let builder = IntercomClient::builder("secret-token".into());
    assert!(!format!("{builder:?}").contains("secret-token"));
    assert!(builder.base_url(plain).build().is_err());
    let loopback = "http://127.0.0.1:9".parse().unwrap();
    let client = IntercomClient::builder("secret-token".into()).base_url(loopback).build().unwrap();
    assert!(!format!("{client:?}").contains("secret-token"));
    assert!(IntercomClient::builder(" ".into()).build().is_err());
    assert!(IntercomClient::builder("secret\ntoken".into()).build().is_err());
    assert!(IntercomClient::builder("x".into()).reserve(1.0).build().is_err());
    for (text, region) in
        [("EU", Ok(Region::Eu)), ("us", Ok(Region::Us)), ("mars", Err(UnknownRegion))]
    {
        assert_eq!(text.parse::<Region>(), region);
    }
}
