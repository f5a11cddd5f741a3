//! A pilot, and the run that goes on from there.

use std::collections::BTreeSet;
use std::sync::Arc;

use migrate_core::{Event, RunOptions, RunState};
use migrate_sandbox::{Account, AccountSpec};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, assert_same, by_export};
use crate::touched::without_call_log;

const CONTACTS: u64 = 10;

async fn pilot(bench: &Bench) -> migrate_core::Report {
    let finished = bench.runner().pilot(CONTACTS, &RunOptions::default()).await;
    finished.unwrap_or_else(|error| panic!("the pilot failed: {error}")).report
}

/// How many records of a stage were read.
fn read(report: &migrate_core::Report, stage: &str) -> u64 {
    report.stages.iter().find(|it| it.name == stage).unwrap().read
}

/// An account in which no address is shared: whom a pilot takes is alone with it, and those that come
/// later are told apart from somebody who is in place.
fn account(seed: u64) -> Account {
    let spec = AccountSpec::new(80, seed);
    Account::generate(&spec.with(|it| (it.shared_address, it.in_two_lists) = (0.0, 0.0)))
}

/// A few contacts with their calls first, then everything: the same in the end as in one go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pilot_is_small_and_a_run_goes_on_from_there() {
    let account = account(31);
    let whole = Bench::new(account.clone()).await;
    whole.run().await;
    for by in ["api", "export"] {
        let mut bench = Bench::new(account.clone()).await;
        if by == "export" {
            let folder = bench.path("export");
            account.export(&folder).unwrap();
            bench.settings.source = by_export(&bench.endpoints, &folder);
        }
        let report = pilot(&bench).await;
        assert_eq!(
            (read(&report, "contacts"), report.state),
            (CONTACTS, RunState::Complete),
            "{by}"
        );
        assert!(report.accounted && read(&report, "calls") > 0, "{by}");
        assert!(report.notes.iter().any(|note| note.contains("a pilot of")), "{by}");
        let (people, calls) = {
            let workspace = bench.sandbox.workspace();
            let ids: BTreeSet<String> = workspace.contacts.iter().map(|it| it.id.clone()).collect();
            let ours = workspace.contacts.iter().filter(|it| it.external_id.is_some()).count();
            let of_ours =
                |it: &migrate_sandbox::workspace::Conversation| ids.contains(&it.contacts[0]);
            assert!(workspace.conversations.iter().all(of_ours), "{by}");
            (ours as u64, workspace.conversations.len() as u64)
        };
        assert!(people <= CONTACTS && calls < account.calls.len() as u64 / 2, "{by}: {calls}");

        // Once more, it has nothing to do.
        let writes = bench.writes();
        pilot(&bench).await;
        assert_eq!(bench.writes(), writes, "{by}");

        let report = bench.run().await.report;
        assert!(!report.notes.iter().any(|note| note.contains("pilot")), "{by}");
        let found = bench.sandbox.workspace();
        let whole = whole.sandbox.workspace();
        let found = without_call_log(found, &whole);
        assert_same(&whole, &found, by);
        assert_clean(&audit(&account, &found));
        assert_eq!(bench.run().await.report.last_run.writes, 0, "{by}");
    }
}

/// A pilot that was cut off, and somebody who does not want one any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_after_a_pilot_that_was_cut_off_does_not_end_with_it() {
    let account = account(32);
    for stage in ["contacts", "calls"] {
        let bench = Bench::new(account.clone()).await;
        bench.runner().plan().await.unwrap();
        let runner = bench.runner();
        let stop = runner.stop_signal();
        let runner = runner.observer(Arc::new(move |event: &Event<'_>| {
            if matches!(event, Event::Settled { stage: settled, .. } if *settled == stage) {
                stop.stop();
            }
        }));
        let finished = runner.pilot(CONTACTS, &RunOptions::default()).await.unwrap();
        assert_eq!(finished.report.state, RunState::Interrupted, "{stage}");
        bench.run().await;
        assert_clean(&audit(&account, &bench.sandbox.workspace()));
    }
}
