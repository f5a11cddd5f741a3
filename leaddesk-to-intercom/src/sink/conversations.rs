//! Conversations: opening, messages and remarks, attributes, tags, close, in that order.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use intercom_client::{
    AdminId, Assignee, Conversation, ConversationId, Error, Part, Query, Reply, TagId, TeamId, text,
};
use migrate_core::{
    Doubt, Evidence, Failure, Fingerprint, Found, Key, Limits, Name, Outcome, Resolved, Sink,
    TargetId, Write,
};

use crate::draft::{self, CLAIM, ConversationDraft};

use super::contacts::{ContactSink, answer, no_root};
use super::failure::{deleted_since, failure_of, is_helper_gone, is_tag_gone, not_yet, outcome_of};
use super::ours::Left;
use super::schema::tag_failed;
use super::{Workspace, body_of, not_kept, still_there};

/// Writes conversations.
#[derive(Clone, Debug)]
pub struct ConversationSink {
    pub(super) workspace: Workspace,
}

impl ConversationSink {
    /// A sink of a workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self { workspace }
    }

    async fn write_one(&self, write: &Write<ConversationDraft>, left: &mut Left) -> Outcome {
        let written = match &write.draft {
            ConversationDraft::Speaker { agent } | ConversationDraft::Teammate { agent, .. } => {
                return Outcome::Unchanged(TargetId::new(
                    self.speaker(agent, &write.resolved).as_str(),
                ));
            }
            ConversationDraft::Caller(fields) => {
                return ContactSink::new(self.workspace.clone()).contact(write, fields, left).await;
            }
            ConversationDraft::Opening { contact, .. } => {
                let Some(contact) = write.resolved.first(contact) else {
                    return Outcome::Refused(no_root());
                };
                return match self.say_as(contact, None, write).await {
                    Ok(id) => Outcome::Created(id),
                    Err(WriteError::Outcome(outcome)) => outcome,
                    // The contact is there: it may be too new to be known everywhere.
                    Err(WriteError::Intercom(error)) if error.is_not_found() => not_yet(&error),
                    Err(WriteError::Intercom(error)) => outcome_of(&error),
                };
            }
            other => match write.resolved.root() {
                Some(root) => {
                    let id = ConversationId::new(root.as_str());
                    match (self.is_left_alone(&id, write).await, other) {
                        (Ok(true), _) => return Outcome::Unchanged(root.clone()),
                        (Err(error), _) => Err(error),
                        (_, ConversationDraft::Tag(name)) => self.tag(&id, name, write).await,
                        (_, ConversationDraft::Message { contact, .. }) => {
                            match write.resolved.first(contact) {
                                Some(contact) => self.say_as(contact, Some(&id), write).await,
                                None => return Outcome::Refused(no_root()),
                            }
                        }
                        (_, ConversationDraft::Attributes(values)) => {
                            self.set(&id, values, write, left).await
                        }
                        (_, other) => self.add(&id, other, &write.resolved, left).await,
                    }
                }
                None => return Outcome::Refused(no_root()),
            },
        };
        match written {
            Ok(id) if write.known_as.is_some() => Outcome::Updated(id),
            Ok(id) => Outcome::Created(id),
            Err(WriteError::Outcome(outcome)) => outcome,
            Err(WriteError::Intercom(error)) => match &write.draft {
                ConversationDraft::Tag(name) if is_tag_gone(&error) => {
                    self.workspace.tags.forget(name).await;
                    not_yet(&error)
                }
                _ if is_helper_gone(&error) => not_yet(&error),
                _ if error.is_not_found() => Outcome::Refused(deleted_since()),
                _ => outcome_of(&error),
            },
        }
    }

    /// Adds to a conversation that is open already.
    async fn add(
        &self,
        id: &ConversationId,
        draft: &ConversationDraft,
        resolved: &Resolved,
        left: &mut Left,
    ) -> Result<TargetId, WriteError> {
        let conversations = self.workspace.client.conversations();
        let whole = TargetId::new(id.as_str());
        Ok(match draft {
            ConversationDraft::Caller(_)
            | ConversationDraft::Speaker { .. }
            | ConversationDraft::Teammate { .. }
            | ConversationDraft::Opening { .. }
            | ConversationDraft::Message { .. }
            | ConversationDraft::Attributes(_)
            | ConversationDraft::Tag(_) => whole,
            ConversationDraft::Remark { agent, body, .. }
                if body == CLAIM && self.speaker(agent, resolved) == self.workspace.admin =>
            {
                // Who has spoken for the agent has become their teammate: nobody else has to say so.
                whole
            }
            ConversationDraft::Remark { note, agent, created_at, body } => {
                let admin = self.speaker(agent, resolved);
                let html = body_of(body);
                let reply = match (*note, DateTime::from_timestamp(*created_at, 0)) {
                    (true, Some(at)) => Reply::note(admin.clone(), html).created_at(at),
                    (true, None) => Reply::note(admin.clone(), html),
                    (false, Some(at)) => Reply::admin(admin.clone(), html).created_at(at),
                    (false, None) => Reply::admin(admin.clone(), html),
                };
                let reply = reply.skip_notifications(true);
                let now = conversations.reply(id, reply).await?;
                newest(&now, admin.as_str(), body).unwrap_or(whole)
            }
            ConversationDraft::Assign { team, to } => {
                let to = resolved.first(to).map(|known| match team {
                    true => Assignee::Team(TeamId::new(known.as_str())),
                    false => Assignee::Admin(AdminId::new(known.as_str())),
                });
                let stands = match to {
                    Some(to) => {
                        let now = conversations.assign(id, &self.workspace.admin, to).await?;
                        now.map(|now| super::left::assignee(&now, *team))
                    }
                    None => Some(super::left::unassigned(*team)),
                };
                left.state = stands.map(|stands| Fingerprint::of(&stands));
                whole
            }
            ConversationDraft::Close => {
                conversations.close(id, &self.workspace.admin).await?;
                whole
            }
        })
    }

    /// Puts a tag on, and takes off the one that it comes in place of.
    async fn tag(
        &self,
        id: &ConversationId,
        name: &str,
        write: &Write<ConversationDraft>,
    ) -> Result<TargetId, WriteError> {
        let conversations = self.workspace.client.conversations();
        let tag = self.workspace.tags.get_or_create(name).await;
        let (tag, _) = tag.map_err(|error| WriteError::Outcome(tag_failed(&error)))?;
        conversations.add_tag(id, &tag, &self.workspace.admin).await?;
        let target = TargetId::new(tag.as_str());
        if let Some(old) = &write.known_as
            && old.target != target
            && !self.is_held_by_others(write, &old.target).await?
        {
            let old = TagId::new(old.target.as_str());
            match conversations.remove_tag(id, &old, &self.workspace.admin).await {
                // Somebody has taken it off, or an earlier try of which the reply was lost.
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        Ok(target)
    }

    /// Does another write of the same record have this tag as well, so that it has to stay?
    async fn is_held_by_others(
        &self,
        write: &Write<ConversationDraft>,
        tag: &TargetId,
    ) -> Result<bool, WriteError> {
        let entries = self.workspace.ledger.entries(&[write.key.root()]).await;
        let entries = entries.map_err(|error| WriteError::Outcome(not_kept(&error)))?;
        let parts = entries.into_iter().flatten().flat_map(|entry| entry.parts);
        let mut others = parts.filter(|part| part.key != write.key && is_tag(&part.key));
        Ok(others.any(|part| part.state.written().is_some_and(|it| it.target == *tag)))
    }

    /// The teammate that an agent is, or the one who speaks for those who are none, or for the bot.
    fn speaker(&self, agent: &[Name], resolved: &Resolved) -> AdminId {
        match resolved.first(agent) {
            Some(admin) => AdminId::new(admin.as_str()),
            None if agent[..] == [draft::bot()] => self.workspace.bot.clone(),
            None => self.workspace.admin.clone(),
        }
    }

    /// Looks for an opening by its contact, under any of these names, and its day, then by the last line
    /// of its text. The search is assumed to lag.
    pub(super) async fn find_opening(
        &self,
        contacts: &[TargetId],
        at: i64,
        marker: &str,
    ) -> Result<Found, Error> {
        let day = TimeDelta::days(1).num_seconds();
        let mut ids = Vec::new();
        for contact in contacts {
            let query = Query::and([
                Query::eq("contact_ids", contact.as_str()),
                Query::gt("created_at", at - day),
                Query::lt("created_at", at + day),
            ]);
            let mut found = self.workspace.client.conversations().search(query).items();
            while let Some(conversation) = found.next().await {
                let conversation = conversation?;
                let body = conversation.source.and_then(|source| source.body);
                let id = TargetId::new(conversation.id.as_str());
                // The marker begins with a word, so no other number can end in it.
                let is_it = body.is_some_and(|body| ends_in(body.reveal(), marker));
                if is_it
                    && !ids.contains(&id)
                    && still_there(&self.workspace.client, &conversation.id).await?.is_some()
                {
                    ids.push(id);
                }
            }
        }
        Ok(answer(ids, Evidence::Search))
    }

    /// Looks for what somebody said among the conversation's parts, by author, time and text.
    async fn find_said(
        &self,
        doubt: &Doubt<ConversationDraft>,
        authors: &[&str],
        at: i64,
        body: &str,
    ) -> Result<Found, Error> {
        let Some(root) = doubt.resolved.root() else { return Ok(Found::CannotTell) };
        let id = ConversationId::new(root.as_str());
        let conversation = self.workspace.client.conversations().get(&id).await?;
        let at: Option<DateTime<Utc>> = DateTime::from_timestamp(at, 0);
        let ids: Vec<TargetId> = conversation
            .parts()
            .iter()
            .filter(|part| part.created_at == at)
            .filter(|part| authors.iter().any(|author| says(part, author, body)))
            .map(|part| TargetId::new(part.id.as_str()))
            .filter(|id| !doubt.taken.contains(id))
            .collect();
        let cut = conversation.parts_are_cut() && !reaches_behind(&conversation, doubt, at);
        if ids.is_empty() && cut {
            return Ok(Found::CannotTell);
        }
        Ok(answer(ids, Evidence::Read))
    }
}

/// Do the parts that are shown of a long conversation reach back behind the time of something doubtful?
///
/// Intercom shows the 500 latest. What a record says is written in the order of its times, so where one of its
/// other parts is shown that is older than the doubtful one, that would be shown as well, whether the latest
/// are those with the latest times or those that were added last.
fn reaches_behind(
    conversation: &Conversation,
    doubt: &Doubt<ConversationDraft>,
    at: Option<DateTime<Utc>>,
) -> bool {
    let older = conversation.parts().iter().filter(|part| part.created_at < at);
    older.map(|part| TargetId::new(part.id.as_str())).any(|id| doubt.taken.contains(&id))
}

pub(super) enum WriteError {
    Intercom(Error),
    Outcome(Outcome),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        Self::Intercom(error)
    }
}

