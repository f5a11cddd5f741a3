//! Who an account's people should become, worked out from the account alone. What of their calls: `expect_calls.rs`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _};
use migrate_sandbox::{Account, ExistingContact, SourceCall, SourceContact};
use serde_json::{Value, json};

use super::{Lead, Terms};

/// The queue in which something waits.
pub(crate) type Waits = &'static str;

/// A person whom the workspace should know, made of one contact of the account or of several.
pub(crate) struct ExpectedContact<'a> {
    pub(crate) members: Vec<u64>,
    pub(crate) numbers: Vec<String>,
    pub(crate) external_id: String,
    /// `user` or `lead`.
    pub(crate) role: &'static str,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) signed_up_at: Option<i64>,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// In lower case.
    pub(crate) tags: BTreeSet<String>,
    pub(crate) notes: Vec<String>,
    /// Whom the workspace knew before with this address.
    pub(crate) known: Option<&'a ExistingContact>,
    /// Why it is not there.
    pub(crate) waits: Option<Waits>,
}

type Field<'a> = &'a dyn Fn(&SourceContact) -> Option<String>;

/// The people of an account, by all names.
pub(crate) struct People<'a> {
    pub(crate) all: Vec<ExpectedContact<'a>>,
    /// Contacts that are nobody's part, with the queue in which each waits.
    pub(crate) waiting: BTreeMap<u64, Waits>,
    /// Leads that are one of the contacts, each with those that are brought together with it.
    pub(crate) joined: Vec<Vec<u64>>,
    by_id: HashMap<u64, usize>,
    /// Places of the people; `None` for a contact that waits.
    by_number: HashMap<String, Vec<Option<usize>>>,
    by_email: HashMap<String, Vec<Option<usize>>>,
}

impl<'a> People<'a> {
    /// Leads and contacts are brought together among themselves; then a lead who has the address of a contact is that,
    /// or waits where the name is another. Who has neither address nor number waits, and so do strangers with one
    /// address.
    pub(crate) fn of(account: &'a Account, terms: &Terms) -> Self {
        let calls: HashMap<u64, &SourceCall> =
            account.calls.iter().map(|call| (call.id, call)).collect();
        let mut people = Self {
            all: Vec::new(),
            waiting: BTreeMap::new(),
            joined: Vec::new(),
            by_id: HashMap::new(),
            by_number: HashMap::new(),
            by_email: HashMap::new(),
        };
        for leads in [false, true] {
            let mut by_address: BTreeMap<String, Vec<&SourceContact>> = BTreeMap::new();
            let mut groups = Vec::new();
            let is_of = |it: &&SourceContact| terms.leads.contains_key(&it.id) == leads;
            for contact in account.contacts.iter().filter(is_of) {
                match valid_email(contact) {
                    Some(email) => by_address.entry(email).or_default().push(contact),
                    None if contact.phonenumbers.is_empty() => {
                        people.waiting.insert(contact.id, "contacts_without_identifier");
                    }
                    None => groups.push(vec![contact]),
                }
            }
            for members in by_address.into_values() {
                let first = (&members[0].fname, &members[0].lname);
                if members.iter().all(|one| (&one.fname, &one.lname) == first) {
                    groups.push(members);
                } else {
                    people.wait(&members);
                }
            }
            let contacts = if leads { people.all.len() } else { 0 };
            for members in groups {
                let mut person = person(account, &calls, terms, members);
                if !people.joins(&mut person, contacts) {
                    people.meets_others(account, &mut person);
                    people.add(person);
                }
            }
        }
        people
    }

    /// Is a lead one of the first so many people, who are contacts? Then that one is filled where it is empty.
    fn joins(&mut self, lead: &mut ExpectedContact<'a>, contacts: usize) -> bool {
        let Some(email) = lead.email.clone() else { return false };
        let places = self.by_email.get(&email).into_iter().flatten().flatten();
        let Some(at) = places.copied().find(|at| *at < contacts) else { return false };
        let contact = &mut self.all[at];
        if contact.name != lead.name {
            lead.waits = Some("shared_email");
            return false;
        }
        contact.phone = contact.phone.take().or(lead.phone.take());
        contact.signed_up_at = contact.signed_up_at.or(lead.signed_up_at);
        for (name, value) in std::mem::take(&mut lead.attributes) {
            contact.attributes.entry(name).or_insert(value);
        }
        contact.tags.append(&mut lead.tags);
        contact.notes.append(&mut lead.notes);
        for number in &lead.numbers {
            let places = self.by_number.entry(number.clone()).or_default();
            if !places.contains(&Some(at)) {
                places.push(Some(at));
            }
        }
        for id in &lead.members {
            self.by_id.insert(*id, at);
        }
        self.joined.push(std::mem::take(&mut lead.members));
        true
    }

