//! The plan: what a run would do, made by a dry run, and saved.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use intercom_client::Model;
use migrate_core::ledger::Scan;
use migrate_core::{Run, RunOptions, StageCounts, Standing};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connect::StartError;
use crate::preflight::Preflight;
use crate::sink::{AgentSink, CallCount, DryContactSink, DrySink, TeamSink};
use crate::stages::{Sinks, Stages};
use crate::value::TagName;

use super::Runner;
use super::finish::Unfinished;
use super::mapping::{self, Survey};
use super::one_tag;
use super::reporting::for_review;
use super::scratch::Scratch;
use super::session::Session;

/// The file of a saved plan.
const FILE: &str = "plan.json";

/// A saved plan. It is bound to the configuration and to the destination's attributes: when these
/// have changed, it is stale.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlanFile {
    /// The version of this form.
    pub schema: u32,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Digest of all that it is bound to.
    pub hash: String,
    /// What each stage would do.
    pub stages: Vec<PlannedStage>,
    /// Calls to Intercom in all.
    pub calls: u64,
    /// How long these take at least at the quota, with the reserve kept back, in seconds.
    pub seconds_at_quota: u64,
    /// Calls a minute that this is reckoned with.
    pub calls_per_minute: u64,
    /// Records in each queue.
    pub queues: BTreeMap<String, u64>,
    /// The tags that will be put on something.
    pub tags: Vec<String>,
    /// What the checks before a run found.
    #[serde(default)]
    pub preflight: Preflight,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The configuration in effect; it holds no secrets.
    pub configuration: Value,
    /// The attributes that the destination had, with their types.
    pub attributes: Vec<String>,
}

/// What one stage would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedStage {
    /// Records by fate.
    #[serde(flatten)]
    pub counts: StageCounts,
}

/// Settings that change nothing about what is written.
const UNBOUND: [&str; 9] = [
    "/source/concurrency",
    "/source/requests_per_second",
    "/destination/acknowledge_live_automation",
    "/destination/acknowledge_region",
    "/destination/settle_after",
    "/destination/search_lag_horizon",
    "/destination/token_env",
    "/verify",
    "/preflight",
];

