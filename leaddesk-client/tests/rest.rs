//! The REST API, over real HTTP on loopback and against a script.
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use desk_client_core::testing::ScriptedTransport;
use futures::TryStreamExt;
use http::{HeaderMap, StatusCode};
use leaddesk_client::{AgentId, ErrorKind, RestClient, RetryPolicy, Settings};
use serde_json::{Value, json};

#[derive(Default)]
struct Service {
    minted: AtomicU32,
    /// Calls that one token is good for.
    uses: AtomicU32,
}

#[derive(serde::Deserialize)]
struct Paging {
    page: u32,
    per_page: u32,
}

async fn token(
    State(service): State<Arc<Service>>,
    Json(body): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let expected = json!({"grant_type":"leaddesk_client_id","leaddesk_client_id":"123","client_id":"c","client_secret":"s"});
    if body != expected {
        return Err(StatusCode::UNAUTHORIZED);
    }
    service.uses.store(0, Ordering::Relaxed);
    let number = service.minted.fetch_add(1, Ordering::Relaxed) + 1;
    Ok(Json(json!({"access_token": format!("token{number}")})))
}

async fn users(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Query(paging): Query<Paging>,
) -> Result<Json<Value>, StatusCode> {
    let current = format!("Bearer token{}", service.minted.load(Ordering::Relaxed));
    if headers["authorization"] != current.as_str()
        || service.uses.fetch_add(1, Ordering::Relaxed) >= 2
    {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let all: Vec<Value> = (1..=5)
        .map(|id| match id {
            3 => json!({"id": null, "name": "broken"}),
            _ => json!({"id": id, "name": format!("User {id}"), "primary_email": null, "office": null}),
        })
        .collect();
    // Never more than two to a page, whatever was asked for.
    let size = paging.per_page.min(2) as usize;
    let page: Vec<&Value> = all
        .iter()
        .skip((paging.page as usize - 1) * size)
        .take(size)
        .collect();
    Ok(Json(json!({"collection": page, "_meta": {"count": 5}})))
}

async fn serve() -> (String, Arc<Service>) {
    let service = Arc::new(Service::default());
    let router = Router::new()
        .route("/stable/oauth/access-token", post(token))
        .route("/stable/users", get(users))
        .route(
            "/stable/gdpr/contact",
            get(|| async { r#"{"calls":{"agent":[{"duration":"61","direction":"out","phone_number":"+3584"},7]}}"# }),
        )
        .with_state(Arc::clone(&service));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/stable", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, service)
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.requests_per_second = 1000.0;
    settings.retry = RetryPolicy::none();
    settings
}

#[tokio::test]
async fn lists_are_read_to_the_end_with_tokens_that_run_out() {
    let (url, service) = serve().await;
    let client = RestClient::builder(url, "123", "c".into(), "s".into())
        .settings(settings())
        .build()
        .unwrap();
    let pages: Vec<_> = client.users().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let users: Vec<_> = pages.into_iter().flatten().collect();
    assert_eq!(users[0].as_ref().unwrap().id, AgentId::from(1));
    assert_eq!(users[2].as_ref().unwrap_err().record, 3);
    assert_eq!(
        service.minted.load(Ordering::Relaxed),
        2,
        "one renewal, at the third call"
    );
}

#[tokio::test]
async fn wrong_credentials_are_one_clear_error() {
    let (url, service) = serve().await;
    let client = RestClient::builder(url, "123", "c".into(), "wrong".into())
        .settings(settings())
        .build()
        .unwrap();
    let error = client.users().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.is_unauthorized() && error.is_fatal());
    assert_eq!(
        error.to_string(),
        "POST /oauth/access-token: the credential was refused (401)"
    );
    assert!(!format!("{error:?}").contains("wrong"));
    assert_eq!(service.minted.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_history_of_a_number_is_read() {
    let (url, _) = serve().await;
    let client = RestClient::builder(url, "123", "c".into(), "s".into())
        .settings(settings())
        .build()
        .unwrap();
    let calls = client.gdpr_history("+3584").await.unwrap();
    assert_eq!(calls[0].as_ref().unwrap().duration.as_deref(), Some("61"));
    assert!(calls[1].is_err());
    let raw = client.raw("gdpr/contact", &[("phone", "1")]).await.unwrap();
    assert!(raw.starts_with(b"{\"calls\""));
    assert!(
        client
            .raw("nothing/here", &[])
            .await
            .unwrap_err()
            .is_not_found()
    );
    assert_eq!(
        client.raw("../gdpr", &[]).await.unwrap_err().kind(),
        ErrorKind::Settings
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ignores_the_page_is_seen() {
    let page = |count: Value| {
        json!({"collection":[{"id":1},{"id":2}],"_meta":{"count":count}}).to_string()
    };
    for (count, complete) in [(json!(2), true), (json!(3), false), (json!(null), false)] {
        let script = ScriptedTransport::new();
        script
            .reply(200, r#"{"access_token":"t"}"#)
            .reply(200, page(count.clone()))
            .reply(200, page(count));
        let client = RestClient::builder(
            "https://rest.example.com/stable",
            "1",
            "c".into(),
            "s".into(),
        )
        .build_with(script.clone())
        .unwrap();
        match client.campaigns().try_collect::<Vec<_>>().await {
            Ok(pages) => assert!(complete && pages.len() == 1),
            Err(error) => assert!(!complete && error.kind() == ErrorKind::Paging, "{error}"),
        }
        assert_eq!(script.requests()[1].uri().path(), "/stable/campaigns");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_reply_without_a_token_keeps_its_body_to_itself() {
    let script = ScriptedTransport::new();
    script.reply(200, r#"{"token":"s3cret"}"#);
    let client = RestClient::builder("https://rest.example.com", "1", "c".into(), "s".into())
        .build_with(script)
        .unwrap();
    let error = client.raw("users", &[]).await.unwrap_err();
    assert_eq!((error.kind(), error.body()), (ErrorKind::Decode, None));
}
