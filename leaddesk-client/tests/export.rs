//! Export folders.
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

use std::io::Cursor;

use leaddesk_client::export::{
    self, BareRows, Encoding, ExportSettings, Kind, NOT_READ, Position, Rows, list_rows,
};
use leaddesk_client::{Contact, ErrorKind};
use proptest::prelude::*;

fn rows(
    bytes: &[u8],
    settings: &ExportSettings,
) -> Result<Rows<Contact, Cursor<Vec<u8>>>, leaddesk_client::Error> {
    Rows::new(Cursor::new(bytes.to_vec()), "contacts.csv", Kind::Contacts, settings)
}

fn read(bytes: &[u8], settings: &ExportSettings) -> Vec<Result<Contact, String>> {
    rows(bytes, settings)
        .unwrap()
        .map(|row| row.unwrap().body.map_err(|bad| bad.to_string()))
        .collect()
}

#[test]
fn separators_marks_and_line_breaks() {
    for text in [
        "id;fname;comment\n1;Ada;\"two\nlines; and \"\"quotes\"\"\"\n",
        "\u{feff}ID,First Name,Kommentti\r\n1,Ada,\"two\nlines; and \"\"quotes\"\"\"\r\n",
        "Comment\tEtunimi\tContact ID\n\"two\nlines; and \"\"quotes\"\"\"\tAda\t1",
    ] {
        let contacts = read(text.as_bytes(), &ExportSettings::default());
        let contact = contacts[0].as_ref().unwrap();
        assert_eq!((contacts.len(), contact.id.as_str()), (1, "1"), "{text}");
        assert_eq!(contact.fname.as_ref().unwrap().reveal(), "Ada");
        assert_eq!(contact.comment.as_ref().unwrap().reveal(), "two\nlines; and \"quotes\"");
    }
}

#[test]
fn a_file_gives_the_same_contact_as_the_api() {
    let from_file = read(
        b"id;fname;phone;Other info 4;created_at;Shoe size\n42;Ada;+358401;x;2024-05-01 10:00:00;43\n",
        &ExportSettings::default(),
    );
    let from_api: Contact = serde_json::from_value(serde_json::json!({
        "id": "42", "fname": "Ada", "phone": "+358401", "other_info_4": "x",
        "created_at": "2024-05-01 10:00:00", "Shoe size": "43",
    }))
    .unwrap();
    assert_eq!(from_file[0].as_ref().unwrap(), &from_api);
}

#[test]
fn a_bad_row_is_named_and_the_rest_read() {
    let text = b"id;fname\n1;Ada\n2\n3;A;B\n;nobody\n5;\xE4\n6;Eve\n";
    let contacts = read(text, &ExportSettings::default());
    let errors: Vec<_> = contacts.iter().filter_map(|contact| contact.as_ref().err()).collect();
    assert_eq!(
        errors,
        [
            "contacts.csv:2: the row has 1 fields and the heading 2",
            "contacts.csv:3: the row has 3 fields and the heading 2",
            "contacts.csv:4: the row has no `id`",
            "contacts.csv:5: field 2 is not UTF-8",
        ]
    );
    assert_eq!(contacts[5].as_ref().unwrap().id.as_str(), "6");
}

