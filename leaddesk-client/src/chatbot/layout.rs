//! Which column of a file holds what: by its heading first, and by its cells where a heading may mean several things.

use std::collections::HashMap;

use super::column_facts::Facts;
use super::columns::{Column, fold};
use super::container::shown;
use super::kind::{FileKind, Shape, known};
use super::time::DayOrder;
use crate::error::{Error, ErrorKind};

/// The columns of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// The headings, each different from the others.
    pub(super) headings: Vec<String>,
    /// What each column holds; `None` where nobody knows.
    pub(super) columns: Vec<Option<Column>>,
    /// The place of each column, by the column's number: it is asked for with every cell.
    places: Vec<Option<usize>>,
    orders: HashMap<Column, DayOrder>,
}

impl Layout {
    /// Where the column stands.
    pub(super) fn place(&self, column: Column) -> Option<usize> {
        self.places.get(column as usize).copied().flatten()
    }

    pub(super) fn has(&self, column: Column) -> bool {
        self.place(column).is_some()
    }

    /// The order of day and month in this column's dates, where it is proven.
    pub(super) fn day_order(&self, column: Column) -> Option<DayOrder> {
        self.orders.get(&column).copied()
    }
}

/// The columns that the caller's aliases name.
#[derive(Debug, Clone, Default)]
pub(super) struct Added(Vec<(String, Column)>);

impl Added {
    /// # Errors
    /// `Settings` if an alias is for a column that does not exist.
    pub(super) fn new(aliases: &[(String, String)]) -> Result<Self, Error> {
        let read = |(heading, name): &(String, String)| match Column::named(name) {
            Some(column) => Ok((fold(heading), column)),
            None => {
                let names: Vec<&str> = Column::all().map(Column::name).collect();
                let (name, names) = (shown(name), names.join(", "));
                let what = format!("an alias is for `{name}`, which is none of {names}");
                Err(Error::new(ErrorKind::Settings, what))
            }
        };
        aliases.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn of(&self, folded: &str) -> Option<Column> {
        self.0.iter().find(|(heading, _)| heading == folded).map(|(_, column)| *column)
    }

    /// How many of the headings stand for anything.
    pub(super) fn recognised<'a>(&self, headings: impl Iterator<Item = &'a str>) -> usize {
        headings
            .map(fold)
            .filter(|heading| self.of(heading).is_some() || !known(heading).is_empty())
            .count()
    }
}

/// How sure it is that a heading stands for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Added,
    Name,
    Alias,
}

/// Decides what every column holds. Notes say what could not be decided.
pub(super) fn settle(
    kind: FileKind,
    headings: &[String],
    added: &Added,
    facts: &[Facts],
) -> (Layout, Vec<String>) {
    let mut notes = Vec::new();
    let nothing = Facts::default();
    let facts_of = |place: usize| facts.get(place).unwrap_or(&nothing);
    let folded: Vec<String> = headings.iter().map(|heading| key(heading, added)).collect();
    let is_id = |(place, heading): (usize, &String)| {
        added.of(heading) == Some(Column::ConversationId)
            || heading != "id"
                && !facts_of(place).has_transcripts()
                && known(heading).iter().any(|(_, column)| *column == Column::ConversationId)
    };
    let other_id = folded.iter().enumerate().any(is_id);
    // In a file of agents a bare `id` is more likely an agent's.
    let bare_id = kind != FileKind::Agent && folded.iter().any(|heading| heading == "id");
    let has_id = other_id || bare_id;

    let mut claims: HashMap<Column, Vec<(Rank, usize)>> = HashMap::new();
    for (place, heading) in folded.iter().enumerate() {
        let judge = Judge { kind, heading, facts: facts_of(place), has_id, other_id };
        if let Some((rank, column)) = judge.choose(added) {
            claims.entry(column).or_default().push((rank, place));
        }
    }
    let mut layout = Layout {
        headings: distinct(headings),
        columns: vec![None; headings.len()],
        places: vec![None; Column::all().count()],
        ..Layout::default()
    };
    let mut claims: Vec<_> = claims.into_iter().collect();
    claims.sort_unstable();
    for (column, mut places) in claims {
        places.sort_unstable();
        let best = places[0].0;
        let (first, rest) = (places[0].1, &places[1..]);
        if rest.first().is_some_and(|(rank, _)| *rank == best) {
            let names: Vec<String> =
                places.iter().map(|(_, place)| format!("`{}`", shown(&headings[*place]))).collect();
            notes.push(format!(
                "{} could all be the column {column}, so none of them is; add an alias for one",
                names.join(", ")
            ));
            continue;
        }
        layout.columns[first] = Some(column);
        if let Some(place) = layout.places.get_mut(column as usize) {
            *place = Some(first);
        }
        if !column.is_time() {
            continue;
        }
        if let Some(order) = facts_of(first).day_order() {
            layout.orders.insert(column, order);
        }
        if facts_of(first).is_ambiguous() {
            notes.push(format!(
                "in `{}` nothing proves which number of a date is the day, so its dates with slashes are not read",
                shown(&headings[first])
            ));
        }
    }
    (layout, notes)
}

