//! Records that cannot be read, and why.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// One record of a file or list that cannot be read. The others are not touched by it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unreadable {
    /// The file, or the call that answered the list.
    pub file: String,
    /// Number of the record, from 1; a header does not count.
    pub record: u64,
    /// Id of the record, if that could be read.
    pub id: Option<String>,
    /// What is wrong; names places and counts, never a value.
    pub reason: String,
}

impl Unreadable {
    /// A record of a file or list by its number, and what is wrong with it.
    #[must_use]
    pub fn new(file: &str, record: u64, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), record, id: None, reason: reason.into() }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.record, self.reason)
    }
}

impl std::error::Error for Unreadable {}

/// Reads each element of a list on its own.
pub(crate) fn elements<T: DeserializeOwned>(
    list: &str,
    values: Vec<Value>,
) -> Vec<Result<T, Unreadable>> {
    desk_client_core::elements(values)
        .into_iter()
        .map(|element| {
            element.map_err(|bad| Unreadable {
                file: list.to_owned(),
                record: bad.index as u64 + 1,
                id: bad.id,
                reason: bad.reason,
            })
        })
        .collect()
}
