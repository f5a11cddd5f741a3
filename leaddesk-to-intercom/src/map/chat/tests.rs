use leaddesk_client::chatbot::{self, Archive, Settings};
use migrate_core::Verdict;
use serde_json::{Value, json};

use super::*;
use crate::map::testing::{config, noted};

const CHATBOT: &str = "[source.chatbot]\nzip = 'c.zip'\n";
const FALLBACK: &str = "fallback_admin = 'ops@example.com'\n";

/// The first session of files with these texts; the first of them is that of conversations.
fn session(files: &[(&str, &str)]) -> Chat {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let archive = Archive::open(dir.path(), Settings::default()).unwrap();
    Chat::new(chatbot::conversations(&archive).unwrap().next().unwrap().unwrap().unwrap())
}

/// The first session of a file of conversations.
pub(in crate::map) fn chat(text: &str) -> Chat {
    session(&[("conversations.csv", text)])
}

fn map(lines: &str, chat: Chat) -> Emit<ConversationDraft> {
    let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
    let mut out = Emit::default();
    let key = keys::chat(&chat.conversation.id);
    ChatMapper::new(&config(lines), now).map(Record::new(key, chat), &mut out);
    out
}

fn parts(out: &Emit<ConversationDraft>) -> Vec<&str> {
    out.drafts().iter().map(|(part, _)| part.as_deref().unwrap_or("-")).collect()
}

fn part(out: &Emit<ConversationDraft>, name: &str) -> Value {
    let found = out.drafts().iter().find(|(part, _)| part.as_deref().unwrap_or("-") == name);
    found.map_or(Value::Null, |(_, draft)| json!(draft))
}

/// Why it waits.
fn queue_of(out: &Emit<ConversationDraft>) -> &str {
    assert!(out.drafts().is_empty());
    match out.verdict() {
        Some(Verdict::Queued(reason)) => &reason.code,
        other => panic!("{other:?}"),
    }
}

fn whole() -> Chat {
    session(&[
        (
            "conversations.csv",
            "conversation,index_in_conversation,timestamp,question,answer,state,agent,visitor_email,page\n\
             c-1,1,2024-07-15 : 12:00:00,\"Hei, mitä maksaa?\",\"<p>Katso <a href=\"\"https://example.com\"\">hinnat</a></p>\",Hinnat,STARCHAT,Anna@Example.com,/a\n\
             c-1,2,2024-07-15 : 12:01:00,Ihminen kiitos,,Transfer,STARCHAT,Anna@Example.com,/b\n\
             c-1,3,2024-07-15 : 12:02:00,,5 < 6 <b>eikö</b>,,HUMAN_REPLY,Anna@Example.com,/a\n",
        ),
        (
            "outcomes.csv",
            "conversation_id,outcome,feedback_score,campaign\nc-1,Transferred,9,Kevät\n",
        ),
        (
            "agent.csv",
            "conversation_id,agent_id,agent_name,agent_email\nc-1,301,Aino A,aino@example.com\n",
        ),
    ])
}

#[test]
fn a_whole_session() {
    let out = map(&format!("{FALLBACK}{CHATBOT}"), whole());
    assert_eq!(
        parts(&out),
        [
            "-",
            "said:1:bot",
            "said:2:visitor",
            "said:3:agent",
            "teammate:1",
            "details",
            "attributes",
            "tag:campaign",
            "tag:outcome",
            "close"
        ]
    );
    let contact = [Name::Alias(keys::email("anna@example.com"))];
    let bot = [draft::bot()];
    let agent = [
        Name::Alias(keys::agent_email("aino@example.com")),
        Name::Key(keys::agent(301)),
        Name::Alias(keys::username("Aino A")),
    ];
    for (name, expected) in [
        (
            "-",
            json!({"opening": {
                "contact": contact, "created_at": 1_721_034_000, "topic": "chat",
                "body": "Hei, mitä maksaa?\n\nLeadDesk chat c-1", "marker": "LeadDesk chat c-1",
            }}),
        ),
        (
            "said:1:bot",
            json!({"remark": {
                "note": false, "agent": bot, "created_at": 1_721_034_000,
                "body": "Katso hinnat (https://example.com)",
            }}),
        ),
        (
            "said:2:visitor",
            json!({"message": {
                "contact": contact, "created_at": 1_721_034_060, "body": "Ihminen kiitos",
            }}),
        ),
        // What a person wrote is text, whatever it looks like.
        (
            "said:3:agent",
            json!({"remark": {
                "note": false, "agent": agent, "created_at": 1_721_034_120,
                "body": "5 < 6 <b>eikö</b>",
            }}),
        ),
        ("teammate:1", json!({"teammate": {"agent": agent, "spoke_at": 1_721_034_120}})),
        (
            "details",
            json!({"remark": {
                "note": true, "agent": bot, "created_at": 1_721_034_120,
                "body": "About this chat\nFeedback: 9\npage: /a; /b",
            }}),
        ),
        (
            "attributes",
            json!({"attributes": {
                "ld_intent__c": "Hinnat, Transfer", "ld_chatbot_outcome__c": "transferred",
                "ld_source_key__c": "leaddesk:chat:c-1", "ld_campaign_tag__c": "ld_campaign_Kevät",
            }}),
        ),
        ("tag:campaign", json!({"tag": "ld_campaign_Kevät"})),
        ("tag:outcome", json!({"tag": "ld_outcome_transferred"})),
    ] {
        assert_eq!(part(&out, name), expected, "{name}");
    }
    assert_eq!(noted(&out), Vec::<String>::new());
}

