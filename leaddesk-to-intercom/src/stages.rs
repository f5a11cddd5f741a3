//! The stages of the migration: sources, mappers and sinks put together.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use leaddesk_client::Call;
use migrate_core::{Ledger, Mapper, Pipeline, Plan, Sink, Source, SourceError, SourceExt as _};

use crate::config::{Anonymous, Config, LeadRule, SourceKind, WithoutContact};
use crate::connect::{Account, Secrets, StartError, chain};
use crate::draft::{AgentDraft, ContactDraft, ConversationDraft, SchemaDraft, TeamDraft};
use crate::fields::FieldMapping;
use crate::map::{
    AgentMapper, Beside, CallMapper, ChatMapper, ContactGrouping, ContactMapper, InventoryMapper,
    LeadMapper, SchemaMapper, TeamMapper, contact_attribute, schema,
};
use crate::parts::{Custom, Parts};
use crate::source::{
    self, Agent, Belonging, Callers, Chat, Chatbot, Documented, Findings, First, Fixed, Lead,
    LeadFilter, ListedContact, NamesOf, Reach, Routes, Share, Watch, api, export,
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
        let (config, now) = (self.config, chrono::Utc::now());
        self.read_for(stage::INVENTORY);
        let inventory = self.inventory().await?;
        let blacklist = match self.leaddesk {
            LeadDesk::Export(folder) => folder.blacklist(config.source.default_country)?,
            LeadDesk::Api(_) => HashSet::new(),
        };
        let beside = Beside::new(&inventory, blacklist);
        let contact = ContactMapper::new(config).with_fields(self.fields.clone());
        let contact = contact.with_beside(beside.clone());
        let lead = ContactMapper::leads(config).with_fields(self.fields.clone());
        let lead = lead.with_beside(beside);
        let (call, chat) = (CallMapper::new(config, now), ChatMapper::new(config, now));
        let all_calls = self.calls(&call, ledger)?;
        let mut parts = Parts {
            contacts: Arc::new(contact),
            leads: Arc::new(lead),
            call_source: all_calls.clone(),
            calls: Arc::new(call),
            call_sink: sinks.calls,
            attributes: Vec::new(),
            writes: self.writes,
            stages: Vec::new(),
        };
        if let Some(custom) = &self.custom {
            parts = custom(parts);
        }
        let mut definitions = schema(config, &self.fields, tags.iter().map(String::as_str));
        definitions.extend(parts.attributes.into_iter().map(contact_attribute));
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
        let known = |stage, mapper: &Arc<dyn Mapper<ListedContact, Out = ContactDraft>>| {
            let known =
                api::Known::new(ledger.clone(), stage, mapper.clone(), config.source.time_zone);
            known.since(self.changed_since)
        };
        let known = (known(stage::CONTACTS, &parts.contacts), known(stage::LEADS, &parts.leads));
        let (people, leads) = self.people(known)?;
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
    fn people(&self, known: (api::Known, api::Known)) -> Result<(People, People), SourceError> {
        let rule = self.config.contacts.lead_rule;
        let (all, has_leads): (People, bool) = match self.leaddesk {
            LeadDesk::Api(account) => {
                let (client, concurrency) = (&account.original, self.config.source.concurrency);
                let contacts =
                    api::Contacts::new(client.clone(), concurrency, self.findings.clone());
                let contacts = match rule {
                    // Plans, verifications and pilots read everything.
                    _ if !self.writes || self.pilot.is_some() => contacts,
                    LeadRule::Listed => contacts.known(known.0),
                    LeadRule::All => contacts.known(known.1),
                    // That a row is finalised has no time, and it says which stage reads the contact.
                    LeadRule::Unfinalised => contacts,
                };
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

    /// The leads, and the anonymous visitors of the chatbot where they are to be such. A pilot takes as many of
    /// either.
    fn leads(&self, leads: People) -> Routes<Lead> {
        let leads = leads.map_body(|lead| Lead::Listed(Box::new(lead)));
        let routes = Routes::new().and("leads", leads.boxed());
        let anonymous = self.config.source.chatbot.as_ref().map(|chatbot| chatbot.anonymous);
        match self.chatbot.filter(|_| anonymous == Some(Anonymous::Lead)) {
            None => routes,
            Some(chatbot) => {
                let visitors = chatbot.visitors().map_body(|chat| Lead::Visitor(Box::new(chat)));
                let visitors = match self.pilot {
                    Some(wanted) => First::new(visitors, wanted).boxed(),
                    None => visitors.boxed(),
                };
                routes.and("visitors", visitors)
            }
        }
    }

    /// The sessions; in a pilot, those of its contacts and visitors.
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

    /// The calls of all routes; of a pilot, see [`Self::calls_of_pilot`].
    fn calls(
        &self,
        mapper: &CallMapper,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Arc<dyn Source<Record = Call>>, SourceError> {
        if self.pilot.is_some() {
            return self.calls_of_pilot(mapper, ledger);
        }
        let calls = self.routes(self.config, mapper, ledger)?;
        Ok(match self.callers(calls.clone(), ledger) {
            Some(calls) => Arc::new(calls),
            None => Arc::new(calls),
        })
    }

    /// The calls of a pilot's contacts that can be had without reading every call by its id: those of a call log, the
    /// last ones, and the history of their numbers. Calls with a number that is no contact's hang on none, so no leads
    /// are made of such numbers.
    ///
    /// Where the run will read all ids, it knows more of the calls than the history does, and what came first would
    /// stay: so the history is left to that run.
    fn calls_of_pilot(
        &self,
        mapper: &CallMapper,
        ledger: &Arc<dyn Ledger>,
    ) -> Result<Arc<dyn Source<Record = Call>>, SourceError> {
        let mut config = self.config.clone();
        let routes = &mut config.source.calls;
        let reads_ids = routes.ids_file.is_some() || routes.id_range.is_some();
        (routes.ids_file, routes.id_range, routes.gdpr_history) = (None, None, Some(false));
        let mut calls = self.routes(&config, mapper, ledger)?;
        if let LeadDesk::Api(account) = self.leaddesk
            && let Some(rest) = &account.rest
            && self.config.source.reads_history()
            && !reads_ids
        {
            let (client, findings) = (account.original.clone(), self.findings.clone());
            let history = api::History::new(rest.clone(), client, self.config, findings);
            calls = calls.and("gdpr_history", history.of_pilot(ledger.clone()).boxed());
        }
        Ok(Arc::new(Belonging::new(calls, contact_of(mapper), ledger.clone())))
    }

    /// Where single calls are looked up. What a call log says goes before what the API does.
    fn call_lookup(
        &self,
        all: Arc<dyn Source<Record = Call>>,
        ledger: &Arc<dyn Ledger>,
    ) -> api::CallLookup {
        let lookup = api::CallLookup::through(all);
        let lookup = match self.leaddesk {
            LeadDesk::Api(account) if self.config.source.calls.csv.is_none() => {
                lookup.by_id(account.original.clone(), self.config.source.concurrency)
            }
            _ => return lookup,
        };
        match self.callers((), ledger) {
            Some(callers) => lookup.with_callers(callers),
            None => lookup,
        }
    }

    /// These calls with the numbers that are nobody's, where leads are made of those. In a pilot all
    /// calls are somebody's.
    fn callers<S>(&self, calls: S, ledger: &Arc<dyn Ledger>) -> Option<Callers<S>> {
        let wanted = self.config.calls.without_contact == WithoutContact::Lead;
        (wanted && self.pilot.is_none())
            .then(|| Callers::new(calls, ledger.clone(), self.config.source.default_country))
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
