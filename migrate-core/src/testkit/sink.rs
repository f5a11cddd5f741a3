//! What every [`Sink`] must do, as a test that the author of any sink can run.
//!
//! ```
//! use migrate_core::testkit::{MemoryTarget, Piece, Sample, Uniqueness, sink};
//! use migrate_core::{Key, Patience, async_trait};
//!
//! struct Leads;
//!
//! #[async_trait]
//! impl sink::Subject for Leads {
//!     type Draft = Piece;
//!     type Sink = MemoryTarget;
//!
//!     async fn fresh(&self) -> MemoryTarget {
//!         MemoryTarget::new()
//!     }
//!
//!     fn sample(&self, _: &MemoryTarget, n: usize) -> Sample<Piece> {
//!         Sample::new(Key::new("lead", n), Piece::object(Uniqueness::Indexed, format!("lead {n}")))
//!     }
//!
//!     async fn objects(&self, target: &MemoryTarget, sample: &Sample<Piece>) -> usize {
//!         target.of(&sample.key).len()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! sink::check(&Leads).await;
//! # }
//! ```

// It is a test, which fails by panicking, wherever it is compiled.
#![allow(clippy::panic)]

use std::time::Duration;

use chrono::Utc;
use futures::future::join_all;

use super::Sample;
use crate::draft::{Draft, Repeat};
use crate::sink::{Evidence, Failure, FailureKind, Found, Outcome, Sink, TargetId};
use crate::{Patience, async_trait};

/// A sink under test: drafts for it, and a way to look at its destination past the sink.
#[async_trait]
pub trait Subject: Send + Sync {
    /// What it writes.
    type Draft: Draft;
    /// The sink.
    type Sink: Sink<Self::Draft>;

    /// A sink over a destination in which none of the samples stands, and everything that they
    /// refer to.
    async fn fresh(&self) -> Self::Sink;

    /// The draft of record `n`; another one for each number.
    fn sample(&self, sink: &Self::Sink, n: usize) -> Sample<Self::Draft>;

    /// How many objects there are of this sample.
    async fn objects(&self, sink: &Self::Sink, sample: &Sample<Self::Draft>) -> usize;

    /// The draft of record `n` as it is after a change; `None` where it cannot be changed.
    fn changed(&self, sink: &Self::Sink, n: usize) -> Option<Self::Draft> {
        let _ = (sink, n);
        None
    }

    /// A draft that the destination will not take; `None` where there is none.
    fn unwelcome(&self, sink: &Self::Sink) -> Option<Sample<Self::Draft>> {
        let _ = sink;
        None
    }

    /// How long a negative answer is not believed.
    fn patience(&self) -> Patience {
        Patience::default()
    }
}

/// Runs the whole contract.
///
/// # Panics
///
/// When the sink breaks the contract.
pub async fn check<S: Subject + ?Sized>(subject: &S) {
    every_receipt_is_spent(subject).await;
    one_failing_keeps_no_other(subject).await;
    what_is_known_is_brought_up_to_date(subject).await;
    what_may_be_repeated_makes_no_twin(subject).await;
    doubt_is_settled_as_it_is(subject).await;
    what_is_taken_is_not_found(subject).await;
    it_takes_what_it_says(subject).await;
}

/// Every receipt is spent, and what is told to be in place is.
///
/// # Panics
///
/// When it is not so; and so with each of these.
pub async fn every_receipt_is_spent<S: Subject + ?Sized>(subject: &S) {
    let sink = subject.fresh().await;
    let samples: Vec<_> = (0..4).map(|n| subject.sample(&sink, n)).collect();
    for batch in samples.chunks(sink.limits().batch.max(1)) {
        for (sample, outcome) in batch.iter().zip(write_all(&sink, batch).await) {
            let _ = in_place(sample, outcome);
        }
    }
    for sample in &samples {
        let count = subject.objects(&sink, sample).await;
        assert_eq!(count, 1, "{} is told to be in place", sample.key);
    }
}

/// One failing does not keep the others of its batch from being tried.
pub async fn one_failing_keeps_no_other<S: Subject + ?Sized>(subject: &S) {
    let sink = subject.fresh().await;
    let Some(unwelcome) = subject.unwelcome(&sink) else { return };
    let mut samples = vec![subject.sample(&sink, 0), unwelcome, subject.sample(&sink, 1)];
    let mut outcomes = Vec::new();
    for batch in samples.chunks(sink.limits().batch.max(1)) {
        outcomes.extend(write_all(&sink, batch).await);
    }
    let bad = samples.remove(1);
    let refusal = outcomes.remove(1);
    assert!(refusal.is_some(), "{} has its receipt dropped", bad.key);
    let succeeded = refusal.as_ref().is_some_and(|outcome| target(outcome).is_some());
    assert!(!succeeded, "{} is unwelcome and told to be in place", bad.key);
    for (sample, outcome) in samples.iter().zip(outcomes) {
        let _ = in_place(sample, outcome);
    }
}

/// What was written before is brought up to date, and not made anew.
pub async fn what_is_known_is_brought_up_to_date<S: Subject + ?Sized>(subject: &S) {
    let sink = subject.fresh().await;
    let sample = subject.sample(&sink, 0);
    let Some(draft) = subject.changed(&sink, 0) else { return };
    let made = in_place(&sample, sample.written_to(&sink).await);
    let changed = Sample { draft, ..sample }.known_as(made.clone());
    let outcome = changed.written_to(&sink).await;
    let is_update = matches!(outcome, Some(Outcome::Updated(_) | Outcome::Unchanged(_)));
    assert!(is_update, "{} is known, and what became of it is {outcome:?}", changed.key);
    assert_eq!(in_place(&changed, outcome), made, "it stays the object that it was");
    assert_eq!(subject.objects(&sink, &changed).await, 1, "a known object is not made anew");
}

