//! How the durable ledger fares at a million records: its size, how soon it can be written to after
//! it is opened, how long counting and proving take, and how many commits it makes a second.
//!
//! `cargo bench -p migration-benches --bench ledger [-- RECORDS]`

#![allow(clippy::expect_used, reason = "a bench has nobody to report an error to")]
#![allow(clippy::print_stdout, reason = "a bench talks to its user")]

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::future::join_all;
use migrate_core::ledger::{Binding, Change, How, Parked, Parking, Scan};
use migrate_core::{
    Alias, Cursor, Doubt, Failure, Fate, Fingerprint, Found, Key, Ledger, Limits, Sink,
    SqliteLedger, TargetId, Write, async_trait,
};
use migration_benches::numbers::{Nowhere, Row, migrate_into};

const PAGE: u64 = 500;
const UNDER_WAY: u64 = 256;

fn binding() -> Binding {
    Binding::new("numbers", "nowhere", "bench")
}

fn open(path: &Path) -> Arc<SqliteLedger> {
    Arc::new(SqliteLedger::open(path, &binding()).expect("a ledger"))
}

fn contact(n: u64) -> Key {
    Key::new("contact", n)
}

/// A time of its own for each write, as in a run of some hours.
fn time(n: u64) -> chrono::DateTime<chrono::Utc> {
    let micros = 1_790_000_000_000_000 + i64::try_from(n).expect("a time") * 6_007;
    chrono::DateTime::from_timestamp_micros(micros).expect("a time")
}

fn fingerprint(n: u64, what: &str) -> Fingerprint {
    Fingerprint::of(format!("{n} {what}").as_bytes())
}

/// An id as Intercom gives them out.
fn target(n: u64) -> TargetId {
    let high = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    TargetId::new(format!("{high:016x}{:08x}", n as u32))
}

fn done(key: Key, target: TargetId, n: u64, state: Option<Fingerprint>, at: u64) -> Change {
    Change::Done {
        fingerprint: fingerprint(n, key.part_name().unwrap_or("own")),
        key,
        stage: "contacts".into(),
        target,
        how: How::Created,
        state,
        at: time(at),
    }
}

/// The commits by which the engine settles a contact with an address, a number and two tags.
fn commits(n: u64) -> [Vec<Change>; 3] {
    let (key, at) = (contact(n), 4 * n);
    let tag = |tag: u64, at| {
        let key = key.part(format_args!("tag:{tag}"));
        done(key, TargetId::new((8_000_000 + n % 50 + tag).to_string()), n, None, at)
    };
    let settle = Change::Settle {
        key: key.clone(),
        stage: "contacts".into(),
        fate: Fate::Created,
        fingerprint: Some(fingerprint(n, "whole")),
        target: None,
        reason: None,
        notes: Vec::new(),
        attempts: 0,
        at: time(at + 3),
    };
    [
        vec![done(key.clone(), target(n), n, Some(fingerprint(n, "state")), at + 1)],
        vec![tag(1, at + 2)],
        vec![tag(2, at + 3), settle, Change::Unpark { key }],
    ]
}

async fn page(ledger: &SqliteLedger, keys: Vec<Key>) {
    let next = Some(Cursor::new(format!("{}", keys.len())));
    let page = Change::Page { stage: "contacts".into(), pass: 1, keys, next, mark: None };
    ledger.commit(vec![page]).await.expect("a page");
}

/// Fills a ledger as a run does: the names of a page first, then its records side by side.
async fn fill(ledger: &Arc<SqliteLedger>, records: u64) {
    let begin = Change::Begin { stage: "contacts".into(), pass: 1, since: None, at: time(0) };
    ledger.commit(vec![begin]).await.expect("a beginning");
    for first in (0..records).step_by(PAGE as usize) {
        let page_of = first..records.min(first + PAGE);
        let named = page_of.clone().map(|n| Change::Aliases {
            key: contact(n),
            stage: "contacts".into(),
            aliases: vec![
                Alias::new("email", format!("p{n}@example.com")),
                Alias::new("phone", format!("+358{n:09}")),
            ],
        });
        ledger.commit(named.collect()).await.expect("names");
        for some in page_of.clone().step_by(UNDER_WAY as usize) {
            join_all((some..page_of.end.min(some + UNDER_WAY)).map(async |n| {
                for changes in commits(n) {
                    ledger.commit(changes).await.expect("a record");
                }
            }))
            .await;
        }
        page(ledger, page_of.map(contact).collect()).await;
    }
}

async fn timed<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    println!("{what:<58}{:>10.1} ms", begun.elapsed().as_secs_f64() * 1000.0);
    done
}

