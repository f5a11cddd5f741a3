//! The stages of the migration: sources, mappers and sinks put together.

use std::sync::Arc;

use leaddesk_client::Call;
use migrate_core::{Ledger, Pipeline, Plan, Sink, Source, SourceError};

use crate::config::{Config, LeadRule, SourceKind};
use crate::connect::{Account, Secrets, StartError, chain};
use crate::draft::{AgentDraft, ContactDraft, ConversationDraft, SchemaDraft, TeamDraft};
use crate::fields::FieldMapping;
use crate::map::{
    AgentMapper, CallMapper, ContactGrouping, ContactMapper, InventoryMapper, SchemaMapper,
    TeamMapper, schema,
};
use crate::source::{
    self, Agent, Belonging, Documented, Findings, First, Fixed, LeadFilter, ListedContact, NamesOf,
    Routes, Share, Watch, api, export,
};
use crate::stage;

/// The LeadDesk side: an account by API, or a folder of exports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LeadDesk {
    /// An account by API.
    Api(Account),
    /// A folder of exports.
    Export(export::Folder),
}

/// The sinks of all stages: those of a run, of a dry run, or of a verification.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sinks {
    /// Attributes and tags.
    pub schema: Arc<dyn Sink<SchemaDraft>>,
    /// Agents.
    pub agents: Arc<dyn Sink<AgentDraft>>,
    /// Teams.
    pub teams: Arc<dyn Sink<TeamDraft>>,
    /// Contacts.
    pub contacts: Arc<dyn Sink<ContactDraft>>,
    /// Leads.
    pub leads: Arc<dyn Sink<ContactDraft>>,
    /// Calls.
    pub calls: Arc<dyn Sink<ConversationDraft>>,
}

impl Sinks {
    /// The sinks of all stages.
    pub fn new(
        schema: Arc<dyn Sink<SchemaDraft>>,
        agents: Arc<dyn Sink<AgentDraft>>,
        teams: Arc<dyn Sink<TeamDraft>>,
        contacts: Arc<dyn Sink<ContactDraft>>,
        leads: Arc<dyn Sink<ContactDraft>>,
        calls: Arc<dyn Sink<ConversationDraft>>,
    ) -> Self {
        Self { schema, agents, teams, contacts, leads, calls }
    }
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sinks").finish_non_exhaustive()
    }
}

/// What the stages are built from.
#[derive(Clone)]
pub struct Stages<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The LeadDesk side.
    pub leaddesk: &'a LeadDesk,
    /// What sources meet on the way.
    pub findings: Findings,
    /// Is there somebody who speaks for agents without a teammate?
    pub has_fallback: bool,
    /// Where custom fields go.
    pub fields: Arc<FieldMapping>,
    /// Sees each contact and lead as it is read.
    pub watch: Option<Watch>,
    /// A pilot: so many contacts and so many leads, with the calls of these.
    pub pilot: Option<u64>,
}

impl std::fmt::Debug for Stages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages").field("leaddesk", &self.leaddesk).finish_non_exhaustive()
    }
}

