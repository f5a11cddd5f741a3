//! The sessions of the chatbot: what each should be in the workspace, and what is there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{NaiveDateTime, TimeZone as _};
use migrate_sandbox::workspace::{Conversation, CreatedBy, Part};
use migrate_sandbox::{Account, SourceChat};
use serde_json::{Value, json};

use super::expect::{self, People, Waits};
use super::{Audit, Marker, marker, says};

/// Who is the contact of a session.
enum Whose {
    /// A person of the account, by place.
    Person(usize),
    /// A lead of its own.
    Lead,
    /// Nobody: it waits.
    Nobody(Waits),
}

/// Something said: by whom, when, and its text.
struct Said {
    by: By,
    at: i64,
    text: String,
}

#[derive(PartialEq)]
enum By {
    Visitor,
    Bot,
    Agent,
}

/// What the HTML of the bot shows.
const SHOWN: &[(&str, &str)] = &[
    (
        "Moi! Katso <a href=\"https://example.com/hinnasto?a=1&amp;b=2\">hinnasto</a>.",
        "Moi! Katso hinnasto (https://example.com/hinnasto?a=1&b=2).",
    ),
    (
        "<p>Your order is on its way.</p><p>Anything <b>else</b>?</p>",
        "Your order is on its way.\nAnything else?",
    ),
    ("Selvä homma,<br>osoite on muutettu.", "Selvä homma,\nosoite on muutettu."),
    ("Open 9&ndash;17 &amp; by phone", "Open 9–17 & by phone"),
    ("<p>שלום!<br/>איך אפשר לעזור? 🤖</p>", "שלום!\nאיך אפשר לעזור? 🤖"),
    ("<ul><li>one</li><li>two &lt;three&gt;</li></ul>", "- one\n- two <three>"),
    ("<p>Hei! Miten voin <i>auttaa</i>?</p>", "Hei! Miten voin auttaa?"),
];

