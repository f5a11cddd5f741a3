//! Stages and their passes, and what belongs to the migration as a whole.

use serde_json::{Value, json};

use super::{contact, done, intent, settle, time, written};
use crate::ledger::{Change, How, Ledger, Proof, Scan, StageState};
use crate::{Cursor, Fate, Key, KeyDigest};

pub(super) async fn passes(ledger: &dyn Ledger) {
    assert_eq!(ledger.stage("contacts").await.unwrap(), StageState::default());
    ledger.commit(vec![settle(contact(1), Fate::Created)]).await.unwrap();
    assert_eq!(ledger.stage("contacts").await.unwrap(), StageState::default());

    let begin = |pass| Change::Begin { stage: "contacts".into(), pass, since: None, at: time(0) };
    ledger.commit(vec![begin(1), page(1, &[contact(1)], Some("p2"))]).await.unwrap();
    ledger.commit(vec![Change::Read { stage: "contacts".into() }]).await.unwrap();
    let mut expected = StageState {
        pass: 1,
        cursor: Some(Cursor::new("p2")),
        read: true,
        finished: false,
        keys: 1,
        digest: digest(&[contact(1)]),
        ..StageState::default()
    };
    assert_eq!(ledger.stage("contacts").await.unwrap(), expected);
    let finish = Change::Finish { stage: "contacts".into(), at: time(1) };
    ledger.commit(vec![finish]).await.unwrap();
    expected.finished = true;
    assert_eq!(ledger.stage("contacts").await.unwrap(), expected);

    ledger.commit(vec![begin(2)]).await.unwrap();
    let anew = StageState { pass: 2, ..StageState::default() };
    assert_eq!(ledger.stage("contacts").await.unwrap(), anew);
    assert_eq!(ledger.stage("leads").await.unwrap(), StageState::default());
}

pub(super) async fn pages(ledger: &dyn Ledger) {
    let keys = [contact(1), contact(2), contact(3)];
    ledger.commit(vec![settle(contact(1), Fate::Created)]).await.unwrap();
    ledger.commit(vec![page(7, &keys[..2], Some("next"))]).await.unwrap();
    let state = ledger.stage("contacts").await.unwrap();
    assert_eq!((state.keys, state.digest), (2, digest(&keys[..2])), "all keys count");
    assert_eq!(state.cursor, Some(Cursor::new("next")));
    let found = ledger.entries(&keys).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().seen, 7);
    assert_eq!(found[1], None, "a page makes no entries");

    ledger.commit(vec![page(7, &keys[2..], None)]).await.unwrap();
    let state = ledger.stage("contacts").await.unwrap();
    assert_eq!((state.keys, state.digest, state.cursor), (3, digest(&keys), None));
}

pub(super) async fn tallies(ledger: &dyn Ledger) {
    assert_eq!(ledger.tally("contacts").await.unwrap().total(), 0);
    let mut changes: Vec<_> =
        Fate::ALL.iter().copied().map(|fate| settle(contact(fate.name()), fate)).collect();
    changes.push(settle(contact("late"), Fate::Created));
    changes.push(intent(contact("begun"), 1));
    let mut seen: Vec<_> = Fate::ALL.iter().copied().map(|fate| contact(fate.name())).collect();
    changes.push(page(1, &[contact("late")], None));
    changes.push(page(2, &seen, None));
    ledger.commit(changes).await.unwrap();

    let tally = ledger.tally("contacts").await.unwrap();
    for &fate in Fate::ALL {
        let expected = if matches!(fate, Fate::Created | Fate::Pending) { 2 } else { 1 };
        assert_eq!(tally.of(fate), expected, "{}", fate.name());
    }
    seen.retain(|key| ![contact("in_doubt"), contact("pending")].contains(key));
    let proof = ledger.proof("contacts", 2).await.unwrap();
    assert_eq!(proof.digest, digest(&seen), "seen in this pass and final");
    assert_eq!(proof.keys, seen.len() as u64);
    let first = ledger.proof("contacts", 1).await.unwrap();
    assert_eq!((first.keys, first.digest), (1, digest(&[contact("late")])));
    assert_eq!(ledger.tally("leads").await.unwrap().total(), 0);
    assert_eq!(ledger.proof("leads", 2).await.unwrap(), Proof::default());
    assert_eq!(ledger.stages().await.unwrap(), ["contacts"]);
}

