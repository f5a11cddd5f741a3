//! Durations as people write them: `500ms`, `60s`, `5m`, `1h30m`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a duration such as \"5m\", \"60s\", \"500ms\" or \"1h30m\"")]
pub struct InvalidDuration;

/// Reads whole numbers with units, the larger unit first and each at most once. `0` alone needs no unit.
///
/// # Errors
/// [`InvalidDuration`] for all else, also for what does not fit 64 bits of milliseconds.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut last_scale = u64::MAX;
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(InvalidDuration)?;
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| InvalidDuration)?;
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, scale) =
            UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(InvalidDuration)?;
        if scale >= last_scale {
            return Err(InvalidDuration);
        }
        let part = number.checked_mul(scale).ok_or(InvalidDuration)?;
        millis = millis.checked_add(part).ok_or(InvalidDuration)?;
        (rest, last_scale) = (tail, scale);
    }
    if text.is_empty() { Err(InvalidDuration) } else { Ok(Duration::from_millis(millis)) }
}

/// The shortest way to write a duration so that [`parse`] gives it back, to the millisecond.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, scale) in UNITS.into_iter().rev() {
        if rest >= scale {
            text.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads() {
        for (text, millis) in [
            ("5m", 300_000),
            ("60s", 60_000),
            ("500ms", 500),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5m5m",
            "30m1h",
            "1.5h",
            "5min",
            "5M",
            "ms5",
            "5m ",
            "18446744073709551615d",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(text), Err(InvalidDuration), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn written_durations_read_back(millis in 0u64..u64::MAX) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn never_panics(text in "\\PC{0,20}|[0-9dhms]{0,20}") {
            let _ = parse(&text);
        }
    }
}
