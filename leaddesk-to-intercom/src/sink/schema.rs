//! Attributes and tags, made before anything is written that needs them.

mod own;
mod there;

use std::collections::HashSet;

use async_trait::async_trait;
use intercom_client::{
    ConversationDataType, DataAttribute, DataAttributeId, DataType, Executed, Model,
    NewConversationAttribute, NewDataAttribute, UpdateDataAttribute,
};
use migrate_core::ledger::{How, Written};
use migrate_core::{
    Doubt, Evidence, Failure, Fingerprint, Found, Limits, Outcome, Sink, TargetId, Write,
};
use tokio::sync::{Mutex, OnceCell};

use crate::draft::{AttributeDefinition, SchemaDraft};

pub use self::own::OwnAttributes;
pub use self::there::schema_conflicts;
use self::there::{
    Attribute, CONTACTS, CONVERSATIONS, Known, conflict, contact_attributes,
    conversation_attributes, missing_options,
};
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
                let found = found.clone();
                *known = None;
                return self.bring_back(write, &found, wanted, left).await;
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

    /// Brings an attribute back that a rollback of this migration has archived, with the choices that are new.
    async fn bring_back(
        &self,
        write: &Write<SchemaDraft>,
        found: &Attribute,
        wanted: &AttributeDefinition,
        left: &mut Option<Fingerprint>,
    ) -> Outcome {
        if let Err(outcome) = self.workspace.note_absence(write).await {
            return outcome;
        }
        let id = &found.id;
        let change = with_choices(&found.options, wanted).unwrap_or_default().archived(false);
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
        let known = self.put_away.get_or_try_init(|| own::put_away(&*self.workspace.ledger)).await;
        known.is_ok_and(|known| known.contains(id))
    }

    /// A list of contacts that is known already: one that this migration has made is given the choices that the
    /// mapping has gained since. What else is there of it stays, since contacts may hold it.
    async fn grow(
        &self,
        written: &Written,
        wanted: &AttributeDefinition,
        left: &mut Option<Fingerprint>,
    ) -> Outcome {
        let target = written.target.clone();
        if written.how != How::Created || wanted.options.is_empty() {
            return Outcome::Unchanged(target);
        }
        let attributes = self.workspace.client.data_attributes();
        let listed = match attributes.list(Model::Contact, false).await {
            Ok(listed) => listed,
            Err(error) => return outcome_of(&error),
        };
        let id = DataAttributeId::new(target.as_str());
        let found = listed.into_iter().find(|it| it.id.as_ref() == Some(&id));
        let change = found.as_ref().and_then(|found| with_choices(&found.options, wanted));
        let (Some(found), Some(change)) = (found, change) else {
            return Outcome::Unchanged(target);
        };
        *self.contact.lock().await = None;
        match attributes.update(&id, &change).await {
            Ok(now) => {
                // What people have changed must go on to show, or a rollback would archive it.
                let stands = |it: &DataAttribute| Fingerprint::of(&left::contact_attribute(it));
                let edited = written.state.filter(|state| *state != stands(&found));
                *left = edited.or_else(|| Some(stands(&now)));
                Outcome::Updated(target)
            }
            Err(error) => outcome_of(&error),
        }
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

/// The change that gives a list the choices which it lacks; `None` where it lacks none.
fn with_choices(there: &[String], wanted: &AttributeDefinition) -> Option<UpdateDataAttribute> {
    missing_options(there, wanted).next()?;
    let all = there.iter().chain(missing_options(there, wanted));
    Some(UpdateDataAttribute::new().options(all))
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

#[async_trait]
impl Sink<SchemaDraft> for SchemaSink {
    async fn write(&self, batch: Vec<Write<SchemaDraft>>) {
        for mut write in batch {
            let mut left = None;
            let outcome = match (&write.known_as, &write.draft) {
                (Some(written), SchemaDraft::ContactAttribute(wanted)) => {
                    self.grow(written, wanted, &mut left).await
                }
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
