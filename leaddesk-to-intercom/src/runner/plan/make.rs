//! Making a plan by a dry run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Utc;
use migrate_core::ledger::{Entry, Scan};
use migrate_core::{Event, Fate, Ledger, Run, RunEnd, RunOptions, Standing};

use crate::draft::SchemaDraft;
use crate::preflight::Preflight;
use crate::runner::Runner;
use crate::runner::finish::Unfinished;
use crate::runner::mapping::{self, Survey};
use crate::runner::meter::StageMeter;
use crate::runner::one_tag;
use crate::runner::reporting::for_review;
use crate::runner::scratch::Scratch;
use crate::runner::session::Session;
use crate::sink::{
    AgentSink, CallCount, Counted, DryCallSink, DryContactSink, DrySink, Sampler, TeamSink,
};
use crate::source::Reach;
use crate::stage;
use crate::stages::{Sinks, Stages};
use crate::value::TagName;

use super::file::{
    CallHistory, FILE, LeadDeskCalls, PlanFile, PlannedStage, RouteHistory, Share, ToAskFor,
    ToCreate,
};
use super::missing;
use super::pace::Pace;
use super::sample;
use super::stale::hash_of;
use super::ways::{Planned, ways};

/// What a dry run has found.
struct DryRun {
    end: RunEnd,
    /// What is not there to be read.
    absent: Vec<String>,
    /// What each stage counted.
    counted: BTreeMap<&'static str, Counted>,
    survey: Survey,
    /// Calls to LeadDesk before the stages, and of each stage.
    opening: u64,
    leaddesk: BTreeMap<String, u64>,
    reach: Reach,
    sampler: Sampler,
    missing_teams: Vec<String>,
}

