//! Contacts and leads: what this migration made is deleted, what was there before is as it was.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use intercom_client::{Contact, ContactId, Error, Query, TagId};
use migrate_core::ledger::{Change, How, LedgerError};
use migrate_core::{
    Evidence, Failure, Found, Key, Limits, Made, Reason, Remains, Stands, TakenBack, TargetId, Undo,
};
use serde_json::{Map, Value, json};

use crate::sink::{
    Workspace, before, failure_of_write, is_new, left, note_change, or_gone, owner, read_failure,
    still_there,
};

use crate::stage;

use super::conversations::not_read;
use super::{bears_mark, is_marked, is_tag, is_untouched_since, parts};

/// Takes contacts and leads back.
#[derive(Clone, Debug)]
pub struct ContactUndo {
    workspace: Workspace,
    /// What the external ids of this migration's contacts begin with, colon included.
    prefix: String,
}

impl ContactUndo {
    /// For the contacts of a workspace, whose external ids are the keys of their records behind this
    /// prefix.
    pub fn new(workspace: Workspace, key_prefix: &str) -> Self {
        Self { workspace, prefix: format!("{key_prefix}:") }
    }

    /// A contact, as it is now. One that somebody has merged into another is theirs.
    async fn read(&self, id: &ContactId) -> Result<Read, Error> {
        match self.workspace.client.contacts().get(id).await {
            Err(error) if error.contact_merged_into().is_some() => Ok(Read::Merged),
            read => Ok(or_gone(read)?.map_or(Read::Gone, |found| Read::Found(Box::new(found)))),
        }
    }

    /// How a contact stands that this migration made, with all that hangs on it.
    async fn whole(&self, made: &Made, found: &Contact) -> Result<Stands, Error> {
        // Of one that was found, no more is known than that it was not made before the migration.
        let written_at = found.created_at.map_or(made.written.at, |at| at.max(made.written.at));
        let as_left = made
            .is_as_left(&left::created(found))
            .unwrap_or_else(|| is_untouched_since(found.updated_at, written_at));
        if !as_left {
            return Ok(Stands::changed(["fields"]));
        }
        if found.company_count.is_some_and(|companies| companies > 0) {
            return Ok(Stands::added("companies"));
        }
        let (client, id) = (&self.workspace.client, &found.id);
        let own = |tag: &TagId| parts(made, is_tag).any(|own| own == tag.as_str());
        if client.contacts().tags(id).await?.iter().any(|tag| !own(&tag.id)) {
            return Ok(Stands::added("tags"));
        }
        let mut notes = client.contacts().notes(id).items();
        while let Some(note) = notes.next().await {
            let note = note?;
            let is_own = parts(made, |name| !is_tag(name)).any(|own| own == note.id.as_str());
            // A lead who was this contact has left a note, which cannot be deleted by itself.
            let is_of_lead = made.goes_with(stage::LEADS)
                && note.body.as_ref().is_some_and(|body| bears_mark(body.reveal()));
            if !is_own && !is_of_lead {
                return Ok(Stands::added("notes"));
            }
        }
        let held = self.holding(made, id, None).await?;
        Ok(held.unwrap_or(Stands::AsLeft))
    }

    /// How a contact stands that was archived before: it is archived again unless people have changed
    /// it or added to it since it was taken back.
    async fn taken_back(&self, made: &Made, found: &Contact) -> Result<Stands, Error> {
        let Some(before) = &made.before else { return Ok(Stands::changed(["fields"])) };
        match filled(made, found) {
            // An address that cannot be taken away is out of sight with the contact.
            Stands::AsBefore | Stands::AsLeft | Stands::Permanent(_) => {}
            other => return Ok(other),
        }
        let (now, archived) = (left::image(found), &before["archived"]);
        let written = before::written(before, &now);
        let theirs = left::names(before, &now).into_iter().filter(|name| !written.contains(name));
        let theirs: BTreeSet<String> = theirs.collect();
        let differs = differing(before, &now, &theirs);
        if !differs.is_empty() {
            return Ok(changed(&differs));
        }
        if archived["more"] != before::more(found) {
            return Ok(Stands::changed(["role, owner or subscription"]));
        }
        // An image of an earlier version does not say how many there were.
        let companies = archived["companies"].as_u64().zip(found.company_count);
        if companies.is_some_and(|(before, now)| now > before) {
            return Ok(Stands::added("companies"));
        }
        let (client, id) = (&self.workspace.client, &found.id);
        let was_on = |tag: &TagId| {
            let before = archived["tags"].as_array();
            before.is_some_and(|tags| tags.iter().any(|it| it == tag.as_str()))
        };
        let own = |tag: &TagId| parts(made, is_tag).any(|own| own == tag.as_str());
        let mut tags = client.contacts().tags(id).await?.into_iter().map(|tag| tag.id);
        if tags.any(|tag| !own(&tag) && !was_on(&tag)) {
            return Ok(Stands::added("tags"));
        }
        let until = archived["until"].as_i64();
        let is_since = |at: Option<DateTime<Utc>>| {
            until.is_none_or(|until| at.is_none_or(|at| at.timestamp() > until))
        };
        let mut notes = client.contacts().notes(id).items();
        while let Some(note) = notes.next().await {
            let note = note?;
            let is_own = parts(made, |name| !is_tag(name)).any(|own| own == note.id.as_str());
            if !is_own && is_since(note.created_at) {
                return Ok(Stands::added("notes"));
            }
        }
        let held = self.holding(made, id, until).await?;
        Ok(held.unwrap_or(Stands::AsLeft))
    }

