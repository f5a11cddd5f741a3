//! Further runs: nothing is written for what has not changed, and no more than needed for what has.

use std::collections::BTreeMap;

use migrate_sandbox::{Account, AccountSpec};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, ugly};

/// A second run makes no write call, nor does one after a verification or without the saved plan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unchanged_data_is_not_written_again() {
    let bench = Bench::new(ugly(5)).await;
    let first = bench.run().await;
    let (writes, whole) = (bench.writes(), bench.sandbox.workspace());
    assert_eq!(first.report.last_run.writes, writes);

    for case in ["at once", "after a verification", "without the plan"] {
        match case {
            "after a verification" => {
                let found = bench.verify().await.report;
                assert_eq!(found.verify.unwrap().mismatches, []);
                assert_eq!(found.last_run.writes, 0);
            }
            "without the plan" => std::fs::remove_file(bench.path("state/plan.json")).unwrap(),
            _ => {}
        }
        let again = bench.run().await;
        assert_eq!(bench.writes(), writes, "{case}");
        assert_eq!(again.report.last_run.writes, 0, "{case}");
        assert_eq!(again.exit, first.exit, "{case}");
        assert_eq!(again.report.queues, first.report.queues, "{case}");
        assert!(bench.sandbox.workspace() == whole, "{case}: the workspace has changed");
    }
}

/// A changed contact is updated, a changed comment becomes a note that says so, and the conversation
/// is closed again. Nothing else is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_changed_is_changed() {
    let account = Account::generate(&AccountSpec::plain(30, 6));
    let person = account.contacts[7].id;
    let commented = |call: &&migrate_sandbox::SourceCall| {
        call.comment.as_deref().is_some_and(|comment| !comment.is_empty())
    };
    let call = account.calls.iter().find(commented).unwrap().id;
    let bench = Bench::new(account).await;
    bench.run().await;
    let (before, old) = (bench.sandbox.counters().intercom, bench.sandbox.workspace());

    bench.sandbox.edit_account(|account| {
        account.contacts[7].city = Some("Rovaniemi".into());
        account.contacts[7].updated_at = Some("2026-10-31 12:00:00".into());
        let call = account.calls.iter_mut().find(|it| it.id == call).unwrap();
        call.comment = Some("It was about <another> offer & more".into());
    });
    let finished = bench.run().await;
    let mut written = bench.sandbox.counters().intercom;
    written.retain(|name, count| {
        *count -= before.get(name).copied().unwrap_or_default();
        *count > 0 && !name.starts_with("GET ") && !name.ends_with("/search")
    });
    let expected = [
        ("PUT /contacts/{id}", 1),
        // A note opens nothing, so there is nothing to be closed again.
        ("POST /conversations/{id}/reply", 1),
    ];
    let expected: BTreeMap<String, u64> =
        expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
    assert_eq!(written, expected);
    assert_eq!(finished.report.last_run.writes, 2);

    // The correction is taken out again: what is left is what a first run would have made, but for
    // the old comment.
    let account = bench.sandbox.account();
    let mut new = bench.sandbox.workspace();
    let marker = format!("LeadDesk call {call}");
    let conversation =
        new.conversations.iter_mut().find(|it| it.source.body.ends_with(&marker)).unwrap();
    assert_eq!(conversation.state, "closed");
    let is_correction = |body: &str| body.starts_with("<p>Corrected in LeadDesk");
    let at = conversation
        .parts
        .iter()
        .position(|part| part.body.as_deref().is_some_and(is_correction))
        .expect("no correction");
    let correction = conversation.parts.remove(at);
    assert_eq!(correction.part_type, "note");
    assert!(
        correction.body.unwrap().ends_with("It was about &lt;another&gt; offer &amp; more</p>")
    );
    let old = old.conversations.iter().find(|it| it.id == conversation.id).unwrap();
    let remark = |parts: &[migrate_sandbox::workspace::Part]| parts[0].body.clone();
    assert_eq!(remark(&conversation.parts), remark(&old.parts), "the old comment stays");
    conversation.parts[0].body =
        Some("<p>It was about &lt;another&gt; offer &amp; more</p>".into());
    assert_clean(&audit(&account, &new));
    let id = format!("leaddesk:contact:{person}");
    let city = &new.contact_by_external_id(&id).unwrap().custom_attributes["ld_city"];
    assert_eq!(city, "Rovaniemi");

    assert_eq!(bench.run().await.report.last_run.writes, 0, "and then there is nothing left to do");
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}

