//! Entries, their writes, their aliases, and records that wait.

use chrono::DateTime;
use serde_json::json;

use super::{
    contact, done, email, entry, fingerprint, intent, is_done, is_intended, park, parked, settle,
    time, written,
};
use crate::ledger::{Change, Entry, How, Ledger, Parked, Parking, Scan};
use crate::{Fate, Key, KeyDigest, Note, Reason, TargetId};

pub(super) async fn settling(ledger: &dyn Ledger) {
    assert_eq!(entry(ledger, &contact(1)).await, None);
    let note = Note { code: "invalid_email".into(), field: "email".into() };
    let reason =
        Reason::new("shared_email", "two share it").field("email").remedy("ops", "part them");
    let whole = Change::Settle {
        key: contact(1),
        stage: "contacts".into(),
        fate: Fate::Queued,
        fingerprint: Some(fingerprint("a")),
        target: Some(TargetId::new("t1")),
        reason: Some(reason.clone()),
        notes: vec![note.clone()],
        attempts: 3,
        at: time(1),
    };
    ledger.commit(vec![whole]).await.unwrap();
    let expected = Entry {
        fate: Fate::Queued,
        fingerprint: Some(fingerprint("a")),
        target: Some(TargetId::new("t1")),
        reason: Some(reason),
        notes: vec![note],
        attempts: 3,
        at: time(1),
        ..Entry::pending(contact(1), "contacts")
    };
    assert_eq!(entry(ledger, &contact(1)).await, Some(expected));

    // What is not given stays, save the reason and the notes.
    ledger.commit(vec![settle(contact(1), Fate::Updated)]).await.unwrap();
    let expected = Entry {
        fate: Fate::Updated,
        fingerprint: Some(fingerprint("a")),
        target: Some(TargetId::new("t1")),
        at: time(0),
        ..Entry::pending(contact(1), "contacts")
    };
    assert_eq!(entry(ledger, &contact(1)).await, Some(expected));

    for &fate in Fate::ALL {
        ledger.commit(vec![settle(contact(fate.name()), fate)]).await.unwrap();
        assert_eq!(entry(ledger, &contact(fate.name())).await.unwrap().fate, fate);
    }
    let asked = [contact("dead"), contact("nobody"), contact(1), contact("dead")];
    let found = ledger.entries(&asked).await.unwrap();
    let found: Vec<_> = found.into_iter().map(|it| it.map(|entry| entry.key)).collect();
    assert_eq!(found, [Some(contact("dead")), None, Some(contact(1)), Some(contact("dead"))]);
}

/// A record that another stage brings now: it moves there with all that is known of it.
pub(super) async fn moving(ledger: &dyn Ledger) {
    let (key, other) = (contact(1), || "leads".to_owned());
    let page = |stage: &str, pass| Change::Page {
        stage: stage.into(),
        pass,
        keys: vec![contact(1)],
        next: None,
        mark: None,
    };
    let aliases =
        Change::Aliases { key: key.clone(), stage: "contacts".into(), aliases: vec![email(1)] };
    let begin = Change::Begin { stage: "contacts".into(), pass: 1, since: None, at: time(1) };
    let made = done(key.clone(), written("t1", How::Created, 1));
    ledger.commit(vec![begin, made, aliases]).await.unwrap();
    ledger.commit(vec![settle(key.clone(), Fate::Created), page("contacts", 1)]).await.unwrap();
    ledger.commit(vec![settle(contact(2), Fate::Created), park(1, Parking::Retry)]).await.unwrap();

    assert_eq!(ledger.stage("contacts").await.unwrap().keys, 1);
    let again = Change::Intent { key: key.part("note"), stage: other(), draft: None, at: time(2) };
    ledger.commit(vec![again]).await.unwrap();
    let left = ledger.stage("contacts").await.unwrap();
    assert_eq!((left.keys, left.digest), (0, KeyDigest::default()), "it is counted out again");
    let moved = entry(ledger, &key).await.unwrap();
    assert_eq!((&*moved.stage, moved.fate, moved.seen), ("leads", Fate::Created, 0));
    assert_eq!(moved.target, Some(TargetId::new("t1")));
    assert_eq!(moved.parts.len(), 2);
    assert_eq!(ledger.known_as(&[email(1)]).await.unwrap()[0][0].key, key);
    assert_eq!(
        ledger.parked_among(std::slice::from_ref(&key)).await.unwrap(),
        [],
        "drafted for another stage"
    );
    for (stage, count) in [("contacts", 1), ("leads", 1)] {
        assert_eq!(ledger.tally(stage).await.unwrap().of(Fate::Created), count, "{stage}");
        assert_eq!(ledger.scan(&Scan::of(stage)).await.unwrap().len(), count as usize, "{stage}");
    }
    assert_eq!(ledger.stages().await.unwrap(), ["contacts", "leads"]);

    // Its pass is that of the stage it is in.
    assert_eq!(ledger.proof("leads", 1).await.unwrap().keys, 0);
    ledger.commit(vec![page("leads", 1)]).await.unwrap();
    assert_eq!(ledger.proof("leads", 1).await.unwrap().keys, 1);
    assert_eq!(ledger.proof("contacts", 1).await.unwrap().keys, 0);
    ledger.commit(vec![settle(key.clone(), Fate::Updated)]).await.unwrap();
    assert_eq!(entry(ledger, &key).await.unwrap().stage, "contacts", "and back");
    assert_eq!(ledger.tally("leads").await.unwrap(), crate::Tally::default());
}

