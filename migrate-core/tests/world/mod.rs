//! A small migration that uses everything the engine has: groups with identities and merges,
//! leads that only a lagging search finds, threads in lanes with openings, texts, marks and
//! closes, references that wait, rows that cannot be read, and records that are skipped, refused
//! and queued.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use migrate_core::testkit::{Fuse, MemoryTarget, Piece, Rng, ScriptedSource, Uniqueness};
use migrate_core::{
    Alias, Emit, Group, Grouping, Item, Key, Ledger, Lookup, Member, Outcome, Patience, Pipeline,
    Plan, Reason, Record, Run, RunEnd, RunError, RunOptions, Sink, Source, StopSignal, Unreadable,
    map_fn,
};
use serde::{Deserialize, Serialize};

pub const STAGES: [&str; 3] = ["people", "leads", "threads"];

/// A late effect comes within fifteen seconds, and the index lags by less than forty-five.
pub const SETTLE_AFTER: Duration = Duration::from_secs(20);
pub const LAG_HORIZON: Duration = Duration::from_secs(60);
pub const LAG: Duration = Duration::from_secs(45);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    pub name: String,
    pub email: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// The record that it belongs to: a person, or another thread.
    pub of: Key,
    pub texts: Vec<String>,
    pub marks: Vec<String>,
    pub closed: bool,
}

/// Threads with this mark are skipped.
pub const SECRET: &str = "secret";

/// Rows of all sources.
#[derive(Clone, Debug)]
pub struct Rows {
    people: Vec<Item<Person>>,
    leads: Vec<Item<String>>,
    threads: Vec<Item<Thread>>,
}

/// What is to be migrated.
#[derive(Clone, Debug)]
pub struct Data {
    pub people: ScriptedSource<Person>,
    pub leads: ScriptedSource<String>,
    pub threads: ScriptedSource<Thread>,
}

pub fn person(n: u64) -> Key {
    Key::new("person", n)
}

pub fn thread(n: u64) -> Key {
    Key::new("thread", n)
}

fn unreadable<T>(file: &str, n: u64) -> Item<T> {
    Err(Unreadable::new(Key::from(format!("{file}:{n}")), "ragged"))
}

impl Data {
    pub fn generate(rng: &mut Rng, people: u64, leads: u64, threads: u64) -> Self {
        let mut rows = Vec::new();
        for n in 1..=people {
            let email = match rng.below(10) {
                0 | 1 => None,
                2..=5 => Some(format!("shared{}@example.com", rng.below(3))),
                _ => Some(format!("p{n}@example.com")),
            };
            let name = if rng.chance(50) { String::new() } else { format!("person {n}") };
            rows.push(match rng.chance(60) {
                true => unreadable("people.csv", n),
                false => Ok(Record::new(person(n), Person { name, email })),
            });
        }
        let again = rows.first().cloned();
        // The first comes again later, as if by another way.
        rows.extend(again);
        let lead = |n| Ok(Record::new(Key::new("lead", n), format!("lead {n}")));
        let leads = (1..=leads).map(lead);
        let threads = (1..=threads).map(|n| {
            // Some belong to a thread that was read before them, or to nobody.
            let of = match rng.below(8) {
                0 if n > 1 => thread(1 + rng.below(n - 1)),
                _ => person(1 + rng.below(people + 2)),
            };
            let in_lane = of.kind() == "person" && rng.chance(500);
            let thread_of = Thread {
                texts: (0..rng.below(4)).map(|t| format!("text {t} of {n}")).collect(),
                marks: (0..rng.below(2)).map(|m| format!("mark {m}")).collect(),
                closed: rng.chance(700),
                of,
            };
            if rng.chance(40) {
                return unreadable("threads.csv", n);
            }
            let lane = format!("lane {}", n % 3);
            let record = Record::new(thread(n), thread_of);
            Ok(if in_lane { record.in_lane(lane) } else { record })
        });
        let threads: Vec<_> = threads.collect();
        Self {
            people: ScriptedSource::of(rows).pages_of(5),
            leads: ScriptedSource::of(leads).pages_of(4),
            threads: ScriptedSource::of(threads).pages_of(7),
        }
    }

    /// The small one of the crash points.
    pub fn small() -> Self {
        let name = |name: &str, email: Option<&str>| Person {
            name: name.into(),
            email: email.map(str::to_owned),
        };
        let people = vec![
            Ok(Record::new(person(1), name("Anna", Some("a@example.com")))),
            Ok(Record::new(person(2), name("Anne", Some("a@example.com")))),
            unreadable("people.csv", 3),
            Ok(Record::new(person(4), name("Bo", None))),
            Ok(Record::new(person(5), name("", None))),
        ];
        let of = |of: Key, texts: &[&str], closed| Thread {
            of,
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
            marks: vec!["phone".into()],
            closed,
        };
        let threads = [
            Record::new(thread(1), of(person(2), &["hello", "again"], true)).in_lane("a"),
            Record::new(thread(2), of(person(4), &["later"], false)).in_lane("a"),
            Record::new(thread(3), of(person(1), &[], false)),
            Record::new(thread(4), of(thread(3), &[], true)),
            Record::new(thread(5), of(person(99), &["of nobody"], false)),
        ];
        Self {
            people: ScriptedSource::of(people).pages_of(3),
            leads: ScriptedSource::new([("lead:1", "one".into()), ("lead:7", "seven".into())]),
            threads: ScriptedSource::of(threads.map(Ok)).pages_of(3),
        }
    }

