#![no_main]
//! Any bytes as a CSV file of the chatbot.

use leaddesk_client::chatbot::{self, Archive, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = Archive::from_bytes("conversations.csv", bytes, Settings::default()) else {
        return;
    };
    for file in archive.files() {
        if let Ok(rows) = archive.rows(file.kind) {
            rows.for_each(drop);
        }
    }
    if let Ok(conversations) = chatbot::conversations(&archive) {
        conversations.for_each(drop);
    }
});
