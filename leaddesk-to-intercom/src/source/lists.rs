//! What calling lists and call logs know of contacts, kept small: an account may have a million of them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use leaddesk_client::{Call, Contact, ListRow};

use super::ListedContact;
use crate::map::{disposition, is_moment};
use crate::value::{Zone, time};

/// The campaigns, the result and the outcome of the last calls to each contact, and whether it is finalised: as the
/// exports of calling lists say, or as call logs do, which know all calls, and outcomes by their ids.
#[derive(Default)]
pub(in crate::source) struct Lists {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// The upper and the lower half of a contact, and a place in `names`.
    of_contact: Vec<[u32; 3]>,
    /// How the last call ended, for the dialler.
    results: Vec<Last>,
    /// And for the agent.
    outcomes: Vec<Last>,
    /// Of outcomes that a call has told with id and name, the place of the name in `names`; `None` where there are
    /// several.
    named: HashMap<String, Option<u32>>,
    /// Contacts doubled, and one more where a row of it is finalised.
    finalised: Vec<u64>,
    /// With so many entries, what was said twice is dropped.
    due: usize,
}

/// Contact, seconds of its last call on the wall clock, and the place in `names` of how that ended.
type Last = (u64, u32, u32);

/// An account has some dozens of outcomes. What has more ids than this is no list of them.
const MOST_IDS: usize = 10_000;

/// Fewer entries than this take no room worth a look.
const FEW: usize = 1 << 16;

impl Lists {
    /// Takes in what one row of a calling list says.
    pub(super) fn add(&mut self, contact: u64, row: &ListRow) {
        if let Some(doubled) = contact.checked_mul(2) {
            let finalised = is_set(row.finalised.as_deref().unwrap_or(""));
            self.finalised.push(doubled | u64::from(finalised));
        }
        self.touch(contact, row.last_campaign.as_deref().unwrap_or(""));
        let at = last_of(&[row.last_call_at.text()]);
        let result = self.place(row.last_result.as_deref().unwrap_or(""));
        self.results.extend(result.map(|result| (contact, at, result)));
        self.drop_doubles_in_time();
    }

    /// Takes in what one call says of the contact that it names.
    pub(super) fn add_call(&mut self, call: &Call) {
        let outcome = self.place(call.call_ending_reason_name.as_deref().unwrap_or(""));
        self.name(call.call_ending_reason.as_deref().unwrap_or(""), outcome);
        let id = call.contact_id.as_ref().and_then(|id| id.as_str().parse().ok());
        let Some(contact) = id else { return };
        self.touch(contact, call.campaign_name.as_deref().unwrap_or(""));
        let at = last_of(&[call.talk_start.text(), call.created_at.text()]);
        let result = self.place(disposition(call));
        self.results.extend(result.map(|result| (contact, at, result)));
        self.outcomes.extend(outcome.map(|outcome| (contact, at, outcome)));
        self.drop_doubles_in_time();
    }

    /// A campaign has called a contact.
    fn touch(&mut self, contact: u64, campaign: &str) {
        if let Some(campaign) = self.place(campaign) {
            let (upper, lower) = halves(contact);
            self.of_contact.push([upper, lower, campaign]);
        }
    }

    /// A call has told an outcome's id, and perhaps its name.
    fn name(&mut self, id: &str, name: Option<u32>) {
        let (id, Some(name)) = (id.trim(), name) else { return };
        if id.is_empty() {
            return;
        }
        let room = self.named.len() < MOST_IDS;
        match self.named.entry(id.to_owned()) {
            Entry::Occupied(mut known) if *known.get() != Some(name) => *known.get_mut() = None,
            Entry::Vacant(new) if room => {
                new.insert(Some(name));
            }
            Entry::Occupied(_) | Entry::Vacant(_) => {}
        }
    }

    /// A call log may be far longer than what it says of contacts.
    fn drop_doubles_in_time(&mut self) {
        if self.entries() >= self.due.max(FEW) {
            self.drop_doubles();
            self.due = 2 * self.entries();
        }
    }

    fn entries(&self) -> usize {
        self.of_contact.len() + self.results.len() + self.outcomes.len() + self.finalised.len()
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
        self.drop_doubles();
        self.of_contact.shrink_to_fit();
        self.results.shrink_to_fit();
        self.outcomes.shrink_to_fit();
        self.finalised.shrink_to_fit();
    }

