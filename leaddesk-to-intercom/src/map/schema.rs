//! What has to be in the workspace before the first contact: attributes and tags.

use migrate_core::{Emit, Key, Mapper, Record};

use super::numbers::Numbers;
use crate::config::{Config, Names};
use crate::draft::{AttributeDefinition, SchemaDraft};
use crate::fields::FieldMapping;
use crate::value::TagName;

/// The records of stage `schema`: the attributes of contacts, those of custom fields included, and of
/// conversations, those of chats where there is a chatbot's export, and these tags. Tags whose names fall
/// together are one record.
pub fn schema<'a>(
    config: &Config,
    fields: &FieldMapping,
    tags: impl IntoIterator<Item = &'a str>,
) -> Vec<Record<SchemaDraft>> {
    let names = &config.names;
    let ssn = AttributeDefinition::new(&names.ssn, STRING, "Social security number in LeadDesk");
    let ssn = config.contacts.ssn.then_some(ssn);
    let contact = contact_attributes(names).into_iter().chain(ssn).chain(fields.attributes());
    let contact = contact.map(contact_attribute);
    let of_chats = config.source.chatbot.as_ref().map(|_| chat_attributes(names));
    let conversation = conversation_attributes(names).into_iter();
    let conversation = conversation.chain(of_chats.into_iter().flatten()).map(|definition| {
        let key = Key::new("attribute", format_args!("conversation.{}", definition.name));
        Record::new(key, SchemaDraft::ConversationAttribute(definition))
    });
    let mut records: Vec<_> = contact.chain(conversation).collect();
    let first_tag = records.len();
    for tag in tags.into_iter().filter_map(|name| TagName::new("", name)) {
        let key = Key::new("tag", tag.key());
        if records[first_tag..].iter().all(|record| record.key != key) {
            records.push(Record::new(key, SchemaDraft::Tag(tag.as_str().to_owned())));
        }
    }
    records
}

/// The record of stage `schema` for an attribute of contacts.
pub(crate) fn contact_attribute(definition: AttributeDefinition) -> Record<SchemaDraft> {
    let key = Key::new("attribute", format_args!("contact.{}", definition.name));
    Record::new(key, SchemaDraft::ContactAttribute(definition))
}

/// The custom attributes that contacts are given.
pub fn contact_attributes(names: &Names) -> Vec<AttributeDefinition> {
    let mut attributes: Vec<_> = [
        (&names.outcome, STRING, "Outcome of the last call in LeadDesk"),
        (&names.disposition, STRING, "Result of the last call in LeadDesk, by the dialler"),
        (
            &names.campaign_tag,
            STRING,
            "Tags of the LeadDesk campaigns that called this contact, as far as they are known",
        ),
        (&names.created_at, DATE, "When the contact was made in LeadDesk"),
        (&names.updated_at, DATE, "When the contact was last changed in LeadDesk"),
        (&names.calling_list, STRING, "Id of the calling list in LeadDesk"),
        (&names.batch, STRING, "Import batch in LeadDesk"),
        (
            &names.assigned_agent,
            STRING,
            "Id of the agent whom the contact was assigned to in LeadDesk",
        ),
        (&names.company, STRING, "Company in LeadDesk"),
        (&names.company_id, STRING, "Id of the company in LeadDesk"),
        (&names.vat_id, STRING, "VAT number in LeadDesk"),
        (&names.address, STRING, "Street address in LeadDesk"),
        (&names.postal_code, STRING, "Postal code in LeadDesk"),
        (&names.city, STRING, "City in LeadDesk"),
        (&names.country, STRING, "Country in LeadDesk"),
        (&names.title, STRING, "Title in LeadDesk"),
        (&names.gender, STRING, "Gender in LeadDesk"),
        (&names.year_of_birth, STRING, "Year of birth in LeadDesk"),
        (&names.website, STRING, "Website in LeadDesk"),
        (&names.fax, STRING, "Fax number in LeadDesk"),
        (&names.invalid_email, STRING, "What LeadDesk held as e-mail address and is none"),
        (&names.invalid_phone, STRING, "What LeadDesk held as phone numbers and are none"),
        (&names.office, STRING, "Office that the contact was assigned to in LeadDesk"),
        (&names.office_timezone, STRING, "Time zone of the office in LeadDesk"),
        (&names.blacklisted, BOOLEAN, "Whether a number of the contact is on LeadDesk's blacklist"),
        (&names.sponsor, STRING, "Sponsor that the contact was assigned to in LeadDesk"),
        (&names.lead_status, STRING, "Status of the lead in LeadDesk"),
        (&names.source_key, STRING, "Key of the lead in LeadDesk"),
        (&names.shared_email, STRING, "E-mail address that another contact uses as well"),
    ]
    .map(|(name, data_type, description)| AttributeDefinition::new(name, data_type, description))
    .into();
    let phones = Numbers::new(names);
    attributes.extend(
        phones
            .names()
            .map(|name| AttributeDefinition::new(name, STRING, "Further phone number in LeadDesk")),
    );
    attributes
}

