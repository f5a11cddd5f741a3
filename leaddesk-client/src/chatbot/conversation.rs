//! One conversation, put together from the rows of up to four files.

use std::fmt;

use serde::Serialize;

use super::columns::{Column, fold};
use super::time::Timestamp;
use crate::model::{Personal, PersonalText};

/// Id of a conversation with the chatbot: text of unknown form, compared as it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ConversationId(String);

impl ConversationId {
    /// An id from its text, without surrounding white space.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self(id.trim().to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the files say about one conversation. `Debug` shows no content, what is serialised all of it.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// What was said, in order: by the turns' numbers, else by their times, else as the file has it. Empty if no file
    /// holds messages, or if nothing but a greeting was said.
    pub turns: Vec<Turn>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Whether it was handed to a person: `Some(true)` if any row says so, `None` if no row says anything.
    pub transferred: Option<bool>,
    /// The visitor's grade, as written.
    pub feedback_score: Option<String>,
    /// The visitor's feedback in words.
    pub feedback_text: PersonalText,
    /// The intent of the conversation, where a row about the whole conversation has one.
    pub intent: Option<String>,
    /// When it began: as a file says, else when the first turn was.
    pub started: Option<When>,
    /// When it ended: as a file says, else when the last turn was.
    pub ended: Option<When>,
    /// The people who answered.
    pub agents: Vec<Agent>,
    /// The team or queue that it was handed to.
    pub transfer_target: Option<String>,
    /// Its language, as written.
    pub language: Option<String>,
    /// Its channel, as written.
    pub channel: Option<String>,
    /// The bot, as written.
    pub bot: Option<String>,
    /// Other columns of the rows about the whole conversation: name of the [column](Column::name) or heading, and
    /// content. Durations are among them, as their unit is not known for certain.
    pub extra: Personal<Vec<(String, String)>>,
    /// What the rows contradict each other about, and what was left out.
    pub notes: Vec<String>,
}

/// What somebody said. `Debug` shows no content, what is serialised all of it.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Turn {
    /// Its number in the conversation, as the file has it. A question and its answer share it.
    pub index: Option<u64>,
    /// When it was said.
    pub at: Option<When>,
    /// Who said it.
    pub who: Who,
    /// What was said. The bot's text may hold HTML, which is left as it is.
    pub text: Personal<String>,
    /// Whether the visitor clicked a button instead of typing.
    pub clicked: bool,
    /// The intent that answered.
    pub intent: Option<String>,
    /// Id of the turn; a question and its answer in one row share it.
    pub message_id: Option<String>,
    /// Number of the record in the file of conversations.
    pub record: u64,
    /// Other columns of the row, with the first turn of it.
    pub extra: Personal<Vec<(String, String)>>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Who {
    /// The visitor.
    Visitor,
    /// The bot, or an integration that answered for it.
    Bot,
    /// A person who answers.
    Agent,
    /// The file does not say.
    Unknown,
}

/// A time as written, and as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct When {
    /// What was written.
    pub text: String,
    /// What that means; `None` if it cannot be read for certain.
    pub timestamp: Option<Timestamp>,
}

/// A person who answers. `Debug` shows no content, what is serialised all of it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Agent {
    /// Id.
    pub id: PersonalText,
    /// Name.
    pub name: PersonalText,
    /// E-mail address.
    pub email: PersonalText,
    /// Team.
    pub team: Option<String>,
    /// When the conversation was handed over.
    pub transferred_at: Option<When>,
    /// When the person took it.
    pub accepted_at: Option<When>,
}

/// How a conversation ended. The words are those of the chatbot's screens, of StarChat and of comparable products.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// With the bot.
    Handled,
    /// Handed to a person.
    Transferred,
    /// The visitor went away.
    Abandoned,
    /// A ticket was made.
    Ticket,
    /// The file says that it does not say. This is not the same as handled.
    Unspecified,
    /// Anything else, as written.
    Other(Personal<String>),
}

impl Outcome {
    /// What the text says; `None` if it is empty.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        Some(match fold(text).as_str() {
            "" if text.trim().is_empty() => return None,
            "handled" | "deflected" | "resolved" | "completed" | "nottransferred" | "contained"
            | "automated" | "kasitelty" | "hanterad" | "handtert" => Self::Handled,
            "transferred" | "escalated" | "handover" | "handedover" | "liveagent" | "siirretty"
            | "overford" | "overfort" => Self::Transferred,
            "abandoned" | "dropped" | "timeout" | "timedout" => Self::Abandoned,
            "ticket" | "ticketcreated" => Self::Ticket,
            "unspecified" => Self::Unspecified,
            _ => Self::Other(Personal::new(text.trim().to_owned())),
        })
    }
}

