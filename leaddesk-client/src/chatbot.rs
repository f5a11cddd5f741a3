//! The export of the chatbot (JennyBot): a ZIP with CSV files about conversations, outcomes, timing and agents.
//!
//! **The format is not publicly documented.** No public page names the files, the headings, the separator, the encoding
//! or the form of a timestamp, and no sample is public. So nothing here is known in advance: files, columns and shapes
//! are recognised by tables ([`FileKind::aliases`]), to which a caller adds ([`Settings::aliases`]), and by what the
//! cells hold. What is not recognised is kept under its own heading, and [`Archive::files`] says what was understood.
//! The tables follow the vocabulary of the chatbot's own screens and of StarChat, the engine its maker published.
//!
//! A file may hold messages, conversations, or only counts per period ([`Shape`]); only the first two can be joined
//! into [`conversations`].
//!
//! ```
//! use leaddesk_client::chatbot::{self, Archive, Settings, Who};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("conversations.csv");
//! # std::fs::write(&path, "conversation,timestamp,question,answer\nc-1,1714557600000,Hei,Moi!\n")?;
//! let archive = Archive::open(&path, Settings::default())?;
//! for conversation in chatbot::conversations(&archive)? {
//!     let conversation = conversation??;
//!     assert_eq!(conversation.turns[0].who, Who::Visitor);
//!     assert_eq!(conversation.turns[1].text.reveal(), "Moi!");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything here blocks while it reads: in asynchronous code, call it from a thread of its own.
//!
//! An archive is opened as if it were hostile: nothing is ever extracted, and every file is read once to its end before
//! anything of it is handed out. Errors, notes and `Debug` name files, headings and record numbers, and no cell's content.

mod aliases;
mod archive;
mod assemble;
mod column_facts;
mod columns;
mod container;
mod conversation;
mod dialect;
mod entry;
mod join;
mod kind;
mod layout;
mod rows;
mod survey;
mod text;
mod time;
mod transcript;

pub use archive::{Archive, FileInfo};
pub use columns::Column;
pub use conversation::{Agent, Conversation, ConversationId, Outcome, Turn, When, Who};
pub use join::{Conversations, conversations};
pub use kind::{FileKind, Shape};
pub use rows::{Record, Row, Rows};
pub use text::Encoding;
pub use time::{DayOrder, Timestamp};

/// How an export is read.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Settings {
    /// How much is read at most.
    pub limits: Limits,
    /// Further headings: heading as in the file, and the [name](Column::name) of the column that it stands for. They go
    /// before the tables of this crate, in every file.
    pub aliases: Vec<(String, String)>,
    /// What a file holds, by its name without folders, where names and headings would say something else.
    pub kinds: Vec<(String, FileKind)>,
}

/// How much is read at most. All of these are guards against broken and hostile files; what they refuse is an error that
/// names the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the file that is opened (512 MiB), and of each CSV file that is not in a ZIP.
    pub file: u64,
    /// Entries of a ZIP, or files of a folder (1000).
    pub entries: usize,
    /// Bytes of one entry after decompression (4 GiB).
    pub entry: u64,
    /// Bytes of all recognised entries after decompression (8 GiB).
    pub total: u64,
    /// How many times larger decompression may make an entry (200), once it has given 10 MiB.
    pub ratio: u64,
    /// Bytes of one record of a CSV file (1 MiB).
    pub record: usize,
    /// Columns of a CSV file (512).
    pub columns: usize,
    /// Bytes that the join of conversations holds at a time at most (256 MiB); it does with less where it can. Where the
    /// files are larger, they are read again for each part of the conversations.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 512 << 20,
            entries: 1000,
            entry: 4 << 30,
            total: 8 << 30,
            ratio: 200,
            record: 1 << 20,
            columns: 512,
            memory: 256 << 20,
        }
    }
}
