//! What the program prints: a summary for people, or one JSON line for programs.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the program talks to its user")]

use std::io::IsTerminal;
use std::process::ExitCode;

use migrate_core::ledger::CheckReport;
use migrate_core::{Report, RunState, StageCounts};
use serde_json::json;

use crate::runner::{Exit, Finished, PlanFile, RolledBack};

use super::args::{Command, Usage};

/// Where output goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

/// Arguments that lead to no command.
pub(super) fn usage(usage: &Usage) -> ExitCode {
    if usage.exit_code == 0 {
        print!("{}", usage.text);
    } else {
        eprint!("{}", usage.text);
        if usage.json {
            let first = usage.text.lines().next().unwrap_or_default();
            print_failed(first.trim_start_matches("error: "));
        }
    }
    ExitCode::from(usage.exit_code)
}

fn print_failed(error: &str) {
    println!("{}", json!({ "schema": 1, "state": "failed", "error": error }));
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn shows_progress(self, refused: bool) -> bool {
        !refused && std::io::stderr().is_terminal()
    }

    /// Says something to the user, on stderr.
    pub(super) fn say(self, text: &str) {
        eprintln!("{text}");
    }

    pub(super) fn failed(self, error: &str, exit: Exit) -> ExitCode {
        eprintln!("error: {error}");
        if self.json {
            print_failed(error);
        }
        ExitCode::from(exit.code())
    }

    pub(super) fn finished(self, finished: &Finished, command: &Command) -> ExitCode {
        if let Some(error) = &finished.error {
            eprintln!("error: {error}");
        }
        match (self.json, &finished.error) {
            (true, Some(error)) if finished.exit == Exit::Failed => print_failed(error),
            (true, _) => {
                println!("{}", serde_json::to_string(&finished.report).unwrap_or_default());
            }
            (false, _) => print!("{}", summary(&finished.report, command)),
        }
        ExitCode::from(finished.exit.code())
    }

    /// What a look at the whole ledger has seen, when nothing was wrong.
    pub(super) fn checked(self, report: &CheckReport) {
        let seen = report.tables.iter().filter(|(_, rows)| *rows > 0);
        let seen: Vec<String> = seen.map(|(table, rows)| format!("{rows} of {table}")).collect();
        let text = format!(
            "The ledger is sound: pages and indices, and the rows with their checksums and what \
             belongs to them ({}).",
            seen.join(", ")
        );
        if self.json {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    }

    /// As JSON, the report's object with that of the rollback beside its fields.
    pub(super) fn rolled_back(self, ended: &RolledBack) -> ExitCode {
        if let Some(error) = &ended.error {
            eprintln!("error: {error}");
        }
        match (self.json, &ended.error) {
            (true, Some(error)) if ended.exit == Exit::Failed => print_failed(error),
            (true, _) => {
                let mut report = json!(ended.report);
                report["rollback"] = json!(ended.rollback);
                println!("{report}");
            }
            (false, _) => print!("{}", super::undone::summary(ended)),
        }
        ExitCode::from(ended.exit.code())
    }

    pub(super) fn plan(self, plan: &PlanFile) {
        if self.json {
            println!("{}", serde_json::to_string(plan).unwrap_or_default());
        } else {
            print!("{}", super::plan::summary(plan));
        }
    }
}

fn summary(report: &Report, command: &Command) -> String {
    let mut text = String::new();
    let state = match report.state {
        RunState::Complete => "complete",
        RunState::Blocked => "blocked: something has to be put in order first, see below",
        RunState::Interrupted if matches!(command, Command::Rehearse(_)) => "interrupted",
        RunState::Interrupted => "interrupted: run again to go on",
        _ => "failed",
    };
    text.push_str(&format!("\nMigration {state}.\n\n"));
    text.push_str(&table(&report.stages));
    let proof = if report.accounted {
        "every record read has exactly one fate, proven by a digest over the keys"
    } else {
        "not every record has its final fate yet"
    };
    text.push_str(&format!("\nAccounted: {proof}.\n"));
    if !matches!(command, Command::Status(_) | Command::Report) {
        let run = &report.last_run;
        text.push_str(&format!(
            "Calls to Intercom in this run: {} that read, {} that write; {} refused for the quota.\n",
            run.reads, run.writes, report.quota.throttled
        ));
    }
    if let Some(utilisation) = report.quota.utilisation {
        text.push_str(&format!("Quota used: {:.1} % of its windows.\n", utilisation * 100.0));
    }
    if let Some(found) = &report.verify {
        text.push_str(&format!(
            "Verified by reading back: {} records, {} as they should be, {} fields that are not.\n",
            found.checked,
            found.matched,
            found.mismatches.len() as u64 + found.unlisted
        ));
        if found.unread > 0 {
            text.push_str(&format!(
                "{} more are in Intercom and were not compared: LeadDesk has them no more, a rule leaves them out now, or a service did not answer.\n",
                found.unread
            ));
        }
        for mismatch in found.mismatches.iter().take(10) {
            text.push_str(&format!("  {} {}: {}\n", mismatch.key, mismatch.field, mismatch.class));
        }
    }
    if !report.queues.is_empty() {
        text.push_str("\nWaiting for somebody (see queues/ in the state directory):\n");
        for (queue, count) in &report.queues {
            text.push_str(&format!("  {count:>8}  {queue}\n"));
        }
    }
    if !report.notes.is_empty() {
        text.push_str("\nNotes:\n");
        report.notes.iter().for_each(|note| text.push_str(&format!("  - {note}\n")));
    }
    text
}

type Column = (&'static str, fn(&StageCounts) -> u64);

const COLUMNS: [Column; 12] = [
    ("read", |stage| stage.read),
    ("created", |stage| stage.created),
    ("updated", |stage| stage.updated),
    ("unchanged", |stage| stage.unchanged),
    ("merged", |stage| stage.merged),
    ("queued", |stage| stage.queued),
    ("skipped", |stage| stage.skipped),
    ("inventoried", |stage| stage.inventoried),
    ("dead", |stage| stage.dead),
    ("in doubt", |stage| stage.in_doubt),
    ("pending", |stage| stage.pending),
    ("calls", |stage| stage.calls),
];

/// The counts of all stages; columns that are zero everywhere are left out.
pub(super) fn table(stages: &[StageCounts]) -> String {
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .filter(|(name, count)| *name == "read" || stages.iter().any(|stage| count(stage) > 0))
        .collect();
    let mut text = format!("{:<10}", "");
    columns.iter().for_each(|(name, _)| text.push_str(&format!("{name:>12}")));
    text.push('\n');
    for stage in stages {
        text.push_str(&format!("{:<10}", stage.name));
        columns.iter().for_each(|(_, count)| text.push_str(&format!("{:>12}", count(stage))));
        text.push('\n');
    }
    text
}
