//! What the calls of an account should become.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use migrate_sandbox::{Account, SourceCall};
use serde_json::{Value, json};

use super::expect::{People, Waits, e164, utc};

/// A call that should be a conversation.
pub(crate) struct ExpectedCall {
    /// The place of its contact among the people.
    pub(crate) contact: usize,
    pub(crate) created_at: i64,
    /// The opening, without the line that names the call.
    pub(crate) opening: String,
    /// Time and text.
    pub(crate) remark: Option<(i64, String)>,
    pub(crate) agent: Option<u64>,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// In lower case.
    pub(crate) tags: BTreeSet<String>,
}

/// The calls by id.
pub(crate) fn calls(
    account: &Account,
    people: &People<'_>,
) -> BTreeMap<String, Result<ExpectedCall, Waits>> {
    let calls = account.calls.iter();
    calls.map(|call| (call.id.to_string(), expected_call(account, people, call))).collect()
}

fn expected_call(
    account: &Account,
    people: &People<'_>,
    call: &SourceCall,
) -> Result<ExpectedCall, Waits> {
    let created_at = utc(account, &call.talk_start).or_else(|| utc(account, &call.created_at));
    let created_at = created_at.filter(|at| *at <= Utc::now().timestamp());
    let created_at = created_at.ok_or("calls_without_time")?;
    let number = call.number.as_deref().map(e164);
    let contact = people.find(call.contact_id, None, number.as_ref())?;

    let mut attributes: BTreeMap<String, Value> = BTreeMap::from([
        ("ld_source_key__c".into(), json!(format!("leaddesk:call:{}", call.id))),
        ("ld_direction__c".into(), json!(call.direction)),
        ("ld_talk_time__c".into(), json!(call.talk_time)),
    ]);
    let campaign = call.campaign_name.as_ref().map(|name| format!("ld_campaign_{name}"));
    let outcome = call.call_ending_reason_name.as_ref();
    for (name, text) in [
        ("ld_agent__c", call.agent_username.as_ref()),
        ("ld_outcome__c", outcome),
        ("ld_campaign_tag__c", campaign.as_ref()),
    ] {
        attributes.extend(text.map(|text| (name.to_owned(), json!(text))));
    }
    let outcome_tag = outcome.map(|name| format!("ld_outcome_{name}"));
    let tags = campaign.into_iter().chain(outcome_tag).map(|tag| tag.to_lowercase()).collect();

    let orders: Vec<String> = call.order_ids.iter().map(u64::to_string).collect();
    let orders = (!orders.is_empty()).then(|| orders.join(", "));
    let opening = opening(
        &call.direction,
        number.as_deref(),
        &[
            ("Agent", call.agent_username.clone()),
            ("Talk time", Some(spoken(call.talk_time))),
            ("Campaign", call.campaign_name.clone()),
            ("Outcome", outcome.cloned()),
            ("Recording", call.record_file.clone()),
            ("Orders", orders),
        ],
    );
    let ended = utc(account, &call.handling_stop).or_else(|| utc(account, &call.talk_end));
    let at = ended.unwrap_or(created_at).max(created_at);
    Ok(ExpectedCall {
        contact,
        created_at,
        opening,
        remark: remark(call).map(|comment| (at, comment)),
        agent: call.agent_id,
        attributes,
        tags,
    })
}

/// What the agent said of it.
pub(super) fn remark(call: &SourceCall) -> Option<String> {
    let comment = call.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    comment.map(str::to_owned)
}

/// What the call was, in words: a line for each thing that is known.
pub(super) fn opening(
    direction: &str,
    number: Option<&str>,
    lines: &[(&str, Option<String>)],
) -> String {
    let (way, side) = if direction == "in" { ("Incoming", "from") } else { ("Outgoing", "to") };
    let mut opening = match number {
        Some(number) => format!("{way} call {side} {number}"),
        None => format!("{way} call"),
    };
    for (what, text) in lines {
        if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
            opening += &format!("\n{what}: {text}");
        }
    }
    opening
}

/// Seconds as they are spoken: `1 h 2 min 5 s`.
pub(super) fn spoken(seconds: u32) -> String {
    let mut said = Vec::new();
    let mut left = seconds;
    for (unit, length) in [("h", 3600), ("min", 60), ("s", 1)] {
        if left >= length || (unit == "s" && said.is_empty()) {
            said.push(format!("{} {unit}", left / length));
            left %= length;
        }
    }
    said.join(" ")
}
