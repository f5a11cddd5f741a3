//! What undo and readings of changes need: history, forgetting, marks, and what is dropped.

use chrono::DateTime;
use serde_json::json;

use super::{
    contact, done, email, entry, fingerprint, intent, is_intended, park, settle, time, written,
};
use crate::ledger::{
    Change, Entry, ExportOptions, How, Ledger, Parking, Past, Scan, StageState, UNREADABLE,
    export_with,
};
use crate::{Cursor, Fate, Key, Reason, TargetId};

fn undone(key: &Key, at: i64) -> Change {
    Change::Undone { key: key.clone(), at: time(at) }
}

fn forget(key: &Key, at: i64) -> Change {
    Change::Forget { key: key.clone(), at: time(at) }
}

fn before(key: &Key) -> Change {
    Change::Before { key: key.clone(), image: json!({ "of": key }) }
}

fn past(key: &Key, was: &str, how: How, at: i64, undone_at: i64) -> Past {
    Past {
        key: key.clone(),
        stage: "contacts".into(),
        written: written(was, how, at),
        undone_at: time(undone_at),
    }
}

async fn history(ledger: &dyn Ledger) -> Vec<Past> {
    let rows = ledger.history(0, usize::MAX).await.unwrap();
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0) && rows.first().is_none_or(|row| row.0 > 0));
    rows.into_iter().map(|(_, past)| past).collect()
}

pub(super) async fn undoing(ledger: &dyn Ledger) {
    let (root, tag, note) = (contact(1), contact(1).part("tag"), contact(1).part("note"));
    ledger.commit(vec![undone(&root, 1), undone(&tag, 1)]).await.unwrap();
    assert_eq!(history(ledger).await, []);
    assert_eq!(entry(ledger, &root).await, None, "to undo nothing makes nothing");

    let begun = vec![
        done(root.clone(), written("t1", How::Created, 1)),
        done(tag.clone(), written("tag", How::Updated, 2)),
        intent(note.clone(), 3),
        before(&root),
        before(&tag),
        before(&note),
    ];
    ledger.commit(begun).await.unwrap();
    ledger.commit(vec![undone(&tag, 5), undone(&note, 6)]).await.unwrap();
    let tag_is_past = past(&tag, "tag", How::Updated, 2, 5);
    assert_eq!(history(ledger).await, std::slice::from_ref(&tag_is_past), "no intent is undone");
    let found = entry(ledger, &root).await.unwrap();
    assert_eq!(found.part(&tag), None);
    assert_eq!(found.part(&note), Some(&is_intended(note.clone(), 3, None)));
    assert_eq!(found.target, Some(TargetId::new("t1")));
    assert_eq!(ledger.before(&tag).await.unwrap(), None);
    assert!(ledger.before(&note).await.unwrap().is_some(), "it was not undone");

    // The record's own write takes its target with it; all else stays as it was.
    ledger.commit(vec![undone(&root, 7), undone(&root, 8)]).await.unwrap();
    let found = entry(ledger, &root).await.unwrap();
    assert_eq!((found.target, found.at, found.parts.len()), (None, time(1), 1));
    let root_is_past = past(&root, "t1", How::Created, 1, 7);
    assert_eq!(history(ledger).await, [tag_is_past.clone(), root_is_past.clone()]);
    assert_eq!(ledger.before(&root).await.unwrap(), None);

    // A write that was done, undone and done again is a new one: nothing is kept of the first.
    ledger.commit(vec![done(tag.clone(), written("tag", How::Created, 9))]).await.unwrap();
    ledger.commit(vec![undone(&tag, 10)]).await.unwrap();
    let again = past(&tag, "tag", How::Created, 9, 10);
    let all = [tag_is_past, root_is_past, again];
    assert_eq!(history(ledger).await, all);

    let rows = ledger.history(0, 2).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(ledger.history(rows[1].0, 9).await.unwrap()[0].1, all[2]);
    assert_eq!(ledger.history(u64::MAX, 9).await.unwrap(), []);
    assert_eq!(ledger.history(0, 0).await.unwrap(), []);
}

