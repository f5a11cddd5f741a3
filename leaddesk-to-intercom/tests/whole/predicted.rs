//! What a plan says that a run takes, and what it takes.

use migrate_sandbox::{Account, AccountSpec};

use crate::bench::{Bench, by_export, ugly};

/// The calls that the plan counts, and those that the run makes, of an account that is new.
async fn calls(bench: &Bench) -> (u64, u64) {
    let planned = bench.runner().plan().await.unwrap().calls;
    let before = bench.sandbox.counters().intercom_calls();
    bench.run().await;
    (planned, bench.sandbox.counters().intercom_calls() - before)
}

fn assert_near((planned, made): (u64, u64), account: &str) {
    let off = planned.abs_diff(made) as f64 / made as f64;
    assert!(
        off <= 0.05,
        "{account}: {planned} calls were planned and {made} made, {:.1} % off",
        off * 100.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_within_a_twentieth_how_many_calls_a_run_takes() {
    assert_near(calls(&Bench::new(ugly(51)).await).await, "an ugly account by the API");

    let known = Account::generate(&AccountSpec::new(200, 52).with(|spec| spec.existing = 0.1));
    assert_near(calls(&Bench::new(known).await).await, "one whom Intercom knows in part");

    let half = Account::generate(&AccountSpec::new(200, 54).with(|spec| spec.existing = 0.5));
    let bench = Bench::new(half).await;
    assert_near(calls(&bench).await, "one of whom Intercom knows every other");

    let account = Account::generate(&AccountSpec::new(150, 53));
    let mut folder = Bench::new(account.clone()).await;
    account.export(&folder.path("export")).unwrap();
    folder.settings.source = by_export(&folder.endpoints, &folder.path("export"));
    assert_near(calls(&folder).await, "a folder");
}
