//! The attempt loop, against a script and in virtual time.
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.
#![cfg(feature = "testing")]

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use desk_client_core::testing::ScriptedTransport;
use desk_client_core::{
    Authorize, Budget, Call, Class, Decision, Error, ErrorKind, Executed, Http, Retry, RetryPolicy,
    TransportError,
};
use http::{HeaderMap, StatusCode};
use url::Url;

fn client(script: &ScriptedTransport) -> Http {
    let mut policy = RetryPolicy::default();
    policy.max_attempts = 3;
    Http::builder(
        script.clone(),
        Url::parse("https://api.example.com").unwrap(),
    )
    .retry(policy)
    .build()
}

#[tokio::test(start_paused = true)]
async fn reading_is_repeated_after_a_failure_of_any_kind() {
    let script = ScriptedTransport::new();
    script
        .fail(TransportError::timeout())
        .reply(503, "")
        .reply(200, "{}");
    client(&script).send(Call::get("/a")).await.unwrap();
    assert_eq!(script.requests().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_not_repeated_when_it_may_have_been_carried_out() {
    for failure in [TransportError::timeout(), TransportError::interrupted()] {
        let script = ScriptedTransport::new();
        script.fail(failure).reply(200, "{}");
        let error = client(&script)
            .send(Call::post("/a").json(&1))
            .await
            .unwrap_err();
        assert_eq!(
            (error.executed(), error.retry()),
            (Executed::Maybe, Retry::MayHelp)
        );
        assert_eq!(script.requests().len(), 1);
    }
    let script = ScriptedTransport::new();
    script.reply(500, "").reply(200, "{}");
    let error = client(&script).send(Call::post("/a")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Server, Executed::Maybe)
    );
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_repeated_when_it_surely_was_not_carried_out() {
    let script = ScriptedTransport::new();
    script
        .fail(TransportError::connect())
        .reply_with(429, &[("retry-after", "7")], "")
        .reply(200, "{}");
    let before = tokio::time::Instant::now();
    client(&script).send(Call::post("/a")).await.unwrap();
    assert_eq!(script.requests().len(), 3);
    assert!(before.elapsed() >= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_listed_refusal_passes_and_an_unlisted_one_does_not() {
    let script = ScriptedTransport::new();
    script.reply(404, "").reply(404, "").reply(200, "{}");
    client(&script)
        .send(Call::post("/a").passing(StatusCode::NOT_FOUND))
        .await
        .unwrap();
    let error = client(&script).send(Call::post("/b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "the script is at its end");
    let script = ScriptedTransport::new();
    script.reply(404, "ada@example.com");
    let error = client(&script).send(Call::post("/b")).await.unwrap_err();
    assert!(
        error.is_not_found() && error.executed() == Executed::No && error.retry() == Retry::Never
    );
    assert_eq!(error.to_string(), "POST /b: not found (404)");
}

#[tokio::test(start_paused = true)]
async fn an_earlier_doubt_is_not_forgotten() {
    let script = ScriptedTransport::new();
    script.fail(TransportError::timeout()).reply(404, "");
    let error = client(&script)
        .send(Call::delete("/a/{id}").segment(1))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::NotFound, Executed::Maybe)
    );
}

#[tokio::test(start_paused = true)]
async fn retries_end_and_say_so() {
    let script = ScriptedTransport::new();
    let error = client(&script).send(Call::get("/a")).await.unwrap_err();
    assert_eq!(
        (error.retry(), error.attempts(), error.executed()),
        (Retry::Exhausted, 3, Executed::No)
    );
    assert_eq!(
        error.to_string(),
        "GET /a: could not connect, given up after 3 attempts"
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up() {
    struct Hangs;
    #[async_trait]
    impl desk_client_core::Transport for Hangs {
        async fn send(
            &self,
            _: http::Request<Bytes>,
        ) -> Result<http::Response<Bytes>, TransportError> {
            std::future::pending().await
        }
    }
    let http = Http::builder(Hangs, Url::parse("https://api.example.com").unwrap())
        .attempt_timeout(Duration::from_secs(9))
        .build();
    let error = http.send(Call::post("/a")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.executed()),
        (ErrorKind::Timeout, Executed::Maybe)
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_renewed_once() {
    struct Never;
    #[async_trait]
    impl Authorize for Never {
        async fn authorize(&self, _: &mut http::Request<Bytes>) -> Result<(), Error> {
            Ok(())
        }
        async fn renew(&self, _: &HeaderMap) -> Result<bool, Error> {
            Ok(true)
        }
    }
    let script = ScriptedTransport::new();
    script.reply(401, "").reply(401, "").reply(200, "");
    let http = Http::builder(
        script.clone(),
        Url::parse("https://api.example.com").unwrap(),
    )
    .authorize(Never)
    .build();
    assert!(
        http.send(Call::post("/a"))
            .await
            .unwrap_err()
            .is_unauthorized()
    );
    assert_eq!(script.requests().len(), 2);
}

#[test]
fn the_decision_table() {
    use Class::{Ambiguous, NotExecuted, Permanent, Throttled};
    let mut policy = RetryPolicy::default();
    policy.max_attempts = 4;
    policy.max_elapsed = Duration::from_secs(30);
    policy.max_hint = Duration::from_secs(20);
    let second = Duration::from_secs(1);
    let secs = |n: u64| Some(Duration::from_secs(n));
    let wait = |ms: u64| Decision::After(Duration::from_millis(ms));
    let stop = Decision::Stop;
    for (attempt, elapsed, class, repeatable, hint, delay, expected) in [
        (1, 0, Permanent, true, None, secs(1), stop),
        (1, 0, Ambiguous, true, None, secs(1), wait(1000)),
        (1, 0, Ambiguous, false, None, secs(1), stop),
        (1, 0, NotExecuted, false, None, secs(1), wait(1000)),
        (4, 0, NotExecuted, false, None, secs(1), stop),
        (1, 0, Throttled, false, secs(10), secs(1), wait(10_100)),
        (1, 0, Throttled, false, secs(3600), secs(1), wait(20_100)),
        (1, 0, Ambiguous, true, secs(5), secs(1), wait(5000)),
        (1, 29, NotExecuted, false, None, secs(1), wait(1000)),
        (1, 30, NotExecuted, false, None, secs(1), stop),
        (1, 0, Ambiguous, true, secs(5), None, stop),
    ] {
        let decision = policy.decide(attempt, second * elapsed, class, repeatable, hint, delay);
        assert_eq!(
            decision, expected,
            "{attempt} {elapsed} {class:?} {repeatable} {hint:?} {delay:?}"
        );
    }
}

#[test]
fn an_empty_budget_allows_nothing_until_something_succeeds() {
    let budget = Budget::new(10, 5);
    assert!(budget.take() && budget.take() && !budget.clone().take());
    (0..5).for_each(|_| budget.put());
    assert!(budget.take() && !budget.take());
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_answered_by_a_multiple_of_the_load() {
    let script = ScriptedTransport::new();
    let mut policy = RetryPolicy::default();
    policy.budget = Budget::new(30, 10);
    let http = Http::builder(
        script.clone(),
        Url::parse("https://api.example.com").unwrap(),
    )
    .retry(policy)
    .build();
    for _ in 0..20 {
        let _ = http.send(Call::get("/a")).await;
    }
    assert_eq!(script.requests().len(), 23);
}

#[cfg(feature = "backoff")]
#[tokio::test(start_paused = true)]
async fn delays_come_from_any_backoff_policy() {
    let script = ScriptedTransport::new();
    script.reply(503, "").reply(503, "").reply(200, "{}");
    let mut policy = RetryPolicy::default();
    policy.delays = desk_client_core::Delays::backoff(|| {
        backoff::backoff::Constant::new(Duration::from_secs(4))
    });
    let http = Http::builder(
        script.clone(),
        Url::parse("https://api.example.com").unwrap(),
    )
    .retry(policy)
    .build();
    let before = tokio::time::Instant::now();
    http.send(Call::get("/a")).await.unwrap();
    assert!(
        before.elapsed() >= Duration::from_secs(8) && before.elapsed() < Duration::from_secs(9)
    );
    let mut policy = RetryPolicy::default();
    policy.delays = desk_client_core::Delays::backoff(|| backoff::backoff::Stop {});
    let http = Http::builder(
        script.clone(),
        Url::parse("https://api.example.com").unwrap(),
    )
    .retry(policy)
    .build();
    assert_eq!(http.send(Call::get("/a")).await.unwrap_err().attempts(), 1);
}