#[test]
fn windows_1252_is_read_where_it_is_set() {
    let mut settings = ExportSettings::default();
    settings.encoding = Encoding::Windows1252;
    let contacts =
        read(b"id;S\xE4hk\xF6posti;lname\n1;a@example.com;P\xE4\xE4kk\xF6nen \x96\n", &settings);
    let contact = contacts[0].as_ref().unwrap();
    assert_eq!(contact.lname.as_ref().unwrap().reveal(), "Pääkkönen –");
    assert_eq!(contact.email.as_ref().unwrap().reveal(), "a@example.com");
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    for (text, expected) in [
        (&b""[..], "contacts.csv: is empty"),
        (b"fname;lname\n1;2\n", "contacts.csv: has no key column `id`"),
        (b"\xFF\xFEi\0d\0", "contacts.csv: is UTF-16"),
        (b"id;S\xE4hk\xF6posti\n", "contacts.csv: the heading is not UTF-8; set the encoding"),
    ] {
        let error = rows(text, &ExportSettings::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = export::contacts("/nowhere/contacts.csv", &ExportSettings::default()).unwrap_err();
    assert!(error.to_string().contains("contacts.csv cannot be opened"), "{error}");
}

#[test]
fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
    let mut text = b"id;comment\n1;x\n2;\"open\n".to_vec();
    text.resize(20 << 20, b'z');
    let mut rows = rows(&text, &ExportSettings::default()).unwrap();
    assert!(rows.next().unwrap().unwrap().body.is_ok());
    let error = rows.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(rows.next().is_none());
}

#[test]
fn a_caller_may_add_headings() {
    let mut settings = ExportSettings::default();
    settings.aliases.push(("Asiakasnumero".to_owned(), "id".to_owned()));
    assert_eq!(read(b"asiakasnumero;x\n9;y\n", &settings)[0].as_ref().unwrap().id.as_str(), "9");
}

#[test]
fn a_pass_goes_on_where_another_stopped() {
    let text = "\u{feff}id;comment\n1;\"a\nb\"\n2;x;ragged\n3;c\n4;d\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts.csv");
    std::fs::write(&path, text).unwrap();
    let settings = ExportSettings::default();
    let all: Vec<_> = export::contacts(&path, &settings).unwrap().map(Result::unwrap).collect();
    assert_eq!(all.len(), 4);
    for (index, row) in all.iter().enumerate() {
        let mut again = export::contacts(&path, &settings).unwrap();
        again.resume_at(Position::new(row.next.byte, row.next.record)).unwrap();
        let rest: Vec<_> =
            again.map(Result::unwrap).map(|row| (row.record, row.next, row.body)).collect();
        let expected: Vec<_> =
            all[index + 1..].iter().map(|row| (row.record, row.next, row.body.clone())).collect();
        assert_eq!(rest, expected);
    }
}

#[test]
fn calls_users_and_campaigns() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let settings = ExportSettings::default();
    let calls = write("calls.csv", "Call ID;Kesto;Contact ID;Suunta;order_ids\n99;61;42;out;7\n");
    let call = export::calls(calls, &settings).unwrap().next().unwrap().unwrap().body.unwrap();
    assert_eq!(
        (call.talk_time, call.direction.as_deref(), call.order_ids.len()),
        (Some(61), Some("out"), 1)
    );
    let calls = write(
        "calls.csv",
        "id;Aika;Päivämäärä;Kesto\n1;13.45;31.5.2024;0:01:02\n2;13:45;2024-05-31;a while\n",
    );
    let calls = export::calls(calls, &settings).unwrap();
    let calls: Vec<_> = calls.map(|row| row.unwrap().body.unwrap()).collect();
    assert_eq!((calls[0].talk_time, calls[0].created_at.text()), (Some(62), "31.5.2024 13.45"));
    assert_eq!((calls[1].talk_time, calls[1].created_at.text()), (None, "2024-05-31 13:45"));
    assert_eq!(calls[1].extra.reveal()[&format!("talk_time{NOT_READ}")], "a while");
    let agents = write("agents.csv", "id,email,status\n5,a@example.com,active\n");
    let agent = export::agents(agents, &settings).unwrap().next().unwrap().unwrap().body.unwrap();
    assert_eq!(agent.primary_email.unwrap().reveal(), "a@example.com");
    let campaigns = write("campaigns.csv", "id,project,type,disabled\n3,Spring,x,1\n");
    let campaign =
        export::campaigns(campaigns, &settings).unwrap().next().unwrap().unwrap().body.unwrap();
    assert_eq!((campaign.name.as_deref(), campaign.disabled), (Some("Spring"), Some(true)));
}

