//! [`Undo`]: taking back what a migration wrote, and [`Rollback`], which does it from the ledger.
//!
//! [`decide`] is pure: what is to be taken back of a record, and what comes next about one write.
//! [`record`] does it for one record, [`rollback`] for all of them.

mod decide;
mod record;
mod report;
mod rollback;
mod work;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::Key;
use crate::fate::Reason;
use crate::ledger::{How, Written};
use crate::sink::{Failure, Found, Limits, TargetId};

pub use report::{LeftBehind, Remainder, RollbackReport, StageUndone};
pub use rollback::{Rollback, RollbackOptions, Scope, UndoEvent, Undone};

/// Takes back what one stage of a migration wrote.
///
/// It knows the ledger's side of a write only, no draft and no source: a migration can be undone
/// when the source account is closed. All calls may be made again at any time, and are: whatever
/// was taken back is looked at afterwards, and a rollback that was cut off begins by looking.
///
/// ```
/// use migrate_core::ledger::How;
/// use migrate_core::{Failure, Limits, Made, Stands, TakenBack, Undo, async_trait};
/// use std::collections::BTreeMap;
/// use std::sync::Mutex;
///
/// /// An address book, by id.
/// struct Book(Mutex<BTreeMap<String, String>>);
///
/// #[async_trait]
/// impl Undo for Book {
///     async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
///         let people = self.0.lock().unwrap();
///         Ok(match people.get(made.written.target.as_str()) {
///             None => Stands::Gone,
///             Some(name) if made.before.as_ref().is_some_and(|was| was == name) => Stands::AsBefore,
///             Some(name) if made.is_as_left(name.as_bytes()) == Some(true) => Stands::AsLeft,
///             Some(_) => Stands::changed(["name"]),
///         })
///     }
///
///     async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
///         let (mut people, id) = (self.0.lock().unwrap(), made.written.target.to_string());
///         match made.before.as_ref().and_then(|was| was.as_str()) {
///             Some(was) if made.written.how == How::Updated => drop(people.insert(id, was.into())),
///             _ => drop(people.remove(&id)),
///         }
///         Ok(TakenBack::Done)
///     }
///
///     fn limits(&self) -> Limits {
///         Limits::one_by_one(4)
///     }
/// }
/// ```
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot undo",
    note = "implement `migrate_core::Undo` for it, with `#[async_trait]`"
)]
pub trait Undo: Send + Sync {
    /// Looks how a write stands now. It writes nothing: a dry run asks only this.
    ///
    /// For the root of a record that this migration created it answers for the whole object, with
    /// all that hangs on it: [`Made::parts`] are the record's own, and whether something else
    /// keeps it in place says [`Made::is_held_by`].
    ///
    /// # Errors
    ///
    /// A [`Failure`] says what it says of a write: [`NotDone`](crate::FailureKind::NotDone) and
    /// [`InDoubt`](crate::FailureKind::InDoubt) are tried again later,
    /// [`Gone`](crate::FailureKind::Gone) and [`Stop`](crate::FailureKind::Stop) end the rollback,
    /// which can be resumed.
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure>;

    /// Takes a write back that stands as the migration left it: removes what was
    /// [created](How::Created), with everything in it, and puts [`Made::before`] back where
    /// something was [changed](How::Updated). It is asked right after [`inspect`](Self::inspect)
    /// said that nobody has touched it, and may be asked again.
    ///
    /// # Errors
    ///
    /// As for [`inspect`](Self::inspect). After a lost reply the write is looked at again.
    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure>;

    /// Looks for the object of a record that was under way when its run was cut off, and of which the
    /// ledger holds no write: what may be repeated is sent without an intent. The object is the
    /// migration's own if it bears the key of the record and was made no earlier than `since`. It
    /// writes nothing, and a dry run asks it as well.
    ///
    /// What is [there](Found::Yes) is taken back like all that this migration created; that nothing
    /// is there is believed when no request can be on its way any more. Where it cannot tell, as by
    /// default, the record is left and listed as in doubt.
    ///
    /// # Errors
    ///
    /// As for [`inspect`](Self::inspect).
    async fn find(&self, key: &Key, since: DateTime<Utc>) -> Result<Found, Failure> {
        let _ = (key, since);
        Ok(Found::CannotTell)
    }

    /// How many records may be taken back at once: [`Limits::in_flight`]. Batches are not used.
    fn limits(&self) -> Limits;
}

