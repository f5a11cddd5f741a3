//! Contacts and leads: each once, with all its fields, and whom the workspace knew before.

use std::collections::{BTreeSet, HashMap};

use migrate_sandbox::ExistingContact;
use migrate_sandbox::workspace::{Contact, CreatedBy};
use serde_json::Value;

use super::chats::VISITOR;
use super::expect::{ExpectedContact, People};
use super::{Audit, text_of_html};

impl Audit<'_> {
    /// Compares all contacts and leads. Returns the id in the workspace of each expected one, by its place.
    pub(super) fn people(&mut self, people: &People<'_>) -> HashMap<usize, String> {
        let (mut ids, mut seen) = (HashMap::new(), BTreeSet::new());
        let by_name = by_name(&self.workspace.contacts);
        for (at, expected) in people.all.iter().enumerate() {
            // Who waits is not there.
            if expected.waits.is_some() {
                continue;
            }
            let known = expected.known;
            let mut names = vec![expected.external_id.clone()];
            if expected.role == "user" {
                names.extend(expected.email.as_ref().map(|email| email.to_lowercase()));
            }
            let mut found: Vec<&Contact> = Vec::new();
            for contact in names.iter().filter_map(|name| by_name.get(name)).flatten() {
                // A lead with the address is somebody else.
                let is_it = names.contains(&source_key(contact))
                    || contact.external_id.as_ref().is_some_and(|id| names.contains(id))
                    || contact.role == "user";
                if is_it && !found.iter().any(|it| it.id == contact.id) {
                    found.push(contact);
                }
            }
            let of = &expected.external_id;
            match found[..] {
                [] => self.say(format!("{of}: is missing")),
                [found] => {
                    ids.insert(at, found.id.clone());
                    seen.insert(&found.id);
                    self.contact(expected, known, found);
                }
                _ => self.say(format!("{of}: is there {} times", found.len())),
            }
        }
        for found in &self.workspace.contacts {
            let known = self.account.existing.iter().find(|known| {
                found.role == "user" && found.email.as_deref() == Some(known.email.as_str())
            });
            match known {
                _ if seen.contains(&found.id) => {}
                // These are looked at with their chats.
                _ if self.terms.chats && is_visitor(found) => {}
                Some(known) => self.untouched(known, found),
                None => self.say(format!(
                    "contact {:?} {:?} should not be there",
                    found.external_id, found.email
                )),
            }
        }
        ids
    }

    fn contact(
        &mut self,
        expected: &ExpectedContact<'_>,
        known: Option<&ExistingContact>,
        found: &Contact,
    ) {
        let of = &expected.external_id;
        let before =
            |value: fn(&ExistingContact) -> &Option<String>| known.and_then(|it| value(it).clone());
        let external_id = before(|known| &known.external_id).unwrap_or_else(|| of.clone());
        let name = before(|known| &known.name).or_else(|| expected.name.clone());
        let phone = before(|known| &known.phone).or_else(|| expected.phone.clone());
        let email = found.email.as_ref().map(|email| email.to_lowercase());
        let created_by = if known.is_some() { CreatedBy::Customer } else { CreatedBy::Api };
        self.same(of, "role", found.role.as_str(), expected.role);
        self.same(of, "external id", found.external_id.clone(), Some(external_id));
        self.same(of, "e-mail", email, expected.email.clone());
        self.same(of, "phone", found.phone.clone(), phone);
        self.same(of, "name", found.name.clone(), name);
        self.same(of, "signed_up_at", found.signed_up_at, expected.signed_up_at);
        self.same(of, "last_seen_at", found.last_seen_at, None);
        self.same(of, "archived", found.archived, false);
        self.same(of, "unsubscribed", found.unsubscribed_from_emails, false);
        self.same(of, "owner", found.owner_id.clone(), None);
        self.same(of, "companies", found.companies.len(), 0);
        self.same(of, "heir", &found.merged_into, &None);
        self.same(of, "maker", found.created_by, created_by);
        self.attributes(of, &found.custom_attributes, &expected.attributes);
        self.tags(of, &found.tags, &expected.tags);
        let mut notes: Vec<String> =
            found.notes.iter().map(|note| text_of_html(&note.body)).collect();
        let mut wanted = expected.notes.clone();
        notes.sort();
        wanted.sort();
        self.same(of, "notes", notes, wanted);
        let ours = self.fallback();
        let others = found.notes.iter().filter(|note| note.author != ours).count();
        self.same(of, "notes by somebody else", others, 0);
    }

    fn untouched(&mut self, known: &ExistingContact, found: &Contact) {
        let of = format!("contact {} of before", known.email);
        self.same(&of, "archived", found.archived, known.archived);
        self.same(&of, "external id", &found.external_id, &known.external_id);
        self.same(&of, "name", &found.name, &known.name);
        self.same(&of, "phone", &found.phone, &known.phone);
        self.same(&of, "signed_up_at", found.signed_up_at, None);
        self.same(&of, "attributes", found.custom_attributes.len(), 0);
        self.same(&of, "tags", found.tags.len(), 0);
        self.same(&of, "notes", found.notes.len(), 0);
    }
}

/// The contacts by external id, key of the lead, and address in lower case: whoever has one of them might be it.
fn by_name(contacts: &[Contact]) -> HashMap<String, Vec<&Contact>> {
    let mut names: HashMap<String, Vec<&Contact>> = HashMap::new();
    for contact in contacts {
        let email = contact.email.as_ref().map(|email| email.to_lowercase());
        let own = contact.external_id.iter().cloned().chain(email);
        for name in own.chain(Some(source_key(contact)).filter(|key| !key.is_empty())) {
            names.entry(name).or_default().push(contact);
        }
    }
    names
}

fn source_key(contact: &Contact) -> String {
    let key = contact.custom_attributes.get("ld_source_key").and_then(Value::as_str);
    key.unwrap_or_default().to_owned()
}

fn is_visitor(contact: &Contact) -> bool {
    contact.external_id.as_deref().is_some_and(|id| id.starts_with(VISITOR))
        || source_key(contact).starts_with(VISITOR)
}
