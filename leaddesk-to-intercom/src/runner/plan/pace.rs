//! How long calls take at least: at Intercom's quota, and at the pace at which LeadDesk is read.

use crate::stage::{CONTACTS, LEADS};

use super::file::PlannedStage;

/// The pace of both sides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Calls to Intercom a minute, with the reserve kept back.
    pub(super) per_minute: u64,
    /// Calls to LeadDesk a second, where it is read by the API.
    pub(super) leaddesk_per_second: Option<f64>,
}

impl Pace {
    /// Seconds for so many calls to Intercom.
    pub(super) fn at_quota(self, calls: u64) -> u64 {
        whole(self.intercom(calls))
    }

    /// Seconds for so many calls to LeadDesk.
    pub(super) fn at_leaddesk(self, calls: u64) -> u64 {
        whole(self.leaddesk(calls))
    }

    /// Seconds for all stages, and for calls to LeadDesk before them. A stage writes while it reads, so
    /// the slower side decides; but whether two records are one person shows when all are read, so
    /// contacts and leads are written after that.
    pub(super) fn of(self, stages: &[PlannedStage], opening: u64) -> u64 {
        let of_stages = stages.iter().map(|stage| {
            let (read, write) =
                (self.leaddesk(stage.leaddesk_calls), self.intercom(stage.counts.calls));
            match stage.counts.name.as_str() {
                CONTACTS | LEADS => read + write,
                _ => read.max(write),
            }
        });
        whole(self.leaddesk(opening) + of_stages.sum::<f64>())
    }

    fn intercom(self, calls: u64) -> f64 {
        calls as f64 * 60.0 / self.per_minute.max(1) as f64
    }

    fn leaddesk(self, calls: u64) -> f64 {
        self.leaddesk_per_second.filter(|pace| *pace > 0.0).map_or(0.0, |pace| calls as f64 / pace)
    }
}

/// A part of a second counts whole.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(seconds: f64) -> u64 {
    // Sums of thirds and fifths miss a whole second by a hair.
    (seconds - 1e-6).ceil().max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use migrate_core::StageCounts;

    use super::*;

    fn stage(name: &str, calls: u64, leaddesk_calls: u64) -> PlannedStage {
        let mut counts = StageCounts::default();
        (counts.name, counts.calls) = (name.to_owned(), calls);
        PlannedStage { counts, leaddesk_calls }
    }

    #[test]
    fn a_part_of_a_second_counts_whole() {
        let pace = Pace { per_minute: 8_000, leaddesk_per_second: Some(5.0) };
        assert_eq!([0, 1, 400, 401, 8_000].map(|calls| pace.at_quota(calls)), [0, 1, 3, 4, 60]);
        assert_eq!([0, 1, 5, 6].map(|calls| pace.at_leaddesk(calls)), [0, 1, 1, 2]);
        let folder = Pace { leaddesk_per_second: None, ..pace };
        assert_eq!(folder.at_leaddesk(1_000), 0);
    }

    #[test]
    fn the_slower_side_decides_and_contacts_are_written_when_all_are_read() {
        let pace = Pace { per_minute: 600, leaddesk_per_second: Some(5.0) };
        // Ten calls a second to Intercom, five to LeadDesk.
        let calls = |intercom, leaddesk| [stage("calls", intercom, leaddesk)];
        assert_eq!(pace.of(&calls(100, 10), 0), 10);
        assert_eq!(pace.of(&calls(10, 100), 0), 20);
        assert_eq!(pace.of(&[stage("contacts", 100, 100)], 0), 30);
        assert_eq!(pace.of(&[stage("leads", 100, 100), stage("calls", 100, 10)], 5), 41);
    }
}