    /// Does a conversation keep a contact in place, of those that were changed after this second?
    async fn holding(
        &self,
        made: &Made,
        contact: &ContactId,
        since: Option<i64>,
    ) -> Result<Option<Stands>, Error> {
        let client = &self.workspace.client;
        let query = Query::eq("contact_ids", contact.as_str());
        let mut conversations = client.conversations().search(query).items();
        while let Some(shown) = conversations.next().await {
            let shown = shown?;
            let ours = is_marked(&shown);
            if !made.is_held_by(&TargetId::new(shown.id.as_str()), ours) {
                continue;
            }
            let Some(found) = still_there(client, &shown.id).await? else { continue };
            let is_older = |at: DateTime<Utc>| since.is_some_and(|since| at.timestamp() <= since);
            if !found.updated_at.is_some_and(is_older) {
                return Ok(Some(if ours { in_place() } else { Stands::added("conversations") }));
            }
        }
        Ok(None)
    }

    async fn tag(&self, made: &Made) -> Result<Stands, Error> {
        let Some(contact) = &made.object else { return Ok(Stands::Gone) };
        let contact = ContactId::new(contact.as_str());
        let tags = self.workspace.client.contacts().tags(&contact).await;
        let there = or_gone(tags)?.unwrap_or_default();
        let is_there = there.iter().any(|tag| tag.id.as_str() == made.written.target.as_str());
        Ok(if is_there { Stands::AsLeft } else { Stands::Gone })
    }

    async fn note(&self, made: &Made) -> Result<Stands, Failure> {
        let Some(contact) = &made.object else { return Ok(Stands::Gone) };
        let mut notes =
            self.workspace.client.contacts().notes(&ContactId::new(contact.as_str())).items();
        while let Some(note) = notes.next().await {
            match note {
                Ok(note) if note.id.as_str() == made.written.target.as_str() => {
                    return Ok(match self.goes_with_its_contact(made, contact).await? {
                        true => Stands::Gone,
                        false => Stands::Permanent(note_remains(made)),
                    });
                }
                Ok(_) => {}
                Err(error) if error.is_not_found() => return self.out_of_sight(made).await,
                Err(error) => return Err(read_failure(&error)),
            }
        }
        Ok(Stands::Gone)
    }

    /// Is this a note of a lead on a contact that another record of this migration has become, and
    /// that is deleted by the same rollback?
    async fn goes_with_its_contact(
        &self,
        made: &Made,
        contact: &TargetId,
    ) -> Result<bool, Failure> {
        if !made.goes_with(stage::CONTACTS) {
            return Ok(false);
        }
        let id = ContactId::new(contact.as_str());
        let Read::Found(found) = self.read(&id).await.map_err(|error| read_failure(&error))? else {
            return Ok(false);
        };
        let owner = owner(&*self.workspace.ledger, &made.key, &found).await;
        Ok(owner.map_err(|error| not_read(&error))?.is_some())
    }

    /// How a note stands whose contact cannot be read: it is there yet where a rollback has archived
    /// the contact, and would show again with that.
    async fn out_of_sight(&self, made: &Made) -> Result<Stands, Failure> {
        let kept = self.workspace.ledger.before(&made.key).await;
        let kept = kept.map_err(|error| not_read(&error))?;
        Ok(match kept {
            Some(kept) if before::was_archived(&kept) => Stands::Permanent(note_remains(made)),
            _ => Stands::Gone,
        })
    }

