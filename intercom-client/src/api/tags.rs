//! Tags of the workspace. Putting one on a contact or a conversation is with those.

use desk_client_core::{Call, Repeat};
use serde_json::{Value, json};

use crate::client::IntercomClient;
use crate::error::Error;
use crate::id::{ContactId, TagId};
use crate::model::tag::{BulkTag, Tag};
use crate::page::Pages;

/// Calls about tags.
#[derive(Clone, Copy, Debug)]
pub struct Tags<'a>(pub(crate) &'a IntercomClient);

impl Tags<'_> {
    /// All tags, in one call (`GET /tags`).
    pub async fn list(&self) -> Result<Vec<Tag>, Error> {
        Pages::whole(self.0, "data", Call::get("/tags")).all().await
    }

    /// The tag of this name, made if it is not there (`POST /tags`). Names are case-insensitive,
    /// and the name of an existing tag gives that tag, so this is repeated after a lost reply.
    pub async fn get_or_create(&self, name: &str) -> Result<Tag, Error> {
        self.post(&json!({ "name": name })).await
    }

    /// Deletes a tag, also from everything that carries it (`DELETE /tags/{id}`). Refused while a
    /// segment or the like uses it. Repeated after a lost reply it can answer 404.
    pub async fn delete(&self, id: &TagId) -> Result<(), Error> {
        self.0.send(Call::delete("/tags/{id}").segment(id)).await.map(drop)
    }

    /// Puts a tag on several contacts in one call, making the tag if it is not there
    /// (`POST /tags`). How many fit in a call is not documented.
    pub async fn tag_users(&self, name: &str, contacts: &[ContactId]) -> Result<BulkTag, Error> {
        let users: Vec<Value> = contacts.iter().map(|id| json!({ "id": id })).collect();
        self.post(&json!({ "name": name, "users": users })).await
    }

    /// Takes a tag from several contacts in one call (`POST /tags`).
    ///
    /// Unverified: the description shows `untag` in requests for companies only, but says of the
    /// reply that users are untagged too ([`Tagged::tagged`](crate::Tagged::tagged) is false);
    /// older official SDKs send it for users. Check the reply: a server that did not know the
    /// word would put the tag on. `contacts().remove_tag()` is documented.
    pub async fn untag_users(&self, name: &str, contacts: &[ContactId]) -> Result<BulkTag, Error> {
        let users = contacts.iter().map(|id| json!({ "id": id, "untag": true }));
        let users: Vec<Value> = users.collect();
        self.post(&json!({ "name": name, "users": users })).await
    }

    /// Tagging twice is tagging once, so all of these may be repeated.
    async fn post<T: serde::de::DeserializeOwned>(&self, body: &Value) -> Result<T, Error> {
        self.0.json(Call::post("/tags").json(body).repeat(Repeat::Safe)).await
    }
}
