//! The program: arguments, progress, signals, output. Everything it does is in [`runner`].
//!
//! [`runner`]: crate::runner

pub mod args;
mod output;
mod plan;
mod progress;
mod rehearse;
mod undone;

use std::process::ExitCode;
use std::sync::Arc;

use migrate_core::{Key, Observer, RollbackOptions, RunOptions, Scope, StopSignal};

use crate::config::Config;
use crate::runner::{Exit, Finished, Runner, Unfinished, VerifyOptions};
use crate::state::StateDir;

use args::{Args, Command, Status, Verify};
use output::Output;
use progress::Progress;

/// The whole program, with the arguments of the process. Returns its exit status.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     leaddesk_to_intercom::cli::main()
/// }
/// ```
pub fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(usage) => return output::usage(&usage),
    };
    let output = Output::new(args.json);
    if let Err(not_yet) = args.available() {
        return output.failed(&not_yet.to_string(), Exit::Failed);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    // It waits far more than it computes, and every thread takes memory of its own: so there is one beside the main one,
    // however many cores there are. A rehearsal computes for both services as well.
    if !matches!(args.command(), Command::Rehearse(_)) {
        runtime.worker_threads(1);
    }
    let runtime = match runtime.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.failed(&format!("the program cannot start: {error}"), Exit::Failed);
        }
    };
    let code = runtime.block_on(dispatch(&args, &output));
    // What a second signal left behind must not be waited for.
    runtime.shutdown_background();
    code
}

async fn dispatch(args: &Args, output: &Output) -> ExitCode {
    let command = args.command();
    let result = match &command {
        Command::Status(Status { check: true }) => return checked(args, &command, output).await,
        Command::Rehearse(rehearse) => rehearse::rehearse(args, rehearse, output).await,
        Command::Status(_) | Command::Report => report(args).await,
        Command::Rollback(rollback) => return roll_back(args, rollback, output).await,
        _ => with_runner(args, &command, output).await,
    };
    match result {
        Ok(Some(finished)) => output.finished(&finished, &command),
        Ok(None) => ExitCode::SUCCESS,
        Err(unfinished) => output.failed(&unfinished.message, unfinished.exit),
    }
}

async fn report(args: &Args) -> Result<Option<Finished>, Unfinished> {
    let state = StateDir::existing(&args.state);
    crate::runner::report(&state).await.map(Some)
}

/// Looks at all of the ledger and says what it was, then where things stand; sound is all it has to
/// be.
async fn checked(args: &Args, command: &Command, output: &Output) -> ExitCode {
    let state = StateDir::existing(&args.state);
    let result = match crate::runner::check(&state).await {
        Ok(found) => {
            output.checked(&found);
            crate::runner::report(&state).await
        }
        Err(unfinished) => Err(unfinished),
    };
    match result {
        Ok(finished) => {
            output.finished(&finished, command);
            ExitCode::SUCCESS
        }
        Err(unfinished) => output.failed(&unfinished.message, unfinished.exit),
    }
}

/// A runner with the configuration and state directory that the arguments name, and its progress.
fn prepare(args: &Args, output: &Output) -> Result<(Runner, Arc<Progress>), Unfinished> {
    let config = Config::load(&args.config).map_err(crate::connect::StartError::from)?;
    let state = open_state(&args.state)?;
    start_log(&state)?;
    let progress = Progress::new(output.shows_progress(args.no_progress));
    let runner = Runner::new(config, state).observer(progress.clone() as Arc<dyn Observer>);
    stop_on_signals(runner.stop_signal(), *output);
    Ok((runner, progress))
}

async fn roll_back(args: &Args, rollback: &args::Rollback, output: &Output) -> ExitCode {
    let scope = match (&rollback.stages[..], &rollback.keys[..]) {
        ([], []) => Scope::Everything,
        ([], keys) => Scope::Keys(keys.iter().map(|key| Key::from(key.as_str())).collect()),
        (stages, _) => Scope::Stages(stages.iter().map(|it| it.name().to_owned()).collect()),
    };
    let mut options = RollbackOptions::only(scope);
    options.dry_run = rollback.dry_run;
    let ended = match prepare(args, output) {
        Ok((runner, progress)) => {
            let ended = runner.rollback(&options).await;
            progress.end();
            ended
        }
        Err(unfinished) => Err(unfinished),
    };
    match ended {
        Ok(rolled_back) => output.rolled_back(&rolled_back),
        Err(unfinished) => output.failed(&unfinished.message, unfinished.exit),
    }
}

