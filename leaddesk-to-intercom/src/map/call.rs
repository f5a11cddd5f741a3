//! LeadDesk calls as Intercom conversations: one each, backdated and closed.
//!
//! | LeadDesk | Intercom |
//! |---|---|
//! | `id` | last line of the opening, `LeadDesk call <id>`; `ld_source_key__c` |
//! | `contact_id`, `number` | the contact, who is the author of the opening |
//! | `talk_start`, else `created_at` | `created_at` of the opening |
//! | `direction`, `number`, `agent_username`, `talk_time`, `campaign_name`, `call_ending_reason_name`, the dialler's result, `record_file`, `order_ids` | lines of the opening |
//! | `comment` | a note or reply by `agent_id` or `agent_username`, at `handling_stop`, else `talk_end` |
//! | `call_ending_reason_name` | `ld_outcome__c`, tag `ld_outcome_<name>` |
//! | the dialler's result, where an export tells | `ld_disposition__c`, tag `ld_disposition_<name>` |
//! | `campaign_name` | `ld_campaign_tag__c`, tag `ld_campaign_<name>` |
//! | `direction`, `talk_time`, `agent_username` | `ld_direction__c`, `ld_talk_time__c`, `ld_agent__c` |
//! | `record_file` | `ld_recording_url__c` where it is an address; a file name only stands in the opening, noted |
//! | unknown fields | not carried: noted by name for review |

use chrono::{DateTime, Utc};
use leaddesk_client::Call;
use migrate_core::{Emit, Mapper, Name, Record};

use super::{AttributeWriter, MAX_TEXT, is_empty, read, unix};
use crate::config::{CallTag, Calls, Comment, Config, Names};
use crate::draft::ConversationDraft;
use crate::queue;
use crate::source::keys;
use crate::value::tag::one_line;
use crate::value::{Country, Phone, TagName, Zone, text};

/// Maps calls. What is written, in order: the opening, the agent's comment, attributes, tags, close.
#[derive(Clone, Debug)]
pub struct CallMapper {
    key_prefix: String,
    country: Country,
    zone: Zone,
    rules: Calls,
    names: Names,
    now: DateTime<Utc>,
}

impl CallMapper {
    /// The rules of a configuration. `now`, the start of the run, tells calls that have taken place
    /// from those that cannot have.
    pub fn new(config: &Config, now: DateTime<Utc>) -> Self {
        Self {
            key_prefix: config.source.key_prefix.clone(),
            country: config.source.default_country,
            zone: config.source.time_zone,
            rules: config.calls.clone(),
            names: config.names.clone(),
            now,
        }
    }
}

impl Mapper<Call> for CallMapper {
    type Out = ConversationDraft;

    fn map(&self, record: Record<Call>, out: &mut Emit<ConversationDraft>) {
        let (key, call) = (record.key, record.body);
        let number = Phone::parse(read(&call.number), self.country);
        let Some(created_at) = self.begun(&call, out) else { return };

        let mut contact: Vec<Name> = Vec::new();
        contact.extend(call.contact_id.as_ref().map(|id| Name::Key(keys::contact(id))));
        if let Some(e164) = number.e164() {
            contact.push(Name::Alias(keys::phone(e164)));
            out.alias(keys::call_at(e164, created_at));
        } else if !number.raw().is_empty() {
            out.note("invalid_phone", "number");
        }
        let body = self.opening(&call, &number, out);
        let marker = format!("LeadDesk call {}", key.id());
        out.push(ConversationDraft::Opening {
            contact,
            created_at,
            body: format!("{body}\n\n{marker}"),
            marker,
        });

        self.remarks(&call, created_at, out);
        let tags = self.tags(&call);
        let mut attributes = self.attributes(&call, out);
        attributes.text(
            &self.names.call_source_key,
            &format!("{}:{key}", self.key_prefix),
            "id",
            out,
        );
        let campaign = tags.iter().find(|(kind, _)| *kind == CallTag::Campaign);
        if let Some((_, tag)) = campaign {
            attributes.text(&self.names.campaign_tag, tag.as_str(), "campaign_name", out);
        }
        out.part("attributes", ConversationDraft::Attributes(attributes.attributes));
        for (kind, tag) in tags.into_iter().filter(|(kind, _)| self.rules.tags.contains(kind)) {
            let kind = match kind {
                CallTag::Campaign => "campaign",
                CallTag::Disposition => "disposition",
                CallTag::Outcome => "outcome",
            };
            out.part(format!("tag:{kind}"), ConversationDraft::Tag(tag.as_str().to_owned()));
        }
        out.part("close", ConversationDraft::Close);
        for_review(&call, out);
    }
}

