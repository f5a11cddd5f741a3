//! What may be gone by now. Search says it too late: its index shows for a while what a person or a
//! rollback has deleted, so whoever acts on a match reads it first.

use intercom_client::{Conversation, ConversationId, Error, IntercomClient};

/// What a read of an object gave that may be gone.
pub(crate) fn or_gone<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A conversation that a search gave, as it is now.
pub(crate) async fn still_there(
    client: &IntercomClient,
    id: &ConversationId,
) -> Result<Option<Conversation>, Error> {
    or_gone(client.conversations().get(id).await)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use intercom_client::ContactId;
    use migrate_core::{Evidence, Found, MemoryLedger, TargetId};
    use migrate_sandbox::workspace::{Contact, DataAttribute, Source};
    use migrate_sandbox::{Account, AccountSpec, Sandbox, workspace};
    use serde_json::json;

    use super::*;
    use crate::draft::ContactFields;
    use crate::sink::{ContactSink, ConversationSink, Workspace};

    const KEY: &str = "leaddesk:visitor:7";
    const DAY: i64 = 1_700_000_000;

    fn lead() -> Contact {
        let mut lead = Contact { id: "c7".into(), role: "lead".into(), ..Contact::default() };
        lead.external_id = Some(KEY.into());
        lead.custom_attributes.insert("ld_source_key".into(), json!(KEY));
        lead
    }

    fn opened() -> workspace::Conversation {
        workspace::Conversation {
            id: "7".into(),
            created_at: DAY,
            state: "open".into(),
            contacts: vec!["c7".into()],
            source: Source { body: "LeadDesk call 7".into(), ..Source::default() },
            ..workspace::Conversation::default()
        }
    }

    /// A doubt that comes up after a rollback is not settled by what the rollback has deleted.
    #[tokio::test]
    async fn what_search_alone_still_shows_is_not_found() {
        let text = DataAttribute {
            name: "ld_source_key".into(),
            model: "contact".into(),
            data_type: "string".into(),
            ..DataAttribute::default()
        };
        let sandbox = Sandbox::builder(Account::generate(&AccountSpec::new(1, 1)))
            .search_lag(Duration::from_secs(3600))
            .prepare(|workspace| {
                workspace.data_attributes.push(text);
                workspace.contacts.push(lead());
                workspace.conversations.push(opened());
            })
            .start()
            .await
            .unwrap();
        let endpoints = sandbox.endpoints();
        let client = IntercomClient::builder(endpoints.intercom_token.clone().into())
            .base_url(endpoints.intercom.parse().unwrap())
            .build()
            .unwrap();
        let admin = client.me().await.unwrap().admin.id;
        let ledger = Arc::new(MemoryLedger::default());
        let workspace = Workspace::new(client.clone(), admin, ledger);
        let leads = ContactSink::new(workspace.clone());
        let conversations = ConversationSink::new(workspace);
        let mut fields = ContactFields { external_id: KEY.into(), ..ContactFields::default() };
        fields.attributes.insert("ld_source_key".into(), json!(KEY));
        let contact = TargetId::new("c7");
        let find = async || {
            let lead = leads.find_lead(&fields).await.unwrap();
            (
                lead,
                conversations
                    .find_opening(std::slice::from_ref(&contact), DAY, "LeadDesk call 7")
                    .await
                    .unwrap(),
            )
        };

        assert_eq!(find().await, (Found::Yes(contact.clone()), Found::Yes(TargetId::new("7"))));
        client.conversations().delete(&ConversationId::new("7")).await.unwrap();
        client.contacts().delete(&ContactId::new("c7")).await.unwrap();
        let nothing = || Found::No(Evidence::Search);
        assert_eq!(find().await, (nothing(), nothing()));
    }
}
