//! Headings that stand for columns. All of it is inference from the chatbot's own screens, from StarChat and from other
//! products' exports; see the module's documentation.

use super::columns::Column;

/// Columns with their headings. The same heading may stand for several columns; the cells decide.
pub(super) type Table = &'static [(Column, &'static [&'static str])];

/// Conversations.
pub(super) const CONVERSATIONS: Table = &[
    (
        Column::ConversationId,
        &[
            "conversation",
            "conv",
            "conv_id",
            "conversation_uuid",
            "session",
            "session_id",
            "chat_id",
            "discussion_id",
            "thread_id",
            "keskustelu",
            "keskustelu_id",
            "keskustelun_id",
            "samtal_id",
            "samtale_id",
        ],
    ),
    (
        Column::TurnIndex,
        &[
            "index_in_conversation",
            "index",
            "idx",
            "turn",
            "message_index",
            "message_no",
            "order",
            "sequence",
        ],
    ),
    (Column::MessageId, &["id", "qa_id", "document_id"]),
    (Column::ConversationId, &["id"]),
    (
        Column::Timestamp,
        &[
            "time",
            "datetime",
            "created",
            "created_at",
            "sent_at",
            "send_time",
            "date",
            "aikaleima",
            "tidsstampel",
            "tidspunkt",
            "pvm",
            "paivamaara",
            "aika",
        ],
    ),
    (
        Column::StartedAt,
        &[
            "start",
            "started",
            "start_time",
            "conversation_start",
            "first_message_at",
            "alku",
            "starttid",
        ],
    ),
    (
        Column::EndedAt,
        &["end", "ended", "end_time", "closed_at", "last_message_at", "loppu", "sluttid"],
    ),
    (
        Column::UserText,
        &[
            "question",
            "query",
            "user_message",
            "user_input",
            "customer_message",
            "visitor_message",
            "input",
            "kysymys",
            "fraga",
            "sporsmal",
        ],
    ),
    (
        Column::BotText,
        &[
            "answer",
            "reply",
            "response",
            "bubble",
            "bot_message",
            "bot_reply",
            "output",
            "vastaus",
            "svar",
        ],
    ),
    (Column::Text, &["message", "content", "body", "viesti", "meddelande", "melding", "besked"]),
    (
        Column::MessagesTotal,
        &[
            "messages",
            "message_count",
            "total_messages",
            "number_of_messages",
            "turns",
            "conv_idx_counter",
            "qa_pair_histogram",
            "viestit",
        ],
    ),
    (
        Column::Transcript,
        &[
            "conversation_text",
            "chat_transcript",
            "messages",
            "history",
            "dialogue",
            "conversation",
        ],
    ),
    (
        Column::Role,
        &[
            "sender",
            "sender_type",
            "author",
            "author_type",
            "from",
            "direction",
            "lahettaja",
            "avsandare",
        ],
    ),
    (
        Column::Intent,
        &["state", "intent_name", "matched_intent", "state_name", "topic", "aihe", "intentti"],
    ),
    (Column::MatchScore, &["response_score", "score", "confidence", "pisteet"]),
    (
        Column::ConversationsTotal,
        &[
            "conversations",
            "total",
            "total_conversations",
            "conversation_count",
            "conversations_histogram",
            "keskustelut",
            "keskusteluja",
            "samtal",
            "samtaler",
            "yhteensa",
        ],
    ),
    (
        Column::ConversationsHandled,
        &[
            "handled",
            "not_transferred",
            "bot_handled",
            "deflected",
            "deflection",
            "conversations_not_transferred",
            "conversations_not_transferred_histogram",
            "automated",
            "contained",
            "kasitelty",
            "hanterade",
            "handtert",
        ],
    ),
    (
        Column::ConversationsTransferred,
        &[
            "transferred",
            "escalated",
            "handover",
            "handed_over",
            "conversations_transferred_histogram",
            "siirretty",
            "overforda",
            "overfort",
        ],
    ),
];

/// Outcomes.
pub(super) const OUTCOMES: Table = &[
    (
        Column::Outcome,
        &[
            "result",
            "resolution",
            "conversation_outcome",
            "session_outcome",
            "status",
            "tulos",
            "lopputulos",
            "utfall",
            "resultat",
        ],
    ),
    (
        Column::Escalated,
        &["transferred", "is_transferred", "handover", "transfer", "siirretty", "overford"],
    ),
    (
        Column::Answered,
        &[
            "answer_status",
            "answered_status",
            "qa_pair_answered",
            "qa_pair_answered_histogram",
            "vastattu",
            "besvarade",
        ],
    ),
    (
        Column::Unanswered,
        &[
            "not_answered",
            "fallback",
            "no_match",
            "qa_pair_unanswered_histogram",
            "vastaamatta",
            "obesvarade",
            "ubesvart",
        ],
    ),
    (
        Column::FalsePositive,
        &[
            "false_positives",
            "answered_false_positive",
            "qa_pair_answered_false_positive_histogram",
            "virhe_osuma",
        ],
    ),
    (
        Column::Triggered,
        &["trigger", "button", "buttons", "button_clicks", "qa_pair_triggered_histogram"],
    ),
    (Column::Followup, &["follow_up"]),
    (
        Column::FeedbackScore,
        &[
            "feedback",
            "feedback_conv_score",
            "avg_feedback_conv_score",
            "rating",
            "csat",
            "nps",
            "grade",
            "arvosana",
            "betyg",
            "karakter",
            "palaute",
        ],
    ),
    (
        Column::FeedbackText,
        &["feedback", "feedback_conv", "comment", "palaute", "omdome", "tilbakemelding"],
    ),
    (
        Column::AnswerFeedback,
        &[
            "feedback_answer_score",
            "thumbs",
            "like",
            "dislike",
            "likes",
            "dislikes",
            "message_feedback",
        ],
    ),
    (
        Column::IntentMatches,
        &["matches", "qa_matched_states", "qa_matched_states_histogram", "hits"],
    ),
    (Column::TransferTarget, &["target", "team", "queue", "group", "jono", "tiimi"]),
];

/// Timing.
pub(super) const TIMING: Table = &[
    (
        Column::Duration,
        &[
            "length",
            "conversation_duration",
            "conversation_length",
            "handling_time",
            "avg_duration",
            "average_duration",
            "avg_conversation_length",
            "kesto",
            "varaktighet",
            "varighet",
        ],
    ),
    (
        Column::FirstResponseTime,
        &["first_reply_time", "frt", "time_to_first_response", "ensivastausaika"],
    ),
    (
        Column::ResponseTime,
        &["avg_response_time", "reply_time", "bot_response_time", "vasteaika", "svarstid"],
    ),
    (
        Column::WaitTime,
        &["waiting_time", "queue_time", "time_to_agent", "jonotusaika", "vantetid", "ventetid"],
    ),
    (Column::AgentTime, &["human_time", "agent_duration", "handling_time_agent"]),
    (Column::HourOfDay, &["hour", "time_of_day", "tunti", "timme", "time"]),
    (Column::Weekday, &["day_of_week", "dow", "viikonpaiva", "veckodag", "ukedag"]),
];

/// Agents.
pub(super) const AGENT: Table = &[
    (Column::AgentId, &["user_id", "operator_id", "agent_uuid", "agentti_id"]),
    (
        Column::AgentKind,
        &["agent", "agent_type", "answered_by", "handled_by", "source", "author_type"],
    ),
    (
        Column::AgentName,
        &[
            "agent",
            "operator",
            "user",
            "handler",
            "agentti",
            "asiakaspalvelija",
            "handlaggare",
            "saksbehandler",
        ],
    ),
    (Column::AgentEmail, &["email", "e_mail", "sahkoposti", "e_post"]),
    (Column::Team, &["group", "queue", "department", "tiimi", "jono", "avdelning", "avdeling"]),
    (Column::TransferredAt, &["transfer_time", "handover_time", "escalated_at"]),
    (Column::AcceptedAt, &["picked_at", "agent_joined_at", "assigned_at"]),
    (
        Column::AgentConversations,
        &["conversations", "handled", "chats", "transferred", "received", "accepted"],
    ),
    (
        Column::AgentMessages,
        &["messages", "replies", "human_reply", "human_picked", "sent_messages"],
    ),
];

/// Columns that may stand in any file.
pub(super) const COMMON: Table = &[
    (Column::Frequency, &["interval", "granularity", "resolution"]),
    (
        Column::PeriodStart,
        &[
            "date",
            "day",
            "week",
            "month",
            "hour",
            "period",
            "interval",
            "bucket",
            "time",
            "from",
            "start",
            "start_date",
            "key",
            "key_as_string",
            "timestamp",
            "pvm",
            "paivamaara",
            "aika",
            "jakso",
            "datum",
            "dag",
            "vecka",
            "dato",
            "uke",
        ],
    ),
    (Column::PeriodEnd, &["to", "until", "end", "end_date", "loppu", "slut", "slutt"]),
    (
        Column::Count,
        &[
            "doc_count",
            "value",
            "amount",
            "number",
            "total",
            "n",
            "lukumaara",
            "maara",
            "antal",
            "antall",
        ],
    ),
    (Column::Series, &["metric", "type", "category", "label", "name", "measure", "outcome"]),
    (Column::Bot, &["bot_id", "bot_name", "chatbot", "instance", "assistant", "botti"]),
    (Column::Language, &["lang", "locale", "bot_language", "kieli", "sprak", "sprog"]),
    (Column::Channel, &["platform", "source", "connector", "kanava", "kanal"]),
];
