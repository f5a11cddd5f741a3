use migrate_core::Verdict;
use serde_json::{Map, json};

use super::*;
use crate::map::testing::{config, noted};

fn record(contact: Value, campaigns: &[&str]) -> Record<ListedContact> {
    let contact: Contact = serde_json::from_value(contact).unwrap();
    let campaigns = campaigns.iter().map(|name| (*name).to_owned()).collect();
    Record::new(keys::contact(&contact.id), ListedContact::new(contact, campaigns))
}

fn map(lines: &str, contact: Value, campaigns: &[&str]) -> Emit<ContactDraft> {
    let mut out = Emit::default();
    ContactMapper::new(&config(lines)).map(record(contact, campaigns), &mut out);
    out
}

fn fields(out: &Emit<ContactDraft>) -> &ContactFields {
    match &out.drafts()[0] {
        (None, ContactDraft::Contact(fields)) => fields,
        _ => panic!("the contact comes first"),
    }
}

#[test]
fn a_full_contact() {
    let out = map(
        "",
        json!({
            "id": "42", "fname": " Anna ", "lname": "Virtanen", "email": " Anna@Example.com ",
            "phone": "040 123 4567", "sec_phone": "+46 70 123 45 67",
            "phonenumbers": ["0401234567", "+358501234567"],
            "title": "CEO", "office": "Example Oy", "vatin": "FI12345678", "company_id": "7",
            "address": "Katu 1", "postal": "00100", "city": "Helsinki", "country": "Finland",
            "calling_list_id": 901, "batch_name": "spring", "assigned_agent_id": "301",
            "last_reason": "Deal", "last_call_id": "500001", "comment": "Likes <b>mornings</b>\r\nand tea",
            "created_at": "2024-01-15 12:00:00", "updated_at": "2024-07-15 12:00:00",
        }),
        &["Spring 2024", "autumn", "AUTUMN"],
    );
    let contact = fields(&out);
    assert_eq!(contact.external_id, "leaddesk:contact:42");
    assert_eq!((contact.role.as_str(), contact.name.as_deref()), ("user", Some("Anna Virtanen")));
    assert_eq!(contact.email.as_deref(), Some("anna@example.com"));
    assert_eq!(contact.phone.as_deref(), Some("+358401234567"));
    assert_eq!(
        (contact.signed_up_at, contact.updated_at),
        (Some(1_705_312_800), Some(1_721_034_000))
    );
    assert_eq!(
        json!(contact.attributes),
        json!({
            "ld_address": "Katu 1", "ld_assigned_agent": "301", "ld_batch": "spring",
            "ld_calling_list": "901", "ld_campaign_tag__c": "ld_campaign_AUTUMN, ld_campaign_Spring 2024",
            "ld_city": "Helsinki", "ld_company": "Example Oy", "ld_company_id": "7",
            "ld_country": "Finland", "ld_created_at": 1_705_312_800, "ld_outcome__c": "Deal",
            "ld_phone_2": "+46701234567", "ld_phone_3": "+358501234567", "ld_postal_code": "00100",
            "ld_title": "CEO", "ld_updated_at": 1_721_034_000, "ld_vat_id": "FI12345678",
        })
    );
    let parts = json!(out.drafts()[1..]);
    assert_eq!(
        parts,
        json!([
            ["tag:ld_campaign_autumn", {"tag": "ld_campaign_AUTUMN"}],
            ["tag:ld_campaign_spring 2024", {"tag": "ld_campaign_Spring 2024"}],
            ["note:42", {"note": {
                "body": "Likes <b>mornings</b>\nand tea\n\nLeadDesk contact 42",
                "marker": "LeadDesk contact 42",
            }}],
        ])
    );
    assert!(out.notes().is_empty() && out.verdict().is_none());
    let seen = format!("{out:?}");
    let met = out.discoveries().iter().map(|it| (&*it.list, &*it.item));
    let met: Vec<_> = met.collect();
    assert_eq!(met[0], (CALLS, "500001"), "the last call is to be read");
    let campaigns = ["Spring 2024", "autumn", "AUTUMN"].map(|name| (CAMPAIGNS, name));
    assert_eq!(met[1..], [&campaigns[..], &[(OUTCOMES, "Deal")]].concat());
    assert!(!seen.contains("irtanen") && !seen.contains("401234567"), "{seen}");
}

