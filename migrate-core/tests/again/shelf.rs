//! A source that can change, and a destination that refuses what it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use migrate_core::{
    Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, Fate, Found, Key, Ledger, Limits,
    Lookup, Mapper, MemoryLedger, Missing, Name, Page, Pipeline, Plan, Reason, Record, Reference,
    Repeat, Run, RunEnd, RunError, RunOptions, Selection, Sink, Source, SourceError, Stage,
    TargetId, Write, async_trait, map_fn,
};
use serde::{Deserialize, Serialize};

/// A book, and the one it is a sequel of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) title: String,
    pub(crate) sequel_of: Option<u64>,
}

impl Draft for Book {
    fn references(&self) -> Vec<Reference> {
        let Some(first) = self.sequel_of else { return Vec::new() };
        let missing = Missing::Queue(Reason::new("no_first_part", "there is no such book"));
        vec![Reference::new([Name::Key(Key::new("book", first))], missing)]
    }

    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Books by number, each with the moment of its last change, and how they were read.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<Books>>);

#[derive(Default)]
pub(crate) struct Books {
    pub(crate) books: BTreeMap<u64, (u64, Book)>,
    pub(crate) clock: u64,
    /// Can it tell what has changed?
    pub(crate) marks: bool,
    /// Are all books in one lane?
    pub(crate) one_lane: bool,
    /// Does a sequel that is looked up bring the book before it along?
    pub(crate) along: bool,
    /// Keys of the books that were delivered, and how.
    pub(crate) read: Vec<u64>,
    pub(crate) looked_up: Vec<u64>,
}

impl Shelf {
    pub(crate) fn of(count: u64) -> Self {
        let shelf = Self::default();
        (1..=count).for_each(|n| shelf.put(n, "first edition", None));
        shelf
    }

    pub(crate) fn put(&self, n: u64, title: &str, sequel_of: Option<u64>) {
        let mut shelf = self.lock();
        shelf.clock += 1;
        let clock = shelf.clock;
        shelf.books.insert(n, (clock, Book { title: title.to_owned(), sequel_of }));
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap()
    }

    /// What was delivered since this was last asked.
    pub(crate) fn taken(&self) -> (Vec<u64>, Vec<u64>) {
        let mut shelf = self.lock();
        (std::mem::take(&mut shelf.read), std::mem::take(&mut shelf.looked_up))
    }
}

fn record(n: u64, book: &Book) -> Record<Book> {
    Record::new(Key::new("book", n), book.clone())
}

impl Source for Shelf {
    type Record = Book;

    /// In pages of three; a cursor says after which number, or since which moment.
    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Book>, SourceError>> {
        let shelf = self.clone();
        let from = from.map_or("after:0".to_owned(), |cursor| cursor.as_str().to_owned());
        stream::unfold(Some(from), move |from| {
            let shelf = shelf.clone();
            async move {
                let from = from?;
                let mut shelf = shelf.lock();
                let (what, number) = from.split_once(':').unwrap();
                let number: u64 = number.parse().unwrap();
                let wanted: Vec<(u64, Record<Book>)> = shelf
                    .books
                    .iter()
                    .filter(
                        |(n, (at, _))| if what == "since" { *at > number } else { **n > number },
                    )
                    .map(|(n, (_, book))| {
                        let record = record(*n, book);
                        (*n, if shelf.one_lane { record.in_lane("all") } else { record })
                    })
                    .collect();
                let size = if what == "since" { usize::MAX } else { 3 };
                let next = (wanted.len() > size).then(|| format!("after:{}", wanted[size - 1].0));
                let page: Vec<_> = wanted.into_iter().take(size).collect();
                shelf.read.extend(page.iter().map(|(n, _)| *n));
                let page = page.into_iter().map(|(_, record)| Ok(record));
                let mut page = Page::new(page, next.clone().map(Cursor::new));
                if shelf.marks {
                    page = page.marked(Cursor::new(format!("since:{}", shelf.clock)));
                }
                Some((Ok(page), next))
            }
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.lock().books.len() as u64)
    }
}

impl Lookup for Shelf {
    fn lookup(&self, keys: Vec<Key>) -> BoxStream<'static, Result<Page<Book>, SourceError>> {
        let mut shelf = self.lock();
        let mut numbers: Vec<u64> = keys.iter().map(|key| key.id().parse().unwrap()).collect();
        shelf.looked_up.extend(&numbers);
        if shelf.along {
            let first = |n: &u64| shelf.books.get(n).and_then(|(_, book)| book.sequel_of);
            let with_first = numbers.iter().flat_map(|n| first(n).into_iter().chain([*n]));
            numbers = with_first.collect();
        }
        let one_lane = shelf.one_lane;
        let found = numbers.iter().filter_map(|n| {
            let record = record(*n, &shelf.books.get(n)?.1);
            Some(Ok(if one_lane { record.in_lane("all") } else { record }))
        });
        let page = Page::new(found, None);
        stream::iter([Ok(page)]).boxed()
    }
}

