//! Readings of what has changed, and what has vanished.

use std::sync::Arc;

use migrate_core::{Fate, Ledger as _, MemoryLedger, RunOptions, Standing, vanished};

use crate::shelf::{Library, Shelf, books, run, with_fate};

#[tokio::test(start_paused = true)]
async fn a_source_with_marks_delivers_only_what_has_changed() {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    shelf.lock().marks = true;
    let changes = RunOptions::default().changes_only();
    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    assert_eq!(shelf.taken().0.len(), 10, "the first reads everything");
    shelf.put(4, "second edition", None);
    shelf.put(11, "new", None);
    let (_, second) = run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    assert_eq!(shelf.taken().0, [4, 11]);
    assert_eq!(second.tally("books").of(Fate::Updated), 1);
    assert_eq!(second.tally("books").of(Fate::Created), 1);
    let state = ledger.stage("books").await.unwrap();
    assert!(state.partial && state.finished);
    assert_eq!(ledger.proof("books", state.pass).await.unwrap().keys, 2);

    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    assert_eq!((shelf.taken().0, library.lock().writes), (vec![], 12), "the mark has moved on");
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!((shelf.taken().0.len(), library.lock().writes), (11, 12), "a whole one reads all");
}

#[tokio::test(start_paused = true)]
async fn where_a_source_cannot_tell_fingerprints_do() {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    let changes = RunOptions::default().changes_only();
    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    shelf.put(4, "second edition", None);
    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    assert_eq!(shelf.taken().0.len(), 20);
    assert_eq!(library.lock().writes, 11);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_comes_while_a_pass_is_under_way_is_not_missed() {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    shelf.lock().marks = true;
    let changes = RunOptions::default().changes_only();
    let meanwhile = shelf.clone();
    let change = tokio::spawn(async move {
        // The first page has been read by then, and the last has not.
        while meanwhile.lock().read.len() < 3 {
            tokio::task::yield_now().await;
        }
        meanwhile.put(1, "second edition", None);
    });
    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    change.await.unwrap();
    shelf.taken();
    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    assert!(shelf.taken().0.contains(&1), "the first mark of a reading counts");
    assert_eq!(library.lock().books["book:1"].title, "second edition");
}

#[tokio::test(start_paused = true)]
async fn what_has_vanished_is_reported_and_stays() {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    let options = RunOptions::default();
    run(books(&shelf, &library), &ledger, &options).await.unwrap();
    assert_eq!(gone(&ledger).await, Vec::<String>::new());
    shelf.lock().books.remove(&3);
    shelf.lock().books.remove(&9);
    run(books(&shelf, &library), &ledger, &options).await.unwrap();
    assert_eq!(gone(&ledger).await, ["book:3", "book:9"]);
    assert_eq!(with_fate(&ledger, Fate::Created).await, 10);
    assert_eq!(library.lock().books.len(), 10);
    let standing = Standing::of(&*ledger, &["books"], &Default::default(), |_| {}).await.unwrap();
    assert_eq!(standing.vanished.get("books"), Some(&2));
    assert!(standing.accounted);
    shelf.put(3, "first edition", None);
    run(books(&shelf, &library), &ledger, &options).await.unwrap();
    assert_eq!(gone(&ledger).await, ["book:9"]);
}

#[tokio::test(start_paused = true)]
async fn a_reading_of_changes_says_nothing_of_what_has_vanished() {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    shelf.lock().marks = true;
    let changes = RunOptions::default().changes_only();
    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    shelf.put(4, "second edition", None);
    run(books(&shelf, &library), &ledger, &changes).await.unwrap();
    assert_eq!(gone(&ledger).await, Vec::<String>::new());
}

async fn gone(ledger: &MemoryLedger) -> Vec<String> {
    let mut keys = Vec::new();
    vanished(ledger, "books", |entry| keys.push(entry.key.to_string())).await.unwrap();
    keys
}

/// An update that waited for somebody, and is not wanted any more: the record is as it was in place.
#[tokio::test(start_paused = true)]
async fn a_change_that_was_queued_and_taken_back_waits_for_nobody() {
    let (shelf, library, ledger) = (Shelf::of(10), Library::default(), Arc::default());
    let options = RunOptions::default();
    run(books(&shelf, &library), &ledger, &options).await.unwrap();
    let title = library.lock().books["book:2"].title.clone();
    library.lock().queued.insert(2);
    shelf.put(2, "second edition", None);
    run(books(&shelf, &library), &ledger, &options).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Queued).await, 1);
    let writes = library.lock().writes;
    shelf.put(2, &title, None);
    run(books(&shelf, &library), &ledger, &options).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Queued).await, 0);
    assert_eq!(library.lock().writes, writes, "it is in place already");
}
