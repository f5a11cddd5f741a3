//! Sources made of others.

use std::fmt;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::record::{Cursor, Item, Page, Record};
use crate::source::{Estimate, Lookup, Source, SourceError};
use crate::{Key, Prefetched};

/// What every source can do besides being read.
///
/// Records are never left out here: what is not to be migrated is skipped by a mapper
/// ([`MapperExt::filter`](crate::MapperExt::filter)), and so has a fate and is counted.
pub trait SourceExt: Source + Sized {
    /// All records, one by one: what it takes to only read. No ledger is needed.
    ///
    /// ```
    /// use futures::StreamExt;
    /// use migrate_core::SourceExt;
    /// # use migrate_core::{Cursor, Estimate, Key, Page, Record, Source, SourceError};
    /// # struct Words;
    /// # impl Source for Words {
    /// #     type Record = &'static str;
    /// #     fn read(&self, _: Option<Cursor>) -> futures::stream::BoxStream<'static, Result<Page<&'static str>, SourceError>> {
    /// #         let words = ["one", "two"].map(|word| Ok(Record::new(Key::new("word", word), word)));
    /// #         futures::stream::iter([Ok(Page::new(words, None))]).boxed()
    /// #     }
    /// #     fn estimate(&self) -> Estimate { Estimate::Exactly(2) }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let words: Vec<_> = Words.records().collect().await;
    /// assert_eq!(words.len(), 2);
    /// # }
    /// ```
    fn records(&self) -> BoxStream<'static, Result<Item<Self::Record>, SourceError>> {
        let items = |page: Page<Self::Record>| stream::iter(page.items.into_iter().map(Ok));
        self.read(None).map_ok(items).try_flatten().boxed()
    }

    /// The same records with other bodies; keys, lanes and cursors stay.
    fn map_body<T, F>(self, change: F) -> MappedRecords<Self, F>
    where
        F: Fn(Self::Record) -> T + Send + Sync + 'static,
        T: Send + 'static,
    {
        MappedRecords { inner: self, change: Arc::new(change) }
    }

    /// Only the records that pass, and what cannot be read. The others are not skipped but not read:
    /// they are for another stage, or another time.
    fn only<F>(self, keep: F) -> OnlySource<Self, F>
    where
        F: Fn(&Record<Self::Record>) -> bool + Send + Sync + 'static,
    {
        OnlySource { inner: self, keep: Arc::new(keep) }
    }

    /// The same records, each shown to a closure when it is read.
    fn inspect<F>(self, look: F) -> InspectedSource<Self, F>
    where
        F: Fn(&Item<Self::Record>) + Send + Sync + 'static,
    {
        InspectedSource { inner: self, look: Arc::new(look) }
    }

    /// The same records, read up to `pages` ahead (at least one) while those before are being
    /// written. A task of the tokio runtime reads; it begins with the first poll and ends when the
    /// stream is dropped.
    fn prefetch(self, pages: usize) -> Prefetched<Self> {
        Prefetched::new(self, pages)
    }

    /// The same source behind a pointer, so that different ones have one type.
    fn boxed(self) -> Arc<dyn Source<Record = Self::Record>>
    where
        Self: 'static,
    {
        Arc::new(self)
    }
}

impl<S: Source> SourceExt for S {}

/// See [`SourceExt::map_body`].
pub struct MappedRecords<S, F> {
    inner: S,
    change: Arc<F>,
}

// By hand, since a closure behind a pointer need not be `Clone` itself.
impl<S: Clone, F> Clone for MappedRecords<S, F> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), change: self.change.clone() }
    }
}

impl<S, F> fmt::Debug for MappedRecords<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedRecords").finish_non_exhaustive()
    }
}