    async fn restore(&self, made: &Made) -> Result<TakenBack, Failure> {
        let id = ContactId::new(made.written.target.as_str());
        let read = self.read(&id).await.map_err(|error| read_failure(&error))?;
        let (Some(before), Read::Found(found)) = (&made.before, read) else {
            return Ok(TakenBack::Done);
        };
        let now = left::image(&found);
        let ours = before::still_ours(before, &now);
        let ours = ours.unwrap_or_else(|| before::written(before, &now));
        let body = restoring(before, &now, &ours);
        if body.as_object().is_some_and(|fields| !fields.is_empty()) {
            // The typed change cannot clear an external id, which Intercom allows.
            let path = format!("/contacts/{}", id.as_str());
            let put = self.workspace.client.raw(http::Method::PUT, &path, &[], Some(&body)).await;
            put.map_err(|error| failure_of_write(&error))?;
            // A lead who was one of the contacts is taken back before that.
            if let Read::Found(now) = self.read(&id).await.map_err(|error| read_failure(&error))? {
                let noted = note_change(&*self.workspace.ledger, &made.key, &found, &now).await;
                noted.map_err(|error| not_read(&error))?;
            }
        }
        if before::was_archived(before) {
            self.keep_out_of_sight(made, &id).await.map_err(|error| not_read(&error))?;
            let archived = self.workspace.client.contacts().archive(&id).await;
            archived.map_err(|error| failure_of_write(&error))?;
        }
        Ok(TakenBack::Done)
    }

    /// Keeps of the notes on a contact that they stay on it, archived: nobody can read them then.
    async fn keep_out_of_sight(&self, made: &Made, id: &ContactId) -> Result<(), LedgerError> {
        let is_note = |key: &Key| key.part_name().is_some_and(|name| !is_tag(name));
        let notes = made.parts.iter().filter(|(key, _)| is_note(key));
        let kept =
            notes.map(|(key, _)| Change::Before { key: key.clone(), image: before::archived(id) });
        self.workspace.ledger.commit(kept.collect()).await
    }
}

enum Read {
    Found(Box<Contact>),
    Merged,
    Gone,
}

fn note_remains(made: &Made) -> Remains {
    let record = made.key.root();
    let reason = Reason::new("note", "Intercom's API cannot delete a note on a contact")
        .field("note")
        .remedy("Intercom admin", "delete it on the contact's page in Intercom");
    Remains::new(format!("note of {record}"), reason)
}

fn email_remains(made: &Made) -> Remains {
    let record = made.key.root();
    let reason = Reason::new("email", "Intercom's API cannot take an e-mail address away")
        .field("email")
        .remedy("Intercom admin", "remove the address on the contact's page in Intercom");
    Remains::new(format!("e-mail address of {record}"), reason)
}

/// Something of this migration hangs on the contact that is not taken back before it. The core looks
/// again at what was left under this code, when more has gone.
fn in_place() -> Stands {
    let message = "a conversation of this migration hangs on it, which is in place";
    let reason = Reason::new("added_since", message).remedy(
        "operator",
        "see why the conversation is left, or roll back the stages calls and chats as well",
    );
    Stands::Added(reason)
}

fn changed(names: &[String]) -> Stands {
    Stands::changed(names.iter().map(|name| name.trim_start_matches('.')))
}

/// How a contact stands that was there before, by the fields that this migration has written.
fn filled(made: &Made, found: &Contact) -> Stands {
    let Some(before) = &made.before else {
        return Stands::changed(["fields"]);
    };
    let now = left::image(found);
    if before["id"] != now["id"] {
        // The image is that of a contact which somebody has merged into this one.
        return Stands::changed(["id"]);
    }
    if let Some(ours) = before::still_ours(before, &now) {
        return match &differing(before, &now, &ours)[..] {
            [] => match &differing(before, &now, &before::written(before, &now))[..] {
                [] => Stands::AsBefore,
                theirs => changed(theirs),
            },
            [email] if email == "email" && !is_clearable(before, email) => {
                Stands::Permanent(email_remains(made))
            }
            // What people have changed of it stays, and shows when it is looked at once more, which a dry
            // run does not do, nor is one that was archived: that is left whole.
            _ => {
                let written = before::written(before, &now);
                let theirs: BTreeSet<String> = written.difference(&ours).cloned().collect();
                let looked_at_once = made.dry_run || before::was_archived(before);
                match &differing(before, &now, &theirs)[..] {
                    theirs if looked_at_once && !theirs.is_empty() => changed(theirs),
                    _ => Stands::AsLeft,
                }
            }
        };
    }
    let written = before::written(before, &now);
    let differs = differing(before, &now, &written);
    let as_left = made
        .is_as_left(&left::filled(found, &written))
        .unwrap_or_else(|| is_untouched_since(found.updated_at, made.written.at));
    match &differs[..] {
        [] => Stands::AsBefore,
        [email] if email == "email" && !is_clearable(before, email) => {
            Stands::Permanent(email_remains(made))
        }
        _ if as_left => Stands::AsLeft,
        _ => changed(&differs),
    }
}

