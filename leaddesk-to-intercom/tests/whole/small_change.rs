//! A delta costs what has changed, and no more: at most 1.05 % of the first run's writes where one record in
//! a hundred has changed, and none where none has; with faults on as well, where nothing may come twice.

use std::collections::{BTreeMap, BTreeSet};

use migrate_core::RunOptions;
use migrate_sandbox::{Account, AccountSpec, Faults, ServiceFaults, SourceCall};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean};

/// Contacts where there are faults, which take their time.
const CONTACTS: usize = 60;

/// An account, and of its calls those that come later, about one in so many.
fn account(contacts: usize, seed: u64, one_in: usize) -> (Account, Vec<SourceCall>) {
    let spec = AccountSpec::plain(contacts, seed).with_calls_per_contact(1.6);
    let mut account = Account::generate(&spec);
    // None of them is the last of its contact, which would change with it, or at an end of the ids.
    let last: BTreeSet<u64> = account.contacts.iter().filter_map(|it| it.last_call_id).collect();
    let ids = account.calls[1..].iter().map(|it| it.id).filter(|id| !last.contains(id));
    let wanted = account.calls.len() / one_in;
    let later: BTreeSet<u64> = ids.take(wanted).collect();
    assert!(!later.is_empty() && later.len() == wanted, "choose another seed");
    let (later, now) = account.calls.drain(..).partition(|it| later.contains(&it.id));
    account.calls = now;
    (account, later)
}

/// One contact in a hundred changes, and these calls are made.
fn change(bench: &Bench, calls: Vec<SourceCall>) {
    bench.sandbox.edit_account(|account| {
        for contact in account.contacts.iter_mut().skip(7).step_by(100) {
            contact.city = Some("Rovaniemi".into());
            contact.updated_at = Some("2026-10-31 12:00:00".into());
        }
        account.calls.extend(calls);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_in_a_hundred_costs_a_hundredth() {
    let (account, later) = account(300, 51, 100);
    let bench = Bench::new(account).await;
    let first = bench.run().await.report.last_run.writes;
    assert_eq!(bench.runner().delta().await.unwrap().report.last_run.writes, 0, "unchanged");
    change(&bench, later);
    let writes = bench.runner().delta().await.unwrap().report.last_run.writes;
    println!("{writes} writes of a delta at 1 %, {first} of the first run");
    assert!(writes > 0 && writes as f64 <= 0.0105 * first as f64, "{writes} of {first}");
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
    assert_eq!(bench.runner().delta().await.unwrap().report.last_run.writes, 0, "unchanged");
}

/// Replies are lost and answers come late: whatever is new or has changed is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_twice_with_faults_on() {
    let (account, later) = account(CONTACTS, 52, 10);
    let bench = Bench::new(account).await;
    bench.run().await;
    change(&bench, later);
    let some = ServiceFaults {
        lost_reply: 0.1,
        error_after: 0.1,
        error_before: 0.05,
        ..ServiceFaults::default()
    };
    bench.sandbox.set_faults(Faults { seed: 4, intercom: some, ..Faults::default() });
    for _ in 0..2 {
        let _ = bench.runner().run(&RunOptions::default().changes_only()).await;
    }
    bench.sandbox.set_faults(Faults::default());
    bench.runner().delta().await.unwrap();
    let (account, workspace) = (bench.sandbox.account(), bench.sandbox.workspace());
    let mut keys: BTreeMap<&str, usize> = BTreeMap::new();
    for conversation in &workspace.conversations {
        let key = conversation.custom_attributes["ld_source_key__c"].as_str().unwrap();
        *keys.entry(key).or_default() += 1;
    }
    assert!(keys.values().all(|times| *times == 1), "{keys:?}");
    assert_eq!((keys.len(), workspace.contacts.len()), (account.calls.len(), CONTACTS));
    assert_eq!(bench.runner().delta().await.unwrap().report.last_run.writes, 0);
}