async fn with_runner(
    args: &Args,
    command: &Command,
    output: &Output,
) -> Result<Option<Finished>, Unfinished> {
    let (runner, progress) = prepare(args, output)?;
    let result = carry_out(&runner, command, output).await;
    progress.end();
    result
}

/// Carries out one of the commands that need both sides.
async fn carry_out(
    runner: &Runner,
    command: &Command,
    output: &Output,
) -> Result<Option<Finished>, Unfinished> {
    match command {
        Command::Plan => {
            let plan = runner.plan().await?;
            output.plan(&plan);
            Ok(None)
        }
        Command::Verify(verify) => {
            let sample = verify.sample.and_then(|sample| usize::try_from(sample).ok());
            let Verify { all, seed, anew, .. } = *verify;
            let options = VerifyOptions { all, sample, seed, anew };
            runner.verify(options).await.map(Some)
        }
        Command::Run(run) => {
            let mut options = RunOptions::default();
            options.only = run.only.map(|stage| stage.name().to_owned());
            options.no_wait = run.no_wait;
            let runner = runner.clone().accept_proposal(run.accept_proposal);
            match run.sample {
                Some(contacts) => runner.pilot(contacts, &options).await.map(Some),
                None => runner.run(&options).await.map(Some),
            }
        }
        Command::Delta(delta) => {
            let mut options = RunOptions::default().changes_only();
            options.no_wait = delta.no_wait;
            let runner = runner.clone().accept_proposal(delta.accept_proposal);
            runner.run(&options).await.map(Some)
        }
        Command::Redrive(redrive) => {
            let mut options = RunOptions::default();
            options.no_wait = redrive.no_wait;
            let runner = runner.clone().accept_proposal(redrive.accept_proposal);
            runner.redrive_with(redrive.queue.as_deref(), &options).await.map(Some)
        }
        _ => Err(Unfinished {
            exit: Exit::Failed,
            message: "this command is not available yet".to_owned(),
        }),
    }
}

fn open_state(path: &std::path::Path) -> Result<StateDir, Unfinished> {
    StateDir::create(path).map_err(|error| Unfinished {
        exit: Exit::Failed,
        message: format!(
            "The state directory {} cannot be made: {error}. Name another with --state DIR.",
            path.display()
        ),
    })
}

/// Writes what the libraries trace to `log.jsonl` in the state directory. It holds no secret and
/// no person's data, since no library traces any.
fn start_log(state: &StateDir) -> Result<(), Unfinished> {
    use tracing_subscriber::EnvFilter;
    let file = crate::state::appending(&state.file("log.jsonl")).map_err(|error| Unfinished {
        exit: Exit::Failed,
        message: format!(
            "The log cannot be written: {error}. Check the state directory (--state)."
        ),
    })?;
    let mut filter = EnvFilter::try_from_env("LEADDESK_TO_INTERCOM_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info"));
    // The layers below the clients can trace whole requests, and LeadDesk's key stands in the URL.
    for silenced in ["h2=off", "hyper=off", "hyper_util=off", "reqwest=off", "rustls=off"] {
        filter = filter.add_directive(silenced.parse().map_err(|_| Unfinished {
            exit: Exit::Failed,
            message: format!("The log's filter {silenced} is not understood."),
        })?);
    }
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::sync::Mutex::new(file))
        .finish();
    // A program that embeds this may have one of its own.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

/// The first signal stops the run at the next good point; the second ends the process at once,
/// and what is in doubt then is settled by the next run.
fn stop_on_signals(stop: StopSignal, output: Output) {
    tokio::spawn(async move {
        let Ok(mut signals) = Signals::new() else { return };
        signals.next().await;
        stop.stop();
        output.say("\nStopping: what is under way is finished and kept. Again to stop at once.");
        signals.next().await;
        output.failed("stopped at once; the next run settles what is in doubt", Exit::Stopped);
        std::process::exit(i32::from(Exit::Stopped.code()));
    });
}

/// What asks the program to stop: Ctrl-C and, on Unix, SIGTERM. They are listened to from the start,
/// so that a second signal is not missed while the first is dealt with.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    #[cfg(windows)]
    fn new() -> std::io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(windows)]
        let _ = self.interrupt.recv().await;
    }
}
