//! Conversations.

use chrono::{DateTime, Utc};
use desk_client_core::{Call, Repeat};
use http::StatusCode;
use serde_json::json;

use crate::client::IntercomClient;
use crate::code::Code;
use crate::error::Error;
use crate::id::{AdminId, ConversationId, TagId};
use crate::model::conversation::{
    Conversation, ConversationFate, DeletedConversation, NewConversation, OpenedConversation,
    UpdateConversation,
};
use crate::model::reply::{Assignee, Event, Reply};
use crate::model::tag::Tag;
use crate::page::Pages;
use crate::query::Search;

/// Most images that one message takes.
const MAX_ATTACHMENTS: usize = 10;
/// Most deleted conversations that one page shows.
const DELETED_PER_PAGE: u32 = 60;

/// Calls about conversations.
#[derive(Clone, Copy, Debug)]
pub struct Conversations<'a>(pub(crate) &'a IntercomClient);

impl Conversations<'_> {
    /// Opens a conversation in a contact's name (`POST /conversations`).
    ///
    /// Never repeated after a lost reply or a failure of the service: there is no key against
    /// twins. Look for it, by contact and time, before opening it again. A 404 is tried a few
    /// times, with growing delays, since a contact made seconds ago may not be found yet.
    pub async fn create(
        &self,
        conversation: &NewConversation,
    ) -> Result<OpenedConversation, Error> {
        check_attachments(conversation.attachment_urls.len())?;
        let call = Call::post("/conversations").json(conversation);
        self.0.json(call.passing_code(StatusCode::NOT_FOUND, Code::NotFound.as_str())).await
    }

    /// One conversation with its parts, the 500 most recent at most, bodies as HTML
    /// (`GET /conversations/{id}`).
    pub async fn get(&self, id: &ConversationId) -> Result<Conversation, Error> {
        self.0.json(Call::get("/conversations/{id}").segment(id)).await
    }

    /// Like [`get`](Self::get), with bodies and subject as plain text.
    pub async fn get_plain(&self, id: &ConversationId) -> Result<Conversation, Error> {
        let call = Call::get("/conversations/{id}").segment(id).query("display_as", "plaintext");
        self.0.json(call).await
    }

    /// All conversations, without parts (`GET /conversations`). `per_page` is 20 where it is not
    /// given, and 150 at most.
    pub fn list(&self, per_page: Option<u32>) -> Pages<Conversation> {
        Pages::cursors(self.0, "conversations", move |cursor| {
            let call = Call::get("/conversations").query_opt("per_page", per_page);
            Ok(call.query_opt("starting_after", cursor))
        })
    }

    /// The conversations that match, without parts (`POST /conversations/search`). Assume that it
    /// lags behind writes, as the search of contacts does. Custom attributes are not searchable.
    /// A query that breaks a rule is the stream's only element, and nothing is sent.
    pub fn search(&self, search: impl Into<Search>) -> Pages<Conversation> {
        let search = search.into();
        Pages::cursors(self.0, "conversations", move |cursor| {
            let body = search.body(cursor).map_err(Error::argument)?;
            Ok(Call::post("/conversations/search").json(&body).repeat(Repeat::Safe))
        })
    }

    /// Adds a reply or a note (`POST /conversations/{id}/reply`) and gives the whole conversation,
    /// whose newest part is the new one.
    ///
    /// Never repeated after a lost reply or a failure of the service. Look among the parts for the
    /// same author, time and text before writing again ([`text::same`](crate::text::same)).
    pub async fn reply(
        &self,
        id: &ConversationId,
        reply: impl Into<Reply>,
    ) -> Result<Conversation, Error> {
        let reply = reply.into();
        check_attachments(reply.attachment_urls.len())?;
        self.0.json(Call::post("/conversations/{id}/reply").segment(id).json(&reply)).await
    }

    /// Closes a conversation, now and without a text (`POST /conversations/{id}/parts`). Close
    /// last: a reply reopens. Repeated after a lost reply.
    pub async fn close(&self, id: &ConversationId, admin: &AdminId) -> Result<Conversation, Error> {
        let event = Event { kind: Some("admin"), ..Event::new("close", admin) };
        self.0.json(event_call(id, &event)).await
    }

    /// Reopens a conversation that is closed or snoozed. Repeated after a lost reply.
    pub async fn open(&self, id: &ConversationId, admin: &AdminId) -> Result<Conversation, Error> {
        self.0.json(event_call(id, &Event::new("open", admin))).await
    }

    /// Snoozes a conversation until a time. Repeated after a lost reply.
    pub async fn snooze(
        &self,
        id: &ConversationId,
        admin: &AdminId,
        until: DateTime<Utc>,
    ) -> Result<Conversation, Error> {
        let event = Event::new("snoozed", admin);
        let event = Event { snoozed_until: Some(until.timestamp()), ..event };
        self.0.json(event_call(id, &event)).await
    }

    /// Assigns a conversation, in the name of `admin`. `None` where it was assigned so already:
    /// Intercom refuses that (422), and the wish is fulfilled. Repeated after a lost reply.
    pub async fn assign(
        &self,
        id: &ConversationId,
        admin: &AdminId,
        assignee: impl Into<Assignee>,
    ) -> Result<Option<Conversation>, Error> {
        let assignee = assignee.into();
        let (kind, assignee) = match &assignee {
            Assignee::Admin(admin) => ("admin", admin.as_str()),
            Assignee::Team(team) => ("team", team.as_str()),
            Assignee::Nobody => ("admin", "0"),
        };
        let event = Event::new("assignment", admin);
        let event = Event { kind: Some(kind), assignee_id: Some(assignee), ..event };
        match self.0.json(event_call(id, &event)).await {
            Err(error) if error.code() == Some(Code::ConversationAlreadyAssigned) => Ok(None),
            done => done.map(Some),
        }
    }

    /// Changes title, read mark or custom attributes (`PUT /conversations/{id}`). Refused (400)
    /// while two attributes of conversations share a name. Repeated after a lost reply.
    pub async fn update(
        &self,
        id: &ConversationId,
        change: &UpdateConversation,
    ) -> Result<Conversation, Error> {
        self.0.json(Call::put("/conversations/{id}").segment(id).json(change)).await
    }

    /// Puts a tag on a conversation, in the name of `admin` (`POST /conversations/{id}/tags`).
    /// Repeated after a lost reply.
    pub async fn add_tag(
        &self,
        id: &ConversationId,
        tag: &TagId,
        admin: &AdminId,
    ) -> Result<Tag, Error> {
        let body = json!({ "id": tag, "admin_id": admin });
        let call = Call::post("/conversations/{id}/tags").segment(id).json(&body);
        self.0.json(call.repeat(Repeat::Safe)).await
    }

    /// Takes a tag from a conversation (`DELETE /conversations/{id}/tags/{tag_id}`, with a body).
    /// Repeated after a lost reply it can answer 404.
    pub async fn remove_tag(
        &self,
        id: &ConversationId,
        tag: &TagId,
        admin: &AdminId,
    ) -> Result<Tag, Error> {
        let call = Call::delete("/conversations/{id}/tags/{tag_id}").segment(id).segment(tag);
        self.0.json(call.json(&json!({ "admin_id": admin }))).await
    }

    /// Deletes a conversation for good; reports still count it (`DELETE /conversations/{id}`).
    /// Repeated after a lost reply it can answer 404, which then means that it is gone.
    pub async fn delete(&self, id: &ConversationId) -> Result<ConversationFate, Error> {
        self.0.json(Call::delete("/conversations/{id}").segment(id)).await
    }

    /// The conversations that were deleted, latest first (`GET /conversations/deleted`).
    pub fn deleted(&self) -> Pages<DeletedConversation> {
        let call = Call::get("/conversations/deleted").query("per_page", DELETED_PER_PAGE);
        Pages::numbers(self.0, "conversations", call)
    }
}

impl<'a> Event<'a> {
    fn new(message_type: &'static str, admin: &'a AdminId) -> Self {
        Self { message_type, admin_id: admin.as_str(), ..Self::default() }
    }
}

fn event_call(id: &ConversationId, event: &Event<'_>) -> Call {
    Call::post("/conversations/{id}/parts").segment(id).json(event).repeat(Repeat::Safe)
}

fn check_attachments(count: usize) -> Result<(), Error> {
    if count > MAX_ATTACHMENTS {
        let rule = format!("a message takes at most {MAX_ATTACHMENTS} attachments, not {count}");
        return Err(Error::argument(rule));
    }
    Ok(())
}
