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
pub struct Findings(Arc<Mutex<BTreeMap<String, u64>>>);

impl Findings {
    /// Counts `n` more of something.
    pub fn add(&self, what: &str, n: u64) {
        if n > 0 {
            *self.counts().entry(what.to_owned()).or_default() += n;
        }
    }

    /// One line for each thing met, sorted: how often, and what.
    pub fn notes(&self) -> Vec<String> {
        self.counts().iter().map(|(what, n)| format!("{n} {what}")).collect()
    }

    /// The same as [`notes`](Self::notes); what was met is forgotten.
    pub fn take(&self) -> Vec<String> {
        let notes = self.notes();
        self.counts().clear();
        notes
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        // A panic elsewhere leaves the counts as they were.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
