//! From text to a checked [`Config`], with all problems found on the way.
//!
//! The text becomes a tree that knows its lines. Each problem is noted and its key taken out of the tree, or replaced
//! where it is required, so that reading goes on and one run shows everything that is wrong.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::value::Error as Stop;
use serde::de::{Deserializer, Error as _, Visitor};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::near::nearest;
use super::{
    CallRoutes, Calls, Chatbot, Config, ConfigError, ConfigErrorKind as Kind, Contacts,
    Destination, Export, Map, Names, Original, Preflight, Problem, Rest, Source, Verify, check,
};

/// A section by its full name, and the keys it knows.
type Section = (&'static str, fn() -> &'static [&'static str]);

/// Every section with the keys it knows, taken from the structs themselves. Other tables have keys of the user's own.
const SECTIONS: [Section; 14] = [
    ("", keys_of::<Config>),
    ("source", keys_of::<Source>),
    ("source.original", keys_of::<Original>),
    ("source.rest", keys_of::<Rest>),
    ("source.calls", keys_of::<CallRoutes>),
    ("source.export", keys_of::<Export>),
    ("source.chatbot", keys_of::<Chatbot>),
    ("contacts", keys_of::<Contacts>),
    ("calls", keys_of::<Calls>),
    ("names", keys_of::<Names>),
    ("map", keys_of::<Map>),
    ("destination", keys_of::<Destination>),
    ("preflight", keys_of::<Preflight>),
    ("verify", keys_of::<Verify>),
];

/// A key that its section must have.
struct Required {
    section: &'static str,
    key: &'static str,
    /// Stands in for a missing or wrong value, so that the rest can be read.
    stand_in: &'static str,
    why: &'static str,
    remedy: &'static str,
}

const REQUIRED: [Required; 6] = [
    Required {
        section: "source",
        key: "kind",
        stand_in: "api",
        why: "the data comes from LeadDesk's API or from exported files.",
        remedy: "Set it to \"api\" or \"export\".",
    },
    Required {
        section: "source",
        key: "time_zone",
        stand_in: "UTC",
        why: "LeadDesk's Original API sends times without a zone.",
        remedy: "Set it to the account's zone, e.g. time_zone = \"Europe/Helsinki\".",
    },
    Required {
        section: "source.rest",
        key: "base_url",
        stand_in: "https://stand-in.invalid",
        why: "LeadDesk's REST hosts differ by environment.",
        remedy: "Set it to the address that LeadDesk gave you, or remove [source.rest].",
    },
    Required {
        section: "source.rest",
        key: "account_id",
        stand_in: "0",
        why: "LeadDesk's REST API needs it to give a token.",
        remedy: "Set it to the account's id, e.g. account_id = \"123\", or remove [source.rest].",
    },
    Required {
        section: "source.export",
        key: "dir",
        stand_in: ".",
        why: "the exported files must be somewhere.",
        remedy: "Set it to their folder, e.g. dir = \"export/\".",
    },
    Required {
        section: "source.chatbot",
        key: "zip",
        stand_in: "stand-in.zip",
        why: "the chatbot's export is one ZIP file.",
        remedy: "Set it to that file, or remove [source.chatbot].",
    },
];

pub(super) fn read(text: &str, file: &str) -> Result<Config, ConfigError> {
    let tree = DeTable::parse(text).map_err(|error| syntax(text, file, &error))?;
    let lines = tree.clone();
    let mut reader = Reader { tree, problems: Vec::new() };
    reader.sections();
    reader.unknown_keys();
    reader.required_keys();
    let config = reader.typed();
    let mut problems = reader.problems;
    if let Some(config) = &config {
        // A stand-in may break a rule, but then its key has a problem of its own already.
        let more = check::problems(config).into_iter();
        let more: Vec<Problem> =
            more.filter(|new| problems.iter().all(|old| old.key != new.key)).collect();
        problems.extend(more);
    }
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => {
            for problem in &mut problems {
                problem.line = span_of(lines.get_ref(), &problem.key).map(|at| line_of(text, at));
            }
            Err(ConfigError::new(file, problems))
        }
    }
}

fn syntax(text: &str, file: &str, error: &toml::de::Error) -> ConfigError {
    let what = format!("this is not TOML: {}.", error.message());
    let mut problem =
        Problem::new(Kind::Syntax, "", what, "Texts need quotes, and no key may stand twice.");
    problem.line = error.span().map(|span| line_of(text, span.start));
    ConfigError::new(file, vec![problem])
}

struct Reader<'i> {
    tree: Spanned<DeTable<'i>>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Serde would take a list for a section as well, by the order of its fields.
    fn sections(&mut self) {
        for (name, _) in SECTIONS {
            let (parent, leaf) = name.rsplit_once('.').unwrap_or(("", name));
            let Some(table) = table_mut(self.tree.get_mut(), parent) else {
                continue;
            };
            if table.get(leaf).is_some_and(|value| !value.get_ref().is_table()) {
                table.remove(leaf);
                let (what, remedy) =
                    (format!("{name} is not a section."), format!("Write [{name}]."));
                self.problems.push(Problem::new(Kind::InvalidValue, name, what, remedy));
            }
        }
    }

    fn unknown_keys(&mut self) {
        for (section, known) in SECTIONS {
            let Some(table) = table_mut(self.tree.get_mut(), section) else {
                continue;
            };
            let known = known();
            let foreign = |key: &&Spanned<DeString<'_>>| !known.contains(&key.get_ref().as_ref());
            let foreign: Vec<String> =
                table.keys().filter(foreign).map(|key| key.get_ref().to_string()).collect();
            for key in foreign {
                table.remove(key.as_str());
                self.problems.push(unknown(section, &key, known));
            }
        }
    }

    fn required_keys(&mut self) {
        // Without the section, all that is required in it is missing.
        let span = self.tree.span();
        if !self.tree.get_ref().contains_key("source") {
            let (key, section) = (Cow::Borrowed("source"), DeValue::Table(DeTable::new()));
            let (key, section) =
                (Spanned::new(span.clone(), key), Spanned::new(span.clone(), section));
            self.tree.get_mut().insert(key, section);
        }
        for required in REQUIRED {
            let name = required.name();
            let Some(table) = table_mut(self.tree.get_mut(), required.section) else {
                continue;
            };
            if table.contains_key(required.key) {
                continue;
            }
            required.stand_in(table, &span);
            let misspelt = format!("Did you mean {name}?");
            if self.problems.iter().all(|problem| problem.remedy != misspelt) {
                let what = format!("{name} is missing: {}", required.why);
                self.problems.push(Problem::new(Kind::MissingKey, name, what, required.remedy));
            }
        }
    }

    /// Reads the tree into the structs, as often as it takes to find every value of a wrong type.
    fn typed(&mut self) -> Option<Config> {
        loop {
            let error = match Config::deserialize(toml::Deserializer::from(self.tree.clone())) {
                Ok(config) => return Some(config),
                Err(error) => error,
            };
            let key = error.span().and_then(|span| key_at(self.tree.get_ref(), "", span.start));
            let what = in_plain_words(error.message());
            let Some(key) = key else {
                let what = format!("the configuration cannot be read: {what}.");
                self.problems.push(Problem::new(Kind::InvalidValue, "", what, ""));
                return None;
            };
            let required = REQUIRED.iter().find(|required| required.name() == key);
            let remedy =
                required.map_or("Change it, or leave it out for the default.", |it| it.remedy);
            self.problems.push(Problem::new(
                Kind::InvalidValue,
                &key,
                format!("{key}: {what}."),
                remedy,
            ));
            let (section, leaf) = key.rsplit_once('.').unwrap_or(("", &key));
            let span = self.tree.span();
            let table = table_mut(self.tree.get_mut(), section)?;
            table.remove(leaf)?;
            if let Some(required) = required {
                required.stand_in(table, &span);
            }
        }
    }
}

