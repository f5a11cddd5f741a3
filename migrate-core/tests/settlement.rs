//! How doubt is settled, write by write: each kind of write of the table in ARCHITECTURE.md, with
//! its reply lost, its effect delayed past the end of its connection, the search lagging, and all
//! of them. No twin, no loss, and nothing else waits meanwhile.

#![allow(clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use migrate_core::testkit::{
    Chaos, Faults, MemoryTarget, Mishap, Piece, ScriptedSource, Uniqueness,
};
use migrate_core::{
    Draft as _, Emit, Event, Fate, Key, Ledger, MemoryLedger, Patience, Pipeline, Plan, Record,
    Repeat, Run, RunOptions, map_fn,
};
use tokio::time::Instant;

const SETTLE_AFTER: Duration = Duration::from_secs(60);
const LAG_HORIZON: Duration = Duration::from_secs(300);
/// An effect that comes late comes within the time in which nothing is believed.
const LATE: Duration = Duration::from_secs(50);
const LAG: Duration = Duration::from_secs(200);
/// Records that have nothing to do with the one in doubt.
const OTHERS: u64 = 60;
/// By then they are settled: what they take where nothing goes wrong, and half as much again.
const SOON: Duration = Duration::from_millis(4500);

/// A write of the table: the record that it belongs to, and the key of the write.
struct Row {
    drafts: Vec<(Option<&'static str>, Piece)>,
    in_doubt: Option<&'static str>,
    repeat: Repeat,
}

fn row(repeat: Repeat, in_doubt: Option<&'static str>, root: Piece, part: Option<Piece>) -> Row {
    let part = in_doubt.zip(part).map(|(name, part)| (Some(name), part));
    Row { drafts: [(None, root)].into_iter().chain(part).collect(), in_doubt, repeat }
}

fn contact() -> Piece {
    Piece::object(Uniqueness::ById, "a contact")
}

fn opening() -> Piece {
    Piece::object_of(Uniqueness::Indexed, "an opening", Key::new("contact", 1))
}

/// Moves the record of a row among others while this goes wrong with it. Returns what stands in
/// the destination and when each record was settled.
async fn moved(row: &Row, mishap: Option<Mishap>, lag: Duration) -> (MemoryTarget, Vec<Duration>) {
    let key = Key::new("record", 0);
    let target = MemoryTarget::new().lagging(lag);
    let sink = Chaos::new(target.clone(), Faults::none(), 0);
    if let Some(mishap) = mishap {
        let write = row.in_doubt.map_or_else(|| key.clone(), |part| key.part(part));
        sink.next(&write, mishap);
    }
    let drafts = row.drafts.clone();
    let record = map_fn(move |record: Record<u64>, out: &mut Emit<Piece>| match record.body {
        0 => drafts.iter().for_each(|(part, draft)| match part {
            None => out.push(draft.clone()),
            Some(part) => out.part(*part, draft.clone()),
        }),
        n => out.push(Piece::object(Uniqueness::Indexed, format!("record {n}"))),
    });
    let contacts = ScriptedSource::new([("contact:1", 1)]);
    let as_contact = map_fn(|_: Record<u64>, out: &mut Emit<Piece>| out.push(contact()));
    let records = (0..=OTHERS).map(|n| (Key::new("record", n), n));
    let plan = Plan::new()
        .stage(Pipeline::new("contacts", contacts, as_contact, sink.clone()), &[])
        .stage(Pipeline::new("records", ScriptedSource::new(records), record, sink), &["contacts"]);

    let settled: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let (times, begun) = (settled.clone(), Instant::now());
    let observer = Arc::new(move |event: &Event<'_>| {
        if let Event::Settled { stage: "records", fate: Fate::Created, .. } = event {
            times.lock().expect("no panic").push(begun.elapsed());
        }
    });
    let ledger = Arc::new(MemoryLedger::new());
    let patience = Patience::new(SETTLE_AFTER, LAG_HORIZON);
    let run = Run::on(ledger.clone()).observed_by(observer).patience(patience).begin().await;
    plan.run(&run.expect("a run"), &RunOptions::default()).await.expect("it ends");
    let tally = ledger.tally("records").await.expect("a tally");
    assert_eq!(tally.of(Fate::Created), OTHERS + 1, "{tally:?}");
    // What is on its way arrives.
    tokio::time::sleep(LATE).await;
    let settled = settled.lock().expect("no panic").clone();
    (target, settled)
}

