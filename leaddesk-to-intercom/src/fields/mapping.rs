//! `mapping.toml`: where each custom field goes.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::config::{self, Names};
use crate::draft::AttributeDefinition;
use crate::value::TagName;

use super::profile::{FieldProfile, Profile};
use super::propose::slug;

/// Where each custom field goes, as a person has confirmed it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FieldMapping {
    /// Has a person confirmed it? A run refuses one that is not.
    pub confirmed: bool,
    /// The rules, by the fields' names. A field without one is left in LeadDesk, and noted.
    pub fields: BTreeMap<String, FieldRule>,
}

/// Where one custom field goes.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FieldRule {
    /// `as`: what it becomes.
    #[serde(rename = "as")]
    pub place: Place,
    /// `attribute`: the name of the attribute, or of what the names of several begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<String>,
    /// `choices`: those that there are, where it becomes `options` or `booleans`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// `tags`: is each choice a tag as well, `<attribute>_<choice>`?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tags: bool,
}

/// What a custom field becomes. A value that does not fit goes into the note on the contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Place {
    /// An attribute of text, up to 255 characters.
    String,
    /// An attribute of whole numbers.
    Integer,
    /// An attribute of numbers.
    Float,
    /// An attribute of days or times.
    Date,
    /// An attribute of yes or no.
    Boolean,
    /// An attribute that is one of the choices.
    Options,
    /// An attribute of text that holds several choices, joined by commas.
    Joined,
    /// An attribute of yes or no for each choice, `<attribute>_<choice>`.
    Booleans,
    /// A tag for each choice, `<attribute>_<choice>`.
    Tags,
    /// A line of the note on the contact.
    Note,
    /// Nothing: it stays in LeadDesk.
    Skip,
    /// Nothing yet: somebody has to say what it is.
    Review,
}

/// What is wrong with a mapping: each a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join(" "))]
pub struct MappingError(pub Vec<String>);

/// A heading can be a person's data, where a file has none: fields are counted and not shown.
impl fmt::Debug for FieldMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("FieldMapping");
        shown.field("confirmed", &self.confirmed).field("fields", &self.fields.len()).finish()
    }
}

/// Choices are what people's records hold: they are counted and not shown.
impl fmt::Debug for FieldRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldRule")
            .field("place", &self.place)
            .field("attribute", &self.attribute)
            .field("choices", &self.choices.len())
            .field("tags", &self.tags)
            .finish()
    }
}

impl FieldRule {
    /// A rule without an attribute.
    pub fn new(place: Place) -> Self {
        Self { place, attribute: None, choices: Vec::new(), tags: false }
    }

    /// The same with an attribute of this name.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>) -> Self {
        self.attribute = Some(name.into());
        self
    }

    /// The same with these choices.
    #[must_use]
    pub fn choices(mut self, choices: Vec<String>) -> Self {
        self.choices = choices;
        self
    }

    /// The same with a tag for each choice.
    #[must_use]
    pub fn with_tags(mut self) -> Self {
        self.tags = true;
        self
    }

    /// The attribute of each choice. Of two choices that would have one name, the later gets a number.
    pub(crate) fn choice_attributes(&self) -> Vec<(&str, String)> {
        let mut named: Vec<(&str, String)> = Vec::with_capacity(self.choices.len());
        for choice in &self.choices {
            let wanted = format!("{}_{}", self.attribute.as_deref().unwrap_or("ld"), slug(choice));
            let mut free = wanted.clone();
            let mut n = 2;
            while named.iter().any(|(_, name)| *name == free) {
                free = format!("{wanted}_{n}");
                n += 1;
            }
            named.push((choice, free));
        }
        named
    }

    /// The tags of these choices.
    pub(crate) fn tags_of<'a>(&self, choices: impl IntoIterator<Item = &'a str>) -> Vec<TagName> {
        let prefix = format!("{}_", self.attribute.as_deref().unwrap_or("ld"));
        choices.into_iter().filter_map(|choice| TagName::new(&prefix, choice)).collect()
    }

    /// The attributes that contacts need for it.
    pub(crate) fn attributes(&self, field: &str) -> Vec<AttributeDefinition> {
        let Some(attribute) = &self.attribute else { return Vec::new() };
        let one = |data_type: &str| {
            let text = format!("{field} in LeadDesk");
            vec![AttributeDefinition::new(attribute, data_type, text)]
        };
        match self.place {
            Place::String | Place::Joined => one("string"),
            Place::Integer => one("integer"),
            Place::Float => one("float"),
            Place::Date => one("date"),
            Place::Boolean => one("boolean"),
            Place::Options => {
                let mut made = one("options");
                made.iter_mut().for_each(|it| it.options.clone_from(&self.choices));
                made
            }
            Place::Booleans => {
                let named = |(choice, name): (&str, String)| {
                    let text = format!("{field} in LeadDesk: {choice}");
                    AttributeDefinition::new(name, "boolean", text)
                };
                self.choice_attributes().into_iter().map(named).collect()
            }
            Place::Tags | Place::Note | Place::Skip | Place::Review => Vec::new(),
        }
    }

    fn problems(&self, field: &str, found: &mut Vec<String>) {
        let named = self.attribute.as_deref().is_some_and(|name| !name.trim().is_empty());
        let needs_name = !matches!(self.place, Place::Note | Place::Skip | Place::Review);
        if needs_name && !named {
            found.push(format!(
                "fields.{field:?} needs an attribute, e.g. attribute = \"ld_{}\".",
                slug(field)
            ));
        }
        if let Some(name) = self.attribute.as_deref().filter(|_| needs_name)
            && let Some(what) = config::unfit_for_attribute(name)
        {
            found.push(format!("fields.{field:?}: the name of its attribute {what}."));
        }
        let least = match self.place {
            Place::Options => 2,
            Place::Booleans => 1,
            _ => 0,
        };
        if self.choices.len() < least {
            found.push(format!(
                "fields.{field:?} needs at least {least} choices, e.g. choices = [\"A\", \"B\"]."
            ));
        }
    }
}

