//! Bodies: sent as text, read back as HTML.

/// What a body reads back as. Text is escaped and put into paragraphs; what a teammate sent as HTML stays.
pub(super) fn html(body: &str, may_be_html: bool) -> String {
    if may_be_html && is_html(body) {
        return body.to_owned();
    }
    let paragraphs = body.split("\n\n").map(|paragraph| {
        let lines: Vec<String> = paragraph.split('\n').map(escaped).collect();
        format!("<p>{}</p>", lines.join("<br>"))
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// What a body reads back as with `display_as=plaintext`.
pub(super) fn plain(body: &str, may_be_html: bool) -> String {
    if !(may_be_html && is_html(body)) {
        return body.to_owned();
    }
    let mut text = String::with_capacity(body.len());
    let mut inside = false;
    for letter in body.chars() {
        match letter {
            '<' => inside = true,
            '>' if inside => inside = false,
            other if !inside => text.push(other),
            _ => {}
        }
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn is_html(body: &str) -> bool {
    let known = [
        "<p", "<b>", "<i>", "<a ", "<br", "<ul", "<ol", "<li", "<strong", "<em", "<div", "<h1",
        "<h2", "<img",
    ];
    known.iter().any(|tag| body.contains(tag))
}

fn escaped(line: &str) -> String {
    line.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_put_into_paragraphs() {
        assert_eq!(
            html("a < b\nc\n\nd", false),
            "<p>a &lt; b<br>c</p>\n<p>d</p>"
        );
        assert_eq!(html("<p>hello</p>", true), "<p>hello</p>");
        assert_eq!(
            html("<p>hello</p>", false),
            "<p>&lt;p&gt;hello&lt;/p&gt;</p>"
        );
        assert_eq!(plain("<p>a &lt; b</p>", true), "a < b");
    }
}