    fn drop_doubles(&mut self) {
        self.of_contact.sort_unstable();
        self.of_contact.dedup();
        // Of one contact the latest comes first; of one time, whatever the order of the rows, the first by name.
        let names = &self.names;
        let order = |row: &Last| (row.0, Reverse(row.1), &names[row.2 as usize]);
        for last in [&mut self.results, &mut self.outcomes] {
            last.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
            last.dedup_by_key(|row| row.0);
        }
        self.finalised.sort_unstable();
        self.finalised.dedup();
    }

    /// The contacts that calling lists name, each once and in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> {
        let ids = self.finalised.iter().map(|entry| entry >> 1);
        let before = std::iter::once(None).chain(ids.clone().map(Some));
        ids.zip(before).filter(|(id, before)| Some(*id) != *before).map(|(id, _)| id)
    }

    /// A contact with all that is known of it.
    pub(super) fn listed(&self, id: Option<u64>, contact: Contact) -> ListedContact {
        let Some(id) = id else { return ListedContact::new(contact, Vec::new()) };
        ListedContact::new(contact, self.campaigns(id))
            .finalised(self.finalised(id))
            .disposition(self.last(&self.results, id))
    }

    /// The same contact with what call logs add: all campaigns of its calls, the last result where no calling list
    /// says one, and the last outcome where the contact itself says none, or has its id alone.
    pub(super) fn complete(&self, id: Option<u64>, mut listed: ListedContact) -> ListedContact {
        let reason = listed.contact.last_reason.as_deref().unwrap_or("").trim();
        let told = match reason {
            // Zero stands for none.
            "" | "0" => id.and_then(|id| self.last(&self.outcomes, id)),
            id => {
                self.named.get(id).copied().flatten().map(|name| self.names[name as usize].clone())
            }
        };
        if told.is_some() {
            listed.contact.last_reason = told;
        }
        let Some(id) = id else { return listed };
        listed.campaigns.extend(self.campaigns(id));
        listed.campaigns.sort_unstable();
        listed.campaigns.dedup();
        listed.disposition = listed.disposition.take().or_else(|| self.last(&self.results, id));
        listed
    }

    /// How the last call to any number of the contact ended.
    fn last(&self, of: &[Last], contact: u64) -> Option<String> {
        let at = of.binary_search_by_key(&contact, |row| row.0).ok()?;
        Some(self.names[of[at].2 as usize].clone())
    }

    /// Is a row of the contact finalised? `None` where no list names it.
    fn finalised(&self, contact: u64) -> Option<bool> {
        let doubled = contact.checked_mul(2)?;
        let has = |entry: u64| self.finalised.binary_search(&entry).is_ok();
        if has(doubled | 1) { Some(true) } else { has(doubled).then_some(false) }
    }

    /// The names for one contact, sorted.
    fn campaigns(&self, contact: u64) -> Vec<String> {
        let (upper, lower) = halves(contact);
        let start = self.of_contact.partition_point(|row| (row[0], row[1]) < (upper, lower));
        let rows = self.of_contact[start..].iter();
        let rows = rows.take_while(|row| (row[0], row[1]) == (upper, lower));
        let mut names: Vec<String> = rows.map(|row| self.names[row[2] as usize].clone()).collect();
        names.sort_unstable();
        names
    }
}

/// The first of these times that is one. For the order alone, so any zone will do.
fn last_of(times: &[&str]) -> u32 {
    let read = |text: &&str| time::parse(text, Zone::utc()).ok().flatten();
    let at = times.iter().filter_map(read).find(|at| is_moment(*at));
    at.and_then(|at| u32::try_from(at.utc().timestamp()).ok()).unwrap_or(0)
}

