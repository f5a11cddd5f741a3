//! What calling lists know of their contacts, kept small: an account may have a million of them.

use std::collections::HashMap;

use leaddesk_client::ListRow;

/// The campaigns of the last calls to each contact, and whether it is finalised, as the exports of
/// calling lists say.
#[derive(Default)]
pub(super) struct Lists {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Contact, and place in `names`.
    of_contact: Vec<(u64, u32)>,
    /// Contact, and whether a row of it is finalised.
    finalised: Vec<(u64, bool)>,
}

impl Lists {
    /// Takes in what one row says.
    pub(super) fn add(&mut self, contact: u64, row: &ListRow) {
        self.finalised.push((contact, is_set(row.finalised.as_deref().unwrap_or(""))));
        self.add_campaign(contact, row.last_campaign.as_deref().unwrap_or(""));
    }

    fn add_campaign(&mut self, contact: u64, name: &str) {
        let name = name.trim();
        if name.is_empty() {
            return;
        }
        let number = match self.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = self.names.len() as u32;
                self.names.push(name.to_owned());
                self.numbers.insert(name.to_owned(), number);
                number
            }
        };
        self.of_contact.push((contact, number));
    }

    /// To be called when all rows are in: puts them in order and drops what was said twice.
    pub(super) fn settle(&mut self) {
        self.of_contact.sort_unstable();
        self.of_contact.dedup();
        self.of_contact.shrink_to_fit();
        self.finalised.sort_unstable();
        self.finalised.dedup();
        self.finalised.shrink_to_fit();
    }

    /// Is a row of the contact finalised? `None` where no list names it.
    pub(super) fn finalised(&self, contact: u64) -> Option<bool> {
        let start = self.finalised.partition_point(|(id, _)| *id < contact);
        let rows = self.finalised[start..].iter().take_while(|(id, _)| *id == contact);
        rows.map(|(_, finalised)| *finalised).max()
    }

    /// The names for one contact, sorted.
    pub(super) fn campaigns(&self, contact: u64) -> Vec<String> {
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

    #[test]
    fn each_contact_has_its_campaigns_once_and_in_order() {
        let mut lists = Lists::default();
        for (contact, name) in
            [(7, "Spring"), (9, "Autumn"), (7, " Autumn "), (7, "Spring"), (8, " ")]
        {
            lists.add_campaign(contact, name);
        }
        lists.settle();
        assert_eq!(lists.campaigns(7), ["Autumn", "Spring"]);
        assert_eq!(lists.campaigns(9), ["Autumn"]);
        assert!(lists.campaigns(8).is_empty() && lists.campaigns(10).is_empty());
    }

    #[test]
    fn one_finalised_row_finalises_a_contact() {
        let text = "7;;;;;;;1;;;;;;\n7;;;;;;;0;;;;;;\n8;;;;;;;0;;;;;;\n9;;;;;;;x;;;;;;\n";
        let mut lists = Lists::default();
        for row in leaddesk_client::export::list_rows("list", text.as_bytes()) {
            let row = row.unwrap();
            lists.add(row.contact_id.as_str().parse().unwrap(), &row);
        }
        lists.settle();
        let finalised = [7, 8, 9, 10].map(|id| lists.finalised(id));
        assert_eq!(finalised, [Some(true), Some(false), Some(true), None]);
    }
}
