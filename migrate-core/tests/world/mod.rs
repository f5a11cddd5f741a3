//! Two invented services: people and threads of messages, and a destination with faults.

mod destination;

pub use destination::{Faults, World};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use migrate_core::{
    Alias, Cursor, Draft, Emit, Estimate, Group, Grouping, Key, Member, Missing, Name, Page,
    Pipeline, Reason, Record, Reference, Repeat, Source, SourceError, Stage, Unreadable, map_fn,
};
use serde::{Deserialize, Serialize};

/// A small generator of numbers, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[derive(Clone, Debug)]
pub struct Person {
    id: u64,
    email: Option<String>,
    name: String,
}

/// A source in memory, in pages of seven; every seventeenth row cannot be read.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    rows: Arc<Vec<T>>,
}

pub type People = Rows<Person>;
pub type Threads = Rows<Thread>;

#[derive(Clone, Debug)]
pub struct Thread {
    id: u64,
    person: u64,
    remarks: Vec<String>,
}

impl<T> Rows<T> {
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

impl Rows<Person> {
    pub fn generate(rng: &mut Rng, count: u64) -> Self {
        let rows = (1..=count)
            .map(|id| {
                let email = match rng.below(10) {
                    0 => None,
                    1..=3 => Some(format!("shared{}@example.com", rng.below(3))),
                    _ => Some(format!("p{id}@example.com")),
                };
                Person { id, email, name: format!("person {id}") }
            })
            .collect();
        Self { rows: Arc::new(rows) }
    }
}

impl Rows<Thread> {
    pub fn generate(rng: &mut Rng, people: &People, count: u64) -> Self {
        let rows = (1..=count)
            .map(|id| {
                let remarks = (0..rng.below(4)).map(|n| format!("remark {n}")).collect();
                Thread { id, person: 1 + rng.below(people.len() as u64 + 2), remarks }
            })
            .collect();
        Self { rows: Arc::new(rows) }
    }

    pub fn change_a_remark(&mut self) -> Key {
        let rows = Arc::make_mut(&mut self.rows);
        let thread = rows
            .iter_mut()
            .find(|thread| !thread.remarks.is_empty() && thread.id % 17 != 0 && thread.person == 1)
            .expect("a thread of the first person with a remark");
        thread.remarks[0] = "changed".into();
        Key::new("thread", thread.id)
    }
}

pub trait Row: Clone + Send + Sync + 'static {
    fn key(&self) -> Key;
    fn readable(&self) -> bool;
}

impl Row for Person {
    fn key(&self) -> Key {
        Key::new("person", self.id)
    }

    fn readable(&self) -> bool {
        !self.id.is_multiple_of(17)
    }
}

impl Row for Thread {
    fn key(&self) -> Key {
        Key::new("thread", self.id)
    }

    fn readable(&self) -> bool {
        !self.id.is_multiple_of(17)
    }
}

