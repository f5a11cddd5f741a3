#![no_main]
//! Any bytes as a file of an export folder.

use std::io::Cursor;

use leaddesk_client::Contact;
use leaddesk_client::export::{ExportSettings, Kind, Rows};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let rows: Result<Rows<Contact, _>, _> =
        Rows::new(Cursor::new(bytes), "contacts.csv", Kind::Contacts, &ExportSettings::default());
    if let Ok(rows) = rows {
        rows.for_each(drop);
    }
});
