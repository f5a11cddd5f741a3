//! Sessions of the chatbot as Intercom conversations: one each, backdated, with what was said as its thread, and closed.
//!
//! | chatbot | Intercom |
//! |---|---|
//! | conversation id | last line of the opening, `LeadDesk chat <id>`; `ld_source_key__c` |
//! | visitor's e-mail or number, where a column has one | the contact, by that name; else the lead of the session |
//! | the visitor's first message, if nobody spoke before and it is no note | the opening, by the contact |
//! | anything else that was said first, or nothing | a short neutral opening by the contact, at the time of the first message |
//! | what the visitor said | a reply by the contact, or by setting a note |
//! | what the bot said, HTML as text | a reply by `bot_admin`, else the fallback admin |
//! | what an agent said | a reply by the agent's teammate, as with calls |
//! | what nobody knows who said | a note |
//! | a message's time | `created_at`; never before that of the message before it |
//! | intent | `ld_intent__c`; of several, all that fit, and then the whole list in the note at the end |
//! | outcome, else whether it was transferred | `ld_chatbot_outcome__c`, tag `ld_outcome_<name>` |
//! | a column `campaign` | `ld_campaign_tag__c`, tag `ld_campaign_<name>` |
//! | feedback, language, channel, bot, team, other columns | a note at the end |
//! | scores and marks of the engine | left out |
//!
//! A text that is too long for one message goes on in the next, and that is noted.

mod told;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use leaddesk_client::chatbot::{Conversation, Turn, Who};
use migrate_core::{Emit, Mapper, Name, Record};

pub(super) use self::told::begun;
use self::told::{agent, campaign, intents, moment, others, outcome, teams};
use super::{AttributeWriter, CAMPAIGNS, MAX_TEXT, OUTCOMES, html, meet, read};
use crate::config::{Anonymous, ChatMessages, Config, Names};
use crate::draft::{self, ConversationDraft, Topic};
use crate::queue;
use crate::source::{Chat, keys};
use crate::value::tag::one_line;
use crate::value::text::fits_attribute;
use crate::value::{Country, Local, TagName, Zone, text};

/// Maps sessions of the chatbot. What is written, in order: the opening, the messages, a note of what else
/// is known, attributes, tags, close.
#[derive(Clone, Debug)]
pub struct ChatMapper {
    key_prefix: String,
    country: Country,
    zone: Zone,
    messages: ChatMessages,
    anonymous: Anonymous,
    names: Names,
    has_fallback: bool,
    now: DateTime<Utc>,
}

/// Something that was said, with its place in the thread.
struct Said {
    /// The part's name.
    name: String,
    who: Who,
    at: i64,
    /// As text, in pieces that fit.
    pieces: Vec<String>,
}

impl ChatMapper {
    /// The rules of a configuration. `now`, the start of the run, tells sessions that have taken place from
    /// those that cannot have.
    pub fn new(config: &Config, now: DateTime<Utc>) -> Self {
        let chatbot = config.source.chatbot.as_ref();
        Self {
            key_prefix: config.source.key_prefix.clone(),
            country: config.source.default_country,
            zone: zone(config),
            messages: chatbot.map(|it| it.messages).unwrap_or_default(),
            anonymous: chatbot.map(|it| it.anonymous).unwrap_or_default(),
            names: config.names.clone(),
            has_fallback: config.destination.fallback_admin.is_some(),
            now,
        }
    }
}

/// The zone of the export's times that have none.
pub(super) fn zone(config: &Config) -> Zone {
    let own = config.source.chatbot.as_ref().and_then(|chatbot| chatbot.time_zone);
    own.unwrap_or(config.source.time_zone)
}

impl Mapper<Chat> for ChatMapper {
    type Out = ConversationDraft;

