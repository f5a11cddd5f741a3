//! Each check of the preflight, brought about by a workspace made for it. What a stand-in on this machine
//! cannot bring about – a live workspace, a full disk – is tested beside the checks.

use chrono::TimeDelta;
use migrate_core::RunOptions;
use migrate_sandbox::workspace::{ConversationAttribute, DataAttribute};

use crate::{Stage, is_there, refused};

/// Nothing was written, to Intercom or to a report.
fn assert_untouched(stage: &Stage) {
    assert_eq!(stage.sandbox.counters().intercom.keys().filter(|call| is_write(call)).count(), 0);
    assert!(!is_there(&stage.state(), "report.json"));
}

fn is_write(call: &str) -> bool {
    !call.starts_with("GET ") && !call.ends_with("/search")
}

async fn refusal(stage: &Stage) -> String {
    let message = refused(stage.runner("").run(&RunOptions::default()).await);
    assert_untouched(stage);
    message
}

fn attribute(name: &str, data_type: &str) -> DataAttribute {
    DataAttribute {
        model: "contact".into(),
        name: name.into(),
        data_type: data_type.into(),
        ..DataAttribute::default()
    }
}

#[tokio::test]
async fn attributes_that_cannot_be_used() {
    let stage = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| {
            workspace.data_attributes.push(attribute("ld_city", "integer"));
            let archived = DataAttribute { archived: true, ..attribute("ld_fax", "string") };
            workspace.data_attributes.push(archived);
            let company =
                DataAttribute { model: "company".into(), ..attribute("ld_title", "string") };
            workspace.data_attributes.push(company);
        })
    })
    .await;
    insta::assert_snapshot!(refusal(&stage).await);
}

#[tokio::test]
async fn attributes_of_conversations_that_are_there_twice() {
    let stage = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| {
            for _ in 0..2 {
                workspace.conversation_attributes.push(ConversationAttribute {
                    name: "ld_direction__c".into(),
                    data_type: "string".into(),
                    ..ConversationAttribute::default()
                });
            }
        })
    })
    .await;
    insta::assert_snapshot!(refusal(&stage).await);
}

#[tokio::test]
async fn too_many_attributes() {
    let stage = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| {
            // Archived ones have no place, and one of ours that is there needs none.
            let archived = DataAttribute { archived: true, ..attribute("gone", "string") };
            workspace.data_attributes.push(archived);
            workspace.data_attributes.push(attribute("ld_city", "string"));
            let others = (0..230).map(|n| attribute(&format!("theirs_{n}"), "string"));
            workspace.data_attributes.extend(others);
        })
    })
    .await;
    insta::assert_snapshot!(refusal(&stage).await);
}

#[tokio::test]
async fn a_clock_that_is_wrong_and_a_reason_to_begin_all_the_same() {
    // An even number of seconds would fall to either side of the whole second that a reply shows.
    let behind = TimeDelta::milliseconds(3_600_500);
    let stage = Stage::with(|sandbox| sandbox.clock_ahead(behind)).await;
    let told = refusal(&stage).await;
    let seconds = told.split_whitespace().find_map(|word| word.parse::<i64>().ok()).unwrap();
    assert!((3_599..=3_602).contains(&seconds), "{told}");
    insta::assert_snapshot!(told.replace(&seconds.to_string(), "3600"));

    let waived = "[preflight.waive]\nclock_skew = 'it is a lab'\n";
    std::fs::remove_file(stage.state().join("plan.json")).ok();
    let end = stage.runner(waived).run(&RunOptions::default()).await.unwrap();
    let said = end.report.notes.iter().find(|note| note.starts_with("[clock_skew]")).unwrap();
    assert!(said.ends_with("Waived: it is a lab"), "{said}");
}

#[tokio::test]
async fn agents_whom_nobody_stands_in_for() {
    let stage = Stage::new().await;
    // By the API without [source.rest], agents are those that [map.agents] names, and no others.
    let mut told = Vec::new();
    for lines in ["", "[map.agents]\nanna = 'anna@example.com'\n7 = 'seven@example.com'\n"] {
        let plan = stage.runner(lines).plan().await.unwrap();
        told.extend(plan.preflight.findings().iter().map(ToString::to_string));
    }
    assert_untouched(&stage);
    insta::assert_snapshot!(told.join("\n"));
    std::fs::remove_file(stage.state().join("plan.json")).unwrap();
    let end = stage.runner("").run(&RunOptions::default()).await.unwrap();
    assert!(end.report.notes.contains(&told[0]), "{:?}", end.report.notes);
}
