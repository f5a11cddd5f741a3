//! Conversations: what one should have become against what Intercom gives back.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use intercom_client::{Conversation, ConversationId, Error, Part, State, text};
use migrate_core::ledger::LedgerError;
use migrate_core::{
    Doubt, Draft as _, Evidence, Failure, Found, Key, Limits, Name, Sink, TargetId, Write,
};

use crate::draft::ConversationDraft;
use crate::sink::read_failure;

use super::{IN_FLIGHT, KEPT, Verifier, answer, ledger_failed, same_value};

impl Verifier {
    async fn conversation(
        &self,
        root: &Key,
        target: &TargetId,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        if let Some(found) = self.lock().conversations.get(root) {
            return Ok(found.clone());
        }
        let id = ConversationId::new(target.as_str());
        let fetched = match self.client.conversations().get(&id).await {
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
            Ok(conversation) => Some(Arc::new(conversation)),
        };
        let mut state = self.lock();
        if state.conversations.len() >= KEPT {
            state.conversations.clear();
        }
        state.conversations.insert(root.clone(), fetched.clone());
        Ok(fetched)
    }

    async fn compare_conversation(
        &self,
        write: &Write<ConversationDraft>,
    ) -> Result<TargetId, Failure> {
        let root = write.key.root();
        let unknown = TargetId::new(write.key.as_str());
        let Some(entry) = self.entry(&root).await.map_err(|error| ledger_failed(&error))? else {
            return Ok(unknown);
        };
        let Some(target) = entry.target.clone().filter(|_| self.wants(&root)) else {
            return Ok(unknown);
        };
        self.checked(&root);
        let read = self.conversation(&root, &target).await;
        let Some(found) = read.map_err(|error| read_failure(&error))? else {
            if write.key == root {
                self.mismatch(&root, "conversation", "missing");
            }
            return Ok(target);
        };
        match &write.draft {
            ConversationDraft::Speaker { .. } => {}
            ConversationDraft::Opening { contact, created_at, body, .. } => {
                let created = found.created_at.map(|time| time.timestamp());
                if created != Some(*created_at) {
                    self.differs(&root, "created_at", created.is_some());
                }
                let source = found.source.as_ref();
                let said = source.and_then(|source| source.body.as_ref());
                let same = said.is_some_and(|said| text::same(said.reveal(), body));
                if !same && correction(&found, &write.draft).is_none() {
                    self.differs(&root, "body", said.is_some());
                }
                // In the scratch ledger a contact's object is named by the record's own key.
                let wanted = match write.resolved.first(contact) {
                    Some(key) => {
                        self.target_of(key).await.map_err(|error| ledger_failed(&error))?
                    }
                    None => None,
                };
                let author = source.and_then(|source| source.author.as_ref());
                let author = author.and_then(|author| author.id.as_deref());
                if author != wanted.as_ref().map(TargetId::as_str) {
                    self.differs(&root, "author", author.is_some());
                }
            }
            ConversationDraft::Remark { agent, created_at, body, .. } => {
                let agent = self.teammate(agent).await.map_err(|error| ledger_failed(&error))?;
                let original = saying(&found, body);
                let part = original.or_else(|| correction(&found, &write.draft));
                let field = write.key.part_name().unwrap_or("remark");
                match part {
                    None => self.mismatch(&root, field, "lost"),
                    Some(part) => {
                        if part.created_at.map(|at| at.timestamp()) != Some(*created_at) {
                            self.mismatch(&root, &format!("{field} created_at"), "altered");
                        }
                        let author = part.author.as_ref().and_then(|author| author.id.as_deref());
                        let admin = self.admin.as_str();
                        // Corrections are written by the fallback admin.
                        let agent = agent.filter(|_| original.is_some());
                        if author != Some(agent.as_ref().map_or(admin, TargetId::as_str)) {
                            self.differs(&root, &format!("{field} author"), author.is_some());
                        }
                    }
                }
            }
            ConversationDraft::Attributes(wanted) => {
                for (name, wanted) in wanted {
                    let found = found.custom_attributes.get(name.as_str());
                    let found = found.filter(|value| !value.is_null());
                    if !found.is_some_and(|found| same_value(found, wanted)) {
                        self.differs(&root, name, found.is_some());
                    }
                }
            }
            ConversationDraft::Tag(name) => {
                let is_it = |known: &str| known.eq_ignore_ascii_case(name);
                let names = found.tags.iter().filter_map(|tag| tag.name.as_deref());
                if !names.into_iter().any(is_it) {
                    self.mismatch(&root, &format!("tag {name}"), "lost");
                }
            }
            ConversationDraft::Close => {
                if found.state != Some(State::Closed) {
                    self.mismatch(&root, "state", "altered");
                }
            }
        }
        Ok(target)
    }

    /// The teammate whom an agent was matched with: what the migration's own ledger says.
    async fn teammate(&self, agent: &[Name]) -> Result<Option<TargetId>, LedgerError> {
        for name in agent {
            let entries = match name {
                Name::Key(key) => self.ledger.entries(std::slice::from_ref(key)).await?,
                Name::Alias(alias) => {
                    let known = self.ledger.known_as(std::slice::from_ref(alias)).await?;
                    known.into_iter().flatten().map(Some).collect()
                }
                _ => continue,
            };
            let in_place = entries.into_iter().flatten().filter(|entry| entry.fate.is_in_place());
            let found: BTreeSet<TargetId> = in_place.filter_map(|entry| entry.target).collect();
            // As when it was written: a name that several share points at none of them.
            if let (1, Some(only)) = (found.len(), found.first()) {
                return Ok(Some(only.clone()));
            }
        }
        Ok(None)
    }

    async fn target_of(&self, scratch: &TargetId) -> Result<Option<TargetId>, LedgerError> {
        let key = Key::from(scratch.as_str());
        Ok(self.entry(&key).await?.and_then(|entry| entry.target))
    }
}

/// The part of a conversation that says this.
fn saying<'a>(found: &'a Conversation, body: &str) -> Option<&'a Part> {
    let says = |part: &&Part| part.body.as_ref().is_some_and(|it| text::same(it.reveal(), body));
    found.parts().iter().find(says)
}

/// The note that corrects a text which has changed since it was written: no text can be edited.
fn correction<'a>(found: &'a Conversation, draft: &ConversationDraft) -> Option<&'a Part> {
    match draft.correction()? {
        ConversationDraft::Remark { body, .. } => saying(found, &body),
        _ => None,
    }
}

#[async_trait]
impl Sink<ConversationDraft> for Verifier {
    async fn write(&self, batch: Vec<Write<ConversationDraft>>) {
        for write in batch {
            let compared = self.compare_conversation(&write).await;
            answer(write, compared);
        }
    }

    async fn find(&self, _: &Doubt<ConversationDraft>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(IN_FLIGHT)
    }
}
