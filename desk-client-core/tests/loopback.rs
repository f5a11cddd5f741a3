//! The transport and the limiter over real HTTP.
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use desk_client_core::{
    Bearer, Call, ErrorKind, Executed, Http, Limiter, LimiterSettings, ReqwestTransport, Transport,
    TransportSettings,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn transport(url: &Url) -> ReqwestTransport {
    let mut settings = TransportSettings::default();
    settings.max_body = 1024;
    ReqwestTransport::new(url, &settings).unwrap()
}

#[tokio::test]
async fn a_call_goes_out_as_it_should() {
    let url = serve(Router::new().route(
        "/v1/people/{id}",
        get(|request: axum::extract::Request| async move {
            format!(
                "{} {}",
                request.uri(),
                request.headers()["authorization"].to_str().unwrap()
            )
        }),
    ))
    .await;
    let base = url.join("v1/").unwrap();
    let http = Http::builder(transport(&base), base)
        .authorize(Bearer::new(&"t0ken".into()).unwrap())
        .build();
    let reply = http
        .send(Call::get("/people/{id}").segment("ä/1").query("q", "a+b"))
        .await
        .unwrap();
    assert_eq!(
        reply.text().unwrap(),
        "/v1/people/%C3%A4%2F1?q=a%2Bb Bearer t0ken"
    );
}

#[tokio::test]
async fn redirects_are_not_followed_and_long_replies_not_read() {
    let url = serve(
        Router::new()
            .route(
                "/redirect",
                get(|| async { axum::response::Redirect::temporary("/long") }),
            )
            .route("/long", get(|| async { "x".repeat(5000) })),
    )
    .await;
    let http = Http::builder(transport(&url), url).build();
    let error = http.send(Call::get("/redirect")).await.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(307));
    let error = http.send(Call::get("/long")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn failures_say_whether_the_request_was_sent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!(
        "http://{}/?secret=1",
        listener.local_addr().unwrap()
    ))
    .unwrap();
    tokio::spawn(async move {
        for reply in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut"] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let _ = socket.read(&mut buffer).await.unwrap();
            socket.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    let transport = transport(&url);
    let request = || {
        http::Request::post(url.as_str())
            .body(bytes::Bytes::new())
            .unwrap()
    };
    for _ in 0..2 {
        let error = transport.send(request()).await.unwrap_err();
        assert!(
            !error.not_sent() && error.kind() == ErrorKind::Interrupted,
            "{error:?}"
        );
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    let error = transport.send(request()).await.unwrap_err();
    assert!(
        error.not_sent() && error.kind() == ErrorKind::Connect,
        "{error:?}"
    );
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_cut_reply_to_a_write_is_ambiguous() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let _ = socket.read(&mut buffer).await.unwrap();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\ncut")
            .await
            .unwrap();
    });
    let error = Http::builder(transport(&url), url)
        .build()
        .send(Call::post("/a"))
        .await
        .unwrap_err();
    assert_eq!(error.executed(), Executed::Maybe);
}

#[test]
fn plain_http_is_for_loopback() {
    let settings = TransportSettings::default();
    for good in [
        "http://127.0.0.1:1",
        "http://localhost",
        "http://[::1]:8",
        "https://api.example.com",
    ] {
        ReqwestTransport::new(&Url::parse(good).unwrap(), &settings).unwrap();
    }
    for bad in [
        "http://api.example.com",
        "ftp://localhost",
        "http://localhost.example.com",
    ] {
        let error = ReqwestTransport::new(&Url::parse(bad).unwrap(), &settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
    }
    let mut settings = TransportSettings::default();
    settings.allow_http = true;
    ReqwestTransport::new(&Url::parse("http://api.example.com").unwrap(), &settings).unwrap();
}

/// A service with short windows; nothing is refused, and several windows are passed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limiter_keeps_within_a_real_window() {
    const LIMIT: usize = 60;
    let used = Arc::new(std::sync::Mutex::new((0u64, 0usize)));
    let refused = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&refused);
    let url = serve(Router::new().route(
        "/",
        get(move || async move {
            let now = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_secs();
            let window = now / 2;
            let mut used = used.lock().unwrap();
            if used.0 != window {
                *used = (window, 0);
            }
            let accepted = used.1 < LIMIT;
            used.1 += usize::from(accepted);
            counter.fetch_add(usize::from(!accepted), Ordering::Relaxed);
            let headers = [
                ("x-ratelimit-limit", LIMIT.to_string()),
                ("x-ratelimit-remaining", (LIMIT - used.1).to_string()),
                ("x-ratelimit-reset", ((window + 1) * 2).to_string()),
            ];
            (
                if accepted {
                    http::StatusCode::OK
                } else {
                    http::StatusCode::TOO_MANY_REQUESTS
                },
                headers,
            )
        }),
    ))
    .await;
    let mut settings = LimiterSettings::default();
    settings.reserve = 0.2;
    settings.window = Duration::from_secs(2);
    let http = Http::builder(transport(&url), url)
        .limiter(Limiter::new(settings))
        .build();
    let calls = (0..200).map(|_| http.send(Call::get("/")));
    for reply in futures::future::join_all(calls).await {
        reply.unwrap();
    }
    assert_eq!(refused.load(Ordering::Relaxed), 0);
    let stats = http.limiter().stats();
    assert_eq!((stats.calls, stats.limit_per_window), (200, Some(60)));
    assert!(stats.windows >= 3, "{stats:?}");
}
