//! The Original API, over real HTTP on loopback and against a script.
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use desk_client_core::testing::ScriptedTransport;
use leaddesk_client::{
    AgentId, CallId, CallingListId, ContactFilter, ContactId, ErrorKind, OriginalClient, Retry,
    RetryPolicy, Settings, codes,
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A server with one answer for everything, which keeps the queries it was asked.
async fn answering(
    status: u16,
    body: impl Into<Bytes>,
) -> (OriginalClient, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let body: Bytes = body.into();
    let router = Router::new().fallback(
        move |State(asked): State<Arc<Mutex<Vec<String>>>>, request: Request| async move {
            asked
                .lock()
                .unwrap()
                .push(format!("{} {}", request.method(), request.uri()));
            (http::StatusCode::from_u16(status).unwrap(), body)
        },
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router.with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut settings = Settings::default();
    settings.requests_per_second = 1000.0;
    settings.retry = RetryPolicy::none();
    let client = OriginalClient::builder(KEY.into())
        .base_url(url)
        .settings(settings)
        .build()
        .unwrap();
    (client, asked)
}

#[tokio::test]
async fn calling_lists_keep_unknown_keys_and_survive_a_bad_element() {
    let body =
        r#"[{"id":"7","name":"Spring","colour":"red"},{"name":"no id"},{"id":8,"name":null}]"#;
    let (client, asked) = answering(201, body).await;
    let lists = client.calling_lists().await.unwrap();
    let spring = lists[0].as_ref().unwrap();
    assert_eq!(
        (spring.id.as_str(), spring.name.as_deref()),
        ("7", Some("Spring"))
    );
    assert_eq!(spring.extra.reveal()["colour"], "red");
    assert_eq!(lists[1].as_ref().unwrap_err().record, 2);
    assert_eq!(lists[2].as_ref().unwrap().id, CallingListId::from(8));
    assert_eq!(
        asked.lock().unwrap()[0],
        format!("GET /?mod=calling_list&cmd=list&auth={KEY}")
    );
}

#[tokio::test]
async fn an_export_is_read_row_by_row() {
    let body = concat!(
        "\"1\";\"+358401\";\"Ada\";\"Test;er\";\"Row 1\nsecond \"\"line\"\"\";\"00100\";\"Helsinki\";\"0\";",
        "\"2024-05-01 10:00:00\";\"\";\"0000-00-00 00:00:00\";\"Deal\";\"Spring\";\"agent one\"\n",
        "\"2\";\"+358402\";\"too\";\"short\"\n",
        "\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\";\"\"\n",
    );
    let (client, asked) = answering(200, body).await;
    let rows = client
        .export_calling_list(&CallingListId::from(7))
        .await
        .unwrap();
    let row = rows[0].as_ref().unwrap();
    assert_eq!(row.contact_id.as_str(), "1");
    assert_eq!(row.lname.as_ref().unwrap().reveal(), "Test;er");
    assert_eq!(
        row.address.as_ref().unwrap().reveal(),
        "Row 1\nsecond \"line\""
    );
    assert!(row.contact_updated_at.naive().is_some());
    assert!(row.last_call_at.naive().is_none() && !row.last_call_at.is_unreadable());
    assert_eq!(
        rows[1].as_ref().unwrap_err().to_string(),
        "calling_list 7:2: the row has 4 fields instead of 14"
    );
    assert!(rows[2].is_err());
    assert!(asked.lock().unwrap()[0].contains("id=7"));
}

#[tokio::test]
async fn find_fails_loudly_when_ids_are_missing() {
    let (client, asked) = answering(
        200,
        r#"{"success":true,"total_count":"2","contact_ids":[11,"12"]}"#,
    )
    .await;
    let ids = client
        .find_contacts(&ContactFilter::with_phone("+358 40"))
        .await
        .unwrap();
    assert_eq!(ids, [ContactId::new("11"), ContactId::from(12)]);
    assert!(
        asked.lock().unwrap()[0].contains("phone=%2B358+40"),
        "{asked:?}"
    );

    let (client, _) = answering(
        200,
        r#"{"success":true,"total_count":500,"contact_ids":[1,2]}"#,
    )
    .await;
    let error = client
        .find_contacts(&ContactFilter::in_list(CallingListId::from(7)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Paging);

    let (client, _) = answering(
        200,
        r#"{"success":true,"total_count":0,"contact_ids":null}"#,
    )
    .await;
    assert!(
        client
            .find_contacts(&ContactFilter::with_phone("1"))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        client
            .find_contacts(&ContactFilter::default())
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::Settings
    );
}

#[tokio::test]
async fn a_contact_comes_whole_and_hides_itself() {
    let body = r#"{"success":true,"contact_id":42,"data":{"id":"42","fname":"Ada","lname":"","email":null,
        "phone":"+358401234","sec_phone":"+358405678","phone_numbers":["+358401234","+358409999"],
        "other_info_ft":"gold","other_info_7":"seven","other_i_name_7":"Lucky","calling_list_id":"7",
        "assigned_agent_id":"0","last_call_id":99,"created_at":"2024-05-01 10:00:00",
        "updated_at":"0000-00-00 00:00:00","shoe_size":"43"}}"#;
    let (client, asked) = answering(200, body).await;
    let contact = client.contact(&ContactId::from(42)).await.unwrap();
    assert_eq!(contact.fname.as_ref().unwrap().reveal(), "Ada");
    assert!(
        contact.lname.is_none() && contact.email.is_none() && contact.assigned_agent_id.is_none()
    );
    let phones: Vec<_> = contact
        .phones()
        .into_iter()
        .map(|phone| phone.reveal().as_str())
        .collect();
    assert_eq!(phones, ["+358401234", "+358405678", "+358409999"]);
    assert_eq!(contact.other_info(1).unwrap().reveal(), "gold");
    assert_eq!(contact.other_info(7).unwrap().reveal(), "seven");
    assert_eq!(contact.other_info_label(7).as_deref(), Some("Lucky"));
    assert!(
        contact.other_info(2).is_none()
            && contact.other_info(36).is_none()
            && contact.other_info(0).is_none()
    );
    assert_eq!(contact.last_call_id, Some(CallId::from(99)));
    assert_eq!(
        contact.created_at.naive().unwrap().to_string(),
        "2024-05-01 10:00:00"
    );
    assert!(contact.updated_at.naive().is_none());
    let debug = format!("{contact:?}");
    for secret in ["Ada", "358401234", "gold", "seven", "43"] {
        assert!(!debug.contains(secret), "{secret} in {debug}");
    }
    assert!(asked.lock().unwrap()[0].contains("mod=contact&cmd=get&contact_id=42"));
    let error = client.contact(&ContactId::from(43)).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Decode,
        "an answer about somebody else is no answer"
    );
}

