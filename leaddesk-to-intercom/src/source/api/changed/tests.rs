use std::sync::Mutex;

use migrate_core::ledger::Change;
use migrate_core::{Fingerprint, MemoryLedger, TargetId, map_fn};
use serde_json::json;

use super::*;
use crate::source::Findings;
use crate::source::testing::{LeadDesk, keys as keys_of, read_all};

fn older(updated: &str, number: &str, call: &str, since: &str) -> bool {
    let text = format!("7;;;;;;;0;{updated};{number};{call};;;\n");
    let row = leaddesk_client::export::list_rows("list", text.as_bytes()).pop();
    let zone: Zone = "Europe/Helsinki".parse().unwrap();
    is_older(&row.unwrap().unwrap(), since.parse().unwrap(), zone)
}

#[test]
fn only_what_surely_was_read_is_left_out() {
    let (early, late) = ("2026-03-01 10:00:00", "2026-03-09 10:00:00");
    let since = "2026-03-10T10:00:00Z";
    for (case, updated, number, call, expected) in [
        ("nothing is later", early, early, early, true),
        ("there was no call, and the number has no time", early, "", "0000-00-00 00:00:00", true),
        ("the contact has no time", "", early, early, false),
        ("the contact has no date", "0000-00-00 00:00:00", early, early, false),
        ("the contact's time is none", "yesterday", early, early, false),
        ("the number's time is none", early, "01/03/2026", early, false),
        ("the call's time is none", early, early, "?", false),
        ("the contact is later", "2026-03-10 13:00:00", early, early, false),
        ("the number is later", early, "2026-03-10 13:00:00", early, false),
        ("the call is later", early, early, "2026-03-10 13:00:00", false),
        ("a clock that runs ahead", "2036-03-10 13:00:00", early, early, false),
        // Ten o'clock in Helsinki is eight o'clock here.
        ("a day and two hours before", late, early, early, true),
        ("just a day before", "2026-03-09 12:00:00", early, early, false),
        ("a second more than a day before", "2026-03-09 11:59:59", early, early, true),
        ("less than a day before", "2026-03-09 14:00:00", early, early, false),
    ] {
        assert_eq!(older(updated, number, call, since), expected, "{case}");
    }
}

#[test]
fn of_a_time_that_was_twice_the_later_one_counts() {
    // Clocks were put back from four to three: half past three was at 0:30 and at 1:30.
    let twice = "2026-10-25 03:30:00";
    assert!(!older(twice, "", "", "2026-10-26T01:00:00Z"));
    assert!(older(twice, "", "", "2026-10-26T01:30:01Z"));
    // Put forward from three to four: half past three was never, and counts as half past four.
    let never = "2026-03-29 03:30:00";
    assert!(!older(never, "", "", "2026-03-30T01:30:00Z"));
    assert!(older(never, "", "", "2026-03-30T01:30:01Z"));
}

const STAGE: &str = "contacts";

/// An account of one list, whose contacts have the address of their id, or of another.
struct Account {
    ids: Vec<u64>,
    /// Whose row is of today.
    changed: Vec<u64>,
    address_of: BTreeMap<u64, u64>,
}

impl Account {
    fn serve(account: &Arc<Mutex<Self>>) -> LeadDesk {
        let account = account.clone();
        LeadDesk::serve(move |query| {
            let account = account.lock().unwrap();
            let row = |id: &u64| {
                let year = if account.changed.contains(id) { 2026 } else { 2020 };
                format!("{id};;;;;;;0;{year}-03-10 10:00:00;;;;;\n")
            };
            let body = match (query["mod"].as_str(), query["cmd"].as_str()) {
                ("calling_list", "list") => json!([{ "id": "901" }]).to_string(),
                ("contact", "find") => {
                    let (ids, count) = (&account.ids, account.ids.len());
                    json!({ "success": true, "total_count": count, "contact_ids": ids }).to_string()
                }
                ("calling_list", "export") => account.ids.iter().map(row).collect(),
                _ => {
                    let id: u64 = query["contact_id"].parse().unwrap();
                    let address = account.address_of.get(&id).unwrap_or(&id);
                    let data = json!({ "id": id.to_string(), "email": address.to_string() });
                    json!({ "success": true, "contact_id": id.to_string(), "data": data })
                        .to_string()
                }
            };
            (200, body)
        })
    }
}

fn known(ledger: &Arc<MemoryLedger>, since: Option<&str>) -> Known {
    let mapper = map_fn(|record: Record<ListedContact>, out: &mut Emit<()>| {
        let email = record.body.contact.email.as_ref().map(|it| it.reveal().clone());
        out.identity(keys::email(&email.unwrap_or_default()));
    });
    let since = since.map(|since| since.parse().unwrap());
    Known::new(ledger.clone(), STAGE, mapper, Zone::utc()).since(since)
}

