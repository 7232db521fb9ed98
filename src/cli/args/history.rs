//! The arguments of what changes the history.

use std::time::Duration;

use clap::Subcommand;

use super::Form;
use crate::config::duration_of;

/// What to do with the history.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum HistoryCommand {
    /// Take old runs away, with their plans and steps; nothing that a later run needs
    Prune(Prune),
}

/// The arguments of `history prune`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
pub struct Prune {
    /// Runs older than this go, at least 2d [default: `keep` of table upkeep, 180d]
    #[arg(long, value_name = "TIME", value_parser = age)]
    pub older_than: Option<Duration>,
    /// And of each job all but this many of the newest [default: `keep_runs` of table upkeep, 5000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_runs: Option<u64>,
    /// Say what would go, and take nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write it in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub format: Form,
}

/// Guards count the writes of 24 hours and stored plans are good for as long; two days leave both alone.
const LEAST: Duration = Duration::from_secs(2 * 24 * 60 * 60);

fn age(word: &str) -> Result<Duration, String> {
    let age = duration_of(word)
        .ok_or("expected a whole number with s, m, h or d, such as 90d".to_owned())?;
    if age < LEAST {
        return Err("expected at least 2d: younger runs are still needed".to_owned());
    }
    Ok(age)
}