impl Stages<'_> {
    /// The names of the stages, in order.
    pub const NAMES: [&'static str; 7] = [
        stage::SCHEMA,
        stage::AGENTS,
        stage::TEAMS,
        stage::CONTACTS,
        stage::LEADS,
        stage::CALLS,
        stage::INVENTORY,
    ];

    /// The plan of all stages. `tags` are those that are known beforehand; `ledger` is the one
    /// that the plan will run on, since the calls that contacts name are read from it.
    pub async fn plan(
        &self,
        ledger: &Arc<dyn Ledger>,
        tags: &[String],
        sinks: Sinks,
    ) -> Result<Plan, SourceError> {
        let config = self.config;
        let definitions = schema(&config.names, &self.fields, tags.iter().map(String::as_str));
        let inventory = self.inventory().await?;
        let teams = Pipeline::new(
            stage::TEAMS,
            Fixed::new(source::inventory::teams(&inventory, config), PAGE),
            TeamMapper::new(config),
            sinks.teams,
        );
        let inventory = inventory.into_iter().map(Documented::record).collect();
        let inventory = Pipeline::new(
            stage::INVENTORY,
            Fixed::new(inventory, PAGE),
            InventoryMapper,
            // Which is never asked for anything.
            sinks.schema.clone(),
        );
        let schema =
            Pipeline::new(stage::SCHEMA, Fixed::new(definitions, PAGE), SchemaMapper, sinks.schema);
        let agents = Pipeline::new(
            stage::AGENTS,
            self.agents().await?,
            AgentMapper::new(config),
            sinks.agents,
        );
        let grouping = || ContactGrouping::new(config.contacts.dedupe, &config.names);
        let (people, leads) = self.people()?;
        let contact = ContactMapper::new(config).with_fields(self.fields.clone());
        let lead = ContactMapper::leads(config).with_fields(self.fields.clone());
        let contacts =
            Pipeline::new(stage::CONTACTS, people, contact, sinks.contacts).grouped_by(grouping());
        let leads = Pipeline::new(stage::LEADS, leads, lead, sinks.leads).grouped_by(grouping());
        let call = CallMapper::new(config, chrono::Utc::now());
        let source = self.calls(&call, ledger)?;
        let calls = Pipeline::new(stage::CALLS, source.clone(), call, sinks.calls)
            .looked_up_in(self.call_lookup(source));
        let plan = Plan::new()
            .stage(schema, &[])
            .barrier()
            .stage(agents, &[])
            .stage(teams, &[])
            .stage(contacts, &[stage::SCHEMA])
            .stage(leads, &[stage::SCHEMA])
            .stage(calls, &[stage::SCHEMA, stage::AGENTS, stage::CONTACTS, stage::LEADS]);
        // Nobody can speak for an agent who is no teammate, so the calls wait until all are.
        let plan = if self.has_fallback { plan } else { plan.held_by(stage::AGENTS) };
        Ok(plan.stage(inventory, &[]))
    }

    /// What is documented and not migrated.
    pub(crate) async fn inventory(&self) -> Result<Vec<Documented>, SourceError> {
        match self.leaddesk {
            LeadDesk::Api(account) => {
                source::inventory::by_api(account.rest.as_ref(), &self.findings).await
            }
            LeadDesk::Export(folder) => source::inventory::by_folder(folder),
        }
    }

    pub(crate) async fn agents(&self) -> Result<Fixed<Agent>, SourceError> {
        match self.leaddesk {
            LeadDesk::Api(account) => {
                let rest = account.rest.as_ref();
                api::agents(self.config, &account.original, rest, &self.findings).await
            }
            LeadDesk::Export(folder) => folder.agents(self.config),
        }
    }

    /// The contacts and the leads. By the API nobody is listed as a lead, so it is read once by that
    /// rule, and twice where both stages have a share.
    fn people(&self) -> Result<(People, People), SourceError> {
        let rule = self.config.contacts.lead_rule;
        let (all, has_leads): (People, bool) = match self.leaddesk {
            LeadDesk::Api(account) => {
                let (client, concurrency) = (&account.original, self.config.source.concurrency);
                let contacts =
                    api::Contacts::new(client.clone(), concurrency, self.findings.clone());
                (Arc::new(contacts), rule != LeadRule::Listed)
            }
            LeadDesk::Export(folder) => (Arc::new(folder.contacts()?), true),
        };
        let filter = LeadFilter::new(&self.config.contacts);
        let none = || Arc::new(Fixed::new(Vec::new(), PAGE)) as People;
        let contacts: People = match rule {
            LeadRule::All => none(),
            _ => Arc::new(Share::contacts(all.clone(), filter.clone()).watched(self.watch.clone())),
        };
        let leads: People = match has_leads {
            false => none(),
            true => Arc::new(Share::leads(all, filter).watched(self.watch.clone())),
        };
        Ok(match self.pilot {
            Some(wanted) => {
                (Arc::new(First::new(contacts, wanted)), Arc::new(First::new(leads, wanted)))
            }
            None => (contacts, leads),
        })
    }

    /// The calls of all routes; in a pilot, those of its contacts that can be had without reading
    /// every call by its id.
    fn calls(
        &self,
        mapper: &CallMapper,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Arc<dyn Source<Record = Call>>, SourceError> {
        if self.pilot.is_none() {
            return Ok(Arc::new(self.routes(self.config, ledger)?));
        }
        let mut config = self.config.clone();
        (config.source.calls.ids_file, config.source.calls.id_range) = (None, None);
        let mapper = mapper.clone();
        let names: NamesOf<Call> = Arc::new(move |call: &Call| mapper.contact(call));
        Ok(Arc::new(Belonging::new(self.routes(&config, ledger)?, names, ledger.clone())))
    }

    /// Where single calls are looked up. What a call log says goes before what the API does.
    fn call_lookup(&self, all: Arc<dyn Source<Record = Call>>) -> api::CallLookup {
        let lookup = api::CallLookup::through(all);
        match self.leaddesk {
            LeadDesk::Api(account) if self.config.source.calls.csv.is_none() => {
                lookup.by_id(account.original.clone(), self.config.source.concurrency)
            }
            _ => lookup,
        }
    }

    fn routes(
        &self,
        config: &Config,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Routes<Call>, SourceError> {
        let (folder, client) = match self.leaddesk {
            LeadDesk::Api(account) => (None, Some(&account.original)),
            LeadDesk::Export(folder) => (Some(folder), None),
        };
        source::calls(config, folder, client, ledger.clone(), &self.findings)
    }

    /// What is not there to be read, each with what that means.
    pub fn absent(&self) -> Vec<String> {
        let source = &self.config.source;
        let history = source.rest.is_some() && source.calls.gdpr_history != Some(false);
        let history =
            history.then(|| "gdpr_history: the history by number is not read yet".to_owned());
        let mut absent = self.absent_from_source();
        absent.extend(history);
        absent
    }

    fn absent_from_source(&self) -> Vec<String> {
        match self.leaddesk {
            LeadDesk::Export(folder) => folder.absent(),
            LeadDesk::Api(account) if account.rest.is_none() => vec![
                "[source.rest] is not set: agents are matched only as far as [map.agents] names them"
                    .to_owned(),
            ],
            LeadDesk::Api(_) => Vec::new(),
        }
    }

    /// Opens the LeadDesk side of a configuration.
    pub async fn open(
        config: &Config,
        secrets: &Secrets,
        findings: &Findings,
    ) -> Result<LeadDesk, StartError> {
        match config.source.kind {
            SourceKind::Export => export::Folder::open(config, findings.clone())
                .map(LeadDesk::Export)
                .map_err(|error| source_refused(&error)),
            _ => Account::connect(config, secrets).await.map(LeadDesk::Api),
        }
    }
}

type People = Arc<dyn Source<Record = ListedContact>>;

/// Definitions that are read at once.
const PAGE: usize = 100;

/// A source that cannot be opened, as an error of the start. Its message names the remedy.
pub(crate) fn source_refused(error: &SourceError) -> StartError {
    StartError::new(format!("{}.", chain(error)), "Nothing was written.")
}
