//! The settings that decide how many calls a conversation takes, and what a run would take by them.

use crate::config::{CallTag, Config};
use crate::sink::Counted;
use crate::stage::{CALLS, SCHEMA};

use super::file::{PlannedStage, Way};
use super::pace::Pace;

/// A plan as far as ways differ from it.
pub(super) struct Planned<'a> {
    pub(super) config: &'a Config,
    pub(super) pace: Pace,
    /// Calls to LeadDesk before the stages.
    pub(super) opening: u64,
    pub(super) stages: &'a [PlannedStage],
    /// What was counted of the stage of calls.
    pub(super) counted: &'a Counted,
    /// Calls that make tags: as it is planned, with all tags of calls, and without those that only calls
    /// have.
    pub(super) new_tags: u64,
    pub(super) new_tags_full: u64,
    pub(super) new_tags_lean: u64,
}

/// With all tags, and with none; nothing where there are no calls. An agent's comment is written in each:
/// no setting leaves it out, since it would be lost.
pub(super) fn ways(planned: &Planned<'_>) -> Vec<Way> {
    let Planned { counted, .. } = planned;
    if counted.conversations == 0 {
        return Vec::new();
    }
    let chosen = &planned.config.calls.tags;
    let all = [CallTag::Campaign, CallTag::Disposition, CallTag::Outcome];
    vec![
        planned.way(
            "full",
            "calls.tags = [\"campaign\", \"disposition\", \"outcome\"]",
            all.iter().all(|tag| chosen.contains(tag)),
            counted.taggable.max(counted.tagged),
            planned.new_tags_full,
        ),
        planned.way("lean", "calls.tags = []", chosen.is_empty(), 0, planned.new_tags_lean),
    ]
}

impl Planned<'_> {
    /// What a run would take that puts so many tags on calls.
    fn way(&self, name: &str, setting: &str, is_configured: bool, tagged: u64, new: u64) -> Way {
        let stages: Vec<PlannedStage> = self
            .stages
            .iter()
            .cloned()
            .map(|mut stage| {
                let calls = &mut stage.counts.calls;
                match stage.counts.name.as_str() {
                    CALLS => *calls = calls.saturating_sub(self.counted.tagged) + tagged,
                    SCHEMA => *calls = calls.saturating_sub(self.new_tags) + new,
                    _ => {}
                }
                stage
            })
            .collect();
        let of_calls = stages.iter().filter(|stage| stage.counts.name == CALLS);
        let of_calls: u64 = of_calls.map(|stage| stage.counts.calls).sum();
        let calls_per_call = of_calls as f64 / self.counted.conversations.max(1) as f64;
        Way {
            name: name.to_owned(),
            settings: vec![setting.to_owned()],
            is_configured,
            calls: stages.iter().map(|stage| stage.counts.calls).sum(),
            // To a hundredth.
            calls_per_call: (calls_per_call * 100.0).round() / 100.0,
            seconds: self.pace.of(&stages, self.opening),
        }
    }
}

#[cfg(test)]
mod tests {
    use migrate_core::StageCounts;

    use super::*;

    fn stage(name: &str, calls: u64) -> PlannedStage {
        let mut counts = StageCounts::default();
        (counts.name, counts.calls) = (name.to_owned(), calls);
        PlannedStage { counts, leaddesk_calls: 0 }
    }

    /// Ten calls with a comment and three tags each, and their way back.
    #[test]
    fn both_ways_are_told_whichever_is_configured() {
        let text = |tags: &str| {
            format!(
                "[source]\nkind = 'api'\ntime_zone = 'UTC'\n[destination]\nregion = 'eu'\n[calls]\n{tags}"
            )
        };
        let pace = Pace { per_minute: 60, leaddesk_per_second: None };
        let told = |tags: &str, of_calls: u64, tagged: u64, new_tags: u64| {
            let config = Config::parse(&text(tags), "test.toml").unwrap();
            let mut counted = Counted::default();
            (counted.conversations, counted.tagged, counted.taggable) = (10, tagged, 30);
            let stages = [stage(SCHEMA, 40 + new_tags), stage(CALLS, of_calls)];
            let (new_tags_full, new_tags_lean) = (5, 2);
            let (stages, counted) = (&stages, &counted);
            let config = &config;
            ways(&Planned {
                config,
                pace,
                opening: 0,
                stages,
                counted,
                new_tags,
                new_tags_full,
                new_tags_lean,
            })
        };
        let by_default = told("", 70, 30, 5);
        let figures: Vec<_> = by_default
            .iter()
            .map(|it| (it.name.as_str(), it.calls, it.calls_per_call, it.seconds, it.is_configured))
            .collect();
        assert_eq!(figures, [("full", 115, 7.0, 115, true), ("lean", 82, 4.0, 82, false)]);
        let mut lean = told("tags = []", 40, 0, 2);
        assert_eq!(lean.iter().map(|it| it.is_configured).collect::<Vec<_>>(), [false, true]);
        lean.iter_mut().zip(&by_default).for_each(|(a, b)| a.is_configured = b.is_configured);
        assert_eq!(lean, by_default);
        let some = told("tags = ['outcome']", 50, 10, 3);
        assert!(some.iter().all(|it| !it.is_configured));
    }
}
