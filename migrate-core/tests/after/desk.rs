//! A destination in memory: people with fields, tags and notes, threads with replies, attributes.
//! Other people edit it, and its replies can be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use migrate_core::{
    Doubt, Evidence, Failure, FailureKind, Fingerprint, Found, Limits, Name, Outcome, Sink,
    StopSignal, TargetId, Write, async_trait,
};
use serde_json::json;

use crate::migration::Item;

/// What stands in the destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) threads: BTreeMap<String, Thread>,
    /// Attributes by name: is it archived?
    pub(crate) attributes: BTreeMap<String, bool>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Person {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) tags: BTreeSet<String>,
    /// The mark by which what a migration made is known.
    pub(crate) mark: Option<String>,
    /// They cannot be deleted.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thread {
    pub(crate) person: String,
    /// The mark by which what a migration made is known.
    pub(crate) mark: Option<String>,
    pub(crate) text: String,
    pub(crate) replies: Vec<(String, String)>,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It takes effect, and nobody hears of it.
    LostReply,
    /// It is refused for now.
    NotDone,
    /// The destination is out of reach.
    Gone,
    /// It takes effect, and the answer says so before that shows.
    Lags,
}

/// The destination. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Desk(Arc<Mutex<Inner>>);

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) content: Content,
    last: u64,
    pub(crate) writes: u64,
    /// Writing calls by number, from one, that go wrong.
    pub(crate) faults: BTreeMap<u64, Fault>,
    pub(crate) reads: u64,
    /// The keys of what was taken back, in that order.
    pub(crate) taken: Vec<String>,
    /// The signal that is given when so many reads were made.
    pub(crate) stop_reading: Option<(StopSignal, u64)>,
    /// Reading calls by number, from one, that fail.
    pub(crate) read_faults: BTreeMap<u64, FailureKind>,
    /// What reads are answered with until they catch up: so many times.
    pub(crate) stale: Option<(Content, u32)>,
    /// Names of people as they were before they were first changed.
    was: BTreeMap<String, String>,
    /// It is asked before and after each call whether the process lives.
    pub(crate) lifeline: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Desk {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("no panic")
    }

    pub(crate) fn content(&self) -> Content {
        self.lock().content.clone()
    }

    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Content)) {
        edit(&mut self.lock().content);
    }

    pub(crate) fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Is the process alive that makes the calls?
    fn alive(&self) -> Result<(), Failure> {
        let lifeline = self.lock().lifeline.clone();
        match lifeline.is_none_or(|alive| alive()) {
            true => Ok(()),
            false => Err(Failure::new(FailureKind::Gone, "the process is dead")),
        }
    }

    /// A reading call.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Content) -> T) -> Result<T, Failure> {
        self.alive()?;
        let mut inner = self.lock();
        inner.reads += 1;
        let number = inner.reads;
        if let Some(kind) = inner.read_faults.remove(&number) {
            return Err(Failure::new(kind, "a fault"));
        }
        let stale = match &mut inner.stale {
            Some((content, times)) if *times > 0 => {
                *times -= 1;
                Some(content.clone())
            }
            _ => None,
        };
        Ok(look(stale.as_ref().unwrap_or(&inner.content)))
    }

    /// A writing call, with the faults that are due.
    pub(crate) fn call<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> Result<T, Failure> {
        self.alive()?;
        let done = {
            let mut inner = self.lock();
            inner.writes += 1;
            let number = inner.writes;
            let fault = inner.faults.remove(&number);
            let fail = |kind| Err(Failure::new(kind, "a fault"));
            match fault {
                Some(Fault::NotDone) => return fail(FailureKind::NotDone),
                Some(Fault::Gone) => return fail(FailureKind::Gone),
                Some(Fault::LostReply) => {
                    act(&mut inner);
                    return fail(FailureKind::InDoubt);
                }
                Some(Fault::Lags) => {
                    inner.stale = Some((inner.content.clone(), 1));
                    act(&mut inner)
                }
                None => act(&mut inner),
            }
        };
        self.alive()?;
        Ok(done)
    }

    fn write_one(&self, write: &mut Write<Item>) -> Result<Outcome, Failure> {
        let root = || write.resolved.root().map(ToString::to_string).expect("a root");
        let id = |id: String| TargetId::new(id);
        Ok(match write.draft.clone() {
            Item::Attribute(name) => {
                if self.read(|content| content.attributes.get(&name) == Some(&false))? {
                    return Ok(Outcome::Unchanged(id(name)));
                }
                self.call(|inner| inner.content.attributes.insert(name.clone(), false))?;
                Outcome::Created(id(name))
            }
            Item::Person { email, name } => {
                let known = self.read(|content| {
                    let mut people = content.people.iter();
                    people
                        .find(|(_, it)| it.email == email)
                        .map(|(id, it)| (id.clone(), it.clone()))
                })?;
                let mark = Some(write.key.to_string());
                write.leaves(Fingerprint::of(name.as_bytes()));
                let Some((it, person)) = known else {
                    let person = Person { email, name, mark, ..Person::default() };
                    return Ok(Outcome::Created(self.call(|inner| {
                        let id = inner.new_id();
                        inner.content.people.insert(id.clone(), person);
                        TargetId::new(id)
                    })?));
                };
                let was = self.lock().was.entry(it.clone()).or_insert(person.name.clone()).clone();
                if person.name != name {
                    self.call(|inner| {
                        inner.content.people.entry(it.clone()).or_default().name = name.clone();
                    })?;
                }
                // A reply that was lost does not make it somebody else's, or unchanged.
                match (person.mark == mark, was == name) {
                    (true, _) => Outcome::Created(id(it)),
                    (false, true) => Outcome::Unchanged(id(it)),
                    (false, false) => Outcome::Updated(id(it)),
                }
            }
            Item::Tag(name) => {
                let root = root();
                let has = |content: &Content| content.people[&root].tags.contains(&name);
                if self.read(has)? {
                    return Ok(Outcome::Unchanged(id(name)));
                }
                self.call(|inner| {
                    inner.content.people.entry(root.clone()).or_default().tags.insert(name.clone())
                })?;
                Outcome::Created(id(name))
            }
            Item::Note(text) => {
                let root = root();
                self.call(|inner| {
                    inner.content.people.entry(root.clone()).or_default().notes.push(text.clone());
                })?;
                Outcome::Created(id(format!("{root}:{text}")))
            }
            Item::Opening { person, text } => {
                let person = write.resolved.get(&Name::Key(person)).map(ToString::to_string);
                let mark = Some(write.key.to_string());
                write.leaves(Fingerprint::of(text.as_bytes()));
                let person = person.expect("a person");
                Outcome::Created(self.call(|inner| {
                    let id = inner.new_id();
                    let thread = Thread { person, mark, text, replies: Vec::new() };
                    inner.content.threads.insert(id.clone(), thread);
                    TargetId::new(id)
                })?)
            }
            Item::Reply(text) => {
                let root = root();
                Outcome::Created(self.call(|inner| {
                    let id = inner.new_id();
                    if let Some(thread) = inner.content.threads.get_mut(&root) {
                        thread.replies.push((id.clone(), text));
                    }
                    TargetId::new(id)
                })?)
            }
        })
    }
}