#[test]
fn what_cannot_be_carried_is_noted() {
    for (contact, attributes, notes) in [
        (
            json!({"email": "anna(at)example.com", "phone": "0401234567"}),
            json!({"ld_invalid_email": "anna(at)example.com"}),
            vec!["invalid_email email"],
        ),
        (
            json!({"email": "a@example.com", "phone": "ask reception", "sec_phone": "12"}),
            json!({"ld_invalid_phone": "ask reception, 12"}),
            vec!["invalid_phone phone", "invalid_phone sec_phone"],
        ),
        (
            json!({"email": "a@example.com", "ssc": "010190-123A"}),
            json!({}),
            vec!["ssn_left_out ssc"],
        ),
        (
            json!({"email": "a@example.com", "last_reason": "17"}),
            json!({}),
            vec!["outcome_without_name last_reason"],
        ),
        (
            json!({"email": "a@example.com", "last_reason": "0", "created_at": "0000-00-00 00:00:00"}),
            json!({}),
            vec![],
        ),
        (
            json!({"email": "a@example.com", "other_info_ft": "A", "other_info_7": "x", "other_info_8": "",
                   "other_i_name_1": "Segment", "client_id": "9", "loyalty": 3, "empty": null}),
            json!({}),
            vec![
                "field_for_review Segment",
                "field_for_review loyalty",
                "field_for_review other_info_7",
            ],
        ),
        (
            json!({"email": "a@example.com", "created_at": "2024-03-31 03:30:00", "updated_at": "2024-10-27 03:30:00"}),
            json!({"ld_created_at": 1_711_848_600, "ld_updated_at": 1_729_989_000}),
            vec!["time_in_gap created_at", "time_in_overlap updated_at"],
        ),
        // What a zero moment of a database is on the clocks of Helsinki.
        (
            json!({"email": "a@example.com", "created_at": "1970-01-01 02:00:00", "updated_at": "1969-06-01 10:00:00"}),
            json!({}),
            vec!["implausible_time created_at", "implausible_time updated_at"],
        ),
        (
            json!({"email": "a@example.com", "created_at": "03/04/2024"}),
            json!({}),
            vec!["invalid_time created_at"],
        ),
    ] {
        let mut contact = contact;
        contact["id"] = json!(1);
        let out = map("", contact.clone(), &[]);
        assert_eq!(noted(&out), notes, "{contact}");
        assert_eq!(json!(fields(&out).attributes), attributes, "{contact}");
    }
}

#[test]
fn a_text_too_long_for_an_attribute_goes_into_the_note() {
    let long = "ä".repeat(256);
    let out =
        map("", json!({"id": 1, "email": "a@example.com", "address": long, "comment": "Hi"}), &[]);
    assert_eq!(noted(&out), ["too_long address"]);
    assert!(fields(&out).attributes.is_empty());
    assert_eq!(
        json!(out.drafts()[1].1)["note"]["body"],
        format!("Hi\n\nld_address: {long}\n\nLeadDesk contact 1")
    );
}

#[test]
fn a_very_long_comment_is_several_notes_each_with_its_marker() {
    let out =
        map("", json!({"id": 1, "email": "a@example.com", "comment": "word ".repeat(3_000)}), &[]);
    let notes: Vec<_> = out.drafts()[1..].iter().map(|(part, _)| part.clone().unwrap()).collect();
    assert_eq!(notes, ["note:1", "note:1.2", "note:1.3"]);
    for (_, draft) in &out.drafts()[1..] {
        let ContactDraft::Note { body, marker } = draft else { panic!() };
        assert_eq!(body.lines().last(), Some(marker.as_str()));
    }
    let ContactDraft::Note { marker, .. } = &out.drafts()[2].1 else { panic!() };
    assert_eq!(marker, "LeadDesk contact 1 (2)");
}

#[test]
fn nobody_can_be_without_address_and_number() {
    for contact in
        [json!({"id": 1}), json!({"id": 1, "email": "none", "phone": "-", "phonenumbers": [""]})]
    {
        let out = map("", contact, &[]);
        let Some(Verdict::Queued(reason)) = out.verdict() else { panic!("not queued") };
        assert_eq!(reason.code, "contacts_without_identifier");
        assert!(out.drafts().is_empty());
    }
}

