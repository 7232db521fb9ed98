//! Which scopes a login has to ask for, as the jobs need them and no more.

use std::collections::BTreeSet;

use super::Config;
use super::account::{Account, HubLogin};
use crate::model::AccountName;

/// What every location needs. `locations.readonly` is for `check --online`. Source: HighLevel's scopes.
const LOCATION: &[&str] = &[
    "contacts.readonly",
    "contacts.write",
    "locations.readonly",
    "locations/customFields.readonly",
];

/// What `create_fields` needs beside them.
const FIELDS: &str = "locations/customFields.write";

/// What an agency needs to make tokens for its locations.
const AGENCY: &str = "oauth.write";

/// What reading followers needs. Source: Twitch's API reference, "Get Channel Followers".
const FOLLOWERS: &str = "moderator:read:followers";

/// Returns the scopes that the login of an account asks for, as the configured jobs need them, sorted; none for an unknown account.
///
/// An agency needs what its locations need, and one of its own.
pub fn needed(config: &Config, account: &AccountName) -> Vec<&'static str> {
    let scopes = match config.accounts.get(account) {
        None => BTreeSet::new(),
        Some(Account::HighLevel(_)) => of_location(config, account),
        Some(Account::Agency(_)) => {
            let mut scopes = BTreeSet::from([AGENCY]);
            for (name, other) in &config.accounts {
                let is_ours = match other {
                    Account::HighLevel(other) => {
                        matches!(&other.login, HubLogin::Agency(agency) if agency == account)
                    }
                    Account::Agency(_) | Account::Twitch(_) => false,
                };
                if is_ours {
                    scopes.extend(of_location(config, name));
                }
            }
            scopes
        }
        Some(Account::Twitch(_)) => of_channel(config, account),
    };
    scopes.into_iter().collect()
}

/// Returns the scopes that the configured jobs need and `granted` lacks, sorted.
///
/// Where Twitch takes one scope of several, any of them will do. Streams are public: what is asked for them besides is not missed.
pub fn lacking(config: &Config, account: &AccountName, granted: &[String]) -> Vec<&'static str> {
    let has = |scope: &str| granted.iter().any(|granted| granted == scope);
    let is_enough = |scope: &&'static str| {
        let jobs = config.jobs.values().filter(|job| job.from == *account);
        let mut of_it = jobs.filter(|job| job.source.scopes().first() == Some(scope));
        match of_it.next() {
            Some(job) => job.source.scopes().iter().any(|scope| has(scope)),
            None => is_spoke_in_use(config, account),
        }
    };
    let mut lacking = needed(config, account);
    lacking.retain(|scope| !has(scope) && !is_enough(scope));
    lacking
}

/// Returns whether it is an account of Twitch that jobs read with.
fn is_spoke_in_use(config: &Config, account: &AccountName) -> bool {
    matches!(config.accounts.get(account), Some(Account::Twitch(_)))
        && config.jobs.values().any(|job| job.from == *account)
}

fn of_location(config: &Config, account: &AccountName) -> BTreeSet<&'static str> {
    let mut scopes: BTreeSet<&'static str> = LOCATION.iter().copied().collect();
    if config
        .jobs
        .values()
        .any(|job| job.to == *account && job.create_fields)
    {
        scopes.insert(FIELDS);
    }
    scopes
}

fn of_channel(config: &Config, account: &AccountName) -> BTreeSet<&'static str> {
    let mut scopes: BTreeSet<&'static str> = config
        .jobs
        .values()
        .filter(|job| job.from == *account)
        .filter_map(|job| job.source.scopes().first().copied())
        .collect();
    if scopes.is_empty() {
        // People log in before they write their first job, and that one reads followers. Streams need none, and count new followers with it.
        scopes.insert(FOLLOWERS);
    }
    scopes
}
