//! A person's further phone numbers, which Intercom has no field for: one attribute each.

use serde_json::Value;

use crate::config::{LAST_PHONE, Names};
use crate::draft::ContactFields;
use crate::value::text::ATTRIBUTE_MAX_CHARS;

/// The attributes `ld_phone_2` to `ld_phone_6`. A contact's own number is the first; the last attribute holds all that
/// are left, joined.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    names: Vec<String>,
}

impl Numbers {
    pub(super) fn new(names: &Names) -> Self {
        Self { names: names.phones().collect() }
    }

    /// The names of the attributes, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// All numbers of a contact, its own first.
    pub(super) fn of(&self, fields: &ContactFields) -> Vec<String> {
        let further = self.names().filter_map(|name| fields.attributes.get(name)?.as_str());
        let all = fields.phone.as_deref().into_iter().chain(further);
        distinct(all.flat_map(|text| text.split(", ")).map(str::to_owned))
    }

    /// Gives a contact these numbers and no others. Returns how many found no room.
    pub(super) fn put(&self, numbers: Vec<String>, fields: &mut ContactFields) -> usize {
        let mut numbers = distinct(numbers).into_iter();
        fields.phone = numbers.next();
        for (at, name) in (2..).zip(self.names()) {
            let text = match numbers.next() {
                None => {
                    fields.attributes.remove(name);
                    continue;
                }
                Some(number) if at < LAST_PHONE => number,
                Some(mut text) => {
                    while let Some(next) = numbers.as_slice().first() {
                        if text.len() + 2 + next.len() > ATTRIBUTE_MAX_CHARS {
                            break;
                        }
                        text.push_str(", ");
                        text.extend(numbers.next());
                    }
                    text
                }
            };
            fields.attributes.insert(name.to_owned(), Value::String(text));
        }
        numbers.len()
    }
}

fn distinct(numbers: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut kept = Vec::new();
    for number in numbers {
        if !kept.contains(&number) {
            kept.push(number);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize) -> Vec<String> {
        (0..n).map(|n| format!("+3584012345{n:02}")).collect()
    }

    #[test]
    fn what_was_put_is_what_is_there() {
        let slots = Numbers::new(&Names::default());
        for n in 0..20 {
            let mut fields = ContactFields::default();
            assert_eq!(slots.put(numbers(n), &mut fields), 0);
            assert_eq!(slots.of(&fields), numbers(n), "{n} numbers");
        }
    }

    #[test]
    fn further_numbers_are_attributes_and_the_last_holds_the_rest() {
        let slots = Numbers::new(&Names::default());
        let mut fields = ContactFields::default();
        slots.put(numbers(8), &mut fields);
        assert_eq!(fields.phone.as_deref(), Some("+358401234500"));
        assert_eq!(fields.attributes["ld_phone_2"], "+358401234501");
        assert_eq!(fields.attributes["ld_phone_6"], "+358401234505, +358401234506, +358401234507");
        slots.put(numbers(1), &mut fields);
        assert!(fields.attributes.is_empty(), "numbers that are gone leave no attribute behind");
    }

    #[test]
    fn numbers_without_room_are_counted() {
        let mut fields = ContactFields::default();
        let left_out = Numbers::new(&Names::default()).put(numbers(40), &mut fields);
        // Five alone, and seventeen of thirteen characters in the last attribute.
        assert_eq!(left_out, 40 - 5 - 17);
        assert!(fields.attributes["ld_phone_6"].as_str().unwrap().len() <= ATTRIBUTE_MAX_CHARS);
    }
}
