//! The attributes that a workspace has already, and what keeps one from being used.

use std::collections::HashMap;

use intercom_client::{ConversationDataType, DataType, Error, IntercomClient, Model};
use migrate_core::{Reason, TargetId};

use crate::draft::{AttributeDefinition, SchemaDraft};

use super::own::OwnAttributes;

/// Attributes by name, with id and type. Names are compared without case.
pub(super) type Known = HashMap<String, Attribute>;

#[derive(Clone, Debug)]
pub(super) struct Attribute {
    pub(super) id: TargetId,
    data_type: String,
    pub(super) archived: bool,
    /// It belongs to companies, whose attributes share the names of those of people.
    elsewhere: bool,
    twins: usize,
    /// The choices of a list; none where any text goes.
    pub(super) options: Vec<String>,
}

/// An active attribute wins over an archived one of the same name; two active ones are twins.
fn insert(known: &mut Known, name: &str, attribute: Attribute) {
    match known.get_mut(&name.to_lowercase()) {
        Some(_) if attribute.archived => {}
        Some(other) if other.archived => *other = attribute,
        Some(other) => other.twins += 1,
        None => {
            known.insert(name.to_lowercase(), attribute);
        }
    }
}

pub(super) async fn contact_attributes(client: &IntercomClient) -> Result<Known, Error> {
    let mut known = Known::new();
    for model in [Model::Contact, Model::Company] {
        let elsewhere = matches!(model, Model::Company);
        let listed = client.data_attributes().list(model, true).await?;
        for attribute in listed.into_iter().filter(|found| found.custom != Some(false)) {
            let id = attribute.id.as_ref().map_or(attribute.name.as_str(), |id| id.as_str());
            let data_type = attribute.data_type.as_ref().map_or("", DataType::as_str);
            insert(
                &mut known,
                &attribute.name,
                Attribute {
                    id: TargetId::new(id),
                    data_type: data_type.to_owned(),
                    archived: attribute.archived == Some(true),
                    elsewhere,
                    twins: 0,
                    options: attribute.options,
                },
            );
        }
    }
    Ok(known)
}

pub(super) async fn conversation_attributes(client: &IntercomClient) -> Result<Known, Error> {
    let mut known = Known::new();
    for attribute in client.conversation_attributes().list(true).await? {
        let data_type = attribute.data_type.as_ref().map_or("", ConversationDataType::as_str);
        insert(
            &mut known,
            &attribute.name,
            Attribute {
                id: TargetId::new(attribute.id.as_str()),
                data_type: data_type.to_owned(),
                archived: attribute.archived == Some(true),
                elsewhere: false,
                twins: 0,
                options: Vec::new(),
            },
        );
    }
    Ok(known)
}

/// What stands in the way of these attributes: others of the same name that cannot be used. The
/// reason's field is the attribute's name. What a rollback has put away does not, and neither does a list of
/// this migration's own, which the schema stage gives the choices that it lacks. Nothing is written.
///
/// # Errors
/// When the attributes that are there cannot be read.
pub async fn schema_conflicts(
    client: &IntercomClient,
    wanted: &[SchemaDraft],
    own: &OwnAttributes,
) -> Result<Vec<Reason>, Error> {
    let contact = contact_attributes(client).await?;
    let conversation = conversation_attributes(client).await?;
    let conflicts = wanted.iter().filter_map(|draft| {
        let (known, wanted, whose) = match draft {
            SchemaDraft::ContactAttribute(wanted) => (&contact, wanted, CONTACTS),
            SchemaDraft::ConversationAttribute(wanted) => (&conversation, wanted, CONVERSATIONS),
            SchemaDraft::Tag(_) => return None,
        };
        let found = known.get(&wanted.name.to_lowercase())?;
        let is_back = found.archived && own.is_put_away(&found.id);
        let grows = |reason: &Reason| reason.code == OPTIONS && own.has_made(&found.id);
        conflict(found, wanted, whose).filter(|reason| !is_back && !grows(reason))
    });
    Ok(conflicts.collect())
}

pub(super) const CONTACTS: &str = "contacts";
pub(super) const CONVERSATIONS: &str = "conversations";

/// The code of a list that lacks choices.
const OPTIONS: &str = "attribute_options";

