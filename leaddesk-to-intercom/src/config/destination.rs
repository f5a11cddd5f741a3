//! `[destination]`, `[preflight]` and `[verify]`: the Intercom workspace and how it is treated.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::duration;
use crate::value::Email;

/// `[destination]`: the Intercom workspace. Exactly one of `region` and `base_url` is needed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Destination {
    /// `region` in which Intercom hosts the workspace.
    pub region: Option<Region>,
    /// `base_url` of another server that speaks Intercom's API, instead of a region.
    pub base_url: Option<Url>,
    /// `token_env`: the environment variable that holds the access token. Default `INTERCOM_TOKEN`.
    pub token_env: String,
    /// `fallback_admin`: e-mail of the teammate who stands for agents without one. Default: none, so that what needs
    /// an unmatched agent waits.
    pub fallback_admin: Option<Email>,
    /// `reserve`: share of the quota left to others, from 0 to 0.9. Default 0.2.
    pub reserve: f64,
    /// `workspace_limit`: calls a minute of all apps of the workspace together. Default 25000.
    pub workspace_limit: u32,
    /// `search_lag_horizon`: how long Intercom's search may not know a new object. Default 5 minutes. Unverified:
    /// Intercom says "minutes".
    #[serde(with = "duration")]
    pub search_lag_horizon: Duration,
    /// `settle_after`: how long a request may still take effect after its last byte was sent. Default 60 seconds.
    #[serde(with = "duration")]
    pub settle_after: Duration,
    /// `preview`: uses calls of the Preview version. Default false. Not available yet.
    pub preview: bool,
    /// `acknowledge_live_automation`: the operator knows that new conversations may start workflows, Fin and
    /// notifications in the live workspace. Default false.
    pub acknowledge_live_automation: bool,
    /// `acknowledge_region`: the operator knows that people of the EU go into a workspace elsewhere. Default false.
    pub acknowledge_region: bool,
}

/// Where Intercom hosts a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Region {
    /// United States.
    Us,
    /// European Union.
    Eu,
    /// Australia.
    Au,
}

/// `[preflight]`: checks before the first write.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Preflight {
    /// `[preflight.waive]`: name of a check and the reason for going on although it fails, for the report. See
    /// [`preflight`](crate::preflight).
    pub waive: BTreeMap<String, String>,
}

impl Preflight {
    /// The checks that can be waived. All others protect what cannot be mended, or have a setting of their own.
    pub const WAIVABLE: [&str; 8] = [
        "attribute_limit",
        "attribute_types",
        "conversation_attributes",
        "agents",
        "teams",
        "chatbot_period",
        "disk_space",
        "clock_skew",
    ];
}

/// `[verify]`: reading back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Verify {
    /// `sample`: records of each kind that are read back. Default 50.
    pub sample: usize,
    /// `seed` of the random choice, so that it can be repeated. Default 1.
    pub seed: u64,
}

impl Default for Destination {
    fn default() -> Self {
        Self {
            region: None,
            base_url: None,
            token_env: "INTERCOM_TOKEN".to_owned(),
            fallback_admin: None,
            reserve: 0.2,
            workspace_limit: 25_000,
            search_lag_horizon: Duration::from_secs(5 * 60),
            settle_after: Duration::from_secs(60),
            preview: false,
            acknowledge_live_automation: false,
            acknowledge_region: false,
        }
    }
}

impl Default for Verify {
    fn default() -> Self {
        Self { sample: 50, seed: 1 }
    }
}
