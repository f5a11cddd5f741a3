//! The objects of LeadDesk, the same from both APIs and from files.

mod rows;
mod scalar;

use desk_client_core::lenient;
use serde::{Deserialize, Serialize};

pub use desk_client_core::Personal;
pub(crate) use scalar::personal;
pub use scalar::{
    AgentId, CallId, CallingListId, CampaignId, ContactId, Extra, LocalTime, PersonalText,
};
use scalar::{optional_id, personal_list, text_list};

/// A contact: one person in one calling list. The same person in two lists is two contacts.
///
/// Seen in third-party code (`contact get`); the field names are those of the reply. All of them can be missing but the
/// id. Consent, blacklisting and finalising have no field here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Contact {
    /// Id of the contact.
    pub id: ContactId,
    /// First name.
    #[serde(default, deserialize_with = "personal")]
    pub fname: PersonalText,
    /// Last name.
    #[serde(default, deserialize_with = "personal")]
    pub lname: PersonalText,
    /// Title.
    #[serde(default, deserialize_with = "personal")]
    pub title: PersonalText,
    /// Gender, as sent.
    #[serde(default, deserialize_with = "personal")]
    pub gender: PersonalText,
    /// Social security number.
    #[serde(default, deserialize_with = "personal")]
    pub ssc: PersonalText,
    /// Year of birth, as sent.
    #[serde(default, deserialize_with = "personal")]
    pub year_of_birth: PersonalText,
    /// Business id of the company.
    #[serde(default, deserialize_with = "personal")]
    pub vatin: PersonalText,
    /// Probably the company's name (unverified), and no assignment to an office of the account.
    #[serde(default, deserialize_with = "personal")]
    pub office: PersonalText,
    /// First number.
    #[serde(default, deserialize_with = "personal")]
    pub phone: PersonalText,
    /// Second number.
    #[serde(default, deserialize_with = "personal")]
    pub sec_phone: PersonalText,
    /// Third number.
    #[serde(default, deserialize_with = "personal")]
    pub thr_phone: PersonalText,
    /// Fourth number.
    #[serde(default, deserialize_with = "personal")]
    pub fourth_phone: PersonalText,
    /// Fax number.
    #[serde(default, deserialize_with = "personal")]
    pub fax: PersonalText,
    /// All numbers; sent as `phonenumbers` or `phone_numbers`.
    #[serde(default, alias = "phone_numbers", deserialize_with = "personal_list")]
    pub phonenumbers: Vec<Personal<String>>,
    /// Street address.
    #[serde(default, deserialize_with = "personal")]
    pub address: PersonalText,
    /// Postal code.
    #[serde(default, deserialize_with = "personal")]
    pub postal: PersonalText,
    /// City.
    #[serde(default, deserialize_with = "personal")]
    pub city: PersonalText,
    /// Country, as sent.
    #[serde(default, deserialize_with = "personal")]
    pub country: PersonalText,
    /// E-mail address.
    #[serde(default, deserialize_with = "personal")]
    pub email: PersonalText,
    /// Web page.
    #[serde(default, deserialize_with = "personal")]
    pub www: PersonalText,
    /// Free text of the agents.
    #[serde(default, deserialize_with = "personal")]
    pub comment: PersonalText,
    /// The calling list that the contact stands in.
    #[serde(default, deserialize_with = "optional_id")]
    pub calling_list_id: Option<CallingListId>,
    /// Name of the import batch.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub batch_name: Option<String>,
    /// The agent whom the contact is assigned to.
    #[serde(default, deserialize_with = "optional_id")]
    pub assigned_agent_id: Option<AgentId>,
    /// Outcome of the last call; whether id or name is unverified.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub last_reason: Option<String>,
    /// The last call.
    #[serde(default, deserialize_with = "optional_id")]
    pub last_call_id: Option<CallId>,
    /// When the contact was created, without a zone.
    #[serde(default)]
    pub created_at: LocalTime,
    /// When the contact was last changed, without a zone.
    #[serde(default)]
    pub updated_at: LocalTime,
    /// Everything else, with the "other info" slots.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How many "other info" slots a contact has.
pub const OTHER_INFO_SLOTS: u8 = 35;