/// What the opening says cannot be edited either: a note corrects it, and attribute and tag follow.
/// The tag of before is taken off; what people have put on stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_outcome_is_corrected() {
    let bench = Bench::new(Account::generate(&AccountSpec::plain(10, 6))).await;
    bench.run().await;
    let marker = format!("LeadDesk call {}", bench.sandbox.account().calls[3].id);
    let mut before = Vec::new();
    bench.sandbox.edit(|workspace| {
        let mut theirs = workspace.tags[0].clone();
        (theirs.id, theirs.name) = ("9001".into(), "theirs".into());
        workspace.tags.push(theirs);
        let mut conversations = workspace.conversations.iter_mut();
        let found = conversations.find(|it| it.source.body.ends_with(&marker)).unwrap();
        let put_on =
            migrate_sandbox::workspace::AppliedTag { id: "9001".into(), ..found.tags[0].clone() };
        found.tags.push(put_on);
        let tags = found.tags.clone();
        before = workspace.tag_names(&tags).into_iter().map(str::to_owned).collect();
    });
    bench.sandbox.edit_account(|account| {
        account.calls[3].call_ending_reason_name = Some("Reconsidered".into());
    });
    bench.run().await;
    let workspace = bench.sandbox.workspace();
    let mut conversations = workspace.conversations.iter();
    let found = conversations.find(|it| it.source.body.ends_with(&marker)).unwrap();
    assert_eq!(found.custom_attributes["ld_outcome__c"], "Reconsidered");
    let is_outcome = |name: &String| name.starts_with("ld_outcome_");
    assert_eq!(before.iter().filter(|name| is_outcome(name)).count(), 1, "{before:?}");
    before.retain(|name| !is_outcome(name));
    before.push("ld_outcome_Reconsidered".to_owned());
    let mut after = workspace.tag_names(&found.tags);
    before.sort();
    after.sort_unstable();
    assert_eq!(after, before);
    assert_eq!(found.state, "closed");
    let correction = |body: &String| body.contains("Outcome: Reconsidered");
    assert!(found.parts.iter().any(|part| part.body.as_ref().is_some_and(correction)));
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}

/// What LeadDesk has lost stays in Intercom, and the report says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_vanished_is_told_and_stays() {
    let bench = Bench::new(Account::generate(&AccountSpec::plain(20, 8))).await;
    let told = |report: &migrate_core::Report| -> Vec<String> {
        let notes = report.notes.iter().filter(|note| note.contains("not delivered by LeadDesk"));
        notes.map(|note| note.split(" that").next().unwrap().to_owned()).collect()
    };
    assert_eq!(told(&bench.run().await.report), Vec::<String>::new());
    let (writes, there) = (bench.writes(), bench.sandbox.workspace());
    let mut gone = 0;
    bench.sandbox.edit_account(|account| gone = account.contacts.remove(3).id);
    assert!(!bench.path("state/vanished.jsonl").exists());
    let told = told(&bench.run().await.report);
    // Nobody asks for the history of the number any more, so its calls are told as well.
    assert!(told.contains(&"contacts: 1".to_owned()), "{told:?}");
    let listed = std::fs::read_to_string(bench.path("state/vanished.jsonl")).unwrap();
    let mut listed = listed.lines().map(|line| serde_json::from_str(line).unwrap());
    let first: serde_json::Value =
        listed.find(|line: &serde_json::Value| line["kind"] == "contact").unwrap();
    let external_id = format!("leaddesk:contact:{gone}");
    let object = &there.contact_by_external_id(&external_id).unwrap().id;
    let expected = serde_json::json!({
        "key": format!("contact:{gone}"), "kind": "contact", "stage": "contacts", "object": object,
    });
    assert_eq!(first, expected);
    assert_eq!(bench.writes(), writes);
    assert!(bench.sandbox.workspace() == there, "the workspace has changed");
}

/// Two names that differ in case are one tag, and both the plan and the report say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_one_tag_are_told() {
    let mut account = Account::generate(&AccountSpec::plain(10, 6));
    for (call, name) in account.calls.iter_mut().zip(["Sään mukaan", "SÄÄN mukaan"]) {
        call.call_ending_reason_name = Some(name.to_owned());
    }
    let mut bench = Bench::new(account).await;
    let (first, last) = bench.endpoints.call_ids;
    let calls = format!("last_call = true\ngdpr_history = false\nid_range = [{first}, {last}]");
    bench.settings.source = crate::bench::by_api(&bench.endpoints, &calls);
    let plan = bench.runner().plan().await.unwrap();
    let report = bench.run().await.report;
    for notes in [&plan.notes, &report.notes] {
        let told = notes.iter().filter(|note| note.contains("are one tag"));
        let told: Vec<&String> = told.collect();
        assert_eq!(told.len(), 1, "{notes:?}");
        assert!(told[0].contains("\"SÄÄN mukaan\", \"Sään mukaan\""), "{told:?}");
    }
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
}
