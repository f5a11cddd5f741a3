//! [`MemoryTarget`]: a destination in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::lock;
use super::piece::{Piece, Uniqueness};
use crate::draft::{Draft as _, Name, Repeat};
use crate::sink::{
    Doubt, Evidence, Failure, FailureKind, Found, Limits, Outcome, Resolved, Sink, TargetId, Write,
};
use crate::{Key, KeyDigest, Reason, async_trait};

/// A destination in memory for [`Piece`]s: objects with texts, marks and a state. It takes twins
/// where a real one would, its index lags, and it notes what no engine should do to it. What stood
/// in an object that is none of the migration's is [remembered](Write::remember) before it is
/// changed. Clones share it. Faults come from [`Chaos`](super::Chaos) in front of it.
///
/// ```
/// # use migrate_core::testkit::{MemoryTarget, Piece, Sample, Uniqueness};
/// # use migrate_core::Key;
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let target = MemoryTarget::new();
/// let key = Key::new("lead", 1);
/// let lead = Sample::new(key.clone(), Piece::object(Uniqueness::Indexed, "Bo"));
/// lead.written_to(&target).await;
/// let once = target.digest();
///
/// lead.written_to(&target).await;
/// assert_eq!(target.twins(), [key]);
/// assert_ne!(target.digest(), once);
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryTarget(Arc<Mutex<State>>);

struct State {
    objects: Vec<Object>,
    made: u64,
    limits: Limits,
    latency: Duration,
    lag: Duration,
    answers: BTreeMap<Key, Outcome>,
    writes: u64,
    looks: u64,
    complaints: Vec<String>,
}

/// An object of a [`MemoryTarget`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// Its id.
    pub id: TargetId,
    /// The key it was written under.
    pub key: Key,
    /// What stands in it.
    pub text: String,
    /// The key of the object it belongs to.
    pub of: Option<Key>,
    /// Its texts in order, each with the key it was written under.
    pub texts: Vec<(Key, String)>,
    /// Its marks.
    pub marks: BTreeSet<String>,
    /// Is it closed?
    pub closed: bool,
    unique: Uniqueness,
    foreign: bool,
    made: Instant,
}

impl fmt::Debug for MemoryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTarget")
            .field("objects", &self.objects().len())
            .finish_non_exhaustive()
    }
}

impl Default for MemoryTarget {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryTarget {
    /// An empty destination: four writes at once, one in a batch, 60 milliseconds a call, an
    /// index that does not lag.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            objects: Vec::new(),
            made: 0,
            limits: Limits::one_by_one(4),
            latency: Duration::from_millis(60),
            lag: Duration::ZERO,
            answers: BTreeMap::new(),
            writes: 0,
            looks: 0,
            complaints: Vec::new(),
        })))
    }

    /// The same, with other limits.
    #[must_use]
    pub fn taking(self, batch: usize, in_flight: usize) -> Self {
        self.state().limits = Limits { batch, in_flight };
        self
    }

    /// The same, with calls that take so long: half of it to the effect, half to the answer.
    #[must_use]
    pub fn answering_in(self, latency: Duration) -> Self {
        self.state().latency = latency;
        self
    }

    /// The same, with an index that lags so far behind.
    #[must_use]
    pub fn lagging(self, lag: Duration) -> Self {
        self.state().lag = lag;
        self
    }

    /// Answers writes under this key so, and executes none of them, until it is told otherwise.
    pub fn answer(&self, key: impl Into<Key>, outcome: Option<Outcome>) {
        let (key, mut state) = (key.into(), self.state());
        match outcome {
            Some(outcome) => drop(state.answers.insert(key, outcome)),
            None => drop(state.answers.remove(&key)),
        }
    }

    /// Puts an object there that is none of the migration's.
    pub fn insert(&self, key: impl Into<Key>, text: impl Into<String>) -> TargetId {
        let mut state = self.state();
        let id = state.make(&key.into(), Uniqueness::ById, text.into(), None);
        if let Some(object) = state.object(&id) {
            object.foreign = true;
        }
        id
    }

    /// Changes the objects of a key past the migration, as somebody who works there would.
    pub fn edit(&self, key: &Key, mut change: impl FnMut(&mut Object)) {
        let mut state = self.state();
        state.objects.iter_mut().filter(|object| object.key == *key).for_each(&mut change);
    }

    /// Removes the objects of a key past the migration.
    pub fn remove(&self, key: &Key) {
        self.state().objects.retain(|object| object.key != *key);
    }

    /// All objects, in the order they were made.
    pub fn objects(&self) -> Vec<Object> {
        self.state().objects.clone()
    }

    /// The objects of a key: one, unless there are twins.
    pub fn of(&self, key: &Key) -> Vec<Object> {
        let mut objects = self.objects();
        objects.retain(|object| object.key == *key);
        objects
    }

    /// The object that a name leads to, for samples that refer to one.
    pub fn resolves(&self, key: &Key) -> Resolved {
        let mut resolved = Resolved::default();
        if let Some(object) = self.of(key).into_iter().next() {
            resolved.keys.insert(key.clone(), object.id);
        }
        resolved
    }

    /// The keys of which there is more than one object, or of whose texts there is more than one.
    pub fn twins(&self) -> Vec<Key> {
        let state = self.state();
        let mut count: BTreeMap<&Key, usize> = BTreeMap::new();
        for object in &state.objects {
            *count.entry(&object.key).or_default() += 1;
            object.texts.iter().for_each(|(key, _)| *count.entry(key).or_default() += 1);
        }
        count.into_iter().filter(|(_, count)| *count > 1).map(|(key, _)| key.clone()).collect()
    }

    /// What stands there, object by object, whatever the order and the ids: to be compared, and
    /// to be read when it differs.
    pub fn contents(&self) -> Vec<String> {
        let state = self.state();
        let mut contents: Vec<String> = state.objects.iter().map(Object::contents).collect();
        contents.sort_unstable();
        contents
    }

    /// A digest of the contents, whatever their order. Twins show.
    pub fn digest(&self) -> KeyDigest {
        let mut digest = KeyDigest::default();
        self.contents().into_iter().for_each(|object| digest.add(&Key::from(object)));
        digest
    }

    /// Write calls so far, one for each draft of a batch.
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Looks so far.
    pub fn looks(&self) -> u64 {
        self.state().looks
    }

    /// What was done to it that no engine should do: a part that came before its object, a look
    /// for what may be repeated. [`Strict`](super::Strict) notes more.
    pub fn complaints(&self) -> Vec<String> {
        self.state().complaints.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    async fn pass_half(&self) {
        let half = self.state().latency / 2;
        tokio::time::sleep(half).await;
    }
}

