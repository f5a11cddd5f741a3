//! What the workspace lacks: what a run makes there, and what only a person can make.

use std::collections::BTreeSet;

use crate::connect::StartError;
use crate::draft::{AttributeDefinition, SchemaDraft};
use crate::runner::finish::Unfinished;
use crate::runner::session::Session;

use super::file::PlannedAttribute;

/// The tags of a workspace, in the form in which names are compared.
pub(super) struct Tags(BTreeSet<String>);

impl Tags {
    /// Those among these that are missing, each once and in the order given.
    pub(super) fn missing<'a>(&self, wanted: impl IntoIterator<Item = &'a String>) -> Vec<String> {
        let mut met = BTreeSet::new();
        let wanted = wanted.into_iter().filter(|name| {
            let name = name.to_lowercase();
            !self.0.contains(&name) && met.insert(name)
        });
        wanted.cloned().collect()
    }
}

impl Session {
    /// The tags of the workspace.
    pub(super) async fn tags(&self) -> Result<Tags, Unfinished> {
        let listed = self.destination.client.tags().list().await.map_err(|error| {
            Unfinished::start(StartError::new(
                format!("The workspace's tags cannot be read: {error}."),
                "The token needs to read them: see its permissions in Intercom.",
            ))
        })?;
        let names = listed.into_iter().filter_map(|tag| Some(tag.name?.to_lowercase()));
        Ok(Tags(names.collect()))
    }
}

/// The attributes among `wanted` that are not active in a workspace which has those of `there`, each with
/// model, name, type and state. `custom` are those of custom fields.
pub(super) fn attributes(
    wanted: &[SchemaDraft],
    there: &[String],
    custom: &[AttributeDefinition],
) -> Vec<PlannedAttribute> {
    let active = there.iter().filter(|found| found.ends_with(" active"));
    let active: Vec<String> = active.map(|found| found.to_lowercase()).collect();
    let named = wanted.iter().filter_map(|draft| match draft {
        SchemaDraft::ContactAttribute(definition) => Some(("contact", definition)),
        SchemaDraft::ConversationAttribute(definition) => Some(("conversation", definition)),
        SchemaDraft::Tag(_) => None,
    });
    // Intercom compares names without case.
    let missing = named.filter(|(model, definition)| {
        let begins = format!("{model}.{} ", definition.name).to_lowercase();
        !active.iter().any(|found| found.starts_with(&begins))
    });
    let planned = missing.map(|(model, definition)| PlannedAttribute {
        model: model.to_owned(),
        name: definition.name.clone(),
        data_type: definition.data_type.clone(),
        custom: model == "contact" && custom.iter().any(|it| it.name == definition.name),
    });
    planned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_whole() {
        let tags = Tags(BTreeSet::from(["vip".to_owned()]));
        let wanted = ["VIP", "new", "New", "vip2"].map(str::to_owned);
        assert_eq!(tags.missing(&wanted), ["new", "vip2"]);

        let one = |name| AttributeDefinition::new(name, "string", "");
        let wanted = [
            SchemaDraft::ContactAttribute(one("City")),
            SchemaDraft::ContactAttribute(one("ld_cit")),
            SchemaDraft::ContactAttribute(one("ld_fax")),
            SchemaDraft::ConversationAttribute(one("ld_city")),
            SchemaDraft::Tag("ld_city".into()),
        ];
        let there = ["contact.city string active", "contact.ld_city string active"];
        let archived = ["contact.ld_fax string archived"];
        let there: Vec<String> = there.into_iter().chain(archived).map(str::to_owned).collect();
        let missing = attributes(&wanted, &there, &[one("ld_cit")]);
        let told = |it: &PlannedAttribute| {
            format!("{}.{} {} {}", it.model, it.name, it.data_type, it.custom)
        };
        let missing: Vec<String> = missing.iter().map(told).collect();
        let expected = [
            "contact.ld_cit string true",
            "contact.ld_fax string false",
            "conversation.ld_city string false",
        ];
        assert_eq!(missing, expected);
    }
}
