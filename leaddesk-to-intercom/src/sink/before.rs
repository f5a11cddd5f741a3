//! Before-images of contacts, as the ledger keeps them: what stood in Intercom, beside it which fields
//! the migration has written, and whether the contact was archived. A rollback goes by these alone, and
//! not by what the configuration says by then.

use std::collections::BTreeSet;

use intercom_client::{Contact, ContactId, Tag, UpdateContact};
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
    before["written"] = json!([]);
    before["archived"] = json!({
        "until": found.updated_at.map(|time| time.timestamp()),
        "tags": tags.iter().map(|tag| &tag.id).collect::<Vec<_>>(),
        "more": more(found),
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

/// The image to be kept before this change is made of a contact that stands so now. Of a field that is
/// written for the first time, what stands there now is what stood there before.
pub(crate) fn writing(kept: Option<&Value>, now: &Value, change: &UpdateContact) -> Value {
    let mut before = kept.cloned().unwrap_or_else(|| {
        let mut first = now.clone();
        first["written"] = json!([]);
        first
    });
    let known: Option<BTreeSet<String>> = serde_json::from_value(before["written"].clone()).ok();
    // One that does not say which fields were written may stand for any.
    let Some(mut written) = known else { return before };
    for name in names(change) {
        if written.insert(name.clone()) {
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

/// The fields that the migration has written to a contact that stands so now, by this image.
pub(crate) fn written(before: &Value, now: &Value) -> BTreeSet<String> {
    serde_json::from_value(before["written"].clone()).unwrap_or_else(|_| left::names(before, now))
}

/// The names of the fields of a change; those of attributes have a dot in front.
fn names(change: &UpdateContact) -> BTreeSet<String> {
    let body = json!(change);
    let fields = body.as_object().into_iter().flat_map(|it| it.keys());
    let fields = fields.filter(|name| *name != "custom_attributes").cloned();
    let attributes = change.custom_attributes.keys().map(|name| format!(".{name}"));
    fields.chain(attributes).collect()
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
        assert_eq!((&first["name"], &first["written"]), (&json!("Theirs"), &json!(["name"])));

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
    fn an_image_without_names_stands_for_all_fields() {
        let old = json!({"id": "c", "custom_attributes": {"city": "Oulu"}});
        let named = UpdateContact::new().name("Ours");
        assert_eq!(writing(Some(&old), &json!({"name": "Theirs"}), &named), old);
        assert!(written(&old, &Value::Null).contains(".city"));
        assert!(written(&old, &Value::Null).contains("name"));
    }
}
