//! The account's records under the API's field names, for the replies and for the export files alike.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::account::{
    Account, AccountIndex, SourceAgent, SourceCall, SourceCampaign, SourceContact,
};

/// A record in order of its columns.
pub(crate) type Fields = Vec<(Cow<'static, str>, Field)>;

/// A value as the API sends it.
#[derive(Debug)]
pub(crate) enum Field {
    Null,
    Text(String),
    Number(u64),
    Flag(bool),
    Texts(Vec<String>),
    Numbers(Vec<u64>),
}

impl Field {
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Flag(flag) => json!(flag),
            Self::Texts(texts) => json!(texts),
            Self::Numbers(numbers) => json!(numbers),
        }
    }

    /// The value in a CSV file; lists are joined by `|`.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Texts(texts) => texts.join("|"),
            Self::Numbers(numbers) => {
                numbers.iter().map(u64::to_string).collect::<Vec<_>>().join("|")
            }
        }
    }
}

pub(crate) fn object(fields: &Fields) -> Value {
    Value::Object(
        fields.iter().map(|(name, value)| (name.to_string(), value.json())).collect::<Map<_, _>>(),
    )
}

fn text(value: &Option<String>) -> Field {
    value.clone().map_or(Field::Null, Field::Text)
}

/// `get` replies send ids and numbers as strings.
fn id_text(value: Option<u64>) -> Field {
    value.map_or(Field::Null, |id| Field::Text(id.to_string()))
}

/// `contact get`'s `data`.
pub(crate) fn contact(contact: &SourceContact) -> Fields {
    let phone = |at: usize| contact.phonenumbers.get(at).cloned().map_or(Field::Null, Field::Text);
    let mut fields: Fields = vec![
        ("id".into(), id_text(Some(contact.id))),
        ("fname".into(), text(&contact.fname)),
        ("lname".into(), text(&contact.lname)),
        ("title".into(), text(&contact.title)),
        ("gender".into(), text(&contact.gender)),
        ("ssc".into(), text(&contact.ssc)),
        ("year_of_birth".into(), text(&contact.year_of_birth)),
        ("client_id".into(), Field::Null),
        ("company_id".into(), id_text(contact.company_id)),
        ("office".into(), text(&contact.office)),
        ("vatin".into(), text(&contact.vatin)),
        ("phone".into(), phone(0)),
        ("sec_phone".into(), phone(1)),
        ("thr_phone".into(), phone(2)),
        ("fourth_phone".into(), phone(3)),
        ("fax".into(), Field::Null),
        ("phonenumbers".into(), Field::Texts(contact.phonenumbers.clone())),
        ("address".into(), text(&contact.address)),
        ("postal".into(), text(&contact.postal)),
        ("city".into(), text(&contact.city)),
        ("country".into(), text(&contact.country)),
        ("email".into(), text(&contact.email)),
        ("www".into(), text(&contact.www)),
        ("comment".into(), text(&contact.comment)),
        ("calling_list_id".into(), id_text(Some(contact.calling_list_id))),
        ("batch_name".into(), text(&contact.batch_name)),
        ("assigned_agent_id".into(), id_text(contact.assigned_agent_id)),
        ("last_reason".into(), text(&contact.last_reason)),
        ("last_call_id".into(), id_text(contact.last_call_id)),
        ("created_at".into(), text(&contact.created_at)),
        ("updated_at".into(), text(&contact.updated_at)),
    ];
    for slot in 1..=35_u8 {
        let info = contact.other_info.get(&slot);
        let name = match slot {
            1 => "other_info_ft".into(),
            2 => "other_info_sec".into(),
            3 => "other_info_thir".into(),
            n => Cow::Owned(format!("other_info_{n}")),
        };
        fields.push((name, info.map_or(Field::Null, |info| Field::Text(info.value.clone()))));
        let label = info.map_or(Field::Null, |info| Field::Text(info.label.clone()));
        fields.push((format!("other_i_name_{slot}").into(), label));
    }
    fields
}

