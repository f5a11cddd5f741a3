//! How do I change one thing of the migration, and keep all the rest?
//!
//! A shop wants its own tier on each contact, and the calls of one campaign in its own books instead
//! of Intercom. Plan, run, verification, resume and report stay what they are.
//!
//! `cargo run --example integrators_story`

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use leaddesk_client::Call;
use leaddesk_to_intercom::Parts;
use leaddesk_to_intercom::config::Config;
use leaddesk_to_intercom::draft::{AttributeDefinition, ContactDraft};
use leaddesk_to_intercom::runner::{Runner, VerifyOptions};
use leaddesk_to_intercom::state::StateDir;
use migrate_core::{
    Doubt, Draft, Emit, Evidence, Failure, Found, Limits, MapperExt, Pipeline, Record, Repeat,
    RunOptions, Sink, SourceExt, TargetId, Write, async_trait, map_fn,
};
use migrate_sandbox::{Account, AccountSpec, Sandbox};
use serde::{Deserialize, Serialize};

// ---- theirs: begin ----

const CAMPAIGN: &str = "Renewals";

/// A line in the shop's books.
#[derive(Clone, Serialize, Deserialize)]
struct Line(String);

impl Draft for Line {
    fn repeat(&self) -> Repeat {
        Repeat::Safe
    }
}

/// The shop's books, by call.
#[derive(Clone, Default)]
struct Books(Arc<Mutex<BTreeMap<String, String>>>);

#[async_trait]
impl Sink<Line> for Books {
    async fn write(&self, batch: Vec<Write<Line>>) {
        for write in batch {
            let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            books.insert(write.key.to_string(), write.draft.0.clone());
            let id = TargetId::new(write.key.as_str());
            write.created(id);
        }
    }

    async fn find(&self, _: &Doubt<Line>) -> Result<Found, Failure> {
        Ok(Found::No(Evidence::Read))
    }

    fn limits(&self) -> Limits {
        Limits::one_by_one(4)
    }
}

fn is_renewal(call: &Record<Call>) -> bool {
    call.body.campaign_name.as_deref() == Some(CAMPAIGN)
}

fn the_shops(mut parts: Parts, books: Books) -> Parts {
    let tier = map_fn(|draft: Record<ContactDraft>, out: &mut Emit<ContactDraft>| {
        let mut draft = draft.body;
        if let ContactDraft::Contact(fields) = &mut draft {
            let tier = if fields.phone.is_some() { "gold" } else { "silver" };
            fields.attributes.insert("shop_tier".to_owned(), tier.into());
        }
        out.push(draft);
    });
    parts.contacts = parts.contacts.then(tier).boxed();
    parts.attributes.push(AttributeDefinition::new("shop_tier", "string", "Tier in the shop"));

    let renewals = parts.call_source.clone().only(is_renewal);
    parts.call_source = parts.call_source.only(|call| !is_renewal(call)).boxed();
    if !parts.writes {
        return parts;
    }
    let line = map_fn(|call: Record<Call>, out: &mut Emit<Line>| {
        out.push(Line(call.body.call_ending_reason_name.unwrap_or_default()));
    });
    parts.stage(Pipeline::new("renewals", renewals, line, books), &["contacts"])
}

// ---- theirs: end ----

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let account = Account::generate(&AccountSpec::plain(30, 7));
    let sandbox = Sandbox::builder(account).quota(600_000).start().await?;
    let (dir, at) = (tempfile::tempdir()?, sandbox.endpoints().clone());
    let config = Config::parse(&configuration(&at), "example.toml")?;
    let books = Books::default();
    let theirs = books.clone();
    let runner = Runner::new(config, StateDir::create(dir.path())?)
        .accept_proposal(true)
        .customized(move |parts| the_shops(parts, theirs.clone()))
        .secrets(Arc::new(move |name| match name {
            "LEADDESK_API_KEY" => Some(at.leaddesk_key.clone()),
            "INTERCOM_TOKEN" => Some(at.intercom_token.clone()),
            _ => None,
        }));
    runner.plan().await?;
    let report = runner.run(&RunOptions::default()).await?.report;
    let mut everything = VerifyOptions::default();
    everything.all = true;
    let verified = runner.verify(everything).await?.report.verify.unwrap_or_default();

    let workspace = sandbox.workspace();
    let contacts = workspace.contacts.iter().filter(|it| it.external_id.is_some());
    let tiers = contacts.filter(|it| it.custom_attributes.contains_key("shop_tier")).count();
    let lines = books.0.lock().unwrap_or_else(PoisonError::into_inner).len();
    let bodies = workspace.conversations.iter().map(|it| &it.source.body);
    let strays = bodies.filter(|it| it.contains(&format!("Campaign: {CAMPAIGN}"))).count();
    println!("{tiers} contacts with a tier, {lines} renewals in the books, {strays} in Intercom");
    println!("{} of {} records are as they should be", verified.matched, verified.checked);
    let sound = report.accounted && verified.mismatches.is_empty() && strays == 0;
    if !sound || tiers == 0 || lines == 0 {
        return Err("something is not where it should be".into());
    }
    Ok(())
}

fn configuration(at: &migrate_sandbox::Endpoints) -> String {
    let (first, last) = at.call_ids;
    format!(
        "[source]\nkind = 'api'\ntime_zone = '{}'\ndefault_country = '{}'\n\
         requests_per_second = 10000.0\n[source.original]\nbase_url = '{}'\n\
         [source.calls]\nid_range = [{first}, {last}]\n\
         [destination]\nbase_url = '{}'\nfallback_admin = '{}'\nworkspace_limit = 600000\n\
         settle_after = '1s'\nsearch_lag_horizon = '1s'\nacknowledge_live_automation = true\n",
        at.time_zone, at.default_country, at.leaddesk_original, at.intercom, at.fallback_admin
    )
}
