//! Preflight: what is looked at before the first write, when both sides are connected.

use std::collections::HashSet;

use crate::connect::StartError;
use crate::preflight::{self, Finding, Preflight};
use crate::queue;
use crate::sink::OwnAttributes;
use crate::stage;

use super::Runner;
use super::finish::Unfinished;
use super::plan::PlanFile;
use super::session::Session;

impl Session {
    /// What can be told without a plan.
    pub(super) async fn preflight(&self, runner: &Runner) -> Result<Preflight, Unfinished> {
        let config = &runner.config;
        let client = &self.destination.client;
        let mut found = Vec::from_iter(preflight::live_automation(config));
        let own = OwnAttributes::of(&*self.ledger).await.map_err(Unfinished::ledger)?;
        let calls = self.sinks(config).calls;
        let wanted = self.stages(runner).attributes(&self.ledger, calls);
        let wanted =
            wanted.map_err(|error| Unfinished::start(crate::stages::source_refused(&error)))?;
        let (names, fields) = (&config.names, &self.fields);
        let attributes = preflight::attributes(client, names, fields, &wanted, &own).await;
        found.extend(attributes.map_err(unread)?);
        found.extend(super::mapping::confirmed(runner, fields));
        found.extend(preflight::attribute_limit(client, fields, &wanted).await.map_err(unread)?);
        if let (Some(asked), Some(export)) = (&config.source.chatbot, &self.chatbot) {
            found.extend(preflight::chatbot_period(asked, export));
        }
        found.extend(preflight::clock_skew(client.rate().clock_ahead));
        Ok(Preflight::new(found, config))
    }

    /// The custom attributes that count for the workspace's limit.
    pub(super) async fn active_attributes(&self) -> Result<HashSet<String>, Unfinished> {
        preflight::active_attributes(&self.destination.client).await.map_err(unread)
    }

    /// What needs the figures of a plan.
    pub(super) fn preflight_of_plan(&self, runner: &Runner, plan: &PlanFile) -> Preflight {
        let records = plan.stages.iter().map(|stage| stage.counts.read).sum();
        let queued = |name: &str| -> u64 {
            let stages = plan.stages.iter().filter(|stage| stage.counts.name == name);
            stages.map(|stage| stage.counts.queued).sum()
        };
        // Calls wait in the same queue as the agents whom they wait for.
        let agents = queued(stage::AGENTS);
        let without = plan.queues.get(&queue::agent_without_teammate().code).copied();
        let calls = without.unwrap_or_default().saturating_sub(agents);
        // Where the system does not tell, the disk tells when it is full.
        let free = fs4::available_space(runner.state.path()).ok();
        let found: Vec<Finding> = preflight::disk_space(free, records)
            .into_iter()
            .chain(preflight::agents(agents, calls, self.destination.has_fallback))
            .chain(preflight::teams(queued(stage::TEAMS)))
            .chain(preflight::live_costs(&runner.config, plan.conversations, plan.replies))
            .collect();
        Preflight::new(found, &runner.config)
    }
}

/// The workspace's attributes cannot be read.
pub(super) fn unread(error: intercom_client::Error) -> Unfinished {
    Unfinished::start(StartError::new(
        format!("The workspace's attributes cannot be read: {error}."),
        "The token needs to read them: see its permissions in Intercom.",
    ))
}

/// Refuses to begin where a check stops.
pub(super) fn allow(preflight: &Preflight) -> Result<(), Unfinished> {
    match preflight.refusal() {
        Some(refusal) => Err(Unfinished::start(StartError::new(refusal, "Nothing was written."))),
        None => Ok(()),
    }
}