    /// What is not in the destination as the source has it, worked out without the engine: for a
    /// run without faults can be wrong as well.
    pub fn not_as_it_should_be(&self, target: &MemoryTarget) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut waiting_lanes = BTreeSet::new();
        for key in self.threads.keys() {
            let Some(Ok(Record { body, lane, .. })) = self.threads.item(&key) else { continue };
            if body.marks.iter().any(|mark| mark == SECRET) {
                continue;
            }
            let Some(object) = target.of(&key).pop() else {
                // It may belong to nobody, or to somebody who waits, or come in its lane after
                // one that does.
                let behind = lane.is_some_and(|lane| !waiting_lanes.insert(lane));
                if !behind && !target.of(&body.of).is_empty() {
                    wrong.push(format!("{key} is missing"));
                }
                continue;
            };
            if lane.is_some_and(|lane| waiting_lanes.contains(&lane)) {
                // It was written while nothing before it waited, and must not overtake it now.
                continue;
            }
            let marks: BTreeSet<String> = body.marks.iter().cloned().collect();
            if object.closed != body.closed || !object.marks.is_superset(&marks) {
                wrong.push(format!("{key}: {object:?}"));
            }
            let has = |text: &String| {
                object
                    .texts
                    .iter()
                    .any(|(_, there)| there == text || there.ends_with(&format!(": {text}")))
            };
            wrong.extend(
                body.texts.iter().filter(|text| !has(text)).map(|it| format!("{key}: {it}")),
            );
        }
        for key in self.leads.keys() {
            let number: u64 = key.id().parse().unwrap_or(0);
            let taken = !number.is_multiple_of(7) && !number.is_multiple_of(5);
            if target.of(&key).len() != usize::from(taken) {
                wrong.push(format!("{key}"));
            }
        }
        for key in self.people.keys() {
            let Some(Ok(Record { body, .. })) = self.people.item(&key) else { continue };
            let alone = body.email.is_none() && !body.name.is_empty();
            let there = target.of(&key).pop().map(|object| object.text);
            if alone && there.as_ref() != Some(&body.name) {
                wrong.push(format!("{key}: {there:?}"));
            }
        }
        wrong
    }

    /// All rows as they are now.
    pub fn rows(&self) -> Rows {
        let rows = |keys: Vec<Key>| keys.into_iter();
        let people = rows(self.people.keys()).filter_map(|key| self.people.item(&key));
        let leads = rows(self.leads.keys()).filter_map(|key| self.leads.item(&key));
        let threads = rows(self.threads.keys()).filter_map(|key| self.threads.item(&key));
        Rows { people: people.collect(), leads: leads.collect(), threads: threads.collect() }
    }

    /// Everything that was there then is there again as it was.
    pub fn goes_back(&self, to: &Rows) {
        to.people.iter().for_each(|row| self.people.put_item(row.clone()));
        to.leads.iter().for_each(|row| self.leads.put_item(row.clone()));
        to.threads.iter().for_each(|row| self.threads.put_item(row.clone()));
    }

    /// Some time later: names and texts have changed, one text more has come, a row was mended,
    /// and somebody is gone.
    pub fn goes_on(&self) {
        for key in self.threads.keys() {
            let Some(Ok(mut record)) = self.threads.item(&key) else { continue };
            match record.key.id().parse::<u64>().unwrap_or(0) % 4 {
                0 => {
                    record.body.texts.iter_mut().take(1).for_each(|text| text.push_str(", edited"))
                }
                1 => record.body.texts.push("one more".into()),
                2 => record.body.marks.push("vip".into()),
                // The mapper makes nothing of it any more.
                _ if record.key.id().ends_with('7') => record.body.marks.push(SECRET.into()),
                _ => continue,
            }
            self.threads.put(key, record.body);
        }
        for key in self.people.keys() {
            let Some(Ok(mut record)) = self.people.item(&key) else { continue };
            if record.key.id().ends_with('4') && !record.body.name.is_empty() {
                record.body.name.push_str(" Junior");
                self.people.put(key, record.body);
            }
        }
        self.leads.put("lead:1", "lead one, edited".into());
        self.leads.vanish(&Key::new("lead", 2));
        if let Some(ragged) = self.people.keys().iter().find(|key| key.kind() == "people.csv") {
            self.people.vanish(ragged);
            let mended = Person { name: "mended".into(), email: None };
            self.people.put(person(1000), mended);
        }
    }
}

