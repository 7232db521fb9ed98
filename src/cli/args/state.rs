//! The arguments of `state`.

use std::path::PathBuf;

use clap::Subcommand;

use super::Form;

/// The arguments of `state`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct State {
    /// What to do with it.
    #[command(subcommand)]
    pub what: StateDo,
}

/// What to do with the state.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum StateDo {
    /// Look the state through: its file, and what must hold between its rows; others go on meanwhile
    Check(StateCheck),
    /// Copy the state, whole and checked, while others go on
    Backup(StateBackup),
    /// Put a copy in the place of the state, which is kept beside it
    Restore(StateRestore),
    /// Take old runs away, check, copy, and give freed room back; for a timer, the daemon does it by itself
    Upkeep(StateUpkeep),
}

/// The arguments of `state check`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct StateCheck {
    /// Read the file once, and leave out what takes more
    #[arg(long)]
    pub quick: bool,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}

/// The arguments of `state backup`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct StateBackup {
    /// Write the copy to this file, in place of an older copy [default: a new file in `backup_folder`]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}

/// The arguments of `state restore`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct StateRestore {
    /// The copy
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Do it without asking
    #[arg(long)]
    pub yes: bool,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}

/// The arguments of `state upkeep`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct StateUpkeep {
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}
