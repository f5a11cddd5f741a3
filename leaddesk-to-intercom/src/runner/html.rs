//! `report.html`: what `report.json` says, for people. One file without scripts, which asks for nothing
//! from elsewhere; whatever a source or a destination has named is text in it, and never markup.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use migrate_core::ledger::Entry;
use migrate_core::{Fate, Report, RunState, StageCounts, Verified};

use crate::state::{StateDir, write_whole};

use super::redrive::QUEUES;

/// The file.
const FILE: &str = "report.html";

/// So many mismatches are listed; all are in `report.json`.
const SHOWN: usize = 100;

/// Why records wait, and what else `report.json` has no room for.
#[derive(Clone, Debug, Default)]
pub(super) struct Causes {
    queues: BTreeMap<Cause, u64>,
    /// Records that were refused for good, by the code of the reason.
    dead: BTreeMap<String, u64>,
    /// What was left behind without being an error, by code and field.
    pub(super) losses: BTreeMap<(String, String), u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    queue: String,
    message: String,
    owner: String,
    remedy: String,
}

impl Causes {
    /// Takes note of a record that waits or was refused.
    ///
    /// What a reason says is taken of our own queues alone, where it is the same for every record: others
    /// may name people in it. So may what a destination says when it refuses something.
    pub(super) fn add(&mut self, entry: &Entry) {
        let Some(reason) = &entry.reason else { return };
        let code = reason.code.clone();
        if entry.fate == Fate::Dead {
            *self.dead.entry(code).or_default() += 1;
            return;
        }
        let is_ours = QUEUES.contains(&code.as_str()) || code == FIELDS;
        let cause = match code.as_str() {
            WAITING => Cause {
                message: "another record that it refers to waits itself, or was refused".to_owned(),
                owner: "see the queue of the other".to_owned(),
                remedy: "mend the other, then run again".to_owned(),
                queue: code,
            },
            _ if is_ours => Cause {
                message: reason.message.clone(),
                owner: reason.owner.clone().unwrap_or_default(),
                remedy: reason.remedy.clone().unwrap_or_default(),
                queue: code,
            },
            _ => Cause { queue: code, ..Cause::default() },
        };
        *self.queues.entry(cause).or_default() += 1;
    }
}

const WAITING: &str = "waiting_for_parent";
const FIELDS: &str = "fields_for_review";

/// Writes the file beside `report.json`.
pub(super) fn write(state: &StateDir, report: &Report, causes: &Causes) -> io::Result<()> {
    let page = page(report, causes);
    write_whole(&state.file(FILE), |file| file.write_all(page.as_bytes()))
}

