use std::fs;
use std::path::Path;

use migrate_core::{Page, Record};

use super::*;
use crate::connect::chain;
use crate::source::testing::{folder_config, keys, read_all};
use crate::source::{ListedContact, inventory};
use crate::value::Country;

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    fs::create_dir_all(dir.join("calling_lists")).unwrap();
    fs::write(dir.join(name), text).unwrap();
}

fn opened(dir: &Path) -> Folder {
    Folder::open(&folder_config(dir), Findings::default()).unwrap()
}

async fn contacts(dir: &Path) -> Vec<Page<ListedContact>> {
    read_all(&opened(dir).contacts().unwrap(), None).await
}

fn found<'a, T>(pages: &'a [Page<T>], key: &str) -> &'a T {
    let mut records = pages.iter().flat_map(|page| page.items.iter().flatten());
    let is_it = |record: &&Record<T>| record.key.as_str() == key;
    &records.find(is_it).unwrap_or_else(|| panic!("{key} is not there")).body
}

fn phones(listed: &ListedContact) -> Vec<&str> {
    listed.contact.phones().into_iter().map(|phone| phone.reveal().as_str()).collect()
}

/// An export may have a row for each number.
#[tokio::test]
async fn rows_of_one_contact_are_one_record_however_far_apart() {
    let dir = tempfile::tempdir().unwrap();
    let others: String = (100..350).map(|id| format!("{id};Bo;;{id}\n")).collect();
    let text = format!(
        "id;fname;email;phone\n42;Anna;;0401234567\n{others}42;Anna;a@example.com;0501234567\n\
         7;Eve;;1\n42;Anne;;0401234567\n7;Eve;;2\n"
    );
    write(dir.path(), "contacts.csv", text);
    let source = opened(dir.path()).contacts().unwrap();
    let pages = read_all(&source, None).await;
    let mut expected = vec!["contact:42".to_owned()];
    expected.extend((100..350).map(|id| format!("contact:{id}")).chain(["contact:7".to_owned()]));
    assert_eq!(keys(&pages), expected);
    let anna = found(&pages, "contact:42");
    assert_eq!(phones(anna), ["0401234567", "0501234567"]);
    assert_eq!(anna.contact.email.as_ref().unwrap().reveal(), "a@example.com");
    assert_eq!(anna.contact.extra.reveal()["fname (2)"], "Anne", "nothing is lost in silence");
    assert_eq!(phones(found(&pages, "contact:7")), ["1", "2"]);
    assert_eq!(keys(&read_all(&source, pages[0].next.clone()).await), keys(&pages[1..]));
}

#[tokio::test]
async fn a_lead_has_of_the_contacts_what_the_leads_do_not_say() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "leads.csv", "id;Lead status;city\n5;open;Turku\n6;open;\n5;;\n");
    write(
        dir.path(),
        "contacts.csv",
        "id;fname;email;phone;city\n4;Bo;b@example.com;1;\n5;Anna;a@example.com;2;Espoo\n5;Anna;;3;\n",
    );
    let pages = contacts(dir.path()).await;
    assert_eq!(keys(&pages), ["contact:4", "contact:5", "contact:6"]);
    let anna = found(&pages, "contact:5");
    assert!(anna.is_listed_lead && !found(&pages, "contact:4").is_listed_lead);
    assert_eq!(anna.contact.email.as_ref().unwrap().reveal(), "a@example.com");
    assert_eq!(anna.contact.city.as_ref().unwrap().reveal(), "Turku", "the leads count");
    assert_eq!(anna.contact.extra.reveal()["city (2)"], "Espoo");
    assert_eq!(anna.contact.extra.reveal()["lead_status"], "open");
    assert_eq!(phones(anna), ["2", "3"]);
}