impl CallMapper {
    /// When the call began. Without a usable time the call has to wait: Intercom would date it today.
    fn begun(&self, call: &Call, out: &mut Emit<ConversationDraft>) -> Option<i64> {
        let talk = unix(call.talk_start.text(), self.zone, "talk_start", out);
        let begun = talk.or_else(|| unix(call.created_at.text(), self.zone, "created_at", out));
        match begun {
            None => out.queue(queue::call_without_time()),
            Some(begun) if begun > self.now.timestamp() => out.queue(queue::call_in_the_future()),
            Some(begun) => return Some(begun),
        }
        None
    }

    /// The opening without its marker line: what the call was, in words.
    fn opening(&self, call: &Call, number: &Phone, out: &mut Emit<ConversationDraft>) -> String {
        let number = one_line(number.e164().unwrap_or(number.raw()));
        let known = !number.is_empty();
        let mut lines = vec![match direction(call) {
            Some("out") if known => format!("Outgoing call to {number}"),
            Some("out") => "Outgoing call".to_owned(),
            Some("in") if known => format!("Incoming call from {number}"),
            Some("in") => "Incoming call".to_owned(),
            _ if known => format!("Call with {number}"),
            _ => "Call".to_owned(),
        }];
        let recording = read(&call.record_file).trim();
        for (label, value) in [
            ("Agent", read(&call.agent_username)),
            ("Talk time", &call.talk_time.map(duration).unwrap_or_default()),
            ("Campaign", text_of(&call.campaign_name)),
            ("Disposition", disposition(call)),
            ("Outcome", text_of(&call.call_ending_reason_name)),
            ("Recording", recording),
            ("Orders", &call.order_ids.join(", ")),
        ] {
            let value = one_line(value);
            if !value.is_empty() {
                lines.push(format!("{label}: {value}"));
            }
        }
        if !recording.is_empty() && !is_address(recording) {
            out.note("recording_without_address", "record_file");
        }
        lines.join("\n")
    }

    fn remarks(&self, call: &Call, opened_at: i64, out: &mut Emit<ConversationDraft>) {
        let comment = text::clean(read(&call.comment));
        let parts = text::split(&comment, MAX_TEXT);
        if parts.is_empty() {
            return;
        }
        let ended = unix(call.handling_stop.text(), self.zone, "handling_stop", out)
            .or_else(|| unix(call.talk_end.text(), self.zone, "talk_end", out));
        let created_at = ended.unwrap_or(opened_at).clamp(opened_at, self.now.timestamp());
        let mut agent: Vec<Name> = Vec::new();
        agent.extend(call.agent_id.as_ref().map(|id| Name::Key(keys::agent(id))));
        let username = read(&call.agent_username);
        if !username.trim().is_empty() {
            agent.push(Name::Alias(keys::username(username)));
        }
        for (body, n) in parts.into_iter().zip(1..) {
            let remark = ConversationDraft::Remark {
                note: self.rules.comment == Comment::Note,
                agent: agent.clone(),
                created_at,
                body: body.to_owned(),
            };
            out.part(format!("remark:{n}"), remark);
        }
    }

    fn attributes(&self, call: &Call, out: &mut Emit<ConversationDraft>) -> AttributeWriter {
        let mut attributes = AttributeWriter::default();
        let recording = read(&call.record_file).trim();
        let recording = if is_address(recording) { recording } else { "" };
        for (name, text, field) in [
            (
                &self.names.outcome,
                text_of(&call.call_ending_reason_name),
                "call_ending_reason_name",
            ),
            (&self.names.disposition, disposition(call), "result"),
            (&self.names.direction, direction(call).unwrap_or(""), "direction"),
            (&self.names.agent, read(&call.agent_username), "agent_username"),
            (&self.names.recording_url, recording, "record_file"),
        ] {
            attributes.text(name, text, field, out);
        }
        attributes.number(&self.names.talk_time, call.talk_time);
        attributes
    }

