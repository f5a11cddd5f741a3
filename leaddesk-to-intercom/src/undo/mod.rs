//! Taking back what was written to Intercom, by what the ledger knows of it. Nothing here knows
//! LeadDesk: its account may be closed by then.
//!
//! | what | is taken back by |
//! |---|---|
//! | a conversation | deleting it, unless people have added to it |
//! | a contact that this migration made | deleting it for good, unless something hangs on it that is not ours |
//! | a contact that was there before | putting back the fields that were written, as they stood before, and taking our tags off |
//! | a contact that was archived before | the same, and archiving it again, unless people have changed it or added to it since |
//! | a note on such a contact | nothing: Intercom's API cannot delete notes, so it is named |
//! | a tag that this migration made | deleting it, unless somebody else uses it, or what is left has it |
//! | an attribute | archiving it, which is all that the API can do, unless what is left has a value of it |
//!
//! An archived contact cannot be told from a deleted one: both count as gone. Of a conversation with
//! five hundred parts or more Intercom shows the latest alone, and no document says that it counts the
//! others: whether people have added to it nobody can tell, so it is left.

mod calls;
mod contacts;
mod conversations;
mod held;
mod nothing;
mod schema;
#[cfg(test)]
mod tests;

pub use calls::CallUndo;
pub use contacts::ContactUndo;
pub use conversations::ConversationUndo;
pub use nothing::NothingUndo;
pub use schema::SchemaUndo;

use chrono::{DateTime, Utc};
use migrate_core::{Made, Reason};

use crate::sink::CLOCK_SKEW;

/// Was an object last changed when the migration wrote it, as far as times can tell? It decides where
/// no digest of what was left is known, as after a lost reply. Clocks may differ.
fn is_untouched_since(updated_at: Option<DateTime<Utc>>, written_at: DateTime<Utc>) -> bool {
    updated_at.is_none_or(|updated_at| updated_at <= written_at + CLOCK_SKEW)
}

/// The objects of a record's other writes whose part has a name that is wanted.
fn parts<'a>(made: &'a Made, wanted: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'a str> {
    let own = made.parts.iter();
    own.filter(move |(key, _)| key.part_name().is_some_and(&wanted)).map(|(_, id)| id.as_str())
}

fn is_tag(part: &str) -> bool {
    part.starts_with("tag:")
}

/// The first line of text by which the migration's conversations and notes are known begins so.
const MARK: &str = "LeadDesk ";

/// Does a conversation bear the mark of a migration: `LeadDesk call 7` as its last line?
fn is_marked(conversation: &intercom_client::Conversation) -> bool {
    let body = conversation.source.as_ref().and_then(|source| source.body.as_ref());
    body.is_some_and(|body| bears_mark(body.reveal()))
}

fn bears_mark(body: &str) -> bool {
    let plain = intercom_client::text::plain(body);
    plain.trim_end().lines().next_back().is_some_and(|last| last.starts_with(MARK))
}

/// Why something remains that the API can only put out of use.
fn archive_only() -> Reason {
    Reason::new("archive_only", "Intercom's API can archive an attribute and not delete it")
        .remedy("Intercom admin", "nothing: an archived attribute is not shown and takes no place")
}