impl FieldMapping {
    /// Reads a mapping. `file` is for messages.
    ///
    /// # Errors
    /// [`MappingError`], with the line where the text is no such mapping, and else with all problems: a
    /// rule without the attribute or the choices it needs, an attribute that two fields or one of
    /// `names` claim.
    pub fn parse(text: &str, file: &str, names: &Names) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(""));
            let line = before.matches('\n').count() + 1;
            MappingError(vec![format!("{file}:{line}: {}.", config::told(error.message()))])
        })?;
        let problems = mapping.problems(names);
        match problems.is_empty() {
            true => Ok(mapping),
            false => {
                let named = problems.iter().map(|problem| format!("{file}: {problem}"));
                Err(MappingError(named.collect()))
            }
        }
    }

    fn problems(&self, names: &Names) -> Vec<String> {
        let mut found = Vec::new();
        let fixed = crate::map::contact_attributes(names).into_iter();
        let mut claimed: BTreeMap<String, String> =
            fixed.map(|it| (it.name.to_lowercase(), "[names]".to_owned())).collect();
        for (field, rule) in &self.fields {
            rule.problems(field, &mut found);
            for attribute in rule.attributes(field) {
                let key = attribute.name.to_lowercase();
                if let Some(other) = claimed.insert(key, format!("fields.{field:?}")) {
                    found.push(format!(
                        "fields.{field:?} and {other} have the same attribute `{}`: give one of them another.",
                        attribute.name
                    ));
                }
            }
        }
        found
    }

    /// The attributes that contacts need for all of it.
    pub fn attributes(&self) -> Vec<AttributeDefinition> {
        self.fields.iter().flat_map(|(field, rule)| rule.attributes(field)).collect()
    }

    /// The fields that somebody has to say something about.
    pub fn for_review(&self) -> impl Iterator<Item = &str> {
        let review = self.fields.iter().filter(|(_, rule)| rule.place == Place::Review);
        review.map(|(field, _)| field.as_str())
    }

    /// The tags that all of it puts on contacts, one each, as a profile has counted them.
    pub(crate) fn picks(&self, profile: &Profile) -> u64 {
        let tags =
            |(field, rule): (&String, &FieldRule)| match rule.tags || rule.place == Place::Tags {
                true => profile.field(field).map_or(0, |field| field.picks),
                false => 0,
            };
        self.fields.iter().map(tags).sum()
    }

    /// The names of these tags, as far as the profile knows the choices.
    pub(crate) fn tags(&self, profile: &Profile) -> Vec<String> {
        let tags = self.fields.iter().filter(|(_, rule)| rule.tags || rule.place == Place::Tags);
        let named = tags.flat_map(|(field, rule)| {
            let choices = profile.field(field).map(FieldProfile::options).unwrap_or_default();
            rule.tags_of(choices.iter().map(String::as_str))
        });
        named.filter(|tag| !tag.is_cut()).map(|tag| tag.as_str().to_owned()).collect()
    }

    /// The mapping as a file for a person to edit, with what the profile found and the reasons.
    pub fn to_toml(&self, profile: &Profile, reasons: &BTreeMap<String, String>) -> String {
        let mut text = String::from(HEAD);
        let _ = writeln!(text, "confirmed = {}", self.confirmed);
        for (field, rule) in &self.fields {
            text.push('\n');
            if let Some(found) = profile.field(field) {
                let distinct = match found.distinct() {
                    Some(1) => "one value".to_owned(),
                    Some(distinct) => format!("{distinct} values"),
                    None => "many values".to_owned(),
                };
                let _ = writeln!(
                    text,
                    "# In {} of {} contacts; {distinct}, the longest of {} characters.",
                    found.filled,
                    profile.records(),
                    found.longest
                );
            }
            if let Some(reason) = reasons.get(field) {
                let _ = writeln!(
                    text,
                    "# {}{reason}.",
                    if reason.is_empty() { "" } else { "Proposed: " }
                );
            }
            let _ = writeln!(text, "[fields.{}]", quoted(field));
            text.push_str(&toml::to_string(rule).unwrap_or_default());
        }
        text
    }
}

const HEAD: &str = "\
# Where the custom fields of LeadDesk's contacts go. Edit it, then set confirmed = true: a run goes by it.
#
# as = \"string\" | \"integer\" | \"float\" | \"date\" | \"boolean\"   one attribute of that type
#      \"options\"    one attribute that is one of the choices
#      \"joined\"     one attribute of text with all choices; tags = true makes each a tag as well
#      \"booleans\"   one attribute of yes or no for each of the choices
#      \"tags\"       a tag for each choice
#      \"note\"       a line of the note on the contact
#      \"skip\"       it stays in LeadDesk
#      \"review\"     somebody has to say what it is; it is listed and not moved
#
# A value that does not fit goes into the note on the contact, and the report says so.

";

/// A key of TOML: bare where it can be.
fn quoted(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => toml::Value::String(key.to_owned()).to_string(),
    }
}
