//! The arguments of every command, and the help that is made of them.

mod api;
mod auth;
mod history;
mod init;
mod look;
mod notify;
mod state;
mod units;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::model::{
    AccountName, ContactId, Digest, FieldKey, GuardKind, JobName, NotAnId, RecordKey,
};

use super::exit::Exit;

pub use api::Api;
pub use auth::{Auth, AuthDo, AuthOf, AuthWhat, HubAuth, ShowAuth, TwitchAuth};
pub use history::{HistoryCommand, Prune};
pub use init::{HubWay, Init, JobSet};
pub use look::{Explain, History, Show, Since, WhichRun};
pub use notify::Notify;
pub use state::{State, StateBackup, StateCheck, StateDo, StateRestore, StateUpkeep};
pub use units::{Completions, InstallUnits, Man};

/// The heading of what every command takes.
const GLOBAL: &str = "Options of every command";

/// Keep HighLevel contacts in step with a Twitch channel: its people and its streams
///
/// Nothing is written to a vendor by `plan`, `status` and `check` (but for its --write-test). Try it without accounts: ghl-sync demo
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(name = "ghl-sync", version, max_term_width = 100)]
pub struct Args {
    /// Read this configuration file [default: ./ghl-sync.toml, else /etc/ghl-sync/ghl-sync.toml]
    #[arg(long, value_name = "PATH", global = true, help_heading = GLOBAL)]
    pub config: Option<PathBuf>,
    /// Log more: once for steps, twice for calls
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = GLOBAL)]
    pub verbose: u8,
    /// Log errors only, and show no progress
    #[arg(short, long, global = true, help_heading = GLOBAL, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Write logs in this form
    #[arg(long, value_name = "FORM", global = true, help_heading = GLOBAL, default_value = "text")]
    pub log_format: LogFormat,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Write a configuration to begin with: asks on a terminal, takes flags in a pipe
    ///
    /// Writes ghl-sync.toml (or the file of --config), schedules/twitch-followers.toml beside it and the key that encrypts logins, token.key.
    Init(Box<Init>),
    /// Log in, and show, renew or revoke logins
    Auth(Auth),
    /// Show what `apply` would do, and change nothing
    Plan(Plan),
    /// Plan, and carry it out within the guards
    Apply(Apply),
    /// Read both sides in full, and carry out what differs
    Resync(Resync),
    /// Run the schedules until told to end; SIGHUP loads the configuration again
    Daemon,
    /// Check configuration, secrets and state, and with --online what the vendors say; how to mend it stands beneath
    Check(Check),
    /// Show every job's last run, what is due and what waits for you
    Status(Status),
    /// Show who is told of changes, what waits to be told and what stands; --test tries every target
    Notify(Notify),
    /// List past runs, newest first: when, how long, what came of it; `history prune` takes old ones away
    History(History),
    /// Look after the state: check, backup, restore, upkeep
    State(State),
    /// Show the report of a past run again
    Show(Show),
    /// Tell everything known of one person: the record, the contact, what the job wants and why, every step of all runs
    Explain(Explain),
    /// Say that a record is a contact
    Link(Link),
    /// Forget which contact a record is
    Unlink(Record),
    /// Try refused or unanswered records again in the next run
    Retry(Retry),
    /// Settle conflicts of a record: keep the value in HighLevel
    Keep(Settle),
    /// Settle conflicts of a record: take the value of the mapping
    Take(Settle),
    /// Use HighLevel's Contacts API from the shell: contacts, tasks, notes, tags and what surrounds them
    ///
    /// JSON goes in and out as HighLevel writes it: a list has a line for each object, one object is laid out on a terminal. The calls share the jobs' login, rate limit and budget; names of custom fields take one call more, once a day. It tells the jobs nothing: their next run reads what was changed here, as it reads what people change. Exit codes: 0 done, 1 refused or stopped, 4 wrong words, token or scope, 6 no answer or no calls left.
    Api(Box<Api>),
    /// Show the whole thing against a built-in sandbox, without any account
    Demo(Demo),
    /// Put the units of systemd in place, with the path of this program in them
    InstallUnits(InstallUnits),
    /// Print the completions of a shell
    Completions(Completions),
    /// Print the manual page, or write all of them into a folder
    Man(Man),
    /// Serve the sandbox on the loopback address until stopped
    #[command(hide = true)]
    Sandbox(Sandbox),
}

