//! What becomes of each field of LeadDesk's objects. A field without a decision fails, and so does one
//! of which the mapping makes something else than is decided here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail at any step")]

mod chatbot;
mod inventory;

use std::collections::BTreeSet;

use futures::TryStreamExt as _;
use leaddesk_client::{Call, CallingList, Campaign, Contact, User};
use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::map::{CallMapper, ContactMapper};
use leaddesk_to_intercom::source::{Findings, ListedContact, export, keys};
use migrate_core::{Draft, Emit, Mapper, Record, Source as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What becomes of a field.
enum Becomes {
    /// It is in what is written; an example of it, which shows.
    Written(Value),
    /// It is a name by which other records find this one, or a record to be read.
    Known(Value),
    /// It stays behind, and a note of this code says so.
    Noted(&'static str, Value),
    /// It is not told itself and decides about something: what, and an example of it, with which that differs.
    Decides(&'static str, Value),
    /// It is in the files of the inventory, where those of a run are looked at.
    Inventoried,
    /// It is left out: why.
    LeftOut(&'static str),
}

use Becomes::{Decides, Inventoried, Known, LeftOut, Noted, Written};

type Table = Vec<(&'static str, Becomes)>;

fn text(value: &str) -> Value {
    Value::from(value)
}

fn contact() -> Table {
    vec![
        ("id", Written(text("4711"))),
        ("fname", Written(text("Aino"))),
        ("lname", Written(text("Aalto"))),
        ("title", Written(text("CEO"))),
        ("gender", Written(text("f"))),
        ("ssc", Noted("ssn_left_out", text("010190-123A"))),
        ("year_of_birth", Written(text("1990"))),
        ("vatin", Written(text("FI123"))),
        ("office", Written(text("Aalto Oy"))),
        ("phone", Written(text("+358401234567"))),
        ("sec_phone", Written(text("+358401234568"))),
        ("thr_phone", Written(text("+358401234569"))),
        ("fourth_phone", Written(text("+358401234560"))),
        ("fax", Written(text("+35891234"))),
        ("phonenumbers", Written(json!(["+358401111111"]))),
        ("address", Written(text("Koulukatu 1"))),
        ("postal", Written(text("00100"))),
        ("city", Written(text("Helsinki"))),
        ("country", Written(text("FI"))),
        ("email", Written(text("aino@example.com"))),
        ("www", Written(text("https://example.com"))),
        ("comment", Written(text("likes tea"))),
        ("calling_list_id", Written(text("901"))),
        ("batch_name", Written(text("batch-1"))),
        ("assigned_agent_id", Written(text("301"))),
        ("last_reason", Written(text("Deal"))),
        ("last_call_id", Known(text("500001"))),
        ("created_at", Written(text("2024-03-01 10:00:00"))),
        ("updated_at", Written(text("2024-03-02 10:00:00"))),
        // Columns that only files have.
        ("assigned_office", Written(text("Turku"))),
        ("sponsor", Written(text("Partner Oy"))),
        ("lead_status", Written(text("open"))),
        ("company_id", Written(text("77"))),
        ("client_id", LeftOut("the account's own id, the same for every contact")),
        ("contact_id", LeftOut("the id once more")),
        ("success", LeftOut("the frame of the reply")),
        // Other info and whatever else an account has, until a mapping says where it goes.
        ("other_info_ft", Noted("field_for_review", text("A"))),
        ("other_info_35", Noted("field_for_review", json!({ "nested": 1 }))),
        ("shoe_size", Noted("field_for_review", json!(42))),
        // What another row of the same contact says otherwise.
        ("fname (2)", Noted("field_for_review", text("Anni"))),
    ]
}

fn call() -> Table {
    vec![
        ("id", Written(text("500007"))),
        ("agent_id", Written(text("301"))),
        ("agent_username", Written(text("aino.aalto1"))),
        ("agent_group_id", LeftOut("an id inside LeadDesk, of a group that has a name")),
        ("agent_group_name", LeftOut("of the agent; teams are matched by [map.teams]")),
        ("talk_time", Written(json!(62))),
        ("talk_start", Written(text("2024-03-01 10:00:05"))),
        ("talk_end", Decides("the time of the comment", text("2024-03-01 10:05:00"))),
        ("handling_stop", Decides("the time of the comment", text("2024-03-01 10:06:00"))),
        (
            "created_at",
            Decides("the time of a conversation without talk", text("2024-03-02 10:00:00")),
        ),
        ("number", Written(text("+358401234567"))),
        ("campaign", Noted("campaign_without_name", text("7"))),
        ("campaign_name", Written(text("Renewals"))),
        ("record_file", Written(text("https://rec.example.com/1.mp3"))),
        ("customer_id", LeftOut("the row of the number in LeadDesk")),
        ("contact_id", Written(text("4711"))),
        ("comment", Written(text("call back"))),
        ("call_ending_reason", Noted("outcome_without_name", text("5"))),
        ("call_ending_reason_name", Written(text("Deal"))),
        ("direction", Written(text("out"))),
        ("call_type", LeftOut("an id inside LeadDesk, of a type that has a name")),
        ("call_type_name", LeftOut("how the dialler placed the call; its direction is told")),
        ("order_ids", Written(json!(["1000044"]))),
        ("result", Written(text("Answered"))),
        ("success", LeftOut("the frame of the reply")),
        // What only files hold: a number that is none, and what another row of the same call says otherwise.
        ("talk_time (not read)", Noted("unreadable_value", text("a while"))),
        ("comment (2)", Noted("field_for_review", text("another"))),
        ("unheard_of", Noted("field_for_review", text("x"))),
    ]
}

fn user() -> Table {
    vec![
        ("id", Decides("the agent's key", Value::Null)),
        ("name", LeftOut("a teammate is found by the address alone, and has a name there")),
        ("username", Decides("another name of the agent, by which calls know it", Value::Null)),
        ("employment", LeftOut("of no use to a teammate")),
        ("office", Inventoried),
        ("role", LeftOut("roles are given in Intercom, by its own rules")),
        (
            "primary_email",
            Decides(
                "which teammate it is; who has none is in teammates_to_invite.json",
                Value::Null,
            ),
        ),
    ]
}

fn campaign() -> Table {
    let all = ["id", "name", "type", "disabled"];
    all.into_iter().map(|field| (field, Inventoried)).collect()
}

fn calling_list() -> Table {
    vec![
        ("id", Decides("which contacts are read", Value::Null)),
        ("name", LeftOut("no export has it, so its id is what every source knows")),
    ]
}

fn list_row() -> Table {
    let twice = "the contact itself has it, save where a folder has the contact in lists alone: there it is written";
    let call = "of the last call, which is read itself";
    vec![
        ("contact_id", Decides("which contact the row is about", text("8"))),
        ("phone", LeftOut(twice)),
        ("fname", LeftOut(twice)),
        ("lname", LeftOut(twice)),
        ("address", LeftOut(twice)),
        ("postal", LeftOut(twice)),
        ("city", LeftOut(twice)),
        ("finalised", Decides("whether it is a lead, by lead_rule = \"unfinalised\"", text("1"))),
        ("contact_updated_at", LeftOut(twice)),
        ("phone_updated_at", LeftOut("of one number, for which Intercom has no time")),
        (
            "last_call_at",
            Decides(
                "which of the contact's rows says the last result",
                text("2022-05-01 10:00:00"),
            ),
        ),
        ("last_result", Decides("`ld_disposition__c` of the contact", text("Answered"))),
        ("last_campaign", Decides("the campaign tag of the contact", text("Spring"))),
        ("last_agent", LeftOut(call)),
    ]
}

/// The fields of a model, as it is written: whatever is not in `extra`.
fn fields<T: DeserializeOwned + Serialize>(least: &Value) -> BTreeSet<String> {
    let model: T = serde_json::from_value(least.clone()).unwrap();
    let Value::Object(fields) = serde_json::to_value(model).unwrap() else { panic!("no object") };
    fields.keys().cloned().collect()
}

#[track_caller]
fn each_field_is_decided(model: &str, fields: &BTreeSet<String>, table: &Table) {
    let decided: BTreeSet<String> = table.iter().map(|(field, _)| (*field).to_owned()).collect();
    assert_eq!(decided.len(), table.len(), "{model}: a field has two decisions");
    let undecided: Vec<&String> = fields.difference(&decided).collect();
    assert!(undecided.is_empty(), "{model}: nobody has decided what becomes of {undecided:?}");
    let mut reasons = table.iter().filter_map(|(_, becomes)| match becomes {
        LeftOut(reason) | Decides(reason, _) => Some(*reason),
        _ => None,
    });
    assert!(fields.len() > 1, "{model}: its fields were found");
    assert!(reasons.all(|reason| reason.len() > 10), "{model}: reasons are given");
}

#[test]
fn every_field_of_every_model_has_a_decision() {
    let id = json!({ "id": 1 });
    each_field_is_decided("Contact", &fields::<Contact>(&id), &contact());
    each_field_is_decided("Call", &fields::<Call>(&id), &call());
    each_field_is_decided("User", &fields::<User>(&id), &user());
    each_field_is_decided("Campaign", &fields::<Campaign>(&id), &campaign());
    each_field_is_decided("CallingList", &fields::<CallingList>(&id), &calling_list());
    each_field_is_decided("ListRow", &list_row_fields(), &list_row());
}

/// What a mapper makes of a record.
#[derive(PartialEq)]
struct Made {
    drafts: Value,
    names: String,
    notes: Vec<(String, String)>,
}

fn made<In, M>(mapper: &M, key: migrate_core::Key, body: In) -> Made
where
    M: Mapper<In>,
    M::Out: Draft,
{
    let mut out = Emit::default();
    mapper.map(Record::new(key, body), &mut out);
    let names = format!("{:?} {:?} {:?}", out.identities(), out.aliases(), out.discoveries());
    let notes = out.notes().iter().map(|note| (note.code.clone(), note.field.clone()));
    let notes = notes.collect();
    Made { drafts: json!(out.drafts()), names, notes }
}

#[track_caller]
fn behaves(table: Table, least: &Value, make: impl Fn(Value) -> Made) {
    let without = make(least.clone());
    for (field, becomes) in table {
        let with = |value: &Value| {
            let mut body = least.clone();
            body[field] = value.clone();
            make(body)
        };
        match becomes {
            Written(value) => {
                assert!(with(&value).drafts != without.drafts, "{field} is not written")
            }
            Known(value) => assert!(with(&value).names != without.names, "{field} is not known"),
            Noted(code, value) => {
                let made = with(&value);
                assert!(made.drafts == without.drafts, "{field} is written, and was to be noted");
                let noted = made.notes.iter().any(|(noted, _)| noted == code);
                assert!(noted, "{field}: no {code} is noted: {:?}", made.notes);
            }
            LeftOut(_) => {
                let made = with(&text("17"));
                assert!(
                    made.drafts == without.drafts,
                    "{field} is written, and was to be left out"
                );
            }
            Decides(what, value) => {
                let made = with(&value);
                let differs = made.drafts != without.drafts || made.names != without.names;
                assert!(differs, "{field} does not decide {what}");
            }
            Inventoried => panic!("{field} is looked for in the inventory of a run"),
        }
    }
}

fn config() -> Config {
    let text = "[source]\nkind = 'api'\ntime_zone = 'Europe/Helsinki'\n[source.original]\n\
                [destination]\nregion = 'eu'\nfallback_admin = 'ops@example.com'\n";
    Config::parse(text, "test.toml").unwrap()
}

#[test]
fn contacts_become_what_is_decided() {
    let mapper = ContactMapper::new(&config());
    behaves(contact(), &json!({ "id": 1, "phone": "+358409999999" }), |body| {
        let contact: Contact = serde_json::from_value(body).unwrap();
        made(&mapper, keys::contact(&contact.id), ListedContact::new(contact, Vec::new()))
    });
}

#[test]
fn calls_become_what_is_decided() {
    let now = "2026-11-01T00:00:00Z".parse().unwrap();
    let mapper = CallMapper::new(&config(), now);
    let least = json!({ "id": 1, "created_at": "2024-03-01 10:00:00", "comment": "a comment" });
    behaves(call(), &least, |body| {
        let call: Call = serde_json::from_value(body).unwrap();
        made(&mapper, keys::call(&call.id), call)
    });
}

/// The columns of the export of a calling list, which has no heading.
const LIST_ROW: [&str; 14] = [
    "contact_id",
    "phone",
    "fname",
    "lname",
    "address",
    "postal",
    "city",
    "finalised",
    "contact_updated_at",
    "phone_updated_at",
    "last_call_at",
    "last_result",
    "last_campaign",
    "last_agent",
];

/// Another row of the contact tells of an older call, so that it shows which of the two says the result.
#[tokio::test]
async fn rows_of_calling_lists_become_what_is_decided() {
    let least = json!({
        "contact_id": "7", "last_call_at": "2024-05-01 10:00:00", "last_result": "Busy",
    });
    for (field, becomes) in list_row() {
        let with = |value: &str| {
            let mut row = least.clone();
            row[field] = text(value);
            row
        };
        let without = listed(&least).await;
        match becomes {
            Decides(what, value) => {
                let listed = listed(&with(value.as_str().unwrap())).await;
                assert!(listed != without, "{field} does not decide {what}");
            }
            LeftOut(_) => {
                assert!(listed(&with("17")).await == without, "{field} was to be left out")
            }
            _ => panic!("{field}: rows of lists are no records"),
        }
    }
}

/// The one contact of a folder with this row of a calling list.
async fn listed(row: &Value) -> ListedContact {
    let dir = tempfile::tempdir().unwrap();
    let cells = LIST_ROW.map(|field| row[field].as_str().unwrap_or_default());
    let older = "7;;;;;;;;;;2023-05-01 10:00:00;Voicemail;;";
    std::fs::create_dir(dir.path().join("calling_lists")).unwrap();
    std::fs::write(dir.path().join("contacts.csv"), "id;email\n7;a@example.com\n").unwrap();
    let list = format!("{}\n{older}\n", cells.join(";"));
    std::fs::write(dir.path().join("calling_lists/901.csv"), list).unwrap();
    let text = format!(
        "[source]\nkind = 'export'\ntime_zone = 'Europe/Helsinki'\n[source.export]\ndir = '{}'\n\
         [destination]\nregion = 'eu'\n",
        dir.path().display()
    );
    let config = Config::parse(&text, "test.toml").unwrap();
    let folder = export::Folder::open(&config, Findings::default()).unwrap();
    let pages: Vec<_> = folder.contacts().unwrap().read(None).try_collect().await.unwrap();
    let mut items = pages.into_iter().flat_map(|page| page.items);
    items.next().unwrap().unwrap().body
}

/// The fields of a row of a calling list, which is only ever read: as `Debug` names them.
fn list_row_fields() -> BTreeSet<String> {
    let file = format!("4711{}\n", ";".repeat(13));
    let mut rows = leaddesk_client::export::list_rows("list.csv", file.as_bytes());
    let row = rows.remove(0).unwrap();
    names_in(&format!("{row:?}"))
}

/// The names of the outermost fields in what `Debug` shows of a struct.
fn names_in(shown: &str) -> BTreeSet<String> {
    let (mut depth, mut names, mut word) = (0, BTreeSet::new(), String::new());
    for c in shown.chars() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            ':' if depth == 1 && !word.is_empty() => drop(names.insert(std::mem::take(&mut word))),
            _ => {}
        }
        match c {
            'a'..='z' | '0'..='9' | '_' => word.push(c),
            _ => word.clear(),
        }
    }
    names
}
