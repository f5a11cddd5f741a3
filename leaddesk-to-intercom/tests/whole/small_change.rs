//! A delta costs what has changed, and no more: at most 1.05 % of the first run's writes where one record in
//! a hundred has changed, and none where none has; with faults on as well, where nothing may come twice. By the
//! API it reads who has changed, and those with whom they are one person.

use std::collections::{BTreeMap, BTreeSet};

use leaddesk_to_intercom::runner::Finished;
use migrate_core::{Fate, Ledger as _, RunOptions};
use migrate_sandbox::{Account, AccountSpec, Faults, ServiceFaults, SourceCall};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, assert_same};

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
            contact.updated_at = now();
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

/// Of an account where some people are in two lists, all of whose times are long past.
fn old_account(contacts: usize, seed: u64) -> Account {
    let spec = AccountSpec::plain(contacts, seed).with_calls_per_contact(0.5);
    let mut account = Account::generate(&spec.with(|spec| spec.in_two_lists = 0.04));
    let past = |time: &mut Option<String>| {
        if let Some(time) = time.as_mut().filter(|time| time.starts_with("202")) {
            time.replace_range(..4, "2020");
        }
    };
    for contact in &mut account.contacts {
        past(&mut contact.updated_at);
        past(&mut contact.created_at);
    }
    for call in &mut account.calls {
        for time in [
            &mut call.talk_start,
            &mut call.talk_end,
            &mut call.handling_stop,
            &mut call.created_at,
        ] {
            past(time);
        }
    }
    account
}

/// The places of two contacts that are one person, and those who are nobody else.
fn pairs_and_others(account: &Account) -> (Vec<(usize, usize)>, Vec<usize>) {
    let mut by_address: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, contact) in account.contacts.iter().enumerate() {
        by_address.entry(contact.email.clone().unwrap().to_lowercase()).or_default().push(at);
    }
    let (pairs, others): (Vec<_>, Vec<_>) = by_address.into_values().partition(|it| it.len() > 1);
    let pairs = pairs.into_iter().map(|pair| (pair[0], pair[1])).collect();
    (pairs, others.into_iter().flatten().collect())
}

fn now() -> Option<String> {
    Some(chrono::Utc::now().format("%Y-%m-%d %H:%M:%S").to_string())
}

/// Two change, somebody takes another's address, two who were one person are so no more, and somebody is
/// gone.
fn stir(bench: &Bench, now: &Option<String>) {
    bench.sandbox.edit_account(|account| {
        let (pairs, others) = pairs_and_others(account);
        let changed = &mut account.contacts[others[0]];
        (changed.city, changed.updated_at) = (Some("Rovaniemi".into()), now.clone());
        let kept = account.contacts[others[2]].clone();
        let taken = &mut account.contacts[others[1]];
        (taken.email, taken.fname, taken.lname) = (kept.email, kept.fname, kept.lname);
        taken.updated_at = now.clone();
        // This one was merged into another, who is left with what is their own.
        let apart = &mut account.contacts[pairs[0].1];
        (apart.email, apart.updated_at) = (Some("apart@example.com".into()), now.clone());
        let changed = &mut account.contacts[pairs[1].0];
        (changed.city, changed.updated_at) = (Some("Kemi".into()), now.clone());
        account.contacts.remove(others[5]);
    });
}

fn contacts_read(bench: &Bench) -> u64 {
    let calls = bench.sandbox.counters().leaddesk_original;
    calls.get("GET mod=contact&cmd=get").copied().unwrap_or_default()
}

/// Whoever has not changed is not read, and the workspace is that of a run that reads everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_not_changed_is_not_read() {
    let account = old_account(200, 53);
    let (pairs, _) = pairs_and_others(&account);
    assert!(pairs.len() >= 3, "choose another seed");
    let merged: usize = account.contacts.len() - pairs_and_others(&account).1.len() - pairs.len();
    let (by_delta, by_run) = (Bench::new(account.clone()).await, Bench::new(account.clone()).await);
    by_delta.run().await;
    by_run.run().await;
    let now = now();
    for bench in [&by_delta, &by_run] {
        stir(bench, &now);
    }
    let whole = by_run.run().await;
    let before = contacts_read(&by_delta);
    let delta = by_delta.runner().delta().await.unwrap();
    let read = contacts_read(&by_delta) - before;
    println!("{read} of {} contacts were read, {merged} are merged", account.contacts.len());
    assert!(read > 4 && read as usize <= 6 + 2 * merged + 2, "{read}, {merged} merged");
    assert!(read * 5 < account.contacts.len() as u64, "{read} of {}", account.contacts.len());
    assert_same(&by_run.sandbox.workspace(), &by_delta.sandbox.workspace(), "delta and run");
    let merged_now =
        async |bench: &Bench| bench.ledger().tally("contacts").await.unwrap().of(Fate::Merged);
    // One is apart now, and one is somebody else.
    assert_eq!(merged_now(&by_delta).await, merged as u64);
    assert_eq!(merged_now(&by_run).await, merged as u64);
    assert!(delta.report.accounted && delta.error.is_none());
    assert_eq!(delta.report.last_run.writes, whole.report.last_run.writes);
    let vanished = |finished: &Finished| -> Vec<String> {
        let notes = finished.report.notes.iter();
        notes.filter(|note| note.contains("not delivered by LeadDesk")).cloned().collect()
    };
    assert_eq!(vanished(&delta), vanished(&whole));
    assert!(vanished(&delta).iter().any(|note| note.starts_with("contacts: 1 that were migrated")));
    // Nobody has vanished for not being read, and nothing is left for a run that reads everybody.
    assert_eq!(by_delta.runner().delta().await.unwrap().report.last_run.writes, 0);
    assert_eq!(by_delta.run().await.report.last_run.writes, 0);
}

/// What was brought over under other settings is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_settings_let_a_delta_read_everybody() {
    let account = old_account(40, 54);
    let all = account.contacts.len() as u64;
    let mut bench = Bench::new(account).await;
    bench.run().await;
    let read = async |bench: &Bench| {
        let before = contacts_read(bench);
        let finished = bench.runner().delta().await.unwrap();
        assert!(finished.report.accounted && finished.error.is_none());
        contacts_read(bench) - before
    };
    assert!(read(&bench).await < all / 5);
    bench.settings.further = "[contacts]\nssn = true".into();
    bench.runner().plan().await.unwrap();
    assert_eq!(read(&bench).await, all);
    assert!(read(&bench).await < all / 5, "and once only");
}
