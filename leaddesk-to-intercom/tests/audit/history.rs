//! What calls should become that only the histories by number tell of.

#![allow(dead_code, reason = "not every test that audits reads histories")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use migrate_sandbox::{Account, SourceCall};
use serde_json::json;

use super::expect::{ExpectedCall, ExpectedContact, e164, utc};

/// The calls that somebody's history holds and no other route reaches, by number and second.
pub(crate) fn calls(
    account: &Account,
    people: &[ExpectedContact],
    by_id: &BTreeSet<u64>,
) -> BTreeMap<String, ExpectedCall> {
    let others = account.calls.iter().filter(|call| !by_id.contains(&call.id));
    others.filter_map(|call| expected(account, people, call)).collect()
}

fn expected(
    account: &Account,
    people: &[ExpectedContact],
    call: &SourceCall,
) -> Option<(String, ExpectedCall)> {
    let number = e164(call.number.as_deref()?);
    let created_at = utc(account, &call.created_at)?;
    if created_at > Utc::now().timestamp() || !is_held(account, call, &number) {
        return None;
    }
    // A number that several people share leads to none of them.
    let mut with_number = (0..people.len()).filter(|at| people[*at].numbers.contains(&number));
    let contact = with_number.next().filter(|_| with_number.next().is_none())?;
    let key = format!("{number}@{created_at}");
    let mut attributes = BTreeMap::from([
        ("ld_direction__c".to_owned(), json!(call.direction)),
        ("ld_talk_time__c".to_owned(), json!(call.talk_time)),
    ]);
    let result = call.call_ending_reason_name.as_ref();
    attributes.extend(result.map(|name| ("ld_disposition__c".to_owned(), json!(name))));
    let tags = result.map(|name| format!("ld_disposition_{name}").to_lowercase());
    let texts = [Some(&number), result, call.record_file.as_ref()];
    let mut said: Vec<String> = texts.into_iter().flatten().cloned().collect();
    said.push(if call.direction == "in" { "Incoming".into() } else { "Outgoing".into() });
    let comment = call.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    let ended = created_at + i64::from(call.talk_time);
    let expected = ExpectedCall {
        contact,
        created_at,
        said,
        remark: comment.map(|comment| (ended, comment.to_owned())),
        agent: None,
        attributes,
        tags: tags.into_iter().collect(),
    };
    Some((key, expected))
}

/// Is the call held about anybody whose number was asked for?
fn is_held(account: &Account, call: &SourceCall, number: &str) -> bool {
    account.contacts.iter().any(|contact| {
        let has_number = contact.phonenumbers.iter().any(|it| e164(it) == number);
        has_number || (call.contact_id == Some(contact.id) && !contact.phonenumbers.is_empty())
    })
}
