//! Single files of the chatbot's export: encodings, delimiters, headings, shapes, rows.
#![cfg(feature = "chatbot")]
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

mod support;

use leaddesk_client::ErrorKind;
use leaddesk_client::chatbot::{Archive, Column, Encoding, FileInfo, FileKind, Settings, Shape};
use proptest::prelude::*;
use support::{AGENT, CONVERSATIONS, OUTCOMES, TIMING, open, open_csv, told, zip};

/// The only file of the archive, with its rows as `column=cell` and reasons.
fn read(name: &str, bytes: &[u8]) -> (FileInfo, Vec<String>) {
    rows(&open_csv(name, bytes).unwrap())
}

fn rows(archive: &Archive) -> (FileInfo, Vec<String>) {
    let info = archive.files()[0].clone();
    let rows = archive.rows(info.kind).unwrap().map(|record| match record.unwrap().body {
        Err(bad) => bad.to_string(),
        Ok(row) => {
            let known = row.columns().map(|(column, cell)| format!("{column}={cell}"));
            let extra = row.extra().map(|(heading, cell)| format!("[{heading}]={cell}"));
            known.chain(extra).collect::<Vec<_>>().join(" ")
        }
    });
    let rows = rows.collect();
    (info, rows)
}

fn columns(info: &FileInfo) -> String {
    let columns = info.columns.iter().map(|(column, heading)| format!("{heading}: {column}"));
    let unknown = info.unrecognised.iter().map(|heading| format!("{heading}: ?"));
    columns.chain(unknown).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_encoding_gives_the_same_rows() {
    let text = "conversation;question\nc-1;Missä?\n";
    let utf16 = |unit: fn(u16) -> [u8; 2], mark: &str| -> Vec<u8> {
        mark.encode_utf16().chain(text.encode_utf16()).flat_map(unit).collect()
    };
    let windows = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let forms: Vec<(Vec<u8>, Encoding)> = vec![
        (text.into(), Encoding::Utf8),
        (format!("\u{feff}{text}").into(), Encoding::Utf8),
        (format!("\u{feff}sep=;\r\n{text}").into(), Encoding::Utf8),
        (windows, Encoding::Windows1252),
        (utf16(u16::to_le_bytes, "\u{feff}"), Encoding::Utf16Le),
        (utf16(u16::to_be_bytes, "\u{feff}"), Encoding::Utf16Be),
        (utf16(u16::to_le_bytes, ""), Encoding::Utf16Le),
    ];
    for (bytes, encoding) in forms {
        let (info, rows) = read("conversations.csv", &bytes);
        assert_eq!((info.encoding, info.delimiter), (encoding, Some(';')));
        assert_eq!(rows, ["conversation_id=c-1 user_text=Missä?"], "{encoding}");
    }
    let (kind, text) = told(open_csv("conversations.csv", b"conversation;question\n1;\0\x81\n"));
    assert_eq!(kind, ErrorKind::Settings);
    assert!(
        text.contains(
            "conversations.csv is neither UTF-8, UTF-16 nor Windows-1252; save it as UTF-8"
        ),
        "{text}"
    );
}

#[test]
fn ragged_blank_and_total_rows() {
    let (info, rows) = read(
        "conversations.csv",
        b"conversation,question,answer\r\nc-1,\"two\r\nlines\",x\r\nc-2,Hei\r\n,,\r\nc-3,a,b,c\r\nTotal,,3\r\nc-4,Total,x\r\n",
    );
    assert_eq!(
        rows,
        [
            "conversation_id=c-1 user_text=two\r\nlines bot_text=x",
            "conversation_id=c-2 user_text=Hei",
            "conversations.csv:4: the row has 4 fields and the heading 3; a delimiter in unquoted text shifts columns, so correct the row",
            "conversation_id=c-4 user_text=Total bot_text=x",
        ]
    );
    assert_eq!((info.rows, info.unreadable), (3, 1));
    assert_eq!(
        info.notes,
        [
            "1 row is shorter than the heading; what is missing is taken as empty",
            "1 row is longer than the heading, and cannot be read",
            "1 row is blank, and left out",
            "1 row is of totals, and left out",
        ]
    );
}

#[test]
fn a_file_with_little_in_it() {
    for (bytes, note) in [
        (&b""[..], Some("it is empty, without even a heading")),
        (b"\xEF\xBB\xBF", Some("it is empty, without even a heading")),
        (b"conversation,question\n", None),
        (b"conversation,question", None),
    ] {
        let (info, rows) = read("conversations.csv", bytes);
        assert_eq!((info.rows, rows.len()), (0, 0));
        assert_eq!(info.notes.first().map(String::as_str), note);
    }
    // Without a name that says it, such a file is none of ours.
    assert_eq!(told(open_csv("a.csv", b"")).0, ErrorKind::Settings);
}

#[test]
fn shapes() {
    for (name, text, shape) in [
        ("conversations.csv", CONVERSATIONS, Shape::Turns),
        ("conversations.csv", "id,messages\n1,3\n2,4\n", Shape::Conversations),
        ("conversations.csv", "date,total,handled,transferred\n2024-05-01,3,2,1\n", Shape::Buckets),
        ("conversations.csv", "keyAsString,docCount\n2019-02-19 : 01:00:00,3\n", Shape::Buckets),
        ("outcomes.csv", OUTCOMES, Shape::Conversations),
        ("outcomes.csv", "metric,count\nhandled,3\n", Shape::Buckets),
        ("timing.csv", TIMING, Shape::Conversations),
        ("timing.csv", "hour,conversations\n0,3\n23,4\n", Shape::Buckets),
        ("agent.csv", AGENT, Shape::Conversations),
        ("agent.csv", "foo,bar\n1,2\n", Shape::Unknown),
        ("conversations.csv", "question,answer\na,b\n", Shape::Unknown),
    ] {
        let (info, _) = read(name, text.as_bytes());
        assert_eq!(info.shape, shape, "{text}: {}", columns(&info));
    }
}

#[test]
fn the_same_heading_means_what_its_cells_say() {
    for (name, text, expected) in [
        (
            "conversations.csv",
            "conversation,messages\n1,4\n",
            "conversation: conversation_id, messages: messages_total",
        ),
        (
            "conversations.csv",
            "conversation,messages\n1,Hei\n",
            "conversation: conversation_id, messages: transcript",
        ),
        (
            "conversations.csv",
            "id,conversation\n1,Question(1): Hei\n",
            "id: conversation_id, conversation: transcript",
        ),
        (
            "conversations.csv",
            "id,conversation\n1,2\n",
            "id: message_id, conversation: conversation_id",
        ),
        (
            "conversations.csv",
            "conversation,start\n1,true\n",
            "conversation: conversation_id, start: ?",
        ),
        (
            "conversations.csv",
            "conversation,start\n1,2024-05-01\n",
            "conversation: conversation_id, start: started_at",
        ),
        (
            "conversations.csv",
            "start,total\n2024-05-01,4\n",
            "start: period_start, total: conversations_total",
        ),
        (
            "conversations.csv",
            "conversation,transferred\n1,yes\n",
            "conversation: conversation_id, transferred: escalated",
        ),
        (
            "conversations.csv",
            "conversation,annotations.agent\n1,STARCHAT\n",
            "conversation: conversation_id, annotations.agent: agent_kind",
        ),
        (
            "conversations.csv",
            "conversation,user,email\n1,Ada,a@b.c\n",
            "conversation: conversation_id, user: ?, email: ?",
        ),
        (
            "agent.csv",
            "agent,conversations\nAda,4\n",
            "agent: agent_name, conversations: agent_conversations",
        ),
        (
            "agent.csv",
            "id,agent,messages\n7,Ada,4\n",
            "agent: agent_name, messages: agent_messages, id: ?",
        ),
        ("agent.csv", "agent,count\nHUMAN_REPLY,4\n", "agent: agent_kind, count: count"),
        (
            "outcomes.csv",
            "conversation,feedback,status\n1,9,0\n",
            "conversation: conversation_id, feedback: feedback_score, status: ?",
        ),
        (
            "outcomes.csv",
            "conversation,feedback,status\n1,Hyvä,done\n",
            "conversation: conversation_id, feedback: feedback_text, status: outcome",
        ),
        (
            "timing.csv",
            "time,conversations\n09:00,4\n",
            "time: hour_of_day, conversations: conversations_total",
        ),
        (
            "timing.csv",
            "Päivämäärä;Kesto (s)\n1.5.2024 9.05;60\n",
            "Päivämäärä: period_start, Kesto (s): duration",
        ),
    ] {
        let (info, _) = read(name, text.as_bytes());
        assert_eq!(columns(&info), expected);
    }
}

#[test]
fn what_could_be_two_things_is_neither() {
    let (info, rows) =
        read("conversations.csv", b"conversation,question,query,Shoe,Shoe\n1,a,b,c,d\n");
    assert_eq!(rows, ["conversation_id=1 [question]=a [query]=b [Shoe]=c [Shoe (2)]=d"]);
    assert_eq!(
        info.notes,
        [
            "`question`, `query` could all be the column user_text, so none of them is; add an alias for one"
        ]
    );
    let mut settings = Settings::default();
    settings.aliases.push(("Query".to_owned(), "user_text".to_owned()));
    let csv = &b"conversation,question,query\n1,a,b\n"[..];
    let archive = Archive::from_bytes("conversations.csv", csv, settings.clone()).unwrap();
    assert_eq!(rows_of(&archive), ["conversation_id=1 user_text=b [question]=a"]);
    settings.aliases.push(("x".to_owned(), "nonsense".to_owned()));
    let (kind, text) = told(Archive::from_bytes("conversations.csv", csv, settings));
    assert_eq!(kind, ErrorKind::Settings);
    assert!(
        text.contains("an alias is for `nonsense`, which is none of conversation_id, "),
        "{text}"
    );
}

fn rows_of(archive: &Archive) -> Vec<String> {
    rows(archive).1
}

#[test]
fn names_headings_and_the_caller_say_what_a_file_is() {
    // Headings where the name says nothing, or several things, or something else.
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("1.csv", CONVERSATIONS.into()),
        ("agent conversations.csv", AGENT.into()),
        ("timing.csv", OUTCOMES.into()),
    ];
    let archive = open(zip(&files)).unwrap();
    let kinds: Vec<_> = archive.files().iter().map(|file| (file.kind, &*file.name)).collect();
    assert_eq!(
        kinds,
        [
            (FileKind::Conversations, "1.csv"),
            (FileKind::Outcomes, "timing.csv"),
            (FileKind::Agent, "agent conversations.csv"),
        ]
    );
    assert_eq!(
        archive.info(FileKind::Outcomes).unwrap().notes,
        ["its name says timing and its headings outcomes, so it counts as outcomes"]
    );
    let mut settings = Settings::default();
    settings.kinds.push(("foo.csv".to_owned(), FileKind::Timing));
    let archive = Archive::from_bytes("foo.csv", &b"a,b\n1,2\n"[..], settings).unwrap();
    assert_eq!(archive.files()[0].kind, FileKind::Timing);
    assert_eq!(archive.files()[0].shape, Shape::Unknown);
}

