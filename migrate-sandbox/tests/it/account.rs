use std::collections::{BTreeMap, BTreeSet};

use chrono::{LocalResult, NaiveDateTime, TimeZone};
use migrate_sandbox::{Account, AccountSpec, ChatbotExport, ZERO_TIME};

#[test]
fn the_same_seed_gives_the_same_account() {
    let spec = AccountSpec::new(300, 5);
    assert_eq!(Account::generate(&spec), Account::generate(&spec));
    assert_ne!(Account::generate(&spec), Account::generate(&AccountSpec::new(300, 6)));
}

#[test]
fn it_has_the_size_asked_for() {
    let account = Account::generate(&AccountSpec::new(1000, 1));
    assert_eq!(account.contacts.len(), 1000);
    assert_eq!(account.calls.len(), 2600);
    let with_last_call = account.contacts.iter().filter(|contact| contact.last_call_id.is_some());
    assert!(with_last_call.count() > 800);
    let (first, last) = account.call_ids();
    assert!(last - first + 1 > 2600, "there are holes");
    let ids: BTreeSet<u64> = account.calls.iter().map(|call| call.id).collect();
    assert_eq!(ids.len(), 2600);
    for contact in &account.contacts {
        assert!(contact.last_call_id.is_none_or(|id| ids.contains(&id)));
    }
}

#[test]
fn every_awkward_case_occurs_at_any_seed() {
    for seed in 0..5 {
        let account = Account::generate(&AccountSpec::new(1000, seed));
        let contacts = || account.contacts.iter();
        let email =
            |contact: &migrate_sandbox::SourceContact| contact.email.clone().unwrap_or_default();
        let mut by_email: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for contact in contacts().filter(|contact| email(contact).contains('@')) {
            by_email.entry(email(contact).trim().to_lowercase()).or_default().push(contact);
        }
        let twins = by_email.values().filter(|same| {
            same.len() == 2
                && same[0].lname == same[1].lname
                && same[0].calling_list_id != same[1].calling_list_id
        });
        assert!(twins.count() >= 30);
        assert!(by_email.iter().any(|(email, same)| email.starts_with("info@") && same.len() == 3));
        assert!(contacts().any(|it| email(it).is_empty() && it.phonenumbers.is_empty()));
        assert!(contacts().any(|it| email(it).is_empty() && !it.phonenumbers.is_empty()));
        assert!(contacts().any(|it| !email(it).is_empty() && it.phonenumbers.is_empty()));
        assert!(contacts().any(|it| email(it) != email(it).trim()));
        assert!(contacts().any(|it| !email(it).is_empty() && !email(it).contains('@')
            || email(it).starts_with('@')
            || email(it).trim().contains(' ')));
        assert!(contacts().any(|it| it.created_at.as_deref() == Some(ZERO_TIME)));
        assert!(contacts().any(|it| it.comment.is_none()));
        assert!(contacts().any(|it| it.comment.as_deref() == Some("")));
        assert!(
            contacts()
                .any(|it| { it.comment.as_ref().is_some_and(|comment| comment.len() > 1000) })
        );

        let zone = account.time_zone;
        let local = |call: &migrate_sandbox::SourceCall| {
            let text = call.created_at.clone().unwrap_or_default();
            NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S")
                .map(|at| zone.from_local_datetime(&at))
        };
        let calls = || account.calls.iter();
        assert!(calls().any(|call| local(call).is_err()));
        assert!(calls().any(|call| matches!(local(call), Ok(LocalResult::None))));
        assert!(calls().any(|call| matches!(local(call), Ok(LocalResult::Ambiguous(..)))));
        assert!(calls().any(|call| call.contact_id.is_none() && call.customer_id.is_some()));
        assert!(calls().any(|call| call.contact_id.is_none() && call.customer_id.is_none()));
        assert!(calls().any(|call| call.comment.is_none()));
        let lost: BTreeSet<u64> = account
            .agents
            .iter()
            .filter(|agent| !agent.has_teammate)
            .map(|agent| agent.id)
            .collect();
        assert!(calls().any(|call| call.agent_id.is_some_and(|id| lost.contains(&id))));
        assert!(account.existing.iter().any(|person| person.archived));
        assert!(account.existing.iter().any(|person| !person.archived));
    }
}

#[test]
fn a_plain_account_has_no_awkward_cases() {
    let account = Account::generate(&AccountSpec::plain(200, 3));
    let emails: BTreeSet<_> =
        account.contacts.iter().map(|contact| contact.email.clone()).collect();
    assert_eq!(emails.len(), 200);
    assert!(account.calls.iter().all(|call| call.contact_id.is_some()));
    assert!(account.existing.is_empty());
}

