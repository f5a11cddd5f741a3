//! A plan in words, for people. It names settings, attributes and counts, and nobody: tags and choices can
//! be what people's records hold, so they are counted here and stand in the file.

use std::collections::BTreeMap;
use std::time::Duration;

use migrate_core::StageCounts;

use crate::config::duration;
use crate::runner::{CallHistory, PlanFile, RouteHistory, Sampled, Share};
use crate::sink::Action;

use super::output::table;

/// What the program prints of a plan.
pub(super) fn summary(plan: &PlanFile) -> String {
    let stages: Vec<StageCounts> = plan.stages.iter().map(|stage| stage.counts.clone()).collect();
    let mut text = String::from("\nA run would do this (nothing has been written):\n\n");
    text.push_str(&table(&stages));
    text.push('\n');
    lines(&mut text, "", calls(plan));
    lines(&mut text, "\nThe workspace:\n", workspace(plan));
    lines(&mut text, "\nCall history:\n", plan.call_history.iter().flat_map(history).collect());
    if !plan.queues.is_empty() {
        text.push_str("\nWould wait for somebody:\n");
        for (queue, count) in &plan.queues {
            text.push_str(&format!("  {count:>8}  {queue}\n"));
        }
    }
    for (heading, stopping) in [("A run is refused until then", true), ("To be known", false)] {
        let found = plan.preflight.findings().iter();
        let found = found.filter(|it| it.is_stopping() == stopping).map(ToString::to_string);
        lines(&mut text, &format!("\n{heading}:\n"), found.collect());
    }
    lines(&mut text, "\nNotes:\n", plan.notes.clone());
    text
}

fn lines(text: &mut String, heading: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    text.push_str(heading);
    let mark = if heading.is_empty() { "" } else { "  - " };
    lines.iter().for_each(|line| text.push_str(&format!("{mark}{line}\n")));
}

/// The calls on both sides, how long they take, and what other settings would take.
fn calls(plan: &PlanFile) -> Vec<String> {
    let mut lines = vec![format!(
        "{} calls to Intercom, {} at {} calls a minute (the quota less the reserve).",
        plan.calls,
        time(plan.seconds_at_quota),
        plan.calls_per_minute
    )];
    let leaddesk = &plan.leaddesk;
    if let Some(pace) = leaddesk.calls_per_second {
        let of_stages = plan.stages.iter().filter(|stage| stage.leaddesk_calls > 0);
        let of_stages: Vec<String> = of_stages
            .map(|stage| format!("{} {}", stage.counts.name, stage.leaddesk_calls))
            .collect();
        lines.push(format!(
            "{} calls to LeadDesk, {} at {pace} calls a second (source.requests_per_second): {}.",
            leaddesk.calls,
            time(leaddesk.seconds),
            of_stages.join(", ")
        ));
    }
    lines.push(format!("Both sides together: at least {}.", time(plan.seconds)));
    let ways = plan.ways.iter().map(|way| {
        let configured = if way.is_configured { ", as it is configured" } else { "" };
        format!(
            "{} ({}{configured}): {} calls to Intercom, {} for each call of LeadDesk on the average, at least {}.",
            capital(&way.name),
            way.settings.join("; "),
            way.calls,
            way.calls_per_call,
            time(way.seconds)
        )
    });
    lines.extend(ways);
    lines
}

/// What is missing in the workspace, and what would be done with some contacts.
fn workspace(plan: &PlanFile) -> Vec<String> {
    let mut lines = Vec::new();
    for (model, what) in [("contact", "contacts"), ("conversation", "conversations")] {
        let missing = plan.to_create.attributes.iter().filter(|it| it.model == model);
        let (custom, ours): (Vec<_>, Vec<_>) = missing.partition(|it| it.custom);
        let mut told: Vec<String> =
            ours.iter().map(|it| format!("{} ({})", it.name, it.data_type)).collect();
        if !custom.is_empty() {
            told.push(format!("of custom fields {}, see plan.json", custom.len()));
        }
        if !told.is_empty() {
            let count = ours.len() + custom.len();
            lines.push(format!("attributes of {what} to create, {count}: {}.", told.join(", ")));
        }
    }
    let (tags, new) = (plan.tags.len(), plan.to_create.tags.len());
    if new > 0 {
        lines.push(format!("tags to create, of {tags} in use: {new}, see plan.json."));
    }
    for (what, missing) in
        [("teams", &plan.to_ask_for.teams), ("teammates", &plan.to_ask_for.teammates)]
    {
        if !missing.is_empty() {
            let count = missing.len();
            lines.push(format!("{what} that only a person can add: {count}, see plan.json."));
        }
    }
    if plan.conversations > 0 {
        lines.push(format!("conversations to open: {}.", plan.conversations));
    }
    lines.extend(sample(&plan.sample));
    lines
}

