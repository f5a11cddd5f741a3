//! What the program prints of a rollback.

use migrate_core::{LeftBehind, RollbackReport, StageUndone};

use crate::runner::RolledBack;

/// So many records are named on the terminal, of each list.
const SHOWN: usize = 20;

type Column = (&'static str, fn(&StageUndone) -> u64);

const COLUMNS: [Column; 7] = [
    ("records", |stage| stage.records),
    ("removed", |stage| stage.removed),
    ("restored", |stage| stage.restored),
    ("gone", |stage| stage.already_gone),
    ("untouched", |stage| stage.untouched),
    ("merged", |stage| stage.merged),
    ("left", |stage| stage.kept),
];

/// What was taken back, and what is left and why: by keys and names, and nobody's data.
pub(super) fn summary(ended: &RolledBack) -> String {
    let Some(report) = &ended.rollback else {
        return "\nThe rollback has not come to its end.\n".to_owned();
    };
    let mut text = match report.dry_run {
        true => "\nA rollback would do this (nothing has been written):\n\n".to_owned(),
        false => "\nTaken back, as reading each back has shown:\n\n".to_owned(),
    };
    text.push_str(&table(report));
    let left: Vec<&LeftBehind> = report.stages.iter().flat_map(|stage| &stage.left).collect();
    if !left.is_empty() {
        text.push_str("\nLeft as it is:\n");
        for it in left.iter().take(SHOWN) {
            let fields = match &it.fields[..] {
                [] => String::new(),
                fields => format!(" ({})", fields.join(", ")),
            };
            text.push_str(&format!("  {}: {}{fields}\n", it.key, it.reason.message));
        }
        more(&mut text, left.len());
    }
    let remain: Vec<_> = report.stages.iter().flat_map(|stage| &stage.impossible).collect();
    if !remain.is_empty() {
        text.push_str("\nIntercom's API cannot remove:\n");
        for it in remain.iter().take(SHOWN) {
            text.push_str(&format!("  {}: {}\n", it.name, it.reason.message));
        }
        more(&mut text, remain.len());
    }
    for stage in &report.unfinished {
        text.push_str(&format!(
            "\nThe last run of stage {stage} had not come to its end: a write that was under way then \
             may be left. Run, then roll back, to be sure.\n"
        ));
    }
    text
}

fn more(text: &mut String, all: usize) {
    if all > SHOWN {
        text.push_str(&format!(
            "  and {} more, see the file in the state directory\n",
            all - SHOWN
        ));
    }
}

fn table(report: &RollbackReport) -> String {
    let is_used = |column: &&Column| report.stages.iter().any(|stage| column.1(stage) > 0);
    let columns: Vec<&Column> = COLUMNS.iter().filter(is_used).collect();
    let mut text = format!("{:<10}", "");
    columns.iter().for_each(|(name, _)| text.push_str(&format!("{name:>12}")));
    text.push('\n');
    // Of single records, most stages have none.
    let known = report.stages.iter().any(|stage| stage.records > 0);
    for stage in report.stages.iter().filter(|stage| !known || stage.records > 0) {
        text.push_str(&format!("{:<10}", stage.name));
        columns.iter().for_each(|(_, count)| text.push_str(&format!("{:>12}", count(stage))));
        text.push('\n');
    }
    text
}
