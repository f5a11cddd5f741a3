//! What is written once more in a conversation that people may have gone on with: what they have made of
//! it since is left to them.

use intercom_client::{
    AuthorType, Conversation, ConversationId, Error, Part, PartType, State, UpdateConversation,
};
use migrate_core::ledger::Written;
use migrate_core::{Fingerprint, Outcome, TargetId, Write};

use crate::draft::{Attributes, ConversationDraft};

use super::contacts::CLOCK_SKEW;
use super::conversations::{ConversationSink, WriteError};
use super::ours::{self, Left};
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

    /// Sets attributes; those that people have changed since they were last set are left to them.
    pub(super) async fn set(
        &self,
        id: &ConversationId,
        values: &Attributes,
        write: &Write<ConversationDraft>,
        left: &mut Left,
    ) -> Result<TargetId, WriteError> {
        let names = &self.workspace.conversation_attributes;
        let whole = TargetId::new(id.as_str());
        let (mut values, mut edited) = (values.clone(), None);
        let mut kept = None;
        if let Some(known) = &write.known_as {
            let before = self.workspace.ledger.before(&write.key).await;
            kept = before.map_err(|error| WriteError::Outcome(not_kept(&error)))?;
            let found = self.read(id).await?.custom_attributes;
            let stands = Fingerprint::of(&left::attributes(&found, names));
            if known.state.map_or(kept.is_some(), |state| state != stands) {
                let now = left::own_values(&found, names);
                (values, left.held_back) = ours::beside_people(kept.as_ref(), &now, values);
                // Their change goes on to show, in a rollback as well.
                edited = Some(known.state);
            }
        }
        if let (true, Some(state)) = (values.is_empty(), edited) {
            left.state = state;
            return Err(WriteError::Outcome(Outcome::Unchanged(whole)));
        }
        let change = values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let change = UpdateConversation::new().custom_attributes(change);
        let found = self.workspace.client.conversations().update(id, &change).await?;
        let now = left::own_values(&found.custom_attributes, names);
        (left.state, left.ours) = match edited {
            Some(state) => (state, Some(ours::after(kept.as_ref(), &now, &values))),
            None => {
                let stands = left::attributes(&found.custom_attributes, names);
                (Some(Fingerprint::of(&stands)), Some(ours::all(&now)))
            }
        };
        Ok(whole)
    }

    async fn read(&self, id: &ConversationId) -> Result<Conversation, Error> {
        self.workspace.client.conversations().get(id).await
    }
}

/// Has anybody said anything since the migration last closed a conversation, or opened it again?
fn has_gone_on(found: &Conversation, closed: &Written, ours: &[TargetId]) -> bool {
    let is_new = |part: &&Part| part.created_at.is_some_and(|at| at + CLOCK_SKEW >= closed.at);
    let is_ours = |part: &Part| ours.iter().any(|id| id.as_str() == part.id.as_str());
    let by_admin = |part: &Part| author_of(part) == Some(&AuthorType::Admin);
    // Workflows answer whatever comes in, the migration's own messages as well.
    let by_bot = |part: &Part| author_of(part) == Some(&AuthorType::Bot);
    let says = |part: &Part| part.body.as_ref().is_some_and(|body| !body.reveal().is_empty());
    let others = found.parts().iter().filter(is_new).filter(|part| !is_ours(part));
    let mut doings = others.filter(|part| {
        let opens_or_closes = matches!(part.part_type, Some(PartType::Open | PartType::Close));
        (says(part) && !by_bot(part)) || (opens_or_closes && by_admin(part))
    });
    // Whoever has closed it in the end is done with it.
    doings.next_back().is_some_and(|last| last.part_type != Some(PartType::Close))
}

fn author_of(part: &Part) -> Option<&AuthorType> {
    part.author.as_ref().and_then(|author| author.kind.as_ref())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use migrate_core::ledger::How;
    use serde_json::json;

    use super::*;

    /// What a bot or a workflow says to the migration's own messages keeps nothing open.
    #[test]
    fn people_go_on_and_bots_do_not() {
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let target = TargetId::new("7");
        let closed = Written::new(target.clone(), Fingerprint::of(b""), How::Created, at);
        for (author, goes_on) in [("bot", false), ("user", true), ("lead", true), ("admin", true)] {
            let part = json!({
                "type": "conversation_part", "id": "9", "part_type": "comment", "body": "<p>Hi</p>",
                "created_at": at.timestamp() + 90, "author": {"type": author, "id": "1"},
            });
            let parts = json!({"conversation_parts": [part], "total_count": 1});
            let found = json!({"type": "conversation", "id": "7", "conversation_parts": parts});
            let found: Conversation = serde_json::from_value(found).unwrap();
            assert_eq!(has_gone_on(&found, &closed, &[]), goes_on, "{author}");
        }
    }
}
