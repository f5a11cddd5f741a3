//! The same account by API and from its export.

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, assert_same, by_api, by_export, ugly};
use crate::touched::without_call_log;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_lead_to_the_same_workspace() {
    compare(11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_lead_to_the_same_workspace_for_another_account() {
    compare(12).await;
}

/// However an account is read, it becomes the same workspace.
async fn compare(seed: u64) {
    let account = ugly(seed);
    let by_ids = Bench::new(account.clone()).await;
    by_ids.run().await;
    let wanted = by_ids.sandbox.workspace();

    let mut from_folder = Bench::new(account.clone()).await;
    let folder = from_folder.path("export");
    account.export(&folder).unwrap();
    from_folder.settings.source = by_export(&from_folder.endpoints, &folder);
    from_folder.run().await;
    let found = from_folder.sandbox.workspace();
    let from_log = found.clone();
    let found = without_call_log(found, &wanted);
    assert_same(&wanted, &found, &format!("seed {seed}, from the folder"));
    assert_clean(&audit(&account, &found));
    assert_eq!(from_folder.sandbox.counters().leaddesk_calls(), 0);
    assert_eq!(from_folder.run().await.report.last_run.writes, 0);

    let mut mixed = Bench::new(account.clone()).await;
    let calls = format!("last_call = true\ncsv = '{}'", folder.join("calls.csv").display());
    mixed.settings.source = by_api(&mixed.endpoints, &calls);
    mixed.run().await;
    let found = mixed.sandbox.workspace();
    assert_same(&from_log, &found, &format!("seed {seed}, calls from a call log"));
}
