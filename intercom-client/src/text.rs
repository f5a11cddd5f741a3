//! Comparing texts that went through Intercom.
//!
//! Intercom gives bodies back as HTML: `Hello` is read as `<p>Hello</p>`, line ends as `<br>`, and
//! special characters as entities. Whether a body arrived can therefore not be told byte by byte.

/// The text of an HTML body: tags gone, entities decoded, white space made regular.
///
/// Block elements and `<br>` end a line; runs of spaces become one; empty lines and white space at
/// both ends are dropped. `script` and `style` elements and comments are left out with their
/// content. A `<` that begins no tag stays as it is, so plain text passes unharmed unless it looks
/// like a tag. The target of a link is dropped, its label stays.
///
/// ```
/// use intercom_client::text;
///
/// assert_eq!(text::plain("<p>Fish &amp; chips<br>5 &lt; 6</p>"), "Fish & chips\n5 < 6");
/// assert_eq!(text::plain("5 < 6"), "5 < 6");
/// ```
pub fn plain(html: &str) -> String {
    let mut raw = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        raw.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = if rest.starts_with('<') {
            pass_tag(rest, &mut raw)
        } else {
            pass_entity(rest, &mut raw)
        };
    }
    raw.push_str(rest);
    regular(&raw)
}

/// Whether two bodies say the same: equal as [`plain`] text, with line ends counted as spaces.
///
/// A text that was sent plain may itself look like HTML (`<b>`); Intercom gives it back with
/// entities. Each side is therefore also tried as it stands.
///
/// ```
/// use intercom_client::text;
///
/// assert!(text::same("Hello\nworld", "<p>Hello</p><p>world</p>"));
/// assert!(text::same("press <enter>", "<p>press &lt;enter&gt;</p>"));
/// assert!(!text::same("Hello", "<p>Hello!</p>"));
/// ```
pub fn same(a: &str, b: &str) -> bool {
    let (plain_a, plain_b) = (one_line(&plain(a)), one_line(&plain(b)));
    plain_a == plain_b || one_line(a) == plain_b || plain_a == one_line(b)
}

/// Plain text as HTML that reads back as that text: `&`, `<`, `>` and quotes as entities, line
/// ends as `<br>`. For bodies of notes, where Intercom takes HTML.
///
/// ```
/// use intercom_client::text;
///
/// assert_eq!(text::to_html("5 < 6\nyes"), "5 &lt; 6<br>yes");
/// ```
pub fn to_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    for character in text.replace("\r\n", "\n").chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\n' | '\r' => html.push_str("<br>"),
            other => html.push(other),
        }
    }
    html
}

/// Passes the tag or comment at the start of `rest` and returns what follows it.
fn pass_tag<'a>(rest: &'a str, out: &mut String) -> &'a str {
    if let Some(comment) = rest.strip_prefix("<!--") {
        return comment.find("-->").map_or("", |end| &comment[end + 3..]);
    }
    let inside = &rest[1..];
    let starts_tag = inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
    let Some(end) = tag_end(inside).filter(|_| starts_tag) else {
        out.push('<');
        return inside;
    };
    let after = &inside[end + 1..];
    let closing = inside.starts_with('/');
    let name = inside[..end].trim_start_matches('/');
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "script" | "style" if !closing => skip_element(after, &name),
        "br" | "p" | "div" | "li" | "ul" | "ol" | "tr" | "table" | "h1" | "h2" | "h3" | "h4"
        | "h5" | "h6" | "blockquote" | "pre" | "hr" => {
            out.push('\n');
            after
        }
        "td" | "th" => {
            out.push(' ');
            after
        }
        _ => after,
    }
}

/// Where the `>` of a tag stands, not counting those inside quotes.
fn tag_end(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in inside.char_indices() {
        match (quote, character) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    // A stray quote, as in `<b>it's</b`: take the first `>` after all.
    inside.find('>')
}

/// What follows the end tag of an element whose content is no text.
fn skip_element<'a>(rest: &'a str, name: &str) -> &'a str {
    let mut from = 0;
    while let Some(at) = rest[from..].find("</") {
        let start = from + at + 2;
        if rest.get(start..start + name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            return rest[start..].find('>').map_or("", |end| &rest[start + end + 1..]);
        }
        from = start;
    }
    ""
}

/// Decodes the entity at the start of `rest`; what is no entity stays as it is.
fn pass_entity<'a>(rest: &'a str, out: &mut String) -> &'a str {
    // The longest entity known here has nine characters between `&` and `;`.
    let end = rest.bytes().take(12).position(|byte| byte == b';');
    if let Some(end) = end
        && let Some(character) = rest.get(1..end).and_then(entity)
    {
        out.push(character);
        return &rest[end + 1..];
    }
    out.push('&');
    &rest[1..]
}

/// The character behind the name of an HTML entity, without `&` and `;`: `auml`, `#228`, `#xe4`. `None`
/// for a name that is not known here, and for the number of no character.
///
/// ```
/// use intercom_client::text;
///
/// assert_eq!(text::entity("auml"), Some('ä'));
/// assert_eq!(text::entity("#x20ac"), Some('€'));
/// assert_eq!(text::entity("unheard_of"), None);
/// ```
#[must_use]
pub fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|&c| c != '\0');
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "bull" => '•',
        "middot" => '·',
        "euro" => '€',
        "copy" => '©',
        "laquo" => '«',
        "raquo" => '»',
        "reg" => '®',
        "trade" => '™',
        "deg" => '°',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "aring" => 'å',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "Aring" => 'Å',
        "szlig" => 'ß',
        "eacute" => 'é',
        _ => return None,
    })
}

/// One space between words, one line end between lines, no empty lines.
fn regular(text: &str) -> String {
    let mut regular = String::with_capacity(text.len());
    for line in text.split(['\n', '\r']) {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if !regular.is_empty() {
            regular.push('\n');
        }
        regular.push_str(first);
        for word in words {
            regular.push(' ');
            regular.push_str(word);
        }
    }
    regular
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_entities_and_white_space() {
        for (html, text) in [
            ("<p>Hello</p>", "Hello"),
            ("<p>Hello</p>\n<p>there</p>", "Hello\nthere"),
            ("<p class=\"a>b\">x</p>", "x"),
            ("one<br/>two<BR>three", "one\ntwo\nthree"),
            ("<ul><li>Coffee</li><li>Tea</li></ul>", "Coffee\nTea"),
            ("a&nbsp;&nbsp;b &#228;&#xE4;&auml;", "a b äää"),
            ("AT&T &unknown; &#0; &", "AT&T &unknown; &#0; &"),
            ("a < b > c <3 <", "a < b > c <3 <"),
            ("<script>if (a < b) {}</SCRIPT>left", "left"),
            ("<!-- note -->left<!-- open", "left"),
            ("<a href=\"https://example.com\">label</a>", "label"),
            ("&amp;lt;", "&lt;"),
            ("  \n\n x \r\n\r\n y ", "x\ny"),
            ("", ""),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_text_survives_being_wrapped(text in any::<String>()) {
            let wrapped = format!("<p>{}</p>", to_html(&text));
            prop_assert_eq!(plain(&wrapped), regular(&text));
            prop_assert!(same(&text, &wrapped));
            prop_assert!(same(&wrapped, &text));
        }

        #[test]
        fn any_html_is_read(html in "[<>&;/!a-z\"' \n#x0-9-]{0,60}") {
            let once = plain(&html);
            prop_assert!(!once.contains("  "));
            prop_assert_eq!(once.trim(), &once);
        }
    }
}
