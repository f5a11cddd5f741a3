//! Combinators: sources, mappers and sinks made of others.
//!
//! The traits themselves stay small; what is convenient is here, for every implementation of them.

mod chain;
mod fan_out;
mod mappers;
mod prefetch;
mod sinks;
mod sources;
mod tee;

pub use chain::Chain;
pub use fan_out::FanOut;
pub use mappers::{Filtered, InspectedMapper, MappedDrafts, MapperExt, Then};
pub use prefetch::Prefetched;
pub use sinks::{InspectedSink, RateLimited, SinkExt};
pub use sources::{InspectedSource, MappedRecords, OnlySource, SourceExt};
pub use tee::Tee;
