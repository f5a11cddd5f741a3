//! What a plan says that a run takes, and what it takes.

use migrate_sandbox::{Account, AccountSpec};

use crate::bench::{Bench, by_api, by_export, ugly};

/// The calls to each side that the plan counts, and those that the run makes, of an account that is new.
async fn calls(bench: &Bench) -> [(u64, u64); 2] {
    let plan = bench.runner().plan().await.unwrap();
    let counters = || {
        let counters = bench.sandbox.counters();
        (counters.intercom_calls(), counters.leaddesk_calls())
    };
    let before = counters();
    bench.run().await;
    let after = counters();
    let of_stages: u64 = plan.stages.iter().map(|stage| stage.leaddesk_calls).sum();
    assert!(of_stages <= plan.leaddesk.calls);
    [(plan.calls, after.0 - before.0), (plan.leaddesk.calls, after.1 - before.1)]
}

fn assert_near(both: [(u64, u64); 2], account: &str) {
    for ((planned, made), side) in both.into_iter().zip(["Intercom", "LeadDesk"]) {
        let off = planned.abs_diff(made) as f64 / made.max(1) as f64;
        assert!(
            off <= 0.05,
            "{account}: {planned} calls to {side} were planned and {made} made, {:.1} % off",
            off * 100.0
        );
    }
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

/// A run reads leads apart from contacts where a rule tells them, and asks for the history of each number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_stage_is_told_with_what_it_asks_leaddesk_for() {
    let mut bench = Bench::new(ugly(55)).await;
    bench.settings.source = by_api(&bench.endpoints, "last_call = true\ngdpr_history = true");
    bench.settings.further = "[contacts]\nlead_rule = 'unfinalised'".into();
    let plan = bench.runner().plan().await.unwrap();
    let of =
        |name: &str| plan.stages.iter().find(|it| it.counts.name == name).unwrap().leaddesk_calls;
    let contacts = bench.sandbox.account().contacts.len() as u64;
    assert!(of("contacts") >= contacts && of("leads") == of("contacts"), "{:?}", plan.stages);
    assert!(of("calls") > 0 && of("agents") > 0 && of("inventory") > of("agents"));
    assert_eq!((of("schema"), of("chats")), (0, 0));
    assert_near(calls(&bench).await, "leads by a rule");
}
