//! Lists whose choices the mapping gains as the account goes on.

use std::fs;

use leaddesk_to_intercom::runner::Exit;
use migrate_core::RollbackOptions;
use migrate_sandbox::workspace::DataAttribute;
use migrate_sandbox::{Account, AccountSpec};

use crate::bench::Bench;

/// A mapping with these choices of the segment.
fn map(bench: &Bench, choices: &[&str]) {
    fs::create_dir_all(bench.path("state")).unwrap();
    let mapping = format!(
        "confirmed = true\n[fields.Segment]\nas = 'options'\nattribute = 'ld_segment'\nchoices = {choices:?}\n"
    );
    fs::write(bench.path("state/mapping.toml"), mapping).unwrap();
    fs::remove_file(bench.path("state/plan.json")).ok();
}

fn list(bench: &Bench) -> DataAttribute {
    let attributes = bench.sandbox.workspace().data_attributes;
    attributes.into_iter().find(|it| it.name == "ld_segment").unwrap()
}

/// How many contacts have this choice.
fn chosen(bench: &Bench, choice: &str) -> usize {
    let contacts = bench.sandbox.workspace().contacts;
    let is_it = |it: &serde_json::Value| it == choice;
    contacts.iter().filter(|it| it.custom_attributes.get("ld_segment").is_some_and(is_it)).count()
}

/// A list of this migration's own is given the choices that are new, and a rollback knows it for its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_choices_are_added_to_a_list_that_the_migration_has_made() {
    let bench = Bench::new(Account::generate(&AccountSpec::plain(20, 94))).await;
    map(&bench, &["A", "B"]);
    bench.run().await;
    assert_eq!(list(&bench).options, ["A", "B"]);
    assert!(chosen(&bench, "A") > 0 && chosen(&bench, "C") == 0);

    // What somebody has added stays.
    bench.sandbox.edit(|workspace| {
        let own = workspace.data_attributes.iter_mut().find(|it| it.name == "ld_segment");
        own.unwrap().options.push("theirs".into());
    });
    map(&bench, &["A", "B", "C"]);
    bench.run().await;
    assert_eq!(list(&bench).options, ["A", "B", "theirs", "C"]);
    assert!(chosen(&bench, "C") > 0);
    assert_eq!(bench.run().await.report.last_run.writes, 0);

    // A list that somebody has changed is theirs to archive.
    let ended = bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    assert_eq!(ended.exit, Exit::Attention);
    assert!(!list(&bench).archived);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_brought_back_has_the_new_choices() {
    let bench = Bench::new(Account::generate(&AccountSpec::plain(20, 94))).await;
    map(&bench, &["A", "B"]);
    bench.run().await;
    map(&bench, &["A", "B", "C"]);
    bench.run().await;
    bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    assert!(list(&bench).archived, "what the migration itself has added is no change of others");

    map(&bench, &["A", "B", "C", "D"]);
    bench.run().await;
    assert_eq!(list(&bench).options, ["A", "B", "C", "D"]);
    assert!(!list(&bench).archived && chosen(&bench, "C") > 0);
}
