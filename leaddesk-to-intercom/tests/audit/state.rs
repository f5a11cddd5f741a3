//! The state directory: queues, counts of the report, inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use migrate_sandbox::{Account, Workspace};
use serde_json::Value;

use super::expect::{People, Waits};
use super::{Audit, Terms, chats, expected_calls};

/// Every difference between what the state directory should say and what it says. All calls are reached by their ids.
pub(crate) fn audit_of_state(
    terms: &Terms,
    account: &Account,
    workspace: &Workspace,
    state: &Path,
) -> Vec<String> {
    let mut audit = Audit { account, workspace, terms, findings: Vec::new() };
    let wanted = Wanted::of(account, terms);
    audit.queues(&wanted, &state.join("queues"));
    audit.report(&wanted, &state.join("report.json"));
    audit.inventory(&state.join("inventory"));
    audit.findings
}

/// What queues and counts should be.
struct Wanted {
    /// Keys by queue.
    queues: BTreeMap<Waits, BTreeSet<String>>,
    /// By stage.
    counts: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
}

impl Wanted {
    fn of(account: &Account, terms: &Terms) -> Self {
        let people = People::of(account, terms);
        let mut wanted = Self { queues: BTreeMap::new(), counts: BTreeMap::new() };
        for queue in ["contacts_without_identifier", "shared_email", "archived_in_intercom"] {
            for id in people.in_queue(queue) {
                wanted.waits(queue, format!("contact:{id}"));
            }
        }
        for agent in account.agents.iter().filter(|agent| !agent.has_teammate) {
            wanted.waits("agents_without_teammate", format!("agent:{}", agent.id));
        }
        let (chats_waiting, anonymous) = match terms.chats {
            true => chats::waiting(account, &people),
            false => Default::default(),
        };
        for (id, queue) in &chats_waiting {
            wanted.waits(queue, format!("chat:{id}"));
        }
        let calls = expected_calls(account, terms, &people);
        let mut calls_waiting = 0;
        for (id, call) in &calls {
            if let Err(queue) = call {
                wanted.waits(queue, format!("call:{id}"));
                calls_waiting += 1;
            }
        }

        for (stage, leads) in [("contacts", false), ("leads", true)] {
            let is_of = |id: &u64| terms.leads.contains_key(id) == leads;
            let of_stage = people.all.iter().filter(|person| is_of(&person.members[0]));
            let (mut created, mut known, mut merged, mut queued) = (0, 0, 0, 0);
            for person in of_stage {
                merged += person.members.len() as u64 - 1;
                match (person.waits, person.known) {
                    (Some(_), _) => queued += 1,
                    (None, Some(_)) => known += 1,
                    (None, None) => created += 1,
                }
            }
            if leads {
                known += people.joined.len() as u64;
                merged += people.joined.iter().map(|members| members.len() as u64 - 1).sum::<u64>();
            }
            queued += people.waiting.keys().filter(|id| is_of(id)).count() as u64;
            let mut read = account.contacts.iter().filter(|it| is_of(&it.id)).count() as u64;
            if leads {
                created += anonymous.len() as u64;
                read += anonymous.len() as u64;
            }
            let counts = [
                ("read", read),
                ("created", created),
                ("updated+unchanged", known),
                ("merged", merged),
                ("queued", queued),
            ];
            wanted.counts.insert(stage, counts.into());
        }
        let mut of_calls =
            BTreeMap::from([("created", calls.len() as u64 - calls_waiting), ("updated", 0)]);
        // A history tells many of them once more.
        if !terms.histories {
            of_calls.extend([("read", calls.len() as u64), ("queued", calls_waiting)]);
        }
        wanted.counts.insert("calls", of_calls);
        let all = if terms.chats { account.chats.len() as u64 } else { 0 };
        let waiting = chats_waiting.len() as u64;
        let of_chats = [("read", all), ("created", all - waiting), ("queued", waiting)];
        wanted.counts.insert("chats", of_chats.into());
        let agents = account.agents.len() as u64;
        wanted.counts.insert("agents", [("read", agents)].into());
        wanted
    }

    fn waits(&mut self, queue: Waits, key: String) {
        self.queues.entry(queue).or_default().insert(key);
    }
}

