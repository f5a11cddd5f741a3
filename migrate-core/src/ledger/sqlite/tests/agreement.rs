//! Whatever is committed, this ledger and the one in memory answer alike.

use chrono::DateTime;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::{binding, folder, key};
use crate::ledger::{Change, How, Ledger, Parked, Parking, Scan};
use crate::{Alias, Cursor, Fate, Fingerprint, MemoryLedger, Reason, SqliteLedger, TargetId};

#[test]
fn it_agrees_with_the_ledger_in_memory() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let commits = vec(vec(change(), 0..4), 0..40);
    proptest!(ProptestConfig::with_cases(40), |(commits in commits)| runtime.block_on(async {
        let (_folder, path) = folder();
        let (durable, memory) =
            (SqliteLedger::open(&path, &binding()).unwrap(), MemoryLedger::new());
        for changes in commits {
            durable.commit(changes.clone()).await.unwrap();
            memory.commit(changes).await.unwrap();
            assert_eq!(everything(&durable).await, everything(&memory).await);
        }
    }));
}

/// Any change, among so few names that they meet.
fn change() -> impl Strategy<Value = Change> {
    let stage = || select(vec!["a".to_owned(), "b".to_owned()]);
    let whole = || (0..3u8).prop_map(key);
    let write = || (whole(), 0..3u8).prop_map(|(key, n)| if n == 0 { key } else { key.part(n) });
    let at = || (0..1000i64).prop_map(|n| DateTime::from_timestamp_micros(n).unwrap());
    let target = || (0..9u8).prop_map(|n| TargetId::new(n.to_string()));
    let fingerprint = || (0..9u8).prop_map(|n| Fingerprint::of(&[n]));
    let how = select(vec![How::Created, How::Updated, How::Unchanged]);
    let alias = || (0..3u8).prop_map(|n| Alias::new("n", n.to_string()));
    let reason = || Reason::new("code", "message");
    let fate = select(Fate::ALL.to_vec());
    prop_oneof![
        (
            whole(),
            stage(),
            fate,
            option::of(fingerprint()),
            option::of(target()),
            any::<bool>(),
            at()
        )
            .prop_map(move |(key, stage, fate, fingerprint, target, explained, at)| {
                let reason = explained.then(reason);
                let (notes, attempts) = (Vec::new(), u32::from(explained));
                Change::Settle {
                    key,
                    stage,
                    fate,
                    fingerprint,
                    target,
                    reason,
                    notes,
                    attempts,
                    at,
                }
            }),
        (write(), stage(), at()).prop_map(|(key, stage, at)| Change::Intent { key, stage, at }),
        (write(), stage(), target(), fingerprint(), how, option::of(fingerprint()), at()).prop_map(
            |(key, stage, target, fingerprint, how, state, at)| Change::Done {
                key,
                stage,
                target,
                fingerprint,
                how,
                state,
                at
            }
        ),
        (write(), at()).prop_map(|(key, at)| Change::Undone { key, at }),
        (whole(), at()).prop_map(|(key, at)| Change::Forget { key, at }),
        write().prop_map(|key| Change::Void { key }),
        (whole(), stage(), vec(alias(), 0..3)).prop_map(|(key, stage, aliases)| Change::Aliases {
            key,
            stage,
            aliases
        }),
        (stage(), stage()).prop_map(|(list, item)| Change::Discover { list, item }),
        (whole(), stage(), select(Parking::ALL.to_vec()), at()).prop_map(
            |(key, stage, why, at)| Change::Park(Box::new(Parked {
                key,
                stage,
                lane: None,
                why,
                since: at,
                not_before: at,
                looks: 0,
                drafts: Value::Null,
                notes: Vec::new(),
            }))
        ),
        whole().prop_map(|key| Change::Unpark { key }),
        (write(), 0..9u8).prop_map(|(key, n)| Change::Before { key, image: Value::from(n) }),
        (stage(), 0..3u32, vec(whole(), 0..3), option::of(stage()), option::of(stage())).prop_map(
            |(stage, pass, keys, next, mark)| {
                let (next, mark) = (next.map(Cursor::new), mark.map(Cursor::new));
                Change::Page { stage, pass, keys, next, mark }
            }
        ),
        (stage(), 1..3u32, option::of(stage()), at()).prop_map(|(stage, pass, since, at)| {
            Change::Begin { stage, pass, since: since.map(Cursor::new), at }
        }),
        stage().prop_map(|stage| Change::Read { stage }),
        (stage(), at()).prop_map(|(stage, at)| Change::Finish { stage, at }),
        (stage(), option::of(0..9u8))
            .prop_map(|(name, value)| { Change::Meta { name, value: value.map(Value::from) } }),
    ]
}

/// All that can be read of a ledger, as text; rows differ from ledger to ledger.
async fn everything(ledger: &dyn Ledger) -> String {
    let keys: Vec<_> = (0..3).map(key).collect();
    let aliases: Vec<_> = (0..3).map(|n| Alias::new("n", n.to_string())).collect();
    let mut all = format!("{:?}\n", ledger.entries(&keys).await.unwrap());
    for (_, past) in ledger.history(0, 99).await.unwrap() {
        all += &format!("{past:?}\n");
    }
    all += &format!("{:?}\n", ledger.known_as(&aliases).await.unwrap());
    all += &format!("{:?}\n", ledger.parked_among(&keys).await.unwrap());
    for key in keys.iter().flat_map(|key| [key.clone(), key.part(1), key.part(2)]) {
        all += &format!("{:?}\n", ledger.before(&key).await.unwrap());
    }
    for name in ["a", "b"] {
        all += &format!("{:?}\n", ledger.stage(name).await.unwrap());
        all += &format!("{:?}\n", ledger.meta(name).await.unwrap());
        all += &format!("{:?}\n", ledger.tally(name).await.unwrap());
        for pass in 0..3 {
            all += &format!("{:?}\n", ledger.proof(name, pass).await.unwrap());
        }
        let scans = [Scan::of(name), Scan::of(name).with(Fate::Dead).newest_first()];
        for scan in scans.into_iter().chain([Scan::of(name).unseen_in(1)]) {
            for (_, entry) in ledger.scan(&scan).await.unwrap() {
                all += &format!("{entry:?}\n");
            }
        }
        for (_, item) in ledger.discovered(name, 0, 9).await.unwrap() {
            all += &format!("{item}\n");
        }
        for why in Parking::ALL {
            for (_, parked) in ledger.parked(name, why, 0, 9).await.unwrap() {
                all += &format!("{parked:?}\n");
            }
        }
    }
    all
}
