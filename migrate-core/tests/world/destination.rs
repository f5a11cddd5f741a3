//! The destination of the simulation, with faults.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use migrate_core::{
    Doubt, Evidence, Failure, FailureKind, Found, Key, Limits, Name, Resolved, Sink, TargetId,
    Write, async_trait,
};
use tokio::time::Instant;

use super::{Item, Rng, State};

/// What goes wrong, in percent of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    refused_for_now: u64,
    lost_reply: u64,
    late_effect: u64,
    dropped_receipt: u64,
    find_fails: u64,
    gone_after: Option<u64>,
}

impl Faults {
    pub fn none() -> Self {
        Self::default()
    }

    pub fn all() -> Self {
        Self {
            refused_for_now: 6,
            lost_reply: 8,
            late_effect: 8,
            dropped_receipt: 4,
            find_fails: 15,
            gone_after: None,
        }
    }

    /// It refuses everything for now.
    pub fn busy() -> Self {
        Self { refused_for_now: 100, find_fails: 100, ..Self::default() }
    }

    /// It does everything and answers nothing.
    pub fn silent() -> Self {
        Self { lost_reply: 100, find_fails: 100, ..Self::default() }
    }

    pub fn gone_after(calls: u64) -> Self {
        Self { gone_after: Some(calls), ..Self::default() }
    }
}

/// How long a request may still take effect after its connection is gone.
const LATE: Duration = Duration::from_secs(15);
/// How far the search lags.
const LAG: Duration = Duration::from_secs(45);

/// The destination.
#[derive(Clone)]
pub struct World(Arc<Mutex<Inner>>);

struct Inner {
    rng: Rng,
    faults: Faults,
    objects: Vec<Object>,
    writes: u64,
}

struct Object {
    key: Key,
    owner: String,
    texts: Vec<String>,
    made: Instant,
}

impl World {
    pub fn new(seed: u64, faults: Faults) -> Self {
        let inner = Inner { rng: Rng::new(seed ^ 0xfa17), faults, objects: Vec::new(), writes: 0 };
        Self(Arc::new(Mutex::new(inner)))
    }

    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().expect("no panic").faults = faults;
    }

    pub fn writes(&self) -> u64 {
        self.0.lock().expect("no panic").writes
    }

    pub fn state(&self) -> State {
        let inner = self.0.lock().expect("no panic");
        let mut state = State::new();
        for object in &inner.objects {
            let texts = (object.owner.clone(), object.texts.clone());
            state.entry(object.key.to_string()).or_default().push(texts);
        }
        state
    }

    pub fn thread_of(&self, key: &Key) -> Vec<String> {
        let inner = self.0.lock().expect("no panic");
        let object = inner.objects.iter().find(|object| &object.key == key);
        object.map(|object| object.texts.clone()).unwrap_or_default()
    }

    fn apply(&self, key: &Key, item: &Item, resolved: &Resolved) -> (TargetId, bool) {
        let mut inner = self.0.lock().expect("no panic");
        let root = resolved.root().and_then(|id| id.as_str().parse::<usize>().ok());
        let at = |index: usize| TargetId::new(index.to_string());
        match item {
            Item::Person { names, .. } => {
                let texts: Vec<String> = names.iter().cloned().collect();
                let there = inner.objects.iter().position(|object| &object.key == key);
                if let Some(index) = there {
                    inner.objects[index].texts = texts;
                    return (at(index), false);
                }
                let (owner, made) = (String::new(), Instant::now());
                inner.objects.push(Object { key: key.clone(), owner, texts, made });
            }
            Item::Opening { person } => {
                let name = Name::Key(person.clone());
                let owner = resolved.get(&name).and_then(|id| id.as_str().parse::<usize>().ok());
                let owner = inner.objects[owner.expect("a person")].key.to_string();
                let (texts, made) = (Vec::new(), Instant::now());
                inner.objects.push(Object { key: key.clone(), owner, texts, made });
            }
            Item::Remark(text) => {
                let root = root.expect("an opening");
                let texts = &mut inner.objects[root].texts;
                texts.push(text.clone());
                return (TargetId::new(format!("{root}/{}", texts.len())), true);
            }
            Item::Close => {
                let root = root.expect("an opening");
                let texts = &mut inner.objects[root].texts;
                if texts.last().map(String::as_str) != Some("close") {
                    texts.push("close".into());
                }
                return (TargetId::new(format!("{root}/close")), true);
            }
        }
        (at(inner.objects.len() - 1), true)
    }
}

#[async_trait]
impl Sink<Item> for World {
    async fn write(&self, batch: Vec<Write<Item>>) {
        for write in batch {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let (dice, faults) = {
                let mut inner = self.0.lock().expect("no panic");
                inner.writes += 1;
                let gone = inner.faults.gone_after.is_some_and(|after| inner.writes > after);
                if gone {
                    drop(inner);
                    write.failed(Failure::new(FailureKind::Gone, "connection refused"));
                    continue;
                }
                (inner.rng.below(100), inner.faults)
            };
            let mut bound = faults.refused_for_now;
            if dice < bound {
                write.failed(Failure::new(FailureKind::NotDone, "busy"));
                continue;
            }
            bound += faults.lost_reply;
            if dice < bound {
                self.apply(&write.key, &write.draft, &write.resolved);
                write.failed(Failure::new(FailureKind::InDoubt, "connection reset"));
                continue;
            }
            bound += faults.late_effect;
            if dice < bound {
                let late = Duration::from_millis(
                    self.0
                        .lock()
                        .expect("no panic")
                        .rng
                        .below(u64::try_from(LATE.as_millis()).expect("small")),
                );
                let (world, key) = (self.clone(), write.key.clone());
                let (item, resolved) = (write.draft.clone(), write.resolved.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(late).await;
                    world.apply(&key, &item, &resolved);
                });
                write.failed(Failure::new(FailureKind::InDoubt, "timed out"));
                continue;
            }
            bound += faults.dropped_receipt;
            if dice < bound {
                self.apply(&write.key, &write.draft, &write.resolved);
                continue;
            }
            let (id, created) = self.apply(&write.key, &write.draft, &write.resolved);
            tokio::time::sleep(Duration::from_millis(60)).await;
            if created { write.created(id) } else { write.updated(id) }
        }
    }

    async fn find(&self, doubt: &Doubt<Item>) -> Result<Found, Failure> {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let mut inner = self.0.lock().expect("no panic");
        let percent = inner.faults.find_fails;
        if inner.rng.chance(percent) {
            return Err(Failure::new(FailureKind::NotDone, "busy"));
        }
        match &doubt.draft {
            Item::Opening { .. } => {
                let twins: Vec<TargetId> = inner
                    .objects
                    .iter()
                    .enumerate()
                    .filter(|(_, object)| object.key == doubt.key && object.made.elapsed() >= LAG)
                    .map(|(index, _)| TargetId::new(index.to_string()))
                    .collect();
                Ok(match twins.len() {
                    0 => Found::No(Evidence::Search),
                    1 => Found::Yes(twins[0].clone()),
                    _ => Found::Twins(twins),
                })
            }
            Item::Remark(text) => {
                let root = doubt.resolved.root().and_then(|id| id.as_str().parse::<usize>().ok());
                let texts = &inner.objects[root.expect("an opening")].texts;
                Ok(match texts.iter().position(|known| known == text) {
                    Some(index) => Found::Yes(TargetId::new(format!("{index}"))),
                    None => Found::No(Evidence::Read),
                })
            }
            _ => Ok(Found::CannotTell),
        }
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(5)
    }
}