impl Contact {
    /// Value of "other info" slot 1 to 35, if it is filled. What a slot means is set per project.
    #[must_use]
    pub fn other_info(&self, slot: u8) -> PersonalText {
        self.slot(&other_info_key(slot)?)
    }

    /// The label that was sent with an "other info" slot. Whether it is the project's label is unverified.
    #[must_use]
    pub fn other_info_label(&self, slot: u8) -> Option<String> {
        (1..=OTHER_INFO_SLOTS)
            .contains(&slot)
            .then(|| self.slot(&format!("other_i_name_{slot}")))?
            .map(Personal::into_inner)
    }

    /// All numbers, each once, in the order in which they are sent.
    #[must_use]
    pub fn phones(&self) -> Vec<&Personal<String>> {
        let single = [&self.phone, &self.sec_phone, &self.thr_phone, &self.fourth_phone];
        let mut phones: Vec<&Personal<String>> = Vec::new();
        for phone in single.into_iter().flatten().chain(&self.phonenumbers) {
            if !phones.contains(&phone) {
                phones.push(phone);
            }
        }
        phones
    }

    fn slot(&self, key: &str) -> PersonalText {
        let value = self.extra.reveal().get(key)?;
        lenient::optional_text(value).ok().flatten().map(Personal::new)
    }
}

/// The key of an "other info" slot, 1 to 35, in `contact get`: the first three are spelt out. Seen in
/// third-party code; `None` for any other number.
#[must_use]
pub fn other_info_key(slot: u8) -> Option<String> {
    match slot {
        1 => Some("other_info_ft".to_owned()),
        2 => Some("other_info_sec".to_owned()),
        3 => Some("other_info_thir".to_owned()),
        4..=OTHER_INFO_SLOTS => Some(format!("other_info_{slot}")),
        _ => None,
    }
}

/// A call.
///
/// Seen in third-party code (`call get`); the vendor's page on calls could not be read, so the ways to say "nothing" and
/// the shape of incoming calls are unverified. All fields can be missing but the id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Call {
    /// Id of the call.
    pub id: CallId,
    /// Who handled it.
    #[serde(default, deserialize_with = "optional_id")]
    pub agent_id: Option<AgentId>,
    /// Login name of the agent.
    #[serde(default, deserialize_with = "personal")]
    pub agent_username: PersonalText,
    /// The agent's group.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub agent_group_id: Option<String>,
    /// Name of the agent's group.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub agent_group_name: Option<String>,
    /// Talk time in seconds.
    #[serde(default, deserialize_with = "lenient::optional_integer")]
    pub talk_time: Option<i64>,
    /// When talking began, without a zone.
    #[serde(default)]
    pub talk_start: LocalTime,
    /// When talking ended, without a zone.
    #[serde(default)]
    pub talk_end: LocalTime,
    /// When the agent had finished with the call, without a zone.
    #[serde(default)]
    pub handling_stop: LocalTime,
    /// When the call was recorded, without a zone.
    #[serde(default)]
    pub created_at: LocalTime,
    /// The other side's number.
    #[serde(default, deserialize_with = "personal")]
    pub number: PersonalText,
    /// The campaign (project).
    #[serde(default, deserialize_with = "optional_id")]
    pub campaign: Option<CampaignId>,
    /// Name of the campaign.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub campaign_name: Option<String>,
    /// File name of the recording; no URL.
    #[serde(default, deserialize_with = "personal")]
    pub record_file: PersonalText,
    /// Row of the phone number. It is not the person: that is `contact_id`.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub customer_id: Option<String>,
    /// The contact.
    #[serde(default, deserialize_with = "optional_id")]
    pub contact_id: Option<ContactId>,
    /// The agent's note.
    #[serde(default, deserialize_with = "personal")]
    pub comment: PersonalText,
    /// Id of the outcome.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub call_ending_reason: Option<String>,
    /// Name of the outcome.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub call_ending_reason_name: Option<String>,
    /// `in` or `out`.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub direction: Option<String>,
    /// Kind of the call; the values are not documented.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub call_type: Option<String>,
    /// Name of the kind, such as `semi`.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub call_type_name: Option<String>,
    /// Orders made on the call.
    #[serde(default, deserialize_with = "text_list")]
    pub order_ids: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Call {
    /// A call of which nothing but its id is known, to be filled from a source that has no `call get`.
    #[must_use]
    pub fn new(id: CallId) -> Self {
        Self {
            id,
            agent_id: None,
            agent_username: None,
            agent_group_id: None,
            agent_group_name: None,
            talk_time: None,
            talk_start: LocalTime::default(),
            talk_end: LocalTime::default(),
            handling_stop: LocalTime::default(),
            created_at: LocalTime::default(),
            number: None,
            campaign: None,
            campaign_name: None,
            record_file: None,
            customer_id: None,
            contact_id: None,
            comment: None,
            call_ending_reason: None,
            call_ending_reason_name: None,
            direction: None,
            call_type: None,
            call_type_name: None,
            order_ids: Vec::new(),
            extra: Personal::new(serde_json::Map::new()),
        }
    }
}

