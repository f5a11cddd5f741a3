//! The migration whose traces are read back and taken back.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use migrate_core::ledger::Ledger;
use migrate_core::{
    Alias, Cursor, Draft, Emit, Estimate, Group, Grouping, Key, Member, Missing, Name, Page,
    Patience, Pipeline, Plan, Reason, Record, Reference, Repeat, Rollback, RollbackOptions,
    RollbackReport, Run, RunEnd, RunError, RunOptions, Sink, Source, SourceError, StopSignal,
    map_fn,
};
use serde::{Deserialize, Serialize};

use crate::desk::{Content, Desk, Person, Thread};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Item {
    Attribute(String),
    Person { email: String, name: String },
    Tag(String),
    Note(String),
    Opening { person: Key, text: String },
    Reply(String),
}

impl Draft for Item {
    fn references(&self) -> Vec<Reference> {
        match self {
            Self::Opening { person, .. } => {
                let missing = Missing::Queue(Reason::new("without_person", "nobody of that id"));
                vec![Reference::new([Name::Key(person.clone())], missing)]
            }
            _ => Vec::new(),
        }
    }

    fn repeat(&self) -> Repeat {
        match self {
            Self::Person { .. } => Repeat::Safe,
            _ => Repeat::Never,
        }
    }
}

/// Rows in a page.
const PAGE: usize = 3;

/// A record: its key and its drafts.
pub(crate) type Row = (Key, Vec<(Option<String>, Item)>);

#[derive(Clone)]
struct Rows(Arc<Vec<Row>>);

impl Source for Rows {
    type Record = Vec<(Option<String>, Item)>;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        let start: usize = from.map_or(0, |cursor| cursor.as_str().parse().expect("a number"));
        let rows = self.0.clone();
        futures::stream::iter((start..rows.len()).step_by(PAGE))
            .map(move |at| {
                let end = rows.len().min(at + PAGE);
                let next = (end < rows.len()).then(|| Cursor::new(end.to_string()));
                let items = rows[at..end].iter().cloned();
                Ok(Page::new(items.map(|(key, drafts)| Ok(Record::new(key, drafts))), next))
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.0.len() as u64)
    }
}

/// The rows of the three stages.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) attributes: Vec<Row>,
    pub(crate) people: Vec<Row>,
    pub(crate) threads: Vec<Row>,
}

fn person(id: u32, email: &str, name: &str, parts: &[(&str, Item)]) -> Row {
    let own = (None, Item::Person { email: email.into(), name: name.into() });
    let parts = parts.iter().map(|(part, item)| (Some((*part).to_owned()), item.clone()));
    (Key::new("person", id), std::iter::once(own).chain(parts).collect())
}

fn thread(id: u32, person: u32, replies: u32) -> Row {
    let opening = Item::Opening { person: Key::new("person", person), text: format!("call {id}") };
    let replies = (1..=replies).map(|n| {
        let reply = Item::Reply(format!("reply {n} of {id}"));
        (Some(format!("reply:{n}")), reply)
    });
    (Key::new("thread", id), std::iter::once((None, opening)).chain(replies).collect())
}

impl Account {
    /// Three people who are new, one of them twice; one who is known under another name, with a
    /// tag that was there; one who is known as she is.
    pub(crate) fn sample() -> Self {
        let tag = |name: &str| Item::Tag(name.into());
        let attributes = ["ld_batch", "ld_owner"]
            .map(|name| (Key::new("attribute", name), Item::Attribute(name.into())));
        Self {
            attributes: attributes.map(|(key, item)| (key, vec![(None, item)])).into(),
            people: vec![
                person(1, "one@new", "One", &[("tag:lead", tag("lead"))]),
                person(2, "two@new", "Two", &[("note", Item::Note("hello".into()))]),
                person(3, "two@new", "Two", &[]),
                person(
                    4,
                    "known@old",
                    "New Name",
                    &[("tag:vip", tag("vip")), ("tag:lead", tag("lead"))],
                ),
                person(5, "same@old", "Same", &[]),
                person(6, "noted@old", "Noted", &[("note", Item::Note("about six".into()))]),
                person(7, "", "No address", &[]),
            ],
            threads: vec![thread(1, 1, 2), thread(2, 3, 0), thread(3, 4, 1), thread(4, 99, 0)],
        }
    }

