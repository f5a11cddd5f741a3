//! The sink of contacts without the stages around it, on a client that sends nothing again by itself:
//! so whatever is lost is left for the sink and the engine to settle.

use std::sync::Arc;

use intercom_client::{AdminId, IntercomClient, RetryPolicy};
use leaddesk_to_intercom::draft::{ContactDraft, ContactFields};
use leaddesk_to_intercom::sink::{ContactSink, Workspace};
use leaddesk_to_intercom::source::Fixed;
use migrate_core::{
    Emit, Key, Ledger, MemoryLedger, Patience, Pipeline, Plan, Record, Run, RunEnd, RunOptions,
    map_fn,
};

use crate::bench::Bench;

/// A contact, and what is to be added to it under which name.
pub(crate) type Drafts = (ContactFields, Vec<(String, ContactDraft)>);

/// The stage to which they belong.
pub(crate) const STAGE: &str = "contacts";

/// Brings contacts about, with the keys `contact:1` and so on; says how that ended.
pub(crate) async fn bring(
    bench: &Bench,
    ledger: &Arc<dyn Ledger>,
    contacts: Vec<Drafts>,
    options: &RunOptions,
) -> RunEnd {
    let records =
        (1..).zip(contacts).map(|(n, drafts)| Record::new(Key::new("contact", n), drafts));
    let mapper = map_fn(|record: Record<Drafts>, out: &mut Emit<ContactDraft>| {
        let (fields, parts) = record.body;
        out.push(ContactDraft::Contact(fields));
        parts.into_iter().for_each(|(name, draft)| out.part(name, draft));
    });
    let source = Fixed::new(records.collect(), 5);
    let stage = Pipeline::new(STAGE, source, mapper, ContactSink::new(workspace(bench, ledger)));
    run(bench, ledger, Plan::new().stage(stage, &[]), options).await
}

/// Runs a plan that is to end well.
pub(crate) async fn run(
    bench: &Bench,
    ledger: &Arc<dyn Ledger>,
    plan: Plan,
    options: &RunOptions,
) -> RunEnd {
    let destination = bench.config().destination;
    let patience = Patience::new(destination.settle_after, destination.search_lag_horizon);
    let run = Run::on(ledger.clone()).patience(patience).begin().await.unwrap();
    plan.run(&run, options).await.unwrap()
}

/// The workspace of a bench, by a client that sends nothing again by itself.
pub(crate) fn workspace(bench: &Bench, ledger: &Arc<dyn Ledger>) -> Workspace {
    let client = IntercomClient::builder(bench.endpoints.intercom_token.clone().into())
        .base_url(bench.endpoints.intercom.parse().unwrap())
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    let admin = AdminId::new(bench.sandbox.workspace().admins[0].id.to_string());
    let mut workspace = Workspace::new(client, admin, ledger.clone());
    workspace.in_flight = 4;
    workspace
}

/// A ledger that knows nothing yet.
pub(crate) fn ledger() -> Arc<dyn Ledger> {
    Arc::new(MemoryLedger::new())
}

/// Fields that are the same for all but for these.
pub(crate) fn fields(external_id: &str, role: &str) -> ContactFields {
    let mut fields = ContactFields::default();
    (fields.external_id, fields.role) = (external_id.to_owned(), role.to_owned());
    fields
}