#[test]
fn an_agent_is_waited_for_where_nobody_stands_in() {
    let out = map(CHATBOT, whole());
    assert_eq!(parts(&out)[..2], ["speaker:1", "-"]);
    let alone = chat("conversation,timestamp,question,answer\nc-1,1714557600,Hei,Moi\n");
    assert_eq!(parts(&map(CHATBOT, alone))[0], "-");
}

#[test]
fn the_first_message_opens_where_it_is_the_visitor_s() {
    let opening = |lines: &str, rows: &str| {
        let text = format!("conversation,timestamp,question,answer\n{rows}");
        let out = map(&format!("{CHATBOT}{lines}"), chat(&text));
        let opening = part(&out, "-")["opening"].clone();
        let body = opening["body"].as_str().unwrap().split("\n\n").next().unwrap().to_owned();
        (body, parts(&out).iter().filter(|part| part.starts_with("said")).count())
    };
    let asks = "c-1,1714557600,Hei,Moi\nc-1,1714557610,Kiitos,\n";
    assert_eq!(opening("", asks), ("Hei".to_owned(), 2));
    assert_eq!(opening("messages = 'notes'", asks), ("Chat with the bot".to_owned(), 3));
    assert_eq!(
        opening("", "c-1,1714557600,,Moi\nc-1,1714557610,Hei,\n"),
        ("Chat with the bot".to_owned(), 2)
    );
}

#[test]
fn a_session_without_messages_is_a_conversation_all_the_same() {
    let silent = session(&[
        ("outcomes.csv", "conversation_id,outcome,csat\nc-1,Abandoned,\n"),
        ("timing.csv", "conversation_id,started_at,duration\nc-1,2024-07-15 12:00:00,3\n"),
    ]);
    let out = map(CHATBOT, silent);
    assert_eq!(noted(&out), ["chat_without_messages text"]);
    assert_eq!(part(&out, "-")["opening"]["created_at"], 1_721_034_000);
    assert_eq!(part(&out, "attributes")["attributes"]["ld_chatbot_outcome__c"], "abandoned");
    assert_eq!(part(&out, "details")["remark"]["body"], "About this chat\nduration: 3");
}

#[test]
fn notes_of_visitors_cannot_wake_anybody() {
    let text = "conversation,timestamp,question,answer\nc-1,1714557600,Hei,Moi\n";
    let out = map(&format!("{CHATBOT}messages = 'notes'"), chat(text));
    let contacts = out.drafts().iter();
    assert!(!contacts.into_iter().any(|(_, it)| matches!(it, ConversationDraft::Message { .. })));
    let note = &part(&out, "said:1:visitor")["remark"];
    assert_eq!((&note["note"], &note["body"]), (&json!(true), &json!("Visitor: Hei")));
}

#[test]
fn who_the_contact_is() {
    for (email, phone, expected) in [
        ("Anna@Example.com ", "", vec![Name::Alias(keys::email("anna@example.com"))]),
        ("", "040 123 4567", vec![Name::Alias(keys::phone("+358401234567"))]),
        (
            "a@example.com",
            "+358401234567",
            vec![
                Name::Alias(keys::email("a@example.com")),
                Name::Alias(keys::phone("+358401234567")),
            ],
        ),
        ("no address", "call me", vec![Name::Key(keys::chat_visitor("c-1"))]),
        ("", "", vec![Name::Key(keys::chat_visitor("c-1"))]),
    ] {
        let text = format!(
            "conversation,timestamp,question,Visitor e-mail,customer_phone\nc-1,1714557600,Hei,{email},{phone}\n"
        );
        let anonymous = matches!(expected[0], Name::Key(_));
        let out = map(CHATBOT, chat(&text));
        assert_eq!(part(&out, "-")["opening"]["contact"], json!(expected), "{email} {phone}");
        let waiting = map(&format!("{CHATBOT}anonymous = 'queue'"), chat(&text));
        if anonymous {
            assert_eq!(queue_of(&waiting), "calls_without_contact");
        } else {
            assert!(waiting.verdict().is_none());
        }
    }
}

