//! [`Piece`]: the draft that [`MemoryTarget`](super::MemoryTarget) takes.

use serde::{Deserialize, Serialize};

use crate::draft::{Draft, Missing, Name, Reference, Repeat};
use crate::{Key, Reason};

/// A write to a [`MemoryTarget`](super::MemoryTarget): an object, or what is put on one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Piece {
    /// Makes an object, or brings it up to date.
    Object {
        /// How the destination knows it again.
        unique: Uniqueness,
        /// What stands in it.
        text: String,
        /// The record whose object it belongs to.
        of: Option<Key>,
    },
    /// Adds a text to the record's object. It cannot be edited, and a second one is a twin.
    Text(String),
    /// The same, with a text that follows when it has changed.
    Corrected(String),
    /// Puts a mark on the record's object. A second time changes nothing.
    Mark(String),
    /// Writes nothing; it lets the record wait for the object of another.
    Needs(Key),
    /// Closes the record's object. Any text that follows opens it again.
    Close,
}

/// How a destination knows an object again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Uniqueness {
    /// By its key: it refuses a second one, and its reads are current.
    ById,
    /// Through a search index, which lags. It takes a second one.
    Indexed,
    /// By a list of all, which is current. It takes a second one.
    Listed,
}

impl Piece {
    /// An object that belongs to none.
    pub fn object(unique: Uniqueness, text: impl Into<String>) -> Self {
        Self::Object { unique, text: text.into(), of: None }
    }

    /// An object that belongs to that of another record.
    pub fn object_of(unique: Uniqueness, text: impl Into<String>, of: Key) -> Self {
        Self::Object { unique, text: text.into(), of: Some(of) }
    }
}

impl Draft for Piece {
    fn references(&self) -> Vec<Reference> {
        match self {
            Self::Object { of: Some(of), .. } | Self::Needs(of) => {
                let missing = Missing::Queue(Reason::new("without_parent", "nobody of that key"));
                vec![Reference { names: vec![Name::Key(of.clone())], missing }]
            }
            _ => Vec::new(),
        }
    }

    fn repeat(&self) -> Repeat {
        match self {
            Self::Object { unique: Uniqueness::ById, .. } => Repeat::Safe,
            Self::Mark(_) | Self::Needs(_) | Self::Close => Repeat::Safe,
            Self::Object { .. } | Self::Text(_) | Self::Corrected(_) => Repeat::Never,
        }
    }

    fn repeats_after_others(&self) -> bool {
        *self == Self::Close
    }

    fn correction(&self) -> Option<Self> {
        match self {
            Self::Corrected(text) => Some(Self::Text(format!("it reads: {text}"))),
            _ => None,
        }
    }
}
