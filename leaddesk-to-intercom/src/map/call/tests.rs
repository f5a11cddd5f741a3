use migrate_core::Verdict;
use serde_json::{Value, json};

use super::*;
use crate::map::testing::{config, noted};

fn map(lines: &str, call: Value) -> Emit<ConversationDraft> {
    let call: Call = serde_json::from_value(call).unwrap();
    let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
    let mut out = Emit::default();
    CallMapper::new(&config(lines), now).map(Record::new(keys::call(&call.id), call), &mut out);
    out
}

fn call() -> Value {
    json!({
        "id": "500001", "agent_id": "301", "agent_username": "Anna.Agent", "talk_time": "205",
        "talk_start": "2024-07-15 12:00:00", "talk_end": "2024-07-15 12:03:25",
        "handling_stop": "2024-07-15 12:04:00", "created_at": "2024-07-15 11:59:48",
        "number": "040 123 4567", "campaign": "51", "campaign_name": "Spring 2024",
        "record_file": "500001.wav.mp3", "customer_id": "90042", "contact_id": "42",
        "comment": "Wants <i>two</i>\u{0}", "call_ending_reason": "1", "call_ending_reason_name": "Deal",
        "direction": "out", "call_type": "1", "call_type_name": "semi", "order_ids": [7, 8],
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut call = call();
    call[field] = value;
    call
}

fn part(out: &Emit<ConversationDraft>, name: &str) -> Value {
    let found = out.drafts().iter().find(|(part, _)| part.as_deref() == Some(name));
    found.map_or(Value::Null, |(_, draft)| json!(draft))
}

fn opening(out: &Emit<ConversationDraft>) -> Value {
    let opening = out.drafts().iter().find(|(part, _)| part.is_none());
    opening.map_or(Value::Null, |(_, draft)| json!(draft)["opening"].clone())
}

#[test]
fn a_full_call() {
    let out = map("", call());
    let parts: Vec<_> =
        out.drafts().iter().map(|(part, _)| part.as_deref().unwrap_or("-")).collect();
    assert_eq!(
        parts,
        ["speaker", "-", "remark:1", "attributes", "tag:campaign", "tag:outcome", "close"]
    );
    assert_eq!(
        opening(&out),
        json!({
            "contact": [
                Name::Key(keys::contact(42)),
                Name::Alias(keys::phone("+358401234567")),
                Name::Key(keys::caller("+358401234567")),
            ],
            "created_at": 1_721_034_000,
            "body": "Outgoing call to +358401234567\nAgent: Anna.Agent\nTalk time: 3 min 25 s\n\
                     Campaign: Spring 2024\nOutcome: Deal\nRecording: 500001.wav.mp3\nOrders: 7, 8\n\n\
                     LeadDesk call 500001",
            "marker": "LeadDesk call 500001",
        })
    );
    assert_eq!(
        part(&out, "remark:1"),
        json!({"remark": {
            "note": true,
            "agent": [Name::Key(keys::agent(301)), Name::Alias(keys::username("anna.agent"))],
            "created_at": 1_721_034_240,
            "body": "Wants <i>two</i>",
        }})
    );
    assert_eq!(
        part(&out, "attributes"),
        json!({"attributes": {
            "ld_agent__c": "Anna.Agent", "ld_campaign_tag__c": "ld_campaign_Spring 2024",
            "ld_direction__c": "out", "ld_outcome__c": "Deal",
            "ld_source_key__c": "leaddesk:call:500001", "ld_talk_time__c": 205,
        }})
    );
    assert_eq!(part(&out, "tag:campaign"), json!({"tag": "ld_campaign_Spring 2024"}));
    assert_eq!(part(&out, "tag:outcome"), json!({"tag": "ld_outcome_Deal"}));
    assert_eq!(noted(&out), ["recording_without_address record_file"]);
    // The row was made twelve seconds before the talk.
    let alias = keys::call_at("+358401234567", 1_721_033_988);
    assert_eq!(out.aliases(), [alias]);
}

/// A call of the history by number: `duration` and `status` as far as they are no talk time.
fn by_number(more: Value) -> Emit<ConversationDraft> {
    let mut call = json!({
        "id": "0123456789abcdef@1721033988", "number": "040 123 4567", "created_at": "2024-07-15 11:59:48",
        "talk_time": 61, "direction": "out", "result": "Answered", "comment": "Call <again>",
        "record_file": "https://rec.example.com/1.mp3",
    });
    for (name, value) in more.as_object().unwrap() {
        call[name] = value.clone();
    }
    map("", call)
}

#[test]
fn a_call_of_the_history_by_number() {
    let out = by_number(json!({"status": "ok"}));
    let opening = opening(&out);
    assert_eq!(
        opening["body"],
        "Outgoing call to +358401234567\nTalk time: 1 min 1 s\nDisposition: Answered\n\
         Recording: https://rec.example.com/1.mp3\nStatus: ok\n\nLeadDesk call 0123456789abcdef@1721033988"
    );
    let (alias, caller) = (keys::phone("+358401234567"), keys::caller("+358401234567"));
    assert_eq!(opening["contact"], json!([Name::Alias(alias), Name::Key(caller)]));
    assert_eq!(opening["created_at"], 1_721_033_988);
    assert_eq!(
        part(&out, "attributes"),
        json!({"attributes": {
            "ld_direction__c": "out", "ld_disposition__c": "Answered", "ld_talk_time__c": 61,
            "ld_recording_url__c": "https://rec.example.com/1.mp3",
            "ld_source_key__c": "leaddesk:call:0123456789abcdef@1721033988",
        }})
    );
    assert_eq!(part(&out, "tag:disposition"), json!({"tag": "ld_disposition_Answered"}));
    assert_eq!(part(&out, "remark:1")["remark"]["agent"], json!([]), "it names no agent");
    assert_eq!(part(&out, "remark:1")["remark"]["created_at"], 1_721_034_049);
    assert!(noted(&out).is_empty());
    assert_eq!(out.aliases(), [keys::call_without_id_at("+358401234567", 1_721_033_988)]);
}

#[test]
fn what_the_history_leaves_open() {
    for (more, line) in [
        (json!({"talk_time": null, "duration": "1:01"}), "Duration: 1:01"),
        (json!({"result": null}), "Talk time: 1 min 1 s"),
        (json!({"direction": null}), "Call with +358401234567"),
        (json!({"record_file": "1-CALL-agent-2.mp3"}), "Recording: 1-CALL-agent-2.mp3"),
    ] {
        let body = opening(&by_number(more))["body"].as_str().unwrap().to_owned();
        assert!(body.lines().any(|it| it == line), "{line}: {body}");
    }
    for (more, queue) in [
        (json!({"number": null}), "calls_without_contact"),
        (json!({"number": "anonymous"}), "calls_without_contact"),
        (json!({"created_at": null}), "calls_without_time"),
    ] {
        let out = by_number(more);
        let Some(Verdict::Queued(reason)) = out.verdict() else { panic!("{queue}") };
        assert_eq!(reason.code, queue);
        assert!(out.drafts().is_empty() && out.aliases().is_empty());
    }
    assert_eq!(noted(&by_number(json!({"mood": "good"}))), ["field_for_review mood"]);
    // Of a call log, where nobody knows what they are, these are looked at.
    let log = map("", with("status", json!("ok")));
    assert!(noted(&log).contains(&"field_for_review status".to_owned()));
}

/// One call, whichever way it was met: equal numbers, and rows of one second.
#[test]
fn a_call_is_the_same_by_number_and_time_of_its_row() {
    let by_id = |field: &str, value: Value| map("", with(field, value));
    let at = |row: &str| by_number(json!({"created_at": row})).aliases().to_vec();
    let same = at("2024-07-15 11:59:48");
    assert_eq!(at("2024-07-15T08:59:48Z"), same, "a time that states its offset");
    assert_ne!(at("2024-07-15 11:59:49"), same);
    let with_id = map("", call()).aliases().to_vec();
    assert_ne!(with_id, same, "two calls with ids are never one");
    assert_eq!(by_id("number", json!("+358 40 1234567")).aliases(), with_id);
    assert_eq!(by_id("talk_start", json!("2024-07-15 12:00:30")).aliases(), with_id);
    assert_ne!(by_id("number", json!("0401234568")).aliases(), with_id);
    assert!(by_id("created_at", json!(null)).aliases().is_empty());
    assert!(by_id("number", json!("anonymous")).aliases().is_empty());
}

#[test]
fn the_time_is_that_of_the_talk_else_of_the_row() {
    for (talk, row, expected) in [
        (json!("2024-07-15 12:00:00"), json!(null), Some(1_721_034_000)),
        (json!("0000-00-00 00:00:00"), json!("2024-07-15 12:00:00"), Some(1_721_034_000)),
        (json!("soon"), json!("2024-07-15 12:00:00"), Some(1_721_034_000)),
        (json!(""), json!(null), None),
        (json!("2031-01-01 00:00:00"), json!("2024-07-15 12:00:00"), None),
    ] {
        let mut call = with("talk_start", talk.clone());
        call["created_at"] = row;
        let out = map("", call);
        match expected {
            Some(at) => assert_eq!(opening(&out)["created_at"], at, "{talk}"),
            None => {
                let Some(Verdict::Queued(reason)) = out.verdict() else {
                    panic!("{talk} is not queued")
                };
                assert_eq!(reason.code, "calls_without_time");
                assert!(out.drafts().is_empty());
            }
        }
    }
    assert_eq!(
        noted(&map("", with("talk_start", json!("2024-03-31 03:30:00"))))[0],
        "time_in_gap talk_start"
    );
    assert_eq!(
        noted(&map("", with("talk_start", json!("2024-10-27 03:30:00"))))[0],
        "time_in_overlap talk_start"
    );
}

#[test]
fn a_remark_is_made_at_the_end_of_the_call_whatever_the_clock_says() {
    let end = |text: &str| json!(text);
    for (stop, talk_end, expected, notes) in [
        (json!(null), end("2024-07-15 12:03:25"), 1_721_034_205, vec![]),
        (end("2024-07-15 11:00:00"), json!(null), 1_721_034_205, vec!["handling_stop"]),
        (
            end("2031-01-01 00:00:00"),
            end("2024-07-15 12:03:20"),
            1_721_034_200,
            vec!["handling_stop"],
        ),
        (end("2024-07-16 12:00:01"), json!(null), 1_721_034_205, vec!["handling_stop"]),
        (end("0000-00-00 00:00:00"), end(""), 1_721_034_205, vec![]),
    ] {
        let mut call = with("handling_stop", stop);
        call["talk_end"] = talk_end;
        let call: Call = serde_json::from_value(call).unwrap();
        for now in [1_721_034_205, 1_760_000_000] {
            let (now, mut out) = (DateTime::from_timestamp(now, 0).unwrap(), Emit::default());
            let record = Record::new(keys::call(&call.id), call.clone());
            CallMapper::new(&config(""), now).map(record, &mut out);
            assert_eq!(part(&out, "remark:1")["remark"]["created_at"], expected);
            let noted = noted(&out);
            let odd = noted.iter().filter_map(|note| note.strip_prefix("implausible_time "));
            assert_eq!(odd.collect::<Vec<_>>(), notes);
        }
    }
}

#[test]
fn a_call_with_a_comment_waits_for_its_agent_unless_somebody_speaks_for_it() {
    use migrate_core::{Draft as _, Missing};
    let out = map("", call());
    let (first, speaker) = &out.drafts()[0];
    assert_eq!(first.as_deref(), Some("speaker"), "before anything is written");
    let waits = Missing::Queue(crate::queue::agent_without_teammate());
    assert_eq!(speaker.references().remove(0).missing, waits);

    let with_fallback = map("fallback_admin = 'ops@example.com'", call());
    let teammate = part(&with_fallback, "teammate");
    assert_eq!(teammate["teammate"]["spoke_at"], part(&out, "remark:1")["remark"]["created_at"]);
    let others = with_fallback.drafts().iter().filter(|(it, _)| it.as_deref() != Some("teammate"));
    assert!(others.eq(&out.drafts()[1..]), "nothing else differs");
    let silent = map("", with("comment", json!("")));
    assert!(silent.drafts().iter().all(|(it, _)| it.as_deref() != Some("speaker")));
}

#[test]
fn settings_choose_tags_and_the_kind_of_remark() {
    let out = map("[calls]\ncomment = 'reply'\ntags = ['outcome']", call());
    assert_eq!(part(&out, "remark:1")["remark"]["note"], false);
    assert_eq!(part(&out, "tag:campaign"), Value::Null);
    assert_eq!(part(&out, "tag:outcome"), json!({"tag": "ld_outcome_Deal"}));
    assert_eq!(
        part(&out, "attributes")["attributes"]["ld_campaign_tag__c"],
        "ld_campaign_Spring 2024"
    );
}

#[test]
fn a_result_is_a_disposition_and_no_outcome() {
    let mut call = with("Result", json!("No answer"));
    call["call_ending_reason_name"] = json!(null);
    let out = map("", call);
    assert_eq!(part(&out, "attributes")["attributes"]["ld_disposition__c"], "No answer");
    assert_eq!(part(&out, "attributes")["attributes"]["ld_outcome__c"], Value::Null);
    assert_eq!(part(&out, "tag:disposition"), json!({"tag": "ld_disposition_No answer"}));
    assert!(opening(&out)["body"].as_str().unwrap().contains("\nDisposition: No answer\n"));
}

#[test]
fn the_opening_says_what_is_known() {
    for (direction, number, first) in [
        (json!("in"), json!("+358401234567"), "Incoming call from +358401234567"),
        (json!("in"), json!(null), "Incoming call"),
        (json!(null), json!("0401234567"), "Call with +358401234567"),
        (json!("?"), json!(""), "Call"),
        (json!("out"), json!("anonymous"), "Outgoing call to anonymous"),
    ] {
        let mut call = with("direction", direction);
        call["number"] = number;
        let out = map("", call);
        assert_eq!(opening(&out)["body"].as_str().unwrap().lines().next(), Some(first));
    }
    let out = map("", json!({"id": 1, "created_at": "2024-07-15 12:00:00"}));
    assert_eq!(opening(&out)["body"], "Call\n\nLeadDesk call 1");
    assert_eq!(opening(&out)["contact"], json!([]));
    assert!(noted(&out).is_empty());
}

#[test]
fn orders_read_the_same_from_a_file() {
    let body = |orders| opening(&map("", with("order_ids", orders)))["body"].clone();
    assert_eq!(body(json!("7|8")), body(json!([7, 8])));
    assert_eq!(body(json!("")), body(json!([])));
}

#[test]
fn a_recording_is_an_attribute_where_it_is_an_address() {
    let out = map("", with("record_file", json!("https://rec.example.com/500001.mp3")));
    assert_eq!(
        part(&out, "attributes")["attributes"]["ld_recording_url__c"],
        "https://rec.example.com/500001.mp3"
    );
    assert!(noted(&out).is_empty());
}

#[test]
fn a_very_long_comment_is_several_remarks_and_empty_ones_are_none() {
    let out = map("", with("comment", json!("word ".repeat(3_000))));
    let parts = out.drafts().iter().filter_map(|(part, _)| part.as_deref());
    let remarks: Vec<_> = parts.filter(|it| it.starts_with("remark")).collect();
    assert_eq!(remarks, ["remark:1", "remark:2", "remark:3"]);
    assert!(noted(&out).contains(&"message_split comment".to_owned()));
    assert_eq!(part(&map("", with("comment", json!(" \u{0} "))), "remark:1"), Value::Null);
}

/// The fields that have a decision of their own in [`CallMapper`], besides [`LEFT_OUT`].
const DECIDED: &[&str] = &[
    "id",
    "agent_id",
    "agent_username",
    "talk_time",
    "talk_start",
    "talk_end",
    "handling_stop",
    "created_at",
    "number",
    "campaign_name",
    "record_file",
    "contact_id",
    "comment",
    "call_ending_reason_name",
    "direction",
    "order_ids",
    "campaign",
    "call_ending_reason",
];

/// Fields that say nothing more about the call, as the table in `call.rs` has it.
const LEFT_OUT: &[&str] =
    &["agent_group_id", "agent_group_name", "call_type", "call_type_name", "customer_id"];

#[test]
fn every_field_of_the_model_has_a_decision() {
    let call: Call = serde_json::from_value(json!({"id": 1})).unwrap();
    let known = serde_json::to_value(call).unwrap();
    let known = known.as_object().unwrap();
    assert!(known.len() > 15, "the model serializes all its fields");
    let mut decided = [DECIDED, LEFT_OUT].concat();
    let mut known: Vec<&str> = known.keys().map(String::as_str).collect();
    decided.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, decided, "call.rs says something about each field, and about no others");
    assert_eq!(
        noted(&map("", with("mood", json!("good")))).last().unwrap(),
        "field_for_review mood"
    );
}

#[test]
fn a_number_that_is_nobodys_becomes_a_lead() {
    for (lines, role) in [("", "lead"), ("[contacts]\nleads_as = 'user'", "user")] {
        let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let key = keys::caller("+358401234567");
        let mut body = Call::new(leaddesk_client::CallId::new(key.id()));
        body.number = Some(leaddesk_client::Personal::new("040 123 4567".to_owned()));
        let mut out = Emit::default();
        CallMapper::new(&config(lines), now).map(Record::new(key.clone(), body), &mut out);
        let [(None, ConversationDraft::Caller(fields))] = out.drafts() else { panic!() };
        assert_eq!((fields.role.as_str(), fields.phone.as_deref()), (role, Some("+358401234567")));
        assert_eq!(fields.external_id, format!("leaddesk:{key}"));
        assert_eq!(fields.attributes["ld_source_key"], fields.external_id.as_str());
        assert!(out.aliases().is_empty(), "a contact that comes later goes before it");
    }
}

#[test]
fn a_conversation_is_assigned_to_the_agent_or_the_team_before_its_close() {
    let team = |name: &str| Name::Key(keys::team(name));
    let agent = vec![Name::Key(keys::agent(301)), Name::Alias(keys::username("anna.agent"))];
    let mut grouped = call();
    grouped["agent_group_name"] = json!(" Sales North");
    for (setting, call, to) in [
        ("admin", call(), Some(json!({"assign": {"team": false, "to": agent}}))),
        ("team", call(), Some(json!({"assign": {"team": true, "to": [team("spring 2024")]}}))),
        (
            "team",
            grouped,
            Some(
                json!({"assign": {"team": true, "to": [team("sales north"), team("Spring 2024")]}}),
            ),
        ),
        ("none", call(), None),
        ("admin", json!({"id": 1, "created_at": "2024-07-15 12:00:00"}), None),
    ] {
        let out = map(&format!("[calls]\nassign = '{setting}'"), call);
        assert_eq!(part(&out, "assign"), to.unwrap_or(Value::Null), "{setting}");
        let parts: Vec<_> = out.drafts().iter().filter_map(|(part, _)| part.as_deref()).collect();
        assert_eq!(parts.last(), Some(&"close"));
    }
}

#[test]
fn ids_without_a_name_and_unknown_directions_are_noted() {
    let empty = json!("");
    for (field, value, note) in [
        ("call_ending_reason_name", empty.clone(), Some("outcome_without_name call_ending_reason")),
        ("campaign_name", empty, Some("campaign_without_name campaign")),
        ("direction", json!("sideways"), Some("unknown_direction direction")),
        ("direction", json!(null), None),
        ("direction", json!("Inbound"), None),
    ] {
        let found = noted(&map("", with(field, value)));
        let known = noted(&map("", call()));
        let new: Vec<_> = found.iter().filter(|it| !known.contains(it)).collect();
        assert_eq!(new, note.iter().collect::<Vec<_>>(), "{field}");
    }
    let mut without = with("call_ending_reason", json!("0"));
    without["call_ending_reason_name"] = json!("");
    assert_eq!(noted(&map("", without)), noted(&map("", call())), "zero stands for none");
}

/// Nothing is dated ahead: Intercom would show it so. What is said at the end of a call waits for that.
#[test]
fn a_comment_at_an_end_that_is_still_to_come_waits() {
    // The run began at 11:53:20.
    for (end, comment, waits) in [
        ("2025-10-09 11:53:00", "Said", false),
        ("2025-10-09 11:54:00", "Said", true),
        ("2025-10-09 11:54:00", " ", false),
    ] {
        let mut call = with("talk_start", json!("2025-10-09 11:50:00"));
        (call["handling_stop"], call["comment"]) = (json!(end), json!(comment));
        let out = map("", call);
        match out.verdict() {
            Some(Verdict::Queued(reason)) if waits => {
                assert_eq!(reason.code, "calls_without_time");
                assert!(out.drafts().is_empty());
            }
            verdict => assert!(!waits && verdict.is_none(), "{end} {comment}"),
        }
    }
}

#[test]
fn an_outcome_by_its_id_has_the_name_of_its_table() {
    use crate::source::{Documented, Sort};
    let content = json!({"id": "1", "name": "Sold"});
    let documented = [Documented { sort: Sort::Outcome, id: "1".into(), content }];
    let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
    let mapper = CallMapper::new(&config(""), now).with_beside(Beside::new(&documented, None));
    let map = |call: Value| {
        let call: Call = serde_json::from_value(call).unwrap();
        let mut out = Emit::default();
        mapper.map(Record::new(keys::call(&call.id), call), &mut out);
        out
    };
    let out = map(with("call_ending_reason_name", json!(" ")));
    assert_eq!(part(&out, "tag:outcome"), json!({"tag": "ld_outcome_Sold"}));
    assert_eq!(part(&out, "attributes")["attributes"]["ld_outcome__c"], "Sold");
    assert!(opening(&out)["body"].as_str().unwrap().contains("\nOutcome: Sold\n"));
    assert_eq!(noted(&out), ["recording_without_address record_file"]);
    let named = map(call());
    assert_eq!(part(&named, "tag:outcome"), json!({"tag": "ld_outcome_Deal"}), "it has a name");
    let mut unknown = with("call_ending_reason_name", Value::Null);
    unknown["call_ending_reason"] = json!("2");
    let out = map(unknown);
    assert_eq!(part(&out, "tag:outcome"), Value::Null);
    assert!(noted(&out).contains(&"outcome_without_name call_ending_reason".to_owned()));
}

/// A database's zero moment, which clocks of this zone show at two in the morning, is no time: the next is taken.
#[test]
fn a_zero_moment_is_passed_over() {
    for zero in ["1970-01-01 02:00:00", "1970-01-01 23:59:59", "1969-12-31 19:00:00"] {
        let out = map("", with("talk_start", json!(zero)));
        assert_eq!(opening(&out)["created_at"], 1_721_033_988, "{zero}: of `created_at`");
        assert!(noted(&out).contains(&"implausible_time talk_start".to_owned()), "{zero}");
        let mut never = with("talk_start", json!(zero));
        never["created_at"] = json!(zero);
        let out = map("", never);
        assert!(matches!(out.verdict(), Some(Verdict::Queued(_))), "{zero}");
        // Nor does it make one call of several to a number.
        let out = map("", with("created_at", json!(zero)));
        assert!(out.aliases().is_empty(), "{zero}");
        let out = map("", with("handling_stop", json!(zero)));
        assert_eq!(part(&out, "remark:1")["remark"]["created_at"], 1_721_034_205, "{zero}");
    }
}
