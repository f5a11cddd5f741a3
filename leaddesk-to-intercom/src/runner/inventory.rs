//! `inventory/`: what LeadDesk has and Intercom cannot take, for the person who rebuilds it.
//!
//! The files hold all that the source delivered, and nothing else. They are made anew by every run, from
//! the source, so a run that was cut off and gone on with leaves the same files.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use migrate_core::ledger::LedgerError;
use migrate_core::{Fate, Ledger};
use serde_json::{Value, json};

use crate::config::Config;
use crate::map::{self, TeamMapper};
use crate::source::{Agent, Documented, Sort};
use crate::state::{StateDir, write_whole};

use super::cutover::Cutover;

/// The folder in the state directory.
const DIR: &str = "inventory";

/// All that goes into the inventory.
pub(super) struct Inventory {
    pub(super) documented: Vec<Documented>,
    /// The agents of the source, and whether they are teammates.
    pub(super) agents: Vec<(Agent, bool)>,
    /// The teams that are in Intercom, by id and name.
    pub(super) teams: Vec<(String, String)>,
    /// What contacts, calls and chats name, documented or not.
    pub(super) met: Met,
    /// How the migration stands.
    pub(super) cutover: Cutover,
}

/// Names that contacts and calls hold, in order.
#[derive(Default)]
pub(super) struct Met {
    outcomes: Vec<String>,
    dispositions: Vec<String>,
    campaigns: Vec<String>,
}

impl Met {
    /// What the ledger has kept of all runs, so that one that was cut off and gone on with has as much.
    pub(super) async fn in_ledger(ledger: &dyn Ledger) -> Result<Self, LedgerError> {
        Ok(Self {
            outcomes: names(ledger, map::OUTCOMES).await?,
            dispositions: names(ledger, map::DISPOSITIONS).await?,
            campaigns: names(ledger, map::CAMPAIGNS).await?,
        })
    }

    fn of(&self, sort: Sort) -> &[String] {
        match sort {
            Sort::Outcome => &self.outcomes,
            Sort::Campaign => &self.campaigns,
            _ => &[],
        }
    }
}

/// A list of names that the ledger keeps, in order.
pub(super) async fn names(ledger: &dyn Ledger, list: &str) -> Result<Vec<String>, LedgerError> {
    /// Names that are read at once.
    const PAGE: usize = 1_000;
    let (mut names, mut after) = (Vec::new(), 0);
    loop {
        let rows = ledger.discovered(list, after, PAGE).await?;
        let Some((last, _)) = rows.last() else { break };
        after = *last;
        names.extend(rows.into_iter().map(|(_, name)| name));
    }
    names.sort_unstable();
    Ok(names)
}

/// Which agents are teammates, by the ledger. Of whom it knows nothing, as when a run broke off before
/// it came to them, nobody can say that.
pub(super) async fn with_teammates(
    ledger: &dyn Ledger,
    agents: Vec<Agent>,
) -> Result<Vec<(Agent, bool)>, LedgerError> {
    let mut known = Vec::with_capacity(agents.len());
    for agent in agents {
        let entry = match agent.key() {
            Some(key) => ledger.entries(&[key]).await?.pop().flatten(),
            None => None,
        };
        let is_one = entry.is_some_and(|entry| {
            let matched = matches!(entry.fate, Fate::Unchanged | Fate::Updated | Fate::Created);
            matched && entry.target.is_some()
        });
        known.push((agent, is_one));
    }
    Ok(known)
}

