//! What an account should become, worked out from the account alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use migrate_sandbox::{Account, SourceCall, SourceContact};
use serde_json::{Value, json};

/// A person whom the workspace should know, made of one contact of the account or of several.
pub(crate) struct ExpectedContact {
    pub(crate) members: Vec<u64>,
    pub(crate) numbers: Vec<String>,
    pub(crate) external_id: String,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) signed_up_at: Option<i64>,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// In lower case.
    pub(crate) tags: BTreeSet<String>,
    pub(crate) notes: Vec<String>,
}

type Field<'a> = &'a dyn Fn(&SourceContact) -> Option<String>;

/// A call that should be a conversation.
pub(crate) struct ExpectedCall {
    /// The place of its contact among the expected ones.
    pub(crate) contact: usize,
    pub(crate) created_at: i64,
    /// What the opening has to say.
    pub(crate) said: Vec<String>,
    /// Time and text.
    pub(crate) remark: Option<(i64, String)>,
    pub(crate) agent: Option<u64>,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// In lower case.
    pub(crate) tags: BTreeSet<String>,
}

/// The people. Who has neither address nor number is left out, and so are strangers with one address.
pub(crate) fn contacts(account: &Account) -> Vec<ExpectedContact> {
    let mut by_address: BTreeMap<String, Vec<&SourceContact>> = BTreeMap::new();
    let mut alone = Vec::new();
    for contact in &account.contacts {
        match valid_email(contact) {
            Some(email) => by_address.entry(email).or_default().push(contact),
            None if contact.phonenumbers.is_empty() => {}
            None => alone.push(vec![contact]),
        }
    }
    let is_one_person = |members: &Vec<&SourceContact>| {
        members.iter().all(|one| (&one.fname, &one.lname) == (&members[0].fname, &members[0].lname))
    };
    let groups = by_address.into_values().filter(is_one_person).chain(alone);
    groups.map(|members| person(account, members)).collect()
}