#[test]
fn the_export_has_the_values_of_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let account = Account::generate(&AccountSpec::new(150, 2));
    account.export(dir.path()).unwrap();
    let read = |name: &str| -> Vec<BTreeMap<String, String>> {
        let mut reader =
            csv::ReaderBuilder::new().delimiter(b';').from_path(dir.path().join(name)).unwrap();
        reader.deserialize().map(Result::unwrap).collect()
    };
    let contacts = read("contacts.csv");
    assert_eq!(contacts.len(), account.contacts.len());
    for (row, contact) in contacts.iter().zip(&account.contacts) {
        assert_eq!(row["id"], contact.id.to_string());
        assert_eq!(row["comment"], contact.comment.clone().unwrap_or_default());
        assert_eq!(row["phonenumbers"], contact.phonenumbers.join("|"));
        assert_eq!(row["other_info_ft"], contact.other_info[&1].value);
    }
    let calls = read("calls.csv");
    assert_eq!(calls.len(), account.calls.len());
    for (row, call) in calls.iter().zip(&account.calls) {
        assert_eq!(row["id"], call.id.to_string());
        assert_eq!(row["talk_start"], call.talk_start.clone().unwrap_or_default());
        assert_eq!(row["comment"], call.comment.clone().unwrap_or_default());
    }
    assert_eq!(read("agents.csv").len(), account.agents.len());
    assert_eq!(read("campaigns.csv")[0]["name"], account.campaigns[0].name);

    let list = account.lists[0].id;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b';')
        .has_headers(false)
        .from_path(dir.path().join(format!("calling_lists/{list}.csv")))
        .unwrap();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let numbers = account.contacts.iter().filter(|contact| contact.calling_list_id == list);
    assert_eq!(rows.len(), numbers.map(|contact| contact.phonenumbers.len()).sum::<usize>());
    assert!(rows.iter().all(|row| row.len() == 14));
    // The twelfth column is the dialler's result, whatever the agent's choice was.
    let mut results = BTreeSet::new();
    for row in &rows {
        let contact = account.contacts.iter().find(|it| it.id.to_string() == row[0]).unwrap();
        assert_eq!(row[11], contact.last_result.clone().unwrap_or_default());
        assert_eq!(contact.last_result.is_some(), contact.last_call_id.is_some());
        results.extend(contact.last_result.clone());
    }
    assert!(results.len() > 2, "{results:?}");
    let differ = |it: &&migrate_sandbox::SourceContact| it.last_result != it.last_reason;
    assert!(account.contacts.iter().filter(differ).count() > account.contacts.len() / 2);
    let contacts = std::fs::read_to_string(dir.path().join("contacts.csv")).unwrap();
    assert!(!contacts.contains("last_result"));
}

#[cfg(unix)]
#[test]
fn exported_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    Account::generate(&AccountSpec::new(20, 2)).export(dir.path()).unwrap();
    for name in ["contacts.csv", "calls.csv", "calling_lists/901.csv"] {
        let mode = dir.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn chats_of_every_kind_are_there_and_change_nothing_else() {
    let spec = AccountSpec::new(200, 9);
    let account = Account::generate(&spec);
    assert_eq!(account.chats.len(), 40);
    let without = Account::generate(&spec.clone().with_chats_per_contact(0.0));
    assert!(without.calls == account.calls && without.contacts == account.contacts);
    let chats = || account.chats.iter();
    let turns = || chats().flat_map(|chat| &chat.turns);
    assert!(chats().any(|it| it.email.is_some()) && chats().any(|it| it.phone.is_some()));
    assert!(chats().any(|it| it.email.is_none() && it.phone.is_none()));
    assert!(chats().any(|it| it.turns.is_empty()));
    assert!(chats().any(|it| it.turns.first().is_some_and(|turn| turn.question.is_none())));
    assert!(turns().any(|it| it.agent == "HUMAN_REPLY"));
    assert!(turns().any(|it| it.question.as_ref().is_some_and(|text| text.len() > 7_000)));
    assert!(turns().any(|it| it.answer.as_ref().is_some_and(|text| text.contains("<br"))));
    let zone = |text: &str| {
        let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        account.time_zone.from_local_datetime(&naive)
    };
    assert!(turns().any(|it| matches!(zone(&it.at), LocalResult::None)));
    assert!(turns().any(|it| matches!(zone(&it.at), LocalResult::Ambiguous(..))));
}

#[test]
fn the_chatbot_s_export_has_the_files_that_are_asked_for() {
    use std::io::Read as _;
    let account = Account::generate(&AccountSpec::new(100, 9));
    let files = |export: &ChatbotExport| {
        let bytes = account.chatbot_zip(export).unwrap();
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut files = BTreeMap::new();
        for at in 0..zip.len() {
            let mut file = zip.by_index(at).unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            files.insert(file.name().unwrap().into_owned(), text);
        }
        files
    };
    let whole = files(&ChatbotExport::new());
    let names: Vec<&str> = whole.keys().map(String::as_str).collect();
    assert_eq!(names, ["agent.csv", "conversations.csv", "outcomes.csv", "timing.csv"]);
    assert_eq!(whole["outcomes.csv"].lines().count(), 1 + account.chats.len());
    let less = files(&ChatbotExport::new().with(|it| it.without = vec!["timing.csv".into()]));
    assert!(!less.contains_key("timing.csv") && less.len() == 3);
    let late = files(&ChatbotExport::new().with(|it| it.since = Some("2025-01-01".into())));
    assert!(late["timing.csv"].lines().count() < whole["timing.csv"].lines().count());
    let buckets = files(&ChatbotExport::new().with(|it| it.buckets = true));
    assert!(buckets["conversations.csv"].starts_with("date,total conversations,"));
}
