//! Reading JSON that is sloppy about types: ids as strings or numbers, `""` for nothing, and the like.
//!
//! The functions are for `#[serde(deserialize_with = "…")]`, together with `#[serde(default)]` where a key can be missing.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A scalar as text: a string as it is, a number or boolean in its JSON spelling.
///
/// # Errors
/// If the value is null, an array or an object.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer
        .deserialize_any(Scalar)?
        .ok_or_else(|| de::Error::custom("expected a string or a number"))
}

/// Like [`text`], with `None` for null, `""` and white space.
///
/// # Errors
/// If the value is an array or an object.
pub fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(deserializer
        .deserialize_any(Scalar)?
        .filter(|text| !text.trim().is_empty()))
}

/// A whole number sent as a number or as a string; `None` for null and `""`.
///
/// # Errors
/// If there is a value that is no whole number.
pub fn optional_integer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    match optional_text(deserializer)? {
        None => Ok(None),
        Some(text) => integer(&text)
            .map(Some)
            .ok_or_else(|| de::Error::custom("expected a whole number")),
    }
}

/// A boolean, or 0 and 1, or their words; `None` for null and `""`.
///
/// # Errors
/// If there is a value that is neither.
pub fn optional_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match optional_text(deserializer)?.as_deref().map(str::trim) {
        None => Ok(None),
        Some("true" | "True" | "TRUE" | "1") => Ok(Some(true)),
        Some("false" | "False" | "FALSE" | "0") => Ok(Some(false)),
        Some(_) => Err(de::Error::custom("expected true or false")),
    }
}

/// A moment as seconds since 1970, sent as a number or as a string; `None` for null, `""` and 0.
///
/// # Errors
/// If there is a value that is no such moment.
pub fn optional_unix<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<DateTime<Utc>>, D::Error> {
    match optional_integer(deserializer)? {
        None | Some(0) => Ok(None),
        Some(seconds) => DateTime::from_timestamp(seconds, 0)
            .map(Some)
            .ok_or_else(|| de::Error::custom("expected seconds since 1970")),
    }
}

/// A list, or null for an empty one, or one element for a list of it.
///
/// # Errors
/// If an element is not as expected.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Shape<T> {
        Many(Vec<T>),
        One(T),
    }
    Ok(match Option::<Shape<T>>::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Shape::Many(many)) => many,
        Some(Shape::One(one)) => vec![one],
    })
}

/// A whole number in text, also where it was written as `12.0`.
#[must_use]
pub fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let whole = text
        .split_once('.')
        .filter(|(_, rest)| rest.bytes().all(|b| b == b'0'))
        .map_or(text, |(whole, _)| whole);
    whole.parse().ok()
}

struct Scalar;

impl<'de> Visitor<'de> for Scalar {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a number, a boolean or null")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Self::Value, E> {
        Ok(Some(value))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(Self)
    }
}
