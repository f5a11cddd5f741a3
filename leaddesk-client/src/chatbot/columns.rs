//! What a column may hold, and the headings that stand for it. This is data: a caller adds to it without touching code.

use std::fmt;

/// What a column holds. These are this crate's names, and no knowledge of what the export writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Column {
    /// Id of the conversation.
    ConversationId,
    /// Number of the turn or message in its conversation.
    TurnIndex,
    /// Id of the turn or message.
    MessageId,
    /// When the turn, message or conversation was.
    Timestamp,
    /// When the conversation began.
    StartedAt,
    /// When the conversation ended.
    EndedAt,
    /// What the visitor wrote or clicked. Empty once the conversation is anonymised.
    UserText,
    /// What the bot, or an agent, answered. It may hold HTML.
    BotText,
    /// What somebody wrote; who it was is in another column, if anywhere.
    Text,
    /// A whole conversation in one cell.
    Transcript,
    /// Who wrote.
    Role,
    /// The intent that answered, which was once called a state.
    Intent,
    /// The engine's score of the match. It is no feedback.
    MatchScore,
    /// A number of messages.
    MessagesTotal,
    /// A number of conversations.
    ConversationsTotal,
    /// A number of conversations that ended with the bot.
    ConversationsHandled,
    /// A number of conversations handed to a person.
    ConversationsTransferred,
    /// How the conversation ended.
    Outcome,
    /// Whether the conversation was handed to a person.
    Escalated,
    /// Whether the bot had an answer, or a number of answers.
    Answered,
    /// A number of messages without an answer.
    Unanswered,
    /// A number of answers judged wrong.
    FalsePositive,
    /// Whether a button was clicked instead of text typed, or a number of clicks.
    Triggered,
    /// Whether an intent followed another one.
    Followup,
    /// The visitor's grade. Empty is no grade; 0 may be the worst one or none.
    FeedbackScore,
    /// The visitor's feedback in words.
    FeedbackText,
    /// The visitor's thumb up or down for one answer.
    AnswerFeedback,
    /// How many times an intent answered.
    IntentMatches,
    /// The team or queue that a conversation was handed to.
    TransferTarget,
    /// How long the conversation took; the unit, if any, is in the heading.
    Duration,
    /// Time to the first answer.
    FirstResponseTime,
    /// Time to an answer.
    ResponseTime,
    /// Time until a person took the conversation.
    WaitTime,
    /// How long a person handled the conversation.
    AgentTime,
    /// An hour of the day.
    HourOfDay,
    /// A day of the week, as written; which day is 0 is not known.
    Weekday,
    /// Id of a person who answers.
    AgentId,
    /// Name of a person who answers.
    AgentName,
    /// E-mail address of a person who answers.
    AgentEmail,
    /// Whether a person, the bot or an integration answered.
    AgentKind,
    /// Team of a person who answers.
    Team,
    /// When the conversation was handed over.
    TransferredAt,
    /// When a person took the conversation.
    AcceptedAt,
    /// A number of conversations of a person.
    AgentConversations,
    /// A number of messages of a person.
    AgentMessages,
    /// The period that a row counts, or its start.
    PeriodStart,
    /// The end of the period that a row counts.
    PeriodEnd,
    /// How long the periods are.
    Frequency,
    /// The number in a table of names and numbers.
    Count,
    /// The name in a table of names and numbers.
    Series,
    /// Which bot.
    Bot,
    /// Which language.
    Language,
    /// Which channel.
    Channel,
}

