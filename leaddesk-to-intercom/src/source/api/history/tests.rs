use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use leaddesk_client::{RetryPolicy, Settings};
use serde_json::json;

use super::*;
use crate::map::testing::config;
use crate::source::testing::{LeadDesk, keys as keys_of, read_all};

/// A REST API that answers the history of a number by a function to status and body.
fn serve(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> RestClient {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/stable", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut first, mut length) = (String::new(), 0);
                reader.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    let line = line.trim().to_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                let mut words = first.split(' ');
                let (method, target) = (words.next().unwrap(), words.next().unwrap());
                let url = url::Url::parse(&format!("http://leaddesk{target}")).unwrap();
                let phone = url.query_pairs().find(|(name, _)| name == "phone");
                let (status, body) = match phone {
                    Some((_, phone)) if method == "GET" => answer(&phone),
                    _ => (200, r#"{"access_token":"t"}"#.to_owned()),
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            });
        }
    });
    let mut settings = Settings::default();
    settings.requests_per_second = 10_000.0;
    settings.retry = RetryPolicy::none();
    let client = RestClient::builder(url, "1", "c".into(), "s".into()).settings(settings);
    client.build().unwrap()
}

/// A history of these numbers. The first stands on a contact's card alone, all others in the export of a list.
fn history(client: RestClient, numbers: &[&str], lines: &str) -> (History, Findings) {
    let numbers: Vec<String> = numbers.iter().map(|number| (*number).to_owned()).collect();
    let original = LeadDesk::serve(move |query| match (&*query["mod"], &*query["cmd"]) {
        ("calling_list", "list") => (200, r#"[{"id": "1", "name": "One"}]"#.to_owned()),
        ("calling_list", "export") => {
            let rows =
                numbers.iter().enumerate().skip(1).map(|(at, number)| {
                    format!("\"{}\";\"{number}\"{}\n", at + 1, ";\"\"".repeat(12))
                });
            (200, rows.collect())
        }
        ("contact", "find") => {
            let ids: Vec<usize> = (1..=numbers.len()).collect();
            (
                200,
                json!({"success": true, "total_count": ids.len(), "contact_ids": ids}).to_string(),
            )
        }
        ("contact", "get") => {
            assert_eq!(query["contact_id"], "1", "all others have a row");
            let data = json!({"id": "1", "phone": "", "phonenumbers": [numbers[0]]});
            (200, json!({"success": true, "contact_id": 1, "data": data}).to_string())
        }
        _ => (400, "ERR_ARGUMENT_INVALID".to_owned()),
    });
    let mut config = config("");
    if lines == "unknown" {
        config.source.calls.gdpr_duration = GdprDuration::Unknown;
    }
    let findings = Findings::default();
    (History::new(client, original.client(), &config, findings.clone()), findings)
}

fn call(number: &str, at: &str) -> Value {
    json!({
        "created_at": at, "call_recording": "1-CALL-agent-2.mp3", "phone_number": number,
        "result": "Deal", "comment": null, "direction": "out", "status": null, "duration": "61",
        "mood": "good",
    })
}

fn held(calls: &[Value]) -> String {
    json!({"calls": {"agent": calls, "other": []}, "contacts": []}).to_string()
}

#[tokio::test]
async fn each_number_is_asked_for_once_and_each_call_has_a_lasting_key() {
    let client = serve(|phone| match phone {
        "+358401234501" => {
            let twice = call("+358401234567", "2024-07-15 12:00:00");
            let mut other = twice.clone();
            other["duration"] = json!("5");
            let mut silent = call("", "2024-07-15 12:00:00");
            silent["phone_number"] = json!(null);
            let calls = [
                twice.clone(),
                twice,
                other,
                call("040 123 4567", "0000-00-00 00:00:00"),
                silent,
                json!(7),
            ];
            (200, held(&calls))
        }
        "+358401234502" => (404, "{}".to_owned()),
        "+358401234503" => (500, "{}".to_owned()),
        _ => (200, "{}".to_owned()),
    });
    let numbers =
        ["+358401234501", "+358401234502", "+358401234503", "+358401234504", "+358401234501"];
    let (history, findings) = history(client, &numbers, "");
    let pages = read_all(&history, None).await;
    let known = |at, nth| keys::call_of("+358401234567", at, nth).to_string();
    let mut expected = [
        known(Some(1_721_034_000), 1),
        known(Some(1_721_034_000), 2),
        known(None, 1),
        keys::call_of("+358401234501", None, 1).to_string(),
        format!("!{}:6", keys::history("+358401234501")),
        format!("!{}", keys::history("+358401234503")),
    ];
    let mut met = keys_of(&pages);
    met.sort();
    expected.sort();
    assert_eq!(met, expected);
    assert!(expected.iter().all(|key| !key.contains("3584")), "no number stands in a key");
    assert_eq!(known(Some(1_721_034_000), 1), "call:ea03197dc755de2f@1721034000", "for ever");
    let expected =
        "1 of 3 numbers of contacts have calls in the history by number (gdpr_history) (33 %)";
    assert_eq!(findings.notes(), [expected]);

    let mut calls = pages[0].items.iter().flatten();
    let first = calls.find(|it| it.key.as_str() == known(Some(1_721_034_000), 1)).unwrap();
    let first = &first.body;
    assert_eq!((first.talk_time, first.direction.as_deref()), (Some(61), Some("out")));
    assert_eq!(first.extra.reveal()["result"], "Deal");
    assert_eq!(first.extra.reveal()["mood"], "good");
    assert_eq!(first.extra.reveal().get("duration"), None);
}

#[tokio::test]
async fn a_duration_of_an_unknown_unit_is_no_talk_time() {
    let client = serve(|_| (200, held(&[call("+358401234567", "2024-07-15 12:00:00")])));
    let (history, _) = history(client, &["+358401234567"], "unknown");
    let pages = read_all(&history, None).await;
    let call = &pages[0].items[0].as_ref().unwrap().body;
    assert_eq!((call.talk_time, &call.extra.reveal()["duration"]), (None, &json!("61")));
}

#[tokio::test]
async fn reading_goes_on_at_its_cursor() {
    let client = serve(|phone| (200, held(&[call(phone, "2024-07-15 12:00:00")])));
    let numbers: Vec<String> = (0..60).map(|n| format!("+3584012345{n:02}")).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let (history, _) = history(client, &numbers, "");
    let pages = read_all(&history, None).await;
    assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [25, 25, 10]);
    for (at, page) in pages.iter().enumerate().filter(|(_, page)| page.next.is_some()) {
        let rest = read_all(&history, page.next.clone()).await;
        assert_eq!(keys_of(&rest), keys_of(&pages[at + 1..]));
    }
}

#[tokio::test]
async fn a_refusal_stops_and_says_which_setting_to_mend() {
    use futures::TryStreamExt as _;
    let (history, _) = history(serve(|_| (403, "{}".to_owned())), &["+358401234501"], "");
    let error = history.read(None).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("source.calls.gdpr_history = false"), "{error}");
}

#[test]
fn keys_of_calls_without_ids_are_told_from_others() {
    for (key, is) in [
        (keys::call_of("+358401234567", Some(1_721_034_000), 1), true),
        (keys::call_of("+358401234567", Some(-5), 2), true),
        (keys::call_of("+358401234567", None, 3), true),
        (keys::call(500_001), false),
        (keys::call("abc@5"), false),
        (keys::contact("1@2"), false),
    ] {
        assert_eq!(keys::is_call_of(&key), is, "{key}");
    }
}
