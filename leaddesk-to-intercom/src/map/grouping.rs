//! Several LeadDesk contacts that are one person, and people who only share an address.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use migrate_core::{Group, Grouping, Key, Member};
use serde_json::Value;

use super::numbers::Numbers;
use crate::config::{Dedupe, Names};
use crate::draft::{ContactDraft, ContactFields};
use crate::queue;
use crate::value::name::clearly_different;
use crate::value::text::fits_attribute;

/// Brings the contacts together that share an e-mail address or, by setting, a number.
///
/// The result depends on the members alone, never on the order they were read in:
///
/// | of the one contact | comes from |
/// |---|---|
/// | key, external id, `ld_source_key` | the member that has an object already, else the one with the smallest id |
/// | name, number, every attribute | the first member that has it, the last changed first, then by id |
/// | further numbers, tags, notes | all members |
/// | whether a number is blacklisted | yes where one member says so |
/// | role | `user` where one member is a user, else `lead` |
///
/// People with clearly different names under one address wait in `shared_email`; with
/// `dedupe = "email+name"` each is a contact of its own, and the one with the smallest id keeps the
/// address, since Intercom takes an address once. The others keep it as an attribute. People with
/// clearly different names who share no more than a number are never brought together.
#[derive(Clone, Debug)]
pub struct ContactGrouping {
    dedupe: Dedupe,
    numbers: Numbers,
    names: Names,
}

impl ContactGrouping {
    /// The rules under a setting, with the names of the attributes.
    pub fn new(dedupe: Dedupe, names: &Names) -> Self {
        Self { dedupe, numbers: Numbers::new(names), names: names.clone() }
    }
}

impl Grouping<ContactDraft> for ContactGrouping {
    fn group(&self, members: Vec<Member<ContactDraft>>) -> Vec<Group<ContactDraft>> {
        let mut members: Vec<Person> = members.into_iter().map(Person::from).collect();
        members.sort_by_key(Person::order);
        if self.dedupe == Dedupe::None {
            return members.into_iter().map(|person| self.merge(vec![person])).collect();
        }
        let mut groups = Vec::new();
        for people in self.by_address(members) {
            let persons = by_name(people);
            let shared = persons.len() > 1;
            match self.dedupe {
                Dedupe::EmailAndName => {
                    for (at, mut person) in persons.into_iter().enumerate() {
                        if at > 0 {
                            person
                                .iter_mut()
                                .for_each(|it| it.hide_address(&self.names.shared_email));
                        }
                        groups.push(self.merge(person));
                    }
                }
                _ if shared => groups.push(Group::Queue {
                    keys: persons.into_iter().flatten().map(|person| person.key).collect(),
                    reason: queue::shared_email(),
                }),
                _ => groups.extend(persons.into_iter().map(|person| self.merge(person))),
            }
        }
        groups
    }
}

impl ContactGrouping {
    /// Divides members that hang together by addresses and numbers into the users of each address.
    /// Whoever has none belongs to the one user of an address with the same number and no clearly
    /// different name, if there is just one; else to those without an address of whom that is true.
    fn by_address(&self, members: Vec<Person>) -> Vec<Vec<Person>> {
        let mut addressed: BTreeMap<String, Vec<Person>> = BTreeMap::new();
        let mut others = Vec::new();
        for person in members {
            match person.fields.email.clone() {
                Some(email) => addressed.entry(email).or_default().push(person),
                None => others.push(person),
            }
        }
        let mut people: Vec<Vec<Person>> = addressed.into_values().collect();
        let addresses = people.len();
        for person in self.by_number(others) {
            let mut same = (0..addresses).filter(|at| self.may_be_one(&people[*at], &person));
            match (same.next(), same.next()) {
                (Some(only), None) => people[only].extend(person),
                _ => people.push(person),
            }
        }
        people
    }

    /// Clusters of members who share a number and a name.
    fn by_number(&self, members: Vec<Person>) -> Vec<Vec<Person>> {
        let mut clusters: Vec<Vec<Person>> = Vec::new();
        for person in members {
            let person = vec![person];
            match clusters.iter_mut().find(|cluster| self.may_be_one(cluster, &person)) {
                Some(cluster) => cluster.extend(person),
                None => clusters.push(person),
            }
        }
        clusters
    }

    fn may_be_one(&self, some: &[Person], others: &[Person]) -> bool {
        let numbers = |people: &[Person]| -> BTreeSet<String> {
            people.iter().flat_map(|person| self.numbers.of(&person.fields)).collect()
        };
        !numbers(some).is_disjoint(&numbers(others))
            && some.iter().all(|one| others.iter().all(|other| !one.differs_from(other)))
    }

