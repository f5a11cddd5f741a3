//! A migration in which nothing is slow but the engine and its ledger: numbers, made up as they are
//! read, into a sink that does nothing.

#![allow(clippy::expect_used, reason = "a bench has nobody to report an error to")]

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use migrate_core::{
    Alias, Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, Found, Group, Grouping, Key,
    Ledger, Limits, Member, Page, Pipeline, Plan, Record, Repeat, Run, RunOptions, Sink, Source,
    SourceError, TargetId, Write, async_trait, map_fn,
};
use serde::{Deserialize, Serialize};

/// Records in a page.
pub const PAGE: usize = 500;

/// So many numbers.
#[derive(Clone, Copy, Debug)]
pub struct Numbers(pub u64);

impl Source for Numbers {
    type Record = u64;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
        let start: u64 = from.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        let all = self.0;
        stream::iter((start..all).step_by(PAGE))
            .map(move |at| {
                let end = all.min(at + PAGE as u64);
                let items = (at..end).map(|n| Ok(Record::new(Key::new("contact", n), n)));
                Ok(Page::new(items, (end < all).then(|| Cursor::new(end.to_string()))))
            })
            .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(self.0)
    }
}

/// What is written: a made-up person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    name: String,
    email: String,
}

impl Draft for Row {
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// A sink that does nothing, with so many writes under way at once.
#[derive(Clone, Copy, Debug)]
pub struct Nowhere(pub usize);

#[async_trait]
impl Sink<Row> for Nowhere {
    async fn write(&self, batch: Vec<Write<Row>>) {
        for write in batch {
            let id = TargetId::new(format!("65f0a1b2{:0>16}", write.key.id()));
            write.created(id);
        }
    }

    async fn find(&self, _: &Doubt<Row>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(self.0)
    }
}

/// Migrates so many records, with so many writes under way at once.
///
/// # Panics
///
/// When the run fails.
pub async fn migrate(records: u64, in_flight: usize, ledger: Arc<dyn Ledger>) {
    migrate_into(records, Nowhere(in_flight), ledger).await;
}

/// Migrates so many records of which each shares its e-mail address with another, read half the
/// account later: they are brought together when all are read.
///
/// # Panics
///
/// When the run fails.
pub async fn migrate_pairs(records: u64, in_flight: usize, ledger: Arc<dyn Ledger>) {
    struct Together;
    impl Grouping<Row> for Together {
        fn group(&self, members: Vec<Member<Row>>) -> Vec<Group<Row>> {
            let mut members = members.into_iter();
            let Some(primary) = members.next() else { return Vec::new() };
            vec![Group::One { primary, merged: members.map(|member| member.key).collect() }]
        }
    }
    let mapper = map_fn(move |record: Record<u64>, out: &mut Emit<Row>| {
        let n = record.body % (records / 2).max(1);
        let email = format!("p{n}@example.com");
        out.identity(Alias::new("email", &email));
        out.push(Row { name: format!("Person {n}"), email });
    });
    let stage = Pipeline::new("contacts", Numbers(records), mapper, Nowhere(in_flight));
    let run = Run::on(ledger).begin().await.expect("a run");
    let plan = Plan::new().stage(stage.grouped_by(Together), &[]);
    plan.run(&run, &RunOptions::default()).await.expect("an end");
}

/// Migrates so many records into a sink.
///
/// # Panics
///
/// When the run fails.
pub async fn migrate_into(records: u64, sink: impl Sink<Row> + 'static, ledger: Arc<dyn Ledger>) {
    let mapper = map_fn(|record: Record<u64>, out: &mut Emit<Row>| {
        let n = record.body;
        out.push(Row { name: format!("Person {n}"), email: format!("p{n}@example.com") });
    });
    let stage = Pipeline::new("contacts", Numbers(records), mapper, sink);
    let run = Run::on(ledger).begin().await.expect("a run");
    Plan::new().stage(stage, &[]).run(&run, &RunOptions::default()).await.expect("an end");
}
