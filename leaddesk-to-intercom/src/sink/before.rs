//! Before-images of contacts, as the ledger keeps them: what stood in Intercom, beside it which fields
//! the migration has written, and whether the contact was archived. A rollback goes by these alone, and
//! not by what the configuration says by then.

use std::collections::{BTreeMap, BTreeSet};

use intercom_client::{Contact, ContactId, Tag, UpdateContact, text};
use serde_json::{Value, json};

use super::left::{self, field};

/// What is kept before an archived contact is taken back. What it holds cannot be read until then.
pub(crate) fn archived(id: &ContactId) -> Value {
    json!({ "id": id, "archived": true })
}

/// The same once it was taken back and can be read, with these tags: what people change or add from
/// now on shows by that.
pub(crate) fn taken_back(found: &Contact, tags: &[Tag]) -> Value {
    let mut before = left::image(found);
    before["written"] = json!({});
    before["archived"] = json!({
        "until": found.updated_at.map(|time| time.timestamp()),
        "tags": tags.iter().map(|tag| &tag.id).collect::<Vec<_>>(),
        "more": more(found),
        "companies": found.company_count,
    });
    before
}

/// Was the contact archived?
pub(crate) fn was_archived(before: &Value) -> bool {
    !before["archived"].is_null()
}

/// Is no more known than that the contact was archived?
pub(crate) fn is_bare(before: &Value) -> bool {
    was_archived(before) && before.get("custom_attributes").is_none()
}

/// What people can change about a contact beside the fields of its image.
pub(crate) fn more(found: &Contact) -> Value {
    json!([found.role, found.owner_id, found.unsubscribed_from_emails])
}

/// The image to be kept before this change is made of a contact that stands so now, with what is
/// written. Of a field that is written for the first time, what stands there now is what stood there
/// before.
pub(crate) fn writing(kept: Option<&Value>, now: &Value, change: &UpdateContact) -> Value {
    let mut before = kept.cloned().unwrap_or_else(|| {
        let mut first = now.clone();
        first["written"] = json!({});
        first
    });
    // One that does not say which fields were written may stand for any.
    let written = before.get_mut("written").map(Value::take);
    let Some(Value::Object(mut written)) = written else { return before };
    for (name, value) in values(change) {
        if written.insert(name.clone(), value).is_none() {
            let stands = field(now, &name);
            match name.strip_prefix('.') {
                Some(attribute) => before["custom_attributes"][attribute] = stands,
                None => before[&name] = stands,
            }
        }
    }
    before["written"] = json!(written);
    before
}

/// The same image once the change was made, with what has become of the values in Intercom's hands.
pub(crate) fn settled(mut before: Value, now: &Value, change: &UpdateContact) -> Value {
    for name in values(change).into_keys() {
        let stands = field(now, &name);
        if let Some(value) = before["written"].get_mut(&name).filter(|_| !left::is_empty(&stands)) {
            *value = stands;
        }
    }
    before
}

/// The fields that the migration has written to a contact that stands so now, by this image.
pub(crate) fn written(before: &Value, now: &Value) -> BTreeSet<String> {
    match before["written"].as_object() {
        Some(written) => written.keys().cloned().collect(),
        None => left::names(before, now),
    }
}

/// The fields of a contact that stand as the migration has written them. `None` where the image does
/// not say what was written.
pub(crate) fn still_ours(before: &Value, now: &Value) -> Option<BTreeSet<String>> {
    let written = before["written"].as_object()?.iter();
    let ours = written.filter(|(name, value)| is_same(value, &field(now, name)));
    Some(ours.map(|(name, _)| name.clone()).collect())
}

/// Has the migration written this field? `None` where the image does not say.
pub(crate) fn wrote(before: &Value, name: &str) -> Option<bool> {
    before["written"].as_object().map(|written| written.contains_key(name))
}

