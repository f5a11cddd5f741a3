//! A pilot, and the run that goes on from there.

use std::collections::BTreeSet;
use std::sync::Arc;

use migrate_core::{Event, RunOptions, RunState};
use migrate_sandbox::workspace::Conversation;
use migrate_sandbox::{Account, AccountSpec, ChatbotExport};

use crate::audit::{audit, audit_of_histories};
use crate::bench::{Bench, assert_clean, assert_same, by_api, by_export};
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

/// Everything was migrated before a pilot was run once more: what waits is tried again wherever it is, and
/// the calls that the pilot did not meet have not vanished.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_after_a_later_pilot_tries_everything_again() {
    let mut account = account(33);
    let last = account.contacts.len() - 1;
    account.contacts[last].email = None;
    account.contacts[last].phonenumbers = Vec::new();
    let key = format!("contact:{}", account.contacts[last].id);
    let bench = Bench::new(account).await;
    let waiting = bench.run().await.report.queues["contacts_without_identifier"];
    pilot(&bench).await;
    bench.sandbox.edit_account(|account| {
        account.contacts[last].email = Some("mended@example.com".into());
    });
    let finished = bench.runner().redrive(Some("contacts_without_identifier")).await.unwrap();
    let queues = &finished.report.queues;
    let left = queues.get("contacts_without_identifier").copied().unwrap_or_default();
    assert_eq!(left, waiting - 1);
    let workspace = bench.sandbox.workspace();
    assert!(workspace.contact_by_external_id(&format!("leaddesk:{key}")).is_some());
    let notes = &finished.report.notes;
    assert!(!notes.iter().any(|it| it.contains("not delivered")), "{notes:?}");
    assert!(!notes.iter().any(|it| it.contains("a pilot of")), "{notes:?}");
}

/// While nothing but pilots was run, a redrive brings nobody whom they have left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_stays_within_the_largest_pilot() {
    let bench = Bench::new(account(33)).await;
    pilot(&bench).await;
    let there = bench.sandbox.workspace();
    let smaller = bench.runner().pilot(CONTACTS / 2, &RunOptions::default()).await.unwrap();
    assert_eq!(smaller.report.state, RunState::Complete);
    let finished = bench.runner().redrive(None).await.unwrap();
    assert_eq!(read(&finished.report, "contacts"), CONTACTS);
    assert_same(&there, &bench.sandbox.workspace(), "after a redrive");
}

/// The histories of the pilot's own numbers are read, and of nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pilot_has_the_history_of_its_own_numbers() {
    let account = account(33);
    let routes = "last_call = true\ngdpr_history = true";
    let mut whole = Bench::new(account.clone()).await;
    whole.settings.source = by_api(&whole.endpoints, routes);
    whole.run().await;
    let mut bench = Bench::new(account.clone()).await;
    bench.settings.source = by_api(&bench.endpoints, routes);
    // A plan asks for all.
    bench.runner().plan().await.unwrap();
    let asked = || bench.sandbox.counters().leaddesk_rest["GET /gdpr/contact"];
    let before = asked();
    pilot(&bench).await;
    let taken = &account.contacts[..CONTACTS as usize];
    let numbers = taken.iter().map(|contact| contact.phonenumbers.len() as u64).sum::<u64>();
    assert_eq!(asked() - before, numbers);
    let of_taken = account.calls.iter().filter(|call| {
        let is_last = taken.iter().any(|contact| contact.last_call_id == Some(call.id));
        let has_time = call.created_at.as_deref().is_some_and(|at| at > "1");
        let is_theirs = taken.iter().any(|contact| {
            let own = contact.phonenumbers.iter().map(|number| crate::audit::e164(number));
            own.into_iter().any(|number| Some(number) == call.number)
        });
        (is_last || is_theirs) && has_time
    });
    let there = bench.sandbox.workspace().conversations.len();
    assert_eq!(there, of_taken.count());
    let last = taken.iter().filter(|contact| contact.last_call_id.is_some()).count();
    assert!(there > last, "the history has brought {there}, of which {last} are last calls");

    bench.run().await;
    let found = bench.sandbox.workspace();
    assert_same(&whole.sandbox.workspace(), &found, "after a pilot");
    let last: BTreeSet<u64> = account.contacts.iter().filter_map(|it| it.last_call_id).collect();
    assert_clean(&audit_of_histories(&account, &found, &last));
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// As many anonymous visitors as contacts, with their chats. Numbers that are nobody's are left to the run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pilot_has_anonymous_visitors_and_no_callers() {
    let spec = AccountSpec::new(80, 34).with_chats_per_contact(1.0);
    let mut account = Account::generate(&spec.with(|it| {
        (it.shared_address, it.in_two_lists, it.calls_by_strangers) = (0.0, 0.0, 0.1);
    }));
    // Somebody of the pilot has chatted under its address.
    let known = account.contacts[..CONTACTS as usize].iter().find(|it| it.email.is_some()).unwrap();
    let email = known.email.clone();
    account.chats.iter_mut().find(|chat| chat.email.is_some()).unwrap().email = email;
    let begin = async || {
        let mut bench = Bench::new(account.clone()).await;
        let (zip, calls) = (bench.path("chatbot.zip"), bench.path("export/calls.csv"));
        account.export_chatbot(&zip, &ChatbotExport::new()).unwrap();
        account.export(&bench.path("export")).unwrap();
        let routes = format!("last_call = true\ngdpr_history = false\ncsv = '{}'", calls.display());
        bench.settings.source = by_api(&bench.endpoints, &routes);
        bench.settings.further = format!(
            "[source.chatbot]\nzip = '{}'\n[calls]\nwithout_contact = 'lead'",
            zip.display()
        );
        bench
    };
    let whole = begin().await;
    whole.run().await;
    let bench = begin().await;
    pilot(&bench).await;
    let found = bench.sandbox.workspace();
    let leads: Vec<&str> = found
        .contacts
        .iter()
        .filter(|contact| contact.role == "lead")
        .map(|contact| contact.external_id.as_deref().unwrap())
        .collect();
    assert_eq!(leads.len() as u64, CONTACTS);
    assert!(leads.iter().all(|id| id.starts_with("leaddesk:chat-visitor:")), "{leads:?}");
    let is_chat = |it: &&Conversation| it.source.body.contains("LeadDesk chat ");
    let chats: Vec<&Conversation> = found.conversations.iter().filter(is_chat).collect();
    let of_leads = chats.iter().filter(|chat| chat.source.author.kind == "lead").count();
    assert_eq!(of_leads as u64, CONTACTS);
    assert!(chats.len() > of_leads, "and those of its contacts");
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    let writes = bench.writes();
    pilot(&bench).await;
    assert_eq!(bench.writes(), writes, "once more");

    bench.run().await;
    assert_same(&whole.sandbox.workspace(), &bench.sandbox.workspace(), "after a pilot");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}
