//! `inventory/`: what LeadDesk has and Intercom cannot take, for the person who rebuilds it.
//!
//! The files hold all that the source delivered, and nothing else. They are made anew by every run, from
//! the source, so a run that was cut off and gone on with leaves the same files.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use migrate_core::ledger::Scan;
use migrate_core::{Fate, Ledger};
use serde_json::{Value, json};

use crate::config::Config;
use crate::map::TeamMapper;
use crate::source::{Agent, Documented, Sort};
use crate::state::{StateDir, write_whole};

/// The folder in the state directory.
const DIR: &str = "inventory";

/// All that goes into the inventory.
pub(super) struct Inventory {
    pub(super) documented: Vec<Documented>,
    /// The agents of the source, and whether they are teammates.
    pub(super) agents: Vec<(Agent, bool)>,
    /// The teams that are in Intercom, by id and name.
    pub(super) teams: Vec<(String, String)>,
}

/// Which agents wait for a teammate, by the ledger.
pub(super) async fn with_teammates(
    ledger: &dyn Ledger,
    agents: Vec<Agent>,
) -> Result<Vec<(Agent, bool)>, migrate_core::ledger::LedgerError> {
    let mut waiting = Vec::new();
    let mut scan = Scan::of(crate::stage::AGENTS).with(Fate::Queued);
    loop {
        let rows = ledger.scan(&scan).await?;
        let Some((last, _)) = rows.last() else { break };
        scan = scan.after(*last);
        waiting.extend(rows.into_iter().map(|(_, entry)| entry.key));
    }
    let is_one = |agent: &Agent| agent.key().is_none_or(|key| !waiting.contains(&key));
    Ok(agents.into_iter().map(|agent| (agent.clone(), is_one(&agent))).collect())
}

impl Inventory {
    /// Writes all files, each whole or not at all.
    pub(super) fn write(&self, state: &StateDir, config: &Config) -> io::Result<()> {
        let dir = StateDir::create(state.file(DIR))?;
        let all = |sort| Value::Array(self.of(sort).map(|it| it.content.clone()).collect());
        dir.write_json("campaigns.json", &all(Sort::Campaign))?;
        dir.write_json("projects.json", &all(Sort::Project))?;
        dir.write_json("offices.json", &all(Sort::Office))?;
        dir.write_json("taxonomy.json", &json!({ "outcomes": all(Sort::Outcome) }))?;
        dir.write_json("dialer.json", &all(Sort::Dialer))?;
        dir.write_json("leadapps.json", &all(Sort::LeadApp))?;
        dir.write_json("teams_to_create.json", &self.teams_to_create(config))?;
        dir.write_json("teammates_to_invite.json", &self.teammates_to_invite())?;
        for (name, text) in
            [("leadapps.md", self.lead_apps()), ("handover.md", self.handover(config))]
        {
            write_whole(&dir.file(name), |file| file.write_all(text.as_bytes()))?;
        }
        Ok(())
    }

    fn of(&self, sort: Sort) -> impl Iterator<Item = &Documented> {
        self.documented.iter().filter(move |it| it.sort == sort)
    }

    /// Projects and offices of which no team has the name, or the name that `[map.teams]` gives them.
    fn teams_to_create(&self, config: &Config) -> Vec<Value> {
        let mapper = TeamMapper::new(config);
        let is_there = |wanted: &str| {
            let same = |name: &str| name.trim().to_lowercase() == wanted.to_lowercase();
            self.teams.iter().any(|(id, name)| id == wanted || same(name))
        };
        let mut wanted: Vec<Value> = Vec::new();
        for item in self.of(Sort::Project).chain(self.of(Sort::Office)) {
            let Some(name) = item.name() else { continue };
            let team = mapper.team(name);
            if !is_there(team) {
                wanted.push(json!({ "team": team, "for": item.key().to_string(), "name": name }));
            }
        }
        wanted
    }

    fn teammates_to_invite(&self) -> Vec<Value> {
        let missing = self.agents.iter().filter(|(_, is_teammate)| !is_teammate);
        let told = missing.map(|(agent, _)| {
            json!({ "id": agent.id, "username": agent.username, "email": agent.email })
        });
        told.collect()
    }

