//! Several sources of one kind of record, read one after the other as one.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use migrate_core::{Cursor, Estimate, Page, Source, SourceError};

/// Sources by name, read in the order they were added. The cursor is `<name>` or `<name>:<cursor>`.
///
/// A cursor that names a route which is no longer there begins anew: what was read before is known
/// to the ledger, so that costs time and nothing else.
pub struct Chain<T> {
    routes: Vec<(String, Arc<dyn Source<Record = T>>)>,
}

impl<T> Default for Chain<T> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<T> std::fmt::Debug for Chain<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.routes()).finish()
    }
}

impl<T> Chain<T> {
    /// The same with one more route, which is read last.
    #[must_use]
    pub fn and(mut self, name: &str, source: impl Source<Record = T> + 'static) -> Self {
        self.routes.push((name.to_owned(), Arc::new(source)));
        self
    }

    /// The names of the routes.
    pub fn routes(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|(name, _)| name.as_str())
    }
}

impl<T: Send + 'static> Source for Chain<T> {
    type Record = T;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        if self.routes.is_empty() {
            return stream::once(async { Ok(Page::new([], None)) }).boxed();
        }
        let place = from.and_then(|cursor| {
            let (name, at) = match cursor.as_str().split_once(':') {
                Some((name, at)) => (name, Some(Cursor::new(at))),
                None => (cursor.as_str(), None),
            };
            Some((self.routes.iter().position(|(route, _)| route == name)?, at))
        });
        let (first, mut at) = place.unwrap_or_default();
        let next = self.routes.iter().skip(first + 1).map(|(name, _)| Some(name.clone()));
        let next: Vec<_> = next.chain([None]).collect();
        let routes = self.routes.iter().skip(first).cloned().zip(next);

        stream::iter(routes.collect::<Vec<_>>())
            .flat_map(move |((name, source), following)| {
                source.read(at.take()).map(move |page| {
                    let mut page = page?;
                    page.next = match page.next {
                        Some(at) => Some(Cursor::new(format!("{name}:{}", at.as_str()))),
                        None => following.clone().map(Cursor::new),
                    };
                    Ok(page)
                })
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        self.routes.iter().fold(Estimate::Exactly(0), |sum, (_, source)| {
            match (sum, source.estimate()) {
                (Estimate::Exactly(a), Estimate::Exactly(b)) => Estimate::Exactly(a + b),
                (
                    Estimate::Exactly(a) | Estimate::About(a),
                    Estimate::Exactly(b) | Estimate::About(b),
                ) => Estimate::About(a + b),
                _ => Estimate::Unknown,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use migrate_core::{Key, Record};

    use super::*;
    use crate::source::Fixed;
    use crate::source::testing::read_all;

    fn numbers(range: std::ops::Range<u32>) -> Fixed<u32> {
        Fixed::new(range.map(|n| Record::new(Key::new("n", n), n)).collect(), 2)
    }

    fn chain() -> Chain<u32> {
        Chain::default()
            .and("csv", numbers(0..3))
            .and("none", numbers(0..0))
            .and("api", numbers(3..6))
    }

    #[tokio::test]
    async fn routes_follow_one_another_and_every_cursor_goes_on_where_it_says() {
        let whole = read_all(&chain(), None).await;
        let cursors: Vec<_> = whole.iter().map(|page| page.next.clone()).collect();
        let texts: Vec<_> = cursors.iter().map(|next| next.as_ref().map(Cursor::as_str)).collect();
        assert_eq!(texts, [Some("csv:2"), Some("none"), Some("api"), Some("api:2"), None]);

        let bodies = |pages: &[Page<u32>]| -> Vec<u32> {
            pages
                .iter()
                .flat_map(|page| &page.items)
                .map(|item| item.clone().unwrap().body)
                .collect()
        };
        assert_eq!(bodies(&whole), [0, 1, 2, 3, 4, 5]);
        for (at, cursor) in cursors.into_iter().enumerate().filter(|(_, cursor)| cursor.is_some()) {
            assert_eq!(bodies(&read_all(&chain(), cursor).await), bodies(&whole[at + 1..]));
        }
    }

    #[tokio::test]
    async fn a_route_that_is_gone_begins_anew() {
        let pages = read_all(&chain(), Some(Cursor::new("gone:7"))).await;
        assert_eq!(pages.iter().map(|page| page.items.len()).sum::<usize>(), 6);
        assert_eq!(chain().estimate(), Estimate::Exactly(6));
        assert_eq!(read_all(&Chain::<u32>::default(), None).await.len(), 1);
    }
}