    /// Who is a user meets whoever has the address in the workspace already.
    fn meets_others(&self, account: &'a Account, person: &mut ExpectedContact<'a>) {
        let Some(email) = person.email.clone().filter(|_| person.role == "user") else { return };
        if person.waits.is_some() {
            return;
        }
        let others = self.by_email.get(&email).into_iter().flatten().flatten();
        let mut others = others.map(|at| &self.all[*at]).filter(|it| it.waits.is_none());
        // A contact that has become the user with this address keeps it.
        if others.any(|other| other.role == "user") {
            person.waits = Some("shared_email");
            return;
        }
        drop(others);
        let known = account.existing.iter().find(|it| it.email.eq_ignore_ascii_case(&email));
        person.known = known;
        person.waits = known.filter(|it| it.archived).map(|_| "archived_in_intercom");
    }

    fn wait(&mut self, members: &[&SourceContact]) {
        for member in members {
            self.waiting.insert(member.id, "shared_email");
            for number in &member.phonenumbers {
                self.by_number.entry(e164(number)).or_default().push(None);
            }
            let email = valid_email(member).unwrap_or_default();
            self.by_email.entry(email).or_default().push(None);
        }
    }

    fn add(&mut self, person: ExpectedContact<'a>) {
        let at = self.all.len();
        for id in &person.members {
            self.by_id.insert(*id, at);
        }
        let place = Some(at).filter(|_| person.waits.is_none());
        for number in &person.numbers {
            self.by_number.entry(number.clone()).or_default().push(place);
        }
        if let Some(email) = &person.email {
            self.by_email.entry(email.clone()).or_default().push(place);
        }
        self.all.push(person);
    }

    /// Whom an id, or else an address or a number, leads to: the place of somebody who is there, or the queue.
    pub(crate) fn find(
        &self,
        id: Option<u64>,
        email: Option<&String>,
        number: Option<&String>,
    ) -> Result<usize, Waits> {
        if let Some(id) = id {
            match self.by_id.get(&id) {
                Some(at) if self.all[*at].waits.is_some() => return Err("waiting_for_parent"),
                Some(at) => return Ok(*at),
                None if self.waiting.contains_key(&id) => return Err("waiting_for_parent"),
                None => {}
            }
        }
        let by_email = email.and_then(|email| self.by_email.get(email));
        let by_number = number.and_then(|number| self.by_number.get(number));
        for holders in [by_email, by_number].into_iter().flatten() {
            // What several share leads to none of them.
            match holders[..] {
                [Some(at)] => return Ok(at),
                [None] => return Err("waiting_for_parent"),
                _ => {}
            }
        }
        Err("calls_without_contact")
    }

    /// The contacts of one queue.
    pub(crate) fn in_queue(&self, queue: &str) -> BTreeSet<u64> {
        let waiting = self.waiting.iter().filter(|(_, waits)| **waits == queue);
        let people = self.all.iter().filter(|person| person.waits == Some(queue));
        let first = people.filter_map(|person| person.members.iter().min());
        waiting.map(|(id, _)| *id).chain(first.copied()).collect()
    }
}

