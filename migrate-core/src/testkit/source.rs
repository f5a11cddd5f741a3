//! What every [`Source`] must do, as a test that the author of any source can run.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! use migrate_core::testkit::{ScriptedSource, source};
//!
//! let people = ScriptedSource::new([("person:1", "Anna"), ("person:2", "Bo")]).pages_of(1);
//! let calls = people.clone();
//! source::check(&people, &source::Rules::new().counting(move || calls.polls())).await;
//! source::check_lookup(&people).await;
//! # }
//! ```

// It is a test, which fails by panicking, wherever it is compiled.
#![allow(clippy::panic)]

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;

use crate::source::{Estimate, Lookup, Source, SourceError};
use crate::{Item, Key, Page};

/// What the suite has to know about a source.
pub struct Rules {
    repeats: bool,
    settle: Duration,
    calls: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("repeats", &self.repeats).finish_non_exhaustive()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    /// A source that delivers each key once, and whose calls nobody counts.
    pub fn new() -> Self {
        Self { repeats: false, settle: Duration::from_secs(1), calls: None }
    }

    /// A source that may deliver a record again in the same reading, met by another way.
    #[must_use]
    pub fn repeating(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// With this, which counts what the source does – requests, files opened –, the suite sees
    /// that nothing happens before it is polled, and that dropping ends it.
    #[must_use]
    pub fn counting(mut self, calls: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.calls = Some(Box::new(calls));
        self
    }
}

/// Runs the whole contract on a source that stays as it is meanwhile.
///
/// # Panics
///
/// When the source breaks the contract.
pub async fn check<S: Source + ?Sized>(source: &S, rules: &Rules) {
    let whole = read(source.read(None)).await;
    assert!(!whole.is_empty(), "a source delivers a page at least, so that its end is known");
    ends_once(&whole);
    if !rules.repeats {
        no_key_twice(&whole);
    }
    let again = read(source.read(None)).await;
    assert_eq!(keys(&again), keys(&whole), "keys are stable between readings");
    resumes(source, &whole).await;
    estimates(source.estimate(), &whole);
    if let Some(calls) = &rules.calls {
        is_lazy(source, calls, rules.settle).await;
    }
}

/// Runs the contract of [`Lookup`].
///
/// # Panics
///
/// When the source breaks the contract.
pub async fn check_lookup<S: Lookup + ?Sized>(source: &S) {
    let whole = read(source.read(None)).await;
    let items = whole.iter().flat_map(|page| &page.items);
    let known: BTreeSet<Key> =
        items.filter_map(|item| item.as_ref().ok()).map(|record| record.key.clone()).collect();
    let asked: Vec<Key> = known.iter().cloned().rev().collect();
    let found = keys(&read(source.lookup(asked)).await);
    let once: BTreeSet<Key> = found.iter().cloned().collect();
    assert_eq!(once, known, "each record is found under its key, and no other");
    assert_eq!(found.len(), once.len(), "a record is found once");

    let nobody = Key::new("nobody", "of that name");
    let mut some: Vec<Key> = known.into_iter().take(1).collect();
    let expected = some.clone();
    some.push(nobody);
    let found = keys(&read(source.lookup(some)).await);
    assert_eq!(found, expected, "a key of which there is no record is left out");
    let none = keys(&read(source.lookup(Vec::new())).await);
    assert_eq!(none, [], "who asks for nothing gets nothing");
}

async fn read<T>(mut pages: BoxStream<'static, Result<Page<T>, SourceError>>) -> Vec<Page<T>> {
    let mut read = Vec::new();
    while let Some(page) = pages.next().await {
        match page {
            Ok(page) => read.push(page),
            Err(error) => panic!("it cannot be read: {error}"),
        }
        assert!(read.len() < 1_000_000, "reading does not end");
    }
    read
}

fn keys<T>(pages: &[Page<T>]) -> Vec<Key> {
    let of = |page: &Page<T>| page.items.iter().map(key).chain(&page.unchanged).cloned().collect();
    pages.iter().flat_map(|page| -> Vec<Key> { of(page) }).collect()
}

fn key<T>(item: &Item<T>) -> &Key {
    match item {
        Ok(record) => &record.key,
        Err(unreadable) => &unreadable.key,
    }
}

fn ends_once<T>(pages: &[Page<T>]) {
    let mut cursors: BTreeSet<&str> = BTreeSet::new();
    for (place, page) in (1..).zip(pages) {
        let last = place == pages.len();
        let Some(next) = &page.next else {
            assert!(last, "page {place} is the last by its cursor, and others follow");
            continue;
        };
        assert!(!last, "the last page names a page after it");
        assert!(cursors.insert(next.as_str()), "page {place} leads back to an earlier one");
    }
}

fn no_key_twice<T>(pages: &[Page<T>]) {
    let mut met = BTreeSet::new();
    for key in keys(pages) {
        assert!(met.insert(key.clone()), "{key} comes twice in one reading");
    }
}

async fn resumes<S: Source + ?Sized>(source: &S, whole: &[Page<S::Record>]) {
    for (place, page) in (1..).zip(whole) {
        let Some(next) = page.next.clone() else { continue };
        let rest = keys(&read(source.read(Some(next))).await);
        let expected = keys(&whole[place..]);
        assert_eq!(rest, expected, "what follows page {place} is the rest, and all of it");
    }
}

fn estimates<T>(estimate: Estimate, whole: &[Page<T>]) {
    let count = keys(whole).len() as u64;
    match estimate {
        Estimate::Exactly(said) => assert_eq!(said, count, "it said exactly so many"),
        Estimate::About(said) => {
            let near = said <= count.saturating_mul(10).max(10) && count <= said.max(1) * 10;
            assert!(near, "it said about {said}, and there are {count}");
        }
        Estimate::Unknown => {}
    }
}

async fn is_lazy<S: Source + ?Sized>(source: &S, calls: &dyn Fn() -> u64, settle: Duration) {
    tokio::time::sleep(settle).await;
    let before = calls();
    let mut pages = source.read(None);
    tokio::time::sleep(settle).await;
    assert_eq!(calls(), before, "nothing happens before it is polled");
    let first = pages.next().await;
    assert!(first.is_some() && calls() > before, "the calls it makes are counted");
    drop(pages);
    let dropped = calls();
    tokio::time::sleep(settle).await;
    assert_eq!(calls(), dropped, "dropping ends it");

    let mut pages = source.read(None);
    // Polled once, so that a call is under way when it is dropped.
    let _ = futures::poll!(pages.next());
    drop(pages);
    let dropped = calls();
    tokio::time::sleep(settle).await;
    assert_eq!(calls(), dropped, "dropping ends it in the middle of a page");
}
