//! The whole engine under a paused clock, with every sort of fault and kills at any moment: the
//! destination must end as it does without faults, whatever the seed.
//!
//! `SIMULATION_SEEDS=10000 cargo test -p migrate-core --release --test simulation` is the long
//! form; `SIMULATION_SEED=7 …` replays one seed.

#![allow(clippy::expect_used, clippy::panic, reason = "helpers of a test may fail it as well")]

#[allow(unreachable_pub, missing_docs, reason = "a module of tests")]
mod world;

use std::sync::Arc;
use std::time::Duration;

use migrate_core::{
    Event, Fate, Ledger, MemoryLedger, Patience, Plan, Run, RunEnd, RunError, RunOptions,
    StopSignal,
};
use world::{Faults, People, Rng, Threads, World, people_stage, threads_stage};

const SETTLE_AFTER: Duration = Duration::from_secs(20);
const LAG_HORIZON: Duration = Duration::from_secs(60);

async fn run_once(
    ledger: &Arc<MemoryLedger>,
    world: &World,
    people: &People,
    threads: &Threads,
    stop: StopSignal,
) -> (Result<RunEnd, RunError>, Option<Run>) {
    let plan = Plan::new()
        .stage(people_stage(people, world), &[])
        .stage(threads_stage(threads, world), &["people"]);
    let mut patience = Patience::new(SETTLE_AFTER, LAG_HORIZON);
    // A quarter of all writes fails: eight failures in a row, which make a record dead, do happen.
    patience.max_looks = 40;
    let ledger: Arc<dyn Ledger> = ledger.clone();
    let observer = Arc::new(|_: &Event<'_>| {});
    let run = match Run::begin(ledger, observer, stop, patience).await {
        Ok(run) => run,
        Err(error) => return (Err(error.into()), None),
    };
    (plan.run(&run, &RunOptions::default()).await, Some(run))
}

/// Runs until it ends, killed at random moments up to `kills` times; says how often it was.
async fn run_to_the_end(
    seed: u64,
    ledger: &Arc<MemoryLedger>,
    world: &World,
    people: &People,
    threads: &Threads,
    kills: u32,
) -> u32 {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let mut killed = 0;
    for _ in 0..200 {
        let (ledger, world) = (ledger.clone(), world.clone());
        let (people, threads) = (people.clone(), threads.clone());
        let run = async move {
            let stop = StopSignal::new();
            run_once(&ledger, &world, &people, &threads, stop).await.0
        };
        let mut task = tokio::spawn(run);
        let ended = if killed < kills {
            let after = Duration::from_millis(rng.below(12_000));
            tokio::select! {
                ended = &mut task => Some(ended),
                () = tokio::time::sleep(after) => { task.abort(); let _ = task.await; None }
            }
        } else {
            Some(task.await)
        };
        match ended {
            None => killed += 1,
            Some(Ok(Ok(end))) => {
                assert_eq!(end, RunEnd::default(), "seed {seed}: nothing is held or left");
                return killed;
            }
            Some(Ok(Err(error))) if error.is_passing() => {}
            Some(other) => panic!("seed {seed}: {other:?}"),
        }
    }
    panic!("seed {seed}: the run does not end");
}

async fn simulate(seed: u64) {
    let mut rng = Rng::new(seed);
    let people = People::generate(&mut rng, 24);
    let threads = Threads::generate(&mut rng, &people, 40);
    let expected = world::expected(&people, &threads);

    let world = World::new(seed, Faults::all());
    let ledger = Arc::new(MemoryLedger::default());
    run_to_the_end(seed, &ledger, &world, &people, &threads, 6).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(world.state(), expected, "seed {seed}");

    for (stage, read) in [("people", people.len()), ("threads", threads.len())] {
        let state = ledger.stage(stage).await.expect("a stage");
        let tally = ledger.tally(stage).await.expect("a tally");
        assert_eq!(tally.total(), read as u64, "seed {seed}: {stage}");
        assert_eq!(tally.of(Fate::InDoubt) + tally.of(Fate::Pending), 0, "seed {seed}: {stage}");
        assert!(state.finished, "seed {seed}: {stage}");
    }

    let writes = world.writes();
    world.set_faults(Faults::none());
    run_to_the_end(seed, &ledger, &world, &people, &threads, 0).await;
    assert_eq!(world.writes(), writes, "seed {seed}: a second run makes no write call");
}

#[test]
fn the_destination_ends_as_without_faults() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match (number("SIMULATION_SEED"), number("SIMULATION_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(200)).collect(),
    };
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(simulate(seed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_signal_ends_the_run_resumable() {
    let mut rng = Rng::new(1);
    let people = People::generate(&mut rng, 24);
    let threads = Threads::generate(&mut rng, &people, 40);
    let world = World::new(1, Faults::none());
    let ledger = Arc::new(MemoryLedger::default());
    let stop = StopSignal::new();
    let soon = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        soon.stop();
    });
    let (end, _) = run_once(&ledger, &world, &people, &threads, stop).await;
    assert!(matches!(end, Err(RunError::Interrupted)), "{end:?}");
    let before = world.writes();
    assert!(before > 0 && world.state() != world::expected(&people, &threads));
    run_to_the_end(1, &ledger, &world, &people, &threads, 0).await;
    assert_eq!(world.state(), world::expected(&people, &threads));
}

#[tokio::test(start_paused = true)]
async fn a_changed_text_is_corrected_once_and_the_close_follows() {
    let mut rng = Rng::new(3);
    let people = People::generate(&mut rng, 10);
    let mut threads = Threads::generate(&mut rng, &people, 60);
    let world = World::new(3, Faults::none());
    let ledger = Arc::new(MemoryLedger::default());
    run_to_the_end(3, &ledger, &world, &people, &threads, 0).await;
    let writes = world.writes();
    let changed = threads.change_a_remark();
    run_to_the_end(3, &ledger, &world, &people, &threads, 0).await;
    assert_eq!(world.writes() - writes, 2, "the correction and the close");
    assert!(world.thread_of(&changed).ends_with(&["correction".to_owned(), "close".to_owned()]));
    run_to_the_end(3, &ledger, &world, &people, &threads, 0).await;
    assert_eq!(world.writes() - writes, 2, "nothing more");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_goes_away_stops_the_run_and_it_resumes() {
    let mut rng = Rng::new(4);
    let people = People::generate(&mut rng, 12);
    let threads = Threads::generate(&mut rng, &people, 20);
    let world = World::new(4, Faults::gone_after(15));
    let ledger = Arc::new(MemoryLedger::default());
    let (end, _) = run_once(&ledger, &world, &people, &threads, StopSignal::new()).await;
    assert!(matches!(end, Err(RunError::Gone(_))), "{end:?}");
    world.set_faults(Faults::none());
    run_to_the_end(4, &ledger, &world, &people, &threads, 0).await;
    assert_eq!(world.state(), world::expected(&people, &threads));
}

#[tokio::test(start_paused = true)]
async fn an_outage_stops_the_run_and_kills_no_record() {
    let mut rng = Rng::new(5);
    let people = People::generate(&mut rng, 24);
    let threads = Threads::generate(&mut rng, &people, 80);
    for outage in [Faults::busy(), Faults::silent()] {
        let world = World::new(5, Faults::none());
        let ledger = Arc::new(MemoryLedger::default());
        let soon = world.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            soon.set_faults(outage);
        });
        let (end, _) = run_once(&ledger, &world, &people, &threads, StopSignal::new()).await;
        assert!(matches!(end, Err(RunError::Gone(_))), "{end:?}");
        world.set_faults(Faults::none());
        run_to_the_end(5, &ledger, &world, &people, &threads, 0).await;
        assert_eq!(world.state(), world::expected(&people, &threads));
    }
}
