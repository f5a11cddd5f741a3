//! Archives of the chatbot's export, most of them hostile.
#![cfg(feature = "chatbot")]
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

mod support;

use std::io::{Cursor, Write};

use leaddesk_client::ErrorKind;
use leaddesk_client::chatbot::{Archive, FileKind, Limits, Settings, Shape};
use proptest::prelude::*;
use support::{
    CONVERSATIONS, OUTCOMES, Raw, four, open, open_csv, raw_zip, refused, told, zip, zip_with,
};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn limited(change: impl FnOnce(&mut Limits)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings.limits);
    settings
}

fn names(archive: &Archive) -> Vec<(FileKind, &str)> {
    archive.files().iter().map(|file| (file.kind, file.name.as_str())).collect()
}

#[test]
fn a_good_archive_folder_and_file() {
    let archive = open(zip(&four())).unwrap();
    assert_eq!(
        names(&archive),
        [
            (FileKind::Conversations, "conversations.csv"),
            (FileKind::Outcomes, "outcomes.csv"),
            (FileKind::Timing, "timing.csv"),
            (FileKind::Agent, "agent.csv"),
        ]
    );
    assert_eq!((archive.missing(), archive.notes()), (vec![], &[][..]));
    let file = archive.info(FileKind::Conversations).unwrap();
    assert_eq!((file.shape, file.rows, file.delimiter), (Shape::Turns, 4, Some(',')));
    assert_eq!(file.first.unwrap().to_string(), "2024-05-01T10:00:00Z");
    assert_eq!(file.last.unwrap().to_string(), "2024-05-01T10:01:00Z");

    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in four() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    std::fs::write(folder.path().join("readme.pdf"), b"x").unwrap();
    let from_folder = Archive::open(folder.path(), Settings::default()).unwrap();
    assert_eq!(names(&from_folder), names(&archive));
    assert_eq!(from_folder.notes(), ["readme.pdf is no CSV file, and not read"]);

    let one = Archive::open(folder.path().join("outcomes.csv"), Settings::default()).unwrap();
    assert_eq!(names(&one), [(FileKind::Outcomes, "outcomes.csv")]);
    assert_eq!(one.missing(), [FileKind::Conversations, FileKind::Timing, FileKind::Agent]);
    let error = one.rows(FileKind::Agent).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("outcomes.csv has no agent file; export it"), "{error}");
}

#[test]
fn every_way_to_write_a_good_archive() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    assert_eq!(open(zip_with(&four(), stored)).unwrap().files().len(), 4);
    assert_eq!(open(zip_with(&four(), stored.large_file(true))).unwrap().files().len(), 4);
    // As a web server writes it: sizes follow the data.
    let mut writer = ZipWriter::new_stream(Vec::new());
    for (name, bytes) in four() {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    let streamed = writer.finish().unwrap().into_inner();
    assert_eq!(open(streamed).unwrap().files().len(), 4);
    let empty =
        open(zip(&[("outcomes.csv", Vec::new()), ("timing.csv", b"\xEF\xBB\xBF".to_vec())]));
    assert_eq!(empty.unwrap().files()[0].notes, ["it is empty, without even a heading"]);
    // In a folder, as macOS packs it, with names of any alphabet.
    let archive = open(zip(&[
        ("vienti/Conversations.CSV", CONVERSATIONS.into()),
        ("vienti\\keskustelun lopputulos.csv", b"foo;bar\n".to_vec()),
        ("__MACOSX/vienti/._Conversations.CSV", b"\0\0".to_vec()),
        ("vienti/.DS_Store", b"\0".to_vec()),
        ("vienti/más.zip", b"PK".to_vec()),
    ]))
    .unwrap();
    assert_eq!(archive.files().len(), 1);
    let notes = archive.notes().join("\n");
    assert!(notes.contains("más.zip is a ZIP of its own"), "{notes}");
    assert!(!notes.contains("DS_Store") && !notes.contains("._"), "{notes}");
}

#[test]
fn a_name_that_is_not_utf8_is_read_as_old_zips_write_it() {
    let mut entry = Raw::new("conversations.csv", CONVERSATIONS);
    entry.name = b"p\x84iv\x84_conversations.csv".to_vec();
    assert_eq!(names(&open(raw_zip(&[entry])).unwrap())[0].1, "päivä_conversations.csv");
}

#[test]
fn what_is_no_archive() {
    for (bytes, kind, expected) in [
        (b"hello".to_vec(), ErrorKind::Decode, "export.zip is no ZIP that can be read"),
        (Vec::new(), ErrorKind::Decode, "export.zip is no ZIP that can be read"),
        (zip(&[]), ErrorKind::Settings, "export.zip is an empty ZIP; export again"),
        (
            zip(&[("a.pdf", vec![1])]),
            ErrorKind::Settings,
            "export.zip holds none of the four files (conversations, outcomes, timing, agent); seen: no CSV file. If one of these is, name it in the settings (a.pdf is no CSV file, and not read)",
        ),
        (
            zip(&[("foo.csv", b"a,b\n1,2\n".to_vec())]),
            ErrorKind::Settings,
            "seen: foo.csv. If one of these is, name it in the settings",
        ),
    ] {
        let (found, text) = refused(bytes);
        assert_eq!(found, kind, "{text}");
        assert!(text.contains(expected), "{text}");
    }
    let missing = told(Archive::open("/nowhere/export.zip", Settings::default()));
    assert_eq!(missing.0, ErrorKind::Settings);
    assert!(missing.1.contains("export.zip cannot be opened"), "{}", missing.1);
}