fn person<'a>(
    account: &Account,
    calls: &HashMap<u64, &SourceCall>,
    terms: &Terms,
    mut members: Vec<&SourceContact>,
) -> ExpectedContact<'a> {
    let ids: Vec<u64> = members.iter().map(|member| member.id).collect();
    let first = ids.iter().min().copied().unwrap_or_default();
    // The last changed goes first.
    members.sort_by_key(|member| (Reverse(utc(account, &member.updated_at)), member.id));
    let first_of = |field: Field<'_>| {
        members.iter().find_map(|member| field(member).filter(|text| !text.trim().is_empty()))
    };
    let mut numbers: Vec<String> = Vec::new();
    for number in members.iter().flat_map(|member| &member.phonenumbers) {
        let number = e164(number);
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let logged = account.calls.iter().filter(|call| {
        terms.call_log && call.contact_id.is_some_and(|contact| ids.contains(&contact))
    });
    let logged = logged.filter_map(|call| call.campaign_name.clone());
    let tags: BTreeMap<String, String> = members
        .iter()
        .filter(|member| !member.phonenumbers.is_empty())
        .filter_map(|member| calls.get(&member.last_call_id?)?.campaign_name.clone())
        .chain(logged)
        .map(|campaign| format!("ld_campaign_{campaign}"))
        .map(|tag| (tag.to_lowercase(), tag))
        .collect();

    let id = |id: Option<u64>| id.map(|id| id.to_string());
    let mut attributes = BTreeMap::new();
    let texts: [(&str, Field<'_>); 16] = [
        ("ld_title", &|it| it.title.clone()),
        ("ld_gender", &|it| it.gender.clone()),
        ("ld_year_of_birth", &|it| it.year_of_birth.clone()),
        ("ld_company", &|it| it.office.clone()),
        ("ld_company_id", &|it| id(it.company_id)),
        ("ld_vat_id", &|it| it.vatin.clone()),
        ("ld_address", &|it| it.address.clone()),
        ("ld_postal_code", &|it| it.postal.clone()),
        ("ld_city", &|it| it.city.clone()),
        ("ld_country", &|it| it.country.clone()),
        ("ld_website", &|it| it.www.clone()),
        ("ld_calling_list", &|it| id(Some(it.calling_list_id))),
        ("ld_batch", &|it| it.batch_name.clone()),
        ("ld_assigned_agent", &|it| id(it.assigned_agent_id)),
        ("ld_outcome__c", &|it| {
            let logged = || last_outcome(account, it).filter(|_| terms.call_log);
            it.last_reason.clone().or_else(logged)
        }),
        // Calling lists have it, with a row for each number.
        ("ld_disposition__c", &|it| it.last_result.clone().filter(|_| !it.phonenumbers.is_empty())),
    ];
    for (name, field) in texts {
        attributes.extend(first_of(field).map(|text| (name.to_owned(), json!(text.trim()))));
    }
    let broken = |it: &SourceContact| it.email.clone().filter(|_| valid_email(it).is_none());
    attributes
        .extend(first_of(&broken).map(|text| ("ld_invalid_email".into(), json!(text.trim()))));
    for (number, at) in numbers.iter().skip(1).zip(2..) {
        attributes.insert(format!("ld_phone_{at}"), json!(number));
    }
    let created = members.iter().find_map(|it| utc(account, &it.created_at));
    let updated = members.iter().find_map(|it| utc(account, &it.updated_at));
    for (name, time) in [("ld_created_at", created), ("ld_updated_at", updated)] {
        attributes.extend(time.map(|time| (name.to_owned(), json!(time))));
    }
    if !tags.is_empty() {
        let joined = tags.values().map(String::as_str).collect::<Vec<_>>().join(", ");
        // An attribute holds no more; the tags tell all.
        if joined.chars().count() <= 255 {
            attributes.insert("ld_campaign_tag__c".into(), json!(joined));
        }
    }
    let mut tags: BTreeSet<String> = tags.into_keys().collect();
    for member in &members {
        for (label, value) in member.other_info.values().map(|it| (&*it.label, &*it.value)) {
            let (name, value) = custom(label, value);
            attributes.entry(name.to_owned()).or_insert(value);
            if label == "Interests" {
                let picked = member.other_info.values().filter(|it| it.label == label);
                let picked = picked.flat_map(|it| it.value.split(','));
                tags.extend(picked.map(|it| format!("ld_interests_{}", it.trim().to_lowercase())));
            }
        }
    }
    let external_id = format!("leaddesk:contact:{first}");
    let leads: Vec<&Lead> = members.iter().filter_map(|it| terms.leads.get(&it.id)).collect();
    let lead_of = |field: fn(&Lead) -> &String| {
        let mut texts = leads.iter().map(|lead| field(lead)).filter(|text| !text.is_empty());
        texts.next().map(|text| json!(text))
    };
    let (office, sponsor) = (lead_of(|it| &it.office), lead_of(|it| &it.sponsor));
    let is_assigned = office.is_some() || sponsor.is_some();
    let key = (!leads.is_empty()).then(|| json!(external_id));
    for (name, value) in [
        ("ld_source_key", key),
        ("ld_lead_status", lead_of(|it| &it.status)),
        ("ld_office", office),
        ("ld_sponsor", sponsor),
    ] {
        attributes.extend(value.map(|value| (name.to_owned(), value)));
    }
    let notes = members.iter().filter_map(|member| {
        let comment = member.comment.as_deref().map(str::trim).filter(|it| !it.is_empty())?;
        Some(format!("{comment}\n\nLeadDesk contact {}", member.id))
    });
    let name = |it: &SourceContact| {
        let of = |part: &Option<String>| part.clone().unwrap_or_default();
        let whole = format!("{} {}", of(&it.fname), of(&it.lname));
        Some(whole.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    ExpectedContact {
        external_id,
        role: if leads.is_empty() || is_assigned { "user" } else { "lead" },
        email: members.iter().find_map(|it| valid_email(it)),
        phone: numbers.first().cloned(),
        name: first_of(&name),
        signed_up_at: created,
        attributes,
        tags,
        notes: notes.collect(),
        members: ids,
        numbers,
        known: None,
        waits: None,
    }
}

/// What the labelled fields of a generated account become, by the mapping that is proposed for them.
fn custom(label: &str, value: &str) -> (&'static str, Value) {
    match label {
        "Segment" => ("ld_segment", json!(value)),
        "Contract value" => ("ld_contract_value", json!(value.parse::<f64>().ok())),
        "Contract ends" => {
            let midnight = DateTime::parse_from_rfc3339(&format!("{value}T00:00:00Z"));
            ("ld_contract_ends", json!(midnight.ok().map(|time| time.timestamp())))
        }
        "Newsletter" => ("ld_newsletter", json!(value == "Yes")),
        "Interests" => ("ld_interests", json!(value)),
        "Vehicles" => ("ld_vehicles", json!(value.parse::<i64>().ok())),
        "Remark" => ("ld_remark", json!(value)),
        // Which nobody knows: the audit will miss it.
        other => ("a field of its own", json!(other)),
    }
}

/// The address of the teammate whom an agent is.
pub(crate) fn teammate(account: &Account, agent: Option<u64>) -> Option<String> {
    let agent = account.agents.iter().find(|it| Some(it.id) == agent && it.has_teammate)?;
    agent.primary_email.clone()
}

fn valid_email(contact: &SourceContact) -> Option<String> {
    address(contact.email.as_deref()?)
}

/// An e-mail address in the form it is compared by, if it is one.
pub(crate) fn address(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.split_once('@')?;
    let valid = !local.is_empty()
        && !email.contains(char::is_whitespace)
        && domain.contains('.')
        && !domain.contains('@');
    valid.then_some(email)
}

/// A Finnish number with its country's prefix.
pub(crate) fn e164(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix('0') {
        Some(national) => format!("+358{national}"),
        None => format!("+{digits}"),
    }
}

/// A local time of the account in UTC; none for zero dates and absent ones. Of a time that the clock
/// shows twice, the earlier; one that it leaps over, later by the leap.
pub(crate) fn utc(account: &Account, text: &Option<String>) -> Option<i64> {
    let naive = NaiveDateTime::parse_from_str(text.as_deref()?, "%Y-%m-%d %H:%M:%S").ok()?;
    let moment: DateTime<_> = match account.time_zone.from_local_datetime(&naive).earliest() {
        Some(moment) => moment,
        None => {
            let day = TimeDelta::days(1);
            let before = account.time_zone.from_local_datetime(&(naive - day)).earliest()?;
            return Some((naive - before.offset().fix()).and_utc().timestamp());
        }
    };
    Some(moment.timestamp())
}

/// How the last call to a contact ended, of those that a call log has.
fn last_outcome(account: &Account, contact: &SourceContact) -> Option<String> {
    let of_contact = account.calls.iter().filter(|call| call.contact_id == Some(contact.id));
    let ended = of_contact.filter_map(|call| {
        let times = [&call.talk_start, &call.created_at].into_iter().flatten();
        let at = times.into_iter().find(|time| !time.starts_with("0000")).cloned();
        Some((at, std::cmp::Reverse(call.call_ending_reason_name.clone()?)))
    });
    ended.max().map(|(_, outcome)| outcome.0)
}
