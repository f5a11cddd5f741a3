//! Attributes and tags, made before anything is written that needs them.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use intercom_client::{
    ConversationDataType, DataAttributeId, DataType, Error, Executed, IntercomClient, Model,
    NewConversationAttribute, NewDataAttribute, UpdateDataAttribute,
};
use migrate_core::ledger::{How, LedgerError};
use migrate_core::{
    Doubt, Evidence, Failure, Fingerprint, Found, Ledger, Limits, Outcome, Reason, Rollback, Sink,
    TargetId, Write,
};
use tokio::sync::{Mutex, OnceCell};

use crate::draft::{AttributeDefinition, SchemaDraft};

use super::failure::{failure_of, outcome_of};
use super::tags::TagError;
use super::{Workspace, left};

/// Prepares a workspace: attributes are created or, where they exist with the right type, used.
#[derive(Debug)]
pub struct SchemaSink {
    workspace: Workspace,
    contact: Mutex<Option<Known>>,
    conversation: Mutex<Option<Known>>,
    put_away: OnceCell<HashSet<TargetId>>,
}

/// Attributes by name, with id and type. Names are compared without case.
type Known = HashMap<String, Attribute>;

#[derive(Clone, Debug)]
struct Attribute {
    id: TargetId,
    data_type: String,
    archived: bool,
    /// It belongs to companies, whose attributes share the names of those of people.
    elsewhere: bool,
    twins: usize,
    /// The choices of a list; none where any text goes.
    options: Vec<String>,
}

impl SchemaSink {
    /// A sink that reads the attributes that are there when it is first asked.
    pub fn new(workspace: Workspace) -> Self {
        Self {
            workspace,
            contact: Mutex::default(),
            conversation: Mutex::default(),
            put_away: OnceCell::new(),
        }
    }

    async fn contact_attribute(
        &self,
        write: &Write<SchemaDraft>,
        wanted: &AttributeDefinition,
        left: &mut Option<Fingerprint>,
    ) -> Outcome {
        let mut known = self.contact.lock().await;
        if known.is_none() {
            match contact_attributes(&self.workspace.client).await {
                Ok(read) => *known = Some(read),
                Err(error) => return outcome_of(&error),
            }
        }
        if let Some(found) = known.as_ref().and_then(|known| known.get(&wanted.name.to_lowercase()))
        {
            if found.archived && self.is_put_away(&found.id).await {
                let id = found.id.clone();
                *known = None;
                return self.bring_back(write, &id, left).await;
            }
            return self.existing(write, found, wanted).await;
        }
        let first = match self.workspace.note_absence(write).await {
            Ok(first) => first,
            Err(outcome) => return outcome,
        };
        let data_type = DataType::from(wanted.data_type.as_str());
        let mut new =
            NewDataAttribute::contact(&wanted.name, data_type).description(&wanted.description);
        if !wanted.options.is_empty() {
            new = new.options(&wanted.options);
        }
        match self.workspace.client.data_attributes().create(&new).await {
            Ok(made) => {
                *left = Some(Fingerprint::of(&left::contact_attribute(&made)));
                match made.id {
                    Some(id) => Outcome::Created(TargetId::new(id.as_str())),
                    None => Outcome::Created(TargetId::new(&wanted.name)),
                }
            }
            Err(error) => {
                // An earlier try whose reply was lost may have made it in the meantime, or somebody
                // else, if this was the first and surely made nothing.
                *known = contact_attributes(&self.workspace.client).await.ok();
                let made = known.as_ref().and_then(|known| known.get(&wanted.name.to_lowercase()));
                let not_ours = first && error.executed() == Executed::No;
                match made {
                    Some(made) if not_ours => match conflict(made, wanted, CONTACTS) {
                        Some(reason) => Outcome::Refused(reason),
                        None => Outcome::Unchanged(made.id.clone()),
                    },
                    Some(made) => self.existing(write, made, wanted).await,
                    None => outcome_of(&error),
                }
            }
        }
    }

