//! `status --check`.

use std::fs;

use super::world::World;

#[tokio::test]
async fn a_sound_ledger_and_a_damaged_one() {
    let world = World::new().await;
    let none = world.run(&["status", "--check"]).await.failed(1);
    assert!(none.contains("no run has begun there"), "{none}");
    world.succeeds(&["run"]).await;

    // With `--json`, which these tests always give, what people read goes to stderr.
    let ended = world.succeeds(&["status", "--check"]).await;
    assert_eq!(ended.json()["state"], "complete");
    for part in ["The ledger is sound", "entry", "name"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }

    // The keys of contacts, wherever they stand as text: some places are left over in pages and hold
    // nothing any more.
    let path = world.state("ledger.sqlite");
    let mut bytes = fs::read(&path).unwrap();
    let text = b"contact:";
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(text)).collect();
    assert!(places.len() > 1, "there are contacts");
    places.into_iter().for_each(|at| bytes[at] ^= 1);
    fs::write(&path, bytes).unwrap();
    let message = world.run(&["status", "--check"]).await.failed(1);
    for part in [path.to_str().unwrap(), "table ", "put back a copy", "problems"] {
        assert!(message.contains(part), "{message}");
    }
    // A ledger of this size is looked at whenever it is opened.
    world.refuses(&["run"], &["damaged", "table ", "put back a copy"]).await;
}
