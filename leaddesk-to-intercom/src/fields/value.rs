//! Values of custom fields as what they say: none is read as a type that would lose a part of it.

use chrono::{NaiveDate, NaiveTime};

use crate::value::Zone;
use crate::value::time;

/// A whole number. With leading zeros, a sign or groups it is a text: a number would lose them.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0" || !digits.starts_with('0');
    // What JavaScript cannot count exactly may come back as another number.
    let exact = digits.len() <= 15;
    (plain && exact && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// A number with a point or a comma before its fraction, or a whole one. Where that may as well stand
/// between thousands, as in `1,234`, it is a text.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, "0"));
    let numeric = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = whole == "0" || !whole.starts_with('0');
    let exact = whole.len() + fraction.len() <= 15;
    let thousands = whole != "0" && whole.len() <= 3 && fraction.len() == 3;
    (plain && exact && !thousands && numeric(whole) && numeric(fraction))
        .then(|| text.replace(',', ".").parse().ok())?
}

/// A day or a moment, in UNIX seconds. A day is its midnight in UTC, since Intercom compares the days of
/// custom attributes in UTC; a moment without an offset is in the account's zone.
pub(crate) fn date(text: &str, zone: Zone) -> Option<i64> {
    let is_day = |form: &&str| NaiveDate::parse_from_str(text, form).ok();
    let day = ["%Y-%m-%d", "%d.%m.%Y"].iter().filter(|_| time::plausible(text)).find_map(is_day);
    match day {
        Some(day) => Some(day.and_time(NaiveTime::MIN).and_utc().timestamp()),
        None => Some(time::parse(text, zone).ok()??.utc().timestamp()),
    }
}

/// Yes or no, in the languages that accounts have been seen in, or as a digit.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "y" | "kyllä" | "ja" | "1" => Some(true),
        "no" | "false" | "n" | "ei" | "nej" | "nei" | "0" => Some(false),
        _ => None,
    }
}

/// The choices of a text with several: what stands between commas, semicolons or bars, each once.
pub(crate) fn choices(text: &str) -> Vec<&str> {
    let mut choices = Vec::new();
    for choice in text.split([',', ';', '|']).map(str::trim).filter(|choice| !choice.is_empty()) {
        if !choices.contains(&choice) {
            choices.push(choice);
        }
    }
    choices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_would_lose_something_are_texts() {
        for (text, number) in [
            ("0", Some(0)),
            ("-7", Some(-7)),
            ("123456789012345", Some(123_456_789_012_345)),
            ("1234567890123456", None),
            ("007", None),
            ("+7", None),
            ("1 000", None),
            ("", None),
            ("-", None),
            ("7.0", None),
        ] {
            assert_eq!(integer(text), number, "{text}");
        }
        for (text, number) in [
            ("7", Some(7.0)),
            ("0.5", Some(0.5)),
            ("-12,75", Some(-12.75)),
            ("1.234,5", None),
            ("00.5", None),
            (".5", None),
            ("5.", None),
            ("1e3", None),
            ("0.12345678901234567", None),
            ("1,234", None),
            ("12.500", None),
            ("0.125", Some(0.125)),
            ("1234,567", Some(1234.567)),
        ] {
            assert_eq!(decimal(text), number, "{text}");
        }
    }

    #[test]
    fn days_are_days_everywhere_and_moments_are_the_accounts() {
        let zone: Zone = "Europe/Helsinki".parse().unwrap();
        for (text, seconds) in [
            ("2025-06-30", Some(1_751_241_600)),
            ("30.6.2025", Some(1_751_241_600)),
            ("2025-06-30 03:00:00", Some(1_751_241_600)),
            ("2025-06-30T00:00:00Z", Some(1_751_241_600)),
            ("06/30/2025", None),
            ("1.2.3", None),
            ("30.6.25", None),
            ("25-06-30", None),
            ("0000-00-00", None),
            ("soon", None),
        ] {
            assert_eq!(date(text, zone), seconds, "{text}");
        }
    }

    #[test]
    fn choices_are_told_apart_once_each() {
        assert_eq!(choices("Golf, Fishing;Golf | Opera,"), ["Golf", "Fishing", "Opera"]);
        assert_eq!(choices(" , "), [""; 0]);
        assert_eq!(boolean("Kyllä"), Some(true));
        assert_eq!((boolean("No"), boolean("maybe")), (Some(false), None));
    }
}
