//! Every operation against a scripted transport: what it sends, and what it makes of the reply.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{examples, scripted};
use desk_client_core::testing::ScriptedTransport;
use serde_json::Value;

#[tokio::test]
async fn every_operation_sends_what_it_should_and_reads_its_reply() {
    for example in examples() {
        let transport = ScriptedTransport::new();
        for exchange in &example.exchanges {
            let reply = match &exchange.reply {
                Value::Null => String::new(),
                reply => reply.to_string(),
            };
            transport.reply(200, reply);
        }
        println!("{}", example.name);
        (example.call)(scripted(&transport)).await;

        let sent = transport.requests();
        assert_eq!(sent.len(), example.exchanges.len(), "{}", example.name);
        for (sent, expected) in sent.iter().zip(&example.exchanges) {
            let uri = sent.uri().path_and_query().unwrap();
            assert_eq!(format!("{} {uri}", sent.method()), expected.request, "{}", example.name);
            assert_eq!(sent.uri().host(), Some("api.eu.intercom.io"));
            assert_eq!(sent.headers()["authorization"], "Bearer secret-token");
            assert!(sent.headers()["authorization"].is_sensitive());
            assert_eq!(sent.headers()["intercom-version"], "2.16");
            assert_eq!(sent.headers()["accept"], "application/json");
            let body = match sent.body().as_ref() {
                [] => Value::Null,
                body => serde_json::from_slice(body).unwrap(),
            };
            assert_eq!(body, expected.body, "{}", example.name);
            let declared = sent.headers().contains_key("content-type");
            assert_eq!(declared, !body.is_null(), "{}", example.name);
        }
    }
}