/// The whole page.
fn page(report: &Report, causes: &Causes) -> String {
    let mut out = String::from(HEAD);
    summary(&mut out, report);
    both_sides(&mut out, &report.stages);
    section(
        &mut out,
        "Stages by fate",
        "Counts are source records over the whole migration so far.",
    );
    stages(&mut out, &report.stages);
    queues(&mut out, report, causes);
    losses(&mut out, causes);
    verified(&mut out, report.verify.as_ref());
    last_run(&mut out, report);
    notes(&mut out, report);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn summary(out: &mut String, report: &Report) {
    let (class, state) = match report.state {
        RunState::Complete => ("good", "complete"),
        RunState::Blocked => ("bad", "blocked: something has to be put in order first"),
        RunState::Interrupted => ("bad", "interrupted: run again to go on"),
        _ => ("bad", "failed"),
    };
    let (proof_class, proof) = match report.accounted {
        true => ("good", "every record that was read has exactly one fate, proven by a digest"),
        false => ("bad", "not every record has its final fate yet"),
    };
    let _ = writeln!(out, "<p class=\"state {class}\">{state}</p>");
    out.push_str("<dl>\n");
    let times = [("begun", report.started_at), ("ended", report.finished_at)];
    term(out, "last command", &text(&report.run_id));
    for (name, at) in times {
        term(out, name, &at.format("%Y-%m-%d %H:%M:%S UTC").to_string());
    }
    term(out, "accounted", &format!("<span class=\"{proof_class}\">{proof}</span>"));
    out.push_str("</dl>\n");
}

type Side = (&'static str, &'static str, fn(&StageCounts) -> u64);

/// Where the records of a stage are now, which together are all that were read.
const SIDES: [Side; 7] = [
    ("in Intercom", "there", |it| it.created + it.updated + it.unchanged),
    ("merged into these", "merged", |it| it.merged),
    ("waiting", "waits", |it| it.queued),
    ("left out by a rule", "skipped", |it| it.skipped),
    ("documented only", "documented", |it| it.inventoried),
    ("refused", "dead", |it| it.dead),
    ("not settled", "open", |it| it.in_doubt + it.pending),
];

fn both_sides(out: &mut String, stages: &[StageCounts]) {
    section(
        out,
        "Both sides",
        "Of what was read from LeadDesk, so much is in Intercom, and so much is elsewhere.",
    );
    let used: Vec<&Side> =
        SIDES.iter().filter(|side| stages.iter().any(|stage| side.2(stage) > 0)).collect();
    let heads = ["stage", "read from LeadDesk"].into_iter().chain(used.iter().map(|side| side.0));
    table(out, heads.chain([""]), |out| {
        for stage in stages.iter().filter(|stage| stage.read > 0) {
            let _ = write!(out, "<tr><th>{}</th><td>{}</td>", text(&stage.name), stage.read);
            used.iter().for_each(|side| cell(out, side.2(stage)));
            out.push_str("<td class=\"bar\">");
            for (name, class, count) in &used {
                let share = count(stage).saturating_mul(1_000) / stage.read.max(1);
                let (whole, tenth) = (share / 10, share % 10);
                if share > 0 {
                    let _ = write!(
                        out,
                        "<i class=\"{class}\" style=\"width:{whole}.{tenth}%\" title=\"{name}\"></i>"
                    );
                }
            }
            out.push_str("</td></tr>\n");
        }
    });
}

type Column = (&'static str, fn(&StageCounts) -> u64);

const COLUMNS: [Column; 12] = [
    ("read", |it| it.read),
    ("created", |it| it.created),
    ("updated", |it| it.updated),
    ("unchanged", |it| it.unchanged),
    ("merged", |it| it.merged),
    ("queued", |it| it.queued),
    ("skipped", |it| it.skipped),
    ("inventoried", |it| it.inventoried),
    ("dead", |it| it.dead),
    ("in doubt", |it| it.in_doubt),
    ("pending", |it| it.pending),
    ("calls", |it| it.calls),
];

/// A table of counts. Fates that no record has are left out.
fn stages(out: &mut String, stages: &[StageCounts]) {
    let is_used = |column: &&Column| stages.iter().any(|stage| column.1(stage) > 0);
    let used: Vec<&Column> = COLUMNS.iter().filter(is_used).collect();
    table(out, ["stage"].into_iter().chain(used.iter().map(|column| column.0)), |out| {
        for stage in stages {
            let _ = write!(out, "<tr><th>{}</th>", text(&stage.name));
            used.iter().for_each(|column| cell(out, column.1(stage)));
            out.push_str("</tr>\n");
        }
    });
}

fn queues(out: &mut String, report: &Report, causes: &Causes) {
    let all: u64 = report.queues.values().sum();
    section(
        out,
        "Waiting for somebody",
        "Each record is named in the file of its queue. When the cause is mended, redrive tries it again.",
    );
    if all == 0 && causes.dead.is_empty() {
        return nothing(out, "Nothing waits, and nothing was refused.");
    }
    table(out, ["queue", "records", "why", "who acts", "what to do"], |out| {
        for (cause, count) in &causes.queues {
            let cells = [&cause.message, &cause.owner, &cause.remedy];
            let _ = write!(
                out,
                "<tr><th>{0}<br><small>queues/{0}.jsonl</small></th><td>{count}</td>",
                text(&cause.queue)
            );
            for it in cells {
                let _ = write!(out, "<td class=\"text\">{}</td>", text(it));
            }
            out.push_str("</tr>\n");
        }
        for (code, count) in &causes.dead {
            let _ = writeln!(
                out,
                "<tr><th>dead<br><small>queues/dead.jsonl</small></th><td>{count}</td><td class=\"text\">refused: {}</td><td class=\"text\">see the file</td><td class=\"text\">see the file</td></tr>",
                text(code)
            );
        }
    });
}

fn losses(out: &mut String, causes: &Causes) {
    section(
        out,
        "Left behind",
        "What found no home without being an error. losses.jsonl names the record of each.",
    );
    if causes.losses.is_empty() {
        return nothing(out, "Nothing was left behind.");
    }
    table(out, ["what", "field", "times"], |out| {
        for ((code, field), times) in &causes.losses {
            let _ = writeln!(
                out,
                "<tr><th>{}</th><td class=\"text\">{}</td><td>{times}</td></tr>",
                text(code),
                text(field)
            );
        }
    });
}

fn verified(out: &mut String, verified: Option<&Verified>) {
    section(out, "Verification", "What was read back from Intercom, compared field by field.");
    let Some(found) = verified else {
        return nothing(out, "Nothing was read back yet: verify does that.");
    };
    out.push_str("<dl>\n");
    term(out, "records read back", &found.checked.to_string());
    term(out, "as they should be", &found.matched.to_string());
    term(out, "not read back", &found.unread.to_string());
    for (class, count) in &found.classes {
        term(out, &format!("fields {}", text(class)), &count.to_string());
    }
    out.push_str("</dl>\n");
    if found.mismatches.is_empty() {
        return;
    }
    table(out, ["record", "field", "class"], |out| {
        for it in found.mismatches.iter().take(SHOWN) {
            let (key, field, class) = (text(&it.key), text(&it.field), text(&it.class));
            let _ = writeln!(
                out,
                "<tr><th>{key}</th><td class=\"text\">{field}</td><td class=\"text\">{class}</td></tr>"
            );
        }
    });
    let more = found.mismatches.len().saturating_sub(SHOWN) as u64 + found.unlisted;
    if more > 0 {
        nothing(out, &format!("And {more} more: see report.json."));
    }
}

fn last_run(out: &mut String, report: &Report) {
    let (run, quota) = (&report.last_run, &report.quota);
    section(
        out,
        "The last command",
        "A record that was already in place counts as unchanged here.",
    );
    if run.stages.iter().any(|stage| stage.read + stage.calls > 0) {
        stages(out, &run.stages);
    }
    out.push_str("<dl>\n");
    term(out, "calls that read", &run.reads.to_string());
    term(out, "calls that write", &run.writes.to_string());
    term(out, "calls in all, repeats included", &quota.calls.to_string());
    term(out, "refused for the quota", &quota.throttled.to_string());
    if let Some(limit) = quota.limit_per_window {
        term(out, "calls that a window allows", &limit.to_string());
    }
    if let Some(share) = quota.utilisation {
        term(out, "share of the quota that was used", &format!("{:.1} %", share * 100.0));
    }
    out.push_str("</dl>\n");
}

fn notes(out: &mut String, report: &Report) {
    section(out, "Notes", "What a person should know.");
    if report.notes.is_empty() {
        return nothing(out, "None.");
    }
    out.push_str("<ul>\n");
    for note in &report.notes {
        let _ = writeln!(out, "<li>{}</li>", text(note));
    }
    out.push_str("</ul>\n");
}

fn section(out: &mut String, heading: &str, about: &str) {
    let _ = writeln!(out, "<h2>{heading}</h2>\n<p class=\"about\">{about}</p>");
}

fn nothing(out: &mut String, said: &str) {
    let _ = writeln!(out, "<p>{said}</p>");
}

/// A term and what it is, which is markup already.
fn term(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "<dt>{name}</dt><dd>{value}</dd>");
}

fn table<'a>(
    out: &mut String,
    heads: impl IntoIterator<Item = &'a str>,
    rows: impl FnOnce(&mut String),
) {
    out.push_str("<div class=\"wide\"><table>\n<thead><tr>");
    for head in heads {
        let _ = write!(out, "<th>{head}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    rows(out);
    out.push_str("</tbody>\n</table></div>\n");
}

/// A count; zeros are pale, so that the others are seen.
fn cell(out: &mut String, count: u64) {
    let _ = match count {
        0 => write!(out, "<td class=\"zero\">0</td>"),
        count => write!(out, "<td>{count}</td>"),
    };
}

/// Whatever somebody else has named, as text: no markup comes of it, inside an attribute or out, and no
/// character turns round what stands beside it.
fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for it in raw.chars() {
        match it {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            it if it.is_control() => safe.push(' '),
            it => safe.push(it),
        }
    }
    safe
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>LeadDesk to Intercom</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.about { opacity: .75; margin-top: 0; }
.state { font-size: 1.2rem; font-weight: 600; }
.good { color: #1a7f37; } .bad { color: #c4320a; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #8884; text-align: right; vertical-align: top; }
th:first-child, .text { text-align: left; }
.text { min-width: 12rem; }
.zero { opacity: .35; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { opacity: .75; } dd { margin: 0; overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
.bar { min-width: 10rem; white-space: nowrap; font-size: 0; }
.bar i { display: inline-block; height: 1rem; margin-top: .3rem; }
.there { background: #1a7f37; } .merged { background: #7cc48f; } .waits { background: #d4a72c; }
.skipped { background: #8c959f; } .documented { background: #54aeff; } .dead { background: #c4320a; }
.open { background: #8250df; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
</style>
</head>
<body>
<main>
<h1>LeadDesk to Intercom</h1>
"#;

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
