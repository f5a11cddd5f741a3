//! What is proposed for each custom field, and why.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::config::Names;

use super::mapping::{FieldMapping, FieldRule, Place};
use super::profile::{FieldProfile, Inferred, Profile};

/// Proposes where a field is to go. A program can bring one of its own, that knows its accounts; what it
/// proposes is for a person to confirm all the same.
///
/// ```
/// use leaddesk_to_intercom::fields::{DefaultProposer, FieldProfile, FieldProposer, FieldRule, Place};
///
/// /// Remarks are nobody's business.
/// struct Discreet;
///
/// impl FieldProposer for Discreet {
///     fn propose(&self, name: &str, field: &FieldProfile) -> (FieldRule, String) {
///         match name {
///             "Remark" => (FieldRule::new(Place::Skip), "remarks stay in LeadDesk".into()),
///             _ => DefaultProposer.propose(name, field),
///         }
///     }
/// }
/// # let (rule, _) = Discreet.propose("Remark", &FieldProfile::default());
/// # assert_eq!(rule.place, Place::Skip);
/// ```
pub trait FieldProposer: Send + Sync {
    /// A rule for the field of this name, and the reason, as one line. An attribute that is taken
    /// already is given another name afterwards.
    fn propose(&self, name: &str, field: &FieldProfile) -> (FieldRule, String);
}

/// Proposes by what the values have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultProposer;

impl FieldProposer for DefaultProposer {
    fn propose(&self, name: &str, field: &FieldProfile) -> (FieldRule, String) {
        let attribute = attribute_name(name);
        let to = |place| FieldRule::new(place).attribute(attribute.clone());
        let (rule, reason) = match field.inferred() {
            Inferred::Nested => (
                FieldRule::new(Place::Review),
                "some values hold fields of their own, which no attribute can",
            ),
            Inferred::Integer => {
                (to(Place::Integer), "all are whole numbers without leading zeros")
            }
            Inferred::Decimal => (to(Place::Float), "all are numbers"),
            Inferred::Date => (to(Place::Date), "all are days or times"),
            Inferred::Boolean => (to(Place::Boolean), "all say yes or no"),
            Inferred::Choice if field.options().len() > 1 => {
                (to(Place::Options).choices(field.options()), "a few texts recur, one at a time")
            }
            Inferred::Choices => (
                to(Place::Joined).with_tags(),
                "a few texts recur, several at a time; an attribute holds one value, so they are joined, and each is a tag as well",
            ),
            _ if field.too_long * 2 > field.filled => {
                (FieldRule::new(Place::Note), "most are too long for an attribute")
            }
            _ if field.too_long > 0 => {
                (to(Place::String), "text; what is too long for an attribute goes into the note")
            }
            _ => (to(Place::String), "text"),
        };
        (rule, reason.to_owned())
    }
}

/// Custom attributes of people and companies that a workspace can have, as Intercom documents it. Archived ones do not
/// count, and whether those of conversations do is not documented: they are not counted.
pub(crate) const MOST_ATTRIBUTES: usize = 250;

/// A mapping of all fields of a profile, to be confirmed, and the reason for each rule. Attributes get
/// names that nothing else has, and as many as a workspace can have beside those of `names` and those
/// that are `there`, by their names in lower case; the values of the fields that are left over go into
/// the note.
pub fn propose(
    profile: &Profile,
    proposer: &dyn FieldProposer,
    names: &Names,
    there: &HashSet<String>,
) -> (FieldMapping, BTreeMap<String, String>) {
    let mut taken: BTreeSet<String> =
        names.contact_attributes().iter().map(|(_, name)| name.to_lowercase()).collect();
    // Further phone numbers have names of their own.
    taken
        .extend(crate::map::contact_attributes(names).into_iter().map(|it| it.name.to_lowercase()));
    let mut counted: HashSet<String> = there.iter().chain(&taken).cloned().collect();
    let (mut mapping, mut reasons) = (FieldMapping::default(), BTreeMap::new());
    for (name, field) in profile.fields() {
        let (mut rule, mut reason) = proposer.propose(name, field);
        if let Some(wanted) = rule.attribute.take() {
            let free = (1..).map(|n| if n == 1 { wanted.clone() } else { format!("{wanted}_{n}") });
            rule.attribute = free.into_iter().find(|name| !taken.contains(&name.to_lowercase()));
        }
        let attributes = rule.attributes(name).into_iter().map(|it| it.name.to_lowercase());
        let attributes: Vec<String> = attributes.collect();
        let more = attributes.iter().filter(|name| !counted.contains(*name)).count();
        if more > 0 && counted.len() + more > MOST_ATTRIBUTES {
            rule = FieldRule::new(Place::Note);
            reason = format!(
                "Intercom takes {MOST_ATTRIBUTES} attributes, and there are as many without it"
            );
        } else {
            counted.extend(attributes.iter().cloned());
            taken.extend(attributes);
        }
        mapping.fields.insert(name.to_owned(), rule);
        reasons.insert(name.to_owned(), reason);
    }
    (mapping, reasons)
}

/// The name of an attribute for a field: `ld_` and the field's name in plain lower-case letters, digits
/// and underscores. Intercom takes few other characters.
pub(super) fn attribute_name(field: &str) -> String {
    let plain = slug(field);
    format!("ld_{}", if plain.is_empty() { "field" } else { &plain })
}

/// A text in plain lower-case letters, digits and underscores.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.to_lowercase().chars() {
        match letter {
            'ä' | 'å' | 'á' | 'à' => slug.push('a'),
            'ö' | 'ø' | 'ó' => slug.push('o'),
            'æ' => slug.push_str("ae"),
            'ü' => slug.push('u'),
            'é' | 'è' => slug.push('e'),
            'ß' => slug.push_str("ss"),
            letter if letter.is_ascii_alphanumeric() => slug.push(letter),
            _ if slug.is_empty() || slug.ends_with('_') => {}
            _ => slug.push('_'),
        }
    }
    slug.truncate(60);
    slug.trim_end_matches('_').to_owned()
}
