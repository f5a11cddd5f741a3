//! Damaged files: what was acknowledged reads back right, or the damage is told. It is never taken
//! for something that was not known, for then it would be written twice.
//!
//! Of the many places where a file can be damaged some are tried. With `LEDGER_DAMAGE=1` it is every
//! byte and every length of a small ledger (every thirty-first of its log, which is ten times as
//! long), and twenty times as many places in a large one:
//! `LEDGER_DAMAGE=1 cargo test -p migrate-core --release --all-features damage`, a quarter of an hour.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use futures::FutureExt as _;
use serde_json::json;
use tempfile::TempDir;

use super::agreement::copy;
use super::{binding, folder, key, longer, settle};
use crate::ledger::{
    Change, Entry, ExportOptions, How, Ledger, LedgerError, LedgerErrorKind, Parked, Parking,
    export_with,
};
use crate::{Alias, Cursor, Fate, Fingerprint, Key, Reason, SqliteLedger, Standing, TargetId};

fn thorough() -> bool {
    longer("LEDGER_DAMAGE", 0) > 0
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, range: Range<u64>) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start + (self.0 >> 33) % (range.end - range.start)
    }
}

/// A contact with two names and two writes.
fn contact(n: u64) -> Vec<Change> {
    let at = DateTime::from_timestamp_micros(1_700_000_000_000_000 + n as i64 * 1000).unwrap();
    let done = |key: Key| Change::Done {
        target: TargetId::new(format!("t-{n}")),
        fingerprint: Fingerprint::of(key.as_str().as_bytes()),
        key,
        stage: "contacts".into(),
        how: How::Created,
        state: None,
        at,
    };
    let aliases = ["email", "phone"].map(|sort| Alias::new(sort, n.to_string())).to_vec();
    vec![
        Change::Aliases { key: key(n), stage: "contacts".into(), aliases },
        done(key(n)),
        done(key(n).part("tag")),
        settle(key(n)),
    ]
}

/// Something in every table.
async fn fill_small(ledger: &dyn Ledger) {
    let stage = || "contacts".to_owned();
    let at = DateTime::UNIX_EPOCH;
    let begin = Change::Begin { stage: stage(), pass: 1, since: None, at };
    ledger.commit(vec![begin]).await.unwrap();
    for n in 0..40 {
        ledger.commit(contact(n)).await.unwrap();
    }
    let parked = Parked {
        key: key(41),
        stage: stage(),
        lane: None,
        why: Parking::Doubt,
        since: at,
        not_before: at,
        looks: 1,
        drafts: json!([{ "name": "x" }]),
        notes: Vec::new(),
    };
    let dead = Change::Settle {
        key: key(42),
        stage: "calls".into(),
        fate: Fate::Dead,
        fingerprint: None,
        target: None,
        reason: Some(Reason::new("refused", "it is refused")),
        notes: Vec::new(),
        attempts: 1,
        at,
    };
    let page = Change::Page {
        stage: stage(),
        pass: 1,
        keys: (0..40).map(key).collect(),
        next: Some(Cursor::new("2")),
        mark: None,
    };
    ledger
        .commit(vec![
            Change::Park(Box::new(parked)),
            dead,
            page,
            Change::Discover { list: "calls".into(), item: "9".into() },
            Change::Before { key: key(1), image: json!({ "a": 1 }) },
            Change::Undone { key: key(3), at },
            Change::Meta { name: "run".into(), value: Some(json!({ "id": 1 })) },
        ])
        .await
        .unwrap();
}

/// All that can be read of the small one.
async fn read_small(ledger: &dyn Ledger) -> Result<Vec<u8>, LedgerError> {
    let mut all = Vec::new();
    let options = ExportOptions::default().drafts().before_images();
    export_with(ledger, options, &mut all).await?;
    let keys: Vec<Key> = (0..50).map(key).collect();
    let aliases: Vec<Alias> = (0..50).map(|n| Alias::new("phone", n.to_string())).collect();
    let rest = format!(
        "{:?}{:?}{:?}{:?}{:?}{:?}",
        ledger.entries(&keys).await?,
        ledger.known_as(&aliases).await?,
        ledger.parked_among(&keys).await?,
        ledger.discovered("calls", 0, 9).await?,
        ledger.before(&key(1)).await?,
        ledger.meta("run").await?,
    );
    all.extend_from_slice(rest.as_bytes());
    Ok(all)
}

