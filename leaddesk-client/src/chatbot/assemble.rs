//! The rows of one conversation to a [`Conversation`].

use super::columns::Column;
use super::conversation::{
    Agent, Conversation, ConversationId, Outcome, Turn, When, Who, agent_of, author, has_field,
    transferred,
};
use super::kind::FileKind;
use super::rows::Row;
use super::transcript;
use crate::model::Personal;

/// The rows of one conversation, each with the kind of its file.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) rows: Vec<(FileKind, Row)>,
}

impl Group {
    /// The conversation of these rows.
    pub(super) fn assemble(self, id: &str) -> Conversation {
        let mut notes = Vec::new();
        let (said, about): (Vec<_>, Vec<_>) =
            self.rows.into_iter().partition(|(kind, _)| *kind == FileKind::Conversations);
        let said = in_order(said.into_iter().map(|(_, row)| row).collect(), &mut notes);
        // Files that are about one thing go before the one that may repeat it with every turn.
        let about: Vec<Row> = about.into_iter().map(|(_, row)| row).collect();
        let all = || about.iter().chain(&said);
        let mut one = |column: Column| only(all(), column, &mut notes);

        let outcome = one(Column::Outcome).and_then(|text| Outcome::of(&text));
        let feedback_score = one(Column::FeedbackScore);
        let feedback_text = one(Column::FeedbackText).map(Personal::new);
        let (language, channel) = (one(Column::Language), one(Column::Channel));
        let (bot, transfer_target) = (one(Column::Bot), one(Column::TransferTarget));
        let transferred = was_transferred(all(), outcome.as_ref());

        let mut turns = Vec::new();
        let mut extra = Vec::new();
        for row in &said {
            let before = turns.len();
            read_turns(row, &mut turns);
            match turns.get_mut(before) {
                Some(turn) => turn.extra = Personal::new(others(row)),
                None => extra.extend(others(row)),
            }
        }
        for field in about.iter().flat_map(others) {
            if !extra.contains(&field) {
                extra.push(field);
            }
        }
        let whole = || about.iter().chain(said.iter().filter(|row| is_whole(row)));
        let intent = whole().map(|row| row.get(Column::Intent)).find(|text| !text.is_empty());
        let intent = intent.map(str::to_owned);
        let began = all().filter_map(|row| when(row, Column::StartedAt)).next();
        let counted = || whole().filter_map(|row| when(row, Column::Timestamp)).next();
        let spoken = || turns.iter().filter_map(|turn| turn.at.clone());
        let started = began.or_else(counted).or_else(|| spoken().next());
        let over = all().filter_map(|row| when(row, Column::EndedAt)).next_back();
        let ended = over.or_else(|| spoken().next_back());
        let agents = agents(all());
        Conversation {
            id: ConversationId::new(id),
            outcome,
            transferred,
            feedback_score,
            feedback_text,
            intent,
            started,
            ended,
            agents,
            transfer_target,
            language,
            channel,
            bot,
            extra: Personal::new(extra),
            notes,
            turns,
        }
    }
}

/// Rows by their numbers, else by their times, else as they stand; without those that occur twice.
fn in_order(mut rows: Vec<Row>, notes: &mut Vec<String>) -> Vec<Row> {
    rows.sort_by_key(Row::number);
    let index = |row: &Row| row.get(Column::TurnIndex).parse::<u64>().ok();
    let time = |row: &Row| row.time(Column::Timestamp).map(|time| time.naive());
    let times: Vec<_> = rows.iter().filter_map(time).collect();
    if rows.iter().all(|row| index(row).is_some()) {
        rows.sort_by_cached_key(|row| (index(row), time(row)));
    } else if times.len() == rows.len() {
        // Where the latest stands first, so it does among those of the same second.
        if times.first() > times.last() {
            rows.reverse();
        }
        rows.sort_by_cached_key(time);
    }
    let before = rows.len();
    rows.dedup_by(|left, right| !left.get(Column::MessageId).is_empty() && left.same_as(right));
    if rows.len() < before {
        notes.push(format!("{} rows occur twice, and count once", before - rows.len()));
    }
    rows
}

/// The first content of the column; a note if rows contradict it.
fn only<'a>(
    rows: impl Iterator<Item = &'a Row>,
    column: Column,
    notes: &mut Vec<String>,
) -> Option<String> {
    let mut texts = rows.map(|row| row.get(column)).filter(|text| !text.is_empty());
    let first = texts.next()?.to_owned();
    if texts.any(|text| text != first) {
        notes.push(format!("the rows differ in {column}; the first one counts"));
    }
    Some(first)
}