    /// Brings an attribute back that a rollback of this migration has archived.
    async fn bring_back(
        &self,
        write: &Write<SchemaDraft>,
        id: &TargetId,
        left: &mut Option<Fingerprint>,
    ) -> Outcome {
        if let Err(outcome) = self.workspace.note_absence(write).await {
            return outcome;
        }
        let change = UpdateDataAttribute::new().archived(false);
        let attribute = DataAttributeId::new(id.as_str());
        match self.workspace.client.data_attributes().update(&attribute, &change).await {
            Ok(now) => {
                *left = Some(Fingerprint::of(&left::contact_attribute(&now)));
                Outcome::Created(id.clone())
            }
            Err(error) => outcome_of(&error),
        }
    }

    /// Was this attribute archived by a rollback of this migration? What the ledger does not tell
    /// counts as somebody's doing.
    async fn is_put_away(&self, id: &TargetId) -> bool {
        let known = self.put_away.get_or_try_init(|| put_away(&*self.workspace.ledger)).await;
        known.is_ok_and(|known| known.contains(id))
    }

    /// An attribute of contacts that is there already, if it can be used.
    async fn existing(
        &self,
        write: &Write<SchemaDraft>,
        found: &Attribute,
        wanted: &AttributeDefinition,
    ) -> Outcome {
        match conflict(found, wanted, CONTACTS) {
            Some(reason) => Outcome::Refused(reason),
            None => self.workspace.is_there(write, found.id.clone()).await,
        }
    }

    async fn conversation_attribute(
        &self,
        wanted: &AttributeDefinition,
        left: &mut Option<Fingerprint>,
    ) -> Outcome {
        let mut known = self.conversation.lock().await;
        if known.is_none() {
            match conversation_attributes(&self.workspace.client).await {
                Ok(read) => *known = Some(read),
                Err(error) => return outcome_of(&error),
            }
        }
        let found =
            known.as_ref().and_then(|known| known.get(&wanted.name.to_lowercase())).cloned();
        let found = match found {
            // The API cannot bring it back, and its name is free.
            Some(found) if found.archived && self.is_put_away(&found.id).await => None,
            found => found,
        };
        if let Some(found) = &found {
            return match conflict(found, wanted, CONVERSATIONS) {
                Some(reason) => Outcome::Refused(reason),
                None => Outcome::Unchanged(found.id.clone()),
            };
        }
        let data_type = ConversationDataType::from(wanted.data_type.as_str());
        let new =
            NewConversationAttribute::new(&wanted.name, data_type).description(&wanted.description);
        match self.workspace.client.conversation_attributes().create(&new).await {
            Ok(made) => {
                *left = Some(Fingerprint::of(&left::conversation_attribute(&made)));
                Outcome::Created(TargetId::new(made.id.as_str()))
            }
            Err(error) => {
                *known = None;
                outcome_of(&error)
            }
        }
    }

    async fn tag(&self, name: &str) -> Outcome {
        match self.workspace.tags.get_or_create(name).await {
            Ok((id, How::Created)) => Outcome::Created(TargetId::new(id.as_str())),
            Ok((id, _)) => Outcome::Unchanged(TargetId::new(id.as_str())),
            Err(error) => tag_failed(&error),
        }
    }
}

/// What a tag that could not be had means for the record.
pub(super) fn tag_failed(error: &TagError) -> Outcome {
    match error {
        TagError::Intercom(error) => outcome_of(error),
        TagError::Ledger(error) => Outcome::Failed(Failure::new(
            migrate_core::FailureKind::NotDone,
            format!("the tag could not be kept in the ledger: {error}"),
        )),
    }
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

async fn contact_attributes(client: &IntercomClient) -> Result<Known, Error> {
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

async fn conversation_attributes(client: &IntercomClient) -> Result<Known, Error> {
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

/// The attributes that a rollback of this migration has archived, by id: those a later run takes
/// back into use.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn put_away(ledger: &dyn Ledger) -> Result<HashSet<TargetId>, LedgerError> {
    let archived = Rollback::archived(ledger, crate::stage::SCHEMA).await?;
    Ok(archived.into_iter().map(|it| TargetId::new(it.object)).collect())
}

/// What stands in the way of these attributes: others of the same name that cannot be used. The
/// reason's field is the attribute's name. What is [put away](put_away) does not. Nothing is
/// written.
///
/// # Errors
/// When the attributes that are there cannot be read.
pub async fn schema_conflicts(
    client: &IntercomClient,
    wanted: &[SchemaDraft],
    put_away: &HashSet<TargetId>,
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
        let is_back = found.archived && put_away.contains(&found.id);
        conflict(found, wanted, whose).filter(|_| !is_back)
    });
    Ok(conflicts.collect())
}