    /// What each LeadApp is, in words for people.
    fn lead_apps(&self) -> String {
        let mut text = String::from(
            "# LeadApps\n\nIntercom has none. What each does has to be rebuilt, or done without.\n",
        );
        for app in self.of(Sort::LeadApp) {
            let _ = write!(text, "\n## {}\n\n", one_line(app.name().unwrap_or(&app.id)));
            if let Value::Object(fields) = &app.content {
                for (name, value) in fields.iter().filter(|(name, _)| *name != "name") {
                    let said = match value {
                        Value::String(text) => one_line(text),
                        Value::Array(_) | Value::Object(_) => {
                            format!("see leadapps.json, `{name}`")
                        }
                        other => other.to_string(),
                    };
                    let _ = writeln!(text, "- {}: {said}", one_line(name));
                }
            }
        }
        if self.of(Sort::LeadApp).next().is_none() {
            text.push_str("\nThe source delivered none.\n");
        }
        text
    }

    /// What the Intercom admin has to rebuild, from which file, and what is to be asked of LeadDesk.
    fn handover(&self, config: &Config) -> String {
        let mut text = String::from(HANDOVER);
        let (mut have, mut questions) = (String::new(), String::new());
        for sort in Sort::ALL {
            let count = self.of(sort).count();
            let (file, what, rebuild) = about(sort);
            if count > 0 {
                let _ = writeln!(have, "| {what} | {count} | `{file}` | {rebuild} |");
            } else {
                let _ = writeln!(
                    questions,
                    "- {what}: the source delivered none (`{}`). Are there any, and what are their settings?",
                    sort.files()
                );
            }
        }
        // Where there is no chatbot, there is nothing to be asked about it.
        let counted = self.of(Sort::Analytics).count();
        if counted > 0 {
            let (file, what, rebuild) = about(Sort::Analytics);
            let _ = writeln!(have, "| {what} | {counted} | `{file}` | {rebuild} |");
        }
        let teams = self.teams_to_create(config).len();
        let _ = writeln!(
            have,
            "| teams that are missing | {teams} | `teams_to_create.json` | make them in Intercom's settings: its API cannot |"
        );
        let invited = self.teammates_to_invite().len();
        let _ = writeln!(
            have,
            "| agents who are no teammates | {invited} | `teammates_to_invite.json` | invite them; the next run goes on from there |"
        );
        text.push_str(&have);
        if !questions.is_empty() {
            text.push_str("\n## Questions to LeadDesk\n\nAsk while the account is open: afterwards nobody can tell.\n\n");
            text.push_str(&questions);
        }
        text
    }
}

/// File, name and use of a sort.
fn about(sort: Sort) -> (&'static str, &'static str, &'static str) {
    match sort {
        Sort::Campaign => (
            "campaigns.json",
            "campaigns",
            "their tags are on what they touched; settings become workflows or reports, where they are still wanted",
        ),
        Sort::Project => ("projects.json", "projects", "teams, with those who belong to them"),
        Sort::Office => (
            "offices.json",
            "offices",
            "teams, with their office hours; the routing of calls has no counterpart",
        ),
        Sort::Outcome => (
            "taxonomy.json",
            "outcomes",
            "tags and attributes hold those that were chosen; others only if they are still wanted",
        ),
        Sort::Dialer => (
            "dialer.json",
            "dialer configurations",
            "Intercom has no dialer: keep them for whatever places calls now",
        ),
        Sort::LeadApp => ("leadapps.json", "LeadApps", "see `leadapps.md`"),
        Sort::Analytics => (
            "chatbot_analytics.json",
            "files of the chatbot's export with counts alone",
            "nothing: reports begin anew in Intercom, and these are what there was before",
        ),
    }
}

const HANDOVER: &str = "\
# Handover

What LeadDesk has and Intercom cannot take over by itself. The files beside this one hold all that was
delivered, and nothing else.

| what | how many | file | to be done |
|---|---|---|---|
";

fn one_line(text: &str) -> String {
    crate::value::tag::one_line(text)
}
