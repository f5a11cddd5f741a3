#![doc = include_str!("../README.md")]

#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod connect;
pub mod draft;
pub mod fields;
pub mod map;
mod parts;
pub mod preflight;
pub mod queue;
pub mod runner;
pub mod sink;
pub mod source;
pub mod stage;
pub mod stages;
pub mod state;
pub mod undo;
pub mod value;
pub mod verify;

pub use parts::{Custom, Parts};
