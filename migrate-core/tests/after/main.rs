//! What comes after a run: reading back what was written, and taking it back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod crash;
mod desk;
mod desk_undo;
mod migration;
mod rollback;
mod verify;
