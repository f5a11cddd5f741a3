//! `[names]`: every stable name that the migration gives to attributes and tags in Intercom.

use serde::{Deserialize, Serialize};

/// `[names]`: names of attributes, and beginnings of tag names. Each can be changed, but not between two runs of one
/// migration: what stands under the old name would not be found again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Names {
    /// Contacts and conversations: the dialler's result. Default `ld_disposition__c`.
    pub disposition: String,
    /// Contacts and conversations: the agent's choice. Default `ld_outcome__c`.
    pub outcome: String,
    /// Contacts and conversations: the campaign tags, joined. Default `ld_campaign_tag__c`.
    pub campaign_tag: String,

    /// Conversations: `in` or `out`. Default `ld_direction__c`.
    pub direction: String,
    /// Conversations: talk time in seconds. Default `ld_talk_time__c`.
    pub talk_time: String,
    /// Conversations: the agent. Default `ld_agent__c`.
    pub agent: String,
    /// Conversations: where the recording is. Default `ld_recording_url__c`.
    pub recording_url: String,
    /// Conversations: the key of the call in LeadDesk. Default `ld_source_key__c`.
    pub call_source_key: String,
    /// Conversations: a chat's intent. Default `ld_intent__c`.
    pub intent: String,
    /// Conversations: a chat's outcome. Default `ld_chatbot_outcome__c`.
    pub chatbot_outcome: String,

    /// Contacts: the key of a lead in LeadDesk. Default `ld_source_key`.
    pub source_key: String,
    /// Contacts: when LeadDesk made the record. Default `ld_created_at`.
    pub created_at: String,
    /// Contacts: when LeadDesk last changed it. Default `ld_updated_at`.
    pub updated_at: String,
    /// Contacts: the calling list. Default `ld_calling_list`.
    pub calling_list: String,
    /// Contacts: the company's name. Default `ld_company`.
    pub company: String,
    /// Contacts: the street address. Default `ld_address`.
    pub address: String,
    /// Contacts: the postal code. Default `ld_postal_code`.
    pub postal_code: String,
    /// Contacts: the city. Default `ld_city`.
    pub city: String,
    /// Contacts: the country. Default `ld_country`.
    pub country: String,
    /// Contacts: the title. Default `ld_title`.
    pub title: String,
    /// Contacts: an e-mail address that is none. Default `ld_invalid_email`.
    pub invalid_email: String,
    /// Contacts: phone numbers that are none. Default `ld_invalid_phone`.
    pub invalid_phone: String,
    /// Contacts: an e-mail address that another contact has. Default `ld_shared_email`.
    pub shared_email: String,
    /// Contacts: the company's id in LeadDesk. Default `ld_company_id`.
    pub company_id: String,
    /// Contacts: the company's VAT number. Default `ld_vat_id`.
    pub vat_id: String,
    /// Contacts: the gender. Default `ld_gender`.
    pub gender: String,
    /// Contacts: the year of birth. Default `ld_year_of_birth`.
    pub year_of_birth: String,
    /// Contacts: the website. Default `ld_website`.
    pub website: String,
    /// Contacts: the fax number. Default `ld_fax`.
    pub fax: String,
    /// Contacts: the import batch. Default `ld_batch`.
    pub batch: String,
    /// Contacts: the id of the agent whom the contact was assigned to. Default `ld_assigned_agent`.
    pub assigned_agent: String,
    /// Contacts: whether a number is on the blacklist. Default `ld_blacklisted`.
    pub blacklisted: String,
    /// Contacts: the social security number, where `contacts.ssn` asks for it. Default `ld_ssn`.
    pub ssn: String,
    /// Contacts: the office. Default `ld_office`.
    pub office: String,
    /// Contacts: the office's time zone. Default `ld_office_timezone__c`.
    pub office_timezone: String,
    /// Contacts: the sponsor. Default `ld_sponsor`.
    pub sponsor: String,
    /// Contacts and leads: the status of a lead. Default `ld_lead_status`.
    pub lead_status: String,
    /// Contacts: further phone numbers, followed by 2, 3 and so on. Default `ld_phone_`. See [`Names::phone`].
    pub phone_prefix: String,

    /// Tags: before the name of a campaign. Default `ld_campaign_`.
    pub campaign_prefix: String,
    /// Tags: before the name of a result. Default `ld_disposition_`.
    pub disposition_prefix: String,
    /// Tags: before the name of an outcome. Default `ld_outcome_`.
    pub outcome_prefix: String,
}

