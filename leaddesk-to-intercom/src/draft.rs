//! What is written to Intercom: plain data that knows neither client. Mappers make it, sinks send it.

use std::collections::BTreeMap;
use std::fmt;

use migrate_core::{Alias, Draft, Missing, Name, Reference, Repeat};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::queue;

/// Custom attributes by name. Dates are UNIX seconds.
pub type Attributes = BTreeMap<String, Value>;

/// A write that brings a contact about.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContactDraft {
    /// The contact itself.
    Contact(ContactFields),
    /// A tag on it, by name.
    Tag(String),
    /// A note on it. Its last line is the marker by which it is found again.
    Note {
        /// The whole text, marker line included.
        body: String,
        /// The last line.
        marker: String,
    },
}

/// The fields of a contact.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContactFields {
    /// Intercom's external id, made of prefix and key.
    pub external_id: String,
    /// `user` or `lead`.
    pub role: String,
    /// E-mail address in the form it is compared by.
    pub email: Option<String>,
    /// Phone number, E.164.
    pub phone: Option<String>,
    /// Full name.
    pub name: Option<String>,
    /// When the contact was made in the source, UNIX seconds.
    pub signed_up_at: Option<i64>,
    /// When it was last changed in the source, UNIX seconds. Not sent: it decides which of
    /// several merged records wins.
    pub updated_at: Option<i64>,
    /// Custom attributes. One of a lead's holds its external id, by which it is found again:
    /// Intercom finds no leads by their external ids.
    pub attributes: Attributes,
}

/// A write that brings a conversation about.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConversationDraft {
    /// Writes nothing: the record waits until this agent is a teammate, since nobody else speaks
    /// for those who are none. It stands before the opening, so that nothing is begun in vain.
    Speaker {
        /// The agent, by key and by user name.
        agent: Vec<Name>,
    },
    /// Writes nothing, unless this agent becomes a teammate only after another has spoken for them:
    /// then a note by the teammate says whose words they were, since Intercom cannot change an
    /// author.
    Teammate {
        /// The agent, by key and by user name.
        agent: Vec<Name>,
        /// When the agent spoke last, in UNIX seconds.
        spoke_at: i64,
    },
    /// Makes a lead of a number that is no contact's. It is a record of its own, to which openings refer.
    Caller(ContactFields),
    /// The opening, by the contact. Its last line is the marker by which it is found again.
    Opening {
        /// The contact, by key and by number.
        contact: Vec<Name>,
        /// UNIX seconds.
        created_at: i64,
        /// The whole plain text, marker line included.
        body: String,
        /// The last line.
        marker: String,
        /// What the conversation comes from.
        #[serde(default, skip_serializing_if = "Topic::is_call")]
        topic: Topic,
    },
    /// A reply by the contact.
    Message {
        /// The contact, by the names of the opening.
        contact: Vec<Name>,
        /// UNIX seconds.
        created_at: i64,
        /// Plain text.
        body: String,
    },
    /// An agent's note or reply.
    Remark {
        /// Shown to teammates only.
        note: bool,
        /// The agent, by key and by user name; nobody where no agent is named: then the admin of
        /// the workspace speaks. [`bot`] alone is the chatbot.
        agent: Vec<Name>,
        /// UNIX seconds.
        created_at: i64,
        /// Plain text.
        body: String,
    },
    /// Custom attributes of the conversation.
    Attributes(Attributes),
    /// A tag on it, by name.
    Tag(String),
    /// Assigns the conversation, to the first of these who is known; to nobody where none is.
    Assign {
        /// A team, and no teammate?
        team: bool,
        /// The agent, by key and by user name; or the teams, by their keys.
        to: Vec<Name>,
    },
    /// The close, which comes last.
    Close,
}

/// What a conversation comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Topic {
    /// A call.
    #[default]
    Call,
    /// A session of the chatbot.
    Chat,
}

impl Topic {
    fn is_call(&self) -> bool {
        *self == Self::Call
    }
}

/// The name of the chatbot among the agents. It leads to no record: whoever stands for the bot is given with
/// the workspace.
pub fn bot() -> Name {
    Name::Alias(Alias::new("agent-username", "\u{0}chatbot"))
}

/// A write that prepares the workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SchemaDraft {
    /// A custom attribute of contacts.
    ContactAttribute(AttributeDefinition),
    /// A custom attribute of conversations.
    ConversationAttribute(AttributeDefinition),
    /// A tag.
    Tag(String),
}

/// A custom attribute to be there.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AttributeDefinition {
    /// Its name.
    pub name: String,
    /// Intercom's type: `string`, `integer`, `date`, `boolean` and so on.
    pub data_type: String,
    /// What it is for.
    pub description: String,
    /// The choices of one of type `options`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// An agent to be matched with a teammate. Nothing is written.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgentDraft {
    /// The teammate's e-mail address, if one is known.
    pub email: Option<String>,
}

/// A team to be matched. Nothing is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TeamDraft {
    /// The team's name, or its id.
    pub team: String,
}

impl TeamDraft {
    /// A team by its name or its id.
    pub fn new(team: impl Into<String>) -> Self {
        Self { team: team.into() }
    }
}

/// Choices are what people's records hold, and a description may tell one: they are not shown.
impl fmt::Debug for AttributeDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttributeDefinition")
            .field("name", &self.name)
            .field("data_type", &self.data_type)
            .field("options", &self.options.len())
            .finish_non_exhaustive()
    }
}

