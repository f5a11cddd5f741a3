//! Projects and offices, and the teams they are. Nothing is written: the API cannot make teams.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use intercom_client::{Error, IntercomClient};
use migrate_core::{Doubt, Failure, Found, Limits, Sink, TargetId, Write};
use tokio::sync::OnceCell;

use crate::draft::TeamDraft;
use crate::queue;

use super::failure::failure_of;

/// Matches teams by name, or by id.
#[derive(Debug)]
pub struct TeamSink {
    client: IntercomClient,
    teams: OnceCell<Vec<(TargetId, String)>>,
    missing: Mutex<BTreeSet<String>>,
}

impl TeamSink {
    /// A sink that reads the teams when it is first asked.
    pub fn new(client: IntercomClient) -> Self {
        Self { client, teams: OnceCell::new(), missing: Mutex::default() }
    }

    /// The names that were asked for and no team has, in order.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.iter().cloned().collect()
    }

    async fn find_team(&self, wanted: &str) -> Result<Option<TargetId>, Error> {
        let teams = self.teams.get_or_try_init(|| async {
            let teams = self.client.teams().list().await?.into_iter();
            let named = teams.map(|team| {
                (TargetId::new(team.id.as_str()), fold(team.name.as_deref().unwrap_or("")))
            });
            Ok::<_, Error>(named.collect())
        });
        let (teams, folded) = (teams.await?, fold(wanted));
        let is_it = |(id, name): &&(TargetId, String)| {
            (!folded.is_empty() && *name == folded) || id.as_str() == wanted.trim()
        };
        Ok(teams.iter().find(is_it).map(|(id, _)| id.clone()))
    }
}

/// The form in which names are compared.
fn fold(name: &str) -> String {
    name.trim().to_lowercase()
}

#[async_trait]
impl Sink<TeamDraft> for TeamSink {
    async fn write(&self, batch: Vec<Write<TeamDraft>>) {
        for write in batch {
            match self.find_team(&write.draft.team).await {
                Ok(Some(team)) => write.unchanged(team),
                Ok(None) => {
                    let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
                    missing.insert(write.draft.team.clone());
                    drop(missing);
                    write.queued(queue::team_missing());
                }
                Err(error) => write.failed(failure_of(&error)),
            }
        }
    }

    async fn find(&self, _: &Doubt<TeamDraft>) -> Result<Found, Failure> {
        // Nothing is ever written, so nothing can be in doubt.
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(8)
    }
}
