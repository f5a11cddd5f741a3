//! What the destination of the model holds, and what calls to it meet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use migrate_core::testkit::{Piece, Uniqueness};
use migrate_core::{
    Doubt, Draft as _, Evidence, Failure, FailureKind, Found, Key, Limits, Name, Reason, Repeat,
    Sink, TargetId, Write, async_trait,
};
use tokio::time::Instant;

use super::{LAG, Parent};

/// What a write meets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Done,
    Doubt(Effect),
    Dropped(Effect),
    NotDone,
    Queued,
    Refused,
    Gone,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    Now,
    Late(u64),
    Never,
}

/// What a look meets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// A read that is current.
    Read,
    /// The same, by what is to stand there: an update that was not made is a plain no.
    ByContent,
    /// A search, which lags.
    Search,
    CannotTell,
    Fails,
    /// It sees somebody's copy beside what is there.
    Twins,
}

/// The truth about the destination, and what is to happen to calls.
#[derive(Clone)]
pub(super) struct Model(pub(super) Arc<Mutex<Truth>>);

pub(super) struct Truth {
    pub(super) unique: Uniqueness,
    pub(super) parent: Parent,
    pub(super) answers: VecDeque<Answer>,
    pub(super) looks: VecDeque<Look>,
    /// What is there, or will be: with the moment from which it is.
    pub(super) objects: Vec<Object>,
    pub(super) parents: u32,
    pub(super) writes: u64,
    /// Writes in a row that were surely not done.
    pub(super) not_done: u32,
    pub(super) last: Option<Answer>,
    pub(super) broken: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) id: TargetId,
    pub(super) text: String,
    pub(super) from: Instant,
}

pub(super) fn record() -> Key {
    Key::new("record", 1)
}

/// A record of the same page, whose write takes long: until then the page is open, and is read
/// again by the next process.
pub(super) fn neighbour() -> Key {
    Key::new("neighbour", 1)
}

pub(super) fn parent() -> Key {
    Key::new("parent", 1)
}

impl Model {
    pub(super) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.0.lock().expect("no panic")
    }

    fn take_effect(&self, id: Option<&TargetId>, text: &str, late: u64) -> TargetId {
        let mut truth = self.truth();
        let from = Instant::now() + Duration::from_secs(late);
        let known = match truth.unique {
            Uniqueness::ById => truth.objects.first().map(|object| object.id.clone()),
            _ => id.cloned(),
        };
        if let Some(id) = known {
            let Some(object) = truth.objects.iter_mut().find(|object| object.id == id) else {
                truth.broken.push(format!("{id} is updated, which is nobody"));
                return id;
            };
            if late == 0 {
                object.text = text.to_owned();
            } else {
                let (model, key, text) = (self.clone(), id.clone(), text.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep_until(from).await;
                    let mut truth = model.truth();
                    let object = truth.objects.iter_mut().find(|object| object.id == key);
                    object.expect("it stays").text = text;
                });
            }
            return id;
        }
        let id = TargetId::new(format!("o{}", truth.objects.len() + 1));
        truth.objects.push(Object { id: id.clone(), text: text.to_owned(), from });
        id
    }

    async fn write_parent(&self, write: Write<Piece>) {
        let (how, first) = {
            let mut truth = self.truth();
            truth.parents += 1;
            (truth.parent, truth.parents == 1)
        };
        match how {
            Parent::Dies => write.refused(Reason::new("invalid", "no")),
            Parent::Doubted if first => {
                write.failed(Failure::new(FailureKind::InDoubt, "timed out"));
            }
            _ => write.created(TargetId::new("p1")),
        }
    }

    async fn write_record(&self, mut write: Write<Piece>) {
        let answer = {
            let mut truth = self.truth();
            truth.writes += 1;
            let safe = write.draft.repeat() == Repeat::Safe;
            let known = write.known_as.as_ref().map(|known| known.target.clone());
            match (&known, truth.objects.first().cloned()) {
                (None, Some(there)) if !safe => {
                    truth.broken.push(format!("a second create beside {there:?}"));
                }
                (Some(known), Some(there)) if there.id != *known => {
                    truth.broken.push(format!("{known} is known, and {there:?} is there"));
                }
                (Some(known), None) => truth.broken.push(format!("{known} is known to nobody")),
                _ => {}
            }
            if truth.parent != Parent::None && write.resolved.get(&Name::Key(parent())).is_none() {
                truth.broken.push("written before its parent was in place".into());
            }
            let answer = truth.answers.pop_front().unwrap_or(Answer::Done);
            truth.last = Some(answer);
            let surely_not = matches!(answer, Answer::NotDone)
                || (safe && matches!(answer, Answer::Doubt(_) | Answer::Dropped(_)));
            truth.not_done = if surely_not { truth.not_done + 1 } else { 0 };
            answer
        };
        let text = match &write.draft {
            Piece::Object { text, .. } => text.clone(),
            other => panic!("no object: {other:?}"),
        };
        let known = write.known_as.take().map(|known| known.target);
        let effect = |effect: Effect| match effect {
            Effect::Now => drop(self.take_effect(known.as_ref(), &text, 0)),
            Effect::Late(late) => drop(self.take_effect(known.as_ref(), &text, late)),
            Effect::Never => {}
        };
        match answer {
            Answer::Done => {
                let id = self.take_effect(known.as_ref(), &text, 0);
                tokio::time::sleep(Duration::from_millis(50)).await;
                if known.is_some() { write.updated(id) } else { write.created(id) }
            }
            Answer::Doubt(what) => {
                effect(what);
                write.failed(Failure::new(FailureKind::InDoubt, "timed out"));
            }
            Answer::Dropped(what) => effect(what),
            Answer::NotDone => write.failed(Failure::new(FailureKind::NotDone, "too many calls")),
            Answer::Queued => write.queued(Reason::new("archived", "somebody has to restore it")),
            Answer::Refused => write.refused(Reason::new("invalid", "no")),
            Answer::Gone => write.failed(Failure::new(FailureKind::Gone, "connection refused")),
        }
    }
}

