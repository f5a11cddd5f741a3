//! Contacts, their tags and notes.

use desk_client_core::{Call, Repeat};
use serde_json::json;

use crate::client::IntercomClient;
use crate::error::Error;
use crate::id::{AdminId, ContactId, TagId};
use crate::model::contact::{Contact, ContactFate, NewContact, Note, UpdateContact};
use crate::model::tag::Tag;
use crate::page::Pages;
use crate::query::Search;

/// Calls about contacts.
#[derive(Clone, Copy, Debug)]
pub struct Contacts<'a>(pub(crate) &'a IntercomClient);

impl Contacts<'_> {
    /// Creates a contact (`POST /contacts`).
    ///
    /// Not repeated after a lost reply. A user is then settled by creating again: where the first
    /// time took effect, the second is a 409 that names the contact
    /// ([`Error::conflicting_contact`]). Leads never conflict, so a lead would get a twin.
    ///
    /// Do not search before creating: search lags behind by minutes.
    pub async fn create(&self, contact: &NewContact) -> Result<Contact, Error> {
        self.0.json(Call::post("/contacts").json(contact)).await
    }

    /// One contact (`GET /contacts/{id}`). A merged one is a 410 that names its heir
    /// ([`Error::contact_merged_into`]) or a 404; an archived one is a 404.
    pub async fn get(&self, id: &ContactId) -> Result<Contact, Error> {
        self.0.json(Call::get("/contacts/{id}").segment(id)).await
    }

    /// The user with this external id (`GET /contacts/find_by_external_id/{external_id}`), current
    /// to the moment, unlike search. `None` where Intercom says that there is none; a 404 without
    /// its error code, as a proxy might send, stays an error. Leads are never found.
    pub async fn find_by_external_id(&self, external_id: &str) -> Result<Option<Contact>, Error> {
        let call = Call::get("/contacts/find_by_external_id/{external_id}").segment(external_id);
        match self.0.json(call).await {
            Err(error) if error.is_not_found() && error.code().is_some() => Ok(None),
            found => found.map(Some),
        }
    }

    /// Changes a contact (`PUT /contacts/{id}`). Repeated after a lost reply.
    pub async fn update(&self, id: &ContactId, change: &UpdateContact) -> Result<Contact, Error> {
        self.0.json(Call::put("/contacts/{id}").segment(id).json(change)).await
    }

    /// All contacts, archived ones left out (`GET /contacts`). `per_page` is 50 where it is not
    /// given; that and the cursor work but are not in the description.
    pub fn list(&self, per_page: Option<u32>) -> Pages<Contact> {
        Pages::cursors(self.0, "data", move |cursor| {
            let call = Call::get("/contacts").query_opt("per_page", per_page);
            Ok(call.query_opt("starting_after", cursor))
        })
    }

    /// The contacts that match (`POST /contacts/search`). It lags behind writes by up to a few
    /// minutes. A query that breaks a rule is the stream's only element, and nothing is sent.
    pub fn search(&self, search: impl Into<Search>) -> Pages<Contact> {
        let search = search.into();
        Pages::cursors(self.0, "data", move |cursor| {
            let body = search.body(cursor).map_err(Error::argument)?;
            Ok(Call::post("/contacts/search").json(&body).repeat(Repeat::Safe))
        })
    }

    /// Deletes a contact for good (`DELETE /contacts/{id}`). Repeated after a lost reply it can
    /// answer 404, which then means that it is gone. Delete the conversations first: nothing says
    /// that they go along.
    pub async fn delete(&self, id: &ContactId) -> Result<ContactFate, Error> {
        self.0.json(Call::delete("/contacts/{id}").segment(id)).await
    }

    /// Archives a contact (`POST /contacts/{id}/archive`). It can then be neither read nor found,
    /// only brought back or deleted by its id: keep the id. Repeated after a lost reply.
    pub async fn archive(&self, id: &ContactId) -> Result<ContactFate, Error> {
        let call = Call::post("/contacts/{id}/archive").segment(id);
        self.0.json(call.repeat(Repeat::Safe)).await
    }

    /// Brings an archived contact back (`POST /contacts/{id}/unarchive`). Repeated after a lost
    /// reply.
    pub async fn unarchive(&self, id: &ContactId) -> Result<ContactFate, Error> {
        let call = Call::post("/contacts/{id}/unarchive").segment(id);
        self.0.json(call.repeat(Repeat::Safe)).await
    }

    /// All tags of a contact, with names (`GET /contacts/{id}/tags`).
    pub async fn tags(&self, id: &ContactId) -> Result<Vec<Tag>, Error> {
        Pages::whole(self.0, "data", Call::get("/contacts/{id}/tags").segment(id)).all().await
    }

    /// Puts a tag on a contact (`POST /contacts/{id}/tags`). Repeated after a lost reply.
    pub async fn add_tag(&self, id: &ContactId, tag: &TagId) -> Result<Tag, Error> {
        let call = Call::post("/contacts/{id}/tags").segment(id).json(&json!({ "id": tag }));
        self.0.json(call.repeat(Repeat::Safe)).await
    }

    /// Takes a tag from a contact (`DELETE /contacts/{id}/tags/{tag_id}`). Repeated after a lost
    /// reply it can answer 404.
    pub async fn remove_tag(&self, id: &ContactId, tag: &TagId) -> Result<Tag, Error> {
        let call = Call::delete("/contacts/{id}/tags/{tag_id}").segment(id).segment(tag);
        self.0.json(call).await
    }

    /// The notes on a contact (`GET /contacts/{id}/notes`).
    pub fn notes(&self, id: &ContactId) -> Pages<Note> {
        Pages::whole(self.0, "data", Call::get("/contacts/{id}/notes").segment(id))
    }

    /// Writes a note on a contact, as this admin or as the token's (`POST /contacts/{id}/notes`).
    /// The text may hold some HTML; [`text::to_html`](crate::text::to_html) makes plain text fit.
    ///
    /// Not repeated after a lost reply: a note cannot be deleted by the API. Look for it among
    /// [`notes`](Self::notes) before writing again.
    pub async fn add_note(
        &self,
        id: &ContactId,
        body: &str,
        admin: Option<&AdminId>,
    ) -> Result<Note, Error> {
        let mut note = json!({ "body": body });
        if let Some(admin) = admin {
            note["admin_id"] = json!(admin);
        }
        self.0.json(Call::post("/contacts/{id}/notes").segment(id).json(&note)).await
    }
}
