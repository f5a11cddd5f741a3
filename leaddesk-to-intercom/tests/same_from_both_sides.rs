//! An account read through the API and from its export becomes the same drafts.

#![allow(clippy::unwrap_used, reason = "a test may fail at any step")]

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use leaddesk_client::OriginalClient;
use leaddesk_to_intercom::config::{Config, IdRange};
use leaddesk_to_intercom::map::{CallMapper, ContactMapper};
use leaddesk_to_intercom::source::{Findings, api, calls, export};
use migrate_core::{Emit, Mapper, MemoryLedger, Source};
use migrate_sandbox::{Account, AccountSpec, Sandbox};
use serde::Serialize;
use serde_json::{Value, json};

/// What every record of a source becomes, by key.
async fn drafts<S, M>(source: &S, mapper: &M) -> BTreeMap<String, Value>
where
    S: Source,
    M: Mapper<S::Record>,
    M::Out: Serialize,
{
    let pages: Vec<_> = source.read(None).try_collect().await.unwrap();
    let records = pages.into_iter().flat_map(|page| page.items).map(Result::unwrap);
    records
        .map(|record| {
            let (key, mut out) = (record.key.to_string(), Emit::default());
            mapper.map(record, &mut out);
            let queue = out.verdict().map(|verdict| format!("{verdict:?}"));
            (key, json!([out.drafts(), out.notes(), queue]))
        })
        .collect()
}

#[tokio::test]
async fn the_api_and_the_export_of_an_account_become_the_same() {
    let account = Account::generate(&AccountSpec::new(300, 7));
    let (first, last) = (account.calls[0].id, account.calls[account.calls.len() - 1].id);
    let dir = tempfile::tempdir().unwrap();
    account.export(dir.path()).unwrap();
    let counts = (account.contacts.len(), account.calls.len());
    let sandbox = Sandbox::builder(account).start().await.unwrap();
    let endpoints = sandbox.endpoints();

    let text = format!(
        "[source]\nkind = 'export'\ntime_zone = '{}'\n[source.export]\ndir = '{}'\n[destination]\nregion = 'eu'\n",
        endpoints.time_zone,
        dir.path().display()
    );
    let mut config = Config::parse(&text, "test.toml").unwrap();
    let mut settings = leaddesk_client::Settings::default();
    settings.requests_per_second = 10_000.0;
    let client = OriginalClient::builder(endpoints.leaddesk_key.clone().into())
        .base_url(endpoints.leaddesk_original.as_str())
        .settings(settings)
        .build()
        .unwrap();
    let folder = export::Folder::open(&config, Findings::default()).unwrap();

    let mapper = ContactMapper::new(&config);
    // Of the campaigns before a last call, only a call log knows.
    let mut with_log = config.clone();
    with_log.source.calls.csv = Some(dir.path().join("calls.csv"));
    let log = export::CallLog::of(&with_log).unwrap();
    let online = api::Contacts::new(client.clone(), 8, Findings::default()).with_call_log(log);
    let online = drafts(&online, &mapper).await;
    assert_eq!(online.len(), counts.0);
    assert!(online == drafts(&folder.contacts().unwrap(), &mapper).await, "contacts differ");

    let now: DateTime<Utc> = "2026-11-01T00:00:00Z".parse().unwrap();
    let mapper = CallMapper::new(&config, now);
    let ledger = Arc::new(MemoryLedger::default());
    let offline =
        calls(&config, Some(&folder), None, None, ledger.clone(), &Findings::default()).unwrap();
    config.source.calls.id_range = Some(IdRange::new(first, last));
    let online = calls(&config, None, Some(&client), None, ledger, &Findings::default()).unwrap();
    let online = drafts(&online, &mapper).await;
    assert_eq!(online.len(), counts.1);
    assert!(online == drafts(&offline, &mapper).await, "calls differ");
}
