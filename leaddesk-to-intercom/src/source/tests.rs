use std::fs;
use std::sync::Arc;

use migrate_core::ledger::Change;
use migrate_core::{
    Chain, Cursor, Ledger as _, MemoryLedger, Source, SourceError, SourceErrorKind,
};
use serde_json::json;

use super::testing::{LeadDesk, Query, client_of, folder_config, keys, read_all};
use super::{Findings, ListedContact, api, export};
use crate::config::IdRange;
use crate::map::testing::config;

/// Three lists; contacts 1 to 250 in the first, some of them in the second as well. Contact 7 is
/// gone, 9 cannot be understood, 251 stands in an export alone.
fn account(query: &Query) -> (u16, String) {
    let ids = |list: &str| -> Vec<u64> {
        match list {
            "901" => (1..=250).rev().collect(),
            "902" => vec![2, 4, 6],
            _ => vec![],
        }
    };
    let row = |id: u64, campaign: &str| format!("\"{id}\";;;;;;;;;;;;\"{campaign}\";\n");
    match (query["mod"].as_str(), query["cmd"].as_str()) {
        ("calling_list", "list") => {
            (200, json!([{"id": "901"}, {"id": 902}, {"id": "903"}]).to_string())
        }
        ("contact", "find") => {
            let ids = ids(&query["contact_list_id"]);
            (
                200,
                json!({"success": true, "total_count": ids.len(), "contact_ids": ids}).to_string(),
            )
        }
        ("calling_list", "export") => match query["id"].as_str() {
            "901" => (200, row(2, "Spring") + &row(3, "Spring") + "broken\n" + &row(251, "")),
            "902" => (200, row(2, "Autumn") + &row(2, "Autumn")),
            _ => (200, String::new()),
        },
        ("contact", "get") => match query["contact_id"].as_str() {
            "7" => (400, "ERR_NOT_FOUND:contact".to_owned()),
            "9" => {
                (200, json!({"success": true, "data": {"id": "9", "created_at": []}}).to_string())
            }
            id => (200, json!({"success": true, "contact_id": id, "data": {"id": id}}).to_string()),
        },
        ("call", "get") => match query["call_ref_id"].parse::<u64>().unwrap() {
            id if id % 3 == 0 => (400, "ERR_NOT_FOUND:call".to_owned()),
            500 => (500, "ERR_UNDEFINED".to_owned()),
            id => (200, json!({"id": id.to_string(), "direction": "out"}).to_string()),
        },
        ("agent", "find") => match query["username"].as_str() {
            "anna" => (200, json!({"id": 301, "name": "Anna"}).to_string()),
            _ => (400, "ERR_NOT_FOUND:agent".to_owned()),
        },
        _ => (400, "ERR_ARGUMENT_INVALID:cmd".to_owned()),
    }
}

async fn error_of<S: Source>(source: &S) -> SourceError {
    use futures::TryStreamExt as _;
    source.read(None).try_collect::<Vec<_>>().await.expect_err("an error")
}

#[tokio::test]
async fn contacts_of_all_lists_once_each_in_order() {
    let (leaddesk, findings) = (LeadDesk::serve(account), Findings::default());
    let source = api::Contacts::new(leaddesk.client(), 8, findings.clone());
    let pages = read_all(&source, None).await;

    let expected: Vec<String> = (1..=251)
        .filter(|id| *id != 7)
        .map(|id| if id == 9 { "!contact:9".to_owned() } else { format!("contact:{id}") })
        .collect();
    assert_eq!(keys(&pages), expected);
    assert_eq!(leaddesk.asked("contact get"), 251, "a contact in two lists is read once");
    let contact = |at: usize| -> &ListedContact { &pages[0].items[at].as_ref().unwrap().body };
    assert!(contact(0).campaigns.is_empty());
    assert_eq!(contact(1).campaigns, ["Autumn", "Spring"]);
    assert_eq!(
        findings.notes(),
        [
            "1 contacts of calling lists were gone when they were read",
            "1 rows of calling list exports could not be read",
        ]
    );

    let cursors: Vec<_> = pages.iter().map(|page| page.next.clone()).collect();
    assert_eq!(cursors, [Some(Cursor::new("100")), Some(Cursor::new("200")), None]);
    let rest = read_all(&source, Some(Cursor::new("200"))).await;
    assert_eq!(keys(&rest), keys(&pages[2..]));
}

#[tokio::test]
async fn a_list_that_is_cut_off_stops_before_the_first_contact() {
    let leaddesk = LeadDesk::serve(|query| match query["cmd"].as_str() {
        "find" => {
            (200, json!({"success": true, "total_count": 5, "contact_ids": [1, 2]}).to_string())
        }
        _ => account(query),
    });
    let error = error_of(&api::Contacts::new(leaddesk.client(), 2, Findings::default())).await;
    assert_eq!(error.kind(), SourceErrorKind::Refused);
    assert!(error.to_string().contains("fewer records"), "{error}");
    assert_eq!(leaddesk.asked("contact get"), 0);
}

