//! Which file is which.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use super::aliases::{AGENT, COMMON, CONVERSATIONS, OUTCOMES, TIMING, Table};
use super::columns::{Column, fold};

/// What a file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// Conversations and their messages.
    Conversations,
    /// How conversations ended.
    Outcomes,
    /// How long conversations took, or when they were.
    Timing,
    /// Who answered.
    Agent,
}

/// What one row of a file stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// A question with its answer, or a message: rows share the id of their conversation.
    Turns,
    /// A conversation.
    Conversations,
    /// A period, hour, weekday or name, with numbers. There are no single conversations in the file.
    Buckets,
    /// Nothing that could be recognised.
    Unknown,
}

impl FileKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Conversations, Self::Outcomes, Self::Timing, Self::Agent];

    /// The columns and the headings that stand for them, in the order they are tried in a file of this kind: its own
    /// columns, those of the other kinds, those of any file. A column's [name](Column::name) always stands for it. Case,
    /// spaces, punctuation and accents do not matter.
    pub fn aliases(self) -> impl Iterator<Item = (Column, &'static [&'static str])> {
        let others = Self::ALL.into_iter().filter(move |kind| *kind != self).map(Self::table);
        std::iter::once(self.table()).chain(others).chain([COMMON]).flatten().copied()
    }

    fn table(self) -> Table {
        match self {
            Self::Conversations => CONVERSATIONS,
            Self::Outcomes => OUTCOMES,
            Self::Timing => TIMING,
            Self::Agent => AGENT,
        }
    }

    /// Words of a file's name.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Conversations => {
                &["conversation", "conversations", "keskustelu", "keskustelut", "samtal", "samtale"]
            }
            Self::Outcomes => &[
                "outcome", "outcomes", "result", "results", "tulos", "tulokset", "utfall",
                "resultat",
            ],
            Self::Timing => {
                &["timing", "timings", "time", "times", "duration", "durations", "ajoitus", "tid"]
            }
            Self::Agent => &["agent", "agents", "human", "operator", "handler", "asiakaspalvelija"],
        }
    }

    /// The kinds whose words are in a name.
    pub(super) fn of_name(name: &str) -> Vec<Self> {
        let mut spaced = String::with_capacity(name.len() + 8);
        let mut lower = false;
        for character in name.chars() {
            if lower && character.is_uppercase() {
                spaced.push(' ');
            }
            lower = character.is_lowercase();
            spaced.push(character);
        }
        let spaced = spaced.to_lowercase();
        let words: Vec<&str> = spaced.split(|c: char| !c.is_alphabetic()).collect();
        let named = |kind: &Self| words.iter().any(|word| kind.words().contains(word));
        Self::ALL.into_iter().filter(named).collect()
    }

    /// The kind that headings tell, and how many headings tell it; `None` if no kind has more of them than the others.
    ///
    /// Text of messages is found among conversations only, whatever else stands beside it.
    pub(super) fn of_headings(headings: &[String]) -> Option<(Self, usize)> {
        let is_text = |heading: &String| {
            known(&fold(heading)).iter().any(|(_, column)| {
                matches!(column, Column::UserText | Column::BotText | Column::Text)
            })
        };
        if headings.iter().any(is_text) {
            return Some((Self::Conversations, Self::Conversations.told_by(headings).max(2)));
        }
        let mut counts = Self::ALL.map(|kind| (kind.told_by(headings), kind));
        counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let [(most, kind), (next, _), ..] = counts;
        (most > next).then_some((kind, most))
    }

    /// How many headings only this kind has.
    pub(super) fn told_by(self, headings: &[String]) -> usize {
        headings.iter().filter(|heading| self.owns(heading)).count()
    }

    /// Whether the heading stands for a column of this kind and of no other.
    fn owns(self, heading: &str) -> bool {
        let shared =
            [Column::ConversationId, Column::StartedAt, Column::EndedAt, Column::Timestamp];
        let mut kinds = known(&fold(heading))
            .iter()
            .filter(|(_, column)| !shared.contains(column))
            .filter_map(|(kind, _)| *kind)
            .peekable();
        kinds.peek().is_some() && kinds.all(|kind| kind == self)
    }
}

/// For each folded heading the columns that it stands for, each with the kind whose table says so.
type Dictionary = HashMap<String, Vec<(Option<FileKind>, Column)>>;

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(|| {
    let mut dictionary = Dictionary::new();
    let kinds = FileKind::ALL.into_iter().map(|kind| (Some(kind), kind.table()));
    for (kind, table) in kinds.chain([(None, COMMON)]) {
        for (column, aliases) in table {
            for alias in aliases.iter().chain([&column.name()]) {
                let columns = dictionary.entry(fold(alias)).or_default();
                if !columns.contains(&(kind, *column)) {
                    columns.push((kind, *column));
                }
            }
        }
    }
    dictionary
});

/// The columns that a folded heading stands for, in the order of the tables; with `None` for columns of any file.
pub(super) fn known(folded: &str) -> &'static [(Option<FileKind>, Column)] {
    DICTIONARY.get(folded).map_or(&[], Vec::as_slice)
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conversations => "conversations",
            Self::Outcomes => "outcomes",
            Self::Timing => "timing",
            Self::Agent => "agent",
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Turns => "turns",
            Self::Conversations => "conversations",
            Self::Buckets => "buckets",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, kinds) in [
            ("conversations.csv", &[FileKind::Conversations][..]),
            ("MyBot_Outcomes_2024-01-01 (1).CSV", &[FileKind::Outcomes]),
            ("botTiming.csv", &[FileKind::Timing]),
            ("Keskustelut.csv", &[FileKind::Conversations]),
            ("agent_conversations.csv", &[FileKind::Conversations, FileKind::Agent]),
            ("sentiment.csv", &[]),
        ] {
            assert_eq!(FileKind::of_name(name), kinds, "{name}");
        }
    }

    #[test]
    fn headings() {
        let kind = |headings: &str| {
            let headings: Vec<String> = headings.split(',').map(str::to_owned).collect();
            FileKind::of_headings(&headings).map(|(kind, _)| kind)
        };
        let starchat = "id,conversation,question,answer,answered,escalated,triggered,agent";
        assert_eq!(kind(starchat), Some(FileKind::Conversations));
        assert_eq!(kind("conversation_id,outcome,csat"), Some(FileKind::Outcomes));
        assert_eq!(kind("conversation_id,duration,wait time"), Some(FileKind::Timing));
        assert_eq!(kind("agent name,e-mail"), Some(FileKind::Agent));
        assert_eq!(kind("conversation_id,started_at"), None);
        assert_eq!(kind("foo,bar"), None);
    }
}
