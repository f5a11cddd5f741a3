//! What a plan says, as it is saved.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use migrate_core::StageCounts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::preflight::Preflight;
use crate::sink::Action;

/// The file of a saved plan.
pub(super) const FILE: &str = "plan.json";

/// A saved plan. It is bound to the configuration and to the destination's attributes: when these
/// have changed, it is stale.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanFile {
    /// The version of this form.
    pub schema: u32,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Digest of all that it is bound to.
    pub hash: String,
    /// What each stage would do.
    pub stages: Vec<PlannedStage>,
    /// Calls to Intercom in all.
    pub calls: u64,
    /// How long these take at least at the quota, with the reserve kept back, in seconds.
    pub seconds_at_quota: u64,
    /// Calls a minute that this is reckoned with.
    pub calls_per_minute: u64,
    /// The calls to LeadDesk.
    #[serde(default)]
    pub leaddesk: LeadDeskCalls,
    /// How long a run takes at least, in seconds: in each stage the slower side decides, and contacts and
    /// leads are written when all are read. Waiting for what is in doubt comes on top.
    #[serde(default)]
    pub seconds: u64,
    /// Other settings that decide how many calls a run takes, and what it would take by them.
    #[serde(default)]
    pub ways: Vec<Way>,
    /// Conversations that would be opened; fewer are, where calls are those of archived contacts.
    #[serde(default)]
    pub conversations: u64,
    /// Replies of customers that would be written in these.
    #[serde(default)]
    pub replies: u64,
    /// Records in each queue.
    pub queues: BTreeMap<String, u64>,
    /// The tags that will be put on something.
    pub tags: Vec<String>,
    /// What is missing in the workspace and would be made.
    #[serde(default)]
    pub to_create: ToCreate,
    /// What is missing in the workspace and only a person can make.
    #[serde(default)]
    pub to_ask_for: ToAskFor,
    /// How far the routes to calls reach; `None` where no calls were read, since their stage is held back.
    #[serde(default)]
    pub call_history: Option<CallHistory>,
    /// What a run would do with some contacts and leads in the workspace as it is now, by the keys of the
    /// records. A plan that proposes where custom fields go does not know these fields yet.
    #[serde(default)]
    pub sample: Vec<Sampled>,
    /// What the checks before a run found.
    #[serde(default)]
    pub preflight: Preflight,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The configuration in effect; it holds no secrets.
    pub configuration: Value,
    /// The attributes that the destination had, with their types.
    pub attributes: Vec<String>,
}

/// What one stage would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedStage {
    /// Records by fate, and the calls to Intercom.
    #[serde(flatten)]
    pub counts: StageCounts,
    /// Calls to LeadDesk.
    #[serde(default)]
    pub leaddesk_calls: u64,
}

/// The calls that a run makes to LeadDesk, as the dry run has made them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LeadDeskCalls {
    /// Calls in all: those of the stages, and those that open the account. A run that makes a plan first
    /// makes them twice.
    pub calls: u64,
    /// How long these take at least, in seconds.
    pub seconds: u64,
    /// The calls a second that this is reckoned with: `source.requests_per_second`. LeadDesk publishes no
    /// limit. `None` where nothing is read by the API.
    pub calls_per_second: Option<f64>,
}

/// Settings of calls, and what a run would take by them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Way {
    /// `full` or `lean`.
    pub name: String,
    /// The settings, as lines of the configuration.
    pub settings: Vec<String>,
    /// Is it what the configuration says?
    pub is_configured: bool,
    /// Calls to Intercom in all.
    pub calls: u64,
    /// Calls to Intercom for the conversation of a call, on the average.
    pub calls_per_call: f64,
    /// How long a run takes at least, in seconds, as [`PlanFile::seconds`].
    pub seconds: u64,
}

/// What is missing in the workspace and would be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToCreate {
    /// Attributes; one that was archived is taken back into use.
    pub attributes: Vec<PlannedAttribute>,
    /// Tags, by name.
    pub tags: Vec<String>,
}

/// An attribute that would be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedAttribute {
    /// `contact` or `conversation`.
    pub model: String,
    /// Its name.
    pub name: String,
    /// Intercom's type for it.
    pub data_type: String,
    /// Is it that of a custom field? Its name is then LeadDesk's, and may be what people's records hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub custom: bool,
}

/// What is missing in the workspace and only a person can make: Intercom's API cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ToAskFor {
    /// Teams, by name.
    pub teams: Vec<String>,
    /// Teammates, by the keys of the agents who are to be such. `inventory/teammates_to_invite.json` says
    /// more of them after a run.
    pub teammates: Vec<String>,
}

/// How far the routes to calls reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CallHistory {
    /// Contacts that would be in Intercom, each once, however many records of LeadDesk it is made of; and
    /// of them those with a call.
    pub contacts: Share,
    /// The same of leads.
    pub leads: Share,
    /// The routes that were read.
    pub routes: Vec<RouteHistory>,
}

/// How many, and of them those with a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Share {
    /// How many.
    pub all: u64,
    /// How many of them have at least one call.
    pub with_calls: u64,
}

/// How far one route reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RouteHistory {
    /// Its name: that of its setting under `[source.calls]`, or `folder`.
    pub route: String,
    /// The calls that it brought, those included that another route had brought already.
    pub calls: u64,
    /// Contacts with at least one of these.
    pub contacts: u64,
    /// Leads with at least one of these.
    pub leads: u64,
}

/// What a run would do with one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sampled {
    /// The key of the record.
    pub key: String,
    /// What would be done.
    pub action: Action,
    /// The fields that would be filled or overwritten, by name; those of attributes have a dot in front.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The queue in which it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

impl Share {
    /// The share of those with a call, in whole per cent.
    pub fn percent(self) -> Option<u64> {
        self.with_calls.saturating_mul(100).checked_div(self.all)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A plan of an earlier version holds.
    #[test]
    fn what_a_plan_did_not_say_is_empty() {
        let counts = serde_json::to_value(StageCounts::default()).unwrap();
        let old = json!({
            "schema": 1, "made_at": "2026-01-01T00:00:00Z", "hash": "x", "stages": [counts],
            "calls": 7, "seconds_at_quota": 1, "calls_per_minute": 8000, "queues": {}, "tags": [],
            "notes": [], "configuration": {}, "attributes": [],
        });
        let plan: PlanFile = serde_json::from_value(old).unwrap();
        assert_eq!((plan.calls, plan.stages[0].leaddesk_calls), (7, 0));
        assert_eq!((plan.leaddesk, &plan.call_history), (LeadDeskCalls::default(), &None));
        let again = serde_json::to_value(&plan).unwrap();
        assert!(serde_json::from_value::<PlanFile>(again).is_ok());
    }
}
