//! What each stage reads: all routes of the configuration, or the share of a pilot.

use std::sync::Arc;

use leaddesk_client::Call;
use migrate_core::{Ledger, Source, SourceError, SourceExt as _};

use crate::config::{Anonymous, Config, LeadRule, WithoutContact};
use crate::map::{CallMapper, ChatMapper};
use crate::source::{
    self, Belonging, Callers, Chat, First, Fixed, Lead, LeadFilter, NamesOf, Outcomes, Routes,
    Share, api, export,
};

use super::{LeadDesk, PAGE, People, Stages};

impl Stages<'_> {
    /// The contacts and the leads. By the API nobody is listed as a lead, so it is read once by that
    /// rule, and twice where both stages have a share.
    pub(super) fn people(
        &self,
        outcomes: Outcomes,
        known: (api::Known, api::Known),
    ) -> Result<(People, People), SourceError> {
        let rule = self.config.contacts.lead_rule;
        let (all, has_leads): (People, bool) = match self.leaddesk {
            LeadDesk::Api(account) => {
                let (client, concurrency) = (&account.original, self.config.source.concurrency);
                let contacts =
                    api::Contacts::new(client.clone(), concurrency, self.findings.clone());
                let contacts = contacts.with_call_log(export::CallLog::of(self.config)?);
                let has_log = self.config.source.calls.csv.is_some();
                let contacts = match rule {
                    // Plans, verifications and pilots read everything. What a call log says of a
                    // contact may have changed without it.
                    _ if !self.writes || self.pilot.is_some() || has_log => contacts,
                    LeadRule::Listed => contacts.known(known.0),
                    LeadRule::All => contacts.known(known.1),
                    // That a row is finalised has no time, and it says which stage reads the contact.
                    LeadRule::Unfinalised => contacts,
                };
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

    /// The leads, and the anonymous visitors of the chatbot where they are to be such. A pilot takes as many of
    /// either.
    pub(super) fn leads(&self, leads: People) -> Routes<Lead> {
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
    pub(super) fn chats(
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
    pub(super) fn calls(
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
    pub(super) fn call_lookup(
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
}

/// The names of a call's contact, as the mapper gives them.
fn contact_of(mapper: &CallMapper) -> NamesOf<Call> {
    let mapper = mapper.clone();
    Arc::new(move |call: &Call| mapper.contact(call))
}
