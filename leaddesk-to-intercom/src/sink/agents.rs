//! Agents and the teammates they are. Nothing is written: the API cannot make teammates.

use std::collections::HashMap;

use async_trait::async_trait;
use intercom_client::{Error, IntercomClient};
use migrate_core::{Doubt, Failure, Found, Limits, Sink, TargetId, Write};
use tokio::sync::OnceCell;

use crate::draft::AgentDraft;
use crate::queue;

use super::failure::failure_of;

/// Matches agents with teammates by e-mail address.
#[derive(Debug)]
pub struct AgentSink {
    client: IntercomClient,
    admins: OnceCell<HashMap<String, TargetId>>,
}

impl AgentSink {
    /// A sink that reads the teammates when it is first asked.
    pub fn new(client: IntercomClient) -> Self {
        Self { client, admins: OnceCell::new() }
    }

    async fn admins(&self) -> Result<&HashMap<String, TargetId>, Error> {
        self.admins
            .get_or_try_init(|| async {
                let admins = self.client.admins().list().await?;
                Ok(admins
                    .into_iter()
                    .filter_map(|admin| {
                        let address = fold(admin.email?.reveal());
                        Some((address, TargetId::new(admin.id.as_str())))
                    })
                    .collect())
            })
            .await
    }
}

/// The form in which addresses are compared.
fn fold(address: &str) -> String {
    address.trim().to_lowercase()
}

#[async_trait]
impl Sink<AgentDraft> for AgentSink {
    async fn write(&self, batch: Vec<Write<AgentDraft>>) {
        for write in batch {
            let admins = match self.admins().await {
                Ok(admins) => admins,
                Err(error) => {
                    write.failed(failure_of(&error));
                    continue;
                }
            };
            let address = write.draft.email.as_deref().map(fold);
            match address.and_then(|address| admins.get(&address)) {
                Some(admin) => write.unchanged(admin.clone()),
                None => write.queued(queue::agent_without_teammate()),
            }
        }
    }

    async fn find(&self, _: &Doubt<AgentDraft>) -> Result<Found, Failure> {
        // Nothing is ever written, so nothing can be in doubt.
        Ok(Found::CannotTell)
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(8)
    }
}
