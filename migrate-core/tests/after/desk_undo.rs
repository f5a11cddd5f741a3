//! How the destination takes back.

use chrono::{DateTime, Utc};
use migrate_core::ledger::How;
use migrate_core::{
    Evidence, Failure, Found, Key, Limits, Made, Reason, Remains, Stands, TakenBack, TargetId,
    Undo, async_trait,
};

use crate::desk::{Content, Desk};

#[async_trait]
impl Undo for Desk {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        self.read(|content| stands(content, made))
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        let target = made.written.target.as_str();
        let root = made.object.as_ref().map(TargetId::as_str);
        let part = made.key.part_name().map(|name| name.split(':').next().unwrap_or_default());
        self.call(|inner| {
            inner.taken.push(made.key.to_string());
            let content = &mut inner.content;
            match (made.key.kind(), part) {
                ("attribute", _) => drop(content.attributes.insert(target.to_owned(), true)),
                ("thread", None) => drop(content.threads.remove(target)),
                ("person", None) if made.written.how == How::Created => {
                    content.people.remove(target);
                }
                ("person", None) => {
                    let name = made.before.as_ref().and_then(|image| image["name"].as_str());
                    let person = content.people.get_mut(target);
                    if let (Some(name), Some(person)) = (name, person) {
                        person.name = name.to_owned();
                    }
                }
                ("person", Some("tag")) => {
                    let person = root.and_then(|root| content.people.get_mut(root));
                    if let Some(person) = person {
                        person.tags.remove(target);
                    }
                }
                other => panic!("nobody asked to take back {other:?}"),
            }
        })?;
        Ok(TakenBack::Done)
    }

    async fn find(&self, key: &Key, _: DateTime<Utc>) -> Result<Found, Failure> {
        if key.kind() != "person" {
            return Ok(Found::CannotTell);
        }
        self.read(|content| {
            let mut people = content.people.iter();
            let own = people.find(|(_, it)| it.mark.as_deref() == Some(key.as_str()));
            own.map_or(Found::No(Evidence::Read), |(id, _)| Found::Yes(TargetId::new(id.as_str())))
        })
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(3)
    }
}

fn stands(content: &Content, made: &Made) -> Stands {
    let target = made.written.target.as_str();
    let part = made.key.part_name().map(|name| name.split(':').next().unwrap_or_default());
    match (made.key.kind(), part) {
        ("attribute", _) => {
            let reason = Reason::new("archive_only", "attributes can only be archived");
            let remains = Remains::new(target, reason);
            match content.attributes.get(target) {
                None => Stands::Gone,
                Some(true) => Stands::Archived(remains),
                Some(false) => Stands::Archivable(remains),
            }
        }
        ("thread", None) => {
            let Some(thread) = content.threads.get(target) else { return Stands::Gone };
            if thread.replies.iter().any(|(id, _)| !made.is_own_part(id)) {
                return Stands::added("replies");
            }
            match made.is_as_left(thread.text.as_bytes()) {
                Some(false) => Stands::changed(["text"]),
                _ => Stands::AsLeft,
            }
        }
        ("person", None) => {
            let Some(person) = content.people.get(target) else { return Stands::Gone };
            let was = made.before.as_ref().and_then(|image| image["name"].as_str());
            if made.written.how == How::Updated && was == Some(person.name.as_str()) {
                return Stands::AsBefore;
            }
            if made.is_as_left(person.name.as_bytes()) == Some(false) {
                return Stands::changed(["name"]);
            }
            if made.written.how == How::Updated {
                return Stands::AsLeft;
            }
            let mut threads = content.threads.iter().filter(|(_, thread)| thread.person == target);
            if threads
                .any(|(id, it)| made.is_held_by(&TargetId::new(id.as_str()), it.mark.is_some()))
            {
                return Stands::added("threads");
            }
            match person.tags.iter().all(|tag| made.is_own_part(tag)) {
                true => Stands::AsLeft,
                false => Stands::added("tags"),
            }
        }
        ("person", Some(part)) => {
            let root = made.object.as_ref().map(TargetId::as_str).unwrap_or_default();
            let Some(person) = content.people.get(root) else { return Stands::Gone };
            let reason = Reason::new("permanent", "notes cannot be deleted");
            match part {
                "note" => Stands::Permanent(Remains::new(format!("note on {root}"), reason)),
                _ if person.tags.contains(target) => Stands::AsLeft,
                _ => Stands::Gone,
            }
        }
        other => panic!("nobody asked about {other:?}"),
    }
}
