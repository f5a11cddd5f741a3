//! What calling lists know of their contacts, kept small: an account may have a million of them.

use std::cmp::Reverse;
use std::collections::HashMap;

use leaddesk_client::{Contact, ListRow};

use super::ListedContact;
use crate::value::{Zone, time};

/// The campaigns and the result of the last calls to each contact, and whether it is finalised, as the
/// exports of calling lists say.
#[derive(Default)]
pub(super) struct Lists {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Contact, and place in `names`.
    of_contact: Vec<(u64, u32)>,
    /// Contact, seconds of its last call on the wall clock, and the place of the result in `names`.
    results: Vec<(u64, u32, u32)>,
    /// Contact, and whether a row of it is finalised.
    finalised: Vec<(u64, bool)>,
}

impl Lists {
    /// Takes in what one row says.
    pub(super) fn add(&mut self, contact: u64, row: &ListRow) {
        self.finalised.push((contact, is_set(row.finalised.as_deref().unwrap_or(""))));
        if let Some(campaign) = self.place(row.last_campaign.as_deref().unwrap_or("")) {
            self.of_contact.push((contact, campaign));
        }
        if let Some(result) = self.place(row.last_result.as_deref().unwrap_or("")) {
            // For the order alone, so any zone will do.
            let at = time::parse(row.last_call_at.text(), Zone::utc()).ok().flatten();
            let at = at.and_then(|at| u32::try_from(at.utc().timestamp()).ok()).unwrap_or(0);
            self.results.push((contact, at, result));
        }
    }

    /// The place of a name, which is kept once.
    fn place(&mut self, name: &str) -> Option<u32> {
        let name = name.trim();
        if name.is_empty() {
            return None;
        }
        let next = u32::try_from(self.names.len()).ok()?;
        Some(*self.numbers.entry(name.to_owned()).or_insert_with(|| {
            self.names.push(name.to_owned());
            next
        }))
    }

    /// To be called when all rows are in: puts them in order and drops what was said twice.
    pub(super) fn settle(&mut self) {
        self.of_contact.sort_unstable();
        self.of_contact.dedup();
        self.of_contact.shrink_to_fit();
        // Of one contact the latest comes first; of one time, whatever the order of the rows, the first by name.
        let names = &self.names;
        let order = |row: &(u64, u32, u32)| (row.0, Reverse(row.1), &names[row.2 as usize]);
        self.results.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
        self.results.dedup_by_key(|row| row.0);
        self.results.shrink_to_fit();
        self.finalised.sort_unstable();
        self.finalised.dedup();
        self.finalised.shrink_to_fit();
    }

    /// A contact with all that is known of it.
    pub(super) fn listed(&self, id: Option<u64>, contact: Contact) -> ListedContact {
        let Some(id) = id else { return ListedContact::new(contact, Vec::new()) };
        ListedContact::new(contact, self.campaigns(id))
            .finalised(self.finalised(id))
            .disposition(self.result(id))
    }

    /// The result of the last call to any number of the contact.
    fn result(&self, contact: u64) -> Option<String> {
        let at = self.results.binary_search_by_key(&contact, |row| row.0).ok()?;
        Some(self.names[self.results[at].2 as usize].clone())
    }

    /// Is a row of the contact finalised? `None` where no list names it.
    fn finalised(&self, contact: u64) -> Option<bool> {
        let start = self.finalised.partition_point(|(id, _)| *id < contact);
        let rows = self.finalised[start..].iter().take_while(|(id, _)| *id == contact);
        rows.map(|(_, finalised)| *finalised).max()
    }

    /// The names for one contact, sorted.
    fn campaigns(&self, contact: u64) -> Vec<String> {
        let start = self.of_contact.partition_point(|(id, _)| *id < contact);
        let rows = self.of_contact[start..].iter().take_while(|(id, _)| *id == contact);
        let mut names: Vec<String> = rows.map(|(_, at)| self.names[*at as usize].clone()).collect();
        names.sort_unstable();
        names
    }
}

/// Is a flag set? How LeadDesk writes it is not documented, so whatever does not say no, says yes.
fn is_set(flag: &str) -> bool {
    !matches!(flag.trim().to_lowercase().as_str(), "" | "0" | "false" | "no" | "n" | "ei")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(text: &str) -> Lists {
        let mut lists = Lists::default();
        for row in leaddesk_client::export::list_rows("list", text.as_bytes()) {
            let row = row.unwrap();
            lists.add(row.contact_id.as_str().parse().unwrap(), &row);
        }
        lists.settle();
        lists
    }

    #[test]
    fn the_result_of_a_contact_is_that_of_its_last_call_in_whatever_order() {
        let rows = [
            "7;;;;;;;;;;2024-05-01 10:00:00;Busy;Spring;",
            "7;;;;;;;;;;2024-06-01 10:00:00;Answered;Spring;",
            "8;;;;;;;;;;;No answer;;",
            "8;;;;;;;;;;2023-01-01 10:00:00; ;;",
            "9;;;;;;;;;;2024-06-01 10:00:00;B;;",
            "9;;;;;;;;;;2024-06-01 10:00:00;A;;",
        ];
        for rows in [rows.to_vec(), rows.into_iter().rev().collect()] {
            let lists = lists(&format!("{}\n", rows.join("\n")));
            let found = [7, 8, 9, 10].map(|id| lists.result(id));
            let expected = [Some("Answered"), Some("No answer"), Some("A"), None];
            assert_eq!(found, expected.map(|it| it.map(str::to_owned)));
        }
    }

    #[test]
    fn each_contact_has_its_campaigns_once_and_in_order() {
        let text = "7;;;;;;;;;;;;Spring;\n9;;;;;;;;;;;;Autumn;\n7;;;;;;;;;;;; Autumn ;\n7;;;;;;;;;;;;Spring;\n8;;;;;;;;;;;; ;\n";
        let lists = lists(text);
        assert_eq!(lists.campaigns(7), ["Autumn", "Spring"]);
        assert_eq!(lists.campaigns(9), ["Autumn"]);
        assert!(lists.campaigns(8).is_empty() && lists.campaigns(10).is_empty());
    }

    #[test]
    fn one_finalised_row_finalises_a_contact() {
        let text = "7;;;;;;;1;;;;;;\n7;;;;;;;0;;;;;;\n8;;;;;;;0;;;;;;\n9;;;;;;;x;;;;;;\n";
        let lists = lists(text);
        let finalised = [7, 8, 9, 10].map(|id| lists.finalised(id));
        assert_eq!(finalised, [Some(true), Some(false), Some(true), None]);
    }
}
