//! LeadDesk contacts as Intercom contacts.
//!
//! | LeadDesk | Intercom |
//! |---|---|
//! | `id` | `external_id`, as `<key_prefix>:contact:<id>`; the marker line of the note |
//! | `fname`, `lname` | `name` |
//! | `email` | `email`, in the form it is compared by; what is no address: `ld_invalid_email` |
//! | `phone`, `sec_phone`, `thr_phone`, `fourth_phone`, `phonenumbers` | the first valid one `phone`, the others `ld_phone_2` …; what is no number: `ld_invalid_phone` |
//! | `created_at` | `signed_up_at`, `ld_created_at` |
//! | `updated_at` | `ld_updated_at`; decides between merged contacts |
//! | `comment` | a note that ends in `LeadDesk contact <id>` |
//! | `last_reason` | `ld_outcome__c` |
//! | `last_call_id` | a call to read |
//! | the last calls' campaigns, as calling lists know them | tags `ld_campaign_<name>`, `ld_campaign_tag__c` |
//! | the fields of [`TEXTS`] | an attribute each |
//! | `ssc` | left out, and noted |
//! | Other info and unknown fields | not carried yet: noted by name for review |
//!
//! A text that is too long for an attribute goes into the note instead, and that is noted.

use leaddesk_client::Contact;
use leaddesk_client::model::OTHER_INFO_SLOTS;
use migrate_core::{Emit, Mapper, Record};
use serde_json::Value;

use super::numbers::Numbers;
use super::{AttributeWriter, CALLS, MAX_TEXT, is_empty, read, unix};
use crate::config::{Config, Dedupe, Names};
use crate::draft::{ContactDraft, ContactFields};
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
    ("company_id", |it| extra(it, "company_id"), |names| &names.company_id),
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

/// Fields that say nothing about the person: the account's own number, the frame of the reply.
const LEFT_OUT: &[&str] = &["client_id", "contact_id", "success"];

/// Maps contacts.
#[derive(Clone, Debug)]
pub struct ContactMapper {
    key_prefix: String,
    country: Country,
    zone: Zone,
    dedupe: Dedupe,
    numbers: Numbers,
    names: Names,
}

impl ContactMapper {
    /// The rules of a configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            key_prefix: config.source.key_prefix.clone(),
            country: config.source.default_country,
            zone: config.source.time_zone,
            dedupe: config.contacts.dedupe,
            numbers: Numbers::new(&config.names),
            names: config.names.clone(),
        }
    }
}

impl Mapper<ListedContact> for ContactMapper {
    type Out = ContactDraft;