/// A calling list. Id and name are seen in third-party code; its other keys are not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallingList {
    /// Id of the list.
    pub id: CallingListId,
    /// Name of the list.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A user (agent), as the REST API gives it. Seen in third-party code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Id of the user; very likely the agent id of the Original API, which is unverified.
    pub id: AgentId,
    /// Name.
    #[serde(default, deserialize_with = "personal")]
    pub name: PersonalText,
    /// Login name.
    #[serde(default, deserialize_with = "personal")]
    pub username: PersonalText,
    /// `active` or `inactive`.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub employment: Option<String>,
    /// Office, by name.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub office: Option<String>,
    /// Role; the screens know Admin, Manager, Teamleader, Agent and Sponsor, the API's spelling is unverified.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub role: Option<String>,
    /// E-mail address.
    #[serde(default, alias = "email", deserialize_with = "personal")]
    pub primary_email: PersonalText,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A campaign (project), as the REST API gives it. Seen in third-party code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Campaign {
    /// Id of the campaign.
    pub id: CampaignId,
    /// Name of the campaign.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub name: Option<String>,
    /// Kind of the campaign; the values are not documented.
    #[serde(default, rename = "type", deserialize_with = "lenient::optional_text")]
    pub kind: Option<String>,
    /// Whether it is switched off.
    #[serde(default, deserialize_with = "lenient::optional_flag")]
    pub disabled: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A row of a calling list's export: one phone number of one contact. Seen in third-party code; the file has no header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListRow {
    /// The contact.
    pub contact_id: ContactId,
    /// The number.
    pub phone: PersonalText,
    /// First name.
    pub fname: PersonalText,
    /// Last name.
    pub lname: PersonalText,
    /// Street address.
    pub address: PersonalText,
    /// Postal code.
    pub postal: PersonalText,
    /// City.
    pub city: PersonalText,
    /// The finalised flag as sent; its values are unverified.
    pub finalised: Option<String>,
    /// When the contact was last changed, without a zone.
    pub contact_updated_at: LocalTime,
    /// When the number was last changed, without a zone.
    pub phone_updated_at: LocalTime,
    /// When the number was last called, without a zone.
    pub last_call_at: LocalTime,
    /// Name of the last call's result.
    pub last_result: Option<String>,
    /// Name of the last call's campaign.
    pub last_campaign: Option<String>,
    /// Name of the last call's agent.
    pub last_agent: PersonalText,
}

/// Columns of a calling list's export.
pub(crate) const LIST_COLUMNS: usize = 14;

impl ListRow {
    /// A row from its fields; `None` unless there are 14 and the first holds an id.
    pub(crate) fn from_fields(fields: &[String]) -> Option<Self> {
        let [
            id,
            phone,
            fname,
            lname,
            address,
            postal,
            city,
            finalised,
            changed,
            number_changed,
            called,
            result,
            campaign,
            agent,
        ] = fields
        else {
            return None;
        };
        let text = |field: &String| Some(field.trim().to_owned()).filter(|text| !text.is_empty());
        let person = |field: &String| text(field).map(Personal::new);
        Some(Self {
            contact_id: text(id).map(ContactId::new)?,
            phone: person(phone),
            fname: person(fname),
            lname: person(lname),
            address: person(address),
            postal: person(postal),
            city: person(city),
            finalised: text(finalised),
            contact_updated_at: LocalTime::new(changed),
            phone_updated_at: LocalTime::new(number_changed),
            last_call_at: LocalTime::new(called),
            last_result: text(result),
            last_campaign: text(campaign),
            last_agent: person(agent),
        })
    }
}
