//! Campaigns that have called a contact: by the API those of last calls, by a call log all of them.

use std::collections::{BTreeMap, BTreeSet};

use migrate_sandbox::workspace::{Contact, Workspace};
use migrate_sandbox::{Account, AccountSpec};

use crate::bench::{Bench, by_api};

const PREFIX: &str = "ld_campaign_";

/// The campaign tags of a contact, in lower case.
fn campaigns(workspace: &Workspace, contact: &Contact) -> BTreeSet<String> {
    let names = workspace.tag_names(&contact.tags).into_iter().map(|name| name.to_lowercase());
    names.filter(|name| name.starts_with(PREFIX)).collect()
}

/// What a workspace would be had there been no call log: contacts have no campaign tags and no outcome beside those that
/// they have in one that was made by the API alone.
pub(crate) fn without_call_log(mut found: Workspace, by_api: &Workspace) -> Workspace {
    let contacts = found.contacts.clone();
    for contact in &contacts {
        let same = |it: &&Contact| match &contact.external_id {
            Some(id) => it.external_id.as_ref() == Some(id),
            None => it.email == contact.email,
        };
        let Some(less) = by_api.contacts.iter().find(same) else { continue };
        let kept = campaigns(by_api, less);
        let whole = found.clone();
        let own = found.contacts.iter_mut().find(|it| it.id == contact.id).unwrap();
        own.tags.retain(|tag| {
            let name = whole.tag_names(std::slice::from_ref(tag)).concat().to_lowercase();
            !name.starts_with(PREFIX) || kept.contains(&name)
        });
        for attribute in ["ld_campaign_tag__c", "ld_outcome__c"] {
            match less.custom_attributes.get(attribute) {
                Some(known) => own.custom_attributes.insert(attribute.into(), known.clone()),
                None => own.custom_attributes.remove(attribute),
            };
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_log_gives_contacts_all_campaigns_that_called_them_and_the_last_outcome() {
    let mut account = Account::generate(&AccountSpec::plain(30, 93));
    let mut ended = BTreeMap::new();
    for call in &account.calls {
        let (Some(contact), Some(outcome)) = (call.contact_id, &call.call_ending_reason_name)
        else {
            continue;
        };
        // They are in the order of their times.
        ended.insert(contact, outcome.trim().to_owned());
    }
    assert!(ended.len() > 10);
    account.contacts.iter_mut().for_each(|contact| contact.last_reason = None);
    let mut bench = Bench::new(account.clone()).await;
    let folder = bench.path("export");
    account.export(&folder).unwrap();
    let log = folder.join("calls.csv").display().to_string();
    bench.settings.source = by_api(&bench.endpoints, &format!("csv = '{log}'"));
    let plan = bench.runner().plan().await.unwrap();
    bench.run().await;
    let workspace = bench.sandbox.workspace();
    let mut many = 0;
    for person in &account.contacts {
        let id = format!("leaddesk:contact:{}", person.id);
        let contact = workspace.contacts.iter().find(|it| it.external_id.as_ref() == Some(&id));
        let Some(contact) = contact else { continue };
        let calls = account.calls.iter().filter(|call| call.contact_id == Some(person.id));
        let called: BTreeSet<String> = calls
            .filter_map(|call| {
                Some(format!("{PREFIX}{}", call.campaign_name.as_ref()?).to_lowercase())
            })
            .collect();
        assert_eq!(campaigns(&workspace, contact), called, "{id}");
        let joined = contact.custom_attributes.get("ld_campaign_tag__c");
        let joined = joined.and_then(|it| it.as_str()).unwrap_or_default();
        assert_eq!(joined.matches(PREFIX).count(), called.len(), "{joined}");
        many += usize::from(called.len() > 1);
        // Where the contact itself does not say how its last call ended, the log does.
        let outcome = contact.custom_attributes.get("ld_outcome__c").and_then(|it| it.as_str());
        assert_eq!(outcome, ended.get(&person.id).map(String::as_str), "{id}");
        // Tags are there before the first contact, so the plan has to know them.
        let planned: BTreeSet<String> = plan.tags.iter().map(|it| it.to_lowercase()).collect();
        assert!(called.is_subset(&planned), "{planned:?}");
    }
    assert!(many > 3, "some were called by several");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}
