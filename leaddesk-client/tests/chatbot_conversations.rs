//! Conversations joined from the files of the chatbot's export.
#![cfg(feature = "chatbot")]
#![allow(clippy::unwrap_used)] // Helpers outside `#[test]` functions may fail the test as well.

mod support;

use std::fmt::Write;

use leaddesk_client::ErrorKind;
use leaddesk_client::chatbot::{self, Archive, Conversation, Outcome, Settings, Timestamp, Who};
use support::{CONVERSATIONS, four, open, open_csv, zip};

/// The conversations by id, and the reasons of what is unreadable.
fn join(archive: &Archive) -> (Vec<Conversation>, Vec<String>) {
    let (mut conversations, mut bad) = (Vec::new(), Vec::new());
    for item in chatbot::conversations(archive).unwrap() {
        match item.unwrap() {
            Ok(conversation) => conversations.push(conversation),
            Err(unreadable) => bad.push(unreadable.to_string()),
        }
    }
    conversations.sort_by(|left, right| left.id.cmp(&right.id));
    (conversations, bad)
}

fn said(conversation: &Conversation) -> Vec<(Who, &str)> {
    conversation.turns.iter().map(|turn| (turn.who, turn.text.reveal().as_str())).collect()
}

fn of_csv(text: &str) -> (Vec<Conversation>, Vec<String>) {
    join(&open_csv("conversations.csv", text.as_bytes()).unwrap())
}

#[test]
fn four_files_give_whole_conversations() {
    let (conversations, bad) = join(&open(zip(&four())).unwrap());
    assert_eq!((conversations.len(), bad.len()), (2, 0));
    let first = &conversations[0];
    assert_eq!(
        said(first),
        [
            (Who::Bot, "Tervetuloa! <br>"),
            (Who::Visitor, "Missä paketti?"),
            (Who::Bot, "Siirrän ihmiselle."),
            (Who::Visitor, "Kiitos"),
            (Who::Agent, "Ada täällä"),
        ]
    );
    assert_eq!(first.turns[1].index, Some(2));
    assert_eq!(first.turns[1].record, 3);
    assert_eq!(first.turns[1].intent.as_deref(), Some("where"));
    let at = first.turns[1].at.as_ref().unwrap();
    assert_eq!(at.text, "1714557601000");
    assert!(matches!(at.timestamp, Some(Timestamp::Instant(_))));
    assert_eq!((&first.outcome, first.transferred), (&Some(Outcome::Transferred), Some(true)));
    assert_eq!(first.feedback_score.as_deref(), Some("9"));
    assert_eq!(first.feedback_text.as_ref().unwrap().reveal(), "Hyvä");
    assert_eq!(first.started.as_ref().unwrap().text, "2024-05-01T10:00:00Z");
    assert_eq!(first.ended.as_ref().unwrap().text, "2024-05-01T10:10:00Z");
    assert_eq!(first.agents.len(), 1);
    let agent = &first.agents[0];
    assert_eq!(agent.name.as_ref().unwrap().reveal(), "Ada");
    assert_eq!(agent.team.as_deref(), Some("Tuki"));
    assert!(matches!(agent.accepted_at.as_ref().unwrap().timestamp, Some(Timestamp::Local(_))));
    assert_eq!(first.extra.reveal(), &[("duration".to_owned(), "600".to_owned())]);
    let second = &conversations[1];
    assert_eq!((&second.outcome, second.transferred), (&Some(Outcome::Handled), Some(false)));
    assert_eq!((&second.feedback_score, second.agents.len()), (&None, 0));

    let debug = format!("{first:?} {:?} {agent:?}", first.turns);
    assert!(!debug.contains("paketti") && !debug.contains("Ada"), "{debug}");
}

#[test]
fn the_order_does_not_depend_on_rows_or_memory() {
    let mut csv = String::from("conversation,index,question\n");
    let rows: Vec<(u32, u32)> = (0..400).flat_map(|id| [(id, 1), (id, 2)]).collect();
    for (id, index) in &rows {
        writeln!(csv, "c-{id},{index},text {index}").unwrap();
    }
    let mut reversed = String::from("conversation,index,question\n");
    for (id, index) in rows.iter().rev() {
        writeln!(reversed, "c-{id},{index},text {index}").unwrap();
    }
    let listed = |csv: &str, memory: usize| {
        let mut settings = Settings::default();
        settings.limits.memory = memory;
        let archive = Archive::from_bytes("conversations.csv", csv.as_bytes(), settings).unwrap();
        let conversations = chatbot::conversations(&archive).unwrap();
        let passes = conversations.passes();
        let list: Vec<String> = conversations
            .map(|item| {
                let conversation = item.unwrap().unwrap();
                let turns = said(&conversation);
                assert_eq!(turns, [(Who::Visitor, "text 1"), (Who::Visitor, "text 2")]);
                conversation.id.to_string()
            })
            .collect();
        (passes, list)
    };
    let (passes, once) = listed(&csv, 256 << 20);
    assert_eq!((passes, once.len()), (1, 400));
    let (passes, often) = listed(&reversed, 64 << 10);
    assert!(passes > 2, "{passes}");
    assert_eq!(often, once);
}

