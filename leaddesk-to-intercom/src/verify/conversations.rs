//! Conversations: what one should have become against what Intercom gives back.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use intercom_client::{AdminId, Conversation, ConversationId, Error, Part, State, text};
use migrate_core::{
    Check, Draft as _, Failure, Field, Fingerprint, Limits, Name, Normal, ReadBack, Snapshot,
    TargetId, Verify,
};

use crate::draft::{CLAIM, ConversationDraft, bot};
use crate::sink::{left, read_failure};

use super::contacts::own_fields;
use super::{IN_FLIGHT, KEPT, Verifier, attribute, is_there};

impl Verifier {
    /// The conversation of a record, read once; `None` if it is gone.
    async fn conversation(&self, target: &TargetId) -> Result<Option<Arc<Conversation>>, Error> {
        if let Some(found) = self.lock().conversations.get(target) {
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
        state.conversations.insert(target.clone(), fetched.clone());
        Ok(fetched)
    }
}

/// Who speaks for others.
struct Speakers<'a> {
    /// For agents without a teammate.
    admin: &'a AdminId,
    /// For the chatbot.
    bot: &'a AdminId,
    /// The attributes of conversations that the migration writes.
    attributes: &'a BTreeSet<String>,
}

/// What stands where a draft was written.
fn stands(
    check: &Check<ConversationDraft>,
    found: &Conversation,
    speakers: &Speakers<'_>,
) -> ReadBack {
    let fields = match &check.draft {
        // A caller is no conversation, and is read as the contact that it is.
        ConversationDraft::Caller(_)
        | ConversationDraft::Speaker { .. }
        | ConversationDraft::Teammate { .. } => Vec::new(),
        ConversationDraft::Opening { contact, created_at, body, .. } => {
            let source = found.source.as_ref();
            let said = source.and_then(|source| source.body.as_ref());
            let said = match correction(found, &check.draft) {
                Some(_) => Some(body.clone()),
                None => said.map(|said| said.reveal().clone()),
            };
            let author = source.and_then(|source| source.author.as_ref());
            let author = author.and_then(|author| author.id.clone());
            let wanted = wanted(&contacts(check, contact), author.as_deref());
            vec![
                Field::new("created_at", *created_at, found.created_at.map(|at| at.timestamp())),
                Field::new("body", body.as_str(), said).by(Normal::exact().or_same(text::same)),
                Field::new("author", wanted, author.as_deref()),
            ]
        }
        ConversationDraft::Remark { agent, created_at, body, .. } => {
            let stands_in = if agent[..] == [bot()] { speakers.bot } else { speakers.admin };
            let own = check.resolved.first(agent).map_or(stands_in.as_str(), TargetId::as_str);
            // Who became a teammate later has said so.
            let claimed = found.parts().iter().filter(|part| says(part, CLAIM));
            let claimed = claimed.map(author_of).any(|author| author == Some(own));
            let stands_in = claimed.then_some(stands_in.as_str());
            let authors: Vec<&str> = std::iter::once(own).chain(stands_in).collect();
            return said(check, found, body, *created_at, &authors, speakers);
        }
        ConversationDraft::Message { contact, created_at, body } => {
            return said(check, found, body, *created_at, &contacts(check, contact), speakers);
        }
        ConversationDraft::Attributes(wanted) => {
            let there = &found.custom_attributes;
            let compared = wanted.iter();
            let fields = compared.map(|(name, it)| attribute(name, it, there.get(name.as_str())));
            let snapshot = Snapshot::of(fields).changed_at(found.updated_at);
            if speakers.attributes.is_empty() {
                return snapshot.into();
            }
            // Taken as the sink did, so that an edit is told from whatever else goes on there.
            let stands = left::attributes(there, speakers.attributes);
            return snapshot.state(Fingerprint::of(&stands)).into();
        }
        ConversationDraft::Tag(name) => {
            vec![is_there(format!("tag {name}"), has_tag(found, name))]
        }
        ConversationDraft::Assign { team, to } => {
            let Some(wanted) = check.resolved.first(to) else {
                return Snapshot::default().into();
            };
            let found = match team {
                true => found.team_assignee_id.as_ref().map(|id| id.as_str().to_owned()),
                false => found.admin_assignee_id.as_ref().map(|id| id.as_str().to_owned()),
            };
            vec![Field::new("assignee", wanted.as_str(), found)]
        }
        ConversationDraft::Close => {
            let state = if found.state == Some(State::Closed) { "closed" } else { "open" };
            vec![Field::new("state", "closed", state)]
        }
    };
    snapshot(fields, found)
}

fn snapshot(fields: Vec<Field>, found: &Conversation) -> ReadBack {
    Snapshot::of(fields).changed_at(found.updated_at).into()
}

/// Has a conversation the tag of this name? Intercom compares names without case.
fn has_tag(found: &Conversation, name: &str) -> bool {
    let mut names = found.tags.iter().filter_map(|tag| tag.name.as_deref());
    names.any(|known| known.to_lowercase() == name.to_lowercase())
}

/// The contacts who may be the author, the first rather than the others: a number that was a lead's
/// when the conversation was opened may be a contact's by now.
fn contacts<'a>(check: &'a Check<ConversationDraft>, names: &[Name]) -> Vec<&'a str> {
    names.iter().filter_map(|name| check.resolved.get(name)).map(TargetId::as_str).collect()
}

/// Who should have written what one of these has written, or somebody else.
fn wanted<'a>(authors: &[&'a str], wrote: Option<&str>) -> Option<&'a str> {
    let own = authors.iter().find(|author| Some(**author) == wrote);
    own.or_else(|| authors.first()).copied()
}

