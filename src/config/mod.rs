//! Floor 1: `ghl-sync.toml` and `schedules/*.toml` become accounts and jobs.
//!
//! Every file is read to its end and all problems are shown at once, each with file, line, key and what was expected. Nothing here
//! reads a secret, a socket or the database.

mod account;
mod accounts;
mod across;
mod address;
mod fields;
mod job;
mod keys;
mod limits;
mod load;
mod matching;
mod problem;
mod reader;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use account::{Account, HighLevelAccount, SecretSource, TwitchAccount};
pub use load::{find, load, load_partly};
pub use problem::{Problem, Problems};

use crate::model::{AccountName, Job, JobName};

/// Everything that the files say, after every check that needs no vendor.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The main file.
    pub path: PathBuf,
    /// The folder of the database.
    pub state: PathBuf,
    /// The accounts by name.
    pub accounts: BTreeMap<AccountName, Account>,
    /// The jobs by name.
    pub jobs: BTreeMap<JobName, Job>,
}
