#![no_main]
//! Any text as a time.

use leaddesk_client::chatbot::{DayOrder, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for order in [None, Some(DayOrder::DayFirst), Some(DayOrder::MonthFirst)] {
        if let Some(time) = Timestamp::parse_with(text, order) {
            let _ = (time.naive(), time.to_string());
        }
    }
});
