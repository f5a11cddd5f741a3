//! `delta` and `redrive`: what is new, and what was refused or waits.

use migrate_core::{Fate, Rollback, RunOptions, Selection};

use crate::connect::StartError;

use super::finish::{Finished, Unfinished};
use super::session::Session;
use super::{Runner, What, scope};

/// The name under which dead letters are selected, beside those of the queues.
pub const DEAD: &str = "dead";

/// The queues in which records wait, by the names of their files.
pub const QUEUES: [&str; 8] = [
    "contacts_without_identifier",
    "shared_email",
    "archived_in_intercom",
    "agents_without_teammate",
    "teams_missing",
    "calls_without_contact",
    "calls_without_time",
    "waiting_for_parent",
];

/// Fields that nobody has decided on wait in a file like those of the queues, and are no records.
const FIELDS: &str = "fields_for_review";

impl Runner {
    /// Migrates what is new or has changed since the last run. What LeadDesk does not deliver any
    /// more stays in Intercom, and the report counts it.
    ///
    /// By the API, contacts whose rows in the exports of calling lists are older than the last complete
    /// run are not read again, unless they share an address with one that is, or the configuration, the
    /// mapping or the program is another than then.
    pub async fn delta(&self) -> Result<Finished, Unfinished> {
        self.run(&RunOptions::default().changes_only()).await
    }

    /// Tries again what is dead or queued, after its cause was mended: of one [queue](QUEUES), the
    /// [dead](DEAD) only, or all. Calls are read by themselves; contacts and leads, who may share an
    /// address with any other, are read whole, so that new ones come along.
    ///
    /// While nothing but pilots was run it stays within the largest of them.
    pub async fn redrive(&self, queue: Option<&str>) -> Result<Finished, Unfinished> {
        self.redrive_with(queue, &RunOptions::default()).await
    }

    /// The same with options, of which those count that say how it ends.
    pub async fn redrive_with(
        &self,
        queue: Option<&str>,
        options: &RunOptions,
    ) -> Result<Finished, Unfinished> {
        let selection = selection(queue)?;
        self.needs_ledger()?;
        self.migrate(What::Redrive(&selection), options).await
    }
}

fn selection(queue: Option<&str>) -> Result<Selection, Unfinished> {
    Ok(match queue {
        None => Selection::all(),
        Some(DEAD) => Selection::all().with(Fate::Dead),
        Some(queue) if QUEUES.contains(&queue) => {
            Selection::all().with(Fate::Queued).in_queue(queue)
        }
        Some(FIELDS) => {
            return Err(Unfinished::start(StartError::new(
                format!("{FIELDS} holds decisions, and no records that could be tried again."),
                "Give each of these fields a rule in mapping.toml, then run plan and run.",
            )));
        }
        Some(other) => {
            return Err(Unfinished::start(StartError::new(
                format!("There is no queue {other:?}."),
                format!("--queue takes {DEAD} or one of: {}.", QUEUES.join(", ")),
            )));
        }
    })
}

impl Session {
    /// While a rollback has not come to its end, something may be gone that the ledger counts as in
    /// place.
    pub(super) async fn refuse_if_rolling_back(&self) -> Result<(), Unfinished> {
        let begun = Rollback::under_way(&*self.ledger).await.map_err(Unfinished::ledger)?;
        begun.map_or(Ok(()), |begun| {
            Err(Unfinished::start(StartError::new(
                "A rollback of this migration was begun and has not come to its end.",
                format!("End it first: {}. Then run again.", scope::command(&begun)),
            )))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue;

    #[test]
    fn a_queue_is_selected_by_its_name() {
        assert_eq!(selection(None).unwrap(), Selection::all());
        assert_eq!(selection(Some("dead")).unwrap(), Selection::all().with(Fate::Dead));
        let shared = selection(Some("shared_email")).unwrap();
        assert_eq!(shared, Selection::all().with(Fate::Queued).in_queue("shared_email"));
        let refused = selection(Some("shared_mail")).unwrap_err();
        assert!(refused.message.contains("shared_email"), "{refused}");
        assert!(selection(Some(FIELDS)).unwrap_err().message.contains("mapping.toml"));
    }

    #[test]
    fn every_queue_can_be_named() {
        for reason in [
            queue::contact_without_identifier(),
            queue::shared_email(),
            queue::archived_in_intercom(),
            queue::agent_without_teammate(),
            queue::team_missing(),
            queue::call_without_contact(),
            queue::call_without_time(),
        ] {
            assert!(QUEUES.contains(&&*reason.code), "{}", reason.code);
        }
        assert_eq!(queue::field_for_review().code, FIELDS);
    }
}
