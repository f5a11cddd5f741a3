//! LeadDesk calls as Intercom conversations: one each, backdated and closed.
//!
//! | LeadDesk | Intercom |
//! |---|---|
//! | `id` | last line of the opening, `LeadDesk call <id>`; `ld_source_key__c` |
//! | `contact_id`, `number` | the contact, who is the author of the opening; where a setting says so and there is none, a lead made of the number |
//! | `talk_start`, else `created_at` | `created_at` of the opening; a zero moment of 1970 is none, and noted |
//! | `direction`, `number`, `agent_username`, `talk_time`, `campaign_name`, `call_ending_reason_name`, the dialler's result, `record_file`, `order_ids` | lines of the opening |
//! | `comment` | a note or reply by `agent_id` or `agent_username`, at `handling_stop`, else `talk_end`, else `talk_time` after the opening |
//! | `call_ending_reason_name` | `ld_outcome__c`, tag `ld_outcome_<name>` |
//! | the dialler's result, where an export tells | `ld_disposition__c`, tag `ld_disposition_<name>` |
//! | `campaign_name` | `ld_campaign_tag__c`, tag `ld_campaign_<name>` |
//! | `direction`, `talk_time`, `agent_username` | `ld_direction__c`, `ld_talk_time__c`, `ld_agent__c` |
//! | `record_file` | `ld_recording_url__c` where it is an address; a file name only stands in the opening, noted |
//! | `agent_id`, `agent_username`; `agent_group_name`, `campaign_name` | whom the conversation is assigned to, where a setting says so |
//! | `call_ending_reason` | the id of the outcome: what `outcomes.csv` calls it stands in for a missing name; noted where nothing names it |
//! | `campaign` | the id of what stands there by name; noted where the name is missing |
//! | a `direction` in other words than in or out | left out, and noted |
//! | `customer_id`, `call_type`, `call_type_name`, `agent_group_id` | left out, and `agent_group_name` but for the assignment: the row of the number, the dialler's mode, the agent's group |
//! | what a file says of `talk_time`, or of the time of day, and cannot be read | left out, and noted by the field |
//! | unknown fields | not carried: noted by name for review |
//!
//! A call of the history by number has no id: `<digest of the number>@<UTC seconds>` stands in its place. It says neither
//! agent nor campaign; its `result` is the dialler's, and a `duration` that is no talk time and its `status` are lines of
//! the opening. One that another route knows by its id is `merged` into that, and adds nothing to it.

use chrono::{DateTime, Utc};
use leaddesk_client::Call;
use leaddesk_client::export::NOT_READ;
use migrate_core::{Emit, Key, Mapper, Name, Record};
use serde_json::Value;

use super::beside::Beside;
use super::{
    AttributeWriter, CAMPAIGNS, DISPOSITIONS, MAX_TEXT, OUTCOMES, is_empty, is_moment, meet, read,
    shown, unix,
};
use crate::config::{Assign, CallTag, Calls, Comment, Config, LeadsAs, Names};
use crate::draft::{ContactFields, ConversationDraft, Topic};
use crate::queue;
use crate::source::keys;
use crate::value::tag::one_line;
use crate::value::{Country, Phone, TagName, Zone, text, time};

/// Maps calls. What is written, in order: the opening, the agent's comment, attributes, tags, close.
#[derive(Clone, Debug)]
pub struct CallMapper {
    key_prefix: String,
    country: Country,
    zone: Zone,
    rules: Calls,
    leads_as: LeadsAs,
    names: Names,
    has_fallback: bool,
    now: DateTime<Utc>,
    beside: Beside,
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
            leads_as: config.contacts.leads_as,
            names: config.names.clone(),
            has_fallback: config.destination.fallback_admin.is_some(),
            now,
            beside: Beside::default(),
        }
    }

    /// The same, with what other files say of calls.
    #[must_use]
    pub fn with_beside(mut self, beside: Beside) -> Self {
        self.beside = beside;
        self
    }
}

impl Mapper<Call> for CallMapper {
    type Out = ConversationDraft;

