//! The destination side: one Intercom workspace as plain data.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::account::Account;

/// Everything an Intercom workspace holds, as a snapshot that tests can read and, through
/// [`Sandbox::edit`](crate::Sandbox::edit), change.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Workspace {
    /// What `/me` gives as `app.id_code`.
    pub id_code: String,
    /// What `/me` gives as `app.name`.
    pub name: String,
    /// `US`, `EU` or `AU`.
    pub region: String,
    /// Zone of the days by which contacts are searched.
    pub time_zone: chrono_tz::Tz,
    /// All contacts, archived ones too, in order of creation.
    pub contacts: Vec<Contact>,
    /// All conversations that were not deleted, in order of creation.
    pub conversations: Vec<Conversation>,
    /// Tombstones of deleted conversations.
    pub deleted_conversations: Vec<DeletedConversation>,
    /// The tags.
    pub tags: Vec<Tag>,
    /// Contact and company attributes.
    pub data_attributes: Vec<DataAttribute>,
    /// Conversation attributes.
    pub conversation_attributes: Vec<ConversationAttribute>,
    /// Teammates; the first one owns the token.
    pub admins: Vec<Admin>,
    /// Teams.
    pub teams: Vec<Team>,
}

/// Who put an object where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CreatedBy {
    /// It was there before, or a test put it there.
    #[default]
    Customer,
    /// A call of the API.
    Api,
}

/// A contact.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Contact {
    /// 24 hexadecimal digits; left empty in an edit, it is given.
    pub id: String,
    /// `user` or `lead`.
    pub role: String,
    /// The client's identifier.
    pub external_id: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Id of the admin who owns the contact.
    pub owner_id: Option<String>,
    /// Whether the contact is unsubscribed from e-mails.
    pub unsubscribed_from_emails: bool,
    /// UNIX seconds.
    pub signed_up_at: Option<i64>,
    /// UNIX seconds.
    pub last_seen_at: Option<i64>,
    /// Values of contact attributes.
    pub custom_attributes: Map<String, Value>,
    /// Tags in order of application.
    pub tags: Vec<AppliedTag>,
    /// Notes in order of creation.
    pub notes: Vec<Note>,
    /// Ids of the companies it is attached to, which people or tests do: no call of the sandbox does.
    pub companies: Vec<String>,
    /// UNIX seconds.
    pub created_at: i64,
    /// UNIX seconds.
    pub updated_at: i64,
    /// Archived: cannot be read, listed or searched.
    pub archived: bool,
    /// Id of the contact that people, or tests, have merged it into: whoever asks for it is sent there.
    pub merged_into: Option<String>,
    /// Who made it.
    pub created_by: CreatedBy,
}

/// A tag on a contact or conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AppliedTag {
    /// Id of the tag.
    pub id: String,
    /// UNIX seconds.
    pub applied_at: i64,
    /// Id of the admin.
    pub applied_by: String,
}

/// A note on a contact.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Note {
    /// Its id.
    pub id: String,
    /// As it was sent.
    pub body: String,
    /// Id of the admin.
    pub author: String,
    /// UNIX seconds.
    pub created_at: i64,
}

/// A conversation.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Conversation {
    /// A number as text; left empty in an edit, it is given.
    pub id: String,
    /// Title.
    pub title: Option<String>,
    /// UNIX seconds.
    pub created_at: i64,
    /// UNIX seconds.
    pub updated_at: i64,
    /// `open`, `closed` or `snoozed`.
    pub state: String,
    /// Whether it is read.
    pub read: bool,
    /// UNIX seconds.
    pub waiting_since: Option<i64>,
    /// UNIX seconds.
    pub snoozed_until: Option<i64>,
    /// The opening.
    pub source: Source,
    /// Ids of the contacts taking part; the first one opened it.
    pub contacts: Vec<String>,
    /// Replies, notes and events in order of arrival.
    pub parts: Vec<Part>,
    /// Tags in order of application.
    pub tags: Vec<AppliedTag>,
    /// Values of conversation attributes.
    pub custom_attributes: Map<String, Value>,
    /// Id of the admin, 0 for none.
    pub admin_assignee_id: u64,
    /// Id of the team, 0 for none.
    pub team_assignee_id: u64,
    /// Ids of the tickets it is linked with, as people or tests do it.
    pub linked_tickets: Vec<String>,
    /// Who made it.
    pub created_by: CreatedBy,
}

/// The opening of a conversation.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Source {
    /// Id of the message.
    pub id: String,
    /// Who wrote it.
    pub author: Author,
    /// Subject.
    pub subject: String,
    /// As it was sent.
    pub body: String,
}

/// The author of an opening or part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Author {
    /// `user`, `lead` or `admin`.
    pub kind: String,
    /// Id of the contact or admin.
    pub id: String,
}

/// A part of a conversation.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Part {
    /// Its id.
    pub id: String,
    /// `comment`, `note`, `quick_reply`, `close`, `open`, `snoozed` or `assignment`; an edit may put in other events.
    pub part_type: String,
    /// Names of the files attached to it.
    pub attachments: Vec<String>,
    /// The attribute that an event of an edit has changed.
    pub changed_attribute: Option<String>,
    /// As it was sent.
    pub body: Option<String>,
    /// UNIX seconds: what was asked for, else the time of arrival.
    pub created_at: i64,
    /// Who wrote it.
    pub author: Author,
    /// Whether the request asked for silence.
    pub skip_notifications: bool,
}

/// What is left of a deleted conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DeletedConversation {
    /// Its id.
    pub id: String,
    /// UNIX seconds.
    pub deleted_at: i64,
    /// Whether its figures stay in reports.
    pub metrics_retained: bool,
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tag {
    /// A number as text; left empty in an edit, it is given.
    pub id: String,
    /// Unique without regard to case.
    pub name: String,
    /// Who made it.
    pub created_by: CreatedBy,
}