/// Commits a second, with so many under way at once.
async fn rate(folder: &Path, under_way: u64) {
    let path = folder.join(format!("rate-{under_way}.sqlite"));
    let ledger = open(&path);
    let (begun, mut n) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(3) {
        join_all((n..n + under_way).map(async |n| {
            let [first, _, last] = commits(n);
            let changes = first.into_iter().chain(last).collect();
            ledger.commit(changes).await.expect("a commit");
        }))
        .await;
        n += under_way;
        if n % PAGE < under_way {
            page(&ledger, (n.saturating_sub(PAGE)..n).map(contact).collect()).await;
        }
    }
    let rate = n as f64 / begun.elapsed().as_secs_f64();
    println!("commits a second, {under_way:>4} under way {:>38.0}", rate);
}

/// Notes when the first write of a run reaches it.
struct First(Arc<OnceLock<Instant>>);

#[async_trait]
impl Sink<Row> for First {
    async fn write(&self, batch: Vec<Write<Row>>) {
        self.0.get_or_init(Instant::now);
        Nowhere(1).write(batch).await;
    }

    async fn find(&self, _: &Doubt<Row>) -> Result<Found, Failure> {
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Nowhere(64).limits()
    }
}

/// A run that was cut off behind all these records and goes on: from opening the ledger to the first
/// write that the sink is given.
async fn restart(path: &Path, records: u64) {
    let ledger = open(path);
    let next = Some(Cursor::new(records.to_string()));
    let (stage, keys, mark) = ("contacts".to_owned(), Vec::new(), None);
    ledger.commit(vec![Change::Page { stage, pass: 1, keys, next, mark }]).await.expect("a page");
    drop(ledger);
    let (begun, first) = (Instant::now(), Arc::new(OnceLock::new()));
    migrate_into(records + PAGE, First(first.clone()), open(path)).await;
    let took = first.get().expect("a write").duration_since(begun);
    println!("{:<58}{:>10.1} ms", "restarted, to the first new write", took.as_secs_f64() * 1000.0);
}

async fn parking(folder: &Path) {
    let ledger = open(&folder.join("parking.sqlite"));
    let parked = |n| {
        let mut parked = Parked::new(contact(n), "contacts", Parking::Group, time(n));
        let person = serde_json::json!({ "name": format!("Person {n}"), "email": "p@example.com" });
        parked.drafts = serde_json::json!([person]);
        Change::Park(Box::new(parked))
    };
    timed("20,000 records parked and unparked, 500 a commit", async {
        for first in (0..20_000).step_by(PAGE as usize) {
            let all = (first..first + PAGE).map(parked);
            ledger.commit(all.collect()).await.expect("parked");
        }
        for first in (0..20_000).step_by(PAGE as usize) {
            let all = (first..first + PAGE).map(|n| Change::Unpark { key: contact(n) });
            ledger.commit(all.collect()).await.expect("unparked");
        }
    })
    .await;
}

#[tokio::main]
async fn main() {
    let records = std::env::args().find_map(|it| it.parse().ok()).unwrap_or(1_000_000);
    // The system's folder for such things may be in memory.
    let folder = tempfile::tempdir_in(".").expect("a folder");
    let path = folder.path().join("ledger.sqlite");
    println!("{records} contacts with two names and three writes each; WAL, synchronous FULL");
    println!("on the disk of {}\n", folder.path().display());

    let ledger = open(&path);
    let begun = Instant::now();
    fill(&ledger, records).await;
    let rate_of_all = records as f64 / begun.elapsed().as_secs_f64();
    println!("contacts a second, three commits each {rate_of_all:>35.0}");
    drop(ledger);
    let bytes = std::fs::metadata(&path).expect("a file").len() as f64;
    println!("bytes of file for each {:>50.1}", bytes / records as f64);

    restart(&path, records).await;
    let records = records + PAGE;
    let ledger = timed("opened, and a first new commit", async {
        let ledger = open(&path);
        let [first, ..] = commits(records);
        ledger.commit(first).await.expect("a write");
        ledger
    })
    .await;
    timed("tally", ledger.tally("contacts")).await.expect("a tally");
    timed("proof", ledger.proof("contacts", 1)).await.expect("a proof");
    let scan = Scan::of("contacts").after(records / 2);
    timed("a page of 500 entries from the middle", ledger.scan(&scan)).await.expect("a page");
    let keys: Vec<Key> = (0..500).map(|n| contact(n * records / 500)).collect();
    timed("500 entries by their keys", ledger.entries(&keys)).await.expect("entries");
    let absent: Vec<Key> = (0..500).map(|n| Key::new("contact", format_args!("{n}x"))).collect();
    timed("500 keys that are not there", ledger.entries(&absent)).await.expect("nothing");
    drop(ledger);
    timed("a look at everything", async { SqliteLedger::check(&path).expect("a look") }).await;
    println!();
    for under_way in [1, 16, 64, 256, 1024] {
        rate(folder.path(), under_way).await;
    }
    parking(folder.path()).await;
}
