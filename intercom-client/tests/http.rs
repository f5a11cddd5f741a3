//! Representative calls over real HTTP on loopback.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use common::contact;
use intercom_client::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the server saw: method, path with query, headers and body.
type Seen = Arc<Mutex<Vec<(String, HeaderMap, Value)>>>;
/// The replies it still has to give.
type Script = Arc<Mutex<Vec<Response>>>;

async fn serve(mut replies: Vec<Response>) -> (IntercomClient, Seen) {
    async fn answer(State((script, seen)): State<(Script, Seen)>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let call = format!("{} {}", parts.method, parts.uri);
        let body = serde_json::from_slice(&body).unwrap_or_default();
        seen.lock().unwrap().push((call, parts.headers, body));
        let next = script.lock().unwrap().pop();
        next.unwrap_or_else(|| axum::http::StatusCode::IM_A_TEAPOT.into_response())
    }
    replies.reverse();
    let seen = Seen::default();
    let state = (Arc::new(Mutex::new(replies)), Arc::clone(&seen));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap().port());
    let app = Router::new().fallback(answer).with_state(state);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (client, seen)
}

/// A server that reads a request and answers with these bytes, then hangs up. It counts requests.
async fn serve_bytes(answers: Vec<&'static [u8]>) -> (IntercomClient, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = client(listener.local_addr().unwrap().port());
    let count = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_complete(&request) {
                assert_ne!(socket.read_buf(&mut request).await.unwrap(), 0);
            }
            *counter.lock().unwrap() += 1;
            socket.write_all(answer).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    (client, count)
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}

fn client(port: u16) -> IntercomClient {
    let mut retry = RetryPolicy::default();
    retry.delays = Delays::constant(Duration::from_millis(5));
    IntercomClient::builder("secret-token".into())
        .base_url(format!("http://127.0.0.1:{port}").parse().unwrap())
        .retry(retry)
        .attempt_timeout(Duration::from_secs(10))
        .user_agent("test/1")
        .build()
        .unwrap()
}

fn reply(status: u16, headers: &[(&str, &str)], body: impl ToString) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.to_string().into()).unwrap()
}

const ANNA: &str = "6762f0dd1bb69f9f2193bb83";
const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[tokio::test]
async fn requests_carry_token_version_and_body() {
    let (client, seen) = serve(vec![
        reply(200, &JSON, contact(ANNA)),
        reply(200, &JSON, json!({ "type": "tag", "id": "93" })),
    ])
    .await;
    let new = NewContact::user("42").name("Anna Example");
    assert_eq!(client.contacts().create(&new).await.unwrap().id, ContactId::new(ANNA));
    let (id, tag, admin) = ("499".into(), "93".into(), "991".into());
    client.conversations().remove_tag(&id, &tag, &admin).await.unwrap();

    let seen = seen.lock().unwrap();
    let (call, headers, body) = &seen[0];
    assert_eq!(call, "POST /contacts");
    assert_eq!(headers["authorization"], "Bearer secret-token");
    assert_eq!(headers["intercom-version"], "2.16");
    assert_eq!(headers["accept"], "application/json");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["user-agent"], "test/1");
    assert_eq!(*body, json!({ "role": "user", "external_id": "42", "name": "Anna Example" }));
    // A DELETE with a body, as the description demands.
    assert_eq!(seen[1].0, "DELETE /conversations/499/tags/93");
    assert_eq!(seen[1].2, json!({ "admin_id": "991" }));
}

#[tokio::test]
async fn a_full_window_is_waited_for() {
    let refused = json!({ "type": "error.list", "errors": [{ "code": "rate_limit_exceeded",
                          "message": "Exceeded rate limit of 166 in 10_seconds" }] });
    let reset = (chrono::Utc::now().timestamp() + 1).to_string();
    let limit = [("x-ratelimit-limit", "166"), ("x-ratelimit-remaining", "0")];
    let full = [limit.as_slice(), &[("x-ratelimit-reset", reset.as_str())]].concat();
    let opened = json!({ "type": "user_message", "id": "1", "conversation_id": "499" });
    let (client, seen) = serve(vec![reply(429, &full, refused), reply(200, &JSON, opened)]).await;
    let started = Instant::now();
    let opening = NewConversation::from_user(ANNA, "Hello");
    client.conversations().create(&opening).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert!(started.elapsed() < Duration::from_secs(30));
    let rate = client.rate();
    assert_eq!((rate.calls, rate.throttled, rate.limit_per_window), (2, 1, Some(166)));
}

#[tokio::test]
async fn a_failing_service_is_asked_again_only_for_what_makes_no_twin() {
    let tag = json!({ "type": "tag", "id": "93", "name": "Call" });
    let (client, seen) = serve(vec![
        reply(503, &[], "<html>busy</html>"),
        reply(200, &JSON, contact(ANNA)),
        reply(502, &[], ""),
        reply(200, &JSON, tag),
        reply(500, &[], r#"{"type":"error.list","request_id":"req-7","errors":[]}"#),
    ])
    .await;
    client.contacts().get(&ANNA.into()).await.unwrap();
    client.tags().get_or_create("Call").await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 4);

    let reply = Reply::note("991", "Noted").skip_notifications(true);
    let error = client.conversations().reply(&"499".into(), reply).await.unwrap_err();
    assert_eq!((error.executed(), error.attempts()), (Executed::Maybe, 1));
    assert_eq!(error.request_id(), Some("req-7"));
    assert_eq!(seen.lock().unwrap().len(), 5);
}

const CUT_SHORT: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"type\":\"user_mes";
const NO_REPLY: &[u8] = b"";
const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 24\r\nconnection: close\r\n\r\n{\"id\":\"1\",\"name\":\"Call\"}";

#[tokio::test]
async fn a_lost_reply_to_an_opening_is_in_doubt_and_not_sent_again() {
    for lost in [NO_REPLY, CUT_SHORT] {
        let (client, count) = serve_bytes(vec![lost, WHOLE, WHOLE]).await;
        let opening = NewConversation::from_user(ANNA, "Hello");
        let error = client.conversations().create(&opening).await.unwrap_err();
        assert_eq!((error.executed(), error.retry()), (Executed::Maybe, Retry::MayHelp), "{error}");
        assert_eq!(*count.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn a_lost_reply_to_a_read_is_asked_for_again() {
    let (client, count) = serve_bytes(vec![NO_REPLY, CUT_SHORT, WHOLE]).await;
    let team = client.teams().get(&"1".into()).await.unwrap();
    assert_eq!(team.name.as_deref(), Some("Call"));
    assert_eq!(*count.lock().unwrap(), 3);
}

#[tokio::test]
async fn a_host_that_is_not_there_was_surely_not_written_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let opening = NewConversation::from_user(ANNA, "Hello");
    let error = client(port).conversations().create(&opening).await.unwrap_err();
    assert!(error.is_unreachable());
    assert_eq!((error.executed(), error.retry()), (Executed::No, Retry::Exhausted));
    let chain = format!("{error} {error:?}");
    assert!(!chain.contains("http://") && !chain.contains("secret-token"), "{chain}");
}
