//! Leads of an account: who is one, what they become, and what becomes of them when they are customers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use leaddesk_to_intercom::runner::Exit;
use migrate_core::ledger::{How, Ledger, Scan};
use migrate_core::{Key, RollbackOptions, RunOptions};
use migrate_sandbox::workspace::Contact;
use migrate_sandbox::{
    Account, AccountSpec, FaultKind, Faults, Sandbox, ServiceFaults, SourceContact, Strike,
    Workspace,
};

use crate::bench::{Bench, by_api, by_export};

/// Nobody has to wait for anybody here: everyone has an address of their own.
fn account() -> Account {
    Account::generate(&AccountSpec::new(30, 21).with(|spec| {
        (spec.in_two_lists, spec.shared_address, spec.no_identifier) = (0.0, 0.0, 0.0);
        (spec.existing, spec.invalid_email) = (0.0, 0.0);
        // The export of a calling list has a row for each number.
        spec.email_only = 0.0;
    }))
}

/// A contact's row in an export, and what stands in the row of a lead besides.
struct Files {
    dir: std::path::PathBuf,
    heading: String,
    rows: BTreeMap<u64, String>,
}

impl Files {
    fn of(account: &Account, dir: &Path) -> Self {
        account.export(dir).unwrap();
        let text = fs::read_to_string(dir.join("contacts.csv")).unwrap();
        let mut reader = csv_lines(&text);
        let heading = reader.remove(0);
        let id = |row: &String| row.split(';').next().unwrap().trim_matches('"').parse().unwrap();
        let rows = reader.into_iter().map(|row| (id(&row), row)).collect();
        Self { dir: dir.to_owned(), heading, rows }
    }

    /// The leads with their status, office and sponsor; all others are contacts.
    fn write(&self, leads: &BTreeMap<u64, [&str; 3]>) {
        let mut contacts = format!("{}\n", self.heading);
        let mut listed = format!("{};Lead status;Toimisto;Sponsor\n", self.heading);
        for (id, row) in &self.rows {
            match leads.get(id) {
                Some(more) => listed += &format!("{row};{}\n", more.join(";")),
                None => contacts += &format!("{row}\n"),
            }
        }
        fs::write(self.dir.join("contacts.csv"), contacts).unwrap();
        fs::write(self.dir.join("leads.csv"), listed).unwrap();
    }
}

