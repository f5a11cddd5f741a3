//! [`Source`]: where records come from.

use std::error::Error as StdError;
use std::sync::Arc;

use futures::stream::BoxStream;

use crate::Key;
use crate::record::{Cursor, Page};

/// Where records come from.
///
/// `read` is a plain method that returns a lazy stream: nothing happens until it is polled, and
/// dropping it cancels. It is called with the cursor of the last page that was settled whole, and
/// must then deliver what comes after that page; or with the [mark](Page::mark) of an earlier
/// reading, and must then deliver what is new or has changed since. Keys must be stable between
/// readings.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no source of records",
    note = "implement `migrate_core::Source` for it"
)]
pub trait Source: Send + Sync {
    /// What it delivers.
    type Record: Send + 'static;

    /// The pages from `from` on, or all of them. The last is the one without a
    /// [`next`](Page::next): a stream that ends after any other counts as broken off.
    ///
    /// # Errors
    ///
    /// The stream ends with a [`SourceError`] where reading cannot go on. What came before it is
    /// brought to its end where the source is only [out of reach](SourceErrorKind::Unavailable),
    /// and the next run goes on after the last page.
    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>>;

    /// How much there is, as far as the source knows without reading it all.
    fn estimate(&self) -> Estimate;
}

impl<S: Source + ?Sized> Source for Arc<S> {
    type Record = S::Record;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        (**self).read(from)
    }

    fn estimate(&self) -> Estimate {
        (**self).estimate()
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    type Record = S::Record;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        (**self).read(from)
    }

    fn estimate(&self) -> Estimate {
        (**self).estimate()
    }
}

/// A source that can also read records by their keys: what makes it cheap to try again a few
/// records of many.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot look records up by their keys",
    note = "implement `migrate_core::Lookup` for it; without it, records are met by reading everything"
)]
pub trait Lookup: Source {
    /// The records of these keys, in any order and in pages of any size. A key of which there is
    /// no record any more is left out. The cursors of these pages are not used.
    ///
    /// A record that one of them refers to may come along before it: it is written as well if
    /// nothing is known of it yet, and passed over if something is.
    fn lookup(&self, keys: Vec<Key>)
    -> BoxStream<'static, Result<Page<Self::Record>, SourceError>>;
}

impl<S: Lookup + ?Sized> Lookup for Arc<S> {
    fn lookup(
        &self,
        keys: Vec<Key>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        (**self).lookup(keys)
    }
}

impl<S: Lookup + ?Sized> Lookup for Box<S> {
    fn lookup(
        &self,
        keys: Vec<Key>,
    ) -> BoxStream<'static, Result<Page<Self::Record>, SourceError>> {
        (**self).lookup(keys)
    }
}

/// How many records a source will deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Estimate {
    /// So many, unless the source changes meanwhile.
    Exactly(u64),
    /// About so many.
    About(u64),
    /// Nobody knows before it is read.
    Unknown,
}

/// Why reading had to stop. A single bad row is an [`Unreadable`](crate::Unreadable) instead.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    kind: SourceErrorKind,
    message: String,
    #[source]
    cause: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What sort of trouble a source is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// It must not go on: access refused, file not usable. Somebody has to act first.
    Refused,
    /// It is out of reach for now; a later run goes on from the last page.
    Unavailable,
}

impl SourceError {
    /// An error that somebody has to mend before reading can go on.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { kind: SourceErrorKind::Refused, message: message.into(), cause: None }
    }

    /// An error that may have passed when the next run starts.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: SourceErrorKind::Unavailable, message: message.into(), cause: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// What sort of trouble it is.
    pub fn kind(&self) -> SourceErrorKind {
        self.kind
    }
}
