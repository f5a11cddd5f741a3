//! The laws of the engine, one test each, which fails when its law is broken. Where the clients
//! or the pair have a share in a law, it is named where that share is tested.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

#[allow(unreachable_pub, missing_docs, dead_code, reason = "a module of tests")]
mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use migrate_core::ledger::{Change, How, Parked, Parking, PartState};
use migrate_core::testkit::{
    Chaos, CrashLedger, Faults, Fuse, Fused, MemoryTarget, Mishap, Moment, Piece, Sample,
    ScriptedSource, Uniqueness, Unsynced,
};
use migrate_core::{
    Doubt, Emit, Failure, FailureKind, Fate, Found, Key, Ledger, Limits, MemoryLedger, Outcome,
    Page, Patience, Pipeline, Plan, Reason, Record, Run, RunEnd, RunError, RunOptions, Sink,
    StopSignal, Unreadable, Write, async_trait, map_fn,
};
use tokio::time::Instant;

const SETTLE_AFTER: Duration = Duration::from_secs(60);
const LAG_HORIZON: Duration = Duration::from_secs(300);

/// The parts of a record: its own text, and the texts, marks and closes that follow.
type Body = Vec<Piece>;

fn key(n: u64) -> Key {
    Key::new("record", n)
}

fn text(text: &str) -> Piece {
    Piece::object(Uniqueness::Indexed, text)
}

fn records(bodies: impl IntoIterator<Item = (u64, Body)>) -> ScriptedSource<Body> {
    ScriptedSource::new(bodies.into_iter().map(|(n, body)| (key(n), body)))
}

fn plan<K: Sink<Piece> + 'static>(source: &ScriptedSource<Body>, sink: K) -> Plan {
    let mapper = map_fn(|record: Record<Body>, out: &mut Emit<Piece>| {
        for (n, piece) in record.body.into_iter().enumerate() {
            match n {
                0 => out.push(piece),
                n => out.part(format!("part:{n}"), piece),
            }
        }
    });
    Plan::new().stage(Pipeline::new("records", source.clone(), mapper, sink), &[])
}

async fn run(plan: &Plan, ledger: &Arc<MemoryLedger>) -> Result<RunEnd, RunError> {
    run_until(plan, ledger.clone(), StopSignal::new()).await
}

async fn run_until(
    plan: &Plan,
    ledger: Arc<dyn Ledger>,
    stop: StopSignal,
) -> Result<RunEnd, RunError> {
    let patience = Patience::new(SETTLE_AFTER, LAG_HORIZON);
    let run = Run::on(ledger).stopped_by(stop).patience(patience).begin().await?;
    plan.run(&run, &RunOptions::default()).await
}

/// A run whose time goes on where that of the process before ended.
async fn run_carried_on(
    plan: &Plan,
    ledger: Arc<CrashLedger<MemoryLedger>>,
) -> Result<RunEnd, RunError> {
    let patience = Patience::new(SETTLE_AFTER, LAG_HORIZON);
    let run = Run::on(ledger.clone()).patience(patience).begin().await?;
    ledger.follow(&run);
    plan.run(&run, &RunOptions::default()).await
}

async fn entry(ledger: &dyn Ledger, n: u64) -> migrate_core::ledger::Entry {
    let found = ledger.entries(&[key(n)]).await.expect("a ledger").pop().flatten();
    found.expect("an entry")
}

fn part(n: u64, target: &MemoryTarget) -> Vec<String> {
    let objects = target.of(&key(n));
    objects.into_iter().flat_map(|object| object.texts).map(|(_, text)| text).collect()
}

#[tokio::test(start_paused = true)]
async fn law_1_a_second_run_over_unchanged_data_writes_nothing() {
    let data = world::Data::small();
    let (target, ledger) = (world::target(), Arc::new(MemoryLedger::new()));
    let plan = world::fused_plan(&data, &target, &Fuse::never());
    for written in [true, false] {
        let before = target.writes();
        world::run(&plan, ledger.clone(), StopSignal::new(), |_| ()).await.expect("a run");
        assert_eq!(target.writes() > before, written);
    }
}

