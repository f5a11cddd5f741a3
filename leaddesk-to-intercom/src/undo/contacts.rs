//! Contacts and leads: what this migration made is deleted, what was there before is as it was.

use async_trait::async_trait;
use futures::StreamExt as _;
use intercom_client::{Contact, ContactId, Error, Query, TagId};
use migrate_core::ledger::How;
use migrate_core::{Failure, Limits, Made, Reason, Remains, Stands, TakenBack, TargetId, Undo};
use serde_json::{Map, Value, json};

use crate::sink::{Workspace, failure_of_write, left, or_gone, read_failure, still_there};

use super::{is_marked, is_tag, is_untouched_since, parts};

/// Takes contacts and leads back.
#[derive(Clone, Debug)]
pub struct ContactUndo {
    workspace: Workspace,
}

impl ContactUndo {
    /// For the contacts of a workspace.
    pub fn new(workspace: Workspace) -> Self {
        Self { workspace }
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
        let as_left = made
            .is_as_left(&left::created(found))
            .unwrap_or_else(|| is_untouched_since(found.updated_at, made.written.at));
        if !as_left {
            return Ok(Stands::changed(["fields"]));
        }
        let (client, id) = (&self.workspace.client, &found.id);
        let own = |tag: &TagId| parts(made, is_tag).any(|own| own == tag.as_str());
        if client.contacts().tags(id).await?.iter().any(|tag| !own(&tag.id)) {
            return Ok(Stands::added("tags"));
        }
        let mut notes = client.contacts().notes(id).items();
        while let Some(note) = notes.next().await {
            let note = note?.id;
            if !parts(made, |name| !is_tag(name)).any(|own| own == note.as_str()) {
                return Ok(Stands::added("notes"));
            }
        }
        let query = Query::eq("contact_ids", id.as_str());
        let mut conversations = client.conversations().search(query).items();
        while let Some(shown) = conversations.next().await {
            let shown = shown?;
            let holds = |it: &_| made.is_held_by(&TargetId::new(shown.id.as_str()), is_marked(it));
            if holds(&shown) && still_there(client, &shown.id).await?.is_some() {
                return Ok(Stands::added("conversations"));
            }
        }
        Ok(Stands::AsLeft)
    }

    async fn tag(&self, made: &Made) -> Result<Stands, Error> {
        let Some(contact) = &made.object else { return Ok(Stands::Gone) };
        let contact = ContactId::new(contact.as_str());
        let tags = self.workspace.client.contacts().tags(&contact).await;
        let there = or_gone(tags)?.unwrap_or_default();
        let is_there = there.iter().any(|tag| tag.id.as_str() == made.written.target.as_str());
        Ok(if is_there { Stands::AsLeft } else { Stands::Gone })
    }

    async fn note(&self, made: &Made) -> Result<Stands, Error> {
        let Some(contact) = &made.object else { return Ok(Stands::Gone) };
        let mut notes =
            self.workspace.client.contacts().notes(&ContactId::new(contact.as_str())).items();
        while let Some(note) = notes.next().await {
            match note {
                Ok(note) if note.id.as_str() == made.written.target.as_str() => {
                    return Ok(Stands::Permanent(note_remains(made)));
                }
                Ok(_) => {}
                Err(error) if error.is_not_found() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Stands::Gone)
    }

    async fn restore(&self, made: &Made) -> Result<TakenBack, Error> {
        let id = ContactId::new(made.written.target.as_str());
        let (Some(before), Read::Found(found)) = (&made.before, self.read(&id).await?) else {
            return Ok(TakenBack::Done);
        };
        let body = restoring(before, &left::image(&found), &scope(made, &found, before));
        if body.as_object().is_none_or(Map::is_empty) {
            return Ok(TakenBack::Done);
        }
        // The typed change cannot clear an external id, which Intercom allows.
        let path = format!("/contacts/{}", id.as_str());
        self.workspace.client.raw(http::Method::PUT, &path, &[], Some(&body)).await?;
        Ok(TakenBack::Done)
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

/// How a contact stands that was there before.
fn filled(made: &Made, found: &Contact) -> Stands {
    let Some(before) = &made.before else {
        return Stands::changed(["fields"]);
    };
    let now = left::image(found);
    if before["id"] != now["id"] {
        // The image is that of a contact which somebody has merged into this one.
        return Stands::changed(["id"]);
    }
    let differs = differing(before, &now, &scope(made, found, before));
    let as_left = made
        .is_as_left(&left::filled(found, before))
        .map(|filled| filled || made.is_as_left(&left::overwritten(found)) == Some(true))
        .unwrap_or_else(|| is_untouched_since(found.updated_at, made.written.at));
    match &differs[..] {
        [] => Stands::AsBefore,
        [email] if email == "email" && !is_clearable(before, email) => {
            Stands::Permanent(email_remains(made))
        }
        _ if as_left => Stands::AsLeft,
        _ => Stands::changed(differs.iter().map(|name| name.trim_start_matches('.'))),
    }
}

/// The fields that this migration may have written: all where it overwrote, else those that were
/// empty.
fn scope(made: &Made, found: &Contact, before: &Value) -> Vec<String> {
    let overwrote = made.is_as_left(&left::overwritten(found)) == Some(true)
        && made.is_as_left(&left::filled(found, before)) != Some(true);
    let names = left::names(before, &left::image(found)).into_iter();
    names.filter(|name| overwrote || left::is_empty(&left::field(before, name))).collect()
}

fn differing(before: &Value, now: &Value, scope: &[String]) -> Vec<String> {
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
fn restoring(before: &Value, now: &Value, scope: &[String]) -> Value {
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
            Some(_) => self.note(made).await,
            None => {
                let id = ContactId::new(made.written.target.as_str());
                match self.read(&id).await {
                    Ok(Read::Gone) => Ok(Stands::Gone),
                    Ok(Read::Merged) => Ok(Stands::changed(["id"])),
                    Ok(Read::Found(found)) if made.written.how == How::Created => {
                        self.whole(made, &found).await
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
            (None, _) => {
                return self.restore(made).await.map_err(|error| failure_of_write(&error));
            }
        };
        match done {
            Err(error) if !error.is_not_found() => Err(failure_of_write(&error)),
            _ => Ok(TakenBack::Done),
        }
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(self.workspace.in_flight)
    }
}