#[test]
fn a_huge_conversation_is_refused_and_not_held() {
    let mut csv = String::from("conversation,question\n");
    (0..5_000).for_each(|n| writeln!(csv, "c-1,text {n}").unwrap());
    let mut settings = Settings::default();
    settings.limits.memory = 64 << 10;
    let archive = Archive::from_bytes("conversations.csv", csv.as_bytes(), settings).unwrap();
    let items: Vec<_> = chatbot::conversations(&archive).unwrap().collect();
    let error = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("take more than twice the memory allowed"), "{error}");
}

#[test]
fn rows_without_a_usable_id_are_named() {
    let (conversations, bad) =
        of_csv("conversation,question\nc-1,a\n,b\n1.23E+15,c\nc-1,d,e\nc-1,f\n");
    assert_eq!(said(&conversations[0]), [(Who::Visitor, "a"), (Who::Visitor, "f")]);
    assert_eq!(bad[0], "conversations.csv:2: the row has no conversation id");
    assert!(bad[1].starts_with("conversations.csv:3: a spreadsheet has rewritten"), "{}", bad[1]);
    assert!(bad[2].starts_with("conversations.csv:4: the row has 3 fields"), "{}", bad[2]);
    assert_eq!(bad.len(), 3);
}

#[test]
fn one_row_per_message() {
    let (conversations, _) = of_csv(
        "conversation,timestamp,sender type,message\n1,2024-05-01 10:00:02,bot,c\n1,2024-05-01 10:00:00,visitor,a\n1,2024-05-01 10:00:01,Agent,b\n1,2024-05-01 10:00:03,Ada,d\n",
    );
    assert_eq!(
        said(&conversations[0]),
        [(Who::Visitor, "a"), (Who::Agent, "b"), (Who::Bot, "c"), (Who::Unknown, "d")]
    );
    // Without a column that says who, nobody knows.
    let (conversations, _) = of_csv("conversation,message\n1,a\n1,b\n");
    assert_eq!(said(&conversations[0]), [(Who::Unknown, "a"), (Who::Unknown, "b")]);
    // The latest first, and two of one second.
    let (conversations, _) = of_csv(
        "conversation,timestamp,question\n1,2024-05-01 10:00:05,c\n1,2024-05-01 10:00:00,b\n1,2024-05-01 10:00:00,a\n",
    );
    let texts: Vec<_> = said(&conversations[0]).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["a", "b", "c"]);
}

#[test]
fn transcripts_anonymised_rows_and_repeats() {
    let (conversations, _) = of_csv(
        "session,date,topic,transcript\n1,2024-05-01,parcel,\"Question(1): Hei\r\nAnswer(1): Moi\r\n---\r\nQuestion(2): EMPTY\r\nAnswer(2): Vielä?\r\n\"\n2,,,free text\n3,,,EMPTY CONVERSATION\n",
    );
    assert_eq!(
        said(&conversations[0]),
        [(Who::Visitor, "Hei"), (Who::Bot, "Moi"), (Who::Bot, "Vielä?")]
    );
    assert_eq!(conversations[0].turns[2].index, Some(2));
    assert_eq!(conversations[0].started.as_ref().unwrap().text, "2024-05-01");
    assert_eq!(conversations[0].intent.as_deref(), Some("parcel"));
    assert_eq!(said(&conversations[1]), [(Who::Unknown, "free text")]);
    assert_eq!(said(&conversations[2]), []);

    let (conversations, bad) = of_csv("conversation,question,answer\n1,,Moi\n2,,\n");
    assert_eq!(said(&conversations[0]), [(Who::Bot, "Moi")]);
    assert_eq!((said(&conversations[1]).len(), bad.len()), (0, 0));

    let (conversations, _) = of_csv("id,conversation,index,question\nm,1,1,a\nm,1,1,a\nn,1,2,a\n");
    assert_eq!(conversations[0].turns.len(), 2);
    assert_eq!(conversations[0].notes, ["1 rows occur twice, and count once"]);
}

#[test]
fn files_that_contradict_each_other_say_so() {
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("conversations.csv", CONVERSATIONS.into()),
        ("outcomes.csv", "conversation,outcome\nc-1,Handled\nc-1,Abandoned\n".into()),
        ("timing.csv", "hour,conversations\n1,2\n".into()),
    ];
    let archive = open(zip(&files)).unwrap();
    let joined = chatbot::conversations(&archive).unwrap();
    assert_eq!(joined.joined().len(), 2);
    let (conversations, _) = join(&archive);
    assert_eq!(conversations[0].outcome, Some(Outcome::Handled));
    assert_eq!(conversations[0].notes, ["the rows differ in outcome; the first one counts"]);
}

#[test]
fn everything_can_be_sent_to_another_thread() {
    fn sendable<T: Send>() {}
    sendable::<Archive>();
    sendable::<chatbot::Rows>();
    sendable::<chatbot::Conversations<'_>>();
    sendable::<Conversation>();
}

#[test]
fn counts_are_no_conversations() {
    let archive = open_csv("conversations.csv", b"date,total,foo\n2024-05-01,3,x\n").unwrap();
    let error = chatbot::conversations(&archive).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(
        error
            .to_string()
            .contains("conversations.csv has no column that is known as the conversation's id"),
        "{error}"
    );
    assert!(error.to_string().contains("conversations.csv (buckets): date, total, foo"), "{error}");
}
