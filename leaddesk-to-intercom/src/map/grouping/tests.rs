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

fn with(mut member: Member<ContactDraft>, attribute: &str, value: &str) -> Member<ContactDraft> {
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
    let (None, ContactDraft::Contact(fields)) = &primary.drafts[0] else { panic!("no contact") };
    let parts = primary.drafts[1..].iter().filter_map(|(part, _)| part.clone()).collect();
    (fields.clone(), parts)
}

#[test]
fn the_smallest_id_is_the_key_and_the_last_changed_wins() {
    let old =
        note(tag(person(9, "A. Virtanen", "anna@example.com", &["+358401"], 1), "ld_campaign_A"));
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
fn campaigns_that_do_not_fit_together_are_told_by_their_tags_alone() {
    let long = |letter: &str| format!("ld_campaign_{}", letter.repeat(120));
    let of = |id: u64, letter: &str| {
        let member = tag(person(id, "", "a@example.com", &[], 1), &long(letter));
        with(member, "ld_campaign_tag__c", &long(letter))
    };
    let (fields, parts) = only(group(Dedupe::Email, vec![of(9, "a"), of(10, "b")]));
    assert_eq!(parts.len(), 2);
    assert_eq!(fields.attributes.get("ld_campaign_tag__c"), None, "one would pass for all");
}

/// Doubt about a lead is settled by the attribute, which has to name the key of the one contact.
#[test]
fn the_key_of_a_merged_lead_is_that_of_its_external_id() {
    let lead = |id: u64, updated_at| {
        let lead = person(id, "", "a@example.com", &[], updated_at);
        with(lead, "ld_source_key", &format!("leaddesk:contact:{id}"))
    };
    let (fields, _) = only(group(Dedupe::Email, vec![lead(9, 1), lead(10, 2)]));
    assert_eq!(fields.external_id, "leaddesk:contact:9");
    assert_eq!(fields.attributes["ld_source_key"], "leaddesk:contact:9");
}

#[test]
fn one_member_who_is_a_user_makes_a_user() {
    for (roles, expected) in
        [(["lead", "lead"], "lead"), (["lead", "user"], "user"), (["user", "lead"], "user")]
    {
        let members = (1..).zip(roles).map(|(id, role)| {
            let mut member = person(id, "", "a@example.com", &[], 5);
            if let ContactDraft::Contact(fields) = &mut member.drafts[0].1 {
                fields.role = role.into();
            }
            member
        });
        assert_eq!(only(group(Dedupe::Email, members.collect())).0.role, expected, "{roles:?}");
    }
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

/// The last changed goes first, and yet one of them is enough.
#[test]
fn who_is_blacklisted_by_one_member_is_blacklisted() {
    let say = |mut member: Member<ContactDraft>, listed: bool| {
        if let ContactDraft::Contact(fields) = &mut member.drafts[0].1 {
            fields.attributes.insert("ld_blacklisted".into(), json!(listed));
        }
        member
    };
    for (newer, older, expected) in
        [(false, true, true), (true, false, true), (false, false, false)]
    {
        let members = vec![
            say(person(1, "Anna", "a@example.com", &[], 9), newer),
            say(person(2, "Anna", "a@example.com", &[], 1), older),
        ];
        let groups = group(Dedupe::Email, members);
        let [Group::One { primary, .. }] = &groups[..] else { panic!("{groups:?}") };
        let ContactDraft::Contact(fields) = &primary.drafts[0].1 else { panic!("no contact") };
        assert_eq!(fields.attributes["ld_blacklisted"], json!(expected));
    }
}
