//! What a source met that is no record: counted, and said in the report.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts of what sources met on the way. Clones share the counts.
///
/// ```
/// use leaddesk_to_intercom::source::Findings;
///
/// let findings = Findings::default();
/// findings.add("ids in the range are holes", 3);
/// findings.clone().add("ids in the range are holes", 2);
/// assert_eq!(findings.notes(), ["5 ids in the range are holes"]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Findings(Arc<Mutex<Met>>);

#[derive(Clone, Debug, Default)]
struct Met {
    counts: BTreeMap<String, u64>,
    /// How many, out of how many.
    shares: BTreeMap<String, (u64, u64)>,
}

impl Findings {
    /// Counts `n` more of something.
    pub fn add(&self, what: &str, n: u64) {
        if n > 0 {
            *self.met().counts.entry(what.to_owned()).or_default() += n;
        }
    }

    /// Counts `n` more of which something holds, out of `of` more.
    ///
    /// ```
    /// # use leaddesk_to_intercom::source::Findings;
    /// let findings = Findings::default();
    /// findings.share("contacts name a last call", 1, 2);
    /// findings.share("contacts name a last call", 0, 1);
    /// assert_eq!(findings.notes(), ["1 of 3 contacts name a last call (33 %)"]);
    /// ```
    pub fn share(&self, what: &str, n: u64, of: u64) {
        if of > 0 {
            let mut met = self.met();
            let share = met.shares.entry(what.to_owned()).or_default();
            *share = (share.0 + n, share.1 + of);
        }
    }

    /// One line for each thing met, sorted: how often, and what.
    pub fn notes(&self) -> Vec<String> {
        let met = self.met();
        let counts = met.counts.iter().map(|(what, n)| format!("{n} {what}"));
        let shares = met.shares.iter().map(|(what, (n, of))| {
            format!("{n} of {of} {what} ({} %)", n.saturating_mul(100) / of)
        });
        counts.chain(shares).collect()
    }

    /// The same as [`notes`](Self::notes); what was met is forgotten.
    pub fn take(&self) -> Vec<String> {
        let notes = self.notes();
        *self.met() = Met::default();
        notes
    }

    fn met(&self) -> std::sync::MutexGuard<'_, Met> {
        // A panic elsewhere leaves the counts as they were.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
