//! What a source delivers: records, in pages, with a cursor to go on from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Key;

/// One record of a source.
#[derive(Clone, PartialEq, Eq)]
pub struct Record<T> {
    /// Its stable name.
    pub key: Key,
    /// Records of one lane are written in order; `None` for those that stand alone.
    pub lane: Option<String>,
    /// The record itself.
    pub body: T,
}

/// The body is people's data, so it is not shown.
impl<T> fmt::Debug for Record<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<T> Record<T> {
    /// A record that stands alone.
    pub fn new(key: Key, body: T) -> Self {
        Self { key, lane: None, body }
    }

    /// The same record in a lane.
    #[must_use]
    pub fn in_lane(mut self, lane: impl Into<String>) -> Self {
        self.lane = Some(lane.into());
        self
    }
}

/// A record, or what could not be read in its place: one bad row never spoils its page.
pub type Item<T> = Result<Record<T>, Unreadable>;

/// A row that could not be read. It is dead under [`Unreadable::key`], and the rest goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The name it is reported by: `<file>:<record number>`, or the record's own key where known.
    pub key: Key,
    /// What is wrong with it, and what to do, without a person's data.
    pub reason: String,
}

impl Unreadable {
    /// A row that is reported by this key, and what is wrong with it.
    pub fn new(key: Key, reason: impl Into<String>) -> Self {
        Self { key, reason: reason.into() }
    }
}

/// Some records and the place to go on from once they are settled.
///
/// ```
/// use migrate_core::{Cursor, Key, Page, Record};
///
/// let rows = [Ok(Record::new(Key::new("contact", 1), "Anna")), Ok(Record::new(Key::new("contact", 2), "Bo"))];
/// let page = Page::new(rows, Some(Cursor::new("after:2")));
/// assert_eq!(page.items.len(), 2);
/// ```
#[derive(Clone)]
pub struct Page<T> {
    /// The records, in the source's order.
    pub items: Vec<Item<T>>,
    /// Where reading goes on after this page; `None` with the last page, and only with that: a
    /// source that ends after any other was cut off, and is not taken as read to its end.
    pub next: Option<Cursor>,
    /// Where a later reading begins that brings only what is new or has changed since this one
    /// began; `None` where the source cannot tell. The first mark of a reading counts.
    pub mark: Option<Cursor>,
    /// Records of which the source knows, without reading them, that they are as they were when it
    /// last delivered them. They count as met and as unchanged. It may say so only of records that
    /// the ledger has in this stage and in place, with nothing of them in doubt: anything else is an
    /// error of the source. What is looked up is read, so there it says nothing.
    pub unchanged: Vec<Key>,
}

impl<T> fmt::Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { items, next, mark, unchanged } = self;
        let mut shown = f.debug_struct("Page");
        shown.field("items", items).field("next", next).field("mark", mark);
        shown.field("unchanged", unchanged).finish()
    }
}

impl<T> Page<T> {
    /// A page of records, and where reading goes on after it: nowhere after the last page.
    pub fn new(items: impl IntoIterator<Item = Item<T>>, next: Option<Cursor>) -> Self {
        Self { items: items.into_iter().collect(), next, mark: None, unchanged: Vec::new() }
    }

    /// The same page with a [mark](Self::mark) for a later reading of changes only.
    #[must_use]
    pub fn marked(mut self, mark: Cursor) -> Self {
        self.mark = Some(mark);
        self
    }

    /// The same page with records that need not be read, since they are [unchanged](Self::unchanged).
    #[must_use]
    pub fn unchanged(mut self, keys: impl IntoIterator<Item = Key>) -> Self {
        self.unchanged.extend(keys);
        self
    }
}

/// A place in a source, opaque to everybody but the source that gave it out.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor from whatever text the source understands.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({})", self.0)
    }
}