    /// So many people who are new, each of them twice.
    #[cfg(feature = "sqlite")]
    pub(crate) fn large(people: u32) -> Self {
        let twice = (1..=people).flat_map(|id| [(id, id), (id + people, id)]);
        let people = twice.map(|(id, n)| person(id, &format!("{n}@new"), &format!("P {n}"), &[]));
        Self { attributes: Vec::new(), people: people.collect(), threads: Vec::new() }
    }

    /// A destination where some of these people are known.
    pub(crate) fn desk() -> Desk {
        let desk = Desk::default();
        let known = |email: &str, name: &str, tags: &[&str]| Person {
            email: email.into(),
            name: name.into(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            ..Person::default()
        };
        desk.edit(|content| {
            let people = &mut content.people;
            people.insert("old1".into(), known("known@old", "Old Name", &["vip"]));
            people.insert("old2".into(), known("same@old", "Same", &[]));
            people.insert("old3".into(), known("noted@old", "Noted", &[]));
            let thread = Thread {
                person: "old1".into(),
                mark: None,
                text: "theirs".into(),
                replies: Vec::new(),
            };
            content.threads.insert("old4".into(), thread);
        });
        desk
    }

    pub(crate) fn plan(&self, sink: impl Sink<Item> + Clone + 'static) -> Plan {
        let mapper = || {
            map_fn(|record: Record<Vec<(Option<String>, Item)>>, out: &mut Emit<Item>| {
                for (part, item) in record.body {
                    match (part, item) {
                        (_, Item::Person { email, .. }) if email.is_empty() => {
                            return out.skip(Reason::new("no_address", "it has no address"));
                        }
                        (None, item) => {
                            if let Item::Person { email, .. } = &item {
                                out.identity(Alias::new("email", email));
                            }
                            out.push(item);
                        }
                        (Some(part), item) => out.part(part, item),
                    }
                }
            })
        };
        let source = |rows: &Vec<Row>| Rows(Arc::new(rows.clone()));
        let attributes =
            Pipeline::new("attributes", source(&self.attributes), mapper(), sink.clone());
        let people = Pipeline::new("people", source(&self.people), mapper(), sink.clone())
            .grouped_by(ByEmail);
        let threads = Pipeline::new("threads", source(&self.threads), mapper(), sink);
        Plan::new()
            .stage(attributes, &[])
            .stage(people, &["attributes"])
            .stage(threads, &["people"])
    }
}

/// The first of them becomes the object.
struct ByEmail;

impl Grouping<Item> for ByEmail {
    fn group(&self, mut members: Vec<Member<Item>>) -> Vec<Group<Item>> {
        members.sort_by(|a, b| (!a.in_place, &a.key).cmp(&(!b.in_place, &b.key)));
        let mut members = members.into_iter();
        let primary = members.next().expect("a member");
        vec![Group::One { primary, merged: members.map(|member| member.key).collect() }]
    }
}

pub(crate) async fn begin(ledger: &Arc<dyn Ledger>, stop: StopSignal) -> Result<Run, RunError> {
    let patience = Patience::new(Duration::from_secs(5), Duration::ZERO);
    Ok(Run::on(ledger.clone()).stopped_by(stop).patience(patience).begin().await?)
}

pub(crate) async fn migrate(
    account: &Account,
    desk: &Desk,
    ledger: &Arc<dyn Ledger>,
) -> Result<RunEnd, RunError> {
    let run = begin(ledger, StopSignal::new()).await?;
    account.plan(desk.clone()).run(&run, &RunOptions::default()).await
}

pub(crate) async fn roll_back(
    desk: &Desk,
    ledger: &Arc<dyn Ledger>,
    options: &RollbackOptions,
) -> Result<RollbackReport, RunError> {
    let run = begin(ledger, StopSignal::new()).await?;
    rollback(desk).run(&run, options).await
}

pub(crate) fn rollback(desk: &Desk) -> Rollback {
    ["attributes", "people", "threads"]
        .into_iter()
        .fold(Rollback::new(), |rollback, name| rollback.stage(name, desk.clone()))
}

/// What stands there, without the ids that the destination gave.
pub(crate) fn without_ids(content: &Content) -> String {
    let mut lines: Vec<String> =
        content.people.values().map(|person| format!("{person:?}")).collect();
    lines.extend(content.threads.values().map(|thread| {
        let person = content.people.get(&thread.person).map(|person| &person.email);
        let replies: Vec<&String> = thread.replies.iter().map(|(_, text)| text).collect();
        format!("{person:?} {:?} {} {replies:?}", thread.mark, thread.text)
    }));
    lines.sort();
    lines.extend(content.attributes.iter().map(|attribute| format!("{attribute:?}")));
    lines.join("\n")
}
