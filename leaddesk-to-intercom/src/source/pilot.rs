//! A pilot: the first records of a source, and of another those that belong to them.
//!
//! What a pilot leaves out is not skipped but not read: a run without it reads everything, and knows
//! what the pilot has moved.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use migrate_core::{Cursor, Estimate, Item, Ledger, Name, Page, Source, SourceError};

/// The first records of a source, as many as are wanted, and what cannot be read on the way.
#[derive(Clone)]
pub struct First<S> {
    source: S,
    wanted: u64,
}

impl<S> First<S> {
    /// So many records of a source.
    pub fn new(source: S, wanted: u64) -> Self {
        Self { source, wanted }
    }
}

impl<S> fmt::Debug for First<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("First").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl<S: Source> Source for First<S> {
    type Record = S::Record;

    /// A cursor says how many are wanted yet, and where the source goes on.
    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        let from = from.as_ref().and_then(|from| from.as_str().split_once('@'));
        let (left, from) = match from {
            Some((left, from)) => (left.parse().unwrap_or(0), Some(Cursor::new(from))),
            None => (self.wanted, None),
        };
        if left == 0 {
            return stream::iter([Ok(Page::new([], None))]).boxed();
        }
        let pages = self.source.read(from);
        stream::unfold(Some((pages, left)), |state| async move {
            let (mut pages, left) = state?;
            let mut page = match pages.next().await? {
                Ok(page) => page,
                Err(error) => return Some((Err(error), None)),
            };
            let mut left = left;
            page.items.retain(|item| {
                let kept = left > 0;
                left -= u64::from(kept && item.is_ok());
                kept
            });
            // What comes behind them is not part of it, nor are changes since.
            page.mark = None;
            page.unchanged.clear();
            page.next = page.next.filter(|_| left > 0);
            page.next = page.next.map(|next| Cursor::new(format!("{left}@{}", next.as_str())));
            let goes_on = page.next.is_some();
            Some((Ok(page), goes_on.then_some((pages, left))))
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        match self.source.estimate() {
            Estimate::Exactly(all) if all <= self.wanted => Estimate::Exactly(all),
            _ => Estimate::About(self.wanted),
        }
    }
}

/// The names that a record refers to others by.
pub type NamesOf<T> = Arc<dyn Fn(&T) -> Vec<Name> + Send + Sync>;

/// The records of a source that refer to one that is in the destination by the ledger.
#[derive(Clone)]
pub struct Belonging<S: Source> {
    source: S,
    names: NamesOf<S::Record>,
    ledger: Arc<dyn Ledger>,
}

impl<S: Source> Belonging<S> {
    /// Those of a source whose `names` lead anywhere.
    pub fn new(source: S, names: NamesOf<S::Record>, ledger: Arc<dyn Ledger>) -> Self {
        Self { source, names, ledger }
    }
}

impl<S: Source> fmt::Debug for Belonging<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Belonging").finish_non_exhaustive()
    }
}

impl<S> Source for Belonging<S>
where
    S: Source,
    S::Record: Sync,
{
    type Record = S::Record;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        let (names, ledger) = (self.names.clone(), self.ledger.clone());
        let pages = self.source.read(from);
        pages
            .then(move |page| {
                let (names, ledger) = (names.clone(), ledger.clone());
                async move {
                    let mut page = page?;
                    let mut kept = Vec::new();
                    for item in page.items {
                        if belongs(&item, &names, &*ledger).await? {
                            kept.push(item);
                        }
                    }
                    (page.items, page.mark) = (kept, None);
                    // Whose they are is known when they are read.
                    page.unchanged.clear();
                    Ok(page)
                }
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

async fn belongs<T>(
    item: &Item<T>,
    names: &NamesOf<T>,
    ledger: &dyn Ledger,
) -> Result<bool, SourceError> {
    let Ok(record) = item else { return Ok(false) };
    let unread = |error| SourceError::unavailable("the ledger could not be read").because(error);
    for name in names(&record.body) {
        let known = match name {
            Name::Key(key) => ledger.entries(&[key]).await.map_err(unread)?,
            Name::Alias(alias) => {
                let known = ledger.known_as(&[alias]).await.map_err(unread)?;
                known.into_iter().flatten().map(Some).collect()
            }
            _ => Vec::new(),
        };
        if known.into_iter().flatten().any(|entry| entry.target.is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use migrate_core::ledger::{Change, Written};
    use migrate_core::testkit::{ScriptedSource, source};
    use migrate_core::{Alias, Fingerprint, Key, MemoryLedger, Record, TargetId, Unreadable};

    use super::*;
    use crate::source::testing::{keys, read_all};

    fn numbers(count: u64) -> ScriptedSource<u64> {
        let number = |n| match n {
            3 => Err(Unreadable::new(Key::new("number", n), "it is torn")),
            n => Ok(Record::new(Key::new("number", n), n)),
        };
        ScriptedSource::of((1..=count).map(number)).pages_of(4)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_are_read_and_no_page_behind_them() {
        for (wanted, read, polls) in [(2, 2, 1), (4, 5, 2), (9, 10, 3), (10, 10, 3), (50, 10, 3)] {
            let source = numbers(10);
            let first = First::new(source.clone(), wanted);
            assert_eq!(keys(&read_all(&first, None).await).len(), read, "{wanted}");
            assert_eq!(source.polls(), polls, "{wanted}");
            source::check(&first, &source::Rules::new()).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_belongs_to_something_known_is_kept() {
        let ledger = Arc::new(MemoryLedger::new());
        let at = chrono::DateTime::UNIX_EPOCH;
        for (key, has_object) in [("contact:1", true), ("contact:2", false), ("contact:3", true)] {
            let (key, stage) = (Key::from(key), "contacts".to_owned());
            let aliases = vec![Alias::new("phone", key.id())];
            ledger
                .commit(vec![Change::Aliases { key: key.clone(), stage: stage.clone(), aliases }])
                .await
                .unwrap();
            if has_object {
                let how = migrate_core::ledger::How::Created;
                let print = Fingerprint::of(b"x");
                let Written { target, fingerprint, how, state, at, .. } =
                    Written::new(TargetId::new("c"), print, how, at);
                let done = Change::Done { key, stage, target, fingerprint, how, state, at };
                ledger.commit(vec![done]).await.unwrap();
            }
        }
        let names: NamesOf<u64> = Arc::new(|n| match n {
            1 | 2 => vec![Name::Key(Key::new("contact", n))],
            n => vec![Name::Alias(Alias::new("phone", n.to_string()))],
        });
        let calls = (1..=4).map(|n| (Key::new("call", n), n));
        let pilot = Belonging::new(ScriptedSource::new(calls).pages_of(3), names, ledger);
        assert_eq!(keys(&read_all(&pilot, None).await), ["call:1", "call:3"]);
        source::check(&pilot, &source::Rules::new()).await;
    }
}
