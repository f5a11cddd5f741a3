//! The contracts of the test kit: a good implementation passes, and one that breaks a clause
//! fails at that clause.

#![allow(clippy::expect_used, missing_docs, reason = "a test")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use migrate_core::testkit::{
    MemoryTarget, Piece, Sample, ScriptedSource, Uniqueness, mapper, sink, source,
};
use migrate_core::{
    Cursor, Doubt, Emit, Estimate, Evidence, Failure, FailureKind, Found, Key, Limits, Lookup,
    Outcome, Page, Patience, Reason, Record, Sink, Source, SourceError, TargetId, Unreadable,
    Write, async_trait, map_fn,
};

/// What the panic of a broken implementation says.
async fn broken(check: impl Future<Output = ()>) -> String {
    let panic = AssertUnwindSafe(check).catch_unwind().await.expect_err("it must not pass");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
}

fn people() -> ScriptedSource<u32> {
    let rows = (0..7).map(|n| {
        let key = Key::new("person", n);
        match n {
            3 => Err(Unreadable::new(Key::from("people.csv:3"), "ragged")),
            _ => Ok(Record::new(key, n)),
        }
    });
    ScriptedSource::of(rows).pages_of(3)
}

/// A source that does one thing wrong.
struct Wrong {
    inner: ScriptedSource<u32>,
    what: Slip,
    readings: AtomicU64,
    calls: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Slip {
    None,
    NoPage,
    NewKeys,
    StartsOver,
    SkipsOne,
    Twice,
    GoesOnAfterTheLast,
    NeverEnds,
    SaysExactly,
    SaysAbout,
    Eager,
    GoesOnWhenDropped,
    FindsOthers,
    FindsNobodys,
    FindsTwice,
}

impl Wrong {
    fn new(what: Slip) -> Self {
        Self { inner: people(), what, readings: AtomicU64::new(0), calls: Arc::default() }
    }

    async fn check(self) {
        let calls = self.calls.clone();
        let rules = source::Rules::new().counting(move || calls.load(Ordering::Relaxed));
        source::check(&self, &rules).await;
        source::check_lookup(&self).await;
    }
}

impl Source for Wrong {
    type Record = u32;

    fn read(&self, from: Option<Cursor>) -> BoxStream<'static, Result<Page<u32>, SourceError>> {
        let (what, calls) = (self.what, self.calls.clone());
        let reading = self.readings.fetch_add(1, Ordering::Relaxed);
        let resumed = from.is_some();
        if what == Slip::Eager {
            calls.fetch_add(1, Ordering::Relaxed);
        }
        let from = if what == Slip::StartsOver { None } else { from };
        let pages = self.inner.read(from).enumerate().map(move |(n, page)| {
            calls.fetch_add(1, Ordering::Relaxed);
            if what == Slip::GoesOnWhenDropped {
                let calls = calls.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    calls.fetch_add(1, Ordering::Relaxed);
                });
            }
            let mut page = page?;
            match what {
                Slip::NewKeys => {
                    for record in page.items.iter_mut().flatten() {
                        record.key = Key::new("person", format!("{reading}-{}", record.body));
                    }
                }
                Slip::SkipsOne if resumed && n == 0 => drop(page.items.pop()),
                Slip::Twice => page.items.push(Ok(Record::new(Key::new("person", 0), 0))),
                Slip::GoesOnAfterTheLast if n == 0 => page.next = None,
                Slip::NeverEnds if page.next.is_none() => page.next = Some(Cursor::new("0@9")),
                _ => {}
            }
            Ok(page)
        });
        match what {
            Slip::NoPage => futures::stream::empty().boxed(),
            _ => pages.boxed(),
        }
    }

    fn estimate(&self) -> Estimate {
        match self.what {
            Slip::SaysExactly => Estimate::Exactly(6),
            Slip::SaysAbout => Estimate::About(1000),
            _ => Estimate::About(20),
        }
    }
}

