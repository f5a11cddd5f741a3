//! Free text: comments, messages and attribute values.

/// The longest string value of an attribute, in characters.
/// A page by a third party quotes Intercom with 255; Intercom's own text was not found.
pub const ATTRIBUTE_MAX_CHARS: usize = 255;

/// Text with line breaks as `\n` alone and without other control characters but the tab; trimmed.
#[must_use]
pub fn clean(text: &str) -> String {
    // Most text has nothing to be cleaned of.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.trim().to_owned();
    }
    let unified = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    let kept: String = unified
        .chars()
        .filter(|&c| matches!(c, '\n' | '\t') || !c.is_control() && c != '\u{feff}')
        .collect();
    kept.trim().to_owned()
}

/// HTML that shows the text as it is: markup in it is shown, not applied, and line breaks stay.
#[must_use]
pub fn as_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' => html.push_str("<br>"),
            c => html.push(c),
        }
    }
    html
}

/// Whether the text fits a string attribute, counted in characters, not in bytes.
#[must_use]
pub fn fits_attribute(text: &str) -> bool {
    text.chars().nth(ATTRIBUTE_MAX_CHARS).is_none()
}

/// Parts of at most `max_chars` characters each, cut at line breaks where possible, else between words, else in
/// the middle of a word. Only the white space at the cuts is lost. A text without anything visible has no parts.
#[must_use]
pub fn split(text: &str, max_chars: usize) -> Vec<&str> {
    let max_chars = max_chars.max(1);
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while let Some((limit, _)) = rest.char_indices().nth(max_chars) {
        let cut = cut_at(rest, limit);
        let (part, tail) = rest.split_at(cut);
        parts.push(part.trim_end());
        rest = tail.trim_start();
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// Where to cut `text` so that at most `limit` bytes (a character's border) come before.
fn cut_at(text: &str, limit: usize) -> usize {
    // White space right behind the limit is as good a place as one before it.
    let end = limit + text[limit..].chars().next().map_or(0, char::len_utf8);
    let window = &text[..end];
    // A line break near the beginning would leave a part that is nearly empty.
    let line = window.rfind('\n').filter(|&at| at >= limit / 2);
    let word = || window.rfind(char::is_whitespace).filter(|&at| at > 0);
    line.or_else(word).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn control_characters_go_and_lines_stay() {
        for (text, expected) in [
            ("a\r\nb\rc\nd", "a\nb\nc\nd"),
            (" a\u{0}\u{7}\tb\u{1b} ", "a\tb"),
            ("\u{feff}hyvä", "hyvä"),
            ("\n \u{0}", ""),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
    }

    #[test]
    fn markup_is_shown() {
        assert_eq!(
            as_html("1 < 2 & <b>\"x\"</b>\nend"),
            "1 &lt; 2 &amp; &lt;b&gt;&quot;x&quot;&lt;/b&gt;<br>end"
        );
        assert_eq!(as_html("&amp;"), "&amp;amp;");
    }

    #[test]
    fn attributes_are_counted_in_characters() {
        assert!(fits_attribute(&"ä".repeat(255)));
        assert!(!fits_attribute(&"a".repeat(256)));
    }

    #[test]
    fn cuts() {
        for (text, max, expected) in [
            ("", 5, vec![]),
            ("  \n", 5, vec![]),
            ("short", 5, vec!["short"]),
            ("one two three", 7, vec!["one two", "three"]),
            ("one two three", 8, vec!["one two", "three"]),
            ("abcdefgh", 3, vec!["abc", "def", "gh"]),
            ("line one\nline two", 14, vec!["line one", "line two"]),
            ("a\nlong words here", 12, vec!["a\nlong words", "here"]),
            ("ääää öö", 4, vec!["ääää", "öö"]),
            ("ab", 0, vec!["a", "b"]),
        ] {
            assert_eq!(split(text, max), expected, "{text:?} by {max}");
        }
    }

    proptest! {
        #[test]
        fn parts_fit_and_nothing_visible_is_lost(text in "(?s).{0,200}|[ab \n]{0,200}", max in 1usize..40) {
            let parts = split(&text, max);
            let visible = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(parts.iter().map(|p| visible(p)).collect::<String>(), visible(&text));
            for part in parts {
                prop_assert!(!part.is_empty() && part.chars().count() <= max);
            }
        }

        #[test]
        fn html_reads_back_as_the_text(text in "\\PC{0,80}") {
            let html = as_html(&text);
            prop_assert!(!html.contains(['<', '>', '"']));
            let back = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            prop_assert_eq!(back, text);
        }
    }
}
