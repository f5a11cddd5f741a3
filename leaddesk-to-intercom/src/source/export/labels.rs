//! What `custom_fields.csv` calls the slots of Other info.

use std::collections::BTreeMap;

use leaddesk_client::{Contact, OTHER_INFO_SLOTS, export, other_info_key};
use migrate_core::SourceError;
use serde_json::Value;

use super::Folder;
use crate::value::tag::one_line;

/// The labels of slots that have one label: one that is called otherwise in each project is known by the
/// label that stands beside its value, or not at all.
#[derive(Debug, Default)]
pub(super) struct Labels(BTreeMap<u8, String>);

impl Labels {
    /// The labels of a folder; none where it has no such file.
    pub(super) fn read(folder: &Folder) -> Result<Self, SourceError> {
        let path = folder.path("custom_fields.csv");
        if !path.exists() {
            return Ok(Self::default());
        }
        let unusable = |error| folder.unusable(&path, error);
        let mut labels: BTreeMap<u8, Option<String>> = BTreeMap::new();
        for row in export::table(&path, folder.settings()).map_err(unusable)? {
            // What cannot be read is told when the inventory is.
            let Ok(row) = row.map_err(unusable)?.body else { continue };
            let text = |name: &str| row.get(name).and_then(Value::as_str).map(one_line);
            let (Some(slot), Some(label)) = (text("id").and_then(|id| slot(&id)), text("name"))
            else {
                continue;
            };
            let same = labels.entry(slot).or_insert_with(|| Some(label.clone()));
            if same.as_ref() != Some(&label) {
                *same = None;
            }
        }
        let labels = labels.into_iter().filter_map(|(slot, label)| Some((slot, label?)));
        Ok(Self(labels.filter(|(_, label)| !label.is_empty()).collect()))
    }

    /// Labels the slots of a contact that have none.
    pub(super) fn put(&self, mut contact: Contact) -> Contact {
        if self.0.is_empty() {
            return contact;
        }
        contact.extra = contact.extra.map(|mut fields| {
            for (slot, label) in &self.0 {
                let own = fields.entry(format!("other_i_name_{slot}")).or_insert(Value::Null);
                if own.is_null() || own.as_str().is_some_and(|own| own.trim().is_empty()) {
                    *own = Value::String(label.clone());
                }
            }
            fields
        });
        contact
    }
}

/// The slot that an id names as the API does. A bare number may be anything.
fn slot(id: &str) -> Option<u8> {
    let id = id.to_lowercase();
    (1..=OTHER_INFO_SLOTS).find(|slot| {
        other_info_key(*slot).is_some_and(|key| key == id) || format!("other_info_{slot}") == id
    })
}
