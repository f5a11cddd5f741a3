//! The blacklist: numbers that are not to be called.

use std::collections::HashSet;

use migrate_core::{Alias, SourceError};

use super::{Folder, unreadable};
use crate::source::keys;
use crate::value::{Country, Phone};

/// Headings of the column with the number; without any of them it is the first. What LeadDesk exports is not known: for
/// its import the numbers stand in the first column.
const NUMBERS: &[&str] =
    &["phone", "number", "phone_number", "phone number", "puhelin", "puhelinnumero"];

impl Folder {
    /// The numbers of `blacklist.csv`, none if it is not there.
    ///
    /// LeadDesk compares them as texts, so that one person may stand there in several notations; here each is the number
    /// that it says. Rows without a number are counted.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn blacklist(&self, country: Country) -> Result<HashSet<Alias>, SourceError> {
        let path = self.path("blacklist.csv");
        if !path.exists() {
            return Ok(HashSet::new());
        }
        let text = std::fs::read(&path).map_err(|error| unreadable(&path).because(error))?;
        // Numbers read the same in every encoding that a table may have.
        let (listed, without) = numbers(&String::from_utf8_lossy(&text), country);
        self.findings.add("rows of blacklist.csv hold no phone number", without);
        Ok(listed)
    }
}

/// The numbers, and how many rows have none.
fn numbers(text: &str, country: Country) -> (HashSet<Alias>, u64) {
    let (mut listed, mut without, mut column) = (HashSet::new(), 0, 0);
    let lines = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.trim().is_empty());
    for (at, line) in lines.enumerate() {
        let fields =
            line.split([';', ',', '\t']).map(|field| field.trim().trim_matches('"').trim());
        let fields: Vec<&str> = fields.collect();
        let number = fields.get(column).map(|field| Phone::parse(field, country));
        match number.as_ref().and_then(Phone::e164) {
            Some(e164) => drop(listed.insert(keys::phone(e164))),
            None if at == 0 => {
                let is_number = |field: &&str| NUMBERS.contains(&field.to_lowercase().as_str());
                column = fields.iter().position(is_number).unwrap_or(0);
            }
            None => without += 1,
        }
    }
    (listed, without)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_any_notation() {
        let wanted = HashSet::from(["+358401234567", "+358401234568"].map(keys::phone));
        for (text, without) in [
            ("040 123 4567\n+358401234568\n00358401234567\n", 0),
            ("\u{feff}number\r\n\"0401234567\"\r\n\r\n0401234568\r\n", 0),
            ("id;Puhelinnumero;why\n7;0401234567;a\n8;0401234568;b\n9;;c\n", 1),
            ("0401234567,asked\nsomebody,asked\n0401234568\tasked\n", 1),
        ] {
            assert_eq!(numbers(text, Country::FINLAND), (wanted.clone(), without), "{text}");
        }
        assert_eq!(numbers("", Country::FINLAND), (HashSet::new(), 0));
    }
}
