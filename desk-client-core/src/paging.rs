//! Lists that come in pages.

use std::collections::HashSet;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use crate::error::{Error, ErrorKind};

/// One page of a list, and where the next one is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<T, C> {
    /// The elements, in the service's order.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end of the list.
    pub next: Option<C>,
    /// What tells this page from the one before, usually its first id. A service that ignores the page number answers
    /// the same mark twice, which is an error instead of an endless list.
    pub mark: Option<String>,
}

impl<T, C> Page<T, C> {
    /// A page.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<C>) -> Self {
        Self { items, next, mark: None }
    }

    /// Adds what tells this page from the one before.
    #[must_use]
    pub fn with_mark(mut self, mark: Option<String>) -> Self {
        self.mark = mark;
        self
    }
}

/// What an empty page with a next cursor means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyPage {
    /// Nothing: the list goes on at the cursor.
    #[default]
    GoesOn,
    /// The end of the list.
    Ends,
}

/// The pages of a list, from `first` on, fetched one at a time as they are asked for.
///
/// A missing cursor ends the stream, an error is its last element, and a cursor or mark that comes twice is an error.
pub fn pages<T, C, F, Fut>(
    first: C,
    empty: EmptyPage,
    fetch: F,
) -> BoxStream<'static, Result<Page<T, C>, Error>>
where
    T: Send + 'static,
    C: Hash + Clone + Send + 'static,
    F: Fn(C) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<T, C>, Error>> + Send + 'static,
{
    struct State<C, F> {
        next: Option<C>,
        seen: HashSet<u64>,
        mark: Option<String>,
        fetch: F,
    }
    let state =
        State { seen: HashSet::from([digest(&first)]), next: Some(first), mark: None, fetch };
    stream::try_unfold(state, move |mut state| async move {
        let Some(cursor) = state.next.take() else {
            return Ok(None);
        };
        let page: Page<T, C> = (state.fetch)(cursor).await?;
        if page.items.is_empty() && empty == EmptyPage::Ends {
            return Ok(Some((Page { next: None, ..page }, state)));
        }
        if page.mark.is_some() && page.mark == state.mark {
            return Err(Error::new(ErrorKind::Paging).with_detail("the same page came twice"));
        }
        if let Some(next) = &page.next {
            if !state.seen.insert(digest(next)) {
                return Err(Error::new(ErrorKind::Paging).with_detail("the same cursor came twice"));
            }
        }
        state.mark.clone_from(&page.mark);
        state.next.clone_from(&page.next);
        Ok(Some((page, state)))
    })
    .boxed()
}

/// The elements of a stream of pages.
pub fn items<T, C>(
    pages: impl Stream<Item = Result<Page<T, C>, Error>> + Send + 'static,
) -> BoxStream<'static, Result<T, Error>>
where
    T: Send + 'static,
    C: Send + 'static,
{
    pages.map_ok(|page| stream::iter(page.items.into_iter().map(Ok))).try_flatten().boxed()
}

/// Cursors are remembered by digest: eight bytes a page, whatever their length.
fn digest(cursor: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    cursor.hash(&mut hasher);
    hasher.finish()
}
