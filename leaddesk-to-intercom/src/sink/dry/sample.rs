//! A sample of contacts, and what a run would do with each in the workspace as it is now.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use intercom_client::{Contact, Error, IntercomClient, Query, Role, Search};
use migrate_core::{Fingerprint, Key, Reason};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::draft::ContactFields;
use crate::queue;

use super::super::contacts::{filling, is_of_migration};
use super::super::left::image;

/// A few contacts of many: by a seed always the same ones, in whatever order they come. Clones share
/// them. It holds no more than them.
#[derive(Clone, Debug)]
pub struct Sampler {
    size: usize,
    seed: u64,
    taken: Arc<Mutex<Taken>>,
}

/// Contacts by the digests of their keys.
type Taken = BTreeMap<[u8; 16], (Key, ContactFields)>;

/// What a run would do with a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Nobody is found who is this contact: it is created. An archived contact cannot be found by
    /// reading: who is one turns out when the create is refused, and waits then.
    Create,
    /// It is there, and is filled where it is empty.
    Fill,
    /// It is there, and is overwritten where it differs, since the configuration says so.
    Overwrite,
    /// It was migrated before, and is brought up to date.
    Update,
    /// It is there as it should be.
    Leave,
    /// It waits for somebody.
    Wait,
    /// Intercom could not be asked.
    Unknown,
}

/// What was found of one contact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Looked {
    /// The record.
    pub key: Key,
    /// What a run would do with it.
    pub action: Action,
    /// The fields that would be filled or overwritten, by name; those of attributes have a dot in
    /// front.
    pub fields: Vec<String>,
    /// What it waits for.
    pub reason: Option<Reason>,
}

impl Sampler {
    /// Takes as many as that, by this seed.
    pub fn new(size: usize, seed: u64) -> Self {
        Self { size, seed, taken: Arc::default() }
    }

    /// Takes a contact, or lets it pass.
    pub(super) fn offer(&self, key: &Key, fields: &ContactFields) {
        let place = Fingerprint::of(format!("{}\n{key}", self.seed).as_bytes());
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_in = taken.len() < self.size
            || taken.last_key_value().is_some_and(|(last, _)| place.as_bytes() < last);
        if is_in {
            taken.insert(*place.as_bytes(), (key.clone(), fields.clone()));
            if taken.len() > self.size {
                taken.pop_last();
            }
        }
    }

    /// The keys of those that were taken.
    pub fn keys(&self) -> Vec<Key> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.values().map(|(key, _)| key.clone()).collect()
    }

    /// Looks each of them up in the workspace, by reading alone: users by their external ids, which are
    /// current, and by their addresses, through search, which lags. Leads are always new to Intercom.
    pub async fn look(&self, client: &IntercomClient, overwrite: bool) -> Vec<Looked> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let taken: Vec<(Key, ContactFields)> = taken.into_values().collect();
        let by_address = by_address(client, &taken).await;
        let mut looked = Vec::with_capacity(taken.len());
        for (key, fields) in taken {
            let found = match &by_address {
                _ if fields.role != "user" => Ok(None),
                Ok(by_address) => find(client, &fields, by_address).await.map_err(drop),
                Err(_) => Err(()),
            };
            looked.push(match found {
                Ok(found) => looked_at(key, &fields, found.as_ref(), overwrite),
                Err(()) => looked_of(key, Action::Unknown),
            });
        }
        looked
    }
}

/// The users who have the addresses of these contacts.
async fn by_address(
    client: &IntercomClient,
    taken: &[(Key, ContactFields)],
) -> Result<HashMap<String, Contact>, Error> {
    let users = taken.iter().filter(|(_, fields)| fields.role == "user");
    let addresses: Vec<&str> = users.filter_map(|(_, fields)| fields.email.as_deref()).collect();
    let mut known = HashMap::new();
    // A query takes so many values, as that of a dry run does.
    for addresses in addresses.chunks(50) {
        let query = Query::one_of("email", addresses.iter().copied());
        let mut found = client.contacts().search(Search::new(query).per_page(150)).items();
        while let Some(contact) = found.next().await {
            let contact = contact?;
            if let Some(email) = contact.email.as_ref().filter(|_| contact.role == Some(Role::User))
            {
                known.insert(email.reveal().to_lowercase(), contact);
            }
        }
    }
    Ok(known)
}