impl<T: Row> Source for Rows<T> {
    type Record = T;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<T>, SourceError>> {
        let start: usize = from.map_or(0, |cursor| cursor.as_str().parse().expect("a number"));
        // Every fifth row comes a second time, six rows later, as if by another way.
        let mut rows = self.rows.to_vec();
        for at in (0..rows.len()).step_by(5).rev() {
            rows.insert(rows.len().min(at + 6), rows[at].clone());
        }
        let rows = Arc::new(rows);
        futures::stream::iter((start..rows.len()).step_by(7))
            .then(move |at| {
                let rows = rows.clone();
                async move {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    let end = rows.len().min(at + 7);
                    let items = rows[at..end].iter().map(|row| {
                        let key = row.key();
                        if row.readable() {
                            Ok(Record::new(key, row.clone()))
                        } else {
                            Err(Unreadable { key, reason: "ragged".into() })
                        }
                    });
                    let next = (end < rows.len()).then(|| Cursor::new(end.to_string()));
                    Ok(Page::new(items, next))
                }
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.rows.len() as u64)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Item {
    Person { email: Option<String>, names: BTreeSet<String> },
    Opening { person: Key },
    Remark(String),
    Close,
}

impl Draft for Item {
    fn references(&self) -> Vec<Reference> {
        match self {
            Self::Opening { person } => vec![Reference {
                names: vec![Name::Key(person.clone())],
                missing: Missing::Queue(Reason::new("without_person", "nobody of that id")),
            }],
            _ => Vec::new(),
        }
    }

    fn repeat(&self) -> Repeat {
        match self {
            Self::Person { .. } | Self::Close => Repeat::Safe,
            Self::Opening { .. } | Self::Remark(_) => Repeat::Never,
        }
    }

    fn repeats_after_others(&self) -> bool {
        *self == Self::Close
    }

    fn correction(&self) -> Option<Self> {
        matches!(self, Self::Remark(_)).then(|| Self::Remark("correction".into()))
    }
}

pub fn people_stage(people: &People, world: &World) -> impl Stage + 'static {
    let mapper = map_fn(|record: Record<Person>, out: &mut Emit<Item>| {
        let Person { email, name, .. } = record.body;
        if let Some(email) = &email {
            out.identity(Alias::new("email", email));
        }
        out.push(Item::Person { email, names: BTreeSet::from([name]) });
    });
    Pipeline::new("people", people.clone(), mapper, world.clone()).grouped_by(ByEmail)
}

pub fn threads_stage(threads: &Threads, world: &World) -> impl Stage + 'static {
    let mapper = map_fn(|record: Record<Thread>, out: &mut Emit<Item>| {
        out.push(Item::Opening { person: Key::new("person", record.body.person) });
        for (n, text) in record.body.remarks.into_iter().enumerate() {
            out.part(format!("remark:{n}"), Item::Remark(text));
        }
        out.part("close", Item::Close);
    });
    Pipeline::new("threads", threads.clone(), mapper, world.clone())
}

/// The lowest id becomes the object; it gets the names of all. `shared2` is nobody's address.
struct ByEmail;

impl Grouping<Item> for ByEmail {
    fn group(&self, mut members: Vec<Member<Item>>) -> Vec<Group<Item>> {
        let id = |member: &Member<Item>| member.key.id().parse::<u64>().unwrap_or(0);
        members.sort_by_key(id);
        let shared = members.iter().any(|member| {
            let draft = &member.drafts[0].1;
            matches!(draft, Item::Person { email: Some(email), .. } if email.starts_with("shared2"))
        });
        if shared && members.len() > 1 {
            let keys = members.into_iter().map(|member| member.key).collect();
            return vec![Group::Queue { keys, reason: Reason::new("shared_email", "shared") }];
        }
        let mut members = members.into_iter();
        let mut primary = members.next().expect("a member");
        let mut merged = Vec::new();
        for member in members {
            if let (Item::Person { names, .. }, Item::Person { names: more, .. }) =
                (&mut primary.drafts[0].1, &member.drafts[0].1)
            {
                names.extend(more.iter().cloned());
            }
            merged.push(member.key);
        }
        vec![Group::One { primary, merged }]
    }
}

/// What the destination holds in the end: each object by its key, with its texts in order. Twins
/// would show as a count above one.
pub type State = BTreeMap<String, Vec<(String, Vec<String>)>>;

/// What it should hold, worked out without the engine.
pub fn expected(people: &People, threads: &Threads) -> State {
    let mut state = State::new();
    let mut owner: BTreeMap<u64, u64> = BTreeMap::new();
    let mut by_email: BTreeMap<&str, Vec<&Person>> = BTreeMap::new();
    for person in people.rows.iter().filter(|person| person.readable()) {
        match &person.email {
            Some(email) => by_email.entry(email).or_default().push(person),
            None => {
                owner.insert(person.id, person.id);
                let texts = vec![person.name.clone()];
                state.insert(format!("person:{}", person.id), vec![(String::new(), texts)]);
            }
        }
    }
    for (email, group) in by_email {
        if email.starts_with("shared2") && group.len() > 1 {
            continue;
        }
        let first = group[0].id;
        let names: BTreeSet<String> = group.iter().map(|person| person.name.clone()).collect();
        owner.extend(group.iter().map(|person| (person.id, first)));
        let object = (String::new(), names.into_iter().collect());
        state.insert(format!("person:{first}"), vec![object]);
    }
    for thread in threads.rows.iter().filter(|thread| thread.readable()) {
        let Some(person) = owner.get(&thread.person) else { continue };
        let mut texts = thread.remarks.clone();
        texts.push("close".into());
        let object = (format!("person:{person}"), texts);
        state.insert(format!("thread:{}", thread.id), vec![object]);
    }
    state
}