/// A destination for it: it refuses one lead in seven and lets one in five wait for somebody.
pub fn target() -> MemoryTarget {
    let target = MemoryTarget::new().lagging(LAG);
    let refused = Outcome::Refused(Reason::new("invalid", "it is refused"));
    let queued = Outcome::Queued(Reason::new("archived", "somebody has to restore it"));
    for n in 1..100 {
        let outcome = match n {
            n if n % 7 == 0 => &refused,
            n if n % 5 == 0 => &queued,
            _ => continue,
        };
        target.answer(Key::new("lead", n), Some(outcome.clone()));
    }
    target
}

pub fn patience() -> Patience {
    let mut patience = Patience::new(SETTLE_AFTER, LAG_HORIZON);
    // A quarter of all writes fails: eight failures in a row, which make a record dead, do happen.
    patience.max_looks = 40;
    patience
}

/// The three stages, over whatever stands between them and the data.
pub fn plan<P, L, T, K>(people: P, leads: L, threads: T, sink: K) -> Plan
where
    P: Source<Record = Person> + 'static,
    L: Lookup<Record = String> + 'static,
    T: Source<Record = Thread> + 'static,
    K: Sink<Piece> + Clone + 'static,
{
    let map_person = map_fn(|record: Record<Person>, out: &mut Emit<Piece>| {
        let Person { name, email } = record.body;
        if name.is_empty() {
            return out.skip(Reason::new("nameless", "a person without a name"));
        }
        if let Some(email) = &email {
            out.identity(Alias::new("email", email));
        }
        out.note("left_behind", "fax");
        out.push(Piece::object(Uniqueness::ById, name));
        out.part("mark", Piece::Mark("imported".into()));
    });
    let map_lead = map_fn(|record: Record<String>, out: &mut Emit<Piece>| {
        out.push(Piece::object(Uniqueness::Indexed, record.body));
    });
    let map_thread = map_fn(|record: Record<Thread>, out: &mut Emit<Piece>| {
        // A thread that others belong to is known, as pending, from the moment it is read.
        out.alias(Alias::new("thread", record.key.as_str()));
        let Thread { of, texts, marks, closed } = record.body;
        if marks.iter().any(|mark| mark == SECRET) {
            return out.skip(Reason::new(SECRET, "it is not to be migrated"));
        }
        out.push(Piece::object_of(Uniqueness::Indexed, "opening", of));
        for (n, text) in (1..).zip(texts) {
            out.part(format!("text:{n}"), Piece::Corrected(text));
        }
        for mark in marks {
            out.part(format!("mark:{mark}"), Piece::Mark(mark.clone()));
        }
        if closed {
            out.part("close", Piece::Close);
        }
    });
    let leads = Arc::new(leads);
    Plan::new()
        .stage(Pipeline::new("people", people, map_person, sink.clone()).grouped_by(ByEmail), &[])
        .stage(
            Pipeline::new("leads", leads.clone(), map_lead, sink.clone()).looked_up_in(leads),
            &[],
        )
        .stage(Pipeline::new("threads", threads, map_thread, sink), &["people"])
}

/// One run of a plan. `begun` hears of it when it has begun.
pub async fn run(
    plan: &Plan,
    ledger: Arc<dyn Ledger>,
    stop: StopSignal,
    begun: impl FnOnce(&Run),
) -> Result<RunEnd, RunError> {
    run_with(plan, ledger, stop, &RunOptions::default(), begun).await
}

/// The same with options.
pub async fn run_with(
    plan: &Plan,
    ledger: Arc<dyn Ledger>,
    stop: StopSignal,
    options: &RunOptions,
    begun: impl FnOnce(&Run),
) -> Result<RunEnd, RunError> {
    let run = Run::on(ledger).stopped_by(stop).patience(patience()).begin().await?;
    begun(&run);
    plan.run(&run, options).await
}

/// The plan of a process that a fuse may kill.
pub fn fused_plan(data: &Data, target: &MemoryTarget, fuse: &Fuse) -> Plan {
    plan(
        fuse.guard(data.people.clone()),
        fuse.guard(data.leads.clone()),
        fuse.guard(data.threads.clone()),
        fuse.guard(target.clone()),
    )
}

/// The lowest number becomes the object and gets the names of all; an address of four people waits.
struct ByEmail;

impl Grouping<Piece> for ByEmail {
    fn group(&self, mut members: Vec<Member<Piece>>) -> Vec<Group<Piece>> {
        let number = |member: &Member<Piece>| member.key.id().parse::<u64>().unwrap_or(0);
        members.sort_by_key(number);
        let name = |member: &Member<Piece>| match &member.drafts[0].1 {
            Piece::Object { text, .. } => text.clone(),
            other => panic!("no person: {other:?}"),
        };
        let names: BTreeSet<String> = members.iter().map(name).collect();
        if members.len() == 4 {
            let keys = members.into_iter().map(|member| member.key).collect();
            return vec![Group::Queue { keys, reason: Reason::new("shared_email", "of four") }];
        }
        let mut members = members.into_iter();
        let mut primary = members.next().expect("a member");
        let text = names.into_iter().collect::<Vec<_>>().join(", ");
        primary.drafts[0].1 = Piece::object(Uniqueness::ById, text);
        let merged = members.map(|member| member.key).collect();
        vec![Group::One { primary, merged }]
    }
}
