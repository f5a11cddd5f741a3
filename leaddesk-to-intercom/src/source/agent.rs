//! Agents as every source knows them.

use std::collections::BTreeMap;
use std::fmt;

use migrate_core::Key;

use super::keys;
use crate::value::Email;

/// An agent, by whatever a source tells. `Debug` hides the person.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// LeadDesk's id.
    pub id: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The name of the office that the agent belongs to.
    pub office: Option<String>,
}

impl Agent {
    /// The agent's key: by id, else by user name. None for an agent with neither.
    pub fn key(&self) -> Option<Key> {
        let name = self.id.as_deref().or(self.username.as_deref()).map(str::trim)?;
        (!name.is_empty()).then(|| keys::agent(name))
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The names of `[map.agents]` that are neither id nor user name of these agents.
pub(super) fn missing(named: &BTreeMap<String, Email>, agents: &[Agent]) -> Vec<String> {
    let same = |name: &str, field: &Option<String>| {
        field.as_ref().is_some_and(|it| it.trim().eq_ignore_ascii_case(name))
    };
    let names = named.keys().map(|name| name.trim());
    names
        .filter(|name| !agents.iter().any(|it| same(name, &it.id) || same(name, &it.username)))
        .map(str::to_owned)
        .collect()
}