impl Session {
    /// Makes a plan by a dry run, and saves it.
    pub(in crate::runner) async fn make_plan(
        &mut self,
        runner: &Runner,
    ) -> Result<PlanFile, Unfinished> {
        let scratch = Scratch::open(&runner.state).await?;
        let ledger = &scratch.ledger;
        let dry = self.dry_run(runner, ledger).await?;
        let mut notes = dry.absent.clone();
        let unasked: u64 = dry.counted.values().map(|counted| counted.unasked).sum();
        if unasked > 0 {
            notes.push(format!(
                "whether Intercom has {unasked} of the contacts could not be asked; they are counted as new, and each that is there takes two calls more, and one for each tag"
            ));
        }

        let (known, profile) = (self.mapping.take(), dry.survey.profile());
        let is_new = known.is_none();
        let (names, proposer) = (&runner.config.names, &*runner.proposer);
        let there = self.active_attributes().await?;
        let (mapping, said) =
            mapping::settle(&runner.state, known, &profile, proposer, names, &there)?;
        self.fields = Arc::new(mapping.clone());
        self.mapping = Some(mapping);

        let attributes = self.attributes().await?;
        let mut wanted = dry.of(stage::SCHEMA).attributes;
        let mut calls: BTreeMap<String, u64> =
            dry.counted.iter().map(|(name, it)| ((*name).to_owned(), it.calls)).collect();
        // The tags without those that only calls have.
        let mut other_tags = dry.tags(|name| name != stage::CALLS);
        if is_new {
            // The dry run did not know the mapping yet: these are the calls and tags that it adds.
            wanted.extend(self.fields.attributes().into_iter().map(SchemaDraft::ContactAttribute));
            *calls.entry(stage::CONTACTS.to_owned()).or_default() += self.fields.picks(&profile);
            other_tags.extend(self.fields.tags(&profile));
        }
        let of_calls = dry.of(stage::CALLS);
        let tags = in_order(other_tags.iter().chain(&of_calls.tags));
        let there = self.tags().await?;
        let to_create = ToCreate {
            attributes: missing::attributes(&wanted, &attributes, &self.fields.attributes()),
            tags: there.missing(&tags),
        };
        let new_tags = to_create.tags.len() as u64;
        calls.insert(stage::SCHEMA.to_owned(), to_create.attributes.len() as u64 + new_tags);

        let mut people = People::default();
        let mut standing = Standing::of(&**ledger, &Stages::NAMES, &calls, |it| people.add(it))
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
        notes.extend(said);
        notes.extend(dry.survey.notes());
        let shared = one_tag::shared(&**ledger, &runner.config).await;
        notes.extend(shared.map_err(Unfinished::ledger)?);
        if self.has_begun().await? {
            notes.push(
                "the plan counts the whole account as if nothing had been migrated yet; a run writes only what is new or changed since".to_owned(),
            );
        }
        // A run that follows at once counts what it meets itself.
        notes.extend(self.findings.take());
        notes.extend(dry.end.held.iter().map(|(stage, by)| {
            format!("stage {stage} will be held back until the queues of stage {by} are empty; its calls are not counted")
        }));
        notes.extend(
            standing
                .losses
                .iter()
                .map(|((code, field), times)| format!("{code}: {field}, {times} times")),
        );

        let leaddesk_of = |name: &str| dry.leaddesk.get(name).copied().unwrap_or_default();
        let planned = standing.stages.iter().cloned();
        let stages: Vec<PlannedStage> = planned
            .map(|counts| PlannedStage { leaddesk_calls: leaddesk_of(&counts.name), counts })
            .collect();
        let pace = self.pace(runner);
        let possible = of_calls.taggable_tags.iter().chain(&of_calls.tags);
        let ways = ways(&Planned {
            config: &runner.config,
            pace,
            opening: dry.opening,
            stages: &stages,
            counted: &of_calls,
            new_tags,
            new_tags_full: there.missing(other_tags.iter().chain(possible)).len() as u64,
            new_tags_lean: there.missing(&other_tags).len() as u64,
        });
        let leaddesk_calls = dry.opening + dry.leaddesk.values().sum::<u64>();
        let total = stages.iter().map(|stage| stage.counts.calls).sum();
        let sum = |figure: fn(&Counted) -> u64| dry.counted.values().map(figure).sum();
        let configuration = self.bound(runner);
        let mut file = PlanFile {
            schema: 1,
            made_at: Utc::now(),
            hash: hash_of(&configuration, &attributes),
            calls: total,
            seconds_at_quota: pace.at_quota(total),
            calls_per_minute: pace.per_minute,
            leaddesk: LeadDeskCalls {
                calls: leaddesk_calls,
                seconds: pace.at_leaddesk(leaddesk_calls),
                calls_per_second: pace.leaddesk_per_second,
            },
            seconds: pace.of(&stages, dry.opening),
            stages,
            ways,
            conversations: sum(|counted| counted.conversations),
            replies: sum(|counted| counted.replies),
            queues: standing.queues,
            tags,
            to_create,
            to_ask_for: ToAskFor {
                teams: dry.missing_teams.clone(),
                teammates: people.teammates.clone(),
            },
            call_history: dry.call_history(&**ledger, &people).await?,
            sample: self.sampled(runner, &dry.sampler, &**ledger).await?,
            preflight: Preflight::default(),
            notes,
            configuration,
            attributes,
        };
        let of_plan = self.preflight_of_plan(runner, &file);
        file.preflight = self.preflight(runner).await?.and(of_plan);
        let unsaved = |error| Unfinished::state("the plan cannot be saved", &error);
        runner.state.write_json(FILE, &file).map_err(unsaved)?;
        Ok(file)
    }

