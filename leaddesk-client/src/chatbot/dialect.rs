//! What stands between the fields of a file.

use csv::{ReaderBuilder, StringRecord};

use super::layout::Added;

const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How many records are looked at.
const RECORDS: usize = 50;

/// How a file separates fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// What stands between fields; `None` if there is one column.
    pub(super) delimiter: Option<u8>,
    /// Bytes of text before the heading: a line `sep=;`.
    pub(super) skip: usize,
}

impl Dialect {
    /// What the CSV reader is told: with one column, a byte that text does not hold.
    pub(super) fn byte(self) -> u8 {
        self.delimiter.unwrap_or(0x1F)
    }
}

/// Finds the delimiter from the beginning of the text; `cut` says that there is more. A line `sep=;` decides. Else it is
/// the one that gives most recognised headings; then the one by which most records have as many fields as the heading.
pub(super) fn dialect(beginning: &str, cut: bool, added: &Added) -> Dialect {
    if let Some(dialect) = declared(beginning) {
        return dialect;
    }
    let scored = CANDIDATES.iter().rev().map(|&candidate| {
        let score = score(beginning, cut, candidate, added);
        (score, candidate)
    });
    // The likeliest candidate stands first in the list, hence last here, and the last of equals wins.
    let best = scored.max_by_key(|(score, _)| *score);
    let delimiter = best.filter(|(score, _)| score.fields > 1).map(|(_, candidate)| candidate);
    Dialect { delimiter, skip: 0 }
}

/// A first line such as `sep=;`, by which spreadsheets tell each other.
fn declared(beginning: &str) -> Option<Dialect> {
    let (line, _) = beginning.split_once('\n').unwrap_or((beginning, ""));
    let sign = line.trim_end_matches('\r').trim_matches('"').to_ascii_lowercase();
    let sign = sign.strip_prefix("sep=")?.as_bytes();
    let delimiter = match sign {
        [sign] if sign.is_ascii() && !sign.is_ascii_alphanumeric() => *sign,
        b"\\t" => b'\t',
        _ => return None,
    };
    Some(Dialect { delimiter: Some(delimiter), skip: beginning.len().min(line.len() + 1) })
}

/// The better the greater, field by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    recognised: usize,
    steady: usize,
    fields: usize,
}

fn score(beginning: &str, cut: bool, delimiter: u8, added: &Added) -> Score {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(beginning.as_bytes());
    let mut records: Vec<StringRecord> =
        reader.records().take(RECORDS).map_while(Result::ok).collect();
    if cut && records.len() > 1 && records.len() < RECORDS {
        records.pop();
    }
    let Some((heading, rows)) = records.split_first() else {
        return Score { recognised: 0, steady: 0, fields: 0 };
    };
    let fields = heading.len();
    let steady = rows.iter().filter(|row| fields > 1 && row.len() == fields).count();
    let recognised = if fields > 1 { added.recognised(heading.iter()) } else { 0 };
    Score { recognised, steady, fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Option<char>, usize) {
        let dialect = dialect(text, false, &Added::default());
        (dialect.delimiter.map(char::from), dialect.skip)
    }

    #[test]
    fn headings_decide_before_counts() {
        assert_eq!(found("conversation;question\na;b, c, d\n"), (Some(';'), 0));
        assert_eq!(found("conversation,question\n1,\"a;b\nc;d\"\n"), (Some(','), 0));
        assert_eq!(found("conversation\tanswer\n1\ta,b\n"), (Some('\t'), 0));
        assert_eq!(found("foo|bar\n1|2\n"), (Some('|'), 0));
        assert_eq!(found("question\nfoo, bar\n"), (None, 0));
        assert_eq!(found(""), (None, 0));
    }

    #[test]
    fn a_declared_one_is_taken_and_its_line_skipped() {
        assert_eq!(found("sep=;\r\na,b;c\n"), (Some(';'), 7));
        assert_eq!(found("\"sep=|\"\na\n"), (Some('|'), 8));
        assert_eq!(found("SEP=\t\na"), (Some('\t'), 6));
        assert_eq!(found("sep=ä\na"), (None, 0));
    }
}
