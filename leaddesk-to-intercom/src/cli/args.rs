//! The arguments of the program: commands, options, and which of them work already.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand, ValueEnum};

/// Moves a contact centre from LeadDesk to Intercom: planned, verified, resumable.
///
/// Without a command, a rehearsal with a generated account: no account, key or service is needed.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "leaddesk-to-intercom", version, about, disable_help_subcommand = true)]
#[non_exhaustive]
pub struct Args {
    /// What to do. `None` is a rehearsal with its defaults; see [`Args::command`].
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration (TOML).
    #[arg(long, value_name = "FILE", global = true, default_value = "migration.toml")]
    pub config: PathBuf,
    /// The folder for ledger, plan, report and queues.
    #[arg(long, value_name = "DIR", global = true, default_value = "migration-state")]
    pub state: PathBuf,
    /// Print report.json's object as one JSON line on stdout; everything else goes to stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress bars.
    #[arg(long, global = true)]
    pub no_progress: bool,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Generate an account, serve both sides on this machine, and plan, run and verify there.
    Rehearse(Rehearse),
    /// Say what a run would do, without a write.
    Plan,
    /// Migrate, or go on where the last run stopped.
    Run(Run),
    /// Migrate what is new or changed since the last run.
    Delta(Delta),
    /// Read back and compare with the source, field by field.
    Verify(Verify),
    /// Try again only what is dead or queued.
    Redrive(Redrive),
    /// Take back what the migration wrote: all of it, some stages, or some records.
    ///
    /// Conversations go before contacts, and attributes and tags last. What people have changed since,
    /// or added to, is left and listed, and so is what Intercom's API cannot remove. Whatever is taken
    /// back is read back before it counts as that. One that was stopped or killed is started again in
    /// the same way and goes on.
    ///
    /// Of a selection, what hangs on it and is not selected holds it: a contact with calls or chats of
    /// this migration is left and listed, until the stages calls and chats, or these records, go as
    /// well. A contact that was there before the migration gets its former values back in any case.
    /// Attributes go only with all who use them. A later run writes again what was taken back.
    Rollback(Rollback),
    /// Say where the migration stands, from the ledger alone.
    Status(Status),
    /// Write the report again, from the ledger alone.
    Report,
}

/// `rehearse`: the size and shape of the generated account.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Rehearse {
    /// Contacts in the generated account.
    #[arg(long, value_name = "N", default_value_t = 1_200, value_parser = clap::value_parser!(u64).range(1..))]
    pub contacts: u64,
    /// Seed of the generated account.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Calls a minute that the stand-in for Intercom allows. By default more than Intercom does, and the run says so.
    #[arg(long, value_name = "CALLS_PER_MINUTE", value_parser = clap::value_parser!(u32).range(1..))]
    pub quota: Option<u32>,
}

/// `run`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Run {
    /// A pilot of N contacts, and as many leads and anonymous visitors, with all that hangs on them. A later run goes on.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: Option<u64>,
    /// Only this stage.
    #[arg(long, value_name = "STAGE", value_enum)]
    pub only: Option<Stage>,
    /// Take mapping.toml, where custom fields go, as it is, though nobody has confirmed it.
    #[arg(long)]
    pub accept_proposal: bool,
    /// Do not wait at the end until nothing is in doubt.
    #[arg(long)]
    pub no_wait: bool,
}

/// `delta`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Delta {
    /// Take mapping.toml, where custom fields go, as it is, though nobody has confirmed it.
    #[arg(long)]
    pub accept_proposal: bool,
    /// Do not wait at the end until nothing is in doubt.
    #[arg(long)]
    pub no_wait: bool,
}

/// The stages of a migration, in the order of their dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
#[non_exhaustive]
pub enum Stage {
    /// Attributes and tags.
    Schema,
    /// Agents and teammates.
    Agents,
    /// Teams.
    Teams,
    /// Contacts.
    Contacts,
    /// Leads.
    Leads,
    /// Calls.
    Calls,
    /// Chatbot conversations.
    Chats,
    /// What is documented and not migrated.
    Inventory,
}