    fn tags(&self, call: &Call) -> Vec<(CallTag, TagName)> {
        [
            (CallTag::Campaign, &self.names.campaign_prefix, text_of(&call.campaign_name)),
            (CallTag::Disposition, &self.names.disposition_prefix, disposition(call)),
            (CallTag::Outcome, &self.names.outcome_prefix, text_of(&call.call_ending_reason_name)),
        ]
        .into_iter()
        .filter_map(|(kind, prefix, name)| Some((kind, TagName::new(prefix, name)?)))
        .collect()
    }
}

/// What an export may call the dialler's result, which the API does not give. With the agent's
/// choice, the outcome, it has nothing to do.
const RESULTS: &[&str] = &["result", "result name", "result_name", "disposition", "tulos"];

/// Fields that say nothing more about the call: ids of what stands there by name, the row of the
/// number, the dialler's mode, the agent's group, the frame of the reply.
const LEFT_OUT: &[&str] = &[
    "agent_group_id",
    "agent_group_name",
    "call_ending_reason",
    "call_type",
    "call_type_name",
    "campaign",
    "customer_id",
    "success",
];

fn disposition(call: &Call) -> &str {
    let fields = call.extra.reveal().iter();
    let mut results = fields.filter(|(name, _)| RESULTS.contains(&name.to_lowercase().as_str()));
    results.find_map(|(_, value)| value.as_str()).unwrap_or("")
}

fn direction(call: &Call) -> Option<&'static str> {
    match call.direction.as_deref()?.trim().to_lowercase().as_str() {
        "out" | "outbound" | "outgoing" => Some("out"),
        "in" | "inbound" | "incoming" => Some("in"),
        _ => None,
    }
}

fn text_of(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or("")
}

/// `1 h 2 min 5 s`
fn duration(seconds: i64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let parts = [(hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    if said.is_empty() { "0 s".to_owned() } else { said.join(" ") }
}

fn is_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Names what has no home, so that nothing is left behind in silence.
fn for_review(call: &Call, out: &mut Emit<ConversationDraft>) {
    for (field, value) in call.extra.reveal() {
        let decided =
            RESULTS.contains(&field.to_lowercase().as_str()) || LEFT_OUT.contains(&field.as_str());
        if !decided && !is_empty(value) {
            out.note("field_for_review", field.clone());
        }
    }
}

#[cfg(test)]
mod tests {
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
        json!(out.drafts()[0].1)["opening"].clone()
    }

    #[test]
    fn a_full_call() {
        let out = map("", call());
        let parts: Vec<_> =
            out.drafts().iter().map(|(part, _)| part.as_deref().unwrap_or("-")).collect();
        assert_eq!(parts, ["-", "remark:1", "attributes", "tag:campaign", "tag:outcome", "close"]);
        assert_eq!(
            opening(&out),
            json!({
                "contact": [Name::Key(keys::contact(42)), Name::Alias(keys::phone("+358401234567"))],
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
        let alias = keys::call_at("+358401234567", 1_721_034_000);
        assert!(format!("{out:?}").contains(&format!("aliases: [{alias:?}]")));
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
    fn a_remark_never_comes_before_the_opening() {
        for (stop, end, expected) in [
            (json!(null), json!("2024-07-15 12:03:25"), 1_721_034_205),
            (json!("2024-07-15 11:00:00"), json!(null), 1_721_034_000),
            (json!("2031-01-01 00:00:00"), json!(null), 1_760_000_000),
            (json!("0000-00-00 00:00:00"), json!(""), 1_721_034_000),
        ] {
            let mut call = with("handling_stop", stop);
            call["talk_end"] = end;
            assert_eq!(part(&map("", call), "remark:1")["remark"]["created_at"], expected);
        }
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
        let remarks = out
            .drafts()
            .iter()
            .filter_map(|(part, _)| part.as_deref())
            .filter(|it| it.starts_with("remark"));
        assert_eq!(remarks.collect::<Vec<_>>(), ["remark:1", "remark:2", "remark:3"]);
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
    ];

    #[test]
    fn every_field_of_the_model_has_a_decision() {
        let call: Call = serde_json::from_value(json!({"id": 1})).unwrap();
        let known = serde_json::to_value(call).unwrap();
        let known = known.as_object().unwrap();
        assert!(known.len() > 15, "the model serializes all its fields");
        for field in known.keys().map(String::as_str) {
            let decided = DECIDED.contains(&field) || LEFT_OUT.contains(&field);
            assert!(decided, "call.rs says nothing about the field {field}");
        }
        assert_eq!(
            noted(&map("", with("mood", json!("good")))).last().unwrap(),
            "field_for_review mood"
        );
    }
}