#[tokio::test]
async fn a_refused_key_names_the_setting_and_an_absent_host_may_come_back() {
    let leaddesk = LeadDesk::serve(|_| (400, "ERR_AUTHENTICATION".to_owned()));
    let error = error_of(&api::Contacts::new(leaddesk.client(), 2, Findings::default())).await;
    assert_eq!(error.kind(), SourceErrorKind::Refused);
    assert!(error.to_string().contains("source.original.key_env"), "{error}");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = error_of(&api::Contacts::new(
        client_of(&format!("http://{closed}")),
        2,
        Findings::default(),
    ))
    .await;
    assert_eq!(error.kind(), SourceErrorKind::Unavailable);
    assert!(error.to_string().contains("base_url"), "{error}");
}

#[tokio::test]
async fn when_leaddesk_fails_at_every_contact_nothing_is_called_unreadable() {
    let leaddesk = LeadDesk::serve(|query| match (query["mod"].as_str(), query["cmd"].as_str()) {
        ("contact", "get") => (500, "ERR_UNDEFINED".to_owned()),
        _ => account(query),
    });
    let error = error_of(&api::Contacts::new(leaddesk.client(), 8, Findings::default())).await;
    assert_eq!(error.kind(), SourceErrorKind::Unavailable);
}

#[tokio::test]
async fn calls_by_every_route_with_holes_counted() {
    let (leaddesk, findings) = (LeadDesk::serve(account), Findings::default());
    let ledger = Arc::new(MemoryLedger::default());
    let met = ["500", "3", "4", "x"]
        .map(|item| Change::Discover { list: "call".into(), item: item.into() });
    ledger.commit(met.into()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ids.txt");
    fs::write(&file, "\u{feff}10\r\n# a comment\n\n6\nabc\n11").unwrap();

    let calls = |ids| api::Calls::new(leaddesk.client(), 4, ids, findings.clone());
    let source = Chain::new()
        .and("last_call", calls(api::Ids::Discovered(ledger, "call")))
        .and("ids_file", calls(api::Ids::Listed(file)))
        .and("id_range", calls(api::Ids::Range(IdRange::new(1_000, 1_250))));
    let pages = read_all(&source, None).await;
    let all = keys(&pages);
    assert_eq!(
        all[..6],
        ["!call:met:4", "!call:500", "call:4", "!ids.txt:5", "call:10", "call:11"],
        "a fault of one call among others is its own"
    );
    assert_eq!(all.len() - 6, 251 - 83, "a third of the range are holes");
    assert_eq!(
        findings.notes(),
        [
            "1 call ids of source.calls.ids_file are unknown to LeadDesk",
            "1 contacts name a last call that LeadDesk does not know",
            "83 ids of source.calls.id_range are holes",
        ]
    );
    for (at, page) in pages.iter().enumerate().filter(|(_, page)| page.next.is_some()) {
        assert_eq!(keys(&read_all(&source, page.next.clone()).await), keys(&pages[at + 1..]));
    }
}

#[tokio::test]
async fn the_routes_of_a_configuration_are_read_in_order() {
    let leaddesk = LeadDesk::serve(account);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log.csv"), "id;direction\n77;in\n").unwrap();
    let mut config = config("");
    config.source.calls.csv = Some(dir.path().join("log.csv"));
    config.source.calls.id_range = Some(IdRange::new(1, 2));
    let ledger = Arc::new(MemoryLedger::default());
    let client = leaddesk.client();
    let chain =
        super::calls(&config, None, Some(&client), None, ledger.clone(), &Findings::default())
            .unwrap();
    assert_eq!(chain.names().collect::<Vec<_>>(), ["csv", "last_call", "id_range"]);
    assert_eq!(keys(&read_all(&chain, None).await), ["call:77", "call:1", "call:2"]);

    let files = super::calls(&config, None, None, None, ledger, &Findings::default()).unwrap();
    assert_eq!(files.names().collect::<Vec<_>>(), ["csv"]);
}

#[tokio::test]
async fn a_file_of_ids_goes_on_at_its_line_and_must_be_there() {
    let leaddesk = LeadDesk::serve(account);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ids.txt");
    let ids: Vec<String> = (0..250).map(|n| (3 * n + 1).to_string()).collect();
    fs::write(&file, ids.join("\n")).unwrap();
    let listed = api::Ids::Listed(file.clone());
    let source = api::Calls::new(leaddesk.client(), 8, listed, Findings::default());
    let pages = read_all(&source, None).await;
    assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(keys(&read_all(&source, pages[0].next.clone()).await), keys(&pages[1..]));
    fs::write(&file, "7\n10").unwrap();
    let changed = read_all(&source, pages[0].next.clone()).await;
    assert_eq!(keys(&changed), ["call:7", "call:10"], "a changed file begins anew");

    let none = api::Ids::Listed(dir.path().join("none.txt"));
    let gone = api::Calls::new(leaddesk.client(), 8, none, Findings::default());
    let error = error_of(&gone).await;
    assert!(error.to_string().contains("source.calls.ids_file"), "{error}");
}

#[tokio::test]
async fn agents_named_in_the_configuration_get_their_ids() {
    let (leaddesk, findings) = (LeadDesk::serve(account), Findings::default());
    let config = config(
        "[map.agents]\nanna = 'a@example.com'\n7 = 'b@example.com'\nmikko = 'c@example.com'",
    );
    let agents = api::agents(&config, &leaddesk.client(), None, &findings).await.unwrap();
    assert_eq!(keys(&read_all(&agents, None).await), ["agent:7", "agent:301", "agent:mikko"]);
    assert_eq!(findings.notes(), ["1 names of [map.agents] are unknown to LeadDesk"]);
}

#[tokio::test]
async fn a_folder_gives_contacts_calls_agents_and_campaigns() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let rows: String = (1..=150).map(|id| format!("{id};Anna;a{id}@example.com\n")).collect();
    write("contacts.csv", &format!("id;fname;email\n{rows}ragged\n151;;\n"));
    write("calls.csv", "id,number,talk_start\n5,0401234567,2024-01-01 12:00:00\n");
    write("agents.csv", "id;username;primary_email\n301;anna;a@example.com\n");
    fs::create_dir(dir.path().join("calling_lists")).unwrap();
    write("calling_lists/901.csv", "\"2\";;;;;;;;;;;;\"Spring\";\n");

    let (config, findings) = (folder_config(dir.path()), Findings::default());
    let folder = export::Folder::open(&config, findings).unwrap();
    let absent = folder.absent();
    let files: Vec<_> = absent.iter().filter_map(|it| it.split_whitespace().next()).collect();
    let inventory = [
        "campaigns.csv",
        "projects.csv",
        "offices.csv",
        "outcomes.csv",
        "custom_fields.csv",
        "dialer.json",
        "leadapps.json",
    ];
    assert_eq!(files[..2], ["leads.csv", "blacklist.csv"]);
    assert_eq!(files[2..], inventory);

    let contacts = folder.contacts().unwrap();
    let pages = read_all(&contacts, None).await;
    let mut expected: Vec<String> = (1..=150).map(|id| format!("contact:{id}")).collect();
    expected.extend(["!contacts.csv:151".to_owned(), "contact:151".to_owned()]);
    assert_eq!(keys(&pages), expected);
    assert_eq!(pages[0].items[1].as_ref().unwrap().body.campaigns, ["Spring"]);
    assert_eq!(keys(&read_all(&contacts, pages[0].next.clone()).await), keys(&pages[1..]));
    write("contacts.csv", "id;fname\n900;Anna\n");
    let changed = read_all(&contacts, pages[0].next.clone()).await;
    assert_eq!(keys(&changed), ["contact:900"], "a changed file begins anew");

    assert_eq!(keys(&read_all(&folder.calls().unwrap(), None).await), ["call:5"]);
    let agents = read_all(&folder.agents(&config).unwrap(), None).await;
    assert_eq!(keys(&agents), ["agent:301", "agent:boss"]);
    fs::remove_file(dir.path().join("agents.csv")).unwrap();
    assert!(folder.absent()[1].starts_with("agents.csv is not in the export folder"));
}

