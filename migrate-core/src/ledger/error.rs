//! [`LedgerError`].

use std::error::Error as StdError;
use std::sync::Arc;

/// Why a ledger could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct LedgerError {
    kind: LedgerErrorKind,
    message: String,
    #[source]
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What sort of trouble a ledger is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerErrorKind {
    /// Another run holds its lock.
    Locked,
    /// It is not a ledger, or a damaged one.
    Corrupt,
    /// It was written by a newer version of this crate.
    Newer,
    /// It belongs to another migration.
    Foreign,
    /// Some of its records are not settled.
    Unfinished,
    /// People's data was erased from it: it can be read, and no run can use it any more.
    Purged,
    /// The disk is full or does not answer: stop, and resume when it does.
    Storage,
}

impl LedgerError {
    /// An error of a kind.
    pub fn new(kind: LedgerErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// What sort of trouble it is.
    pub fn kind(&self) -> LedgerErrorKind {
        self.kind
    }
}