    fn map(&self, record: Record<Chat>, out: &mut Emit<ConversationDraft>) {
        let (key, chat) = (record.key, record.body);
        let talk = &chat.conversation;
        let Some(begun) = begun(talk, self.zone) else {
            return out.queue(queue::chat_without_time());
        };
        let said = self.said(talk, begun, out);
        let last = said.last().map_or(begun, |said| said.at);
        if last > self.now.timestamp() {
            return out.queue(queue::chat_in_the_future());
        }
        let Some(contact) = self.contact(&chat) else {
            return out.queue(queue::anonymous_visitor());
        };
        meet(CAMPAIGNS, campaign(talk).unwrap_or_default(), out);
        meet(OUTCOMES, &outcome(talk), out);
        let agents = self.agents(talk, &said);
        if !self.has_fallback {
            for ((agent, _), n) in agents.iter().zip(1..) {
                let speaker = ConversationDraft::Speaker { agent: agent.clone() };
                out.part(format!("speaker:{n}"), speaker);
            }
        }
        let left = self.opening(key.id(), &contact, begun, &said, out);
        for said in left {
            self.message(talk, &contact, said, out);
        }
        if self.has_fallback {
            for ((agent, spoke_at), n) in agents.into_iter().zip(1..) {
                let teammate = ConversationDraft::Teammate { agent, spoke_at };
                out.part(format!("teammate:{n}"), teammate);
            }
        }
        let tags = self.tags(talk);
        let attributes = self.attributes(key.as_str(), talk, &tags, out);
        self.details(talk, attributes.long, last, out);
        out.part("attributes", ConversationDraft::Attributes(attributes.attributes));
        for (kind, tag) in tags {
            out.part(format!("tag:{kind}"), ConversationDraft::Tag(tag.as_str().to_owned()));
        }
        out.part("close", ConversationDraft::Close);
        for note in &talk.notes {
            out.note("chatbot_rows", note.as_str());
        }
    }
}

impl ChatMapper {
    /// When a session began that has taken place. One without a usable time, or that is said to end after
    /// the run began, waits.
    pub(super) fn took_place(&self, chat: &Chat) -> Option<i64> {
        let begun = begun(&chat.conversation, self.zone)?;
        let said = self.said(&chat.conversation, begun, &mut Emit::default());
        let last = said.last().map_or(begun, |said| said.at);
        (last <= self.now.timestamp()).then_some(begun)
    }

    /// The names of the contact; none where an anonymous visitor is to wait.
    pub(crate) fn contact(&self, chat: &Chat) -> Option<Vec<Name>> {
        let known = chat.contact(self.country);
        if !known.is_empty() {
            return Some(known.into_iter().map(Name::Alias).collect());
        }
        let visitor = keys::chat_visitor(&chat.conversation.id);
        (self.anonymous == Anonymous::Lead).then(|| vec![Name::Key(visitor)])
    }

    /// What was said, in order, each at its time but never before what was said before it.
    fn said(
        &self,
        talk: &Conversation,
        begun: i64,
        out: &mut Emit<ConversationDraft>,
    ) -> Vec<Said> {
        let (mut all, mut names, mut now) = (Vec::new(), BTreeSet::new(), begun);
        for (turn, n) in talk.turns.iter().zip(1..) {
            now = self.at(turn, now, out);
            let raw = turn.text.reveal();
            let clean = match turn.who {
                Who::Bot => text::clean(&html::plain(raw)),
                _ => text::clean(raw),
            };
            let pieces: Vec<String> =
                text::split(&clean, MAX_TEXT).into_iter().map(str::to_owned).collect();
            match pieces.len() {
                0 => out.note("message_without_text", "text"),
                1 => {}
                _ => out.note("message_split", "text"),
            }
            let who = match turn.who {
                Who::Visitor => "visitor",
                Who::Bot => "bot",
                Who::Agent => "agent",
                _ => "unknown",
            };
            let name = match turn.index {
                Some(index) => format!("said:{index}:{who}"),
                None => format!("said:{n}:{who}"),
            };
            let name = if names.contains(&name) { format!("{name}:{n}") } else { name };
            names.insert(name.clone());
            all.push(Said { name, who: turn.who, at: now, pieces });
        }
        all.retain(|said| !said.pieces.is_empty());
        all
    }

