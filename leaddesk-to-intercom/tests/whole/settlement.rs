//! How doubt is settled, write by write, with the real sinks over real HTTP: for each kind of write
//! its reply gets lost, its effect comes only after the connection has ended, the search lags, and
//! all of that at once. Nothing is made twice, nothing is lost, and the rest goes on meanwhile.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use leaddesk_to_intercom::runner::Exit;
use migrate_core::RunOptions;
use migrate_sandbox::{
    Account, AccountSpec, FaultKind, Faults, Sandbox, ServiceFaults, Strike, Workspace,
};

use crate::audit::audit;
use crate::bench::{Bench, assert_clean, assert_same};

/// A kind of write.
#[derive(Clone, Copy)]
struct Write {
    /// The request that makes it.
    call: &'static str,
    /// The stage it belongs to.
    stage: &'static str,
    /// Would a second one make a twin, so that it has to be looked for?
    guarded: bool,
    /// What the remark of an agent becomes.
    comment: Comment,
}

#[derive(Clone, Copy, PartialEq)]
enum Comment {
    Note,
    Reply,
}

const fn guarded(call: &'static str, stage: &'static str) -> Write {
    Write { call, stage, guarded: true, comment: Comment::Note }
}

const fn repeatable(call: &'static str, stage: &'static str) -> Write {
    Write { guarded: false, ..guarded(call, stage) }
}

const WRITES: [Write; 12] = [
    repeatable("POST /contacts", "contacts"),
    guarded("POST /contacts/{id}/notes", "contacts"),
    repeatable("POST /contacts/{id}/tags", "contacts"),
    repeatable("POST /tags", "schema"),
    repeatable("POST /data_attributes", "schema"),
    guarded("POST /conversations/attributes", "schema"),
    guarded("POST /conversations", "calls"),
    guarded("POST /conversations/{id}/reply", "calls"),
    Write { comment: Comment::Reply, ..guarded("POST /conversations/{id}/reply", "calls") },
    repeatable("POST /conversations/{id}/tags", "calls"),
    repeatable("PUT /conversations/{id}", "calls"),
    repeatable("POST /conversations/{id}/parts", "calls"),
];

/// What goes wrong. An effect that comes late has lost its reply as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    fault: FaultKind,
    late_by: Duration,
    search_lag: Duration,
    /// How long doubt lasts: longer than any of it.
    patience: (&'static str, &'static str),
}

const LATE: Duration = Duration::from_millis(500);

const fn case(fault: FaultKind, search_lag: Duration) -> Case {
    Case { fault, late_by: LATE, search_lag, patience: ("2s", "5s") }
}

const LAG: Duration = Duration::from_secs(4);

pub(crate) const CASES: [Case; 4] = [
    case(FaultKind::LostReply, Duration::ZERO),
    case(FaultKind::LateEffect, Duration::ZERO),
    case(FaultKind::LostReply, LAG),
    case(FaultKind::LateEffect, LAG),
];

/// The effect does not come as long as anybody looks, and no look is believed.
pub(crate) const OPEN: Case = Case {
    fault: FaultKind::LateEffect,
    late_by: Duration::from_secs(3600),
    search_lag: Duration::ZERO,
    patience: ("30m", "30m"),
};

/// The second and third of a kind are struck, so that there are others before and behind.
pub(crate) const STRUCK: usize = 2;

impl Case {
    /// A sandbox in which this befalls a kind of write.
    pub(crate) async fn bench(self, call: &str) -> Bench {
        self.bench_of(call, account()).await
    }

    async fn bench_of(self, call: &str, account: Account) -> Bench {
        let intercom = ServiceFaults {
            late_by: self.late_by,
            strikes: vec![Strike::new(call, self.fault, 1).times(STRUCK as u64)],
            ..ServiceFaults::default()
        };
        let faults = Faults { intercom, ..Faults::default() };
        let builder = Sandbox::builder(account).search_lag(self.search_lag).faults(faults);
        let mut bench = Bench::with(builder).await;
        bench.settings.patience = Some(self.patience);
        bench
    }