/// What stands where somebody said something.
///
/// The ledger knows which part it became, so that of two that say the same in the same second each is
/// missed when it is gone. A part that it does not know, or that is another's, stands for none.
fn said(
    check: &Check<ConversationDraft>,
    found: &Conversation,
    body: &str,
    created_at: i64,
    authors: &[&str],
    speakers: &Speakers<'_>,
) -> ReadBack {
    let field = check.key.part_name().unwrap_or("remark");
    // Where the reply did not show which part was made, the ledger has the conversation's own id.
    let own = check.written.as_ref().map(|it| &it.target).filter(|own| **own != check.object);
    let own_part = found.parts().iter().find(|part| own.is_some_and(|own| is(part, own)));
    // Text is compared last, since that takes the longest.
    let at_its_time = |part: &&Part| seconds(part) == Some(created_at) && says(part, body);
    let others = || {
        let is_known = |part: &Part| check.taken.iter().chain(own).any(|known| is(part, known));
        found.parts().iter().filter(move |part| !is_known(part))
    };
    if let Some(part) = own_part.filter(|part| says(part, body)) {
        let shared = check.taken.iter().filter(|taken| Some(*taken) == own).count();
        if shared > 0 {
            // A reply has shown one part for several, so that only their number tells.
            let there = found.parts().iter().filter(at_its_time).count();
            return snapshot(vec![is_there(field, there > shared)], found);
        }
        let twins = others().filter(at_its_time).filter(|twin| author_of(twin) == author_of(part));
        let twins: Vec<TargetId> = twins.map(|twin| TargetId::new(twin.id.as_str())).collect();
        return match twins.is_empty() {
            true => compared(field, part, created_at, authors, found),
            false => ReadBack::Twins(field.to_owned(), twins),
        };
    }
    let exact = others().find(at_its_time);
    // Of a long conversation Intercom shows the latest parts alone: what is hidden cannot be compared.
    let is_shown = |part: &Part| seconds(part).is_some_and(|at| at < created_at);
    if exact.is_none() && found.parts_are_cut() && !found.parts().iter().any(is_shown) {
        return Snapshot::default().into();
    }
    // One that is known by its id and gone is not the same text of another time.
    let alike = || others().find(|part| own.is_none() && says(part, body));
    if let Some(part) = exact.or_else(alike) {
        return compared(field, part, created_at, authors, found);
    }
    if let Some(part) = correction(found, &check.draft) {
        // Corrections are written by the fallback admin.
        return compared(field, part, created_at, &[speakers.admin.as_str()], found);
    }
    let Some(part) = own_part else { return snapshot(vec![is_there(field, false)], found) };
    let said = part.body.as_ref().map(|said| said.reveal().clone());
    let altered = Field::new(format!("{field} body"), body, said);
    snapshot(vec![altered.by(Normal::exact().or_same(text::same))], found)
}

/// A part that says what it should, compared with when and by whom.
fn compared(
    field: &str,
    part: &Part,
    created_at: i64,
    authors: &[&str],
    found: &Conversation,
) -> ReadBack {
    let wrote = author_of(part);
    let fields = vec![
        Field::new(format!("{field} created_at"), created_at, seconds(part)),
        Field::new(format!("{field} author"), wanted(authors, wrote), wrote),
    ];
    snapshot(fields, found)
}

fn author_of(part: &Part) -> Option<&str> {
    part.author.as_ref().and_then(|author| author.id.as_deref())
}

fn is(part: &Part, id: &TargetId) -> bool {
    part.id.as_str() == id.as_str()
}

fn says(part: &Part, body: &str) -> bool {
    part.body.as_ref().is_some_and(|it| text::same(it.reveal(), body))
}

fn seconds(part: &Part) -> Option<i64> {
    part.created_at.map(|at| at.timestamp())
}

/// The note that corrects a text which has changed since it was written: no text can be edited.
fn correction<'a>(found: &'a Conversation, draft: &ConversationDraft) -> Option<&'a Part> {
    match draft.correction()? {
        ConversationDraft::Remark { body, .. } => {
            found.parts().iter().find(|part| says(part, &body))
        }
        _ => None,
    }
}

#[async_trait]
impl Verify<ConversationDraft> for Verifier {
    async fn read_back(&self, check: &Check<ConversationDraft>) -> Result<ReadBack, Failure> {
        if let ConversationDraft::Caller(fields) = &check.draft {
            let found = self.contact(&check.object).await.map_err(|error| read_failure(&error))?;
            return Ok(match found {
                None => ReadBack::missing("contact"),
                Some(found) => {
                    let twins = self.twins_of_lead(check, fields).await;
                    let twins = twins.map_err(|error| read_failure(&error))?;
                    twins.unwrap_or_else(|| own_fields(check, fields, &found).into())
                }
            });
        }
        let found = self.conversation(&check.object).await.map_err(|error| read_failure(&error))?;
        Ok(match found {
            None => ReadBack::missing("conversation"),
            Some(found) => {
                let twins = self.twins_of_opening(check).await;
                let twins = twins.map_err(|error| read_failure(&error))?;
                let speakers = Speakers {
                    admin: &self.admin,
                    bot: &self.bot,
                    attributes: &self.conversation_attributes,
                };
                twins.unwrap_or_else(|| stands(check, &found, &speakers))
            }
        })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(IN_FLIGHT)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Two spellings of one name are one tag, whichever letters they differ in.
    #[test]
    fn a_tag_is_found_by_any_spelling() {
        let found: Conversation = serde_json::from_value(json!({
            "type": "conversation", "id": "7",
            "tags": { "type": "tag.list", "tags": [{ "type": "tag", "id": "1", "name": "ld_campaign_KEVÄT" }] },
        }))
        .unwrap();
        assert!(has_tag(&found, "ld_campaign_Kevät"));
        assert!(!has_tag(&found, "ld_campaign_Kesä"));
    }
}
