//! What stage `leads` reads: leads of LeadDesk, and the anonymous visitors of the chatbot.
//!
//! | chatbot | Intercom |
//! |---|---|
//! | conversation id | `external_id`, as `<key_prefix>:chat-visitor:<id>`; `ld_source_key` |
//! | the visitor's name, where a column has one | `name` |
//! | the start of the session | `signed_up_at` |
//!
//! A visitor is of role `lead`, or `user` where `contacts.leads_as` says so. Intercom never refuses a second
//! lead, so each is found again by `ld_source_key`.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use migrate_core::{Emit, Mapper, Reason, Record};
use serde_json::Value;

use super::{ChatMapper, read};
use crate::config::{Config, LeadsAs};
use crate::draft::{ContactDraft, ContactFields};
use crate::source::{Chat, Lead, ListedContact};
use crate::value::text;

/// Maps what stage `leads` reads.
#[derive(Clone)]
pub struct LeadMapper {
    listed: Arc<dyn Mapper<ListedContact, Out = ContactDraft>>,
    visitors: VisitorMapper,
}

impl fmt::Debug for LeadMapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadMapper").field("visitors", &self.visitors).finish_non_exhaustive()
    }
}

impl LeadMapper {
    /// Leads of LeadDesk by this mapper, and visitors of the chatbot by the rules of a configuration.
    pub fn new(
        listed: Arc<dyn Mapper<ListedContact, Out = ContactDraft>>,
        config: &Config,
        now: DateTime<Utc>,
    ) -> Self {
        Self { listed, visitors: VisitorMapper::new(config, now) }
    }
}

impl Mapper<Lead> for LeadMapper {
    type Out = ContactDraft;

    fn map(&self, record: Record<Lead>, out: &mut Emit<ContactDraft>) {
        let Record { key, lane, body } = record;
        match body {
            Lead::Listed(body) => self.listed.map(Record { key, lane, body: *body }, out),
            Lead::Visitor(body) => self.visitors.map(Record { key, lane, body: *body }, out),
        }
    }
}

/// Maps anonymous visitors of the chatbot.
#[derive(Clone, Debug)]
pub struct VisitorMapper {
    key_prefix: String,
    source_key: String,
    role: &'static str,
    /// Says which chats wait: nobody is made a lead of whom nothing else would be there.
    chats: ChatMapper,
}

impl VisitorMapper {
    /// The rules of a configuration. `now` is the start of the run.
    pub fn new(config: &Config, now: DateTime<Utc>) -> Self {
        Self {
            key_prefix: config.source.key_prefix.clone(),
            source_key: config.names.source_key.clone(),
            role: if config.contacts.leads_as == LeadsAs::User { "user" } else { "lead" },
            chats: ChatMapper::new(config, now),
        }
    }
}

impl Mapper<Chat> for VisitorMapper {
    type Out = ContactDraft;

    fn map(&self, record: Record<Chat>, out: &mut Emit<ContactDraft>) {
        let Some(begun) = self.chats.took_place(&record.body) else {
            return out.skip(Reason::new(
                "chat_waits",
                "the visitor's chat waits for a time that can be used",
            ));
        };
        let external_id = format!("{}:{}", self.key_prefix, record.key);
        let mut fields = ContactFields {
            role: self.role.to_owned(),
            name: Some(text::clean(read(&record.body.name))).filter(|name| !name.is_empty()),
            signed_up_at: Some(begun),
            ..ContactFields::default()
        };
        fields.attributes.insert(self.source_key.clone(), Value::String(external_id.clone()));
        fields.external_id = external_id;
        out.push(ContactDraft::Contact(fields));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::chat;
    use crate::map::testing::config;
    use crate::source::keys;

    #[test]
    fn a_visitor_is_a_lead_from_the_start_of_the_session() {
        for (lines, role) in [("", "lead"), ("[contacts]\nleads_as = 'user'", "user")] {
            // Of a chat that is said to go on after the run began, the visitor waits as it does.
            for (now, there) in [(1_714_557_660, true), (1_714_557_659, false)] {
                let now = DateTime::from_timestamp(now, 0).unwrap();
                let chat = chat::tests::chat(
                    "conversation,timestamp,question,visitor_name\nc/1,1714557600,Hei,Ada\nc/1,1714557660,Moi,Ada\n",
                );
                let key = keys::chat_visitor(&chat.conversation.id);
                let mut out = Emit::default();
                VisitorMapper::new(&config(lines), now).map(Record::new(key, chat), &mut out);
                let [(None, ContactDraft::Contact(fields))] = out.drafts() else {
                    assert!(!there && out.drafts().is_empty() && out.verdict().is_some());
                    continue;
                };
                assert!(there);
                assert_eq!(fields.external_id, "leaddesk:chat-visitor:c%2F1");
                assert_eq!(fields.attributes["ld_source_key"], "leaddesk:chat-visitor:c%2F1");
                assert_eq!((fields.role.as_str(), fields.name.as_deref()), (role, Some("Ada")));
                assert_eq!(fields.signed_up_at, Some(1_714_557_600));
            }
        }
    }
}