impl Audit<'_> {
    fn queues(&mut self, wanted: &Wanted, dir: &Path) {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let Some(queue) = name.strip_suffix(".jsonl") else { continue };
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            let keys = found.entry(queue.to_owned()).or_default();
            for line in text.lines() {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                let key = line["key"].as_str().unwrap_or_default().to_owned();
                // A history tells of calls without a time or a number as well, under names of its own.
                if self.terms.histories && key.starts_with("call:") && key.contains('@') {
                    continue;
                }
                if line["remedy"].as_str().is_none_or(str::is_empty) {
                    self.say(format!("queue {queue}: {key} has no remedy"));
                }
                if !keys.insert(key.clone()) {
                    self.say(format!("queue {queue}: {key} is there twice"));
                }
            }
        }
        found.retain(|_, keys| !keys.is_empty());
        let none = BTreeSet::new();
        let names: BTreeSet<&str> =
            wanted.queues.keys().copied().chain(found.keys().map(String::as_str)).collect();
        for name in names {
            let found = found.get(name).unwrap_or(&none);
            let wanted = wanted.queues.get(name).unwrap_or(&none);
            for key in wanted.difference(found) {
                self.say(format!("queue {name}: {key} is missing"));
            }
            for key in found.difference(wanted) {
                self.say(format!("queue {name}: {key} should not be there"));
            }
        }
    }

    fn report(&mut self, wanted: &Wanted, file: &Path) {
        let report = self.json(file);
        self.same("report", "state", report["state"].as_str(), Some("complete"));
        self.same("report", "accounted", report["accounted"].as_bool(), Some(true));
        let stages: Vec<&Value> = report["stages"].as_array().into_iter().flatten().collect();
        for stage in &stages {
            let of = format!("report, {}", stage["name"].as_str().unwrap_or_default());
            let count = |field: &str| stage[field].as_u64().unwrap_or_default();
            let fates = [
                "created",
                "updated",
                "unchanged",
                "merged",
                "queued",
                "skipped",
                "inventoried",
                "dead",
            ];
            self.same(&of, "sum", fates.into_iter().map(count).sum::<u64>(), count("read"));
            for none in ["dead", "in_doubt", "pending", "skipped"] {
                self.same(&of, none, count(none), 0);
            }
        }
        for (name, counts) in &wanted.counts {
            let Some(stage) = stages.iter().find(|stage| stage["name"] == *name) else {
                self.say(format!("report: stage {name} is missing"));
                continue;
            };
            for (fields, should) in counts {
                let fields_of = fields.split('+');
                let is: u64 = fields_of.map(|it| stage[it].as_u64().unwrap_or_default()).sum();
                self.same(&format!("report, {name}"), fields, is, *should);
            }
        }
    }

    fn inventory(&mut self, dir: &Path) {
        let account = self.account;
        let texts = |value: &Value, field: &str| -> BTreeSet<String> {
            let all = value.as_array().into_iter().flatten();
            all.map(|it| match &it[field] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect()
        };
        let names = |texts: Vec<Option<&String>>| -> BTreeSet<String> {
            texts.into_iter().flatten().map(|text| text.trim().to_owned()).collect()
        };
        let campaigns = self.json(&dir.join("campaigns.json"));
        let wanted = account.campaigns.iter().map(|it| it.id.to_string()).collect();
        self.same("campaigns.json", "ids", texts(&campaigns, "id"), wanted);
        let wanted = account.campaigns.iter().map(|it| it.name.clone()).collect();
        self.same("campaigns.json", "names", texts(&campaigns, "name"), wanted);

        let taxonomy = self.json(&dir.join("taxonomy.json"));
        let in_use = |list: &str| -> BTreeSet<String> {
            let all = taxonomy["in_use"][list].as_array().into_iter().flatten();
            all.filter_map(|it| it.as_str().map(str::to_owned)).collect()
        };
        let calls = &account.calls;
        let chats = account.chats.iter().filter(|_| self.terms.chats);
        let mut outcomes =
            names(calls.iter().map(|it| it.call_ending_reason_name.as_ref()).collect());
        outcomes.extend(chats.clone().filter_map(chats::outcome));
        self.same("taxonomy.json", "outcomes in use", in_use("outcomes"), outcomes);
        let mut wanted = names(calls.iter().map(|it| it.campaign_name.as_ref()).collect());
        wanted.extend(names(chats.map(|it| it.campaign.as_ref()).collect()));
        self.same("taxonomy.json", "campaigns in use", in_use("campaigns"), wanted);

        let invited = self.json(&dir.join("teammates_to_invite.json"));
        let strangers = account.agents.iter().filter(|agent| !agent.has_teammate);
        let strangers: BTreeSet<String> = strangers.map(|it| it.username.clone()).collect();
        let count = strangers.len();
        self.same("teammates_to_invite.json", "names", texts(&invited, "username"), strangers);
        // The account has neither projects nor a list of its offices, so nothing says which teams are missing.
        let teams = self.json(&dir.join("teams_to_create.json"));
        self.same("teams_to_create.json", "teams", teams.as_array().map(Vec::len), Some(0));
        let handover = std::fs::read_to_string(dir.join("handover.md")).unwrap_or_default();
        let campaigns = account.campaigns.len();
        for line in [
            format!("| campaigns | {campaigns} | `campaigns.json` |"),
            format!("| agents who are no teammates | {count} | `teammates_to_invite.json` |"),
        ] {
            if !handover.contains(&line) {
                self.say(format!("handover.md does not say {line:?}"));
            }
        }
    }

    fn json(&mut self, file: &Path) -> Value {
        let text = std::fs::read(file).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            self.say(format!("{}: {error}", file.display()));
            Value::Null
        })
    }
}
