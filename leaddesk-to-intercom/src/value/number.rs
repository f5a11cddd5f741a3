//! Whole numbers as LeadDesk sends them: as numbers, as text, with a `.0` from a spreadsheet, or not at all.

/// The text is no whole number. It is not repeated here, since it may belong to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a whole number")]
pub struct NotANumber;

/// A whole number, leniently: surrounding space, `+`, spaces between groups of three, and a fraction of zeros.
/// Empty text, `null` and `-` are none.
///
/// # Errors
/// [`NotANumber`] for all else, also for a fraction that would be lost.
pub fn integer(text: &str) -> Result<Option<i64>, NotANumber> {
    let text = text.trim();
    if text.is_empty() || text == "-" || text.eq_ignore_ascii_case("null") {
        return Ok(None);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b == b'0') {
        return Err(NotANumber);
    }
    ungrouped(whole)?.parse().map(Some).map_err(|_| NotANumber)
}

/// A length of time in seconds: a whole number, or `HH:MM:SS`.
/// `MM:SS` is refused, because nothing tells it from `HH:MM`.
///
/// # Errors
/// [`NotANumber`] for all else, and for negative lengths.
pub fn seconds(text: &str) -> Result<Option<u64>, NotANumber> {
    let text = text.trim();
    let parts: Vec<&str> = text.split(':').collect();
    if let [hours, minutes, seconds] = parts[..] {
        let [hours, minutes, seconds] = [hours, minutes, seconds].map(digits);
        let (hours, minutes, seconds) = (hours?, minutes?, seconds?);
        if minutes > 59 || seconds > 59 {
            return Err(NotANumber);
        }
        let whole = hours.checked_mul(3600).and_then(|all| all.checked_add(minutes * 60 + seconds));
        return whole.map(Some).ok_or(NotANumber);
    }
    integer(text)?.map(u64::try_from).transpose().map_err(|_| NotANumber)
}

fn digits(text: &str) -> Result<u64, NotANumber> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().map_err(|_| NotANumber)
    } else {
        Err(NotANumber)
    }
}

/// Takes the spaces out of `12 345`, where each later group must have three digits.
fn ungrouped(text: &str) -> Result<String, NotANumber> {
    let mut groups = text.split([' ', '\u{a0}', '\u{202f}']);
    let mut whole = groups.next().unwrap_or_default().to_owned();
    for group in groups {
        if group.len() != 3 || whole.trim_start_matches(['+', '-']).is_empty() {
            return Err(NotANumber);
        }
        whole.push_str(group);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers() {
        for (text, expected) in [
            ("42", Ok(Some(42))),
            (" 42\n", Ok(Some(42))),
            ("+42", Ok(Some(42))),
            ("-42", Ok(Some(-42))),
            ("0042", Ok(Some(42))),
            ("42.0", Ok(Some(42))),
            ("42.000", Ok(Some(42))),
            ("1 234 567", Ok(Some(1_234_567))),
            ("1\u{a0}234", Ok(Some(1234))),
            ("9223372036854775807", Ok(Some(i64::MAX))),
            ("", Ok(None)),
            (" ", Ok(None)),
            ("-", Ok(None)),
            ("NULL", Ok(None)),
            ("42.5", Err(NotANumber)),
            ("42.", Err(NotANumber)),
            ("4,2", Err(NotANumber)),
            ("1,234", Err(NotANumber)),
            ("12 34", Err(NotANumber)),
            ("4.2E+5", Err(NotANumber)),
            ("0x2a", Err(NotANumber)),
            ("9223372036854775808", Err(NotANumber)),
            ("forty-two", Err(NotANumber)),
        ] {
            assert_eq!(integer(text), expected, "{text:?}");
        }
    }

    #[test]
    fn lengths() {
        for (text, expected) in [
            ("205", Ok(Some(205))),
            ("00:03:25", Ok(Some(205))),
            ("101:00:00", Ok(Some(363_600))),
            ("", Ok(None)),
            ("03:25", Err(NotANumber)),
            ("00:60:00", Err(NotANumber)),
            ("00:-1:00", Err(NotANumber)),
            ("99999999999999999:00:00", Err(NotANumber)),
            ("-5", Err(NotANumber)),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_is_read_back(n: i64) {
            prop_assert_eq!(integer(&n.to_string()), Ok(Some(n)));
        }

        #[test]
        fn never_panics(text in "\\PC{0,30}|[0-9 .:+-]{0,12}") {
            let _ = (integer(&text), seconds(&text));
        }
    }
}
