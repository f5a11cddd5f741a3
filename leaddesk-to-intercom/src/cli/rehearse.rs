//! The rehearsal: a generated account, stand-ins of both services on this machine, and the very
//! same plan, run and verification as for a real migration.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use migrate_core::{Observer, RunOptions};
use migrate_sandbox::{Account, AccountSpec, ChatbotExport, Endpoints, Sandbox};

use crate::config::Config;
use crate::runner::{Exit, Finished, Runner, Unfinished, VerifyOptions};
use crate::state::StateDir;

use super::args::{Args, Rehearse};
use super::output::Output;
use super::progress::Progress;
use super::{start_log, stop_on_signals};

/// Calls a minute that the stand-in allows unless asked otherwise. At Intercom's documented
/// 10,000 the default account would take minutes.
const RAISED_QUOTA: u32 = 600_000;

/// A real run goes on; here the destination is gone with the program.
const BEGINS_ANEW: &str = "interrupted; the stand-ins are gone, and the next rehearsal begins anew";

/// How far the stand-in's search lags.
const SEARCH_LAG: Duration = Duration::from_secs(1);

pub(super) async fn rehearse(
    args: &Args,
    wanted: &Rehearse,
    output: &Output,
) -> Result<Option<Finished>, Unfinished> {
    let state = remade(&args.state.join("rehearsal")).map_err(failed("cannot be made"))?;
    let size = usize::try_from(wanted.contacts).unwrap_or(usize::MAX);
    let account = Account::generate(&AccountSpec::new(size, wanted.seed));
    let quota = wanted.quota.unwrap_or(RAISED_QUOTA);
    let (contacts, calls, chats) =
        (account.contacts.len(), account.calls.len(), account.chats.len());
    account
        .export_chatbot(&state.file("chatbot.zip"), &ChatbotExport::new())
        .map_err(failed("cannot be written"))?;
    let sandbox = Sandbox::builder(account)
        .quota(u64::from(quota))
        .search_lag(SEARCH_LAG)
        .start()
        .await
        .map_err(failed("has no port for the stand-ins"))?;
    let endpoints = sandbox.endpoints().clone();
    output.say(&format!(
        "Rehearsal: {contacts} contacts, {calls} calls and {chats} chats of a generated LeadDesk account (seed {}), \
         over HTTP on this machine,\ninto a stand-in of Intercom. Nothing leaves the machine.",
        wanted.seed
    ));
    if wanted.quota.is_none() {
        output.say(&format!(
            "The stand-in allows {RAISED_QUOTA} calls a minute, Intercom 10,000: for the true pace add --quota 10000."
        ));
    }

    let text = configuration(&endpoints, quota);
    crate::state::write_whole(&state.file("migration.toml"), |file| {
        file.write_all(text.as_bytes())
    })
    .map_err(failed("cannot be written"))?;
    let config =
        Config::load(&state.file("migration.toml")).map_err(crate::connect::StartError::from)?;
    start_log(&state)?;
    let progress = Progress::new(output.shows_progress(args.no_progress));
    let runner = Runner::new(config, state)
        .secrets(Arc::new(move |name| secret(&endpoints, name)))
        .observer(progress.clone() as Arc<dyn Observer>)
        .accept_proposal(true);
    stop_on_signals(runner.stop_signal(), *output);
    let mut result = all(&runner, output).await;
    progress.end();
    sandbox.shutdown().await;
    match &mut result {
        Ok(ended) if ended.exit == Exit::Stopped => ended.error = Some(BEGINS_ANEW.to_owned()),
        Err(ended) if ended.exit == Exit::Stopped => ended.message = BEGINS_ANEW.to_owned(),
        _ => {}
    }
    result.map(Some)
}

async fn all(runner: &Runner, output: &Output) -> Result<Finished, Unfinished> {
    let plan = runner.plan().await?;
    output.say(&format!(
        "Plan: {} calls to Intercom, {} to LeadDesk. Custom fields go where mapping.toml proposes, which a real run asks a person to confirm.",
        plan.calls, plan.leaddesk.calls
    ));
    output.say("Running it, then reading everything back.");
    let run = runner.run(&RunOptions::default()).await?;
    if run.error.is_some() {
        return Ok(run);
    }
    let everything = VerifyOptions { all: true, ..VerifyOptions::default() };
    let mut verified = runner.verify(everything).await?;
    // The rehearsal's report is that of its run, with what reading it back has found.
    verified.report = crate::runner::amended(runner.state(), |report| {
        (report.last_run, report.quota) = (run.report.last_run, run.report.quota);
    })
    .await?;
    output.say(&format!("\nThe report is in {}.", runner.state().path().display()));
    Ok(verified)
}

fn remade(path: &std::path::Path) -> io::Result<StateDir> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    StateDir::create(path)
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> Unfinished {
    move |error| Unfinished {
        exit: Exit::Failed,
        message: format!(
            "The rehearsal {what}: {error}. Name another state directory with --state DIR."
        ),
    }
}

/// The configuration of the rehearsal, as anybody would write it. Its secrets come from the
/// stand-ins, not from the environment.
fn configuration(endpoints: &Endpoints, quota: u32) -> String {
    let (first, last) = endpoints.call_ids;
    format!(
        r#"# Made by the rehearsal.
[source]
kind = "api"
time_zone = "{zone}"
default_country = "{country}"
requests_per_second = 10000.0     # the stand-in has no limit
concurrency = 16

[source.original]
base_url = "{original}"

[source.rest]
base_url = "{rest}"
account_id = "{account}"

[source.calls]
last_call = true
id_range = [{first}, {last}]

[source.chatbot]
zip = "chatbot.zip"

[destination]
base_url = "{intercom}"
fallback_admin = "{admin}"
workspace_limit = {workspace}
search_lag_horizon = "3s"         # the stand-in's search lags by one second
settle_after = "2s"
"#,
        zone = endpoints.time_zone,
        country = endpoints.default_country,
        original = endpoints.leaddesk_original,
        rest = endpoints.leaddesk_rest,
        account = endpoints.leaddesk_account_id,
        intercom = endpoints.intercom,
        admin = endpoints.fallback_admin,
        workspace = quota.max(25_000),
    )
}

fn secret(endpoints: &Endpoints, name: &str) -> Option<String> {
    match name {
        "LEADDESK_API_KEY" => Some(endpoints.leaddesk_key.clone()),
        "LEADDESK_CLIENT_ID" => Some(endpoints.leaddesk_client_id.clone()),
        "LEADDESK_CLIENT_SECRET" => Some(endpoints.leaddesk_client_secret.clone()),
        "INTERCOM_TOKEN" => Some(endpoints.intercom_token.clone()),
        _ => None,
    }
}
