//! The workspace with the indexes that answer without a scan.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono_tz::Tz;

use super::index::SearchIndex;
use crate::workspace::{
    Admin, Contact, Conversation, ConversationAttribute, DataAttribute, DeletedConversation, Tag,
    Team, Workspace,
};

/// Contact ids are 24 hexadecimal digits: these eight and a running number.
const CONTACT_ID_PREFIX: u32 = 0x6762_f0dd;

#[derive(Debug)]
pub(crate) struct Store {
    pub(super) id_code: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) time_zone: Tz,
    pub(super) admins: Vec<Admin>,
    pub(super) teams: Vec<Team>,
    pub(super) data_attributes: Vec<DataAttribute>,
    pub(super) conversation_attributes: Vec<ConversationAttribute>,
    pub(super) deleted: Vec<DeletedConversation>,
    pub(super) tags: BTreeMap<u64, Tag>,
    tag_by_name: HashMap<String, u64>,
    pub(super) contacts: BTreeMap<String, Arc<Contact>>,
    user_by_external_id: HashMap<String, String>,
    user_by_email: HashMap<String, String>,
    pub(super) conversations: BTreeMap<u64, Arc<Conversation>>,
    pub(super) contact_index: SearchIndex<String, Contact>,
    pub(super) conversation_index: SearchIndex<u64, Conversation>,
    /// How long a new contact can open no conversation.
    pub(crate) unknown_for: Duration,
    /// Contacts made by a call that may be unknown still, oldest first.
    new_contacts: VecDeque<(Instant, String)>,
    /// Given to whatever is made next.
    serial: u64,
    requests: u64,
}

impl Store {
    /// Takes over a workspace. Objects without an id are given one; what is there is in the search index at once.
    pub(crate) fn new(workspace: Workspace, lag: Duration) -> Self {
        let mut store = Self {
            id_code: String::new(),
            name: String::new(),
            region: String::new(),
            time_zone: chrono_tz::UTC,
            admins: Vec::new(),
            teams: Vec::new(),
            data_attributes: Vec::new(),
            conversation_attributes: Vec::new(),
            deleted: Vec::new(),
            tags: BTreeMap::new(),
            tag_by_name: HashMap::new(),
            contacts: BTreeMap::new(),
            user_by_external_id: HashMap::new(),
            user_by_email: HashMap::new(),
            conversations: BTreeMap::new(),
            contact_index: SearchIndex::new(lag),
            conversation_index: SearchIndex::new(lag),
            unknown_for: Duration::ZERO,
            new_contacts: VecDeque::new(),
            serial: 100,
            requests: 0,
        };
        store.replace(workspace);
        store.contact_index.settle();
        store.conversation_index.settle();
        store
    }

    pub(crate) fn snapshot(&self) -> Workspace {
        Workspace {
            id_code: self.id_code.clone(),
            name: self.name.clone(),
            region: self.region.clone(),
            time_zone: self.time_zone,
            contacts: self.contacts.values().map(|contact| Contact::clone(contact)).collect(),
            conversations: self.conversations.values().map(|it| Conversation::clone(it)).collect(),
            deleted_conversations: self.deleted.clone(),
            tags: self.tags.values().cloned().collect(),
            data_attributes: self.data_attributes.clone(),
            conversation_attributes: self.conversation_attributes.clone(),
            admins: self.admins.clone(),
            teams: self.teams.clone(),
        }
    }

