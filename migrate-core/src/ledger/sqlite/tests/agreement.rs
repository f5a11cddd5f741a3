//! Whatever is committed, however often it is opened anew, and wherever it crashes: this ledger and
//! the one in memory answer alike.
//!
//! `LEDGER_CASES=2000 cargo test -p migrate-core --release agreement` tries more than a few.

use std::fs;
use std::path::Path;

use chrono::DateTime;
use futures::FutureExt as _;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::{binding, folder, key, longer};
use crate::ledger::{
    Change, ExportOptions, How, Ledger, Parked, Parking, PartState, Scan, UNREADABLE, export_with,
};
use crate::{Alias, Cursor, Fate, Fingerprint, MemoryLedger, Note, Reason, SqliteLedger, TargetId};

/// What happens to a ledger.
#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Change>),
    /// It is closed and opened again.
    Reopen,
    /// These are handed over, and before they are acknowledged the process is gone.
    Crash(Vec<Vec<Change>>),
}

fn step() -> impl Strategy<Value = Step> {
    let commit = || vec(change(), 0..4);
    prop_oneof![
        12 => commit().prop_map(Step::Commit),
        1 => Just(Step::Reopen),
        1 => vec(commit(), 0..6).prop_map(Step::Crash),
    ]
}

#[test]
fn it_agrees_with_the_ledger_in_memory() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig::with_cases(longer("LEDGER_CASES", 40));
    proptest!(config, |(steps in vec(step(), 0..40))| {
        runtime.block_on(follow(steps))?;
    });
}

async fn follow(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (_folder, mut path) = folder();
    let mut folders = Vec::new();
    let mut durable = SqliteLedger::open(&path, &binding()).unwrap();
    // What the ledger may hold: after a crash, more than one of these can look the same for a while.
    let mut models = vec![MemoryLedger::new()];
    for step in steps {
        match step {
            Step::Commit(changes) => {
                durable.commit(changes.clone()).await.unwrap();
                for model in &models {
                    model.commit(changes.clone()).await.unwrap();
                }
            }
            Step::Reopen => {
                drop(durable);
                durable = SqliteLedger::open(&path, &binding()).unwrap();
            }
            Step::Crash(unacknowledged) => {
                for changes in &unacknowledged {
                    // Polled once, it is handed over.
                    let _ = durable.commit(changes.clone()).now_or_never();
                }
                let (folder, left) = folder();
                copy(&path, &left);
                drop(durable);
                durable = SqliteLedger::open(&left, &binding()).unwrap();
                // As many as were durable, in their order, and each of them whole.
                models = outcomes(models, &unacknowledged).await;
                path = left;
                folders.push(folder);
            }
        }
        let found = everything(&durable).await;
        let mut seen = String::new();
        let mut alike = Vec::new();
        for model in models {
            seen = everything(&model).await;
            if seen == found && !alike.iter().any(|it: &MemoryLedger| it.holds_the_same(&model)) {
                alike.push(model);
            }
        }
        models = alike;
        prop_assert!(!models.is_empty(), "there is\n{found}\nand not\n{seen}");
    }
    drop(durable);
    let mut problems = SqliteLedger::check(&path).unwrap().problems;
    // No engine names a key in two pages of a pass, as is done here.
    problems.retain(|problem| !problem.what.contains("digest"));
    prop_assert!(problems.is_empty(), "{:?}", problems);
    Ok(())
}

/// What may have become of these ledgers when some of the commits were made, from the first on.
async fn outcomes(ledgers: Vec<MemoryLedger>, commits: &[Vec<Change>]) -> Vec<MemoryLedger> {
    let mut outcomes = Vec::new();
    for ledger in ledgers {
        outcomes.push(ledger.copy());
        for changes in commits {
            ledger.commit(changes.clone()).await.unwrap();
            outcomes.push(ledger.copy());
        }
    }
    outcomes
}

/// The files as they are at this moment, as far as they outlive the process. The lock comes first:
/// whatever it says was acknowledged is in the others by then.
pub(super) fn copy(from: &Path, to: &Path) {
    for end in [".lock", "", "-wal"] {
        let name = |path: &Path| format!("{}{end}", path.display());
        if Path::new(&name(from)).exists() {
            fs::copy(name(from), name(to)).unwrap();
        }
    }
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
    let code = || select(vec!["code", UNREADABLE]);
    let reason = move || option::of(code().prop_map(|code| Reason::new(code, "message")));
    let fate = select(Fate::ALL.to_vec());
    prop_oneof![
        (whole(), stage(), fate, option::of(fingerprint()), option::of(target()), reason(), at())
            .prop_map(move |(key, stage, fate, fingerprint, target, reason, at)| {
                let explained = reason.is_some();
                let note = Note { code: "lost".into(), field: "fax".into() };
                let (notes, attempts) =
                    (Vec::from_iter(explained.then_some(note)), u32::from(explained));
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
        (write(), stage(), option::of(0..9u8), at()).prop_map(|(key, stage, draft, at)| {
            Change::Intent { key, stage, draft: draft.map(Value::from), at }
        }),
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
        write().prop_map(|key| Change::VoidBefore { key }),
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
    let mut lines = Vec::new();
    let options = ExportOptions::default().drafts().before_images();
    export_with(ledger, options, &mut lines).await.unwrap();
    let mut all = String::from_utf8(lines).unwrap();
    for entry in ledger.entries(&keys).await.unwrap() {
        all += &format!("{entry:?}\n");
        // Drafts do not show.
        for part in entry.iter().flat_map(|entry| &entry.parts) {
            if let PartState::Intended { draft, .. } = &part.state {
                all += &format!("{draft:?}\n");
            }
        }
    }
    all += &format!("{:?}\n", ledger.known_as(&aliases).await.unwrap());
    all += &format!("{:?}\n", ledger.parked_among(&keys).await.unwrap());
    for key in keys.iter().flat_map(|key| [key.clone(), key.part(1), key.part(2)]) {
        all += &format!("{:?}\n", ledger.before(&key).await.unwrap());
    }
    for name in ["a", "b"] {
        all += &format!("{:?}\n", ledger.stage(name).await.unwrap());
        all += &format!("{:?}\n", ledger.meta(name).await.unwrap());
        for pass in 0..3 {
            all += &format!("{:?}\n", ledger.proof(name, pass).await.unwrap());
        }
        for scan in [
            Scan::of(name).with(Fate::Dead).newest_first(),
            Scan::of(name).newest_first().limit(2),
            Scan::of(name).unseen_in(1),
        ] {
            for (_, entry) in ledger.scan(&scan).await.unwrap() {
                all += &format!("{entry:?}\n");
            }
        }
        for (_, item) in ledger.discovered(name, 0, 9).await.unwrap() {
            all += &format!("{item}\n");
        }
    }
    all
}