#[test]
fn identities_follow_the_setting() {
    let contact = json!({"id": 1, "email": "A@example.com", "phone": "0401234567"});
    let (email, phone) = (keys::email("a@example.com"), keys::phone("+358401234567"));
    for (setting, expected) in [
        ("email", vec![email]),
        ("email+name", vec![email]),
        ("email_or_phone", vec![email, phone]),
        ("none", vec![]),
    ] {
        let out = map(&format!("[contacts]\ndedupe = '{setting}'"), contact.clone(), &[]);
        assert_eq!(out.identities(), expected, "{setting}");
        // An address is a name as well, where it brings nobody together.
        let names = if setting == "none" { vec![email, phone] } else { vec![phone] };
        assert_eq!(out.aliases(), names, "a number is always a name");
    }
}

/// The fields that have a decision of their own in [`ContactMapper`], besides [`TEXTS`].
const DECIDED: &[&str] = &[
    "id",
    "fname",
    "lname",
    "ssc",
    "phone",
    "sec_phone",
    "thr_phone",
    "fourth_phone",
    "phonenumbers",
    "email",
    "comment",
    "last_reason",
    "last_call_id",
    "created_at",
    "updated_at",
];

#[test]
fn every_field_of_the_model_has_a_decision() {
    let contact: Contact = serde_json::from_value(json!({"id": 1})).unwrap();
    let known: Map<String, Value> =
        serde_json::from_value(serde_json::to_value(contact).unwrap()).unwrap();
    assert!(known.len() > 20, "the model serializes all its fields");
    for field in known.keys() {
        let decided = DECIDED.contains(&field.as_str()) || TEXTS.iter().any(|(it, ..)| it == field);
        assert!(decided, "contact.rs says nothing about the field {field}");
    }
}

#[test]
fn every_text_reaches_its_attribute_and_the_schema_knows_it() {
    let schema: Vec<String> =
        crate::map::contact_attributes(&Names::default()).into_iter().map(|it| it.name).collect();
    for (field, _, name) in TEXTS {
        let mut contact = json!({"id": 1, "email": "a@example.com"});
        contact[*field] = json!("77");
        let out = map("", contact, &[]);
        let name = name(&Names::default()).to_owned();
        assert_eq!(json!(fields(&out).attributes), json!({(name.clone()): "77"}), "{field}");
        assert!(schema.contains(&name), "{name} is in no schema");
    }
}

#[test]
fn the_last_calls_result_is_the_disposition() {
    let contact = serde_json::from_value(json!({"id": 1, "email": "a@example.com"})).unwrap();
    let contact: ListedContact = ListedContact::new(contact, Vec::new());
    let record = Record::new(keys::contact(1), contact.disposition(Some(" Busy ".into())));
    let mut out = Emit::default();
    ContactMapper::new(&config("")).map(record, &mut out);
    assert_eq!(json!(fields(&out).attributes), json!({"ld_disposition__c": "Busy"}));
    let schema = crate::map::contact_attributes(&Names::default());
    assert!(schema.iter().any(|it| it.name == "ld_disposition__c"));
}

/// A status says who is a lead, or was one: it is as good of a contact.
#[test]
fn what_only_files_have_reaches_contacts_as_well() {
    let contact = json!({
        "id": 1, "email": "a@example.com", "assigned_office": "Turku", "sponsor": "Oy Ab",
        "lead_status": "Won",
    });
    let out = map("", contact, &[]);
    let expected = json!({"ld_office": "Turku", "ld_sponsor": "Oy Ab", "ld_lead_status": "Won"});
    assert_eq!(json!(fields(&out).attributes), expected);
}