pub(super) async fn writes(ledger: &dyn Ledger) {
    let (root, note, tag) = (contact(1), contact(1).part("note:1"), contact(1).part("tag"));
    ledger.commit(vec![intent(root.clone(), 1)]).await.unwrap();
    let expected = Entry {
        at: time(1),
        parts: vec![is_intended(root.clone(), 1, None)],
        ..Entry::pending(contact(1), "contacts")
    };
    assert_eq!(entry(ledger, &root).await, Some(expected));

    let own = written("t1", How::Created, 2);
    ledger.commit(vec![done(root.clone(), own.clone())]).await.unwrap();
    let tagged = written("tag-7", How::Unchanged, 3);
    ledger.commit(vec![done(tag.clone(), tagged.clone())]).await.unwrap();
    ledger.commit(vec![intent(note.clone(), 4)]).await.unwrap();
    let expected = Entry {
        target: Some(TargetId::new("t1")),
        at: time(2),
        parts: vec![
            is_done(root.clone(), own),
            is_done(tag.clone(), tagged),
            is_intended(note.clone(), 4, None),
        ],
        ..Entry::pending(contact(1), "contacts")
    };
    let found = entry(ledger, &root).await.unwrap();
    assert_eq!(found, expected, "parts stand in the order they were first made");
    assert_eq!(found.part(&note), Some(&is_intended(note.clone(), 4, None)));
    assert_eq!(entry(ledger, &note).await, None, "a part has no entry of its own");

    // The write of a part alone makes the record's entry, without a target.
    ledger.commit(vec![done(contact(2).part("x"), written("p", How::Updated, 5))]).await.unwrap();
    let found = entry(ledger, &contact(2)).await.unwrap();
    assert_eq!((found.fate, found.target, found.at), (Fate::Pending, None, time(5)));
}

pub(super) async fn doing_again(ledger: &dyn Ledger) {
    let (root, note) = (contact(1), contact(1).part("note:1"));
    let first = written("n1", How::Created, 1);
    ledger.commit(vec![done(root.clone(), written("t1", How::Updated, 0))]).await.unwrap();
    ledger.commit(vec![done(note.clone(), first.clone())]).await.unwrap();
    ledger.commit(vec![intent(note.clone(), 2)]).await.unwrap();
    ledger.commit(vec![intent(note.clone(), 3)]).await.unwrap();
    let found = entry(ledger, &root).await.unwrap();
    let expected = is_intended(note.clone(), 2, Some(first));
    assert_eq!(found.part(&note), Some(&expected), "an intent that stands keeps its time");

    ledger.commit(vec![done(note.clone(), written("n2", How::Updated, 4))]).await.unwrap();
    ledger.commit(vec![done(root.clone(), written("t2", How::Unchanged, 5))]).await.unwrap();
    let found = entry(ledger, &root).await.unwrap();
    let expected = [
        is_done(root.clone(), written("t2", How::Updated, 5)),
        is_done(note.clone(), written("n2", How::Created, 4)),
    ];
    assert_eq!(found.parts, expected, "what was created or changed stays so, and the order");
    assert_eq!((found.target, found.at), (Some(TargetId::new("t2")), time(5)));

    let tag = root.part("tag");
    for (how, becomes) in [
        (How::Unchanged, How::Unchanged),
        (How::Updated, How::Updated),
        (How::Unchanged, How::Updated),
        (How::Created, How::Updated),
    ] {
        ledger.commit(vec![done(tag.clone(), written("tag", how, 6))]).await.unwrap();
        let found = entry(ledger, &root).await.unwrap();
        assert_eq!(found.part(&tag), Some(&is_done(tag.clone(), written("tag", becomes, 6))));
    }
}

