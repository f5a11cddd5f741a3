//! The source side: one LeadDesk account as plain data.
//!
//! Everything is synthetic. The values are kept as LeadDesk would send them (text, local times without
//! a zone, `null` and `""` apart), so that a test can compare a destination with what was really offered.

mod calls;
mod chatbot;
mod chats;
mod export;
mod generate;
mod index;
mod people;
mod rng;
mod spec;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde::Serialize;

pub use chatbot::ChatbotExport;
pub(crate) use index::{AccountIndex, comparable};
pub(crate) use rng::Rng;
pub use spec::AccountSpec;

/// The `created_at` and similar values LeadDesk-like systems leave in rows that never had a time.
pub const ZERO_TIME: &str = "0000-00-00 00:00:00";

/// A LeadDesk account, and what the Intercom workspace already knows of its people.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Account {
    /// The contacts, by ascending id.
    pub contacts: Vec<SourceContact>,
    /// The calls, by ascending id; ids have holes.
    pub calls: Vec<SourceCall>,
    /// The sessions of the chatbot, by time.
    pub chats: Vec<SourceChat>,
    /// The agents, by ascending id.
    pub agents: Vec<SourceAgent>,
    /// The campaigns, by ascending id.
    pub campaigns: Vec<SourceCampaign>,
    /// The calling lists, by ascending id.
    pub lists: Vec<SourceList>,
    /// People whom the Intercom workspace knows before anything is migrated.
    pub existing: Vec<ExistingContact>,
    /// Zone of all times of the account.
    pub time_zone: Tz,
    /// Two-letter country of phone numbers without a prefix.
    pub default_country: String,
    /// The account number, as REST's token request wants it.
    pub account_id: String,
}

/// A contact as `contact get` gives it. `None` is sent as `null`, `Some("")` as `""`.
#[derive(Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are LeadDesk's, under LeadDesk's names")]
pub struct SourceContact {
    pub id: u64,
    pub calling_list_id: u64,
    pub batch_name: Option<String>,
    pub fname: Option<String>,
    pub lname: Option<String>,
    pub title: Option<String>,
    pub gender: Option<String>,
    pub ssc: Option<String>,
    pub year_of_birth: Option<String>,
    pub company_id: Option<u64>,
    /// Probably the company's name.
    pub office: Option<String>,
    pub vatin: Option<String>,
    /// All numbers in order; the first four are also `phone`, `sec_phone`, `thr_phone`, `fourth_phone`.
    pub phonenumbers: Vec<String>,
    pub address: Option<String>,
    pub postal: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
    pub email: Option<String>,
    pub www: Option<String>,
    pub comment: Option<String>,
    /// Slot (1–35) to label and value.
    pub other_info: BTreeMap<u8, OtherInfo>,
    pub assigned_agent_id: Option<u64>,
    /// Name of the last outcome.
    pub last_reason: Option<String>,
    pub last_call_id: Option<u64>,
    /// The dialler's result of the last call (only in the list export), which is not the outcome.
    pub last_result: Option<String>,
    /// Local time without a zone.
    pub created_at: Option<String>,
    /// Local time without a zone.
    pub updated_at: Option<String>,
    /// Whether the list is done with the contact (only in the list export).
    pub finalised: bool,
}

/// One of the 35 free slots of a contact.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct OtherInfo {
    /// `other_i_name_N`.
    pub label: String,
    /// `other_info_N`.
    pub value: String,
}