pub(super) async fn intended_again(ledger: &dyn Ledger) {
    let root = contact(1);
    ledger.commit(vec![done(root.clone(), written("t1", How::Created, 1))]).await.unwrap();
    ledger.commit(vec![intent(root.clone(), 2), undone(&root, 3)]).await.unwrap();
    assert_eq!(history(ledger).await, [], "what may be under way is not known as done");
    let known = Some(written("t1", How::Created, 1));
    let expected = [is_intended(root.clone(), 2, known)];
    assert_eq!(entry(ledger, &root).await.unwrap().parts, expected);
}

pub(super) async fn forgetting(ledger: &dyn Ledger) {
    ledger.commit(vec![forget(&contact(9), 1)]).await.unwrap();
    assert_eq!(ledger.stages().await.unwrap(), Vec::<String>::new());
    let (root, tag, note) = (contact(1), contact(1).part("tag"), contact(1).part("note"));
    let aliases = |n: u32| Change::Aliases {
        key: contact(n),
        stage: "contacts".into(),
        aliases: vec![email(1), email(n)],
    };
    let made = vec![
        aliases(1),
        aliases(2),
        done(tag.clone(), written("tag", How::Created, 2)),
        intent(note.clone(), 3),
        done(root.clone(), written("t1", How::Updated, 1)),
        settle(root.clone(), Fate::Created),
        park(1, Parking::LastLook),
        before(&tag),
        before(&note),
    ];
    ledger.commit(made).await.unwrap();
    ledger.commit(vec![forget(&root, 4)]).await.unwrap();
    assert_eq!(entry(ledger, &root).await, None);
    let known = ledger.known_as(&[email(1), email(2)]).await.unwrap();
    let second = Entry::pending(contact(2), "contacts");
    assert_eq!(known, [vec![second.clone()], vec![second]]);
    assert_eq!(ledger.parked_among(std::slice::from_ref(&root)).await.unwrap(), []);
    assert_eq!(ledger.parked("contacts", Parking::LastLook, 0, 9).await.unwrap(), []);
    let expected = [past(&tag, "tag", How::Created, 2, 4), past(&root, "t1", How::Updated, 1, 4)];
    assert_eq!(history(ledger).await, expected, "in the order in which they were first made");
    assert_eq!(ledger.before(&tag).await.unwrap(), None);
    assert!(ledger.before(&note).await.unwrap().is_some());
    assert_eq!(ledger.tally("contacts").await.unwrap().total(), 1);
    assert_eq!(ledger.scan(&Scan::of("contacts")).await.unwrap().len(), 1);
    assert_eq!(ledger.stages().await.unwrap(), ["contacts"], "a stage stays heard of");

    // Met again it is new, behind those that are there.
    ledger.commit(vec![settle(root.clone(), Fate::Skipped)]).await.unwrap();
    let rows = ledger.scan(&Scan::of("contacts")).await.unwrap();
    let keys: Vec<_> = rows.into_iter().map(|(_, it)| it.key).collect();
    assert_eq!(keys, [contact(2), root.clone()]);
    let anew =
        Entry { fate: Fate::Skipped, at: time(0), ..Entry::pending(root.clone(), "contacts") };
    assert_eq!(entry(ledger, &root).await, Some(anew));

    // Forgotten and met again within one commit.
    let both = vec![forget(&root, 5), intent(tag.clone(), 6), forget(&contact(2), 7)];
    ledger.commit(both).await.unwrap();
    assert_eq!(entry(ledger, &root).await.unwrap().parts, [is_intended(tag, 6, None)]);
    assert_eq!(ledger.tally("contacts").await.unwrap().of(Fate::Pending), 1);
}