impl Stage {
    /// The name in report.json.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Agents => "agents",
            Self::Teams => "teams",
            Self::Contacts => "contacts",
            Self::Leads => "leads",
            Self::Calls => "calls",
            Self::Chats => "chats",
            Self::Inventory => "inventory",
        }
    }
}

/// `verify`. Without `--sample` and `--seed`, those of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Verify {
    /// Records of each kind that are read back.
    #[arg(long, value_name = "N", conflicts_with = "all", value_parser = clap::value_parser!(u64).range(1..))]
    pub sample: Option<u64>,
    /// Read back all records.
    #[arg(long)]
    pub all: bool,
    /// Seed of the random choice.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Begin again where an earlier verification was cut off, instead of going on with it.
    #[arg(long)]
    pub anew: bool,
    /// Write lost fields again.
    #[arg(long)]
    pub repair: bool,
}

/// `redrive`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Redrive {
    /// Only this queue.
    #[arg(long, value_name = "NAME")]
    pub queue: Option<String>,
    /// Take mapping.toml, where custom fields go, as it is, though nobody has confirmed it.
    #[arg(long)]
    pub accept_proposal: bool,
    /// Do not wait at the end until nothing is in doubt.
    #[arg(long)]
    pub no_wait: bool,
}

/// `rollback`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Rollback {
    /// Say what would be taken back and what not, and why, without a write.
    #[arg(long)]
    pub dry_run: bool,
    /// Only this stage; several may be named.
    #[arg(long = "stage", value_name = "STAGE", value_enum, conflicts_with = "keys")]
    pub stages: Vec<Stage>,
    /// Only this record, such as contact:42 or call:7, with the duplicates that share its object;
    /// several may be named.
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<String>,
}

/// `status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct Status {
    /// Scan the whole ledger.
    #[arg(long)]
    pub check: bool,
}

/// A command or option that is understood but does not work yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{what}` is not available yet: leave it out, or see --help for what there is")]
pub struct NotYet {
    what: &'static str,
}

/// Arguments that lead to no command: text for the user, and how the program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// What to print.
    pub text: String,
    /// 0 for help and version, which go to stdout; 1 for wrong arguments, whose text goes to stderr.
    pub exit_code: u8,
    /// Whether `--json` stands among the arguments, so that a failure can be told as JSON as well.
    pub json: bool,
}

impl Args {
    /// Reads the arguments of a program; the first is its name.
    ///
    /// # Errors
    /// [`Usage`] where they are wrong, or ask for help or the version.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Usage> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        Self::try_parse_from(&arguments).map_err(|error| Usage {
            text: error.to_string(),
            exit_code: match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
                _ => 1,
            },
            json: arguments.iter().any(|argument| argument == "--json"),
        })
    }

    /// What to do; a rehearsal where nothing was said.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command.clone().unwrap_or_else(|| Command::Rehearse(Rehearse::default()))
    }

    /// Whether all that was asked for works already.
    ///
    /// # Errors
    /// [`NotYet`], naming the first command or option whose feature comes later.
    pub fn available(&self) -> Result<(), NotYet> {
        let later = match self.command() {
            Command::Verify(Verify { repair: true, .. }) => Some("verify --repair"),
            _ => None,
        };
        later.map_or(Ok(()), |what| Err(NotYet { what }))
    }
}