#[tokio::test]
async fn a_call_is_read_in_all_its_shapes() {
    let call = r#"{"id":"99","agent_id":"5","talk_time":"61","talk_start":"2024-05-01 10:00:00","number":"+3584",
        "campaign":"3","campaign_name":"Spring","contact_id":42,"comment":null,"call_ending_reason":"2",
        "call_ending_reason_name":"Deal","direction":"out","order_ids":[7,"8"],"customer_id":"1000"}"#;
    for body in [
        call.to_owned(),
        format!("[{call}]"),
        format!("{{\"success\":true,\"data\":{call}}}"),
    ] {
        let (client, _) = answering(200, body).await;
        let call = client.call(&CallId::from(99)).await.unwrap();
        assert_eq!(
            (call.talk_time, call.direction.as_deref()),
            (Some(61), Some("out"))
        );
        assert_eq!(call.contact_id, Some(ContactId::from(42)));
        assert_eq!(call.order_ids, ["7", "8"]);
        assert_eq!(client.call_by_phone("+3584").await.unwrap(), [call]);
    }
}

#[tokio::test]
async fn an_agent_is_found() {
    let (client, asked) = answering(200, r#"{"id":5,"name":"Agent One"}"#).await;
    assert_eq!(
        client.find_agent("agent.one").await.unwrap().id,
        AgentId::from(5)
    );
    assert!(asked.lock().unwrap()[0].contains("mod=agent&cmd=find&username=agent.one"));
}

#[tokio::test]
async fn failures_in_every_form_are_errors_without_the_key() {
    for (status, body, kind, code) in [
        (
            400,
            "ERR_AUTHENTICATION",
            ErrorKind::Unauthorized,
            Some(codes::AUTHENTICATION),
        ),
        (
            500,
            "ERR_NOT_FOUND:agent",
            ErrorKind::NotFound,
            Some("ERR_NOT_FOUND:agent"),
        ),
        (
            400,
            "ERR_ARGUMENT_MISSING:phone\n",
            ErrorKind::Invalid,
            Some("ERR_ARGUMENT_MISSING:phone"),
        ),
        (
            400,
            "ERR_SOMETHING_NEW",
            ErrorKind::Invalid,
            Some("ERR_SOMETHING_NEW"),
        ),
        (
            500,
            "ERR_UNDEFINED",
            ErrorKind::Server,
            Some(codes::UNDEFINED),
        ),
        (
            200,
            "ERR_NOT_FOUND",
            ErrorKind::NotFound,
            Some(codes::NOT_FOUND),
        ),
        (
            200,
            r#"{"success":false,"error":"ERR_NOT_FOUND"}"#,
            ErrorKind::NotFound,
            Some(codes::NOT_FOUND),
        ),
        (
            200,
            r#"{"success":"0","message":"no"}"#,
            ErrorKind::Other,
            None,
        ),
        (
            200,
            "<!DOCTYPE html><html>log in</html>",
            ErrorKind::Decode,
            None,
        ),
        (502, "<html>bad gateway</html>", ErrorKind::Server, None),
        (200, "", ErrorKind::Decode, None),
        (200, "[]", ErrorKind::Decode, None),
        (200, "{\"id\":", ErrorKind::Decode, None),
        (200, "\u{0}\u{1}", ErrorKind::Decode, None),
    ] {
        let (client, _) = answering(status, body).await;
        let error = client.find_agent("x@example.com").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (kind, code),
            "{status} {body}"
        );
        let shown = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(
            !shown.contains(KEY) && !shown.contains("x@example.com"),
            "{shown}"
        );
        assert!(error.to_string().starts_with("GET agent find: "), "{error}");
    }
}

