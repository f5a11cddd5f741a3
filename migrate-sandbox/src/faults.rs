//! What goes wrong on purpose.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::Rng;

/// The faults of both services, each kind with its probability per request. `Default` has none.
///
/// As a file (`--faults FILE`, TOML, or JSON when the name ends in `.json`):
///
/// ```
/// let faults: migrate_sandbox::Faults = toml::from_str(r#"
///     seed = 7
///     [intercom]
///     requests = "writes"     # or "all"
///     lost_reply = 0.02
///     late_effect = 0.01
///     late_by_ms = 400
///     [leaddesk]
///     error_before = 0.05
/// "#)?;
/// assert_eq!(faults.intercom.lost_reply, 0.02);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The same seed and the same order of requests give the same faults.
    pub seed: u64,
    /// Faults of both LeadDesk APIs.
    pub leaddesk: ServiceFaults,
    /// Faults of Intercom.
    pub intercom: ServiceFaults,
    /// How long `POST /conversations` answers 404 for a contact made by a call. The vendor warns that this happens
    /// briefly and does not say for how long; not at all by default.
    #[serde(rename = "new_contact_unknown_for_ms", with = "milliseconds")]
    pub new_contact_unknown_for: Duration,
}

/// The faults of one service. Probabilities are between 0 and 1 and should add up to 1 at most; `slow` stands apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceFaults {
    /// Which requests they strike.
    pub requests: Struck,
    /// A 5xx answer, nothing done.
    pub error_before: f64,
    /// The effect is done, then a 5xx answer.
    pub error_after: f64,
    /// The effect is done, then the connection is closed without a reply.
    pub lost_reply: f64,
    /// The connection is closed at once; the effect comes later.
    pub late_effect: f64,
    /// How much later.
    #[serde(rename = "late_by_ms", with = "milliseconds")]
    pub late_by: Duration,
    /// 429 without an effect and without using up quota.
    pub refused: f64,
    /// The effect is done, but the connection is closed in the middle of the reply's body.
    pub truncated: f64,
    /// The answer comes, but late.
    pub slow: f64,
    /// How late.
    #[serde(rename = "slow_by_ms", with = "milliseconds")]
    pub slow_by: Duration,
    /// Faults that strike chosen requests, before chance is asked.
    pub strikes: Vec<Strike>,
}

/// A fault that strikes chosen requests: as TOML,
///
/// ```
/// let faults: migrate_sandbox::Faults = toml::from_str(r#"
///     [[intercom.strikes]]
///     call = "POST /conversations/{id}/reply"
///     fault = "lost_reply"
///     after = 2               # the first two get through
///     times = 1               # the third is struck
/// "#)?;
/// assert_eq!(faults.intercom.strikes[0].after, 2);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strike {
    /// The request's name, as the [counters](crate::Counters) have it.
    pub call: String,
    /// What befalls it.
    pub fault: FaultKind,
    /// So many requests of this name get through before, since the sandbox was started.
    #[serde(default)]
    pub after: u64,
    /// So many are struck then.
    #[serde(default = "once")]
    pub times: u64,
}

fn once() -> u64 {
    1
}

impl Strike {
    /// Strikes the first request of this name after `after` others.
    pub fn new(call: impl Into<String>, fault: FaultKind, after: u64) -> Self {
        Self { call: call.into(), fault, after, times: once() }
    }

    /// Strikes so many in a row.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Does it strike the request of this name that is the `nth`, counted from one?
    fn hits(&self, name: &str, nth: u64) -> bool {
        self.call == name && nth > self.after && nth - self.after <= self.times
    }
}

/// Which requests faults strike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Struck {
    /// All.
    #[default]
    All,
    /// Only those that change something: anything but GET, search and token requests.
    Writes,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// See [`ServiceFaults::error_before`].
    ErrorBefore,
    /// See [`ServiceFaults::error_after`].
    ErrorAfter,
    /// See [`ServiceFaults::lost_reply`].
    LostReply,
    /// See [`ServiceFaults::late_effect`].
    LateEffect,
    /// See [`ServiceFaults::refused`].
    Refused,
    /// See [`ServiceFaults::truncated`].
    Truncated,
    /// See [`ServiceFaults::slow`].
    Slow,
}

impl Default for ServiceFaults {
    fn default() -> Self {
        Self {
            requests: Struck::All,
            error_before: 0.0,
            error_after: 0.0,
            lost_reply: 0.0,
            late_effect: 0.0,
            late_by: Duration::from_millis(500),
            refused: 0.0,
            truncated: 0.0,
            slow: 0.0,
            slow_by: Duration::from_millis(500),
            strikes: Vec::new(),
        }
    }
}

impl ServiceFaults {
    /// What befalls the next request, the `nth` of this name: at most one fault, and whether it is
    /// slow besides.
    pub(crate) fn decide(
        &self,
        name: &str,
        nth: u64,
        is_write: bool,
        rng: &mut Rng,
    ) -> (Option<FaultKind>, bool) {
        if let Some(strike) = self.strikes.iter().find(|strike| strike.hits(name, nth)) {
            return match strike.fault {
                FaultKind::Slow => (None, true),
                fault => (Some(fault), false),
            };
        }
        if self.requests == Struck::Writes && !is_write {
            return (None, false);
        }
        let slow = rng.chance(self.slow);
        let mut draw = rng.unit();
        let kinds = [
            (FaultKind::ErrorBefore, self.error_before),
            (FaultKind::ErrorAfter, self.error_after),
            (FaultKind::LostReply, self.lost_reply),
            (FaultKind::LateEffect, self.late_effect),
            (FaultKind::Refused, self.refused),
            (FaultKind::Truncated, self.truncated),
        ];
        for (kind, probability) in kinds {
            if draw < probability {
                return (Some(kind), slow);
            }
            draw -= probability;
        }
        (None, slow)
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}
