//! Records that waited and are due to be looked at again.

use futures::{Stream, TryStreamExt, stream};

use crate::Key;
use crate::draft::Draft;
use crate::ledger::Parking;
use crate::run::Run;

use super::RunError;
use super::flow::{Flow, Item, Load};
use super::lanes::Hold;
use super::plan::Waiting;
use super::unit::Unit;

/// Parked records that are taken up at once.
const BATCH: usize = 200;

/// What can be due. Those that wait behind another of their lane come last, so that the one in
/// front goes first.
pub(super) const ORDER: [Parking; 4] =
    [Parking::Doubt, Parking::Retry, Parking::Parent, Parking::Lane];

/// Takes up what is due of one stage. What is not holds its lane.
pub(super) struct Due<'a, D: Draft> {
    pub(super) run: &'a Run,
    pub(super) flow: &'a Flow<'a, D>,
}

impl<'a, D: Draft> Due<'a, D> {
    /// Everything that is due now, as units.
    pub(super) fn stream(&'a self) -> impl Stream<Item = Result<Load<D>, RunError>> + Send + 'a {
        let now = self.run.clock.now();
        // What is due later than anything can be was parked by a clock that was ahead.
        let horizon = now + self.run.patience.longest();
        stream::try_unfold((0, 0), move |(mut kind, mut after)| async move {
            loop {
                let Some(why) = ORDER.get(kind) else { return Ok(None) };
                let rows = self.run.ledger.parked(self.flow.stage, *why, after, BATCH).await?;
                let Some(last) = rows.last().map(|(row, _)| *row) else {
                    (kind, after) = (kind + 1, 0);
                    continue;
                };
                let mut units = Vec::new();
                for (_, parked) in rows {
                    if parked.not_before <= now || parked.not_before > horizon {
                        units.push(Unit::unpark(parked)?);
                    } else if let Some(lane) = parked.lane {
                        self.flow.hold_lane(lane, Hold::Waits);
                    }
                }
                let keys: Vec<Key> = units.iter().map(|unit: &Unit<D>| unit.root.clone()).collect();
                let entries = self.run.ledger.entries(&keys).await?;
                let units = units.into_iter().zip(entries);
                let units = units.map(|(unit, entry)| Item::Unit(unit, entry)).collect();
                return Ok(Some((Load { page: None, units }, (kind, last))));
            }
        })
        .try_filter(|load: &Load<D>| std::future::ready(!load.units.is_empty()))
    }

    /// What waits and when it is due, after a round: everything that is parked now.
    pub(super) async fn still_waiting(&self) -> Result<Waiting, RunError> {
        let mut still = Waiting::default();
        for why in ORDER {
            let mut after = 0;
            loop {
                let rows = self.run.ledger.parked(self.flow.stage, why, after, BATCH).await?;
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                for (_, parked) in &rows {
                    still.records += 1;
                    if matches!(why, Parking::Parent | Parking::Lane) {
                        // It is due when the one it waits for is settled.
                        still.dependents += 1;
                        continue;
                    }
                    let due = parked.not_before;
                    still.due = Some(still.due.map_or(due, |first| first.min(due)));
                }
            }
        }
        Ok(still)
    }
}
