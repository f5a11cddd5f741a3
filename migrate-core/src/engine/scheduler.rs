//! What happens when in a stage: which records are under way, when the next page is read, and when
//! a page is committed. A pure state machine: it is told what happened and says what to do.

use crate::sink::Limits;

use super::ending::Ended;
use super::flow::OpenedPage;
use super::lanes::{Hold, Lanes, Turn};
use super::window::{ClosedPage, Window};

/// Schedules the records of one stage; `U` is whatever stands for one.
#[derive(Debug)]
pub(super) struct Scheduler<U> {
    lanes: Lanes<(Option<u64>, U)>,
    window: Window,
    /// Records that may be under way at once.
    most_under_way: usize,
    /// Records, and pages, that may be open at once.
    most_open: usize,
    under_way: usize,
    open: usize,
    /// Are pages being committed?
    committing: bool,
    /// Has a page got lost between two commits?
    gap: bool,
    /// Has everything been read?
    read: bool,
    /// Nothing more is begun: the run is about to end.
    halted: bool,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event<U> {
    /// Records were read, each with its lane; they may be a page of the source.
    Loaded { page: Option<OpenedPage>, records: Vec<(Option<String>, U)> },
    /// There is nothing more to read.
    ReadToEnd,
    /// A record of this lane waits since an earlier time: the lane waits behind it.
    Hold(String, Hold),
    /// A record that was begun has ended.
    Ended { ticket: Ticket, ended: Ended },
    /// A record that was begun has failed, and the run with it.
    Failed(Ticket),
    /// The pages are committed.
    Committed,
    /// The pages could not be committed. None after them may be: the cursor would pass a gap.
    NotCommitted,
    /// The run is to end: what is under way is finished, and nothing more is begun.
    Halt,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action<U> {
    /// Begin a record.
    Begin(Ticket, U),
    /// Let a record wait as another does that comes before it in its lane.
    Behind(Hold, Ticket, U),
    /// Commit pages that are settled whole, and all before them.
    Commit(Vec<ClosedPage>),
}

/// What is handed back when a record has ended.
#[derive(Debug, PartialEq)]
pub(super) struct Ticket {
    page: Option<u64>,
    lane: Option<String>,
}

/// Records that are open at once, for each that may be under way.
const OPEN_PER_WRITE: usize = 8;

impl<U> Scheduler<U> {
    /// A scheduler for a sink that takes so much.
    pub(super) fn new(limits: Limits) -> Self {
        let most_under_way = limits.in_flight.max(1).saturating_mul(limits.batch.max(1));
        Self {
            lanes: Lanes::default(),
            window: Window::default(),
            most_under_way,
            most_open: most_under_way.saturating_mul(OPEN_PER_WRITE),
            under_way: 0,
            open: 0,
            committing: false,
            gap: false,
            read: false,
            halted: false,
        }
    }

    /// Takes note of what happened.
    pub(super) fn on(&mut self, event: Event<U>) {
        match event {
            Event::Loaded { page, records } => {
                self.open += records.len();
                let page = page.map(|page| self.window.open(page, records.len()));
                for (lane, record) in records {
                    self.lanes.push(lane, (page, record));
                }
            }
            Event::ReadToEnd => self.read = true,
            Event::Hold(lane, hold) => self.lanes.hold(lane, hold),
            Event::Ended { ticket, ended } => {
                if let (false, Some(page)) = (ended == Ended::Interrupted, ticket.page) {
                    self.window.settle(page);
                }
                let hold = match ended {
                    Ended::Settled => None,
                    Ended::Queued => Some(Hold::Queued),
                    Ended::Parked | Ended::Interrupted => Some(Hold::Waits),
                };
                self.ended(ticket, hold);
            }
            Event::Failed(ticket) => {
                self.ended(ticket, Some(Hold::Waits));
                self.halted = true;
            }
            Event::Committed => self.committing = false,
            Event::NotCommitted => {
                self.committing = false;
                self.gap = true;
                self.halted = true;
            }
            Event::Halt => self.halted = true,
        }
    }

    /// The next thing to do, until there is none.
    pub(super) fn next(&mut self) -> Option<Action<U>> {
        if !self.halted
            && self.under_way < self.most_under_way
            && let Some(turn) = self.lanes.pop()
        {
            self.under_way += 1;
            return Some(match turn {
                Turn::Go(lane, (page, record)) => Action::Begin(Ticket { page, lane }, record),
                Turn::Held(hold, lane, (page, record)) => {
                    Action::Behind(hold, Ticket { page, lane: Some(lane) }, record)
                }
            });
        }
        if !self.committing && !self.gap {
            let pages: Vec<ClosedPage> = std::iter::from_fn(|| self.window.close()).collect();
            if !pages.is_empty() {
                self.committing = true;
                return Some(Action::Commit(pages));
            }
        }
        None
    }

    /// Should more be read now?
    pub(super) fn wants_more(&self) -> bool {
        !self.halted
            && !self.read
            && self.open < self.most_open
            && self.window.open_pages() < self.most_open
    }

    /// Is nothing under way, and nothing left to be begun?
    pub(super) fn is_done(&self) -> bool {
        let idle = self.under_way == 0 && !self.committing;
        idle && (self.halted || (self.read && self.open == 0 && self.window.open_pages() == 0))
    }

    /// Is nothing more begun?
    pub(super) fn is_halted(&self) -> bool {
        self.halted
    }

    fn ended(&mut self, ticket: Ticket, hold: Option<Hold>) {
        self.under_way = self.under_way.saturating_sub(1);
        self.open = self.open.saturating_sub(1);
        self.lanes.ended(ticket.lane, hold);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use proptest::prelude::*;

    use super::*;
    use crate::{Cursor, Key};

    fn page(keys: &[u64], next: Option<u64>) -> OpenedPage {
        OpenedPage {
            pass: 1,
            keys: keys.iter().map(|n| Key::new("record", n)).collect(),
            next: next.map(|n| Cursor::new(n.to_string())),
            mark: None,
        }
    }

    fn loaded(page: OpenedPage, records: &[(&str, u64)]) -> Event<u64> {
        let lane = |lane: &str| (!lane.is_empty()).then(|| lane.to_owned());
        let records = records.iter().map(|(name, n)| (lane(name), *n)).collect();
        Event::Loaded { page: Some(page), records }
    }

    fn actions(scheduler: &mut Scheduler<u64>) -> Vec<Action<u64>> {
        std::iter::from_fn(|| scheduler.next()).collect()
    }

    #[test]
    fn no_more_is_begun_than_the_sink_takes_and_memory_is_bounded() {
        let mut scheduler = Scheduler::new(Limits::one_by_one(2));
        let records: Vec<(&str, u64)> = (0..40).map(|n| ("", n)).collect();
        assert!(scheduler.wants_more());
        scheduler.on(loaded(page(&[], Some(1)), &records));
        assert!(!scheduler.wants_more(), "40 are open, and 2 × 16 may be");
        assert_eq!(actions(&mut scheduler).len(), 2);
    }

    #[test]
    fn a_page_is_committed_when_it_and_all_before_it_are_settled() {
        let mut scheduler = Scheduler::new(Limits::one_by_one(4));
        scheduler.on(loaded(page(&[1], Some(1)), &[("", 1)]));
        scheduler.on(loaded(page(&[2], Some(2)), &[("", 2)]));
        let mut tickets = BTreeMap::new();
        for action in actions(&mut scheduler) {
            let Action::Begin(ticket, n) = action else { panic!("{action:?}") };
            tickets.insert(n, ticket);
        }
        let mut end = |n, scheduler: &mut Scheduler<u64>| {
            let ticket = tickets.remove(&n).expect("begun");
            scheduler.on(Event::Ended { ticket, ended: Ended::Settled });
            actions(scheduler)
        };
        assert_eq!(end(2, &mut scheduler), []);
        let committed = end(1, &mut scheduler);
        let [Action::Commit(pages)] = &committed[..] else { panic!("{committed:?}") };
        assert_eq!(pages.len(), 2);
        scheduler.on(Event::ReadToEnd);
        assert!(!scheduler.is_done(), "they are being committed");
        scheduler.on(Event::Committed);
        assert!(scheduler.is_done());
    }

    #[test]
    fn after_a_failure_what_is_under_way_ends_and_nothing_is_begun() {
        let mut scheduler = Scheduler::new(Limits::one_by_one(2));
        scheduler.on(loaded(page(&[1, 2, 3], None), &[("", 1), ("", 2), ("", 3)]));
        let mut begun = actions(&mut scheduler).into_iter().map(|action| match action {
            Action::Begin(ticket, _) => ticket,
            other => panic!("{other:?}"),
        });
        scheduler.on(Event::Failed(begun.next().expect("one")));
        assert!(!scheduler.is_done() && actions(&mut scheduler).is_empty());
        let ticket = begun.next().expect("two");
        scheduler.on(Event::Ended { ticket, ended: Ended::Interrupted });
        assert!(scheduler.is_done() && actions(&mut scheduler).is_empty(), "a gap: no commit");
    }

    #[test]
    fn after_a_page_that_could_not_be_committed_none_is() {
        let mut scheduler = Scheduler::new(Limits::one_by_one(2));
        for n in [1, 2] {
            scheduler.on(loaded(page(&[n], Some(n)), &[("", n)]));
        }
        let mut begun = actions(&mut scheduler).into_iter().map(|action| match action {
            Action::Begin(ticket, _) => Event::Ended { ticket, ended: Ended::Settled },
            other => panic!("{other:?}"),
        });
        scheduler.on(begun.next().expect("one"));
        assert!(matches!(&actions(&mut scheduler)[..], [Action::Commit(_)]));
        scheduler.on(begun.next().expect("two"));
        scheduler.on(Event::NotCommitted);
        assert!(actions(&mut scheduler).is_empty(), "the cursor would pass a gap");
        assert!(scheduler.is_done());
    }

    proptest! {
        /// Whatever the order in which records end: each is begun once, those of a lane in order
        /// and one at a time, none after a waiting one of its lane, and the cursor ends behind the
        /// last page.
        #[test]
        fn order_and_completeness_hold_for_every_history(
            pages in proptest::collection::vec(
                proptest::collection::vec((0..4_u8, 0..10_u8), 0..6), 0..8),
            picks in proptest::collection::vec(any::<prop::sample::Index>(), 64),
            in_flight in 1..5_usize,
        ) {
            let mut scheduler = Scheduler::new(Limits::one_by_one(in_flight));
            let count = pages.len() as u64;
            let mut left: VecDeque<_> = (1..).zip(pages).collect();
            let mut under_way: Vec<(Ticket, (String, u64, u8))> = Vec::new();
            let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
            let mut waits: BTreeMap<String, Hold> = BTreeMap::new();
            let (mut cursor, mut n, mut begun, mut total) = (0, 0, 0, 0);
            let mut turns = picks.iter().cycle();
            while !scheduler.is_done() {
                while scheduler.wants_more() {
                    let Some((number, records)) = left.pop_front() else {
                        scheduler.on(Event::ReadToEnd);
                        break;
                    };
                    total += records.len();
                    let records = records.into_iter().map(|(lane, dice)| {
                        n += 1;
                        let name = if lane == 0 { String::new() } else { lane.to_string() };
                        let lane = (lane > 0).then(|| name.clone());
                        (lane, (name, n, dice))
                    });
                    let page = Some(OpenedPage {
                        pass: 1,
                        keys: Vec::new(),
                        next: Some(Cursor::new(number.to_string())),
                        mark: None,
                    });
                    scheduler.on(Event::Loaded { page, records: records.collect() });
                }
                while let Some(action) = scheduler.next() {
                    match action {
                        Action::Begin(ticket, record) => {
                            let (lane, n, _) = &record;
                            if !lane.is_empty() {
                                prop_assert!(!waits.contains_key(lane), "nothing overtakes");
                                let alone = under_way.iter().all(|(_, other)| &other.0 != lane);
                                prop_assert!(alone, "one at a time");
                                let seen = seen.entry(lane.clone()).or_default();
                                prop_assert!(seen.last() < Some(n), "in order");
                                seen.push(*n);
                            }
                            begun += 1;
                            under_way.push((ticket, record));
                        }
                        Action::Behind(hold, ticket, (lane, ..)) => {
                            prop_assert_eq!(waits.get(&lane), Some(&hold));
                            begun += 1;
                            let ended = match hold {
                                Hold::Waits => Ended::Parked,
                                Hold::Queued => Ended::Queued,
                            };
                            scheduler.on(Event::Ended { ticket, ended });
                        }
                        Action::Commit(pages) => {
                            for page in pages {
                                let next: u64 =
                                    page.next.expect("a cursor").as_str().parse().expect("a number");
                                prop_assert_eq!(next, cursor + 1, "in order");
                                cursor = next;
                            }
                            scheduler.on(Event::Committed);
                        }
                    }
                    prop_assert!(under_way.len() <= in_flight);
                }
                if under_way.is_empty() {
                    continue;
                }
                let pick = turns.next().expect("endless").index(under_way.len());
                let (ticket, (lane, _, dice)) = under_way.swap_remove(pick);
                let (ended, hold) = match dice {
                    0 => (Ended::Parked, Some(Hold::Waits)),
                    1 => (Ended::Queued, Some(Hold::Queued)),
                    _ => (Ended::Settled, None),
                };
                if let (Some(hold), false) = (hold, lane.is_empty()) {
                    waits.insert(lane, hold);
                }
                scheduler.on(Event::Ended { ticket, ended });
            }
            prop_assert_eq!(begun, total);
            prop_assert_eq!(cursor, count);
        }
    }
}
