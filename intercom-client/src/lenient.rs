//! Reading fields whose type differs from version to version and from server to server.
//!
//! Every field of a reply may be missing, null, or the same value in another JSON type. What is
//! of no use as the wanted type (an object where a text is expected) is an error of that record,
//! never a silent loss.

use chrono::{DateTime, Utc};
pub(crate) use desk_client_core::lenient::{
    optional_flag as flag, optional_integer as integer, optional_text,
};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A text; numbers and booleans are written out, null and white space are nothing.
pub(crate) fn text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    Ok(optional_text(deserializer)?.map(T::from))
}

/// An id, where null, `""` and `0` mean that there is none.
///
/// Intercom writes an unassigned conversation as `null` up to version 2.15 and as `0` since.
pub(crate) fn id<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: From<String>,
{
    let id = optional_text(deserializer)?;
    Ok(id.filter(|id| id != "0").map(T::from))
}

/// A point in time: UNIX seconds, as number or text, or RFC 3339. Null, `""` and `0` are none.
pub(crate) fn time<'de, D>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error>
where
    D: Deserializer<'de>,
{
    let Some(text) = optional_text(deserializer)? else {
        return Ok(None);
    };
    let time = match desk_client_core::lenient::integer(&text) {
        Some(0) => return Ok(None),
        Some(seconds) => DateTime::from_timestamp(seconds, 0),
        None => DateTime::parse_from_rfc3339(text.trim()).ok().map(|time| time.to_utc()),
    };
    match time {
        Some(time) => Ok(Some(time)),
        None => Err(D::Error::custom("expected UNIX seconds or an RFC 3339 time")),
    }
}

/// Whatever has a default: null reads as the default.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The keys under which lists stand in their envelopes.
const LISTS: [&str; 4] = ["data", "tags", "contacts", "options"];

/// A list that arrives bare, null, or inside an envelope such as
/// `{"type": "tag.list", "tags": [..]}`. Other arrays in the envelope are not the list: a later
/// version may have added them.
pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let list = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list,
        Value::Object(mut envelope) => {
            let list = LISTS.into_iter().find_map(|name| match envelope.remove(name)? {
                Value::Array(list) => Some(list),
                _ => None,
            });
            list.unwrap_or_default()
        }
        _ => return Err(D::Error::custom("expected a list")),
    };
    list.into_iter().map(|value| serde_json::from_value(value).map_err(D::Error::custom)).collect()
}

/// How many a list counts of which only the first stand in its envelope, `{"data": [..],
/// "total_count": 12}`; as many as stand there where it counts none.
pub(crate) fn count<'de, D>(deserializer: D) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
{
    let Some(Value::Object(envelope)) = Option::deserialize(deserializer)? else { return Ok(None) };
    let counted = envelope.get("total_count").and_then(Value::as_u64);
    let shown = || Some(envelope.get("data")?.as_array()?.len() as u64);
    Ok(counted.or_else(shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::AdminId;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Drift {
        #[serde(deserialize_with = "text")]
        owner_id: Option<String>,
        #[serde(deserialize_with = "id")]
        assignee: Option<AdminId>,
        #[serde(deserialize_with = "integer")]
        count: Option<i64>,
        #[serde(deserialize_with = "flag")]
        read: Option<bool>,
        #[serde(deserialize_with = "time")]
        at: Option<DateTime<Utc>>,
        #[serde(deserialize_with = "list")]
        tags: Vec<i64>,
        #[serde(deserialize_with = "count")]
        companies: Option<u64>,
    }

    fn read(json: &str) -> Drift {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_list_of_which_a_part_is_shown_is_counted() {
        assert_eq!(read(r#"{"companies": {"data": [{}], "total_count": 12}}"#).companies, Some(12));
        assert_eq!(read(r#"{"companies": {"data": [{}]}}"#).companies, Some(1));
        assert_eq!(read(r#"{"companies": {"data": null}}"#).companies, None);
        assert_eq!(read(r#"{"companies": null}"#).companies, None);
        assert_eq!(read("{}").companies, None);
    }

    #[test]
    fn the_same_value_in_another_type_is_the_same_value() {
        assert_eq!(read(r#"{"owner_id": 5}"#).owner_id.as_deref(), Some("5"));
        assert_eq!(read(r#"{"owner_id": "5"}"#).owner_id.as_deref(), Some("5"));
        assert_eq!(read(r#"{"count": "7"}"#).count, Some(7));
        assert_eq!(read(r#"{"read": "true"}"#).read, Some(true));
        assert_eq!(read(r#"{"read": 0}"#).read, Some(false));
        let at = DateTime::from_timestamp(1_600_000_000, 0);
        assert_eq!(read(r#"{"at": 1600000000}"#).at, at);
        assert_eq!(read(r#"{"at": "1600000000"}"#).at, at);
        assert_eq!(read(r#"{"at": "2020-09-13T12:26:40Z"}"#).at, at);
        assert_eq!(read(r#"{"tags": [1, 2]}"#).tags, [1, 2]);
        assert_eq!(read(r#"{"tags": {"type": "tag.list", "tags": [1, 2]}}"#).tags, [1, 2]);
        assert_eq!(read(r#"{"tags": {"a": ["new"], "data": [1, 2], "new": []}}"#).tags, [1, 2]);
        assert!(read(r#"{"tags": {"a": ["new"]}}"#).tags.is_empty());
    }

    #[test]
    fn null_empty_and_zero_are_nothing() {
        for json in [
            "{}",
            r#"{"owner_id":null,"assignee":null,"count":null,"read":null,"at":null,"tags":null}"#,
            r#"{"owner_id":"","assignee":0,"count":"","read":"","at":0,"tags":[]}"#,
            r#"{"assignee":"0","at":"","tags":{"type":"list"}}"#,
        ] {
            let drift = read(json);
            assert!(drift.owner_id.is_none() && drift.assignee.is_none(), "{json}");
            assert!(drift.count.is_none() && drift.read.is_none(), "{json}");
            assert!(drift.at.is_none() && drift.tags.is_empty(), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_of_the_record() {
        for json in [
            r#"{"owner_id": {}}"#,
            r#"{"count": 1.5}"#,
            r#"{"read": "perhaps"}"#,
            r#"{"at": "yesterday"}"#,
            r#"{"tags": "x"}"#,
        ] {
            assert!(serde_json::from_str::<Drift>(json).is_err(), "{json}");
        }
    }
}
