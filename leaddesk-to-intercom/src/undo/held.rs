//! What the records hold that a rollback has left: values of attributes, and tags. Without their
//! attribute the values would be lost to the user, and without the tag its mark, so these stay as well.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use intercom_client::{Attributes, Contact, ContactId, Conversation, ConversationId, Error, Tag};
use migrate_core::ledger::{Entry, How, LedgerError, Scan};
use migrate_core::{Failure, Key, Leftover, Made, OwnWrite, Reason, Stands, TargetId};
use serde_json::Value;

use crate::sink::{Workspace, before, left, or_gone, read_failure};
use crate::source::keys::CALLER;
use crate::stage;

use super::conversations::not_read;
use super::is_tag;

/// What is held, by the names of attributes and the ids of tags.
#[derive(Default)]
pub(super) struct Held {
    pub(super) contact_attributes: BTreeSet<String>,
    pub(super) conversation_attributes: BTreeSet<String>,
    pub(super) tags: BTreeSet<String>,
    put_back: PutBack,
}

/// How something stands that is held.
pub(super) fn in_use_yet() -> Stands {
    let message = "a contact or conversation that the rollback has left holds it yet";
    let remedy = "see why that is left; once it has gone, roll back again";
    Stands::Added(Reason::new("in_use_yet", message).remedy("operator", remedy))
}

impl Held {
    /// Reads what a rollback has left by now. A dry run takes nothing back, so there it is reckoned
    /// with what would be.
    pub(super) async fn read(workspace: &Workspace, made: &Made) -> Result<Self, Failure> {
        let mut leftovers = made.leftovers();
        leftovers.retain(|it| it.stage != stage::SCHEMA);
        let put_back = match made.dry_run {
            true => PutBack::of(workspace, &leftovers).await.map_err(|error| not_read(&error))?,
            false => PutBack::default(),
        };
        let mut held = Self::default();
        let reads = leftovers.into_iter();
        let reads = reads.map(|it| holds(workspace, &put_back, it).boxed());
        let mut reads = stream::iter(reads).buffer_unordered(workspace.in_flight.max(1));
        while let Some(more) = reads.try_next().await? {
            held.contact_attributes.extend(more.contact_attributes);
            held.conversation_attributes.extend(more.conversation_attributes);
            held.tags.extend(more.tags);
        }
        drop(reads);
        held.put_back = put_back;
        Ok(held)
    }

    /// Would a rollback take this tag off this contact, which was there before?
    pub(super) fn is_taken_off(&self, contact: &TargetId, tag: &TargetId) -> bool {
        self.put_back.tags.contains(&(contact.clone(), tag.clone()))
    }
}

/// What one record holds that is left, or would be.
async fn holds(
    workspace: &Workspace,
    put_back: &PutBack,
    leftover: Leftover,
) -> Result<Held, Failure> {
    let (client, mut held) = (&workspace.client, Held::default());
    let image = workspace.ledger.before(&leftover.key).await.map_err(|error| not_read(&error))?;
    // Of a run that was killed while it filled somebody, the image alone knows whom.
    let named = image.as_ref().and_then(|image| image["id"].as_str().map(TargetId::new));
    let Some(object) = leftover.object.clone().or(named) else { return Ok(held) };
    if !is_contact(&leftover) {
        let id = ConversationId::new(object.as_str());
        let found = or_gone(client.conversations().get(&id).await);
        if let Some(found) = found.map_err(|error| read_failure(&error))? {
            held.of_conversation(&found);
        }
        return Ok(held);
    }
    let read = contact(workspace, &ContactId::new(object.as_str())).await;
    if let Some((found, tags)) = read.map_err(|error| read_failure(&error))? {
        held.of_contact(&found, &tags, put_back);
    }
    Ok(held)
}

fn is_contact(leftover: &Leftover) -> bool {
    matches!(leftover.stage.as_str(), stage::CONTACTS | stage::LEADS)
        || leftover.key.kind() == CALLER
}

/// A contact with all its tags, or the one that somebody has merged it into.
async fn contact(
    workspace: &Workspace,
    id: &ContactId,
) -> Result<Option<(Contact, Vec<Tag>)>, Error> {
    let contacts = workspace.client.contacts();
    let read = match contacts.get(id).await {
        Err(error) => match error.contact_merged_into() {
            Some(into) => contacts.get(&into).await,
            None => Err(error),
        },
        read => read,
    };
    let Some(found) = or_gone(read)? else { return Ok(None) };
    let tags = or_gone(contacts.tags(&found.id).await)?.unwrap_or_default();
    Ok(Some((found, tags)))
}