/// May a field be given another value, that stands so now? What is empty, and what the migration has
/// written and nobody has changed since: by the image of the contact, or, where nothing is kept of it,
/// by what stood there before. Of a contact without an image everything may be.
pub(crate) fn may_change(before: &Value, name: &str, now: &Value, wanted: &Value) -> bool {
    if left::is_empty(now) {
        return true;
    }
    let ours = match before["written"].as_object() {
        Some(written) => written.get(name).is_some_and(|ours| is_same(ours, now)),
        None => left::is_empty(&field(before, name)),
    };
    ours && now != wanted
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_str(), other.as_str()) {
        (Some(one), Some(other)) => text::same(one, other),
        _ => one == other,
    }
}

/// The fields of a change with their values; those of attributes have a dot in front.
pub(super) fn values(change: &UpdateContact) -> BTreeMap<String, Value> {
    let body = json!(change);
    let fields = body.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, _)| *name != "custom_attributes");
    let fields = fields.map(|(name, value)| (name.clone(), value.clone()));
    let attributes = change.custom_attributes.iter();
    fields.chain(attributes.map(|(name, value)| (format!(".{name}"), value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_is_kept_as_it_stood_before_it_was_first_written() {
        let now = |name: &str, city: Value| json!({"id": "c", "name": name, "custom_attributes": {"city": city}});
        let named = UpdateContact::new().name("Ours");
        let first = writing(None, &now("Theirs", Value::Null), &named);
        assert_eq!(first, writing(Some(&first), &now("Ours", Value::Null), &named));
        assert_eq!(first["name"], "Theirs");
        assert_eq!(first["written"], json!({"name": "Ours"}));

        // What people have filled in between is theirs.
        let mut both = UpdateContact::new().name("Ours again");
        both.custom_attributes = [("city".to_owned(), json!("Oulu"))].into_iter().collect();
        let second = writing(Some(&first), &now("Ours", json!("Turku")), &both);
        assert_eq!(second["name"], "Theirs");
        assert_eq!(second["custom_attributes"]["city"], "Turku");
        assert_eq!(
            written(&second, &Value::Null),
            BTreeSet::from([".city", "name"].map(String::from))
        );
    }

    #[test]
    fn only_what_is_empty_or_still_ours_is_changed() {
        let image = json!({
            "name": "Theirs", "phone": null, "custom_attributes": {"city": null, "batch": null},
            "written": {".city": "Oulu", "name": "Ours"},
        });
        for (name, now, wanted, may) in [
            ("phone", Value::Null, "2", true),
            // Somebody has filled it since.
            ("phone", json!("1"), "2", false),
            (".city", json!("Oulu"), "Turku", true),
            (".city", json!("Turku"), "Turku", false),
            (".city", json!("Espoo"), "Turku", false),
            ("name", json!("Ours"), "Ours again", true),
            (".batch", json!("7"), "8", false),
        ] {
            assert_eq!(may_change(&image, name, &now, &json!(wanted)), may, "{name} {now}");
        }
        assert!(may_change(&Value::Null, "name", &json!("Theirs"), &json!("Ours")));
    }

    #[test]
    fn what_intercom_makes_of_a_value_is_what_was_written() {
        let change = UpdateContact::new().phone("0401234567");
        let first = writing(None, &json!({"id": "c", "custom_attributes": {}}), &change);
        let stands = json!({"phone": "+358401234567", "custom_attributes": {}});
        assert_eq!(settled(first, &stands, &change)["written"]["phone"], "+358401234567");
    }

    #[test]
    fn an_image_without_names_stands_for_all_fields() {
        let old = json!({"id": "c", "custom_attributes": {"city": "Oulu"}});
        let named = UpdateContact::new().name("Ours");
        assert_eq!(writing(Some(&old), &json!({"name": "Theirs"}), &named), old);
        assert!(written(&old, &Value::Null).contains(".city"));
        assert!(written(&old, &Value::Null).contains("name"));
    }
}
