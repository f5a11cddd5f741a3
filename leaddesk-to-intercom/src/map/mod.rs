//! What each LeadDesk record becomes in Intercom. Pure: no I/O, no clock, no look-ups.
//!
//! One file per object, with its field table at the top. Every rule is a
//! [`Mapper`](migrate_core::Mapper) or a [`Grouping`](migrate_core::Grouping) that a program can
//! replace, wrap or chain.

mod agent;
mod beside;
mod call;
mod chat;
mod contact;
mod custom;
mod grouping;
mod html;
mod inventory;
mod lead;
mod numbers;
mod schema;
mod team;

pub use agent::AgentMapper;
pub use beside::Beside;
pub use call::CallMapper;
pub(crate) use call::disposition;
pub use chat::ChatMapper;
pub use contact::ContactMapper;
pub(crate) use contact::HAS_A_PLACE;
pub use grouping::ContactGrouping;
pub use inventory::InventoryMapper;
pub use lead::{LeadMapper, VisitorMapper};
pub(crate) use schema::contact_attribute;
pub use schema::{
    SchemaMapper, chat_attributes, contact_attributes, conversation_attributes, schema,
};
pub use team::TeamMapper;

use leaddesk_client::Personal;
use migrate_core::Emit;
use serde_json::Value;

use crate::draft::Attributes;
use crate::value::time::{self, Local};
use crate::value::{Zone, text};

/// The ledger's list of calls that contacts name as their last.
pub const CALLS: &str = "call";

/// The ledger's list of outcomes that contacts, calls and chats name, for the inventory: whatever the source
/// documents of them, these are in use.
pub const OUTCOMES: &str = "outcome";
/// The same of the dialler's results.
pub const DISPOSITIONS: &str = "disposition";
/// The same of campaigns.
pub const CAMPAIGNS: &str = "campaign";
/// The tags that custom fields make, as they are spelled.
pub const FIELD_TAGS: &str = "field_tag";

/// Adds a name that a record holds to a list of them.
fn meet<D>(list: &str, name: &str, out: &mut Emit<D>) {
    let name = crate::value::tag::one_line(name);
    if !name.is_empty() {
        out.discover(list, name);
    }
}

/// The longest text of a note, reply or opening, in characters. Intercom documents no limit; this is
/// a cautious choice. What is longer goes on in a further note or reply.
const MAX_TEXT: usize = 7_000;

/// Is this when something happened? A database's zero moment, shown by the clock of whatever zone, lies within a
/// day of the epoch, and Intercom takes no time before that.
pub(crate) fn is_moment(local: Local) -> bool {
    local.utc().timestamp() > 24 * 60 * 60
}

/// A time without a zone as UNIX seconds. What could not be read for sure, or is [no moment](is_moment), is noted
/// under the field.
fn unix<D>(text: &str, zone: Zone, field: &str, out: &mut Emit<D>) -> Option<i64> {
    match time::parse(text, zone) {
        Ok(local) => {
            let local = local?;
            match local {
                _ if !is_moment(local) => {
                    out.note("implausible_time", field);
                    return None;
                }
                Local::Gap { .. } => out.note("time_in_gap", field),
                Local::Overlap { .. } => out.note("time_in_overlap", field),
                Local::Exact(_) => {}
            }
            Some(local.utc().timestamp())
        }
        Err(_) => {
            out.note("invalid_time", field);
            None
        }
    }
}

/// Collects the attributes of an object. A text that is too long for one is noted and kept aside.
#[derive(Default)]
struct AttributeWriter {
    attributes: Attributes,
    /// Name of the attribute and the text that did not fit.
    long: Vec<(String, String)>,
}

impl AttributeWriter {
    /// A text, cleaned; nothing where it is empty.
    fn text<D>(&mut self, name: &str, text: &str, field: &str, out: &mut Emit<D>) {
        let text = text::clean(text);
        if text.is_empty() {
            return;
        }
        if text::fits_attribute(&text) {
            self.attributes.insert(name.to_owned(), Value::String(text));
        } else {
            out.note("too_long", field);
            self.long.push((name.to_owned(), text));
        }
    }

    /// A whole number, or a date as UNIX seconds.
    fn number(&mut self, name: &str, number: Option<i64>) {
        if let Some(number) = number {
            self.attributes.insert(name.to_owned(), number.into());
        }
    }
}

/// Does a value say nothing?
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The name of a field as notes show it. What is no plain name may be a person's data: a file
/// without a heading has its first row in the heading's place.
fn shown(field: &str) -> String {
    let plain = |c: char| c.is_alphabetic() || c.is_ascii_digit() || matches!(c, '_' | '-' | ' ');
    // What stands under one name more than once is numbered by the reader.
    let is_number = |n: &str| n.len() <= 3 && n.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = field.strip_suffix(')').and_then(|field| field.rsplit_once(" ("));
    let name = numbered.filter(|(_, n)| is_number(n)).map_or(field, |(name, _)| name);
    let digits = name.chars().filter(char::is_ascii_digit).count();
    if name.chars().all(plain) && name.chars().count() <= 40 && digits <= 4 {
        field.to_owned()
    } else {
        "(a heading that is no plain name)".to_owned()
    }
}

/// What a field of a person says; nothing where it is not there.
fn read(field: &Option<Personal<String>>) -> &str {
    field.as_ref().map_or("", |text| text.reveal().as_str())
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn only_plain_headings_are_shown() {
        for plain in ["other_info_12", "Lisätieto 3", "work-phone", "comment (2)"] {
            assert_eq!(shown(plain), plain);
        }
        for odd in
            ["anna@example.com", "+358401234567", "0401234567", "(2)", "a (b)", &"x".repeat(41)]
        {
            assert_eq!(shown(odd), "(a heading that is no plain name)");
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use migrate_core::Emit;

    use crate::config::Config;

    /// What was noted, as `<code> <field>`.
    pub(crate) fn noted<D>(out: &Emit<D>) -> Vec<String> {
        out.notes().iter().map(|note| format!("{} {}", note.code, note.field)).collect()
    }

    /// A configuration with these further lines.
    pub(crate) fn config(lines: &str) -> Config {
        let given =
            "[source]\nkind = 'api'\ntime_zone = 'Europe/Helsinki'\n[destination]\nregion = 'eu'\n";
        Config::parse(&format!("{given}{lines}"), "test.toml").unwrap()
    }
}
