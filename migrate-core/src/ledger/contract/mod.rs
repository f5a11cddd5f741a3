//! What every [`Ledger`] must do, as a test that the author of any ledger can run.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread")]
//! # async fn main() {
//! use std::sync::Arc;
//!
//! use migrate_core::MemoryLedger;
//! use migrate_core::ledger::contract;
//!
//! contract::check(|| Arc::new(MemoryLedger::new())).await;
//! # }
//! ```

// It is a test, which fails by panicking, wherever it is compiled.
#![allow(clippy::unwrap_used, clippy::panic)]

mod commits;
mod records;
mod stages;
mod undoing;

use std::fmt::Display;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{Change, Entry, How, Ledger, Parked, Parking, Part, PartState, Written};
use crate::{Alias, Fate, Fingerprint, Key, TargetId};

/// Runs the whole contract. `fresh` opens a new and empty ledger each time it is called.
///
/// Times in it are whole microseconds, which is as fine as a ledger has to keep them. It needs a
/// tokio runtime, at best one of several threads.
///
/// # Panics
///
/// When the ledger breaks the contract.
pub async fn check(fresh: impl Fn() -> Arc<dyn Ledger>) {
    records::settling(&*fresh()).await;
    records::moving(&*fresh()).await;
    records::writes(&*fresh()).await;
    records::doing_again(&*fresh()).await;
    records::voiding(&*fresh()).await;
    records::aliases(&*fresh()).await;
    records::parking(&*fresh()).await;
    records::parked_rows(&*fresh()).await;
    records::odd_text(&*fresh()).await;
    stages::passes(&*fresh()).await;
    stages::pages(&*fresh()).await;
    stages::tallies(&*fresh()).await;
    stages::scanning(&*fresh()).await;
    stages::discoveries(&*fresh()).await;
    stages::before_images(&*fresh()).await;
    stages::meta(&*fresh()).await;
    undoing::undoing(&*fresh()).await;
    undoing::intended_again(&*fresh()).await;
    undoing::forgetting(&*fresh()).await;
    undoing::marks(&*fresh()).await;
    undoing::mended_rows(&*fresh()).await;
    undoing::stages_heard_of(&*fresh()).await;
    undoing::exporting(&*fresh()).await;
    commits::order(&*fresh()).await;
    commits::many_at_once(fresh()).await;
    commits::whole_or_not_at_all(fresh()).await;
    commits::large_reads(&*fresh()).await;
}

/// A moment, told apart from others by `n`.
fn time(n: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_700_000_000_000_000 + n * 1_000_001).unwrap()
}

fn contact(n: impl Display) -> Key {
    Key::new("contact", n)
}

fn email(n: impl Display) -> Alias {
    Alias::new("email", format!("p{n}@example.com"))
}

fn fingerprint(text: &str) -> Fingerprint {
    Fingerprint::of(text.as_bytes())
}

/// A settled record of stage `contacts`.
fn settle(key: Key, fate: Fate) -> Change {
    Change::Settle {
        key,
        stage: "contacts".into(),
        fate,
        fingerprint: None,
        target: None,
        reason: None,
        notes: Vec::new(),
        attempts: 0,
        at: time(0),
    }
}

fn intent(key: Key, at: i64) -> Change {
    Change::Intent { key, stage: "contacts".into(), draft: draft(at), at: time(at) }
}

/// What is intended at that time.
fn draft(at: i64) -> Option<Value> {
    (at % 2 == 0).then(|| json!({ "text": format!("as it was at {at}") }))
}

fn done(key: Key, written: Written) -> Change {
    let Written { target, fingerprint, how, state, at } = written;
    Change::Done { key, stage: "contacts".into(), target, fingerprint, how, state, at }
}

fn written(target: &str, how: How, at: i64) -> Written {
    Written {
        target: TargetId::new(target),
        fingerprint: fingerprint(target),
        how,
        state: (at % 2 == 1).then(|| fingerprint("state")),
        at: time(at),
    }
}

fn is_done(key: Key, written: Written) -> Part {
    Part { key, state: PartState::Done(written) }
}

fn is_intended(key: Key, at: i64, known: Option<Written>) -> Part {
    Part { key, state: PartState::Intended { at: time(at), known, draft: draft(at) } }
}

async fn entry(ledger: &dyn Ledger, key: &Key) -> Option<Entry> {
    ledger.entries(std::slice::from_ref(key)).await.unwrap().pop().unwrap()
}

fn parked(n: u32, why: Parking) -> Parked {
    Parked {
        key: contact(n),
        stage: "contacts".into(),
        lane: None,
        why,
        since: time(1),
        not_before: time(2),
        looks: 0,
        drafts: Value::Object(Map::new()),
        notes: Vec::new(),
    }
}

fn park(n: u32, why: Parking) -> Change {
    Change::Park(Box::new(parked(n, why)))
}
