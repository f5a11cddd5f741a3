//! E-mail addresses: kept as written, compared without case.

use std::fmt;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};

/// An address that is valid by syntax (RFC 5321 and 5322, with a dot in the domain).
///
/// Two addresses are equal when they differ only in case. `Debug` hides the address.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email {
    text: String,
    key: String,
}

/// The text is no address. It is not repeated here, since it belongs to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct InvalidEmail;

impl Email {
    /// Trims the text (zero-width characters and non-breaking spaces as well) and checks its syntax.
    ///
    /// # Errors
    /// [`InvalidEmail`] for anything but exactly one plain address. The caller keeps the text aside.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim_matches(is_blank);
        let options =
            Options::default().with_required_tld().without_display_text().without_domain_literal();
        EmailAddress::parse_with_options(text, options).map_err(|_| InvalidEmail)?;
        Ok(Self { text: text.to_owned(), key: text.to_lowercase() })
    }

    /// The address as it was written, trimmed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form for comparing and for deduplication: lower case.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Whether the text holds nothing at all, so that there is no address to call invalid.
#[must_use]
pub fn is_empty(text: &str) -> bool {
    text.trim_matches(is_blank).is_empty()
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}'..='\u{200d}' | '\u{feff}')
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Email {}

impl std::hash::Hash for Email {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[e-mail]")
    }
}

impl TryFrom<String> for Email {
    type Error = InvalidEmail;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_trims_and_compares_without_case() {
        for (text, written, key) in [
            ("anna@example.com", "anna@example.com", "anna@example.com"),
            (" Anna@Example.COM\r\n", "Anna@Example.COM", "anna@example.com"),
            ("\u{feff}anna@example.com\u{a0}\u{200b}", "anna@example.com", "anna@example.com"),
            (
                "anna+list@sub.example.test",
                "anna+list@sub.example.test",
                "anna+list@sub.example.test",
            ),
            ("ÄITI@example.com", "ÄITI@example.com", "äiti@example.com"),
        ] {
            let email = Email::parse(text).unwrap();
            assert_eq!((email.as_str(), email.key()), (written, key));
        }
        assert_eq!(Email::parse("A@example.com"), Email::parse("a@EXAMPLE.com"));
    }

    #[test]
    fn refuses_what_is_not_one_plain_address() {
        for text in [
            "",
            " ",
            "-",
            "anna",
            "anna@",
            "@example.com",
            "anna@example",
            "anna@localhost",
            "anna@@example.com",
            "anna @example.com",
            "a@example.com; b@example.com",
            "a@example.com,b@example.com",
            "Anna <anna@example.com>",
            "anna@[127.0.0.1]",
            "anna@example..com",
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
        assert!(is_empty(" \u{200b}") && !is_empty("x"));
    }

    #[test]
    fn debug_hides_the_address() {
        let email = Email::parse("anna@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "[e-mail]");
        assert!(!format!("{:?}{}", InvalidEmail, InvalidEmail).contains("anna"));
    }

    proptest! {
        #[test]
        fn never_panics_and_parsing_again_changes_nothing(text in "\\PC{0,40}|[ a-zA-Z.@+\u{e4}-]{0,20}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(&Email::parse(email.as_str()).unwrap(), &email);
                let folded = Email::parse(email.key()).unwrap();
                prop_assert_eq!(folded.key(), email.key());
            }
        }
    }
}