/// Each place of a mapping, with a value that fits and one that does not.
#[test]
fn custom_fields_go_where_the_mapping_says_and_none_is_cut() {
    let mapping = "
        [fields]
        text = { as = 'string', attribute = 'x_text' }
        whole = { as = 'integer', attribute = 'x_whole' }
        number = { as = 'float', attribute = 'x_number' }
        day = { as = 'date', attribute = 'x_day' }
        flag = { as = 'boolean', attribute = 'x_flag' }
        one = { as = 'options', attribute = 'x_one', choices = ['Red', 'Blue'] }
        some = { as = 'joined', attribute = 'x_some', tags = true }
        each = { as = 'booleans', attribute = 'x_each', choices = ['A b', 'C'] }
        same = { as = 'booleans', attribute = 'x_same', choices = ['A+', 'A-'] }
        tags = { as = 'tags', attribute = 'x_tag' }
        noted = { as = 'note' }
        left = { as = 'skip' }
        odd = { as = 'review' }
    ";
    let mapping = FieldMapping::parse(mapping, "mapping.toml", &Names::default()).unwrap();
    let mapper = ContactMapper::new(&config("")).with_fields(Arc::new(mapping));
    let map = |fields: Value| {
        let mut contact = json!({ "id": 7, "email": "a@example.com" });
        contact.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let mut out = Emit::default();
        let contact: Contact = serde_json::from_value(contact).unwrap();
        let key = keys::contact(&contact.id);
        mapper.map(Record::new(key, ListedContact::new(contact, Vec::new())), &mut out);
        out
    };
    let out = map(json!({
        "text": "t", "whole": "-3", "number": "1,5", "day": "2025-06-30", "flag": "Kyllä", "one": "red",
        "some": "Golf; Opera", "each": "c", "same": "A-", "tags": "New|Hot",
         "noted": "n", "left": "l", "odd": "o",
    }));
    assert_eq!(
        json!(fields(&out).attributes),
        json!({
            "x_text": "t", "x_whole": -3, "x_number": 1.5, "x_day": 1_751_241_600, "x_flag": true,
            "x_one": "Red", "x_some": "Golf, Opera", "x_each_a_b": false, "x_each_c": true,
            "x_same_a": false, "x_same_a_2": true,
        })
    );
    assert_eq!(noted(&out), ["field_for_review odd"]);
    let (mut tags, mut notes) = (Vec::new(), Vec::new());
    for (_, draft) in out.drafts() {
        match draft {
            ContactDraft::Tag(tag) => tags.push(tag.as_str()),
            ContactDraft::Note { body, .. } => notes.push(body.as_str()),
            ContactDraft::Contact(_) => {}
        }
    }
    assert_eq!(tags, ["x_some_Golf", "x_some_Opera", "x_tag_Hot", "x_tag_New"]);
    assert_eq!(notes, ["noted: n\n\nLeadDesk contact 7"]);

    let misfits = map(json!({
        "text": "x".repeat(256), "whole": "3.5", "number": "many", "day": "soon", "flag": "maybe",
        "one": "Green", "each": "C, D", "odd": { "a": 1 }, "new": "never seen",
        "tags": format!("Hot, {}", "y".repeat(200)),
    }));
    assert_eq!(
        noted(&misfits),
        [
            "does_not_fit day",
            "does_not_fit each",
            "does_not_fit flag",
            "does_not_fit number",
            "does_not_fit one",
            "does_not_fit tags",
            "too_long text",
            "does_not_fit whole",
            "field_for_review new",
            "field_for_review odd",
        ]
    );
    assert_eq!(
        json!(fields(&misfits).attributes),
        json!({ "x_each_a_b": false, "x_each_c": true })
    );
    let drafts = misfits.drafts();
    let Some((_, ContactDraft::Note { body, .. })) = drafts.last() else { panic!("no note") };
    for kept in [
        "whole: 3.5",
        "number: many",
        "day: soon",
        "flag: maybe",
        "one: Green",
        "each: C, D",
        &"x".repeat(256),
        &"y".repeat(200),
    ] {
        assert!(body.contains(kept), "{kept} is not in: {body}");
    }
}

#[test]
fn a_social_security_number_is_carried_where_it_is_asked_for() {
    let contact = json!({"id": 1, "email": "a@example.com", "ssc": " 010190-123A "});
    let out = map("[contacts]\nssn = true", contact, &[]);
    assert_eq!(json!(fields(&out).attributes), json!({"ld_ssn": "010190-123A"}));
    assert!(noted(&out).is_empty());
}