/// A small ledger as a killed process leaves it, with all that can be read of it.
async fn small(closed: bool) -> (TempDir, PathBuf, Vec<u8>) {
    let (_first, running) = folder();
    let ledger = SqliteLedger::open(&running, &binding()).unwrap();
    fill_small(&ledger).await;
    let all = read_small(&ledger).await.unwrap();
    let (folder, path) = folder();
    if closed {
        drop(ledger);
    }
    copy(&running, &path);
    (folder, path, all)
}

/// The ledger of `path` is refused, or all of it reads back, for those who look on as for a run that
/// would go on with it. What it is refused for must be clear.
async fn told_or_whole(path: &Path, all: &[u8], what: &str) {
    told_or_read(SqliteLedger::open_read_only(path), path, all, what).await;
    // A run changes the file even while it opens it, so it is given a copy.
    let (_folder, running) = folder();
    copy(path, &running);
    told_or_read(SqliteLedger::open(&running, &binding()), &running, all, what).await;
}

async fn told_or_read(
    opened: Result<SqliteLedger, LedgerError>,
    path: &Path,
    all: &[u8],
    what: &str,
) {
    let read = match opened {
        Ok(ledger) => read_small(&ledger).await,
        Err(error) => Err(error),
    };
    match read {
        Ok(read) => assert!(read == all, "{what}: something else is read"),
        Err(error) => {
            let told = [LedgerErrorKind::Corrupt, LedgerErrorKind::Newer];
            assert!(told.contains(&error.kind()), "{what}: {error}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{what}: {error}");
        }
    }
}

/// Each place of a file, or as many of them as there is time for.
fn places(length: u64, tries: u64) -> Vec<u64> {
    if thorough() {
        return (0..length).step_by(if length > 300_000 { 31 } else { 1 }).collect();
    }
    let mut dice = Dice(length);
    let head = length.min(100);
    (0..head).chain((0..tries).map(|_| dice.roll(0..length))).collect()
}

async fn each_flip(closed: bool, end: &str, tries: u64) {
    let (_folder, original, all) = small(closed).await;
    let bytes = fs::read(format!("{}{end}", original.display())).unwrap();
    let (mut dice, (_copy, path)) = (Dice(1), folder());
    let file = format!("{}{end}", path.display());
    told_or_whole(&original, &all, "as it was").await;
    for place in places(bytes.len() as u64, tries) {
        copy(&original, &path);
        let mut flipped = bytes.clone();
        flipped[place as usize] ^= 1 << dice.roll(0..8);
        fs::write(&file, &flipped).unwrap();
        told_or_whole(&path, &all, &format!("byte {place} of ledger{end}")).await;
        // What SQLite keeps of its index of the log is no part of what was left behind.
        let _ = fs::remove_file(format!("{}-shm", path.display()));
        let _ = fs::remove_file(format!("{}-wal", path.display()));
    }
}

#[tokio::test]
async fn a_flipped_bit_of_the_file_is_told() {
    each_flip(true, "", 700).await;
}

#[tokio::test]
async fn a_flipped_bit_of_the_log_that_a_kill_left_is_told() {
    each_flip(false, "-wal", 500).await;
}

#[tokio::test]
async fn a_flipped_bit_of_the_lock_is_told() {
    each_flip(false, ".lock", 0).await;
}

#[tokio::test]
async fn what_is_cut_off_is_told() {
    for (closed, end) in [(true, ""), (false, "-wal"), (false, ".lock")] {
        let (_folder, original, all) = small(closed).await;
        let bytes = fs::read(format!("{}{end}", original.display())).unwrap();
        let (_copy, path) = folder();
        for length in places(bytes.len() as u64, 60) {
            copy(&original, &path);
            fs::write(format!("{}{end}", path.display()), &bytes[..length as usize]).unwrap();
            told_or_whole(&path, &all, &format!("{length} bytes of ledger{end}")).await;
            let _ = fs::remove_file(format!("{}-shm", path.display()));
            let _ = fs::remove_file(format!("{}-wal", path.display()));
        }
    }
}