#[tokio::test(start_paused = true)]
async fn law_2_what_changed_is_updated_in_place() {
    let remark = |text: &str| Piece::Corrected(text.into());
    let source = records([(1, vec![text("old"), remark("hello")])]);
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let plan = plan(&source, target.clone());
    run(&plan, &ledger).await.expect("a run");
    let made = target.of(&key(1))[0].id.clone();

    // An update that is refused keeps the id, so that the next one is no second object.
    source.put(key(1), vec![text("refused"), remark("hello")]);
    target.answer(key(1), Some(Outcome::Refused(Reason::new("invalid", "no"))));
    run(&plan, &ledger).await.expect("a run");
    assert_eq!(entry(&*ledger, 1).await.target, Some(made.clone()));
    target.answer(key(1), None);

    source.put(key(1), vec![text("new"), remark("hello, all")]);
    run(&plan, &ledger).await.expect("a run");
    let objects = target.of(&key(1));
    assert_eq!((objects.len(), &objects[0].id, &*objects[0].text), (1, &made, "new"));
    // The text stays as it was written; a correction follows.
    assert_eq!(part(1, &target), ["hello", "it reads: hello, all"]);
}

#[tokio::test(start_paused = true)]
async fn law_3_an_intent_is_durable_before_a_write_that_must_not_be_repeated() {
    /// Looks into the ledger whenever it is to write.
    struct Looking(MemoryTarget, Arc<MemoryLedger>);

    #[async_trait]
    impl Sink<Piece> for Looking {
        async fn write(&self, batch: Vec<Write<Piece>>) {
            for write in &batch {
                let found = self.1.entries(&[write.key.root()]).await.expect("a ledger");
                let entry = found[0].as_ref().expect("an entry before the write");
                let part = entry.part(&write.key).expect("an intent before the write");
                assert!(matches!(part.state, PartState::Intended { .. }), "{part:?}");
            }
            self.0.write(batch).await;
        }

        async fn find(&self, doubt: &Doubt<Piece>) -> Result<Found, Failure> {
            self.0.find(doubt).await
        }

        fn limits(&self) -> Limits {
            self.0.limits()
        }
    }

    /// Holds every write up for longer than anything is waited for.
    struct HeldUp(Fused<MemoryTarget>);

    #[async_trait]
    impl Sink<Piece> for HeldUp {
        async fn write(&self, batch: Vec<Write<Piece>>) {
            tokio::time::sleep(2 * SETTLE_AFTER).await;
            self.0.write(batch).await;
        }

        async fn find(&self, doubt: &Doubt<Piece>) -> Result<Found, Failure> {
            self.0.find(doubt).await
        }

        fn limits(&self) -> Limits {
            self.0.limits()
        }
    }

    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let source = records([(1, vec![text("one"), Piece::Text("more".into())])]);
    run(&plan(&source, Looking(target.clone(), ledger.clone())), &ledger).await.expect("a run");
    assert_eq!(part(1, &target), ["more"]);

    // Killed with the request on its way: the next process looks, and waits before it believes.
    let (target, source) = (MemoryTarget::new(), records([(1, vec![text("one")])]));
    let first = CrashLedger::new(MemoryLedger::new(), 1);
    let fuse = Fuse::at(1, Moment::OnItsWay);
    let killed = plan(&source, fuse.guard(target.clone()));
    let ended = fuse.burn(run_until(&killed, Arc::new(first.clone()), StopSignal::new())).await;
    assert!(ended.is_none(), "{ended:?}");
    let next = Arc::new(first.recover(Unsynced::Vanish).await);
    run_until(&plan(&source, target.clone()), next, StopSignal::new()).await.expect("a run");
    assert_eq!((target.objects().len(), target.writes()), (1, 1), "found, not written again");

    // The same where the request was held up for long before it was sent, as a client below its
    // quota does: it is not the intent's age that counts.
    let (target, first) = (MemoryTarget::new(), CrashLedger::new(MemoryLedger::new(), 1));
    let fuse = Fuse::at(1, Moment::OnItsWay);
    let listed = || records([(1, vec![Piece::object(Uniqueness::Listed, "one")])]);
    let killed = plan(&listed(), HeldUp(fuse.guard(target.clone())));
    let ended = fuse.burn(run_until(&killed, Arc::new(first.clone()), StopSignal::new())).await;
    assert!(ended.is_none(), "{ended:?}");
    let next = Arc::new(first.recover(Unsynced::Vanish).await);
    run_carried_on(&plan(&listed(), target.clone()), next).await.expect("a run");
    tokio::time::sleep(SETTLE_AFTER).await;
    assert_eq!((target.objects().len(), target.writes()), (1, 1), "found, not written again");
    // The rest of this law, kind by kind of write, is in `settlement.rs`.
}