impl Default for Rehearse {
    fn default() -> Self {
        Self { contacts: 1_200, seed: 1, quota: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn read(line: &str) -> Result<Args, Usage> {
        let words = std::iter::once("leaddesk-to-intercom").chain(line.split_whitespace());
        Args::read(words.map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        <Args as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn no_command_is_a_rehearsal() {
        let args = read("").unwrap();
        assert_eq!(args.command(), Command::Rehearse(Rehearse::default()));
        assert_eq!(args.command(), read("rehearse").unwrap().command());
        assert_eq!(
            (args.config, args.state),
            (PathBuf::from("migration.toml"), PathBuf::from("migration-state"))
        );
        assert!(!args.json && !args.no_progress);
    }

    #[test]
    fn commands_and_their_options() {
        let run = |sample, only, accept_proposal, no_wait| {
            Command::Run(Run { sample, only, accept_proposal, no_wait })
        };
        let redrive = |queue: Option<&str>, accept_proposal, no_wait| {
            let queue = queue.map(str::to_owned);
            Command::Redrive(Redrive { queue, accept_proposal, no_wait })
        };
        let verify = |sample, all, seed, repair| {
            Command::Verify(Verify { sample, all, seed, repair, anew: false })
        };
        let rollback = |dry_run, stages: &[Stage], keys: &[&str]| {
            let (stages, keys) = (stages.to_vec(), keys.iter().map(ToString::to_string).collect());
            Command::Rollback(Rollback { dry_run, stages, keys })
        };
        for (line, expected) in [
            (
                "rehearse --contacts 10 --seed 2 --quota 600",
                Command::Rehearse(Rehearse { contacts: 10, seed: 2, quota: Some(600) }),
            ),
            ("plan", Command::Plan),
            ("run", run(None, None, false, false)),
            ("run --only contacts --no-wait", run(None, Some(Stage::Contacts), false, true)),
            ("run --sample 5 --accept-proposal", run(Some(5), None, true, false)),
            ("delta", Command::Delta(Delta::default())),
            (
                "delta --accept-proposal --no-wait",
                Command::Delta(Delta { accept_proposal: true, no_wait: true }),
            ),
            ("verify", verify(None, false, None, false)),
            ("verify --sample 25 --seed 7", verify(Some(25), false, Some(7), false)),
            ("verify --all --repair", verify(None, true, None, true)),
            ("redrive --queue shared_email", redrive(Some("shared_email"), false, false)),
            ("redrive --accept-proposal --no-wait", redrive(None, true, true)),
            ("rollback --dry-run", rollback(true, &[], &[])),
            (
                "rollback --stage calls --stage contacts",
                rollback(false, &[Stage::Calls, Stage::Contacts], &[]),
            ),
            (
                "rollback --dry-run --key contact:42 --key call:7",
                rollback(true, &[], &["contact:42", "call:7"]),
            ),
            ("status --check", Command::Status(Status { check: true })),
            ("report", Command::Report),
        ] {
            assert_eq!(read(line).unwrap().command(), expected, "{line}");
        }
    }

    #[test]
    fn options_stand_before_or_behind_the_command() {
        for line in [
            "--config c.toml --state s --json --no-progress plan",
            "plan --config c.toml --state s --json --no-progress",
        ] {
            let args = read(line).unwrap();
            assert_eq!(
                (args.config, args.state, args.json, args.no_progress),
                ("c.toml".into(), "s".into(), true, true)
            );
        }
    }

    #[test]
    fn wrong_arguments_end_with_1_and_help_with_0() {
        for line in [
            "migrate",
            "run --only everything",
            "run --sample",
            "run --sample 0",
            "verify --sample 5 --all",
            "rollback --stage call",
            "rollback --stage calls --key call:7",
            "rehearse --quota 0",
            "rehearse --contacts none",
            "plan extra",
            "--confg x",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code, 1, "{line}");
        }
        for line in ["--help", "-h", "--version", "run --help"] {
            assert_eq!(read(line).unwrap_err().exit_code, 0, "{line}");
        }
        assert!(read("plan --json extra").unwrap_err().json);
        assert!(read("--help").unwrap_err().text.contains("rehearse"));
    }

    #[test]
    fn what_comes_later_says_so() {
        for (line, expected) in [
            ("", None),
            ("rehearse", None),
            ("plan", None),
            ("run --only calls --no-wait", None),
            ("verify --all --seed 3", None),
            ("status", None),
            ("report", None),
            ("delta", None),
            ("redrive --queue dead", None),
            ("rollback --dry-run --stage calls", None),
            ("run --sample 1", None),
            ("run --accept-proposal", None),
            ("run --only leads", None),
            ("verify --repair", Some("`verify --repair`")),
            ("status --check", None),
        ] {
            let answer = read(line).unwrap().available().err().map(|error| error.to_string());
            let expected = expected.map(|what| {
                format!(
                    "{what} is not available yet: leave it out, or see --help for what there is"
                )
            });
            assert_eq!(answer, expected, "{line}");
        }
    }

    #[test]
    fn stages_are_named_as_in_the_report() {
        for stage in Stage::value_variants() {
            assert_eq!(stage.to_possible_value().unwrap().get_name(), stage.name());
        }
    }
}