    /// When something was said, if the one before it was said at `before`.
    fn at(&self, turn: &Turn, before: i64, out: &mut Emit<ConversationDraft>) -> i64 {
        let Some(when) = &turn.at else { return before };
        let Some(local) = moment(when, self.zone) else {
            out.note("invalid_time", "timestamp");
            return before;
        };
        let at = match local {
            Local::Exact(at) => at.timestamp(),
            Local::Gap { utc, .. } => {
                out.note("time_in_gap", "timestamp");
                utc.timestamp()
            }
            // The clock showed this time twice: the first that is not before what was said before.
            Local::Overlap { utc, later } => {
                out.note("time_in_overlap", "timestamp");
                if utc.timestamp() < before { later.timestamp() } else { utc.timestamp() }
            }
        };
        if at < before {
            out.note("time_out_of_order", "timestamp");
        }
        at.max(before)
    }

    /// The agents who spoke, each with the time of the last word. Whom nobody names, nobody can invite.
    fn agents(&self, talk: &Conversation, said: &[Said]) -> Vec<(Vec<Name>, i64)> {
        let mut all: Vec<(Vec<Name>, i64)> = Vec::new();
        for said in said.iter().filter(|said| said.who == Who::Agent) {
            let agent = agent(talk, said.at, self.zone);
            match all.iter_mut().find(|(known, _)| *known == agent) {
                Some((_, last)) => *last = said.at,
                None if agent.is_empty() => {}
                None => all.push((agent, said.at)),
            }
        }
        all
    }

