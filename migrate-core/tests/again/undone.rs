//! Taking back records of one stage that hang on one another, whichever was read first.

use std::sync::{Arc, Mutex};

use migrate_core::{
    Failure, Fate, Ledger as _, Limits, Made, Rollback, RollbackOptions, Run, RunOptions,
    Selection, Stands, TakenBack, Undo, async_trait,
};

use crate::shelf::{Library, Shelf, books, redrive, run, with_fate};

/// Takes books back; one with sequels is left while these are there.
struct Recall(Library, Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Undo for Recall {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        let library = self.0.lock();
        let number: u64 = made.key.id().parse().unwrap();
        if !library.books.contains_key(made.key.as_str()) {
            return Ok(Stands::Gone);
        }
        match library.books.values().any(|book| book.sequel_of == Some(number)) {
            true => Ok(Stands::added("sequels")),
            false => Ok(Stands::AsLeft),
        }
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        self.0.lock().books.remove(made.key.as_str());
        self.1.lock().unwrap().push(made.key.to_string());
        Ok(TakenBack::Done)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(3)
    }
}

#[tokio::test(start_paused = true)]
async fn what_held_one_another_goes_in_the_end() {
    let (shelf, library, ledger) = (Shelf::default(), Library::default(), Arc::default());
    // Sequels are read before what they are sequels of, except the last.
    for (n, of) in [(1, Some(2)), (2, Some(3)), (3, None), (4, Some(3)), (5, None)] {
        shelf.put(n, "a book", of);
    }
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(with_fate(&ledger, Fate::Created).await, 5);
    let taken = Arc::default();
    let rollback = Rollback::new().stage("books", Recall(library.clone(), Arc::clone(&taken)));
    let of = Run::on(ledger.clone()).begin().await.unwrap();
    let report = rollback.run(&of, &RollbackOptions::default()).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let stage = &report.stages[0];
    assert_eq!((stage.records, stage.removed, stage.kept), (5, 5, 0));
    assert_eq!((library.lock().books.len(), taken.lock().unwrap().len()), (0, 5));
    assert_eq!(ledger.tally("books").await.unwrap().total(), 0);

    // Nothing is dead or queued any more, so there is nothing to be tried again; a run begins anew.
    redrive(books(&shelf, &library), &ledger, &Selection::all()).await;
    assert_eq!(library.lock().books.len(), 0);
    run(books(&shelf, &library), &ledger, &RunOptions::default()).await.unwrap();
    assert_eq!(library.lock().books.len(), 5);
}
