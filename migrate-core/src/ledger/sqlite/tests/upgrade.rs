//! Files of older versions.

use std::fs;

use chrono::DateTime;
use serde_json::json;

use super::{binding, folder, key};
use crate::ledger::{
    Entry, How, Ledger as _, LedgerErrorKind, Parked, Parking, Part, PartState, Written,
};
use crate::{
    Alias, Cursor, Fate, Fingerprint, Key, KeyDigest, Note, Reason, SqliteLedger, TargetId,
};

/// A file as version 1 wrote it, with rows in every table.
fn version_1(path: &std::path::Path) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(include_str!("../schema.sql")).unwrap();
    db.pragma_update(None, "application_id", 0x4D69_674C).unwrap();
    db.pragma_update(None, "user_version", 1).unwrap();
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        db.execute(sql, values).unwrap();
    };
    for (name, value) in binding().named() {
        run("INSERT INTO binding VALUES (?1, ?2)", &[&name, &value]);
    }
    let mut digest = KeyDigest::default();
    digest.add(&key(1));
    run(
        "INSERT INTO stage VALUES (4, 'contacts', 2, 'page 7', 1, 0, 1, ?1, 5, NULL)",
        &[&digest.to_bytes()],
    );
    run("INSERT INTO stage (id, name) VALUES (7, 'leads')", &[]);
    let reason = serde_json::to_string(&reason()).unwrap();
    run(
        "INSERT INTO entry VALUES (3, 'contact:1', 4, 1, ?1, 't1', NULL, NULL, 2, 2, 1000)",
        &[&fingerprint("e").as_bytes()],
    );
    run(
        r#"INSERT INTO entry VALUES (9, 'contact:2', 7, 7, NULL, NULL, ?1,
           '[{"code":"lost","field":"fax"}]', 0, 0, 2000)"#,
        &[&reason],
    );
    let (one, two) = (fingerprint("1"), fingerprint("2"));
    run("INSERT INTO part VALUES (3, '/tag', 2, 1500, 'tag-7', ?1, 2, 1400)", &[&two.as_bytes()]);
    run("INSERT INTO part VALUES (3, '', 1, NULL, 't1', ?1, 0, 900)", &[&one.as_bytes()]);
    run("INSERT INTO part VALUES (9, '', 1, 1600, NULL, NULL, NULL, NULL)", &[]);
    for (name, entry) in [("x", 3), ("y", 3), ("x", 9)] {
        run("INSERT INTO alias VALUES (?1, ?2)", &[Alias::new("n", name).as_bytes(), &entry]);
    }
    let parked = "INSERT INTO parked VALUES (?1, ?2, ?3, 'lane', ?4, 11, 12, 3, NULL, ?5)";
    let drafts = serde_json::to_vec(&json!([{ "name": "Zoë" }])).unwrap();
    run(parked, &[&5, &"contact:2", &7, &1, &drafts]);
    run(parked, &[&6, &"contact:1", &4, &1, &b"null".as_slice()]);
    for (list, item) in [("calls", "9"), ("files", "9"), ("calls", "1")] {
        run("INSERT INTO discovery (list, item) VALUES (?1, ?2)", &[&list, &item]);
    }
    run("INSERT INTO before_image VALUES ('contact:1', ?1)", &[&b"{\"a\":1}".as_slice()]);
    run("INSERT INTO meta VALUES ('run', '{\"id\":1}')", &[]);
}

fn reason() -> Reason {
    Reason::new("refused", "it is refused").field("email").remedy("ops", "mend it")
}

fn fingerprint(text: &str) -> Fingerprint {
    Fingerprint::of(text.as_bytes())
}

#[tokio::test]
async fn a_ledger_of_version_1_is_brought_up_to_date() {
    let (_folder, path) = folder();
    version_1(&path);
    let error = SqliteLedger::open_read_only(&path).unwrap_err();
    assert!(error.to_string().contains("older version"), "{error}");
    // Once brought up to date it stays so.
    for _ in 0..2 {
        let ledger = SqliteLedger::open(&path, &binding()).unwrap();
        everything_is_there(&ledger).await;
    }
    let report = SqliteLedger::check(&path).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
    let rows: u64 = report.tables.iter().map(|(_, rows)| rows).sum();
    assert_eq!(rows, 1 + 3 + 13 + 2 + 2 + 2 + 3 + 1 + 1, "{:?}", report.tables);
}

