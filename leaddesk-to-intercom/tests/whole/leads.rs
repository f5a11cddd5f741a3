//! Leads, which Intercom never refuses as duplicates: doubt about one is settled by search alone.
//! The sink is driven by itself here, on a client that sends nothing again; the stage of leads is tested
//! in `lead_stage`.

use futures::future::join_all;
use leaddesk_to_intercom::draft::ContactDraft;
use migrate_core::{RunEnd, RunOptions};
use migrate_sandbox::Workspace;
use migrate_sandbox::workspace::{Contact, DataAttribute};

use crate::bench::Bench;
use crate::driven::{self, fields};
use crate::settlement::{CASES, Case, OPEN, STRUCK};

const LEADS: usize = 12;

/// The attribute that holds the key of a lead.
const KEY: &str = "ld_source_key";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_about_a_lead_is_settled_without_a_twin_or_a_loss() {
    join_all(CASES.map(row)).await;
}

async fn row(case: Case) {
    let named = format!("leads with {case:?}");
    let (bench, end) = run(case, &RunOptions::default()).await;
    assert_eq!(end.waiting, 0, "{named}");
    case.over(&bench, &named).await;
    let found = bench.sandbox.workspace();
    assert_eq!((1..=LEADS).map(|n| count(&found, n)).collect::<Vec<_>>(), [1; LEADS], "{named}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_leads_are_written_meanwhile() {
    let (bench, end) = run(OPEN, &RunOptions::default().no_wait()).await;
    OPEN.assert_struck(&bench, "leads");
    assert_eq!(end.waiting, STRUCK as u64);
    let found = bench.sandbox.workspace();
    let there = (1..=LEADS).map(|n| count(&found, n)).filter(|count| *count == 1);
    assert_eq!(there.count(), LEADS - STRUCK);
}

/// How often a lead is there, each time as it should be.
fn count(found: &Workspace, n: usize) -> usize {
    let is_it = |lead: &&Contact| lead.external_id.as_deref() == Some(&*external_id(n));
    let leads = found.contacts.iter().filter(is_it).inspect(|lead| {
        assert_eq!((&*lead.role, &lead.name), ("lead", &Some(name(n))));
        let notes: Vec<&str> = lead.notes.iter().map(|note| &*note.body).collect();
        assert_eq!(notes, [format!("<p>{}</p>", marker(n))]);
    });
    leads.count()
}

/// Brings leads about, each with a note, and says how that ended.
async fn run(case: Case, options: &RunOptions) -> (Bench, RunEnd) {
    let bench = case.bench("POST /contacts").await;
    bench.sandbox.edit(|workspace| {
        workspace.data_attributes.push(DataAttribute {
            model: "contact".into(),
            name: KEY.into(),
            data_type: "string".into(),
            ..DataAttribute::default()
        });
    });
    let leads = (1..=LEADS).map(|n| {
        let mut lead = fields(&external_id(n), "lead");
        lead.name = Some(name(n));
        lead.attributes.insert(KEY.to_owned(), external_id(n).into());
        let note = ContactDraft::Note { body: marker(n), marker: marker(n) };
        (lead, vec![("note".to_owned(), note)])
    });
    let end = driven::bring(&bench, &driven::ledger(), leads.collect(), options).await;
    (bench, end)
}

fn external_id(n: usize) -> String {
    format!("leaddesk:lead:{n}")
}

fn name(n: usize) -> String {
    format!("Lead {n}")
}

fn marker(n: usize) -> String {
    format!("LeadDesk lead {n}")
}
