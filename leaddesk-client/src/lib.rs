#![doc = include_str!("../README.md")]

#[cfg(feature = "chatbot")]
pub mod chatbot;
mod error;
pub mod export;
pub mod model;
pub mod original;
mod read_only;
pub mod rest;
mod unreadable;

pub use desk_client_core::{Budget, Delays, RetryPolicy};
pub use error::{Error, ErrorKind, Executed, Retry, codes};
pub use model::{
    AgentId, Call, CallId, CallingList, CallingListId, Campaign, CampaignId, Contact, ContactId,
    ListRow, LocalTime, OTHER_INFO_SLOTS, Personal, User, other_info_key,
};
pub use original::{ContactFilter, OriginalClient, Settings};
pub use rest::RestClient;
pub use unreadable::Unreadable;
