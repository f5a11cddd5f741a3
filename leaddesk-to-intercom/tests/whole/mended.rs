//! After a cause was mended: only what it held up is tried again. And what is new since the last run.

use std::collections::BTreeMap;

use migrate_sandbox::{Account, AccountSpec};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, by_api, ugly};

/// The write calls since these counters, by operation.
pub(crate) fn written(bench: &Bench, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut written = bench.sandbox.counters().intercom;
    written.retain(|name, count| {
        *count -= before.get(name).copied().unwrap_or_default();
        *count > 0 && !name.starts_with("GET ") && !name.ends_with("/search")
    });
    written
}

/// Several people shared an address until somebody gave one of them another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mended_contact_is_brought_by_redrive() {
    let bench = Bench::new(ugly(5)).await;
    let first = bench.run().await;
    let waiting = first.report.queues["contacts_without_identifier"];
    let without = |account: &Account| {
        let it = |it: &migrate_sandbox::SourceContact| {
            it.email.as_deref().is_none_or(str::is_empty) && it.phonenumbers.is_empty()
        };
        account.contacts.iter().position(it).unwrap()
    };
    bench.sandbox.edit_account(|account| {
        let at = without(account);
        account.contacts[at].email = Some("mended@example.com".into());
        account.contacts[at].updated_at = Some("2026-10-31 12:00:00".into());
    });
    let before = bench.sandbox.counters().intercom;
    let other = bench.runner().redrive(Some("calls_without_time")).await.unwrap();
    assert_eq!(other.report.last_run.writes, 0, "another queue was mended, not this one");
    assert_eq!(written(&bench, &before), BTreeMap::new());

    let again = bench.runner().redrive(Some("contacts_without_identifier")).await.unwrap();
    assert!(again.report.accounted);
    let left = again.report.queues.get("contacts_without_identifier").copied().unwrap_or_default();
    assert_eq!(left, waiting - 1);
    let made = written(&bench, &before);
    assert_eq!(made.get("POST /contacts"), Some(&1), "{made:?}");
    assert!(!made.contains_key("PUT /contacts/{id}"), "{made:?}");
    assert!(!made.contains_key("POST /conversations"), "{made:?}");

    // Its calls waited for it.
    bench.runner().redrive(None).await.unwrap();
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// A call that waited for its time is looked up by itself; no other is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mended_call_is_read_by_itself() {
    let mut bench = Bench::new(ugly(5)).await;
    // Calls of a history have no id by which one could be looked up.
    let (first, last) = bench.endpoints.call_ids;
    let calls = format!("last_call = true\ngdpr_history = false\nid_range = [{first}, {last}]");
    bench.settings.source = by_api(&bench.endpoints, &calls);
    let first = bench.run().await;
    let queued = first.report.queues["calls_without_time"];
    let lines = std::fs::read_to_string(bench.path("state/queues/calls_without_time.jsonl"));
    let lines = lines.unwrap();
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let id: u64 = line["key"].as_str().unwrap().strip_prefix("call:").unwrap().parse().unwrap();
    bench.sandbox.edit_account(|account| {
        let call = account.calls.iter_mut().find(|it| it.id == id).unwrap();
        call.talk_start = Some("2026-03-02 10:00:00".into());
        call.talk_end = Some("2026-03-02 10:01:00".into());
    });
    let read = |bench: &Bench| {
        let counters = bench.sandbox.counters().leaddesk_original;
        let calls = counters.iter().filter(|(name, _)| name.contains("call"));
        calls.filter(|(name, _)| !name.contains("list")).map(|(_, count)| count).sum::<u64>()
    };
    let before = read(&bench);
    let again = bench.runner().redrive(Some("calls_without_time")).await.unwrap();
    assert!(read(&bench) - before <= queued, "{} calls were read", read(&bench) - before);
    let left = again.report.queues.get("calls_without_time").copied().unwrap_or_default();
    assert_eq!(left, queued - 1);
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));
}

/// Three new calls and a changed contact are all that a delta writes; another writes nothing. What
/// has vanished from LeadDesk stays and is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delta_brings_what_is_new() {
    let mut account = Account::generate(&AccountSpec::plain(30, 6).with_calls_per_contact(2.0));
    // None of them is the last of its contact, which would change with it, or at an end of the ids.
    let last: Vec<_> = account.contacts.iter().filter_map(|it| it.last_call_id).collect();
    let calls = account.calls.iter().skip(1).map(|it| it.id);
    let ids: Vec<u64> = calls.filter(|id| !last.contains(id)).take(3).collect();
    let (new, kept): (Vec<_>, Vec<_>) =
        account.calls.drain(..).partition(|it| ids.contains(&it.id));
    assert_eq!(new.len(), 3, "choose another seed");
    account.calls = kept;
    let bench = Bench::new(account).await;
    bench.run().await;
    let before = bench.sandbox.counters().intercom;
    assert_eq!(bench.runner().delta().await.unwrap().report.last_run.writes, 0);

    bench.sandbox.edit_account(|account| {
        account.calls.extend(new);
        account.contacts[7].city = Some("Rovaniemi".into());
        // When it changed is later than the run that has read it.
        let now = chrono::Utc::now().format("%Y-%m-%d %H:%M:%S").to_string();
        account.contacts[7].updated_at = Some(now);
    });
    let finished = bench.runner().delta().await.unwrap();
    let made = written(&bench, &before);
    assert_eq!(made["POST /conversations"], 3, "{made:?}");
    assert_eq!(made["PUT /contacts/{id}"], 1, "{made:?}");
    assert!(!made.contains_key("POST /contacts"), "{made:?}");
    assert_eq!(finished.report.last_run.writes, made.values().sum::<u64>());
    assert_clean(&audit(&bench.sandbox.account(), &bench.sandbox.workspace()));

    let whole = bench.sandbox.workspace();
    let gone = bench.sandbox.account().contacts[3].clone();
    bench.sandbox.edit_account(|account| account.contacts.retain(|it| it.id != gone.id));
    let finished = bench.runner().delta().await.unwrap();
    assert_eq!(finished.report.last_run.writes, 0);
    assert!(bench.sandbox.workspace() == whole, "nothing is deleted");
    let notes = &finished.report.notes;
    assert!(notes.iter().any(|it| it.starts_with("contacts: 1 that were migrated")), "{notes:?}");
}