pub(super) async fn voiding(ledger: &dyn Ledger) {
    let (root, note, tag) = (contact(1), contact(1).part("note:1"), contact(1).part("tag"));
    let void = |key: &Key| vec![Change::Void { key: key.clone() }];
    ledger.commit(void(&root)).await.unwrap();
    assert_eq!(entry(ledger, &root).await, None, "to void nothing makes nothing");

    let own = written("t1", How::Created, 2);
    ledger.commit(vec![intent(note.clone(), 0), intent(tag.clone(), 0)]).await.unwrap();
    ledger.commit(vec![done(root.clone(), own.clone()), intent(root.clone(), 3)]).await.unwrap();
    ledger.commit(void(&note)).await.unwrap();
    ledger.commit(void(&root)).await.unwrap();
    let found = entry(ledger, &root).await.unwrap();
    let expected = [is_intended(tag.clone(), 0, None), is_done(root.clone(), own.clone())];
    assert_eq!(found.parts, expected, "a new write is gone, a former one is as it was");

    ledger.commit(void(&root)).await.unwrap();
    assert_eq!(entry(ledger, &root).await.unwrap().parts, expected, "what is done stays done");

    ledger.commit(vec![intent(note.clone(), 9)]).await.unwrap();
    let found = entry(ledger, &root).await.unwrap();
    assert_eq!(found.parts[2], is_intended(note, 9, None), "as if it had never been");
}

pub(super) async fn aliases(ledger: &dyn Ledger) {
    let name = |n: u32, aliases: &[u32]| Change::Aliases {
        key: contact(n),
        stage: "contacts".into(),
        aliases: aliases.iter().map(email).collect(),
    };
    ledger.commit(vec![name(1, &[1, 2, 2]), name(2, &[2])]).await.unwrap();
    ledger.commit(vec![done(contact(2), written("t2", How::Created, 1))]).await.unwrap();

    let fresh = Entry::pending(contact(1), "contacts");
    assert_eq!(fresh.at, DateTime::UNIX_EPOCH);
    assert_eq!(entry(ledger, &contact(1)).await, Some(fresh.clone()));
    let known = ledger.known_as(&[email(3), email(2), email(1)]).await.unwrap();
    assert_eq!(known[0], []);
    assert_eq!(known[1].len(), 2);
    assert_eq!(known[1][0], fresh);
    assert_eq!(known[1][1].target, Some(TargetId::new("t2")));
    assert_eq!(known[1][1].parts, [], "without parts");
    assert_eq!(known[2], [fresh]);

    let of = async |keys: &[crate::Key]| {
        let mut found = ledger.aliases(keys).await.unwrap();
        found.iter_mut().for_each(|aliases| aliases.sort_unstable());
        found
    };
    let mut both = vec![email(1), email(2)];
    both.sort_unstable();
    let asked = [contact(2), contact(9), contact(1)];
    assert_eq!(of(&asked).await, [vec![email(2)], vec![], both], "each once, in the order asked");

    ledger.commit(vec![name(1, &[3])]).await.unwrap();
    assert_eq!(of(&[contact(1)]).await, [[email(3)]], "those that were last given");
    let known = ledger.known_as(&[email(1), email(2), email(3)]).await.unwrap();
    let keys: Vec<Vec<_>> =
        known.into_iter().map(|them| them.into_iter().map(|it| it.key).collect()).collect();
    assert_eq!(keys, [vec![], vec![contact(2)], vec![contact(1)]], "they replace the old ones");
}