/// `call get`.
pub(crate) fn call(call: &SourceCall) -> Fields {
    vec![
        ("id".into(), id_text(Some(call.id))),
        ("agent_id".into(), id_text(call.agent_id)),
        ("agent_username".into(), text(&call.agent_username)),
        ("agent_group_id".into(), id_text(call.agent_group_id)),
        ("agent_group_name".into(), text(&call.agent_group_name)),
        ("talk_time".into(), id_text(Some(u64::from(call.talk_time)))),
        ("talk_start".into(), text(&call.talk_start)),
        ("talk_end".into(), text(&call.talk_end)),
        ("handling_stop".into(), text(&call.handling_stop)),
        ("created_at".into(), text(&call.created_at)),
        ("number".into(), text(&call.number)),
        ("campaign".into(), id_text(call.campaign)),
        ("campaign_name".into(), text(&call.campaign_name)),
        ("record_file".into(), text(&call.record_file)),
        ("customer_id".into(), id_text(call.customer_id)),
        ("contact_id".into(), id_text(call.contact_id)),
        ("comment".into(), text(&call.comment)),
        ("call_ending_reason".into(), id_text(call.call_ending_reason)),
        ("call_ending_reason_name".into(), text(&call.call_ending_reason_name)),
        ("direction".into(), Field::Text(call.direction.clone())),
        ("call_type".into(), id_text(call.call_type)),
        ("call_type_name".into(), text(&call.call_type_name)),
        ("order_ids".into(), Field::Numbers(call.order_ids.clone())),
    ]
}

/// An element of REST's `/users`.
pub(crate) fn agent(agent: &SourceAgent) -> Fields {
    vec![
        ("id".into(), Field::Number(agent.id)),
        ("name".into(), Field::Text(agent.name.clone())),
        ("username".into(), Field::Text(agent.username.clone())),
        ("employment".into(), Field::Text(agent.employment.clone())),
        ("office".into(), text(&agent.office)),
        ("role".into(), Field::Text(agent.role.clone())),
        ("primary_email".into(), text(&agent.primary_email)),
    ]
}

/// An element of REST's `/campaigns`.
pub(crate) fn campaign(campaign: &SourceCampaign) -> Fields {
    vec![
        ("id".into(), Field::Number(campaign.id)),
        ("name".into(), Field::Text(campaign.name.clone())),
        ("type".into(), Field::Text(campaign.kind.clone())),
        ("disabled".into(), Field::Flag(campaign.disabled)),
    ]
}

/// `calling_list export`: 14 columns without a header, one row per phone number.
pub(crate) fn list_export(account: &Account, index: &AccountIndex, list: u64) -> String {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .quote_style(csv::QuoteStyle::Always)
        .from_writer(Vec::new());
    for at in index.contacts_by_list.get(&list).into_iter().flatten() {
        let contact = &account.contacts[*at];
        let call = contact
            .last_call_id
            .and_then(|id| index.call_by_id.get(&id))
            .map(|at| &account.calls[*at]);
        let agent = call
            .and_then(|call| index.agent_by_id.get(&call.agent_id?))
            .map(|at| &account.agents[*at]);
        let of = |value: &Option<String>| value.clone().unwrap_or_default();
        for phone in &contact.phonenumbers {
            // Writing into memory cannot fail.
            let _ = writer.write_record([
                contact.id.to_string(),
                phone.clone(),
                of(&contact.fname),
                of(&contact.lname),
                of(&contact.address),
                of(&contact.postal),
                of(&contact.city),
                u8::from(contact.finalised).to_string(),
                of(&contact.updated_at),
                of(&contact.updated_at),
                call.map(|call| of(&call.created_at)).unwrap_or_default(),
                of(&contact.last_result),
                call.map(|call| of(&call.campaign_name)).unwrap_or_default(),
                agent.map(|agent| agent.name.clone()).unwrap_or_default(),
            ]);
        }
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
