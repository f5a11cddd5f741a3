//! Several rows that are one record.

use std::mem;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Call, Contact, ContactId, Extra, ListRow, LocalTime, Personal};

/// What may be missing.
trait Fill {
    /// Takes the other value where there is none, and gives it back where it says otherwise.
    fn fill(&mut self, other: Self) -> Option<Value>;
}

impl<T: PartialEq + Serialize> Fill for Option<T> {
    fn fill(&mut self, other: Self) -> Option<Value> {
        if self.is_none() {
            *self = other;
            return None;
        }
        let otherwise = other.filter(|other| self.as_ref() != Some(other))?;
        serde_json::to_value(otherwise).ok()
    }
}

impl Fill for LocalTime {
    fn fill(&mut self, other: Self) -> Option<Value> {
        let is_none = |time: &Self| time.naive().is_none() && !time.is_unreadable();
        if is_none(self) {
            *self = other;
            return None;
        }
        let otherwise = !is_none(&other) && other != *self;
        otherwise.then(|| Value::String(other.text().to_owned()))
    }
}

/// All of both lists, each once.
impl<T: PartialEq> Fill for Vec<T> {
    fn fill(&mut self, other: Self) -> Option<Value> {
        for element in other {
            if !self.contains(&element) {
                self.push(element);
            }
        }
        None
    }
}

/// Fills these fields of one record from another, and `extra` with what is left over. A field that stands in neither list
/// does not compile.
macro_rules! fill {
    ($into:ident from $other:ident: $model:ident, $($field:ident)*; apart: $($apart:ident)*) => {{
        let $model { id: _, extra, $($field,)* $($apart: _,)* } = $other;
        let mut otherwise: Vec<(String, Value)> = Vec::new();
        $(
            let value = $into.$field.fill($field);
            otherwise.extend(value.map(|value| (stringify!($field).to_owned(), value)));
        )*
        keep(&mut $into.extra, extra, otherwise);
    }};
}

impl Contact {
    /// A contact of which nothing but its id is known.
    #[must_use]
    pub fn new(id: ContactId) -> Self {
        Self {
            id,
            fname: None,
            lname: None,
            title: None,
            gender: None,
            ssc: None,
            year_of_birth: None,
            vatin: None,
            office: None,
            phone: None,
            sec_phone: None,
            thr_phone: None,
            fourth_phone: None,
            fax: None,
            phonenumbers: Vec::new(),
            address: None,
            postal: None,
            city: None,
            country: None,
            email: None,
            www: None,
            comment: None,
            calling_list_id: None,
            batch_name: None,
            assigned_agent_id: None,
            last_reason: None,
            last_call_id: None,
            created_at: LocalTime::default(),
            updated_at: LocalTime::default(),
            extra: Personal::new(Map::new()),
        }
    }

    /// Takes in another row of the same contact: its numbers, and whatever is missing here. What it says otherwise stays
    /// in `extra`, as `<field> (2)`, `<field> (3)` and so on.
    pub fn add(&mut self, other: Self) {
        let numbers: Vec<Personal<String>> = other.phones().into_iter().cloned().collect();
        let known: Vec<Personal<String>> = self.phones().into_iter().cloned().collect();
        let more = numbers.into_iter().filter(|number| !known.contains(number));
        self.phonenumbers.extend(more);
        fill!(self from other: Contact,
            fname lname title gender ssc year_of_birth vatin office fax address postal city country email www comment
            calling_list_id batch_name assigned_agent_id last_reason last_call_id created_at updated_at;
            apart: phone sec_phone thr_phone fourth_phone phonenumbers);
    }
}

/// What a row of a calling list tells of the contact itself.
impl From<ListRow> for Contact {
    fn from(row: ListRow) -> Self {
        Self {
            fname: row.fname,
            lname: row.lname,
            phone: row.phone,
            address: row.address,
            postal: row.postal,
            city: row.city,
            updated_at: row.contact_updated_at,
            ..Self::new(row.contact_id)
        }
    }
}

impl Call {
    /// Takes in another row of the same call: whatever is missing here. What it says otherwise stays in `extra`, as
    /// `<field> (2)`, `<field> (3)` and so on.
    pub fn add(&mut self, other: Self) {
        fill!(self from other: Call,
            agent_id agent_username agent_group_id agent_group_name talk_time talk_start talk_end handling_stop
            created_at number campaign campaign_name record_file customer_id contact_id comment call_ending_reason
            call_ending_reason_name direction call_type call_type_name order_ids;
            apart:);
    }
}

/// Adds what another row has besides the fields of the model, and what it says otherwise.
fn keep(own: &mut Extra, other: Extra, mut otherwise: Vec<(String, Value)>) {
    let mut fields = mem::replace(own, Personal::new(Map::new())).into_inner();
    for (name, value) in other.into_inner() {
        match fields.get(&name) {
            _ if is_empty(&value) => {}
            Some(known) if *known == value => {}
            Some(known) if !is_empty(known) => otherwise.push((name, value)),
            _ => _ = fields.insert(name, value),
        }
    }
    for (name, value) in otherwise {
        let mut names = (2..).map(|n: u64| format!("{name} ({n})"));
        let free = names.find(|name| fields.get(name).is_none_or(|known| *known == value));
        fields.extend(free.map(|name| (name, value)));
    }
    *own = Personal::new(fields);
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    fn of<T: DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rows_of_one_contact_have_the_numbers_of_all_and_the_first_word_of_each() {
        let mut contact: Contact =
            of(json!({ "id": 42, "fname": "Anna", "phone": "1", "sec_phone": "2", "size": "" }));
        for row in [
            json!({ "id": 42, "fname": "Anna", "phone": "3", "email": "a@example.com", "size": 38,
                    "created_at": "2024-05-01" }),
            json!({ "id": 42, "fname": "Anne", "phone": "2", "phonenumbers": ["4"], "size": 39,
                    "created_at": "0000-00-00" }),
            json!({ "id": 42, "fname": "Anni", "size": 38, "created_at": "2024-05-02" }),
            json!({ "id": 42, "fname": "Anne" }),
        ] {
            contact.add(of(row));
        }
        let expected: Contact = of(json!({
            "id": 42, "fname": "Anna", "phone": "1", "sec_phone": "2", "phonenumbers": ["3", "4"],
            "email": "a@example.com", "created_at": "2024-05-01", "size": 38, "size (2)": 39,
            "fname (2)": "Anne", "fname (3)": "Anni", "created_at (2)": "2024-05-02",
        }));
        assert_eq!(contact, expected);
        let mut alone = Contact::new(ContactId::new(42));
        alone.add(of(json!({ "id": 42, "phone": "1" })));
        assert_eq!(alone.phones(), [&Personal::new("1".to_owned())]);
    }

    #[test]
    fn rows_of_one_call_are_one_call() {
        let mut call: Call = of(json!({ "id": 7, "comment": "first", "order_ids": ["1"] }));
        call.add(of(
            json!({ "id": 7, "comment": "second", "order_ids": ["2", "1"], "talk_time": 5 }),
        ));
        let expected: Call = of(json!({
            "id": 7, "comment": "first", "order_ids": ["1", "2"], "talk_time": 5, "comment (2)": "second",
        }));
        assert_eq!(call, expected);
    }
}
