//! What is looked at before the first write: each check has a name, and says what it found and what to
//! do about it.
//!
//! | check | stops | what it looks at |
//! |---|---|---|
//! | `live_automation` | yes | is it acknowledged that conversations may start what the live workspace has set up? |
//! | `attribute_types` | yes | attributes of the same name that cannot be used: another type, archived, a company's, or somebody else's list that lacks choices |
//! | `conversation_attributes` | yes | attributes of conversations that are there twice: Intercom refuses every write to such a name |
//! | `field_mapping` | yes | has a person confirmed where the custom fields go? |
//! | `attribute_limit` | yes | room for the attributes that are missing |
//! | `clock_skew` | yes | this machine's clock against Intercom's |
//! | `disk_space` | yes | room for the ledger beside the state that is there |
//! | `chatbot_period` | yes | the chatbot's export: all four files, and the days that were asked for, in rows whose times can be read; a gap in counts is told only |
//! | `live_costs` | no | how many conversations would be created that may start Fin, workflows, assignment rules and notifications |
//! | `teams` | no | projects and offices that no team has the name of |
//! | `agents` | no | agents whom no teammate matches, or calls with a comment by such, while nobody stands in for them |
//!
//! Token, plan, region and the access to LeadDesk are tried first of all, when both sides are
//! [connected](crate::connect): without them there is nothing to look at.
//!
//! A check that stops can be waived under `[preflight.waive]`, by its name and with a reason that goes
//! into the report; save for `live_automation` and `field_mapping`, which have settings of their own.

mod checks;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Config;

pub(crate) use checks::active_attributes;
pub use checks::{
    agents, attribute_limit, attributes, chatbot_period, clock_skew, disk_space, field_mapping,
    live_automation, live_costs, teams,
};

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the check.
    pub check: String,
    /// What it means for a run.
    pub severity: Severity,
    /// What was found: a sentence.
    pub found: String,
    /// What to do: a sentence.
    pub remedy: String,
    /// Why a run goes on all the same, if the configuration says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
}

/// What a finding means for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// A run does not begin.
    Stops,
    /// A run begins, and the report says it.
    Warns,
}

impl Finding {
    /// A finding that keeps a run from beginning. What and remedy are sentences.
    pub fn stops(check: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(check, Severity::Stops, found.into(), remedy.into())
    }

    /// A finding to be known. What and remedy are sentences.
    pub fn warns(check: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(check, Severity::Warns, found.into(), remedy.into())
    }

    fn new(check: &str, severity: Severity, found: String, remedy: String) -> Self {
        Self { check: check.to_owned(), severity, found, remedy, waived: None }
    }

    /// Does it keep a run from beginning?
    pub fn is_stopping(&self) -> bool {
        self.severity == Severity::Stops && self.waived.is_none()
    }
}

/// The name of the check, what was found, and what to do or why that is waived.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, found, remedy, waived, .. } = self;
        match waived {
            Some(reason) => write!(f, "[{check}] {found} Waived: {reason}"),
            None => write!(f, "[{check}] {found} {remedy}"),
        }
    }
}

/// All that the checks found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preflight(Vec<Finding>);

impl Preflight {
    /// Findings, of which those are waived that the configuration names.
    pub fn new(findings: impl IntoIterator<Item = Finding>, config: &Config) -> Self {
        let waive = &config.preflight.waive;
        let waived = |mut finding: Finding| {
            finding.waived = waive.get(&finding.check).cloned();
            finding
        };
        Self(findings.into_iter().map(waived).collect())
    }

    /// The findings, in the order of the checks.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }

    /// What keeps a run from beginning, with the remedies, in one text; `None` if nothing does.
    pub fn refusal(&self) -> Option<String> {
        let stopping: Vec<String> =
            self.0.iter().filter(|finding| finding.is_stopping()).map(Finding::to_string).collect();
        (!stopping.is_empty()).then(|| stopping.join(" "))
    }

    /// The same with more findings.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(waive: &str) -> Config {
        let text = format!(
            "[source]\nkind = 'api'\ntime_zone = 'UTC'\n[destination]\nregion = 'eu'\n[preflight.waive]\n{waive}"
        );
        Config::parse(&text, "test.toml").unwrap()
    }

    fn findings() -> [Finding; 3] {
        [
            Finding::stops("disk_space", "The disk is full.", "Make room."),
            Finding::stops("clock_skew", "The clock is wrong.", "Set it."),
            Finding::warns("agents", "Nobody speaks.", "Invite somebody."),
        ]
    }

    #[test]
    fn what_stops_is_told_at_once_and_what_is_waived_is_said_with_the_reason() {
        let all = Preflight::new(findings(), &config(""));
        assert_eq!(
            all.refusal().unwrap(),
            "[disk_space] The disk is full. Make room. [clock_skew] The clock is wrong. Set it."
        );
        let some = Preflight::new(findings(), &config("disk_space = 'it is a big disk'"));
        assert_eq!(some.refusal().unwrap(), "[clock_skew] The clock is wrong. Set it.");
        let said: Vec<String> = some.findings().iter().map(Finding::to_string).collect();
        assert_eq!(
            said,
            [
                "[disk_space] The disk is full. Waived: it is a big disk",
                "[clock_skew] The clock is wrong. Set it.",
                "[agents] Nobody speaks. Invite somebody.",
            ]
        );
        let both = "disk_space = 'it is a big disk'\nclock_skew = 'it is a lab'";
        assert_eq!(Preflight::new(findings(), &config(both)).refusal(), None);
    }
}