/// The arguments of `plan`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Plan {
    /// The jobs, by name [default: all]
    #[arg(value_name = "JOB", value_parser = job)]
    pub jobs: Vec<JobName>,
    /// Read both sides in full, not only what is new
    #[arg(long)]
    pub full: bool,
    /// Exit with 2 when the plan is not empty, with 3 or 7 when a guard would hold a part of it, with 7 when you are asked something, and with 5 when there are new conflicts
    ///
    /// Without it a plan that could be made exits with 0, whatever it says.
    #[arg(long)]
    pub exit_code: bool,
    /// How the report is written.
    #[command(flatten)]
    pub output: Output,
}

/// The arguments of `apply`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Apply {
    /// The jobs, by name [default: all]
    #[arg(value_name = "JOB", value_parser = job)]
    pub jobs: Vec<JobName>,
    /// Read both sides in full, not only what is new
    #[arg(long)]
    pub full: bool,
    /// Run as a timer does: keep the job's quiet hours and time budget, remember failures, and tell who is to be told
    #[arg(long, conflicts_with_all = ["approve", "allow", "limit"])]
    pub scheduled: bool,
    /// How it is carried out.
    #[command(flatten)]
    pub how: How,
    /// How the report is written.
    #[command(flatten)]
    pub output: Output,
}

/// The arguments of `resync`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Resync {
    /// The job, by name
    #[arg(value_name = "JOB", value_parser = job)]
    pub job: JobName,
    /// How it is carried out.
    #[command(flatten)]
    pub how: How,
    /// How the report is written.
    #[command(flatten)]
    pub output: Output,
}

/// How a plan is carried out.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct How {
    /// Carry out the steps of this stored plan that still hold, and nothing else
    ///
    /// `plan` prints the digest; it serves once, within 24 hours.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    pub approve: Option<Digest>,
    /// Let this guard pass once; may be repeated
    #[arg(long, value_name = "GUARD", value_parser = guard())]
    pub allow: Vec<GuardKind>,
    /// Carry out the steps of at most this many records (people), and leave the rest to the next run [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Wait for another run of the job to end, instead of exiting with 8
    #[arg(long)]
    pub wait: bool,
}

/// How a report is written.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Output {
    /// Write the report in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Format,
    /// Write the report with all its rows to this file, and only its first sentence to stdout
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Show e-mail addresses and phone numbers in full
    #[arg(long)]
    pub show_personal: bool,
}

/// The arguments of `check`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub struct Check {
    /// Ask the vendors too, by reads alone: tokens, scopes, location, custom fields, channel and role, calls left, clock
    #[arg(long)]
    pub online: bool,
    /// Make, change and remove a throw-away contact in every location that a job uses; implies --online
    ///
    /// Workflows of the location that start on new contacts or on tags will see it.
    #[arg(long)]
    pub write_test: bool,
    /// Ask this account alone [default: every account that a job uses]
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub account: Option<AccountName>,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}

/// The arguments of `status`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Status {
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Format,
}

/// One record of one job.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Record {
    /// The job, by name
    #[arg(value_name = "JOB", value_parser = job)]
    pub job: JobName,
    /// The record's key, for example a Twitch user id
    #[arg(value_name = "KEY", value_parser = key)]
    pub key: RecordKey,
}

/// The arguments of `link`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Link {
    /// The record.
    #[command(flatten)]
    pub record: Record,
    /// The id of the HighLevel contact
    #[arg(value_name = "CONTACT", value_parser = contact)]
    pub contact: ContactId,
}

/// The arguments of `retry`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Retry {
    /// The job, by name
    #[arg(value_name = "JOB", value_parser = job)]
    pub job: JobName,
    /// The records' keys
    #[arg(value_name = "KEY", value_parser = key, required_unless_present = "all")]
    pub keys: Vec<RecordKey>,
    /// Try all of the job's records that were set aside
    #[arg(long, conflicts_with = "keys")]
    pub all: bool,
}

/// The arguments of `keep` and `take`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Settle {
    /// The record.
    #[command(flatten)]
    pub record: Record,
    /// The field [default: all fields in conflict]
    #[arg(value_name = "FIELD", value_parser = field)]
    pub field: Option<FieldKey>,
}