impl Object {
    fn contents(&self) -> String {
        let Self { key, text, of, marks, closed, .. } = self;
        let texts: Vec<&str> = self.texts.iter().map(|(_, text)| text.as_str()).collect();
        format!("{key} {text:?} of {of:?}, texts {texts:?}, marks {marks:?}, closed {closed}")
    }
}

impl State {
    fn make(&mut self, key: &Key, unique: Uniqueness, text: String, of: Option<Key>) -> TargetId {
        self.made += 1;
        let id = TargetId::new(format!("o{}", self.made));
        self.objects.push(Object {
            id: id.clone(),
            key: key.clone(),
            text,
            of,
            texts: Vec::new(),
            marks: BTreeSet::new(),
            closed: false,
            unique,
            foreign: false,
            made: Instant::now(),
        });
        id
    }

    fn object(&mut self, id: &TargetId) -> Option<&mut Object> {
        self.objects.iter_mut().find(|object| object.id == *id)
    }

    /// What stands in the object that a write is about to change, if it is none of the migration's.
    fn image(&self, write: &Write<Piece>) -> Option<Value> {
        let is_object = matches!(write.draft, Piece::Object { unique: Uniqueness::ById, .. });
        let mut objects = self.objects.iter().filter(|object| object.key == write.key);
        let object = objects.find(|object| object.foreign && is_object)?;
        (!self.answers.contains_key(&write.key)).then(|| json!({ "text": object.text }))
    }

    fn apply(&mut self, write: &Write<Piece>) -> Outcome {
        match &write.draft {
            Piece::Object { unique, text, of } => {
                self.put_object(write, *unique, text, of.as_ref())
            }
            Piece::Needs(of) => match write.resolved.get(&Name::Key(of.clone())) {
                Some(id) => Outcome::Unchanged(id.clone()),
                None => self.complain(format!("{} has nothing to lean on", write.key)),
            },
            on_root => {
                let root = write.resolved.root().cloned();
                let Some(object) = root.and_then(|root| self.object(&root)) else {
                    return self.complain(format!("{} came before its object", write.key));
                };
                put_on(object, &write.key, on_root)
            }
        }
    }

    fn put_object(
        &mut self,
        write: &Write<Piece>,
        unique: Uniqueness,
        text: &str,
        of: Option<&Key>,
    ) -> Outcome {
        let owner = of.map(|of| write.resolved.get(&Name::Key(of.clone())).cloned());
        let owner = match owner {
            None => None,
            Some(id) => match id.and_then(|id| self.object(&id).map(|owner| owner.key.clone())) {
                Some(key) => Some(key),
                None => return self.complain(format!("{} came before its owner", write.key)),
            },
        };
        let known = write.known_as.as_ref().map(|known| known.target.clone());
        if let Some(id) = &known
            && self.object(id).is_none()
        {
            return Outcome::Refused(Reason::new("not_found", "the object is gone"));
        }
        let there = known.clone().or_else(|| {
            let taken = |object: &&Object| object.key == write.key;
            let object = self.objects.iter().find(taken)?;
            (unique == Uniqueness::ById).then(|| object.id.clone())
        });
        let Some(object) = there.as_ref().and_then(|id| self.object(id)) else {
            return Outcome::Created(self.make(&write.key, unique, text.to_owned(), owner));
        };
        let same = object.text == text && object.of == owner;
        object.text = text.to_owned();
        object.of = owner;
        let id = object.id.clone();
        if known.is_none() && !object.foreign {
            // It carries our key, so an earlier try of this write has made it.
            return Outcome::Created(id);
        }
        if same { Outcome::Unchanged(id) } else { Outcome::Updated(id) }
    }

