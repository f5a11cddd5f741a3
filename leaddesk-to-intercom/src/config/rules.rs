//! `[contacts]`, `[calls]` and `[map]`: what becomes of the records.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::value::Email;

/// `[contacts]`: contacts and leads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Contacts {
    /// `dedupe`: which contacts are one person. Default `email`.
    pub dedupe: Dedupe,
    /// `overwrite`: also replaces what an existing Intercom contact already holds. Default false: only gaps are filled.
    pub overwrite: bool,
    /// `unarchive`: takes archived matches back, which then count as contacts that were there before. Default false: they wait.
    pub unarchive: bool,
    /// `ssn`: carries social security numbers over, as the attribute `names.ssn`. Default false: they stay in LeadDesk, and that is noted.
    pub ssn: bool,
    /// `lead_rule`: which records are leads. Default `listed`. By the API, where nobody is listed, `unfinalised` reads
    /// all contacts twice: once for each stage.
    pub lead_rule: LeadRule,
    /// `deal_outcomes`: last outcomes that make a lead a contact, by name or id as LeadDesk gives them, compared without
    /// case. Default `["Deal"]`.
    pub deal_outcomes: Vec<String>,
    /// `leads_as`: what a lead becomes. Default `lead`. One with an office or a sponsor becomes a user in any case.
    pub leads_as: LeadsAs,
}

/// Which contacts of LeadDesk are one person, and so one contact in Intercom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Dedupe {
    /// Those with one e-mail address, unless their names are clearly different.
    #[default]
    #[serde(rename = "email")]
    Email,
    /// Those with one e-mail address and one name.
    #[serde(rename = "email+name")]
    EmailAndName,
    /// Those with one e-mail address; without one, those with one phone number.
    #[serde(rename = "email_or_phone")]
    EmailOrPhone,
    /// None: every LeadDesk contact becomes its own.
    #[serde(rename = "none")]
    None,
}

/// Which records are leads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LeadRule {
    /// What an export lists as such in `leads.csv`.
    #[default]
    Listed,
    /// These, and records that a calling list names, and none as finalised, whose last outcome is no deal. How LeadDesk
    /// writes the flag is not documented: empty, `0`, `false`, `no`, `n` and `ei` say no, all else says yes.
    Unfinalised,
    /// All records.
    All,
}

/// What a lead becomes in Intercom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LeadsAs {
    /// A contact of role `lead`, which Intercom cannot find again by its external id.
    #[default]
    Lead,
    /// A contact of role `user`.
    User,
}

/// `[calls]`: what becomes of call records.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Calls {
    /// `comment`: how the agent's comment is written. Default `note`.
    pub comment: Comment,
    /// `without_contact`: what becomes of calls without a contact. Default `queue`.
    pub without_contact: WithoutContact,
    /// `assign`: whom the conversation is assigned to. Default `none`.
    pub assign: Assign,
    /// `tags` put on the conversation. Default all: campaign, disposition, outcome.
    pub tags: BTreeSet<CallTag>,
    /// `vehicle`: what a call becomes. Default `conversation`. `ticket` is not available yet.
    pub vehicle: Vehicle,
    /// `ticket_type`: name of the ticket type, where `vehicle = "ticket"`. Not available yet.
    pub ticket_type: Option<String>,
}

/// How the agent's comment is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Comment {
    /// As an internal note.
    #[default]
    Note,
    /// As a reply that the contact can see.
    Reply,
}

/// What becomes of calls without a contact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WithoutContact {
    /// They wait in the queue `calls_without_contact`.
    #[default]
    Queue,
    /// A lead is made from the number, one for all calls of it; the stage `calls` counts it. Without a number, or with one
    /// that several contacts share, they wait all the same.
    Lead,
}

/// Whom conversations are assigned to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Assign {
    /// Nobody.
    #[default]
    None,
    /// The agent's teammate; nobody where the agent is none.
    Admin,
    /// The team that the agent's group has the name of in `[map.teams]`, else that of the project; nobody where there is
    /// neither.
    Team,
}

/// A kind of tag on conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CallTag {
    /// The campaign (the project on LeadDesk's screens).
    Campaign,
    /// The dialler's result.
    Disposition,
    /// The agent's choice.
    Outcome,
}

/// What a call becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Vehicle {
    /// A conversation.
    #[default]
    Conversation,
    /// A ticket.
    Ticket,
}

/// `[map]`: what stands for what, where names do not tell. `Debug` shows how many entries there are.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Map {
    /// `[map.agents]`: LeadDesk username or id, and the teammate's e-mail.
    pub agents: BTreeMap<String, Email>,
    /// `[map.teams]`: LeadDesk project or office, and the Intercom team's name or id.
    pub teams: BTreeMap<String, String>,
}

impl Default for Contacts {
    fn default() -> Self {
        Self {
            dedupe: Dedupe::default(),
            overwrite: false,
            unarchive: false,
            ssn: false,
            lead_rule: LeadRule::default(),
            deal_outcomes: vec!["Deal".to_owned()],
            leads_as: LeadsAs::default(),
        }
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            comment: Comment::default(),
            without_contact: WithoutContact::default(),
            assign: Assign::default(),
            tags: BTreeSet::from([CallTag::Campaign, CallTag::Disposition, CallTag::Outcome]),
            vehicle: Vehicle::default(),
            ticket_type: None,
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (agents, teams) = (self.agents.len(), self.teams.len());
        f.debug_struct("Map").field("agents", &agents).field("teams", &teams).finish()
    }
}