/// Rows of a file, line breaks within quotes left alone.
fn csv_lines(text: &str) -> Vec<String> {
    let (mut lines, mut quoted) = (vec![String::new()], false);
    for letter in text.chars() {
        quoted ^= letter == '"';
        match letter {
            '\n' if !quoted => lines.push(String::new()),
            letter => lines.last_mut().unwrap().push(letter),
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn of(workspace: &Workspace, id: u64) -> &Contact {
    let external_id = Some(format!("leaddesk:contact:{id}"));
    let mut found = workspace.contacts.iter().filter(|contact| contact.external_id == external_id);
    let contact = found.next().unwrap_or_else(|| panic!("contact {id} is not there"));
    assert!(found.next().is_none(), "contact {id} is there twice");
    contact
}

async fn stage_of(bench: &Bench, stage: &str) -> Vec<String> {
    let rows = bench.ledger().scan(&Scan::of(stage)).await.unwrap();
    rows.into_iter().map(|(_, entry)| entry.key.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_export_lists_as_leads_becomes_leads_and_later_customers() {
    let account = account();
    let mut bench = Bench::new(account.clone()).await;
    let files = Files::of(&account, &bench.path("export"));
    let ids: Vec<u64> = files.rows.keys().copied().take(6).collect();
    let details = [
        ["Contacted", "", ""],
        ["", "", ""],
        ["Hot", "Turku", ""],
        ["Hot", "", "Oy Sponsor Ab"],
        ["New", "", ""],
        ["New", "", ""],
    ];
    let mut leads: BTreeMap<u64, [&str; 3]> = ids.iter().copied().zip(details).collect();
    files.write(&leads);
    bench.settings.source = by_export(&bench.endpoints, &bench.path("export"));
    let report = bench.run().await.report;
    let read = |name: &str| report.stages.iter().find(|it| it.name == name).unwrap().read;
    assert_eq!((read("contacts"), read("leads")), (24, 6));
    assert_eq!(stage_of(&bench, "leads").await.len(), 6);

    let found = bench.sandbox.workspace();
    for (id, [status, office, sponsor]) in &leads {
        let contact = of(&found, *id);
        let assigned = !office.is_empty() || !sponsor.is_empty();
        assert_eq!(contact.role, if assigned { "user" } else { "lead" }, "{id}");
        let text = |name: &str| match contact.custom_attributes.get(name) {
            Some(value) => value.as_str().unwrap().to_owned(),
            None => String::new(),
        };
        assert_eq!(text("ld_source_key"), format!("leaddesk:contact:{id}"));
        assert_eq!(
            [text("ld_lead_status"), text("ld_office"), text("ld_sponsor")],
            [*status, *office, *sponsor]
        );
    }
    let contacts = files.rows.keys().filter(|id| !leads.contains_key(id));
    assert!(contacts.clone().all(|id| of(&found, *id).role == "user"));
    // Their calls are theirs.
    let called = ids.iter().filter(|id| {
        let contact = of(&found, **id);
        found.conversations.iter().any(|it| it.source.author.id == contact.id)
    });
    assert!(called.count() > 0);
    let verified = bench.verify().await.report.verify.unwrap();
    assert!(verified.checked > 30 && verified.mismatches.is_empty(), "{:?}", verified.mismatches);
    assert_eq!(bench.run().await.report.last_run.writes, 0, "a second run");

    // Two of them, one of either role, become customers; a contact becomes a lead.
    let (first, third) = (ids[0], ids[2]);
    let ids_before = [first, third].map(|id| of(&found, id).id.clone());
    leads.remove(&first);
    leads.remove(&third);
    let last = *files.rows.keys().last().unwrap();
    leads.insert(last, ["New", "", ""]);
    files.write(&leads);
    bench.run().await;
    let found = bench.sandbox.workspace();
    assert_eq!([first, third].map(|id| of(&found, id).id.clone()), ids_before, "the same objects");
    assert_eq!([first, third, last].map(|id| &*of(&found, id).role), ["user"; 3]);
    assert_eq!(found.contacts.len(), bench_contacts(&account), "no twin");
    let in_stage = stage_of(&bench, "leads").await;
    assert_eq!(in_stage.len(), 5);
    assert!(in_stage.contains(&format!("contact:{last}")));
    assert_eq!(bench.run().await.report.last_run.writes, 0, "a third run");
}

/// Everyone of the account, and those who were in the workspace before.
fn bench_contacts(account: &Account) -> usize {
    account.contacts.len() + account.existing.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_the_api_lists_tell_who_is_a_lead() {
    let account = account();
    let open: Vec<u64> = account
        .contacts
        .iter()
        .filter(|contact| !contact.finalised)
        .map(|contact| contact.id)
        .collect();
    assert!(open.len() > 5 && open.len() < 25);
    let mut bench = Bench::new(account.clone()).await;
    let rule = "[contacts]\nlead_rule = 'unfinalised'\ndeal_outcomes = []\n";
    bench.settings.source = by_api(&bench.endpoints, &format!("last_call = true\n{rule}"));
    let plan = bench.runner().plan().await.unwrap();
    let says = format!("{} records are leads by contacts.lead_rule = \"unfinalised\"", open.len());
    assert!(plan.notes.contains(&says), "{:?}", plan.notes);
    bench.run().await;
    let found = bench.sandbox.workspace();
    for contact in &account.contacts {
        let role = if open.contains(&contact.id) { "lead" } else { "user" };
        assert_eq!(of(&found, contact.id).role, role, "{}", contact.id);
    }
    let verified = bench.verify().await.report.verify.unwrap();
    assert!(verified.mismatches.is_empty(), "{:?}", verified.mismatches);
}

/// A lead that is to be a user waits for whoever has its address, which is read and not tried, and comes when
/// the address is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_a_contact_has_is_waited_for_without_a_write() {
    let mut account = account();
    let ids = [account.contacts[0].id, account.contacts[1].id];
    account.contacts[1].email = account.contacts[0].email.clone();
    let mut bench = Bench::new(account.clone()).await;
    let files = Files::of(&account, &bench.path("export"));
    files.write(&BTreeMap::from([(ids[1], ["Hot", "Turku", ""])]));
    bench.settings.source = by_export(&bench.endpoints, &bench.path("export"));
    assert_eq!(bench.run().await.report.queues["shared_email"], 1);
    let again = bench.run().await.report;
    assert_eq!((again.last_run.writes, again.queues["shared_email"]), (0, 1));

    let taken = Some(format!("leaddesk:contact:{}", ids[0]));
    bench.sandbox.edit(|workspace| {
        let contact = workspace.contacts.iter_mut().find(|it| it.external_id == taken);
        contact.unwrap().email = Some("moved@example.com".into());
    });
    assert_eq!(bench.run().await.report.queues.get("shared_email"), None);
    assert_eq!(of(&bench.sandbox.workspace(), ids[1]).email, account.contacts[0].email);
}

/// A row that cannot be read is dead once, whichever stage reads its file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_row_is_dead_in_one_stage() {
    for (rule, file, dead) in [("all", "contacts.csv", [0, 1]), ("listed", "contacts.csv", [1, 0])]
    {
        let account = account();
        let mut bench = Bench::new(account.clone()).await;
        let folder = bench.path("export");
        Files::of(&account, &folder).write(&BTreeMap::new());
        let mut text = fs::read_to_string(folder.join(file)).unwrap();
        text.push_str("torn\n");
        fs::write(folder.join(file), text).unwrap();
        let source = by_export(&bench.endpoints, &folder);
        bench.settings.source = format!("{source}\n[contacts]\nlead_rule = '{rule}'");
        let report = bench.runner().run(&RunOptions::default()).await.unwrap().report;
        let stage = |name: &str| report.stages.iter().find(|it| it.name == name).unwrap();
        let found = ["contacts", "leads"].map(|name| stage(name).dead);
        assert_eq!(found, dead, "{file} by {rule}");
        assert_eq!(stage("contacts").read + stage("leads").read, 31, "{file} by {rule}");
        assert!(report.accounted, "{file} by {rule}");
    }
}

/// Two leads of one address are one lead, by whose key doubt about it is settled, however old the
/// other one is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_a_merged_lead_is_settled() {
    let mut account = account();
    let first = account.contacts[0].clone();
    let newer = &mut account.contacts[1];
    (newer.email, newer.fname, newer.lname) = (first.email, first.fname, first.lname);
    newer.updated_at = Some("2026-10-31 12:00:00".into());
    let lost = Strike::new("POST /contacts", FaultKind::LostReply, 0).times(30);
    let intercom = ServiceFaults { strikes: vec![lost], ..ServiceFaults::default() };
    let faults = Faults { intercom, ..Faults::default() };
    let mut bench = Bench::with(Sandbox::builder(account.clone()).faults(faults)).await;
    let rule = "last_call = true\n[contacts]\nlead_rule = 'all'\n";
    bench.settings.source = by_api(&bench.endpoints, rule);
    let report = bench.run().await.report;
    let leads = report.stages.iter().find(|it| it.name == "leads").unwrap();
    assert_eq!((leads.created, leads.merged, leads.in_doubt), (29, 1, 0));
    let found = bench.sandbox.workspace();
    assert_eq!(found.contacts.len(), bench_contacts(&account) - 1);
    for contact in found.contacts.iter().filter(|it| it.role == "lead") {
        assert_eq!(
            contact.external_id.as_deref(),
            contact.custom_attributes["ld_source_key"].as_str()
        );
    }
}

/// An account with a lead who has a contact's address and name, and one who has only the address.
/// Beside it the contacts whose addresses they are.
fn with_leads_among_contacts() -> (Account, Vec<SourceContact>) {
    let mut account = account();
    let with_address = |it: &&SourceContact| it.email.is_some() && it.fname.is_some();
    let known: Vec<SourceContact> =
        account.contacts.iter().filter(with_address).take(2).cloned().collect();
    let (mut same, mut other) = (known[0].clone(), known[1].clone());
    (same.id, same.last_call_id, same.gender) = (990_001, None, Some("other".into()));
    same.comment = Some("Ask for him at the door.".into());
    (other.id, other.last_call_id) = (990_002, None);
    (other.fname, other.lname) = (Some("Zacharias".into()), Some("Quist".into()));
    account.contacts.extend([same, other]);
    (account, known)
}

fn among_contacts(status: &str) -> BTreeMap<u64, [&str; 3]> {
    BTreeMap::from([(990_001, [status, "", ""]), (990_002, [status, "", ""])])
}

/// A lead who has a contact's address is that contact, unless the names say that they are two people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_who_is_one_of_the_contacts_is_brought_together_with_it() {
    let (mut account, known) = with_leads_among_contacts();
    let mut bench = Bench::new(account.clone()).await;
    let before = bench.sandbox.workspace();
    let files = Files::of(&account, &bench.path("export"));
    files.write(&among_contacts("Hot"));
    bench.settings.source = by_export(&bench.endpoints, &bench.path("export"));
    let report = bench.run().await.report;
    let leads = report.stages.iter().find(|it| it.name == "leads").unwrap();
    assert_eq!((leads.read, leads.updated, leads.queued), (2, 1, 1), "{leads:?}");
    assert_eq!(report.queues["shared_email"], 1);
    let found = bench.sandbox.workspace();
    let contact = of(&found, known[0].id);
    assert_eq!(contact.custom_attributes["ld_lead_status"], "Hot");
    let gender = known[0].gender.clone().unwrap_or("other".into());
    assert_eq!(contact.custom_attributes["ld_gender"], gender, "what it has is left alone");
    let theirs = found.contacts.iter().filter(|it| it.email == contact.email);
    assert_eq!(theirs.count(), 1, "nobody is there twice");
    let said = contact.notes.iter().filter(|note| note.body.contains("LeadDesk contact 990001"));
    assert_eq!(said.count(), 1);

    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);
    // Each brings its own changes, and leaves alone what the other has.
    let changed = account.contacts.iter_mut().find(|it| it.id == known[0].id).unwrap();
    changed.city = Some("Rauma".into());
    Files::of(&account, &bench.path("export")).write(&among_contacts("Warm"));
    bench.run().await;
    let found = bench.sandbox.workspace();
    let contact = of(&found, known[0].id);
    assert_eq!(contact.custom_attributes["ld_city"], "Rauma");
    assert_eq!(contact.custom_attributes["ld_lead_status"], "Warm");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
    assert_eq!(bench.verify().await.report.verify.unwrap().mismatches, []);

    let ended = bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    assert_eq!(ended.exit, Exit::Done, "the note has gone with the contact, and nothing is left");
    assert_eq!(bench.sandbox.workspace().contacts.len(), before.contacts.len());

    // By names as well, the two are two.
    bench.settings.further = "[contacts]\ndedupe = 'email+name'".into();
    std::fs::remove_file(bench.path("state/plan.json")).unwrap();
    bench.run().await;
    let found = bench.sandbox.workspace();
    assert_eq!(of(&found, 990_002).role, "lead");
    assert_eq!(of(&found, known[0].id).custom_attributes["ld_lead_status"], "Warm");
}

/// The replies to what fills the contact get lost: it stays the contact's, and is not the lead's own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_a_lead_who_is_a_contact_does_not_make_the_contact_the_leads() {
    let (account, known) = with_leads_among_contacts();
    let strike = Strike::new("PUT /contacts/{id}", FaultKind::LostReply, 0).times(12);
    let intercom = ServiceFaults { strikes: vec![strike], ..ServiceFaults::default() };
    let faults = Faults { intercom, ..Faults::default() };
    let mut bench = Bench::with(Sandbox::builder(account.clone()).faults(faults)).await;
    let before = bench.sandbox.workspace();
    Files::of(&account, &bench.path("export")).write(&among_contacts("Hot"));
    bench.settings.source = by_export(&bench.endpoints, &bench.path("export"));
    bench.run().await;
    let lost = bench.sandbox.counters().faults[&FaultKind::LostReply];
    assert!(
        (1..12).contains(&lost),
        "{lost} replies were lost, and none of them is tried for ever"
    );
    let key = Key::new("contact", 990_001);
    let entry =
        bench.ledger().entries(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    assert_eq!(entry.written(&key).unwrap().how, How::Updated);
    let found = bench.sandbox.workspace();
    assert_eq!(of(&found, known[0].id).custom_attributes["ld_lead_status"], "Hot");
    bench.runner().rollback(&RollbackOptions::default()).await.unwrap();
    assert_eq!(bench.sandbox.workspace().contacts.len(), before.contacts.len());
}

/// The contact has the key of another lead, by which search finds that one alone. Its reading tells at once
/// that it was filled: search would have to be waited for, and might then say that nobody is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_a_lead_is_settled_by_reading_the_contact_it_fills() {
    let (account, known) = with_leads_among_contacts();
    let mut bench = Bench::new(account.clone()).await;
    bench.settings.source = by_export(&bench.endpoints, &bench.path("export"));
    bench.settings.patience = Some(("1s", "3600s"));
    let mut first = account.clone();
    first.contacts.retain(|contact| contact.id < 990_001);
    Files::of(&first, &bench.path("export")).write(&BTreeMap::new());
    bench.run().await;
    let contact = of(&bench.sandbox.workspace(), known[0].id).id.clone();
    bench.sandbox.edit(|workspace| {
        let contact = workspace.contacts.iter_mut().find(|it| it.id == contact).unwrap();
        contact.custom_attributes.insert("ld_source_key".into(), "leaddesk:contact:7".into());
    });

    let call = "PUT /contacts/{id}";
    let before = bench.sandbox.counters().intercom.get(call).copied().unwrap_or_default();
    let lost = Strike::new(call, FaultKind::LostReply, before).times(100);
    let intercom = ServiceFaults { strikes: vec![lost], ..ServiceFaults::default() };
    bench.sandbox.set_faults(Faults { intercom, ..Faults::default() });
    Files::of(&account, &bench.path("export")).write(&among_contacts("Hot"));
    let ended = bench.runner().run(&RunOptions::default().no_wait()).await.unwrap();
    let leads = ended.report.stages.iter().find(|it| it.name == "leads").unwrap();
    assert_eq!((leads.updated, leads.in_doubt), (1, 0), "{leads:?}");
    let found = bench.sandbox.workspace();
    let contact = of(&found, known[0].id);
    assert_eq!(contact.custom_attributes["ld_lead_status"], "Hot");
    assert_eq!(contact.custom_attributes["ld_source_key"], "leaddesk:contact:7");
}

