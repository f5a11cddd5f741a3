//! The sandbox as a program: prints where it listens and serves until it is told to stop.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use migrate_sandbox::{Account, AccountSpec, ChatbotExport, Faults, Sandbox};

/// Stateful stand-ins of LeadDesk and Intercom on loopback, with a synthetic account.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Contacts of the account; there are 2.6 times as many calls
    #[arg(long, default_value_t = 1000)]
    contacts: usize,
    /// The same seed gives the same account
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Address to listen on; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Intercom's rate limit
    #[arg(long, value_name = "CALLS_PER_MINUTE", default_value_t = 10_000)]
    quota: u64,
    /// How far Intercom's search lags behind
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    search_lag: f64,
    /// What goes wrong on purpose: TOML, or JSON in a file named *.json
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Write the account as CSV files into this folder
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// Write the account's chatbot export into this ZIP file
    #[arg(long, value_name = "FILE")]
    chatbot: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do when even stderr is gone.
            let _ = writeln!(std::io::stderr(), "migrate-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let lag = Duration::try_from_secs_f64(arguments.search_lag)
        .map_err(|_| "--search-lag: not a number of seconds")?;
    let faults = arguments.faults.as_deref().map(read_faults).transpose()?.unwrap_or_default();
    let account = Account::generate(&AccountSpec::new(arguments.contacts, arguments.seed));
    if let Some(dir) = &arguments.export {
        account.export(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    if let Some(file) = &arguments.chatbot {
        let written = account.export_chatbot(file, &ChatbotExport::new());
        written.map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let sandbox = Sandbox::builder(account)
        .listen(arguments.listen)
        .quota(arguments.quota)
        .search_lag(lag)
        .faults(faults)
        .start()
        .await
        .map_err(|error| format!("{}: {error}", arguments.listen))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", serde_json::to_string(sandbox.endpoints())?)?;
    stdout.flush()?;
    asked_to_stop().await?;
    sandbox.shutdown().await;
    Ok(())
}

fn read_faults(path: &Path) -> Result<Faults, Box<dyn Error>> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    if path.extension().is_some_and(|extension| extension == "json") {
        return Ok(serde_json::from_str(&text).map_err(|error| named(&error))?);
    }
    Ok(toml::from_str(&text).map_err(|error| named(&error))?)
}

/// Returns at SIGTERM or Ctrl-C.
async fn asked_to_stop() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminated.recv() => Ok(()),
            stopped = tokio::signal::ctrl_c() => stopped,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