#[tokio::test]
async fn a_file_that_is_older_than_what_was_acknowledged_is_refused() {
    let refused = |path: &Path| {
        for error in [
            SqliteLedger::open(path, &binding()).unwrap_err(),
            SqliteLedger::open_read_only(path).unwrap_err(),
            SqliteLedger::check(path).unwrap_err(),
        ] {
            assert_eq!(error.kind(), LedgerErrorKind::Corrupt);
            for part in ["was acknowledged", "put back", ".lock"] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
    };
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    ledger.commit(vec![settle(key(1))]).await.unwrap();
    drop(ledger);
    let old = fs::read(&path).unwrap();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    ledger.commit(vec![settle(key(2))]).await.unwrap();
    drop(ledger);
    let new = fs::read(&path).unwrap();

    fs::write(&path, &old).unwrap();
    refused(&path);
    fs::write(&path, b"").unwrap();
    refused(&path);
    fs::remove_file(&path).unwrap();
    refused(&path);
    assert!(!path.exists(), "none is made in its place");

    fs::write(&path, &new).unwrap();
    drop(SqliteLedger::open(&path, &binding()).unwrap());
    // Whoever takes the risk says so by deleting the lock.
    fs::write(&path, &old).unwrap();
    fs::remove_file(path.with_extension("sqlite.lock")).unwrap();
    drop(SqliteLedger::open(&path, &binding()).unwrap());
}

/// Contacts of the large one: far more than is looked at when it is opened.
const LARGE: u64 = 30_000;

async fn large() -> (TempDir, PathBuf) {
    let (folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    for first in (0..LARGE).step_by(1000) {
        ledger.commit((first..first + 1000).flat_map(contact).collect()).await.unwrap();
    }
    (folder, path)
}

/// A key reads back right, or the damage is told: it is never unknown, and never another.
async fn right_or_told(ledger: &SqliteLedger, n: u64, expected: &Entry, what: &str) -> bool {
    match ledger.entries(&[key(n)]).await {
        Ok(found) => {
            assert_eq!(found, [Some(expected.clone())], "{what}");
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), LedgerErrorKind::Corrupt, "{what}: {error}");
            false
        }
    }
}

/// The contacts that are named in a page.
fn named_in(page: &[u8]) -> Vec<u64> {
    let text = b"contact:";
    let starts = (0..page.len()).filter(|at| page[*at..].starts_with(text));
    let number = |at: usize| {
        let digits = page[at + text.len()..].iter().take(5).take_while(|it| it.is_ascii_digit());
        digits.fold(None, |n, digit| Some(n.unwrap_or(0) * 10 + u64::from(digit - b'0')))
    };
    starts.filter_map(number).filter(|n| *n < LARGE).collect()
}