impl Audit<'_> {
    pub(super) fn chats(&mut self, people: &People<'_>, ids: &HashMap<usize, String>) {
        let (workspace, account) = (self.workspace, self.account);
        let mut found: BTreeMap<String, Vec<&Conversation>> = BTreeMap::new();
        for conversation in &workspace.conversations {
            if let Some(Marker::Chat(id)) = marker(&conversation.source.body) {
                found.entry(id).or_default().push(conversation);
            }
        }
        let mut leads = BTreeSet::new();
        for chat in &account.chats {
            let of = format!("chat {}", chat.id);
            let (contact, kind) = match whose(people, chat) {
                Whose::Person(at) => (ids.get(&at).cloned(), people.all[at].role),
                Whose::Lead => {
                    leads.insert(format!("leaddesk:chat-visitor:{}", chat.id));
                    (self.visitor(chat), "lead")
                }
                Whose::Nobody(_) => (None, ""),
            };
            let Some(contact) = contact else { continue };
            match found.remove(&chat.id).as_deref() {
                None => self.say(format!("{of}: has no conversation")),
                Some([one]) => self.chat(chat, (&contact, kind), one),
                Some(more) => self.say(format!("{of}: has {} conversations", more.len())),
            }
        }
        for id in found.keys() {
            self.say(format!("chat {id}: should not be a conversation"));
        }
        for contact in &workspace.contacts {
            let external_id = contact.external_id.clone().unwrap_or_default();
            if external_id.starts_with(VISITOR) && !leads.contains(&external_id) {
                self.say(format!("{external_id}: should not be a lead"));
            }
        }
    }

    /// Compares the lead of an anonymous visitor. Returns its id.
    fn visitor(&mut self, chat: &SourceChat) -> Option<String> {
        let of = &format!("{VISITOR}{}", chat.id);
        let (workspace, account) = (self.workspace, self.account);
        let is_it = |it: &&migrate_sandbox::workspace::Contact| {
            it.external_id.as_deref() == Some(of.as_str())
        };
        let all: Vec<_> = workspace.contacts.iter().filter(is_it).collect();
        let [found] = all[..] else {
            self.say(format!("{of}: is there {} times", all.len()));
            return None;
        };
        self.same(of, "role", found.role.as_str(), "lead");
        let begun = thread(account, chat).first().map(|said| said.at);
        let begun = begun.or_else(|| moment(account, &chat.started_at, 0));
        self.same(of, "signed_up_at", found.signed_up_at, begun);
        self.same(of, "e-mail and phone", (&found.email, &found.phone), (&None, &None));
        self.same(of, "name", &found.name, &None);
        self.same(of, "archived", found.archived, false);
        self.same(of, "unsubscribed", found.unsubscribed_from_emails, false);
        self.same(of, "owner", &found.owner_id, &None);
        self.same(of, "companies", found.companies.len(), 0);
        self.same(of, "heir", &found.merged_into, &None);
        self.same(of, "last_seen_at", found.last_seen_at, None);
        self.same(of, "maker", found.created_by, CreatedBy::Api);
        let attributes = BTreeMap::from([("ld_source_key".to_owned(), json!(of))]);
        self.attributes(of, &found.custom_attributes, &attributes);
        self.tags(of, &found.tags, &BTreeSet::new());
        self.same(of, "notes", found.notes.len(), 0);
        Some(found.id.clone())
    }

    fn chat(&mut self, chat: &SourceChat, (contact, kind): (&str, &str), found: &Conversation) {
        let (of, account) = (&format!("chat {}", chat.id), self.account);
        let mut thread = thread(account, chat);
        let started = moment(account, &chat.started_at, 0).unwrap_or_default();
        let begun = thread.first().map_or(started, |said| said.at);
        let last = thread.last().map_or(started, |said| said.at);
        self.same(of, "created_at", found.created_at, begun);
        self.same(of, "author's kind", found.source.author.kind.as_str(), kind);
        self.same(of, "author", found.source.author.id.as_str(), contact);
        self.same(of, "contacts", &found.contacts, &vec![contact.to_owned()]);
        self.whole(of, found);
        self.attributes(of, &found.custom_attributes, &attributes(chat));
        self.tags(of, &found.tags, &tags(chat));

        // What the opening says of the first message is not said again.
        let opening = found.source.body.trim_end();
        let opening = opening.strip_suffix(&format!("LeadDesk chat {}", chat.id)).unwrap_or("");
        match thread.first_mut().filter(|said| said.by == By::Visitor) {
            None => self.same(of, "opening", opening.starts_with("Chat with the bot"), true),
            Some(first) => {
                let rest = visible(&first.text);
                match rest.strip_prefix(&visible(opening)) {
                    Some(rest) => first.text = rest.to_owned(),
                    None => self.say(format!("{of}: the opening says something else")),
                }
                if first.text.is_empty() {
                    thread.remove(0);
                }
            }
        }

        let (bot, agent) = (self.fallback(), self.speaker(chat.agent_id));
        let mut parts = found.parts.iter().filter(|part| says(part));
        for said in &thread {
            let author = match said.by {
                By::Visitor => contact,
                By::Bot => &bot,
                By::Agent => &agent,
            };
            // A long text goes on in the next part.
            let mut left = visible(&said.text);
            while !left.is_empty() {
                let Some(part) = parts.next() else {
                    return self.say(format!("{of}: its thread ends early"));
                };
                let body = visible(&said_in(part));
                match left.strip_prefix(&body) {
                    Some(rest) => left = rest.to_owned(),
                    None => return self.say(format!("{of}: its thread says something else")),
                }
                let kinds = ["comment", "open"];
                self.same(of, "a reply", kinds.contains(&part.part_type.as_str()), true);
                self.same(of, "a message's author", part.author.id.as_str(), author);
                self.same(of, "a message's time", part.created_at, said.at);
                let silent = said.by != By::Visitor;
                self.same(of, "a message's silence", part.skip_notifications, silent);
            }
        }
        let rest: Vec<&Part> = parts.collect();
        let [details] = rest[..] else {
            return self.say(format!("{of}: {} parts follow its thread", rest.len()));
        };
        self.same(of, "details' kind", details.part_type.as_str(), "note");
        self.same(of, "details' author", details.author.id.as_str(), bot.as_str());
        self.same(of, "details' time", details.created_at, last);
        let body = said_in(details);
        let score = chat.feedback_score.map(|score| format!("Feedback: {score}"));
        let words = chat.feedback_text.as_ref().map(|text| format!("Feedback in words: {text}"));
        let language = chat.language.as_ref().filter(|_| !chat.turns.is_empty());
        let language = language.map(|language| format!("Language: {language}"));
        let duration = Some(format!("duration: {}", chat.seconds));
        let lines = [score, words, language, duration].into_iter().flatten();
        let lines: Vec<String> =
            std::iter::once("About this chat".to_owned()).chain(lines).collect();
        self.same(of, "details", body, lines.join("\n"));
    }
}

