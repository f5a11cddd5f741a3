//! Attributes: of contacts and companies, and of conversations.

use desk_client_core::Call;
use serde_json::json;

use crate::client::IntercomClient;
use crate::error::Error;
use crate::id::{ConversationAttributeId, DataAttributeId, OptionId};
use crate::model::conversation_attribute::{
    ConversationAttribute, NewConversationAttribute, UpdateConversationAttribute,
};
use crate::model::data_attribute::{DataAttribute, Model, NewDataAttribute, UpdateDataAttribute};
use crate::page::Pages;

/// Calls about attributes of contacts and companies.
#[derive(Clone, Copy, Debug)]
pub struct DataAttributes<'a>(pub(crate) &'a IntercomClient);

impl DataAttributes<'_> {
    /// All attributes of a kind of object, built-in ones too, in one call
    /// (`GET /data_attributes`).
    pub async fn list(
        &self,
        model: Model,
        include_archived: bool,
    ) -> Result<Vec<DataAttribute>, Error> {
        let call = Call::get("/data_attributes").query("model", model);
        Pages::whole(self.0, "data", call.query("include_archived", include_archived)).all().await
    }

    /// Creates an attribute (`POST /data_attributes`). A name that is taken, by people or by
    /// companies, is refused, so creating it again after a lost reply is safe but answers 400.
    pub async fn create(&self, attribute: &NewDataAttribute) -> Result<DataAttribute, Error> {
        self.0.json(Call::post("/data_attributes").json(attribute)).await
    }

    /// Changes an attribute (`PUT /data_attributes/{id}`). Repeated after a lost reply.
    pub async fn update(
        &self,
        id: &DataAttributeId,
        change: &UpdateDataAttribute,
    ) -> Result<DataAttribute, Error> {
        self.0.json(Call::put("/data_attributes/{id}").segment(id).json(change)).await
    }
}

/// Calls about attributes of conversations. They exist since version 2.16.
#[derive(Clone, Copy, Debug)]
pub struct ConversationAttributes<'a>(pub(crate) &'a IntercomClient);

impl ConversationAttributes<'_> {
    /// All attributes, in one call (`GET /conversations/attributes`).
    pub async fn list(&self, include_archived: bool) -> Result<Vec<ConversationAttribute>, Error> {
        let call = Call::get("/conversations/attributes");
        Pages::whole(self.0, "data", call.query("include_archived", include_archived)).all().await
    }

    /// One attribute (`GET /conversations/attributes/{id}`).
    pub async fn get(&self, id: &ConversationAttributeId) -> Result<ConversationAttribute, Error> {
        self.0.json(Call::get("/conversations/attributes/{id}").segment(id)).await
    }

    /// Creates an attribute (`POST /conversations/attributes`).
    ///
    /// Not repeated after a lost reply: names need not be unique, and two attributes of one name
    /// break every later write of values. Look through [`list`](Self::list) before creating again.
    pub async fn create(
        &self,
        attribute: &NewConversationAttribute,
    ) -> Result<ConversationAttribute, Error> {
        self.0.json(Call::post("/conversations/attributes").json(attribute)).await
    }

    /// Changes an attribute (`PUT /conversations/attributes/{id}`). Repeated after a lost reply.
    pub async fn update(
        &self,
        id: &ConversationAttributeId,
        change: &UpdateConversationAttribute,
    ) -> Result<ConversationAttribute, Error> {
        self.0.json(Call::put("/conversations/attributes/{id}").segment(id).json(change)).await
    }

    /// Archives an attribute (`DELETE /conversations/attributes/{id}`). The API cannot delete one.
    pub async fn archive(
        &self,
        id: &ConversationAttributeId,
    ) -> Result<ConversationAttribute, Error> {
        self.0.json(Call::delete("/conversations/attributes/{id}").segment(id)).await
    }

    /// Adds a choice to a list (`POST /conversations/attributes/{id}/options`). Not repeated after
    /// a lost reply, since labels need not be unique either.
    pub async fn add_option(
        &self,
        id: &ConversationAttributeId,
        label: &str,
    ) -> Result<ConversationAttribute, Error> {
        let call = Call::post("/conversations/attributes/{id}/options").segment(id);
        self.0.json(call.json(&json!({ "label": label }))).await
    }

    /// Renames a choice (`PUT /conversations/attributes/{id}/options/{option_id}`).
    pub async fn rename_option(
        &self,
        id: &ConversationAttributeId,
        option: &OptionId,
        label: &str,
    ) -> Result<ConversationAttribute, Error> {
        let call = Call::put("/conversations/attributes/{id}/options/{option_id}");
        let call = call.segment(id).segment(option).json(&json!({ "label": label }));
        self.0.json(call).await
    }

    /// Archives a choice (`DELETE /conversations/attributes/{id}/options/{option_id}`). A list
    /// keeps at least two.
    pub async fn archive_option(
        &self,
        id: &ConversationAttributeId,
        option: &OptionId,
    ) -> Result<ConversationAttribute, Error> {
        let call = Call::delete("/conversations/attributes/{id}/options/{option_id}");
        self.0.json(call.segment(id).segment(option)).await
    }
}
