//! The checklist of the day on which LeadDesk is left, at the end of `handover.md`: what is to be done in
//! which order, with what the state of the migration says of each.

use std::fmt::Write as _;

use migrate_core::{Report, RunState};

use crate::config::{Config, SourceKind};
use crate::value::tag::one_line;

/// How a migration stands, as far as somebody has to know who leaves LeadDesk.
#[derive(Debug, Default)]
pub(super) struct Cutover {
    state: &'static str,
    /// Stages that are held back, each with the stage whose queues hold it.
    held: Vec<(String, String)>,
    /// Queues, each with how many wait in it.
    queues: Vec<(String, u64)>,
    dead: u64,
    unsettled: u64,
    is_pilot: bool,
    /// Records that were read back, those that are as they should be, and those that are not.
    verified: Option<(u64, u64, u64)>,
    /// Records that are in place and were not read back.
    unread: u64,
}

impl Cutover {
    /// As a run has left it.
    pub(super) fn of(report: &Report, held: Vec<(String, String)>) -> Self {
        let sum =
            |count: fn(&migrate_core::StageCounts) -> u64| report.stages.iter().map(count).sum();
        Self {
            state: match report.state {
                RunState::Complete => "complete",
                RunState::Blocked => "blocked",
                RunState::Interrupted => "interrupted",
                _ => "failed",
            },
            held,
            queues: report.queues.iter().map(|(name, count)| (name.clone(), *count)).collect(),
            dead: sum(|stage| stage.dead),
            unsettled: sum(|stage| stage.in_doubt + stage.pending),
            is_pilot: report.notes.iter().any(|note| note.starts_with("this was a pilot of")),
            unread: report.verify.as_ref().map_or(0, |found| found.unread),
            verified: report.verify.as_ref().map(|found| {
                (found.checked, found.matched, found.checked.saturating_sub(found.matched))
            }),
        }
    }

    /// Adds the checklist to a text.
    pub(super) fn write(&self, text: &mut String, config: &Config) {
        let _ = write!(
            text,
            "\n## Cutover\n\nThe last run left the migration {}. The steps of the day, in their order; what stands \
             under each is how that run, or a verification since, has found it; the next one writes it anew.\n\n",
            self.state
        );
        step(
            text,
            "Freeze LeadDesk: stop dialling and imports, tell the agents, and note the time.",
        );
        point(text, "What is changed in LeadDesk from then on is lost.");
        if config.source.kind == SourceKind::Export {
            step(text, "Export everything once more, into the same folder as before.");
        }
        if config.source.chatbot.is_some() {
            step(
                text,
                "Export the chatbot once more, to its last day, and set `to` in `[source.chatbot]`.",
            );
        }
        step(text, "Final delta: `delta` must end with exit status 0.");
        if self.is_pilot {
            point(
                text,
                "Only a pilot has been migrated so far: `run` without `--sample` comes before.",
            );
        }
        for (stage, by) in &self.held {
            let (stage, by) = (one_line(stage), one_line(by));
            point(
                text,
                &format!("stage {stage} is held back until the queues of stage {by} are empty"),
            );
        }
        match self.unsettled {
            0 => point(text, "every record that was read has its final fate"),
            many => point(text, &format!("{many} records have no final fate yet")),
        }
        step(text, "`verify --all`: everything read back must be as it should be.");
        match self.verified {
            None => point(text, "nothing has been read back yet"),
            Some((checked, matched, 0)) => {
                point(
                    text,
                    &format!(
                        "the last one read {checked} records back: {matched} as they should be"
                    ),
                );
            }
            Some((checked, _, wrong)) => point(
                text,
                &format!(
                    "the last one read {checked} records back: {wrong} are not as they should be, see `report.html`"
                ),
            ),
        }
        if self.unread > 0 {
            point(
                text,
                &format!(
                    "{} records were not compared by it: see what has become of them",
                    self.unread
                ),
            );
        }
        step(
            text,
            "Reconcile the queues: each is empty, or somebody has said that it may stay as it is. Then `redrive`.",
        );
        for (queue, count) in &self.queues {
            let queue = one_line(queue);
            point(text, &format!("{count} wait in `queues/{queue}.jsonl`"));
        }
        if self.dead > 0 {
            point(text, &format!("{} were refused for good: `queues/dead.jsonl`", self.dead));
        }
        if self.queues.is_empty() && self.dead == 0 {
            point(text, "nothing waits, and nothing was refused");
        }
        step(text, "Work through the table above, and get the questions to LeadDesk answered.");
        step(text, "Sign off, each with name and date:");
        for who in ["who runs LeadDesk", "who runs Intercom", "who ran the migration"] {
            let _ = writeln!(text, "  - [ ] {who}: ______________________");
        }
        step(
            text,
            "Only then close the LeadDesk account. Keep the state directory: a rollback needs it.",
        );
    }
}

fn step(text: &mut String, what: &str) {
    let _ = writeln!(text, "- [ ] {what}");
}

fn point(text: &mut String, what: &str) {
    let _ = writeln!(text, "  - {what}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::map::testing::config;

    fn cutover(report: serde_json::Value, held: &[(&str, &str)]) -> String {
        let mut whole = json!({
            "schema": 1, "run_id": "r-1", "started_at": "2026-11-01T12:00:00Z",
            "finished_at": "2026-11-01T12:34:56Z", "state": "complete", "stages": [],
            "accounted": true, "verify": null, "queues": {}, "notes": [],
            "quota": { "calls": 0, "limit_per_window": null, "utilisation": null, "throttled": 0 },
            "last_run": { "stages": [], "reads": 0, "writes": 0 },
        });
        whole.as_object_mut().unwrap().extend(report.as_object().unwrap().clone());
        let held = held.iter().map(|(stage, by)| (stage.to_string(), by.to_string())).collect();
        let report = serde_json::from_value(whole).unwrap();
        let mut text = String::new();
        Cutover::of(&report, held).write(&mut text, &config(""));
        text
    }

    #[test]
    fn what_is_left_to_do_is_told_step_by_step() {
        let stage = json!({
            "name": "contacts", "read": 10, "created": 5, "updated": 0, "unchanged": 0, "merged": 0,
            "queued": 2, "skipped": 0, "inventoried": 0, "dead": 2, "in_doubt": 1, "pending": 0,
            "calls": 0,
        });
        let report = json!({
            "state": "blocked", "stages": [stage], "queues": { "shared_email": 2 },
            "verify": { "checked": 9, "matched": 7 },
            "notes": ["this was a pilot of at most 5 contacts"],
        });
        let text = cutover(report, &[("calls", "agents")]);
        let steps: Vec<usize> = ["Freeze", "Final delta", "verify --all", "Reconcile", "Sign off"]
            .iter()
            .map(|step| text.find(step).unwrap_or_else(|| panic!("{step}: {text}")))
            .collect();
        assert!(steps.is_sorted(), "{text}");
        for said in [
            "left the migration blocked",
            "stage calls is held back until the queues of stage agents are empty",
            "1 records have no final fate yet",
            "Only a pilot has been migrated",
            "read 9 records back: 2 are not",
            "2 wait in `queues/shared_email.jsonl`",
            "2 were refused for good",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    #[test]
    fn where_nothing_is_left_it_says_so() {
        let text = cutover(json!({ "verify": { "checked": 9, "matched": 9 } }), &[]);
        for said in [
            "left the migration complete",
            "every record that was read has its final fate",
            "read 9 records back: 9 as they should be",
            "nothing waits, and nothing was refused",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("held back") && !text.contains("pilot"), "{text}");
        assert!(cutover(json!({}), &[]).contains("nothing has been read back yet"));
    }
}