impl Inner {
    pub(crate) fn new_id(&mut self) -> String {
        self.last += 1;
        format!("id{}", self.last)
    }
}

#[async_trait]
impl Sink<Item> for Desk {
    async fn write(&self, batch: Vec<Write<Item>>) {
        for mut write in batch {
            if let Item::Person { email, name } = &write.draft {
                let was =
                    self.lock().content.people.values().find(|it| it.email == *email).cloned();
                if let Some(was) = was.filter(|was| was.name != *name) {
                    let _ = write.remember(json!({ "name": was.name })).await;
                }
            }
            match self.write_one(&mut write) {
                Ok(outcome) => write.spend(outcome),
                Err(failure) => write.failed(failure),
            }
        }
    }

    async fn find(&self, doubt: &Doubt<Item>) -> Result<Found, Failure> {
        let root = doubt.resolved.root().map(ToString::to_string);
        let found = self.read(|content| match &doubt.draft {
            Item::Opening { .. } => {
                let mark = Some(doubt.key.to_string());
                let thread = content.threads.iter().find(|(_, it)| it.mark == mark);
                thread.map(|(id, _)| id.clone())
            }
            Item::Note(text) => {
                let (id, person) = content.people.get_key_value(&root?)?;
                person.notes.contains(text).then(|| format!("{id}:{text}"))
            }
            Item::Reply(text) => {
                let thread = content.threads.get(&root?)?;
                thread.replies.iter().find(|(_, it)| it == text).map(|(id, _)| id.clone())
            }
            Item::Attribute(name) => content.attributes.contains_key(name).then(|| name.clone()),
            Item::Tag(name) => content.people.get(&root?)?.tags.get(name).cloned(),
            Item::Person { .. } => None,
        })?;
        let found = found.map(|id| Found::Yes(TargetId::new(id)));
        Ok(found.unwrap_or(Found::No(Evidence::Read)))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(3)
    }
}
