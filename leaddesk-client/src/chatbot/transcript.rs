//! A whole conversation in one cell, as StarChat's variables `GJ_CONVERSATION_V1` and `GJ_CONVERSATION_JSON` write it
//! (seen in StarChat's source): `Question(1): …`, `Answer(1): …`, with `---` or `|` between turns and `EMPTY` for nothing.

/// Whether the text is such a conversation.
pub(super) fn is_one(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("Question(1):")
        || text.starts_with("Answer(1):")
        || text == "EMPTY CONVERSATION"
}

/// One question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    pub(super) number: u64,
    pub(super) question: &'a str,
    pub(super) answer: &'a str,
}

/// The turns; `None` if the text is no such conversation. A mark counts only with the number that is due, so one that
/// somebody typed rarely does.
pub(super) fn pairs(text: &str) -> Option<Vec<Pair<'_>>> {
    if !is_one(text) {
        return None;
    }
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    let mut marks = due(text).into_iter().peekable();
    while let Some(mark) = marks.next() {
        let end = marks.peek().map_or(text.len(), |next| next.start);
        let content = content(&text[mark.end..end]);
        match pairs.last_mut() {
            Some(pair) if pair.number == mark.number => pair.answer = content,
            _ if mark.asks => {
                pairs.push(Pair { number: mark.number, question: content, answer: "" });
            }
            _ => pairs.push(Pair { number: mark.number, question: "", answer: content }),
        }
    }
    Some(pairs)
}

/// `Question(3):` or `Answer(3):`.
struct Mark {
    start: usize,
    end: usize,
    asks: bool,
    number: u64,
}

/// The marks that are due where they stand: the answer of a question, or the question or answer of the next number.
fn due(text: &str) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (at, closing) in text.match_indices("):") {
        let digits = text[..at].bytes().rev().take(9).take_while(u8::is_ascii_digit).count();
        let Ok(number) = text[at - digits..at].parse() else { continue };
        let before = &text[..at - digits];
        let asks = before.ends_with("Question(");
        if !asks && !before.ends_with("Answer(") {
            continue;
        }
        let (last, asked) = marks.last().map_or((0, false), |mark| (mark.number, mark.asks));
        if number == last + 1 || (number == last && asked && !asks) {
            let word = if asks { "Question(" } else { "Answer(" };
            let (start, end) = (before.len() - word.len(), at + closing.len());
            marks.push(Mark { start, end, asks, number });
        }
    }
    marks
}

/// The text without what stands between turns.
fn content(text: &str) -> &str {
    let text = text.trim();
    let text = text.strip_suffix("---").or_else(|| text.strip_suffix('|')).unwrap_or(text).trim();
    if text == "EMPTY" { "" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(u64, &str, &str)>> {
        let pairs = pairs(text)?;
        Some(pairs.iter().map(|pair| (pair.number, pair.question, pair.answer)).collect())
    }

    #[test]
    fn both_forms() {
        let lines = "Question(1): Hei\r\nAnswer(1): Moi!\r\n---\r\nQuestion(2): EMPTY\r\nAnswer(2): a\r\nb\r\n---\r\n";
        assert_eq!(read(lines), Some(vec![(1, "Hei", "Moi!"), (2, "", "a\r\nb")]));
        let line = "Question(1): Hei Answer(1): Moi! | Question(2): Answer(7): ? Answer(2): b";
        assert_eq!(read(line), Some(vec![(1, "Hei", "Moi!"), (2, "Answer(7): ?", "b")]));
        assert_eq!(read("Answer(1): Tervetuloa"), Some(vec![(1, "", "Tervetuloa")]));
        assert_eq!(read("EMPTY CONVERSATION"), Some(vec![]));
        assert_eq!(read("Hei"), None);
    }
}
