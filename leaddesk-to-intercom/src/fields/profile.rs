//! What the custom fields of an account hold, found out in one reading and in bounded memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use leaddesk_client::Contact;

use crate::value::Zone;

use super::value::{boolean, choices, date, decimal, integer};
use super::{Custom, custom_fields};

/// The most fields that are told apart. An account has tens; labels that are free text could be any
/// number. Those that come first in the alphabet are kept, so that the order of reading does not matter.
const MOST_FIELDS: usize = 1_000;
/// The most different values of a field that are remembered.
const MOST_VALUES: usize = 50;
/// Longer values are no choices, in characters.
const LONGEST_CHOICE: usize = 60;

/// The custom fields of an account, by name. It is the same in whatever order contacts are read.
#[derive(Clone, Default, PartialEq)]
pub struct Profile {
    records: u64,
    fields: BTreeMap<String, FieldProfile>,
}

/// What one field holds. Values are people's data, so `Debug` shows none.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FieldProfile {
    /// Contacts in which it is filled.
    pub filled: u64,
    /// Its longest value, in characters.
    pub longest: usize,
    /// How many of its values are longer than a string attribute takes.
    pub too_long: u64,
    /// How many choices its values have, all together.
    pub picks: u64,
    nested: bool,
    /// `None` when there are too many.
    values: Option<BTreeSet<String>>,
    choices: Option<BTreeSet<String>>,
    several: bool,
    integer: bool,
    decimal: bool,
    date: bool,
    boolean: bool,
    word: bool,
}

/// What the values of a field have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inferred {
    /// Text.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers with a fraction.
    Decimal,
    /// Days or moments.
    Date,
    /// Yes and no.
    Boolean,
    /// One of a few texts.
    Choice,
    /// Some of a few texts.
    Choices,
    /// Objects.
    Nested,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields.len();
        f.debug_struct("Profile").field("records", &self.records).field("fields", &fields).finish()
    }
}

impl fmt::Debug for FieldProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldProfile")
            .field("filled", &self.filled)
            .field("longest", &self.longest)
            .field("inferred", &self.inferred())
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// Takes in a contact. Times without a zone are read in `zone`.
    pub fn observe(&mut self, contact: &Contact, zone: Zone) {
        self.records += 1;
        for (name, value) in custom_fields(contact) {
            self.fields.entry(name).or_default().observe(&value, zone);
        }
        while self.fields.len() > MOST_FIELDS {
            self.fields.pop_last();
        }
    }

    /// Contacts that were read.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The fields by name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &FieldProfile)> {
        self.fields.iter().map(|(name, field)| (name.as_str(), field))
    }

    /// The profile of one field.
    pub fn field(&self, name: &str) -> Option<&FieldProfile> {
        self.fields.get(name)
    }
}

impl Default for FieldProfile {
    fn default() -> Self {
        Self {
            filled: 0,
            longest: 0,
            too_long: 0,
            picks: 0,
            nested: false,
            values: Some(BTreeSet::new()),
            choices: Some(BTreeSet::new()),
            several: false,
            integer: true,
            decimal: true,
            date: true,
            boolean: true,
            word: false,
        }
    }
}

impl FieldProfile {
    fn observe(&mut self, value: &Custom, zone: Zone) {
        self.filled += 1;
        let Custom::Text(text) = value else {
            self.nested = true;
            return;
        };
        self.longest = self.longest.max(text.chars().count());
        self.too_long += u64::from(!crate::value::text::fits_attribute(text));
        self.integer &= integer(text).is_some();
        self.decimal &= decimal(text).is_some();
        // Looked at only while it can matter: most fields are settled by their first values.
        self.date = self.date && date(text, zone).is_some();
        self.boolean &= boolean(text).is_some();
        self.word |= !text.bytes().all(|byte| byte.is_ascii_digit());
        let picked = choices(text);
        self.picks += picked.len() as u64;
        self.several |= picked.len() > 1;
        remember(&mut self.values, std::iter::once(text.as_str()));
        remember(&mut self.choices, picked.into_iter());
    }

    /// What its values have in common.
    pub fn inferred(&self) -> Inferred {
        /// Texts that recur this often are choices.
        const RECUR: u64 = 3;
        let recurring = |set: &Option<BTreeSet<String>>, filled: u64| {
            set.as_ref().is_some_and(|set| filled >= RECUR * set.len() as u64)
        };
        match self {
            Self { nested: true, .. } => Inferred::Nested,
            Self { filled: 0, .. } => Inferred::Text,
            Self { boolean: true, word: true, .. } => Inferred::Boolean,
            Self { integer: true, .. } => Inferred::Integer,
            Self { decimal: true, .. } => Inferred::Decimal,
            Self { date: true, .. } => Inferred::Date,
            _ if !self.several && recurring(&self.values, self.filled) => Inferred::Choice,
            _ if self.several && recurring(&self.choices, self.picks) => Inferred::Choices,
            _ => Inferred::Text,
        }
    }

    /// How many different values there are; `None` when there are more than fifty, or one is too long
    /// to be a choice.
    pub fn distinct(&self) -> Option<usize> {
        self.values.as_ref().map(BTreeSet::len)
    }

    /// The choices of a field of choices, sorted; people's data like any value.
    pub fn options(&self) -> Vec<String> {
        let options = match self.inferred() {
            Inferred::Choice => &self.values,
            Inferred::Choices => &self.choices,
            _ => &None,
        };
        options.iter().flatten().cloned().collect()
    }
}

/// Adds texts to a set, which is given up when it gets too large.
fn remember<'a>(set: &mut Option<BTreeSet<String>>, texts: impl Iterator<Item = &'a str>) {
    for text in texts {
        if let Some(known) = set
            && !known.contains(text)
        {
            known.insert(text.to_owned());
            if known.len() > MOST_VALUES || text.chars().count() > LONGEST_CHOICE {
                *set = None;
            }
        }
    }
}
