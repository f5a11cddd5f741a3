//! Comparing two workspaces without regard to ids, to the order of writing and to when it was done.

use std::collections::HashMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::workspace::{AppliedTag, Author, Contact, Conversation, Workspace};

impl Workspace {
    /// A digest of what the workspace holds, as hexadecimal digits. Two runs that put the same people and the same
    /// conversations into like workspaces give the same digest, whatever ids were given, in which order it was
    /// done, and when. Counted are fields, attributes, tags, notes, state, title, assignment, and of the parts those
    /// that say something, with their times; events without a text (closing, assigning) count by what they led to.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for line in self.canonical() {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What [`digest`](Self::digest) is made of: one JSON line per object, sorted. Two workspaces that should be equal
    /// and are not are best compared by these.
    pub fn canonical(&self) -> Vec<String> {
        let names = Names::of(self);
        let mut lines: Vec<String> = Vec::new();
        lines.extend(self.contacts.iter().map(|contact| names.contact(contact).to_string()));
        lines.extend(
            self.conversations
                .iter()
                .map(|conversation| names.conversation(conversation).to_string()),
        );
        lines.extend(
            self.tags.iter().map(|tag| json!({"tag": tag.name.to_lowercase()}).to_string()),
        );
        lines.extend(self.data_attributes.iter().map(|attribute| {
            json!({"data_attribute": attribute.name, "model": attribute.model, "type": attribute.data_type,
                   "options": attribute.options, "archived": attribute.archived})
            .to_string()
        }));
        lines.extend(self.conversation_attributes.iter().map(|attribute| {
            let mut options: Vec<&str> =
                attribute.options.iter().filter(|option| !option.archived).map(|option| option.label.as_str()).collect();
            options.sort_unstable();
            json!({"conversation_attribute": attribute.name, "type": attribute.data_type, "options": options,
                   "archived": attribute.archived})
            .to_string()
        }));
        lines.sort_unstable();
        lines
    }
}

/// Names that stay the same when ids do not.
struct Names<'a> {
    contacts: HashMap<&'a str, String>,
    admins: HashMap<String, &'a str>,
    tags: HashMap<&'a str, String>,
}

impl<'a> Names<'a> {
    fn of(workspace: &'a Workspace) -> Self {
        Self {
            contacts: workspace
                .contacts
                .iter()
                .map(|contact| (contact.id.as_str(), name(contact)))
                .collect(),
            admins: workspace
                .admins
                .iter()
                .map(|admin| (admin.id.to_string(), admin.email.as_str()))
                .collect(),
            tags: workspace
                .tags
                .iter()
                .map(|tag| (tag.id.as_str(), tag.name.to_lowercase()))
                .collect(),
        }
    }

    fn author(&self, author: &Author) -> Value {
        match author.kind.as_str() {
            "admin" => json!(self.admins.get(&author.id)),
            _ => json!(self.contacts.get(author.id.as_str())),
        }
    }

    fn tags(&self, applied: &[AppliedTag]) -> Vec<&String> {
        let mut names: Vec<&String> =
            applied.iter().filter_map(|tag| self.tags.get(tag.id.as_str())).collect();
        names.sort_unstable();
        names
    }

    fn contact(&self, contact: &Contact) -> Value {
        let mut notes: Vec<(&str, Option<&&str>)> = contact
            .notes
            .iter()
            .map(|note| (note.body.as_str(), self.admins.get(&note.author)))
            .collect();
        notes.sort_unstable();
        json!({
            "contact": name(contact),
            "role": contact.role,
            "external_id": contact.external_id,
            "email": contact.email,
            "phone": contact.phone,
            "name": contact.name,
            "owner": contact.owner_id.as_ref().and_then(|id| self.admins.get(id)),
            "unsubscribed": contact.unsubscribed_from_emails,
            "signed_up_at": contact.signed_up_at,
            "last_seen_at": contact.last_seen_at,
            "custom_attributes": sorted(&contact.custom_attributes),
            "tags": self.tags(&contact.tags),
            "notes": notes,
            "archived": contact.archived,
            "merged": contact.merged_into.is_some(),
        })
    }

    fn conversation(&self, conversation: &Conversation) -> Value {
        let parts = conversation.parts.iter().filter(|part| part.body.is_some()).map(|part| {
            // A contact's reply is stored as the reopening of a closed conversation, but says the same.
            let kind = if part.part_type == "open" { "comment" } else { &part.part_type };
            json!([kind, self.author(&part.author), part.body, part.created_at])
        });
        let mut people: Vec<_> =
            conversation.contacts.iter().map(|id| self.contacts.get(id.as_str())).collect();
        people.sort_unstable();
        json!({
            "conversation": self.author(&conversation.source.author),
            "created_at": conversation.created_at,
            "body": conversation.source.body,
            "subject": conversation.source.subject,
            "title": conversation.title,
            "state": conversation.state,
            "contacts": people,
            "parts": parts.collect::<Vec<_>>(),
            "tags": self.tags(&conversation.tags),
            "custom_attributes": sorted(&conversation.custom_attributes),
            "admin": self.admins.get(&conversation.admin_assignee_id.to_string()),
            "team": conversation.team_assignee_id,
        })
    }
}

/// What a contact is known by: the external id, else the e-mail, else everything that describes it.
fn name(contact: &Contact) -> String {
    match (&contact.external_id, &contact.email) {
        (Some(external_id), _) => format!("external:{external_id}"),
        (None, Some(email)) => format!("email:{}", email.to_lowercase()),
        (None, None) => {
            format!(
                "other:{:?}/{:?}/{}",
                contact.phone,
                contact.name,
                json!(sorted(&contact.custom_attributes))
            )
        }
    }
}

/// Attributes by name; one without a value counts as absent.
fn sorted(
    attributes: &serde_json::Map<String, Value>,
) -> std::collections::BTreeMap<&String, &Value> {
    attributes.iter().filter(|(_, value)| !value.is_null()).collect()
}
