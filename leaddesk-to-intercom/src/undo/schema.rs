//! Attributes and tags: archived, deleted unless somebody else uses them, or what is left holds them.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use intercom_client::{
    Code, ConversationAttributeId, DataAttributeId, Error, Model, Query, TagId, UpdateDataAttribute,
};
use migrate_core::{
    Failure, Key, Limits, Made, Reason, Remains, Stands, TakenBack, TargetId, Undo,
};
use tokio::sync::Mutex;

use crate::sink::{Workspace, failure_of_write, left, or_gone, read_failure, still_there};
use crate::stage;

use super::held::{Held, in_use_yet};
use super::{archive_only, is_marked};

/// Takes attributes and tags back.
#[derive(Clone)]
pub struct SchemaUndo {
    workspace: Workspace,
    /// What the external ids of this migration's contacts begin with, colon included.
    prefix: String,
    held: Arc<Mutex<Option<HeldBy>>>,
}

/// What is held by the records that a rollback has left, with one of its writes.
type HeldBy = (Made, Arc<Held>);

impl std::fmt::Debug for SchemaUndo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchemaUndo").finish_non_exhaustive()
    }
}

/// What is looked at: by the key of the record.
enum Kind {
    Contact,
    Conversation,
    Tag,
}

fn kind(key: &Key) -> Kind {
    match key.kind() {
        "tag" => Kind::Tag,
        _ if key.id().starts_with("conversation.") => Kind::Conversation,
        _ => Kind::Contact,
    }
}

impl SchemaUndo {
    /// For the attributes and tags of a workspace, of a migration with this prefix of keys.
    pub fn new(workspace: Workspace, key_prefix: &str) -> Self {
        Self { workspace, prefix: format!("{key_prefix}:"), held: Arc::default() }
    }

    async fn contact_attribute(&self, made: &Made) -> Result<Stands, Failure> {
        let (target, client) = (made.written.target.as_str(), &self.workspace.client);
        let listed = client.data_attributes().list(Model::Contact, true).await;
        let listed = listed.map_err(|error| read_failure(&error))?;
        let is_it =
            |id: &Option<DataAttributeId>| id.as_ref().is_some_and(|id| id.as_str() == target);
        let Some(found) = listed.into_iter().find(|it| is_it(&it.id)) else {
            return Ok(Stands::Gone);
        };
        Ok(match found.archived {
            Some(true) => Stands::Archived(Remains::new(found.name, archive_only())),
            _ if made.is_as_left(&left::contact_attribute(&found)) == Some(false) => {
                Stands::changed(["description, type or choices"])
            }
            _ if self.held(made).await?.contact_attributes.contains(&found.name) => in_use_yet(),
            _ => Stands::Archivable(Remains::new(found.name, archive_only())),
        })
    }

    async fn conversation_attribute(&self, made: &Made) -> Result<Stands, Failure> {
        let id = ConversationAttributeId::new(made.written.target.as_str());
        let found = or_gone(self.workspace.client.conversation_attributes().get(&id).await);
        let found = found.map_err(|error| read_failure(&error))?;
        let Some(found) = found else { return Ok(Stands::Gone) };
        Ok(match found.archived {
            Some(true) => Stands::Archived(Remains::new(found.name, archive_only())),
            _ if made.is_as_left(&left::conversation_attribute(&found)) == Some(false) => {
                Stands::changed(["name, description or choices"])
            }
            _ if self.held(made).await?.conversation_attributes.contains(&found.name) => {
                in_use_yet()
            }
            _ => Stands::Archivable(Remains::new(found.name, archive_only())),
        })
    }

