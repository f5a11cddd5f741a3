//! HTML to text, for what a bot says: the places that texts go to take none.

use intercom_client::text;

/// The text that HTML shows. Blocks and `<br>` end a line, the target of a link follows its label in
/// brackets, entities are decoded. A text without markup stays as it is; a `<` that begins no tag
/// stays as well.
pub(super) fn plain(html: &str) -> String {
    if !html.contains(['<', '&']) {
        return html.trim().to_owned();
    }
    let mut out = Text::default();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&', '\n']) {
        out.text.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match rest.as_bytes().first() {
            Some(b'<') => out.tag(rest),
            Some(b'&') => out.entity(rest),
            _ => {
                out.line();
                &rest[1..]
            }
        };
    }
    out.text.push_str(rest);
    let lines = out.text.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[derive(Default)]
struct Text {
    text: String,
    /// The target of the link that is open, and where its label begins.
    link: Option<(String, usize)>,
}

impl Text {
    /// Ends the line; two ends make an empty line, further ones nothing.
    fn line(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Begins a line, unless one has just begun.
    fn new_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Passes what begins with `<`; returns what follows.
    fn tag<'a>(&mut self, rest: &'a str) -> &'a str {
        if let Some(comment) = rest.strip_prefix("<!--") {
            return comment.find("-->").map_or("", |end| &comment[end + 3..]);
        }
        let inside = &rest[1..];
        let begins = inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
        let Some(end) = inside.find('>').filter(|_| begins) else {
            self.text.push('<');
            return inside;
        };
        let (tag, after) = (&inside[..end], &inside[end + 1..]);
        let closes = tag.starts_with('/');
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        match (&*name, closes) {
            ("script" | "style", false) => {
                let close = format!("</{name}");
                let found = after.to_ascii_lowercase().find(&close);
                return found.map_or("", |at| &after[at..]);
            }
            ("br", _) => {
                self.line();
                // A line end behind it is the same one.
                return after.strip_prefix("\r\n").or(after.strip_prefix('\n')).unwrap_or(after);
            }
            (
                "p" | "div" | "ul" | "ol" | "table" | "tr" | "h1" | "h2" | "h3" | "h4" | "h5"
                | "h6" | "blockquote" | "pre" | "hr",
                _,
            ) => self.new_line(),
            ("li", false) => {
                self.new_line();
                self.text.push_str("- ");
            }
            ("td" | "th", true) => self.text.push(' '),
            ("a", false) => self.link = attribute(tag, "href").map(|it| (it, self.text.len())),
            ("a", true) => {
                if let Some((target, at)) = self.link.take() {
                    let label = self.text.get(at..).unwrap_or("").trim();
                    if label.is_empty() {
                        self.text.push_str(&target);
                    } else if label != target {
                        self.text.push_str(&format!(" ({target})"));
                    }
                }
            }
            ("img", _) => {
                let said = [attribute(tag, "alt"), attribute(tag, "src")];
                let said: Vec<String> = said.into_iter().flatten().collect();
                self.text.push_str(&format!("[{}]", said.join(": ")));
            }
            _ => {}
        }
        after
    }

    /// Passes what begins with `&`; what is no entity stays as it is.
    fn entity<'a>(&mut self, rest: &'a str) -> &'a str {
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let decoded = end.and_then(|end| Some((end, decoded(rest.get(1..end)?)?)));
        match decoded {
            Some((end, letter)) => {
                self.text.push(letter);
                &rest[end + 1..]
            }
            None => {
                self.text.push('&');
                &rest[1..]
            }
        }
    }
}

/// The value of an attribute in a tag, with its entities decoded.
fn attribute(tag: &str, name: &str) -> Option<String> {
    // ASCII keeps its length, so places in both are the same.
    let lower = tag.to_ascii_lowercase();
    let at = lower.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = lower[..*at].chars().next_back();
        let after = lower[at + name.len()..].trim_start();
        before.is_some_and(char::is_whitespace) && after.starts_with('=')
    })?;
    let value = tag[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split_whitespace().next()?.trim_end_matches('/'),
    };
    let mut text = Text::default();
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        text.text.push_str(&rest[..at]);
        rest = text.entity(&rest[at..]);
    }
    text.text.push_str(rest);
    Some(text.text.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The character behind the name of an entity, unless nobody can see it.
fn decoded(name: &str) -> Option<char> {
    text::entity(name).filter(|letter| !letter.is_control() || *letter == '\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_shown() {
        for (html, expected) in [
            ("plain", "plain"),
            (" two\n\nlines ", "two\n\nlines"),
            ("5 < 6 & 7 > 2", "5 < 6 & 7 > 2"),
            ("&lt;b&gt; &amp;amp; &#228;&#xe4;&euro; &unknown; &", "<b> &amp; ää€ &unknown; &"),
            ("<p>one</p><p>two <b>three</b></p>", "one\ntwo three"),
            ("a<br>b<br/>\nc<BR />d", "a\nb\nc\nd"),
            ("<ul><li>one</li><li>two</li></ul>end", "- one\n- two\nend"),
            (
                "see <a href=\"https://example.com/?a=1&amp;b=2\" target=_blank>here</a>.",
                "see here (https://example.com/?a=1&b=2).",
            ),
            ("<a href='https://example.com'>https://example.com</a>", "https://example.com"),
            ("<a href=https://example.com></a>", "https://example.com"),
            ("<a name=x>label</a>", "label"),
            ("<img alt='A cat' src=\"cat.png\">", "[A cat: cat.png]"),
            ("a<!-- hidden -->b<script>alert('x')</script>c<style>d</style>", "abc"),
            ("an open <tag", "an open <tag"),
            ("<p>  </p>", ""),
        ] {
            assert_eq!(plain(html), expected, "{html:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(html in "(<a href=|<br|</|&amp;|&#|<!--|[a-zä<>&;\"'=/ \n]){0,40}") {
            let _ = plain(&html);
        }

        #[test]
        fn a_text_that_was_escaped_comes_back(text in "[a-zäö0-9<>&\"' .,!?-]{0,60}") {
            prop_assert_eq!(plain(&crate::value::text::as_html(&text)), text.trim());
        }
    }
}
