//! [`Selection`]: which of the records that are dead or queued are to be tried again.

use std::collections::BTreeSet;

use crate::ledger::Entry;
use crate::{Fate, Key};

/// Which of the records that are dead or wait in a queue are to be tried again: all of them,
/// unless it is narrowed. Every narrowing applies.
///
/// ```
/// use migrate_core::{Fate, Selection};
///
/// let mended = Selection::all().of_stage("contacts").in_queue("shared_email");
/// let refused = Selection::all().with(Fate::Dead);
/// # let _ = (mended, refused);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Only records of this stage.
    pub stage: Option<String>,
    /// Only records whose reason has this code: those of one queue, or dead for one reason.
    pub code: Option<String>,
    /// Only records with this fate.
    pub fate: Option<Fate>,
    /// Only these records.
    pub keys: Option<BTreeSet<Key>>,
}

impl Selection {
    /// Everything that is dead or queued.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only records of this stage.
    #[must_use]
    pub fn of_stage(mut self, stage: impl Into<String>) -> Self {
        self.stage = Some(stage.into());
        self
    }

    /// Only records that wait in this queue, or are dead for the reason of this code.
    #[must_use]
    pub fn in_queue(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Only records with this fate: [`Dead`](Fate::Dead) or [`Queued`](Fate::Queued).
    #[must_use]
    pub fn with(mut self, fate: Fate) -> Self {
        self.fate = Some(fate);
        self
    }

    /// Only these records.
    #[must_use]
    pub fn keys(mut self, keys: impl IntoIterator<Item = Key>) -> Self {
        self.keys = Some(keys.into_iter().collect());
        self
    }

    /// Is this record to be tried again?
    pub fn wants(&self, entry: &Entry) -> bool {
        let code = entry.reason.as_ref().map(|reason| &reason.code);
        matches!(entry.fate, Fate::Dead | Fate::Queued)
            && self.stage.as_ref().is_none_or(|stage| *stage == entry.stage)
            && self.code.as_ref().is_none_or(|wanted| Some(wanted) == code)
            && self.fate.is_none_or(|fate| fate == entry.fate)
            && self.keys.as_ref().is_none_or(|keys| keys.contains(&entry.key))
    }

    /// The fates that are worth a look.
    pub(crate) fn fates(&self) -> impl Iterator<Item = Fate> + use<'_> {
        let fates = [Fate::Queued, Fate::Dead].into_iter();
        fates.filter(|fate| self.fate.is_none_or(|wanted| wanted == *fate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reason;

    #[test]
    fn every_narrowing_applies() {
        let entry = |n: u32, fate, code: &str| Entry {
            fate,
            reason: Some(Reason::new(code, "")),
            ..Entry::pending(Key::new("contact", n), "contacts")
        };
        let queued = entry(1, Fate::Queued, "shared_email");
        let dead = entry(2, Fate::Dead, "refused");
        let wanted = |selection: Selection| (selection.wants(&queued), selection.wants(&dead));
        assert_eq!(wanted(Selection::all()), (true, true));
        assert_eq!(wanted(Selection::all().of_stage("calls")), (false, false));
        assert_eq!(wanted(Selection::all().in_queue("shared_email")), (true, false));
        assert_eq!(wanted(Selection::all().with(Fate::Dead)), (false, true));
        assert_eq!(wanted(Selection::all().keys([Key::new("contact", 2)])), (false, true));
        let both = Selection::all().with(Fate::Dead).in_queue("shared_email");
        assert_eq!(wanted(both), (false, false));
        assert!(!Selection::all().wants(&entry(3, Fate::Created, "")), "nothing that is in place");
        assert_eq!(Selection::all().with(Fate::Dead).fates().collect::<Vec<_>>(), [Fate::Dead]);
    }
}
