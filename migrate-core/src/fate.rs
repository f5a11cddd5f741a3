//! [`Fate`]: where each source record ended, and [`Reason`]: why.

use serde::{Deserialize, Serialize};

/// Where a source record ended. Every key has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fate {
    /// Created in the destination.
    Created,
    /// Something that was there already was changed.
    Updated,
    /// It was there already as it should be.
    Unchanged,
    /// A duplicate of another key, whose object it shares.
    Merged,
    /// Waits in a reconciliation queue.
    Queued,
    /// Left out by a rule.
    Skipped,
    /// Documented, not migrated, by design.
    Inventoried,
    /// Refused for good.
    Dead,
    /// Nobody knows yet whether a write took effect. Only in an unfinished run.
    InDoubt,
    /// Not done yet. Only in an unfinished run.
    Pending,
}

impl Fate {
    /// All fates, in the order reports use.
    pub const ALL: &'static [Fate] = &[
        Fate::Created,
        Fate::Updated,
        Fate::Unchanged,
        Fate::Merged,
        Fate::Queued,
        Fate::Skipped,
        Fate::Inventoried,
        Fate::Dead,
        Fate::InDoubt,
        Fate::Pending,
    ];

    /// Is nothing more to be done about it in this run?
    pub fn is_final(self) -> bool {
        !matches!(self, Fate::InDoubt | Fate::Pending)
    }

    /// Does the record have its object in the destination?
    pub fn is_in_place(self) -> bool {
        matches!(self, Fate::Created | Fate::Updated | Fate::Unchanged | Fate::Merged)
    }

    /// The name that reports and ledgers use.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Created => "created",
            Fate::Updated => "updated",
            Fate::Unchanged => "unchanged",
            Fate::Merged => "merged",
            Fate::Queued => "queued",
            Fate::Skipped => "skipped",
            Fate::Inventoried => "inventoried",
            Fate::Dead => "dead",
            Fate::InDoubt => "in_doubt",
            Fate::Pending => "pending",
        }
    }
}

/// Why a record is where it is: for people, without a person's data.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reason {
    /// The queue, the rule or the error's code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The field it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Who has to act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What that person has to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The destination's object it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

impl Reason {
    /// A reason with its code and message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            field: None,
            owner: None,
            remedy: None,
            object: None,
        }
    }

    /// The same, about a field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, about an object of the destination.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// The same, with who has to do what.
    #[must_use]
    pub fn remedy(mut self, owner: impl Into<String>, remedy: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self.remedy = Some(remedy.into());
        self
    }
}

/// How many records of a stage had each fate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Fate::ALL.len()],
}

impl Tally {
    /// How many had this fate.
    pub fn of(&self, fate: Fate) -> u64 {
        self.counts[fate as usize]
    }

    /// Counts `n` more records with this fate.
    pub fn add(&mut self, fate: Fate, n: u64) {
        self.counts[fate as usize] += n;
    }

    /// All records.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}