#[tokio::test]
async fn the_key_is_not_in_errors_of_the_network() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut settings = Settings::default();
    settings.retry = RetryPolicy::none();
    let client = OriginalClient::builder(KEY.into())
        .base_url(url)
        .settings(settings)
        .build()
        .unwrap();
    let error = client.calling_lists().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    let mut shown = format!("{error} {error:?} {client:?}");
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        shown.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(!shown.contains(KEY), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn what_could_write_never_reaches_the_network() {
    let script = ScriptedTransport::new();
    let client = OriginalClient::builder(KEY.into())
        .build_with(script.clone())
        .unwrap();
    for (module, command) in [
        ("contact", "delete"),
        ("contact", "add"),
        ("call", "create_callback"),
        ("orders", "x"),
    ] {
        let error = client
            .raw(module, command, &[("contact_id", "1")])
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::ReadOnly, Retry::Never)
        );
    }
    let error = client
        .raw("contact", "get", &[("cmd", "delete")])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert!(script.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_passing_failure_is_tried_again() {
    let script = ScriptedTransport::new();
    script.reply(500, "ERR_UNDEFINED").reply(200, "{\"id\":5}");
    let client = OriginalClient::builder(KEY.into())
        .build_with(script.clone())
        .unwrap();
    client.find_agent("a").await.unwrap();
    assert_eq!(script.requests().len(), 2);
    assert_eq!(client.calls_sent(), 2);
}