async fn find(
    client: &IntercomClient,
    fields: &ContactFields,
    by_address: &HashMap<String, Contact>,
) -> Result<Option<Contact>, Error> {
    if let Some(found) = client.contacts().find_by_external_id(&fields.external_id).await? {
        return Ok(Some(found));
    }
    let address = fields.email.as_ref();
    Ok(address.and_then(|address| by_address.get(&address.to_lowercase())).cloned())
}

/// What a run would do with a contact, by what was found: as [`ContactSink`](super::super::ContactSink)
/// does it.
fn looked_at(key: Key, fields: &ContactFields, found: Option<&Contact>, overwrite: bool) -> Looked {
    let Some(found) = found else { return looked_of(key, Action::Create) };
    let external_id = found.external_id.as_ref().map(|id| id.reveal().as_str());
    let is_other = external_id.is_some_and(|known| {
        known != fields.external_id && is_of_migration(known, &fields.external_id)
    });
    if is_other {
        let reason = queue::address_taken().object(found.id.as_str());
        return Looked { reason: Some(reason), ..looked_of(key, Action::Wait) };
    }
    let theirs = if overwrite { Value::Null } else { image(found) };
    let change = serde_json::to_value(filling(fields, found, &theirs)).unwrap_or_default();
    let mut names = Vec::new();
    for (name, value) in change.as_object().into_iter().flatten() {
        match value.as_object().filter(|_| name == "custom_attributes") {
            Some(attributes) => names.extend(attributes.keys().map(|name| format!(".{name}"))),
            None => names.push(name.clone()),
        }
    }
    let action = match names.is_empty() {
        true => Action::Leave,
        false if overwrite => Action::Overwrite,
        false => Action::Fill,
    };
    Looked { fields: names, ..looked_of(key, action) }
}

fn looked_of(key: Key, action: Action) -> Looked {
    Looked { key, action, fields: Vec::new(), reason: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys(sampler: &Sampler) -> Vec<String> {
        sampler.keys().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sample_is_the_same_in_any_order_and_no_larger_than_asked() {
        let all: Vec<Key> = (0..500).map(|n| Key::new("contact", n)).collect();
        let take = |keys: &mut dyn Iterator<Item = &Key>, seed| {
            let sampler = Sampler::new(25, seed);
            keys.for_each(|key| sampler.offer(key, &ContactFields::default()));
            sampler
        };
        let forth = keys(&take(&mut all.iter(), 1));
        assert_eq!(forth.len(), 25);
        assert_eq!(keys(&take(&mut all.iter().rev(), 1)), forth);
        assert_ne!(keys(&take(&mut all.iter(), 2)), forth);
        assert_eq!(keys(&take(&mut all[..3].iter(), 1)).len(), 3);
        assert_eq!(keys(&Sampler::new(0, 1)), [""; 0]);
    }

    #[test]
    fn what_would_be_done_follows_what_is_there() {
        let mut fields = ContactFields {
            external_id: "leaddesk:contact:1".into(),
            role: "user".into(),
            email: Some("anna@example.com".into()),
            name: Some("Anna".into()),
            ..ContactFields::default()
        };
        fields.attributes.insert("ld_city".into(), json!("Espoo"));
        let look = |found: Option<Value>, overwrite| {
            let found = found.map(|found| serde_json::from_value::<Contact>(found).unwrap());
            let looked = looked_at(Key::new("contact", 1), &fields, found.as_ref(), overwrite);
            (looked.action, looked.fields.join(" "), looked.reason.map(|it| it.code))
        };
        let contact = |external_id: &str, name: &str, city: &str| {
            Some(json!({
                "id": "c1", "role": "user", "external_id": external_id, "name": name,
                "email": "anna@example.com", "custom_attributes": { "ld_city": city },
            }))
        };
        assert_eq!(look(None, false), (Action::Create, String::new(), None));
        let found = look(contact("theirs", "", ""), false);
        assert_eq!(found, (Action::Fill, ".ld_city name".into(), None));
        let found = look(contact("theirs", "Annie", "Espoo"), false);
        assert_eq!(found, (Action::Leave, String::new(), None));
        let found = look(contact("theirs", "Annie", "Espoo"), true);
        assert_eq!(found, (Action::Overwrite, "name".into(), None));
        let taken = Some(queue::address_taken().code);
        let found = look(contact("leaddesk:contact:2", "", ""), false);
        assert_eq!(found, (Action::Wait, String::new(), taken));
    }
}