/// Times of the messages, and what was noted, of sessions in Helsinki.
#[test]
fn times_never_go_back() {
    for (times, expected, notes) in [
        (vec!["2024-07-15 12:00:00", "2024-07-15 12:00:05"], vec![0, 5], vec![]),
        (vec!["2024-07-15 12:00:00", ""], vec![0, 0], vec![]),
        (vec!["", "2024-07-15 12:00:00"], vec![0, 0], vec![]),
        (vec!["2024-07-15T12:00:00+03:00", "1721034007"], vec![0, 7], vec![]),
        (vec!["2024-07-15 12:00:09", "2024-07-15 12:00:00"], vec![9, 9], vec!["time_out_of_order"]),
        (vec!["2024-07-15 12:00:00", "soon"], vec![0, 0], vec!["invalid_time"]),
        // The clock showed three to four twice that night.
        (
            vec!["2024-10-27 03:59:50", "2024-10-27 03:00:05"],
            vec![8_956_790, 8_956_805],
            vec!["time_in_overlap", "time_in_overlap"],
        ),
        (
            vec!["2024-03-31 03:30:00", "2024-03-31 03:30:20"],
            vec![-9_185_400, -9_185_380],
            vec!["time_in_gap", "time_in_gap"],
        ),
    ] {
        let rows = times.iter().zip(1..).map(|(at, n)| format!("c-1,{n},{at},Hei {n}\n"));
        let text = format!("conversation,index,timestamp,question\n{}", rows.collect::<String>());
        let out = map(CHATBOT, chat(&text));
        let first = part(&out, "-")["opening"]["created_at"].as_i64().unwrap();
        let second = part(&out, "said:2:visitor")["message"]["created_at"].as_i64().unwrap();
        let found: Vec<i64> = [first, second].map(|at| at - 1_721_034_000).to_vec();
        assert_eq!(found, expected, "{times:?}");
        let noted = noted(&out);
        let codes = noted.iter().map(|note| note.strip_suffix(" timestamp").unwrap());
        assert_eq!(codes.collect::<Vec<_>>(), notes, "{times:?}");
    }
}

/// A database's zero moment, which clocks of this zone show at two in the morning, is no time.
#[test]
fn a_zero_moment_is_passed_over() {
    let text = "conversation,index,timestamp,question\n\
                c-1,1,1970-01-01 02:00:00,Hei\nc-1,2,2024-07-15 12:00:00,Moi\n";
    let out = map(CHATBOT, chat(text));
    assert_eq!(part(&out, "-")["opening"]["created_at"], 1_721_034_000);
    assert_eq!(noted(&out), ["invalid_time timestamp"]);
}

#[test]
fn a_session_without_a_time_or_from_the_future_waits() {
    let at = |time: &str| chat(&format!("conversation,timestamp,question\nc-1,{time},Hei\n"));
    for time in ["", "soon", "2031-01-01 12:00:00", "1970-01-01 02:00:00", "1969-12-31"] {
        assert_eq!(queue_of(&map(CHATBOT, at(time))), "calls_without_time", "{time}");
    }
    let day = map(CHATBOT, at("2024-07-15"));
    assert_eq!(part(&day, "-")["opening"]["created_at"], 1_720_990_800, "the day alone is known");
}

#[test]
fn long_texts_go_on_in_the_next_message() {
    let long = "pitkä sana ".repeat(1_000);
    let text =
        format!("conversation,index,timestamp,question,answer\nc-1,1,1714557600,{long},{long}\n");
    let out = map(CHATBOT, chat(&text));
    assert_eq!(parts(&out)[..4], ["-", "said:1:visitor+2", "said:1:bot", "said:1:bot+2"]);
    assert_eq!(noted(&out), ["message_split text", "message_split text"]);
    let body = part(&out, "-")["opening"]["body"].as_str().unwrap().to_owned();
    let rest = part(&out, "said:1:visitor+2")["message"]["body"].as_str().unwrap().to_owned();
    let said = format!("{} {rest}", body.strip_suffix("\n\nLeadDesk chat c-1").unwrap());
    assert_eq!(said, long.trim());
}