    fn map(&self, record: Record<Call>, out: &mut Emit<ConversationDraft>) {
        let (key, mut call) = (record.key, record.body);
        self.name_outcome(&mut call);
        let number = Phone::parse(read(&call.number), self.country);
        if key.kind() == keys::CALLER {
            self.caller(&key, &number, out);
            return;
        }
        let by_number = keys::is_call_of(&key);
        if by_number && number.e164().is_none() {
            out.queue(queue::call_without_number());
            return;
        }
        let Some(created_at) = self.begun(&call, out) else { return };
        let comment = text::clean(read(&call.comment));
        let ended = (!comment.is_empty()).then(|| self.ended(&call, created_at, out));
        if ended.is_some_and(|ended| ended > self.now.timestamp()) {
            out.queue(queue::call_ends_in_the_future());
            return;
        }

        let contact = self.contact(&call);
        if let Some(e164) = number.e164() {
            self.same(&call, e164, by_number, out);
        } else if !number.raw().is_empty() {
            out.note("invalid_phone", "number");
        }
        for (list, name) in [
            (CAMPAIGNS, text_of(&call.campaign_name)),
            (DISPOSITIONS, disposition(&call)),
            (OUTCOMES, text_of(&call.call_ending_reason_name)),
        ] {
            meet(list, name, out);
        }
        let agent = agent(&call);
        let speaks = !agent.is_empty() && !comment.is_empty();
        if speaks && !self.has_fallback {
            out.part("speaker", ConversationDraft::Speaker { agent: agent.clone() });
        }
        let body = self.opening(&call, &number, by_number, out);
        let marker = format!("LeadDesk call {}", key.id());
        out.push(ConversationDraft::Opening {
            contact,
            created_at,
            body: format!("{body}\n\n{marker}"),
            marker,
            topic: Topic::Call,
        });

        if let Some(ended) = ended {
            self.remarks(&comment, &agent, ended, out);
            if speaks && self.has_fallback {
                let agent = agent.clone();
                out.part("teammate", ConversationDraft::Teammate { agent, spoke_at: ended });
            }
        }
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
        if let Some(assign) = self.assign(&call, agent) {
            out.part("assign", assign);
        }
        out.part("close", ConversationDraft::Close);
        for_review(&call, by_number, out);
    }
}

impl CallMapper {
    /// An outcome of which the call has the id alone has the name that its table gives it.
    fn name_outcome(&self, call: &mut Call) {
        if text_of(&call.call_ending_reason_name).trim().is_empty() {
            let id = text_of(&call.call_ending_reason);
            call.call_ending_reason_name = self.beside.outcome(id).map(str::to_owned);
        }
    }

    /// The agent's teammate; or the team that the agent's group is matched with, else that of the project.
    fn assign(&self, call: &Call, agent: Vec<Name>) -> Option<ConversationDraft> {
        let (team, to) = match self.rules.assign {
            Assign::None => return None,
            Assign::Admin => (false, agent),
            Assign::Team => {
                let names = [&call.agent_group_name, &call.campaign_name].map(text_of);
                let named = names.into_iter().filter(|name| !name.trim().is_empty());
                (true, named.map(|name| Name::Key(keys::team(name))).collect())
            }
        };
        (!to.is_empty()).then_some(ConversationDraft::Assign { team, to })
    }

    /// A lead of which nothing but its number is known.
    fn caller(&self, key: &Key, number: &Phone, out: &mut Emit<ConversationDraft>) {
        let external_id = format!("{}:{key}", self.key_prefix);
        let mut fields = ContactFields {
            role: if self.leads_as == LeadsAs::User { "user" } else { "lead" }.to_owned(),
            phone: number.e164().map(str::to_owned),
            ..ContactFields::default()
        };
        let source_key = Value::String(external_id.clone());
        fields.attributes.insert(self.names.source_key.clone(), source_key);
        fields.external_id = external_id;
        out.push(ConversationDraft::Caller(fields));
    }

    /// The names by which a call that one route knows by its id and another by number and time is one call: see
    /// [`keys::call_at`]. A time that is not sure is as good as any other here, since both routes read it alike.
    fn same(&self, call: &Call, e164: &str, by_number: bool, out: &mut Emit<ConversationDraft>) {
        let Ok(Some(row)) = time::parse(call.created_at.text(), self.zone) else { return };
        if !is_moment(row) {
            return;
        }
        let row = row.utc().timestamp();
        let names = (keys::call_at(e164, row), keys::call_without_id_at(e164, row));
        let (own, other) = if by_number { (names.1, names.0) } else { names };
        out.alias(own);
        out.same_as(other);
    }

