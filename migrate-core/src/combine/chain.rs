//! Several sources as one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::Key;
use crate::record::{Cursor, Item, Page};
use crate::source::{Estimate, Lookup, Source, SourceError};

/// Several sources of one kind of record, by name, read one after the other as one source.
///
/// Cursors carry the name of the source they belong to, so that none is ever given to another;
/// names are therefore to stay. A cursor of a source that is not there any more begins anew: what
/// was read before is known to the ledger, so that costs time and nothing else. Two sources of one
/// name are refused when the chain is read.
///
/// A key that several of the sources know counts where it is met first, in reading and in looking
/// up.
///
/// [Marks](Page::mark) are those of the first source. A later reading from one brings what has
/// changed in the first, and the others whole.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), migrate_core::SourceError> {
/// use futures::TryStreamExt;
/// use migrate_core::testkit::ScriptedSource;
/// use migrate_core::{Chain, Source, SourceExt};
///
/// let exported = ScriptedSource::new([("call:1", "a minute"), ("call:2", "an hour")]);
/// let live = ScriptedSource::new([("call:3", "engaged")]);
/// let calls = Chain::new().and("export", exported.boxed()).and("api", live.boxed());
///
/// let pages: Vec<_> = calls.read(None).try_collect().await?;
/// assert_eq!(pages[0].next.as_ref().map(|next| next.as_str()), Some("api"));
/// assert_eq!(calls.records().try_collect::<Vec<_>>().await?.len(), 3);
/// # Ok(())
/// # }
/// ```
pub struct Chain<S> {
    routes: Vec<(String, Arc<S>)>,
}

impl<S> Default for Chain<S> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<S> Clone for Chain<S> {
    fn clone(&self) -> Self {
        Self { routes: self.routes.clone() }
    }
}

impl<S> fmt::Debug for Chain<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl<S> Chain<S> {
    /// A chain of no sources, which is empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more source, which is read last. Sources of different types are
    /// [boxed](crate::SourceExt::boxed).
    #[must_use]
    pub fn and(mut self, name: impl Into<String>, source: S) -> Self {
        self.routes.push((name.into(), Arc::new(source)));
        self
    }

    /// The names of the sources, in the order in which they are read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|(name, _)| name.as_str())
    }

    fn twice(&self) -> Option<&str> {
        let mut names = self.names().enumerate();
        names.find(|(at, name)| self.names().take(*at).any(|it| it == *name)).map(|(_, name)| name)
    }

    /// The source that a cursor belongs to, and the cursor that source gave out.
    fn place(&self, cursor: &Cursor) -> Option<(usize, Option<Cursor>)> {
        let (name, inner) = match cursor.as_str().split_once(':') {
            Some((name, inner)) => (name, Some(Cursor::new(inner))),
            None => (cursor.as_str(), None),
        };
        Some((self.names().position(|it| escaped(it) == name)?, inner))
    }
}

/// A name as it stands in cursors, where a colon ends it.
fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace(':', "%3A")
}

/// A cursor of a source, as one of the chain.
fn within(name: &str, cursor: &Cursor) -> Cursor {
    Cursor::new(format!("{}:{}", escaped(name), cursor.as_str()))
}

type Pages<T> = BoxStream<'static, Result<Page<T>, SourceError>>;

/// Where a chain is being read.
struct Reading<S: Source> {
    routes: Vec<(String, Arc<S>)>,
    at: usize,
    /// Where the source that comes next is read from.
    from: Option<Cursor>,
    pages: Option<Pages<S::Record>>,
}

impl<S: Source> Reading<S> {
    /// The next page. Each source is asked when those before it have come to their end, and none
    /// after one that failed.
    async fn next(mut self) -> Result<Option<(Page<S::Record>, Self)>, SourceError> {
        while let Some((_, source)) = self.routes.get(self.at) {
            let pages = self.pages.get_or_insert_with(|| source.read(self.from.take()));
            if let Some(page) = pages.try_next().await? {
                return Ok(Some((self.renamed(page), self)));
            }
            (self.at, self.pages) = (self.at + 1, None);
        }
        Ok(None)
    }