const CONTACTS: &str = "contacts";
const CONVERSATIONS: &str = "conversations";

fn conflict(found: &Attribute, wanted: &AttributeDefinition, whose: &str) -> Option<Reason> {
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
    } else if !same_type(&found.data_type, &wanted.data_type) {
        let what = format!(
            "the attribute `{name}` of {whose} is of type {}, not {}, and Intercom cannot change a type",
            found.data_type, wanted.data_type
        );
        ("attribute_type", what, another)
    } else if let missing @ 1.. = missing_options(found, wanted) {
        // Choices are what people's records hold, so they are counted and not named.
        let what = format!("the attribute `{name}` of {whose} lacks {missing} of its choices");
        let remedy = "add those that mapping.toml has for it in Intercom's settings, or give it another attribute there, then run again";
        ("attribute_options", what, remedy)
    } else {
        return None;
    };
    let reason = Reason::new(code, message).field(name.clone()).object(found.id.as_str());
    Some(reason.remedy("Intercom admin", remedy))
}

/// Choices that a list which is there does not have.
fn missing_options(found: &Attribute, wanted: &AttributeDefinition) -> usize {
    if found.options.is_empty() {
        return 0;
    }
    let is_there =
        |option: &String| found.options.iter().any(|it| it.to_lowercase() == option.to_lowercase());
    wanted.options.iter().filter(|option| !is_there(option)).count()
}

/// A list of contacts reads back as text. Intercom takes `date` and `datetime` where it makes an attribute, and may name either where it
/// lists one. A type that is not told says nothing against it.
fn same_type(found: &str, wanted: &str) -> bool {
    let is_date = |name: &str| matches!(name, "date" | "datetime");
    let is_list = wanted == "options" && found == "string";
    found.is_empty() || found == wanted || is_list || (is_date(found) && is_date(wanted))
}

#[async_trait]
impl Sink<SchemaDraft> for SchemaSink {
    async fn write(&self, batch: Vec<Write<SchemaDraft>>) {
        for mut write in batch {
            let mut left = None;
            let outcome = match (&write.known_as, &write.draft) {
                // Type and name cannot be changed, and a description is not worth a write.
                (Some(written), _) => Outcome::Unchanged(written.target.clone()),
                (None, SchemaDraft::ContactAttribute(wanted)) => {
                    self.contact_attribute(&write, wanted, &mut left).await
                }
                (None, SchemaDraft::ConversationAttribute(wanted)) => {
                    self.conversation_attribute(wanted, &mut left).await
                }
                (None, SchemaDraft::Tag(name)) => self.tag(name).await,
            };
            if let Some(left) = left {
                write.leaves(left);
            }
            write.spend(outcome);
        }
    }

    async fn find(&self, doubt: &Doubt<SchemaDraft>) -> Result<Found, Failure> {
        let SchemaDraft::ConversationAttribute(wanted) = &doubt.draft else {
            return Ok(Found::CannotTell);
        };
        let listed = self.workspace.client.conversation_attributes().list(false).await;
        let mut found: Vec<TargetId> = listed
            .map_err(|error| failure_of(&error))?
            .into_iter()
            .filter(|attribute| attribute.name == wanted.name)
            .map(|attribute| TargetId::new(attribute.id.as_str()))
            .collect();
        *self.conversation.lock().await = None;
        Ok(match found.len() {
            0 => Found::No(Evidence::Read),
            1 => Found::Yes(found.remove(0)),
            _ => Found::Twins(found),
        })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(1)
    }
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
        wanted.options = ["äiti", "B"].map(str::to_owned).into();
        assert_eq!(conflict(&list, &wanted, CONTACTS), None);
        wanted.options.push("Anna Virtanen".to_owned());
        let reason = conflict(&list, &wanted, CONTACTS).unwrap();
        let remedy = reason.remedy.unwrap();
        assert!(reason.message.ends_with("lacks 1 of its choices"), "{}", reason.message);
        assert!(remedy.contains("mapping.toml"), "{remedy}");
        assert!(!reason.message.contains("Virtanen") && !remedy.contains("Virtanen"));
    }
}