fn is_tag(part: &Key) -> bool {
    part.part_name().is_some_and(|name| name.starts_with("tag:"))
}

/// The latest part in which somebody says this.
pub(super) fn newest(conversation: &Conversation, author: &str, body: &str) -> Option<TargetId> {
    let part = conversation.parts().iter().rev().find(|part| says(part, author, body))?;
    Some(TargetId::new(part.id.as_str()))
}

/// Is this the last line of a body? What stands before it may be anything that somebody said, even what passes
/// for a tag without an end, so the body is looked at as it stands as well.
pub(crate) fn ends_in(body: &str, marker: &str) -> bool {
    let only_tags = |rest: &str| text::plain(rest).is_empty();
    text::plain(body).trim_end().ends_with(marker)
        || body.rsplit_once(marker).is_some_and(|(_, rest)| only_tags(rest))
}

fn says(part: &Part, author: &str, body: &str) -> bool {
    let wrote = part.author.as_ref().and_then(|author| author.id.as_deref());
    wrote == Some(author) && part.body.as_ref().is_some_and(|text| text::same(text.reveal(), body))
}

#[async_trait]
impl Sink<ConversationDraft> for ConversationSink {
    async fn write(&self, batch: Vec<Write<ConversationDraft>>) {
        for mut write in batch {
            let mut left = Left::default();
            let outcome = self.write_one(&write, &mut left).await;
            left.note(&mut write);
            write.spend(outcome);
        }
    }