/// The last attribute of a further phone number.
pub(crate) const LAST_PHONE: usize = 6;

impl Names {
    /// The attribute for a contact's further phone number; the first of them is number 2.
    #[must_use]
    pub fn phone(&self, number: usize) -> String {
        format!("{}{number}", self.phone_prefix)
    }

    /// The attributes of all further phone numbers, in order. The last holds whatever is left, joined by `, `.
    pub fn phones(&self) -> impl Iterator<Item = String> {
        (2..=LAST_PHONE).map(move |number| self.phone(number))
    }

    /// The attributes of contacts, each with its key in `[names]`; those of phone numbers by their beginning.
    #[must_use]
    pub fn contact_attributes(&self) -> Vec<(&'static str, &str)> {
        let mut all = self.shared_attributes();
        all.extend([
            ("source_key", &*self.source_key),
            ("created_at", &self.created_at),
            ("updated_at", &self.updated_at),
            ("calling_list", &self.calling_list),
            ("company", &self.company),
            ("address", &self.address),
            ("postal_code", &self.postal_code),
            ("city", &self.city),
            ("country", &self.country),
            ("title", &self.title),
            ("invalid_email", &self.invalid_email),
            ("invalid_phone", &self.invalid_phone),
            ("shared_email", &self.shared_email),
            ("company_id", &self.company_id),
            ("vat_id", &self.vat_id),
            ("gender", &self.gender),
            ("year_of_birth", &self.year_of_birth),
            ("website", &self.website),
            ("fax", &self.fax),
            ("batch", &self.batch),
            ("assigned_agent", &self.assigned_agent),
            ("blacklisted", &self.blacklisted),
            ("ssn", &self.ssn),
            ("office", &self.office),
            ("office_timezone", &self.office_timezone),
            ("sponsor", &self.sponsor),
            ("lead_status", &self.lead_status),
            ("phone_prefix", &self.phone_prefix),
        ]);
        all
    }

    /// The attributes of conversations, each with its key in `[names]`.
    #[must_use]
    pub fn conversation_attributes(&self) -> Vec<(&'static str, &str)> {
        let mut all = self.shared_attributes();
        all.extend([
            ("direction", &*self.direction),
            ("talk_time", &self.talk_time),
            ("agent", &self.agent),
            ("recording_url", &self.recording_url),
            ("call_source_key", &self.call_source_key),
            ("intent", &self.intent),
            ("chatbot_outcome", &self.chatbot_outcome),
        ]);
        all
    }

