//! Ways into an account that answer without a scan.

use std::collections::HashMap;

use super::Account;

/// Positions in the account's vectors.
#[derive(Debug, Default)]
pub(crate) struct AccountIndex {
    pub(crate) contact_by_id: HashMap<u64, usize>,
    pub(crate) contacts_by_list: HashMap<u64, Vec<usize>>,
    /// By the number exactly as it is stored.
    pub(crate) contacts_by_phone: HashMap<String, Vec<usize>>,
    pub(crate) call_by_id: HashMap<u64, usize>,
    /// By the number in comparable form.
    pub(crate) contacts_by_number: HashMap<String, Vec<usize>>,
    pub(crate) calls_by_contact: HashMap<u64, Vec<usize>>,
    /// By the number in comparable form, in order of ids.
    pub(crate) calls_by_number: HashMap<String, Vec<usize>>,
    pub(crate) agent_by_username: HashMap<String, usize>,
    pub(crate) agent_by_id: HashMap<u64, usize>,
}

impl AccountIndex {
    pub(crate) fn of(account: &Account) -> Self {
        let mut index = Self::default();
        for (at, contact) in account.contacts.iter().enumerate() {
            index.contact_by_id.insert(contact.id, at);
            index.contacts_by_list.entry(contact.calling_list_id).or_default().push(at);
            for phone in &contact.phonenumbers {
                index.contacts_by_phone.entry(phone.clone()).or_default().push(at);
                let number = comparable(phone, &account.default_country);
                index.contacts_by_number.entry(number).or_default().push(at);
            }
        }
        for (at, call) in account.calls.iter().enumerate() {
            index.call_by_id.insert(call.id, at);
            if let Some(contact) = call.contact_id {
                index.calls_by_contact.entry(contact).or_default().push(at);
            }
            if let Some(number) = &call.number {
                index
                    .calls_by_number
                    .entry(comparable(number, &account.default_country))
                    .or_default()
                    .push(at);
            }
        }
        for (at, agent) in account.agents.iter().enumerate() {
            index.agent_by_username.insert(agent.username.clone(), at);
            index.agent_by_id.insert(agent.id, at);
        }
        index
    }
}

/// A number with its notation taken away: `040 123`, `+358 40 123` and `0035840123` become the same digits.
pub(crate) fn comparable(number: &str, country: &str) -> String {
    let international = number.trim_start().starts_with('+');
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    let prefix = if country == "FI" { "358" } else { "" };
    match digits.strip_prefix("00") {
        _ if international => digits,
        Some(rest) => rest.to_owned(),
        None => match digits.strip_prefix('0') {
            Some(rest) => format!("{prefix}{rest}"),
            None => digits,
        },
    }
}
