use std::time::{Duration, Instant};

use migrate_sandbox::{FaultKind, Faults, ServiceFaults, Struck};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Desk, plain};

fn always(fault: impl FnOnce(&mut ServiceFaults)) -> Faults {
    let mut intercom = ServiceFaults {
        requests: Struck::Writes,
        ..ServiceFaults::default()
    };
    fault(&mut intercom);
    Faults {
        intercom,
        ..Faults::default()
    }
}

async fn desk(fault: impl FnOnce(&mut ServiceFaults)) -> Desk {
    Desk::start(plain().faults(always(fault))).await
}

/// Creates a contact and says what the client saw and how many there are now.
async fn create(desk: &Desk) -> (Result<u16, reqwest::Error>, usize) {
    let request = desk
        .request(Method::POST, "/contacts")
        .json(&json!({"external_id": "a"}));
    let seen = match request.send().await {
        Ok(reply) => {
            let status = reply.status().as_u16();
            reply.bytes().await.map(|_| status)
        }
        Err(error) => Err(error),
    };
    (seen, desk.sandbox.workspace().contacts.len())
}

fn struck(desk: &Desk, kind: FaultKind) -> u64 {
    desk.sandbox
        .counters()
        .faults
        .get(&kind)
        .copied()
        .unwrap_or(0)
}

#[tokio::test]
async fn an_error_before_the_effect_leaves_nothing() {
    let desk = desk(|faults| faults.error_before = 1.0).await;
    let (seen, contacts) = create(&desk).await;
    assert!(seen.unwrap() >= 500);
    assert_eq!((contacts, struck(&desk, FaultKind::ErrorBefore)), (0, 1));
}

#[tokio::test]
async fn an_error_after_the_effect_leaves_it() {
    let desk = desk(|faults| faults.error_after = 1.0).await;
    let (seen, contacts) = create(&desk).await;
    assert!(seen.unwrap() >= 500);
    assert_eq!((contacts, struck(&desk, FaultKind::ErrorAfter)), (1, 1));
}

#[tokio::test]
async fn a_lost_reply_closes_the_connection_after_the_effect() {
    let desk = desk(|faults| faults.lost_reply = 1.0).await;
    // A connection that is already in use, and a fresh one.
    assert_eq!(desk.get("/me").await.0, 200);
    let (seen, contacts) = create(&desk).await;
    assert!(seen.unwrap_err().is_request());
    assert_eq!(
        (contacts, struck(&desk, FaultKind::LostReply)),
        (1, 1),
        "sent once, done once"
    );
    assert_eq!(desk.get("/me").await.0, 200, "other connections go on");
}

#[tokio::test]
async fn a_late_effect_comes_when_the_connection_is_long_gone() {
    let late = Duration::from_millis(500);
    let desk = desk(|faults| {
        faults.late_effect = 1.0;
        faults.late_by = late;
    })
    .await;
    let started = Instant::now();
    let (seen, contacts) = create(&desk).await;
    assert!(seen.is_err() && started.elapsed() < late);
    assert_eq!(contacts, 0);
    tokio::time::sleep(late * 2).await;
    assert_eq!(desk.sandbox.workspace().contacts.len(), 1);
}

#[tokio::test]
async fn a_late_effect_is_checked_when_it_comes() {
    let late = Duration::from_millis(500);
    let desk = desk(|faults| {
        faults.late_effect = 1.0;
        faults.late_by = late;
    })
    .await;
    assert!(create(&desk).await.0.is_err());
    desk.sandbox.set_faults(Faults::default());
    let (seen, _) = create(&desk).await;
    assert_eq!(seen.unwrap(), 200);
    tokio::time::sleep(late * 2).await;
    assert_eq!(
        desk.sandbox.workspace().contacts.len(),
        1,
        "the late twin is refused"
    );
}

#[tokio::test]
async fn a_refusal_has_no_effect_and_says_when_to_come_back() {
    let desk = desk(|faults| faults.refused = 1.0).await;
    let reply = desk
        .request(Method::POST, "/contacts")
        .json(&json!({"external_id": "a"}))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 429);
    assert!(reply.headers().contains_key("x-ratelimit-reset"));
    assert!(desk.sandbox.workspace().contacts.is_empty());
    assert_eq!(desk.sandbox.counters().refused, 1);
}

#[tokio::test]
async fn a_truncated_reply_breaks_off_in_the_body() {
    let desk = desk(|faults| faults.truncated = 1.0).await;
    let request = desk
        .request(Method::POST, "/contacts")
        .json(&json!({"external_id": "a"}));
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.json::<Value>().await.is_err());
    assert_eq!(desk.sandbox.workspace().contacts.len(), 1);
}

#[tokio::test]
async fn slow_replies_take_their_time() {
    let desk = desk(|faults| {
        faults.slow = 1.0;
        faults.slow_by = Duration::from_millis(300);
    })
    .await;
    let started = Instant::now();
    assert_eq!(create(&desk).await.0.unwrap(), 200);
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn faults_of_writes_spare_reading_and_faults_of_leaddesk_spare_intercom() {
    let desk = desk(|faults| faults.error_before = 1.0).await;
    assert_eq!(desk.get("/me").await.0, 200);
    assert_eq!(desk.post("/contacts/search", json!({})).await.0, 400);

    let leaddesk = ServiceFaults {
        error_before: 1.0,
        ..ServiceFaults::default()
    };
    desk.sandbox.set_faults(Faults {
        leaddesk,
        ..Faults::default()
    });
    assert_eq!(create(&desk).await.0.unwrap(), 200);
    let endpoints = desk.sandbox.endpoints();
    let url = format!(
        "{}/?mod=calling_list&cmd=list&auth={}",
        endpoints.leaddesk_original, endpoints.leaddesk_key
    );
    assert!(
        desk.http
            .get(url)
            .send()
            .await
            .unwrap()
            .status()
            .is_server_error()
    );
}

#[tokio::test]
async fn mixed_faults_strike_about_as_often_as_asked_for() {
    let desk = desk(|faults| {
        faults.error_before = 0.1;
        faults.lost_reply = 0.1;
        faults.refused = 0.1;
    })
    .await;
    for _ in 0..600 {
        let _ = desk
            .request(Method::POST, "/tags")
            .json(&json!({"name": "x"}))
            .send()
            .await;
    }
    for kind in [
        FaultKind::ErrorBefore,
        FaultKind::LostReply,
        FaultKind::Refused,
    ] {
        let times = struck(&desk, kind);
        assert!((30..=90).contains(&times), "{kind:?} struck {times} times");
    }
}
