//! What several benches share.

pub mod numbers;
