//! How large the file becomes.

use std::fs;

use chrono::DateTime;

use super::{binding, folder, key};
use crate::ledger::{Change, How, Ledger as _};
use crate::{Alias, Cursor, Fate, Fingerprint, Key, SqliteLedger, TargetId};

const CONTACTS: u64 = 20_000;

/// What the engine commits for a contact with an address, a number and two tags, one after the
/// other.
fn commits(n: u64) -> [Vec<Change>; 3] {
    let stage = || "contacts".to_owned();
    let at =
        |of: i64| DateTime::from_timestamp_micros(1_790_000_000_000_000 + n as i64 * 6007 + of);
    let done = |key: Key, target: String, state: Option<Fingerprint>, of| Change::Done {
        target: TargetId::new(target),
        fingerprint: Fingerprint::of(format!("{key}").as_bytes()),
        key,
        stage: stage(),
        how: How::Created,
        state,
        at: at(of).unwrap(),
    };
    let state = Fingerprint::of(format!("state {n}").as_bytes());
    let own = done(key(n), format!("{:024x}", u128::from(n) << 40 | 0xabcd), Some(state), 1);
    let tag = |name: &str, of| done(key(n).part(name), format!("{}", 8_000_000 + n % 90), None, of);
    let settle = Change::Settle {
        key: key(n),
        stage: stage(),
        fate: Fate::Created,
        fingerprint: Some(Fingerprint::of(format!("whole {n}").as_bytes())),
        target: None,
        reason: None,
        notes: Vec::new(),
        attempts: 0,
        at: at(9000).unwrap(),
    };
    [vec![own], vec![tag("tag:1", 3000)], vec![tag("tag:2", 6000), settle]]
}

#[tokio::test]
async fn a_settled_contact_takes_four_hundred_bytes_at_most() {
    let (_folder, path) = folder();
    let ledger = SqliteLedger::open(&path, &binding()).unwrap();
    for first in (0..CONTACTS).step_by(500) {
        let contacts = first..first + 500;
        let names = contacts.clone().map(|n| Change::Aliases {
            key: key(n),
            stage: "contacts".into(),
            aliases: ["email", "phone"].map(|sort| Alias::new(sort, n.to_string())).to_vec(),
        });
        ledger.commit(names.collect()).await.unwrap();
        // Many are under way at once, each a step behind the other.
        for step in 0..3 {
            for some in contacts.clone().step_by(50) {
                let commits = (some..some + 50).flat_map(|n| commits(n)[step].clone());
                ledger.commit(commits.collect()).await.unwrap();
            }
        }
        let keys = contacts.map(key).collect();
        let (next, mark) = (Some(Cursor::new("next")), None);
        let page = Change::Page { stage: "contacts".into(), pass: 1, keys, next, mark };
        ledger.commit(vec![page]).await.unwrap();
    }
    drop(ledger);
    let bytes = fs::metadata(&path).unwrap().len() / CONTACTS;
    assert!(bytes <= 400, "{bytes} bytes");
}
