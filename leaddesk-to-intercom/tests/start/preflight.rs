//! Each check of the preflight, brought about by a workspace made for it. What a stand-in on this machine
//! cannot bring about – a live workspace, a full disk – is asked of the checks themselves.

use std::sync::Arc;

use chrono::TimeDelta;
use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::draft::AttributeDefinition;
use leaddesk_to_intercom::preflight::{self, Preflight};
use migrate_core::RunOptions;
use migrate_sandbox::ChatbotExport;
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

/// Those of a setting and those that a program adds count as any other.
#[tokio::test]
async fn attributes_of_a_setting_and_of_a_program() {
    let of_others = |count: usize| {
        (0..count).map(|n| attribute(&format!("theirs_{n}"), "string")).collect::<Vec<_>>()
    };
    let asked = |stage: &Stage| {
        stage.runner("[contacts]\nssn = true\n").customized(|mut parts| {
            let shop = AttributeDefinition::new("ld_shop", "string", "Shop in LeadDesk");
            parts.attributes.push(shop);
            parts
        })
    };
    let stage = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| {
            workspace.data_attributes.push(attribute("ld_ssn", "integer"));
            workspace.data_attributes.push(attribute("ld_shop", "boolean"));
        })
    })
    .await;
    let message = refused(asked(&stage).run(&RunOptions::default()).await);
    assert_untouched(&stage);
    insta::assert_snapshot!(message);

    // Of 250 places all but what is needed without the two.
    let plain = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| workspace.data_attributes.extend(of_others(250)))
    })
    .await;
    let over: usize = number_after(&refusal(&plain).await, "Archive ");
    let full = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| workspace.data_attributes.extend(of_others(250 - over)))
    })
    .await;
    let message = refused(asked(&full).run(&RunOptions::default()).await);
    assert_untouched(&full);
    assert_eq!(number_after(&message, "Archive "), 2, "{message}");
}

fn number_after(text: &str, word: &str) -> usize {
    let after = text.split_once(word).unwrap().1;
    after.split_whitespace().next().unwrap().parse().unwrap()
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

#[test]
fn a_live_workspace_and_a_full_disk() {
    let config = |settings: &str| {
        let text = format!(
            "[source]\nkind = 'api'\ntime_zone = 'UTC'\n[destination]\nregion = 'eu'\n{settings}"
        );
        Config::parse(&text, "test.toml").unwrap()
    };
    let live = preflight::live_automation(&config("")).unwrap();
    let full = preflight::disk_space(Some(64 * 1024 * 1024), 1_000_000).unwrap();
    // The first has a setting of its own and cannot be waived by its name.
    let told = Preflight::new([live, full], &config("")).refusal().unwrap();
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn a_list_that_lacks_choices() {
    let stage = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| {
            let options = vec!["Retail".to_owned()];
            let list = DataAttribute { options, ..attribute("ld_segment", "string") };
            workspace.data_attributes.push(list);
        })
    })
    .await;
    std::fs::create_dir_all(stage.state()).unwrap();
    let mapping = "confirmed = true\n[fields.Segment]\nas = 'options'\nattribute = 'ld_segment'\n\
                   choices = ['retail', 'Anna Virtanen', 'Bo Ek']\n";
    std::fs::write(stage.state().join("mapping.toml"), mapping).unwrap();
    let told = refusal(&stage).await;
    assert!(!told.contains("Virtanen"), "choices are people's data: {told}");
    insta::assert_snapshot!(told);
}

/// Any other text than one of its choices would be refused, contact by contact.
#[tokio::test]
async fn a_list_that_is_to_take_any_text() {
    let stage = Stage::with(|sandbox| {
        sandbox.prepare(|workspace| {
            let options = ["Retail", "Industry"].map(str::to_owned).into();
            let list = DataAttribute { options, ..attribute("industry", "string") };
            workspace.data_attributes.push(list);
        })
    })
    .await;
    std::fs::create_dir_all(stage.state()).unwrap();
    let mapping = "confirmed = true\n[fields.Segment]\nas = 'string'\nattribute = 'industry'\n";
    std::fs::write(stage.state().join("mapping.toml"), mapping).unwrap();
    insta::assert_snapshot!(refusal(&stage).await);
}

#[tokio::test]
async fn teams_that_are_missing() {
    let stage = Stage::new().await;
    let lines = "[map.teams]\nNorth = 'Nordic Team'\nSouth = 'Southern Team'\n";
    let plan = stage.runner(lines).plan().await.unwrap();
    assert_untouched(&stage);
    let found = plan.preflight.findings().iter().find(|it| it.check == "teams").unwrap();
    assert!(!found.is_stopping());
    insta::assert_snapshot!(found.to_string());
}

#[tokio::test]
async fn people_of_the_eu_into_a_workspace_elsewhere() {
    let stage = Stage::with(|sandbox| sandbox.prepare(|it| it.region = "US".into())).await;
    insta::assert_snapshot!(refusal(&stage).await);
}

