//! A sink that keeps a copy.

use async_trait::async_trait;

use crate::sink::{Doubt, Failure, FailureKind, Found, Limits, Outcome, Sink, Write};

/// Copies every draft to an archive, then writes it.
///
/// The copy comes first: a draft whose copy fails is not written and is tried again, copy and all.
/// So whatever this migration wrote to the destination is in the archive; the archive may hold a
/// draft that the destination then refused, and it may be given the same draft again, so it must
/// take a second copy for the first, as a store of objects by key does. It is told of no object
/// that an earlier run made, neither there nor in the destination: see [`Write::copy`].
///
/// Whether a write took effect is asked of the destination alone, and undo leaves the archive as
/// it is.
#[derive(Clone, Debug)]
pub struct Tee<S, A> {
    sink: S,
    archive: A,
}

impl<S, A> Tee<S, A> {
    /// Writes to `sink` what was copied to `archive`.
    pub fn new(sink: S, archive: A) -> Self {
        Self { sink, archive }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<D, S, A> Sink<D> for Tee<S, A>
where
    D: Clone + Send + Sync + 'static,
    S: Sink<D>,
    A: Sink<D>,
{
    async fn write(&self, batch: Vec<Write<D>>) {
        let (copies, outcomes): (Vec<_>, Vec<_>) = batch.iter().map(Write::copy).unzip();
        self.archive.write(copies).await;
        let mut copied = Vec::with_capacity(batch.len());
        for (write, outcome) in batch.into_iter().zip(outcomes) {
            match outcome.await {
                Outcome::Created(_) | Outcome::Updated(_) | Outcome::Unchanged(_) => {
                    copied.push(write);
                }
                Outcome::Failed(failure) => {
                    // Nothing was sent to the destination, whatever became of the copy.
                    let kind = match failure.kind {
                        FailureKind::InDoubt => FailureKind::NotDone,
                        kind => kind,
                    };
                    let message = format!("the copy could not be kept: {}", failure.message);
                    write.failed(Failure::new(kind, message));
                }
                Outcome::Refused(reason) | Outcome::Queued(reason) => {
                    let message = format!("the archive refuses the copy: {}", reason.message);
                    write.failed(Failure::new(FailureKind::NotDone, message));
                }
            }
        }
        if !copied.is_empty() {
            self.sink.write(copied).await;
        }
    }

    async fn find(&self, doubt: &Doubt<D>) -> Result<Found, Failure> {
        self.sink.find(doubt).await
    }

    fn limits(&self) -> Limits {
        let (sink, archive) = (self.sink.limits(), self.archive.limits());
        Limits::batches(sink.batch.min(archive.batch), sink.in_flight.min(archive.in_flight))
    }
}
