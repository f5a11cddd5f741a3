//! What becomes of each field of a session of the chatbot, and of each column that its export may have.

use std::fs;

use leaddesk_client::chatbot::{self, Archive, Column, Settings};
use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::map::ChatMapper;
use leaddesk_to_intercom::source::{Chat, keys};
use serde_json::Value;

use super::Becomes::{self, Decides, Inventoried, Known, LeftOut, Noted, Written};
use super::{Made, Table, each_field_is_decided, made, text};

/// A session with something in each of its fields.
const CONVERSATIONS: &str = "\
    conversation_id,turn_index,message_id,timestamp,user_text,bot_text,intent,agent_kind,page\n\
    c-1,1,m-1,2024-07-15 12:00:00,Hei,Moi,Hinnat,STARCHAT,/a\n\
    c-1,2,m-2,2024-07-15 12:01:00,,Hoidetaan,,HUMAN_REPLY,/b\n";
const AGENTS: &str = "\
    conversation_id,agent_id,agent_name,agent_email,team,transferred_at,accepted_at\n\
    c-1,301,Aino A,aino@example.com,Helsinki,2024-07-15 12:00:30,2024-07-15 12:00:40\n";

fn conversation() -> Table {
    vec![
        ("id", Written(text("c-2"))),
        ("turns", Written(text("what was said"))),
        ("outcome", Written(text("handled"))),
        ("transferred", Decides("the outcome, where none is told", text("escalated"))),
        ("feedback_score", Written(text("9"))),
        ("feedback_text", Written(text("kiitos"))),
        ("intent", Written(text("Hinnat"))),
        ("started", Decides("the time of a session without another", text("started_at"))),
        ("ended", LeftOut("the last message tells when it was over")),
        ("agents", Decides("who speaks where a person does", text("agent_id"))),
        ("transfer_target", Written(text("Myynti"))),
        ("language", Written(text("fi"))),
        ("channel", Written(text("web"))),
        ("bot", Written(text("Botti"))),
        ("extra", Written(text("other columns"))),
        ("notes", Noted("chatbot_rows", text("contradictions"))),
    ]
}

fn turn() -> Table {
    vec![
        ("index", Decides("the order, and the name of the part", text("turn_index"))),
        ("at", Written(text("its time"))),
        ("who", Written(text("its author"))),
        ("text", Written(text("what was said"))),
        ("clicked", LeftOut("a button says the same as the text of it")),
        ("intent", Written(text("Hinnat"))),
        ("message_id", LeftOut("an id inside the chatbot, of a message that has a place")),
        ("record", LeftOut("the place in the file")),
        ("extra", Written(text("other columns"))),
    ]
}

fn agent() -> Table {
    vec![
        ("id", Decides("which teammate speaks", text("agent_id"))),
        ("name", Decides("which teammate speaks", text("agent_name"))),
        ("email", Decides("which teammate speaks", text("agent_email"))),
        ("team", Written(text("Helsinki"))),
        ("transferred_at", Decides("that it was transferred", text("transferred_at"))),
        ("accepted_at", Decides("who of several speaks", text("accepted_at"))),
    ]
}

fn when() -> Table {
    vec![
        ("text", LeftOut("the same in the words of the file")),
        ("timestamp", Written(text("the time of a message"))),
    ]
}

/// Where a column is put to see what becomes of it.
enum In {
    /// Beside texts of the visitor and of the bot.
    Both,
    /// Where there is one text, and it is not said whose.
    One,
    /// Beside texts, of which that of the bot's side is a person's.
    Person,
    /// Where no text has a time.
    Timeless,
    /// Into a file about agents, beside one.
    Agents,
    /// Into a file about agents, for the second of two, who answered after the visitor had written.
    Second,
    /// Beside the start of a period: a file of counts, which becomes no sessions.
    Counts,
}

use In::{Agents, Both, Counts, One, Person, Second, Timeless};