#[test]
fn an_archive_that_is_cut_off_anywhere() {
    let whole = zip(&four());
    for length in 0..whole.len() {
        let (kind, text) = refused(whole[..length].to_vec());
        assert_eq!(kind, ErrorKind::Decode, "{length}: {text}");
        assert!(text.contains("export or copy it again"), "{text}");
    }
}

#[test]
fn an_archive_with_a_changed_byte_is_refused_or_read_the_same() {
    let whole = zip(&four());
    let sizes = |archive: &Archive| -> Vec<(u64, u64)> {
        archive.files().iter().map(|file| (file.bytes, file.rows)).collect()
    };
    let right = sizes(&open(whole.clone()).unwrap());
    let mut opened = 0;
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0x20;
        if let Ok(archive) = open(changed) {
            // Only times and attributes of entries are covered by no check.
            let found = sizes(&archive);
            assert!(found.iter().all(|size| right.contains(size)), "{place}: {found:?}");
            opened += 1;
        }
    }
    assert!(opened < whole.len() / 4, "{opened} of {}", whole.len());
}

#[test]
fn hostile_entries() {
    let good = || Raw::new("conversations.csv", CONVERSATIONS);
    let named = |name: &str| Raw::new(name, CONVERSATIONS);
    let cases: Vec<(Vec<Raw>, ErrorKind, &str)> = vec![
        (
            vec![good(), good()],
            ErrorKind::Settings,
            "export.zip has two entries of the same name, so it is not clear which counts",
        ),
        (
            vec![good(), named("old/Conversations.CSV")],
            ErrorKind::Settings,
            "conversations.csv and Conversations.CSV are both conversations; take one away",
        ),
        (vec![named("../conversations.csv")], ErrorKind::Settings, "points outside of the ZIP"),
        (vec![named("/conversations.csv")], ErrorKind::Settings, "points outside of the ZIP"),
        (vec![named("C:\\conversations.csv")], ErrorKind::Settings, "points outside of the ZIP"),
        (vec![named("a\\..\\conversations.csv")], ErrorKind::Settings, "points outside of the ZIP"),
        (vec![named("con\0versations.csv")], ErrorKind::Settings, "points outside of the ZIP"),
        (
            vec![Raw { flags: 1, ..good() }],
            ErrorKind::Settings,
            "conversations.csv in export.zip is encrypted; export again without a password",
        ),
        (
            vec![Raw { method: 9, ..good() }],
            ErrorKind::Settings,
            "conversations.csv in export.zip is compressed in a way that is not read here; zip it with Deflate",
        ),
        (
            vec![Raw { crc: 7, ..good() }],
            ErrorKind::Decode,
            "conversations.csv is damaged: its checksum is wrong; export or copy it again",
        ),
        (
            vec![Raw { size: 7, method: 8, data: deflated(CONVERSATIONS), ..good() }],
            ErrorKind::Decode,
            "conversations.csv is damaged: it is longer than the directory of the ZIP says",
        ),
        (
            vec![Raw { size: 7_000, method: 8, data: deflated(CONVERSATIONS), ..good() }],
            ErrorKind::Decode,
            "conversations.csv is damaged: it is shorter than the directory of the ZIP says",
        ),
        (
            vec![Raw { method: 8, data: [deflated(CONVERSATIONS), vec![7]].concat(), ..good() }],
            ErrorKind::Decode,
            "conversations.csv is damaged: something follows its compressed data",
        ),
        (vec![Raw { method: 8, ..good() }], ErrorKind::Decode, "conversations.csv is damaged"),
    ];
    for (entries, kind, expected) in cases {
        let (found, text) = refused(raw_zip(&entries));
        assert!(text.contains(expected), "{text}");
        assert_eq!(found, kind, "{text}");
    }
}

/// The compressed data of an entry.
fn deflated(text: &str) -> Vec<u8> {
    let bytes = zip(&[("a", text.into())]);
    let mut archive = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    let entry = archive.by_index_raw(0).unwrap();
    let start = usize::try_from(entry.data_start().unwrap()).unwrap();
    bytes[start..start + usize::try_from(entry.compressed_size()).unwrap()].to_vec()
}

