//! Order: records of one lane go one after the other, and nothing overtakes a failure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Units that are ready to go, by lane. Pure.
#[derive(Debug)]
pub(super) struct Lanes<U> {
    ready: VecDeque<(Option<String>, U)>,
    busy: BTreeMap<String, VecDeque<U>>,
    held: BTreeSet<String>,
}

/// What to do with a unit that asks to go.
#[derive(Debug, PartialEq)]
pub(super) enum Turn<U> {
    /// It goes now.
    Go(Option<String>, U),
    /// Its lane is held by a record that waits: it waits behind it.
    Held(U),
}

impl<U> Default for Lanes<U> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), busy: BTreeMap::new(), held: BTreeSet::new() }
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
        match lane {
            Some(lane) if self.held.contains(&lane) => {
                self.step(lane);
                Some(Turn::Held(unit))
            }
            lane => Some(Turn::Go(lane, unit)),
        }
    }

    /// The unit that went in this lane has ended; `waits` says that it had to be parked.
    pub(super) fn ended(&mut self, lane: Option<String>, waits: bool) {
        if let Some(lane) = lane {
            if waits {
                self.held.insert(lane.clone());
            }
            self.step(lane);
        }
    }

    /// Holds a lane: a record of it waits since an earlier time.
    pub(super) fn hold(&mut self, lane: String) {
        self.held.insert(lane);
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
        lanes.ended(Some("a".into()), false);
        assert_eq!(lanes.pop(), Some(Turn::Go(Some("a".into()), 2)));
    }

    #[test]
    fn nothing_overtakes_a_failure_in_its_lane() {
        let mut lanes = Lanes::default();
        for unit in 1..=3 {
            lanes.push(Some("a".into()), unit);
        }
        assert_eq!(lanes.pop(), Some(Turn::Go(Some("a".into()), 1)));
        lanes.ended(Some("a".into()), true);
        assert_eq!(lanes.pop(), Some(Turn::Held(2)));
        assert_eq!(lanes.pop(), Some(Turn::Held(3)));
        lanes.push(Some("a".into()), 4);
        assert_eq!(lanes.pop(), Some(Turn::Held(4)));
    }
}
