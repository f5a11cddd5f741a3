//! LeadDesk contacts and leads as Intercom contacts.
//!
//! | LeadDesk | Intercom |
//! |---|---|
//! | `id` | `external_id`, as `<key_prefix>:contact:<id>`; the marker line of the note |
//! | `fname`, `lname` | `name` |
//! | `email` | `email`, in the form it is compared by; what is no address: `ld_invalid_email` |
//! | `phone`, `sec_phone`, `thr_phone`, `fourth_phone`, `phonenumbers` | the first valid one `phone`, the others `ld_phone_2` …; what is no number: `ld_invalid_phone` |
//! | `created_at` | `signed_up_at`, `ld_created_at`; a zero moment of 1970 is none, and noted |
//! | `updated_at` | `ld_updated_at`; decides between merged contacts |
//! | `comment` | a note that ends in `LeadDesk contact <id>`; several where it is very long, and noted |
//! | `last_reason`, or what a call log or `outcomes.csv` calls it where it is an id, noted where nothing names it; where it says nothing, the outcome of the last call, as a call log tells | `ld_outcome__c` |
//! | the last call's result, as calling lists know it, else as a call log does | `ld_disposition__c` |
//! | `last_call_id` | a call to read |
//! | the campaigns of its calls: as calling lists know them, of the last calls; as a call log that names contacts by their ids does, of all. By the API alone, nothing is known of campaigns before the last call | tags `ld_campaign_<name>`, `ld_campaign_tag__c` |
//! | `company_id`, the fields of [`TEXTS`] | an attribute each |
//! | `assigned_office`, `sponsor`, `lead_status`, which only files have | `ld_office`, `ld_sponsor`, `ld_lead_status` |
//! | its office's time zone, as `offices.csv` says it | `ld_office_timezone__c` |
//! | a number that `blacklist.csv` lists, in any notation | `ld_blacklisted`: yes, or no for everybody else where there is that file, so that who has left the list is no longer on it; consent to e-mail is left alone |
//! | of leads: the key | `ld_source_key`, since Intercom finds no leads by external id |
//! | `ssc` | left out, and noted; `ld_ssn` where `contacts.ssn` asks for it |
//! | Other info and unknown fields | as the confirmed [mapping](crate::fields) says |
//!
//! Contacts are of role `user`. Leads are of role `lead`, save where an office or a sponsor is assigned or
//! `contacts.leads_as` says `user`.
//!
//! A text that is too long for an attribute goes into the note instead, and that is noted.

use std::sync::Arc;

use leaddesk_client::Contact;
use migrate_core::{Emit, Mapper, Record};
use serde_json::Value;

use super::beside::Beside;
use super::custom::custom;
use super::numbers::Numbers;
use super::{
    AttributeWriter, CALLS, CAMPAIGNS, DISPOSITIONS, FIELD_TAGS, MAX_TEXT, OUTCOMES, meet, read,
    unix,
};
use crate::config::{Config, Dedupe, LeadsAs, Names};
use crate::draft::{ContactDraft, ContactFields};
use crate::fields::FieldMapping;
use crate::queue;
use crate::source::{ListedContact, keys};
use crate::value::{Country, Email, Phone, TagName, Zone, email, name, text};