#[tokio::test(start_paused = true)]
async fn law_4_a_dropped_receipt_is_doubt() {
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let sink = Chaos::new(target.clone(), Faults::none(), 0);
    sink.next(&key(1), Mishap::DroppedReceipt);
    run(&plan(&records([(1, vec![text("one")])]), sink), &ledger).await.expect("a run");
    assert!(target.looks() > 0, "it was looked for");
    assert_eq!((target.objects().len(), target.writes()), (1, 1));
    assert_eq!(entry(&*ledger, 1).await.fate, Fate::Created);
}

#[tokio::test(start_paused = true)]
async fn law_5_nothing_overtakes_in_a_lane_and_the_cursor_passes_no_gap() {
    // The first of its lane is in doubt for long; the second waits behind it, others do not.
    let rows = (1..=40).map(|n| {
        let record = Record::new(key(n), vec![text(&format!("{n}"))]);
        Ok(if n % 10 == 1 { record.in_lane("a") } else { record })
    });
    let source = ScriptedSource::of(rows).pages_of(4);
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let sink = Chaos::new(target.clone(), Faults::none(), 0);
    sink.next(&key(1), Mishap::LostRequest);
    run(&plan(&source, sink), &ledger).await.expect("a run");
    let order: Vec<Key> = target.objects().into_iter().map(|object| object.key).collect();
    let lane: Vec<&Key> = order.iter().filter(|key| key.id().ends_with('1')).collect();
    assert_eq!(lane, [&key(1), &key(11), &key(21), &key(31)]);
    assert_eq!(order.len() - lane.len(), 36);
    assert_eq!(order[36], key(1), "the rest did not wait for it: {order:?}");

    // Killed at any moment, the next process reads from where all before it is settled.
    for moment in 1..30 {
        let source = records((1..=40).map(|n| (n, vec![text(&format!("{n}"))]))).pages_of(4);
        let (target, first) = (MemoryTarget::new(), CrashLedger::new(MemoryLedger::new(), moment));
        let fuse = Fuse::at(moment, Moment::Answer);
        let killed = plan(&source, fuse.guard(target.clone()));
        let _ = fuse.burn(run_until(&killed, Arc::new(first.clone()), StopSignal::new())).await;
        let next = first.recover(Unsynced::Tear).await;
        let cursor = next.stage("records").await.expect("a stage").cursor;
        let place = cursor.and_then(|cursor| cursor.as_str().split('@').nth(1)?.parse().ok());
        for n in 1..=place.unwrap_or(0) {
            let entry = entry(&next, n).await;
            let parked = next.parked_among(&[key(n)]).await.expect("a ledger");
            assert!(entry.fate.is_final() || !parked.is_empty(), "a gap before the cursor: {n}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn law_6_a_thread_cut_off_goes_on_at_the_next_message() {
    let reply = |n: u32| Piece::Text(format!("reply {n}"));
    let thread = vec![text("opening"), reply(1), reply(2), Piece::Mark("vip".into()), Piece::Close];
    for (cut, so_far) in [(2, 1), (3, 2), (5, 2)] {
        let source = records([(1, thread.clone())]);
        let (target, first) = (MemoryTarget::new(), CrashLedger::new(MemoryLedger::new(), 1));
        let fuse = Fuse::at(cut, Moment::Answer);
        let killed = plan(&source, fuse.guard(target.clone()));
        let ended = fuse.burn(run_until(&killed, Arc::new(first.clone()), StopSignal::new())).await;
        assert!(ended.is_none() && part(1, &target).len() == so_far, "{ended:?}");
        let next = Arc::new(first.recover(Unsynced::Vanish).await);
        run_until(&plan(&source, target.clone()), next, StopSignal::new()).await.expect("a run");
        assert_eq!(part(1, &target), ["reply 1", "reply 2"]);
        let object = &target.of(&key(1))[0];
        assert!(object.closed, "the close comes last: a reply after it would have opened it");
    }

    // What is written to a closed thread opens it again: the close follows, once.
    let source = records([(1, vec![text("opening"), Piece::Corrected("a".into()), Piece::Close])]);
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let plan = plan(&source, target.clone());
    run(&plan, &ledger).await.expect("a run");
    source.put(key(1), vec![text("opening"), Piece::Corrected("b".into()), Piece::Close]);
    run(&plan, &ledger).await.expect("a run");
    assert_eq!(part(1, &target), ["a", "it reads: b"]);
    assert!(target.of(&key(1))[0].closed);
    assert_eq!(target.writes(), 3 + 2, "the correction and the close");
}

#[tokio::test(start_paused = true)]
async fn law_7_one_bad_record_stops_nobody_and_a_refused_run_stops_at_once() {
    let mut rows: Vec<_> =
        (1..=30).map(|n| Ok(Record::new(key(n), vec![text(&format!("{n}"))]))).collect();
    rows[3] = Err(Unreadable::new(Key::from("records.csv:4"), "ragged"));
    let source = ScriptedSource::of(rows).pages_of(5);
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    target.answer(key(2), Some(Outcome::Refused(Reason::new("invalid", "no"))));
    let stop = Failure::new(FailureKind::Stop, "the token was taken back");
    target.answer(key(10), Some(Outcome::Failed(stop)));
    let plan = plan(&source, target.clone());
    let ended = run(&plan, &ledger).await;
    assert!(matches!(ended, Err(RunError::Refused(_))), "{ended:?}");
    assert!(target.objects().len() < 14, "it went on for long: {}", target.objects().len());
    // Nothing is half committed: what is not in the destination has no object in the ledger.
    for n in [2, 10] {
        assert_eq!(entry(&*ledger, n).await.target, None);
    }
    target.answer(key(10), None);
    run(&plan, &ledger).await.expect("a run");
    let tally = ledger.tally("records").await.expect("a tally");
    assert_eq!((tally.of(Fate::Created), tally.of(Fate::Dead)), (28, 2));
}

/// The engine's share: what was surely not done is tried again, a bounded number of times and
/// ever later; what may have been done is not. Retries of requests, their budget and the headers
/// they honour are tested in `desk-client-core` (`retry.rs`, `limiter`).
#[tokio::test(start_paused = true)]
async fn law_8_the_engine_adds_no_retry_of_its_own() {
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let busy = Failure::new(FailureKind::NotDone, "too many calls");
    target.answer(key(1), Some(Outcome::Failed(busy)));
    let lost = Chaos::new(target.clone(), Faults::none(), 0);
    lost.next(&key(2), Mishap::LostReply);
    let source = records([(1, vec![text("one")]), (2, vec![text("two")])]);
    let begun = Instant::now();
    run(&plan(&source, lost), &ledger).await.expect("a run");
    let tries = u64::from(Patience::default().max_looks);
    assert_eq!(target.writes(), tries + 1, "so many of the one, one of the other");
    assert!(begun.elapsed() > Duration::from_secs(1 + 2 + 4 + 8 + 16 + 32), "ever later");
    assert_eq!(entry(&*ledger, 1).await.fate, Fate::Dead);
    assert_eq!(entry(&*ledger, 2).await.fate, Fate::Created);
}

#[tokio::test(start_paused = true)]
async fn law_9_reading_overlaps_writing_within_a_window() {
    let source = records((0..5000).map(|n| (n, vec![text("one of many")]))).pages_of(10);
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let (reads, looks) = (source.clone(), target.clone());
    let ahead: Arc<Mutex<Vec<(u64, u64)>>> = Arc::default();
    let seen = ahead.clone();
    let watch = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            seen.lock().expect("no panic").push((reads.polls() * 10, looks.writes()));
        }
    });
    run(&plan(&source, target), &ledger).await.expect("a run");
    watch.abort();
    let ahead = ahead.lock().expect("no panic").clone();
    assert!(ahead.iter().any(|(read, written)| *written > 0 && *read < 5000), "side by side");
    let most = ahead.iter().map(|(read, written)| read.saturating_sub(*written)).max();
    assert!(most.is_some_and(|most| most < 200), "so many records were open: {most:?}");
}