    /// One contact of several. The numbers of all are kept, in the order of their owners.
    fn merge(&self, mut people: Vec<Person>) -> Group<ContactDraft> {
        people.sort_by_key(Person::order);
        let (primary, in_place) = (people[0].key.clone(), people[0].in_place);
        let merged = people[1..].iter().map(|person| person.key.clone()).collect();
        let external_id = people[0].fields.external_id.clone();

        people.sort_by_key(|person| (Reverse(person.fields.updated_at), person.order()));
        let numbers = people.iter().flat_map(|person| self.numbers.of(&person.fields)).collect();
        let mut fields = ContactFields::default();
        // Whom one of them forbids to call, nobody is to call.
        let blacklisted = &self.names.blacklisted;
        let is_listed =
            |it: &Person| it.fields.attributes.get(blacklisted) == Some(&Value::Bool(true));
        if people.iter().any(is_listed) {
            fields.attributes.insert(blacklisted.clone(), Value::Bool(true));
        }
        let (mut notes, mut tags) = (BTreeMap::new(), BTreeMap::new());
        for person in people {
            fill(&mut fields, person.fields);
            for (part, draft) in person.parts {
                let parts =
                    if matches!(draft, ContactDraft::Tag(_)) { &mut tags } else { &mut notes };
                parts.entry(part).or_insert(draft);
            }
        }
        // A lead is found again by this attribute, so it names the same key as the external id.
        if let Some(key) = fields.attributes.get_mut(&self.names.source_key) {
            *key = Value::String(external_id.clone());
        }
        fields.external_id = external_id;
        self.numbers.put(numbers, &mut fields);
        self.join_campaigns(tags.values(), &mut fields);

        let contact = std::iter::once((None, ContactDraft::Contact(fields)));
        let drafts = contact.chain(tags).chain(notes);
        Group::One { primary: Member::new(primary, drafts).in_place(in_place), merged }
    }
}

impl ContactGrouping {
    /// The attribute that names the campaign tags names those of all members.
    fn join_campaigns<'a>(
        &self,
        tags: impl Iterator<Item = &'a ContactDraft>,
        fields: &mut ContactFields,
    ) {
        let campaigns = tags.filter_map(|draft| match draft {
            ContactDraft::Tag(name) if name.starts_with(&self.names.campaign_prefix) => {
                Some(name.as_str())
            }
            _ => None,
        });
        let joined = campaigns.collect::<Vec<_>>().join(", ");
        if joined.is_empty() {
            return;
        }
        let name = &self.names.campaign_tag;
        // What is too long is told by the tags alone: some of them would pass for all.
        match fits_attribute(&joined) {
            true => drop(fields.attributes.insert(name.clone(), Value::String(joined))),
            false => drop(fields.attributes.remove(name)),
        }
    }
}

/// One member, taken apart.
struct Person {
    key: Key,
    in_place: bool,
    fields: ContactFields,
    parts: Vec<(Option<String>, ContactDraft)>,
}

impl From<Member<ContactDraft>> for Person {
    fn from(member: Member<ContactDraft>) -> Self {
        let mut person = Self {
            key: member.key,
            in_place: member.in_place,
            fields: ContactFields::default(),
            parts: Vec::new(),
        };
        for (part, draft) in member.drafts {
            match draft {
                ContactDraft::Contact(fields) => person.fields = fields,
                draft => person.parts.push((part, draft)),
            }
        }
        person
    }
}

impl Person {
    /// Who has an object already goes first, so that it is updated. Ids are compared as numbers
    /// where they are, so that 9 comes before 10.
    fn order(&self) -> (bool, u64, Key) {
        (!self.in_place, self.key.id().parse().unwrap_or(u64::MAX), self.key.clone())
    }

    fn differs_from(&self, other: &Self) -> bool {
        match (&self.fields.name, &other.fields.name) {
            (Some(one), Some(other)) => clearly_different(one, other),
            _ => false,
        }
    }

    fn hide_address(&mut self, attribute: &str) {
        if let Some(email) = self.fields.email.take() {
            self.fields.attributes.insert(attribute.to_owned(), Value::String(email));
        }
    }
}

/// Divides the users of one address, in order of their ids, into those with one name.
fn by_name(mut people: Vec<Person>) -> Vec<Vec<Person>> {
    people.sort_by_key(Person::order);
    let mut persons: Vec<Vec<Person>> = Vec::new();
    for person in people {
        let same = |it: &&mut Vec<Person>| it.iter().all(|one| !one.differs_from(&person));
        match persons.iter_mut().find(same) {
            Some(it) => it.push(person),
            None => persons.push(vec![person]),
        }
    }
    persons
}

/// The role of customers.
const USER: &str = "user";

/// Takes over what is still empty.
fn fill(fields: &mut ContactFields, from: ContactFields) {
    // Whom an office or a sponsor has is a user, whichever of the records says so.
    if fields.role.is_empty() || from.role == USER {
        fields.role = from.role;
    }
    fields.email = fields.email.take().or(from.email);
    fields.phone = fields.phone.take().or(from.phone);
    fields.name = fields.name.take().or(from.name);
    fields.signed_up_at = fields.signed_up_at.or(from.signed_up_at);
    fields.updated_at = fields.updated_at.or(from.updated_at);
    for (name, value) in from.attributes {
        fields.attributes.entry(name).or_insert(value);
    }
}

#[cfg(test)]
mod tests;
