//! Whoever a conversation is by may be gone from Intercom: merged into another contact, who then speaks in
//! their place, or archived or deleted, which is waited for.

use chrono::DateTime;
use intercom_client::{ContactId, ConversationId, Error, Executed, NewConversation, Reply};
use migrate_core::{Outcome, TargetId, Write};

use crate::draft::ConversationDraft;
use crate::queue;

use super::conversations::{ConversationSink, WriteError, newest};
use super::failure::failure_of;

/// Contacts that were merged one into the other are followed so far.
const MERGES: usize = 5;

/// How a contact stands in whose name something is to be said.
enum Author {
    There,
    MergedInto(TargetId),
    Gone,
}

impl ConversationSink {
    /// Says what a draft says in the name of a contact: it opens a conversation, or adds to the one with
    /// this id. Intercom tells only by a refusal that the contact is gone, and then it is looked for.
    pub(super) async fn say_as(
        &self,
        contact: &TargetId,
        id: Option<&ConversationId>,
        write: &Write<ConversationDraft>,
    ) -> Result<TargetId, WriteError> {
        let waits_for = write.waited_for.as_ref().and_then(|reason| reason.object.as_deref());
        let refused = match waits_for == Some(contact.as_str()) {
            // It was gone when this was last tried.
            true => None,
            false => match self.say(contact, id, &write.draft).await {
                Err(error) if is_gone(&error) => Some(error),
                said => return Ok(said?),
            },
        };
        let author = self.author(contact).await;
        let author = author.map_err(|error| Outcome::Failed(failure_of(&error)));
        match (author.map_err(WriteError::Outcome)?, refused) {
            (Author::There, Some(error)) => Err(error.into()),
            (Author::There, None) => Ok(self.say(contact, id, &write.draft).await?),
            (Author::MergedInto(heir), _) => Ok(self.say(&heir, id, &write.draft).await?),
            (Author::Gone, _) => {
                let reason = queue::author_gone().object(contact.as_str());
                Err(WriteError::Outcome(Outcome::Queued(reason)))
            }
        }
    }

    async fn say(
        &self,
        contact: &TargetId,
        id: Option<&ConversationId>,
        draft: &ConversationDraft,
    ) -> Result<TargetId, Error> {
        let conversations = self.workspace.client.conversations();
        let author = ContactId::new(contact.as_str());
        match (draft, id) {
            (ConversationDraft::Message { created_at, body, .. }, Some(id)) => {
                let mut reply = Reply::contact(author, body);
                if let Some(at) = DateTime::from_timestamp(*created_at, 0) {
                    reply = reply.created_at(at);
                }
                let now = conversations.reply(id, reply).await?;
                let whole = || TargetId::new(id.as_str());
                Ok(newest(&now, contact.as_str(), body).unwrap_or_else(whole))
            }
            (ConversationDraft::Opening { created_at, body, .. }, _) => {
                // Of the types that the vendor lists, this one fits users and leads.
                let mut new = NewConversation::from_contact(author, body);
                if let Some(at) = DateTime::from_timestamp(*created_at, 0) {
                    new = new.created_at(at);
                }
                let made = conversations.create(&new).await?;
                Ok(TargetId::new(made.conversation_id.as_str()))
            }
            // Nothing else is said by contacts.
            _ => Ok(contact.clone()),
        }
    }

    /// In whose names something may stand that was said in the name of a contact.
    pub(super) async fn authors(&self, contact: &TargetId) -> Result<Vec<TargetId>, Error> {
        Ok(match self.author(contact).await? {
            Author::MergedInto(heir) => vec![contact.clone(), heir],
            Author::There | Author::Gone => vec![contact.clone()],
        })
    }

    async fn author(&self, contact: &TargetId) -> Result<Author, Error> {
        let mut id = ContactId::new(contact.as_str());
        for _ in 0..MERGES {
            match self.workspace.client.contacts().get(&id).await {
                Ok(_) if id.as_str() == contact.as_str() => return Ok(Author::There),
                Ok(_) => return Ok(Author::MergedInto(TargetId::new(id.as_str()))),
                Err(error) => match error.contact_merged_into() {
                    Some(heir) => id = heir,
                    None if is_gone(&error) => return Ok(Author::Gone),
                    None => return Err(error),
                },
            }
        }
        Ok(Author::Gone)
    }
}

/// Does a refusal say that something is not there, or not any more? A merged contact is documented to answer
/// 410 where it is read, and elsewhere 404.
fn is_gone(error: &Error) -> bool {
    let is_gone = error.is_not_found() || error.status().is_some_and(|status| status == 410);
    is_gone && error.executed() == Executed::No
}