pub(super) async fn scanning(ledger: &dyn Ledger) {
    let all = Scan::of("contacts");
    assert_eq!(ledger.scan(&all).await.unwrap(), []);
    let other = Change::Intent {
        key: Key::new("lead", 1),
        stage: "leads".into(),
        draft: None,
        at: time(0),
    };
    ledger.commit(vec![settle(contact(9), Fate::Created), other]).await.unwrap();
    ledger.commit(vec![done(contact(4), written("t", How::Created, 0))]).await.unwrap();
    ledger.commit((5..8).map(|n| settle(contact(n), Fate::Dead)).collect()).await.unwrap();
    ledger.commit(vec![settle(contact(9), Fate::Updated)]).await.unwrap();

    let rows = ledger.scan(&all).await.unwrap();
    let keys: Vec<_> = rows.iter().map(|(_, it)| it.key.clone()).collect();
    assert_eq!(keys, [9, 4, 5, 6, 7].map(contact), "in the order of their first sight");
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0) && rows[0].0 > 0);
    assert_eq!(rows[0].1.fate, Fate::Updated);
    assert_eq!(rows[1].1.parts, [], "without parts");
    let of = async |scan: Scan| ledger.scan(&scan).await.unwrap();
    assert_eq!(of(all.clone().after(rows[1].0).limit(2)).await, rows[2..4]);
    assert_eq!(of(all.clone().after(rows[4].0)).await, []);
    assert_eq!(of(all.clone().after(u64::MAX)).await, []);
    assert_eq!(of(all.clone().limit(0)).await, []);
    assert_eq!(of(all.clone().limit(usize::MAX)).await, rows);
    assert_eq!(of(Scan::of("leads")).await.len(), 1);
    assert_eq!(of(all.clone().with(Fate::Dead)).await, rows[2..]);
    assert_eq!(of(all.clone().with(Fate::Dead).limit(1)).await, rows[2..3]);
    assert_eq!(of(all.clone().with(Fate::Queued)).await, []);

    let newest: Vec<_> = rows.iter().rev().cloned().collect();
    assert_eq!(of(all.clone().newest_first()).await, newest);
    assert_eq!(of(all.clone().newest_first().after(rows[3].0).limit(2)).await, newest[2..4]);

    ledger.commit(vec![page(1, &[contact(4), contact(6)], None)]).await.unwrap();
    let unseen = of(all.unseen_in(1)).await;
    let keys: Vec<_> = unseen.iter().map(|(_, it)| it.key.clone()).collect();
    assert_eq!(keys, [9, 5, 7].map(contact));
}

pub(super) async fn discoveries(ledger: &dyn Ledger) {
    let found = |list: &str, item: &str| Change::Discover { list: list.into(), item: item.into() };
    ledger
        .commit(vec![found("calls", "9"), found("files", "9"), found("calls", "1")])
        .await
        .unwrap();
    ledger.commit(vec![found("calls", "9"), found("calls", "5")]).await.unwrap();
    let rows = ledger.discovered("calls", 0, 9).await.unwrap();
    let items: Vec<_> = rows.iter().map(|(_, item)| item.as_str()).collect();
    assert_eq!(items, ["9", "1", "5"], "once each, as they were first made");
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0) && rows[0].0 > 0);
    assert_eq!(ledger.discovered("calls", 0, 1).await.unwrap(), rows[..1]);
    assert_eq!(ledger.discovered("calls", rows[0].0, 9).await.unwrap(), rows[1..]);
    assert_eq!(ledger.discovered("calls", rows[2].0, 9).await.unwrap(), []);
    assert_eq!(ledger.discovered("files", 0, 9).await.unwrap().len(), 1);
    assert_eq!(ledger.discovered("nothing", 0, 9).await.unwrap(), []);
}

pub(super) async fn before_images(ledger: &dyn Ledger) {
    let before = |key: &Key, image: Value| Change::Before { key: key.clone(), image };
    let (root, part) = (contact(1), contact(1).part("tag"));
    assert_eq!(ledger.before(&root).await.unwrap(), None);
    let image = json!({ "name": "Old", "custom": { "n": 7, "x": [1.25, null, true] } });
    ledger.commit(vec![before(&root, image.clone()), before(&part, Value::Null)]).await.unwrap();
    ledger.commit(vec![before(&root, json!({})), before(&part, json!(1))]).await.unwrap();
    assert_eq!(ledger.before(&root).await.unwrap(), Some(image), "the first stays");
    assert_eq!(ledger.before(&part).await.unwrap(), Some(Value::Null));

    let void = |key: &Key| Change::VoidBefore { key: key.clone() };
    ledger.commit(vec![void(&root), void(&contact(2))]).await.unwrap();
    assert_eq!(ledger.before(&root).await.unwrap(), None, "what was void is gone");
    assert_eq!(ledger.before(&part).await.unwrap(), Some(Value::Null), "and nothing else");
    ledger.commit(vec![before(&root, json!(2))]).await.unwrap();
    assert_eq!(ledger.before(&root).await.unwrap(), Some(json!(2)), "another may follow");
}

pub(super) async fn meta(ledger: &dyn Ledger) {
    let set = |name: &str, value: Option<Value>| Change::Meta { name: name.into(), value };
    assert_eq!(ledger.meta("run").await.unwrap(), None);
    ledger
        .commit(vec![set("run", Some(json!({ "id": 1 }))), set("n", Some(Value::Null))])
        .await
        .unwrap();
    assert_eq!(ledger.meta("run").await.unwrap(), Some(json!({ "id": 1 })));
    assert_eq!(ledger.meta("n").await.unwrap(), Some(Value::Null), "null is a value");
    ledger.commit(vec![set("run", Some(json!(2))), set("n", None)]).await.unwrap();
    assert_eq!(ledger.meta("run").await.unwrap(), Some(json!(2)));
    assert_eq!(ledger.meta("n").await.unwrap(), None);
}

fn page(pass: u32, keys: &[Key], next: Option<&str>) -> Change {
    let (stage, next) = ("contacts".into(), next.map(Cursor::new));
    Change::Page { stage, pass, keys: keys.to_vec(), next, mark: None }
}

fn digest(keys: &[Key]) -> KeyDigest {
    let mut digest = KeyDigest::default();
    keys.iter().for_each(|key| digest.add(key));
    digest
}