pub(super) async fn parking(ledger: &dyn Ledger) {
    let whole = Parked {
        lane: Some("lane".into()),
        looks: 4,
        drafts: json!([{ "name": "Zoë \u{1F642}", "n": 1.5, "none": null }]),
        notes: vec![Note { code: "lost".into(), field: "fax".into() }],
        ..parked(1, Parking::Doubt)
    };
    ledger.commit(vec![Change::Park(Box::new(whole.clone()))]).await.unwrap();
    let pending = Entry::pending(contact(1), "contacts");
    assert_eq!(entry(ledger, &contact(1)).await, Some(pending), "its entry is made");
    let found = ledger.parked_among(&[contact(2), contact(1)]).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&whole));
    let rows = ledger.parked("contacts", Parking::Doubt, 0, 9).await.unwrap();
    assert_eq!(rows, [(rows[0].0, whole)]);

    ledger.commit(vec![settle(contact(1), Fate::InDoubt), park(1, Parking::Retry)]).await.unwrap();
    assert_eq!(entry(ledger, &contact(1)).await.unwrap().fate, Fate::InDoubt);
    let replaced = parked(1, Parking::Retry);
    assert_eq!(ledger.parked_among(&[contact(1)]).await.unwrap(), [replaced]);
    assert_eq!(ledger.parked("contacts", Parking::Doubt, 0, 9).await.unwrap(), []);

    ledger.commit(vec![Change::Unpark { key: contact(1) }]).await.unwrap();
    assert_eq!(ledger.parked_among(&[contact(1)]).await.unwrap(), []);
    assert_eq!(ledger.parked("contacts", Parking::Retry, 0, 9).await.unwrap(), []);
    ledger.commit(vec![Change::Unpark { key: contact(1) }]).await.unwrap();

    for &why in Parking::ALL {
        ledger.commit(vec![park(1, why)]).await.unwrap();
        let rows = ledger.parked("contacts", why, 0, 9).await.unwrap();
        assert_eq!(rows.len(), 1, "{}", why.name());
    }
}

pub(super) async fn parked_rows(ledger: &dyn Ledger) {
    let all = (1..=5).map(|n| park(n, Parking::Group));
    ledger.commit(all.collect()).await.unwrap();
    // To be parked anew keeps a record's place; to leave and come back loses it.
    ledger.commit(vec![park(2, Parking::Group)]).await.unwrap();
    ledger.commit(vec![Change::Unpark { key: contact(5) }]).await.unwrap();
    ledger.commit(vec![Change::Unpark { key: contact(1) }]).await.unwrap();
    let last = ledger.parked("contacts", Parking::Group, 0, 9).await.unwrap()[2].0;
    ledger.commit(vec![park(1, Parking::Group)]).await.unwrap();

    let rows = ledger.parked("contacts", Parking::Group, 0, 9).await.unwrap();
    let keys: Vec<_> = rows.iter().map(|(_, it)| it.key.clone()).collect();
    assert_eq!(keys, [contact(2), contact(3), contact(4), contact(1)]);
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "rows grow");
    assert!(rows[3].0 > last + 1, "a row is never given out twice");
    assert_eq!(ledger.parked("contacts", Parking::Group, 0, 2).await.unwrap(), rows[..2]);
    assert_eq!(ledger.parked("contacts", Parking::Group, rows[1].0, 1).await.unwrap(), rows[2..3]);
    assert_eq!(ledger.parked("contacts", Parking::Group, rows[3].0, 9).await.unwrap(), []);
    assert_eq!(ledger.parked("leads", Parking::Group, 0, 9).await.unwrap(), []);
}

pub(super) async fn odd_text(ledger: &dyn Ledger) {
    // The last is the key of a row that could not be read: it names a file and is no part.
    let odd =
        ["contact:a'b\"c", "contact:%_\\", "contact:Ä\u{1F642}", "contact:", "", "in/a.csv:7"];
    for key in odd.map(Key::from) {
        ledger.commit(vec![settle(key.clone(), Fate::Dead)]).await.unwrap();
        assert_eq!(entry(ledger, &key).await.unwrap().fate, Fate::Dead);
    }
    // A part without a name is not the record itself.
    let (root, nameless) = (contact(1), contact(1).part(""));
    ledger.commit(vec![intent(root.clone(), 1), intent(nameless.clone(), 2)]).await.unwrap();
    let parts = entry(ledger, &root).await.unwrap().parts;
    assert_eq!(parts, [is_intended(root, 1, None), is_intended(nameless, 2, None)]);
}