    /// The beginnings of tag names, each with its key in `[names]`.
    #[must_use]
    pub fn tag_prefixes(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("campaign_prefix", &self.campaign_prefix),
            ("disposition_prefix", &self.disposition_prefix),
            ("outcome_prefix", &self.outcome_prefix),
        ]
    }

    /// The key in `[names]` that has this name as its value.
    pub(crate) fn key_of(&self, name: &str) -> Option<&'static str> {
        let attributes = [self.contact_attributes(), self.conversation_attributes()];
        let mut all = attributes.into_iter().flatten().chain(self.tag_prefixes());
        all.find(|(_, it)| *it == name).map(|(key, _)| key)
    }

    fn shared_attributes(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("disposition", &self.disposition),
            ("outcome", &self.outcome),
            ("campaign_tag", &self.campaign_tag),
        ]
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            disposition: "ld_disposition__c".into(),
            outcome: "ld_outcome__c".into(),
            campaign_tag: "ld_campaign_tag__c".into(),
            direction: "ld_direction__c".into(),
            talk_time: "ld_talk_time__c".into(),
            agent: "ld_agent__c".into(),
            recording_url: "ld_recording_url__c".into(),
            call_source_key: "ld_source_key__c".into(),
            intent: "ld_intent__c".into(),
            chatbot_outcome: "ld_chatbot_outcome__c".into(),
            source_key: "ld_source_key".into(),
            created_at: "ld_created_at".into(),
            updated_at: "ld_updated_at".into(),
            calling_list: "ld_calling_list".into(),
            company: "ld_company".into(),
            address: "ld_address".into(),
            postal_code: "ld_postal_code".into(),
            city: "ld_city".into(),
            country: "ld_country".into(),
            title: "ld_title".into(),
            invalid_email: "ld_invalid_email".into(),
            invalid_phone: "ld_invalid_phone".into(),
            shared_email: "ld_shared_email".into(),
            company_id: "ld_company_id".into(),
            vat_id: "ld_vat_id".into(),
            gender: "ld_gender".into(),
            year_of_birth: "ld_year_of_birth".into(),
            website: "ld_website".into(),
            fax: "ld_fax".into(),
            batch: "ld_batch".into(),
            assigned_agent: "ld_assigned_agent".into(),
            blacklisted: "ld_blacklisted".into(),
            ssn: "ld_ssn".into(),
            office: "ld_office".into(),
            office_timezone: "ld_office_timezone__c".into(),
            sponsor: "ld_sponsor".into(),
            lead_status: "ld_lead_status".into(),
            phone_prefix: "ld_phone_".into(),
            campaign_prefix: "ld_campaign_".into(),
            disposition_prefix: "ld_disposition_".into(),
            outcome_prefix: "ld_outcome_".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Names are a promise to those who build on them in Intercom: spelled out once more, so that none changes by
    /// accident.
    #[test]
    fn defaults_are_stable() {
        let expected = r#"
            disposition = "ld_disposition__c"
            outcome = "ld_outcome__c"
            campaign_tag = "ld_campaign_tag__c"
            direction = "ld_direction__c"
            talk_time = "ld_talk_time__c"
            agent = "ld_agent__c"
            recording_url = "ld_recording_url__c"
            call_source_key = "ld_source_key__c"
            intent = "ld_intent__c"
            chatbot_outcome = "ld_chatbot_outcome__c"
            source_key = "ld_source_key"
            created_at = "ld_created_at"
            updated_at = "ld_updated_at"
            calling_list = "ld_calling_list"
            company = "ld_company"
            address = "ld_address"
            postal_code = "ld_postal_code"
            city = "ld_city"
            country = "ld_country"
            title = "ld_title"
            invalid_email = "ld_invalid_email"
            invalid_phone = "ld_invalid_phone"
            shared_email = "ld_shared_email"
            company_id = "ld_company_id"
            vat_id = "ld_vat_id"
            gender = "ld_gender"
            year_of_birth = "ld_year_of_birth"
            website = "ld_website"
            fax = "ld_fax"
            batch = "ld_batch"
            assigned_agent = "ld_assigned_agent"
            blacklisted = "ld_blacklisted"
            ssn = "ld_ssn"
            office = "ld_office"
            office_timezone = "ld_office_timezone__c"
            sponsor = "ld_sponsor"
            lead_status = "ld_lead_status"
            phone_prefix = "ld_phone_"
            campaign_prefix = "ld_campaign_"
            disposition_prefix = "ld_disposition_"
            outcome_prefix = "ld_outcome_"
        "#;
        let expected: BTreeMap<String, String> = toml::from_str(expected).unwrap();
        let actual = toml::to_string(&Names::default()).unwrap();
        assert_eq!(toml::from_str::<BTreeMap<String, String>>(&actual).unwrap(), expected);
        assert_eq!(Names::default().phone(2), "ld_phone_2");
    }

    #[test]
    fn every_name_is_listed_by_its_key() {
        let names = Names::default();
        let all: BTreeMap<String, String> =
            toml::from_str(&toml::to_string(&names).unwrap()).unwrap();
        let lists =
            [names.contact_attributes(), names.conversation_attributes(), names.tag_prefixes()];
        let listed: BTreeMap<String, String> = lists
            .into_iter()
            .flatten()
            .map(|(key, name)| (key.to_owned(), name.to_owned()))
            .collect();
        assert_eq!(listed, all);
    }
}