fn person(account: &Account, mut members: Vec<&SourceContact>) -> ExpectedContact {
    let ids: Vec<u64> = members.iter().map(|member| member.id).collect();
    let first = ids.iter().min().copied().unwrap_or_default();
    // The last changed goes first.
    members.sort_by_key(|member| (Reverse(utc(account, &member.updated_at)), member.id));
    let first_of = |field: Field<'_>| {
        members.iter().find_map(|member| field(member).filter(|text| !text.trim().is_empty()))
    };
    let mut numbers: Vec<String> = Vec::new();
    for number in members.iter().flat_map(|member| &member.phonenumbers) {
        let number = e164(number);
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    let tags: BTreeMap<String, String> = members
        .iter()
        .filter(|member| !member.phonenumbers.is_empty())
        .filter_map(|member| call(account, member.last_call_id?)?.campaign_name.clone())
        .map(|campaign| format!("ld_campaign_{campaign}"))
        .map(|tag| (tag.to_lowercase(), tag))
        .collect();

    let id = |id: Option<u64>| id.map(|id| id.to_string());
    let mut attributes = BTreeMap::new();
    let texts: [(&str, Field<'_>); 16] = [
        ("ld_title", &|it| it.title.clone()),
        ("ld_gender", &|it| it.gender.clone()),
        ("ld_year_of_birth", &|it| it.year_of_birth.clone()),
        ("ld_company", &|it| it.office.clone()),
        ("ld_company_id", &|it| id(it.company_id)),
        ("ld_vat_id", &|it| it.vatin.clone()),
        ("ld_address", &|it| it.address.clone()),
        ("ld_postal_code", &|it| it.postal.clone()),
        ("ld_city", &|it| it.city.clone()),
        ("ld_country", &|it| it.country.clone()),
        ("ld_website", &|it| it.www.clone()),
        ("ld_calling_list", &|it| id(Some(it.calling_list_id))),
        ("ld_batch", &|it| it.batch_name.clone()),
        ("ld_assigned_agent", &|it| id(it.assigned_agent_id)),
        ("ld_outcome__c", &|it| it.last_reason.clone()),
        // Calling lists have it, with a row for each number.
        ("ld_disposition__c", &|it| it.last_result.clone().filter(|_| !it.phonenumbers.is_empty())),
    ];
    for (name, field) in texts {
        attributes.extend(first_of(field).map(|text| (name.to_owned(), json!(text.trim()))));
    }
    let broken = |it: &SourceContact| it.email.clone().filter(|_| valid_email(it).is_none());
    attributes
        .extend(first_of(&broken).map(|text| ("ld_invalid_email".into(), json!(text.trim()))));
    for (number, at) in numbers.iter().skip(1).zip(2..) {
        attributes.insert(format!("ld_phone_{at}"), json!(number));
    }
    let created = members.iter().find_map(|it| utc(account, &it.created_at));
    let updated = members.iter().find_map(|it| utc(account, &it.updated_at));
    for (name, time) in [("ld_created_at", created), ("ld_updated_at", updated)] {
        attributes.extend(time.map(|time| (name.to_owned(), json!(time))));
    }
    if !tags.is_empty() {
        let joined: Vec<&str> = tags.values().map(String::as_str).collect();
        attributes.insert("ld_campaign_tag__c".into(), json!(joined.join(", ")));
    }
    let mut tags: BTreeSet<String> = tags.into_keys().collect();
    for member in &members {
        for (label, value) in member.other_info.values().map(|it| (&*it.label, &*it.value)) {
            let (name, value) = custom(label, value);
            attributes.entry(name.to_owned()).or_insert(value);
            if label == "Interests" {
                let picked = member.other_info.values().filter(|it| it.label == label);
                let picked = picked.flat_map(|it| it.value.split(','));
                tags.extend(picked.map(|it| format!("ld_interests_{}", it.trim().to_lowercase())));
            }
        }
    }
    let notes = members.iter().filter_map(|member| {
        let comment = member.comment.as_deref().map(str::trim).filter(|it| !it.is_empty())?;
        Some(format!("{comment}\n\nLeadDesk contact {}", member.id))
    });
    let name = |it: &SourceContact| {
        let of = |part: &Option<String>| part.clone().unwrap_or_default();
        let whole = format!("{} {}", of(&it.fname), of(&it.lname));
        Some(whole.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    ExpectedContact {
        external_id: format!("leaddesk:contact:{first}"),
        email: members.iter().find_map(|it| valid_email(it)),
        phone: numbers.first().cloned(),
        name: first_of(&name),
        signed_up_at: created,
        attributes,
        tags,
        notes: notes.collect(),
        members: ids,
        numbers,
    }
}

/// What the labelled fields of a generated account become, by the mapping that is proposed for them.
fn custom(label: &str, value: &str) -> (&'static str, Value) {
    match label {
        "Segment" => ("ld_segment", json!(value)),
        "Contract value" => ("ld_contract_value", json!(value.parse::<f64>().ok())),
        "Contract ends" => {
            let midnight = DateTime::parse_from_rfc3339(&format!("{value}T00:00:00Z"));
            ("ld_contract_ends", json!(midnight.ok().map(|time| time.timestamp())))
        }
        "Newsletter" => ("ld_newsletter", json!(value == "Yes")),
        "Interests" => ("ld_interests", json!(value)),
        "Vehicles" => ("ld_vehicles", json!(value.parse::<i64>().ok())),
        "Remark" => ("ld_remark", json!(value)),
        // Which nobody knows: the audit will miss it.
        other => ("a field of its own", json!(other)),
    }
}

/// The calls of these people that have a time, by id.
pub(crate) fn calls(
    account: &Account,
    people: &[ExpectedContact],
) -> BTreeMap<String, ExpectedCall> {
    let calls = account.calls.iter();
    let expected =
        |call: &SourceCall| Some((call.id.to_string(), expected_call(account, people, call)?));
    calls.filter_map(expected).collect()
}

fn expected_call(
    account: &Account,
    people: &[ExpectedContact],
    call: &SourceCall,
) -> Option<ExpectedCall> {
    let created_at = utc(account, &call.talk_start).or_else(|| utc(account, &call.created_at))?;
    if created_at > Utc::now().timestamp() {
        return None;
    }
    let number = call.number.as_deref().map(e164);
    let by_id =
        call.contact_id.and_then(|id| people.iter().position(|it| it.members.contains(&id)));
    let contact = by_id.or_else(|| {
        let number = number.as_ref()?;
        people.iter().position(|it| it.numbers.contains(number))
    })?;

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

    let texts = [
        number.as_ref(),
        call.agent_username.as_ref(),
        call.campaign_name.as_ref(),
        outcome,
        call.record_file.as_ref(),
    ];
    let mut said: Vec<String> = texts.into_iter().flatten().cloned().collect();
    said.extend(call.order_ids.iter().map(u64::to_string));
    said.push(match call.direction.as_str() {
        "in" => "Incoming".into(),
        _ => "Outgoing".into(),
    });

    let comment = call.comment.as_deref().map(str::trim).filter(|comment| !comment.is_empty());
    let ended = utc(account, &call.handling_stop).or_else(|| utc(account, &call.talk_end));
    let at = ended.unwrap_or(created_at).max(created_at);
    Some(ExpectedCall {
        contact,
        created_at,
        said,
        remark: comment.map(|comment| (at, comment.to_owned())),
        agent: call.agent_id,
        attributes,
        tags,
    })
}

/// The address of the teammate whom an agent is.
pub(crate) fn teammate(account: &Account, agent: Option<u64>) -> Option<String> {
    let agent = account.agents.iter().find(|it| Some(it.id) == agent && it.has_teammate)?;
    agent.primary_email.clone()
}

/// Every tag that something of the account can give a reason for, in lower case.
pub(crate) fn all_tags(account: &Account) -> BTreeSet<String> {
    let campaigns = account.calls.iter().filter_map(|call| call.campaign_name.as_ref());
    let outcomes = account.calls.iter().filter_map(|call| call.call_ending_reason_name.as_ref());
    let campaigns = campaigns.map(|name| format!("ld_campaign_{name}").to_lowercase());
    let interests = account.contacts.iter().flat_map(|contact| contact.other_info.values());
    let interests =
        interests.filter(|it| it.label == "Interests").flat_map(|it| it.value.split(','));
    let results = outcomes.clone().map(|name| format!("ld_disposition_{name}").to_lowercase());
    campaigns
        .chain(results)
        .chain(outcomes.map(|name| format!("ld_outcome_{name}").to_lowercase()))
        .chain(interests.map(|it| format!("ld_interests_{}", it.trim()).to_lowercase()))
        .collect()
}

fn call(account: &Account, id: u64) -> Option<&SourceCall> {
    account.calls.iter().find(|call| call.id == id)
}

fn valid_email(contact: &SourceContact) -> Option<String> {
    address(contact.email.as_deref()?)
}

/// An e-mail address in the form it is compared by, if it is one.
pub(crate) fn address(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (local, domain) = email.split_once('@')?;
    let valid = !local.is_empty()
        && !email.contains(char::is_whitespace)
        && domain.contains('.')
        && !domain.contains('@');
    valid.then_some(email)
}

/// A Finnish number with its country's prefix.
pub(crate) fn e164(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix('0') {
        Some(national) => format!("+358{national}"),
        None => format!("+{digits}"),
    }
}

/// A local time of the account in UTC; none for zero dates and absent ones. Of a time that the clock
/// shows twice, the earlier; one that it leaps over, later by the leap.
pub(crate) fn utc(account: &Account, text: &Option<String>) -> Option<i64> {
    let naive = NaiveDateTime::parse_from_str(text.as_deref()?, "%Y-%m-%d %H:%M:%S").ok()?;
    let moment: DateTime<_> = match account.time_zone.from_local_datetime(&naive).earliest() {
        Some(moment) => moment,
        None => {
            let day = TimeDelta::days(1);
            let before = account.time_zone.from_local_datetime(&(naive - day)).earliest()?;
            return Some((naive - before.offset().fix()).and_utc().timestamp());
        }
    };
    Some(moment.timestamp())
}