    /// The names of the contact that a call was made with, the surest first.
    pub(crate) fn contact(&self, call: &Call) -> Vec<Name> {
        let id = call.contact_id.as_ref().map(|id| Name::Key(keys::contact(id)));
        let number = Phone::parse(read(&call.number), self.country);
        let number = number.e164().map(|e164| {
            // The caller is there only where leads are made of numbers.
            [Name::Alias(keys::phone(e164)), Name::Key(keys::caller(e164))]
        });
        id.into_iter().chain(number.into_iter().flatten()).collect()
    }

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
    fn opening(
        &self,
        call: &Call,
        number: &Phone,
        by_number: bool,
        out: &mut Emit<ConversationDraft>,
    ) -> String {
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
            ("Orders", &orders(call)),
            ("Duration", history(call, "duration", by_number)),
            ("Status", history(call, "status", by_number)),
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

    /// When the call ended. A time that cannot be its end is noted, and the talk time taken
    /// instead; the clock is never asked, so that a call becomes the same in every run. One that ends
    /// after the run began has to wait: dated by the clock, it would be another at the next run.
    fn ended(&self, call: &Call, opened_at: i64, out: &mut Emit<ConversationDraft>) -> i64 {
        let plausible = opened_at..=opened_at + LONGEST_CALL;
        for (field, text) in
            [("handling_stop", call.handling_stop.text()), ("talk_end", call.talk_end.text())]
        {
            match unix(text, self.zone, field, out) {
                Some(ended) if plausible.contains(&ended) => return ended,
                Some(_) => out.note("implausible_time", field),
                None => {}
            }
        }
        let talked = call.talk_time.filter(|seconds| (0..=LONGEST_CALL).contains(seconds));
        opened_at + talked.unwrap_or(0)
    }

    /// What the agent said of the call, at its end.
    fn remarks(
        &self,
        comment: &str,
        agent: &[Name],
        created_at: i64,
        out: &mut Emit<ConversationDraft>,
    ) {
        let parts = text::split(comment, MAX_TEXT);
        if parts.len() > 1 {
            out.note("message_split", "comment");
        }
        for (body, n) in parts.into_iter().zip(1..) {
            let remark = ConversationDraft::Remark {
                note: self.rules.comment == Comment::Note,
                agent: agent.to_vec(),
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

/// No call and its handling take longer, in seconds.
const LONGEST_CALL: i64 = 24 * 60 * 60;

/// What an export may call the dialler's result, which the API does not give. With the agent's
/// choice, the outcome, it has nothing to do.
const RESULTS: &[&str] = &["result", "result name", "result_name", "disposition", "tulos"];

/// The frame of the reply, which is no field of the call.
const FRAME: &[&str] = &["success"];

/// The names by which the call's agent may be known.
fn agent(call: &Call) -> Vec<Name> {
    let by_id = call.agent_id.as_ref().map(|id| Name::Key(keys::agent(id)));
    let username = Some(read(&call.agent_username)).filter(|name| !name.trim().is_empty());
    by_id.into_iter().chain(username.map(|name| Name::Alias(keys::username(name)))).collect()
}

/// The dialler's result, where an export tells it.
pub(crate) fn disposition(call: &Call) -> &str {
    let fields = call.extra.reveal().iter();
    let mut results = fields.filter(|(name, _)| RESULTS.contains(&name.to_lowercase().as_str()));
    results.find_map(|(_, value)| value.as_str()).unwrap_or("")
}

/// What only the history by number says, as it was sent.
const OF_HISTORY: &[&str] = &["duration", "status"];

fn history<'a>(call: &'a Call, name: &str, by_number: bool) -> &'a str {
    let field = call.extra.reveal().get(name).filter(|_| by_number);
    field.and_then(Value::as_str).unwrap_or("")
}

fn direction(call: &Call) -> Option<&'static str> {
    match call.direction.as_deref()?.trim().to_lowercase().as_str() {
        "out" | "outbound" | "outgoing" => Some("out"),
        "in" | "inbound" | "incoming" => Some("in"),
        _ => None,
    }
}

/// A file holds the orders in one field, where the API has a list.
fn orders(call: &Call) -> String {
    let ids = call.order_ids.iter().flat_map(|ids| ids.split(['|', ',', ';']));
    let ids: Vec<&str> = ids.map(str::trim).filter(|id| !id.is_empty()).collect();
    ids.join(", ")
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
fn for_review(call: &Call, by_number: bool, out: &mut Emit<ConversationDraft>) {
    let campaign = call.campaign.as_ref().map_or("", |id| id.as_str());
    for (id, name, code, field) in [
        (
            text_of(&call.call_ending_reason),
            text_of(&call.call_ending_reason_name),
            "outcome_without_name",
            "call_ending_reason",
        ),
        (campaign, text_of(&call.campaign_name), "campaign_without_name", "campaign"),
    ] {
        // Zero stands for none.
        if name.trim().is_empty() && !matches!(id.trim(), "" | "0") {
            out.note(code, field);
        }
    }
    if direction(call).is_none() && !text_of(&call.direction).trim().is_empty() {
        out.note("unknown_direction", "direction");
    }
    for (field, value) in call.extra.reveal() {
        let decided =
            RESULTS.contains(&field.to_lowercase().as_str()) || FRAME.contains(&field.as_str());
        let decided = decided || (by_number && OF_HISTORY.contains(&field.as_str()));
        match field.strip_suffix(NOT_READ) {
            _ if decided || is_empty(value) => {}
            Some(field) => out.note("unreadable_value", shown(field)),
            None => out.note("field_for_review", shown(field)),
        }
    }
}

#[cfg(test)]
mod tests;