/// Where books are written. It refuses titles and lets others wait, as it is told.
#[derive(Clone, Default)]
pub(crate) struct Library(Arc<Mutex<Holdings>>);

#[derive(Default)]
pub(crate) struct Holdings {
    pub(crate) books: BTreeMap<String, Book>,
    pub(crate) refused: BTreeSet<u64>,
    pub(crate) queued: BTreeSet<u64>,
    pub(crate) writes: u64,
    pub(crate) batches: Vec<usize>,
    pub(crate) limits: Option<Limits>,
}

impl Library {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Holdings> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Sink<Book> for Library {
    async fn write(&self, batch: Vec<Write<Book>>) {
        self.lock().batches.push(batch.len());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let mut library = self.lock();
        for write in batch {
            let n: u64 = write.key.id().parse().unwrap();
            library.writes += 1;
            if library.refused.contains(&n) {
                write.refused(Reason::new("bad_title", "no such title").field("title"));
            } else if library.queued.contains(&n) {
                write.queued(Reason::new("no_shelf", "no shelf").remedy("librarian", "build one"));
            } else {
                let id = TargetId::new(format!("b{n}"));
                match library.books.insert(write.key.to_string(), write.draft.clone()) {
                    Some(_) => write.updated(id),
                    None => write.created(id),
                }
            }
        }
    }

    async fn find(&self, _: &Doubt<Book>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        self.lock().limits.unwrap_or_else(|| Limits::one_by_one(2))
    }
}

pub(crate) fn as_they_are() -> impl Mapper<Book, Out = Book> {
    map_fn(|record: Record<Book>, out: &mut Emit<Book>| out.push(record.body))
}

pub(crate) fn books(shelf: &Shelf, library: &Library) -> impl Stage + 'static {
    Pipeline::new("books", shelf.clone(), as_they_are(), library.clone())
}

pub(crate) fn looked_up_books(shelf: &Shelf, library: &Library) -> impl Stage + 'static {
    let pipeline = Pipeline::new("books", shelf.clone(), as_they_are(), library.clone());
    pipeline.looked_up_in(shelf.clone())
}

pub(crate) async fn run(
    stage: impl Stage + 'static,
    ledger: &Arc<MemoryLedger>,
    options: &RunOptions,
) -> Result<(RunEnd, Run), RunError> {
    let run = Run::on(ledger.clone()).begin().await?;
    let end = Plan::new().stage(stage, &[]).run(&run, options).await?;
    Ok((end, run))
}

pub(crate) async fn redrive(
    stage: impl Stage + 'static,
    ledger: &Arc<MemoryLedger>,
    selection: &Selection,
) -> Run {
    let run = Run::on(ledger.clone()).begin().await.unwrap();
    let plan = Plan::new().stage(stage, &[]);
    let end = plan.redrive(&run, selection, &RunOptions::default()).await.unwrap();
    assert_eq!(end, RunEnd::default());
    run
}

/// How many records of the stage have this fate, according to the ledger.
pub(crate) async fn with_fate(ledger: &MemoryLedger, fate: Fate) -> u64 {
    ledger.tally("books").await.unwrap().of(fate)
}
