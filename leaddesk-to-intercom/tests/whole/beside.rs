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
