//! The account's chats as the chatbot's export: a ZIP with four CSV files.
//!
//! Nobody has published what that export looks like. The rows here have StarChat's fields, under its names, and columns
//! that comparable exports have; a real one may hold counts per period instead.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Cursor, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;

use super::{Account, SourceChat};

/// How an export of the chatbot is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatbotExport {
    /// Counts per month instead of rows about single conversations.
    pub buckets: bool,
    /// Files that are left out, such as `timing.csv`.
    pub without: Vec<String>,
    /// Chats that began before this local time are left out.
    pub since: Option<String>,
    /// Chats that began after this local time are left out.
    pub until: Option<String>,
}

impl ChatbotExport {
    /// The whole export.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes any of the fields in passing.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn covers(&self, chat: &SourceChat) -> bool {
        let since = self.since.as_deref().is_none_or(|since| since <= &*chat.started_at);
        since && self.until.as_deref().is_none_or(|until| &*chat.started_at <= until)
    }
}

type Table = Vec<Vec<String>>;

impl Account {
    /// Writes the chats as `conversations.csv`, `outcomes.csv`, `timing.csv` and `agent.csv` into a ZIP file, which only
    /// its owner can read.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub fn export_chatbot(&self, path: &Path, export: &ChatbotExport) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(&self.chatbot_zip(export)?)
    }

    /// The bytes of that file.
    ///
    /// # Errors
    /// None that can be brought about: the archive is written in memory.
    pub fn chatbot_zip(&self, export: &ChatbotExport) -> io::Result<Vec<u8>> {
        let chats: Vec<&SourceChat> =
            self.chats.iter().filter(|chat| export.covers(chat)).collect();
        let tables = if export.buckets { buckets(&chats) } else { self.rows(&chats) };
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, table) in tables {
            if export.without.iter().any(|left_out| left_out == name) {
                continue;
            }
            zip.start_file(name, SimpleFileOptions::default())?;
            let mut writer = csv::Writer::from_writer(Vec::new());
            for row in table {
                writer.write_record(row)?;
            }
            let text = writer.into_inner().map_err(|error| error.into_error())?;
            zip.write_all(&text)?;
        }
        Ok(zip.finish()?.into_inner())
    }

    fn rows(&self, chats: &[&SourceChat]) -> [(&'static str, Table); 4] {
        let mut said = vec![row(&[
            "conversation",
            "index_in_conversation",
            "timestamp",
            "question",
            "answer",
            "state",
            "agent",
            "triggered",
            "visitor_email",
            "visitor_phone",
            "language",
        ])];
        let mut outcomes = vec![row(&[
            "conversation_id",
            "outcome",
            "feedback_score",
            "feedback_text",
            "campaign",
        ])];
        let mut timing = vec![row(&["conversation_id", "started_at", "ended_at", "duration (s)"])];
        let mut agents = vec![row(&[
            "conversation_id",
            "agent_id",
            "agent_name",
            "agent_email",
            "transferred_at",
        ])];
        for chat in chats {
            for turn in &chat.turns {
                said.push(row(&[
                    &chat.id,
                    &turn.index.to_string(),
                    // StarChat's own form.
                    &turn.at.replace(' ', " : "),
                    text(&turn.question),
                    text(&turn.answer),
                    &turn.state,
                    &turn.agent,
                    if turn.clicked { "BUTTON" } else { "UNSPECIFIED" },
                    text(&chat.email),
                    text(&chat.phone),
                    text(&chat.language),
                ]));
            }
            let score = chat.feedback_score.map(|score| score.to_string());
            outcomes.push(row(&[
                &chat.id,
                text(&chat.outcome),
                text(&score),
                text(&chat.feedback_text),
                text(&chat.campaign),
            ]));
            let seconds = chat.seconds.to_string();
            timing.push(row(&[&chat.id, &chat.started_at, &chat.ended_at, &seconds]));
            let agent = self.agents.iter().find(|agent| Some(agent.id) == chat.agent_id);
            if let Some(agent) = agent {
                agents.push(row(&[
                    &chat.id,
                    &agent.id.to_string(),
                    &agent.name,
                    text(&agent.primary_email),
                    text(&chat.transferred_at),
                ]));
            }
        }
        [
            ("conversations.csv", said),
            ("outcomes.csv", outcomes),
            ("timing.csv", timing),
            ("agent.csv", agents),
        ]
    }
}

/// Counts per month, as an export by date range and frequency may have them. Months without chats are left out.
fn buckets(chats: &[&SourceChat]) -> [(&'static str, Table); 4] {
    let mut months: BTreeMap<&str, Vec<&SourceChat>> = BTreeMap::new();
    for chat in chats {
        months.entry(chat.started_at.get(..7).unwrap_or_default()).or_default().push(chat);
    }
    let table = |heading: &[&str], count: fn(&[&SourceChat]) -> Vec<usize>| {
        let mut table = vec![row(heading)];
        for (month, chats) in &months {
            let mut cells = vec![format!("{month}-01")];
            cells.extend(count(chats).iter().map(usize::to_string));
            table.push(cells);
        }
        table
    };
    [
        (
            "conversations.csv",
            table(&["date", "total conversations", "total messages"], |chats| {
                vec![chats.len(), chats.iter().map(|chat| chat.turns.len()).sum()]
            }),
        ),
        (
            "outcomes.csv",
            table(&["date", "handled", "transferred"], |chats| {
                let transferred = chats.iter().filter(|chat| chat.agent_id.is_some()).count();
                vec![chats.len() - transferred, transferred]
            }),
        ),
        (
            "timing.csv",
            table(&["date", "avg duration"], |chats| {
                let seconds: i64 = chats.iter().map(|chat| chat.seconds).sum();
                vec![seconds as usize / chats.len().max(1)]
            }),
        ),
        (
            "agent.csv",
            table(&["date", "human_reply"], |chats| {
                let turns = chats.iter().flat_map(|chat| &chat.turns);
                vec![turns.filter(|turn| turn.agent == "HUMAN_REPLY").count()]
            }),
        ),
    ]
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("")
}
