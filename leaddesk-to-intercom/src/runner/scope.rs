//! What a rollback is of: refused, before anything is written, where it would leave a migration that no
//! later run could mend, or where it names what is not there.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use migrate_core::ledger::{Entry, Scan};
use migrate_core::{Event, Key, Ledger, Observer, Rollback, Scope, StopSignal};

use crate::connect::StartError;
use crate::source::keys::CALLER;
use crate::stage;

use super::finish::{Exit, Unfinished};

/// The kinds of records of which something may be written to Intercom.
const KINDS: [&str; 7] = ["contact", "chat-visitor", "call", CALLER, "chat", "attribute", "tag"];

/// The stages whose records hold values of attributes, and tags.
const USERS: [&str; 4] = [stage::CONTACTS, stage::LEADS, stage::CALLS, stage::CHATS];

/// Checks what is selected, and says whether it is contacts whose conversations may be in place: what
/// hangs on these is asked of Intercom's search.
pub(super) async fn check(ledger: &dyn Ledger, scope: &Scope) -> Result<bool, Unfinished> {
    match scope {
        // A conversation that is left, since people have answered, holds the contact on whom it hangs.
        Scope::Everything => {
            Ok(in_place(ledger, [stage::CALLS, stage::CHATS].into_iter()).await?.is_some())
        }
        Scope::Stages(names) => {
            if names.contains(stage::SCHEMA) {
                users_go(ledger, names).await?;
            }
            let people = names.contains(stage::CONTACTS) || names.contains(stage::LEADS);
            let left = [stage::CALLS, stage::CHATS].into_iter().filter(|it| !names.contains(*it));
            Ok(people && in_place(ledger, left).await?.is_some())
        }
        Scope::Keys(keys) => records(ledger, keys).await,
        _ => Ok(false),
    }
}

/// Refuses what is not the rollback that was begun and has not come to its end: whoever means to go on
/// with that of a selection and leaves it out would take back everything.
pub(super) async fn goes_on(ledger: &dyn Ledger, scope: &Scope) -> Result<(), Unfinished> {
    let begun = Rollback::under_way(ledger).await.map_err(Unfinished::ledger)?;
    match begun.filter(|begun| begun != scope) {
        Some(begun) => Err(refused(
            "A rollback of something else was begun and has not come to its end.",
            format!("End it first: {}.", command(&begun)),
        )),
        None => Ok(()),
    }
}

/// The command that a rollback goes on with.
pub(super) fn command(scope: &Scope) -> String {
    let (option, all): (_, Vec<&str>) = match scope {
        Scope::Stages(names) => ("--stage", names.iter().map(String::as_str).collect()),
        Scope::Keys(keys) => ("--key", keys.iter().map(Key::as_str).collect()),
        _ => ("", Vec::new()),
    };
    all.iter().fold("rollback".to_owned(), |command, it| format!("{command} {option} {it}"))
}

/// Waits until Intercom's search shows what was written last.
pub(super) async fn wait_for_search(
    until: DateTime<Utc>,
    observer: &Arc<dyn Observer>,
    stop: &StopSignal,
) -> Result<(), Unfinished> {
    let Ok(left) = (until - Utc::now()).to_std() else { return Ok(()) };
    tracing::info!(%until, "waiting until the search shows what was written last");
    observer.observe(&Event::Waiting { records: 0, until });
    tokio::select! {
        () = tokio::time::sleep(left) => Ok(()),
        () = stop.stopped() => Err(Unfinished {
            exit: Exit::Stopped,
            message: "interrupted before anything was taken back; roll back again".to_owned(),
        }),
    }
}

