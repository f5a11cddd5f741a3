//! Who is a lead and who is a contact: one reading for each of the two stages, and nobody in both.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use migrate_core::{Cursor, Estimate, Page, Source, SourceError};

use super::{ListedContact, Outcomes};
use crate::config::{Contacts, LeadRule};

/// Tells leads from contacts, as `[contacts]` says.
///
/// LeadDesk's API knows no leads apart from contacts. What an export lists as such is a lead under
/// every rule.
#[derive(Clone, Debug)]
pub struct LeadFilter {
    rule: LeadRule,
    deals: Vec<String>,
    outcomes: Outcomes,
}

impl LeadFilter {
    /// The rule of a configuration.
    pub fn new(contacts: &Contacts) -> Self {
        let deals = contacts.deal_outcomes.iter().map(|outcome| folded(outcome));
        let outcomes = Outcomes::default();
        Self { rule: contacts.lead_rule, deals: deals.collect(), outcomes }
    }

    /// The same, where outcomes are documented: then an id means what its name means, in `deal_outcomes` and in contacts.
    #[must_use]
    pub fn with_outcomes(mut self, outcomes: Outcomes) -> Self {
        let named = self.deals.iter().filter_map(|deal| outcomes.name(deal)).map(folded);
        let named: Vec<String> = named.collect();
        self.deals.extend(named);
        self.outcomes = outcomes;
        self
    }

    /// Is this record a lead?
    pub fn is_lead(&self, record: &ListedContact) -> bool {
        self.is_lead_by(self.rule, record)
    }

    /// The names of the rules by which this record is a lead.
    pub fn rules_of(&self, record: &ListedContact) -> impl Iterator<Item = &'static str> {
        RULES.into_iter().filter(|(rule, _)| self.is_lead_by(*rule, record)).map(|(_, name)| name)
    }

    /// Is everyone a lead? Then no stage has a share of contacts.
    fn leaves_no_contacts(&self) -> bool {
        self.rule == LeadRule::All
    }

    fn is_lead_by(&self, rule: LeadRule, record: &ListedContact) -> bool {
        match rule {
            LeadRule::Listed => record.is_listed_lead,
            LeadRule::Unfinalised => {
                let is_open = record.finalised == Some(false) && !self.is_deal(record);
                record.is_listed_lead || is_open
            }
            LeadRule::All => true,
        }
    }

    fn is_deal(&self, record: &ListedContact) -> bool {
        let outcome = record.contact.last_reason.as_deref().unwrap_or("");
        let named = self.outcomes.name(outcome).map(folded);
        self.deals.contains(&folded(outcome))
            || named.is_some_and(|name| self.deals.contains(&name))
    }
}

fn folded(outcome: &str) -> String {
    outcome.trim().to_lowercase()
}

/// The leads of a source, or its contacts. The other share is another stage's, which reads the same
/// source: so each record has its fate in one of them.
#[derive(Clone)]
pub struct Share<S> {
    source: S,
    filter: LeadFilter,
    leads: bool,
    watch: Option<Watch>,
}

/// Looks at records as they are read, and may ask what tells leads from contacts.
pub type Watch = Arc<dyn Fn(&ListedContact, &LeadFilter) + Send + Sync>;

impl<S> fmt::Debug for Share<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("leads", &self.leads).finish_non_exhaustive()
    }
}

impl<S> Share<S> {
    /// The leads of a source. What cannot be read is left to the [contacts](Self::contacts), save
    /// where the rule makes everyone a lead: then nobody else reads it.
    pub fn leads(source: S, filter: LeadFilter) -> Self {
        Self { source, filter, leads: true, watch: None }
    }

    /// The contacts of a source, and what of it cannot be read, unless the rule leaves no contacts.
    pub fn contacts(source: S, filter: LeadFilter) -> Self {
        Self { leads: false, ..Self::leads(source, filter) }
    }

    /// The same, which shows each of its records to a closure.
    #[must_use]
    pub fn watched(mut self, watch: Option<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Keeps this share of a page. What is unchanged is of this share, since its stage has it in place.
    fn share(&self, mut page: Page<ListedContact>) -> Page<ListedContact> {
        page.items.retain(|item| match item {
            Ok(record) => self.filter.is_lead(&record.body) == self.leads,
            Err(_) => self.leads == self.filter.leaves_no_contacts(),
        });
        if let Some(watch) = &self.watch {
            page.items.iter().flatten().for_each(|record| watch(&record.body, &self.filter));
        }
        page
    }
}

const RULES: [(LeadRule, &str); 3] =
    [(LeadRule::Listed, "listed"), (LeadRule::Unfinalised, "unfinalised"), (LeadRule::All, "all")];

impl<S: Source<Record = ListedContact> + Clone + 'static> Source for Share<S> {
    type Record = ListedContact;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<ListedContact>, SourceError>> {
        let share = self.clone();
        self.source.read(from).map(move |page| page.map(|page| share.share(page))).boxed()
    }

