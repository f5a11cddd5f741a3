//! The whole engine under a paused clock, with every sort of fault and kills at any moment: the
//! destination must end as it does without faults, whatever the seed.
//!
//! `SIMULATION_SEEDS=10000 cargo test -p migrate-core --release --test simulation` is the long
//! form; `SIMULATION_SEED=7 …` replays one seed. Seeds that failed once stand in
//! `tests/simulation.seeds` and always run.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of a test may fail it as well"
)]

#[allow(unreachable_pub, missing_docs, dead_code, reason = "a module of tests")]
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use migrate_core::testkit::{
    Chaos, CrashLedger, Faults, MemoryTarget, Outage, Rng, Strict, Unsynced,
};
use migrate_core::{
    Fate, Key, KeyDigest, Ledger, MemoryLedger, Record, RunEnd, RunError, StopSignal, Tally,
};
use world::{Data, Person, STAGES, Thread};

type Sources = (
    Chaos<migrate_core::testkit::ScriptedSource<Person>>,
    Chaos<migrate_core::testkit::ScriptedSource<String>>,
    Chaos<migrate_core::testkit::ScriptedSource<Thread>>,
);

/// One migration with everything around it.
struct Sim {
    seed: u64,
    rng: Rng,
    data: Data,
    target: MemoryTarget,
    sources: Sources,
    /// The engine's side of the faults: what it does must be right whatever the destination does.
    sink: Strict<Chaos<MemoryTarget>>,
    faults: Chaos<MemoryTarget>,
    ledger: CrashLedger<MemoryLedger>,
}

impl Sim {
    fn new(seed: u64, faults: Faults) -> Self {
        let mut rng = Rng::new(seed);
        let data = Data::generate(&mut rng.fork(), 16, 12, 24);
        // One in a batch, or several.
        let batch = [1, 1, 3, 8][usize::try_from(seed % 4).expect("small")];
        let target = world::target().taking(batch, 4);
        let sink = Chaos::new(target.clone(), faults, rng.number());
        let sources = (
            Chaos::new(data.people.clone(), faults, rng.number()),
            Chaos::new(data.leads.clone(), faults, rng.number()),
            Chaos::new(data.threads.clone(), faults, rng.number()),
        );
        let ledger = CrashLedger::new(MemoryLedger::new(), rng.number());
        let (strict, faults) = (Strict::new(sink.clone()), sink);
        Self { seed, rng, data, target, sources, sink: strict, faults, ledger }
    }

    fn set(&self, faults: Faults) {
        self.faults.set(faults);
        self.sources.0.set(faults);
        self.sources.1.set(faults);
        self.sources.2.set(faults);
    }

    /// One process, which is killed after so long, or told to stop.
    async fn process(
        &mut self,
        kill_after: Option<Duration>,
        stop_after: Option<Duration>,
    ) -> Option<Result<RunEnd, RunError>> {
        let (people, leads, threads) = self.sources.clone();
        let plan = world::plan(people, leads, threads, self.sink.clone());
        let ledger = Chaos::new(self.ledger.clone(), self.faults.faults(), self.rng.number());
        let (stop, follow) = (StopSignal::new(), self.ledger.clone());
        let run = world::run(&plan, Arc::new(ledger), stop.clone(), |run| follow.follow(run));
        let mut run = std::pin::pin!(run);
        let later = async |after: Option<Duration>| match after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        };
        let mut stopped = false;
        let (mut kill, mut stopping) =
            (std::pin::pin!(later(kill_after)), std::pin::pin!(later(stop_after)));
        loop {
            tokio::select! {
                biased;
                ended = &mut run => return Some(ended),
                () = &mut kill => return None,
                () = &mut stopping, if !stopped => {
                    stopped = true;
                    stop.stop();
                }
            }
        }
    }

    /// Runs until it ends, killed and stopped up to so many times.
    async fn run_to_the_end(&mut self, disturbances: u32) {
        let seed = self.seed;
        for process in 0..300 {
            let moment = self.rng.time(Duration::from_secs(12));
            let (kill, stop) = match self.rng.below(3) {
                _ if process >= disturbances => (None, None),
                0 => (None, Some(moment)),
                _ => (Some(moment), None),
            };
            let ended = self.process(kill, stop).await;
            let end = match ended {
                None => None,
                Some(Ok(end)) => Some(end),
                Some(Err(error)) if error.is_passing() => None,
                Some(Err(error)) => panic!("seed {seed}: {error:?}"),
            };
            if let Some(end) = end {
                assert_eq!(end, RunEnd::default(), "seed {seed}: nothing is held or left");
                return;
            }
            // Also after an error the next process finds no more than what was acknowledged.
            self.ledger = self.ledger.recover(Unsynced::Tear).await;
        }
        panic!("seed {seed}: the run does not end");
    }

    async fn is_whole(&self) -> Vec<(Tally, KeyDigest)> {
        let mut whole = Vec::new();
        for stage in STAGES {
            let state = self.ledger.stage(stage).await.expect("a stage");
            let proof = self.ledger.proof(stage, state.pass).await.expect("a proof");
            let tally = self.ledger.tally(stage).await.expect("a tally");
            let at = format!("seed {}: {stage}", self.seed);
            assert!(state.finished, "{at} is not finished");
            assert_eq!((proof.keys, proof.digest), (state.keys, state.digest), "{at}");
            assert_eq!(tally.of(Fate::InDoubt) + tally.of(Fate::Pending), 0, "{at}");
            whole.push((tally, proof.digest));
        }
        whole
    }

    /// The openings of a lane were made in the source's order.
    fn lanes_are_in_order(&self) {
        let made: Vec<Key> = self.target.objects().into_iter().map(|it| it.key).collect();
        let mut lanes: BTreeMap<String, usize> = BTreeMap::new();
        for key in self.data.threads.keys() {
            let Some(Ok(Record { lane: Some(lane), .. })) = self.data.threads.item(&key) else {
                continue;
            };
            let Some(place) = made.iter().position(|made| *made == key) else { continue };
            let before = lanes.insert(lane, place);
            let seed = self.seed;
            assert!(before.is_none_or(|before| before < place), "seed {seed}: {key} was overtaken");
        }
    }

    /// Migrates, lets the source go on, migrates what has changed, and once more when all is as it
    /// was.
    async fn migrate(&mut self, disturbances: u32) {
        let rows = self.data.rows();
        self.run_to_the_end(disturbances).await;
        // What is still on its way arrives before the source goes on.
        tokio::time::sleep(Duration::from_secs(600)).await;
        self.data.goes_on();
        self.run_to_the_end(disturbances).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        self.data.goes_back(&rows);
        self.run_to_the_end(disturbances).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
}

