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
        Self {
            items,
            next,
            mark: None,
        }
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
    let state = State {
        seen: HashSet::from([digest(&first)]),
        next: Some(first),
        mark: None,
        fetch,
    };
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
        if page
            .next
            .as_ref()
            .is_some_and(|next| !state.seen.insert(digest(next)))
        {
            return Err(Error::new(ErrorKind::Paging).with_detail("the same cursor came twice"));
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
    pages
        .map_ok(|page| stream::iter(page.items.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

/// Cursors are remembered by digest: eight bytes a page, whatever their length.
fn digest(cursor: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    cursor.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(script: Vec<(Vec<u32>, Option<u32>)>, empty: EmptyPage) -> Result<Vec<u32>, Error> {
        let script = std::sync::Mutex::new(std::collections::VecDeque::from(script));
        let pages = pages(0, empty, move |_cursor: u32| {
            let page = script.lock().unwrap().pop_front();
            async move {
                let (items, next) = page.ok_or_else(|| Error::new(ErrorKind::Server))?;
                let mark = items.first().map(u32::to_string);
                Ok(Page::new(items, next).with_mark(mark))
            }
        });
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(items(pages).try_collect())
    }

    #[test]
    fn an_empty_page_ends_a_list_only_where_that_is_said() {
        let script = || vec![(vec![1], Some(1)), (vec![], Some(2)), (vec![3], None)];
        assert_eq!(list(script(), EmptyPage::GoesOn).unwrap(), [1, 3]);
        assert_eq!(list(script(), EmptyPage::Ends).unwrap(), [1]);
    }

    #[test]
    fn circles_are_errors() {
        let error = list(
            vec![(vec![1], Some(1)), (vec![2], Some(0))],
            EmptyPage::GoesOn,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the list contradicts itself: the same cursor came twice"
        );
        let error = list(
            vec![(vec![1], Some(1)), (vec![1], Some(2))],
            EmptyPage::GoesOn,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the list contradicts itself: the same page came twice"
        );
    }

    #[test]
    fn an_error_is_the_last_element() {
        assert_eq!(
            list(vec![(vec![1], Some(1))], EmptyPage::GoesOn)
                .unwrap_err()
                .kind(),
            ErrorKind::Server
        );
    }
}