    /// Pushes the opening. Returns what is said after it.
    fn opening<'s>(
        &self,
        id: &str,
        contact: &[Name],
        begun: i64,
        said: &'s [Said],
        out: &mut Emit<ConversationDraft>,
    ) -> Vec<Left<'s>> {
        // In the form that a text has when it was read back.
        let id = one_line(id).split_whitespace().collect::<Vec<_>>().join(" ");
        let marker = format!("LeadDesk chat {id}");
        let whole = |said: &'s Said| Left { said, from: 0 };
        let (created_at, body, left) = match said {
            [first, rest @ ..]
                if first.who == Who::Visitor && self.messages == ChatMessages::Replies =>
            {
                // Whatever did not fit is said next.
                let more = (first.pieces.len() > 1).then_some(Left { said: first, from: 1 });
                let left: Vec<_> = more.into_iter().chain(rest.iter().map(whole)).collect();
                (first.at, first.pieces[0].as_str(), left)
            }
            [] => {
                out.note("chat_without_messages", "text");
                (begun, "Chat with the bot. The export holds nothing of what was said.", Vec::new())
            }
            [first, ..] => (first.at, "Chat with the bot", said.iter().map(whole).collect()),
        };
        out.push(ConversationDraft::Opening {
            contact: contact.to_vec(),
            created_at,
            body: format!("{body}\n\n{marker}"),
            marker,
            topic: Topic::Chat,
        });
        left
    }

    fn message(
        &self,
        talk: &Conversation,
        contact: &[Name],
        Left { said, from }: Left<'_>,
        out: &mut Emit<ConversationDraft>,
    ) {
        let created_at = said.at;
        for (piece, n) in said.pieces.iter().zip(1..).skip(from) {
            let as_note = |label: &str| ConversationDraft::Remark {
                note: true,
                agent: vec![draft::bot()],
                created_at,
                body: format!("{label}: {piece}"),
            };
            let reply = |agent| ConversationDraft::Remark {
                note: false,
                agent,
                created_at,
                body: piece.clone(),
            };
            let draft = match said.who {
                Who::Visitor if self.messages == ChatMessages::Notes => as_note("Visitor"),
                Who::Visitor => ConversationDraft::Message {
                    contact: contact.to_vec(),
                    created_at,
                    body: piece.clone(),
                },
                Who::Bot => reply(vec![draft::bot()]),
                Who::Agent => reply(agent(talk, said.at, self.zone)),
                _ => {
                    out.note("unknown_author", "role");
                    as_note("Somebody")
                }
            };
            let name = match n {
                1 => said.name.clone(),
                n => format!("{}+{n}", said.name),
            };
            out.part(name, draft);
        }
    }

    fn tags(&self, talk: &Conversation) -> Vec<(&'static str, TagName)> {
        let campaign = campaign(talk).unwrap_or_default();
        [
            ("campaign", &self.names.campaign_prefix, campaign),
            ("outcome", &self.names.outcome_prefix, &outcome(talk)),
        ]
        .into_iter()
        .filter_map(|(kind, prefix, name)| Some((kind, TagName::new(prefix, name)?)))
        .collect()
    }

    fn attributes(
        &self,
        key: &str,
        talk: &Conversation,
        tags: &[(&str, TagName)],
        out: &mut Emit<ConversationDraft>,
    ) -> AttributeWriter {
        let mut attributes = AttributeWriter::default();
        let intents = intents(talk);
        let mut fitting = intents.len();
        while !fits_attribute(&intents[..fitting].join(", ")) {
            fitting -= 1;
        }
        if fitting < intents.len() {
            out.note("too_long", "intent");
            attributes.long.push((self.names.intent.clone(), intents.join(", ")));
        }
        attributes.text(&self.names.intent, &intents[..fitting].join(", "), "intent", out);
        attributes.text(&self.names.chatbot_outcome, &outcome(talk), "outcome", out);
        let source = format!("{}:{key}", self.key_prefix);
        attributes.text(&self.names.call_source_key, &source, "conversation_id", out);
        if let Some((_, tag)) = tags.iter().find(|(kind, _)| *kind == "campaign") {
            attributes.text(&self.names.campaign_tag, tag.as_str(), "campaign", out);
        }
        attributes
    }

    /// What else is known, as a note at the end.
    fn details(
        &self,
        talk: &Conversation,
        long: Vec<(String, String)>,
        last: i64,
        out: &mut Emit<ConversationDraft>,
    ) {
        let mut lines = Vec::new();
        let mut line = |label: &str, value: &str| {
            let value = one_line(value);
            if !value.is_empty() {
                lines.push(format!("{label}: {value}"));
            }
        };
        let of = |field: &Option<String>| field.clone().unwrap_or_default();
        line("Feedback", &of(&talk.feedback_score));
        line("Feedback in words", read(&talk.feedback_text));
        line("Language", &of(&talk.language));
        line("Channel", &of(&talk.channel));
        line("Bot", &of(&talk.bot));
        line("Handed to", &of(&talk.transfer_target));
        line("Team", &teams(talk).join("; "));
        for (name, text) in &long {
            line(name, text);
        }
        for (heading, values) in others(talk) {
            line(&one_line(&heading), &values.join("; "));
        }
        if lines.is_empty() {
            return;
        }
        let body = format!("About this chat\n{}", lines.join("\n"));
        let pieces = text::split(&body, MAX_TEXT);
        if pieces.len() > 1 {
            out.note("message_split", "details");
        }
        for (piece, n) in pieces.into_iter().zip(1..) {
            let name = if n == 1 { "details".to_owned() } else { format!("details+{n}") };
            let note = ConversationDraft::Remark {
                note: true,
                agent: vec![draft::bot()],
                created_at: last,
                body: piece.to_owned(),
            };
            out.part(name, note);
        }
    }
}

/// What is left of something said, from one of its pieces on.
struct Left<'s> {
    said: &'s Said,
    from: usize,
}

#[cfg(test)]
pub(super) mod tests;