    /// Puts another state in the place of this one. What differs reaches the search index after its lag.
    pub(crate) fn replace(&mut self, workspace: Workspace) {
        self.serial = self.serial.max(highest_serial(&workspace));
        self.id_code = workspace.id_code;
        self.name = workspace.name;
        self.region = workspace.region;
        self.time_zone = workspace.time_zone;
        self.admins = workspace.admins;
        self.teams = workspace.teams;
        self.deleted = workspace.deleted_conversations;
        self.conversation_attributes = workspace.conversation_attributes;
        self.data_attributes = workspace.data_attributes;
        for at in 0..self.data_attributes.len() {
            if self.data_attributes[at].id == 0 {
                self.data_attributes[at].id = self.next_id();
            }
        }
        for at in 0..self.conversation_attributes.len() {
            if self.conversation_attributes[at].id == 0 {
                self.conversation_attributes[at].id = self.next_id();
            }
        }
        self.tags.clear();
        self.tag_by_name.clear();
        for mut tag in workspace.tags {
            if tag.id.is_empty() {
                tag.id = self.next_id().to_string();
            }
            self.put_tag(tag);
        }

        let mut old_contacts = std::mem::take(&mut self.contacts);
        self.user_by_external_id.clear();
        self.user_by_email.clear();
        for mut contact in workspace.contacts {
            if contact.id.is_empty() {
                contact.id = self.next_contact_id();
            }
            match old_contacts.remove(&contact.id) {
                Some(old) if *old == contact => {
                    self.index_user(&old);
                    self.contacts.insert(contact.id, old);
                }
                _ => self.put_contact(contact),
            }
        }
        for id in old_contacts.into_keys() {
            self.contact_index.change(id, None);
        }

        let mut old = std::mem::take(&mut self.conversations);
        for mut conversation in workspace.conversations {
            let id = match conversation.id.parse() {
                Ok(id) => id,
                Err(_) => self.next_id(),
            };
            conversation.id = id.to_string();
            match old.remove(&id) {
                Some(same) if *same == conversation => {
                    self.conversations.insert(id, same);
                }
                _ => self.put_conversation(conversation),
            }
        }
        for id in old.into_keys() {
            self.conversation_index.change(id, None);
        }
    }

    // Numbers -------------------------------------------------------------------------------------------------------

    pub(super) fn next_id(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(super) fn next_contact_id(&mut self) -> String {
        format!("{CONTACT_ID_PREFIX:08x}{:016x}", self.next_id())
    }

    /// In the form of a UUID.
    pub(super) fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("5a4db0c5-0000-4000-8000-{:012x}", self.requests)
    }

