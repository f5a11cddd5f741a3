//! [`Scan`]: which entries are wanted.

use super::Entry;
use crate::Fate;

/// Which entries of a stage are wanted, and in which order.
///
/// ```
/// use migrate_core::Fate;
/// use migrate_core::ledger::Scan;
///
/// let dead = Scan::of("contacts").with(Fate::Dead).limit(100);
/// let next = dead.clone().after(4711); // the last row that came
/// assert_eq!(next.after, Some(4711));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scan {
    /// The stage.
    pub stage: String,
    /// Only those with this fate.
    pub fate: Option<Fate>,
    /// Only those that were not seen in this pass.
    pub unseen_in: Option<u32>,
    /// Only those beyond this row, in the order asked for.
    pub after: Option<u64>,
    /// So many at most.
    pub limit: usize,
    /// The last row first.
    pub newest_first: bool,
}

impl Scan {
    /// The first 500 entries of a stage.
    pub fn of(stage: impl Into<String>) -> Self {
        Self {
            stage: stage.into(),
            fate: None,
            unseen_in: None,
            after: None,
            limit: 500,
            newest_first: false,
        }
    }

    /// Only entries with this fate.
    #[must_use]
    pub fn with(mut self, fate: Fate) -> Self {
        self.fate = Some(fate);
        self
    }

    /// Only entries that were not seen in this pass.
    #[must_use]
    pub fn unseen_in(mut self, pass: u32) -> Self {
        self.unseen_in = Some(pass);
        self
    }

    /// Only entries beyond this row.
    #[must_use]
    pub fn after(mut self, row: u64) -> Self {
        self.after = Some(row);
        self
    }

    /// So many at most.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The last row first.
    #[must_use]
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Is this entry, of the stage, among those that are wanted?
    pub fn wants(&self, entry: &Entry) -> bool {
        self.fate.is_none_or(|fate| fate == entry.fate)
            && self.unseen_in.is_none_or(|pass| entry.seen != pass)
    }
}
