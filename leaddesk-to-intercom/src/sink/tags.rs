//! Tags by name, made when they are first needed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use chrono::Utc;
use intercom_client::{Error, IntercomClient, TagId};
use migrate_core::ledger::{Change, How, Ledger, LedgerError};
use migrate_core::{Fate, Fingerprint, Key, TargetId};
use serde_json::json;
use tokio::sync::Mutex;

/// The tags of a workspace by name, compared without case. What was there before the migration is
/// recorded first, since rollback must not remove the customer's own.
pub struct TagBook {
    client: IntercomClient,
    ledger: Arc<dyn Ledger>,
    state: Mutex<Option<Tags>>,
}

#[derive(Debug)]
struct Tags {
    ids: HashMap<String, TagId>,
    before: HashSet<String>,
}

impl fmt::Debug for TagBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TagBook").finish_non_exhaustive()
    }
}

/// Why a tag could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// Intercom refused or was out of reach.
    #[error("Intercom did not give the tag")]
    Intercom(#[from] Error),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
}

impl TagBook {
    /// The name under which the ledger keeps the tags that were there before the migration.
    pub(crate) const BEFORE: &str = "tags_before";

    /// A book that is filled when it is first opened.
    pub fn new(client: IntercomClient, ledger: Arc<dyn Ledger>) -> Self {
        Self { client, ledger, state: Mutex::default() }
    }

    /// The id of the tag with this name, and whether this migration made it. It is created if
    /// there is none.
    pub async fn get_or_create(&self, name: &str) -> Result<(TagId, How), TagError> {
        let folded = name.to_lowercase();
        let mut state = self.state.lock().await;
        if state.is_none() {
            *state = Some(self.open().await?);
        }
        let Some(tags) = state.as_mut() else { return Err(missing().into()) };
        let how = if tags.before.contains(&folded) { How::Unchanged } else { How::Created };
        if let Some(id) = tags.ids.get(&folded) {
            return Ok((id.clone(), how));
        }
        let made = self.client.tags().get_or_create(name).await?;
        self.note(&folded, &made.id).await?;
        tags.ids.insert(folded, made.id.clone());
        Ok((made.id, How::Created))
    }

    /// Forgets a tag that was deleted in Intercom, so that it is made again when it is next needed.
    pub async fn forget(&self, name: &str) {
        if let Some(tags) = self.state.lock().await.as_mut() {
            tags.ids.remove(&name.to_lowercase());
        }
    }

    async fn open(&self) -> Result<Tags, TagError> {
        let listed = self.client.tags().list().await?;
        let ids: HashMap<String, TagId> = listed
            .into_iter()
            .filter_map(|known| Some((known.name.as_deref()?.to_lowercase(), known.id)))
            .collect();
        let before = match self.ledger.meta(Self::BEFORE).await? {
            Some(names) => serde_json::from_value(names).unwrap_or_default(),
            None => {
                let before: HashSet<String> = ids.keys().cloned().collect();
                let mut names: Vec<&String> = before.iter().collect();
                names.sort_unstable();
                let value = Some(json!(names));
                self.ledger.commit(vec![Change::Meta { name: Self::BEFORE.into(), value }]).await?;
                before
            }
        };
        Ok(Tags { ids, before })
    }

    /// Keeps a tag that was made on the way, so that it is in the report and can be undone.
    async fn note(&self, folded: &str, id: &TagId) -> Result<(), LedgerError> {
        let (key, at) = (Key::new("tag", folded), Utc::now());
        let stage = crate::stage::SCHEMA.to_owned();
        let target = TargetId::new(id.as_str());
        let done = Change::Done {
            key: key.clone(),
            stage: stage.clone(),
            target: target.clone(),
            fingerprint: Fingerprint::of(folded.as_bytes()),
            how: How::Created,
            state: None,
            at,
        };
        let settle = Change::Settle {
            key,
            stage,
            fate: Fate::Created,
            fingerprint: None,
            target: Some(target),
            reason: None,
            notes: Vec::new(),
            attempts: 0,
            at,
        };
        self.ledger.commit(vec![done, settle]).await
    }
}

fn missing() -> LedgerError {
    LedgerError::new(migrate_core::ledger::LedgerErrorKind::Storage, "the tags were not read")
}
