//! References: from source keys to objects of the destination, by the ledger.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Key;
use crate::draft::{Missing, Name, Reference};
use crate::fate::{Fate, Reason};
use crate::ledger::{Entry, Ledger, LedgerError, Written};
use crate::run::{Run, Stuck};
use crate::sink::{Resolved, TargetId};

use super::{RunError, WAITING_FOR_PARENT};

/// Where the references of a draft lead.
#[derive(Debug)]
pub(super) enum References {
    /// To objects that are known.
    Ready(Resolved),
    /// Nowhere, or to a record that waits for somebody: the record waits in this queue.
    Queue(Reason),
    /// To a record that is not settled yet: look again later.
    Wait,
}

/// The kinds of records that the source of the stage may still bring, while it is being read.
#[derive(Clone, Debug, Default)]
pub(super) struct ToCome(Arc<Mutex<BTreeSet<String>>>);

impl ToCome {
    /// These kinds, for a start.
    pub(super) fn of(kinds: &BTreeSet<String>) -> Self {
        Self(Arc::new(Mutex::new(kinds.clone())))
    }

    /// The source brings records of the kinds of these keys.
    pub(super) fn brings(&self, keys: &[Key]) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if !kinds.contains(key.kind()) {
                kinds.insert(key.kind().to_owned());
            }
        }
    }

    /// May a record come yet that one of these names leads to?
    fn may_bring(&self, names: &[Name]) -> bool {
        let kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().any(|name| matches!(name, Name::Key(key) if kinds.contains(key.kind())))
    }
}

/// Looks up where references lead. `root` is the object of the record that refers; `to_come` is
/// what may be read yet, while it is being read.
pub(super) async fn resolve(
    run: &Run,
    references: Vec<Reference>,
    root: Option<Written>,
    to_come: Option<&ToCome>,
) -> Result<References, RunError> {
    let mut resolved = Resolved::of_root(root);
    for reference in references {
        let mut met = Met::Nobody;
        for name in &reference.names {
            met = meet(run, name).await?;
            if !matches!(met, Met::Nobody) {
                break;
            }
        }
        match (met, reference.missing) {
            (Met::Known(name, target), _) => resolved.insert(name, target),
            (Met::Unsettled(parent), Missing::Queue(_)) if run.stuck() == Stuck::Queue => {
                return Ok(References::Queue(waiting_for(&parent)));
            }
            (Met::Unsettled(_), Missing::Without) if run.stuck() != Stuck::No => {}
            (Met::Unsettled(_), _) => return Ok(References::Wait),
            // Also one that waits for somebody is tried again when its turn comes.
            (Met::Nobody | Met::Waiting(_), _)
                if to_come.is_some_and(|it| it.may_bring(&reference.names)) =>
            {
                return Ok(References::Wait);
            }
            (Met::Nobody | Met::Waiting(_), Missing::Without) => {}
            (Met::Nobody, Missing::Queue(reason)) => return Ok(References::Queue(reason)),
            (Met::Waiting(parent), Missing::Queue(_)) => {
                return Ok(References::Queue(waiting_for(&parent)));
            }
        }
    }
    Ok(References::Ready(resolved))
}

/// Whom a name leads to.
enum Met {
    /// A known object.
    Known(Name, TargetId),
    /// A record that may be settled in this run yet.
    Unsettled(Box<Entry>),
    /// A record that waits for somebody, or was refused.
    Waiting(Box<Entry>),
    /// Nobody, or several of whom it cannot be said which is meant.
    Nobody,
}

/// A record that exists decides: another name is tried only where this one leads to nobody. A
/// name that several share leads to nobody, unless they are one object.
async fn meet(run: &Run, name: &Name) -> Result<Met, RunError> {
    let entries = entries_of(&*run.ledger, name).await?;
    let unsettled = |entry: &Entry| {
        matches!(entry.fate, Fate::InDoubt | Fate::Pending) && entry.target.is_none()
    };
    let hopeful = |entry: &&Entry| unsettled(entry) && run.is_active(&entry.stage);
    if let Some(parent) = entries.iter().find(hopeful) {
        return Ok(Met::Unsettled(Box::new(parent.clone())));
    }
    Ok(match sole(entries) {
        // A record that could not be updated is in place all the same.
        Some(Entry { target: Some(target), .. }) => Met::Known(name.clone(), target),
        Some(parent) => Met::Waiting(Box::new(parent)),
        None => Met::Nobody,
    })
}