/// What a row of the file stands for; `repeated` says whether any conversation has several rows.
pub(super) fn shape(layout: &Layout, facts: &[Facts], repeated: bool) -> Shape {
    let filled = |place: usize| facts.get(place).is_some_and(Facts::is_filled);
    let no_rows = !facts.iter().any(Facts::is_filled);
    if layout.place(Column::ConversationId).is_some_and(|place| no_rows || filled(place)) {
        let per_turn = [Column::TurnIndex, Column::Role].iter().any(|column| layout.has(*column));
        return if repeated || (per_turn && no_rows) { Shape::Turns } else { Shape::Conversations };
    }
    let axes = [Column::PeriodStart, Column::HourOfDay, Column::Weekday, Column::Series];
    let text = [Column::UserText, Column::BotText, Column::Text, Column::Transcript];
    let has_axis = axes.iter().any(|axis| layout.has(*axis));
    let has_text = text.iter().any(|column| layout.has(*column));
    if has_axis && !has_text { Shape::Buckets } else { Shape::Unknown }
}

/// The folded heading; of a nested name that nobody knows, its last part.
fn key(heading: &str, added: &Added) -> String {
    let whole = fold(heading);
    if added.of(&whole).is_some() || !known(&whole).is_empty() {
        return whole;
    }
    match heading.rsplit_once('.').map(|(_, last)| fold(last)) {
        Some(last) if !known(&last).is_empty() => last,
        _ => whole,
    }
}

/// Two columns of one heading must not be taken for one another.
fn distinct(headings: &[String]) -> Vec<String> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::with_capacity(headings.len());
    for heading in headings {
        let times = seen.entry(heading.as_str()).or_default();
        *times += 1;
        names.push(if *times == 1 { heading.clone() } else { format!("{heading} ({times})") });
    }
    names
}

/// Decides about one heading.
struct Judge<'a> {
    kind: FileKind,
    heading: &'a str,
    facts: &'a Facts,
    /// Whether the file has any id of conversations, and whether it has one besides a bare `id`.
    has_id: bool,
    other_id: bool,
}

impl Judge<'_> {
    fn choose(&self, added: &Added) -> Option<(Rank, Column)> {
        if let Some(column) = added.of(self.heading) {
            return Some((Rank::Added, column));
        }
        let all = known(self.heading);
        let tier = |kind: Option<FileKind>| match kind {
            Some(kind) if kind == self.kind => 0,
            Some(_) => 1,
            None => 2,
        };
        // A column's own name goes before aliases of others; then this kind's table, the other kinds', the common one.
        let mut tried: Vec<_> =
            all.iter().map(|(kind, column)| (self.rank(*column), tier(*kind), *column)).collect();
        tried.sort_by_key(|(rank, tier, _)| (*rank, *tier));
        let fitting = tried.into_iter().find(|(_, _, column)| self.fits(*column));
        fitting.map(|(rank, _, column)| (rank, column))
    }

    fn rank(&self, column: Column) -> Rank {
        if fold(column.name()) == self.heading { Rank::Name } else { Rank::Alias }
    }

    /// Whether the cells can be what the column holds.
    fn fits(&self, column: Column) -> bool {
        let facts = self.facts;
        match column {
            Column::ConversationId if self.heading == "id" => self.has_id && !self.other_id,
            Column::ConversationId => !facts.has_transcripts(),
            Column::MessageId => self.heading != "id" || self.other_id,
            Column::Transcript | Column::FeedbackText => !facts.is_filled() || !facts.all_numbers(),
            Column::Timestamp => self.has_id && !facts.all_flags(),
            Column::StartedAt | Column::EndedAt => self.has_id && !facts.all_flags(),
            Column::PeriodStart | Column::PeriodEnd => !self.has_id && !facts.all_flags(),
            Column::Frequency => self.heading == "frequency" || facts.all_periods(),
            Column::HourOfDay => self.heading == "hourofday" || facts.all_hours(),
            Column::Role => self.has_id && !facts.has_times(),
            Column::Outcome => !facts.all_zeros(),
            Column::AgentKind => {
                self.heading != "agent" && self.heading != "source" || facts.all_agents()
            }
            Column::AgentId | Column::AgentName | Column::AgentEmail => {
                self.kind == FileKind::Agent
                    || self.heading.contains("agent")
                    || self.heading.contains("operator")
            }
            Column::TurnIndex
            | Column::MatchScore
            | Column::MessagesTotal
            | Column::Unanswered
            | Column::FalsePositive
            | Column::FeedbackScore
            | Column::IntentMatches => facts.all_numbers(),
            Column::ConversationsTotal
            | Column::ConversationsHandled
            | Column::ConversationsTransferred
            | Column::AgentConversations
            | Column::AgentMessages
            | Column::Count => facts.all_numbers() && !self.has_id,
            Column::Series => !self.has_id,
            _ => true,
        }
    }
}
