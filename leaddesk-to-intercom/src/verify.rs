//! Verification: the source is mapped again, and what each record should have become is compared
//! with what Intercom gives back, field by field.
//!
//! The mapping runs through the same stages as a migration, on a scratch ledger; in the place of
//! the sinks stand those of this module, which read instead of writing. So merged contacts are
//! compared with what the merge should have given, not with one of its parts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use intercom_client::{
    AdminId, Contact, ContactId, Conversation, ConversationId, Error, IntercomClient, Part, State,
    text,
};
use migrate_core::ledger::{Entry, How, Ledger, LedgerError, PartState};
use migrate_core::{
    Doubt, Draft as _, Failure, Fate, Fingerprint, Found, Key, Limits, Mismatch, Name, Sink,
    TargetId, Verified, Write,
};
use serde_json::Value;

use crate::draft::{ContactDraft, ContactFields, ConversationDraft};

/// What is read back, and what was found. Clones share it.
#[derive(Clone)]
pub struct Verifier {
    client: IntercomClient,
    /// Who speaks for agents without a teammate.
    admin: AdminId,
    /// The ledger of the migration.
    ledger: Arc<dyn Ledger>,
    chosen: Arc<Option<BTreeSet<Key>>>,
    state: Arc<Mutex<Progress>>,
}

#[derive(Default)]
struct Progress {
    checked: BTreeSet<Key>,
    mismatches: Vec<(Key, Mismatch)>,
    contacts: HashMap<Key, Option<Arc<FetchedContact>>>,
    conversations: HashMap<Key, Option<Arc<Conversation>>>,
}

struct FetchedContact {
    contact: Contact,
    tags: BTreeSet<String>,
    notes: Vec<String>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// Objects that are kept at hand while the writes of their records are compared.
const KEPT: usize = 512;

impl Verifier {
    /// A verifier of everything, or of `sample` records of each of these stages, chosen by seed.
    /// `admin` is who speaks for agents without a teammate.
    pub async fn new(
        client: IntercomClient,
        admin: AdminId,
        ledger: Arc<dyn Ledger>,
        stages: &[&str],
        sample: Option<usize>,
        seed: u64,
    ) -> Result<Self, LedgerError> {
        let chosen = match sample {
            None => None,
            Some(sample) => Some(choose(&*ledger, stages, sample, seed).await?),
        };
        Ok(Self { client, admin, ledger, chosen: Arc::new(chosen), state: Arc::default() })
    }

    /// What was found.
    pub fn verified(&self) -> Verified {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong: BTreeSet<&Key> = state.mismatches.iter().map(|(key, _)| key).collect();
        let mut verified = Verified::default();
        verified.checked = state.checked.len() as u64;
        verified.matched = verified.checked - wrong.len() as u64;
        let mut mismatches = state.mismatches.clone();
        mismatches.sort_by(|(a, x), (b, y)| (a, &x.field).cmp(&(b, &y.field)));
        verified.mismatches = mismatches.into_iter().map(|(_, mismatch)| mismatch).collect();
        verified
    }

    fn wants(&self, root: &Key) -> bool {
        self.chosen.as_ref().as_ref().is_none_or(|chosen| chosen.contains(root))
    }

    fn checked(&self, root: &Key) {
        self.lock().checked.insert(root.clone());
    }

    fn mismatch(&self, root: &Key, field: &str, class: &str) {
        let mismatch =
            Mismatch { key: root.to_string(), field: field.to_owned(), class: class.to_owned() };
        self.lock().mismatches.push((root.clone(), mismatch));
    }

