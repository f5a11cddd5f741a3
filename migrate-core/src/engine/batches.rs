//! Writes that gather until they fill a batch. Pure.

use std::collections::VecDeque;

use crate::sink::Limits;

/// Gathers writes for a sink that takes several at once.
#[derive(Debug)]
pub(super) struct Batches<W> {
    limits: Limits,
    waiting: VecDeque<W>,
    under_way: usize,
}

impl<W> Batches<W> {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), under_way: 0 }
    }

    /// Adds a write.
    pub(super) fn put(&mut self, write: W) {
        self.waiting.push_back(write);
    }

    /// The next batch to send. One that is not full goes only while none is under way: those that
    /// are bring more writes about, and nothing else would end the wait.
    pub(super) fn take(&mut self) -> Option<Vec<W>> {
        let size = self.waiting.len().min(self.limits.batch.max(1));
        let full = size == self.limits.batch.max(1);
        let may_go = if full { self.limits.in_flight.max(1) } else { 1 };
        if size == 0 || self.under_way >= may_go {
            return None;
        }
        self.under_way += 1;
        Some(self.waiting.drain(..size).collect())
    }

    /// A batch that was sent has ended.
    pub(super) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_batches_go_side_by_side_and_others_only_alone() {
        let mut batches = Batches::new(Limits::batches(3, 2));
        (1..=8).for_each(|n| batches.put(n));
        assert_eq!(batches.take(), Some(vec![1, 2, 3]));
        assert_eq!(batches.take(), Some(vec![4, 5, 6]));
        assert_eq!(batches.take(), None, "two are under way");
        batches.ended();
        assert_eq!(batches.take(), None, "two writes fill no batch, and one is under way");
        batches.put(9);
        assert_eq!(batches.take(), Some(vec![7, 8, 9]));
        batches.ended();
        batches.ended();
        batches.put(10);
        assert_eq!(batches.take(), Some(vec![10]), "nothing else would end its wait");
        assert_eq!(batches.take(), None);
    }
}
