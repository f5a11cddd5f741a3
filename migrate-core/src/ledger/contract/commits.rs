//! Commits as a whole: their order, many at a time, and nothing of one seen without the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::{contact, done, entry, settle, written};
use crate::ledger::{Change, How, Ledger, Scan};
use crate::{Fate, Key};

pub(super) async fn order(ledger: &dyn Ledger) {
    ledger.commit(Vec::new()).await.unwrap();
    let twice = vec![settle(contact(1), Fate::Pending), settle(contact(1), Fate::Created)];
    ledger.commit(twice).await.unwrap();
    assert_eq!(entry(ledger, &contact(1)).await.unwrap().fate, Fate::Created);

    let there_and_back = vec![
        Change::Meta { name: "a".into(), value: Some(json!(1)) },
        Change::Meta { name: "a".into(), value: None },
        Change::Meta { name: "b".into(), value: None },
        Change::Meta { name: "b".into(), value: Some(json!(1)) },
    ];
    ledger.commit(there_and_back).await.unwrap();
    assert_eq!(ledger.meta("a").await.unwrap(), None);
    assert_eq!(ledger.meta("b").await.unwrap(), Some(json!(1)));
}

pub(super) async fn many_at_once(ledger: Arc<dyn Ledger>) {
    let tasks: Vec<_> = (0..1000)
        .map(|n| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let own = written(&format!("t{n}"), How::Created, n);
                ledger.commit(vec![done(contact(n), own)]).await.unwrap();
                ledger.commit(vec![settle(contact(n), Fate::Created)]).await.unwrap();
                // Another task sees at once what has returned here.
                let other = Arc::clone(&ledger);
                let read = tokio::spawn(async move { entry(&*other, &contact(n)).await });
                let seen = read.await.unwrap().unwrap();
                assert_eq!((seen.fate, seen.parts.len()), (Fate::Created, 1));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ledger.tally("contacts").await.unwrap().of(Fate::Created), 1000);
    assert_eq!(ledger.scan(&Scan::of("contacts").limit(2000)).await.unwrap().len(), 1000);
}

/// Two entries are settled alike in every commit, while a reader looks whether they ever differ.
pub(super) async fn whole_or_not_at_all(ledger: Arc<dyn Ledger>) {
    let over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (ledger, over) = (Arc::clone(&ledger), Arc::clone(&over));
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let pair = ledger.entries(&[contact(1), contact(2)]).await.unwrap();
                let fates: Vec<_> = pair.into_iter().map(|it| it.map(|it| it.fate)).collect();
                assert_eq!(fates[0], fates[1], "half of a commit was seen");
                tokio::task::yield_now().await;
            }
        })
    };
    for n in 0..200 {
        let fate = Fate::ALL[n % Fate::ALL.len()];
        ledger.commit(vec![settle(contact(1), fate), settle(contact(2), fate)]).await.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    reader.await.unwrap();
}

pub(super) async fn large_reads(ledger: &dyn Ledger) {
    let keys: Vec<Key> = (0..3000).map(contact).collect();
    let even = keys.iter().step_by(2).map(|key| settle(key.clone(), Fate::Skipped));
    ledger.commit(even.collect()).await.unwrap();
    let found = ledger.entries(&keys).await.unwrap();
    assert_eq!(found.len(), keys.len());
    for (n, entry) in found.into_iter().enumerate() {
        assert_eq!(entry.map(|it| it.key), (n % 2 == 0).then(|| contact(n)));
    }
    assert_eq!(ledger.entries(&[]).await.unwrap(), []);
    assert_eq!(ledger.known_as(&[]).await.unwrap(), Vec::<Vec<_>>::new());
    assert_eq!(ledger.parked_among(&[]).await.unwrap(), []);
}