pub(super) async fn marks(ledger: &dyn Ledger) {
    let stage = || "contacts".to_owned();
    let mark = |text: &str| Some(Cursor::new(text));
    let begin = |pass, since: Option<&str>| Change::Begin {
        stage: stage(),
        pass,
        since: since.map(Cursor::new),
        at: time(pass.into()),
    };
    let page = |mark: Option<&str>| Change::Page {
        stage: stage(),
        pass: 1,
        keys: Vec::new(),
        next: None,
        mark: mark.map(Cursor::new),
    };
    let finish = || Change::Finish { stage: stage(), at: time(9) };
    let now = async || ledger.stage("contacts").await.unwrap();

    ledger
        .commit(vec![begin(1, None), page(None), page(Some("a")), page(Some("b"))])
        .await
        .unwrap();
    assert_eq!(now().await.mark, None, "it counts when the pass is finished");
    ledger.commit(vec![finish()]).await.unwrap();
    assert_eq!(now().await.mark, mark("a"), "the first of a pass counts");

    ledger.commit(vec![begin(2, Some("a")), page(Some("c"))]).await.unwrap();
    let expected = StageState { pass: 2, partial: true, mark: mark("a"), ..StageState::default() };
    assert_eq!(now().await, expected);
    ledger.commit(vec![begin(3, Some("a"))]).await.unwrap();
    assert_eq!(now().await.cursor, mark("a"), "reading begins there");
    ledger.commit(vec![finish()]).await.unwrap();
    assert_eq!(now().await.mark, mark("a"), "a pass that was given up leaves none");

    ledger.commit(vec![begin(4, None), page(Some("d")), finish()]).await.unwrap();
    let state = now().await;
    assert_eq!((state.mark, state.partial, state.finished), (mark("d"), false, true));
    ledger.commit(vec![begin(5, None), finish()]).await.unwrap();
    assert_eq!(now().await.mark, mark("d"), "where the source tells nothing, the last stays");
}

pub(super) async fn mended_rows(ledger: &dyn Ledger) {
    let stage = || "contacts".to_owned();
    let dead = |key: Key, code: &str| Change::Settle {
        key,
        stage: stage(),
        fate: Fate::Dead,
        fingerprint: Some(fingerprint("a")),
        target: None,
        reason: Some(Reason::new(code, "it cannot be read")),
        notes: Vec::new(),
        attempts: 0,
        at: time(1),
    };
    let row = |n: u32| Key::from(format!("a.csv:{n}"));
    let begin =
        |pass, since| Change::Begin { stage: stage(), pass, since, at: time(i64::from(pass)) };
    let page = |pass, keys: &[Key]| Change::Page {
        stage: stage(),
        pass,
        keys: keys.to_vec(),
        next: None,
        mark: None,
    };
    let finish = || Change::Finish { stage: stage(), at: time(3) };
    let aliases = Change::Aliases { key: row(1), stage: stage(), aliases: vec![email(1)] };
    let first = vec![
        begin(1, None),
        dead(row(1), UNREADABLE),
        dead(row(2), UNREADABLE),
        dead(row(3), "refused"),
        aliases,
        page(1, &[row(1), row(2), row(3)]),
        finish(),
    ];
    ledger.commit(first).await.unwrap();
    let tally = async || ledger.tally("contacts").await.unwrap().of(Fate::Dead);
    assert_eq!(tally().await, 3);

    let changes_alone = vec![begin(2, Some(Cursor::new("a"))), finish()];
    ledger.commit(changes_alone).await.unwrap();
    assert_eq!(tally().await, 3, "what was not read again may be as it was");

    // One of them is dead in the same commit in which the pass is finished.
    let all = vec![begin(3, None), dead(row(2), UNREADABLE), page(3, &[row(2)]), finish()];
    ledger.commit(all).await.unwrap();
    let found = ledger.entries(&[row(1), row(2), row(3)]).await.unwrap();
    let there: Vec<bool> = found.iter().map(Option::is_some).collect();
    assert_eq!(there, [false, true, true]);
    assert_eq!(ledger.known_as(&[email(1)]).await.unwrap(), [vec![]]);
    assert_eq!(tally().await, 2);
}