/// A contact or company attribute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DataAttribute {
    /// Its id; left 0 in an edit, it is given.
    pub id: u64,
    /// `contact` or `company`.
    pub model: String,
    /// Unique over contacts and companies.
    pub name: String,
    /// `string`, `integer`, `float`, `boolean`, `datetime` or `date`.
    pub data_type: String,
    /// The choices of a list, empty for other types.
    pub options: Vec<String>,
    /// Description.
    pub description: String,
    /// Whether the messenger may write it.
    pub messenger_writable: bool,
    /// Archived attributes accept no values.
    pub archived: bool,
    /// UNIX seconds.
    pub created_at: i64,
    /// UNIX seconds.
    pub updated_at: i64,
    /// Who made it.
    pub created_by: CreatedBy,
}

/// A conversation attribute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConversationAttribute {
    /// Its id; left 0 in an edit, it is given.
    pub id: u64,
    /// Not necessarily unique, but twins spoil every later write of attributes.
    pub name: String,
    /// `string`, `integer`, `list`, `decimal`, `boolean`, `datetime`, `relationship` or `files`.
    pub data_type: String,
    /// Description.
    pub description: String,
    /// Whether it must be filled before closing (by teammates).
    pub required: bool,
    /// Ids of the teams that see it; empty for all.
    pub visible_to_team_ids: Vec<String>,
    /// Of strings only.
    pub multiline: bool,
    /// Of lists only.
    pub options: Vec<AttributeOption>,
    /// Of relationships only.
    pub reference: Option<Value>,
    /// Archived attributes accept no values.
    pub archived: bool,
    /// UNIX seconds.
    pub created_at: i64,
    /// UNIX seconds.
    pub updated_at: i64,
    /// Who made it.
    pub created_by: CreatedBy,
}

/// A choice of a list attribute.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AttributeOption {
    /// A UUID.
    pub id: String,
    /// What is shown and stored.
    pub label: String,
    /// Archived choices are not accepted.
    pub archived: bool,
}

/// A teammate.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Admin {
    /// A number.
    pub id: u64,
    /// Name.
    pub name: String,
    /// E-mail.
    pub email: String,
}

/// A team.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Team {
    /// A number.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Members.
    pub admin_ids: Vec<u64>,
}

/// E-mail of the teammate who stands in for agents without one.
pub(crate) const FALLBACK_ADMIN: &str = "ops@example.com";

const FIRST_ADMIN: u64 = 991_267_001;
const FIRST_TEAM: u64 = 5_017_001;

impl Workspace {
    /// The workspace a migration of this account would find: teammates for most agents, teams for some offices,
    /// and the people whom it knows already.
    pub(crate) fn before(account: &Account, now: i64) -> Self {
        let mut admins = vec![Admin {
            id: FIRST_ADMIN,
            name: "Olivia Ops".into(),
            email: FALLBACK_ADMIN.into(),
        }];
        for agent in account.agents.iter().filter(|agent| agent.has_teammate) {
            if let Some(email) = &agent.primary_email {
                let id = FIRST_ADMIN + admins.len() as u64;
                admins.push(Admin { id, name: agent.name.clone(), email: email.clone() });
            }
        }
        let members =
            |skip: usize| admins.iter().skip(skip).step_by(2).map(|admin| admin.id).collect();
        let teams = vec![
            Team { id: FIRST_TEAM, name: "Helsinki".into(), admin_ids: members(1) },
            Team { id: FIRST_TEAM + 1, name: "Renewals".into(), admin_ids: members(2) },
        ];
        let contacts = account.existing.iter().map(|person| Contact {
            role: "user".into(),
            email: Some(person.email.clone()),
            name: person.name.clone(),
            phone: person.phone.clone(),
            external_id: person.external_id.clone(),
            archived: person.archived,
            created_at: now - 90 * 86_400,
            updated_at: now - 30 * 86_400,
            ..Contact::default()
        });
        Self {
            id_code: "sandbox1".into(),
            name: "Sandbox workspace".into(),
            region: "EU".into(),
            time_zone: chrono_tz::UTC,
            contacts: contacts.collect(),
            conversations: Vec::new(),
            deleted_conversations: Vec::new(),
            tags: Vec::new(),
            data_attributes: Vec::new(),
            conversation_attributes: Vec::new(),
            admins,
            teams,
        }
    }

    /// The contact with this id, archived or not.
    pub fn contact(&self, id: &str) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.id == id)
    }

    /// The contact with this external id, user or lead, archived or not.
    pub fn contact_by_external_id(&self, external_id: &str) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.external_id.as_deref() == Some(external_id))
    }

    /// Every contact with this e-mail, without regard to case.
    pub fn contacts_by_email<'a>(&'a self, email: &'a str) -> impl Iterator<Item = &'a Contact> {
        let same = move |contact: &&Contact| {
            contact.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email))
        };
        self.contacts.iter().filter(same)
    }

    /// The conversations in which this contact takes part.
    pub fn conversations_of<'a>(
        &'a self,
        contact: &'a str,
    ) -> impl Iterator<Item = &'a Conversation> {
        self.conversations
            .iter()
            .filter(move |conversation| conversation.contacts.iter().any(|id| id == contact))
    }

    /// The names of these tags, sorted.
    pub fn tag_names(&self, applied: &[AppliedTag]) -> Vec<&str> {
        let name = |tag: &AppliedTag| {
            self.tags.iter().find(|own| own.id == tag.id).map(|own| own.name.as_str())
        };
        let mut names: Vec<&str> = applied.iter().filter_map(name).collect();
        names.sort_unstable();
        names
    }
}
