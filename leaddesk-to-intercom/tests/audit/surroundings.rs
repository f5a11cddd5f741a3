//! What belongs to no single record: tags and attributes are there once and as they should be, nothing was deleted, and
//! nothing exists that the account has no name for.

use std::collections::BTreeSet;

use migrate_sandbox::Account;
use migrate_sandbox::workspace::CreatedBy;

use super::{Audit, chats};

/// The attributes of contacts that are no text, by type.
const OF_CONTACTS: [(&str, &str); 7] = [
    ("ld_created_at", "date"),
    ("ld_updated_at", "date"),
    ("ld_blacklisted", "boolean"),
    ("ld_contract_value", "float"),
    ("ld_contract_ends", "date"),
    ("ld_newsletter", "boolean"),
    ("ld_vehicles", "integer"),
];

/// Those of conversations.
const OF_CONVERSATIONS: [(&str, &str); 1] = [("ld_talk_time__c", "integer")];

impl Audit<'_> {
    pub(super) fn surroundings(&mut self) {
        let workspace = self.workspace;
        let mut known = all_tags(self.account);
        if self.terms.chats {
            known.extend(self.account.chats.iter().flat_map(chats::tags));
        }
        let (mut tags, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        for tag in &workspace.tags {
            let name = tag.name.to_lowercase();
            if !known.contains(&name) {
                self.say(format!("tag {name:?} should not be there"));
            }
            if tag.name.starts_with("ld_") {
                self.same(&format!("tag {name:?}"), "maker", tag.created_by, CreatedBy::Api);
            }
            if !tags.insert(name) {
                self.say(format!("tag {:?} is there twice", tag.name));
            }
        }
        for it in &workspace.data_attributes {
            if !attributes.insert((it.model.as_str(), it.name.to_lowercase())) {
                self.say(format!("attribute {:?} of {} is there twice", it.name, it.model));
            }
            let of = format!("attribute {:?} of {}", it.name, it.model);
            self.same(&of, "archived", it.archived, false);
            if !it.name.starts_with("ld_") {
                continue;
            }
            self.same(&of, "model", it.model.as_str(), "contact");
            self.same(&of, "type", it.data_type.as_str(), type_of(&it.name, &OF_CONTACTS));
            self.same(&of, "messenger", it.messenger_writable, false);
            let options: BTreeSet<&str> = it.options.iter().map(String::as_str).collect();
            self.same(&of, "choices", options, choices(self.account, &it.name));
        }
        for it in &workspace.conversation_attributes {
            if !attributes.insert(("conversation", it.name.to_lowercase())) {
                self.say(format!("attribute {:?} of conversation is there twice", it.name));
            }
            let of = format!("attribute {:?} of conversation", it.name);
            self.same(&of, "archived", it.archived, false);
            if !it.name.starts_with("ld_") {
                continue;
            }
            self.same(&of, "type", it.data_type.as_str(), type_of(&it.name, &OF_CONVERSATIONS));
            self.same(&of, "required", it.required, false);
            self.same(&of, "choices", it.options.len(), 0);
            self.same(&of, "teams", it.visible_to_team_ids.len(), 0);
        }
        self.same("workspace", "deleted", workspace.deleted_conversations.len(), 0);
        self.nobody_new();
    }

    /// Teammates and teams are those of before: nothing can make any, and nobody is to be moved.
    fn nobody_new(&mut self) {
        let agents = self.account.agents.iter().filter(|agent| agent.has_teammate);
        let teammates = agents.filter_map(|agent| agent.primary_email.clone());
        let wanted: BTreeSet<String> = teammates.chain(["ops@example.com".to_owned()]).collect();
        let admins = self.workspace.admins.iter();
        let found: BTreeSet<String> = admins.map(|admin| admin.email.clone()).collect();
        self.same("workspace", "teammates", found, wanted);
        let teams: Vec<&str> = self.workspace.teams.iter().map(|team| &*team.name).collect();
        self.same("workspace", "teams", teams, vec!["Helsinki", "Renewals"]);
    }
}

/// Everything is text but what is named.
fn type_of(name: &str, named: &[(&str, &'static str)]) -> &'static str {
    named.iter().find(|(known, _)| *known == name).map_or("string", |it| it.1)
}

/// The choices of an attribute: of generated accounts only segments are a choice.
fn choices<'a>(account: &'a Account, name: &str) -> BTreeSet<&'a str> {
    let fields = account.contacts.iter().flat_map(|contact| contact.other_info.values());
    let chosen = fields.filter(|it| it.label == "Segment" && name == "ld_segment");
    chosen.map(|it| it.value.as_str()).collect()
}

/// Every tag that something of the account can give a reason for, in lower case.
fn all_tags(account: &Account) -> BTreeSet<String> {
    let campaigns = account.calls.iter().filter_map(|call| call.campaign_name.as_ref());
    let outcomes = account.calls.iter().filter_map(|call| call.call_ending_reason_name.as_ref());
    let campaigns = campaigns.map(|name| format!("ld_campaign_{name}").to_lowercase());
    let interests = account.contacts.iter().flat_map(|contact| contact.other_info.values());
    let interests =
        interests.filter(|it| it.label == "Interests").flat_map(|it| it.value.split(','));
    let results = outcomes.clone().map(|name| format!("ld_disposition_{name}").to_lowercase());
    campaigns
        .chain(results)
        .chain(outcomes.map(|name| format!("ld_outcome_{name}").to_lowercase()))
        .chain(interests.map(|it| format!("ld_interests_{}", it.trim()).to_lowercase()))
        .collect()
}
