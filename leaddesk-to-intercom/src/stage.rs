//! The names of the stages, which are for ever: ledgers and reports know them by these.

/// Attributes and tags.
pub const SCHEMA: &str = "schema";
/// Agents and the teammates they are.
pub const AGENTS: &str = "agents";
/// Projects and offices, and the teams they are.
pub const TEAMS: &str = "teams";
/// Contacts.
pub const CONTACTS: &str = "contacts";
/// Leads.
pub const LEADS: &str = "leads";
/// Calls, as conversations.
pub const CALLS: &str = "calls";
/// Sessions of the chatbot, as conversations.
pub const CHATS: &str = "chats";
/// What is documented and not migrated.
pub const INVENTORY: &str = "inventory";
