//! [`DeadLetter`]s: records that were refused or wait for somebody, as records themselves, so that
//! they can be moved anywhere by the same means as all others.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::draft::{Draft, Repeat};
use crate::ledger::{Entry, Ledger, LedgerError, Scan};
use crate::record::{Cursor, Page, Record};
use crate::redrive::Selection;
use crate::source::{Estimate, Lookup, Source, SourceError};
use crate::{Fate, Key};

pub use file::{ChannelSink, JsonLines, channel};

/// A record that was refused, or that waits for somebody: what is known of it, and nothing of what
/// is in it, unless its body was asked for.
///
/// Its `Debug` says whether the body is there, and not what is in it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The record, by which it can be found in the source.
    pub key: Key,
    /// Its kind.
    pub kind: String,
    /// Its stage.
    pub stage: String,
    /// [`Dead`](Fate::Dead) or [`Queued`](Fate::Queued).
    pub fate: Fate,
    /// The queue, or the code of the error.
    pub code: String,
    /// What is wrong.
    pub reason: String,
    /// The field it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Who has to act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What that person has to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// How often it has been tried in vain.
    pub attempts: u32,
    /// When it was last tried.
    pub at: DateTime<Utc>,
    /// The record itself: people's data, and only there if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, kind, stage, fate, code, reason, .. } = self;
        let Self { field, owner, remedy, attempts, at, body, .. } = self;
        f.debug_struct("DeadLetter")
            .field("key", key)
            .field("kind", kind)
            .field("stage", stage)
            .field("fate", fate)
            .field("code", code)
            .field("reason", reason)
            .field("field", field)
            .field("owner", owner)
            .field("remedy", remedy)
            .field("attempts", attempts)
            .field("at", at)
            .field("body", &body.as_ref().map(|_| format_args!("[personal]")))
            .finish()
    }
}

impl From<Entry> for DeadLetter {
    fn from(entry: Entry) -> Self {
        let reason = entry.reason;
        let text = |of: fn(&crate::Reason) -> &str| reason.as_ref().map_or("", of).to_owned();
        Self {
            kind: entry.key.kind().to_owned(),
            code: text(|reason| &reason.code),
            reason: text(|reason| &reason.message),
            field: reason.as_ref().and_then(|reason| reason.field.clone()),
            owner: reason.as_ref().and_then(|reason| reason.owner.clone()),
            remedy: reason.as_ref().and_then(|reason| reason.remedy.clone()),
            key: entry.key,
            stage: entry.stage,
            fate: entry.fate,
            attempts: entry.attempts,
            at: entry.at,
            body: None,
        }
    }
}

impl Draft for DeadLetter {
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// The dead letters of a migration, as a source: read from its ledger, stage after stage.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
///
/// use migrate_core::{
///     DeadLetter, DeadLetters, Emit, JsonLines, Ledger, MemoryLedger, Pipeline, Plan, Record, Run,
///     RunOptions, Selection, map_fn,
/// };
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("dead.jsonl");
/// let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new()); // that of the migration
/// let letters = DeadLetters::of(ledger, Selection::all());
/// let as_it_is = map_fn(|it: Record<DeadLetter>, out: &mut Emit<DeadLetter>| out.push(it.body));
/// let file = JsonLines::create(&path)?;
///
/// let drain = Plan::new().stage(Pipeline::new("letters", letters, as_it_is, file.clone()), &[]);
/// let run = Run::on(Arc::new(MemoryLedger::new())).begin().await?; // of the draining alone
/// drain.run(&run, &RunOptions::default()).await?;
/// file.finish()?;
/// assert!(path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DeadLetters {
    ledger: Arc<dyn Ledger>,
    selection: Selection,
    bodies: Option<Bodies>,
}

type Bodies = Arc<
    dyn Fn(Vec<Key>) -> BoxFuture<'static, Result<BTreeMap<Key, Value>, SourceError>> + Send + Sync,
>;

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetters").field("selection", &self.selection).finish_non_exhaustive()
    }
}

impl DeadLetters {
    /// The selected records of a ledger that are dead or queued.
    pub fn of(ledger: Arc<dyn Ledger>, selection: Selection) -> Self {
        Self { ledger, selection, bodies: None }
    }