    pub(super) fn now() -> i64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
    }

    // Contacts ------------------------------------------------------------------------------------------------------

    /// The contact with this id, unless it is archived or merged: the API cannot read those.
    pub(super) fn contact(&self, id: &str) -> Option<&Arc<Contact>> {
        self.contacts.get(id).filter(|contact| is_there(contact))
    }

    /// Takes note that a call made this contact.
    pub(super) fn made_contact(&mut self, id: &str) {
        if !self.unknown_for.is_zero() {
            self.new_contacts.push_back((Instant::now(), id.to_owned()));
        }
    }

    /// Whether conversations can be opened for this contact yet.
    pub(super) fn is_known(&mut self, id: &str) -> bool {
        let unknown_for = self.unknown_for;
        while self.new_contacts.front().is_some_and(|(made, _)| made.elapsed() >= unknown_for) {
            self.new_contacts.pop_front();
        }
        !self.new_contacts.iter().any(|(_, new)| new == id)
    }

    pub(super) fn user_by_external_id(&self, external_id: &str) -> Option<&Arc<Contact>> {
        self.contacts.get(self.user_by_external_id.get(external_id)?)
    }

    pub(super) fn user_by_email(&self, email: &str) -> Option<&Arc<Contact>> {
        self.contacts.get(self.user_by_email.get(&email.to_lowercase())?)
    }

    pub(super) fn put_contact(&mut self, contact: Contact) {
        if let Some(old) = self.contacts.get(&contact.id).cloned() {
            self.forget_user(&old);
        }
        self.index_user(&contact);
        let contact = Arc::new(contact);
        let visible = is_there(&contact).then(|| Arc::clone(&contact));
        self.contact_index.change(contact.id.clone(), visible);
        self.contacts.insert(contact.id.clone(), contact);
    }

    pub(super) fn remove_contact(&mut self, id: &str) -> Option<Arc<Contact>> {
        let contact = self.contacts.remove(id)?;
        self.forget_user(&contact);
        self.contact_index.change(id.to_owned(), None);
        Some(contact)
    }

    fn index_user(&mut self, contact: &Contact) {
        if contact.role != "user" || contact.merged_into.is_some() {
            return;
        }
        if let Some(external_id) = &contact.external_id {
            self.user_by_external_id
                .entry(external_id.clone())
                .or_insert_with(|| contact.id.clone());
        }
        if let Some(email) = &contact.email {
            self.user_by_email.entry(email.to_lowercase()).or_insert_with(|| contact.id.clone());
        }
    }

    fn forget_user(&mut self, contact: &Contact) {
        let own = |id: Option<&String>| id == Some(&contact.id);
        if let Some(external_id) = &contact.external_id
            && own(self.user_by_external_id.get(external_id))
        {
            self.user_by_external_id.remove(external_id);
        }
        if let Some(email) = contact.email.as_ref().map(|email| email.to_lowercase())
            && own(self.user_by_email.get(&email))
        {
            self.user_by_email.remove(&email);
        }
    }

    // Conversations -------------------------------------------------------------------------------------------------

    /// The conversation with this id as text.
    pub(super) fn conversation(&self, id: &str) -> Option<&Arc<Conversation>> {
        self.conversations.get(&id.parse().ok()?)
    }

    pub(super) fn put_conversation(&mut self, conversation: Conversation) {
        if let Ok(id) = conversation.id.parse() {
            let conversation = Arc::new(conversation);
            self.conversation_index.change(id, Some(Arc::clone(&conversation)));
            self.conversations.insert(id, conversation);
        }
    }

    // Tags, teammates -----------------------------------------------------------------------------------------------

    pub(super) fn tag_by_name(&self, name: &str) -> Option<&Tag> {
        self.tags.get(self.tag_by_name.get(&name.to_lowercase())?)
    }

    pub(super) fn tag(&self, id: &str) -> Option<&Tag> {
        self.tags.get(&id.parse().ok()?)
    }

    pub(super) fn put_tag(&mut self, tag: Tag) {
        if let Ok(id) = tag.id.parse() {
            self.tag_by_name.insert(tag.name.to_lowercase(), id);
            self.tags.insert(id, tag);
        }
    }

    pub(super) fn remove_tag(&mut self, id: &str) {
        if let Some(tag) = id.parse().ok().and_then(|id: u64| self.tags.remove(&id)) {
            self.tag_by_name.remove(&tag.name.to_lowercase());
        }
    }

    pub(super) fn admin(&self, id: &str) -> Option<&Admin> {
        let id: u64 = id.parse().ok()?;
        self.admins.iter().find(|admin| admin.id == id)
    }

    /// Id of the teammate who owns the token.
    pub(super) fn own_admin(&self) -> String {
        self.admins.first().map(|admin| admin.id.to_string()).unwrap_or_default()
    }
}

/// Can a contact be read, listed and searched?
pub(super) fn is_there(contact: &Contact) -> bool {
    !contact.archived && contact.merged_into.is_none()
}

/// The highest number that a store gave to anything in this workspace, which may be that of an earlier store.
fn highest_serial(workspace: &Workspace) -> u64 {
    let number = |id: &str| id.parse::<u64>().unwrap_or(0);
    let contacts = workspace.contacts.iter().flat_map(|contact| {
        let own = contact.id.get(8..).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        contact.notes.iter().map(move |note| number(&note.id)).chain(own)
    });
    let conversations = workspace.conversations.iter().flat_map(|it| {
        let parts = it.parts.iter().map(move |part| number(&part.id));
        parts.chain([number(&it.id), number(&it.source.id)])
    });
    let deleted = workspace.deleted_conversations.iter().map(|it| number(&it.id));
    let tags = workspace.tags.iter().map(|tag| number(&tag.id));
    let attributes = workspace.data_attributes.iter().map(|it| it.id);
    let more = workspace.conversation_attributes.iter().map(|it| it.id);
    let all =
        contacts.chain(conversations).chain(deleted).chain(tags).chain(attributes).chain(more);
    all.max().unwrap_or(0)
}
