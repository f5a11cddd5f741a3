//! Rollback after a run that was killed while it created contacts, and that nobody has resumed.

use std::time::Duration;

use leaddesk_to_intercom::runner::Exit;
use migrate_core::RunOptions;
use migrate_core::ledger::{Ledger, Scan};
use migrate_sandbox::{Account, AccountSpec, FaultKind, Faults, Sandbox, ServiceFaults, Strike};

use crate::bench::{Bench, assert_same};
use crate::held::as_told;
use crate::rollback::{left, removable};

/// Runs until so many contacts are there of which no reply has come, and is killed then.
async fn run_until_killed(bench: &Bench, contacts: usize) {
    let all = bench.sandbox.workspace().contacts.len() + contacts;
    let (runner, options) = (bench.runner(), RunOptions::default());
    let killed = async {
        while bench.sandbox.workspace().contacts.len() < all {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = runner.run(&options) => panic!("it came to its end"),
        () = killed => {}
    }
}

/// The external ids of those whom the ledger knows nothing of, though they are there.
async fn lost(bench: &Bench) -> Vec<String> {
    let rows = bench.ledger().scan(&Scan::of("contacts")).await.unwrap();
    let waiting = rows.into_iter().filter(|(_, entry)| entry.target.is_none());
    let ids = waiting.map(|(_, entry)| format!("leaddesk:{}", entry.key));
    let contacts = bench.sandbox.workspace().contacts;
    ids.filter(|id| contacts.iter().any(|it| it.external_id.as_ref() == Some(id))).collect()
}

/// Nobody is there before: of whom the run was about to fill, the rollback says that it is in doubt.
async fn bench() -> Bench {
    let account = Account::generate(&AccountSpec::new(80, 21).with(|spec| {
        (spec.existing, spec.in_two_lists, spec.shared_address) = (0.0, 0.1, 0.1);
    }));
    let strike = Strike::new("POST /contacts", FaultKind::LostReply, 10).times(1000);
    let intercom = ServiceFaults { strikes: vec![strike], ..ServiceFaults::default() };
    let faults = Faults { intercom, ..Faults::default() };
    Bench::with(Sandbox::builder(account).faults(faults)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_whose_reply_was_lost_is_found_and_taken_back() {
    let bench = bench().await;
    let before = bench.sandbox.workspace();
    run_until_killed(&bench, 12).await;
    assert!(!lost(&bench).await.is_empty(), "none was lost");
    let ended = as_told(&bench).await;
    assert_eq!(ended.exit, Exit::Attention, "its run has not come to its end");
    let report = ended.rollback.unwrap();
    assert_eq!(left(&report), []);
    assert!(report.unfinished.contains(&"contacts".to_owned()));
    let after = bench.sandbox.workspace();
    assert_same(&removable(&before), &removable(&after), "taken back");
}

/// Whoever was changed by people since is left by name, like all that the ledger knows of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_people_have_changed_since_is_named() {
    let bench = bench().await;
    run_until_killed(&bench, 12).await;
    let lost = lost(&bench).await.remove(0);
    bench.sandbox.edit(|workspace| {
        let it = workspace.contacts.iter_mut().find(|it| it.external_id.as_ref() == Some(&lost));
        let it = it.unwrap();
        (it.name, it.updated_at) = (Some("Somebody Else".into()), it.updated_at + 3600);
    });
    let report = as_told(&bench).await.rollback.unwrap();
    let key = lost.strip_prefix("leaddesk:").unwrap();
    assert!(left(&report).contains(&(key, "changed_since")), "{:?}", left(&report));
    let after = bench.sandbox.workspace();
    assert!(after.contacts.iter().any(|it| it.external_id.as_ref() == Some(&lost)));
}
