//! Records that are there from the start.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use migrate_core::{Cursor, Estimate, Page, Record, Source, SourceError};

/// A source of records that are given, such as those of a configuration. The cursor is a position.
#[derive(Clone, Debug)]
pub struct Fixed<T> {
    records: Arc<[Record<T>]>,
    page: usize,
}

impl<T> Fixed<T> {
    /// These records, in pages of `page`.
    pub fn new(records: Vec<Record<T>>, page: usize) -> Self {
        Self { records: records.into(), page: page.max(1) }
    }

    /// What the records hold.
    pub fn bodies(&self) -> impl Iterator<Item = &T> {
        self.records.iter().map(|record| &record.body)
    }
}

impl<T: Clone + Send + Sync + 'static> Source for Fixed<T> {
    type Record = T;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        let start = from.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        let (records, size) = (self.records.clone(), self.page);
        stream::unfold(Some(start), move |at: Option<usize>| {
            let records = records.clone();
            async move {
                let start = at?.min(records.len());
                let end = records.len().min(start + size);
                let items = records[start..end].iter().cloned().map(Ok);
                let next = (end < records.len()).then_some(end);
                let cursor = next.map(|at| Cursor::new(at.to_string()));
                Some((Ok(Page::new(items, cursor)), next))
            }
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.records.len() as u64)
    }
}