/// An attribute that was archived takes its values along: those who hold them must go as well.
async fn users_go(ledger: &dyn Ledger, names: &BTreeSet<String>) -> Result<(), Unfinished> {
    let left = USERS.into_iter().filter(|it| !names.contains(*it));
    let Some(name) = in_place(ledger, left).await? else { return Ok(()) };
    let all = USERS.map(|name| format!("--stage {name}")).join(" ");
    Err(refused(
        format!(
            "Records of stage {name} are in place and use the attributes and tags of stage schema."
        ),
        format!(
            "Take them back first, or in the same rollback, with {all}; or roll back everything."
        ),
    ))
}

/// The first of these stages that has records in the ledger.
async fn in_place(
    ledger: &dyn Ledger,
    stages: impl Iterator<Item = &'static str>,
) -> Result<Option<&'static str>, Unfinished> {
    for name in stages {
        let first = ledger.scan(&Scan::of(name).limit(1)).await.map_err(Unfinished::ledger)?;
        if !first.is_empty() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

async fn records(ledger: &dyn Ledger, keys: &BTreeSet<Key>) -> Result<bool, Unfinished> {
    // One that was cut off goes on, and what it has taken back is not there any more.
    let goes_on = Rollback::is_under_way(ledger).await.map_err(Unfinished::ledger)?;
    let mut people = false;
    for key in keys {
        well_formed(key)?;
        let entry = ledger.entries(std::slice::from_ref(key)).await.map_err(Unfinished::ledger)?;
        match entry.into_iter().flatten().next() {
            Some(entry) => people |= record(ledger, key, &entry).await?,
            None if goes_on || was_undone(ledger, key).await? => {}
            None => return Err(unknown(key)),
        }
    }
    Ok(people)
}

fn well_formed(key: &Key) -> Result<(), Unfinished> {
    let (text, root) = (key.as_str(), key.root());
    if key.part_name().is_some() {
        return Err(refused(
            format!("{text} is a part of {root}, and a record is taken back whole."),
            format!("Name the record: --key {root}."),
        ));
    }
    if key.id().is_empty() {
        return Err(refused(format!("{text:?} is no key of a record."), KEYS));
    }
    Ok(())
}

const KEYS: &str = "A key is the kind of a record and its id in LeadDesk, such as contact:42 or call:7; \
                    queues/*.jsonl, losses.jsonl and rollback.json in the state directory name them. \
                    An id of Intercom is none.";

/// Is it a contact or a lead?
async fn record(ledger: &dyn Ledger, key: &Key, entry: &Entry) -> Result<bool, Unfinished> {
    match entry.stage.as_str() {
        stage::SCHEMA if key.kind() != "tag" => {
            users_go(ledger, &BTreeSet::new()).await.map(|()| false)
        }
        name @ (stage::AGENTS | stage::TEAMS | stage::INVENTORY) => Err(refused(
            format!(
                "{key} is of stage {name}, which writes nothing to Intercom: there is nothing to take back."
            ),
            format!("--key takes keys of these kinds: {}.", KINDS.join(", ")),
        )),
        stage::CONTACTS | stage::LEADS => Ok(true),
        _ => Ok(key.kind() == CALLER),
    }
}

fn unknown(key: &Key) -> Unfinished {
    let kind = key.kind();
    if KINDS.contains(&kind) {
        return refused(format!("This migration knows no record {key}."), KEYS);
    }
    refused(
        format!("There are no records of kind {kind:?} to take back."),
        format!("--key takes keys of these kinds: {}. {KEYS}", KINDS.join(", ")),
    )
}

async fn was_undone(ledger: &dyn Ledger, key: &Key) -> Result<bool, Unfinished> {
    let mut after = 0;
    loop {
        let rows = ledger.history(after, 500).await.map_err(Unfinished::ledger)?;
        let Some((last, _)) = rows.last() else { return Ok(false) };
        after = *last;
        if rows.iter().any(|(_, past)| past.key.root() == *key) {
            return Ok(true);
        }
    }
}

fn refused(what: impl Into<String>, remedy: impl Into<String>) -> Unfinished {
    Unfinished::start(StartError::new(what, remedy))
}