/// The folder's own calls and a call log elsewhere say which campaigns have called a contact; by the API, the call log.
#[tokio::test]
async fn call_logs_say_which_campaigns_have_called_a_contact() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("contacts.csv", "id;fname\n2;Anna\n3;Bo\n4;Carl\n");
    write(
        "calls.csv",
        "id;contact id;project;result\n5;2;Fall;Busy\n6;2;Spring;Busy\nragged\n7;3;Fall;\n",
    );
    write("log.csv", "id;contact id;project\n8;3;Winter\n9;;Lost\n10;0;Lost\n11;x;Lost\n");
    fs::create_dir(dir.path().join("calling_lists")).unwrap();
    write("calling_lists/901.csv", "2;;;;;;;;;;2024-01-01 10:00:00;Answered;Spring;\n");
    let mut config = folder_config(dir.path());
    config.source.calls.csv = Some(dir.path().join("log.csv"));
    let folder = export::Folder::open(&config, Findings::default()).unwrap();
    let pages = read_all(&folder.contacts().unwrap(), None).await;
    let of = |at: usize| {
        let body = &pages[0].items[at].as_ref().unwrap().body;
        (body.campaigns.join(" "), body.disposition.clone())
    };
    assert_eq!(of(0), ("Fall Spring".to_owned(), Some("Answered".to_owned())));
    assert_eq!(of(1), ("Fall Winter".to_owned(), None));
    assert_eq!(of(2), (String::new(), None));

    let leaddesk = LeadDesk::serve(account);
    let log = export::CallLog::of(&config).unwrap();
    let source = api::Contacts::new(leaddesk.client(), 8, Findings::default());
    let pages = read_all(&source.with_call_log(log), None).await;
    let records = pages.iter().flat_map(|page| page.items.iter().flatten());
    let third = records.into_iter().find(|it| it.key.as_str() == "contact:3").unwrap();
    assert!(third.body.campaigns.contains(&"Winter".to_owned()), "{:?}", third.body.campaigns);
}

