//! Records of which the source knows, without reading them, that they are as they were.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use migrate_core::testkit::source;
use migrate_core::{
    Chain, Cursor, Estimate, Fate, Key, Ledger as _, MemoryLedger, Page, Pipeline, Record,
    RunError, RunOptions, Source, SourceError, SourceExt as _, vanished,
};

use crate::shelf::{Book, Library, Shelf, as_they_are, books, run};

/// A shelf that names the books that are as they were in the place of reading them.
#[derive(Clone, Default)]
struct Known {
    shelf: Shelf,
    /// Those that are read all the same.
    read: BTreeSet<u64>,
    /// What is named beside the books of the shelf.
    also: Vec<Key>,
    /// Before which page it is out of reach, once.
    breaks: Arc<Mutex<Option<u64>>>,
}

impl Known {
    fn of(shelf: &Shelf, read: impl IntoIterator<Item = u64>) -> Self {
        Self { shelf: shelf.clone(), read: read.into_iter().collect(), ..Self::default() }
    }

    fn page(&self, after: u64) -> Result<(Page<Book>, Option<u64>), SourceError> {
        if self.breaks.lock().unwrap().take_if(|at| *at == after).is_some() {
            return Err(SourceError::unavailable("out of reach"));
        }
        let shelf = self.shelf.lock();
        let mut rest = shelf.books.range(after + 1..).map(|(n, (_, book))| (*n, book.clone()));
        let some: Vec<(u64, Book)> = rest.by_ref().take(3).collect();
        let last = rest.next().and(some.last()).map(|(n, _)| *n);
        let (read, known): (Vec<_>, Vec<_>) =
            some.into_iter().partition(|(n, _)| self.read.contains(n));
        let items = read.into_iter().map(|(n, book)| Ok(Record::new(Key::new("book", n), book)));
        let page = Page::new(items, last.map(|last| Cursor::new(last.to_string())));
        let known = known.into_iter().map(|(n, _)| Key::new("book", n));
        let also = self.also.iter().filter(|_| last.is_none()).cloned();
        Ok((page.unchanged(known.chain(also)), last))
    }
}

impl Source for Known {
    type Record = Book;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<Book>, SourceError>> {
        let after = from.map_or(0, |from| from.as_str().parse().unwrap());
        stream::try_unfold(Some((self.clone(), after)), |place| async move {
            let Some((known, after)) = place else { return Ok(None) };
            let (page, last) = known.page(after)?;
            Ok(Some((page, last.map(|last| (known, last)))))
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

fn stage(
    source: impl Source<Record = Book> + 'static,
    library: &Library,
) -> impl migrate_core::Stage + 'static {
    Pipeline::new("books", source, as_they_are(), library.clone())
}

/// Ten books, all of them in the library.
async fn all_in_place() -> (Shelf, Library, Arc<MemoryLedger>) {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    (shelf, library, ledger)
}

async fn gone(ledger: &MemoryLedger) -> Vec<String> {
    let mut keys = Vec::new();
    vanished(ledger, "books", |entry| keys.push(entry.key.to_string())).await.unwrap();
    keys
}

#[tokio::test(start_paused = true)]
async fn what_is_not_read_is_met_all_the_same() {
    let (shelf, library, ledger) = all_in_place().await;
    shelf.put(4, "second edition", None);
    shelf.put(11, "new", None);
    shelf.lock().books.remove(&9);
    let options = RunOptions::default();
    let (_, run) =
        run(stage(Known::of(&shelf, [4, 11]), &library), &ledger, &options).await.unwrap();
    let tally = run.tally("books");
    assert_eq!((tally.of(Fate::Unchanged), tally.of(Fate::Updated)), (8, 1));
    assert_eq!((tally.of(Fate::Created), library.lock().writes), (1, 12));
    let (state, proof) =
        (ledger.stage("books").await.unwrap(), ledger.proof("books", 2).await.unwrap());
    assert_eq!((state.pass, state.finished, state.partial, state.keys), (2, true, false, 10));
    assert_eq!((proof.keys, proof.digest), (state.keys, state.digest));
    assert_eq!(gone(&ledger).await, ["book:9"], "and nothing else");
}

#[tokio::test(start_paused = true)]
async fn what_the_ledger_does_not_have_in_place_is_an_error_of_the_source() {
    for (case, key) in
        [("unknown", "book:77"), ("queued", "book:2"), ("of another stage", "film:1")]
    {
        let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
        library.lock().queued.insert(2);
        let options = RunOptions::default();
        run(books(&shelf, &library), &ledger, &options).await.unwrap();
        let films = Chain::new().and("films", film());
        run(Pipeline::new("films", films, as_they_are(), library.clone()), &ledger, &options)
            .await
            .unwrap();
        let read = if key == "book:2" { vec![] } else { vec![2] };
        let mut source = Known::of(&shelf, read);
        source.also = vec![Key::from(key)];
        let error = run(stage(source, &library), &ledger, &options).await.unwrap_err();
        let RunError::Source { cause, .. } = &error else { panic!("{case}: {error:?}") };
        assert!(cause.to_string().contains(key) && !error.is_passing(), "{case}: {cause}");
        assert!(!ledger.stage("books").await.unwrap().finished, "{case}");
    }
}

/// One record of another kind.
fn film() -> migrate_core::testkit::ScriptedSource<Book> {
    let book = Book { title: "a film".into(), sequel_of: None };
    migrate_core::testkit::ScriptedSource::new([(Key::new("film", 1), book)])
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_broke_off_is_gone_on_with() {
    for breaks in [3, 6, 9] {
        let (shelf, library, ledger) = all_in_place().await;
        shelf.put(4, "second edition", None);
        let source = Known::of(&shelf, [4]);
        *source.breaks.lock().unwrap() = Some(breaks);
        let options = RunOptions::default();
        run(stage(source.clone(), &library), &ledger, &options).await.unwrap_err();
        assert_eq!(ledger.stage("books").await.unwrap().keys, breaks);
        run(stage(source, &library), &ledger, &options).await.unwrap();
        assert_eq!(ledger.proof("books", 2).await.unwrap().keys, 10);
        assert_eq!((gone(&ledger).await, library.lock().writes), (vec![], 11));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_named_twice_counts_once_and_one_that_is_read_is_read() {
    let (shelf, library, ledger) = all_in_place().await;
    shelf.put(4, "second edition", None);
    let mut source = Known::of(&shelf, [4, 10]);
    source.also = [1, 4, 8, 8, 10].map(|n| Key::new("book", n)).into();
    let (_, run) = run(stage(source, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(run.tally("books").of(Fate::Unchanged), 9);
    assert_eq!(ledger.stage("books").await.unwrap().keys, 10);
    assert_eq!(library.lock().books["book:4"].title, "second edition");
}

/// Whatever stands in front of a source hands on what it does not read.
#[tokio::test(start_paused = true)]
async fn sources_made_of_others_hand_it_on() {
    let (shelf, library, ledger) = all_in_place().await;
    let source = Known::of(&shelf, [4]);
    source::check(&source, &source::Rules::new()).await;
    let made = source.map_body(|book| book).only(|_| true).inspect(|_| {}).prefetch(2);
    let made = Chain::new().and("one", made);
    source::check(&made, &source::Rules::new()).await;
    let (_, run) = run(stage(made, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(run.tally("books").of(Fate::Unchanged), 10);
    assert_eq!((gone(&ledger).await, library.lock().writes), (vec![], 10));
}
