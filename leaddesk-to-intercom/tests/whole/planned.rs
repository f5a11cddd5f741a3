//! What a plan says beside how many calls it takes: what is missing, whom it has looked up, how far the
//! routes to calls reach.

use std::collections::BTreeSet;

use leaddesk_to_intercom::draft::AttributeDefinition;
use leaddesk_to_intercom::runner::{PlanFile, Sampled};
use leaddesk_to_intercom::sink::Action;
use migrate_sandbox::{Account, AccountSpec};

use crate::bench::{Bench, by_api, by_export, text_attribute, ugly};

async fn plan(bench: &Bench) -> PlanFile {
    let writes = bench.writes();
    let plan = bench.runner().plan().await.unwrap_or_else(|error| panic!("no plan: {error}"));
    assert_eq!(bench.writes(), writes, "a plan writes nothing");
    plan
}

/// What the plan says is to be made is what the run makes, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_to_be_created_is_what_a_run_creates() {
    let bench = Bench::new(ugly(65)).await;
    bench.sandbox.edit(|workspace| {
        workspace.data_attributes.push(text_attribute("ld_city"));
    });
    let planned = plan(&bench).await.to_create;
    assert!(!planned.attributes.iter().any(|it| it.name == "ld_city"), "it is there");
    let before = bench.sandbox.workspace();
    bench.run().await;
    let after = bench.sandbox.workspace();

    let made = |it: &migrate_sandbox::Workspace| -> BTreeSet<String> {
        let of_contacts = it.data_attributes.iter().map(|it| format!("contact.{}", it.name));
        let of_conversations =
            it.conversation_attributes.iter().map(|it| format!("conversation.{}", it.name));
        of_contacts.chain(of_conversations).collect()
    };
    let made: BTreeSet<String> = made(&after).difference(&made(&before)).cloned().collect();
    let names = planned.attributes.iter().map(|it| format!("{}.{}", it.model, it.name));
    assert_eq!(names.collect::<BTreeSet<_>>(), made);
    let tags = |it: &migrate_sandbox::Workspace| -> BTreeSet<String> {
        it.tags.iter().map(|tag| tag.name.to_lowercase()).collect()
    };
    let made: BTreeSet<String> = tags(&after).difference(&tags(&before)).cloned().collect();
    let names: BTreeSet<String> = planned.tags.iter().map(|name| name.to_lowercase()).collect();
    assert!(!made.is_empty());
    assert_eq!(names, made);

    let planned = plan(&bench).await;
    assert_eq!((planned.to_create.attributes, planned.to_create.tags), (vec![], vec![]));
    assert!(!planned.tags.is_empty(), "those that are used are told all the same");
}

/// What a program adds is planned like everything else, and makes no plan stale when it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attributes_that_a_program_adds_are_planned() {
    let bench = Bench::new(Account::generate(&AccountSpec::plain(5, 71))).await;
    let runner = || {
        bench.runner().customized(|mut parts| {
            let shop = AttributeDefinition::new("ld_shop", "string", "Shop in LeadDesk");
            parts.attributes.push(shop);
            parts
        })
    };
    let planned = runner().plan().await.unwrap().to_create.attributes;
    assert!(planned.iter().any(|it| it.name == "ld_shop" && it.model == "contact"), "{planned:?}");
    bench.run_with(runner()).await;
    assert_eq!(bench.run_with(runner()).await.report.last_run.writes, 0);
}

/// Agents are told by their keys and teams by their names, and nobody's address stands among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_missing_is_asked_for() {
    let spec = AccountSpec::new(20, 66).with(|spec| spec.agents_without_teammate = 0.5);
    let account = Account::generate(&spec);
    let mut bench = Bench::new(account.clone()).await;
    account.export(&bench.path("export")).unwrap();
    bench.settings.source = by_export(&bench.endpoints, &bench.path("export"));
    bench.settings.further = "[map.teams]\n'North' = 'Nordic Team'".into();
    let asked = plan(&bench).await.to_ask_for;
    assert!(asked.teams.contains(&"Nordic Team".to_owned()), "{:?}", asked.teams);
    assert!(!asked.teammates.is_empty());
    assert!(asked.teammates.iter().all(|key| key.starts_with("agent:") && !key.contains('@')));
    let finished = bench.run().await.report;
    let queued = |stage: &str| finished.stages.iter().find(|it| it.name == stage).unwrap().queued;
    assert_eq!(queued("agents"), asked.teammates.len() as u64);
    assert_eq!(queued("teams"), asked.teams.len() as u64);
}

/// The share of contacts with calls is that of those who have conversations afterwards, and each route is
/// told with what it brought.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_how_many_contacts_have_calls_by_each_route() {
    let mut bench = Bench::new(ugly(67)).await;
    let (first, last) = bench.endpoints.call_ids;
    let routes = format!("last_call = true\ngdpr_history = true\nid_range = [{first}, {last}]");
    bench.settings.source = by_api(&bench.endpoints, &routes);
    let history = plan(&bench).await.call_history.unwrap();
    bench.run().await;

    let workspace = bench.sandbox.workspace();
    let ours = workspace.contacts.iter().filter(|it| {
        it.external_id.as_deref().is_some_and(|id| id.starts_with("leaddesk:contact:"))
    });
    let called: BTreeSet<&String> =
        workspace.conversations.iter().flat_map(|it| &it.contacts).collect();
    let ours: BTreeSet<&String> = ours.map(|it| &it.id).collect();
    // Those whom Intercom knew keep their own external ids.
    let known = bench.sandbox.account().existing.len() as u64;
    let (all, with_calls) = (ours.len() as u64, ours.intersection(&called).count() as u64);
    assert!(history.contacts.all.abs_diff(all) <= known, "{history:?}, {all} are there");
    assert!(history.contacts.with_calls.abs_diff(with_calls) <= known, "{history:?}, {with_calls}");
    assert!(history.contacts.with_calls < history.contacts.all, "{history:?}");

    let names: Vec<&str> = history.routes.iter().map(|it| it.route.as_str()).collect();
    assert_eq!(names, ["gdpr_history", "id_range", "last_call"]);
    let of = |name: &str| history.routes.iter().find(|it| it.route == name).unwrap();
    let account = bench.sandbox.account();
    assert_eq!(of("id_range").calls, account.calls.len() as u64);
    let last: BTreeSet<u64> = account.contacts.iter().filter_map(|it| it.last_call_id).collect();
    assert_eq!(of("last_call").calls, last.len() as u64);
    assert!(of("last_call").contacts < of("id_range").contacts, "{history:?}");
    assert!(of("gdpr_history").calls > 0 && of("gdpr_history").contacts > 0, "{history:?}");
    assert!(history.routes.iter().all(|it| it.contacts <= history.contacts.with_calls));
}

