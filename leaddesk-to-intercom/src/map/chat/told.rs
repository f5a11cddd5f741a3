//! What the rows of a session tell: when it began, who spoke, what it was about.

use chrono::NaiveTime;
use leaddesk_client::chatbot::{Agent, Conversation, Outcome, Timestamp, When};
use migrate_core::Name;

use crate::map::{is_moment, read};
use crate::source::{chats, keys};
use crate::value::tag::one_line;
use crate::value::{Local, Zone};

/// Columns that say nothing to those who read the conversation: marks of the engine, and counts.
const LEFT_OUT: &[&str] = &[
    "agent_kind",
    "answered",
    "count",
    "escalated",
    "false_positive",
    "followup",
    "frequency",
    "intent_matches",
    "match_score",
    "messages_total",
    "series",
    "triggered",
    "unanswered",
];

/// When the session began, in UNIX seconds: its first message, else what a file says, to the day if need be.
pub(in crate::map) fn begun(talk: &Conversation, zone: Zone) -> Option<i64> {
    let mut messages = talk.turns.iter().filter_map(|turn| turn.at.as_ref());
    let first = messages.find_map(|when| moment(when, zone));
    let days = talk.started.iter().chain(talk.turns.iter().filter_map(|turn| turn.at.as_ref()));
    let begun = first
        .or_else(|| talk.started.as_ref().and_then(|when| moment(when, zone)))
        .or_else(|| days.into_iter().find_map(|when| midnight(when, zone)))?;
    Some(begun.utc().timestamp())
}

pub(super) fn moment(when: &When, zone: Zone) -> Option<Local> {
    let local = match when.timestamp? {
        Timestamp::Instant(at) => Some(Local::Exact(at)),
        Timestamp::Local(at) => zone.resolve(at),
        _ => None,
    };
    local.filter(|local| is_moment(*local))
}

fn midnight(when: &When, zone: Zone) -> Option<Local> {
    let local = match when.timestamp? {
        Timestamp::Day(day) => zone.resolve(day.and_time(NaiveTime::MIN)),
        _ => None,
    };
    local.filter(|local| is_moment(*local))
}

/// The names of the agent who spoke at a time: of several, the last who had taken the session by then.
pub(super) fn agent(talk: &Conversation, at: i64, zone: Zone) -> Vec<Name> {
    let taken = |agent: &&Agent| {
        let when = agent.accepted_at.as_ref().or(agent.transferred_at.as_ref())?;
        moment(when, zone).map(|when| when.utc().timestamp())
    };
    let by_then = talk.agents.iter().filter(|agent| taken(agent).is_some_and(|taken| taken <= at));
    let Some(agent) = by_then.max_by_key(taken).or(talk.agents.first()) else { return Vec::new() };
    let said = |field| Some(read(field).trim()).filter(|text| !text.is_empty());
    let email = said(&agent.email).map(|email| Name::Alias(keys::agent_email(email)));
    let id = said(&agent.id).map(|id| Name::Key(keys::agent(id)));
    let name = said(&agent.name).map(|name| Name::Alias(keys::username(name)));
    email.into_iter().chain(id).chain(name).collect()
}

/// The teams of those who answered, each once.
pub(super) fn teams(talk: &Conversation) -> Vec<&str> {
    let mut teams: Vec<&str> = Vec::new();
    for team in talk.agents.iter().filter_map(|agent| agent.team.as_deref()) {
        if !teams.contains(&team) {
            teams.push(team);
        }
    }
    teams
}

/// The intent of the whole session, else those that answered, each once and in order.
pub(super) fn intents(talk: &Conversation) -> Vec<String> {
    let each = talk.turns.iter().filter_map(|turn| turn.intent.as_deref());
    let all: Vec<&str> = match talk.intent.as_deref() {
        Some(whole) => vec![whole],
        None => each.collect(),
    };
    let mut kept: Vec<String> = Vec::new();
    for intent in all.into_iter().map(one_line) {
        if !intent.is_empty() && !kept.contains(&intent) {
            kept.push(intent);
        }
    }
    kept
}

pub(super) fn outcome(talk: &Conversation) -> String {
    match &talk.outcome {
        Some(Outcome::Handled) => "handled",
        Some(Outcome::Transferred) => "transferred",
        Some(Outcome::Abandoned) => "abandoned",
        Some(Outcome::Ticket) => "ticket",
        Some(Outcome::Other(text)) => text.reveal().as_str(),
        // That a file does not say how it ended is no outcome.
        _ => match talk.transferred {
            Some(true) => "transferred",
            Some(false) if talk.outcome.is_none() => "handled",
            _ => "",
        },
    }
    .to_owned()
}

/// The columns that the reader has no field for.
fn fields(talk: &Conversation) -> impl Iterator<Item = &(String, String)> {
    let turns = talk.turns.iter().flat_map(|turn| turn.extra.reveal());
    talk.extra.reveal().iter().chain(turns)
}

fn is_campaign(heading: &str) -> bool {
    matches!(&*chats::folded(heading), "campaign" | "campaignname" | "kampanja" | "kampanj")
}

pub(super) fn campaign(talk: &Conversation) -> Option<&str> {
    fields(talk).find(|(heading, _)| is_campaign(heading)).map(|(_, name)| name.as_str())
}

/// The other columns with their different values, each heading once.
pub(super) fn others(talk: &Conversation) -> Vec<(String, Vec<&str>)> {
    let mut others: Vec<(String, Vec<&str>)> = Vec::new();
    for (heading, value) in fields(talk) {
        let known = LEFT_OUT.contains(&heading.as_str())
            || chats::is_about_visitor(heading)
            || is_campaign(heading);
        if known {
            continue;
        }
        match others.iter_mut().find(|(other, _)| other == heading) {
            Some((_, values)) if values.contains(&value.as_str()) => {}
            Some((_, values)) => values.push(value),
            None => others.push((heading.clone(), vec![value])),
        }
    }
    others
}