/// The text of a part. What teammates and the bot say is sent as HTML, what visitors say as it is.
fn said_in(part: &Part) -> String {
    let body = part.body.as_deref().unwrap_or_default();
    match body.starts_with("<p>") {
        true => super::text_of_html(body),
        false => body.to_owned(),
    }
}

pub(super) const VISITOR: &str = "leaddesk:chat-visitor:";

/// The sessions that wait, with their queues, and those whose visitors are anonymous.
pub(super) fn waiting<'a>(
    account: &'a Account,
    people: &People<'_>,
) -> (BTreeMap<&'a str, Waits>, BTreeSet<&'a str>) {
    let (mut waiting, mut anonymous) = (BTreeMap::new(), BTreeSet::new());
    for chat in &account.chats {
        match whose(people, chat) {
            Whose::Nobody(queue) => drop(waiting.insert(&*chat.id, queue)),
            Whose::Lead => drop(anonymous.insert(&*chat.id)),
            Whose::Person(_) => {}
        }
    }
    (waiting, anonymous)
}

fn whose(people: &People<'_>, chat: &SourceChat) -> Whose {
    let email = chat.email.as_deref().and_then(expect::address);
    let phone = chat.phone.as_deref().map(expect::e164);
    match (&email, &phone) {
        (None, None) => Whose::Lead,
        _ => match people.find(None, email.as_ref(), phone.as_ref()) {
            Ok(at) => Whose::Person(at),
            Err(queue) => Whose::Nobody(queue),
        },
    }
}

/// What was said, in order.
fn thread(account: &Account, chat: &SourceChat) -> Vec<Said> {
    let (mut thread, mut now) = (Vec::new(), 0);
    for turn in &chat.turns {
        now = moment(account, &turn.at, now).unwrap_or(now);
        let answers = if turn.agent == "HUMAN_REPLY" { By::Agent } else { By::Bot };
        if let Some(text) = &turn.question {
            thread.push(Said { by: By::Visitor, at: now, text: text.clone() });
        }
        if let Some(text) = &turn.answer {
            let shown = SHOWN.iter().find(|(html, _)| html == text);
            let plain = text.replace("<p>", "").replace("</p>", "");
            let text = match (&answers, shown) {
                (By::Agent, _) => text.clone(),
                (_, Some((_, shown))) => (*shown).to_owned(),
                (_, None) => plain,
            };
            thread.push(Said { by: answers, at: now, text });
        }
    }
    thread
}

/// A local time in UTC, if what was said before was said at `before`. Of a time that the clock shows twice the
/// first that is not before that.
fn moment(account: &Account, text: &str, before: i64) -> Option<i64> {
    let first = expect::utc(account, &Some(text.to_owned()))?;
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok()?;
    let again = account.time_zone.from_local_datetime(&naive).latest();
    let again = again.map_or(first, |again| again.timestamp());
    Some(if first < before { again.max(before) } else { first })
}

pub(super) fn outcome(chat: &SourceChat) -> Option<String> {
    let outcome = match chat.outcome.as_deref()? {
        "Handled" => "handled",
        "Transferred" => "transferred",
        "Abandoned" => "abandoned",
        "Ticket created" => "ticket",
        "UNSPECIFIED" => return None,
        other => other,
    };
    Some(outcome.to_owned())
}

fn attributes(chat: &SourceChat) -> BTreeMap<String, Value> {
    let mut intents: Vec<&str> = Vec::new();
    for turn in &chat.turns {
        if !turn.state.is_empty() && !intents.contains(&turn.state.as_str()) {
            intents.push(&turn.state);
        }
    }
    let source = format!("leaddesk:chat:{}", chat.id);
    let mut attributes = BTreeMap::from([("ld_source_key__c".to_owned(), json!(source))]);
    if !intents.is_empty() {
        attributes.insert("ld_intent__c".into(), json!(intents.join(", ")));
    }
    if let Some(outcome) = outcome(chat) {
        attributes.insert("ld_chatbot_outcome__c".into(), json!(outcome));
    }
    if let Some(campaign) = &chat.campaign {
        attributes.insert("ld_campaign_tag__c".into(), json!(format!("ld_campaign_{campaign}")));
    }
    attributes
}

/// In lower case.
pub(super) fn tags(chat: &SourceChat) -> BTreeSet<String> {
    let campaign = chat.campaign.as_ref().map(|name| format!("ld_campaign_{name}"));
    let outcome = outcome(chat).map(|name| format!("ld_outcome_{name}"));
    campaign.into_iter().chain(outcome).map(|tag| tag.to_lowercase()).collect()
}

fn visible(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace()).collect()
}
