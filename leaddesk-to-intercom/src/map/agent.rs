//! Agents, to be matched with teammates.
//!
//! | LeadDesk | becomes |
//! |---|---|
//! | `id` | the key `agent:<id>`, by which calls refer to the agent |
//! | `username` | the alias by which calls without an agent's id refer to the agent |
//! | `primary_email` | the address by which a teammate is found, unless `[map.agents]` names another |

use std::collections::BTreeMap;

use migrate_core::{Emit, Mapper, Record};

use crate::config::Config;
use crate::draft::AgentDraft;
use crate::source::{Agent, keys};
use crate::value::Email;

/// Maps agents. An entry of `[map.agents]`, by user name or id, goes before the agent's own address.
#[derive(Clone, Default)]
pub struct AgentMapper {
    teammates: BTreeMap<String, Email>,
}

impl std::fmt::Debug for AgentMapper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentMapper").field("teammates", &self.teammates.len()).finish()
    }
}

impl AgentMapper {
    /// With the entries of `[map.agents]`: user name or id, and the teammate's address.
    pub fn new(config: &Config) -> Self {
        let teammates = config
            .map
            .agents
            .iter()
            .map(|(name, email)| (name.trim().to_lowercase(), email.clone()));
        Self { teammates: teammates.collect() }
    }

    fn teammate(&self, name: Option<&str>) -> Option<&Email> {
        self.teammates.get(&name?.trim().to_lowercase())
    }
}

impl Mapper<Agent> for AgentMapper {
    type Out = AgentDraft;

    fn map(&self, record: Record<Agent>, out: &mut Emit<AgentDraft>) {
        let agent = record.body;
        if let Some(username) = &agent.username {
            out.alias(keys::username(username));
        }
        let named =
            self.teammate(agent.username.as_deref()).or_else(|| self.teammate(agent.id.as_deref()));
        let email = match (named, &agent.email) {
            (Some(named), _) => Some(named.clone()),
            (None, Some(own)) => match Email::parse(own) {
                Ok(own) => Some(own),
                Err(_) => {
                    out.note("invalid_email", "primary_email");
                    None
                }
            },
            (None, None) => None,
        };
        out.push(AgentDraft::new(email.map(|email| email.key().to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::testing::config;

    fn map(agent: Agent) -> Emit<AgentDraft> {
        let config = config("[map.agents]\nBoss = 'boss@example.com'\n7 = 'seven@example.com'");
        let mapper = AgentMapper::new(&config);
        let mut out = Emit::default();
        mapper.map(Record::new(agent.key().unwrap(), agent), &mut out);
        out
    }

    #[test]
    fn the_address_is_the_agents_own_unless_another_is_named() {
        for (id, username, email, expected) in [
            (Some("5"), Some("anna"), Some(" Anna@Example.com "), Some("anna@example.com")),
            (Some("5"), Some("BOSS"), Some("anna@example.com"), Some("boss@example.com")),
            (Some("7"), Some("anna"), Some("anna@example.com"), Some("seven@example.com")),
            (None, Some("boss"), None, Some("boss@example.com")),
            (Some("5"), None, None, None),
            (Some("5"), Some("anna"), Some("no address"), None),
        ] {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let (id, username) = (text(id), text(username));
            let out = map(Agent { id, username, email: text(email), ..Agent::default() });
            assert_eq!(out.drafts()[0].1.email.as_deref(), expected);
            assert_eq!(out.notes().len(), usize::from(email == Some("no address")));
        }
    }
}