/// The arguments of `demo`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Demo {
    /// Leave configuration and state in this folder, to look at
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// How many followers the channel has
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    pub followers: u64,
    /// How many contacts the location has at the start
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub contacts: u64,
    /// The number that the invented people grow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// The arguments of `sandbox`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Sandbox {
    /// Listen on this port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// The number that the invented people grow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many followers the channel has
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub followers: u64,
    /// How many contacts the location has, twins included
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub contacts: u64,
    /// How many contacts picture a follower exactly
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub twins: u64,
    /// How many times the vendors' rate is allowed; 1 is their own
    #[arg(long, value_name = "TIMES", default_value_t = 1_000.0, value_parser = speed)]
    pub speed: f64,
    /// Make the Twitch application a confidential one with this secret; without it, it is a public one
    #[arg(long, value_name = "TEXT")]
    pub twitch_secret: Option<String>,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs, one object a job.
    Json,
    /// For pages and tickets.
    Markdown,
}

/// The form of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// For programs, one object.
    Json,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs, one object a line.
    Json,
}

/// Reads the process's arguments.
///
/// Errors: what to print, and how to end: [`Exit::Done`] for help and version, which belong on stdout, and [`Exit::BadConfig`] for
/// everything that cannot be understood, which belongs on stderr.
pub fn parse() -> Result<Args, (String, Exit)> {
    parse_from(std::env::args_os())
}

/// Reads these arguments, the program's name first; otherwise like [`parse`].
///
/// Errors: as [`parse`].
pub fn parse_from(words: impl IntoIterator<Item = OsString>) -> Result<Args, (String, Exit)> {
    Args::try_parse_from(words).map_err(|error| {
        let exit = match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
            _ => Exit::BadConfig,
        };
        (error.render().to_string(), exit)
    })
}

fn job(word: &str) -> Result<JobName, NotAnId> {
    JobName::try_from(word)
}

pub(super) fn account(word: &str) -> Result<AccountName, NotAnId> {
    AccountName::try_from(word)
}

fn key(word: &str) -> Result<RecordKey, NotAnId> {
    RecordKey::try_from(word)
}

fn contact(word: &str) -> Result<ContactId, NotAnId> {
    ContactId::try_from(word)
}

fn field(word: &str) -> Result<FieldKey, NotAnId> {
    FieldKey::try_from(word)
}

/// Takes the 12 characters that reports print, or more up to all 64.
fn digest(word: &str) -> Result<Digest, NotAnId> {
    let word = word.to_ascii_lowercase();
    if (12..=64).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(Digest::stored(word))
    } else {
        Err(NotAnId {
            what: "digest",
            expected: "the 12 to 64 hex digits that `ghl-sync plan` printed",
            seen: word,
        })
    }
}

fn guard() -> impl TypedValueParser<Value = GuardKind> {
    PossibleValuesParser::new(GuardKind::ALL.map(GuardKind::word))
        .try_map(|word| GuardKind::from_word(&word).ok_or("no such guard"))
}

