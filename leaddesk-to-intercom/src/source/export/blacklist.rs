//! The blacklist: numbers that are not to be called.

use std::collections::HashSet;
use std::path::Path;

use leaddesk_client::export::{self, Kind};
use migrate_core::{Alias, SourceError, Unreadable};

use super::{Folder, Written, unread_row};
use crate::source::keys;
use crate::value::{Country, Phone};

/// What a blacklist holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listed {
    numbers: HashSet<Alias>,
    /// How many rows hold no number.
    without: u64,
    /// Rows that are not written as the settings say.
    unread: Vec<Unreadable>,
}

/// The numbers of a blacklist, and those of its rows that could not be read.
type Blacklist = (HashSet<Alias>, Vec<Unreadable>);

impl Folder {
    /// The numbers of `blacklist.csv`, and its rows that could not be read; `None` if it is not there.
    ///
    /// LeadDesk compares them as texts, so that one person may stand there in several notations; here each is the number
    /// that it says. What LeadDesk exports is not known: where a heading names the column of the numbers it is that one,
    /// else the first column that holds a number. Rows without a number are counted.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn blacklist(&self, country: Country) -> Result<Option<Blacklist>, SourceError> {
        let path = self.path("blacklist.csv");
        if !path.exists() {
            return Ok(None);
        }
        let listed = read(&path, &self.written, country)?;
        self.findings.add("rows of blacklist.csv hold no phone number", listed.without);
        Ok(Some((listed.numbers, listed.unread)))
    }
}

fn read(path: &Path, written: &Written, country: Country) -> Result<Listed, SourceError> {
    let (settings, unusable) = (&written.settings, |error| written.unusable(path, error));
    let is_number =
        |field: &String| Phone::parse_all(field, country).iter().any(|it| it.e164().is_some());
    let is_heading = |field: &String| {
        Kind::Blacklist.field(field, &settings.aliases).is_some_and(|field| field == "phone")
    };
    let (mut listed, mut column) = (Listed::default(), None);
    for row in export::bare(path, settings).map_err(unusable)? {
        let row = row.map_err(unusable)?;
        let fields = match row.body {
            Ok(fields) => fields,
            Err(bad) => {
                listed.unread.push(unread_row(bad));
                continue;
            }
        };
        if row.record == 1 {
            column = fields.iter().position(is_heading);
            // Whatever else stands in a first row without a number, is a heading of other words.
            if column.is_some() || !fields.iter().any(is_number) {
                continue;
            }
        }
        column = column.or_else(|| fields.iter().position(is_number));
        let field = column.and_then(|column| fields.get(column)).map_or("", String::as_str);
        let phones = Phone::parse_all(field, country);
        let numbers: Vec<Alias> = phones.iter().filter_map(Phone::e164).map(keys::phone).collect();
        listed.without += u64::from(numbers.is_empty());
        listed.numbers.extend(numbers);
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use leaddesk_client::export::ExportSettings;

    use super::*;

    fn listed(bytes: &[u8], settings: &ExportSettings) -> Listed {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("blacklist.csv");
        std::fs::write(&path, bytes).unwrap();
        let written = Written { settings: settings.clone(), keys: "the keys" };
        read(&path, &written, Country::FINLAND).unwrap()
    }

    fn both(without: u64, unread: &[&str]) -> Listed {
        let unread =
            unread.iter().map(|key| Unreadable::new((*key).into(), "field 1 is not UTF-8"));
        let unread = unread.collect();
        let numbers = ["+358401234567", "+358401234568"].map(keys::phone);
        Listed { numbers: numbers.into(), without, unread }
    }

    #[test]
    fn numbers_are_read_in_any_notation() {
        for (text, without) in [
            ("040 123 4567\n+358401234568\n00358401234567\n", 0),
            ("\u{feff}number\r\n\"0401234567\"\r\n\r\n0401234568\r\n", 0),
            ("id;Puhelinnumero;why\n7;0401234567;a\n8;0401234568;b\n9;;c\n", 1),
            ("0401234567,asked\nsomebody,asked\n0401234568,asked\n", 1),
            ("Who\tWhich\nAnna\t0401234567\nBo\t0401234568\n", 0),
            ("\"0401234567 or 0401234568\"\n", 0),
        ] {
            let found = listed(text.as_bytes(), &ExportSettings::default());
            assert_eq!(found, both(without, &[]), "{text}");
        }
        assert_eq!(listed(b"", &ExportSettings::default()), Listed::default());
    }

    /// As in every other table: quotes hold separators and line breaks together.
    #[test]
    fn a_quoted_field_is_one_field() {
        let text = "name;phone\n\"Virtanen, Anna\";0401234567\n\"Bo;\nBor\u{e5}\";0401234568\n";
        assert_eq!(listed(text.as_bytes(), &ExportSettings::default()), both(0, &[]));
        let without_heading = text.trim_start_matches("name;phone\n");
        assert_eq!(listed(without_heading.as_bytes(), &ExportSettings::default()), both(0, &[]));
    }

    #[test]
    fn separator_encoding_and_columns_are_those_of_the_folder() {
        let text = "M\u{e4}\u{e4}r\u{e4};Este\n1,5;0401234567\n2;0401234568\n";
        let bytes: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
        let mut settings = ExportSettings::default();
        settings.separator = Some(b';');
        settings.aliases = vec![("este".into(), "phone".into())];
        assert_eq!(listed(text.as_bytes(), &settings), both(0, &[]));
        let in_another = "name;number\nAnna;0401234567\n\u{e4};1\nBo;0401234568\n";
        let latin: Vec<u8> = in_another.chars().map(|letter| letter as u8).collect();
        assert_eq!(listed(&latin, &settings), both(0, &["blacklist.csv:3"]), "it is no UTF-8");
        settings.encoding = export::Encoding::Windows1252;
        assert_eq!(listed(&bytes, &settings), both(0, &[]));
    }
}
