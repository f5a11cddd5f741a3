//! Reading ahead.

use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::Key;
use crate::record::{Cursor, Page};
use crate::source::{Estimate, Lookup, Source, SourceError};

/// See [`SourceExt::prefetch`](crate::SourceExt::prefetch).
#[derive(Clone, Debug)]
pub struct Prefetched<S> {
    inner: S,
    pages: usize,
}

impl<S> Prefetched<S> {
    pub(super) fn new(inner: S, pages: usize) -> Self {
        Self { inner, pages: pages.max(1) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Source> Source for Prefetched<S> {
    type Record = S::Record;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        ahead(self.inner.read(from), self.pages)
    }

    fn estimate(&self) -> Estimate {
        self.inner.estimate()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<S: Lookup> Lookup for Prefetched<S> {
    fn lookup(
        &self,
        keys: Vec<Key>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        ahead(self.inner.lookup(keys), self.pages)
    }
}

/// Reads a stream in a task of its own, which is begun by the first poll and is gone when what is
/// returned is dropped. At most `most` pages have been read, or asked for, and not been taken. A
/// task that dies is no end of the source: its panic goes on here.
fn ahead<T: Send + 'static>(
    mut pages: BoxStream<'static, Result<T, SourceError>>,
    most: usize,
) -> BoxStream<'static, Result<T, SourceError>> {
    let begin = async move {
        let (send, receive) = mpsc::channel(most);
        let task = tokio::spawn(async move {
            // Room first: a page that has no place to wait in is not asked for.
            while let Ok(place) = send.reserve().await {
                match pages.next().await {
                    Some(page) => place.send(page),
                    None => break,
                }
            }
        });
        let state = Some((receive, AbortOnDropHandle::new(task)));
        stream::unfold(state, |state| async move {
            let (mut receive, task) = state?;
            match receive.recv().await {
                Some(page) => Some((page, Some((receive, task)))),
                None => match task.await {
                    Ok(()) => None,
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Err(error) => {
                        let stopped = SourceError::unavailable("reading ahead was stopped");
                        Some((Err(stopped.because(error)), None))
                    }
                },
            }
        })
    };
    stream::once(begin).flatten().boxed()
}
