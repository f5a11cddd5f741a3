//! What is written once more in a conversation that people may have gone on with: what they have made of
//! it since is left to them.

use intercom_client::{AuthorType, Conversation, ConversationId, Error, Part, PartType, State};
use migrate_core::ledger::Written;
use migrate_core::{Fingerprint, TargetId, Write};

use crate::draft::ConversationDraft;

use super::contacts::CLOCK_SKEW;
use super::conversations::{ConversationSink, WriteError};
use super::{left, not_kept};

impl ConversationSink {
    /// Is this written for a second time, and not to be written? An assignment, where somebody else
    /// has assigned the conversation since; a close, where it is closed, or people have gone on.
    pub(super) async fn is_left_alone(
        &self,
        id: &ConversationId,
        write: &Write<ConversationDraft>,
    ) -> Result<bool, WriteError> {
        let Some(known) = &write.known_as else { return Ok(false) };
        match &write.draft {
            ConversationDraft::Assign { team, .. } => {
                let found = self.read(id).await?;
                let now = Fingerprint::of(&left::assignee(&found, *team));
                let nobody = Fingerprint::of(&left::unassigned(*team));
                Ok(now != nobody && known.state.is_some_and(|state| state != now))
            }
            ConversationDraft::Close => {
                let found = self.read(id).await?;
                if found.state == Some(State::Closed) {
                    return Ok(true);
                }
                let entries = self.workspace.ledger.entries(&[write.key.root()]).await;
                let entries = entries.map_err(|error| WriteError::Outcome(not_kept(&error)))?;
                let parts = entries.into_iter().flatten().flat_map(|entry| entry.parts);
                let ours: Vec<TargetId> = parts
                    .filter_map(|part| part.state.written().map(|written| written.target.clone()))
                    .collect();
                Ok(has_gone_on(&found, known, &ours))
            }
            _ => Ok(false),
        }
    }

    /// Adds something. Where people have changed attributes that are written once more, the digest of what
    /// was left before is kept, so that their change goes on to show.
    pub(super) async fn add_once_more(
        &self,
        id: &ConversationId,
        draft: &ConversationDraft,
        write: &Write<ConversationDraft>,
        left: &mut Option<Fingerprint>,
    ) -> Result<TargetId, WriteError> {
        let known = write.known_as.as_ref().and_then(|known| known.state);
        let known = known.filter(|_| matches!(draft, ConversationDraft::Attributes(_)));
        let is_edited = match known {
            Some(known) => {
                let found = self.read(id).await?;
                let ours = &self.workspace.conversation_attributes;
                known != Fingerprint::of(&left::attributes(&found.custom_attributes, ours))
            }
            None => false,
        };
        let added = self.add(id, draft, &write.resolved, left).await?;
        if is_edited {
            *left = known;
        }
        Ok(added)
    }

    async fn read(&self, id: &ConversationId) -> Result<Conversation, Error> {
        self.workspace.client.conversations().get(id).await
    }
}

/// Has anybody said anything since the migration last closed a conversation, or opened it again?
fn has_gone_on(found: &Conversation, closed: &Written, ours: &[TargetId]) -> bool {
    let is_new = |part: &&Part| part.created_at.is_some_and(|at| at + CLOCK_SKEW >= closed.at);
    let is_ours = |part: &Part| ours.iter().any(|id| id.as_str() == part.id.as_str());
    let by_admin = |part: &Part| {
        part.author.as_ref().and_then(|author| author.kind.as_ref()) == Some(&AuthorType::Admin)
    };
    let says = |part: &Part| part.body.as_ref().is_some_and(|body| !body.reveal().is_empty());
    let others = found.parts().iter().filter(is_new).filter(|part| !is_ours(part));
    let mut doings = others.filter(|part| {
        let opens_or_closes = matches!(part.part_type, Some(PartType::Open | PartType::Close));
        says(part) || (opens_or_closes && by_admin(part))
    });
    // Whoever has closed it in the end is done with it.
    doings.next_back().is_some_and(|last| last.part_type != Some(PartType::Close))
}
