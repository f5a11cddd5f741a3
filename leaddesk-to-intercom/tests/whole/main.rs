//! Whole migrations over HTTP, against stand-ins of both services.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail at any step")]

#[path = "../audit/mod.rs"]
mod audit;

mod again;
mod assigned;
mod attached;
mod audited;
mod behind;
mod bench;
mod beside;
mod callers;
mod chats;
mod choices;
mod cut_off;
mod driven;
mod first;
mod foreign;
mod held;
mod history;
mod inventory;
mod joined;
mod known;
mod lead_stage;
mod leads;
mod mended;
mod people;
mod pilot;
mod planned;
mod predicted;
mod proxy;
mod rollback;
mod settlement;
mod small_change;
mod story;
mod taken_back;
mod touched;
mod twins;
mod two_ways;
mod whose;
mod wording;
