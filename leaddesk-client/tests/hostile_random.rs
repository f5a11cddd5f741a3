//! Valid archives and files, changed at random: nothing panics, and nothing gives more than was put in.
//!
//! A few seconds by default; `FUZZ_SECONDS=600 cargo test --all-features --test hostile_random` goes on longer. The seed
//! is printed when a case fails, and `FUZZ_SEED` repeats it.
#![cfg(feature = "chatbot")]
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

mod support;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use leaddesk_client::Contact;
use leaddesk_client::chatbot::{self, Archive, DayOrder, Settings, Timestamp};
use leaddesk_client::export::{ExportSettings, Kind, Rows};
use support::{AGENT, CONVERSATIONS, OUTCOMES, TIMING, four, zip, zip_with};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// Numbers that a seed fixes (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    /// One to eight changes: bytes flipped, cut out, repeated, swapped for words that matter.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        const WORDS: [&[u8]; 14] = [
            b"\"",
            b"\r\n",
            b",",
            b";",
            b"\0",
            b"\xff\xfe",
            b"PK\x01\x02",
            b"PK\x05\x06",
            b"sep=;\n",
            b"\xff\xff\xff\xff",
            b"1.23E+15",
            b"Question(1):",
            b"31/12/2024",
            b"Total",
        ];
        for _ in 0..=self.below(8) {
            let place = self.below(bytes.len());
            let length = self.below(40).min(bytes.len() - place);
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[place] ^= 1 << self.below(8),
                1 => drop(bytes.drain(place..place + length)),
                2 => {
                    let part = bytes[place..place + length].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
                3 => {
                    let word = WORDS[self.below(WORDS.len())];
                    bytes.splice(place..place, word.iter().copied());
                }
                _ => {
                    let word = WORDS[self.below(WORDS.len())];
                    let end = (place + word.len()).min(bytes.len());
                    bytes.splice(place..end, word.iter().copied());
                }
            }
        }
    }
}

/// Reads all of an archive. What comes out is bounded by what went in, times the greatest ratio.
fn read_archive(name: &str, bytes: &[u8]) {
    let mut settings = Settings::default();
    // Small, so that the join takes several passes.
    settings.limits.memory = 4 << 10;
    let archive = match Archive::from_bytes(name, bytes, settings) {
        Ok(archive) => archive,
        Err(error) => return assert!(error.to_string().len() < 4_000, "{error}"),
    };
    let mut rows = 0;
    for file in archive.files() {
        let (mut good, mut bad) = (0, 0);
        for record in archive.rows(file.kind).unwrap() {
            match record.unwrap().body {
                Ok(_) => good += 1,
                Err(_) => bad += 1,
            }
        }
        assert_eq!((good, bad), (file.rows, file.unreadable));
        rows += good + bad;
    }
    let notes = archive.files().iter().flat_map(|file| &file.notes).chain(archive.notes());
    assert!(notes.map(String::len).sum::<usize>() < 100_000);
    let Ok(conversations) = chatbot::conversations(&archive) else { return };
    let mut items = 0;
    for item in conversations {
        // Turns of a transcript in one cell are bounded by its text.
        if let Ok(Ok(conversation)) = &item {
            assert!(conversation.turns.len() <= 8 * bytes.len().max(64));
        }
        items += 1;
    }
    assert!(items <= rows + 1, "{items} of {rows}");
}

fn read_export(bytes: &[u8]) {
    let rows: Result<Rows<Contact, _>, _> =
        Rows::new(Cursor::new(bytes), "contacts.csv", Kind::Contacts, &ExportSettings::default());
    if let Ok(rows) = rows {
        assert!(rows.count() <= bytes.len());
    }
}

fn read_time(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for order in [None, Some(DayOrder::DayFirst), Some(DayOrder::MonthFirst)] {
        if let Some(time) = Timestamp::parse_with(&text, order) {
            let _ = (time.naive(), time.to_string());
        }
    }
}

/// What is read, and from what.
type Case = (fn(&[u8]), Vec<u8>);

fn cases() -> Vec<Case> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let archive: fn(&[u8]) = |bytes| read_archive("export.zip", bytes);
    let mut cases: Vec<Case> = vec![
        (archive, zip(&four())),
        // Stored, so that changes reach the CSV; its checksum is then wrong.
        (archive, zip_with(&four(), stored)),
        (read_export, b"id;fname;phone\n42;Ada;\"+358\n401\"\n43;Eve\n".to_vec()),
    ];
    let csv: fn(&[u8]) = |bytes| read_archive("conversations.csv", bytes);
    let transcript = "session,transcript\n1,\"Question(1): a\r\nAnswer(1): b\r\n---\r\n\"\n";
    for text in [CONVERSATIONS, OUTCOMES, TIMING, AGENT, transcript] {
        cases.push((csv, text.into()));
        let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes);
        cases.push((csv, [0xFF, 0xFE].into_iter().chain(utf16).collect()));
        // A valid archive of a changed file.
        cases.push((
            |bytes| read_archive("e.zip", &zip(&[("agent.csv", bytes.to_vec())])),
            text.into(),
        ));
    }
    for time in ["2019-02-19 : 01:00:00", "1714557600000", "1.5.2024 9.05", "12/31/2024, 3:04 PM"] {
        cases.push((read_time, time.into()));
    }
    cases.push((read_time, b"2024-05-01T10:00:00.250+03:00".to_vec()));
    cases
}

#[test]
fn nothing_panics_and_output_is_bounded() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let duration = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(3));
    let one_seed = number("FUZZ_SEED");
    let cases = cases();
    for (read, bytes) in &cases {
        read(bytes);
    }
    let begun = Instant::now();
    let mut seed = one_seed.unwrap_or(1);
    loop {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let (read, bytes) = &cases[random.below(cases.len())];
        let mut bytes = bytes.clone();
        random.change(&mut bytes);
        let done = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
        assert!(done.is_ok(), "repeat with FUZZ_SEED={seed}");
        if one_seed.is_some() || begun.elapsed() >= duration {
            break;
        }
        seed += 1;
    }
}