impl Session {
    /// Makes a plan by a dry run, and saves it.
    pub(super) async fn make_plan(&mut self, runner: &Runner) -> Result<PlanFile, Unfinished> {
        let scratch = Scratch::open(&runner.state).await?;
        let ledger = &scratch.ledger;
        let counts: BTreeMap<&str, CallCount> =
            Stages::NAMES.iter().map(|name| (*name, CallCount::default())).collect();
        let count = |name: &str| counts.get(name).cloned().unwrap_or_default();
        let dry = |name: &str| DrySink::new(count(name));
        let client = &self.destination.client;
        let dry_contacts = |name: &str| DryContactSink::new(count(name), client.clone());
        let sinks = Sinks {
            schema: Arc::new(dry(crate::stage::SCHEMA)),
            agents: Arc::new(AgentSink::new(self.destination.client.clone())),
            teams: Arc::new(TeamSink::new(self.destination.client.clone())),
            contacts: Arc::new(dry_contacts(crate::stage::CONTACTS)),
            leads: Arc::new(dry_contacts(crate::stage::LEADS)),
            calls: Arc::new(dry(crate::stage::CALLS)),
            chats: Arc::new(dry(crate::stage::CHATS)),
        };
        let survey = Survey::default();
        let stages = Stages { watch: Some(survey.watch(runner)), ..self.stages(runner) };
        let plan = stages
            .plan(ledger, &[], sinks)
            .await
            .map_err(|error| Unfinished::start(crate::stages::source_refused(&error)))?;
        let (stop, patience) = (runner.stop.clone(), runner.patience());
        let run = Run::on(ledger.clone())
            .observed_by(runner.observer.clone())
            .stopped_by(stop)
            .patience(patience)
            .begin()
            .await
            .map_err(Unfinished::ledger)?;
        let end = plan
            .run(&run, &RunOptions::default())
            .await
            .map_err(|error| Unfinished::run(&error, false))?;
        let mut notes = stages.absent();
        let unasked: u64 = counts.values().map(CallCount::unasked).sum();
        if unasked > 0 {
            notes.push(format!(
                "whether Intercom has {unasked} of the contacts could not be asked; they are counted as new, and each that is there takes two calls more, and one for each tag"
            ));
        }

        let (known, profile) = (self.mapping.take(), survey.profile());
        let is_new = known.is_none();
        let (names, proposer) = (&runner.config.names, &*runner.proposer);
        let (mapping, said) = mapping::settle(&runner.state, known, &profile, proposer, names)?;
        self.fields = Arc::new(mapping.clone());
        self.mapping = Some(mapping);

        let attributes = self.attributes().await?;
        let mut tags: Vec<String> = counts.values().flat_map(CallCount::tags).collect();
        if is_new {
            // The dry run did not know the mapping yet.
            tags.extend(self.fields.tags(&profile));
        }
        tags.sort_by_key(|name| TagName::new("", name).map(|tag| tag.key().to_owned()));
        tags.dedup_by(|a, b| a.to_lowercase() == b.to_lowercase());
        let mut calls: BTreeMap<String, u64> =
            counts.iter().map(|(name, count)| ((*name).to_owned(), count.calls())).collect();
        if is_new {
            // These are the calls that it adds.
            let contacts = calls.entry(crate::stage::CONTACTS.to_owned()).or_default();
            *contacts += self.fields.picks(&profile);
            let schema = calls.entry(crate::stage::SCHEMA.to_owned()).or_default();
            *schema += self.fields.attributes().len() as u64;
        }
        let ours = self.our_attributes(runner);
        let is_there = |found: &&String| is_ours(&ours, found) && found.ends_with(" active");
        let existing = attributes.iter().filter(is_there).count() as u64;
        let new_tags = self.missing_tags(&tags).await?;
        let schema = calls.entry(crate::stage::SCHEMA.to_owned()).or_default();
        *schema = schema.saturating_sub(existing) + new_tags;
        let mut standing = Standing::of(&**ledger, &Stages::NAMES, &calls, |_| {})
            .await
            .map_err(Unfinished::ledger)?;
        if is_new {
            // What the dry run noted of custom fields, it noted without the mapping.
            standing.losses.retain(|(code, _), _| code != "field_for_review");
            let review = self.fields.for_review();
            let code = |field: &str| ("field_for_review".to_owned(), field.to_owned());
            standing.losses.extend(review.map(|field| (code(field), 0)));
        }
        for_review(&mut standing);
        let total = standing.stages.iter().map(|stage| stage.calls).sum();
        let per_minute = self.calls_per_minute(runner);
        notes.extend(said);
        notes.extend(survey.notes());
        let shared = one_tag::shared(&**ledger, &runner.config).await;
        notes.extend(shared.map_err(Unfinished::ledger)?);
        if self.has_begun().await? {
            notes.push(
                "the plan counts the whole account as if nothing had been migrated yet; a run writes only what is new or changed since".to_owned(),
            );
        }
        // A run that follows at once counts what it meets itself.
        notes.extend(self.findings.take());
        notes.extend(end.held.iter().map(|(stage, by)| {
            format!("stage {stage} will be held back until the queues of stage {by} are empty; its calls are not counted")
        }));
        notes.extend(
            standing
                .losses
                .iter()
                .map(|((code, field), times)| format!("{code}: {field}, {times} times")),
        );
        let configuration = self.bound(runner);
        let mut file = PlanFile {
            schema: 1,
            made_at: Utc::now(),
            hash: hash_of(&configuration, &attributes),
            stages: standing.stages.iter().cloned().map(|counts| PlannedStage { counts }).collect(),
            calls: total,
            seconds_at_quota: (total * 60).div_ceil(per_minute.max(1)),
            calls_per_minute: per_minute,
            queues: standing.queues,
            tags,
            preflight: Preflight::default(),
            notes,
            configuration,
            attributes,
        };
        let of_plan = self.preflight_of_plan(runner, &file);
        file.preflight = self.preflight(&runner.config).await?.and(of_plan);
        let unsaved = |error| Unfinished::state("the plan cannot be saved", &error);
        runner.state.write_json(FILE, &file).map_err(unsaved)?;
        Ok(file)
    }