impl Lookup for Wrong {
    fn lookup(&self, mut keys: Vec<Key>) -> BoxStream<'static, Result<Page<u32>, SourceError>> {
        match self.what {
            Slip::FindsOthers => drop(keys.pop()),
            Slip::FindsTwice => keys.extend(keys.first().cloned()),
            _ => {}
        }
        let nobodys = self.what == Slip::FindsNobodys && keys.len() == 2;
        let found = self.inner.lookup(keys.clone());
        found
            .map(move |page| {
                let mut page = page?;
                if nobodys {
                    page.items.push(Ok(Record::new(keys[1].clone(), 0)));
                }
                Ok(page)
            })
            .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn each_clause_of_a_source_can_fail() {
    Wrong::new(Slip::None).check().await;
    for (slip, clause) in [
        (Slip::NoPage, "a page at least"),
        (Slip::NewKeys, "keys are stable"),
        (Slip::StartsOver, "what follows page"),
        (Slip::SkipsOne, "what follows page"),
        (Slip::Twice, "comes twice in one reading"),
        (Slip::GoesOnAfterTheLast, "others follow"),
        (Slip::NeverEnds, "the last page names a page after it"),
        (Slip::SaysExactly, "exactly so many"),
        (Slip::SaysAbout, "it said about 1000"),
        (Slip::Eager, "nothing happens before it is polled"),
        (Slip::GoesOnWhenDropped, "dropping ends it"),
        (Slip::FindsOthers, "each record is found under its key"),
        (Slip::FindsTwice, "found once"),
        (Slip::FindsNobodys, "left out"),
    ] {
        let said = broken(Wrong::new(slip).check()).await;
        assert!(said.contains(clause), "{clause}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_may_repeat_itself_where_it_says_so() {
    let twice = ScriptedSource::new([("a:1", 1), ("a:2", 2), ("a:1", 1)]);
    source::check(&twice, &source::Rules::new().repeating()).await;
    let said = broken(source::check(&twice, &source::Rules::new())).await;
    assert!(said.contains("comes twice"), "{said}");
}

/// What a sink does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    DropsAReceipt,
    LiesThatItIsDone,
    StopsAtAFailure,
    PraisesTheUnwelcome,
    ForgetsWhatIsKnown,
    MovesWhatIsKnown,
    MakesTwins,
    SeesWhatIsNot,
    DeniesWhatItReads,
    DeniesForEver,
    SeesAnother,
    SaysOlder,
    FindsWhatIsTaken,
    TakesNothing,
    TakesLess,
}

struct Rig {
    fault: Fault,
    unique: Uniqueness,
}

struct Broken {
    target: MemoryTarget,
    fault: Fault,
    at_once: AtomicU64,
}

#[async_trait]
impl Sink<Piece> for Broken {
    async fn write(&self, mut batch: Vec<Write<Piece>>) {
        let at_once = self.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fault {
            Fault::DropsAReceipt => drop(batch.pop()),
            Fault::LiesThatItIsDone => {
                return batch.into_iter().for_each(|it| it.created(TargetId::new("o1")));
            }
            Fault::StopsAtAFailure => {
                let at = batch.iter().position(|write| write.key == Key::new("record", "bad"));
                let rest = at.map(|at| batch.split_off(at)).unwrap_or_default();
                for write in rest {
                    write.failed(Failure::new(FailureKind::NotDone, "gave up"));
                }
            }
            Fault::PraisesTheUnwelcome => {
                let bad = |write: &mut Write<Piece>| write.key == Key::new("record", "bad");
                batch.extract_if(.., bad).for_each(|it| it.created(TargetId::new("bad")));
            }
            Fault::ForgetsWhatIsKnown => batch.iter_mut().for_each(|it| it.known_as = None),
            Fault::MovesWhatIsKnown if batch[0].known_as.is_some() => {
                let key = batch[0].key.clone();
                self.target.remove(&key);
                let id = self.target.insert(key, "moved");
                return batch.into_iter().for_each(|write| write.updated(id.clone()));
            }
            Fault::MakesTwins => {
                for write in &batch {
                    self.target.insert(write.key.clone(), "another");
                }
            }
            Fault::TakesLess if at_once > 2 => {
                for write in batch.drain(..) {
                    write.failed(Failure::new(FailureKind::NotDone, "too many at once"));
                }
            }
            _ => {}
        }
        self.target.write(batch).await;
        self.at_once.fetch_sub(1, Ordering::Relaxed);
    }

    async fn find(&self, doubt: &Doubt<Piece>) -> Result<Found, Failure> {
        let mut doubt = doubt.clone();
        if self.fault == Fault::FindsWhatIsTaken {
            doubt.taken.clear();
        }
        let found = self.target.find(&doubt).await?;
        Ok(match (self.fault, found) {
            (Fault::SeesWhatIsNot, Found::No(_)) => Found::Yes(TargetId::new("o9")),
            (Fault::DeniesWhatItReads, Found::Yes(_)) => Found::No(Evidence::Read),
            (Fault::DeniesForEver, Found::Yes(_)) => Found::No(Evidence::Search),
            (Fault::SeesAnother, Found::Yes(_)) => Found::Yes(TargetId::new("o9")),
            (Fault::SaysOlder, Found::Yes(id)) => Found::Older(id),
            (_, found) => found,
        })
    }

    fn limits(&self) -> Limits {
        match self.fault {
            Fault::TakesNothing => {
                let mut limits = self.target.limits();
                limits.in_flight = 0;
                limits
            }
            _ => self.target.limits(),
        }
    }
}

#[async_trait]
impl sink::Subject for Rig {
    type Draft = Piece;
    type Sink = Broken;

    async fn fresh(&self) -> Broken {
        let target = MemoryTarget::new().taking(3, 4).lagging(Duration::from_secs(20));
        let refusal = Outcome::Refused(Reason::new("invalid", "it is unwelcome"));
        target.answer(Key::new("record", "bad"), Some(refusal));
        Broken { target, fault: self.fault, at_once: AtomicU64::new(0) }
    }

    fn sample(&self, _: &Broken, n: usize) -> Sample<Piece> {
        Sample::new(Key::new("record", n), Piece::object(self.unique, format!("record {n}")))
    }

    async fn objects(&self, sink: &Broken, sample: &Sample<Piece>) -> usize {
        sink.target.of(&sample.key).len()
    }

    fn changed(&self, _: &Broken, n: usize) -> Option<Piece> {
        Some(Piece::object(self.unique, format!("record {n}, changed")))
    }

    fn unwelcome(&self, _: &Broken) -> Option<Sample<Piece>> {
        Some(Sample::new(Key::new("record", "bad"), Piece::object(self.unique, "")))
    }

    fn patience(&self) -> Patience {
        Patience::new(Duration::from_secs(5), Duration::from_secs(30))
    }
}

#[tokio::test(start_paused = true)]
async fn each_clause_of_a_sink_can_fail() {
    use Uniqueness::{ById, Indexed, Listed};
    for unique in [ById, Indexed, Listed] {
        sink::check(&Rig { fault: Fault::None, unique }).await;
    }
    for (fault, unique, clause) in [
        (Fault::DropsAReceipt, ById, "has its receipt dropped"),
        (Fault::LiesThatItIsDone, ById, "told to be in place"),
        (Fault::StopsAtAFailure, ById, "cannot be written"),
        (Fault::PraisesTheUnwelcome, ById, "is unwelcome and told to be in place"),
        (Fault::ForgetsWhatIsKnown, Indexed, "is known, and what became of it"),
        (Fault::MovesWhatIsKnown, Indexed, "stays the object that it was"),
        (Fault::MakesTwins, ById, "left: 2"),
        (Fault::SeesWhatIsNot, Indexed, "not written yet"),
        (Fault::DeniesWhatItReads, Listed, "a current read does not see"),
        (Fault::DeniesForEver, Indexed, "past the horizon it is found"),
        (Fault::SeesAnother, Listed, "it is the object that was made"),
        (Fault::SaysOlder, Listed, "written once, as it is"),
        (Fault::FindsWhatIsTaken, Indexed, "what is taken is found again"),
        (Fault::TakesNothing, ById, "a sink takes something"),
        (Fault::TakesLess, ById, "cannot be written"),
    ] {
        let said = broken(sink::check(&Rig { fault, unique })).await;
        assert!(said.contains(clause), "{fault:?}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_be_repeated_is_repeated() {
    // A destination that takes a second one behind a draft that says it does not.
    struct Careless;

    #[async_trait]
    impl sink::Subject for Careless {
        type Draft = Piece;
        type Sink = Forgetful;

        async fn fresh(&self) -> Forgetful {
            Forgetful(MemoryTarget::new())
        }

        fn sample(&self, _: &Forgetful, n: usize) -> Sample<Piece> {
            Sample::new(Key::new("record", n), Piece::object(Uniqueness::ById, "text"))
        }

        async fn objects(&self, sink: &Forgetful, sample: &Sample<Piece>) -> usize {
            sink.0.of(&sample.key).len()
        }
    }

    struct Forgetful(MemoryTarget);

    #[async_trait]
    impl Sink<Piece> for Forgetful {
        async fn write(&self, mut batch: Vec<Write<Piece>>) {
            for write in &mut batch {
                write.draft = Piece::object(Uniqueness::Listed, "text");
            }
            self.0.write(batch).await;
        }

        async fn find(&self, doubt: &Doubt<Piece>) -> Result<Found, Failure> {
            self.0.find(doubt).await
        }

        fn limits(&self) -> Limits {
            self.0.limits()
        }
    }

    let said = broken(sink::what_may_be_repeated_makes_no_twin(&Careless)).await;
    assert!(said.contains("may be repeated"), "{said}");
}

#[tokio::test]
async fn each_clause_of_a_mapper_can_fail() {
    let record = || [Record::new(Key::new("person", 1), 7)];
    let said = |map: fn(u64, &mut Emit<Piece>)| {
        let mapper = map_fn(move |record: Record<u64>, out: &mut Emit<Piece>| {
            map(record.body, out);
        });
        broken(async move { mapper::check(&mapper, record()) })
    };
    static CLOCK: AtomicU64 = AtomicU64::new(0);
    let clock = said(|_, out| {
        let now = CLOCK.fetch_add(1, Ordering::Relaxed);
        out.push(Piece::Text(now.to_string()));
    });
    assert!(clock.await.contains("not mapped alike twice"));
    let judge = said(|_, out| {
        let now = CLOCK.fetch_add(1, Ordering::Relaxed);
        out.skip(Reason::new("rule", now.to_string()));
    });
    assert!(judge.await.contains("not judged alike twice"));
    let named_alike = said(|_, out| {
        out.part("note", Piece::Text("a".into()));
        out.part("note", Piece::Text("b".into()));
    });
    assert!(named_alike.await.contains("two writes are named person:1/note"));
    let itself = said(|_, out| out.push(Piece::Needs(Key::new("person", 1))));
    assert!(itself.await.contains("waits for its own record"));
}

#[test]
fn a_draft_that_is_not_all_there_as_json_fails() {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    struct Hidden {
        #[serde(skip_deserializing)]
        number: u64,
    }

    impl migrate_core::Draft for Hidden {
        fn repeat(&self) -> migrate_core::Repeat {
            migrate_core::Repeat::Never
        }
    }

    let mapper = map_fn(|record: Record<u64>, out: &mut Emit<Hidden>| {
        out.push(Hidden { number: record.body });
    });
    let check = || mapper::check(&mapper, [Record::new(Key::new("person", 1), 7)]);
    let panic = std::panic::catch_unwind(AssertUnwindSafe(check)).expect_err("it must not pass");
    let said = panic.downcast_ref::<String>().expect("a text");
    assert!(said.contains("another draft when it is read back"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn ledgers_of_the_kit_keep_the_contract_themselves() {
    use migrate_core::MemoryLedger;
    use migrate_core::testkit::{Chaos, CrashLedger, Faults, Fuse, ledger};

    ledger::check(|| Arc::new(CrashLedger::new(MemoryLedger::new(), 1).syncing_in(Duration::ZERO)))
        .await;
    ledger::check(|| Arc::new(Chaos::new(MemoryLedger::new(), Faults::none(), 1))).await;
    ledger::check(|| Arc::new(Fuse::never().guard(MemoryLedger::new()))).await;
}

#[tokio::test(start_paused = true)]
async fn sources_of_the_kit_keep_the_contract_themselves() {
    use migrate_core::testkit::{Chaos, Faults, Fuse};

    let scripted = people();
    let polls = scripted.clone();
    let rules = source::Rules::new().counting(move || polls.polls());
    source::check(&scripted, &rules).await;
    source::check(&Chaos::new(scripted.clone(), Faults::none(), 1), &rules).await;
    source::check(&Fuse::never().guard(scripted.clone()), &rules).await;
    scripted.vanish(&Key::new("person", 5));
    scripted.put("person:9", 9);
    source::check(&scripted, &rules).await;
    source::check_lookup(&scripted).await;
}
