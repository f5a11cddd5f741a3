//! Files beside the contacts: offices with time zones, and the blacklist.

use migrate_sandbox::{Account, AccountSpec};

use crate::bench::{Bench, by_export};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blacklisted_number_marks_its_contact() {
    let account = Account::generate(&AccountSpec::plain(20, 91));
    let with_number = account.contacts.iter().find(|it| !it.phonenumbers.is_empty()).unwrap();
    let (id, number) = (with_number.id, with_number.phonenumbers[0].clone());
    let mut bench = Bench::new(account.clone()).await;
    let folder = bench.path("export");
    account.export(&folder).unwrap();
    std::fs::write(folder.join("blacklist.csv"), format!("number\n{number}\nnobody\n")).unwrap();
    bench.settings.source = by_export(&bench.endpoints, &folder);
    let finished = bench.run().await;
    let notes = &finished.report.notes;
    assert!(
        notes.iter().any(|it| it == "1 rows of blacklist.csv hold no phone number"),
        "{notes:?}"
    );
    let workspace = bench.sandbox.workspace();
    let marked = workspace.contacts.iter().filter(|contact| {
        contact.custom_attributes.get("ld_blacklisted").is_some_and(|it| it == true)
    });
    let marked: Vec<_> = marked.map(|contact| contact.external_id.clone().unwrap()).collect();
    assert!(marked.contains(&format!("leaddesk:contact:{id}")), "{marked:?}");
    let said = |contact: &migrate_sandbox::workspace::Contact| {
        contact.custom_attributes.get("ld_blacklisted").and_then(|it| it.as_bool())
    };
    assert!(workspace.contacts.iter().all(|contact| said(contact).is_some()));
    assert!(workspace.contacts.iter().all(|contact| !contact.unsubscribed_from_emails));
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    assert_eq!(bench.run().await.report.last_run.writes, 0);

    // Who has left the list is no longer on it.
    std::fs::write(folder.join("blacklist.csv"), "number\n").unwrap();
    bench.run().await;
    let workspace = bench.sandbox.workspace();
    assert!(workspace.contacts.iter().all(|contact| said(contact) == Some(false)));
}

/// What the tables of offices and outcomes say is on contacts and calls that name them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offices_give_their_time_zone_and_outcomes_their_names() {
    let mut bench = Bench::new(Account::generate(&AccountSpec::plain(1, 92))).await;
    let folder = bench.path("export");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("contacts.csv", "id;email;last_reason;Toimisto\n7;anna@example.com;17;Turku\n");
    write("offices.csv", "id;name;time_zone\n1;Turku;Europe/Helsinki\n");
    write("outcomes.csv", "id;name\n17;Deal\n18;Call back\n");
    write("calls.csv", "id;contact_id;created_at;call_ending_reason\n5;7;2024-07-15 12:00:00;18\n");
    bench.settings.source = by_export(&bench.endpoints, &folder);
    bench.run().await;
    let workspace = bench.sandbox.workspace();
    let id = Some("leaddesk:contact:7".to_owned());
    let contact = workspace.contacts.iter().find(|it| it.external_id == id).unwrap();
    let has = |name: &str| contact.custom_attributes.get(name).and_then(|it| it.as_str());
    assert_eq!(has("ld_office_timezone__c"), Some("Europe/Helsinki"));
    assert_eq!(has("ld_outcome__c"), Some("Deal"));
    let of_call = |it: &&migrate_sandbox::workspace::Conversation| {
        it.source.body.ends_with("LeadDesk call 5")
    };
    let call = workspace.conversations.iter().find(of_call).unwrap();
    assert_eq!(call.custom_attributes["ld_outcome__c"], "Call back");
    let tags = workspace.tag_names(&call.tags);
    assert!(tags.contains(&"ld_outcome_Call back"), "{tags:?}");
}