impl Inventory {
    /// Writes all files, each whole or not at all.
    pub(super) fn write(&self, state: &StateDir, config: &Config) -> io::Result<()> {
        let dir = StateDir::create(state.file(DIR))?;
        let all = |sort| Value::Array(self.of(sort).map(|it| it.content.clone()).collect());
        dir.write_json("campaigns.json", &all(Sort::Campaign))?;
        dir.write_json("projects.json", &all(Sort::Project))?;
        dir.write_json("offices.json", &all(Sort::Office))?;
        let Met { outcomes, dispositions, campaigns } = &self.met;
        let in_use =
            json!({ "outcomes": outcomes, "dispositions": dispositions, "campaigns": campaigns });
        dir.write_json(
            "taxonomy.json",
            &json!({ "outcomes": all(Sort::Outcome), "in_use": in_use }),
        )?;
        dir.write_json("custom_fields.json", &all(Sort::CustomField))?;
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

    /// Projects and offices, and further names of `[map.teams]`, of which no team has the name, or the
    /// name that `[map.teams]` gives them; with all that the source says of each, and who belongs to it.
    fn teams_to_create(&self, config: &Config) -> Vec<Value> {
        let mapper = TeamMapper::new(config);
        let is_there = |wanted: &str| {
            self.teams.iter().any(|(id, name)| id == wanted || is_same(name, wanted))
        };
        let places = || self.of(Sort::Project).chain(self.of(Sort::Office));
        let documented = places().filter_map(|item| Some((item.name()?, Some(item))));
        let named = config.map.teams.keys().map(|name| name.trim());
        let named =
            named.filter(|name| !places().any(|it| it.name().is_some_and(|it| is_same(it, name))));
        let all = documented.chain(named.map(|name| (name, None)));
        let missing = all.filter(|(name, _)| !is_there(mapper.team(name)));
        let told = missing.map(|(name, item)| {
            let mut told = json!({ "team": mapper.team(name), "name": name });
            match item {
                Some(item) => {
                    told["for"] = json!(item.key().to_string());
                    told["details"] = details(item);
                    told["members"] = json!(self.members(item));
                }
                None => told["for"] = json!("[map.teams]"),
            }
            told
        });
        told.collect()
    }

    /// Who belongs to an office, as the agents say, or to whatever has a roster of its own; by e-mail
    /// address where one is known.
    fn members(&self, item: &Documented) -> Vec<String> {
        let agents = || self.agents.iter().map(|(agent, _)| agent);
        let told = |agent: &Agent| agent.email.clone().or(agent.username.clone());
        let office = item.name().filter(|_| item.sort == Sort::Office);
        let is_of = |agent: &&Agent| {
            office.zip(agent.office.as_deref()).is_some_and(|(name, office)| is_same(name, office))
        };
        let mut members: Vec<String> = agents().filter(is_of).filter_map(told).collect();
        let is_id = |number: &str| {
            agents().any(|it| it.id.as_deref().is_some_and(|id| is_same(id, number)))
        };
        for name in roster(item, is_id) {
            let is_it = |known: &Option<String>| {
                known.as_deref().is_some_and(|known| is_same(known, &name))
            };
            let known =
                agents().find(|it| is_it(&it.email) || is_it(&it.username) || is_it(&it.id));
            let member = known.and_then(told).unwrap_or(name);
            if !members.contains(&member) {
                members.push(member);
            }
        }
        members
    }

    fn teammates_to_invite(&self) -> Vec<Value> {
        let missing = self.agents.iter().filter(|(_, is_teammate)| !is_teammate);
        let told = missing.map(|(agent, _)| {
            let Agent { id, username, email, office } = agent;
            json!({ "id": id, "username": username, "email": email, "office": office })
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
            let met = self.met.of(sort).len();
            if met > 0 {
                let _ = writeln!(
                    have,
                    "| {what} that contacts, calls and chats name | {met} | `taxonomy.json` | their tags are on what they touched |"
                );
            }
            if count > 0 {
                let _ = writeln!(have, "| {what} | {count} | `{file}` | {rebuild} |");
            } else if met > 0 {
                let _ = writeln!(
                    questions,
                    "- {what}: contacts, calls and chats name {met}, and the source delivered no list of them (`{}`). Are there others, and what are their settings?",
                    sort.files()
                );
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
        self.cutover.write(&mut text, config);
        text
    }
}

/// What a file may call the column of those who belong to something. No export of LeadDesk is known to
/// have one; who makes the file by hand may.
const ROSTER: [&str; 6] = ["agents", "members", "roster", "users", "agentit", "käyttäjät"];

/// The names in such a column: a list, or one text. A bare number may be a count as well as an id: it is an id where
/// the cell names several, and all of its numbers are ids of agents.
fn roster(item: &Documented, is_id: impl Fn(&str) -> bool) -> Vec<String> {
    let Value::Object(fields) = &item.content else { return Vec::new() };
    let is_roster = |name: &str| ROSTER.contains(&name.trim().to_lowercase().as_str());
    let is_number = |name: &&str| name.bytes().all(|byte| byte.is_ascii_digit());
    let mut found = Vec::new();
    for (_, cell) in fields.iter().filter(|(name, _)| is_roster(name)) {
        let texts: Vec<&str> = match cell {
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            cell => cell.as_str().into_iter().collect(),
        };
        let names = texts.into_iter().flat_map(|text| text.split([',', ';', '|'])).map(str::trim);
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        let are_ids = names.len() > 1 && names.iter().copied().filter(is_number).all(&is_id);
        let kept = names.into_iter().filter(|name| are_ids || !is_number(name));
        found.extend(kept.map(str::to_owned));
    }
    found
}

/// Are these two spellings of one name?
fn is_same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// What the source says of something beside its id and its name: status, sponsor, time zone and so on.
fn details(item: &Documented) -> Value {
    let mut details = item.content.clone();
    if let Value::Object(fields) = &mut details {
        fields.retain(|field, _| field != "id" && field != "name");
    }
    details
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
        Sort::CustomField => (
            "custom_fields.json",
            "custom fields",
            "`mapping.toml` says where those go that contacts have",
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

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use migrate_core::ledger::Change;
    use migrate_core::{MemoryLedger, TargetId};

    use super::*;

    fn agent(id: &str) -> Agent {
        Agent { id: Some(id.to_owned()), ..Agent::default() }
    }

    /// Those of a project are told where a column names them, by whatever name they have there.
    #[test]
    fn a_roster_is_told_by_address() {
        let anna = Agent { email: Some("anna@example.com".into()), ..agent("5") };
        let bo = Agent { username: Some("bo".into()), ..agent("6") };
        let agents = vec![(anna, true), (bo, false)];
        let content =
            json!({ "Agentit": "5; BO | anna@example.com ; new@example.com", "Status": "6" });
        let project = Documented { sort: Sort::Project, id: "1".into(), content };
        let (documented, teams, met) = (Vec::new(), Vec::new(), Met::default());
        let cutover = Cutover::default();
        let inventory = Inventory { documented, agents, teams, met, cutover };
        let expected = ["anna@example.com", "bo", "new@example.com"];
        assert_eq!(inventory.members(&project), expected);
    }

    #[test]
    fn a_count_of_agents_names_nobody() {
        let agents = ["5", "6", "17"].map(|id| (agent(id), true));
        let agents = agents.map(|(it, known)| {
            let username = it.id.as_ref().map(|id| format!("user {id}"));
            (Agent { username, ..it }, known)
        });
        let (documented, teams, met) = (Vec::new(), Vec::new(), Met::default());
        let cutover = Cutover::default();
        let inventory = Inventory { documented, agents: agents.into(), teams, met, cutover };
        for (cell, expected) in [
            (json!("5"), vec![]),
            (json!("5, 6"), vec!["user 5", "user 6"]),
            (json!("5, 600"), vec![]),
            (json!("17;Anna;600"), vec!["Anna"]),
            (json!("17;Anna"), vec!["user 17", "Anna"]),
            (json!(["5", "6"]), vec!["user 5", "user 6"]),
            (json!(["5"]), vec![]),
        ] {
            let content = json!({ "Agents": cell });
            let project = Documented { sort: Sort::Project, id: "1".into(), content };
            assert_eq!(inventory.members(&project), expected, "{}", project.content);
        }
    }

    /// Only who is known to be a teammate needs no invitation.
    #[tokio::test]
    async fn after_a_run_that_broke_off_everybody_else_is_invited() {
        let ledger = MemoryLedger::default();
        let settle = |id: &str, fate, target: Option<&str>| Change::Settle {
            key: agent(id).key().unwrap(),
            stage: crate::stage::AGENTS.to_owned(),
            fate,
            fingerprint: None,
            target: target.map(TargetId::new),
            reason: None,
            notes: Vec::new(),
            attempts: 0,
            at: Utc::now(),
        };
        let changes = vec![
            settle("1", Fate::Unchanged, Some("77")),
            settle("2", Fate::Queued, None),
            settle("3", Fate::Dead, None),
            settle("4", Fate::Pending, None),
        ];
        ledger.commit(changes).await.unwrap();
        let mut agents: Vec<Agent> = ["1", "2", "3", "4", "5"].map(agent).into();
        agents.push(Agent::default());
        let found = with_teammates(&ledger, agents).await.unwrap();
        let found: Vec<bool> = found.into_iter().map(|(_, is_one)| is_one).collect();
        assert_eq!(found, [true, false, false, false, false, false]);
    }
}
