//! Order: records of one lane go one after the other, and nothing overtakes a failure.

use std::collections::{BTreeMap, VecDeque};

/// Units that are ready to go, by lane. Pure.
#[derive(Debug)]
pub(super) struct Lanes<U> {
    ready: VecDeque<(Option<String>, U)>,
    busy: BTreeMap<String, VecDeque<U>>,
    held: BTreeMap<String, Hold>,
}

/// What holds a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hold {
    /// A record of it is parked: the rest is parked behind it.
    Waits,
    /// A record of it waits for somebody: the rest waits for that.
    Queued,
}

/// What to do with a unit that asks to go.
#[derive(Debug, PartialEq)]
pub(super) enum Turn<U> {
    /// It goes now.
    Go(Option<String>, U),
    /// Its lane is held: it waits as the one before it does. The next of its lane comes when it
    /// has ended, for also those that wait must be known to wait in their order.
    Held(Hold, String, U),
}

impl<U> Default for Lanes<U> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), busy: BTreeMap::new(), held: BTreeMap::new() }
    }
}

impl<U> Lanes<U> {
    /// Puts a unit in line.
    pub(super) fn push(&mut self, lane: Option<String>, unit: U) {
        if let Some(line) = lane.as_ref().and_then(|lane| self.busy.get_mut(lane)) {
            line.push_back(unit);
            return;
        }
        if let Some(lane) = &lane {
            self.busy.insert(lane.clone(), VecDeque::new());
        }
        self.ready.push_back((lane, unit));
    }

    /// The next unit that may go.
    pub(super) fn pop(&mut self) -> Option<Turn<U>> {
        let (lane, unit) = self.ready.pop_front()?;
        let hold = lane.as_ref().and_then(|lane| self.held.get(lane)).copied();
        Some(match (hold, lane) {
            (Some(hold), Some(lane)) => Turn::Held(hold, lane, unit),
            (_, lane) => Turn::Go(lane, unit),
        })
    }

    /// The unit that went in this lane has ended, and holds it or not.
    pub(super) fn ended(&mut self, lane: Option<String>, hold: Option<Hold>) {
        if let Some(lane) = lane {
            if let Some(hold) = hold {
                self.hold(lane.clone(), hold);
            }
            self.step(lane);
        }
    }

    /// Holds a lane. One that is held already is held for whatever came first.
    pub(super) fn hold(&mut self, lane: String, hold: Hold) {
        self.held.entry(lane).or_insert(hold);
    }

    fn step(&mut self, lane: String) {
        let next = self.busy.get_mut(&lane).and_then(VecDeque::pop_front);
        match next {
            Some(unit) => self.ready.push_back((Some(lane), unit)),
            None => {
                self.busy.remove(&lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_goes_one_by_one_and_others_beside_it() {
        let mut lanes = Lanes::default();
        lanes.push(Some("a".into()), 1);
        lanes.push(Some("a".into()), 2);
        lanes.push(None, 3);
        assert_eq!(lanes.pop(), Some(Turn::Go(Some("a".into()), 1)));
        assert_eq!(lanes.pop(), Some(Turn::Go(None, 3)));
        assert_eq!(lanes.pop(), None, "2 waits for 1");
        lanes.ended(Some("a".into()), None);
        assert_eq!(lanes.pop(), Some(Turn::Go(Some("a".into()), 2)));
    }

    #[test]
    fn nothing_overtakes_a_failure_in_its_lane() {
        for hold in [Hold::Waits, Hold::Queued] {
            let mut lanes = Lanes::default();
            for unit in 1..=3 {
                lanes.push(Some("a".into()), unit);
            }
            assert_eq!(lanes.pop(), Some(Turn::Go(Some("a".into()), 1)));
            lanes.ended(Some("a".into()), Some(hold));
            lanes.push(Some("a".into()), 4);
            for unit in 2..=4 {
                assert_eq!(lanes.pop(), Some(Turn::Held(hold, "a".into(), unit)));
                assert_eq!(lanes.pop(), None, "one after the other");
                lanes.ended(Some("a".into()), Some(hold));
            }
            assert_eq!(lanes.pop(), None);
        }
    }
}
