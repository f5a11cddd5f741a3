//! The stages of the migration: sources, mappers and sinks put together.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leaddesk_client::Call;
use migrate_core::{Ledger, Pipeline, Plan, Record, Sink, Source, SourceError, SourceExt as _};

use crate::config::{Anonymous, Config, LeadRule, SourceKind, WithoutContact};
use crate::connect::{Account, Secrets, StartError, chain};
use crate::draft::{
    AgentDraft, AttributeDefinition, ContactDraft, ConversationDraft, SchemaDraft, TeamDraft,
};
use crate::fields::FieldMapping;
use crate::map::{
    AgentMapper, Beside, CallMapper, ChatMapper, ContactGrouping, ContactMapper, InventoryMapper,
    LeadMapper, SchemaMapper, TeamMapper, contact_attribute, schema,
};
use crate::parts::{Custom, Parts};
use crate::source::{
    self, Agent, Belonging, Callers, Chat, Chatbot, Documented, Findings, First, Fixed, Lead,
    LeadFilter, ListedContact, NamesOf, Outcomes, Reach, Routes, Share, Watch, api, export,
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

impl LeadDesk {
    /// Is it asked by an API, and not read from files?
    pub(crate) fn is_asked(&self) -> bool {
        matches!(self, Self::Api(_))
    }

    /// How many calls were sent to it so far, each attempt counted; none for a folder.
    pub fn calls_sent(&self) -> u64 {
        match self {
            Self::Api(account) => account.calls_sent(),
            Self::Export(_) => 0,
        }
    }
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
    /// Sessions of the chatbot.
    pub chats: Arc<dyn Sink<ConversationDraft>>,
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
        chats: Arc<dyn Sink<ConversationDraft>>,
    ) -> Self {
        Self { schema, agents, teams, contacts, leads, calls, chats }
    }
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sinks").finish_non_exhaustive()
    }
}

/// Is told the name of a stage.
pub type Reading = Arc<dyn Fn(&str) + Send + Sync>;

/// What the stages are built from.
#[derive(Clone)]
pub struct Stages<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The LeadDesk side.
    pub leaddesk: &'a LeadDesk,
    /// The chatbot's export, where there is one.
    pub chatbot: Option<&'a Chatbot>,
    /// What sources meet on the way.
    pub findings: Findings,
    /// Is there somebody who speaks for agents without a teammate?
    pub has_fallback: bool,
    /// Where custom fields go.
    pub fields: Arc<FieldMapping>,
    /// Sees each contact and lead as it is read.
    pub watch: Option<Watch>,
    /// Counts what each route to calls brings. It keeps lists in the ledger of the plan, so it is for one
    /// that is thrown away.
    pub reach: Option<Reach>,
    /// Is told the stage for which something is read before the plan runs.
    pub reading: Option<Reading>,
    /// A pilot: so many contacts and so many leads, with the calls of these.
    pub pilot: Option<u64>,
    /// What a program has changed of it.
    pub custom: Option<Custom>,
    /// Do the sinks write?
    pub writes: bool,
}

impl std::fmt::Debug for Stages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages").field("leaddesk", &self.leaddesk).finish_non_exhaustive()
    }
}