/// Offices of a table and a blacklist, as files beside the contacts have them.
#[test]
fn files_beside_the_contacts_say_the_time_zone_and_the_blacklist() {
    use crate::source::{Documented, Sort};
    let offices = [
        json!({"id": "1", "name": "Oulu", "Time Zone": " Europe/Helsinki "}),
        json!({"id": "2", "name": "Nowhere", "time_zone": ""}),
    ]
    .map(|content| Documented { sort: Sort::Office, id: "1".into(), content });
    let beside = Beside::new(&offices, Some([keys::phone("+358401234568")].into()));
    for (office, phone, expected) in [
        (
            "OULU",
            "0401234567",
            json!({"ld_blacklisted": false, "ld_office": "OULU",
                   "ld_office_timezone__c": "Europe/Helsinki"}),
        ),
        ("Nowhere", "0401234567", json!({"ld_blacklisted": false, "ld_office": "Nowhere"})),
        ("Kemi", "0401234568", json!({"ld_blacklisted": true, "ld_office": "Kemi"})),
    ] {
        let contact = json!({"id": 1, "phone": phone, "assigned_office": office});
        let contact = ListedContact::new(serde_json::from_value(contact).unwrap(), Vec::new());
        let mut out = Emit::default();
        let mapper = ContactMapper::new(&config("")).with_beside(beside.clone());
        mapper.map(Record::new(keys::contact(1), contact), &mut out);
        assert_eq!(json!(fields(&out).attributes), expected, "{office}");
    }
    let shown = format!("{beside:?}");
    assert!(shown.contains('1') && !shown.contains("358"), "{shown}");
}

/// Where nobody has a list, nobody says that somebody is not on it.
#[test]
fn without_a_blacklist_nothing_is_said_of_it() {
    let out = map("", json!({"id": 1, "phone": "0401234567"}), &[]);
    assert_eq!(json!(fields(&out).attributes), json!({}));
}

#[test]
fn an_outcome_by_its_id_is_told_by_the_name_that_its_table_has() {
    use crate::source::{Documented, Sort};
    let content = json!({"id": "17", "name": "Deal"});
    let documented = [Documented { sort: Sort::Outcome, id: "17".into(), content }];
    let mapper = ContactMapper::new(&config("")).with_beside(Beside::new(&documented, None));
    for (reason, attributes, notes) in [
        ("17", json!({"ld_outcome__c": "Deal"}), vec![]),
        ("Deal", json!({"ld_outcome__c": "Deal"}), vec![]),
        ("18", json!({}), vec!["outcome_without_name last_reason"]),
    ] {
        let contact = json!({"id": 1, "email": "a@example.com", "last_reason": reason});
        let mut out = Emit::default();
        mapper.map(record(contact, &[]), &mut out);
        assert_eq!(json!(fields(&out).attributes), attributes, "{reason}");
        assert_eq!(noted(&out), notes, "{reason}");
        let met = out.discoveries().iter().any(|it| it.list == OUTCOMES && it.item == "Deal");
        assert_eq!(met, reason != "18");
    }
}

#[test]
fn a_very_long_comment_is_several_notes_and_that_is_noted() {
    let comment = "pitkä sana ".repeat(1_000);
    let out = map("", json!({"id": 1, "email": "a@example.com", "comment": comment}), &[]);
    let notes = out.drafts().iter().filter(|(_, it)| matches!(it, ContactDraft::Note { .. }));
    assert_eq!((notes.count(), noted(&out)), (2, vec!["message_split comment".to_owned()]));
}

/// Tags that differ in case alone are one in Intercom, so the report is to know how each is spelled.
#[test]
fn tags_of_custom_fields_are_met_as_they_are_spelled() {
    let fields = FieldMapping::parse(
        "confirmed = true\n[fields.club]\nas = 'tags'\nattribute = 'ld_club'\n",
        "mapping.toml",
        &Names::default(),
    );
    let mapper = ContactMapper::new(&config("")).with_fields(Arc::new(fields.unwrap()));
    let mut out = Emit::default();
    mapper
        .map(record(json!({"id": 1, "email": "a@example.com", "club": "VIP, vip"}), &[]), &mut out);
    let met: Vec<_> = out.discoveries().iter().map(|it| (&*it.list, &*it.item)).collect();
    assert_eq!(met, [(FIELD_TAGS, "ld_club_VIP"), (FIELD_TAGS, "ld_club_vip")]);
}
