//! Calls with numbers that are no contact's, where leads are made of these.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use migrate_core::SourceExt as _;
use migrate_sandbox::workspace::Workspace;
use migrate_sandbox::{Account, AccountSpec, Faults, ServiceFaults};

use crate::bench::{Bench, by_api};

pub(crate) const LEADS: &str = "[calls]\nwithout_contact = 'lead'";

/// An account of which three strangers called, one of them three times, once under the id of a contact who is
/// not there.
pub(crate) fn strangers(seed: u64) -> Account {
    let mut account = Account::generate(&AccountSpec::plain(20, seed));
    for (at, (number, contact)) in [
        ("+358409000001", None),
        ("+358 40 9000001", None),
        ("040 900 0001", Some(999_999)),
        ("+358409000002", None),
        ("+358409000003", Some(999_998)),
    ]
    .into_iter()
    .enumerate()
    {
        // The last calls of contacts stay theirs, since contacts name them.
        account.calls[at].number = Some(number.into());
        account.calls[at].contact_id = contact;
    }
    account
}

/// The leads of a workspace by number, with the calls of each.
fn leads(workspace: &Workspace) -> BTreeMap<String, BTreeSet<String>> {
    let leads = workspace.contacts.iter().filter(|contact| contact.role == "lead");
    leads
        .map(|lead| {
            let own = workspace.conversations.iter().filter(|it| it.contacts.contains(&lead.id));
            let calls = own.map(|it| it.source.body.lines().last().unwrap().to_owned()).collect();
            (lead.phone.clone().unwrap(), calls)
        })
        .collect()
}

fn expected(account: &Account) -> BTreeMap<String, BTreeSet<String>> {
    let marker = |at: usize| format!("LeadDesk call {}", account.calls[at].id);
    BTreeMap::from([
        ("+358409000001".to_owned(), (0..3).map(marker).collect()),
        ("+358409000002".to_owned(), (3..4).map(marker).collect()),
        ("+358409000003".to_owned(), (4..5).map(marker).collect()),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_number_share_one_lead() {
    let account = strangers(71);
    let wanted = expected(&account);
    let mut bench = Bench::new(account).await;
    let waiting = bench.run().await.report.queues["calls_without_contact"];
    assert_eq!((waiting, leads(&bench.sandbox.workspace()).len()), (5, 0), "first they wait");

    bench.settings.further = LEADS.into();
    std::fs::remove_file(bench.path("state/plan.json")).unwrap();
    let before = bench.writes();
    let finished = bench.run().await;
    assert_eq!(leads(&bench.sandbox.workspace()), wanted);
    assert_eq!(finished.report.queues.get("calls_without_contact"), None);
    let made = bench.sandbox.counters();
    assert!(bench.writes() - before < 60, "what was there is not written again: {made:?}");
    let contacts = bench.sandbox.workspace().contacts.len();
    assert_eq!(bench.sandbox.account().contacts.len() + 3, contacts);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);

    // A contact with the number comes later: the lead stays, and so do its calls.
    bench.sandbox.edit_account(|account| {
        account.contacts[5].phonenumbers = vec!["+358409000002".into()];
    });
    bench.run().await;
    assert_eq!(leads(&bench.sandbox.workspace()), wanted);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// Leads are made of numbers only when calls wait for them already: a redrive makes them, and reads nothing
/// but these calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_makes_leads_of_calls_that_waited() {
    let account = strangers(73);
    let wanted = expected(&account);
    let mut bench = Bench::new(account).await;
    let (first, last) = bench.endpoints.call_ids;
    let calls = format!("last_call = true\ngdpr_history = false\nid_range = [{first}, {last}]");
    bench.settings.source = by_api(&bench.endpoints, &calls);
    assert_eq!(bench.run().await.report.queues["calls_without_contact"], 5);

    bench.settings.further = LEADS.into();
    std::fs::remove_file(bench.path("state/plan.json")).unwrap();
    bench.runner().plan().await.unwrap();
    let read = |bench: &Bench| {
        let counters = bench.sandbox.counters().leaddesk_original;
        let calls = counters.iter().filter(|(name, _)| name.contains("call"));
        calls.filter(|(name, _)| !name.contains("list")).map(|(_, count)| count).sum::<u64>()
    };
    let before = read(&bench);
    let finished = bench.runner().redrive(Some("calls_without_contact")).await.unwrap();
    assert_eq!(read(&bench) - before, 5, "{:?}", bench.sandbox.counters().leaddesk_original);
    assert_eq!(leads(&bench.sandbox.workspace()), wanted);
    assert_eq!(finished.report.queues.get("calls_without_contact"), None);
    assert!(finished.report.accounted);
    let notes = &finished.report.notes;
    assert!(!notes.iter().any(|it| it.contains("not delivered")), "{notes:?}");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

/// What a program has made of the source of calls goes for those that are tried again as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_reads_calls_as_a_program_has_them() {
    let bench = Bench::new(strangers(74)).await;
    let finished = bench.run_with(bench.runner()).await;
    assert_eq!(finished.report.queues["calls_without_contact"], 5);
    let first = bench.sandbox.account().contacts[0].id;
    let runner = bench.runner().customized(move |mut parts| {
        let owner = leaddesk_client::ContactId::new(first);
        let calls = parts.call_source.map_body(move |mut call: leaddesk_client::Call| {
            let of_a_stranger = call.number.as_ref().is_some_and(|it| it.reveal().contains("900"));
            if of_a_stranger {
                call.contact_id = Some(owner.clone());
            }
            call
        });
        parts.call_source = Arc::new(calls);
        parts
    });
    std::fs::remove_file(bench.path("state/plan.json")).unwrap();
    let finished = runner.redrive(Some("calls_without_contact")).await.unwrap();
    assert_eq!(finished.report.queues.get("calls_without_contact"), None);
}

/// Replies are lost on the way: no lead and no conversation is made twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_makes_no_second_lead() {
    let account = strangers(72);
    let wanted = expected(&account);
    let mut bench = Bench::new(account).await;
    bench.settings.further = LEADS.into();
    let some = ServiceFaults { lost_reply: 0.1, error_after: 0.1, ..ServiceFaults::default() };
    bench.sandbox.set_faults(Faults { seed: 3, intercom: some, ..Faults::default() });
    for _ in 0..3 {
        let _ = bench.runner().run(&migrate_core::RunOptions::default()).await;
    }
    bench.sandbox.set_faults(Faults::default());
    bench.run().await;
    bench.run().await;
    assert_eq!(leads(&bench.sandbox.workspace()), wanted);
    let contacts = bench.sandbox.workspace().contacts.len();
    assert_eq!(bench.sandbox.account().contacts.len() + 3, contacts);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}