#[allow(clippy::cast_possible_truncation, reason = "it is cut in two")]
fn halves(contact: u64) -> (u32, u32) {
    ((contact >> 32) as u32, contact as u32)
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
            let found = [7, 8, 9, 10].map(|id| lists.last(&lists.results, id));
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

    fn call(contact: u64, more: serde_json::Value) -> Call {
        let mut call = serde_json::json!({ "id": 1, "contact_id": contact });
        for (name, value) in more.as_object().unwrap() {
            call[name] = value.clone();
        }
        serde_json::from_value(call).unwrap()
    }

    #[test]
    fn a_call_log_adds_campaigns_and_the_last_result_where_no_list_says_one() {
        use serde_json::json;
        const LARGE: u64 = (7 << 32) | 7;
        let calls = [
            call(7, json!({ "campaign_name": "Spring" })),
            call(7, json!({ "campaign_name": " Winter ", "Result": "Voicemail" })),
            call(7, json!({ "Tulos": "Busy", "created_at": "2023-01-01 10:00:00" })),
            call(
                8,
                json!({ "result": "Answered", "created_at": "2023-01-01 10:00:00",
                        "talk_start": "2024-06-01 10:00:00", "campaign_name": "Fall" }),
            ),
            call(8, json!({ "result": "Busy", "created_at": "2024-01-01 10:00:00" })),
            call(LARGE, json!({ "campaign_name": "Far" })),
        ];
        for calls in [calls.to_vec(), calls.iter().rev().cloned().collect()] {
            let mut heard = Lists::default();
            calls.iter().for_each(|call| heard.add_call(call));
            heard.add_call(
                &serde_json::from_value(json!({ "id": 1, "campaign_name": "x" })).unwrap(),
            );
            heard.settle();
            let of = |id: u64, campaigns: &[&str], result: Option<&str>| {
                let contact: Contact = serde_json::from_value(json!({ "id": id })).unwrap();
                let campaigns = campaigns.iter().map(|name| (*name).to_owned()).collect();
                let listed = ListedContact::new(contact, campaigns);
                heard.complete(Some(id), listed.disposition(result.map(str::to_owned)))
            };
            let seven = of(7, &["Autumn", "Spring"], Some("No answer"));
            assert_eq!(seven.campaigns, ["Autumn", "Spring", "Winter"]);
            assert_eq!(seven.disposition.as_deref(), Some("No answer"), "the list says it");
            assert_eq!(of(7, &[], None).disposition.as_deref(), Some("Busy"));
            let eight = of(8, &[], None);
            assert_eq!(
                (eight.campaigns, eight.disposition),
                (vec!["Fall".to_owned()], Some("Answered".to_owned()))
            );
            assert_eq!(of(LARGE, &[], None).campaigns, ["Far"]);
            assert!(of(9, &[], None).campaigns.is_empty());
            assert_eq!(heard.finalised(7), None);
        }
    }

    #[test]
    fn a_call_log_says_the_last_outcome_and_what_ids_mean() {
        use serde_json::json;
        let of = |at: &str, id: &str, name: &str| {
            call(
                7,
                json!({ "created_at": at, "call_ending_reason": id, "call_ending_reason_name": name }),
            )
        };
        let calls = [
            of("2024-01-01 10:00:00", "5", "Deal"),
            of("2024-06-01 10:00:00", "6", "Call back"),
            of("2023-06-01 10:00:00", "8", "No"),
            of("2023-06-02 10:00:00", "8", "Never"),
            of("2024-07-01 10:00:00", "9", " "),
        ];
        for calls in [calls.to_vec(), calls.iter().rev().cloned().collect()] {
            let mut heard = Lists::default();
            calls.iter().for_each(|call| heard.add_call(call));
            heard.settle();
            for (id, reason, expected) in [
                (7, "", "Call back"),
                (7, "0", "Call back"),
                (7, "Deal", "Deal"),
                // Whoever was called, an id means the same.
                (8, "5", "Deal"),
                (8, "8", "8"),
                (8, "9", "9"),
                (8, "", ""),
            ] {
                let contact = json!({ "id": id, "last_reason": reason });
                let contact: Contact = serde_json::from_value(contact).unwrap();
                let told = heard.complete(Some(id), ListedContact::new(contact, Vec::new()));
                let told = told.contact.last_reason.unwrap_or_default();
                assert_eq!(told, expected, "{id} {reason}");
            }
        }
    }

    /// What is kept depends on contacts and campaigns, not on how many calls there were.
    #[test]
    fn calls_without_end_take_no_room() {
        let mut heard = Lists::default();
        let calls: Vec<Call> = (0..10)
            .map(|n| {
                call(
                    n % 5,
                    serde_json::json!({ "campaign_name": format!("{}", n % 3), "result": "x" }),
                )
            })
            .collect();
        for _ in 0..FEW / 4 {
            calls.iter().for_each(|call| heard.add_call(call));
        }
        assert!(heard.entries() < 2 * FEW, "{}", heard.entries());
        assert!(heard.of_contact.capacity() <= 2 * FEW);
        heard.settle();
        assert_eq!(heard.campaigns(3), ["0", "2"]);
    }
}
