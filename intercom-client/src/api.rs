//! The calls, grouped by what they are about. A group is a borrowed handle and costs nothing.

mod attributes;
mod contacts;
mod conversations;
mod people;
mod tags;

pub use attributes::{ConversationAttributes, DataAttributes};
pub use contacts::Contacts;
pub use conversations::Conversations;
pub use people::{Admins, Teams};
pub use tags::Tags;
