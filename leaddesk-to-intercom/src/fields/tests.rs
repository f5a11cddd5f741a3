use std::collections::HashSet;

use serde_json::json;

use super::*;
use crate::config::Names;
use crate::value::Zone;

fn contact(fields: serde_json::Value) -> Contact {
    let mut whole = json!({ "id": 1 });
    whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}

fn profile<'a>(contacts: impl IntoIterator<Item = &'a Contact>) -> Profile {
    let zone: Zone = "Europe/Helsinki".parse().unwrap();
    let mut profile = Profile::default();
    contacts.into_iter().for_each(|contact| profile.observe(contact, zone));
    profile
}

#[test]
fn a_field_is_known_by_its_label_and_by_its_slot_without_one() {
    let names = |fields| -> Vec<String> {
        custom_fields(&contact(fields)).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names(json!({
            "other_info_ft": "A", "other_i_name_1": " Segment ", "other_info_7": "x", "other_info_8": " ",
            "other_i_name_8": "Empty", "other_info_9": "y", "other_i_name_9": "Segment",
            "loyalty": 3, "empty": null, "none": {}, "client_id": "9", "sponsor": "S",
        })),
        ["Segment", "other_info_7", "Segment (other_info_9)", "loyalty"]
    );
    // Nothing that is filled is left out, whatever form and name it has.
    assert_eq!(
        names(json!({
            "other_info_4": "A", "other_i_name_4": "City", "City": "B", "other_info_36": "C",
            "other_info_1": "D", "other_i_name_99": "E", "other_info_5": ["x", "y"],
            "other_info_6": { "a": 1 },
        })),
        [
            "City",
            "other_info_5",
            "other_info_6",
            "City (column)",
            "other_i_name_99",
            "other_info_1",
            "other_info_36"
        ]
    );
    // The same label in another slot is the same field.
    assert_eq!(names(json!({ "other_info_12": "B", "other_i_name_12": "Segment" })), ["Segment"]);
}

#[test]
fn several_values_are_joined_and_objects_are_nested() {
    let fields =
        custom_fields(&contact(json!({ "a": ["x", 1, true], "b": [{ "c": 1 }], "d": { "e": 1 } })));
    let kinds: Vec<_> = fields
        .iter()
        .map(|(name, value)| match value {
            Custom::Text(text) => format!("{name}: {text}"),
            Custom::Nested => format!("{name} is nested"),
        })
        .collect();
    assert_eq!(kinds, ["a: x, 1, true", "b is nested", "d is nested"]);
}

/// Nine contacts, whose fields are of every sort.
fn contacts() -> Vec<Contact> {
    (0..9)
        .map(|n| {
            let segment = ["A", "B", "C"][n % 3];
            let interests = ["Golf, Fishing", "Golf", "Sailing; Golf"][n % 3];
            contact(json!({
                "number": n + 10, "code": format!("00{n}"), "price": format!("{n},5"),
                "ends": format!("2025-01-0{}", n + 1), "news": if n % 2 == 0 { "Kyllä" } else { "ei" },
                "segment": segment,
                "interests": interests,
                "remark": format!("a remark of its own, the {n}th"),
                "story": "long ".repeat(if n < 2 { 2 } else { 60 }),
                "flag": n % 2,
                "tree": { "n": n },
                "only": "one",
            }))
        })
        .collect()
}

#[test]
fn the_order_of_reading_does_not_matter() {
    let contacts = contacts();
    let forth = profile(&contacts);
    assert!(forth == profile(contacts.iter().rev()));
    assert_eq!(forth.records(), 9);
    let debug = format!("{forth:?} {:?}", forth.field("segment"));
    assert!(!debug.contains('A') && !debug.contains("Golf"), "{debug}");
}

#[test]
fn what_the_values_have_in_common() {
    let profile = profile(&contacts());
    let inferred: Vec<(&str, Inferred)> =
        profile.fields().map(|(name, field)| (name, field.inferred())).collect();
    assert_eq!(
        inferred,
        [
            ("code", Inferred::Text),
            ("ends", Inferred::Date),
            ("flag", Inferred::Integer),
            ("interests", Inferred::Choices),
            ("news", Inferred::Boolean),
            ("number", Inferred::Integer),
            ("only", Inferred::Choice),
            ("price", Inferred::Decimal),
            ("remark", Inferred::Text),
            ("segment", Inferred::Choice),
            ("story", Inferred::Text),
            ("tree", Inferred::Nested),
        ]
    );
    assert_eq!(profile.field("interests").unwrap().options(), ["Fishing", "Golf", "Sailing"]);
    assert_eq!(profile.field("interests").unwrap().picks, 15);
    assert_eq!(profile.field("story").unwrap().too_long, 7);
}