/// Without an address of their own, leads are the contact of any of their numbers, where a setting says so. Whoever has
/// one shares a number as a household does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_makes_a_contact_of_a_lead_without_an_address_alone() {
    let mut account = account();
    let of_one = |number: &String| {
        account.contacts.iter().filter(|it| it.phonenumbers.contains(number)).count() == 1
    };
    let numbered = |it: &&SourceContact| it.phonenumbers.first().is_some_and(of_one);
    let known: Vec<SourceContact> =
        account.contacts.iter().filter(numbered).take(2).cloned().collect();
    let (mut own, mut same) = (known[0].clone(), known[1].clone());
    (own.id, own.last_call_id) = (990_001, None);
    (own.email, own.phonenumbers) =
        (Some("own@example.com".into()), known[0].phonenumbers[..1].to_vec());
    (same.id, same.last_call_id, same.email) = (990_002, None, None);
    same.phonenumbers = vec!["+358409990002".into(), known[1].phonenumbers[0].clone()];
    account.contacts.extend([own, same]);
    let mut bench = Bench::new(account.clone()).await;
    Files::of(&account, &bench.path("export")).write(&among_contacts("Hot"));
    bench.settings.source = by_export(&bench.endpoints, &bench.path("export"));
    bench.settings.further = "[contacts]\ndedupe = 'email_or_phone'".into();
    let report = bench.run().await.report;
    let leads = report.stages.iter().find(|it| it.name == "leads").unwrap();
    assert_eq!((leads.created, leads.updated), (1, 1), "{leads:?}");
    let found = bench.sandbox.workspace();
    assert_eq!(of(&found, 990_001).email.as_deref(), Some("own@example.com"));
    assert_eq!(of(&found, known[0].id).custom_attributes.get("ld_lead_status"), None);
    assert_eq!(of(&found, known[1].id).custom_attributes["ld_lead_status"], "Hot");
    assert_eq!(bench.run().await.report.last_run.writes, 0);
}