/// A sample of contacts is looked up in the workspace as it is now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_says_what_would_be_done_with_each() {
    let half = AccountSpec::plain(40, 68).with(|spec| spec.existing = 0.5);
    let bench = Bench::new(Account::generate(&half)).await;
    // The first one proposes where custom fields go, and does not know them yet.
    let proposing = plan(&bench).await.sample;
    let first = plan(&bench).await;
    let who = |sample: &[Sampled]| -> Vec<_> {
        sample.iter().map(|it| (it.key.clone(), it.action)).collect()
    };
    assert_eq!(who(&proposing), who(&first.sample), "by one seed the same");
    assert_eq!(first.sample.len(), 25);
    let of = |sample: &[Sampled], action| {
        sample.iter().filter(|it| it.action == action).cloned().collect::<Vec<_>>()
    };
    let (create, fill) = (of(&first.sample, Action::Create), of(&first.sample, Action::Fill));
    assert_eq!(create.len() + fill.len(), 25, "{:?}", first.sample);
    assert!(create.len() > 3 && fill.len() > 3, "{:?}", first.sample);
    assert!(fill.iter().all(|it| it.fields.contains(&".ld_created_at".to_owned())), "{fill:?}");
    assert!(create.iter().all(|it| it.fields.is_empty()));

    bench.run().await;
    let entries = bench.sandbox.workspace();
    for sampled in &create {
        let id = format!("leaddesk:{}", sampled.key);
        let archived = entries.contacts.iter().any(|it| it.archived);
        let made = entries.contacts.iter().any(|it| it.external_id.as_ref() == Some(&id));
        // Who is archived cannot be told by reading.
        assert!(made || archived, "{id} was not created");
    }
    let after = plan(&bench).await.sample;
    let (leave, wait) = (of(&after, Action::Leave), of(&after, Action::Wait));
    assert_eq!(leave.len() + wait.len(), 25, "{after:?}");
    assert!(wait.iter().all(|it| it.queue.as_deref() == Some("archived_in_intercom")), "{wait:?}");

    let keys: Vec<u64> =
        leave.iter().map(|it| it.key.rsplit(':').next().unwrap().parse().unwrap()).collect();
    bench.sandbox.edit_account(|account| {
        let changed = account.contacts.iter_mut().filter(|it| keys.contains(&it.id));
        changed.for_each(|contact| contact.city = Some("Rovaniemi".into()));
    });
    assert_eq!(of(&plan(&bench).await.sample, Action::Update).len(), leave.len());
}

/// With all tags and with none: each is what the plan says when it is configured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ways_are_what_a_plan_says_that_is_configured_so() {
    let mut bench = Bench::new(ugly(69)).await;
    // The first one proposes where custom fields go, so it knows their tags less well.
    plan(&bench).await;
    let full = plan(&bench).await;
    bench.settings.further = "[calls]\ntags = []".into();
    let lean = plan(&bench).await;
    let figures = |plan: &PlanFile| -> Vec<(String, u64, u64)> {
        let ways = plan.ways.iter();
        ways.map(|way| (way.name.clone(), way.calls, way.seconds)).collect()
    };
    assert_eq!(figures(&full), figures(&lean));
    assert_eq!((full.calls, lean.calls), (full.ways[0].calls, lean.ways[1].calls));
    assert_eq!((full.seconds, lean.seconds), (full.ways[0].seconds, lean.ways[1].seconds));
    assert!(full.ways[0].is_configured && lean.ways[1].is_configured);
    assert!(lean.calls < full.calls);
}

/// A live workspace may do with conversations what costs; by an address that is not of this machine's
/// loopback, a stand-in passes for one.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_conversations_may_cost_is_told_with_how_many_there_would_be() {
    let mut bench = Bench::new(ugly(70)).await;
    bench.endpoints.intercom = bench.endpoints.intercom.replace("127.0.0.1", "0.0.0.0");
    bench.settings.source = by_api(&bench.endpoints, "last_call = true")
        .replace("[source]\n", "[source]\nallow_http = true\n");
    bench.settings.further = "acknowledge_live_automation = true".into();
    let plan = plan(&bench).await;
    let told = plan.preflight.findings().iter().filter(|it| it.check == "live_costs");
    let told: Vec<String> = told.map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    bench.run().await;
    let opened = bench.sandbox.counters().intercom["POST /conversations"];
    let planned = plan.conversations;
    // Those of archived contacts wait.
    assert!(planned >= opened && (planned - opened) * 20 <= opened, "{planned}, {opened}");
    assert!(told.iter().all(|it| it.contains(&format!("{planned} conversations"))), "{told:?}");
}