/// Every column with its name.
const NAMES: &[(Column, &str)] = &[
    (Column::ConversationId, "conversation_id"),
    (Column::TurnIndex, "turn_index"),
    (Column::MessageId, "message_id"),
    (Column::Timestamp, "timestamp"),
    (Column::StartedAt, "started_at"),
    (Column::EndedAt, "ended_at"),
    (Column::UserText, "user_text"),
    (Column::BotText, "bot_text"),
    (Column::Text, "text"),
    (Column::Transcript, "transcript"),
    (Column::Role, "role"),
    (Column::Intent, "intent"),
    (Column::MatchScore, "match_score"),
    (Column::MessagesTotal, "messages_total"),
    (Column::ConversationsTotal, "conversations_total"),
    (Column::ConversationsHandled, "conversations_handled"),
    (Column::ConversationsTransferred, "conversations_transferred"),
    (Column::Outcome, "outcome"),
    (Column::Escalated, "escalated"),
    (Column::Answered, "answered"),
    (Column::Unanswered, "unanswered"),
    (Column::FalsePositive, "false_positive"),
    (Column::Triggered, "triggered"),
    (Column::Followup, "followup"),
    (Column::FeedbackScore, "feedback_score"),
    (Column::FeedbackText, "feedback_text"),
    (Column::AnswerFeedback, "answer_feedback"),
    (Column::IntentMatches, "intent_matches"),
    (Column::TransferTarget, "transfer_target"),
    (Column::Duration, "duration"),
    (Column::FirstResponseTime, "first_response_time"),
    (Column::ResponseTime, "response_time"),
    (Column::WaitTime, "wait_time"),
    (Column::AgentTime, "agent_time"),
    (Column::HourOfDay, "hour_of_day"),
    (Column::Weekday, "weekday"),
    (Column::AgentId, "agent_id"),
    (Column::AgentName, "agent_name"),
    (Column::AgentEmail, "agent_email"),
    (Column::AgentKind, "agent_kind"),
    (Column::Team, "team"),
    (Column::TransferredAt, "transferred_at"),
    (Column::AcceptedAt, "accepted_at"),
    (Column::AgentConversations, "agent_conversations"),
    (Column::AgentMessages, "agent_messages"),
    (Column::PeriodStart, "period_start"),
    (Column::PeriodEnd, "period_end"),
    (Column::Frequency, "frequency"),
    (Column::Count, "count"),
    (Column::Series, "series"),
    (Column::Bot, "bot"),
    (Column::Language, "language"),
    (Column::Channel, "channel"),
];

impl Column {
    /// The name, as [`Settings::aliases`](super::Settings::aliases) uses it.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(column, _)| *column == self).map_or("", |(_, name)| name)
    }

    /// The column of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        NAMES.iter().find(|(_, known)| *known == name).map(|(column, _)| *column)
    }

    /// All columns.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(column, _)| *column)
    }

    /// Whether it holds times.
    #[must_use]
    pub fn is_time(self) -> bool {
        matches!(
            self,
            Self::Timestamp
                | Self::StartedAt
                | Self::EndedAt
                | Self::TransferredAt
                | Self::AcceptedAt
                | Self::PeriodStart
                | Self::PeriodEnd
        )
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A heading as it is compared: without case, spaces, punctuation, accents and what stands in brackets at its end.
pub(super) fn fold(heading: &str) -> String {
    let heading = heading.trim();
    let plain = match heading.strip_suffix(')').and_then(|start| start.rsplit_once('(')) {
        Some((before, _)) if !before.trim().is_empty() => before,
        _ => heading,
    };
    let mut folded = String::with_capacity(plain.len());
    for character in plain.chars().flat_map(char::to_lowercase) {
        match character {
            'ä' | 'å' | 'á' | 'à' | 'â' => folded.push('a'),
            'ö' | 'ø' | 'ó' | 'ô' => folded.push('o'),
            'æ' => folded.push_str("ae"),
            'é' | 'è' | 'ê' => folded.push('e'),
            'ü' | 'ú' => folded.push('u'),
            _ if character.is_alphanumeric() => folded.push(character),
            _ => {}
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_to_one() {
        for column in Column::all() {
            assert_eq!(Column::named(column.name()), Some(column));
            assert_eq!(format!("{column:?}").to_lowercase(), fold(column.name()));
        }
    }

    #[test]
    fn headings_are_compared_without_their_dress() {
        for heading in
            ["\u{feff}Index in conversation", "indexInConversation", "INDEX_IN_CONVERSATION (1-n)"]
        {
            assert_eq!(fold(heading), "indexinconversation");
        }
        assert_eq!(fold("Päivämäärä"), "paivamaara");
        assert_eq!(fold("Pa\u{308}iva\u{308}ma\u{308}a\u{308}ra\u{308}"), "paivamaara");
        assert_eq!(fold("\u{a0}Kesto\u{200b} (s)"), "kesto");
        assert_eq!(fold("(s)"), "s");
    }
}