#[async_trait]
impl Sink<Piece> for Model {
    async fn write(&self, batch: Vec<Write<Piece>>) {
        for write in batch {
            tokio::time::sleep(Duration::from_millis(50)).await;
            match write.key.kind() {
                "parent" => self.write_parent(write).await,
                "neighbour" => {
                    tokio::time::sleep(Duration::from_secs(15)).await;
                    write.created(TargetId::new("n1"));
                }
                _ => self.write_record(write).await,
            }
        }
    }

    async fn find(&self, doubt: &Doubt<Piece>) -> Result<Found, Failure> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if doubt.key.kind() == "parent" {
            // One that is refused never came about, whenever its process died.
            return Ok(match self.truth().parent {
                Parent::Dies => Found::No(Evidence::Read),
                _ => Found::Yes(TargetId::new("p1")),
            });
        }
        let mut truth = self.truth();
        let look = truth.looks.pop_front().unwrap_or(Look::Read);
        let lag = if matches!(look, Look::Search) { LAG } else { Duration::ZERO };
        let seen = truth.objects.iter().find(|object| object.from + lag <= Instant::now());
        let Piece::Object { text, .. } = &doubt.draft else { panic!("no object") };
        Ok(match (look, seen) {
            (Look::CannotTell, _) => Found::CannotTell,
            (Look::Fails, _) => return Err(Failure::new(FailureKind::NotDone, "no answer")),
            (Look::Search, None) => Found::No(Evidence::Search),
            (_, None) => Found::No(Evidence::Read),
            // Of twins it is not said how old they are, so only those are named that are current.
            (Look::Twins, Some(seen)) if seen.text == *text => {
                Found::Twins(vec![seen.id.clone(), TargetId::new("copy")])
            }
            (_, Some(seen)) if seen.text == *text => Found::Yes(seen.id.clone()),
            (Look::ByContent, Some(_)) => Found::No(Evidence::Read),
            (_, Some(seen)) => Found::Older(seen.id.clone()),
        })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(2)
    }
}
