//! Dead and queued records, tried again after the cause was mended.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use migrate_core::ledger::{Ledger as _, Scan};
use migrate_core::{
    Cursor, Estimate, Fate, Key, Lookup, MemoryLedger, Page, Pipeline, RunOptions, Selection,
    Source, SourceError, vanished,
};

use crate::shelf::{Library, Shelf, as_they_are, books, looked_up_books, redrive, run, with_fate};

async fn with_trouble() -> (Shelf, Library, Arc<MemoryLedger>) {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    library.lock().refused.extend([2, 5]);
    library.lock().queued.extend([7, 8]);
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Dead).await, 2);
    assert_eq!(with_fate(&ledger, Fate::Queued).await, 2);
    shelf.taken();
    library.lock().writes = 0;
    (shelf, library, ledger)
}

fn mend(library: &Library) {
    let mut library = library.lock();
    library.refused.clear();
    library.queued.clear();
}

#[tokio::test(start_paused = true)]
async fn only_what_is_dead_or_queued_is_read_and_written() {
    let (shelf, library, ledger) = with_trouble().await;
    mend(&library);
    let run = redrive(looked_up_books(&shelf, &library), &ledger, &Selection::all()).await;
    assert_eq!(library.lock().writes, 4);
    assert_eq!(run.tally("books").of(Fate::Created), 4);
    let (read, mut looked_up) = shelf.taken();
    looked_up.sort_unstable();
    assert_eq!((read, looked_up), (vec![], vec![2, 5, 7, 8]));
    assert_eq!(with_fate(&ledger, Fate::Created).await, 10);
    let state = ledger.stage("books").await.unwrap();
    assert!(state.finished && state.pass == 1, "it is no pass");
    assert_eq!(ledger.proof("books", 1).await.unwrap().digest, state.digest);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_look_up_is_read_whole_and_the_rest_is_not_written() {
    let (shelf, library, ledger) = with_trouble().await;
    mend(&library);
    redrive(books(&shelf, &library), &ledger, &Selection::all()).await;
    assert_eq!(library.lock().writes, 4);
    assert_eq!(shelf.taken().0.len(), 10);
    assert_eq!(with_fate(&ledger, Fate::Created).await, 10);
}

#[tokio::test(start_paused = true)]
async fn one_queue_or_some_keys_alone() {
    for look_up in [true, false] {
        let (shelf, library, ledger) = with_trouble().await;
        mend(&library);
        let drive = async |selection: Selection| match look_up {
            true => redrive(looked_up_books(&shelf, &library), &ledger, &selection).await,
            false => redrive(books(&shelf, &library), &ledger, &selection).await,
        };
        drive(Selection::all().in_queue("no_such_queue")).await;
        assert_eq!((library.lock().writes, shelf.taken()), (0, (vec![], vec![])));
        drive(Selection::all().keys([Key::new("book", 5)])).await;
        assert_eq!(with_fate(&ledger, Fate::Dead).await, 1);
        assert_eq!(library.lock().writes, if look_up { 1 } else { 3 }, "a pass tries queues too");
        drive(Selection::all().in_queue("no_shelf").of_stage("books")).await;
        assert_eq!(with_fate(&ledger, Fate::Queued).await, 0);
        assert_eq!(with_fate(&ledger, Fate::Dead).await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_mended_stays_where_it_is_and_is_counted_once_more() {
    let (shelf, library, ledger) = with_trouble().await;
    let before = entries(&ledger).await;
    redrive(looked_up_books(&shelf, &library), &ledger, &Selection::all()).await;
    assert_eq!(library.lock().writes, 4, "each was tried once");
    let after = entries(&ledger).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.0, before.1), (&after.0, after.1), "the same fates");
        let again = u32::from(matches!(after.1, Fate::Dead | Fate::Queued));
        assert_eq!(after.2, before.2 + again, "{}", after.0);
    }
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(library.lock().writes, 6, "a run tries queues again, and nothing that was refused");
}

/// Keys, fates, and how often each was tried in vain.
async fn entries(ledger: &MemoryLedger) -> Vec<(Key, Fate, u32)> {
    let rows = ledger.scan(&Scan::of("books")).await.unwrap();
    rows.into_iter().map(|(_, entry)| (entry.key, entry.fate, entry.attempts)).collect()
}

/// What a sequel waited for is there now: it comes along, though nobody asked for it by its key. What is
/// known already is left to the next run, even if it has changed.
#[tokio::test(start_paused = true)]
async fn what_a_record_waited_for_comes_along() {
    let (shelf, library) = (Shelf::of(5), Library::default());
    let ledger = Arc::<MemoryLedger>::default();
    shelf.put(6, "sequel", Some(99));
    shelf.put(7, "sequel", Some(99));
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Queued).await, 2);
    library.lock().writes = 0;

    shelf.put(99, "first part", Some(1));
    shelf.put(1, "second edition", None);
    shelf.lock().along = true;
    redrive(looked_up_books(&shelf, &library), &ledger, &Selection::all()).await;
    assert_eq!(library.lock().writes, 3, "the sequels and what they waited for");
    assert_eq!(with_fate(&ledger, Fate::Created).await, 8);
    let state = ledger.stage("books").await.unwrap();
    let proof = ledger.proof("books", 1).await.unwrap();
    assert!(state.finished && state.pass == 1, "it is no pass");
    assert_eq!((proof.keys, proof.digest), (8, state.digest), "it counts as met in the last one");
    assert_eq!(vanished(&*ledger, "books", |_| {}).await.unwrap(), 0);

    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(library.lock().writes, 4, "the changed one");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_has_vanished_stays_dead() {
    let (shelf, library, ledger) = with_trouble().await;
    mend(&library);
    shelf.lock().books.remove(&2);
    redrive(looked_up_books(&shelf, &library), &ledger, &Selection::all()).await;
    assert_eq!(with_fate(&ledger, Fate::Dead).await, 1);
    assert_eq!(with_fate(&ledger, Fate::Created).await, 9);
}

