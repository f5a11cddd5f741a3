//! Phone numbers, brought to E.164 (`+358401234567`) by Google's metadata.

use std::fmt;
use std::str::FromStr;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, Region};
use serde::{Deserialize, Serialize};

/// No number is longer than this, however it is written; longer text is not even tried.
const MAX_BYTES: usize = 100;

/// A country by its two-letter code (ISO 3166-1), whose dialling rules are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country(Region);

impl Country {
    /// Where LeadDesk comes from.
    pub const FINLAND: Self = Self(Region::FI);
}

/// The text is no code of a country with known dialling rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code:?} is no two-letter country code with known dialling rules")]
pub struct UnknownCountry {
    code: String,
}

/// One number as it was written and, where it can be understood, in E.164. `Debug` hides both.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone {
    raw: String,
    e164: Option<String>,
    repaired: bool,
}

impl Phone {
    /// Reads text as one number.
    ///
    /// Tried in this order, and the first that gives a valid number wins:
    /// 1. as written, by the rules of `country`; a national number may have lost its leading zero;
    /// 2. with `+` for a leading `00`, where that is not the country's own prefix for abroad;
    /// 3. with a `+` in front, since spreadsheets lose it.
    ///
    /// A number written with its `+` is taken even where it is only possible by its length, because numbering plans
    /// change faster than metadata. Extensions do not fit E.164 and stay in [`raw`](Self::raw) alone.
    #[must_use]
    pub fn parse(text: &str, country: Country) -> Self {
        let raw = text.trim().to_owned();
        let understood = understand(&raw, country);
        Self {
            raw,
            repaired: understood.as_ref().is_some_and(|(_, repaired)| *repaired),
            e164: understood.map(|(e164, _)| e164),
        }
    }

    /// Reads a field that may hold several numbers. Empty pieces are left out, as is a number that came before.
    ///
    /// Line breaks, `;` and `|` always separate. `,`, `/`, `&` and the words `or` and `tai` separate only where the
    /// whole is no number, because some write `040/1234567`.
    #[must_use]
    pub fn parse_all(text: &str, country: Country) -> Vec<Self> {
        let mut phones: Vec<Self> = Vec::new();
        let mut add = |phone: Self| {
            let same =
                |it: &Self| it.e164 == phone.e164 && (phone.e164.is_some() || it.raw == phone.raw);
            if !phone.raw.is_empty() && !phones.iter().any(same) {
                phones.push(phone);
            }
        };
        let pieces = text.split(['\n', '\r', ';', '|']);
        for piece in pieces.filter(|piece| !piece.trim().is_empty()) {
            let whole = Self::parse(piece, country);
            if whole.e164.is_none() {
                let parts: Vec<Self> =
                    split_softly(piece).map(|part| Self::parse(part, country)).collect();
                if parts.iter().any(|part| part.e164.is_some()) {
                    parts.into_iter().for_each(&mut add);
                    continue;
                }
            }
            add(whole);
        }
        phones
    }

    /// The text as it was written, trimmed.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The number in E.164, or none where the text cannot be understood.
    #[must_use]
    pub fn e164(&self) -> Option<&str> {
        self.e164.as_deref()
    }

    /// Whether a lost `+` was put back, or a foreign `00` replaced, to understand the number.
    #[must_use]
    pub fn is_repaired(&self) -> bool {
        self.repaired
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.e164.is_some() { "[phone]" } else { "[phone, not understood]" })
    }
}

fn understand(raw: &str, country: Country) -> Option<(String, bool)> {
    if raw.len() > MAX_BYTES {
        return None;
    }
    let text = tidy(raw);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    // Five digits are the shortest numbers of people; below are extensions and services.
    if digits < 5 {
        return None;
    }
    if let Some(number) = read(&text, country) {
        let international = text.starts_with('+');
        if is_valid(&number) || international && PHONE_NUMBER_UTIL.is_possible_number(&number) {
            return Some((e164(&number), false));
        }
    }
    if text.starts_with('+') {
        return None;
    }
    let foreign = text.strip_prefix("00").unwrap_or(&text);
    let number = read(&format!("+{foreign}"), country)?;
    is_valid(&number).then(|| (e164(&number), true))
}

/// Takes away what spreadsheets and people add: a leading apostrophe or `tel:`, a `.0` at the end, and the `(0)`
/// of `+358 (0)40`.
fn tidy(raw: &str) -> String {
    let text = raw.trim_start_matches(['\'', '’']).trim_start();
    let text = match text.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tel:") => text[4..].trim_start(),
        _ => text,
    };
    let text = text.strip_suffix(".0").unwrap_or(text);
    if text.starts_with(['+', '＋']) || text.starts_with("00") {
        text.replace('＋', "+").replacen("(0)", "", 1)
    } else {
        text.to_owned()
    }
}

fn read(text: &str, country: Country) -> Option<PhoneNumber> {
    // A letter would be read as a digit of a vanity number, which turns words into numbers.
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if letters > 0 && !has_extension(text) {
        return None;
    }
    PHONE_NUMBER_UTIL.parse(text, Some(country.0)).ok()
}

fn has_extension(text: &str) -> bool {
    let letters: String = text.chars().filter(|c| c.is_alphabetic()).collect();
    matches!(letters.to_lowercase().as_str(), "x" | "ext" | "extn" | "extension")
}

fn is_valid(number: &PhoneNumber) -> bool {
    PHONE_NUMBER_UTIL.is_valid_number(number)
}