/// Whether the text says that a conversation was handed over; `None` if it says neither.
pub(super) fn transferred(text: &str) -> Option<bool> {
    match fold(text).as_str() {
        "transferred" | "escalated" | "handover" | "handedover" | "liveagent" | "yes" | "true"
        | "1" | "y" | "kylla" | "ja" | "siirretty" => Some(true),
        "nottransferred" | "notescalated" | "no" | "false" | "0" | "n" | "ei" | "nej" | "nei" => {
            Some(false)
        }
        _ => None,
    }
}

/// Who answered, in StarChat's words; `None` if the text is none of them.
pub(super) fn agent_of(text: &str) -> Option<Who> {
    match fold(text).as_str() {
        "humanreply" | "humanpicked" | "human" => Some(Who::Agent),
        "starchat" | "bot" | "connector" => Some(Who::Bot),
        "unspecified" => Some(Who::Unknown),
        _ => None,
    }
}

/// Who wrote, in the words of exports with one row per message.
pub(super) fn author(text: &str) -> Who {
    match fold(text).as_str() {
        "visitor" | "user" | "customer" | "client" | "contact" | "enduser" | "guest" | "lead"
        | "inbound" | "incoming" | "in" | "asiakas" | "kavija" | "kund" | "kunde" | "besokare" => {
            Who::Visitor
        }
        "bot" | "starchat" | "connector" | "chatbot" | "assistant" | "botti" => Who::Bot,
        "agent" | "human" | "humanreply" | "humanpicked" | "operator" | "admin" | "liveagent"
        | "agentti" | "asiakaspalvelija" | "handlaggare" | "saksbehandler" => Who::Agent,
        _ => Who::Unknown,
    }
}

/// Whether a spreadsheet has turned a long number into one such as `1.23E+15`, which loses digits.
pub(super) fn is_mangled(id: &str) -> bool {
    let Some((digits, power)) = id.split_once("E+").or_else(|| id.split_once("e+")) else {
        return false;
    };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = digits.split_once(['.', ',']).unwrap_or((digits, "0"));
    plain(power) && plain(parts.0) && plain(parts.1)
}

/// The columns that a [`Conversation`] or [`Turn`] has a field for.
pub(super) fn has_field(column: Column) -> bool {
    matches!(
        column,
        Column::ConversationId
            | Column::TurnIndex
            | Column::MessageId
            | Column::Timestamp
            | Column::StartedAt
            | Column::EndedAt
            | Column::UserText
            | Column::BotText
            | Column::Text
            | Column::Transcript
            | Column::Role
            | Column::Intent
            | Column::Outcome
            | Column::FeedbackScore
            | Column::FeedbackText
            | Column::TransferTarget
            | Column::AgentId
            | Column::AgentName
            | Column::AgentEmail
            | Column::Team
            | Column::TransferredAt
            | Column::AcceptedAt
            | Column::Language
            | Column::Channel
            | Column::Bot
    )
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation")
            .field("id", &self.id)
            .field("turns", &self.turns.len())
            .field("agents", &self.agents.len())
            .field("transferred", &self.transferred)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("record", &self.record)
            .field("index", &self.index)
            .field("who", &self.who)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(Outcome::of("Not transferred"), Some(Outcome::Handled));
        assert_eq!(Outcome::of("TRANSFERRED"), Some(Outcome::Transferred));
        assert_eq!(Outcome::of("unspecified"), Some(Outcome::Unspecified));
        assert_eq!(Outcome::of(" "), None);
        assert!(matches!(Outcome::of("!"), Some(Outcome::Other(_))));
        assert_eq!(author("End-user"), Who::Visitor);
        assert_eq!(author("HUMAN_REPLY"), Who::Agent);
        assert_eq!(author("Ada"), Who::Unknown);
    }

    #[test]
    fn ids_that_a_spreadsheet_rewrote() {
        for id in ["1.23E+15", "1,23E+15", "1e+20"] {
            assert!(is_mangled(id), "{id}");
        }
        for id in ["123", "1.2E15x", "abE+12", "1.23E+", "conv:1000", "E+1"] {
            assert!(!is_mangled(id), "{id}");
        }
    }
}