/// Memory stays bounded whatever an account holds, and so does what is said of it.
#[test]
fn an_account_of_any_size_is_profiled_in_bounded_memory() {
    let many =
        (0..1_200).map(|n| contact(json!({ format!("field {n:04}"): "x" }))).collect::<Vec<_>>();
    let forth = profile(&many);
    assert_eq!(forth.fields().count(), 1_000);
    assert_eq!(forth.fields().last().unwrap().0, "field 0999");
    assert!(forth == profile(many.iter().rev()));
    let values = (0..60).map(|n| contact(json!({ "v": format!("v{n}") }))).collect::<Vec<_>>();
    assert_eq!(profile(&values).field("v").unwrap().distinct(), None);
    let long = [contact(json!({ "v": "x".repeat(61) }))];
    assert_eq!(profile(&long).field("v").unwrap().distinct(), None);
}

#[test]
fn a_proposal_is_a_file_that_is_read_back_as_it_is() {
    let (profile, names) = (profile(&contacts()), Names::default());
    let (mapping, reasons) = propose(&profile, &DefaultProposer, &names, &HashSet::new());
    let text = mapping.to_toml(&profile, &reasons);
    insta::assert_snapshot!(text);
    assert_eq!(FieldMapping::parse(&text, "mapping.toml", &names), Ok(mapping));
}

#[test]
fn attributes_have_names_that_nothing_else_has_and_are_as_many_as_there_can_be() {
    let taken =
        [contact(json!({ "City": "x", "city!": "y", "CITY?": "z", "Lisätieto Ö": "w", "§": "v" }))];
    let (mapping, _) =
        propose(&profile(&taken), &DefaultProposer, &Names::default(), &HashSet::new());
    let names: Vec<_> = mapping.fields.values().filter_map(|rule| rule.attribute.clone()).collect();
    assert_eq!(names, ["ld_city_2", "ld_city_3", "ld_lisatieto_o", "ld_city_4", "ld_field"]);

    let many =
        (0..300).map(|n| contact(json!({ format!("field {n:03}"): "x" }))).collect::<Vec<_>>();
    let (mapping, reasons) =
        propose(&profile(&many), &DefaultProposer, &Names::default(), &HashSet::new());
    let fixed = crate::map::contact_attributes(&Names::default()).len();
    let attributes = mapping.attributes().len();
    assert!(attributes + fixed <= 250 && attributes > 200, "{attributes} beside {fixed}");
    assert_eq!(mapping.fields["field 299"].place, Place::Note);
    assert!(reasons["field 299"].contains("250"));

    // What the workspace has already takes places as well; what it shares with us takes none.
    let theirs: HashSet<String> =
        (0..200).map(|n| format!("theirs {n}")).chain(["ld_field_000".to_owned()]).collect();
    let (mapping, _) = propose(&profile(&many), &DefaultProposer, &Names::default(), &theirs);
    let few = mapping.attributes().len();
    assert_eq!(few, attributes - 200, "beside {} of the customer's", theirs.len());
}

#[test]
fn a_mapping_that_cannot_be_obeyed_is_refused() {
    let refused = |text: &str| {
        FieldMapping::parse(text, "mapping.toml", &Names::default()).unwrap_err().to_string()
    };
    for (text, parts) in [
        (
            "confirmed = true\n[fields.a]\nas = 'text'",
            ["mapping.toml:3:", "unknown variant `text`"],
        ),
        (
            "confirmed = true\n[fields.a]\nas = 'note'\natribute = 'x'",
            ["mapping.toml:4:", "unknown field `atribute`, expected one of `as`, `attribute`"],
        ),
        (
            "confirm = true",
            ["mapping.toml:1:", "unknown field `confirm`, expected `confirmed` or `fields`"],
        ),
        ("confirm = true", ["did you mean `confirmed`", "mapping.toml"]),
        ("[fields.a]\nas = 'strng'", ["mapping.toml:2:", "did you mean `string`"]),
        (
            "[fields.a]\nas = 'tags'\nchoices = 'Anna Virtanen'",
            ["mapping.toml:3:", "this is not what is expected here, a sequence"],
        ),
        (
            "[fields.a]\nas = 'string'\nattribute = 'a.b'",
            [
                "fields.\"a\": the name of its attribute may hold letters",
                "Intercom takes no others",
            ],
        ),
        ("[fields.a]\nas = 'string'", ["fields.\"a\" needs an attribute", "ld_a"]),
        (
            "[fields.a]\nas = 'options'\nattribute = 'x'\nchoices = ['one']",
            ["at least 2 choices", "fields.\"a\""],
        ),
        (
            "[fields.a]\nas = 'string'\nattribute = 'x'\n[fields.b]\nas = 'date'\nattribute = 'X'",
            [
                "fields.\"b\" and fields.\"a\" have the same attribute `X`",
                "give one of them another",
            ],
        ),
        (
            "[fields.a]\nas = 'string'\nattribute = 'LD_City'",
            ["fields.\"a\" and [names]", "`LD_City`"],
        ),
    ] {
        let said = refused(text);
        for part in parts {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }
}