fn sample(sample: &[Sampled]) -> Option<String> {
    let mut actions: BTreeMap<Action, u64> = BTreeMap::new();
    sample.iter().for_each(|sampled| *actions.entry(sampled.action).or_default() += 1);
    let told = actions.iter().map(|(action, count)| {
        let done = match action {
            Action::Create => "to be created",
            Action::Fill => "there and to be filled",
            Action::Overwrite => "there and to be overwritten",
            Action::Update => "migrated before and to be brought up to date",
            Action::Leave => "there as it should be",
            Action::Wait => "to wait for somebody",
            Action::Unknown => "of whom Intercom could not be asked",
        };
        format!("{count} {done}")
    });
    let told = told.collect::<Vec<_>>().join(", ");
    (!sample.is_empty()).then(|| {
        format!(
            "of {} contacts and leads that were looked up: {told}, see plan.json.",
            sample.len()
        )
    })
}

/// How far each route reaches.
fn history(history: &CallHistory) -> Vec<String> {
    let mut lines = Vec::new();
    for (what, share) in [("contacts", history.contacts), ("leads", history.leads)] {
        let Share { all, with_calls, .. } = share;
        if let Some(percent) = share.percent() {
            lines.push(format!("{what} with calls: {with_calls} of {all} ({percent} %)."));
        }
    }
    lines.extend(history.routes.iter().map(|route| {
        let RouteHistory { route, calls, contacts, leads, .. } = route;
        format!("by {route}: calls {calls}, contacts with one {contacts}, leads {leads}.")
    }));
    if history.routes.is_empty() {
        lines.push("no route to calls is configured.".to_owned());
    }
    lines
}

fn time(seconds: u64) -> String {
    duration::format(Duration::from_secs(seconds))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_says_what_a_person_has_to_know_and_names_nobody() {
        let stage = |name: &str, calls: u64, leaddesk_calls: u64| {
            let mut counts = StageCounts::default();
            (counts.name, counts.read, counts.created) = (name.to_owned(), 20, 20);
            counts.calls = calls;
            let mut stage = serde_json::to_value(counts).unwrap();
            stage["leaddesk_calls"] = json!(leaddesk_calls);
            stage
        };
        let attribute = |model: &str, name: &str, data_type: &str| json!({ "model": model, "name": name, "data_type": data_type });
        let sampled = |key: u64, action: &str| json!({ "key": format!("contact:{key}"), "action": action, "fields": ["name"] });
        let way = |name: &str, settings: &str, is_configured: bool, calls: u64, each: f64| {
            json!({
                "name": name, "settings": [settings], "is_configured": is_configured,
                "calls": calls, "calls_per_call": each, "seconds": 25,
            })
        };
        let plan: PlanFile = serde_json::from_value(json!({
            "schema": 1, "made_at": "2026-01-01T00:00:00Z", "hash": "x",
            "stages": [stage("schema", 4, 0), stage("contacts", 30, 25), stage("calls", 140, 120)],
            "calls": 174, "seconds_at_quota": 2, "calls_per_minute": 8000,
            "leaddesk": { "calls": 148, "seconds": 30, "calls_per_second": 5.0 },
            "seconds": 3661,
            "ways": [
                way("full", "calls.tags = [\"campaign\", \"disposition\", \"outcome\"]", true, 174, 7.0),
                way("lean", "calls.tags = []", false, 112, 3.9),
            ],
            "conversations": 20,
            "queues": { "calls_without_contact": 3 },
            "tags": ["ld_campaign_Anna", "vip"],
            "to_create": {
                "attributes": [
                    attribute("contact", "ld_city", "string"),
                    attribute("contact", "ld_created_at", "date"),
                    {"model": "contact", "name": "ld_wish_anna", "data_type": "boolean", "custom": true},
                    attribute("conversation", "ld_talk_time__c", "integer"),
                ],
                "tags": ["ld_campaign_Anna"],
            },
            "to_ask_for": { "teams": ["Anna's team"], "teammates": ["agent:anna"] },
            "call_history": {
                "contacts": { "all": 18, "with_calls": 12 },
                "leads": { "all": 2, "with_calls": 0 },
                "routes": [
                    { "route": "id_range", "calls": 20, "contacts": 12, "leads": 0 },
                    { "route": "last_call", "calls": 11, "contacts": 11, "leads": 1 },
                ],
            },
            "sample": [sampled(1, "create"), sampled(2, "create"), sampled(3, "fill")],
            "preflight": [{
                "check": "live_costs", "severity": "warns", "found": "It may cost.",
                "remedy": "Ask.",
            }],
            "notes": ["one note"], "configuration": {}, "attributes": [],
        }))
        .unwrap();
        let text = summary(&plan);
        assert!(!text.to_lowercase().contains("anna"), "{text}");
        insta::assert_snapshot!(text);
    }
}
