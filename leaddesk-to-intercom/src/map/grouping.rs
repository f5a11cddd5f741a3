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
/// | key, external id | the member that has an object already, else the one with the smallest id |
/// | name, number, every attribute | the first member that has it, the last changed first, then by id |
/// | further numbers, tags, notes | all members |
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
        let (mut notes, mut tags) = (BTreeMap::new(), BTreeMap::new());
        for person in people {
            fill(&mut fields, person.fields);
            for (part, draft) in person.parts {
                let parts =
                    if matches!(draft, ContactDraft::Tag(_)) { &mut tags } else { &mut notes };
                parts.entry(part).or_insert(draft);
            }
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
        if !joined.is_empty() && fits_attribute(&joined) {
            fields.attributes.insert(self.names.campaign_tag.clone(), Value::String(joined));
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

/// Takes over what is still empty.
fn fill(fields: &mut ContactFields, from: ContactFields) {
    if fields.role.is_empty() {
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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn person(
        id: u64,
        name: &str,
        email: &str,
        phones: &[&str],
        updated_at: i64,
    ) -> Member<ContactDraft> {
        let key = Key::new("contact", id);
        let mut fields = ContactFields {
            external_id: format!("leaddesk:{key}"),
            role: "user".into(),
            email: (!email.is_empty()).then(|| email.into()),
            name: (!name.is_empty()).then(|| name.into()),
            updated_at: Some(updated_at),
            ..ContactFields::default()
        };
        let phones = phones.iter().map(|phone| (*phone).to_owned()).collect();
        Numbers::new(&Names::default()).put(phones, &mut fields);
        Member::new(key, [(None, ContactDraft::Contact(fields))])
    }

    fn with(
        mut member: Member<ContactDraft>,
        attribute: &str,
        value: &str,
    ) -> Member<ContactDraft> {
        if let ContactDraft::Contact(fields) = &mut member.drafts[0].1 {
            fields.attributes.insert(attribute.into(), json!(value));
        }
        member
    }

    fn note(mut member: Member<ContactDraft>) -> Member<ContactDraft> {
        let marker = format!("LeadDesk contact {}", member.key.id());
        let part = format!("note:{}", member.key.id());
        let note = ContactDraft::Note { body: marker.clone(), marker };
        member.drafts.push((Some(part), note));
        member
    }

    fn tag(mut member: Member<ContactDraft>, name: &str) -> Member<ContactDraft> {
        let part = format!("tag:{}", name.to_lowercase());
        member.drafts.push((Some(part), ContactDraft::Tag(name.into())));
        member
    }

    fn group(dedupe: Dedupe, members: Vec<Member<ContactDraft>>) -> Vec<Group<ContactDraft>> {
        ContactGrouping::new(dedupe, &Names::default()).group(members)
    }

    /// `42 <- 43 44` for one contact, `queue: 42 43` for those that wait; sorted.
    fn outline(groups: &[Group<ContactDraft>]) -> Vec<String> {
        let ids = |keys: &[Key]| keys.iter().map(Key::id).collect::<Vec<_>>().join(" ");
        let mut lines: Vec<String> = groups
            .iter()
            .map(|group| match group {
                Group::One { primary, merged } if merged.is_empty() => primary.key.id().to_owned(),
                Group::One { primary, merged } => {
                    format!("{} <- {}", primary.key.id(), ids(merged))
                }
                Group::Queue { keys, reason } => format!("{}: {}", reason.code, ids(keys)),
            })
            .collect();
        lines.sort();
        lines
    }

    fn only(groups: Vec<Group<ContactDraft>>) -> (ContactFields, Vec<String>) {
        let [Group::One { primary, .. }] = &groups[..] else { panic!("not one contact") };
        let (None, ContactDraft::Contact(fields)) = &primary.drafts[0] else {
            panic!("no contact")
        };
        let parts = primary.drafts[1..].iter().filter_map(|(part, _)| part.clone()).collect();
        (fields.clone(), parts)
    }

    #[test]
    fn the_smallest_id_is_the_key_and_the_last_changed_wins() {
        let old = note(tag(
            person(9, "A. Virtanen", "anna@example.com", &["+358401"], 1),
            "ld_campaign_A",
        ));
        let old = with(with(old, "ld_city", "Turku"), "ld_title", "CEO");
        let new = note(tag(
            person(10, "Anna Virtanen", "anna@example.com", &["+358402"], 2),
            "ld_campaign_B",
        ));
        let new = with(tag(new, "ld_campaign_a"), "ld_city", "Oulu");

        let (fields, parts) = only(group(Dedupe::Email, vec![new, old]));
        assert_eq!(fields.external_id, "leaddesk:contact:9");
        assert_eq!((fields.role.as_str(), fields.name.as_deref()), ("user", Some("Anna Virtanen")));
        assert_eq!(fields.updated_at, Some(2));
        assert_eq!(fields.phone.as_deref(), Some("+358402"));
        assert_eq!(
            json!(fields.attributes),
            json!({
                "ld_campaign_tag__c": "ld_campaign_a, ld_campaign_B", "ld_city": "Oulu",
                "ld_phone_2": "+358401", "ld_title": "CEO",
            })
        );
        assert_eq!(parts, ["tag:ld_campaign_a", "tag:ld_campaign_b", "note:10", "note:9"]);
    }

    #[test]
    fn the_same_age_is_decided_by_the_id() {
        let members = [11, 9, 10]
            .map(|id| with(person(id, "", "a@example.com", &[], 5), "ld_city", &id.to_string()));
        let (fields, _) = only(group(Dedupe::Email, members.to_vec()));
        assert_eq!(fields.attributes["ld_city"], "9");
    }

    #[test]
    fn who_is_there_already_stays_the_one() {
        let mut members = [8, 9].map(|id| person(id, "", "a@example.com", &[], 5));
        members[1].in_place = true;
        let groups = group(Dedupe::Email, members.to_vec());
        assert_eq!(outline(&groups), ["9 <- 8"]);
        assert_eq!(only(groups).0.external_id, "leaddesk:contact:9");
    }

    #[test]
    fn strangers_under_one_address_wait_or_stay_apart() {
        let members = || {
            vec![
                person(1, "Anna Virtanen", "info@example.com", &[], 1),
                person(2, "Mikko Mäki", "info@example.com", &[], 1),
                person(3, "Virtanen, Anna", "info@example.com", &[], 1),
            ]
        };
        assert_eq!(outline(&group(Dedupe::Email, members())), ["shared_email: 1 3 2"]);
        let apart = group(Dedupe::EmailAndName, members());
        assert_eq!(outline(&apart), ["1 <- 3", "2"]);
        let Group::One { primary, .. } = &apart[1] else { panic!() };
        let ContactDraft::Contact(second) = &primary.drafts[0].1 else { panic!() };
        assert_eq!(second.email, None, "Intercom takes an address once");
        assert_eq!(second.attributes[&Names::default().shared_email], "info@example.com");
        assert_eq!(outline(&group(Dedupe::None, members())), ["1", "2", "3"]);
    }

    #[test]
    fn a_number_brings_together_who_has_no_address() {
        let groups = group(
            Dedupe::EmailOrPhone,
            vec![
                person(1, "Anna Virtanen", "anna@example.com", &["+358401"], 1),
                person(2, "Mikko Mäki", "mikko@example.com", &["+358401", "+358402"], 1),
                person(3, "Anna Virtanen", "", &["+358401"], 1),
                person(4, "Liisa Laine", "", &["+358402"], 1),
                person(5, "Laine, Liisa", "", &["+358409", "+358402"], 1),
            ],
        );
        assert_eq!(outline(&groups), ["1 <- 3", "2", "4 <- 5"]);

        let could_be_either = group(
            Dedupe::EmailOrPhone,
            vec![
                person(1, "Anna Virtanen", "anna@example.com", &["+358401"], 1),
                person(2, "Mikko Mäki", "mikko@example.com", &["+358401"], 1),
                person(3, "", "", &["+358401"], 1),
            ],
        );
        assert_eq!(outline(&could_be_either), ["1", "2", "3"]);
    }

    fn members() -> impl Strategy<Value = Vec<Member<ContactDraft>>> {
        let names =
            prop::sample::select(vec!["", "Anna Virtanen", "A. Virtanen", "Mikko Mäki", "Anna"]);
        let emails = prop::sample::select(vec!["", "anna@example.com", "info@example.com"]);
        let phones = prop::sample::subsequence(vec!["+358401", "+358402", "+358403"], 0..=3);
        let cities = prop::option::of(prop::sample::select(vec!["Oulu", "Turku"]));
        let member = (names, emails, phones, 0_i64..3, cities, any::<[bool; 2]>());
        prop::collection::vec(member, 1..8).prop_map(|members| {
            let numbered = (8..).zip(members);
            let made = numbered.map(|(id, (name, email, phones, at, city, [noted, in_place]))| {
                let mut member = person(id, name, email, &phones, at);
                member.in_place = in_place;
                if let Some(city) = city {
                    member = with(tag(member, city), "ld_city", city);
                }
                if noted { note(member) } else { member }
            });
            made.collect()
        })
    }

    fn json_of(groups: &[Group<ContactDraft>]) -> Vec<serde_json::Value> {
        let mut all: Vec<_> = groups
            .iter()
            .map(|group| match group {
                Group::One { primary, merged } => json!([primary.key, merged, primary.drafts]),
                Group::Queue { keys, reason } => json!([keys, reason]),
            })
            .collect();
        all.sort_by_key(serde_json::Value::to_string);
        all
    }

    proptest! {
        #[test]
        fn no_order_of_reading_changes_the_result(
            (given, shuffled) in members().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
            dedupe in prop::sample::select(vec![
                Dedupe::Email, Dedupe::EmailAndName, Dedupe::EmailOrPhone, Dedupe::None,
            ]),
        ) {
            let groups = group(dedupe, given.clone());
            prop_assert_eq!(json_of(&groups), json_of(&group(dedupe, shuffled)));

            // Every member is in exactly one place.
            let mut keys: Vec<Key> = groups.iter().flat_map(|group| match group {
                Group::One { primary, merged } => [vec![primary.key.clone()], merged.clone()].concat(),
                Group::Queue { keys, .. } => keys.clone(),
            }).collect();
            keys.sort();
            let mut all: Vec<Key> = given.iter().map(|member| member.key.clone()).collect();
            all.sort();
            prop_assert_eq!(keys, all);
        }

        /// No two contacts that are written claim one address: Intercom would refuse the second.
        #[test]
        fn an_address_is_used_once(members in members()) {
            for dedupe in [Dedupe::Email, Dedupe::EmailAndName, Dedupe::EmailOrPhone] {
                let mut seen = BTreeSet::new();
                for one in group(dedupe, members.clone()) {
                    let Group::One { primary, .. } = one else { continue };
                    let ContactDraft::Contact(fields) = &primary.drafts[0].1 else { panic!() };
                    prop_assert!(fields.email.iter().all(|email| seen.insert(email.clone())));
                }
            }
        }
    }
}
