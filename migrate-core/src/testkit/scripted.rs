//! [`ScriptedSource`]: records in memory, with whatever a source can do.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;

use super::lock;
use crate::source::{Estimate, Lookup, Source, SourceError};
use crate::{Cursor, Item, Key, Page, Record, Unreadable};

/// A source in memory: pages, rows that cannot be read, errors at given places, and changes
/// between readings, of which it tells by marks. Clones share the records.
///
/// ```
/// # use futures::StreamExt;
/// # use migrate_core::testkit::ScriptedSource;
/// # use migrate_core::{Key, Source};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let source = ScriptedSource::new([("person:1", "Anna"), ("person:2", "Bo")]).pages_of(1);
/// let pages: Vec<_> = source.read(None).collect().await;
/// assert_eq!(pages.len(), 2);
///
/// source.put("person:1", "Anne");
/// let mark = pages[0].as_ref().unwrap().mark.clone();
/// let changed: Vec<_> = source.read(mark).collect().await;
/// assert_eq!(changed[0].as_ref().unwrap().items.len(), 1);
/// # }
/// ```
pub struct ScriptedSource<T>(Arc<Mutex<Script<T>>>);

struct Script<T> {
    rows: Vec<Row<T>>,
    page: usize,
    latency: Duration,
    /// Grows with each change: a mark says how far it had got.
    revision: u64,
    marks: bool,
    errors: Vec<(usize, SourceError)>,
    polls: u64,
}

/// A row that vanished leaves a hole, so that the rows behind it keep their places.
struct Row<T> {
    item: Option<Item<T>>,
    revision: u64,
}

impl<T> Clone for ScriptedSource<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for ScriptedSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedSource").finish_non_exhaustive()
    }
}

impl<T: Clone + Send + 'static> ScriptedSource<T> {
    /// Records under these keys, which stand alone.
    pub fn new<K: Into<Key>>(records: impl IntoIterator<Item = (K, T)>) -> Self {
        Self::of(records.into_iter().map(|(key, body)| Ok(Record::new(key.into(), body))))
    }

    /// Records, and rows that cannot be read, in pages of ten.
    pub fn of(items: impl IntoIterator<Item = Item<T>>) -> Self {
        let rows = items.into_iter().map(|item| Row { item: Some(item), revision: 1 }).collect();
        Self(Arc::new(Mutex::new(Script {
            rows,
            page: 10,
            latency: Duration::from_millis(20),
            revision: 1,
            marks: true,
            errors: Vec::new(),
            polls: 0,
        })))
    }

    /// The same, in pages of so many.
    #[must_use]
    pub fn pages_of(self, records: usize) -> Self {
        lock(&self.0).page = records.max(1);
        self
    }

    /// The same, taking so long for a page.
    #[must_use]
    pub fn taking(self, latency: Duration) -> Self {
        lock(&self.0).latency = latency;
        self
    }

    /// The same, without marks: it cannot tell what has changed.
    #[must_use]
    pub fn without_marks(self) -> Self {
        lock(&self.0).marks = false;
        self
    }

    /// Breaks off, once, before the page that begins with this row.
    pub fn fail_before(&self, row: usize, error: SourceError) {
        lock(&self.0).errors.push((row, error));
    }

    /// Adds a record or changes it.
    pub fn put(&self, key: impl Into<Key>, body: T) {
        let key = key.into();
        let lane = match self.item(&key) {
            Some(Ok(record)) => record.lane,
            _ => None,
        };
        self.put_item(Ok(Record { key, lane, body }));
    }

    /// Adds a row or replaces the one of its key.
    pub fn put_item(&self, item: Item<T>) {
        let mut script = lock(&self.0);
        script.revision += 1;
        let revision = script.revision;
        let row = Row { item: Some(item), revision };
        let key = key_of(&row).cloned();
        match script.rows.iter_mut().find(|row| key_of(row) == key.as_ref()) {
            Some(there) => *there = row,
            None => script.rows.push(row),
        }
    }

    /// Lets a record vanish.
    pub fn vanish(&self, key: &Key) {
        let mut script = lock(&self.0);
        script
            .rows
            .iter_mut()
            .filter(|row| key_of(row) == Some(key))
            .for_each(|row| row.item = None);
    }

    /// The row of a key.
    pub fn item(&self, key: &Key) -> Option<Item<T>> {
        let script = lock(&self.0);
        script.rows.iter().find(|row| key_of(row) == Some(key)).and_then(|row| row.item.clone())
    }

    /// All keys, in the source's order; a key that comes twice comes twice.
    pub fn keys(&self) -> Vec<Key> {
        lock(&self.0).rows.iter().filter_map(key_of).cloned().collect()
    }

    /// How often a page was asked for.
    pub fn polls(&self) -> u64 {
        lock(&self.0).polls
    }

    /// One page from this place, of what has changed after `since`; and the place after it.
    async fn page(
        self,
        since: u64,
        at: usize,
    ) -> Option<(Result<Page<T>, SourceError>, (u64, usize))> {
        let latency = {
            let mut script = lock(&self.0);
            script.polls += 1;
            script.latency
        };
        tokio::time::sleep(latency).await;
        let mut script = lock(&self.0);
        if let Some(place) =
            script.errors.iter().position(|(row, _)| (at..at + script.page).contains(row))
        {
            return Some((Err(script.errors.remove(place).1), (since, usize::MAX)));
        }
        let mut end = at;
        let mut items = Vec::new();
        for row in script.rows.iter().skip(at) {
            if items.len() == script.page {
                break;
            }
            end += 1;
            items.extend(row.item.clone().filter(|_| row.revision > since));
        }
        let wanted = |row: &Row<T>| row.item.is_some() && row.revision > since;
        let more = script.rows.iter().skip(end).any(wanted);
        let next = more.then(|| Cursor::new(format!("{since}@{end}")));
        let mut page = Page::new(items, next);
        if script.marks {
            page.mark = Some(Cursor::new(format!("{}@0", script.revision)));
        }
        let place = if more { end } else { usize::MAX };
        Some((Ok(page), (since, place)))
    }
}

fn key_of<T>(row: &Row<T>) -> Option<&Key> {
    row.item.as_ref().map(|item| match item {
        Ok(record) => &record.key,
        Err(Unreadable { key, .. }) => key,
    })
}

impl<T: Clone + Send + 'static> Source for ScriptedSource<T> {
    type Record = T;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        let from = from.as_ref().and_then(|from| from.as_str().split_once('@'));
        let from = from.and_then(|(since, at)| Some((since.parse().ok()?, at.parse().ok()?)));
        let source = self.clone();
        futures::stream::unfold(from.unwrap_or((0, 0)), move |(since, at)| {
            let source = source.clone();
            async move { if at == usize::MAX { None } else { source.page(since, at).await } }
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.keys().len() as u64)
    }
}

impl<T: Clone + Send + 'static> Lookup for ScriptedSource<T> {
    fn lookup(&self, keys: Vec<Key>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        let source = self.clone();
        futures::stream::once(async move {
            let latency = lock(&source.0).latency;
            tokio::time::sleep(latency).await;
            Ok(Page::new(keys.iter().filter_map(|key| source.item(key)), None))
        })
        .boxed()
    }
}
