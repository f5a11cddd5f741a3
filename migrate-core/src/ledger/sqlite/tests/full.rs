//! A run whose disk is full.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};

use super::{binding, folder, key, tampered};
use crate::ledger::{Ledger, LedgerError, LedgerErrorKind};
use crate::{
    Cursor, Doubt, Draft, Emit, Estimate, Evidence, Failure, Fate, Found, Key, Limits, Page,
    Patience, Pipeline, Plan, Record, Repeat, Run, RunEnd, RunError, RunOptions, Sink, Source,
    SourceError, SqliteLedger, TargetId, Write, async_trait, map_fn,
};

const RECORDS: u64 = 1500;

struct Numbers;

impl Source for Numbers {
    type Record = u64;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<u64>, SourceError>> {
        let start = from.and_then(|cursor| cursor.as_str().parse().ok()).unwrap_or(0);
        let page = |at: u64| {
            let items = (at..at + 100).map(|n| Ok(Record::new(key(n), n)));
            let next = at + 100;
            Ok(Page::new(items, (next < RECORDS).then(|| Cursor::new(next.to_string()))))
        };
        stream::iter((start..RECORDS).step_by(100).map(page)).boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Exactly(RECORDS)
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Row(String);

impl Draft for Row {
    fn repeat(&self) -> Repeat {
        Repeat::Never
    }
}

/// What was written, and how often.
#[derive(Clone, Default)]
struct There(Arc<Mutex<BTreeMap<Key, u32>>>);

#[async_trait]
impl Sink<Row> for There {
    async fn write(&self, batch: Vec<Write<Row>>) {
        for write in batch {
            *self.0.lock().unwrap().entry(write.key.clone()).or_default() += 1;
            let id = TargetId::new(write.key.as_str());
            write.created(id);
        }
    }

    async fn find(&self, doubt: &Doubt<Row>) -> Result<Found, Failure> {
        let there = self.0.lock().unwrap().contains_key(&doubt.key);
        let found = || Found::Yes(TargetId::new(doubt.key.as_str()));
        Ok(if there { found() } else { Found::No(Evidence::Read) })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(16)
    }
}

async fn migrate(ledger: Arc<dyn Ledger>, there: &There) -> Result<RunEnd, RunError> {
    let mapper = map_fn(|record: Record<u64>, out: &mut Emit<Row>| {
        out.push(Row(format!("{} {}", record.body, "x".repeat(50))));
    });
    let plan = Plan::new().stage(Pipeline::new("contacts", Numbers, mapper, there.clone()), &[]);
    let patience = Patience::new(Duration::ZERO, Duration::ZERO);
    let run = Run::on(ledger).patience(patience).begin().await?;
    plan.run(&run, &RunOptions::default()).await
}

#[tokio::test]
async fn a_run_stops_and_goes_on_when_there_is_room() {
    let (_folder, path) = folder();
    let there = There::default();
    let ledger = Arc::new(tampered(&path, "PRAGMA max_page_count = 60"));
    let error = migrate(ledger, &there).await.unwrap_err();
    let written = there.0.lock().unwrap().len() as u64;
    assert!(written > 0 && written < RECORDS, "{written}");
    let RunError::Ledger(cause) = &error else { panic!("{error:?}") };
    assert_eq!(cause.kind(), LedgerErrorKind::Storage);
    assert!(cause.to_string().contains("make room"), "{cause}");
    assert!(error.is_passing(), "the next run can go on");

    let ledger = Arc::new(SqliteLedger::open(&path, &binding()).unwrap());
    assert_eq!(migrate(ledger.clone(), &there).await.unwrap(), RunEnd::default());
    assert_eq!(ledger.tally("contacts").await.unwrap().of(Fate::Created), RECORDS);
    let there = there.0.lock().unwrap();
    assert_eq!(there.len() as u64, RECORDS);
    assert!(there.values().all(|times| *times == 1), "nothing is written twice");
}

#[test]
fn a_run_that_meets_damage_must_not_go_on() {
    for (kind, passing) in [
        (LedgerErrorKind::Storage, true),
        (LedgerErrorKind::Corrupt, false),
        (LedgerErrorKind::Purged, false),
    ] {
        let error = RunError::from(LedgerError::new(kind, "it is so"));
        assert_eq!(error.is_passing(), passing, "{kind:?}");
    }
}
