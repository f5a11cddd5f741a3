//! Erasing people's data.

use std::fs;
use std::path::Path;

use chrono::DateTime;
use serde_json::json;

use super::{binding, folder, key};
use crate::ledger::{Change, How, Ledger, LedgerErrorKind, Parked, Parking, export};
use crate::{Alias, Cursor, Fate, Fingerprint, Key, Note, Reason, SqliteLedger, TargetId};

/// What must be nowhere afterwards.
const CANARY: &str = "anna.canary";

fn names() -> Vec<Alias> {
    vec![Alias::new("email", CANARY), Alias::new("phone", CANARY)]
}

fn fingerprint() -> Fingerprint {
    Fingerprint::of(CANARY.as_bytes())
}

fn settled(key: Key, fate: Fate, reason: Option<Reason>) -> Change {
    Change::Settle {
        key,
        stage: "contacts".into(),
        fate,
        fingerprint: Some(fingerprint()),
        target: Some(TargetId::new(CANARY)),
        reason,
        notes: vec![Note { code: "lost".into(), field: CANARY.into() }],
        attempts: 2,
        at: DateTime::UNIX_EPOCH,
    }
}

async fn fill(ledger: &dyn Ledger) {
    let (stage, at) = (|| "contacts".to_owned(), DateTime::UNIX_EPOCH);
    let done = |key: Key| Change::Done {
        key,
        stage: stage(),
        target: TargetId::new(CANARY),
        fingerprint: fingerprint(),
        how: How::Created,
        state: Some(fingerprint()),
        at,
    };
    let parked = Parked {
        key: key(3),
        stage: stage(),
        lane: Some(CANARY.into()),
        why: Parking::Doubt,
        since: at,
        not_before: at,
        looks: 0,
        drafts: json!([{ "email": CANARY }]),
        notes: Vec::new(),
    };
    let page = Change::Page {
        stage: stage(),
        pass: 1,
        keys: vec![key(1), key(2)],
        next: Some(Cursor::new(CANARY)),
        mark: Some(Cursor::new(CANARY)),
    };
    let meta = |name: &str, value| Change::Meta { name: name.into(), value: Some(value) };
    let changes = vec![
        Change::Begin { stage: stage(), pass: 1, since: None, at },
        Change::Aliases { key: key(1), stage: stage(), aliases: names() },
        done(key(1)),
        done(key(1).part("tag")),
        done(key(2)),
        Change::Undone { key: key(2), at },
        settled(key(1), Fate::Created, None),
        settled(key(2), Fate::Dead, Some(Reason::new("refused", CANARY))),
        settled(key(3), Fate::InDoubt, None),
        Change::Park(Box::new(parked)),
        Change::Before { key: key(1), image: json!({ "email": CANARY }) },
        Change::Discover { list: "calls".into(), item: CANARY.into() },
        meta("report", json!({ "id": 1 })),
        meta("other", json!(CANARY)),
        page,
        Change::Read { stage: stage() },
        Change::Finish { stage: stage(), at },
    ];
    ledger.commit(changes).await.unwrap();
}

/// Stands any of it in any file of the ledger?
fn holds(path: &Path) -> bool {
    let digests = names().into_iter().map(|it| it.as_bytes().to_vec());
    let digests = digests.chain([fingerprint().as_bytes().to_vec()]);
    let needles: Vec<Vec<u8>> = digests.chain([CANARY.as_bytes().to_vec()]).collect();
    let files = fs::read_dir(path.parent().unwrap()).unwrap();
    files.map(|file| fs::read(file.unwrap().path()).unwrap()).any(|bytes| {
        needles.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle))
    })
}

#[tokio::test]
async fn a_purged_ledger_keeps_the_proof_and_no_byte_of_people() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    fill(&ledger).await;
    let error = SqliteLedger::purge(&path, &binding(), &[], true).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Locked, "a run has it open");
    drop(ledger);
    assert!(holds(&path));
    let error = SqliteLedger::purge(&path, &binding(), &[], false).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Unfinished);
    assert!(error.to_string().contains("1 records"), "{error}");

    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    let unpark = Change::Unpark { key: key(3) };
    ledger.commit(vec![settled(key(3), Fate::Created, None), unpark]).await.unwrap();
    let (tally, stages) = (ledger.tally("contacts").await.unwrap(), ledger.stages().await.unwrap());
    let (proof, mut stage) =
        (ledger.proof("contacts", 1).await.unwrap(), ledger.stage("contacts").await.unwrap());
    drop(ledger);
    for _ in 0..2 {
        // Again, as after an interruption.
        SqliteLedger::purge(&path, &binding(), &["report", "absent"], false).unwrap();
        assert!(!holds(&path));
    }

    let error = SqliteLedger::open(&path, &binding()).unwrap_err();
    assert_eq!(error.kind(), LedgerErrorKind::Purged);
    assert!(error.to_string().contains("another state directory"), "{error}");
    let ledger = SqliteLedger::open_read_only(&path).unwrap();
    assert_eq!(ledger.tally("contacts").await.unwrap(), tally);
    assert_eq!(ledger.stages().await.unwrap(), stages);
    assert_eq!(ledger.proof("contacts", 1).await.unwrap(), proof);
    (stage.cursor, stage.mark) = (None, None);
    assert_eq!(ledger.stage("contacts").await.unwrap(), stage);
    let found = ledger.entries(&[key(2), key(4)]).await.unwrap();
    let reason = found[0].as_ref().unwrap().reason.as_ref().unwrap();
    assert_eq!((reason.code.as_str(), reason.message.as_str()), ("refused", ""));
    assert_eq!(found[1], None);
    assert_eq!(ledger.known_as(&names()).await.unwrap(), [vec![], vec![]]);
    assert_eq!(ledger.meta("report").await.unwrap(), Some(json!({ "id": 1 })));
    assert_eq!(ledger.meta("other").await.unwrap(), None);
    let mut lines = Vec::new();
    export(&ledger, &mut lines).await.unwrap();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 1 + 1 + 3);
    drop(ledger);
    let report = SqliteLedger::check(&path).unwrap();
    assert!(report.is_sound(), "{:?}", report.problems);
}

#[tokio::test]
async fn what_is_not_settled_is_purged_by_force_alone() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    fill(&ledger).await;
    drop(ledger);
    SqliteLedger::purge(&path, &binding(), &[], true).unwrap();
    assert!(!holds(&path));
    let ledger = SqliteLedger::open_read_only(&path).unwrap();
    assert_eq!(ledger.tally("contacts").await.unwrap().of(Fate::InDoubt), 1);
}