fn was_transferred<'a>(
    rows: impl Iterator<Item = &'a Row>,
    outcome: Option<&Outcome>,
) -> Option<bool> {
    let mut said = match outcome {
        Some(Outcome::Transferred) => Some(true),
        Some(Outcome::Handled) => Some(false),
        _ => None,
    };
    for row in rows {
        let handed_over = !row.get(Column::TransferredAt).is_empty();
        let flag = transferred(row.get(Column::Escalated));
        match if handed_over { Some(true) } else { flag } {
            Some(true) => return Some(true),
            Some(false) => said = said.or(Some(false)),
            None => {}
        }
    }
    said
}

fn when(row: &Row, column: Column) -> Option<When> {
    let text = row.get(column);
    (!text.is_empty()).then(|| When { text: text.to_owned(), timestamp: row.time(column) })
}

fn text(row: &Row, column: Column) -> Option<String> {
    Some(row.get(column)).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether a row of the file of conversations is about a whole conversation, as in a file without a column for single
/// texts. A text that is empty was said once, and is anonymised.
fn is_whole(row: &Row) -> bool {
    let texts = [Column::UserText, Column::BotText, Column::Text];
    !texts.iter().any(|column| row.has_column(*column))
}

/// The columns of a row that nothing else shows. A team is an agent's, where the row names one.
fn others(row: &Row) -> Vec<(String, String)> {
    let shown = |column| has_field(column) && (column != Column::Team || names_somebody(row));
    let known = row.columns().filter(|(column, _)| !shown(*column));
    let known = known.map(|(column, field)| (column.name().to_owned(), field.to_owned()));
    known
        .chain(row.extra().map(|(heading, field)| (heading.to_owned(), field.to_owned())))
        .collect()
}

/// Adds what was said in a row.
fn read_turns(row: &Row, turns: &mut Vec<Turn>) {
    let at = when(row, Column::Timestamp);
    let turn = |who: Who, text: &str| Turn {
        index: row.get(Column::TurnIndex).parse().ok(),
        at: at.clone(),
        who,
        text: Personal::new(text.to_owned()),
        clicked: who == Who::Visitor && row.get(Column::Triggered).eq_ignore_ascii_case("button"),
        intent: self::text(row, Column::Intent),
        message_id: self::text(row, Column::MessageId),
        record: row.number(),
        extra: Personal::new(Vec::new()),
    };
    let said = |column: Column| Some(row.get(column)).filter(|text| !text.is_empty());
    let answers = match agent_of(row.get(Column::AgentKind)) {
        Some(Who::Agent) => Who::Agent,
        _ => Who::Bot,
    };
    let role = said(Column::Role).map(author);
    let (asked, answered, plain) =
        (said(Column::UserText), said(Column::BotText), said(Column::Text));
    // With one text, the role says whose it is; with both, the columns do.
    let one = asked.is_some() != answered.is_some();
    if let Some(text) = asked {
        turns.push(turn(role.filter(|_| one).unwrap_or(Who::Visitor), text));
    }
    if let Some(text) = plain {
        let visitor = row.has_column(Column::BotText) && !row.has_column(Column::UserText);
        let by_columns = if visitor { Who::Visitor } else { Who::Unknown };
        let by_kind = agent_of(row.get(Column::AgentKind));
        turns.push(turn(role.or(by_kind).unwrap_or(by_columns), text));
    }
    if let Some(text) = answered {
        turns.push(turn(role.filter(|_| one).unwrap_or(answers), text));
    }
    let Some(whole) = said(Column::Transcript) else { return };
    match transcript::pairs(whole) {
        None => turns.push(turn(Who::Unknown, whole)),
        Some(pairs) => {
            for pair in pairs {
                let spoken = [(Who::Visitor, pair.question), (answers, pair.answer)];
                for (who, text) in spoken.into_iter().filter(|(_, text)| !text.is_empty()) {
                    // One time for the whole conversation is no turn's time.
                    let turn = turn(who, text);
                    turns.push(Turn { index: Some(pair.number), at: None, ..turn });
                }
            }
        }
    }
}

fn agents<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Agent> {
    let mut agents: Vec<Agent> = Vec::new();
    for row in rows {
        let person = |column| text(row, column).map(Personal::new);
        let agent = Agent {
            id: person(Column::AgentId),
            name: person(Column::AgentName),
            email: person(Column::AgentEmail),
            team: text(row, Column::Team),
            transferred_at: when(row, Column::TransferredAt),
            accepted_at: when(row, Column::AcceptedAt),
        };
        if names_somebody(row) && !agents.contains(&agent) {
            agents.push(agent);
        }
    }
    agents
}

/// Does the row say who answered?
fn names_somebody(row: &Row) -> bool {
    let names = [Column::AgentId, Column::AgentName, Column::AgentEmail];
    names.into_iter().any(|column| !row.get(column).is_empty())
}