/// A call as `call get` gives it. `None` is sent as `null`.
#[derive(Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are LeadDesk's, under LeadDesk's names")]
pub struct SourceCall {
    pub id: u64,
    pub agent_id: Option<u64>,
    pub agent_username: Option<String>,
    pub agent_group_id: Option<u64>,
    pub agent_group_name: Option<String>,
    /// Seconds.
    pub talk_time: u32,
    /// Local time without a zone.
    pub talk_start: Option<String>,
    /// Local time without a zone.
    pub talk_end: Option<String>,
    /// Local time without a zone.
    pub handling_stop: Option<String>,
    /// Local time without a zone.
    pub created_at: Option<String>,
    pub number: Option<String>,
    pub campaign: Option<u64>,
    pub campaign_name: Option<String>,
    pub record_file: Option<String>,
    /// Row of the number, not of the person.
    pub customer_id: Option<u64>,
    pub contact_id: Option<u64>,
    pub comment: Option<String>,
    pub call_ending_reason: Option<u64>,
    pub call_ending_reason_name: Option<String>,
    /// `out` or `in`.
    pub direction: String,
    pub call_type: Option<u64>,
    pub call_type_name: Option<String>,
    pub order_ids: Vec<u64>,
}

/// A session of the chatbot, as its export gives it.
#[derive(Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SourceChat {
    /// Its id.
    pub id: String,
    /// Local time without a zone.
    pub started_at: String,
    /// Local time without a zone.
    pub ended_at: String,
    /// How long it took, by the clock on the wall.
    pub seconds: i64,
    /// The visitor's address, where one was given.
    pub email: Option<String>,
    /// The visitor's number, where one was given.
    pub phone: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The campaign that led to it.
    pub campaign: Option<String>,
    /// The visitor's grade, 0 to 10.
    pub feedback_score: Option<u8>,
    /// The visitor's feedback in words.
    pub feedback_text: Option<String>,
    /// Its language.
    pub language: Option<String>,
    /// The agent who took over.
    pub agent_id: Option<u64>,
    /// Local time without a zone.
    pub transferred_at: Option<String>,
    /// What was said, in order.
    pub turns: Vec<SourceTurn>,
}

/// A question with its answer, either of which may be absent.
#[derive(Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SourceTurn {
    /// Its number in the session.
    pub index: u32,
    /// Local time without a zone.
    pub at: String,
    #[serde(skip)]
    pub(crate) said_at: chrono::NaiveDateTime,
    /// What the visitor said; none where it has been anonymised.
    pub question: Option<String>,
    /// What was answered. The bot's answers may hold HTML.
    pub answer: Option<String>,
    /// The intent that answered.
    pub state: String,
    /// `STARCHAT`, or `HUMAN_REPLY` where a person answered.
    pub agent: String,
    /// Whether the visitor clicked a button.
    pub clicked: bool,
}

/// An agent, as REST's `/users` gives it.
#[derive(Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are LeadDesk's, under LeadDesk's names")]
pub struct SourceAgent {
    pub id: u64,
    pub name: String,
    pub username: String,
    /// `active` or `inactive`.
    pub employment: String,
    pub office: Option<String>,
    pub role: String,
    pub primary_email: Option<String>,
    /// Whether the Intercom workspace has a teammate with this e-mail.
    #[serde(skip)]
    pub has_teammate: bool,
}

/// A campaign, as REST's `/campaigns` gives it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the fields are LeadDesk's, under LeadDesk's names")]
pub struct SourceCampaign {
    pub id: u64,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub disabled: bool,
}

/// A calling list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceList {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// A person whom Intercom knew before the migration.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct ExistingContact {
    /// The e-mail the person has in both systems.
    pub email: String,
    /// The name Intercom has, which may differ from LeadDesk's.
    pub name: Option<String>,
    /// The number Intercom has.
    pub phone: Option<String>,
    /// An identifier given by some other system.
    pub external_id: Option<String>,
    /// Archived contacts cannot be read or searched, but still refuse a second one.
    pub archived: bool,
}

impl Account {
    /// The lowest and the highest call id; `(0, 0)` without calls. There are holes between them.
    pub fn call_ids(&self) -> (u64, u64) {
        let ids = || self.calls.iter().map(|call| call.id);
        (ids().min().unwrap_or(0), ids().max().unwrap_or(0))
    }
}
