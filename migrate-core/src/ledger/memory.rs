//! A ledger in memory, for dry runs and tests.

/// A ledger in memory, for dry runs and tests.
#[derive(Debug, Default)]
pub struct MemoryLedger {}