#[tokio::test(start_paused = true)]
async fn law_10_a_stopped_run_ends_whole_and_goes_on() {
    let source = records((1..=60).map(|n| (n, vec![text(&format!("{n}"))]))).pages_of(5);
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    let (stop, plan) = (StopSignal::new(), plan(&source, target.clone()));
    let soon = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(290)).await;
        soon.stop();
    });
    let begun = Instant::now();
    let ended = run_until(&plan, ledger.clone(), stop).await;
    assert!(matches!(ended, Err(RunError::Interrupted)), "{ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(1), "it ends soon");
    let tally = ledger.tally("records").await.expect("a tally");
    let written = target.objects().len() as u64;
    assert!((1..60).contains(&written));
    assert_eq!(tally.of(Fate::InDoubt), 0, "what was under way has ended");
    for object in target.objects() {
        let n = object.key.id().parse().expect("a number");
        assert_eq!(entry(&*ledger, n).await.target, Some(object.id), "and was committed");
    }
    run(&plan, &ledger).await.expect("a run");
    assert_eq!((target.writes(), target.looks()), (60, 0), "no record twice, none in doubt");
    // A second signal kills the process: that is `crash_points.rs` and the program's own tests.
}

#[cfg(feature = "sqlite")]
#[test]
fn law_11_two_runs_on_one_ledger_are_refused() {
    use migrate_core::ledger::{Binding, LedgerErrorKind};

    let folder = tempfile::tempdir().expect("a folder");
    let binding = Binding::new("source", "destination", "prefix");
    let open = || migrate_core::SqliteLedger::open(folder.path().join("ledger.sqlite"), &binding);
    let first = open().expect("a ledger");
    let second = open().map(drop).expect_err("it is locked");
    assert_eq!(second.kind(), LedgerErrorKind::Locked);
    drop(first);
    open().expect("it is free again");
}

