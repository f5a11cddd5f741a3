//! Twins: a second object of a record that Intercom lets be made twice.
//!
//! Users are known by external id, of which Intercom takes none twice. A lead and a conversation it
//! takes as often as they are sent, so for those its search is asked, which lags by minutes: what was
//! made right before shows in a later verification.

use std::sync::Arc;

use futures::StreamExt as _;
use intercom_client::{Error, Query};
use migrate_core::ledger::How;
use migrate_core::{Check, ReadBack, TargetId};
use tokio::sync::OnceCell;

use crate::draft::{ContactFields, ConversationDraft};
use crate::sink::{ends_in, or_gone, source_key, still_there};

use super::{KEPT, Opened, Verifier};

impl Verifier {
    /// Other leads with the key of this one.
    pub(super) async fn twins_of_lead<D>(
        &self,
        check: &Check<D>,
        fields: &ContactFields,
    ) -> Result<Option<ReadBack>, Error> {
        let Some(name) = source_key(fields).filter(|_| fields.role == "lead" && is_made(check))
        else {
            return Ok(None);
        };
        let query = Query::eq(format!("custom_attributes.{name}"), fields.external_id.as_str());
        let mut found = self.client.contacts().search(query).items();
        let mut twins = Vec::new();
        while let Some(contact) = found.next().await {
            let id = contact?.id;
            let is_other = id.as_str() != check.object.as_str();
            // The index shows for a while what is gone.
            if is_other && or_gone(self.client.contacts().get(&id).await)?.is_some() {
                twins.push(TargetId::new(id.as_str()));
            }
        }
        Ok(told("contact", twins))
    }

    /// Other conversations that end in the marker of this one.
    pub(super) async fn twins_of_opening(
        &self,
        check: &Check<ConversationDraft>,
    ) -> Result<Option<ReadBack>, Error> {
        let ConversationDraft::Opening { contact, marker, .. } = &check.draft else {
            return Ok(None);
        };
        let Some(contact) = check.resolved.first(contact).filter(|_| is_made(check)) else {
            return Ok(None);
        };
        let mut twins = Vec::new();
        let opened = self.opened_by(contact);
        for (id, body) in opened.get_or_try_init(|| self.search(contact)).await? {
            let is_other = id.as_str() != check.object.as_str() && ends_in(body, marker);
            if is_other && still_there(&self.client, id).await?.is_some() {
                twins.push(TargetId::new(id.as_str()));
            }
        }
        Ok(told("conversation", twins))
    }

    /// The conversations of a contact, searched for once for all its records.
    fn opened_by(&self, contact: &TargetId) -> Arc<OnceCell<Opened>> {
        let mut state = self.lock();
        if state.opened.len() >= KEPT && !state.opened.contains_key(contact) {
            state.opened.clear();
        }
        state.opened.entry(contact.clone()).or_default().clone()
    }

    async fn search(&self, contact: &TargetId) -> Result<Opened, Error> {
        let query = Query::eq("contact_ids", contact.as_str());
        let mut found = self.client.conversations().search(query).items();
        let mut opened = Opened::new();
        while let Some(conversation) = found.next().await {
            let conversation = conversation?;
            let body = conversation.source.and_then(|source| source.body);
            opened.extend(body.map(|body| (conversation.id, body.reveal().clone())));
        }
        Ok(opened)
    }
}

/// Was it made by this migration? What was there before may well be there several times.
fn is_made<D>(check: &Check<D>) -> bool {
    check.how().is_none_or(|how| how == How::Created)
}

fn told(what: &str, twins: Vec<TargetId>) -> Option<ReadBack> {
    (!twins.is_empty()).then(|| ReadBack::Twins(what.to_owned(), twins))
}
