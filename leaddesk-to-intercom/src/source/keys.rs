//! The names of records: their keys, and the other names they are known by.
//!
//! They are for ever: ledgers and external ids are built on them.

use std::fmt::Display;

use migrate_core::{Alias, Key};

/// `contact:<id>`
pub fn contact(id: impl Display) -> Key {
    Key::new("contact", id)
}

/// `agent:<id>`, or with the user name where no id is known.
pub fn agent(id: impl Display) -> Key {
    Key::new("agent", id)
}

/// `call:<id>`
pub fn call(id: impl Display) -> Key {
    Key::new("call", id)
}

/// `chat:<id>`
pub fn chat(id: impl Display) -> Key {
    Key::new("chat", id)
}

/// `chat-visitor:<id>`, of a session whose visitor is anonymous.
pub fn chat_visitor(id: impl Display) -> Key {
    Key::new("chat-visitor", id)
}

/// A call by number and time, under which sources without ids know it as well.
pub fn call_at(e164: &str, at: i64) -> Alias {
    Alias::new("call-at", format!("{e164}@{at}"))
}

/// A contact by a number in E.164.
pub fn phone(e164: &str) -> Alias {
    Alias::new("phone", e164)
}

/// A contact by an e-mail address in the form it is compared by.
pub fn email(address: &str) -> Alias {
    Alias::new("email", address)
}

/// An agent by e-mail address, in any case.
pub fn agent_email(address: &str) -> Alias {
    Alias::new("agent-email", address.trim().to_lowercase())
}

/// An agent by user name, which LeadDesk takes in any case.
pub fn username(name: &str) -> Alias {
    Alias::new("agent-username", name.trim().to_lowercase())
}
