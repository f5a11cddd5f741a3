//! The page of one report, and what becomes of hostile names in it.

use migrate_core::{Key, Reason};
use serde_json::json;

use super::*;
use crate::queue;

fn report(name: &str) -> Report {
    let stage = |name: &str, created: u64, queued: u64, dead: u64| {
        json!({
            "name": name, "read": created + queued + dead + 7, "created": created, "updated": 1,
            "unchanged": 2, "merged": 4, "queued": queued, "skipped": 0, "inventoried": 0,
            "dead": dead, "in_doubt": 0, "pending": 0, "calls": 3 * created,
        })
    };
    let report = json!({
        "schema": 1, "run_id": format!("20261101T120000000Z-{name}"),
        "started_at": "2026-11-01T12:00:00Z", "finished_at": "2026-11-01T12:34:56Z",
        "state": "complete",
        "stages": [stage("contacts", 100, 3, 1), stage(name, 20, 2, 0)],
        "accounted": true,
        "quota": { "calls": 640, "limit_per_window": 10_000, "utilisation": 0.9934, "throttled": 0 },
        "verify": {
            "checked": 50, "matched": 49, "unread": 0, "classes": { "lost": 1 }, "unlisted": 0,
            "mismatches": [{ "key": "contact:7", "field": name, "class": "lost" }],
        },
        "queues": { "shared_email": 3, "waiting_for_parent": 2 },
        "notes": [format!("calls.csv has a column {name:?}")],
        "last_run": { "stages": [stage("contacts", 2, 0, 0)], "reads": 12, "writes": 34 },
    });
    serde_json::from_value(report).unwrap()
}

fn causes(name: &str) -> Causes {
    let mut causes = Causes::default();
    let mut add = |n: u32, fate, reason: Reason| {
        let mut entry = Entry::pending(Key::new("contact", n), "contacts");
        (entry.fate, entry.reason) = (fate, Some(reason));
        causes.add(&entry);
    };
    (1..=3).for_each(|n| add(n, Fate::Queued, queue::shared_email()));
    for n in 4..=5 {
        let waits = format!("waits for contact:{n}, which is queued ({name})");
        add(n, Fate::Queued, Reason::new(WAITING, waits));
    }
    add(
        6,
        Fate::Queued,
        Reason::new(name, "Canarina Testperson has none").remedy("she", "ask her"),
    );
    add(7, Fate::Dead, Reason::new("refused", "canarina@example.com is not taken"));
    causes.losses.insert(("text_cut".into(), name.to_owned()), 12);
    causes
}

#[test]
fn the_page_says_all_that_the_report_does() {
    insta::assert_snapshot!(page(&report("calls"), &causes("club_queue")));
}

#[test]
fn what_others_have_named_is_no_markup() {
    let hostile = "<script>alert(1)</script>\"' onload='x' &amp; \u{202e}\u{7}</td>";
    let harmless = page(&report("calls"), &causes("club_queue"));
    let page = page(&report(hostile), &causes(hostile));
    let tags = |page: &str| -> Vec<String> {
        let found = page.match_indices('<').map(|(at, _)| page[at..].split('>').next().unwrap());
        found.map(str::to_owned).collect()
    };
    assert_eq!(tags(&page), tags(&harmless), "another tag has come of it");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39; onload=&#39;x&#39;"));
    assert!(!page.contains('\u{202e}') && !page.contains('\u{7}'));
    for reach in ["<script", "http://", "https://", "javascript:", "src=", "href="] {
        assert!(!page.contains(reach), "{reach}");
    }
}

#[test]
fn what_may_name_people_is_not_told() {
    let page = page(&report("calls"), &causes("club_queue"));
    for person in ["Canarina", "canarina", "ask her"] {
        assert!(!page.contains(person), "{person}");
    }
}

/// A report of nothing at all is a page as well.
#[test]
fn an_empty_report_has_its_page() {
    let mut empty = report("calls");
    (empty.stages, empty.last_run, empty.verify) = Default::default();
    (empty.queues, empty.notes) = Default::default();
    let page = page(&empty, &Causes::default());
    for said in ["Nothing waits", "Nothing was left behind", "Nothing was read back yet"] {
        assert!(page.contains(said), "{said}");
    }
}
