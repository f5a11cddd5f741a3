//! [`Verify`]: reading back what drafts became, and [`Verification`], which compares it.
//!
//! [`normal`] says when two values are the same, [`class`] what a difference means; both are pure.
//! [`verification`] puts a verifier in the place of a sink.

mod class;
mod normal;
mod references;
mod sample;
mod verification;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::ledger::{How, Written};
use crate::sink::{Failure, Limits, Resolved, TargetId};
use crate::{Fingerprint, Key};

pub use class::Class;
pub use normal::Normal;
pub use sample::Sampling;
pub use verification::{Passing, Verification, Verifying};

/// Reads back what drafts of one kind became.
///
/// It says what should be there and what is; whether that is the same, and what a difference
/// means, is decided by [`Verification`], which also leaves out what was not migrated.
///
/// ```
/// use migrate_core::{Check, Failure, Field, Limits, Normal, ReadBack, Snapshot, Verify, async_trait};
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
///
/// /// An address book, by id.
/// struct Book(Mutex<BTreeMap<String, String>>);
///
/// #[async_trait]
/// impl Verify<String> for Book {
///     async fn read_back(&self, check: &Check<String>) -> Result<ReadBack, Failure> {
///         let people = self.0.lock().unwrap();
///         let Some(name) = people.get(check.object.as_str()) else {
///             return Ok(ReadBack::missing("person"));
///         };
///         let name = Field::new("name", check.draft.as_str(), name.as_str());
///         Ok(Snapshot::of([name.by(Normal::trim())]).into())
///     }
///
///     fn limits(&self) -> Limits {
///         Limits::one_by_one(4)
///     }
/// }
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot read back what a `{D}` became",
    note = "implement `migrate_core::Verify<{D}>` for it, with `#[async_trait]`"
)]
pub trait Verify<D: Send + Sync + 'static>: Send + Sync {
    /// Reads what stands in the destination where the draft was written. It writes nothing.
    ///
    /// # Errors
    ///
    /// A [`Failure`] says what it says of a write: the record is read again later, or the
    /// verification ends and can be gone on with.
    async fn read_back(&self, check: &Check<D>) -> Result<ReadBack, Failure>;

    /// How much it takes at once: reads in a batch are made at the same time.
    fn limits(&self) -> Limits;
}

#[async_trait]
impl<D: Send + Sync + 'static, V: Verify<D> + ?Sized> Verify<D> for Arc<V> {
    async fn read_back(&self, check: &Check<D>) -> Result<ReadBack, Failure> {
        (**self).read_back(check).await
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }
}

#[async_trait]
impl<D: Send + Sync + 'static, V: Verify<D> + ?Sized> Verify<D> for Box<V> {
    async fn read_back(&self, check: &Check<D>) -> Result<ReadBack, Failure> {
        (**self).read_back(check).await
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }
}

/// A draft that was written, with what the migration's ledger knows of it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Check<D> {
    /// Its key, a part key for what is not the record's own object.
    pub key: Key,
    /// What it should have become.
    pub draft: D,
    /// The object of the record.
    pub object: TargetId,
    /// The objects it refers to, by the migration's ledger.
    pub resolved: Resolved,
    /// What it became, if the ledger knows this very write.
    pub written: Option<Written>,
    /// What the record's other writes became: of two that look alike, one of these is not this one.
    pub taken: Vec<TargetId>,
    /// For what was there before the migration changed it, what stood there, if the sink
    /// [remembered](crate::Write::remember) it.
    pub before: Option<Value>,
}

impl<D> Check<D> {
    /// How the write came about, if the ledger knows it.
    pub fn how(&self) -> Option<How> {
        self.written.as_ref().map(|written| written.how)
    }
}

/// Drafts hold people's data, so only the key is shown.
impl<D> fmt::Debug for Check<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("key", &self.key)
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

/// What reading back gave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReadBack {
    /// The object of the record is gone. The word says what it was (`contact`); it is reported
    /// once for a record, however many of its drafts find that out.
    Missing(String),
    /// It is there several times. The word says what.
    Twins(String, Vec<TargetId>),
    /// It is there, and this is what stands in it.
    Stands(Snapshot),
}

impl ReadBack {
    /// The object is gone; the word says what it was.
    pub fn missing(what: impl Into<String>) -> Self {
        Self::Missing(what.into())
    }
}

impl From<Snapshot> for ReadBack {
    fn from(snapshot: Snapshot) -> Self {
        Self::Stands(snapshot)
    }
}

/// What stands in the destination, as far as a draft is about it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its fields. No field means that nothing is to be compared.
    pub fields: Vec<Field>,
    /// A digest of its state, taken as the sink did for [`Write::leaves`](crate::Write::leaves).
    pub state: Option<Fingerprint>,
    /// When somebody last changed the object, if the destination tells.
    pub changed_at: Option<DateTime<Utc>>,
}

impl Snapshot {
    /// These fields, of which nobody knows when they were last changed.
    pub fn of(fields: impl IntoIterator<Item = Field>) -> Self {
        Self { fields: fields.into_iter().collect(), ..Self::default() }
    }

    /// The same with a digest of the state.
    #[must_use]
    pub fn state(mut self, state: Fingerprint) -> Self {
        self.state = Some(state);
        self
    }

    /// The same with the time of the last change.
    #[must_use]
    pub fn changed_at(mut self, at: Option<DateTime<Utc>>) -> Self {
        self.changed_at = at;
        self
    }
}

/// One field: what should be in it, and what is.
#[derive(Clone)]
#[non_exhaustive]
pub struct Field {
    /// Its name, which is reported. Never a person's data.
    pub name: String,
    /// What should be in it.
    pub wanted: Value,
    /// What is in it; `Null` for nothing, as are an empty text and an empty list.
    pub found: Value,
    /// When the two are the same.
    pub by: Normal,
}

impl Field {
    /// A field whose values are compared as they are.
    pub fn new(name: impl Into<String>, wanted: impl Into<Value>, found: impl Into<Value>) -> Self {
        let (name, wanted, found) = (name.into(), wanted.into(), found.into());
        Self { name, wanted, found, by: Normal::exact() }
    }

    /// The same, compared so.
    #[must_use]
    pub fn by(mut self, normal: Normal) -> Self {
        self.by = normal;
        self
    }
}

/// Values may be a person's data, so only the name is shown.
impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).finish_non_exhaustive()
    }
}