    /// A value that is not as it should be: gone, or another one.
    fn differs(&self, root: &Key, field: &str, there: bool) {
        self.mismatch(root, field, if there { "altered" } else { "lost" });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn entry(&self, root: &Key) -> Result<Option<Entry>, LedgerError> {
        let entries = self.ledger.entries(std::slice::from_ref(root)).await?;
        Ok(entries.into_iter().flatten().next().filter(|entry| entry.fate.is_in_place()))
    }

    /// The contact of a record, read once; `None` if it is gone.
    async fn contact(
        &self,
        root: &Key,
        target: &TargetId,
    ) -> Result<Option<Arc<FetchedContact>>, Error> {
        if let Some(found) = self.lock().contacts.get(root) {
            return Ok(found.clone());
        }
        let id = ContactId::new(target.as_str());
        let contacts = self.client.contacts();
        let fetched = match contacts.get(&id).await {
            Err(error) if error.is_not_found() || error.status().is_some_and(|s| s == 410) => None,
            Err(error) => return Err(error),
            Ok(contact) => {
                let tags = contacts.tags(&id).await?;
                let tags = tags.into_iter().filter_map(|tag| tag.name);
                let mut notes = Vec::new();
                let mut listed = contacts.notes(&id).items();
                while let Some(note) = listed.next().await {
                    notes.extend(note?.body.map(|body| body.reveal().clone()));
                }
                let tags = tags.map(|name| name.to_lowercase()).collect();
                Some(Arc::new(FetchedContact { contact, tags, notes }))
            }
        };
        let mut state = self.lock();
        if state.contacts.len() >= KEPT {
            state.contacts.clear();
        }
        state.contacts.insert(root.clone(), fetched.clone());
        Ok(fetched)
    }

    async fn conversation(
        &self,
        root: &Key,
        target: &TargetId,
    ) -> Result<Option<Arc<Conversation>>, Error> {
        if let Some(found) = self.lock().conversations.get(root) {
            return Ok(found.clone());
        }
        let id = ConversationId::new(target.as_str());
        let fetched = match self.client.conversations().get(&id).await {
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error),
            Ok(conversation) => Some(Arc::new(conversation)),
        };
        let mut state = self.lock();
        if state.conversations.len() >= KEPT {
            state.conversations.clear();
        }
        state.conversations.insert(root.clone(), fetched.clone());
        Ok(fetched)
    }

    async fn compare_contact(&self, write: &Write<ContactDraft>) -> Result<TargetId, Failure> {
        let root = write.key.root();
        let unknown = TargetId::new(write.key.as_str());
        let Some(entry) = self.entry(&root).await.map_err(|error| ledger_failed(&error))? else {
            return Ok(unknown);
        };
        let Some(target) = entry.target.clone().filter(|_| self.wants(&root)) else {
            return Ok(unknown);
        };
        self.checked(&root);
        let read = self.contact(&root, &target).await;
        let Some(found) = read.map_err(|error| read_failed(&error))? else {
            if write.key == root {
                self.mismatch(&root, "contact", "missing");
            }
            return Ok(target);
        };
        match &write.draft {
            ContactDraft::Contact(fields) => {
                let before = match how(&entry, &root) {
                    Some(How::Created) | None => Before::Nothing,
                    Some(How::Updated) => {
                        let image = self.ledger.before(&root).await;
                        Before::Image(image.map_err(|error| ledger_failed(&error))?)
                    }
                    _ => Before::Everything,
                };
                self.compare_fields(&root, fields, &found.contact, &before);
            }
            ContactDraft::Tag(name) => {
                if !found.tags.contains(&name.to_lowercase()) {
                    self.mismatch(&root, &format!("tag {name}"), "lost");
                }
            }
            ContactDraft::Note { body, .. } => {
                if !found.notes.iter().any(|note| text::same(note, body)) {
                    self.mismatch(&root, "note", "lost");
                }
            }
        }
        Ok(target)
    }

    fn compare_fields(&self, root: &Key, fields: &ContactFields, found: &Contact, was: &Before) {
        let reveal = |field: &Option<intercom_client::Personal<String>>| {
            field.as_ref().map(|value| value.reveal().clone())
        };
        let texts = [
            ("external_id", Some(fields.external_id.clone()), reveal(&found.external_id)),
            ("email", fields.email.clone(), reveal(&found.email)),
            ("phone", fields.phone.clone(), reveal(&found.phone)),
            ("name", fields.name.clone(), reveal(&found.name)),
        ];
        for (field, wanted, found) in texts {
            let Some(wanted) = wanted.filter(|_| !was.had(field)) else { continue };
            let same = found.as_deref().is_some_and(|found| match field {
                "email" => found.eq_ignore_ascii_case(&wanted),
                _ => found.trim() == wanted.trim(),
            });
            if !same {
                self.differs(root, field, found.is_some());
            }
        }
        let signed_up_at = found.signed_up_at.map(|time| time.timestamp());
        if fields.signed_up_at.is_some()
            && !was.had("signed_up_at")
            && signed_up_at != fields.signed_up_at
        {
            self.differs(root, "signed_up_at", signed_up_at.is_some());
        }
        for (name, wanted) in &fields.attributes {
            if was.had_attribute(name) {
                continue;
            }
            let found = found.custom_attributes.get(name.as_str()).filter(|value| !value.is_null());
            if !found.is_some_and(|found| same_value(found, wanted)) {
                self.differs(root, name, found.is_some());
            }
        }
    }

