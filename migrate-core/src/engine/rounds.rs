//! What is done when only records that must wait are left. Pure.
//!
//! They are looked at in rounds: what is due is settled, then what that made ready, until nothing
//! moves any more; then the run waits for the next that is due.

use chrono::{DateTime, Utc};

use super::plan::Waiting;

/// What to do after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing waits any more.
    Done,
    /// Look again at once: something was settled on which others wait.
    Again,
    /// Nothing will be due before this.
    Sleep(DateTime<Utc>),
    /// What waits, waits for each other, or for what this run does not do: it will not be ready.
    Stuck,
    /// They are left for a later run, which the caller has asked for.
    Leave(u64),
}

/// Decides what comes after a round that left `waiting` and in which something `moved` or not.
pub(super) fn after_round(waiting: &Waiting, moved: bool, no_wait: bool) -> Next {
    match (waiting.records, waiting.due) {
        (0, _) => Next::Done,
        _ if moved && waiting.dependents > 0 => Next::Again,
        (records, Some(_)) if no_wait => Next::Leave(records),
        (_, Some(due)) => Next::Sleep(due),
        (_, None) => Next::Stuck,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_round() {
        let due = DateTime::UNIX_EPOCH;
        let waiting = |records, dependents, due| Waiting { records, dependents, due };
        for (waits, moved, no_wait, next) in [
            (waiting(0, 0, None), true, false, Next::Done),
            (waiting(3, 1, Some(due)), true, false, Next::Again),
            (waiting(3, 1, Some(due)), true, true, Next::Again),
            (waiting(3, 1, Some(due)), false, false, Next::Sleep(due)),
            (waiting(3, 0, Some(due)), true, false, Next::Sleep(due)),
            (waiting(3, 0, Some(due)), true, true, Next::Leave(3)),
            (waiting(2, 2, None), false, false, Next::Stuck),
            (waiting(2, 2, None), false, true, Next::Stuck),
            (waiting(2, 2, None), true, false, Next::Again),
        ] {
            assert_eq!(after_round(&waits, moved, no_wait), next, "{waits:?} {moved} {no_wait}");
        }
    }
}
