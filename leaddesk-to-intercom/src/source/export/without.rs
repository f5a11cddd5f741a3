//! A source without records that another source brings.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use migrate_core::{Cursor, Estimate, Fingerprint, Key, Page, Source, SourceError};

/// A source without the records of keys with these digests. They are not left out: another file
/// has them.
#[derive(Debug)]
pub(super) struct Without<S> {
    pub(super) source: S,
    pub(super) keys: Arc<HashSet<Fingerprint>>,
}

impl<S: Source> Source for Without<S> {
    type Record = S::Record;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<S::Record>, SourceError>> {
        let keys = self.keys.clone();
        let pages = self.source.read(from).map(move |page| {
            let mut page = page?;
            page.items.retain(|item| match item {
                Ok(record) => !keys.contains(&digest(&record.key)),
                Err(_) => true,
            });
            Ok(page)
        });
        pages.boxed()
    }

    fn estimate(&self) -> Estimate {
        self.source.estimate()
    }
}

/// What is kept of a key: a file may have a million of them.
pub(super) fn digest(key: &Key) -> Fingerprint {
    Fingerprint::of(key.as_str().as_bytes())
}