/// The one of these records that they all stand for: the only one, or one of several that are one
/// object.
pub(crate) fn sole(entries: Vec<Entry>) -> Option<Entry> {
    let targets: BTreeSet<&TargetId> =
        entries.iter().filter_map(|entry| entry.target.as_ref()).collect();
    let without = entries.iter().filter(|entry| entry.target.is_none()).count();
    let is_sole = targets.len() + without == 1;
    entries.into_iter().next().filter(|_| is_sole)
}

/// The records that a name leads to.
pub(crate) async fn entries_of(
    ledger: &dyn Ledger,
    name: &Name,
) -> Result<Vec<Entry>, LedgerError> {
    Ok(match name {
        Name::Key(key) => {
            ledger.entries(std::slice::from_ref(key)).await?.into_iter().flatten().collect()
        }
        Name::Alias(alias) => {
            ledger.known_as(std::slice::from_ref(alias)).await?.into_iter().flatten().collect()
        }
    })
}

fn waiting_for(parent: &Entry) -> Reason {
    let why = parent.reason.as_ref().map_or("", |reason| reason.code.as_str());
    Reason::new(
        WAITING_FOR_PARENT,
        format!("waits for {}, which is {} ({why})", parent.key, parent.fate.name()),
    )
    .remedy("see the parent's queue", "mend the parent, then run again")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::Alias;
    use crate::ledger::{Change, MemoryLedger};
    use crate::run::{Patience, StopSignal};

    fn names() -> Vec<Name> {
        vec![Name::Key(Key::new("contact", 42)), Name::Alias(Alias::new("phone", "+358401"))]
    }

    /// A call of contact 42, or else of whoever has the number.
    fn call() -> Vec<Reference> {
        let missing = Missing::Queue(Reason::new("without_contact", "nobody"));
        vec![Reference { names: names(), missing }]
    }

    /// Where the call leads when these contacts, all with the number, have these fates.
    async fn leads_to(contacts: &[(u32, Fate)], active: bool) -> String {
        let ledger = Arc::new(MemoryLedger::default());
        for (id, fate) in contacts {
            let (key, stage) = (Key::new("contact", id), "contacts".to_owned());
            let aliases = vec![Alias::new("phone", "+358401")];
            let target = fate.is_in_place().then(|| TargetId::new(format!("object {id}")));
            let named = Change::Aliases { key: key.clone(), stage: stage.clone(), aliases };
            let settled = Change::Settle {
                key,
                stage,
                fate: *fate,
                fingerprint: None,
                target,
                reason: None,
                notes: Vec::new(),
                attempts: 0,
                at: DateTime::UNIX_EPOCH,
            };
            ledger.commit(vec![named, settled]).await.expect("a commit");
        }
        let (stop, patience) = (StopSignal::new(), Patience::default());
        let run = Run::on(ledger).stopped_by(stop).patience(patience).begin().await.expect("a run");
        if active {
            run.takes_part("contacts");
        }
        match resolve(&run, call(), None, None).await.expect("a ledger") {
            References::Ready(resolved) => resolved.first(&names()).expect("an object").to_string(),
            References::Queue(reason) => reason.code,
            References::Wait => "wait".to_owned(),
        }
    }

    #[tokio::test]
    async fn the_key_decides_before_the_number() {
        use Fate::{Created, Dead, Merged, Pending, Queued};
        assert_eq!(leads_to(&[(42, Created), (43, Created)], true).await, "object 42");
        assert_eq!(leads_to(&[(42, Pending), (43, Created)], true).await, "wait");
        assert_eq!(leads_to(&[(42, Pending)], false).await, WAITING_FOR_PARENT);
        assert_eq!(leads_to(&[(42, Queued), (43, Created)], true).await, WAITING_FOR_PARENT);
        assert_eq!(leads_to(&[(42, Dead)], true).await, WAITING_FOR_PARENT);
        assert_eq!(leads_to(&[(42, Merged)], true).await, "object 42");
    }

    #[tokio::test]
    async fn a_number_that_several_share_leads_to_nobody() {
        use Fate::{Created, Pending, Queued};
        assert_eq!(leads_to(&[(43, Created)], true).await, "object 43");
        assert_eq!(leads_to(&[(43, Created), (44, Created)], true).await, "without_contact");
        assert_eq!(leads_to(&[(43, Created), (44, Queued)], true).await, "without_contact");
        assert_eq!(leads_to(&[(43, Created), (44, Pending)], true).await, "wait");
        assert_eq!(leads_to(&[(43, Queued)], true).await, WAITING_FOR_PARENT);
        assert_eq!(leads_to(&[], true).await, "without_contact");
    }
}
