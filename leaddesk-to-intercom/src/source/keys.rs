//! The names of records: their keys, and the other names they are known by.
//!
//! They are for ever: ledgers and external ids are built on them.

use std::fmt::Display;

use migrate_core::{Alias, Key};

/// The kind of [`contact`]s.
pub const CONTACT: &str = "contact";

/// `contact:<id>`
pub fn contact(id: impl Display) -> Key {
    Key::new(CONTACT, id)
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

/// `call:<digest of the number>@<UTC seconds>`: a call of which no id is known. Without a usable time, `unknown` stands in
/// its place. Of further calls of that number and second, the second one ends in `.2`, and so on.
///
/// Keys stand in logs, where no number may stand, hence the digest. Whoever tries all numbers finds the one behind it.
pub fn call_of(e164: &str, at: Option<i64>, nth: u32) -> Key {
    let at = at.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    let nth = if nth > 1 { format!(".{nth}") } else { String::new() };
    Key::new("call", format_args!("{}@{at}{nth}", digest(e164)))
}

/// Is this the key of a call of which no id is known?
pub fn is_call_of(key: &Key) -> bool {
    let Some((digest, at)) = key.id().split_once('@') else { return false };
    let is_digest = digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let at = at.split_once('.').map_or(at, |(at, _)| at);
    key.kind() == "call" && is_digest && (at == "unknown" || at.parse::<i64>().is_ok())
}

/// The kind of [`caller`]s.
pub const CALLER: &str = "caller";

/// `caller:<digest of the number>`: a number that is no contact's.
pub fn caller(e164: &str) -> Key {
    Key::new(CALLER, digest(e164))
}

/// `team:<name>`, of a project, an office or another name of `[map.teams]`, in lower case.
pub fn team(name: &str) -> Key {
    Key::new("team", name.trim().to_lowercase())
}

/// `history:<digest of the number>`: what is held about a number.
pub fn history(e164: &str) -> Key {
    Key::new("history", digest(e164))
}

/// Sixteen hexadecimal digits, for ever the same for a number.
fn digest(e164: &str) -> String {
    phone(e164).as_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A call with an id, by number and time.
///
/// Two sources mean the same call where the numbers are equal in E.164 and the rows were made in the same second, by
/// `created_at`. The start of the talk is not asked: the history by number does not tell it.
pub fn call_at(e164: &str, created_at: i64) -> Alias {
    Alias::new("call-at", format!("{e164}@{created_at}"))
}

/// A call without an id, by number and time. The sort differs from that of [`call_at`], so that two calls with ids are
/// never taken for one, however near they lie.
pub fn call_without_id_at(e164: &str, created_at: i64) -> Alias {
    Alias::new("call-without-id-at", format!("{e164}@{created_at}"))
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