/// The engine's share: the ledger keeps what undo needs – what was created and what was only
/// changed, and what stood there before. Undo itself is tested in `after/`.
#[tokio::test(start_paused = true)]
async fn law_12_what_undo_needs_is_kept() {
    let named = |text: &str| Piece::object(Uniqueness::ById, text);
    let source = records([(1, vec![named("ours")]), (2, vec![named("theirs, changed")])]);
    let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
    target.insert(key(2), "theirs");
    let plan = plan(&source, target.clone());
    let how = async |n| match &entry(&*ledger, n).await.parts[0].state {
        PartState::Done(written) => written.how,
        state => panic!("not done: {state:?}"),
    };
    run(&plan, &ledger).await.expect("a run");
    assert_eq!((how(1).await, how(2).await), (How::Created, How::Updated));
    source.put(key(1), vec![named("ours, changed")]);
    run(&plan, &ledger).await.expect("a run");
    assert_eq!(how(1).await, How::Created, "an update does not make it a stranger's");
    // Images of what stood there before: `testkit::ledger`, and the sinks of the pair.
}

/// The engine's share: what it shows of a draft holds no data. Secrets are the clients' and the
/// pair's: `desk-client-core` (`redact.rs`) and the program's tests.
#[tokio::test(start_paused = true)]
async fn law_13_nothing_shown_holds_data() {
    #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
    struct Private(Vec<(bool, String)>);

    impl migrate_core::Draft for Private {
        fn repeat(&self) -> migrate_core::Repeat {
            migrate_core::Repeat::Never
        }
    }

    let secret = "anna@example.com";
    let (write, _answer) = Sample::new(key(1), Private(vec![(true, secret.into())])).offer();
    let ledger = MemoryLedger::new();
    let error = RunError::Draft { key: key(1), message: "another form".into() };
    let run = Run::on(Arc::new(MemoryLedger::new())).begin();
    let run = run.await.expect("a run");
    let shown = format!("{write:?} {ledger:?} {error:?} {error} {run:?}");
    assert!(!shown.contains(secret) && !shown.contains("anna"), "{shown}");
    assert!(shown.contains("record:1"), "keys are shown");

    // Nor does what goes through the hands of those who implement a trait of this crate.
    let sample = Sample::new(key(1), Private(vec![(true, secret.into())]));
    let (doubt, at) = (sample.doubt(chrono::Utc::now(), Vec::new()), chrono::Utc::now());
    let mut emit = Emit::default();
    emit.push(Private(vec![(true, secret.into())]));
    let record = Record::new(key(1), secret);
    let page = Page::new([Ok(record.clone())], None);
    let mut parked = Parked::new(key(1), "records", Parking::Retry, at);
    (parked.lane, parked.drafts) = (Some(secret.into()), secret.into());
    let changes = vec![
        Change::Intent { key: key(1), stage: "records".into(), draft: Some(secret.into()), at },
        Change::Before { key: key(1), image: secret.into() },
        Change::Discover { list: "numbers".into(), item: secret.into() },
        Change::Meta { name: "kept".into(), value: Some(secret.into()) },
        Change::Park(Box::new(parked.clone())),
    ];
    let ledger = MemoryLedger::new();
    ledger.commit(changes.clone()).await.expect("a commit");
    let entries = ledger.entries(&[key(1)]).await.expect("an entry");
    parked = ledger.parked_among(&[key(1)]).await.expect("a record").remove(0);
    let shown = format!(
        "{doubt:?} {emit:?} {record:?} {page:?} {parked:?} {changes:?} {entries:?} {ledger:?}"
    );
    assert!(!shown.contains("anna"), "{shown}");
    assert!(shown.matches("record:1").count() >= 8, "keys are shown: {shown}");
}

/// The engine's share: it takes time from one clock, which a test can pause and nobody sets back
/// during a run, and believes nothing before its time. Zones are the pair's: `value/time.rs`.
#[tokio::test(start_paused = true)]
async fn law_14_time_is_explicit() {
    for (unique, wait) in
        [(Uniqueness::Listed, SETTLE_AFTER), (Uniqueness::Indexed, SETTLE_AFTER + LAG_HORIZON)]
    {
        let (target, ledger) = (MemoryTarget::new(), Arc::new(MemoryLedger::new()));
        let sink = Chaos::new(target.clone(), Faults::none(), 0);
        sink.next(&key(1), Mishap::LostRequest);
        let source = records([(1, vec![Piece::object(unique, "one")])]);
        let begun = Instant::now();
        run(&plan(&source, sink), &ledger).await.expect("a run");
        let waited = begun.elapsed();
        assert!(waited >= wait && waited < wait + Duration::from_secs(2), "{waited:?}");
        assert_eq!(target.of(&key(1)).len(), 1);
    }
}
