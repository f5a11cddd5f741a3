#![no_main]
//! Any bytes as an archive of the chatbot.

use leaddesk_client::chatbot::{self, Archive, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut settings = Settings::default();
    settings.limits.entry = 1 << 20;
    settings.limits.total = 4 << 20;
    let Ok(archive) = Archive::from_bytes("export.zip", bytes, settings) else { return };
    if let Ok(conversations) = chatbot::conversations(&archive) {
        conversations.for_each(drop);
    }
});