#[async_trait]
impl<U: Undo + ?Sized> Undo for Arc<U> {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        (**self).inspect(made).await
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        (**self).take_back(made).await
    }

    async fn find(&self, key: &Key, since: DateTime<Utc>) -> Result<Found, Failure> {
        (**self).find(key, since).await
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }
}

#[async_trait]
impl<U: Undo + ?Sized> Undo for Box<U> {
    async fn inspect(&self, made: &Made) -> Result<Stands, Failure> {
        (**self).inspect(made).await
    }

    async fn take_back(&self, made: &Made) -> Result<TakenBack, Failure> {
        (**self).take_back(made).await
    }

    async fn find(&self, key: &Key, since: DateTime<Utc>) -> Result<Found, Failure> {
        (**self).find(key, since).await
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }
}

/// What the ledger knows of a write that is to be taken back.
#[derive(Clone)]
#[non_exhaustive]
pub struct Made {
    /// The key of the write: a record's, or that of a part.
    pub key: Key,
    /// The stage it belongs to.
    pub stage: String,
    /// What it became, how, when, and the [state](Written::state) it left, if the sink told.
    pub written: Written,
    /// The object of the record, on which a part hangs, if it has one.
    pub object: Option<TargetId>,
    /// What stood there before, if the sink [remembered](crate::Write::remember) it.
    pub before: Option<Value>,
    /// What the other writes of the record became. What else hangs on the object is somebody
    /// else's.
    pub parts: Vec<(Key, TargetId)>,
    /// Is it only looked at, in a dry run?
    pub dry_run: bool,
    met: Met,
}

/// What a rollback has met so far, and what it is of. Clones share it.
#[derive(Clone, Default)]
struct Met {
    scope: Arc<Scope>,
    objects: Arc<Mutex<Objects>>,
}

/// What becomes of records and their objects.
#[derive(Default)]
struct Objects {
    leftovers: BTreeMap<Key, Leftover>,
    /// The objects of these.
    left: HashSet<TargetId>,
    /// Is one among them of which nobody knows the object?
    unplaced: bool,
    /// In a dry run, the objects that would be gone by now, as digests: that may be nearly all.
    gone: HashSet<u64>,
}

impl Met {
    fn new(scope: &Scope) -> Self {
        Self { scope: Arc::new(scope.clone()), objects: Arc::default() }
    }

    fn leave(&self, leftover: Leftover, objects: &[TargetId]) {
        let mut met = self.objects();
        met.left.extend(objects.iter().cloned());
        met.unplaced |= leftover.object.is_none();
        met.leftovers.insert(leftover.key.clone(), leftover);
    }

    fn let_go(&self, key: &Key, object: Option<&TargetId>) {
        let mut met = self.objects();
        met.leftovers.remove(key);
        if let Some(object) = object {
            met.left.remove(object);
        }
    }

    fn would_go(&self, object: &TargetId) {
        self.objects().gone.insert(digest(object));
    }