/// The field, its text, and the attribute that takes it.
type Text = (&'static str, fn(&Contact) -> &str, fn(&Names) -> &str);

/// Texts that become one attribute each.
const TEXTS: &[Text] = &[
    ("title", |it| read(&it.title), |names| &names.title),
    ("gender", |it| read(&it.gender), |names| &names.gender),
    ("year_of_birth", |it| read(&it.year_of_birth), |names| &names.year_of_birth),
    // Probably the company's name, and surely no assignment to an office.
    ("office", |it| read(&it.office), |names| &names.company),
    ("vatin", |it| read(&it.vatin), |names| &names.vat_id),
    ("fax", |it| read(&it.fax), |names| &names.fax),
    ("address", |it| read(&it.address), |names| &names.address),
    ("postal", |it| read(&it.postal), |names| &names.postal_code),
    ("city", |it| read(&it.city), |names| &names.city),
    ("country", |it| read(&it.country), |names| &names.country),
    ("www", |it| read(&it.www), |names| &names.website),
    // The list's name stands in no export, so its id is what every source knows.
    (
        "calling_list_id",
        |it| it.calling_list_id.as_ref().map_or("", |id| id.as_str()),
        |names| &names.calling_list,
    ),
    ("batch_name", |it| it.batch_name.as_deref().unwrap_or(""), |names| &names.batch),
    (
        "assigned_agent_id",
        |it| it.assigned_agent_id.as_ref().map_or("", |id| id.as_str()),
        |names| &names.assigned_agent,
    ),
];

/// Fields without a name in the model that are no custom fields: some have an attribute of their own, the
/// others are the account's own number and the frame of the reply.
pub(crate) const HAS_A_PLACE: &[&str] = &[
    "assigned_office",
    "client_id",
    "company_id",
    "contact_id",
    "lead_status",
    "sponsor",
    "success",
];

/// Maps contacts, or leads.
#[derive(Clone, Debug)]
pub struct ContactMapper {
    /// What leads become; `None` maps contacts.
    leads: Option<LeadsAs>,
    key_prefix: String,
    country: Country,
    zone: Zone,
    dedupe: Dedupe,
    ssn: bool,
    numbers: Numbers,
    names: Names,
    fields: Arc<FieldMapping>,
    beside: Beside,
}

impl ContactMapper {
    /// The rules of a configuration for contacts.
    pub fn new(config: &Config) -> Self {
        Self {
            leads: None,
            key_prefix: config.source.key_prefix.clone(),
            country: config.source.default_country,
            zone: config.source.time_zone,
            dedupe: config.contacts.dedupe,
            ssn: config.contacts.ssn,
            numbers: Numbers::new(&config.names),
            names: config.names.clone(),
            fields: Arc::default(),
            beside: Beside::default(),
        }
    }

    /// The same, with a mapping of custom fields. Without one they are noted for review.
    #[must_use]
    pub fn with_fields(mut self, fields: Arc<FieldMapping>) -> Self {
        self.fields = fields;
        self
    }

    /// The same, with what other files say of contacts.
    #[must_use]
    pub fn with_beside(mut self, beside: Beside) -> Self {
        self.beside = beside;
        self
    }

    /// The rules of a configuration for leads.
    pub fn leads(config: &Config) -> Self {
        Self { leads: Some(config.contacts.leads_as), ..Self::new(config) }
    }
}

impl Mapper<ListedContact> for ContactMapper {
    type Out = ContactDraft;

    fn map(&self, record: Record<ListedContact>, out: &mut Emit<ContactDraft>) {
        let ListedContact { contact, campaigns, disposition, .. } = &record.body;
        let [office, sponsor, status] =
            ["assigned_office", "sponsor", "lead_status"].map(|name| extra(contact, name));
        let is_assigned = !office.trim().is_empty() || !sponsor.trim().is_empty();
        if let Some(call) = &contact.last_call_id {
            out.discover(CALLS, call.to_string());
        }
        campaigns.iter().for_each(|campaign| meet(CAMPAIGNS, campaign, out));
        disposition.iter().for_each(|result| meet(DISPOSITIONS, result, out));
        let mut fields = ContactFields {
            external_id: format!("{}:{}", self.key_prefix, record.key),
            role: self.role(is_assigned).to_owned(),
            name: name::full_name(read(&contact.fname), read(&contact.lname)),
            ..ContactFields::default()
        };
        let mut attributes = AttributeWriter::default();
        self.email(contact, &mut fields, &mut attributes, out);
        self.phones(contact, &mut fields, &mut attributes, out);
        if fields.email.is_none() && fields.phone.is_none() {
            out.queue(queue::contact_without_identifier());
            return;
        }
        self.times(contact, &mut fields, &mut attributes, out);
        for (field, text, name) in TEXTS {
            attributes.text(name(&self.names), text(contact), field, out);
        }
        attributes.text(&self.names.company_id, &company_id(contact), "company_id", out);
        attributes.text(&self.names.office, &office, "assigned_office", out);
        let zone = self.beside.time_zone(&office);
        attributes.text(&self.names.office_timezone, zone, "assigned_office", out);
        attributes.text(&self.names.sponsor, &sponsor, "sponsor", out);
        attributes.text(&self.names.lead_status, &status, "lead_status", out);
        if self.leads.is_some() {
            attributes.text(&self.names.source_key, &fields.external_id, "id", out);
        }
        if self.ssn {
            attributes.text(&self.names.ssn, read(&contact.ssc), "ssc", out);
        } else if !read(&contact.ssc).is_empty() {
            out.note("ssn_left_out", "ssc");
        }
        self.outcome(contact, &mut attributes, out);
        let disposition = disposition.as_deref().unwrap_or("");
        attributes.text(&self.names.disposition, disposition, "last_result", out);
        let mut tags = self.tags(campaigns);
        let joined: Vec<&str> = tags.iter().map(TagName::as_str).collect();
        attributes.text(&self.names.campaign_tag, &joined.join(", "), "campaign", out);
        let of_fields = custom(contact, &self.fields, self.zone, &mut attributes, out);
        of_fields.iter().for_each(|tag| out.discover(FIELD_TAGS, tag.as_str()));
        tags.extend(of_fields);
        tags.sort_by(|a, b| (a.key(), a.as_str()).cmp(&(b.key(), b.as_str())));
        tags.dedup_by(|a, b| a.key() == b.key());

        let AttributeWriter { attributes, long } = attributes;
        fields.attributes.extend(attributes);
        out.push(ContactDraft::Contact(fields));
        for tag in tags {
            out.part(format!("tag:{}", tag.key()), ContactDraft::Tag(tag.as_str().to_owned()));
        }
        notes(record.key.id(), read(&contact.comment), &long, out);
    }
}

impl ContactMapper {
    fn role(&self, is_assigned: bool) -> &'static str {
        match self.leads {
            Some(LeadsAs::Lead) if !is_assigned => "lead",
            _ => "user",
        }
    }

    fn email(
        &self,
        contact: &Contact,
        fields: &mut ContactFields,
        attributes: &mut AttributeWriter,
        out: &mut Emit<ContactDraft>,
    ) {
        let text = read(&contact.email);
        match Email::parse(text) {
            Ok(email) => {
                // Either way it is a name under which chats find the contact.
                match self.dedupe {
                    Dedupe::None => out.alias(keys::email(email.key())),
                    _ => out.identity(keys::email(email.key())),
                }
                fields.email = Some(email.key().to_owned());
            }
            Err(_) if email::is_empty(text) => {}
            Err(_) => {
                out.note("invalid_email", "email");
                attributes.text(&self.names.invalid_email, text, "email", out);
            }
        }
    }

    /// Every number is a name under which calls find the contact. A number that several share leads
    /// nowhere, and the call's own contact id goes before it.
    fn phones(
        &self,
        contact: &Contact,
        fields: &mut ContactFields,
        attributes: &mut AttributeWriter,
        out: &mut Emit<ContactDraft>,
    ) {
        let texts = [
            ("phone", read(&contact.phone)),
            ("sec_phone", read(&contact.sec_phone)),
            ("thr_phone", read(&contact.thr_phone)),
            ("fourth_phone", read(&contact.fourth_phone)),
        ];
        let listed = contact.phonenumbers.iter().map(|it| ("phonenumbers", it.reveal().as_str()));
        let (mut numbers, mut invalid): (Vec<String>, Vec<String>) = Default::default();
        for (field, text) in texts.into_iter().chain(listed) {
            for phone in Phone::parse_all(text, self.country) {
                match phone.e164() {
                    Some(number) if numbers.iter().all(|it| it != number) => {
                        numbers.push(number.to_owned())
                    }
                    None if invalid.iter().all(|it| it != phone.raw()) => {
                        out.note("invalid_phone", field);
                        invalid.push(phone.raw().to_owned());
                    }
                    _ => {}
                }
            }
        }
        for number in &numbers {
            out.alias(keys::phone(number));
            if self.dedupe == Dedupe::EmailOrPhone {
                out.identity(keys::phone(number));
            }
        }
        attributes.text(&self.names.invalid_phone, &invalid.join(", "), "phone", out);
        if let Some(listed) = self.beside.is_blacklisted(&numbers) {
            attributes.attributes.insert(self.names.blacklisted.clone(), Value::Bool(listed));
        }
        if self.numbers.put(numbers, fields) > 0 {
            out.note("too_many_numbers", "phonenumbers");
        }
    }

    fn times(
        &self,
        contact: &Contact,
        fields: &mut ContactFields,
        attributes: &mut AttributeWriter,
        out: &mut Emit<ContactDraft>,
    ) {
        let created_at = unix(contact.created_at.text(), self.zone, "created_at", out);
        let updated_at = unix(contact.updated_at.text(), self.zone, "updated_at", out);
        attributes.number(&self.names.created_at, created_at);
        attributes.number(&self.names.updated_at, updated_at);
        fields.signed_up_at = created_at;
        fields.updated_at = updated_at;
    }

    /// `last_reason` may be an outcome's id.
    fn outcome(
        &self,
        contact: &Contact,
        attributes: &mut AttributeWriter,
        out: &mut Emit<ContactDraft>,
    ) {
        let text = contact.last_reason.as_deref().unwrap_or("").trim();
        let text = self.beside.outcome(text).unwrap_or(text);
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            if text.bytes().any(|byte| byte != b'0') {
                out.note("outcome_without_name", "last_reason");
            }
        } else {
            meet(OUTCOMES, text, out);
            attributes.text(&self.names.outcome, text, "last_reason", out);
        }
    }

    /// In order of their names, each once.
    fn tags(&self, campaigns: &[String]) -> Vec<TagName> {
        let tags =
            campaigns.iter().filter_map(|name| TagName::new(&self.names.campaign_prefix, name));
        let mut tags: Vec<TagName> = tags.collect();
        tags.sort_by(|a, b| (a.key(), a.as_str()).cmp(&(b.key(), b.as_str())));
        tags.dedup_by(|a, b| a.key() == b.key());
        tags
    }
}