/// The columns, where and with which content each is tried, and what becomes of it.
fn columns() -> Vec<(&'static str, In, &'static str, Becomes)> {
    let written = || Written(Value::Null);
    let engine = || LeftOut("a mark of the engine, which says nothing to a reader");
    let count = || LeftOut("a count, which says nothing to a reader");
    let decides = |what| Decides(what, Value::Null);
    vec![
        ("conversation_id", Both, "c-2", written()),
        ("turn_index", Both, "7", decides("the order, and the name of the part")),
        ("message_id", Both, "m-1", LeftOut("an id inside the chatbot")),
        ("timestamp", Both, "2024-07-16 12:00:00", written()),
        ("started_at", Both, "2024-07-15 11:00:00", LeftOut("the first message tells it")),
        ("started_at", Timeless, "2024-07-15 11:00:00", decides("the time of the session")),
        ("ended_at", Both, "2024-07-15 13:00:00", LeftOut("the last message tells it")),
        ("user_text", Both, "Huomenta", written()),
        ("bot_text", Both, "Iltaa", written()),
        ("text", Both, "Ja vielä", written()),
        ("transcript", Both, "Visitor: Hei Bot: Moi", written()),
        ("role", One, "agent", written()),
        ("intent", Both, "Hinnat", written()),
        ("match_score", Both, "0.9", engine()),
        ("messages_total", Both, "4", engine()),
        ("conversations_total", Both, "4", written()),
        ("conversations_total", Counts, "4", Inventoried),
        ("conversations_handled", Both, "4", written()),
        ("conversations_handled", Counts, "4", Inventoried),
        ("conversations_transferred", Both, "4", written()),
        ("conversations_transferred", Counts, "4", Inventoried),
        ("outcome", Both, "Abandoned", written()),
        ("escalated", Both, "yes", decides("the outcome, where none is told")),
        ("answered", Both, "true", engine()),
        ("unanswered", Both, "1", engine()),
        ("false_positive", Both, "1", engine()),
        ("triggered", Both, "button", engine()),
        ("followup", Both, "true", engine()),
        ("feedback_score", Both, "9", written()),
        ("feedback_text", Both, "kiitos", written()),
        ("answer_feedback", Both, "up", written()),
        ("intent_matches", Both, "3", engine()),
        ("transfer_target", Both, "Myynti", written()),
        ("duration", Both, "60", written()),
        ("first_response_time", Both, "2", written()),
        ("response_time", Both, "2", written()),
        ("wait_time", Both, "2", written()),
        ("agent_time", Both, "2", written()),
        ("hour_of_day", Both, "12", written()),
        ("hour_of_day", Counts, "12", Inventoried),
        ("weekday", Both, "1", written()),
        ("weekday", Counts, "1", Inventoried),
        ("agent_id", Person, "302", decides("which teammate speaks")),
        ("agent_name", Person, "Eero", decides("which teammate speaks")),
        ("agent_email", Person, "eero@example.com", decides("which teammate speaks")),
        ("agent_kind", Both, "HUMAN_REPLY", written()),
        ("team", Both, "Helsinki", written()),
        ("team", Agents, "Helsinki", written()),
        ("transferred_at", Both, "2024-07-15 12:00:30", decides("the outcome, and who speaks")),
        ("accepted_at", Second, "2024-07-15 12:00:00", decides("who of several agents speaks")),
        ("agent_conversations", Both, "4", written()),
        ("agent_conversations", Counts, "4", Inventoried),
        ("agent_messages", Both, "4", written()),
        ("agent_messages", Counts, "4", Inventoried),
        ("period_start", Both, "2024-07-01", written()),
        ("period_start", Counts, "2024-07-01", Inventoried),
        ("period_end", Both, "2024-07-31", written()),
        ("period_end", Counts, "2024-07-31", Inventoried),
        ("frequency", Both, "1 month", count()),
        ("frequency", Counts, "1 month", Inventoried),
        ("count", Both, "4", count()),
        ("count", Counts, "4", Inventoried),
        ("series", Both, "Hinnat", count()),
        ("series", Counts, "Hinnat", Inventoried),
        ("bot", Both, "Botti", written()),
        ("language", Both, "fi", written()),
        ("channel", Both, "web", written()),
    ]
}

#[test]
fn every_field_of_a_session_has_a_decision() {
    let session = session(&[("conversations.csv", CONVERSATIONS), ("agent.csv", AGENTS)]);
    let whole = serde_json::to_value(&session.unwrap().conversation).unwrap();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect();
    each_field_is_decided("Conversation", &fields(&whole), &conversation());
    each_field_is_decided("Turn", &fields(&whole["turns"][0]), &turn());
    each_field_is_decided("Agent", &fields(&whole["agents"][0]), &agent());
    each_field_is_decided("When", &fields(&whole["started"]), &when());
}

