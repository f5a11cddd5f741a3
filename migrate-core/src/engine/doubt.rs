//! Doubt about a write: what an answer to a look means, and when a negative one can be believed.
//! Pure.

use chrono::{DateTime, Utc};

use crate::fate::Reason;
use crate::ledger::How;
use crate::run::Patience;
use crate::sink::{Evidence, Failure, FailureKind, Found, TargetId};

/// What is known of a look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// The moment after which the write was surely no longer being sent.
    pub(crate) since: DateTime<Utc>,
    /// When the destination was asked: its answer is as old as the question.
    pub(crate) asked_at: DateTime<Utc>,
    /// Looks before this one, in vain.
    pub(crate) looks: u32,
    /// Has the destination failed so often in a row that it counts as gone?
    pub(crate) gone: bool,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// The write took effect; `current` is false if an older state of it did.
    There { target: TargetId, how: How, current: bool, twins: Vec<TargetId> },
    /// It surely did not and will not.
    NotThere,
    /// It is too early to say.
    Later { not_before: DateTime<Utc>, looks: u32 },
    /// It cannot be found out.
    Never(Reason),
    /// The run ends.
    Stop(Failure),
}

impl Look {
    /// Judges an answer that came at `now`.
    pub(crate) fn judge(
        &self,
        found: Result<Found, Failure>,
        now: DateTime<Utc>,
        patience: &Patience,
    ) -> Judgement {
        let there =
            |target, how, current| Judgement::There { target, how, current, twins: Vec::new() };
        match found {
            Ok(Found::Yes(target)) => there(target, How::Created, true),
            Ok(Found::Updated(target)) => there(target, How::Updated, true),
            Ok(Found::Older(target)) => there(target, How::Created, false),
            Ok(Found::Twins(twins)) => match twins.first().cloned() {
                Some(target) => {
                    Judgement::There { target, how: How::Created, current: true, twins }
                }
                None => self.in_vain("the destination gave no id", now, patience),
            },
            Ok(Found::No(evidence)) => {
                let from = believable_at(evidence, self.since, patience);
                if self.asked_at >= from {
                    Judgement::NotThere
                } else {
                    Judgement::Later { not_before: from, looks: self.looks }
                }
            }
            Ok(Found::CannotTell) => self.in_vain("the destination cannot tell", now, patience),
            Err(failure) => match failure.kind {
                FailureKind::Gone | FailureKind::Stop => Judgement::Stop(failure),
                _ if self.gone => Judgement::Stop(Failure::new(FailureKind::Gone, failure.message)),
                // It did not look, so it is no look in vain.
                _ => {
                    let not_before = patience.next_look(now, self.looks.max(1));
                    Judgement::Later { not_before, looks: self.looks }
                }
            },
        }
    }

    /// One more look that led to nothing.
    pub(super) fn in_vain(
        &self,
        message: &str,
        now: DateTime<Utc>,
        patience: &Patience,
    ) -> Judgement {
        let looks = self.looks + 1;
        if looks >= patience.max_looks {
            return Judgement::Never(Reason::new("in_doubt_for_good", message).remedy(
                "admin of the destination",
                "see by hand whether the object is there; the next run looks again",
            ));
        }
        Judgement::Later { not_before: patience.next_look(now, looks), looks }
    }
}

/// When a negative answer of this kind can be believed: when no request can still be on its way
/// and, through an index, when the index has had time to catch up.
fn believable_at(evidence: Evidence, since: DateTime<Utc>, patience: &Patience) -> DateTime<Utc> {
    let wait = match evidence {
        Evidence::Read => patience.settle_after,
        Evidence::Search => patience.settle_after.saturating_add(patience.lag_horizon),
    };
    let wait = chrono::TimeDelta::from_std(wait).ok();
    wait.and_then(|wait| since.checked_add_signed(wait)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn look(asked_at: i64, looks: u32) -> Look {
        Look { since: at(0), asked_at: at(asked_at), looks, gone: false }
    }

    fn judge(look: Look, found: Result<Found, Failure>) -> Judgement {
        look.judge(found, look.asked_at, &Patience::default())
    }

    #[test]
    fn a_negative_answer_counts_only_when_nothing_can_be_on_its_way() {
        for (evidence, from) in [(Evidence::Read, 60), (Evidence::Search, 360)] {
            let early = judge(look(from - 1, 3), Ok(Found::No(evidence)));
            assert_eq!(early, Judgement::Later { not_before: at(from), looks: 3 });
            assert_eq!(judge(look(from, 3), Ok(Found::No(evidence))), Judgement::NotThere);
        }
    }

    #[test]
    fn the_answer_is_as_old_as_the_question() {
        let slow = look(59, 0).judge(Ok(Found::No(Evidence::Read)), at(70), &Patience::default());
        assert_eq!(slow, Judgement::Later { not_before: at(60), looks: 0 });
    }

    #[test]
    fn a_positive_answer_counts_at_once() {
        let (one, two) = (TargetId::new("1"), TargetId::new("2"));
        for (found, how, current) in [
            (Found::Yes(one.clone()), How::Created, true),
            (Found::Updated(one.clone()), How::Updated, true),
            (Found::Older(one.clone()), How::Created, false),
        ] {
            let there = Judgement::There { target: one.clone(), how, current, twins: Vec::new() };
            assert_eq!(judge(look(0, 0), Ok(found)), there);
        }
        let (twins, how) = (vec![one.clone(), two], How::Created);
        let there = Judgement::There { target: one, how, current: true, twins: twins.clone() };
        assert_eq!(judge(look(0, 0), Ok(Found::Twins(twins))), there);
    }

    #[test]
    fn what_cannot_be_told_is_given_up_in_the_end() {
        let Judgement::Later { not_before, looks } = judge(look(5, 2), Ok(Found::CannotTell))
        else {
            panic!("it can still be told")
        };
        assert_eq!((not_before, looks), (at(5 + 8), 3));
        assert!(matches!(judge(look(5, 7), Ok(Found::CannotTell)), Judgement::Never(_)));
        assert!(matches!(judge(look(5, 7), Ok(Found::Twins(Vec::new()))), Judgement::Never(_)));
    }

    #[test]
    fn a_look_that_failed_is_no_look_in_vain() {
        let busy = || Err(Failure::new(FailureKind::NotDone, "busy"));
        assert_eq!(judge(look(5, 7), busy()), Judgement::Later { not_before: at(65), looks: 7 });
        let outage = Look { gone: true, ..look(5, 7) };
        let Judgement::Stop(failure) = judge(outage, busy()) else { panic!("it is gone") };
        assert_eq!(failure.kind, FailureKind::Gone);
    }
}