#[tokio::test]
async fn whom_only_calling_lists_name_is_a_contact() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "contacts.csv", "id;fname\n1;Anna\n");
    write(dir.path(), "leads.csv", "id;fname\n2;Bo\n");
    write(
        dir.path(),
        "calling_lists/901.csv",
        "ID;Phone;First;Last;Street;Zip;City;F;C;P;L;Result;Campaign;Agent\n\
         1;0401;A;;;;;0;;;;;;\n3;0402;Carl;C;Road 1;00100;Espoo;0;2024-05-01 10:00:00;;;Busy;Spring;\n\
         2;0403;B;;;;;0;;;;;;\n3;0404;Carl;;;;;1;;;;;;\n",
    );
    write(dir.path(), "calling_lists/902.csv", "4;0405;;;;;;;;;;;;\n3;0406;;;;;;;;;;;;\ntorn\n");
    write(dir.path(), "calling_lists/903.csv", "1;0407;;;;;;;;;;;;\n");
    let source = opened(dir.path()).contacts().unwrap();
    let pages = read_all(&source, None).await;
    let expected = ["contact:1", "contact:2", "contact:3", "contact:4", "!902.csv:3"];
    assert_eq!(keys(&pages), expected);
    let carl = found(&pages, "contact:3");
    assert_eq!(phones(carl), ["0402", "0404", "0406"]);
    assert_eq!((carl.finalised, carl.is_listed_lead), (Some(true), false));
    assert_eq!(carl.campaigns, ["Spring"]);
    let fields = [&carl.contact.fname, &carl.contact.lname, &carl.contact.city];
    let fields = fields.map(|field| field.as_ref().unwrap().reveal().as_str());
    assert_eq!(fields, ["Carl", "C", "Espoo"]);
    assert_eq!(carl.contact.updated_at.text(), "2024-05-01 10:00:00");
    assert_eq!(phones(found(&pages, "contact:1")), [""; 0], "a table says who has which number");
}

#[tokio::test]
async fn rows_of_one_call_are_one_record() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "contacts.csv", "id\n1\n");
    write(
        dir.path(),
        "calls.csv",
        "id;order id;comment;Kesto\n5;77;first;0:01:02\n6;;;\n5;78;second;\n",
    );
    let pages = read_all(&opened(dir.path()).calls().unwrap(), None).await;
    assert_eq!(keys(&pages), ["call:5", "call:6"]);
    let call = found(&pages, "call:5");
    assert_eq!((call.order_ids.len(), call.talk_time), (2, Some(62)));
    assert_eq!(call.extra.reveal()["comment (2)"], "second");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_has_its_number_in_every_file() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "contacts.csv", "id\n1\n");
    write(dir.path(), "agents.csv", "id;username\n301;anna\ntorn\n");
    write(dir.path(), "offices.csv", "id;name\n9;Turku;ragged\n8;Espoo\n");
    write(dir.path(), "outcomes.csv", "id;name\n9;Deal\n;nobody\n");
    write(dir.path(), "blacklist.csv", b"0401234567\n\xe4\n");
    let (folder, config) = (opened(dir.path()), folder_config(dir.path()));
    let agents = read_all(&folder.agents(&config).unwrap(), None).await;
    assert_eq!(keys(&agents), ["agent:301", "agent:boss", "!agents.csv:2"]);
    let named = |rows: Vec<migrate_core::Unreadable>| -> Vec<String> {
        rows.into_iter().map(|row| row.key.to_string()).collect()
    };
    let (documented, unread) = inventory::by_folder(&folder).unwrap();
    assert_eq!(documented.len(), 2);
    assert_eq!(named(unread), ["offices.csv:1", "outcomes.csv:2"]);
    let (numbers, unread) = folder.blacklist(Country::FINLAND).unwrap().unwrap();
    assert_eq!((numbers.len(), named(unread)), (1, vec!["blacklist.csv:2".to_owned()]));
}

/// A call log may lie beside the API, where no folder says how it is written.
#[tokio::test]
async fn a_call_log_is_written_as_its_own_settings_say() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "log.csv", b"Nro,M\xe4\xe4r\xe4;x\n5,6\n");
    write(dir.path(), "columns.toml", "Nro = 'id'\n");
    let mut config = crate::map::testing::config("");
    config.source.calls.csv = Some(dir.path().join("log.csv"));
    let error = chain(&calls(&config).unwrap_err());
    assert!(error.contains("set the encoding to windows-1252"), "{error}");
    assert!(error.contains("encoding, separator and columns of [source.calls]"), "{error}");
    config.source.calls.encoding = Some(config::Encoding::Windows1252);
    config.source.calls.separator = Some(config::Separator::Comma);
    config.source.calls.columns = Some(dir.path().join("columns.toml"));
    let pages = read_all(&calls(&config).unwrap().unwrap(), None).await;
    assert_eq!(keys(&pages), ["call:5"]);
    assert!(CallLog::of(&config).is_ok());
}