#[test]
fn every_column_becomes_what_is_decided() {
    let table = columns();
    for column in Column::all() {
        let decided = table.iter().any(|(name, ..)| *name == column.name());
        assert!(decided, "nobody has decided what becomes of the column {column}");
    }
    for (column, place, cell, becomes) in table {
        let (with, without) = (tried(column, &place, Some(cell)), tried(column, &place, None));
        let is_same = with.drafts == without.drafts;
        match becomes {
            Written(_) => {
                // A column that makes the file one of counts would be missing as well.
                assert!(!is_same && !with.drafts.is_null(), "{column} is not written");
            }
            LeftOut(reason) => {
                assert!(reason.len() > 10, "{column}: a reason is given");
                assert!(is_same, "{column} is written, and was to be left out");
            }
            Decides(what, _) => assert!(!is_same, "{column} does not decide {what}"),
            // The files of a run have it, which are looked at where runs are.
            Inventoried => assert!(with.drafts.is_null(), "{column} is in a session"),
            Known(_) | Noted(..) => panic!("{column}: columns are no records"),
        }
    }
}

/// What decides about a session is shown by a column that changes what becomes of it.
#[test]
fn what_decides_is_tried_by_a_column() {
    let columns = columns();
    for (field, becomes) in [conversation(), turn(), agent()].into_iter().flatten() {
        let Decides(what, column) = becomes else { continue };
        let tried = columns.iter().any(|(name, _, _, becomes)| {
            column == **name && matches!(becomes, Decides(..) | Written(_))
        });
        assert!(tried, "nothing shows that {field} decides {what}");
    }
}

/// The columns of a file of counts, each with a cell.
pub(super) fn counts() -> impl Iterator<Item = (&'static str, &'static str)> {
    let columns = columns().into_iter();
    columns
        .filter(|(.., becomes)| matches!(becomes, Inventoried))
        .map(|(name, _, cell, _)| (name, cell))
}

/// What a session becomes whose rows have this in the column, or nothing.
fn tried(column: &str, place: &In, cell: Option<&str>) -> Made {
    let said = vec!["conversation_id", "timestamp", "user_text", "bot_text"];
    let (mut heading, mut row) = match place {
        One => (vec!["conversation_id", "timestamp", "text"], vec!["c-1", TIME, "Hei"]),
        Both | Agents => (said, vec!["c-1", TIME, "Hei", "Moi"]),
        Person | Second => {
            let heading = [said, vec!["agent_kind"]].concat();
            (heading, vec!["c-1", TIME, "Hei", "Moi", "HUMAN_REPLY"])
        }
        Timeless => (vec!["conversation_id", "user_text"], vec!["c-1", "Hei"]),
        Counts => (vec!["period_start", "messages_total"], vec!["2024-07-01", "4"]),
    };
    let (mut about, mut agent) = (vec!["conversation_id", "agent_id"], vec!["c-1", "301"]);
    let first = agent.join(",");
    if matches!(place, Second) {
        agent[1] = "302";
    }
    let (headings, cells) = match place {
        Agents | Second => (&mut about, &mut agent),
        _ => (&mut heading, &mut row),
    };
    match (cell, headings.iter().position(|known| *known == column)) {
        (Some(cell), Some(at)) => cells[at] = cell,
        (Some(cell), None) => {
            headings.push(column);
            cells.push(cell);
        }
        (None, _) => {}
    }
    let said = format!("{}\n{}\n", heading.join(","), row.join(","));
    let first = match (place, cell) {
        (Second, Some(_)) => format!("{first},\n"),
        (Second, None) => format!("{first}\n"),
        _ => String::new(),
    };
    let agents = format!("{}\n{first}{}\n", about.join(","), agent.join(","));
    let files = match place {
        Agents | Second => vec![("conversations.csv", &*said), ("agent.csv", &*agents)],
        _ => vec![("conversations.csv", &*said)],
    };
    let Some(chat) = session(&files) else {
        let (drafts, names) = (Value::Null, String::new());
        return Made { drafts, names, notes: Vec::new() };
    };
    let now = "2026-11-01T00:00:00Z".parse().unwrap();
    made(&ChatMapper::new(&config(), now), keys::chat(&chat.conversation.id), chat)
}

const TIME: &str = "2024-07-15 12:00:00";

/// The first session of an export of these files; none where they are counts.
fn session(files: &[(&str, &str)]) -> Option<Chat> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let mut settings = Settings::default();
    settings.aliases = Column::all().map(|it| (it.name().into(), it.name().into())).collect();
    let archive = Archive::open(dir.path(), settings).unwrap();
    let conversation = chatbot::conversations(&archive).ok()?.next()?.unwrap().unwrap();
    Some(Chat::new(conversation))
}

fn config() -> Config {
    let text = "[source]\nkind = 'api'\ntime_zone = 'Europe/Helsinki'\n[source.original]\n\
                [source.chatbot]\nzip = 'chatbot.zip'\n\
                [destination]\nregion = 'eu'\nfallback_admin = 'ops@example.com'\n";
    Config::parse(text, "test.toml").unwrap()
}