#[tokio::test]
async fn a_large_ledger_with_a_flipped_bit_never_says_unknown() {
    let (_folder, path) = large().await;
    let ledger = SqliteLedger::open_read_only(&path).unwrap();
    let keys: Vec<Key> = (0..LARGE).map(key).collect();
    let expected: HashMap<u64, Entry> = (0..LARGE)
        .zip(ledger.entries(&keys).await.unwrap())
        .map(|(n, entry)| (n, entry.unwrap()))
        .collect();
    drop(ledger);
    let mut file = fs::File::options().read(true).write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    let (mut dice, mut told, mut right) = (Dice(7), 0, 0);
    for _ in 0..if thorough() { 20_000 } else { 1000 } {
        let (place, bit) = (dice.roll(0..length), dice.roll(0..8));
        let what = format!("bit {bit} of byte {place}");
        let mut page = [0; 4096];
        file.seek(SeekFrom::Start(place - place % 4096)).unwrap();
        file.read_exact(&mut page).unwrap();
        let mut flip = |mask: u8| {
            let byte = page[(place % 4096) as usize] ^ mask;
            file.seek(SeekFrom::Start(place)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        flip(1 << bit);
        match SqliteLedger::open_read_only(&path) {
            Ok(ledger) => {
                // Those whose way may lead through the page, and some others.
                let mut asked = named_in(&page);
                asked.extend((0..10).map(|_| dice.roll(0..LARGE)));
                for n in asked {
                    match right_or_told(&ledger, n, &expected[&n], &what).await {
                        true => right += 1,
                        false => told += 1,
                    }
                }
            }
            Err(error) => {
                let told = [LedgerErrorKind::Corrupt, LedgerErrorKind::Newer];
                assert!(told.contains(&error.kind()), "{what}: {error}");
            }
        }
        flip(0);
    }
    assert!(told > 100 && right > 1000, "{told} told, {right} right");
}

#[tokio::test]
async fn a_large_ledger_that_is_cut_off_never_says_unknown() {
    let (_folder, path) = large().await;
    let ledger = SqliteLedger::open_read_only(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let mut dice = Dice(8);
    let some: Vec<u64> = (0..50).map(|_| dice.roll(0..LARGE)).collect();
    let keys: Vec<Key> = some.iter().map(key).collect();
    let expected = ledger.entries(&keys).await.unwrap();
    drop(ledger);
    let mut length = file.metadata().unwrap().len();
    while length > 0 {
        length = length.saturating_sub(dice.roll(1..length / 8 + 4096));
        file.set_len(length).unwrap();
        let ledger = match SqliteLedger::open_read_only(&path) {
            Ok(ledger) => ledger,
            Err(error) => {
                let told = [LedgerErrorKind::Corrupt, LedgerErrorKind::Newer];
                assert!(told.contains(&error.kind()), "{length} bytes: {error}");
                continue;
            }
        };
        for (n, expected) in some.iter().zip(&expected) {
            let what = format!("{length} bytes");
            right_or_told(&ledger, *n, expected.as_ref().unwrap(), &what).await;
        }
    }
}

/// The row of a name that is taken out of the middle of its index, as by a page that is lost.
#[tokio::test]
async fn a_row_that_is_gone_is_missed() {
    let (_folder, path) = large().await;
    let db = rusqlite::Connection::open(&path).unwrap();
    for sql in [
        "DELETE FROM name WHERE name = CAST('kcontact:7' AS BLOB)",
        "DELETE FROM name WHERE name BETWEEN CAST('kcontact:99' AS BLOB) AND CAST('kcontact:991' AS BLOB)",
        "DELETE FROM entry WHERE key = 'contact:8'",
    ] {
        db.execute_batch(sql).unwrap();
    }
    drop(db);
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    for (n, told) in [(7, true), (8, true), (99, true), (9905, true), (9, false), (29_999, false)] {
        assert_eq!(ledger.entries(&[key(n)]).await.is_err(), told, "{n}");
    }
    // Lists are shorter by it, which their count gives away.
    let listed = Standing::of(&ledger, &["contacts"], &Default::default(), |_| {}).await;
    let error = listed.unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Corrupt);
    let shown = format!("{} records of stage `contacts`, of which it has {LARGE}", LARGE - 1);
    assert!(error.to_string().contains(&shown), "{error}");
    // Nor does the writer take it for new.
    let written = ledger.commit(vec![settle(key(7))]).now_or_never();
    let error = match written {
        Some(written) => written.unwrap_err(),
        None => ledger.commit(vec![settle(key(7))]).await.unwrap_err(),
    };
    assert_eq!(error.kind(), LedgerErrorKind::Corrupt);
    assert!(error.to_string().contains("key contact:7"), "{error}");
    drop(ledger);
    let report = SqliteLedger::check(&path).unwrap();
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    let has = |text: &str| problems.iter().any(|problem| problem.contains(text));
    assert!(has("links do not lead to the next") && has("not as many names"), "{problems:?}");
}
