//! Runs that are told to stop.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use migrate_sandbox::Faults;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Child;

use super::state::slow;
use super::world::World;

fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[tokio::test]
async fn one_signal_stops_at_a_good_point() {
    tokio::join!(stops_at_a_good_point("-INT"), stops_at_a_good_point("-TERM"));
}

async fn stops_at_a_good_point(name: &str) {
    let world = World::new().await;
    world.sandbox.set_faults(slow(Duration::from_millis(20)));
    let child = world.program(&["run"]).spawn().unwrap();
    world.writes_reach(60).await;
    world.sandbox.set_faults(slow(Duration::from_millis(500)));
    signal(&child, name);
    let ended = world.end(child).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains("Stopping: "), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("error: interrupted; run again to go on\n"));
    let report = ended.json();
    assert_eq!(report["state"], "interrupted");
    assert_eq!(report, world.report());
    let writes = world.counters().intercom_writes;
    assert_eq!(report["last_run"]["writes"], writes, "writes under way were waited for");

    world.sandbox.set_faults(Faults::default());
    let report = world.succeeds(&["run"]).await.json();
    assert_eq!((&report["state"], &report["accounted"]), (&"complete".into(), &true.into()));
    world.all_is_there_once();
}

#[tokio::test]
async fn two_signals_stop_at_once() {
    let world = World::new().await;
    world.sandbox.set_faults(slow(Duration::from_millis(20)));
    let mut child = world.program(&["run"]).spawn().unwrap();
    world.writes_reach(100).await;
    // What is sent from now on is answered long after the program is gone.
    world.sandbox.set_faults(slow(Duration::from_secs(3)));
    let before = world.counters().intercom_writes;
    world.writes_reach(before + 5).await;
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    signal(&child, "-INT");
    while !said.contains("Stopping: ") {
        assert_ne!(stderr.read_line(&mut said).await.unwrap(), 0, "{said}");
    }
    let second = Instant::now();
    signal(&child, "-INT");
    let ended = world.end(child).await;
    assert!(second.elapsed() < Duration::from_secs(2), "it waited");
    stderr.read_to_string(&mut said).await.unwrap();
    assert_eq!(ended.code, Some(3), "{said}");
    assert!(said.contains("stopped at once; the next run settles what is in doubt"), "{said}");
    assert_eq!(ended.json()["state"], "failed");

    world.sandbox.set_faults(Faults::default());
    world.configure(&world.by_api().replace("settle_after = \"1s\"", "settle_after = \"4s\""));
    let report = world.succeeds(&["run"]).await.json();
    assert_eq!(report["accounted"], true);
    world.all_is_there_once();
}

/// Its stand-ins end with the program, so that nothing is left to go on with.
#[tokio::test]
async fn a_rehearsal_that_is_stopped_begins_anew() {
    let world = World::new().await;
    let slowly = ["rehearse", "--contacts", "100", "--quota", "600"];
    let child = world.program(&slowly).spawn().unwrap();
    let begun = Instant::now();
    while !world.state("rehearsal/ledger.sqlite").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no run begins");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    signal(&child, "-INT");
    let ended = world.end(child).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("the next rehearsal begins anew\n"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("go on"), "{}", ended.stderr);

    world.succeeds(&["rehearse", "--contacts", "5"]).await;
}

/// A disk without room for the ledger, as a limit on the size of files stands in for it.
#[tokio::test]
async fn a_full_disk_stops_the_run_which_goes_on_when_there_is_room() {
    let world = World::new().await;
    world.succeeds(&["plan"]).await;
    let run = world.program(&["run"]);
    let mut limited = tokio::process::Command::new("/bin/sh");
    // Without the trap the system would end the process itself.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$@\"", "sh"]);
    limited.arg(run.as_std().get_program()).args(run.as_std().get_args());
    limited
        .env_clear()
        .envs(run.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.current_dir(world.dir.path()).kill_on_drop(true);
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = world.end(limited.spawn().unwrap()).await;
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("Make room on the disk of the state directory"),
        "{}",
        ended.stderr
    );
    let written = world.counters().intercom_writes;
    assert!(written > 0, "it stops before the first write");

    world.configure(&world.by_api().replace("settle_after = \"1s\"", "settle_after = \"2s\""));
    let report = world.succeeds(&["run"]).await.json();
    assert_eq!(report["accounted"], true);
    assert!(world.counters().intercom_writes > written);
    world.all_is_there_once();
}