async fn settles(row: Row) {
    let in_doubt = row.drafts.last().map(|(_, draft)| draft.repeat());
    assert_eq!(in_doubt, Some(row.repeat), "the model of the write is that of the table");
    let (undisturbed, times) = moved(&row, None, Duration::ZERO).await;
    assert!(times.iter().all(|time| *time < SOON), "{times:?}");
    let never = Duration::ZERO;
    for (what, mishap, lag) in [
        ("its reply is lost", Mishap::LostReply, never),
        ("its receipt is dropped", Mishap::DroppedReceipt, never),
        ("its effect comes late", Mishap::Late(LATE), never),
        ("it is lost on its way", Mishap::LostRequest, never),
        ("its reply is lost and the search lags", Mishap::LostReply, LAG),
        ("all of it", Mishap::Late(LATE), LAG),
    ] {
        let (target, times) = moved(&row, Some(mishap), lag).await;
        assert_eq!(target.twins(), [] as [Key; 0], "{what}");
        assert_eq!(target.contents(), undisturbed.contents(), "{what}");
        assert_eq!(target.complaints(), [""; 0], "{what}");
        let others = times.iter().filter(|time| **time < SOON).count() as u64;
        assert!(others >= OTHERS, "{what}: others waited as well: {times:?}");
        let last = times.iter().max().expect("some are settled");
        let longest = SETTLE_AFTER + LAG_HORIZON + Duration::from_secs(130);
        assert!(*last < longest, "{what}: it is settled after {last:?} only");
        if row.repeat == Repeat::Safe {
            assert!(*last < 2 * SOON, "{what}: what may be repeated waits for nothing: {last:?}");
        }
        if row.repeat == Repeat::Never && mishap == Mishap::LostRequest {
            assert!(*last > SETTLE_AFTER, "{what}: a no was believed too early: {last:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_contact_of_role_user() {
    settles(row(Repeat::Safe, None, contact(), None)).await;
}

#[tokio::test(start_paused = true)]
async fn a_contact_of_role_lead() {
    settles(row(Repeat::Never, None, Piece::object(Uniqueness::Indexed, "a lead"), None)).await;
}

#[tokio::test(start_paused = true)]
async fn the_opening_of_a_conversation() {
    settles(row(Repeat::Never, None, opening(), None)).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_or_note_in_a_conversation() {
    let reply = Some(Piece::Text("a reply".into()));
    settles(row(Repeat::Never, Some("reply"), opening(), reply)).await;
}

/// The second of two equal replies: the first, which is taken, is not mistaken for it.
#[tokio::test(start_paused = true)]
async fn a_reply_that_was_given_before() {
    let reply = Piece::Text("yes".into());
    let drafts =
        vec![(None, opening()), (Some("reply:1"), reply.clone()), (Some("reply:2"), reply)];
    settles(Row { drafts, in_doubt: Some("reply:2"), repeat: Repeat::Never }).await;
}

#[tokio::test(start_paused = true)]
async fn a_note_on_a_contact() {
    let note = Some(Piece::Text("LeadDesk contact 1".into()));
    settles(row(Repeat::Never, Some("note"), contact(), note)).await;
}

#[tokio::test(start_paused = true)]
async fn a_tag_or_an_attribute_of_contacts() {
    settles(row(Repeat::Safe, None, Piece::object(Uniqueness::ById, "a name"), None)).await;
}

#[tokio::test(start_paused = true)]
async fn an_attribute_of_conversations() {
    settles(row(Repeat::Never, None, Piece::object(Uniqueness::Listed, "a name"), None)).await;
}

#[tokio::test(start_paused = true)]
async fn a_tag_that_is_put_on_and_an_assignment() {
    settles(row(Repeat::Safe, Some("tag"), opening(), Some(Piece::Mark("vip".into())))).await;
}

#[tokio::test(start_paused = true)]
async fn a_close() {
    settles(row(Repeat::Safe, Some("close"), opening(), Some(Piece::Close))).await;
}

#[tokio::test(start_paused = true)]
async fn a_ticket() {
    settles(row(Repeat::Never, None, Piece::object(Uniqueness::Indexed, "a ticket"), None)).await;
}
