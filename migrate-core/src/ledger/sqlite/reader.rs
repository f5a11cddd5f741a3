//! The threads that read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::file::trouble;
use super::row::Result as FileResult;
use super::{start, stopped};
use crate::ledger::LedgerError;

/// Some connections, each with a thread, that take turns at answering.
pub(super) struct Readers {
    path: PathBuf,
    questions: Option<mpsc::Sender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

type Question = Box<dyn FnOnce(&mut Connection) + Send>;

impl Readers {
    pub(super) fn new(path: PathBuf, connections: Vec<Connection>) -> Result<Self, LedgerError> {
        let (questions, queue) = mpsc::channel::<Question>();
        let queue = Arc::new(Mutex::new(queue));
        let mut readers = Self { path, questions: Some(questions), threads: Vec::new() };
        for mut db in connections {
            let queue = Arc::clone(&queue);
            let thread = start(&readers.path, "ledger-reader", move || {
                // The queue is let go before the question is answered.
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok(question) = next() {
                    question(&mut db);
                }
            })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    /// Answers a question from one state of the ledger, which holds every commit that has returned.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> FileResult<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let stopped = || stopped(&self.path);
        let question = Box::new(move |db: &mut Connection| {
            // Nobody may be waiting any more.
            let _ = answer.send(in_one_state(db, query));
        });
        let questions = self.questions.as_ref().ok_or_else(stopped)?;
        questions.send(question).map_err(|_| stopped())?;
        let answer = answered.await.map_err(|_| stopped())?;
        answer.map_err(|error| trouble(&self.path, "read", error))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.questions.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn in_one_state<T>(
    db: &mut Connection,
    query: impl FnOnce(&Connection) -> FileResult<T>,
) -> FileResult<T> {
    let transaction: Transaction<'_> = db.transaction()?;
    let answer = query(&transaction)?;
    transaction.finish()?;
    Ok(answer)
}
