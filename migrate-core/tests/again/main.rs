//! Runs after the first: what is tried again, what is read again, and what waits for what.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers of a test may fail it as well"
)]

mod broken;
mod changes;
mod completed;
mod moved;
mod proof;
mod redrive;
mod reverts;
mod rounds;
mod same_record;
mod shelf;
mod taken_back;
mod unchanged;
mod undone;