    /// A page with cursors of the chain in the place of those of its source.
    fn renamed(&self, page: Page<S::Record>) -> Page<S::Record> {
        let name = |at: usize| self.routes.get(at).map(|(name, _)| name.as_str());
        let here = name(self.at).unwrap_or_default();
        let next = match &page.next {
            Some(next) => Some(within(here, next)),
            None => name(self.at + 1).map(|following| Cursor::new(escaped(following))),
        };
        // From the mark of a later source, the changes of those before it would not be read.
        let mark = page.mark.filter(|_| self.at == 0).map(|mark| within(here, &mark));
        Page { next, mark, ..page }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Source + 'static> Source for Chain<S> {
    type Record = S::Record;

    fn read(&self, from: Option<Cursor>) -> Pages<S::Record> {
        if let Some(name) = self.twice() {
            let message = format!("two sources of the chain are named `{name}`");
            return stream::iter([Err(SourceError::refused(message))]).boxed();
        }
        if self.routes.is_empty() {
            return stream::iter([Ok(Page::new([], None))]).boxed();
        }
        let (at, from) = from.and_then(|cursor| self.place(&cursor)).unwrap_or_default();
        let reading = Reading { routes: self.routes.clone(), at, from, pages: None };
        stream::try_unfold(reading, Reading::next).boxed()
    }

    fn estimate(&self) -> Estimate {
        self.routes.iter().fold(Estimate::Exactly(0), |sum, (_, source)| {
            match (sum, source.estimate()) {
                (Estimate::Exactly(a), Estimate::Exactly(b)) => {
                    Estimate::Exactly(a.saturating_add(b))
                }
                (
                    Estimate::Exactly(a) | Estimate::About(a),
                    Estimate::Exactly(b) | Estimate::About(b),
                ) => Estimate::About(a.saturating_add(b)),
                _ => Estimate::Unknown,
            }
        })
    }
}

/// Where the sources of a chain are being asked for records.
struct Finding<S: Source> {
    routes: Vec<(String, Arc<S>)>,
    at: usize,
    /// What has not been found yet.
    keys: Vec<Key>,
    pages: Option<Pages<S::Record>>,
}

impl<S: Lookup> Finding<S> {
    /// The next page. A source is asked only for what those before it do not know: when a chain is
    /// read, the first sight of a key counts as well.
    async fn next(mut self) -> Result<Option<(Page<S::Record>, Self)>, SourceError> {
        while let Some((_, source)) = self.routes.get(self.at).filter(|_| !self.keys.is_empty()) {
            let pages = self.pages.get_or_insert_with(|| source.lookup(self.keys.clone()));
            if let Some(page) = pages.try_next().await? {
                let key = |item: &Item<_>| match item {
                    Ok(record) => record.key.clone(),
                    Err(unreadable) => unreadable.key.clone(),
                };
                let found: BTreeSet<Key> = page.items.iter().map(key).collect();
                self.keys.retain(|key| !found.contains(key));
                return Ok(Some((page, self)));
            }
            (self.at, self.pages) = (self.at + 1, None);
        }
        Ok(None)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Lookup + 'static> Lookup for Chain<S> {
    fn lookup(&self, keys: Vec<Key>) -> Pages<S::Record> {
        let finding = Finding { routes: self.routes.clone(), at: 0, keys, pages: None };
        stream::try_unfold(finding, Finding::next).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SourceExt as _;
    use crate::testkit::{ScriptedSource, source};

    fn numbers(range: std::ops::Range<u32>) -> ScriptedSource<u32> {
        ScriptedSource::new(range.map(|n| (Key::new("n", n), n))).pages_of(2)
    }

    fn three() -> Chain<ScriptedSource<u32>> {
        Chain::new().and("csv", numbers(0..3)).and("none", numbers(0..0)).and("api", numbers(3..6))
    }

    async fn read(source: &impl Source<Record = u32>, from: Option<Cursor>) -> Vec<Page<u32>> {
        source.read(from).try_collect().await.unwrap()
    }

    fn bodies(pages: &[Page<u32>]) -> Vec<u32> {
        let items = pages.iter().flat_map(|page| &page.items);
        items.map(|item| item.as_ref().unwrap().body).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_a_source_like_any_other() {
        source::check(&three(), &source::Rules::new()).await;
        source::check_lookup(&three()).await;
        assert_eq!(three().estimate(), Estimate::Exactly(6));
        assert_eq!(read(&Chain::<ScriptedSource<u32>>::new(), None).await.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn every_cursor_goes_on_in_the_source_it_came_from() {
        // Each of them would be mistaken for another if a name were not told from a cursor.
        let chain = Chain::new()
            .and("a", numbers(0..3))
            .and("a:2", numbers(3..6))
            .and("a%3A2", numbers(6..9))
            .and("", numbers(9..12));
        let whole = read(&chain, None).await;
        assert_eq!(bodies(&whole), (0..12).collect::<Vec<_>>());
        for (at, page) in whole.iter().enumerate() {
            if let Some(next) = page.next.clone() {
                assert_eq!(bodies(&read(&chain, Some(next)).await), bodies(&whole[at + 1..]));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_is_gone_begins_anew_and_two_of_one_name_are_refused() {
        assert_eq!(read(&three(), Some(Cursor::new("gone:7"))).await.len(), 5);
        let twice = three().and("csv", numbers(6..9));
        assert!(twice.read(None).try_collect::<Vec<_>>().await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_behind_a_source_that_failed() {
        let (first, second) = (numbers(0..3), numbers(3..6));
        first.fail_before(2, SourceError::unavailable("out of reach"));
        let chain = Chain::new().and("first", first).and("second", second.clone());
        let pages: Vec<_> = chain.read(None).collect().await;
        assert_eq!((pages.len(), pages[1].is_err(), second.polls()), (2, true, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_of_changes_misses_nothing() {
        let (first, second) = (numbers(0..3), numbers(3..6));
        let chain = Chain::new().and("first", first.clone()).and("second", second.clone());
        let whole = read(&chain, None).await;
        let marks: Vec<_> = whole.iter().filter_map(|page| page.mark.clone()).collect();
        first.put(Key::new("n", 1), 100);
        second.put(Key::new("n", 3), 300);
        for mark in marks {
            let changed = bodies(&read(&chain, Some(mark)).await);
            assert!(changed.contains(&100) && changed.contains(&300), "{changed:?}");
            assert!(!changed.contains(&0), "the first is not read whole: {changed:?}");
        }
        // Where the first cannot tell, nobody can.
        let mute = Chain::new().and("first", numbers(0..3).without_marks()).and("second", second);
        assert!(read(&mute, None).await.iter().all(|page| page.mark.is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_two_sources_know_is_found_once_and_in_the_first() {
        let known = |body| ScriptedSource::new([("n:1", body), ("n:2", body)]);
        let (first, second) =
            (known("first"), ScriptedSource::new([("n:1", "2nd"), ("n:3", "2nd")]));
        let chain = Chain::new().and("first", first).and("second", second.clone());
        let find = async |ids: &[u32]| -> Vec<_> {
            let keys = ids.iter().map(|id| Key::new("n", id)).collect();
            let pages: Vec<_> = chain.lookup(keys).try_collect().await.unwrap();
            let items = pages.into_iter().flat_map(|page| page.items);
            items.map(|item| item.unwrap()).map(|it| (it.key.id().to_owned(), it.body)).collect()
        };
        let polls = second.polls();
        assert_eq!(find(&[1]).await, [("1".to_owned(), "first")]);
        assert_eq!(second.polls(), polls, "there is nothing left to ask it for");
        assert_eq!(find(&[1, 3]).await, [("1".to_owned(), "first"), ("3".to_owned(), "2nd")]);
    }

    #[tokio::test(start_paused = true)]
    async fn sources_of_different_types() {
        let chain = Chain::new()
            .and("plain", numbers(0..2).boxed())
            .and("other", numbers(2..4).map_body(|n| n * 10).boxed());
        assert_eq!(bodies(&read(&chain, None).await), [0, 1, 20, 30]);
    }
}
