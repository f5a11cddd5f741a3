//! What the objects are made of: ids, times without a zone, and text about people.

use std::fmt;

use chrono::NaiveDateTime;
use desk_client_core::lenient;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Personal;

/// Declares id types: text inside, read from a string or an integer, compared as text.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// An id from its text, without surrounding white space.
            #[must_use]
            pub fn new(id: impl fmt::Display) -> Self {
                Self(id.to_string().trim().to_owned())
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = lenient::text(deserializer)?;
                match text.trim() {
                    "" => Err(de::Error::custom("the id is empty")),
                    id => Ok(Self(id.to_owned())),
                }
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id.to_string())
            }
        }
    )*};
}

ids! {
    /// Id of a contact: one person in one calling list.
    ContactId;
    /// Id of a call; `call_ref_id` of `call get` and `last_call_id` of a contact.
    CallId;
    /// Id of an agent, whom the REST API and today's screens call a user.
    AgentId;
    /// Id of a campaign, which the screens call a project.
    CampaignId;
    /// Id of a calling list, which the screens call a contact list.
    CallingListId;
}

/// An optional id; null, `""` and `0` mean that there is none.
pub(super) fn optional_id<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    let text = lenient::optional_text(deserializer)?;
    Ok(text
        .map(|text| text.trim().to_owned())
        .filter(|text| text != "0")
        .map(T::from))
}

macro_rules! from_text {
    ($($name:ident)*) => {$(
        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self::new(id)
            }
        }
    )*};
}
from_text!(ContactId CallId AgentId CampaignId CallingListId);

/// A date and time as LeadDesk sent it: without a zone.
///
/// The zone is not in the reply and not documented; whoever uses the moment must know the account's zone. Null, `""` and
/// `0000-00-00 00:00:00` mean that there is none.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct LocalTime {
    text: String,
    moment: Option<NaiveDateTime>,
}

impl LocalTime {
    /// Reads `YYYY-MM-DD HH:MM:SS`, `YYYY-MM-DDTHH:MM:SS`, either without seconds, or `YYYY-MM-DD` (midnight).
    #[must_use]
    pub fn new(text: &str) -> Self {
        let trimmed = text.trim();
        let moment = [
            "%Y-%m-%d %H:%M:%S%.f",
            "%Y-%m-%dT%H:%M:%S%.f",
            "%Y-%m-%d %H:%M",
            "%Y-%m-%dT%H:%M",
        ]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(trimmed, format).ok())
        .or_else(|| {
            chrono::NaiveDate::parse_from_str(trimmed, "%Y-%m-%d")
                .ok()?
                .and_hms_opt(0, 0, 0)
        });
        Self {
            text: trimmed.to_owned(),
            moment,
        }
    }

    /// What was sent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The moment without a zone; `None` where there is none, or the text is no date. To tell these apart, see
    /// [`is_unreadable`](Self::is_unreadable).
    #[must_use]
    pub fn naive(&self) -> Option<NaiveDateTime> {
        self.moment
    }

    /// Whether something was sent that is neither a moment nor one of the ways to say that there is none.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        self.moment.is_none() && !self.text.is_empty() && !self.text.starts_with("0000-00-00")
    }
}

impl fmt::Debug for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.moment {
            Some(moment) => write!(f, "{moment}"),
            None => f.write_str("none"),
        }
    }
}

impl Serialize for LocalTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(lenient::optional_text(deserializer)?
            .map(|text| Self::new(&text))
            .unwrap_or_default())
    }
}

/// Text about a person; null and `""` mean that there is none.
pub type PersonalText = Option<Personal<String>>;

pub(crate) fn personal<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<PersonalText, D::Error> {
    Ok(lenient::optional_text(deserializer)?.map(Personal::new))
}

/// Strings of a list, or one string for a list of it, without those that are empty.
pub(super) fn personal_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Personal<String>>, D::Error> {
    let texts = match Value::deserialize(deserializer)? {
        Value::Null => Vec::new(),
        Value::Array(values) => values,
        one => vec![one],
    };
    texts
        .into_iter()
        .filter_map(|value| match value {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(Ok(Personal::new(text))),
            Value::Number(number) => Some(Ok(Personal::new(number.to_string()))),
            _ => Some(Err(de::Error::custom("expected text or a list of texts"))),
        })
        .collect()
}

/// Keys that this crate does not know, with their values. They may hold people's data.
pub type Extra = Personal<Map<String, Value>>;

pub(super) fn text_list<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    Ok(personal_list(deserializer)?
        .into_iter()
        .map(Personal::into_inner)
        .collect())
}