    /// Does this object of the migration stay, in a dry run?
    fn stays(&self, object: &TargetId) -> bool {
        let met = self.objects();
        let would_go = met.gone.contains(&digest(object));
        match *self.scope {
            // It may be that of a record in doubt.
            Scope::Everything if met.unplaced => met.left.contains(object) || !would_go,
            Scope::Everything => met.left.contains(object),
            _ => !would_go,
        }
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(object: &TargetId) -> u64 {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    hasher.finish()
}

impl Made {
    /// A write of a stage, of which nothing else is known. A rollback fills in the rest.
    pub fn new(key: Key, stage: impl Into<String>, written: Written) -> Self {
        Self {
            key,
            stage: stage.into(),
            written,
            object: None,
            before: None,
            parts: Vec::new(),
            dry_run: false,
            met: Met::default(),
        }
    }

    /// Is this, brought to bytes as the sink did for [`Write::leaves`](crate::Write::leaves), the
    /// state that the write left? `None` if the sink did not tell, as after a lost reply: then
    /// something else has to decide, such as the time of the object's last change.
    pub fn is_as_left(&self, state: &[u8]) -> Option<bool> {
        self.written.state.map(|left| left == crate::Fingerprint::of(state))
    }

    /// Does this object, which hangs on the one that was written and is no part of the record,
    /// keep that in place? `is_ours` says whether it bears a mark of the migration.
    ///
    /// What a later stage wrote was taken back before, so whatever still hangs there does. A dry
    /// run takes nothing back, so there it does unless it is ours and would go as well.
    pub fn is_held_by(&self, object: &TargetId, is_ours: bool) -> bool {
        !self.dry_run || !is_ours || self.met.stays(object)
    }

    /// The records of which this rollback has left something so far, in the order of their keys.
    /// All that hold something of a stage have been dealt with when that is taken back, by this start
    /// of the rollback: one that is gone on with meets again what is left.
    pub fn leftovers(&self) -> Vec<Leftover> {
        self.met.objects().leftovers.values().cloned().collect()
    }

    /// Is this a write of the same rollback, in the same start of it?
    pub fn is_of_same_rollback(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.met.objects, &other.met.objects)
    }

    /// Is all of this stage taken back by the same rollback? One of single records takes all of
    /// none.
    pub fn goes_with(&self, stage: &str) -> bool {
        match &*self.met.scope {
            Scope::Everything => true,
            Scope::Stages(names) => names.contains(stage),
            Scope::Keys(_) => false,
        }
    }

    /// Did one of the record's other writes become this object?
    pub fn is_own_part(&self, id: &str) -> bool {
        self.parts.iter().any(|(_, target)| target.as_str() == id)
    }
}

/// What stood there before may be a person's data, so it is not shown.
impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made")
            .field("key", &self.key)
            .field("stage", &self.stage)
            .field("written", &self.written)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// A record of which a rollback has left something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// Its key.
    pub key: Key,
    /// Its stage.
    pub stage: String,
    /// Its object; `None` where nobody knows whether it has one.
    pub object: Option<TargetId>,
    /// What becomes of its own write.
    pub own: OwnWrite,
}

/// What a rollback does about the own write of a record of which something is left. In a dry run
/// that has not been done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnWrite {
    /// Nothing of the record is touched, since a write of it is in doubt.
    Untouched,
    /// It was looked at, and stays as it is.
    Left,
    /// It is taken back, or changed nothing: what is left are other writes of the record.
    TakenBack,
}

/// The code of what is left since something was added to it.
const ADDED_SINCE: &str = "added_since";

/// How a write stands in the destination now. Reasons and fields name things, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stands {
    /// As the migration left it: it can be taken back.
    AsLeft,
    /// As the migration left it, but the destination can only put it out of use, such as an
    /// attribute that can be archived and not deleted. That is what taking it back does, and it
    /// is listed by its name.
    Archivable(Remains),
    /// It was put out of use, by this rollback or by anybody: no more can be done.
    Archived(Remains),
    /// As the migration left it, and the destination knows no way to take it back, such as a note
    /// that cannot be deleted. It is listed by its name and stays in the ledger, so that no later
    /// run writes it a second time.
    Permanent(Remains),
    /// Fields that the migration wrote have been changed by somebody since: it is left.
    Changed(Reason, Vec<String>),
    /// Somebody has added something to it: it is left.
    Added(Reason),
    /// It is not there any more.
    Gone,
    /// It is as it was before the migration.
    AsBefore,
}

impl Stands {
    /// These fields have been changed since.
    pub fn changed<F: Into<String>>(fields: impl IntoIterator<Item = F>) -> Self {
        let reason = Reason::new("changed_since", "somebody has changed it since the migration")
            .remedy("admin of the destination", "look at it, and remove or restore it by hand");
        Self::Changed(reason, fields.into_iter().map(Into::into).collect())
    }

    /// Somebody has added this sort of thing to it: a word such as `replies`, and no content.
    pub fn added(what: &str) -> Self {
        let message = format!("somebody has added {what} since the migration");
        let reason = Reason::new(ADDED_SINCE, message)
            .remedy("admin of the destination", "look at it, and remove it by hand");
        Self::Added(reason)
    }
}

/// What cannot be taken back, under the name by which people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Remains {
    /// Its name in the destination, such as that of an attribute. Never a person's data.
    pub name: String,
    /// Why, and what somebody can do about it.
    pub reason: Reason,
}

impl Remains {
    /// Something that remains, by name, with the reason.
    pub fn new(name: impl Into<String>, reason: Reason) -> Self {
        Self { name: name.into(), reason }
    }
}

/// What became of taking a write back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakenBack {
    /// It was removed, restored or put out of use. It is looked at before this is believed.
    Done,
    /// The destination refuses, for good: it is listed by its name and stays in the ledger.
    Impossible(Remains),
}

/// Does taking back what came about so remove an object, or put an old state back?
pub(crate) fn removes(how: How) -> bool {
    how == How::Created
}