pub(super) async fn stages_heard_of(ledger: &dyn Ledger) {
    let heard = async || ledger.stages().await.unwrap();
    let settled = |n: u32, stage: &str| Change::Settle {
        key: contact(n),
        stage: stage.into(),
        fate: Fate::Created,
        fingerprint: None,
        target: None,
        reason: None,
        notes: Vec::new(),
        attempts: 0,
        at: time(0),
    };
    ledger.stage("asked").await.unwrap();
    assert_eq!(heard().await, Vec::<String>::new(), "to ask is not to tell");
    ledger.commit(vec![Change::Read { stage: "z".into() }, settled(1, "a")]).await.unwrap();
    assert_eq!(heard().await, ["z", "a"], "in that order");
    // An entry that moves makes its stage heard of, and the one it leaves stays so.
    let other = Change::Aliases { key: contact(1), stage: "other".into(), aliases: vec![email(1)] };
    ledger.commit(vec![settled(1, "other"), other]).await.unwrap();
    assert_eq!(heard().await, ["z", "a", "other"]);
    ledger.commit(vec![park(1, Parking::Group)]).await.unwrap();
    let finish = Change::Finish { stage: "f".into(), at: time(0) };
    let begin = Change::Begin { stage: "b".into(), pass: 1, since: None, at: time(0) };
    ledger.commit(vec![finish, begin]).await.unwrap();
    assert_eq!(heard().await, ["z", "a", "other", "contacts", "f", "b"]);
}

/// Whatever is in a ledger, its export says it, and holds people's data only where asked for.
pub(super) async fn exporting(ledger: &dyn Ledger) {
    let (root, tag) = (contact(1), contact(1).part("tag"));
    let made = vec![
        done(root.clone(), written("t1", How::Created, 1)),
        settle(root.clone(), Fate::Created),
        intent(tag.clone(), 2),
        before(&tag),
        park(2, Parking::Doubt),
        done(contact(3), written("t3", How::Updated, 4)),
        undone(&contact(3), 5),
    ];
    ledger.commit(made).await.unwrap();
    let lines = async |options: ExportOptions| {
        let mut bytes = Vec::new();
        export_with(ledger, options, &mut bytes).await.unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let at = |n| serde_json::to_value::<DateTime<_>>(time(n)).unwrap();
    let expected = [
        json!({ "export": "ledger", "version": 1 }),
        json!({ "kind": "stage", "name": "contacts", "pass": 0, "read": false, "finished": false,
            "keys": 0, "digest": "00000000000000000000000000000000", "partial": false,
            "tally": { "created": 1, "updated": 0, "unchanged": 0, "merged": 0, "queued": 0,
                "skipped": 0, "inventoried": 0, "dead": 0, "in_doubt": 0, "pending": 2 } }),
        json!({ "kind": "entry", "key": root, "stage": "contacts", "fate": "created",
            "target": "t1", "attempts": 0, "seen": 0, "at": at(0), "parts": [
                { "key": root, "written": { "target": "t1", "how": "created", "at": at(1),
                    "fingerprint": format!("{:?}", fingerprint("t1")),
                    "state": format!("{:?}", fingerprint("state")) } },
                { "key": tag, "intended_at": at(2) }] }),
        json!({ "kind": "entry", "key": contact(2), "stage": "contacts", "fate": "pending",
            "attempts": 0, "seen": 0, "at": DateTime::UNIX_EPOCH }),
        json!({ "kind": "entry", "key": contact(3), "stage": "contacts", "fate": "pending",
            "attempts": 0, "seen": 0, "at": at(4) }),
        json!({ "kind": "parked", "key": contact(2), "stage": "contacts", "why": "doubt",
            "since": at(1), "not_before": at(2), "looks": 0 }),
        json!({ "kind": "undone", "key": contact(3), "stage": "contacts", "undone_at": at(5),
            "written": { "target": "t3", "how": "updated", "at": at(4),
                "fingerprint": format!("{:?}", fingerprint("t3")) } }),
    ];
    let text = lines(ExportOptions::default()).await;
    let found: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(found, expected);
    assert!(!text.contains("drafts") && !text.contains(r#""kind":"before""#));
    let whole = lines(ExportOptions::default().drafts().before_images()).await;
    let image = format!(r#"{{"kind":"before","key":"{tag}","image":{{"of":"{tag}"}}}}"#);
    assert!(whole.contains(&image) && whole.contains(r#""drafts":{}"#), "{whole}");
}
