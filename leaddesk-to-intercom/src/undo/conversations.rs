//! Conversations: deleted whole, unless people have added to them.

use std::collections::BTreeSet;

use async_trait::async_trait;
use intercom_client::{AuthorType, Conversation, ConversationId, Part, PartType, State};
use migrate_core::ledger::{Entry, LedgerError};
use migrate_core::{Failure, FailureKind, Limits, Made, Reason, Stands, TakenBack, Undo};

use crate::sink::{Workspace, failure_of_write, left, or_gone, read_failure};

use super::{is_tag, is_untouched_since, parts};

/// Takes conversations back.
#[derive(Clone, Debug)]
pub struct ConversationUndo {
    workspace: Workspace,
}

impl ConversationUndo {
    /// For the conversations of a workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self { workspace }
    }

    /// What people have made of a conversation since.
    fn compare(&self, made: &Made, entry: Option<&Entry>, found: &Conversation) -> Stands {
        let unknown = |it: &&Part| !made.is_own_part(it.id.as_str());
        let said = |it: &&Part| {
            let text = it.body.as_ref().is_some_and(|body| !body.reveal().is_empty());
            text || !it.attachments.is_empty()
        };
        // A remark that its reply did not show has the conversation's own id.
        let unseen = parts(made, says).filter(|id| *id == made.written.target.as_str()).count();
        let others = found.parts().iter().filter(said).filter(unknown).count();
        if others > unseen {
            return Stands::added("replies or notes");
        }
        if found.parts_are_cut() {
            return Stands::Added(cannot_tell());
        }
        let mut doings = found.parts().iter().filter(|part| is_a_teammates_doing(part));
        // Ours is one by the admin who writes for the migration.
        let assigned = parts(made, |name| name == ASSIGN).next().is_some();
        let by_us = |part: &&Part| {
            let author = part.author.as_ref().and_then(|author| author.id.as_deref());
            part.part_type == Some(PartType::Assignment)
                && author == Some(self.workspace.admin.as_str())
        };
        let own = found.parts().iter().find(by_us).filter(|_| assigned).map(|part| &part.id);
        if doings.any(|part| Some(&part.id) != own) {
            return Stands::added("assignments");
        }
        if found.contacts.len() > 1 {
            return Stands::added("participants");
        }
        let own = |id: &str| parts(made, is_tag).any(|own| own == id);
        if found.tags.iter().any(|tag| !own(tag.id.as_str())) {
            return Stands::added("tags");
        }
        if found.linked_count.is_some_and(|links| links > 0) {
            return Stands::added("links to tickets or conversations");
        }
        let ours = &self.workspace.conversation_attributes;
        if found.parts().iter().any(|part| has_filled_another(part, found, ours)) {
            return Stands::added("values of other attributes");
        }
        let closed = parts(made, |name| name == "close").next().is_some();
        if closed && found.state.as_ref().is_some_and(|state| *state != State::Closed) {
            return Stands::changed(["state"]);
        }
        if found.title.as_ref().is_some_and(|title| !title.reveal().is_empty()) {
            return Stands::changed(["title"]);
        }
        let key = made.key.part("attributes");
        let Some(written) = entry.and_then(|entry| entry.written(&key)) else {
            return Stands::AsLeft;
        };
        let now = left::attributes(&found.custom_attributes, ours);
        let as_left = match written.state {
            Some(state) => state == migrate_core::Fingerprint::of(&now),
            None => {
                let last = entry.into_iter().flat_map(|entry| &entry.parts);
                let last = last.filter_map(|part| part.state.written()).map(|it| it.at).max();
                is_untouched_since(found.updated_at, last.unwrap_or(written.at))
            }
        };
        if as_left { Stands::AsLeft } else { Stands::changed(["custom_attributes"]) }
    }
}

/// The name of the part that assigns a conversation.
const ASSIGN: &str = "assign";

/// Does the part of this name say something in the conversation?
fn says(part: &str) -> bool {
    let silent = ["tag", "attributes", ASSIGN, "caller", "close", "speaker"];
    let kind = part.split(':').next().unwrap_or_default();
    // A teammate says something only where another has spoken for them.
    !silent.contains(&kind) && (kind != "teammate" || part.contains('+'))
}

/// Of a long conversation Intercom shows the latest parts alone.
fn cannot_tell() -> Reason {
    let message = "Intercom shows the 500 latest parts alone, so nobody can tell whether people have \
                   added to it";
    Reason::new("too_long_to_tell", message)
        .remedy("Intercom admin", "look at it, and remove it by hand")
}

/// What only a teammate does: rules and bots assign as well, and nobody else snoozes.
fn is_a_teammates_doing(part: &Part) -> bool {
    let by_admin = part.author.as_ref().and_then(|author| author.kind.as_ref());
    by_admin == Some(&AuthorType::Admin)
        && matches!(part.part_type, Some(PartType::Assignment | PartType::Open | PartType::Snoozed))
}

/// Does this event say that a person has filled an attribute that is not this migration's, and has it
/// a value yet? Workflows fill attributes by themselves.
fn has_filled_another(part: &Part, found: &Conversation, ours: &BTreeSet<String>) -> bool {
    let by_people = [PartType::AttributeByAdmin, PartType::AttributeByUser];
    let changed = part.changed_attribute().filter(|name| !ours.contains(*name));
    let now = changed.and_then(|name| found.custom_attributes.get(name));
    let is_filled = now.is_some_and(|value| !left::is_empty(value));
    is_filled && part.part_type.as_ref().is_some_and(|kind| by_people.contains(kind))
}

pub(super) fn not_read(error: &LedgerError) -> Failure {
    Failure::new(FailureKind::NotDone, format!("the ledger could not be read: {error}"))
}

#[async_trait]
impl Undo for ConversationUndo {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        if made.key.part_name().is_some() {
            // Parts are left only where the conversation itself is gone.
            return Ok(Stands::Gone);
        }
        let id = ConversationId::new(made.written.target.as_str());
        let found = or_gone(self.workspace.client.conversations().get(&id).await);
        let Some(found) = found.map_err(|error| read_failure(&error))? else {
            return Ok(Stands::Gone);
        };
        let entry = self.workspace.ledger.entries(std::slice::from_ref(&made.key)).await;
        let entry = entry.map_err(|error| not_read(&error))?.into_iter().flatten().next();
        Ok(self.compare(made, entry.as_ref(), &found))
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        let id = ConversationId::new(made.written.target.as_str());
        match self.workspace.client.conversations().delete(&id).await {
            Err(error) if !error.is_not_found() => Err(failure_of_write(&error)),
            _ => Ok(TakenBack::Done),
        }
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(self.workspace.in_flight)
    }
}
