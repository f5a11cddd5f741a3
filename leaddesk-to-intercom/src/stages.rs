//! The stages of the migration: sources, mappers and sinks put together.

mod reading;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leaddesk_client::Call;
use migrate_core::{Ledger, Mapper, Pipeline, Plan, Record, Sink, Source, SourceError, Unreadable};

use crate::config::{Config, SourceKind};
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
    self, Agent, Chatbot, Documented, Findings, Fixed, ListedContact, Outcomes, Reach, Watch, api,
    export,
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
    /// A pilot: so many contacts, leads and anonymous visitors, with the calls and chats of these.
    pub pilot: Option<u64>,
    /// Since when everything was read and brought to its end, where only what has changed since is wanted.
    pub changed_since: Option<DateTime<Utc>>,
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
        let (inventory, mut unread) = self.inventory().await?;
        let blacklist = match self.leaddesk {
            LeadDesk::Export(folder) => folder.blacklist(config.source.default_country)?,
            LeadDesk::Api(_) => None,
        };
        let blacklist = blacklist.map(|(numbers, rows)| {
            // No stage reads the blacklist, so its rows end where all is told that becomes no object.
            unread.extend(rows);
            numbers
        });
        let outcomes = Outcomes::of(&inventory);
        let beside = Beside::new(&inventory, blacklist);
        let chat = ChatMapper::new(config, now);
        let (parts, all_calls) = self.parts(&beside, now, sinks.calls, ledger)?;
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
            Fixed::new(inventory, PAGE).with_unread(unread),
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
        let known = |stage, mapper: &Arc<dyn Mapper<ListedContact, Out = ContactDraft>>| {
            let known =
                api::Known::new(ledger.clone(), stage, mapper.clone(), config.source.time_zone);
            known.since(self.changed_since)
        };
        let known = (known(stage::CONTACTS, &parts.contacts), known(stage::LEADS, &parts.leads));
        let (people, leads) = self.people(outcomes, known)?;
        let contacts = Pipeline::new(stage::CONTACTS, people, parts.contacts, sinks.contacts);
        let contacts = contacts.grouped_by(grouping());
        let lead = LeadMapper::new(parts.leads, config, now);
        let leads = Pipeline::new(stage::LEADS, self.leads(leads), lead, sinks.leads);
        let leads = leads.grouped_by(grouping());
        let source = parts.call_source;
        let lookup = match Arc::ptr_eq(&source, &all_calls) {
            true => self.call_lookup(source.clone(), ledger),
            // What a program has made of the source goes for calls that are looked up as well.
            false => api::CallLookup::through(source.clone()),
        };
        let calls = Pipeline::new(stage::CALLS, source, parts.calls, parts.call_sink);
        let calls = calls.looked_up_in(lookup);
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
    ) -> Result<(Parts, Calls), SourceError> {
        let config = self.config;
        let people = |mapper: ContactMapper| {
            mapper.with_fields(self.fields.clone()).with_beside(beside.clone())
        };
        let call = CallMapper::new(config, now).with_beside(beside.clone());
        let all_calls = self.calls(&call, ledger)?;
        let parts = Parts {
            contacts: Arc::new(people(ContactMapper::new(config))),
            leads: Arc::new(people(ContactMapper::leads(config))),
            call_source: all_calls.clone(),
            calls: Arc::new(call),
            call_sink,
            attributes: Vec::new(),
            writes: self.writes,
            stages: Vec::new(),
        };
        Ok(match &self.custom {
            Some(custom) => (custom(parts), all_calls),
            None => (parts, all_calls),
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
            Some(_) => self.parts(&Beside::default(), Utc::now(), call_sink, ledger)?.0.attributes,
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

    /// What is documented and not migrated, and the rows of it that cannot be read.
    pub(crate) async fn inventory(
        &self,
    ) -> Result<(Vec<Documented>, Vec<Unreadable>), SourceError> {
        let (mut found, unread) = match self.leaddesk {
            LeadDesk::Api(account) => {
                let rest = account.rest.as_ref();
                (source::inventory::by_api(rest, &self.findings).await?, Vec::new())
            }
            LeadDesk::Export(folder) => source::inventory::by_folder(folder)?,
        };
        found.extend(self.chatbot.into_iter().flat_map(source::inventory::by_chatbot));
        Ok((found, unread))
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

type People = Arc<dyn Source<Record = ListedContact>>;
type Calls = Arc<dyn Source<Record = Call>>;

/// Definitions that are read at once.
const PAGE: usize = 100;

/// A source that cannot be opened, as an error of the start. Its message names the remedy.
pub(crate) fn source_refused(error: &SourceError) -> StartError {
    StartError::new(format!("{}.", chain(error)), "Nothing was written.")
}