/// The one in front is tried again although others wait behind it, and keeps its own reason while it
/// is not mended.
#[tokio::test(start_paused = true)]
async fn one_with_others_behind_it_in_its_lane() {
    let (shelf, library) = (Shelf::of(6), Library::default());
    let ledger = Arc::<MemoryLedger>::default();
    shelf.lock().one_lane = true;
    library.lock().queued.insert(2);
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Queued).await, 5);
    let selection = Selection::all().in_queue("no_shelf");
    for mended in [false, true] {
        if mended {
            mend(&library);
        }
        redrive(looked_up_books(&shelf, &library), &ledger, &selection).await;
        let created = if mended { 2 } else { 1 };
        assert_eq!(with_fate(&ledger, Fate::Created).await, created);
    }
    let behind = Selection::all().in_queue(migrate_core::WAITING_FOR_PARENT);
    redrive(looked_up_books(&shelf, &library), &ledger, &behind).await;
    assert_eq!(with_fate(&ledger, Fate::Created).await, 6);
    assert_eq!(library.lock().books.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_there_is_not() {
    let (shelf, library) = (Shelf::of(1), Library::default());
    let run = migrate_core::Run::on(Arc::new(MemoryLedger::new())).begin().await.unwrap();
    let plan = migrate_core::Plan::new().stage(books(&shelf, &library), &[]);
    let typo = Selection::all().of_stage("boks");
    let ended = plan.redrive(&run, &typo, &RunOptions::default()).await;
    assert!(matches!(ended, Err(migrate_core::RunError::NoStage(name)) if name == "boks"));
}

/// A source that delivers what is looked up on two pages each.
struct Twice(Shelf);

impl Lookup for Twice {
    fn lookup(
        &self,
        keys: Vec<Key>,
    ) -> BoxStream<'static, Result<Page<<Shelf as Source>::Record>, SourceError>> {
        self.0.lookup(keys.clone()).chain(self.0.lookup(keys)).boxed()
    }
}

impl Source for Twice {
    type Record = <Shelf as Source>::Record;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        self.0.read(from)
    }

    fn estimate(&self) -> Estimate {
        self.0.estimate()
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_source_delivers_twice_is_tried_once() {
    let (shelf, library, ledger) = with_trouble().await;
    let stage = Pipeline::new("books", shelf.clone(), as_they_are(), library.clone())
        .looked_up_in(Twice(shelf));
    redrive(stage, &ledger, &Selection::all()).await;
    assert_eq!(library.lock().writes, 4);
}
