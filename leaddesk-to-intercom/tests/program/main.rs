//! The program as its users meet it: arguments, messages, exit status, signals and files, over real
//! HTTP on loopback.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for tests")]

mod arguments;
mod check;
mod configuration;
mod destination;
mod mapping;
mod source;
mod state;
#[cfg(unix)]
mod stopping;
mod undone;
mod unfinished;
mod withheld;
mod world;