#[test]
fn headers_that_contradict_each_other_or_overlap() {
    let bytes = raw_zip(&[Raw::new("conversations.csv", CONVERSATIONS), Raw::new("a.csv", "x")]);
    // The name in the entry's own header differs from the one in the directory.
    let mut other_name = bytes.clone();
    other_name[30] = b'K';
    let (kind, text) = refused(other_name);
    assert_eq!(kind, ErrorKind::Decode, "{text}");
    assert!(text.contains("export.zip contradicts itself about its entries"), "{text}");
    // Both entries of the directory point to the first one's data.
    let mut overlapping = bytes;
    let second = overlapping.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    overlapping[second + 42..second + 46].fill(0);
    let (kind, text) = refused(overlapping);
    assert_eq!(kind, ErrorKind::Settings, "{text}");
    assert!(text.contains("entries that overlap"), "{text}");
}

#[test]
fn a_link_is_not_followed_and_names_do_not_act() {
    let link = Raw { mode: 0o120_777, ..Raw::new("timing.csv", "/etc/passwd") };
    let ugly = Raw::new("\u{202e}vsc\u{7}.exe", "x");
    let archive =
        open(raw_zip(&[Raw::new("conversations.csv", CONVERSATIONS), link, ugly])).unwrap();
    assert_eq!(names(&archive), [(FileKind::Conversations, "conversations.csv")]);
    assert_eq!(
        archive.notes(),
        [
            "timing.csv is a link, and not followed",
            "\\u{202e}vsc\\u{7}.exe is no CSV file, and not read"
        ]
    );
}

#[test]
fn a_bomb_is_refused_by_its_ratio_and_by_its_size() {
    let row = format!("{}\n", "a".repeat(9_999));
    let bomb = zip(&[("conversations.csv", row.repeat(5_000).into_bytes())]);
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    let (kind, text) = refused(bomb.clone());
    assert_eq!(kind, ErrorKind::TooLarge, "{text}");
    assert!(
        text.contains("conversations.csv: it grows more than 200 times when decompressed, as a ZIP bomb does. If that is right, raise the limit in the settings"),
        "{text}"
    );
    let small = limited(|limits| limits.entry = 1_000_000);
    let (kind, text) = told(Archive::from_bytes("export.zip", bomb.clone(), small));
    assert_eq!(kind, ErrorKind::TooLarge, "{text}");
    assert!(text.contains("conversations.csv: it gives more than 1000000 bytes"), "{text}");
    let total = limited(|limits| limits.total = 1_000_000);
    let (kind, text) = told(Archive::from_bytes("export.zip", bomb, total));
    assert_eq!(kind, ErrorKind::TooLarge, "{text}");
    assert!(text.contains("export.zip says that it holds more than 1000000 bytes"), "{text}");
    let file = limited(|limits| limits.file = 10);
    let (kind, text) = told(Archive::from_bytes("export.zip", zip(&four()), file));
    assert_eq!(kind, ErrorKind::TooLarge, "{text}");
    assert!(text.contains("export.zip has more than 10 bytes"), "{text}");
}

#[test]
fn many_entries_are_refused_before_they_are_listed() {
    let files: Vec<_> = (0..300_000).map(|number| Raw::new(&number.to_string(), "")).collect();
    let mut bytes = raw_zip(&files);
    let whole = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
    assert_eq!(whole.len(), 300_000);
    // What cannot be listed any more is still refused for its number.
    let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    bytes[directory..directory + 1000].fill(0);
    let (kind, text) = refused(bytes);
    assert_eq!(kind, ErrorKind::TooLarge, "{text}");
    assert!(text.contains("export.zip has more than 1000 files in it"), "{text}");
    assert_eq!(refused(raw_zip(&files[..1001])).0, ErrorKind::TooLarge);
}

#[test]
fn a_quote_that_is_never_closed() {
    let mut text = b"conversation,question\nc-1,Hei\nc-2,\"".to_vec();
    text.resize(50 << 20, b'a');
    let (kind, told) = told(open_csv("conversations.csv", &text));
    assert_eq!(kind, ErrorKind::TooLarge);
    assert!(
        told.contains(
            "conversations.csv:2: a row is longer than 1048576 bytes; is a quote never closed?"
        ),
        "{told}"
    );
    let wide = format!("conversation{}\n", ",x".repeat(600));
    let (kind, told) = self::told(open_csv("conversations.csv", wide.as_bytes()));
    assert_eq!(kind, ErrorKind::TooLarge);
    assert!(told.contains("conversations.csv has 601 columns, more than 512"), "{told}");
}

#[test]
fn a_file_that_changes_is_not_read_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outcomes.csv");
    std::fs::write(&path, OUTCOMES).unwrap();
    let archive = Archive::open(&path, Settings::default()).unwrap();
    std::fs::write(&path, format!("{OUTCOMES}c-3;Handled;;\n")).unwrap();
    let error = archive.rows(FileKind::Outcomes).unwrap_err();
    assert!(error.to_string().contains("outcomes.csv cannot be read"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_an_archive_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = open(bytes.clone());
        let _ = open([b"PK\x03\x04", &bytes[..]].concat());
    }

    #[test]
    fn no_name_makes_it_panic(name in any::<String>()) {
        let _ = open(raw_zip(&[Raw::new(&name, "conversation,question\n1,2\n")]));
        let _ = Archive::from_bytes(&name, OUTCOMES.as_bytes(), Settings::default());
    }
}
