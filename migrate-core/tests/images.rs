//! What stood in the destination before a write: how long an image of it is kept. One that outlives
//! a write which changed nothing would let undo take, or put back, what somebody else has done since.

#![allow(clippy::expect_used, clippy::unwrap_used, missing_docs, reason = "a test")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use migrate_core::testkit::ScriptedSource;
use migrate_core::{
    Doubt, Draft, Emit, Evidence, Failure, FailureKind, Found, Key, Ledger, Limits, MemoryLedger,
    Outcome, Pipeline, Plan, Reason, Record, Repeat, Run, RunOptions, Sink, TargetId, Write,
    async_trait, map_fn,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A label on something, and whether it must not be stuck on twice.
#[derive(Clone, Serialize, Deserialize)]
struct Label(u32, bool);

impl Draft for Label {
    fn repeat(&self) -> Repeat {
        if self.1 { Repeat::Never } else { Repeat::Safe }
    }
}

/// A destination that answers as it is told. Before each write it keeps how many came before, and
/// it notes what it was told about that.
#[derive(Clone, Default)]
struct Labels(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<Outcome>,
    first: Vec<bool>,
}

#[async_trait]
impl Sink<Label> for Labels {
    async fn write(&self, batch: Vec<Write<Label>>) {
        for write in batch {
            let came_before = self.0.lock().unwrap().first.len();
            let first = write.remember(json!(came_before)).await.unwrap();
            assert_eq!(write.remember(json!("again")).await.unwrap(), first, "it stays the first");
            let mut state = self.0.lock().unwrap();
            state.first.push(first);
            let answer = state.answers.pop_front();
            write.spend(answer.unwrap_or(Outcome::Created(TargetId::new("label"))));
        }
    }

    async fn find(&self, _: &Doubt<Label>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(1)
    }
}

/// Runs as often as it takes to get rid of all answers, and says of each write whether its image was
/// the first, and what is kept in the end.
async fn follow<const N: usize>(answers: [Outcome; N]) -> (Vec<bool>, Option<serde_json::Value>) {
    follow_as(answers, false).await
}

async fn follow_as<const N: usize>(
    answers: [Outcome; N],
    guarded: bool,
) -> (Vec<bool>, Option<serde_json::Value>) {
    let (labels, ledger) = (Labels::default(), Arc::new(MemoryLedger::new()));
    labels.0.lock().unwrap().answers = answers.into();
    for run in 0..=N {
        let mapper = map_fn(move |_: Record<()>, out: &mut Emit<Label>| {
            out.push(Label(u32::try_from(run).unwrap(), guarded));
        });
        let source = ScriptedSource::new([(key(), ())]);
        let stage = Pipeline::new("labels", source, mapper, labels.clone());
        let run = Run::on(ledger.clone()).begin().await.expect("a run");
        // Some answers stop the run.
        let _ = Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await;
        if labels.0.lock().unwrap().answers.is_empty() {
            break;
        }
    }
    let first = labels.0.lock().unwrap().first.clone();
    (first, ledger.before(&key()).await.unwrap())
}

fn key() -> Key {
    Key::new("thing", 1)
}

fn failed(kind: FailureKind) -> Outcome {
    Outcome::Failed(Failure::new(kind, "as told"))
}

#[tokio::test(start_paused = true)]
async fn an_image_goes_with_a_write_that_surely_changed_nothing() {
    let nothing = [
        Outcome::Unchanged(TargetId::new("label")),
        Outcome::Refused(Reason::new("refused", "as told")),
        Outcome::Queued(Reason::new("queued", "as told")),
        failed(FailureKind::Gone),
        failed(FailureKind::Stop),
    ];
    for outcome in nothing {
        assert_eq!(follow([outcome.clone()]).await, (vec![true], None), "{outcome:?}");
    }
    // What is not done is tried again in the same run.
    let (first, kept) = follow([failed(FailureKind::NotDone), failed(FailureKind::NotDone)]).await;
    assert_eq!((first, kept), (vec![true; 3], Some(json!(2))), "as it stood before the last");
}

#[tokio::test(start_paused = true)]
async fn an_image_stays_with_a_write_that_changed_something_or_may_have() {
    let object = || TargetId::new("label");
    for outcome in [Outcome::Created(object()), Outcome::Updated(object())] {
        assert_eq!(follow([outcome.clone()]).await, (vec![true], Some(json!(0))), "{outcome:?}");
    }
    let (first, kept) = follow([failed(FailureKind::InDoubt)]).await;
    assert_eq!((first, kept), (vec![true, false], Some(json!(0))));
}

#[tokio::test(start_paused = true)]
async fn an_image_of_an_earlier_write_outlives_a_later_one_that_changed_nothing() {
    let refused = || Outcome::Refused(Reason::new("refused", "as told"));
    let earlier = [failed(FailureKind::InDoubt), Outcome::Updated(TargetId::new("label"))];
    for earlier in earlier {
        let (first, kept) = follow([earlier.clone(), refused()]).await;
        assert_eq!((first, kept), (vec![true, false], Some(json!(0))), "{earlier:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_goes_when_a_look_says_that_nothing_was_written() {
    let (first, kept) = follow_as([failed(FailureKind::InDoubt)], true).await;
    assert_eq!((first, kept), (vec![true, true], Some(json!(1))), "as it stood before the second");
}