#[test]
fn odd_ids_and_odd_rows() {
    let text = "conversation,index,timestamp,role,text\n\
                a/b%\u{7}c,1,1714557600,user,Hei\n\
                a/b%\u{7}c,1,1714557600,user,Hei\n\
                a/b%\u{7}c,2,1714557601,whoever,Moi\n";
    let out = map(CHATBOT, chat(text));
    assert_eq!(part(&out, "-")["opening"]["marker"], "LeadDesk chat a%2Fb%25 c");
    assert_eq!(parts(&out)[1..3], ["said:1:visitor:2", "said:2:unknown"]);
    let somebody = &part(&out, "said:2:unknown")["remark"];
    assert_eq!((&somebody["note"], &somebody["body"]), (&json!(true), &json!("Somebody: Moi")));
    assert_eq!(noted(&out), ["unknown_author role"]);
}

#[test]
fn outcomes_and_intents() {
    for (outcome, escalated, expected) in [
        ("Handled", "", json!("handled")),
        ("", "TRANSFERRED", json!("transferred")),
        ("", "", Value::Null),
        ("UNSPECIFIED", "", Value::Null),
        ("Ratkaistu", "", json!("Ratkaistu")),
    ] {
        let chat = session(&[
            ("conversations.csv", "conversation,timestamp,question\nc-1,1714557600,Hei\n"),
            (
                "outcomes.csv",
                &format!("conversation_id,outcome,escalated\nc-1,{outcome},{escalated}\n"),
            ),
        ]);
        let out = map(CHATBOT, chat);
        let attributes = &part(&out, "attributes")["attributes"];
        assert_eq!(attributes["ld_chatbot_outcome__c"], expected, "{outcome} {escalated}");
    }
    let rows = (0..60).map(|n| format!("c-1,{n},1714557600,Hei,A rather long intent {}\n", n % 30));
    let text = format!("conversation,index,timestamp,question,state\n{}", rows.collect::<String>());
    let out = map(CHATBOT, chat(&text));
    let intents = part(&out, "attributes")["attributes"]["ld_intent__c"].clone();
    let intents = intents.as_str().unwrap();
    assert!(intents.starts_with("A rather long intent 0, ") && intents.chars().count() <= 255);
    assert_eq!(noted(&out), ["too_long intent"]);
    // The note at the end has them all.
    let all: Vec<String> = (0..30).map(|n| format!("A rather long intent {n}")).collect();
    let details = part(&out, "details")["remark"]["body"].as_str().unwrap().to_owned();
    assert_eq!(details, format!("About this chat\nld_intent__c: {}", all.join(", ")));
    let long = "x".repeat(300);
    let text = format!("conversation,timestamp,question,state\nc-1,1714557600,Hei,{long}\n");
    let out = map(CHATBOT, chat(&text));
    assert_eq!(part(&out, "attributes")["attributes"]["ld_intent__c"], Value::Null);
    let details = part(&out, "details")["remark"]["body"].as_str().unwrap().to_owned();
    assert!(details.ends_with(&format!("ld_intent__c: {long}")), "{details}");
}

#[test]
fn other_columns_are_told_whole() {
    let pages: Vec<String> = (0..8).map(|n| format!("/{n}")).collect();
    let rows = pages.iter().zip(1..).map(|(page, n)| format!("c-1,{n},1714557600,Hei,{page}\n"));
    let text = format!("conversation,index,timestamp,question,page\n{}", rows.collect::<String>());
    let out = map(CHATBOT, chat(&text));
    let expected = format!("About this chat\npage: {}", pages.join("; "));
    assert_eq!(part(&out, "details")["remark"]["body"], expected);
    assert!(noted(&out).is_empty());
}

/// What a chat is tagged with is in use, as what calls are tagged with is.
#[test]
fn campaign_and_outcome_are_met() {
    let out = map(CHATBOT, whole());
    let met: Vec<_> = out.discoveries().iter().map(|it| (&*it.list, &*it.item)).collect();
    assert_eq!(met, [(CAMPAIGNS, "Kevät"), (OUTCOMES, "transferred")]);
}

#[test]
fn debug_shows_nothing_that_was_said() {
    let chat = whole();
    let out = map(CHATBOT, chat.clone());
    for shown in [format!("{chat:?}"), format!("{:?}", out.drafts())] {
        for secret in ["maksaa", "anna", "Anna", "hinnat", "aino"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