/// A text that only files have.
fn extra(contact: &Contact, name: &str) -> String {
    contact.extra.reveal().get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The company's id, which the client has no field for.
fn company_id(contact: &Contact) -> String {
    match contact.extra.reveal().get("company_id") {
        Some(Value::String(id)) if id.trim() != "0" => id.clone(),
        Some(Value::Number(id)) if id.as_i64() != Some(0) => id.to_string(),
        _ => String::new(),
    }
}

/// The comment and what was too long for an attribute, as one note, or several if it is very long.
fn notes(id: &str, comment: &str, long: &[(String, String)], out: &mut Emit<ContactDraft>) {
    let comment = text::clean(comment);
    let long = long.iter().map(|(name, text)| format!("{name}: {text}"));
    let body: Vec<String> =
        std::iter::once(comment).filter(|it| !it.is_empty()).chain(long).collect();
    let body = body.join("\n\n");
    let pieces = text::split(&body, MAX_TEXT);
    if pieces.len() > 1 {
        out.note("message_split", "comment");
    }
    for (text, n) in pieces.into_iter().zip(1..) {
        let (part, marker) = match n {
            1 => (format!("note:{id}"), format!("LeadDesk contact {id}")),
            n => (format!("note:{id}.{n}"), format!("LeadDesk contact {id} ({n})")),
        };
        out.part(part, ContactDraft::Note { body: format!("{text}\n\n{marker}"), marker });
    }
}

#[cfg(test)]
mod tests;
