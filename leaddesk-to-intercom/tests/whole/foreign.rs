//! Servers that speak the two APIs and are not the sandbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use migrate_sandbox::workspace::Tag;
use migrate_sandbox::{Account, AccountSpec, FaultKind, Faults, Struck, Workspace};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, assert_same, ugly};
use crate::proxy;

/// Through servers that say everything in another way, the same workspace comes about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_servers_do_as_well() {
    let account = ugly(31);
    let plain = Bench::new(account.clone()).await;
    plain.sandbox.edit(with_tags);
    plain.run().await;

    let mut foreign = Bench::new(account.clone()).await;
    foreign.sandbox.edit(with_tags);
    let behind = foreign.endpoints.intercom.clone();
    let (root, served) = proxy::start(behind.clone()).await.unwrap();
    let endpoints = &mut foreign.endpoints;
    for url in
        [&mut endpoints.intercom, &mut endpoints.leaddesk_original, &mut endpoints.leaddesk_rest]
    {
        *url = url.replace(&behind, &root);
    }
    foreign.run().await;
    let found = foreign.sandbox.workspace();
    assert_same(&plain.sandbox.workspace(), &found, "through other servers");
    assert_clean(&audit(&account, &found));
    let writes = |bench: &Bench| {
        let mut calls = bench.sandbox.counters().intercom;
        calls.retain(|name, _| !name.starts_with("GET "));
        calls
    };
    assert_eq!(writes(&foreign), writes(&plain), "no write more, no write less");

    assert_eq!(foreign.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(foreign.run().await.report.last_run.writes, 0);
    let counters = foreign.sandbox.counters();
    let calls = counters.intercom_calls() + counters.leaddesk_calls();
    assert_eq!(served.load(Ordering::Relaxed), calls, "some calls went past the proxy");
}

/// What is in doubt is settled with them as well: replies get lost, and searches come in small pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubts_are_settled_with_other_servers() {
    let account = Account::generate(&AccountSpec::new(25, 32));
    let (foreign, _) = behind_proxy(account.clone()).await;
    let mut faults = Faults::default();
    faults.intercom.requests = Struck::Writes;
    (faults.intercom.lost_reply, faults.intercom.refused) = (0.03, 0.02);
    foreign.sandbox.set_faults(faults);
    foreign.run().await;
    assert_clean(&audit(&account, &foreign.sandbox.workspace()));
    let counters = foreign.sandbox.counters();
    assert!(counters.faults[&FaultKind::LostReply] > 3);
    assert!(counters.intercom["POST /conversations/search"] > 0);
}

/// A sandbox of this account that is reached through the proxy alone, and the count of its calls.
async fn behind_proxy(account: Account) -> (Bench, Arc<AtomicU64>) {
    let mut bench = Bench::new(account).await;
    let behind = bench.endpoints.intercom.clone();
    let (root, served) = proxy::start(behind.clone()).await.unwrap();
    let endpoints = &mut bench.endpoints;
    for url in
        [&mut endpoints.intercom, &mut endpoints.leaddesk_original, &mut endpoints.leaddesk_rest]
    {
        *url = url.replace(&behind, &root);
    }
    (bench, served)
}

/// More tags than stand on one page, so that one which is overlooked would be made again.
fn with_tags(workspace: &mut Workspace) {
    for outcome in ["Deal", "Callback", "Busy", "Voicemail", "No deal", "Wrong number"] {
        let name = format!("LD_outcome_{outcome}");
        workspace.tags.push(Tag { name, ..Tag::default() });
    }
}