/// Rows of one record are read again at their places, in any order.
#[test]
fn a_row_is_found_again_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("901.csv");
    let settings = ExportSettings::default();
    std::fs::write(&path, "id;fname\n1;\"A\nb\"\n\n2;B\n3;C\n").unwrap();
    let all: Vec<_> = export::contacts(&path, &settings).unwrap().map(Result::unwrap).collect();
    let mut again = export::contacts(&path, &settings).unwrap();
    for at in [2, 0, 1, 1, 2] {
        again.resume_at(Position::new(all[at].byte, all[at].record)).unwrap();
        let row = again.next().unwrap().unwrap();
        assert_eq!((row.record, row.body), (all[at].record, all[at].body.clone()));
    }
    std::fs::write(&path, "1;2;;;;;;;;;;;;\n\ntorn\n7;8;;;;;;;;;;;;\n").unwrap();
    let all: Vec<_> = export::calling_list(&path, &settings).unwrap().map(Result::unwrap).collect();
    let mut again = export::calling_list(&path, &settings).unwrap();
    for at in [2, 0, 1, 2] {
        again.resume_at(Position::new(all[at].byte, all[at].record)).unwrap();
        let row = again.next().unwrap().unwrap();
        assert_eq!((row.record, row.body), (all[at].record, all[at].body.clone()));
    }
    let torn = all[1].body.as_ref().unwrap_err();
    assert_eq!(torn.to_string(), "901.csv:2: the row has 1 fields instead of 14");
}

#[test]
fn rows_without_a_heading() {
    let text = b"\xef\xbb\xbfNumero;\"Who;\nwhy\"\n0401;\xe4\n\n7\n";
    let rows = BareRows::new(Cursor::new(text), "blacklist.csv", &ExportSettings::default());
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| row.record).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(rows[0].body.as_ref().unwrap(), &["Numero", "Who;\nwhy"]);
    let bad = rows[1].body.as_ref().unwrap_err();
    assert_eq!((bad.file.as_str(), bad.record), ("blacklist.csv", 2));
    assert_eq!(rows[2].body.as_ref().unwrap(), &["7"]);
    let settings = ExportSettings::default();
    let field = |heading: &str| Kind::Blacklist.field(heading, &settings.aliases);
    assert_eq!((field("PHONE number").as_deref(), field("Who")), (Some("phone"), None));
    let utf16 = BareRows::new(Cursor::new(b"\xff\xfe1\0"), "blacklist.csv", &settings);
    assert!(utf16.unwrap_err().to_string().contains("UTF-16"));
    assert_eq!(BareRows::new(Cursor::new(b""), "x", &settings).unwrap().count(), 0);
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic_or_lose_count(body in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut file = b"id;fname\n".to_vec();
        file.extend_from_slice(&body);
        let rows: Vec<_> = rows(&file, &ExportSettings::default()).unwrap().map(Result::unwrap).collect();
        for (row, expected) in rows.iter().zip(1..) {
            prop_assert_eq!(row.record, expected);
        }
        let _ = list_rows("list", &body);
        let bare = BareRows::new(Cursor::new(&body), "x", &ExportSettings::default());
        let _ = bare.map(|rows| rows.take_while(Result::is_ok).count());
        let _ = Rows::<Contact, _>::new(Cursor::new(body), "x", Kind::Contacts, &ExportSettings::default());
    }

    #[test]
    fn what_is_written_is_read(names in prop::collection::vec("[^\u{0}]{0,20}", 1..8)) {
        let mut file = String::from("id;fname\n");
        for (index, name) in names.iter().enumerate() {
            file.push_str(&format!("{index};\"{}\"\n", name.replace('"', "\"\"")));
        }
        let contacts = read(file.as_bytes(), &ExportSettings::default());
        prop_assert_eq!(contacts.len(), names.len());
        for (contact, name) in contacts.iter().zip(&names) {
            let read = contact.as_ref().unwrap().fname.as_ref().map(|name| name.reveal().as_str());
            prop_assert_eq!(read, Some(name.as_str()).filter(|name| !name.trim().is_empty()));
        }
    }
}
