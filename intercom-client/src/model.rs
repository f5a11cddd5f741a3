//! What goes over the wire: replies are read leniently, requests send only what is set.

pub(crate) mod admin;
pub(crate) mod contact;
pub(crate) mod conversation;
pub(crate) mod conversation_attribute;
pub(crate) mod data_attribute;
pub(crate) mod part;
pub(crate) mod reply;
pub(crate) mod tag;
