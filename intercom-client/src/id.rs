//! Identifiers: one type per kind of object, so that they cannot be mixed up.
//!
//! Intercom gives the same id as a string in one place and as a number in another (an admin is
//! `"id": "123"` in its own object and `123` in lists), so both are read. Ids are unique only
//! within a workspace.

use std::fmt;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Declares a string id that reads numbers too and is always sent as a string.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// An id as Intercom writes it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                Self(id.to_string())
            }
        }

        impl From<&$name> for $name {
            fn from(id: &$name) -> Self {
                id.clone()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_id(deserializer).map(Self)
            }
        }
    };
}

id! {
    /// A contact, 24 hexadecimal digits. Users and leads share this space.
    ContactId
}
id! {
    /// A conversation. Not the id of the message that `POST /conversations` answers with.
    ConversationId
}
id! {
    /// One part of a conversation: a reply, a note, a close, an assignment.
    PartId
}
id! {
    /// The message-shaped object that `POST /conversations` answers with.
    MessageId
}
id! {
    /// A teammate.
    AdminId
}
id! {
    /// A team.
    TeamId
}
id! {
    /// A tag.
    TagId
}
id! {
    /// A note on a contact.
    NoteId
}
id! {
    /// An attribute of contacts or companies.
    DataAttributeId
}
id! {
    /// An attribute of conversations.
    ConversationAttributeId
}
id! {
    /// One choice of a list attribute of conversations.
    OptionId
}

fn read_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(id) if !id.is_empty() => Ok(id),
        Value::Number(id) => Ok(id.to_string()),
        Value::String(_) => Err(D::Error::invalid_value(Unexpected::Str(""), &"an id")),
        _ => Err(D::Error::custom("an id is a string or a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_read_and_strings_are_written() {
        let text: AdminId = serde_json::from_str(r#""42""#).unwrap();
        let number: AdminId = serde_json::from_str("42").unwrap();
        assert_eq!(text, number);
        assert_eq!(serde_json::to_string(&number).unwrap(), r#""42""#);
    }

    #[test]
    fn an_empty_or_nested_id_is_an_error() {
        assert!(serde_json::from_str::<TagId>(r#""""#).is_err());
        assert!(serde_json::from_str::<TagId>("{}").is_err());
        assert!(serde_json::from_str::<TagId>("null").is_err());
    }
}