    fn map(&self, record: Record<ListedContact>, out: &mut Emit<ContactDraft>) {
        let ListedContact { contact, campaigns } = &record.body;
        if let Some(call) = &contact.last_call_id {
            out.discover(CALLS, call.to_string());
        }
        let mut fields = ContactFields {
            external_id: format!("{}:{}", self.key_prefix, record.key),
            role: "user".to_owned(),
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
        if !read(&contact.ssc).is_empty() {
            out.note("ssn_left_out", "ssc");
        }
        self.outcome(contact, &mut attributes, out);
        let tags = self.tags(campaigns);
        let joined: Vec<&str> = tags.iter().map(TagName::as_str).collect();
        attributes.text(&self.names.campaign_tag, &joined.join(", "), "campaign", out);
        for_review(contact, out);

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
                if self.dedupe != Dedupe::None {
                    out.identity(keys::email(email.key()));
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

    /// `last_reason` may be an outcome's id, of which no name is known here.
    fn outcome(
        &self,
        contact: &Contact,
        attributes: &mut AttributeWriter,
        out: &mut Emit<ContactDraft>,
    ) {
        let text = contact.last_reason.as_deref().unwrap_or("").trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            if text.bytes().any(|byte| byte != b'0') {
                out.note("outcome_without_name", "last_reason");
            }
        } else {
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

/// A text among the fields that the client does not know by name.
fn extra<'a>(contact: &'a Contact, field: &str) -> &'a str {
    contact.extra.reveal().get(field).and_then(Value::as_str).unwrap_or("")
}

/// Names what has no home yet, so that nothing is left behind in silence.
fn for_review(contact: &Contact, out: &mut Emit<ContactDraft>) {
    let mut slots: Vec<String> = Vec::new();
    for slot in 1..=OTHER_INFO_SLOTS {
        if contact.other_info(slot).is_some() {
            out.note("field_for_review", format!("other_info_{slot}"));
        }
        slots.push(other_info_key(slot));
    }
    for (field, value) in contact.extra.reveal() {
        let is_label = field.starts_with("other_i_name_");
        let decided =
            LEFT_OUT.contains(&field.as_str()) || TEXTS.iter().any(|(it, ..)| it == field);
        if !is_label && !decided && !slots.contains(field) && !is_empty(value) {
            out.note("field_for_review", field.clone());
        }
    }
}

/// The key of an Other info slot: the first three are spelt out.
fn other_info_key(slot: u8) -> String {
    match slot {
        1 => "other_info_ft".to_owned(),
        2 => "other_info_sec".to_owned(),
        3 => "other_info_thir".to_owned(),
        n => format!("other_info_{n}"),
    }
}

/// The comment and what was too long for an attribute, as one note, or several if it is very long.
fn notes(id: &str, comment: &str, long: &[(String, String)], out: &mut Emit<ContactDraft>) {
    let comment = text::clean(comment);
    let long = long.iter().map(|(name, text)| format!("{name}: {text}"));
    let body: Vec<String> =
        std::iter::once(comment).filter(|it| !it.is_empty()).chain(long).collect();
    for (text, n) in text::split(&body.join("\n\n"), MAX_TEXT).into_iter().zip(1..) {
        let (part, marker) = match n {
            1 => (format!("note:{id}"), format!("LeadDesk contact {id}")),
            n => (format!("note:{id}.{n}"), format!("LeadDesk contact {id} ({n})")),
        };
        out.part(part, ContactDraft::Note { body: format!("{text}\n\n{marker}"), marker });
    }
}

#[cfg(test)]
mod tests {
    use migrate_core::Verdict;
    use serde_json::{Map, json};

    use super::*;
    use crate::map::testing::{config, noted};

    fn record(contact: Value, campaigns: &[&str]) -> Record<ListedContact> {
        let contact: Contact = serde_json::from_value(contact).unwrap();
        let campaigns = campaigns.iter().map(|name| (*name).to_owned()).collect();
        Record::new(keys::contact(&contact.id), ListedContact { contact, campaigns })
    }

    fn map(lines: &str, contact: Value, campaigns: &[&str]) -> Emit<ContactDraft> {
        let mut out = Emit::default();
        ContactMapper::new(&config(lines)).map(record(contact, campaigns), &mut out);
        out
    }

    fn fields(out: &Emit<ContactDraft>) -> &ContactFields {
        match &out.drafts()[0] {
            (None, ContactDraft::Contact(fields)) => fields,
            _ => panic!("the contact comes first"),
        }
    }

    #[test]
    fn a_full_contact() {
        let out = map(
            "",
            json!({
                "id": "42", "fname": " Anna ", "lname": "Virtanen", "email": " Anna@Example.com ",
                "phone": "040 123 4567", "sec_phone": "+46 70 123 45 67",
                "phonenumbers": ["0401234567", "+358501234567"],
                "title": "CEO", "office": "Example Oy", "vatin": "FI12345678", "company_id": "7",
                "address": "Katu 1", "postal": "00100", "city": "Helsinki", "country": "Finland",
                "calling_list_id": 901, "batch_name": "spring", "assigned_agent_id": "301",
                "last_reason": "Deal", "last_call_id": "500001", "comment": "Likes <b>mornings</b>\r\nand tea",
                "created_at": "2024-01-15 12:00:00", "updated_at": "2024-07-15 12:00:00",
            }),
            &["Spring 2024", "autumn", "AUTUMN"],
        );
        let contact = fields(&out);
        assert_eq!(contact.external_id, "leaddesk:contact:42");
        assert_eq!(
            (contact.role.as_str(), contact.name.as_deref()),
            ("user", Some("Anna Virtanen"))
        );
        assert_eq!(contact.email.as_deref(), Some("anna@example.com"));
        assert_eq!(contact.phone.as_deref(), Some("+358401234567"));
        assert_eq!(
            (contact.signed_up_at, contact.updated_at),
            (Some(1_705_312_800), Some(1_721_034_000))
        );
        assert_eq!(
            json!(contact.attributes),
            json!({
                "ld_address": "Katu 1", "ld_assigned_agent": "301", "ld_batch": "spring",
                "ld_calling_list": "901", "ld_campaign_tag__c": "ld_campaign_AUTUMN, ld_campaign_Spring 2024",
                "ld_city": "Helsinki", "ld_company": "Example Oy", "ld_company_id": "7",
                "ld_country": "Finland", "ld_created_at": 1_705_312_800, "ld_outcome__c": "Deal",
                "ld_phone_2": "+46701234567", "ld_phone_3": "+358501234567", "ld_postal_code": "00100",
                "ld_title": "CEO", "ld_updated_at": 1_721_034_000, "ld_vat_id": "FI12345678",
            })
        );
        let parts = json!(out.drafts()[1..]);
        assert_eq!(
            parts,
            json!([
                ["tag:ld_campaign_autumn", {"tag": "ld_campaign_AUTUMN"}],
                ["tag:ld_campaign_spring 2024", {"tag": "ld_campaign_Spring 2024"}],
                ["note:42", {"note": {
                    "body": "Likes <b>mornings</b>\nand tea\n\nLeadDesk contact 42",
                    "marker": "LeadDesk contact 42",
                }}],
            ])
        );
        assert!(out.notes().is_empty() && out.verdict().is_none());
        let seen = format!("{out:?}");
        assert!(seen.contains("500001"), "the last call is to be read");
        assert!(!seen.contains("irtanen") && !seen.contains("401234567"), "{seen}");
    }

    #[test]
    fn what_cannot_be_carried_is_noted() {
        for (contact, attributes, notes) in [
            (
                json!({"email": "anna(at)example.com", "phone": "0401234567"}),
                json!({"ld_invalid_email": "anna(at)example.com"}),
                vec!["invalid_email email"],
            ),
            (
                json!({"email": "a@example.com", "phone": "ask reception", "sec_phone": "12"}),
                json!({"ld_invalid_phone": "ask reception, 12"}),
                vec!["invalid_phone phone", "invalid_phone sec_phone"],
            ),
            (
                json!({"email": "a@example.com", "ssc": "010190-123A"}),
                json!({}),
                vec!["ssn_left_out ssc"],
            ),
            (
                json!({"email": "a@example.com", "last_reason": "17"}),
                json!({}),
                vec!["outcome_without_name last_reason"],
            ),
            (
                json!({"email": "a@example.com", "last_reason": "0", "created_at": "0000-00-00 00:00:00"}),
                json!({}),
                vec![],
            ),
            (
                json!({"email": "a@example.com", "other_info_ft": "A", "other_info_7": "x", "other_info_8": "",
                       "other_i_name_1": "Segment", "client_id": "9", "loyalty": 3, "empty": null}),
                json!({}),
                vec![
                    "field_for_review other_info_1",
                    "field_for_review other_info_7",
                    "field_for_review loyalty",
                ],
            ),
            (
                json!({"email": "a@example.com", "created_at": "2024-03-31 03:30:00", "updated_at": "2024-10-27 03:30:00"}),
                json!({"ld_created_at": 1_711_848_600, "ld_updated_at": 1_729_989_000}),
                vec!["time_in_gap created_at", "time_in_overlap updated_at"],
            ),
            (
                json!({"email": "a@example.com", "created_at": "03/04/2024"}),
                json!({}),
                vec!["invalid_time created_at"],
            ),
        ] {
            let mut contact = contact;
            contact["id"] = json!(1);
            let out = map("", contact.clone(), &[]);
            assert_eq!(noted(&out), notes, "{contact}");
            assert_eq!(json!(fields(&out).attributes), attributes, "{contact}");
        }
    }

    #[test]
    fn a_text_too_long_for_an_attribute_goes_into_the_note() {
        let long = "ä".repeat(256);
        let out = map(
            "",
            json!({"id": 1, "email": "a@example.com", "address": long, "comment": "Hi"}),
            &[],
        );
        assert_eq!(noted(&out), ["too_long address"]);
        assert!(fields(&out).attributes.is_empty());
        assert_eq!(
            json!(out.drafts()[1].1)["note"]["body"],
            format!("Hi\n\nld_address: {long}\n\nLeadDesk contact 1")
        );
    }

    #[test]
    fn a_very_long_comment_is_several_notes_each_with_its_marker() {
        let out = map(
            "",
            json!({"id": 1, "email": "a@example.com", "comment": "word ".repeat(3_000)}),
            &[],
        );
        let notes: Vec<_> =
            out.drafts()[1..].iter().map(|(part, _)| part.clone().unwrap()).collect();
        assert_eq!(notes, ["note:1", "note:1.2", "note:1.3"]);
        for (_, draft) in &out.drafts()[1..] {
            let ContactDraft::Note { body, marker } = draft else { panic!() };
            assert_eq!(body.lines().last(), Some(marker.as_str()));
        }
        let ContactDraft::Note { marker, .. } = &out.drafts()[2].1 else { panic!() };
        assert_eq!(marker, "LeadDesk contact 1 (2)");
    }

    #[test]
    fn nobody_can_be_without_address_and_number() {
        for contact in [
            json!({"id": 1}),
            json!({"id": 1, "email": "none", "phone": "-", "phonenumbers": [""]}),
        ] {
            let out = map("", contact, &[]);
            let Some(Verdict::Queued(reason)) = out.verdict() else { panic!("not queued") };
            assert_eq!(reason.code, "contacts_without_identifier");
            assert!(out.drafts().is_empty());
        }
    }

    #[test]
    fn identities_follow_the_setting() {
        let contact = json!({"id": 1, "email": "A@example.com", "phone": "0401234567"});
        let (email, phone) = (keys::email("a@example.com"), keys::phone("+358401234567"));
        for (setting, expected) in [
            ("email", vec![email]),
            ("email+name", vec![email]),
            ("email_or_phone", vec![email, phone]),
            ("none", vec![]),
        ] {
            let out = map(&format!("[contacts]\ndedupe = '{setting}'"), contact.clone(), &[]);
            let text = format!("{out:?}");
            let identities =
                &text[text.find("identities").unwrap()..text.find(", aliases").unwrap()];
            assert_eq!(identities, format!("identities: {expected:?}"), "{setting}");
            assert!(text.contains(&format!("aliases: [{phone:?}]")), "a number is always a name");
        }
    }

    /// The fields that have a decision of their own in [`ContactMapper`], besides [`TEXTS`].
    const DECIDED: &[&str] = &[
        "id",
        "fname",
        "lname",
        "ssc",
        "phone",
        "sec_phone",
        "thr_phone",
        "fourth_phone",
        "phonenumbers",
        "email",
        "comment",
        "last_reason",
        "last_call_id",
        "created_at",
        "updated_at",
    ];

    #[test]
    fn every_field_of_the_model_has_a_decision() {
        let contact: Contact = serde_json::from_value(json!({"id": 1})).unwrap();
        let known: Map<String, Value> =
            serde_json::from_value(serde_json::to_value(contact).unwrap()).unwrap();
        assert!(known.len() > 20, "the model serializes all its fields");
        for field in known.keys() {
            let decided =
                DECIDED.contains(&field.as_str()) || TEXTS.iter().any(|(it, ..)| it == field);
            assert!(decided, "contact.rs says nothing about the field {field}");
        }
    }

    #[test]
    fn every_text_reaches_its_attribute_and_the_schema_knows_it() {
        let schema: Vec<String> = crate::map::contact_attributes(&Names::default())
            .into_iter()
            .map(|it| it.name)
            .collect();
        for (field, _, name) in TEXTS {
            let mut contact = json!({"id": 1, "email": "a@example.com"});
            contact[*field] = json!("77");
            let out = map("", contact, &[]);
            let name = name(&Names::default()).to_owned();
            assert_eq!(json!(fields(&out).attributes), json!({(name.clone()): "77"}), "{field}");
            assert!(schema.contains(&name), "{name} is in no schema");
        }
    }
}