    async fn tag(&self, made: &Made) -> Result<Stands, Failure> {
        let read = |error: Error| read_failure(&error);
        let (client, target) = (&self.workspace.client, &made.written.target);
        let tags = client.tags().list().await.map_err(read)?;
        if !tags.iter().any(|tag| tag.id.as_str() == target.as_str()) {
            return Ok(Stands::Gone);
        }
        let held = self.held(made).await?;
        if held.tags.contains(target.as_str()) {
            return Ok(in_use_yet());
        }
        let mut contacts = client.contacts().search(Query::eq("tag_id", target.as_str())).items();
        while let Some(contact) = contacts.next().await {
            let contact = contact.map_err(read)?;
            let id = TargetId::new(contact.id.as_str());
            let external_id = contact.external_id.as_ref().map(|id| id.reveal().as_str());
            let is_ours = external_id.is_some_and(|id| id.starts_with(&self.prefix));
            let people_go = made.goes_with(stage::CONTACTS) && made.goes_with(stage::LEADS);
            if made.dry_run && people_go && held.is_taken_off(&id, target) {
                continue;
            }
            if !made.is_held_by(&id, is_ours) {
                continue;
            }
            // The index may show what is gone already.
            let tags = or_gone(client.contacts().tags(&contact.id).await).map_err(read)?;
            let has = |tag: &intercom_client::Tag| tag.id.as_str() == target.as_str();
            if tags.unwrap_or_default().iter().any(has) {
                return Ok(Stands::added("it to contacts"));
            }
        }
        let query = Query::eq("tag_ids", target.as_str());
        let mut conversations = client.conversations().search(query).items();
        while let Some(shown) = conversations.next().await {
            let shown = shown.map_err(read)?;
            if !made.is_held_by(&TargetId::new(shown.id.as_str()), is_marked(&shown)) {
                continue;
            }
            let found = still_there(client, &shown.id).await.map_err(read)?;
            let has = |tag: &intercom_client::Tag| tag.id.as_str() == target.as_str();
            if found.is_some_and(|found| found.tags.iter().any(has)) {
                return Ok(Stands::added("it to conversations"));
            }
        }
        Ok(Stands::AsLeft)
    }

    /// What is held by the records that this rollback has left, read once: they are dealt with before
    /// their attributes and tags.
    async fn held(&self, made: &Made) -> Result<Arc<Held>, Failure> {
        let mut known = self.held.lock().await;
        if let Some((of, held)) = &*known
            && made.is_of_same_rollback(of)
        {
            return Ok(held.clone());
        }
        let held = Arc::new(Held::read(&self.workspace, made).await?);
        *known = Some((made.clone(), held.clone()));
        Ok(held)
    }
}

fn in_use(made: &Made) -> Remains {
    let reason = Reason::new("in_use", "something such as a segment in Intercom uses the tag")
        .remedy("Intercom admin", "take it out of there, then roll back again");
    Remains::new(made.key.id(), reason)
}

#[async_trait]
impl Undo for SchemaUndo {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        match kind(&made.key) {
            Kind::Contact => self.contact_attribute(made).await,
            Kind::Conversation => self.conversation_attribute(made).await,
            Kind::Tag => self.tag(made).await,
        }
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        let (client, target) = (&self.workspace.client, made.written.target.as_str());
        let done = match kind(&made.key) {
            Kind::Contact => {
                let change = UpdateDataAttribute::new().archived(true);
                let id = DataAttributeId::new(target);
                client.data_attributes().update(&id, &change).await.map(drop)
            }
            Kind::Conversation => {
                let id = ConversationAttributeId::new(target);
                client.conversation_attributes().archive(&id).await.map(drop)
            }
            Kind::Tag => client.tags().delete(&TagId::new(target)).await,
        };
        match done {
            Err(error) if error.code() == Some(Code::TagHasDependentObjects) => {
                Ok(TakenBack::Impossible(in_use(made)))
            }
            Err(error) if !error.is_not_found() => Err(failure_of_write(&error)),
            _ => Ok(TakenBack::Done),
        }
    }

    /// One after the other: each asks what uses it, and there are few of them.
    fn limits(&self) -> Limits {
        Limits::one_by_one(4)
    }
}
