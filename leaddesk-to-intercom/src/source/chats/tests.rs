use super::*;
use crate::source::testing::{keys, read_all};

const ROWS: &str = "conversation,timestamp,question,visitor_email";

fn open(dir: &Path, rows: &str) -> Chatbot {
    let file = dir.join("conversations.csv");
    std::fs::write(&file, format!("{ROWS}\n{rows}")).unwrap();
    let text = format!(
        "[source]\nkind = 'api'\ntime_zone = 'UTC'\n[source.chatbot]\nzip = '{}'\n[destination]\nregion = 'eu'\n",
        file.display()
    );
    Chatbot::open(&Config::parse(&text, "test.toml").unwrap()).unwrap().unwrap()
}

fn rows(count: usize) -> String {
    let known = |n: usize| if n.is_multiple_of(3) { "a@example.com" } else { "" };
    (0..count).map(|n| format!("c-{n},1714557600,Hei,{}\n", known(n))).collect()
}

#[tokio::test]
async fn reading_goes_on_where_it_stopped_and_begins_anew_in_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let chatbot = open(dir.path(), &rows(250));
    let pages = read_all(&chatbot.chats(), None).await;
    let all = keys(&pages);
    assert_eq!((pages.len(), all.len()), (3, 250));
    assert!(pages[2].next.is_none());
    for (page, left) in [(0, 150), (1, 50)] {
        let rest = keys(&read_all(&chatbot.chats(), pages[page].next.clone()).await);
        assert_eq!(rest, all[250 - left..]);
    }
    let visitors = keys(&read_all(&chatbot.visitors(), None).await);
    assert_eq!(visitors.len(), 250 - 84);
    assert!(visitors.iter().all(|key| key.starts_with("chat-visitor:c-")));

    let chatbot = open(dir.path(), &rows(251));
    let anew = keys(&read_all(&chatbot.chats(), pages[0].next.clone()).await);
    assert_eq!(anew.len(), 251);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let rows =
        "c-1,1714557600,Hei,\n,1714557600,Hei,\nc-2,1714557600,a,b,c\n1.2E+15,1714557600,Hei,\n";
    let chatbot = open(dir.path(), rows);
    let found = keys(&read_all(&chatbot.chats(), None).await);
    let bad = ["!conversations.csv:2", "!conversations.csv:3", "!conversations.csv:4"];
    assert_eq!(found.iter().filter(|key| bad.contains(&key.as_str())).count(), 3);
    assert!(found.contains(&"chat:c-1".to_owned()) && found.len() == 4, "{found:?}");
    assert_eq!(keys(&read_all(&chatbot.visitors(), None).await), ["chat-visitor:c-1"]);
}

#[tokio::test]
async fn whoever_stops_listening_stops_the_reading() {
    let dir = tempfile::tempdir().unwrap();
    let chatbot = open(dir.path(), &rows(2_000));
    let mut pages = chatbot.chats().read(None);
    assert_eq!(pages.next().await.unwrap().unwrap().items.len(), PAGE);
    drop(pages);
}

#[test]
fn headings_about_the_visitor() {
    for (heading, of) in [
        ("Visitor e-mail", Some(Of::Email)),
        ("customer_email", Some(Of::Email)),
        ("Asiakkaan sähköposti", Some(Of::Email)),
        ("Puhelin", Some(Of::Phone)),
        ("visitorName", Some(Of::Name)),
        ("email", None),
    ] {
        assert!(about(heading) == of, "{heading}");
    }
}