async fn everything_is_there(ledger: &SqliteLedger) {
    let at = |n| DateTime::from_timestamp_micros(n).unwrap();
    let written = |target: &str, of: &str, how, n| Written {
        target: TargetId::new(target),
        fingerprint: fingerprint(of),
        how,
        state: None,
        at: at(n),
    };
    let own = PartState::Done(written("t1", "1", How::Created, 900));
    let known = Some(written("tag-7", "2", How::Unchanged, 1400));
    let tag = PartState::Intended { at: at(1500), known, draft: None };
    let first = Entry {
        fate: Fate::Updated,
        fingerprint: Some(fingerprint("e")),
        target: Some(TargetId::new("t1")),
        attempts: 2,
        seen: 2,
        at: at(1000),
        parts: vec![Part { key: key(1), state: own }, Part { key: key(1).part("tag"), state: tag }],
        ..Entry::pending(key(1), "contacts")
    };
    let intended = PartState::Intended { at: at(1600), known: None, draft: None };
    let second = Entry {
        fate: Fate::Dead,
        reason: Some(reason()),
        notes: vec![Note { code: "lost".into(), field: "fax".into() }],
        at: at(2000),
        parts: vec![Part { key: key(2), state: intended }],
        ..Entry::pending(key(2), "leads")
    };
    let found = ledger.entries(&[key(1), key(2)]).await.unwrap();
    assert_eq!(found, [Some(first), Some(second)]);

    let named = ledger.known_as(&["x", "y"].map(|name| Alias::new("n", name))).await.unwrap();
    let named: Vec<Vec<Key>> =
        named.into_iter().map(|it| it.into_iter().map(|it| it.key).collect()).collect();
    assert_eq!(named, [vec![key(1), key(2)], vec![key(1)]]);

    assert_eq!(ledger.stages().await.unwrap(), ["contacts", "leads"]);
    let stage = ledger.stage("contacts").await.unwrap();
    assert_eq!((stage.pass, stage.cursor), (2, Some(Cursor::new("page 7"))));
    assert_eq!((stage.read, stage.finished, stage.keys), (true, false, 1));
    assert_eq!(stage.digest, ledger.proof("contacts", 2).await.unwrap().digest);
    assert_eq!(ledger.tally("leads").await.unwrap().of(Fate::Dead), 1);

    let parked = Parked {
        key: key(2),
        stage: "leads".into(),
        lane: Some("lane".into()),
        why: Parking::Doubt,
        since: at(11),
        not_before: at(12),
        looks: 3,
        drafts: json!([{ "name": "Zoë" }]),
        notes: Vec::new(),
    };
    let stage = "contacts".to_owned();
    let other = Parked { key: key(1), stage, drafts: json!(null), ..parked.clone() };
    for parked in [parked, other] {
        let rows = ledger.parked(&parked.stage, Parking::Doubt, 0, 9).await.unwrap();
        assert_eq!(rows.into_iter().map(|(_, it)| it).collect::<Vec<_>>(), [parked]);
    }

    let items = ledger.discovered("calls", 0, 9).await.unwrap();
    let items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
    assert_eq!(items, ["9", "1"]);
    assert_eq!(ledger.before(&key(1)).await.unwrap(), Some(json!({ "a": 1 })));
    assert_eq!(ledger.meta("run").await.unwrap(), Some(json!({ "id": 1 })));
}

#[test]
fn one_that_cannot_be_brought_up_to_date_is_left_as_it_was() {
    let (_folder, path) = folder();
    version_1(&path);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("UPDATE entry SET fate = 99 WHERE id = 9").unwrap();
    drop(db);
    let error = SqliteLedger::open(&path, &binding()).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Corrupt);
    let db = rusqlite::Connection::open(&path).unwrap();
    let version: i32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let sql = "SELECT count(*) FROM part";
    let parts: i64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!((version, parts), (1, 3));
    assert!(fs::metadata(&path).unwrap().len() > 0);
}