    /// Goes through all stages without a write.
    async fn dry_run(
        &self,
        runner: &Runner,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<DryRun, Unfinished> {
        let counts: BTreeMap<&'static str, CallCount> =
            Stages::NAMES.iter().map(|name| (*name, CallCount::default())).collect();
        let count = |name: &str| counts.get(name).cloned().unwrap_or_default();
        let dry = |name: &str| DrySink::new(count(name));
        let client = &self.destination.client;
        let sampler = Sampler::new(sample::SIZE, runner.config.verify.seed);
        let dry_contacts =
            |name: &str| DryContactSink::new(count(name), client.clone()).sampled(sampler.clone());
        let teams = Arc::new(TeamSink::new(client.clone()));
        let sinks = Sinks {
            schema: Arc::new(dry(stage::SCHEMA)),
            agents: Arc::new(AgentSink::new(client.clone())),
            teams: teams.clone(),
            contacts: Arc::new(dry_contacts(stage::CONTACTS)),
            leads: Arc::new(dry_contacts(stage::LEADS)),
            calls: Arc::new(DryCallSink::new(count(stage::CALLS), &runner.config.names)),
            chats: Arc::new(dry(stage::CHATS)),
        };
        // What was asked for by now opened the account, and a run opens it likewise.
        let (leaddesk, opening) = (self.leaddesk.clone(), self.leaddesk.calls_sent());
        let meter = Arc::new(StageMeter::new(move || leaddesk.calls_sent()));
        let (survey, reach, reading) = (Survey::default(), Reach::default(), meter.clone());
        let stages = Stages {
            watch: Some(survey.watch(runner)),
            reach: Some(reach.clone()),
            reading: Some(Arc::new(move |stage: &str| reading.turn_to(Some(stage)))),
            ..self.stages(runner)
        };
        let plan = stages
            .plan(ledger, &[], sinks)
            .await
            .map_err(|error| Unfinished::start(crate::stages::source_refused(&error)))?;
        // What is read beforehand is read once more for the files of the inventory.
        let beforehand = meter.by_stage().values().sum::<u64>();
        let (stop, patience) = (runner.stop.clone(), runner.patience());
        let (observed, observer) = (meter.clone(), runner.observer.clone());
        let run = Run::on(ledger.clone())
            .observed_by(Arc::new(move |event: &Event<'_>| {
                observed.observe(event);
                observer.observe(event);
            }))
            .stopped_by(stop)
            .patience(patience)
            .begin()
            .await
            .map_err(Unfinished::ledger)?;
        let end = plan
            .run(&run, &RunOptions::default())
            .await
            .map_err(|error| Unfinished::run(&error, false, false))?;
        let mut leaddesk = meter.by_stage();
        *leaddesk.entry(stage::INVENTORY.to_owned()).or_default() += beforehand;
        let counted = counts.iter().map(|(name, count)| (*name, count.counted())).collect();
        let missing_teams = teams.missing();
        let absent = stages.absent();
        Ok(DryRun {
            end,
            absent,
            counted,
            survey,
            opening,
            leaddesk,
            reach,
            sampler,
            missing_teams,
        })
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

    fn pace(&self, runner: &Runner) -> Pace {
        let leaddesk_per_second =
            self.leaddesk.is_asked().then_some(runner.config.source.requests_per_second);
        Pace { per_minute: self.calls_per_minute(runner), leaddesk_per_second }
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

impl DryRun {
    fn of(&self, stage: &str) -> Counted {
        self.counted.get(stage).cloned().unwrap_or_default()
    }

    /// The tags that some of the stages put on something.
    fn tags(&self, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let wanted = self.counted.iter().filter(|(name, _)| is_wanted(name));
        wanted.flat_map(|(_, counted)| counted.tags.iter().cloned()).collect()
    }

    async fn call_history(
        &self,
        ledger: &dyn Ledger,
        people: &People,
    ) -> Result<Option<CallHistory>, Unfinished> {
        if self.end.held.iter().any(|(stage, _)| stage == stage::CALLS) {
            return Ok(None);
        }
        let any = self.reach.by_any(ledger).await.map_err(Unfinished::ledger)?;
        let of = |owners: &BTreeMap<String, u64>, stage: &str| {
            owners.get(stage).copied().unwrap_or_default()
        };
        let routes = self.reach.by_route(ledger).await.map_err(Unfinished::ledger)?.into_iter();
        let routes = routes.map(|reached| RouteHistory {
            calls: reached.calls,
            contacts: of(&reached.owners, stage::CONTACTS),
            leads: of(&reached.owners, stage::LEADS),
            route: reached.route,
        });
        Ok(Some(CallHistory {
            contacts: Share { all: people.contacts, with_calls: of(&any, stage::CONTACTS) },
            leads: Share { all: people.leads, with_calls: of(&any, stage::LEADS) },
            routes: routes.collect(),
        }))
    }
}

/// What the ledger of a dry run knows of people.
#[derive(Default)]
struct People {
    /// Contacts and leads of LeadDesk that would be in Intercom, each object once.
    contacts: u64,
    leads: u64,
    /// The keys of agents who are no teammates.
    teammates: Vec<String>,
}

impl People {
    fn add(&mut self, entry: &Entry) {
        let is_one = matches!(entry.fate, Fate::Created | Fate::Updated | Fate::Unchanged);
        // Visitors of the chatbot are leads of no call.
        let is_one = is_one && entry.key.kind() == CONTACT;
        match entry.stage.as_str() {
            stage::CONTACTS => self.contacts += u64::from(is_one),
            stage::LEADS => self.leads += u64::from(is_one),
            stage::AGENTS if entry.fate == Fate::Queued => {
                self.teammates.push(entry.key.to_string());
            }
            _ => {}
        }
    }
}

/// The kind of the keys of contacts and leads.
const CONTACT: &str = "contact";

/// Names of tags, in order and without those that differ by case alone.
fn in_order<'a>(tags: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut tags: Vec<String> = tags.cloned().collect();
    tags.sort_by_key(|name| TagName::new("", name).map(|tag| tag.key().to_owned()));
    tags.dedup_by(|a, b| a.to_lowercase() == b.to_lowercase());
    tags
}
