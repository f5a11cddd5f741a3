//! The default ledger: one SQLite file.

/// The default ledger: one SQLite file.
#[derive(Debug)]
pub struct SqliteLedger {}
