//! Tag names: what a name in LeadDesk becomes as a tag in Intercom.

/// The longest tag name that is made, in characters. Intercom documents no limit; this is a cautious choice.
pub const MAX_CHARS: usize = 200;

/// A tag name that is fit to send: trimmed, one line, at most [`MAX_CHARS`] characters.
///
/// Names whose [`key`](Self::key)s are equal share one tag, since Intercom compares tag names without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagName {
    name: String,
    key: String,
    is_cut: bool,
}

impl TagName {
    /// The tag for `name` under `prefix`: `("ld_campaign_", " Spring\n2024 ")` gives `ld_campaign_Spring 2024`.
    /// None where `name` holds nothing visible: a bare prefix is no tag.
    #[must_use]
    pub fn new(prefix: &str, name: &str) -> Option<Self> {
        let name = one_line(name);
        if name.is_empty() {
            return None;
        }
        let is_cut = prefix.chars().count() + name.chars().count() > MAX_CHARS;
        let whole: String = prefix.chars().chain(name.chars()).take(MAX_CHARS).collect();
        let name = whole.trim().to_owned();
        Some(Self { key: name.to_lowercase(), name, is_cut })
    }

    /// Was the end cut off, since it was too long?
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The name to send.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The form for comparing: lower case.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// One trimmed line: each run of control characters and line breaks becomes a space.
#[must_use]
pub fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let parts = text.split(breaks).filter(|part| !part.is_empty());
    let line = parts.collect::<Vec<_>>().join(" ");
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("Spring 2024", Some("ld_campaign_Spring 2024")),
            ("  Spring ", Some("ld_campaign_Spring")),
            ("Spring\r\n2024\t!", Some("ld_campaign_Spring 2024 !")),
            ("a\u{2028}b\u{0}c", Some("ld_campaign_a b c")),
            ("Kevät – Ääkköset", Some("ld_campaign_Kevät – Ääkköset")),
            ("", None),
            (" \n", None),
        ] {
            let tag = TagName::new("ld_campaign_", name);
            assert_eq!(tag.as_ref().map(TagName::as_str), expected, "{name:?}");
        }
    }

    #[test]
    fn long_names_end_at_a_character() {
        let tag = TagName::new("ld_", &"ä".repeat(300)).unwrap();
        assert_eq!(tag.as_str().chars().count(), MAX_CHARS);
        assert!(tag.as_str().starts_with("ld_ä") && tag.is_cut());
        let whole = TagName::new("ld_", &"ä".repeat(MAX_CHARS - 3)).unwrap();
        assert!(!whole.is_cut());
    }

    #[test]
    fn case_makes_no_second_tag() {
        let [a, b] = ["KEVÄT", "kevät"].map(|name| TagName::new("ld_", name).unwrap());
        assert_ne!(a.as_str(), b.as_str());
        assert_eq!(a.key(), b.key());
    }

    proptest! {
        #[test]
        fn fit_to_send(prefix in "[a-z_]{0,20}", name in "(?s).{0,300}") {
            if let Some(tag) = TagName::new(&prefix, &name) {
                prop_assert!(!tag.as_str().is_empty());
                prop_assert!(tag.as_str().chars().count() <= MAX_CHARS);
                prop_assert!(!tag.as_str().chars().any(char::is_control));
                prop_assert_eq!(tag.as_str().trim(), tag.as_str());
                let again = TagName::new("", tag.as_str()).unwrap();
                prop_assert_eq!(again.as_str(), tag.as_str());
            }
        }
    }
}