#[test]
fn a_column_proves_the_order_of_its_dates_or_is_not_read() {
    let times = |text: &str| {
        let archive = open_csv("timing.csv", text.as_bytes()).unwrap();
        let rows = archive.rows(FileKind::Timing).unwrap();
        let time = |row: leaddesk_client::chatbot::Row| row.time(Column::StartedAt);
        let times: Vec<String> = rows
            .map(|record| time(record.unwrap().body.unwrap()).map_or("?".into(), |t| t.to_string()))
            .collect();
        (times, archive.files()[0].clone())
    };
    let (proven, info) = times("conversation,started at\n1,03/04/2024\n2,31/03/2024 10:00\n");
    assert_eq!(proven, ["2024-04-03", "2024-03-31 10:00:00"]);
    assert_eq!(info.last.unwrap().to_string(), "2024-04-03");
    let (open, info) = times("conversation,started at\n1,03/04/2024\n2,2024-05-01\n");
    assert_eq!(open, ["?", "2024-05-01"]);
    assert!(info.notes[0].starts_with("in `started at` nothing proves which number"), "{info:?}");
    let (both, _) = times("conversation,started at\n1,31/04/2024\n2,04/31/2024\n3,03/04/2024\n");
    assert_eq!(both[2], "?");
}

#[test]
fn nothing_shows_what_cells_hold() {
    let archive = open_csv("agent.csv", AGENT.as_bytes()).unwrap();
    let row = archive.rows(FileKind::Agent).unwrap().next().unwrap().unwrap();
    let debug = format!("{archive:?} {row:?} {:?}", archive.rows(FileKind::Agent).unwrap());
    assert!(!debug.contains("Ada") && !debug.contains("c-1") && !debug.contains("Tuki"), "{debug}");
    assert!(debug.contains("agent_name"), "{debug}");
}

proptest! {
    #[test]
    fn no_bytes_make_a_file_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let heading = b"conversation,timestamp,question\n";
        for bytes in [&bytes[..], &[&heading[..], &bytes].concat()] {
            if let Ok(archive) = open_csv("conversations.csv", bytes) {
                for file in archive.files() {
                    archive.rows(file.kind).unwrap().for_each(drop);
                }
            }
        }
    }

    #[test]
    fn every_row_is_counted(cells in prop::collection::vec("[a-z;\n\" ä]{0,6}", 0..40)) {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["conversation", "question"]).unwrap();
        for cell in &cells {
            writer.write_record(["c", cell]).unwrap();
        }
        let (info, rows) = read("conversations.csv", &writer.into_inner().unwrap());
        prop_assert_eq!((info.rows, rows.len()), (cells.len() as u64, cells.len()));
        for (row, cell) in rows.iter().zip(&cells) {
            let cell = cell.trim();
            let text = if cell.is_empty() { String::new() } else { format!(" user_text={cell}") };
            prop_assert_eq!(row, &format!("conversation_id=c{text}"));
        }
    }
}
