use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Desk, code, plain};

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn a_window_of_ten_seconds_grants_a_sixth_of_the_minute() {
    let desk = Desk::start(plain().quota(60)).await;
    // Not across the border of two windows.
    let into = now().as_millis() as u64 % 10_000;
    if into > 7_000 {
        tokio::time::sleep(Duration::from_millis(10_050 - into)).await;
    }
    let number = |reply: &reqwest::Response, name: &str| -> u64 {
        reply.headers()[name].to_str().unwrap().parse().unwrap()
    };
    let get = || desk.request(reqwest::Method::GET, "/me").send();
    for left in (0..10).rev() {
        let reply = get().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(number(&reply, "x-ratelimit-limit"), 10);
        assert_eq!(number(&reply, "x-ratelimit-remaining"), left);
    }
    let refused = get().await.unwrap();
    assert_eq!(refused.status(), 429);
    let reset = number(&refused, "x-ratelimit-reset");
    assert_eq!(reset, now().as_secs() / 10 * 10 + 10);
    assert_eq!(code(&refused.json().await.unwrap()), "rate_limit_exceeded");
    assert_eq!(desk.sandbox.counters().refused, 1);

    tokio::time::sleep(
        Duration::from_secs(reset).saturating_sub(now()) + Duration::from_millis(20),
    )
    .await;
    assert_eq!(
        get().await.unwrap().status(),
        200,
        "the next window is fresh"
    );
}

#[tokio::test]
async fn calls_are_counted_by_path_and_writes_apart() {
    let desk = Desk::start(plain()).await;
    desk.new_user("a", "a@example.com").await;
    desk.get("/contacts/find_by_external_id/a").await;
    desk.get("/contacts/find_by_external_id/b").await;
    desk.post("/contacts/search", serde_json::json!({})).await;
    let counters = desk.sandbox.counters();
    assert_eq!(counters.intercom["POST /contacts"], 1);
    assert_eq!(
        counters.intercom["GET /contacts/find_by_external_id/{external_id}"],
        2
    );
    assert_eq!(counters.intercom["POST /contacts/search"], 1);
    assert_eq!(
        (
            counters.intercom_writes,
            counters.writes(),
            counters.intercom_calls()
        ),
        (1, 1, 4)
    );
}