fn differing(before: &Value, now: &Value, scope: &BTreeSet<String>) -> Vec<String> {
    let same = |name: &&String| {
        let (before, now) = (left::field(before, name), left::field(now, name));
        before == now || (left::is_empty(&before) && left::is_empty(&now))
    };
    scope.iter().filter(|name| !same(name)).cloned().collect()
}

/// Can a field be put back to what it was? An e-mail address can be changed and not taken away.
fn is_clearable(before: &Value, name: &str) -> bool {
    name != "email" || !left::is_empty(&left::field(before, name))
}

/// The body of the call that puts back what was there before.
fn restoring(before: &Value, now: &Value, scope: &BTreeSet<String>) -> Value {
    let (mut fields, mut attributes) = (Map::new(), Map::new());
    for name in differing(before, now, scope) {
        let was = left::field(before, &name);
        match name.strip_prefix('.') {
            Some(attribute) => drop(attributes.insert(attribute.to_owned(), was)),
            None if is_clearable(before, &name) => drop(fields.insert(name, was)),
            None => {}
        }
    }
    if !attributes.is_empty() {
        fields.insert("custom_attributes".to_owned(), json!(attributes));
    }
    Value::Object(fields)
}

#[async_trait]
impl Undo for ContactUndo {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        let stands = match made.key.part_name() {
            Some(part) if is_tag(part) => self.tag(made).await,
            Some(_) => return self.note(made).await,
            None => {
                let id = ContactId::new(made.written.target.as_str());
                match self.read(&id).await {
                    Ok(Read::Gone) => Ok(Stands::Gone),
                    Ok(Read::Merged) => Ok(Stands::changed(["id"])),
                    Ok(Read::Found(found)) if made.written.how == How::Created => {
                        self.whole(made, &found).await
                    }
                    Ok(Read::Found(found))
                        if made.before.as_ref().is_some_and(before::was_archived) =>
                    {
                        self.taken_back(made, &found).await
                    }
                    Ok(Read::Found(found)) => Ok(filled(made, &found)),
                    Err(error) => Err(error),
                }
            }
        };
        stands.map_err(|error| read_failure(&error))
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        let contacts = self.workspace.client.contacts();
        let done = match (made.key.part_name(), &made.object) {
            (Some(part), Some(contact)) if is_tag(part) => {
                let contact = ContactId::new(contact.as_str());
                let tag = TagId::new(made.written.target.as_str());
                contacts.remove_tag(&contact, &tag).await.map(drop)
            }
            (Some(_), _) => return Ok(TakenBack::Impossible(note_remains(made))),
            (None, _) if made.written.how == How::Created => {
                contacts.delete(&ContactId::new(made.written.target.as_str())).await.map(drop)
            }
            (None, _) => return self.restore(made).await,
        };
        match done {
            Err(error) if !error.is_not_found() => Err(failure_of_write(&error)),
            _ => Ok(TakenBack::Done),
        }
    }

    /// Finds users by their external ids. Leads are not found so, but before one of those is written
    /// there is an intent.
    async fn find(&self, key: &Key, since: DateTime<Utc>) -> Result<Found, Failure> {
        let external_id = format!("{}{key}", self.prefix);
        let found = self.workspace.client.contacts().find_by_external_id(&external_id).await;
        let found = found.map_err(|error| read_failure(&error))?;
        let own = found.filter(|found| is_new(found.created_at, since));
        Ok(match own {
            Some(own) => Found::Yes(TargetId::new(own.id.as_str())),
            None => Found::No(Evidence::Read),
        })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(self.workspace.in_flight)
    }
}