    fn complain(&mut self, complaint: String) -> Outcome {
        self.complaints.push(complaint.clone());
        Outcome::Refused(Reason::new("against_the_rules", complaint))
    }

    fn look(&self, doubt: &Doubt<Piece>) -> Found {
        match &doubt.draft {
            Piece::Object { unique, text, .. } => {
                let seen = |object: &&Object| {
                    object.key == doubt.key
                        && object.unique == *unique
                        && !doubt.taken.contains(&object.id)
                        && (*unique != Uniqueness::Indexed || object.made.elapsed() >= self.lag)
                };
                let seen: Vec<&Object> = self.objects.iter().filter(seen).collect();
                match seen[..] {
                    [] if *unique == Uniqueness::Indexed => Found::No(Evidence::Search),
                    [] => Found::No(Evidence::Read),
                    [one] if one.text == *text => Found::Yes(one.id.clone()),
                    [one] => Found::Older(one.id.clone()),
                    _ => Found::Twins(seen.iter().map(|object| object.id.clone()).collect()),
                }
            }
            Piece::Text(text) | Piece::Corrected(text) => {
                let root = doubt.resolved.root();
                let root = self.objects.iter().find(|object| Some(&object.id) == root);
                let Some(object) = root else { return Found::No(Evidence::Read) };
                let texts = (1..).zip(&object.texts).filter(|(_, (_, there))| there == text);
                let ids = texts.map(|(n, _)| text_id(object, n));
                let mut ids: Vec<TargetId> = ids.filter(|id| !doubt.taken.contains(id)).collect();
                match ids.len() {
                    0 => Found::No(Evidence::Read),
                    1 => Found::Yes(ids.remove(0)),
                    _ => Found::Twins(ids),
                }
            }
            _ => Found::CannotTell,
        }
    }
}

fn text_id(object: &Object, n: usize) -> TargetId {
    TargetId::new(format!("{}/{n}", object.id))
}

fn put_on(object: &mut Object, key: &Key, piece: &Piece) -> Outcome {
    match piece {
        Piece::Text(text) | Piece::Corrected(text) => {
            object.texts.push((key.clone(), text.clone()));
            object.closed = false;
            Outcome::Created(text_id(object, object.texts.len()))
        }
        Piece::Mark(mark) => {
            let id = TargetId::new(format!("{}#{mark}", object.id));
            match object.marks.insert(mark.clone()) {
                true => Outcome::Created(id),
                false => Outcome::Unchanged(id),
            }
        }
        _ => {
            let id = TargetId::new(format!("{}#closed", object.id));
            match std::mem::replace(&mut object.closed, true) {
                false => Outcome::Created(id),
                true => Outcome::Unchanged(id),
            }
        }
    }
}

#[async_trait]
impl Sink<Piece> for MemoryTarget {
    async fn write(&self, batch: Vec<Write<Piece>>) {
        self.pass_half().await;
        let mut done = Vec::with_capacity(batch.len());
        for write in batch {
            let image = self.state().image(&write);
            if let Some(image) = image
                && let Err(error) = write.remember(image).await
            {
                let failure = Failure::new(FailureKind::NotDone, error.to_string());
                done.push((write, Outcome::Failed(failure)));
                continue;
            }
            let mut state = self.state();
            state.writes += 1;
            let outcome = match state.answers.get(&write.key) {
                Some(outcome) => outcome.clone(),
                None => state.apply(&write),
            };
            done.push((write, outcome));
        }
        self.pass_half().await;
        done.into_iter().for_each(|(write, outcome)| write.spend(outcome));
    }

    async fn find(&self, doubt: &Doubt<Piece>) -> Result<Found, Failure> {
        self.pass_half().await;
        let found = {
            let mut state = self.state();
            state.looks += 1;
            if doubt.draft.repeat() == Repeat::Safe {
                let complaint = format!("asked for {}, which may be repeated", doubt.key);
                state.complaints.push(complaint);
            }
            state.look(doubt)
        };
        self.pass_half().await;
        Ok(found)
    }

    fn limits(&self) -> Limits {
        self.state().limits
    }
}