impl AttributeDefinition {
    /// An attribute by name, type and what it is for.
    pub fn new(
        name: impl Into<String>,
        data_type: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let (name, data_type, description) = (name.into(), data_type.into(), description.into());
        Self { name, data_type, description, options: Vec::new() }
    }
}

impl AgentDraft {
    /// An agent with the address of the teammate to be found.
    pub fn new(email: Option<String>) -> Self {
        Self { email }
    }
}

impl Draft for ContactDraft {
    fn repeat(&self) -> Repeat {
        match self {
            // A second create is refused with the id of the first. Leads are not.
            Self::Contact(fields) if fields.role == "user" => Repeat::Safe,
            Self::Contact(_) | Self::Note { .. } => Repeat::Never,
            Self::Tag(_) => Repeat::Safe,
        }
    }

    /// A note cannot be edited or deleted, so the changed one is added.
    fn correction(&self) -> Option<Self> {
        matches!(self, Self::Note { .. }).then(|| self.clone())
    }
}

impl Draft for ConversationDraft {
    fn references(&self) -> Vec<Reference> {
        match self {
            Self::Opening { contact, topic, .. } => {
                let missing = Missing::Queue(match topic {
                    Topic::Call => queue::call_without_contact(),
                    Topic::Chat => queue::chat_without_contact(),
                });
                vec![Reference::new(contact.clone(), missing)]
            }
            Self::Message { contact, .. } => {
                let missing = Missing::Queue(queue::chat_without_contact());
                vec![Reference::new(contact.clone(), missing)]
            }
            Self::Speaker { agent } => {
                let missing = Missing::Queue(queue::agent_without_teammate());
                vec![Reference::new(agent.clone(), missing)]
            }
            // Nobody has to be looked up.
            Self::Remark { agent, .. } if agent.is_empty() || agent[..] == [bot()] => Vec::new(),
            Self::Remark { agent, .. } => vec![Reference::new(agent.clone(), Missing::Without)],
            Self::Assign { to: who, .. } | Self::Teammate { agent: who, .. } => {
                vec![Reference::new(who.clone(), Missing::Without)]
            }
            Self::Caller(_) | Self::Attributes(_) | Self::Tag(_) | Self::Close => Vec::new(),
        }
    }

    fn repeat(&self) -> Repeat {
        match self {
            Self::Caller(fields) if fields.role == "user" => Repeat::Safe,
            Self::Caller(_) | Self::Opening { .. } | Self::Message { .. } | Self::Remark { .. } => {
                Repeat::Never
            }
            Self::Speaker { .. }
            | Self::Teammate { .. }
            | Self::Attributes(_)
            | Self::Tag(_)
            | Self::Assign { .. }
            | Self::Close => Repeat::Safe,
        }
    }

    fn repeats_after_others(&self) -> bool {
        matches!(self, Self::Close)
    }

    /// Intercom cannot edit texts: a changed one is appended as a note that says so.
    fn correction(&self) -> Option<Self> {
        let (body, created_at) = match self {
            Self::Opening { body, created_at, .. }
            | Self::Message { body, created_at, .. }
            | Self::Remark { body, created_at, .. } => (body, *created_at),
            Self::Caller(_)
            | Self::Speaker { .. }
            | Self::Teammate { .. }
            | Self::Attributes(_)
            | Self::Tag(_)
            | Self::Assign { .. }
            | Self::Close => return None,
        };
        Some(Self::Remark {
            note: true,
            agent: Vec::new(),
            created_at,
            body: format!("Corrected in LeadDesk after the migration. It now reads:\n\n{body}"),
        })
    }

    /// Who became a teammate later is given what they were not there for.
    fn completion(&self) -> Option<Self> {
        match self {
            Self::Assign { .. } => Some(self.clone()),
            Self::Teammate { agent, spoke_at } => Some(Self::Remark {
                note: true,
                agent: agent.clone(),
                created_at: *spoke_at,
                body: CLAIM.to_owned(),
            }),
            _ => None,
        }
    }
}

/// What a teammate says of words that another has written for the agent they are matched with.
pub(crate) const CLAIM: &str = "What the agent who is matched with this teammate said here in LeadDesk \
                                was moved under another name, since this teammate was not in the \
                                workspace yet.";

impl Draft for SchemaDraft {
    fn repeat(&self) -> Repeat {
        match self {
            // Names of conversation attributes are not unique, and a twin breaks later writes.
            Self::ConversationAttribute(_) => Repeat::Never,
            Self::ContactAttribute(_) | Self::Tag(_) => Repeat::Safe,
        }
    }
}

impl Draft for TeamDraft {
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

impl Draft for AgentDraft {
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// Drafts hold people's data, so `Debug` says what sort of write it is and no more.
impl fmt::Debug for ContactDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contact(_) => "Contact(..)",
            Self::Tag(_) => "Tag(..)",
            Self::Note { .. } => "Note(..)",
        })
    }
}

impl fmt::Debug for ContactFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContactFields").field("role", &self.role).finish_non_exhaustive()
    }
}

impl fmt::Debug for ConversationDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Speaker { .. } => "Speaker(..)",
            Self::Teammate { .. } => "Teammate(..)",
            Self::Caller(_) => "Caller(..)",
            Self::Opening { .. } => "Opening(..)",
            Self::Message { .. } => "Message(..)",
            Self::Remark { .. } => "Remark(..)",
            Self::Attributes(_) => "Attributes(..)",
            Self::Tag(_) => "Tag(..)",
            Self::Assign { .. } => "Assign(..)",
            Self::Close => "Close",
        })
    }
}

impl fmt::Debug for AgentDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentDraft").field("email", &self.email.is_some()).finish()
    }
}