impl Required {
    fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    fn stand_in(&self, table: &mut DeTable<'_>, span: &Range<usize>) {
        let value = DeValue::String(Cow::Borrowed(self.stand_in));
        table.insert(
            Spanned::new(span.clone(), Cow::Borrowed(self.key)),
            Spanned::new(span.clone(), value),
        );
    }
}

fn unknown(section: &str, key: &str, known: &[&str]) -> Problem {
    let name = join(section, key);
    let here = nearest(key, known.iter().copied()).map(|near| join(section, near));
    let elsewhere = || {
        let (other, _) = SECTIONS.iter().find(|(_, keys)| keys().contains(&key))?;
        Some(join(other, key))
    };
    // Some write the default name itself for the setting that holds it.
    let default_name = || Names::default().key_of(key).map(|key| join("names", key));
    let remedy = match default_name().or(here).or_else(elsewhere) {
        Some(near) => format!("Did you mean {near}?"),
        None => format!("Known here: {}.", known.join(", ")),
    };
    Problem::new(Kind::UnknownKey, &name, format!("unknown key {name}."), remedy)
}

/// What is wrong with a text of TOML that is no configuration, without a value of it: an unknown word
/// comes with the nearest known one.
pub(crate) fn told(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        let plain = in_plain_words(message);
        let (_, expected) = plain.rsplit_once("expected ").unwrap_or(("", "another value"));
        return format!("this is not what is expected here, {expected}");
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let near = words.next().and_then(|word| nearest(word, words));
    match near.filter(|_| message.starts_with("unknown ")) {
        Some(near) => format!("{message}; did you mean `{near}`"),
        None => message.to_owned(),
    }
}

