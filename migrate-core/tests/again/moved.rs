//! A record that another stage brings now, as a lead that has become a customer: it stays one object,
//! and both stages account for what they read.

use std::sync::Arc;

use migrate_core::testkit::{MemoryTarget, Piece, ScriptedSource, Uniqueness};
use migrate_core::{
    Emit, Fate, Key, Ledger as _, MemoryLedger, Pipeline, Plan, Record, Run, RunOptions, Standing,
    map_fn,
};

struct Migration {
    sources: [(&'static str, ScriptedSource<&'static str>); 2],
    target: MemoryTarget,
    ledger: Arc<MemoryLedger>,
}

impl Migration {
    async fn run(&self) {
        self.run_with(&RunOptions::default()).await;
    }

    async fn run_with(&self, options: &RunOptions) {
        let mapper = || {
            map_fn(|record: Record<&'static str>, out: &mut Emit<Piece>| {
                out.push(Piece::object(Uniqueness::Listed, record.body));
                out.part("mark", Piece::Mark("ours".into()));
            })
        };
        let mut plan = Plan::new();
        for (name, source) in &self.sources {
            plan = plan
                .stage(Pipeline::new(*name, source.clone(), mapper(), self.target.clone()), &[]);
        }
        let run = Run::on(self.ledger.clone()).begin().await.unwrap();
        plan.run(&run, options).await.unwrap();
    }

    /// The keys of a stage, and that both stages account for all that they read.
    async fn standing(&self) -> [u64; 2] {
        let names = self.sources.each_ref().map(|(name, _)| *name);
        let standing =
            Standing::of(&*self.ledger, &names, &Default::default(), |_| {}).await.unwrap();
        assert!(standing.accounted);
        names.map(|name| standing.stages.iter().find(|it| it.name == name).unwrap().read)
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_moves_to_another_stage_stays_one_object() {
    let people = ScriptedSource::new([("person:1", "one"), ("person:2", "two")]);
    let leads = ScriptedSource::new([("person:3", "three"), ("person:4", "four")]);
    let migration = Migration {
        sources: [("people", people.clone()), ("leads", leads.clone())],
        target: MemoryTarget::new(),
        ledger: Arc::default(),
    };
    migration.run().await;
    assert_eq!(migration.standing().await, [2, 2]);
    let writes = migration.target.writes();

    // One moves unchanged, one changes on the way, and one goes the other way.
    for (n, text) in [("person:3", "three"), ("person:4", "four, a customer now")] {
        leads.vanish(&Key::from(n));
        people.put(n, text);
    }
    people.vanish(&Key::from("person:1"));
    leads.put("person:1", "one");
    migration.run().await;
    assert_eq!(migration.standing().await, [3, 1]);
    assert_eq!(migration.target.writes(), writes + 1, "only what has changed is written");
    assert_eq!((migration.target.objects().len(), migration.target.twins()), (4, vec![]));
    let four = migration.ledger.entries(&[Key::from("person:4")]).await.unwrap().remove(0).unwrap();
    let object =
        migration.target.objects().into_iter().find(|it| Some(&it.id) == four.target.as_ref());
    assert_eq!(object.unwrap().text, "four, a customer now");
    assert_eq!((&*four.stage, four.fate), ("people", Fate::Created));

    migration.run().await;
    assert_eq!(migration.target.writes(), writes + 1, "a further run writes nothing");
    assert_eq!(migration.standing().await, [3, 1]);
}

/// Two people and a lead, of whom the people have been migrated.
async fn people_first() -> (Migration, ScriptedSource<&'static str>, ScriptedSource<&'static str>) {
    let people = ScriptedSource::new([("person:1", "one"), ("person:2", "two")]);
    let leads = ScriptedSource::new([("person:3", "three")]);
    let migration = Migration {
        sources: [("people", people.clone()), ("leads", leads.clone())],
        target: MemoryTarget::new(),
        ledger: Arc::default(),
    };
    migration.run_with(&RunOptions::default().only("people")).await;
    (migration, people, leads)
}

/// One stage has been passed through more often than the other, and both bring a record at once: the
/// later one answers for it, and no run stays without an end.
#[tokio::test(start_paused = true)]
async fn a_record_that_two_stages_bring_in_one_run_is_one() {
    let (migration, _, leads) = people_first().await;
    leads.put("person:1", "one");
    let mut writes = 0;
    for round in 0..3 {
        migration.run().await;
        assert_eq!(migration.standing().await, [1, 2], "round {round}");
        assert_eq!((migration.target.objects().len(), migration.target.twins()), (3, vec![]));
        let before = std::mem::replace(&mut writes, migration.target.writes());
        assert!(round == 0 || before == writes, "nothing is written again");
    }
}

/// The number of a pass is that of a stage: one that another stage has brought is not passed over.
#[tokio::test(start_paused = true)]
async fn what_another_stage_met_in_a_pass_of_that_number_is_taken_in() {
    let (migration, people, leads) = people_first().await;
    people.vanish(&Key::from("person:1"));
    leads.put("person:1", "one, a lead now");
    migration.run_with(&RunOptions::default().only("leads")).await;
    let one = migration.target.of(&Key::from("person:1"));
    assert_eq!(one.into_iter().map(|it| it.text).collect::<Vec<_>>(), ["one, a lead now"]);
    assert_eq!(migration.standing().await, [1, 2]);
}