/// A key is refused like the account that has no API: both ways out are told.
#[tokio::test]
async fn an_account_without_access_to_the_api() {
    let stage = Stage::new().await;
    let runner = stage.runner("").secrets(Arc::new(|_| Some("wrong-canary".to_owned())));
    let told = refused(runner.run(&RunOptions::default()).await);
    assert_untouched(&stage);
    assert!(!told.contains("canary"), "{told}");
    insta::assert_snapshot!(told);
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

/// What the checks say of an export of the chatbot, and whether a run begins.
async fn of_chatbot(export: ChatbotExport, lines: &str) -> (String, bool) {
    let stage = Stage::new().await;
    let zip = stage.dir.path().join("chatbot.zip");
    stage.sandbox.account().export_chatbot(&zip, &export).unwrap();
    let lines = format!(
        "[source.chatbot]\nzip = '{}'\nfrom = '2023-01-01'\nto = '2026-09-05'\n{lines}",
        zip.display()
    );
    let plan = stage.runner(&lines).plan().await.unwrap();
    assert_untouched(&stage);
    let found = plan.preflight.findings().iter().filter(|it| it.check == "chatbot_period");
    let told: Vec<String> = found.map(ToString::to_string).collect();
    let begins = stage.runner(&lines).run(&RunOptions::default()).await;
    if let Err(error) = &begins {
        assert_untouched(&stage);
        assert!(error.message.contains("[chatbot_period]"), "{}", error.message);
    }
    (told.join("\n").replace(&zip.display().to_string(), "chatbot.zip"), begins.is_ok())
}

#[tokio::test]
async fn a_chatbot_s_export_that_covers_what_was_asked_for() {
    let (told, begins) = of_chatbot(ChatbotExport::new(), "").await;
    // Agents answered for the first and the last time some weeks off the ends.
    assert!(told.lines().all(|line| line.contains("agent.csv")), "{told}");
    assert!(begins);
}

#[tokio::test]
async fn a_chatbot_s_export_without_a_file() {
    let export = ChatbotExport::new().with(|it| it.without = vec!["timing.csv".into()]);
    let (told, begins) = of_chatbot(export.clone(), "").await;
    assert!(!begins);
    let told: Vec<&str> = told.lines().filter(|line| !line.contains("agent.csv")).collect();
    insta::assert_snapshot!(told.join("\n"));
    let waived = "[preflight.waive]\nchatbot_period = 'nobody needs the times'\n";
    let (told, begins) = of_chatbot(export, waived).await;
    assert!(begins && told.contains("Waived: nobody needs the times"), "{told}");
}

#[tokio::test]
async fn a_chatbot_s_export_that_is_too_short() {
    let export = ChatbotExport::new().with(|it| {
        it.since = Some("2023-06-01".into());
        it.until = Some("2026-06-01".into());
    });
    let (told, begins) = of_chatbot(export.clone(), "").await;
    assert!(!begins);
    insta::assert_snapshot!(told);
    // Empty periods are left out of counts, so there a gap at an end says little.
    let (told, begins) = of_chatbot(export.with(|it| it.buckets = true), "").await;
    assert!(begins);
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[tokio::test]
async fn a_chatbot_s_export_that_is_empty() {
    let export = ChatbotExport::new().with(|it| it.since = Some("2100-01-01".into()));
    let (told, begins) = of_chatbot(export, "").await;
    assert!(
        !begins && told.contains("conversations.csv in the chatbot's export has no rows"),
        "{told}"
    );
}

#[tokio::test]
async fn a_chatbot_s_export_that_is_not_there() {
    let stage = Stage::new().await;
    let told = refused(stage.runner("[source.chatbot]\nzip = 'no.zip'\n").plan().await);
    for part in ["no.zip", "source.chatbot.zip", "Nothing was written."] {
        assert!(told.contains(part), "{told}");
    }
    let aliases = stage.dir.path().join("aliases.toml");
    std::fs::write(&aliases, "Tunnus = 'conversation'\n").unwrap();
    let lines = format!("[source.chatbot]\nzip = 'no.zip'\naliases = '{}'\n", aliases.display());
    let told = refused(stage.runner(&lines).plan().await);
    assert!(told.contains("names a column `conversation`") && told.contains("conversation_id"));
    let lines = "[source.chatbot]\nzip = 'no.zip'\nbot_admin = 'who@example.com'\n";
    let zip = stage.dir.path().join("chatbot.zip");
    stage.sandbox.account().export_chatbot(&zip, &ChatbotExport::new()).unwrap();
    let lines = lines.replace("no.zip", &zip.display().to_string());
    let told = refused(stage.runner(&lines).plan().await);
    assert!(told.starts_with("source.chatbot.bot_admin is no teammate"), "{told}");
}
