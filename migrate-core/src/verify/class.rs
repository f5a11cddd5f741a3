//! [`Class`]: what it means that a field is not as it should be.

use chrono::{DateTime, TimeDelta, Utc};

use crate::Fingerprint;

use super::Field;
use super::normal::is_nothing;

/// What it means that something is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Class {
    /// Something should be there, and nothing is.
    Lost,
    /// Something else is there: the destination altered it when it was written, as far as anybody
    /// knows.
    Altered,
    /// Somebody has changed the object since it was written.
    Edited,
    /// The source has changed since it was written: it stands as it was, and the next run brings the
    /// change over.
    Outdated,
    /// The object is gone.
    Missing,
    /// The object is there several times.
    Twin,
}

impl Class {
    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Altered => "altered",
            Self::Edited => "edited",
            Self::Outdated => "outdated",
            Self::Missing => "missing",
            Self::Twin => "twin",
        }
    }
}

/// What is known of whether somebody has changed an object since it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    /// The digests of the state that was left, and of the state now.
    pub(super) states: (Option<Fingerprint>, Option<Fingerprint>),
    /// Is what was written another state of the record than the one it is compared with?
    pub(super) outdated: bool,
    /// When the migration last wrote any of it.
    pub(super) written_at: Option<DateTime<Utc>>,
    /// When somebody last changed it.
    pub(super) changed_at: Option<DateTime<Utc>>,
}

impl Evidence {
    /// Has somebody changed it since? Where the digest is the same nobody has, since it sees what was
    /// written, and the time of a change says no more than that something of the object changed.
    /// Where it differs somebody has, unless the destination says that there was no change. `skew` is
    /// how far the clocks of the two may be apart.
    fn is_edited(&self, skew: TimeDelta) -> bool {
        match (self.states, self.written_at, self.changed_at) {
            ((Some(left), Some(now)), Some(written), Some(changed)) => {
                left != now && changed > written
            }
            ((Some(left), Some(now)), ..) => left != now,
            (_, Some(written), Some(changed)) => changed > written + skew,
            _ => false,
        }
    }
}

/// What is wrong with a field, if anything is.
pub(super) fn classify(field: &Field, evidence: &Evidence, skew: TimeDelta) -> Option<Class> {
    if field.by.same(&field.wanted, &field.found) {
        return None;
    }
    Some(if evidence.is_edited(skew) {
        Class::Edited
    } else if evidence.outdated {
        Class::Outdated
    } else if is_nothing(&field.found) {
        Class::Lost
    } else {
        Class::Altered
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Normal;

    #[test]
    fn what_a_difference_means() {
        let at = |second| Some(DateTime::UNIX_EPOCH + TimeDelta::seconds(second));
        let state = |text: &str| Some(Fingerprint::of(text.as_bytes()));
        let evidence = |states, changed_at| Evidence {
            states,
            written_at: at(100),
            changed_at,
            ..Evidence::default()
        };
        let unknown = evidence((None, None), None);
        let untouched = evidence((state("a"), state("a")), at(999));
        let touched = evidence((state("a"), state("b")), at(101));
        let vanished = evidence((state("a"), state("b")), at(99));
        let nobody_knows_when = evidence((state("a"), state("b")), None);
        let outdated = Evidence { outdated: true, ..untouched };
        let outdated_and_touched = Evidence { outdated: true, ..touched };
        let later = evidence((None, state("b")), at(161));
        let at_once = evidence((state("a"), None), at(160));
        let (same, lost, other) = (json!(" x"), json!(""), json!("y"));
        let table = [
            (&same, unknown, None),
            (&same, touched, None),
            (&lost, unknown, Some(Class::Lost)),
            (&other, unknown, Some(Class::Altered)),
            (&lost, untouched, Some(Class::Lost)),
            (&other, untouched, Some(Class::Altered)),
            (&lost, touched, Some(Class::Edited)),
            (&lost, vanished, Some(Class::Lost)),
            (&other, vanished, Some(Class::Altered)),
            (&lost, nobody_knows_when, Some(Class::Edited)),
            (&other, touched, Some(Class::Edited)),
            (&other, later, Some(Class::Edited)),
            (&lost, outdated, Some(Class::Outdated)),
            (&other, outdated, Some(Class::Outdated)),
            (&same, outdated, None),
            (&other, outdated_and_touched, Some(Class::Edited)),
            (&other, at_once, Some(Class::Altered)),
            (&lost, Evidence::default(), Some(Class::Lost)),
        ];
        for (found, evidence, expected) in table {
            let field = Field::new("name", "x", found.clone()).by(Normal::trim());
            let class = classify(&field, &evidence, TimeDelta::seconds(60));
            assert_eq!(class, expected, "{found} with {evidence:?}");
        }
    }
}