    async fn find(&self, doubt: &Doubt<ConversationDraft>) -> Result<Found, Failure> {
        let found = match &doubt.draft {
            ConversationDraft::Caller(fields) => {
                ContactSink::new(self.workspace.clone()).find_lead(fields).await
            }
            ConversationDraft::Opening { contact, created_at, marker, .. } => {
                match doubt.resolved.first(contact) {
                    Some(contact) => match self.authors(contact).await {
                        Ok(authors) => self.find_opening(&authors, *created_at, marker).await,
                        Err(error) => Err(error),
                    },
                    None => Ok(Found::CannotTell),
                }
            }
            ConversationDraft::Remark { agent, created_at, body, .. } => {
                // Who is a teammate now may have been none when it was sent.
                let now = self.speaker(agent, &doubt.resolved);
                let then = self.speaker(agent, &Resolved::default());
                let authors = [now.as_str(), then.as_str()];
                self.find_said(doubt, &authors, *created_at, body).await
            }
            ConversationDraft::Message { contact, created_at, body } => {
                match doubt.resolved.first(contact) {
                    Some(contact) => match self.authors(contact).await {
                        Ok(authors) => {
                            let authors: Vec<&str> = authors.iter().map(TargetId::as_str).collect();
                            self.find_said(doubt, &authors, *created_at, body).await
                        }
                        Err(error) => Err(error),
                    },
                    None => Ok(Found::CannotTell),
                }
            }
            ConversationDraft::Speaker { .. }
            | ConversationDraft::Teammate { .. }
            | ConversationDraft::Attributes(_)
            | ConversationDraft::Tag(_)
            | ConversationDraft::Assign { .. }
            | ConversationDraft::Close => Ok(Found::CannotTell),
        };
        found.map_err(|error| failure_of(&error))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(self.workspace.in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::ends_in;

    #[test]
    fn an_opening_is_told_by_its_last_line() {
        let marker = "LeadDesk chat c-1";
        for (body, expected) in [
            ("<p>Hei</p>\n<p>LeadDesk chat c-1</p>", true),
            ("Hei\n\nLeadDesk chat c-1", true),
            ("<p><!-- Hei</p><p>LeadDesk chat c-1</p>", true),
            ("<p>Hei <script>LeadDesk chat c-1</p>", true),
            ("<p>LeadDesk chat c-1</p><p>LeadDesk chat c-2</p>", false),
            ("<p>LeadDesk chat c-12</p>", false),
        ] {
            assert_eq!(ends_in(body, marker), expected, "{body}");
        }
    }
}