    async fn compare_conversation(
        &self,
        write: &Write<ConversationDraft>,
    ) -> Result<TargetId, Failure> {
        let root = write.key.root();
        let unknown = TargetId::new(write.key.as_str());
        let Some(entry) = self.entry(&root).await.map_err(|error| ledger_failed(&error))? else {
            return Ok(unknown);
        };
        let Some(target) = entry.target.clone().filter(|_| self.wants(&root)) else {
            return Ok(unknown);
        };
        self.checked(&root);
        let read = self.conversation(&root, &target).await;
        let Some(found) = read.map_err(|error| read_failed(&error))? else {
            if write.key == root {
                self.mismatch(&root, "conversation", "missing");
            }
            return Ok(target);
        };
        match &write.draft {
            ConversationDraft::Speaker { .. } => {}
            ConversationDraft::Opening { contact, created_at, body, .. } => {
                let created = found.created_at.map(|time| time.timestamp());
                if created != Some(*created_at) {
                    self.differs(&root, "created_at", created.is_some());
                }
                let source = found.source.as_ref();
                let said = source.and_then(|source| source.body.as_ref());
                let same = said.is_some_and(|said| text::same(said.reveal(), body));
                if !same && correction(&found, &write.draft).is_none() {
                    self.differs(&root, "body", said.is_some());
                }
                // In the scratch ledger a contact's object is named by the record's own key.
                let wanted = match write.resolved.first(contact) {
                    Some(key) => {
                        self.target_of(key).await.map_err(|error| ledger_failed(&error))?
                    }
                    None => None,
                };
                let author = source.and_then(|source| source.author.as_ref());
                let author = author.and_then(|author| author.id.as_deref());
                if author != wanted.as_ref().map(TargetId::as_str) {
                    self.differs(&root, "author", author.is_some());
                }
            }
            ConversationDraft::Remark { agent, created_at, body, .. } => {
                let agent = self.teammate(agent).await.map_err(|error| ledger_failed(&error))?;
                let original = saying(&found, body);
                let part = original.or_else(|| correction(&found, &write.draft));
                let field = write.key.part_name().unwrap_or("remark");
                match part {
                    None => self.mismatch(&root, field, "lost"),
                    Some(part) => {
                        if part.created_at.map(|at| at.timestamp()) != Some(*created_at) {
                            self.mismatch(&root, &format!("{field} created_at"), "altered");
                        }
                        let author = part.author.as_ref().and_then(|author| author.id.as_deref());
                        let admin = self.admin.as_str();
                        // Corrections are written by the fallback admin.
                        let agent = agent.filter(|_| original.is_some());
                        if author != Some(agent.as_ref().map_or(admin, TargetId::as_str)) {
                            self.differs(&root, &format!("{field} author"), author.is_some());
                        }
                    }
                }
            }
            ConversationDraft::Attributes(wanted) => {
                for (name, wanted) in wanted {
                    let found = found.custom_attributes.get(name.as_str());
                    let found = found.filter(|value| !value.is_null());
                    if !found.is_some_and(|found| same_value(found, wanted)) {
                        self.differs(&root, name, found.is_some());
                    }
                }
            }
            ConversationDraft::Tag(name) => {
                let is_it = |known: &str| known.eq_ignore_ascii_case(name);
                let names = found.tags.iter().filter_map(|tag| tag.name.as_deref());
                if !names.into_iter().any(is_it) {
                    self.mismatch(&root, &format!("tag {name}"), "lost");
                }
            }
            ConversationDraft::Close => {
                if found.state != Some(State::Closed) {
                    self.mismatch(&root, "state", "altered");
                }
            }
        }
        Ok(target)
    }

    /// The teammate whom an agent was matched with: what the migration's own ledger says.
    async fn teammate(&self, agent: &[Name]) -> Result<Option<TargetId>, LedgerError> {
        for name in agent {
            let entries = match name {
                Name::Key(key) => self.ledger.entries(std::slice::from_ref(key)).await?,
                Name::Alias(alias) => {
                    let known = self.ledger.known_as(std::slice::from_ref(alias)).await?;
                    known.into_iter().flatten().map(Some).collect()
                }
                _ => continue,
            };
            let in_place = entries.into_iter().flatten().filter(|entry| entry.fate.is_in_place());
            let found: BTreeSet<TargetId> = in_place.filter_map(|entry| entry.target).collect();
            // As when it was written: a name that several share points at none of them.
            if let (1, Some(only)) = (found.len(), found.first()) {
                return Ok(Some(only.clone()));
            }
        }
        Ok(None)
    }