/// Serde names Rust's types; people who write a configuration need not know them.
fn in_plain_words(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let (start, expected) = message.split_once("expected ").unwrap_or((message, ""));
    let plain = match expected {
        "" => return message.to_owned(),
        "usize" | "u64" | "u32" => "a whole number, 0 or more",
        "f64" => "a number",
        "a string" | "path string" => "a text in quotes",
        "a boolean" => "true or false",
        "an array of length 2" => "two numbers: [first, last]",
        other => other,
    };
    format!("{start}expected {plain}")
}

fn table_mut<'t, 'i>(tree: &'t mut DeTable<'i>, section: &str) -> Option<&'t mut DeTable<'i>> {
    let mut table = tree;
    for part in section.split('.').filter(|part| !part.is_empty()) {
        table = match table.get_mut(part)?.get_mut() {
            DeValue::Table(inner) => inner,
            _ => return None,
        };
    }
    Some(table)
}

/// The innermost key whose value is written at `at`. The keys of a table need not lie inside its own span, which is
/// its header, so they are looked through first.
fn key_at(table: &DeTable<'_>, path: &str, at: usize) -> Option<String> {
    let inner = table.iter().find_map(|(key, value)| {
        key_at(value.get_ref().as_table()?, &join(path, key.get_ref()), at)
    });
    inner.or_else(|| {
        let mut entries = table.iter();
        let (key, _) =
            entries.find(|(key, value)| key.span().contains(&at) || value.span().contains(&at))?;
        Some(join(path, key.get_ref()))
    })
}

/// Where a key is written. Keys of the user's own may hold dots, so the rest of the name is tried whole first.
fn span_of(table: &DeTable<'_>, name: &str) -> Option<usize> {
    if let Some((key, _)) = table.get_key_value(name) {
        return Some(key.span().start);
    }
    let (first, rest) = name.split_once('.')?;
    span_of(table.get(first)?.get_ref().as_table()?, rest)
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().iter().take(at);
    before.filter(|&&byte| byte == b'\n').count() + 1
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The keys that a struct reads: serde's derive hands them to the deserializer, which is asked for nothing more.
fn keys_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    let _ = T::deserialize(Keys(&mut keys));
    keys
}

struct Keys<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = Stop;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Stop> {
        *self.0 = keys;
        Err(Stop::custom("only the keys were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(Stop::custom("no struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
pub(super) fn all_keys() -> Vec<String> {
    let keys = SECTIONS
        .iter()
        .flat_map(|(section, keys)| keys().iter().map(move |key| join(section, key)));
    keys.collect()
}
