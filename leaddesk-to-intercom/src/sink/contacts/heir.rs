//! A record that was merged into another one, which LeadDesk does not deliver any more: the contact that both
//! have become goes on as its own.

use intercom_client::{Contact, ContactId};
use migrate_core::ledger::{Entry, LedgerError, Written};
use migrate_core::{Fingerprint, Outcome, TargetId, Write};
use serde_json::json;

use super::{ContactSink, update_beside_people, whole_update};
use crate::draft::ContactFields;
use crate::sink::failure::failure_of;
use crate::sink::ours::{self, Left};
use crate::sink::same_person::owner;
use crate::sink::{before, left, not_kept};

/// Marks what is kept of a contact that was taken over: notes of the former record may be on it.
const TAKEN_OVER: &str = "taken_over";

impl ContactSink {
    /// The record that has become a contact before, if this one has shared it and that one is gone: a
    /// whole reading of LeadDesk, which has come to its end, has not met it.
    pub(super) async fn former<D>(
        &self,
        write: &Write<D>,
        found: &Contact,
    ) -> Result<Option<(Entry, Written)>, LedgerError> {
        let ledger = &*self.workspace.ledger;
        let own = ledger.entries(&[write.key.root()]).await?.into_iter().flatten().next();
        let object = own.and_then(|own| own.target);
        if object.is_none_or(|object| object.as_str() != found.id.as_str()) {
            return Ok(None);
        }
        let Some((entry, written)) = owner(ledger, &write.key, found).await? else {
            return Ok(None);
        };
        let stage = ledger.stage(&entry.stage).await?;
        let is_gone = stage.read && !stage.partial && entry.seen < stage.pass;
        Ok(is_gone.then_some((entry, written)))
    }

    /// Goes on with the contact of a former record as this record's own. As where another record comes
    /// to stand for several, it bears this one's external id from now on.
    pub(super) async fn take_over(
        &self,
        fields: &ContactFields,
        found: &Contact,
        (former, written): (Entry, Written),
        left: &mut Left,
    ) -> Outcome {
        let kept = match self.workspace.ledger.before(&former.key).await {
            Ok(kept) => kept.filter(ours::is_kept_of),
            Err(error) => return not_kept(&error),
        };
        let stands = Fingerprint::of(&left::created(found));
        let is_edited = written.state.is_some_and(|state| state != stands);
        let (change, held_back) = match is_edited && !self.workspace.overwrite {
            true => update_beside_people(fields, found, kept.as_ref()),
            false => (whole_update(fields), Vec::new()),
        };
        let change = change.external_id(&fields.external_id);
        match self.workspace.client.contacts().update(&found.id, &change).await {
            Ok(now) => {
                *left = Left::whole(&left::created(&now), &left::values(&now));
                if is_edited {
                    let (fields, sent) = (left::values(&now), before::values(&change));
                    // What people have changed must go on to show, or a rollback would delete it.
                    left.state = written.state;
                    left.ours = Some(ours::after(kept.as_ref(), &fields, &sent));
                    left.held_back = held_back;
                }
                if let Some(ours) = &mut left.ours {
                    ours[TAKEN_OVER] = json!(true);
                }
                Outcome::Created(TargetId::new(found.id.as_str()))
            }
            Err(error) => self.not_changed(&error, fields).await,
        }
    }

    /// The note that says this on a contact that was taken over: the former record may have brought it.
    pub(super) async fn note_of_former<D>(
        &self,
        write: &Write<D>,
        contact: &ContactId,
        body: &str,
    ) -> Result<Option<TargetId>, Outcome> {
        let kept = self.workspace.ledger.before(&write.key.root()).await;
        let kept = kept.map_err(|error| not_kept(&error))?;
        if kept.is_none_or(|kept| kept[TAKEN_OVER].is_null()) {
            return Ok(None);
        }
        let notes = self.notes_saying(contact, body).await;
        let notes = notes.map_err(|error| Outcome::Failed(failure_of(&error)))?;
        Ok(notes.into_iter().next())
    }
}