    /// How many are leads is known when all are read.
    fn estimate(&self) -> Estimate {
        match self.source.estimate() {
            Estimate::Exactly(all) | Estimate::About(all) => Estimate::About(all),
            _ => Estimate::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use migrate_core::{Key, Record, Unreadable};

    use super::*;
    use crate::source::testing::{keys, read_all};
    use crate::source::{Documented, Fixed, Sort};

    fn record(id: u32, outcome: &str) -> ListedContact {
        let contact = serde_json::json!({ "id": id, "last_reason": outcome });
        ListedContact::new(serde_json::from_value(contact).unwrap(), Vec::new())
    }

    fn filter(rule: LeadRule) -> LeadFilter {
        let mut contacts = Contacts::default();
        (contacts.lead_rule, contacts.deal_outcomes) = (rule, vec![" Deal".into(), "17".into()]);
        LeadFilter::new(&contacts)
    }

    #[test]
    fn who_is_a_lead() {
        let open = |outcome| record(1, outcome).finalised(Some(false));
        for (record, leads) in [
            (record(1, ""), [false, false, true]),
            (record(1, "Deal").listed_as_lead(), [true, true, true]),
            (open(""), [false, true, true]),
            (open("No answer"), [false, true, true]),
            (open("DEAL "), [false, false, true]),
            (open("17"), [false, false, true]),
            (record(1, "No answer").finalised(Some(true)), [false, false, true]),
            // No list names it, so nobody knows.
            (record(1, "No answer"), [false, false, true]),
        ] {
            let found = RULES.map(|(rule, _)| filter(rule).is_lead(&record));
            assert_eq!(found, leads, "{record:?}");
            let named = filter(LeadRule::All).rules_of(&record).count();
            assert_eq!(named, leads.iter().filter(|is_lead| **is_lead).count());
        }
    }

    /// The contact has the id and the setting the name, or the other way round.
    #[test]
    fn a_deal_by_its_id_is_one_where_outcomes_are_documented() {
        let content = |id: &str, name: &str| serde_json::json!({ "id": id, "name": name });
        let rows = [content("5", "deal"), content("17", "Signed"), content("6", "No")];
        let rows = rows.map(|content| Documented { sort: Sort::Outcome, id: "1".into(), content });
        let filter = filter(LeadRule::Unfinalised);
        let knows = filter.clone().with_outcomes(Outcomes::of(&rows));
        for (outcome, without, with) in [
            ("5", true, false),
            ("signed", true, false),
            ("17", false, false),
            ("6", true, true),
            ("", true, true),
        ] {
            let record = record(1, outcome).finalised(Some(false));
            assert_eq!(filter.is_lead(&record), without, "{outcome}");
            assert_eq!(knows.is_lead(&record), with, "{outcome}");
        }
    }

    #[tokio::test]
    async fn each_record_is_in_one_share_and_seen_once() {
        let records = (1..=9).map(|n| {
            let record = record(n, "").finalised(Some(n % 2 == 0));
            Record::new(
                Key::new("contact", n),
                if n == 3 { record.listed_as_lead() } else { record },
            )
        });
        let source = Fixed::new(records.collect(), 2);
        let (filter, seen) = (filter(LeadRule::Unfinalised), Arc::new(AtomicUsize::new(0)));
        let count = seen.clone();
        let watch: Watch = Arc::new(move |_, _| _ = count.fetch_add(1, Ordering::Relaxed));
        let leads = Share::leads(source.clone(), filter.clone()).watched(Some(watch.clone()));
        let contacts = Share::contacts(source, filter).watched(Some(watch));
        let ids = async |share: &Share<_>| keys(&read_all(share, None).await);
        let odd = [1, 3, 5, 7, 9].map(|n| format!("contact:{n}"));
        assert_eq!(ids(&leads).await, odd);
        assert_eq!(ids(&contacts).await, [2, 4, 6, 8].map(|n| format!("contact:{n}")));
        assert_eq!(seen.load(Ordering::Relaxed), 9);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_once() {
        let bad = Unreadable::new(Key::from("contacts.csv:1"), "it is torn");
        let source = Fixed::<ListedContact>::new(Vec::new(), 1);
        for (rule, by_leads) in RULES.map(|(rule, _)| (rule, rule == LeadRule::All)) {
            let page = || Page::new([Err(bad.clone())], None);
            let leads = Share::leads(source.clone(), filter(rule)).share(page());
            let contacts = Share::contacts(source.clone(), filter(rule)).share(page());
            assert_eq!(leads.items.len(), usize::from(by_leads), "{rule:?}");
            assert_eq!(contacts.items.len(), usize::from(!by_leads), "{rule:?}");
        }
    }
}
