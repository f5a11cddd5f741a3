#![doc = include_str!("../README.md")]

mod api;
mod attributes;
mod client;
mod code;
mod count;
mod error;
mod id;
mod lenient;
mod model;
mod open_enum;
mod page;
mod patch;
mod query;
mod region;
pub mod text;

pub use api::{
    Admins, Contacts, ConversationAttributes, Conversations, DataAttributes, Tags, Teams,
};
pub use attributes::Attributes;
pub use client::{API_VERSION, IntercomClient, IntercomClientBuilder, RateStats};
pub use code::Code;
pub use desk_client_core::{
    Budget, Clock, Delays, ErrorKind, Executed, Personal, Retry, RetryPolicy, Transport,
    TransportError,
};
pub use error::{ConflictingContact, Error};
pub use id::{
    AdminId, ContactId, ConversationAttributeId, ConversationId, DataAttributeId, MessageId,
    NoteId, OptionId, PartId, TagId, TeamId,
};
pub use model::admin::{Admin, App, Me, Team};
pub use model::contact::{Contact, ContactFate, NewContact, Note, Role, UpdateContact};
pub use model::conversation::{
    ContactReference, Conversation, ConversationFate, ConversationSource, DeletedConversation,
    NewConversation, OpenedConversation, State, UpdateConversation,
};
pub use model::conversation_attribute::{
    ConversationAttribute, ConversationDataType, ListOption, NewConversationAttribute,
    UpdateConversationAttribute,
};
pub use model::data_attribute::{
    DataAttribute, DataType, Model, NewDataAttribute, UpdateDataAttribute,
};
pub use model::part::{Attachment, Author, AuthorType, Part, PartType};
pub use model::reply::{AdminReply, Assignee, Reply};
pub use model::tag::{BulkTag, Tag, Tagged};
pub use page::{Page, Pages};
pub use patch::Patch;
pub use query::{Operator, Order, Query, Search};
pub use region::{Region, UnknownRegion};

/// Handles cross threads and tasks; checked at compile time.
const _: () = {
    const fn handle<T: Send + Sync + Clone + 'static>() {}
    const fn sent<T: Send + 'static>() {}
    handle::<IntercomClient>();
    sent::<Error>();
    sent::<Pages<Contact>>();
};