    /// The saved plan, if there is one. A stale one is refused, with what has changed.
    pub(super) async fn saved_plan(&self, runner: &Runner) -> Result<Option<PlanFile>, Unfinished> {
        let unread = |error| {
            let file = runner.state.file(FILE);
            Unfinished::start(StartError::new(
                format!("The saved plan {} cannot be read: {error}.", file.display()),
                "Run `plan` again and look at what it says, then run.",
            ))
        };
        let Some(plan) = runner.state.read_json::<PlanFile>(FILE).map_err(unread)? else {
            return Ok(None);
        };
        let mut changes = differences(&plan.configuration, &self.bound(runner));
        let ours = self.our_attributes(runner);
        let now = self.attributes().await?;
        let is_ours = |attribute: &&String| is_ours(&ours, attribute);
        let added = now.iter().filter(|found| !plan.attributes.contains(found));
        changes.extend(
            added.filter(|found| !is_ours(found)).map(|found| format!("attribute {found} is new")),
        );
        let gone = plan.attributes.iter().filter(|known| !now.contains(known));
        changes.extend(
            gone.filter(|known| !is_ours(known)).map(|known| format!("attribute {known} is gone")),
        );
        if changes.is_empty() {
            return Ok(Some(plan));
        }
        Err(Unfinished::start(StartError::new(
            format!("The saved plan is stale: {}.", changes.join("; ")),
            "Run `plan` again and look at what it says, then run.",
        )))
    }

    /// The attributes of the destination: model, name, type, and whether they are active.
    async fn attributes(&self) -> Result<Vec<String>, Unfinished> {
        let client = &self.destination.client;
        let failed = |error: intercom_client::Error| {
            Unfinished::start(StartError::new(
                format!("The workspace's attributes cannot be read: {error}."),
                "The token needs to read them: see its permissions in Intercom.",
            ))
        };
        let state = |archived| if archived == Some(true) { "archived" } else { "active" };
        let mut found = Vec::new();
        for attribute in
            client.data_attributes().list(Model::Contact, true).await.map_err(failed)?
        {
            if attribute.custom != Some(false) {
                let data_type = attribute.data_type.as_ref().map_or("", |known| known.as_str());
                let archived = state(attribute.archived);
                found.push(format!("contact.{} {data_type} {archived}", attribute.name));
            }
        }
        for attribute in client.conversation_attributes().list(true).await.map_err(failed)? {
            let data_type = attribute.data_type.as_ref().map_or("", |known| known.as_str());
            let archived = state(attribute.archived);
            found.push(format!("conversation.{} {data_type} {archived}", attribute.name));
        }
        found.sort();
        Ok(found)
    }

    /// The attributes that the run makes itself: these do not make a plan stale.
    fn our_attributes(&self, runner: &Runner) -> Vec<String> {
        crate::map::schema(&runner.config, &self.fields, [])
            .into_iter()
            .filter_map(|record| {
                Some(format!("{} ", record.key.as_str().strip_prefix("attribute:")?))
            })
            .collect()
    }

    /// What a plan is bound to, on this side: the configuration, and where custom fields go.
    fn bound(&self, runner: &Runner) -> Value {
        let mut bound = bound_configuration(runner);
        if let Some(bound) = bound.as_object_mut() {
            let fields = serde_json::to_value(&self.fields.fields).unwrap_or_default();
            bound.insert("mapping".to_owned(), fields);
        }
        bound
    }

