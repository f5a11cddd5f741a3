//! What calling lists know of their contacts, kept small: an account may have a million of them.

use std::collections::HashMap;

/// The campaigns of the last calls to each contact, as the exports of calling lists name them.
#[derive(Default)]
pub(super) struct Campaigns {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Contact, and place in `names`.
    of_contact: Vec<(u64, u32)>,
}

impl Campaigns {
    /// Takes in what one row says.
    pub(super) fn add(&mut self, contact: u64, name: &str) {
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
    }

    /// The names for one contact, sorted.
    pub(super) fn of(&self, contact: u64) -> Vec<String> {
        let start = self.of_contact.partition_point(|(id, _)| *id < contact);
        let rows = self.of_contact[start..].iter().take_while(|(id, _)| *id == contact);
        let mut names: Vec<String> = rows.map(|(_, at)| self.names[*at as usize].clone()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contact_has_its_campaigns_once_and_in_order() {
        let mut campaigns = Campaigns::default();
        for (contact, name) in
            [(7, "Spring"), (9, "Autumn"), (7, " Autumn "), (7, "Spring"), (8, " ")]
        {
            campaigns.add(contact, name);
        }
        campaigns.settle();
        assert_eq!(campaigns.of(7), ["Autumn", "Spring"]);
        assert_eq!(campaigns.of(9), ["Autumn"]);
        assert!(campaigns.of(8).is_empty() && campaigns.of(10).is_empty());
    }
}
