//! The limiter as its users see it, in virtual time.
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

use std::time::Duration;

use desk_client_core::{Limiter, LimiterSettings, Outcome, Permit, RateHeaders};
use tokio::time::{Instant, sleep, timeout};

fn limiter(change: impl FnOnce(&mut LimiterSettings)) -> Limiter {
    let mut settings = LimiterSettings::default();
    change(&mut settings);
    Limiter::new(settings)
}

/// One call of 50 ms.
async fn call(limiter: &Limiter, outcome: Outcome) {
    let permit = limiter.acquire().await.sent();
    sleep(Duration::from_millis(50)).await;
    permit.settle(outcome, None);
}

async fn calls(limiter: &Limiter, count: usize) -> Duration {
    let start = Instant::now();
    futures::future::join_all((0..count).map(|_| call(limiter, Outcome::Success))).await;
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn without_headers_the_configured_rate_holds() {
    let limiter = limiter(|settings| settings.requests_per_second = Some(20.0));
    let took = calls(&limiter, 100).await.as_secs_f64();
    assert!((4.8..5.3).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn failures_lower_the_rate_and_successes_raise_it_again() {
    let limiter = limiter(|settings| settings.requests_per_second = Some(20.0));
    for _ in 0..5 {
        call(&limiter, Outcome::Failed).await;
    }
    let slow = calls(&limiter, 10).await;
    assert!(slow > Duration::from_secs(1), "{slow:?}");
    calls(&limiter, 200).await;
    let fast = calls(&limiter, 100).await;
    assert!(fast < Duration::from_secs_f64(5.5), "{fast:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_holds_everybody_for_as_long_as_it_says() {
    let limiter = limiter(|_| {});
    call(&limiter, Outcome::Throttled { retry_after: Some(Duration::from_secs(30)) }).await;
    let start = Instant::now();
    call(&limiter.clone(), Outcome::Success).await;
    assert!(start.elapsed() >= Duration::from_secs(30));
    assert_eq!(limiter.stats().throttled, 1);
}

#[tokio::test(start_paused = true)]
async fn a_few_calls_at_first_and_more_as_they_succeed() {
    let limiter = limiter(|settings| settings.start_concurrency = 4);
    let mut held: Vec<Permit> = Vec::new();
    while let Ok(permit) = timeout(Duration::from_secs(1), limiter.acquire()).await {
        held.push(permit.sent());
    }
    assert_eq!(held.len(), 4);
    held.into_iter().for_each(|permit| permit.settle(Outcome::Success, None));
    let mut held = Vec::new();
    while let Ok(permit) = timeout(Duration::from_secs(1), limiter.acquire()).await {
        held.push(permit);
    }
    assert!(held.len() > 4);
}

#[tokio::test(start_paused = true)]
async fn permits_that_are_dropped_are_given_back() {
    let limiter = limiter(|settings| settings.max_concurrency = 1);
    drop(limiter.acquire().await);
    drop(limiter.acquire().await.sent());
    // A place in the line that is given up does not block those behind.
    let held = limiter.acquire().await;
    let waiting = tokio::spawn({
        let limiter = limiter.clone();
        async move { drop(limiter.acquire().await) }
    });
    sleep(Duration::from_millis(1)).await;
    waiting.abort();
    drop(held);
    drop(timeout(Duration::from_secs(1), limiter.acquire()).await.unwrap());
    assert_eq!(limiter.stats().calls, 1, "only one was sent");
}

#[tokio::test(start_paused = true)]
async fn tokens_of_one_workspace_share_its_limit() {
    let first = limiter(|settings| settings.workspace_per_minute = Some(600));
    let second = first.for_another_token();
    let start = Instant::now();
    futures::future::join(calls(&first, 50), calls(&second, 50)).await;
    let took = start.elapsed().as_secs_f64();
    assert!((9.5..10.6).contains(&took), "{took}");
    assert_eq!((first.stats().calls, second.stats().calls), (50, 50));
}

#[test]
fn headers_that_are_not_numbers_are_no_headers() {
    let read = |limit: &str, remaining: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-ratelimit-limit", limit.parse().unwrap());
        headers.insert("x-ratelimit-remaining", remaining.parse().unwrap());
        RateHeaders::read(&headers)
    };
    assert_eq!(read("166", "-3").unwrap().remaining, 0);
    assert!(
        read("x", "3").is_none() && read("0", "3").is_none() && read("99999999999", "1").is_none()
    );
}

/// How long everybody is held by a refusal whose headers say that so many calls are left.
async fn held_with(remaining: &str) -> Duration {
    let limiter = limiter(|_| {});
    let reset = (chrono::Utc::now().timestamp() + 9).to_string();
    let mut headers = http::HeaderMap::new();
    for (name, value) in [
        ("x-ratelimit-limit", "1666"),
        ("x-ratelimit-remaining", remaining),
        ("x-ratelimit-reset", &reset),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let permit = limiter.acquire().await.sent();
    sleep(Duration::from_millis(50)).await;
    permit.settle(Outcome::Throttled { retry_after: None }, RateHeaders::read(&headers));
    let start = Instant::now();
    drop(limiter.acquire().await);
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_while_the_window_has_room_holds_everybody_briefly() {
    let brief = held_with("900").await;
    assert!(brief > Duration::from_millis(300) && brief < Duration::from_secs(2), "{brief:?}");
    let used_up = held_with("0").await;
    assert!(used_up > Duration::from_secs(6), "{used_up:?}");
}
