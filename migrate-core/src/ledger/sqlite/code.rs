//! How values are written in the file. The numbers are for ever: add to them, change none.

use chrono::{DateTime, Utc};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::parts::how_of;
use crate::Fate;
use crate::ledger::{How, Parking};

pub(super) fn fate_code(fate: Fate) -> i64 {
    match fate {
        Fate::Created => 0,
        Fate::Updated => 1,
        Fate::Unchanged => 2,
        Fate::Merged => 3,
        Fate::Queued => 4,
        Fate::Skipped => 5,
        Fate::Inventoried => 6,
        Fate::Dead => 7,
        Fate::InDoubt => 8,
        Fate::Pending => 9,
    }
}

pub(super) fn parking_code(why: Parking) -> i64 {
    match why {
        Parking::Group => 0,
        Parking::Doubt => 1,
        Parking::Parent => 2,
        Parking::Retry => 3,
        Parking::Lane => 4,
        Parking::LastLook => 5,
        Parking::Queued => 6,
    }
}

/// Microseconds since 1970, which is finer than any clock that matters here.
pub(super) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

/// JSON of a list, or nothing for an empty one: most lists are.
pub(super) fn json_list<T: Serialize>(list: &[T]) -> Result<Option<String>> {
    if list.is_empty() { Ok(None) } else { json(&list).map(Some) }
}

/// A column of a row, decoded; what cannot be decoded means that the file is damaged.
pub(super) trait Columns {
    fn fate(&self, column: &str) -> Result<Fate>;
    fn how(&self, column: &str) -> Result<How>;
    fn parking(&self, column: &str) -> Result<Parking>;
    fn time(&self, column: &str) -> Result<DateTime<Utc>>;
    fn count<N: TryFrom<i64>>(&self, column: &str) -> Result<N>;
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>>;
    fn json_blob<T: DeserializeOwned>(&self, column: &str) -> Result<T>;
}

impl Columns for Row<'_> {
    fn fate(&self, column: &str) -> Result<Fate> {
        let code: i64 = self.get(column)?;
        Fate::ALL.iter().copied().find(|fate| fate_code(*fate) == code).ok_or_else(|| odd(column))
    }

    fn how(&self, column: &str) -> Result<How> {
        how_of(self.get(column)?).ok_or_else(|| odd(column))
    }

    fn parking(&self, column: &str) -> Result<Parking> {
        let code: i64 = self.get(column)?;
        Parking::ALL
            .iter()
            .copied()
            .find(|why| parking_code(*why) == code)
            .ok_or_else(|| odd(column))
    }

    fn time(&self, column: &str) -> Result<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.get(column)?).ok_or_else(|| odd(column))
    }

    fn count<N: TryFrom<i64>>(&self, column: &str) -> Result<N> {
        N::try_from(self.get(column)?).map_err(|_| odd(column))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        let Some(text) = self.get::<_, Option<String>>(column)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| odd(column))
    }

    fn json_blob<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_slice(&self.get::<_, Vec<u8>>(column)?).map_err(|_| odd(column))
    }
}

/// Names the column only: what stands in it may be a person's.
fn odd(column: &str) -> Error {
    let message = format!("the column {column} holds what no ledger writes there");
    Error::FromSqlConversionFailure(0, Type::Null, message.into())
}
