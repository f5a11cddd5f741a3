use std::time::Duration;

use super::*;
use crate::ledger::Change;
use crate::{
    Emit, MemoryLedger, Pipeline, Plan, Reason, Run, RunError, RunOptions, Sink, SourceExt as _,
    map_fn,
};

async fn ledger(count: u32) -> Arc<dyn Ledger> {
    let ledger = MemoryLedger::new();
    let settle = |stage: &str, n: u32| Change::Settle {
        key: Key::new(stage, n),
        stage: stage.to_owned(),
        fate: [Fate::Created, Fate::Dead, Fate::Queued][n as usize % 3],
        fingerprint: None,
        target: None,
        reason: Some(
            Reason::new(format!("code{}", n % 3), "wrong").field("name").remedy("me", "mend it"),
        ),
        notes: Vec::new(),
        attempts: n,
        at: DateTime::UNIX_EPOCH,
    };
    let changes = ["a", "b"].iter().flat_map(|stage| (0..count).map(|n| settle(stage, n)));
    ledger.commit(changes.collect()).await.unwrap();
    Arc::new(ledger)
}

async fn letters(source: &DeadLetters) -> Vec<DeadLetter> {
    let records: Vec<_> = source.records().try_collect().await.unwrap();
    records.into_iter().map(|record| record.unwrap().body).collect()
}

#[tokio::test]
async fn letters_say_what_is_wrong_and_resume_at_any_page() {
    let source = DeadLetters::of(ledger(2_000).await, Selection::all());
    let all = letters(&source).await;
    assert_eq!(all.len(), 2 * 1_333);
    let letter = all.iter().find(|letter| letter.key == Key::new("b", 7)).unwrap();
    assert_eq!((letter.fate, letter.attempts, letter.kind.as_str()), (Fate::Dead, 7, "b"));
    assert_eq!((letter.code.as_str(), letter.reason.as_str()), ("code1", "wrong"));
    assert_eq!(letter.field.as_deref(), Some("name"));
    assert_eq!((letter.owner.as_deref(), letter.remedy.as_deref()), (Some("me"), Some("mend it")));
    assert_eq!(letter.body, None);

    let pages: Vec<_> = source.read(None).try_collect().await.unwrap();
    let mut seen = 0;
    for page in pages {
        seen += page.items.len();
        let rest: Vec<_> = match page.next {
            Some(next) => source.read(Some(next)).try_collect().await.unwrap(),
            None => Vec::new(),
        };
        let rest: usize = rest.iter().map(|page: &Page<DeadLetter>| page.items.len()).sum();
        assert_eq!(seen + rest, all.len());
    }
    let odd = source.read(Some(Cursor::new("odd"))).try_collect::<Vec<_>>().await;
    assert!(odd.is_err());
}

#[tokio::test(start_paused = true)]
async fn they_are_a_source_like_any_other() {
    let source = DeadLetters::of(ledger(1_600).await, Selection::all());
    crate::testkit::source::check(&source, &crate::testkit::source::Rules::new()).await;
}

#[tokio::test]
async fn a_selection_of_them() {
    let ledger = ledger(30).await;
    let count = async |selection: Selection| {
        letters(&DeadLetters::of(ledger.clone(), selection)).await.len()
    };
    assert_eq!(count(Selection::all().of_stage("a")).await, 20);
    assert_eq!(count(Selection::all().with(Fate::Dead)).await, 20);
    assert_eq!(count(Selection::all().in_queue("code2").of_stage("b")).await, 10);
    assert_eq!(count(Selection::all().keys([Key::new("a", 1), Key::new("a", 3)])).await, 1);
}

/// The people behind the keys.
struct People;

impl Source for People {
    type Record = String;

    fn read(&self, _: Option<Cursor>) -> BoxStream<'static, Result<Page<String>, SourceError>> {
        stream::empty().boxed()
    }

    fn estimate(&self) -> Estimate {
        Estimate::Unknown
    }
}

impl Lookup for People {
    fn lookup(&self, keys: Vec<Key>) -> BoxStream<'static, Result<Page<String>, SourceError>> {
        let known = keys.into_iter().filter(|key| key.id() != "1");
        let known = known.map(|key| Ok(Record::new(key.clone(), format!("body of {key}"))));
        stream::iter([Ok(Page::new(known, None))]).boxed()
    }
}

#[tokio::test]
async fn bodies_are_there_only_where_they_were_asked_for() {
    let source = DeadLetters::of(ledger(6).await, Selection::all().of_stage("a"));
    let with_bodies = letters(&source.clone().with_bodies(People)).await;
    let body = |n: u32| {
        let letter = with_bodies.iter().find(|letter| letter.key == Key::new("a", n)).unwrap();
        letter.body.clone()
    };
    assert_eq!(body(2), Some(Value::from("body of a:2")));
    assert_eq!(body(1), None, "it has vanished from the source");
    let debug = format!("{with_bodies:?}");
    assert!(debug.contains("a:2") && !debug.contains("body of"), "people's data: {debug}");
    assert!(letters(&source).await.iter().all(|letter| letter.body.is_none()));
}

async fn drain(sink: impl Sink<DeadLetter> + 'static) -> Result<(), RunError> {
    let letters = DeadLetters::of(ledger(30).await, Selection::all());
    let as_it_is = map_fn(|it: Record<DeadLetter>, out: &mut Emit<DeadLetter>| out.push(it.body));
    let plan = Plan::new().stage(Pipeline::new("letters", letters, as_it_is, sink), &[]);
    let run = Run::on(Arc::new(MemoryLedger::new())).begin().await?;
    plan.run(&run, &RunOptions::default()).await.map(drop)
}

#[tokio::test]
async fn a_file_is_there_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    std::fs::write(&path, "as it was before").unwrap();
    let file = JsonLines::create(&path).unwrap();
    drain(file.clone()).await.unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "as it was before");
    assert_eq!(file.finish().unwrap(), 40);
    let text = std::fs::read_to_string(&path).unwrap();
    let letters: Vec<DeadLetter> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(letters.len(), 40);
    assert!(file.finish().is_err() && drain(file).await.is_err(), "it was finished");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test(start_paused = true)]
async fn a_channel_waits_for_its_taker_and_ends_with_it() {
    let (sink, drafts) = channel(3);
    let (drained, taken) = tokio::join!(drain(sink), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drafts.collect::<Vec<DeadLetter>>().await
    });
    drained.unwrap();
    assert_eq!(taken.len(), 40);
    let (sink, drafts) = channel(3);
    drop(drafts);
    assert!(matches!(drain(sink).await, Err(RunError::Gone(_))));
}