    /// Has a run put records into the ledger?
    async fn has_begun(&self) -> Result<bool, Unfinished> {
        for stage in Stages::NAMES {
            if !self
                .ledger
                .scan(&Scan::of(stage).limit(1))
                .await
                .map_err(Unfinished::ledger)?
                .is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn missing_tags(&self, wanted: &[String]) -> Result<u64, Unfinished> {
        let listed = self.destination.client.tags().list().await.map_err(|error| {
            Unfinished::start(StartError::new(
                format!("The workspace's tags cannot be read: {error}."),
                "The token needs to read them: see its permissions in Intercom.",
            ))
        })?;
        let known: Vec<String> =
            listed.into_iter().filter_map(|tag| Some(tag.name?.to_lowercase())).collect();
        let missing = wanted.iter().filter(|name| !known.contains(&name.to_lowercase()));
        Ok(missing.count() as u64)
    }

    /// What is left of the quota, a minute, when the reserve is kept back.
    fn calls_per_minute(&self, runner: &Runner) -> u64 {
        /// Calls a minute of a private app, as Intercom documents it; the real figure comes with
        /// the first reply.
        const DOCUMENTED: u64 = 10_000;
        let limit = self.destination.client.rate().limit_per_window;
        let limit = limit.map_or(DOCUMENTED, |limit| u64::from(limit) * 6);
        let limit = limit.min(u64::from(runner.config.destination.workspace_limit));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let left = (limit as f64 * (1.0 - runner.config.destination.reserve)) as u64;
        left.max(1)
    }
}

/// Is this one of the attributes that the migration makes? `ours` are names with a space after
/// them. Intercom compares names without case.
fn is_ours(ours: &[String], attribute: &str) -> bool {
    let attribute = attribute.to_lowercase();
    ours.iter().any(|name| attribute.starts_with(&name.to_lowercase()))
}

fn bound_configuration(runner: &Runner) -> Value {
    let mut configuration = serde_json::to_value(&runner.config).unwrap_or_default();
    for path in UNBOUND {
        let Some((parent, name)) = path.rsplit_once('/') else { continue };
        if let Some(Value::Object(section)) = configuration.pointer_mut(parent) {
            section.remove(name);
        }
    }
    configuration
}

fn hash_of(configuration: &Value, attributes: &[String]) -> String {
    let text = format!("{configuration}\n{}", attributes.join("\n"));
    format!("{:?}", migrate_core::Fingerprint::of(text.as_bytes()))
}

/// May a setting hold what is of people? Then its name alone is told. Choices of custom fields are anybody's
/// data, and an address is somebody's, wherever it stands.
fn is_of_people(path: &str, value: &Value) -> bool {
    ["mapping", "map.agents", "destination.fallback_admin"]
        .iter()
        .any(|private| path.starts_with(private))
        || value.to_string().contains('@')
}

/// The settings that differ, by name.
fn differences(before: &Value, now: &Value) -> Vec<String> {
    fn walk(path: &str, before: &Value, now: &Value, found: &mut Vec<String>) {
        match (before, now) {
            (Value::Object(a), Value::Object(b)) => {
                let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    let none = Value::Null;
                    let (a, b) = (a.get(name).unwrap_or(&none), b.get(name).unwrap_or(&none));
                    let path =
                        if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, a, b, found);
                }
            }
            (a, b) if a == b => {}
            (a, b) if is_of_people(path, a) || is_of_people(path, b) => {
                found.push(format!("{path} has changed"));
            }
            (a, b) => found.push(format!("{path} was {a} and is {b}")),
        }
    }
    let mut found = Vec::new();
    walk("", before, now, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn what_differs_is_named_and_nobody_is() {
        let before = json!({
            "calls": { "assign": "none" },
            "map": { "agents": { "anna": "anna@example.com", "gone": "x@example.com" } },
            "destination": { "fallback_admin": "boss@example.com" },
            "source": { "chatbot": null },
            "mapping": { "Wish": { "choices": ["Anna"] } },
        });
        let now = json!({
            "calls": { "assign": "team" },
            "map": { "agents": { "anna": "anna.b@example.com" } },
            "destination": { "fallback_admin": null },
            "source": { "chatbot": { "bot_admin": "bot@example.com" } },
            "mapping": { "Wish": { "choices": ["Bertta"] } },
        });
        let expected = [
            "calls.assign was \"none\" and is \"team\"",
            "destination.fallback_admin has changed",
            "map.agents.anna has changed",
            "map.agents.gone has changed",
            "mapping.Wish.choices has changed",
            "source.chatbot has changed",
        ];
        assert_eq!(differences(&before, &now), expected);
        assert_eq!(differences(&now, &now), [""; 0]);
    }
}
