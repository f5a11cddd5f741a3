//! `Debug` of what holds people's data: ids and counts, never a value. The data is synthetic, but whoever loads a
//! real account to try a migration on must not find it in a log.

use std::fmt::{Debug, Formatter, Result};

use crate::account::{
    Account, ExistingContact, OtherInfo, SourceAgent, SourceCall, SourceChat, SourceContact,
    SourceTurn,
};
use crate::workspace::{Admin, Contact, Conversation, Note, Part, Source, Workspace};

impl Debug for Workspace {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Workspace")
            .field("contacts", &self.contacts.len())
            .field("conversations", &self.conversations.len())
            .field("deleted_conversations", &self.deleted_conversations.len())
            .field("tags", &self.tags.len())
            .field("data_attributes", &self.data_attributes.len())
            .field("conversation_attributes", &self.conversation_attributes.len())
            .field("admins", &self.admins.len())
            .field("teams", &self.teams.len())
            .finish_non_exhaustive()
    }
}

impl Debug for Contact {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Contact")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("tags", &self.tags.len())
            .field("notes", &self.notes.len())
            .field("custom_attributes", &self.custom_attributes.len())
            .field("archived", &self.archived)
            .field("created_by", &self.created_by)
            .finish_non_exhaustive()
    }
}

impl Debug for Note {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Note")
            .field("id", &self.id)
            .field("author", &self.author)
            .finish_non_exhaustive()
    }
}

impl Debug for Conversation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Conversation")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("contacts", &self.contacts.len())
            .field("parts", &self.parts.len())
            .field("tags", &self.tags.len())
            .field("custom_attributes", &self.custom_attributes.len())
            .field("created_by", &self.created_by)
            .finish_non_exhaustive()
    }
}

impl Debug for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Source").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Debug for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Part")
            .field("id", &self.id)
            .field("part_type", &self.part_type)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

impl Debug for Admin {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Admin").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Debug for Account {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Account")
            .field("contacts", &self.contacts.len())
            .field("calls", &self.calls.len())
            .field("chats", &self.chats.len())
            .field("agents", &self.agents.len())
            .field("campaigns", &self.campaigns.len())
            .field("lists", &self.lists.len())
            .field("existing", &self.existing.len())
            .finish_non_exhaustive()
    }
}

impl Debug for SourceContact {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SourceContact")
            .field("id", &self.id)
            .field("calling_list_id", &self.calling_list_id)
            .field("phonenumbers", &self.phonenumbers.len())
            .field("other_info", &self.other_info.len())
            .finish_non_exhaustive()
    }
}

impl Debug for OtherInfo {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("OtherInfo").finish_non_exhaustive()
    }
}

impl Debug for SourceCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SourceCall")
            .field("id", &self.id)
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}

impl Debug for SourceChat {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SourceChat")
            .field("id", &self.id)
            .field("turns", &self.turns.len())
            .finish_non_exhaustive()
    }
}

impl Debug for SourceTurn {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SourceTurn").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Debug for SourceAgent {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SourceAgent").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Debug for ExistingContact {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ExistingContact").field("archived", &self.archived).finish_non_exhaustive()
    }
}