fn e164(number: &PhoneNumber) -> String {
    PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164).into_owned()
}

fn split_softly(piece: &str) -> impl Iterator<Item = &str> {
    piece
        .split([',', '/', '&'])
        .flat_map(|part| part.split(" or "))
        .flat_map(|part| part.split(" tai "))
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownCountry { code: code.to_owned() };
        let two_letters = code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphabetic());
        let region =
            two_letters.then(|| Region::from_code(&code.to_ascii_uppercase()).ok()).flatten();
        let known =
            |region: &Region| PHONE_NUMBER_UTIL.get_country_code_for_region(*region).is_some();
        region.filter(known).map(Self).ok_or_else(unknown)
    }
}

impl TryFrom<String> for Country {
    type Error = UnknownCountry;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        code.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn country(code: &str) -> Country {
        code.parse().unwrap()
    }

    #[test]
    fn to_e164() {
        for (code, text, expected, repaired) in [
            ("FI", "040 1234567", Some("+358401234567"), false),
            ("FI", "+358 40 123 4567", Some("+358401234567"), false),
            ("FI", "00358401234567", Some("+358401234567"), false),
            ("FI", "+358 (0)40 1234567", Some("+358401234567"), false),
            ("FI", "'+358401234567", Some("+358401234567"), false),
            ("FI", "tel:+358401234567", Some("+358401234567"), false),
            ("FI", "(09) 310 1691", Some("+35893101691"), false),
            ("FI", "+358401234567 ext. 12", Some("+358401234567"), false),
            // the leading zero or the plus was lost
            ("FI", "401234567", Some("+358401234567"), false),
            ("FI", "358401234567", Some("+358401234567"), false),
            ("FI", "358401234567.0", Some("+358401234567"), false),
            ("FI", "46701740605", Some("+46701740605"), true),
            ("SE", "358401234567", Some("+358401234567"), true),
            ("US", "00358401234567", Some("+358401234567"), true),
            // other countries
            ("SE", "070-174 06 05", Some("+46701740605"), false),
            ("US", "(415) 555-2671", Some("+14155552671"), false),
            ("GB", "020 7946 0958", Some("+442079460958"), false),
            // possible by its length, written with the plus
            ("FI", "+15555550100", Some("+15555550100"), false),
            // nothing to understand
            ("FI", "", None, false),
            ("FI", "-", None, false),
            ("FI", "112", None, false),
            ("FI", "12", None, false),
            ("FI", "ei numeroa", None, false),
            ("FI", "call 040 1234567", None, false),
            ("US", "1-800-FLOWERS", None, false),
            ("FI", "3.58401E+11", None, false),
            ("FI", "+999123456789", None, false),
            ("FI", "+3584012345678901234567", None, false),
            ("FI", "0000000000", None, false),
        ] {
            let phone = Phone::parse(text, country(code));
            assert_eq!(
                (phone.e164(), phone.is_repaired()),
                (expected, repaired),
                "{code} {text:?}"
            );
            assert_eq!(phone.raw(), text.trim());
        }
    }

    #[test]
    fn several_numbers() {
        for (text, expected) in [
            ("040 1234567; 09 3101691", vec![Some("+358401234567"), Some("+35893101691")]),
            ("040 1234567 / 09 3101691", vec![Some("+358401234567"), Some("+35893101691")]),
            ("040/1234567", vec![Some("+358401234567")]),
            ("040 1234567, 0401234567", vec![Some("+358401234567")]),
            (
                "040 1234567 tai 09 3101691\n+46701740605",
                vec![Some("+358401234567"), Some("+35893101691"), Some("+46701740605")],
            ),
            ("040 1234567; ??", vec![Some("+358401234567"), None]),
            ("junk / rubbish", vec![None]),
            (" ; \n", vec![]),
        ] {
            let phones = Phone::parse_all(text, country("FI"));
            assert_eq!(phones.iter().map(Phone::e164).collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn countries() {
        assert_eq!(country("fi").to_string(), "FI");
        assert_eq!(country("SE"), country("se"));
        for code in ["", "F", "FIN", "XX", "ZZ", "12", "358", "Ää"] {
            assert!(code.parse::<Country>().is_err(), "{code:?}");
        }
    }

    #[test]
    fn debug_hides_the_number() {
        let shown = format!(
            "{:?} {:?}",
            Phone::parse("0401234567", country("FI")),
            Phone::parse("?", country("FI"))
        );
        assert_eq!(shown, "[phone] [phone, not understood]");
    }

    proptest! {
        #[test]
        fn e164_reads_back_as_itself(number in "0(4[0145]|50)[0-9]{7}") {
            let phone = Phone::parse(&number, country("FI"));
            let e164 = phone.e164().unwrap();
            let (again, plus_lost) = (Phone::parse(e164, country("SE")), Phone::parse(&e164[1..], country("SE")));
            prop_assert_eq!((again.e164(), plus_lost.e164()), (Some(e164), Some(e164)));
        }

        #[test]
        fn never_panics(text in "\\PC{0,60}|[-0-9+()/;,. xтabc\u{660}-\u{669}]{0,40}|tel:[0-9;=+a-z-]{0,40}") {
            for phone in Phone::parse_all(&text, country("FI")) {
                if let Some(e164) = phone.e164() {
                    prop_assert!(e164.starts_with('+') && e164[1..].bytes().all(|b| b.is_ascii_digit()));
                    prop_assert!(e164.len() <= 18, "{}", e164);
                }
            }
        }
    }
}
