//! Agents, who are few.

use futures::TryStreamExt as _;
use leaddesk_client::{OriginalClient, Personal, RestClient, User};
use migrate_core::{Record, SourceError};

use crate::config::Config;
use crate::source::error::{Trouble, stop, trouble};
use crate::source::{Agent, Findings, Fixed, PAGE, agent};

/// The users of the REST API where there is one, and those whom `[map.agents]` names besides.
///
/// The Original API lists no agents; it is asked for the id of each user name of `[map.agents]`, so
/// that calls find the agent by id as well.
///
/// # Errors
/// When LeadDesk refuses or cannot be reached.
pub async fn agents(
    config: &Config,
    original: &OriginalClient,
    rest: Option<&RestClient>,
    findings: &Findings,
) -> Result<Fixed<Agent>, SourceError> {
    let mut agents = Vec::new();
    if let Some(rest) = rest {
        let mut pages = rest.users();
        while let Some(users) = pages.try_next().await.map_err(stop)? {
            for user in users {
                match user {
                    Ok(user) => agents.push(from_user(&user)),
                    Err(_) => findings.add("users could not be read", 1),
                }
            }
        }
    }
    for name in agent::missing(&config.map.agents, &agents) {
        let id = if name.bytes().all(|byte| byte.is_ascii_digit()) {
            Some(name.clone())
        } else {
            match original.find_agent(&name).await {
                Ok(found) => Some(found.id.to_string()),
                Err(error) if trouble(&error) == Trouble::All => return Err(stop(error)),
                Err(_) => {
                    findings.add("names of [map.agents] are unknown to LeadDesk", 1);
                    None
                }
            }
        };
        let username = (id.as_ref() != Some(&name)).then_some(name);
        agents.push(Agent { id, username, ..Agent::default() });
    }
    Ok(Fixed::new(records(agents), PAGE))
}

pub(in crate::source) fn from_user(user: &User) -> Agent {
    let text = |field: &Option<Personal<String>>| field.as_ref().map(|it| it.reveal().clone());
    Agent {
        id: Some(user.id.to_string()),
        username: text(&user.username),
        email: text(&user.primary_email),
        office: user.office.clone(),
    }
}

pub(in crate::source) fn records(agents: Vec<Agent>) -> Vec<Record<Agent>> {
    agents.into_iter().filter_map(|agent| Some(Record::new(agent.key()?, agent))).collect()
}