/// A draft that says it may be repeated makes no twin when it is.
pub async fn what_may_be_repeated_makes_no_twin<S: Subject + ?Sized>(subject: &S) {
    let sink = subject.fresh().await;
    let sample = subject.sample(&sink, 0);
    if sample.draft.repeat() != Repeat::Safe {
        return;
    }
    let once = in_place(&sample, sample.written_to(&sink).await);
    let again = in_place(&sample, sample.written_to(&sink).await);
    assert_eq!(subject.objects(&sink, &sample).await, 1, "{} may be repeated", sample.key);
    assert_eq!(once, again, "{} is one object", sample.key);
}

/// `find` does not see what was not written, sees what was, and gives no negative answer that
/// would be believed meanwhile.
pub async fn doubt_is_settled_as_it_is<S: Subject + ?Sized>(subject: &S) {
    let sink = subject.fresh().await;
    let (written, other) = (subject.sample(&sink, 0), subject.sample(&sink, 1));
    if written.draft.repeat() != Repeat::Never {
        return;
    }
    assert!(!is_there(&look(&sink, &written, Vec::new()).await), "it is not written yet");
    let made = in_place(&written, written.written_to(&sink).await);
    let patience = subject.patience();
    let horizon = patience.settle_after + patience.lag_horizon;
    for wait in [Duration::ZERO, horizon / 2] {
        tokio::time::sleep(wait).await;
        match look(&sink, &written, Vec::new()).await {
            Found::Yes(found) => assert_eq!(found, made, "it is the object that was made"),
            // Neither is believed yet.
            Found::No(Evidence::Search) | Found::CannotTell => {}
            Found::No(Evidence::Read) => panic!("a current read does not see what is there"),
            found => panic!("it was written once, as it is: {found:?}"),
        }
    }
    tokio::time::sleep(horizon / 2).await;
    let found = look(&sink, &written, Vec::new()).await;
    assert_eq!(found, Found::Yes(made), "past the horizon it is found");
    assert!(!is_there(&look(&sink, &other, Vec::new()).await), "what is found is not another");
}

/// An object that is what another write of the record became is not what is looked for.
pub async fn what_is_taken_is_not_found<S: Subject + ?Sized>(subject: &S) {
    let sink = subject.fresh().await;
    let sample = subject.sample(&sink, 0);
    if sample.draft.repeat() != Repeat::Never {
        return;
    }
    let made = in_place(&sample, sample.written_to(&sink).await);
    let patience = subject.patience();
    tokio::time::sleep(patience.settle_after + patience.lag_horizon).await;
    let found = look(&sink, &sample, vec![made]).await;
    assert!(!is_there(&found), "what is taken is found again: {found:?}");
}

/// As many batches at once, and as many drafts in each, as its limits say.
pub async fn it_takes_what_it_says<S: Subject + ?Sized>(subject: &S) {
    let sink = subject.fresh().await;
    let limits = sink.limits();
    assert!(limits.batch > 0 && limits.in_flight > 0, "a sink takes something");
    let (batch, at_once) = (limits.batch.min(100), limits.in_flight.min(100));
    let samples: Vec<_> = (0..batch * at_once).map(|n| subject.sample(&sink, n)).collect();
    let batches = samples.chunks(batch).map(|batch| write_all(&sink, batch));
    let outcomes: Vec<_> = join_all(batches).await.into_iter().flatten().collect();
    for (sample, outcome) in samples.iter().zip(outcomes) {
        let _ = in_place(sample, outcome);
    }
}

async fn write_all<D: Draft>(sink: &impl Sink<D>, samples: &[Sample<D>]) -> Vec<Option<Outcome>> {
    let (writes, answers): (Vec<_>, Vec<_>) = samples.iter().map(Sample::offer).unzip();
    sink.write(writes).await;
    join_all(answers.into_iter().map(super::Answer::outcome)).await
}

fn in_place<D: Draft>(sample: &Sample<D>, outcome: Option<Outcome>) -> TargetId {
    match outcome.as_ref().and_then(target) {
        Some(target) => target.clone(),
        None if outcome.is_none() => panic!("{} has its receipt dropped", sample.key),
        None => panic!("{} cannot be written: {outcome:?}", sample.key),
    }
}

fn target(outcome: &Outcome) -> Option<&TargetId> {
    match outcome {
        Outcome::Created(id) | Outcome::Updated(id) | Outcome::Unchanged(id) => Some(id),
        _ => None,
    }
}

/// Looks, some times if it must: a look that fails says nothing.
async fn look<D: Draft>(sink: &impl Sink<D>, sample: &Sample<D>, taken: Vec<TargetId>) -> Found {
    let doubt = sample.doubt(Utc::now(), taken);
    let mut failed = Failure::new(FailureKind::NotDone, "");
    for _ in 0..5 {
        match sink.find(&doubt).await {
            Ok(found) => return found,
            Err(failure) => failed = failure,
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("it cannot look for {}: {failed}", sample.key);
}

fn is_there(found: &Found) -> bool {
    matches!(found, Found::Yes(_) | Found::Older(_) | Found::Twins(_))
}
