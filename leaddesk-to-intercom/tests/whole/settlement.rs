//! How doubt is settled, write by write, with the real sinks over real HTTP: for each kind of write
//! its reply gets lost, its effect comes only after the connection has ended, the search lags, and
//! all of that at once. Nothing is made twice, nothing is lost, and the rest goes on meanwhile.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream;
use migrate_core::ledger::{Ledger, Scan};
use migrate_core::{Fate, Key, SqliteLedger};
use migrate_sandbox::{
    Account, AccountSpec, FaultKind, Faults, Sandbox, ServiceFaults, Strike, Workspace,
};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, assert_same};

/// Each kind of write: the request that makes it, the stage it belongs to, and whether a second one
/// would make a twin, so that it has to be looked for.
const WRITES: [(&str, &str, bool); 11] = [
    ("POST /contacts", "contacts", false),
    ("POST /contacts/{id}/notes", "contacts", true),
    ("POST /contacts/{id}/tags", "contacts", false),
    ("POST /tags", "schema", false),
    ("POST /data_attributes", "schema", false),
    ("POST /conversations/attributes", "schema", true),
    ("POST /conversations", "calls", true),
    ("POST /conversations/{id}/reply", "calls", true),
    ("POST /conversations/{id}/tags", "calls", false),
    ("PUT /conversations/{id}", "calls", false),
    ("POST /conversations/{id}/parts", "calls", false),
];

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
struct Case {
    fault: Option<FaultKind>,
    search_lag: Duration,
}

const LAG: Duration = Duration::from_millis(700);
const LATE: Duration = Duration::from_millis(600);

const CASES: [Case; 4] = [
    Case { fault: Some(FaultKind::LostReply), search_lag: Duration::ZERO },
    Case { fault: Some(FaultKind::LateEffect), search_lag: Duration::ZERO },
    Case { fault: None, search_lag: LAG },
    // An effect that comes late has lost its reply as well.
    Case { fault: Some(FaultKind::LateEffect), search_lag: LAG },
];

fn account() -> Account {
    Account::generate(&AccountSpec::new(12, 5))
}

/// With a remark of an agent as a reply instead of a note, in every other case.
async fn bench(strike: Option<Strike>, search_lag: Duration, reply: bool) -> Bench {
    let intercom = ServiceFaults {
        late_by: LATE,
        strikes: strike.into_iter().collect(),
        ..ServiceFaults::default()
    };
    let faults = Faults { intercom, ..Faults::default() };
    let builder = Sandbox::builder(account()).search_lag(search_lag).faults(faults);
    let mut bench = Bench::with(builder).await;
    if reply {
        bench.settings.further = "[calls]\ncomment = 'reply'".to_owned();
    }
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_any_write_is_settled_without_a_twin_or_a_loss() {
    let mut calm = Vec::new();
    for reply in [false, true] {
        let bench = bench(None, Duration::ZERO, reply).await;
        bench.run().await;
        calm.push(bench.sandbox.workspace());
    }
    let rows =
        WRITES.into_iter().flat_map(|write| CASES.into_iter().map(move |case| (write, case)));
    let rows = rows.enumerate().map(|(n, (write, case))| row(n, write, case, &calm));
    // They wait most of the time.
    stream::iter(rows).buffer_unordered(11).collect::<Vec<()>>().await;
}

async fn row(n: usize, write: (&str, &str, bool), case: Case, calm: &[Workspace]) {
    let ((call, stage, guarded), named) = (write, format!("{} with {case:?}", write.0));
    // The second and third of a kind, so that there are others before and behind.
    let strike = case.fault.map(|fault| Strike::new(call, fault, 1).times(2));
    let reply = n % 2 == 1;
    let bench = bench(strike, case.search_lag, reply).await;
    bench.run().await;
    // What is late must have come before the destination is looked at.
    tokio::time::sleep(LATE).await;
    let (account, found) = (bench.sandbox.account(), bench.sandbox.workspace());
    if !reply {
        assert_clean(&audit(&account, &found));
    }
    assert_same(&calm[usize::from(reply)], &found, &named);
    let struck = bench.sandbox.counters().faults.values().sum::<u64>();
    assert_eq!(struck, if case.fault.is_some() { 2 } else { 0 }, "{named}");
    if guarded && case.fault.is_some() && stage != "schema" {
        others_went_on(&bench, stage, &named).await;
    }
}

/// The records in doubt are settled last: a second or more passes until a look is believed, and
/// all others were in place by then.
async fn others_went_on(bench: &Bench, stage: &str, named: &str) {
    let ledger = SqliteLedger::open_read_only(bench.path("state").join("ledger.sqlite")).unwrap();
    let mut scan = Scan::of(stage).with(Fate::Created);
    scan.limit = usize::MAX;
    let rows = ledger.scan(&scan).await.unwrap();
    let mut settled: Vec<(DateTime<Utc>, Key)> =
        rows.into_iter().map(|(_, entry)| (entry.at, entry.key)).collect();
    settled.sort();
    let (doubtful, others) = settled.split_at(settled.len() - 2);
    let (doubtful, others) = (others, doubtful);
    assert!(others.len() > 3, "{named}: there are others");
    let last = others.last().unwrap().0;
    assert!(
        doubtful.iter().all(|(at, _)| *at > last),
        "{named}: the doubtful ones {doubtful:?} came after all others, the last at {last}"
    );
}

/// A tag and an attribute whose replies got lost are this migration's own, and what the customer
/// had before is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_it_is_does_not_depend_on_the_reply() {
    use migrate_core::ledger::{How, PartState};
    for call in ["POST /contacts/{id}/tags", "POST /data_attributes"] {
        let strike = Strike::new(call, FaultKind::LostReply, 0).times(3);
        let intercom = ServiceFaults { strikes: vec![strike], ..ServiceFaults::default() };
        let faults = Faults { intercom, ..Faults::default() };
        // Most contacts are in Intercom already, so their tags have to be looked at first.
        let account = Account::generate(&AccountSpec::new(20, 5).with(|spec| spec.existing = 0.9));
        let bench = Bench::with(Sandbox::builder(account).faults(faults)).await;
        bench.run().await;
        assert_eq!(bench.sandbox.counters().faults.values().sum::<u64>(), 3, "{call}");
        let ledger =
            SqliteLedger::open_read_only(bench.path("state").join("ledger.sqlite")).unwrap();
        let mut created = 0;
        for stage in ["schema", "contacts"] {
            let rows = ledger.scan(&Scan::of(stage)).await.unwrap();
            let keys: Vec<Key> = rows.into_iter().map(|(_, entry)| entry.key).collect();
            for entry in ledger.entries(&keys).await.unwrap().into_iter().flatten() {
                let added = entry.parts.iter().filter(|part| {
                    stage == "schema"
                        || part.key.part_name().is_some_and(|it| it.starts_with("tag:"))
                });
                for part in added {
                    let PartState::Done(written) = &part.state else { panic!("{:?}", part.key) };
                    assert_eq!(written.how, How::Created, "{call}: {:?}", part.key);
                    created += 1;
                }
            }
        }
        assert!(created > 20, "{created} tags and attributes were added");
    }
}