/// A contact as an earlier run has left it, under the address of `address`.
fn settled(id: u64, fate: Fate, address: u64) -> [Change; 2] {
    let (key, stage) = (keys::contact(id), STAGE.to_owned());
    let aliases = vec![keys::email(&address.to_string())];
    let settle = Change::Settle {
        key: key.clone(),
        stage: stage.clone(),
        fate,
        fingerprint: Some(Fingerprint::of(b"it")),
        target: Some(TargetId::new(format!("t{address}"))),
        reason: None,
        notes: Vec::new(),
        attempts: 0,
        at: DateTime::UNIX_EPOCH,
    };
    [settle, Change::Aliases { key, stage, aliases }]
}

/// Commits a page as the engine does.
async fn settle(ledger: &MemoryLedger, page: &Page<ListedContact>) {
    // One that nobody knew has an entry by then.
    let new = page.items.iter().flatten().map(|record| &record.key).find(|key| key.id() == "50");
    let made = new.map(|_| settled(50, Fate::Created, 50)).into_iter().flatten();
    ledger.commit(made.collect()).await.unwrap();
    let keys = page.items.iter().flatten().map(|record| &record.key).chain(&page.unchanged);
    let page = Change::Page {
        stage: STAGE.into(),
        pass: 2,
        keys: keys.cloned().collect(),
        next: page.next.clone(),
        mark: None,
    };
    ledger.commit(vec![page]).await.unwrap();
}

#[tokio::test]
async fn who_is_read_and_who_belongs_to_them() {
    let account = Arc::new(Mutex::new(Account {
        // 60 is gone.
        ids: (1..=700).filter(|id| *id != 60).collect(),
        changed: vec![10, 70],
        // 10 takes the address of 20, and 70 gives up that of 71.
        address_of: BTreeMap::from([(10, 20), (30, 40), (61, 60), (71, 7)]),
    }));
    let leaddesk = Account::serve(&account);
    let ledger = Arc::new(MemoryLedger::new());
    let mut before = Vec::new();
    for id in (1..=700).filter(|id| *id != 50) {
        let (fate, address) = match id {
            30 => (Fate::Merged, 40),
            61 => (Fate::Unchanged, 60),
            70 | 71 => (Fate::Updated, 7),
            90 => (Fate::Queued, 90),
            id => (Fate::Created, id),
        };
        before.extend(settled(id, fate, address));
    }
    let begin =
        Change::Begin { stage: STAGE.into(), pass: 2, since: None, at: DateTime::UNIX_EPOCH };
    before.push(begin);
    ledger.commit(before).await.unwrap();
    let findings = Findings::default();
    let contacts = || Contacts::new(leaddesk.client(), 8, findings.clone());
    let since = Some("2026-03-10T12:00:00Z");
    let source = contacts().known(known(&ledger, since));

    let pages = read_all(&source, None).await;
    // Those that changed, are not in place or unknown, then whoever belongs to them: 20 to 10, 40 to 30,
    // 71 and 7 to 70, 61 to the one that is gone.
    let mut read = keys_of(&pages);
    read.sort_by_key(|key| key.split_once(':').unwrap().1.parse::<u64>().unwrap());
    let expected = [7, 10, 20, 30, 40, 50, 61, 70, 71, 90].map(|id| format!("contact:{id}"));
    assert_eq!(read, expected);
    assert_eq!(leaddesk.asked("contact get"), expected.len());
    assert_eq!(pages[0].items.len(), expected.len(), "a page is closed in itself");
    let named: Vec<&Key> = pages.iter().flat_map(|page| &page.unchanged).collect();
    assert_eq!((named.len(), pages.len()), (699 - expected.len(), 3));
    assert!(pages[0].unchanged.is_empty(), "everybody else was read before");

    // Broken off before each page, what was not settled comes.
    for (at, page) in pages[..2].iter().enumerate() {
        let again = read_all(&source, page.next.clone().filter(|_| at > 0)).await;
        assert_eq!(keys_of(&again).len(), keys_of(&pages[at..]).len(), "page {at}");
        settle(&ledger, page).await;
        let rest = read_all(&source, page.next.clone()).await;
        assert_eq!(keys_of(&rest), Vec::<String>::new());
        let count =
            |pages: &[Page<_>]| pages.iter().map(|page| page.unchanged.len()).sum::<usize>();
        assert_eq!(count(&rest), count(&pages[at + 1..]), "page {at}");
    }

    // One that has come or changed since is the next delta's, as the others were named already.
    account.lock().unwrap().ids.push(701);
    account.lock().unwrap().changed.push(699);
    let asked = leaddesk.asked("contact get");
    for since in [since, None] {
        let source = contacts().known(known(&ledger, since));
        let rest = read_all(&source, pages[1].next.clone()).await;
        assert_eq!((rest.len(), rest[0].unchanged.len()), (1, pages[2].unchanged.len()));
    }
    assert_eq!(leaddesk.asked("contact get"), asked);
    let note = "2 contacts came while a delta was interrupted; the next one reads them";
    assert!(findings.notes().contains(&note.to_owned()), "{:?}", findings.notes());

    // A reading of everything that goes on with the first phase reads everybody who was not met.
    let source = contacts().known(known(&ledger, None));
    let rest = read_all(&source, Some(Cursor::new("changed:90"))).await;
    assert_eq!(keys_of(&rest).len(), 1 + pages[2].unchanged.len());
}