/// The custom attributes that conversations of calls are given.
pub fn conversation_attributes(names: &Names) -> Vec<AttributeDefinition> {
    [
        (&names.outcome, STRING, "Outcome of the call in LeadDesk, chosen by the agent"),
        (&names.disposition, STRING, "Result of the call in LeadDesk, by the dialler"),
        (&names.campaign_tag, STRING, "Tag of the LeadDesk campaign"),
        (&names.direction, STRING, "Direction of the call: in or out"),
        (&names.talk_time, INTEGER, "Talk time in seconds"),
        (&names.agent, STRING, "User name of the agent in LeadDesk"),
        (&names.recording_url, STRING, "Address of the recording"),
        (&names.call_source_key, STRING, "Key of the call in LeadDesk"),
    ]
    .map(|(name, data_type, description)| AttributeDefinition::new(name, data_type, description))
    .into()
}

/// The custom attributes that conversations of chats are given besides.
pub fn chat_attributes(names: &Names) -> Vec<AttributeDefinition> {
    [
        (&names.intent, STRING, "Intents that answered in the chatbot"),
        (&names.chatbot_outcome, STRING, "Outcome of the chat, as the chatbot tells it"),
    ]
    .map(|(name, data_type, description)| AttributeDefinition::new(name, data_type, description))
    .into()
}

const STRING: &str = "string";
const INTEGER: &str = "integer";
const BOOLEAN: &str = "boolean";
const DATE: &str = "date";

/// Hands the records of stage `schema` on as they are.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SchemaMapper;

impl Mapper<SchemaDraft> for SchemaMapper {
    type Out = SchemaDraft;

    fn map(&self, record: Record<SchemaDraft>, out: &mut Emit<SchemaDraft>) {
        out.push(record.body);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::map::testing::config;

    #[test]
    fn chats_have_attributes_where_there_are_any() {
        let keys = |lines: &str| -> Vec<String> {
            let records = schema(&config(lines), &FieldMapping::default(), []);
            records.iter().map(|record| record.key.to_string()).collect()
        };
        let intent = "attribute:conversation.ld_intent__c".to_owned();
        assert!(keys("[source.chatbot]\nzip = 'c.zip'").contains(&intent));
        assert!(!keys("").contains(&intent));
    }

    #[test]
    fn keys_name_the_object_and_tags_fall_together_without_case() {
        let records = schema(
            &config("[contacts]\nssn = true"),
            &FieldMapping::default(),
            ["ld_campaign_Kevät", "LD_CAMPAIGN_KEVÄT", " \n", "vip"],
        );
        let keys: Vec<&str> = records.iter().map(|record| record.key.as_str()).collect();
        assert!(keys.contains(&"attribute:contact.ld_created_at"));
        assert!(keys.contains(&"attribute:contact.ld_phone_2"));
        assert!(keys.contains(&"attribute:contact.ld_ssn"), "it was asked for");
        assert!(keys.contains(&"attribute:conversation.ld_talk_time__c"));
        assert_eq!(keys[keys.len() - 2..], ["tag:ld_campaign_kevät", "tag:vip"]);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "no key twice");
        assert_eq!(records[records.len() - 2].body, SchemaDraft::Tag("ld_campaign_Kevät".into()));
    }

    #[test]
    fn the_mapper_hands_them_on() {
        let ssn = Key::new("attribute", "contact.ld_ssn");
        for record in schema(&config(""), &FieldMapping::default(), ["vip"]) {
            assert_ne!(record.key, ssn, "nobody asked for it");
            let mut out = Emit::default();
            SchemaMapper.map(record.clone(), &mut out);
            assert_eq!(out.drafts(), [(None, record.body)]);
        }
    }
}
