//! Records that are there from the start.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use migrate_core::{Cursor, Estimate, Item, Page, Record, Source, SourceError, Unreadable};

/// A source of records that are given, such as those of a configuration. The cursor is a position.
#[derive(Clone, Debug)]
pub struct Fixed<T> {
    items: Arc<[Item<T>]>,
    page: usize,
}

impl<T> Fixed<T> {
    /// These records, in pages of `page`.
    pub fn new(records: Vec<Record<T>>, page: usize) -> Self {
        Self { items: records.into_iter().map(Ok).collect(), page: page.max(1) }
    }

    /// The same, with rows behind them that could not be read.
    #[must_use]
    pub fn with_unread(mut self, unread: Vec<Unreadable>) -> Self
    where
        T: Clone,
    {
        if !unread.is_empty() {
            self.items = self.items.iter().cloned().chain(unread.into_iter().map(Err)).collect();
        }
        self
    }

    /// What the records hold.
    pub fn bodies(&self) -> impl Iterator<Item = &T> {
        self.items.iter().flatten().map(|record| &record.body)
    }
}

impl<T: Clone + Send + Sync + 'static> Source for Fixed<T> {
    type Record = T;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        let start = from.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        let (all, size) = (self.items.clone(), self.page);
        stream::unfold(Some(start), move |at: Option<usize>| {
            let all = all.clone();
            async move {
                let start = at?.min(all.len());
                let end = all.len().min(start + size);
                let items = all[start..end].iter().cloned();
                let next = (end < all.len()).then_some(end);
                let cursor = next.map(|at| Cursor::new(at.to_string()));
                Some((Ok(Page::new(items, cursor)), next))
            }
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.items.len() as u64)
    }
}