impl Stages<'_> {
    /// The names of the stages, in order.
    pub const NAMES: [&'static str; 8] = [
        stage::SCHEMA,
        stage::AGENTS,
        stage::TEAMS,
        stage::CONTACTS,
        stage::LEADS,
        stage::CALLS,
        stage::CHATS,
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
        let (config, now) = (self.config, Utc::now());
        self.read_for(stage::INVENTORY);
        let inventory = self.inventory().await?;
        let blacklist = match self.leaddesk {
            LeadDesk::Export(folder) => folder.blacklist(config.source.default_country)?,
            LeadDesk::Api(_) => None,
        };
        let outcomes = Outcomes::of(&inventory);
        let beside = Beside::new(&inventory, blacklist);
        let chat = ChatMapper::new(config, now);
        let parts = self.parts(&beside, now, sinks.calls, ledger)?;
        let definitions = self.definitions(&parts.attributes, tags);
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
        self.read_for(stage::AGENTS);
        let agents = Pipeline::new(
            stage::AGENTS,
            self.agents().await?,
            AgentMapper::new(config),
            sinks.agents,
        );
        let grouping = || ContactGrouping::new(config.contacts.dedupe, &config.names);
        let (people, leads) = self.people(outcomes)?;
        let contacts = Pipeline::new(stage::CONTACTS, people, parts.contacts, sinks.contacts);
        let contacts = contacts.grouped_by(grouping());
        let lead = LeadMapper::new(parts.leads, config, now);
        let leads = Pipeline::new(stage::LEADS, self.leads(leads), lead, sinks.leads);
        let leads = leads.grouped_by(grouping());
        let source = parts.call_source;
        let calls = Pipeline::new(stage::CALLS, source.clone(), parts.calls, parts.call_sink);
        let calls = calls.looked_up_in(self.call_lookup(source));
        let chats = Pipeline::new(stage::CHATS, self.chats(&chat, ledger), chat, sinks.chats);
        let parents = [stage::SCHEMA, stage::AGENTS, stage::CONTACTS, stage::LEADS];
        let plan = Plan::new()
            .stage(schema, &[])
            .barrier()
            .stage(agents, &[])
            .stage(teams, &[])
            .stage(contacts, &[stage::SCHEMA])
            // A lead may be one of the contacts.
            .stage(leads, &[stage::SCHEMA, stage::CONTACTS])
            .stage(
                calls,
                &[stage::SCHEMA, stage::AGENTS, stage::TEAMS, stage::CONTACTS, stage::LEADS],
            );
        // Nobody can speak for an agent who is no teammate, so calls and chats wait until all are.
        let held = |plan: Plan, holds: bool| match holds && !self.has_fallback {
            true => plan.held_by(stage::AGENTS),
            false => plan,
        };
        // Without a chatbot there is nothing that could be held back.
        let has_chats = self.chatbot.is_some();
        let plan = held(plan, true).stage(chats, if has_chats { &parents } else { &[] });
        let plan = held(plan, has_chats);
        let mut plan = plan.stage(inventory, &[]);
        for (stage, after) in parts.stages {
            let after: Vec<&str> = after.iter().map(String::as_str).collect();
            plan = plan.stage(stage, &after);
        }
        Ok(plan)
    }

    /// What a program may change, as it is after that.
    fn parts(
        &self,
        beside: &Beside,
        now: DateTime<Utc>,
        call_sink: Arc<dyn Sink<ConversationDraft>>,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Parts, SourceError> {
        let config = self.config;
        let people = |mapper: ContactMapper| {
            mapper.with_fields(self.fields.clone()).with_beside(beside.clone())
        };
        let call = CallMapper::new(config, now).with_beside(beside.clone());
        let parts = Parts {
            contacts: Arc::new(people(ContactMapper::new(config))),
            leads: Arc::new(people(ContactMapper::leads(config))),
            call_source: self.calls(&call, ledger)?,
            calls: Arc::new(call),
            call_sink,
            attributes: Vec::new(),
            writes: self.writes,
            stages: Vec::new(),
        };
        Ok(match &self.custom {
            Some(custom) => custom(parts),
            None => parts,
        })
    }

    /// The records of stage `schema`; `added` are the attributes of a program.
    fn definitions(
        &self,
        added: &[AttributeDefinition],
        tags: &[String],
    ) -> Vec<Record<SchemaDraft>> {
        let tags = tags.iter().map(String::as_str);
        let mut definitions = schema(self.config, &self.fields, tags);
        definitions.extend(added.iter().cloned().map(contact_attribute));
        definitions
    }

    /// The attributes of stage `schema`, those that a program adds included. `call_sink` is what the program is given.
    pub(crate) fn attributes(
        &self,
        ledger: &Arc<dyn Ledger>,
        call_sink: Arc<dyn Sink<ConversationDraft>>,
    ) -> Result<Vec<SchemaDraft>, SourceError> {
        let added = match self.custom {
            // Which attributes there are does not depend on what the mappers know.
            Some(_) => self.parts(&Beside::default(), Utc::now(), call_sink, ledger)?.attributes,
            None => Vec::new(),
        };
        let definitions = self.definitions(&added, &[]).into_iter();
        Ok(definitions.map(|record| record.body).collect())
    }

    fn read_for(&self, stage: &str) {
        if let Some(reading) = &self.reading {
            reading(stage);
        }
    }

    /// What is documented and not migrated.
    pub(crate) async fn inventory(&self) -> Result<Vec<Documented>, SourceError> {
        let mut found = match self.leaddesk {
            LeadDesk::Api(account) => {
                source::inventory::by_api(account.rest.as_ref(), &self.findings).await?
            }
            LeadDesk::Export(folder) => source::inventory::by_folder(folder)?,
        };
        found.extend(self.chatbot.into_iter().flat_map(source::inventory::by_chatbot));
        Ok(found)
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
    fn people(&self, outcomes: Outcomes) -> Result<(People, People), SourceError> {
        let rule = self.config.contacts.lead_rule;
        let (all, has_leads): (People, bool) = match self.leaddesk {
            LeadDesk::Api(account) => {
                let (client, concurrency) = (&account.original, self.config.source.concurrency);
                let contacts =
                    api::Contacts::new(client.clone(), concurrency, self.findings.clone());
                let contacts = contacts.with_call_log(export::CallLog::of(self.config)?);
                (Arc::new(contacts), rule != LeadRule::Listed)
            }
            LeadDesk::Export(folder) => (Arc::new(folder.contacts()?), true),
        };
        let filter = LeadFilter::new(&self.config.contacts).with_outcomes(outcomes);
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

    /// The leads, and the anonymous visitors of the chatbot where they are to be such.
    fn leads(&self, leads: People) -> Routes<Lead> {
        let leads = leads.map_body(|lead| Lead::Listed(Box::new(lead)));
        let routes = Routes::new().and("leads", leads.boxed());
        let anonymous = self.config.source.chatbot.as_ref().map(|chatbot| chatbot.anonymous);
        // A pilot takes nobody of whom nothing but a session is known.
        let chatbot = self.chatbot.filter(|_| self.pilot.is_none());
        match chatbot.filter(|_| anonymous == Some(Anonymous::Lead)) {
            None => routes,
            Some(chatbot) => {
                let visitors = chatbot.visitors().map_body(|chat| Lead::Visitor(Box::new(chat)));
                routes.and("visitors", visitors.boxed())
            }
        }
    }

    /// The sessions; in a pilot, those of its contacts.
    fn chats(
        &self,
        mapper: &ChatMapper,
        ledger: &Arc<dyn Ledger>,
    ) -> Arc<dyn Source<Record = Chat>> {
        let Some(chatbot) = self.chatbot else { return Arc::new(Fixed::new(Vec::new(), PAGE)) };
        if self.pilot.is_none() {
            return Arc::new(chatbot.chats());
        }
        let mapper = mapper.clone();
        let names: NamesOf<Chat> =
            Arc::new(move |chat: &Chat| mapper.contact(chat).unwrap_or_default());
        Arc::new(Belonging::new(chatbot.chats(), names, ledger.clone()))
    }

    /// The calls of all routes; in a pilot, those of its contacts that can be had without reading
    /// every call by its id, or asking for every number.
    fn calls(
        &self,
        mapper: &CallMapper,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Arc<dyn Source<Record = Call>>, SourceError> {
        if self.pilot.is_none() {
            let (config, calls) = (self.config, self.routes(self.config, mapper, ledger)?);
            return Ok(match config.calls.without_contact {
                WithoutContact::Lead => {
                    Arc::new(Callers::new(calls, ledger.clone(), config.source.default_country))
                }
                _ => Arc::new(calls),
            });
        }
        let mut config = self.config.clone();
        let routes = &mut config.source.calls;
        (routes.ids_file, routes.id_range, routes.gdpr_history) = (None, None, Some(false));
        let routes = self.routes(&config, mapper, ledger)?;
        Ok(Arc::new(Belonging::new(routes, contact_of(mapper), ledger.clone())))
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
        mapper: &CallMapper,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Routes<Call>, SourceError> {
        let (folder, client, rest) = match self.leaddesk {
            LeadDesk::Api(account) => (None, Some(&account.original), account.rest.as_ref()),
            LeadDesk::Export(folder) => (Some(folder), None, None),
        };
        let routes =
            source::call_routes(config, folder, client, rest, ledger.clone(), &self.findings)?;
        Ok(routes.into_iter().fold(Routes::new(), |chain, (name, route)| {
            chain.and(
                name,
                match &self.reach {
                    Some(reach) => reach.of(name, route, contact_of(mapper), ledger.clone()),
                    None => route,
                },
            )
        }))
    }

    /// What is not there to be read, each with what that means, and what the chatbot's export was found to be.
    pub fn absent(&self) -> Vec<String> {
        let mut absent = self.absent_from_source();
        absent.extend(self.chatbot.into_iter().flat_map(Chatbot::notes));
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

/// The names of a call's contact, as the mapper gives them.
fn contact_of(mapper: &CallMapper) -> NamesOf<Call> {
    let mapper = mapper.clone();
    Arc::new(move |call: &Call| mapper.contact(call))
}

type People = Arc<dyn Source<Record = ListedContact>>;

/// Definitions that are read at once.
const PAGE: usize = 100;

/// A source that cannot be opened, as an error of the start. Its message names the remedy.
pub(crate) fn source_refused(error: &SourceError) -> StartError {
    StartError::new(format!("{}.", chain(error)), "Nothing was written.")
}