fn speed(word: &str) -> Result<f64, String> {
    match word.parse() {
        Ok(speed) if speed > 0.0 && f64::is_finite(speed) => Ok(speed),
        Ok(_) | Err(_) => Err("expected a number above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(line: &str) -> Result<Args, (String, Exit)> {
        parse_from(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_parser_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_is_understood() {
        for line in [
            "ghl-sync init",
            "ghl-sync init --location a --client-id b --highlevel app --app-id c --app-secret env:D --yes --force --no-encrypt",
            "ghl-sync auth twitch",
            "ghl-sync auth twitch login --account a --browser --port 3001 --paste",
            "ghl-sync auth highlevel revoke --account a --yes",
            "ghl-sync auth highlevel --scope users.readonly --scope locations/tags.readonly",
            "ghl-sync auth highlevel --from - --config x.toml",
            "ghl-sync auth show --format json",
            "ghl-sync plan",
            "ghl-sync plan a b --full --format json --out r.json --exit-code --show-personal",
            "ghl-sync apply a --approve 1a2b3c4d5e6f --allow first --allow create --limit 5 --wait",
            "ghl-sync resync a --allow leave --format markdown --out r.md",
            "ghl-sync check --config x.toml",
            "ghl-sync check --online --format json",
            "ghl-sync check --online --write-test --account main",
            "ghl-sync status --format json -vv --log-format json",
            "ghl-sync notify team --test --format json",
            "ghl-sync history prune --older-than 90d --keep-runs 100 --dry-run --format json",
            "ghl-sync state check --quick --format json",
            "ghl-sync state backup --out b.db --format json",
            "ghl-sync state restore b.db --yes --format json",
            "ghl-sync state upkeep --format json",
            "ghl-sync history",
            "ghl-sync history a b --limit 5 --since 7d --failed --format markdown",
            "ghl-sync show 12 --format json",
            "ghl-sync show last --show-personal --out r.txt",
            "ghl-sync explain ann --job a --format json --show-personal",
            "ghl-sync link a 123 C0ntact",
            "ghl-sync unlink a 123",
            "ghl-sync retry a 1 2 3",
            "ghl-sync retry a --all",
            "ghl-sync keep a 123",
            "ghl-sync take a 123 twitch_username",
            "ghl-sync -q demo --keep d --followers 5",
            "ghl-sync install-units --root d --prefix /usr --dry-run",
            "ghl-sync install-units --remove --force",
            "ghl-sync completions zsh",
            "ghl-sync man --out d",
            "ghl-sync sandbox --port 0 --seed 2 --followers 9 --contacts 9 --twins 3 --speed 1.5",
        ] {
            assert!(read(line).is_ok(), "{line}: {:?}", read(line));
        }
        let Ok(Command::Apply(apply)) =
            read("ghl-sync apply --allow tag --approve 1A2B3C4D5E6F").map(|args| args.command)
        else {
            panic!("apply is not apply");
        };
        assert_eq!(apply.how.allow, [GuardKind::Tag]);
        assert_eq!(apply.how.approve.unwrap().short(), "1a2b3c4d5e6f");
    }

    #[test]
    fn a_usage_error_is_bad_configuration_and_says_what_was_expected() {
        for (line, says) in [
            ("ghl-sync", "Usage"),
            ("ghl-sync plam", "plan"),
            ("ghl-sync plan Bad_Name", "expected 1 to 64 of a-z"),
            (
                "ghl-sync apply --allow everything",
                "first, create, update, tag, leave, return",
            ),
            ("ghl-sync apply --approve xyz", "hex digits"),
            ("ghl-sync apply --limit 0", "1.."),
            ("ghl-sync resync", "<JOB>"),
            ("ghl-sync history prune --older-than 1d", "at least 2d"),
            ("ghl-sync history prune --older-than soon", "90d"),
            ("ghl-sync state restore", "<FILE>"),
            ("ghl-sync resync a --full", "--full"),
            ("ghl-sync retry a", "<KEY>"),
            ("ghl-sync retry a 1 --all", "--all"),
            ("ghl-sync status --format yaml", "markdown"),
            ("ghl-sync check --format markdown", "json"),
            ("ghl-sync auth", "Usage"),
            ("ghl-sync auth twich", "twitch"),
            ("ghl-sync auth twitch leave", "revoke"),
            ("ghl-sync auth twitch --paste", "--browser"),
            ("ghl-sync auth highlevel --port 0", "1.."),
            ("ghl-sync auth highlevel --scope a&b=c", "users.readonly"),
            ("ghl-sync check --account Main", "expected 1 to 64 of a-z"),
            ("ghl-sync plan -q -v", "--verbose"),
            ("ghl-sync sandbox --speed 0", "above 0"),
        ] {
            let (said, exit) = read(line).unwrap_err();
            assert_eq!(exit, Exit::BadConfig, "{line}");
            assert!(said.contains(says), "{line}: {said}");
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for line in [
            "ghl-sync --help",
            "ghl-sync help plan",
            "ghl-sync apply -h",
            "ghl-sync -V",
        ] {
            assert_eq!(read(line).unwrap_err().1, Exit::Done, "{line}");
        }
        let (help, _) = read("ghl-sync --help").unwrap_err();
        assert!(!help.contains("sandbox on the loopback"), "{help}");
    }

    #[test]
    fn help_lines_start_with_a_capital_and_have_no_full_stop() {
        fn check(command: &clap::Command) {
            let abouts = command.get_about().into_iter();
            let helps = command.get_arguments().filter_map(clap::Arg::get_help);
            for line in abouts.chain(helps).map(ToString::to_string) {
                assert!(!line.ends_with('.'), "{}: {line}", command.get_name());
                assert!(line.starts_with(char::is_uppercase), "{line}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Args::command());
    }
}
