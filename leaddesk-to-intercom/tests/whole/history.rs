//! Calls that only the history by number knows, and those that other routes know as well.

use std::collections::BTreeSet;

use migrate_sandbox::workspace::Workspace;

use crate::audit::{audit, audit_of_histories};
use crate::bench::{Bench, assert_clean, by_api, ugly};

/// These routes, and no others.
fn routes(bench: &mut Bench, calls: &str) {
    bench.settings.source = by_api(&bench.endpoints, calls);
}

/// Every call by its id and by its number as well: each is one conversation, and the one by id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_both_routes_know_is_there_once() {
    let bench = Bench::new(ugly(61)).await;
    let first = bench.run().await;
    let merged = first.report.stages.iter().find(|stage| stage.name == "calls").unwrap().merged;
    assert!(merged > 50, "{merged} calls were met twice");
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
    let asked = bench.sandbox.counters().leaddesk_rest;
    assert!(asked["GET /gdpr/contact"] > 0, "{asked:?}");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

/// The last calls by id, all others by number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_calls_and_histories_make_up_the_whole() {
    let mut bench = Bench::new(ugly(62)).await;
    routes(&mut bench, "last_call = true\ngdpr_history = true");
    bench.run().await;
    let (account, workspace) = (bench.sandbox.account(), bench.sandbox.workspace());
    let last: BTreeSet<u64> = account.contacts.iter().filter_map(|it| it.last_call_id).collect();
    assert_clean(&audit_of_histories(&account, &workspace, &last));
    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert!(bench.sandbox.workspace() == workspace, "the workspace has changed");
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

/// First by number alone, later by ids as well: what is there stays, and what is new is added.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_by_id_that_comes_later_makes_no_twin() {
    let mut bench = Bench::new(ugly(63)).await;
    routes(&mut bench, "last_call = false\ngdpr_history = true");
    bench.run().await;
    let (account, alone) = (bench.sandbox.account(), bench.sandbox.workspace());
    assert_clean(&audit_of_histories(&account, &alone, &BTreeSet::new()));
    assert_eq!(bench.run().await.report.last_run.writes, 0);

    let (first, last) = bench.endpoints.call_ids;
    routes(&mut bench, &format!("last_call = true\nid_range = [{first}, {last}]"));
    std::fs::remove_file(bench.path("state/plan.json")).unwrap();
    bench.run().await;
    let both = bench.sandbox.workspace();
    let bodies = |it: &Workspace| -> BTreeSet<String> {
        it.conversations.iter().map(|it| it.source.body.clone()).collect()
    };
    assert!(bodies(&alone).is_subset(&bodies(&both)));
    let by_number: BTreeSet<u64> = account
        .calls
        .iter()
        .map(|call| call.id)
        .filter(|id| !bodies(&both).iter().any(|it| it.ends_with(&format!("LeadDesk call {id}"))))
        .collect();
    let by_id = account.calls.iter().map(|call| call.id).filter(|id| !by_number.contains(id));
    assert_clean(&audit_of_histories(&account, &both, &by_id.collect()));
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// The plan says what share of contacts and numbers each route reaches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_how_far_each_route_reaches() {
    let mut bench = Bench::new(ugly(64)).await;
    routes(&mut bench, "last_call = true\ngdpr_history = true");
    let notes = bench.runner().plan().await.unwrap().notes;
    for part in [" contacts name a last call (", " have calls in the history by number ("] {
        assert!(notes.iter().any(|note| note.contains(part)), "{part}: {notes:?}");
    }
}
