//! Why a command could not do what was asked, with its exit code and a hint.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::Problems;
use crate::run::{RunError, SettleError};
use crate::store::{Owner, StoreError, hidden_by};

use super::exit::{self, Exit};
use super::typed::Typed;

/// Why a command ended without doing what was asked.
#[derive(Debug)]
pub enum CliError {
    /// The files are not as they must be.
    Config(Problems),
    /// What was asked for does not fit what there is.
    Usage {
        /// What is wrong.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// HighLevel refused a call that was made by hand.
    Refused {
        /// What was refused, and why.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A vendor could not be reached, or its answer was lost.
    OutOfTouch {
        /// What happened, and what to do.
        what: String,
    },
    /// A person ended it in the middle.
    Stopped {
        /// What that leaves, as a fragment.
        left: String,
    },
    /// The state is not in good order, or could not be kept so.
    Care {
        /// What is wrong and what failed, with what to do.
        what: String,
    },
    /// A run could not be made or ended.
    Run(RunError),
    /// A file or stdout could not be written, or a socket not opened.
    Io {
        /// What was being done, as a fragment that follows "cannot".
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl CliError {
    /// Makes a [`CliError::Usage`] without a hint.
    pub(super) fn usage(what: impl Into<String>) -> CliError {
        CliError::Usage {
            what: what.into(),
            hint: None,
        }
    }

    /// Makes the error of writing a file.
    pub(super) fn writing(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CliError {
        let path = path.into();
        move |source| CliError::Io {
            what: format!("write {}", path.display()),
            source,
        }
    }

    /// Returns the exit that fits.
    pub fn exit(&self) -> Exit {
        match self {
            CliError::Config(_) | CliError::Usage { .. } => Exit::BadConfig,
            CliError::OutOfTouch { .. } => Exit::OutOfTouch,
            CliError::Run(error) => exit::of_run_error(error),
            CliError::Refused { .. }
            | CliError::Stopped { .. }
            | CliError::Care { .. }
            | CliError::Io { .. } => Exit::Failed,
        }
    }

    /// Returns what may help, beyond what the message says; `typed` says how commands are typed.
    pub(super) fn hint(&self, typed: &Typed) -> Option<String> {
        match self {
            CliError::Config(Problems(problems)) => {
                let of_files = || problems.iter().filter(|problem| problem.line == 0);
                // A file that is hidden from this user is there.
                if let Some(owner) = of_files().find_map(|problem| hidden_by(&problem.file)) {
                    return Some(as_owner(&owner, typed));
                }
                let missing =
                    of_files().any(|problem| matches!(problem.file.try_exists(), Ok(false)));
                missing.then(|| {
                    "write one with `ghl-sync init`, name another with --config, or try the program without any: ghl-sync demo"
                        .to_owned()
                })
            }
            CliError::Usage { hint, .. } | CliError::Refused { hint, .. } => hint.clone(),
            CliError::Run(RunError::State(StoreError::Foreign { owner, .. })) => {
                Some(as_owner(owner, typed))
            }
            CliError::Run(RunError::Setup { .. }) => Some(format!(
                "`{}` shows everything that it can find out without a call, `{}` the rest",
                typed.command("check"),
                typed.command("check --online")
            )),
            CliError::Run(RunError::State(StoreError::NotADatabase { .. })) => Some(format!(
                "`{}` says what is damaged, and which copy to put in its place",
                typed.command("state check")
            )),
            CliError::Run(
                RunError::Busy { .. }
                | RunError::OutOfTouch { .. }
                | RunError::Spent { .. }
                | RunError::Approval { .. }
                | RunError::State(_)
                | RunError::Io { .. }
                | RunError::Bug { .. },
            )
            | CliError::OutOfTouch { .. }
            | CliError::Stopped { .. }
            | CliError::Care { .. }
            | CliError::Io { .. } => None,
        }
    }
}

fn as_owner(owner: &Owner, typed: &Typed) -> String {
    format!(
        "type it as the user whose files these are: {}",
        typed.again_as(owner)
    )
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Config(problems) => {
                let count = problems.0.len();
                let noun = if count == 1 { "problem" } else { "problems" };
                write!(f, "{count} {noun} in the configuration\n{problems}")
            }
            CliError::Usage { what, .. }
            | CliError::Refused { what, .. }
            | CliError::OutOfTouch { what } => f.write_str(what),
            CliError::Stopped { left } => write!(f, "stopped by you: {left}"),
            CliError::Care { what } => write!(f, "the state's upkeep: {what}"),
            CliError::Run(error) => error.fmt(f),
            CliError::Io { what, source } => write!(f, "cannot {what}: {source}"),
        }
    }
}

impl std::error::Error for CliError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CliError::Config(problems) => Some(problems),
            CliError::Usage { .. }
            | CliError::Refused { .. }
            | CliError::OutOfTouch { .. }
            | CliError::Stopped { .. }
            | CliError::Care { .. } => None,
            CliError::Run(error) => Some(error),
            CliError::Io { source, .. } => Some(source),
        }
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> CliError {
        CliError::Config(problems)
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> CliError {
        CliError::Run(error)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> CliError {
        CliError::Run(RunError::State(error))
    }
}

impl From<SettleError> for CliError {
    fn from(error: SettleError) -> CliError {
        match error {
            SettleError::Nothing(what) => CliError::usage(what),
            SettleError::Run(error) => CliError::Run(error),
        }
    }
}
