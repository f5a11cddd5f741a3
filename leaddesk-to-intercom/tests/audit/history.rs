//! What calls should become that only the histories by number tell of.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use migrate_sandbox::{Account, SourceCall};
use serde_json::json;

use super::expect::{People, Waits, e164, utc};
use super::expect_calls::{ExpectedCall, opening, remark, spoken};

/// The calls that somebody's history holds and no other route reaches, by number and second.
pub(super) fn calls(
    account: &Account,
    people: &People<'_>,
    by_id: &BTreeSet<u64>,
) -> BTreeMap<String, Result<ExpectedCall, Waits>> {
    let others = account.calls.iter().filter(|call| !by_id.contains(&call.id));
    others.filter_map(|call| expected(account, people, call)).collect()
}

fn expected(
    account: &Account,
    people: &People<'_>,
    call: &SourceCall,
) -> Option<(String, Result<ExpectedCall, Waits>)> {
    let number = e164(call.number.as_deref()?);
    let created_at = utc(account, &call.created_at)?;
    if created_at > Utc::now().timestamp() || !is_held(account, call, &number) {
        return None;
    }
    let key = format!("{number}@{created_at}");
    // A number that several people share leads to none of them.
    let contact = match people.find(None, None, Some(&number)) {
        Ok(contact) => contact,
        Err(queue) => return Some((key, Err(queue))),
    };
    let mut attributes = BTreeMap::from([
        ("ld_direction__c".to_owned(), json!(call.direction)),
        ("ld_talk_time__c".to_owned(), json!(call.talk_time)),
    ]);
    let result = call.call_ending_reason_name.as_ref();
    attributes.extend(result.map(|name| ("ld_disposition__c".to_owned(), json!(name))));
    let tags = result.map(|name| format!("ld_disposition_{name}").to_lowercase());
    let opening = opening(
        &call.direction,
        Some(&number),
        &[
            ("Talk time", Some(spoken(call.talk_time))),
            ("Disposition", result.cloned()),
            ("Recording", call.record_file.clone()),
        ],
    );
    let ended = created_at + i64::from(call.talk_time);
    let expected = ExpectedCall {
        contact,
        created_at,
        opening,
        remark: remark(call).map(|comment| (ended, comment)),
        agent: None,
        attributes,
        tags: tags.into_iter().collect(),
    };
    Some((key, Ok(expected)))
}

/// Is the call held about anybody whose number was asked for?
fn is_held(account: &Account, call: &SourceCall, number: &str) -> bool {
    account.contacts.iter().any(|contact| {
        let has_number = contact.phonenumbers.iter().any(|it| e164(it) == number);
        has_number || (call.contact_id == Some(contact.id) && !contact.phonenumbers.is_empty())
    })
}
