//! Floor 1: `ghl-sync.toml` and `schedules/*.toml` become accounts and jobs.
//!
//! Every file is read to its end and all problems are shown at once, each with file, line, key and what was expected. Nothing here
//! reads a secret, a socket or the database.

mod account;
mod accounts;
mod across;
mod address;
mod duration;
mod events;
mod fields;
mod highlevel;
mod job;
mod keys;
mod limits;
mod load;
mod matching;
mod on;
mod origin;
mod problem;
mod quiet;
mod reader;
pub mod scopes;
mod service;
mod source;
mod suits;
mod tags;
mod target;
#[cfg(test)]
mod tests;
mod trial;
mod twitch;
pub mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use account::{
    Account, AgencyAccount, HighLevelAccount, HubApp, HubLogin, TwitchAccount, TwitchLogin,
};
pub use duration::duration_of;
pub use load::{find, load, load_partly};
pub use problem::{Problem, Problems};
pub use service::{NotifyTarget, NotifyTo, Occasion, Upkeep};
pub use source::SecretSource;

use crate::model::{AccountName, Job, JobName};

/// Everything that the files say, after every check that needs no vendor.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The main file.
    pub path: PathBuf,
    /// The folder of the database.
    pub state: PathBuf,
    /// Where the key is found that encrypts kept logins: 64 hex digits; `None` keeps them as they are.
    pub token_key: Option<SecretSource>,
    /// Where the key before is found, while logins are read with it once more.
    pub old_token_key: Option<SecretSource>,
    /// The proxy of calls that leave this machine, `http://host:port`; `None` calls directly.
    pub proxy: Option<String>,
    /// Who is told when something changes, by name.
    pub notify: BTreeMap<String, NotifyTarget>,
    /// The file that figures for Prometheus are written to; `None` writes none.
    pub metrics: Option<PathBuf>,
    /// How the state is kept in good order.
    pub upkeep: Upkeep,
    /// The address that is called at the beginning and the end of a job's scheduled runs, by job.
    pub pings: BTreeMap<JobName, SecretSource>,
    /// The accounts by name.
    pub accounts: BTreeMap<AccountName, Account>,
    /// The jobs by name.
    pub jobs: BTreeMap<JobName, Job>,
}

impl Config {
    /// Returns the jobs that a name stands for: a job of that name, or all parts of the file that bears it; none for no such name.
    pub fn named(&self, name: &JobName) -> Vec<&Job> {
        match self.jobs.get(name) {
            Some(job) => vec![job],
            None => {
                let is_part = |job: &&Job| job.part_of.as_ref() == Some(name);
                self.jobs.values().filter(is_part).collect()
            }
        }
    }
}