    /// Waits until all that is late has come, before the destination is looked at.
    pub(crate) async fn over(self, bench: &Bench, named: &str) {
        tokio::time::sleep(self.late_by).await;
        self.assert_struck(bench, named);
    }

    pub(crate) fn assert_struck(self, bench: &Bench, named: &str) {
        let struck = bench.sandbox.counters().faults;
        assert_eq!(struck.get(&self.fault), Some(&(STRUCK as u64)), "{named}");
    }
}

fn account() -> Account {
    Account::generate(&AccountSpec::new(12, 5))
}

impl Write {
    fn set(self, bench: &mut Bench) {
        if self.comment == Comment::Reply {
            bench.settings.further = "[calls]\ncomment = 'reply'".to_owned();
        }
    }

    /// What comes about where nothing goes wrong.
    async fn calm(self) -> Workspace {
        let mut bench = Bench::new(account()).await;
        self.set(&mut bench);
        bench.run().await;
        bench.sandbox.workspace()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_any_write_is_settled_without_a_twin_or_a_loss() {
    let [.., note, reply, _, _, _] = WRITES;
    let (notes, replies) = (note.calm().await, reply.calm().await);
    let rows = WRITES.into_iter().flat_map(|write| CASES.map(|case| (write, case)));
    let rows = rows.map(|(write, case)| match write.comment {
        Comment::Note => row(write, case, &notes),
        Comment::Reply => row(write, case, &replies),
    });
    // They wait most of the time.
    stream::iter(rows).buffer_unordered(12).collect::<Vec<()>>().await;
}

async fn row(write: Write, case: Case, calm: &Workspace) {
    let named = format!("{} with {case:?}", write.call);
    let mut bench = case.bench(write.call).await;
    write.set(&mut bench);
    bench.run().await;
    case.over(&bench, &named).await;
    let (account, found) = (bench.sandbox.account(), bench.sandbox.workspace());
    if write.comment == Comment::Note {
        assert_clean(&audit(&account, &found));
    }
    assert_same(calm, &found, &named);
}

/// The update of people whom Intercom has already: it may be repeated, and what stood there is kept once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_an_update_is_settled_as_well() {
    let known = || Account::generate(&AccountSpec::new(12, 5).with(|spec| spec.existing = 0.5));
    let calm = Bench::new(known()).await;
    calm.run().await;
    let (calm, calls) = (calm.sandbox.workspace(), calm.sandbox.counters().intercom);
    assert!(calls["PUT /contacts/{id}"] > STRUCK as u64 + 1);
    for case in CASES {
        let bench = case.bench_of("PUT /contacts/{id}", known()).await;
        bench.run().await;
        case.over(&bench, "updates").await;
        let found = bench.sandbox.workspace();
        assert_clean(&audit(&bench.sandbox.account(), &found));
        assert_same(&calm, &found, &format!("updates with {case:?}"));
        assert_eq!(bench.run().await.report.last_run.writes, 0, "{case:?}");
    }
}

/// As long as nobody knows, all others are written, also those behind the doubtful ones; and
/// those are not written again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest_goes_on_meanwhile() {
    for write in WRITES.into_iter().filter(|write| write.guarded) {
        let mut bench = OPEN.bench(write.call).await;
        write.set(&mut bench);
        let left = bench.runner().run(&RunOptions::default().no_wait()).await.unwrap();
        OPEN.assert_struck(&bench, write.call);
        assert_eq!(left.exit, Exit::Stopped, "{}", write.call);
        let stage = left.report.stages.iter().find(|stage| stage.name == write.stage).unwrap();
        assert!(stage.created > 5, "{}: {stage:?}", write.call);
        assert_eq!((stage.in_doubt, stage.pending), (STRUCK as u64, 0), "{}", write.call);
        // Behind the stage of attributes nothing begins before all of them are there.
        if write.stage != "schema" {
            let (calm, found) = (write.calm().await.canonical(), bench.sandbox.workspace());
            let found = found.canonical();
            let missing = calm.iter().filter(|line| !found.contains(line)).count();
            assert_eq!(missing, STRUCK, "{}", write.call);
        }
    }
}