    async fn target_of(&self, scratch: &TargetId) -> Result<Option<TargetId>, LedgerError> {
        let key = Key::from(scratch.as_str());
        Ok(self.entry(&key).await?.and_then(|entry| entry.target))
    }
}

/// The part of a conversation that says this.
fn saying<'a>(found: &'a Conversation, body: &str) -> Option<&'a Part> {
    let says = |part: &&Part| part.body.as_ref().is_some_and(|it| text::same(it.reveal(), body));
    found.parts().iter().find(says)
}

/// The note that corrects a text which has changed since it was written: no text can be edited.
fn correction<'a>(found: &'a Conversation, draft: &ConversationDraft) -> Option<&'a Part> {
    match draft.correction()? {
        ConversationDraft::Remark { body, .. } => saying(found, &body),
        _ => None,
    }
}

/// What a contact had before the migration met it: that is not ours to compare.
enum Before {
    Nothing,
    Image(Option<Value>),
    Everything,
}

impl Before {
    fn had(&self, field: &str) -> bool {
        self.value(|image| &image[field])
    }

    fn had_attribute(&self, name: &str) -> bool {
        self.value(|image| &image["custom_attributes"][name])
    }

    fn value(&self, get: impl Fn(&Value) -> &Value) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Image(image) => {
                let value = image.as_ref().map(get);
                value.is_some_and(|value| !value.is_null() && value.as_str() != Some(""))
            }
        }
    }
}

fn how(entry: &Entry, key: &Key) -> Option<How> {
    match entry.part(key).map(|part| &part.state) {
        Some(PartState::Done(written)) => Some(written.how),
        Some(PartState::Intended { known, .. }) => known.as_ref().map(|written| written.how),
        _ => None,
    }
}

/// Are two values the same, whatever form Intercom gives numbers and times in?
fn same_value(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => {
            found.trim() == wanted.trim() || text::same(found, wanted)
        }
        (Value::Number(found), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        (Value::String(found), Value::Number(wanted)) => {
            found.parse::<f64>().ok() == wanted.as_f64()
        }
        (found, wanted) => found == wanted,
    }
}

/// Those records of each stage whose hash under the seed is lowest: a random choice that can be
/// repeated, in memory bounded by the sample.
async fn choose(
    ledger: &dyn Ledger,
    stages: &[&str],
    sample: usize,
    seed: u64,
) -> Result<BTreeSet<Key>, LedgerError> {
    let mut chosen = BTreeSet::new();
    for stage in stages {
        let mut lowest: BTreeMap<[u8; 16], Key> = BTreeMap::new();
        let mut after = 0;
        loop {
            let rows = ledger.scan(stage, after, 500).await?;
            let Some((last, _)) = rows.last() else { break };
            after = *last;
            for (_, entry) in rows {
                if !entry.fate.is_in_place() || entry.fate == Fate::Merged {
                    continue;
                }
                let hash = Fingerprint::of(format!("{seed}/{}", entry.key).as_bytes());
                lowest.insert(*hash.as_bytes(), entry.key);
                if lowest.len() > sample {
                    lowest.pop_last();
                }
            }
        }
        chosen.extend(lowest.into_values());
    }
    Ok(chosen)
}

fn ledger_failed(error: &LedgerError) -> Failure {
    let message = format!("the ledger cannot be read: {error}");
    Failure::new(migrate_core::FailureKind::Stop, message)
}

fn read_failed(error: &Error) -> Failure {
    crate::sink::read_failure(error)
}

#[async_trait]
impl Sink<ContactDraft> for Verifier {
    async fn write(&self, batch: Vec<Write<ContactDraft>>) {
        for write in batch {
            match self.compare_contact(&write).await {
                Ok(_) => {
                    let scratch = TargetId::new(write.key.root().as_str());
                    write.created(scratch);
                }
                Err(failure) => write.failed(failure),
            }
        }
    }

    async fn find(&self, _: &Doubt<ContactDraft>) -> Result<Found, Failure> {
        Ok(Found::No(migrate_core::Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(32)
    }
}

#[async_trait]
impl Sink<ConversationDraft> for Verifier {
    async fn write(&self, batch: Vec<Write<ConversationDraft>>) {
        for write in batch {
            match self.compare_conversation(&write).await {
                Ok(_) => {
                    let scratch = TargetId::new(write.key.root().as_str());
                    write.created(scratch);
                }
                Err(failure) => write.failed(failure),
            }
        }
    }

    async fn find(&self, _: &Doubt<ConversationDraft>) -> Result<Found, Failure> {
        Ok(Found::No(migrate_core::Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(32)
    }
}
