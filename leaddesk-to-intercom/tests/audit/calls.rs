//! The conversations of calls: each once, with all its fields, its thread and its end.

use std::collections::{BTreeMap, HashMap};

use migrate_sandbox::workspace::{Conversation, CreatedBy, Part};
use serde_json::json;

use super::expect::Waits;
use super::expect_calls::ExpectedCall;
use super::{Audit, Marker, marker, says, text_of_html};

impl Audit<'_> {
    pub(super) fn calls(
        &mut self,
        calls: &BTreeMap<String, Result<ExpectedCall, Waits>>,
        ids: &HashMap<usize, String>,
    ) {
        let mut found: BTreeMap<String, Vec<&Conversation>> = BTreeMap::new();
        for conversation in &self.workspace.conversations {
            match marker(&conversation.source.body) {
                Some(Marker::Call(id)) => found.entry(id).or_default().push(conversation),
                Some(Marker::Chat(_)) if self.terms.chats => {}
                _ => self.say(format!("conversation {} names no call", conversation.id)),
            }
        }
        for (id, expected) in calls {
            let Ok(expected) = expected else { continue };
            // Whose contact is missing is told with the contact.
            let Some(contact) = ids.get(&expected.contact) else { continue };
            match found.remove(id).as_deref() {
                None => self.say(format!("call {id}: has no conversation")),
                Some([one]) => self.call(id, expected, contact, one),
                Some(more) => self.say(format!("call {id}: has {} conversations", more.len())),
            }
        }
        for id in found.keys() {
            self.say(format!("call {id}: should not be a conversation"));
        }
    }

    fn call(&mut self, id: &str, expected: &ExpectedCall, contact: &str, found: &Conversation) {
        let of = &format!("call {id}");
        let author = self.workspace.contact(contact).map_or("user", |it| it.role.as_str());
        self.same(of, "created_at", found.created_at, expected.created_at);
        self.same(of, "author's kind", found.source.author.kind.as_str(), author);
        self.same(of, "author", found.source.author.id.as_str(), contact);
        self.same(of, "contacts", &found.contacts, &vec![contact.to_owned()]);
        let opening = found.source.body.rsplit_once("\n\nLeadDesk call ");
        let opening = opening.map_or(found.source.body.as_str(), |(opening, _)| opening);
        self.same(of, "opening", opening, expected.opening.as_str());
        self.whole(of, found);
        let mut attributes = expected.attributes.clone();
        let last = found.source.body.trim_end().lines().last().unwrap_or_default();
        let own = last.strip_prefix("LeadDesk call ").unwrap_or_default();
        let source_key = json!(format!("leaddesk:call:{own}"));
        attributes.entry("ld_source_key__c".into()).or_insert(source_key);
        self.attributes(of, &found.custom_attributes, &attributes);
        self.tags(of, &found.tags, &expected.tags);

        let said: Vec<&Part> = found.parts.iter().filter(|part| says(part)).collect();
        match (&expected.remark, &said[..]) {
            (None, []) => {}
            (Some((at, text)), [part]) => {
                let said = part.body.as_deref().map(text_of_html);
                self.same(of, "remark", said.as_deref(), Some(text.as_str()));
                self.same(of, "remark's time", part.created_at, *at);
                self.same(of, "remark's kind", part.part_type.as_str(), "note");
                let speaker = self.speaker(expected.agent);
                self.same(of, "remark's author", part.author.id.as_str(), speaker.as_str());
                self.same(of, "remark's silence", part.skip_notifications, true);
            }
            (wanted, said) => self.say(format!(
                "{of}: has {} remarks instead of {}",
                said.len(),
                usize::from(wanted.is_some())
            )),
        }
    }

    /// What every conversation of a migration has in common.
    pub(super) fn whole(&mut self, of: &str, found: &Conversation) {
        self.same(of, "state", found.state.as_str(), "closed");
        self.same(of, "snoozed_until", found.snoozed_until, None);
        self.same(of, "waiting_since", found.waiting_since, None);
        self.same(of, "read", found.read, false);
        self.same(of, "assignee", (found.admin_assignee_id, found.team_assignee_id), (0, 0));
        self.same(of, "title", &found.title, &None);
        self.same(of, "subject", found.source.subject.as_str(), "");
        self.same(of, "maker", found.created_by, CreatedBy::Api);
        self.same(of, "linked tickets", found.linked_tickets.len(), 0);
        for part in &found.parts {
            self.same(of, "attachments", part.attachments.len(), 0);
            self.same(of, "changed attribute", &part.changed_attribute, &None);
        }
        self.ends_closed(of, &found.parts);
    }
}
