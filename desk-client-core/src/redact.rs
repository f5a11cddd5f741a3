//! Keeping secrets and people's data out of logs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much of an error's body is kept.
pub const BODY_LIMIT: usize = 2048;

/// A value that belongs to a person: a name, an address, a number, a text somebody wrote.
///
/// `Debug` prints `[personal]`, there is no `Display`, and reading it takes an explicit [`reveal`](Self::reveal).
/// In JSON it is transparent.
///
/// ```
/// use desk_client_core::Personal;
/// let name = Personal::new("Ada".to_owned());
/// assert_eq!(format!("{name:?}"), "[personal]");
/// assert_eq!(name.reveal(), "Ada");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for use and never for logs.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// Wraps what `f` makes of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Personal<U> {
        Personal(f(self.0))
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Personal<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// The beginning of a body, as text, cut at [`BODY_LIMIT`] on a character border.
#[derive(Clone)]
pub(crate) struct BoundedBody(String);

impl BoundedBody {
    pub(crate) fn new(body: &[u8]) -> Self {
        // A character cut in two at the limit would become a replacement mark, which is at most three bytes longer.
        let cut = &body[..body.len().min(BODY_LIMIT)];
        Self(String::from_utf8_lossy(cut).into_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Keeps what is fit for an error's text: letters, digits and `_ - . : /`, at most 80 of them.
#[must_use]
pub fn safe_code(code: &str) -> Option<String> {
    let kept: String = code
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/'))
        .take(80)
        .collect();
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_bounded_and_always_text() {
        assert_eq!(BoundedBody::new(b"short").reveal(), "short");
        assert!(BoundedBody::new(&vec![0xC3; 100_000]).reveal().len() <= 3 * BODY_LIMIT);
    }

    #[test]
    fn personal_is_transparent_in_json() {
        let value: Personal<String> = serde_json::from_str("\"x\"").unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), "\"x\"");
        assert_eq!(format!("{:?}", Some(value)), "Some([personal])");
    }
}