    /// The same, each with the record itself, read again from the source by its key. That is
    /// people's data: see to where it goes.
    #[must_use]
    pub fn with_bodies<L>(mut self, lookup: L) -> Self
    where
        L: Lookup + 'static,
        L::Record: Serialize,
    {
        let lookup = Arc::new(lookup);
        self.bodies = Some(Arc::new(move |keys| Box::pin(bodies(lookup.clone(), keys))));
        self
    }

    /// The scans that bring the letters, in order.
    async fn scans(&self) -> Result<Vec<Scan>, LedgerError> {
        let stages = self.ledger.stages().await?;
        let wanted = |stage: &String| self.selection.stage.as_ref().is_none_or(|it| it == stage);
        let scans = stages
            .into_iter()
            .filter(wanted)
            .flat_map(|stage| self.selection.fates().map(move |fate| Scan::of(&stage).with(fate)));
        Ok(scans.collect())
    }

    /// The page that begins at a cursor, and where the next one begins.
    async fn page(&self, at: Place) -> Result<(Page<DeadLetter>, Option<Place>), SourceError> {
        let scans = self.scans().await.map_err(unreadable)?;
        let Some(scan) = scans.get(at.scan) else { return Ok((Page::new([], None), None)) };
        let scan = scan.clone().after(at.after);
        let rows = self.ledger.scan(&scan).await.map_err(unreadable)?;
        let next = match rows.last() {
            Some((last, _)) => Some(Place { after: *last, ..at }),
            None => Some(Place { scan: at.scan + 1, after: 0 }),
        };
        let next = next.filter(|next| next.scan < scans.len());
        let mut letters: Vec<DeadLetter> = rows
            .into_iter()
            .filter(|(_, entry)| self.selection.wants(entry))
            .map(|(_, entry)| entry.into())
            .collect();
        if let Some(bodies) = self.bodies.as_ref().filter(|_| !letters.is_empty()) {
            let mut found =
                bodies(letters.iter().map(|letter| letter.key.clone()).collect()).await?;
            letters.iter_mut().for_each(|letter| letter.body = found.remove(&letter.key));
        }
        let records = letters.into_iter().map(|letter| Ok(Record::new(letter.key.clone(), letter)));
        Ok((Page::new(records, next.map(Cursor::from)), next))
    }
}

impl Source for DeadLetters {
    type Record = DeadLetter;

    fn read(
        &self,
        from: Option<Cursor>,
    ) -> BoxStream<'static, Result<Page<DeadLetter>, SourceError>> {
        let letters = self.clone();
        let start = match from.map(|cursor| Place::parse(&cursor)).transpose() {
            Ok(start) => start.unwrap_or_default(),
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        stream::try_unfold(Some(start), move |at| {
            let letters = letters.clone();
            async move {
                match at {
                    Some(at) => letters.page(at).await.map(Some),
                    None => Ok(None),
                }
            }
        })
        .boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

/// A place among the letters: a scan, and a row of it.
#[derive(Clone, Copy, Default)]
struct Place {
    scan: usize,
    after: u64,
}

impl Place {
    fn parse(cursor: &Cursor) -> Result<Self, SourceError> {
        let numbers = cursor.as_str().split_once(' ');
        numbers
            .and_then(|(scan, after)| {
                Some(Self { scan: scan.parse().ok()?, after: after.parse().ok()? })
            })
            .ok_or_else(|| SourceError::refused("the cursor is not one of dead letters"))
    }
}

impl From<Place> for Cursor {
    fn from(place: Place) -> Self {
        Cursor::new(format!("{} {}", place.scan, place.after))
    }
}

async fn bodies<L>(lookup: Arc<L>, keys: Vec<Key>) -> Result<BTreeMap<Key, Value>, SourceError>
where
    L: Lookup,
    L::Record: Serialize,
{
    let mut bodies = BTreeMap::new();
    let mut pages = lookup.lookup(keys);
    while let Some(page) = pages.try_next().await? {
        for record in page.items.into_iter().flatten() {
            // What cannot be written as JSON stays without its body; the letter itself is there.
            if let Ok(body) = serde_json::to_value(&record.body) {
                bodies.insert(record.key, body);
            }
        }
    }
    Ok(bodies)
}

fn unreadable(error: LedgerError) -> SourceError {
    SourceError::unavailable("the ledger cannot be read").because(error)
}

#[cfg(test)]
mod tests;