impl Held {
    fn of_conversation(&mut self, found: &Conversation) {
        self.conversation_attributes.extend(filled(&found.custom_attributes));
        self.tags.extend(found.tags.iter().map(|tag| tag.id.as_str().to_owned()));
    }

    fn of_contact(&mut self, found: &Contact, tags: &[Tag], put_back: &PutBack) {
        let (object, now) = (TargetId::new(found.id.as_str()), left::image(found));
        let images = put_back.images.get(&object).into_iter().flatten();
        let images = images.filter(|image| image["id"] == now["id"]);
        let ours: BTreeSet<String> =
            images.filter_map(|image| before::still_ours(image, &now)).flatten().collect();
        let stays = |name: &String| !ours.contains(&format!(".{name}"));
        self.contact_attributes.extend(filled(&found.custom_attributes).filter(stays));
        let tags = tags.iter().map(|tag| TargetId::new(tag.id.as_str()));
        let tags = tags.filter(|tag| !put_back.tags.contains(&(object.clone(), tag.clone())));
        self.tags.extend(tags.map(|tag| tag.to_string()));
    }
}

/// The names of the attributes that have a value.
fn filled(attributes: &Attributes) -> impl Iterator<Item = String> + '_ {
    let filled = attributes.iter().filter(|(_, value)| !left::is_empty(value));
    filled.map(|(name, _)| name.clone())
}

/// What a rollback would take back of contacts that were there before, as far as its dry run has to
/// know.
#[derive(Default)]
struct PutBack {
    /// Tags that this migration put on such contacts: contact and tag.
    tags: HashSet<(TargetId, TargetId)>,
    /// The images by which fields of contacts are put back of which something is left.
    images: HashMap<TargetId, Vec<Value>>,
}

/// Entries that are read from the ledger at once.
const WINDOW: usize = 200;

impl PutBack {
    async fn of(workspace: &Workspace, leftovers: &[Leftover]) -> Result<Self, LedgerError> {
        let left: HashMap<&Key, OwnWrite> = leftovers.iter().map(|it| (&it.key, it.own)).collect();
        let objects: HashSet<&TargetId> =
            leftovers.iter().filter_map(|it| it.object.as_ref()).collect();
        let (ledger, mut put_back) = (&workspace.ledger, Self::default());
        for name in [stage::CONTACTS, stage::LEADS] {
            let mut after = 0;
            loop {
                let rows = ledger.scan(&Scan::of(name).after(after).limit(WINDOW)).await?;
                let Some((last, _)) = rows.last() else { break };
                after = *last;
                let keys: Vec<Key> = rows.into_iter().map(|(_, entry)| entry.key).collect();
                for entry in ledger.entries(&keys).await?.into_iter().flatten() {
                    let own = left.get(&entry.key).copied().unwrap_or(OwnWrite::TakenBack);
                    let Some(object) = put_back.add_tags(&entry, own) else { continue };
                    if !objects.contains(&object) {
                        continue;
                    }
                    let image = ledger.before(&entry.key).await?;
                    // One that was archived is left as it is, or taken back whole.
                    let stays = own == OwnWrite::Left;
                    let image = image.filter(|it| !(stays && before::was_archived(it)));
                    put_back.images.entry(object).or_default().extend(image);
                }
            }
        }
        Ok(put_back)
    }

    /// Adds the tags of a record, and says which contact it filled of which something is taken back.
    fn add_tags(&mut self, entry: &Entry, own: OwnWrite) -> Option<TargetId> {
        let root = entry.written(&entry.key)?;
        if root.how == How::Created || own == OwnWrite::Untouched {
            return None;
        }
        let parts = entry.parts.iter();
        let parts = parts.filter(|part| part.key.part_name().is_some_and(is_tag));
        let put_on = parts.filter_map(|part| part.state.written());
        let put_on = put_on.filter(|written| written.how == How::Created);
        self.tags.extend(put_on.map(|it| (root.target.clone(), it.target.clone())));
        Some(root.target.clone())
    }
}