pub(super) fn conflict(
    found: &Attribute,
    wanted: &AttributeDefinition,
    whose: &str,
) -> Option<Reason> {
    let name = &wanted.name;
    let another = "give it another name under [names], or in mapping.toml if it is a custom field's, then run again";
    let (code, message, remedy) = if found.elsewhere {
        let what =
            format!("`{name}` is an attribute of companies, whose names people cannot share");
        ("name_taken_by_company", what, another)
    } else if found.archived {
        let what = format!("the attribute `{name}` of {whose} is archived");
        ("attribute_archived", what, "bring it back in Intercom's settings, then run again")
    } else if found.twins > 0 {
        let what = format!(
            "{whose} have {} attributes named `{name}`; Intercom refuses every write to such a name",
            found.twins + 1
        );
        let remedy = "archive all but one of them in Intercom's settings, then run again";
        ("attribute_twins", what, remedy)
    } else if !same_type(found, &wanted.data_type) {
        let what = format!(
            "the attribute `{name}` of {whose} is of type {}, not {}, and Intercom cannot change a type",
            found.told_type(),
            wanted.data_type
        );
        ("attribute_type", what, another)
    } else if let missing @ 1.. = missing_options(&found.options, wanted).count() {
        // Choices are what people's records hold, so they are counted and not named.
        let what = format!(
            "the attribute `{name}` of {whose} lacks {missing} of its choices, in which upper and lower case count"
        );
        let remedy = "add those that mapping.toml has for it in Intercom's settings, or spell them there as they stand in Intercom, or give it another attribute there, then run again";
        (OPTIONS, what, remedy)
    } else {
        return None;
    };
    let reason = Reason::new(code, message).field(name.clone()).object(found.id.as_str());
    Some(reason.remedy("Intercom admin", remedy))
}

/// The choices that a list lacks; where there are none, any text goes. They are compared letter by letter: nothing says
/// that Intercom takes a value in another spelling than that of the choice.
pub(super) fn missing_options<'w>(
    found: &[String],
    wanted: &'w AttributeDefinition,
) -> impl Iterator<Item = &'w String> {
    wanted.options.iter().filter(move |option| !found.is_empty() && !found.contains(option))
}

impl Attribute {
    /// A list of contacts reads back as text.
    fn told_type(&self) -> &str {
        if self.options.is_empty() { &self.data_type } else { "options" }
    }
}

/// Where any text goes, so do the choices of a list, but not the other way round. Intercom takes `date` and `datetime`
/// where it makes an attribute, and may name either where it lists one. A type that is not told says nothing
/// against it.
fn same_type(found: &Attribute, wanted: &str) -> bool {
    let found = found.told_type();
    let is_date = |name: &str| matches!(name, "date" | "datetime");
    let holds_choices = wanted == "options" && found == "string";
    found.is_empty() || found == wanted || holds_choices || (is_date(found) && is_date(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data_type: &str) -> Attribute {
        Attribute {
            id: TargetId::new("1"),
            data_type: data_type.to_owned(),
            archived: false,
            elsewhere: false,
            twins: 0,
            options: Vec::new(),
        }
    }

    fn code(found: &Attribute, wanted: &str) -> Option<String> {
        let wanted = AttributeDefinition::new("ld_x", wanted, "");
        let reason = conflict(found, &wanted, CONTACTS)?;
        let remedy = reason.remedy.unwrap();
        assert!(remedy.contains("run again") && !remedy.contains("redrive"), "{remedy}");
        Some(reason.code)
    }

    #[test]
    fn an_attribute_that_is_there_is_used_or_its_conflict_named() {
        for (there, wanted) in
            [("string", "string"), ("date", "datetime"), ("datetime", "date"), ("", "integer")]
        {
            assert_eq!(code(&found(there), wanted), None, "{there} for {wanted}");
        }
        assert_eq!(code(&found("integer"), "date").as_deref(), Some("attribute_type"));
        let archived = Attribute { archived: true, ..found("string") };
        assert_eq!(code(&archived, "string").as_deref(), Some("attribute_archived"));
        let company = Attribute { elsewhere: true, ..found("string") };
        assert_eq!(code(&company, "string").as_deref(), Some("name_taken_by_company"));
        let twins = Attribute { twins: 1, ..found("string") };
        assert_eq!(code(&twins, "string").as_deref(), Some("attribute_twins"));
    }

    #[test]
    fn missing_choices_are_counted_and_not_told() {
        let list = Attribute { options: vec!["Äiti".into(), "b".into()], ..found("string") };
        let mut wanted = AttributeDefinition::new("ld_x", "options", "");
        wanted.options = ["Äiti", "b"].map(str::to_owned).into();
        assert_eq!(conflict(&list, &wanted, CONTACTS), None);
        // A choice that is spelled otherwise there would be refused.
        wanted.options = ["äiti", "b", "Anna Virtanen"].map(str::to_owned).into();
        let reason = conflict(&list, &wanted, CONTACTS).unwrap();
        let remedy = reason.remedy.unwrap();
        assert!(reason.message.contains("lacks 2 of its choices"), "{}", reason.message);
        assert!(remedy.contains("mapping.toml"), "{remedy}");
        assert!(!reason.message.contains("Virtanen") && !remedy.contains("Virtanen"));
    }

    #[test]
    fn a_list_takes_no_other_texts() {
        let list = Attribute { options: vec!["a".into(), "b".into()], ..found("string") };
        assert_eq!(code(&list, "string").as_deref(), Some("attribute_type"));
        let told = conflict(&list, &AttributeDefinition::new("x", "string", ""), CONTACTS).unwrap();
        assert!(told.message.contains("is of type options, not string"), "{}", told.message);
        // Where any text goes, so do choices.
        assert_eq!(code(&found("string"), "options"), None);
    }
}