impl<S: Source, T, F> MappedRecords<S, F>
where
    F: Fn(S::Record) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    fn change(
        &self,
        pages: BoxStream<'static, Result<Page<S::Record>, SourceError>>,
    ) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        let change = self.change.clone();
        pages
            .map_ok(move |page| {
                let record = |Record { key, lane, body }| Record { key, lane, body: change(body) };
                let items = page.items.into_iter().map(|item| item.map(record)).collect();
                let Page { next, mark, unchanged, .. } = page;
                Page { items, next, mark, unchanged }
            })
            .boxed()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Source, T, F> Source for MappedRecords<S, F>
where
    F: Fn(S::Record) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type Record = T;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        self.change(self.inner.read(from))
    }

    fn estimate(&self) -> Estimate {
        self.inner.estimate()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Lookup, T, F> Lookup for MappedRecords<S, F>
where
    F: Fn(S::Record) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    fn lookup(&self, keys: Vec<Key>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        self.change(self.inner.lookup(keys))
    }
}

/// See [`SourceExt::only`].
pub struct OnlySource<S, F> {
    inner: S,
    keep: Arc<F>,
}

impl<S: Clone, F> Clone for OnlySource<S, F> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), keep: self.keep.clone() }
    }
}

impl<S, F> fmt::Debug for OnlySource<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnlySource").finish_non_exhaustive()
    }
}

impl<S: Source, F> OnlySource<S, F>
where
    F: Fn(&Record<S::Record>) -> bool + Send + Sync + 'static,
{
    fn keep(&self, pages: Pages<S::Record>) -> Pages<S::Record> {
        let keep = self.keep.clone();
        let only = move |mut page: Page<S::Record>| {
            page.items.retain(|item| item.as_ref().map_or(true, |record| keep(record)));
            page
        };
        pages.map_ok(only).boxed()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Source, F> Source for OnlySource<S, F>
where
    F: Fn(&Record<S::Record>) -> bool + Send + Sync + 'static,
{
    type Record = S::Record;

    fn read(&self, from: Option<Cursor>) -> Pages<S::Record> {
        self.keep(self.inner.read(from))
    }

    /// How many pass is known when all are read.
    fn estimate(&self) -> Estimate {
        match self.inner.estimate() {
            Estimate::Exactly(all) | Estimate::About(all) => Estimate::About(all),
            Estimate::Unknown => Estimate::Unknown,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Lookup, F> Lookup for OnlySource<S, F>
where
    F: Fn(&Record<S::Record>) -> bool + Send + Sync + 'static,
{
    fn lookup(&self, keys: Vec<Key>) -> Pages<S::Record> {
        self.keep(self.inner.lookup(keys))
    }
}

/// See [`SourceExt::inspect`].
pub struct InspectedSource<S, F> {
    inner: S,
    look: Arc<F>,
}

impl<S: Clone, F> Clone for InspectedSource<S, F> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), look: self.look.clone() }
    }
}

impl<S, F> fmt::Debug for InspectedSource<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectedSource").finish_non_exhaustive()
    }
}

type Pages<T> = BoxStream<'static, Result<Page<T>, SourceError>>;

impl<S: Source, F> InspectedSource<S, F>
where
    F: Fn(&Item<S::Record>) + Send + Sync + 'static,
{
    fn look_at(&self, pages: Pages<S::Record>) -> Pages<S::Record> {
        let look = self.look.clone();
        pages.inspect_ok(move |page| page.items.iter().for_each(|item| look(item))).boxed()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Source, F> Source for InspectedSource<S, F>
where
    F: Fn(&Item<S::Record>) + Send + Sync + 'static,
{
    type Record = S::Record;

    fn read(&self, from: Option<Cursor>) -> Pages<S::Record> {
        self.look_at(self.inner.read(from))
    }

    fn estimate(&self) -> Estimate {
        self.inner.estimate()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Lookup, F> Lookup for InspectedSource<S, F>
where
    F: Fn(&Item<S::Record>) + Send + Sync + 'static,
{
    fn lookup(&self, keys: Vec<Key>) -> Pages<S::Record> {
        self.look_at(self.inner.lookup(keys))
    }
}