#[tokio::test]
async fn slots_without_a_label_have_that_of_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write(
        "contacts.csv",
        "id;other_info_ft;other_info_7;other_i_name_7;other_info_8;other_info_9\n\
         1;a;b;;c;d\n2;a;b;Own;c;d\n",
    );
    write(
        "custom_fields.csv",
        "slot;name;project\nother_info_ft;First;A\nOther_info_7;Seventh;A\n\
         other_info_8;One;A\nother_info_8;Other;B\n9;Ninth;A\n",
    );
    let folder = export::Folder::open(&folder_config(dir.path()), Findings::default()).unwrap();
    assert!(folder.absent().iter().all(|file| !file.contains("custom_fields")));
    let pages = read_all(&folder.contacts().unwrap(), None).await;
    let label = |at: usize, slot| -> Option<String> {
        pages[0].items[at].as_ref().unwrap().body.contact.other_info_label(slot)
    };
    let of = |at| [1, 7, 8, 9].map(|slot| label(at, slot));
    let (first, seventh) = (Some("First".to_owned()), Some("Seventh".to_owned()));
    assert_eq!(of(0), [first.clone(), seventh, None, None], "an ambiguous label is none");
    assert_eq!(of(1), [first, Some("Own".to_owned()), None, None]);
    let (documented, unread) = super::inventory::by_folder(&folder).unwrap();
    assert!(unread.is_empty());
    let keys: Vec<String> = documented.iter().map(|it| it.key().to_string()).collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    assert!(keys.contains(&"custom_field:other_info_8 (2)".to_owned()), "{keys:?}");
}

/// What `[source.export]` says of the files holds for calling lists as well.
#[tokio::test]
async fn calling_lists_are_read_as_the_folder_is_written() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("calling_lists")).unwrap();
    let mut config = folder_config(dir.path());
    config.source.export.as_mut().unwrap().encoding = crate::config::Encoding::Windows1252;
    for (separator, with) in [
        (crate::config::Separator::Comma, ","),
        (crate::config::Separator::Auto, ","),
        (crate::config::Separator::Auto, "\t"),
        (crate::config::Separator::Auto, ";"),
    ] {
        config.source.export.as_mut().unwrap().separator = separator;
        let (list, other) = ("2;;;;;;;;;;;;Kev\u{e4}t;\n", "x7;;;;;;;;;;;;Fall;\n\"3\";torn\n");
        let text = [list, other].concat().replace(';', with);
        let bytes: Vec<u8> = text.chars().map(|letter| letter as u8).collect();
        fs::write(dir.path().join("calling_lists/901.csv"), bytes).unwrap();
        fs::write(
            dir.path().join("contacts.csv"),
            format!("id{with}fname\n2{with}Anna\n3{with}Bertta\n"),
        )
        .unwrap();
        let folder = export::Folder::open(&config, Findings::default()).unwrap();
        let pages = read_all(&folder.contacts().unwrap(), None).await;
        assert_eq!(pages[0].items[0].as_ref().unwrap().body.campaigns, ["Kevät"], "{with:?}");
        let expected = ["contact:2", "contact:3", "!901.csv:2", "!901.csv:3"];
        assert_eq!(keys(&pages), expected, "{with:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_used_says_which_file_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let refused = || {
        let error =
            export::Folder::open(&folder_config(dir.path()), Findings::default()).unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Refused);
        crate::connect::chain(&error)
    };
    let error = refused();
    assert!(error.contains("contacts.csv") && error.contains("source.export.dir"), "{error}");
    fs::write(dir.path().join("contacts.csv"), "name;mail\nAnna;a@example.com\n").unwrap();
    let error = refused();
    assert!(error.contains("contacts.csv") && error.contains("key column `id`"), "{error}");
    fs::write(dir.path().join("contacts.csv"), "id\n1\n").unwrap();
    fs::write(dir.path().join("calls.csv"), "number\n1\n").unwrap();
    let error = refused();
    assert!(error.contains("calls.csv") && error.contains("key column `id`"), "{error}");
}