async fn simulate(seed: u64) {
    let mut calm = Sim::new(seed, Faults::none());
    calm.migrate(0).await;
    let expected = calm.target.contents();

    let mut sim = Sim::new(seed, Faults::all());
    sim.migrate(4).await;
    let found = sim.target.contents();
    let differs = |one: &[String], other: &[String]| -> Vec<String> {
        one.iter().filter(|object| !other.contains(object)).cloned().collect()
    };
    assert_eq!(sim.target.twins(), [] as [Key; 0], "seed {seed}");
    assert_eq!(
        (differs(&expected, &found), differs(&found, &expected)),
        (vec![], vec![]),
        "seed {seed}: lost, and too much"
    );
    let wrong = sim.data.not_as_it_should_be(&sim.target);
    assert_eq!(wrong, [""; 0], "seed {seed}");
    assert_eq!(sim.target.digest(), calm.target.digest(), "seed {seed}");
    assert_eq!(sim.target.complaints(), [""; 0], "seed {seed}");
    assert_eq!(sim.sink.complaints(), [""; 0], "seed {seed}");
    let digests = |whole: Vec<(Tally, KeyDigest)>| whole.into_iter().map(|it| it.1);
    assert!(digests(sim.is_whole().await).eq(digests(calm.is_whole().await)), "seed {seed}");

    sim.lanes_are_in_order();

    sim.set(Faults::none());
    let writes = sim.target.writes();
    sim.run_to_the_end(0).await;
    let queued = u64::from(sim.data.leads.keys().len() > 4);
    let tried_again = sim.target.writes() - writes;
    assert_eq!(tried_again, 2 * queued, "seed {seed}: what the sink queued, and nothing else");
}

fn replay(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(simulate(seed));
}

/// Seeds that failed once: one a line, with a comment.
fn regressions() -> Vec<u64> {
    let lines = include_str!("simulation.seeds").lines();
    let seeds = lines.map(|line| line.split('#').next().unwrap_or_default().trim());
    seeds.filter(|seed| !seed.is_empty()).map(|seed| seed.parse().expect("a seed")).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn seeds_that_failed_once() {
    replay_all(&regressions());
}

#[test]
fn the_destination_ends_as_without_faults() {
    replay_all(&match (number("SIMULATION_SEED"), number("SIMULATION_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(500)).collect(),
    });
}

fn replay_all(seeds: &[u64]) {
    // Each seed has a runtime of its own, so it is the same on whichever thread it runs.
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| replay(*seed))) {
                eprintln!(
                    "to replay it: SIMULATION_SEED={seed} cargo test -p migrate-core --test simulation"
                );
                resume_unwind(panic);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_seed_is_the_same_twice() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut sim = Sim::new(11, Faults::all());
        let begun = tokio::time::Instant::now();
        sim.migrate(4).await;
        runs.push((
            sim.target.objects().len(),
            sim.target.writes(),
            sim.target.looks(),
            begun.elapsed(),
        ));
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_stops_the_run_and_kills_no_record() {
    for outage in [Outage::Busy, Outage::Silent, Outage::Gone] {
        let mut calm = Sim::new(5, Faults::none());
        calm.run_to_the_end(0).await;
        let mut sim = Sim::new(5, Faults::none());
        sim.process(Some(Duration::from_millis(400)), None).await;
        sim.ledger = sim.ledger.recover(Unsynced::Tear).await;
        sim.faults.set(Faults::outage(outage));
        let ended = sim.process(None, None).await;
        assert!(matches!(ended, Some(Err(RunError::Gone(_)))), "{outage:?}: {ended:?}");
        sim.faults.set(Faults::none());
        sim.run_to_the_end(0).await;
        assert_eq!(sim.target.contents(), calm.target.contents(), "{outage:?}");
    }
}
